//! Reading a damaged store for everything that can still be proven.
//!
//! A reader of a format follows its tree and says where it is damaged. A salvager goes on: to the
//! commit before, to pages that nothing leads to any more. What it gives out is proven: an entry is
//! only taken from outside the newest commit where Raft leaves no other entry for its index. What
//! is missing then is named, so that nobody takes the result for the whole.

use crate::model::{Code, Fault, GroupId, IndexRange, LogIndex, LogState};
use crate::store::redb::RedbOrigin;
use crate::store::target::{Sealed, Target};
use crate::store::{Entries, Format, Located, StoreError, StoreFile};

/// Faults that are kept one by one.
pub const DROPPED_MAX: usize = 1_000;

/// What could not be taken over as it lies, and what was done about it.
#[derive(Clone, Debug, Default)]
pub struct Salvaged {
    /// Pieces that are damaged, each with its place; at most [`DROPPED_MAX`].
    pub dropped: Vec<Fault>,
    /// Number of all of them.
    pub dropped_total: u64,
    /// Indexes that are missing because of damage, ascending.
    pub missing: Vec<IndexRange>,
    /// Where the last entry that could be read is known not to be the last one for sure: entries
    /// behind it may have been lost. `Some(None)` when not one could be read.
    pub open_end: Option<Option<LogIndex>>,
    /// Whether entries before the first one may have been lost.
    pub open_begin: bool,
    /// Entries that were taken from the commit before the newest.
    pub from_commit_before: u64,
    /// Entries that were taken from pages to which nothing leads.
    pub from_orphans: u64,
    /// Copies of missing entries that nothing proves, and that were left.
    pub unproven: u64,
    /// Whether term, vote and other stable keys are those of the commit before, or lost.
    pub state: StateTaken,
}

/// Where the state beside the entries is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateTaken {
    /// From the newest commit.
    #[default]
    Newest,
    /// From the commit before: a vote of the newest one may be missing.
    CommitBefore,
    /// It could not be read.
    Lost,
}

impl Salvaged {
    /// Takes note of a damaged piece.
    pub fn drop_piece(&mut self, fault: Fault) {
        self.dropped_total += 1;
        if self.dropped.len() < DROPPED_MAX {
            self.dropped.push(fault);
        }
    }
}

/// A damaged store, opened for what can be proven.
pub trait Salvage {
    /// The format; the result has the same.
    fn format(&self) -> Format;
    /// The files that were opened.
    fn files(&self) -> &[StoreFile];
    /// Bytes of a page, in a format whose page size is its maker's choice.
    fn page_bytes(&self) -> Option<u64> {
        None
    }
    /// Bytes of a segment, in a format of segments whose size is their maker's choice.
    fn segment_bytes(&self) -> Option<u64> {
        None
    }
    /// Schema, file format and files of the result, in redb.
    fn redb(&self) -> Option<RedbOrigin> {
        None
    }
    /// What the source holds that is no part of a Raft log, and the result does not: names and row
    /// counts.
    fn other_contents(&self) -> Vec<(String, u64)> {
        Vec::new()
    }
    /// What lies beside the files that are salvaged and is none of them (R117).
    fn left_out(&self) -> &[Fault] {
        &[]
    }
    /// The groups, ascending.
    fn groups(&self) -> Vec<GroupId>;
    /// Everything of a group beside its entries, as far as it could be read.
    fn state(&self, group: &GroupId) -> LogState;
    /// What is missing, and where from the rest is.
    fn salvaged(&self, group: &GroupId) -> &Salvaged;
    /// The entries that are proven, in index order; an error is no damage, but of the system.
    ///
    /// # Errors
    /// When the files cannot be read.
    fn entries(&self, group: &GroupId) -> Result<Entries<'_>, StoreError>;
    /// Whether [`Salvage::copy`] makes the result; else it is written anew from the entries.
    fn is_copied(&self) -> bool {
        false
    }
    /// Copies what is sound byte for byte under the target's partial name and syncs it; `None` in a
    /// format that is written anew.
    ///
    /// # Errors
    /// When the files cannot be read or written; nothing is left then.
    fn copy(&self, _target: &Target) -> Result<Option<Sealed>, StoreError> {
        Ok(None)
    }
}

/// Whether an entry that was read is one: its key and its own index agree.
pub fn is_sound(located: &Located) -> bool {
    located.faults.iter().all(|fault| fault.code != Code::R120)
}

/// The sound entries of the newest commit and copies from elsewhere, in index order. `copies` are
/// ascending, and of indexes that the commit does not have; `read` gives the entry of one.
pub fn merged<'s, C: Sync>(
    live: impl Iterator<Item = Result<Located, StoreError>> + Send + 's,
    copies: &'s [C],
    index: impl Fn(&C) -> LogIndex + Send + 's,
    read: impl Fn(&C) -> Result<Option<Located>, StoreError> + Send + 's,
) -> Entries<'s> {
    let counts = |item: &Result<Located, StoreError>| match item {
        Ok(located) => is_sound(located),
        Err(StoreError::Fault(_)) => false,
        Err(_) => true,
    };
    let mut live = live.filter(counts).peekable();
    let mut copies = copies.iter().peekable();
    Box::new(std::iter::from_fn(move || {
        loop {
            let next = match live.peek() {
                Some(Err(_)) => return live.next(),
                Some(Ok(located)) => Some(located.entry.index),
                None => None,
            };
            let comes_first = |copy: &&C| next.is_none_or(|next| index(copy) < next);
            let Some(copy) = copies.next_if(comes_first) else { return live.next() };
            // What is not there any more was read a moment ago: somebody writes the file in spite
            // of the lock.
            if let Some(item) = read(copy).transpose() {
                return Some(item);
            }
        }
    }))
}
