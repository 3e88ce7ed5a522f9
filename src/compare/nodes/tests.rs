use super::*;
use crate::event::Unobserved;
use crate::model::{
    Code, EntryKind, Fault, FaultKind, HardState, LogState, SharedBytes, SnapshotNote,
};
use crate::store::memory::MemoryStore;

fn of(entries: &[(std::ops::RangeInclusive<u64>, u64)]) -> MemoryStore {
    let pairs: Vec<(u64, u64)> = entries
        .iter()
        .flat_map(|(indexes, term)| indexes.clone().map(|index| (index, *term)))
        .collect();
    MemoryStore::of(&pairs)
}

fn with_snapshot(mut store: MemoryStore, index: u64, term: u64) -> MemoryStore {
    store.unnamed_state().snapshot = Some(SnapshotNote {
        index: LogIndex(index),
        term: Term(term),
        id: None,
        note: SharedBytes::default(),
    });
    store
}

fn outcome(stores: &[&MemoryStore]) -> Outcome {
    let names = ["n1", "n2", "n3", "n4", "n5"];
    let nodes: Vec<Node<'_>> = stores
        .iter()
        .zip(names)
        .map(|(store, path)| Node { path, store: *store, snapshots: None })
        .collect();
    compare(&nodes, None, &mut Unobserved).expect("readable")
}

fn cluster(stores: &[&MemoryStore]) -> Cluster {
    outcome(stores).cluster
}

/// Of each node: through where it agrees, from where it differs, whether it may lead.
fn nodes(cluster: &Cluster) -> Vec<(Option<u64>, Option<u64>, Option<bool>)> {
    let number = |index: Option<LogIndex>| index.map(|index| index.0);
    let row =
        |node: &NodeView| (number(node.agrees_through), number(node.differs_from), node.may_lead);
    cluster.nodes.iter().map(row).collect()
}

/// Of the only group: what all hold, what a majority holds, what certainly is committed.
fn through(cluster: &Cluster) -> [Option<u64>; 3] {
    let [group] = cluster.groups.as_slice() else { panic!("one group") };
    [group.common_through, group.majority_through, group.committed_through]
        .map(|index| index.map(|index| index.0))
}

fn conflict(cluster: &Cluster) -> Option<(u64, ConflictKind, String)> {
    let found = cluster.conflict.as_ref()?;
    let sides = format!("{}:{} {}:{}", found.a.path, found.a.term, found.b.path, found.b.term);
    Some((found.index.0, found.kind, sides))
}

#[test]
fn equal_logs_agree_and_each_node_may_lead() {
    let node = of(&[(1..=9, 1), (10..=20, 3)]);
    let found = cluster(&[&node, &node, &node]);
    assert_eq!(nodes(&found), [(Some(20), None, Some(true)); 3]);
    assert_eq!(through(&found), [Some(20), Some(20), None]);
    assert_eq!(found.majority_through, Some(LogIndex(20)));
    assert_eq!(found.conflict, None);
    assert_eq!(found.groups[0].may_lead, ["n1", "n2", "n3"]);
    assert_eq!(found.nodes[0].last_term, Some(Term(3)));
}

#[test]
fn a_node_that_is_behind_agrees_but_may_not_lead() {
    let (short, long) = (of(&[(1..=18, 2)]), of(&[(1..=22, 2)]));
    let found = cluster(&[&short, &long, &long]);
    let all = (Some(22), None, Some(true));
    assert_eq!(nodes(&found), [(Some(18), None, Some(false)), all, all]);
    assert_eq!(through(&found), [Some(18), Some(22), None]);
    assert_eq!(found.conflict, None);
    // Without a third node as recent as it, a log may be too short for one and still lead.
    let found = cluster(&[&short, &short, &long]);
    assert_eq!(found.groups[0].may_lead, ["n1", "n2", "n3"]);
    assert_eq!(through(&found), [Some(18), Some(18), None]);
    assert_eq!(found.nodes[2].agrees_through, Some(LogIndex(22)));
}

#[test]
fn an_uncommitted_tail_of_an_old_leader_is_a_divergence_of_terms() {
    let old = of(&[(1..=15, 1), (16..=19, 2)]);
    let new = of(&[(1..=15, 1), (16..=22, 3)]);
    let found = cluster(&[&old, &new, &new]);
    let all = (Some(22), None, Some(true));
    assert_eq!(nodes(&found), [(Some(15), Some(16), Some(false)), all, all]);
    assert_eq!(found.nodes[0].differs_term, Some(Term(2)));
    assert_eq!(through(&found), [Some(15), Some(22), None]);
    let expected = (16, ConflictKind::Diverged, "n1:2 n2:3".to_owned());
    assert_eq!(conflict(&found), Some(expected));
}

