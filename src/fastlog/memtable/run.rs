//! Positions that are gathered apart from a table.

use std::sync::Arc;

use crate::fastlog::memtable::Position;
use crate::fastlog::memtable::chunk::{
    CHUNK_FIRST, Chunk, ShapeNumber, Slot, Slots, base_of, offset,
};
use crate::model::LogIndex;

/// Where a thread that gathers many runs takes their slots from: one piece for many chunks, as
/// asking the system for each would hold up every other thread. A piece is given back with the last
/// of its chunks.
pub struct Slab {
    slots: Arc<[Slot]>,
    used: usize,
}

impl Default for Slab {
    fn default() -> Slab {
        Slab { slots: Slots::memory(0), used: 0 }
    }
}

impl Slab {
    /// Slots of a piece.
    const SLOTS: usize = 22 * 256;

    fn take(&mut self, len: usize) -> Slots {
        if self.slots.len() - self.used < len {
            *self = Slab { slots: Slots::memory(len.max(Slab::SLOTS)), used: 0 };
        }
        let slots = Slots { memory: Arc::clone(&self.slots), start: self.used, len };
        self.used += len;
        slots
    }
}

/// Positions of consecutive entries, gathered apart from a table to be put into it as a whole.
#[derive(Default)]
pub struct Run {
    pub(super) chunks: Vec<Chunk>,
    /// Shape of the entry pushed last into slots, with its number in the last chunk.
    like: Option<ShapeNumber>,
    /// Memory of all chunks but the last, in bytes.
    full_bytes: usize,
}

impl Run {
    /// Adds the next entry, which `more` others of its record follow.
    #[inline]
    pub fn push(&mut self, slab: &mut Slab, index: LogIndex, position: &Position, more: u64) {
        let done = self.chunks.last_mut().is_some_and(|chunk| {
            chunk.pack(index, position) || chunk.set_next(index, position, &mut self.like)
        });
        if !done {
            self.push_with_room(slab, index, position, more);
        }
    }

    #[cold]
    fn push_with_room(&mut self, slab: &mut Slab, index: LogIndex, position: &Position, more: u64) {
        self.like = None;
        let asked = usize::try_from(more).unwrap_or(usize::MAX).saturating_add(1);
        let mut slots = |len: usize| slab.take(len);
        match self.chunks.last_mut() {
            Some(last) if base_of(last.first) == base_of(index) => {
                let room = offset(last.first, index).saturating_add(asked.max(CHUNK_FIRST));
                let room = room.max(last.room() * 4);
                *last = last.copied(last.first, last.last_possible(), room, &mut slots);
            }
            before => {
                // Who came to the end of a chunk mostly fills the next one too.
                let room = if before.is_some() { usize::MAX } else { asked.max(CHUNK_FIRST) };
                self.full_bytes += before.map_or(0, |before| before.memory_bytes());
                if more > 0
                    && let Some(chunk) = Chunk::packing(index, position, more)
                {
                    self.chunks.push(chunk);
                    return;
                }
                self.chunks.push(Chunk::starting(index, room, &mut slots));
            }
        }
        if let Some(chunk) = self.chunks.last() {
            chunk.set(index, position);
        }
    }

    /// Memory that it takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.full_bytes + self.chunks.last().map_or(0, Chunk::memory_bytes)
    }
}
