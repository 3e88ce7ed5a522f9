use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Advice, FallocateFlags, OFlags, fadvise, fallocate};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};

use crate::vfs::os::direct::Direct;
use crate::vfs::{OpenMode, PRIVATE_FILE_MODE, VfsFile};

/// An open regular file.
pub(super) struct OsFile {
    file: File,
    /// Whether something was written through this file that no sync has covered yet. Only then
    /// must [`VfsFile::write_synced_at`] sync the whole file: `RWF_DSYNC` covers its own bytes.
    unsynced: AtomicBool,
    /// The way past the cache, once somebody asked for it, where there is one.
    direct: OnceLock<Option<Direct>>,
}

impl OsFile {
    pub(super) fn open(path: &Path, mode: OpenMode) -> io::Result<OsFile> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true).mode(PRIVATE_FILE_MODE);
            }
        }
        let file = open_regular(path, &mut options, mode)?;
        Ok(OsFile { file, unsynced: false.into(), direct: OnceLock::new() })
    }

    /// Takes note of a write into the cache.
    fn cached_write(&self) {
        self.unsynced.store(true, Ordering::SeqCst);
        if let Some(Some(direct)) = self.direct.get() {
            direct.forget();
        }
    }
}

/// Opens an existing file for writes past the page cache. Offset, length and memory of every write
/// must be multiples of what the file system asks for, 4,096 bytes mostly.
///
/// # Errors
/// `InvalidInput` where the file system has no such writes; else as opening any file.
pub fn open_direct(path: &Path) -> io::Result<Box<dyn VfsFile>> {
    refuse_irregular(&std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    let flags = OFlags::DIRECT | OFlags::NONBLOCK;
    let file =
        options.read(true).write(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    refuse_irregular(&file.metadata()?)?;
    Ok(Box::new(OsFile { file, unsynced: false.into(), direct: OnceLock::new() }))
}

/// Opens an existing file for reading, to lock it.
pub(super) fn open_for_reading(path: &Path) -> io::Result<File> {
    open_regular(path, OpenOptions::new().read(true), OpenMode::Read)
}

/// Opens an existing file for writing, for file systems that lock exclusively only then.
pub(super) fn open_for_writing(path: &Path) -> io::Result<File> {
    open_regular(path, OpenOptions::new().read(true).write(true), OpenMode::ReadWrite)
}

fn open_regular(path: &Path, options: &mut OpenOptions, mode: OpenMode) -> io::Result<File> {
    if mode != OpenMode::CreateNew {
        // Opening a pipe or a device may already do something; so look first.
        refuse_irregular(&std::fs::metadata(path)?)?;
    }
    // Should the name have changed hands since, a pipe does not make us wait.
    let file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    refuse_irregular(&file.metadata()?)?;
    Ok(file)
}

fn refuse_irregular(found: &std::fs::Metadata) -> io::Result<()> {
    let kind = found.file_type();
    let word = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{word}, not a regular file")))
}

impl VfsFile for OsFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.cached_write();
        self.file.write_all_at(bytes, offset)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        if size == 0 {
            return Ok(());
        }
        self.cached_write();
        loop {
            match fallocate(&self.file, FallocateFlags::empty(), 0, size) {
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    return Err(io::ErrorKind::Unsupported.into());
                }
                answer => return Ok(answer?),
            }
        }
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.cached_write();
        if let Some(Some(direct)) = self.direct.get() {
            direct.forget_len();
        }
        self.file.set_len(size)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.metadata().map(|found| found.len())
    }

    fn write_out(&self, offset: u64, len: u64) {
        // A length of zero would mean all of the file.
        if let Some(len) = NonZeroU64::new(len) {
            // Asks to drop what is clean, which nothing here is; Linux begins to write the rest.
            let _only_a_hint = fadvise(&self.file, offset, Some(len), Advice::DontNeed);
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        // Cleared before, so that a write during the sync is not taken for synced.
        self.unsynced.store(false, Ordering::SeqCst);
        self.file.sync_data().inspect_err(|_| self.unsynced.store(true, Ordering::SeqCst))
    }

    fn write_past_cache(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let direct = self.direct.get_or_init(|| Direct::open(&self.file).ok());
        let direct = direct.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        if bytes.is_empty() {
            return self.sync_data();
        }
        if self.unsynced.load(Ordering::SeqCst) {
            self.sync_data()?;
        }
        direct.write(&self.file, offset, bytes).map_err(|error| match error.kind() {
            // Some file systems open a file so and then refuse to write it.
            io::ErrorKind::InvalidInput => io::ErrorKind::Unsupported.into(),
            _ => error,
        })
    }

    fn write_synced_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(Some(direct)) = self.direct.get() {
            direct.forget();
        }
        if !self.unsynced.load(Ordering::SeqCst) && offset < i64::MAX.cast_unsigned() {
            match write_through(&self.file, offset, bytes) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
                answer => {
                    return answer.map_err(|errno| {
                        self.unsynced.store(true, Ordering::SeqCst);
                        errno.into()
                    });
                }
            }
        }
        self.write_at(offset, bytes)?;
        self.sync_data()
    }

    fn sync(&self) -> io::Result<()> {
        self.unsynced.store(false, Ordering::SeqCst);
        self.file.sync_all().inspect_err(|_| self.unsynced.store(true, Ordering::SeqCst))
    }
}

/// Writes all of `bytes`, each part durable when the call for it returns.
fn write_through(file: &File, mut offset: u64, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match pwritev2(file, &[IoSlice::new(bytes)], offset, ReadWriteFlags::DSYNC) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset = offset.saturating_add(written as u64);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
