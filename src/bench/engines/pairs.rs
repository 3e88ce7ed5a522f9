//! A log with a state machine, as a node has both: every entry is synced in the log, and applied
//! to the state machine without a sync, as a snapshot or the log brings it back.

use crate::bench::Error;
use crate::bench::cell::Engine;
use crate::bench::engines::{Ground, Log, Opened, fastlog, limit, redb};
use crate::model::{Durability, Entry};

/// Keys of the state machine; each is written again and again.
const KEYS: u64 = 10_000;

/// A log with a state machine.
pub(in crate::bench) trait Pair {
    /// Appends one entry, durably.
    fn log(&self, entry: &Entry) -> Result<(), Error>;

    /// Applies it, in no hurry to be durable.
    fn apply(&self, entry: &Entry) -> Result<(), Error>;
}

/// The key that an entry writes.
fn key(entry: &Entry) -> u64 {
    entry.index.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS
}

/// Both in one redb, in a table each.
struct Shared(redb::Log);

impl Pair for Shared {
    fn log(&self, entry: &Entry) -> Result<(), Error> {
        self.0.put(true, 0, entry.index.0, entry.payload_bytes())
    }

    fn apply(&self, entry: &Entry) -> Result<(), Error> {
        self.0.put(false, 1, key(entry), entry.payload_bytes())
    }
}

/// A log of its own, and a redb for the state machine.
struct Dedicated<L> {
    log: L,
    state: redb::Log,
}

impl<L: Log> Pair for Dedicated<L> {
    fn log(&self, entry: &Entry) -> Result<(), Error> {
        self.log.append(0, std::slice::from_ref(entry))
    }

    fn apply(&self, entry: &Entry) -> Result<(), Error> {
        self.state.put(false, 1, key(entry), entry.payload_bytes())
    }
}

/// The bare calls: a synced write to one file, a write to another.
struct Bare {
    log: limit::Buffered,
    state: limit::Buffered,
}

impl Pair for Bare {
    fn log(&self, entry: &Entry) -> Result<(), Error> {
        self.log.append(0, std::slice::from_ref(entry))
    }

    fn apply(&self, entry: &Entry) -> Result<(), Error> {
        self.state.append(0, std::slice::from_ref(entry))
    }
}

/// Opens the engines of a cell in an empty directory. `ground` has two groups: log and state.
pub(in crate::bench) fn open_pair(ground: &Ground<'_>) -> Opened<dyn Pair> {
    let state = || redb::Log::create(ground, &ground.dir.join("state.redb"), Durability::Low);
    let log = || redb::Log::create(ground, &ground.dir.join("log.redb"), Durability::High);
    Ok(Ok(match ground.cell.engine {
        Engine::Limit => Box::new(Bare {
            log: limit::Buffered::named(ground, "log", Durability::High)?,
            state: limit::Buffered::named(ground, "state", Durability::Low)?,
        }),
        Engine::FastLog => Box::new(Dedicated {
            log: fastlog::Log::with(ground, Durability::High, None)?,
            state: state()?,
        }),
        Engine::RedbShared => Box::new(Shared(log()?)),
        Engine::RedbDedicated => Box::new(Dedicated { log: log()?, state: state()? }),
        engine => return Ok(Err(format!("{} is no pair", engine.as_str()))),
    }))
}
