//! A whole simulation: every mode under every profile, on as many threads as there are processors.
//! A mode is one thread's work from beginning to end, so that nothing is shared.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::event::{Event, Observer, Phase};
use crate::model::GroupId;
use crate::simulate::check::Check;
use crate::simulate::disk::DiskModel;
use crate::simulate::driver::{Record, Run};
use crate::simulate::engine;
use crate::simulate::explore::{Budget, Explorer, Progress};
use crate::simulate::faults::{
    Tried, damage_at_rest, failing_calls, failing_reads, foreign_blocks,
};
use crate::simulate::figures::{findings_of, result_of, workload_of};
use crate::simulate::mode::Mode;
use crate::simulate::oracle::Wrong;
use crate::simulate::outcome::{FaultResult, Finding, ModeResult, Simulated, WorkloadShape};
use crate::simulate::raft_fastlog::{self, LoaderTrial};
use crate::simulate::shrink::shrunk;
use crate::simulate::tally::Tally;
use crate::simulate::trial::FastlogTrial;
use crate::simulate::workload::{Shape, Step, plan, reduced};
use crate::vfs::Clock;
use crate::vfs::sim::{Profile, Seed, SimFs, Torn, TracedCall, Tries};

/// Images drawn of a point, when nothing else is said.
pub const IMAGES: u64 = 48;
/// Of the calls of a short run, each so-manyth fails.
const CALL_STRIDE: u64 = 3;
/// Of the bytes of a log at rest, each so-manyth is changed.
const BYTE_STRIDE: u64 = 211;
/// Broken checks of a mode whose cases are made small.
const SHRUNK_MAX: usize = 3;
/// How often the watching thread looks up while others work.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Which log is under test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The shipped engine.
    #[default]
    Fastlog,
    /// The single-file log of tidwall/raft-fastlog: what that library does to the disk, and our
    /// reader of its format in place of its loader.
    RaftFastlog,
}

impl Engine {
    /// Both.
    pub const ALL: [Engine; 2] = [Engine::Fastlog, Engine::RaftFastlog];

    /// The name on the command line and in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Engine::Fastlog => "fastlog",
            Engine::RaftFastlog => "raft-fastlog",
        }
    }
}

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log under test.
    pub engine: Engine,
    /// The modes.
    pub modes: Vec<Mode>,
    /// The profiles.
    pub profiles: Vec<Profile>,
    /// Tearing.
    pub torn: Torn,
    /// What the workload is made from.
    pub seed: Seed,
    /// What the workload is like.
    pub shape: Shape,
    /// How long the disk takes.
    pub disk: DiskModel,
    /// Points tried of each mode; `None` is all.
    pub points: Option<usize>,
    /// Images drawn of a point where not all are tried; up to eight times as many all are.
    pub images: u64,
    /// Whether faults of the device are tried too.
    pub faults: bool,
    /// Whether a write that is cut off leaves bytes outside its range alone. Without that, checks
    /// that break are told and fail nothing.
    pub psow: bool,
    /// Nodes of the clusters whose power is cut, where clusters are tried.
    pub cluster: Option<u32>,
    /// The store that gave the shape, as a command names it.
    pub source: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            engine: Engine::Fastlog,
            modes: Mode::all(),
            profiles: vec![Profile::StrictPosix],
            torn: Torn::Sectors,
            seed: Seed(0x7f3a),
            shape: Shape::usual(60),
            disk: DiskModel::Nvme,
            points: None,
            images: IMAGES,
            faults: true,
            psow: true,
            cluster: None,
            source: None,
        }
    }
}

impl Options {
    /// The flags beside the mode that a case needs to be tried again, where they are not the usual
    /// ones; each begins with a blank.
    pub(super) fn flags(&self, profile: Profile) -> String {
        let usual = Options::default();
        let mut flags = String::new();
        if self.engine != usual.engine {
            flags.push_str(&format!(" --engine {}", self.engine.as_str()));
        }
        if profile != Profile::StrictPosix {
            flags.push_str(&format!(" --profile {profile}"));
        }
        if self.torn != usual.torn {
            flags.push_str(&format!(" --torn {}", self.torn.as_str()));
        }
        if self.disk != usual.disk {
            flags.push_str(&format!(" --disk {}", self.disk));
        }
        if self.shape.steps != usual.shape.steps {
            flags.push_str(&format!(" --steps {}", self.shape.steps));
        }
        if self.images != usual.images {
            flags.push_str(&format!(" --images {}", self.images));
        }
        if !self.psow {
            flags.push_str(" --no-psow");
        }
        if !self.shape.left_out.is_empty() {
            flags.push_str(&format!(" --without {}", self.shape.left_out));
        }
        if let Some(most) = self.shape.payload_max_bytes {
            flags.push_str(&format!(" --payload-max {most}"));
        }
        if let Some(source) = &self.source {
            flags.push_str(&format!(" {source}"));
        }
        flags
    }

