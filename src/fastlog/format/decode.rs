//! Reading records out of the payload of a frame that verified.

use std::ops::Range;

use crate::fastlog::format::encode::{
    BASE, BOUNDS, COMPACTION, ENTRIES, GROUP, GROUP_REMOVAL, HARD_STATE, HAS_COMMIT, HAS_TERM,
    HAS_VOTE, HAS_VOTE_BYTES, HAS_VOTE_ID, HAS_VOTE_TERM, RECORD_HEADER_BYTES, SNAPSHOT_MARKER,
    SNAPSHOT_NOTE, STABLE_DELETE, STABLE_PUT, TRUNCATION,
};
use crate::fastlog::format::entry::EntryWalk;
use crate::fastlog::format::wire::{Malformed, Wire};
use crate::fastlog::format::{ENTRY_CONTENT_MAX, GroupNo, SegmentNo, TEXT_MAX};
use crate::model::{
    ByteOrder, Candidate, GroupId, HardState, IndexRange, LogId, LogIndex, SharedBytes,
    SnapshotNote, StableValue, Term, Vote,
};

/// What a record does to its group.
#[derive(Clone, Debug)]
pub enum Op<'a> {
    /// Entries; they replace everything of the group from the first of them on.
    Entries(EntriesRecord<'a>),
    /// Removes everything from this index on.
    Truncation(LogIndex),
    /// Removes everything through this entry; the log starts after it.
    Compaction(LogId),
    /// Compaction and snapshot note in one.
    SnapshotMarker(SnapshotFields<'a>),
    /// The newest snapshot; removes nothing.
    SnapshotNote(SnapshotFields<'a>),
    /// Term, vote and commit index, all of them.
    HardState(HardState),
    /// A stable key's value.
    StablePut {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: StableValue,
    },
    /// Removes a stable key.
    StableDelete {
        /// The key.
        key: &'a [u8],
    },
    /// What the group's number stands for.
    Group {
        /// Its name.
        id: GroupId,
        /// Name of the schema of the store it came from.
        schema: Option<&'a str>,
        /// The source's own note.
        note: &'a [u8],
    },
    /// Removes the group.
    GroupRemoval,
    /// The rest of the batch is the state of every group.
    Base {
        /// Oldest segment that this state rests on.
        oldest_needed: SegmentNo,
        /// Number of groups that follow.
        groups: u64,
    },
    /// The entries that the group has, in a base.
    Bounds(Option<IndexRange>),
}

/// Entries of one group, not decoded yet.
#[derive(Clone, Debug)]
pub struct EntriesRecord<'a> {
    /// Number of entries, at least 1.
    pub count: u64,
    /// Their indexes.
    pub range: IndexRange,
    wire: Wire<'a>,
}

impl<'a> EntriesRecord<'a> {
    /// Walks them; spans are relative to the frame's payload.
    pub fn walk(&self) -> EntryWalk<'a> {
        EntryWalk::new(self.wire, self.range.first(), self.count)
    }
}

/// A snapshot, not copied yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFields<'a> {
    /// Last entry that it covers.
    pub last: LogId,
    /// Its name.
    pub id: Option<&'a str>,
    /// What the source records with it.
    pub note: &'a [u8],
}

impl SnapshotFields<'_> {
    /// The same as a value.
    pub fn to_note(self) -> SnapshotNote {
        SnapshotNote {
            index: self.last.index,
            term: self.last.term,
            id: self.id.map(str::to_owned),
            note: SharedBytes::from(self.note),
        }
    }
}

/// A record with its group and its bytes, header included, in the frame's payload.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The group; 0 for a base.
    pub group: GroupNo,
    /// Where in the payload it lies.
    pub span: Range<usize>,
    /// What it does.
    pub op: Op<'a>,
}

