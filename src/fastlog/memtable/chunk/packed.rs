//! Positions of entries that lie back to back in one frame, in five bytes each.

use std::ops::Range;

use crate::fastlog::format::SegmentNo;
use crate::fastlog::memtable::chunk::{Alike, Lens};
use crate::fastlog::memtable::{Position, Shape};

/// Entries of one shape and one record without extensions.
pub(super) struct Packed {
    segment: SegmentNo,
    frame_offset: u64,
    shape: Shape,
    /// Where the first begins in the frame's payload, in bytes.
    start: u32,
    /// Where each ends.
    ends: Vec<u32>,
    /// What each has beside its payload, in bytes.
    heads: Vec<u8>,
}

impl Packed {
    /// The position of one entry, with room for `room`; `None` when it cannot be told so briefly.
    pub(super) fn starting(position: &Position, room: usize) -> Option<Packed> {
        let mut packed = Packed {
            segment: position.segment,
            frame_offset: position.frame_offset,
            shape: position.shape,
            start: position.at,
            ends: Vec::with_capacity(room),
            heads: Vec::with_capacity(room),
        };
        packed.push(position).then_some(packed)
    }

    /// Adds the next entry, if it goes on from the last.
    #[inline]
    pub(super) fn push(&mut self, position: &Position) -> bool {
        let head = position.len.checked_sub(position.payload_len).map(u8::try_from);
        let end = position.at.checked_add(position.len);
        let (Some(Ok(head)), Some(end)) = (head, end) else { return false };
        let goes_on = position.at == self.end()
            && position.extensions_len == 0
            && position.frame_offset == self.frame_offset
            && position.segment == self.segment
            && position.shape == self.shape;
        if goes_on {
            self.ends.push(end);
            self.heads.push(head);
        }
        goes_on
    }

    fn end(&self) -> u32 {
        self.ends.last().copied().unwrap_or(self.start)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.ends.capacity() * size_of::<u32>() + self.heads.capacity()
    }

    /// Where entry number `at` begins in the payload.
    fn start_of(&self, at: usize) -> Option<u32> {
        match at.checked_sub(1) {
            None => Some(self.start),
            Some(before) => self.ends.get(before).copied(),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<Position> {
        let (start, end) = (self.start_of(at)?, *self.ends.get(at)?);
        let head = u32::from(*self.heads.get(at)?);
        Some(Position {
            segment: self.segment,
            frame_offset: self.frame_offset,
            at: start,
            len: end - start,
            payload_len: end - start - head,
            extensions_len: 0,
            shape: self.shape,
        })
    }

    /// The entries with the numbers `numbers` that are there, added up.
    pub(super) fn alike(&self, numbers: Range<usize>) -> Alike {
        let mut alike = Alike::default();
        let Some(mut start) = self.start_of(numbers.start) else { return alike };
        let ends = self.ends.iter().zip(&self.heads).take(numbers.end).skip(numbers.start);
        for (end, head) in ends {
            let entry = end - start;
            alike.add(&Lens { entry, payload: entry - u32::from(*head) });
            start = *end;
        }
        alike
    }
}
