//! Counts as figures, and broken checks as findings.

use std::time::Duration;

use crate::model::{Durability, Severity};
use crate::simulate::check::Check;
use crate::simulate::cluster::Clusters;
use crate::simulate::driver::Record;
use crate::simulate::engine::QUEUE_ENTRIES;
use crate::simulate::mode::{Flushing, Mode};
use crate::simulate::oracle::{Action, Age, History, MayLose, Waits, raft_fastlog_row, row};
use crate::simulate::outcome::{
    AckTimes, Bound, Finding, Flush, ModeResult, Promise, Quantiles, Windows, WorkloadShape,
};
use crate::simulate::run::{Engine, Job, Options};
use crate::simulate::tally::{Counted, Tally, Violation};
use crate::simulate::workload::Shape;

/// What callers did.
pub(super) fn workload_of(history: &History, shape: &Shape) -> WorkloadShape {
    let mut workload =
        WorkloadShape { groups: shape.groups.len() as u64, ..WorkloadShape::default() };
    for at in 0..history.accepted().0 {
        workload.ops += 1;
        for (_, action) in history.op(at).map_or(&[][..], |(actions, _)| actions) {
            if let Action::Append(entries) = action {
                workload.entries += entries.len() as u64;
                let sizes = entries.iter().map(|entry| entry.payload_bytes().len() as u64);
                workload.bytes += sizes.sum::<u64>();
            }
        }
    }
    workload
}

/// The figures of a mode.
pub(super) fn result_of(
    job: Job,
    record: &Record,
    tally: &Tally,
    workload: &WorkloadShape,
    options: &Options,
) -> ModeResult {
    let Job { mode, profile } = job;
    let micros = |at: usize| {
        let wait = record.waits.get(at).copied().unwrap_or_default();
        u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)
    };
    let waits = record.waits.len();
    let busy_us = record.busy.as_micros().max(1);
    let entries_per_s = u128::from(workload.entries) * 1_000_000 / busy_us;
    ModeResult {
        durability: mode.durability.as_i8(),
        strategy: mode.order.as_str(),
        flush: flush_of(mode.flushing),
        profile: profile.as_str(),
        promise: promise_of(&mode, options),
        points_covered: tally.points_covered,
        points_enumerated: tally.points_enumerated,
        points_exhaustive: tally.points_exhaustive,
        images: tally.images,
        images_distinct: tally.images_distinct,
        nested: tally.nested + tally.lives,
        recovered_ok: tally.recovered_ok,
        torn_tails: tally.torn_tails,
        refused: tally.refused,
        resurrected: tally.resurrected,
        ambiguous_tails: tally.ambiguous_tails,
        lost: quantiles(&tally.lost),
        window_ms: Windows {
            p50: tally.window_ms.quantile(500),
            p99: tally.window_ms.quantile(990),
            max: tally.window_ms.max(),
        },
        groups_hit: tally.groups_hit.len() as u64,
        lost_votes: tally.lost_votes,
        lost_terms: tally.lost_terms,
        entries_per_s: u64::try_from(entries_per_s).unwrap_or(u64::MAX),
        ack_us: AckTimes { p50: micros(waits / 2), p99: micros(waits * 99 / 100) },
        violations: tally.violations.values().map(|violation| violation.count).sum(),
        cluster: tally.clusters.as_ref().map(Clusters::result),
    }
}

fn quantiles(counted: &Counted) -> Quantiles {
    Quantiles {
        min: counted.min(),
        p50: counted.quantile(500),
        p99: counted.quantile(990),
        max: counted.max(),
    }
}

fn flush_of(flushing: Flushing) -> Flush {
    match flushing {
        Flushing::Immediate => Flush { policy: "immediate", threshold: None, interval_ms: None },
        Flushing::Batch { threshold_entries, interval } => Flush {
            policy: "batch",
            threshold: Some(threshold_entries),
            interval_ms: Some(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)),
        },
    }
}

/// What the table promises on this disk, where a flush is one write and one sync.
fn promise_of(mode: &Mode, options: &Options) -> Promise {
    let times = options.disk.times();
    let row = match options.engine {
        Engine::Fastlog => row(mode, QUEUE_ENTRIES),
        Engine::RaftFastlog => raft_fastlog_row(mode.durability),
    };
    let syncs = mode.durability == Durability::High;
    let flush = if syncs { times.write + times.sync } else { times.write };
    let bound = |loss: MayLose| match loss {
        MayLose::Nothing => Bound { entries: Some(0), ms: Some(0) },
        MayLose::SinceSyncPoint => Bound { entries: None, ms: None },
        MayLose::Recent { entries, age } => Bound {
            entries: entries.map(u64::from),
            ms: age.map(|age: Age| milliseconds(age.bound(flush, times.sync))),
        },
    };
    Promise {
        ack: row.ack.as_str(),
        vote: row.vote.as_str(),
        kill: bound(row.kill),
        power: bound(row.power),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// The findings of a mode: one a check, and one for hazards.
pub(super) fn findings_of(options: &Options, job: Job, tally: &Tally) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        tally.violations.values().map(|violation| broken(options, job, violation)).collect();
    let hazard = tally.lost_votes.max(tally.lost_terms);
    let votes_may_go = promise_of(&job.mode, options).vote != Waits::Durable.as_str();
    if votes_may_go && hazard > 0 {
        findings.push(Finding {
            code: Check::S08,
            severity: Severity::Warning,
            mode: job.mode.flags(),
            group: None,
            index: None,
            term: None,
            message: "an acknowledged vote or term is lost: the node may vote twice in a term"
                .to_owned(),
            count: hazard,
            case: None,
            command: None,
        });
    }
    findings
}

fn broken(options: &Options, job: Job, violation: &Violation) -> Finding {
    let wrong = &violation.wrong;
    let (case, before, shape) = match &violation.shrunk {
        Some(small) => (Some(&small.case), small.before.as_ref(), &small.shape),
        None => (violation.case.as_ref(), violation.before.as_ref(), &options.shape),
    };
    let mut when = before.map(|before| format!("; crash {before}")).unwrap_or_default();
    if let Some(small) = &violation.shrunk {
        when.push_str(&format!("; smallest case found: {} steps", small.steps));
    }
    let options = Options { shape: shape.clone(), ..options.clone() };
    let case = case.map(ToString::to_string);
    let flags = options.flags(job.profile);
    let command = case
        .as_ref()
        .map(|case| format!("raftlog simulate --replay {case} {}{flags}", job.mode.flags()));
    Finding {
        code: wrong.check,
        severity: if options.psow { Severity::Error } else { Severity::Warning },
        mode: job.mode.flags(),
        group: wrong.group.clone(),
        index: wrong.index,
        term: wrong.term,
        message: format!("{}{when}", wrong.message),
        count: violation.count,
        case,
        command,
    }
}