#[test]
fn of_two_tails_that_nobody_else_has_the_one_of_the_higher_term_counts() {
    let (a, b) = (of(&[(1..=15, 1), (16..=19, 2)]), of(&[(1..=15, 1), (16..=16, 3)]));
    let behind = of(&[(1..=15, 1)]);
    let found = cluster(&[&a, &b, &behind]);
    assert_eq!(
        nodes(&found),
        [
            (Some(15), Some(16), Some(true)),
            (Some(16), None, Some(true)),
            (Some(15), None, Some(false))
        ]
    );
    assert_eq!(through(&found), [Some(15), Some(15), None]);
}

#[test]
fn different_entries_of_one_index_and_term_cannot_come_from_raft() {
    let node = of(&[(1..=9, 2)]);
    type Change = fn(&mut crate::model::Entry);
    let changes: [Change; 3] = [
        |entry| entry.payload = Some(vec![9].into()),
        |entry| entry.kind = EntryKind::Noop,
        |entry| entry.extra.extensions = Some(vec![9].into()),
    ];
    for change in changes {
        let mut odd = node.clone();
        change(odd.unnamed_entry(4));
        let found = cluster(&[&node, &odd, &node]);
        let expected = (5, ConflictKind::Impossible, "n1:2 n2:2".to_owned());
        assert_eq!(conflict(&found), Some(expected));
        assert_eq!(found.nodes[1].differs_from, Some(LogIndex(5)));
        assert_eq!(through(&found), [Some(4), Some(9), None]);
    }
}

#[test]
fn an_equal_entry_behind_different_ones_is_impossible_too_and_is_told_first() {
    let a = of(&[(1..=3, 1), (4..=4, 1), (5..=5, 3)]);
    let b = of(&[(1..=3, 1), (4..=4, 2), (5..=5, 3)]);
    let found = cluster(&[&a, &b]);
    let expected = (5, ConflictKind::Impossible, "n1:3 n2:3".to_owned());
    assert_eq!(conflict(&found), Some(expected));
}

#[test]
fn a_log_that_begins_later_holds_what_was_compacted() {
    let whole = of(&[(1..=20, 1)]);
    let compacted = with_snapshot(of(&[(11..=20, 1)]), 10, 1);
    let found = cluster(&[&whole, &compacted, &with_snapshot(of(&[]), 20, 1)]);
    assert_eq!(through(&found), [Some(20), Some(20), Some(20)]);
    assert!(nodes(&found).iter().all(|node| *node == (Some(20), None, Some(true))));
    // Nothing but snapshots.
    let (a, b) = (with_snapshot(of(&[]), 9, 1), with_snapshot(of(&[]), 7, 1));
    let found = cluster(&[&a, &b]);
    assert_eq!(through(&found), [Some(7), Some(7), Some(9)]);
    assert_eq!(found.groups[0].may_lead, ["n1"]);
}

#[test]
fn logs_that_begin_at_0_are_compared_as_those_that_begin_at_1() {
    let (whole, compacted) = (of(&[(0..=20, 1)]), with_snapshot(of(&[(11..=20, 1)]), 10, 1));
    let found = cluster(&[&whole, &compacted]);
    assert_eq!(through(&found), [Some(20), Some(20), Some(10)]);
    assert_eq!(nodes(&found), [(Some(20), None, Some(true)); 2]);
    // One entry is more than none, and can be committed.
    let mut one = of(&[(0..=0, 0)]);
    let found = cluster(&[&one, &one, &of(&[])]);
    assert_eq!(through(&found), [None, Some(0), None]);
    let some = (Some(0), None, Some(true));
    assert_eq!(nodes(&found), [some, some, (None, None, Some(false))]);
    one.unnamed_state().hard.commit = Some(LogIndex(0));
    assert_eq!(through(&cluster(&[&one, &one])), [Some(0); 3]);
    let mut none = of(&[(1..=2, 1)]);
    none.unnamed_state().hard.commit = Some(LogIndex(0));
    assert_eq!(through(&cluster(&[&none, &none])), [Some(2), Some(2), None]);
}

#[test]
fn a_hole_ends_the_agreement_unless_a_snapshot_covers_it() {
    let whole = of(&[(1..=20, 1)]);
    let holed = of(&[(1..=5, 1), (9..=20, 1)]);
    let found = cluster(&[&whole, &holed]);
    assert_eq!(found.nodes[1].agrees_through, Some(LogIndex(5)));
    let covered = with_snapshot(holed.clone(), 8, 1);
    assert_eq!(through(&cluster(&[&whole, &covered])), [Some(20), Some(20), Some(8)]);
    // A user restore leaves the same hole in every log.
    let found = cluster(&[&covered, &covered]);
    assert_eq!(through(&found), [Some(20), Some(20), Some(8)]);
    assert_eq!(through(&cluster(&[&holed, &holed])), [Some(5), Some(5), None]);
}

