//! The public face: a log that many threads share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::fastlog::batch::Batch;
use crate::fastlog::core::Core;
use crate::fastlog::daemon::Daemon;
use crate::fastlog::format::{GroupNo, Settings};
use crate::fastlog::marks::{OpNo, Watermarks};
use crate::fastlog::open::{Ground, Opened, RecoveryReport};
use crate::fastlog::policy::{Ack, Promise};
use crate::fastlog::queue::{Outcome, Watcher};
use crate::fastlog::read::{PlacedEntry, RangeReader};
use crate::fastlog::ticket::Ticket;
use crate::fastlog::{Error, Options, Stepping};
use crate::model::{Entry, GroupId, IndexRange, LogIndex, LogState};
use crate::vfs::{Clock, Vfs};

/// A log for many Raft groups in one directory. Share it by reference or in an `Arc`; every
/// method may run at the same time as every other, and readers do not wait for disk writes.
///
/// Dropping it without [`FastLog::close`] writes what was accepted, as far as that works, and
/// leaves the rest to the next opening, which recovers; nothing that was promised is lost.
pub struct FastLog {
    core: Arc<Core>,
    report: RecoveryReport,
    settings: Settings,
    daemon: Option<Daemon>,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Segments removed.
    pub segments: u64,
}

impl FastLog {
    /// Creates a store in `dir`, which must not exist or be empty; its parent must exist.
    ///
    /// # Errors
    /// `NotEmpty`, `Io`.
    pub fn create(
        vfs: Arc<dyn Vfs>,
        clock: Arc<dyn Clock>,
        dir: &Path,
        options: &Options,
    ) -> Result<FastLog, Error> {
        let options = &options.limited();
        let ground = Ground { vfs, clock: clock.as_ref(), dir, options, bulk: false };
        let opened = ground.create()?;
        FastLog::start(opened, clock, options)
    }

