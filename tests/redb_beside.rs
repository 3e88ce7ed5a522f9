//! What stands beside the log in a redb file whose tables have names of their own: votes and other
//! records belong to the right group, and nothing is left behind unseen.
#![allow(clippy::disallowed_methods)]

mod support;

use std::path::{Path, PathBuf};

use redb::{Key, TableDefinition};
use serde_json::{Value, json};

/// A file that is being made, a transaction a table.
struct Made {
    path: PathBuf,
    database: redb::Database,
    _dir: tempfile::TempDir,
}

impl Made {
    fn new() -> Made {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("made.redb");
        let database = redb::Database::create(&path).expect("create");
        Made { path, database, _dir: dir }
    }

    fn table<'k, K: Key + 'static>(
        self,
        name: &str,
        rows: impl IntoIterator<Item = (K::SelfType<'k>, Vec<u8>)>,
    ) -> Made {
        let transaction = self.database.begin_write().expect("begin");
        {
            let definition = TableDefinition::<K, &[u8]>::new(name);
            let mut table = transaction.open_table(definition).expect("table");
            for (key, value) in rows {
                table.insert(key, value.as_slice()).expect("row");
            }
        }
        transaction.commit().expect("commit");
        self
    }

    fn logs(self, name: &str, last: u64) -> Made {
        self.table::<u64>(name, (1..=last).map(|index| (index, entry(index))))
    }

    /// Closes the file.
    fn closed(self) -> (PathBuf, tempfile::TempDir) {
        (self.path, self._dir)
    }
}

/// openraft's Blank in JSON.
fn entry(index: u64) -> Vec<u8> {
    let id = json!({ "leader_id": { "term": 3, "node_id": 1 }, "index": index });
    json!({ "log_id": id, "payload": "Blank" }).to_string().into_bytes()
}

fn vote(term: u64, node: u64) -> Vec<u8> {
    let leader = json!({ "term": term, "node_id": node });
    json!({ "leader_id": leader, "committed": true }).to_string().into_bytes()
}

/// Runs raftlog with `--json` and gives the exit code and what it says.
fn told(arguments: &[&str]) -> (i32, Value) {
    let arguments = [arguments, &["--json"]].concat();
    let (code, out, err) = support::told(&support::raftlog(arguments));
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}")))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("path")
}

/// Name, term, and vote of each group that `inspect` shows.
fn votes(path: &Path, flags: &[&str]) -> Vec<(Value, Value, Value)> {
    let (code, shown) = told(&[&["inspect", text(path)], flags].concat());
    assert_eq!(code, 0, "{shown}");
    let groups = shown["result"]["groups"].as_array().expect("groups");
    let of = |group: &Value| {
        let hard = &group["hard_state"];
        (group["group"].clone(), hard["term"].clone(), hard["vote"]["candidate"].clone())
    };
    groups.iter().map(of).collect()
}

#[test]
fn a_conf_table_of_a_usual_name_proves_no_project_whose_log_is_not_there() {
    // Tables of a project that is not known, of which one is called as in a project that is.
    for logs in ["raft_logs", "entries", "log_entries_2"] {
        let made = Made::new().logs(logs, 9);
        let (path, _dir) = made.table::<&str>("raft_meta", [("vote", vote(5, 2))]).closed();
        assert_eq!(votes(&path, &[]), [(Value::Null, json!(5), json!("2"))], "{logs}");
    }
}

#[test]
fn each_group_has_the_records_of_its_own_table_and_takes_them_along() {
    let made = Made::new().logs("log.0", 9).logs("log.1", 7);
    let made = made.table::<&str>("meta.0", [("vote", vote(5, 2))]);
    let (path, dir) = made.table::<&str>("meta.1", [("vote", vote(6, 1))]).closed();
    let expected = [(json!("0"), json!(5), json!("2")), (json!("1"), json!(6), json!("1"))];
    assert_eq!(votes(&path, &[]), expected);
    let (there, back) = (dir.path().join("x.fastlog"), dir.path().join("back.redb"));
    let forth = ["migrate", text(&path), text(&there), "--to", "fastlog"];
    assert_eq!(told(&forth).0, 0);
    assert_eq!(told(&["migrate", text(&there), text(&back), "--to", "redb"]).0, 0);
    assert_eq!(votes(&back, &[]), expected);
    assert_eq!(told(&["diff", text(&path), text(&back)]).0, 0);
    let repaired = dir.path().join("repaired.redb");
    assert_eq!(told(&["repair", text(&path), "--out", text(&repaired)]).0, 0);
}

