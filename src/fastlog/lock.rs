//! One writer, or readers: the lock on the anchor file.

use crate::fastlog::Error;
use crate::fastlog::segment::Files;
use crate::model::IoError;
use crate::vfs::{Held, LockError, LockMode};

/// Locks a store for writing.
///
/// # Errors
/// `Locked` with the holder when somebody reads or writes it.
pub(super) fn lock_exclusive(files: &Files) -> Result<Box<dyn Held>, Error> {
    lock(files, LockMode::Exclusive)
}

/// Locks a store for reading; `None` where the file system has no locks.
///
/// # Errors
/// `Locked` with the holder when somebody writes it.
pub(super) fn lock_shared(files: &Files) -> Result<Option<Box<dyn Held>>, Error> {
    match lock(files, LockMode::Shared) {
        Ok(held) => Ok(Some(held)),
        Err(Error::Io(error)) if error.source.kind() == std::io::ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

fn lock(files: &Files, mode: LockMode) -> Result<Box<dyn Held>, Error> {
    let path = files.anchor_path();
    files.vfs().lock(&path, mode).map_err(|error| match error {
        LockError::Held(holder) => Error::Locked { path, holder },
        LockError::Io(source) => IoError::new("lock", path, source).into(),
    })
}
