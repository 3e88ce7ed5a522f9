//! Positions of up to 256 neighbours of one group.

mod packed;
mod slots;

use crate::fastlog::memtable::Position;
use crate::fastlog::memtable::chunk::packed::Packed;
use crate::fastlog::memtable::chunk::slots::Slotted;
pub(super) use crate::fastlog::memtable::chunk::slots::{ShapeNumber, Slot, Slots};
use crate::model::{HeadRun, IndexRange, LogIndex};

/// Positions in a full chunk; chunks begin at multiples of it.
pub(super) const CHUNK: u64 = 256;
/// Positions that a chunk begins with; it grows fourfold, so that small groups stay small.
pub(super) const CHUNK_FIRST: usize = 4;

/// Where the chunk of an index begins, when it is full.
pub(super) fn base_of(index: LogIndex) -> u64 {
    index.0 - index.0 % CHUNK
}

/// Slots between two indexes of one chunk.
pub(super) fn offset(first: LogIndex, index: LogIndex) -> usize {
    usize::try_from(index.0.saturating_sub(first.0)).unwrap_or(usize::MAX)
}

/// A run of positions, some of which may be missing.
pub(super) struct Chunk {
    pub(super) first: LogIndex,
    body: Body,
}

enum Body {
    /// Written slot by slot while others read.
    Slotted(Slotted),
    /// Complete: it is replaced by slots when something is to be added.
    Packed(Packed),
}

impl Chunk {
    /// An empty one, with room for `room` positions in slots that `slots` makes.
    pub(super) fn starting(
        first: LogIndex,
        room: usize,
        slots: &mut dyn FnMut(usize) -> Slots,
    ) -> Chunk {
        let most = offset(first, LogIndex(base_of(first) + (CHUNK - 1))) + 1;
        Chunk { first, body: Body::Slotted(Slotted::new(slots(room.min(most)))) }
    }

    /// One with the position of `first` alone, which others of the same frame will follow at once;
    /// `None` when it cannot be packed.
    pub(super) fn packing(first: LogIndex, position: &Position, more: u64) -> Option<Chunk> {
        let rest = CHUNK - first.0 % CHUNK;
        let room = usize::try_from(more.saturating_add(1).min(rest)).ok()?;
        Some(Chunk { first, body: Body::Packed(Packed::starting(position, room)?) })
    }

    /// A chunk from `first` on with room for `room` slots that holds what this one has of
    /// `first..=last`.
    pub(super) fn copied(
        &self,
        first: LogIndex,
        last: LogIndex,
        room: usize,
        slots: &mut dyn FnMut(usize) -> Slots,
    ) -> Chunk {
        let copy = Chunk::starting(first, room, slots);
        for at in 0..self.room() {
            let index = self.index_of(at);
            if index < first || index > last {
                continue;
            }
            if let (Some(position), Some(_)) = (self.get(index), copy.slot(index)) {
                copy.set(index, &position);
            }
        }
        copy
    }

    pub(super) fn last_possible(&self) -> LogIndex {
        LogIndex(base_of(self.first) + (CHUNK - 1))
    }

    /// Slots, or packed positions.
    pub(super) fn room(&self) -> usize {
        match &self.body {
            Body::Slotted(slotted) => slotted.slots.len(),
            Body::Packed(packed) => packed.len(),
        }
    }

