//! Group commit and visible state: what the threads that use a log share.
//!
//! Locks are taken in the order writer, tables, queue, and never the other way round; the turn to
//! sync comes after the writer. Callbacks run under none of them.

mod memory;
mod purge;
mod wait;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::fastlog::batch::Batch;
use crate::fastlog::format::{GroupNo, Settings};
use crate::fastlog::gather::GatherEvent;
use crate::fastlog::marks::{OpNo, Watermarks};
use crate::fastlog::memtable::Memtable;
use crate::fastlog::open::Opened;
use crate::fastlog::pace::{Due, FlushPace, SyncPace};
use crate::fastlog::plan::Placed;
use crate::fastlog::planted::{Bug, planted};
use crate::fastlog::policy::{Ack, Durability, Flush, Promise};
use crate::fastlog::queue::{Queue, Room, Told, Waiting, Watcher};
use crate::fastlog::read::{RangeReader, Source};
use crate::fastlog::resident::Resident;
use crate::fastlog::sleepers::Sleepers;
use crate::fastlog::spare::Shelf;
use crate::fastlog::steady::Steady;
use crate::fastlog::syncs::Syncs;
use crate::fastlog::tables::{ApplyError, Tables};
use crate::fastlog::threads::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
use crate::fastlog::ticket::Ticket;
use crate::fastlog::unwritten::Unwritten;
use crate::fastlog::ways::{Way, WayEvent};
use crate::fastlog::writer::Writer;
use crate::fastlog::{Error, Memory, Options, Stepping};
use crate::model::{GroupId, IndexRange, IoError};
use crate::vfs::{Clock, Held};

/// See the module.
pub(super) struct Core {
    writer: Mutex<Writer>,
    tables: RwLock<Tables>,
    queue: Mutex<Queue>,
    /// Threads that wait until operations got somewhere; to bed they go with the queue locked.
    sleepers: Sleepers,
    /// The thread has something to do.
    work: Condvar,
    syncs: Arc<Syncs>,
    shelf: Arc<Shelf>,
    time: Steady,
    source: Source,
    promise: Promise,
    level: Durability,
    stepping: Stepping,
    follows_load: bool,
    lock: Mutex<Option<Box<dyn Held>>>,
}

/// How long an entry may wait for others that are written with it, where no age is promised.
const COLLECT: Duration = Duration::from_millis(1);

