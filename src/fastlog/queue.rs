//! What was accepted and not flushed, and how far everything got.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::fastlog::batch::{Batch, Effect, Ends};
use crate::fastlog::format::{GroupNo, Payload, Sequence, TooLarge};
use crate::fastlog::gather::Gather;
use crate::fastlog::marks::{OpNo, Trail, Watermarks};
use crate::fastlog::pace::{Due, FlushPace, QueueEvent, SyncPace, WrittenEvent};
use crate::fastlog::plan::{Placed, Plan};
use crate::fastlog::planted::{Bug, planted};
use crate::fastlog::policy::{Ack, Promise};
use crate::fastlog::tables::Tables;
use crate::fastlog::{Error, Refusal};
use crate::model::{GroupId, LogIndex};

/// How an operation ended; empty until then.
pub(super) type Outcome = Arc<OnceLock<Result<(), Error>>>;
/// What is called when an operation got somewhere, or failed.
pub(super) type Callback = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// An operation that waits to be written; number 0 is the engine's own.
pub(super) struct Waiting {
    pub(super) placed: Arc<Placed>,
    pub(super) op: OpNo,
    pub(super) ack: Ack,
    pub(super) outcome: Outcome,
    pub(super) load: Load,
}

/// What an operation adds to the queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    entries: u64,
    bytes: u64,
}

/// Bytes of batches that were flushed and not freed.
const SPENT_BYTES: u64 = 1 << 20;

/// Somebody who wants to know when an operation got somewhere.
pub(super) struct Watcher {
    pub(super) op: OpNo,
    pub(super) mark: Ack,
    pub(super) outcome: Outcome,
    pub(super) callback: Callback,
}

/// A watcher's callback, with what it is to be told.
pub(super) type Told = (Callback, Result<(), Error>);

/// A group as it will be when everything accepted is written.
#[derive(Default)]
struct Known {
    /// `None` is: as the tables say.
    ends: Option<Ends>,
    trail: Trail,
}

/// What a batch does, checked against everything accepted before it.
pub(super) struct Checked {
    /// A batch is mostly of one group, which needs no map.
    first: Option<(GroupNo, Ends)>,
    others: BTreeMap<GroupNo, Ends>,
    votes: bool,
}

impl Checked {
    fn ends(&self, group: GroupNo) -> Option<Ends> {
        match self.first {
            Some((first, ends)) if first == group => Some(ends),
            _ => self.others.get(&group).copied(),
        }
    }

    fn set(&mut self, group: GroupNo, ends: Ends) {
        match &mut self.first {
            Some((first, _)) if *first != group => {
                self.others.insert(group, ends);
            }
            first => *first = Some((group, ends)),
        }
    }
}

/// Limits of the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    /// Payload or extensions of one entry.
    pub(super) entry_bytes: u64,
    /// Groups of the log.
    pub(super) groups: u64,
}

/// See the module.
pub(super) struct Queue {
    waiting: Vec<Waiting>,
    /// What waits, and what is being flushed.
    unflushed: Load,
    room: Room,
    groups: HashMap<GroupNo, Known>,
    /// Names of groups that something not yet visible creates.
    names: BTreeMap<GroupId, GroupNo>,
    next_group: GroupNo,
    marks: Watermarks,
    /// The last operation that is being flushed, and that is being synced.
    taken: OpNo,
    syncing: OpNo,
    plan: Plan,
    pace: FlushPace,
    sync_pace: SyncPace,
    /// Whether those who could flush wait for company.
    pub(super) gather: Gather,
    watchers: Vec<Watcher>,
    /// What was flushed and is to be freed, and its bytes.
    spent: Vec<Waiting>,
    spent_bytes: u64,
    /// Somebody flushes, or is about to.
    pub(super) flushing: bool,
    /// Nothing is accepted for a moment.
    pub(super) paused: bool,
    pub(super) closed: bool,
    /// The thread sleeps, and until when.
    pub(super) dozes_until: Option<Duration>,
    /// It is to end.
    pub(super) stopping: bool,
}

