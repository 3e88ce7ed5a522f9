//! The bytes of a redb file, file formats 2 and 3. All integers are little-endian.
//!
//! Header, the first 320 bytes of page 0, covered by no checksum:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 9 | magic number, `redb` 1a 0a a9 0d 0a |
//! | 9 | 1 | god byte: bit 0 primary slot, bit 1 recovery required, bit 2 two-phase commit |
//! | 12 | u32 | page size, always 4096 |
//! | 16 | u32 | header pages of a region: 130 when made by redb 2, 0 by redb 3 and newer |
//! | 20 | u32 | largest number of data pages in a region, at most 2^20 |
//! | 24 | u32 | full regions; means nothing while bit 1 is set |
//! | 28 | u32 | data pages in the last, partial region; the same |
//! | 64 | 128 | commit slot 0 |
//! | 192 | 128 | commit slot 1 |
//!
//! Commit slot:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | u8 | file format version |
//! | 1, 2, 3 | u8 | presence of the user root, the system root, the freed root (format 2 only) |
//! | 8, 40, 72 | 32 | these roots: page number u64, checksum u128, length u64 |
//! | 104 | u64 | transaction id |
//! | 112 | u128 | XXH3-128 of the slot's bytes 0 to 111 |
//!
//! Page number: bits 0 to 19 index in units of the page's size, 20 to 39 region, 59 to 63 order;
//! a page has 4096 << order bytes.
//!
//! Leaf page: u8 1; count u16 at 2; from 4 the key ends (u32 each, unless keys have a fixed width),
//! the value ends (likewise), keys, values. Branch page: u8 2; number of keys n u16 at 2; from 8
//! the n + 1 checksums u128 of its children, their n + 1 page numbers u64, the key ends (unless
//! fixed), keys. Ends are offsets in the page. Child i holds the keys above key i - 1, up to and
//! including key i. A page's checksum lies in its parent and covers it up to its last value's or
//! key's end.
//!
//! Table definition, the value of a table's name in the table tree: kind u8 (3 normal, 4 multimap),
//! row count u64, presence u8 and root (32 bytes), presence u8 and fixed key width u32, presence u8
//! and fixed value width u32, two alignments u32 (1), length u32 of the key type, key type, value
//! type; a type is a class byte and its name.
//!
//! redb (cberner/redb) writes it: `src/tree_store/page_store/header.rs`, `btree_base.rs`. A reader
//! of its own believes pages without a look at their checksums; we never do.

use crate::bytes::{u32_at, u64_at, u128_at};

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

/// Beginning of every redb file.
pub const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";
/// Bytes of the header that mean something.
pub const HEADER_BYTES: usize = 320;
/// Size of a page of order 0.
pub const PAGE_BYTES: u64 = 4096;
/// Largest order that redb allocates: 4 GiB.
pub const ORDER_MAX: u8 = 20;
/// Data pages in a region at most; the index of a page has 20 bits.
pub const REGION_PAGES_MAX: u32 = 1 << 20;
/// Deepest tree that is walked; a real one of this depth would hold more rows than there are keys.
pub const DEPTH_MAX: usize = 64;

/// Where each part of the header lies.
pub const GOD_BYTE_AT: usize = 9;
/// Offset of the page size.
pub const PAGE_SIZE_AT: usize = 12;
const REGION_HEADER_PAGES_AT: usize = 16;
const REGION_MAX_PAGES_AT: usize = 20;
const FULL_REGIONS_AT: usize = 24;
const TRAILING_PAGES_AT: usize = 28;
/// Offsets of the two commit slots.
pub const SLOTS_AT: [usize; 2] = [64, 192];
/// Bytes of a commit slot.
pub const SLOT_BYTES: usize = 128;
const ROOTS_AT: [usize; 3] = [8, 40, 72];
const TRANSACTION_AT: usize = 104;
const SLOT_CHECKSUM_AT: usize = 112;

/// Type byte of a leaf page.
pub const LEAF: u8 = 1;
/// Type byte of a branch page.
pub const BRANCH: u8 = 2;
/// Offset of the key or value ends in a leaf.
pub const LEAF_ENDS_AT: usize = 4;
/// Offset of the children's checksums in a branch.
pub const BRANCH_SUMS_AT: usize = 8;
/// Bytes of a child's checksum.
pub const SUM_BYTES: usize = 16;
/// Bytes of a page number.
pub const PAGE_NUMBER_BYTES: usize = 8;
/// Bytes of a key's or value's end.
pub const END_BYTES: usize = 4;
/// Bytes of a root: page number, checksum, length.
pub const ROOT_BYTES: usize = 32;

