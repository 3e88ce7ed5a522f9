//! Verifying everything that a commit reaches, page by page, each once.

use std::ops::ControlFlow;

use crate::model::{Code, Fault, FaultKind, Severity};
use crate::store::redb::format::{Child, PageNumber, Root, Slot};
use crate::store::redb::page::Shape;
use crate::store::redb::pages::Pages;
use crate::store::redb::runs::Runs;
use crate::store::redb::schema::Roles;
use crate::store::redb::tables::{FREED_TREE, TABLE_TREE, Table, tables_in};
use crate::store::redb::tree::{Seen, Visit, Walk, reached_twice};
use crate::store::{Level, StoreError};

/// What verifying a commit showed.
#[derive(Default)]
pub struct Survey {
    /// What is wrong, in the order met.
    pub faults: Vec<Fault>,
    /// Whether a page does not verify, which is what redb itself would see.
    pub damaged: bool,
    /// Damaged pages beyond those among the faults.
    pub unnamed_damage: u64,
    /// Pages that verify.
    pub pages: u64,
    /// Bytes of these pages that are in use.
    pub used_bytes: u64,
    /// Bytes of these pages as allocated.
    pub allocated_bytes: u64,
    /// Tables of the user.
    pub tables: u64,
    /// Multimap tables among them, whose contents are not verified.
    pub multimaps: u64,
    /// redb's own tables.
    pub system_tables: u64,
    /// Rows in the user's tables that are not multimaps; of leaves that were read.
    pub rows: u64,
    /// Leaves that were not read.
    pub unread: u64,
}

