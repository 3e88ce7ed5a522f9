//! Recognising a BoltDB file and what its buckets are for. Only a look, no reading.
//!
//! Little-endian. Page 0 and page 1 hold a meta at byte 16: magic u32, version u32 (2), page size
//! u32, flags u32, root page u64, sequence u64, freelist u64, high-water mark u64, transaction u64,
//! FNV-1a of the 56 bytes before (0 in very old files). A leaf page has flags 2 at byte 8, a count
//! u16 at 10, and from 16 elements of 16 bytes: flags, distance to the key, key size, value size.

use std::path::Path;

use crate::store::{StoreError, io_error};
use crate::vfs::VfsFile;

const META_AT: u64 = 16;
const META_BYTES: usize = 64;
const MAGIC: [u8; 4] = [0xed, 0xda, 0x0c, 0xed];
const VERSION: u32 = 2;
/// Page sizes run from 1 KiB to 16 MiB; the second meta lies behind the first page.
const PAGE_SIZE_MIN: u64 = 1 << 10;
const PAGE_SIZE_MAX: u64 = 16 << 20;
const LEAF_FLAGS: u16 = 2;
const ROOT_READ_BYTES: usize = 4096;
const NAMES_MAX: usize = 16;

/// What a BoltDB file is, as far as its buckets tell.
pub(super) enum Bolt {
    /// The log and stable store of hashicorp/raft-boltdb.
    RaftBoltDb(String),
    /// The metadata of a hashicorp/raft-wal directory.
    RaftWalMetadata(String),
    /// The state machine of Vault or OpenBao.
    VaultState,
    /// Another database, in words.
    Other(String),
    /// Written on a machine of the other byte order.
    OtherByteOrder,
}

struct Meta {
    page_size: u64,
    root: u64,
    transaction: u64,
}

/// What `file` is when it is a BoltDB file.
///
/// # Errors
/// Only when the file cannot be read.
pub(super) fn recognise(
    file: &dyn VfsFile,
    path: &Path,
    size: u64,
) -> Result<Option<Bolt>, StoreError> {
    let first = meta_at(file, path, META_AT)?;
    if first.swapped {
        return Ok(Some(Bolt::OtherByteOrder));
    }
    let mut metas: Vec<Meta> = first.meta.into_iter().collect();
    let mut page_size = metas.first().map_or(PAGE_SIZE_MIN, |meta| meta.page_size);
    let last = metas.first().map_or(PAGE_SIZE_MAX, |meta| meta.page_size);
    while page_size <= last && page_size + PAGE_SIZE_MIN <= size {
        if let Some(meta) = meta_at(file, path, page_size + META_AT)?.meta {
            metas.push(meta);
            break;
        }
        page_size *= 2;
    }
    let Some(meta) = metas.into_iter().max_by_key(|meta| meta.transaction) else {
        return Ok(None);
    };
    let names = bucket_names(file, path, &meta)?;
    let has = |name: &str| names.iter().any(|found| found == name);
    let buckets = names.join(", ");
    let words = format!("BoltDB meta with page size {}, buckets {buckets}", meta.page_size);
    Ok(Some(if has("logs") && has("conf") {
        Bolt::RaftBoltDb(words)
    } else if has("wal-meta") && has("stable") {
        Bolt::RaftWalMetadata(words)
    } else if has("data") && has("config") {
        Bolt::VaultState
    } else {
        Bolt::Other(format!("a BoltDB file without a Raft log (buckets: {buckets})"))
    }))
}

struct MetaFound {
    meta: Option<Meta>,
    swapped: bool,
}

fn meta_at(file: &dyn VfsFile, path: &Path, at: u64) -> Result<MetaFound, StoreError> {
    let mut bytes = [0; META_BYTES];
    let read = file.read_at(at, &mut bytes).map_err(io_error("read", path))?;
    let bytes = bytes.get(..read).unwrap_or_default();
    let mut swapped = MAGIC;
    swapped.reverse();
    Ok(MetaFound { meta: meta(bytes), swapped: bytes.starts_with(&swapped) })
}

fn meta(bytes: &[u8]) -> Option<Meta> {
    if !bytes.starts_with(&MAGIC) || u32_at(bytes, 4)? != VERSION {
        return None;
    }
    let (covered, sum) = bytes.split_at_checked(56)?;
    let sum = u64::from_le_bytes(*sum.first_chunk()?);
    if sum != 0 && sum != fnv1a(covered) {
        return None;
    }
    let page_size = u64::from(u32_at(bytes, 8)?);
    let usual = (PAGE_SIZE_MIN..=PAGE_SIZE_MAX).contains(&page_size) && page_size.is_power_of_two();
    usual.then_some(Meta { page_size, root: u64_at(bytes, 16)?, transaction: u64_at(bytes, 48)? })
}

fn bucket_names(file: &dyn VfsFile, path: &Path, meta: &Meta) -> Result<Vec<String>, StoreError> {
    let mut page = [0; ROOT_READ_BYTES];
    let at = meta.root.saturating_mul(meta.page_size);
    let read = file.read_at(at, &mut page).map_err(io_error("read", path))?;
    let page = page.get(..read).unwrap_or_default();
    if u16_at(page, 8) != Some(LEAF_FLAGS) {
        return Ok(Vec::new());
    }
    let count = usize::from(u16_at(page, 10).unwrap_or_default()).min(NAMES_MAX);
    Ok((0..count).filter_map(|element| name_of(page, 16 + 16 * element)).collect())
}

fn name_of(page: &[u8], element: usize) -> Option<String> {
    let start = element.checked_add(usize::try_from(u32_at(page, element + 4)?).ok()?)?;
    let len = usize::try_from(u32_at(page, element + 8)?).ok()?;
    let name = page.get(start..start.checked_add(len)?)?;
    Some(name.escape_ascii().to_string())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|found| u16::from_le_bytes(*found))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|found| u32::from_le_bytes(*found))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|found| u64::from_le_bytes(*found))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
