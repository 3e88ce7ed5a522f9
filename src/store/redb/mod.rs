//! redb databases in BoltDB style: our own page walker for reading, the redb packages for writing.
//!
//! `format` knows the bytes, `page` checks one page, `tree` walks many, `commit` chooses
//! which state of the file counts, `schema` says which tables are a Raft log.

mod commit;
mod entries;
mod format;
mod page;
mod pages;
mod scan;
mod schema;
mod sink;
mod source;
mod stable;
mod survey;
mod tables;
mod tree;

pub use format::recognise;
pub use schema::PROFILE;
pub use sink::RedbSink;
pub use source::RedbStore;

#[cfg(test)]
mod tests;
