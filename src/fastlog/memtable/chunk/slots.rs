//! Positions in slots that are written while others read.

use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::fastlog::format::SegmentNo;
use crate::fastlog::memtable::chunk::{Alike, Lens};
use crate::fastlog::memtable::{Position, Shape};

/// Slots and the shapes that they number.
pub(super) struct Slotted {
    pub(super) slots: Slots,
    pub(super) shapes: Shapes,
}

impl Slotted {
    pub(super) fn new(slots: Slots) -> Slotted {
        Slotted { slots, shapes: Shapes::default() }
    }

    /// The first slot from number `from` on that is set.
    pub(super) fn next_set(&self, from: usize) -> Option<usize> {
        let rest = self.slots.get(from.min(self.slots.len())..).unwrap_or_default();
        rest.iter().position(Slot::is_set).map(|at| from + at)
    }

    /// The entries with the numbers `numbers` up to the first of another shape, added up.
    pub(super) fn alike(&self, numbers: Range<usize>) -> Alike {
        let mut alike = Alike::default();
        let mut like = None;
        for slot in self.slots.iter().take(numbers.end).skip(numbers.start) {
            let Some(lens) = slot.lens() else { break };
            if *like.get_or_insert(lens.shape) != lens.shape {
                break;
            }
            alike.add(&Lens { entry: lens.entry, payload: lens.payload });
        }
        alike
    }
}

/// A shape and its number in a chunk.
#[derive(Clone, Copy, Debug)]
pub(in crate::fastlog::memtable) struct ShapeNumber {
    pub(in crate::fastlog::memtable) shape: Shape,
    pub(in crate::fastlog::memtable) number: u8,
}

/// A part of a piece of memory.
pub(in crate::fastlog::memtable) struct Slots {
    pub(in crate::fastlog::memtable) memory: Arc<[Slot]>,
    pub(in crate::fastlog::memtable) start: usize,
    pub(in crate::fastlog::memtable) len: usize,
}

impl Slots {
    /// Slots in a piece of their own.
    pub(in crate::fastlog::memtable) fn alone(len: usize) -> Slots {
        Slots { memory: Slots::memory(len), start: 0, len }
    }

    pub(in crate::fastlog::memtable) fn memory(len: usize) -> Arc<[Slot]> {
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

/// A position in 24 bytes: segment 32 and frame offset 32 bits; offset 31, length 31 and the low
/// 2 bits of the shape's number; payload 29, extensions 29 and its high 6 bits. Length 0 is empty.
#[derive(Default)]
pub(in crate::fastlog::memtable) struct Slot([AtomicU64; 3]);

const BITS_31: u64 = (1 << 31) - 1;
const BITS_29: u64 = (1 << 29) - 1;

impl Slot {
    pub(super) fn is_set(&self) -> bool {
        let [_, entry, _] = &self.0;
        entry.load(Ordering::Acquire) != 0
    }

    pub(super) fn set(&self, position: &Position, shape: u8) {
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
    fn lens(&self) -> Option<Fields> {
        let [_, entry, lens] = &self.0;
        let entry = entry.load(Ordering::Acquire);
        if entry == 0 {
            return None;
        }
        let lens = lens.load(Ordering::Relaxed);
        Some(Fields {
            at: small(entry & BITS_31),
            entry: small((entry >> 31) & BITS_31),
            payload: small(lens & BITS_29),
            extensions: small((lens >> 29) & BITS_29),
            shape: (entry >> 62) | (lens >> 58) << 2,
        })
    }

    pub(super) fn get(&self, shapes: &Shapes) -> Option<Position> {
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
struct Fields {
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
pub(super) struct Shapes(OnceLock<Box<ShapeNode>>);

struct ShapeNode {
    shape: Shape,
    next: Shapes,
}

impl Shapes {
    pub(super) fn number_of(&self, shape: Shape) -> u8 {
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
