//! Writing a file of raft-boltdb, with values as raft-boltdb would have written them.

use std::io;
use std::path::PathBuf;

use crate::model::{
    ByteOrder, Code, Entry, Fault, FaultKind, GroupId, IoError, LogIndex, LogState,
};
use crate::store::bolt::{BucketValue, PAGE_BYTES_USUAL, Writer, unfit_key};
use crate::store::boltdb::{CONF, LOGS, PROFILE};
use crate::store::codec::{encode, stable_to_store};
use crate::store::target::{Sealed, Target};
use crate::store::{LogSink, Profile, StoreError, io_error};
use crate::vfs::{OpenMode, parent_of};

/// File mode, as raft-boltdb's.
const MODE: u32 = 0o600;

/// A BoltDB file that is being written.
pub struct BoltDbSink {
    target: Target,
    partial: PathBuf,
    writer: Writer,
    /// The bucket of stable keys, once the group began.
    conf: Option<BucketValue>,
    last: Option<LogIndex>,
    sealed: bool,
}

/// Why a pair was not put.
enum Odd {
    Io(io::Error),
    Entry(FaultKind),
}

impl From<io::Error> for Odd {
    fn from(error: io::Error) -> Odd {
        Odd::Io(error)
    }
}

impl BoltDbSink {
    /// Creates an empty file under the target's partial name, with pages of so many bytes.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(target: Target, page_bytes: Option<u64>) -> Result<BoltDbSink, StoreError> {
        let partial = target.begin()?;
        let fs = target.fs();
        let file = fs.open(&partial, OpenMode::CreateNew).map_err(io_error("create", &partial))?;
        let found = fs.metadata(&partial).map_err(io_error("look at", &partial))?;
        fs.set_attributes(&partial, MODE, found.modified_unix_ns)
            .map_err(io_error("set the mode of", &partial))?;
        let page_bytes = page_bytes.filter(|bytes| bytes.is_power_of_two());
        let writer = Writer::new(file, page_bytes.unwrap_or(PAGE_BYTES_USUAL));
        Ok(BoltDbSink { target, partial, writer, conf: None, last: None, sealed: false })
    }

    fn failed(&self, source: io::Error) -> StoreError {
        IoError::new("write", &self.partial, source).into()
    }

    fn refused(&self, what: String) -> StoreError {
        StoreError::Refused {
            path: self.target.path().to_owned(),
            what,
            way_out: "this is how the source must be read, not how it must be written".to_owned(),
        }
    }

    fn put(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let key = entry.index.0.to_be_bytes();
        let put = self.writer.put(&key, |out| {
            let start = out.len();
            encode(entry, out).map_err(Odd::Entry)?;
            let (value, limit) = ((out.len() - start) as u64, PROFILE.entry_bytes_max);
            let what = "size of an encoded entry";
            match value > limit {
                true => Err(Odd::Entry(FaultKind::Bounds { what, value, limit })),
                false => Ok(()),
            }
        });
        put.map_err(|odd| match odd {
            Odd::Io(error) => self.failed(error),
            Odd::Entry(kind) => {
                let fault = Fault::new(Code::R122, kind).at_index(entry.index);
                fault.at_term(entry.term).in_group(&GroupId::Unnamed).into()
            }
        })
    }
}

impl LogSink for BoltDbSink {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn begin_group(&mut self, group: &GroupId, state: &LogState) -> Result<(), StoreError> {
        if self.conf.is_some() || *group != GroupId::Unnamed {
            return Err(self.refused("the target holds one group without a name".to_owned()));
        }
        let rows = stable_to_store(&state.stable, &state.hard, ByteOrder::Big);
        for (key, value) in rows {
            if let Some(what) = unfit_key(&key) {
                return Err(self.refused(what));
            }
            let put = self.writer.put(&key, |out| {
                out.extend_from_slice(&value);
                Ok::<(), io::Error>(())
            });
            put.map_err(|error| self.failed(error))?;
        }
        self.conf = Some(self.writer.end_bucket().map_err(io_error("write", &self.partial))?);
        Ok(())
    }

    fn append(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        if self.conf.is_none() {
            return Err(self.refused("entries before any group".to_owned()));
        }
        for entry in batch {
            if self.last.is_some_and(|last| last >= entry.index) {
                return Err(self.refused(format!("indexes do not ascend at {}", entry.index)));
            }
            self.put(entry)?;
            self.last = Some(entry.index);
        }
        Ok(())
    }

    fn seal(mut self: Box<Self>) -> Result<Sealed, StoreError> {
        let conf = match self.conf.take() {
            Some(conf) => conf,
            None => self.writer.end_bucket().map_err(io_error("write", &self.partial))?,
        };
        let logs = self.writer.end_bucket().map_err(io_error("write", &self.partial))?;
        let buckets = vec![(CONF, conf), (LOGS, logs)];
        let size = self.writer.finish(buckets).map_err(io_error("write", &self.partial))?;
        let dir = parent_of(&self.partial);
        self.target.fs().sync_dir(dir).map_err(io_error("sync", dir))?;
        self.sealed = true;
        Ok(self.target.clone().sealed(1, size))
    }
}

impl Drop for BoltDbSink {
    fn drop(&mut self) {
        if !self.sealed {
            // Nothing more can be done about a file that cannot be removed.
            let _removed = self.target.fs().remove(&self.partial);
        }
    }
}
