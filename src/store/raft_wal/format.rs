//! The bytes of a segment. All integers are little-endian.
//!
//! | header: offset | size | content |
//! |---|---|---|
//! | 0 | u32 | magic 0x58eb6b0d |
//! | 4 | 3 | zero |
//! | 7 | u8 | version 0 |
//! | 8 | u64 | index of the first entry in the file |
//! | 16 | u64 | number of the segment |
//! | 24 | u64 | codec of the entries |
//!
//! | frame: offset | size | content |
//! |---|---|---|
//! | 0 | u8 | type: 0 none, 1 entry, 2 index, 3 commit |
//! | 1 | 3 | zero, not looked at |
//! | 4 | u32 | length of the payload; of a commit: CRC-32C |
//! | 8 | length | payload; none of a commit |
//! | | 0 to 7 | zeros up to a multiple of 8 |
//!
//! The n-th entry of a file has the index of the header plus n. An index, which seals a segment, is
//! the offset of each entry's frame as a u32. A commit's checksum covers everything since the
//! commit before it, or since the beginning of the file.

use crate::bytes::u64_at;

/// Bytes of a segment's header.
pub const HEADER_BYTES: u64 = 32;
/// Bytes of a frame's head.
pub const FRAME_BYTES: u64 = 8;
/// The entry codec that is read and written.
pub const CODEC: u64 = 1;
/// Largest payload of an entry that the library reads back.
pub const PAYLOAD_BYTES_MAX: u64 = 64 << 20;
/// Size from which on the library begins a new segment when nothing else is said.
pub const SEGMENT_BYTES_USUAL: u64 = 64 << 20;
/// The beginning of every segment: magic, reserved, version.
const BEGINNING: [u8; 8] = [0x0d, 0x6b, 0xeb, 0x58, 0, 0, 0, 0];
/// What segments' names end in.
const SUFFIX: &str = ".wal";

const ENTRY: u8 = 1;
const INDEX: u8 = 2;
const COMMIT: u8 = 3;

/// Which segment: its first index and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    /// Index of the first entry in the file.
    pub base: u64,
    /// Its number, which no other segment ever had.
    pub id: u64,
}

impl SegmentName {
    /// The name of its file.
    pub fn file(self) -> String {
        format!("{:020}-{:016x}{SUFFIX}", self.base, self.id)
    }

    /// The segment that a file name means; `None` where the library would not understand it.
    pub fn parse(name: &str) -> Option<SegmentName> {
        let (base, id) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        let digits = |text: &str, radix| {
            let usual = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            usual.then(|| u64::from_str_radix(text, radix).ok()).flatten()
        };
        Some(SegmentName { base: digits(base, 10)?, id: digits(id, 16)? })
    }

    /// Whether a file name is that of a segment, understood or not.
    pub fn claims(name: &str) -> bool {
        name.ends_with(SUFFIX)
    }
}

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which segment.
    pub name: SegmentName,
    /// Codec of the entries.
    pub codec: u64,
}

impl Header {
    /// Reads a header; `None` without magic and version.
    pub fn read(bytes: &[u8]) -> Option<Header> {
        bytes.strip_prefix(&BEGINNING)?;
        let name = SegmentName { base: u64_at(bytes, 8)?, id: u64_at(bytes, 16)? };
        Some(Header { name, codec: u64_at(bytes, 24)? })
    }

    /// Appends the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&BEGINNING);
        for number in [self.name.base, self.name.id, self.codec] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
}

/// What the head of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameHead {
    /// An entry with a payload of so many bytes.
    Entry(u32),
    /// The offsets of all entries, so many bytes.
    Index(u32),
    /// The end of a batch: the checksum over it.
    Commit(u32),
    /// Zeros: nothing was written here.
    Zeros,
    /// No frame: its type, which no frame has.
    Odd(u8),
}

impl FrameHead {
    /// Reads a head.
    pub fn read(bytes: &[u8; 8]) -> FrameHead {
        let [kind, _, _, _, rest @ ..] = bytes;
        let number = u32::from_le_bytes(*rest);
        match *kind {
            ENTRY => FrameHead::Entry(number),
            INDEX => FrameHead::Index(number),
            COMMIT => FrameHead::Commit(number),
            0 if bytes == &[0; 8] => FrameHead::Zeros,
            other => FrameHead::Odd(other),
        }
    }

    /// Bytes of the whole frame; 0 where none is.
    pub fn frame_bytes(self) -> u64 {
        match self {
            FrameHead::Entry(len) | FrameHead::Index(len) => {
                FRAME_BYTES + u64::from(len).next_multiple_of(8)
            }
            FrameHead::Commit(_) => FRAME_BYTES,
            FrameHead::Zeros | FrameHead::Odd(_) => 0,
        }
    }

    /// The head's bytes.
    pub fn bytes(self) -> [u8; 8] {
        let (kind, number) = match self {
            FrameHead::Entry(len) => (ENTRY, len),
            FrameHead::Index(len) => (INDEX, len),
            FrameHead::Commit(crc) => (COMMIT, crc),
            FrameHead::Zeros => (0, 0),
            FrameHead::Odd(kind) => (kind, 0),
        };
        let [a, b, c, d] = number.to_le_bytes();
        [kind, 0, 0, 0, a, b, c, d]
    }
}

/// Bytes of the index frame over so many entries.
pub fn index_frame_bytes(entries: u64) -> u64 {
    FRAME_BYTES + entries.saturating_mul(4).next_multiple_of(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_library_writes_them() {
        let name = SegmentName { base: 407, id: 10 };
        assert_eq!(name.file(), "00000000000000000407-000000000000000a.wal");
        assert_eq!(SegmentName::parse(&name.file()), Some(name));
        for odd in ["a.wal", "1-.wal", "-1.wal", "1-g.wal", "+1-2.wal", "1-2.wal.tmp", "0x1-2.wal"]
        {
            assert_eq!(SegmentName::parse(odd), None, "{odd}");
        }
        assert!(SegmentName::claims("a.wal") && !SegmentName::claims("a.wal.tmp"));
    }

    #[test]
    fn headers_and_heads_are_read_as_they_were_written() {
        let header = Header { name: SegmentName { base: 1, id: 0 }, codec: CODEC };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        assert_eq!(bytes.len() as u64, HEADER_BYTES);
        assert_eq!(Header::read(&bytes), Some(header));
        assert_eq!(Header::read(&bytes[..31]), None);
        for at in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(Header::read(&other), None, "byte {at}");
        }
        for head in [FrameHead::Entry(21), FrameHead::Index(800), FrameHead::Commit(0x5166_5a32)] {
            assert_eq!(FrameHead::read(&head.bytes()), head);
        }
        assert_eq!(FrameHead::read(&[0; 8]), FrameHead::Zeros);
        assert_eq!(FrameHead::read(&[0, 0, 0, 0, 1, 0, 0, 0]), FrameHead::Odd(0));
        assert_eq!(FrameHead::read(&[4, 0, 0, 0, 1, 0, 0, 0]), FrameHead::Odd(4));
    }

    #[test]
    fn frames_end_at_a_multiple_of_eight() {
        let bytes = [21, 24, 25, 0, u32::MAX].map(|len| FrameHead::Entry(len).frame_bytes());
        assert_eq!(bytes, [32, 32, 40, 8, (1 << 32) + 8]);
        assert_eq!([0, 1, 2, 3].map(index_frame_bytes), [8, 16, 16, 24]);
    }
}
