//! Entries of the `logs` bucket, in index order, each with its place and what is wrong with it.

use crate::model::{Code, Fault, FaultKind, GroupId, IndexRange, LogIndex};
use crate::store::bolt::{Damaged, Element, Leaf, Pages, Root, Visit, Walk};
use crate::store::codec::{INDEX_USUAL_MIN, decode_in, entry_faults};
use crate::store::{Located, StoreError};

/// The only group.
const GROUP: GroupId = GroupId::Unnamed;
/// Lowest index that raft-boltdb's users write.
const USUAL_MIN: LogIndex = LogIndex(INDEX_USUAL_MIN);

/// The index that a key is.
pub fn index_of(key: &[u8]) -> Option<LogIndex> {
    key.try_into().ok().map(u64::from_be_bytes).map(LogIndex)
}

/// Walks the entries inside a range of indexes.
pub struct EntryWalk<'p> {
    pages: &'p Pages,
    walk: Walk<'p>,
    range: IndexRange,
    leaf: Option<(Leaf, usize)>,
    ended: bool,
}

impl<'p> EntryWalk<'p> {
    /// Begins with the first entry of the bucket at `logs` inside `range`.
    pub fn new(pages: &'p Pages, logs: &Root, range: IndexRange) -> EntryWalk<'p> {
        let walk = Walk::new(pages, logs.clone()).starting_at(&range.first().0.to_be_bytes());
        EntryWalk { pages, walk, range, leaf: None, ended: false }
    }

    /// The next entry, or the finding that stands for one or for a whole page of them.
    fn advance(&mut self) -> Option<Result<Located, StoreError>> {
        while !self.ended {
            if let Some((leaf, at)) = &mut self.leaf {
                let Some(element) = leaf.element(*at) else {
                    self.leaf = None;
                    continue;
                };
                *at += 1;
                match index_of(leaf.slice(&element.key)) {
                    Some(index) if index > self.range.last() => self.ended = true,
                    Some(index) if index < self.range.first() => {}
                    index => return Some(entry_at(self.pages, leaf, &element, index)),
                }
                continue;
            }
            match self.walk.step()? {
                Ok(Visit::Branch(_)) => {}
                Ok(Visit::Leaf(leaf)) => self.leaf = Some((leaf, 0)),
                Ok(Visit::Damaged(damaged)) => {
                    let first = damaged.from.as_deref().and_then(index_of);
                    if first.is_some_and(|first| first > self.range.last()) {
                        self.ended = true;
                        return None;
                    }
                    return Some(Err(missing(damaged, first).into()));
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

fn missing(damaged: Damaged, first: Option<LogIndex>) -> Fault {
    let fault = damaged.fault.in_group(&GROUP);
    match first {
        Some(first) => fault.at_index(first),
        None => fault,
    }
}

/// Decodes an element of a leaf, whose key is its index.
pub(super) fn entry_at(
    pages: &Pages,
    leaf: &Leaf,
    element: &Element,
    index: Option<LogIndex>,
) -> Result<Located, StoreError> {
    let offset = leaf.offset_bytes.saturating_add(element.value.start as u64);
    let place = pages.place(offset, element.value.len() as u64);
    let odd = |what, expected: &str, found: String| {
        let kind = FaultKind::Field { what, expected: expected.to_owned(), found };
        Err(Fault::new(Code::R120, kind).at(place.clone()).in_group(&GROUP).into())
    };
    let Some(index) = index else {
        let found = format!("{} bytes", element.key.len());
        return odd("key of an entry", "8 bytes, the index", found);
    };
    if element.is_bucket {
        return odd("element of the logs bucket", "an entry", format!("a bucket at {index}"));
    }
    match decode_in(leaf.buffer(), element.value.clone(), index) {
        Ok(decoded) => {
            let faults = entry_faults(&decoded.head(), USUAL_MIN, &place, &GROUP);
            Ok(Located { entry: decoded.entry, place: Some(place), faults })
        }
        Err(kind) => {
            Err(Fault::new(Code::R122, kind).at(place).in_group(&GROUP).at_index(index).into())
        }
    }
}

impl Iterator for EntryWalk<'_> {
    type Item = Result<Located, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance()
    }
}

/// First and last index that can be read.
///
/// # Errors
/// Only when the file cannot be read.
pub fn bounds(pages: &Pages, logs: &Root) -> Result<Option<IndexRange>, StoreError> {
    let Some(first) = first_readable(pages, logs)? else { return Ok(None) };
    let last = last_readable(pages, logs)?.unwrap_or(first);
    Ok(IndexRange::new(first, last))
}

fn indexes(leaf: &Leaf) -> impl DoubleEndedIterator<Item = LogIndex> {
    (0..leaf.elements()).filter_map(|n| index_of(leaf.key(n)))
}

fn first_readable(pages: &Pages, logs: &Root) -> Result<Option<LogIndex>, StoreError> {
    let mut walk = Walk::new(pages, logs.clone());
    while let Some(visit) = walk.step() {
        let Visit::Leaf(leaf) = visit? else { continue };
        if let Some(first) = indexes(&leaf).next() {
            return Ok(Some(first));
        }
    }
    Ok(None)
}

/// Goes to the leaf of the largest key; where that is damaged, to the one before it.
fn last_readable(pages: &Pages, logs: &Root) -> Result<Option<LogIndex>, StoreError> {
    let mut start = u64::MAX.to_be_bytes().to_vec();
    loop {
        let mut walk = Walk::new(pages, logs.clone()).starting_at(&start);
        let mut before = None;
        while let Some(visit) = walk.step() {
            match visit? {
                Visit::Branch(_) => {}
                Visit::Leaf(leaf) => {
                    if let Some(last) = indexes(&leaf).next_back() {
                        return Ok(Some(last));
                    }
                }
                Visit::Damaged(damaged) => before = damaged.from.as_deref().and_then(index_of),
            }
        }
        match before.and_then(LogIndex::previous) {
            Some(previous) if previous.0.to_be_bytes()[..] < start[..] => {
                start = previous.0.to_be_bytes().to_vec();
            }
            _ => return Ok(None),
        }
    }
}
