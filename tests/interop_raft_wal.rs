//! raft-wal's own library opens, appends to and truncates what raftlog wrote, and raftlog reads
//! what it leaves: bundled directories, logs from seeds, a node that elects itself, the hole of a
//! restore.
#![allow(clippy::disallowed_methods)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::go::{done, interop, lines_of, raftlog_done, text};
use support::raft_wal::{DUMPED, copied, unpacked};
use support::{bolt, raftlog, told};

const SHAPES: [&str; 6] = ["mixed", "sizes", "late", "novote", "empty", "nothing"];

fn migrated(from: &Path, to: PathBuf, format: &str) -> PathBuf {
    let words = ["migrate", text(from), text(&to), "--to", format];
    let (code, out, err) = told(&raftlog(words));
    // What a library refuses is a warning.
    assert!([0, 3].contains(&code), "{words:?}: {out}{err}");
    to
}

/// What the library reads in a directory, of which it gets a copy.
fn wal_lines(program: &Path, path: &Path) -> Vec<Value> {
    let copy = tempfile::tempdir().expect("directory");
    let copy = copied(path, &copy.path().join("copy"), true);
    let out = done(program, &["dump", "wal", "old", text(&copy)]);
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Whether the library refuses to read an entry of a directory.
fn wal_refuses(program: &Path, path: &Path) -> bool {
    let copy = tempfile::tempdir().expect("directory");
    let copy = copied(path, &copy.path().join("copy"), true);
    let (code, _, err) = told(&support::go::go(program, &["dump", "wal", "old", text(&copy)]));
    assert!(code == 0 || err.contains("no index block"), "{err}");
    code != 0
}

/// Lines of BoltDB's as raft-wal has them, whose integers have the other byte order.
fn as_wal(lines: &[Value]) -> Vec<Value> {
    let line = |line: &Value| match line["stable"].as_str() {
        Some(key) if key != "LastVoteCand" => {
            let hex = line["hex"].as_str().expect("hex").as_bytes();
            let mut bytes = data_encoding::HEXLOWER.decode(hex).expect("hex");
            bytes.reverse();
            json!({ "stable": key, "hex": data_encoding::HEXLOWER.encode(&bytes) })
        }
        _ => line.clone(),
    };
    lines.iter().map(line).collect()
}

/// The verdict about one store, which must be sound but for what `codes` name.
fn verified(path: &Path, codes: &[&str]) -> Value {
    let (code, out, err) = told(&raftlog(["verify", "--json", text(path)]));
    assert_eq!(code, if codes.is_empty() { 0 } else { 3 }, "{out}{err}");
    let said: Value = serde_json::from_str(&out).expect("JSON");
    let findings = said["findings"].as_array().expect("findings").iter();
    let found: Vec<&str> = findings
        .filter(|finding| finding["severity"] != "info")
        .map(|finding| finding["code"].as_str().expect("a code"))
        .collect();
    assert_eq!(found, codes, "{said}");
    said["result"]["stores"][0].clone()
}

#[test]
fn the_library_reads_what_raftlog_wrote_as_it_reads_the_original() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &DUMPED {
        let path = unpacked(bundled, dir.path());
        let target =
            migrated(&path, dir.path().join(format!("{}.new", bundled.fixture)), "raft-wal");
        let found = wal_lines(program, &target);
        if bundled.fixture == "wal-unreadable" {
            // The original it refuses; here is what was rescued.
            assert_eq!(found.len(), 3 + 270);
            continue;
        }
        assert_eq!(found, wal_lines(program, &path), "{}", bundled.fixture);
    }
}

