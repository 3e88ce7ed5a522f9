//! The workloads as tables of at most 100 columns.

use crate::bench::cell::Workload;
use crate::bench::{BenchResult, Row, Spread};
use crate::report::table::{Align, Grid, wrap};
use crate::report::{Paint, words};

/// What the words of the tables mean.
pub const LEGEND: &str = "limit: the same bytes in bare calls, one write a call; at level 1 into \
    blocks written before, and one sync; for writers side by side, what they all bring in one \
    write. limit-direct: past the page cache, in whole blocks. fastlog: disk-first and immediate \
    where nothing else is said.";

/// Notes are wrapped to this many columns.
const NOTE_COLUMNS: usize = 96;

/// The tables, and what is meant by their columns.
pub fn text(result: &BenchResult, paint: Paint) -> String {
    let mut text = String::new();
    for (heading, rows) in tables(&result.rows) {
        text.push_str(&format!("\n{}\n", paint.strong(heading)));
        text.push_str(&table(&rows).render(paint, ""));
        text.push_str(&notes(&rows));
    }
    if !text.is_empty() {
        text.push_str(&legend(result));
    }
    text
}

/// The rows that are compared with each other, under what they have in common.
pub fn tables(rows: &[Row]) -> Vec<(String, Vec<&Row>)> {
    let mut tables: Vec<(String, Vec<&Row>)> = Vec::new();
    for workload in Workload::ALL {
        for row in rows.iter().filter(|row| row.workload == workload.as_str()) {
            let heading = heading(*workload, row);
            match tables.iter_mut().find(|(known, _)| *known == heading) {
                Some((_, rows)) => rows.push(row),
                None => tables.push((heading, vec![row])),
            }
        }
    }
    tables
}

fn heading(workload: Workload, row: &Row) -> String {
    let title = format!("{}   {}", workload.as_str(), workload.title());
    match workload {
        Workload::A | Workload::B | Workload::C | Workload::D => {
            let entries = words::count(u64::from(row.batch), "entry", "entries");
            format!("{title}: level {}, {entries} a call", row.durability)
        }
        Workload::G => title,
        _ => format!("{title}: level {}", row.durability),
    }
}

/// What a row is about beside its engine.
pub fn subject(row: &Row) -> String {
    let value = size(row.value_bytes);
    let extent = words::grouped(row.extent);
    match row.operation {
        "append" | "mixed" => value,
        "random-read" | "range-read" | "interleaved" | "sequential" => {
            format!("{} {value}", row.operation)
        }
        "open-index" | "open-entries" => {
            format!("{} {}", row.operation, words::size(row.extent * row.value_bytes))
        }
        "after-entries" => format!("{extent} entries"),
        "after-groups" => format!("{extent} groups"),
        "after-segments" => format!("{extent} segments"),
        other => other.to_owned(),
    }
}

/// The columns that a table has beside its subject and its engine.
struct Columns {
    /// Opening a log is told in seconds, everything else in entries a second.
    opens: bool,
    grows: bool,
    has_targets: bool,
}

impl Columns {
    fn of(rows: &[&Row]) -> Columns {
        Columns {
            opens: rows.iter().any(|row| row.seconds.is_some()),
            grows: rows.iter().any(|row| row.ratio_to_smallest.is_some()),
            has_targets: rows.iter().any(|row| row.met.is_some()),
        }
    }

    fn titles(&self) -> Vec<(&'static str, Align)> {
        let mut titles = vec![("", Align::Right), ("engine", Align::Left)];
        titles.push((if self.opens { "seconds" } else { "entries/s" }, Align::Right));
        titles.push(match (self.opens, self.grows) {
            (true, _) => ("times the limit", Align::Right),
            (_, true) => ("of the smallest", Align::Right),
            _ => ("of the limit", Align::Right),
        });
        if self.has_targets {
            titles.push(("target", Align::Left));
        }
        match self.opens {
            true => titles.push(("memory", Align::Right)),
            false => titles.extend([("p50 us", Align::Right), ("p99 us", Align::Right)]),
        }
        titles
    }

    fn cells(&self, subject: String, row: &Row) -> Vec<String> {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let mut cells = vec![subject, engine(row)];
        cells.push(or_none(match self.opens {
            true => row.seconds.map(|seconds| ratios(&seconds)),
            false => row.ops_per_s.map(|rate| rates(&rate)),
        }));
        cells.push(or_none(match (self.opens, self.grows) {
            (true, _) => row.ratio_to_limit.map(|ratio| ratios(&inverse(&ratio))),
            (_, true) => row.ratio_to_smallest.map(|ratio| ratios(&ratio)),
            _ => row.ratio_to_limit.map(|ratio| ratios(&ratio)),
        }));
        if self.has_targets {
            cells.push(target(row));
        }
        match self.opens {
            true => cells.push(or_none(row.rss_bytes.map(words::size))),
            false => {
                cells.push(or_none(row.latency_us.map(|latency| microseconds(latency.p50))));
                cells.push(or_none(row.latency_us.map(|latency| microseconds(latency.p99))));
            }
        }
        cells
    }
}

