//! What `repair` made.

use crate::model::{Findings, GroupId, IndexRange};
use crate::repair::{GroupRepair, Repair, Wholeness};
use crate::report::{Paint, findings, words};

/// Holes that are shown, of a group.
const HOLES_SHOWN: usize = 5;
/// Groups of which is shown what is missing.
const GROUPS_SHOWN: usize = 10;

/// The result as text.
pub fn text(source: &str, out: &str, repair: &Repair, found: &Findings, paint: Paint) -> String {
    let verdict = match repair.wholeness() {
        Wholeness::Whole => paint.good("whole"),
        Wholeness::Noted if !repair.other_contents.is_empty() => {
            paint.warning("the log is whole, as far as can be known; other tables are left out")
        }
        Wholeness::Noted => paint.warning("whole, as far as can be known"),
        Wholeness::Holes => paint.bad("PARTIAL"),
    };
    let (source, out) = (words::harmless(source), words::harmless(out));
    let mut text = format!("{verdict}   {source} -> {out}   {}\n", repair.format);
    let mut line = |label: &str, value: &str| text.push_str(&format!("  {label:<9}  {value}\n"));
    let range = words::run(repair.first_index, repair.last_index);
    line(
        "entries",
        &format!(
            "{range}   {}   {} of payload",
            words::count(repair.entries, "entry", "entries"),
            words::size(repair.payload_bytes)
        ),
    );
    if repair.from_commit_before > 0 {
        let count = words::count(repair.from_commit_before, "entry", "entries");
        line("", &format!("{count} from the commit before the newest"));
    }
    if repair.from_orphans > 0 {
        let count = words::count(repair.from_orphans, "entry", "entries");
        line("", &format!("{count} from pages to which nothing led any more"));
    }
    for state in state_lines(repair) {
        line("state", &state);
    }
    for missing in missing_words(repair) {
        line("missing", &missing);
    }
    if repair.wholeness() == Wholeness::Holes {
        line(
            "snapshot",
            match repair.covered_by_snapshot {
                true => "covers everything that is missing",
                false => "does not cover what is missing: let the node take it from a peer",
            },
        );
    }
    for (name, rows) in &repair.other_contents {
        let (name, rows) = (words::harmless(name), words::count(*rows, "row", "rows"));
        line("left", &format!("{name}: {rows}, no part of a Raft log"));
    }
    if repair.unproven > 0 {
        let count = words::count(repair.unproven, "copy", "copies");
        line("left", &format!("{count} of missing entries that nothing proves"));
    }
    if repair.dropped_total > 0 {
        let count = words::count(repair.dropped_total, "damaged piece", "damaged pieces");
        line("left", &count);
    }
    text.push_str(&findings::brief(found, paint));
    text
}

/// A line of each group that is not as it was, where there are several.
fn state_lines(repair: &Repair) -> Vec<String> {
    let odd = |group: &&GroupRepair| group.state != "newest";
    let mut odd = repair.groups.iter().filter(odd);
    if repair.groups.len() < 2 || repair.state == "newest" {
        return vec![state_words(&repair.state).to_owned()];
    }
    let shown = |group: &GroupRepair| format!("{}: {}", of_group(group), state_words(&group.state));
    let mut lines: Vec<String> = odd.by_ref().take(GROUPS_SHOWN).map(shown).collect();
    let more = odd.count() as u64;
    lines.extend((more > 0).then(|| format!("and of {}", words::count(more, "group", "groups"))));
    lines
}

fn state_words(state: &str) -> &'static str {
    match state {
        "newest" => "term, vote and other keys of the newest commit",
        "commit-before" => {
            "term, vote and other keys as they were before the damage: a later vote may be missing"
        }
        _ => "term and vote are lost: a server would begin at term 0 and may vote twice",
    }
}

fn of_group(group: &GroupRepair) -> String {
    let id = group.group.as_deref().map_or(GroupId::Unnamed, GroupId::named);
    format!("group {}", words::group(&id))
}

/// What is missing, of each group that lacks something, where there are several.
fn missing_words(repair: &Repair) -> Vec<String> {
    let lacks = |group: &&GroupRepair| group.holes_total > 0 || group.open_begin || group.open_end;
    let mut lacking = repair.groups.iter().filter(lacks);
    let alone = repair.groups.len() < 2;
    let mut lines = Vec::new();
    for group in lacking.by_ref().take(GROUPS_SHOWN) {
        let named = |missing: String| match alone {
            true => missing,
            false => format!("{}: {missing}", of_group(group)),
        };
        lines.extend(missing_of(group).into_iter().map(named));
    }
    let more = lacking.count() as u64;
    lines.extend((more > 0).then(|| format!("and of {}", words::count(more, "group", "groups"))));
    lines
}

fn missing_of(group: &GroupRepair) -> Vec<String> {
    let shown = |hole: &IndexRange| words::run(Some(hole.first()), Some(hole.last()));
    let mut lines: Vec<String> = group.holes.iter().take(HOLES_SHOWN).map(shown).collect();
    let more = group.holes_total.saturating_sub(lines.len() as u64);
    if more > 0 {
        lines.push(format!("and {} more holes", words::grouped(more)));
    }
    if group.open_begin {
        lines.push("perhaps entries in front of the first".to_owned());
    }
    if group.open_end {
        lines.push("perhaps entries behind the last".to_owned());
    }
    lines
}
