use serde::Serialize;

use crate::bench::Spread;
use crate::bench::cell::{Cell, Engine, Workload};
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
    /// The same divided by the limit's, round by round.
    pub ratio_to_limit: Option<Spread>,
    /// The smallest `ratio_to_limit` (median) that is good enough, where one is set.
    pub target_ratio: Option<f64>,
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

    /// The row, given the rounds of the cell that is its limit.
    pub(super) fn row(&self, limit: Option<&Rounds>) -> Row {
        let cell = &self.cell;
        let rates = self.rates();
        let limits = limit.map(Rounds::rates).filter(|limits| !limits.is_empty());
        let measured = !rates.is_empty();
        let ratio = limits.filter(|_| measured).map(|limits| Spread::of_ratios(&rates, &limits));
        let target_ratio = target_ratio(cell);
        let met = ratio.zip(target_ratio).map(|(ratio, target)| ratio.median >= target);
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
            ops_per_s: measured.then(|| Spread::of(&rates)),
            ratio_to_limit: ratio,
            target_ratio,
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
const C: &Targets = &[(128, 0.95), (1_024, 0.90), (4_096, 0.90), (65_536, 0.85)];
const D_MEM: &Targets = &[(128, 1.5), (1_024, 2.0), (4_096, 1.5), (65_536, 1.0)];
const D_DISK: &Targets = &[(128, 0.85), (1_024, 0.85), (4_096, 0.85), (65_536, 0.85)];

/// The smallest ratio to the limit that is good enough for a cell.
fn target_ratio(cell: &Cell) -> Option<f64> {
    let mode = cell.mode.filter(|_| cell.engine == Engine::FastLog)?;
    let usual = cell.durability == Durability::High
        && mode.strategy == Strategy::DiskFirst
        && mode.flush == Flush::Immediate;
    let targets = match cell.workload {
        Workload::A if usual => A,
        Workload::C if usual => C,
        Workload::D if cell.durability == Durability::Low && cell.batch == 1 => {
            match mode.strategy {
                Strategy::MemFirst => D_MEM,
                Strategy::DiskFirst => D_DISK,
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
        let row = fast.row(Some(&limit));
        assert_eq!(row.ops_per_s, Some(Spread { min: 90.0, median: 99.0, max: 200.0 }));
        let ratio = row.ratio_to_limit.expect("a ratio");
        assert_eq!((ratio.min, ratio.median, ratio.max), (0.9, 0.99, 2.0));
        assert_eq!((row.target_ratio, row.met), (Some(0.95), Some(true)));
        let slow =
            rounds("A append fastlog 1 disk-first immediate 128 1 1 0 1", &[94.0, 1.0, 99.0]);
        assert_eq!(slow.row(Some(&limit)).met, Some(false));
        assert_eq!(slow.row(None).met, None);
    }

    #[test]
    fn only_the_modes_that_have_a_target_are_judged() {
        for (cell, target) in [
            ("A append fastlog 1 mem-first immediate 128 1 1 0 1", None),
            ("A append fastlog 0 disk-first immediate 128 1 1 0 1", None),
            ("A append redb 1 - - 128 1 1 0 1", None),
            ("A append fastlog 1 disk-first immediate 129 1 1 0 1", None),
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
        let row = direct.row(None);
        assert_eq!((row.ops_per_s, row.ratio_to_limit, row.latency_us), (None, None, None));
        assert_eq!(row.not_measured.as_deref(), Some("no"));
    }
}
