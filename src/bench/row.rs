use serde::Serialize;

use crate::bench::Spread;
use crate::bench::cell::{Cell, Engine, Operation, Workload};
use crate::bench::histogram::Latency;
use crate::bench::measure::Outcome;
use crate::fastlog::policy::{Flush, Strategy};
use crate::model::Durability;

/// A flush policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FlushNote {
    /// `immediate` or `batch`.
    pub policy: &'static str,
    /// Entries that start a flush.
    pub threshold: Option<u32>,
    /// Age that starts one.
    pub interval_ms: Option<u64>,
}

impl From<Flush> for FlushNote {
    fn from(flush: Flush) -> FlushNote {
        match flush {
            Flush::Immediate => {
                FlushNote { policy: "immediate", threshold: None, interval_ms: None }
            }
            Flush::Batch { threshold_entries, interval } => FlushNote {
                policy: "batch",
                threshold: Some(threshold_entries),
                interval_ms: Some(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)),
            },
        }
    }
}

/// One engine at one workload.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Row {
    /// The engine.
    pub engine: &'static str,
    /// The workload's letter.
    pub workload: &'static str,
    /// What a call was.
    pub operation: &'static str,
    /// The level: -1, 0 or 1.
    pub durability: i8,
    /// FastLog's strategy; null for other engines.
    pub strategy: Option<&'static str>,
    /// FastLog's flush policy; null for other engines.
    pub flush: Option<FlushNote>,
    /// Size of a value.
    pub value_bytes: u64,
    /// Entries a call.
    pub batch: u32,
    /// Threads that wrote, each into a group of its own.
    pub writers: u32,
    /// How much was there before: entries, groups or segments, as the operation says.
    pub extent: u64,
    /// Entries a second; null where it could not be measured.
    pub ops_per_s: Option<Spread>,
    /// Seconds that it took to open the log; null for other operations.
    pub seconds: Option<Spread>,
    /// `ops_per_s` divided by the limit's, round by round.
    pub ratio_to_limit: Option<Spread>,
    /// `ops_per_s` divided by that with the smallest extent, round by round, where extents differ.
    pub ratio_to_smallest: Option<Spread>,
    /// The smallest `ratio_to_limit` (median) that is good enough, where one is set.
    pub target_ratio: Option<f64>,
    /// The most microseconds a call (median of the rates) that are good enough, where they are set.
    pub target_us: Option<f64>,
    /// Whether the median reaches the target.
    pub met: Option<bool>,
    /// How long calls took: medians of the rounds, and the longest of all.
    pub latency_us: Option<Latency>,
    /// Peak memory of the process, where the system tells.
    pub rss_bytes: Option<u64>,
    /// Why it could not be measured here.
    pub not_measured: Option<String>,
    /// The cell as `--cell` takes it, to measure it alone.
    pub cell: String,
}

/// What the rounds came to, for one cell.
#[derive(Clone, Debug)]
pub(super) struct Rounds {
    pub(super) cell: Cell,
    /// By round.
    pub(super) outcomes: Vec<Outcome>,
}

impl Rounds {
    pub(super) fn new(cell: Cell) -> Rounds {
        Rounds { cell, outcomes: Vec::new() }
    }

    fn rates(&self) -> Vec<f64> {
        let rate = |outcome: &Outcome| match outcome.seconds > 0.0 {
            true => outcome.operations as f64 / outcome.seconds,
            false => 0.0,
        };
        self.outcomes.iter().filter(|outcome| outcome.not_measured.is_none()).map(rate).collect()
    }

