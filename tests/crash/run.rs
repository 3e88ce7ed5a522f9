//! Running a workload on the simulated disk, collecting the moments at which it may be cut off,
//! and judging what recovery makes of what is left.

#![allow(clippy::disallowed_methods, dead_code)]

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use raftlog::fastlog::format::LogUid;
use raftlog::fastlog::policy::{Ack, Flush, Loss, Promise, Strategy};
use raftlog::fastlog::{
    AppliedAndSynced, Batch, Error, FastLog, Fill, Memory, Options, PastCache, Stepping, Watermarks,
};
use raftlog::model::{Durability, IndexRange, LogIndex};
use raftlog::vfs::sim::{Disk, SimClock, SimFs};
use raftlog::vfs::{Clock, OpenMode, Vfs, read_exact_at};

use crate::workload::{Action, Batch as Actions, Model, State, Step, extra_entry};

/// A moment at which the power may go.
#[derive(Clone)]
pub struct Point {
    pub disk: Disk,
    /// Operations that must be there after a power cut.
    pub promised: usize,
    /// Operations that must be there after the end of the process alone.
    pub promised_kill: usize,
    /// Operations that may be there.
    pub accepted: usize,
    /// What was about to happen.
    pub before: String,
}

/// A combination of level, strategy and flush policy.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    pub level: Durability,
    pub strategy: Strategy,
    pub flush: Flush,
}

impl Mode {
    pub const STRICT: Mode =
        Mode { level: Durability::High, strategy: Strategy::DiskFirst, flush: Flush::Immediate };

    /// Every combination, with limits that small workloads reach.
    pub fn all() -> Vec<Mode> {
        let interval = Duration::from_millis(20);
        let flushes = [Flush::Immediate, Flush::Batch { threshold_entries: 3, interval }];
        let mut all = Vec::new();
        for level in Durability::ALL {
            for strategy in Strategy::ALL {
                all.extend(flushes.map(|flush| Mode { level, strategy, flush }));
            }
        }
        all
    }

    pub fn promise(&self) -> Promise {
        Promise::of(self.level, self.strategy, self.flush, QUEUE)
    }
}

/// Queue limit in entries.
const QUEUE: u32 = 4;

/// An operation as its caller saw it.
#[derive(Clone, Copy, Default)]
struct Seen {
    acknowledged: Option<Duration>,
    entries: u32,
    /// Whether it changed a term, a vote or a stable key.
    votes: bool,
}

/// What callers were told so far, and the points met.
struct Witness {
    points: Vec<Point>,
    mode: Mode,
    clock: SimClock,
    ops: Vec<Seen>,
    /// Operations that were reported as durable.
    durable: usize,
    /// Longest time that one call took, and when the last one began.
    flush: Duration,
    began: Duration,
}

impl Witness {
    /// How many operations `loss` leaves no choice about.
    fn promised(&self, loss: Loss) -> usize {
        let now = self.clock.monotonic();
        let keeps_votes = self.mode.level != Durability::Low;
        let last = |fits: &dyn Fn(&Seen, Duration) -> bool| {
            let fits = |op: &Seen| op.acknowledged.is_some_and(|at| fits(op, now - at));
            self.ops.iter().rposition(fits).map_or(0, |at| at + 1)
        };
        let voted = last(&|op, _| op.votes && keeps_votes);
        let kept = match loss {
            Loss::Nothing => last(&|_, _| true),
            Loss::SinceSyncPoint => 0,
            Loss::Recent { entries, age } => {
                let flush = self.flush.max(now - self.began);
                let bound = age.map(|age| age.bound(flush, flush));
                let old = bound.map_or(0, |bound| last(&|_, age| age > bound));
                old.max(entries.map_or(0, |most| self.beyond(most)))
            }
        };
        kept.max(voted).max(self.durable)
    }

    /// The last operation that cannot be lost when acknowledged ones with `most` entries are.
    fn beyond(&self, most: u32) -> usize {
        let mut entries = 0;
        for (at, op) in self.ops.iter().enumerate().rev() {
            entries += if op.acknowledged.is_some() { op.entries } else { 0 };
            if entries > most {
                return at + 1;
            }
        }
        0
    }

