//! What the log means so far: the state of every group and the index of its entries. The writer
//! and every replay apply records through the same code, so that both arrive at the same state.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fastlog::batch::Ends;
use crate::fastlog::format::{
    EntriesRecord, EntrySizes, GroupNo, Malformed, Op, Payload, Record, Records, SegmentNo,
    SnapshotFields, TooLarge,
};
use crate::fastlog::memtable::{Memtable, Position, Run, Shape, Tail};
use crate::fastlog::planted::{Bug, planted_in_replay};
use crate::fastlog::scan::StepOp;
use crate::fastlog::segment::FramePlace;
use crate::model::{
    GroupId, HardState, IndexRange, LogId, LogIndex, LogState, SharedBytes, SnapshotNote, StableMap,
};

/// A group: everything but its entries, and where those begin and end.
#[derive(Default)]
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) schema: Option<String>,
    pub(super) note: SharedBytes,
    pub(super) hard: HardState,
    pub(super) stable: StableMap,
    pub(super) compacted: Option<LogId>,
    pub(super) snapshot: Option<SnapshotNote>,
    pub(super) bounds: Option<IndexRange>,
    tail: Tail,
}

impl Group {
    /// The state as callers see it.
    pub(super) fn state(&self) -> LogState {
        LogState {
            hard: self.hard.clone(),
            stable: self.stable.clone(),
            compacted: self.compacted,
            snapshot: self.snapshot.clone(),
            bounds: self.bounds,
            schema: self.schema.clone(),
            note: self.note.clone(),
        }
    }

    /// Writes the state as records of a base.
    fn put(&self, base: &mut Payload, number: GroupNo) -> Result<(), TooLarge> {
        base.group(number, &self.id, self.schema.as_deref(), &self.note)?;
        if let Some(through) = self.compacted {
            base.compaction(number, through);
        }
        if let Some(snapshot) = &self.snapshot {
            base.snapshot_note(number, snapshot)?;
        }
        if self.hard != HardState::default() {
            base.hard_state(number, &self.hard)?;
        }
        for (key, value) in &self.stable {
            base.stable_put(number, key, value)?;
        }
        base.bounds(number, self.bounds);
        Ok(())
    }
}

/// Why records could not be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApplyError {
    /// The payload does not decode.
    Malformed(Malformed),
    /// A record speaks of a group that no record named.
    UnknownGroup { group: GroupNo, at: usize },
    /// Entries would leave a hole behind the last one, or behind the compaction.
    Hole { group: GroupNo, expected: LogIndex, found: LogIndex, at: usize },
    /// A base names entries that are not there.
    Base { group: GroupNo, bounds: IndexRange, present: u64, at: usize },
}

impl From<Malformed> for ApplyError {
    fn from(malformed: Malformed) -> Self {
        ApplyError::Malformed(malformed)
    }
}

/// How strictly records must follow from those before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Everything before is known: what does not follow is damage.
    Whole,
    /// Something before is missing: holes and unknown groups are taken as they are.
    Partial,
}

/// All groups and the index.
pub(super) struct Tables {
    pub(super) groups: BTreeMap<GroupNo, Group>,
    pub(super) names: BTreeMap<GroupId, GroupNo>,
    pub(super) memtable: Arc<Memtable>,
    /// Oldest segment that replay begins with; a base that counts on an older one is skipped.
    oldest: SegmentNo,
    trust: Trust,
    highest_group: GroupNo,
    base: BaseProgress,
}

/// Where in a base the replay is.
enum BaseProgress {
    None,
    /// The rest of the batch is skipped.
    Skipping,
    /// These groups are from before and wait for their bounds.
    Replacing(BTreeMap<GroupNo, Group>),
}

impl Tables {
    /// The state of a log in which nothing was written yet.
    pub(super) fn beginning() -> Tables {
        let mut tables = Tables::new(SegmentNo(1));
        tables.trust_beginning();
        tables
    }

    /// What a replay that begins with segment `oldest` knows before it: nothing.
    pub(super) fn new(oldest: SegmentNo) -> Tables {
        Tables {
            groups: BTreeMap::new(),
            names: BTreeMap::new(),
            memtable: Arc::default(),
            oldest,
            trust: Trust::Partial,
            highest_group: GroupNo(0),
            base: BaseProgress::None,
        }
    }

