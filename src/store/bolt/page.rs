//! One page of a tree, checked before anything in it is believed: type, counts, bounds, order.

use std::ops::Range;

use crate::bytes::{u32_at, u64_at};
use crate::model::{FaultKind, SharedBytes};
use crate::store::bolt::format::{
    BRANCH, BUCKET_FLAG, ELEMENT_BYTES, HEADER_BYTES, KEY_BYTES_MAX, LEAF, PageHeader, PageId,
};

/// A checked page.
#[derive(Clone, Debug)]
pub enum Node {
    /// Keys and values.
    Leaf(Leaf),
    /// Children.
    Branch(Branch),
}

/// A checked leaf: every element's key and value lie inside, ascending and apart from each other.
#[derive(Clone, Debug)]
pub struct Leaf {
    bytes: SharedBytes,
    /// Its number; none for a leaf that lies inline in a bucket's value.
    pub page: Option<PageId>,
    /// Its offset in the file.
    pub offset_bytes: u64,
    /// Bytes that it owns in the file, overflow included.
    pub extent_bytes: u64,
    elements: usize,
    /// The first element that does not follow the one before it at once.
    pub loose: Option<usize>,
}

/// An element of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Whether the value is a bucket.
    pub is_bucket: bool,
    /// Where the key lies in the leaf.
    pub key: Range<usize>,
    /// Where the value lies in the leaf.
    pub value: Range<usize>,
}

/// A checked branch, with at least one child.
#[derive(Clone, Debug)]
pub struct Branch {
    bytes: SharedBytes,
    /// Its number.
    pub page: PageId,
    /// Its offset in the file.
    pub offset_bytes: u64,
    /// Bytes that it owns in the file, overflow included.
    pub extent_bytes: u64,
    children: usize,
}

/// What stands in the place of an element, before it is compared with anything.
struct Raw {
    flags: u32,
    key_at: u64,
    key_bytes: u64,
    value_bytes: u64,
}

impl Raw {
    fn of_leaf(bytes: &[u8], n: usize) -> Option<Raw> {
        let at = element_at(n)?;
        Some(Raw {
            flags: u32_at(bytes, at)?,
            key_at: (at as u64).checked_add(u32_at(bytes, at + 4)?.into())?,
            key_bytes: u32_at(bytes, at + 8)?.into(),
            value_bytes: u32_at(bytes, at + 12)?.into(),
        })
    }

    fn of_branch(bytes: &[u8], n: usize) -> Option<Raw> {
        let at = element_at(n)?;
        Some(Raw {
            flags: 0,
            key_at: (at as u64).checked_add(u32_at(bytes, at)?.into())?,
            key_bytes: u32_at(bytes, at + 4)?.into(),
            value_bytes: 0,
        })
    }

    fn of(header: &PageHeader, bytes: &[u8], n: usize) -> Option<Raw> {
        match header.flags {
            BRANCH => Raw::of_branch(bytes, n),
            _ => Raw::of_leaf(bytes, n),
        }
    }

    fn end(&self) -> u64 {
        self.key_at.saturating_add(self.key_bytes).saturating_add(self.value_bytes)
    }
}

fn element_at(n: usize) -> Option<usize> {
    n.checked_mul(ELEMENT_BYTES)?.checked_add(HEADER_BYTES)
}

/// Bytes from the beginning of a page to the end of its array of elements.
pub fn array_bytes(header: &PageHeader) -> usize {
    HEADER_BYTES + ELEMENT_BYTES * usize::from(header.count)
}

/// Bytes from the beginning of a page to the end of what its elements say that they hold; `bytes`
/// must reach to the end of the array.
pub fn used_bytes(header: &PageHeader, bytes: &[u8]) -> u64 {
    let ends = (0..usize::from(header.count)).filter_map(|n| Raw::of(header, bytes, n));
    ends.map(|raw| raw.end()).max().unwrap_or_default().max(array_bytes(header) as u64)
}

/// Checks that a header is of a page of a tree that calls itself `id`.
///
/// # Errors
/// `Field` for another number, another type, or a branch without children.
pub fn check_header(header: &PageHeader, id: PageId) -> Result<(), FaultKind> {
    let field =
        |what, expected: String, found: String| Err(FaultKind::Field { what, expected, found });
    if header.flags != BRANCH && header.flags != LEAF {
        let expected = format!("{BRANCH:#x} (branch) or {LEAF:#x} (leaf)");
        return field("type of a page", expected, format!("{:#x}", header.flags));
    }
    if header.id != id {
        return field("number of a page", id.to_string(), header.id.to_string());
    }
    if header.flags == BRANCH && header.count == 0 {
        return field("children of a branch", "at least 1".to_owned(), "0".to_owned());
    }
    Ok(())
}

/// Where a page lies.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// First byte in the file.
    pub offset_bytes: u64,
    /// Bytes owned.
    pub len_bytes: u64,
}

impl Node {
    /// Checks a page whose header was checked; `bytes` are all that its elements use.
    ///
    /// # Errors
    /// Which element reaches where it must not.
    pub fn check(
        bytes: SharedBytes,
        header: &PageHeader,
        extent: Extent,
    ) -> Result<Node, FaultKind> {
        let Extent { offset_bytes, len_bytes: extent_bytes } = extent;
        let count = usize::from(header.count);
        let loose = check_elements(header, &bytes, extent_bytes)?;
        Ok(if header.flags == BRANCH {
            let page = header.id;
            Node::Branch(Branch { bytes, page, offset_bytes, extent_bytes, children: count })
        } else {
            let page = Some(header.id);
            Node::Leaf(Leaf { bytes, page, offset_bytes, extent_bytes, elements: count, loose })
        })
    }
}

