//! What the overview and the statistics show, in the shape of the JSON.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{
    EntryKind, GroupId, HardStateView, IndexRange, LogId, LogIndex, Server, SnapshotView,
    StableMap, StableValue, Term,
};
use crate::store::Space;

/// `result` of the overview and of `--state`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Overview {
    /// One per group, the unnamed one first.
    pub groups: Vec<GroupView>,
    /// Use of the files.
    pub space: SpaceView,
    /// What the store holds that is no part of a Raft log: names and rows.
    pub other_contents: BTreeMap<String, u64>,
    /// Only with `--stats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<Stats>,
}

impl Overview {
    /// Id of the server whose log the only group is, and why: the only one of its membership, or
    /// the one that has one of the names in `dirs`, of which the first counts most.
    pub fn own_server(&self, dirs: &[String]) -> Option<(&str, String)> {
        let [group] = self.groups.as_slice() else { return None };
        let servers = &group.membership.as_ref()?.servers;
        if let [only] = servers.as_slice() {
            return Some((&only.id, format!("node {}: the only member of its cluster", only.id)));
        }
        let named = |dir: &String| servers.iter().find(|server| server.id == *dir);
        let id = dirs.iter().find_map(named)?.id.as_str();
        let count = servers.len();
        let why = format!("node {id}: a directory of this name, of the {count} members' ids");
        Some((id, why))
    }
}

/// A group at a glance. `None` means that the store does not record it; 0 is a value.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GroupView {
    /// Its name, or null for the unnamed one.
    pub group: GroupId,
    /// First index present.
    pub first_index: Option<LogIndex>,
    /// Last index present.
    pub last_index: Option<LogIndex>,
    /// Term of the first entry.
    pub first_term: Option<Term>,
    /// Term of the last entry.
    pub last_term: Option<Term>,
    /// Number of entries that could be read.
    pub entries: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Missing indexes between entries, the first 1,000 runs.
    pub holes: Vec<IndexRange>,
    /// Number of all runs of missing indexes.
    pub holes_total: u64,
    /// Entries by kind.
    pub by_kind: BTreeMap<String, u64>,
    /// Term, vote and commit index.
    pub hard_state: HardStateView,
    /// Stable keys. A key that is not UTF-8 is shown as `hex:` and its bytes.
    pub stable: BTreeMap<String, StableView>,
    /// The log starts after it.
    pub compacted: Option<LogIdView>,
    /// Newest snapshot known, in the store or beside it; its state is not proven here.
    pub snapshot: Option<SnapshotView>,
    /// Number of snapshots beside the log; null where there is no place for any.
    pub snapshots: Option<u64>,
    /// The newest membership that decodes, in the log or in the snapshot.
    pub membership: Option<MembershipView>,
    /// What the next start does about a `peers.json` beside the log; null where there is none.
    pub recovery: Option<String>,
}

/// A stable value.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StableView {
    /// The bytes in the file.
    pub hex: String,
    /// The number they mean there.
    pub u64: Option<u64>,
    /// The text they are, where they are printable UTF-8 and no number.
    pub text: Option<String>,
}

/// Index and term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LogIdView {
    /// The index.
    pub index: LogIndex,
    /// Its term.
    pub term: Term,
}

/// A membership.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MembershipView {
    /// Index of the entry that carries or carried it.
    pub index: LogIndex,
    /// The servers.
    pub servers: Vec<Server>,
}

/// How file space is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SpaceView {
    /// Size of the store's files.
    pub file_bytes: u64,
    /// Bytes of live records or reachable pages.
    pub live_bytes: u64,
    /// Bytes free for reuse; null where the format does not say.
    pub free_bytes: Option<u64>,
}

/// `result.stats` of `--stats`, over all groups shown.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Stats {
    /// Entries by kind.
    pub by_kind: BTreeMap<String, u64>,
    /// Entries by group and term, ascending; at most 10,000 rows.
    pub by_term: Vec<TermStats>,
    /// Payload sizes.
    pub size_bytes: SizeStats,
    /// Size of the store's files.
    pub file_bytes: u64,
    /// Bytes of live records or reachable pages.
    pub live_bytes: u64,
    /// Bytes free for reuse; null where the format does not say.
    pub free_bytes: Option<u64>,
    /// Entries by payload size: powers of two.
    pub size_histogram: Vec<SizeBucket>,
}

/// The entries of one term.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TermStats {
    /// The group.
    pub group: GroupId,
    /// The term.
    pub term: Term,
    /// Number of entries.
    pub entries: u64,
    /// First index of the term.
    pub first_index: LogIndex,
    /// Last index of the term.
    pub last_index: LogIndex,
}

/// Payload sizes in bytes. Percentiles are upper bounds, at most 1.6 % above the exact value;
/// `min` and `max` are exact. All zero without entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SizeStats {
    /// Smallest.
    pub min: u64,
    /// Half of the entries are not larger.
    pub p50: u64,
    /// Nine of ten entries are not larger.
    pub p90: u64,
    /// 99 of 100 entries are not larger.
    pub p99: u64,
    /// Largest.
    pub max: u64,
    /// Sum.
    pub total: u64,
}

/// Entries whose payload is at most this large and larger than the bucket before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SizeBucket {
    /// Largest size that belongs here.
    pub up_to_bytes: u64,
    /// Number of entries.
    pub entries: u64,
}

impl From<Space> for SpaceView {
    fn from(space: Space) -> SpaceView {
        SpaceView {
            file_bytes: space.file_bytes,
            live_bytes: space.live_bytes,
            free_bytes: space.free_bytes,
        }
    }
}

impl From<LogId> for LogIdView {
    fn from(id: LogId) -> LogIdView {
        LogIdView { index: id.index, term: id.term }
    }
}

impl From<&StableValue> for StableView {
    fn from(value: &StableValue) -> StableView {
        let text = match value.integer {
            Some(_) => None,
            None => printable(&value.bytes),
        };
        StableView { hex: hex(&value.bytes), u64: value.as_u64(), text }
    }
}

/// The stable keys as they are shown.
pub(super) fn stable_views(stable: &StableMap) -> BTreeMap<String, StableView> {
    let name = |key: &[u8]| match std::str::from_utf8(key) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("hex:{}", hex(key)),
    };
    stable.iter().map(|(key, value)| (name(key), StableView::from(value))).collect()
}

/// Counts by kind as they are shown: only kinds that occur.
pub(super) fn kind_counts(counts: &[u64; EntryKind::ALL.len()]) -> BTreeMap<String, u64> {
    EntryKind::ALL
        .iter()
        .zip(counts)
        .filter(|(_, count)| **count > 0)
        .map(|(kind, count)| (kind.as_str().to_owned(), *count))
        .collect()
}

fn printable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
