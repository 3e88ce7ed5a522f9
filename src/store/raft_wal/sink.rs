//! Writing a directory that the library opens, appends to and truncates: full segments sealed with
//! an index, the last one not, and then the list that names them.

use std::io;
use std::path::{Path, PathBuf};

use crate::bytes::crc32c_resumed;
use crate::model::{Code, Entry, Fault, GroupId, IoError, LogIndex, LogState};
use crate::store::bolt::{BucketValue, PAGE_BYTES_USUAL, Writer, unfit_key};
use crate::store::codec::{encode_wal, stable_to_store};
use crate::store::raft_wal::format::{
    CODEC, FRAME_BYTES, FrameHead, Header, PAYLOAD_BYTES_MAX, SEGMENT_BYTES_USUAL, SegmentName,
    index_frame_bytes,
};
use crate::store::raft_wal::meta::{META, META_KEY, NOT_SEALED, STABLE, SegmentInfo, State};
use crate::store::raft_wal::survey::too_large;
use crate::store::raft_wal::{META_FILE, ORDER, PROFILE};
use crate::store::target::{Sealed, Target, remove_tree};
use crate::store::{LogSink, Profile, StoreError, io_error};
use crate::vfs::{OpenMode, VfsFile, parent_of};

/// Bytes of a batch, about.
const BATCH_BYTES: usize = 512 << 10;
/// Entries of a segment at most, so that their offsets take little room.
const ENTRIES_MAX: usize = 4 << 20;
/// Bytes of a segment at most and at least, as the library takes them.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = (64 << 10)..=(1 << 31) - 1;

/// A directory of raft-wal that is being written.
pub struct RaftWalSink {
    target: Target,
    partial: PathBuf,
    segment_bytes: u64,
    begun: bool,
    /// Stable keys and their values, sorted.
    stable: Vec<(Vec<u8>, Vec<u8>)>,
    last: Option<LogIndex>,
    /// Lines of the list for the segments that were sealed.
    infos: Vec<SegmentInfo>,
    open: Option<Open>,
    /// Bytes of the segments that were sealed.
    bytes: u64,
    sealed: bool,
}

/// The segment that is written.
struct Open {
    file: Box<dyn VfsFile>,
    path: PathBuf,
    name: SegmentName,
    created: String,
    /// What waits to be written as one batch, and where it belongs.
    batch: Vec<u8>,
    at: u64,
    /// Offsets of the entries.
    offsets: Vec<u32>,
}

impl Open {
    /// Bytes of the segment if nothing followed.
    fn len_bytes(&self) -> u64 {
        self.at.saturating_add(self.batch.len() as u64)
    }

    fn failed(&self, source: io::Error) -> StoreError {
        IoError::new("write", &self.path, source).at(self.at).into()
    }

    /// Ends the batch with its commit and writes it.
    fn commit(&mut self) -> Result<(), StoreError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let crc = crc32c_resumed(0, &self.batch);
        self.batch.extend_from_slice(&FrameHead::Commit(crc).bytes());
        self.file.write_at(self.at, &self.batch).map_err(|error| self.failed(error))?;
        let len_bytes = self.batch.len() as u64;
        self.file.write_out(self.at, len_bytes);
        self.at = self.at.saturating_add(len_bytes);
        self.batch.clear();
        Ok(())
    }

    /// Appends the index to the last batch; returns where its offsets begin.
    fn put_index(&mut self) -> u64 {
        let len_bytes = self.offsets.len().saturating_mul(4);
        let head = FrameHead::Index(u32::try_from(len_bytes).unwrap_or(u32::MAX));
        self.batch.extend_from_slice(&head.bytes());
        let start = self.len_bytes();
        for offset in &self.offsets {
            self.batch.extend_from_slice(&offset.to_le_bytes());
        }
        pad(&mut self.batch);
        start
    }
}

/// Fills up with zeros to a multiple of eight. Batches begin at one.
fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}

