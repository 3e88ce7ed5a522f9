//! What `bench` measured.

use crate::bench::{BenchResult, JobRow, Machine, Spread};
use crate::report::table::{Align, Grid};
use crate::report::{Paint, words};

/// The figures as tables, one a log.
pub fn text(result: &BenchResult, paint: Paint) -> String {
    let mut text = format!("{}\n", machine(&result.machine, result.rounds));
    let mut logs: Vec<&str> = result.jobs.iter().map(|row| row.log.as_str()).collect();
    logs.dedup();
    for log in logs {
        text.push_str(&format!("\n{}\n", paint.strong(log)));
        let mut grid = Grid::new(&[
            ("job", Align::Left),
            ("seconds", Align::Right),
            ("bytes/s", Align::Right),
            ("entries/s", Align::Right),
            ("limit", Align::Left),
            ("seconds", Align::Right),
            ("times limit", Align::Right),
            ("target", Align::Right),
            ("", Align::Left),
            ("memory", Align::Right),
        ]);
        for row in result.jobs.iter().filter(|row| row.log == log) {
            grid.row(cells(row));
        }
        text.push_str(&grid.render(paint, "  "));
    }
    text
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
    let per_second = |amount: u64| match row.seconds.median {
        seconds if seconds > 0.0 => amount as f64 / seconds,
        _ => 0.0,
    };
    vec![
        row.job.clone(),
        range(&row.seconds),
        format!("{}/s", words::size(per_second(row.source_bytes) as u64)),
        words::grouped(per_second(row.entries) as u64),
        row.limit.clone(),
        range(&row.limit_seconds),
        range(&row.times_limit),
        row.target_times_limit.map_or("-".to_owned(), |target| format!("{target:.2}")),
        row.met.map_or("", |met| if met { "met" } else { "MISSED" }).to_owned(),
        row.rss_bytes.map_or("-".to_owned(), words::size),
    ]
}

/// The median, and the range where it is worth a look.
fn range(spread: &Spread) -> String {
    format!("{:.2} ({:.2}-{:.2})", spread.median, spread.min, spread.max)
}
