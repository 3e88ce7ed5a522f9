//! Which entry counts under which index, without a word per entry.
//!
//! Entries that follow one another in a segment with ascending indexes are remembered together, by
//! the place of the first of them; the others are found by following the file from there. An entry
//! that is written again removes itself and everything above it, so the log is a stack of pieces.
//!
//! Memory: about 130 bytes for each 1,024 entries, and as much for each rewrite and each damaged
//! record; never more than for 262,144 of these, where reading ends.

use crate::model::{EntryKind, HeadRun, IndexRange, LogIndex, Term};
use crate::store::StoreError;
use crate::store::etcd_wal::format::{ENTRY, EntryParts};
use crate::store::etcd_wal::frames::{Frame, Frames, Step};
use crate::store::etcd_wal::segments::{Segment, Spot};

/// Entries of a piece, at most.
const PIECE_ENTRIES: u64 = 1024;
/// Pieces that are remembered at most. A log in good order has one for each 1,024 entries.
const PIECES_MAX: usize = 1 << 18;
/// Rewrites that are remembered one by one.
const REWRITES_MAX: usize = 4096;
/// Holes at which a piece ends; behind so many it goes on in spite of them.
const HOLES_MAX: u64 = 4096;

/// An entry's head as a frame gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Where its frame begins.
    pub spot: Spot,
    /// Bytes of the frame.
    pub frame_bytes: u64,
    /// Its index.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// What it is for.
    pub kind: EntryKind,
    /// The number of its type.
    pub code: u32,
    /// Bytes of its contents.
    pub payload_bytes: u64,
}

impl Head {
    /// The head of the entry that `parts` are, in `frame` of the segment at a position.
    #[inline]
    pub fn of(segment: usize, frame: &Frame, parts: &EntryParts) -> Head {
        Head {
            spot: Spot { segment, offset_bytes: frame.at },
            frame_bytes: frame.length.frame_bytes(),
            index: parts.index,
            term: parts.term,
            kind: parts.kind(),
            code: u32::try_from(parts.code).unwrap_or(u32::MAX),
            payload_bytes: parts.payload_bytes(),
        }
    }
}

/// Entries that follow one another, in the file and by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its first entry.
    pub first: Head,
    /// Index of its last entry.
    pub last: u64,
    /// Where the frame of its last entry begins.
    pub last_at: u64,
    /// Entries in it.
    pub entries: u64,
    /// Whether term and type are the same for all of them.
    pub alike: bool,
    /// Bytes of all contents.
    pub payload_bytes: u64,
    /// Bytes of the longest.
    pub payload_bytes_max: u64,
    /// Bytes of all frames.
    pub frame_bytes: u64,
    /// Which fault lies between it and what comes before it.
    pub fault: Option<usize>,
    /// Whether no index between its first and its last is missing.
    dense: bool,
    /// Its end was removed, and what it says of its entries is not true any more.
    cut: bool,
}

impl Piece {
    fn new(head: Head, fault: Option<usize>) -> Piece {
        Piece {
            first: head,
            last: head.index,
            last_at: head.spot.offset_bytes,
            entries: 1,
            alike: true,
            payload_bytes: head.payload_bytes,
            payload_bytes_max: head.payload_bytes,
            frame_bytes: head.frame_bytes,
            fault,
            dense: true,
            cut: false,
        }
    }

    fn takes(&self, head: &Head) -> bool {
        self.entries < PIECE_ENTRIES
            && !self.cut
            && self.first.spot.segment == head.spot.segment
            && self.last < head.index
    }

    fn is_next(&self, head: &Head) -> bool {
        self.last.checked_add(1) == Some(head.index)
    }

    fn take(&mut self, head: &Head) {
        self.dense &= self.is_next(head);
        self.last = head.index;
        self.last_at = head.spot.offset_bytes;
        self.entries += 1;
        let first = &self.first;
        self.alike &= (first.term, first.code, first.kind) == (head.term, head.code, head.kind);
        self.payload_bytes = self.payload_bytes.saturating_add(head.payload_bytes);
        self.payload_bytes_max = self.payload_bytes_max.max(head.payload_bytes);
        self.frame_bytes = self.frame_bytes.saturating_add(head.frame_bytes);
    }

