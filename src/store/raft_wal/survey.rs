//! Following a segment once, from its first frame to its last: every batch proven, every entry's
//! head decoded, and of both only what is needed later.

use std::ops::ControlFlow;

use crate::bytes::crc32c_resumed;
use crate::model::{
    Code, EntryHead, Fault, FaultKind, GroupId, HeadRun, IndexRange, LogIndex, Term,
};
use crate::store::codec::{WalHead, kind_of, wal_begin, wal_extensions, wal_head, wal_time};
use crate::store::raft_wal::format::{FRAME_BYTES, PAYLOAD_BYTES_MAX};
use crate::store::raft_wal::frames::{Batch, End, EntryFrame, Frames, IndexFrame, Step, Stop};
use crate::store::raft_wal::segment::{Belief, Segment};
use crate::store::raft_wal::tail;
use crate::store::raft_wal::window::{SegmentFile, Window};
use crate::store::{HeadPiece, LocatedHead, StoreError};

/// Payloads up to this size are read in one piece only to find their ends.
const WHOLE_BYTES: u32 = 64 << 10;
/// Bytes of an entry that surely hold its numbers.
const BEGIN_BYTES: usize = 48;
/// Entries between two batches whose beginnings are remembered.
const MARK_ENTRIES: u64 = 256;
/// Bytes between two batches whose beginnings are remembered.
const MARK_BYTES: u64 = 256 << 10;
/// Pieces of a segment that are remembered; where there are more it is followed again.
const PIECES_MAX: usize = 16 << 10;
/// Faults of a segment that are named.
const FAULTS_MAX: usize = 4 << 10;
/// Offsets whose checksum is taken at once.
const OFFSETS_BYTES: usize = 4 << 10;

/// What following a segment showed.
#[derive(Default)]
pub struct Survey {
    /// Behind the last batch that counts.
    pub end: u64,
    /// Entries in the file up to there, deleted ones among them.
    pub entries: u64,
    /// Batches up to there.
    pub batches: u64,
    /// Entries up to there that were not deleted, damaged ones among them.
    pub stored_live: u64,
    /// Bytes of their payloads, as they are encoded.
    pub live_bytes: u64,
    /// Where some batches begin, and how many entries lie before each.
    pub marks: Vec<(u64, u64)>,
    /// The entries that count, and the damage between them; `None` where that is too much.
    pub pieces: Option<Vec<Piece>>,
    /// What is wrong with the segment.
    pub faults: Vec<Fault>,
    /// Bytes whose checksum was taken.
    pub checked_bytes: u64,
    /// Bytes behind the end that were written.
    pub torn_bytes: u64,
}

/// A piece of the log.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Entries.
    Heads(HeadPiece),
    /// What is wrong where entries should be.
    Damage(Box<Fault>),
}

impl Survey {
    /// The last index in the file.
    pub fn last(&self, base: u64) -> Option<u64> {
        base.checked_add(self.entries)?.checked_sub(1).filter(|last| *last >= base)
    }

    /// The last remembered batch that begins at or before an entry.
    pub fn mark(&self, ordinal: u64) -> (u64, u64) {
        let behind = self.marks.partition_point(|(_, first)| *first <= ordinal);
        let mark = behind.checked_sub(1).and_then(|at| self.marks.get(at));
        mark.copied().unwrap_or_default()
    }
}

/// Pieces as they are met, neighbours that are alike together.
#[derive(Default)]
struct Pieces {
    list: Vec<Piece>,
    too_many: bool,
    entries: u64,
    bytes: u64,
}

impl Pieces {
    fn push(&mut self, piece: Piece) {
        if let Piece::Heads(HeadPiece::Run(run)) = &piece
            && let Some(Piece::Heads(HeadPiece::Run(last))) = self.list.last_mut()
            && last.join(run)
        {
            return;
        }
        match self.list.len() < PIECES_MAX {
            true => self.list.push(piece),
            false => self.too_many = true,
        }
    }

    fn append(&mut self, other: Pieces) {
        self.too_many |= other.too_many;
        self.entries = self.entries.saturating_add(other.entries);
        self.bytes = self.bytes.saturating_add(other.bytes);
        other.list.into_iter().for_each(|piece| self.push(piece));
    }
}