/// Checks the bounds of all elements; returns the first that does not follow the one before it.
fn check_elements(
    header: &PageHeader,
    bytes: &[u8],
    extent_bytes: u64,
) -> Result<Option<usize>, FaultKind> {
    let bounds = |what, value, limit| Err(FaultKind::Bounds { what, value, limit });
    let array = array_bytes(header) as u64;
    if array > extent_bytes {
        return bounds("end of the elements of a page", array, extent_bytes);
    }
    let limit = extent_bytes.min(bytes.len() as u64);
    let (mut end, mut loose) = (array, None);
    for n in 0..usize::from(header.count) {
        let Some(raw) = Raw::of(header, bytes, n) else {
            return bounds("end of the elements of a page", array, limit);
        };
        if raw.flags > BUCKET_FLAG {
            let (expected, found) = ("0 or 1 (a bucket)".to_owned(), raw.flags.to_string());
            return Err(FaultKind::Field { what: "flags of an element", expected, found });
        }
        if raw.key_bytes == 0 || raw.key_bytes > KEY_BYTES_MAX {
            let expected = format!("1 to {KEY_BYTES_MAX}");
            let found = raw.key_bytes.to_string();
            return Err(FaultKind::Field { what: "size of a key", expected, found });
        }
        if raw.end() > limit {
            return bounds("end of an element", raw.end(), limit);
        }
        if raw.key_at < end {
            let expected = format!("{end} or more, behind the element before");
            let found = raw.key_at.to_string();
            return Err(FaultKind::Field { what: "beginning of an element", expected, found });
        }
        if raw.key_at > end {
            loose.get_or_insert(n);
        }
        end = raw.end();
    }
    Ok(loose)
}

impl Leaf {
    /// Checks the leaf that lies inline in a bucket's value, at `offset_bytes` in the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn inline(bytes: SharedBytes, offset_bytes: u64) -> Result<Leaf, FaultKind> {
        let extent_bytes = bytes.len() as u64;
        let header = PageHeader::read(&bytes).ok_or(FaultKind::Short {
            what: "inline page of a bucket",
            needed_bytes: HEADER_BYTES as u64,
            found_bytes: extent_bytes,
        })?;
        let expected = PageHeader { id: PageId(0), flags: LEAF, overflow: 0, ..header };
        if header != expected {
            let PageHeader { id, flags, overflow, .. } = header;
            return Err(FaultKind::Field {
                what: "header of an inline page",
                expected: format!("id 0, flags {LEAF:#x}, overflow 0"),
                found: format!("id {id}, flags {flags:#x}, overflow {overflow}"),
            });
        }
        let loose = check_elements(&header, &bytes, extent_bytes)?;
        let elements = usize::from(header.count);
        Ok(Leaf { bytes, page: None, offset_bytes, extent_bytes, elements, loose })
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The n-th element.
    pub fn element(&self, n: usize) -> Option<Element> {
        if n >= self.elements {
            return None;
        }
        let raw = Raw::of_leaf(&self.bytes, n)?;
        let start = usize::try_from(raw.key_at).ok()?;
        let middle = start.checked_add(usize::try_from(raw.key_bytes).ok()?)?;
        let end = middle.checked_add(usize::try_from(raw.value_bytes).ok()?)?;
        Some(Element {
            is_bucket: raw.flags & BUCKET_FLAG != 0,
            key: start..middle,
            value: middle..end,
        })
    }

    /// Bytes of the leaf.
    pub fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// The buffer that ranges of elements speak of.
    pub fn buffer(&self) -> &SharedBytes {
        &self.bytes
    }

    /// Bytes of the leaf, sharing its buffer.
    pub fn shared(&self, range: Range<usize>) -> SharedBytes {
        self.bytes.slice(range).unwrap_or_default()
    }

    /// Key of the n-th element.
    pub fn key(&self, n: usize) -> &[u8] {
        self.element(n).map(|element| self.slice(&element.key)).unwrap_or_default()
    }

    /// Bytes up to the end of the last element.
    pub fn used_bytes(&self) -> u64 {
        let last = self.elements.checked_sub(1).and_then(|last| self.element(last));
        last.map_or(HEADER_BYTES as u64, |element| element.value.end as u64)
    }
}

impl Branch {
    /// Number of children, at least 1.
    pub fn children(&self) -> usize {
        self.children
    }

    /// The n-th child.
    pub fn child(&self, n: usize) -> Option<PageId> {
        if n >= self.children {
            return None;
        }
        u64_at(&self.bytes, element_at(n)? + 8).map(PageId)
    }

    /// The n-th key: no key of child n is below it.
    pub fn key(&self, n: usize) -> Option<SharedBytes> {
        if n >= self.children {
            return None;
        }
        let raw = Raw::of_branch(&self.bytes, n)?;
        let start = usize::try_from(raw.key_at).ok()?;
        self.bytes.slice(start..start.checked_add(usize::try_from(raw.key_bytes).ok()?)?)
    }

    /// Bytes up to the end of the last element.
    pub fn used_bytes(&self) -> u64 {
        let raw = self.children.checked_sub(1).and_then(|n| Raw::of_branch(&self.bytes, n));
        raw.map_or(HEADER_BYTES as u64, |raw| raw.end())
    }
}
