//! Entries of one log table, in index order, each with its place and what is wrong with it.

use crate::bytes::u64_at;
use crate::model::{Code, Fault, FaultKind, GroupId, IndexRange, LogIndex, Place};
use crate::store::codec::{decode_in, entry_faults};
use crate::store::redb::page::Leaf;
use crate::store::redb::pages::Pages;
use crate::store::redb::tables::Table;
use crate::store::redb::tree::{Damaged, Visit, Walk};
use crate::store::{Located, LocatedHead, StoreError};

/// What pages of a log table are called in a finding.
pub const LOG_PAGE: &str = "a page of a log table";

/// Walks the entries of a log table inside a range of indexes.
pub struct EntryWalk<'p> {
    pages: &'p Pages,
    walk: Walk<'p>,
    group: GroupId,
    range: IndexRange,
    leaf: Option<(Leaf, usize)>,
    ended: bool,
}

impl<'p> EntryWalk<'p> {
    /// Begins with the first entry of `group` inside `range`; a missing table has none.
    pub fn new(
        pages: &'p Pages,
        logs: Option<&Table>,
        group: &GroupId,
        range: IndexRange,
    ) -> EntryWalk<'p> {
        let shape = logs.map_or(crate::store::redb::tables::TABLE_TREE, |t| t.shape(LOG_PAGE));
        let walk = Walk::new(pages, shape, logs.and_then(Table::root))
            .starting_at(&range.first().0.to_le_bytes());
        EntryWalk { pages, walk, group: group.clone(), range, leaf: None, ended: false }
    }

    /// The next entry, or the finding that stands for one or for a whole page of them.
    fn advance(&mut self) -> Option<Result<Located, StoreError>> {
        while !self.ended {
            if let Some((leaf, row)) = &mut self.leaf {
                if *row < leaf.rows() {
                    let at = *row;
                    *row += 1;
                    let key = LogIndex(leaf.key_u64(at));
                    if key > self.range.last() {
                        self.ended = true;
                    } else if key >= self.range.first() {
                        return Some(entry_at(self.pages, leaf, at, &self.group));
                    }
                    continue;
                }
                self.leaf = None;
            }
            match self.walk.step()? {
                Ok(Visit::Branch(_) | Visit::Unread(..)) => {}
                Ok(Visit::Leaf(leaf)) => self.leaf = Some((leaf, 0)),
                Ok(Visit::Damaged(damaged)) => {
                    let first = first_missing(&damaged);
                    if first.is_some_and(|first| first > self.range.last()) {
                        self.ended = true;
                        return None;
                    }
                    return Some(Err(missing_fault(damaged, &self.group).into()));
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// The lowest index that a damaged page could hold.
pub fn first_missing(damaged: &Damaged) -> Option<LogIndex> {
    LogIndex(u64_at(damaged.above.as_deref()?, 0)?).next()
}

/// The highest index that a damaged page could hold.
pub fn last_missing(damaged: &Damaged) -> Option<LogIndex> {
    u64_at(damaged.through.as_deref()?, 0).map(LogIndex)
}

fn missing_fault(damaged: Damaged, group: &GroupId) -> Fault {
    let first = first_missing(&damaged);
    let fault = damaged.fault.in_group(group);
    match first {
        Some(first) => fault.at_index(first),
        None => fault,
    }
}

/// Decodes the row `at` of a leaf, whose key is its index.
fn entry_at(pages: &Pages, leaf: &Leaf, at: usize, group: &GroupId) -> Result<Located, StoreError> {
    let key = LogIndex(leaf.key_u64(at));
    let value = leaf.value_range(at).unwrap_or_default();
    let start = leaf.offset_bytes.saturating_add(value.start as u64);
    let place = pages.place(start, value.len() as u64);
    match decode_in(leaf.buffer(), value, key) {
        Ok(decoded) => {
            let faults = entry_faults(&decoded, &place, group);
            Ok(Located { entry: decoded.entry, place: Some(place), faults })
        }
        Err(kind) => {
            Err(Fault::new(Code::R122, kind).at(place).in_group(group).at_index(key).into())
        }
    }
}

impl Iterator for EntryWalk<'_> {
    type Item = Result<Located, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance()
    }
}

/// As [`EntryWalk`], without contents. A walk over a whole table ends with a finding when the table
/// has recorded another number of rows.
pub struct HeadWalk<'p> {
    walk: EntryWalk<'p>,
    /// Rows that the table has recorded and where, as long as they can be compared.
    recorded: Option<(u64, Place)>,
    rows: u64,
}

impl<'p> HeadWalk<'p> {
    /// As [`EntryWalk::new`].
    pub fn new(
        pages: &'p Pages,
        logs: Option<&Table>,
        group: &GroupId,
        range: IndexRange,
    ) -> HeadWalk<'p> {
        let whole = logs.filter(|_| range == IndexRange::ALL);
        let recorded = whole
            .and_then(|logs| Some((logs.definition.rows, pages.page_place(logs.root()?.page))));
        HeadWalk { walk: EntryWalk::new(pages, logs, group, range), recorded, rows: 0 }
    }

    fn miscounted(&mut self) -> Option<Result<LocatedHead, StoreError>> {
        let (expected, place) = self.recorded.take()?;
        let found = self.rows;
        let kind = FaultKind::Count { what: "rows of a table", expected, found };
        let fault = Fault::new(Code::R119, kind).at(place).in_group(&self.walk.group);
        (found != expected).then(|| Err(fault.into()))
    }
}

