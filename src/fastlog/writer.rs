//! Writing frames: the active segment, rotation, syncing, sync points. No locks and no queue; what
//! order the calls come in is decided above, and where frames lie by the plan.

mod active;
mod past;

use std::sync::Arc;
use std::time::Duration;

use crate::fastlog::anchor::AnchorFile;
use crate::fastlog::format::{
    Anchor, FRAMES_OFFSET, LogUid, SegmentHeader, SegmentNo, Sequence, SyncSlot,
};
use crate::fastlog::pace::{PageAction, SyncEvent, SyncPagePace};
use crate::fastlog::plan::{Placed, Plan};
use crate::fastlog::planted::{Bug, keep_back, kept_back, planted};
use crate::fastlog::segment::{Files, FramePlace, NamedFile};
use crate::fastlog::spare::{Shelf, Spare};
use crate::fastlog::syncs::{SyncJob, Syncs};
use crate::fastlog::walk::Head;
use crate::fastlog::ways::{Way, WayEvent, Ways};
use crate::fastlog::{Error, PastCache};
use crate::model::IoError;

pub(super) use active::zeros;

/// Batches up to this size are joined, to be written with one call.
const JOIN_BYTES: usize = 32 << 10;

/// What does not change while a log is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriterOptions {
    pub(super) segment_bytes: u64,
    pub(super) fill_step: u64,
    /// Whether segments are made ahead.
    pub(super) spares: bool,
    /// Full segments that may wait for a sync, as each stays open.
    pub(super) unsynced_max: usize,
    pub(super) past_cache: PastCache,
    /// Level 0: beginning a segment syncs nothing; the next sync does, and names it.
    pub(super) later: bool,
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
    pub(super) shelf: Arc<Shelf>,
    pub(super) active: Option<Active>,
    pub(super) unsynced: Vec<Unsynced>,
    pub(super) head: Head,
    pub(super) syncs: Arc<Syncs>,
    pub(super) options: WriterOptions,
    pub(super) pace: SyncPagePace,
    pub(super) joined: Vec<u8>,
    /// A segment with frames from here on has a name that may be in memory only.
    pub(super) unnamed: Option<Sequence>,
    /// Whether a spare was asked for since the active segment was begun.
    pub(super) asked: bool,
    /// Whether the anchor is known to say, durably, that the log is not closed.
    pub(super) dirty: bool,
    /// Which way flushes reach the disk.
    pub(super) ways: Ways,
}

impl Writer {
    /// A writer without a segment; everything before `head` is durable.
    pub(super) fn new(
        files: Arc<Files>,
        anchor: AnchorFile,
        head: Head,
        options: WriterOptions,
    ) -> Writer {
        let (uid, next) = (anchor.current().uid, anchor.current().newest.next());
        let durable = Sequence(head.next.0.saturating_sub(1));
        Writer {
            shelf: Arc::new(Shelf::new(Arc::clone(&files), next, options.fill_step)),
            syncs: Arc::new(Syncs::new(Arc::clone(&files), anchor, durable)),
            files,
            uid,
            active: None,
            unsynced: Vec::new(),
            head,
            options,
            pace: SyncPagePace::default(),
            joined: Vec::new(),
            unnamed: None,
            asked: false,
            dirty: false,
            ways: Ways::new(options.past_cache),
        }
    }

    /// Goes on in a segment; of what is in it, everything through `recorded` is known as durable
    /// to whoever reads the files.
    pub(super) fn goes_on(&mut self, active: Option<Active>, recorded: Sequence) {
        self.active = active;
        self.pace.step(Duration::ZERO, SyncEvent::Recorded(recorded));
        self.pace.step(Duration::ZERO, SyncEvent::Synced(self.durable()));
    }

    /// Highest sequence that was written.
    pub(super) fn written(&self) -> Sequence {
        Sequence(self.head.next.0.saturating_sub(1))
    }

    /// Highest sequence known to be durable.
    pub(super) fn durable(&self) -> Sequence {
        self.syncs.durable()
    }

    /// Behind the last frame that was written.
    pub(super) fn end(&self) -> FramePlace {
        match &self.active {
            Some(active) => FramePlace { segment: active.number, offset: active.end },
            None => FramePlace { segment: SegmentNo(1), offset: FRAMES_OFFSET },
        }
    }

