//! An opened redb file as a source of entries.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::model::{Code, Fault, FaultKind, GroupId, IndexRange, LogState};
use crate::store::codec::{decode, hard_state};
use crate::store::redb::PROFILE;
use crate::store::redb::commit::{Chosen, choose, refuse_version};
use crate::store::redb::entries::{EntryWalk, HeadWalk, LOG_PAGE, bounds};
use crate::store::redb::format::{HEADER_BYTES, Header, PAGE_BYTES, Slot};
use crate::store::redb::pages::Pages;
use crate::store::redb::schema::{Assigned, GroupTables, assign, no_log};
use crate::store::redb::survey::survey;
use crate::store::redb::tables::{Table, read_tables};
use crate::store::redb::tree::{Visit, Walk};
use crate::store::redb::{scan, stable};
use crate::store::{
    Checked, Entries, Format, Heads, Level, LogSource, Profile, Record, RecordScan, Space, Store,
    StoreError, StoreFile, io_error,
};
use crate::vfs::{Fs, Held, OpenMode};

/// Rows of a log table that are tried before it is called something else.
const PROOF_ROWS: usize = 64;

/// A redb file, opened read-only; nobody else writes it meanwhile.
pub struct RedbStore {
    pages: Pages,
    header: Header,
    commit: Slot,
    groups: BTreeMap<GroupId, GroupTables>,
    others: Vec<Table>,
    faults: Vec<Fault>,
    evidence: Vec<String>,
    files: [StoreFile; 1],
    /// Keeps writers out while this store is read.
    _lock: Option<Box<dyn Held>>,
}

impl RedbStore {
    /// Opens the file at `path`, which the caller has locked where that is possible.
    ///
    /// # Errors
    /// `NotFound` for an empty file and one without a Raft log, `Unsupported` for another file
    /// format, `Fault` (R119) for damage that leaves nothing to read.
    pub fn open(
        fs: &dyn Fs,
        path: &Path,
        lock: Option<Box<dyn Held>>,
    ) -> Result<RedbStore, StoreError> {
        let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
        let size = file.size().map_err(io_error("look at", path))?;
        if size == 0 {
            return Err(StoreError::NotFound {
                path: path.to_owned(),
                reason: "an empty file".to_owned(),
                seen: Vec::new(),
            });
        }
        let name: Arc<Path> = Arc::from(path);
        let mut bytes = [0; HEADER_BYTES];
        let read = file.read_at(0, &mut bytes).map_err(io_error("read", path))?;
        let header = bytes.get(..read).and_then(Header::read);
        let geometry = header.map(|header| header.geometry).unwrap_or_default();
        let pages = Pages::new(file, name, size, geometry);
        let Some(header) = header else {
            let kind = FaultKind::Short {
                what: "header of a redb file",
                needed_bytes: HEADER_BYTES as u64,
                found_bytes: size,
            };
            return Err(Fault::new(Code::R119, kind).at(pages.place(0, size)).into());
        };
        refuse_version(&header, &pages)?;
        let chosen = choose(&header, &pages)?;
        RedbStore::with(pages, header, chosen, lock)
    }

    fn with(
        pages: Pages,
        header: Header,
        chosen: Chosen,
        lock: Option<Box<dyn Held>>,
    ) -> Result<RedbStore, StoreError> {
        let Chosen { commit, mut faults, newer, closing } = chosen;
        let (tables, odd_tables) = read_tables(&pages, commit.user)?;
        let nothing_to_read = odd_tables.first().cloned();
        faults.extend(odd_tables);
        let assigned = assign(tables);
        if !proven(&pages, &assigned)? {
            return Err(match nothing_to_read {
                Some(fault) => fault.into(),
                None => no_log(pages.path(), &assigned),
            });
        }
        let evidence = evidence(&commit, closing, &assigned);
        let Assigned { groups, others, .. } = assigned;
        if let Some((newer, damage)) = newer {
            faults.push(fallback(&pages, (&commit, &groups), &newer, &damage)?);
        }
        for (group, tables) in &groups {
            faults.extend(stable::read(&pages, tables.conf.as_ref(), group)?.1);
        }
        let files =
            [StoreFile { path: pages.path().to_path_buf(), size_bytes: pages.size_bytes() }];
        Ok(RedbStore {
            pages,
            header,
            commit,
            groups,
            others,
            faults,
            evidence,
            files,
            _lock: lock,
        })
    }

