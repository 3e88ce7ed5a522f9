//! Buckets: what the value of a flagged element means, and what a tree of them lists.

use crate::bytes::u64_at;
use crate::model::{Code, Fault, FaultKind};
use crate::store::StoreError;
use crate::store::bolt::format::{BUCKET_BYTES, PageId};
use crate::store::bolt::page::{Element, Leaf};
use crate::store::bolt::pages::Pages;
use crate::store::bolt::tree::{Root, Visit, Walk};

/// Buckets that are listed at most; no program around a Raft log has more than a few.
const BUCKETS_MAX: usize = 4096;

/// A bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: Vec<u8>,
    /// Where its tree begins.
    pub root: Root,
}

impl Bucket {
    /// Reads the bucket that an element of `leaf` is.
    ///
    /// # Errors
    /// What is wrong with its value.
    pub fn read(leaf: &Leaf, element: &Element) -> Result<Bucket, FaultKind> {
        let value = leaf.slice(&element.value);
        let short = FaultKind::Short {
            what: "value of a bucket",
            needed_bytes: BUCKET_BYTES as u64,
            found_bytes: value.len() as u64,
        };
        let root = u64_at(value, 0).filter(|_| value.len() >= BUCKET_BYTES).ok_or(short)?;
        let name = leaf.slice(&element.key).to_vec();
        if root == 0 {
            let start = element.value.start + BUCKET_BYTES;
            let offset = leaf.offset_bytes.saturating_add(start as u64);
            let inline = leaf.shared(start..element.value.end);
            return Ok(Bucket { name, root: Root::Inline(inline, offset) });
        }
        if value.len() != BUCKET_BYTES {
            return Err(FaultKind::Field {
                what: "value of a bucket that has a page",
                expected: format!("{BUCKET_BYTES} bytes"),
                found: format!("{} bytes", value.len()),
            });
        }
        Ok(Bucket { name, root: Root::Page(PageId(root)) })
    }
}

/// The buckets below `root` by name, and what could not be read of them.
///
/// # Errors
/// Only when the file cannot be read.
pub fn buckets(pages: &Pages, root: Root) -> Result<(Vec<Bucket>, Vec<Fault>), StoreError> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    let mut walk = Walk::new(pages, root);
    while let Some(visit) = walk.step() {
        match visit? {
            Visit::Branch(_) => {}
            Visit::Leaf(leaf) => {
                for element in (0..leaf.elements()).filter_map(|n| leaf.element(n)) {
                    if found.len() + faults.len() >= BUCKETS_MAX {
                        return Ok((found, faults));
                    }
                    match bucket_of(pages, &leaf, &element) {
                        Ok(bucket) => found.push(bucket),
                        Err(fault) => faults.push(*fault),
                    }
                }
            }
            Visit::Damaged(damaged) => faults.push(*damaged.fault),
        }
    }
    Ok((found, faults))
}

/// The bucket that an element of the root bucket must be.
fn bucket_of(pages: &Pages, leaf: &Leaf, element: &Element) -> Result<Bucket, Box<Fault>> {
    let read = if element.is_bucket {
        Bucket::read(leaf, element)
    } else {
        Err(FaultKind::Field {
            what: "element of the root bucket",
            expected: "a bucket".to_owned(),
            found: "a plain value".to_owned(),
        })
    };
    read.map_err(|kind| {
        Box::new(Fault::new(Code::R119, kind).at(element_place(pages, leaf, element)))
    })
}

/// Where the value of an element lies.
pub fn element_place(pages: &Pages, leaf: &Leaf, element: &Element) -> crate::model::Place {
    let offset = leaf.offset_bytes.saturating_add(element.value.start as u64);
    pages.place(offset, element.value.len() as u64)
}
