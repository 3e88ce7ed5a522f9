//! Every record of every segment in file order, whole or not.

use std::ops::ControlFlow;

use crate::bytes::crc32c_resumed;
use crate::model::{GroupId, IndexRange, LogIndex};
use crate::store::etcd_wal::format::{
    CHECKSUM, ENTRY, EntryParts, METADATA, Marker, SNAPSHOT, STATE, State,
};
use crate::store::etcd_wal::frames::{Frame, Frames, Step};
use crate::store::etcd_wal::index::{Piece, Pieces};
use crate::store::etcd_wal::replay::{Marked, SegmentEnd};
use crate::store::etcd_wal::segments::{Segment, Spot};
use crate::store::{Record, RecordChecksum, RecordStatus, StoreError};

/// What is told of the records.
pub struct Scan<'s> {
    /// The segments.
    pub segments: &'s [Segment],
    /// Where each ends.
    pub ends: &'s [SegmentEnd],
    /// The entries that count.
    pub pieces: &'s Pieces,
    /// Everything up to this index lies in a snapshot.
    pub start: u64,
    /// The newest state that counts.
    pub state: Option<State>,
    /// The markers that count.
    pub markers: &'s [Marked],
}

impl Scan<'_> {
    /// Calls `visit` for each record until it breaks.
    ///
    /// # Errors
    /// Only when the files cannot be read.
    pub fn run(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        let mut running = None;
        let mut found = None;
        for (at, (segment, end)) in self.segments.iter().zip(self.ends).enumerate() {
            let mut frames = Frames::new(&segment.source, 0);
            while frames.at() < end.at {
                let Step::Frame(frame) = frames.step()? else { break };
                let checksum = match frame.kind {
                    CHECKSUM => RecordChecksum::None,
                    _ => checksum(running, &frame, frames.bytes(&frame.data)?),
                };
                running = Some(frame.crc);
                let spot = Spot { segment: at, offset_bytes: frame.at };
                let data = frames.bytes(&frame.data)?;
                let len_bytes = frame.length.frame_bytes();
                let mut record = plain(String::new(), segment, frame.at, len_bytes);
                record.checksum = checksum;
                self.tell(spot, &frame, data, &mut found, &mut record);
                if checksum == RecordChecksum::Bad {
                    record.status = RecordStatus::Damaged;
                }
                if visit(record).is_break() {
                    return Ok(());
                }
            }
            let behind = segment.source.size_bytes.saturating_sub(end.at);
            if behind > 0 {
                let (kind, status) = match (end.torn, end.damaged) {
                    (true, _) => ("torn tail", RecordStatus::Torn),
                    (false, true) => ("no record", RecordStatus::Damaged),
                    (false, false) => ("reserved space", RecordStatus::Dead),
                };
                let mut record = plain(kind.to_owned(), segment, end.at, behind);
                record.status = status;
                if visit(record).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Says what a record is and whether it counts.
    fn tell(
        &self,
        spot: Spot,
        frame: &Frame,
        data: &[u8],
        found: &mut Option<Piece>,
        record: &mut Record,
    ) {
        let at = |index: u64| IndexRange::new(LogIndex(index), LogIndex(index));
        match frame.kind {
            METADATA => record.kind = "metadata".to_owned(),
            CHECKSUM => record.kind = "checksum".to_owned(),
            STATE => self.tell_state(data, record),
            SNAPSHOT => match Marker::read(data) {
                Ok(marker) => {
                    record.kind = "snapshot marker".to_owned();
                    record.range = at(marker.index);
                    let counts = marker.index == self.start
                        || self.markers.iter().any(|one| one.spot == spot);
                    if !counts {
                        record.status = RecordStatus::Dead;
                    }
                }
                Err(_) => no_message("snapshot marker", record),
            },
            ENTRY => match EntryParts::read(data) {
                Ok(parts) => {
                    record.kind = "entry".to_owned();
                    (record.range, record.entries) = (at(parts.index), 1);
                    record.status = self.status(parts.index, spot, found);
                }
                Err(_) => no_message("entry", record),
            },
            other => no_message(&format!("type {other}"), record),
        }
    }

    fn tell_state(&self, data: &[u8], record: &mut Record) {
        let Ok(state) = State::read(data) else { return no_message("state", record) };
        record.kind = format!("state, commit {}", state.commit);
        if self.state != Some(state) {
            record.status = RecordStatus::Superseded;
        }
    }

    /// Whether the entry at `spot` is the one that counts under its index.
    fn status(&self, index: u64, spot: Spot, found: &mut Option<Piece>) -> RecordStatus {
        if !found.is_some_and(|piece| piece.holds(index, spot)) {
            *found = self.pieces.get(index).copied();
        }
        match found {
            Some(piece) if piece.holds(index, spot) => RecordStatus::Live,
            _ if index <= self.start => RecordStatus::Dead,
            _ => RecordStatus::Superseded,
        }
    }
}

fn checksum(running: Option<u32>, frame: &Frame, data: &[u8]) -> RecordChecksum {
    match running {
        None => RecordChecksum::None,
        Some(running) if crc32c_resumed(running, data) == frame.crc => RecordChecksum::Ok,
        Some(_) => RecordChecksum::Bad,
    }
}

fn no_message(kind: &str, record: &mut Record) {
    record.kind = kind.to_owned();
    record.status = RecordStatus::Damaged;
}

fn plain(kind: String, segment: &Segment, at: u64, len_bytes: u64) -> Record {
    Record {
        place: segment.source.place(at, len_bytes),
        kind,
        group: Some(GroupId::Unnamed),
        range: None,
        entries: 0,
        checksum: RecordChecksum::None,
        status: RecordStatus::Live,
    }
}
