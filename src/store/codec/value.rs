//! The encodings of entries by name, and the records that belong to each.

use std::ops::Range;

use crate::model::{
    Dialect, Entry, EntryKind, FaultKind, HardState, LogId, LogIndex, NodeIds, SharedBytes, Term,
    Vote,
};
use crate::store::codec::envelopes;
use crate::store::codec::framed::{Closing, Framed, put_back};
use crate::store::codec::json_object;
use crate::store::codec::openraft::{self, Encoding, Leader};
use crate::store::codec::raft_protobuf::{self, Flavor};
use crate::store::codec::{DecodedHead, DecodedLog, decode_in, encode};

/// How the entries of a table are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueCodec {
    /// hashicorp/raft's Log in msgpack, as raft-boltdb stores it.
    RaftLog,
    /// openraft's Entry.
    Openraft(Encoding, Leader),
    /// An Entry of etcd or raft-rs, in protobuf.
    Protobuf(Flavor),
    /// A JSON object with index and term.
    JsonObject,
    /// nodedb's envelope.
    Nodedb,
    /// sorock's entry.
    Sorock,
    /// blixard's entry.
    Blixard,
    /// Nothing is known of the value: all of it is the payload, and the term is unknown.
    Raw,
}

impl ValueCodec {
    /// Every encoding, those first that say most about themselves.
    pub const ALL: [ValueCodec; 18] = [
        ValueCodec::RaftLog,
        ValueCodec::Openraft(Encoding::Json, Leader::TermAndNode),
        ValueCodec::Openraft(Encoding::Json, Leader::Term),
        ValueCodec::JsonObject,
        ValueCodec::Openraft(Encoding::Msgpack, Leader::TermAndNode),
        ValueCodec::Openraft(Encoding::Msgpack, Leader::Term),
        ValueCodec::Nodedb,
        ValueCodec::Protobuf(Flavor::Raftpb),
        ValueCodec::Protobuf(Flavor::Eraftpb),
        ValueCodec::Sorock,
        ValueCodec::Blixard,
        ValueCodec::Openraft(Encoding::Bincode, Leader::TermAndNode),
        ValueCodec::Openraft(Encoding::Bincode, Leader::TermAndName),
        ValueCodec::Openraft(Encoding::Bincode, Leader::Term),
        ValueCodec::Openraft(Encoding::Postcard, Leader::TermAndNode),
        ValueCodec::Openraft(Encoding::Postcard, Leader::TermAndName),
        ValueCodec::Openraft(Encoding::Postcard, Leader::Term),
        ValueCodec::Raw,
    ];

