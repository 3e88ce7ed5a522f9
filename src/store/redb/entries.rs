//! Entries of one log table, in index order, each with its place and what is wrong with it.

use std::cmp::Ordering;

use crate::model::{Code, EntryHead, Fault, FaultKind, GroupId, IndexRange, LogIndex, Place};
use crate::store::codec::{DecodedHead, entry_faults};
use crate::store::redb::layout::KeyForm;
use crate::store::redb::page::Leaf;
use crate::store::redb::pages::Pages;
use crate::store::redb::schema::Logs;
use crate::store::redb::tree::{Damaged, Visit, Walk};
use crate::store::{Located, LocatedHead, StoreError};

/// What pages of a log table are called in a finding.
pub const LOG_PAGE: &str = "a page of a log table";

/// Walks the entries of a log table inside a range of indexes.
pub struct EntryWalk<'p> {
    pages: &'p Pages,
    /// The log, which has a walk where it has a page.
    log: Option<(Logs, Walk<'p>)>,
    group: GroupId,
    range: IndexRange,
    leaf: Option<(Leaf, usize)>,
    ended: bool,
}

impl<'p> EntryWalk<'p> {
    /// Begins with the first entry of `group` inside `range`; a missing table has none.
    pub fn new(
        pages: &'p Pages,
        logs: Option<&Logs>,
        group: &GroupId,
        range: IndexRange,
    ) -> EntryWalk<'p> {
        let log = logs.map(|logs| {
            let from = logs.key.key(logs.within, range.first());
            (logs.clone(), walk_of(pages, logs).starting_at(&from))
        });
        EntryWalk { pages, log, group: group.clone(), range, leaf: None, ended: false }
    }

    /// What `read` makes of the next row, or the finding that stands for one or for a whole page of
    /// them.
    fn advance<T>(
        &mut self,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let (logs, walk) = self.log.as_mut()?;
        while !self.ended {
            if let Some((leaf, row)) = &mut self.leaf {
                if *row < leaf.rows() {
                    let at = *row;
                    *row += 1;
                    match position(logs, leaf.key(at), self.range) {
                        Position::Before => {}
                        Position::Behind => self.ended = true,
                        Position::Within(index) => {
                            let (pages, group) = (self.pages, &self.group);
                            return Some(read(&Row { pages, leaf, at, index, logs, group }));
                        }
                        Position::Nowhere => {
                            return Some(Err(no_index(self.pages, (leaf, at), &self.group)));
                        }
                    }
                    continue;
                }
                self.leaf = None;
            }
            match walk.step()? {
                Ok(Visit::Branch(_) | Visit::Unread(..)) => {}
                Ok(Visit::Leaf(leaf)) => self.leaf = Some((leaf, 0)),
                Ok(Visit::Damaged(damaged)) => {
                    let missing = missing_of(logs, &damaged);
                    let first = missing.and_then(|missing| missing.first);
                    if behind(logs, &damaged) || first.is_some_and(|f| f > self.range.last()) {
                        self.ended = true;
                        return None;
                    }
                    if missing.is_none() {
                        continue;
                    }
                    return Some(Err(missing_fault(damaged, first, &self.group).into()));
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

fn walk_of<'p>(pages: &'p Pages, logs: &Logs) -> Walk<'p> {
    Walk::new(pages, logs.table.shape(LOG_PAGE), logs.table.root())
}

/// Where a row lies as seen from a range of a group's log.
enum Position {
    Before,
    Within(LogIndex),
    Behind,
    /// Its key names no index.
    Nowhere,
}

fn position(logs: &Logs, key: &[u8], range: IndexRange) -> Position {
    let Some(index) = logs.key.index(key) else { return Position::Nowhere };
    let group = logs.key.group(key);
    if group < logs.within || group == logs.within && index < range.first() {
        Position::Before
    } else if group > logs.within || index > range.last() {
        Position::Behind
    } else {
        Position::Within(index)
    }
}

/// Whether a damaged page can only hold rows of later groups.
fn behind(logs: &Logs, damaged: &Damaged) -> bool {
    let above = damaged.above.as_deref().and_then(|above| logs.key.group(above));
    above.is_some_and(|group| Some(group) > logs.within)
}

/// Indexes of one log that a damaged page could hold, as far as the keys around it say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The lowest; `None` where nothing bounds them.
    pub first: Option<LogIndex>,
    /// The highest.
    pub last: Option<LogIndex>,
}

/// What a damaged page could hold of a log; `None` where it can only hold rows of other groups.
pub fn missing_of(logs: &Logs, damaged: &Damaged) -> Option<Missing> {
    let side = |key: Option<&[u8]>| key.map(|key| logs.key.group(key).cmp(&logs.within));
    let (above, through) = (damaged.above.as_deref(), damaged.through.as_deref());
    let first = match side(above) {
        Some(Ordering::Greater) => return None,
        Some(Ordering::Equal) => first_missing(damaged, logs.key),
        Some(Ordering::Less) | None => None,
    };
    let last = match side(through) {
        Some(Ordering::Less) => return None,
        Some(Ordering::Equal) => last_missing(damaged, logs.key),
        Some(Ordering::Greater) | None => None,
    };
    Some(Missing { first, last })
}

/// The lowest index that a damaged page could hold.
pub fn first_missing(damaged: &Damaged, key: KeyForm) -> Option<LogIndex> {
    key.above(damaged.above.as_deref()?)
}

/// The highest index that a damaged page could hold.
pub fn last_missing(damaged: &Damaged, key: KeyForm) -> Option<LogIndex> {
    key.through(damaged.through.as_deref()?)
}

fn missing_fault(damaged: Damaged, first: Option<LogIndex>, group: &GroupId) -> Fault {
    let fault = damaged.fault.in_group(group);
    match first {
        Some(first) => fault.at_index(first),
        None => fault,
    }
}

fn place_of(pages: &Pages, leaf: &Leaf, value: &std::ops::Range<usize>) -> Place {
    let start = leaf.offset_bytes.saturating_add(value.start as u64);
    pages.place(start, value.len() as u64)
}

/// A row of a leaf, whose key is its index.
struct Row<'r> {
    pages: &'r Pages,
    leaf: &'r Leaf,
    at: usize,
    index: LogIndex,
    logs: &'r Logs,
    group: &'r GroupId,
}