/// Offsets of entries, as the index of the segment must list them.
#[derive(Default)]
struct Offsets {
    crc: u32,
    waiting: Vec<u8>,
}

impl Offsets {
    fn push(&mut self, offset: u64) {
        // A file too long for this has an index that fits none of its entries.
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.waiting.extend_from_slice(&offset.to_le_bytes());
        if self.waiting.len() >= OFFSETS_BYTES {
            self.sum();
        }
    }

    fn sum(&mut self) -> u32 {
        self.crc = crc32c_resumed(self.crc, &self.waiting);
        self.waiting.clear();
        self.crc
    }
}

/// Follows `segment` whole. `progress` gets the bytes followed so far; `None` when it broke off.
///
/// # Errors
/// When the file cannot be read.
pub fn survey(
    segment: &Segment,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Option<Survey>, StoreError> {
    let Some(file) = &segment.file else { return Ok(Some(without_file(segment))) };
    let mut window = Window::open(file)?;
    let belief = segment.header(&mut window)?;
    let mut surveyor = Surveyor {
        segment,
        file,
        found: Survey::default(),
        pieces: Pieces::default(),
        offsets: Offsets::default(),
        faults_left_out: 0,
    };
    if let Belief::Other(fault) = belief {
        surveyor.found.faults.push((*fault).clone());
        return Ok(Some(surveyor.unread(*fault)));
    }
    let mut frames = Frames::new(window);
    let Some((held, end)) = surveyor.follow(&mut frames, progress)? else { return Ok(None) };
    if segment.is_tail() {
        surveyor.tail(&mut frames, held, end)?;
    } else {
        surveyor.sealed(held, end);
    }
    if let Belief::Damaged(fault) = belief
        && (surveyor.found.batches > 0 || !segment.is_tail())
    {
        surveyor.found.faults.insert(0, *fault);
    }
    Ok(Some(surveyor.finish()))
}

/// What is known of a segment that has no file.
fn without_file(segment: &Segment) -> Survey {
    let fault = segment.missing();
    let pieces = match segment.is_tail() {
        true => Vec::new(),
        false => vec![Piece::Damage(Box::new(fault.clone()))],
    };
    Survey { pieces: Some(pieces), faults: vec![fault], ..Survey::default() }
}

/// A batch that was followed, and its entries that count.
struct Held {
    batch: Batch,
    pieces: Pieces,
}

struct Surveyor<'s> {
    segment: &'s Segment,
    file: &'s SegmentFile,
    found: Survey,
    pieces: Pieces,
    offsets: Offsets,
    faults_left_out: u64,
}

/// The last batch, which is not judged yet, and where following ended.
type Followed = (Option<Held>, Option<End>);

