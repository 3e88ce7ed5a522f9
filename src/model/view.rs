//! State in the shape in which every command prints it as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{Candidate, HardState, LogIndex, SnapshotNote, Term};

/// [`HardState`] in the shape of the JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct HardStateView {
    /// Current term.
    pub term: Option<Term>,
    /// The vote.
    pub vote: Option<VoteView>,
    /// Commit index.
    pub commit: Option<LogIndex>,
}

/// [`Vote`](crate::model::Vote) in the shape of the JSON.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct VoteView {
    /// Term in which it was given.
    pub term: Option<Term>,
    /// Who got it, as text; a number in decimal; null where the bytes are no text.
    pub candidate: Option<String>,
    /// The bytes of it; those of a number are big-endian.
    pub candidate_hex: Option<String>,
}

/// A snapshot in the shape of the JSON.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SnapshotView {
    /// Last index that it covers.
    pub index: LogIndex,
    /// Term of that index.
    pub term: Term,
    /// Its name.
    pub id: Option<String>,
    /// Size of its state, where it stands beside the log.
    pub size_bytes: Option<u64>,
}

impl From<&SnapshotNote> for SnapshotView {
    fn from(snapshot: &SnapshotNote) -> SnapshotView {
        let SnapshotNote { index, term, id, .. } = snapshot;
        SnapshotView { index: *index, term: *term, id: id.clone(), size_bytes: None }
    }
}

impl From<&HardState> for HardStateView {
    fn from(hard: &HardState) -> HardStateView {
        let vote = hard.vote.as_ref().map(|vote| VoteView {
            term: vote.term,
            candidate: vote.candidate.as_ref().and_then(candidate_text),
            candidate_hex: vote.candidate.as_ref().map(candidate_hex),
        });
        HardStateView { term: hard.term, vote, commit: hard.commit }
    }
}

fn candidate_text(candidate: &Candidate) -> Option<String> {
    match candidate {
        Candidate::Id(id) => Some(id.to_string()),
        Candidate::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
    }
}

fn candidate_hex(candidate: &Candidate) -> String {
    match candidate {
        Candidate::Id(id) => format!("{id:016x}"),
        Candidate::Bytes(bytes) => data_encoding::HEXLOWER.encode(bytes),
    }
}
