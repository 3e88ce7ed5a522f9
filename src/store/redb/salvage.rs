//! What can still be proven of a damaged redb file.
//!
//! A page's checksum stands in its parent. The newest commit's tree is walked first; what it leads
//! to counts. Where it is damaged, entries are looked for
//!
//! 1. in the children that a damaged branch names, as far as their checksums there fit;
//! 2. in the commit before, whose pages the newest one never overwrote;
//! 3. in every leaf whose checksum some branch page names, be that branch itself damaged or long
//!    replaced: redb copies a page to change it, and leaves the old one. 128 bits prove that such a
//!    leaf is what redb once wrote; [`Ground::choose`] says when an entry in it is still the log's.
//!    Only where the file holds one log: pages do not say whose they are.

mod directory;
mod ground;

pub use directory::RedbDirectorySalvage;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::bytes::{u16_at, u64_at, u128_at};
use crate::model::{Code, Fault, FaultKind, GroupId, IndexRange, LogIndex, LogState, SharedBytes};
use crate::store::codec::ValueCodec;
use crate::store::redb::commit::refuse_version;
use crate::store::redb::discover::discover;
use crate::store::redb::entries::{EntryWalk, LOG_PAGE, missing_of};
use crate::store::redb::format::{
    BRANCH, BRANCH_SUMS_AT, Child, HEADER_BYTES, Header, PAGE_BYTES, PAGE_NUMBER_BYTES, PageNumber,
    SUM_BYTES, Slot,
};
use crate::store::redb::layout::KeyForm;
use crate::store::redb::noted::Noted;
use crate::store::redb::origin::RedbOrigin;
use crate::store::redb::page::{Leaf, Node};
use crate::store::redb::pages::Pages;
use crate::store::redb::salvage::ground::{Copy, Ground};
use crate::store::redb::schema::{Assigned, GroupTables, Logs};
use crate::store::redb::source::Like;
use crate::store::redb::stable;
use crate::store::redb::tables::{Table, read_tables};
use crate::store::redb::tree::{Visit, Walk};
use crate::store::salvage::{Salvage, Salvaged, StateTaken, merged};
use crate::store::{
    Entries, Format, Located, RedbFormat, RedbSchema, StoreError, StoreFile, io_error,
};
use crate::vfs::{Fs, Held, OpenMode};

/// A damaged redb file.
pub struct RedbSalvage {
    pages: Pages,
    like: Like,
    groups: BTreeMap<GroupId, Part>,
    /// Names and rows of the tables that are no part of a log.
    others: Vec<(String, u64)>,
    files: [StoreFile; 1],
    /// Keeps writers out while this is read.
    _lock: Option<Box<dyn Held>>,
}

/// What is left of one group.
struct Part {
    /// The log's table, and whether the newest commit leads to it.
    logs: Option<(Logs, bool)>,
    /// Entries from elsewhere, ascending.
    copies: Vec<Copy>,
    state: LogState,
    salvaged: Salvaged,
}

impl Part {
    /// The log, where the newest commit leads to it.
    fn live(&self) -> Option<&Logs> {
        self.logs.as_ref().filter(|(_, live)| *live).map(|(logs, _)| logs)
    }
}

impl RedbSalvage {
    /// Opens the file at `path`, which the caller has locked, and looks for everything in it.
    ///
    /// # Errors
    /// `Fault` when no commit and no table is left, `NotFound`, `Ambiguous` and `Unsupported` as
    /// for a sound file.
    pub fn open(
        fs: &dyn Fs,
        path: &Path,
        told: &RedbSchema,
        lock: Option<Box<dyn Held>>,
    ) -> Result<RedbSalvage, StoreError> {
        let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
        let size_bytes = file.size().map_err(io_error("look at", path))?;
        let mut bytes = [0; HEADER_BYTES];
        let read = file.read_at(0, &mut bytes).map_err(io_error("read", path))?;
        let header = bytes.get(..read).and_then(Header::read);
        let geometry = header.map(|header| header.geometry).unwrap_or_default();
        let pages = Pages::new(file, Arc::from(path), size_bytes, geometry);
        if let Some(header) = &header {
            refuse_version(header, &pages)?;
        }
        let commits = header.map_or_else(Vec::new, |header| commits(&header));
        let Some(newest) = commits.first() else { return Err(no_commit(&pages).into()) };
        let (assigned, faults) = found(&pages, &commits, told)?;
        let before = match commits.get(1) {
            Some(slot) => {
                let tables = read_tables(&pages, slot.user)?.0;
                Some(Assigned::new(assigned.schema, assigned.layout.clone(), &tables))
            }
            None => None,
        };
        let newest_tables = read_tables(&pages, newest.user)?.0;
        let own = Assigned::new(assigned.schema, assigned.layout.clone(), &newest_tables);
        let others = own.other_contents();
        let version = RedbFormat::of_number(newest.version).unwrap_or_default();
        let (schema, layout) = (assigned.schema, assigned.layout.clone());
        let mut search = Search { pages: &pages, version, assigned, own, before, faults };
        let groups = search.groups()?;
        let files = [StoreFile { path: path.to_owned(), size_bytes }];
        let like = Like { schema, layout, format: version };
        Ok(RedbSalvage { pages, like, groups, others, files, _lock: lock })
    }

