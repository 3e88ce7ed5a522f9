//! An opened BoltDB file as a source of entries.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::model::{
    ByteOrder, Code, Fault, FaultKind, GroupId, IndexRange, KnownFaults, LogState, StableMap,
};
use crate::store::bolt::survey;
use crate::store::bolt::{Bucket, Metas, Pages, Root, Survey, Visit, Walk, buckets, read_metas};
use crate::store::boltdb::entries::{EntryWalk, bounds};
use crate::store::boltdb::{CONF, LOGS, PROFILE, scan};
use crate::store::codec::{hard_state, odd_integer, stable_value};
use crate::store::{
    Checked, Entries, Format, Heads, Level, Located, LogSource, Profile, Record, RecordScan, Space,
    Store, StoreError, StoreFile, io_error,
};
use crate::vfs::{Fs, Held, OpenMode};

/// A BoltDB file, opened read-only; nobody else writes it meanwhile.
pub struct BoltDbStore {
    pages: Pages,
    metas: Metas,
    logs: Root,
    stable: StableMap,
    others: Vec<Bucket>,
    faults: Vec<Fault>,
    files: [StoreFile; 1],
    /// Keeps writers out while this store is read.
    _lock: Option<Box<dyn Held>>,
}

impl BoltDbStore {
    /// Opens the file at `path`, which the caller has locked where that is possible.
    ///
    /// # Errors
    /// `NotFound` for an empty file and one without the buckets of raft-boltdb, `Fault` (R119) for
    /// damage that leaves nothing to read.
    pub fn open(
        fs: &dyn Fs,
        path: &Path,
        lock: Option<Box<dyn Held>>,
    ) -> Result<BoltDbStore, StoreError> {
        let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
        let size_bytes = file.size().map_err(io_error("look at", path))?;
        if size_bytes == 0 {
            return Err(not_found(path, "an empty file", &[]));
        }
        let name: Arc<Path> = Arc::from(path);
        let metas = read_metas(file.as_ref(), &name, size_bytes)?;
        let pages = Pages::new(file, name, size_bytes, &metas.used);
        let (list, odd) = buckets(&pages, Root::Page(metas.used.root))?;
        let named = |name: &[u8]| list.iter().find(|bucket| bucket.name == name);
        let (Some(logs), Some(conf)) = (named(LOGS), named(CONF)) else {
            return Err(match odd.into_iter().next() {
                Some(fault) => fault.into(),
                None => not_found(path, "a BoltDB file without the buckets logs and conf", &list),
            });
        };
        let mut faults = metas.faults.clone();
        faults.extend(odd);
        let (stable, odd) = read_stable(&pages, &conf.root, ByteOrder::Big)?;
        faults.extend(odd);
        let logs = logs.root.clone();
        let is_other = |bucket: &Bucket| bucket.name != LOGS && bucket.name != CONF;
        let others = list.into_iter().filter(is_other).collect();
        let files = [StoreFile { path: path.to_owned(), size_bytes }];
        Ok(BoltDbStore { pages, metas, logs, stable, others, faults, files, _lock: lock })
    }

    /// Which commit is read, and what the file keeps beside it, one line each.
    pub fn evidence(&self) -> Vec<String> {
        let meta = &self.metas.used;
        let freelist = match meta.freelist {
            Some(page) => format!("freelist at page {page}"),
            None => "no freelist in the file".to_owned(),
        };
        vec![format!(
            "transaction {} in meta {}, {freelist}",
            meta.transaction, self.metas.used_slot
        )]
    }

    fn only_group(&self, group: &GroupId) -> Result<(), StoreError> {
        match group {
            GroupId::Unnamed => Ok(()),
            GroupId::Named(name) => Err(StoreError::NotFound {
                path: self.pages.path().to_path_buf(),
                reason: format!("no group {}", name.escape_debug()),
                seen: vec!["the unnamed group".to_owned()],
            }),
        }
    }

