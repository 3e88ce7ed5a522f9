//! Which tables of a redb file are a Raft log: what proves it, what does not, and what is damage.
#![allow(clippy::disallowed_methods)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::redb_made::{Rows, Texts, made, openraft_json};

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Exit code, stdout and stderr of the real binary.
fn ended(arguments: &[&str]) -> (i32, String, String) {
    support::told(&support::raftlog(arguments))
}

fn result(arguments: &[&str]) -> Value {
    let (code, out, err) = ended(&[arguments, &["--json"]].concat());
    assert!(code == 0 || code == 3, "{arguments:?}: {code}\n{out}{err}");
    serde_json::from_str::<Value>(&out).unwrap_or_else(|_| panic!("{out}{err}"))["result"].clone()
}

/// Names and entries of the groups of a file.
fn groups(path: &Path) -> Vec<(String, u64)> {
    let shown = result(&["inspect", text(path)]);
    let groups = shown["groups"].as_array().expect("groups").iter();
    let group = |group: &Value| {
        let name = group["group"].as_str().unwrap_or("-").to_owned();
        (name, group["entries"].as_u64().expect("entries"))
    };
    groups.map(group).collect()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(u8::try_from(number & 127).expect("small") | 128);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("small"));
    bytes
}

/// Records of other programs that begin like entries: a version, an id and a kind in postcard; a
/// message with a type, a version and an id; an object with `index` and `term` among others.
fn foreign() -> [(&'static str, Rows); 4] {
    let all = |row: fn(u64) -> Vec<u8>| (1..=200).map(|id| (id, row(id))).collect::<Rows>();
    [
        ("sessions", all(|id| [&[1], &*varint(id), &[1, 4], b"anna"].concat())),
        ("tickets", all(|id| [&[1, 7], &*varint(id), &[u8::from(id % 3 == 0)]].concat())),
        ("messages", all(|id| [&[8, 2, 16, 1, 24], &*varint(id), &[34, 2], b"hi"].concat())),
        (
            "glossary",
            all(|id| {
                let letter = char::from(b'a' + u8::try_from(id % 26).expect("small"));
                format!("{{\"index\":{id},\"term\":{},\"word\":\"{letter}\"}}", id / 9).into()
            }),
        ),
    ]
}

#[test]
fn records_of_other_programs_that_begin_like_entries_are_no_log() {
    let dir = tempfile::tempdir().expect("directory");
    for (name, rows) in foreign() {
        let path = dir.path().join(format!("{name}.redb"));
        let settings: Texts = vec![("version", vec![1]), ("owner", b"anna".to_vec())];
        made(&path, &[(name, rows)], &[("settings", settings)]);
        for command in ["inspect", "verify"] {
            let (code, out, err) = ended(&[command, text(&path)]);
            assert_eq!((code, out.as_str()), (10, ""), "{name}: {err}");
            assert!(err.contains(&format!("--redb-logs-table {name} --redb-codec")), "{err}");
        }
        // Who knows better says so.
        let (code, out, err) = ended(&["inspect", text(&path), "--redb-logs-table", name]);
        assert!(code == 0 || code == 3, "{name}: {out}{err}");
    }
}

#[test]
fn a_weak_encoding_is_believed_beside_a_vote_that_fits_or_by_a_name_and_a_beginning() {
    let dir = tempfile::tempdir().expect("directory");
    let log: Rows = (1..=20)
        .map(|index| match index {
            1 => (index, vec![3, 1, 1, 0]),
            _ => (index, [&[3, 1], &*varint(index), &[1], b"set"].concat()),
        })
        .collect();
    let state = |vote: &[u8]| -> Texts { vec![("vote", vote.to_vec())] };
    for (table, vote, found) in [
        ("whatever", Some(&[3, 1, 1][..]), true),
        ("whatever", Some(&[9, 1, 1]), true),
        // A vote of a term before the log's last.
        ("whatever", Some(&[2, 1, 1]), false),
        // In another encoding.
        ("whatever", Some(b"{\"term\":3}"), false),
        ("whatever", None, false),
        ("raft_entries_v2", None, true),
        ("audit_log", None, false),
    ] {
        let path = dir.path().join("x.redb");
        let texts: Vec<(&str, Texts)> = vote.iter().map(|vote| ("state", state(vote))).collect();
        made(&path, &[(table, log.clone())], &texts);
        let (code, _, err) = ended(&["inspect", text(&path)]);
        assert_eq!(code == 0, found, "{table} {vote:?}: {err}");
        std::fs::remove_file(path).expect("remove");
    }
    // Without an entry with which a leader begins, the name alone is a name.
    let path = dir.path().join("commands-only.redb");
    made(&path, &[("raft_entries_v2", log[1..].to_vec())], &[]);
    assert_eq!(ended(&["inspect", text(&path)]).0, 10);
}

/// Tables, the groups that they are with the entries of each, and the tables of their votes.
type Case = (&'static [&'static str], &'static [(&'static str, u64)], &'static str);

