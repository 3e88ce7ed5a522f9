//! The rounds in which the cells take turns, each in a process and a directory of its own.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::bench::cell::{Cell, Engine};
use crate::bench::limits::settle;
use crate::bench::measure::Outcome;
use crate::bench::row::Rounds;
use crate::bench::{BenchResult, Error, LogShape, Machine};
use crate::event::{Event, Observer, Phase};
use crate::model::IoError;
use crate::store::Format;
use crate::store::target::remove_tree;
use crate::vfs::Fs;

/// Seconds that a cell takes beside the time in which it is measured.
const OVERHEAD_SECONDS: f64 = 0.3;
/// Memory that is touched before a cell, so that none of them pays for it.
const SETTLED_BYTES: u64 = 32 << 20;

/// What is going to be done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Plan {
    /// Cells, each measured once a round.
    pub cells: u64,
    /// Seconds that each is measured.
    pub seconds_per_cell: f64,
    /// About how long it all takes.
    pub seconds: f64,
    /// Most bytes that are taken up at one time.
    pub space_needed_bytes: u64,
    /// Bytes free there.
    pub space_free_bytes: Option<u64>,
}

/// What to measure, and where.
#[derive(Clone, Debug)]
pub struct CellsOptions {
    /// Directory to work in; must exist. What is made there is removed at the end.
    pub dir: PathBuf,
    /// Rounds.
    pub rounds: u64,
    /// The cells.
    pub cells: Vec<Cell>,
    /// The machine, as far as the caller knows it.
    pub machine: Machine,
}

/// Measures a cell in an empty directory in a fresh process; the error is what that said.
pub type LaunchCell<'a> = dyn FnMut(&Cell, &Path) -> Result<Outcome, String> + 'a;

/// What was measured until the end, and why it came early, if it did.
pub struct Measured {
    /// The figures.
    pub result: BenchResult,
    /// How it ended.
    pub ended: Result<(), Error>,
}

/// Says what measuring `options` takes.
///
/// # Errors
/// When there is not room enough.
pub fn plan(fs: &dyn Fs, options: &CellsOptions) -> Result<Plan, Error> {
    let cells = options.cells.len() as u64;
    let seconds_per_cell = options.cells.first().map_or(0.0, |cell| cell.seconds);
    // Logs that are opened stay until the end; everything else is there for one cell only.
    let stays = |cell: &&Cell| cell.opened().is_some();
    let opened = options.cells.iter().filter(stays).map(Cell::room_bytes).max().unwrap_or(0);
    let others = options.cells.iter().filter(|cell| !stays(cell)).map(Cell::room_bytes).max();
    let needed_bytes = opened.saturating_add(others.unwrap_or(0));
    let dir = &options.dir;
    let free = fs.free_bytes(dir).map_err(|source| IoError::new("look at", dir, source))?;
    if let Some(free_bytes) = free.filter(|free| *free < needed_bytes) {
        return Err(Error::NoSpace { path: dir.clone(), needed_bytes, free_bytes });
    }
    let each = seconds_per_cell * 1.1 + OVERHEAD_SECONDS;
    Ok(Plan {
        cells,
        seconds_per_cell,
        seconds: each * (cells * options.rounds) as f64,
        space_needed_bytes: needed_bytes,
        space_free_bytes: free,
    })
}

/// Measures every cell once a round, in turn, every other round backwards. What it made in the
/// directory is removed, however it ends.
pub fn run_cells(
    fs: &Arc<dyn Fs>,
    options: &CellsOptions,
    plan: Plan,
    launch: &mut LaunchCell<'_>,
    observer: &mut dyn Observer,
) -> Measured {
    let mut rounds: Vec<Rounds> = options.cells.iter().cloned().map(Rounds::new).collect();
    let ended = Scratch::make(fs, &options.dir).and_then(|scratch| {
        let made = BTreeSet::new();
        let mut turns = Turns { scratch: &scratch, done: 0, made, launch, observer };
        let done = turns.all(options.rounds, &mut rounds);
        scratch.remove().and(done)
    });
    let measured = |rounds: &&Rounds| !rounds.outcomes.is_empty();
    let of = |cell: Option<Cell>| {
        let cell = cell?;
        rounds.iter().filter(measured).find(|other| other.cell == cell)
    };
    let row = |rounds: &Rounds| rounds.row(of(rounds.cell.limit()), of(rounds.cell.smallest()));
    let rows = rounds.iter().filter(measured).map(row);
    let result = BenchResult {
        machine: options.machine.clone(),
        rounds: options.rounds,
        plan: Some(plan),
        rows: rows.collect(),
        jobs: Vec::new(),
    };
    Measured { result, ended }
}

