use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::file::FileNode;
use super::legal::certain;
use super::profile::Profile;
use crate::vfs::{FileKind, Metadata, PRIVATE_DIR_MODE};

/// Number of a mutating call, counted from 0 in the order in which calls were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallNo(pub u64);

/// A moment in the life of a disk: every page written, name changed or size set is one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Step(pub(super) u64);

/// A file or directory, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ino(usize);

pub(super) const ROOT: Ino = Ino(0);

impl Ino {
    pub(super) fn number(self) -> u64 {
        self.0 as u64
    }
}

const DEVICE: u64 = 0x51;
/// Larger files are refused, as file systems do.
const FILE_BYTES_MAX: u64 = 1 << 44;
const EINVAL: i32 = 22;

pub(super) type Name = Arc<OsStr>;
pub(super) type Names = BTreeMap<Name, Ino>;

#[derive(Clone)]
pub(super) enum Node {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Clone, Copy)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) modified_unix_ns: i128,
}

#[derive(Clone)]
pub(super) struct DirNode {
    /// The names the process sees.
    pub(super) current: Arc<Names>,
    /// The names that are certainly on the disk.
    pub(super) durable: Arc<Names>,
    pub(super) attributes: Attributes,
}

/// A change of names that is not durable yet.
#[derive(Clone)]
pub(super) struct NameOp {
    pub(super) step: Step,
    pub(super) call: CallNo,
    pub(super) dir: Ino,
    pub(super) change: NameChange,
}

#[derive(Clone)]
pub(super) enum NameChange {
    Add { name: Name, ino: Ino },
    Remove { name: Name },
    Move { from: Name, to: Name, ino: Ino },
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Add { name, ino } => {
                names.insert(Arc::clone(name), *ino);
            }
            NameChange::Remove { name } => {
                names.remove(name);
            }
            NameChange::Move { from, to, ino } => {
                names.remove(from);
                names.insert(Arc::clone(to), *ino);
            }
        }
    }

    fn names(&self) -> [&Name; 2] {
        match self {
            NameChange::Add { name, .. } | NameChange::Remove { name } => [name, name],
            NameChange::Move { from, to, .. } => [from, to],
        }
    }
}

impl NameOp {
    /// Whether both are about one name of one directory, so that the later one needs the earlier.
    pub(super) fn touches(&self, other: &NameOp) -> bool {
        let others = other.change.names();
        self.dir == other.dir && self.change.names().iter().any(|name| others.contains(name))
    }
}

/// Everything a simulated disk holds: what the process sees, what is certainly durable, and what
/// lies between. Cloning shares the pages.
#[derive(Clone)]
pub struct Disk {
    pub(super) profile: Profile,
    pub(super) nodes: Vec<Option<Arc<Node>>>,
    /// Changes of names that are not durable, in issue order.
    pub(super) name_ops: Vec<NameOp>,
    pub(super) next_step: Step,
    pub(super) next_call: CallNo,
}

/// Where a path leads: to something, or to a name that is free.
pub(super) enum Spot {
    There(Ino),
    Free { dir: Ino, name: Name },
}

impl Disk {
    /// An empty disk that treats unsynced writes as `profile` says.
    pub fn new(profile: Profile) -> Disk {
        let root = DirNode::new(Arc::default(), 0o755);
        Disk {
            profile,
            nodes: vec![Some(Arc::new(Node::Dir(root)))],
            name_ops: Vec::new(),
            next_step: Step(0),
            next_call: CallNo(0),
        }
    }

    /// What this disk does with unsynced writes.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The number of the next mutating call, which is how many there have been.
    pub fn next_call(&self) -> CallNo {
        self.next_call
    }

    /// The same disk under another profile: what is durable stays so, and what is pending stays
    /// pending.
    pub fn with_profile(mut self, profile: Profile) -> Disk {
        if profile != self.profile {
            for slot in self.nodes.iter_mut().flatten() {
                // Only a journal makes a size durable before the pages of its file.
                if let Node::File(file) = &**slot
                    && let Some(certain) = certain(file, self.profile)
                    && let Node::File(file) = Arc::make_mut(slot)
                {
                    file.settle(certain);
                }
            }
        }
        self.profile = profile;
        self
    }

    pub(super) fn step(&mut self) -> Step {
        let step = self.next_step;
        self.next_step = Step(step.0 + 1);
        step
    }

