//! Snapshots beside a log: hashicorp/raft's FileSnapshotStore, and what Vault keeps instead.
//!
//! ```text
//! <raft dir>/snapshots/<term>-<index>-<milliseconds>/meta.json    one JSON object, see `meta`
//!                                                   /state.bin    the state, opaque
//!                      <...>.tmp/                                 not finished, or left by a crash
//! <raft dir>/peers.json                                           a membership for the next start
//! <data dir>/vault.db                                             Vault's state, up to date
//! <member>/snap/<term>-<index>.snap                               etcd's, see `etcd`
//! ```
//!
//! A snapshot explains what is missing in the log: a server starts from its newest one that
//! verifies and reads on behind it. The library orders them by term, index and name, ignores names
//! ending in `.tmp` and directories whose `meta.json` it cannot read, and refuses a snapshot whose
//! state does not have the CRC-64 of `meta.json`; so does this reader. The state is read once,
//! in pieces: memory does not grow with it.

pub mod etcd;
mod meta;
mod peers;
mod state;
mod vault;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{
    Code, Fault, FaultKind, LogId, LogIndex, LogState, Place, Server, Severity, SharedBytes,
    SnapshotNote, Term,
};
use crate::store::etcd_wal::snap_dir;
use crate::store::snapshots::state::{Proof as StateProof, Proven};
use crate::store::{Description, Format, Level, Product, StoreError, io_error};
use crate::vfs::{FileKind, Fs, OpenMode};

/// Name of the directory, beside the log.
const DIR: &str = "snapshots";
/// Name of the description in a snapshot.
const META: &str = "meta.json";
/// Name of the state in a snapshot.
const STATE: &str = "state.bin";
/// Ending of a snapshot that is not finished.
const UNFINISHED: &str = ".tmp";
/// Snapshots that are looked at; servers keep two or three.
const SNAPSHOTS_MAX: usize = 1024;
/// Largest description or membership file that is read.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// A snapshot, by its description.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its name.
    pub id: String,
    /// Last index that it covers.
    pub index: LogIndex,
    /// Term of that index.
    pub term: Term,
    /// Members of the cluster then.
    pub servers: Vec<Server>,
    /// Index of the entry from which they are.
    pub membership_index: LogIndex,
    /// Size of the state, as described.
    pub size_bytes: u64,
    /// What proves the state, where it is a file of its own.
    proof: Option<Proof>,
}

/// What proves a snapshot.
#[derive(Clone, Debug)]
enum Proof {
    /// The description of its state.
    State(Box<StateProof>),
    /// Itself.
    Snap(etcd::SnapFile),
}

impl Proof {
    fn check(
        &self,
        fs: &dyn Fs,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Proven, StoreError> {
        match self {
            Proof::State(proof) => proof.check(fs, level, progress),
            Proof::Snap(file) => file.check(fs, level, progress),
        }
    }
}

impl Snapshot {
    /// The snapshot as a log's state names it.
    pub fn note(&self) -> SnapshotNote {
        SnapshotNote {
            index: self.index,
            term: self.term,
            id: Some(self.id.clone()),
            note: SharedBytes::default(),
        }
    }
}

/// The snapshots that stand beside a log, and what a `peers.json` there says.
pub struct Snapshots {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    /// Whether there is a place for snapshots.
    in_view: bool,
    /// Newest first, in the library's order.
    list: Vec<Snapshot>,
    faults: Vec<Fault>,
    /// What the next start does about a `peers.json`.
    recovery: Option<Fault>,
}

/// What checking the snapshots found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Whether there is a place for snapshots, so that one that is not there is missing.
    pub in_view: bool,
    /// What is wrong or worth knowing.
    pub faults: Vec<Fault>,
    /// The snapshot from which a server starts.
    pub newest: Option<Snapshot>,
    /// Number of snapshots.
    pub count: u64,
    /// Bytes of states that were read.
    pub checked_bytes: u64,
}

impl Checked {
    /// Lets the state of a log know its snapshot, unless it knows a newer one by itself.
    pub fn complete(&self, state: &mut LogState) {
        let known = state.snapshot.as_ref().map(|snapshot| snapshot.index);
        if let Some(newest) = self.newest.as_ref().filter(|one| known < Some(one.index)) {
            state.snapshot = Some(newest.note());
        }
    }

