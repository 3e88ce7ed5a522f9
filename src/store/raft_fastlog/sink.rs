//! Writing a file that means the same to everybody: the keys, then the entries by index, and no
//! deletion, so that the loader sees what was meant.

use std::path::PathBuf;

use crate::model::{Code, Entry, Fault, FaultKind, GroupId, IoError, LogIndex, LogState};
use crate::store::codec::stable_to_store;
use crate::store::raft_fastlog::format::{
    DATA_BYTES_MAX, put_entries_head, put_entry_head, put_set,
};
use crate::store::raft_fastlog::{ORDER, PROFILE};
use crate::store::target::{Sealed, Target};
use crate::store::{LogSink, Profile, StoreError, io_error};
use crate::vfs::{OpenMode, VfsFile, parent_of};

/// Entries of a record at most, as many as the library's own rewrite collects.
const RECORD_ENTRIES: usize = 1_000;
/// Bytes that are collected before they are written.
const WRITE_BYTES: usize = 1 << 20;
/// Data from this size on is written from where it is.
const DIRECT_BYTES: usize = 256 << 10;

/// A raft-fastlog file that is being written.
pub struct RaftFastlogSink {
    target: Target,
    partial: PathBuf,
    file: Box<dyn VfsFile>,
    /// What waits to be written, and where it belongs.
    bytes: Vec<u8>,
    at: u64,
    begun: bool,
    last: Option<LogIndex>,
    sealed: bool,
}

impl RaftFastlogSink {
    /// Creates an empty file under the target's partial name.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(target: Target) -> Result<RaftFastlogSink, StoreError> {
        let partial = target.begin()?;
        let opened = target.fs().open(&partial, OpenMode::CreateNew);
        let file = opened.map_err(io_error("create", &partial))?;
        let bytes = Vec::with_capacity(WRITE_BYTES + DIRECT_BYTES);
        let (begun, last, sealed) = (false, None, false);
        Ok(RaftFastlogSink { target, partial, file, bytes, at: 0, begun, last, sealed })
    }

    fn refused(&self, what: String) -> StoreError {
        StoreError::Refused {
            path: self.target.path().to_owned(),
            what,
            way_out: "this is how the source must be read, not how it must be written".to_owned(),
        }
    }

    fn failed(&self, source: std::io::Error) -> StoreError {
        IoError::new("write", &self.partial, source).at(self.at).into()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let len = self.bytes.len() as u64;
        self.file.write_at(self.at, &self.bytes).map_err(|error| self.failed(error))?;
        self.file.write_out(self.at, len);
        self.at += len;
        self.bytes.clear();
        Ok(())
    }

    fn flush_when_full(&mut self) -> Result<(), StoreError> {
        if self.bytes.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn put(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let data = entry.payload_bytes();
        let odd = |kind| {
            let fault = Fault::new(Code::R122, kind).at_index(entry.index).at_term(entry.term);
            StoreError::from(fault.in_group(&GroupId::Unnamed))
        };
        if data.len() as u64 > DATA_BYTES_MAX {
            let (value, limit) = (data.len() as u64, DATA_BYTES_MAX);
            return Err(odd(FaultKind::Bounds { what: "size of an entry", value, limit }));
        }
        put_entry_head(&mut self.bytes, entry).map_err(odd)?;
        if data.len() < DIRECT_BYTES {
            self.bytes.extend_from_slice(data);
            return self.flush_when_full();
        }
        self.flush()?;
        self.file.write_at(self.at, data).map_err(|error| self.failed(error))?;
        self.file.write_out(self.at, data.len() as u64);
        self.at += data.len() as u64;
        Ok(())
    }

    fn record(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            if entry.index.0 < PROFILE.index_min {
                return Err(self.refused(format!("index {} is no index here", entry.index)));
            }
            if self.last.is_some_and(|last| last >= entry.index) {
                return Err(self.refused(format!("indexes do not ascend at {}", entry.index)));
            }
            self.last = Some(entry.index);
        }
        put_entries_head(&mut self.bytes, entries.len() as u64);
        entries.iter().try_for_each(|entry| self.put(entry))
    }
}

impl LogSink for RaftFastlogSink {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn begin_group(&mut self, group: &GroupId, state: &LogState) -> Result<(), StoreError> {
        if self.begun || *group != GroupId::Unnamed {
            return Err(self.refused("the target holds one group without a name".to_owned()));
        }
        self.begun = true;
        let rows = stable_to_store(&state.stable, &state.hard, ORDER);
        for (key, value) in rows {
            put_set(&mut self.bytes, &key, &value);
            self.flush_when_full()?;
        }
        Ok(())
    }

    fn append(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        if !self.begun {
            return Err(self.refused("entries before any group".to_owned()));
        }
        batch.chunks(RECORD_ENTRIES).try_for_each(|entries| self.record(entries))
    }

    fn seal(mut self: Box<Self>) -> Result<Sealed, StoreError> {
        if self.at == 0 && self.bytes.is_empty() {
            // An empty file says of no format what it is; the loader reads no entries without one.
            put_entries_head(&mut self.bytes, 0);
        }
        self.flush()?;
        self.file.sync().map_err(io_error("sync", &self.partial))?;
        let dir = parent_of(&self.partial);
        self.target.fs().sync_dir(dir).map_err(io_error("sync", dir))?;
        self.sealed = true;
        Ok(self.target.clone().sealed(1, self.at))
    }
}

impl Drop for RaftFastlogSink {
    fn drop(&mut self) {
        if !self.sealed {
            // Nothing more can be done about a file that cannot be removed.
            let _removed = self.target.fs().remove(&self.partial);
        }
    }
}
