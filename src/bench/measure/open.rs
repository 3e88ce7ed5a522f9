//! Workload G: how long a node waits for its log when it starts.

use crate::bench::Error;
use crate::bench::cell::Operation;
use crate::bench::engines::{Ground, reopen};
use crate::bench::histogram::Histogram;
use crate::bench::measure::Outcome;
use crate::bench::measure::timed::Tally;

/// Opens the log once.
pub(super) fn open(ground: &Ground<'_>) -> Result<Outcome, Error> {
    let start = ground.clock.monotonic();
    let opened = reopen(ground, ground.cell.operation == Operation::OpenEntries)?;
    let end = ground.clock.monotonic();
    let opened = match opened {
        Ok(opened) => opened,
        Err(reason) => return Ok(Outcome::refused(reason)),
    };
    let (found, wanted) = (opened.entries(), ground.cell.extent);
    if found != wanted {
        let message = format!("{found} entries were opened where {wanted} are");
        return Err(Error::Engine { engine: ground.cell.engine.as_str(), message });
    }
    let mut histogram = Histogram::default();
    histogram.record(end.saturating_sub(start));
    Ok(Tally { histogram, operations: found, time: start..end }.outcome())
}