    /// The next record is the very first of the log: what does not follow is damage.
    pub(super) fn trust_beginning(&mut self) {
        self.trust = Trust::Whole;
    }

    /// From now on something may be missing, the end of a base that was begun included.
    pub(super) fn distrust(&mut self) {
        self.trust = Trust::Partial;
        self.abandon_base();
    }

    /// Forgets a base that was begun and not ended: groups that it did not come to stay as they
    /// were.
    pub(super) fn abandon_base(&mut self) {
        if let BaseProgress::Replacing(before) =
            std::mem::replace(&mut self.base, BaseProgress::None)
        {
            for (number, group) in before {
                self.names.entry(group.id.clone()).or_insert(number);
                self.groups.entry(number).or_insert(group);
            }
        }
    }

    /// Whether the state follows from the first record or from a base.
    pub(super) fn is_whole(&self) -> bool {
        self.trust == Trust::Whole
    }

    /// The number for the next new group.
    pub(super) fn next_group(&self) -> GroupNo {
        GroupNo(self.highest_group.0.saturating_add(1))
    }

    pub(super) fn group(&self, group: GroupNo) -> Option<&Group> {
        self.groups.get(&group)
    }

    /// Where the entries of a group begin and end.
    pub(super) fn ends(&self, group: GroupNo) -> Ends {
        self.groups.get(&group).map_or(Ends::default(), |known| Ends {
            exists: true,
            bounds: known.bounds,
            compacted: known.compacted.map(|id| id.index),
        })
    }

    /// Oldest segment that holds an entry that counts, or `None` without entries.
    pub(super) fn oldest_needed(&self) -> Option<SegmentNo> {
        let first = |(no, group): (&GroupNo, &Group)| {
            let position = self.memtable.get(*no, group.bounds?.first())?;
            Some(position.segment)
        };
        self.groups.iter().filter_map(first).min()
    }

    /// The state of every group as a base that needs nothing before `oldest`.
    pub(super) fn base(&self, oldest: SegmentNo) -> Result<Payload, TooLarge> {
        let mut base = Payload::default();
        base.base(oldest, u32::try_from(self.groups.len()).unwrap_or(u32::MAX));
        for (number, group) in &self.groups {
            group.put(&mut base, *number)?;
        }
        Ok(base)
    }

    /// Applies the records of one frame of a complete batch; `last` when the batch ends with it.
    pub(super) fn apply(
        &mut self,
        place: FramePlace,
        payload: &[u8],
        last: bool,
    ) -> Result<(), ApplyError> {
        let mut records = Records::new(payload);
        while let Some(record) = records.next_record()? {
            self.apply_record(place, record)?;
        }
        if last {
            self.end_batch();
        }
        Ok(())
    }

    /// Applies what was read ahead.
    pub(super) fn apply_step(&mut self, op: StepOp) -> Result<(), ApplyError> {
        match op {
            StepOp::Entries(group, range, run) => self.append_run(group, range, run),
            StepOp::Record(place, bytes) => {
                let mut records = Records::new(&bytes);
                while let Some(record) = records.next_record()? {
                    self.apply_record(place, record)?;
                }
                Ok(())
            }
            StepOp::BaseEnd => {
                self.end_batch();
                Ok(())
            }
        }
    }

    fn append_run(
        &mut self,
        number: GroupNo,
        range: IndexRange,
        run: Run,
    ) -> Result<(), ApplyError> {
        if matches!(self.base, BaseProgress::Skipping) {
            return Ok(());
        }
        let memtable = Arc::clone(&self.memtable);
        let group = self.room_for(number, range, 0)?;
        memtable.adopt(number, &mut group.tail, run);
        group.reach(range);
        Ok(())
    }

    fn end_batch(&mut self) {
        if let BaseProgress::Replacing(gone) = std::mem::replace(&mut self.base, BaseProgress::None)
        {
            for number in gone.into_keys() {
                self.memtable.truncate(number, LogIndex(0));
            }
            self.trust = Trust::Whole;
        }
    }

