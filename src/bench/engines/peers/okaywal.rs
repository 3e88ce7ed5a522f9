//! okaywal: an entry a call, a chunk a value. It always syncs, and finds nothing by index.

use okaywal::{LogVoid, WriteAheadLog};

use crate::bench::Error;
use crate::bench::cell::Engine;
use crate::bench::engines::Ground;
use crate::model::Entry;

/// A log that all groups share, as it knows no groups.
pub(super) struct Log {
    log: WriteAheadLog,
}

fn failed(error: impl std::fmt::Display) -> Error {
    super::super::failed(Engine::OkayWal)(&error)
}

impl Log {
    pub(super) fn open(ground: &Ground<'_>) -> Result<Log, Error> {
        let log = WriteAheadLog::recover(ground.dir, LogVoid).map_err(failed)?;
        Ok(Log { log })
    }
}

impl super::super::Log for Log {
    fn append(&self, _group: u32, entries: &[Entry]) -> Result<(), Error> {
        let mut writer = self.log.begin_entry().map_err(failed)?;
        for entry in entries {
            writer.write_chunk(entry.payload_bytes()).map_err(failed)?;
        }
        writer.commit().map_err(failed)?;
        Ok(())
    }
}