impl Op<'_> {
    /// What the record is, in the words of FORMAT.md.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Entries(_) => "entries",
            Op::Truncation(_) => "truncation",
            Op::Compaction(_) => "compaction",
            Op::SnapshotMarker(_) => "snapshot marker",
            Op::SnapshotNote(_) => "snapshot note",
            Op::HardState(_) => "hard state",
            Op::StablePut { .. } => "stable key",
            Op::StableDelete { .. } => "stable key removal",
            Op::Group { .. } => "group",
            Op::GroupRemoval => "group removal",
            Op::Base { .. } => "base",
            Op::Bounds(_) => "bounds",
        }
    }
}

/// The records of one payload, in order.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    payload: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    /// Begins with the first record.
    pub fn new(payload: &'a [u8]) -> Records<'a> {
        Records { payload, at: 0 }
    }

    /// The next record, or `None` behind the last.
    ///
    /// # Errors
    /// The first field that cannot be right; the walk must not go on then.
    pub fn next_record(&mut self) -> Result<Option<Record<'a>>, Malformed> {
        if self.at >= self.payload.len() {
            return Ok(None);
        }
        let start = self.at;
        let mut header = Wire::starting(self.payload, start);
        let unknown = header.newer("record type");
        let number = header.u8("record type")?;
        let wrong_len = header.malformed("record length");
        let len = usize::try_from(header.u32("record length")?).map_err(|_| wrong_len)?;
        let end = start + RECORD_HEADER_BYTES + len;
        let known = self.payload.get(..end).ok_or(wrong_len)?;
        let mut wire = Wire::starting(known, header.at());
        let wrong_group = wire.malformed("group number");
        let group = u32::try_from(wire.varint("group number")?).map_err(|_| wrong_group)?;
        let op = take_op(number, &mut wire)?.ok_or(unknown)?;
        if wire.left() != 0 && !matches!(op, Op::Entries(_)) {
            return Err(wire.malformed("bytes behind the record"));
        }
        self.at = end;
        Ok(Some(Record { group: GroupNo(group), span: start..end, op }))
    }
}

fn take_op<'a>(number: u8, wire: &mut Wire<'a>) -> Result<Option<Op<'a>>, Malformed> {
    Ok(Some(match number {
        ENTRIES => Op::Entries(take_entries(wire)?),
        TRUNCATION => Op::Truncation(LogIndex(wire.varint("first index removed")?)),
        COMPACTION => Op::Compaction(take_id(wire)?),
        SNAPSHOT_MARKER => Op::SnapshotMarker(take_snapshot(wire)?),
        SNAPSHOT_NOTE => Op::SnapshotNote(take_snapshot(wire)?),
        HARD_STATE => Op::HardState(take_hard_state(wire)?),
        STABLE_PUT => take_stable(wire)?,
        STABLE_DELETE => Op::StableDelete { key: wire.string(TEXT_MAX, "stable key")? },
        GROUP => take_group(wire)?,
        GROUP_REMOVAL => Op::GroupRemoval,
        BASE => Op::Base {
            oldest_needed: SegmentNo(wire.varint("oldest segment needed")?),
            groups: wire.varint("number of groups")?,
        },
        BOUNDS => Op::Bounds(take_bounds(wire)?),
        _ => return Ok(None),
    }))
}

fn take_entries<'a>(wire: &mut Wire<'a>) -> Result<EntriesRecord<'a>, Malformed> {
    let start = wire.malformed("number of entries");
    let count = wire.varint("number of entries")?;
    let first = LogIndex(wire.varint("first index")?);
    // Every entry takes at least two bytes.
    let possible = super::wire::len_u64(wire.left() / 2);
    let last = count.checked_sub(1).and_then(|more| first.0.checked_add(more)).map(LogIndex);
    let range = last.and_then(|last| IndexRange::new(first, last));
    match range {
        Some(range) if count <= possible => Ok(EntriesRecord { count, range, wire: *wire }),
        _ => Err(start),
    }
}

fn take_id(wire: &mut Wire<'_>) -> Result<LogId, Malformed> {
    let index = LogIndex(wire.varint("index")?);
    Ok(LogId { index, term: Term(wire.varint("term")?) })
}

