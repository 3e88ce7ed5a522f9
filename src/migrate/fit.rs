//! What of a log fits into a target: the one place that decides what is left out, so that plan,
//! copy and comparison agree.

use crate::migrate::LossName;
use crate::model::{
    Candidate, Entry, EntryFields, EntryKind, LogState, SharedBytes, StateFields, TimeForm, Vote,
};
use crate::store::codec::in_time_form;
use crate::store::{Profile, VoteForm};

/// Set in the number of a kind that the target does not know.
const FOREIGN_KIND: u32 = 0x80;
/// Stable keys that every store of a Raft node has a place for.
const COMMON_KEYS: [&[u8]; 3] = [b"CurrentTerm", b"LastVoteTerm", b"LastVoteCand"];

/// How the log of one group fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    target: &'static Profile,
    /// The target keeps notes and forms of the source: any, or those of its own schema.
    keeps_form: bool,
    /// Form in which append times are written, where one was asked for.
    pub(super) time_form: Option<TimeForm>,
}

impl Fit {
    /// How a group with `state` fits into `target`.
    pub(super) fn new(
        target: &'static Profile,
        state: &LogState,
        time_form: Option<TimeForm>,
    ) -> Fit {
        let own = state.schema.as_deref().is_some_and(|schema| schema == target.schema);
        Fit { target, keeps_form: target.holds.notes || own, time_form }
    }

    /// Whether every entry fits as it is, so that no payload has to be looked at to know it.
    pub(super) fn takes_every_entry(&self) -> bool {
        let holds = &self.target.holds;
        holds.terms && holds.appended_at && holds.extensions && self.keeps_form
    }

    /// What is lost of `entry`.
    pub(super) fn entry_losses(&self, entry: &Entry, mut lose: impl FnMut(LossName)) {
        let holds = &self.target.holds;
        if !holds.terms {
            lose(LossName::Term);
        }
        if !holds.appended_at && entry.extra.appended_at.instant().is_some() {
            lose(LossName::AppendedAt);
        }
        if !holds.extensions && entry.extra.extensions.is_some() {
            lose(LossName::Extensions);
        }
        if !self.keeps_form && !entry.extra.note.is_empty() {
            lose(LossName::UnknownFields);
        }
    }

    /// What is lost of `state`, and how often.
    pub(super) fn state_losses(&self, state: &LogState, mut lose: impl FnMut(LossName, u64)) {
        let holds = &self.target.holds;
        let mut lose_if = |lost: bool, name| {
            if lost {
                lose(name, 1);
            }
        };
        let marker = state.compacted.is_some() || state.snapshot.is_some();
        lose_if(!holds.commit && state.hard.commit.is_some(), LossName::CommitIndex);
        lose_if(!holds.snapshot_marker && marker, LossName::SnapshotMarker);
        let candidate = state.hard.vote.as_ref().and_then(|vote| vote.candidate.as_ref());
        let fits = candidate.is_none_or(|candidate| self.holds_candidate(candidate));
        lose_if(!fits, LossName::VoteCandidate);
        lose_if(!self.keeps_form && !state.note.is_empty(), LossName::UnknownFields);
        let homeless = state.stable.keys().filter(|key| !self.holds_key(key)).count();
        if homeless > 0 {
            lose(LossName::StableKeys, homeless as u64);
        }
    }

    /// Takes from `entry` what does not fit.
    pub(super) fn entry(&self, entry: &mut Entry) {
        let holds = &self.target.holds;
        if !self.target.kinds.contains(&entry.kind) {
            entry.kind = EntryKind::Unknown;
            // The number means something else there; above this none of them means anything.
            entry.kind_code = entry.kind_code.map(|code| code | FOREIGN_KIND);
        }
        if !holds.appended_at {
            entry.extra.appended_at = Default::default();
        }
        if !holds.extensions {
            entry.extra.extensions = None;
        }
        if !self.keeps_form {
            entry.extra.note = SharedBytes::default();
        }
        if let Some(form) = self.time_form.filter(|_| holds.time_form_matters) {
            in_time_form(entry, form);
        }
    }

    /// `state` without what does not fit.
    pub(super) fn state(&self, state: &LogState) -> LogState {
        let holds = &self.target.holds;
        let mut state = state.clone();
        if !holds.commit {
            state.hard.commit = None;
        }
        if !holds.snapshot_marker {
            (state.compacted, state.snapshot) = (None, None);
        }
        if let Some(vote) = &mut state.hard.vote {
            vote.candidate = vote.candidate.take().filter(|one| self.holds_candidate(one));
        }
        if state.hard.vote == Some(Vote::default()) {
            state.hard.vote = None;
        }
        if !self.keeps_form {
            state.note = SharedBytes::default();
        }
        state.stable.retain(|key, _| self.holds_key(key));
        state
    }

    /// How entries must equal each other after the copy.
    pub(super) fn entry_fields(&self) -> EntryFields {
        EntryFields {
            term: self.target.holds.terms,
            kind_code: self.keeps_form,
            nil_payload: self.target.holds.nil_payload,
            time_form: self.keeps_form,
            note: self.keeps_form,
            ..EntryFields::EXACT
        }
    }

    /// How states must equal each other after the copy.
    pub(super) fn state_fields(&self) -> StateFields {
        StateFields { stable_form: self.keeps_form, note: self.keeps_form, ..StateFields::EXACT }
    }

    /// Whether the target may hold stable keys that the source has not: it keeps its HardState
    /// there, and the source kept it elsewhere.
    pub(super) fn may_add_keys(&self) -> bool {
        !self.keeps_form
    }

    fn holds_candidate(&self, candidate: &Candidate) -> bool {
        match (self.target.holds.vote, candidate) {
            (VoteForm::Both, _) => true,
            (VoteForm::Number, candidate) => matches!(candidate, Candidate::Id(_)),
            (VoteForm::Bytes, candidate) => matches!(candidate, Candidate::Bytes(_)),
        }
    }

    fn holds_key(&self, key: &[u8]) -> bool {
        self.target.holds.stable_keys || COMMON_KEYS.contains(&key)
    }
}
