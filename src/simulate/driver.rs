//! Running a workload on the simulated disk, and taking note of what callers were told and of the
//! moments at which the power may go.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fastlog::policy::Ack;
use crate::fastlog::{Error, FastLog, Options, Ticket, Watermarks};
use crate::model::Durability;
use crate::simulate::check::Check;
use crate::simulate::engine::{self, QUEUE_ENTRIES};
use crate::simulate::mode::{Mode, Order};
use crate::simulate::oracle::{Action, Actions, History, OpNumber, Standing, Wrong, row};
use crate::simulate::trial::Life;
use crate::simulate::workload::Step;
use crate::vfs::Clock;
use crate::vfs::sim::{Disk, Moment, Operation, SimClock, SimFs};

/// How long a disk takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskTimes {
    /// One call that writes.
    pub write: Duration,
    /// One sync.
    pub sync: Duration,
}

/// What was about to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// A call of the engine, by what it does to which file.
    Call(String),
    /// The caller going on after an acknowledgement.
    Acknowledged,
    /// Nothing: the workload is over.
    End,
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Before::Call(call) => write!(f, "before {call}"),
            Before::Acknowledged => f.write_str("just after an acknowledgement"),
            Before::End => f.write_str("at the end"),
        }
    }
}

/// A moment at which the power may go.
pub struct Point {
    /// The disk, pending changes included.
    pub disk: Disk,
    /// How things stand if the power goes.
    pub power: Standing,
    /// How things stand if only the process ends.
    pub kill: Standing,
    /// What was about to happen.
    pub before: Before,
}

/// What a run left for the judge.
pub struct Record {
    /// What callers did and were told.
    pub history: History,
    /// The moments.
    pub points: Vec<Point>,
    /// Mutating calls and acknowledgements: every moment that the points stand for.
    pub points_covered: u64,
    /// How long each operation waited for its acknowledgement, ascending.
    pub waits: Vec<Duration>,
    /// Time spent on operations.
    pub busy: Duration,
    /// What went wrong without any crash.
    pub wrongs: Vec<Wrong>,
}

struct Witness {
    history: History,
    points: Vec<Point>,
    clock: SimClock,
    latecomer: Latecomer,
}

/// Another caller, whose operation comes while a sync is under way that cannot cover it.
#[derive(Default)]
enum Latecomer {
    #[default]
    None,
    /// Comes with the next sync of a file.
    Waits(Arc<FastLog>, Actions),
    /// Came, and waits for its acknowledgement.
    Came(OpNumber, Result<Ticket, Error>, Duration),
}

impl Witness {
    fn note(&mut self, disk: Disk, before: Before) {
        let (power, kill) = self.history.standing(self.clock.monotonic());
        self.points.push(Point { disk, power, kill, before });
    }

    /// A sync is under way: who waits for that moment submits now.
    fn let_come(&mut self) {
        match std::mem::take(&mut self.latecomer) {
            Latecomer::Waits(log, actions) => {
                let batch = engine::encoded(&log, &actions);
                let op = self.history.accept(actions);
                let ticket = batch.and_then(|batch| log.submit(batch));
                self.latecomer = Latecomer::Came(op, ticket, self.clock.monotonic());
            }
            other => self.latecomer = other,
        }
    }
}

/// A workload while it runs.
pub struct Run {
    fs: SimFs,
    clock: SimClock,
    mode: Mode,
    options: Options,
    log: Option<Arc<FastLog>>,
    opened_at: OpNumber,
    /// Operations since then that the log numbered and refused.
    refused: usize,
    witness: Arc<Mutex<Witness>>,
    acknowledgements: u64,
    waits: Vec<Duration>,
    busy: Duration,
    wrongs: Vec<Wrong>,
    buffer: Vec<u8>,
}