    fn apply_record(&mut self, place: FramePlace, record: Record<'_>) -> Result<(), ApplyError> {
        if matches!(self.base, BaseProgress::Skipping) {
            return Ok(());
        }
        let number = record.group;
        let at = record.span.start;
        match record.op {
            Op::Base { oldest_needed, .. } => {
                self.begin_base(oldest_needed);
                return Ok(());
            }
            Op::Group { id, schema, note } => {
                self.name_group(number, id, schema, note);
                return Ok(());
            }
            Op::GroupRemoval => {
                self.remove_group(number);
                return Ok(());
            }
            Op::Bounds(bounds) => return self.take_bounds(number, bounds, at),
            Op::Entries(entries) => return self.append(place, number, &entries, at),
            _ => {}
        }
        let memtable = self.memtable.as_ref();
        let group = match self.trust {
            Trust::Whole => self.groups.get_mut(&number),
            Trust::Partial => Some(self.groups.entry(number).or_default()),
        };
        let Some(group) = group else {
            return Err(ApplyError::UnknownGroup { group: number, at });
        };
        match record.op {
            Op::Truncation(first) if planted_in_replay(Bug::TruncationShort) => {
                group.truncate(memtable, number, LogIndex(first.0.saturating_add(1)));
            }
            Op::Truncation(first) => group.truncate(memtable, number, first),
            Op::Compaction(_) if planted_in_replay(Bug::CompactionLost) => {}
            Op::Compaction(through) => group.compact(memtable, number, through),
            Op::SnapshotMarker(snapshot) => group.mark(memtable, number, snapshot),
            Op::SnapshotNote(snapshot) => group.snapshot = Some(snapshot.to_note()),
            Op::HardState(hard) => group.hard = hard,
            Op::StablePut { key, value } => drop(group.stable.insert(key.to_vec(), value)),
            Op::StableDelete { key } => drop(group.stable.remove(key)),
            Op::Entries(_)
            | Op::Group { .. }
            | Op::GroupRemoval
            | Op::Base { .. }
            | Op::Bounds(_) => {}
        }
        Ok(())
    }

    fn append(
        &mut self,
        place: FramePlace,
        number: GroupNo,
        entries: &EntriesRecord<'_>,
        at: usize,
    ) -> Result<(), ApplyError> {
        let memtable = Arc::clone(&self.memtable);
        let group = self.room_for(number, entries.range, at)?;
        let mut walk = entries.walk();
        while let Some(sizes) = walk.next_sizes()? {
            memtable.push(number, &mut group.tail, sizes.index, &position(place, &sizes));
        }
        group.reach(entries.range);
        Ok(())
    }

    /// The group that the entries of a record are added to, with everything from their first
    /// index on removed. `at` is where the record lies.
    fn room_for(
        &mut self,
        number: GroupNo,
        range: IndexRange,
        at: usize,
    ) -> Result<&mut Group, ApplyError> {
        let trust = self.trust;
        let group = match trust {
            Trust::Whole => self.groups.get_mut(&number),
            Trust::Partial => Some(self.groups.entry(number).or_default()),
        };
        let Some(group) = group else {
            return Err(ApplyError::UnknownGroup { group: number, at });
        };
        let expected = match (group.bounds, group.compacted) {
            (Some(bounds), _) => bounds.last().next(),
            (None, Some(compacted)) => compacted.index.next(),
            (None, None) => Some(range.first()),
        };
        match expected {
            Some(expected)
                if range.first() > expected
                    && trust == Trust::Whole
                    && !planted_in_replay(Bug::SkipsBadFrames) =>
            {
                let found = range.first();
                return Err(ApplyError::Hole { group: number, expected, found, at });
            }
            _ => {}
        }
        let conflicts = group.bounds.is_some_and(|bounds| range.first() <= bounds.last());
        if conflicts && !planted_in_replay(Bug::HigherEntriesStay) {
            group.truncate(&self.memtable, number, range.first());
        }
        Ok(group)
    }

    fn name_group(&mut self, number: GroupNo, id: GroupId, schema: Option<&str>, note: &[u8]) {
        self.highest_group = self.highest_group.max(number);
        let group = self.groups.entry(number).or_default();
        if self.names.get(&group.id) == Some(&number) {
            self.names.remove(&group.id);
        }
        group.id = id.clone();
        group.schema = schema.map(str::to_owned);
        group.note = SharedBytes::from(note);
        self.names.insert(id, number);
    }