impl Iterator for HeadWalk<'_> {
    type Item = Result<LocatedHead, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(next) = self.walk.advance() else { return self.miscounted() };
        self.rows += 1;
        match &next {
            Err(StoreError::Fault(fault)) if fault.code == Code::R122 => {}
            Err(_) => self.recorded = None,
            Ok(_) => {}
        }
        Some(next.map(|Located { entry, place, faults }| {
            let head = entry.head(place);
            LocatedHead { head, faults }
        }))
    }
}

/// First and last index whose pages can be read.
///
/// # Errors
/// Only when the file cannot be read.
pub fn bounds(pages: &Pages, logs: Option<&Table>) -> Result<Option<IndexRange>, StoreError> {
    let Some(table) = logs else { return Ok(None) };
    let Some(first) = first_readable(pages, table)? else { return Ok(None) };
    let last = last_readable(pages, table)?.unwrap_or(first);
    Ok(IndexRange::new(first, last))
}

fn first_readable(pages: &Pages, logs: &Table) -> Result<Option<LogIndex>, StoreError> {
    let mut walk = Walk::new(pages, logs.shape(LOG_PAGE), logs.root());
    while let Some(visit) = walk.step() {
        if let Visit::Leaf(leaf) = visit? {
            return Ok(Some(LogIndex(leaf.key_u64(0))));
        }
    }
    Ok(None)
}

/// Goes to the leaf of the largest key; where that is damaged, to the one before it.
fn last_readable(pages: &Pages, logs: &Table) -> Result<Option<LogIndex>, StoreError> {
    let mut from = u64::MAX.to_le_bytes().to_vec();
    loop {
        let mut walk = Walk::new(pages, logs.shape(LOG_PAGE), logs.root()).starting_at(&from);
        let damaged = loop {
            match walk.step().transpose()? {
                Some(Visit::Branch(_) | Visit::Unread(..)) => {}
                Some(Visit::Leaf(leaf)) => {
                    return Ok(u64_at(leaf.last_key(), 0).map(LogIndex));
                }
                Some(Visit::Damaged(damaged)) => break damaged,
                None => return Ok(None),
            }
        };
        match damaged.above {
            Some(above) => from = above,
            None => return Ok(None),
        }
    }
}
