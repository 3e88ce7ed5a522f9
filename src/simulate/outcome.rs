//! What a simulation found, in the shape in which it is printed.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{GroupId, LogIndex, Severity, Term};
use crate::simulate::check::Check;
use crate::simulate::cluster::ClusterResult;
use crate::simulate::oracle::Waits;
use crate::simulate::process::ProcessResult;
use crate::simulate::replay::Replayed;
use crate::simulate::run::Options;

/// What `simulate` found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Simulated {
    /// The log under test: `fastlog` or `raft-fastlog`.
    pub engine: &'static str,
    /// What the workload was made from, as hexadecimal digits.
    pub seed: String,
    /// What the file system may do with unsynced writes; several names are joined by commas.
    pub profile: String,
    /// How finely pages are torn.
    pub torn: &'static str,
    /// What is taken for granted about the device.
    pub assumptions: Vec<&'static str>,
    /// What callers did, in each mode.
    pub workload: WorkloadShape,
    /// How long the modelled disk takes.
    pub disk: DiskShape,
    /// Each mode under each profile, in the order of the text.
    pub modes: Vec<ModeResult>,
    /// Faults of the device, tried on a short run at level 1, disk-first.
    pub faults: Vec<FaultResult>,
    /// The case that was tried again; null where modes were tried.
    pub replayed: Option<Replayed>,
    /// What killing real processes showed; null where that was not asked for.
    pub process: Option<ProcessResult>,
    /// Whether everything that was asked for was tried.
    pub complete: bool,
    /// Wall time.
    pub elapsed_ms: u64,
    /// Images recovered and checked in a second, those of crashes during and after recovery
    /// included.
    pub images_per_s: u64,
}

/// What callers did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WorkloadShape {
    /// Operations.
    pub ops: u64,
    /// Groups.
    pub groups: u64,
    /// Entries appended.
    pub entries: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

/// How long a disk takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiskShape {
    /// Its name.
    pub model: &'static str,
    /// A call that writes.
    pub write_us: u64,
    /// A sync.
    pub sync_us: u64,
}

/// When what is accepted is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Flush {
    /// `immediate` or `batch`.
    pub policy: &'static str,
    /// Entries that start a flush; null where it is immediate.
    pub threshold: Option<u32>,
    /// Age that starts one; null where it is immediate.
    pub interval_ms: Option<u64>,
}

/// Most that may be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Bound {
    /// Entries; null is no bound.
    pub entries: Option<u64>,
    /// Age; null is no bound.
    pub ms: Option<u64>,
}

/// What a mode promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Promise {
    /// What an acknowledgement waits for: `accepted`, `written`, `durable`.
    pub ack: &'static str,
    /// What the acknowledgement of a term or a vote waits for.
    pub vote: &'static str,
    /// What the end of the process may take.
    pub kill: Bound,
    /// What a power cut may take.
    pub power: Bound,
}

/// Entries lost, over distinct images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Quantiles {
    /// Least.
    pub min: u64,
    /// Half of the images lose no more.
    pub p50: u64,
    /// 99 of 100 images lose no more.
    pub p99: u64,
    /// Most.
    pub max: u64,
}

/// Age of the oldest lost operation, over distinct images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Windows {
    /// Half of the images lose nothing older.
    pub p50: u64,
    /// 99 of 100 images lose nothing older.
    pub p99: u64,
    /// Oldest.
    pub max: u64,
}

/// How long an acknowledgement takes on the modelled disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AckTimes {
    /// Half of them.
    pub p50: u64,
    /// 99 of 100.
    pub p99: u64,
}

/// What a mode does and costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModeResult {
    /// -1, 0 or 1.
    pub durability: i8,
    /// `disk-first` or `mem-first`.
    pub strategy: &'static str,
    /// When what is accepted is written.
    pub flush: Flush,
    /// What the file system may do.
    pub profile: &'static str,
    /// What the mode promises.
    pub promise: Promise,
    /// Moments that the points stand for.
    pub points_covered: u64,
    /// Points that were tried.
    pub points_enumerated: u64,
    /// Points of which every image was tried.
    pub points_exhaustive: u64,
    /// Images drawn.
    pub images: u64,
    /// Images recovered, each content once for one promise.
    pub images_distinct: u64,
    /// Images of crashes during recovery, and after it.
    pub nested: u64,
    /// Images that opened and obeyed the law.
    pub recovered_ok: u64,
    /// Tails cut.
    pub torn_tails: u64,
    /// Images that were refused.
    pub refused: u64,
    /// Images in which the log's own loader brings entries back that were deleted; always 0 for
    /// FastLog, whose images would break S06 or S07.
    pub resurrected: u64,
    /// Tails that could also be damage to the last moments.
    pub ambiguous_tails: u64,
    /// Acknowledged entries lost.
    pub lost: Quantiles,
    /// Age of the oldest lost operation.
    pub window_ms: Windows,
    /// Groups that lost an entry in some image.
    pub groups_hit: u64,
    /// Images that lost an acknowledged change of vote.
    pub lost_votes: u64,
    /// Images that lost an acknowledged change of term.
    pub lost_terms: u64,
    /// Entries a second on the modelled disk, while callers waited for this workload.
    pub entries_per_s: u64,
    /// How long an acknowledgement takes there.
    pub ack_us: AckTimes,
    /// Images in which a promise was broken.
    pub violations: u64,
    /// What one power cut does to a cluster of such nodes; null where that was not asked for.
    pub cluster: Option<ClusterResult>,
}

