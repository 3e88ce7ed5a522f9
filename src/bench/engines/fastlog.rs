//! FastLog, through its public interface.

use std::sync::Arc;

use crate::bench::Error;
use crate::bench::cell::{Engine, Operation, SEGMENT_BYTES, ValueBytes};
use crate::bench::engines::{Ground, place_of};
use crate::bench::values::Values;
use crate::fastlog::format::GroupNo;
use crate::fastlog::policy::{Ack, Durability, Strategy};
use crate::fastlog::{
    AppliedAndSynced, Batch, FastLog, Memory, Options, PastCache,
    SEGMENT_BYTES as SEGMENT_BYTES_DEFAULT,
};
use crate::model::{Entry, GroupId, IndexRange, LogId, LogIndex, StableValue, Term};

/// An open log with its groups.
pub(super) struct Log {
    log: FastLog,
    groups: Vec<GroupNo>,
    drains: bool,
    /// Whether what one call writes is so much that it matters what state the files are in.
    settles: bool,
}

/// From so many bytes a call on, the state of the files matters.
const SETTLED_FROM_BYTES: u64 = 64 << 10;

/// Where a node reads its log, it has it in memory; where it only writes, that is not measured.
fn memory_of(ground: &Ground<'_>) -> Memory {
    match ground.cell.operation {
        Operation::RandomRead | Operation::RangeRead | Operation::GetLog => Memory::EAGER,
        _ => Memory::Index,
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    super::failed(Engine::FastLog)(&error)
}

impl Log {
    /// Creates a log in the mode of the cell, with a group a writer.
    pub(super) fn open(ground: &Ground<'_>) -> Result<Log, Error> {
        let many = ground.cell.operation == Operation::AfterSegments;
        Log::with(ground, ground.cell.durability, many.then_some(SEGMENT_BYTES))
    }

    pub(super) fn with(
        ground: &Ground<'_>,
        level: Durability,
        segment_bytes: Option<u64>,
    ) -> Result<Log, Error> {
        let mode = ground.cell.mode.unwrap_or_default();
        let options = Options {
            level: Some(level),
            strategy: Some(mode.strategy),
            flush: Some(mode.flush),
            segment_bytes,
            // As the guide tells a node to.
            past_cache: PastCache::Measured,
            memory: memory_of(ground),
            ..Options::default()
        };
        let vfs = Arc::clone(ground.fs);
        let dir = ground.dir.join("log.fastlog");
        let log = FastLog::create(vfs, Arc::clone(ground.clock), &dir, &options);
        let log = log.map_err(failed)?;
        let groups: Result<Vec<GroupNo>, _> = (0..ground.groups())
            .map(|number| log.create_group(&GroupId::named(&format!("group-{number}"))))
            .collect();
        let drains = mode.strategy == Strategy::MemFirst;
        let at_once = u64::from(ground.cell.batch) * u64::from(ground.cell.writers);
        let at_once = at_once * ground.cell.value.0 as u64;
        let settles = level == Durability::High && at_once >= SETTLED_FROM_BYTES;
        Ok(Log { groups: groups.map_err(failed)?, log, drains, settles })
    }

    /// Fills a segment with entries of a group that is not there any more afterwards, so that it
    /// serves again.
    fn fill_segment(&self) -> Result<(), Error> {
        let group = self.log.create_group(&GroupId::named("before")).map_err(failed)?;
        let mut values = Values::new(ValueBytes(1 << 20), 8);
        let mut filled = 0;
        while filled <= SEGMENT_BYTES_DEFAULT {
            let mut batch = Batch::new();
            filled += values.bytes();
            batch.append(group, values.take()).map_err(failed)?;
            self.log.write(batch).map_err(failed)?;
        }
        let mut batch = Batch::new();
        batch.remove_group(group);
        self.log.write(batch).map_err(failed)?;
        self.log.purge().map_err(failed)?;
        Ok(())
    }

    fn group(&self, group: u32) -> GroupNo {
        let at = usize::try_from(group).unwrap_or(usize::MAX);
        self.groups.get(at).copied().unwrap_or_default()
    }
}

impl super::Log for Log {
    fn append(&self, group: u32, entries: &[Entry]) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.append(self.group(group), entries).map_err(failed)?;
        self.log.write(batch).map_err(failed)
    }

    fn settle(&self) -> Result<(), Error> {
        match self.settles {
            // The first one is filled with zeros while it is written; the next ones are not.
            true => self.fill_segment().and_then(|()| self.fill_segment()),
            false => Ok(()),
        }
    }

    fn snapshot_taken(&self, group: u32, through: LogIndex) -> Result<(), Error> {
        let mut batch = Batch::new();
        let last_dropped = LogId { index: through, term: Term(1) };
        let applied = AppliedAndSynced::through(through);
        batch.compact(self.group(group), last_dropped, applied);
        self.log.write(batch).map_err(failed)?;
        self.log.purge().map_err(failed)?;
        Ok(())
    }

    fn drain(&self) -> Result<(), Error> {
        if !self.drains {
            return Ok(());
        }
        // An empty batch is accepted behind everything else.
        let ticket = self.log.submit(Batch::new()).map_err(failed)?;
        ticket.wait_for(self.log.promise().flush_to.max(Ack::Written)).map_err(failed)
    }

    fn truncate(&self, first_removed: LogIndex) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.truncate(self.group(0), first_removed);
        self.log.write(batch).map_err(failed)
    }

    fn compact(&self, through: LogIndex) -> Result<(), Error> {
        let mut batch = Batch::new();
        let last_dropped = LogId { index: through, term: Term(1) };
        batch.compact(self.group(0), last_dropped, AppliedAndSynced::through(through));
        self.log.write(batch).map_err(failed)
    }

    fn purge(&self) -> Result<(), Error> {
        self.log.purge().map_err(failed)?;
        Ok(())
    }

    fn read(&self, range: IndexRange) -> Result<u64, Error> {
        if range.count() == 1 {
            let entry = self.log.read(self.group(0), range.first()).map_err(failed)?;
            return Ok(entry.map_or(0, |entry| entry.payload_bytes().len() as u64));
        }
        let mut bytes = 0;
        for placed in self.log.entries(self.group(0), range) {
            bytes += placed.map_err(failed)?.entry.payload_bytes().len() as u64;
        }
        Ok(bytes)
    }

    fn bounds(&self) -> Result<Option<IndexRange>, Error> {
        Ok(self.log.state(self.group(0)).and_then(|state| state.bounds))
    }

    fn set(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.set_stable(self.group(0), key, &StableValue::bytes(value)).map_err(failed)?;
        self.log.write(batch).map_err(failed)
    }

    fn get(&self, key: &[u8]) -> Result<u64, Error> {
        let state = self.log.state(self.group(0)).unwrap_or_default();
        Ok(state.stable.get(key).map_or(0, |value| value.bytes.len() as u64))
    }
}

/// A log that stood there, with its index and, when asked for, every entry.
pub(super) struct Reopened {
    _log: FastLog,
    entries: u64,
}

impl Reopened {
    pub(super) fn open(ground: &Ground<'_>, entries: bool) -> Result<Reopened, Error> {
        let dir = place_of(Engine::FastLog, ground.dir);
        let (vfs, clock) = (Arc::clone(ground.fs), Arc::clone(ground.clock));
        let budget_bytes = ground.cell.extent.saturating_mul(ground.cell.value.0 as u64 + 256);
        let memory = match entries {
            true => Memory::Eager { budget_bytes },
            false => Memory::Index,
        };
        let options = Options { memory, ..Options::default() };
        let log = FastLog::open(vfs, clock, &dir, &options).map_err(failed)?;
        let bounds = |(_, group)| log.state(group).and_then(|state| state.bounds);
        let found = log.groups().into_iter().filter_map(bounds).map(IndexRange::count).sum();
        if entries && log.kept_bytes() < found * ground.cell.value.0 as u64 {
            return Err(failed("not every entry is in memory"));
        }
        Ok(Reopened { _log: log, entries: found })
    }
}

impl super::Reopened for Reopened {
    fn entries(&self) -> u64 {
        self.entries
    }
}
