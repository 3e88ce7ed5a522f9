//! What can still be proven of a damaged file of raft-boltdb.
//!
//! The newest commit's tree is walked first; what it leads to counts. Where it is damaged, entries
//! are looked for elsewhere, in this order:
//!
//! 1. Leaves of the newest commit to which a damaged branch led. Its freelist names every page that
//!    it does not use, so a leaf that is not named there is in use.
//! 2. The commit before, whose pages the newest one never overwrote. Its entries inside a damaged
//!    range are taken where their terms fit: at worst they are what this node had a moment before.
//! 3. Leaves to which nothing leads: BoltDB copies a page to change it, and leaves the old one. A
//!    copy (index, term) is proven when the newest commit holds an entry of the same term at this
//!    index or above. For the leader of that term wrote both, never removed what it wrote, and a
//!    log that took the later entry has everything before it as the leader had it.
//!
//! Where no tree is left at all, leaves alone have to do: of each index the copy with the highest
//! term, and none whose term is below that of an earlier index, because it was replaced.

use std::path::Path;
use std::sync::Arc;

use crate::model::{ByteOrder, Fault, GroupId, IndexRange, LogState, StableMap};
use crate::store::bolt::{
    Metas, PageId, PageSet, Pages, Root, SlotState, buckets, likely_page_bytes, read_freelist,
    read_metas,
};
use crate::store::boltdb::copies::{Copy, Ground, InUse, find_copies, walk_log};
use crate::store::boltdb::entries::EntryWalk;
use crate::store::boltdb::source::read_stable;
use crate::store::boltdb::{CONF, LOGS, PROFILE};
use crate::store::codec::{decode, hard_state};
use crate::store::salvage::{Salvage, Salvaged, StateTaken, merged};
use crate::store::{Entries, Format, Located, StoreError, StoreFile, io_error};
use crate::vfs::{Fs, Held, OpenMode};

/// A damaged file of raft-boltdb.
pub struct BoltDbSalvage {
    /// The newest commit that can be read.
    pages: Pages,
    logs: Option<Root>,
    stable: StableMap,
    /// Entries from elsewhere, ascending.
    copies: Vec<Copy>,
    salvaged: Salvaged,
    files: [StoreFile; 1],
    /// Keeps writers out while this is read.
    _lock: Option<Box<dyn Held>>,
}

/// One commit of the file.
struct Commit {
    pages: Pages,
    logs: Option<Root>,
    conf: Option<Root>,
    freelist: Option<PageId>,
    faults: Vec<Fault>,
}