impl Surveyor<'_> {
    /// Follows all batches, and judges all but the last one.
    fn follow(
        &mut self,
        frames: &mut Frames,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<Followed>, StoreError> {
        let mut held: Option<Held> = None;
        loop {
            let mut pieces = Pieces::default();
            let (segment, file, offsets) = (self.segment, self.file, &mut self.offsets);
            let step = frames.next(|window, frame| {
                offsets.push(frame.payload_at.saturating_sub(FRAME_BYTES));
                let index = segment.index(frame.ordinal);
                let counts = index >= segment.min && segment.max.is_none_or(|max| index <= max);
                if counts {
                    let piece = piece_of(window, file, frame, index)?;
                    pieces.entries += 1;
                    pieces.bytes = pieces.bytes.saturating_add(frame.payload_bytes.into());
                    pieces.push(piece);
                }
                Ok(())
            })?;
            let batch = match step {
                Step::End(end) => return Ok(Some((held, Some(end)))),
                Step::Batch(batch) => batch,
            };
            if let Some(before) = held.take() {
                self.accept(before);
            }
            if progress(batch.end()).is_break() {
                return Ok(None);
            }
            if let Some(index) = batch.index {
                self.index(&mut frames.window, &batch, index)?;
            }
            held = Some(Held { batch, pieces });
            // What lies behind the seal is left over from whatever was there before.
            if batch.index.is_some() && !segment.is_tail() && segment.index_start != 0 {
                return Ok(Some((held, None)));
            }
        }
    }

    /// Takes a batch for a part of the log, sound or not.
    fn accept(&mut self, held: Held) {
        let batch = held.batch;
        let spaced = self.found.marks.last().is_none_or(|(start, first)| {
            batch.first.saturating_sub(*first) >= MARK_ENTRIES
                || batch.start.saturating_sub(*start) >= MARK_BYTES
        });
        if spaced {
            self.found.marks.push((batch.start, batch.first));
        }
        self.found.batches += 1;
        self.found.end = batch.end();
        self.found.entries = batch.first.saturating_add(batch.entries);
        self.found.checked_bytes = batch.end();
        self.found.stored_live = self.found.stored_live.saturating_add(held.pieces.entries);
        if batch.is_sound() {
            self.pieces.append(held.pieces);
            return;
        }
        let fault = batch_fault(self.segment, self.file, &batch);
        if held.pieces.entries > 0 {
            self.pieces.push(Piece::Damage(Box::new(fault.clone())));
        }
        self.fault(fault);
    }

    fn fault(&mut self, fault: Fault) {
        match self.found.faults.len() < FAULTS_MAX {
            true => self.found.faults.push(fault),
            false => self.faults_left_out += 1,
        }
    }

    /// Compares an index with the entries that were met.
    fn index(
        &mut self,
        window: &mut Window,
        batch: &Batch,
        index: IndexFrame,
    ) -> Result<(), StoreError> {
        if !batch.is_sound() {
            return Ok(());
        }
        let entries = batch.first.saturating_add(batch.entries);
        let listed_bytes = entries.saturating_mul(4);
        let mut found = 0u32;
        let mut at = index.at;
        let end = index.at.saturating_add(listed_bytes.min(index.len_bytes.into()));
        while at < end {
            let piece = window.at(at, at, 1)?;
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let piece = piece.get(..left).unwrap_or(piece);
            if piece.is_empty() {
                break;
            }
            found = crc32c_resumed(found, piece);
            at = at.saturating_add(piece.len() as u64);
        }
        let same = found == self.offsets.sum() && u64::from(index.len_bytes) == listed_bytes;
        if !same {
            let found = "the index of the segment names other places than those where its entries \
                         begin: its library reads wrong entries, or none";
            self.misread(found.to_owned(), index.at, index.len_bytes.into());
        }
        Ok(())
    }

    /// Takes note of what the library refuses or misreads (R121).
    fn misread(&mut self, found: String, offset_bytes: u64, len_bytes: u64) {
        let fault = Fault::new(Code::R121, FaultKind::Note { found });
        let place = self.segment.place(offset_bytes, len_bytes);
        self.fault(fault.at(place).in_group(&GroupId::Unnamed));
    }

    /// Ends a sealed segment.
    fn sealed(&mut self, held: Option<Held>, end: Option<End>) {
        let max = self.segment.max.unwrap_or_default();
        let mut index = None;
        if let Some(held) = held {
            // Behind the last index that counts may lie what a recovery had cut.
            let behind = self.segment.index(held.batch.first) > max;
            index = held.batch.index.filter(|_| held.batch.is_sound());
            if held.batch.is_sound() || !behind {
                self.accept(held);
            }
        }
        let last = self.found.last(self.segment.name.base);
        if last.is_none_or(|last| last < max) {
            let fault = self.cut_short(last, max, end);
            let next = self.segment.index(self.found.entries).max(self.segment.min);
            let fault = fault.at_index(LogIndex(next));
            self.pieces.push(Piece::Damage(Box::new(fault.clone())));
            self.fault(fault);
            return;
        }
        let start = self.segment.index_start;
        // Where the metadata knows of no index at all, opening says so.
        if start == 0 || index.is_some_and(|index| index.at == start) {
            return;
        }
        let real = index.map_or("nowhere".to_owned(), |index| index.at.to_string());
        let found = format!(
            "the metadata says that the index of the segment begins at {start}, it begins at \
             {real}: its library reads wrong entries, or none"
        );
        self.misread(found, start, 0);
    }

    /// That a sealed segment ends before its last index (R115).
    fn cut_short(&self, last: Option<u64>, max: u64, end: Option<End>) -> Fault {
        let at = end.map_or(self.found.end, |end| end.at);
        let there = match end.map(|end| end.stop) {
            Some(Stop::Odd(kind)) => format!("no frame begins here (type {kind})"),
            Some(Stop::Beyond(bytes)) => {
                format!("a frame of {bytes} bytes begins here, and the file ends before")
            }
            Some(Stop::Unwritten) => "nothing is written here".to_owned(),
            None => "the segment is sealed here".to_owned(),
        };
        let last = last.map_or("none".to_owned(), |last| last.to_string());
        let kind = FaultKind::Broken {
            message: format!("{there}; nothing behind is read"),
            expected: format!("entries through {max}"),
            found: Some(format!("entries through {last}")),
        };
        let len_bytes = self.file.size_bytes.saturating_sub(at);
        Fault::new(Code::R115, kind).at(self.file.place(at, len_bytes)).in_group(&GroupId::Unnamed)
    }

    /// Ends the tail as the library's recovery decides it.
    fn tail(
        &mut self,
        frames: &mut Frames,
        held: Option<Held>,
        end: Option<End>,
    ) -> Result<(), StoreError> {
        let Some(end) = end else { return Ok(()) };
        let last = held.as_ref().map(|held| held.batch);
        let keeps = last.is_some_and(|batch| tail::keeps(&batch, &end));
        if let Some(held) = held.filter(|_| keeps) {
            self.accept(held);
        }
        let cut = last.filter(|_| !keeps);
        let next = self.segment.index(self.found.entries);
        let judged = tail::judge(frames, self.segment, (cut, end), (self.found.end, next))?;
        self.found.torn_bytes = judged.torn_bytes;
        judged.faults.into_iter().for_each(|fault| self.fault(fault));
        let sealed = last.filter(|_| keeps).is_some_and(|batch| batch.index.is_some());
        if sealed || end.has_index || cut.is_some_and(|batch| batch.index.is_some()) {
            let found = match sealed {
                true => {
                    "the last segment is sealed, and the metadata says that it is not (a crash in \
                     between): its library reads it and refuses every append"
                }
                false => {
                    "the last segment was about to be sealed (a crash in between): its library \
                     cuts that off and refuses every append all the same"
                }
            };
            self.misread(found.to_owned(), self.found.end, 0);
        }
        Ok(())
    }

    /// Ends a segment whose file is that of another.
    fn unread(mut self, fault: Fault) -> Survey {
        let index = LogIndex(self.segment.min.max(self.segment.name.base));
        self.pieces.push(Piece::Damage(Box::new(fault.at_index(index))));
        self.finish()
    }

    fn finish(mut self) -> Survey {
        if self.faults_left_out > 0 {
            let found = format!("{} more batches of this segment", self.faults_left_out);
            let place = self.segment.place(0, self.found.end);
            let fault = Fault::new(Code::R115, FaultKind::Note { found }).at(place);
            self.found.faults.push(fault.in_group(&GroupId::Unnamed));
        }
        self.found.live_bytes = self.pieces.bytes;
        self.found.pieces = (!self.pieces.too_many).then_some(self.pieces.list);
        self.found
    }
}

