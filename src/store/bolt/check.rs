//! Proving the page graph: every page below the high-water mark is a meta, the freelist, reached
//! exactly once, or free exactly once. Without recursion, and bounded by the number of pages.

use std::ops::ControlFlow;

use crate::model::{Code, Fault, FaultKind, Severity};
use crate::store::StoreError;
use crate::store::bolt::bucket::{Bucket, element_place};
use crate::store::bolt::format::{FIRST_PAGE, Meta, PageId};
use crate::store::bolt::freelist::read_freelist;
use crate::store::bolt::page::{Branch, Leaf};
use crate::store::bolt::pages::Pages;
use crate::store::bolt::set::PageSet;
use crate::store::bolt::tree::{Damaged, Root, Visit, Walk};

/// Faults that are named one by one.
const FAULTS_MAX: usize = 1 << 16;

/// What checking a commit showed.
#[derive(Default)]
pub struct Survey {
    /// What is wrong, in the order met.
    pub faults: Vec<Fault>,
    /// Faults beyond those.
    pub unnamed_faults: u64,
    /// Branch pages.
    pub branches: u64,
    /// Leaf pages, those inline in a bucket's value not among them.
    pub leaves: u64,
    /// Pages that overflow from others.
    pub overflow_pages: u64,
    /// Buckets, the root bucket not among them.
    pub buckets: u64,
    /// Buckets among them that lie inline in their parent.
    pub inline_buckets: u64,
    /// Elements that are no buckets.
    pub elements: u64,
    /// Pages listed as free; `None` in a file without a freelist.
    pub free_pages: Option<u64>,
    /// Pages reached, freelist and metas included.
    pub reached_pages: u64,
    /// Bytes in use in the pages that were read.
    pub used_bytes: u64,
}

/// Checks everything that `meta` reaches. `progress` gets the bytes checked so far; `None` when it
/// broke the check off.
///
/// # Errors
/// Only when the file cannot be read.
pub fn survey(
    pages: &Pages,
    meta: &Meta,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Option<Survey>, StoreError> {
    let mut surveyor =
        Surveyor { pages, reached: PageSet::default(), found: Survey::default(), progress };
    surveyor.high_water(meta);
    if surveyor.trees(meta.root)?.is_break() {
        return Ok(None);
    }
    let mut free = PageSet::default();
    surveyor.freelist(meta, &mut free)?;
    surveyor.lost(meta, &free);
    surveyor.found.reached_pages = surveyor.reached.len().saturating_add(FIRST_PAGE.0);
    Ok(Some(surveyor.found))
}

struct Surveyor<'a> {
    pages: &'a Pages,
    reached: PageSet,
    found: Survey,
    progress: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
}