    /// Opens a store, recovering it if it was not closed.
    ///
    /// # Errors
    /// `NotFound`; `Locked` when somebody uses it; `Fault` when something durable is damaged or
    /// missing, and then nothing was changed; `Unsupported` for another version; `Io`.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        clock: Arc<dyn Clock>,
        dir: &Path,
        options: &Options,
    ) -> Result<FastLog, Error> {
        let options = &options.limited();
        let ground = Ground { vfs, clock: clock.as_ref(), dir, options, bulk: false };
        let opened = ground.open()?;
        FastLog::start(opened, clock, options)
    }

    /// Opens the store in `dir`, or creates it when the directory is missing or empty.
    ///
    /// # Errors
    /// As [`FastLog::open`] and [`FastLog::create`].
    pub fn open_or_create(
        vfs: Arc<dyn Vfs>,
        clock: Arc<dyn Clock>,
        dir: &Path,
        options: &Options,
    ) -> Result<FastLog, Error> {
        let options = &options.limited();
        let ground = Ground { vfs, clock: clock.as_ref(), dir, options, bulk: false };
        let opened = ground.open_or_create()?;
        FastLog::start(opened, clock, options)
    }

    fn start(opened: Opened, clock: Arc<dyn Clock>, options: &Options) -> Result<FastLog, Error> {
        let (mut report, settings) = (opened.report.clone(), opened.settings);
        let Settings { level, strategy, flush, .. } = settings;
        let promise = Promise::of(level, strategy, flush, options.queue_entries);
        let core = Arc::new(Core::new(opened, promise, clock, options));
        let recovered = core.now();
        report.loaded_bytes = core.load_all(options.memory);
        report.load = core.now().saturating_sub(recovered);
        let daemon = match options.stepping {
            Stepping::Thread => Some(Daemon::start(&core, options)?),
            Stepping::Caller => None,
        };
        Ok(FastLog { core, report, settings, daemon })
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.report
    }

    /// The mode that the log runs in.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// What that mode promises.
    pub fn promise(&self) -> Promise {
        self.core.promise()
    }

    /// The number of a group, or `None` when there is no such group.
    pub fn group(&self, id: &GroupId) -> Option<GroupNo> {
        self.core.tables().names.get(id).copied()
    }

    /// The groups with their numbers, ascending by name.
    pub fn groups(&self) -> Vec<(GroupId, GroupNo)> {
        self.core.tables().names.iter().map(|(id, number)| (id.clone(), *number)).collect()
    }

    /// Creates a group, acknowledged as the mode promises, and returns its number.
    ///
    /// # Errors
    /// `Refused` when it exists or its name is too large; else as [`FastLog::write`].
    pub fn create_group(&self, id: &GroupId) -> Result<GroupNo, Error> {
        let (number, ticket) = self.core.create_group(id)?;
        ticket.wait()?;
        Ok(number)
    }

    /// Accepts a batch: its place in the order is fixed and it was checked against everything
    /// accepted before. Blocks while too much is not flushed. With the strategy memory first,
    /// readers see it at once.
    ///
    /// A batch that fails takes with it what was accepted after it, as that rests on it, but not
    /// what is accepted later: wait before submitting what must not be there alone.
    ///
    /// # Errors
    /// `Refused` with nothing done; `Io` when there was no room and making some failed; `Poisoned`.
    pub fn submit(&self, batch: Batch) -> Result<Ticket, Error> {
        self.core.submit(batch)
    }

    /// [`FastLog::submit`], then wait for the acknowledgement that the mode promises.
    ///
    /// # Errors
    /// As `submit`; `Io` when writing failed and the batch is not in the log; `Poisoned` when a
    /// sync failed, and then it is unknown whether the batch is there after the next opening.
    pub fn write(&self, batch: Batch) -> Result<(), Error> {
        self.submit(batch)?.wait()
    }

    /// Makes everything accepted so far durable, at every level.
    ///
    /// # Errors
    /// `Io`, `Poisoned`.
    pub fn sync(&self) -> Result<Watermarks, Error> {
        self.core.sync()
    }

    /// Bytes of entries that are kept in memory, as [`Options::memory`] asks for.
    pub fn kept_bytes(&self) -> u64 {
        self.core.kept_bytes()
    }

    /// How far operations got, by their number in accepted order.
    pub fn watermarks(&self) -> Watermarks {
        self.core.watermarks()
    }

    /// How far the operations on one group got: the numbers of the last one that is accepted,
    /// written, durable. Zeros for a group on which there was none since the opening.
    pub fn group_watermarks(&self, group: GroupNo) -> Watermarks {
        self.core.group_watermarks(group)
    }

    /// Waits until everything through `op`, a number that [`FastLog::watermarks`] or
    /// [`FastLog::group_watermarks`] told or will tell, is at `mark`; flushes, and syncs, where
    /// that is due. `None` when [`FastLog::now`] reaches `deadline` first. An operation that
    /// failed counts as soon as a later one is there.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`.
    pub fn wait_until(&self, op: OpNo, mark: Ack, deadline: Duration) -> Option<Result<(), Error>> {
        self.core.wait(op, mark, &Outcome::default(), Some(deadline))
    }

    /// Calls `callback` once everything through `op` is at `mark`, as [`Ticket::when`] does.
    pub fn when(
        &self,
        op: OpNo,
        mark: Ack,
        callback: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) {
        let outcome = Outcome::default();
        self.core.watch(Watcher { op, mark, outcome, callback: Box::new(callback) });
    }

    /// The log's time, which deadlines refer to: that of its clock, as long as that does not go
    /// back.
    pub fn now(&self) -> Duration {
        self.core.now()
    }

    /// Everything of a group beside its entries; `None` when there is no such group.
    pub fn state(&self, group: GroupNo) -> Option<LogState> {
        self.core.tables().group(group).map(|group| group.state())
    }

    /// One entry, or `None` where there is none. Its byte strings share a buffer of its frame.
    ///
    /// # Errors
    /// `Io`; `Fault` when the entry does not verify; `Gone` when it was removed meanwhile.
    pub fn read(&self, group: GroupNo, index: LogIndex) -> Result<Option<Entry>, Error> {
        if let Some(entry) = self.core.kept(group, index) {
            return Ok(Some(entry));
        }
        let Some(range) = IndexRange::new(index, index) else { return Ok(None) };
        match self.core.range_reader(group, range).map(RangeReader::reading_little) {
            Some(mut reader) => reader.next_entry().transpose().map(|e| e.map(|e| e.entry)),
            None => Ok(None),
        }
    }

    /// Streams the entries of `range` that are visible now, in index order. Byte strings share
    /// read buffers of up to 512 KiB; see [`crate::model::SharedBytes::detached`].
    ///
    /// What is truncated or purged meanwhile ends in an error at its index, or is still read.
    ///
    /// # Errors
    /// Each item for itself: `Io`; `Fault` when the entry does not verify; `Gone` when it was
    /// removed meanwhile.
    pub fn entries(
        &self,
        group: GroupNo,
        range: IndexRange,
    ) -> impl Iterator<Item = Result<PlacedEntry, Error>> + use<> {
        let mut reader = self.core.range_reader(group, range);
        std::iter::from_fn(move || reader.as_mut()?.next_entry())
    }

    /// Removes segments that hold nothing that is still needed: the state of every group is
    /// written as a base and made durable first.
    ///
    /// # Errors
    /// `Io`, `Poisoned`.
    pub fn purge(&self) -> Result<Purged, Error> {
        self.core.purge().map(|segments| Purged { segments })
    }

    /// Steps the timers, for logs opened with [`Stepping::Caller`]: flushes, syncs and writes sync
    /// points as far as they are due. Returns when to call again, as [`FastLog::now`] tells time;
    /// whatever is accepted or written in between may be due earlier.
    ///
    /// # Errors
    /// `Poisoned`.
    pub fn step(&self) -> Result<Option<Duration>, Error> {
        self.core.step()
    }

    /// Makes everything durable and records that the log ends here.
    ///
    /// # Errors
    /// `Io`, `Poisoned`; the store is recovered at the next opening then.
    pub fn close(mut self) -> Result<(), Error> {
        drop(self.daemon.take());
        self.core.close()
    }
}

impl Drop for FastLog {
    fn drop(&mut self) {
        drop(self.daemon.take());
        self.core.leave();
    }
}