#[test]
fn the_library_goes_on_appending_and_truncating_where_raftlog_ended() {
    let Some(program) = interop() else { return };
    for (shape, entries) in [("mixed", 200), ("sizes", 60), ("late", 120), ("empty", 0)] {
        let dir = tempfile::tempdir().expect("directory");
        let original = dir.path().join("original");
        done(program, &["seed", "wal", "old", shape, "5", text(&original)]);
        let target = migrated(&original, dir.path().join("target"), "raft-wal");
        assert_eq!(wal_lines(program, &target), wal_lines(program, &original), "{shape}");
        done(program, &["append", "wal", text(&target), "150"]);
        let grown = entries + 150 - 1;
        assert_eq!(verified(&target, &[])["entries"], grown, "{shape}: appended");
        // raft-wal 0.4.0 does not read again what it truncates in the last segment; raftlog does,
        // and writes it so that the library goes on.
        done(program, &["cut", text(&target), "3"]);
        let (code, out, err) = told(&raftlog(["verify", "--json", text(&target)]));
        assert!([0, 3].contains(&code), "{shape}: {out}{err}");
        let said: Value = serde_json::from_str(&out).expect("JSON");
        let refused = wal_refuses(program, &target);
        assert_eq!(code == 3, refused, "{shape}: {said}");
        assert_eq!(said["result"]["stores"][0]["entries"], grown - 1, "{shape}: truncated");
        let again = migrated(&target, dir.path().join("again"), "raft-wal");
        assert_eq!(wal_lines(program, &again).len() as u64, 3 + grown - 1);
        done(program, &["append", "wal", text(&again), "10"]);
        assert_eq!(verified(&again, &[])["entries"], grown - 1 + 10 - 1, "{shape}: again");
    }
}

#[test]
fn seeded_logs_come_back_from_every_format_as_they_were() {
    let Some(program) = interop() else { return };
    for (number, shape) in SHAPES.iter().enumerate() {
        let dir = tempfile::tempdir().expect("directory");
        let at = |name: &str| dir.path().join(name);
        let (seed, original) = ((number + 200).to_string(), at("wal"));
        done(program, &["seed", "wal", "old", shape, &seed, text(&original)]);
        let wanted = wal_lines(program, &original);
        for between in ["fastlog", "redb", "boltdb", "raft-wal"] {
            let there = migrated(&original, at(between), between);
            if between == "boltdb" {
                done(program, &["check", text(&there)]);
                let found = lines_of(program, "v2", "old", &there);
                assert_eq!(as_wal(&found), wanted, "{shape}: boltdb");
            }
            let back = migrated(&there, at(&format!("{between}.back")), "raft-wal");
            assert_eq!(wal_lines(program, &back), wanted, "{shape}: {between}");
        }
    }
}

#[test]
fn boltdb_logs_are_the_same_to_the_library_of_raft_wal() {
    let Some(program) = interop() else { return };
    for (version, form) in [("v1", "old"), ("v2", "old"), ("v2", "new")] {
        for (number, shape) in SHAPES.iter().enumerate() {
            let dir = tempfile::tempdir().expect("directory");
            let (seed, original) = ((number + 1).to_string(), dir.path().join("raft.db"));
            done(program, &["seed", version, form, shape, &seed, text(&original)]);
            let wanted = as_wal(&lines_of(program, version, form, &original));
            let target = migrated(&original, dir.path().join("wal"), "raft-wal");
            assert_eq!(wal_lines(program, &target), wanted, "{shape} by {version}, {form}");
        }
    }
}

#[test]
fn a_node_elects_itself_on_a_directory_of_raftlog_and_raftlog_reads_it_again() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let voter = bolt::DUMPED.iter().find(|one| one.fixture == "bolt2-voter").expect("bundled");
    let path = bolt::file(voter, dir.path());
    let target = migrated(&path, dir.path().join("wal"), "raft-wal");
    let said = done(program, &["elect", "wal", text(&target)]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert!(said["term"].as_u64() > Some(3), "{said}");
    verified(&target, &[]);
    let state = raftlog_done(&["inspect", "--json", text(&target)]);
    let state: Value = serde_json::from_str(&state).expect("JSON");
    let group = &state["result"]["groups"][0];
    assert_eq!(group["last_index"], said["last"]);
    assert_eq!(group["hard_state"]["term"], said["term"]);
}

#[test]
fn a_node_with_the_hole_of_a_restore_goes_on_from_what_is_above_it() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    done(program, &["restored", "v2", text(dir.path())]);
    let path = dir.path().join("raft.db");
    let target = dir.path().join("wal");
    let words = ["migrate", text(&path), text(&target), "--to", "raft-wal"];
    let (code, _, err) = told(&raftlog(words));
    assert_ne!(code, 0);
    assert!(err.contains("hole"), "{err}");
    raftlog_done(&[&words[..], &["--allow-loss", "hole"]].concat());
    let said = done(program, &["elect", "wal", text(&target), text(dir.path())]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert!(said["last"].as_u64() > Some(30), "{said}");
    raftlog_done(&["verify", text(&target)]);
}
