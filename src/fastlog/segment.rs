//! The files of a store: their names, opening them, and walking the frames of one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::fastlog::format::{
    ANCHOR_FILE, FRAME_HEADER_BYTES, FRAME_OFFSET_MAX, FRAMES_OFFSET, Found, Frame, PAGE_BYTES,
    SECTOR_BYTES, SYNC_PAGE_OFFSET, Salt, SectorError, SegmentHeader, SegmentNo, SyncSlot,
};
use crate::fastlog::planted::{Bug, planted};
use crate::model::{IoError, Place};
use crate::vfs::{OpenMode, Vfs, VfsFile};

/// Bytes read at once when a segment is walked: what stays in a processor's own cache until it is
/// checksummed.
const READ_BYTES: usize = 256 << 10;
/// Buffers grow by multiples of this, as frames of about the same length follow one another.
const BUFFER_STEP_BYTES: usize = 64 << 10;
/// Segments that stay open for reading at the same time, when nothing else is said.
const OPEN_MAX: usize = 64;

/// A frame's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FramePlace {
    /// The segment.
    pub segment: SegmentNo,
    /// Offset in it, in bytes.
    pub offset: u64,
}

/// An open file that knows its path.
pub(super) struct NamedFile {
    pub(super) path: Arc<Path>,
    pub(super) file: Box<dyn VfsFile>,
}

impl NamedFile {
    /// Wraps an error of a call on this file.
    pub(super) fn error(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> IoError {
        let path = Arc::clone(&self.path);
        move |source| IoError::new(action, path.as_ref(), source)
    }

    /// As [`NamedFile::error`], at a byte of the file.
    pub(super) fn error_at(
        &self,
        action: &'static str,
        offset: u64,
    ) -> impl FnOnce(std::io::Error) -> IoError {
        let path = Arc::clone(&self.path);
        move |source| IoError::new(action, path.as_ref(), source).at(offset)
    }

    /// A place in this file.
    pub(super) fn place(&self, offset_bytes: u64, len_bytes: u64) -> Place {
        Place { file: Arc::clone(&self.path), offset_bytes, len_bytes }
    }

    /// Reads as much as there is, at most `buf.len()` bytes, and returns how much that was.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<usize, IoError> {
        self.file.read_at(offset, buf).map_err(self.error_at("read", offset))
    }

    /// The sector at `offset`; what lies behind the end of the file reads as zeros.
    pub(super) fn sector(&self, offset: u64) -> Result<[u8; SECTOR_BYTES], IoError> {
        let mut sector = [0; SECTOR_BYTES];
        self.read(offset, &mut sector)?;
        Ok(sector)
    }

    pub(super) fn size(&self) -> Result<u64, IoError> {
        self.file.size().map_err(self.error("look at"))
    }

    pub(super) fn sync(&self) -> Result<(), IoError> {
        self.file.sync_data().map_err(self.error("sync"))
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.file.write_at(offset, bytes).map_err(self.error_at("write", offset))
    }

    /// Whether there is nothing before the first frame.
    pub(super) fn is_blank(&self) -> Result<bool, IoError> {
        if self.sector(0)? != [0; SECTOR_BYTES] {
            return Ok(false);
        }
        let mut head = vec![0; usize::try_from(FRAMES_OFFSET).unwrap_or_default()];
        let read = self.read(0, &mut head)?;
        Ok(head.get(..read).is_none_or(is_zero))
    }

    /// The header sector, read and verified.
    pub(super) fn header(&self) -> Result<Result<SegmentHeader, SectorError>, IoError> {
        Ok(SegmentHeader::decode(&self.sector(0)?))
    }

    /// Both sync slots, read and verified.
    pub(super) fn sync_slots(&self) -> Result<[Result<SyncSlot, SectorError>; 2], IoError> {
        let second = SYNC_PAGE_OFFSET + PAGE_BYTES / 8;
        Ok([
            SyncSlot::decode(&self.sector(SYNC_PAGE_OFFSET)?, 0),
            SyncSlot::decode(&self.sector(second)?, 1),
        ])
    }
}

