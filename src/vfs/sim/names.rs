//! Which names a crash may leave, and which files they lead to.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

use super::disk::{DirNode, Disk, Ino, NameOp, Names, Node, ROOT, Step};

/// Which pending changes of names survive, by their position in [`Disk::name_ops`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Kept(Vec<bool>);

impl Kept {
    /// What survives of `ops` when `keep` is asked about each: an operation falls with an earlier
    /// dropped one on the same name.
    pub(super) fn choose(ops: &[NameOp], mut keep: impl FnMut(&NameOp) -> bool) -> Kept {
        let mut kept = Kept(Vec::with_capacity(ops.len()));
        for op in ops {
            let stands = keep(op) && kept.supports(ops, op);
            kept.0.push(stands);
        }
        kept
    }

    /// What survives of `ops` when everything before `end` does.
    pub(super) fn before(ops: &[NameOp], end: Step) -> Kept {
        Kept(ops.iter().map(|op| op.step < end).collect())
    }

    /// Whether all earlier operations on the names of `op` survive.
    fn supports(&self, ops: &[NameOp], op: &NameOp) -> bool {
        let mut earlier = ops.iter().zip(&self.0);
        !earlier.any(|(other, stands)| !stands && other.touches(op))
    }

    /// Every set that may survive of `ops`, or `None` when there are more than `limit`.
    pub(super) fn all(ops: &[NameOp], limit: u64) -> Option<Vec<Kept>> {
        let mut all = vec![Kept::default()];
        for op in ops {
            let mut longer = Vec::with_capacity(all.len() * 2);
            for mut kept in all {
                if kept.supports(ops, op) {
                    let mut with = kept.clone();
                    with.0.push(true);
                    longer.push(with);
                }
                kept.0.push(false);
                longer.push(kept);
            }
            if longer.len() as u64 > limit {
                return None;
            }
            all = longer;
        }
        Some(all)
    }

    /// Whether each operation survives, in their order.
    pub(super) fn flags(&self) -> &[bool] {
        &self.0
    }
}

/// The directories and files that have a name.
pub(super) struct Tree {
    pub(super) dirs: Vec<(Ino, Arc<Node>)>,
    pub(super) files: Vec<TreeFile>,
    /// Stands for the paths of all directories.
    pub(super) digest: u128,
    /// Stands for all paths and which file or directory each leads to.
    pub(super) identity: u128,
}

pub(super) struct TreeFile {
    pub(super) ino: Ino,
    pub(super) path: Arc<Path>,
    /// Stands for the path.
    pub(super) mark: u128,
}

impl Tree {
    /// The names on `disk` when of the pending changes those in `kept` survive.
    pub(super) fn of(disk: &Disk, kept: &Kept) -> Tree {
        let mut tree = Tree { dirs: Vec::new(), files: Vec::new(), digest: 0, identity: 0 };
        let mut waiting = vec![(ROOT, Vec::new())];
        let mut seen = HashSet::from([ROOT]);
        while let Some((ino, path)) = waiting.pop() {
            let Ok(dir) = disk.dir(ino) else { continue };
            let names = surviving_names(disk, ino, kept);
            for (name, child) in names.iter() {
                let mut child_path: Vec<u8> = path.clone();
                child_path.push(b'/');
                child_path.extend_from_slice(name.as_bytes());
                let mark = xxh3_128(&child_path);
                let leads_to = xxh3_128_with_seed(&child_path, child.number());
                tree.identity = tree.identity.wrapping_add(leads_to);
                match disk.node(*child) {
                    Ok(Node::File(_)) => {
                        let path = Arc::from(Path::new(OsStr::from_bytes(&child_path)));
                        tree.files.push(TreeFile { ino: *child, path, mark });
                    }
                    Ok(Node::Dir(_)) if seen.insert(*child) => {
                        tree.digest = tree.digest.wrapping_add(mark);
                        waiting.push((*child, child_path));
                    }
                    _ => {}
                }
            }
            let at_rest = DirNode { attributes: dir.attributes, ..DirNode::new(names, 0) };
            tree.dirs.push((ino, Arc::new(Node::Dir(at_rest))));
        }
        tree
    }
}

fn surviving_names(disk: &Disk, ino: Ino, kept: &Kept) -> Arc<Names> {
    let Ok(dir) = disk.dir(ino) else { return Arc::default() };
    let mut names = Arc::clone(&dir.durable);
    let survivors = disk.name_ops.iter().zip(kept.flags()).filter(|(_, stands)| **stands);
    for (op, _) in survivors.filter(|(op, _)| op.dir == ino) {
        op.change.apply(Arc::make_mut(&mut names));
    }
    names
}
