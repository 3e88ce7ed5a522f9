//! An opened redb file as a source of entries.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::model::{Code, Fault, FaultKind, GroupId, IndexRange, LogState};
use crate::store::redb::commit::{Chosen, choose, first_damage, refuse_version};
use crate::store::redb::discover::discover;
use crate::store::redb::entries::{EntryWalk, HeadWalk, LOG_PAGE, bounds, indexes};
use crate::store::redb::format::{HEADER_BYTES, Header, PAGE_BYTES, Slot};
use crate::store::redb::layout::{Layout, Names};
use crate::store::redb::noted::Noted;
use crate::store::redb::pages::Pages;
use crate::store::redb::runs::{Known, Runs};
use crate::store::redb::schema::{Assigned, GroupTables, Roles};
use crate::store::redb::schemas::{self, Schema};
use crate::store::redb::survey::survey;
use crate::store::redb::tables::{Table, read_tables};
use crate::store::redb::tree::{Visit, Walk};
use crate::store::redb::{scan, stable};
use crate::store::{
    Checked, Entries, Format, HeadPiece, HeadRuns, Heads, Level, LogSource, Profile, Record,
    RecordScan, RedbFormat, RedbSchema, Space, Store, StoreError, StoreFile, io_error,
};
use crate::vfs::{Fs, Held, OpenMode};

/// A redb file, opened read-only; nobody else writes it meanwhile.
pub struct RedbStore {
    pages: Pages,
    header: Header,
    commit: Slot,
    assigned: Assigned,
    roles: Roles,
    /// Where everything lies, where its schema does not say it already.
    note: Noted,
    faults: Vec<Fault>,
    evidence: Vec<String>,
    files: [StoreFile; 1],
    /// The entries of logs that were verified whole.
    runs: OnceLock<Known>,
    /// Whether nobody will ask for them.
    heads_forgone: AtomicBool,
    /// Keeps writers out while this store is read.
    _lock: Option<Box<dyn Held>>,
}

impl RedbStore {
    /// Opens the file at `path`, which the caller has locked where that is possible. Which tables
    /// are the log is found by proof, unless it is `told`.
    ///
    /// # Errors
    /// `NotFound` for an empty file and one without a Raft log, `Ambiguous` for one with two,
    /// `Unsupported` for another file format, `Fault` (R119) for damage that leaves nothing to
    /// read.
    pub fn open(
        fs: &dyn Fs,
        path: &Path,
        told: &RedbSchema,
        lock: Option<Box<dyn Held>>,
    ) -> Result<RedbStore, StoreError> {
        let mut store = RedbStore::of_file(fs, path, |pages, tables| {
            Ok((discover(pages, tables, told)?, None))
        })?;
        store._lock = lock;
        Ok(store)
    }

