//! Entries that are kept in memory.

use crate::fastlog::Memory;
use crate::fastlog::core::Core;
use crate::fastlog::format::GroupNo;
use crate::fastlog::load::{load_all, load_missed};
use crate::fastlog::read::Source;
use crate::model::{Entry, LogIndex};

impl Core {
    /// One entry that is visible and in memory; `None` where the file must be asked.
    pub(in crate::fastlog) fn kept(&self, group: GroupNo, index: LogIndex) -> Option<Entry> {
        self.source.resident.as_ref()?;
        let bounds = self.tables().group(group)?.bounds?;
        if bounds.contains(index) { self.source.kept(group, index) } else { None }
    }

    /// Bytes of entries that are kept in memory.
    pub(in crate::fastlog) fn kept_bytes(&self) -> u64 {
        self.source.resident.as_ref().map_or(0, |resident| resident.held_bytes())
    }

    /// Brings everything into memory that belongs there from the beginning; returns how much.
    pub(in crate::fastlog) fn load_all(&self, memory: Memory) -> u64 {
        let (Some(resident), Memory::Eager { budget_bytes }) = (&self.source.resident, memory)
        else {
            return 0;
        };
        load_all(&self.source.files, self.source.uid, &self.tables(), resident, budget_bytes)
    }

    /// Brings what a reader missed; returns whether there may be more.
    pub(in crate::fastlog) fn load_missed(&self) -> bool {
        let Source { files, uid, resident, .. } = &self.source;
        resident.as_ref().is_some_and(|resident| load_missed(files, *uid, resident))
    }

    /// Sleeps until a reader misses something. Returns whether to go on.
    pub(in crate::fastlog) fn await_missed(&self) -> bool {
        self.source.resident.as_ref().is_some_and(|resident| resident.await_wish())
    }
}
