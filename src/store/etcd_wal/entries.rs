//! Entries by index: the pieces say where to begin, the files are followed from there.

use crate::model::{
    Code, Entry, EntryExtra, EntryHead, Fault, FaultKind, GroupId, IndexRange, LogIndex, Term,
};
use crate::store::etcd_wal::format::{ENTRY, EntryParts};
use crate::store::etcd_wal::frames::{Frame, Frames, Step};
use crate::store::etcd_wal::index::{Head, Piece};
use crate::store::etcd_wal::segments::Segment;
use crate::store::{HeadPiece, Located, LocatedHead, StoreError};

/// What a walk reads: files, what counts in them, and what is wrong.
#[derive(Clone, Copy)]
pub struct Log<'s> {
    /// The segments.
    pub segments: &'s [Segment],
    /// The pieces inside the range asked for.
    pub pieces: &'s [Piece],
    /// What is wrong; pieces name them by position.
    pub faults: &'s [Fault],
}

/// Goes through the entries inside a range of indexes.
pub struct HeadWalk<'s> {
    log: Log<'s>,
    range: IndexRange,
    /// The next piece.
    next: usize,
    /// Followed now: the frames, the segment's position, and the last index that counts.
    followed: Option<(Frames<'s>, usize, u64)>,
    /// Index of the entry given last.
    reached: Option<u64>,
    ended: bool,
}

impl<'s> HeadWalk<'s> {
    /// Begins with the first entry inside `range`.
    pub fn new(log: Log<'s>, range: IndexRange) -> HeadWalk<'s> {
        HeadWalk { log, range, next: 0, followed: None, reached: None, ended: false }
    }

    /// The next entry: its frame and its parts.
    fn advance(&mut self) -> Option<Result<(Frame, EntryParts, usize), StoreError>> {
        while !self.ended {
            let Some((mut frames, segment, last)) = self.followed.take() else {
                match self.begin_piece()? {
                    Ok(()) => continue,
                    Err(error) => return Some(Err(error)),
                }
            };
            if self.is_through(last) {
                continue;
            }
            match next_entry(&mut frames) {
                Ok(Some((frame, parts))) if self.is_expected(&parts) => {
                    let (index, end) = (parts.index, last.min(self.range.last().0));
                    let wanted = index >= self.range.first().0 && index <= end;
                    if index < end {
                        self.followed = Some((frames, segment, last));
                    } else if index > end {
                        continue;
                    } else if wanted {
                        // Its contents are still to be had from the window.
                        self.followed = Some((frames, segment, index));
                    }
                    if wanted {
                        self.reached = Some(index);
                        return Some(Ok((frame, parts, segment)));
                    }
                }
                Ok(found) => {
                    self.ended = true;
                    return Some(Err(changed(&frames, found).into()));
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    fn is_expected(&self, parts: &EntryParts) -> bool {
        self.reached.is_none_or(|reached| reached < parts.index)
    }

    fn is_through(&self, last: u64) -> bool {
        self.reached.is_some_and(|reached| reached >= last)
    }

    /// Goes to the next piece; what lies before it and could not be read is told first.
    fn begin_piece(&mut self) -> Option<Result<(), StoreError>> {
        let piece = self.log.pieces.get(self.next)?;
        let spot = piece.first.spot;
        let segment = self.log.segments.get(spot.segment)?;
        let frames = Frames::new(&segment.source, spot.offset_bytes);
        self.followed = Some((frames, spot.segment, piece.last));
        self.next += 1;
        let fault = piece.fault.and_then(|fault| self.log.faults.get(fault));
        Some(match fault.filter(|_| piece.first.index >= self.range.first().0) {
            Some(fault) => Err(fault.clone().into()),
            None => Ok(()),
        })
    }

    fn located(&self, frame: &Frame, parts: &EntryParts, segment: usize) -> LocatedHead {
        let head = Head::of(segment, frame, parts);
        let source = self.log.segments.get(segment).map(|segment| &segment.source);
        let head = EntryHead {
            index: LogIndex(head.index),
            term: Term(head.term),
            kind: head.kind,
            kind_code: Some(head.code),
            payload_len_bytes: head.payload_bytes,
            extensions_len_bytes: 0,
            place: source.map(|source| source.place(frame.at, frame.length.frame_bytes())),
        };
        LocatedHead { head, faults: Vec::new() }
    }
}

/// The next entry in the file, whatever records lie between; `None` where the frames end.
fn next_entry(frames: &mut Frames<'_>) -> Result<Option<(Frame, EntryParts)>, StoreError> {
    while let Step::Frame(frame) = frames.step()? {
        if frame.kind != ENTRY {
            continue;
        }
        if let Ok(parts) = EntryParts::read(frames.bytes(&frame.data)?) {
            return Ok(Some((frame, parts)));
        }
    }
    Ok(None)
}

/// The file does not hold any more what it held when it was opened.
fn changed(frames: &Frames<'_>, found: Option<(Frame, EntryParts)>) -> Fault {
    let at = found.as_ref().map_or(frames.at(), |(frame, _)| frame.at);
    let kind = FaultKind::Field {
        what: "entry where it was when the file was opened",
        expected: "the index that follows".to_owned(),
        found: found.map_or("nothing".to_owned(), |(_, parts)| format!("index {}", parts.index)),
    };
    let fault = Fault::new(Code::R115, kind).at(frames.source().place(at, 0));
    fault.in_group(&GroupId::Unnamed)
}

impl Iterator for HeadWalk<'_> {
    type Item = Result<LocatedHead, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.advance()?.map(|(frame, parts, segment)| self.located(&frame, &parts, segment)))
    }
}

/// As [`HeadWalk`], with contents.
pub struct EntryWalk<'s>(pub HeadWalk<'s>);

impl EntryWalk<'_> {
    fn contents(
        &mut self,
        frame: &Frame,
        parts: EntryParts,
        segment: usize,
    ) -> Result<Located, StoreError> {
        let LocatedHead { head, faults } = self.0.located(frame, &parts, segment);
        let payload = match (parts.payload, &mut self.0.followed) {
            (Some(range), Some((frames, ..))) => {
                let at = frame.data.start.saturating_add(range.start as u64);
                Some(frames.window().shared(at, range.len())?)
            }
            _ => None,
        };
        let entry = Entry {
            index: head.index,
            term: head.term,
            kind: head.kind,
            kind_code: head.kind_code,
            payload,
            extra: EntryExtra::default(),
        };
        Ok(Located { entry, place: head.place, faults })
    }
}