    /// How this file is laid out.
    pub fn like(&self) -> Like {
        self.like.clone()
    }

    /// Whether there is anything but tables without a row.
    pub fn holds_something(&self) -> bool {
        self.groups.values().any(|part| {
            let live = part.live().is_some_and(|logs| logs.table.definition.rows > 0);
            let damaged = part.salvaged.dropped_total > 0;
            live || damaged || !part.copies.is_empty() || !part.state.stable.is_empty()
        })
    }

    fn part(&self, group: &GroupId) -> Option<&Part> {
        self.groups.get(group)
    }

    fn copied(&self, logs: &Logs, copy: &Copy) -> Result<Option<Located>, StoreError> {
        let value = self.pages.read(copy.offset_bytes, copy.len_bytes)?;
        let value = SharedBytes::from(value);
        let decoded = logs.codec.decode_in(&value, 0..value.len(), copy.index).ok();
        let same = decoded
            .filter(|found| found.index_inside == copy.index && found.entry.term == copy.term);
        let place = Some(self.pages.place(copy.offset_bytes, copy.len_bytes));
        Ok(same.map(|found| Located { entry: found.entry, place, faults: Vec::new() }))
    }
}

/// The commits whose slots verify, the newest first.
fn commits(header: &Header) -> Vec<Slot> {
    let usable = |slot: &Slot| slot.fits() && (slot.version == 2 || slot.version == 3);
    let mut commits: Vec<Slot> = header.slots.iter().filter(|slot| usable(slot)).copied().collect();
    commits.sort_by_key(|slot| std::cmp::Reverse(slot.transaction));
    commits
}

fn no_commit(pages: &Pages) -> Fault {
    let kind = FaultKind::Field {
        what: "commit slots",
        expected: "one whose checksum fits".to_owned(),
        found: "none".to_owned(),
    };
    Fault::new(Code::R119, kind).at(pages.place(0, HEADER_BYTES as u64))
}

/// The tables of the log, by the newest commit in which they are found, and what is damaged of the
/// newest.
fn found(
    pages: &Pages,
    commits: &[Slot],
    told: &RedbSchema,
) -> Result<(Assigned, Vec<Fault>), StoreError> {
    let mut first = None;
    let mut damage = None;
    for slot in commits {
        let (tables, faults) = read_tables(pages, slot.user)?;
        let faults = damage.get_or_insert(faults).clone();
        match discover(pages, &tables, told) {
            Ok(assigned) => return Ok((assigned, faults)),
            Err(error @ (StoreError::Io(_) | StoreError::Ambiguous { .. })) => return Err(error),
            // Without a table that can be read it is damage, and no other program's database.
            Err(error) => {
                let damage = faults.into_iter().next().or(damaged_root(pages, &tables)?);
                let damage = damage.map(StoreError::from);
                first = Some(first.unwrap_or(damage.unwrap_or(error)));
            }
        }
    }
    Err(first.unwrap_or_else(|| no_commit(pages).into()))
}

/// That the first page of a table cannot be read, of which nobody can say then what it was for.
fn damaged_root(pages: &Pages, tables: &[Table]) -> Result<Option<Fault>, StoreError> {
    for table in tables {
        let shape = table.shape("the first page of a table");
        if let Some(Ok(Visit::Damaged(damaged))) = Walk::new(pages, shape, table.root()).step() {
            return Ok(Some(*damaged.fault));
        }
    }
    Ok(None)
}

/// The search under way.
struct Search<'p> {
    pages: &'p Pages,
    version: RedbFormat,
    /// The tables as they were found.
    assigned: Assigned,
    /// Those of the newest commit.
    own: Assigned,
    /// Those of the commit before.
    before: Option<Assigned>,
    faults: Vec<Fault>,
}

