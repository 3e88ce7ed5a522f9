//! What callers did and were told, and how much of it a crash may take.

use std::collections::HashMap;
use std::time::Duration;

use crate::simulate::oracle::promise::{MayLose, Row, Waits};
use crate::simulate::oracle::state::{Action, Actions, Model, State};

/// How many operations: `OpNumber(3)` is the state after the first three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpNumber(pub usize);

/// An operation as its caller saw it.
#[derive(Clone, Debug)]
struct Op {
    actions: Actions,
    entries: u32,
    changes_vote: bool,
    changes_term: bool,
    acknowledged: Option<Duration>,
}

/// Everything that callers did and were told so far.
#[derive(Clone, Debug)]
pub struct History {
    /// What is promised.
    row: Row,
    ops: Vec<Op>,
    /// Of the state after each number of operations.
    digests: Vec<u128>,
    known: HashMap<u128, Vec<OpNumber>>,
    /// What there was before the first operation, and what there is now.
    base: Model,
    model: Model,
    /// What a sync or a close that returned covers.
    synced: OpNumber,
    /// What the durable watermark covered.
    watermark: OpNumber,
    /// What a reader saw who sees only what lasts.
    seen: OpNumber,
    /// Longest time that one call took, and when the last one began.
    flush: Duration,
    began: Duration,
}

/// How many operations there were at a moment, and how many of them each promise covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When.
    pub at: Duration,
    /// How many may be there.
    pub accepted: OpNumber,
    /// Through the last acknowledged one.
    pub acknowledged: OpNumber,
    /// Covered by an acknowledgement that promises all.
    pub by_ack: OpNumber,
    /// Covered by the acknowledgement of a change of term, vote or stable key.
    pub by_vote: OpNumber,
    /// Covered by a sync or a close that returned.
    pub by_sync: OpNumber,
    /// Covered by the durable watermark.
    pub by_watermark: OpNumber,
    /// Seen by a reader who sees only what lasts.
    pub by_sight: OpNumber,
    /// Covered by the bounds of the mode, in entries and age.
    pub by_bound: OpNumber,
}

impl Standing {
    /// How many must be there.
    pub fn promised(&self) -> OpNumber {
        let told = self.by_ack.max(self.by_vote).max(self.by_sync);
        told.max(self.by_watermark).max(self.by_sight).max(self.by_bound)
    }
}

/// What of the acknowledged is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Entries.
    pub entries: u64,
    /// Age of the oldest lost operation.
    pub window: Duration,
    /// Changes of a vote.
    pub votes: u64,
    /// Changes of a term.
    pub terms: u64,
    /// Operations lost, by position.
    pub ops: std::ops::Range<usize>,
}

impl History {
    /// A history of what is promised so, which begins with an empty log.
    pub fn new(row: Row) -> History {
        History::from_here(row, Model::default())
    }

    /// A history that begins with what `base` holds.
    pub fn from_here(row: Row, base: Model) -> History {
        History {
            row,
            ops: Vec::new(),
            digests: vec![base.digest()],
            known: HashMap::from([(base.digest(), vec![OpNumber(0)])]),
            model: base.clone(),
            base,
            synced: OpNumber(0),
            watermark: OpNumber(0),
            seen: OpNumber(0),
            flush: Duration::ZERO,
            began: Duration::ZERO,
        }
    }

    /// The state that callers go on from.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// How many operations there were.
    pub fn accepted(&self) -> OpNumber {
        OpNumber(self.ops.len())
    }

    /// The next operation.
    pub fn accept(&mut self, actions: Actions) -> OpNumber {
        let before = |id| self.model.group(id).map(|held| held.state.hard.clone());
        let (mut entries, mut changes_vote, mut changes_term) = (0u32, false, false);
        for (id, action) in &actions {
            match action {
                Action::Append(appended) => {
                    let count = u32::try_from(appended.len()).unwrap_or(u32::MAX);
                    entries = entries.saturating_add(count);
                }
                Action::Hard(hard) => {
                    let before = before(id).unwrap_or_default();
                    changes_term |= before.term != hard.term;
                    changes_vote |= before.vote != hard.vote;
                }
                Action::Put(..) | Action::Delete(_) => changes_vote = true,
                _ => {}
            }
        }
        self.model.apply(&actions);
        self.ops.push(Op { actions, entries, changes_vote, changes_term, acknowledged: None });
        let number = OpNumber(self.ops.len());
        self.digests.push(self.model.digest());
        self.known.entry(self.model.digest()).or_default().push(number);
        number
    }

    /// The last operation was refused: it never was.
    pub fn take_back(&mut self) {
        let Some(_) = self.ops.pop() else { return };
        let gone = OpNumber(self.digests.len() - 1);
        if let Some(digest) = self.digests.pop()
            && let Some(numbers) = self.known.get_mut(&digest)
        {
            numbers.retain(|number| *number != gone);
        }
        self.model = self.model_after(OpNumber(self.ops.len()));
    }

    /// The last operations were refused before anybody was told of them. Returns how many.
    pub fn take_back_unanswered(&mut self) -> usize {
        let before = self.ops.len();
        while self.ops.last().is_some_and(|op| op.acknowledged.is_none()) {
            self.take_back();
        }
        before - self.ops.len()
    }

    /// Operation `op` was acknowledged at `now`.
    pub fn acknowledge(&mut self, op: OpNumber, now: Duration) {
        if let Some(op) = op.0.checked_sub(1).and_then(|at| self.ops.get_mut(at)) {
            op.acknowledged.get_or_insert(now);
        }
    }

    /// A sync or a close that covers everything through `op` returned.
    pub fn synced(&mut self, op: OpNumber) {
        self.synced = self.synced.max(op);
    }

