//! `inspect` without a stream: overview, state, statistics.

use std::collections::BTreeMap;

use crate::inspect::{GroupView, Overview, SizeBucket, StableView, Stats};
use crate::model::{Findings, HardStateView};
use crate::report::table::{Align, Grid, bar, labelled};
use crate::report::{Paint, Source, findings, words};

/// Width of the labels at the left.
const LABEL: usize = 9;

/// A bucket's bar is at most this wide.
const BAR_COLUMNS: u64 = 32;

/// What is shown of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Everything at a glance.
    Overview,
    /// HardState and stable keys.
    State,
    /// Counts and sizes.
    Stats,
}

/// The overview of a store as text.
pub fn text(
    view: View,
    source: &Source,
    overview: &Overview,
    found: &Findings,
    paint: Paint,
    shows_evidence: bool,
) -> String {
    let mut text = match view {
        View::Overview => glance(source, overview, found, paint, shows_evidence),
        View::State => overview.groups.iter().map(|group| state(group, paint)).collect(),
        View::Stats => match &overview.stats {
            Some(stats) => statistics(stats, paint),
            None => String::new(),
        },
    };
    let found = findings::text(found, paint);
    if !found.is_empty() {
        text.push('\n');
        text.push_str(&found);
    }
    text
}

fn glance(
    source: &Source,
    overview: &Overview,
    found: &Findings,
    paint: Paint,
    shows_evidence: bool,
) -> String {
    let format = source.format.as_deref().unwrap_or("unknown");
    let mut text = format!(
        "{}   {}\n",
        paint.strong(headline(source, format)),
        health(overview, found, paint)
    );
    let mut line = |label: &str, value: &str| text.push_str(&labelled(paint, label, LABEL, value));
    line("log", &format!("{}   {format}   {}", files(source), words::size(source.size_bytes())));
    if let Some(layout) = &source.layout {
        line("opened", layout.opened.as_deref().unwrap_or("by no server that is known"));
    }
    if shows_evidence {
        for (at, evidence) in source.evidence.iter().enumerate() {
            line(if at == 0 { "because" } else { "" }, &words::harmless(evidence));
        }
    }
    match overview.groups.as_slice() {
        [] => line("groups", "none: the store holds no log"),
        [group] => group_lines(group, &mut line),
        groups => {
            let (entries, payload) =
                groups.iter().fold((0u64, 0u64), |(entries, payload), group| {
                    (
                        entries.saturating_add(group.entries),
                        payload.saturating_add(group.payload_bytes),
                    )
                });
            line(
                "groups",
                &format!(
                    "{}   {}   {} of payload",
                    words::grouped(groups.len() as u64),
                    words::count(entries, "entry", "entries"),
                    words::size(payload)
                ),
            );
        }
    }
    let space = overview.space;
    let free =
        space.free_bytes.map_or(String::new(), |free| format!("   free {}", words::size(free)));
    line("space", &format!("live {}{free}", words::size(space.live_bytes)));
    if !overview.other_contents.is_empty() {
        line("other", &format!("no part of a Raft log: {}", other(&overview.other_contents)));
    }
    if overview.groups.len() > 1 {
        text.push('\n');
        text.push_str(&group_table(&overview.groups, paint));
    }
    text
}

fn headline(source: &Source, format: &str) -> String {
    match &source.layout {
        Some(layout) => {
            let product = product(&layout.product);
            let node = layout
                .node
                .as_ref()
                .map_or(String::new(), |node| format!(", node {}", words::escaped(node)));
            format!("{product} data directory{node}")
        }
        None => format!("Raft log in {format}"),
    }
}

/// A program as it writes its own name.
fn product(word: &str) -> String {
    match word {
        "openbao" => "OpenBao".to_owned(),
        "etcd" | "raftlog" => word.to_owned(),
        "hashicorp" => "hashicorp/raft".to_owned(),
        other => {
            let mut name = words::escaped(other);
            if let Some(first) = name.get_mut(0..1) {
                first.make_ascii_uppercase();
            }
            name
        }
    }
}

fn health(overview: &Overview, found: &Findings, paint: Paint) -> String {
    let has_holes = overview.groups.iter().any(|group| group.holes_total > 0);
    match findings::counts(found) {
        None if has_holes => paint.warning("no damage met, but indexes are missing"),
        None => paint.good("sound at a glance"),
        Some(counts) if found.errors() > 0 => paint.bad(format!("DAMAGED: {counts}")),
        Some(counts) if found.warnings() > 0 => paint.warning(counts),
        Some(counts) => format!("sound at a glance, {counts}"),
    }
}