/// The directory of a store and the segments of it that are open.
pub(super) struct Files {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    open: Mutex<BTreeMap<SegmentNo, Arc<NamedFile>>>,
    /// Segments that stay open at the same time.
    open_max: usize,
    /// The segments before were purged while the log was open.
    oldest: AtomicU64,
}

impl Files {
    pub(super) fn new(vfs: Arc<dyn Vfs>, dir: &Path) -> Files {
        let (dir, open, oldest) = (dir.to_owned(), Mutex::default(), AtomicU64::new(0));
        Files { vfs, dir, open, open_max: OPEN_MAX, oldest }
    }

    /// The same, with another number of segments that stay open.
    pub(super) fn keeping_open(mut self, open_max: usize) -> Files {
        self.open_max = open_max.max(1);
        self
    }

    pub(super) fn vfs(&self) -> &dyn Vfs {
        self.vfs.as_ref()
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn anchor_path(&self) -> PathBuf {
        self.dir.join(ANCHOR_FILE)
    }

    pub(super) fn segment_path(&self, number: SegmentNo) -> PathBuf {
        self.dir.join(number.file_name())
    }

    pub(super) fn open(&self, path: &Path, mode: OpenMode) -> Result<NamedFile, IoError> {
        let action = if mode == OpenMode::CreateNew { "create" } else { "open" };
        let file = self.vfs.open(path, mode).map_err(|e| IoError::new(action, path, e))?;
        Ok(NamedFile { path: Arc::from(path), file })
    }

    /// The segments in the directory, ascending.
    pub(super) fn segments(&self) -> Result<Vec<SegmentNo>, IoError> {
        let names = self.vfs.list(&self.dir).map_err(|e| IoError::new("list", &self.dir, e))?;
        let number = |path: &PathBuf| SegmentNo::from_file_name(path.file_name()?.to_str()?);
        let mut found: Vec<SegmentNo> = names.iter().filter_map(number).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// A segment, opened for reading once and then shared.
    pub(super) fn reading(&self, number: SegmentNo) -> Result<Arc<NamedFile>, IoError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&number) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(self.open(&self.segment_path(number), OpenMode::Read)?);
        while open.len() >= self.open_max {
            open.pop_first();
        }
        open.insert(number, Arc::clone(&file));
        Ok(file)
    }

    /// Forgets the open file of a segment that was removed.
    pub(super) fn forget(&self, number: SegmentNo) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    pub(super) fn remove(&self, number: SegmentNo) -> Result<(), IoError> {
        self.forget(number);
        let path = self.segment_path(number);
        self.vfs.remove(&path).map_err(|e| IoError::new("remove", path, e))
    }

    /// Gives a segment another number.
    pub(super) fn rename(&self, from: SegmentNo, to: SegmentNo) -> Result<(), IoError> {
        self.forget(from);
        let path = self.segment_path(from);
        let renamed = self.vfs.rename(&path, &self.segment_path(to));
        renamed.map_err(|e| IoError::new("rename", path, e))
    }

    /// Whether a segment was purged while the log was open: its file may have another life.
    pub(super) fn is_purged(&self, number: SegmentNo) -> bool {
        number.0 < self.oldest.load(Ordering::Acquire)
    }

    /// Takes note that the segments before `oldest` are about to be purged.
    pub(super) fn purging(&self, oldest: SegmentNo) {
        self.oldest.fetch_max(oldest.0, Ordering::Release);
    }

    /// Takes the spares out of `segments`: those behind the newest one in use that hold nothing.
    pub(super) fn take_spares(
        &self,
        segments: &mut Vec<SegmentNo>,
        newest: SegmentNo,
    ) -> Result<Vec<SegmentNo>, IoError> {
        let mut spares = Vec::new();
        for number in segments.iter().filter(|number| **number > newest) {
            if self.reading(*number)?.is_blank()? {
                spares.push(*number);
            }
        }
        segments.retain(|number| !spares.contains(number));
        Ok(spares)
    }

