//! A file system that reads from another and keeps every write in memory.
//!
//! What lies below is opened for reading only and never changed: writes are kept by page, names
//! that were created, removed or renamed are kept in a tree over the names below. Memory grows with
//! what was written, not with what is read. Syncs succeed and mean nothing. Locks exclude other
//! users of the same overlay; those below are only probed.

mod file;
mod tree;

use std::collections::HashMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use self::file::{OverlayFile, OverlayHandle};
use self::tree::{Found, Node, Tree};
use crate::vfs::{
    FileKind, Fs, Held, Holder, LockError, LockMode, LockState, Metadata, OpenMode, Vfs, VfsFile,
    one_directory, too_many_names,
};

/// A file system over another one; see the module. Clones share what was written.
#[derive(Clone)]
pub struct Overlay {
    shared: Arc<Shared>,
}

struct Shared {
    below: Arc<dyn Fs>,
    state: Mutex<State>,
}

struct State {
    tree: Tree,
    /// Files that are open for reading but not changed, by their identity below: whoever writes to
    /// one later must be seen by those who read it.
    readers: HashMap<(u64, u64), Weak<OverlayFile>>,
    /// Number of the next file that does not exist below.
    next_identity: u64,
}

impl Overlay {
    /// An overlay over `below` in which nothing has been written yet.
    pub fn new(below: Arc<dyn Fs>) -> Overlay {
        let state = State { tree: Tree::new(), readers: HashMap::new(), next_identity: 0 };
        Overlay { shared: Arc::new(Shared { below, state: Mutex::new(state) }) }
    }

    /// Bytes of file content that this overlay keeps in memory, by whole pages.
    pub fn held_bytes(&self) -> u64 {
        self.state().tree.held_bytes()
    }