impl Commit {
    /// The pages that this commit uses; `None` where that cannot be known.
    fn in_use(&self) -> Result<Option<InUse>, StoreError> {
        let Some(page) = self.freelist else { return Ok(None) };
        let list = match read_freelist(&self.pages, page) {
            Ok(list) => list,
            Err(StoreError::Fault(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (mut free, mut is_odd) = (PageSet::default(), false);
        list.collect(&self.pages, &PageSet::default(), &mut free, &mut |_| is_odd = true)?;
        Ok((!is_odd).then(|| InUse { free, end: self.pages.end() }))
    }
}

impl BoltDbSalvage {
    /// Opens the file at `path`, which the caller has locked, and looks for everything in it.
    ///
    /// # Errors
    /// Only when the file cannot be read.
    pub fn open(
        fs: &dyn Fs,
        path: &Path,
        lock: Option<Box<dyn Held>>,
    ) -> Result<BoltDbSalvage, StoreError> {
        let name: Arc<Path> = Arc::from(path);
        let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
        let size_bytes = file.size().map_err(io_error("look at", path))?;
        let mut salvaged = Salvaged::default();
        let commits = match read_metas(file.as_ref(), &name, size_bytes) {
            Ok(metas) => {
                metas.faults.iter().cloned().for_each(|fault| salvaged.drop_piece(fault));
                commits(fs, &name, size_bytes, &metas)?
            }
            Err(StoreError::Fault(fault)) => {
                salvaged.drop_piece(*fault);
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let mut commits = commits.into_iter();
        let (newest, before) = (commits.next(), commits.next());
        let page_bytes = match &newest {
            Some(commit) => commit.pages.page_bytes(),
            None => likely_page_bytes(file.as_ref(), &name, size_bytes)?,
        };
        let whole = Pages::whole(file, Arc::clone(&name), size_bytes, page_bytes);
        let files = [StoreFile { path: path.to_owned(), size_bytes }];
        let mut search = Search { whole: &whole, newest: newest.as_ref(), before, salvaged };
        let stable = search.stable()?;
        let copies = search.copies()?;
        let salvaged = search.salvaged;
        let (pages, logs) = match newest {
            Some(commit) => (commit.pages, commit.logs),
            None => (whole, None),
        };
        Ok(BoltDbSalvage { pages, logs, stable, copies, salvaged, files, _lock: lock })
    }

    fn copied(&self, copy: &Copy) -> Result<Option<Located>, StoreError> {
        let value = self.pages.read(copy.offset_bytes, copy.len_bytes)?;
        let decoded = decode(&value, copy.index).ok();
        let same = decoded.filter(|decoded| {
            decoded.index_inside == copy.index && decoded.entry.term == copy.term
        });
        let place = Some(self.pages.place(copy.offset_bytes, copy.len_bytes));
        Ok(same.map(|found| Located { entry: found.entry, place, faults: Vec::new() }))
    }
}

/// Every commit whose meta verifies, the newest first.
fn commits(
    fs: &dyn Fs,
    name: &Arc<Path>,
    size_bytes: u64,
    metas: &Metas,
) -> Result<Vec<Commit>, StoreError> {
    let mut sound: Vec<_> = metas
        .slots
        .iter()
        .filter_map(|slot| match &slot.state {
            SlotState::Sound(meta) => Some(*meta),
            SlotState::Broken(..) => None,
        })
        .filter(|meta| meta.page_bytes == metas.used.page_bytes)
        .collect();
    sound.sort_by_key(|meta| std::cmp::Reverse(meta.transaction));
    let mut commits = Vec::new();
    for meta in sound {
        let file = fs.open(name, OpenMode::Read).map_err(io_error("open", name))?;
        let pages = Pages::new(file, Arc::clone(name), size_bytes, &meta);
        let (list, faults) = buckets(&pages, Root::Page(meta.root))?;
        let root = |name: &[u8]| {
            list.iter().find(|bucket| bucket.name == name).map(|bucket| bucket.root.clone())
        };
        let (logs, conf) = (root(LOGS), root(CONF));
        commits.push(Commit { pages, logs, conf, freelist: meta.freelist, faults });
    }
    Ok(commits)
}

/// The search under way.
struct Search<'s> {
    whole: &'s Pages,
    newest: Option<&'s Commit>,
    before: Option<Commit>,
    salvaged: Salvaged,
}

impl Search<'_> {
    /// The stable keys: the newest commit's, where all of them can be read.
    fn stable(&mut self) -> Result<StableMap, StoreError> {
        if let Some(newest) = self.newest {
            newest.faults.iter().cloned().for_each(|fault| self.salvaged.drop_piece(fault));
        }
        let all = [self.newest, self.before.as_ref()].into_iter().flatten();
        let mut partial = None;
        for (at, commit) in all.enumerate() {
            let Some(conf) = &commit.conf else { continue };
            let (stable, faults) = read_stable(&commit.pages, conf, ByteOrder::Big)?;
            if faults.is_empty() {
                self.salvaged.state =
                    if at == 0 { StateTaken::Newest } else { StateTaken::CommitBefore };
                return Ok(stable);
            }
            if at == 0 {
                faults.into_iter().for_each(|fault| self.salvaged.drop_piece(fault));
            }
            partial.get_or_insert(stable);
        }
        self.salvaged.state = StateTaken::Lost;
        Ok(partial.unwrap_or_default())
    }

    /// Entries that the newest commit does not lead to, ascending.
    fn copies(&mut self) -> Result<Vec<Copy>, StoreError> {
        let mut ground = match self.newest.and_then(|commit| Some((commit, commit.logs.as_ref()?)))
        {
            Some((commit, logs)) => walk_log(&commit.pages, logs, &mut self.salvaged)?,
            None => Ground::unknown(),
        };
        if ground.is_whole() {
            return Ok(Vec::new());
        }
        let in_use = self.newest.map(Commit::in_use).transpose()?.flatten();
        let found = find_copies(self.whole, &ground, in_use.as_ref())?;
        let mut taken = ground.take_in_use(&found);
        self.salvaged.from_orphans = taken.len() as u64;
        if let Some((commit, logs)) =
            self.before.as_ref().and_then(|commit| Some((commit, commit.logs.as_ref()?)))
        {
            let older = ground.fill_from_commit(&commit.pages, logs)?;
            self.salvaged.from_commit_before = older.len() as u64;
            taken.extend(older);
        }
        let orphans = ground.choose(found.copies, &mut self.salvaged);
        self.salvaged.from_orphans += orphans.len() as u64;
        taken.extend(orphans);
        taken.sort_by_key(|copy| copy.index);
        ground.tell(&mut self.salvaged);
        Ok(taken)
    }
}

impl Salvage for BoltDbSalvage {
    fn format(&self) -> Format {
        Format::BoltDb
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn page_bytes(&self) -> Option<u64> {
        Some(self.pages.page_bytes())
    }

    fn groups(&self) -> Vec<GroupId> {
        vec![GroupId::Unnamed]
    }

    fn state(&self, _group: &GroupId) -> LogState {
        LogState {
            hard: hard_state(&self.stable),
            stable: self.stable.clone(),
            schema: Some(PROFILE.schema.to_owned()),
            ..LogState::default()
        }
    }

    fn salvaged(&self, _group: &GroupId) -> &Salvaged {
        &self.salvaged
    }

    fn entries(&self, _group: &GroupId) -> Result<Entries<'_>, StoreError> {
        let logs = self.logs.iter();
        let live = logs.flat_map(|logs| EntryWalk::new(&self.pages, logs, IndexRange::ALL));
        Ok(merged(live, &self.copies, |copy| copy.index, |copy| self.copied(copy)))
    }
}
