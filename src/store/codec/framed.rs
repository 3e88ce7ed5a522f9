//! Entries of which only a part is the payload: what stands around it is kept as the entry's note,
//! so that writing puts back byte for byte what was read.
//!
//! A note is what stands before the payload, or the whole value where there is none. Where what
//! follows the payload is not what always follows it in that codec, the note is a zero byte, the
//! length of what stands before (u32, little-endian), that, and what follows.

use std::ops::Range;

use crate::model::{
    Entry, EntryExtra, EntryHead, EntryKind, FaultKind, LogIndex, SharedBytes, Term,
};
use crate::store::codec::{DecodedHead, DecodedLog};

/// First byte of the longer form; no value of a codec with an end begins with it.
const BOTH_SIDES: u8 = 0;

/// An entry and where in its value the payload lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Framed {
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) kind: EntryKind,
    pub(super) kind_code: Option<u32>,
    /// Bytes of the value.
    pub(super) payload: Option<Range<usize>>,
    /// Where the encoded entry ends; what follows belongs to nothing.
    pub(super) end: usize,
}

/// What stands behind a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// Nothing can: the payload ends with its value.
    Never,
    /// This, as a rule.
    Usually(&'static [u8]),
    /// Fields of its own in every entry.
    Always,
}

impl Framed {
    /// The head of the entry that a value of `len_bytes` holds, stored under `key`.
    pub(super) fn head(self, len_bytes: usize, key: LogIndex) -> DecodedHead {
        let head = EntryHead {
            index: key,
            term: Term(self.term),
            kind: self.kind,
            kind_code: self.kind_code,
            payload_len_bytes: self.payload.map_or(0, |inner| inner.len() as u64),
            extensions_len_bytes: 0,
            place: None,
        };
        let trailing_bytes = len_bytes.saturating_sub(self.end) as u64;
        DecodedHead { head, index_inside: LogIndex(self.index), trailing_bytes }
    }

    /// The entry of the value that is the bytes `value` of `buffer`, stored under `key`.
    pub(super) fn decoded(
        self,
        buffer: &SharedBytes,
        value: Range<usize>,
        (key, closing): (LogIndex, Closing),
    ) -> DecodedLog {
        let (start, end) = (value.start, value.end);
        let slice = |range: Range<usize>| buffer.slice(range).unwrap_or_default();
        let whole_end = start.saturating_add(self.end);
        let (payload, note) = match self.payload {
            None => (None, slice(value)),
            Some(inner) => {
                let at = start.saturating_add(inner.start)..start.saturating_add(inner.end);
                let behind = buffer.get(at.end..end).unwrap_or_default();
                let note = match closing {
                    Closing::Never => slice(start..at.start),
                    Closing::Usually(usual) if behind == usual => slice(start..at.start),
                    _ => {
                        let before = buffer.get(start..at.start).unwrap_or_default();
                        SharedBytes::from(both_sides(before, behind))
                    }
                };
                (Some(slice(at)), note)
            }
        };
        let entry = Entry {
            index: key,
            term: Term(self.term),
            kind: self.kind,
            kind_code: self.kind_code,
            payload,
            extra: EntryExtra { note, ..EntryExtra::default() },
        };
        let trailing_bytes = end.saturating_sub(whole_end) as u64;
        DecodedLog { entry, index_inside: LogIndex(self.index), trailing_bytes }
    }
}

fn both_sides(before: &[u8], behind: &[u8]) -> Vec<u8> {
    let mut note = Vec::with_capacity(before.len() + behind.len() + 5);
    note.push(BOTH_SIDES);
    note.extend_from_slice(&u32::try_from(before.len()).unwrap_or(u32::MAX).to_le_bytes());
    note.extend_from_slice(before);
    note.extend_from_slice(behind);
    note
}

/// Appends the value that `entry` was decoded from.
///
/// # Errors
/// When the entry has no note of that codec.
pub(super) fn put_back(
    entry: &Entry,
    closing: Closing,
    out: &mut Vec<u8>,
) -> Result<(), FaultKind> {
    let note = &*entry.extra.note;
    if note.is_empty() {
        return Err(FaultKind::Field {
            what: "what stands around the payload of an entry",
            expected: "as an entry that was read in this schema has it".to_owned(),
            found: "nothing: the entry was made elsewhere".to_owned(),
        });
    }
    let Some(payload) = entry.payload.as_deref() else {
        out.extend_from_slice(note);
        return Ok(());
    };
    let (before, behind) = match (closing, note.split_first()) {
        (Closing::Usually(_) | Closing::Always, Some((&BOTH_SIDES, rest))) => {
            let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(|| cut(note))?;
            let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
            rest.split_at_checked(len).ok_or_else(|| cut(note))?
        }
        (Closing::Usually(usual), _) => (note, usual),
        (Closing::Never | Closing::Always, _) => (note, &[][..]),
    };
    out.extend_from_slice(before);
    out.extend_from_slice(payload);
    out.extend_from_slice(behind);
    Ok(())
}

fn cut(note: &[u8]) -> FaultKind {
    FaultKind::Short {
        what: "note of an entry",
        needed_bytes: note.len() as u64 + 1,
        found_bytes: note.len() as u64,
    }
}

/// That a value is not what it must be.
pub(super) fn odd(what: &'static str, expected: &str, found: impl Into<String>) -> FaultKind {
    FaultKind::Field { what, expected: expected.to_owned(), found: found.into() }
}
