//! Encodings of single projects: nodedb's, sorock's and blixard's entries, and their states.

use crate::bytes::{BytesError, Cursor};
use crate::model::{Candidate, EntryKind, FaultKind, HardState, SharedBytes, Term, Vote};
use crate::store::codec::framed::{Framed, odd};
use crate::store::codec::msgpack::{Reader, Token};
use crate::store::codec::raft_protobuf::{kind_of, numbers_of};

fn short(error: BytesError) -> FaultKind {
    odd("encoded entry", "more bytes", error.to_string())
}

/// nodedb's envelope: a byte, its version (u16) and the length (u32) of what follows, big-endian.
const NODEDB: u8 = 0xc1;
const NODEDB_HEADER_BYTES: usize = 7;

/// nodedb: the envelope around a msgpack array of term, index and data. Empty data is what a new
/// leader writes.
pub(super) fn nodedb(value: &[u8]) -> Result<Framed, FaultKind> {
    let mut cursor = Cursor::new(value, 0);
    let magic = cursor.u8("envelope").map_err(short)?;
    let _version = cursor.u16_be("version").map_err(short)?;
    let len = cursor.u32_be("length").map_err(short)?;
    if magic != NODEDB || usize::try_from(len) != Ok(cursor.remaining()) {
        return Err(odd("envelope", "c1, a version and the length of the rest", "another"));
    }
    let mut reader = Reader::new(cursor.rest());
    let expected = "an array of term, index and data";
    match reader.token()? {
        Token::Array(3) => {}
        other => return Err(odd("encoded entry", expected, other.words())),
    }
    let mut take = || match reader.token()? {
        Token::Unsigned(number) => Ok(number),
        other => Err(odd("encoded entry", "a number", other.words())),
    };
    let (term, index) = (take()?, take()?);
    let data = match reader.token()? {
        Token::Bytes(range) => range,
        other => return Err(odd("encoded entry", expected, other.words())),
    };
    let kind = if data.is_empty() { EntryKind::Noop } else { EntryKind::Command };
    let at = |inside: usize| inside + NODEDB_HEADER_BYTES;
    let end = at(reader.consumed());
    let payload = Some(at(data.start)..at(data.end));
    Ok(Framed { index, term, kind, kind_code: None, payload, end })
}

/// sorock, in bincode: previous term, index, term, length and command, whose first number says what
/// it is: a barrier, a membership, a snapshot with one, a request, its completion.
pub(super) fn sorock(value: &[u8]) -> Result<Framed, FaultKind> {
    let mut cursor = Cursor::new(value, 0);
    let mut number = |what| cursor.u64_le(what).map_err(short);
    let _previous_term = number("previous term")?;
    let (index, term, len) = (number("index")?, number("term")?, number("length")?);
    if usize::try_from(len) != Ok(cursor.remaining()) {
        let found = format!("{} bytes", cursor.remaining());
        return Err(odd("command", &format!("{len} bytes"), found));
    }
    let code = cursor.u32_le("command").map_err(short)?;
    let kind = match code {
        0 => EntryKind::Barrier,
        1 | 2 => EntryKind::Configuration,
        3 | 4 => EntryKind::Command,
        _ => return Err(odd("command", "0 to 4", code.to_string())),
    };
    let payload = Some(cursor.position()..value.len());
    Ok(Framed { index, term, kind, kind_code: Some(code), payload, end: value.len() })
}

/// sorock's ballot: term, and the address of who got the vote, or none.
pub(super) fn sorock_ballot(value: &[u8]) -> Option<HardState> {
    let mut cursor = Cursor::new(value, 0);
    let term = Term(cursor.u64_le("term").ok()?);
    let candidate = match cursor.u8("vote").ok()? {
        0 => None,
        1 => {
            let len = cursor.u64_le("length").ok()?;
            let address = cursor.take_counted("address", len, value.len()).ok()?;
            Some(Candidate::Bytes(SharedBytes::from(address)))
        }
        _ => return None,
    };
    let vote = candidate.map(|one| Vote { term: Some(term), candidate: Some(one) });
    cursor.is_empty().then_some(HardState { term: Some(term), vote, commit: None })
}

/// blixard: index, term, type, length and data, length and context, a byte.
pub(super) fn blixard(value: &[u8]) -> Result<Framed, FaultKind> {
    let mut cursor = Cursor::new(value, 0);
    let index = cursor.u64_le("index").map_err(short)?;
    let term = cursor.u64_le("term").map_err(short)?;
    let code = cursor.u8("type").map_err(short)?;
    let len = cursor.u32_le("length of the data").map_err(short)?;
    let start = cursor.position();
    cursor.take_counted("data", len.into(), value.len()).map_err(short)?;
    let payload = Some(start..cursor.position());
    let len = cursor.u32_le("length of the context").map_err(short)?;
    cursor.take_counted("context", len.into(), value.len()).map_err(short)?;
    cursor.u8("sync flag").map_err(short)?;
    let kind = kind_of(code.into());
    let end = cursor.position();
    Ok(Framed { index, term, kind, kind_code: Some(code.into()), payload, end })
}

/// blixard's hard state: term, vote and commit index, eight bytes each; a vote of 0 is none.
pub(super) fn blixard_hard_state(value: &[u8]) -> Option<HardState> {
    let mut cursor = Cursor::new(value, 0);
    let mut number = |what| cursor.u64_le(what).ok();
    let (term, vote, commit) = (number("term")?, number("vote")?, number("commit index")?);
    cursor.is_empty().then(|| numbers_of(term, vote, Some(commit)))
}

/// nodedb's hard state: a msgpack array of term and whom it voted for, 0 for nobody.
pub(super) fn nodedb_hard_state(value: &[u8]) -> Option<HardState> {
    let mut reader = Reader::new(value);
    let Token::Array(2) = reader.token().ok()? else { return None };
    let (Token::Unsigned(term), Token::Unsigned(vote)) =
        (reader.token().ok()?, reader.token().ok()?)
    else {
        return None;
    };
    (reader.consumed() == value.len()).then(|| numbers_of(term, vote, None))
}

/// A number that is a value of its own, in msgpack.
pub(super) fn msgpack_number(value: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(value);
    match reader.token().ok()? {
        Token::Unsigned(number) if reader.consumed() == value.len() => Some(number),
        _ => None,
    }
}