    /// The word for `--redb-codec`.
    pub const fn as_str(self) -> &'static str {
        use Encoding::{Bincode, Json, Msgpack, Postcard};
        match self {
            ValueCodec::RaftLog => "raft-log",
            ValueCodec::Openraft(Msgpack, Leader::TermAndNode | Leader::TermAndName) => {
                "openraft-msgpack"
            }
            ValueCodec::Openraft(Msgpack, Leader::Term) => "openraft-msgpack-term",
            ValueCodec::Openraft(Postcard, Leader::TermAndNode) => "openraft-postcard",
            ValueCodec::Openraft(Postcard, Leader::TermAndName) => "openraft-postcard-name",
            ValueCodec::Openraft(Postcard, Leader::Term) => "openraft-postcard-term",
            ValueCodec::Openraft(Bincode, Leader::TermAndNode) => "openraft-bincode",
            ValueCodec::Openraft(Bincode, Leader::TermAndName) => "openraft-bincode-name",
            ValueCodec::Openraft(Bincode, Leader::Term) => "openraft-bincode-term",
            ValueCodec::Openraft(Json, Leader::TermAndNode | Leader::TermAndName) => {
                "openraft-json"
            }
            ValueCodec::Openraft(Json, Leader::Term) => "openraft-json-term",
            ValueCodec::Protobuf(Flavor::Raftpb) => "raftpb",
            ValueCodec::Protobuf(Flavor::Eraftpb) => "eraftpb",
            ValueCodec::JsonObject => "json-object",
            ValueCodec::Nodedb => "nodedb",
            ValueCodec::Sorock => "sorock",
            ValueCodec::Blixard => "blixard",
            ValueCodec::Raw => "raw",
        }
    }

    /// Whether a value says so little about itself that another program's may look the same: a few
    /// numbers, or members of common names.
    pub fn is_weak(self) -> bool {
        match self {
            ValueCodec::RaftLog | ValueCodec::Nodedb => false,
            ValueCodec::Openraft(encoding, _) => {
                !matches!(encoding, Encoding::Json | Encoding::Msgpack)
            }
            _ => true,
        }
    }

    /// In whose encoding memberships among these entries are.
    pub fn memberships(self) -> Dialect {
        let ids = |leader| match leader {
            Leader::TermAndName => NodeIds::Names,
            Leader::TermAndNode | Leader::Term => NodeIds::Numbers,
        };
        match self {
            ValueCodec::RaftLog => Dialect::Hashicorp,
            ValueCodec::Openraft(Encoding::Json, _) => Dialect::OpenraftJson,
            ValueCodec::Openraft(Encoding::Msgpack, _) => Dialect::OpenraftMsgpack,
            ValueCodec::Openraft(Encoding::Postcard, leader) => {
                Dialect::OpenraftPostcard(ids(leader))
            }
            ValueCodec::Openraft(Encoding::Bincode, leader) => {
                Dialect::OpenraftBincode(ids(leader))
            }
            ValueCodec::Sorock => Dialect::Sorock,
            _ => Dialect::Any,
        }
    }

    /// Whether records beside the log have a form that is known.
    pub fn has_records(self) -> bool {
        matches!(
            self,
            ValueCodec::Openraft(..)
                | ValueCodec::Protobuf(_)
                | ValueCodec::Nodedb
                | ValueCodec::Sorock
                | ValueCodec::Blixard
        )
    }

    fn closing(self) -> Closing {
        match self {
            ValueCodec::Openraft(encoding, _) => openraft::closing(encoding),
            ValueCodec::JsonObject => Closing::Usually(b"}"),
            ValueCodec::Protobuf(_) | ValueCodec::Nodedb => Closing::Usually(b""),
            ValueCodec::Blixard => Closing::Always,
            ValueCodec::RaftLog | ValueCodec::Sorock | ValueCodec::Raw => Closing::Never,
        }
    }

    fn framed(self, value: &[u8], key: LogIndex) -> Result<Framed, FaultKind> {
        match self {
            ValueCodec::Openraft(encoding, leader) => openraft::entry(encoding, leader, value),
            ValueCodec::Protobuf(flavor) => raft_protobuf::entry(flavor, value),
            ValueCodec::JsonObject => json_object::entry(value),
            ValueCodec::Nodedb => envelopes::nodedb(value),
            ValueCodec::Sorock => envelopes::sorock(value),
            ValueCodec::Blixard => envelopes::blixard(value),
            ValueCodec::RaftLog | ValueCodec::Raw => Ok(Framed {
                index: key.0,
                term: 0,
                kind: EntryKind::Command,
                kind_code: None,
                payload: Some(0..value.len()),
                end: value.len(),
            }),
        }
    }

    /// Decodes the value that is the bytes `value` of a page or read buffer, stored under `key`;
    /// payload and note share that buffer.
    ///
    /// # Errors
    /// What is wrong where, when this is no entry.
    pub fn decode_in(
        self,
        buffer: &SharedBytes,
        value: Range<usize>,
        key: LogIndex,
    ) -> Result<DecodedLog, FaultKind> {
        if self == ValueCodec::RaftLog {
            return decode_in(buffer, value, key);
        }
        let bytes = buffer.get(value.clone()).unwrap_or_default();
        Ok(self.framed(bytes, key)?.decoded(buffer, value, (key, self.closing())))
    }

    /// As [`ValueCodec::decode_in`], without contents.
    ///
    /// # Errors
    /// As [`ValueCodec::decode_in`].
    pub fn head_in(
        self,
        buffer: &SharedBytes,
        value: Range<usize>,
        key: LogIndex,
    ) -> Result<DecodedHead, FaultKind> {
        if self == ValueCodec::RaftLog {
            return decode_in(buffer, value, key).map(|decoded| decoded.head());
        }
        let bytes = buffer.get(value).unwrap_or_default();
        Ok(self.framed(bytes, key)?.head(bytes.len(), key))
    }

    /// Whether the bytes are the entry of `key`, and of which term, without decoding more.
    pub fn proves(self, value: &[u8], key: LogIndex) -> Option<Term> {
        self.proves_kind(value, key).map(|(term, _)| term)
    }

    /// As [`ValueCodec::proves`], with the entry's kind; a command without contents is what a
    /// leader writes first where the encoding has no kind for that.
    pub fn proves_kind(self, value: &[u8], key: LogIndex) -> Option<(Term, EntryKind)> {
        if self == ValueCodec::RaftLog {
            let value = SharedBytes::from(value);
            let found = decode_in(&value, 0..value.len(), key).ok()?;
            let Entry { term, kind, .. } = found.entry;
            return (found.index_inside == key).then_some((term, kind));
        }
        let found = self.framed(value, key).ok()?;
        let is_empty = found.payload.as_ref().is_none_or(|range| range.is_empty());
        let kind = match found.kind {
            EntryKind::Command if is_empty => EntryKind::Noop,
            kind => kind,
        };
        (found.index == key.0 && found.end == value.len()).then_some((Term(found.term), kind))
    }

    /// Appends the value that holds `entry`: byte for byte what it was decoded from.
    ///
    /// # Errors
    /// When the entry cannot be written in this encoding; `out` is then as long as before.
    pub fn encode(self, entry: &Entry, out: &mut Vec<u8>) -> Result<(), FaultKind> {
        let start = out.len();
        let written = match self {
            ValueCodec::RaftLog => return encode(entry, out),
            ValueCodec::Raw => {
                out.extend_from_slice(entry.payload_bytes());
                return Ok(());
            }
            _ => put_back(entry, self.closing(), out),
        };
        let written = written.and_then(|()| self.still_says(entry, out, start));
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// The note and the payload of a command of node 1 that holds `text`, in encodings that name
    /// the leader with each entry: for logs that are made and not read.
    pub fn command(self, id: LogId, text: &str) -> Option<(SharedBytes, SharedBytes)> {
        let ValueCodec::Openraft(encoding, Leader::TermAndNode) = self else { return None };
        let (before, value) = openraft::command(encoding, id, text)?;
        Some((SharedBytes::from(before), SharedBytes::from(value)))
    }

    /// Checks that the bytes from `start` on are the entry.
    fn still_says(self, entry: &Entry, out: &[u8], start: usize) -> Result<(), FaultKind> {
        let found = self.framed(out.get(start..).unwrap_or_default(), entry.index)?;
        let same = found.term == entry.term.0 && found.kind == entry.kind;
        // Index and key may differ in the source already.
        if same { Ok(()) } else { Err(another_entry(entry, &found)) }
    }

    /// A record that is a LogId: `None` when it is none, `Some(None)` when it says "none".
    pub fn log_id(self, value: &[u8]) -> Option<Option<LogId>> {
        match self {
            ValueCodec::Openraft(encoding, leader) => openraft::log_id(encoding, leader, value),
            _ => None,
        }
    }

    /// A record with term and vote, perhaps the commit index: `None` when it is none,
    /// `Some(None)` when it says "none".
    pub fn hard_state(self, value: &[u8]) -> Option<Option<HardState>> {
        match self {
            ValueCodec::Openraft(encoding, leader) => {
                let vote = openraft::vote(encoding, leader, value)?;
                Some(vote.map(|vote| {
                    let term = Some(Term(vote.term));
                    let vote = vote.candidate.map(|one| Vote { term, candidate: Some(one) });
                    HardState { term, vote, commit: None }
                }))
            }
            ValueCodec::Protobuf(_) => raft_protobuf::hard_state(value).map(Some),
            ValueCodec::Nodedb => envelopes::nodedb_hard_state(value).map(Some),
            ValueCodec::Sorock => envelopes::sorock_ballot(value).map(Some),
            ValueCodec::JsonObject => {
                let term = json_object::number(value, &[b"term", b"current_term"])?;
                let vote = json_object::number(value, &[b"vote", b"voted_for"]);
                let commit = json_object::number(value, &[b"commit", b"commit_index"]);
                Some(Some(raft_protobuf::numbers_of(term, vote.unwrap_or(0), commit)))
            }
            ValueCodec::Blixard => envelopes::blixard_hard_state(value).map(Some),
            ValueCodec::RaftLog | ValueCodec::Raw => None,
        }
    }

    /// A record that is a snapshot or speaks of one: its last entry, and who the members are, in
    /// the encoding of the entries.
    pub fn snapshot(self, value: &[u8]) -> Option<(LogId, Vec<u8>)> {
        match self {
            ValueCodec::Protobuf(_) => raft_protobuf::snapshot(value),
            _ => None,
        }
    }

    /// A record that is a plain number.
    pub fn number(self, value: &[u8]) -> Option<u64> {
        match self {
            ValueCodec::Nodedb | ValueCodec::Openraft(Encoding::Msgpack, _) => {
                envelopes::msgpack_number(value)
            }
            ValueCodec::JsonObject | ValueCodec::Openraft(Encoding::Json, _) => {
                serde_json::from_slice(value).ok()
            }
            _ => None,
        }
    }
}

fn another_entry(entry: &Entry, found: &Framed) -> FaultKind {
    FaultKind::Field {
        what: "encoded entry",
        expected: format!("a {} of term {}", entry.kind.as_str(), entry.term),
        found: format!("a {} of term {}", found.kind.as_str(), found.term),
    }
}
