//! The schemas of known projects, each in a file of its own, and one of each encoding for the rest.
//!
//! A schema says which tables hold what, in which types and in which encoding, and what its profile
//! is. Its name goes with the log wherever it is copied, so that the way back leads to the same
//! tables.

mod any;
mod arrow;
mod aspen;
mod blixard;
mod hirnd;
mod mocra;
mod nodedb;
mod openraft;
mod raft_boltdb;
mod rivven;
mod sorock;
mod sorock_013;
mod tatara;
mod zlayer;

pub use any::of_codec;

use std::sync::LazyLock;

use crate::store::codec::ValueCodec;
use crate::store::redb::layout::Layout;
use crate::store::{Holds, Profile, RedbFormat, SinkOptions};

/// How one project, or any that uses an encoding, keeps its Raft log in redb.
pub struct Schema {
    /// What its tables can hold; its name is [`Profile::schema`].
    pub profile: Profile,
    /// Whose it is, one line.
    pub project: &'static str,
    /// Its tables.
    pub layout: Layout,
    /// How its entries are encoded.
    pub codec: ValueCodec,
    /// Whether the tables are always these; without, where they are is found by proof.
    pub known: bool,
    /// Whether a node may have several files, a group each. Where it has one, files of numbered
    /// names are copies.
    pub file_a_group: bool,
    /// The file format that the project's release of redb writes.
    pub redb_format: RedbFormat,
    /// Whether the project really writes entries of lower terms behind higher ones.
    pub terms_may_fall: bool,
    /// Whether any log can be written in it, and not only one that was read in it.
    pub takes_any: bool,
}

impl Schema {
    /// The name for `--redb-schema`.
    pub fn name(&self) -> &'static str {
        self.profile.schema
    }
}

/// The schemas of known projects, hashicorp's first. A new one is a file, its `mod` line and its
/// place here.
pub static KNOWN: [&Schema; 12] = [
    &raft_boltdb::SCHEMA,
    &mocra::SCHEMA,
    &zlayer::SCHEMA,
    &rivven::SCHEMA,
    &tatara::SCHEMA,
    &nodedb::SCHEMA,
    &sorock::SCHEMA,
    &sorock_013::SCHEMA,
    &hirnd::SCHEMA,
    &aspen::SCHEMA,
    &blixard::SCHEMA,
    &arrow::SCHEMA,
];

/// Every schema that has a name: of known projects, then of encodings.
pub fn all() -> impl Iterator<Item = &'static Schema> {
    KNOWN.into_iter().chain(any::ANY.iter())
}

/// The schema of a name.
pub fn named(name: &str) -> Option<&'static Schema> {
    all().find(|schema| schema.name() == name)
}

/// The default schema: that of raft-boltdb.
pub fn default() -> &'static Schema {
    &raft_boltdb::SCHEMA
}

/// The schema of a target.
pub fn of_target(options: &SinkOptions) -> &'static Schema {
    let told = options.redb_schema.as_deref().and_then(named);
    told.unwrap_or_else(default)
}

/// What a directory can hold that has a file in `schema` for each group.
pub fn profile_of_files(schema: &'static Schema) -> &'static Profile {
    static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
        let many = |profile: &Profile| {
            let holds = Holds { many_groups: true, ..profile.holds };
            Profile { holds, ..*profile }
        };
        all().map(|schema| many(&schema.profile)).collect()
    });
    let found = PROFILES.iter().find(|profile| profile.schema == schema.name());
    found.unwrap_or(&schema.profile)
}