/// Why the first bytes of a file are redb's, if they are: its magic number, or, where that is
/// damaged, a commit slot whose checksum fits.
pub fn recognise(head: &[u8]) -> Option<String> {
    if head.starts_with(&MAGIC) {
        return Some("magic number of redb at byte 0".to_owned());
    }
    let header = Header::read(head)?;
    let slot = header.slots.iter().position(|slot| slot.fits() && slot.version > 0)?;
    Some(format!("no magic number, but redb's checksum of commit slot {slot} fits"))
}

/// The checksum that redb puts over slots and pages.
pub fn checksum(bytes: &[u8]) -> u128 {
    xxh3_128(bytes)
}

/// Number of a page: region, index and order in one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageNumber(pub u64);

impl PageNumber {
    /// The page has 4096 << order bytes.
    pub fn order(self) -> u8 {
        self.0.to_be_bytes()[0] >> 3
    }

    /// Which region it lies in.
    pub fn region(self) -> u64 {
        self.0 >> 20 & 0xf_ffff
    }

    /// Position in the region, in units of the page's own size.
    pub fn index(self) -> u64 {
        (self.0 & 0xf_ffff) & (0xf_ffff >> self.order().min(ORDER_MAX))
    }

    /// Size in bytes; only for an order that was checked against [`ORDER_MAX`].
    pub fn size_bytes(self) -> u64 {
        PAGE_BYTES << self.order().min(ORDER_MAX)
    }
}

impl fmt::Debug for PageNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {}.{}/{}", self.region(), self.index(), self.order())
    }
}

/// A page as its parent names it: number and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// Which page.
    pub page: PageNumber,
    /// Checksum of its contents.
    pub checksum: u128,
}

/// Root of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its page.
    pub child: Child,
    /// Rows in the tree.
    pub length: u64,
}

impl Root {
    /// Reads a root at `at`.
    pub fn at(bytes: &[u8], at: usize) -> Option<Root> {
        Some(Root {
            child: Child {
                page: PageNumber(u64_at(bytes, at)?),
                checksum: u128_at(bytes, at + PAGE_NUMBER_BYTES)?,
            },
            length: u64_at(bytes, at + PAGE_NUMBER_BYTES + SUM_BYTES)?,
        })
    }
}

/// One of the two commit slots, as it lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// File format version.
    pub version: u8,
    /// Table tree.
    pub user: Option<Root>,
    /// redb's own tables.
    pub system: Option<Root>,
    /// Pages to be freed; format 2 only.
    pub freed: Option<Root>,
    /// Transaction that wrote the slot.
    pub transaction: u64,
    /// The checksum in the slot.
    pub stored: u128,
    /// The checksum over the slot.
    pub computed: u128,
}

impl Slot {
    /// Whether the slot's checksum fits.
    pub fn fits(&self) -> bool {
        self.stored == self.computed
    }

    /// Gives the table tree of a slot's bytes another checksum, and the slot with it.
    pub fn set_user_checksum(slot: &mut [u8], of_tree: u128) -> Option<()> {
        let [user_at, ..] = ROOTS_AT;
        let at = user_at + PAGE_NUMBER_BYTES;
        slot.get_mut(at..at + SUM_BYTES)?.copy_from_slice(&of_tree.to_le_bytes());
        let own = checksum(slot.get(..SLOT_CHECKSUM_AT)?);
        let place = slot.get_mut(SLOT_CHECKSUM_AT..SLOT_CHECKSUM_AT + SUM_BYTES)?;
        place.copy_from_slice(&own.to_le_bytes());
        Some(())
    }

