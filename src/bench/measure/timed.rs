//! Calls something again and again, for as long as a cell is measured.

use std::ops::Range;
use std::time::Duration;

use crate::bench::Error;
use crate::bench::cell::Cell;
use crate::bench::histogram::Histogram;
use crate::bench::measure::Outcome;
use crate::vfs::Clock;

/// The share of the time in which nothing is counted yet.
const WARM_UP: f64 = 0.1;
/// Of quick calls only one in so many is timed by itself: looking at the clock is not free.
const SAMPLE: u32 = 8;

/// What one call did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    /// Entries handled; 1 where a call handles none.
    pub(super) operations: u64,
    /// Bytes of values that were written.
    pub(super) bytes: u64,
}

/// What many calls did.
pub(super) struct Tally {
    pub(super) histogram: Histogram,
    pub(super) operations: u64,
    pub(super) time: Range<Duration>,
}

impl Tally {
    /// The outcome of calls that one thread made.
    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            operations: self.operations,
            seconds: self.time.end.saturating_sub(self.time.start).as_secs_f64(),
            latency_us: self.histogram.latency(),
            ..Outcome::default()
        }
    }
}

/// For how long, and how much.
#[derive(Clone, Copy)]
pub(super) struct Timed<'a> {
    clock: &'a dyn Clock,
    seconds: f64,
    bytes_max: u64,
    sample: u32,
}

impl<'a> Timed<'a> {
    /// As the cell says. `waits` when each call waits for the disk.
    pub(super) fn new(clock: &'a dyn Clock, cell: &Cell, waits: bool) -> Timed<'a> {
        let sample = if waits { 1 } else { SAMPLE };
        Timed { clock, seconds: cell.seconds, bytes_max: cell.bytes_max(), sample }
    }

    /// The same with a share of the bytes.
    pub(super) fn shared_by(self, writers: u32) -> Timed<'a> {
        Timed { bytes_max: self.bytes_max / u64::from(writers.max(1)), ..self }
    }

    /// Calls `step` before the measuring begins.
    pub(super) fn warm_up(
        &self,
        step: &mut dyn FnMut() -> Result<Option<Step>, Error>,
    ) -> Result<(), Error> {
        let seconds = self.seconds * WARM_UP;
        Timed { seconds, bytes_max: self.bytes_max / 10, ..*self }.run(step).map(drop)
    }

    /// Calls `step` until the time is over, enough was written, or it has nothing left to do.
    pub(super) fn run(
        &self,
        step: &mut dyn FnMut() -> Result<Option<Step>, Error>,
    ) -> Result<Tally, Error> {
        let mut histogram = Histogram::default();
        let (mut operations, mut bytes) = (0, 0);
        let start = self.clock.monotonic();
        let end = start + Duration::from_secs_f64(self.seconds);
        let mut now = start;
        'time: while now < end && bytes < self.bytes_max {
            let before = now;
            for turn in 0..self.sample {
                let Some(step) = step()? else { break 'time };
                operations += step.operations;
                bytes += step.bytes;
                if turn == 0 {
                    now = self.clock.monotonic();
                    histogram.record(now.saturating_sub(before));
                }
            }
            if self.sample > 1 {
                now = self.clock.monotonic();
            }
        }
        Ok(Tally { histogram, operations, time: start..self.clock.monotonic() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::os::OsClock;

    fn timed(seconds: f64) -> Timed<'static> {
        Timed { clock: &OsClock, seconds, bytes_max: 1 << 20, sample: SAMPLE }
    }

    #[test]
    fn calls_end_when_enough_was_written_or_nothing_is_left() {
        let mut much = || Ok(Some(Step { operations: 2, bytes: 1 << 17 }));
        let tally = timed(3600.0).run(&mut much).expect("went well");
        assert_eq!(tally.operations, 16);
        let mut left = 5;
        let mut few = || {
            left -= 1;
            Ok((left > 0).then_some(Step { operations: 1, bytes: 0 }))
        };
        assert_eq!(timed(3600.0).run(&mut few).expect("went well").operations, 4);
    }

    #[test]
    fn calls_end_with_the_time_and_with_the_first_error() {
        let mut forever = || Ok(Some(Step { operations: 1, bytes: 0 }));
        let tally = timed(0.01).run(&mut forever).expect("went well");
        let outcome = tally.outcome();
        assert!(outcome.seconds >= 0.01 && outcome.operations >= 1, "{outcome:?}");
        let mut fails = || Err(Error::Cancelled);
        assert!(timed(3600.0).warm_up(&mut fails).is_err());
    }
}
