//! What openraft 0.9 and 0.10 serialise through serde: Entry, Vote and LogId, in the encodings that
//! its users choose.
//!
//! | value | every leader id its own (default) | one leader a term |
//! |---|---|---|
//! | LogId | leader id (term, node), index | term, index |
//! | Entry | LogId, payload: Blank, Normal(value) or Membership(configs, nodes) | the same |
//! | Vote | leader id (term, node), committed | leader id (term, voted for or none), committed |
//!
//! msgpack and JSON say what is what. postcard and bincode do not: term and index are a fixed
//! beginning, which only the key proves; the payload stays opaque.

mod binary;
mod command;
mod json;
mod msgpack;

use crate::model::{Candidate, FaultKind, LogId};
use crate::store::codec::framed::{Closing, Framed};

/// How the values are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// msgpack, structs as arrays or as maps.
    Msgpack,
    /// postcard.
    Postcard,
    /// bincode 1: integers of fixed width, little-endian.
    Bincode,
    /// JSON.
    Json,
}

/// What a leader id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leader {
    /// Term and node.
    TermAndNode,
    /// Term and a node whose id is text. What describes itself tells by itself which of both it is.
    TermAndName,
    /// The term alone: one leader a term.
    Term,
}

/// A vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteRead {
    /// Its term.
    pub term: u64,
    /// Who got it, where it says so.
    pub candidate: Option<Candidate>,
}

/// Names of the payload's variants, by their number.
const VARIANTS: [&[u8]; 3] = [b"Blank", b"Normal", b"Membership"];

pub(super) fn closing(encoding: Encoding) -> Closing {
    match encoding {
        Encoding::Msgpack => Closing::Usually(b""),
        Encoding::Json => Closing::Usually(b"}}"),
        Encoding::Postcard | Encoding::Bincode => Closing::Never,
    }
}

/// What stands before the value of a command of node 1, and the value: `text`.
pub(super) fn command(encoding: Encoding, id: LogId, text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    command::command(encoding, id, text)
}

pub(super) fn entry(encoding: Encoding, leader: Leader, value: &[u8]) -> Result<Framed, FaultKind> {
    match encoding {
        Encoding::Msgpack => msgpack::entry(leader, value),
        Encoding::Json => json::entry(leader, value),
        Encoding::Postcard | Encoding::Bincode => binary::entry(encoding, leader, value),
    }
}

/// A LogId that may be recorded as absent: `Some(None)` where it says "none".
pub(super) fn log_id(encoding: Encoding, leader: Leader, value: &[u8]) -> Option<Option<LogId>> {
    match encoding {
        Encoding::Msgpack => msgpack::log_id(leader, value),
        Encoding::Json => json::log_id(leader, value),
        Encoding::Postcard | Encoding::Bincode => binary::log_id(encoding, leader, value),
    }
}

/// A vote; `Some(None)` where it says "none".
pub(super) fn vote(encoding: Encoding, leader: Leader, value: &[u8]) -> Option<Option<VoteRead>> {
    match encoding {
        Encoding::Msgpack => msgpack::vote(leader, value),
        Encoding::Json => json::vote(leader, value),
        Encoding::Postcard | Encoding::Bincode => binary::vote(encoding, leader, value),
    }
}

#[cfg(test)]
mod tests;
