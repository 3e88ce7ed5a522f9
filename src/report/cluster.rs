//! What `compare` found.

use crate::compare::nodes::{Cluster, Conflict, ConflictKind, GroupVerdict, NodeView};
use crate::model::{Findings, LogIndex};
use crate::report::table::{Align, Grid};
use crate::report::{Paint, findings, words};

/// The comparison of a cluster's nodes as text.
pub fn text(found: &Cluster, damage: &Findings, paint: Paint) -> String {
    let with_group = found.groups.iter().any(|verdict| verdict.group.name().is_some());
    let mut text = table(found, with_group, paint);
    for verdict in &found.groups {
        let nodes: Vec<&NodeView> =
            found.nodes.iter().filter(|node| node.group == verdict.group).collect();
        text.push_str(&verdict_text(verdict, &nodes, with_group, paint));
    }
    if !found.not_comparable.is_empty() {
        let fields = found.not_comparable.join(", ");
        text.push_str(&format!("not compared, because a node cannot hold it: {fields}\n"));
    }
    text.push_str(&findings::text(damage, paint));
    text
}

fn table(found: &Cluster, with_group: bool, paint: Paint) -> String {
    let group = [("group", Align::Left)];
    let columns = [
        ("node", Align::Left),
        ("format", Align::Left),
        ("entries", Align::Left),
        ("last term", Align::Right),
        ("term", Align::Right),
        ("vote", Align::Left),
        ("agrees with the majority", Align::Left),
    ];
    let columns: Vec<_> = group.into_iter().filter(|_| with_group).chain(columns).collect();
    let mut grid = Grid::new(&columns);
    for node in &found.nodes {
        let mut cells = Vec::new();
        if with_group {
            cells.push(words::group(&node.group));
        }
        let dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let vote = node.hard_state.vote.as_ref().map(|vote| {
            let text = vote.candidate.as_deref().map(words::escaped);
            let hex = vote.candidate_hex.as_ref().map(|hex| format!("bytes {hex}"));
            let whom = text.or(hex).unwrap_or_else(|| "?".to_owned());
            vote.term.map_or(whom.clone(), |term| format!("{whom} in {term}"))
        });
        cells.extend([
            words::harmless(&node.path),
            node.format.clone(),
            words::run(node.first_index, node.last_index),
            dash(node.last_term.map(|term| term.to_string())),
            dash(node.hard_state.term.map(|term| term.to_string())),
            dash(vote),
            agreement(node),
        ]);
        grid.row(cells);
    }
    if grid.is_empty() {
        return "no group in any store\n".to_owned();
    }
    grid.render(paint, "")
}

fn agreement(node: &NodeView) -> String {
    let through = match node.agrees_through {
        Some(index) => format!("through {}", words::grouped(index.0)),
        None => "nothing".to_owned(),
    };
    match (node.differs_from, node.last_index) {
        (Some(from), _) => format!("{through}, then differs: {}", tail(node, from)),
        (None, Some(last)) if node.agrees_through < Some(last) => {
            format!("{through}, then entries are missing")
        }
        (None, Some(_)) => "all".to_owned(),
        (None, None) if node.agrees_through.is_none() => "no entries".to_owned(),
        (None, None) => through,
    }
}

/// The entries of a node from `from` on: `16 … 19 of term 2`.
fn tail(node: &NodeView, from: LogIndex) -> String {
    let run = words::run(Some(from), node.last_index.max(Some(from)));
    match (node.differs_term, node.last_term) {
        (Some(first), Some(last)) if first < last => format!("{run} of terms {first} … {last}"),
        (Some(term), _) => format!("{run} of term {term}"),
        (None, _) => run,
    }
}

