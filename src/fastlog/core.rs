//! Queue, group commit and visible state: what the threads that use a log share.
//!
//! Locks are taken in the order writer, tables, queue, and never the other way round.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use crate::fastlog::batch::{Batch, Effect, Ends};
use crate::fastlog::format::{GroupNo, Payload};
use crate::fastlog::memtable::Memtable;
use crate::fastlog::pace::{FlushAction, FlushPace, QueueEvent};
use crate::fastlog::policy::Flush;
use crate::fastlog::read::{RangeReader, Source};
use crate::fastlog::segment::FramePlace;
use crate::fastlog::tables::{ApplyError, Tables};
use crate::fastlog::ticket::{Outcome, Ticket, Watermarks};
use crate::fastlog::writer::{Writer, frame_payloads};
use crate::fastlog::{Error, Options, Refusal, Stepping};
use crate::model::{GroupId, IndexRange};
use crate::vfs::{Clock, Held};

/// A batch that waits to be written.
struct Waiting {
    payload: Payload,
    outcome: Outcome,
}

/// What was accepted and not flushed, and how far everything got.
struct Queue {
    waiting: Vec<Waiting>,
    /// Entries in it.
    entries: u32,
    /// The ends of every group that something waiting touches.
    ends: BTreeMap<GroupNo, Ends>,
    /// Names of groups that something waiting creates.
    names: BTreeMap<GroupId, GroupNo>,
    next_group: GroupNo,
    marks: Watermarks,
    pace: FlushPace,
    flushing: bool,
    closed: bool,
}

/// See the module.
pub(super) struct Core {
    writer: Mutex<Writer>,
    tables: RwLock<Tables>,
    queue: Mutex<Queue>,
    changed: Condvar,
    clock: Arc<dyn Clock>,
    source: Source,
    queue_entries: u32,
    stepping: Stepping,
    _lock: Box<dyn Held>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(super) fn new(
        writer: Writer,
        tables: Tables,
        clock: Arc<dyn Clock>,
        flush: Flush,
        options: &Options,
        lock: Box<dyn Held>,
    ) -> Core {
        let source = Source {
            files: Arc::clone(&writer.files),
            memtable: Arc::<Memtable>::clone(&tables.memtable),
            uid: writer.uid,
            live: true,
        };
        let queue = Queue {
            waiting: Vec::new(),
            entries: 0,
            ends: BTreeMap::new(),
            names: BTreeMap::new(),
            next_group: tables.next_group(),
            marks: Watermarks::default(),
            pace: FlushPace::new(flush),
            flushing: false,
            closed: false,
        };
        Core {
            writer: Mutex::new(writer),
            tables: RwLock::new(tables),
            queue: Mutex::new(queue),
            changed: Condvar::new(),
            clock,
            source,
            queue_entries: options.queue_entries.max(1),
            stepping: options.stepping,
            _lock: lock,
        }
    }

