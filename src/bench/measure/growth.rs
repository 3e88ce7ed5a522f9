//! Workload S: whether an append costs more when there is more.

use crate::bench::Error;
use crate::bench::cell::{Engine, Operation, SEGMENT_BYTES, Workload};
use crate::bench::engines::{Ground, Log};
use crate::bench::measure::Outcome;
use crate::bench::measure::timed::{Step, Timed};
use crate::bench::values::Values;
use crate::model::{Entry, LogIndex};

/// Entries appended at a time before the measuring.
const BEFORE_BATCH: u32 = 256;

/// Fills the log to the cell's extent, then measures appends.
pub(super) fn growth(log: &dyn Log, ground: &Ground<'_>) -> Result<Outcome, Error> {
    let cell = ground.cell;
    let timed = Timed::new(ground.clock.as_ref(), cell, false);
    let groups = match cell.operation {
        Operation::AfterGroups => u32::try_from(cell.extent).unwrap_or(u32::MAX).max(1),
        _ => 1,
    };
    let entries = match cell.operation {
        Operation::AfterEntries => cell.extent,
        Operation::AfterSegments => (cell.extent - 1) * SEGMENT_BYTES / cell.value.0.max(1) as u64,
        _ => 0,
    };
    let next = fill(log, ground, entries)?;
    let mut entry: Vec<Entry> = Values::new(cell.value, 1).take().to_vec();
    // The first entry of a group makes room for more, which is not what is asked here.
    for group in 1..groups {
        entry.iter_mut().for_each(|entry| entry.index = LogIndex(1));
        log.append(group, &entry)?;
    }
    let step = Step { operations: 1, bytes: cell.value.0 as u64 };
    let mut calls = 0u64;
    let mut append = || {
        let group = u32::try_from(calls % u64::from(groups)).unwrap_or_default();
        let index = calls / u64::from(groups) + if group == 0 { next } else { 2 };
        entry.iter_mut().for_each(|entry| entry.index = LogIndex(index));
        calls += 1;
        log.append(group, &entry).map(|()| Some(step))
    };
    timed.warm_up(&mut append)?;
    Ok(timed.run(&mut append)?.outcome())
}

/// Appends so many entries to group 0, or a few more, and returns the next index. A log that is to
/// be read has an entry a call, as a node writes it that syncs each; where calls leave no trace in
/// what is read, they are fewer.
pub(super) fn fill(log: &dyn Log, ground: &Ground<'_>, entries: u64) -> Result<u64, Error> {
    let one_by_one = ground.cell.engine == Engine::FastLog && ground.cell.workload != Workload::S;
    let batch = if one_by_one { 1 } else { BEFORE_BATCH };
    let mut values = Values::new(ground.cell.value, batch);
    while values.next().0 <= entries {
        log.append(0, values.take())?;
    }
    log.drain()?;
    Ok(values.next().0)
}