/// What came of one kind of fault of the device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FaultResult {
    /// The fault.
    pub fault: &'static str,
    /// How often it was tried.
    pub tried: u64,
    /// Nothing came of it.
    pub masked: u64,
    /// It was refused, with an error or a place.
    pub refused: u64,
    /// Groups were flagged; always 0, as FastLog refuses the whole store.
    pub flagged: u64,
    /// It could also be a torn tail of a store in use, was cut, and said so.
    pub ambiguous: u64,
    /// Something was lost or changed without a word.
    pub silent: u64,
}

/// Something that does not hold, or a hazard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The check, for `raftlog explain`.
    #[schemars(with = "String")]
    pub code: Check,
    /// `error` for a broken promise, `warning` for a hazard.
    pub severity: Severity,
    /// The mode, as the flags that choose it.
    pub mode: String,
    /// The group's name; null for the unnamed one, and where none is concerned.
    pub group: Option<GroupId>,
    /// The index concerned.
    pub index: Option<LogIndex>,
    /// The term concerned.
    pub term: Option<Term>,
    /// One line.
    pub message: String,
    /// In how many images.
    pub count: u64,
    /// The first of them, to be tried again; null where no crash was needed.
    pub case: Option<String>,
    /// The command that tries it again.
    pub command: Option<String>,
}

/// Counts of all modes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// Whether every promise was kept in every image.
    pub promise_kept: bool,
    /// Points tried.
    pub points: u64,
    /// Images recovered and checked.
    pub images: u64,
    /// Images in which a promise was broken.
    pub violations: u64,
    /// Images in which something was lost that no promise covers, and that a node must not lose.
    pub hazards: u64,
    /// All findings.
    pub findings_total: u64,
    /// Those that are errors.
    pub errors: u64,
    /// Those that are warnings.
    pub warnings: u64,
    /// Those that are only worth knowing.
    pub infos: u64,
    /// Time from the start of the program.
    pub elapsed_ms: u64,
}

impl Simulated {
    /// A case that was tried again, and nothing else.
    pub fn of_case(options: &Options, replayed: Replayed) -> Simulated {
        Simulated { replayed: Some(replayed), complete: true, ..Simulated::of(options) }
    }

    /// What killing real processes showed, and nothing else.
    pub fn of_processes(options: &Options, process: ProcessResult, complete: bool) -> Simulated {
        Simulated { process: Some(process), complete, ..Simulated::of(options) }
    }

    /// Nothing yet.
    pub(super) fn of(options: &Options) -> Simulated {
        let profiles: Vec<&str> = options.profiles.iter().map(|profile| profile.as_str()).collect();
        Simulated {
            engine: options.engine.as_str(),
            seed: format!("{:x}", options.seed.0),
            profile: profiles.join(","),
            torn: options.torn.as_str(),
            assumptions: options.assumptions(),
            workload: WorkloadShape::default(),
            disk: options.disk.shape(),
            modes: Vec::new(),
            faults: Vec::new(),
            replayed: None,
            process: None,
            complete: false,
            elapsed_ms: 0,
            images_per_s: 0,
        }
    }

    /// Counts over all modes; `elapsed_ms` is the program's.
    pub fn summary(&self, findings: &[Finding], elapsed_ms: u64) -> Summary {
        let sum = |of: fn(&ModeResult) -> u64| self.modes.iter().map(of).sum::<u64>();
        let of = |severity: Severity| {
            findings.iter().filter(|finding| finding.severity == severity).count() as u64
        };
        let silent: u64 = self.faults.iter().map(|row| row.silent).sum();
        let killed = self.process.as_ref().map_or(0, |process| process.violations);
        let violations = sum(|mode| mode.violations) + silent + killed;
        Summary {
            promise_kept: violations == 0 && of(Severity::Error) == 0,
            points: sum(|mode| mode.points_enumerated),
            images: sum(|mode| mode.images_distinct + mode.nested),
            violations,
            hazards: sum(ModeResult::hazards),
            findings_total: findings.len() as u64,
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            infos: of(Severity::Info),
            elapsed_ms,
        }
    }
}

impl ModeResult {
    /// Images that lost an acknowledged vote, or the term that goes with it, where that is no
    /// violation (FastLog: at level -1), but such a node may vote twice.
    pub fn hazards(&self) -> u64 {
        if self.promise.vote != Waits::Durable.as_str() {
            self.lost_votes.max(self.lost_terms)
        } else {
            0
        }
    }
}

impl Serialize for Check {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
