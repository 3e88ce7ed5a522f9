//! openraft's values in postcard and bincode 1, which describe nothing.
//!
//! Where a value may be absent, some programs write an Option (a byte 0 or 1 before it) and some
//! the bare value. Which of them it is the length tells: a value must end with its bytes.

use crate::bytes::{Cursor, Overlong};
use crate::model::{Candidate, EntryKind, FaultKind, LogId, LogIndex, SharedBytes, Term};
use crate::store::codec::framed::{Framed, odd};
use crate::store::codec::openraft::{Encoding, Leader, VoteRead};

struct Input<'a> {
    cursor: Cursor<'a>,
    encoding: Encoding,
}

impl<'a> Input<'a> {
    fn new(encoding: Encoding, bytes: &'a [u8]) -> Input<'a> {
        Input { cursor: Cursor::new(bytes, 0), encoding }
    }

    fn number(&mut self, what: &'static str) -> Result<u64, FaultKind> {
        let number = match self.encoding {
            Encoding::Bincode => self.cursor.u64_le(what),
            _ => self.cursor.varint(what, Overlong::Refuse),
        };
        number.map_err(|_| odd(what, "a number", format!("{} bytes", self.cursor.remaining())))
    }

    fn variant(&mut self) -> Result<u64, FaultKind> {
        let what = "variant of the payload";
        let number = match self.encoding {
            Encoding::Bincode => self.cursor.u32_le(what).map(u64::from),
            _ => self.cursor.varint(what, Overlong::Refuse),
        };
        number.map_err(|_| odd(what, "a number", "the end of the value"))
    }

    fn flag(&mut self) -> Option<bool> {
        match self.cursor.u8("a flag").ok()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn log_id(&mut self, leader: Leader) -> Result<LogId, FaultKind> {
        let term = Term(self.number("term")?);
        match leader {
            Leader::TermAndNode => drop(self.number("node id")?),
            Leader::TermAndName => drop(self.name()?),
            Leader::Term => {}
        }
        Ok(LogId { term, index: LogIndex(self.number("index")?) })
    }

    fn vote(&mut self, leader: Leader) -> Option<VoteRead> {
        let term = self.number("term").ok()?;
        let voted = match leader {
            Leader::TermAndNode | Leader::TermAndName => true,
            Leader::Term => self.flag()?,
        };
        let candidate = match (voted, leader) {
            (false, _) => None,
            (true, Leader::TermAndName) => {
                Some(Candidate::Bytes(SharedBytes::from(self.name().ok()?.as_bytes())))
            }
            (true, _) => Some(Candidate::Id(self.number("node id").ok()?)),
        };
        self.flag()?;
        Some(VoteRead { term, candidate })
    }

    fn name(&mut self) -> Result<&'a str, FaultKind> {
        let what = "node id";
        let len = match self.encoding {
            Encoding::Bincode => self.cursor.u64_le(what).ok(),
            _ => self.cursor.varint(what, Overlong::Refuse).ok(),
        };
        let bytes = len.and_then(|len| self.cursor.take(what, usize::try_from(len).ok()?).ok());
        let name = bytes.and_then(|bytes| str::from_utf8(bytes).ok());
        name.ok_or_else(|| odd(what, "text, its length before it", "something else"))
    }
}

pub(super) fn entry(encoding: Encoding, leader: Leader, value: &[u8]) -> Result<Framed, FaultKind> {
    let mut input = Input::new(encoding, value);
    let id = input.log_id(leader)?;
    let variant = input.variant()?;
    let (kind, has_payload) = match variant {
        0 => (EntryKind::Noop, false),
        1 => (EntryKind::Command, true),
        2 => (EntryKind::Configuration, true),
        other => {
            let expected = "0 (Blank), 1 (Normal) or 2 (Membership)";
            return Err(odd("variant of the payload", expected, other.to_string()));
        }
    };
    let at = input.cursor.position();
    Ok(Framed {
        index: id.index.0,
        term: id.term.0,
        kind,
        kind_code: u32::try_from(variant).ok(),
        payload: has_payload.then_some(at..value.len()),
        end: if has_payload { value.len() } else { at },
    })
}

/// Reads a value that may be an Option of one, and must end with its bytes.
fn optional<T>(
    encoding: Encoding,
    value: &[u8],
    read: impl Fn(&mut Input<'_>) -> Option<T>,
) -> Option<Option<T>> {
    let whole = |bytes| {
        let mut input = Input::new(encoding, bytes);
        read(&mut input).filter(|_| input.cursor.is_empty())
    };
    match (whole(value), value) {
        (Some(bare), _) => Some(Some(bare)),
        (None, [0]) => Some(None),
        (None, [1, some @ ..]) => whole(some).map(Some),
        (None, _) => None,
    }
}

pub(super) fn log_id(encoding: Encoding, leader: Leader, value: &[u8]) -> Option<Option<LogId>> {
    optional(encoding, value, |input| input.log_id(leader).ok())
}

pub(super) fn vote(encoding: Encoding, leader: Leader, value: &[u8]) -> Option<Option<VoteRead>> {
    optional(encoding, value, |input| input.vote(leader))
}
