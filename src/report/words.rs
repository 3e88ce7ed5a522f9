//! Numbers, names and paths as an operator reads them.

use std::fmt::Write as _;
use std::path::Path;

use crate::model::{GroupId, LogIndex, Place};

/// A number with its digits in groups of three: `1,000,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in the largest binary unit that leaves a number above one: `512 B`, `241.7 KiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    for unit in UNITS {
        // 1023.95 would be printed as 1024.0.
        if value < 1023.95 || unit == "EiB" {
            return format!("{value:.1} {unit}");
        }
        value /= 1024.0;
    }
    format!("{bytes} B")
}

/// A duration in milliseconds: `4 ms`, `2.1 s`, `1m32s`, `2h05m`.
pub fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", seconds, milliseconds % 1000 / 100),
        60_000..3_600_000 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A count with its word: `1 entry`, `2 entries`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// The first and last of a run: `1 … 613`, `7`, or `none`.
pub fn run(first: Option<LogIndex>, last: Option<LogIndex>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if first == last => grouped(first.0),
        (Some(first), Some(last)) => format!("{} … {}", grouped(first.0), grouped(last.0)),
        _ => "none".to_owned(),
    }
}

/// Text that came from a file or a name, made harmless for a terminal: control characters, marks
/// that reorder or hide text, and backslashes are written as escapes.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => safe.push_str("\\\\"),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if (c as u32) < 0x20 || c == '\u{7f}' => {
                let _infallible = write!(safe, "\\x{:02x}", c as u32);
            }
            c if c.is_control() || is_invisible(c) => {
                let _infallible = write!(safe, "\\u{{{:x}}}", c as u32);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Characters that take no room, or change the order in which others are shown.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// A path as the operator gave it, made harmless for a terminal.
pub fn path(path: &Path) -> String {
    harmless(&path.to_string_lossy())
}

/// Words that may hold a path, or that were escaped where they were made: as [`escaped`], but
/// backslashes stay as they are.
pub fn harmless(text: &str) -> String {
    escaped(text).replace("\\\\", "\\")
}

/// A group in text output: `-` for the unnamed one; quoted where the name could be misread.
pub fn group(group: &GroupId) -> String {
    match group.name() {
        None => "-".to_owned(),
        Some(name) => {
            let safe = escaped(name);
            let plain = !matches!(name, "" | "-")
                && safe == name
                && !name.contains(|c: char| c.is_whitespace() || c == '"');
            if plain { safe } else { format!("\"{}\"", safe.replace('"', "\\\"")) }
        }
    }
}

/// A place: `raft.redb @ 8,192 + 312`.
pub fn place(place: &Place) -> String {
    format!(
        "{} @ {} + {}",
        path(&place.file),
        grouped(place.offset_bytes),
        grouped(place.len_bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn sizes_take_the_largest_unit_and_one_decimal() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1024), "1.0 KiB");
        assert_eq!(size(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
        assert_eq!(size(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(duration(4), "4 ms");
        assert_eq!(duration(2_149), "2.1 s");
        assert_eq!(duration(92_000), "1m32s");
        assert_eq!(duration(7_500_000), "2h05m");
    }

    #[test]
    fn terminal_escapes_and_text_that_hides_are_made_visible() {
        assert_eq!(escaped("\u{1b}[31mred"), "\\x1b[31mred");
        assert_eq!(escaped("a\u{202e}b\u{9b}c"), "a\\u{202e}b\\u{9b}c");
        assert_eq!(escaped("ß-grün"), "ß-grün");
        assert_eq!(escaped("a\\x1b"), "a\\\\x1b", "an escape cannot be counterfeited");
    }

    #[test]
    fn groups_are_quoted_only_where_they_could_be_misread() {
        assert_eq!(group(&GroupId::Unnamed), "-");
        assert_eq!(group(&GroupId::named("-")), "\"-\"");
        assert_eq!(group(&GroupId::named("")), "\"\"");
        assert_eq!(group(&GroupId::named("eu-west/1")), "eu-west/1");
        assert_eq!(group(&GroupId::named("x y")), "\"x y\"");
        assert_eq!(group(&GroupId::named("a\"\u{7}")), "\"a\\\"\\x07\"");
    }
}