    /// Why this is a Raft log in a redb file, and in which state it was left, one line each.
    pub fn evidence(&self) -> &[String] {
        &self.evidence
    }

    fn tables(&self, group: &GroupId) -> Result<&GroupTables, StoreError> {
        self.groups.get(group).ok_or_else(|| StoreError::NotFound {
            path: self.pages.path().to_path_buf(),
            reason: match group.name() {
                Some(name) => format!("no group {}", name.escape_debug()),
                None => "no unnamed group".to_owned(),
            },
            seen: self.groups.keys().map(group_words).collect(),
        })
    }
}

fn group_words(group: &GroupId) -> String {
    match group.name() {
        Some(name) => format!("group {}", name.escape_debug()),
        None => "the unnamed group".to_owned(),
    }
}

fn evidence(commit: &Slot, closing: String, assigned: &Assigned) -> Vec<String> {
    let mut lines = vec![format!("redb file format {}", commit.version), closing];
    let tables = assigned.groups.values().flat_map(|group| [&group.logs, &group.conf]);
    lines.extend(tables.flatten().take(4).map(Table::words));
    let more = assigned.groups.len();
    if more > 2 {
        lines.push(format!("{more} groups in all"));
    }
    lines
}

/// Whether the tables that claim to be a Raft log are one: a value decodes as the entry that its
/// key names, or a term of hashicorp/raft's is stored as it stores them. Empty tables are believed
/// by their types.
fn proven(pages: &Pages, assigned: &Assigned) -> Result<bool, StoreError> {
    if assigned.groups.is_empty() || !assigned.misfits.is_empty() {
        return Ok(false);
    }
    let mut rows_seen = false;
    for (group, tables) in &assigned.groups {
        let (stable, _) = stable::read(pages, tables.conf.as_ref(), group)?;
        if stable.values().any(|value| value.as_u64().is_some()) {
            return Ok(true);
        }
        rows_seen |= !stable.is_empty();
        if let Some(logs) = &tables.logs {
            match log_proof(pages, logs)? {
                Some(true) => return Ok(true),
                Some(false) => rows_seen = true,
                None => {}
            }
        }
    }
    Ok(!rows_seen)
}

/// Whether a row near the beginning decodes as the entry of its key; `None` without readable rows.
fn log_proof(pages: &Pages, logs: &Table) -> Result<Option<bool>, StoreError> {
    let mut tried = 0;
    let mut walk = Walk::new(pages, logs.shape(LOG_PAGE), logs.root());
    while let Some(visit) = walk.step() {
        let Visit::Leaf(leaf) = visit? else { continue };
        for row in 0..leaf.rows() {
            let key = crate::model::LogIndex(leaf.key_u64(row));
            if decode(&leaf.value(row), key).is_ok_and(|found| found.index_inside == key) {
                return Ok(Some(true));
            }
            tried += 1;
            if tried >= PROOF_ROWS {
                return Ok(Some(false));
            }
        }
    }
    Ok((tried > 0).then_some(false))
}

/// The finding that a newer commit exists and does not verify: what redb drops without a word.
fn fallback(
    pages: &Pages,
    (used, groups): (&Slot, &BTreeMap<GroupId, GroupTables>),
    newer: &Slot,
    damage: &Fault,
) -> Result<Fault, StoreError> {
    let newer_groups = assign(read_tables(pages, newer.user)?.0).groups;
    let (here, _) = readable(pages, groups)?;
    let (there, last) = readable(pages, &newer_groups)?;
    let last = match last {
        Some((group, index)) => format!(", the last at index {index} of {}", group_words(&group)),
        None => String::new(),
    };
    let kind = FaultKind::Rule {
        expected: format!("that transaction {}, the newest, verifies", newer.transaction),
        found: format!(
            "transaction {} does not verify ({}) and transaction {} was used, as redb would \
             without a word; the newer one still holds {there} readable entries{last}, \
             the one used holds {here}",
            newer.transaction, damage.kind, used.transaction,
        ),
    };
    let fault = Fault::new(Code::R123, kind);
    Ok(match &damage.place {
        Some(place) => fault.at(place.clone()),
        None => fault,
    })
}