#[test]
fn an_entry_that_contradicts_a_snapshot_is_told() {
    let stale = of(&[(1..=10, 2)]);
    let (ahead, other) = (with_snapshot(of(&[]), 10, 3), with_snapshot(of(&[(11..=12, 3)]), 10, 3));
    let found = cluster(&[&stale, &ahead, &other]);
    let expected = (10, ConflictKind::Diverged, "n2:3 n1:2".to_owned());
    assert_eq!(conflict(&found), Some(expected));
    assert_eq!(found.nodes[0].differs_from, Some(LogIndex(10)));
    assert_eq!(found.groups[0].may_lead, ["n2", "n3"]);
}

#[test]
fn voters_that_were_not_given_count_for_the_majority() {
    let servers = ["a", "b", "c", "d", "e"].map(|id| {
        let mut server = vec![0x83, 0xa7];
        server.extend(b"Address");
        server.extend([0xa1, id.as_bytes()[0], 0xa2]);
        server.extend(b"ID");
        server.extend([0xa1, id.as_bytes()[0], 0xa8]);
        server.extend(b"Suffrage");
        server.push(0);
        server
    });
    let payload = [&[0x81, 0xa7][..], b"Servers", &[0x95], &servers.concat()].concat();
    let mut node = of(&[(1..=5, 1)]);
    node.unnamed_entry(0).kind = EntryKind::Configuration;
    node.unnamed_entry(0).payload = Some(payload.into());
    let found = cluster(&[&node, &node]);
    assert_eq!((found.groups[0].voters, found.groups[0].servers), (Some(5), 5));
    assert_eq!(through(&found), [Some(5), None, None]);
    assert_eq!(found.groups[0].may_lead, ["n1", "n2"], "with votes of those who were not given");
    assert_eq!(through(&cluster(&[&node, &node, &node])), [Some(5), Some(5), None]);
}

#[test]
fn damage_is_a_finding_and_ends_the_agreement() {
    let node = of(&[(1..=5, 1)]);
    let mut damaged = node.clone();
    let fault = Fault::new(Code::R122, FaultKind::Note { found: "x".to_owned() });
    damaged.group(&GroupId::Unnamed).1[2] = Err(Box::new(fault));
    let found = outcome(&[&node, &damaged, &node]);
    assert!(found.unreadable);
    assert_eq!(found.findings.total(), 1);
    assert_eq!(found.cluster.nodes[1].agrees_through, Some(LogIndex(2)));
    assert_eq!(through(&found.cluster), [Some(2), Some(5), None]);
}

#[test]
fn groups_are_compared_each_by_itself() {
    let mut a = of(&[(1..=3, 1)]);
    let mut b = a.clone();
    let named = GroupId::named("g");
    a.groups.insert(named.clone(), of(&[(1..=4, 1)]).groups[&GroupId::Unnamed].clone());
    b.groups.insert(named.clone(), of(&[(1..=3, 1), (4..=4, 2)]).groups[&GroupId::Unnamed].clone());
    let found = cluster(&[&a, &b]);
    assert_eq!(found.groups.len(), 2);
    assert_eq!(found.nodes.len(), 4);
    assert_eq!((found.majority_through, found.groups[0].conflict.is_none()), (None, true));
    assert_eq!(conflict(&found).expect("differs").0, 4);
    assert_eq!(found.conflict.expect("differs").group, named);
    let nodes = [("a", &a), ("b", &b)];
    let nodes = nodes.map(|(path, store)| Node { path, store, snapshots: None });
    let only = compare(&nodes, Some(&GroupId::Unnamed), &mut Unobserved).expect("readable");
    assert_eq!((only.cluster.groups.len(), only.cluster.conflict), (1, None));
    let error = compare(&nodes, Some(&GroupId::named("x")), &mut Unobserved).expect_err("refused");
    assert_eq!(error.to_string(), "none of the stores has a group \"x\"");
}

#[test]
fn a_recorded_commit_index_is_the_least_that_is_committed() {
    let mut node = of(&[(1..=5, 1)]);
    let hard = HardState { commit: Some(LogIndex(4)), ..HardState::default() };
    node.group(&GroupId::Unnamed).0 = LogState { hard, ..LogState::default() };
    assert_eq!(through(&cluster(&[&node, &of(&[(1..=5, 1)])])), [Some(5), Some(5), Some(4)]);
}