/// A batch that was accepted, when, and the queue that it is to be put into.
type Accepted<'c> = (Duration, Waiting, MutexGuard<'c, Queue>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(super) fn new(
        opened: Opened,
        promise: Promise,
        clock: Arc<dyn Clock>,
        options: &Options,
    ) -> Core {
        let Opened { writer, tables, settings, lock, .. } = opened;
        let Settings { level, flush, .. } = settings;
        let files = Arc::clone(&writer.files);
        let keeps = options.memory != Memory::Index;
        let source = Source {
            resident: keeps.then(|| Arc::new(Resident::new(options.memory, files, writer.end()))),
            files: Arc::clone(&writer.files),
            memtable: Arc::<Memtable>::clone(&tables.memtable),
            uid: writer.uid,
            live: true,
            unwritten: Arc::<Unwritten>::default(),
        };
        let time = Steady::new(clock);
        let sync_pace = SyncPace::new(promise.sync_interval, time.now());
        let entries = u64::from(promise.unflushed_entries);
        let (entry_bytes, groups) = (options.entry_bytes_max, options.groups_max);
        let room = Room { entries, bytes: options.queue_bytes, entry_bytes, groups };
        let collects = options.stepping == Stepping::Thread && level == Durability::Low;
        let flush = if collects { collecting(flush, &promise) } else { flush };
        let pace = FlushPace::new(flush, options.follow_load);
        let queue = Queue::new(writer.plan(), tables.next_group(), pace, sync_pace, room);
        Core {
            syncs: Arc::clone(&writer.syncs),
            shelf: Arc::clone(&writer.shelf),
            writer: Mutex::new(writer),
            tables: RwLock::new(tables),
            queue: Mutex::new(queue),
            sleepers: Sleepers::default(),
            work: Condvar::new(),
            time,
            source,
            promise,
            level,
            stepping: options.stepping,
            follows_load: options.follow_load,
            lock: Mutex::new(Some(lock)),
        }
    }

    pub(super) fn tables(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn promise(&self) -> Promise {
        self.promise
    }

    pub(super) fn now(&self) -> Duration {
        self.time.now()
    }

    pub(super) fn watermarks(&self) -> Watermarks {
        locked(&self.queue).marks()
    }

    pub(super) fn group_watermarks(&self, group: GroupNo) -> Watermarks {
        locked(&self.queue).group_marks(group)
    }

    pub(super) fn range_reader(&self, group: GroupNo, range: IndexRange) -> Option<RangeReader> {
        let bounds = self.tables().group(group)?.bounds?;
        Some(RangeReader::new(self.source.clone(), group, bounds.intersection(range)?))
    }

    pub(super) fn create_group(self: &Arc<Self>, id: &GroupId) -> Result<(GroupNo, Ticket), Error> {
        let tables = self.tables();
        let group = locked(&self.queue).reserve_group(&tables, id)?;
        drop(tables);
        let mut batch = Batch::new();
        batch.name_group(group, id, None, &[])?;
        Ok((group, self.submit(batch)?))
    }

    /// Accepts a batch; makes room first when too much is not flushed.
    pub(super) fn submit(self: &Arc<Self>, batch: Batch) -> Result<Ticket, Error> {
        let (now, waiting, mut queue) = match self.promise.visible {
            Ack::Accepted => self.accept_visibly(batch)?,
            Ack::Written | Ack::Durable => self.accept_quietly(batch)?,
        };
        let (op, ack, outcome) = (waiting.op, waiting.ack, Arc::clone(&waiting.outcome));
        queue.push(waiting);
        let spent = queue.take_spent();
        if self.promise.visible == Ack::Accepted && queue.sleeps_past_flush(now) {
            self.rouse(&mut queue);
        }
        drop(queue);
        drop(spent);
        Ok(Ticket { core: Arc::clone(self), op, ack, outcome })
    }

    fn accept_quietly(&self, batch: Batch) -> Result<Accepted<'_>, Error> {
        loop {
            let tables = self.tables();
            let queue = locked(&self.queue);
            if !self.may_accept(&queue, &batch)? {
                drop(tables);
                self.make_room(queue)?;
                continue;
            }
            let mut queue = queue;
            let now = self.now();
            let waiting = self.accept(now, &tables, &mut queue, batch)?;
            return Ok((now, waiting, queue));
        }
    }

    /// As [`Core::accept_quietly`], for readers to see at once.
    fn accept_visibly(&self, batch: Batch) -> Result<Accepted<'_>, Error> {
        loop {
            let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
            let queue = locked(&self.queue);
            if !self.may_accept(&queue, &batch)? {
                drop(tables);
                self.make_room(queue)?;
                continue;
            }
            let mut queue = queue;
            let now = self.now();
            let waiting = self.accept(now, &tables, &mut queue, batch)?;
            self.source.unwritten.insert(&waiting.placed);
            apply(&mut tables, &waiting.placed).map_err(|_| self.inconsistent())?;
            return Ok((now, waiting, queue));
        }
    }

    fn may_accept(&self, queue: &Queue, batch: &Batch) -> Result<bool, Error> {
        if queue.closed {
            return Err(Error::Closed);
        }
        self.syncs.check()?;
        Ok(queue.has_room(batch))
    }

    fn accept(
        &self,
        now: Duration,
        tables: &Tables,
        queue: &mut Queue,
        batch: Batch,
    ) -> Result<Waiting, Error> {
        let checked = queue.check(tables, self.promise.visible, &batch)?;
        queue.accept(now, batch, checked, self.syncs.durable(), &self.promise)
    }

    /// What was checked could not be applied: nothing can be built on that.
    fn inconsistent(&self) -> Error {
        let why = std::io::Error::other("a batch that was accepted cannot be applied");
        self.syncs.poisoned(IoError::new("apply", self.source.files.dir(), why))
    }

    /// Waits for somebody's flush, or flushes. When that fails the caller must know, lest it goes
    /// on from what is not there.
    fn make_room(&self, mut queue: MutexGuard<'_, Queue>) -> Result<(), Error> {
        if queue.flushing || queue.paused {
            self.sleep(queue, None);
            return Ok(());
        }
        queue.flushing = true;
        drop(queue);
        self.flush(0)
    }

    /// Has `watcher` told when its operation is where it waits for, or has failed.
    pub(super) fn watch(&self, watcher: Watcher) {
        let broken = self.syncs.check().err();
        let mut queue = locked(&self.queue);
        let closed = queue.closed.then_some(Error::Closed);
        queue.watch(watcher);
        let told = queue.told(broken.or(closed).as_ref());
        self.rouse(&mut queue);
        drop(queue);
        self.tell(told);
    }

    /// Wakes the thread, where it sleeps.
    fn rouse(&self, queue: &mut Queue) {
        if queue.dozes_until.take().is_some() {
            self.work.notify_one();
        }
    }

    /// As [`Core::rouse`], for an operation that nobody waits for.
    pub(super) fn abandon(&self, op: OpNo) {
        let mut queue = locked(&self.queue);
        if queue.marks().written < op {
            self.rouse(&mut queue);
        }
    }

    fn tell(&self, told: Vec<Told>) {
        self.sleepers.wake();
        for (callback, result) in told {
            callback(result);
        }
    }

    /// Tells all who wait for what cannot come any more.
    fn tell_broken(&self, error: Error) -> Error {
        let told = locked(&self.queue).told(Some(&error));
        self.tell(told);
        error
    }

    /// Writes everything that waits, and syncs it where the mode or one of them asks for it.
    /// `waiting` counts the caller if it waits for that.
    fn flush(&self, waiting: usize) -> Result<(), Error> {
        let mut writer = locked(&self.writer);
        let (outcome, told) = self.flush_with(&mut writer, waiting);
        drop(writer);
        self.tell(told);
        outcome
    }

    fn flush_with(&self, writer: &mut Writer, waiting: usize) -> (Result<(), Error>, Vec<Told>) {
        let now = self.now();
        let taken = locked(&self.queue).take(now);
        let (mut count, mut went) = (0, Way::Cached);
        let durably = |waiting: &Waiting| waiting.ack.max(self.promise.flush_to) == Ack::Durable;
        let way = match taken.iter().any(durably) {
            true => writer.ways.step(now, WayEvent::Begins),
            false => Way::Cached,
        };
        let mut outcome = if taken.is_empty() {
            self.syncs.check()
        } else {
            let batches: Vec<&Placed> = taken.iter().map(|waiting| &*waiting.placed).collect();
            writer.write(now, &batches, way, &mut count).map(|way| went = way)
        };
        let (done, rest) = taken.split_at_checked(count).unwrap_or((&taken, &[]));
        if let Some(resident) = &self.source.resident {
            resident.wrote(done.iter().map(|waiting| &*waiting.placed));
        }
        self.source.unwritten.remove(done.iter().map(|waiting| &waiting.placed.place));
        let asks = done.iter().any(|waiting| waiting.ack == Ack::Durable);
        let reached = if asks { Ack::Durable } else { self.promise.flush_to };
        let synced = match reached {
            Ack::Durable if !done.is_empty() && !planted(Bug::AckBeforeSync) => writer.sync(now),
            _ => self.syncs.check(),
        };
        if writer.ways.is_measuring() && synced.is_ok() && taken.iter().any(durably) {
            writer.ways.step(self.now(), WayEvent::Ended(went));
        }
        let (done, rest) = if synced.is_ok() { (done, rest) } else { (&[][..], &*taken) };
        let shown = if planted(Bug::FailedWriteSeen) { taken.as_slice() } else { done };
        outcome = outcome.and(synced).and(self.make_visible(shown));
        if let Err(Error::Io(cause)) = &outcome
            && self.promise.visible == Ack::Accepted
        {
            outcome = Err(self.syncs.poisoned(Arc::clone(cause)));
        }
        let mut queue = locked(&self.queue);
        let syncs = reached == Ack::Durable;
        let ended = if self.follows_load || syncs { self.now() } else { now };
        if syncs {
            let waiting = self.sleepers.count() + waiting;
            queue.gather.step(ended, GatherEvent::Flushed { begun: now, waiting });
        }
        queue.flushed(ended, done, reached);
        if planted(Bug::CommitsLatecomers) && reached == Ack::Durable {
            let accepted = queue.marks().accepted;
            queue.synced(accepted);
        }
        if let Err(error) = &outcome {
            queue.failed(now, rest, error, writer.plan());
        }
        queue.flushing = false;
        if !queue.is_empty() && (queue.is_watched() || self.promise.visible == Ack::Accepted) {
            self.rouse(&mut queue);
        }
        let told = queue.told(self.syncs.check().err().as_ref());
        let left = match self.promise.visible {
            Ack::Accepted => queue.spend(taken),
            Ack::Written | Ack::Durable => taken,
        };
        // Freeing it takes its time, which the queue need not be locked for.
        drop(queue);
        drop(left);
        (outcome, told)
    }

    fn make_visible(&self, done: &[Waiting]) -> Result<(), Error> {
        if done.is_empty() || self.promise.visible == Ack::Accepted {
            return Ok(());
        }
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let applied = done.iter().try_for_each(|waiting| apply(&mut tables, &waiting.placed));
        applied.map_err(|_| self.inconsistent())
    }

    /// Makes everything written durable. Writing goes on meanwhile.
    fn sync_written(&self) -> Result<(), Error> {
        let now = self.now();
        let mut writer = locked(&self.writer);
        let job = writer.sync_job(now);
        let op = locked(&self.queue).begin_sync(now);
        let job = match job {
            Ok(job) => job,
            Err(error) => {
                drop(writer);
                return Err(self.tell_broken(error));
            }
        };
        if let Some(job) = job {
            drop(writer);
            self.syncs.run(&job).map_err(|error| self.tell_broken(error))?;
            writer = locked(&self.writer);
            writer.synced(self.now());
        }
        drop(writer);
        self.note_durable(op);
        Ok(())
    }

    fn note_durable(&self, op: OpNo) {
        let mut queue = locked(&self.queue);
        queue.synced(op);
        let told = queue.told(None);
        drop(queue);
        self.tell(told);
    }

    /// See [`FastLog::sync`](crate::fastlog::FastLog::sync).
    pub(super) fn sync(&self) -> Result<Watermarks, Error> {
        self.flush(0)?;
        self.sync_written()?;
        if self.level == Durability::Low {
            let proven = locked(&self.writer).prove(self.now());
            proven.map_err(|error| self.tell_broken(error))?;
        }
        Ok(self.watermarks())
    }

    /// See [`FastLog::step`](crate::fastlog::FastLog::step).
    pub(super) fn step(&self) -> Result<Option<Duration>, Error> {
        let now = self.now();
        let mut queue = locked(&self.queue);
        if queue.flush_due(now) == Due::Now && !queue.flushing {
            queue.flushing = true;
            drop(queue);
            // Other errors are told to those concerned, and the log goes on.
            if let Err(error @ Error::Poisoned { .. }) = self.flush(0) {
                return Err(error);
            }
            queue = locked(&self.queue);
        }
        let sync = queue.sync_due(now);
        drop(queue);
        if sync == Due::Now {
            self.sync_written()?;
        }
        let ticked = locked(&self.writer).tick(now);
        let page = ticked.map_err(|error| self.tell_broken(error))?;
        let alone = self.stepping == Stepping::Caller;
        let more = alone && (self.make_spare()? | self.load_missed());
        let mut queue = locked(&self.queue);
        let due = if more { Due::Now } else { page.map_or(Due::Never, Due::At) };
        Ok(at(self.due(&mut queue).min(due), now))
    }

    /// Makes a piece of the segment to come, when one is wanted. Returns whether there is more to
    /// do.
    pub(super) fn make_spare(&self) -> Result<bool, Error> {
        self.shelf.advance(&self.syncs).map_err(|error| self.tell_broken(error))
    }

    /// Sleeps until a segment is to be made ahead. Returns whether to go on.
    pub(super) fn await_spare(&self) -> bool {
        self.shelf.await_work()
    }

    fn due(&self, queue: &mut Queue) -> Due {
        let now = self.now();
        let flush = if queue.flushing { Due::Never } else { queue.flush_due(now) };
        flush.min(queue.sync_due(now))
    }

    /// Sleeps until something is due, at most `longest`. Returns whether to go on.
    pub(super) fn doze(&self, longest: Duration) -> bool {
        let mut queue = locked(&self.queue);
        let now = self.now();
        let until = at(self.due(&mut queue), now);
        let timeout = until.map_or(longest, |until| until.saturating_sub(now).min(longest));
        if !queue.stopping && !timeout.is_zero() {
            queue.dozes_until = Some(now.saturating_add(timeout));
            let woken = self.work.wait_timeout(queue, timeout);
            queue = woken.unwrap_or_else(PoisonError::into_inner).0;
            queue.dozes_until = None;
        }
        !queue.stopping
    }

    /// Lets the threads end.
    pub(super) fn stop(&self) {
        locked(&self.queue).stopping = true;
        self.work.notify_all();
        self.shelf.stop();
        if let Some(resident) = &self.source.resident {
            resident.stop();
        }
    }

    /// Flushes, seals, and accepts nothing more.
    pub(super) fn close(&self) -> Result<(), Error> {
        let mut writer = locked(&self.writer);
        locked(&self.queue).closed = true;
        let (flushed, mut told) = self.flush_with(&mut writer, 0);
        let sealed = flushed.and_then(|()| writer.seal(self.now(), false));
        let mut queue = locked(&self.queue);
        if sealed.is_ok() {
            let written = queue.marks().written;
            queue.synced(written);
        }
        told.extend(queue.told(Some(&Error::Closed)));
        drop(queue);
        drop(writer);
        self.tell(told);
        drop(locked(&self.lock).take());
        sealed
    }

    /// Writes what was accepted, as far as that works, and accepts nothing more.
    pub(super) fn leave(&self) {
        let mut writer = locked(&self.writer);
        let was_closed = std::mem::replace(&mut locked(&self.queue).closed, true);
        if !was_closed {
            let (_told_by_the_outcome, mut told) = self.flush_with(&mut writer, 0);
            told.extend(locked(&self.queue).told(Some(&Error::Closed)));
            drop(writer);
            self.tell(told);
        }
        drop(locked(&self.lock).take());
    }
}

/// Where only the number of entries that wait is bounded, not their age, they wait for others for
/// a moment: half the queue is written with few calls.
fn collecting(flush: Flush, promise: &Promise) -> Flush {
    match flush {
        Flush::Immediate if promise.visible == Ack::Accepted => {
            let threshold_entries = (promise.unflushed_entries / 2).max(1);
            Flush::Batch { threshold_entries, interval: COLLECT }
        }
        flush => flush,
    }
}

fn at(due: Due, now: Duration) -> Option<Duration> {
    match due {
        Due::Now => Some(now),
        Due::At(at) => Some(at),
        Due::Never => None,
    }
}

/// Applies a batch, frame by frame.
fn apply(tables: &mut Tables, placed: &Placed) -> Result<(), ApplyError> {
    let frames = placed.frames();
    let count = frames.len();
    for (number, (place, records)) in frames.enumerate() {
        tables.apply(place, records, number + 1 == count)?;
    }
    Ok(())
}
