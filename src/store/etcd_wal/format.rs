//! The bytes of etcd's write-ahead log: a directory of segments, each a run of frames.
//!
//! | frame: offset | size | field |
//! |---|---|---|
//! | 0 | u64, little-endian | length of the record in bits 0 to 55, padding in 56 to 58 and 63 |
//! | 8 | | the record |
//! | | 0 to 7 | padding, covered by no checksum |
//!
//! A length word of zero ends the segment: space that was reserved and not written yet.
//!
//! | record, a protobuf message | field | |
//! |---|---|---|
//! | type | 1 | 1 metadata, 2 entry, 3 state, 4 checksum, 5 snapshot |
//! | crc | 2 | CRC-32C over the data of all records so far, one chain through all segments |
//! | data | 3 | a message of its own, by type |
//!
//! | data | fields |
//! |---|---|
//! | metadata | 1 node id, 2 cluster id |
//! | entry | 1 type (0 normal, 1 ConfChange, 2 ConfChangeV2), 2 term, 3 index, 4 data |
//! | state | 1 term, 2 vote (0 for nobody), 3 commit |
//! | snapshot | 1 index, 2 term, 3 ConfState |
//! | ConfState | 1 voters, 2 learners, 3 voters before, 4 learners to come, 5 leaves by itself |
//!
//! A checksum record begins each segment with the value at which the segment before ended; where
//! older segments were removed, reading begins with whatever it says.
//!
//! Who writes it: `server/storage/wal` of etcd, unchanged in form since 3.0; version 2 had no
//! padding, 3.7 leaves out fields that are zero. Where we differ: a length is compared with the
//! file and with [`RECORD_BYTES_MAX`] before anything is done with it; what etcd's own repair would
//! cut away without a word although records follow is called damage.

use std::ops::Range;

use crate::bytes::{Field, NoMessage, fields, u64_at};
use crate::model::EntryKind;

/// Bytes of a length word.
pub const WORD_BYTES: u64 = 8;
/// Largest record that is read. etcd refuses requests far below this.
pub const RECORD_BYTES_MAX: u64 = 128 << 20;
/// A write reaches the disk in pieces of this size: a torn record has one that is all zeros.
pub const SECTOR_BYTES: u64 = 512;
/// Ending of a segment's name.
pub const SEGMENT_SUFFIX: &str = ".wal";
/// Digits of each of the two numbers in a segment's name.
const NAME_DIGITS: usize = 16;

const LENGTH_MASK: u64 = (1 << 56) - 1;
const PADDED: u64 = 1 << 63;
const PADDING_SHIFT: u32 = 56;
const PADDING_MASK: u64 = 7;

/// Type of a record.
pub const METADATA: u64 = 1;
/// See [`METADATA`].
pub const ENTRY: u64 = 2;
/// See [`METADATA`].
pub const STATE: u64 = 3;
/// See [`METADATA`].
pub const CHECKSUM: u64 = 4;
/// See [`METADATA`].
pub const SNAPSHOT: u64 = 5;

/// What a segment's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    /// Its number, counted from 0.
    pub sequence: u64,
    /// The index expected first in it; entries below may follow all the same.
    pub index: u64,
}

impl SegmentName {
    /// Reads `<sequence>-<index>.wal`, each 16 lower-case hexadecimal digits.
    pub fn read(name: &str) -> Option<SegmentName> {
        let (sequence, index) = hex_pair(name.strip_suffix(SEGMENT_SUFFIX)?)?;
        Some(SegmentName { sequence, index })
    }
}

/// Two numbers of 16 hexadecimal digits with a hyphen between, as in all names of etcd's.
pub fn hex_pair(name: &str) -> Option<(u64, u64)> {
    let (first, second) = name.split_once('-')?;
    let number = |digits: &str| {
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let usual = digits.len() == NAME_DIGITS && digits.bytes().all(lower);
        usual.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
    };
    Some((number(first)?, number(second)?))
}