impl Iterator for EntryWalk<'_> {
    type Item = Result<Located, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.advance()? {
            Ok((frame, parts, segment)) => {
                let located = self.contents(&frame, parts, segment);
                self.0.ended |= located.is_err();
                Some(located)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// As [`HeadWalk`], whole pieces at once where their entries are alike.
pub struct RunWalk<'s> {
    log: Log<'s>,
    range: IndexRange,
    next: usize,
    /// A piece that is followed entry by entry.
    inside: Option<HeadWalk<'s>>,
}

impl<'s> RunWalk<'s> {
    /// Begins with the first entry inside `range`.
    pub fn new(log: Log<'s>, range: IndexRange) -> RunWalk<'s> {
        RunWalk { log, range, next: 0, inside: None }
    }
}

impl Iterator for RunWalk<'_> {
    type Item = Result<HeadPiece, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(inside) = &mut self.inside {
                match inside.next() {
                    Some(head) => return Some(head.map(HeadPiece::One)),
                    None => self.inside = None,
                }
            }
            let piece = self.log.pieces.get(self.next)?;
            self.next += 1;
            let whole = |run: &crate::model::HeadRun| {
                piece.fault.is_none() && run.range.intersection(self.range) == Some(run.range)
            };
            if let Some(run) = piece.run().filter(whole) {
                return Some(Ok(HeadPiece::Run(run)));
            }
            let log = Log { pieces: std::slice::from_ref(piece), ..self.log };
            self.inside = Some(HeadWalk::new(log, self.range));
        }
    }
}
