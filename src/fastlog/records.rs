//! Every record as it lies in the files, with what became of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::fastlog::Error;
use crate::fastlog::format::{
    FRAME_HEADER_BYTES, FRAMES_OFFSET, Found, Frame, FrameType, GroupNo, Op, PAGE_BYTES, Record,
    Records, SYNC_PAGE_OFFSET, Salt, SectorError, SegmentNo, Sequence, SyncSlot,
};
use crate::fastlog::segment::{FramePlace, NamedFile, SegmentReader};
use crate::fastlog::view::LogView;
use crate::model::{GroupId, IndexRange, LogIndex, Place};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Part of the log.
    Live,
    /// Replaced by a later record.
    Superseded,
    /// Removed by a later record.
    Dead,
    /// Behind the point where writing stopped.
    Torn,
    /// Does not verify although it must.
    Damaged,
}

/// A record, or what should be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordView {
    /// Where it lies.
    pub place: Place,
    /// What it is, in the words of FORMAT.md.
    pub kind: &'static str,
    /// Its group.
    pub group: Option<GroupId>,
    /// Indexes that it carries or speaks of.
    pub range: Option<IndexRange>,
    /// Entries inside.
    pub entries: u64,
    /// Whether it verifies.
    pub verifies: bool,
    /// What became of it.
    pub standing: Standing,
}

/// Things of which only the latest record counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Name,
    Hard,
    Snapshot,
    Compaction,
    Base,
    Key(Vec<u8>),
}

type Latest = BTreeMap<(GroupNo, Slot), (FramePlace, usize)>;
type Visit<'v> = &'v mut dyn FnMut(RecordView) -> ControlFlow<()>;

/// A piece of a segment, in file order.
enum Piece<'p> {
    Frame(FramePlace, &'p Frame, &'p [u8]),
    /// Bytes that are no frame, up to an offset.
    Broken(FramePlace, u64),
}

