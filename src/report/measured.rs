//! What `bench` measured.

mod cells;
mod page;

use crate::bench::{BenchResult, JobRow, Machine};
use crate::report::table::{Align, Grid};
use crate::report::{Paint, words};

pub use page::html;

/// The figures as tables, one a workload or a log.
pub fn text(result: &BenchResult, paint: Paint) -> String {
    let mut text = format!("{}\n", machine(&result.machine, result.rounds));
    text.push_str(&cells::text(result, paint));
    let mut logs: Vec<&str> = result.jobs.iter().map(|row| row.log.as_str()).collect();
    logs.dedup();
    for log in logs {
        text.push_str(&format!("\n{}\n", paint.strong(log)));
        let mut grid = Grid::new(&[
            ("job", Align::Left),
            ("seconds", Align::Right),
            ("limit", Align::Right),
            ("times limit", Align::Right),
            ("target", Align::Right),
            ("", Align::Left),
            ("memory", Align::Right),
        ]);
        let rows: Vec<&JobRow> = result.jobs.iter().filter(|row| row.log == log).collect();
        rows.iter().for_each(|row| grid.row(cells(row)));
        text.push_str(&grid.render(paint, "  "));
        text.push_str(&limits(&rows));
        rows.iter().for_each(|row| text.push_str(&pace(row)));
        rows.iter().for_each(|row| text.push_str(&peer(row)));
    }
    text
}

/// Which jobs are held against which limit.
fn limits(rows: &[&JobRow]) -> String {
    let mut limits: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows {
        match limits.iter_mut().find(|(limit, _)| *limit == row.limit) {
            Some((_, jobs)) => jobs.push(&row.job),
            None => limits.push((&row.limit, vec![&row.job])),
        }
    }
    let line =
        |(limit, jobs): &(&str, Vec<&str>)| format!("  limit of {}: {limit}\n", jobs.join(", "));
    limits.iter().map(line).collect()
}

/// How many entries a job does in a second, where that is what counts.
fn pace(row: &JobRow) -> String {
    const MILLION: f64 = 1e6;
    let Some(pace) = &row.pace else { return String::new() };
    let rate = &pace.entries_per_s;
    let [median, min, max] = [rate.median, rate.min, rate.max].map(|rate| rate / MILLION);
    let (target, met) = (pace.target / MILLION, if pace.met { "met" } else { "MISSED" });
    format!(
        "  {} does {median:.2} ({min:.2}-{max:.2}) million entries/s; target {target:.1} {met}\n",
        row.job
    )
}

/// How a job stands against another program.
fn peer(row: &JobRow) -> String {
    let Some(peer) = &row.peer else { return String::new() };
    let times = &peer.times_faster;
    let met = if peer.met { "met" } else { "MISSED" };
    format!(
        "  {} is {:.2} ({:.2}-{:.2}) times as fast as {}; target {:.1} {met}\n",
        row.job, times.median, times.min, times.max, peer.job, peer.target
    )
}

fn machine(machine: &Machine, rounds: u64) -> String {
    let model = machine.cpu_model.as_deref().map_or("unknown processor".to_owned(), words::escaped);
    let memory = machine
        .memory_bytes
        .map_or(String::new(), |bytes| format!(", {} of memory", words::size(bytes)));
    format!(
        "{} x {model}{memory}; {}, medians",
        machine.cpus,
        words::count(rounds, "round", "rounds")
    )
}

fn cells(row: &JobRow) -> Vec<String> {
    let times = &row.times_limit;
    vec![
        row.job.clone(),
        format!("{:.2}", row.seconds.median),
        format!("{:.2}", row.limit_seconds.median),
        format!("{:.2} ({:.2}-{:.2})", times.median, times.min, times.max),
        row.target_times_limit.map_or("-".to_owned(), |target| format!("{target:.2}")),
        row.met.map_or("", |met| if met { "met" } else { "MISSED" }).to_owned(),
        row.rss_bytes.map_or("-".to_owned(), words::size),
    ]
}