    pub(super) fn sync_dir(&self) -> Result<(), IoError> {
        if planted(Bug::NameNotSynced) {
            return Ok(());
        }
        self.vfs.sync_dir(&self.dir).map_err(|e| IoError::new("sync", &self.dir, e))
    }
}

/// Whether all bytes are zeros; sector by sector, as comparing is what processors do fast.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(SECTOR_BYTES).all(|chunk| chunk == ZEROS.get(..chunk.len()).unwrap_or_default())
}

const ZEROS: [u8; SECTOR_BYTES] = [0; SECTOR_BYTES];

/// Where the first byte is that is not zero.
fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    let chunk = bytes.chunks(SECTOR_BYTES).position(|chunk| !is_zero(chunk))?;
    let rest = bytes.get(chunk * SECTOR_BYTES..)?;
    rest.iter().position(|byte| *byte != 0).map(|at| chunk * SECTOR_BYTES + at)
}

/// Reads one segment from front to back in large pieces.
pub(super) struct SegmentReader {
    file: Arc<NamedFile>,
    number: SegmentNo,
    salt: Salt,
    size: u64,
    buffer: Vec<u8>,
    /// Offset in the file of the first byte in the buffer.
    start: u64,
    /// Bytes in the buffer that were read.
    filled: usize,
    /// Offset in the file of the next frame.
    next: u64,
}