    fn note(&mut self, disk: Disk, before: String) {
        let promise = self.mode.promise();
        let promised = self.promised(promise.power_cut);
        let promised_kill = self.promised(promise.process_kill).max(promised);
        let accepted = self.ops.len();
        self.points.push(Point { disk, promised, promised_kill, accepted, before });
    }
}

/// A workload while it runs.
pub struct Run {
    pub fs: SimFs,
    pub memory: Memory,
    pub past_cache: PastCache,
    clock: SimClock,
    log: Option<FastLog>,
    model: Model,
    /// The state after each number of operations.
    pub history: Vec<State>,
    /// Operations before the last opening.
    opened_at: usize,
    witness: Arc<Mutex<Witness>>,
}

pub fn dir() -> &'static Path {
    Path::new("/log")
}

pub fn options() -> Options {
    Options {
        segment_bytes: Some(16 << 10),
        fill: Fill::Ahead { step_bytes: 4096 },
        stepping: Stepping::Caller,
        uid: Some(LogUid(*b"a log in a test.")),
        queue_entries: QUEUE,
        ..Options::default()
    }
}

pub fn open(fs: &SimFs, clock: &SimClock) -> Result<FastLog, Error> {
    let clock = Arc::new(clock.clone());
    FastLog::open_or_create(Arc::new(fs.clone()), clock, dir(), &options())
}

impl Run {
    pub fn new(fs: SimFs) -> Run {
        Run::in_mode(fs, Mode::STRICT)
    }

    pub fn in_mode(fs: SimFs, mode: Mode) -> Run {
        Run::on_disk(fs, mode, None)
    }

    /// A run on a disk that is so slow to write and to sync.
    pub fn on_disk(fs: SimFs, mode: Mode, times: Option<(Duration, Duration)>) -> Run {
        let clock = SimClock::new();
        let witness = Arc::new(Mutex::new(Witness {
            points: Vec::new(),
            mode,
            clock: clock.clone(),
            ops: Vec::new(),
            durable: 0,
            flush: Duration::ZERO,
            began: Duration::ZERO,
        }));
        let watched = Arc::clone(&witness);
        let disk_clock = clock.clone();
        fs.watch(move |moment| {
            if moment.operation.is_sync() {
                let name = moment.path.file_name().unwrap_or_default().to_string_lossy();
                let before = format!("{:?}({name})", moment.operation);
                watched.lock().expect("not poisoned").note(moment.disk.clone(), before);
            }
            if let Some((write, sync)) = times {
                disk_clock.advance(if moment.operation.is_sync() { sync } else { write });
            }
        });
        let history = vec![State::new()];
        let (memory, model) = (Memory::Index, Model::default());
        let past_cache = PastCache::Never;
        Run { fs, memory, past_cache, clock, log: None, model, history, opened_at: 0, witness }
    }

    /// Does `steps` until one fails.
    pub fn steps(&mut self, steps: &[Step]) -> Result<(), Error> {
        if self.log.is_none() {
            self.open()?;
        }
        steps.iter().try_for_each(|step| {
            self.step(step)?;
            self.advance(Duration::ZERO)
        })
    }

    fn open(&mut self) -> Result<(), Error> {
        let mode = self.witness().mode;
        let clock = Arc::new(self.clock.clone());
        let options = Options {
            level: Some(mode.level),
            strategy: Some(mode.strategy),
            flush: Some(mode.flush),
            memory: self.memory,
            past_cache: self.past_cache,
            ..options()
        };
        let log = FastLog::open_or_create(Arc::new(self.fs.clone()), clock, dir(), &options)?;
        assert_eq!(log.promise(), mode.promise());
        self.log = Some(log);
        self.opened_at = self.history.len() - 1;
        self.witness().durable = self.opened_at;
        Ok(())
    }

