//! Reading a segment forward, while what was read of the current batch is kept: whoever has to
//! prove a batch before reading it gets its bytes without another read.

use std::path::Path;
use std::sync::Arc;

use crate::model::{IoError, Place, SharedBytes};
use crate::store::{StoreError, io_error};
use crate::vfs::{Fs, OpenMode, VfsFile};

/// Bytes read after a jump.
const JUMP_BYTES: usize = 16 << 10;
/// Bytes read at once at most, unless more are needed in one piece.
const STREAM_BYTES: usize = 1 << 20;
/// Bytes in front of those wanted that are kept at most.
pub const KEPT_BYTES: u64 = 2 << 20;

/// A segment's file, as it was when it was looked at.
#[derive(Clone)]
pub struct SegmentFile {
    pub fs: Arc<dyn Fs>,
    pub path: Arc<Path>,
    pub size_bytes: u64,
}

impl SegmentFile {
    /// A place in the file.
    pub fn place(&self, offset_bytes: u64, len_bytes: u64) -> Place {
        Place { file: Arc::clone(&self.path), offset_bytes, len_bytes }
    }
}

/// Bytes of a segment from some offset on. What lies behind the end it had when it was looked at is
/// not seen.
pub struct Window {
    file: Box<dyn VfsFile>,
    pub of: SegmentFile,
    start: u64,
    bytes: Arc<Vec<u8>>,
    /// Bytes to read the next time, if reading goes on.
    next_bytes: usize,
}

impl Window {
    /// Opens the segment.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(of: &SegmentFile) -> Result<Window, StoreError> {
        let file = of.fs.open(&of.path, OpenMode::Read).map_err(io_error("open", &of.path))?;
        let (start, bytes, next_bytes) = (0, Arc::default(), JUMP_BYTES);
        Ok(Window { file, of: of.clone(), start, bytes, next_bytes })
    }

    /// The bytes from `offset` on that are at hand: at least `need` of them, unless the file ends
    /// before. What lies from `keep` on stays at hand where that is not too much.
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter than it was.
    #[inline]
    pub fn at(&mut self, keep: u64, offset: u64, need: usize) -> Result<&[u8], StoreError> {
        let skip = self.bring(keep, offset, need)?;
        Ok(self.bytes.get(skip..).unwrap_or_default())
    }

    /// The buffer that holds `len` bytes from `offset` on, and where in it they begin.
    ///
    /// # Errors
    /// As [`Window::at`].
    pub fn shared(&mut self, offset: u64, len: usize) -> Result<(SharedBytes, usize), StoreError> {
        let skip = self.bring(offset, offset, len)?;
        Ok((SharedBytes::from(Arc::clone(&self.bytes)), skip))
    }

    /// Whether payloads that share the buffer keep no more than they should.
    pub fn is_streaming(&self) -> bool {
        self.next_bytes >= STREAM_BYTES
    }

    #[inline]
    fn bring(&mut self, keep: u64, offset: u64, need: usize) -> Result<usize, StoreError> {
        let end = self.start.saturating_add(self.bytes.len() as u64);
        let left = self.of.size_bytes.saturating_sub(offset);
        let wanted_end = offset.saturating_add(left.min(need as u64));
        match offset.checked_sub(self.start).filter(|_| wanted_end <= end) {
            Some(skip) => Ok(usize::try_from(skip).unwrap_or(usize::MAX)),
            None => self.move_to(keep, offset, need),
        }
    }

    /// Reads anew; returns where in the buffer `offset` lies.
    fn move_to(&mut self, keep: u64, offset: u64, need: usize) -> Result<usize, StoreError> {
        let end = self.start.saturating_add(self.bytes.len() as u64);
        let goes_on = (self.start..=end.saturating_add(JUMP_BYTES as u64)).contains(&offset);
        self.next_bytes = match goes_on {
            true => self.next_bytes.saturating_mul(4).min(STREAM_BYTES),
            false => JUMP_BYTES,
        };
        let at_hand = (self.start..=end).contains(&keep) && offset <= end;
        let start = match at_hand && keep <= offset && offset - keep <= KEPT_BYTES {
            true => keep,
            false => offset,
        };
        let kept = match start < end && start >= self.start {
            true => usize::try_from(start - self.start).unwrap_or(usize::MAX)..self.bytes.len(),
            false => self.bytes.len()..self.bytes.len(),
        };
        let kept_bytes = kept.len();
        let left = self.of.size_bytes.saturating_sub(start);
        let before = usize::try_from(offset - start).unwrap_or(usize::MAX);
        let len = before
            .saturating_add(need)
            .max(kept_bytes.saturating_add(self.next_bytes))
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        // Whoever took a part keeps the old buffer.
        match Arc::get_mut(&mut self.bytes) {
            Some(bytes) => {
                bytes.copy_within(kept, 0);
                bytes.resize(len, 0);
            }
            None => {
                let mut bytes = Vec::with_capacity(len);
                bytes.extend_from_slice(self.bytes.get(kept).unwrap_or_default());
                bytes.resize(len, 0);
                self.bytes = Arc::new(bytes);
            }
        }
        self.start = start;
        self.fill(kept_bytes)?;
        Ok(before)
    }

    /// Reads everything but the first `kept` bytes of the buffer.
    fn fill(&mut self, kept: usize) -> Result<(), StoreError> {
        let from = self.start.saturating_add(kept as u64);
        let failed = |error| IoError::new("read", &*self.of.path, error).at(from);
        let Some(bytes) = Arc::get_mut(&mut self.bytes) else { return Ok(()) };
        let Some(free) = bytes.get_mut(kept..) else { return Ok(()) };
        let (wanted, read) = (free.len(), self.file.read_at(from, free));
        match read.map_err(failed)? {
            read if read == wanted => Ok(()),
            read => {
                bytes.truncate(kept.saturating_add(read));
                let error = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                Err(failed(error).into())
            }
        }
    }
}