    /// Memory that it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        let body = match &self.body {
            Body::Slotted(slotted) => slotted.slots.len() * size_of::<Slot>(),
            Body::Packed(packed) => packed.memory_bytes(),
        };
        size_of::<Chunk>() + body
    }

    pub(super) fn index_of(&self, at: usize) -> LogIndex {
        LogIndex(self.first.0.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)))
    }

    /// Where the position of `index` is written to; `None` when there is no room, or it is packed.
    pub(super) fn slot(&self, index: LogIndex) -> Option<&Slot> {
        let Body::Slotted(slotted) = &self.body else { return None };
        if index < self.first { None } else { slotted.slots.get(offset(self.first, index)) }
    }

    pub(super) fn get(&self, index: LogIndex) -> Option<Position> {
        match &self.body {
            Body::Slotted(slotted) => self.slot(index)?.get(&slotted.shapes),
            Body::Packed(_) if index < self.first => None,
            Body::Packed(packed) => packed.get(offset(self.first, index)),
        }
    }

    /// Adds the next position where it was begun packed and goes on so; `false` otherwise.
    #[inline]
    pub(super) fn pack(&mut self, index: LogIndex, position: &Position) -> bool {
        match &mut self.body {
            Body::Packed(packed) => {
                offset(self.first, index) == packed.len()
                    && !index.0.is_multiple_of(CHUNK)
                    && packed.push(position)
            }
            Body::Slotted(_) => false,
        }
    }

    /// Writes into the slot of `index`. `like` is what was written before, and is kept up to date.
    #[inline]
    pub(super) fn set_next(
        &self,
        index: LogIndex,
        position: &Position,
        like: &mut Option<ShapeNumber>,
    ) -> bool {
        let (Body::Slotted(slotted), Some(slot)) = (&self.body, self.slot(index)) else {
            return false;
        };
        let number = match like {
            Some(like) if like.shape == position.shape => like.number,
            _ => slotted.shapes.number_of(position.shape),
        };
        *like = Some(ShapeNumber { shape: position.shape, number });
        slot.set(position, number);
        true
    }

    pub(super) fn set(&self, index: LogIndex, position: &Position) {
        let _has_room = self.set_next(index, position, &mut None);
    }

    /// What is known of the entries from the first of `range` on that are alike.
    pub(super) fn run(&self, range: IndexRange) -> Option<HeadRun> {
        let from = offset(self.first, range.first());
        let first = self.get(range.first())?;
        let to = offset(self.first, range.last()).saturating_add(1);
        let alike = match &self.body {
            Body::Slotted(slotted) => slotted.alike(from..to),
            Body::Packed(packed) => packed.alike(from..to),
        };
        let last = self.index_of(from + alike.entries.checked_sub(1)?);
        Some(HeadRun {
            range: IndexRange::new(range.first(), last)?,
            term: first.shape.term,
            kind: first.shape.kind,
            kind_code: first.shape.kind_code,
            payload_bytes: alike.payload_bytes,
            payload_bytes_max: alike.payload_bytes_max,
            encoded_bytes: alike.encoded_bytes,
        })
    }

    pub(super) fn next_at(&self, from: LogIndex) -> Option<LogIndex> {
        let skipped = offset(self.first, from);
        let at = match &self.body {
            Body::Slotted(slotted) => slotted.next_set(skipped),
            Body::Packed(packed) => Some(skipped).filter(|at| *at < packed.len()),
        };
        at.map(|at| self.index_of(at))
    }

    pub(super) fn count(&self, first: LogIndex, last: LogIndex) -> u64 {
        let inside = |at: &usize| {
            let index = self.index_of(*at);
            index >= first && index <= last && self.has(*at)
        };
        u64::try_from((0..self.room()).filter(inside).count()).unwrap_or(u64::MAX)
    }

    fn has(&self, at: usize) -> bool {
        match &self.body {
            Body::Slotted(slotted) => slotted.slots.get(at).is_some_and(Slot::is_set),
            Body::Packed(packed) => at < packed.len(),
        }
    }
}

/// How long an entry is.
struct Lens {
    /// Encoded, in bytes.
    entry: u32,
    /// Its payload, in bytes.
    payload: u32,
}

/// Neighbours of one shape, added up.
#[derive(Clone, Copy, Debug, Default)]
struct Alike {
    entries: usize,
    payload_bytes: u64,
    payload_bytes_max: u64,
    encoded_bytes: u64,
}

impl Alike {
    fn add(&mut self, entry: &Lens) {
        self.entries += 1;
        self.payload_bytes += u64::from(entry.payload);
        self.payload_bytes_max = self.payload_bytes_max.max(u64::from(entry.payload));
        self.encoded_bytes += u64::from(entry.entry);
    }
}
