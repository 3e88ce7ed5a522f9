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
mod page;
mod pages;
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

pub use directory::{RedbDirectory, groups_of};
pub use format::recognise;
pub use salvage::RedbSalvage;
pub use sink::RedbSink;
pub use source::RedbStore;

#[cfg(test)]
mod tests;