impl Queue {
    pub(super) fn new(
        plan: Plan,
        next_group: GroupNo,
        pace: FlushPace,
        sync_pace: SyncPace,
        room: Room,
    ) -> Queue {
        Queue {
            waiting: Vec::new(),
            unflushed: Load::default(),
            room,
            groups: HashMap::new(),
            names: BTreeMap::new(),
            next_group,
            marks: Watermarks::default(),
            taken: OpNo(0),
            syncing: OpNo(0),
            plan,
            pace,
            sync_pace,
            gather: Gather::default(),
            watchers: Vec::new(),
            spent: Vec::new(),
            spent_bytes: 0,
            flushing: false,
            paused: false,
            closed: false,
            dozes_until: None,
            stopping: false,
        }
    }

    pub(super) fn marks(&self) -> Watermarks {
        self.marks
    }

    pub(super) fn group_marks(&self, group: GroupNo) -> Watermarks {
        let known = self.groups.get(&group);
        known.map(|known| known.trail.watermarks(&self.marks)).unwrap_or_default()
    }

    /// How many operations wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether one more fits. An operation above the limits fits when it is alone.
    pub(super) fn has_room(&self, batch: &Batch) -> bool {
        let load = Load::of(batch);
        let Load { entries, bytes } = self.unflushed;
        !self.paused
            && (entries == 0
                || planted(Bug::NoBackpressure)
                || (entries.saturating_add(load.entries) <= self.room.entries
                    && bytes.saturating_add(load.bytes) <= self.room.bytes))
    }

    /// Whether somebody is to be told of something.
    pub(super) fn is_watched(&self) -> bool {
        !self.watchers.is_empty()
    }

    /// The number and name for a new group.
    pub(super) fn reserve_group(
        &mut self,
        tables: &Tables,
        id: &GroupId,
    ) -> Result<GroupNo, Refusal> {
        match tables.names.get(id).or_else(|| self.names.get(id)) {
            Some(group) => Err(Refusal::GroupExists { group: *group }),
            None => {
                let group = self.next_group;
                self.next_group = GroupNo(group.0.saturating_add(1));
                Ok(group)
            }
        }
    }

    /// What `batch` does, or why it is refused. `visible` is what the tables show.
    pub(super) fn check(
        &self,
        tables: &Tables,
        visible: Ack,
        batch: &Batch,
    ) -> Result<Checked, Refusal> {
        let mut checked = Checked { first: None, others: BTreeMap::new(), votes: false };
        self.check_limits(tables, batch)?;
        for effect in &batch.effects {
            let group = effect.group();
            let known = self.groups.get(&group);
            let shown = known.is_none_or(|known| known.trail.last() <= self.marks.at(visible));
            let before = checked.ends(group);
            let settled = shown && before.is_none();
            let ends = before.or_else(|| known.and_then(|known| known.ends));
            let ends = ends.unwrap_or_else(|| tables.ends(group));
            if let Effect::Name { id, .. } = effect {
                let known = tables.names.get(id).or_else(|| self.names.get(id));
                if let Some(other) = known.filter(|known| **known != group) {
                    return Err(Refusal::GroupExists { group: *other });
                }
            } else if !ends.exists {
                return Err(Refusal::UnknownGroup { group });
            }
            let term_at = |index: LogIndex| {
                let inside = ends.bounds.is_some_and(|bounds| bounds.contains(index));
                let position = tables.memtable.get(group, index).filter(|_| settled && inside);
                position.map(|position| position.shape.term)
            };
            checked.votes |= match effect {
                Effect::Stable { .. } => true,
                Effect::Hard { hard, .. } => {
                    let before = tables.group(group).filter(|_| settled).map(|known| &known.hard);
                    before.is_none_or(|old| old.term != hard.term || old.vote != hard.vote)
                }
                _ => false,
            };
            let after = ends.after(effect, term_at)?;
            checked.set(group, after);
        }
        Ok(checked)
    }