impl Surveyor<'_> {
    fn add(&mut self, fault: Fault) {
        if self.found.faults.len() < FAULTS_MAX {
            self.found.faults.push(fault);
        } else {
            self.found.unnamed_faults += 1;
        }
    }

    fn high_water(&mut self, meta: &Meta) {
        let value = meta.end.0.saturating_mul(meta.page_bytes);
        let limit = self.pages.size_bytes();
        if value > limit {
            let kind = FaultKind::Bounds { what: "end of the pages in use", value, limit };
            self.add(Fault::new(Code::R119, kind).at(self.pages.place(0, limit)));
        }
    }

    /// Walks the tree of buckets and every bucket found in any of them.
    fn trees(&mut self, root: PageId) -> Result<ControlFlow<()>, StoreError> {
        let mut waiting = vec![Root::Page(root)];
        let mut is_root = true;
        while let Some(root) = waiting.pop() {
            let mut walk = Walk::new(self.pages, root);
            while let Some(visit) = walk.step() {
                let fresh = match visit? {
                    Visit::Branch(branch) => self.branch(&branch),
                    Visit::Leaf(leaf) => {
                        let fresh = self.leaf(&leaf);
                        if fresh {
                            self.elements(&leaf, is_root, &mut waiting);
                        }
                        true
                    }
                    Visit::Damaged(damaged) => self.damaged(damaged),
                };
                if !fresh {
                    walk.skip_below();
                }
                if (self.progress)(self.found.used_bytes).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            is_root = false;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn damaged(&mut self, damaged: Damaged) -> bool {
        self.add(*damaged.fault);
        // Whatever it is, the page is referred to and not free.
        if let Some(page) = damaged.page.filter(|page| *page < self.pages.end()) {
            self.reached.add(page);
        }
        true
    }

    /// Takes the pages of a node; `false` when one of them was taken before.
    fn take(&mut self, page: PageId, extent_bytes: u64) -> bool {
        let more = (extent_bytes / self.pages.page_bytes()).saturating_sub(1);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        self.found.overflow_pages += u64::from(more);
        let Some(twice) = self.reached.add_run(page, more) else { return true };
        let kind = FaultKind::Cycle { what: "buckets", page: twice.0 };
        self.add(self.pages.page_fault(twice, kind));
        false
    }

    fn branch(&mut self, branch: &Branch) -> bool {
        self.found.branches += 1;
        self.found.used_bytes = self.found.used_bytes.saturating_add(branch.used_bytes());
        self.take(branch.page, branch.extent_bytes)
    }

    fn leaf(&mut self, leaf: &Leaf) -> bool {
        if let Some(n) = leaf.loose {
            let found = format!("element {n} does not follow the one before it at once");
            let kind = FaultKind::Note { found };
            let place = self.pages.place(leaf.offset_bytes, leaf.used_bytes());
            let fault = Fault::new(Code::R119, kind).at(place);
            self.add(fault.as_severity(Severity::Warning));
        }
        let Some(page) = leaf.page else { return true };
        self.found.leaves += 1;
        self.found.used_bytes = self.found.used_bytes.saturating_add(leaf.used_bytes());
        self.take(page, leaf.extent_bytes)
    }

    fn elements(&mut self, leaf: &Leaf, is_root: bool, waiting: &mut Vec<Root>) {
        for element in (0..leaf.elements()).filter_map(|n| leaf.element(n)) {
            if !element.is_bucket {
                self.found.elements += 1;
                if is_root {
                    let kind = FaultKind::Field {
                        what: "element of the root bucket",
                        expected: "a bucket".to_owned(),
                        found: "a plain value".to_owned(),
                    };
                    let place = element_place(self.pages, leaf, &element);
                    self.add(Fault::new(Code::R119, kind).at(place));
                }
                continue;
            }
            self.found.buckets += 1;
            match Bucket::read(leaf, &element) {
                Ok(bucket) => {
                    self.found.inline_buckets += u64::from(matches!(bucket.root, Root::Inline(..)));
                    waiting.push(bucket.root);
                }
                Err(kind) => {
                    let place = element_place(self.pages, leaf, &element);
                    self.add(Fault::new(Code::R119, kind).at(place));
                }
            }
        }
    }

    fn freelist(&mut self, meta: &Meta, free: &mut PageSet) -> Result<(), StoreError> {
        let Some(page) = meta.freelist else { return Ok(()) };
        let list = match read_freelist(self.pages, page) {
            Ok(list) => list,
            Err(StoreError::Fault(fault)) => {
                self.add(*fault);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if !self.take(page, list.extent.len_bytes) {
            return Ok(());
        }
        self.found.overflow_pages -= u64::from(list.overflow);
        self.found.free_pages = Some(list.count);
        self.found.used_bytes = self.found.used_bytes.saturating_add(list.count * 8);
        let mut odd = Vec::new();
        let mut unnamed = 0;
        list.collect(self.pages, &self.reached, free, &mut |fault| {
            if odd.len() < FAULTS_MAX { odd.push(fault) } else { unnamed += 1 }
        })?;
        odd.into_iter().for_each(|fault| self.add(fault));
        self.found.unnamed_faults += unnamed;
        Ok(())
    }

    /// Pages that are neither reached nor free: lost space, or what damage has cut off.
    fn lost(&mut self, meta: &Meta, free: &PageSet) {
        if meta.freelist.is_some() && self.found.free_pages.is_none() {
            return;
        }
        if meta.freelist.is_none() {
            return;
        }
        let all = self.pages.end().0.saturating_sub(FIRST_PAGE.0);
        let known = self.reached.len() + free.len();
        if known >= all {
            return;
        }
        let is_lost = |page: &PageId| !self.reached.contains(*page) && !free.contains(*page);
        // Among so many pages one at least is not known.
        let Some(first) = (FIRST_PAGE.0..self.pages.end().0).map(PageId).find(is_lost) else {
            return;
        };
        let found =
            format!("{} pages are neither in use nor free, the first is {first}", all - known);
        let fault = self.pages.page_fault(first, FaultKind::Note { found });
        self.add(fault.as_severity(Severity::Warning));
    }
}