impl Row<'_> {
    fn entry(&self) -> Result<Located, StoreError> {
        let value = self.value()?;
        let place = place_of(self.pages, self.leaf, &value);
        let decoded = self.logs.codec.decode_in(self.leaf.buffer(), value, self.index);
        let decoded = decoded.map_err(|kind| self.fault(kind, place.clone()))?;
        let faults = self.faults(&decoded.head(), &place);
        Ok(Located { entry: decoded.entry, place: Some(place), faults })
    }

    /// As [`Row::entry`], without contents.
    fn head(&self) -> Result<LocatedHead, StoreError> {
        let value = self.value()?;
        let place = place_of(self.pages, self.leaf, &value);
        let decoded = self.logs.codec.head_in(self.leaf.buffer(), value, self.index);
        let decoded = decoded.map_err(|kind| self.fault(kind, place.clone()))?;
        let faults = self.faults(&decoded, &place);
        let head = EntryHead { place: Some(place), ..decoded.head };
        Ok(LocatedHead { head, faults })
    }

    /// Where the value lies in the leaf's buffer.
    fn value(&self) -> Result<std::ops::Range<usize>, StoreError> {
        self.logs.value_range(self.leaf, self.at).ok_or_else(|| {
            let stored = self.leaf.value_range(self.at).unwrap_or_default();
            let kind = FaultKind::Field {
                what: "value of an entry",
                expected: "its length before its bytes".to_owned(),
                found: format!("{} bytes of another length", stored.len()),
            };
            self.fault(kind, place_of(self.pages, self.leaf, &stored))
        })
    }

    fn fault(&self, kind: FaultKind, place: Place) -> StoreError {
        let fault = Fault::new(Code::R122, kind).at(place).in_group(self.group);
        fault.at_index(self.index).into()
    }

    fn faults(&self, decoded: &DecodedHead, place: &Place) -> Vec<Fault> {
        entry_faults(decoded, self.logs.index_usual_min, place, self.group)
    }
}

