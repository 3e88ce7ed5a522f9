//! A directory of hashicorp/raft-wal (Consul, Nomad, Vault): `wal-meta.db`, which is a BoltDB file
//! and says which segments there are, and the segments. `format` describes their bytes.
//!
//! Every batch of a segment ends in a commit with a checksum over all of it; the library checks
//! that of the last one only, and here all are checked. Of the tail the library keeps what its own
//! recovery finds, and so does this room (`tail`). Memory is one window, and for each segment that
//! was followed where some of its batches begin (`survey`).

mod entries;
mod follow;
mod format;
mod frames;
mod meta;
mod salvage;
mod scan;
mod segment;
mod sink;
mod source;
mod survey;
mod tail;
mod window;

use crate::model::ByteOrder;
use crate::store::codec::{HASHICORP_KINDS, INDEX_USUAL_MIN, WAL_OVERHEAD_BYTES};
use crate::store::{Format, HASHICORP_MEMBERSHIPS, Holds, Profile, VoteForm};

pub use salvage::RaftWalSalvage;
pub use sink::RaftWalSink;
pub use source::RaftWalStore;

/// The file that says which segments there are.
pub const META_FILE: &str = "wal-meta.db";

/// How the library stores integers under stable keys.
const ORDER: ByteOrder = ByteOrder::Little;

/// What a directory of raft-wal can hold.
pub static PROFILE: Profile = Profile {
    format: Format::RaftWal,
    schema: "raft-wal",
    holds: Holds {
        many_groups: false,
        holes: false,
        terms: true,
        appended_at: true,
        time_form_matters: false,
        extensions: true,
        notes: false,
        nil_payload: false,
        commit: false,
        vote: VoteForm::Bytes,
        stable_keys: true,
        snapshot_marker: false,
    },
    kinds: &HASHICORP_KINDS,
    // The library takes index 0 for "no entry".
    index_min: 1,
    index_usual_min: INDEX_USUAL_MIN,
    // What the library reads back, without what the codec adds.
    entry_bytes_max: format::PAYLOAD_BYTES_MAX - WAL_OVERHEAD_BYTES,
    memberships: &HASHICORP_MEMBERSHIPS,
};

#[cfg(test)]
mod tests;
