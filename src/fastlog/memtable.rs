//! Where every entry lies: a skip list of chunks of up to 256 positions, about 24 bytes an entry,
//! or 5 where neighbours lie back to back in one frame.
//!
//! One writer pushes; any number of readers look up at the same time. A slot is written once,
//! before the bounds that make it visible; whatever removes entries replaces their chunk, so that a
//! reader who holds the old one still reads what was there.

mod chunk;
mod run;

use std::ops::Bound;
use std::sync::Arc;

use crossbeam_skiplist::SkipMap;

use crate::fastlog::format::{GroupNo, SegmentNo};
use crate::fastlog::memtable::chunk::Slots;
use crate::fastlog::memtable::chunk::{CHUNK_FIRST, Chunk, base_of, offset};
pub use crate::fastlog::memtable::run::{Run, Slab};
use crate::fastlog::segment::FramePlace;
use crate::model::{EntryKind, HeadRun, IndexRange, LogIndex, Term};

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

impl Position {
    /// Where its frame begins.
    pub(super) fn frame(&self) -> FramePlace {
        FramePlace { segment: self.segment, offset: self.frame_offset }
    }
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
            let room = slots.max(chunk.room() * 4);
            let last = chunk.last_possible();
            *chunk = Arc::new(chunk.copied(chunk.first, last, room, &mut Slots::alone));
            self.chunks.insert((group, base), Arc::clone(chunk));
        }
        chunk.set(index, position);
    }

    /// Records a run above all other entries of its group, as if each was pushed.
    pub fn adopt(&self, group: GroupNo, tail: &mut Tail, run: Run) {
        for chunk in run.chunks {
            let base = base_of(chunk.first);
            if self.chunks.contains_key(&(group, base)) {
                for at in 0..chunk.room() {
                    let index = chunk.index_of(at);
                    if let Some(position) = chunk.get(index) {
                        self.push(group, tail, index, &position);
                    }
                }
            } else {
                let chunk = Arc::new(chunk);
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

    /// Positions of entries as a file has them: mostly back to back, sometimes in another frame, of
    /// another shape, with extensions or a long head.
    fn laid_out(first: u64, entries: u64, unusual_every: u64) -> Vec<(LogIndex, Position)> {
        let mut at = 40;
        let mut place = Position { segment: SegmentNo(7), frame_offset: 8_192, ..position(0) };
        let mut all = Vec::new();
        for number in 0..entries {
            let odd = number % unusual_every == unusual_every - 1;
            let what = number / unusual_every % 4;
            (place.len, place.payload_len, place.extensions_len) = (30, 20 - number as u32 % 9, 0);
            match what {
                0 if odd => (place.frame_offset, at) = (place.frame_offset + 9_000, 3),
                1 if odd => place.shape.term = Term(place.shape.term.0 + 1),
                2 if odd => place.extensions_len = 4,
                _ if odd => place.len = 20 + 256,
                _ => {}
            }
            place.at = at;
            at += place.len;
            all.push((LogIndex(first + number), place));
        }
        all
    }

    #[test]
    fn what_is_packed_reads_like_what_is_pushed() {
        for (first, unusual_every) in [(0, u64::MAX), (250, 1_000), (511, 300), (1, 7), (9, 1)] {
            let all = laid_out(first, 1_500, unusual_every);
            let (pushed, packed) = (Memtable::default(), Memtable::default());
            let (mut tail, mut slab, mut run) = (Tail::default(), Slab::default(), Run::default());
            for (number, (index, position)) in all.iter().enumerate() {
                pushed.push(GROUP, &mut tail, *index, position);
                run.push(&mut slab, *index, position, 1_499 - number as u64);
            }
            if unusual_every == u64::MAX {
                assert!(run.memory_bytes() < 1_500 * 6, "{}", run.memory_bytes());
            }
            let mut tail = Tail::default();
            packed.adopt(GROUP, &mut tail, run);
            let range = IndexRange::new(LogIndex(first), LogIndex(first + 1_499)).expect("range");
            let next = LogIndex(first + 1_500);
            for table in [&pushed, &packed] {
                table.truncate(GROUP, LogIndex(first + 1_400));
                table.push(GROUP, &mut Tail::default(), LogIndex(first + 1_400), &position(8));
                assert_eq!(table.next_at(GROUP, LogIndex(first + 1_401)), None);
                assert_eq!(table.count(GROUP, range.first(), next), 1_401);
            }
            for (index, position) in &all[..1_400] {
                assert_eq!(packed.get(GROUP, *index), Some(*position));
                let (mut near, mut other) = (Tail::default(), Tail::default());
                packed.get_near(&mut near, GROUP, *index);
                pushed.get_near(&mut other, GROUP, *index);
                let from = IndexRange::new(*index, range.last()).expect("range");
                assert_eq!(near.run(from), other.run(from), "{index:?}");
            }
        }
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