/// That the key of a row is no index.
fn no_index(pages: &Pages, (leaf, at): (&Leaf, usize), group: &GroupId) -> StoreError {
    let value = leaf.value_range(at).unwrap_or_default();
    let kind = FaultKind::Field {
        what: "key of an entry",
        expected: "an index of 8 bytes".to_owned(),
        found: format!("{} bytes", leaf.key(at).len()),
    };
    Fault::new(Code::R122, kind).at(place_of(pages, leaf, &value)).in_group(group).into()
}

impl Iterator for EntryWalk<'_> {
    type Item = Result<Located, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance(|row| row.entry())
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
        logs: Option<&Logs>,
        group: &GroupId,
        range: IndexRange,
    ) -> HeadWalk<'p> {
        let whole = logs.filter(|logs| range == IndexRange::ALL && logs.within.is_none());
        let recorded = whole.and_then(|logs| {
            let root = logs.table.root()?;
            Some((logs.table.definition.rows, pages.page_place(root.page)))
        });
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
        let Some(next) = self.walk.advance(|row| row.head()) else { return self.miscounted() };
        self.rows += 1;
        match &next {
            Err(StoreError::Fault(fault)) if fault.code == Code::R122 => {}
            Err(_) => self.recorded = None,
            Ok(_) => {}
        }
        Some(next)
    }
}

/// First and last index whose pages can be read.
///
/// # Errors
/// Only when the file cannot be read.
pub fn bounds(pages: &Pages, logs: Option<&Logs>) -> Result<Option<IndexRange>, StoreError> {
    let Some(logs) = logs else { return Ok(None) };
    let Some(first) = first_readable(pages, logs)? else { return Ok(None) };
    let last = last_readable(pages, logs)?.unwrap_or(first);
    Ok(IndexRange::new(first, last))
}

/// Indexes of a leaf that belong to a log.
pub fn indexes<'l>(
    logs: &'l Logs,
    leaf: &'l Leaf,
) -> impl DoubleEndedIterator<Item = LogIndex> + 'l {
    let own = move |row: &usize| logs.key.group(leaf.key(*row)) == logs.within;
    (0..leaf.rows()).filter(own).filter_map(move |row| logs.key.index(leaf.key(row)))
}

fn first_readable(pages: &Pages, logs: &Logs) -> Result<Option<LogIndex>, StoreError> {
    let from = logs.key.key(logs.within, LogIndex(0));
    let mut walk = walk_of(pages, logs).starting_at(&from);
    while let Some(visit) = walk.step() {
        if let Visit::Leaf(leaf) = visit? {
            let first = indexes(logs, &leaf).next();
            let last = leaf.rows().checked_sub(1).and_then(|row| logs.key.group(leaf.key(row)));
            if first.is_some() || last > logs.within {
                return Ok(first);
            }
        }
    }
    Ok(None)
}

/// Goes to the leaf of the largest key; where that is damaged, to the one before it.
fn last_readable(pages: &Pages, logs: &Logs) -> Result<Option<LogIndex>, StoreError> {
    let mut from = logs.key.key(logs.within, LogIndex(u64::MAX));
    loop {
        let mut walk = walk_of(pages, logs).starting_at(&from);
        // The first page that may hold the key, or else what lies before it.
        let above = loop {
            match walk.step().transpose()? {
                Some(Visit::Branch(_) | Visit::Unread(..)) => {}
                Some(Visit::Leaf(leaf)) => {
                    if let Some(last) = indexes(logs, &leaf).next_back() {
                        return Ok(Some(last));
                    }
                    break walk.above();
                }
                Some(Visit::Damaged(damaged)) => break damaged.above,
                None => return Ok(None),
            }
        };
        match above {
            Some(above) if above < from || logs.key != KeyForm::Bytes => from = above,
            _ => return Ok(None),
        }
    }
}