impl SegmentReader {
    /// Begins at the first frame; `buffer` is reused.
    pub(super) fn new(
        file: Arc<NamedFile>,
        number: SegmentNo,
        salt: Salt,
        buffer: Vec<u8>,
    ) -> Result<SegmentReader, IoError> {
        let size = file.size()?;
        let next = FRAMES_OFFSET;
        Ok(SegmentReader { file, number, salt, size, buffer, start: next, filled: 0, next })
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    pub(super) fn file(&self) -> &Arc<NamedFile> {
        &self.file
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Where the next frame is looked for.
    pub(super) fn place(&self) -> FramePlace {
        FramePlace { segment: self.number, offset: self.next }
    }

    /// Goes to another offset.
    pub(super) fn seek(&mut self, offset: u64) {
        self.next = offset;
    }

    fn remaining(&self) -> u64 {
        self.size.saturating_sub(self.next)
    }

    /// What stands at the next offset; the bytes of a frame are in the buffer then.
    pub(super) fn found(&mut self) -> Result<Found, IoError> {
        let remaining = self.remaining();
        if self.next > FRAME_OFFSET_MAX && remaining > 0 {
            return Ok(Found::Field { what: "offset of a frame", value: self.next });
        }
        loop {
            match Found::at_start(self.ahead(), remaining, self.salt) {
                Found::NeedBytes(len) => self.fill(len)?,
                found => return Ok(found),
            }
        }
    }

    /// The payload of the frame that [`SegmentReader::found`] found.
    pub(super) fn payload(&self, frame: &Frame) -> &[u8] {
        self.ahead().get(FRAME_HEADER_BYTES..frame.len_bytes()).unwrap_or_default()
    }

    /// Steps behind the frame that was found.
    pub(super) fn step(&mut self, frame: &Frame) {
        self.next += u64::try_from(frame.len_bytes()).unwrap_or(u64::MAX);
    }

    /// The bytes from the next offset on that are in the buffer.
    fn ahead(&self) -> &[u8] {
        let Some(skip) = self.next.checked_sub(self.start) else { return &[] };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        self.buffer.get(skip.min(self.filled)..self.filled).unwrap_or_default()
    }

    /// Brings at least `len` bytes from the next offset on into the buffer. The caller knows that
    /// the file is long enough; a file that shrank meanwhile is a read error.
    fn fill(&mut self, len: usize) -> Result<(), IoError> {
        let kept = self.ahead().len();
        let from = self.filled - kept;
        if kept > 0 {
            self.buffer.copy_within(from..self.filled, 0);
        }
        // A large frame is read with the header behind it and nothing more, so that no part of the
        // next large one has to be moved.
        let large = len > READ_BYTES / 2;
        let want = if large { len.saturating_add(FRAME_HEADER_BYTES) } else { READ_BYTES };
        let want = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(want).max(len);
        if self.buffer.len() < want || self.buffer.len() > want.max(8 * READ_BYTES) {
            let room = want.checked_next_multiple_of(BUFFER_STEP_BYTES).unwrap_or(want);
            self.buffer.resize(room, 0);
        }
        self.start = self.next;
        let offset = self.next + u64::try_from(kept).unwrap_or(u64::MAX);
        let room = self.buffer.get_mut(kept..want).unwrap_or_default();
        let read = self.file.read(offset, room)?;
        self.filled = kept + read;
        if self.filled < len {
            let eof = std::io::ErrorKind::UnexpectedEof.into();
            return Err(self.file.error_at("read", offset)(eof));
        }
        Ok(())
    }

    /// Goes to the first offset at or behind the next one that does not hold a zero byte, and
    /// returns whether there is one.
    pub(super) fn skip_zeros(&mut self) -> Result<bool, IoError> {
        while self.remaining() > 0 {
            if self.ahead().is_empty() {
                self.fill(1)?;
            }
            let ahead = self.ahead();
            match first_nonzero(ahead) {
                Some(at) => {
                    self.next += u64::try_from(at).unwrap_or(u64::MAX);
                    return Ok(true);
                }
                None => self.next += u64::try_from(ahead.len()).unwrap_or(u64::MAX),
            }
        }
        Ok(false)
    }

    /// Goes to the first frame at or behind the next offset that verifies and has a sequence in
    /// `range`, and returns it. `budget` bounds the bytes that are checksummed in vain.
    pub(super) fn next_verifying(
        &mut self,
        range: std::ops::RangeInclusive<crate::fastlog::format::Sequence>,
        budget: &mut u64,
    ) -> Result<Option<Found>, IoError> {
        let header = u64::try_from(FRAME_HEADER_BYTES).unwrap_or(u64::MAX);
        while self.remaining() >= header {
            if self.ahead().len() < FRAME_HEADER_BYTES {
                self.fill(FRAME_HEADER_BYTES)?;
            }
            let ahead = self.ahead();
            let hit = ahead
                .windows(FRAME_HEADER_BYTES)
                .position(|window| Found::plausible(window, *range.start(), *range.end()));
            let Some(at) = hit else {
                let passed = ahead.len() - (FRAME_HEADER_BYTES - 1);
                self.next += u64::try_from(passed).unwrap_or(u64::MAX);
                continue;
            };
            self.next += u64::try_from(at).unwrap_or(u64::MAX);
            match self.found()? {
                found @ (Found::Frame(_) | Found::Newer { .. }) => return Ok(Some(found)),
                Found::Checksum { len, .. } => {
                    let spent = u64::try_from(len).unwrap_or(u64::MAX);
                    match budget.checked_sub(spent) {
                        Some(left) => *budget = left,
                        None => return Ok(None),
                    }
                }
                _ => {}
            }
            self.next += 1;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastlog::format::LogUid;
    use crate::vfs::os::OsFs;

    #[test]
    fn a_frame_that_no_position_could_name_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = Files::new(Arc::new(OsFs), dir.path());
        let number = SegmentNo(1);
        let made = files.open(&files.segment_path(number), OpenMode::CreateNew).expect("created");
        let offset = FRAME_OFFSET_MAX + 1;
        made.write(offset, &[7; 64]).expect("a sparse file");
        let salt = Salt::new(LogUid([1; 16]), number);
        let file = files.reading(number).expect("there");
        let mut reader = SegmentReader::new(file, number, salt, Vec::new()).expect("opens");
        reader.seek(offset);
        let found = reader.found().expect("read");
        assert_eq!(found, Found::Field { what: "offset of a frame", value: offset });
    }
}
