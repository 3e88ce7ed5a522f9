//! Purging: the state of all groups as a base, then the segments before it.

use crate::fastlog::Error;
use crate::fastlog::core::{Core, locked};
use crate::fastlog::queue::Told;
use crate::fastlog::writer::Writer;

impl Core {
    /// See [`FastLog::purge`](crate::fastlog::FastLog::purge).
    pub(in crate::fastlog) fn purge(&self) -> Result<u64, Error> {
        let mut writer = locked(&self.writer);
        let mut told = Vec::new();
        locked(&self.queue).paused = true;
        let purged = self.purge_with(&mut writer, &mut told);
        let mut queue = locked(&self.queue);
        queue.paused = false;
        told.extend(queue.told(self.syncs.check().err().as_ref()));
        drop(queue);
        drop(writer);
        self.tell(told);
        purged
    }

    /// Nothing is accepted meanwhile, so the state of the groups is that of the end of the log.
    fn purge_with(&self, writer: &mut Writer, told: &mut Vec<Told>) -> Result<u64, Error> {
        let mut flush = |writer: &mut Writer| {
            let (outcome, more) = self.flush_with(writer, 0);
            told.extend(more);
            outcome
        };
        flush(writer)?;
        let Some(active) = writer.active.as_ref().map(|active| active.number) else {
            return Ok(0);
        };
        let tables = self.tables();
        let oldest = tables.oldest_needed().unwrap_or(active).min(active);
        if oldest <= writer.syncs.anchor().current().oldest {
            return Ok(0);
        }
        let base = tables.base(oldest)?;
        drop(tables);
        let mut queue = locked(&self.queue);
        let own = queue.accept_own(self.now(), base, self.syncs.durable())?;
        queue.push(own);
        drop(queue);
        flush(writer)?;
        let removed = writer.purge(self.now(), oldest)?;
        if let Some(resident) = &self.source.resident {
            resident.purged(oldest);
        }
        let mut queue = locked(&self.queue);
        let written = queue.marks().written;
        queue.synced(written);
        Ok(removed)
    }
}
