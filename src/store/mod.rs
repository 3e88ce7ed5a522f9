//! Stores: recognising, opening, reading and bulk-writing Raft logs of any format.
//!
//! A reader turns bytes into entries of the [`crate::model`]; after it nobody speaks of offsets
//! except to report a fault. Sources are opened read-only and never written.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::host_endian_bytes
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::disallowed_methods
    )
)]

pub mod ahead;
mod bolt;
pub mod boltdb;
pub mod codec;
pub mod detect;
pub mod etcd_wal;
pub mod fastlog;
pub mod follow;
mod grouped;
#[cfg(test)]
pub(crate) mod memory;
pub mod open;
mod opening;
mod parallel;
mod profile;
pub mod raft_fastlog;
pub mod raft_wal;
pub mod redb;
mod room;
pub mod salvage;
pub mod snapshots;
pub mod target;
mod window;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::model::{
    Entry, EntryHead, Fault, GroupId, HeadRun, IndexRange, IoError, LogId, LogIndex, LogState,
    Place,
};
use crate::vfs::Holder;

pub use self::redb::RedbOrigin;
pub use detect::{Description, Detected, Layout, Product};
pub use grouped::GroupedStore;
pub use open::Damaged;
pub use open::{OpenOptions, Opened, RedbFormat, RedbSchema, SinkOptions};
pub use opening::{OpeningStep, OpeningWatch, unwatched};
pub use profile::{Format, HASHICORP_MEMBERSHIPS, Holds, Profile, VoteForm};
pub use raft_fastlog::Reading;
pub use room::Room;
pub use snapshots::{Snapshot, Snapshots};

/// Why a store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The data is not as it must be.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// A live process uses the store.
    #[error("{} is in use{}", path.display(), holder_words(holder))]
    Locked {
        /// The locked file.
        path: PathBuf,
        /// Who uses it.
        holder: Holder,
    },
    /// No such path, or no Raft log there.
    #[error("{}: {reason}", path.display())]
    NotFound {
        /// What was asked for.
        path: PathBuf,
        /// What is there instead, one line.
        reason: String,
        /// What was looked at: files, tables, types; one line each.
        seen: Vec<String>,
    },
    /// The format is known, this version or feature of it is not read.
    #[error("{}: {what}", path.display())]
    Unsupported {
        /// The store.
        path: PathBuf,
        /// What is not supported, one line.
        what: String,
        /// The way out, one line.
        way_out: String,
    },
    /// More than one candidate; the operator has to choose.
    #[error("{}: {what}", path.display())]
    Ambiguous {
        /// What was asked for.
        path: PathBuf,
        /// What there are two of.
        what: String,
        /// The candidates, one line each.
        candidates: Vec<String>,
        /// How one of them is chosen.
        by: Choice,
    },
    /// Whoever watched the opening wanted no more of it.
    #[error("stopped")]
    Stopped,
    /// A safeguard: the target exists, lies inside its source, cannot hold what it is given.
    #[error("{}: {what}", path.display())]
    Refused {
        /// The path concerned.
        path: PathBuf,
        /// Why, one line.
        what: String,
        /// The way out, one line.
        way_out: String,
    },
}

/// By what an operator chooses among readings of the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The path of one.
    Path,
    /// A table of the file.
    Table,
    /// Which files of the directory belong together: those of this pattern make one store.
    Files(String),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        StoreError::Fault(Box::new(fault))
    }
}

fn holder_words(holder: &Holder) -> String {
    match (&holder.name, holder.pid) {
        (Some(name), Some(pid)) => format!(" by {name} (pid {pid})"),
        (None, Some(pid)) => format!(" by pid {pid}"),
        (Some(name), None) => format!(" by {name}"),
        (None, None) => " by another process".to_owned(),
    }
}

/// An entry with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The entry.
    pub entry: Entry,
    /// Where its encoded form lies, where the format can say.
    pub place: Option<Place>,
    /// What is wrong with it although it was read: key and index differ, bytes after its end, an
    /// index that its own library never writes. Empty for a sound entry (and then not allocated).
    pub faults: Vec<Fault>,
}

