//! Writing frames: the active segment, rotation, syncing, sync points. No locks and no queue; what
//! order the calls come in is decided above.

use std::sync::Arc;
use std::time::Duration;

use crate::fastlog::anchor::AnchorFile;
use crate::fastlog::format::{
    BATCH_BYTES_MAX, Chain, FRAME_HEADER_BYTES, FRAMES_OFFSET, LogUid, Payload, Salt,
    SegmentHeader, SegmentNo, Sequence, SyncSlot, TooLarge,
};
use crate::fastlog::pace::{PageAction, SyncEvent, SyncPagePace};
use crate::fastlog::segment::{Files, FramePlace, NamedFile};
use crate::fastlog::walk::Head;
use crate::fastlog::{Error, Refusal};
use crate::model::IoError;
use crate::vfs::OpenMode;

/// Zeros written at once.
const ZEROS_BYTES: usize = 1 << 20;

/// What does not change while a log is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriterOptions {
    pub(super) segment_bytes: u64,
    pub(super) fill_step: u64,
    /// Nothing is synced before [`Writer::seal`]; for a target that does not exist until then.
    pub(super) bulk: bool,
}

/// The segment that frames are appended to.
pub(super) struct Active {
    pub(super) number: SegmentNo,
    pub(super) file: NamedFile,
    /// Offset behind the last frame.
    pub(super) end: u64,
    /// Offset through which the file was written, zeros included.
    pub(super) filled: u64,
    /// Counter of the sync slot written last.
    pub(super) sync_counter: u64,
}

/// The only one who writes to a store.
pub(super) struct Writer {
    pub(super) files: Arc<Files>,
    pub(super) uid: LogUid,
    pub(super) anchor: AnchorFile,
    pub(super) active: Option<Active>,
    pub(super) head: Head,
    /// Highest sequence known to be durable.
    pub(super) durable: Sequence,
    pub(super) options: WriterOptions,
    pub(super) pace: SyncPagePace,
    /// Set by a failed sync: nothing is written any more.
    pub(super) poison: Option<Arc<IoError>>,
}

impl Writer {
    /// Highest sequence that was written.
    pub(super) fn written(&self) -> Sequence {
        Sequence(self.head.next.0.saturating_sub(1))
    }

    fn check(&self) -> Result<(), Error> {
        match &self.poison {
            Some(cause) => Err(Error::Poisoned { durable: self.durable, cause: Arc::clone(cause) }),
            None => Ok(()),
        }
    }

    fn poisoned(&mut self, cause: IoError) -> Error {
        let cause = Arc::new(cause);
        self.poison = Some(Arc::clone(&cause));
        Error::Poisoned { durable: self.durable, cause }
    }

    /// Writes batches in order and returns where the frames of each begin. A batch that failed,
    /// and those behind it, are not in the log; `done` holds those before it.
    pub(super) fn write(
        &mut self,
        now: Duration,
        batches: &mut [&mut Payload],
        done: &mut Vec<FramePlace>,
    ) -> Result<(), Error> {
        self.check()?;
        self.mark_dirty()?;
        let mut rest = batches;
        while let Some(first) = rest.first() {
            let need = bytes_of(first);
            self.make_room(now, need)?;
            let Some(active) = &self.active else { return Err(Error::Closed) };
            let room = self.options.segment_bytes.max(active.end + need) - active.end;
            let mut used = 0u64;
            let fits = rest.iter().take_while(|batch| {
                used = used.saturating_add(bytes_of(batch));
                used <= room
            });
            let count = fits.count();
            let (now, later) = rest.split_at_mut(count);
            self.write_run(now, done)?;
            rest = later;
        }
        Ok(())
    }

    /// The first write makes the anchor durable, without the flag that says that the log is closed.
    fn mark_dirty(&mut self) -> Result<(), Error> {
        if (self.anchor.current().clean || !self.anchor.is_durable())
            && !self.options.bulk
            && let Err(error) = self.anchor.update(|anchor| anchor.clean = false)
        {
            return Err(self.poisoned(error));
        }
        Ok(())
    }