fn inverse(ratio: &Spread) -> Spread {
    let of = |value: f64| if value > 0.0 { 1.0 / value } else { 0.0 };
    Spread { min: of(ratio.max), median: of(ratio.median), max: of(ratio.min) }
}

fn table(rows: &[&Row]) -> Grid {
    let columns = Columns::of(rows);
    let mut grid = Grid::new(&columns.titles()).close();
    let mut before = String::new();
    for row in rows.iter().filter(|row| row.not_measured.is_none()) {
        let subject = subject(row);
        let shown = if subject == before { String::new() } else { subject.clone() };
        before = subject;
        grid.row(columns.cells(shown, row));
    }
    grid
}

/// The same for a page: headings, with whether figures stand below, and the rows.
pub fn columns(rows: &[&Row]) -> (Vec<(&'static str, bool)>, Vec<Vec<String>>) {
    let columns = Columns::of(rows);
    let titles = columns.titles();
    let titles = titles.iter().map(|(title, align)| (*title, *align == Align::Right)).collect();
    (titles, rows.iter().map(|row| columns.cells(subject(row), row)).collect())
}

/// The engine, and where it has modes, what differs from disk-first and immediate.
pub fn engine(row: &Row) -> String {
    let mut words = vec![row.engine.to_owned()];
    words.extend(row.strategy.filter(|strategy| *strategy != "disk-first").map(str::to_owned));
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
    format!("\n{}\n{verdict}", wrap(LEGEND, Some(NOTE_COLUMNS)).join("\n"))
}

fn target(row: &Row) -> String {
    let Some(met) = row.met else { return "-".to_owned() };
    let target = match (row.target_ratio, row.target_us) {
        (Some(ratio), _) if row.seconds.is_some() => format!("{:.2}", 1.0 / ratio),
        (Some(ratio), _) => format!("{ratio:.2}"),
        (None, Some(us)) => format!("{us} us"),
        (None, None) => String::new(),
    };
    format!("{target} {}", if met { "met" } else { "MISSED" })
}

fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 20 && b % (1 << 20) == 0 => format!("{} MiB", b >> 20),
        b if b >= 1 << 10 && b % (1 << 10) == 0 => format!("{} KiB", b >> 10),
        b => format!("{b} B"),
    }
}

/// A rate with its range, short: `10.2k (9.8-10.4)`.
pub fn rates(rate: &Spread) -> String {
    let unit = Unit::of(rate.median);
    format!(
        "{}{} ({}-{})",
        unit.figure(rate.median),
        unit.letter,
        unit.figure(rate.min),
        unit.figure(rate.max)
    )
}

/// A ratio with its range.
pub fn ratios(ratio: &Spread) -> String {
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
pub(super) mod tests {
    use super::*;
    use crate::bench::{FlushNote, Latency};

    pub fn row(engine: &'static str, value_bytes: u64, target: Option<(f64, bool)>) -> Row {
        let ratio = Spread { min: 0.911, median: 0.954, max: 1.234 };
        Row {
            engine,
            workload: "D",
            operation: "append",
            durability: -1,
            strategy: (engine == "fastlog").then_some("mem-first"),
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
            seconds: None,
            ratio_to_limit: target.map(|_| ratio),
            ratio_to_smallest: None,
            target_us: None,
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
            "fastlog mem-first batch 1.23M (1.10-12.3) 0.95 (0.91-1.23) 0.95 met 12,346 123,457";
        assert_eq!(cells.join(" "), wanted);
        assert!(fastlog[1].starts_with("1000 B") && fastlog[1].contains("1.50 MISSED"), "{text}");
        assert!(text.contains("\n  redb: not here\n"), "{text}");
        assert!(text.ends_with("1 of 2 targets missed\n"), "{text}");
    }

    #[test]
    fn opening_is_told_in_seconds_times_the_limit_and_growth_by_the_smallest() {
        let opened = Row {
            workload: "G",
            operation: "open-entries",
            extent: 1 << 20,
            seconds: Some(Spread { min: 0.5, median: 0.6, max: 0.7 }),
            ratio_to_limit: Some(Spread { min: 0.25, median: 0.5, max: 1.0 }),
            rss_bytes: Some(1 << 30),
            strategy: Some("disk-first"),
            flush: None,
            ..row("fastlog", 1 << 10, Some((1.0 / 3.0, true)))
        };
        let grown = Row {
            workload: "S",
            operation: "after-groups",
            extent: 100_000,
            ratio_to_smallest: Some(Spread { min: 0.8, median: 0.9, max: 1.0 }),
            ..row("fastlog", 128, None)
        };
        let result = BenchResult { rows: vec![opened, grown], ..BenchResult::default() };
        let text = text(&result, Paint::PLAIN);
        let line = |start: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(start));
            line.expect("a line").split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let wanted =
            "open-entries 1.0 GiB fastlog 0.60 (0.50-0.70) 2.00 (1.00-4.00) 3.00 met 1.0 GiB";
        assert_eq!(line("open-entries"), wanted);
        assert!(line("100,000 groups").contains(" 0.90 (0.80-1.00) "), "{text}");
        assert!(text.contains("times the limit") && text.contains("of the smallest"), "{text}");
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