    fn read(bytes: &[u8]) -> Option<Slot> {
        let version = *bytes.first()?;
        let mut roots = ROOTS_AT
            .iter()
            .zip(bytes.get(1..4)?)
            .map(|(at, present)| if *present == 0 { None } else { Root::at(bytes, *at) });
        let (user, system, freed) = (roots.next()?, roots.next()?, roots.next()?);
        Some(Slot {
            version,
            user,
            system,
            freed: if version == 2 { freed } else { None },
            transaction: u64_at(bytes, TRANSACTION_AT)?,
            stored: u128_at(bytes, SLOT_CHECKSUM_AT)?,
            computed: checksum(bytes.get(..SLOT_CHECKSUM_AT)?),
        })
    }
}

/// How the file is divided; covered by no checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Geometry {
    /// Header pages at the beginning of each region.
    pub region_header_pages: u32,
    /// Largest number of data pages of a region.
    pub region_max_pages: u32,
    /// Full regions; means nothing while recovery is required.
    pub full_regions: u32,
    /// Data pages of the last, partial region; the same.
    pub trailing_pages: u32,
}

impl Geometry {
    /// Header and data pages of a full region; never more than redb allows, so that nothing
    /// computed with them overflows.
    fn region_pages(&self) -> (u64, u64) {
        let most = REGION_PAGES_MAX;
        (self.region_header_pages.min(most).into(), self.region_max_pages.min(most).into())
    }

    /// The file's size by the recorded regions, in bytes.
    pub fn recorded_bytes(&self) -> u64 {
        let (header, data) = self.region_pages();
        let full = u64::from(self.full_regions) * (header + data);
        let trailing = match self.trailing_pages {
            0 => 0,
            pages => header + u64::from(pages),
        };
        (1 + full).saturating_add(trailing).saturating_mul(PAGE_BYTES)
    }

    /// Offset of a page in the file, in bytes; its order must have been checked.
    pub fn offset_bytes(&self, page: PageNumber) -> u64 {
        let (header, data) = self.region_pages();
        let region = page.region() * (header + data);
        (1 + region + header) * PAGE_BYTES + page.index() * page.size_bytes()
    }

    /// Whether the page ends inside its region.
    pub fn holds(&self, page: PageNumber) -> bool {
        let end = (page.index() + 1) << page.order().min(ORDER_MAX);
        end <= u64::from(self.region_max_pages)
    }
}

/// The header, as it lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The first nine bytes.
    pub magic: [u8; 9],
    /// Primary slot and state of the file.
    pub god: u8,
    /// Page size.
    pub page_size: u32,
    /// Regions.
    pub geometry: Geometry,
    /// Both commit slots.
    pub slots: [Slot; 2],
}

impl Header {
    /// Reads a header; `None` when fewer than [`HEADER_BYTES`] are there.
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let slot = |at: usize| Slot::read(bytes.get(at..at + SLOT_BYTES)?);
        let [first, second] = SLOTS_AT;
        Some(Header {
            magic: *bytes.first_chunk()?,
            god: *bytes.get(GOD_BYTE_AT)?,
            page_size: u32_at(bytes, PAGE_SIZE_AT)?,
            geometry: Geometry {
                region_header_pages: u32_at(bytes, REGION_HEADER_PAGES_AT)?,
                region_max_pages: u32_at(bytes, REGION_MAX_PAGES_AT)?,
                full_regions: u32_at(bytes, FULL_REGIONS_AT)?,
                trailing_pages: u32_at(bytes, TRAILING_PAGES_AT)?,
            },
            slots: [slot(first)?, slot(second)?],
        })
    }

    /// Whether the slot that the god byte names is the second one.
    pub fn primary_is_second(&self) -> bool {
        self.god & 1 != 0
    }

    /// Whether the file was not closed (it is open, or its process died).
    pub fn recovery_required(&self) -> bool {
        self.god & 2 != 0
    }

    /// Whether the primary slot was written by a two-phase commit and is final.
    pub fn two_phase(&self) -> bool {
        self.god & 4 != 0
    }
}

/// A table as the table tree describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDefinition {
    /// Whether a key may have many values.
    pub multimap: bool,
    /// Rows.
    pub rows: u64,
    /// Root of its tree; none without rows.
    pub root: Option<Root>,
    /// Width of all keys, where they have one.
    pub key_width: Option<usize>,
    /// Width of all values, where they have one.
    pub value_width: Option<usize>,
    /// Key type's class byte and name.
    pub key_type: TypeName,
    /// Value type's class byte and name.
    pub value_type: TypeName,
}

