//! Writing frames: the active segment, rotation, syncing, sync points. No locks and no queue; what
//! order the calls come in is decided above, and where frames lie by the plan.

use std::sync::Arc;
use std::time::Duration;

use crate::fastlog::Error;
use crate::fastlog::anchor::AnchorFile;
use crate::fastlog::format::{
    Anchor, FRAMES_OFFSET, LogUid, SegmentHeader, SegmentNo, Sequence, SyncSlot,
};
use crate::fastlog::pace::{PageAction, SyncEvent, SyncPagePace};
use crate::fastlog::plan::{Placed, Plan};
use crate::fastlog::segment::{Files, FramePlace, NamedFile};
use crate::fastlog::syncs::{SyncJob, Syncs};
use crate::fastlog::walk::Head;
use crate::model::IoError;
use crate::vfs::OpenMode;

/// Zeros written at once.
const ZEROS_BYTES: usize = 1 << 20;
/// Full segments that may wait for a sync, as each stays open.
const UNSYNCED_MAX: usize = 64;
/// Batches up to this size are joined, to be written with one call.
const JOIN_BYTES: usize = 32 << 10;

/// What does not change while a log is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriterOptions {
    pub(super) segment_bytes: u64,
    pub(super) fill_step: u64,
    /// Level -1: nothing is synced but what the order of files requires, until somebody asks.
    pub(super) on_request: bool,
    /// Nothing is synced before [`Writer::seal`]; for a target that does not exist until then.
    pub(super) bulk: bool,
}

/// The segment that frames are appended to.
pub(super) struct Active {
    pub(super) number: SegmentNo,
    pub(super) file: Arc<NamedFile>,
    /// Offset behind the last frame.
    pub(super) end: u64,
    /// Offset through which the file was written, zeros included.
    pub(super) filled: u64,
    /// Counter of the sync slot written last.
    pub(super) sync_counter: u64,
}

/// A segment that is full and was not synced.
pub(super) struct Unsynced {
    number: SegmentNo,
    file: Arc<NamedFile>,
    last: Sequence,
}

/// The only one who writes to a store.
pub(super) struct Writer {
    pub(super) files: Arc<Files>,
    pub(super) uid: LogUid,
    pub(super) anchor: AnchorFile,
    pub(super) active: Option<Active>,
    pub(super) unsynced: Vec<Unsynced>,
    pub(super) head: Head,
    pub(super) syncs: Arc<Syncs>,
    pub(super) options: WriterOptions,
    pub(super) pace: SyncPagePace,
    pub(super) joined: Vec<u8>,
}

impl Writer {
    /// Highest sequence that was written.
    pub(super) fn written(&self) -> Sequence {
        Sequence(self.head.next.0.saturating_sub(1))
    }

    /// Highest sequence known to be durable.
    pub(super) fn durable(&self) -> Sequence {
        self.syncs.durable()
    }

    /// A plan that goes on where the files end.
    pub(super) fn plan(&self) -> Plan {
        let next = match &self.active {
            Some(active) => FramePlace { segment: active.number, offset: active.end },
            None => FramePlace { segment: SegmentNo(1), offset: FRAMES_OFFSET },
        };
        Plan::new(self.uid, self.options.segment_bytes, next, self.head)
    }

    /// Writes batches in order, each at its place, and counts those that were. One that failed,
    /// and those behind it, are not in the log.
    pub(super) fn write(
        &mut self,
        now: Duration,
        batches: &[&Placed],
        done: &mut usize,
    ) -> Result<(), Error> {
        self.syncs.check()?;
        self.mark_dirty()?;
        let mut rest = batches;
        while let Some(first) = rest.first() {
            let number = first.place.segment;
            if self.active.as_ref().is_none_or(|active| active.number != number) {
                self.rotate(now)?;
            }
            let count = run_of(rest);
            let (run, later) = rest.split_at(count);
            self.write_run(run)?;
            *done += count;
            rest = later;
        }
        Ok(())
    }

