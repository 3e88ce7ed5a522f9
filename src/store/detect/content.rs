//! What one file is, by its bytes.

use std::path::Path;

use crate::store::detect::bolt::{self, Bolt};
use crate::store::detect::streams::{is_raft_wal_segment, raft_fastlog};
use crate::store::etcd_wal::is_segment as is_etcd_segment;
use crate::store::redb::recognise as recognise_redb;
use crate::store::{Format, StoreError, fastlog, io_error};
use crate::vfs::{Fs, OpenMode};

const HEAD_BYTES: usize = 4096;
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// What a file is.
pub(super) enum Content {
    /// A store of its own.
    Store(Format, String),
    /// A file of a store that is a directory.
    Part(Format, String),
    /// A store that is not read for a reason of its own: what, and the way out.
    Unreadable(Format, String),
    /// What Vault and OpenBao apply their log to.
    VaultState,
    /// Compressed data, as an archive of ours is.
    Archive(String),
    /// Something else, in words.
    Other(String),
}

impl Content {
    /// The content in words, for a list of what is there.
    pub(super) fn words(&self) -> String {
        match self {
            Content::Store(format, evidence) => format!("{format} ({evidence})"),
            Content::Part(format, evidence) => {
                format!("a file of a {format} directory ({evidence})")
            }
            Content::Unreadable(_, words) | Content::Archive(words) | Content::Other(words) => {
                words.clone()
            }
            Content::VaultState => "the state machine of Vault or OpenBao".to_owned(),
        }
    }
}

/// Looks at a file.
///
/// # Errors
/// Only when it cannot be opened or read.
pub(super) fn content(fs: &dyn Fs, path: &Path) -> Result<Content, StoreError> {
    let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
    let size = file.size().map_err(io_error("look at", path))?;
    if size == 0 {
        return Ok(Content::Other("an empty file".to_owned()));
    }
    let mut head = [0; HEAD_BYTES];
    let read = file.read_at(0, &mut head).map_err(io_error("read", path))?;
    let head = head.get(..read).unwrap_or_default();
    if let Some(evidence) = recognise_redb(head) {
        return Ok(Content::Store(Format::Redb, evidence));
    }
    if let Some(bolt) = bolt::recognise(fs, path, head, size)? {
        return Ok(match bolt {
            Bolt::RaftBoltDb(evidence) => Content::Store(Format::BoltDb, evidence),
            Bolt::RaftWalMetadata(evidence) => Content::Part(Format::RaftWal, evidence),
            Bolt::VaultState => Content::VaultState,
            Bolt::Other(words) => Content::Other(words),
            Bolt::OtherByteOrder => Content::Unreadable(
                Format::BoltDb,
                "a BoltDB file of a machine with the other byte order (big-endian)".to_owned(),
            ),
        });
    }
    if fastlog::is_part(head) {
        let evidence = "magic of a FastLog file".to_owned();
        return Ok(Content::Part(Format::FastLog, evidence));
    }
    if is_raft_wal_segment(head) {
        let evidence = "header of a raft-wal segment".to_owned();
        return Ok(Content::Part(Format::RaftWal, evidence));
    }
    if is_etcd_segment(head) {
        let evidence = "begins with a checksum record of etcd's WAL".to_owned();
        return Ok(Content::Part(Format::EtcdWal, evidence));
    }
    if let Some(evidence) = raft_fastlog(file.as_ref(), path, size)? {
        return Ok(Content::Store(Format::RaftFastlog, evidence));
    }
    if head.starts_with(&GZIP) {
        let words = "gzip data, as a backup of raftlog is".to_owned();
        return Ok(Content::Archive(words));
    }
    Ok(Content::Other(other_words(head)))
}

fn other_words(head: &[u8]) -> String {
    if head.iter().all(|byte| *byte == 0) {
        return format!("zeros (the first {} bytes)", head.len());
    }
    if head.get(257..262) == Some(b"ustar") {
        return "a tar file that is not compressed".to_owned();
    }
    // A character may be cut at the end of what was read.
    let text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let printable = |byte: &u8| *byte >= b' ' || matches!(byte, b'\n' | b'\r' | b'\t');
    if text && head.iter().all(printable) {
        return "text".to_owned();
    }
    let start = head.get(..8).unwrap_or(head);
    format!("bytes of no known format, beginning {:02x?}", start)
}
