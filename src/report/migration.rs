//! What `migrate` plans and did.

use crate::migrate::{GroupPlan, Migration, Plan};
use crate::model::{Findings, IndexRange};
use crate::report::{Paint, findings, words};

/// The plan of a dry run as text.
pub fn plan_text(plan: &Plan, found: &Findings, paint: Paint) -> String {
    let mut text = format!("{}   {} -> {}\n", paint.strong("plan"), plan.from, plan.to);
    let mut line = |label: &str, value: &str| text.push_str(&format!("  {label:<9}  {value}\n"));
    let entries: u64 = plan.groups.iter().map(|group| group.entries).sum();
    let payload: u64 = plan.groups.iter().map(|group| group.payload_bytes).sum();
    match plan.groups.as_slice() {
        [only] => line("entries", &group_words(only)),
        groups => {
            line(
                "entries",
                &format!(
                    "{} in {}, {} of payload",
                    words::count(entries, "entry", "entries"),
                    words::count(groups.len() as u64, "group", "groups"),
                    words::size(payload)
                ),
            );
            for group in groups {
                line("", &format!("{}: {}", words::group(&group.group), group_words(group)));
            }
        }
    }
    let free = plan
        .space_free_bytes
        .map_or("free space unknown".to_owned(), |free| format!("{} free", words::size(free)));
    line(
        "writes",
        &format!(
            "{}, {} at most; {free}",
            words::harmless(&plan.target),
            words::size(plan.space_needed_bytes)
        ),
    );
    for note in &plan.notes {
        line("note", &words::harmless(note));
    }
    if !plan.accepted.is_empty() {
        line("accepts", &plan.accepted.join(", "));
    }
    text.push_str(&losses_text(plan, paint));
    text.push_str(&findings::brief(found, paint));
    text
}

/// What gets lost, a line each.
pub fn losses_text(plan: &Plan, paint: Paint) -> String {
    if plan.losses.is_empty() {
        return format!("{}\n", paint.good("loses nothing"));
    }
    let mut text = format!("{}\n", paint.strong("loses"));
    for loss in &plan.losses {
        let accepted =
            if loss.accepted { "accepted".to_owned() } else { paint.warning("not accepted") };
        text.push_str(&format!(
            "  {:<18}  {:>9}  {accepted}: {}\n",
            loss.name.as_str(),
            words::grouped(loss.count),
            loss.meaning
        ));
    }
    text
}

fn group_words(group: &GroupPlan) -> String {
    if group.entries == 0 {
        return format!("none, {}", words::count(group.state_keys, "state key", "state keys"));
    }
    let run = words::run(group.first_index, group.last_index);
    let holes = match (group.first_index, group.last_index) {
        (Some(first), Some(last)) => IndexRange::new(first, last)
            .map_or(0, |range| range.count().saturating_sub(group.entries)),
        _ => 0,
    };
    let holes = if holes > 0 {
        format!(" ({} missing between them)", words::count(holes, "index", "indexes"))
    } else {
        String::new()
    };
    format!(
        "{run}, {}{holes}, {} of payload, {}",
        words::count(group.entries, "entry", "entries"),
        words::size(group.payload_bytes),
        words::count(group.state_keys, "state key", "state keys")
    )
}

/// What a finished migration did, as text.
pub fn done_text(migration: &Migration, found: &Findings, paint: Paint) -> String {
    let plan = &migration.plan;
    let (Some(copied), Some(compared)) = (&migration.copied, &migration.compared) else {
        return plan_text(plan, found, paint);
    };
    let mut text = format!(
        "{}  {} -> {}   {}, {}, every field compared: {}\n",
        paint.good("done"),
        plan.from,
        plan.to,
        words::count(compared.entries, "entry", "entries"),
        words::count(compared.state_keys, "state key", "state keys"),
        if compared.equal { "equal" } else { "DIFFERENT" }
    );
    text.push_str(&format!(
        "      {}   {} in {}, synced   {}\n",
        words::harmless(&plan.target),
        words::size(copied.bytes),
        words::count(copied.files, "file", "files"),
        words::duration(copied.elapsed_ms)
    ));
    if !plan.losses.is_empty() {
        text.push_str(&losses_text(plan, paint));
    }
    for note in &plan.notes {
        text.push_str(&format!("note  {}\n", words::harmless(note)));
    }
    text.push_str(&findings::brief(found, paint));
    text
}
