//! The real operating system.
//!
//! The only file, with those below `os/`, that may call `std::fs` and the system's clocks.

#![allow(clippy::disallowed_methods)]

mod clock;
mod direct;
mod file;
mod lock;
mod machine;
mod tree;
mod writers;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::vfs::{
    Fs, Held, LockError, LockMode, LockState, Metadata, OpenMode, PRIVATE_DIR_MODE, Vfs, VfsFile,
    Writers, one_directory,
};

pub use clock::OsClock;
pub use file::open_direct;
pub use machine::{ignores_signal, memory_bytes, peak_memory_bytes, processor, reader_has_left};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OsFs;

impl Vfs for OsFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(file::OsFile::open(path, mode)?))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(dir)?
            .map(|name| name.map(|name| name.path()))
            .collect::<io::Result<Vec<PathBuf>>>()?;
        paths.sort_unstable();
        Ok(paths)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(PRIVATE_DIR_MODE).create(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        one_directory(from, to)?;
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn lock(&self, path: &Path, mode: LockMode) -> Result<Box<dyn Held>, LockError> {
        lock::lock(path, mode)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        tree::sync_dir(dir)
    }
}

impl Fs for OsFs {
    fn as_vfs(&self) -> &dyn Vfs {
        self
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        fs::symlink_metadata(path).map(|found| tree::metadata(&found))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        fs::metadata(path).map(|found| tree::metadata(&found))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn walk(&self, dir: &Path, limit: usize) -> io::Result<Vec<(PathBuf, Metadata)>> {
        tree::walk(dir, limit)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        one_directory(from, to)?;
        tree::rename_new(from, to)
    }

    fn set_attributes(&self, path: &Path, mode: u32, modified_unix_ns: i128) -> io::Result<()> {
        tree::set_attributes(path, mode, modified_unix_ns)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<Option<u64>> {
        let found = rustix::fs::statvfs(dir)?;
        Ok(Some(found.f_bavail.saturating_mul(found.f_frsize)))
    }

    fn sync_file_system(&self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(fs::File::open(dir)?)?)
    }

    fn check_writable(&self, dir: &Path) -> io::Result<()> {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        Ok(accessat(CWD, dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
    }

    fn probe_lock(&self, path: &Path) -> io::Result<LockState> {
        lock::probe(path)
    }

    fn writers(&self, path: &Path) -> io::Result<Writers> {
        writers::of(path)
    }
}

#[cfg(test)]
mod tests;