/// That a batch is damaged, with the first of its entries that counts.
pub fn batch_fault(segment: &Segment, file: &SegmentFile, batch: &Batch) -> Fault {
    let first = segment.index(batch.first).max(segment.min);
    let fault = batch.fault(file);
    match batch.entries > 0 {
        true => fault.at_index(LogIndex(first)),
        false => fault,
    }
}

/// The entry of a frame, without contents.
fn piece_of(
    window: &mut Window,
    file: &SegmentFile,
    frame: EntryFrame,
    index: u64,
) -> Result<Piece, StoreError> {
    let index = LogIndex(index);
    let head = match head_in(window, frame)? {
        Ok(head) => head,
        Err(kind) => {
            let fault = Fault::new(Code::R122, kind).at(frame.place(file));
            return Ok(Piece::Damage(Box::new(fault.in_group(&GroupId::Unnamed).at_index(index))));
        }
    };
    let begin = head.begin;
    if begin.index != index {
        let fault = other_index(index, begin.index, file, frame).at_term(begin.term);
        let place = Some(frame.place(file));
        let head = EntryHead {
            index,
            term: begin.term,
            kind: kind_of(begin.code),
            kind_code: Some(begin.code.into()),
            payload_len_bytes: begin.data_bytes,
            extensions_len_bytes: head.extensions_bytes,
            place,
        };
        let one = HeadPiece::One(LocatedHead { head, faults: vec![fault] });
        return Ok(Piece::Heads(one));
    }
    let run = IndexRange::new(index, index).map(|range| HeadRun {
        range,
        term: Term(begin.term.0),
        kind: kind_of(begin.code),
        kind_code: Some(begin.code.into()),
        payload_bytes: begin.data_bytes,
        payload_bytes_max: begin.data_bytes,
        encoded_bytes: frame.payload_bytes.into(),
    });
    Ok(match run {
        Some(run) => Piece::Heads(HeadPiece::Run(run)),
        None => Piece::Damage(Box::new(other_index(index, begin.index, file, frame))),
    })
}