    /// The durable watermark stood at `op`.
    pub fn called_durable(&mut self, op: OpNumber) {
        self.watermark = self.watermark.max(op);
    }

    /// A reader who sees only what lasts saw everything through `op`.
    pub fn seen(&mut self, op: OpNumber) {
        self.seen = self.seen.max(op);
    }

    /// A call begins at `now`: the one before took no longer than that.
    pub fn call_begins(&mut self, now: Duration) {
        self.flush = self.flush.max(now.saturating_sub(self.began));
        self.began = now;
    }

    /// Time passed between two calls.
    pub fn time_passed(&mut self, now: Duration) {
        self.began = now;
    }

    /// How things stand at `now` for a power cut, and for a kill of the process.
    pub fn standing(&self, now: Duration) -> (Standing, Standing) {
        let power = self.standing_for(self.row.power, now);
        let mut kill = self.standing_for(self.row.kill, now);
        kill.by_bound = kill.by_bound.max(power.by_bound);
        (power, kill)
    }

    fn standing_for(&self, loss: MayLose, now: Duration) -> Standing {
        let last = |fits: &dyn Fn(&Op, Duration) -> bool| {
            let fits = |op: &Op| op.acknowledged.is_some_and(|at| fits(op, now.saturating_sub(at)));
            OpNumber(self.ops.iter().rposition(fits).map_or(0, |at| at + 1))
        };
        let acknowledged = last(&|_, _| true);
        let (by_ack, by_bound) = match loss {
            MayLose::Nothing => (acknowledged, OpNumber(0)),
            MayLose::SinceSyncPoint => (OpNumber(0), OpNumber(0)),
            MayLose::Recent { entries, age } => {
                let flush = self.flush.max(now.saturating_sub(self.began));
                let old = age.map(|age| {
                    let bound = age.bound(flush, flush);
                    last(&|_, age| age > bound)
                });
                let few = entries.map(|most| self.beyond(most));
                (OpNumber(0), old.max(few).unwrap_or_default())
            }
        };
        let keeps_votes = self.row.vote == Waits::Durable;
        Standing {
            at: now,
            accepted: self.accepted(),
            acknowledged,
            by_ack,
            by_vote: last(&|op, _| keeps_votes && (op.changes_vote || op.changes_term)),
            by_sync: self.synced,
            by_watermark: self.watermark,
            by_sight: self.seen,
            by_bound,
        }
    }

    /// The last operation that cannot be lost while no more than `most` acknowledged entries are.
    fn beyond(&self, most: u32) -> OpNumber {
        let mut entries = 0u32;
        for (at, op) in self.ops.iter().enumerate().rev() {
            if op.acknowledged.is_some() {
                entries = entries.saturating_add(op.entries);
            }
            if entries > most {
                return OpNumber(at + 1);
            }
        }
        OpNumber(0)
    }

    /// The largest number of operations from `least` to `most` after which the state has this
    /// digest.
    pub fn fitting(&self, digest: u128, least: OpNumber, most: OpNumber) -> Option<OpNumber> {
        let numbers = self.known.get(&digest)?;
        numbers.iter().rev().copied().find(|number| *number >= least && *number <= most)
    }

    /// How many operations a reader has certainly seen to whom the log has this digest: where it
    /// was so after several numbers of them, the first that is not below what was seen before.
    pub fn surely_seen(&self, digest: u128) -> Option<OpNumber> {
        let numbers = self.known.get(&digest)?;
        let first = numbers.iter().copied().find(|number| *number >= self.seen);
        first.or_else(|| numbers.last().copied())
    }

    /// The state after `op` operations. Costs as much as applying them.
    pub fn state_after(&self, op: OpNumber) -> State {
        self.model_after(op).state()
    }

    /// As [`History::state_after`], to be gone on from.
    pub fn model_after(&self, op: OpNumber) -> Model {
        let mut model = self.base.clone();
        self.ops.iter().take(op.0).for_each(|op| model.apply(&op.actions));
        model
    }

    /// What is gone of what was acknowledged at `standing` when `kept` operations are there.
    pub fn loss(&self, kept: OpNumber, standing: &Standing) -> Loss {
        let end = standing.accepted.0.min(self.ops.len());
        let mut loss = Loss { ops: kept.0.min(end)..end, ..Loss::default() };
        let lost = self.ops.iter().enumerate().take(end).skip(kept.0);
        for (at, op) in lost {
            // Told later than this moment, it was not acknowledged at it.
            let told = op.acknowledged.and_then(|told| standing.at.checked_sub(told));
            let Some(age) = told else { continue };
            if age.is_zero() && at >= standing.acknowledged.0 {
                continue;
            }
            loss.entries += u64::from(op.entries);
            loss.window = loss.window.max(age);
            loss.votes += u64::from(op.changes_vote);
            loss.terms += u64::from(op.changes_term);
        }
        loss
    }

    /// The actions of operation number `at`, from 0, and when it was acknowledged.
    pub fn op(&self, at: usize) -> Option<(&Actions, Option<Duration>)> {
        self.ops.get(at).map(|op| (&op.actions, op.acknowledged))
    }

    /// The states after `least` to `most` operations, with their numbers.
    pub fn states(&self, least: OpNumber, most: OpNumber) -> Vec<(OpNumber, State)> {
        let mut model = self.model_after(least);
        let mut states = vec![(least, model.state())];
        let later = self.ops.iter().enumerate().skip(least.0);
        for (at, op) in later.take(most.0.saturating_sub(least.0)) {
            model.apply(&op.actions);
            states.push((OpNumber(at + 1), model.state()));
        }
        states
    }
}