    /// All of its entries as one, where they follow one another and are alike.
    pub fn run(&self) -> Option<HeadRun> {
        let range = IndexRange::new(LogIndex(self.first.index), LogIndex(self.last))?;
        (self.alike && range.count() == self.entries).then_some(HeadRun {
            range,
            term: Term(self.first.term),
            kind: self.first.kind,
            kind_code: Some(self.first.code),
            payload_bytes: self.payload_bytes,
            payload_bytes_max: self.payload_bytes_max,
            encoded_bytes: self.frame_bytes,
        })
    }

    /// Whether the entry whose frame begins at `spot` is one of its own.
    pub fn holds(&self, index: u64, spot: Spot) -> bool {
        (self.first.index..=self.last).contains(&index)
            && self.first.spot.segment == spot.segment
            && (self.first.spot.offset_bytes..=self.last_at).contains(&spot.offset_bytes)
    }
}

/// An entry that was written again: from which index on the log was removed, and up to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    from: u64,
    to: u64,
}

/// Where indexes are missing without a word of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The last index before it.
    pub before: u64,
    /// The first one behind it.
    pub behind: u64,
    /// The frame of that.
    pub spot: Spot,
}

/// The log, as a stack of pieces with ascending indexes.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    stack: Vec<Piece>,
    holes_total: u64,
    rewrites: Vec<Rewrite>,
    rewrites_total: u64,
    /// The fault that lies before the next entry.
    fault: Option<usize>,
    /// Whether the next entry begins a piece.
    apart: bool,
}

impl Pieces {
    /// Takes the next entry of the file.
    #[inline]
    pub fn add(&mut self, head: &Head) {
        match self.stack.last_mut() {
            Some(piece) if piece.last >= head.index => self.rewrite(head),
            Some(piece) if !self.apart && piece.takes(head) => {
                if piece.is_next(head) || self.holes_total >= HOLES_MAX {
                    return piece.take(head);
                }
                self.holes_total += 1;
            }
            _ => {}
        }
        self.stack.push(Piece::new(*head, self.fault.take()));
        self.apart = false;
    }

    /// Whether no more are remembered.
    pub fn is_full(&self) -> bool {
        self.stack.len() >= PIECES_MAX
    }

