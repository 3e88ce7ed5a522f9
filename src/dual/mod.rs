//! Two logs behind one interface, to move a running node from one engine to another.
//!
//! The first log is the one that the node lives on; the second one is given the same changes and
//! is read along: what both say is compared, and differences are findings, never a reason to stop
//! the node. When nothing differs, [`DualLog::switch_over`] lets them change places while the node
//! runs.
//!
//! 1. [`DualLog::new`] with the old log first and an empty new one second.
//! 2. [`DualLog::catch_up`] copies what the first has, group by group; each follows from then on.
//! 3. Run, and look at [`DualLog::findings`].
//! 4. [`DualLog::switch_over`]. The old log still follows, and one could go back.
//! 5. [`DualLog::into_logs`], to go on with the new one alone.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::host_endian_bytes
)]

mod compare;
mod fastlog;
mod roles;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use crate::dual::roles::Roles;
use crate::fastlog::AppliedAndSynced;
use crate::model::{
    Entry, Field, GroupId, HardState, IndexRange, LogId, LogIndex, LogState, SnapshotNote,
    StableValue,
};

/// Findings that are kept; further ones are counted.
pub const FINDINGS_MAX: usize = 1000;

/// What an engine says when it cannot do what was asked.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is done to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The group begins, without entries.
    Create,
    /// The group ends, with everything it has.
    Remove,
    /// Entries with consecutive indexes; what the group has from the first of them on is removed.
    Append(Vec<Entry>),
    /// Everything from this index on is removed.
    Truncate(LogIndex),
    /// Everything through an entry of the log is dropped.
    Compact(LogId, AppliedAndSynced),
    /// An empty group starts after an entry that it does not have.
    StartAfter(LogId),
    /// A snapshot replaces everything through its index, which may lie beyond the end.
    Marker(SnapshotNote, AppliedAndSynced),
    /// The newest snapshot; drops nothing.
    Note(SnapshotNote),
    /// Term, vote and commit index are replaced.
    Hard(HardState),
    /// A stable key is set.
    SetStable(Vec<u8>, StableValue),
    /// A stable key is removed.
    RemoveStable(Vec<u8>),
}

/// An action and its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The group.
    pub group: GroupId,
    /// What is done to it.
    pub action: Action,
}

/// What a node needs of a log engine. [`crate::fastlog::FastLog`] is one; others take an adapter.
pub trait NodeLog: Send + Sync {
    /// The groups, in any order.
    ///
    /// # Errors
    /// When the engine cannot say.
    fn groups(&self) -> Result<Vec<GroupId>, Failure>;
    /// Everything of a group beside its entries; `None` when there is no such group.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn state(&self, group: &GroupId) -> Result<Option<LogState>, Failure>;
    /// The entries of a group inside `range`, in index order.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Vec<Entry>, Failure>;
    /// Does all of `changes` in order, or nothing; durable when it returns `Ok`.
    ///
    /// # Errors
    /// When the engine refused or failed.
    fn write(&self, changes: &[Change]) -> Result<(), Failure>;
}

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that answers.
    First,
    /// The one that follows.
    Second,
}

/// Something that the second log does not say as the first does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Both answered, and differently.
    Differs {
        /// The group.
        group: GroupId,
        /// The index; `None` for the state.
        index: Option<LogIndex>,
        /// The first field that differs.
        field: Field,
    },
    /// The second log failed. From then on it is neither written nor read.
    SecondFailed {
        /// What was attempted.
        action: &'static str,
        /// What it said.
        message: String,
    },
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A log failed; the first one's failures are the caller's.
    #[error("the {} log: {source}", side_words(*side))]
    Log {
        /// Which one.
        side: Side,
        /// What it said.
        source: Failure,
    },
    /// The second log failed before and does not follow any more.
    #[error("the second log does not follow since it failed")]
    SecondLost,
    /// A group was not caught up yet.
    #[error("group {group:?} of the first log was not caught up")]
    Behind {
        /// The group.
        group: GroupId,
    },
    /// The logs are not equal; the findings say where.
    #[error("the logs differ in {differences} places")]
    Unequal {
        /// How many differences were met.
        differences: u64,
    },
}

fn side_words(side: Side) -> &'static str {
    match side {
        Side::First => "first",
        Side::Second => "second",
    }
}

/// Two logs of which the second follows the first. Share it by reference; every method may run at
/// the same time as every other. Writes are done one after the other, in both logs in one order.
pub struct DualLog {
    roles: RwLock<Roles>,
    findings: Mutex<Findings>,
}

#[derive(Default)]
struct Findings {
    kept: Vec<Finding>,
    count: u64,
}

/// Both logs, taken apart.
pub struct Logs {
    /// The one that answered.
    pub first: Box<dyn NodeLog>,
    /// The one that followed.
    pub second: Box<dyn NodeLog>,
}

impl DualLog {
    /// `first` answers, `second` is to follow; see [`DualLog::catch_up`].
    pub fn new(first: Box<dyn NodeLog>, second: Box<dyn NodeLog>) -> DualLog {
        DualLog { roles: RwLock::new(Roles::new(first, second)), findings: Mutex::default() }
    }