fn create(fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
    Ok(fs.create_dir(dir).map_err(|source| IoError::new("create", dir, source))?)
}

/// A directory of our own, removed at the end.
struct Scratch {
    fs: Arc<dyn Fs>,
    path: PathBuf,
}

impl Scratch {
    fn make(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Scratch, Error> {
        let path = dir.join(format!("raftlog-bench.{}", std::process::id()));
        fs.create_dir(&path).map_err(|source| IoError::new("create", &path, source))?;
        Ok(Scratch { fs: Arc::clone(fs), path })
    }

    fn remove(self) -> Result<(), Error> {
        Ok(remove_tree(self.fs.as_ref(), &self.path)?)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Only after a panic anything is left; that is told already.
        let _told = remove_tree(self.fs.as_ref(), &self.path);
    }
}

struct Turns<'a, 'l> {
    scratch: &'a Scratch,
    done: u64,
    /// Logs that were made to be opened.
    made: BTreeSet<PathBuf>,
    launch: &'a mut LaunchCell<'l>,
    observer: &'a mut dyn Observer,
}

impl Turns<'_, '_> {
    fn all(&mut self, rounds: u64, cells: &mut [Rounds]) -> Result<(), Error> {
        let total = rounds.saturating_mul(cells.len() as u64);
        let phase = Phase::Measuring;
        self.tell(&Event::Started { phase, total_bytes: None, total_entries: Some(total) })?;
        for round in 0..rounds {
            for step in 0..cells.len() {
                let at = if round % 2 == 0 { step } else { cells.len() - 1 - step };
                if let Some(cell) = cells.get_mut(at) {
                    self.once(cell)?;
                }
            }
        }
        self.tell(&Event::Finished { phase })
    }

    fn once(&mut self, rounds: &mut Rounds) -> Result<(), Error> {
        let fs = self.scratch.fs.as_ref();
        let outcome = match rounds.cell.opened() {
            Some(shape) => {
                let dir = self.made_before(&rounds.cell, shape)?;
                (self.launch)(&rounds.cell, &dir)
            }
            None => {
                let dir = self.scratch.path.join("cell");
                settle(fs, &self.scratch.path.join("settling"), SETTLED_BYTES)?;
                create(fs, &dir)?;
                let outcome = (self.launch)(&rounds.cell, &dir);
                remove_tree(fs, &dir)?;
                outcome
            }
        };
        self.done += 1;
        // First whether the operator wants it to stop: then its process was stopped, too.
        self.tell(&Event::Advanced { phase: Phase::Measuring, bytes: 0, entries: self.done })?;
        let outcome = outcome.map_err(|message| Error::Job {
            job: format!("bench --cell '{}'", rounds.cell),
            message,
        })?;
        rounds.outcomes.push(outcome);
        Ok(())
    }

    /// The directory with the logs of a shape; makes the one that the cell opens.
    fn made_before(&mut self, cell: &Cell, shape: LogShape) -> Result<PathBuf, Error> {
        let fs = &self.scratch.fs;
        let dir = self.scratch.path.join(format!("{}x{}", shape.entries, shape.payload_bytes));
        if self.made.insert(dir.clone()) {
            create(fs.as_ref(), &dir)?;
        }
        let (format, name) = match cell.engine {
            Engine::Redb => (Format::Redb, "log.redb"),
            _ => (Format::FastLog, "log.fastlog"),
        };
        let path = dir.join(name);
        if self.made.insert(path.clone()) {
            shape.write(fs, format, &path)?;
            settle(fs.as_ref(), &path, 0)?;
        }
        Ok(dir)
    }