    /// The first write makes the anchor durable, without the flag that says that the log is closed.
    pub(super) fn mark_dirty(&mut self) -> Result<(), Error> {
        if (self.anchor.current().clean || !self.anchor.is_durable()) && !self.options.bulk {
            self.name(|anchor| anchor.clean = false)?;
        }
        Ok(())
    }

    /// Changes what the anchor says, durably.
    fn name(&mut self, change: impl FnOnce(&mut Anchor)) -> Result<(), Error> {
        self.anchor.update(change).map_err(|error| self.syncs.poisoned(error))
    }

    /// Writes batches that lie behind each other in the active segment with one call.
    fn write_run(&mut self, batches: &[&Placed]) -> Result<(), Error> {
        let (Some(active), Some(first), Some(last)) =
            (&mut self.active, batches.first(), batches.last())
        else {
            return Ok(());
        };
        let here = FramePlace { segment: active.number, offset: active.end };
        if first.place != here || first.before != self.head {
            let other = std::io::Error::other("a batch was planned for another place");
            return Err(self.syncs.poisoned(active.file.error_at("write", active.end)(other)));
        }
        let bytes: &[u8] = if batches.len() == 1 {
            &first.bytes
        } else {
            self.joined.clear();
            batches.iter().for_each(|batch| self.joined.extend_from_slice(&batch.bytes));
            &self.joined
        };
        let end = last.end();
        if let Err(error) = active.fill_and_write(bytes, end, &self.options) {
            let from = active.end;
            return match active.erase(from, end).map(|()| self.syncs.sync(&active.file)) {
                Ok(Ok(())) => Err(error.into()),
                Ok(Err(poisoned)) => Err(poisoned),
                Err(_) => Err(self.syncs.poisoned(error)),
            };
        }
        active.end = end;
        self.head = last.after;
        Ok(())
    }

    /// What must be synced to make everything written durable, or `None` when it is. A sync point
    /// that is old enough rides along.
    pub(super) fn sync_job(&mut self, now: Duration) -> Result<Option<SyncJob>, Error> {
        self.syncs.check()?;
        if self.written() <= self.durable() {
            return Ok(None);
        }
        if let PageAction::Write(point) = self.pace.step(now, SyncEvent::Syncing) {
            self.write_sync_slot(point, now)?;
        }
        let sealed = self.unsynced.iter().map(|unsynced| &unsynced.file);
        let files = sealed.chain(self.active.as_ref().map(|active| &active.file));
        Ok(Some(SyncJob { files: files.cloned().collect(), through: self.written() }))
    }

    /// Takes note of what is durable after a sync.
    pub(super) fn synced(&mut self, now: Duration) {
        let durable = self.durable();
        self.unsynced.retain(|unsynced| unsynced.last > durable);
        self.pace.step(now, SyncEvent::Synced(durable));
    }

    /// Makes everything written durable.
    pub(super) fn sync(&mut self, now: Duration) -> Result<(), Error> {
        if let Some(job) = self.sync_job(now)? {
            self.syncs.run(&job)?;
            self.synced(now);
        }
        Ok(())
    }

    fn sync_active(&self) -> Result<(), Error> {
        self.active.as_ref().map_or(Ok(()), |active| self.syncs.sync(&active.file))
    }

    fn write_sync_slot(&mut self, point: Sequence, now: Duration) -> Result<(), Error> {
        let Some(active) = &mut self.active else { return Ok(()) };
        let counter = active.sync_counter.saturating_add(1);
        let slot = SyncSlot { uid: self.uid, number: active.number, counter, sync_point: point };
        let written = active.file.write(slot.offset(), &slot.encode());
        written.map_err(|error| self.syncs.poisoned(error))?;
        active.sync_counter = counter;
        self.pace.step(now, SyncEvent::Recorded(point));
        Ok(())
    }

    /// Writes down, durably, how far the log is durable: in the segment, and in the anchor, which
    /// shows that the segment is as long as it was.
    pub(super) fn prove(&mut self, now: Duration) -> Result<(), Error> {
        let durable = self.durable();
        self.record(durable, now)?;
        self.name(|anchor| anchor.sync_point = durable)
    }

