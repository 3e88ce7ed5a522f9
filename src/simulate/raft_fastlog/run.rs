//! A workload on the simulated disk, with what callers were told and the moments of a power cut.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::Durability;
use crate::simulate::check::Check;
use crate::simulate::driver::{Before, Point, Record, called};
use crate::simulate::oracle::{Action, Actions, History, SYNC_INTERVAL, Wrong, raft_fastlog_row};
use crate::simulate::raft_fastlog::library::Library;
use crate::simulate::raft_fastlog::nothing;
use crate::simulate::run::{Job, Options, Recording};
use crate::simulate::workload::Step;
use crate::vfs::Clock;
use crate::vfs::sim::{Disk, SimClock, SimFs};

struct Witness {
    history: History,
    points: Vec<Point>,
    clock: SimClock,
}

impl Witness {
    fn note(&mut self, disk: Disk, before: Before) {
        let (power, kill) = self.history.standing(self.clock.monotonic());
        self.points.push(Point { disk, power, kill, before });
    }
}

/// Runs `steps` at the level of `job`.
pub fn recorded(options: &Options, job: Job, steps: &[Step], traces: bool) -> Recording {
    let fs = SimFs::new(job.profile);
    let level = job.mode.durability;
    let library = Library::create(&fs, level, options.shape.segment_bytes);
    if traces {
        fs.start_trace();
    }
    let clock = SimClock::new();
    let history = History::from_here(raft_fastlog_row(level), nothing());
    let witness = Witness { history, points: Vec::new(), clock: clock.clone() };
    let witness = Arc::new(Mutex::new(witness));
    let (watched, disk_clock, times) = (Arc::clone(&witness), clock.clone(), options.disk.times());
    fs.watch(move |moment| {
        if moment.operation.is_sync() {
            let before = Before::Call(called(moment));
            locked(&watched).note(moment.disk.clone(), before);
            disk_clock.advance(times.sync);
        } else {
            disk_clock.advance(times.write);
        }
    });
    let mut run = Run { fs, clock, level, witness, waits: Vec::new(), busy: Duration::ZERO };
    let ended = library.and_then(|library| run.steps(library, steps));
    run.over(ended)
}

fn locked(witness: &Mutex<Witness>) -> MutexGuard<'_, Witness> {
    witness.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Run {
    fs: SimFs,
    clock: SimClock,
    level: Durability,
    witness: Arc<Mutex<Witness>>,
    waits: Vec<Duration>,
    busy: Duration,
}

impl Run {
    fn steps(&mut self, mut library: Library, steps: &[Step]) -> io::Result<()> {
        let mut next_sync = SYNC_INTERVAL;
        for step in steps {
            let until = match step {
                Step::Submit(operations) => {
                    for operation in operations {
                        self.operation(&mut library, operation)?;
                    }
                    self.clock.monotonic()
                }
                Step::Wait { ms } => self.clock.monotonic() + Duration::from_millis(*ms),
                // This library has nothing else to do.
                _ => continue,
            };
            while self.level == Durability::Mid && next_sync <= until {
                self.pass_to(next_sync);
                library.sync_if_dirty()?;
                next_sync = self.clock.monotonic().max(next_sync) + SYNC_INTERVAL;
            }
            self.pass_to(until);
        }
        Ok(())
    }

    /// Time passes between two calls.
    fn pass_to(&self, until: Duration) {
        let now = self.clock.monotonic();
        locked(&self.witness).history.call_begins(now);
        self.clock.advance(until.saturating_sub(now));
        let now = self.clock.monotonic();
        locked(&self.witness).history.time_passed(now);
    }

    /// One call of the library, and its acknowledgement.
    fn operation(&mut self, library: &mut Library, actions: &Actions) -> io::Result<()> {
        let began = self.clock.monotonic();
        let op = {
            let mut witness = locked(&self.witness);
            witness.history.call_begins(began);
            witness.history.accept(actions.clone())
        };
        for (_, action) in actions {
            match action {
                Action::Append(entries) => library.store(entries)?,
                Action::Put(key, value) => library.set(key, &value.bytes)?,
                Action::Truncate(first) => {
                    if let Some((_, last)) = library.bounds() {
                        library.delete_range(*first, last)?;
                    }
                }
                Action::Forget(through) => {
                    if let Some((first, _)) = library.bounds() {
                        library.delete_range(first, *through)?;
                    }
                }
                // Its plan has no other.
                _ => {}
            }
        }
        let now = self.clock.monotonic();
        self.waits.push(now.saturating_sub(began));
        self.busy += now.saturating_sub(began);
        let disk = self.fs.disk();
        {
            let mut witness = locked(&self.witness);
            witness.history.acknowledge(op, now);
            witness.note(disk, Before::Acknowledged);
        }
        // A thread of its own does this behind the caller's back.
        library.rewrite_if_large()
    }

    fn over(mut self, ended: io::Result<()>) -> Recording {
        let disk = self.fs.disk();
        locked(&self.witness).note(disk, Before::End);
        self.fs.unwatch();
        self.waits.sort_unstable();
        let points_covered = self.fs.calls().0 + self.waits.len() as u64;
        let mut witness = locked(&self.witness);
        let wrongs = ended.err().map(|error| {
            Wrong::new(Check::S14, format!("without any crash the disk refuses: {error}"))
        });
        let record = Record {
            history: witness.history.clone(),
            points: std::mem::take(&mut witness.points),
            points_covered,
            waits: std::mem::take(&mut self.waits),
            busy: self.busy,
            wrongs: wrongs.into_iter().collect(),
        };
        Recording { record, trace: self.fs.take_trace() }
    }
}
