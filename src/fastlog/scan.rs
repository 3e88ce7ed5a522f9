//! Reading segments ahead of a walk, on every processor: checksums and the decoding of entries need
//! only the segment itself. The walk takes over what fits where it stands, in order, and judges
//! everything unusual itself: a scan hands over whole batches and ends at the first thing that is
//! not the next frame or does not decode.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::fastlog::format::{
    EntriesRecord, FRAMES_OFFSET, Found, Frame, FrameType, GroupNo, LogUid, Malformed, Op, Records,
    Salt, SegmentNo, Sequence,
};
use crate::fastlog::memtable::{Run, Slab};
use crate::fastlog::segment::{Files, FramePlace, SegmentReader};
use crate::fastlog::tables::position;
use crate::fastlog::walk::{Head, MARK_BYTES};
use crate::model::IndexRange;

/// Bytes of segments from which on threads are worth their start.
const PARALLEL_BYTES: u64 = 4 << 20;
/// Most threads that read.
const THREADS_MAX: usize = 8;
/// Memory of a part at which it is handed over, in bytes.
const PART_BYTES: usize = 256 << 10;
/// Parts of one segment that wait to be taken.
const PARTS_WAITING: usize = 48;
/// Largest record other than entries that is copied; the walk reads larger ones itself.
const RECORD_BYTES_MAX: usize = 64 << 10;
/// What a step takes beside what it points to, roughly.
const STEP_BYTES: usize = 192;

/// A place between two batches of a segment, and what lies before it in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// Offset in the segment, in bytes.
    pub(super) offset: u64,
    /// What the next frame must be.
    pub(super) head: Head,
    /// Verified frames.
    pub(super) frames: u64,
    /// Their bytes.
    pub(super) frame_bytes: u64,
}

/// What a record does, with what it needs of the frame it came from.
pub(super) enum StepOp {
    /// Consecutive entries of a group, from one or many records.
    Entries(GroupNo, IndexRange, Run),
    /// Any other record, as it lies in the frame.
    Record(FramePlace, Box<[u8]>),
    /// The end of a batch that has a base.
    BaseEnd,
}

/// A record to apply; `from` is the beginning of its batch, or of the first of them.
pub(super) struct Step {
    pub(super) from: Point,
    pub(super) op: StepOp,
}

/// Whole batches, back to back.
pub(super) struct Part {
    pub(super) from: Point,
    pub(super) to: Point,
    pub(super) steps: Vec<Step>,
    /// Largest sync point in the frames.
    pub(super) proven: Sequence,
    /// As in a walk.
    pub(super) marks: Vec<(Sequence, FramePlace)>,
    bytes: usize,
}

/// The segments that are read ahead. Dropping it ends the reading.
#[derive(Default)]
pub(super) struct Ahead {
    parts: BTreeMap<SegmentNo, Receiver<Part>>,
    stop: Arc<AtomicBool>,
}

impl Ahead {
    /// The next part of a segment, or `None` when nothing more of it is handed over.
    pub(super) fn next_part(&self, number: SegmentNo) -> Option<Part> {
        self.parts.get(&number)?.recv().ok()
    }

