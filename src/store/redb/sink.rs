//! Writing a redb file, through the redb packages, into a file of the VFS.
//!
//! The values are those that raft-boltdb would have written, or in another schema those that were
//! read in it. Entries are handed over in pieces of
//! [`PIECE_BYTES`], each its own transaction, so memory does not grow with the log. Nothing is
//! synced before the database is closed: until then the file has its partial name and promises
//! nothing.

mod backend;
mod classes;
mod directory;
mod places;
mod writer;

pub use directory::RedbDirectorySink;
pub use places::refuse_group;

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Code, Entry, Fault, GroupId, IoError, LogIndex, LogState, SharedBytes};
use crate::store::redb::format::{HEADER_BYTES, Header};
use crate::store::redb::layout::{KeyForm, Layout, LogTables, ValueForm};
use crate::store::redb::schemas::Schema;
use crate::store::redb::sink::backend::Shared;
use crate::store::redb::sink::places::Places;
use crate::store::redb::sink::writer::{Writer, writer};
use crate::store::target::{Sealed, Target};
use crate::store::{LogSink, Profile, RedbFormat, StoreError, io_error};
use crate::vfs::{OpenMode, parent_of, read_exact_at};

/// Encoded entries that are collected before they are written.
const PIECE_BYTES: usize = 4 << 20;
/// Rows that are collected at most, however small they are.
const PIECE_ROWS: usize = 1 << 16;

/// Rows of a conf table.
pub struct ConfPiece {
    /// Name of the table.
    pub name: String,
    /// Type of its keys.
    pub key: KeyForm,
    /// Type of its values.
    pub value: ValueForm,
    /// The group's number, where keys name it.
    pub within: u64,
    /// Keys, without the group, and values.
    pub rows: Vec<(Vec<u8>, SharedBytes)>,
}

/// Rows of one group that wait to be written.
pub struct GroupPiece {
    /// Name of its log table.
    pub logs: String,
    /// Type of its keys.
    pub key: KeyForm,
    /// Type of its values.
    pub value: ValueForm,
    /// The group's number, where keys name it.
    pub within: u64,
    /// What stands beside the log, unless an earlier piece wrote it.
    pub confs: Vec<ConfPiece>,
    /// Whether the log table is there without a row, too.
    pub is_there: bool,
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
    schema: &'static Schema,
    group: Option<(GroupId, Layout)>,
    last: Option<LogIndex>,
    piece: Piece,
    sealed: bool,
}

impl RedbSink {
    /// Creates an empty database under the target's partial name, for logs in `schema`.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(
        target: Target,
        schema: &'static Schema,
        format: RedbFormat,
    ) -> Result<RedbSink, StoreError> {
        let partial = target.begin()?;
        RedbSink::within(target, partial, (schema, format))
    }

    /// Creates an empty database at `partial`, which is the target's partial name or lies below it.
    fn within(
        target: Target,
        partial: PathBuf,
        (schema, format): (&'static Schema, RedbFormat),
    ) -> Result<RedbSink, StoreError> {
        let fs = Arc::clone(target.fs());
        let file = fs.open(&partial, OpenMode::CreateNew).map_err(io_error("create", &partial))?;
        let file = Arc::new(Shared::new(file));
        let mut sink = RedbSink {
            target,
            partial,
            file: Arc::clone(&file),
            writer: None,
            schema,
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
        if let Some((group, layout)) = self.group.take() {
            let begun = self.begin(&group, &layout, (Vec::new(), false));
            self.group = Some((group, layout));
            begun?;
        }
        Ok(())
    }

    fn put(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let fault = |kind| {
            let fault = Fault::new(Code::R122, kind).at_index(entry.index).at_term(entry.term);
            match &self.group {
                Some((group, _)) => fault.in_group(group),
                None => fault,
            }
        };
        self.schema.codec.encode(entry, &mut self.piece.bytes).map_err(fault)?;
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

    /// Begins the rows of a group.
    fn begin(
        &mut self,
        group: &GroupId,
        layout: &Layout,
        (confs, is_there): (Vec<ConfPiece>, bool),
    ) -> Result<(), StoreError> {
        let (logs, within) = self.places().logs(group, layout)?;
        let LogTables { key, value, .. } = &layout.logs;
        self.piece.rows += confs.iter().map(|conf| conf.rows.len()).sum::<usize>() + 1;
        let (key, value, rows) = (*key, *value, Vec::new());
        self.piece.groups.push(GroupPiece { logs, key, value, within, confs, is_there, rows });
        Ok(())
    }

    fn places(&self) -> Places<'_> {
        Places { schema: self.schema, path: self.target.path() }
    }

    fn refused(&self, what: String) -> StoreError {
        self.places().not_so(what, "hand over groups and entries in ascending order")
    }

    /// Writes what waits, closes the database and syncs its file, whose size it returns.
    fn close(&mut self) -> Result<u64, StoreError> {
        self.flush()?;
        drop(self.writer.take());
        self.check_closed()?;
        let file = self.file.file();
        classes::to_older(file).map_err(io_error("write", &self.partial))?;
        file.sync().map_err(io_error("sync", &self.partial))?;
        file.size().map_err(io_error("look at", &self.partial))
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

impl LogSink for RedbSink {
    fn profile(&self) -> &'static Profile {
        &self.schema.profile
    }

    fn begin_group(&mut self, group: &GroupId, state: &LogState) -> Result<(), StoreError> {
        if self.group.as_ref().is_some_and(|(before, _)| before >= group) {
            return Err(self.refused("groups do not ascend".to_owned()));
        }
        let layout = self.places().layout(group, state)?;
        let confs = self.places().confs(group, &layout, state)?;
        let is_there = !self.places().lacks(&layout.logs.names, state);
        self.begin(group, &layout, (confs, is_there))?;
        self.group = Some((group.clone(), layout));
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
        let size = self.close()?;
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
