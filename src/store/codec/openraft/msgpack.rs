//! openraft's values in msgpack: structs as arrays in the order of declaration, or as maps.

use std::ops::Range;

use crate::model::{Candidate, EntryKind, FaultKind, LogId, LogIndex, SharedBytes, Term};
use crate::store::codec::framed::{Framed, odd};
use crate::store::codec::msgpack::{Reader, Token};
use crate::store::codec::openraft::{Leader, VARIANTS, VoteRead};

/// Reads a struct: each field by its place in an array or its name in a map, all of them.
fn fields<'a, const N: usize>(
    reader: &mut Reader<'a>,
    what: &'static str,
    names: [&[u8]; N],
    mut read: impl FnMut(&mut Reader<'a>, usize) -> Result<(), FaultKind>,
) -> Result<(), FaultKind> {
    let mut seen = [false; N];
    let mut mark = |at: usize| {
        if let Some(seen) = seen.get_mut(at) {
            *seen = true;
        }
    };
    match reader.token()? {
        Token::Array(count) if usize::try_from(count) == Ok(N) => {
            for at in 0..N {
                read(reader, at)?;
            }
            return Ok(());
        }
        Token::Map(count) => {
            for _ in 0..count {
                let Token::Bytes(name) = reader.token()? else {
                    return Err(odd(what, "names of fields", "something else"));
                };
                let name = reader.bytes_of(&name);
                match names.iter().position(|known| *known == name) {
                    Some(at) => {
                        read(reader, at)?;
                        mark(at);
                    }
                    None => reader.skip().map(|_| ())?,
                }
            }
        }
        other => return Err(odd(what, "an array or a map", other.words())),
    }
    match seen.iter().all(|seen| *seen) {
        true => Ok(()),
        false => Err(odd(what, "every field", "fewer")),
    }
}

fn number(reader: &mut Reader<'_>, what: &'static str) -> Result<u64, FaultKind> {
    match reader.token()? {
        Token::Unsigned(number) => Ok(number),
        other => Err(odd(what, "a number that is not negative", other.words())),
    }
}

fn node(reader: &mut Reader<'_>) -> Result<Candidate, FaultKind> {
    match reader.token()? {
        Token::Unsigned(id) => Ok(Candidate::Id(id)),
        Token::Bytes(range) => Ok(Candidate::Bytes(SharedBytes::from(reader.bytes_of(&range)))),
        other => Err(odd("node id", "a number or text", other.words())),
    }
}

/// Steps over a node id.
fn skip_node(reader: &mut Reader<'_>) -> Result<(), FaultKind> {
    match reader.token()? {
        Token::Unsigned(_) | Token::Bytes(_) => Ok(()),
        other => Err(odd("node id", "a number or text", other.words())),
    }
}

fn read_log_id(reader: &mut Reader<'_>, leader: Leader) -> Result<LogId, FaultKind> {
    let (mut term, mut index) = (0, 0);
    fields(reader, "log id", [b"leader_id", b"index"], |reader, at| {
        match (at, leader) {
            (0, Leader::Term) => term = number(reader, "term")?,
            (0, Leader::TermAndNode | Leader::TermAndName) => {
                fields(reader, "leader id", [b"term", b"node_id"], |reader, at| {
                    match at {
                        0 => term = number(reader, "term")?,
                        _ => skip_node(reader)?,
                    }
                    Ok(())
                })?;
            }
            _ => index = number(reader, "index")?,
        }
        Ok(())
    })?;
    Ok(LogId { term: Term(term), index: LogIndex(index) })
}

type Payload = (EntryKind, Option<Range<usize>>);

fn payload(reader: &mut Reader<'_>) -> Result<Payload, FaultKind> {
    let what = "payload";
    let expected = "Blank, Normal or Membership";
    let name = match reader.token()? {
        Token::Bytes(name) => {
            return match reader.bytes_of(&name) {
                b"Blank" => Ok((EntryKind::Noop, None)),
                _ => Err(odd(what, expected, "another word")),
            };
        }
        Token::Map(1) => match reader.token()? {
            Token::Bytes(name) => reader.bytes_of(&name),
            other => return Err(odd(what, expected, other.words())),
        },
        other => return Err(odd(what, expected, other.words())),
    };
    let kind = match VARIANTS.iter().position(|known| *known == name) {
        Some(1) => EntryKind::Command,
        Some(2) => EntryKind::Configuration,
        _ => return Err(odd(what, expected, "another word")),
    };
    Ok((kind, Some(reader.skip()?)))
}

pub(super) fn entry(leader: Leader, value: &[u8]) -> Result<Framed, FaultKind> {
    let mut reader = Reader::new(value);
    let mut id = LogId { term: Term(0), index: LogIndex(0) };
    let mut found = (EntryKind::Noop, None);
    fields(&mut reader, "encoded entry", [b"log_id", b"payload"], |reader, at| {
        match at {
            0 => id = read_log_id(reader, leader)?,
            _ => found = payload(reader)?,
        }
        Ok(())
    })?;
    let (kind, payload) = found;
    let end = reader.consumed();
    Ok(Framed { index: id.index.0, term: id.term.0, kind, kind_code: None, payload, end })
}

/// Reads a value that may be nil, and must end with its bytes.
fn optional<T>(
    value: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, FaultKind>,
) -> Option<Option<T>> {
    if value == [0xc0] {
        return Some(None);
    }
    let mut reader = Reader::new(value);
    let found = read(&mut reader).ok()?;
    (reader.consumed() == value.len()).then_some(Some(found))
}

pub(super) fn log_id(leader: Leader, value: &[u8]) -> Option<Option<LogId>> {
    optional(value, |reader| read_log_id(reader, leader))
}

pub(super) fn vote(leader: Leader, value: &[u8]) -> Option<Option<VoteRead>> {
    let second: &[u8] = match leader {
        Leader::TermAndNode | Leader::TermAndName => b"node_id",
        Leader::Term => b"voted_for",
    };
    optional(value, |reader| {
        let mut vote = VoteRead { term: 0, candidate: None };
        fields(reader, "vote", [b"leader_id", b"committed"], |reader, at| {
            if at == 1 {
                return reader.skip().map(|_| ());
            }
            fields(reader, "leader id", [b"term", second], |reader, at| {
                if at == 0 {
                    vote.term = number(reader, "term")?;
                } else if !reader.nil() {
                    vote.candidate = Some(node(reader)?);
                }
                Ok(())
            })
        })?;
        Ok(vote)
    })
}
