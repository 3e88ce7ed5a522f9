//! The logs of a stopped cluster's nodes, side by side: how far they agree, where they part, who
//! could lead, what may be committed.
//!
//! All logs are read at once, in index order, each by a thread of its own; memory does not grow
//! with them. A log that begins above 1, or a snapshot, covers what lies below: only committed
//! entries are compacted, and those are the same on every node.

mod verdict;
mod walk;

use schemars::JsonSchema;
use serde::Serialize;

use crate::compare::Error;
use crate::compare::group::Side;
use crate::compare::nodes::verdict::judge;
use crate::compare::nodes::walk::Walk;
use crate::event::{EntryCount, Meter, Observer, Phase};
use crate::model::{Findings, GroupId, HardStateView, IndexRange, LogIndex, SnapshotView, Term};
use crate::store::{Opened, Snapshots, Store};

/// A stopped node.
#[derive(Clone, Copy)]
pub struct Node<'s> {
    /// Its path, as the operator gave it.
    pub path: &'s str,
    /// Its store.
    pub store: &'s dyn Store,
    /// The snapshots beside it, where they are in view.
    pub snapshots: Option<&'s Snapshots>,
}

impl<'s> Node<'s> {
    /// The node whose store was opened at `path`.
    pub fn new(path: &'s str, opened: &'s Opened) -> Node<'s> {
        Node { path, store: opened.store.as_ref(), snapshots: opened.snapshots.as_ref() }
    }
}

/// What comparing nodes found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// `result` of `compare`.
    pub cluster: Cluster,
    /// Damage met in any store.
    pub findings: Findings,
    /// Something could not be read, so that no agreement can be relied on.
    pub unreadable: bool,
}

/// `result` of `compare`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Cluster {
    /// One per group and node: groups ascending, nodes in the order given.
    pub nodes: Vec<NodeView>,
    /// One per group.
    pub groups: Vec<GroupVerdict>,
    /// Of the only group: the last index up to which a majority holds the same entries, which is
    /// the most that may be committed. Null where nothing is, and where there are several groups.
    pub majority_through: Option<LogIndex>,
    /// The gravest conflict of all groups.
    pub conflict: Option<Conflict>,
    /// Fields of entries that some node's format cannot hold, so that they were not compared.
    pub not_comparable: Vec<String>,
}

/// A node's log of one group.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NodeView {
    /// The group.
    pub group: GroupId,
    /// The node, as the operator named it.
    pub path: String,
    /// Format of its store.
    pub format: String,
    /// First index present.
    pub first_index: Option<LogIndex>,
    /// Last index present.
    pub last_index: Option<LogIndex>,
    /// Term of the last entry.
    pub last_term: Option<Term>,
    /// Term, vote and commit index.
    pub hard_state: HardStateView,
    /// Newest snapshot known, in the store or beside it.
    pub snapshot: Option<SnapshotView>,
    /// The last index up to which this log is what most nodes hold.
    pub agrees_through: Option<LogIndex>,
    /// The first index where it holds another entry than most nodes; of equally many, than those
    /// with the higher term.
    pub differs_from: Option<LogIndex>,
    /// Term of its own entry there.
    pub differs_term: Option<Term>,
    /// Whether its log is recent enough to be elected by a majority: higher last term, then last
    /// index, not below theirs. Null where a store does not record terms.
    pub may_lead: Option<bool>,
}

/// What the nodes together say of one group.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GroupVerdict {
    /// The group.
    pub group: GroupId,
    /// Servers of which a majority is counted: the nodes given, or the voters of the newest
    /// membership where those are more.
    pub servers: u64,
    /// Voters of the newest membership in logs and snapshots.
    pub voters: Option<u64>,
    /// The last index up to which all nodes hold the same: their common prefix.
    pub common_through: Option<LogIndex>,
    /// The last index up to which a majority holds the same: the most that may be committed.
    pub majority_through: Option<LogIndex>,
    /// The last index that certainly is committed: a snapshot, a compaction or a recorded commit
    /// index says so.
    pub committed_through: Option<LogIndex>,
    /// Paths of the nodes that could lead.
    pub may_lead: Vec<String>,
    /// Where the nodes first part; what Raft forbids before what it resolves.
    pub conflict: Option<Conflict>,
}

/// Two nodes with different entries at one index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Conflict {
    /// The group.
    pub group: GroupId,
    /// The index.
    pub index: LogIndex,
    /// What it means.
    pub kind: ConflictKind,
    /// One of the two.
    pub a: ConflictSide,
    /// The other.
    pub b: ConflictSide,
}

/// One side of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConflictSide {
    /// The node.
    pub path: String,
    /// Term of its entry.
    pub term: Term,
}

/// What a conflict means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// Entries of different terms: at least one was never committed, and its node drops it when
    /// it meets a leader.
    Diverged,
    /// Entries of one term that differ, or that follow others that differ. In Raft one leader
    /// makes all entries of a term, so this cannot come from Raft.
    Impossible,
}

/// Compares the logs of stopped nodes.
///
/// # Errors
/// When a store cannot be read any further, or no node has `group`.
pub fn compare(
    nodes: &[Node<'_>],
    group: Option<&GroupId>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    let mut sides: Vec<Side<'_>> = nodes.iter().map(|node| Side::new(node.store)).collect();
    let groups = chosen(nodes, group)?;
    let mut states = Vec::new();
    for group in &groups {
        let of_group: Result<Vec<_>, Error> =
            sides.iter_mut().map(|side| side.state(group)).collect();
        states.push(of_group?);
    }
    let longest = states.iter().map(|of_group| {
        of_group.iter().map(|state| state.known(IndexRange::ALL)).max().unwrap_or(0)
    });
    let total = longest.fold(0u64, u64::saturating_add);
    let mut meter = Meter::start(Phase::Comparing, None, Some(EntryCount(total)), observer)?;
    let mut cluster = Cluster {
        nodes: Vec::new(),
        groups: Vec::new(),
        majority_through: None,
        conflict: None,
        not_comparable: Vec::new(),
    };
    let fields = walk::fields(nodes);
    cluster.not_comparable = fields.not_comparable();
    for (group, states) in groups.iter().zip(&states) {
        let mut walk = Walk::new(nodes, group, states, fields);
        walk.run(&mut sides, states, &mut meter, observer)?;
        let (views, verdict) = judge(nodes, group, states, walk);
        cluster.nodes.extend(views);
        cluster.groups.push(verdict);
    }
    meter.finish(observer)?;
    if let [only] = cluster.groups.as_slice() {
        cluster.majority_through = only.majority_through;
    }
    let conflicts = || cluster.groups.iter().filter_map(|verdict| verdict.conflict.as_ref());
    let gravest = conflicts().find(|one| one.kind == ConflictKind::Impossible);
    cluster.conflict = gravest.or_else(|| conflicts().next()).cloned();
    let unreadable = sides.iter().any(|side| side.unreadable);
    let mut findings = Findings::default();
    sides.into_iter().for_each(|side| findings.merge(side.findings));
    Ok(Outcome { cluster, findings, unreadable })
}

/// The groups of any node, or the one asked for.
fn chosen(nodes: &[Node<'_>], group: Option<&GroupId>) -> Result<Vec<GroupId>, Error> {
    let mut present = Vec::new();
    for node in nodes {
        present.extend(node.store.groups()?);
    }
    present.sort();
    present.dedup();
    match group {
        None => Ok(present),
        Some(group) if present.contains(group) => Ok(vec![group.clone()]),
        Some(group) => Err(Error::NoSuchGroup { group: group.clone(), present }),
    }
}

#[cfg(test)]
mod tests;