    /// As [`RedbStore::open`] for a file of a directory, whose log gets the name that its file has
    /// among the `names` of all; laid out `like` another of them, where nothing in it proves what
    /// it is. The caller keeps the lock.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn open_as_group(
        fs: &dyn Fs,
        path: &Path,
        told: &RedbSchema,
        (group, names): (&GroupId, &Names),
        like: Option<&Like>,
    ) -> Result<RedbStore, StoreError> {
        RedbStore::of_file(fs, path, |pages, tables| {
            let mut assigned = match like {
                Some(like) => Assigned::new(like.schema, like.layout.clone(), tables),
                None => discover(pages, tables, told)?,
            };
            assigned.rename(group.clone());
            if like.is_some() {
                assigned.groups.entry(group.clone()).or_default();
            }
            Ok((assigned, Some(names.clone())))
        })
    }

    fn of_file(fs: &dyn Fs, path: &Path, find: impl Finding) -> Result<RedbStore, StoreError> {
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
        RedbStore::with(pages, header, chosen, find)
    }

    fn with(
        pages: Pages,
        header: Header,
        chosen: Chosen,
        find: impl Finding,
    ) -> Result<RedbStore, StoreError> {
        let Chosen { commit, mut faults, newer, closing } = chosen;
        let (tables, odd_tables) = read_tables(&pages, commit.user)?;
        let nothing_to_read = odd_tables.first().cloned();
        faults.extend(odd_tables);
        let (assigned, files) = match (find(&pages, &tables), nothing_to_read) {
            (Ok(found), _) => found,
            (Err(StoreError::NotFound { .. }), Some(fault)) => return Err(fault.into()),
            (Err(error @ StoreError::NotFound { .. }), None) => {
                // What would prove a log may be what is damaged.
                let damage = first_damage(&pages, &commit)?;
                return Err(damage.map_or(error, StoreError::Fault));
            }
            (Err(error), _) => return Err(error),
        };
        let evidence = evidence(&commit, closing, &assigned);
        if let Some((newer, damage)) = newer {
            faults.push(fallback(&pages, (&commit, &assigned), &newer, &damage)?);
        }
        for (group, tables) in &assigned.groups {
            faults.extend(stable::read(&pages, &tables.confs, group, assigned.schema.codec)?.1);
        }
        let format = RedbFormat::of_number(commit.version).unwrap_or_default();
        let note = Noted::new(assigned.schema, &assigned.layout, format).in_files(files);
        let roles = assigned.roles();
        let files =
            [StoreFile { path: pages.path().to_path_buf(), size_bytes: pages.size_bytes() }];
        Ok(RedbStore {
            pages,
            header,
            commit,
            assigned,
            roles,
            note,
            faults,
            evidence,
            files,
            runs: OnceLock::new(),
            heads_forgone: AtomicBool::new(false),
            _lock: None,
        })
    }

    /// Why this is a Raft log in a redb file, and in which state it was left, one line each.
    pub fn evidence(&self) -> &[String] {
        &self.evidence
    }

    /// Whether a row of the log is there, or a record beside it.
    pub fn holds_something(&self) -> bool {
        self.assigned.tables().any(|table| table.definition.rows > 0)
    }

    /// Whether a row of another program is there: without a log it is that program's file.
    pub fn holds_others(&self) -> bool {
        self.other_contents().iter().any(|(_, rows)| *rows > 0)
    }

    /// How this file is laid out.
    pub fn like(&self) -> Like {
        let Assigned { schema, layout, .. } = &self.assigned;
        let format = RedbFormat::of_number(self.commit.version).unwrap_or_default();
        Like { schema, layout: layout.clone(), format }
    }

    fn tables(&self, group: &GroupId) -> Result<&GroupTables, StoreError> {
        self.assigned.groups.get(group).ok_or_else(|| StoreError::NotFound {
            path: self.pages.path().to_path_buf(),
            reason: match group.name() {
                Some(name) => format!("no group {}", name.escape_debug()),
                None => "no unnamed group".to_owned(),
            },
            seen: self.assigned.groups.keys().map(group_words).collect(),
        })
    }
}

/// Whether the redb file at `path` holds a Raft log, or is damaged so that nobody can say.
///
/// # Errors
/// When the file cannot be read.
pub fn holds_log(fs: &dyn Fs, path: &Path, told: &RedbSchema) -> Result<bool, StoreError> {
    match RedbStore::open(fs, path, told, None) {
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error @ StoreError::Io(_)) => Err(error),
        Ok(_) | Err(_) => Ok(true),
    }
}

