//! Looking behind the place where a walk stopped, and going on there.

use crate::fastlog::Error;
use crate::fastlog::format::{
    FRAME_HEADER_BYTES, FRAMES_OFFSET, Found, Frame, FrameType, SECTOR_BYTES, SegmentHeader,
    SegmentNo, Sequence,
};
use crate::fastlog::segment::{FramePlace, NamedFile};
use crate::fastlog::walk::{Head, Stop, Walk, Walked};
use crate::model::{FaultKind, IoError};

/// Checksums that may be computed in vain while looking for frames behind damage, beyond four
/// times the bytes that are looked at.
const SEARCH_EXTRA_BYTES: u64 = 64 << 20;
/// Bytes read at once when looking for the end of what was written.
const SEARCH_BYTES: usize = 256 << 10;

/// What lies behind the place where a walk stopped.
#[derive(Clone, Debug, Default)]
pub(super) struct Behind {
    /// Bytes from there to the last one of the segment that is not zero.
    pub(super) bytes: u64,
    /// Frames that verify, later segments included.
    pub(super) frames: u64,
    /// The first of them.
    pub(super) first: Option<FramePlace>,
    /// First segment that the anchor names and that has no sound header, with the reason.
    pub(super) lost: Option<(SegmentNo, FaultKind)>,
}