#[test]
fn keys_of_an_application_are_not_taken_for_votes() {
    let rows = [
        ("sm/poll/vote", b"yes".to_vec()),
        ("sm/purged", b"never".to_vec()),
        ("vote", vote(3, 1)),
        ("x/vote", vote(1, 7)),
    ];
    let (path, _dir) = Made::new().logs("raft_log", 9).table::<&str>("raft_meta", rows).closed();
    assert_eq!(votes(&path, &[]), [(Value::Null, json!(3), json!("1"))]);
    let (code, shown) = told(&["verify", text(&path)]);
    let summary = &shown["summary"];
    assert_eq!((code, &summary["errors"], &summary["warnings"]), (0, &json!(0), &json!(0)));
}

#[test]
fn records_that_say_nothing_of_their_group_are_a_loss_by_name() {
    let rows = (0..20u64).map(|row| ((row / 10, 1 + row % 10), entry(1 + row % 10)));
    let made = Made::new().table::<(u64, u64)>("entries", rows);
    let (path, dir) = made.table::<&str>("raft_meta", [("vote", vote(5, 2))]).closed();
    let (_, shown) = told(&["inspect", text(&path)]);
    assert_eq!(shown["result"]["other_contents"], json!({ "raft_meta": 1 }));
    let target = dir.path().join("x.fastlog");
    let forth = ["migrate", text(&path), text(&target), "--to", "fastlog"];
    assert_eq!(told(&forth).0, 12);
    let forth = [&forth[..], &["--allow-loss", "other-tables"]].concat();
    assert_eq!(told(&forth).0, 0);
    let back = dir.path().join("back.redb");
    assert_eq!(told(&["migrate", text(&target), text(&back), "--to", "redb"]).0, 0);
}

#[test]
fn who_names_the_log_alone_still_gets_its_encoding_and_its_vote() {
    let made = Made::new().logs("first", 9).logs("second", 7);
    let (path, _dir) = made.table::<&str>("raft_meta", [("vote", vote(5, 2))]).closed();
    let expected = [(Value::Null, json!(5), json!("2"))];
    assert_eq!(votes(&path, &["--redb-logs-table", "second"]), expected);
    let flags = ["--redb-logs-table", "first", "--redb-codec", "openraft-json"];
    assert_eq!(votes(&path, &flags), expected);
}

#[test]
fn a_table_keyed_by_bytes_is_written_back_keyed_by_bytes() {
    let rows = [(&b"vote"[..], vote(5, 2))];
    let (path, dir) = Made::new().logs("raft_log", 9).table::<&[u8]>("raft_meta", rows).closed();
    let back = dir.path().join("back.redb");
    assert_eq!(told(&["migrate", text(&path), text(&back), "--to", "redb"]).0, 0);
    assert_eq!(votes(&back, &[]), [(Value::Null, json!(5), json!("2"))]);
    let database = redb::Database::open(&back).expect("opens");
    let transaction = redb::ReadableDatabase::begin_read(&database).expect("begin");
    let definition = TableDefinition::<&[u8], &[u8]>::new("raft_meta");
    transaction.open_table(definition).expect("of the type it had");
}

#[test]
fn tables_of_a_project_before_its_first_entry_are_an_empty_log() {
    let made = Made::new().logs("raft_log", 0);
    let (path, _dir) = made.table::<&str>("raft_meta", []).closed();
    let (code, shown) = told(&["inspect", text(&path)]);
    assert_eq!((code, &shown["result"]["groups"][0]["entries"]), (0, &json!(0)), "{shown}");
}

#[test]
fn a_schema_that_the_rows_are_not_in_is_no_damage() {
    let path = support::redb("redb-real", "real-mocra-purged");
    for command in ["inspect", "verify"] {
        let (code, shown) = told(&[command, text(&path), "--redb-logs-table", "raft_logs"]);
        assert_eq!(code, 0, "{shown}");
        let flags = ["--redb-schema", "rivven"];
        let (code, shown) = told(&[&[command, text(&path)][..], &flags].concat());
        assert_eq!(code, 10, "{shown}");
        let seen = shown["error"]["seen"].as_array().expect("the tables that are there");
        assert!(seen.iter().any(|line| line.as_str().is_some_and(|l| l.contains("raft_logs"))));
    }
}

#[test]
fn which_of_two_logs_is_meant_is_asked_in_json_too() {
    let (path, _dir) = Made::new().logs("first", 9).table::<u64>("x", []).closed();
    let made = Made::new().logs("first", 9).logs("another", 7);
    assert_eq!(told(&["inspect", text(&path)]).0, 0);
    let (path, _dir) = made.closed();
    let (code, shown) = told(&["inspect", text(&path)]);
    let error = &shown["error"];
    assert_eq!((code, error["seen"].as_array().map(Vec::len)), (12, Some(2)), "{shown}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--redb-logs-table")));
}