    fn tell(&mut self, event: &Event) -> Result<(), Error> {
        match self.observer.on(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]

    use super::*;
    use crate::bench::cell::Workload;
    use crate::bench::choice::Choice;
    use crate::event::Unobserved;
    use crate::vfs::full::FullDisk;
    use crate::vfs::os::OsFs;

    fn options(dir: &Path) -> CellsOptions {
        let cells = Choice { seconds: 0.01, ..Choice::default() }.cells();
        let cells = cells.into_iter().take(3).collect();
        CellsOptions { dir: dir.to_owned(), rounds: 2, cells, machine: Machine::default() }
    }

    fn names(dir: &Path) -> usize {
        std::fs::read_dir(dir).expect("directory").count()
    }

    #[test]
    fn too_little_room_is_refused_with_the_figures() {
        let dir = tempfile::tempdir().expect("a directory");
        let options = options(dir.path());
        let needed = plan(&OsFs, &options).expect("room here").space_needed_bytes;
        let small = FullDisk::over(Arc::new(OsFs), needed - 1).telling();
        match plan(&small, &options) {
            Err(Error::NoSpace { needed_bytes, free_bytes, .. }) => {
                assert_eq!((needed_bytes, free_bytes), (needed, needed - 1));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn cells_take_turns_and_every_second_round_goes_backwards() {
        let dir = tempfile::tempdir().expect("a directory");
        let (fs, options) = (Arc::new(OsFs) as Arc<dyn Fs>, options(dir.path()));
        let mut seen = Vec::new();
        let mut launch = |cell: &Cell, inside: &Path| {
            assert_eq!(names(inside), 0, "a directory of its own");
            seen.push(cell.clone());
            Ok(Outcome { operations: 10, seconds: 1.0, ..Outcome::default() })
        };
        let plan = plan(&OsFs, &options).expect("room");
        let measured = run_cells(&fs, &options, plan, &mut launch, &mut Unobserved);
        assert!(measured.ended.is_ok());
        assert_eq!(measured.result.rows.len(), 3);
        let backwards = options.cells.iter().rev().cloned();
        assert_eq!(seen, options.cells.iter().cloned().chain(backwards).collect::<Vec<_>>());
        assert_eq!(names(dir.path()), 0, "something is left");
    }

    #[test]
    fn a_log_that_is_opened_is_made_once_and_stays_until_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let fs = Arc::new(OsFs) as Arc<dyn Fs>;
        let opened = vec![LogShape { entries: 9, payload_bytes: 8 }];
        let choice = Choice { workloads: vec![Workload::G], opened, ..Choice::default() };
        let cells = choice.cells();
        let options = CellsOptions { cells, ..options(dir.path()) };
        let mut seen = Vec::new();
        let mut launch = |cell: &Cell, inside: &Path| {
            let name = if cell.engine == Engine::Redb { "log.redb" } else { "log.fastlog" };
            let found = std::fs::metadata(inside.join(name)).expect("it is there");
            seen.push((cell.engine, found.created().ok()));
            Ok(Outcome { operations: 9, seconds: 1.0, ..Outcome::default() })
        };
        let measured = run_cells(&fs, &options, Plan::default(), &mut launch, &mut Unobserved);
        assert!(measured.ended.is_ok());
        let redb: Vec<_> = seen.iter().filter(|(engine, _)| *engine == Engine::Redb).collect();
        assert_eq!(redb.len(), 4);
        assert!(redb.windows(2).all(|pair| pair[0] == pair[1]), "{redb:?}");
        assert_eq!(names(dir.path()), 0, "something is left");
    }

    #[test]
    fn what_was_measured_before_a_failure_is_kept_and_the_rest_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (fs, options) = (Arc::new(OsFs) as Arc<dyn Fs>, options(dir.path()));
        let mut launched = 0;
        let mut launch = |_: &Cell, inside: &Path| {
            std::fs::write(inside.join("log"), "x").expect("written");
            launched += 1;
            match launched {
                3 => Err("broke".to_owned()),
                _ => Ok(Outcome { operations: 10, seconds: 1.0, ..Outcome::default() }),
            }
        };
        let measured = run_cells(&fs, &options, Plan::default(), &mut launch, &mut Unobserved);
        assert!(matches!(measured.ended, Err(Error::Job { message, .. }) if message == "broke"));
        assert_eq!(measured.result.rows.len(), 2);
        assert_eq!(names(dir.path()), 0, "something is left");
    }
}
