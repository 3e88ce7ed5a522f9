//! Findings as lines of text.

use std::collections::BTreeMap;

use crate::model::{Code, Fault, FaultKind, Findings, Severity};
use crate::report::table::wrap;
use crate::report::{Paint, words};

/// In text at most this many findings of one code are listed; JSON has up to 1,000.
const LISTED_PER_CODE: u64 = 10;

/// What stands below a finding begins under its message.
const INDENT: usize = 14;

/// Where there is no terminal, a place that would make a line longer than this gets its own.
const LINE_COLUMNS: usize = 120;

/// The findings, the gravest first, then by file, offset, index. What is not listed is counted.
pub fn text(findings: &Findings, paint: Paint) -> String {
    let mut faults = findings.clone().into_sorted();
    faults.sort_by_key(|fault| std::cmp::Reverse(fault.severity));
    let mut listed: BTreeMap<Code, u64> = BTreeMap::new();
    let mut text = String::new();
    for fault in &faults {
        let listed = listed.entry(fault.code).or_default();
        *listed += 1;
        if *listed <= LISTED_PER_CODE {
            text.push_str(&lines(fault, paint));
        }
    }
    for code in listed.keys() {
        let more = findings.count(*code).saturating_sub(LISTED_PER_CODE);
        if more > 0 {
            text.push_str(&format!(
                "{:<7} {code}  … and {} more of them\n",
                "",
                words::grouped(more)
            ));
        }
    }
    text
}

/// As [`text`], but what is only worth knowing is counted in one line.
pub fn brief(findings: &Findings, paint: Paint) -> String {
    let mut grave = Findings::default();
    let mut codes: Vec<&'static str> = Vec::new();
    for fault in findings.kept() {
        match fault.severity {
            Severity::Info if !codes.contains(&fault.code.as_str()) => {
                codes.push(fault.code.as_str());
            }
            Severity::Info => {}
            Severity::Warning | Severity::Error => grave.add(fault.clone()),
        }
    }
    let mut text = text(&grave, paint);
    if !codes.is_empty() {
        let number = words::count(findings.infos(), "info", "infos");
        text.push_str(&format!("{number} about the source: {}\n", codes.join(", ")));
    }
    text
}

/// One finding: severity, code, what is wrong and where; below it what was expected.
pub fn lines(fault: &Fault, paint: Paint) -> String {
    let severity = severity(fault.severity, paint);
    let message = format!("{}{}", subject(fault), words::harmless(&fault.kind.to_string()));
    let place = fault.place.as_ref().map(words::place);
    let on_one_line = place.as_ref().is_none_or(|place| {
        INDENT + message.chars().count() + place.chars().count() + 3
            <= paint.width.unwrap_or(LINE_COLUMNS)
    });
    let mut text = String::new();
    for (at, line) in wrap(&message, paint.width.map(|width| width.saturating_sub(INDENT).max(20)))
        .into_iter()
        .enumerate()
    {
        match at {
            0 => text.push_str(&format!("{severity} {}  {line}", fault.code)),
            _ => text.push_str(&format!("\n{:INDENT$}{line}", "")),
        }
    }
    let mut details = details(&fault.kind);
    match place {
        Some(place) if on_one_line => text.push_str(&format!("   {}", paint.faint(place))),
        Some(place) => details.insert(0, ("place", place)),
        None => {}
    }
    text.push('\n');
    for (label, value) in details {
        text.push_str(&format!("{:INDENT$}{label:<9} {value}\n", ""));
    }
    text
}

/// The word, filled up to the width of the longest.
fn severity(severity: Severity, paint: Paint) -> String {
    let word = format!("{:<7}", severity.as_str());
    match severity {
        Severity::Error => paint.bad(word),
        Severity::Warning => paint.warning(word),
        Severity::Info => word,
    }
}

fn subject(fault: &Fault) -> String {
    let mut parts = Vec::new();
    if let Some(group) = fault.group.as_ref().filter(|group| group.name().is_some()) {
        parts.push(format!("group {}", words::group(group)));
    }
    if let Some(index) = fault.index {
        parts.push(format!("index {index}"));
    }
    if let Some(term) = fault.term {
        parts.push(format!("term {term}"));
    }
    if parts.is_empty() { String::new() } else { format!("{}: ", parts.join(", ")) }
}