    fn record(&mut self, durable: Sequence, now: Duration) -> Result<(), Error> {
        self.write_sync_slot(durable, now)?;
        self.sync_active()
    }

    /// Writes the sync page when it is due; returns when to ask again.
    pub(super) fn tick(&mut self, now: Duration) -> Result<Option<Duration>, Error> {
        self.syncs.check()?;
        if self.options.on_request || self.written() > self.durable() {
            return Ok(None);
        }
        match self.pace.step(now, SyncEvent::Tick) {
            PageAction::WriteAndSync(_) => {
                self.prove(now)?;
                Ok(None)
            }
            PageAction::WaitUntil(due) => Ok(Some(due)),
            PageAction::Rest | PageAction::Write(_) => Ok(None),
        }
    }

    /// Seals the active segment and begins the next one.
    pub(super) fn rotate(&mut self, now: Duration) -> Result<(), Error> {
        if self.active.is_some() && !self.options.on_request && !self.options.bulk {
            self.sync(now)?;
            self.record(self.durable(), now)?;
        }
        if self.unsynced.len() >= UNSYNCED_MAX {
            self.sync_oldest(now)?;
        }
        let number = self.anchor.current().newest.next();
        let active = match self.begin_segment(number) {
            Ok(active) => active,
            Err(error) => {
                self.discard(number);
                return Err(error.into());
            }
        };
        let durable = self.durable();
        let change = |anchor: &mut Anchor| {
            anchor.newest = number;
            anchor.sync_point = durable;
            anchor.clean = false;
        };
        if self.options.bulk {
            let named = self.anchor.write(change);
            named.map_err(|error| self.syncs.poisoned(error))?;
        } else {
            self.name(change)?;
        }
        let last = self.written();
        if let Some(Active { number, file, .. }) = self.active.replace(active)
            && last > durable
            && !self.options.bulk
        {
            self.unsynced.push(Unsynced { number, file, last });
        }
        self.pace.step(now, SyncEvent::Recorded(durable));
        Ok(())
    }

    /// Syncs the full segment that has waited longest.
    fn sync_oldest(&mut self, now: Duration) -> Result<(), Error> {
        if let Some(oldest) = self.unsynced.first() {
            let job = SyncJob { files: vec![Arc::clone(&oldest.file)], through: oldest.last };
            self.syncs.run(&job)?;
            self.synced(now);
        }
        Ok(())
    }

    /// Creates a segment with its header; durable, name included, when this returns.
    fn begin_segment(&mut self, number: SegmentNo) -> Result<Active, IoError> {
        let path = self.files.segment_path(number);
        let file = match self.files.open(&path, OpenMode::CreateNew) {
            Err(error) if error.source.kind() == std::io::ErrorKind::AlreadyExists => {
                self.files.remove(number)?;
                self.files.open(&path, OpenMode::CreateNew)?
            }
            other => other?,
        };
        let header = SegmentHeader {
            uid: self.uid,
            number,
            first: self.head.next,
            sync_point: self.durable(),
            previous: self.head.previous,
            recycled: false,
        };
        let file = Arc::new(file);
        let mut active = Active { number, file, end: FRAMES_OFFSET, filled: 0, sync_counter: 0 };
        active.fill(FRAMES_OFFSET, &WriterOptions { fill_step: 0, ..self.options })?;
        active.file.write(0, &header.encode())?;
        active.fill(FRAMES_OFFSET, &self.options)?;
        if !self.options.bulk {
            active.file.sync()?;
            self.files.sync_dir()?;
        }
        Ok(active)
    }

    /// Takes back a segment that could not be begun; what stays is no part of the log.
    fn discard(&self, number: SegmentNo) {
        let _stays_and_is_ignored = self.files.remove(number);
    }