    fn below(&self) -> &dyn Fs {
        &*self.shared.below
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one spelling of `path` under which the tree knows it: absolute, without links in the
    /// directories that exist below.
    fn settle(&self, path: &Path) -> io::Result<PathBuf> {
        let mut above = Vec::new();
        let mut dir = path;
        let mut settled = loop {
            let (Some(parent), Some(last)) = (dir.parent(), dir.components().next_back()) else {
                break self.below().canonicalize(dir)?;
            };
            above.push(last);
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            match self.below().canonicalize(parent) {
                Ok(settled) => break settled,
                Err(error) if parent == Path::new(".") => return Err(error),
                Err(_) => dir = parent,
            }
        };
        for component in above.into_iter().rev() {
            match component {
                Component::Normal(name) => settled.push(name),
                Component::ParentDir => {
                    settled.pop();
                }
                Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
            }
        }
        Ok(settled)
    }

    /// As [`Overlay::settle`], and a link at the end is followed unless the overlay replaced it.
    fn settle_followed(&self, path: &Path) -> io::Result<PathBuf> {
        let settled = self.settle(path)?;
        if let Found::Below(below) = self.state().tree.find(&settled)?
            && let Ok(found) = self.below().symlink_metadata(&below)
            && found.kind == FileKind::Link
        {
            return self.below().canonicalize(&below);
        }
        Ok(settled)
    }

    /// The file at a settled path, taken into the overlay's keeping if it is not yet.
    fn file(&self, path: &Path, for_writing: bool) -> io::Result<Arc<OverlayFile>> {
        let mut state = self.state();
        let below_path = match state.tree.find(path)? {
            Found::Over(Node::File(file)) => return Ok(Arc::clone(file)),
            Found::Over(Node::Dir(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            Found::Missing => return Err(io::ErrorKind::NotFound.into()),
            Found::Below(below_path) => below_path,
        };
        let found = self.below().metadata(&below_path)?;
        let known = state.readers.get(&found.identity).and_then(Weak::upgrade);
        let file = match known {
            Some(file) => file,
            None => {
                let opened = self.below().open(&below_path, OpenMode::Read)?;
                let file = Arc::new(OverlayFile::over(opened, below_path, found)?);
                state.readers.retain(|_, reader| reader.strong_count() > 0);
                state.readers.insert(found.identity, Arc::downgrade(&file));
                file
            }
        };
        if for_writing {
            state.tree.put(path, Node::File(Arc::clone(&file)))?;
        }
        Ok(file)
    }

    /// What stands at a settled path, links not followed.
    fn about(&self, state: &State, path: &Path) -> io::Result<Metadata> {
        match state.tree.find(path)? {
            Found::Over(Node::File(file)) => Ok(file.metadata()),
            Found::Over(Node::Dir(dir)) => dir.metadata(self.below()),
            Found::Missing => Err(io::ErrorKind::NotFound.into()),
            Found::Below(below) => self.below().symlink_metadata(&below),
        }
    }

    /// The node at a settled path, made from what is below where the tree has none.
    fn taken(&self, path: &Path) -> io::Result<Node> {
        let over = match self.state().tree.find(path)? {
            Found::Over(node) => Some(node.clone()),
            Found::Below(_) | Found::Missing => None,
        };
        if let Some(node) = over {
            return Ok(node);
        }
        let found = self.about(&self.state(), path)?;
        match found.kind {
            FileKind::Dir => {
                let Found::Below(below) = self.state().tree.find(path)? else {
                    return Err(io::ErrorKind::NotFound.into());
                };
                Ok(Node::dir_over(below))
            }
            FileKind::File => Ok(Node::File(self.file(path, true)?)),
            FileKind::Link | FileKind::Other => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Names in a settled directory, with what they are, sorted.
    fn names(&self, state: &State, dir: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
        let mut paths = match state.tree.find(dir)? {
            Found::Missing => return Err(io::ErrorKind::NotFound.into()),
            Found::Over(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            Found::Below(below) => {
                let listed = self.below().list(&below)?;
                listed.iter().filter_map(|path| Some(dir.join(path.file_name()?))).collect()
            }
            Found::Over(Node::Dir(node)) => {
                let mut paths: Vec<PathBuf> = match node.below() {
                    None => Vec::new(),
                    Some(below) => {
                        let listed = self.below().list(below)?;
                        let names = listed.iter().filter_map(|path| path.file_name());
                        names.filter(|name| !node.changes(name)).map(|n| dir.join(n)).collect()
                    }
                };
                paths.extend(node.present().map(|name| dir.join(name)));
                paths
            }
        };
        paths.sort_unstable();
        paths.into_iter().map(|path| self.about(state, &path).map(|found| (path, found))).collect()
    }

    fn rename_to(&self, from: &Path, to: &Path, replace: bool) -> io::Result<()> {
        one_directory(from, to)?;
        let (from, to) = (self.settle(from)?, self.settle(to)?);
        let moved = self.about(&self.state(), &from)?.kind;
        let target = self.about(&self.state(), &to).map(|target| target.kind);
        match target {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(_) if !replace => return Err(io::ErrorKind::AlreadyExists.into()),
            Ok(_) if from == to => return Ok(()),
            Ok(FileKind::Dir) if moved != FileKind::Dir => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(FileKind::Dir) if !self.names(&self.state(), &to)?.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            Ok(FileKind::File | FileKind::Link | FileKind::Other) if moved == FileKind::Dir => {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            Ok(_) => {}
        }
        let node = self.taken(&from)?;
        let mut state = self.state();
        state.tree.put(&to, node)?;
        state.tree.hide(&from)
    }
}

impl Vfs for Overlay {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        if mode != OpenMode::CreateNew {
            let settled = self.settle_followed(path)?;
            let file = self.file(&settled, mode == OpenMode::ReadWrite)?;
            return Ok(Box::new(OverlayHandle::new(file, mode)));
        }
        let settled = self.settle(path)?;
        self.vacant(&settled)?;
        let mut state = self.state();
        let file = Arc::new(OverlayFile::new(state.new_identity()));
        state.tree.put(&settled, Node::File(Arc::clone(&file)))?;
        Ok(Box::new(OverlayHandle::new(file, mode)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let settled = self.settle_followed(dir)?;
        let names = self.names(&self.state(), &settled)?;
        Ok(names.iter().filter_map(|(path, _)| Some(dir.join(path.file_name()?))).collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let settled = self.settle(dir)?;
        self.vacant(&settled)?;
        let mut state = self.state();
        let identity = state.new_identity();
        state.tree.put(&settled, Node::new_dir(identity))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename_to(from, to, true)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let settled = self.settle(path)?;
        let mut state = self.state();
        if self.about(&state, &settled)?.kind == FileKind::Dir {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        state.tree.hide(&settled)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let settled = self.settle(dir)?;
        let mut state = self.state();
        if self.about(&state, &settled)?.kind != FileKind::Dir {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if !self.names(&state, &settled)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.tree.hide(&settled)
    }

    fn lock(&self, path: &Path, mode: LockMode) -> Result<Box<dyn Held>, LockError> {
        let settled = self.settle_followed(path).map_err(LockError::Io)?;
        // Kept in the tree, so that all who lock meet at the same file.
        let file = self.file(&settled, true).map_err(LockError::Io)?;
        match file.lock(mode) {
            Some(held) => Ok(Box::new(held)),
            None => Err(LockError::Held(Holder::default())),
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match self.metadata(dir)?.kind {
            FileKind::Dir => Ok(()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }
}

impl Fs for Overlay {
    fn as_vfs(&self) -> &dyn Vfs {
        self
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        let settled = self.settle(path)?;
        self.about(&self.state(), &settled)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let settled = self.settle_followed(path)?;
        let found = self.about(&self.state(), &settled)?;
        if found.kind == FileKind::Link { self.below().metadata(&settled) } else { Ok(found) }
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let settled = self.settle_followed(path)?;
        self.about(&self.state(), &settled)?;
        Ok(settled)
    }

    fn walk(&self, dir: &Path, limit: usize) -> io::Result<Vec<(PathBuf, Metadata)>> {
        let root = self.settle_followed(dir)?;
        let state = self.state();
        let device = self.about(&state, &root)?.identity.0;
        let mut waiting = vec![root.clone()];
        let mut walked = Vec::new();
        while let Some(next) = waiting.pop() {
            for (path, found) in self.names(&state, &next)? {
                if walked.len() == limit {
                    return Err(too_many_names(dir, limit));
                }
                let other_device =
                    !matches!(found.identity.0, NEW_DEVICE) && found.identity.0 != device;
                if found.kind == FileKind::Dir && !other_device {
                    waiting.push(path.clone());
                }
                let inside = path.strip_prefix(&root).map_err(io::Error::other)?;
                walked.push((dir.join(inside), found));
            }
        }
        walked.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(walked)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename_to(from, to, false)
    }

    fn set_attributes(&self, path: &Path, mode: u32, modified_unix_ns: i128) -> io::Result<()> {
        let settled = self.settle_followed(path)?;
        match self.taken(&settled)? {
            Node::File(file) => file.set_attributes(mode, modified_unix_ns),
            Node::Dir(dir) => {
                let dir = dir.with_attributes(mode, modified_unix_ns);
                self.state().tree.put(&settled, Node::Dir(dir))?;
            }
        }
        Ok(())
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<Option<u64>> {
        self.sync_dir(dir).map(|()| None)
    }

    fn probe_lock(&self, path: &Path) -> io::Result<LockState> {
        let settled = self.settle_followed(path)?;
        let file = self.file(&settled, true)?;
        if file.lock(LockMode::Shared).is_none() {
            return Ok(LockState::Held(Holder::default()));
        }
        match file.path_below() {
            Some(below) => self.below().probe_lock(below),
            None => Ok(LockState::Free),
        }
    }
}

/// The device number of files that exist in an overlay only.
const NEW_DEVICE: u64 = u64::MAX;

impl State {
    fn new_identity(&mut self) -> (u64, u64) {
        self.next_identity += 1;
        (NEW_DEVICE, self.next_identity)
    }
}

impl Overlay {
    /// Refuses a settled path that stands for something, or whose directory does not exist.
    fn vacant(&self, path: &Path) -> io::Result<()> {
        let state = self.state();
        if let Some(parent) = path.parent() {
            let found = self.about(&state, parent)?;
            if found.kind != FileKind::Dir {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        match self.about(&state, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }
}
