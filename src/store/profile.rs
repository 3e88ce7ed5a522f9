use std::fmt;

use crate::model::EntryKind;

/// A kind of store, by the id used on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// A redb database in BoltDB style.
    Redb,
    /// Our own segments.
    FastLog,
    /// A BoltDB file of hashicorp/raft-boltdb.
    BoltDb,
    /// The single-file log of tidwall/raft-fastlog.
    RaftFastlog,
    /// A directory of hashicorp/raft-wal.
    RaftWal,
    /// etcd's write-ahead log.
    EtcdWal,
}

impl Format {
    /// Every format that is recognised.
    pub const ALL: [Format; 6] = [
        Format::Redb,
        Format::FastLog,
        Format::BoltDb,
        Format::RaftFastlog,
        Format::RaftWal,
        Format::EtcdWal,
    ];

    /// The id.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Redb => "redb",
            Format::FastLog => "fastlog",
            Format::BoltDb => "boltdb",
            Format::RaftFastlog => "raft-fastlog",
            Format::RaftWal => "raft-wal",
            Format::EtcdWal => "etcd-wal",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a format records whom a node voted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteForm {
    /// As a number.
    Number,
    /// As bytes.
    Bytes,
    /// Either.
    Both,
}

/// What a format can hold; the difference between two of these is the list of losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holds {
    /// More than one group.
    pub many_groups: bool,
    /// Holes in the index sequence.
    pub holes: bool,
    /// Terms of entries.
    pub terms: bool,
    /// Append times.
    pub appended_at: bool,
    /// Extensions.
    pub extensions: bool,
    /// The note of the source's own format: `true` where any note can be kept as it is.
    pub notes: bool,
    /// The form of append times decides which programs read the target.
    pub time_form_matters: bool,
    /// nil and empty payloads apart.
    pub nil_payload: bool,
    /// A commit index.
    pub commit: bool,
    /// Votes.
    pub vote: VoteForm,
    /// Stable keys of any name.
    pub stable_keys: bool,
    /// The point a log was compacted through, and the newest snapshot.
    pub snapshot_marker: bool,
}

/// Kinds of entries in which hashicorp/raft itself encodes a membership or a change of one.
pub const HASHICORP_MEMBERSHIPS: [EntryKind; 3] =
    [EntryKind::Configuration, EntryKind::AddPeer, EntryKind::RemovePeer];

/// A format's abilities and limits, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The format.
    pub format: Format,
    /// Name of the schema inside the format ("" where it has only one).
    pub schema: &'static str,
    /// What it can hold.
    pub holds: Holds,
    /// Kinds of entries it can hold.
    pub kinds: &'static [EntryKind],
    /// Lowest index that it can hold.
    pub index_min: u64,
    /// Lowest index that its own library ever writes (R127 below it).
    pub index_usual_min: u64,
    /// Largest encoded entry.
    pub entry_bytes_max: u64,
    /// Kinds of entries whose memberships, or changes of one, only its own library or server
    /// encodes, so that each must decode (R110 where one does not). Who uses Raft as a library may
    /// keep anything in the others.
    pub memberships: &'static [EntryKind],
}