    /// Whether every entry so far followed the one before it.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.holes_total == 0 && self.rewrites_total == 0
    }

    /// Index of the first entry.
    pub fn first(&self) -> Option<u64> {
        self.stack.first().map(|piece| piece.first.index)
    }

    /// Whether the entry with an index would follow here, and nothing lies between.
    pub fn goes_on_with(&self, index: u64) -> bool {
        !self.apart && self.last().is_none_or(|last| last.checked_add(1) == Some(index))
    }

    /// Takes the entries of the next segment, which [`Pieces::goes_on_with`] and which are plain.
    pub fn append(&mut self, next: Pieces) {
        self.stack.extend(next.stack);
    }

    /// Takes note that something here could not be read.
    pub fn damage(&mut self, fault: usize) {
        self.fault = Some(fault);
        self.apart = true;
    }

    fn rewrite(&mut self, head: &Head) {
        let to = self.last().unwrap_or_default();
        self.rewrites_total += 1;
        if self.rewrites.len() < REWRITES_MAX {
            self.rewrites.push(Rewrite { from: head.index, to });
        }
        while self.stack.last().is_some_and(|piece| piece.first.index >= head.index) {
            self.stack.pop();
        }
        if let Some(piece) = self.stack.last_mut().filter(|piece| piece.last >= head.index) {
            piece.last = head.index.saturating_sub(1);
            piece.cut = true;
        }
    }

    /// Whether a reader that passes over everything up to `start` would have kept entries that were
    /// removed here: a rewrite up to there removed some above.
    pub fn depends_on(&self, start: u64) -> bool {
        self.rewrites_total > self.rewrites.len() as u64
            || self.rewrites.iter().any(|one| one.from <= start && one.to > start)
    }

    /// Leaves only entries above `start`, and makes every piece say again what is true of it.
    ///
    /// # Errors
    /// Only when the files cannot be read.
    pub fn settle(&mut self, segments: &[Segment], start: u64) -> Result<(), StoreError> {
        let gone = self.stack.partition_point(|piece| piece.last <= start);
        self.stack.drain(..gone);
        for piece in &mut self.stack {
            if piece.cut || piece.first.index <= start {
                *piece = measured(segments, piece, start)?.unwrap_or(*piece);
            }
        }
        Ok(())
    }

    /// The pieces that have an index in `range`.
    pub fn within(&self, range: IndexRange) -> &[Piece] {
        let (first, last) = (range.first().0, range.last().0);
        let from = self.stack.partition_point(|piece| piece.last < first);
        let to = self.stack.partition_point(|piece| piece.first.index <= last);
        self.stack.get(from..to).unwrap_or_default()
    }

    /// The piece that would have `index`.
    pub fn get(&self, index: u64) -> Option<&Piece> {
        let at = self.stack.partition_point(|piece| piece.last < index);
        self.stack.get(at).filter(|piece| piece.first.index <= index)
    }

    /// The last index.
    pub fn last(&self) -> Option<u64> {
        self.stack.last().map(|piece| piece.last)
    }

    /// First and last index.
    pub fn bounds(&self) -> Option<IndexRange> {
        IndexRange::new(LogIndex(self.first()?), LogIndex(self.last()?))
    }

    /// Entries that count.
    pub fn entries(&self) -> u64 {
        self.stack.iter().map(|piece| piece.entries).sum()
    }

    /// Bytes of their frames.
    pub fn frame_bytes(&self) -> u64 {
        self.stack.iter().map(|piece| piece.frame_bytes).sum()
    }

    /// The hole in front of the first entry, where that is not `expected`, nor a lower one.
    pub fn hole_in_front(&self, expected: u64) -> Option<Hole> {
        let piece = self.stack.first().filter(|piece| piece.fault.is_none())?;
        let hole = Hole {
            before: expected.saturating_sub(1),
            behind: piece.first.index,
            spot: piece.first.spot,
        };
        (piece.first.index > expected).then_some(hole)
    }

    /// Where indexes are missing between entries, and nothing says that something there could not
    /// be read. A piece that has holes inside counts for one.
    pub fn holes(&self) -> impl Iterator<Item = Hole> {
        let between = self.stack.iter().zip(self.stack.iter().skip(1));
        let between = between.filter_map(|(before, piece)| {
            let follows = before.is_next(&piece.first) || piece.fault.is_some();
            let (before, behind) = (before.last, piece.first.index);
            (!follows).then_some(Hole { before, behind, spot: piece.first.spot })
        });
        let inside = self.stack.iter().filter(|piece| !piece.dense).map(|piece| Hole {
            before: piece.first.index,
            behind: piece.last,
            spot: piece.first.spot,
        });
        between.chain(inside)
    }

    /// Whether they begin with index 1 and no index is missing.
    pub fn is_whole(&self) -> bool {
        let mut next = Some(1);
        self.stack.iter().all(|piece| {
            let follows = piece.dense && next == Some(piece.first.index);
            next = piece.last.checked_add(1);
            follows
        })
    }
}

/// What of `piece` lies above `start`, measured in the file.
fn measured(segments: &[Segment], piece: &Piece, start: u64) -> Result<Option<Piece>, StoreError> {
    let spot = piece.first.spot;
    let Some(segment) = segments.get(spot.segment) else { return Ok(None) };
    let mut frames = Frames::new(&segment.source, spot.offset_bytes);
    let mut found: Option<Piece> = None;
    while let Step::Frame(frame) = frames.step()? {
        if frame.kind != ENTRY {
            continue;
        }
        let Ok(parts) = EntryParts::read(frames.bytes(&frame.data)?) else { break };
        let head = Head::of(spot.segment, &frame, &parts);
        if head.index > piece.last {
            break;
        }
        match &mut found {
            _ if head.index <= start => {}
            Some(found) => found.take(&head),
            None => found = Some(Piece::new(head, piece.fault)),
        }
        if head.index == piece.last {
            break;
        }
    }
    Ok(found)
}
