//! Entries that were deleted and that the format's own loader brings back (R104), each with what a
//! server does that sees it.
//!
//! Every healthy server has some in front of its log, one for each compaction: these are warnings.

use crate::model::{Code, Fault, FaultKind, GroupId, IndexRange, LogIndex, Severity, Term};
use crate::store::raft_fastlog::Reading;
use crate::store::raft_fastlog::entries::HeadWalk;
use crate::store::raft_fastlog::index::Pieces;
use crate::store::window::Source;
use crate::store::{LocatedHead, StoreError};

/// Ghosts that are told one by one.
const TOLD_MAX: usize = 1_000;

/// A finding for each ghost.
///
/// # Errors
/// Only when the file cannot be read.
pub fn tell(
    source: &Source,
    (meant, ghosts): (&Pieces, &Pieces),
    reading: Reading,
) -> Result<Vec<Fault>, StoreError> {
    let mut faults = Vec::new();
    for ghost in HeadWalk::new(source, ghosts, IndexRange::ALL).take(TOLD_MAX) {
        let LocatedHead { head, .. } = ghost?;
        let kind = FaultKind::Broken {
            message: format!(
                "deleted, but this format's own loader brings it back: {}",
                consequence(head.index.0, head.term, meant, ghosts)
            ),
            expected: ends(meant),
            found: None,
        };
        let mut fault = Fault::new(Code::R104, kind).in_group(&GroupId::Unnamed);
        fault.place = head.place;
        if meant.bounds().is_some_and(|(first, _)| head.index.0 < first) {
            fault.severity = Severity::Warning;
        }
        faults.push(fault.at_index(head.index).at_term(head.term));
    }
    let more = ghosts.entries().saturating_sub(faults.len() as u64);
    if more > 0 {
        // Ghosts come in index order, so that those in front may hide worse ones here.
        let found = format!("{more} more deleted entries that the loader brings back");
        let kind = FaultKind::Note { found };
        faults.push(Fault::new(Code::R104, kind).in_group(&GroupId::Unnamed));
    }
    if reading == Reading::Loader {
        // Whoever asked for them has them in the log, where the rules judge them.
        faults.iter_mut().for_each(|fault| fault.severity = Severity::Info);
    }
    Ok(faults)
}

fn ends(meant: &Pieces) -> String {
    match meant.bounds() {
        Some((first, last)) => format!("the log that was meant, {first} to {last}"),
        None => "the log that was meant, which is empty".to_owned(),
    }
}

/// What a server does that opens the file.
fn consequence(index: u64, Term(term): Term, meant: &Pieces, ghosts: &Pieces) -> String {
    let Some((first, last)) = meant.bounds() else {
        return format!(
            "a server sees a log of entry {index} where there is none, and takes its term {term} \
             for that of its last entry"
        );
    };
    if index < first {
        return format!("harmless, as it lies in front of the log, which begins at {first}");
    }
    if index < last {
        return format!("a server sees it in a hole of the log, which ends at {last}");
    }
    let seen = ghosts.bounds().map_or(index, |(_, last)| last);
    let before = (index - 1 > last).then(|| missing(last + 1, index - 1));
    match before.flatten() {
        Some(missing) => format!(
            "a server that opens this file sees last index {seen} with {missing} missing and stops \
             (\"panic: log not found\"); the log that was meant ends at {last}"
        ),
        None => format!(
            "a server takes it for its last entry, of term {term}, which the cluster replaced; the \
             log that was meant ends at {last}"
        ),
    }
}

fn missing(first: u64, last: u64) -> Option<String> {
    let range = IndexRange::new(LogIndex(first), LogIndex(last))?;
    Some(match range.count() {
        1 => format!("index {first}"),
        _ => format!("indexes {first} to {last}"),
    })
}
