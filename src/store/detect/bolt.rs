//! What a BoltDB file is for, by the names of its buckets.

use std::path::Path;
use std::sync::Arc;

use crate::store::bolt::{Bucket, Pages, Root, begins_like_bolt, buckets, read_metas};
use crate::store::{StoreError, io_error};
use crate::vfs::{Fs, OpenMode};

/// Buckets that are named in words.
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

/// What the file at `path` is when it is a BoltDB file; `head` are its first bytes. One whose metas
/// or buckets are damaged is taken for a Raft log, so that opening it says what is wrong.
///
/// # Errors
/// Only when the file cannot be read.
pub(super) fn recognise(
    fs: &dyn Fs,
    path: &Path,
    head: &[u8],
    size_bytes: u64,
) -> Result<Option<Bolt>, StoreError> {
    let claims = begins_like_bolt(head);
    if claims == Some(false) {
        return Ok(Some(Bolt::OtherByteOrder));
    }
    let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
    let name: Arc<Path> = Arc::from(path);
    let meta = match read_metas(file.as_ref(), &name, size_bytes) {
        Ok(metas) => metas.used,
        Err(StoreError::Fault(_)) if claims.is_some() => {
            let words = "the magic number of a BoltDB meta, and none that verifies".to_owned();
            return Ok(Some(Bolt::RaftBoltDb(words)));
        }
        Err(StoreError::Fault(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let pages = Pages::new(file, name, size_bytes, &meta);
    let (list, faults) = buckets(&pages, Root::Page(meta.root))?;
    let has = |name: &[u8]| list.iter().any(|bucket| bucket.name == name);
    let words = format!("BoltDB meta with page size {}, {}", meta.page_bytes, names(&list));
    Ok(Some(if has(b"wal-meta") && has(b"stable") {
        Bolt::RaftWalMetadata(words)
    } else if has(b"data") && has(b"config") {
        Bolt::VaultState
    } else if (has(b"logs") && has(b"conf")) || !faults.is_empty() {
        Bolt::RaftBoltDb(words)
    } else {
        Bolt::Other(format!("a BoltDB file without a Raft log ({})", names(&list)))
    }))
}

fn names(buckets: &[Bucket]) -> String {
    if buckets.is_empty() {
        return "no buckets".to_owned();
    }
    let names = buckets.iter().take(NAMES_MAX).map(|one| one.name.escape_ascii().to_string());
    format!("buckets {}", names.collect::<Vec<_>>().join(", "))
}
