//! The image of a case as real files.

use std::path::Path;

use crate::model::IoError;
use crate::simulate::engine;
use crate::vfs::sim::{Disk, SimFs};
use crate::vfs::{OpenMode, Vfs, read_exact_at};

/// Bytes copied at once.
const PIECE_BYTES: usize = 1 << 16;

/// Writes what lies in the log's directory on `image` into `dir`, which must not exist. Returns
/// how many files that were.
///
/// # Errors
/// When `dir` exists, or something cannot be written.
pub fn keep(image: &Disk, into: &dyn Vfs, dir: &Path) -> Result<u64, IoError> {
    into.create_dir(dir).map_err(|error| IoError::new("create", dir, error))?;
    let from = SimFs::on(image.clone());
    let mut files = 0;
    // A crash may have left no directory at all.
    for path in from.list(engine::dir()).unwrap_or_default() {
        let target = dir.join(path.file_name().unwrap_or_default());
        copy(&from, &path, into, &target).map_err(|error| IoError::new("write", &target, error))?;
        files += 1;
    }
    into.sync_dir(dir).map_err(|error| IoError::new("sync", dir, error))?;
    Ok(files)
}

fn copy(from: &SimFs, path: &Path, into: &dyn Vfs, target: &Path) -> std::io::Result<()> {
    let source = from.open(path, OpenMode::Read)?;
    let copy = into.open(target, OpenMode::CreateNew)?;
    let size = source.size()?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = 0u64;
    while at < size {
        let left = usize::try_from(size - at).unwrap_or(usize::MAX);
        let len = left.min(PIECE_BYTES);
        let Some(bytes) = piece.get_mut(..len) else { break };
        read_exact_at(source.as_ref(), at, bytes)?;
        copy.write_at(at, bytes)?;
        at += len as u64;
    }
    copy.sync()
}
