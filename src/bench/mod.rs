//! Measuring engines and jobs against what the machine can do, in one run, interleaved.
//!
//! Workloads: [`choice`] says which cells (an engine, a mode, a size) there are, [`rounds`] gives
//! each of them a fresh process and a fresh directory, round after round, and [`measure`] is what
//! such a process does.
//!
//! The jobs themselves are handed in as functions that run one command in a fresh process and
//! report its time and peak memory; the limits (a plain copy with a sync, a read with CRC-32,
//! `tar | pigz`) are measured here, on the same bytes, in the same rounds. Job and limit begin
//! alike: nothing waits to be written out, and who writes finds memory touched just before.

pub mod cell;
pub mod choice;
mod engines;
mod histogram;
mod jobs;
mod limits;
mod logs;
pub mod measure;
pub mod rounds;
mod row;
mod spread;
mod values;

use serde::Serialize;

pub use crate::fastlog::policy::{Flush, Strategy};
pub use histogram::Latency;
pub use jobs::{Error, JobsOptions, Launch, Launched, run_jobs};
pub use logs::LogShape;
pub use row::{FlushNote, Row};
pub use spread::Spread;

/// The machine the figures are of.
#[derive(Clone, Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Machine {
    /// Processors that may be used.
    pub cpus: u64,
    /// What the system says of its processor, where it does.
    pub cpu_model: Option<String>,
    /// Memory in bytes, where the system says.
    pub memory_bytes: Option<u64>,
    /// Bytes free where it was measured.
    pub free_bytes: Option<u64>,
}

/// One job on one log against its limit.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct JobRow {
    /// The job: "migrate redb to fastlog", "verify fastlog", ...
    pub job: String,
    /// The log: "1 GiB of 1 KiB entries", ...
    pub log: String,
    /// Entries in it.
    pub entries: u64,
    /// Bytes of the files that the limit reads: the job's source; for restore, what comes out.
    pub source_bytes: u64,
    /// Seconds the job took.
    pub seconds: Spread,
    /// What it is compared with.
    pub limit: String,
    /// Seconds the limit took.
    pub limit_seconds: Spread,
    /// Job's time divided by the limit's, round by round.
    pub times_limit: Spread,
    /// The largest `times_limit` (median) that is good enough, where one is set.
    pub target_times_limit: Option<f64>,
    /// Whether the median is within the target.
    pub met: Option<bool>,
    /// How many entries it did in a second, where it must do so many.
    pub pace: Option<Pace>,
    /// Another program that did the same in the same rounds, where one was given.
    pub peer: Option<Peer>,
    /// Peak memory of the job's process, where the system tells.
    pub rss_bytes: Option<u64>,
}

/// How many entries a job does in a second.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Pace {
    /// Entries in a second, round by round.
    pub entries_per_s: Spread,
    /// The smallest median that is good enough.
    pub target: f64,
    /// Whether it is reached.
    pub met: bool,
}

/// How a job stands against another program that does the same.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Peer {
    /// The row of that program.
    pub job: String,
    /// Its time divided by the job's, round by round.
    pub times_faster: Spread,
    /// The smallest median that is good enough.
    pub target: f64,
    /// Whether it is reached.
    pub met: bool,
}

/// What `bench` found.
#[derive(Clone, Debug, Default, Serialize, schemars::JsonSchema)]
pub struct BenchResult {
    /// The machine.
    pub machine: Machine,
    /// Rounds, each cell, or job and limit, once a round.
    pub rounds: u64,
    /// What was to be measured; null with `--jobs`.
    pub plan: Option<rounds::Plan>,
    /// The workloads.
    pub rows: Vec<Row>,
    /// The jobs, with `--jobs`.
    pub jobs: Vec<JobRow>,
}
