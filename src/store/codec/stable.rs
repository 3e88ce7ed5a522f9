//! The stable keys of hashicorp/raft: integers of eight bytes in the order of the library that
//! stores them, raft-boltdb big-endian, raft-fastlog little-endian.

use crate::model::{
    ByteOrder, Candidate, Code, Fault, FaultKind, HardState, Place, SharedBytes, StableMap,
    StableValue, Term, Vote,
};

/// Current term.
const CURRENT_TERM: &[u8] = b"CurrentTerm";
/// Term of the last vote.
const LAST_VOTE_TERM: &[u8] = b"LastVoteTerm";
/// Who got the last vote.
const LAST_VOTE_CANDIDATE: &[u8] = b"LastVoteCand";

/// Terms stay far below this; a larger one that is small when its bytes are turned around was
/// written in the wrong order.
const PLAUSIBLE_TERM_END: u64 = 1 << 32;

fn is_integer(key: &[u8]) -> bool {
    [CURRENT_TERM, LAST_VOTE_TERM].contains(&key)
}

/// A value as it lies under `key` in a store that keeps integers in `order`.
pub fn stable_value(key: &[u8], bytes: SharedBytes, order: ByteOrder) -> StableValue {
    StableValue { bytes, integer: is_integer(key).then_some(order) }
}

/// What is wrong with the value of an integer key (R125).
pub fn odd_integer(key: &[u8], value: &[u8], order: ByteOrder, place: Place) -> Option<Fault> {
    if !is_integer(key) {
        return None;
    }
    let what = if key == CURRENT_TERM { "CurrentTerm" } else { "LastVoteTerm" };
    let (own, other) = match order {
        ByteOrder::Big => ("big-endian", "little-endian"),
        ByteOrder::Little => ("little-endian", "big-endian"),
    };
    let Ok(bytes) = <[u8; 8]>::try_from(value) else {
        let expected = format!("8 bytes, a {own} number");
        let found = format!("{} bytes", value.len());
        return Some(Fault::new(Code::R125, FaultKind::Field { what, expected, found }).at(place));
    };
    let (big, little) = (u64::from_be_bytes(bytes), u64::from_le_bytes(bytes));
    let (number, turned) = match order {
        ByteOrder::Big => (big, little),
        ByteOrder::Little => (little, big),
    };
    if number < PLAUSIBLE_TERM_END || turned >= PLAUSIBLE_TERM_END {
        return None;
    }
    let expected = format!("a {own} number");
    let found = format!("{number}, which read as {other} would be {turned}");
    Some(Fault::new(Code::R125, FaultKind::Field { what, expected, found }).at(place))
}

/// The HardState that the stable keys mean to hashicorp/raft.
pub fn hard_state(stable: &StableMap) -> HardState {
    let term = |key: &[u8]| stable.get(key).and_then(StableValue::as_u64).map(Term);
    // The library reads an empty candidate as "no vote".
    let candidate = stable
        .get(LAST_VOTE_CANDIDATE)
        .filter(|value| !value.bytes.is_empty())
        .map(|value| Candidate::Bytes(value.bytes.clone()));
    let vote = Vote { term: term(LAST_VOTE_TERM), candidate };
    HardState {
        term: term(CURRENT_TERM),
        vote: (vote != Vote::default()).then_some(vote),
        commit: None,
    }
}

/// The bytes to store for each stable key of a group: what it has, integers in the byte `order` of
/// the target, and what only its HardState knows; keys ascending.
pub fn stable_to_store(
    stable: &StableMap,
    hard: &HardState,
    order: ByteOrder,
) -> Vec<(Vec<u8>, SharedBytes)> {
    let ordered = |number: u64| match order {
        ByteOrder::Big => SharedBytes::from(&number.to_be_bytes()[..]),
        ByteOrder::Little => SharedBytes::from(&number.to_le_bytes()[..]),
    };
    let mut rows = Vec::with_capacity(stable.len() + 3);
    for (key, value) in stable {
        let bytes = match value.as_u64() {
            Some(number) if is_integer(key) => ordered(number),
            _ => value.bytes.clone(),
        };
        rows.push((key.clone(), bytes));
    }
    let mut add = |key: &[u8], bytes: Option<SharedBytes>| {
        if let Some(bytes) = bytes.filter(|_| !stable.contains_key(key)) {
            rows.push((key.to_vec(), bytes));
        }
    };
    let number = |term: Term| ordered(term.0);
    add(CURRENT_TERM, hard.term.map(number));
    if let Some(vote) = &hard.vote {
        add(LAST_VOTE_TERM, vote.term.map(number));
        add(
            LAST_VOTE_CANDIDATE,
            vote.candidate.as_ref().map(|candidate| match candidate {
                Candidate::Bytes(bytes) => bytes.clone(),
                Candidate::Id(id) => SharedBytes::from(id.to_string().into_bytes()),
            }),
        );
    }
    rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    rows
}
