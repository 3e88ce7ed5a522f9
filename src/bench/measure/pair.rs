//! Workload H: a log that is synced and a state machine that is not, in one engine or in two.

use std::time::Duration;

use crate::bench::Error;
use crate::bench::cell::Operation;
use crate::bench::engines::{Ground, Pair, open_pair};
use crate::bench::measure::Outcome;
use crate::bench::measure::timed::{Step, Tally, Timed};
use crate::bench::values::Values;
use crate::model::LogIndex;

/// Measures both forms: in turn, and one after the other.
pub(super) fn pair(ground: &Ground<'_>) -> Result<Outcome, Error> {
    let pair = match open_pair(ground)? {
        Ok(pair) => pair,
        Err(reason) => return Ok(Outcome::refused(reason)),
    };
    let timed = Timed::new(ground.clock.as_ref(), ground.cell, true).shared_by(2);
    match ground.cell.operation {
        Operation::Sequential => sequential(pair.as_ref(), ground, timed),
        _ => interleaved(pair.as_ref(), ground, timed),
    }
}

fn interleaved(pair: &dyn Pair, ground: &Ground<'_>, timed: Timed<'_>) -> Result<Outcome, Error> {
    let mut values = Values::new(ground.cell.value, 1);
    let step = Step { operations: 1, bytes: values.bytes() };
    let mut both = || {
        for entry in values.take() {
            pair.log(entry)?;
            pair.apply(entry)?;
        }
        Ok(Some(step))
    };
    timed.warm_up(&mut both)?;
    Ok(timed.run(&mut both)?.outcome())
}

/// The log for the time of the cell, then as many to the state machine.
fn sequential(pair: &dyn Pair, ground: &Ground<'_>, timed: Timed<'_>) -> Result<Outcome, Error> {
    let mut values = Values::new(ground.cell.value, 1);
    let step = Step { operations: 1, bytes: values.bytes() };
    let tally = timed.run(&mut || {
        values.take().iter().try_for_each(|entry| pair.log(entry))?;
        Ok(Some(step))
    })?;
    values.go_to(LogIndex(1));
    for _ in 0..tally.operations {
        values.take().iter().try_for_each(|entry| pair.apply(entry))?;
    }
    let time: std::ops::Range<Duration> = tally.time.start..ground.clock.monotonic();
    Ok(Tally { time, ..tally }.outcome())
}
