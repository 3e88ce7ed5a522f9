//! What a caller wants done: one atomic batch of operations on any number of groups.

use crate::fastlog::Refusal;
use crate::fastlog::format::{GroupNo, Payload};
use crate::model::{
    Entry, GroupId, HardState, IndexRange, LogId, LogIndex, SnapshotNote, StableValue, Term,
};

/// The caller's word that its state machine holds everything through an index durably: applied,
/// and synced in its own store. Only with it can entries be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedAndSynced(LogIndex);

impl AppliedAndSynced {
    /// Says that everything through `index` is applied and synced.
    pub fn through(index: LogIndex) -> AppliedAndSynced {
        AppliedAndSynced(index)
    }

    /// The index.
    pub fn index(self) -> LogIndex {
        self.0
    }
}

/// What an operation does to the ends of a group; checked before a batch is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Append { group: GroupNo, range: IndexRange },
    Truncate { group: GroupNo, first: LogIndex },
    Compact { group: GroupNo, through: LogId, applied: LogIndex, may_pass_end: bool },
    StartAfter { group: GroupNo, last_dropped: LogId },
    Hard { group: GroupNo, hard: HardState },
    Stable { group: GroupNo },
    Note { group: GroupNo },
    Name { group: GroupNo, id: GroupId },
    Remove { group: GroupNo },
}

/// Operations that take effect together or not at all, in the order in which they were put.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(super) payload: Payload,
    pub(super) effects: Vec<Effect>,
    pub(super) entries: u32,
    /// Largest payload or extensions of an entry, in bytes.
    pub(super) largest_bytes: usize,
}

impl Batch {
    /// Nothing yet.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Whether nothing was put.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// Appends entries with consecutive indexes. Entries that the group has from the first of
    /// these on are removed (a leader overwrites what conflicts).
    ///
    /// # Errors
    /// `NotConsecutive`, or `TooLarge` for an entry above the format's limit. The batch must not
    /// be used after an error.
    pub fn append(&mut self, group: GroupNo, entries: &[Entry]) -> Result<(), Refusal> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        for pair in entries.windows(2) {
            if let [before, after] = pair
                && before.index.next() != Some(after.index)
            {
                let (before, found) = (before.index, after.index);
                return Err(Refusal::NotConsecutive { before, found });
            }
        }
        self.payload.entries(group, entries)?;
        let len = |entry: &Entry| entry.payload_bytes().len().max(entry.extensions_bytes().len());
        self.largest_bytes = entries.iter().map(len).fold(self.largest_bytes, usize::max);
        if let Some(range) = IndexRange::new(first.index, last.index) {
            self.effects.push(Effect::Append { group, range });
        }
        self.entries =
            self.entries.saturating_add(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Removes everything from `first_removed` on; nothing there is no error.
    pub fn truncate(&mut self, group: GroupNo, first_removed: LogIndex) {
        self.payload.truncation(group, first_removed);
        self.effects.push(Effect::Truncate { group, first: first_removed });
    }

    /// Drops everything through `through`, which must be in the log; the log starts after it.
    pub fn compact(&mut self, group: GroupNo, through: LogId, applied: AppliedAndSynced) {
        self.payload.compaction(group, through);
        let applied = applied.0;
        self.effects.push(Effect::Compact { group, through, applied, may_pass_end: false });
    }

    /// Records a snapshot that replaces everything through its index, which may lie beyond the
    /// end of the log. What the log has above it stays; a follower whose entry at that index has
    /// another term truncates first.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn snapshot_marker(
        &mut self,
        group: GroupNo,
        snapshot: &SnapshotNote,
        applied: AppliedAndSynced,
    ) -> Result<(), Refusal> {
        self.payload.snapshot_marker(group, snapshot)?;
        let through = LogId { index: snapshot.index, term: snapshot.term };
        let applied = applied.0;
        self.effects.push(Effect::Compact { group, through, applied, may_pass_end: true });
        Ok(())
    }

    /// Records the newest snapshot; drops nothing.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn snapshot_note(
        &mut self,
        group: GroupNo,
        snapshot: &SnapshotNote,
    ) -> Result<(), Refusal> {
        self.payload.snapshot_note(group, snapshot)?;
        self.effects.push(Effect::Note { group });
        Ok(())
    }

    /// Makes an empty group start after `last_dropped`, as a copy of a compacted log does.
    pub fn start_after(&mut self, group: GroupNo, last_dropped: LogId) {
        self.payload.compaction(group, last_dropped);
        self.effects.push(Effect::StartAfter { group, last_dropped });
    }

    /// Replaces term, vote and commit index.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn hard_state(&mut self, group: GroupNo, hard: &HardState) -> Result<(), Refusal> {
        self.payload.hard_state(group, hard)?;
        self.effects.push(Effect::Hard { group, hard: hard.clone() });
        Ok(())
    }

    /// Sets a stable key.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn set_stable(
        &mut self,
        group: GroupNo,
        key: &[u8],
        value: &StableValue,
    ) -> Result<(), Refusal> {
        self.payload.stable_put(group, key, value)?;
        self.effects.push(Effect::Stable { group });
        Ok(())
    }

    /// Removes a stable key.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn remove_stable(&mut self, group: GroupNo, key: &[u8]) -> Result<(), Refusal> {
        self.payload.stable_delete(group, key)?;
        self.effects.push(Effect::Stable { group });
        Ok(())
    }

    /// Says what a group's number stands for; used to change schema or note as well.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn name_group(
        &mut self,
        group: GroupNo,
        id: &GroupId,
        schema: Option<&str>,
        note: &[u8],
    ) -> Result<(), Refusal> {
        self.payload.group(group, id, schema, note)?;
        self.effects.push(Effect::Name { group, id: id.clone() });
        Ok(())
    }

    /// Removes a group with everything it has. Its number is not used again.
    pub fn remove_group(&mut self, group: GroupNo) {
        self.payload.group_removal(group);
        self.effects.push(Effect::Remove { group });
    }
}