    fn witness(&self) -> MutexGuard<'_, Witness> {
        self.witness.lock().expect("not poisoned")
    }

    /// Lets time pass, and the log do what is due, when it is due.
    fn advance(&mut self, time: Duration) -> Result<(), Error> {
        let end = self.clock.monotonic() + time;
        loop {
            self.begin();
            let due = self.opened().step()?;
            self.look();
            let now = self.clock.monotonic();
            match due {
                Some(due) if due <= end.max(now) => {
                    self.pass(due.saturating_sub(now));
                }
                _ => {
                    self.pass(end.saturating_sub(now));
                    return Ok(());
                }
            }
        }
    }

    /// Time passes between two calls.
    fn pass(&self, time: Duration) {
        self.begin();
        self.clock.advance(time);
        self.witness().began = self.clock.monotonic();
    }

    /// A call begins.
    fn begin(&self) {
        let now = self.clock.monotonic();
        let mut witness = self.witness();
        witness.flush = witness.flush.max(now - witness.began);
        witness.began = now;
    }

    /// Takes note of the durable watermark.
    fn look(&self) {
        let durable = self.opened_at + usize::try_from(self.marks().durable.0).expect("small");
        let mut witness = self.witness();
        witness.durable = witness.durable.max(durable);
    }

    fn marks(&self) -> Watermarks {
        self.opened().watermarks()
    }

    /// The points met so far, and the end.
    pub fn points(&self) -> Vec<Point> {
        let end = self.fs.disk();
        let mut witness = self.witness();
        witness.note(end, "the end".to_owned());
        witness.points.clone()
    }

    pub fn close(&mut self) {
        self.log.take().expect("open").close().expect("closed");
        self.witness().durable = self.accepted();
    }

    /// Ends the process without closing.
    pub fn kill(&mut self) {
        drop(self.log.take());
    }

    /// The log, while it is open.
    pub fn opened(&self) -> &FastLog {
        self.log.as_ref().expect("open")
    }

    /// What readers see now.
    pub fn visible(&self) -> State {
        state_of(self.opened())
    }

    /// Writes the files of the log into a directory of the real file system.
    pub fn copy_to(&self, to: &Path) {
        std::fs::create_dir(to).expect("a directory");
        for path in self.fs.list(dir()).expect("listed") {
            let file = self.fs.open(&path, OpenMode::Read).expect("a file");
            let mut bytes = vec![0; usize::try_from(file.size().expect("known")).expect("small")];
            read_exact_at(file.as_ref(), 0, &mut bytes).expect("read");
            std::fs::write(to.join(path.file_name().expect("a name")), bytes).expect("written");
        }
    }

    /// The point of this moment.
    pub fn here(&self) -> Point {
        self.points().pop().expect("the end")
    }

    pub fn accepted(&self) -> usize {
        self.history.len() - 1
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        self.begin();
        match step {
            Step::Create(id) => {
                self.model.create(id);
                self.accept(Seen::default());
                self.opened().create_group(id)?;
                self.acknowledge(self.accepted());
            }
            Step::Batches(batches) => self.batches(batches)?,
            Step::Purge => drop(self.opened().purge()?),
            Step::Sync => {
                let marks = self.opened().sync()?;
                assert_eq!(marks.durable, marks.accepted, "a sync that returned");
            }
            Step::Wait { ms } => self.advance(Duration::from_millis(*ms))?,
            Step::Reopen { closing } => {
                let log = self.log.take().expect("open");
                if *closing {
                    log.close()?;
                } else {
                    drop(log);
                }
                self.open()?;
                assert_eq!(Some(&self.visible()), self.history.last(), "opened again");
            }
        }
        self.look();
        Ok(())
    }

    fn batches(&mut self, batches: &[Actions]) -> Result<(), Error> {
        let mut tickets = Vec::new();
        for batch in batches {
            let put = self.encoded(batch);
            self.model.apply(batch);
            self.accept(seen(batch));
            self.begin();
            let ticket = self.opened().submit(put)?;
            if ticket.ack() == Ack::Accepted {
                self.acknowledge(self.accepted());
            }
            if self.witness().mode.strategy == Strategy::MemFirst {
                assert_eq!(Some(&self.visible()), self.history.last(), "visible when accepted");
            }
            tickets.push((self.accepted(), ticket));
        }
        for (op, ticket) in tickets {
            self.begin();
            ticket.wait()?;
            self.acknowledge(op);
            assert!(self.marks().at(ticket.ack()) >= ticket.op(), "acknowledged too early");
        }
        Ok(())
    }

    fn encoded(&self, actions: &Actions) -> Batch {
        let mut batch = Batch::new();
        for (id, action) in actions {
            let group = self.opened().group(id).expect("a known group");
            let applied = AppliedAndSynced::through(LogIndex(u64::MAX));
            match action {
                Action::Append(entries) => batch.append(group, entries),
                Action::Truncate(first) => {
                    batch.truncate(group, *first);
                    Ok(())
                }
                Action::Compact(through) => {
                    batch.compact(group, *through, applied);
                    Ok(())
                }
                Action::Marker(snapshot) => batch.snapshot_marker(group, snapshot, applied),
                Action::Note(snapshot) => batch.snapshot_note(group, snapshot),
                Action::Hard(hard) => batch.hard_state(group, hard),
                Action::Put(key, value) => batch.set_stable(group, key, value),
                Action::Delete(key) => batch.remove_stable(group, key),
            }
            .expect("fits");
        }
        batch
    }

    fn accept(&mut self, seen: Seen) {
        self.history.push(self.model.state());
        self.witness().ops.push(seen);
    }

    /// Takes note that operation `op`, from 1, was acknowledged.
    fn acknowledge(&mut self, op: usize) {
        self.look();
        let disk = self.fs.disk();
        let now = self.clock.monotonic();
        let mut witness = self.witness();
        witness.ops[op - 1].acknowledged.get_or_insert(now);
        witness.note(disk, "an acknowledgement".to_owned());
    }
}

