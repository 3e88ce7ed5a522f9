//! Walking a tree from its root, leaf by leaf in key order, every page verified on the way down.
//!
//! Memory is one branch page per level. A page that names itself or an ancestor as its child, or is
//! named twice, cannot lead astray: each child must hold keys inside the bounds that its parents'
//! keys set, and bounds of different children never overlap. Where the order of keys is not known,
//! a [`Seen`] set finds such pages.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::bytes::u64_at;
use crate::model::{Code, Fault, FaultKind};
use crate::store::StoreError;
use crate::store::redb::format::{Child, DEPTH_MAX, PAGE_BYTES, PageNumber};
use crate::store::redb::page::{Branch, KeyOrder, Leaf, Node, Shape};
use crate::store::redb::pages::{Pages, Window};

/// Most that is read ahead; a payload that is kept keeps this much alive.
const AHEAD_BYTES: u64 = 128 * 1024;

/// What the walk meets.
pub enum Visit {
    /// A branch, before anything below it.
    Branch(Branch),
    /// A leaf.
    Leaf(Leaf),
    /// A leaf that was asked not to be read, by its number and offset; only its bounds are checked.
    Unread(PageNumber, u64),
    /// A page that does not verify; the walk goes on behind it.
    Damaged(Damaged),
}

/// A page that does not verify, and whose keys are missing therefore.
#[derive(Debug)]
pub struct Damaged {
    /// Which page.
    pub page: PageNumber,
    /// What is wrong with it.
    pub fault: Box<Fault>,
    /// Keys above this one would be below it, as far as known.
    pub above: Option<Vec<u8>>,
    /// Keys up to this one would be below it, as far as known.
    pub through: Option<Vec<u8>>,
}

struct Frame {
    branch: Branch,
    next: usize,
    above: Option<Vec<u8>>,
    through: Option<Vec<u8>>,
    /// Whether the children are leaves, once one of them was read.
    leaves: bool,
}

impl Frame {
    fn above(&self, child: usize) -> Option<&[u8]> {
        match child.checked_sub(1) {
            Some(before) => self.branch.key(before),
            None => self.above.as_deref(),
        }
    }

    fn through(&self, child: usize) -> Option<&[u8]> {
        self.branch.key(child).or(self.through.as_deref())
    }
}

/// A walk over one tree.
pub struct Walk<'p> {
    pages: &'p Pages,
    shape: Shape,
    root: Option<Child>,
    from: Option<Vec<u8>>,
    stack: Vec<Frame>,
    window: Window,
    leaves_unread: bool,
}

impl<'p> Walk<'p> {
    /// Begins a walk at `root`; an empty tree has none.
    pub fn new(pages: &'p Pages, shape: Shape, root: Option<Child>) -> Walk<'p> {
        let stack = Vec::new();
        let window = Window::default();
        Walk { pages, shape, root, from: None, stack, window, leaves_unread: false }
    }

    /// The same walk without reading leaves, but for the first of each branch, which shows that its
    /// siblings are leaves as well: all leaves of a tree have one depth.
    pub fn leaves_unread(mut self, unread: bool) -> Walk<'p> {
        self.leaves_unread = unread;
        self
    }

