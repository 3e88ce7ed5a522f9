//! Payloads of known programs as JSON: bytes in, a value or nothing out. Nothing is guessed: a
//! decoder answers only when the entry's kind says what the payload is and every byte of it fits.

mod etcd;
mod hashicorp;
mod msgpack;
mod openraft;
mod program;

use serde_json::Value;

use crate::model::{Dialect, EntryKind, Server};

pub use program::Program;

/// The servers of a cluster, in the order of the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Every server.
    pub servers: Vec<Server>,
    /// Who decoded it.
    pub decoder: &'static str,
}

/// A payload that a decoder knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The decoder's name.
    pub decoder: &'static str,
    /// What the payload says.
    pub value: Value,
}

/// Decodes a payload of an entry of `kind`, or returns `None` when no decoder knows it. Commands
/// are only decoded where `program` says whose they are.
pub fn decode(
    program: Option<Program>,
    dialect: Dialect,
    kind: EntryKind,
    payload: &[u8],
) -> Option<Decoded> {
    if kind == EntryKind::Command {
        return program::command(program?, payload);
    }
    if let Some(value) = etcd::conf_change(kind, payload) {
        return Some(Decoded { decoder: "raft-conf-change", value });
    }
    let membership = membership(dialect, kind, payload)?;
    let value = serde_json::to_value(&membership.servers).ok()?;
    Some(Decoded { decoder: membership.decoder, value: serde_json::json!({ "servers": value }) })
}

/// Whether a payload can hold a password, so that nothing but [`decode`] may show it unless its
/// bytes are asked for. Such a payload always decodes.
pub fn is_secret(program: Option<Program>, kind: EntryKind, payload: &[u8]) -> bool {
    program == Some(Program::Etcd) && kind == EntryKind::Command && etcd::is_secret(payload)
}

/// hashicorp/raft's number for an entry with a complete membership.
const CONFIGURATION_CODE: u32 = 5;

/// What an entry of some kind has to do with memberships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Nothing.
    None,
    /// A membership or a change of one, in whatever encoding its program chose.
    Any,
    /// One that must decode.
    Known,
}

/// What an entry carries in a store of which only entries of the kinds `memberships` are encoded by
/// the library or server itself. Where such a store can hold other logs too, hashicorp/raft's
/// number tells its configurations from other libraries', which have another or none.
pub fn carries(kind: EntryKind, kind_code: Option<u32>, memberships: &[EntryKind]) -> Carries {
    match kind {
        EntryKind::Configuration if kind_code != Some(CONFIGURATION_CODE) => Carries::Any,
        _ if memberships.contains(&kind) => Carries::Known,
        EntryKind::Configuration
        | EntryKind::AddPeer
        | EntryKind::RemovePeer
        | EntryKind::ConfChange
        | EntryKind::ConfChangeV2 => Carries::Any,
        _ => Carries::None,
    }
}

/// Whether the payload of an entry of `kind` is a membership, or a change of one, that decodes.
pub fn tells_membership(dialect: Dialect, kind: EntryKind, payload: &[u8]) -> bool {
    membership(dialect, kind, payload).is_some() || etcd::conf_change(kind, payload).is_some()
}

/// Decodes the membership that an entry of `kind` carries, or returns `None` when it carries none
/// or none that the decoder of its `dialect` knows.
pub fn membership(dialect: Dialect, kind: EntryKind, payload: &[u8]) -> Option<Membership> {
    match (kind, dialect) {
        (EntryKind::Configuration, Dialect::Any) => {
            hashicorp::configuration(payload).or_else(|| openraft::membership(dialect, payload))
        }
        (EntryKind::Configuration, Dialect::Hashicorp) => hashicorp::configuration(payload),
        (EntryKind::Configuration, _) => openraft::membership(dialect, payload),
        (EntryKind::AddPeer | EntryKind::RemovePeer, _) => hashicorp::peers(payload),
        _ => None,
    }
}
