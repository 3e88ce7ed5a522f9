//! What the logs of a group, read side by side, mean: who may lead, what may be committed.

use crate::compare::group::OfGroup;
use crate::compare::nodes::walk::{Lane, Walk};
use crate::compare::nodes::{GroupVerdict, Node, NodeView};
use crate::model::{GroupId, HardStateView, IndexRange, LogIndex, LogState, SnapshotView, Term};

/// How recent a log is, as an election compares it: last term, then last index; of an empty one
/// nothing, since some logs begin with index and term 0.
type Recency = Option<(Term, LogIndex)>;

pub(super) fn judge(
    nodes: &[Node<'_>],
    group: &GroupId,
    states: &[OfGroup],
    walk: Walk<'_>,
) -> (Vec<NodeView>, GroupVerdict) {
    let voters = walk.voters();
    let servers = voters.unwrap_or(0).max(nodes.len());
    let quorum = servers / 2 + 1;
    let recency: Vec<Recency> = walk.lanes.iter().map(recency).collect();
    let absent = servers - nodes.len();
    let electors = |of: &Recency| recency.iter().filter(|other| *other <= of).count() + absent;
    let leads: Vec<Option<bool>> =
        recency.iter().map(|own| walk.has_terms().then(|| electors(own) >= quorum)).collect();
    let mut views = Vec::new();
    for (((node, state), lane), may_lead) in nodes.iter().zip(states).zip(&walk.lanes).zip(&leads) {
        let state = state.0.as_ref();
        let bounds = state.and_then(|state| state.bounds);
        let snapshot = lane.snapshot.as_ref().map(|note| SnapshotView {
            size_bytes: lane.snapshot_bytes,
            ..SnapshotView::from(note)
        });
        views.push(NodeView {
            group: group.clone(),
            path: node.path.to_owned(),
            format: node.store.format().as_str().to_owned(),
            first_index: bounds.map(IndexRange::first),
            last_index: lane.last.map(|id| id.index).or(bounds.map(IndexRange::last)),
            last_term: lane.last.map(|id| id.term),
            hard_state: state.map(|state| HardStateView::from(&state.hard)).unwrap_or_default(),
            snapshot,
            agrees_through: lane.agrees_through,
            differs_from: lane.differs.map(|id| id.index),
            differs_term: lane.differs.map(|id| id.term),
            may_lead: *may_lead,
        });
    }
    let may_lead = views.iter().filter(|view| view.may_lead == Some(true));
    let verdict = GroupVerdict {
        group: group.clone(),
        servers: servers as u64,
        voters: voters.map(|voters| voters as u64),
        common_through: walk.held_by(nodes.len()),
        majority_through: walk.held_by(quorum),
        committed_through: committed(states, &walk.lanes),
        may_lead: may_lead.map(|view| view.path.clone()).collect(),
        conflict: walk.impossible.or(walk.diverged),
    };
    (views, verdict)
}

/// The end of a log, or of its snapshot where that is further.
fn recency(lane: &Lane) -> Recency {
    let log = lane.last.map(|id| (id.index, id.term));
    let snapshot = lane.snapshot.as_ref().map(|snapshot| (snapshot.index, snapshot.term));
    log.max(snapshot).map(|(index, term)| (term, index))
}

/// The highest index that some node is sure of. An index of 0 says that nothing is, unless there is
/// a log that begins with it.
fn committed(states: &[OfGroup], lanes: &[Lane]) -> Option<LogIndex> {
    let known = |state: &LogState| {
        let before_first = state.bounds.and_then(|bounds| bounds.first().previous());
        state.hard.commit.max(before_first)
    };
    let recorded = states.iter().filter_map(|state| state.0.as_ref().and_then(known));
    let covered = lanes.iter().filter_map(|lane| lane.covered);
    let of_state = states.iter().filter_map(|state| state.0.as_ref()?.bounds);
    let lowest = of_state.map(IndexRange::first).min().unwrap_or(LogIndex(1)).min(LogIndex(1));
    recorded.chain(covered).max().filter(|index| *index >= lowest)
}
