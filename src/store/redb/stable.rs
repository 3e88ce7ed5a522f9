//! The stable keys of a group, out of its conf tables, and what they mean.

use crate::model::{
    ByteOrder, Candidate, Code, Fault, FaultKind, GroupId, HardState, LogId, LogIndex, LogState,
    SharedBytes, SnapshotNote, StableMap, StableValue, Term, Vote,
};
use crate::store::StoreError;
use crate::store::codec::{ValueCodec, hard_state, odd_integer, stable_value};
use crate::store::redb::layout::{ConfTables, KeyForm};
use crate::store::redb::pages::Pages;
use crate::store::redb::tables::Table;
use crate::store::redb::tree::{Visit, Walk};

/// What a record beside a log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Term and vote, perhaps the commit index.
    HardState,
    /// Through which entry the log is committed.
    Committed,
    /// The last entry that was purged.
    Purged,
    /// The last index of the newest snapshot.
    SnapshotIndex,
    /// Its term.
    SnapshotTerm,
    /// The newest snapshot, or what is known of it.
    Snapshot,
}

impl Record {
    /// The record that is kept under a stable key of a group with these conf tables, in any of the
    /// usual spellings. Applications keep keys of their own there: what follows a slash counts only
    /// where the slash stands behind a label of ours.
    pub fn of(key: &[u8], confs: &[ConfTables]) -> Option<Record> {
        let within = confs.iter().find_map(|conf| match conf.key {
            KeyForm::Unit | KeyForm::Group => conf.row_key(key).map(|_| conf.label.as_bytes()),
            _ => conf.row_key(key),
        });
        let plain: Vec<u8> = within
            .unwrap_or(key)
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(u8::to_ascii_lowercase)
            .collect();
        match plain.as_slice() {
            b"vote" | b"ballot" | b"hardstate" => Some(Record::HardState),
            b"committed" => Some(Record::Committed),
            b"purged" | b"lastpurged" | b"lastpurgedlogid" => Some(Record::Purged),
            b"snapshotindex" => Some(Record::SnapshotIndex),
            b"snapshotterm" => Some(Record::SnapshotTerm),
            b"snapshot" | b"snapshotmetadata" => Some(Record::Snapshot),
            _ => None,
        }
    }

    /// Whether `value` is such a record, in the encoding of the entries; one that says "none" too.
    pub fn reads(self, codec: ValueCodec, value: &[u8]) -> bool {
        match self {
            Record::HardState => codec.hard_state(value).is_some(),
            Record::Committed => codec.log_id(value).is_some() || codec.number(value).is_some(),
            Record::Purged => codec.log_id(value).is_some(),
            Record::SnapshotIndex | Record::SnapshotTerm => codec.number(value).is_some(),
            Record::Snapshot => codec.snapshot(value).is_some(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Record::HardState => "vote or hard state",
            Record::Committed => "committed",
            Record::Purged => "last purged",
            Record::SnapshotIndex => "snapshot index",
            Record::SnapshotTerm => "snapshot term",
            Record::Snapshot => "snapshot",
        }
    }
}

/// Reads the stable keys of `group` out of its conf tables, and what is wrong with them.
///
/// # Errors
/// Only when the file cannot be read.
pub fn read(
    pages: &Pages,
    confs: &[(ConfTables, Table)],
    group: &GroupId,
    codec: ValueCodec,
) -> Result<(StableMap, Vec<Fault>), StoreError> {
    let (mut stable, mut faults) = (StableMap::new(), Vec::new());
    for (conf, table) in confs {
        let mut walk = Walk::new(pages, table.shape("a page of a conf table"), table.root());
        while let Some(visit) = walk.step() {
            let leaf = match visit? {
                Visit::Leaf(leaf) => leaf,
                Visit::Branch(_) | Visit::Unread(..) => continue,
                Visit::Damaged(damaged) => {
                    faults.push(damaged.fault.in_group(group));
                    continue;
                }
            };
            for row in 0..leaf.rows() {
                let Some(key) = own_key((conf, table), leaf.key(row), group) else { continue };
                let (key, stored) = (conf.stable_key(key), leaf.value(row));
                let own = std::slice::from_ref(conf);
                // A value that is none of its type is kept as it is, and odd where it is known.
                let meant = conf.value.meant(&stored).unwrap_or(0..stored.len());
                let start = leaf.value_range(row).map_or(0, |range| range.start) + meant.start;
                let value = stored.slice(meant).unwrap_or_default();
                let at = leaf.offset_bytes.saturating_add(start as u64);
                let place = pages.place(at, value.len() as u64);
                let odd = match codec {
                    ValueCodec::RaftLog => odd_integer(&key, &value, ByteOrder::Big, place),
                    _ => odd_record(Record::of(&key, own), &value, codec)
                        .map(|fault| fault.at(place)),
                };
                faults.extend(odd.map(|fault| fault.in_group(group)));
                let value = kept(&key, value.detached(), codec);
                stable.insert(key, value);
            }
        }
    }
    Ok((stable, faults))
}

/// What of a row's key is the record's, where the row is the group's: all of it, unless keys name
/// groups. Before groups have names, all rows are of the unnamed one.
fn own_key<'k>(
    (conf, table): (&ConfTables, &Table),
    key: &'k [u8],
    group: &GroupId,
) -> Option<&'k [u8]> {
    if !conf.key.names_groups() {
        return Some(key);
    }
    let (of, rest) = conf.key.parts(key, table.is_of_redb_2())?;
    let own = group.name().is_none_or(|name| name.parse() == Ok(of));
    own.then_some(rest)
}

