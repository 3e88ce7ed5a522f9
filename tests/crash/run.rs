//! Running a workload on the simulated disk, collecting the moments at which it may be cut off,
//! and judging what recovery makes of what is left.

#![allow(clippy::disallowed_methods, dead_code)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raftlog::fastlog::format::LogUid;
use raftlog::fastlog::{AppliedAndSynced, Batch, Error, FastLog, Fill, Options, Stepping};
use raftlog::model::{IndexRange, LogIndex};
use raftlog::vfs::sim::{Disk, SimClock, SimFs};
use raftlog::vfs::{OpenMode, Vfs, read_exact_at};

use crate::workload::{Action, Batch as Actions, Model, State, Step, extra_entry};

/// A moment at which the power may go.
#[derive(Clone)]
pub struct Point {
    pub disk: Disk,
    /// Operations that must be there.
    pub promised: usize,
    /// Operations that may be there.
    pub accepted: usize,
    /// What was about to happen.
    pub before: String,
}

#[derive(Default)]
struct Seen {
    points: Vec<Point>,
    promised: usize,
    accepted: usize,
}

/// A workload while it runs.
pub struct Run {
    pub fs: SimFs,
    clock: SimClock,
    log: Option<FastLog>,
    model: Model,
    /// The state after each number of operations.
    pub history: Vec<State>,
    seen: Arc<Mutex<Seen>>,
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
        ..Options::default()
    }
}

pub fn open(fs: &SimFs, clock: &SimClock) -> Result<FastLog, Error> {
    let clock = Arc::new(clock.clone());
    FastLog::open_or_create(Arc::new(fs.clone()), clock, dir(), &options())
}

impl Run {
    pub fn new(fs: SimFs) -> Run {
        let seen = Arc::<Mutex<Seen>>::default();
        let watched = Arc::clone(&seen);
        fs.watch(move |moment| {
            if moment.operation.is_sync() {
                let name = moment.path.file_name().unwrap_or_default().to_string_lossy();
                let before = format!("{:?}({name})", moment.operation);
                watched.lock().expect("not poisoned").note(moment.disk.clone(), before);
            }
        });
        let history = vec![State::new()];
        Run { fs, clock: SimClock::new(), log: None, model: Model::default(), history, seen }
    }

    /// Does `steps` until one fails.
    pub fn steps(&mut self, steps: &[Step]) -> Result<(), Error> {
        if self.log.is_none() {
            self.log = Some(open(&self.fs, &self.clock)?);
        }
        steps.iter().try_for_each(|step| self.step(step))
    }

    /// The points met so far, and the end.
    pub fn points(&self) -> Vec<Point> {
        let mut seen = self.seen.lock().expect("not poisoned");
        let end = self.fs.disk();
        seen.note(end, "the end".to_owned());
        seen.points.clone()
    }

    pub fn close(&mut self) {
        self.log.take().expect("open").close().expect("closed");
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

    pub fn promised(&self) -> usize {
        self.seen.lock().expect("not poisoned").promised
    }

    pub fn accepted(&self) -> usize {
        self.seen.lock().expect("not poisoned").accepted
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Create(id) => {
                self.model.create(id);
                self.accept();
                self.opened().create_group(id)?;
                self.acknowledge(1);
            }
            Step::Batches(batches) => self.batches(batches)?,
            Step::Purge => drop(self.opened().purge()?),
            Step::Sync => drop(self.opened().sync()?),
            Step::Wait { ms } => {
                self.clock.advance(Duration::from_millis(*ms));
                self.opened().step()?;
            }
            Step::Reopen { closing } => {
                let log = self.log.take().expect("open");
                if *closing {
                    log.close()?;
                } else {
                    drop(log);
                }
                self.log = Some(open(&self.fs, &self.clock)?);
                assert_eq!(Some(&state_of(self.opened())), self.history.last(), "opened again");
            }
        }
        Ok(())
    }

    fn batches(&mut self, batches: &[Actions]) -> Result<(), Error> {
        let mut tickets = Vec::new();
        for batch in batches {
            let put = self.encoded(batch);
            self.model.apply(batch);
            self.accept();
            tickets.push(self.opened().submit(put)?);
        }
        for ticket in tickets {
            ticket.wait()?;
            self.acknowledge(1);
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

    fn accept(&mut self) {
        self.history.push(self.model.state());
        self.seen.lock().expect("not poisoned").accepted += 1;
    }

    fn acknowledge(&mut self, ops: usize) {
        let mut seen = self.seen.lock().expect("not poisoned");
        seen.promised += ops;
        let disk = self.fs.disk();
        seen.note(disk, "an acknowledgement".to_owned());
    }
}

impl Seen {
    fn note(&mut self, disk: Disk, before: String) {
        let (promised, accepted) = (self.promised, self.accepted);
        self.points.push(Point { disk, promised, accepted, before });
    }
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
    Ok(state_of(log))
}
