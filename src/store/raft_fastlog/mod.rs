//! The single-file log of tidwall/raft-fastlog (Dkron Pro with `--fast`). `format` describes every
//! byte.
//!
//! A file of it means two things: what the process meant that wrote it, and what the library's own
//! loader makes of it after a restart. Both are read here; entries that only the loader sees are
//! ghosts (R104). Opening follows every record once; memory is what `index` says, and the stable
//! keys. Nothing in the format has a checksum (R128).

mod entries;
mod format;
mod ghosts;
mod index;
mod records;
mod replay;
mod scan;
mod sink;
mod source;
mod tail;

use crate::model::ByteOrder;
use crate::store::codec::{HASHICORP_KINDS, INDEX_USUAL_MIN};
use crate::store::{Format, HASHICORP_MEMBERSHIPS, Holds, Profile, VoteForm};

pub use sink::RaftFastlogSink;
pub use source::RaftFastlogStore;

/// How the library stores integers under stable keys.
const ORDER: ByteOrder = ByteOrder::Little;

/// Which of two logs a raft-fastlog file stands for. Other formats have one reading only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reading {
    /// What the process meant that wrote the file: what was deleted is deleted.
    #[default]
    Meant,
    /// What the library's loader sees after a restart, ghosts included.
    Loader,
}

impl Reading {
    /// Both.
    pub const ALL: [Reading; 2] = [Reading::Meant, Reading::Loader];

    /// The word on the command line and in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Reading::Meant => "meant",
            Reading::Loader => "loader",
        }
    }
}

/// What a file of raft-fastlog can hold.
pub static PROFILE: Profile = Profile {
    format: Format::RaftFastlog,
    schema: "raft-fastlog",
    holds: Holds {
        many_groups: false,
        holes: true,
        terms: true,
        appended_at: false,
        time_form_matters: false,
        extensions: false,
        notes: false,
        nil_payload: false,
        commit: false,
        vote: VoteForm::Bytes,
        stable_keys: true,
        snapshot_marker: false,
    },
    kinds: &HASHICORP_KINDS,
    // The library takes index 0 for "no entry" and loses count.
    index_min: 1,
    index_usual_min: INDEX_USUAL_MIN,
    entry_bytes_max: format::DATA_BYTES_MAX,
    memberships: &HASHICORP_MEMBERSHIPS,
};

#[cfg(test)]
mod tests;