    /// What is taken for granted about the device.
    pub fn assumptions(&self) -> Vec<&'static str> {
        let mut assumptions = vec!["sync tells the truth"];
        if self.psow {
            assumptions.push("a write changes no byte outside its range");
        }
        if self.engine == Engine::RaftFastlog {
            // The library syncs no directory, ever; without this no image would hold anything.
            assumptions.push("the name of the log was on the disk before");
        }
        assumptions
    }

    /// The steps of a run.
    pub(super) fn plan(&self) -> Vec<Step> {
        let Shape { left_out, payload_max_bytes, .. } = &self.shape;
        match self.engine {
            Engine::Fastlog => plan(self.seed, &self.shape),
            Engine::RaftFastlog => {
                let steps = raft_fastlog::plan(self.seed, &self.shape);
                reduced(raft_fastlog::nothing(), steps, left_out, *payload_max_bytes)
            }
        }
    }

    /// The same for a log that has one group and one way to write.
    pub fn of_raft_fastlog(mut self) -> Options {
        self.engine = Engine::RaftFastlog;
        self.modes.retain(|mode| (mode.order, mode.flushing) == Default::default());
        self.shape.groups = vec![GroupId::Unnamed];
        self.faults = false;
        self
    }

    /// How the images of a point are tried.
    pub(super) fn tries(&self) -> Tries {
        Tries {
            torn: self.torn,
            seed: self.seed,
            exhaustive_max: self.images.saturating_mul(8),
            samples: self.images,
            psow: self.psow,
        }
    }
}

/// Why a simulation ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A case names a moment or an image that its run does not have.
    #[error("there is no such case: {what}")]
    NoSuchCase {
        /// What is missing.
        what: String,
    },
}

/// What a simulation found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The figures.
    pub result: Simulated,
    /// What does not hold, and hazards.
    pub findings: Vec<Finding>,
}

/// One mode under one profile.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) mode: Mode,
    pub(super) profile: Profile,
}

/// What one thread does from beginning to end.
#[derive(Clone, Copy)]
enum Part {
    Mode(Job),
    FailingCalls,
    Damage,
}

struct Done {
    number: usize,
    mode: Option<(ModeResult, WorkloadShape)>,
    faults: Vec<FaultResult>,
    findings: Vec<Finding>,
    whole: bool,
}

