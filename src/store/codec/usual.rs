//! The short way through a value as raft-boltdb writes it: six fields in the order of their names,
//! or the five of older versions.
//!
//! It only says what [`super::raft_log`] says too, sooner: whatever is not exactly so, sound or
//! not, is left to that.

use std::ops::Range;

use crate::model::{AppendTime, LogIndex, Term};
use crate::store::codec::append_time;

const NIL: u8 = 0xc0;
const SIX_FIELDS: &[u8] = b"\x86\xaaAppendedAt";
const FIVE_FIELDS: &[u8] = b"\x85";
/// Length of Go's binary time without seconds in the zone, as a msgpack string's code.
const OLD_TIME: u8 = 0xaf;

/// A value that needs no note: everything in it is a field of an entry.
pub(super) struct Usual {
    pub(super) term: Term,
    pub(super) kind: u8,
    /// Payload, as bytes of the value; `None` for nil.
    pub(super) data: Option<Range<usize>>,
    /// Extensions, as bytes of the value; `None` for nil.
    pub(super) extensions: Option<Range<usize>>,
    pub(super) time: AppendTime,
}

/// Reads `value` if it is a usual one that names `key` as its index.
pub(super) fn read(value: &[u8], key: LogIndex) -> Option<Usual> {
    let mut cursor = Cursor { bytes: value, at: 0 };
    let time = match cursor.literal(SIX_FIELDS) {
        Some(()) => cursor.time()?,
        None => cursor.literal(FIVE_FIELDS).map(|()| AppendTime::Absent)?,
    };
    cursor.literal(b"\xa4Data")?;
    let data = cursor.bytes()?;
    cursor.literal(b"\xaaExtensions")?;
    let extensions = cursor.bytes()?;
    cursor.literal(b"\xa5Index")?;
    let index = cursor.number()?;
    cursor.literal(b"\xa4Term")?;
    let term = Term(cursor.number()?);
    cursor.literal(b"\xa4Type")?;
    let kind = u8::try_from(cursor.number()?).ok()?;
    let whole = index == key.0 && cursor.at == value.len();
    whole.then_some(Usual { term, kind, data, extensions, time })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    #[inline]
    fn literal(&mut self, expected: &[u8]) -> Option<()> {
        let end = self.at + expected.len();
        if self.bytes.get(self.at..end)? != expected {
            return None;
        }
        self.at = end;
        Some(())
    }

    #[inline]
    fn skip(&mut self, len: usize) -> Option<Range<usize>> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len())?;
        Some(std::mem::replace(&mut self.at, end)..end)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let found = *self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(found)
    }

    fn bytes(&mut self) -> Option<Option<Range<usize>>> {
        let [code] = self.array()?;
        let len = match code {
            NIL => return Some(None),
            0xa0..=0xbf => usize::from(code & 0x1f),
            0xda => usize::from(u16::from_be_bytes(self.array()?)),
            0xdb => usize::try_from(u32::from_be_bytes(self.array()?)).ok()?,
            _ => return None,
        };
        self.skip(len).map(Some)
    }

    fn number(&mut self) -> Option<u64> {
        let [code] = self.array()?;
        Some(match code {
            0..=0x7f => code.into(),
            0xcc => u8::from_be_bytes(self.array()?).into(),
            0xcd => u16::from_be_bytes(self.array()?).into(),
            0xce => u32::from_be_bytes(self.array()?).into(),
            0xcf => u64::from_be_bytes(self.array()?),
            _ => return None,
        })
    }

    /// A time that our own writing brings back as it is, or nil.
    fn time(&mut self) -> Option<AppendTime> {
        match self.array()? {
            [NIL] => Some(AppendTime::Nil),
            [OLD_TIME] => append_time::usual(&self.array()?).map(AppendTime::At),
            _ => None,
        }
    }
}