    /// A plan that goes on where the files end.
    pub(super) fn plan(&self) -> Plan {
        Plan::new(self.uid, self.options.segment_bytes, self.end(), self.head)
    }

    /// Writes batches in order, each at its place, and counts those that were. One that failed,
    /// and those behind it, are not in the log. Past the cache they are durable then; the answer
    /// says whether that could be done.
    pub(super) fn write(
        &mut self,
        now: Duration,
        batches: &[&Placed],
        way: Way,
        done: &mut usize,
    ) -> Result<Way, Error> {
        self.syncs.check()?;
        self.mark_dirty()?;
        if way == Way::Past && self.is_ready_for_past(now, batches) {
            if self.write_past(now, batches)? {
                *done = batches.len();
                self.ask_for_spare();
                return Ok(Way::Past);
            }
            self.ways.step(now, WayEvent::Refused);
        }
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
        self.ask_for_spare();
        Ok(Way::Cached)
    }

    /// Asks for the next segment when the active one is a quarter full.
    fn ask_for_spare(&mut self) {
        let options = &self.options;
        let is_time = self.active.as_ref().is_some_and(|a| a.end > options.segment_bytes / 4);
        if options.spares && is_time && !self.asked {
            self.asked = true;
            let filled = if options.fill_step > 0 { options.segment_bytes } else { FRAMES_OFFSET };
            self.shelf.want(filled);
        }
    }

    /// The first write makes the anchor durable, without the flag that says that the log is closed.
    pub(super) fn mark_dirty(&mut self) -> Result<(), Error> {
        if self.dirty || self.options.bulk {
            return Ok(());
        }
        let says_so = {
            let anchor = self.syncs.anchor();
            anchor.is_durable() && !anchor.current().clean
        };
        if !says_so {
            self.name(|anchor| anchor.clean = false)?;
        }
        self.dirty = true;
        Ok(())
    }

    /// Changes what the anchor says, durably.
    fn name(&self, change: impl FnOnce(&mut Anchor)) -> Result<(), Error> {
        let updated = self.syncs.anchor().update(change);
        updated.map_err(|error| self.syncs.poisoned(error))
    }

    /// As [`Writer::name`], with the active segment as the newest: its header is durable.
    fn name_active(&mut self, change: impl FnOnce(&mut Anchor)) -> Result<(), Error> {
        if self.unnamed.take().is_some() {
            self.files.sync_dir().map_err(|error| self.syncs.poisoned(error))?;
        }
        let newest = self.active.as_ref().map(|active| active.number);
        self.name(|anchor| {
            anchor.newest = newest.unwrap_or(anchor.newest).max(anchor.newest);
            change(anchor);
        })
    }

