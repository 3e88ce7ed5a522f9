//! Writing a redb file, through the redb packages, into a file of the VFS.
//!
//! The values are those that raft-boltdb would have written. Entries are handed over in pieces of
//! [`PIECE_BYTES`], each its own transaction, so memory does not grow with the log. Nothing is
//! synced before the database is closed: until then the file has its partial name and promises
//! nothing.

mod backend;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{
    ByteOrder, Code, Entry, Fault, GroupId, IoError, LogIndex, LogState, SharedBytes,
};
use crate::store::codec::{encode, stable_to_store};
use crate::store::redb::PROFILE;
use crate::store::redb::format::{HEADER_BYTES, Header};
use crate::store::redb::schema;
use crate::store::redb::sink::backend::Shared;
use crate::store::redb::sink::writer::{Writer, writer};
use crate::store::target::{Sealed, Target};
use crate::store::{LogSink, Profile, RedbFormat, StoreError, io_error};
use crate::vfs::{OpenMode, parent_of, read_exact_at};

/// Encoded entries that are collected before they are written.
const PIECE_BYTES: usize = 4 << 20;
/// Rows that are collected at most, however small they are.
const PIECE_ROWS: usize = 1 << 16;

/// Rows of one group that wait to be written.
pub struct GroupPiece {
    /// Name of its log table.
    pub logs: String,
    /// Name of its conf table.
    pub conf: String,
    /// Stable keys, unless an earlier piece wrote them.
    pub stable: Option<Vec<(Vec<u8>, SharedBytes)>>,
    /// Index of each entry and the end of its value in the piece's bytes.
    pub rows: Vec<(u64, usize)>,
}

/// What is written in one transaction.
#[derive(Default)]
pub struct Piece {
    /// The groups, in the order begun; only the last one still grows.
    pub groups: Vec<GroupPiece>,
    /// The values of all rows, one behind the other.
    pub bytes: Vec<u8>,
    rows: usize,
}

/// A redb file that is being written.
pub struct RedbSink {
    target: Target,
    partial: PathBuf,
    file: Arc<Shared>,
    writer: Option<Box<dyn Writer>>,
    group: Option<GroupId>,
    last: Option<LogIndex>,
    piece: Piece,
    sealed: bool,
}

impl RedbSink {
    /// Creates an empty database under the target's partial name.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(target: Target, format: RedbFormat) -> Result<RedbSink, StoreError> {
        let partial = target.begin()?;
        let fs = Arc::clone(target.fs());
        let file = fs.open(&partial, OpenMode::CreateNew).map_err(io_error("create", &partial))?;
        let file = Arc::new(Shared::new(file));
        let mut sink = RedbSink {
            target,
            partial,
            file: Arc::clone(&file),
            writer: None,
            group: None,
            last: None,
            piece: Piece::default(),
            sealed: false,
        };
        sink.writer = Some(writer(format, file).map_err(|error| sink.failed(error))?);
        Ok(sink)
    }

    fn failed(&self, error: std::io::Error) -> StoreError {
        // What the file itself said is nearer to the cause than what the database made of it.
        let source = self.file.first_failure().unwrap_or(error);
        IoError::new("write", &self.partial, source).into()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.piece.groups.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        let written = match &mut self.writer {
            Some(writer) => writer.write(&piece),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|error| self.failed(error))?;
        if let Some(group) = &self.group {
            self.piece.begin(group, None);
        }
        Ok(())
    }

    fn put(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let fault = |kind| {
            let fault = Fault::new(Code::R122, kind).at_index(entry.index).at_term(entry.term);
            match &self.group {
                Some(group) => fault.in_group(group),
                None => fault,
            }
        };
        encode(entry, &mut self.piece.bytes).map_err(fault)?;
        let end = self.piece.bytes.len();
        if let Some(group) = self.piece.groups.last_mut() {
            group.rows.push((entry.index.0, end));
            self.piece.rows += 1;
        }
        if end >= PIECE_BYTES || self.piece.rows >= PIECE_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    fn refused(&self, what: String) -> StoreError {
        StoreError::Refused {
            path: self.target.path().to_owned(),
            what,
            way_out: "hand over groups and entries in ascending order".to_owned(),
        }
    }

    /// The database closed itself; whether that worked shows only in the file.
    fn check_closed(&self) -> Result<(), StoreError> {
        let mut bytes = [0; HEADER_BYTES];
        read_exact_at(self.file.file(), 0, &mut bytes).map_err(io_error("read", &self.partial))?;
        let closed = Header::read(&bytes).is_some_and(|header| !header.recovery_required());
        match self.file.first_failure() {
            None if closed => Ok(()),
            Some(error) => Err(io_error("write", &self.partial)(error)),
            None => Err(io_error("close", &self.partial)(std::io::Error::other(
                "the database did not close its file",
            ))),
        }
    }
}

impl Piece {
    fn begin(&mut self, group: &GroupId, stable: Option<Vec<(Vec<u8>, SharedBytes)>>) {
        self.rows += stable.as_ref().map_or(0, Vec::len) + 1;
        self.groups.push(GroupPiece {
            logs: schema::logs_table(group),
            conf: schema::conf_table(group),
            stable,
            rows: Vec::new(),
        });
    }
}

impl LogSink for RedbSink {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn begin_group(&mut self, group: &GroupId, state: &LogState) -> Result<(), StoreError> {
        if self.group.as_ref().is_some_and(|before| before >= group) {
            return Err(self.refused("groups do not ascend".to_owned()));
        }
        let stable = stable_to_store(&state.stable, &state.hard, ByteOrder::Big);
        self.piece.begin(group, Some(stable));
        self.group = Some(group.clone());
        self.last = None;
        if self.piece.rows >= PIECE_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    fn append(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        if self.group.is_none() {
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
        self.flush()?;
        drop(self.writer.take());
        self.check_closed()?;
        let file = self.file.file();
        file.sync().map_err(io_error("sync", &self.partial))?;
        let size = file.size().map_err(io_error("look at", &self.partial))?;
        let dir = parent_of(&self.partial);
        self.target.fs().sync_dir(dir).map_err(io_error("sync", dir))?;
        self.sealed = true;
        Ok(self.target.clone().sealed(1, size))
    }
}

impl Drop for RedbSink {
    fn drop(&mut self) {
        drop(self.writer.take());
        if !self.sealed {
            // Nothing more can be done about a file that cannot be removed.
            let _removed = self.target.fs().remove(&self.partial);
        }
    }
}
