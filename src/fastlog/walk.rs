//! Walking a log from its oldest segment to the first thing that is not the next frame, and
//! gathering what proves whether that is the end, a torn tail or damage.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fastlog::Error;
use crate::fastlog::anchor::AnchorSlots;
use crate::fastlog::fault::{fault_of_apply, fault_of_found, newer_error, sector_fault};
use crate::fastlog::format::{
    FRAMES_OFFSET, Found, Frame, FrameType, LogUid, Masked, SECTOR_BYTES, SYNC_PAGE_OFFSET, Salt,
    SectorError, SegmentHeader, SegmentNo, Sequence,
};
use crate::fastlog::planted::{Bug, planted};
use crate::fastlog::scan::{Ahead, ahead};
use crate::fastlog::segment::{Files, FramePlace, NamedFile, SegmentReader};
use crate::fastlog::tables::{ApplyError, Tables};
use crate::model::{Code, Fault, FaultKind, IoError, Severity};

/// Bytes of frames between two places that a walk remembers.
pub(super) const MARK_BYTES: u64 = 256 << 10;
/// Where the log stands after a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Sequence of the next frame.
    pub(super) next: Sequence,
    /// Checksum of the last frame.
    pub(super) previous: Masked,
}

impl Head {
    /// Whether a frame goes on from here, by its sequence and what it says of the one before.
    pub(super) fn fits(&self, frame: &Frame) -> bool {
        (frame.sequence == self.next || planted(Bug::NoSequence))
            && (frame.previous == self.previous || planted(Bug::NoChain))
    }
}

/// What is known of a segment that was walked.
#[derive(Clone, Debug)]
pub(super) struct Walked {
    /// Its header.
    pub(super) header: SegmentHeader,
    /// Offset behind its last frame that counts, in bytes.
    pub(super) end: u64,
    /// Size of the file, in bytes.
    pub(super) size: u64,
    /// Highest counter of its sync slots.
    pub(super) sync_counter: u64,
}

/// Frames of a batch whose end was not met yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    start: FramePlace,
    head: Head,
    frames: u16,
}

/// Why a walk stopped.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    /// Where the next frame, or the unfinished batch, should begin; `None` without a segment.
    pub(super) place: Option<FramePlace>,
    /// The frame, or header, as it was found instead of the next one.
    pub(super) reason: FaultKind,
    /// Whether a batch was begun and not ended.
    pub(super) unfinished: bool,
}

/// A walk in progress. All that counts was applied to the tables.
pub(super) struct Walk<'f> {
    files: &'f Files,
    pub(super) uid: LogUid,
    pub(super) oldest: SegmentNo,
    pub(super) tables: Tables,
    pub(super) head: Head,
    /// Largest sync point that was met.
    pub(super) proven: Sequence,
    /// Segments walked, by number.
    pub(super) walked: BTreeMap<SegmentNo, Walked>,
    /// Segments that exist and were not begun yet.
    pub(super) ahead: Vec<SegmentNo>,
    /// Bytes of verified frames.
    pub(super) frame_bytes: u64,
    /// Verified frames.
    pub(super) frames: u64,
    /// Sync slots that hold something that does not verify.
    pub(super) slot_faults: Vec<Fault>,
    /// The first frame of every segment, and one every [`MARK_BYTES`].
    pub(super) marks: Vec<(Sequence, FramePlace)>,
    /// Where the bytes that are not zero end, of segments in which that was looked for.
    pub(super) written_ends: BTreeMap<SegmentNo, u64>,
    /// Whether the next frame lies in the segment that was walked last, though the walk stopped
    /// there.
    pub(super) inside: bool,
    pub(super) buffer: Vec<u8>,
    /// What threads read of the segments to come.
    pub(super) read_ahead: Ahead,
    pending: Option<Pending>,
}

