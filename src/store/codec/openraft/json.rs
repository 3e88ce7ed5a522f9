//! openraft's values in JSON.

use std::ops::Range;

use crate::model::{Candidate, EntryKind, FaultKind, LogId, LogIndex, SharedBytes, Term};
use crate::store::codec::framed::{Framed, odd};
use crate::store::codec::json::{Json, Kind};
use crate::store::codec::openraft::{Leader, VoteRead};

/// Reads an object: each field by its name, all of them.
fn fields<'a, const N: usize>(
    json: &mut Json<'a>,
    what: &'static str,
    names: [&[u8]; N],
    mut read: impl FnMut(&mut Json<'a>, usize) -> Result<(), FaultKind>,
) -> Result<(), FaultKind> {
    let mut seen = [false; N];
    let mut first = true;
    while let Some(name) = json.member(first)? {
        first = false;
        match names.iter().position(|known| *known == name) {
            Some(at) => {
                read(json, at)?;
                if let Some(seen) = seen.get_mut(at) {
                    *seen = true;
                }
            }
            None => json.skip().map(|_| ())?,
        }
    }
    match seen.iter().all(|seen| *seen) {
        true => Ok(()),
        false => Err(odd(what, "every field", "fewer")),
    }
}

fn node(json: &mut Json<'_>) -> Result<Candidate, FaultKind> {
    match json.kind()? {
        Kind::Number => Ok(Candidate::Id(json.unsigned()?)),
        Kind::Text => Ok(Candidate::Bytes(SharedBytes::from(json.text()?))),
        _ => Err(odd("node id", "a number or text", "another value")),
    }
}

fn skip_node(json: &mut Json<'_>) -> Result<(), FaultKind> {
    match json.kind()? {
        Kind::Number => json.unsigned().map(|_| ()),
        Kind::Text => json.text().map(|_| ()),
        _ => Err(odd("node id", "a number or text", "another value")),
    }
}

fn read_log_id(json: &mut Json<'_>, leader: Leader) -> Result<LogId, FaultKind> {
    let (mut term, mut index) = (0, 0);
    fields(json, "log id", [b"leader_id", b"index"], |json, at| {
        match (at, leader) {
            (0, Leader::Term) => term = json.unsigned()?,
            (0, Leader::TermAndNode | Leader::TermAndName) => {
                fields(json, "leader id", [b"term", b"node_id"], |json, at| {
                    match at {
                        0 => term = json.unsigned()?,
                        _ => skip_node(json)?,
                    }
                    Ok(())
                })?;
            }
            _ => index = json.unsigned()?,
        }
        Ok(())
    })?;
    Ok(LogId { term: Term(term), index: LogIndex(index) })
}

fn payload(json: &mut Json<'_>) -> Result<(EntryKind, Option<Range<usize>>), FaultKind> {
    let expected = "Blank, Normal or Membership";
    if json.kind()? == Kind::Text {
        return match json.text()? {
            b"Blank" => Ok((EntryKind::Noop, None)),
            _ => Err(odd("payload", expected, "another word")),
        };
    }
    let kind = match json.member(true)? {
        Some(b"Normal") => EntryKind::Command,
        Some(b"Membership") => EntryKind::Configuration,
        _ => return Err(odd("payload", expected, "another word")),
    };
    let range = json.skip()?;
    match json.member(false)? {
        None => Ok((kind, Some(range))),
        Some(_) => Err(odd("payload", "one variant", "more")),
    }
}

pub(super) fn entry(leader: Leader, value: &[u8]) -> Result<Framed, FaultKind> {
    let mut json = Json::new(value);
    let mut id = LogId { term: Term(0), index: LogIndex(0) };
    let mut found = (EntryKind::Noop, None);
    fields(&mut json, "encoded entry", [b"log_id", b"payload"], |json, at| {
        match at {
            0 => id = read_log_id(json, leader)?,
            _ => found = payload(json)?,
        }
        Ok(())
    })?;
    json.space();
    let (kind, payload) = found;
    let end = json.consumed();
    Ok(Framed { index: id.index.0, term: id.term.0, kind, kind_code: None, payload, end })
}

/// Reads a value that may be null, and must end with its bytes.
fn optional<T>(
    value: &[u8],
    read: impl FnOnce(&mut Json<'_>) -> Result<T, FaultKind>,
) -> Option<Option<T>> {
    let mut json = Json::new(value);
    let found = match json.null() {
        true => None,
        false => Some(read(&mut json).ok()?),
    };
    json.space();
    (json.consumed() == value.len()).then_some(found)
}

pub(super) fn log_id(leader: Leader, value: &[u8]) -> Option<Option<LogId>> {
    optional(value, |json| read_log_id(json, leader))
}

pub(super) fn vote(leader: Leader, value: &[u8]) -> Option<Option<VoteRead>> {
    let second: &[u8] = match leader {
        Leader::TermAndNode | Leader::TermAndName => b"node_id",
        Leader::Term => b"voted_for",
    };
    optional(value, |json| {
        let mut vote = VoteRead { term: 0, candidate: None };
        fields(json, "vote", [b"leader_id", b"committed"], |json, at| {
            if at == 1 {
                return json.skip().map(|_| ());
            }
            fields(json, "leader id", [b"term", second], |json, at| {
                if at == 0 {
                    vote.term = json.unsigned()?;
                } else if !json.null() {
                    vote.candidate = Some(node(json)?);
                }
                Ok(())
            })
        })?;
        Ok(vote)
    })
}
