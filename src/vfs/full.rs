//! A file system that runs out of space, for trying what happens then.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::vfs::{Fs, Held, LockError, LockMode, LockState, Metadata, OpenMode, Vfs, VfsFile};

/// A file system on which files may grow by so many bytes and no more.
///
/// Every byte by which a write, an allocation or a set size extends a file counts once; writing
/// over what is there is free, and nothing is given back. A write that does not fit writes what
/// does, and fails with `StorageFull`. Clones share what is left.
#[derive(Clone)]
pub struct FullDisk {
    below: Arc<dyn Fs>,
    left_bytes: Arc<AtomicU64>,
    tells: bool,
}

impl FullDisk {
    /// `below`, with room for `free_bytes` more, which it does not tell: a disk fills up after it
    /// was asked, and who relies on the answer is to find that out.
    pub fn over(below: Arc<dyn Fs>, free_bytes: u64) -> FullDisk {
        FullDisk { below, left_bytes: Arc::new(AtomicU64::new(free_bytes)), tells: false }
    }

    /// The same, but it tells how much is left, as a disk that nobody else writes to does.
    pub fn telling(self) -> FullDisk {
        FullDisk { tells: true, ..self }
    }

    /// Bytes by which files may still grow.
    pub fn left_bytes(&self) -> u64 {
        self.left_bytes.load(Ordering::SeqCst)
    }
}

struct FullFile {
    below: Box<dyn VfsFile>,
    left_bytes: Arc<AtomicU64>,
}

impl FullFile {
    /// Takes room for growing to `size_bytes`, all of it or, with `in_part`, what is left; returns
    /// how large the file may become.
    fn grow(&self, size_bytes: u64, in_part: bool) -> io::Result<u64> {
        let current_bytes = self.below.size()?;
        let wanted = size_bytes.saturating_sub(current_bytes);
        let granted = |left: u64| if wanted <= left || in_part { wanted.min(left) } else { 0 };
        let take = |left: u64| Some(left - granted(left));
        let before = self.left_bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        Ok(current_bytes.saturating_add(granted(before.unwrap_or_else(|left| left))))
    }
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl VfsFile for FullFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.below.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        let granted = self.grow(end, true)?;
        if granted >= end {
            return self.below.write_at(offset, bytes);
        }
        let fitting = usize::try_from(granted.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.below.write_at(offset, bytes.get(..fitting).unwrap_or(bytes))?;
        Err(full())
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        if self.grow(size, false)? < size { Err(full()) } else { self.below.allocate(size) }
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        if self.grow(size, false)? < size { Err(full()) } else { self.below.set_size(size) }
    }

    fn size(&self) -> io::Result<u64> {
        self.below.size()
    }

    fn write_out(&self, offset: u64, len: u64) {
        self.below.write_out(offset, len);
    }

    fn sync_data(&self) -> io::Result<()> {
        self.below.sync_data()
    }

    fn sync(&self) -> io::Result<()> {
        self.below.sync()
    }
}

impl Vfs for FullDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let below = self.below.open(path, mode)?;
        Ok(Box::new(FullFile { below, left_bytes: Arc::clone(&self.left_bytes) }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.below.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.below.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.below.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.below.remove(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.below.remove_dir(dir)
    }

    fn lock(&self, path: &Path, mode: LockMode) -> Result<Box<dyn Held>, LockError> {
        self.below.lock(path, mode)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.below.sync_dir(dir)
    }
}

impl Fs for FullDisk {
    fn as_vfs(&self) -> &dyn Vfs {
        self
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.below.symlink_metadata(path)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.below.metadata(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.below.canonicalize(path)
    }

    fn walk(&self, dir: &Path, limit: usize) -> io::Result<Vec<(PathBuf, Metadata)>> {
        self.below.walk(dir, limit)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.below.rename_new(from, to)
    }

    fn set_attributes(&self, path: &Path, mode: u32, modified_unix_ns: i128) -> io::Result<()> {
        self.below.set_attributes(path, mode, modified_unix_ns)
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<Option<u64>> {
        Ok(self.tells.then(|| self.left_bytes()))
    }

    fn check_writable(&self, dir: &Path) -> io::Result<()> {
        self.below.check_writable(dir)
    }

    fn sync_file_system(&self, dir: &Path) -> io::Result<()> {
        self.below.sync_file_system(dir)
    }

    fn probe_lock(&self, path: &Path) -> io::Result<LockState> {
        self.below.probe_lock(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::sim::{Profile, SimFs};

    #[test]
    fn what_fits_is_written_and_the_rest_refused() {
        let fs = FullDisk::over(Arc::new(SimFs::new(Profile::Kill)), 10);
        let file = fs.open(Path::new("/f"), OpenMode::CreateNew).expect("created");
        file.write_at(0, b"123456").expect("fits");
        assert_eq!(file.set_size(11).expect_err("one too many").kind(), io::ErrorKind::StorageFull);
        file.write_at(2, b"xx").expect("costs nothing");
        let error = file.write_at(4, b"abcdefgh").expect_err("two bytes too many");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let mut bytes = [0; 20];
        assert_eq!(file.read_at(0, &mut bytes).expect("read"), 10);
        assert_eq!(&bytes[..10], b"12xxabcdef");
        assert_eq!(fs.left_bytes(), 0);
        file.write_at(0, b"over").expect("costs nothing");
        for refused in [file.set_size(11), file.allocate(4096), file.write_at(100, b"x")] {
            assert_eq!(refused.expect_err("full").kind(), io::ErrorKind::StorageFull);
        }
        assert_eq!(file.size().expect("size"), 10);
    }
}
