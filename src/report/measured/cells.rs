//! The workloads as tables of at most 100 columns.

use crate::bench::cell::Workload;
use crate::bench::{BenchResult, Row, Spread};
use crate::report::table::{Align, Grid, wrap};
use crate::report::{Paint, words};

/// Notes are wrapped to this many columns.
const NOTE_COLUMNS: usize = 96;

/// The tables, and what is meant by their columns.
pub fn text(result: &BenchResult, paint: Paint) -> String {
    let mut text = String::new();
    for workload in Workload::ALL {
        let rows = result.rows.iter().filter(|row| row.workload == workload.as_str());
        let rows: Vec<&Row> = rows.collect();
        let mut tables: Vec<(i8, u32)> =
            rows.iter().map(|row| (row.durability, row.batch)).collect();
        tables.dedup();
        for (durability, batch) in tables {
            let part: Vec<&Row> = rows
                .iter()
                .copied()
                .filter(|row| (row.durability, row.batch) == (durability, batch))
                .collect();
            text.push_str(&format!("\n{}\n", paint.strong(heading(*workload, durability, batch))));
            text.push_str(&table(&part).render(paint, ""));
            text.push_str(&notes(&part));
        }
    }
    if !text.is_empty() {
        text.push_str(&legend(result));
    }
    text
}

fn heading(workload: Workload, durability: i8, batch: u32) -> String {
    let entries = words::count(u64::from(batch), "entry", "entries");
    format!("{}   {}: level {durability}, {entries} a call", workload.as_str(), workload.title())
}

fn table(rows: &[&Row]) -> Grid {
    let mut grid = Grid::new(&[
        ("value", Align::Right),
        ("engine", Align::Left),
        ("entries/s", Align::Right),
        ("of the limit", Align::Right),
        ("target", Align::Left),
        ("p50 us", Align::Right),
        ("p99 us", Align::Right),
    ]);
    let mut before = None;
    for row in rows.iter().filter(|row| row.not_measured.is_none()) {
        let value =
            if before == Some(row.value_bytes) { String::new() } else { size(row.value_bytes) };
        before = Some(row.value_bytes);
        grid.row(vec![
            value,
            engine(row),
            row.ops_per_s.map_or("-".to_owned(), |rate| rates(&rate)),
            row.ratio_to_limit.map_or("-".to_owned(), |ratio| ratios(&ratio)),
            target(row),
            row.latency_us.map_or("-".to_owned(), |latency| microseconds(latency.p50)),
            row.latency_us.map_or("-".to_owned(), |latency| microseconds(latency.p99)),
        ]);
    }
    grid
}

/// The engine, and where it has modes, which.
pub fn engine(row: &Row) -> String {
    let mut words = vec![row.engine.to_owned()];
    words.extend(row.strategy.map(str::to_owned));
    if let Some(flush) = row.flush.as_ref().filter(|flush| flush.policy != "immediate") {
        words.push(flush.policy.to_owned());
    }
    words.join(" ")
}

/// What could not be measured, and why.
fn notes(rows: &[&Row]) -> String {
    let mut notes: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(format!("  {}: {}\n", row.engine, row.not_measured.as_ref()?)))
        .collect();
    notes.dedup();
    notes.concat()
}

fn legend(result: &BenchResult) -> String {
    let judged = result.rows.iter().filter(|row| row.met.is_some()).count();
    let missed = result.rows.iter().filter(|row| row.met == Some(false)).count();
    let verdict = match judged {
        0 => String::new(),
        _ => format!("{missed} of {} missed\n", words::count(judged as u64, "target", "targets")),
    };
    let words = "limit: the same bytes in bare calls, one write a call; at level 1 into blocks \
                 written before, and one sync. limit-direct: past the page cache, in whole blocks.";
    format!("\n{}\n{verdict}", wrap(words, Some(NOTE_COLUMNS)).join("\n"))
}

fn target(row: &Row) -> String {
    match (row.target_ratio, row.met) {
        (Some(target), Some(met)) => {
            format!("{target:.2} {}", if met { "met" } else { "MISSED" })
        }
        _ => "-".to_owned(),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 20 && b % (1 << 20) == 0 => format!("{} MiB", b >> 20),
        b if b >= 1 << 10 && b % (1 << 10) == 0 => format!("{} KiB", b >> 10),
        b => format!("{b} B"),
    }
}