    /// Ends the reading of everything before the segment `number`. Threads take segments in order,
    /// so one that waits for parts of a segment to be taken must not be left waiting while the walk
    /// waits for a later one.
    pub(super) fn forget_before(&mut self, number: SegmentNo) {
        self.parts = self.parts.split_off(&number);
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

type Queue = Mutex<std::vec::IntoIter<(SegmentNo, SyncSender<Part>)>>;

/// Does `work` while threads read `segments`, where that is worth it.
pub(super) fn ahead<T>(
    files: &Files,
    uid: LogUid,
    segments: &[SegmentNo],
    work: impl FnOnce(Ahead) -> T,
) -> T {
    let size = |number: &SegmentNo| files.reading(*number).ok()?.size().ok();
    let bytes = segments.iter().filter_map(size).fold(0u64, u64::saturating_add);
    if bytes < PARALLEL_BYTES {
        return work(Ahead::default());
    }
    // Asking the system takes longer than reading a small log.
    let threads = thread::available_parallelism().map_or(1, usize::from).min(segments.len());
    if threads < 2 {
        return work(Ahead::default());
    }
    ahead_on(threads.min(THREADS_MAX), files, uid, segments, work)
}

/// As [`ahead`], with so many threads whatever there is to read.
fn ahead_on<T>(
    threads: usize,
    files: &Files,
    uid: LogUid,
    segments: &[SegmentNo],
    work: impl FnOnce(Ahead) -> T,
) -> T {
    let stop = Arc::new(AtomicBool::new(false));
    let (mut parts, mut senders) = (BTreeMap::new(), Vec::new());
    for number in segments {
        let (sender, receiver) = sync_channel(PARTS_WAITING);
        parts.insert(*number, receiver);
        senders.push((*number, sender));
    }
    let queue: Queue = Mutex::new(senders.into_iter());
    let read = || loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((number, sender)) = next else { return };
        if !stop.load(Ordering::Relaxed) {
            scan(files, uid, number, &stop, &sender);
        }
    };
    thread::scope(|scope| {
        let spawned = (0..threads)
            .filter(|_| thread::Builder::new().spawn_scoped(scope, read).is_ok())
            .count();
        // Without a thread nobody would ever send.
        if spawned == 0 {
            work(Ahead::default())
        } else {
            work(Ahead { parts, stop: stop.clone() })
        }
    })
}

/// Reads a segment and sends what it holds, as far as it is as usual. A failure to read ends it as
/// well: the walk meets it again and says so.
fn scan(
    files: &Files,
    uid: LogUid,
    number: SegmentNo,
    stop: &AtomicBool,
    sender: &SyncSender<Part>,
) {
    let Some(mut reader) = begin(files, uid, number) else { return };
    let Some(mut scan) = Scan::begin(&reader, uid, number) else { return };
    while !stop.load(Ordering::Relaxed) {
        let place = reader.place();
        let frame = match reader.found() {
            Ok(Found::Frame(frame)) if scan.is_next(&frame) => frame,
            _ => break,
        };
        if scan.take(place, &frame, reader.payload(&frame)).is_none() {
            return;
        }
        reader.step(&frame);
        if let Some(part) = scan.full_part()
            && sender.send(part).is_err()
        {
            return;
        }
    }
    if scan.batch_frames == 0 {
        // Nobody waiting for it means that nobody needs it.
        let _not_needed = sender.send(scan.part);
    }
}

fn begin(files: &Files, uid: LogUid, number: SegmentNo) -> Option<SegmentReader> {
    let file = files.reading(number).ok()?;
    SegmentReader::new(file, number, Salt::new(uid, number), Vec::new()).ok()
}

/// A segment being read.
struct Scan {
    /// Behind the last frame.
    at: Point,
    /// Behind the last whole batch.
    batch: Point,
    /// Frames of the batch that is not whole yet.
    batch_frames: u16,
    batch_has_base: bool,
    last_mark: Option<u64>,
    slab: Slab,
    part: Part,
}

impl Part {
    fn starting(from: Point) -> Part {
        let (steps, marks) = (Vec::new(), Vec::new());
        Part { from, to: from, steps, proven: Sequence(0), marks, bytes: 0 }
    }
}

impl Scan {
    fn begin(reader: &SegmentReader, uid: LogUid, number: SegmentNo) -> Option<Scan> {
        let header = reader.file().header().ok()?.ok()?;
        if header.uid != uid || header.number != number {
            return None;
        }
        let head = Head { next: header.first, previous: header.previous };
        let at = Point { offset: FRAMES_OFFSET, head, frames: 0, frame_bytes: 0 };
        Some(Scan {
            at,
            batch: at,
            batch_frames: 0,
            batch_has_base: false,
            last_mark: None,
            slab: Slab::default(),
            part: Part::starting(at),
        })
    }

