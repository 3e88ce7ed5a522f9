//! One page of a tree, checked before anything in it is believed: type, counts, ends, checksum.

use std::ops::Range;

use crate::bytes::{u16_at, u32_at, u64_at, u128_at};
use crate::model::{FaultKind, SharedBytes};
use crate::store::redb::format::{
    BRANCH, BRANCH_SUMS_AT, Child, END_BYTES, LEAF, LEAF_ENDS_AT, PAGE_NUMBER_BYTES, PageNumber,
    SUM_BYTES, checksum,
};

/// How the keys of a tree are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// Little-endian numbers of eight bytes, by value.
    U64,
    /// Two such numbers, by the first and then by the second.
    Pair,
    /// Byte by byte.
    Bytes,
    /// Not known; the order of keys is not checked.
    Unknown,
}

/// What the pages of one tree have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What a page of this tree is called in a finding.
    pub what: &'static str,
    /// Width of all keys, where they have one.
    pub key_width: Option<usize>,
    /// Width of all values, where they have one.
    pub value_width: Option<usize>,
    /// Order of the keys.
    pub order: KeyOrder,
}

/// A verified page.
#[derive(Clone, Debug)]
pub enum Node {
    /// Rows.
    Leaf(Leaf),
    /// Children.
    Branch(Branch),
}

/// A verified leaf: every row's key and value lie inside.
#[derive(Clone, Debug)]
pub struct Leaf {
    bytes: SharedBytes,
    /// Its number.
    pub page: PageNumber,
    /// Its offset in the file.
    pub offset_bytes: u64,
    rows: usize,
    keys: Ends,
    values: Ends,
}

/// A verified branch.
#[derive(Clone, Debug)]
pub struct Branch {
    bytes: SharedBytes,
    /// Its number.
    pub page: PageNumber,
    /// Its offset in the file.
    pub offset_bytes: u64,
    children: usize,
    keys: Ends,
}

/// Where the n-th of several values that follow each other lies.
#[derive(Clone, Copy, Debug)]
struct Ends {
    /// First byte of the first value.
    start: usize,
    /// Where the ends are recorded, or the width of all values.
    layout: Layout,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    Recorded { at: usize },
    Fixed { width: usize },
}

impl Ends {
    /// End of the n-th value; `None` when it is not recorded inside the page or overflows.
    fn end(&self, bytes: &[u8], n: usize) -> Option<usize> {
        match self.layout {
            Layout::Recorded { at } => {
                usize::try_from(u32_at(bytes, at.checked_add(n.checked_mul(END_BYTES)?)?)?).ok()
            }
            Layout::Fixed { width } => {
                self.start.checked_add(width.checked_mul(n.checked_add(1)?)?)
            }
        }
    }

    fn range(&self, bytes: &[u8], n: usize) -> Option<Range<usize>> {
        let start = match n.checked_sub(1) {
            Some(before) => self.end(bytes, before)?,
            None => self.start,
        };
        Some(start..self.end(bytes, n)?)
    }

    /// The end of the last of `count` values, when all of them lie in order inside the page.
    fn last(&self, what: &'static str, bytes: &[u8], count: usize) -> Result<usize, FaultKind> {
        let limit = bytes.len();
        let mut before = self.start;
        if let Layout::Fixed { .. } = self.layout {
            before = match count.checked_sub(1) {
                Some(last) => self.end(bytes, last).unwrap_or(usize::MAX),
                None => self.start,
            };
        } else {
            for n in 0..count {
                let end = self.end(bytes, n).unwrap_or(usize::MAX);
                if end < before || end > limit {
                    let expected = format!("{before} to {limit}");
                    return Err(FaultKind::Field { what, expected, found: end.to_string() });
                }
                before = end;
            }
        }
        if before > limit { Err(bounds(what, before, limit)) } else { Ok(before) }
    }
}

fn bounds(what: &'static str, value: usize, limit: usize) -> FaultKind {
    FaultKind::Bounds { what, value: value as u64, limit: limit as u64 }
}

/// Whether the page says that it is a branch, before anything else about it is known.
///
/// # Errors
/// `Field` when it is neither that nor a leaf, or without a row.
pub fn is_branch(bytes: &[u8]) -> Result<bool, FaultKind> {
    let kind = bytes.first().copied().unwrap_or_default();
    if kind != LEAF && kind != BRANCH {
        return Err(FaultKind::Field {
            what: "type of a page",
            expected: format!("{LEAF} (leaf) or {BRANCH} (branch)"),
            found: kind.to_string(),
        });
    }
    if u16_at(bytes, 2) == Some(0) {
        return Err(FaultKind::Field {
            what: "number of keys in a page",
            expected: "at least 1".to_owned(),
            found: "0".to_owned(),
        });
    }
    Ok(kind == BRANCH)
}

/// Bytes of a leaf or branch that its checksum covers, from what its first bytes say; `None` when
/// `bytes` do not reach far enough to say so.
pub fn covered_bytes(bytes: &[u8], shape: &Shape) -> Option<usize> {
    let count = usize::from(u16_at(bytes, 2)?);
    match bytes.first()? {
        &BRANCH => branch_keys(count, shape).end(bytes, count.checked_sub(1)?),
        _ => {
            let (keys, values) = leaf_ends(bytes, count, shape)?;
            match values.layout {
                Layout::Recorded { .. } => values.end(bytes, count.checked_sub(1)?),
                Layout::Fixed { width } => {
                    let last_key = keys.end(bytes, count.checked_sub(1)?)?;
                    last_key.checked_add(width.checked_mul(count)?)
                }
            }
        }
    }
}