    pub(super) fn node(&self, ino: Ino) -> io::Result<&Node> {
        let node = self.nodes.get(ino.0).and_then(Option::as_deref);
        node.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn node_mut(&mut self, ino: Ino) -> io::Result<&mut Node> {
        let node = self.nodes.get_mut(ino.0).and_then(Option::as_mut);
        node.map(Arc::make_mut).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn file(&self, ino: Ino) -> io::Result<&FileNode> {
        match self.node(ino)? {
            Node::File(file) => Ok(file),
            Node::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn file_mut(&mut self, ino: Ino) -> io::Result<&mut FileNode> {
        match self.node_mut(ino)? {
            Node::File(file) => Ok(file),
            Node::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn dir(&self, ino: Ino) -> io::Result<&DirNode> {
        match self.node(ino)? {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn dir_mut(&mut self, ino: Ino) -> io::Result<&mut DirNode> {
        match self.node_mut(ino)? {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Every file, by its number.
    pub(super) fn files(&self) -> impl Iterator<Item = (Ino, &FileNode)> {
        self.nodes.iter().enumerate().filter_map(|(at, node)| match node.as_deref() {
            Some(Node::File(file)) => Some((Ino(at), file)),
            _ => None,
        })
    }

    /// An empty table of nodes with room for every number of this disk.
    pub(super) fn vacant_nodes(&self) -> Vec<Option<Arc<Node>>> {
        vec![None; self.nodes.len()]
    }

    pub(super) fn settle(nodes: &mut [Option<Arc<Node>>], ino: Ino, node: Arc<Node>) {
        if let Some(slot) = nodes.get_mut(ino.0) {
            *slot = Some(node);
        }
    }

    /// Looks up a path. Relative paths begin at the root, as absolute ones do.
    pub(super) fn spot(&self, path: &Path) -> io::Result<Spot> {
        let mut at = Spot::There(ROOT);
        let mut above = Vec::new();
        for component in path.components() {
            let name = match component {
                Component::Prefix(_) | Component::RootDir | Component::CurDir => continue,
                Component::ParentDir => {
                    at = Spot::There(above.pop().unwrap_or(ROOT));
                    continue;
                }
                Component::Normal(name) => name,
            };
            let Spot::There(dir) = at else { return Err(io::ErrorKind::NotFound.into()) };
            above.push(dir);
            at = match self.dir(dir)?.current.get(name) {
                Some(ino) => Spot::There(*ino),
                None => Spot::Free { dir, name: Name::from(name) },
            };
        }
        Ok(at)
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Ino> {
        match self.spot(path)? {
            Spot::There(ino) => Ok(ino),
            Spot::Free { .. } => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The directory and the name of something that exists and is not the root.
    fn entry(&self, path: &Path) -> io::Result<(Ino, Name, Ino)> {
        let ino = self.find(path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::ResourceBusy.into());
        };
        Ok((self.find(parent)?, Name::from(name), ino))
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let dir = self.dir(self.find(path)?)?;
        Ok(dir.current.keys().map(|name| path.join(&**name)).collect())
    }

    fn change_names(&mut self, dir: Ino, change: NameChange) -> io::Result<()> {
        change.apply(Arc::make_mut(&mut self.dir_mut(dir)?.current));
        let op = NameOp { step: self.step(), call: self.next_call, dir, change };
        self.name_ops.push(op);
        Ok(())
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<Ino> {
        let Spot::Free { dir, name } = self.spot(path)? else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        let ino = Ino(self.nodes.len());
        self.nodes.push(Some(Arc::new(node)));
        self.change_names(dir, NameChange::Add { name, ino })?;
        Ok(ino)
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<Ino> {
        self.add(path, Node::File(FileNode::default()))
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        self.add(path, Node::Dir(DirNode::new(Arc::default(), PRIVATE_DIR_MODE))).map(|_| ())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, replace: bool) -> io::Result<()> {
        let (dir, from_name, ino) = self.entry(from)?;
        let to_name = Name::from(to.file_name().ok_or(io::ErrorKind::InvalidInput)?);
        let moves_dir = matches!(self.node(ino)?, Node::Dir(_));
        if let Some(target) = self.dir(dir)?.current.get(&to_name) {
            if !replace {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if *target == ino {
                return Ok(());
            }
            match (moves_dir, self.node(*target)?) {
                (true, Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                (false, Node::Dir(_)) => return Err(io::ErrorKind::IsADirectory.into()),
                (true, Node::Dir(target)) if !target.current.is_empty() => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                _ => {}
            }
        }
        self.change_names(dir, NameChange::Move { from: from_name, to: to_name, ino })
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (dir, name, ino) = self.entry(path)?;
        self.file(ino)?;
        self.change_names(dir, NameChange::Remove { name })
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let (dir, name, ino) = self.entry(path)?;
        if !self.dir(ino)?.current.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.change_names(dir, NameChange::Remove { name })
    }

    /// Writes `bytes`, one step a page.
    pub(super) fn write(&mut self, ino: Ino, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > FILE_BYTES_MAX) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let (call, mut step) = (self.next_call, self.next_step);
        let steps = self.file_mut(ino)?.write(call, step, offset, bytes);
        step.0 += steps;
        self.next_step = step;
        Ok(())
    }

    pub(super) fn set_size(&mut self, ino: Ino, size_bytes: u64) -> io::Result<()> {
        if size_bytes > i64::MAX.cast_unsigned() {
            return Err(io::Error::from_raw_os_error(EINVAL));
        }
        if size_bytes > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let (call, step) = (self.next_call, self.step());
        self.file_mut(ino)?.set_size(call, step, size_bytes);
        Ok(())
    }

    pub(super) fn allocate(&mut self, ino: Ino, size_bytes: u64) -> io::Result<()> {
        if size_bytes > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let (call, step) = (self.next_call, self.step());
        self.file_mut(ino)?.allocate(call, step, size_bytes);
        Ok(())
    }

    /// Makes durable what a successful sync of a file does; `data_only` for `sync_data`.
    pub(super) fn sync_file(&mut self, ino: Ino, data_only: bool) -> io::Result<()> {
        match self.profile {
            Profile::StrictPosix | Profile::Kill | Profile::Drop => self.file_mut(ino)?.fold(),
            Profile::Ext4Ordered | Profile::Xfs => {
                let is_new = self.name_ops.iter().any(
                    |op| matches!(op.change, NameChange::Add { ino: added, .. } if added == ino),
                );
                let commits = !data_only || is_new || self.file(ino)?.size_is_pending();
                self.file_mut(ino)?.fold();
                if commits {
                    self.commit_journal()?;
                }
            }
            Profile::NoReorder => {
                self.file(ino)?;
                self.commit_all()?;
            }
        }
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, ino: Ino) -> io::Result<()> {
        self.dir(ino)?;
        match self.profile {
            Profile::StrictPosix | Profile::Kill | Profile::Drop => self.commit_names(Some(ino)),
            Profile::Ext4Ordered | Profile::Xfs => self.commit_journal(),
            Profile::NoReorder => self.commit_all(),
        }
    }

    /// Fails a sync of a file as Linux does: its pages turn clean and never reach the disk.
    pub(super) fn lose_pages(&mut self, ino: Ino, read_old: bool) -> io::Result<()> {
        self.file_mut(ino)?.lose_pages(read_old);
        Ok(())
    }

    fn commit_names(&mut self, only: Option<Ino>) -> io::Result<()> {
        let is_due = |op: &NameOp| only.is_none_or(|dir| op.dir == dir);
        let (due, waiting) = std::mem::take(&mut self.name_ops).into_iter().partition(is_due);
        self.name_ops = waiting;
        for op in due {
            op.change.apply(Arc::make_mut(&mut self.dir_mut(op.dir)?.durable));
        }
        Ok(())
    }

    fn commit_journal(&mut self) -> io::Result<()> {
        for slot in self.nodes.iter_mut().flatten() {
            if matches!(&**slot, Node::File(file) if file.has_journalled_sizes())
                && let Node::File(file) = Arc::make_mut(slot)
            {
                file.commit_journalled_sizes();
            }
        }
        self.commit_names(None)
    }

    fn commit_all(&mut self) -> io::Result<()> {
        for slot in self.nodes.iter_mut().flatten() {
            if matches!(&**slot, Node::File(file) if file.is_pending())
                && let Node::File(file) = Arc::make_mut(slot)
            {
                file.fold();
            }
        }
        self.commit_names(None)
    }

    pub(super) fn make_names_durable(&mut self) -> io::Result<()> {
        self.commit_names(None)
    }

    pub(super) fn replace_file(&mut self, ino: Ino, file: FileNode) -> io::Result<()> {
        *self.file_mut(ino)? = file;
        Ok(())
    }

    pub(super) fn metadata(&self, ino: Ino) -> io::Result<Metadata> {
        let (kind, size_bytes, attributes) = match self.node(ino)? {
            Node::File(file) => (FileKind::File, file.current.size_bytes, file.attributes),
            Node::Dir(dir) => (FileKind::Dir, 0, dir.attributes),
        };
        Ok(Metadata {
            kind,
            size_bytes,
            mode: attributes.mode,
            modified_unix_ns: attributes.modified_unix_ns,
            identity: (DEVICE, ino.0 as u64),
        })
    }

    pub(super) fn set_attributes(&mut self, ino: Ino, attributes: Attributes) -> io::Result<()> {
        match self.node_mut(ino)? {
            Node::File(file) => file.attributes = attributes,
            Node::Dir(dir) => dir.attributes = attributes,
        }
        Ok(())
    }
}

impl DirNode {
    /// A directory whose names are all durable.
    pub(super) fn new(names: Arc<Names>, mode: u32) -> DirNode {
        DirNode {
            current: Arc::clone(&names),
            durable: names,
            attributes: Attributes { mode, modified_unix_ns: 0 },
        }
    }
}
