//! Where every entry lies: a skip list of chunks of up to 256 positions, about 24 bytes an entry.
//!
//! One writer pushes; any number of readers look up at the same time. A slot is written once,
//! before the bounds that make it visible; whatever removes entries replaces their chunk, so that a
//! reader who holds the old one still reads what was there.

use std::ops::{Bound, Deref};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_skiplist::SkipMap;

use crate::fastlog::format::{GroupNo, SegmentNo};
use crate::model::{EntryKind, HeadRun, IndexRange, LogIndex, Term};

/// Positions in a full chunk; chunks begin at multiples of it.
const CHUNK: u64 = 256;
/// Positions that a chunk begins with; it grows fourfold, so that small groups stay small.
const CHUNK_FIRST: usize = 4;

/// What the index knows of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Segment that holds it.
    pub segment: SegmentNo,
    /// Offset of its frame in the segment, in bytes.
    pub frame_offset: u64,
    /// Offset of the entry in the frame's payload, in bytes.
    pub at: u32,
    /// Length of the encoded entry, in bytes.
    pub len: u32,
    /// Length of its payload, in bytes.
    pub payload_len: u32,
    /// Length of its extensions, in bytes.
    pub extensions_len: u32,
    /// What many neighbours share.
    pub shape: Shape,
}

/// Term and kind of an entry; neighbours mostly have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The term.
    pub term: Term,
    /// The kind.
    pub kind: EntryKind,
    /// The number of the kind in the source.
    pub kind_code: Option<u32>,
}

/// The index of all groups.
#[derive(Default)]
pub struct Memtable {
    chunks: SkipMap<(GroupNo, u64), Arc<Chunk>>,
}

/// A chunk of one group, kept by whoever works next to it: the writer at the group's end, a reader
/// inside its range.
#[derive(Clone, Default)]
pub struct Tail(Option<Arc<Chunk>>);

impl Tail {
    /// What the chunk knows of the entries from the first of `range` on that are alike; `None`
    /// when that one is not in it.
    pub fn run(&self, range: IndexRange) -> Option<HeadRun> {
        self.0.as_ref()?.run(range)
    }
}

impl Memtable {
    /// The position of an entry, or `None` where there is none.
    pub fn get(&self, group: GroupNo, index: LogIndex) -> Option<Position> {
        self.chunks.get(&(group, base_of(index)))?.value().get(index)
    }

    /// As [`Memtable::get`]; `near` makes looking up neighbours of one group quick.
    pub fn get_near(&self, near: &mut Tail, group: GroupNo, index: LogIndex) -> Option<Position> {
        let base = base_of(index);
        if let Some(chunk) = near.0.as_ref().filter(|chunk| base_of(chunk.first) == base)
            && let Some(position) = chunk.get(index)
        {
            return Some(position);
        }
        near.0 = self.chunks.get(&(group, base)).map(|found| Arc::clone(found.value()));
        near.0.as_ref()?.get(index)
    }

    /// Records an entry above all others of its group. `tail` is what the last push to this
    /// group left, or empty.
    pub fn push(&self, group: GroupNo, tail: &mut Tail, index: LogIndex, position: &Position) {
        let base = base_of(index);
        if tail.0.as_ref().is_none_or(|chunk| base_of(chunk.first) != base) {
            let known = self.chunks.get(&(group, base)).map(|found| Arc::clone(found.value()));
            tail.0 = Some(known.unwrap_or_else(|| {
                let chunk = Arc::new(Chunk::starting(index, CHUNK_FIRST, &mut Slots::alone));
                self.chunks.insert((group, base), Arc::clone(&chunk));
                chunk
            }));
        }
        let Some(chunk) = &mut tail.0 else { return };
        if index < chunk.first {
            let last = chunk.last_possible();
            *chunk = Arc::new(chunk.copied(index, last, usize::MAX, &mut Slots::alone));
            self.chunks.insert((group, base), Arc::clone(chunk));
        } else if chunk.slot(index).is_none() {
            let slots = offset(chunk.first, index) + 1;
            let room = slots.max(chunk.slots.len() * 4);
            let last = chunk.last_possible();
            *chunk = Arc::new(chunk.copied(chunk.first, last, room, &mut Slots::alone));
            self.chunks.insert((group, base), Arc::clone(chunk));
        }
        chunk.set(index, position);
    }