    fn is_next(&self, frame: &Frame) -> bool {
        let (batch_frames, filler) = (self.batch_frames, frame.kind == FrameType::Filler);
        let part_fits = if filler {
            batch_frames == 0
        } else {
            batch_frames.checked_add(1) == Some(frame.part)
        };
        part_fits && self.at.head.fits(frame)
    }

    /// Takes the records of a frame; `None` when only the walk can tell what is wrong with them.
    fn take(&mut self, place: FramePlace, frame: &Frame, payload: &[u8]) -> Option<()> {
        if self.last_mark.is_none_or(|last| place.offset >= last + MARK_BYTES) {
            self.part.marks.push((frame.sequence, place));
            self.last_mark = Some(place.offset);
        }
        let bytes = u64::try_from(frame.len_bytes()).ok()?;
        self.at = Point {
            offset: self.at.offset + bytes,
            head: Head { next: frame.sequence.next(), previous: frame.checksum },
            frames: self.at.frames + 1,
            frame_bytes: self.at.frame_bytes + bytes,
        };
        self.part.proven = self.part.proven.max(frame.sync_point);
        if frame.kind != FrameType::Filler {
            self.batch_frames = frame.part;
            self.records(place, payload).ok()??;
        }
        if frame.kind == FrameType::Part {
            return Some(());
        }
        if std::mem::take(&mut self.batch_has_base) {
            self.push(StepOp::BaseEnd, 0);
        }
        self.batch_frames = 0;
        self.batch = self.at;
        self.part.to = self.at;
        Some(())
    }

    fn records(&mut self, place: FramePlace, payload: &[u8]) -> Result<Option<()>, Malformed> {
        let mut records = Records::new(payload);
        while let Some(record) = records.next_record()? {
            if let Op::Entries(entries) = &record.op {
                self.entries(place, record.group, entries)?;
                continue;
            }
            self.batch_has_base |= matches!(record.op, Op::Base { .. });
            let bytes = payload.get(record.span).filter(|bytes| bytes.len() <= RECORD_BYTES_MAX);
            let Some(bytes) = bytes else { return Ok(None) };
            self.push(StepOp::Record(place, Box::from(bytes)), bytes.len());
        }
        Ok(Some(()))
    }

    fn push(&mut self, op: StepOp, bytes: usize) {
        self.part.bytes += STEP_BYTES + bytes;
        self.part.steps.push(Step { from: self.batch, op });
    }

    fn entries(
        &mut self,
        place: FramePlace,
        group: GroupNo,
        entries: &EntriesRecord<'_>,
    ) -> Result<(), Malformed> {
        let goes_on = |step: &&mut Step| match &step.op {
            StepOp::Entries(before, range, _) => {
                *before == group && range.last().next() == Some(entries.range.first())
            }
            _ => false,
        };
        if self.part.steps.last_mut().filter(goes_on).is_none() {
            self.push(StepOp::Entries(group, entries.range, Run::default()), 0);
        }
        let Some(Step { op: StepOp::Entries(_, range, run), .. }) = self.part.steps.last_mut()
        else {
            return Ok(());
        };
        *range = IndexRange::new(range.first(), entries.range.last()).unwrap_or(*range);
        let before = run.memory_bytes();
        let mut walk = entries.walk();
        while let Some(sizes) = walk.next_sizes()? {
            let left = entries.range.last().0 - sizes.index.0;
            run.push(&mut self.slab, sizes.index, &position(place, &sizes), left);
        }
        self.part.bytes += run.memory_bytes() - before;
        Ok(())
    }

    /// The part that is ready to be handed over, once it is large enough and between batches.
    fn full_part(&mut self) -> Option<Part> {
        if self.batch_frames > 0 || self.part.bytes < PART_BYTES {
            return None;
        }
        Some(std::mem::replace(&mut self.part, Part::starting(self.at)))
    }
}

#[cfg(test)]
mod tests;
