//! redb databases in BoltDB style: our own page walker for reading, the redb packages for writing.
//!
//! `format` knows the bytes, `page` checks one page, `tree` walks many, `commit` chooses
//! which state of the file counts. `schemas` holds what is known of projects' tables, a file each,
//! `discover` finds by proof which tables are a Raft log, `schema` assigns them their use.

mod commit;
mod directory;
mod discover;
mod entries;
mod format;
mod layout;
mod noted;
mod origin;
mod page;
mod pages;
mod runs;
mod salvage;
mod scan;
mod schema;
pub mod schemas;
mod sink;
mod source;
mod stable;
mod survey;
mod tables;
mod tree;

pub use directory::{Beside, RedbDirectory, family_of, group_of};
pub use format::recognise;
pub use layout::Names;
pub use origin::{RedbOrigin, note_in_target, origin};
pub use salvage::{RedbDirectorySalvage, RedbSalvage};
pub use sink::{RedbDirectorySink, RedbSink, refuse_group};
pub use source::{RedbStore, holds_log, is_file_a_group};

#[cfg(test)]
mod tests;