impl LogView {
    /// Calls `visit` for every record in file order, damaged and replaced ones included, until it
    /// breaks. The files are read twice: what counts is known only at the end.
    ///
    /// # Errors
    /// `Io` when a file cannot be read.
    pub fn records(&self, visit: Visit<'_>) -> Result<(), Error> {
        let mut latest = Latest::new();
        for number in &self.segments {
            let flow = self.pieces(*number, &mut |_, piece| {
                if let Piece::Frame(place, _, payload) = piece
                    && !self.is_torn(place)
                {
                    note_latest(&mut latest, place, payload);
                }
                ControlFlow::Continue(())
            })?;
            if flow.is_break() {
                break;
            }
        }
        if self.anchor_slots(visit)?.is_break() {
            return Ok(());
        }
        for number in &self.segments {
            if self.segment_head(*number, visit)?.is_break() {
                return Ok(());
            }
            let flow = self.pieces(*number, &mut |file, piece| match piece {
                Piece::Frame(place, frame, payload) => {
                    self.visit_frame(&latest, file, place, frame, payload, visit)
                }
                Piece::Broken(place, end) => visit(self.broken(file, place, end)),
            })?;
            if flow.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_torn(&self, place: FramePlace) -> bool {
        match self.ends.last_key_value() {
            Some((last, end)) => {
                place.segment > *last || (place.segment == *last && place.offset >= *end)
            }
            None => true,
        }
    }

    fn anchor_slots(&self, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let Some(slots) = &self.slots else { return Ok(ControlFlow::Continue(())) };
        let newest = slots.newest().map(|anchor| anchor.counter);
        for (offset, slot) in slots.each() {
            let standing = match slot {
                Err(SectorError::Blank) => continue,
                Err(_) => Standing::Damaged,
                Ok(anchor) if Some(anchor.counter) == newest => Standing::Live,
                Ok(_) => Standing::Superseded,
            };
            let place = slots.file.place(offset, 512);
            if visit(sector("anchor slot", place, slot.is_ok(), standing)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn segment_head(&self, number: SegmentNo, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let file = self.files.reading(number)?;
        let counts = self.ends.contains_key(&number);
        let header = file.header()?;
        let standing = match (&header, counts) {
            (Ok(_), true) => Standing::Live,
            (Ok(_), false) => Standing::Dead,
            (Err(_), true) => Standing::Damaged,
            (Err(_), false) => Standing::Torn,
        };
        if visit(sector("segment header", file.place(0, 512), header.is_ok(), standing)).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        let slots = file.sync_slots()?;
        let counter = |slot: &Result<SyncSlot, _>| slot.as_ref().map(|slot| slot.counter).ok();
        let newest = slots.iter().filter_map(counter).max();
        let offsets = [SYNC_PAGE_OFFSET, SYNC_PAGE_OFFSET + PAGE_BYTES / 8];
        for (slot, offset) in slots.iter().zip(offsets) {
            let standing = match slot {
                Err(SectorError::Blank) => continue,
                Err(_) => Standing::Damaged,
                Ok(slot) if Some(slot.counter) == newest => Standing::Live,
                Ok(_) => Standing::Superseded,
            };
            let place = file.place(offset, 512);
            if visit(sector("sync slot", place, slot.is_ok(), standing)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Walks the frames of a segment and what lies between them.
    fn pieces(
        &self,
        number: SegmentNo,
        visit: &mut dyn FnMut(&NamedFile, Piece<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let file = self.files.reading(number)?;
        let used_before = file.header()?.is_ok_and(|header| header.recycled);
        let salt = Salt::new(self.uid, number);
        let mut reader = SegmentReader::new(file, number, salt, Vec::new())?;
        let mut budget = reader.size().saturating_mul(4);
        let all = Sequence(1)..=Sequence(u64::MAX);
        loop {
            let place = reader.place();
            if let Found::Frame(frame) = reader.found()? {
                let piece = Piece::Frame(place, &frame, reader.payload(&frame));
                if visit(reader.file(), piece).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                reader.step(&frame);
                continue;
            }
            if !reader.skip_zeros()? {
                return Ok(ControlFlow::Continue(()));
            }
            let from = FramePlace { offset: reader.place().offset.max(FRAMES_OFFSET), ..place };
            reader.seek(place.offset);
            let found = reader.next_verifying(all.clone(), &mut budget)?;
            let end = if found.is_some() { reader.place().offset } else { reader.size() };
            let sealed = self.ends.get(&number).is_some_and(|end| place.offset >= *end)
                && self.ends.keys().next_back() != Some(&number);
            let earlier_life = used_before && found.is_none() && !self.is_damaged();
            if !sealed && !earlier_life && visit(reader.file(), Piece::Broken(from, end)).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            match found {
                Some(Found::Frame(_)) => {}
                Some(_) => reader.seek(end + 1),
                None => return Ok(ControlFlow::Continue(())),
            }
        }
    }

    fn broken(&self, file: &NamedFile, place: FramePlace, end: u64) -> RecordView {
        let standing = if self.is_torn(place) { Standing::Torn } else { Standing::Damaged };
        let place = file.place(place.offset, end.saturating_sub(place.offset));
        sector("frame", place, false, standing)
    }

    fn visit_frame(
        &self,
        latest: &Latest,
        file: &NamedFile,
        at: FramePlace,
        frame: &Frame,
        payload: &[u8],
        visit: Visit<'_>,
    ) -> ControlFlow<()> {
        let torn = self.is_torn(at);
        if frame.kind == FrameType::Filler {
            let place = file.place(at.offset, len(frame.len_bytes()));
            return visit(sector("filler", place, true, Standing::Live));
        }
        let mut records = Records::new(payload);
        loop {
            let record = match records.next_record() {
                Ok(Some(record)) => record,
                Ok(None) => return ControlFlow::Continue(()),
                Err(malformed) => {
                    let offset = at.offset + len(FRAME_HEADER_BYTES + malformed.at);
                    let left = frame.payload_len.saturating_sub(malformed.at);
                    let place = file.place(offset, len(left));
                    return visit(sector("record", place, true, Standing::Damaged));
                }
            };
            let offset = at.offset + len(FRAME_HEADER_BYTES + record.span.start);
            let standing = if torn { Standing::Torn } else { self.standing(latest, at, &record) };
            let (range, entries) = range_of(&record.op);
            let view = RecordView {
                place: file.place(offset, len(record.span.len())),
                kind: record.op.name(),
                group: self.group_name(record.group),
                range,
                entries,
                verifies: true,
                standing,
            };
            visit(view)?;
        }
    }

    fn standing(&self, latest: &Latest, at: FramePlace, record: &Record<'_>) -> Standing {
        if at.segment < self.oldest {
            return Standing::Dead;
        }
        if let Op::Entries(entries) = &record.op {
            return self.standing_of_entries(at, record.group, entries);
        }
        if !matches!(record.op, Op::Base { .. }) && self.tables.group(record.group).is_none() {
            return Standing::Dead;
        }
        match slots_of(&record.op).first() {
            None => Standing::Live,
            Some(slot) => match latest.get(&(record.group, slot.clone())) {
                Some(newest) if *newest == (at, record.span.start) => Standing::Live,
                _ => Standing::Superseded,
            },
        }
    }

    fn standing_of_entries(
        &self,
        at: FramePlace,
        group: GroupNo,
        entries: &crate::fastlog::format::EntriesRecord<'_>,
    ) -> Standing {
        let bounds = self.tables.group(group).and_then(|group| group.bounds);
        let Some(common) = bounds.and_then(|bounds| bounds.intersection(entries.range)) else {
            return Standing::Dead;
        };
        let mut walk = entries.walk();
        while let Ok(Some(view)) = walk.next_entry() {
            if !common.contains(view.index) {
                continue;
            }
            let known = self.tables.memtable.get(group, view.index);
            let live = known.is_some_and(|known| {
                known.segment == at.segment
                    && known.frame_offset == at.offset
                    && usize::try_from(known.at) == Ok(view.span.start)
            });
            if live {
                return Standing::Live;
            }
        }
        Standing::Superseded
    }
}

fn len(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn sector(kind: &'static str, place: Place, verifies: bool, standing: Standing) -> RecordView {
    RecordView { place, kind, group: None, range: None, entries: 0, verifies, standing }
}

fn range_of(op: &Op<'_>) -> (Option<IndexRange>, u64) {
    let one = |index: LogIndex| (IndexRange::new(index, index), 0);
    match op {
        Op::Entries(entries) => (Some(entries.range), entries.count),
        Op::Truncation(first) => one(*first),
        Op::Compaction(through) => one(through.index),
        Op::SnapshotMarker(snapshot) | Op::SnapshotNote(snapshot) => one(snapshot.last.index),
        Op::Bounds(bounds) => (*bounds, 0),
        _ => (None, 0),
    }
}

/// What a record sets; the first is what it is judged by.
fn slots_of(op: &Op<'_>) -> Vec<Slot> {
    match op {
        Op::Compaction(_) => vec![Slot::Compaction],
        Op::SnapshotMarker(_) => vec![Slot::Snapshot, Slot::Compaction],
        Op::SnapshotNote(_) => vec![Slot::Snapshot],
        Op::HardState(_) => vec![Slot::Hard],
        Op::StablePut { key, .. } | Op::StableDelete { key } => vec![Slot::Key(key.to_vec())],
        Op::Group { .. } => vec![Slot::Name],
        Op::Base { .. } => vec![Slot::Base],
        Op::Entries(_) | Op::Truncation(_) | Op::GroupRemoval | Op::Bounds(_) => Vec::new(),
    }
}

fn note_latest(latest: &mut Latest, place: FramePlace, payload: &[u8]) {
    let mut records = Records::new(payload);
    while let Ok(Some(record)) = records.next_record() {
        for slot in slots_of(&record.op) {
            latest.insert((record.group, slot), (place, record.span.start));
        }
    }
}