fn verdict_text(
    verdict: &GroupVerdict,
    nodes: &[&NodeView],
    with_group: bool,
    paint: Paint,
) -> String {
    let mut text = String::new();
    if with_group {
        text.push_str(&format!(
            "{}\n",
            paint.strong(format!("group {}", words::group(&verdict.group)))
        ));
    }
    let list = |paths: &[String]| {
        let paths: Vec<String> = paths.iter().map(|path| words::harmless(path)).collect();
        paths.join(", ")
    };
    let leaders = match verdict.may_lead.as_slice() {
        _ if nodes.iter().any(|node| node.may_lead.is_none()) => {
            "cannot be said, as a store does not record terms".to_owned()
        }
        [] => "none of these".to_owned(),
        paths => list(paths),
    };
    text.push_str(&format!("may lead: {leaders}\n"));
    text.push_str(&format!(
        "on a majority ({} of {}): {}   in all of these: {}   certainly committed: {}\n",
        verdict.servers / 2 + 1,
        words::count(verdict.servers, "server", "servers"),
        through(verdict.majority_through),
        through(verdict.common_through),
        match verdict.committed_through {
            Some(index) => format!("through {}", words::grouped(index.0)),
            None => "not recorded".to_owned(),
        }
    ));
    let given = nodes.len() as u64;
    if verdict.servers > given {
        text.push_str(&format!(
            "{} of the membership not given: what they hold is not known\n",
            words::count(verdict.servers - given, "server", "servers")
        ));
    }
    // Most logs begin at 1, where nothing was compacted, and those of openraft at 0.
    let first = nodes.iter().filter_map(|node| node.first_index).fold(LogIndex(1), LogIndex::min);
    for node in nodes {
        text.push_str(&fate(node, verdict, first));
    }
    if let Some(conflict) = &verdict.conflict {
        text.push_str(&conflict_text(conflict, paint));
    }
    text
}

fn through(index: Option<LogIndex>) -> String {
    index.map_or("nothing".to_owned(), |index| format!("through {}", words::grouped(index.0)))
}

/// What becomes of a node's log when the cluster starts, whose logs begin at `first`.
fn fate(node: &NodeView, verdict: &GroupVerdict, first: LogIndex) -> String {
    let path = words::harmless(&node.path);
    let is_raft = verdict.conflict.as_ref().is_none_or(|one| one.kind == ConflictKind::Diverged);
    match node.differs_from {
        Some(from) if is_raft && node.may_lead == Some(false) => format!(
            "{path} would drop {} (never on a majority) when it rejoins\n",
            words::run(Some(from), node.last_index)
        ),
        Some(from) if is_raft && node.may_lead == Some(true) => format!(
            "{path} may lead with {}, or drop it: whoever is elected first decides\n",
            tail(node, from)
        ),
        None => {
            let next = node.agrees_through.map_or(Some(first), LogIndex::next);
            let missing = next.zip(verdict.majority_through).filter(|(next, last)| next <= last);
            missing.map_or(String::new(), |(next, last)| {
                let run = words::run(Some(next), Some(last));
                format!("{path} is behind: it has {run} to fetch from a leader\n")
            })
        }
        Some(_) => String::new(),
    }
}

fn conflict_text(conflict: &Conflict, paint: Paint) -> String {
    let index = words::grouped(conflict.index.0);
    let (a, b) = (&conflict.a, &conflict.b);
    let (path_a, path_b) = (words::harmless(&a.path), words::harmless(&b.path));
    match conflict.kind {
        ConflictKind::Diverged => format!(
            "{}  at index {index}: term {} in {path_a}, term {} in {path_b}; Raft resolves this by \
             itself when a leader is elected\n",
            paint.warning("CONFLICT"),
            a.term,
            b.term
        ),
        ConflictKind::Impossible => format!(
            "{}  at index {index}: {path_a} and {path_b} hold different entries of term {}, or \
             equal ones behind different ones; Raft never makes that: a log was changed, or \
             belongs to another cluster. Do not start both\n",
            paint.bad("CONFLICT"),
            a.term
        ),
    }
}
