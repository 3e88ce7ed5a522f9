//! Showing what is in a store: overview, state, entries, records, statistics.

mod item;
mod view;

use std::ops::ControlFlow;

use crate::event::Observer;
use crate::model::{EntryKind, Findings, GroupId, Selection};
use crate::store::{Store, StoreError};

pub use item::{
    Base64, Checksum, Data, EntryItem, EntryLine, Hex, PayloadMode, PayloadView, RecordItem,
    RecordLine, Status, UtcTime,
};
pub use view::{
    GroupView, HardStateView, LogIdView, MembershipView, Overview, SizeBucket, SizeStats,
    SnapshotView, SpaceView, StableView, Stats, TermStats, VoteView,
};

/// Which entries are shown, and how.
#[derive(Clone, Debug)]
pub struct EntryOptions {
    /// Only this group.
    pub group: Option<GroupId>,
    /// Only these indexes; `~N` counts back from each group's last index.
    pub index: Selection,
    /// Only these terms; `~N` counts back from each group's last term.
    pub term: Selection,
    /// Only these kinds; empty for all.
    pub kinds: Vec<EntryKind>,
    /// At most this many entries.
    pub limit: Option<u64>,
    /// How payloads are shown.
    pub payload: PayloadMode,
}

impl Default for EntryOptions {
    fn default() -> Self {
        EntryOptions {
            group: None,
            index: Selection::ALL,
            term: Selection::ALL,
            kinds: Vec::new(),
            limit: None,
            payload: PayloadMode::None,
        }
    }
}

/// What an overview found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// `result` of `inspect`.
    pub overview: Overview,
    /// Damage met on the way; no Raft rules.
    pub findings: Findings,
}

/// What a stream has shown, for its last line.
#[derive(Clone, Debug, Default)]
pub struct Streamed {
    /// Items shown, findings not counted.
    pub items: u64,
    /// Damage met on the way, also given to the visitor at its place.
    pub findings: Findings,
}

/// Why inspecting stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has no such group.
    #[error("there is no {}", group_words(group))]
    NoSuchGroup {
        /// What was asked for.
        group: GroupId,
        /// What there is.
        present: Vec<GroupId>,
    },
    /// The operator wanted it to stop.
    #[error("cancelled")]
    Cancelled,
}

fn group_words(group: &GroupId) -> String {
    group.name().map_or("unnamed group".to_owned(), |name| format!("group {name:?}"))
}

/// Looks at every group, or at one: bounds, counts, state, membership.
///
/// # Errors
/// When the store cannot be read any further; damage is a finding.
pub fn overview(
    store: &dyn Store,
    group: Option<&GroupId>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    let _ = (store, group, observer);
    Err(Error::Cancelled)
}

/// As [`overview`], with statistics over terms and payload sizes.
///
/// # Errors
/// As [`overview`].
pub fn stats(
    store: &dyn Store,
    group: Option<&GroupId>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    let _ = (store, group, observer);
    Err(Error::Cancelled)
}

/// Streams entries, group by group in index order. `visit` may break, which ends the stream well.
///
/// # Errors
/// As [`overview`].
pub fn entries(
    store: &dyn Store,
    options: &EntryOptions,
    visit: &mut dyn FnMut(EntryItem) -> ControlFlow<()>,
    observer: &mut dyn Observer,
) -> Result<Streamed, Error> {
    let _ = (store, options, visit, observer);
    Err(Error::Cancelled)
}

/// Streams the records as they lie in the files. `visit` may break, which ends the stream well.
///
/// # Errors
/// As [`overview`].
pub fn records(
    store: &dyn Store,
    options: &RecordOptions,
    visit: &mut dyn FnMut(RecordItem) -> ControlFlow<()>,
    observer: &mut dyn Observer,
) -> Result<Streamed, Error> {
    let _ = (store, options, visit, observer);
    Err(Error::Cancelled)
}

/// Which records are shown.
#[derive(Clone, Debug, Default)]
pub struct RecordOptions {
    /// Only records of this group.
    pub group: Option<GroupId>,
    /// At most this many records.
    pub limit: Option<u64>,
}