fn branch_keys(keys: usize, shape: &Shape) -> Ends {
    let ends_at = BRANCH_SUMS_AT + (SUM_BYTES + PAGE_NUMBER_BYTES) * (keys + 1);
    match shape.key_width {
        Some(width) => Ends { start: ends_at, layout: Layout::Fixed { width } },
        None => {
            let start = ends_at + END_BYTES * keys;
            Ends { start, layout: Layout::Recorded { at: ends_at } }
        }
    }
}

fn leaf_ends(bytes: &[u8], rows: usize, shape: &Shape) -> Option<(Ends, Ends)> {
    let mut start = LEAF_ENDS_AT;
    let mut layout = |width: Option<usize>| match width {
        Some(width) => Layout::Fixed { width },
        None => {
            let at = start;
            start += END_BYTES * rows;
            Layout::Recorded { at }
        }
    };
    let (keys, values) = (layout(shape.key_width), layout(shape.value_width));
    let keys = Ends { start, layout: keys };
    let values = Ends { start: keys.end(bytes, rows.checked_sub(1)?)?, layout: values };
    Some((keys, values))
}

impl Node {
    /// Checks a page that lies at `offset_bytes` and which its parent names `child`.
    ///
    /// # Errors
    /// What is wrong with it. Nothing of the page was believed but its own counts and ends.
    pub fn check(
        bytes: SharedBytes,
        offset_bytes: u64,
        child: Child,
        shape: &Shape,
    ) -> Result<Node, FaultKind> {
        let Child { page, checksum: expected } = child;
        let is_branch = is_branch(&bytes)?;
        let count = usize::from(u16_at(&bytes, 2).unwrap_or_default());
        if is_branch {
            let keys = branch_keys(count, shape);
            let end = keys.last("end of a key in a branch page", &bytes, count)?;
            check_sum(&bytes, end, expected, shape)?;
            return Ok(Node::Branch(Branch {
                bytes,
                page,
                offset_bytes,
                children: count + 1,
                keys,
            }));
        }
        let (keys, values) = leaf_ends(&bytes, count, shape)
            .ok_or_else(|| bounds("end of a key in a leaf page", usize::MAX, bytes.len()))?;
        keys.last("end of a key in a leaf page", &bytes, count)?;
        let end = values.last("end of a value in a leaf page", &bytes, count)?;
        check_sum(&bytes, end, expected, shape)?;
        Ok(Node::Leaf(Leaf { bytes, page, offset_bytes, rows: count, keys, values }))
    }
}

fn check_sum(bytes: &[u8], end: usize, expected: u128, shape: &Shape) -> Result<(), FaultKind> {
    let found = checksum(bytes.get(..end).unwrap_or_default());
    if found == expected {
        return Ok(());
    }
    Err(FaultKind::Checksum {
        what: shape.what,
        expected: format!("{expected:032x}"),
        found: format!("{found:032x}"),
    })
}

impl Leaf {
    /// Number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes in use, which are those that the checksum covers.
    pub fn used_bytes(&self) -> u64 {
        self.value_range(self.rows.saturating_sub(1)).map_or(0, |range| range.end as u64)
    }

    /// Key of the n-th row.
    pub fn key(&self, n: usize) -> &[u8] {
        self.keys.range(&self.bytes, n).and_then(|range| self.bytes.get(range)).unwrap_or_default()
    }

    /// The keys in their order, where all of them are numbers.
    pub fn keys_u64(&self) -> Option<impl Iterator<Item = u64>> {
        let Layout::Fixed { width: 8 } = self.keys.layout else { return None };
        let end = self.keys.end(&self.bytes, self.rows.checked_sub(1)?)?;
        let (keys, _) = self.bytes.get(self.keys.start..end)?.as_chunks::<8>();
        Some(keys.iter().map(|key| u64::from_le_bytes(*key)))
    }

    /// Where the n-th value lies in the page.
    pub fn value_range(&self, n: usize) -> Option<Range<usize>> {
        self.values.range(&self.bytes, n)
    }

    /// The page's bytes.
    pub fn buffer(&self) -> &SharedBytes {
        &self.bytes
    }

    /// The n-th value, sharing the page's buffer.
    pub fn value(&self, n: usize) -> SharedBytes {
        self.value_range(n).and_then(|range| self.bytes.slice(range)).unwrap_or_default()
    }
}

impl Branch {
    /// Number of children, at least 2.
    pub fn children(&self) -> usize {
        self.children
    }

    /// Bytes in use, which are those that the checksum covers.
    pub fn used_bytes(&self) -> u64 {
        let last = self.keys.range(&self.bytes, self.children.saturating_sub(2));
        last.map_or(0, |range| range.end as u64)
    }

    /// The n-th child.
    pub fn child(&self, n: usize) -> Option<Child> {
        if n >= self.children {
            return None;
        }
        let numbers_at = BRANCH_SUMS_AT + SUM_BYTES * self.children;
        Some(Child {
            page: PageNumber(u64_at(&self.bytes, numbers_at + PAGE_NUMBER_BYTES * n)?),
            checksum: u128_at(&self.bytes, BRANCH_SUMS_AT + SUM_BYTES * n)?,
        })
    }

    /// The n-th key: the largest that child n may hold.
    pub fn key(&self, n: usize) -> Option<&[u8]> {
        if n + 1 >= self.children {
            return None;
        }
        self.keys.range(&self.bytes, n).and_then(|range| self.bytes.get(range))
    }
}