/// A length word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Bytes of the record.
    pub record_bytes: u64,
    /// Bytes behind it, 0 to 7.
    pub padding_bytes: u64,
}

impl Length {
    /// Takes a word apart; bits that say nothing are passed over, as etcd does.
    #[inline]
    pub fn of(word: u64) -> Length {
        let padded = word & PADDED != 0;
        let padding_bytes = if padded { (word >> PADDING_SHIFT) & PADDING_MASK } else { 0 };
        Length { record_bytes: word & LENGTH_MASK, padding_bytes }
    }

    /// Bytes of the whole frame.
    #[inline]
    pub fn frame_bytes(&self) -> u64 {
        WORD_BYTES + self.record_bytes + self.padding_bytes
    }

    /// Whether this is the word that etcd writes for a record of this length: padded to eight
    /// bytes, or not at all as by version 2.
    pub fn is_usual(&self, word: u64) -> bool {
        let padding = self.record_bytes.wrapping_neg() & PADDING_MASK;
        let padded = match padding {
            0 => self.record_bytes,
            padding => self.record_bytes | PADDED | (padding << PADDING_SHIFT),
        };
        self.record_bytes > 0 && (word == padded || word == self.record_bytes)
    }
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// They end before the message does, which etcd takes for torn.
    Early,
    /// They are something else.
    Other,
}

/// A record, with its data as bytes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its type.
    pub kind: u64,
    /// The checksum up to and with it.
    pub crc: u32,
    /// Where its data lie in it; empty where there are none.
    pub data: Range<usize>,
}

impl Record {
    /// Reads the record that `bytes` are.
    ///
    /// # Errors
    /// When they are no such message.
    #[inline]
    pub fn read(bytes: &[u8]) -> Result<Record, Malformed> {
        match Record::usual(bytes) {
            Some(record) => Ok(record),
            None => Record::any(bytes),
        }
    }

    /// The form that etcd writes: the three fields in their order.
    #[inline]
    fn usual(bytes: &[u8]) -> Option<Record> {
        let [0x08, kind @ 0..=0x7f, 0x10, rest @ ..] = bytes else { return None };
        let (crc, rest) = varint(rest)?;
        let (kind, crc) = (u64::from(*kind), u32::try_from(crc).ok()?);
        let data = match rest {
            [] => bytes.len()..bytes.len(),
            [0x1a, rest @ ..] => {
                let (len, data) = varint(rest)?;
                if len != data.len() as u64 {
                    return None;
                }
                bytes.len() - data.len()..bytes.len()
            }
            _ => return None,
        };
        Some(Record { kind, crc, data })
    }

    fn any(bytes: &[u8]) -> Result<Record, Malformed> {
        let mut record = Record::default();
        let mut parts = Parts { bytes, at: 0 };
        while let Some((number, part)) = parts.next()? {
            match (number, part) {
                (1, Part::Number(kind)) => record.kind = kind,
                // Programs in Go cut it to its width.
                (2, Part::Number(crc)) => {
                    let [a, b, c, d, ..] = crc.to_le_bytes();
                    record.crc = u32::from_le_bytes([a, b, c, d]);
                }
                (3, Part::Bytes(data)) => record.data = data,
                (1..=3, _) => return Err(Malformed::Other),
                _ => {}
            }
        }
        Ok(record)
    }
}

/// An entry without its contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryParts {
    /// The number of its type.
    pub code: u64,
    /// Its term.
    pub term: u64,
    /// Its index.
    pub index: u64,
    /// Where its contents lie in the data of its record; `None` is nil.
    pub payload: Option<Range<usize>>,
}

impl EntryParts {
    /// Reads the entry that the data of a record are.
    ///
    /// # Errors
    /// When they are no such message.
    #[inline]
    pub fn read(bytes: &[u8]) -> Result<EntryParts, Malformed> {
        match EntryParts::usual(bytes) {
            Some(parts) => Ok(parts),
            None => EntryParts::any(bytes),
        }
    }