impl RaftWalSink {
    /// Creates an empty directory under the target's partial name, whose segments get so many
    /// bytes, or 64 MiB.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn create(target: Target, segment_bytes: Option<u64>) -> Result<RaftWalSink, StoreError> {
        let partial = target.begin()?;
        target.fs().create_dir(&partial).map_err(io_error("create", &partial))?;
        let segment_bytes = segment_bytes.filter(|bytes| SEGMENT_BYTES.contains(bytes));
        Ok(RaftWalSink {
            target,
            partial,
            segment_bytes: segment_bytes.unwrap_or(SEGMENT_BYTES_USUAL),
            begun: false,
            stable: Vec::new(),
            last: None,
            infos: Vec::new(),
            open: None,
            bytes: 0,
            sealed: false,
        })
    }

    fn refused(&self, what: String) -> StoreError {
        StoreError::Refused {
            path: self.target.path().to_owned(),
            what,
            way_out: "this is how the source must be read, not how it must be written".to_owned(),
        }
    }

    /// When a file was changed last: the time, wherever this writes to.
    fn time(&self, path: &Path) -> Result<String, StoreError> {
        let found = self.target.fs().metadata(path).map_err(io_error("look at", path))?;
        let time = jiff::Timestamp::from_nanosecond(found.modified_unix_ns).unwrap_or_default();
        Ok(time.to_string())
    }

    /// Creates the next segment, whose first entry will be `base`.
    fn begin_segment(&self, base: LogIndex) -> Result<Open, StoreError> {
        let name = SegmentName { base: base.0, id: self.infos.len() as u64 };
        let path = self.partial.join(name.file());
        let opened = self.target.fs().open(&path, OpenMode::CreateNew);
        let file = opened.map_err(io_error("create", &path))?;
        let created = self.time(&path)?;
        let batch = Vec::with_capacity(BATCH_BYTES + (BATCH_BYTES >> 1));
        Ok(Open { file, path, name, created, batch, at: 0, offsets: Vec::new() })
    }

    fn info(&self, open: &Open) -> SegmentInfo {
        SegmentInfo {
            id: open.name.id,
            base_index: open.name.base,
            min_index: open.name.base,
            max_index: 0,
            codec: CODEC,
            index_start: 0,
            create_time: open.created.clone(),
            seal_time: NOT_SEALED.to_owned(),
            size_limit: u32::try_from(self.segment_bytes).unwrap_or(u32::MAX),
        }
    }

    /// Seals the segment that is written.
    fn seal_segment(&mut self, mut open: Open) -> Result<(), StoreError> {
        let index_start = open.put_index();
        open.commit()?;
        open.file.sync().map_err(io_error("sync", &open.path))?;
        self.bytes = self.bytes.saturating_add(open.len_bytes());
        let entries = open.offsets.len() as u64;
        let max_index = open.name.base.saturating_add(entries).saturating_sub(1);
        let seal_time = self.time(&open.path)?;
        let info = self.info(&open);
        self.infos.push(SegmentInfo { max_index, index_start, seal_time, ..info });
        Ok(())
    }

    fn put(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let contents = entry.payload_bytes().len().saturating_add(entry.extensions_bytes().len());
        let most = (contents as u64).saturating_add(2 * FRAME_BYTES + 64);
        let full = self.open.as_ref().is_some_and(|open| {
            let entries = open.offsets.len() as u64;
            let index_bytes = index_frame_bytes(entries.saturating_add(1));
            let bytes = open.len_bytes().saturating_add(most).saturating_add(index_bytes);
            entries > 0 && (bytes > self.segment_bytes || open.offsets.len() >= ENTRIES_MAX)
        });
        if let Some(open) = self.open.take_if(|_| full) {
            self.seal_segment(open)?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin_segment(entry.index)?,
        };
        let put = self.put_in(&mut open, entry);
        self.open = Some(open);
        put
    }

    fn put_in(&self, open: &mut Open, entry: &Entry) -> Result<(), StoreError> {
        let odd = |kind| {
            let fault = Fault::new(Code::R122, kind).at_index(entry.index).at_term(entry.term);
            StoreError::from(fault.in_group(&GroupId::Unnamed))
        };
        if open.at == 0 && open.batch.is_empty() {
            Header { name: open.name, codec: CODEC }.write(&mut open.batch);
        }
        let offset = u32::try_from(open.len_bytes())
            .map_err(|_| self.refused("a segment of more than 4 GiB".to_owned()))?;
        let head_at = open.batch.len();
        open.batch.extend_from_slice(&FrameHead::Zeros.bytes());
        let payload_at = open.batch.len();
        encode_wal(entry, &mut open.batch).map_err(odd)?;
        let len_bytes = open.batch.len() - payload_at;
        if len_bytes as u64 > PAYLOAD_BYTES_MAX {
            return Err(odd(too_large(len_bytes as u64)));
        }
        let head = FrameHead::Entry(u32::try_from(len_bytes).unwrap_or(u32::MAX)).bytes();
        if let Some(place) = open.batch.get_mut(head_at..payload_at) {
            place.copy_from_slice(&head);
        }
        pad(&mut open.batch);
        open.offsets.push(offset);
        if open.batch.len() >= BATCH_BYTES { open.commit() } else { Ok(()) }
    }

    /// Writes `wal-meta.db`; returns its size.
    fn write_meta(&self, state: &State) -> Result<u64, StoreError> {
        let path = self.partial.join(META_FILE);
        let opened = self.target.fs().open(&path, OpenMode::CreateNew);
        let file = opened.map_err(io_error("create", &path))?;
        let list = serde_json::to_vec(state).map_err(|error| self.refused(error.to_string()))?;
        let mut writer = Writer::new(file, PAGE_BYTES_USUAL);
        let rows: Vec<(&[u8], &[u8])> =
            self.stable.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        let written = put_bucket(&mut writer, &rows).and_then(|stable| {
            let list = put_bucket(&mut writer, &[(META_KEY, &list)])?;
            writer.finish(vec![(STABLE, stable), (META, list)])
        });
        written.map_err(io_error("write", &path))
    }
}

