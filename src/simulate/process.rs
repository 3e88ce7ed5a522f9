//! Real processes on a real directory, ended by SIGKILL: that threads, binary and file system agree
//! with what the column "process kill" promises.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::fastlog::{Error, FastLog, Fill, Options as LogOptions, Stepping, Ticket};
use crate::model::Severity;
use crate::simulate::check::Check;
use crate::simulate::engine::{self, QUEUE_ENTRIES};
use crate::simulate::mode::Mode;
use crate::simulate::oracle::{Action, Actions, History, Model, OpNumber, Wrong, diagnose, row};
use crate::simulate::outcome::Finding;
use crate::simulate::workload::{Shape, Step, endless};
use crate::vfs::sim::{Dice, Seed};
use crate::vfs::{Clock, Vfs};

/// Longest time a child lives before it is killed, in milliseconds.
const LIFE_MS: u64 = 70;

/// What killing processes showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProcessResult {
    /// Processes killed.
    pub rounds: u64,
    /// Operations that were acknowledged to a caller in them.
    pub acknowledged: u64,
    /// Operations that were there when the log was opened again.
    pub recovered: u64,
    /// Operations that were acknowledged, and not there.
    pub lost: u64,
    /// Rounds after which a promise was broken.
    pub violations: u64,
}

/// What a child does: the operations of a seed in a mode, from one of them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// How the log is opened.
    pub mode: Mode,
    /// Of all operations, whichever child does them.
    pub seed: Seed,
    /// How many of them the log holds already.
    pub from: usize,
}

/// What a child tells, with how many operations there are then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// One more is about to be submitted.
    Submitting(usize),
    /// This one was acknowledged.
    Acknowledged(usize),
}

/// Bytes of what is told.
pub const TOLD_BYTES: usize = 9;

impl Told {
    /// As it goes through a pipe.
    pub fn encode(self) -> [u8; TOLD_BYTES] {
        let (tag, number) = match self {
            Told::Submitting(number) => (0, number),
            Told::Acknowledged(number) => (1, number),
        };
        let mut bytes = [tag; TOLD_BYTES];
        for (into, from) in bytes.iter_mut().skip(1).zip((number as u64).to_le_bytes()) {
            *into = from;
        }
        bytes
    }

    /// All that came through a pipe whole.
    pub fn decode_all(bytes: &[u8]) -> Vec<Told> {
        let decode = |piece: &[u8]| {
            let (tag, number) = piece.split_first()?;
            let number = u64::from_le_bytes(number.try_into().ok()?);
            let number = usize::try_from(number).ok()?;
            Some(if *tag == 0 { Told::Submitting(number) } else { Told::Acknowledged(number) })
        };
        bytes.chunks_exact(TOLD_BYTES).filter_map(decode).collect()
    }
}

fn options(mode: &Mode, shape: &Shape) -> LogOptions {
    LogOptions {
        stepping: Stepping::Thread,
        fill: Fill::Ahead { step_bytes: 64 << 10 },
        uid: None,
        ..engine::options(mode, shape.segment_bytes)
    }
}

/// What every child does: nothing larger than a few KiB, segments that are soon full.
fn shape() -> Shape {
    Shape { payload_bytes: vec![0, 10, 100, 700], segment_bytes: 64 << 10, ..Shape::usual(0) }
}

/// Does a child's work until it is killed. `tell` is called before each submission and after each
/// acknowledgement.
///
/// # Errors
/// What the log said, or the pipe.
pub fn work(
    vfs: Arc<dyn Vfs>,
    clock: Arc<dyn Clock>,
    dir: &Path,
    task: &Task,
    tell: &mut dyn FnMut(Told) -> io::Result<()>,
) -> Result<(), Error> {
    let shape = shape();
    let log = FastLog::open_or_create(vfs, clock, dir, &options(&task.mode, &shape))?;
    let mut done = 0;
    let failed = |error| crate::model::IoError::new("tell", dir, error);
    for step in endless(task.seed, &shape) {
        let batches = match step {
            Step::Submit(batches) => batches,
            Step::Ready(actions) => vec![actions],
            Step::Purge if done >= task.from => {
                log.purge()?;
                continue;
            }
            Step::Sync if done >= task.from => {
                log.sync()?;
                continue;
            }
            _ => continue,
        };
        let mut tickets: Vec<(usize, Ticket)> = Vec::new();
        for actions in batches {
            done += 1;
            if done <= task.from {
                continue;
            }
            tell(Told::Submitting(done)).map_err(failed)?;
            if let [(id, Action::Create)] = actions.as_slice() {
                log.create_group(id)?;
                tell(Told::Acknowledged(done)).map_err(failed)?;
            } else {
                tickets.push((done, log.submit(engine::encoded(&log, &actions)?)?));
            }
        }
        for (number, ticket) in tickets {
            ticket.wait()?;
            tell(Told::Acknowledged(number)).map_err(failed)?;
        }
    }
    Ok(())
}

/// The next round: what the child does, and how long it lives.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// What it does.
    pub task: Task,
    /// When it is killed.
    pub after: Duration,
}

/// Rounds on one directory.
pub struct Rounds {
    modes: Vec<Mode>,
    seed: Seed,
    dice: Dice,
    shape: Shape,
    steps: Box<dyn Iterator<Item = Actions>>,
    /// Operations from the `from`th on that were planned so far.
    planned: VecDeque<Actions>,
    from: usize,
    base: Model,
    result: ProcessResult,
    findings: Vec<Finding>,
}

