use std::fmt;

use crate::model::{AppendTime, Entry, LogState, SharedBytes, StableValue};

/// In what two logs differ, as `diff` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// One side has no such entry or group.
    Presence,
    /// The term.
    Term,
    /// The kind, or its number.
    Kind,
    /// The payload.
    Payload,
    /// The extensions.
    Extensions,
    /// The append time.
    AppendedAt,
    /// What the source's own format holds beyond the model.
    Note,
    /// A part of the state: `term`, `vote`, `commit`, a stable key, ...
    State(String),
    /// The snapshot marker.
    Snapshot,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Presence => "presence",
            Field::Term => "term",
            Field::Kind => "kind",
            Field::Payload => "payload",
            Field::Extensions => "extensions",
            Field::AppendedAt => "appended-at",
            Field::Note => "note",
            Field::State(part) => return write!(f, "state:{part}"),
            Field::Snapshot => "snapshot",
        })
    }
}

/// Which fields of two entries are compared, and how strictly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryFields {
    /// Terms.
    pub term: bool,
    /// Kinds.
    pub kind: bool,
    /// Numbers of the kinds also, where the kinds agree. Unknown kinds have nothing else, so their
    /// numbers are compared with the kinds.
    pub kind_code: bool,
    /// Payloads.
    pub payload: bool,
    /// nil and empty payloads are told apart.
    pub nil_payload: bool,
    /// Extensions, nil and empty told apart with `nil_payload`.
    pub extensions: bool,
    /// Append times, as moments.
    pub appended_at: bool,
    /// Form, zone, and nil, absent and zero append times also.
    pub time_form: bool,
    /// Notes.
    pub note: bool,
}

impl EntryFields {
    /// What the entries mean, in whatever form it was written.
    pub const MEANING: EntryFields = EntryFields {
        term: true,
        kind: true,
        kind_code: false,
        payload: true,
        nil_payload: false,
        extensions: true,
        appended_at: true,
        time_form: false,
        note: false,
    };

    /// Everything the model holds.
    pub const EXACT: EntryFields = EntryFields {
        kind_code: true,
        nil_payload: true,
        time_form: true,
        note: true,
        ..Self::MEANING
    };
}

impl Entry {
    /// The first field, in the order of [`EntryFields`], in which two entries of one index differ.
    pub fn difference(&self, other: &Entry, fields: &EntryFields) -> Option<Field> {
        let same = |a: &Option<SharedBytes>, b: &Option<SharedBytes>| {
            a.as_deref().unwrap_or_default() == b.as_deref().unwrap_or_default()
                && (!fields.nil_payload || a.is_some() == b.is_some())
        };
        if fields.term && self.term != other.term {
            return Some(Field::Term);
        }
        let codes = fields.kind_code || self.kind == crate::model::EntryKind::Unknown;
        if fields.kind && (self.kind != other.kind || (codes && self.kind_code != other.kind_code))
        {
            return Some(Field::Kind);
        }
        if fields.payload && !same(&self.payload, &other.payload) {
            return Some(Field::Payload);
        }
        if fields.extensions && !same(&self.extra.extensions, &other.extra.extensions) {
            return Some(Field::Extensions);
        }
        let times = (&self.extra.appended_at, &other.extra.appended_at);
        if fields.appended_at && !same_time(times.0, times.1, fields.time_form) {
            return Some(Field::AppendedAt);
        }
        (fields.note && self.extra.note != other.extra.note).then_some(Field::Note)
    }
}

fn same_time(a: &AppendTime, b: &AppendTime, exact: bool) -> bool {
    if exact {
        return a == b;
    }
    let moment = |time: &AppendTime| time.instant().map(|at| (at.unix_seconds, at.nanoseconds));
    moment(a) == moment(b)
}

/// Which parts of two states are compared, and how strictly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateFields {
    /// Term, vote.
    pub hard: bool,
    /// Who got the vote.
    pub candidate: bool,
    /// Commit index.
    pub commit: bool,
    /// Stable keys, by what they mean.
    pub stable: bool,
    /// Bytes and integer form of stable values also.
    pub stable_form: bool,
    /// Compacted-through and newest snapshot.
    pub snapshot: bool,
    /// Name of the schema, and notes of the source's own format.
    pub note: bool,
}

impl StateFields {
    /// What the state means.
    pub const MEANING: StateFields = StateFields {
        hard: true,
        candidate: true,
        commit: true,
        stable: true,
        stable_form: false,
        snapshot: true,
        note: false,
    };

