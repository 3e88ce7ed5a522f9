//! raftpb.Entry as etcd writes it and eraftpb.Entry as raft-rs does, and their HardState.
//!
//! Both number the fields alike: 1 type, 2 term, 3 index, 4 data; raft-rs adds 6, a context. etcd
//! writes type, term and index even where they are zero, raft-rs leaves zeros out. That is how they
//! are told apart.

use std::ops::Range;

use crate::bytes::{Field, fields};
use crate::model::{Candidate, EntryKind, FaultKind, HardState, LogId, LogIndex, Term, Vote};
use crate::store::codec::framed::{Framed, odd};

/// Whose encoding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// etcd's: zeros are written.
    Raftpb,
    /// raft-rs's: zeros are left out.
    Eraftpb,
}

const TYPE: u64 = 1;
const TERM: u64 = 2;
const INDEX: u64 = 3;
const DATA: u64 = 4;
const SYNC_LOG: u64 = 5;
const CONTEXT: u64 = 6;

pub(super) fn kind_of(code: u64) -> EntryKind {
    match code {
        0 => EntryKind::Command,
        1 => EntryKind::ConfChange,
        2 => EntryKind::ConfChangeV2,
        _ => EntryKind::Unknown,
    }
}

fn range_in(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    // The part is a piece of the whole; where it begins is what is left behind the rest of it.
    let start = (part.as_ptr().addr()).checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

pub(super) fn entry(flavor: Flavor, value: &[u8]) -> Result<Framed, FaultKind> {
    let mut numbers = [None::<u64>; 3];
    let mut payload = None;
    let no_message = |what: &str| odd("encoded entry", "fields of an Entry", what.to_owned());
    for field in fields(value) {
        let (number, field) = field.map_err(|_| no_message("no protobuf message"))?;
        match (number, field) {
            (TYPE | TERM | INDEX, Field::Number(found)) => {
                let at = usize::try_from(number - 1).unwrap_or(usize::MAX);
                let Some(slot) = numbers.get_mut(at) else { continue };
                if flavor == Flavor::Eraftpb && found == 0 || slot.is_some() {
                    return Err(no_message("a field that its writer never writes so"));
                }
                *slot = Some(found);
            }
            (DATA, Field::Bytes(data)) if payload.is_none() => payload = range_in(value, data),
            (CONTEXT, Field::Bytes(_)) if flavor == Flavor::Eraftpb => {}
            (SYNC_LOG, Field::Number(_)) if flavor == Flavor::Eraftpb => {}
            (other, _) => return Err(no_message(&format!("field {other}"))),
        }
    }
    if flavor == Flavor::Raftpb && numbers.contains(&None) {
        return Err(no_message("no type, term or index"));
    }
    let [code, term, index] = numbers.map(Option::unwrap_or_default);
    Ok(Framed {
        index,
        term,
        kind: kind_of(code),
        kind_code: Some(u32::try_from(code).unwrap_or(u32::MAX)),
        payload,
        end: value.len(),
    })
}

/// HardState: 1 term, 2 vote, 3 commit; what is left out is zero, and a vote of zero is none.
pub(super) fn hard_state(value: &[u8]) -> Option<HardState> {
    let mut numbers = [0u64; 3];
    for field in fields(value) {
        let (number, Field::Number(found)) = field.ok()? else { return None };
        *numbers.get_mut(usize::try_from(number.checked_sub(1)?).ok()?)? = found;
    }
    let [term, vote, commit] = numbers;
    Some(numbers_of(term, vote, Some(commit)))
}

/// Index and term of a Snapshot (1 data, 2 metadata) or of its metadata (1 ConfState, 2 index,
/// 3 term) alone, and the ConfState as it lies there; what is left out is zero.
pub(super) fn snapshot(value: &[u8]) -> Option<(LogId, Vec<u8>)> {
    snapshot_metadata(value).or_else(|| {
        let mut metadata = None;
        for field in fields(value) {
            match field.ok()? {
                (1, Field::Bytes(_)) => {}
                (2, Field::Bytes(found)) if metadata.is_none() => metadata = Some(found),
                _ => return None,
            }
        }
        snapshot_metadata(metadata?)
    })
}

fn snapshot_metadata(value: &[u8]) -> Option<(LogId, Vec<u8>)> {
    let (mut members, mut index, mut term) = (Vec::new(), 0, 0);
    for field in fields(value) {
        match field.ok()? {
            (1, Field::Bytes(found)) => members = found.to_vec(),
            (2, Field::Number(found)) => index = found,
            (3, Field::Number(found)) => term = found,
            _ => return None,
        }
    }
    let id = LogId { index: LogIndex(index), term: Term(term) };
    (!value.is_empty() && index > 0).then_some((id, members))
}

/// What term, vote and commit index mean where a vote of zero is none.
pub(super) fn numbers_of(term: u64, vote: u64, commit: Option<u64>) -> HardState {
    let voted = Vote { term: Some(Term(term)), candidate: Some(Candidate::Id(vote)) };
    HardState {
        term: Some(Term(term)),
        vote: (vote != 0).then_some(voted),
        commit: commit.map(LogIndex),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_says_through_which_entry_it_reaches_with_or_without_its_data() {
        let metadata = [&[10, 3, 10, 1, 7][..], &[16, 60, 24, 4]].concat();
        let whole = [&[10, 2, 1, 2, 18, 9][..], &metadata].concat();
        let id = LogId { index: LogIndex(60), term: Term(4) };
        for value in [&metadata, &whole] {
            assert_eq!(snapshot(value), Some((id, vec![10, 1, 7])), "{value:?}");
        }
        for none in [&[][..], b"\x0a\x00", b"\x10\x00\x18\x04", b"hello", &[16, 60, 32, 1]] {
            assert_eq!(snapshot(none), None, "{none:?}");
        }
    }
}
