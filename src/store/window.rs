//! Reading a file forward through a buffer that grows while reading goes on where it stopped, and
//! stays small while it jumps.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::model::{IoError, Place, SharedBytes};
use crate::store::StoreError;
use crate::vfs::VfsFile;

/// Bytes read after a jump.
const JUMP_BYTES: usize = 4 << 10;
/// Bytes read at once at most, unless more are needed in one piece.
const STREAM_BYTES: usize = 512 << 10;

/// What gives the bytes of a file.
pub trait ReadAt: Send + Sync {
    /// As [`VfsFile::read_at`].
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
}

impl ReadAt for Box<dyn VfsFile> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.as_ref().read_at(offset, buf)
    }
}

impl ReadAt for Arc<dyn VfsFile> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.as_ref().read_at(offset, buf)
    }
}

/// A file that is read, as it was when it was opened.
pub struct Source {
    pub file: Box<dyn ReadAt>,
    pub path: Arc<Path>,
    pub size_bytes: u64,
}

impl Source {
    /// A place in the file.
    pub fn place(&self, offset_bytes: u64, len_bytes: u64) -> Place {
        Place { file: Arc::clone(&self.path), offset_bytes, len_bytes }
    }
}

/// Bytes of the file from some offset on.
pub struct Window<'s> {
    source: &'s Source,
    start: u64,
    bytes: Arc<Vec<u8>>,
    /// Bytes to read the next time, if reading goes on.
    next_bytes: usize,
}

impl<'s> Window<'s> {
    /// A window that shows nothing yet.
    pub fn new(source: &'s Source) -> Window<'s> {
        Window { source, start: 0, bytes: Arc::default(), next_bytes: JUMP_BYTES }
    }

    /// The file.
    pub fn source(&self) -> &'s Source {
        self.source
    }

    /// The bytes from `offset` on that can be had without reading, or after one read: at least
    /// `need` of them, unless the file ends before.
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter than it was.
    pub fn at(&mut self, offset: u64, need: usize) -> Result<&[u8], StoreError> {
        let skip = self.bring(offset, need)?;
        Ok(self.bytes.get(skip..).unwrap_or_default())
    }

    /// Exactly `len` bytes from `offset` on, which lie inside the file, sharing the buffer where
    /// that does not keep much more alive than they are.
    ///
    /// # Errors
    /// As [`Window::at`].
    pub fn shared(&mut self, offset: u64, len: usize) -> Result<SharedBytes, StoreError> {
        if len == 0 {
            return Ok(SharedBytes::from(&[][..]));
        }
        let skip = self.bring(offset, len)?;
        let range = skip..skip.saturating_add(len);
        let streaming =
            self.next_bytes >= STREAM_BYTES || len.saturating_mul(2) >= self.bytes.len();
        if streaming {
            let whole = SharedBytes::from(Arc::clone(&self.bytes));
            return Ok(whole.slice(range).unwrap_or_default());
        }
        Ok(SharedBytes::from(self.bytes.get(range).unwrap_or_default()))
    }

    /// Makes the bytes from `offset` on available; returns where in the buffer they begin.
    fn bring(&mut self, offset: u64, need: usize) -> Result<usize, StoreError> {
        let end = self.start.saturating_add(self.bytes.len() as u64);
        let left = self.source.size_bytes.saturating_sub(offset);
        let wanted_end = offset.saturating_add(left.min(need as u64));
        if let Some(skip) = offset.checked_sub(self.start).filter(|_| wanted_end <= end) {
            return Ok(usize::try_from(skip).unwrap_or(usize::MAX));
        }
        let goes_on = offset >= self.start && offset <= end.saturating_add(JUMP_BYTES as u64);
        self.next_bytes = match goes_on {
            true => self.next_bytes.saturating_mul(4).min(STREAM_BYTES),
            false => JUMP_BYTES,
        };
        let len = self.next_bytes.max(need).min(usize::try_from(left).unwrap_or(usize::MAX));
        self.read(offset, len)?;
        Ok(0)
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<(), StoreError> {
        // Whoever took a part keeps the old buffer.
        if Arc::get_mut(&mut self.bytes).is_none() {
            self.bytes = Arc::default();
        }
        let failed = |error| IoError::new("read", &*self.source.path, error).at(offset);
        if let Some(bytes) = Arc::get_mut(&mut self.bytes) {
            self.start = offset;
            bytes.resize(len, 0);
            let read = self.source.file.read_at(offset, bytes).map_err(failed)?;
            bytes.truncate(read);
            if read < len {
                let error = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(failed(error).into());
            }
        }
        Ok(())
    }
}
