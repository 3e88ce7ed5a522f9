use std::collections::BTreeMap;

use crate::model::{IndexRange, LogId, LogIndex, SharedBytes, Term};

/// Whom a node voted for: hashicorp's servers have addresses, etcd's have numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// A node id.
    Id(u64),
    /// An address or id as bytes.
    Bytes(SharedBytes),
}

/// The vote that binds a node, as the store records it. A torn update may leave one half.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vote {
    /// Term in which the vote was given, where it is recorded.
    pub term: Option<Term>,
    /// Who got it, where it is recorded.
    pub candidate: Option<Candidate>,
}

/// What a Raft node must not forget. `None` means that the store does not record it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// Current term.
    pub term: Option<Term>,
    /// The vote.
    pub vote: Option<Vote>,
    /// Commit index.
    pub commit: Option<LogIndex>,
}

/// How an integer lies in a stable value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Most significant byte first (raft-boltdb).
    Big,
    /// Least significant byte first (raft-wal, raft-fastlog).
    Little,
}

/// A stable key's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StableValue {
    /// The bytes in the file.
    pub bytes: SharedBytes,
    /// How to read them as an integer, when the key is known to be one.
    pub integer: Option<ByteOrder>,
}

impl StableValue {
    /// A value that is no integer, or of which we do not know.
    pub fn bytes(bytes: &[u8]) -> StableValue {
        StableValue { bytes: SharedBytes::from(bytes), integer: None }
    }

    /// The number that the value means, when it is an integer of eight bytes.
    pub fn as_u64(&self) -> Option<u64> {
        let bytes: [u8; 8] = self.bytes.as_ref().try_into().ok()?;
        match self.integer? {
            ByteOrder::Big => Some(u64::from_be_bytes(bytes)),
            ByteOrder::Little => Some(u64::from_le_bytes(bytes)),
        }
    }

    /// Whether both values mean the same: equal numbers where both are numbers, else equal bytes.
    pub fn means_same(&self, other: &StableValue) -> bool {
        match (self.as_u64(), other.as_u64()) {
            (Some(a), Some(b)) => a == b,
            _ => self.bytes == other.bytes,
        }
    }
}

/// The stable keys of a group, by key.
pub type StableMap = BTreeMap<Vec<u8>, StableValue>;

/// The newest snapshot that a store knows of. It drops nothing by itself: logs keep trailing
/// entries below their snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotNote {
    /// Last index that the snapshot covers.
    pub index: LogIndex,
    /// Term of that index.
    pub term: Term,
    /// Name of the snapshot, where it has one.
    pub id: Option<String>,
    /// What the source records with it (a ConfState, a membership), in its own encoding.
    /// Empty where there is nothing.
    pub note: SharedBytes,
}

/// Everything a group has beside its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// Term, vote, commit index.
    pub hard: HardState,
    /// Stable keys as they lie in the store (those that make up the HardState included).
    pub stable: StableMap,
    /// The log starts after it: index and term of the last dropped entry.
    pub compacted: Option<LogId>,
    /// Newest snapshot known.
    pub snapshot: Option<SnapshotNote>,
    /// First and last index present.
    pub bounds: Option<IndexRange>,
    /// Name of the schema of the store this log came from, where it has one.
    pub schema: Option<String>,
    /// What the source holds of the group beyond this model, in its own encoding; else empty.
    pub note: SharedBytes,
}

impl LogState {
    /// Whether a stable key is one of hashicorp's three, and says just what the HardState says.
    pub fn repeats_hard_state(&self, key: &[u8]) -> bool {
        let Some(value) = self.stable.get(key) else { return false };
        let is = |term: Option<Term>| term.is_some_and(|term| value.as_u64() == Some(term.0));
        let vote = self.hard.vote.as_ref();
        match key {
            b"CurrentTerm" => is(self.hard.term),
            b"LastVoteTerm" => is(vote.and_then(|vote| vote.term)),
            b"LastVoteCand" => match vote.and_then(|vote| vote.candidate.as_ref()) {
                Some(Candidate::Bytes(bytes)) => *bytes == value.bytes,
                Some(Candidate::Id(id)) => id.to_string().as_bytes() == value.bytes.as_ref(),
                None => false,
            },
            _ => false,
        }
    }

    /// Index and term of the newest snapshot known.
    pub fn snapshot_id(&self) -> Option<LogId> {
        self.snapshot.as_ref().map(|snapshot| LogId { index: snapshot.index, term: snapshot.term })
    }
}