/// A rate with its range, short: `10.2k (9.8-10.4k)`.
fn rates(rate: &Spread) -> String {
    let unit = Unit::of(rate.median);
    format!(
        "{}{} ({}-{})",
        unit.figure(rate.median),
        unit.letter,
        unit.figure(rate.min),
        unit.figure(rate.max)
    )
}

fn ratios(ratio: &Spread) -> String {
    format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.min, ratio.max)
}

struct Unit {
    factor: f64,
    letter: &'static str,
}

impl Unit {
    fn of(value: f64) -> Unit {
        match value {
            v if v >= 999_500.0 => Unit { factor: 1e6, letter: "M" },
            v if v >= 9_995.0 => Unit { factor: 1e3, letter: "k" },
            _ => Unit { factor: 1.0, letter: "" },
        }
    }

    /// Three digits or more.
    fn figure(&self, value: f64) -> String {
        let value = value / self.factor;
        match value {
            v if self.factor > 1.0 && v < 9.995 => format!("{v:.2}"),
            v if self.factor > 1.0 && v < 99.95 => format!("{v:.1}"),
            v => words::grouped(v.round() as u64),
        }
    }
}

fn microseconds(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => words::grouped(v.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{FlushNote, Latency};

    fn row(engine: &'static str, value_bytes: u64, target: Option<(f64, bool)>) -> Row {
        let ratio = Spread { min: 0.911, median: 0.954, max: 1.234 };
        Row {
            engine,
            workload: "D",
            operation: "append",
            durability: -1,
            strategy: (engine == "fastlog").then_some("disk-first"),
            flush: (engine == "fastlog").then_some(FlushNote {
                policy: "batch",
                threshold: Some(1000),
                interval_ms: Some(100),
            }),
            value_bytes,
            batch: 1,
            writers: 1,
            extent: 0,
            ops_per_s: Some(Spread { min: 1_101_111.0, median: 1_234_567.0, max: 12_300_000.0 }),
            ratio_to_limit: target.map(|_| ratio),
            target_ratio: target.map(|(ratio, _)| ratio),
            met: target.map(|(_, met)| met),
            latency_us: Some(Latency { p50: 12_345.6, p99: 123_456.7, max: 1e6 }),
            rss_bytes: None,
            not_measured: None,
            cell: String::new(),
        }
    }

    #[test]
    fn the_widest_rows_fit_a_hundred_columns_and_say_whether_targets_are_met() {
        let rows = vec![
            row("limit-direct", 1 << 20, None),
            row("fastlog", 1 << 20, Some((0.95, true))),
            row("fastlog", 1_000, Some((1.5, false))),
            Row { not_measured: Some("not here".to_owned()), ..row("redb", 7, None) },
        ];
        let mut paint = Paint::PLAIN;
        paint.width = Some(100);
        let text = text(&BenchResult { rows, ..BenchResult::default() }, paint);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        let fastlog: Vec<&str> = text.lines().filter(|line| line.contains("fastlog")).collect();
        let cells: Vec<&str> = fastlog[0].split_whitespace().collect();
        let wanted =
            "fastlog disk-first batch 1.23M (1.10-12.3) 0.95 (0.91-1.23) 0.95 met 12,346 123,457";
        assert_eq!(cells.join(" "), wanted);
        assert!(fastlog[1].starts_with("1000 B") && fastlog[1].contains("1.50 MISSED"), "{text}");
        assert!(text.contains("\n  redb: not here\n"), "{text}");
        assert!(text.ends_with("1 of 2 targets missed\n"), "{text}");
    }

    #[test]
    fn figures_have_three_digits_or_more() {
        let rate = |median| rates(&Spread { min: median, median, max: median });
        assert_eq!(rate(87.4), "87 (87-87)");
        assert_eq!(rate(9_994.0), "9,994 (9,994-9,994)");
        assert_eq!(rate(10_249.0), "10.2k (10.2-10.2)");
        assert_eq!(rate(999_499.0), "999k (999-999)");
        assert_eq!(rate(999_500.0), "1.00M (1.00-1.00)");
        let times = [0.804, 12.34, 1_234.5].map(microseconds);
        assert_eq!(times, ["0.80", "12.3", "1,235"]);
    }
}