    /// Syncs everything and records that the log ends here. `trim` cuts the last segment to its
    /// frames.
    pub(super) fn seal(&mut self, now: Duration, trim: bool) -> Result<(), Error> {
        self.syncs.check()?;
        let written = self.written();
        let current = self.anchor.current();
        if current.clean && current.sync_point == written && written <= self.durable() {
            return Ok(());
        }
        if let (true, Some(active)) = (trim, &mut self.active) {
            let cut = active.file.file.set_size(active.end);
            let cut = cut.map_err(active.file.error("shorten"));
            active.filled = active.end;
            cut?;
        }
        if self.options.bulk {
            self.sync_kept(now, SegmentNo(1))?;
            self.files.sync_dir().map_err(|error| self.syncs.poisoned(error))?;
        } else {
            self.sync(now)?;
        }
        self.record(written, now)?;
        self.name(|anchor| {
            anchor.sync_point = written;
            anchor.clean = true;
        })
    }

    /// Syncs every segment from `oldest` on, in order.
    fn sync_kept(&mut self, now: Duration, oldest: SegmentNo) -> Result<(), Error> {
        let active = self.active.as_ref().map(|active| active.number);
        for number in oldest.0..=self.anchor.current().newest.0 {
            let number = SegmentNo(number);
            let waiting = self.unsynced.iter().find(|unsynced| unsynced.number == number);
            if Some(number) == active {
                self.sync_active()?;
            } else if let Some(waiting) = waiting {
                self.syncs.sync(&waiting.file)?;
            } else {
                let file = self.files.reading(number);
                self.syncs.sync(&*file.map_err(|error| self.syncs.poisoned(error))?)?;
            }
        }
        self.syncs.raise(self.written());
        self.synced(now);
        Ok(())
    }

    /// Removes the segments before `oldest`. The base that makes them superfluous was written
    /// before, and becomes durable here.
    pub(super) fn purge(&mut self, now: Duration, oldest: SegmentNo) -> Result<u64, Error> {
        self.syncs.check()?;
        let before = self.anchor.current().oldest;
        if oldest <= before {
            return Ok(0);
        }
        self.sync_kept(now, oldest)?;
        let durable = self.durable();
        self.name(|anchor| {
            anchor.oldest = oldest;
            anchor.sync_point = durable;
        })?;
        for number in before.0..oldest.0 {
            self.files.remove(SegmentNo(number))?;
        }
        self.files.sync_dir()?;
        Ok(oldest.0 - before.0)
    }
}

/// How many of `batches`, one at least, are written with one call: those in the segment of the
/// first one, as long as they are small.
fn run_of(batches: &[&Placed]) -> usize {
    let Some(first) = batches.first() else { return 0 };
    let joins = |batch: &&&Placed| {
        batch.place.segment == first.place.segment && batch.bytes.len() <= JOIN_BYTES
    };
    batches.iter().take_while(joins).count().max(1)
}

impl Active {
    /// Writes frames that end at `end`, and zeros behind them when the file is to be filled
    /// ahead.
    fn fill_and_write(
        &mut self,
        bytes: &[u8],
        end: u64,
        options: &WriterOptions,
    ) -> Result<(), IoError> {
        self.file.write(self.end, bytes)?;
        self.filled = self.filled.max(end);
        if self.filled == end { self.fill(end, options) } else { Ok(()) }
    }

    /// Writes zeros from where the file was written through to one step behind `from`.
    fn fill(&mut self, from: u64, options: &WriterOptions) -> Result<(), IoError> {
        let target = (from + options.fill_step).min(options.segment_bytes).max(from);
        let zeros = zeros();
        while self.filled < target {
            let left = usize::try_from(target - self.filled).unwrap_or(usize::MAX);
            let piece = zeros.get(..left.min(zeros.len())).unwrap_or_default();
            self.file.write(self.filled, piece)?;
            self.filled += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    /// Makes everything from `from` to `to` zero again, without a sync.
    pub(super) fn erase(&mut self, from: u64, to: u64) -> Result<(), IoError> {
        let to = to.min(self.file.size()?);
        let zeros = zeros();
        let mut at = from;
        while at < to {
            let left = usize::try_from(to - at).unwrap_or(usize::MAX);
            let piece = zeros.get(..left.min(zeros.len())).unwrap_or_default();
            self.file.write(at, piece)?;
            at += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }
}

fn zeros() -> &'static [u8] {
    static ZEROS: [u8; ZEROS_BYTES] = [0; ZEROS_BYTES];
    &ZEROS
}
