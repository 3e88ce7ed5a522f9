//! Every record of a BoltDB file: metas, freelist, and the pages of each tree in key order.

use std::ops::ControlFlow;

use crate::model::{GroupId, IndexRange, LogIndex};
use crate::store::bolt::{
    Bucket, Damaged, Leaf, Metas, PageSet, Pages, Root, SlotState, Visit, Walk, read_freelist,
};
use crate::store::boltdb::entries::index_of;
use crate::store::boltdb::{CONF, LOGS};
use crate::store::{Record, RecordChecksum, RecordStatus, StoreError};

type Visitor<'a> = dyn FnMut(Record) -> ControlFlow<()> + 'a;
type Going = Result<ControlFlow<()>, StoreError>;

/// Calls `visit` for each record until it breaks.
///
/// # Errors
/// Only when the file cannot be read.
pub fn scan(pages: &Pages, metas: &Metas, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
    let mut scan = Scan { pages, seen: PageSet::default(), visit };
    scan.run(metas).map(|_| ())
}

struct Scan<'a, 'v> {
    pages: &'a Pages,
    /// Pages that were shown; a bucket may claim to be its own parent.
    seen: PageSet,
    visit: &'a mut Visitor<'v>,
}

/// Whose pages are being shown.
struct Subject {
    words: String,
    /// The group of a Raft log's bucket.
    group: Option<GroupId>,
    /// Whether the keys are indexes.
    logs: bool,
}

impl Subject {
    fn of(name: &[u8], top: bool) -> Subject {
        let own = top && (name == LOGS || name == CONF);
        let words = match own {
            true => name.escape_ascii().to_string(),
            false => format!("bucket {}", name.escape_ascii()),
        };
        Subject { words, group: own.then_some(GroupId::Unnamed), logs: own && name == LOGS }
    }
}

impl Scan<'_, '_> {
    fn run(&mut self, metas: &Metas) -> Going {
        if self.metas(metas)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        // Of the buckets only roots and names are kept; nested ones wait behind their parents.
        let root = Subject { words: "root bucket".to_owned(), group: None, logs: false };
        let mut waiting = vec![(Root::Page(metas.used.root), root)];
        let mut is_root = true;
        while let Some((root, subject)) = waiting.pop() {
            let first_new = waiting.len();
            let mut walk = Walk::new(self.pages, root);
            while let Some(visit) = walk.step() {
                let visit = visit?;
                let twice = self.seen_before(&visit);
                match &visit {
                    Visit::Leaf(leaf) if !twice => waiting.extend(nested(leaf, is_root)),
                    Visit::Branch(_) if twice => walk.skip_below(),
                    _ => {}
                }
                let mut record = self.record(&visit, &subject);
                if twice {
                    record.status = RecordStatus::Damaged;
                }
                if (self.visit)(record).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            is_root = false;
            if let Some(new) = waiting.get_mut(first_new..) {
                new.reverse();
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn seen_before(&mut self, visit: &Visit) -> bool {
        let page = match visit {
            Visit::Leaf(leaf) => leaf.page,
            Visit::Branch(branch) => Some(branch.page),
            Visit::Damaged(_) => None,
        };
        page.is_some_and(|page| !self.seen.add(page))
    }

    fn metas(&mut self, metas: &Metas) -> Going {
        let plain = |kind: &str, place, checksum, status| Record {
            place,
            kind: kind.to_owned(),
            group: None,
            range: None,
            entries: 0,
            checksum,
            status,
        };
        for (n, slot) in metas.slots.iter().enumerate() {
            let (checksum, status) = match &slot.state {
                SlotState::Broken(..) => (RecordChecksum::Bad, RecordStatus::Damaged),
                SlotState::Sound(meta) => {
                    let used = n == metas.used_slot;
                    let sum =
                        if meta.has_checksum { RecordChecksum::Ok } else { RecordChecksum::None };
                    (sum, if used { RecordStatus::Live } else { RecordStatus::Superseded })
                }
            };
            let record = plain(&format!("meta {n}"), slot.place.clone(), checksum, status);
            if (self.visit)(record).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let Some(page) = metas.used.freelist else { return Ok(ControlFlow::Continue(())) };
        let none = RecordChecksum::None;
        let record = match read_freelist(self.pages, page) {
            Ok(list) => {
                let place = self.pages.place(list.extent.offset_bytes, list.extent.len_bytes);
                plain("freelist", place, none, RecordStatus::Live)
            }
            Err(StoreError::Fault(_)) => {
                plain("freelist", self.pages.page_place(page), none, RecordStatus::Damaged)
            }
            Err(error) => return Err(error),
        };
        Ok((self.visit)(record))
    }

    fn record(&self, visit: &Visit, subject: &Subject) -> Record {
        let mut record = Record {
            place: self.pages.place(0, 0),
            kind: format!("page {}", subject.words),
            group: subject.group.clone(),
            range: None,
            entries: 0,
            checksum: RecordChecksum::None,
            status: RecordStatus::Live,
        };
        match visit {
            Visit::Leaf(leaf) => {
                let inline = if leaf.page.is_none() { ", inline" } else { "" };
                record.kind = format!("leaf {}{inline}", subject.words);
                record.place = self.pages.place(leaf.offset_bytes, leaf.used_bytes());
                if subject.logs {
                    record.entries = leaf.elements() as u64;
                    let last = index_of(leaf.key(leaf.elements().saturating_sub(1)));
                    let both = index_of(leaf.key(0)).zip(last);
                    record.range = both.and_then(|(first, last)| IndexRange::new(first, last));
                }
            }
            Visit::Branch(branch) => {
                record.kind = format!("branch {}", subject.words);
                record.place = self.pages.place(branch.offset_bytes, branch.used_bytes());
            }
            Visit::Damaged(damaged) => {
                record.status = RecordStatus::Damaged;
                if let Some(place) = &damaged.fault.place {
                    record.place = place.clone();
                }
                record.range = missing(damaged).filter(|_| subject.logs);
            }
        }
        record
    }
}

/// Indexes that a damaged page could hold, where both ends are known.
fn missing(damaged: &Damaged) -> Option<IndexRange> {
    let first = damaged.from.as_deref().and_then(index_of)?;
    let last = damaged.below.as_deref().and_then(index_of).and_then(LogIndex::previous)?;
    IndexRange::new(first, last)
}

fn nested(leaf: &Leaf, top: bool) -> Vec<(Root, Subject)> {
    let elements = (0..leaf.elements()).filter_map(|n| leaf.element(n));
    let read = elements.filter(|element| element.is_bucket).filter_map(|element| {
        let bucket = Bucket::read(leaf, &element).ok()?;
        Some((bucket.root, Subject::of(&bucket.name, top)))
    });
    read.collect()
}
