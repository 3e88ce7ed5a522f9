//! `compare` through the real binary: real nodes of a cluster, in any formats, and what goes wrong
//! with them.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::bolt::unpack;
use support::made::bolt_log;
use support::{raftlog, told};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Exit code, the JSON after holding it against the schema, and the text.
fn compared(nodes: &[&Path]) -> (i32, Value, String) {
    let arguments: Vec<&str> =
        std::iter::once("compare").chain(nodes.iter().map(|node| text(node))).collect();
    let (_, schema, _) = told(&raftlog(["schema", "compare"]));
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).expect("JSON"));
    let (code, out, err) = told(&raftlog([&arguments[..], &["--json"]].concat()));
    let said: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}"));
    assert!(schema.expect("a schema").is_valid(&said), "{said:#}");
    let (same_code, shown, err) = told(&raftlog(arguments));
    assert_eq!(code, same_code, "{shown}{err}");
    (code, said, shown)
}

fn three_nodes(room: &Path) -> [PathBuf; 3] {
    unpack("dkron-3node", room);
    ["n1", "n2", "n3"].map(|node| room.join("dkron-3node").join(node))
}

fn range(indexes: std::ops::RangeInclusive<u64>, term: u64) -> Vec<(u64, u64)> {
    indexes.map(|index| (index, term)).collect()
}

#[test]
fn three_real_nodes_agree_entry_by_entry_though_their_votes_differ() {
    let room = tempfile::tempdir().expect("directory");
    let [n1, n2, n3] = three_nodes(room.path());
    let (code, said, shown) = compared(&[&n1, &n2, &n3]);
    assert_eq!(code, 0, "{said:#}");
    let result = &said["result"];
    assert_eq!(result["majority_through"], 474);
    assert_eq!(result["conflict"], Value::Null);
    let group = &result["groups"][0];
    assert_eq!((&group["voters"], &group["servers"]), (&3.into(), &3.into()));
    assert_eq!(group["common_through"], 474);
    assert_eq!(group["may_lead"].as_array().map(Vec::len), Some(3));
    let votes: Vec<String> = result["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| {
            assert_eq!((&node["first_index"], &node["last_index"]), (&1.into(), &474.into()));
            assert_eq!((&node["last_term"], &node["may_lead"]), (&4.into(), &true.into()));
            let vote = &node["hard_state"]["vote"];
            format!("{} in {}", vote["candidate"].as_str().expect("text"), vote["term"])
        })
        .collect();
    assert_eq!(votes, ["127.0.0.1:16869 in 4", "127.0.0.1:16869 in 4", "127.0.0.1:16871 in 3"]);
    assert!(shown.contains("on a majority (2 of 3 servers): through 474"), "{shown}");
    assert_eq!(said["sources"][2]["layout"]["product"], "dkron");
}

#[test]
fn nodes_of_several_formats_are_compared_by_what_they_mean() {
    let room = tempfile::tempdir().expect("directory");
    let [n1, n2, n3] = three_nodes(room.path());
    let mut nodes = vec![n3];
    for (node, format) in [(&n1, "fastlog"), (&n2, "redb")] {
        let target = room.path().join(format);
        let made = told(&raftlog(["migrate", text(node), text(&target), "--to", format]));
        assert_eq!(made.0, 0, "{}", made.2);
        nodes.push(target);
    }
    let nodes: Vec<&Path> = nodes.iter().map(PathBuf::as_path).collect();
    let (code, said, _) = compared(&nodes);
    assert_eq!((code, &said["result"]["groups"][0]["common_through"]), (0, &474.into()));
    let formats: Vec<&Value> =
        said["result"]["nodes"].as_array().expect("nodes").iter().map(|n| &n["format"]).collect();
    assert_eq!(json!(formats), json!(["boltdb", "fastlog", "redb"]));
}

#[test]
fn a_purged_log_agrees_with_a_whole_one_that_begins_at_0() {
    let [full, purged] =
        ["real-tatara-full", "real-tatara-purged"].map(|name| support::redb("redb-real", name));
    let room = tempfile::tempdir().expect("directory");
    let empty = room.path().join("empty.redb");
    fs::copy(support::redb("redb-empty", "empty"), &empty).expect("a copy");
    let (code, said, shown) = compared(&[&full, &purged]);
    assert_eq!(code, 0, "{shown}");
    let group = &said["result"]["groups"][0];
    let through = ["common_through", "majority_through", "committed_through"].map(|of| &group[of]);
    assert_eq!(json!(through), json!([200, 200, 50]), "{shown}");
    assert!(!shown.contains("missing") && !shown.contains("nothing"), "{shown}");
    // Who has nothing lacks index 0 too.
    let (code, _, shown) = compared(&[&full, &purged, &empty]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("is behind: it has 0 … 200 to fetch from a leader"), "{shown}");
}