    /// Records a run above all other entries of its group, as if each was pushed.
    pub fn adopt(&self, group: GroupNo, tail: &mut Tail, run: Run) {
        for chunk in run.chunks.into_iter().filter(|chunk| !chunk.slots.is_empty()) {
            let base = base_of(chunk.first);
            if self.chunks.contains_key(&(group, base)) {
                for at in 0..chunk.slots.len() {
                    let index = chunk.index_of(at);
                    if let Some(position) = chunk.get(index) {
                        self.push(group, tail, index, &position);
                    }
                }
            } else {
                self.chunks.insert((group, base), Arc::clone(&chunk));
                tail.0 = Some(chunk);
            }
        }
    }

    /// Removes every position of `group` from `first` on. The caller forgets its [`Tail`].
    pub fn truncate(&self, group: GroupNo, first: LogIndex) {
        let base = base_of(first);
        let mut found = self.chunks.lower_bound(Bound::Included(&(group, base)));
        while let Some(chunk) = found.filter(|chunk| chunk.key().0 == group) {
            if chunk.key().1 == base && chunk.value().first < first {
                if let Some(last) = first.previous() {
                    let whole = chunk.value();
                    let kept = whole.copied(whole.first, last, usize::MAX, &mut Slots::alone);
                    self.chunks.insert((group, base), Arc::new(kept));
                }
            } else {
                chunk.remove();
            }
            let key = *chunk.key();
            found = self.chunks.lower_bound(Bound::Excluded(&key));
        }
    }

    /// Removes the chunks of `group` that lie wholly at or below `last`.
    pub fn compact(&self, group: GroupNo, last: LogIndex) {
        let base = match last.next() {
            Some(kept) => base_of(kept),
            None => u64::MAX,
        };
        let mut found = self.chunks.lower_bound(Bound::Included(&(group, 0)));
        while let Some(chunk) = found.filter(|chunk| chunk.key().0 == group && chunk.key().1 < base)
        {
            chunk.remove();
            let key = *chunk.key();
            found = self.chunks.lower_bound(Bound::Excluded(&key));
        }
    }

    /// The lowest index of `group` at or above `from` that has a position.
    pub fn next_at(&self, group: GroupNo, from: LogIndex) -> Option<LogIndex> {
        let mut found = self.chunks.lower_bound(Bound::Included(&(group, base_of(from))));
        while let Some(chunk) = found.filter(|chunk| chunk.key().0 == group) {
            if let Some(index) = chunk.value().next_at(from) {
                return Some(index);
            }
            let key = *chunk.key();
            found = self.chunks.lower_bound(Bound::Excluded(&key));
        }
        None
    }

    /// How many of the indexes `first..=last` of `group` have a position.
    pub fn count(&self, group: GroupNo, first: LogIndex, last: LogIndex) -> u64 {
        let mut count = 0u64;
        let mut found = self.chunks.lower_bound(Bound::Included(&(group, base_of(first))));
        while let Some(chunk) =
            found.filter(|chunk| chunk.key().0 == group && chunk.key().1 <= last.0)
        {
            count += chunk.value().count(first, last);
            let key = *chunk.key();
            found = self.chunks.lower_bound(Bound::Excluded(&key));
        }
        count
    }
}

/// Where a thread that gathers many runs takes their memory from: one piece for many chunks, as
/// asking the system for each would hold up every other thread. A piece is given back with the last
/// of its chunks.
#[derive(Default)]
pub struct Slab {
    slots: Arc<[Slot]>,
    used: usize,
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
pub struct Run {
    chunks: Vec<Arc<Chunk>>,
    /// Shape of the entry pushed last, with its number in the last chunk.
    shape: Option<(Shape, u8)>,
    slots: usize,
}

impl Run {
    /// A run whose first entry will be `first`.
    pub fn starting(first: LogIndex) -> Run {
        let chunk = Arc::new(Chunk::starting(first, 0, &mut Slots::alone));
        Run { chunks: vec![chunk], shape: None, slots: 0 }
    }

    /// Adds the next entry, which about `more` others will follow.
    #[inline]
    pub fn push(&mut self, slab: &mut Slab, index: LogIndex, position: &Position, more: u64) {
        if self.chunks.last().is_none_or(|chunk| chunk.slot(index).is_none()) {
            self.make_room(slab, index, more);
        }
        let Some(chunk) = self.chunks.last() else { return };
        let number = match self.shape {
            Some((shape, number)) if shape == position.shape => number,
            _ => chunk.shapes.number_of(position.shape),
        };
        self.shape = Some((position.shape, number));
        if let Some(slot) = chunk.slot(index) {
            slot.set(position, number);
        }
    }

