//! Logs that the Go libraries write from seeds, taken by raftlog into every format and back, and
//! read again by the libraries: the same log to them; and a node whose operator restored a snapshot
//! goes on from what raftlog wrote.
#![allow(clippy::disallowed_methods)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::go::{copied, done, interop, lines_of, raftlog_done, text};

/// What the seeded logs are like: every entry type and size class; large ones; a first index far
/// above 1; a node that never voted; a log without entries; nothing at all.
const SHAPES: [&str; 6] = ["mixed", "sizes", "late", "novote", "empty", "nothing"];
/// What raft-fastlog cannot hold.
const LOSSES: &str = "appended-at,extensions";

fn migrated(from: &Path, to: PathBuf, format: &str, rest: &[&str]) -> PathBuf {
    let words = ["migrate", text(from), text(&to), "--to", format];
    raftlog_done(&[&words[..], rest].concat());
    to
}

/// What is left of a line of BoltDB's in raft-fastlog, whose integers have the other byte order.
fn as_fast(line: &Value) -> Value {
    if let Some(key) = line["stable"].as_str() {
        let mut bytes = data_encoding::HEXLOWER
            .decode(line["hex"].as_str().expect("hex").as_bytes())
            .expect("hex");
        if key != "LastVoteCand" {
            bytes.reverse();
        }
        return json!({ "stable": key, "hex": data_encoding::HEXLOWER.encode(&bytes) });
    }
    plain(line)
}

fn all_as_fast(lines: &[Value]) -> Vec<Value> {
    lines.iter().map(as_fast).collect()
}

/// A line of raft-fastlog's without what the format does not hold.
fn plain(line: &Value) -> Value {
    let mut line = line.clone();
    if let Some(fields) = line.as_object_mut() {
        fields.remove("extensions_hex");
        fields.remove("appended_at");
    }
    line
}

#[test]
fn seeded_boltdb_logs_come_back_from_every_format_as_they_were() {
    let Some(program) = interop() else { return };
    for (version, form) in [("v1", "old"), ("v2", "old"), ("v2", "new")] {
        for (number, shape) in SHAPES.iter().enumerate() {
            let what = format!("{shape} by {version}, {form} times");
            let dir = tempfile::tempdir().expect("directory");
            let at = |name: &str| dir.path().join(name);
            let original = at("raft.db");
            let seed = (number + 1).to_string();
            done(program, &["seed", version, form, shape, &seed, text(&original)]);
            let wanted = lines_of(program, version, form, &original);
            for between in ["fastlog", "redb"] {
                let there = migrated(&original, at(between), between, &[]);
                let back = migrated(&there, at(&format!("{between}.db")), "boltdb", &[]);
                done(program, &["check", text(&back)]);
                assert_eq!(lines_of(program, version, form, &back), wanted, "{what}: {between}");
            }
            let rest = ["--allow-loss", LOSSES];
            let fast = migrated(&original, at("fast"), "raft-fastlog", &rest);
            let found: Vec<Value> =
                lines_of(program, "fast", form, &fast).iter().map(plain).collect();
            assert_eq!(found, all_as_fast(&wanted), "{what}: raft-fastlog");
            let back = migrated(&fast, at("back.db"), "boltdb", &[]);
            done(program, &["check", text(&back)]);
            let found = lines_of(program, version, form, &back);
            assert_eq!(all_as_fast(&found), all_as_fast(&wanted), "{what}: back");
        }
    }
}

#[test]
fn seeded_raft_fastlog_logs_come_back_from_every_format_as_they_were() {
    let Some(program) = interop() else { return };
    // Its library leaves a file without a byte where nothing was written, which says nothing.
    for (number, shape) in SHAPES.iter().enumerate().filter(|(_, shape)| **shape != "nothing") {
        let dir = tempfile::tempdir().expect("directory");
        let at = |name: &str| dir.path().join(name);
        let original = at("raft.fast");
        let seed = (number + 100).to_string();
        done(program, &["seed", "fast", "old", shape, &seed, text(&original)]);
        let wanted = lines_of(program, "fast", "old", &original);
        for between in ["fastlog", "redb", "boltdb", "raft-fastlog"] {
            let there = migrated(&original, at(between), between, &[]);
            let back = migrated(
                &there,
                at(&format!("{between}.fast")),
                "raft-fastlog",
                &["--allow-loss", LOSSES],
            );
            assert_eq!(lines_of(program, "fast", "old", &back), wanted, "{shape}: {between}");
        }
    }
}

/// A directory of a node whose operator restored a snapshot; its log has a hole there.
fn restored(program: &Path, version: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("directory");
    done(program, &["restored", version, text(dir.path())]);
    dir
}

#[test]
fn a_node_with_the_hole_of_a_restore_goes_on_from_what_raftlog_wrote() {
    let Some(program) = interop() else { return };
    for (version, to, other) in [
        ("v1", "raft-fastlog", "fast"),
        ("v2", "raft-fastlog", "fast"),
        ("fast", "boltdb", "v1"),
        ("v2", "boltdb", "v2"),
    ] {
        let node = restored(program, version);
        let source = node.path().join("raft.db");
        let said = raftlog_done(&["verify", "--json", text(&source)]);
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let hole = said["findings"].as_array().expect("findings").iter();
        let hole: Vec<&Value> = hole.filter(|finding| finding["code"] == "R101").collect();
        assert_eq!(hole.len(), 1, "{version}: {said}");
        assert_eq!(hole[0]["severity"], "info", "{version}: {said}");
        let rest: &[&str] = if to == "raft-fastlog" { &["--allow-loss", LOSSES] } else { &[] };
        let target = migrated(&source, node.path().join("raft.new"), to, rest);
        let last = |path: &Path| {
            let said = raftlog_done(&["inspect", "--json", text(path)]);
            let said: Value = serde_json::from_str(&said).expect("JSON");
            said["result"]["groups"][0]["last_index"].as_u64().expect("an index")
        };
        let before = last(&source);
        assert_eq!(last(&target), before, "{version} to {to}");
        // The node starts on it, with the snapshot beside it that explains the hole.
        let said = done(program, &["elect", other, text(&target), text(node.path())]);
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert!(said["last"].as_u64() > Some(before), "{version} to {to}: {said}");
        assert_eq!(last(&target), said["last"].as_u64().expect("an index"));
        // Without the snapshot nothing explains it, and the node would not start.
        let alone = copied(&target, "alone");
        let verdict = support::raftlog(["verify", "--alone", text(&alone)]);
        assert_eq!(verdict.status.code(), Some(1), "{version} to {to}");
    }
}