    fn remove_group(&mut self, number: GroupNo) {
        self.highest_group = self.highest_group.max(number);
        if let Some(group) = self.groups.remove(&number)
            && self.names.get(&group.id) == Some(&number)
        {
            self.names.remove(&group.id);
        }
        self.memtable.truncate(number, LogIndex(0));
    }

    fn begin_base(&mut self, oldest_needed: SegmentNo) {
        if oldest_needed < self.oldest {
            self.base = BaseProgress::Skipping;
            return;
        }
        self.names.clear();
        self.base = BaseProgress::Replacing(std::mem::take(&mut self.groups));
    }

    /// Ends a group in a base: of the entries known from before, those inside count.
    fn take_bounds(
        &mut self,
        number: GroupNo,
        bounds: Option<IndexRange>,
        at: usize,
    ) -> Result<(), ApplyError> {
        if let BaseProgress::Replacing(before) = &mut self.base {
            before.remove(&number);
        }
        let group = self.groups.entry(number).or_default();
        group.tail = Tail::default();
        group.bounds = bounds;
        let Some(bounds) = bounds else {
            self.memtable.truncate(number, LogIndex(0));
            return Ok(());
        };
        if let Some(behind) = bounds.last().next() {
            self.memtable.truncate(number, behind);
        }
        if let Some(before) = bounds.first().previous() {
            self.memtable.compact(number, before);
        }
        let present = self.memtable.count(number, bounds.first(), bounds.last());
        if present != bounds.count() {
            return Err(ApplyError::Base { group: number, bounds, present, at });
        }
        Ok(())
    }
}

/// Where an entry of the frame at `place` lies.
#[inline]
pub(super) fn position(place: FramePlace, sizes: &EntrySizes) -> Position {
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position {
        segment: place.segment,
        frame_offset: place.offset,
        at: small(sizes.at),
        len: small(sizes.len),
        payload_len: small(sizes.payload_len),
        extensions_len: small(sizes.extensions_len),
        shape: Shape { term: sizes.term, kind: sizes.kind, kind_code: sizes.kind_code },
    }
}

impl Group {
    fn truncate(&mut self, memtable: &Memtable, number: GroupNo, first: LogIndex) {
        let Some(bounds) = self.bounds else { return };
        if first > bounds.last() {
            return;
        }
        memtable.truncate(number, first);
        self.tail = Tail::default();
        self.bounds = first.previous().and_then(|last| IndexRange::new(bounds.first(), last));
    }

    /// Takes note of entries that were added at the end.
    fn reach(&mut self, range: IndexRange) {
        let first = self.bounds.map_or(range.first(), IndexRange::first);
        let last = match self.bounds {
            Some(bounds) if planted_in_replay(Bug::HigherEntriesStay) => {
                bounds.last().max(range.last())
            }
            _ => range.last(),
        };
        self.bounds = IndexRange::new(first, last);
    }

    fn compact(&mut self, memtable: &Memtable, number: GroupNo, through: LogId) {
        if self.compacted.is_some_and(|known| known.index > through.index) {
            return;
        }
        self.compacted = Some(through);
        let Some(bounds) = self.bounds else { return };
        if through.index < bounds.first() {
            return;
        }
        let first = through.index.next().filter(|first| *first <= bounds.last());
        match first {
            Some(_) => memtable.compact(number, through.index),
            None => {
                memtable.truncate(number, LogIndex(0));
                self.tail = Tail::default();
            }
        }
        self.bounds = first.and_then(|first| IndexRange::new(first, bounds.last()));
    }

    fn mark(&mut self, memtable: &Memtable, number: GroupNo, snapshot: SnapshotFields<'_>) {
        if planted_in_replay(Bug::MarkerKeepsEntries) && self.bounds.is_some() {
            self.compacted = Some(snapshot.last);
        } else {
            self.compact(memtable, number, snapshot.last);
        }
        self.snapshot = Some(snapshot.to_note());
        if let Some(commit) = &mut self.hard.commit
            && !planted_in_replay(Bug::MarkerCommitStale)
        {
            *commit = (*commit).max(snapshot.last.index);
        }
    }
}
