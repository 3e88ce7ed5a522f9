use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::file::OverlayFile;
use crate::vfs::{FileKind, Fs, Metadata, PRIVATE_DIR_MODE};

/// Something whose name, content or attributes are not simply those below.
#[derive(Clone)]
pub(super) enum Node {
    File(Arc<OverlayFile>),
    Dir(Dir),
}

#[derive(Clone)]
pub(super) struct Dir {
    /// The directory whose names show through, except those in `changes`.
    below: Option<PathBuf>,
    identity: (u64, u64),
    /// Permission bits and modification time, where they were set here.
    attributes: Option<(u32, i128)>,
    /// `None` for a name that is gone.
    changes: BTreeMap<OsString, Option<Node>>,
}

/// Where a path leads.
pub(super) enum Found<'a> {
    Over(&'a Node),
    /// To this path below, if it exists there.
    Below(PathBuf),
    Missing,
}

/// The names that differ from those below, from the root down. Paths must be settled.
pub(super) struct Tree {
    root: Node,
}

impl Node {
    /// A directory that shows what the one at `below` holds.
    pub(super) fn dir_over(below: PathBuf) -> Node {
        Node::Dir(Dir {
            below: Some(below),
            identity: (0, 0),
            attributes: None,
            changes: BTreeMap::new(),
        })
    }

    /// An empty directory that does not exist below.
    pub(super) fn new_dir(identity: (u64, u64)) -> Node {
        let attributes = Some((PRIVATE_DIR_MODE, 0));
        Node::Dir(Dir { below: None, identity, attributes, changes: BTreeMap::new() })
    }
}

impl Dir {
    pub(super) fn below(&self) -> Option<&Path> {
        self.below.as_deref()
    }

    /// Whether what is below says nothing about `name` any more.
    pub(super) fn changes(&self, name: &OsStr) -> bool {
        self.changes.contains_key(name)
    }

    /// Names that are here and not only below.
    pub(super) fn present(&self) -> impl Iterator<Item = &OsStr> {
        let present = self.changes.iter().filter(|(_, node)| node.is_some());
        present.map(|(name, _)| name.as_os_str())
    }

    pub(super) fn metadata(&self, below: &dyn Fs) -> io::Result<Metadata> {
        let mut about = match &self.below {
            Some(path) => below.metadata(path)?,
            None => Metadata {
                kind: FileKind::Dir,
                size_bytes: 0,
                mode: 0,
                modified_unix_ns: 0,
                identity: self.identity,
            },
        };
        if let Some((mode, modified_unix_ns)) = self.attributes {
            about.mode = mode;
            about.modified_unix_ns = modified_unix_ns;
        }
        Ok(about)
    }

    pub(super) fn with_attributes(mut self, mode: u32, modified_unix_ns: i128) -> Dir {
        self.attributes = Some((mode & 0o7777, modified_unix_ns));
        self
    }
}

impl Tree {
    pub(super) fn new() -> Tree {
        Tree { root: Node::dir_over(PathBuf::from("/")) }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Found<'_>> {
        let mut node = &self.root;
        let mut names = normal(path);
        while let Some(name) = names.next() {
            let Node::Dir(dir) = node else { return Err(io::ErrorKind::NotADirectory.into()) };
            node = match (dir.changes.get(name), &dir.below) {
                (Some(Some(node)), _) => node,
                (Some(None), _) | (None, None) => return Ok(Found::Missing),
                (None, Some(below)) => {
                    let mut below = below.join(name);
                    below.extend(names);
                    return Ok(Found::Below(below));
                }
            };
        }
        Ok(Found::Over(node))
    }

    /// Makes `path`, whose directory exists, lead to `node`.
    pub(super) fn put(&mut self, path: &Path, node: Node) -> io::Result<()> {
        let Some(name) = path.file_name() else {
            self.root = node;
            return Ok(());
        };
        self.parent(path)?.changes.insert(name.to_owned(), Some(node));
        Ok(())
    }

    /// Makes `path` lead nowhere.
    pub(super) fn hide(&mut self, path: &Path) -> io::Result<()> {
        let Some(name) = path.file_name() else { return Err(io::ErrorKind::ResourceBusy.into()) };
        let dir = self.parent(path)?;
        if dir.below.is_some() {
            dir.changes.insert(name.to_owned(), None);
        } else {
            dir.changes.remove(name);
        }
        Ok(())
    }

    /// The directory that holds `path`, with a node of its own from now on.
    fn parent(&mut self, path: &Path) -> io::Result<&mut Dir> {
        let mut node = &mut self.root;
        for name in normal(path.parent().unwrap_or(path)) {
            let Node::Dir(dir) = node else { return Err(io::ErrorKind::NotADirectory.into()) };
            let below = dir.below.as_ref().map(|below| below.join(name));
            let slot =
                dir.changes.entry(name.to_owned()).or_insert_with(|| below.map(Node::dir_over));
            node = slot.as_mut().ok_or(io::ErrorKind::NotFound)?;
        }
        match node {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn held_bytes(&self) -> u64 {
        let mut waiting = vec![&self.root];
        let mut held = 0u64;
        while let Some(node) = waiting.pop() {
            match node {
                Node::File(file) => held = held.saturating_add(file.held_bytes()),
                Node::Dir(dir) => waiting.extend(dir.changes.values().flatten()),
            }
        }
        held
    }
}

fn normal(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}
