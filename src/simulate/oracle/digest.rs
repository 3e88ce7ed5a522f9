//! 128 bits that stand for a state. Those of entries and groups add up, so that a state's digest
//! follows each operation without looking at what stayed as it was.

use xxhash_rust::xxh3::xxh3_128;

use crate::model::{
    AppendTime, ByteOrder, Candidate, Entry, GroupId, LogId, LogState, TimeForm, Zone,
};

/// Stands for a group's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupTag(u128);

impl GroupTag {
    /// The tag of a group.
    pub fn of(group: &GroupId) -> GroupTag {
        let mut bytes = Bytes(Vec::with_capacity(64));
        bytes.option(group.name(), |bytes, name| bytes.text(name.as_bytes()));
        GroupTag(xxh3_128(&bytes.0))
    }
}

/// Stands for an entry in its group. `buffer` is used again and again.
pub fn entry_mark(group: GroupTag, entry: &Entry, buffer: &mut Vec<u8>) -> u128 {
    buffer.clear();
    let mut bytes = Bytes(std::mem::take(buffer));
    bytes.wide(group.0);
    bytes.number(entry.index.0);
    bytes.number(entry.term.0);
    bytes.0.extend_from_slice(entry.kind.as_str().as_bytes());
    bytes.option(entry.kind_code, |bytes, code| bytes.number(u64::from(code)));
    bytes.option(entry.payload.as_deref(), |bytes, payload| bytes.hashed(payload));
    bytes.option(entry.extra.extensions.as_deref(), |bytes, extra| bytes.hashed(extra));
    bytes.hashed(&entry.extra.note);
    bytes.time(&entry.extra.appended_at);
    let mark = xxh3_128(&bytes.0);
    *buffer = bytes.0;
    mark
}

/// Stands for everything of a group beside its entries.
pub fn state_mark(group: GroupTag, state: &LogState, buffer: &mut Vec<u8>) -> u128 {
    buffer.clear();
    let mut bytes = Bytes(std::mem::take(buffer));
    bytes.wide(group.0);
    bytes.text(b"state");
    bytes.option(state.hard.term, |bytes, term| bytes.number(term.0));
    bytes.option(state.hard.vote.as_ref(), |bytes, vote| {
        bytes.option(vote.term, |bytes, term| bytes.number(term.0));
        bytes.option(vote.candidate.as_ref(), |bytes, candidate| match candidate {
            Candidate::Id(id) => {
                bytes.0.push(0);
                bytes.number(*id);
            }
            Candidate::Bytes(name) => {
                bytes.0.push(1);
                bytes.text(name);
            }
        });
    });
    bytes.option(state.hard.commit, |bytes, commit| bytes.number(commit.0));
    bytes.number(state.stable.len() as u64);
    for (key, value) in &state.stable {
        bytes.text(key);
        bytes.text(&value.bytes);
        bytes.option(value.integer, |bytes, order| bytes.0.push(u8::from(order == ByteOrder::Big)));
    }
    bytes.option(state.compacted, Bytes::id);
    bytes.option(state.snapshot.as_ref(), |bytes, snapshot| {
        bytes.id(LogId { index: snapshot.index, term: snapshot.term });
        bytes.option(snapshot.id.as_ref(), |bytes, id| bytes.text(id.as_bytes()));
        bytes.text(&snapshot.note);
    });
    bytes.option(state.bounds, |bytes, bounds| {
        bytes.number(bounds.first().0);
        bytes.number(bounds.last().0);
    });
    bytes.option(state.schema.as_ref(), |bytes, schema| bytes.text(schema.as_bytes()));
    bytes.text(&state.note);
    let mark = xxh3_128(&bytes.0);
    *buffer = bytes.0;
    mark
}

/// An unambiguous sequence of fields.
struct Bytes(Vec<u8>);

impl Bytes {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn wide(&mut self, number: u128) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text);
    }

    /// Long texts by their digest, so that they are not copied.
    fn hashed(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        if !text.is_empty() {
            self.wide(xxh3_128(text));
        }
    }

    fn option<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Bytes, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            put(self, value);
        }
    }

    fn id(&mut self, id: LogId) {
        self.number(id.index.0);
        self.number(id.term.0);
    }

    fn time(&mut self, time: &AppendTime) {
        match time {
            AppendTime::Absent => self.0.push(0),
            AppendTime::Nil => self.0.push(1),
            AppendTime::At(instant) => {
                self.0.push(2);
                self.0.extend_from_slice(&instant.unix_seconds.to_le_bytes());
                self.number(u64::from(instant.nanoseconds));
                self.0.push(u8::from(instant.form == TimeForm::New));
                let seconds = match instant.zone {
                    Zone::Utc => i64::MAX,
                    Zone::East { seconds } => i64::from(seconds),
                };
                self.0.extend_from_slice(&seconds.to_le_bytes());
            }
        }
    }
}
