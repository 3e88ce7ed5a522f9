//! Counting what a group holds and loses, and judging it by the rules, in one pass.

use std::collections::BTreeMap;

use crate::decode::{self, Carries};
use crate::migrate::fit::Fit;
use crate::migrate::states::Stated;
use crate::migrate::times::Times;
use crate::migrate::{GroupPlan, LossName};
use crate::model::{
    Dialect, Entry, EntryHead, Findings, GroupId, IndexRange, LogId, LogIndex, LogState,
    Memberships, TimeForm,
};
use crate::rules::{Checker, Surroundings};
use crate::store::open::{memberships, terms_may_fall};
use crate::store::{Profile, Room, Store, StoreError};

/// A group that is about to be written, with what one pass over it tells.
pub(super) struct Survey<'s> {
    pub(super) group: GroupId,
    /// The group in the target: the same, unless the target has no names.
    pub(super) written_as: GroupId,
    pub(super) fit: Fit,
    checker: Option<Checker<'s>>,
    /// The state with the snapshot beside the log.
    seen: &'s LogState,
    target: &'static Profile,
    /// How memberships are encoded in the source.
    memberships: Memberships,
    room: Room,
    state_bytes: u64,
    all: Counts,
    /// What lies above the highest hole, which is all that a target without holes takes.
    dense: Counts,
    hole: Option<IndexRange>,
    state_keys: u64,
    /// Append times as they are written, by form.
    pub(super) times: Times,
    lost: BTreeMap<LossName, u64>,
    /// Why the target cannot take the group at all.
    pub(super) unfit: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    first: Option<LogIndex>,
    last: Option<LogIndex>,
    entries: u64,
    payload_bytes: u64,
    /// What the entries take in the target.
    target_bytes: u64,
}

impl Counts {
    fn add(&mut self, head: &EntryHead, room: Room) {
        self.first.get_or_insert(head.index);
        self.last = Some(head.index);
        self.entries += 1;
        self.payload_bytes = self.payload_bytes.saturating_add(head.payload_len_bytes);
        let contents_bytes = head.payload_len_bytes.saturating_add(head.extensions_len_bytes);
        self.target_bytes = self.target_bytes.saturating_add(room.entry_bytes(contents_bytes));
    }
}

impl<'s> Survey<'s> {
    /// A survey of `group` before its first entry.
    pub(super) fn new(
        stated: &'s Stated,
        source: &Profile,
        (target, room): (&'static Profile, Room),
        time_form: Option<TimeForm>,
    ) -> Survey<'s> {
        let Stated { group, state, seen, .. } = stated;
        let fit = Fit::new(target, state, time_form);
        let usual_min = LogIndex(source.index_usual_min);
        let around = Surroundings {
            snapshots_in_view: stated.snapshots_in_view,
            membership_in_snapshot: stated.membership_in_snapshot,
            terms_may_fall: terms_may_fall(state),
            ..Surroundings::of(state, usual_min, source.entry_bytes_max)
        };
        let mut lost = BTreeMap::new();
        fit.state_losses(state, |name, count| *lost.entry(name).or_default() += count);
        // Where the source says nothing of terms, those that are written are no terms.
        let termless = state.bounds.filter(|_| !source.holds.terms && target.holds.terms);
        if let Some(bounds) = termless {
            lost.insert(LossName::Term, bounds.count());
        }
        let nameless = group.name().is_some() && !target.holds.many_groups;
        if nameless {
            lost.insert(LossName::Groups, 1);
        }
        Survey {
            group: group.clone(),
            written_as: if nameless { GroupId::Unnamed } else { group.clone() },
            fit,
            checker: Some(Checker::new(group, seen, around)),
            seen,
            target,
            memberships: memberships(state, source),
            room,
            state_bytes: room.group_bytes(state),
            all: Counts::default(),
            dense: Counts::default(),
            hole: None,
            state_keys: fit.state(state).stable.len() as u64,
            times: Times::default(),
            lost,
            unfit: None,
        }
    }

    /// In whose encoding memberships are.
    pub(super) fn dialect(&self) -> Dialect {
        self.memberships.dialect
    }

    /// Whether losses of this group can be counted without looking at contents.
    pub(super) fn needs_heads_only(&self) -> bool {
        self.fit.takes_every_entry()
    }

    /// Whether contents are read for nothing but the plan: to say which append times are written.
    pub(super) fn counts_times(&self) -> bool {
        self.target.holds.time_form_matters
    }

    /// Whether nothing of this group is lost or unfit, as far as it is known.
    pub(super) fn loses_nothing(&self) -> bool {
        let dense = self.hole.is_none() || self.target.holds.holes;
        self.lost.is_empty() && dense && self.unfit.is_none()
    }

    /// The state as it is written. Where entries are dropped below a hole, the log starts after
    /// what is dropped last, which the snapshot may know.
    pub(super) fn written_state(&self, state: &LogState) -> LogState {
        let mut written = self.fit.state(state);
        let first = self.counts().first.or(state.bounds.map(IndexRange::first));
        let before = first.and_then(LogIndex::previous);
        let apart = |id: &LogId| before.is_some_and(|before| id.index < before);
        if !self.target.holds.holes && written.compacted.as_ref().is_some_and(apart) {
            written.compacted = written.snapshot_id().filter(|id| Some(id.index) == before);
        }
        written
    }

