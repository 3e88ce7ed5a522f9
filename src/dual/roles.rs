//! Who answers and who follows, and how a group comes to follow.

use std::collections::BTreeSet;

use crate::dual::{Action, Change, Error, Failure, NodeLog, Side};
use crate::model::{GroupId, IndexRange, LogIndex, LogState};

/// Entries that are copied or compared at once.
pub(super) const CHUNK_ENTRIES: u64 = 1024;

/// The two logs.
pub(super) struct Roles {
    pub(super) first: Box<dyn NodeLog>,
    pub(super) second: Box<dyn NodeLog>,
    /// Groups of which the second log has what the first has.
    pub(super) following: BTreeSet<GroupId>,
    /// The second log failed.
    pub(super) lost: bool,
}

impl Roles {
    pub(super) fn new(first: Box<dyn NodeLog>, second: Box<dyn NodeLog>) -> Roles {
        Roles { first, second, following: BTreeSet::new(), lost: false }
    }

    pub(super) fn follows(&self, group: &GroupId) -> bool {
        !self.lost && self.following.contains(group)
    }

    /// Gives the second log what the first one did, as far as it follows.
    pub(super) fn follow(&mut self, changes: &[Change]) -> Result<(), Failure> {
        if self.lost {
            return Ok(());
        }
        let mut followed = Vec::new();
        for change in changes {
            if change.action == Action::Create {
                self.following.insert(change.group.clone());
            }
            if self.following.contains(&change.group) {
                followed.push(change.clone());
            }
            if change.action == Action::Remove {
                self.following.remove(&change.group);
            }
        }
        if followed.is_empty() { Ok(()) } else { self.second.write(&followed) }
    }

    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.first, &mut self.second);
    }

    /// Has a group of the first log follow. Returns whether it had to be copied.
    pub(super) fn catch_up(&mut self, group: &GroupId) -> Result<bool, Error> {
        if self.lost {
            return Err(Error::SecondLost);
        }
        let Some(state) = of(Side::First, self.first.state(group))? else { return Ok(false) };
        if self.following.contains(group) {
            return Ok(false);
        }
        let mut differs = false;
        let known = of(Side::Second, self.second.state(group))?;
        if known.is_some() {
            self.compare_group(group, &mut |_, _, _| differs = true)?;
        }
        let copied = known.is_none() || differs;
        if copied {
            self.copy(group, &state, known.is_some())?;
        }
        self.following.insert(group.clone());
        Ok(copied)
    }

    fn copy(&self, group: &GroupId, state: &LogState, replace: bool) -> Result<(), Error> {
        let mut actions = Vec::new();
        if replace {
            actions.push(Action::Remove);
        }
        actions.push(Action::Create);
        actions.extend(state.compacted.map(Action::StartAfter));
        actions.extend(state.snapshot.clone().map(Action::Note));
        actions.push(Action::Hard(state.hard.clone()));
        let stable = state.stable.iter();
        actions.extend(stable.map(|(key, value)| Action::SetStable(key.clone(), value.clone())));
        self.give(group, actions)?;
        let Some(bounds) = state.bounds else { return Ok(()) };
        for chunk in chunks(bounds) {
            let entries = of(Side::First, self.first.entries(group, chunk))?;
            self.give(group, vec![Action::Append(entries)])?;
        }
        Ok(())
    }

    fn give(&self, group: &GroupId, actions: Vec<Action>) -> Result<(), Error> {
        let change = |action| Change { group: group.clone(), action };
        let changes: Vec<Change> = actions.into_iter().map(change).collect();
        of(Side::Second, self.second.write(&changes))
    }
}

/// `range` in pieces.
pub(super) fn chunks(range: IndexRange) -> impl Iterator<Item = IndexRange> {
    let mut next = Some(range.first());
    std::iter::from_fn(move || {
        let first = next.filter(|first| *first <= range.last())?;
        let last = LogIndex(first.0.saturating_add(CHUNK_ENTRIES - 1)).min(range.last());
        next = last.next();
        IndexRange::new(first, last)
    })
}

pub(super) fn of<T>(side: Side, result: Result<T, Failure>) -> Result<T, Error> {
    result.map_err(|source| Error::Log { side, source })
}