#[test]
fn tables_whose_names_differ_in_one_part_are_groups() {
    let dir = tempfile::tempdir().expect("directory");
    let cases: [Case; 4] = [
        (&["log-eu", "log-us"], &[("eu", 11), ("us", 12)], "vote-{}"),
        (&["a.log", "b.log"], &[("a", 11), ("b", 12)], "{}.vote"),
        (&["raft/a", "raft/b"], &[("a", 11), ("b", 12)], "votes/{}"),
        (&["log-1", "log-22", "log-3"], &[("1", 11), ("22", 12), ("3", 13)], "vote-{}"),
    ];
    for (number, (tables, wanted, votes)) in cases.into_iter().enumerate() {
        let path = dir.path().join(format!("{number}.redb"));
        let logs: Vec<(&str, Rows)> =
            tables.iter().zip(11..).map(|(name, last)| (*name, openraft_json(last))).collect();
        let vote = |term| {
            let leader = format!("{{\"term\":{term},\"node_id\":2}}");
            format!("{{\"leader_id\":{leader},\"committed\":true}}")
        };
        let votes: Vec<String> =
            wanted.iter().map(|(group, _)| votes.replace("{}", group)).collect();
        let texts: Vec<(&str, Texts)> = votes
            .iter()
            .zip(5..)
            .map(|(name, term)| (name.as_str(), vec![("vote", vote(term).into_bytes())]))
            .collect();
        made(&path, &logs, &texts);
        let wanted: Vec<(String, u64)> =
            wanted.iter().map(|(name, last)| ((*name).to_owned(), *last)).collect();
        assert_eq!(groups(&path), wanted, "{tables:?}");
        let shown = result(&["inspect", "--state", text(&path)]);
        assert_eq!(shown["groups"][1]["hard_state"]["term"], 6, "{tables:?}: {shown}");
        // And back.
        let (there, back) = (path.with_extension("fastlog"), path.with_extension("back"));
        for (from, into, to) in [(&path, &there, "fastlog"), (&there, &back, "redb")] {
            let (code, out, err) = ended(&["migrate", text(from), text(into), "--to", to]);
            assert_eq!(code, 0, "{tables:?}: {out}{err}");
        }
        assert_eq!(groups(&back), wanted);
        assert_eq!(ended(&["diff", text(&path), text(&back)]).0, 0);
    }
}

#[test]
fn logs_whose_names_have_no_pattern_have_to_be_told() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("two.redb");
    made(&path, &[("europe", openraft_json(9)), ("us", openraft_json(8))], &[]);
    let (code, _, err) = ended(&["inspect", text(&path)]);
    assert_eq!(code, 12, "{err}");
    assert!(err.contains("--redb-group-pattern"), "{err}");
    assert!(err.contains("--redb-logs-table"), "{err}");
}

#[test]
fn a_table_that_is_only_called_like_a_group_is_none() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("strange.redb");
    let users: Rows = (1..9).map(|id| (id * 3, b"anna".to_vec())).collect();
    let logs = [("log-eu", openraft_json(9)), ("log-us", openraft_json(8)), ("log-users", users)];
    made(&path, &logs, &[("log-meta", vec![("name", b"x".to_vec())])]);
    let found = groups(&path);
    assert_eq!(found, [("eu".to_owned(), 9), ("us".to_owned(), 8)]);
    let into = dir.path().join("x.fastlog");
    let (code, _, err) = ended(&["migrate", text(&path), text(&into), "--to", "fastlog"]);
    assert_eq!(code, 12);
    assert!(err.contains("other-tables") && err.contains('2'), "{err}");
}

