use std::path::PathBuf;
use std::sync::Arc;

use crate::fastlog::format::{GroupNo, Sequence, TooLarge};
use crate::model::{Fault, IoError, LogId, LogIndex};
use crate::vfs::Holder;

/// Why a call on a log did not do what it should.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{0}")]
    Io(#[source] Arc<IoError>),
    /// The files are not as they must be; nothing was changed.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// The store is in use.
    #[error("{} is in use", path.display())]
    Locked {
        /// The locked file.
        path: PathBuf,
        /// Who uses it, where the system says.
        holder: Holder,
    },
    /// There is no store at this path.
    #[error("{}: {reason}", path.display())]
    NotFound {
        /// The directory.
        path: PathBuf,
        /// What is there instead.
        reason: &'static str,
    },
    /// There is something at this path already.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Written by a newer version, or asked for something that this version does not do.
    #[error("{}: {what}", path.display())]
    Unsupported {
        /// The store.
        path: PathBuf,
        /// What is not supported, one line.
        what: String,
    },
    /// The operation would break the log; nothing was written.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A sync failed, so nothing is known about what was written since the last one. Only reading
    /// goes on; opening the store again recovers it.
    #[error("no more writes after a failed sync: {cause}")]
    Poisoned {
        /// The highest sequence that is known to be durable.
        durable: Sequence,
        /// What failed.
        cause: Arc<IoError>,
    },
    /// The entry was removed while it was being read.
    #[error("entry {index} was removed while it was read")]
    Gone {
        /// Its index.
        index: LogIndex,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

impl From<IoError> for Error {
    fn from(error: IoError) -> Self {
        Error::Io(Arc::new(error))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::Fault(Box::new(fault))
    }
}

/// Why an operation was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The group's number is not known.
    #[error("there is no group with number {}", group.0)]
    UnknownGroup {
        /// The number.
        group: GroupNo,
    },
    /// A group of this name exists.
    #[error("the group exists as number {}", group.0)]
    GroupExists {
        /// Its number.
        group: GroupNo,
    },
    /// The entries do not follow each other.
    #[error("entry {found} follows {before}")]
    NotConsecutive {
        /// Index before.
        before: LogIndex,
        /// Index that is not one more.
        found: LogIndex,
    },
    /// The entries would leave a hole, or lie below the point that the log starts after.
    #[error("entry {found} where {lowest} to {next} is possible")]
    OutOfPlace {
        /// First index given.
        found: LogIndex,
        /// Lowest index that could be replaced.
        lowest: LogIndex,
        /// The next free index.
        next: LogIndex,
    },
    /// What would be removed is compacted already, or more than that.
    #[error("index {index} is not above {compacted}, through which the log is compacted")]
    Compacted {
        /// Index given.
        index: LogIndex,
        /// The point that the log starts after.
        compacted: LogIndex,
    },
    /// The state machine is not known to hold this index durably.
    #[error("compaction through {through}, but only {applied} is applied and synced")]
    NotApplied {
        /// Index asked for.
        through: LogIndex,
        /// Index that the caller's guard covers.
        applied: LogIndex,
    },
    /// The index is beyond the end of the log.
    #[error("index {index} is beyond the last, {last}")]
    BeyondEnd {
        /// Index given.
        index: LogIndex,
        /// Last index.
        last: LogIndex,
    },
    /// The entry at this index has another term.
    #[error("entry {} has term {found}, not {}", expected.index, expected.term)]
    OtherTerm {
        /// What the caller named.
        expected: LogId,
        /// The term in the log.
        found: crate::model::Term,
    },
    /// The group has entries or a state already.
    #[error("group {} is not empty", group.0)]
    GroupNotEmpty {
        /// The group.
        group: GroupNo,
    },
    /// Something is larger than the format allows.
    #[error("{} of {} bytes, at most {} are possible", size.what, size.len, size.limit)]
    TooLarge {
        /// What, and by how much.
        size: TooLarge,
    },
    /// More groups than the options allow.
    #[error("a log of more than {limit} groups")]
    TooManyGroups {
        /// How many are possible.
        limit: u64,
    },
    /// An index at the end of the number range has no successor.
    #[error("no index is left")]
    NoIndexLeft,
}

impl From<TooLarge> for Refusal {
    fn from(size: TooLarge) -> Self {
        Refusal::TooLarge { size }
    }
}

impl From<TooLarge> for Error {
    fn from(size: TooLarge) -> Self {
        Error::Refused(Refusal::from(size))
    }
}