fn put_bucket(writer: &mut Writer, rows: &[(&[u8], &[u8])]) -> io::Result<BucketValue> {
    for (key, value) in rows {
        writer.put(key, |out| {
            out.extend_from_slice(value);
            Ok::<(), io::Error>(())
        })?;
    }
    writer.end_bucket()
}

impl LogSink for RaftWalSink {
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
            if let Some(what) = unfit_key(&key) {
                return Err(self.refused(what));
            }
            self.stable.push((key, value.to_vec()));
        }
        Ok(())
    }

    fn append(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        if !self.begun {
            return Err(self.refused("entries before any group".to_owned()));
        }
        for entry in batch {
            let follows = self.last.is_none_or(|last| last.next() == Some(entry.index));
            if !follows || entry.index.0 < PROFILE.index_min {
                let what = format!("index {} does not follow, and no hole is held", entry.index);
                return Err(self.refused(what));
            }
            self.put(entry)?;
            self.last = Some(entry.index);
        }
        Ok(())
    }

    fn seal(mut self: Box<Self>) -> Result<Sealed, StoreError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            // The library replaces an empty segment when the first entry has another index.
            None => self.begin_segment(LogIndex(PROFILE.index_min))?,
        };
        open.commit()?;
        open.file.sync().map_err(io_error("sync", &open.path))?;
        let mut segments = std::mem::take(&mut self.infos);
        segments.push(self.info(&open));
        let files = segments.len() as u64;
        let state = State { next_segment_id: files, segments: Some(segments) };
        let meta_bytes = self.write_meta(&state)?;
        for dir in [&self.partial, parent_of(&self.partial)] {
            self.target.fs().sync_dir(dir).map_err(io_error("sync", dir))?;
        }
        let bytes = self.bytes.saturating_add(open.len_bytes()).saturating_add(meta_bytes);
        self.sealed = true;
        Ok(self.target.clone().sealed(files + 1, bytes))
    }
}

impl Drop for RaftWalSink {
    fn drop(&mut self) {
        if !self.sealed {
            // Nothing more can be done about what cannot be removed.
            let _removed = remove_tree(self.target.fs().as_ref(), &self.partial);
        }
    }
}