#[test]
fn an_old_leaders_tail_is_a_conflict_that_raft_resolves() {
    let room = tempfile::tempdir().expect("directory");
    let [n1, n2, n3] = ["n1", "n2", "n3"].map(|name| room.path().join(name));
    bolt_log(&n1, &[range(1..=15, 1), range(16..=19, 2)].concat());
    bolt_log(&n2, &[range(1..=15, 1), range(16..=22, 3)].concat());
    fs::copy(&n2, &n3).expect("a copy");
    let (code, said, shown) = compared(&[&n1, &n2, &n3]);
    assert_eq!(code, 1);
    let conflict = &said["result"]["conflict"];
    assert_eq!((&conflict["kind"], &conflict["index"]), (&"diverged".into(), &16.into()));
    assert_eq!(said["result"]["majority_through"], 22);
    assert!(shown.contains("through 15, then differs: 16 … 19 of term 2"), "{shown}");
    assert!(shown.contains("would drop 16 … 19 (never on a majority) when it rejoins"), "{shown}");
    let (n2, n3) = (text(&n2), text(&n3));
    assert!(shown.contains(&format!("may lead: {n2}, {n3}\n")), "{shown}");
}

#[test]
fn a_changed_entry_of_one_term_is_told_as_impossible_and_shown() {
    let room = tempfile::tempdir().expect("directory");
    let [n1, n2, n3] = three_nodes(room.path());
    let log = n2.join("raft/raft.db");
    let mut bytes = fs::read(&log).expect("log");
    let job = b"tick-02";
    let at = bytes.windows(job.len()).position(|window| window == job).expect("a job's name");
    bytes[at + 6] = b'3';
    fs::write(&log, bytes).expect("log");
    let (code, said, shown) = compared(&[&n1, &n2, &n3]);
    assert_eq!(code, 1, "{said:#}");
    let conflict = &said["result"]["conflict"];
    assert_eq!(conflict["kind"], "impossible", "{said:#}");
    assert!(shown.contains("Do not start both"), "{shown}");
    let (_, _, err) = told(&raftlog(["compare", text(&n1), text(&n2), text(&n3)]));
    let next = err.lines().find(|line| line.starts_with("next: raftlog inspect")).expect("next");
    let command = next.trim_start_matches("next: raftlog ");
    let (code, out, err) = told(&raftlog(command.split_whitespace()));
    assert_eq!((code, out.lines().count()), (0, 4), "{out}{err}");
}

#[test]
fn a_node_in_use_or_missing_stops_the_comparison_and_is_named() {
    let room = tempfile::tempdir().expect("directory");
    let [n1, n2, n3] = three_nodes(room.path());
    let log = fs::File::options().read(true).write(true).open(n2.join("raft/raft.db"));
    let log = log.expect("log");
    rustix::fs::flock(&log, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    let (code, said, _) = compared(&[&n1, &n2, &n3]);
    assert_eq!(code, 11);
    assert!(said["error"]["message"].as_str().is_some_and(|text| text.contains("n2/raft/raft.db")));
    drop(log);
    let (code, out, err) =
        told(&raftlog(["compare", text(&n1), text(&room.path().join("nothing"))]));
    assert_eq!((code, out.as_str()), (10, ""));
    assert!(err.contains("nothing: no such file or directory"), "{err}");
}

#[test]
fn memory_does_not_grow_with_the_logs() {
    let room = tempfile::tempdir().expect("directory");
    let nodes = ["n1", "n2", "n3"].map(|name| room.path().join(name));
    support::made::large_redb(&nodes[0], 200_000, 1_024);
    fs::copy(&nodes[0], &nodes[1]).expect("a copy");
    fs::copy(&nodes[0], &nodes[2]).expect("a copy");
    let size = fs::metadata(&nodes[0]).expect("a log").len();
    assert!(size > 200 << 20, "{size}");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_raftlog"));
    command.arg("compare").args(&nodes).stdout(std::process::Stdio::null());
    let mut child = command.spawn().expect("the binary runs");
    let peak = support::peak_kib(&mut child) << 10;
    assert!(child.wait().expect("ended").success());
    assert!(peak > 0 && peak < 100 << 20, "{peak} bytes for three logs of {size}");
}