impl Search<'_> {
    fn groups(&mut self) -> Result<BTreeMap<GroupId, Part>, StoreError> {
        let one_log = self.assigned.groups.len() == 1;
        let mut parts = BTreeMap::new();
        let groups: Vec<GroupId> = self.assigned.groups.keys().cloned().collect();
        for group in groups {
            let mut salvaged = Salvaged::default();
            std::mem::take(&mut self.faults).into_iter().for_each(|f| salvaged.drop_piece(f));
            let of = |assigned: &Assigned| assigned.groups.get(&group).cloned();
            let (mut own, before) = (of(&self.own), self.before.as_ref().and_then(of));
            // Which groups there are, and which records are whose, only the keys say.
            let layout = &self.assigned.layout;
            let by_keys = layout.confs.iter().any(|conf| conf.key.names_groups());
            if layout.logs.key == KeyForm::Pair || by_keys {
                own = of(&self.assigned);
            }
            let logs = own.as_ref().and_then(|tables| tables.logs.clone());
            let older = before.as_ref().and_then(|tables| tables.logs.clone());
            let any = logs.clone().or_else(|| older.clone());
            let state = self.state(&group, (own.as_ref(), before.as_ref()), &mut salvaged)?;
            let (mut ground, mut copies) = match &logs {
                Some(logs) => self.walk(logs, &group, &mut salvaged)?,
                None => (Ground::unknown(), Vec::new()),
            };
            salvaged.from_orphans = copies.len() as u64;
            let purged = state.compacted.filter(|_| salvaged.state == StateTaken::Newest);
            if let Some(begin) = purged.and_then(|purged| purged.index.next()) {
                ground.begin_at(begin);
            }
            if !ground.is_whole() {
                if let Some(older) = &older {
                    let (all, begin) = self.copies_of(older)?;
                    let taken = ground.fill_from_commit(all, begin);
                    salvaged.from_commit_before = taken.len() as u64;
                    copies.extend(taken);
                }
                // Bytes of which nothing is known prove nothing wherever they lie.
                let proves = |any: &Logs| any.within.is_none() && any.codec != ValueCodec::Raw;
                if let Some(any) = any.filter(|any| one_log && proves(any)) {
                    let orphans = ground.choose(self.orphans(&any)?, &mut salvaged);
                    salvaged.from_orphans += orphans.len() as u64;
                    copies.extend(orphans);
                }
                ground.tell(&mut salvaged);
            }
            copies.sort_by_key(|copy| copy.index);
            let logs = match logs {
                Some(logs) => Some((logs, true)),
                None => older.map(|older| (older, false)),
            };
            parts.insert(group, Part { logs, copies, state, salvaged });
        }
        Ok(parts)
    }

    fn state(
        &self,
        group: &GroupId,
        (own, before): (Option<&GroupTables>, Option<&GroupTables>),
        salvaged: &mut Salvaged,
    ) -> Result<LogState, StoreError> {
        let codec = self.assigned.schema.codec;
        let mut partial = None;
        let mut stable = None;
        for (tables, taken) in [(own, StateTaken::Newest), (before, StateTaken::CommitBefore)] {
            let Some(tables) = tables else { continue };
            let (read, faults) = stable::read(self.pages, &tables.confs, group, codec)?;
            let damaged = faults.iter().any(|fault| fault.code == Code::R119);
            if !damaged {
                salvaged.state = taken;
                stable = Some(read);
                break;
            }
            if taken == StateTaken::Newest {
                faults.into_iter().for_each(|fault| salvaged.drop_piece(fault));
            }
            partial.get_or_insert(read);
        }
        if stable.is_none() {
            salvaged.state = StateTaken::Lost;
        }
        let schema = self.assigned.schema;
        let note = Noted::new(schema, &self.assigned.layout, self.version).write();
        let mut state = LogState {
            stable: stable.or(partial).unwrap_or_default(),
            schema: Some(schema.name().to_owned()),
            note,
            ..LogState::default()
        };
        stable::interpret(&mut state, codec, &self.assigned.layout.confs);
        Ok(state)
    }

    /// What the newest commit leads to, and the entries to which only a damaged branch leads.
    fn walk(
        &self,
        logs: &Logs,
        group: &GroupId,
        salvaged: &mut Salvaged,
    ) -> Result<(Ground, Vec<Copy>), StoreError> {
        let (mut ground, mut adopted) = (Ground::default(), Vec::new());
        let mut seen = BTreeSet::new();
        let mut walk = Walk::new(self.pages, logs.table.shape(LOG_PAGE), logs.table.root());
        while let Some(visit) = walk.step() {
            match visit? {
                Visit::Branch(_) | Visit::Unread(..) => {}
                Visit::Damaged(damaged) => {
                    let Some(missing) = missing_of(logs, &damaged) else { continue };
                    let below = missing.last.and_then(LogIndex::next);
                    let range = (missing.first.unwrap_or_default(), below);
                    if seen.insert(damaged.page.0) {
                        self.adopt(logs, (damaged.page, range), &mut ground, &mut adopted)?;
                    } else {
                        ground.damage(range.0, range.1);
                    }
                    salvaged.drop_piece(damaged.fault.in_group(group));
                }
                Visit::Leaf(leaf) => {
                    for row in 0..leaf.rows() {
                        let key = leaf.key(row);
                        if logs.key.group(key) != logs.within {
                            continue;
                        }
                        let Some(index) = logs.key.index(key) else { continue };
                        let value = logs.value(&leaf, row);
                        match value.and_then(|value| logs.codec.proves(value, index)) {
                            Some(term) => ground.push(index, term),
                            None => {
                                ground.damage(index, index.next());
                                let at = leaf.value_range(row).unwrap_or_default();
                                let start = leaf.offset_bytes.saturating_add(at.start as u64);
                                let place = self.pages.place(start, at.len() as u64);
                                salvaged.drop_piece(undecodable(index).at(place).in_group(group));
                            }
                        }
                    }
                }
            }
        }
        Ok((ground, adopted))
    }

    /// Takes the children of a branch that does not verify, as far as they do: their checksums in
    /// it fit, and nothing else writes 128 bits that do.
    fn adopt(
        &self,
        logs: &Logs,
        (page, (from, below)): (PageNumber, (LogIndex, Option<LogIndex>)),
        ground: &mut Ground,
        adopted: &mut Vec<Copy>,
    ) -> Result<(), StoreError> {
        let bytes = match self.pages.locate(page) {
            Ok(offset) => self.pages.read(offset, page.size_bytes())?,
            Err(_) => Vec::new(),
        };
        let (mut reached, mut is_gap, mut seen) = (from, false, BTreeSet::new());
        let mut taken = false;
        for child in children(&bytes) {
            let rows = match seen.insert(child.page.0) && child.page != page {
                true => self.whole(logs, child)?,
                false => Vec::new(),
            };
            let ends = rows.first().zip(rows.last()).map(|(first, last)| (first.index, last.index));
            let Some((first, last)) = ends.filter(|(first, _)| *first >= reached) else {
                is_gap = true;
                continue;
            };
            if is_gap {
                ground.damage(reached, Some(first));
            }
            (is_gap, taken) = (false, true);
            rows.iter().for_each(|row| ground.push(row.index, row.term));
            adopted.extend(rows);
            reached = last.next().unwrap_or(last);
        }
        if is_gap || !taken {
            ground.damage(reached, below);
        }
        Ok(())
    }

    /// The entries below a page, if all of it verifies; ascending.
    fn whole(&self, logs: &Logs, child: Child) -> Result<Vec<Copy>, StoreError> {
        let mut rows: Vec<Copy> = Vec::new();
        let mut walk = Walk::new(self.pages, logs.table.shape(LOG_PAGE), Some(child));
        while let Some(visit) = walk.step() {
            match visit? {
                Visit::Branch(_) | Visit::Unread(..) => {}
                Visit::Damaged(_) => return Ok(Vec::new()),
                Visit::Leaf(leaf) => {
                    let found = copies_in(&leaf, logs);
                    let ascend =
                        found.first().zip(rows.last()).is_none_or(|(a, b)| b.index < a.index);
                    if found.len() != leaf.rows() || !ascend {
                        return Ok(Vec::new());
                    }
                    rows.extend(found);
                }
            }
        }
        Ok(rows)
    }

    /// Every entry that a commit leads to, ascending, and where its log begins.
    fn copies_of(&self, logs: &Logs) -> Result<(Vec<Copy>, Option<LogIndex>), StoreError> {
        let (mut copies, mut begin) = (Vec::new(), None);
        let mut walk = Walk::new(self.pages, logs.table.shape(LOG_PAGE), logs.table.root());
        while let Some(visit) = walk.step() {
            match visit? {
                Visit::Branch(_) | Visit::Unread(..) => {}
                Visit::Damaged(_) => {
                    begin.get_or_insert(LogIndex(0));
                }
                Visit::Leaf(leaf) => {
                    let found = copies_in(&leaf, logs);
                    if let Some(first) = found.first() {
                        begin.get_or_insert(first.index);
                    }
                    copies.extend(found);
                }
            }
        }
        Ok((copies, begin))
    }

    /// Entries of every leaf that some branch page names with a checksum that fits.
    fn orphans(&self, logs: &Logs) -> Result<Vec<Copy>, StoreError> {
        let shape = logs.table.shape(LOG_PAGE);
        let (mut seen, mut copies) = (BTreeSet::new(), Vec::new());
        let mut offset = PAGE_BYTES;
        while offset.saturating_add(PAGE_BYTES) <= self.pages.size_bytes() {
            let page = self.pages.read(offset, PAGE_BYTES)?;
            for child in children(&page) {
                if !seen.insert((child.page.0, child.checksum)) {
                    continue;
                }
                match self.pages.node(child, &shape) {
                    Ok(Node::Leaf(leaf)) => copies.extend(copies_in(&leaf, logs)),
                    Ok(Node::Branch(_)) | Err(StoreError::Fault(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            offset += PAGE_BYTES;
        }
        Ok(copies)
    }
}

fn undecodable(index: LogIndex) -> Fault {
    let kind = FaultKind::Field {
        what: "value of an entry",
        expected: "an entry with the index of its key".to_owned(),
        found: "something else".to_owned(),
    };
    Fault::new(Code::R122, kind).at_index(index)
}

/// The rows of a leaf that are entries of their key.
fn copies_in(leaf: &Leaf, logs: &Logs) -> Vec<Copy> {
    let row = |row: usize| {
        let key = leaf.key(row);
        let index = logs.key.index(key).filter(|_| logs.key.group(key) == logs.within)?;
        let at = logs.value_range(leaf, row)?;
        let term = logs.codec.proves(logs.value(leaf, row)?, index)?;
        let offset_bytes = leaf.offset_bytes.saturating_add(at.start as u64);
        Some(Copy { index, term, offset_bytes, len_bytes: at.len() as u64 })
    };
    (0..leaf.rows()).filter_map(row).collect()
}

/// The children that a page names, if it is a branch; whether it verifies does not matter.
fn children(page: &[u8]) -> impl Iterator<Item = Child> + '_ {
    let count = match page.first() {
        Some(&BRANCH) => u16_at(page, 2).map_or(0, |keys| usize::from(keys) + 1),
        _ => 0,
    };
    let numbers_at = BRANCH_SUMS_AT + SUM_BYTES * count;
    (0..count).map_while(move |n| {
        Some(Child {
            page: PageNumber(u64_at(page, numbers_at + PAGE_NUMBER_BYTES * n)?),
            checksum: u128_at(page, BRANCH_SUMS_AT + SUM_BYTES * n)?,
        })
    })
}

impl Salvage for RedbSalvage {
    fn format(&self) -> Format {
        Format::Redb
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn redb(&self) -> Option<RedbOrigin> {
        let (schema, format) = (self.like.schema.name().to_owned(), Some(self.like.format));
        let tables = RedbSchema::default();
        Some(RedbOrigin { schema, format, files: None, tables })
    }

    fn other_contents(&self) -> Vec<(String, u64)> {
        self.others.clone()
    }

    fn groups(&self) -> Vec<GroupId> {
        self.groups.keys().cloned().collect()
    }

    fn state(&self, group: &GroupId) -> LogState {
        self.part(group).map(|part| part.state.clone()).unwrap_or_default()
    }

    fn salvaged(&self, group: &GroupId) -> &Salvaged {
        static NOTHING: std::sync::LazyLock<Salvaged> = std::sync::LazyLock::new(Salvaged::default);
        self.part(group).map_or(&*NOTHING, |part| &part.salvaged)
    }

    fn entries(&self, group: &GroupId) -> Result<Entries<'_>, StoreError> {
        let Some(part) = self.part(group) else { return Ok(Box::new(std::iter::empty())) };
        let live = EntryWalk::new(&self.pages, part.live(), group, IndexRange::ALL);
        let copied = |copy: &Copy| match &part.logs {
            Some((logs, _)) => self.copied(logs, copy),
            None => Ok(None),
        };
        Ok(merged(live, &part.copies, |copy| copy.index, copied))
    }
}