fn files(source: &Source) -> String {
    match source.files.as_slice() {
        [only] => words::harmless(&only.path),
        files => format!(
            "{} ({})",
            words::harmless(&source.path),
            words::count(files.len() as u64, "file", "files")
        ),
    }
}

fn other(contents: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = contents
        .iter()
        .map(|(name, rows)| {
            format!("{} ({})", words::escaped(name), words::count(*rows, "row", "rows"))
        })
        .collect();
    parts.join(", ")
}

fn group_lines(group: &GroupView, line: &mut dyn FnMut(&str, &str)) {
    if group.group.name().is_some() {
        line("group", &words::group(&group.group));
    }
    line("entries", &entries(group));
    if !group.by_kind.is_empty() {
        line("", &kinds(&group.by_kind));
    }
    if group.holes_total > 0 {
        line("holes", &holes(group));
    }
    line("HardState", &hard_state(&group.hard_state));
    if let Some(compacted) = group.compacted {
        line("compacted", &format!("through {} of term {}", compacted.index, compacted.term));
    }
    match &group.membership {
        None => line("members", "no membership in this log"),
        Some(membership) => {
            for (at, server) in membership.servers.iter().enumerate() {
                let last = at + 1 == membership.servers.len();
                let source = if last {
                    format!("   (membership at {})", membership.index)
                } else {
                    String::new()
                };
                let label = if at == 0 { "members" } else { "" };
                line(
                    label,
                    &format!(
                        "{} {} {}{source}",
                        words::escaped(&server.id),
                        words::escaped(&server.address),
                        server.suffrage.as_str()
                    ),
                );
            }
        }
    }
    line("snapshot", &snapshot(group));
    if let Some(recovery) = &group.recovery {
        line("recovery", &words::escaped(recovery));
    }
}

fn snapshot(group: &GroupView) -> String {
    let Some(snapshot) = &group.snapshot else {
        return match group.snapshots {
            Some(_) => "none: the log is the only copy of the state".to_owned(),
            None => "none recorded in this store".to_owned(),
        };
    };
    let mut text = format!("{} of term {}", snapshot.index, snapshot.term);
    if let Some(id) = &snapshot.id {
        text.push_str(&format!("   {}", words::escaped(id)));
    }
    if let Some(bytes) = snapshot.size_bytes {
        text.push_str(&format!("   {}", words::size(bytes)));
    }
    let older = group.snapshots.unwrap_or_default().saturating_sub(1);
    if older > 0 {
        text.push_str(&format!("   and {} older", words::grouped(older)));
    }
    text
}

fn entries(group: &GroupView) -> String {
    if group.entries == 0 {
        return "none".to_owned();
    }
    let terms = match (group.first_term, group.last_term) {
        (Some(first), Some(last)) if first == last => format!("   term {first}"),
        (Some(first), Some(last)) => format!("   terms {first} … {last}"),
        _ => String::new(),
    };
    format!(
        "{}   {}   {} of payload{terms}",
        words::run(group.first_index, group.last_index),
        words::count(group.entries, "entry", "entries"),
        words::size(group.payload_bytes)
    )
}

fn kinds(by_kind: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = by_kind
        .iter()
        .map(|(kind, number)| format!("{kind} {}", words::grouped(*number)))
        .collect();
    parts.join("   ")
}

fn holes(group: &GroupView) -> String {
    const SHOWN: usize = 5;
    let mut parts: Vec<String> = group
        .holes
        .iter()
        .take(SHOWN)
        .map(|hole| words::run(Some(hole.first()), Some(hole.last())))
        .collect();
    let more = group.holes_total.saturating_sub(parts.len() as u64);
    if more > 0 {
        parts.push(format!("and {} more", words::grouped(more)));
    }
    format!("missing {}", parts.join(", "))
}

fn hard_state(hard: &HardStateView) -> String {
    let term = hard.term.map_or("term not recorded".to_owned(), |term| format!("term {term}"));
    let vote = match &hard.vote {
        None => "no vote".to_owned(),
        Some(vote) => {
            let whom = match (&vote.candidate, &vote.candidate_hex) {
                (Some(text), _) => words::escaped(text),
                (None, Some(hex)) => format!("bytes {hex}"),
                (None, None) => "nobody recorded".to_owned(),
            };
            let term = vote
                .term
                .map_or(" in no recorded term".to_owned(), |term| format!(" in term {term}"));
            format!("vote {whom}{term}")
        }
    };
    let commit =
        hard.commit.map_or("commit not recorded".to_owned(), |index| format!("commit {index}"));
    format!("{term}   {vote}   {commit}")
}

