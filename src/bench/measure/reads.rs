//! Workload F: reads of a log that is there.

use crate::bench::Error;
use crate::bench::cell::Operation;
use crate::bench::engines::{Ground, Log};
use crate::bench::measure::Outcome;
use crate::bench::measure::growth::fill;
use crate::bench::measure::timed::{Step, Timed};
use crate::model::{IndexRange, LogIndex};

/// Entries that are read together.
const TOGETHER: u64 = 64;

/// Indexes without order, the same in every run.
pub(super) struct Anywhere(u64);

impl Anywhere {
    pub(super) fn new() -> Anywhere {
        Anywhere(0x9e37_79b9_7f4a_7c15)
    }

    /// One of 1 to `last`.
    pub(super) fn index(&mut self, last: u64) -> LogIndex {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        LogIndex(1 + self.0 % last.max(1))
    }
}

/// Fills a log, then reads single entries anywhere, or runs in order.
pub(super) fn reads(log: &dyn Log, ground: &Ground<'_>) -> Result<Outcome, Error> {
    let cell = ground.cell;
    let last = fill(log, ground, cell.extent.max(TOGETHER))? - 1;
    let timed = Timed::new(ground.clock.as_ref(), cell, false);
    let mut anywhere = Anywhere::new();
    let mut at = 1;
    let mut read = || {
        let range = match cell.operation {
            Operation::RangeRead => {
                at = if at + TOGETHER > last { 1 } else { at + TOGETHER };
                IndexRange::new(LogIndex(at), LogIndex(at + TOGETHER - 1))
            }
            _ => {
                let index = anywhere.index(last);
                IndexRange::new(index, index)
            }
        };
        let range = range.filter(|range| range.last().0 <= last);
        let operations = range.map_or(0, IndexRange::count);
        let found = range.map_or(Ok(0), |range| log.read(range))?;
        let wanted = operations.saturating_mul(cell.value.0 as u64);
        if found != wanted {
            let message = format!("{found} bytes read where {wanted} are");
            return Err(Error::Engine { engine: cell.engine.as_str(), message });
        }
        Ok(Some(Step { operations, bytes: 0 }))
    };
    timed.warm_up(&mut read)?;
    Ok(timed.run(&mut read)?.outcome())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_all_over_the_log_and_never_outside() {
        let mut anywhere = Anywhere::new();
        let mut seen = [0u32; 10];
        for _ in 0..1_000 {
            let index = anywhere.index(10).0;
            seen[usize::try_from(index - 1).expect("small")] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
    }
}
