//! The bytes of a BoltDB file; all integers little-endian.
//!
//! A page begins with a header: id u64, flags u16, count u16, overflow u32 (further pages that it
//! owns). Pages 0 and 1 hold a meta behind it: magic u32, version u32 (2), page size u32, flags
//! u32, root page u64, root sequence u64, freelist page u64 (all ones: none), first page never used
//! u64, transaction u64, and FNV-1a of the 56 bytes before (0 in very old files). Branch elements:
//! distance to the key u32, key size u32, child u64. Leaf elements: flags u32 (1: a bucket),
//! distance u32, key size u32, value size u32; the value follows its key. Distances count from the
//! element itself. A bucket's value: root page u64 (0: a leaf page follows inline), sequence u64.

use std::fmt;

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::model::FaultKind;

/// Bytes of a page's header.
pub const HEADER_BYTES: usize = 16;
/// Bytes of an element of a branch or leaf.
pub const ELEMENT_BYTES: usize = 16;
/// Where in its page a meta lies.
pub const META_AT: u64 = HEADER_BYTES as u64;
/// Bytes of a meta.
pub const META_BYTES: usize = 64;
/// Bytes of a meta that its checksum covers.
pub const META_COVERED_BYTES: usize = 56;
/// Bytes of a bucket's value before what may follow inline.
pub const BUCKET_BYTES: usize = 16;
/// First bytes of a meta.
pub const MAGIC: [u8; 4] = [0xed, 0xda, 0x0c, 0xed];
/// The only version.
pub const VERSION: u32 = 2;
/// Flags of a branch page.
pub const BRANCH: u16 = 0x01;
/// Flags of a leaf page.
pub const LEAF: u16 = 0x02;
/// Flags of a meta page.
pub const META: u16 = 0x04;
/// Flags of a freelist page.
pub const FREELIST: u16 = 0x10;
/// Flag of a leaf element that is a bucket.
pub const BUCKET_FLAG: u32 = 1;
/// Count of a freelist page whose true count follows the header.
pub const COUNT_FOLLOWS: u16 = 0xffff;
/// Freelist page of a file that has none.
pub const NO_FREELIST: u64 = u64::MAX;
/// Smallest page size.
pub const PAGE_BYTES_MIN: u64 = 1 << 10;
/// Largest page size.
pub const PAGE_BYTES_MAX: u64 = 16 << 20;
/// Longest key.
pub const KEY_BYTES_MAX: u64 = 32_768;
/// Pages before this one hold metas.
pub const FIRST_PAGE: PageId = PageId(2);

/// Number of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId(pub u64);

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A page's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// Its own number.
    pub id: PageId,
    /// Type.
    pub flags: u16,
    /// Elements.
    pub count: u16,
    /// Further pages that it owns.
    pub overflow: u32,
}

impl PageHeader {
    /// Reads a header; `None` when `bytes` end before.
    pub fn read(bytes: &[u8]) -> Option<PageHeader> {
        Some(PageHeader {
            id: PageId(u64_at(bytes, 0)?),
            flags: u16_at(bytes, 8)?,
            count: u16_at(bytes, 10)?,
            overflow: u32_at(bytes, 12)?,
        })
    }

    /// Appends the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.0.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.overflow.to_le_bytes());
    }
}

/// A meta whose fields are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Bytes of a page.
    pub page_bytes: u64,
    /// Root page of the tree of buckets.
    pub root: PageId,
    /// Freelist page, where the file has one.
    pub freelist: Option<PageId>,
    /// First page never used.
    pub end: PageId,
    /// The transaction that wrote it.
    pub transaction: u64,
    /// Whether it has a checksum; files of very old libraries have none.
    pub has_checksum: bool,
}

impl Meta {
    /// Reads a meta.
    ///
    /// # Errors
    /// What is wrong with it. Nothing in it is believed then.
    pub fn read(bytes: &[u8]) -> Result<Meta, FaultKind> {
        let parsed = Meta::parse(bytes).ok_or(FaultKind::Short {
            what: "meta",
            needed_bytes: META_BYTES as u64,
            found_bytes: bytes.len() as u64,
        })?;
        let field =
            |what, expected: String, found: String| Err(FaultKind::Field { what, expected, found });
        let (meta, version, expected) = parsed;
        if !bytes.starts_with(&MAGIC) {
            let found = hex(bytes.get(..4).unwrap_or_default());
            return field("magic number of a meta", hex(&MAGIC), found);
        }
        if version != VERSION {
            return field("version of a meta", VERSION.to_string(), version.to_string());
        }
        let found = fnv1a(bytes.get(..META_COVERED_BYTES).unwrap_or_default());
        if expected != 0 && expected != found {
            return Err(FaultKind::Checksum {
                what: "meta",
                expected: format!("{expected:016x}"),
                found: format!("{found:016x}"),
            });
        }
        if !(PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&meta.page_bytes) {
            let expected = format!("{PAGE_BYTES_MIN} to {PAGE_BYTES_MAX}");
            return field("page size in a meta", expected, meta.page_bytes.to_string());
        }
        Ok(meta)
    }

    /// The fields as they are, with the version and the checksum.
    fn parse(bytes: &[u8]) -> Option<(Meta, u32, u64)> {
        let checksum = u64_at(bytes, 56)?;
        let freelist = u64_at(bytes, 32)?;
        let meta = Meta {
            page_bytes: u32_at(bytes, 8)?.into(),
            root: PageId(u64_at(bytes, 16)?),
            freelist: (freelist != NO_FREELIST).then_some(PageId(freelist)),
            end: PageId(u64_at(bytes, 40)?),
            transaction: u64_at(bytes, 48)?,
            has_checksum: checksum != 0,
        };
        Some((meta, u32_at(bytes, 4)?, checksum))
    }

    /// Transaction and page size that a meta claims, whatever else is wrong with it; `None` without
    /// the magic number.
    pub fn claims(bytes: &[u8]) -> Option<(u64, u64)> {
        let (meta, ..) = Meta::parse(bytes).filter(|_| bytes.starts_with(&MAGIC))?;
        Some((meta.transaction, meta.page_bytes))
    }

    /// Appends the meta with its checksum.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let page_bytes = u32::try_from(self.page_bytes).unwrap_or(u32::MAX);
        out.extend_from_slice(&page_bytes.to_le_bytes());
        out.extend_from_slice(&0u32.to_le_bytes());
        let freelist = self.freelist.map_or(NO_FREELIST, |page| page.0);
        for number in [self.root.0, 0, freelist, self.end.0, self.transaction] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let checksum = fnv1a(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&checksum.to_le_bytes());
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// FNV-1a, 64 bits.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