    #[cold]
    fn make_room(&mut self, slab: &mut Slab, index: LogIndex, more: u64) {
        let Some(last) = self.chunks.last_mut() else { return };
        let asked = usize::try_from(more).unwrap_or(usize::MAX).saturating_add(1);
        self.slots -= last.slots.len();
        if base_of(last.first) == base_of(index) {
            let room = offset(last.first, index).saturating_add(asked.max(CHUNK_FIRST));
            let room = room.max(last.slots.len() * 4);
            let grown = last.copied(last.first, last.last_possible(), room, &mut |n| slab.take(n));
            *last = Arc::new(grown);
            self.slots += last.slots.len();
        } else {
            // Who came to the end of a chunk mostly fills the next one too.
            let chunk = Chunk::starting(index, usize::MAX, &mut |len| slab.take(len));
            self.slots += last.slots.len() + chunk.slots.len();
            self.chunks.push(Arc::new(chunk));
        }
        self.shape = None;
    }

    /// Memory that it takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.slots * size_of::<Slot>() + self.chunks.len() * size_of::<Chunk>()
    }
}

fn base_of(index: LogIndex) -> u64 {
    index.0 - index.0 % CHUNK
}

/// Slots between two indexes of one chunk.
fn offset(first: LogIndex, index: LogIndex) -> usize {
    usize::try_from(index.0.saturating_sub(first.0)).unwrap_or(usize::MAX)
}

/// A run of positions, some of which may be missing.
struct Chunk {
    first: LogIndex,
    slots: Slots,
    shapes: Shapes,
}

/// A part of a piece of memory.
struct Slots {
    memory: Arc<[Slot]>,
    start: usize,
    len: usize,
}

impl Slots {
    /// Slots in a piece of their own.
    fn alone(len: usize) -> Slots {
        Slots { memory: Slots::memory(len), start: 0, len }
    }

    fn memory(len: usize) -> Arc<[Slot]> {
        (0..len).map(|_| Slot::default()).collect()
    }
}

impl Deref for Slots {
    type Target = [Slot];

    #[inline]
    fn deref(&self) -> &[Slot] {
        self.memory.get(self.start..self.start + self.len).unwrap_or_default()
    }
}

impl Chunk {
    fn starting(first: LogIndex, room: usize, slots: &mut dyn FnMut(usize) -> Slots) -> Chunk {
        let most = offset(first, LogIndex(base_of(first) + (CHUNK - 1))) + 1;
        Chunk { first, slots: slots(room.min(most)), shapes: Shapes::default() }
    }

    /// A chunk from `first` on with room for `room` slots that holds what this one has of
    /// `first..=last`.
    fn copied(
        &self,
        first: LogIndex,
        last: LogIndex,
        room: usize,
        slots: &mut dyn FnMut(usize) -> Slots,
    ) -> Chunk {
        let copy = Chunk::starting(first, room, slots);
        for (at, slot) in self.slots.iter().enumerate() {
            let index = self.index_of(at);
            if index < first || index > last {
                continue;
            }
            if let (Some(position), Some(_)) = (slot.get(&self.shapes), copy.slot(index)) {
                copy.set(index, &position);
            }
        }
        copy
    }

    fn last_possible(&self) -> LogIndex {
        LogIndex(base_of(self.first) + (CHUNK - 1))
    }