type LastOf = Option<(GroupId, u64)>;

/// How many entries lie in pages that verify, and the highest index of the largest group index.
fn readable(
    pages: &Pages,
    groups: &BTreeMap<GroupId, GroupTables>,
) -> Result<(u64, LastOf), StoreError> {
    let (mut rows, mut last) = (0, None);
    for (group, tables) in groups {
        let Some(logs) = &tables.logs else { continue };
        let mut walk = Walk::new(pages, logs.shape(LOG_PAGE), logs.root());
        while let Some(visit) = walk.step() {
            let Visit::Leaf(leaf) = visit? else { continue };
            rows += leaf.rows() as u64;
            last = Some((group.clone(), leaf.key_u64(leaf.rows() - 1)));
        }
    }
    Ok((rows, last))
}

impl LogSource for RedbStore {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(self.groups.keys().cloned().collect())
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        let tables = self.tables(group)?;
        let (stable, _) = stable::read(&self.pages, tables.conf.as_ref(), group)?;
        Ok(LogState {
            hard: hard_state(&stable),
            stable,
            bounds: bounds(&self.pages, tables.logs.as_ref())?,
            schema: Some(PROFILE.schema.to_owned()),
            ..LogState::default()
        })
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        let logs = self.tables(group)?.logs.as_ref();
        Ok(Box::new(EntryWalk::new(&self.pages, logs, group, range)))
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        let logs = self.tables(group)?.logs.as_ref();
        Ok(Box::new(HeadWalk::new(&self.pages, logs, group, range)))
    }
}

impl RecordScan for RedbStore {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        scan::scan(&self.pages, &self.header, &self.commit, visit)
    }
}

impl Store for RedbStore {
    fn format(&self) -> Format {
        Format::Redb
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn opening_faults(&self) -> &[Fault] {
        &self.faults
    }

    fn check(
        &self,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let mut checked = Checked { faults: self.faults.clone(), ..Checked::default() };
        let Some(found) = survey(&self.pages, &self.commit, level, progress)? else {
            return Ok(checked);
        };
        checked.faults.extend(found.faults.into_iter().filter(|f| !self.faults.contains(f)));
        if found.unnamed_damage > 0 {
            let found = format!("{} more pages do not verify", found.unnamed_damage);
            let all = self.pages.place(0, self.pages.size_bytes());
            checked.faults.push(Fault::new(Code::R119, FaultKind::Note { found }).at(all));
        }
        checked.checked_bytes = found.used_bytes + HEADER_BYTES as u64;
        checked.counts = vec![
            ("pages", found.pages),
            ("tables", found.tables),
            ("multimap tables", found.multimaps),
            ("system tables", found.system_tables),
        ];
        if level == Level::Full {
            checked.counts.push(("rows", found.rows));
        }
        Ok(checked)
    }

    fn space(&self) -> Result<Space, StoreError> {
        let mut going = |_| ControlFlow::Continue(());
        let found = survey(&self.pages, &self.commit, Level::Quick, &mut going)?;
        let used = found.map_or(0, |found| found.allocated_bytes) + PAGE_BYTES;
        let file_bytes = self.pages.size_bytes();
        let free_bytes = Some(file_bytes.saturating_sub(used));
        Ok(Space { file_bytes, live_bytes: used.min(file_bytes), free_bytes })
    }

    fn other_contents(&self) -> Vec<(String, u64)> {
        self.others.iter().map(|table| (table.name.clone(), table.definition.rows)).collect()
    }
}
