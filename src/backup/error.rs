//! Why a backup, a restore or a check did not come to its end.

use std::path::PathBuf;

use crate::model::{Findings, IoError};
use crate::store::StoreError;

/// Why a backup, a restore or a check did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source or the target: locked, not found, refused, ambiguous.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A name cannot stand in an archive.
    #[error("{}: {reason}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Why, one line.
        reason: String,
    },
    /// A file changed while it was backed up: somebody uses it without a lock.
    #[error("{} changed while it was backed up: {what}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What changed, one line.
        what: String,
    },
    /// More files, or a larger manifest, than an archive holds.
    #[error("{}: {what} is {value}, an archive holds at most {limit}", path.display())]
    TooLarge {
        /// The source.
        path: PathBuf,
        /// What is too large.
        what: &'static str,
        /// How large it is.
        value: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The file system has not enough room for what would be written.
    #[error("{}: {needed_bytes} bytes are needed, {free_bytes} are free", path.display())]
    NoSpace {
        /// The target.
        path: PathBuf,
        /// Bytes needed.
        needed_bytes: u64,
        /// Bytes free.
        free_bytes: u64,
    },
    /// The archive is not whole; nothing was written from it.
    #[error("{}: {}", path.display(), first(findings))]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it; never empty.
        findings: Findings,
    },
    /// The archive was written by a newer raftlog.
    #[error("{}: manifest version {found}, this raftlog reads {known}", path.display())]
    Unsupported {
        /// The archive.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The version that is read.
        known: u32,
    },
    /// What was written does not read back as it should. It was set aside.
    #[error("{} does not read back as it was written: {}", path.display(), first(findings))]
    Mismatch {
        /// Where it was set aside.
        path: PathBuf,
        /// What differs; never empty.
        findings: Findings,
    },
    /// The operator stopped it; nothing was left behind.
    #[error("stopped")]
    Cancelled,
}

fn first(findings: &Findings) -> String {
    let more = findings.total().saturating_sub(1);
    match findings.kept().next() {
        Some(fault) if more > 0 => format!("{fault} (and {more} more)"),
        Some(fault) => fault.to_string(),
        None => "damaged".to_owned(),
    }
}