    /// The row, given the rounds of the cell that is its limit, and of the one with the smallest
    /// extent.
    pub(super) fn row(&self, limit: Option<&Rounds>, smallest: Option<&Rounds>) -> Row {
        let cell = &self.cell;
        let rates = self.rates();
        let measured = !rates.is_empty();
        let ratio_to = |other: Option<&Rounds>| {
            let others = other.map(Rounds::rates).filter(|others| !others.is_empty());
            others.filter(|_| measured).map(|others| Spread::of_ratios(&rates, &others))
        };
        let ratio = ratio_to(limit);
        let rate = measured.then(|| Spread::of(&rates));
        let (target_ratio, target_us) = (target_ratio(cell), target_us(cell));
        let met = match (ratio.zip(target_ratio), rate.zip(target_us)) {
            (Some((ratio, target)), _) => Some(ratio.median >= target),
            (None, Some((rate, target))) => Some(rate.median * target >= 1e6),
            (None, None) => None,
        };
        let seconds: Vec<f64> = self.outcomes.iter().map(|outcome| outcome.seconds).collect();
        let opens = measured && cell.workload == Workload::G;
        Row {
            engine: cell.engine.as_str(),
            workload: cell.workload.as_str(),
            operation: cell.operation.as_str(),
            durability: cell.durability.as_i8(),
            strategy: cell.mode.map(|mode| mode.strategy.as_str()),
            flush: cell.mode.map(|mode| mode.flush.into()),
            value_bytes: cell.value.0 as u64,
            batch: cell.batch,
            writers: cell.writers,
            extent: cell.extent,
            ops_per_s: rate,
            seconds: opens.then(|| Spread::of(&seconds)),
            ratio_to_limit: ratio,
            ratio_to_smallest: ratio_to(smallest),
            target_ratio,
            target_us,
            met,
            latency_us: measured.then(|| self.latency()),
            rss_bytes: self.outcomes.iter().filter_map(|outcome| outcome.rss_bytes).max(),
            not_measured: self.outcomes.iter().find_map(|outcome| outcome.not_measured.clone()),
            cell: cell.to_string(),
        }
    }

    fn latency(&self) -> Latency {
        let of = |pick: fn(&Latency) -> f64| {
            let values: Vec<f64> = self.outcomes.iter().map(|o| pick(&o.latency_us)).collect();
            Spread::of(&values)
        };
        Latency {
            p50: of(|latency| latency.p50).median,
            p99: of(|latency| latency.p99).median,
            max: of(|latency| latency.max).max,
        }
    }
}

/// The ratio that FastLog is to reach, by size of a value.
type Targets = [(usize, f64)];

const A: &Targets = &[(128, 0.95), (1_024, 0.97), (4_096, 0.95), (65_536, 0.90), (1 << 20, 0.80)];
const B: &Targets = &[(128, 1.0), (1_024, 0.95), (4_096, 0.95), (65_536, 0.90)];
const C: &Targets = &[(128, 0.95), (1_024, 0.90), (4_096, 0.90), (65_536, 0.85)];
const D_MEM: &Targets = &[(128, 1.5), (1_024, 2.0), (4_096, 1.5), (65_536, 1.0)];
const D_DISK: &Targets = &[(128, 0.85), (1_024, 0.85), (4_096, 0.85), (65_536, 0.85)];

/// Times the read-and-CRC pass that opening may take: with the index, with every entry in memory.
const OPEN_INDEX: f64 = 1.2;
const OPEN_ENTRIES: f64 = 3.0;
/// Microseconds that reading one entry of 1 KiB may take.
const READ_US: f64 = 0.5;

/// The most microseconds a call that are good enough for a cell.
fn target_us(cell: &Cell) -> Option<f64> {
    let reads = cell.engine == Engine::FastLog && cell.operation == Operation::RandomRead;
    (reads && cell.value.0 == 1_024).then_some(READ_US)
}