    fn make_room(&mut self, now: Duration, need: u64) -> Result<(), Error> {
        if need > BATCH_BYTES_MAX {
            let small = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
            let limit = small(BATCH_BYTES_MAX);
            return Err(Refusal::from(TooLarge { what: "batch", len: small(need), limit }).into());
        }
        let full = self.active.as_ref().is_none_or(|active| {
            active.end > FRAMES_OFFSET && active.end + need > self.options.segment_bytes
        });
        if full { self.rotate(now) } else { Ok(()) }
    }

    /// Writes batches that fit into the active segment with one call.
    fn write_run(
        &mut self,
        batches: &mut [&mut Payload],
        done: &mut Vec<FramePlace>,
    ) -> Result<(), Error> {
        let Some(active) = &mut self.active else { return Err(Error::Closed) };
        let salt = Salt::new(self.uid, active.number);
        let mut chain =
            Chain { next: self.head.next, previous: self.head.previous, sync_point: self.durable };
        let mut offset = active.end;
        for batch in batches.iter_mut() {
            chain = batch.seal(chain, salt);
            done.push(FramePlace { segment: active.number, offset });
            offset += bytes_of(batch);
        }
        let joined: Vec<u8>;
        let bytes = match &*batches {
            [one] => one.bytes(),
            many => {
                joined = many.iter().map(|batch| batch.bytes()).collect::<Vec<_>>().concat();
                &joined
            }
        };
        let written = active.fill_and_write(bytes, offset, &self.options);
        if let Err(error) = written {
            let kept = done.len().saturating_sub(batches.len());
            done.truncate(kept);
            let end = active.end;
            return match active.erase(end, offset) {
                Ok(()) => Err(error.into()),
                Err(_) => Err(self.poisoned(error)),
            };
        }
        active.end = offset;
        self.head = Head { next: chain.next, previous: chain.previous };
        Ok(())
    }

    /// Makes everything written durable.
    pub(super) fn sync(&mut self, now: Duration) -> Result<(), Error> {
        self.check()?;
        let written = self.written();
        if written <= self.durable {
            return Ok(());
        }
        if let PageAction::Write(point) = self.pace.step(now, SyncEvent::Syncing) {
            self.write_sync_slot(point, now)?;
        }
        self.sync_active()?;
        self.durable = written;
        self.pace.step(now, SyncEvent::Synced(written));
        Ok(())
    }

    fn sync_active(&mut self) -> Result<(), Error> {
        let synced = self.active.as_ref().map_or(Ok(()), |active| active.file.sync());
        synced.map_err(|error| self.poisoned(error))
    }

    fn write_sync_slot(&mut self, point: Sequence, now: Duration) -> Result<(), Error> {
        let Some(active) = &mut self.active else { return Ok(()) };
        let counter = active.sync_counter.saturating_add(1);
        let slot = SyncSlot { uid: self.uid, number: active.number, counter, sync_point: point };
        if let Err(error) = active.file.write(slot.offset(), &slot.encode()) {
            return Err(self.poisoned(error));
        }
        active.sync_counter = counter;
        self.pace.step(now, SyncEvent::Recorded(point));
        Ok(())
    }

    /// Writes down, durably, that everything through [`Writer::durable`] is: in the segment, and
    /// in the anchor, which shows that the segment is as long as it was.
    pub(super) fn prove(&mut self, now: Duration) -> Result<(), Error> {
        self.record_durable(now)?;
        let durable = self.durable;
        let named = self.anchor.update(|anchor| anchor.sync_point = durable);
        named.map_err(|error| self.poisoned(error))
    }

    fn record_durable(&mut self, now: Duration) -> Result<(), Error> {
        self.write_sync_slot(self.durable, now)?;
        self.sync_active()
    }

