use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::vfs::{
    FileKind, Held, LockMode, Metadata, OpenMode, PRIVATE_FILE_MODE, VfsFile, read_exact_at,
};

const PAGE_BYTES: usize = 4096;
const FILE_BYTES_MAX: u64 = 1 << 44;
const EBADF: i32 = 9;

/// A file over one below, or over nothing.
pub(super) struct OverlayFile {
    below: Option<Below>,
    identity: (u64, u64),
    state: RwLock<State>,
    locks: Mutex<Locks>,
}

struct Below {
    file: Box<dyn VfsFile>,
    path: PathBuf,
}

struct State {
    size_bytes: u64,
    /// How much of the file below still shows.
    below_bytes: u64,
    /// Pages that were written, by number.
    pages: BTreeMap<u64, Box<[u8; PAGE_BYTES]>>,
    mode: u32,
    modified_unix_ns: i128,
}

#[derive(Default)]
struct Locks {
    readers: u32,
    writer: bool,
}

impl OverlayFile {
    /// An empty file.
    pub(super) fn new(identity: (u64, u64)) -> OverlayFile {
        let state = State {
            size_bytes: 0,
            below_bytes: 0,
            pages: BTreeMap::new(),
            mode: PRIVATE_FILE_MODE,
            modified_unix_ns: 0,
        };
        OverlayFile { below: None, identity, state: RwLock::new(state), locks: Mutex::default() }
    }

    /// The file at `path` below, of which `about` was found out.
    pub(super) fn over(
        file: Box<dyn VfsFile>,
        path: PathBuf,
        about: Metadata,
    ) -> io::Result<OverlayFile> {
        let size_bytes = file.size()?;
        let state = State {
            size_bytes,
            below_bytes: size_bytes,
            pages: BTreeMap::new(),
            mode: about.mode,
            modified_unix_ns: about.modified_unix_ns,
        };
        Ok(OverlayFile {
            below: Some(Below { file, path }),
            identity: about.identity,
            state: RwLock::new(state),
            locks: Mutex::default(),
        })
    }

    /// Where the file below is, if there is one.
    pub(super) fn path_below(&self) -> Option<&Path> {
        self.below.as_ref().map(|below| below.path.as_path())
    }

    pub(super) fn held_bytes(&self) -> u64 {
        (self.read_state().pages.len() * PAGE_BYTES) as u64
    }

    pub(super) fn metadata(&self) -> Metadata {
        let state = self.read_state();
        Metadata {
            kind: FileKind::File,
            size_bytes: state.size_bytes,
            mode: state.mode,
            modified_unix_ns: state.modified_unix_ns,
            identity: self.identity,
        }
    }

    pub(super) fn set_attributes(&self, mode: u32, modified_unix_ns: i128) {
        let mut state = self.write_state();
        state.mode = mode & 0o7777;
        state.modified_unix_ns = modified_unix_ns;
    }