impl Run {
    /// A run on an empty disk that takes so long.
    pub fn new(fs: SimFs, mode: Mode, segment_bytes: u64, times: DiskTimes) -> Run {
        let clock = SimClock::new();
        let history = History::new(row(&mode, QUEUE_ENTRIES));
        let latecomer = Latecomer::None;
        let witness = Witness { history, points: Vec::new(), clock: clock.clone(), latecomer };
        let witness = Arc::new(Mutex::new(witness));
        let (watched, disk_clock) = (Arc::clone(&witness), clock.clone());
        fs.watch(move |moment| {
            if moment.operation.is_sync() {
                let mut witness = watched.lock().unwrap_or_else(PoisonError::into_inner);
                witness.note(moment.disk.clone(), Before::Call(called(moment)));
                if *moment.operation == Operation::SyncData {
                    witness.let_come();
                }
                disk_clock.advance(times.sync);
            } else {
                disk_clock.advance(times.write);
            }
        });
        Run {
            fs,
            clock,
            mode,
            options: engine::options(&mode, segment_bytes),
            log: None,
            opened_at: OpNumber(0),
            refused: 0,
            witness,
            acknowledgements: 0,
            waits: Vec::new(),
            busy: Duration::ZERO,
            wrongs: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Does `steps` until one fails.
    ///
    /// # Errors
    /// What the engine said.
    pub fn steps(&mut self, steps: &[Step]) -> Result<(), Error> {
        self.open()?;
        for step in steps {
            self.step(step)?;
            self.advance(Duration::ZERO)?;
        }
        Ok(())
    }

    /// After an operation that failed: what readers see now, and what another caller's sync says.
    ///
    /// What failed without poisoning the log is not in it: another operation takes its place.
    pub fn go_on_after_a_failure(&mut self, error: &Error) {
        self.witness().latecomer = Latecomer::None;
        if self.log.is_none() {
            return;
        }
        match self.seen() {
            Ok(Some(seen)) => self.witness().history.seen(seen),
            Ok(None) => {}
            Err(error) => {
                let message = format!("readers see what cannot be read: {error}");
                self.wrongs.push(Wrong::new(Check::S16, message));
            }
        }
        if matches!(error, Error::Io(_)) {
            let refused = self.witness().history.take_back_unanswered();
            self.refused += refused;
            // A log that is poisoned by now says so, and nothing of it is promised.
            let _told_by_what_is_there = self.live_on();
        }
        let synced = self.log.as_ref().map(|log| log.sync());
        if let Some(Ok(marks)) = synced {
            let durable = self.durable(&marks);
            let mut witness = self.witness();
            witness.history.called_durable(durable);
            witness.history.synced(durable);
        }
    }

    /// One more entry in every group.
    fn live_on(&mut self) -> Result<(), Error> {
        let life = {
            let witness = self.witness();
            Life::after(&witness.history, witness.history.accepted())
        };
        for actions in life.operations {
            self.submit(&[actions], false)?;
        }
        Ok(())
    }

    /// Ends the process, and hands over what there is.
    pub fn finish(mut self) -> Record {
        let disk = self.fs.disk();
        self.witness().note(disk, Before::End);
        self.fs.unwatch();
        let points_covered = self.fs.calls().0 + self.acknowledgements;
        self.witness().latecomer = Latecomer::None;
        drop(self.log.take());
        let mut witness = self.witness();
        let points = std::mem::take(&mut witness.points);
        let history = witness.history.clone();
        drop(witness);
        self.waits.sort_unstable();
        Record {
            history,
            points,
            points_covered,
            waits: self.waits,
            busy: self.busy,
            wrongs: self.wrongs,
        }
    }

    fn witness(&self) -> MutexGuard<'_, Witness> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn opened(&self) -> Result<&FastLog, Error> {
        self.log.as_deref().ok_or(Error::Closed)
    }

    fn open(&mut self) -> Result<(), Error> {
        self.log = Some(Arc::new(engine::open(&self.fs, &self.clock, &self.options)?));
        let accepted = self.witness().history.accepted();
        (self.opened_at, self.refused) = (accepted, 0);
        Ok(())
    }

    /// Lets time pass, and the log do what is due, when it is due.
    fn advance(&mut self, time: Duration) -> Result<(), Error> {
        let end = self.now() + time;
        loop {
            self.call_begins();
            let due = self.opened()?.step()?;
            self.look()?;
            let now = self.now();
            match due {
                Some(due) if due <= end.max(now) => self.pass(due.saturating_sub(now)),
                _ => {
                    self.pass(end.saturating_sub(now));
                    return Ok(());
                }
            }
        }
    }

    /// Time passes between two calls.
    fn pass(&self, time: Duration) {
        self.call_begins();
        self.clock.advance(time);
        let now = self.now();
        self.witness().history.time_passed(now);
    }

    fn call_begins(&self) {
        let now = self.now();
        self.witness().history.call_begins(now);
    }

    /// Takes note of the durable watermark.
    fn look(&self) -> Result<(), Error> {
        let marks = self.opened()?.watermarks();
        self.witness().history.called_durable(self.durable(&marks));
        Ok(())
    }

    /// Through which operation the log calls everything durable.
    fn durable(&self, marks: &Watermarks) -> OpNumber {
        let durable = usize::try_from(marks.durable.0).unwrap_or(usize::MAX);
        OpNumber(self.opened_at.0.saturating_add(durable).saturating_sub(self.refused))
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        self.call_begins();
        let began = self.now();
        match step {
            Step::Submit(batches) => {
                self.submit(batches, false)?;
                self.busy += self.now() - began;
            }
            Step::Ready(actions) => {
                self.submit(std::slice::from_ref(actions), true)?;
                self.busy += self.now() - began;
            }
            Step::Purge => drop(self.opened()?.purge()?),
            Step::Sync => {
                self.opened()?.sync()?;
                self.everything_is_durable();
            }
            Step::Wait { ms } => self.advance(Duration::from_millis(*ms))?,
            Step::Reopen { closing } => self.reopen(*closing)?,
        }
        self.look()
    }

    fn everything_is_durable(&self) {
        let mut witness = self.witness();
        let accepted = witness.history.accepted();
        witness.history.synced(accepted);
    }

    fn reopen(&mut self, closing: bool) -> Result<(), Error> {
        // Nobody else holds it between two steps.
        if let Some(log) = self.log.take().and_then(Arc::into_inner) {
            if closing {
                log.close()?;
                self.everything_is_durable();
            } else {
                drop(log);
            }
        }
        self.open()?;
        let found = engine::digest_of(self.opened()?, &mut self.buffer.clone())?;
        if found != self.witness().history.model().digest() {
            let message = "opened again without a crash, the log holds something else";
            self.wrongs.push(Wrong::new(Check::S05, message));
        }
        Ok(())
    }

    fn submit(&mut self, batches: &[Actions], sends: bool) -> Result<(), Error> {
        let mut tickets: Vec<(OpNumber, Ticket, Duration)> = Vec::new();
        let (batches, late) = self.last_comes_late(batches);
        for actions in batches {
            self.call_begins();
            let began = self.now();
            let op = self.witness().history.accept(actions.clone());
            if let [(id, Action::Create)] = actions.as_slice() {
                self.opened()?.create_group(id)?;
                self.acknowledge(op, began)?;
                continue;
            }
            let log = self.opened()?;
            let ticket = log.submit(engine::encoded(log, actions)?)?;
            if ticket.ack() == Ack::Accepted {
                self.acknowledge(op, began)?;
            } else {
                tickets.push((op, ticket, began));
                continue;
            }
            if sends {
                tickets.push((op, ticket, began));
            }
        }
        if let (Some(actions), Some(log)) = (late, &self.log) {
            let latecomer = Latecomer::Waits(Arc::clone(log), actions.clone());
            self.witness().latecomer = latecomer;
        }
        for (op, ticket, began) in tickets {
            self.call_begins();
            if ticket.ack() != Ack::Accepted {
                ticket.wait()?;
                self.acknowledge(op, began)?;
            }
            if sends {
                // Nothing leaves before what it rests on is durable.
                ticket.wait_for(Ack::Durable)?;
                self.look()?;
            }
        }
        self.wait_for_latecomer()
    }

    /// Of operations at the same time, where the sync of the first can be under way when the last
    /// one comes: those before it, and the last one.
    fn last_comes_late<'b>(&self, batches: &'b [Actions]) -> (&'b [Actions], Option<&'b Actions>) {
        let entries = |actions: &Actions| {
            let of = |action: &Action| match action {
                Action::Append(entries) => entries.len().max(1),
                _ => 1,
            };
            actions.iter().map(|(_, action)| of(action)).sum::<usize>()
        };
        let creates =
            |actions: &Actions| actions.iter().any(|(_, action)| matches!(action, Action::Create));
        // It must not have to wait for room: nobody would make any.
        let room = QUEUE_ENTRIES as usize;
        let syncs = self.mode.durability == Durability::High;
        match batches.split_last() {
            Some((last, before))
                if syncs
                    && self.mode.order == Order::DiskFirst
                    && !before.is_empty()
                    && !batches.iter().any(creates)
                    && batches.iter().map(entries).sum::<usize>() <= room =>
            {
                (before, Some(last))
            }
            _ => (batches, None),
        }
    }

