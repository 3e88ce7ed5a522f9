//! What backup, restore and the check of an archive return.

use schemars::JsonSchema;
use serde::Serialize;

use crate::backup::manifest::{GroupNote, Manifest, Verdict};
use crate::model::Findings;
use crate::store::Description;

/// The result of a backup, as printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BackupResult {
    /// The archive, as the operator named it; `-` for a stream.
    pub archive: String,
    /// Its size; null for the plan of a dry run.
    pub archive_bytes: Option<u64>,
    /// Its SHA-256 in hexadecimal digits, as `sha256sum` prints it; null for a plan.
    pub sha256: Option<String>,
    /// Files packed, or to be packed (directories and the manifest are not counted).
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// The groups of the store, as far as it could be opened.
    pub groups: Vec<GroupNote>,
}

/// A finished backup.
#[derive(Clone, Debug)]
pub struct Backup {
    /// What is printed.
    pub result: BackupResult,
    /// How the store was recognised.
    pub description: Description,
    /// What the rules said of the store; also in the manifest.
    pub verdict: Verdict,
    /// What the operator should know of the backup itself: names that were not packed (R117). What
    /// is wrong with the store is in the verdict.
    pub findings: Findings,
}

/// What a backup would pack, and where; nothing was written.
#[derive(Clone, Debug)]
pub struct BackupPlan {
    /// What is printed.
    pub result: BackupResult,
    /// How the store was recognised.
    pub description: Description,
    /// Why the rules could not be asked of this store, where they could not.
    pub not_judged: Option<String>,
    /// Every file that would be packed, as it is called in the archive, and its bytes.
    pub files: Vec<(String, u64)>,
    /// As in [`Backup`]: names that would not be packed (R117).
    pub findings: Findings,
}

/// The result of a restore, as printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RestoreResult {
    /// The directory, as the operator named it.
    pub target: String,
    /// Files written, or to be written when dry.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
}

/// A finished restore, or the plan of one.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What is printed.
    pub result: RestoreResult,
    /// What the archive says of itself: its files, its store, the verdict of the rules.
    pub manifest: Manifest,
    /// Whether anything was written.
    pub dry: bool,
}

/// What checking an archive found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What is wrong; empty for a whole archive.
    pub findings: Findings,
    /// The manifest, when it verified. It holds the verdict that the backup recorded.
    pub manifest: Option<Manifest>,
    /// Size of the archive.
    pub archive_bytes: u64,
    /// SHA-256 of the archive, when all of it was read.
    pub sha256: Option<String>,
    /// Files whose digests fit.
    pub files: u64,
    /// Bytes of these files.
    pub checked_bytes: u64,
}
