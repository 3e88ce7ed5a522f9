//! Records beside the logs of raft-rs's users, and tables whose keys name groups.
#![allow(clippy::disallowed_methods)]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::redb_made::{Rows, made_in_format_2};

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn result(arguments: &[&str]) -> Value {
    let (code, out, err) = support::told(&support::raftlog([arguments, &["--json"]].concat()));
    assert!(code == 0 || code == 3, "{arguments:?}: {code}\n{out}{err}");
    serde_json::from_str::<Value>(&out).unwrap_or_else(|_| panic!("{out}{err}"))["result"].clone()
}

/// The groups of a file with their states, as `inspect` shows them.
fn groups(path: &Path, flags: &[&str]) -> Vec<Value> {
    let shown = result(&[&["inspect", "--state", text(path)], flags].concat());
    shown["groups"].as_array().expect("groups").clone()
}

/// The file after a way to FastLog and back, which must hold the same log.
fn there_and_back(path: &Path, flags: &[&str]) -> std::path::PathBuf {
    let (there, back) = (path.with_extension("fastlog"), path.with_extension("back"));
    let others = ["--allow-loss", "other-tables,term"];
    for (from, into, to) in [(path, &there, "fastlog"), (&there, &back, "redb")] {
        result(&[&["migrate", text(from), text(into), "--to", to], &others[..], flags].concat());
    }
    result(&[&["diff", text(path), text(&back)], flags].concat());
    back
}

/// blixard's entry: index, term, type, data, context and a flag.
fn blixard_entry(index: u64, term: u64, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).expect("small");
    let head = [index.to_le_bytes(), term.to_le_bytes()].concat();
    [&head[..], &[0], &len.to_le_bytes(), data, &0u32.to_le_bytes(), &[0]].concat()
}

#[test]
fn the_hard_state_of_blixard_is_its_term_vote_and_commit_index() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("blixard.redb");
    let rows: Rows = (1..=9).map(|index| (index, blixard_entry(index, 4, b"x"))).collect();
    let hard = [4u64.to_le_bytes(), 2u64.to_le_bytes(), 8u64.to_le_bytes()].concat();
    let members = [&1u32.to_le_bytes()[..], &2u64.to_le_bytes(), &[0; 12], &[0]].concat();
    let texts = [
        ("raft_hard_state", vec![("hard_state", hard.clone())]),
        ("raft_conf_state", vec![("conf_state", members)]),
    ];
    made_in_format_2(&path, &[("raft_log", rows.clone())], &texts);
    for file in [&path, &there_and_back(&path, &[])] {
        let group = &groups(file, &[])[0];
        let state = &group["hard_state"];
        assert_eq!((&state["term"], &state["commit"]), (&json!(4), &json!(8)), "{group}");
        assert!(state["vote"].to_string().contains('2'), "{group}");
        assert_eq!(group["entries"], 9);
    }
    // A record of another length is none.
    let short = dir.path().join("short.redb");
    let texts = [("raft_hard_state", vec![("hard_state", hard[..20].to_vec())])];
    made_in_format_2(&short, &[("raft_log", rows)], &texts);
    let (code, out, err) = support::told(&support::raftlog(["verify", text(&short)]));
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("R125"), "{out}");
}

#[test]
fn a_snapshot_of_raft_rs_is_the_snapshot_marker_and_comes_back_byte_for_byte() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("arrow.redb");
    let entry = |index: u8| vec![16, 5, 24, index, 34, 2, b'h', b'i'];
    let rows: Rows = (61..=80u8).map(|index| (index.into(), entry(index))).collect();
    let snapshot = [&[10, 3, 1, 2, 3, 18, 9][..], &[10, 3, 10, 1, 7, 16, 60, 24, 4]].concat();
    let texts = [
        ("raft_hard_state", vec![("hard_state", vec![8, 5, 16, 3, 24, 79])]),
        ("raft_conf_state", vec![("conf_state", vec![10, 1, 7])]),
        ("raft_snapshot", vec![("snapshot", snapshot.clone())]),
    ];
    support::redb_made::made(&path, &[("raft_entries", rows)], &texts);
    let back = there_and_back(&path, &[]);
    for file in [&path, &back] {
        let group = &groups(file, &[])[0];
        let found = &group["snapshot"];
        assert_eq!((&found["index"], &found["term"]), (&json!(60), &json!(4)), "{group}");
        assert_eq!(group["hard_state"]["commit"], 79);
    }
    let database = redb::Database::open(&back).expect("redb opens it");
    let transaction = redb::ReadableDatabase::begin_read(&database).expect("begin");
    let definition = redb::TableDefinition::<&str, &[u8]>::new("raft_snapshot");
    let table = transaction.open_table(definition).expect("the same table");
    assert_eq!(table.get("snapshot").expect("read").expect("there").value(), snapshot);
}

/// sorock's entry: the term before, index, term, and a barrier as command.
fn sorock_entry(index: u64, term: u64) -> Vec<u8> {
    let numbers = [term, index, term, 4].map(u64::to_le_bytes).concat();
    [&numbers[..], &0u32.to_le_bytes()].concat()
}

