//! A whole simulation: every mode under every profile, on as many threads as there are processors.
//! A mode is one thread's work from beginning to end, so that nothing is shared.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::event::{Event, Observer, Phase};
use crate::simulate::check::Check;
use crate::simulate::driver::{DiskTimes, Record, Run};
use crate::simulate::engine;
use crate::simulate::explore::{Budget, Explorer};
use crate::simulate::figures::{findings_of, result_of, workload_of};
use crate::simulate::mode::Mode;
use crate::simulate::oracle::Wrong;
use crate::simulate::outcome::{DiskShape, Finding, ModeResult, Simulated, WorkloadShape};
use crate::simulate::workload::{Shape, Step, plan};
use crate::vfs::Clock;
use crate::vfs::sim::{Profile, Seed, SimFs, Torn, TracedCall, Tries};

/// Images drawn of a point, when nothing else is said.
pub const IMAGES: u64 = 48;
/// How often the watching thread looks up while others work.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A kind of disk, by how long it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskModel {
    /// A local NVMe drive.
    #[default]
    Nvme,
    /// A SATA drive or a network volume.
    Ssd,
    /// A drive that turns.
    Hdd,
}

impl DiskModel {
    /// Every kind.
    pub const ALL: [DiskModel; 3] = [DiskModel::Nvme, DiskModel::Ssd, DiskModel::Hdd];

    /// The name on the command line and in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            DiskModel::Nvme => "nvme",
            DiskModel::Ssd => "ssd",
            DiskModel::Hdd => "hdd",
        }
    }

    pub(super) fn shape(self) -> DiskShape {
        let (write_us, sync_us) = match self {
            DiskModel::Nvme => (2, 94),
            DiskModel::Ssd => (10, 600),
            DiskModel::Hdd => (20, 8_300),
        };
        DiskShape { model: self.as_str(), write_us, sync_us }
    }

    pub(super) fn times(self) -> DiskTimes {
        let shape = self.shape();
        DiskTimes {
            write: Duration::from_micros(shape.write_us),
            sync: Duration::from_micros(shape.sync_us),
        }
    }
}

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
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
}

impl Default for Options {
    fn default() -> Options {
        Options {
            modes: Mode::all(),
            profiles: vec![Profile::StrictPosix],
            torn: Torn::Sectors,
            seed: Seed(0x7f3a),
            shape: Shape::usual(60),
            disk: DiskModel::Nvme,
            points: None,
            images: IMAGES,
        }
    }
}

impl Options {
    /// The flags beside the mode that a case needs to be tried again, where they are not the usual
    /// ones; each begins with a blank.
    pub(super) fn flags(&self, profile: Profile) -> String {
        let usual = Options::default();
        let mut flags = String::new();
        if profile != Profile::StrictPosix {
            flags.push_str(&format!(" --profile {profile}"));
        }
        if self.torn != usual.torn {
            flags.push_str(&format!(" --torn {}", self.torn.as_str()));
        }
        if self.disk != usual.disk {
            flags.push_str(&format!(" --disk {}", self.disk.as_str()));
        }
        if self.shape.steps != usual.shape.steps {
            flags.push_str(&format!(" --steps {}", self.shape.steps));
        }
        if self.images != usual.images {
            flags.push_str(&format!(" --images {}", self.images));
        }
        flags
    }

    /// How the images of a point are tried.
    pub(super) fn tries(&self) -> Tries {
        Tries {
            torn: self.torn,
            seed: self.seed,
            exhaustive_max: self.images.saturating_mul(8),
            samples: self.images,
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

struct Done {
    number: usize,
    result: ModeResult,
    findings: Vec<Finding>,
    workload: WorkloadShape,
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
    let jobs: Vec<Job> = options
        .profiles
        .iter()
        .flat_map(|profile| options.modes.iter().map(|mode| Job { mode: *mode, profile: *profile }))
        .collect();
    let work = Work {
        options,
        jobs: &jobs,
        steps: plan(options.seed, &options.shape),
        next: AtomicUsize::new(0),
        images: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    let mut done = work.all(watch, row);
    done.sort_by_key(|done| done.number);
    let elapsed = clock.monotonic().saturating_sub(began);
    let images = work.images.load(Ordering::Relaxed);
    let complete = done.len() == jobs.len() && done.iter().all(|done| done.whole);
    let workload = done.first().map(|done| done.workload.clone()).unwrap_or_default();
    let (mut modes, mut findings) = (Vec::new(), Vec::new());
    for done in done {
        modes.push(done.result);
        findings.extend(done.findings);
    }
    let result = Simulated {
        workload,
        modes,
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
    jobs: &'a [Job],
    steps: Vec<Step>,
    next: AtomicUsize,
    images: AtomicU64,
    stop: AtomicBool,
}

impl Work<'_> {
    fn all(&self, watch: &mut dyn Observer, row: &mut dyn FnMut(&ModeResult)) -> Vec<Done> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = processors.min(self.jobs.len()).max(1);
        let (sender, receiver) = channel::<Done>();
        let mut all: Vec<Done> = Vec::new();
        let mut told = 0;
        let started =
            Event::Started { phase: Phase::Simulating, total_bytes: None, total_entries: None };
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
                            row(&next.result);
                            told += 1;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                let advanced = Event::Advanced {
                    phase: Phase::Simulating,
                    bytes: 0,
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
            let Some(job) = self.jobs.get(number) else { return };
            if sender.send(self.one(number, *job)).is_err() {
                return;
            }
        }
    }

    fn one(&self, number: usize, job: Job) -> Done {
        let options = self.options;
        let Recording { record, .. } = recorded(options, job, &self.steps, false);
        let budget = Budget { tries: options.tries(), points: options.points, images: None };
        let engine = engine::options(&job.mode, options.shape.segment_bytes);
        let explorer = Explorer::new(&record, options.seed, engine, budget);
        let (mut counted, mut whole) = (0, true);
        let tally = explorer.run(&mut |images| {
            self.images.fetch_add(images.saturating_sub(counted), Ordering::Relaxed);
            counted = images;
            whole = !self.stop.load(Ordering::Relaxed);
            if whole { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let workload = workload_of(&record.history, &options.shape);
        let findings = findings_of(options, job, &tally);
        let result = result_of(job, &record, &tally, &workload, options);
        Done { number, result, findings, workload, whole }
    }
}

/// A run that is over.
pub(super) struct Recording {
    pub(super) record: Record,
    /// Its calls, where they were asked for.
    pub(super) trace: Vec<TracedCall>,
}

/// Runs the workload in a mode.
pub(super) fn recorded(options: &Options, job: Job, steps: &[Step], traces: bool) -> Recording {
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