    /// What the options allow, which may be less than the format does.
    fn check_limits(&self, tables: &Tables, batch: &Batch) -> Result<(), Refusal> {
        let len = batch.largest_bytes;
        if u64::try_from(len).is_ok_and(|len| len > self.room.entry_bytes) {
            let limit = usize::try_from(self.room.entry_bytes).unwrap_or(usize::MAX);
            return Err(TooLarge { what: "entry", len, limit }.into());
        }
        let names = |effect: &&Effect| matches!(effect, Effect::Name { .. });
        let new = batch.effects.iter().filter(names).count();
        let limit = usize::try_from(self.room.groups).unwrap_or(usize::MAX);
        if new == 0 || tables.names.len() + self.names.len() + new <= limit {
            return Ok(());
        }
        let pending = self.names.keys().filter(|id| !tables.names.contains_key(*id)).count();
        if tables.names.len() + pending + new <= limit {
            return Ok(());
        }
        Err(Refusal::TooManyGroups { limit: self.room.groups })
    }

    /// Gives a batch its number and its place.
    pub(super) fn accept(
        &mut self,
        now: Duration,
        batch: Batch,
        checked: Checked,
        sync_point: Sequence,
        promise: &Promise,
    ) -> Result<Waiting, Error> {
        let load = Load::of(&batch);
        let placed = Arc::new(self.plan.place(batch.payload, sync_point)?);
        let op = OpNo(self.marks.accepted.0 + 1);
        let borders = [self.marks.durable, self.syncing, self.marks.written, self.taken];
        for (group, ends) in checked.first.into_iter().chain(checked.others) {
            let known = self.groups.entry(group).or_default();
            known.ends = Some(ends);
            known.trail.push(op, &borders);
        }
        for effect in batch.effects {
            match effect {
                Effect::Name { group, id } => {
                    self.names.insert(id, group);
                    self.next_group = self.next_group.max(GroupNo(group.0.saturating_add(1)));
                }
                Effect::Remove { group } => self.names.retain(|_, number| *number != group),
                _ => {}
            }
        }
        self.marks.accepted = op;
        let votes = checked.votes && !planted(Bug::VoteNotSynced);
        let ack = promise.ack_of(batch.entries, votes);
        let urgent = ack > promise.ack.max(promise.flush_to);
        self.unflushed.add(load);
        let entries = u32::try_from(load.entries).unwrap_or(u32::MAX);
        self.pace.step(now, QueueEvent::Accepted { entries, urgent });
        Ok(Waiting { placed, op, ack, outcome: Outcome::default(), load })
    }

