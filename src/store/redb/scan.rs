//! Every record of a redb file: header, slots, and the pages of each tree in key order.

use std::ops::ControlFlow;

use crate::model::{GroupId, IndexRange};
use crate::store::redb::entries::{first_missing, last_missing};
use crate::store::redb::format::{Child, HEADER_BYTES, Header, Root, SLOT_BYTES, SLOTS_AT, Slot};
use crate::store::redb::layout::KeyForm;
use crate::store::redb::page::Shape;
use crate::store::redb::pages::Pages;
use crate::store::redb::schema::{Role, Roles};
use crate::store::redb::tables::{FREED_TREE, TABLE_TREE, Table, read_tables};
use crate::store::redb::tree::{Seen, Visit, Walk};
use crate::store::{Record, RecordChecksum, RecordStatus, StoreError};

type Visitor<'a> = dyn FnMut(Record) -> ControlFlow<()> + 'a;
type Going = Result<ControlFlow<()>, StoreError>;

/// Calls `visit` for each record until it breaks.
///
/// # Errors
/// Only when the file cannot be read.
pub fn scan(
    pages: &Pages,
    (header, roles): (&Header, &Roles),
    commit: &Slot,
    visit: &mut Visitor<'_>,
) -> Result<(), StoreError> {
    let mut scan = Scan { pages, roles, seen: Seen::default(), visit };
    scan.run(header, commit).map(|_| ())
}

struct Scan<'a, 'v> {
    pages: &'a Pages,
    roles: &'a Roles,
    seen: Seen,
    visit: &'a mut Visitor<'v>,
}

/// Whose pages are being shown.
struct Subject {
    words: String,
    /// The keys, where they name indexes of the group.
    logs: Option<KeyForm>,
    group: Option<GroupId>,
}

impl Subject {
    fn plain(words: &str) -> Subject {
        Subject { words: words.to_owned(), logs: None, group: None }
    }

    fn of(table: &Table, roles: &Roles) -> Subject {
        let logs = roles.key(&table.name);
        let group = |role: Role| role.group().cloned();
        match roles.of(&table.name) {
            Some(role @ (Role::Logs(_) | Role::LogsOfMany)) => {
                Subject { words: "logs".to_owned(), logs, group: group(role) }
            }
            Some(role @ (Role::Conf(_) | Role::ConfOfMany)) => {
                Subject { words: "conf".to_owned(), logs: None, group: group(role) }
            }
            None => Subject::plain(&format!("table {}", table.name.escape_debug())),
        }
    }
}

impl Scan<'_, '_> {
    fn run(&mut self, header: &Header, commit: &Slot) -> Going {
        if self.header(header, commit).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let user = (commit.user, "table tree");
        let system = (commit.system, "system table tree");
        for (own, (root, words)) in [(false, user), (true, system)] {
            if self.tables(root, words, own)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let freed = commit.freed.map(|root| root.child);
        self.tree(freed, FREED_TREE, &Subject::plain("freed pages"))
    }

    fn header(&mut self, header: &Header, commit: &Slot) -> ControlFlow<()> {
        let record = |kind: &str, at: usize, len: usize, checksum, status| Record {
            place: self.pages.place(at as u64, len as u64),
            kind: kind.to_owned(),
            group: None,
            range: None,
            entries: 0,
            checksum,
            status,
        };
        let [first_at, _] = SLOTS_AT;
        let none = RecordChecksum::None;
        let mut records = vec![record("header", 0, first_at, none, RecordStatus::Live)];
        for ((slot, at), kind) in header.slots.iter().zip(SLOTS_AT).zip(["slot 0", "slot 1"]) {
            let (checksum, status) = match (slot.fits(), slot == commit) {
                (true, true) => (RecordChecksum::Ok, RecordStatus::Live),
                (true, false) if slot.transaction < commit.transaction => {
                    (RecordChecksum::Ok, RecordStatus::Superseded)
                }
                (true, false) => (RecordChecksum::Ok, RecordStatus::Torn),
                (false, _) => (RecordChecksum::Bad, RecordStatus::Damaged),
            };
            records.push(record(kind, at, SLOT_BYTES, checksum, status));
        }
        debug_assert!(first_at < HEADER_BYTES);
        records.into_iter().try_for_each(&mut *self.visit)
    }

    fn tables(&mut self, root: Option<Root>, words: &str, own: bool) -> Going {
        let child = root.map(|root| root.child);
        if self.tree(child, TABLE_TREE, &Subject::plain(words))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let (tables, _) = read_tables(self.pages, root)?;
        for table in tables.iter().filter(|table| !table.definition.multimap) {
            let subject = match own {
                true => Subject::plain(&format!("system table {}", table.name.escape_debug())),
                false => Subject::of(table, self.roles),
            };
            if self.tree(table.root(), table.shape("page"), &subject)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn tree(&mut self, root: Option<Child>, shape: Shape, subject: &Subject) -> Going {
        let mut walk = Walk::new(self.pages, shape, root);
        while let Some(visit) = walk.step() {
            let visit = visit?;
            let twice = match &visit {
                Visit::Leaf(leaf) => !self.seen.mark(leaf.offset_bytes, leaf.page),
                Visit::Branch(branch) => {
                    let twice = !self.seen.mark(branch.offset_bytes, branch.page);
                    if twice {
                        walk.skip_below();
                    }
                    twice
                }
                Visit::Unread(..) | Visit::Damaged(_) => false,
            };
            let mut record = self.record(&visit, subject);
            if twice {
                record.status = RecordStatus::Damaged;
            }
            if (self.visit)(record).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn record(&self, visit: &Visit, subject: &Subject) -> Record {
        let mut record = Record {
            place: self.pages.place(0, 0),
            kind: format!("page {}", subject.words),
            group: subject.group.clone(),
            range: None,
            entries: 0,
            checksum: RecordChecksum::Ok,
            status: RecordStatus::Live,
        };
        match visit {
            Visit::Leaf(leaf) => {
                record.kind = format!("leaf {}", subject.words);
                record.place = self.pages.place(leaf.offset_bytes, leaf.used_bytes());
                record.entries = leaf.rows() as u64;
                if let Some(key) = subject.logs {
                    let index = |row| key.index(leaf.key(row));
                    record.range = index(0)
                        .zip(index(leaf.rows().saturating_sub(1)))
                        .and_then(|(first, last)| IndexRange::new(first, last));
                }
            }
            Visit::Branch(branch) => {
                record.kind = format!("branch {}", subject.words);
                record.place = self.pages.place(branch.offset_bytes, branch.used_bytes());
            }
            Visit::Unread(page, _) => record.place = self.pages.page_place(*page),
            Visit::Damaged(damaged) => {
                record.place = self.pages.page_place(damaged.page);
                record.checksum = RecordChecksum::Bad;
                record.status = RecordStatus::Damaged;
                if let Some(key) = subject.logs {
                    record.range = first_missing(damaged, key)
                        .zip(last_missing(damaged, key))
                        .and_then(|(first, last)| IndexRange::new(first, last));
                }
            }
        }
        record
    }
}