    /// Everything the model holds.
    pub const EXACT: StateFields = StateFields { stable_form: true, note: true, ..Self::MEANING };
}

/// One part in which two states differ, with both values as text; `None` where it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDifference {
    /// Which part.
    pub field: Field,
    /// Its value on the left.
    pub a: Option<String>,
    /// Its value on the right.
    pub b: Option<String>,
}

impl LogState {
    /// Every compared part in which two states differ; bounds are never compared.
    pub fn differences(&self, other: &LogState, fields: &StateFields) -> Vec<StateDifference> {
        let mut found = Vec::new();
        let mut compare = |field: Field, a: Option<String>, b: Option<String>| {
            if a != b {
                found.push(StateDifference { field, a, b });
            }
        };
        let part = |name: &str| Field::State(name.to_owned());
        if fields.hard {
            let term = |state: &LogState| state.hard.term.map(|term| term.to_string());
            compare(part("term"), term(self), term(other));
            let vote = |state: &LogState| vote_text(state, fields.candidate);
            compare(part("vote"), vote(self), vote(other));
        }
        if fields.commit {
            let commit = |state: &LogState| state.hard.commit.map(|index| index.to_string());
            compare(part("commit"), commit(self), commit(other));
        }
        if fields.snapshot {
            let compacted = |state: &LogState| {
                state.compacted.map(|id| format!("index {} term {}", id.index, id.term))
            };
            compare(part("compacted"), compacted(self), compacted(other));
            compare(Field::Snapshot, snapshot_text(self), snapshot_text(other));
        }
        if fields.note {
            compare(part("schema"), self.schema.clone(), other.schema.clone());
            let note = |bytes: &SharedBytes| (!bytes.is_empty()).then(|| hex(bytes));
            compare(part("note"), note(&self.note), note(&other.note));
            let snapshot_note = |state: &LogState| {
                state.snapshot.as_ref().and_then(|snapshot| note(&snapshot.note))
            };
            compare(Field::Snapshot, snapshot_note(self), snapshot_note(other));
        }
        if fields.stable {
            found.extend(stable_differences(self, other, fields.stable_form));
        }
        found
    }
}

fn stable_differences(a: &LogState, b: &LogState, exact: bool) -> Vec<StateDifference> {
    let same = |key: &Vec<u8>| match (a.stable.get(key), b.stable.get(key)) {
        (Some(a), Some(b)) if exact => a == b,
        (Some(a), Some(b)) => a.means_same(b),
        // One store keeps its HardState in stable keys, the other elsewhere.
        (Some(_), None) => !exact && a.repeats_hard_state(key),
        (None, Some(_)) => !exact && b.repeats_hard_state(key),
        (None, None) => true,
    };
    let mut keys: Vec<&Vec<u8>> = a.stable.keys().chain(b.stable.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| !same(key))
        .map(|key| StateDifference {
            field: Field::State(String::from_utf8_lossy(key).into_owned()),
            a: a.stable.get(key).map(stable_text),
            b: b.stable.get(key).map(stable_text),
        })
        .collect()
}

fn stable_text(value: &StableValue) -> String {
    match value.as_u64() {
        Some(number) => format!("{number} ({})", hex(&value.bytes)),
        None => format!("bytes {}", hex(&value.bytes)),
    }
}

fn vote_text(state: &LogState, with_candidate: bool) -> Option<String> {
    let vote = state.hard.vote.as_ref()?;
    let term = vote.term.map_or("no term".to_owned(), |term| format!("term {term}"));
    let candidate = match vote.candidate.as_ref().filter(|_| with_candidate) {
        None => String::new(),
        Some(crate::model::Candidate::Id(id)) => format!(" for {id}"),
        Some(crate::model::Candidate::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            // In quotes, so that the text 7 is not the number 7.
            Ok(text) if !text.chars().any(|c| c.is_control() || c == '"') => {
                format!(" for \"{text}\"")
            }
            _ => format!(" for bytes {}", hex(bytes)),
        },
    };
    Some(format!("{term}{candidate}"))
}

fn snapshot_text(state: &LogState) -> Option<String> {
    let snapshot = state.snapshot.as_ref()?;
    let id = snapshot.id.as_ref().map_or(String::new(), |id| format!(" id {id:?}"));
    Some(format!("index {} term {}{id}", snapshot.index, snapshot.term))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