    /// Places records of the engine's own.
    pub(super) fn accept_own(
        &mut self,
        now: Duration,
        payload: Payload,
        sync_point: Sequence,
    ) -> Result<Waiting, Error> {
        let placed = Arc::new(self.plan.place(payload, sync_point)?);
        self.pace.step(now, QueueEvent::Accepted { entries: 0, urgent: true });
        let (outcome, load) = (Outcome::default(), Load::default());
        Ok(Waiting { placed, op: OpNo(0), ack: Ack::Written, outcome, load })
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// Everything that waits, to be flushed.
    pub(super) fn take(&mut self, now: Duration) -> Vec<Waiting> {
        self.pace.step(now, QueueEvent::Taken);
        self.taken = self.marks.accepted;
        std::mem::take(&mut self.waiting)
    }

    /// Leaves what was flushed to those who accept, to be freed: they asked for that memory, and
    /// will ask for more. Freed by another thread, both would wait for each other in the allocator.
    /// Returns what is too much for that.
    pub(super) fn spend(&mut self, mut flushed: Vec<Waiting>) -> Vec<Waiting> {
        while let Some(last) = flushed.last() {
            let bytes = self.spent_bytes.saturating_add(last.load.bytes);
            if bytes > SPENT_BYTES {
                break;
            }
            self.spent_bytes = bytes;
            self.spent.extend(flushed.pop());
        }
        flushed
    }

    /// Something to free, when there is.
    pub(super) fn take_spent(&mut self) -> [Option<Waiting>; 2] {
        let mut next = || {
            let waiting = self.spent.pop()?;
            self.spent_bytes = self.spent_bytes.saturating_sub(waiting.load.bytes);
            Some(waiting)
        };
        [next(), next()]
    }

    /// Takes note of what was flushed; the last of `done` and all before it are `reached`.
    pub(super) fn flushed(&mut self, now: Duration, done: &[Waiting], reached: Ack) {
        self.pace.step(now, QueueEvent::Flushed);
        let last = done.iter().map(|waiting| waiting.op).max().unwrap_or_default();
        self.marks.written = self.marks.written.max(last);
        if reached == Ack::Durable {
            self.marks.durable = self.marks.durable.max(last);
        }
        for waiting in done {
            self.unflushed.remove(waiting.load);
            let _first_one_counts = waiting.outcome.set(Ok(()));
        }
        if self.waiting.is_empty() {
            self.names.clear();
        }
    }

    /// Lets `failed` and all that was accepted after it fail: it rests on something that is not
    /// there. What is accepted next goes on where `plan` says.
    pub(super) fn failed(&mut self, now: Duration, failed: &[Waiting], error: &Error, plan: Plan) {
        let rest = self.take(now);
        for waiting in failed.iter().chain(&rest) {
            self.unflushed.remove(waiting.load);
            let _first_one_counts = waiting.outcome.set(Err(error.clone()));
        }
        for known in self.groups.values_mut() {
            known.ends = None;
            known.trail.forget_after(self.marks.written);
        }
        self.names.clear();
        self.plan = plan;
    }

    /// Begins a sync of everything written; returns the last operation that it covers.
    pub(super) fn begin_sync(&mut self, now: Duration) -> OpNo {
        self.sync_pace.step(now, WrittenEvent::Syncing);
        self.syncing = self.marks.written;
        self.marks.written
    }

    /// Takes note that everything through `op` is durable.
    pub(super) fn synced(&mut self, op: OpNo) {
        self.marks.durable = self.marks.durable.max(op);
    }

    /// Whether the thread sleeps longer than until the next flush.
    pub(super) fn sleeps_past_flush(&mut self, now: Duration) -> bool {
        let Some(until) = self.dozes_until else { return false };
        match self.flush_due(now) {
            Due::Now => true,
            Due::At(due) => due < until,
            Due::Never => false,
        }
    }

    /// When to flush.
    pub(super) fn flush_due(&mut self, now: Duration) -> Due {
        match self.pace.step(now, QueueEvent::Tick) {
            // Few large ones are as much as many small ones.
            Due::At(_) if self.unflushed.bytes >= self.room.bytes / 2 => Due::Now,
            due => due,
        }
    }

    /// When to sync: as the level says, or at once when somebody who does not wait wants it.
    pub(super) fn sync_due(&mut self, now: Duration) -> Due {
        let written = self.marks.written;
        let unsynced = self.marks.durable < written;
        let wanted = |watcher: &Watcher| watcher.mark == Ack::Durable && watcher.op <= written;
        if unsynced && self.watchers.iter().any(wanted) {
            return Due::Now;
        }
        self.sync_pace.step(now, WrittenEvent::Tick { unsynced })
    }

    /// How `op` stands with respect to `mark`.
    pub(super) fn reached(
        &self,
        op: OpNo,
        mark: Ack,
        outcome: &Outcome,
    ) -> Option<Result<(), Error>> {
        match outcome.get() {
            Some(Err(error)) => Some(Err(error.clone())),
            _ if self.marks.at(mark) >= op => Some(Ok(())),
            _ => None,
        }
    }

    pub(super) fn watch(&mut self, watcher: Watcher) {
        self.watchers.push(watcher);
    }

    /// The watchers that are to be told something; with `broken`, all of them.
    pub(super) fn told(&mut self, broken: Option<&Error>) -> Vec<Told> {
        if self.watchers.is_empty() {
            return Vec::new();
        }
        let mut told = Vec::new();
        for watcher in std::mem::take(&mut self.watchers) {
            let known = self.reached(watcher.op, watcher.mark, &watcher.outcome);
            match known.or_else(|| broken.map(|error| Err(error.clone()))) {
                Some(result) => told.push((watcher.callback, result)),
                None => self.watchers.push(watcher),
            }
        }
        told
    }
}

impl Load {
    /// Operations without entries count as one, so that their number is bounded as well.
    fn of(batch: &Batch) -> Load {
        let bytes = u64::try_from(batch.payload.bytes().len()).unwrap_or(u64::MAX);
        Load { entries: u64::from(batch.entries.max(1)), bytes }
    }

    fn add(&mut self, other: Load) {
        self.entries = self.entries.saturating_add(other.entries);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    fn remove(&mut self, other: Load) {
        self.entries = self.entries.saturating_sub(other.entries);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}
