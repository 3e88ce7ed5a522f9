//! The file format, version 1: the only place that knows byte offsets. `FORMAT.md` beside this file
//! describes it; the constants here are its figures, frozen by `tests/layout.rs`.
#![doc = include_str!("FORMAT.md")]

use crate::bytes::Crc32;
use crate::fastlog::planted::{Bug, planted};

mod decode;
mod encode;
mod entry;
mod frame;
mod sector;
mod usual;
mod wire;

pub use decode::{EntriesRecord, Op, Record, Records, SnapshotFields};
pub use encode::{Chain, Payload, TooLarge};
pub use entry::{EntrySizes, EntryView, EntryWalk};
pub use frame::{Found, Frame, FrameType, seal_frame};
pub use sector::{Anchor, SectorError, SegmentHeader, Settings, SyncSlot};
pub use wire::Malformed;

/// Version of everything below.
pub const FORMAT_VERSION: u32 = 1;

/// Unit in which headers, sync slots and anchor slots are written: one disk sector.
pub const SECTOR_BYTES: usize = 512;
/// Distance between things that must not share a page.
pub const PAGE_BYTES: u64 = 4096;

/// Name of the anchor file.
pub const ANCHOR_FILE: &str = "anchor.fastlog";
/// What the name of a segment ends with, after its number in at least eight decimal digits.
pub const SEGMENT_SUFFIX: &str = ".seg";
/// Size of the anchor file.
pub const ANCHOR_FILE_BYTES: u64 = 2 * PAGE_BYTES;
/// First bytes of an anchor slot.
pub const ANCHOR_MAGIC: [u8; 8] = *b"FLOGANCH";

/// First bytes of a segment.
pub const SEGMENT_MAGIC: [u8; 8] = *b"FLOGSEGM";
/// First bytes of a sync slot.
pub const SYNC_MAGIC: [u8; 8] = *b"FLOGSYNC";
/// Where the first sync slot of a segment lies; the second is one sector behind it.
pub const SYNC_PAGE_OFFSET: u64 = PAGE_BYTES;
/// Where the first frame of a segment lies.
pub const FRAMES_OFFSET: u64 = 2 * PAGE_BYTES;

/// Bytes of a frame before its payload.
pub const FRAME_HEADER_BYTES: usize = 32;
/// Highest offset in a segment at which a frame begins.
pub const FRAME_OFFSET_MAX: u64 = u32::MAX as u64;
/// Largest payload of a filler.
pub const FILLER_PAYLOAD_MAX: usize = 1 << 20;
/// Largest payload of one frame.
pub const FRAME_PAYLOAD_MAX: usize = 1 << 30;
/// Payload at which a writer ends a frame and continues the batch in the next one.
pub const FRAME_PAYLOAD_TARGET: usize = 256 << 10;
/// Largest sum of payload, extensions and note of one entry.
pub const ENTRY_CONTENT_MAX: usize = (1 << 29) - 1;
/// Largest name, schema, key, id or candidate.
pub const TEXT_MAX: usize = 1 << 16;
/// Largest batch with its frame headers.
pub const BATCH_BYTES_MAX: u64 = 1 << 30;
/// Largest number of a segment.
pub const SEGMENT_NO_MAX: u64 = u32::MAX as u64;
/// Smallest segment that can be asked for.
pub const SEGMENT_BYTES_MIN: u64 = 16 << 10;
/// Largest segment that can be asked for. A larger one exists only to hold one large batch.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// Distance that a stored checksum is rotated by.
const MASK_ROTATE: u32 = 15;
/// What is added to a rotated checksum.
const MASK_DELTA: u32 = 0xa282_ead8;

/// The random name of one log, part of every checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogUid(pub [u8; 16]);

/// Number of a segment; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentNo(pub u64);

impl SegmentNo {
    /// The number of the next segment.
    pub fn next(self) -> SegmentNo {
        SegmentNo(self.0.saturating_add(1))
    }

    /// The name of its file.
    pub fn file_name(self) -> String {
        format!("{:08}{SEGMENT_SUFFIX}", self.0)
    }

    /// The number in a file name, or `None` when a segment is not called so.
    pub fn from_file_name(name: &str) -> Option<SegmentNo> {
        let number = SegmentNo(name.strip_suffix(SEGMENT_SUFFIX)?.parse().ok()?);
        let allowed = (1..=SEGMENT_NO_MAX).contains(&number.0);
        (allowed && number.file_name() == name).then_some(number)
    }
}

/// Number of a frame: one more per frame, over all segments; the first is 1, and 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The number of the next frame.
    pub fn next(self) -> Sequence {
        Sequence(self.0.saturating_add(1))
    }
}

/// The engine's number of a group; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupNo(pub u32);

/// A stored checksum: masked, so that bytes that carry their own checksum do not pass for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Masked(pub u32);

/// What checksums of one segment (or, with number 0, of the anchor file) begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(u32);

impl Salt {
    /// The salt of segment `number` of the log `uid`.
    pub fn new(uid: LogUid, number: SegmentNo) -> Salt {
        if planted(Bug::NoSalt) {
            return Salt(0);
        }
        let mut crc = Crc32::new();
        crc.update(&uid.0);
        crc.update(&number.0.to_le_bytes());
        Salt(crc.value())
    }

    /// The checksum over `bytes`, as it is stored.
    pub fn checksum(self, bytes: &[u8]) -> Masked {
        let mut crc = Crc32::resumed(self.0);
        crc.update(bytes);
        if planted(Bug::NotMasked) {
            return Masked(crc.value());
        }
        Masked(crc.value().rotate_right(MASK_ROTATE).wrapping_add(MASK_DELTA))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_segments_are_read_only_as_they_are_written() {
        assert_eq!(SegmentNo(3).file_name(), "00000003.seg");
        assert_eq!(SegmentNo::from_file_name("00000003.seg"), Some(SegmentNo(3)));
        assert_eq!(SegmentNo::from_file_name("123456789.seg"), Some(SegmentNo(123_456_789)));
        for wrong in ["3.seg", "00000000.seg", "000000003.seg", "+0000003.seg", "00000003.sex"] {
            assert_eq!(SegmentNo::from_file_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn checksums_depend_on_log_and_segment_and_are_masked() {
        let salt = Salt::new(LogUid([7; 16]), SegmentNo(1));
        assert_ne!(salt.checksum(b"x"), Salt::new(LogUid([8; 16]), SegmentNo(1)).checksum(b"x"));
        assert_ne!(salt.checksum(b"x"), Salt::new(LogUid([7; 16]), SegmentNo(2)).checksum(b"x"));
        let mut plain = Crc32::resumed(salt.0);
        plain.update(b"x");
        assert_ne!(salt.checksum(b"x").0, plain.value());
    }
}