    #[inline]
    fn usual(bytes: &[u8]) -> Option<EntryParts> {
        let (code, rest) = match bytes {
            [0x08, code @ 0..=0x7f, rest @ ..] => (u64::from(*code), rest),
            rest => (0, rest),
        };
        let [0x10, rest @ ..] = rest else { return None };
        let (term, rest) = varint(rest)?;
        let [0x18, rest @ ..] = rest else { return None };
        let (index, rest) = varint(rest)?;
        let payload = match rest {
            [] => None,
            [0x22, rest @ ..] => {
                let (len, payload) = varint(rest)?;
                if len != payload.len() as u64 {
                    return None;
                }
                Some(bytes.len() - payload.len()..bytes.len())
            }
            _ => return None,
        };
        Some(EntryParts { code, term, index, payload })
    }

    fn any(bytes: &[u8]) -> Result<EntryParts, Malformed> {
        let mut entry = EntryParts::default();
        let mut parts = Parts { bytes, at: 0 };
        while let Some((number, part)) = parts.next()? {
            match (number, part) {
                (1, Part::Number(code)) => entry.code = code,
                (2, Part::Number(term)) => entry.term = term,
                (3, Part::Number(index)) => entry.index = index,
                (4, Part::Bytes(payload)) => entry.payload = Some(payload),
                (1..=4, _) => return Err(Malformed::Other),
                _ => {}
            }
        }
        Ok(entry)
    }

    /// Bytes of its contents.
    #[inline]
    pub fn payload_bytes(&self) -> u64 {
        self.payload.as_ref().map_or(0, |range| range.len() as u64)
    }

    /// What it is for. The first entry of a leadership is a normal one without contents.
    #[inline]
    pub fn kind(&self) -> EntryKind {
        match self.code {
            0 if self.payload_bytes() == 0 => EntryKind::Noop,
            0 => EntryKind::Command,
            1 => EntryKind::ConfChange,
            2 => EntryKind::ConfChangeV2,
            _ => EntryKind::Unknown,
        }
    }
}

/// What every segment says of whose log it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The member.
    pub node: u64,
    /// The cluster.
    pub cluster: u64,
}

impl Metadata {
    /// Reads the data of a metadata record.
    ///
    /// # Errors
    /// When they are no such message.
    pub fn read(bytes: &[u8]) -> Result<Metadata, NoMessage> {
        let [node, cluster, _] = numbers(bytes)?;
        Ok(Metadata { node, cluster })
    }
}

/// Term, vote and commit index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The current term.
    pub term: u64,
    /// The member that got the vote; 0 for nobody.
    pub vote: u64,
    /// The commit index.
    pub commit: u64,
}

impl State {
    /// Reads the data of a state record.
    ///
    /// # Errors
    /// When they are no such message.
    pub fn read(bytes: &[u8]) -> Result<State, NoMessage> {
        let [term, vote, commit] = numbers(bytes)?;
        Ok(State { term, vote, commit })
    }
}

/// The marker of a snapshot: the state itself is elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marker<'b> {
    /// Last index that the snapshot covers.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The members then, as a ConfState; releases before 3.5 leave it out.
    pub members: &'b [u8],
}

impl Marker<'_> {
    /// Reads the data of a snapshot record.
    ///
    /// # Errors
    /// When they are no such message.
    pub fn read(bytes: &[u8]) -> Result<Marker<'_>, NoMessage> {
        let mut marker = Marker::default();
        for field in fields(bytes) {
            match field? {
                (1, Field::Number(index)) => marker.index = index,
                (2, Field::Number(term)) => marker.term = term,
                (3, Field::Bytes(members)) => marker.members = members,
                (1..=3, _) => return Err(NoMessage),
                _ => {}
            }
        }
        Ok(marker)
    }
}

