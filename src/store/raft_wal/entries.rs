//! Entries by index, each batch proven before its first entry is given out.

use crate::model::{Code, Fault, FaultKind, GroupId, IndexRange, LogIndex, Place, SharedBytes};
use crate::store::codec::decode_wal;
use crate::store::raft_wal::format::{FRAME_BYTES, FrameHead, PAYLOAD_BYTES_MAX};
use crate::store::raft_wal::frames::{Batch, EntryFrame, Frames, Step};
use crate::store::raft_wal::segment::{Belief, Segment};
use crate::store::raft_wal::survey::{Piece, batch_fault, other_index, too_large};
use crate::store::raft_wal::window::{SegmentFile, Window};
use crate::store::{HeadPiece, Located, StoreError};

type Item = Result<Located, StoreError>;

/// Goes through the entries inside a range of indexes.
pub struct EntryWalk<'s> {
    segments: std::slice::Iter<'s, Segment>,
    range: IndexRange,
    reading: Option<Reading<'s>>,
    ended: bool,
}

/// A segment that is read.
pub struct Reading<'s> {
    segment: &'s Segment,
    file: &'s SegmentFile,
    frames: Frames,
    /// First and last index that are wanted of it.
    wanted: (u64, u64),
    /// Where the last batch that counts ends, where that is known.
    end: Option<u64>,
    batch: Option<Batch>,
    /// Where the next frame lies, and how many entries lie before it.
    at: u64,
    ordinal: u64,
    done: bool,
}

impl<'s> EntryWalk<'s> {
    /// Begins with the first entry inside `range`.
    pub fn new(segments: &'s [Segment], range: IndexRange) -> EntryWalk<'s> {
        EntryWalk { segments: segments.iter(), range, reading: None, ended: false }
    }

    fn advance(&mut self) -> Option<Item> {
        while !self.ended {
            let Some(reading) = &mut self.reading else {
                match self.begin()? {
                    Ok(reading) => self.reading = reading,
                    Err(error) => return Some(Err(self.end(error))),
                }
                continue;
            };
            match reading.next() {
                Ok(Some(item)) => return Some(item.map_err(|fault| fault.into())),
                Ok(None) => self.reading = None,
                Err(error) => return Some(Err(self.end(error))),
            }
        }
        None
    }

    /// After an error of the disk there is nothing more; after a damaged segment the next one.
    fn end(&mut self, error: StoreError) -> StoreError {
        self.ended = !matches!(error, StoreError::Fault(_));
        error
    }

    /// Opens the next segment, if anything of it is wanted.
    fn begin(&mut self) -> Option<Result<Option<Reading<'s>>, StoreError>> {
        let segment = self.segments.next()?;
        let live = segment.live().and_then(|live| {
            let live = IndexRange::new(LogIndex(*live.start()), LogIndex(*live.end()))?;
            live.intersection(self.range)
        });
        let Some(live) = live else { return Some(Ok(None)) };
        let wanted = (live.first().0, live.last().0);
        let Some(file) = &segment.file else {
            return Some(Err(segment.missing().at_index(live.first()).into()));
        };
        Some(Reading::new(segment, file, wanted).map(Some))
    }
}

