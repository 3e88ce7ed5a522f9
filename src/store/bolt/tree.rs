//! Walking a tree from its root, leaf by leaf in key order, every page checked on the way down.
//!
//! Memory is one branch a level. A page that names itself or an ancestor as its child, or is named
//! twice, cannot lead astray: every page holds a key, its keys lie inside the bounds that its
//! parents' keys set, bounds of different children never overlap, and the depth is limited.

use crate::model::{Fault, FaultKind, SharedBytes};
use crate::store::StoreError;
use crate::store::bolt::format::PageId;
use crate::store::bolt::page::{Branch, Leaf, Node};
use crate::store::bolt::pages::{Pages, Window};

/// Levels of a tree; ten of them hold any file.
const DEPTH_MAX: usize = 64;
/// Most that is read ahead; a payload that is kept keeps this much alive.
const AHEAD_BYTES: u64 = 128 * 1024;
/// Pages that are read and not wanted, at most, between two that are.
const GAP_PAGES: u64 = 4;

/// Where a bucket's tree begins.
#[derive(Clone, Debug)]
pub enum Root {
    /// At a page.
    Page(PageId),
    /// It is one leaf, which lies in the bucket's value: its bytes, and their offset in the file.
    Inline(SharedBytes, u64),
}

/// What the walk meets.
pub enum Visit {
    /// A branch, before anything below it.
    Branch(Branch),
    /// A leaf.
    Leaf(Leaf),
    /// A page that is not as it must be; the walk goes on behind it.
    Damaged(Damaged),
}

/// A damaged page, whose keys are missing therefore.
#[derive(Debug)]
pub struct Damaged {
    /// Which page; none for an inline one.
    pub page: Option<PageId>,
    /// What is wrong with it.
    pub fault: Box<Fault>,
    /// Keys from this one on would be below it, as far as known.
    pub from: Option<SharedBytes>,
    /// Keys below this one would be below it, as far as known.
    pub below: Option<SharedBytes>,
}

struct Frame {
    branch: Branch,
    next: usize,
    below: Option<SharedBytes>,
    /// Whether the children are leaves, once one of them was read.
    leaves: bool,
}

/// Bounds of a page's keys.
#[derive(Clone, Default)]
struct Bounds {
    from: Option<SharedBytes>,
    below: Option<SharedBytes>,
}

/// A walk over one tree.
pub struct Walk<'p> {
    pages: &'p Pages,
    root: Option<Root>,
    start: Option<Vec<u8>>,
    stack: Vec<Frame>,
    window: Window,
}

impl<'p> Walk<'p> {
    /// Begins a walk at `root`.
    pub fn new(pages: &'p Pages, root: Root) -> Walk<'p> {
        let (stack, window) = (Vec::new(), Window::default());
        Walk { pages, root: Some(root), start: None, stack, window }
    }

    /// The same walk without the pages that only hold keys below `key`.
    pub fn starting_at(mut self, key: &[u8]) -> Walk<'p> {
        self.start = Some(key.to_vec());
        self
    }

    /// Goes on to the next page; `None` at the end.
    ///
    /// # Errors
    /// Only when the file cannot be read. Damage is a visit.
    pub fn step(&mut self) -> Option<Result<Visit, StoreError>> {
        match self.root.take() {
            Some(Root::Page(page)) => return Some(self.enter(page, Bounds::default())),
            Some(Root::Inline(bytes, offset)) => return Some(Ok(self.inline(bytes, offset))),
            None => {}
        }
        loop {
            let frame = self.stack.last_mut()?;
            let at = frame.next;
            let Some(child) = frame.branch.child(at) else {
                self.stack.pop();
                continue;
            };
            frame.next += 1;
            let below = frame.branch.key(at + 1).or_else(|| frame.below.clone());
            let bounds = Bounds { from: frame.branch.key(at), below };
            return Some(self.enter(child, bounds));
        }
    }

    /// Leaves out everything below the branch that was visited last.
    pub fn skip_below(&mut self) {
        self.stack.pop();
    }

    fn inline(&self, bytes: SharedBytes, offset_bytes: u64) -> Visit {
        let len_bytes = bytes.len() as u64;
        let leaf = Leaf::inline(bytes, offset_bytes).and_then(|leaf| match disorder(&leaf) {
            Some(kind) => Err(kind),
            None => Ok(leaf),
        });
        match leaf {
            Ok(leaf) => Visit::Leaf(leaf),
            Err(kind) => {
                let place = self.pages.place(offset_bytes, len_bytes);
                let fault = Box::new(Fault::new(crate::model::Code::R119, kind).at(place));
                Visit::Damaged(Damaged { page: None, fault, from: None, below: None })
            }
        }
    }

