//! Targets appear whole or not at all: partial names, publishing, setting aside.
//!
//! A sink writes under `<name>.partial`, seals it (everything synced), the caller compares what was
//! written with its source, and only then [`Sealed::publish`] gives it the final name. What did not
//! compare is kept as `<name>.failed`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::{StoreError, io_error};
use crate::vfs::{FileKind, Fs, Metadata, parent_of};

/// Names below a partial target are few; more than this means that it is not ours.
const PARTIAL_NAMES_MAX: usize = 1_000_000;

/// What is appended to a target's name while it is written.
const PARTIAL_SUFFIX: &str = ".partial";

/// A place where a target may be written: checked, nothing created yet.
#[derive(Clone)]
pub struct Target {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    replace_partial: bool,
}

impl Target {
    /// Checks that `path` can become a target: its directory exists, and it does not exist itself
    /// or is empty. With `replace_partial` an earlier, interrupted run's leftover is removed later,
    /// by [`Target::begin`]; without, it is refused.
    ///
    /// # Errors
    /// `NotFound` without a parent directory, `Refused` where something would be overwritten.
    pub fn check(
        fs: Arc<dyn Fs>,
        path: &Path,
        replace_partial: bool,
    ) -> Result<Target, StoreError> {
        let target = Target { fs, path: path.to_owned(), replace_partial };
        let parent = parent_of(&target.path);
        match target.fs.metadata(parent) {
            Ok(found) if found.kind == FileKind::Dir => {}
            Ok(_) => return Err(target.not_found(parent, "is not a directory")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(target.not_found(parent, "does not exist; create it first"));
            }
            Err(error) => return Err(io_error("look at", parent)(error)),
        }
        target.refuse_content()?;
        let partial = target.partial();
        if !replace_partial && target.exists(&partial)? {
            return Err(StoreError::Refused {
                path: partial,
                what: "this is in the way; an interrupted run may have left it".to_owned(),
                way_out: "remove it, or replace it with --yes".to_owned(),
            });
        }
        let writable = target.fs.check_writable(parent);
        writable.map_err(io_error("create", &target.partial()))?;
        Ok(target)
    }

    /// Refuses a target that lies inside its source directory or holds its source.
    ///
    /// # Errors
    /// `Refused` on overlap, `Io` when the paths cannot be resolved.
    pub fn refuse_overlap(&self, source: &Path) -> Result<(), StoreError> {
        let source = self.fs.canonicalize(source).map_err(io_error("resolve", source))?;
        let parent = parent_of(&self.path);
        let parent = self.fs.canonicalize(parent).map_err(io_error("resolve", parent))?;
        let path = match self.path.file_name() {
            Some(name) => parent.join(name),
            None => parent,
        };
        let mut partial = path.clone().into_os_string();
        partial.push(PARTIAL_SUFFIX);
        let what = if path == source {
            "target and source are the same"
        } else if source.starts_with(&partial) {
            "the source lies where the target is written first"
        } else if path.starts_with(&source) {
            "the target lies inside its source"
        } else if source.starts_with(&path) {
            "the source lies inside the target"
        } else {
            return Ok(());
        };
        Err(StoreError::Refused {
            path: self.path.clone(),
            what: what.to_owned(),
            way_out: "name a target beside the source".to_owned(),
        })
    }

    /// Removes a leftover that [`Target::check`] was allowed to replace, and returns the partial
    /// name under which to write.
    ///
    /// # Errors
    /// When the leftover cannot be removed.
    pub fn begin(&self) -> Result<PathBuf, StoreError> {
        let partial = self.partial();
        if self.replace_partial {
            remove_tree(self.fs.as_ref(), &partial)?;
        }
        Ok(partial)
    }

    /// The final path, as the operator named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file system it lies on.
    pub fn fs(&self) -> &Arc<dyn Fs> {
        &self.fs
    }

    /// The name under which everything is written.
    pub fn partial(&self) -> PathBuf {
        self.with_suffix(PARTIAL_SUFFIX)
    }

    /// Everything lies under the partial name and is synced; gives the handle that publishes it.
    pub fn sealed(self, files: u64, bytes: u64) -> Sealed {
        Sealed { target: self, files, bytes }
    }

    fn with_suffix(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.file_name().map_or_else(OsString::new, OsString::from);
        name.push(suffix);
        self.path.with_file_name(name)
    }