impl<'s> Reading<'s> {
    fn new(
        segment: &'s Segment,
        file: &'s SegmentFile,
        wanted: (u64, u64),
    ) -> Result<Reading<'s>, StoreError> {
        let mut window = Window::open(file)?;
        if let Belief::Other(fault) = segment.header(&mut window)? {
            return Err(fault.at_index(LogIndex(wanted.0)).into());
        }
        let mut frames = Frames::new(window);
        let survey = segment.survey.get();
        if let Some(survey) = survey {
            let (start, ordinal) = survey.mark(wanted.0.saturating_sub(segment.name.base));
            frames.jump(start, ordinal);
        }
        let end = survey.map(|survey| survey.end);
        let (batch, at, ordinal, done) = (None, 0, 0, false);
        Ok(Reading { segment, file, frames, wanted, end, batch, at, ordinal, done })
    }

    /// Begins at a batch, before which so many entries lie.
    ///
    /// # Errors
    /// `Fault` when the file is that of another segment, `Io` when it cannot be read.
    pub fn from(
        segment: &'s Segment,
        file: &'s SegmentFile,
        wanted: (u64, u64),
        (start, ordinal): (u64, u64),
    ) -> Result<Reading<'s>, StoreError> {
        let mut reading = match start {
            0 => Reading::new(segment, file, wanted)?,
            _ => {
                let (frames, end, batch) = (Frames::new(Window::open(file)?), None, None);
                let (at, ordinal, done) = (0, 0, false);
                Reading { segment, file, frames, wanted, end, batch, at, ordinal, done }
            }
        };
        reading.frames.jump(start, ordinal);
        Ok(reading)
    }

    /// Where the batch that is read ends, and how many entries lie before that.
    pub fn behind_batch(&self) -> Option<(u64, u64)> {
        self.batch.map(|batch| (batch.end(), batch.first.saturating_add(batch.entries)))
    }

    /// Where something was written behind the batch that ends at `at`; `None` where nothing was.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unread(&mut self, at: u64) -> Result<Option<Place>, StoreError> {
        // Of whatever is written the first eight bytes tell.
        let head = self.frames.window.at(at, at, 8)?;
        let written = head.iter().take(8).any(|byte| *byte != 0);
        let len_bytes = self.file.size_bytes.saturating_sub(at);
        Ok(written.then(|| self.file.place(at, len_bytes)))
    }

    /// The next entry that is wanted, or what is wrong where it should be; `None` behind the last.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self) -> Result<Option<Result<Located, Fault>>, StoreError> {
        loop {
            let Some(batch) = self.batch.filter(|batch| self.at < batch.commit_at) else {
                match self.next_batch()? {
                    Some(Ok(())) => continue,
                    Some(Err(fault)) => return Ok(Some(Err(fault))),
                    None => return Ok(None),
                }
            };
            let Some(head) = self.frames.head(self.at, self.at)? else { return Ok(None) };
            let (at, ordinal) = (self.at, self.ordinal);
            // The frames were followed a moment ago, so none is without length.
            self.at = at.saturating_add(head.frame_bytes().max(FRAME_BYTES));
            let FrameHead::Entry(payload_bytes) = head else { continue };
            self.ordinal = ordinal.saturating_add(1);
            let index = self.segment.index(ordinal);
            if index > self.wanted.1 {
                self.batch = None;
                return Ok(None);
            }
            if index >= self.wanted.0 {
                let payload_at = at.saturating_add(FRAME_BYTES);
                let keep = batch.start;
                let frame = EntryFrame { ordinal, payload_at, payload_bytes, keep };
                return self.entry(frame, LogIndex(index)).map(Some);
            }
        }
    }

    /// Goes to the next batch that is sound; a fault stands for one that is not.
    fn next_batch(&mut self) -> Result<Option<Result<(), Fault>>, StoreError> {
        let (first, last) = self.wanted;
        let before = self.batch.take();
        let next = before.map_or(first, |batch| self.behind(&batch));
        if self.done || next > last {
            return Ok(None);
        }
        let is_seal = !self.segment.is_tail() && self.segment.index_start != 0;
        let sealed = before.filter(|batch| is_seal && batch.index.is_some());
        let step = match sealed {
            None => self.frames.next(|_, _| Ok(()))?,
            Some(_) => return Ok(self.ends(sealed.map_or(0, |batch| batch.end()), next)),
        };
        let batch = match step {
            Step::Batch(batch) if self.end.is_none_or(|end| batch.end() <= end) => batch,
            Step::Batch(batch) => return Ok(self.ends(batch.start, next)),
            Step::End(end) => return Ok(self.ends(end.at, next)),
        };
        let (begins, behind) = (self.segment.index(batch.first), self.behind(&batch));
        if begins > last {
            return Ok(None);
        }
        self.batch = Some(batch);
        let wanted = batch.is_sound() && behind > first;
        self.at = if wanted { batch.frames_at() } else { batch.commit_at };
        self.ordinal = batch.first;
        if batch.is_sound() || behind <= first {
            return Ok(Some(Ok(())));
        }
        let fault = batch_fault(self.segment, self.file, &batch);
        Ok(Some(Err(fault.at_index(LogIndex(begins.max(first))))))
    }

    /// The index behind a batch.
    fn behind(&self, batch: &Batch) -> u64 {
        self.segment.index(batch.first.saturating_add(batch.entries))
    }

    /// Ends the segment at `at`; a sealed one must have held the entries from `next` on.
    fn ends(&mut self, at: u64, next: u64) -> Option<Result<(), Fault>> {
        self.done = true;
        if self.segment.is_tail() { None } else { Some(Err(self.cut_short(at, next))) }
    }

    fn cut_short(&self, at: u64, next: u64) -> Fault {
        let kind = FaultKind::Missing {
            what: "entries of a sealed segment:",
            name: format!("{next} to {}", self.segment.max.unwrap_or(next)),
        };
        let len_bytes = self.file.size_bytes.saturating_sub(at);
        let fault = Fault::new(Code::R115, kind).at(self.file.place(at, len_bytes));
        fault.in_group(&GroupId::Unnamed).at_index(LogIndex(next))
    }

    fn entry(
        &mut self,
        frame: EntryFrame,
        index: LogIndex,
    ) -> Result<Result<Located, Fault>, StoreError> {
        let damaged = |kind| {
            let fault = Fault::new(Code::R122, kind).at(frame.place(self.file));
            Ok(Err(fault.in_group(&GroupId::Unnamed).at_index(index)))
        };
        if u64::from(frame.payload_bytes) > PAYLOAD_BYTES_MAX {
            return damaged(too_large(frame.payload_bytes.into()));
        }
        let len = usize::try_from(frame.payload_bytes).unwrap_or(usize::MAX);
        let window = &mut self.frames.window;
        let (mut buffer, mut start) = window.shared(frame.payload_at, len)?;
        if !window.is_streaming() && len.saturating_mul(2) < buffer.len() {
            let copy = buffer.get(start..start.saturating_add(len)).unwrap_or_default();
            (buffer, start) = (SharedBytes::from(copy), 0);
        }
        let mut entry = match decode_wal(&buffer, start..start.saturating_add(len)) {
            Ok(entry) => entry,
            Err(kind) => return damaged(kind),
        };
        let mut faults = Vec::new();
        if entry.index != index {
            let fault = other_index(index, entry.index, self.file, frame);
            faults.push(fault.at_term(entry.term));
            entry.index = index;
        }
        Ok(Ok(Located { entry, place: Some(frame.place(self.file)), faults }))
    }
}

impl Iterator for EntryWalk<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.advance()
    }
}

/// The whole log from what following its segments showed.
pub struct PieceWalk<'s> {
    segments: std::slice::Iter<'s, Segment>,
    pieces: std::slice::Iter<'s, Piece>,
}

impl<'s> PieceWalk<'s> {
    /// Begins with the first segment; all were followed, and their pieces were kept.
    pub fn new(segments: &'s [Segment]) -> PieceWalk<'s> {
        PieceWalk { segments: segments.iter(), pieces: [].iter() }
    }
}

impl Iterator for PieceWalk<'_> {
    type Item = Result<HeadPiece, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.pieces.next() {
                Some(Piece::Heads(heads)) => return Some(Ok(heads.clone())),
                Some(Piece::Damage(fault)) => return Some(Err(fault.as_ref().clone().into())),
                None => {
                    let survey = self.segments.next()?.survey.get();
                    let pieces = survey.and_then(|survey| survey.pieces.as_deref());
                    self.pieces = pieces.unwrap_or_default().iter();
                }
            }
        }
    }
}
