//! What a log must hold after each operation, in a few lines and in memory.

use std::collections::BTreeMap;

use crate::model::{
    Entry, GroupId, HardState, IndexRange, LogId, LogIndex, LogState, SnapshotNote, StableValue,
};
use crate::simulate::oracle::digest::{GroupTag, entry_mark, state_mark};

/// Everything that a caller can see of a group. Entries ascend by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Everything beside the entries; the bounds say what the entries say.
    pub state: LogState,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// Everything that a caller can see.
pub type State = BTreeMap<GroupId, Held>;

/// One thing done to one group.
#[derive(Clone, Debug)]
pub enum Action {
    /// Entries, in place of what the group has from the first of them on.
    Append(Vec<Entry>),
    /// Removes everything from this index on.
    Truncate(LogIndex),
    /// Drops everything through this entry.
    Compact(LogId),
    /// Removes everything through this index, which is not the last one, and keeps no note of it.
    Forget(LogIndex),
    /// A compaction and a snapshot note in one; may lie beyond the end.
    Marker(SnapshotNote),
    /// The newest snapshot; drops nothing.
    Note(SnapshotNote),
    /// Term, vote, commit index.
    Hard(HardState),
    /// A stable key.
    Put(Vec<u8>, StableValue),
    /// A stable key that goes.
    Delete(Vec<u8>),
    /// A new group.
    Create,
}

/// Actions on groups that take effect together.
pub type Actions = Vec<(GroupId, Action)>;

/// The state so far, with its digest.
#[derive(Clone, Debug, Default)]
pub struct Model {
    groups: BTreeMap<GroupId, Known>,
    digest: u128,
    buffer: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    held: Held,
    /// Of each entry.
    marks: Vec<u128>,
    tag: GroupTag,
    /// What this group adds to the digest.
    sum: u128,
}

impl Model {
    /// Applies what takes effect together.
    pub fn apply(&mut self, actions: &Actions) {
        for (id, action) in actions {
            let tag = GroupTag::of(id);
            let fresh = || Known { tag, ..Known::default() };
            let known = self.groups.entry(id.clone()).or_insert_with(fresh);
            self.digest = self.digest.wrapping_sub(known.sum);
            known.apply(action, &mut self.buffer);
            known.sum_up(&mut self.buffer);
            self.digest = self.digest.wrapping_add(known.sum);
        }
    }

    /// Whether each of the actions is possible now, one after the other.
    pub fn admits(&self, actions: &Actions) -> bool {
        let mut ahead = Model { groups: BTreeMap::new(), ..Model::default() };
        actions.iter().all(|(id, action)| {
            if !ahead.groups.contains_key(id)
                && let Some(known) = self.groups.get(id)
            {
                ahead.groups.insert(id.clone(), known.clone());
            }
            let fits = match (ahead.groups.get(id), action) {
                (None, action) => matches!(action, Action::Create),
                (Some(known), action) => known.admits(action),
            };
            if fits {
                ahead.apply(&vec![(id.clone(), action.clone())]);
            }
            fits
        })
    }

    /// Stands for the state.
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// The state.
    pub fn state(&self) -> State {
        self.groups.iter().map(|(id, known)| (id.clone(), known.held.clone())).collect()
    }

    /// What a group holds.
    pub fn group(&self, id: &GroupId) -> Option<&Held> {
        self.groups.get(id).map(|known| &known.held)
    }

    /// The groups, ascending.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &GroupId> {
        self.groups.keys()
    }
}

impl Held {
    /// The index of the next entry.
    pub fn next(&self) -> LogIndex {
        let compacted = self.state.compacted.map_or(1, |id| id.index.0.saturating_add(1));
        let last = self.entries.last().map(|entry| entry.index.0.saturating_add(1));
        LogIndex(last.unwrap_or(compacted))
    }

    /// The identity of the entry at an index.
    pub fn id_at(&self, index: LogIndex) -> Option<LogId> {
        let at = self.entries.binary_search_by_key(&index, |entry| entry.index).ok()?;
        self.entries.get(at).map(Entry::id)
    }

    fn bounds(&self) -> Option<IndexRange> {
        let (first, last) = (self.entries.first()?, self.entries.last()?);
        IndexRange::new(first.index, last.index)
    }
}

impl Known {
    fn apply(&mut self, action: &Action, buffer: &mut Vec<u8>) {
        let state = &mut self.held.state;
        match action {
            Action::Append(entries) => {
                if let Some(first) = entries.first() {
                    self.cut_from(first.index);
                }
                for entry in entries {
                    self.marks.push(entry_mark(self.tag, entry, buffer));
                    self.held.entries.push(entry.clone());
                }
            }
            Action::Truncate(first) => self.cut_from(*first),
            Action::Compact(through) => {
                self.drop_through(through.index);
                self.held.state.compacted = Some(*through);
            }
            Action::Forget(through) => self.drop_through(*through),
            Action::Marker(snapshot) => {
                self.drop_through(snapshot.index);
                let state = &mut self.held.state;
                state.compacted = Some(LogId { index: snapshot.index, term: snapshot.term });
                state.snapshot = Some(snapshot.clone());
                if let Some(commit) = &mut state.hard.commit {
                    *commit = (*commit).max(snapshot.index);
                }
            }
            Action::Note(snapshot) => state.snapshot = Some(snapshot.clone()),
            Action::Hard(hard) => state.hard = hard.clone(),
            Action::Put(key, value) => drop(state.stable.insert(key.clone(), value.clone())),
            Action::Delete(key) => drop(state.stable.remove(key)),
            Action::Create => {}
        }
        self.held.state.bounds = self.held.bounds();
    }

    fn cut_from(&mut self, first: LogIndex) {
        let kept = self.held.entries.partition_point(|entry| entry.index < first);
        self.held.entries.truncate(kept);
        self.marks.truncate(kept);
    }

    fn drop_through(&mut self, through: LogIndex) {
        let dropped = self.held.entries.partition_point(|entry| entry.index <= through);
        self.held.entries.drain(..dropped);
        self.marks.drain(..dropped);
    }

    fn sum_up(&mut self, buffer: &mut Vec<u8>) {
        let state = state_mark(self.tag, &self.held.state, buffer);
        self.sum = self.marks.iter().fold(state, |sum, mark| sum.wrapping_add(*mark));
    }

    fn admits(&self, action: &Action) -> bool {
        let (next, held) = (self.held.next(), &self.held);
        let above = held.state.compacted.map_or(LogIndex(0), |id| id.index);
        match action {
            Action::Append(entries) => {
                entries.first().is_none_or(|first| first.index > above && first.index <= next)
            }
            Action::Truncate(first) => *first > above && *first < next,
            Action::Compact(through) => held.id_at(through.index) == Some(*through),
            Action::Marker(snapshot) => {
                let here = held.id_at(snapshot.index);
                snapshot.index > above && here.is_none_or(|id| id.term == snapshot.term)
            }
            Action::Forget(through) => {
                held.id_at(*through).is_some() && through.next() < Some(next)
            }
            Action::Create => false,
            Action::Note(_) | Action::Hard(_) | Action::Put(..) | Action::Delete(_) => true,
        }
    }
}