/// Verifies what `commit` reaches: table tree, tables, redb's own tables, the freed tree.
/// `roles` says what the tables are for; `runs` gets the leaves that verify, where there are to be
/// any. With [`Level::Quick`] most leaves are not read. `progress`
/// gets the bytes verified so far; `None` when it broke the walk off.
///
/// # Errors
/// Only when the file cannot be read.
pub fn survey(
    pages: &Pages,
    (commit, roles): (&Slot, &Roles),
    (level, runs): (Level, Option<&mut Runs<'_>>),
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Option<Survey>, StoreError> {
    survey_naming(FAULTS_MAX, pages, (commit, roles), (level, runs), progress)
}

/// As [`survey`], with so many damaged pages at most that are named one by one.
///
/// # Errors
/// As [`survey`].
pub fn survey_naming(
    faults_max: usize,
    pages: &Pages,
    (commit, roles): (&Slot, &Roles),
    (level, runs): (Level, Option<&mut Runs<'_>>),
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Option<Survey>, StoreError> {
    let (seen, found) = (Seen::default(), Survey::default());
    let mut surveyor = Surveyor { pages, roles, level, runs, faults_max, seen, found, progress };
    let done = surveyor.run(commit)?;
    Ok(done.is_continue().then_some(surveyor.found))
}

struct Surveyor<'a, 'r> {
    pages: &'a Pages,
    roles: &'a Roles,
    level: Level,
    runs: Option<&'a mut Runs<'r>>,
    faults_max: usize,
    seen: Seen,
    found: Survey,
    progress: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
}

/// Damaged pages that are named one by one.
const FAULTS_MAX: usize = 1 << 16;

type Going = Result<ControlFlow<()>, StoreError>;

impl Surveyor<'_, '_> {
    fn run(&mut self, commit: &Slot) -> Going {
        for (root, own) in [(commit.user, false), (commit.system, true)] {
            let mut tables = Vec::new();
            if self.table_tree(root, &mut tables)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            for table in tables {
                if self.table(&table, own)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        let freed = commit.freed.map(|root| root.child);
        Ok(match self.tree(freed, FREED_TREE)? {
            ControlFlow::Continue(_) => ControlFlow::Continue(()),
            ControlFlow::Break(()) => ControlFlow::Break(()),
        })
    }

    fn table_tree(&mut self, root: Option<Root>, tables: &mut Vec<Table>) -> Going {
        let faults_before = self.found.faults.len();
        let pages = self.pages;
        let mut walk = Walk::new(pages, TABLE_TREE, root.map(|root| root.child));
        while let Some(visit) = walk.step() {
            let visit = visit?;
            if let Visit::Leaf(leaf) = &visit {
                let (more, faults) = tables_in(leaf, pages);
                tables.extend(more);
                self.found.faults.extend(faults);
            }
            if self.note(&mut walk, &visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let expected = root.map_or(0, |root| root.length);
        let whole = self.found.faults.len() == faults_before;
        if whole && expected != tables.len() as u64 {
            let found = tables.len() as u64;
            let kind = FaultKind::Count { what: "tables", expected, found };
            self.found.faults.push(Fault::new(Code::R119, kind));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn table(&mut self, table: &Table, own: bool) -> Going {
        if own {
            self.found.system_tables += 1;
        } else {
            self.found.tables += 1;
        }
        if table.definition.multimap {
            self.found.multimaps += 1;
            let found = format!("{} is not verified inside", table.words());
            let note = Fault::new(Code::R119, FaultKind::Note { found });
            self.found.faults.push(note.as_severity(Severity::Info));
            return Ok(ControlFlow::Continue(()));
        }
        let role = if own { None } else { self.roles.of(&table.name) };
        let what = match &role {
            _ if own => "a page of redb's own tables",
            Some(role) => role.page_words(),
            None => "a page of another table",
        };
        let faults_before = self.found.faults.len();
        let (unread_before, unnamed_before) = (self.found.unread, self.found.unnamed_damage);
        if let Some(runs) = self.runs.as_mut().filter(|_| !own) {
            runs.begin(&table.name);
        }
        let rows = match self.tree(table.root(), table.shape(what))? {
            ControlFlow::Continue(rows) => rows,
            ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
        };
        if !own {
            self.found.rows += rows;
        }
        let expected = table.definition.rows;
        let mut faults = self.found.faults.split_off(faults_before);
        let all_read = self.found.unread == unread_before;
        let all_read = all_read && self.found.unnamed_damage == unnamed_before;
        if faults.is_empty() && all_read && rows != expected {
            let kind = FaultKind::Count { what: "rows of a table", expected, found: rows };
            let root = table.root().map(|root| self.pages.page_place(root.page));
            let fault = Fault { place: root, ..Fault::new(Code::R119, kind) };
            faults.push(fault);
        }
        if let Some(runs) = &mut self.runs {
            match faults.is_empty() && all_read {
                true => runs.end(),
                false => runs.forget(),
            }
        }
        if let Some(group) = role.as_ref().and_then(|role| role.group()) {
            faults = faults.into_iter().map(|fault| fault.in_group(group)).collect();
        }
        self.found.faults.extend(faults);
        Ok(ControlFlow::Continue(()))
    }

    /// Verifies a tree and returns its rows.
    fn tree(
        &mut self,
        root: Option<Child>,
        shape: Shape,
    ) -> Result<ControlFlow<(), u64>, StoreError> {
        let mut rows = 0;
        let quick = self.level == Level::Quick;
        let mut walk = Walk::new(self.pages, shape, root).leaves_unread(quick);
        while let Some(visit) = walk.step() {
            let visit = visit?;
            if let Visit::Leaf(leaf) = &visit {
                rows += leaf.rows() as u64;
                if let Some(runs) = &mut self.runs {
                    runs.leaf(leaf);
                }
            }
            if self.note(&mut walk, &visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(rows))
    }

    fn note(&mut self, walk: &mut Walk<'_>, visit: &Visit) -> ControlFlow<()> {
        let (page, offset, used) = match visit {
            Visit::Leaf(leaf) => (leaf.page, leaf.offset_bytes, leaf.used_bytes()),
            Visit::Branch(branch) => (branch.page, branch.offset_bytes, branch.used_bytes()),
            Visit::Unread(page, offset) => {
                self.found.unread += 1;
                (*page, *offset, 0)
            }
            Visit::Damaged(damaged) => {
                self.damaged();
                if self.found.faults.len() < self.faults_max {
                    self.found.faults.push((*damaged.fault).clone());
                } else {
                    self.found.unnamed_damage += 1;
                }
                return ControlFlow::Continue(());
            }
        };
        if !self.seen.mark(offset, page) {
            self.damaged();
            self.found.faults.push(reached_twice(self.pages, page));
            if let Visit::Branch(_) = visit {
                walk.skip_below();
            }
            return ControlFlow::Continue(());
        }
        self.count(page, used);
        // Once per page is often enough for a bar, and cheap beside reading the page.
        (self.progress)(self.found.used_bytes)
    }

    /// Takes note of damage, be it counted or not: what was met of a damaged log is not all of it.
    fn damaged(&mut self) {
        self.found.damaged = true;
        if let Some(runs) = &mut self.runs {
            runs.forget();
        }
    }

    fn count(&mut self, page: PageNumber, used: u64) {
        self.found.pages += 1;
        self.found.used_bytes += used;
        self.found.allocated_bytes += page.size_bytes();
    }
}
