//! What `verify` says of a store or an archive.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::Findings;
use crate::report::{ErrorNote, Paint, findings, words};
use crate::{backup, verify};

/// `result` of `verify`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verdicts {
    /// One for each PATH, in the order given.
    pub stores: Vec<StoreVerdict>,
}

/// The verdict on one PATH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoreVerdict {
    /// The path as the operator gave it.
    pub path: String,
    /// Its format; `archive` for a backup; null when it was not recognised.
    pub format: Option<String>,
    /// `quick` or `full`.
    pub level: String,
    /// Neither an error nor a warning; false when it could not be judged.
    pub sound: bool,
    /// Groups verified, or recorded in the archive.
    pub groups: u64,
    /// Entries that decoded.
    pub entries: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Bytes of the container that were verified.
    pub checked_bytes: u64,
    /// Bytes of a torn tail.
    pub torn_bytes: u64,
    /// What the container consists of, in the format's own words.
    pub containers: BTreeMap<String, u64>,
    /// Of an archive: what the rules said of the store when it was backed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<backup::Verdict>,
    /// Why it could not be judged.
    pub error: Option<ErrorNote>,
}

impl StoreVerdict {
    /// A store that was verified.
    pub fn of_store(verdict: verify::Verdict) -> StoreVerdict {
        StoreVerdict {
            path: verdict.path,
            format: Some(verdict.format),
            level: verdict.level,
            sound: verdict.sound,
            groups: verdict.groups,
            entries: verdict.entries,
            payload_bytes: verdict.payload_bytes,
            checked_bytes: verdict.checked_bytes,
            torn_bytes: verdict.torn_bytes,
            containers: verdict.containers,
            recorded: None,
            error: None,
        }
    }

    /// An archive that was verified; `sound` says whether all that was found is informational.
    pub fn of_archive(
        path: String,
        level: String,
        checked: &backup::Checked,
        sound: bool,
    ) -> StoreVerdict {
        let groups = checked.manifest.as_ref().map_or(0, |manifest| manifest.groups.len() as u64);
        StoreVerdict {
            path,
            format: Some("archive".to_owned()),
            level,
            sound,
            groups,
            entries: 0,
            payload_bytes: 0,
            checked_bytes: checked.checked_bytes,
            torn_bytes: 0,
            containers: BTreeMap::from([("files".to_owned(), checked.files)]),
            recorded: checked.manifest.as_ref().map(|manifest| manifest.verdict.clone()),
            error: None,
        }
    }

    /// A store that could not be judged.
    pub fn of_failure(path: String, level: String, error: ErrorNote) -> StoreVerdict {
        StoreVerdict {
            path,
            format: None,
            level,
            sound: false,
            groups: 0,
            entries: 0,
            payload_bytes: 0,
            checked_bytes: 0,
            torn_bytes: 0,
            containers: BTreeMap::new(),
            recorded: None,
            error: Some(error),
        }
    }

    /// The verdict as text, with what was found; `elapsed_ms` is how long this PATH took.
    pub fn text(&self, found: &Findings, elapsed_ms: u64, paint: Paint) -> String {
        let format = self.format.as_ref().map_or(String::new(), |format| format!("   {format}"));
        let path = paint.strong(words::harmless(&self.path));
        let not_judged = self.recorded.as_ref().is_some_and(|recorded| recorded.sound.is_none());
        let answer = match found.errors() {
            0 if not_judged => {
                paint.warning("not judged: every digest fits, the rules were not asked")
            }
            _ => answer(found, paint),
        };
        let mut text = format!("{path}{format}   {answer}\n");
        if self.error.is_some() {
            text.push_str("  nothing behind this damage can be read\n");
            return text + &findings::text(found, paint);
        }
        let counts: Vec<String> = self
            .containers
            .iter()
            .filter(|(_, number)| **number > 0)
            .map(|(what, number)| match (*number, what.strip_suffix('s')) {
                (1, Some(one)) => format!("1 {one}"),
                _ => format!("{} {what}", words::grouped(*number)),
            })
            .collect();
        let counts = if counts.is_empty() { "empty".to_owned() } else { counts.join(", ") };
        text.push_str(&format!(
            "  container  {counts}; {} verified{}{}\n",
            words::size(self.checked_bytes),
            if self.level == "quick" { ", quick: payload bytes not all read" } else { "" },
            // What is intact by its structure may still hold other bytes than were written.
            if self.format.as_deref() == Some("boltdb") {
                "; its pages have no checksum"
            } else {
                ""
            }
        ));
        match &self.recorded {
            Some(recorded) => {
                text.push_str(&format!("  store      {}\n", recorded_words(recorded)))
            }
            None if self.format.as_deref() == Some("archive") => {}
            None => {
                let groups = words::count(self.groups, "group", "groups");
                text.push_str(&format!(
                    "  entries    {} of {groups}, {} of payload\n",
                    words::count(self.entries, "entry", "entries"),
                    words::size(self.payload_bytes)
                ));
            }
        }
        if self.torn_bytes > 0 {
            text.push_str(&format!("  torn tail  {}\n", words::size(self.torn_bytes)));
        }
        text.push_str(&findings::text(found, paint));
        text.push_str(&format!(
            "  {}\n",
            paint.faint(format!("in {}", words::duration(elapsed_ms)))
        ));
        text
    }
}

fn answer(found: &Findings, paint: Paint) -> String {
    match findings::counts(found) {
        None => paint.good("sound"),
        Some(counts) if found.errors() > 0 => paint.bad(format!("NOT SOUND: {counts}")),
        Some(counts) if found.warnings() > 0 => {
            paint.warning(format!("harmless findings: {counts}"))
        }
        Some(counts) => format!("{}, {counts}", paint.good("sound")),
    }
}

/// What the archive records of its store.
pub(super) fn recorded_words(recorded: &backup::Verdict) -> String {
    if let Some(reason) = &recorded.not_judged {
        return format!("could not be judged when it was backed up: {}", words::escaped(reason));
    }
    let level = recorded.level.as_deref().unwrap_or("unknown");
    if recorded.errors + recorded.warnings == 0 {
        return format!("sound when it was backed up (verified {level})");
    }
    let warnings = words::count(recorded.warnings, "warning", "warnings");
    match (recorded.errors, recorded.warnings) {
        // The words of `verify` for the same store.
        (0, _) => format!("harmless findings when it was backed up: {warnings}"),
        (errors, 0) => {
            format!("NOT SOUND when it was backed up: {}", words::count(errors, "error", "errors"))
        }
        (errors, _) => format!(
            "NOT SOUND when it was backed up: {}, {warnings}",
            words::count(errors, "error", "errors")
        ),
    }
}