impl Walk<'_> {
    /// Looks at everything behind the place where the walk stopped and takes its sync points into
    /// account.
    pub(super) fn look_behind(&mut self, stop: &Stop, newest: SegmentNo) -> Result<Behind, Error> {
        let mut behind = Behind::default();
        let mut later = self.ahead.clone();
        let mut rest = 0u64;
        for number in &later {
            rest = rest.saturating_add(self.file(*number)?.size()?);
        }
        if let Some(place) = stop.place {
            rest = rest.saturating_add(self.file(place.segment)?.size()?);
            rest = rest.saturating_sub(place.offset);
            behind.bytes = self.bytes_behind(place)?;
        }
        let mut budget = rest.saturating_mul(4).saturating_add(SEARCH_EXTRA_BYTES);
        if let Some(place) = stop.place
            && behind.bytes > 0
        {
            self.search(place, rest, &mut budget, &mut behind)?;
        }
        behind.lost = self.lost_header(stop, newest)?;
        for number in later.drain(..) {
            if let Ok(header) = self.header_of(number)? {
                self.proven = self.proven.max(header.sync_point);
            }
            let file = self.file(number)?;
            self.take_sync_slots(&file, number)?;
            let place = FramePlace { segment: number, offset: FRAMES_OFFSET };
            self.search(place, rest, &mut budget, &mut behind)?;
        }
        Ok(behind)
    }

    /// The first segment behind the stop, up to `newest`, that is not there or has no sound
    /// header, with the reason.
    pub(super) fn lost_header(
        &self,
        stop: &Stop,
        newest: SegmentNo,
    ) -> Result<Option<(SegmentNo, FaultKind)>, Error> {
        let first = stop.place.map_or(self.oldest, |place| place.segment.next());
        for number in (first.0..=newest.0).map(SegmentNo) {
            if self.walked.contains_key(&number) {
                continue;
            }
            let reason = if self.ahead.contains(&number) {
                self.header_of(number)?.err()
            } else {
                let name = number.file_name();
                Some(FaultKind::Missing { what: "segment", name })
            };
            if let Some(reason) = reason {
                return Ok(Some((number, reason)));
            }
        }
        Ok(None)
    }

    /// Bytes from `place` to the last one of its segment that is not zero.
    pub(super) fn bytes_behind(&mut self, place: FramePlace) -> Result<u64, Error> {
        let last = match self.written_ends.get(&place.segment) {
            Some(last) => *last,
            None => {
                let file = self.file(place.segment)?;
                let last = last_nonzero(&file, place.offset)?;
                self.written_ends.insert(place.segment, last);
                last
            }
        };
        Ok(last.saturating_sub(place.offset))
    }

    /// Whether the head of the next frame stands at `place`, though the frame does not verify: in a
    /// file that was used before, what is there else is of an earlier life.
    pub(super) fn begins_the_next_frame(&self, place: FramePlace) -> Result<bool, Error> {
        let mut head = [0; FRAME_HEADER_BYTES];
        let read = self.file(place.segment)?.read(place.offset, &mut head)?;
        let next = self.head.next;
        Ok(read == head.len() && Found::plausible(&head, next, next))
    }

    /// Finds every frame from `place` to the end of its segment that verifies.
    fn search(
        &mut self,
        place: FramePlace,
        rest: u64,
        budget: &mut u64,
        behind: &mut Behind,
    ) -> Result<(), Error> {
        let most = Sequence(self.head.next.0.saturating_add(rest / 32));
        let range = self.head.next..=most;
        let mut reader = self.reader(place.segment, place.offset)?;
        while let Some(found) = reader.next_verifying(range.clone(), budget)? {
            let at = reader.place();
            behind.frames += 1;
            behind.first.get_or_insert(at);
            match found {
                Found::Frame(frame) => {
                    self.proven = self.proven.max(frame.sync_point);
                    reader.step(&frame);
                }
                _ => reader.seek(at.offset + 1),
            }
        }
        self.buffer = reader.into_buffer();
        Ok(())
    }

    /// The first frame behind the stop that verifies, has a later sequence and begins a batch:
    /// where the walk can go on behind damage.
    pub(super) fn onward(&mut self, stop: &Stop) -> Result<Option<(FramePlace, Frame)>, Error> {
        let mut places: Vec<FramePlace> = Vec::new();
        if let Some(place) = stop.place {
            places.push(FramePlace { offset: place.offset + 1, ..place });
        }
        let first = |number: &SegmentNo| FramePlace { segment: *number, offset: FRAMES_OFFSET };
        places.extend(self.ahead.iter().map(first));
        let mut rest = 0u64;
        for place in &places {
            rest = rest.saturating_add(self.file(place.segment)?.size()?);
        }
        let mut budget = rest.saturating_mul(4).saturating_add(SEARCH_EXTRA_BYTES);
        let most = Sequence(self.head.next.0.saturating_add(rest / 32));
        for place in places {
            let mut reader = self.reader(place.segment, place.offset)?;
            while let Some(found) = reader.next_verifying(self.head.next..=most, &mut budget)? {
                let at = reader.place();
                match found {
                    Found::Frame(frame) if frame.part == 1 || frame.kind == FrameType::Filler => {
                        self.buffer = reader.into_buffer();
                        return Ok(Some((at, frame)));
                    }
                    Found::Frame(frame) => reader.step(&frame),
                    _ => reader.seek(at.offset + 1),
                }
            }
            self.buffer = reader.into_buffer();
        }
        Ok(None)
    }

    /// Makes a frame the next one, whatever came before it: its own fields stand for the frame
    /// before, and the next run begins with it instead of with a segment. Nothing is certain from
    /// there on.
    pub(super) fn stand_at(&mut self, place: FramePlace, frame: &Frame) -> Result<(), Error> {
        self.tables.distrust();
        self.head = Head { next: frame.sequence, previous: frame.previous };
        self.ahead.retain(|ahead| *ahead > place.segment);
        let size = self.file(place.segment)?.size()?;
        let header = self.header_of(place.segment)?.unwrap_or(SegmentHeader {
            uid: self.uid,
            number: place.segment,
            first: frame.sequence,
            sync_point: Sequence(0),
            previous: frame.previous,
            recycled: false,
        });
        let blank = Walked { header, end: 0, size, sync_counter: 0 };
        self.walked.entry(place.segment).or_insert(blank).end = place.offset;
        self.inside = true;
        Ok(())
    }
}

/// Offset behind the last byte at or behind `from` that is not zero, or `from`.
fn last_nonzero(file: &NamedFile, from: u64) -> Result<u64, IoError> {
    let behind = usize::try_from(file.size()?.saturating_sub(from)).unwrap_or(usize::MAX);
    let mut buffer = vec![0; behind.clamp(1, SEARCH_BYTES)];
    let (mut at, mut last) = (from, from);
    loop {
        let read = file.read(at, &mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(last);
        }
        let mut rest = bytes;
        // Zeros at the end go a sector at a time.
        while let Some((before, end)) = rest.split_last_chunk::<SECTOR_BYTES>()
            && *end == [0; SECTOR_BYTES]
        {
            rest = before;
        }
        if let Some(position) = rest.iter().rposition(|byte| *byte != 0) {
            last = at + u64::try_from(position).unwrap_or(u64::MAX) + 1;
        }
        at += u64::try_from(read).unwrap_or(u64::MAX);
    }
}