    /// The latecomer gets its acknowledgement, or, if there was no sync to be late for, comes now.
    fn wait_for_latecomer(&mut self) -> Result<(), Error> {
        let latecomer = std::mem::take(&mut self.witness().latecomer);
        let (op, ticket, began) = match latecomer {
            Latecomer::None => return Ok(()),
            Latecomer::Came(op, ticket, began) => (op, ticket?, began),
            Latecomer::Waits(log, actions) => {
                let began = self.now();
                let op = self.witness().history.accept(actions.clone());
                (op, log.submit(engine::encoded(&log, &actions)?)?, began)
            }
        };
        self.call_begins();
        ticket.wait()?;
        self.acknowledge(op, began)
    }

    fn acknowledge(&mut self, op: OpNumber, began: Duration) -> Result<(), Error> {
        self.look()?;
        let now = self.now();
        self.acknowledgements += 1;
        self.waits.push(now.saturating_sub(began));
        let disk = self.fs.disk();
        let seen = self.seen()?;
        let mut witness = self.witness();
        witness.history.acknowledge(op, now);
        if let Some(seen) = seen {
            witness.history.seen(seen);
        }
        witness.note(disk, Before::Acknowledged);
        Ok(())
    }

    /// Through which operation readers see everything, where they see only what lasts.
    fn seen(&mut self) -> Result<Option<OpNumber>, Error> {
        if (self.mode.durability, self.mode.order) != (Durability::High, Order::DiskFirst) {
            return Ok(None);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let digest = engine::digest_of(self.opened()?, &mut buffer)?;
        self.buffer = buffer;
        let seen = self.witness().history.surely_seen(digest);
        if seen.is_none() {
            let message = "readers see what the log never was";
            self.wrongs.push(Wrong::new(Check::S16, message));
        }
        Ok(seen)
    }
}

/// A call in a few words: `sync_data(00000003.seg)`.
pub fn called(moment: &Moment<'_>) -> String {
    let name = moment.path.file_name().unwrap_or_default().to_string_lossy();
    let call = match moment.operation {
        Operation::Open(_) => "create",
        Operation::Read { .. } => "read_at",
        Operation::Write { .. } => "write_at",
        Operation::Allocate { .. } => "allocate",
        Operation::SetSize { .. } => "set_size",
        Operation::SyncData => "sync_data",
        Operation::Sync => "sync",
        Operation::List => "list",
        Operation::CreateDir => "create_dir",
        Operation::Rename { .. } => "rename",
        Operation::Remove => "remove",
        Operation::RemoveDir => "remove_dir",
        Operation::SyncDir => "sync_dir",
    };
    format!("{call}({})", if name.is_empty() { "/" } else { &name })
}
