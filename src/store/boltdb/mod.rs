//! The BoltDB file of hashicorp/raft-boltdb, versions 1 and 2: bucket `logs`, key the index as
//! eight bytes big-endian, value the msgpack of raft.Log; bucket `conf`, the stable keys.
//!
//! Both versions keep the same bytes. Other buckets are no part of the log and are counted.

mod copies;
mod entries;
mod salvage;
mod scan;
mod sink;
mod source;

use crate::store::codec::{HASHICORP_KINDS, INDEX_USUAL_MIN};
use crate::store::{Format, HASHICORP_MEMBERSHIPS, Holds, Profile, VoteForm};

pub use salvage::BoltDbSalvage;
pub use sink::BoltDbSink;
pub use source::BoltDbStore;
pub(in crate::store) use source::read_stable;

/// The bucket of the entries.
const LOGS: &[u8] = b"logs";
/// The bucket of the stable keys.
const CONF: &[u8] = b"conf";

/// What a file of raft-boltdb can hold.
pub static PROFILE: Profile = Profile {
    format: Format::BoltDb,
    schema: "raft-boltdb",
    holds: Holds {
        many_groups: false,
        holes: true,
        terms: true,
        appended_at: true,
        time_form_matters: true,
        extensions: true,
        notes: false,
        nil_payload: true,
        commit: false,
        vote: VoteForm::Bytes,
        stable_keys: true,
        snapshot_marker: false,
    },
    kinds: &HASHICORP_KINDS,
    index_min: 0,
    index_usual_min: INDEX_USUAL_MIN,
    // The largest value that the library takes.
    entry_bytes_max: (1 << 31) - 2,
    memberships: &HASHICORP_MEMBERSHIPS,
};