/// Simulates every mode under every profile. `watch` sees progress and may stop; `row` gets each
/// result in order, as soon as it and all before it are there. What was done until a stop is in
/// the outcome, which says that it is not complete.
pub fn simulate(
    options: &Options,
    clock: &dyn Clock,
    watch: &mut dyn Observer,
    row: &mut dyn FnMut(&ModeResult),
) -> Outcome {
    let began = clock.monotonic();
    let jobs = options.profiles.iter().flat_map(|profile| {
        options.modes.iter().map(|mode| Job { mode: *mode, profile: *profile })
    });
    let mut parts: Vec<Part> = jobs.map(Part::Mode).collect();
    if options.faults {
        parts.extend([Part::FailingCalls, Part::Damage]);
    }
    let work = Work {
        options,
        parts: &parts,
        steps: options.plan(),
        next: AtomicUsize::new(0),
        images: AtomicU64::new(0),
        shares: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    let mut done = work.all(watch, row);
    done.sort_by_key(|done| done.number);
    let elapsed = clock.monotonic().saturating_sub(began);
    let images = work.images.load(Ordering::Relaxed);
    let complete = done.len() == parts.len() && done.iter().all(|done| done.whole);
    let mut workload = WorkloadShape::default();
    let (mut modes, mut faults, mut findings) = (Vec::new(), Vec::new(), Vec::new());
    for done in done {
        if let Some((result, shape)) = done.mode {
            modes.push(result);
            workload = shape;
        }
        faults.extend(done.faults);
        findings.extend(done.findings);
    }
    let result = Simulated {
        workload,
        modes,
        faults,
        complete,
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        images_per_s: per_second(images, elapsed),
        ..Simulated::of(options)
    };
    Outcome { result, findings }
}

fn per_second(amount: u64, time: Duration) -> u64 {
    let micros = time.as_micros().max(1);
    u64::try_from(u128::from(amount) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// What the threads share.
struct Work<'a> {
    options: &'a Options,
    parts: &'a [Part],
    steps: Vec<Step>,
    next: AtomicUsize,
    images: AtomicU64,
    /// How much was done: a thousand a part.
    shares: AtomicU64,
    stop: AtomicBool,
}

impl Work<'_> {
    fn all(&self, watch: &mut dyn Observer, row: &mut dyn FnMut(&ModeResult)) -> Vec<Done> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = processors.min(self.parts.len()).max(1);
        let (sender, receiver) = channel::<Done>();
        let mut all: Vec<Done> = Vec::new();
        let mut told = 0;
        let (phase, total) = (Phase::Simulating, self.parts.len() as u64);
        let started =
            Event::Started { phase, total_bytes: Some(1000 * total), total_entries: None };
        self.heed(watch.on(&started));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let sender = sender.clone();
                scope.spawn(move || self.thread(&sender));
            }
            drop(sender);
            loop {
                match receiver.recv_timeout(LOOK_EVERY) {
                    Ok(done) => {
                        all.push(done);
                        all.sort_by_key(|done| done.number);
                        // Those that waited for this one follow it.
                        while let Some(next) = all.get(told).filter(|next| next.number == told) {
                            if let Some((result, _)) = &next.mode {
                                row(result);
                            }
                            told += 1;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                let advanced = Event::Advanced {
                    phase,
                    bytes: self.shares.load(Ordering::Relaxed),
                    entries: self.images.load(Ordering::Relaxed),
                };
                self.heed(watch.on(&advanced));
            }
        });
        self.heed(watch.on(&Event::Finished { phase: Phase::Simulating }));
        all
    }

    fn heed(&self, flow: ControlFlow<()>) {
        if flow.is_break() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn thread(&self, sender: &Sender<Done>) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = self.parts.get(number) else { return };
            let done = match part {
                Part::Mode(job) => self.mode(number, *job),
                Part::FailingCalls => self.device(number, |options, mode, watch| {
                    let calls = failing_calls(options, mode, CALL_STRIDE, watch);
                    calls.with(failing_reads(options, mode, watch))
                }),
                Part::Damage => self.device(number, |options, mode, watch| {
                    let damaged = damage_at_rest(options, mode, BYTE_STRIDE, watch);
                    damaged.with(foreign_blocks(options, mode))
                }),
            };
            if sender.send(done).is_err() {
                return;
            }
        }
    }

    /// Faults of the device, at level 1, disk-first.
    fn device(
        &self,
        number: usize,
        tries: impl Fn(&Options, Mode, &mut dyn FnMut() -> ControlFlow<()>) -> Tried,
    ) -> Done {
        let mut whole = true;
        let tried = tries(self.options, Mode::default(), &mut || {
            self.images.fetch_add(1, Ordering::Relaxed);
            whole = !self.stop.load(Ordering::Relaxed);
            if whole { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let job = Job { mode: Mode::default(), profile: Profile::StrictPosix };
        let findings = findings_of(self.options, job, &tried.tally);
        self.shares.fetch_add(1000, Ordering::Relaxed);
        Done { number, mode: None, faults: tried.rows, findings, whole }
    }

    fn mode(&self, number: usize, job: Job) -> Done {
        let options = self.options;
        let Recording { record, .. } = recorded(options, job, &self.steps, false);
        let budget = Budget {
            tries: options.tries(),
            points: options.points,
            images: None,
            until: &[],
            cluster: options.cluster,
        };
        let (mut counted, mut whole) = (Progress { images: 0, share: 0 }, true);
        let mut tally = explored(options, job, &record, budget, &mut |now| {
            let Progress { images, share } = counted;
            self.images.fetch_add(now.images.saturating_sub(images), Ordering::Relaxed);
            self.shares.fetch_add(now.share.saturating_sub(share), Ordering::Relaxed);
            counted = now;
            whole = !self.stop.load(Ordering::Relaxed);
            if whole { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        self.shares.fetch_add(1000u64.saturating_sub(counted.share), Ordering::Relaxed);
        for (check, violation) in tally.violations.iter_mut().take(SHRUNK_MAX) {
            if whole && violation.case.is_some() {
                violation.shrunk = shrunk(options, job, *check);
            }
        }
        let workload = workload_of(&record.history, &options.shape);
        let findings = findings_of(options, job, &tally);
        let result = result_of(job, &record, &tally, &workload, options);
        Done { number, mode: Some((result, workload)), faults: Vec::new(), findings, whole }
    }
}

/// A run that is over.
pub(super) struct Recording {
    pub(super) record: Record,
    /// Its calls, where they were asked for.
    pub(super) trace: Vec<TracedCall>,
}

/// Tries the images of a run.
pub(super) fn explored(
    options: &Options,
    job: Job,
    record: &Record,
    budget: Budget,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Tally {
    let (seed, history) = (options.seed, &record.history);
    match options.engine {
        Engine::Fastlog => {
            let engine = engine::options(&job.mode, options.shape.segment_bytes);
            let trial = FastlogTrial::new(history, seed, engine);
            Explorer::new(record, seed, budget, trial).run(watch)
        }
        Engine::RaftFastlog => {
            Explorer::new(record, seed, budget, LoaderTrial::new(history)).run(watch)
        }
    }
}

/// Runs the workload in a mode.
pub(super) fn recorded(options: &Options, job: Job, steps: &[Step], traces: bool) -> Recording {
    if options.engine == Engine::RaftFastlog {
        return raft_fastlog::recorded(options, job, steps, traces);
    }
    let fs = SimFs::new(job.profile);
    if traces {
        fs.start_trace();
    }
    let segment_bytes = options.shape.segment_bytes;
    let mut run = Run::new(fs.clone(), job.mode, segment_bytes, options.disk.times());
    let ended = run.steps(steps);
    let mut record = run.finish();
    if let Err(error) = ended {
        let message = format!("without any crash the log refuses: {error}");
        record.wrongs.push(Wrong::new(Check::S14, message));
    }
    Recording { record, trace: fs.take_trace() }
}
