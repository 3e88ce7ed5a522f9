//! Backups of a store or a whole data directory, the way back, and the proof of an archive.
//!
//! [`backup`] packs everything that belongs to a store into a `.tar.gz` whose first member,
//! `MANIFEST.json`, names every file with its digests (`manifest` describes it). `restore`
//! verifies an archive as a whole before the first byte of its target is written, and [`verify`]
//! verifies it without unpacking. All three stream; none keeps more than a few MiB.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::host_endian_bytes
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

mod check;
mod codec;
mod error;
pub mod manifest;
mod outcome;
mod pack;
mod plan;
mod progress;
mod read;
mod restore;
mod source;
mod survey;
mod target;

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::event::Observer;
use crate::store::{OpenOptions, Opened};

pub use check::verify;
pub use error::Error;
pub use manifest::{
    GroupNote, HardStateNote, Manifest, Verdict, VerdictFinding, VerdictPlace, VoteNote,
};
pub use outcome::{Backup, BackupPlan, BackupResult, Checked, RestoreResult, Restored};
pub use pack::backup;
pub use plan::plan;
pub use restore::restore;

/// How hard gzip works: 0 (not at all) to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression(u8);

impl Compression {
    /// The level, or `None` above 9.
    pub fn new(level: u8) -> Option<Compression> {
        (level <= 9).then_some(Compression(level))
    }

    /// The level as a number.
    pub fn level(self) -> u8 {
        self.0
    }
}

impl Default for Compression {
    fn default() -> Self {
        Compression(6)
    }
}

/// Where an archive goes.
pub enum Destination<'w> {
    /// A file that does not exist yet. Written beside, read back, compared, renamed.
    File(PathBuf),
    /// A stream (`-`). It cannot be read back or renamed: whoever receives it compares the digest.
    /// A closed pipe is an error, for then nobody has the backup.
    Stream(&'w mut dyn Write),
}

/// Where an archive comes from.
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A stream (`-`). It is kept in a file beside the target until it has been verified.
    Stream(Box<dyn Read + Send>),
}

/// What an operator may choose about a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupOptions {
    /// How the store is recognised and opened, and how long a lock is waited for.
    pub open: OpenOptions,
    /// How hard gzip works.
    pub compression: Compression,
    /// The creation time that the manifest records, seconds since 1970 (now, or
    /// `SOURCE_DATE_EPOCH`). The only thing in an archive that its input does not determine.
    pub created_unix_s: u64,
    /// Whether the partial file of an interrupted run is replaced.
    pub replace_partial: bool,
}

/// What an operator may choose about a restore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Verify, and tell what would be written, without writing.
    pub dry_run: bool,
    /// Whether the partial target of an interrupted run is replaced.
    pub replace_partial: bool,
}

/// Judges an opened store by the Raft rules; `Break` when the operator stopped it. What cannot be
/// judged is a verdict too ([`Verdict::not_judged`]): a backup is never refused for it.
pub type Judge<'j> = dyn FnMut(&Opened, &mut dyn Observer) -> ControlFlow<(), Verdict> + 'j;