    /// The same walk without the pages that only hold keys below `key`.
    pub fn starting_at(mut self, key: &[u8]) -> Walk<'p> {
        self.from = Some(key.to_vec());
        self
    }

    /// Goes on to the next page; `None` at the end.
    ///
    /// # Errors
    /// Only when the file cannot be read. Damage is a visit.
    pub fn step(&mut self) -> Option<Result<Visit, StoreError>> {
        if let Some(root) = self.root.take() {
            return Some(self.enter(root, None, None));
        }
        loop {
            let frame = self.stack.last_mut()?;
            let at = frame.next;
            let Some(child) = frame.branch.child(at) else {
                self.stack.pop();
                continue;
            };
            frame.next += 1;
            let above = frame.above(at).map(<[u8]>::to_vec);
            let through = frame.through(at).map(<[u8]>::to_vec);
            if frame.leaves && self.leaves_unread {
                return Some(Ok(match self.pages.locate(child.page) {
                    Ok(offset) => Visit::Unread(child.page, offset),
                    Err(kind) => {
                        let page = child.page;
                        let fault = Box::new(self.pages.page_fault(page, kind));
                        Visit::Damaged(Damaged { page, fault, above, through })
                    }
                }));
            }
            return Some(self.enter(child, above, through));
        }
    }

    /// The key above which the page that was visited last holds its own, as far as known.
    pub fn above(&self) -> Option<Vec<u8>> {
        let frame = self.stack.last()?;
        frame.above(frame.next.checked_sub(1)?).map(<[u8]>::to_vec)
    }

    /// Leaves out everything below the branch that was visited last.
    pub fn skip_below(&mut self) {
        self.stack.pop();
    }

    fn enter(
        &mut self,
        child: Child,
        above: Option<Vec<u8>>,
        through: Option<Vec<u8>>,
    ) -> Result<Visit, StoreError> {
        let node = if self.stack.len() >= DEPTH_MAX {
            Err(self.pages.damaged(
                child.page,
                FaultKind::Bounds {
                    what: "depth of a tree",
                    value: self.stack.len() as u64 + 1,
                    limit: DEPTH_MAX as u64,
                },
            ))
        } else {
            self.read(child).and_then(|node| match self.misplaced(&node, &above, &through) {
                Some(kind) => Err(self.pages.damaged(child.page, kind)),
                None => Ok(node),
            })
        };
        match node {
            Ok(Node::Leaf(leaf)) => {
                if let Some(frame) = self.stack.last_mut() {
                    frame.leaves = true;
                }
                Ok(Visit::Leaf(leaf))
            }
            Ok(Node::Branch(branch)) => {
                let next = self.first_wanted(&branch);
                let frame = Frame { branch: branch.clone(), next, above, through, leaves: false };
                self.stack.push(frame);
                Ok(Visit::Branch(branch))
            }
            Err(StoreError::Fault(fault)) => {
                Ok(Visit::Damaged(Damaged { page: child.page, fault, above, through }))
            }
            Err(other) => Err(other),
        }
    }

    fn read(&mut self, child: Child) -> Result<Node, StoreError> {
        match self.stack.last() {
            Some(frame) if frame.leaves => {
                let ahead = || run_bytes(&frame.branch, frame.next, child.page);
                self.pages.node_ahead(child, &self.shape, &mut self.window, ahead)
            }
            _ => self.pages.node(child, &self.shape),
        }
    }

    fn first_wanted(&self, branch: &Branch) -> usize {
        let Some(from) = &self.from else { return 0 };
        let (mut low, mut high) = (0, branch.children() - 1);
        while low < high {
            let middle = low.midpoint(high);
            let below = branch
                .key(middle)
                .is_some_and(|key| compare(self.shape.order, key, from) == Some(Ordering::Less));
            if below {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Whether the keys of a leaf are numbers that ascend inside the bounds; `false` says nothing.
    fn in_order(&self, leaf: &Leaf, above: Option<&[u8]>, through: Option<&[u8]>) -> bool {
        let number = |key: &[u8]| u64_at(key, 0);
        let Some(mut keys) = leaf.keys_u64().filter(|_| self.shape.order == KeyOrder::U64) else {
            return false;
        };
        let Some(mut last) = keys.next() else { return false };
        let begins = above.is_none_or(|above| number(above).is_some_and(|above| above < last));
        let ascend = keys.all(|key| std::mem::replace(&mut last, key) < key);
        begins
            && ascend
            && through.is_none_or(|through| number(through).is_some_and(|through| last <= through))
    }

    /// Checks that the page's keys ascend inside the bounds that its parents set.
    fn misplaced(
        &self,
        node: &Node,
        above: &Option<Vec<u8>>,
        through: &Option<Vec<u8>>,
    ) -> Option<FaultKind> {
        let (what, count) = match node {
            Node::Leaf(leaf) if self.in_order(leaf, above.as_deref(), through.as_deref()) => {
                return None;
            }
            Node::Leaf(leaf) => ("keys of a leaf page", leaf.rows()),
            Node::Branch(branch) => ("keys of a branch page", branch.children() - 1),
        };
        let key_at = |n: usize| match node {
            Node::Leaf(leaf) => leaf.key(n),
            Node::Branch(branch) => branch.key(n).unwrap_or_default(),
        };
        let ascending = |a: &[u8], b: &[u8]| {
            compare(self.shape.order, a, b).is_none_or(|order| order == Ordering::Less)
        };
        let mut before = above.as_deref();
        for n in 0..count {
            let key = key_at(n);
            if before.is_some_and(|before| !ascending(before, key)) {
                return Some(disorder(what, "above the one before", self.shape.order, key));
            }
            before = Some(key);
        }
        // A branch's last key may equal the bound only when its last child were empty.
        let (last, bound) = (before?, through.as_deref()?);
        let beyond = compare(self.shape.order, last, bound) == Some(Ordering::Greater);
        beyond
            .then(|| disorder(what, "inside the bounds of the parent page", self.shape.order, last))
    }
}

fn disorder(what: &'static str, expected: &str, order: KeyOrder, found: &[u8]) -> FaultKind {
    let found = match (order, u64_at(found, 0)) {
        (KeyOrder::U64, Some(number)) => number.to_string(),
        _ => found.escape_ascii().to_string(),
    };
    FaultKind::Field { what, expected: format!("each {expected}"), found }
}

fn compare(order: KeyOrder, a: &[u8], b: &[u8]) -> Option<Ordering> {
    match order {
        KeyOrder::U64 => Some(u64_at(a, 0).cmp(&u64_at(b, 0))),
        KeyOrder::Pair => {
            let pair = |key: &[u8]| (u64_at(key, 0), u64_at(key, 8));
            Some(pair(a).cmp(&pair(b)))
        }
        KeyOrder::Bytes => Some(a.cmp(b)),
        KeyOrder::Unknown => None,
    }
}

/// Bytes from `first` to the end of the run of neighbours that `branch` names from `next` on.
fn run_bytes(branch: &Branch, next: usize, first: PageNumber) -> u64 {
    let size = first.size_bytes();
    let mut run = size;
    let mut before = first;
    for n in next..branch.children() {
        let Some(child) = branch.child(n) else { break };
        let follows = child.page.order() == first.order()
            && child.page.region() == first.region()
            && child.page.index() == before.index() + 1;
        if !follows || run + size > AHEAD_BYTES {
            break;
        }
        run += size;
        before = child.page;
    }
    run
}

/// Which parts of a file belong to a page already. Grows with what was seen, not with the file.
#[derive(Default)]
pub struct Seen {
    /// By units of 128 MiB, a bit for each 4 KiB.
    chunks: BTreeMap<u64, Box<[u64; 512]>>,
}

impl Seen {
    /// Marks a page at `offset_bytes`; `false` when a part of it was marked before.
    pub fn mark(&mut self, offset_bytes: u64, page: PageNumber) -> bool {
        let first = offset_bytes / PAGE_BYTES;
        let mut fresh = true;
        for unit in first..first + page.size_bytes() / PAGE_BYTES {
            let chunk = self.chunks.entry(unit >> 15).or_insert_with(|| Box::new([0; 512]));
            let at = usize::try_from((unit & 0x7fff) >> 6).unwrap_or_default();
            if let Some(word) = chunk.get_mut(at) {
                let bit = 1 << (unit & 63);
                fresh &= *word & bit == 0;
                *word |= bit;
            }
        }
        fresh
    }
}

/// The finding that a page is reached twice.
pub fn reached_twice(pages: &Pages, page: PageNumber) -> Fault {
    Fault::new(Code::R119, FaultKind::Cycle { what: "trees", page: page.0 })
        .at(pages.page_place(page))
}
