//! The engines under one interface, each used as its own documentation says.

mod fastlog;
mod limit;
mod pairs;
#[cfg(feature = "bench-peers")]
mod peers;
mod redb;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::bench::Error;
use crate::bench::cell::{Cell, Engine, Operation, Workload};
use crate::model::{Durability, Entry, IndexRange, LogIndex};
use crate::vfs::{Clock, Fs};

pub(super) use pairs::{Pair, open_pair};

/// A log that is measured. Groups are numbered from 0, and entries are of term 1.
pub(super) trait Log: Send + Sync {
    /// Appends to a group, acknowledged as the cell's durability says.
    fn append(&self, group: u32, entries: &[Entry]) -> Result<(), Error>;

    /// Brings files into the state that they are in when the log has been in use for a while, where
    /// that makes a difference.
    fn settle(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Drops everything of a group through an index, as a node does after a snapshot. Engines
    /// that have no room to give back for it, or none that they use again, need not.
    fn snapshot_taken(&self, _group: u32, _through: LogIndex) -> Result<(), Error> {
        Ok(())
    }

    /// Waits until the operating system has everything that was acknowledged. The clock runs until
    /// then: memory that still fills is no throughput.
    fn drain(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Removes everything of group 0 from an index on.
    fn truncate(&self, _first_removed: LogIndex) -> Result<(), Error> {
        Err(not_compared())
    }

    /// Drops everything of group 0 through an index.
    fn compact(&self, _through: LogIndex) -> Result<(), Error> {
        Err(not_compared())
    }

    /// Gives back the room of what was dropped, where that is a call of its own.
    fn purge(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Reads entries of group 0 and returns how many bytes their values have.
    fn read(&self, _range: IndexRange) -> Result<u64, Error> {
        Err(not_compared())
    }

    /// First and last index of group 0.
    fn bounds(&self) -> Result<Option<IndexRange>, Error> {
        Err(not_compared())
    }

    /// Sets a stable key.
    fn set(&self, _key: &[u8], _value: &[u8]) -> Result<(), Error> {
        Err(not_compared())
    }

    /// Reads a stable key and returns how many bytes its value has.
    fn get(&self, _key: &[u8]) -> Result<u64, Error> {
        Err(not_compared())
    }
}

/// The plan has no cell in which an engine is asked for what it is not compared in.
fn not_compared() -> Error {
    let message = "it is not compared in this".to_owned();
    Error::Engine { engine: "the engine", message }
}

/// Level 0 syncs about this often.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// Says which writes are to be synced, for engines that are told so with each.
struct Syncs {
    durability: Durability,
    clock: Arc<dyn Clock>,
    last: Mutex<Duration>,
}

impl Syncs {
    fn new(ground: &Ground<'_>, durability: Durability) -> Syncs {
        let clock = Arc::clone(ground.clock);
        Syncs { durability, last: Mutex::new(clock.monotonic()), clock }
    }

    /// Whether the next write is.
    fn now(&self) -> bool {
        match self.durability {
            Durability::High => true,
            Durability::Low => false,
            Durability::Mid => {
                let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                let now = self.clock.monotonic();
                let due = now.saturating_sub(*last) >= SYNC_INTERVAL;
                if due {
                    *last = now;
                }
                due
            }
        }
    }
}

/// What an engine is opened with.
pub(super) struct Ground<'a> {
    pub(super) fs: &'a Arc<dyn Fs>,
    pub(super) clock: &'a Arc<dyn Clock>,
    /// An empty directory; where a log is opened, the one with the logs.
    pub(super) dir: &'a Path,
    pub(super) cell: &'a Cell,
}

impl Ground<'_> {
    /// Groups that there are.
    fn groups(&self) -> u32 {
        match (self.cell.workload, self.cell.operation) {
            // The log and the state machine.
            (Workload::H, _) => 2,
            (_, Operation::AfterGroups) => u32::try_from(self.cell.extent).unwrap_or(u32::MAX),
            _ => self.cell.writers,
        }
    }
}

/// An engine, or why this machine or this file system does not have it.
pub(super) type Opened<T> = Result<Result<Box<T>, String>, Error>;

/// Opens the engine of a cell in an empty directory.
pub(super) fn open(ground: &Ground<'_>) -> Opened<dyn Log> {
    Ok(Ok(match ground.cell.engine {
        Engine::Limit => Box::new(limit::Buffered::open(ground)?),
        Engine::LimitDirect => match limit::Direct::open(ground)? {
            Ok(log) => Box::new(log),
            Err(reason) => return Ok(Err(reason)),
        },
        Engine::FastLog => Box::new(fastlog::Log::open(ground)?),
        Engine::Redb => Box::new(redb::Log::open(ground)?),
        Engine::RedbShared | Engine::RedbDedicated => return Ok(Err(NO_LOG_ALONE.to_owned())),
        Engine::RaftEngine | Engine::Fjall | Engine::OkayWal | Engine::RaftLog => {
            return open_peer(ground);
        }
    }))
}

#[cfg(feature = "bench-peers")]
fn open_peer(ground: &Ground<'_>) -> Opened<dyn Log> {
    peers::open(ground)
}

#[cfg(not(feature = "bench-peers"))]
fn open_peer(_ground: &Ground<'_>) -> Opened<dyn Log> {
    Ok(Err("built without the feature bench-peers".to_owned()))
}

const NO_LOG_ALONE: &str = "this one is a log with a state machine";

/// Opens the log that stands in the directory, as a node does that starts; with `entries` every
/// entry is read into memory. Returns how many entries there are, and what keeps them.
pub(super) fn reopen(ground: &Ground<'_>, entries: bool) -> Opened<dyn Reopened> {
    Ok(Ok(match ground.cell.engine {
        Engine::Limit => Box::new(limit::read_pass(ground)?),
        Engine::FastLog => Box::new(fastlog::Reopened::open(ground, entries)?),
        Engine::Redb => Box::new(redb::Reopened::open(ground, entries)?),
        engine => return Ok(Err(format!("{} opens no log here", engine.as_str()))),
    }))
}

/// A log that was opened.
pub(super) trait Reopened {
    /// Entries in it.
    fn entries(&self) -> u64;
}

/// Where the log of an engine lies that is to be opened.
pub(super) fn place_of(engine: Engine, dir: &Path) -> std::path::PathBuf {
    match engine {
        Engine::Redb => dir.join("log.redb"),
        _ => dir.join("log.fastlog"),
    }
}

/// What an engine said when it failed.
pub(super) fn failed(engine: Engine) -> impl FnOnce(&dyn std::fmt::Display) -> Error {
    move |error| Error::Engine { engine: engine.as_str(), message: error.to_string() }
}
