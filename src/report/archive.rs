//! What `backup` and `restore` did.

use crate::backup::{Backup, BackupPlan, GroupNote, Restored};
use crate::model::Findings;
use crate::report::verdict::recorded_words;
use crate::report::{Paint, findings, words};

/// A finished backup as text.
pub fn backup_text(source: &str, backup: &Backup, found: &Findings, paint: Paint) -> String {
    let result = &backup.result;
    let checked = if result.archive == "-" { "streamed" } else { "read back and compared" };
    let mut text = format!(
        "{}  {} -> {}   {}, {} in an archive of {}, {checked}\n",
        paint.good("done"),
        words::harmless(source),
        words::harmless(&result.archive),
        words::count(result.files, "file", "files"),
        words::size(result.bytes),
        words::size(result.archive_bytes.unwrap_or_default())
    );
    if let Some(sha256) = &result.sha256 {
        text.push_str(&format!("      sha256  {sha256}\n"));
    }
    text.push_str(&format!("      store   {}\n", recorded_words(&backup.verdict)));
    text.push_str(&groups_text(&result.groups));
    text.push_str(&findings::text(found, paint));
    text
}

/// The plan of a backup as text.
pub fn plan_text(source: &str, plan: &BackupPlan, paint: Paint) -> String {
    let result = &plan.result;
    let mut text = format!(
        "{}  {} -> {}   would pack {}, {}\n",
        paint.strong("plan"),
        words::harmless(source),
        words::harmless(&result.archive),
        words::count(result.files, "file", "files"),
        words::size(result.bytes),
    );
    let description = &plan.description;
    let layout = description.layout.as_ref().map_or(String::new(), |layout| {
        let node = layout.node.as_deref().map_or(String::new(), |node| format!(" node {node}"));
        format!(" in a data directory of {}{}", layout.product.as_str(), words::escaped(&node))
    });
    text.push_str(&format!("      store   {}{layout}\n", description.format.as_str()));
    if let Some(reason) = &plan.not_judged {
        text.push_str(&format!("      rules   cannot be judged: {}\n", words::escaped(reason)));
    }
    text.push_str(&groups_text(&result.groups));
    for (name, bytes) in &plan.files {
        text.push_str(&file_line(name, *bytes));
    }
    text.push_str(&findings::text(&plan.findings, paint));
    text
}

fn file_line(name: &str, bytes: u64) -> String {
    format!("      {:>10}  {}\n", words::size(bytes), words::harmless(name))
}

/// A finished restore, or the plan of one, as text.
pub fn restore_text(archive: &str, restored: &Restored, paint: Paint) -> String {
    let result = &restored.result;
    let files = words::count(result.files, "file", "files");
    let (archive, target) = (words::harmless(archive), words::harmless(&result.target));
    let bytes = words::size(result.bytes);
    let mut text = if restored.dry {
        format!(
            "{}  {archive} -> {target}   would write {files}, {bytes}; the archive is whole\n",
            paint.strong("plan")
        )
    } else {
        format!("{}  {archive} -> {target}   {files}, {bytes}, compared\n", paint.good("done"))
    };
    let manifest = &restored.manifest;
    text.push_str(&format!(
        "      {} of {}, backed up {}\n",
        words::escaped(&manifest.format),
        words::escaped(&manifest.source),
        words::escaped(&manifest.created_at)
    ));
    text.push_str(&format!("      store   {}\n", recorded_words(&manifest.verdict)));
    text.push_str(&groups_text(&manifest.groups));
    if restored.dry {
        for file in &manifest.files {
            text.push_str(&file_line(&file.path, file.size_bytes));
        }
    }
    text
}

fn groups_text(groups: &[GroupNote]) -> String {
    const SHOWN: usize = 5;
    let mut text = String::new();
    for group in groups.iter().take(SHOWN) {
        let name = group.group.as_deref().map_or(String::new(), |name| {
            format!("group {}: ", words::group(&crate::model::GroupId::named(name)))
        });
        let entries = match (group.first_index, group.last_index) {
            (Some(first), Some(last)) => {
                format!("entries {} … {}", words::grouped(first), words::grouped(last))
            }
            _ => "no entries".to_owned(),
        };
        let term =
            group.hard_state.term.map_or(String::new(), |term| format!(", current term {term}"));
        text.push_str(&format!("      log     {name}{entries}{term}\n"));
    }
    if groups.len() > SHOWN {
        let more = (groups.len() - SHOWN) as u64;
        text.push_str(&format!("      and {}\n", words::count(more, "more group", "more groups")));
    }
    text
}