    fn index_of(&self, at: usize) -> LogIndex {
        LogIndex(self.first.0.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)))
    }

    fn slot(&self, index: LogIndex) -> Option<&Slot> {
        if index < self.first { None } else { self.slots.get(offset(self.first, index)) }
    }

    fn get(&self, index: LogIndex) -> Option<Position> {
        self.slot(index)?.get(&self.shapes)
    }

    fn run(&self, range: IndexRange) -> Option<HeadRun> {
        let from = offset(self.first, range.first());
        let first = self.get(range.first())?;
        let mut run = HeadRun {
            range: IndexRange::new(range.first(), range.first())?,
            term: first.shape.term,
            kind: first.shape.kind,
            kind_code: first.shape.kind_code,
            payload_bytes: 0,
            payload_bytes_max: 0,
            encoded_bytes: 0,
        };
        let mut like = None;
        let mut last = range.first();
        for (at, slot) in self.slots.iter().enumerate().skip(from) {
            let index = self.index_of(at);
            let Some(lens) = slot.lens().filter(|_| index <= range.last()) else { break };
            if *like.get_or_insert(lens.shape) != lens.shape {
                break;
            }
            run.payload_bytes += u64::from(lens.payload);
            run.payload_bytes_max = run.payload_bytes_max.max(u64::from(lens.payload));
            run.encoded_bytes += u64::from(lens.entry);
            last = index;
        }
        run.range = IndexRange::new(range.first(), last)?;
        Some(run)
    }

    fn set(&self, index: LogIndex, position: &Position) {
        if let Some(slot) = self.slot(index) {
            slot.set(position, self.shapes.number_of(position.shape));
        }
    }

    fn next_at(&self, from: LogIndex) -> Option<LogIndex> {
        let skipped = offset(self.first, from);
        let rest = self.slots.get(skipped.min(self.slots.len())..).unwrap_or_default();
        let at = rest.iter().position(Slot::is_set)?;
        Some(self.index_of(skipped + at))
    }

    fn count(&self, first: LogIndex, last: LogIndex) -> u64 {
        let inside = |(at, slot): &(usize, &Slot)| {
            let index = self.index_of(*at);
            slot.is_set() && index >= first && index <= last
        };
        u64::try_from(self.slots.iter().enumerate().filter(inside).count()).unwrap_or(u64::MAX)
    }
}

/// A position in 24 bytes: segment 32 and frame offset 32 bits; offset 31, length 31 and the low
/// 2 bits of the shape's number; payload 29, extensions 29 and its high 6 bits. Length 0 is empty.
#[derive(Default)]
struct Slot([AtomicU64; 3]);

const BITS_31: u64 = (1 << 31) - 1;
const BITS_29: u64 = (1 << 29) - 1;

impl Slot {
    fn is_set(&self) -> bool {
        let [_, entry, _] = &self.0;
        entry.load(Ordering::Acquire) != 0
    }

    fn set(&self, position: &Position, shape: u8) {
        let [place, entry, lens] = &self.0;
        let shape = u64::from(shape);
        place.store(position.segment.0 << 32 | position.frame_offset, Ordering::Relaxed);
        let payload = u64::from(position.payload_len);
        let extensions = u64::from(position.extensions_len);
        lens.store(payload | extensions << 29 | (shape >> 2) << 58, Ordering::Relaxed);
        let (at, len) = (u64::from(position.at), u64::from(position.len));
        entry.store(at | len << 31 | (shape & 3) << 62, Ordering::Release);
    }

    /// Lengths and shape alone, `None` when empty.
    #[inline]
    fn lens(&self) -> Option<Lens> {
        let [_, entry, lens] = &self.0;
        let entry = entry.load(Ordering::Acquire);
        if entry == 0 {
            return None;
        }
        let lens = lens.load(Ordering::Relaxed);
        Some(Lens {
            at: small(entry & BITS_31),
            entry: small((entry >> 31) & BITS_31),
            payload: small(lens & BITS_29),
            extensions: small((lens >> 29) & BITS_29),
            shape: (entry >> 62) | (lens >> 58) << 2,
        })
    }

    fn get(&self, shapes: &Shapes) -> Option<Position> {
        let lens = self.lens()?;
        let [place, _, _] = &self.0;
        let place = place.load(Ordering::Relaxed);
        Some(Position {
            segment: SegmentNo(place >> 32),
            frame_offset: place & u64::from(u32::MAX),
            at: lens.at,
            len: lens.entry,
            payload_len: lens.payload,
            extensions_len: lens.extensions,
            shape: shapes.at(usize::try_from(lens.shape).ok()?)?,
        })
    }
}

/// What a slot holds beside its place.
struct Lens {
    at: u32,
    entry: u32,
    payload: u32,
    extensions: u32,
    /// Number of the shape in the chunk.
    shape: u64,
}

fn small(bits: u64) -> u32 {
    u32::try_from(bits).unwrap_or(u32::MAX)
}

/// The different shapes in a chunk: at most as many as it has slots, so a byte can number them.
#[derive(Default)]
struct Shapes(OnceLock<Box<ShapeNode>>);

struct ShapeNode {
    shape: Shape,
    next: Shapes,
}

impl Shapes {
    fn number_of(&self, shape: Shape) -> u8 {
        let mut shapes = self;
        let mut number = 0u8;
        loop {
            let node =
                shapes.0.get_or_init(|| Box::new(ShapeNode { shape, next: Shapes::default() }));
            if node.shape == shape || number == u8::MAX {
                return number;
            }
            number += 1;
            shapes = &node.next;
        }
    }