/// The smallest ratio to the limit that is good enough for a cell.
fn target_ratio(cell: &Cell) -> Option<f64> {
    let mode = cell.mode.filter(|_| cell.engine == Engine::FastLog)?;
    let usual = cell.durability == Durability::High
        && mode.strategy == Strategy::DiskFirst
        && mode.flush == Flush::Immediate;
    let targets = match cell.workload {
        Workload::A if usual => A,
        Workload::B if usual => B,
        Workload::C if usual => C,
        Workload::G if cell.operation == Operation::OpenIndex => return Some(1.0 / OPEN_INDEX),
        Workload::G => return Some(1.0 / OPEN_ENTRIES),
        Workload::D if cell.durability == Durability::Low && cell.batch == 1 => {
            match (mode.strategy, mode.flush) {
                (Strategy::MemFirst, _) => D_MEM,
                (Strategy::DiskFirst, Flush::Immediate) => D_DISK,
                // One writer waits for the interval each time.
                (Strategy::DiskFirst, Flush::Batch { .. }) => return None,
            }
        }
        _ => return None,
    };
    targets.iter().find(|(value, _)| *value == cell.value.0).map(|(_, ratio)| *ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(cell: &str, rates: &[f64]) -> Rounds {
        let outcome = |rate: &f64| Outcome {
            operations: (*rate * 2.0) as u64,
            seconds: 2.0,
            latency_us: Latency { p50: *rate, p99: *rate, max: *rate },
            ..Outcome::default()
        };
        let cell = cell.parse().expect("a cell");
        Rounds { cell, outcomes: rates.iter().map(outcome).collect() }
    }

    #[test]
    fn a_row_is_held_against_its_limit_round_by_round() {
        let fast =
            rounds("A append fastlog 1 disk-first immediate 128 1 1 0 1", &[90.0, 99.0, 200.0]);
        let limit = rounds("A append limit 1 - - 128 1 1 0 1", &[100.0, 100.0, 100.0]);
        assert_eq!(fast.cell.limit().as_ref(), Some(&limit.cell));
        let row = fast.row(Some(&limit), None);
        assert_eq!(row.ops_per_s, Some(Spread { min: 90.0, median: 99.0, max: 200.0 }));
        let ratio = row.ratio_to_limit.expect("a ratio");
        assert_eq!((ratio.min, ratio.median, ratio.max), (0.9, 0.99, 2.0));
        assert_eq!((row.target_ratio, row.met), (Some(0.95), Some(true)));
        let slow =
            rounds("A append fastlog 1 disk-first immediate 128 1 1 0 1", &[94.0, 1.0, 99.0]);
        assert_eq!(slow.row(Some(&limit), None).met, Some(false));
        assert_eq!(slow.row(None, None).met, None);
    }

    #[test]
    fn reads_are_judged_by_their_time_and_growth_by_its_smallest() {
        let reads = "F random-read fastlog -1 disk-first immediate 1024 1 1 64 1";
        for (rate, met) in [(2_100_000.0, true), (1_900_000.0, false)] {
            let row = rounds(reads, &[rate]).row(None, None);
            assert_eq!((row.target_us, row.met), (Some(0.5), Some(met)));
        }
        let smallest =
            rounds("S after-groups fastlog -1 disk-first immediate 128 1 1 1 1", &[100.0]);
        let large = rounds("S after-groups fastlog -1 disk-first immediate 128 1 1 9 1", &[80.0]);
        assert_eq!(large.cell.smallest().as_ref(), Some(&smallest.cell));
        let ratio = large.row(None, Some(&smallest)).ratio_to_smallest.expect("a ratio");
        assert!((ratio.median - 0.8).abs() < 1e-9, "{ratio:?}");
        let opened = rounds("G open-entries fastlog 1 disk-first immediate 1024 1 1 9 1", &[50.0]);
        let pass = rounds("G open-index limit 1 - - 1024 1 1 9 1", &[100.0]);
        assert_eq!(opened.cell.limit().as_ref(), Some(&pass.cell));
        let row = opened.row(Some(&pass), None);
        assert_eq!((row.seconds.map(|s| s.median), row.met), (Some(2.0), Some(true)));
    }

    #[test]
    fn only_the_modes_that_have_a_target_are_judged() {
        for (cell, target) in [
            ("A append fastlog 1 mem-first immediate 128 1 1 0 1", None),
            ("A append fastlog 0 disk-first immediate 128 1 1 0 1", None),
            ("A append redb 1 - - 128 1 1 0 1", None),
            ("A append fastlog 1 disk-first immediate 129 1 1 0 1", None),
            ("B append fastlog 1 disk-first immediate 128 1 16 0 1", Some(1.0)),
            ("C append fastlog 1 disk-first immediate 65536 64 1 0 1", Some(0.85)),
            ("D append fastlog -1 mem-first batch 1024 1 1 0 1", Some(2.0)),
            ("D append fastlog -1 disk-first immediate 1024 1 1 0 1", Some(0.85)),
            ("D append fastlog 0 disk-first immediate 1024 1 1 0 1", None),
        ] {
            let cell: Cell = cell.parse().expect("a cell");
            assert_eq!(target_ratio(&cell), target, "{cell}");
        }
    }

    #[test]
    fn what_could_not_be_measured_has_no_figures() {
        let mut direct =
            Rounds::new("A append limit-direct 1 - - 128 1 1 0 1".parse().expect("it"));
        direct.outcomes.push(Outcome { not_measured: Some("no".to_owned()), ..Outcome::default() });
        let row = direct.row(None, None);
        assert_eq!((row.ops_per_s, row.ratio_to_limit, row.latency_us), (None, None, None));
        assert_eq!(row.not_measured.as_deref(), Some("no"));
    }
}
