//! Writing records: a batch becomes one frame, or several.

use crate::fastlog::format::entry::{content_len, put_entry};
use crate::fastlog::format::frame::seal_frame;
use crate::fastlog::format::wire::{put_string, put_varint};
use crate::fastlog::format::{
    ENTRY_CONTENT_MAX, FRAME_HEADER_BYTES, FRAME_PAYLOAD_TARGET, Frame, FrameType, GroupNo, Masked,
    Salt, SegmentNo, Sequence, TEXT_MAX,
};
use crate::fastlog::planted::{Bug, planted};
use crate::model::{
    ByteOrder, Candidate, Entry, GroupId, HardState, IndexRange, LogId, LogIndex, SnapshotNote,
    StableValue,
};

pub(super) const ENTRIES: u8 = 1;
pub(super) const TRUNCATION: u8 = 2;
pub(super) const COMPACTION: u8 = 3;
pub(super) const SNAPSHOT_MARKER: u8 = 4;
pub(super) const SNAPSHOT_NOTE: u8 = 5;
pub(super) const HARD_STATE: u8 = 6;
pub(super) const STABLE_PUT: u8 = 7;
pub(super) const STABLE_DELETE: u8 = 8;
pub(super) const GROUP: u8 = 9;
pub(super) const GROUP_REMOVAL: u8 = 10;
pub(super) const BASE: u8 = 11;
pub(super) const BOUNDS: u8 = 12;

/// Bytes of a record before its body.
pub(super) const RECORD_HEADER_BYTES: usize = 5;

pub(super) const HAS_TERM: u8 = 1;
pub(super) const HAS_COMMIT: u8 = 1 << 1;
pub(super) const HAS_VOTE: u8 = 1 << 2;
pub(super) const HAS_VOTE_TERM: u8 = 1 << 3;
pub(super) const HAS_VOTE_ID: u8 = 1 << 4;
pub(super) const HAS_VOTE_BYTES: u8 = 1 << 5;

/// Something that the format cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// What.
    pub what: &'static str,
    /// How large it is, in bytes.
    pub len: usize,
    /// How large it may be, in bytes.
    pub limit: usize,
}

/// Room for what an entry takes beside its contents, roughly; so that memory is asked for once.
const ENTRY_HEAD_BYTES: usize = 16;
/// The same of a record of entries and its frame.
const RECORD_HEAD_BYTES: usize = FRAME_HEADER_BYTES + 32;

/// What every frame of a batch is told when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Sequence of the next frame.
    pub next: Sequence,
    /// Checksum of the frame before it.
    pub previous: Masked,
    /// Highest sequence known to be durable.
    pub sync_point: Sequence,
}