fn take_snapshot<'a>(wire: &mut Wire<'a>) -> Result<SnapshotFields<'a>, Malformed> {
    let last = take_id(wire)?;
    let named = take_flags(wire, 1, "snapshot flags")?;
    let id = wire.text(TEXT_MAX, "snapshot id")?;
    let note = wire.string(ENTRY_CONTENT_MAX, "snapshot note")?;
    Ok(SnapshotFields { last, id: (named != 0).then_some(id), note })
}

fn take_flags(wire: &mut Wire<'_>, known: u8, what: &'static str) -> Result<u8, Malformed> {
    let newer = wire.newer(what);
    let flags = wire.u8(what)?;
    if flags & !known != 0 { Err(newer) } else { Ok(flags) }
}

fn take_hard_state(wire: &mut Wire<'_>) -> Result<HardState, Malformed> {
    let known = HAS_TERM | HAS_COMMIT | HAS_VOTE | HAS_VOTE_TERM | HAS_VOTE_ID | HAS_VOTE_BYTES;
    let start = wire.malformed("hard state flags");
    let flags = take_flags(wire, known, "hard state flags")?;
    let has = |flag: u8| flags & flag != 0;
    let vote_parts = has(HAS_VOTE_TERM) || has(HAS_VOTE_ID) || has(HAS_VOTE_BYTES);
    if (vote_parts && !has(HAS_VOTE)) || (has(HAS_VOTE_ID) && has(HAS_VOTE_BYTES)) {
        return Err(start);
    }
    let mut number = |flag: u8, what| {
        if has(flag) { wire.varint(what).map(Some) } else { Ok(None) }
    };
    let term = number(HAS_TERM, "term")?.map(Term);
    let commit = number(HAS_COMMIT, "commit index")?.map(LogIndex);
    let vote_term = number(HAS_VOTE_TERM, "vote term")?.map(Term);
    let id = number(HAS_VOTE_ID, "candidate")?.map(Candidate::Id);
    let candidate = if has(HAS_VOTE_BYTES) {
        Some(Candidate::Bytes(SharedBytes::from(wire.string(TEXT_MAX, "candidate")?)))
    } else {
        id
    };
    let vote = has(HAS_VOTE).then_some(Vote { term: vote_term, candidate });
    Ok(HardState { term, vote, commit })
}

fn take_stable<'a>(wire: &mut Wire<'a>) -> Result<Op<'a>, Malformed> {
    let newer = wire.newer("integer form");
    let integer = match wire.u8("integer form")? {
        0 => None,
        1 => Some(ByteOrder::Big),
        2 => Some(ByteOrder::Little),
        _ => return Err(newer),
    };
    let key = wire.string(TEXT_MAX, "stable key")?;
    let bytes = SharedBytes::from(wire.string(ENTRY_CONTENT_MAX, "stable value")?);
    Ok(Op::StablePut { key, value: StableValue { bytes, integer } })
}

fn take_group<'a>(wire: &mut Wire<'a>) -> Result<Op<'a>, Malformed> {
    let flags = take_flags(wire, 3, "group flags")?;
    let name = wire.text(TEXT_MAX, "group name")?;
    let schema = wire.text(TEXT_MAX, "schema")?;
    let note = wire.string(ENTRY_CONTENT_MAX, "group note")?;
    let id = if flags & 1 == 0 { GroupId::Unnamed } else { GroupId::named(name) };
    Ok(Op::Group { id, schema: (flags & 2 != 0).then_some(schema), note })
}

fn take_bounds(wire: &mut Wire<'_>) -> Result<Option<IndexRange>, Malformed> {
    if take_flags(wire, 1, "bounds flags")? == 0 {
        return Ok(None);
    }
    let start = wire.malformed("bounds");
    let first = LogIndex(wire.varint("first index")?);
    let last = LogIndex(wire.varint("last index")?);
    IndexRange::new(first, last).map(Some).ok_or(start)
}

#[cfg(test)]
mod tests;