    /// Takes the next entry's head.
    ///
    /// # Errors
    /// When `membership` cannot be read.
    pub(super) fn head(
        &mut self,
        head: &EntryHead,
        findings: &mut Findings,
        membership: impl FnOnce() -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        if let Some(checker) = &mut self.checker {
            checker.entry(head, findings);
            match decode::carries(head.kind, head.kind_code, self.memberships.must) {
                Carries::Known => checker.membership(head, membership()?, findings),
                // Need not decode; the first that does says enough.
                Carries::Any if !checker.has_membership() && membership()? => {
                    checker.membership(head, true, findings);
                }
                Carries::Any | Carries::None => {}
            }
        }
        let after = self.all.last.and_then(LogIndex::next);
        let hole = after.zip(head.index.previous());
        if let Some(hole) = hole.and_then(|(first, last)| IndexRange::new(first, last)) {
            self.hole = Some(hole);
            self.dense = Counts::default();
        }
        self.all.add(head, self.room);
        self.dense.add(head, self.room);
        self.limits(head);
        if !self.target.kinds.contains(&head.kind) {
            *self.lost.entry(LossName::EntryKind).or_default() += 1;
        }
        Ok(())
    }

    /// Takes the contents of the entry whose head was taken last.
    pub(super) fn contents(&mut self, entry: &Entry) {
        let lost = &mut self.lost;
        self.fit.entry_losses(entry, |name| *lost.entry(name).or_default() += 1);
        if self.target.holds.time_form_matters {
            self.times.add(entry.extra.appended_at, self.fit.time_form);
        }
    }

    /// Takes note that something here could not be read.
    pub(super) fn unreadable(&mut self) {
        if let Some(checker) = &mut self.checker {
            checker.unreadable();
        }
    }

    /// Ends the log.
    pub(super) fn finish(&mut self, findings: &mut Findings) {
        if let Some(checker) = self.checker.take() {
            checker.finish(findings);
        }
        let Some(hole) = self.hole.filter(|_| !self.target.holds.holes) else { return };
        self.lost.insert(LossName::Hole, self.all.entries - self.dense.entries);
        let covering = self.seen.snapshot.as_ref();
        if covering.is_none_or(|snapshot| snapshot.index < hole.last()) {
            let missing = match hole.first() == hole.last() {
                true => format!("index {} is missing", hole.first()),
                false => format!("indexes {} to {} are missing", hole.first(), hole.last()),
            };
            self.unfit.get_or_insert(format!(
                "{missing}, no snapshot covers that, and the target holds no holes"
            ));
        }
    }

    /// What is lost, ascending by name.
    pub(super) fn losses(&self) -> impl Iterator<Item = (LossName, u64)> {
        self.lost.iter().map(|(name, count)| (*name, *count))
    }

    /// Indexes that are written.
    pub(super) fn range(&self) -> IndexRange {
        let first = self.counts().first.unwrap_or_default();
        IndexRange::new(first, LogIndex(u64::MAX)).unwrap_or(IndexRange::ALL)
    }

    /// As many bytes the group takes in the target at most.
    pub(super) fn bytes(&self) -> u64 {
        self.counts().target_bytes.saturating_add(self.state_bytes)
    }

    /// The group in the plan.
    pub(super) fn plan(&self) -> GroupPlan {
        let counts = self.counts();
        GroupPlan {
            group: self.group.clone(),
            first_index: counts.first,
            last_index: counts.last,
            entries: counts.entries,
            payload_bytes: counts.payload_bytes,
            state_keys: self.state_keys,
        }
    }

    fn counts(&self) -> &Counts {
        if self.target.holds.holes { &self.all } else { &self.dense }
    }

    fn limits(&mut self, head: &EntryHead) {
        let bytes = head.payload_len_bytes.saturating_add(head.extensions_len_bytes);
        if head.index.0 < self.target.index_min {
            self.unfit.get_or_insert_with(|| {
                format!(
                    "the target holds indexes from {}, the source has {}",
                    self.target.index_min, head.index
                )
            });
        } else if bytes > self.target.entry_bytes_max {
            self.unfit.get_or_insert_with(|| {
                format!(
                    "entry {} has {bytes} bytes, the target takes {} at most",
                    head.index, self.target.entry_bytes_max
                )
            });
        }
    }
}

/// Whether the entry at `index` carries a membership that decodes; each is read alone.
pub(super) fn membership_decodes(
    source: &dyn Store,
    (group, dialect): (&GroupId, Dialect),
    index: LogIndex,
) -> Result<bool, StoreError> {
    let Some(range) = IndexRange::new(index, index) else { return Ok(false) };
    for located in source.entries(group, range)? {
        match located {
            Ok(located) if located.entry.index == index => {
                return Ok(decodes(&located.entry, dialect));
            }
            Ok(_) | Err(StoreError::Fault(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether `entry` carries a membership that decodes.
pub(super) fn decodes(entry: &Entry, dialect: Dialect) -> bool {
    decode::tells_membership(dialect, entry.kind, entry.payload_bytes())
}