impl Located {
    /// The entry without contents.
    pub fn into_head(self) -> LocatedHead {
        LocatedHead { head: self.entry.head(self.place), faults: self.faults }
    }
}

/// An entry's head with what is wrong with it; its place is in the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedHead {
    /// The entry without contents.
    pub head: EntryHead,
    /// As [`Located::faults`].
    pub faults: Vec<Fault>,
}

/// Entries in index order. An `Err(StoreError::Fault)` stands for one damaged piece; the iterator
/// goes on behind it. After any other error it ends. It may be read by another thread: see
/// [`ahead`].
pub type Entries<'s> = Box<dyn Iterator<Item = Result<Located, StoreError>> + Send + 's>;

/// As [`Entries`], without contents.
pub type Heads<'s> = Box<dyn Iterator<Item = Result<LocatedHead, StoreError>> + 's>;

/// A piece of a log, as [`LogSource::head_runs`] gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadPiece {
    /// Entries that are sound and follow one another.
    Run(HeadRun),
    /// One entry.
    One(LocatedHead),
}

/// As [`Heads`], in pieces.
pub type HeadRuns<'s> = Box<dyn Iterator<Item = Result<HeadPiece, StoreError>> + 's>;

/// How thoroughly a container is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Structure and bounds; no payload checksums beyond what that needs.
    Quick,
    /// Everything.
    Full,
}

/// Name of the count in [`Checked::counts`] of records that history left behind the live log.
pub const SUPERSEDED_RECORDS: &str = "superseded records";

/// What checking a container found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What is wrong, in the order met.
    pub faults: Vec<Fault>,
    /// Bytes that were verified.
    pub checked_bytes: u64,
    /// Bytes of a torn tail.
    pub torn_bytes: u64,
    /// Counts in the format's own words: ("pages", 128), ("segments", 17), ...
    pub counts: Vec<(&'static str, u64)>,
}

impl Checked {
    /// Adds what was found in another part of the same whole.
    pub fn add(&mut self, part: Checked) {
        self.faults.extend(part.faults);
        self.checked_bytes = self.checked_bytes.saturating_add(part.checked_bytes);
        self.torn_bytes = self.torn_bytes.saturating_add(part.torn_bytes);
        for (name, count) in part.counts {
            match self.counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum = sum.saturating_add(count),
                None => self.counts.push((name, count)),
            }
        }
    }
}

/// Whether a record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordStatus {
    /// Part of the log as a node would see it.
    Live,
    /// Replaced by a later record.
    Superseded,
    /// Removed by a later record, or not reachable any more.
    Dead,
    /// Behind the point where writing stopped.
    Torn,
    /// Does not verify where it must.
    Damaged,
}

impl RecordStatus {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordStatus::Live => "live",
            RecordStatus::Superseded => "superseded",
            RecordStatus::Dead => "dead",
            RecordStatus::Torn => "torn",
            RecordStatus::Damaged => "damaged",
        }
    }
}

/// State of a record's own checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordChecksum {
    /// Fits.
    Ok,
    /// Does not fit.
    Bad,
    /// The format has none here.
    None,
}

impl RecordChecksum {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordChecksum::Ok => "ok",
            RecordChecksum::Bad => "bad",
            RecordChecksum::None => "none",
        }
    }
}

/// A typed unit as it lies in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where.
    pub place: Place,
    /// What, in the format's own words: "leaf logs", "entries", "hard state", "slot 0".
    pub kind: String,
    /// Group, where the record belongs to one.
    pub group: Option<GroupId>,
    /// Indexes it carries or speaks of.
    pub range: Option<IndexRange>,
    /// Entries inside, where it has any.
    pub entries: u64,
    /// Its checksum.
    pub checksum: RecordChecksum,
    /// Whether it counts.
    pub status: RecordStatus,
}

/// File space by use, for statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Size of the store's files.
    pub file_bytes: u64,
    /// Bytes of live records or reachable pages.
    pub live_bytes: u64,
    /// Bytes free for reuse, where the format says.
    pub free_bytes: Option<u64>,
}

