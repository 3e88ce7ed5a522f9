//! Every record of a directory: the list of segments, and each segment frame by frame.

use std::ops::ControlFlow;

use crate::model::{GroupId, IndexRange, LogIndex, Place};
use crate::store::raft_wal::format::{FRAME_BYTES, FrameHead, HEADER_BYTES};
use crate::store::raft_wal::frames::{Batch, End, Frames, Step};
use crate::store::raft_wal::segment::{Belief, Live, Segment};
use crate::store::raft_wal::source::{RaftWalStore, surveyed};
use crate::store::raft_wal::window::Window;
use crate::store::{Record, RecordChecksum, RecordStatus, StoreError};

type Visitor<'v> = dyn FnMut(Record) -> ControlFlow<()> + 'v;
type Going = Result<ControlFlow<()>, StoreError>;

/// Calls `visit` for each record until it breaks.
///
/// # Errors
/// Only when a file cannot be read.
pub fn scan(store: &RaftWalStore, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
    if let Some(place) = &store.meta.list_at
        && visit(plain(place.clone(), "list of segments")).is_break()
    {
        return Ok(());
    }
    for segment in &store.segments {
        if (Scan { segment, live: segment.live(), end: None, visit }).segment()?.is_break() {
            break;
        }
    }
    Ok(())
}

fn plain(place: Place, kind: &str) -> Record {
    Record {
        place,
        kind: kind.to_owned(),
        group: Some(GroupId::Unnamed),
        range: None,
        entries: 0,
        checksum: RecordChecksum::None,
        status: RecordStatus::Live,
    }
}

struct Scan<'s, 'v> {
    segment: &'s Segment,
    live: Option<Live>,
    /// Where what counts ends, where that is not the end of the segment.
    end: Option<u64>,
    visit: &'s mut Visitor<'v>,
}

impl Scan<'_, '_> {
    fn segment(&mut self) -> Going {
        let Some(file) = &self.segment.file else { return Ok(ControlFlow::Continue(())) };
        if self.segment.is_tail() {
            let survey = surveyed(self.segment, &mut |_| ControlFlow::Continue(()))?;
            self.end = survey.map(|survey| survey.end);
        }
        let mut window = Window::open(file)?;
        let belief = self.segment.header(&mut window)?;
        let mut header = plain(file.place(0, HEADER_BYTES), "segment header");
        match belief {
            Belief::Own => {}
            Belief::Unwritten if self.segment.is_tail() => return self.rest(0, 0),
            Belief::Unwritten | Belief::Damaged(_) => header.status = RecordStatus::Damaged,
            Belief::Other(_) => {
                header.status = RecordStatus::Damaged;
                if (self.visit)(header).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                return self.unread(HEADER_BYTES, file.size_bytes, RecordStatus::Damaged);
            }
        }
        if (self.visit)(header).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.batches(&mut Frames::new(window))
    }

    fn batches(&mut self, frames: &mut Frames) -> Going {
        let is_seal = !self.segment.is_tail() && self.segment.index_start != 0;
        loop {
            match frames.next(|_, _| Ok(()))? {
                Step::Batch(batch) => {
                    if self.batch(frames, &batch)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    if is_seal && batch.index.is_some() {
                        return Ok(ControlFlow::Continue(()));
                    }
                }
                Step::End(End { from, at, .. }) => {
                    let survey = self.segment.survey.get();
                    let torn = survey.map_or(0, |survey| {
                        survey.end.saturating_add(survey.torn_bytes).saturating_sub(from)
                    });
                    return self.rest(from, torn.max(at.saturating_sub(from.max(HEADER_BYTES))));
                }
            }
        }
    }

    fn batch(&mut self, frames: &mut Frames, batch: &Batch) -> Going {
        let is_cut = self.end.is_some_and(|end| batch.end() > end);
        let checksum = match batch.is_sound() {
            true => RecordChecksum::Ok,
            false => RecordChecksum::Bad,
        };
        let status = match (is_cut, batch.is_sound()) {
            (true, _) => RecordStatus::Torn,
            (false, false) => RecordStatus::Damaged,
            (false, true) => RecordStatus::Live,
        };
        let (mut at, mut ordinal) = (batch.frames_at(), batch.first);
        while at <= batch.commit_at {
            let Some(head) = frames.head(batch.start, at)? else { break };
            let len_bytes = head.frame_bytes().max(FRAME_BYTES);
            let kind = match head {
                FrameHead::Entry(_) => "entry",
                FrameHead::Index(_) => "index",
                _ => "commit",
            };
            let mut record = plain(self.segment.place(at, len_bytes), kind);
            (record.checksum, record.status) = (checksum, status);
            if let FrameHead::Entry(_) = head {
                let index = self.segment.index(ordinal);
                ordinal = ordinal.saturating_add(1);
                record.range = IndexRange::new(LogIndex(index), LogIndex(index));
                record.entries = 1;
                let counts = self.live.as_ref().is_some_and(|live| live.contains(&index));
                if status == RecordStatus::Live && !counts {
                    record.status = RecordStatus::Dead;
                }
            }
            if (self.visit)(record).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            at = at.saturating_add(len_bytes);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What was written behind the last batch.
    fn rest(&mut self, from: u64, len_bytes: u64) -> Going {
        let status = match self.segment.is_tail() {
            true => RecordStatus::Torn,
            false => RecordStatus::Dead,
        };
        self.unread(from, from.saturating_add(len_bytes), status)
    }

    fn unread(&mut self, from: u64, to: u64, status: RecordStatus) -> Going {
        if to <= from {
            return Ok(ControlFlow::Continue(()));
        }
        let kind = match status {
            RecordStatus::Torn => "torn batch",
            _ => "unread",
        };
        let mut record = plain(self.segment.place(from, to - from), kind);
        record.status = status;
        Ok((self.visit)(record))
    }
}