fn seen(batch: &Actions) -> Seen {
    let entries = batch.iter().map(|(_, action)| match action {
        Action::Append(entries) => u32::try_from(entries.len()).expect("small"),
        _ => 0,
    });
    let votes = |(_, action): &(_, Action)| {
        matches!(action, Action::Hard(_) | Action::Put(..) | Action::Delete(_))
    };
    Seen { acknowledged: None, entries: entries.sum(), votes: batch.iter().any(votes) }
}

/// Everything that a caller can see of a log.
pub fn state_of(log: &FastLog) -> State {
    let seen = |(id, number)| {
        let state = log.state(number).expect("a known group");
        let entries = log.entries(number, IndexRange::ALL);
        (id, (state, entries.map(|entry| entry.expect("reads").entry).collect()))
    };
    log.groups().into_iter().map(seen).collect()
}

/// Opens what a crash left and says what is wrong with it.
pub fn judge(fs: &SimFs, history: &[State], point: &Point) -> Result<FastLog, String> {
    let log = match open(fs, &SimClock::new()) {
        Ok(log) => log,
        Err(Error::Fault(fault)) => {
            let place = fault.place.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(format!("S17 a legal crash is called corrupt: {fault}, {place}"));
        }
        Err(error) => return Err(format!("S01 does not open: {error}")),
    };
    let found = state_of(&log);
    let fits = |ops: &usize| history[*ops] == found;
    if (point.promised..=point.accepted).rev().any(|ops| fits(&ops)) {
        return Ok(log);
    }
    let (promised, accepted) = (point.promised, point.accepted);
    if let Some(ops) = (0..promised).rev().find(fits) {
        return Err(format!("S02 only {ops} of {promised} promised operations are there"));
    }
    let wanted = &history[promised];
    let differing: Vec<String> = wanted
        .iter()
        .filter(|(id, state)| found.get(*id) != Some(*state))
        .map(|(id, (state, _))| {
            let bounds = |bounds: Option<IndexRange>| {
                bounds.map_or("none".to_owned(), |bounds| bounds.to_string())
            };
            let there = found.get(id).and_then(|(state, _)| state.bounds);
            let name = id.name().unwrap_or("-");
            format!("{name}: {} there, {} promised", bounds(there), bounds(state.bounds))
        })
        .collect();
    Err(format!(
        "the law: {promised} to {accepted} operations possible, no prefix fits; {}",
        differing.join("; ")
    ))
}

/// Appends one entry to every group, acknowledged, and says what the log must hold now.
pub fn live_on(log: &FastLog) -> Result<State, Error> {
    if log.groups().is_empty() {
        log.create_group(&raftlog::model::GroupId::named("life"))?;
    }
    for (_, number) in log.groups() {
        let mut batch = Batch::new();
        let entry = extra_entry(&log.state(number).expect("a known group"));
        batch.append(number, &[entry])?;
        log.write(batch)?;
    }
    log.sync()?;
    Ok(state_of(log))
}