/// That an entry names another index than its position (R120).
pub fn other_index(
    index: LogIndex,
    inside: LogIndex,
    file: &SegmentFile,
    frame: EntryFrame,
) -> Fault {
    let kind = FaultKind::Field {
        what: "index inside the entry",
        expected: format!("{index}, its position"),
        found: inside.to_string(),
    };
    let fault = Fault::new(Code::R120, kind).at(frame.place(file));
    fault.in_group(&GroupId::Unnamed).at_index(index)
}

/// At most `most` bytes of a payload from its byte `at` on.
fn part(window: &mut Window, frame: EntryFrame, at: u64, most: usize) -> Result<&[u8], StoreError> {
    let left = u64::from(frame.payload_bytes).saturating_sub(at);
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(most);
    let bytes = window.at(frame.keep, frame.payload_at.saturating_add(at), len)?;
    Ok(bytes.get(..len).unwrap_or(bytes))
}

/// Reads an entry's head, and of a large one no more than that.
fn head_in(
    window: &mut Window,
    frame: EntryFrame,
) -> Result<Result<WalHead, FaultKind>, StoreError> {
    let whole = u64::from(frame.payload_bytes);
    if whole > PAYLOAD_BYTES_MAX {
        return Ok(Err(too_large(whole)));
    }
    if frame.payload_bytes <= WHOLE_BYTES {
        return Ok(wal_head(part(window, frame, 0, usize::MAX)?));
    }
    let begin = match wal_begin(part(window, frame, 0, BEGIN_BYTES)?) {
        Ok(begin) => begin,
        Err(kind) => return Ok(Err(kind)),
    };
    let behind = |start: u64, len: u64, what| {
        let end = start.checked_add(len).filter(|end| *end <= whole);
        let found_bytes = whole.saturating_sub(start);
        end.ok_or(FaultKind::Short { what, needed_bytes: len, found_bytes })
    };
    let extensions_at = match behind(begin.data_at as u64, begin.data_bytes, "Data") {
        Ok(at) => at,
        Err(kind) => return Ok(Err(kind)),
    };
    let (extensions_bytes, len_bytes) =
        match wal_extensions(part(window, frame, extensions_at, 10)?) {
            Ok(found) => found,
            Err(kind) => return Ok(Err(kind)),
        };
    let extensions_at = extensions_at.saturating_add(len_bytes as u64);
    let time_at = match behind(extensions_at, extensions_bytes, "Extensions") {
        Ok(at) => at,
        Err(kind) => return Ok(Err(kind)),
    };
    // One byte more than the longest form shows that too much is there.
    let time = wal_time(part(window, frame, time_at, 17)?);
    Ok(time.map(|_| WalHead { begin, extensions_bytes }))
}

/// That an entry is larger than its library reads back.
pub fn too_large(bytes: u64) -> FaultKind {
    FaultKind::Bounds { what: "size of an entry", value: bytes, limit: PAYLOAD_BYTES_MAX }
}
