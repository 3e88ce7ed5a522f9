//! The key-value store beside the log: `snap/db`, a BoltDB file. Its container is proven, and how
//! far it applied the log is compared with the log.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::model::{Code, Fault, FaultKind, LogIndex, Severity};
use crate::store::bolt::{Metas, Pages, Root, Visit, Walk, buckets, read_metas, survey};
use crate::store::{StoreError, io_error};
use crate::vfs::{FileKind, Fs, OpenMode};

/// Its name, beside the snapshots.
pub const NAME: &str = "db";
/// The bucket with what etcd must know of it.
const META: &[u8] = b"meta";
/// The index of the entry applied last, u64 with the most significant byte first.
const APPLIED: &[u8] = b"consistent_index";

/// The opened file.
pub struct Database {
    pages: Pages,
    metas: Metas,
    /// Index of the entry applied last, where it is recorded.
    pub applied: Option<u64>,
    /// What is wrong with the way there.
    pub faults: Vec<Fault>,
}

/// Opens the file in `snap`; `None` where there is none or an empty one. The inner error says that
/// nothing of it can be read.
///
/// # Errors
/// When the system refuses to read it.
pub fn open(fs: &dyn Fs, snap: &Path) -> Result<Option<Result<Database, Box<Fault>>>, StoreError> {
    let path = snap.join(NAME);
    match fs.metadata(&path) {
        Ok(found) if found.kind == FileKind::File && found.size_bytes > 0 => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("look at", &path)(error)),
    }
    let file = fs.open(&path, OpenMode::Read).map_err(io_error("open", &path))?;
    let size_bytes = file.size().map_err(io_error("look at", &path))?;
    let name: Arc<Path> = Arc::from(path.as_path());
    let opened = read_metas(file.as_ref(), &name, size_bytes).and_then(|metas| {
        let pages = Pages::new(file, name, size_bytes, &metas.used);
        let (list, mut faults) = buckets(&pages, Root::Page(metas.used.root))?;
        faults.extend(metas.faults.iter().cloned());
        let meta = list.iter().find(|bucket| bucket.name == META);
        let applied = match meta {
            Some(meta) => applied(&pages, &meta.root)?,
            None => None,
        };
        Ok(Database { pages, metas, applied, faults })
    });
    match opened {
        Ok(database) => Ok(Some(Ok(database))),
        Err(StoreError::Fault(fault)) => Ok(Some(Err(fault))),
        Err(error) => Err(error),
    }
}

fn applied(pages: &Pages, root: &Root) -> Result<Option<u64>, StoreError> {
    let mut walk = Walk::new(pages, root.clone());
    while let Some(visit) = walk.step() {
        let Visit::Leaf(leaf) = visit? else { continue };
        for element in (0..leaf.elements()).filter_map(|n| leaf.element(n)) {
            if leaf.slice(&element.key) == APPLIED && !element.is_bucket {
                let value = leaf.slice(&element.value);
                return Ok(value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)));
            }
        }
    }
    Ok(None)
}

impl Database {
    /// Proves the container; returns the bytes that were read, or `None` when `progress` broke.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn check(
        &self,
        faults: &mut Vec<Fault>,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<u64>, StoreError> {
        let Some(found) = survey(&self.pages, &self.metas.used, progress)? else {
            return Ok(None);
        };
        faults.extend(found.faults.into_iter().filter(|fault| !self.faults.contains(fault)));
        if found.unnamed_faults > 0 {
            let found = format!("{} more faults of the page graph", found.unnamed_faults);
            let all = self.pages.place(0, self.pages.size_bytes());
            faults.push(Fault::new(Code::R119, FaultKind::Note { found }).at(all));
        }
        Ok(Some(found.used_bytes))
    }

    /// That it ends before the snapshot through `snapshot` (R118), which etcd brings it up to when
    /// it receives one: it does not start with an older one.
    pub fn behind(&self, snapshot: u64) -> Option<Fault> {
        let applied = self.applied.filter(|applied| *applied < snapshot)?;
        let message = format!(
            "the key-value store applied {applied}, and the snapshot beside it ends at {snapshot}: \
             etcd does not start with such a store"
        );
        let expected = format!("{snapshot} or more");
        let kind = FaultKind::Broken { message, expected, found: Some(applied.to_string()) };
        let fault = Fault::new(Code::R118, kind).at_index(LogIndex(applied));
        Some(fault.at(self.pages.place(0, self.pages.size_bytes())))
    }

    /// How what it applied contradicts a log that is committed through `commit` and ends at `last`
    /// (R118). The commit index in a log is only a lower bound: etcd does not sync it alone.
    pub fn ahead(&self, commit: u64, last: u64) -> Option<Fault> {
        let applied = self.applied.filter(|applied| *applied > commit)?;
        let (message, limit, severity) = match applied > last {
            true => (
                format!("the key-value store applied {applied}, but the log ends at {last}"),
                last,
                Severity::Error,
            ),
            false => (
                format!(
                    "the key-value store applied {applied}, the log says committed through \
                     {commit}; etcd does not sync that alone"
                ),
                commit,
                Severity::Info,
            ),
        };
        let expected = format!("at most {limit}");
        let kind = FaultKind::Broken { message, expected, found: Some(applied.to_string()) };
        let fault = Fault::new(Code::R118, kind).at_index(LogIndex(applied));
        Some(fault.at(self.pages.place(0, self.pages.size_bytes())).as_severity(severity))
    }
}