#[test]
fn ballots_of_all_shards_in_one_table_are_each_of_its_shard() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("sorock.redb");
    let database = redb::Database::create(&path).expect("create");
    let transaction = database.begin_write().expect("begin");
    for shard in [0u64, 3] {
        let name = format!("log.{shard}");
        let definition = redb::TableDefinition::<u64, Vec<u8>>::new(&name);
        let mut table = transaction.open_table(definition).expect("table");
        for index in 1..=10 + shard {
            table.insert(index, sorock_entry(index, 2)).expect("row");
        }
    }
    {
        let definition = redb::TableDefinition::<u32, Vec<u8>>::new("ballot");
        let mut table = transaction.open_table(definition).expect("table");
        // Shard 7 has voted, and has no entry yet.
        for shard in [0u32, 3, 7] {
            let ballot = [&u64::from(2 + shard).to_le_bytes()[..], &[0]].concat();
            table.insert(shard, ballot).expect("row");
        }
    }
    transaction.commit().expect("commit");
    drop(database);
    for file in [&path, &there_and_back(&path, &[])] {
        let found = groups(file, &[]);
        let told: Vec<(&Value, &Value, &Value)> = found
            .iter()
            .map(|group| (&group["group"], &group["entries"], &group["hard_state"]["term"]))
            .collect();
        let (none, two, five, nine) = (json!(0), json!(2), json!(5), json!(9));
        let wanted = [
            (&json!("0"), &json!(10), &two),
            (&json!("3"), &json!(13), &five),
            (&json!("7"), &none, &nine),
        ];
        assert_eq!(told, wanted, "{found:?}");
    }
    let shown = result(&["inspect", text(&path)]);
    assert_eq!(shown["other_contents"], json!({}));
}

macro_rules! broker {
    ($redb:ident, $path:expr) => {{
        let database = $redb::Database::create($path).expect("create");
        let transaction = database.begin_write().expect("begin");
        {
            let definition = $redb::TableDefinition::<(u64, u64), &[u8]>::new("raft_log");
            let mut log = transaction.open_table(definition).expect("table");
            let definition = $redb::TableDefinition::<(u64, &str), &[u8]>::new("raft_meta");
            let mut meta = transaction.open_table(definition).expect("table");
            for group in [5u64, 300] {
                for index in 1..=group.min(20) {
                    log.insert((group, index), &b"opaque"[..]).expect("row");
                }
                meta.insert((group, "vote"), &group.to_le_bytes()[..]).expect("row");
                meta.insert((group, "purged"), &b"p"[..]).expect("row");
            }
            let definition = $redb::TableDefinition::<&str, u64>::new("raft_groups");
            let mut names = transaction.open_table(definition).expect("table");
            names.insert("orders", 5).expect("row");
        }
        transaction.commit().expect("commit");
    }};
}

#[test]
fn keys_of_group_and_text_are_read_as_either_redb_wrote_them() {
    let dir = tempfile::tempdir().expect("directory");
    let (older, newer) = (dir.path().join("older.redb"), dir.path().join("newer.redb"));
    broker!(redb2, &older);
    broker!(redb, &newer);
    for path in [older, newer] {
        // Values of which nothing is known prove nothing: refused with every table, until told.
        let (code, _, err) = support::told(&support::raftlog(["inspect", text(&path)]));
        assert_eq!(code, 10, "{err}");
        for table in ["raft_log: (u64,u64)", "raft_meta: (u64,&str)", "raft_groups: &str"] {
            assert!(err.contains(table), "{table}: {err}");
        }
        let flags = ["--redb-logs-table", "raft_log", "--redb-codec", "raw"];
        let flags = [&flags[..], &["--redb-conf-table", "raft_meta"]].concat();
        let back = there_and_back(&path, &flags);
        for file in [&path, &back] {
            let found = groups(file, &flags);
            let told: Vec<_> = found.iter().map(|one| (&one["group"], &one["entries"])).collect();
            let wanted = [(&json!("300"), &json!(20)), (&json!("5"), &json!(5))];
            assert_eq!(told, wanted, "{found:?}");
            assert_eq!(found[1]["stable"]["vote"]["hex"], "0500000000000000", "{found:?}");
            assert_eq!(found[0]["stable"]["vote"]["hex"], "2c01000000000000", "{found:?}");
            assert!(found[0]["stable"]["purged"].is_object());
        }
        let others = result(&[&["inspect", text(&path)], &flags[..]].concat());
        assert_eq!(others["other_contents"], json!({ "raft_groups": 1 }));
    }
}

#[test]
fn keys_of_redbs_other_text_type_are_text_and_come_back_so() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("strings.redb");
    let database = redb::Database::create(&path).expect("create");
    let transaction = database.begin_write().expect("begin");
    {
        let definition = redb::TableDefinition::<u64, &[u8]>::new("mine");
        let mut log = transaction.open_table(definition).expect("table");
        for (index, value) in support::redb_made::openraft_json(12) {
            log.insert(index, value.as_slice()).expect("row");
        }
        let definition = redb::TableDefinition::<String, &[u8]>::new("records");
        let mut meta = transaction.open_table(definition).expect("table");
        let vote = br#"{"leader_id":{"term":3,"node_id":2},"committed":true}"#;
        meta.insert("vote".to_owned(), &vote[..]).expect("row");
    }
    transaction.commit().expect("commit");
    drop(database);
    let back = there_and_back(&path, &[]);
    assert_eq!(groups(&back, &[])[0]["hard_state"]["term"], 3);
    let database = redb::Database::open(&back).expect("redb opens it");
    let transaction = redb::ReadableDatabase::begin_read(&database).expect("begin");
    let definition = redb::TableDefinition::<String, &[u8]>::new("records");
    assert!(transaction.open_table(definition).is_ok());
}
