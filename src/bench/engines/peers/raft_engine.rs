//! raft-engine: its log files filled ahead, without compression, so that it writes what the others
//! write.

use std::sync::{Mutex, PoisonError};

use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use crate::bench::Error;
use crate::bench::cell;
use crate::bench::engines::{Ground, Syncs, peers::of_group};
use crate::model::{Entry, IndexRange, LogIndex};

/// How much is filled ahead.
const FILLED: ReadableSize = ReadableSize::mb(256);

/// An engine, with the entries of each group as it takes them.
pub(super) struct Log {
    engine: Engine,
    groups: Vec<Mutex<Vec<BytesValue>>>,
    syncs: Syncs,
}

/// An entry: its index in eight bytes, then its value.
struct Indexed;

impl MessageExt for Indexed {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        let index = entry.get_value().first_chunk::<8>().copied().unwrap_or_default();
        u64::from_le_bytes(index)
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    super::super::failed(cell::Engine::RaftEngine)(&error)
}

impl Log {
    pub(super) fn open(ground: &Ground<'_>) -> Result<Log, Error> {
        let config = Config {
            dir: ground.dir.to_string_lossy().into_owned(),
            batch_compression_threshold: ReadableSize(0),
            target_file_size: ReadableSize::mb(64),
            purge_threshold: FILLED,
            enable_log_recycle: true,
            prefill_for_recycle: true,
            ..Config::default()
        };
        let engine = Engine::open(config).map_err(failed)?;
        let groups = (0..ground.groups()).map(|_| Mutex::default()).collect();
        Ok(Log { engine, groups, syncs: Syncs::new(ground, ground.cell.durability) })
    }
}

fn encoded(entry: &Entry) -> BytesValue {
    let mut bytes = entry.index.0.to_le_bytes().to_vec();
    bytes.extend_from_slice(entry.payload_bytes());
    let mut value = BytesValue::new();
    value.set_value(bytes);
    value
}

impl super::super::Log for Log {
    fn append(&self, group: u32, entries: &[Entry]) -> Result<(), Error> {
        // Every call of a cell has the same payloads; a node has them in this form already.
        let known = of_group(&self.groups, group, cell::Engine::RaftEngine)?;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() != entries.len() {
            *known = entries.iter().map(encoded).collect();
        }
        for (value, entry) in known.iter_mut().zip(entries) {
            if let Some(index) = value.mut_value().first_chunk_mut::<8>() {
                *index = entry.index.0.to_le_bytes();
            }
        }
        let mut batch = LogBatch::default();
        batch.add_entries::<Indexed>(u64::from(group) + 1, &known).map_err(failed)?;
        self.engine.write(&mut batch, self.syncs.now()).map_err(failed)?;
        Ok(())
    }

    fn snapshot_taken(&self, group: u32, through: LogIndex) -> Result<(), Error> {
        let next = through.0.saturating_add(1);
        self.engine.compact_to(u64::from(group) + 1, next);
        self.engine.purge_expired_files().map_err(failed)?;
        Ok(())
    }

    fn read(&self, range: IndexRange) -> Result<u64, Error> {
        let (first, end) = (range.first().0, range.last().0 + 1);
        let len = |value: &BytesValue| value.get_value().len().saturating_sub(8) as u64;
        if range.count() == 1 {
            let found = self.engine.get_entry::<Indexed>(1, first).map_err(failed)?;
            return Ok(found.as_ref().map_or(0, len));
        }
        let mut found = Vec::new();
        self.engine.fetch_entries_to::<Indexed>(1, first, end, None, &mut found).map_err(failed)?;
        Ok(found.iter().map(len).sum())
    }
}
