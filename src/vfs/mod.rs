//! The boundary to the operating system: every byte of a store passes through these traits.
//!
//! [`Vfs`] is what the engine and every sink may use; what each call promises, and nothing more, is
//! stated at the call. Implementations: [`os`] (real), [`overlay`] (reads below, writes in
//! memory), [`sim`] (a simulated disk that can be cut off at any call). [`Fs`] adds what only tools
//! need; the engine never sees it.

pub mod full;
pub mod os;
pub mod overlay;
pub mod sim;

#[cfg(test)]
mod contract;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a file is opened. No mode ever truncates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A file that must not exist yet, for reading and writing.
    CreateNew,
}

/// How a lock excludes others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Readers together, no writer.
    Shared,
    /// Nobody else.
    Exclusive,
}

/// Who holds a lock, as far as the system tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: Option<u32>,
    /// Name of the program.
    pub name: Option<String>,
}

/// A lock that lasts until it is dropped.
pub trait Held: Send + Sync {}

/// Why a lock was not obtained.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else holds it.
    Held(Holder),
    /// The system refused for another reason.
    Io(io::Error),
}

/// Permission bits of a file that was created.
pub const PRIVATE_FILE_MODE: u32 = 0o600;
/// Permission bits of a directory that was created.
pub const PRIVATE_DIR_MODE: u32 = 0o700;

/// The calls that reach the disk. Contracts as in the crash model: a name is durable only after
/// [`Vfs::sync_dir`] of its directory, bytes only after a sync of their file.
pub trait Vfs: Send + Sync {
    /// Opens a file. `CreateNew` fails with `AlreadyExists` if the name exists; what it creates
    /// only its owner can read ([`PRIVATE_FILE_MODE`]), as a log may hold secrets.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>>;
    /// Paths of everything in `dir`, sorted by name.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// Creates one directory of [`PRIVATE_DIR_MODE`]; its parent must exist, the name must not.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Renames within one directory, atomically; replaces a file of the target name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Locks an existing file without waiting; refused with the holder where it is known.
    fn lock(&self, path: &Path, mode: LockMode) -> Result<Box<dyn Held>, LockError>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file. There is no position: every call names its offset.
pub trait VfsFile: Send + Sync {
    /// Reads into `buf` from `offset`; short only at the end of the file, where it returns 0.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`; after an error any part may be there.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reserves and extends to `size`, reading as zeros; `Unsupported` where it cannot be had.
    fn allocate(&self, size: u64) -> io::Result<()>;
    /// Sets the size; growth reads as zeros.
    fn set_size(&self, size: u64) -> io::Result<()>;
    /// The size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Says that `len` bytes from `offset` on were written and will not change soon, so that the
    /// system may begin to write them out. Promises nothing; what fails shows in the next sync.
    fn write_out(&self, _offset: u64, _len: u64) {}
    /// Ok: bytes and size are durable. Err: nothing is known.
    fn sync_data(&self) -> io::Result<()>;
    /// [`VfsFile::write_at`], then [`VfsFile::sync_data`], as one call.
    fn write_synced_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_at(offset, bytes)?;
        self.sync_data()
    }
    /// As [`VfsFile::write_synced_at`], past the system's cache; `Unsupported`, with nothing
    /// done, where that cannot be had or the file does not reach through the last page. What was
    /// written so is not in the cache: the next reader waits for the disk.
    fn write_past_cache(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// As [`VfsFile::sync_data`], with the file's metadata.
    fn sync(&self) -> io::Result<()>;
}

/// Reads exactly `buf.len()` bytes at `offset`.
///
/// # Errors
/// `UnexpectedEof` when the file ends before, else what the read said.
pub fn read_exact_at(file: &dyn VfsFile, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    let read = file.read_at(offset, buf)?;
    if read == buf.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// What a name stands for. Links are never followed by tools that copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A socket, pipe or device.
    Other,
}

/// What the file system records about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Size of a regular file.
    pub size_bytes: u64,
    /// Permission bits, `0o7777` at most.
    pub mode: u32,
    /// Modification time, nanoseconds since 1970, negative before.
    pub modified_unix_ns: i128,
    /// Device and inode: equal for two names of one file.
    pub identity: (u64, u64),
}

/// Whether a live process uses a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockState {
    /// Nobody holds a lock that excludes us.
    Free,
    /// Somebody does.
    Held(Holder),
}

/// Which processes have a file open for writing, as far as the system tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writers {
    /// At least this one.
    Seen(Holder),
    /// None of those that could be looked at.
    NoneSeen {
        /// Processes that do not show what they have open.
        hidden: u64,
    },
    /// The system does not tell.
    Unknown,
}

/// What tools need beyond [`Vfs`]; the engine never sees it.
pub trait Fs: Vfs {
    /// This file system as the plain [`Vfs`], for the engine and sinks.
    fn as_vfs(&self) -> &dyn Vfs;
    /// What `path` is, without following a link at its end.
    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// What `path` is, following links.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// The absolute path without links.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;
    /// Every name below `dir` (not `dir` itself), parents before children, sorted by name; links
    /// are not followed and other file systems not entered. Ends with an error after `limit` names.
    fn walk(&self, dir: &Path, limit: usize) -> io::Result<Vec<(PathBuf, Metadata)>>;
    /// Renames within one directory; `AlreadyExists` if the target name exists.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Sets permission bits and modification time.
    fn set_attributes(&self, path: &Path, mode: u32, modified_unix_ns: i128) -> io::Result<()>;
    /// Bytes that an ordinary process can still write below `dir`; `None` where unknown.
    fn free_bytes(&self, dir: &Path) -> io::Result<Option<u64>>;
    /// Has everything written out that any program wrote to the file system of `dir` before; in
    /// memory nothing waits. For measuring: what must be durable is synced by its own calls.
    fn sync_file_system(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }
    /// Whether this process may create names in `dir`, as far as can be told without doing so.
    ///
    /// # Errors
    /// What the system would say to the attempt: no permission, a file system that is read-only.
    fn check_writable(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }
    /// Probes, without waiting and without changing the file, for flock and OFD range locks that
    /// a live user of `path` holds.
    fn probe_lock(&self, path: &Path) -> io::Result<LockState>;
    /// Looks for another process that has `path` open for writing: all that can be known where the
    /// owner of a file takes no lock. Processes of other machines and namespaces are never seen.
    fn writers(&self, _path: &Path) -> io::Result<Writers> {
        Ok(Writers::Unknown)
    }
}

/// The directory that holds `path`: `.` for a name alone.
pub fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses a rename that leaves its directory: no implementation promises that to be atomic.
fn one_directory(from: &Path, to: &Path) -> io::Result<()> {
    if from.parent() == to.parent() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "a rename must stay in its directory"))
}

/// What [`Fs::walk`] says when there are more names than the caller wants to hold.
fn too_many_names(dir: &Path, limit: usize) -> io::Error {
    io::Error::other(format!("more than {limit} names below {}", dir.display()))
}

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;
    /// Time since 1970-01-01T00:00:00Z; may jump.
    fn wall(&self) -> Duration;
    /// Waits, or, in the simulator, moves time on.
    fn sleep(&self, duration: Duration);
}