    /// Writes the sync page when it is due; returns when to ask again.
    pub(super) fn tick(&mut self, now: Duration) -> Result<Option<Duration>, Error> {
        self.check()?;
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
        if self.active.is_some() && !self.options.bulk {
            self.sync_active()?;
            self.durable = self.written();
            self.record_durable(now)?;
        }
        let number = self.anchor.current().newest.next();
        let active = match self.begin_segment(number) {
            Ok(active) => active,
            Err(error) => {
                self.discard(number);
                return Err(error.into());
            }
        };
        let durable = self.durable;
        let name = |anchor: &mut crate::fastlog::format::Anchor| {
            anchor.newest = number;
            anchor.sync_point = durable;
            anchor.clean = false;
        };
        let named =
            if self.options.bulk { self.anchor.write(name) } else { self.anchor.update(name) };
        if let Err(error) = named {
            return Err(self.poisoned(error));
        }
        self.active = Some(active);
        self.pace = SyncPagePace::default();
        self.pace.step(now, SyncEvent::Recorded(durable));
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
            sync_point: self.durable,
            previous: self.head.previous,
            recycled: false,
        };
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
        self.check()?;
        let clean = self.anchor.current().clean && self.written() <= self.durable;
        if clean && self.anchor.current().sync_point == self.written() {
            return Ok(());
        }
        let written = self.written();
        if let (true, Some(active)) = (trim, &mut self.active) {
            let cut = active.file.file.set_size(active.end);
            let cut = cut.map_err(active.file.error("shorten"));
            active.filled = active.end;
            cut?;
        }
        if self.options.bulk {
            self.sync_kept(SegmentNo(1))?;
            self.sync_directory()?;
        } else {
            self.sync_active()?;
        }
        self.durable = written;
        self.record_durable(now)?;
        let named = self.anchor.update(|anchor| {
            anchor.sync_point = written;
            anchor.clean = true;
        });
        named.map_err(|error| self.poisoned(error))
    }

    fn sync_directory(&mut self) -> Result<(), Error> {
        self.files.sync_dir().map_err(|error| self.poisoned(error))
    }

    /// Syncs every segment from `oldest` on, in order.
    fn sync_kept(&mut self, oldest: SegmentNo) -> Result<(), Error> {
        let active = self.active.as_ref().map(|active| active.number);
        for number in oldest.0..=self.anchor.current().newest.0 {
            let number = SegmentNo(number);
            let synced = if Some(number) == active {
                self.sync_active()
            } else {
                let file = self.files.reading(number);
                file.and_then(|file| file.sync()).map_err(|error| self.poisoned(error))
            };
            synced?;
        }
        Ok(())
    }

    /// Removes the segments before `oldest`. The base that makes them superfluous was written
    /// before, and becomes durable here.
    pub(super) fn purge(&mut self, now: Duration, oldest: SegmentNo) -> Result<u64, Error> {
        self.check()?;
        let before = self.anchor.current().oldest;
        if oldest <= before {
            return Ok(0);
        }
        self.sync_kept(oldest)?;
        let durable = self.written();
        self.durable = durable;
        self.pace.step(now, SyncEvent::Synced(durable));
        let named = self.anchor.update(|anchor| {
            anchor.oldest = oldest;
            anchor.sync_point = durable;
        });
        named.map_err(|error| self.poisoned(error))?;
        for number in before.0..oldest.0 {
            self.files.remove(SegmentNo(number))?;
        }
        self.files.sync_dir()?;
        Ok(oldest.0 - before.0)
    }
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

    /// Makes everything from `from` to `to` zero again, durably.
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
        self.file.sync()
    }
}

fn zeros() -> &'static [u8] {
    static ZEROS: [u8; ZEROS_BYTES] = [0; ZEROS_BYTES];
    &ZEROS
}

fn bytes_of(batch: &Payload) -> u64 {
    u64::try_from(batch.bytes().len()).unwrap_or(u64::MAX)
}

/// The frames of a batch: where each lies, given where the first one does, and its payload.
pub(super) fn frame_payloads(
    batch: &Payload,
    first: FramePlace,
) -> impl Iterator<Item = (FramePlace, &[u8])> + '_ {
    let starts = batch.starts();
    starts.iter().enumerate().map(move |(number, start)| {
        let end = starts.get(number + 1).copied().unwrap_or(batch.bytes().len());
        let records = batch.bytes().get(start + FRAME_HEADER_BYTES..end).unwrap_or_default();
        let offset = first.offset + u64::try_from(*start).unwrap_or(u64::MAX);
        (FramePlace { offset, ..first }, records)
    })
}