    fn at(&self, number: usize) -> Option<Shape> {
        let mut node = self.0.get()?;
        for _ in 0..number {
            node = node.next.0.get()?;
        }
        Some(node.shape)
    }
}

impl Drop for Shapes {
    /// Frees the list step by step instead of by recursion.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut node) = next {
            next = node.next.0.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: GroupNo = GroupNo(3);

    fn position(number: u64) -> Position {
        Position {
            segment: SegmentNo(u64::from(u32::MAX) - number),
            frame_offset: (1 << 31) - number,
            at: (1 << 30) + number as u32,
            len: (1 << 29) + 90 - number as u32,
            payload_len: (1 << 29) - 1 - number as u32,
            extensions_len: (1 << 29) - 1 - number as u32,
            shape: Shape {
                term: Term(number / 2),
                kind: EntryKind::ALL[number as usize % 9],
                kind_code: number.is_multiple_of(3).then_some(number as u32),
            },
        }
    }

    fn filled(first: u64, last: u64) -> (Memtable, Tail) {
        let table = Memtable::default();
        let mut tail = Tail::default();
        for index in first..=last {
            table.push(GROUP, &mut tail, LogIndex(index), &position(index));
        }
        (table, tail)
    }

    fn present(table: &Memtable) -> Vec<u64> {
        let mut indexes = Vec::new();
        let mut from = Some(LogIndex(0));
        while let Some(index) = from.and_then(|from| table.next_at(GROUP, from)) {
            assert_eq!(table.get(GROUP, index), Some(position(index.0)));
            indexes.push(index.0);
            from = index.next();
        }
        indexes
    }

    #[test]
    fn every_bit_of_a_position_comes_back_across_chunks() {
        let (table, _) = filled(250, 1030);
        assert_eq!(present(&table), (250..=1030).collect::<Vec<_>>());
        assert_eq!(table.get(GROUP, LogIndex(249)), None);
        assert_eq!(table.get(GROUP, LogIndex(1031)), None);
        assert_eq!(table.get(GroupNo(2), LogIndex(300)), None);
        assert_eq!(table.count(GROUP, LogIndex(0), LogIndex(u64::MAX)), 781);
        assert_eq!(table.count(GROUP, LogIndex(255), LogIndex(513)), 259);
    }

    #[test]
    fn the_ends_of_the_number_range_are_indexes_like_others() {
        for index in [0, u64::MAX] {
            let table = Memtable::default();
            let mut tail = Tail::default();
            table.push(GROUP, &mut tail, LogIndex(index), &position(5));
            assert_eq!(table.get(GROUP, LogIndex(index)), Some(position(5)));
            table.compact(GROUP, LogIndex(index));
            table.truncate(GROUP, LogIndex(index));
            assert_eq!(table.next_at(GROUP, LogIndex(0)), None);
        }
    }

    #[test]
    fn truncation_keeps_what_a_reader_already_holds() {
        let (table, _) = filled(10, 600);
        let held = Arc::clone(table.chunks.get(&(GROUP, 256)).expect("there").value());
        table.truncate(GROUP, LogIndex(300));
        assert_eq!(present(&table), (10..300).collect::<Vec<_>>());
        let mut tail = Tail::default();
        let other = Position { at: 1, ..position(300) };
        table.push(GROUP, &mut tail, LogIndex(300), &other);
        assert_eq!(held.get(LogIndex(300)), Some(position(300)));
        assert_eq!(table.get(GROUP, LogIndex(300)), Some(other));
    }

    #[test]
    fn compaction_frees_whole_chunks_and_no_others() {
        let (table, _) = filled(0, 1000);
        table.compact(GROUP, LogIndex(511));
        assert_eq!(present(&table), (512..=1000).collect::<Vec<_>>());
        table.compact(GROUP, LogIndex(700));
        assert_eq!(table.next_at(GROUP, LogIndex(0)), Some(LogIndex(512)));
    }

    #[test]
    fn holes_stay_holes() {
        let (table, mut tail) = filled(3, 5);
        for index in [9, 1000, 1001] {
            table.push(GROUP, &mut tail, LogIndex(index), &position(index));
        }
        assert_eq!(present(&table), [3, 4, 5, 9, 1000, 1001]);
        let mut fresh = Tail::default();
        table.push(GROUP, &mut fresh, LogIndex(770), &position(770));
        table.push(GROUP, &mut fresh, LogIndex(769), &position(769));
        assert_eq!(present(&table), [3, 4, 5, 9, 769, 770, 1000, 1001]);
    }
}
