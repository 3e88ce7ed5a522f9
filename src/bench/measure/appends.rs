//! Workloads that write: A to D, and E.

use std::sync::Barrier;
use std::thread::ScopedJoinHandle;

use crate::bench::Error;
use crate::bench::engines::{Ground, Log};
use crate::bench::histogram::Histogram;
use crate::bench::measure::Outcome;
use crate::bench::measure::timed::{Step, Tally, Timed};
use crate::bench::values::Values;
use crate::model::{Durability, LogIndex};

/// Calls between two truncations of the mixed workload, and how many entries each removes.
const TRUNCATE_EVERY: u64 = 16;
const TRUNCATED: u64 = 4;
/// Calls between two compactions, and how many entries each leaves.
const COMPACT_EVERY: u64 = 1_024;
const KEPT: u64 = 256;

/// Bytes after which a node that syncs takes a snapshot: its log is not kept for ever, and engines
/// that use their files again may do so.
const SNAPSHOT_EVERY_BYTES: u64 = 16 << 20;

/// All writers begin to count together; the time ends when the system has what the last of them
/// appended.
pub(super) fn side_by_side(log: &dyn Log, ground: &Ground<'_>) -> Result<Outcome, Error> {
    let cell = ground.cell;
    // The machine needs no threads to show what it can do with what they all bring.
    let (writers, batch) = match cell.engine.is_limit() {
        true => (1, cell.batch.saturating_mul(cell.writers)),
        false => (cell.writers, cell.batch),
    };
    let clock = ground.clock.as_ref();
    let timed = Timed::new(clock, cell, cell.durability == Durability::High).shared_by(writers);
    let begin = Barrier::new(usize::try_from(writers).unwrap_or(1));
    let snapshots = (cell.durability == Durability::High)
        .then(|| SNAPSHOT_EVERY_BYTES / u64::from(writers.max(1)));
    log.settle()?;
    let tallies: Result<Vec<Tally>, Error> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|group| {
                let (values, begin) = (Values::new(cell.value, batch), &begin);
                scope.spawn(move || write(log, group, values, timed, begin, snapshots))
            })
            .collect();
        threads.into_iter().map(joined).collect()
    });
    let tallies = tallies?;
    log.drain()?;
    let ended = clock.monotonic();
    let began = tallies.iter().map(|tally| tally.time.start).min().unwrap_or(ended);
    let mut histogram = Histogram::default();
    tallies.iter().for_each(|tally| histogram.merge(&tally.histogram));
    let operations = tallies.iter().map(|tally| tally.operations).sum();
    Ok(Tally { histogram, operations, time: began..ended }.outcome())
}

fn joined(thread: ScopedJoinHandle<'_, Result<Tally, Error>>) -> Result<Tally, Error> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn write(
    log: &dyn Log,
    group: u32,
    mut values: Values,
    timed: Timed<'_>,
    begin: &Barrier,
    snapshot_every_bytes: Option<u64>,
) -> Result<Tally, Error> {
    let step = Step { operations: values.len(), bytes: values.bytes() };
    let mut since_snapshot = 0;
    let mut append = || {
        log.append(group, values.take())?;
        since_snapshot += step.bytes;
        if snapshot_every_bytes.is_some_and(|every| since_snapshot >= every) {
            since_snapshot = 0;
            log.snapshot_taken(group, LogIndex(values.next().0 - 1))?;
        }
        Ok(Some(step))
    };
    let warm = timed.warm_up(&mut append);
    // Also after an error: the others wait for all.
    begin.wait();
    warm?;
    timed.run(&mut append)
}

/// Appends, truncations and compactions by one writer.
pub(super) fn mixed(log: &dyn Log, ground: &Ground<'_>) -> Result<Outcome, Error> {
    let cell = ground.cell;
    let waits = cell.durability == Durability::High;
    let timed = Timed::new(ground.clock.as_ref(), cell, waits);
    let mut values = Values::new(cell.value, cell.batch);
    let step = Step { operations: 1, bytes: values.bytes() };
    let mut calls = 0u64;
    let mut call = || {
        calls += 1;
        let next = values.next().0;
        if calls.is_multiple_of(COMPACT_EVERY) && next > KEPT {
            log.compact(LogIndex(next - KEPT))?;
            log.purge()?;
        } else if calls.is_multiple_of(TRUNCATE_EVERY) && next > TRUNCATED {
            log.truncate(LogIndex(next - TRUNCATED))?;
            values.go_to(LogIndex(next - TRUNCATED));
        } else {
            log.append(0, values.take())?;
        }
        Ok(Some(step))
    };
    timed.warm_up(&mut call)?;
    let tally = timed.run(&mut call)?;
    log.drain()?;
    let time = tally.time.start..ground.clock.monotonic();
    Ok(Tally { time, ..tally }.outcome())
}