/// Name of a type as redb records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName {
    /// 1 internal, 2 user-defined; 3 a tuple of no fixed width since redb 3, 4 anything made of
    /// other types since redb 4.2.
    pub class: u8,
    /// The name.
    pub name: String,
}

impl TypeName {
    const CLASSES: std::ops::RangeInclusive<u8> = 1..=4;
    const INTERNAL: u8 = 1;
    const TUPLE: u8 = 3;
    const COMPOSITE: u8 = 4;

    /// The class that redb 3 gives a type with values of this width.
    fn older_class(&self, width: Option<usize>) -> u8 {
        match self.class {
            Self::COMPOSITE if self.name.starts_with('(') && width.is_none() => Self::TUPLE,
            Self::COMPOSITE => Self::INTERNAL,
            other => other,
        }
    }

    fn read(bytes: &[u8]) -> Option<TypeName> {
        let (class, name) = bytes.split_first()?;
        if !TypeName::CLASSES.contains(class) {
            return None;
        }
        let name = std::str::from_utf8(name).ok()?.to_owned();
        Some(TypeName { class: *class, name })
    }

    /// Whether this is redb's own type `name`.
    pub fn is(&self, name: &str) -> bool {
        self.class != 2 && self.name == name
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TableDefinition {
    const NORMAL: u8 = 3;
    const MULTIMAP: u8 = 4;
    const WIDTHS_AT: usize = 10 + ROOT_BYTES;
    const ALIGNMENTS_AT: usize = Self::WIDTHS_AT + 10;
    const TYPES_AT: usize = Self::ALIGNMENTS_AT + 12;

    /// Gives the types of a definition the classes that redb 3 has for them.
    ///
    /// # Errors
    /// As [`TableDefinition::read`].
    pub fn set_older_classes(bytes: &mut [u8]) -> Result<(), &'static str> {
        let read = TableDefinition::read(bytes)?;
        let value_at = Self::TYPES_AT + 1 + read.key_type.name.len();
        let key = read.key_type.older_class(read.key_width);
        let value = read.value_type.older_class(read.value_width);
        *bytes.get_mut(Self::TYPES_AT).ok_or("key type")? = key;
        *bytes.get_mut(value_at).ok_or("value type")? = value;
        Ok(())
    }

    /// Reads a definition; the error says which field is not as it must be.
    ///
    /// # Errors
    /// Name of the field that is cut or holds what redb never writes.
    pub fn read(bytes: &[u8]) -> Result<TableDefinition, &'static str> {
        let kind = *bytes.first().ok_or("kind")?;
        if kind != Self::NORMAL && kind != Self::MULTIMAP {
            return Err("kind");
        }
        let rows = u64_at(bytes, 1).ok_or("row count")?;
        let root = match bytes.get(9) {
            Some(0) => None,
            Some(1) => Some(Root::at(bytes, 10).ok_or("root")?),
            _ => return Err("root"),
        };
        let key_width = width_at(bytes, Self::WIDTHS_AT).ok_or("key width")?;
        let value_width = width_at(bytes, Self::WIDTHS_AT + 5).ok_or("value width")?;
        for at in [Self::ALIGNMENTS_AT, Self::ALIGNMENTS_AT + 4] {
            if u32_at(bytes, at) != Some(1) {
                return Err("alignment");
            }
        }
        let key_type_len = u32_at(bytes, Self::ALIGNMENTS_AT + 8).ok_or("key type")?;
        let types = bytes.get(Self::TYPES_AT..).ok_or("key type")?;
        let key_type_len = usize::try_from(key_type_len).map_err(|_| "key type")?;
        let (key_type, value_type) = types.split_at_checked(key_type_len).ok_or("key type")?;
        Ok(TableDefinition {
            multimap: kind == Self::MULTIMAP,
            rows,
            root,
            key_width,
            value_width,
            key_type: TypeName::read(key_type).ok_or("key type")?,
            value_type: TypeName::read(value_type).ok_or("value type")?,
        })
    }
}

/// Outer `None`: not readable. Inner `None`: no fixed width.
fn width_at(bytes: &[u8], at: usize) -> Option<Option<usize>> {
    let width = u32_at(bytes, at + 1)?;
    match bytes.get(at)? {
        0 => Some(None),
        1 => Some(Some(usize::try_from(width).ok()?)),
        _ => None,
    }
}