/// Whether the redb file at `path` holds what a node keeps in a file for each group; `None` where
/// nobody can say.
///
/// # Errors
/// When the file cannot be read.
pub fn is_file_a_group(
    fs: &dyn Fs,
    path: &Path,
    told: &RedbSchema,
) -> Result<Option<bool>, StoreError> {
    match RedbStore::open(fs, path, told, None) {
        Ok(store) if store.holds_something() => Ok(Some(store.assigned.schema.file_a_group)),
        Err(error @ StoreError::Io(_)) => Err(error),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// The tables of a redb file without a Raft log, and their rows; none where it has one, is damaged,
/// or is another file.
///
/// # Errors
/// When the file cannot be read.
pub fn tables_without_log(
    fs: &dyn Fs,
    path: &Path,
    told: &RedbSchema,
) -> Result<Vec<(String, u64)>, StoreError> {
    let mut all = Vec::new();
    let found = RedbStore::of_file(fs, path, |pages, tables| {
        all.extend(tables.iter().map(|table| (table.name.clone(), table.definition.rows)));
        Ok((discover(pages, tables, told)?, None))
    });
    match found {
        Err(StoreError::NotFound { .. }) => Ok(all),
        Err(error @ StoreError::Io(_)) => Err(error),
        Ok(_) | Err(_) => Ok(Vec::new()),
    }
}

/// How a redb file is laid out.
#[derive(Clone)]
pub struct Like {
    /// Its schema.
    pub schema: &'static Schema,
    /// Its tables.
    pub layout: Layout,
    /// Its file format.
    pub format: RedbFormat,
}

/// Finds the log among the tables of a file, and says which names the files have, where it is one
/// of several.
trait Finding: FnOnce(&Pages, &[Table]) -> Result<(Assigned, Option<Names>), StoreError> {}

impl<F: FnOnce(&Pages, &[Table]) -> Result<(Assigned, Option<Names>), StoreError>> Finding for F {}

/// A group in a sentence.
pub fn group_words(group: &GroupId) -> String {
    match group.name() {
        Some(name) => format!("group {}", name.escape_debug()),
        None => "the unnamed group".to_owned(),
    }
}

fn evidence(commit: &Slot, closing: String, assigned: &Assigned) -> Vec<String> {
    let mut lines = vec![format!("redb file format {}", commit.version), closing];
    let default = std::ptr::eq(assigned.schema, schemas::default());
    if !default {
        let Assigned { schema, .. } = assigned;
        lines.push(match schema.known {
            true => format!("schema {}: {}", schema.name(), schema.project),
            false => format!("entries decode as {} with the index of their key", schema.name()),
        });
    }
    lines.extend(assigned.tables().take(4).map(Table::words));
    let more = assigned.groups.len();
    if more > 2 {
        lines.push(format!("{more} groups in all"));
    }
    lines
}

/// The finding that a newer commit exists and does not verify: what redb drops without a word.
fn fallback(
    pages: &Pages,
    (used, assigned): (&Slot, &Assigned),
    newer: &Slot,
    damage: &Fault,
) -> Result<Fault, StoreError> {
    let tables = read_tables(pages, newer.user)?.0;
    let newer_tables = Assigned::new(assigned.schema, assigned.layout.clone(), &tables);
    let (here, _) = readable(pages, &assigned.groups)?;
    let (there, last) = readable(pages, &newer_tables.groups)?;
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
        let table = &logs.table;
        let mut walk = Walk::new(pages, table.shape(LOG_PAGE), table.root());
        while let Some(visit) = walk.step() {
            let Visit::Leaf(leaf) = visit? else { continue };
            let own = indexes(logs, &leaf);
            for index in own {
                rows += 1;
                last = Some((group.clone(), index.0));
            }
        }
    }
    Ok((rows, last))
}

impl LogSource for RedbStore {
    fn profile(&self) -> &'static Profile {
        &self.assigned.schema.profile
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(self.assigned.groups.keys().cloned().collect())
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        let tables = self.tables(group)?;
        let schema = self.assigned.schema;
        let (stable, _) = stable::read(&self.pages, &tables.confs, group, schema.codec)?;
        let mut state = LogState {
            stable,
            bounds: bounds(&self.pages, tables.logs.as_ref())?,
            schema: Some(schema.name().to_owned()),
            note: self.note.clone().of_group(tables, &self.assigned.layout).write(),
            ..LogState::default()
        };
        stable::interpret(&mut state, schema.codec, &self.assigned.layout.confs);
        Ok(state)
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        let logs = self.tables(group)?.logs.as_ref();
        Ok(Box::new(EntryWalk::new(&self.pages, logs, group, range)))
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        let logs = self.tables(group)?.logs.as_ref();
        Ok(Box::new(HeadWalk::new(&self.pages, logs, group, range)))
    }

    fn head_runs(&self, group: &GroupId, range: IndexRange) -> Result<HeadRuns<'_>, StoreError> {
        let known = self.runs.get().and_then(|known| known.get(group));
        if let Some(runs) = known.filter(|_| range == IndexRange::ALL) {
            return Ok(Box::new(runs.iter().map(|run| Ok(HeadPiece::Run(*run)))));
        }
        Ok(Box::new(self.heads(group, range)?.map(|head| head.map(HeadPiece::One))))
    }
}

impl RecordScan for RedbStore {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        scan::scan(&self.pages, (&self.header, &self.roles), &self.commit, visit)
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

    fn forgo_heads(&self) {
        self.heads_forgone.store(true, Ordering::Relaxed);
    }

    fn check(
        &self,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let mut checked = Checked { faults: self.faults.clone(), ..Checked::default() };
        let keeps = level == Level::Full && !self.heads_forgone.load(Ordering::Relaxed);
        let mut runs = keeps.then(|| Runs::new(&self.assigned));
        let commit = (&self.commit, &self.roles);
        let Some(found) = survey(&self.pages, commit, (level, runs.as_mut()), progress)? else {
            return Ok(checked);
        };
        // What was known before is as good: the file does not change.
        let _known_before = runs.map(|runs| self.runs.set(runs.into_known()));
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
        let found =
            survey(&self.pages, (&self.commit, &self.roles), (Level::Quick, None), &mut going)?;
        let used = found.map_or(0, |found| found.allocated_bytes) + PAGE_BYTES;
        let file_bytes = self.pages.size_bytes();
        let free_bytes = Some(file_bytes.saturating_sub(used));
        Ok(Space { file_bytes, live_bytes: used.min(file_bytes), free_bytes })
    }

    fn other_contents(&self) -> Vec<(String, u64)> {
        self.assigned.other_contents()
    }
}