    fn survey(
        &self,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<Survey>, StoreError> {
        survey(&self.pages, &self.metas.used, progress)
    }
}

fn not_found(path: &Path, reason: &str, buckets: &[Bucket]) -> StoreError {
    let words = |bucket: &Bucket| format!("bucket {}", bucket.name.escape_ascii());
    StoreError::NotFound {
        path: path.to_owned(),
        reason: reason.to_owned(),
        seen: buckets.iter().map(words).collect(),
    }
}

/// Reads the stable keys of a bucket, integers in `order`, and what is wrong with them.
pub(in crate::store) fn read_stable(
    pages: &Pages,
    conf: &Root,
    order: ByteOrder,
) -> Result<(StableMap, Vec<Fault>), StoreError> {
    let (mut stable, mut faults) = (StableMap::new(), Vec::new());
    let mut walk = Walk::new(pages, conf.clone());
    while let Some(visit) = walk.step() {
        let leaf = match visit? {
            Visit::Branch(_) => continue,
            Visit::Leaf(leaf) => leaf,
            Visit::Damaged(damaged) => {
                faults.push(damaged.fault.in_group(&GroupId::Unnamed));
                continue;
            }
        };
        for element in (0..leaf.elements()).filter_map(|n| leaf.element(n)) {
            let key = leaf.slice(&element.key);
            let offset = leaf.offset_bytes.saturating_add(element.value.start as u64);
            let place = pages.place(offset, element.value.len() as u64);
            if element.is_bucket {
                let kind = FaultKind::Field {
                    what: "element among the stable keys",
                    expected: "a value".to_owned(),
                    found: format!("a bucket {}", key.escape_ascii()),
                };
                faults.push(Fault::new(Code::R125, kind).at(place).in_group(&GroupId::Unnamed));
                continue;
            }
            let value = leaf.shared(element.value.clone());
            let odd = odd_integer(key, &value, order, place);
            faults.extend(odd.map(|fault| fault.in_group(&GroupId::Unnamed)));
            stable.insert(key.to_vec(), stable_value(key, value.detached(), order));
        }
    }
    Ok((stable, faults))
}

impl LogSource for BoltDbStore {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(vec![GroupId::Unnamed])
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        self.only_group(group)?;
        Ok(LogState {
            hard: hard_state(&self.stable),
            stable: self.stable.clone(),
            bounds: bounds(&self.pages, &self.logs)?,
            schema: Some(PROFILE.schema.to_owned()),
            ..LogState::default()
        })
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        self.only_group(group)?;
        Ok(Box::new(EntryWalk::new(&self.pages, &self.logs, range)))
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        self.only_group(group)?;
        let walk = EntryWalk::new(&self.pages, &self.logs, range);
        Ok(Box::new(walk.map(|located| located.map(Located::into_head))))
    }
}

impl RecordScan for BoltDbStore {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        scan::scan(&self.pages, &self.metas, visit)
    }
}

impl Store for BoltDbStore {
    fn format(&self) -> Format {
        Format::BoltDb
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn opening_faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The page graph is the same work at either level: nothing in it has a checksum.
    fn check(
        &self,
        _level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let mut checked = Checked { faults: self.faults.clone(), ..Checked::default() };
        let Some(found) = self.survey(progress)? else { return Ok(checked) };
        let known = KnownFaults::of(&self.faults);
        let is_new = |fault: &Fault| !known.has(fault);
        checked.faults.extend(found.faults.into_iter().filter(is_new));
        if found.unnamed_faults > 0 {
            let found = format!("{} more faults of the page graph", found.unnamed_faults);
            let all = self.pages.place(0, self.pages.size_bytes());
            checked.faults.push(Fault::new(Code::R119, FaultKind::Note { found }).at(all));
        }
        checked.checked_bytes = found.used_bytes;
        checked.counts = vec![
            ("branch pages", found.branches),
            ("leaf pages", found.leaves),
            ("overflow pages", found.overflow_pages),
            ("buckets", found.buckets),
            ("inline buckets", found.inline_buckets),
            ("elements", found.elements),
        ];
        checked.counts.extend(found.free_pages.map(|count| ("free pages", count)));
        Ok(checked)
    }

    fn space(&self) -> Result<Space, StoreError> {
        let found = self.survey(&mut |_| ControlFlow::Continue(()))?;
        let pages = found.map_or(0, |found| found.reached_pages);
        let file_bytes = self.pages.size_bytes();
        let live_bytes = pages.saturating_mul(self.pages.page_bytes()).min(file_bytes);
        Ok(Space { file_bytes, live_bytes, free_bytes: Some(file_bytes - live_bytes) })
    }

    fn page_bytes(&self) -> Option<u64> {
        Some(self.pages.page_bytes())
    }

    fn other_contents(&self) -> Vec<(String, u64)> {
        let words = |bucket: &Bucket| {
            let name = String::from_utf8_lossy(&bucket.name).into_owned();
            (name, elements(&self.pages, &bucket.root))
        };
        self.others.iter().map(words).collect()
    }
}

/// How many elements of a bucket can be read.
fn elements(pages: &Pages, root: &Root) -> u64 {
    let mut count = 0u64;
    let mut walk = Walk::new(pages, root.clone());
    while let Some(Ok(visit)) = walk.step() {
        if let Visit::Leaf(leaf) = visit {
            count = count.saturating_add(leaf.elements() as u64);
        }
    }
    count
}
