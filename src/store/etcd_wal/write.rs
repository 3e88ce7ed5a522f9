//! Writing segments as etcd does, for logs to measure on: one pass, no snapshot, no reserved space.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{crc32c_resumed, put_varint};
use crate::model::{Entry, LogIndex, Term};
use crate::store::etcd_wal::format::{
    CHECKSUM, ENTRY, METADATA, Metadata, SNAPSHOT, STATE, SegmentName, State,
};
use crate::store::{StoreError, io_error};
use crate::vfs::{Fs, OpenMode, VfsFile};

/// Size at which a segment is cut.
const SEGMENT_BYTES: u64 = 64_000_000;
/// Bytes that are collected before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// A log that is being written into a directory of its own.
pub struct SegmentWriter {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    metadata: Metadata,
    state: State,
    file: Box<dyn VfsFile>,
    path: PathBuf,
    at: u64,
    bytes: Vec<u8>,
    crc: u32,
    sequence: u64,
    /// What is put together, so that no record takes room of its own.
    data: Vec<u8>,
}

impl SegmentWriter {
    /// Creates `dir` with the first segment of the member and cluster that `metadata` names.
    ///
    /// # Errors
    /// When the system refused.
    pub fn create(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        metadata: Metadata,
    ) -> Result<SegmentWriter, StoreError> {
        fs.create_dir(dir).map_err(io_error("create", dir))?;
        let (file, path) = segment(fs.as_ref(), dir, SegmentName { sequence: 0, index: 0 })?;
        let mut writer = SegmentWriter {
            fs: Arc::clone(fs),
            dir: dir.to_owned(),
            metadata,
            state: State::default(),
            file,
            path,
            at: 0,
            bytes: Vec::with_capacity(WRITE_BYTES * 2),
            crc: 0,
            sequence: 0,
            data: Vec::new(),
        };
        writer.begin();
        writer.put(SNAPSHOT, |data| put_numbers(data, [0, 0]));
        Ok(writer)
    }

    /// Appends an entry; a segment that is full is cut before it.
    ///
    /// # Errors
    /// When the system refused.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), StoreError> {
        if self.at + self.bytes.len() as u64 >= SEGMENT_BYTES {
            self.cut(entry.index.0)?;
        }
        let code = u64::from(entry.kind_code.unwrap_or_default());
        self.put(ENTRY, |data| {
            put_numbers(data, [code, entry.term.0, entry.index.0]);
            if let Some(payload) = &entry.payload {
                put_bytes(data, 4, payload);
            }
        });
        self.flush_when_full()
    }

    /// Appends term and commit index.
    ///
    /// # Errors
    /// When the system refused.
    pub fn state(&mut self, term: Term, commit: LogIndex) -> Result<(), StoreError> {
        self.state = State { term: term.0, vote: 0, commit: commit.0 };
        self.put(STATE, |data| put_numbers(data, [term.0, 0, commit.0]));
        self.flush_when_full()
    }

    /// Writes and syncs everything.
    ///
    /// # Errors
    /// When the system refused.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.seal()?;
        self.fs.sync_dir(&self.dir).map_err(io_error("sync", &self.dir))
    }

    fn cut(&mut self, index: u64) -> Result<(), StoreError> {
        self.seal()?;
        self.sequence += 1;
        let name = SegmentName { sequence: self.sequence, index };
        (self.file, self.path) = segment(self.fs.as_ref(), &self.dir, name)?;
        self.at = 0;
        self.begin();
        let State { term, vote, commit } = self.state;
        self.put(STATE, |data| put_numbers(data, [term, vote, commit]));
        Ok(())
    }

    fn begin(&mut self) {
        let crc = self.crc;
        frame(&mut self.bytes, CHECKSUM, crc, None);
        let Metadata { node, cluster } = self.metadata;
        self.put(METADATA, |data| put_numbers(data, [node, cluster]));
    }

    fn put(&mut self, kind: u64, fill: impl FnOnce(&mut Vec<u8>)) {
        self.data.clear();
        fill(&mut self.data);
        self.crc = crc32c_resumed(self.crc, &self.data);
        frame(&mut self.bytes, kind, self.crc, Some(&self.data));
    }

    fn flush_when_full(&mut self) -> Result<(), StoreError> {
        if self.bytes.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.file.write_at(self.at, &self.bytes).map_err(io_error("write", &self.path))?;
        self.at += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }

    fn seal(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.file.sync().map_err(io_error("sync", &self.path))
    }
}

fn segment(
    fs: &dyn Fs,
    dir: &Path,
    name: SegmentName,
) -> Result<(Box<dyn VfsFile>, PathBuf), StoreError> {
    let path = dir.join(format!("{:016x}-{:016x}.wal", name.sequence, name.index));
    let file = fs.open(&path, OpenMode::CreateNew).map_err(io_error("create", &path))?;
    Ok((file, path))
}

/// Appends fields 1 and up, zeros too, as etcd up to 3.6 does.
fn put_numbers<const N: usize>(out: &mut Vec<u8>, numbers: [u64; N]) {
    for (number, value) in (1u64..).zip(numbers) {
        put_varint(out, number << 3);
        put_varint(out, value);
    }
}

fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a frame: length word, record, padding to eight bytes.
fn frame(out: &mut Vec<u8>, kind: u64, crc: u32, data: Option<&[u8]>) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    put_numbers(out, [kind, crc.into()]);
    if let Some(data) = data {
        put_bytes(out, 3, data);
    }
    let len = (out.len() - start - 8) as u64;
    let padding = len.wrapping_neg() % 8;
    let word = match padding {
        0 => len,
        padding => len | (0x80 | padding) << 56,
    };
    out.extend(std::iter::repeat_n(0, usize::try_from(padding).unwrap_or_default()));
    if let Some(place) = out.get_mut(start..start + 8) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}