/// Fields 1 to 3 of a message in which all of them are numbers.
fn numbers(bytes: &[u8]) -> Result<[u64; 3], NoMessage> {
    let [mut one, mut two, mut three] = [0; 3];
    for field in fields(bytes) {
        match field? {
            (1, Field::Number(number)) => one = number,
            (2, Field::Number(number)) => two = number,
            (3, Field::Number(number)) => three = number,
            (1..=3, _) => return Err(NoMessage),
            _ => {}
        }
    }
    Ok([one, two, three])
}

/// A field's value in [`Parts`].
enum Part {
    Number(u64),
    Bytes(Range<usize>),
    Fixed,
}

/// Fields of a message with their places in it.
struct Parts<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Parts<'_> {
    fn varint(&mut self) -> Result<u64, Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match varint(rest) {
            Some((value, left)) => {
                self.at = self.bytes.len() - left.len();
                Ok(value)
            }
            None if rest.len() < crate::bytes::VARINT_LEN_MAX => Err(Malformed::Early),
            None => Err(Malformed::Other),
        }
    }

    fn skip(&mut self, len: u64) -> Result<Range<usize>, Malformed> {
        let len = usize::try_from(len).map_err(|_| Malformed::Early)?;
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let start = std::mem::replace(&mut self.at, end.ok_or(Malformed::Early)?);
        Ok(start..self.at)
    }

    fn next(&mut self) -> Result<Option<(u64, Part)>, Malformed> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let part = match tag & 7 {
            0 => Part::Number(self.varint()?),
            1 => self.skip(8).map(|_| Part::Fixed)?,
            2 => {
                let len = self.varint()?;
                Part::Bytes(self.skip(len)?)
            }
            5 => self.skip(4).map(|_| Part::Fixed)?,
            _ => return Err(Malformed::Other),
        };
        match tag >> 3 {
            0 => Err(Malformed::Other),
            number => Ok(Some((number, part))),
        }
    }
}

/// A varint and what follows it; `None` when it does not end or is longer than 64 bits.
#[inline]
pub fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    let mut value = u64::from(first & 0x7f);
    let (mut last, mut shift) = (first, 7);
    while last & 0x80 != 0 {
        let (&next, after) = rest.split_first()?;
        if shift > 63 || (shift == 63 && next > 1) {
            return None;
        }
        value |= u64::from(next & 0x7f) << shift;
        (last, rest, shift) = (next, after, shift + 7);
    }
    Some((value, rest))
}

