//! What the names of tables that belong together have in common, and where in them the group
//! stands.

use crate::store::redb::layout::Names;

/// What stands between the parts of a name.
const SEPARATORS: [char; 3] = ['-', '.', '/'];
/// The same, where what follows is a number.
const BEFORE_NUMBERS: [char; 5] = ['-', '.', '/', '_', ':'];

/// The pattern of names that differ in a part between separators alone, or in a number.
pub(super) fn common(names: &[&str]) -> Option<Names> {
    let (first, rest) = names.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let before = rest.iter().fold(*first, |common, name| prefix(common, name));
    let behind = rest.iter().fold(*first, |common, name| suffix(common, name));
    let numbered = number_behind(names, before);
    let before = numbered.or_else(|| before.rfind(SEPARATORS).and_then(|at| before.get(..=at)));
    let behind = behind.find(SEPARATORS).and_then(|at| behind.get(at..)).unwrap_or("");
    let shortest = names.iter().map(|name| name.len()).min().unwrap_or_default();
    let before = before.unwrap_or("");
    // Where both ends would overlap, what stands in front says more.
    let behind = if before.len() + behind.len() < shortest { behind } else { "" };
    let fits = before.len() + behind.len() < shortest && !(before.is_empty() && behind.is_empty());
    fits.then(|| around(before, behind))
}

/// The pattern of a name in which one of `groups` stands as a part of its own.
pub(super) fn around_a_group(name: &str, groups: &[&str]) -> Option<Names> {
    let edge = |letter: Option<char>| letter.is_none_or(|letter| BEFORE_NUMBERS.contains(&letter));
    let stands = |group: &&str| {
        let at = name.find(*group).filter(|_| !group.is_empty())?;
        let (before, behind) = (name.get(..at)?, name.get(at + group.len()..)?);
        let alone = edge(before.chars().next_back()) && edge(behind.chars().next());
        (alone && !(before.is_empty() && behind.is_empty())).then(|| around(before, behind))
    };
    let mut groups = groups.to_vec();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups.iter().find_map(stands)
}

fn around(before: &str, behind: &str) -> Names {
    let around = Some((before.to_owned().into(), behind.to_owned().into()));
    Names { bare: None, around }
}

/// What stands before the number in which all names end, where `common` is what all begin with.
fn number_behind<'n>(names: &[&str], common: &'n str) -> Option<&'n str> {
    let before = common.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = |name: &&str| {
        let rest = name.strip_prefix(before).unwrap_or_default();
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())
    };
    let apart = before.ends_with(BEFORE_NUMBERS);
    (apart && names.iter().all(number)).then_some(before)
}

fn prefix<'n>(a: &'n str, b: &str) -> &'n str {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    let len: usize = same.map(|(letter, _)| letter.len_utf8()).sum();
    a.get(..len).unwrap_or_default()
}

fn suffix<'n>(a: &'n str, b: &str) -> &'n str {
    let same = a.chars().rev().zip(b.chars().rev()).take_while(|(a, b)| a == b);
    let len: usize = same.map(|(letter, _)| letter.len_utf8()).sum();
    a.get(a.len() - len..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(names: &[&str]) -> Option<String> {
        common(names).map(|names| names.pattern())
    }

    #[test]
    fn names_that_differ_in_one_part_or_a_number_have_a_pattern() {
        for (names, wanted) in [
            (&["log-eu", "log-us"][..], "log-{}"),
            (&["a.log", "b.log"], "{}.log"),
            (&["raft/a", "raft/b"], "raft/{}"),
            (&["raft-eu-log", "raft-us-log"], "raft-{}-log"),
            (&["log-0", "log-1", "log-12"], "log-{}"),
            (&["log_1", "log_22"], "log_{}"),
            (&["log-10", "log-11"], "log-{}"),
            (&["log-eu-1", "log-eu-2", "log-us-1"], "log-{}"),
            (&["raft/1/log", "raft/2/log"], "raft/{}/log"),
            (&["ß.x", "ö.x"], "{}.x"),
        ] {
            assert_eq!(pattern(names).as_deref(), Some(wanted), "{names:?}");
        }
    }

    #[test]
    fn names_without_a_separator_in_common_have_none() {
        for names in [
            &["first", "second"][..],
            &["log-eu"],
            &["raft_log", "raft_entries"],
            &["logs", "logs-eu"],
            &["log-", "log-eu"],
            &["a-log", "log-b"],
        ] {
            assert_eq!(pattern(names), None, "{names:?}");
        }
    }

    #[test]
    fn a_table_beside_logs_is_of_the_group_that_stands_in_its_name() {
        let names = |name| around_a_group(name, &["eu", "eu-1"]).map(|names| names.pattern());
        assert_eq!(names("vote-eu").as_deref(), Some("vote-{}"));
        assert_eq!(names("eu.meta").as_deref(), Some("{}.meta"));
        assert_eq!(names("vote-eu-1").as_deref(), Some("vote-{}"));
        assert_eq!((names("neutral"), names("meta"), names("eu")), (None, None, None));
    }
}
