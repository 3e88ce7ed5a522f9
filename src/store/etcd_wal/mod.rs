//! etcd's write-ahead log, with the snapshots and the key-value store beside it. `format` describes
//! every byte.
//!
//! Opening follows every record once, with its checksum; memory is what `index` says. What is shown
//! is the log that a node would have that opened it now: behind the newest snapshot that counts,
//! and of an index that was written more than once the last.

mod db;
mod entries;
mod follow;
pub(super) mod format;
mod frames;
mod index;
mod replay;
mod salvage;
mod scan;
mod segments;
mod source;
mod start;
mod tail;
mod write;

use crate::model::EntryKind;
use crate::store::{Format, Holds, Profile, VoteForm};

pub use format::{Metadata, is_segment};
pub use salvage::EtcdWalSalvage;
pub use segments::segment_paths;
pub use source::EtcdWalStore;
pub(super) use start::snap_dir;
pub use write::SegmentWriter;

/// Stable key under which the id of the member goes.
pub const NODE_ID_KEY: &[u8] = b"etcd.node_id";
/// Stable key under which the id of the cluster goes.
pub const CLUSTER_ID_KEY: &[u8] = b"etcd.cluster_id";

/// What etcd's log can hold.
pub static PROFILE: Profile = Profile {
    format: Format::EtcdWal,
    schema: "etcd-wal",
    holds: Holds {
        many_groups: false,
        holes: false,
        terms: true,
        appended_at: false,
        time_form_matters: false,
        extensions: false,
        notes: false,
        nil_payload: true,
        commit: true,
        vote: VoteForm::Number,
        stable_keys: false,
        snapshot_marker: true,
    },
    kinds: &[
        EntryKind::Command,
        EntryKind::Noop,
        EntryKind::ConfChange,
        EntryKind::ConfChangeV2,
        EntryKind::Unknown,
    ],
    index_min: 1,
    index_usual_min: 1,
    entry_bytes_max: format::RECORD_BYTES_MAX,
    memberships: &[EntryKind::ConfChange, EntryKind::ConfChangeV2],
};

#[cfg(test)]
mod tests;