fn group_table(groups: &[GroupView], paint: Paint) -> String {
    let mut grid = Grid::new(&[
        ("group", Align::Left),
        ("indexes", Align::Left),
        ("entries", Align::Right),
        ("payload", Align::Right),
        ("last term", Align::Right),
        ("term", Align::Right),
        ("vote", Align::Left),
        ("commit", Align::Right),
    ]);
    let dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for group in groups {
        let vote = group.hard_state.vote.as_ref().map(|vote| {
            let whom = vote.candidate.as_deref().map_or("?".to_owned(), words::escaped);
            vote.term.map_or(whom.clone(), |term| format!("{whom} in {term}"))
        });
        grid.row(vec![
            words::group(&group.group),
            words::run(group.first_index, group.last_index),
            words::grouped(group.entries),
            words::size(group.payload_bytes),
            dash(group.last_term.map(|term| term.to_string())),
            dash(group.hard_state.term.map(|term| term.to_string())),
            dash(vote),
            dash(group.hard_state.commit.map(|commit| commit.to_string())),
        ]);
    }
    grid.render(paint, "")
}

fn state(group: &GroupView, paint: Paint) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| text.push_str(&labelled(paint, label, LABEL, value));
    line("group", &words::group(&group.group));
    line("HardState", &hard_state(&group.hard_state));
    if let Some(compacted) = group.compacted {
        line("compacted", &format!("through {} of term {}", compacted.index, compacted.term));
    }
    if let Some(snapshot) = &group.snapshot {
        line("snapshot", &format!("{} of term {}", snapshot.index, snapshot.term));
    }
    if group.stable.is_empty() {
        line("stable", "no keys");
        return text;
    }
    let mut grid =
        Grid::new(&[("key", Align::Left), ("value", Align::Left), ("bytes", Align::Left)]);
    for (key, value) in &group.stable {
        grid.row(vec![words::escaped(key), meaning(value), value.hex.clone()]);
    }
    text.push_str(&grid.render(paint, "  "));
    text
}

fn meaning(value: &StableView) -> String {
    match (value.u64, &value.text) {
        (Some(number), _) => number.to_string(),
        (None, Some(text)) => format!("\"{}\"", words::escaped(text)),
        (None, None) => "-".to_owned(),
    }
}

fn statistics(stats: &Stats, paint: Paint) -> String {
    let sizes = stats.size_bytes;
    let mut text = String::new();
    let mut line = |label: &str, value: &str| text.push_str(&labelled(paint, label, LABEL, value));
    line("kinds", &kinds(&stats.by_kind));
    line(
        "payloads",
        &format!(
            "{} in all   smallest {}   half up to {}   90 % up to {}   99 % up to {}   largest {}",
            words::size(sizes.total),
            words::size(sizes.min),
            words::size(sizes.p50),
            words::size(sizes.p90),
            words::size(sizes.p99),
            words::size(sizes.max)
        ),
    );
    let free =
        stats.free_bytes.map_or(String::new(), |free| format!("   free {}", words::size(free)));
    line(
        "space",
        &format!(
            "files {}   live {}{free}",
            words::size(stats.file_bytes),
            words::size(stats.live_bytes)
        ),
    );
    text.push('\n');
    text.push_str(&histogram(&stats.size_histogram, paint));
    text.push('\n');
    text.push_str(&terms(stats, paint));
    text
}

fn histogram(buckets: &[SizeBucket], paint: Paint) -> String {
    let most = buckets.iter().map(|bucket| bucket.entries).max().unwrap_or(0);
    let mut text = format!("{}\n", paint.faint("entries by payload size"));
    for bucket in buckets {
        let blocks = bar(bucket.entries, most, BAR_COLUMNS);
        let fill = usize::try_from(BAR_COLUMNS).unwrap_or(0);
        text.push_str(&format!(
            "  up to {:>9}  {blocks:<fill$}  {:>12}\n",
            words::size(bucket.up_to_bytes),
            words::grouped(bucket.entries)
        ));
    }
    text
}

fn terms(stats: &Stats, paint: Paint) -> String {
    let most = stats.by_term.iter().map(|term| term.entries).max().unwrap_or(0);
    let mut grid = Grid::new(&[
        ("group", Align::Left),
        ("term", Align::Right),
        ("indexes", Align::Left),
        ("entries", Align::Right),
        ("", Align::Left),
    ]);
    for term in &stats.by_term {
        grid.row(vec![
            words::group(&term.group),
            term.term.to_string(),
            words::run(Some(term.first_index), Some(term.last_index)),
            words::grouped(term.entries),
            bar(term.entries, most, BAR_COLUMNS / 2),
        ]);
    }
    if grid.is_empty() { String::new() } else { grid.render(paint, "") }
}