impl Rounds {
    /// Rounds that begin with an empty directory, each in the next of `modes`.
    pub fn new(modes: Vec<Mode>, seed: Seed) -> Rounds {
        let shape = shape();
        let steps = endless(seed, &shape).flat_map(|step| match step {
            Step::Submit(batches) => batches,
            Step::Ready(actions) => vec![actions],
            _ => Vec::new(),
        });
        Rounds {
            modes,
            seed,
            dice: Dice::new(seed.part(0)),
            shape,
            steps: Box::new(steps),
            planned: VecDeque::new(),
            from: 0,
            base: Model::default(),
            result: ProcessResult::default(),
            findings: Vec::new(),
        }
    }

    /// The next round.
    pub fn next_round(&mut self) -> Round {
        let count = self.modes.len().max(1) as u64;
        let at = usize::try_from(self.result.rounds % count).unwrap_or_default();
        let mode = self.modes.get(at).copied().unwrap_or_default();
        let after = Duration::from_millis(self.dice.below(LIFE_MS + 1));
        Round { task: Task { mode, seed: self.seed, from: self.from }, after }
    }

    /// Opens what a killed child left, and judges it. Returns whether rounds can go on from there.
    pub fn judge(
        &mut self,
        round: &Round,
        told: &[Told],
        vfs: Arc<dyn Vfs>,
        clock: Arc<dyn Clock>,
        dir: &Path,
    ) -> bool {
        self.result.rounds += 1;
        let now = Duration::ZERO;
        let mode = round.task.mode;
        let mut history = History::from_here(row(&mode, QUEUE_ENTRIES), self.base.clone());
        for told in told {
            match told {
                Told::Submitting(number) => {
                    let at = number.saturating_sub(self.from + 1);
                    while self.planned.len() <= at {
                        self.planned.extend(self.steps.next());
                    }
                    history.accept(self.planned.get(at).cloned().unwrap_or_default());
                }
                Told::Acknowledged(number) => {
                    history.acknowledge(OpNumber(number.saturating_sub(self.from)), now);
                    self.result.acknowledged += 1;
                }
            }
        }
        let standing = history.standing(now).1;
        let opened = FastLog::open_or_create(vfs, clock, dir, &options(&mode, &self.shape));
        let log = match opened {
            Ok(log) => log,
            Err(error) => {
                let message = format!("killed, it does not open: {error}");
                self.broken(&mode, vec![Wrong::new(Check::S01, message)]);
                return false;
            }
        };
        let fits = engine::digest_of(&log, &mut Vec::new())
            .map(|digest| history.fitting(digest, standing.promised(), standing.accepted));
        let wrongs = match fits {
            Ok(Some(kept)) => {
                let lost = history.loss(kept, &standing);
                self.result.recovered += kept.0 as u64;
                self.result.lost += (standing.acknowledged.0.saturating_sub(lost.ops.start)) as u64;
                self.base = history.model_after(kept);
                self.planned.drain(..kept.0.min(self.planned.len()));
                self.from += kept.0;
                return true;
            }
            Ok(None) => match engine::state_of(&log) {
                Ok(state) => diagnose(&history, &standing, &state),
                Err(error) => vec![Wrong::new(Check::S05, error.to_string())],
            },
            Err(error) => vec![Wrong::new(Check::S05, error.to_string())],
        };
        self.broken(&mode, wrongs);
        false
    }

    /// A child that ended by itself.
    pub fn ended_early(&mut self, round: &Round, how: &str) {
        self.result.rounds += 1;
        let message = format!("a process ended by itself: {how}");
        self.broken(&round.task.mode, vec![Wrong::new(Check::S14, message)]);
    }

    fn broken(&mut self, mode: &Mode, wrongs: Vec<Wrong>) {
        self.result.violations += 1;
        for wrong in wrongs {
            self.findings.push(Finding {
                code: wrong.check,
                severity: Severity::Error,
                mode: mode.flags(),
                group: wrong.group,
                index: wrong.index,
                term: wrong.term,
                message: format!("{}; after a kill", wrong.message),
                count: 1,
                case: None,
                command: None,
            });
        }
    }

    /// What was found.
    pub fn finish(self) -> (ProcessResult, Vec<Finding>) {
        (self.result, self.findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::os::{OsClock, OsFs};

    #[test]
    fn what_is_told_comes_through_a_pipe_as_far_as_it_is_whole() {
        let all = [Told::Submitting(0), Told::Acknowledged(7), Told::Submitting(1 << 40)];
        let mut bytes: Vec<u8> = all.iter().flat_map(|told| told.encode()).collect();
        assert_eq!(Told::decode_all(&bytes), all);
        bytes.pop();
        assert_eq!(Told::decode_all(&bytes), all[..2]);
    }

    /// Threads in place of processes: the log is dropped where a process would be killed.
    #[test]
    fn rounds_go_on_where_the_last_one_ended_and_notice_what_is_lost() {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = || Arc::new(OsClock);
        let mut rounds = Rounds::new(Mode::all(), Seed(0x51));
        let mut from = 0;
        for _ in 0..12 {
            let round = rounds.next_round();
            assert!(round.task.from >= from);
            from = round.task.from;
            let mut told = Vec::new();
            let _cut_off = work(Arc::new(OsFs), clock(), dir.path(), &round.task, &mut |what| {
                told.push(what);
                let enough = told.len() > 120;
                if enough { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
            });
            let goes_on = rounds.judge(&round, &told, Arc::new(OsFs), clock(), dir.path());
            assert!(goes_on, "{:?}", rounds.findings);
        }
        assert!(rounds.result.acknowledged > 500 && rounds.result.violations == 0);
        // What is said to be acknowledged and was never written is missed.
        let round = rounds.next_round();
        let next = round.task.from + 1;
        let told = [Told::Submitting(next), Told::Acknowledged(next)];
        assert!(!rounds.judge(&round, &told, Arc::new(OsFs), clock(), dir.path()));
        assert_eq!(rounds.result.violations, 1);
    }
}