    pub(super) fn tables(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watermarks(&self) -> Watermarks {
        locked(&self.queue).marks
    }

    pub(super) fn range_reader(&self, group: GroupNo, range: IndexRange) -> Option<RangeReader> {
        let bounds = self.tables().group(group)?.bounds?;
        Some(RangeReader::new(self.source.clone(), group, bounds.intersection(range)?))
    }

    pub(super) fn create_group(self: &Arc<Self>, id: &GroupId) -> Result<(GroupNo, Ticket), Error> {
        let tables = self.tables();
        let mut queue = locked(&self.queue);
        let known = tables.names.get(id).or_else(|| queue.names.get(id));
        if let Some(group) = known {
            return Err(Refusal::GroupExists { group: *group }.into());
        }
        drop(tables);
        let group = queue.next_group;
        let mut batch = Batch::new();
        batch.name_group(group, id, None, &[])?;
        queue.next_group = GroupNo(group.0.saturating_add(1));
        queue.names.insert(id.clone(), group);
        drop(queue);
        Ok((group, self.submit(batch)?))
    }

    /// Accepts a batch; makes room first when too much waits.
    pub(super) fn submit(self: &Arc<Self>, batch: Batch) -> Result<Ticket, Error> {
        let outcome: Outcome = Arc::new(OnceLock::new());
        loop {
            let tables = self.tables();
            let mut queue = locked(&self.queue);
            if queue.closed {
                return Err(Error::Closed);
            }
            let full = queue.entries.saturating_add(batch.entries) > self.queue_entries;
            if full && !queue.waiting.is_empty() {
                drop((tables, queue));
                self.flush();
                continue;
            }
            let ends = check(&tables, &queue, &batch)?;
            drop(tables);
            queue.ends.extend(ends);
            queue.entries = queue.entries.saturating_add(batch.entries);
            queue.marks.accepted.0 += 1;
            let op = queue.marks.accepted;
            let now = self.clock.monotonic();
            queue.pace.step(now, QueueEvent::Accepted { entries: batch.entries });
            queue.waiting.push(Waiting { payload: batch.payload, outcome: Arc::clone(&outcome) });
            drop(queue);
            self.changed.notify_all();
            return Ok(Ticket { core: Arc::clone(self), op, outcome });
        }
    }

    /// Waits until `outcome` is known; whoever comes first flushes for all.
    pub(super) fn wait(
        &self,
        outcome: &Outcome,
        deadline: Option<Duration>,
    ) -> Option<Result<(), Error>> {
        loop {
            if let Some(known) = outcome.get() {
                return Some(known.clone());
            }
            let now = self.clock.monotonic();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return None;
            }
            let mut queue = locked(&self.queue);
            if outcome.get().is_some() {
                continue;
            }
            let until = match queue.pace.step(now, QueueEvent::Asked) {
                FlushAction::Now if !queue.flushing => {
                    queue.flushing = true;
                    drop(queue);
                    self.flush();
                    continue;
                }
                FlushAction::Now => deadline,
                FlushAction::WaitUntil(due) => {
                    Some(deadline.map_or(due, |deadline| deadline.min(due)))
                }
            };
            self.pause(queue, now, until);
        }
    }

    /// Lets others work until something changes or `until` is reached.
    fn pause(&self, queue: MutexGuard<'_, Queue>, now: Duration, until: Option<Duration>) {
        let timeout = until.map(|until| until.saturating_sub(now));
        match (self.stepping, timeout) {
            (Stepping::Caller, Some(timeout)) => {
                drop(queue);
                self.clock.sleep(timeout);
            }
            (_, Some(timeout)) => drop(self.changed.wait_timeout(queue, timeout)),
            (_, None) => drop(self.changed.wait(queue)),
        }
    }

    /// Writes and syncs everything that waits, makes it visible and says so to those who wait.
    fn flush(&self) {
        let mut writer = locked(&self.writer);
        let taken = {
            let mut queue = locked(&self.queue);
            queue.entries = 0;
            queue.pace.step(self.clock.monotonic(), QueueEvent::Taken);
            std::mem::take(&mut queue.waiting)
        };
        let outcome = self.write_out(&mut writer, taken);
        let mut queue = locked(&self.queue);
        queue.flushing = false;
        if outcome.is_err() || queue.waiting.is_empty() {
            queue.forget_ends();
        }
        drop(queue);
        // Only now may another flush take what waits: the ends of what it takes must stay known.
        drop(writer);
        self.changed.notify_all();
    }

    fn write_out(&self, writer: &mut Writer, mut taken: Vec<Waiting>) -> Result<(), Error> {
        let mut done = Vec::new();
        let now = self.clock.monotonic();
        let mut payloads: Vec<&mut Payload> =
            taken.iter_mut().map(|waiting| &mut waiting.payload).collect();
        let written = writer.write(now, &mut payloads, &mut done);
        let synced = if done.is_empty() { Ok(()) } else { writer.sync(now) };
        let whole = if synced.is_ok() { done.len() } else { 0 };
        let mut taken = taken.into_iter();
        let kept: Vec<Waiting> = taken.by_ref().take(whole).collect();
        let applied = self.make_visible(&kept, &done);
        let outcome = written.and(synced).and(applied);
        {
            let mut queue = locked(&self.queue);
            let count = u64::try_from(kept.len()).unwrap_or(u64::MAX);
            queue.marks.written.0 = queue.marks.durable.0 + count;
            queue.marks.durable = queue.marks.written;
            if let Err(error) = &outcome {
                // What was accepted on top of a failed batch rests on something that is not there.
                for failed in taken.chain(std::mem::take(&mut queue.waiting)) {
                    let _first_one_counts = failed.outcome.set(Err(error.clone()));
                }
                queue.entries = 0;
                queue.marks.accepted = queue.marks.durable;
            }
        }
        for waiting in kept {
            let _first_one_counts = waiting.outcome.set(Ok(()));
        }
        outcome
    }