    /// Whether the snapshot says who the members are.
    pub fn has_membership(&self) -> bool {
        self.newest.as_ref().is_some_and(|newest| !newest.servers.is_empty())
    }
}

impl Snapshots {
    /// Lists the snapshots beside the store that `description` tells of; `None` where there is
    /// neither a place for any nor a `peers.json`. No state is read.
    ///
    /// # Errors
    /// When the system refuses to list or read what is there.
    pub fn beside(
        fs: &Arc<dyn Fs>,
        description: &Description,
    ) -> Result<Option<Snapshots>, StoreError> {
        if description.format == Format::EtcdWal {
            return Snapshots::of_etcd(fs, &description.store);
        }
        let raft = match description.store.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let product = description.layout.as_ref().map(|layout| layout.product);
        let state = description.data_dir.as_deref().filter(|_| product.is_some_and(is_vault));
        let vault = state.map(|dir| vault::snapshot(fs.as_ref(), dir)).transpose()?.flatten();
        let dir = match (&vault, state) {
            (Some(_), Some(data_dir)) => data_dir.to_owned(),
            _ => raft.join(DIR),
        };
        let in_view = is_directory(fs.as_ref(), &dir)?;
        let recovery = peers::beside(fs.as_ref(), raft, product)?;
        if !in_view && (recovery.is_none() || !is_hashicorps(description.format)) {
            return Ok(None);
        }
        let (list, faults) = (Vec::new(), Vec::new());
        let mut found = Snapshots { fs: Arc::clone(fs), dir, in_view, list, faults, recovery };
        match vault {
            Some(Ok(snapshot)) => found.list.push(snapshot),
            Some(Err(fault)) => found.faults.push(*fault),
            None if in_view => found.look()?,
            None => {}
        }
        let order = |one: &Snapshot| (one.term, one.index, one.id.clone());
        found.list.sort_by_key(|one| std::cmp::Reverse(order(one)));
        found.faults.extend(found.recovery.clone());
        Ok(Some(found))
    }

    /// Whether there is a place for snapshots, so that one that is not there is missing.
    pub fn in_view(&self) -> bool {
        self.in_view
    }

    /// Lists the `.snap` files beside etcd's log in `wal`.
    fn of_etcd(fs: &Arc<dyn Fs>, wal: &Path) -> Result<Option<Snapshots>, StoreError> {
        let Some(dir) = snap_dir(fs.as_ref(), wal) else { return Ok(None) };
        let (mut list, faults) = etcd::snapshots(fs.as_ref(), &dir)?;
        list.sort_by_key(|one| std::cmp::Reverse((one.term, one.index)));
        Ok(Some(Snapshots { fs: Arc::clone(fs), dir, list, faults, recovery: None, in_view: true }))
    }

    /// Leaves out the snapshots that the log beside them does not know, with a finding for each.
    pub fn retain_known(&mut self, known: impl Fn(LogId) -> bool) {
        let (dir, faults) = (&self.dir, &mut self.faults);
        self.list.retain(|one| {
            let is_known = known(LogId { index: one.index, term: one.term });
            if !is_known {
                let what = "a snapshot that no marker in the log names";
                faults.push(ignored(&dir.join(&one.id), what).as_severity(Severity::Info));
            }
            is_known
        });
    }

    /// Where they lie: `snapshots` beside the log, or the directory of Vault's state.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the next start does about a `peers.json` beside the log, where there is one.
    pub fn recovery(&self) -> Option<&Fault> {
        self.recovery.as_ref()
    }

    /// Every snapshot, newest first, without any proof.
    pub fn list(&self) -> &[Snapshot] {
        &self.list
    }

    /// Proves every snapshot's state: its size, and at the full level its CRC-64. `progress` gets
    /// the bytes read so far; its `Break` ends the check.
    ///
    /// # Errors
    /// When a state cannot be read.
    pub fn check(
        &self,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let count = self.list.len() as u64;
        let (faults, in_view) = (self.faults.clone(), self.in_view);
        let mut checked = Checked { faults, in_view, count, ..Checked::default() };
        for snapshot in &self.list {
            let before = checked.checked_bytes;
            let mut reached = |bytes: u64| progress(before.saturating_add(bytes));
            let faults = match &snapshot.proof {
                Some(proof) => {
                    let proven = proof.check(self.fs.as_ref(), level, &mut reached)?;
                    checked.checked_bytes = before.saturating_add(proven.read_bytes);
                    if proven.stopped {
                        return Ok(checked);
                    }
                    proven.fault.into_iter().collect()
                }
                None => Vec::new(),
            };
            if faults.is_empty() && checked.newest.is_none() {
                checked.newest = Some(snapshot.clone());
            }
            checked.faults.extend(faults);
        }
        Ok(checked)
    }