    /// A lock, unless others exclude it.
    pub(super) fn lock(self: &Arc<Self>, mode: LockMode) -> Option<OverlayLock> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        match mode {
            LockMode::Shared if !locks.writer => locks.readers += 1,
            LockMode::Exclusive if !locks.writer && locks.readers == 0 => locks.writer = true,
            _ => return None,
        }
        Some(OverlayLock { file: Arc::clone(self), mode })
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let state = self.read_state();
        let left = state.size_bytes.saturating_sub(offset);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..len).filter(|buf| !buf.is_empty()) else { return Ok(0) };
        self.read_below(state.below_bytes, offset, buf)?;
        let end = offset.saturating_add(len as u64);
        let pages = offset / PAGE_BYTES as u64..end.div_ceil(PAGE_BYTES as u64);
        for (no, page) in state.pages.range(pages) {
            let page_start = no * PAGE_BYTES as u64;
            // Where in the buffer the page begins, or how much of it lies before the buffer.
            let into = usize::try_from(page_start.saturating_sub(offset)).unwrap_or(len);
            let skip = usize::try_from(offset.saturating_sub(page_start)).unwrap_or(PAGE_BYTES);
            let from = page.get(skip..).unwrap_or_default();
            for (into, from) in buf.iter_mut().skip(into).zip(from) {
                *into = *from;
            }
        }
        Ok(len)
    }

    /// Fills `buf` with what shows of the file below, and zeros behind that.
    fn read_below(&self, below_bytes: u64, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let left = below_bytes.saturating_sub(offset);
        let shown = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let (from_below, behind) = buf.split_at_mut(shown);
        behind.fill(0);
        match &self.below {
            Some(below) if shown > 0 => read_exact_at(&*below.file, offset, from_below),
            _ => {
                from_below.fill(0);
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > FILE_BYTES_MAX) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut state = self.write_state();
        let mut at = offset;
        while !bytes.is_empty() {
            let no = at / PAGE_BYTES as u64;
            let page_start = no * PAGE_BYTES as u64;
            let skip = usize::try_from(at - page_start).unwrap_or_default();
            let (part, rest) = bytes.split_at(bytes.len().min(PAGE_BYTES - skip));
            let below_bytes = state.below_bytes;
            if let Ok(whole) = <[u8; PAGE_BYTES]>::try_from(part) {
                state.pages.insert(no, Box::new(whole));
            } else {
                let page = match state.pages.entry(no) {
                    std::collections::btree_map::Entry::Occupied(page) => page.into_mut(),
                    std::collections::btree_map::Entry::Vacant(vacant) => {
                        let mut page = Box::new([0; PAGE_BYTES]);
                        self.read_below(below_bytes, page_start, &mut *page)?;
                        vacant.insert(page)
                    }
                };
                if let Some(into) = page.get_mut(skip..skip + part.len()) {
                    into.copy_from_slice(part);
                }
            }
            at = at.saturating_add(part.len() as u64);
            state.size_bytes = state.size_bytes.max(at);
            bytes = rest;
        }
        Ok(())
    }

    fn resize(&self, size_bytes: u64) -> io::Result<()> {
        if size_bytes > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut state = self.write_state();
        state.size_bytes = size_bytes;
        state.below_bytes = state.below_bytes.min(size_bytes);
        state.pages.split_off(&size_bytes.div_ceil(PAGE_BYTES as u64));
        let cut = usize::try_from(size_bytes % PAGE_BYTES as u64).unwrap_or_default();
        if cut > 0
            && let Some(page) = state.pages.get_mut(&(size_bytes / PAGE_BYTES as u64))
            && let Some(tail) = page.get_mut(cut..)
        {
            tail.fill(0);
        }
        Ok(())
    }
}

/// A lock on a file of an overlay; dropping it releases it.
pub(super) struct OverlayLock {
    file: Arc<OverlayFile>,
    mode: LockMode,
}

impl Held for OverlayLock {}

impl Drop for OverlayLock {
    fn drop(&mut self) {
        let mut locks = self.file.locks.lock().unwrap_or_else(PoisonError::into_inner);
        match self.mode {
            LockMode::Shared => locks.readers = locks.readers.saturating_sub(1),
            LockMode::Exclusive => locks.writer = false,
        }
    }
}

/// An open file of an overlay.
pub(super) struct OverlayHandle {
    file: Arc<OverlayFile>,
    mode: OpenMode,
}

impl OverlayHandle {
    pub(super) fn new(file: Arc<OverlayFile>, mode: OpenMode) -> OverlayHandle {
        OverlayHandle { file, mode }
    }

    fn writable(&self) -> io::Result<()> {
        match self.mode {
            OpenMode::Read => Err(io::Error::from_raw_os_error(EBADF)),
            OpenMode::ReadWrite | OpenMode::CreateNew => Ok(()),
        }
    }
}

impl VfsFile for OverlayHandle {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.writable()?;
        self.file.write(offset, bytes)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        if size == 0 {
            return Ok(());
        }
        self.writable()?;
        let current = self.size()?;
        if size > current { self.file.resize(size) } else { Ok(()) }
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        match self.mode {
            OpenMode::Read => Err(io::ErrorKind::InvalidInput.into()),
            OpenMode::ReadWrite | OpenMode::CreateNew => self.file.resize(size),
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.read_state().size_bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
