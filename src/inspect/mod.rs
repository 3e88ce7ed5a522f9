//! Showing what is in a store: overview, state, entries, records, statistics.

mod entries;
mod follow;
mod item;
mod overview;
mod records;
mod sizes;
mod view;

use crate::decode::Program;
use crate::event::Stopped;
use crate::model::{Code, EntryKind, Fault, Findings, GroupId, Selection, Severity};
use crate::store::{Opened, Product, Snapshots, Store, StoreError};

pub use entries::entries;
pub use follow::{Audience, Reopen, follow};
pub use item::{
    Base64, Checksum, Data, EntryItem, EntryLine, Hex, PayloadMode, PayloadView, RecordItem,
    RecordLine, Status, UtcTime,
};
pub use overview::{overview, stats};
pub use records::records;
pub use view::{
    GroupView, LogIdView, MembershipView, Overview, SizeBucket, SizeStats, SpaceView, StableView,
    Stats, TermStats,
};

/// What is looked at.
#[derive(Clone, Copy)]
pub struct Source<'s> {
    /// The store.
    pub store: &'s dyn Store,
    /// The snapshots beside it, where they are in view.
    pub snapshots: Option<&'s Snapshots>,
}

impl<'s> From<&'s Opened> for Source<'s> {
    fn from(opened: &'s Opened) -> Source<'s> {
        Source { store: opened.store.as_ref(), snapshots: opened.snapshots.as_ref() }
    }
}

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
    /// Whose log it is, where that is known: it says what commands mean.
    pub product: Option<Product>,
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
            product: None,
        }
    }
}

/// The program whose commands a product's log holds.
fn program_of(product: Product) -> Option<Program> {
    match product {
        Product::Dkron => Some(Program::Dkron),
        Product::Consul => Some(Program::Consul),
        Product::Nomad => Some(Program::Nomad),
        Product::Vault => Some(Program::Vault),
        Product::OpenBao => Some(Program::OpenBao),
        Product::Etcd => Some(Program::Etcd),
        Product::Raftlog | Product::Hashicorp => None,
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
    /// Records among them that do not verify where they must.
    pub damaged: u64,
    /// Records among them behind the point where writing stopped.
    pub torn: u64,
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

/// Which records are shown.
#[derive(Clone, Debug, Default)]
pub struct RecordOptions {
    /// Only records of this group.
    pub group: Option<GroupId>,
    /// At most this many records.
    pub limit: Option<u64>,
}

impl Streamed {
    /// The gravest of what was met, records included.
    pub fn worst(&self) -> Option<Severity> {
        let records = match (self.damaged, self.torn) {
            (0, 0) => None,
            (0, _) => Some(Severity::Warning),
            _ => Some(Severity::Error),
        };
        records.max(self.findings.worst())
    }
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Error {
        Error::Cancelled
    }
}

/// The groups to look at: all, or the one asked for.
fn chosen(store: &dyn Store, group: Option<&GroupId>) -> Result<Vec<GroupId>, Error> {
    let present = store.groups()?;
    match group {
        None => Ok(present),
        Some(group) if present.contains(group) => Ok(vec![group.clone()]),
        Some(group) => Err(Error::NoSuchGroup { group: group.clone(), present }),
    }
}

/// What is wrong with an entry that was read. Which indexes a library uses is a matter of the Raft
/// rules, which are not asked here.
fn of_reading(faults: Vec<Fault>) -> impl Iterator<Item = Fault> {
    faults.into_iter().filter(|fault| fault.code != Code::R127)
}

/// Damage is a finding, everything else ends the job.
fn damage(error: StoreError) -> Result<Fault, Error> {
    match error {
        StoreError::Fault(fault) => Ok(*fault),
        other => Err(Error::Store(other)),
    }
}

#[cfg(test)]
mod tests;