    fn make_visible(&self, kept: &[Waiting], done: &[FramePlace]) -> Result<(), Error> {
        if kept.is_empty() {
            return Ok(());
        }
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        for (waiting, place) in kept.iter().zip(done) {
            apply(&mut tables, &waiting.payload, *place).map_err(|_| Error::Closed)?;
        }
        Ok(())
    }

    /// Flushes what waits and syncs.
    pub(super) fn sync(&self) -> Result<Watermarks, Error> {
        let last = locked(&self.queue).waiting.last().map(|last| Arc::clone(&last.outcome));
        self.flush();
        if let Some(outcome) = last
            && let Some(known) = outcome.get()
        {
            known.clone()?;
        }
        let mut writer = locked(&self.writer);
        writer.sync(self.clock.monotonic())?;
        drop(writer);
        Ok(self.watermarks())
    }

    /// See [`FastLog::purge`](crate::fastlog::FastLog::purge).
    pub(super) fn purge(&self) -> Result<u64, Error> {
        self.flush();
        let mut writer = locked(&self.writer);
        let now = self.clock.monotonic();
        let tables = self.tables();
        let Some(active) = writer.active.as_ref().map(|active| active.number) else {
            return Ok(0);
        };
        let oldest = tables.oldest_needed().unwrap_or(active).min(active);
        if oldest <= writer.anchor.current().oldest {
            return Ok(0);
        }
        let mut base = tables.base(oldest)?;
        drop(tables);
        let mut done = Vec::new();
        writer.write(now, &mut [&mut base], &mut done)?;
        writer.purge(now, oldest)
    }

    /// See [`FastLog::step`](crate::fastlog::FastLog::step).
    pub(super) fn step(&self) -> Result<Option<Duration>, Error> {
        locked(&self.writer).tick(self.clock.monotonic())
    }

    /// Flushes, seals, and accepts nothing more.
    pub(super) fn close(&self) -> Result<(), Error> {
        self.flush();
        locked(&self.queue).closed = true;
        locked(&self.writer).seal(self.clock.monotonic(), false)
    }
}

impl Queue {
    /// Forgets what only mattered while something waited.
    fn forget_ends(&mut self) {
        self.ends.clear();
        self.names.clear();
    }
}

/// Applies a batch that was written, frame by frame.
pub(super) fn apply(
    tables: &mut Tables,
    payload: &Payload,
    first: FramePlace,
) -> Result<(), ApplyError> {
    let frames = payload.frames();
    for (number, (place, records)) in frame_payloads(payload, first).enumerate() {
        tables.apply(place, records, number + 1 == frames)?;
    }
    Ok(())
}

/// The ends of every group concerned after `batch`, or why it is refused.
fn check(
    tables: &Tables,
    queue: &Queue,
    batch: &Batch,
) -> Result<BTreeMap<GroupNo, Ends>, Refusal> {
    let mut changed: BTreeMap<GroupNo, Ends> = BTreeMap::new();
    for effect in &batch.effects {
        let group = effect.group();
        let settled = !queue.ends.contains_key(&group) && !changed.contains_key(&group);
        let visible = || {
            tables.group(group).map_or(Ends::default(), |known| Ends {
                exists: true,
                bounds: known.bounds,
                compacted: known.compacted.map(|id| id.index),
            })
        };
        let ends = changed.get(&group).or_else(|| queue.ends.get(&group)).copied();
        let ends = ends.unwrap_or_else(visible);
        if let Effect::Name { id, .. } = effect {
            let known = tables.names.get(id).or_else(|| queue.names.get(id));
            if let Some(other) = known.filter(|known| **known != group) {
                return Err(Refusal::GroupExists { group: *other });
            }
        } else if !ends.exists {
            return Err(Refusal::UnknownGroup { group });
        }
        let after = ends.after(effect, |index| {
            let inside = ends.bounds.is_some_and(|bounds| bounds.contains(index));
            let position = tables.memtable.get(group, index).filter(|_| settled && inside);
            position.map(|position| position.shape.term)
        })?;
        changed.insert(group, after);
    }
    Ok(changed)
}
