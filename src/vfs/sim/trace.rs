use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::{CallNo, Disk};
use crate::vfs::OpenMode;

/// What a call asks for, but for the path and the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operation {
    Open(OpenMode),
    Read { offset_bytes: u64, len_bytes: u64 },
    Write { offset_bytes: u64, len_bytes: u64 },
    Allocate { size_bytes: u64 },
    SetSize { size_bytes: u64 },
    SyncData,
    Sync,
    List,
    CreateDir,
    Rename { to: Arc<Path> },
    Remove,
    RemoveDir,
    SyncDir,
}

impl Operation {
    /// Whether it makes something durable.
    pub fn is_sync(&self) -> bool {
        matches!(self, Operation::SyncData | Operation::Sync | Operation::SyncDir)
    }
}

/// The moment just before a mutating call.
pub struct Moment<'a> {
    /// Number of the call that is about to happen.
    pub call: CallNo,
    /// What it will do.
    pub operation: &'a Operation,
    /// To which file or directory.
    pub path: &'a Path,
    /// The disk before it.
    pub disk: &'a Disk,
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedCall {
    /// Its number, if it is a mutating one.
    pub call: Option<CallNo>,
    /// What it asked for.
    pub operation: Operation,
    /// Of which file or directory.
    pub path: Arc<Path>,
    /// What became of it.
    pub outcome: Result<(), io::ErrorKind>,
}