    fn not_found(&self, parent: &Path, why: &str) -> StoreError {
        StoreError::NotFound {
            path: self.path.clone(),
            reason: format!("its directory {} {why}", parent.display()),
            seen: Vec::new(),
        }
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        match self.fs.symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_error("look at", path)(error)),
        }
    }

    fn refuse_content(&self) -> Result<(), StoreError> {
        let found = match self.fs.symlink_metadata(&self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_error("look at", &self.path)(error)),
        };
        let empty = match found.kind {
            FileKind::File => found.size_bytes == 0,
            FileKind::Dir => {
                self.fs.list(&self.path).map_err(io_error("list", &self.path))?.is_empty()
            }
            FileKind::Link | FileKind::Other => false,
        };
        if empty && found.kind == FileKind::Dir && self.is_mount_point(&found)? {
            return Err(StoreError::Refused {
                path: self.path.clone(),
                what: "the target is a mount point; a target gets its name by a rename".to_owned(),
                way_out: "name a directory inside it".to_owned(),
            });
        }
        if empty {
            return Ok(());
        }
        Err(StoreError::Refused {
            path: self.path.clone(),
            what: "the target exists and is not empty".to_owned(),
            way_out: "name another target, or move this one away".to_owned(),
        })
    }

    /// Whether the directory at the target's name lies on another device than the name itself.
    fn is_mount_point(&self, found: &Metadata) -> Result<bool, StoreError> {
        let parent = parent_of(&self.path);
        let around = self.fs.metadata(parent).map_err(io_error("look at", parent))?;
        Ok(around.identity.0 != found.identity.0)
    }

    fn remove_empty(&self) -> Result<(), StoreError> {
        let removed = match self.fs.symlink_metadata(&self.path) {
            Ok(found) if found.kind == FileKind::Dir => self.fs.remove_dir(&self.path),
            Ok(found) if found.kind == FileKind::File && found.size_bytes == 0 => {
                self.fs.remove(&self.path)
            }
            Ok(_) => return self.refuse_content(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(io_error("replace", &self.path))
    }

    fn rename_partial(&self, to: &Path) -> Result<(), StoreError> {
        let parent = parent_of(&self.path);
        self.fs.rename_new(&self.partial(), to).map_err(io_error("rename to", to))?;
        self.fs.sync_dir(parent).map_err(io_error("sync", parent))
    }
}

/// A complete, synced target under its partial name. Dropped without a decision, it is removed.
pub struct Sealed {
    target: Target,
    /// Files written.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl Sealed {
    /// Where it lies now.
    pub fn partial(&self) -> PathBuf {
        self.target.partial()
    }

    /// Gives it the final name and makes that durable.
    ///
    /// # Errors
    /// When something took the name in the meantime, or the system refused.
    pub fn publish(self) -> Result<PathBuf, StoreError> {
        self.target.remove_empty()?;
        self.target.rename_partial(&self.target.path)?;
        Ok(self.target.path.clone())
    }

    /// Keeps it as `<name>.failed` (or `.failed.2`, ...) for a look, because it did not compare.
    ///
    /// # Errors
    /// When the system refused.
    pub fn set_aside(self) -> Result<PathBuf, StoreError> {
        let mut number = 1u32;
        loop {
            let suffix =
                if number == 1 { ".failed".to_owned() } else { format!(".failed.{number}") };
            let path = self.target.with_suffix(&suffix);
            if !self.target.exists(&path)? || number > 1_000 {
                self.target.rename_partial(&path)?;
                return Ok(path);
            }
            number += 1;
        }
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // After publishing or setting aside nothing is left under the partial name.
        let _already_gone = remove_tree(self.target.fs.as_ref(), &self.target.partial());
    }
}

/// Removes a file or a directory with everything below it; nothing there is no error.
///
/// # Errors
/// When the system refused; what was removed until then is gone.
pub fn remove_tree(fs: &dyn Fs, path: &Path) -> Result<(), StoreError> {
    let found = match fs.symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("look at", path)(error)),
    };
    if found.kind != FileKind::Dir {
        return fs.remove(path).map_err(io_error("remove", path));
    }
    let names = fs.walk(path, PARTIAL_NAMES_MAX).map_err(io_error("list", path))?;
    for (name, metadata) in names.iter().rev() {
        let removed = match metadata.kind {
            FileKind::Dir => fs.remove_dir(name),
            _ => fs.remove(name),
        };
        removed.map_err(io_error("remove", name))?;
    }
    fs.remove_dir(path).map_err(io_error("remove", path))
}
