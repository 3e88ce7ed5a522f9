//! raft-log: a log a group, a flush a call.

use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_log::api::raft_log_writer::RaftLogWriter;
use raft_log::{Config, RaftLog, Types};

use crate::bench::Error;
use crate::bench::cell::Engine;
use crate::bench::engines::{Ground, Syncs, peers::of_group};
use crate::model::{Entry, IndexRange};

/// Its logs, by group: it knows one group only.
pub(super) struct Log {
    groups: Vec<Mutex<RaftLog<Bytes>>>,
    syncs: Syncs,
}

/// Entries of bytes under term and index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bytes;

impl Types for Bytes {
    type LogId = (u64, u64);
    type LogPayload = Vec<u8>;
    type Vote = (u64, u64);
    type Callback = SyncSender<Result<(), io::Error>>;
    type UserData = String;

    fn log_index(log_id: &(u64, u64)) -> u64 {
        log_id.1
    }

    fn payload_size(payload: &Vec<u8>) -> u64 {
        payload.len() as u64
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    super::super::failed(Engine::RaftLog)(&error)
}

impl Log {
    pub(super) fn open(ground: &Ground<'_>) -> Result<Log, Error> {
        let open = |number: u32| -> Result<Mutex<RaftLog<Bytes>>, Error> {
            let dir = ground.dir.join(format!("group-{number}"));
            let created = ground.fs.create_dir(&dir);
            created.map_err(|error| crate::model::IoError::new("create", &dir, error))?;
            let config = Config::new(Path::display(&dir));
            Ok(Mutex::new(RaftLog::open(Arc::new(config)).map_err(failed)?))
        };
        let groups: Result<Vec<_>, Error> = (0..ground.groups()).map(open).collect();
        Ok(Log { groups: groups?, syncs: Syncs::new(ground, ground.cell.durability) })
    }

    fn group(&self, group: u32) -> Result<MutexGuard<'_, RaftLog<Bytes>>, Error> {
        let log = of_group(&self.groups, group, Engine::RaftLog)?;
        Ok(log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl super::super::Log for Log {
    fn append(&self, group: u32, entries: &[Entry]) -> Result<(), Error> {
        let mut log = self.group(group)?;
        let of = |entry: &Entry| ((entry.term.0, entry.index.0), entry.payload_bytes().to_vec());
        log.append(entries.iter().map(of)).map_err(failed)?;
        let (told, done) = sync_channel(1);
        log.flush(self.syncs.now(), Some(told)).map_err(failed)?;
        done.recv().map_err(failed)?.map_err(failed)
    }

    fn read(&self, range: IndexRange) -> Result<u64, Error> {
        let log = self.group(0)?;
        let mut bytes = 0;
        for found in log.read(range.first().0, range.last().0 + 1) {
            bytes += found.map_err(failed)?.1.len() as u64;
        }
        Ok(bytes)
    }
}