/// A batch as it will lie in the file: frames back to back, each with room for its header, all
/// records encoded. [`Payload::seal`] completes the headers in place.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Payload {
    /// Whether nothing was put.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.starts.len()
    }

    /// The frames; without sealing, their headers are blank.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each frame begins, as offsets into [`Payload::bytes`].
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The frames, and where each begins.
    pub fn into_parts(self) -> (Vec<u8>, Vec<usize>) {
        (self.bytes, self.starts)
    }

    /// An empty payload in memory that was used before.
    pub fn in_memory_of(mut bytes: Vec<u8>, mut starts: Vec<usize>) -> Payload {
        bytes.clear();
        starts.clear();
        Payload { bytes, starts }
    }

    /// Completes the headers for a place in `chain` and returns how the chain goes on.
    pub fn seal(&mut self, chain: Chain, salt: Salt) -> Chain {
        let count = self.starts.len();
        let mut chain = chain;
        let splits = self.splits();
        let mut rest = self.bytes.as_mut_slice();
        for at in 0..count {
            let start = self.starts.get(at).copied().unwrap_or_default();
            let end = self.starts.get(at + 1).map_or(rest.len(), |next| next - start);
            let (frame, behind) = rest.split_at_mut(end.min(rest.len()));
            let last = at + 1 == count || splits;
            let header = Frame {
                kind: if last { FrameType::Batch } else { FrameType::Part },
                part: if splits { 1 } else { u16::try_from(at + 1).unwrap_or(u16::MAX) },
                sequence: chain.next,
                previous: chain.previous,
                sync_point: chain.sync_point,
                checksum: Masked(0),
                payload_len: 0,
            };
            chain.previous = seal_frame(frame, &header, salt);
            chain.next = chain.next.next();
            rest = behind;
        }
        chain
    }

    /// Entries with consecutive indexes; on replay they replace everything of the group from the
    /// first of them on.
    ///
    /// # Errors
    /// When one of them is larger than the format can hold; some may have been put then.
    pub fn entries(&mut self, group: GroupNo, entries: &[Entry]) -> Result<(), TooLarge> {
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let room = FRAME_PAYLOAD_TARGET.saturating_sub(self.open_frame());
            let mut size = 0usize;
            let mut count = 0usize;
            for entry in rest {
                let len = content_len(entry);
                if len > ENTRY_CONTENT_MAX {
                    return Err(TooLarge { what: "entry", len, limit: ENTRY_CONTENT_MAX });
                }
                size = size.saturating_add(len);
                if count > 0 && size > room {
                    break;
                }
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            let heads = count.saturating_mul(ENTRY_HEAD_BYTES).saturating_add(RECORD_HEAD_BYTES);
            self.bytes.reserve(size.saturating_add(heads));
            self.record(ENTRIES, group, |out| {
                put_varint(out, super::wire::len_u64(count));
                put_varint(out, first.index.0);
                let mut previous = None;
                for entry in now {
                    put_entry(out, entry, previous);
                    previous = Some(entry.term);
                }
            });
            rest = later;
        }
        Ok(())
    }

    /// Removal of everything from `first_removed` on.
    pub fn truncation(&mut self, group: GroupNo, first_removed: LogIndex) {
        self.record(TRUNCATION, group, |out| put_varint(out, first_removed.0));
    }

    /// Removal of everything through `through`; the log starts after it.
    pub fn compaction(&mut self, group: GroupNo, through: LogId) {
        self.record(COMPACTION, group, |out| put_id(out, through));
    }

    /// A snapshot that covers everything through its index: compaction and note in one.
    pub fn snapshot_marker(
        &mut self,
        group: GroupNo,
        snapshot: &SnapshotNote,
    ) -> Result<(), TooLarge> {
        self.snapshot(SNAPSHOT_MARKER, group, snapshot)
    }

    /// A snapshot that exists; removes nothing.
    pub fn snapshot_note(
        &mut self,
        group: GroupNo,
        snapshot: &SnapshotNote,
    ) -> Result<(), TooLarge> {
        self.snapshot(SNAPSHOT_NOTE, group, snapshot)
    }

    fn snapshot(
        &mut self,
        number: u8,
        group: GroupNo,
        snapshot: &SnapshotNote,
    ) -> Result<(), TooLarge> {
        let id = snapshot.id.as_deref().unwrap_or_default();
        check("snapshot id", id.len(), TEXT_MAX)?;
        check("snapshot note", snapshot.note.len(), ENTRY_CONTENT_MAX)?;
        self.record(number, group, |out| {
            put_id(out, LogId { index: snapshot.index, term: snapshot.term });
            out.push(u8::from(snapshot.id.is_some()));
            put_string(out, id.as_bytes());
            put_string(out, &snapshot.note);
        });
        Ok(())
    }

    /// Term, vote and commit index; replaces what was recorded before.
    pub fn hard_state(&mut self, group: GroupNo, hard: &HardState) -> Result<(), TooLarge> {
        let vote = hard.vote.as_ref();
        let candidate = vote.and_then(|vote| vote.candidate.as_ref());
        if let Some(Candidate::Bytes(bytes)) = candidate {
            check("candidate", bytes.len(), TEXT_MAX)?;
        }
        let vote_term = vote.and_then(|vote| vote.term);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(hard.term.is_some(), HAS_TERM)
            | flag(hard.commit.is_some(), HAS_COMMIT)
            | flag(vote.is_some(), HAS_VOTE)
            | flag(vote_term.is_some(), HAS_VOTE_TERM)
            | flag(matches!(candidate, Some(Candidate::Id(_))), HAS_VOTE_ID)
            | flag(matches!(candidate, Some(Candidate::Bytes(_))), HAS_VOTE_BYTES);
        self.record(HARD_STATE, group, |out| {
            out.push(flags);
            let numbers = [hard.term.map(|term| term.0), hard.commit.map(|index| index.0)];
            for number in numbers.into_iter().chain([vote_term.map(|term| term.0)]).flatten() {
                put_varint(out, number);
            }
            match candidate {
                Some(Candidate::Id(id)) => put_varint(out, *id),
                Some(Candidate::Bytes(bytes)) => put_string(out, bytes),
                None => {}
            }
        });
        Ok(())
    }

    /// A stable key's value.
    pub fn stable_put(
        &mut self,
        group: GroupNo,
        key: &[u8],
        value: &StableValue,
    ) -> Result<(), TooLarge> {
        check("stable key", key.len(), TEXT_MAX)?;
        check("stable value", value.bytes.len(), ENTRY_CONTENT_MAX)?;
        self.record(STABLE_PUT, group, |out| {
            out.push(match value.integer {
                None => 0,
                Some(ByteOrder::Big) => 1,
                Some(ByteOrder::Little) => 2,
            });
            put_string(out, key);
            put_string(out, &value.bytes);
        });
        Ok(())
    }

    /// Removal of a stable key.
    pub fn stable_delete(&mut self, group: GroupNo, key: &[u8]) -> Result<(), TooLarge> {
        check("stable key", key.len(), TEXT_MAX)?;
        self.record(STABLE_DELETE, group, |out| put_string(out, key));
        Ok(())
    }

    /// What a group number stands for; replaces what was recorded before.
    pub fn group(
        &mut self,
        group: GroupNo,
        id: &GroupId,
        schema: Option<&str>,
        note: &[u8],
    ) -> Result<(), TooLarge> {
        let name = id.name().unwrap_or_default();
        check("group name", name.len(), TEXT_MAX)?;
        check("schema", schema.unwrap_or_default().len(), TEXT_MAX)?;
        check("group note", note.len(), ENTRY_CONTENT_MAX)?;
        self.record(GROUP, group, |out| {
            out.push(u8::from(id.name().is_some()) | (u8::from(schema.is_some()) << 1));
            put_string(out, name.as_bytes());
            put_string(out, schema.unwrap_or_default().as_bytes());
            put_string(out, note);
        });
        Ok(())
    }

    /// Removal of a group with everything it has; its number is not used again.
    pub fn group_removal(&mut self, group: GroupNo) {
        self.record(GROUP_REMOVAL, group, |_| {});
    }

    /// The beginning of a base: the rest of the batch is the state of every group.
    pub fn base(&mut self, oldest_needed: SegmentNo, groups: u32) {
        self.record(BASE, GroupNo(0), |out| {
            put_varint(out, oldest_needed.0);
            put_varint(out, u64::from(groups));
        });
    }

    /// The entries that a group has, in a base.
    pub fn bounds(&mut self, group: GroupNo, bounds: Option<IndexRange>) {
        self.record(BOUNDS, group, |out| {
            out.push(u8::from(bounds.is_some()));
            if let Some(bounds) = bounds {
                put_varint(out, bounds.first().0);
                put_varint(out, bounds.last().0);
            }
        });
    }

    /// Begins a frame if none is open or the open one is full; returns the length of its payload.
    fn open_frame(&mut self) -> usize {
        let len = |payload: &Payload| {
            let start = payload.starts.last().copied()?;
            Some(payload.bytes.len() - start - FRAME_HEADER_BYTES)
        };
        if len(self).is_none_or(|len| len >= FRAME_PAYLOAD_TARGET) {
            self.starts.push(self.bytes.len());
            self.bytes.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        }
        len(self).unwrap_or_default()
    }

    /// Whether each record is a batch of its own, which a base cannot be.
    fn splits(&self) -> bool {
        planted(Bug::BatchSplit) && self.bytes.get(FRAME_HEADER_BYTES) != Some(&BASE)
    }

    fn record(&mut self, number: u8, group: GroupNo, body: impl FnOnce(&mut Vec<u8>)) {
        if self.splits() && !self.bytes.is_empty() {
            self.starts.push(self.bytes.len());
            self.bytes.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        }
        self.open_frame();
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[number, 0, 0, 0, 0]);
        put_varint(&mut self.bytes, u64::from(group.0));
        body(&mut self.bytes);
        let len = self.bytes.len() - start - RECORD_HEADER_BYTES;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        if let Some(room) = self.bytes.get_mut(start + 1..start + RECORD_HEADER_BYTES) {
            room.copy_from_slice(&len.to_le_bytes());
        }
    }
}

fn put_id(out: &mut Vec<u8>, id: LogId) {
    put_varint(out, id.index.0);
    put_varint(out, id.term.0);
}

fn check(what: &'static str, len: usize, limit: usize) -> Result<(), TooLarge> {
    if len > limit { Err(TooLarge { what, len, limit }) } else { Ok(()) }
}
