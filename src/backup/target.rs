//! Partial targets that remove themselves unless they are finished.

use std::io;
use std::path::Path;

use crate::backup::Error;
use crate::model::IoError;
use crate::store::StoreError;
use crate::store::target::{Sealed, Target, remove_tree};
use crate::vfs::Fs;

/// Refuses a path where anything stands, however small.
pub(super) fn refuse_existing(fs: &dyn Fs, path: &Path) -> Result<(), Error> {
    match fs.symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(IoError::new("look at", path, error).into()),
        Ok(_) => Err(Error::Store(StoreError::Refused {
            path: path.to_owned(),
            what: "it exists".to_owned(),
            way_out: "name another archive, or move this one away".to_owned(),
        })),
    }
}

/// What was begun under the partial name of a target; removed when it is dropped.
pub(super) struct Unfinished {
    target: Target,
    finished: bool,
}

impl Unfinished {
    /// Takes charge of the partial name of `target`, which this run has just created.
    pub fn new(target: &Target) -> Unfinished {
        Unfinished { target: target.clone(), finished: false }
    }

    /// Everything is written and synced.
    pub fn sealed(mut self, files: u64, bytes: u64) -> Sealed {
        self.finished = true;
        self.target.clone().sealed(files, bytes)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // What stopped the run is what the operator is told; the name says what is left.
            let _left_behind = remove_tree(self.target.fs().as_ref(), &self.target.partial());
        }
    }
}