    fn enter(&mut self, page: PageId, bounds: Bounds) -> Result<Visit, StoreError> {
        let node = if self.stack.len() >= DEPTH_MAX {
            let (value, limit) = (self.stack.len() as u64 + 1, DEPTH_MAX as u64);
            let kind = FaultKind::Bounds { what: "depth of a tree", value, limit };
            Err(self.pages.page_fault(page, kind).into())
        } else {
            self.read(page).and_then(|node| match self.misplaced(&node, &bounds) {
                Some(kind) => Err(self.pages.page_fault(page, kind).into()),
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
                let below = bounds.below;
                self.stack.push(Frame { branch: branch.clone(), next, below, leaves: false });
                Ok(Visit::Branch(branch))
            }
            Err(StoreError::Fault(fault)) => {
                let Bounds { from, below } = bounds;
                Ok(Visit::Damaged(Damaged { page: Some(page), fault, from, below }))
            }
            Err(other) => Err(other),
        }
    }

    fn read(&mut self, page: PageId) -> Result<Node, StoreError> {
        let page_bytes = self.pages.page_bytes();
        let ahead = || match self.stack.last() {
            Some(frame) if frame.leaves => run_bytes(&frame.branch, frame.next, page, page_bytes),
            _ => page_bytes,
        };
        self.pages.node(page, &mut self.window, ahead)
    }

    /// The child with which the first wanted key can lie.
    fn first_wanted(&self, branch: &Branch) -> usize {
        let Some(start) = &self.start else { return 0 };
        let (mut low, mut high) = (0, branch.children());
        while low < high {
            let middle = low.midpoint(high);
            let not_above = branch.key(middle).is_some_and(|key| *key <= **start);
            (low, high) = if not_above { (middle + 1, high) } else { (low, middle) };
        }
        low.saturating_sub(1)
    }

    /// Checks that a page has keys, that they ascend, and that its parents' keys allow them.
    fn misplaced(&self, node: &Node, bounds: &Bounds) -> Option<FaultKind> {
        let (first, last, kind) = match node {
            Node::Leaf(leaf) if leaf.elements() == 0 => {
                return (!self.stack.is_empty()).then(|| FaultKind::Field {
                    what: "elements of a leaf below a branch",
                    expected: "at least 1".to_owned(),
                    found: "0".to_owned(),
                });
            }
            Node::Leaf(leaf) => {
                let last = leaf.elements().saturating_sub(1);
                (leaf.key(0).to_vec(), leaf.key(last).to_vec(), disorder(leaf))
            }
            Node::Branch(branch) => {
                let last = branch.children().saturating_sub(1);
                let key = |n| branch.key(n).unwrap_or_default().to_vec();
                (key(0), key(last), branch_disorder(branch))
            }
        };
        if kind.is_some() {
            return kind;
        }
        let outside = |expected: &str, found: &[u8]| {
            let found = key_words(found);
            let what = "keys of a page";
            Some(FaultKind::Field { what, expected: expected.to_owned(), found })
        };
        if bounds.from.as_ref().is_some_and(|from| *first < **from) {
            return outside("not below the key of its parent", &first);
        }
        if bounds.below.as_ref().is_some_and(|below| *last >= **below) {
            return outside("below the next key of its parent", &last);
        }
        None
    }
}

fn disorder(leaf: &Leaf) -> Option<FaultKind> {
    let mut before = leaf.key(0);
    for n in 1..leaf.elements() {
        let key = leaf.key(n);
        if key <= before {
            return Some(not_ascending(key));
        }
        before = key;
    }
    None
}

fn branch_disorder(branch: &Branch) -> Option<FaultKind> {
    let mut before = branch.key(0);
    for n in 1..branch.children() {
        let key = branch.key(n);
        if key.as_deref() <= before.as_deref() {
            return Some(not_ascending(&key.unwrap_or_default()));
        }
        before = key;
    }
    None
}

fn not_ascending(key: &[u8]) -> FaultKind {
    FaultKind::Field {
        what: "keys of a page",
        expected: "each above the one before".to_owned(),
        found: key_words(key),
    }
}

/// A key in words: eight bytes as the number they are in a Raft log, else as text.
fn key_words(key: &[u8]) -> String {
    const SHOWN: usize = 64;
    match <[u8; 8]>::try_from(key) {
        Ok(number) if number.first() == Some(&0) => u64::from_be_bytes(number).to_string(),
        _ => key.get(..SHOWN).unwrap_or(key).escape_ascii().to_string(),
    }
}

/// Bytes from `first` to the end of the run of near neighbours that `branch` names from `next` on.
fn run_bytes(branch: &Branch, next: usize, first: PageId, page_bytes: u64) -> u64 {
    let bytes_to = |last: PageId| last.0.saturating_sub(first.0).saturating_add(1) * page_bytes;
    let mut before = first;
    for n in next..branch.children() {
        let Some(child) = branch.child(n) else { break };
        let near = child > before && child.0 - before.0 <= GAP_PAGES + 1;
        if !near || bytes_to(child) > AHEAD_BYTES {
            break;
        }
        before = child;
    }
    // What the last page owns beyond its first is not known before it is read.
    let more = page_bytes.saturating_mul(GAP_PAGES).min(AHEAD_BYTES);
    let all = bytes_to(before);
    if before == first { page_bytes.max(all) } else { all.saturating_add(more).min(AHEAD_BYTES) }
}