    /// Lists the directory of the FileSnapshotStore.
    fn look(&mut self) -> Result<(), StoreError> {
        let fs = Arc::clone(&self.fs);
        let names = fs.list(&self.dir).map_err(io_error("list", &self.dir))?;
        for path in names.into_iter().take(SNAPSHOTS_MAX) {
            let metadata = fs.symlink_metadata(&path).map_err(io_error("look at", &path))?;
            if metadata.kind != FileKind::Dir {
                continue;
            }
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            if name.ends_with(UNFINISHED) {
                self.faults.push(ignored(&path, "a snapshot that was never finished"));
                continue;
            }
            match self.described(&path, &name)? {
                Ok(snapshot) => self.list.push(snapshot),
                Err(fault) => self.faults.push(*fault),
            }
        }
        Ok(())
    }

    /// Reads the description of the snapshot at `path`.
    fn described(
        &self,
        path: &Path,
        name: &str,
    ) -> Result<Result<Snapshot, Box<Fault>>, StoreError> {
        let file = path.join(META);
        let Some(bytes) = small_file(self.fs.as_ref(), &file)? else {
            return Ok(Err(Box::new(ignored(path, "a snapshot without meta.json"))));
        };
        let place = Place { file: Arc::from(file), offset_bytes: 0, len_bytes: bytes.len() as u64 };
        let meta = match meta::read(&bytes) {
            Ok(meta) => meta,
            Err(why) => {
                let what = format!("a snapshot whose meta.json cannot be read: {why}");
                let fault = ignored(path, &what).at(place);
                return Ok(Err(Box::new(fault)));
            }
        };
        let state = path.join(STATE);
        let wrong_name = (meta.id != name).then(|| {
            let kind = FaultKind::Field {
                what: "ID of a snapshot, by which its directory is opened,",
                expected: name.to_owned(),
                found: meta.id.clone(),
            };
            Fault::new(Code::R109, kind).at(place.clone())
        });
        let proof = StateProof {
            id: name.to_owned(),
            path: state,
            size_bytes: meta.size_bytes,
            crc: meta.crc,
            meta: place,
            wrong_name,
        };
        Ok(Ok(Snapshot {
            id: name.to_owned(),
            index: meta.index,
            term: meta.term,
            servers: meta.servers,
            membership_index: meta.membership_index,
            size_bytes: meta.size_bytes,
            proof: Some(Proof::State(Box::new(proof))),
        }))
    }
}

fn is_vault(product: Product) -> bool {
    matches!(product, Product::Vault | Product::OpenBao)
}

/// Whether servers on hashicorp/raft open logs of this format.
fn is_hashicorps(format: Format) -> bool {
    matches!(format, Format::BoltDb | Format::RaftFastlog | Format::RaftWal)
}

fn is_directory(fs: &dyn Fs, path: &Path) -> Result<bool, StoreError> {
    match fs.metadata(path) {
        Ok(metadata) => Ok(metadata.kind == FileKind::Dir),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(io_error("look at", path)(error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The finding that a server passes over what is at `path`.
fn ignored(path: &Path, what: &str) -> Fault {
    let found = format!("{}: {what}; servers pass over it", path.display());
    Fault::new(Code::R117, FaultKind::Note { found }).at(Place {
        file: Arc::from(path),
        offset_bytes: 0,
        len_bytes: 0,
    })
}

/// All bytes of a small regular file, `None` where there is none. A larger one is cut, and then no
/// JSON.
fn small_file(fs: &dyn Fs, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs.metadata(path) {
        Ok(metadata) if metadata.kind == FileKind::File => {}
        Ok(_) => return Ok(None),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(io_error("look at", path)(error)),
    }
    let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
    let size = file.size().map_err(io_error("look at", path))?.min(TEXT_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    let read = file.read_at(0, &mut bytes).map_err(io_error("read", path))?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
