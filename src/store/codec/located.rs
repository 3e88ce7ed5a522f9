//! What is wrong with an entry although it decoded.

use crate::model::{Code, Fault, FaultKind, GroupId, LogIndex, Place};
use crate::store::codec::DecodedHead;

/// Lowest index that hashicorp/raft ever writes.
pub const INDEX_USUAL_MIN: u64 = 1;

/// What is wrong with an entry that was decoded; indexes below `usual_min` are odd.
pub fn entry_faults(
    decoded: &DecodedHead,
    usual_min: LogIndex,
    place: &Place,
    group: &GroupId,
) -> Vec<Fault> {
    let entry = &decoded.head;
    let mut faults = Vec::new();
    let mut add = |code, what, expected: String, found: String| {
        let kind = FaultKind::Field { what, expected, found };
        let fault = Fault::new(code, kind).at(place.clone()).in_group(group);
        faults.push(fault.at_index(entry.index).at_term(entry.term));
    };
    if decoded.index_inside != entry.index {
        let (expected, found) = (entry.index.to_string(), decoded.index_inside.to_string());
        add(Code::R120, "index inside the value", format!("{expected}, its key"), found);
    }
    if decoded.trailing_bytes > 0 {
        let found = format!("{} more bytes", decoded.trailing_bytes);
        add(Code::R124, "what follows the encoded entry", "nothing".to_owned(), found);
    }
    if entry.index < usual_min {
        let expected = format!("{usual_min} or more");
        add(Code::R127, "index of an entry", expected, entry.index.to_string());
    }
    faults
}