/// Whether these are the first bytes of a segment: a frame with a checksum record; or, where that
/// one is damaged, a metadata record in the place behind it.
pub fn is_segment(head: &[u8]) -> bool {
    const BEHIND: usize = 16;
    let record = |head: &[u8], kind: u64, len: Range<u64>| {
        let Some(word) = u64_at(head, 0) else { return false };
        let length = Length::of(word);
        let len = Some(length.record_bytes).filter(|bytes| len.contains(bytes));
        let Some(len) = len.and_then(|len| usize::try_from(len).ok()) else { return false };
        let record = head.get(8..).and_then(|rest| rest.get(..len));
        let read = record.and_then(|record| Record::read(record).ok());
        length.is_usual(word) && read.is_some_and(|record| record.kind == kind)
    };
    let behind = head.get(BEHIND..).unwrap_or_default();
    record(head, CHECKSUM, 2..9) || record(behind, METADATA, 2..64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_two_numbers_of_sixteen_digits() {
        let name = SegmentName::read("0000000000000002-00000000000000b5.wal");
        assert_eq!(name, Some(SegmentName { sequence: 2, index: 0xb5 }));
        for other in [
            "0.tmp",
            "0000000000000002-00000000000000b5.wal.broken",
            "0000000000000002-00000000000000B5.wal",
            "000000000000002-00000000000000b5.wal",
            "0000000000000002-+0000000000000b5.wal",
            "raft.wal",
        ] {
            assert_eq!(SegmentName::read(other), None, "{other}");
        }
    }

    #[test]
    fn words_are_taken_apart_as_etcd_does() {
        let padded = Length::of(0x8400_0000_0000_0004);
        assert_eq!(padded, Length { record_bytes: 4, padding_bytes: 4 });
        assert_eq!((padded.frame_bytes(), padded.is_usual(0x8400_0000_0000_0004)), (16, true));
        // Bits 56 to 58 say nothing without bit 63.
        assert_eq!(Length::of(0x0700_0000_0000_0010).padding_bytes, 0);
        assert!(Length::of(0x10).is_usual(0x10));
        assert!(Length::of(0x11).is_usual(0x11), "version 2 never padded");
        assert!(!Length::of(0x8300_0000_0000_0004).is_usual(0x8300_0000_0000_0004));
        assert!(!Length::of(0).is_usual(0));
    }

    #[test]
    fn records_are_read_in_any_order_and_with_any_field_left_out() {
        let usual = [8, 2, 0x10, 0xe1, 0x92, 0xec, 0xab, 0x0d, 0x1a, 2, 9, 9];
        let record = Record::read(&usual).unwrap();
        assert_eq!(record, Record { kind: 2, crc: 0xd57b_0961, data: 10..12 });
        let turned = [0x1a, 2, 9, 9, 0x10, 0xe1, 0x92, 0xec, 0xab, 0x0d, 8, 2];
        assert_eq!(Record::read(&turned), Ok(Record { data: 2..4, ..record }));
        assert_eq!(Record::read(&[8, 4]), Ok(Record { kind: 4, crc: 0, data: 0..0 }));
        assert_eq!(Record::read(&[8, 3, 0x1a, 9, 1]), Err(Malformed::Early));
        assert_eq!(Record::read(&[8, 3, 0x1b]), Err(Malformed::Other));
        assert_eq!(Record::read(&[0x0a, 1, 1]), Err(Malformed::Other));
        for len in 1..usual.len() {
            assert_ne!(Record::read(&usual[..len]).map(|record| record.data.len()), Ok(2));
        }
    }

    #[test]
    fn entries_tell_nil_contents_from_empty_ones() {
        let nil = EntryParts::read(&[8, 0, 0x10, 1, 0x18, 2]).unwrap();
        assert_eq!((nil.payload.clone(), nil.kind()), (None, EntryKind::Noop));
        let empty = EntryParts::read(&[8, 0, 0x10, 1, 0x18, 3, 0x22, 0]).unwrap();
        assert_eq!((empty.payload.clone(), empty.kind()), (Some(8..8), EntryKind::Noop));
        let newer = EntryParts::read(&[0x10, 1, 0x18, 4, 0x22, 1, 7]).unwrap();
        assert_eq!((newer.index, newer.payload.clone()), (4, Some(6..7)));
        assert_eq!(newer.kind(), EntryKind::Command);
        let turned = EntryParts::read(&[0x22, 1, 7, 0x18, 4, 0x10, 1]).unwrap();
        assert_eq!(turned, EntryParts { payload: Some(2..3), ..newer });
        let kinds = [1, 2, 3].map(|code| EntryParts::read(&[8, code]).unwrap().kind());
        assert_eq!(kinds, [EntryKind::ConfChange, EntryKind::ConfChangeV2, EntryKind::Unknown]);
    }

    #[test]
    fn varints_end_within_ten_bytes() {
        assert_eq!(varint(&[0xac, 0x02, 7]), Some((300, &[7][..])));
        let mut most = [0xff; 10];
        most[9] = 1;
        assert_eq!(varint(&most), Some((u64::MAX, &[][..])));
        most[9] = 2;
        assert_eq!(varint(&most), None);
        assert_eq!(varint(&[0x80; 11]), None);
        assert_eq!(varint(&[0x80]), None);
    }
}