    /// Writes batches that lie behind each other in the active segment with one call.
    fn write_run(&mut self, batches: &[&Placed]) -> Result<(), Error> {
        let Some((last, _)) = self.check_place(batches)? else { return Ok(()) };
        let bytes = joined(&mut self.joined, batches);
        let Some(active) = &mut self.active else { return Ok(()) };
        let end = last.end();
        if active.end > FRAMES_OFFSET
            && let Some(header) = kept_back()
        {
            active.file.write(0, &header)?;
        }
        if let Err(error) = active.fill_and_write(bytes, end, &self.options)
            && !planted(Bug::ShortWriteTaken)
        {
            let from = active.end;
            // No promise rests on this: what failed was promised to nobody, and the next sync of
            // this file makes the zeros durable as well.
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

    /// The last of `batches`, and where the first one goes: where the log ends.
    fn check_place<'b>(
        &self,
        batches: &[&'b Placed],
    ) -> Result<Option<(&'b Placed, FramePlace)>, Error> {
        let (Some(active), Some(first), Some(last)) =
            (&self.active, batches.first(), batches.last())
        else {
            return Ok(None);
        };
        let here = FramePlace { segment: active.number, offset: active.end };
        if first.place != here || first.before != self.head {
            let other = std::io::Error::other("a batch was planned for another place");
            return Err(self.syncs.poisoned(active.file.error_at("write", active.end)(other)));
        }
        Ok(Some((last, here)))
    }

    /// What must be synced to make everything written durable, or `None` when it is. A sync point
    /// that is old enough rides along.
    pub(super) fn sync_job(&mut self, now: Duration) -> Result<Option<SyncJob>, Error> {
        self.syncs.check()?;
        if self.written() <= self.durable() {
            return Ok(None);
        }
        if let PageAction::Write(point) = self.pace.step(now, SyncEvent::Syncing) {
            let point = if planted(Bug::SyncPointEarly) { self.written() } else { point };
            self.write_sync_slot(point, now)?;
        }
        let sealed = self.unsynced.iter().map(|unsynced| &unsynced.file);
        let files = sealed.chain(self.active.as_ref().map(|active| &active.file));
        let newest = self.active.as_ref().map(|active| active.number).unwrap_or_default();
        Ok(Some(self.job(files.cloned().collect(), newest, self.written())))
    }

    fn job(&self, files: Vec<Arc<NamedFile>>, newest: SegmentNo, through: Sequence) -> SyncJob {
        SyncJob { files, names: self.unnamed.is_some(), newest, through }
    }

    /// Takes note of what is durable after a sync.
    pub(super) fn synced(&mut self, now: Duration) {
        let durable = self.durable();
        self.unsynced.retain(|unsynced| unsynced.last > durable);
        self.unnamed = self.unnamed.filter(|first| *first > durable);
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
        self.name_active(|anchor| anchor.sync_point = durable)
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
        let WriterOptions { later, on_request, bulk, .. } = self.options;
        if self.active.is_some() && !later && !on_request && !bulk {
            // No promise rests on this: what waits is synced before it is acknowledged, wherever
            // it lies. But then a sealed segment says itself how far it was synced.
            self.sync(now)?;
            self.record(self.durable(), now)?;
        }
        if self.unsynced.len() >= self.options.unsynced_max {
            self.sync_oldest(now)?;
        }
        let number = match &self.active {
            Some(active) => active.number.next(),
            None => self.syncs.anchor().current().newest.next(),
        };
        // The first segment of a log is named at once, whatever the level.
        let later = later && self.active.is_some();
        let active = match self.begin_segment(number, later) {
            Ok(active) => active,
            Err(error) => {
                self.shelf.take_back(number);
                return Err(error.into());
            }
        };
        let durable = self.durable();
        let change = |anchor: &mut Anchor| {
            anchor.newest = number;
            anchor.sync_point = durable;
            anchor.clean = false;
        };
        if bulk {
            let named = self.syncs.anchor().write(change);
            named.map_err(|error| self.syncs.poisoned(error))?;
        } else if !later {
            self.name(change)?;
        }
        let last = self.written();
        self.asked = false;
        if let Some(Active { number, file, .. }) = self.active.replace(active)
            && last > durable
            && !bulk
            && !planted(Bug::RotationForgets)
        {
            self.unsynced.push(Unsynced { number, file, last });
        }
        self.pace.step(now, SyncEvent::Recorded(durable));
        Ok(())
    }

    /// Syncs the full segment that has waited longest.
    fn sync_oldest(&mut self, now: Duration) -> Result<(), Error> {
        if let Some(Unsynced { number, file, last }) = self.unsynced.first() {
            let job = self.job(vec![Arc::clone(file)], *number, *last);
            self.syncs.run(&job)?;
            self.synced(now);
        }
        Ok(())
    }

    /// Begins a segment with its header; durable, name included, when this returns, or `later`.
    fn begin_segment(&mut self, number: SegmentNo, later: bool) -> Result<Active, IoError> {
        let Spare { file, filled, recycled, named } = self.shelf.take(number)?;
        let header = SegmentHeader {
            uid: self.uid,
            number,
            first: self.head.next,
            sync_point: self.durable(),
            previous: self.head.previous,
            recycled,
        };
        let mut active = Active { number, file, end: FRAMES_OFFSET, filled, sync_counter: 0 };
        active.fill(FRAMES_OFFSET, &WriterOptions { fill_step: 0, ..self.options })?;
        if planted(Bug::HeaderLate) {
            keep_back(header.encode());
        } else {
            active.file.write(0, &header.encode())?;
        }
        active.fill(FRAMES_OFFSET, &self.options)?;
        if later {
            self.unnamed = (!named).then_some(header.first).or(self.unnamed);
        } else if !self.options.bulk {
            let header_synced =
                if planted(Bug::HeaderNotSynced) { Ok(()) } else { active.file.sync() };
            match header_synced {
                Err(_) if planted(Bug::HeaderErrorDropped) => {}
                synced => synced?,
            }
            if !named {
                self.files.sync_dir()?;
            }
        }
        Ok(active)
    }

    /// Syncs everything and records that the log ends here. `trim` cuts the last segment to its
    /// frames.
    pub(super) fn seal(&mut self, now: Duration, trim: bool) -> Result<(), Error> {
        self.syncs.check()?;
        let written = self.written();
        if self.shelf.clear() {
            // No promise rests on this: a spare that comes back is one.
            self.files.sync_dir().map_err(|error| self.syncs.poisoned(error))?;
        }
        let says_so = {
            let anchor = self.syncs.anchor();
            anchor.current().clean && anchor.current().sync_point == written
        };
        if says_so && written <= self.durable() {
            return Ok(());
        }
        if let (true, Some(active)) = (trim, &mut self.active) {
            let cut = active.file.file.set_size(active.end);
            let cut = cut.map_err(active.file.error("shorten"));
            active.filled = active.end;
            cut?;
        }
        if self.options.bulk {
            self.sync_kept(SegmentNo(1))?;
            self.files.sync_dir().map_err(|error| self.syncs.poisoned(error))?;
            self.syncs.raise(written);
        } else {
            self.sync(now)?;
        }
        self.record(written, now)?;
        self.dirty = false;
        self.name_active(|anchor| {
            anchor.sync_point = written;
            anchor.clean = true;
        })
    }

    /// Syncs every segment from `oldest` on, in order.
    fn sync_kept(&mut self, oldest: SegmentNo) -> Result<(), Error> {
        let active = self.active.as_ref().map(|active| active.number);
        let named = self.syncs.anchor().current().newest;
        for number in oldest.0..=active.unwrap_or(named).0 {
            let number = SegmentNo(number);
            if planted(Bug::PurgeSyncsActive) && Some(number) != active {
                continue;
            }
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
        Ok(())
    }

    /// Removes the segments before `oldest`. The base that makes them superfluous was written
    /// before, and becomes durable here.
    pub(super) fn purge(&mut self, now: Duration, oldest: SegmentNo) -> Result<u64, Error> {
        self.syncs.check()?;
        let before = self.syncs.anchor().current().oldest;
        if oldest <= before {
            return Ok(0);
        }
        if !planted(Bug::PurgeBeforeBase) {
            self.sync_kept(oldest)?;
        }
        let written = self.written();
        if !planted(Bug::PurgeAnyOrder) {
            self.name_active(|anchor| {
                anchor.oldest = oldest;
                anchor.sync_point = written;
            })?;
        }
        self.syncs.raise(written);
        self.synced(now);
        self.files.purging(oldest);
        for number in (before.0..oldest.0).map(SegmentNo) {
            if self.is_worth_recycling(number) && self.shelf.recycle(number).is_some() {
                continue;
            }
            match self.files.remove(number) {
                // It was about to serve again.
                Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        self.files.sync_dir().map_err(|error| self.syncs.poisoned(error))?;
        self.shelf.named();
        Ok(oldest.0 - before.0)
    }

    /// Whether a purged segment may serve as another one: it is about as large as one should be.
    /// At level -1 it may have to be written out first, which removing it saves.
    fn is_worth_recycling(&self, number: SegmentNo) -> bool {
        let WriterOptions { segment_bytes: full, spares, on_request, .. } = self.options;
        let size = self.files.reading(number).and_then(|file| file.size());
        spares && !on_request && size.is_ok_and(|size| size > full / 2 && size <= full)
    }
}

/// The bytes of batches that lie behind each other; `memory` holds them when they are several.
fn joined<'m>(memory: &'m mut Vec<u8>, batches: &[&'m Placed]) -> &'m [u8] {
    if let [alone] = batches {
        return &alone.bytes;
    }
    memory.clear();
    batches.iter().for_each(|batch| memory.extend_from_slice(&batch.bytes));
    memory
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
