//! Reading redb files as other projects than hashicorp's write them.

use std::path::{Path, PathBuf};

use crate::bench::jobs::{Job, Limit, job, writes};

/// A schema of redb files in which the log is written too: one of each encoding that most projects
/// choose.
pub(super) struct InSchema {
    /// Name of the schema.
    pub(super) name: &'static str,
    file: &'static str,
    verify: &'static str,
    migrate: &'static str,
    /// Entries that must be read in a second.
    pace: f64,
}

/// With the speed at which each must be read.
pub(super) const SCHEMAS: [InSchema; 3] = [
    InSchema {
        name: "mocra",
        file: "log.msgpack.redb",
        verify: "verify redb (msgpack)",
        migrate: "migrate redb (msgpack) to fastlog",
        pace: 2e6,
    },
    InSchema {
        name: "zlayer",
        file: "log.postcard.redb",
        verify: "verify redb (postcard)",
        migrate: "migrate redb (postcard) to fastlog",
        pace: 2e6,
    },
    InSchema {
        name: "tatara",
        file: "log.json.redb",
        verify: "verify redb (JSON)",
        migrate: "migrate redb (JSON) to fastlog",
        pace: 5e5,
    },
];

impl InSchema {
    /// Where the log lies.
    pub(super) fn log(&self, dir: &Path) -> PathBuf {
        dir.join(self.file)
    }
}

/// What is done with a redb file in a schema; every entry of it is decoded.
pub(super) fn schema_jobs(schema: &InSchema, dir: &Path) -> [Job; 2] {
    let (log, scratch) = (schema.log(dir), dir.join("scratch"));
    let verify = job(schema.verify, &["verify"], &[&log], &[]);
    let migrate = job(schema.migrate, &["migrate"], &[&log, &scratch], &["--to", "fastlog"]);
    [
        Job { target_entries_per_s: Some(schema.pace), ..verify },
        writes(migrate, &scratch, Limit::CopyAndSync, None),
    ]
}