impl Space {
    /// Adds another part of the same whole.
    pub fn add(&mut self, part: Space) {
        self.file_bytes = self.file_bytes.saturating_add(part.file_bytes);
        self.live_bytes = self.live_bytes.saturating_add(part.live_bytes);
        if let Some(bytes) = part.free_bytes {
            self.free_bytes = Some(self.free_bytes.unwrap_or_default().saturating_add(bytes));
        }
    }
}

/// Physical reading: every record as it lies in the files, superseded and damaged ones included.
pub trait RecordScan {
    /// Calls `visit` for each record in file order until it breaks.
    ///
    /// # Errors
    /// When the files cannot be read. Damage is a record, not an error.
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError>;
}

/// Logical reading: the log a Raft node would see if it opened this store now.
pub trait LogSource {
    /// What the format, in this store's schema, can hold.
    fn profile(&self) -> &'static Profile;
    /// The groups, ascending.
    fn groups(&self) -> Result<Vec<GroupId>, StoreError>;
    /// Everything of a group beside its entries.
    fn state(&self, group: &GroupId) -> Result<LogState, StoreError>;
    /// Entries of `group` inside `range`, in index order.
    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError>;
    /// As [`LogSource::entries`] without contents; an index answers it without reading payloads.
    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError>;
    /// As [`LogSource::heads`], with neighbours that differ only in their lengths taken together
    /// where an index can do that: for jobs that count.
    fn head_runs(&self, group: &GroupId, range: IndexRange) -> Result<HeadRuns<'_>, StoreError> {
        Ok(Box::new(self.heads(group, range)?.map(|head| head.map(HeadPiece::One))))
    }
}

/// An opened source: both ways of reading, its own check, and what opening it showed.
pub trait Store: LogSource + RecordScan {
    /// The format.
    fn format(&self) -> Format;
    /// The files that were opened, as the operator named them.
    fn files(&self) -> &[StoreFile];
    /// What was found while opening (a silent fallback, a torn tail, damage to state). Included in
    /// what [`Store::check`] returns.
    fn opening_faults(&self) -> &[Fault];
    /// Checks the container. `progress` gets the bytes checked so far; its `Break` ends the check.
    fn check(
        &self,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError>;
    /// Says that nobody will ask for heads, which checking may keep where it meets them.
    fn forgo_heads(&self) {}
    /// How the file space is used.
    fn space(&self) -> Result<Space, StoreError>;
    /// Bytes of a page, in a format whose page size is its maker's choice.
    fn page_bytes(&self) -> Option<u64> {
        None
    }
    /// Bytes of a segment, in a format of segments whose size is their maker's choice.
    fn segment_bytes(&self) -> Option<u64> {
        None
    }
    /// Whether a node that opens this log may start from a snapshot beside it of this index and
    /// term: some logs say which they know.
    fn starts_from(&self, _snapshot: LogId) -> bool {
        true
    }
    /// The first of the last entries of `group` that belong to a write that did not end: nobody was
    /// told of them, and what the state does not say of them yet is no fault.
    fn unfinished_from(&self, _group: &GroupId) -> Option<LogIndex> {
        None
    }
    /// Reads on behind what this store shows, in a format whose writer only appends.
    fn follow(&self) -> Option<Box<dyn follow::Follow>> {
        None
    }
    /// What the store holds that is no part of a Raft log: names and row counts ("users", 12).
    fn other_contents(&self) -> Vec<(String, u64)> {
        Vec::new()
    }
}

/// A file of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFile {
    /// The path.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
}

/// Bulk writing into an empty target. Everything is written under a partial name; nothing stands
/// under the final name before [`target::Sealed::publish`]. Dropped unsealed, it removes what it
/// wrote.
pub trait LogSink {
    /// What the target can hold.
    fn profile(&self) -> &'static Profile;
    /// Begins the next group (ascending order) with its state. `state.bounds` is not used.
    fn begin_group(&mut self, group: &GroupId, state: &LogState) -> Result<(), StoreError>;
    /// Appends entries of the group begun last, indexes ascending.
    fn append(&mut self, batch: &[Entry]) -> Result<(), StoreError>;
    /// Completes and syncs everything under the partial name.
    fn seal(self: Box<Self>) -> Result<target::Sealed, StoreError>;
}

/// Wraps a system error with what was attempted on which path.
pub(crate) fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io(IoError::new(action, path, source))
}