/// What the line itself does not say already.
fn details(kind: &FaultKind) -> Vec<(&'static str, String)> {
    match kind {
        FaultKind::Checksum { expected, found, .. } => {
            vec![("expected", words::harmless(expected)), ("found", words::harmless(found))]
        }
        FaultKind::Field { expected, .. }
        | FaultKind::Rule { expected, .. }
        | FaultKind::Broken { expected, .. } => {
            vec![("expected", words::harmless(expected))]
        }
        FaultKind::Bounds { .. }
        | FaultKind::Short { .. }
        | FaultKind::Cycle { .. }
        | FaultKind::Count { .. }
        | FaultKind::Missing { .. }
        | FaultKind::Note { .. } => Vec::new(),
    }
}

/// `1 error, 2 warnings`, or nothing.
pub fn counts(findings: &Findings) -> Option<String> {
    let parts: Vec<String> = [
        (findings.errors(), "error", "errors"),
        (findings.warnings(), "warning", "warnings"),
        (findings.infos(), "info", "infos"),
    ]
    .into_iter()
    .filter(|(number, _, _)| *number > 0)
    .map(|(number, one, many)| words::count(number, one, many))
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The commands that explain what was found, at most three codes.
pub fn explain_commands(findings: &Findings) -> Vec<String> {
    let mut codes: Vec<(Severity, Code)> =
        findings.kept().map(|fault| (fault.severity, fault.code)).collect();
    codes.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    codes.dedup_by_key(|(_, code)| *code);
    codes.into_iter().take(3).map(|(_, code)| format!("raftlog explain {code}")).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::model::{GroupId, LogIndex, Place};

    fn checksum() -> Fault {
        let place = Place {
            file: Arc::from(Path::new("a\u{1b}.redb")),
            offset_bytes: 8192,
            len_bytes: 4096,
        };
        Fault::new(
            Code::R119,
            FaultKind::Checksum {
                what: "a leaf page",
                expected: "aa".to_owned(),
                found: "bb".to_owned(),
            },
        )
        .at(place)
        .in_group(&GroupId::named("evil\u{1b}[31m"))
        .at_index(LogIndex(7))
    }

    #[test]
    fn a_finding_says_what_where_expected_and_found_and_nothing_that_moves_a_cursor() {
        assert_eq!(
            lines(&checksum(), Paint::PLAIN),
            "error   R119  group \"evil\\x1b[31m\", index 7: checksum mismatch in a leaf page   \
             a\\x1b.redb @ 8,192 + 4,096\n\
             \x20             expected  aa\n\
             \x20             found     bb\n"
        );
    }

    #[test]
    fn a_long_finding_wraps_under_itself_and_its_place_gets_a_line() {
        let mut narrow = Paint::PLAIN;
        narrow.width = Some(40);
        assert_eq!(
            lines(&checksum(), narrow),
            "error   R119  group \"evil\\x1b[31m\",\n\
             \x20             index 7: checksum mismatch\n\
             \x20             in a leaf page\n\
             \x20             place     a\\x1b.redb @ 8,192 + 4,096\n\
             \x20             expected  aa\n\
             \x20             found     bb\n"
        );
    }

    #[test]
    fn the_gravest_come_first_and_what_is_not_listed_is_counted() {
        let mut findings = Findings::default();
        findings.add(Fault::new(Code::R126, FaultKind::Note { found: "begins at 7".to_owned() }));
        for _ in 0..1_200 {
            findings.add(checksum());
        }
        let text = text(&findings, Paint::PLAIN);
        assert!(text.starts_with("error   R119"), "{text}");
        assert_eq!(text.matches("error   R119").count(), 10);
        assert!(text.contains("info    R126  begins at 7\n"), "{text}");
        assert!(text.contains("R119  … and 1,190 more of them\n"), "{text}");
        assert_eq!(counts(&findings).as_deref(), Some("1,200 errors, 1 info"));
        assert_eq!(explain_commands(&findings), ["raftlog explain R119", "raftlog explain R126"]);
    }
}
