//! Writing past the system's cache: one call that makes durable what it writes.

use std::time::Duration;

use crate::fastlog::Error;
use crate::fastlog::format::{PAGE_BYTES, Sequence};
use crate::fastlog::pace::{PageAction, SyncEvent};
use crate::fastlog::plan::Placed;
use crate::fastlog::writer::{Writer, joined, run_of};

impl Writer {
    /// Whether batches can be written with one call that makes them durable: nothing before them
    /// waits for a sync, no sync point is to ride along, and the file was written through there.
    pub(super) fn is_ready_for_past(&mut self, now: Duration, batches: &[&Placed]) -> bool {
        let (Some(active), Some(first), Some(last)) =
            (&self.active, batches.first(), batches.last())
        else {
            return false;
        };
        let filled = last.end().next_multiple_of(PAGE_BYTES) <= active.filled;
        first.place.segment == active.number
            && run_of(batches) == batches.len()
            && filled
            && self.unsynced.is_empty()
            && self.unnamed.is_none()
            && self.written() == self.durable()
            && self.pace.step(now, SyncEvent::Syncing) == PageAction::Rest
    }

    /// Writes batches that are ready for it; returns whether the file system did.
    pub(super) fn write_past(&mut self, now: Duration, batches: &[&Placed]) -> Result<bool, Error> {
        let Some((last, place)) = self.check_place(batches)? else { return Ok(false) };
        let (end, after) = (last.end(), last.after);
        let bytes = joined(&mut self.joined, batches);
        let through = Sequence(after.next.0.saturating_sub(1));
        let Some(active) = &mut self.active else { return Ok(false) };
        if !self.syncs.write_past_cache(&active.file, place.offset, bytes, through)? {
            return Ok(false);
        }
        active.end = end;
        self.head = after;
        self.synced(now);
        Ok(true)
    }
}