    /// Does all of `changes`, durably, in the first log, and then in the second as far as its
    /// groups follow.
    ///
    /// # Errors
    /// `Log` of the first side: the second was not given the changes. What the second says is a
    /// finding.
    pub fn write(&self, changes: &[Change]) -> Result<(), Error> {
        let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
        roles.first.write(changes).map_err(|source| Error::Log { side: Side::First, source })?;
        if let Err(failure) = roles.follow(changes) {
            self.lose_second(&mut roles, "write", &failure);
        }
        Ok(())
    }

    /// The state of a group, as the first log has it.
    ///
    /// # Errors
    /// `Log` of the first side.
    pub fn state(&self, group: &GroupId) -> Result<Option<LogState>, Error> {
        let state = {
            let roles = self.roles.read().unwrap_or_else(PoisonError::into_inner);
            let state = first(roles.first.state(group))?;
            if !roles.follows(group) || matches!(roles.state_differs(group, &state), Ok(None)) {
                return Ok(state);
            }
            state
        };
        // A write may have come between the two answers: once more, with nothing between.
        let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
        let again = first(roles.first.state(group))?;
        match roles.state_differs(group, &again) {
            Ok(Some(field)) => self.note(group, None, field),
            Ok(None) => {}
            Err(failure) => self.lose_second(&mut roles, "read a state", &failure),
        }
        Ok(state)
    }

    /// The entries of a group inside `range`, as the first log has them.
    ///
    /// # Errors
    /// `Log` of the first side.
    pub fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Vec<Entry>, Error> {
        let entries = {
            let roles = self.roles.read().unwrap_or_else(PoisonError::into_inner);
            let entries = first(roles.first.entries(group, range))?;
            let differs = || roles.entries_differ(group, range, &entries);
            if !roles.follows(group) || differs().is_ok_and(|found| found.is_empty()) {
                return Ok(entries);
            }
            entries
        };
        let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
        let again = first(roles.first.entries(group, range))?;
        match roles.entries_differ(group, range, &again) {
            Ok(found) => {
                found.into_iter().for_each(|(index, field)| self.note(group, Some(index), field));
            }
            Err(failure) => self.lose_second(&mut roles, "read entries", &failure),
        }
        Ok(entries)
    }

    /// The groups, as the first log has them.
    ///
    /// # Errors
    /// `Log` of the first side.
    pub fn groups(&self) -> Result<Vec<GroupId>, Error> {
        first(self.roles.read().unwrap_or_else(PoisonError::into_inner).first.groups())
    }

    /// Has every group follow that does not: what the second log has of it is compared, and where
    /// it is not the same, removed and copied from the first. Writes wait while a group is copied,
    /// but not for all groups. Returns how many groups were copied.
    ///
    /// # Errors
    /// `Log` of either side; `SecondLost`.
    pub fn catch_up(&self) -> Result<u64, Error> {
        let mut copied = 0;
        for group in self.groups()? {
            let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
            copied += u64::from(roles.catch_up(&group)?);
        }
        Ok(copied)
    }

    /// Compares both logs as a whole; writes wait meanwhile. Returns how many differences were
    /// met; each is a finding.
    ///
    /// # Errors
    /// `Log` of either side; `SecondLost`, `Behind`.
    pub fn compare(&self) -> Result<u64, Error> {
        let roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
        self.compare_all(&roles)
    }

    /// Lets the logs change places, if they are equal as a whole. Writes wait meanwhile; nothing
    /// else is noticed of it.
    ///
    /// # Errors
    /// `Unequal`, with the findings; `Log` of either side; `SecondLost`, `Behind`. Everything is as
    /// before then.
    pub fn switch_over(&self) -> Result<(), Error> {
        let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
        let differences = self.compare_all(&roles)?;
        if differences > 0 {
            return Err(Error::Unequal { differences });
        }
        roles.swap();
        Ok(())
    }

    /// What was found so far, at most [`FINDINGS_MAX`] of it, and how much it was.
    pub fn findings(&self) -> (Vec<Finding>, u64) {
        let findings = self.found();
        (findings.kept.clone(), findings.count)
    }

    /// Both logs, to go on without this one.
    pub fn into_logs(self) -> Logs {
        let Roles { first, second, .. } =
            self.roles.into_inner().unwrap_or_else(PoisonError::into_inner);
        Logs { first, second }
    }

    fn compare_all(&self, roles: &Roles) -> Result<u64, Error> {
        let mut differences = 0;
        roles.compare(&mut |group, index, field| {
            differences += 1;
            self.note(group, index, field);
        })?;
        Ok(differences)
    }

    fn found(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, group: &GroupId, index: Option<LogIndex>, field: Field) {
        self.found().add(Finding::Differs { group: group.clone(), index, field });
    }

    fn lose_second(&self, roles: &mut Roles, action: &'static str, failure: &Failure) {
        roles.lost = true;
        self.found().add(Finding::SecondFailed { action, message: failure.to_string() });
    }
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        self.count += 1;
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(finding);
        }
    }
}

fn first<T>(result: Result<T, Failure>) -> Result<T, Error> {
    result.map_err(|source| Error::Log { side: Side::First, source })
}