/// The ends of a group as they will be when everything accepted is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) exists: bool,
    pub(super) bounds: Option<IndexRange>,
    pub(super) compacted: Option<LogIndex>,
}

impl Ends {
    /// The ends after `effect`, or why it is refused. `term_at` is the term of an entry that is
    /// visible, where there is one.
    pub(super) fn after(
        self,
        effect: &Effect,
        term_at: impl Fn(LogIndex) -> Option<Term>,
    ) -> Result<Ends, Refusal> {
        match effect {
            Effect::Append { range, .. } => self.after_append(*range),
            Effect::Truncate { first, .. } => self.after_truncation(*first),
            Effect::Compact { through, applied, may_pass_end, .. } => {
                if !may_pass_end {
                    self.check_end(through.index)?;
                }
                self.after_compaction(*through, *applied, term_at(through.index))
            }
            Effect::StartAfter { group, last_dropped } => {
                if self.bounds.is_some() || self.compacted.is_some() {
                    return Err(Refusal::GroupNotEmpty { group: *group });
                }
                Ok(Ends { compacted: Some(last_dropped.index), ..self })
            }
            Effect::Hard { .. } | Effect::Stable { .. } | Effect::Note { .. } => Ok(self),
            Effect::Name { .. } => Ok(Ends { exists: true, ..self }),
            Effect::Remove { .. } => Ok(Ends::default()),
        }
    }

    fn after_append(self, range: IndexRange) -> Result<Ends, Refusal> {
        let lowest = match (self.compacted, self.bounds) {
            (Some(compacted), _) => compacted.next(),
            (None, Some(bounds)) => Some(bounds.first()),
            (None, None) => Some(range.first()),
        };
        let next = match (self.bounds, self.compacted) {
            (Some(bounds), _) => bounds.last().next(),
            (None, _) => lowest,
        };
        let (Some(lowest), Some(next)) = (lowest, next) else { return Err(Refusal::NoIndexLeft) };
        let found = range.first();
        if found < lowest || found > next {
            return Err(Refusal::OutOfPlace { found, lowest, next });
        }
        let first = self.bounds.map_or(found, |bounds| bounds.first().min(found));
        Ok(Ends { bounds: IndexRange::new(first, range.last()), ..self })
    }

    fn after_truncation(self, first: LogIndex) -> Result<Ends, Refusal> {
        if let Some(compacted) = self.compacted
            && first <= compacted
        {
            return Err(Refusal::Compacted { index: first, compacted });
        }
        let kept = |bounds: IndexRange| {
            first
                .previous()
                .and_then(|last| IndexRange::new(bounds.first(), last.min(bounds.last())))
        };
        Ok(Ends { bounds: self.bounds.and_then(kept), ..self })
    }

    fn check_end(self, index: LogIndex) -> Result<(), Refusal> {
        match (self.bounds.map(IndexRange::last), self.compacted) {
            (Some(last), _) | (None, Some(last)) if index > last => {
                Err(Refusal::BeyondEnd { index, last })
            }
            (None, None) => Err(Refusal::BeyondEnd { index, last: LogIndex(0) }),
            _ => Ok(()),
        }
    }

    fn after_compaction(
        self,
        through: LogId,
        applied: LogIndex,
        found: Option<Term>,
    ) -> Result<Ends, Refusal> {
        let index = through.index;
        if index > applied {
            return Err(Refusal::NotApplied { through: index, applied });
        }
        if let Some(compacted) = self.compacted
            && index <= compacted
        {
            return Err(Refusal::Compacted { index, compacted });
        }
        if let Some(found) = found.filter(|found| *found != through.term) {
            return Err(Refusal::OtherTerm { expected: through, found });
        }
        let kept = |bounds: IndexRange| {
            index.next().and_then(|next| IndexRange::new(next.max(bounds.first()), bounds.last()))
        };
        let bounds = self.bounds.and_then(kept);
        Ok(Ends { bounds, compacted: Some(index), ..self })
    }
}

impl Effect {
    /// The group concerned.
    pub(super) fn group(&self) -> GroupNo {
        match self {
            Effect::Append { group, .. }
            | Effect::Truncate { group, .. }
            | Effect::Compact { group, .. }
            | Effect::StartAfter { group, .. }
            | Effect::Hard { group, .. }
            | Effect::Stable { group }
            | Effect::Note { group }
            | Effect::Name { group, .. }
            | Effect::Remove { group } => *group,
        }
    }
}