#[test]
fn a_damaged_row_of_a_short_log_is_damage_and_no_other_program() {
    let dir = tempfile::tempdir().expect("directory");
    for last in 1..=9 {
        for damaged in 1..=last {
            let mut rows = openraft_json(last);
            let at = usize::try_from(damaged - 1).expect("small");
            rows[at].1.truncate(20);
            let vote = br#"{"leader_id":{"term":3,"node_id":1},"committed":true}"#.to_vec();
            let path = dir.path().join("short.redb");
            // tatara's tables; and of any name, where one entry proves what the other was.
            for (table, meta, at_least) in [("raft_log", "raft_meta", 1), ("mine", "other", 2)] {
                made(&path, &[(table, rows.clone())], &[(meta, vec![("vote", vote.clone())])]);
                let (code, out, err) = ended(&["verify", text(&path)]);
                if last >= at_least {
                    assert_eq!(code, 1, "{table}, {damaged} of {last}: {out}{err}");
                    assert!(out.contains("R122"), "{out}");
                } else {
                    assert_eq!(code, 10, "{table}, {damaged} of {last}: {out}{err}");
                }
                std::fs::remove_file(&path).expect("remove");
            }
        }
    }
}

/// openraft's entries in postcard, of term 3, the first a blank one.
fn in_postcard(last: u64) -> Rows {
    let kind = |index| if index == 1 { 0 } else { 1 };
    (1..=last).map(|index| (index, [&[3, 1], &*varint(index), &[kind(index)]].concat())).collect()
}

#[test]
fn the_first_entries_of_a_log_are_found_beside_a_vote_that_fits() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("young.redb");
    let vote = |bytes: &[u8]| -> [(&'static str, Texts); 1] {
        [("state", vec![("vote", bytes.to_vec())])]
    };
    for last in 1..=3 {
        for (votes, found, words) in [
            (vote(&[3, 1, 1]), true, ""),
            (vote(&[2, 1, 1]), false, "says a lower term, or nothing"),
            (vote(&[9]), false, "says a lower term, or nothing"),
            ([("state", vec![("theme", vec![3, 1, 1])])], false, "without a vote or hard state"),
        ] {
            made(&path, &[("mine", in_postcard(last))], &votes);
            let (code, out, err) = ended(&["inspect", text(&path)]);
            assert_eq!(code == 0, found, "{last} {votes:?}: {out}{err}");
            assert!(err.contains(words), "{err}");
            std::fs::remove_file(&path).expect("remove");
        }
    }
    // A vote and a row that is damaged, of two.
    let mut rows = in_postcard(2);
    rows[0].1.truncate(1);
    made(&path, &[("mine", rows)], &vote(&[3, 1, 1]));
    let (code, out, err) = ended(&["verify", text(&path)]);
    assert_eq!(code, 1, "{out}{err}");
}

#[test]
fn one_odd_term_in_many_rows_is_damage_and_no_other_program() {
    let dir = tempfile::tempdir().expect("directory");
    for (odd, at) in [(90, 40), (2, 40), (90, 79), (90, 0)] {
        let mut rows = in_postcard(80);
        rows[at].1[0] = odd;
        let path = dir.path().join(format!("{odd}-{at}.redb"));
        let votes: Texts = vec![("vote", vec![3, 1, 1])];
        made(&path, &[("mine", rows)], &[("state", votes)]);
        let (code, out, err) = ended(&["verify", text(&path)]);
        assert!(code == 1 || code == 3, "{odd} at {at}: {code} {out}{err}");
        assert!(out.contains("R10"), "{out}");
    }
}

#[test]
fn tables_of_a_projects_usual_names_are_its_log_only_with_a_vote() {
    let dir = tempfile::tempdir().expect("directory");
    let rows = || -> Rows { foreign()[1].1.clone() };
    let records: [(&str, Texts, bool); 3] = [
        ("foreign", vec![("version", vec![1])], false),
        // With nothing beside it the file is not an empty log, either.
        ("silent", vec![], false),
        ("voted", vec![("vote", vec![3, 1, 1])], true),
    ];
    for (name, meta, found) in records {
        let path = dir.path().join(format!("{name}.redb"));
        made(&path, &[("log_entries", rows())], &[("meta", meta)]);
        let (code, out, err) = ended(&["inspect", text(&path)]);
        assert_eq!(code == 0, found, "{name}: {out}{err}");
        assert!(found || err.contains("--redb-logs-table log_entries"), "{err}");
    }
}

#[test]
fn files_that_are_no_log_stay_none() {
    for name in ["not-raft", "schema-multimap"] {
        let path = support::redb("redb-schema", name);
        let (code, out, err) = ended(&["inspect", text(&path)]);
        assert_eq!((code, out.as_str()), (10, ""), "{name}: {err}");
    }
}