fn kept(key: &[u8], bytes: SharedBytes, codec: ValueCodec) -> StableValue {
    match codec {
        ValueCodec::RaftLog => stable_value(key, bytes, ByteOrder::Big),
        _ => StableValue { bytes, integer: None },
    }
}

/// What is wrong with a record that the encoding of the entries has a form for (R125).
fn odd_record(record: Option<Record>, value: &[u8], codec: ValueCodec) -> Option<Fault> {
    // A snapshot may be in any form: an application's own is no damage.
    let record = record.filter(|record| *record != Record::Snapshot)?;
    if !codec.has_records() || record.reads(codec, value) {
        return None;
    }
    let kind = FaultKind::Field {
        what: record.words(),
        expected: format!("a record in {}", codec.as_str()),
        found: format!("{} bytes that are none", value.len()),
    };
    Some(Fault::new(Code::R125, kind))
}

/// Term and vote under hashicorp's keys, as JSON: numbers, and text for an address.
fn hard_state_in_json(stable: &StableMap) -> HardState {
    let value = |key: &[u8]| -> Option<serde_json::Value> {
        serde_json::from_slice(&stable.get(key)?.bytes).ok()
    };
    let term = |key: &[u8]| value(key).and_then(|value| value.as_u64()).map(Term);
    let candidate = value(b"LastVoteCand").and_then(|value| match value {
        serde_json::Value::String(text) if !text.is_empty() => {
            Some(Candidate::Bytes(SharedBytes::from(text.into_bytes())))
        }
        other => other.as_u64().map(Candidate::Id),
    });
    let vote = Vote { term: term(b"LastVoteTerm"), candidate };
    let vote = (vote != Vote::default()).then_some(vote);
    HardState { term: term(b"CurrentTerm"), vote, commit: None }
}

/// Adds to a state what its stable keys mean, which come from these conf tables.
pub fn interpret(state: &mut LogState, codec: ValueCodec, confs: &[ConfTables]) {
    if codec == ValueCodec::RaftLog {
        state.hard = hard_state(&state.stable);
        return;
    }
    if codec == ValueCodec::JsonObject {
        state.hard = hard_state_in_json(&state.stable);
    }
    let (mut commit, mut index, mut term) = (None, None, None);
    for (key, value) in &state.stable {
        let bytes = &value.bytes;
        match Record::of(key, confs) {
            Some(Record::HardState) => {
                if let Some(hard) = codec.hard_state(bytes).flatten() {
                    state.hard = hard;
                }
            }
            Some(Record::Committed) => {
                let id = codec.log_id(bytes).flatten().map(|id| id.index);
                commit = id.or_else(|| codec.number(bytes).map(LogIndex));
            }
            Some(Record::Purged) => state.compacted = codec.log_id(bytes).flatten(),
            Some(Record::SnapshotIndex) => index = codec.number(bytes),
            Some(Record::SnapshotTerm) => term = codec.number(bytes),
            Some(Record::Snapshot) => {
                if let Some((id, members)) = codec.snapshot(bytes) {
                    let (LogId { index, term }, note) = (id, SharedBytes::from(members));
                    state.snapshot = Some(SnapshotNote { index, term, id: None, note });
                }
            }
            None => {}
        }
    }
    state.hard.commit = state.hard.commit.or(commit);
    // A snapshot through 0 is how "none yet" is written.
    if let (Some(index @ 1..), Some(term)) = (index, term) {
        let id = LogId { index: LogIndex(index), term: Term(term) };
        let note = SharedBytes::default();
        state.snapshot = Some(SnapshotNote { index: id.index, term: id.term, id: None, note });
    }
}