impl<'f> Walk<'f> {
    /// Begins before the first segment of `segments` that is needed.
    pub(super) fn new(
        files: &'f Files,
        uid: LogUid,
        oldest: SegmentNo,
        segments: &[SegmentNo],
    ) -> Walk<'f> {
        Walk {
            files,
            uid,
            oldest,
            tables: Tables::new(oldest),
            head: Head { next: Sequence(1), previous: Masked(0) },
            proven: Sequence(0),
            walked: BTreeMap::new(),
            ahead: segments.iter().copied().filter(|number| *number >= oldest).collect(),
            frame_bytes: 0,
            frames: 0,
            slot_faults: Vec::new(),
            marks: Vec::new(),
            written_ends: BTreeMap::new(),
            inside: false,
            buffer: Vec::new(),
            read_ahead: Ahead::default(),
            pending: None,
        }
    }

    /// Takes the sync points of the anchor into account.
    pub(super) fn take_anchor(&mut self, slots: &AnchorSlots) {
        for slot in slots.sound() {
            self.proven = self.proven.max(slot.sync_point);
        }
    }

    pub(super) fn file(&self, number: SegmentNo) -> Result<Arc<NamedFile>, IoError> {
        self.files.reading(number)
    }

    /// As [`Walk::run`], with threads that read ahead.
    ///
    /// # Errors
    /// As [`Walk::run`].
    pub(super) fn run_on_all_processors(&mut self) -> Result<Stop, Error> {
        self.with_threads(Walk::run)
    }

    /// Does `work` while threads read ahead of it.
    pub(super) fn with_threads<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let segments = self.ahead.clone();
        ahead(self.files, self.uid, &segments, |read_ahead| {
            self.read_ahead = read_ahead;
            let done = work(self);
            self.read_ahead = Ahead::default();
            done
        })
    }

    /// Walks on until something is not the next frame.
    ///
    /// # Errors
    /// When a file cannot be read, a newer version wrote something, or verified records cannot
    /// be applied.
    pub(super) fn run(&mut self) -> Result<Stop, Error> {
        loop {
            if !std::mem::take(&mut self.inside) {
                let stop = match self.ahead.first().copied() {
                    None => return Ok(self.stop_without_segment()),
                    Some(number) => self.begin_segment(number)?,
                };
                if let Some(reason) = stop {
                    return Ok(self.stop_at_header(reason));
                }
            }
            let reason = self.walk_frames()?;
            if self.pending.is_some() || !self.next_continues()? {
                return Ok(self.stop_at_frame(reason));
            }
        }
    }

    /// Checks the header of `number` and makes it the segment that is walked; or says what is
    /// wrong with it.
    fn begin_segment(&mut self, number: SegmentNo) -> Result<Option<FaultKind>, Error> {
        let file = self.file(number)?;
        let header = match self.header_of(number)? {
            Ok(header) => header,
            Err(reason) => return Ok(Some(reason)),
        };
        if self.walked.is_empty() {
            self.head = Head { next: header.first, previous: header.previous };
            if header.first == Sequence(1) {
                self.tables.trust_beginning();
            }
        } else if let Some(reason) = self.continuation_fault(&header) {
            return Ok(Some(reason));
        }
        self.proven = self.proven.max(header.sync_point);
        let sync_counter = self.take_sync_slots(&file, number)?;
        let size = file.size()?;
        let walked = Walked { header, end: FRAMES_OFFSET, size, sync_counter };
        self.walked.insert(number, walked);
        self.ahead.retain(|ahead| *ahead != number);
        Ok(None)
    }

    /// Takes the sync points of a segment's slots into account; returns their highest counter.
    pub(super) fn take_sync_slots(
        &mut self,
        file: &NamedFile,
        number: SegmentNo,
    ) -> Result<u64, Error> {
        let mut counter = 0;
        let mut offset = SYNC_PAGE_OFFSET;
        for slot in file.sync_slots()? {
            match slot {
                Ok(slot) if slot.uid == self.uid && slot.number == number => {
                    counter = counter.max(slot.counter);
                    self.proven = self.proven.max(slot.sync_point);
                }
                Err(SectorError::Blank) => {}
                Err(SectorError::Version(version)) => {
                    return Err(newer_error(&file.path, "format version", u64::from(version)));
                }
                Ok(_) => self.note_slot(slot_fault(file, offset, None)),
                Err(error) => self.note_slot(slot_fault(file, offset, Some(&error))),
            }
            offset += SECTOR_BYTES as u64;
        }
        Ok(counter)
    }

    /// Notes a fault once, although the slots behind damage are looked at twice.
    fn note_slot(&mut self, fault: Fault) {
        if !self.slot_faults.contains(&fault) {
            self.slot_faults.push(fault);
        }
    }

    /// The header of a segment of this log, or what is wrong with it.
    pub(super) fn header_of(
        &self,
        number: SegmentNo,
    ) -> Result<Result<SegmentHeader, FaultKind>, Error> {
        let file = self.file(number)?;
        let reason = match file.header()? {
            Ok(header) if header.uid == self.uid && header.number == number => {
                return Ok(Ok(header));
            }
            Ok(_) => FaultKind::Field {
                what: "segment header",
                expected: format!("segment {} of this log", number.0),
                found: "the header of another segment".to_owned(),
            },
            Err(SectorError::Version(version)) => {
                return Err(newer_error(&file.path, "format version", u64::from(version)));
            }
            Err(error) => sector_fault("segment header", &error),
        };
        Ok(Err(reason))
    }

    fn continuation_fault(&self, header: &SegmentHeader) -> Option<FaultKind> {
        if header.first != self.head.next {
            return Some(FaultKind::Field {
                what: "first sequence",
                expected: self.head.next.0.to_string(),
                found: header.first.0.to_string(),
            });
        }
        (header.previous != self.head.previous).then(|| FaultKind::Checksum {
            what: "the frame before the segment",
            expected: format!("{:08x}", header.previous.0),
            found: format!("{:08x}", self.head.previous.0),
        })
    }

    /// Whether the segment after the one walked last has a header that goes on from here.
    fn next_continues(&self) -> Result<bool, Error> {
        let (Some(last), Some(next)) = (self.walked.keys().next_back(), self.ahead.first()) else {
            return Ok(false);
        };
        if *next != last.next() {
            return Ok(false);
        }
        let header = self.header_of(*next)?;
        Ok(header.is_ok_and(|header| self.continuation_fault(&header).is_none()))
    }

    pub(super) fn reader(
        &mut self,
        number: SegmentNo,
        offset: u64,
    ) -> Result<SegmentReader, Error> {
        let file = self.file(number)?;
        let salt = Salt::new(self.uid, number);
        let buffer = std::mem::take(&mut self.buffer);
        let mut reader = SegmentReader::new(file, number, salt, buffer)?;
        reader.seek(offset);
        Ok(reader)
    }

    /// Takes over what was read ahead of the segment `number`, as far as it fits where the walk
    /// stands and can be applied.
    fn take_parts(&mut self, number: SegmentNo) {
        self.read_ahead.forget_before(number);
        let begun = (self.frames, self.frame_bytes);
        while let Some(part) = self.read_ahead.next_part(number) {
            let Some(walked) = self.walked.get(&number) else { break };
            if part.from.offset != walked.end || part.from.head != self.head {
                break;
            }
            self.proven = self.proven.max(part.proven);
            self.marks.extend(part.marks);
            let mut reached = part.to;
            let mut failed = false;
            for step in part.steps {
                if self.tables.apply_step(step.op).is_err() {
                    // The walk comes to it again, frame by frame, and says what is wrong.
                    self.tables.abandon_base();
                    (reached, failed) = (step.from, true);
                    break;
                }
            }
            self.head = reached.head;
            self.frames = begun.0 + reached.frames;
            self.frame_bytes = begun.1 + reached.frame_bytes;
            if let Some(walked) = self.walked.get_mut(&number) {
                walked.end = reached.offset;
            }
            if failed {
                break;
            }
        }
        self.read_ahead.forget_before(number.next());
    }

    /// Walks the frames of the last segment begun; returns what stands where the next should.
    fn walk_frames(&mut self) -> Result<FaultKind, Error> {
        if let Some(number) = self.walked.keys().next_back().copied() {
            self.take_parts(number);
        }
        let Some((number, end)) = self.walked.iter().next_back().map(|(no, w)| (*no, w.end)) else {
            return Ok(FaultKind::Note { found: "no segment".to_owned() });
        };
        let mut reader = self.reader(number, end)?;
        loop {
            let found = match reader.found() {
                Err(_) if planted(Bug::ReadErrorIsEnd) => Found::Nothing,
                found => found?,
            };
            let found = self.or_the_next_sound_one(found, &mut reader)?;
            let place = reader.place();
            let frame = match found {
                Found::Frame(frame) if self.is_next(&frame) => frame,
                Found::Newer { what, value, .. } => {
                    return Err(newer_error(&reader.file().path, what, value));
                }
                other => {
                    self.buffer = reader.into_buffer();
                    return Ok(fault_of_found(&other, self.head.next, self.head.previous));
                }
            };
            self.mark(place, &frame);
            self.head = Head { next: frame.sequence.next(), previous: frame.checksum };
            self.proven = self.proven.max(frame.sync_point);
            self.frames += 1;
            self.frame_bytes += u64::try_from(frame.len_bytes()).unwrap_or(u64::MAX);
            self.take_frame(&reader, place, &frame)?;
            reader.step(&frame);
            let end = reader.place().offset;
            if self.pending.is_none()
                && let Some(walked) = self.walked.get_mut(&number)
            {
                walked.end = end;
            }
        }
    }

    /// What was found, or, under [`Bug::SkipsBadFrames`], the next frame that verifies.
    fn or_the_next_sound_one(
        &mut self,
        found: Found,
        reader: &mut SegmentReader,
    ) -> Result<Found, Error> {
        if !planted(Bug::SkipsBadFrames) || matches!(found, Found::Frame(_)) {
            return Ok(found);
        }
        let (range, mut budget) = (self.head.next..=Sequence(u64::MAX), MARK_BYTES);
        match reader.next_verifying(range, &mut budget)? {
            Some(Found::Frame(frame)) => {
                self.head = Head { next: frame.sequence, previous: frame.previous };
                self.pending = None;
                Ok(Found::Frame(frame))
            }
            _ => Ok(found),
        }
    }

    fn mark(&mut self, place: FramePlace, frame: &Frame) {
        let near = self.marks.last().is_some_and(|(_, last)| {
            last.segment == place.segment && place.offset < last.offset + MARK_BYTES
        });
        if !near {
            self.marks.push((frame.sequence, place));
        }
    }

    fn is_next(&self, frame: &Frame) -> bool {
        let expected_part = match (&self.pending, frame.kind) {
            (Some(pending), FrameType::Batch | FrameType::Part) => pending.frames + 1,
            (None, FrameType::Batch | FrameType::Part) => 1,
            (None, FrameType::Filler) => frame.part,
            (Some(_), FrameType::Filler) => return false,
        };
        self.head.fits(frame) && frame.part == expected_part
    }

    fn take_frame(
        &mut self,
        reader: &SegmentReader,
        place: FramePlace,
        frame: &Frame,
    ) -> Result<(), Error> {
        match (frame.kind, self.pending) {
            (FrameType::Filler, _) => Ok(()),
            (FrameType::Batch, None) => {
                let applied = self.tables.apply(place, reader.payload(frame), true);
                applied.map_err(|error| apply_error(reader.file(), place, frame, error))
            }
            (FrameType::Batch, Some(pending)) => {
                self.pending = None;
                self.apply_again(pending.start, frame.sequence)
            }
            (FrameType::Part, None) => {
                let head = Head { next: frame.sequence, previous: frame.previous };
                self.pending = Some(Pending { start: place, head, frames: 1 });
                Ok(())
            }
            (FrameType::Part, Some(pending)) => {
                self.pending =
                    Some(Pending { frames: pending.frames.saturating_add(1), ..pending });
                Ok(())
            }
        }
    }

    /// Reads the frames of a batch again, from `start` to the frame `last`, and applies them: its
    /// end is known now, and holding them until then would take memory.
    fn apply_again(&mut self, start: FramePlace, last: Sequence) -> Result<(), Error> {
        let file = self.file(start.segment)?;
        let salt = Salt::new(self.uid, start.segment);
        let mut reader = SegmentReader::new(file, start.segment, salt, Vec::new())?;
        reader.seek(start.offset);
        loop {
            let place = reader.place();
            let Found::Frame(frame) = reader.found()? else {
                let changed = std::io::Error::other("the file changed while it was read");
                return Err(reader.file().error_at("read", place.offset)(changed).into());
            };
            let ends = frame.sequence >= last;
            let applied = self.tables.apply(place, reader.payload(&frame), ends);
            applied.map_err(|error| apply_error(reader.file(), place, &frame, error))?;
            if ends {
                return Ok(());
            }
            reader.step(&frame);
        }
    }

    /// A stop at the end of what was applied, for a caller that met an error there.
    pub(super) fn stop_here(&mut self) -> Stop {
        self.pending = None;
        self.stop_at_header(FaultKind::Note { found: "records that cannot be applied".to_owned() })
    }

    fn stop_without_segment(&self) -> Stop {
        let reason = FaultKind::Missing { what: "segment", name: "the first segment".to_owned() };
        Stop { place: None, reason, unfinished: false }
    }

    fn stop_at_header(&self, reason: FaultKind) -> Stop {
        let place = self.walked.iter().next_back();
        let place = place.map(|(number, w)| FramePlace { segment: *number, offset: w.end });
        Stop { place, reason, unfinished: false }
    }

    /// Goes back before a batch that did not end, and says where that is.
    fn stop_at_frame(&mut self, reason: FaultKind) -> Stop {
        let unfinished = self.pending.take();
        if let Some(pending) = unfinished {
            self.head = pending.head;
        }
        Stop { unfinished: unfinished.is_some(), ..self.stop_at_header(reason) }
    }

    /// Whether `last` is the last frame that counts.
    pub(super) fn ends_at(&self, last: Sequence) -> bool {
        self.head.next == last.next()
    }
}

/// The other slot and the frames hold as well, so this alone loses nothing.
fn slot_fault(file: &NamedFile, offset: u64, error: Option<&SectorError>) -> Fault {
    let kind = match error {
        Some(error) => sector_fault("a sync slot", error),
        None => FaultKind::Field {
            what: "a sync slot",
            expected: "one of this segment".to_owned(),
            found: "one of another".to_owned(),
        },
    };
    Fault::new(Code::R116, kind)
        .at(file.place(offset, SECTOR_BYTES as u64))
        .as_severity(Severity::Warning)
}

fn apply_error(file: &NamedFile, place: FramePlace, frame: &Frame, error: ApplyError) -> Error {
    let place = file.place(place.offset, u64::try_from(frame.len_bytes()).unwrap_or(u64::MAX));
    match fault_of_apply(place, error) {
        Ok(fault) => Error::from(fault),
        Err((place, what)) => newer_error(&place.file, what, 0),
    }
}
