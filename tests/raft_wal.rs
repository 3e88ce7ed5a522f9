//! Directories of raft-wal through the real binary: every bundled one against what its own library
//! reads, through every format and back, and what is said of those that the library refuses.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use support::raft_wal::{DUMPED, TWO, copied, dumped, inspected, named, unpacked};
use support::{bolt, raftlog, told};

/// Runs a command that must end with `code`; returns what it printed on both.
fn ends(code: i32, arguments: &[&str]) -> (String, String) {
    let (found, out, err) = told(&raftlog(arguments));
    assert_eq!(found, code, "{arguments:?}: {out}{err}");
    (out, err)
}

fn json(code: i32, arguments: &[&str]) -> Value {
    serde_json::from_str(&ends(code, arguments).0).expect("JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Rules that are broken, information left out.
fn codes(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().expect("findings").iter();
    let grave = findings.filter(|finding| finding["severity"] != "info");
    grave.map(|finding| finding["code"].as_str().expect("a code").to_owned()).collect()
}

/// Every byte of every file, without the zeros that were never written.
fn bytes(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(dir)
        .expect("list")
        .map(|file| file.expect("file").path())
        .map(|path| (path.clone(), fs::read(path).expect("read")))
        .collect();
    files.sort();
    files
}

fn migrated(from: &Path, to: PathBuf, format: &str) -> PathBuf {
    let words = ["migrate", text(from), text(&to), "--to", format];
    let (code, out, err) = told(&raftlog(words));
    assert!([0, 3].contains(&code), "{words:?}: {out}{err}");
    to
}

#[test]
fn every_bundled_directory_reads_as_its_own_library_reads_it() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &DUMPED {
        let path = unpacked(bundled, dir.path());
        let before = bytes(&path);
        let wanted = dumped(bundled);
        assert!(!wanted.entries.is_empty() && !wanted.stable.is_empty(), "{}", bundled.fixture);
        assert!(inspected(&path) == wanted, "{}", bundled.fixture);
        let code = if bundled.fixture == "wal-unreadable" { 3 } else { 0 };
        ends(code, &["verify", text(&path)]);
        assert!(bytes(&path) == before, "{} was changed", bundled.fixture);
    }
}

#[test]
fn a_sealed_segment_and_a_tail_are_one_log() {
    let dir = tempfile::tempdir().expect("directory");
    let path = unpacked(&TWO, dir.path());
    // Its term was set by hand, below that of its last entry.
    let said = json(1, &["verify", "--json", text(&path)]);
    assert_eq!(codes(&said), ["R106"]);
    // The last entry, which was read with others like it, has its place all the same.
    let records = ends(0, &["inspect", "--records", "--format", "jsonl", text(&path)]).0;
    let mut lines = records.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let last = lines.rfind(|line| line["record_kind"] == "entry").expect("a last entry");
    assert_eq!(said["findings"][0]["index"], 401);
    assert_eq!(said["findings"][0]["place"], last["place"]);
    assert!(last["place"]["offset_bytes"].as_u64() > Some(0), "{last:#}");
    let store = &said["result"]["stores"][0];
    assert_eq!((&store["entries"], &store["format"]), (&401.into(), &"raft-wal".into()));
    assert_eq!(store["containers"]["segments"], 2);
    let content = inspected(&path);
    let indexes: Vec<u64> =
        content.entries.iter().map(|entry| entry["index"].as_u64().expect("index")).collect();
    assert_eq!(indexes, (1..=401).collect::<Vec<_>>());
    assert_eq!(content.stable["CurrentTerm"], "2a00000000000000");
    let (lines, _) = ends(0, &["inspect", "--records", "--format", "jsonl", text(&path)]);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let records: Vec<Value> = lines.filter(|line| line["type"] == "record").collect();
    let of_kind =
        |kind: &str| records.iter().filter(|record| record["record_kind"] == kind).count();
    assert_eq!((of_kind("entry"), of_kind("index"), of_kind("segment header")), (401, 1, 2));
    assert!(records.iter().all(|record| record["checksum"] != "bad"));
}

#[test]
fn what_its_library_refuses_is_whole_and_rescued_by_a_migration() {
    let dir = tempfile::tempdir().expect("directory");
    let bundled = named("wal-unreadable");
    let path = unpacked(bundled, dir.path());
    let said = json(3, &["verify", "--json", text(&path)]);
    assert_eq!(codes(&said), ["R121"]);
    assert_eq!(said["result"]["stores"][0]["entries"], 270);
    let (_, err) = ends(3, &["verify", text(&path)]);
    assert!(err.contains("--to raft-wal"), "{err}");
    let rescued = migrated(&path, dir.path().join("rescued"), "raft-wal");
    ends(0, &["verify", text(&rescued)]);
    assert!(inspected(&rescued) == dumped(bundled));
}

#[test]
fn every_bundled_directory_goes_through_every_format_and_comes_back() {
    let dir = tempfile::tempdir().expect("directory");
    for (number, bundled) in DUMPED.iter().enumerate() {
        let path = unpacked(bundled, dir.path());
        let wanted = dumped(bundled);
        for between in ["fastlog", "redb", "boltdb", "raft-wal"] {
            let at = |name: &str| dir.path().join(format!("{number}.{between}.{name}"));
            let there = migrated(&path, at("there"), between);
            ends(0, &["diff", text(&path), text(&there)]);
            assert!(inspected(&there) == wanted, "{}: {between}", bundled.fixture);
            let back = migrated(&there, at("back"), "raft-wal");
            assert!(inspected(&back) == wanted, "{}: back from {between}", bundled.fixture);
            ends(0, &["verify", text(&back)]);
        }
    }
}

#[test]
fn boltdb_files_become_directories_and_files_of_the_same_entries_again() {
    let dir = tempfile::tempdir().expect("directory");
    for (number, bundled) in bolt::DUMPED.iter().enumerate() {
        let path = bolt::file(bundled, dir.path());
        let target = migrated(&path, dir.path().join(format!("{number}.wal")), "raft-wal");
        ends(0, &["verify", text(&target)]);
        ends(0, &["diff", text(&path), text(&target)]);
        let back = migrated(&target, dir.path().join(format!("{number}.db")), "boltdb");
        ends(0, &["diff", text(&path), text(&back)]);
    }
}

#[test]
fn a_hole_that_nothing_covers_is_not_written() {
    let dir = tempfile::tempdir().expect("directory");
    let holed = dir.path().join("holed.db");
    support::made::bolt_log(&holed, &[(1, 1), (2, 1), (7, 2), (8, 2)]);
    let target = dir.path().join("target");
    let (_, err) = ends(12, &["migrate", text(&holed), text(&target), "--to", "raft-wal"]);
    assert!(err.contains("indexes 3 to 6 are missing, no snapshot covers that"), "{err}");
    assert!(!target.exists());
}

#[test]
fn a_directory_whose_server_lives_is_not_touched() {
    let dir = tempfile::tempdir().expect("directory");
    let path = unpacked(&TWO, dir.path());
    let meta = fs::File::options().read(true).write(true).open(path.join("wal-meta.db"));
    let meta = meta.expect("open");
    flock(&meta, FlockOperation::NonBlockingLockExclusive).expect("locked");
    let target = dir.path().join("target");
    for arguments in [
        vec!["inspect", text(&path)],
        vec!["verify", text(&path)],
        vec!["migrate", text(&path), text(&target), "--to", "fastlog"],
        vec!["backup", text(&path), text(&target)],
    ] {
        let (_, err) = ends(11, &arguments);
        assert!(err.contains("in use"), "{arguments:?}: {err}");
        assert!(!target.exists());
    }
    drop(meta);
    ends(0, &["inspect", text(&path)]);
}

#[test]
fn a_torn_tail_is_a_warning_and_damage_before_it_stops_a_migration() {
    let dir = tempfile::tempdir().expect("directory");
    let source = unpacked(&TWO, dir.path());
    let tail = "00000000000000000201-0000000000000001.wal";
    let torn = copied(&source, &dir.path().join("torn"), true);
    let whole = fs::read(torn.join(tail)).expect("read");
    fs::write(torn.join(tail), &whole[..whole.len() - 30]).expect("write");
    let said = json(3, &["verify", "--json", text(&torn)]);
    assert_eq!(codes(&said), ["R114"]);
    let target = migrated(&torn, dir.path().join("kept"), "raft-wal");
    ends(0, &["verify", text(&target)]);
    let damaged = copied(&source, &dir.path().join("damaged"), true);
    let mut bytes = whole.clone();
    bytes[200] ^= 1;
    fs::write(damaged.join(tail), &bytes).expect("write");
    let said = json(1, &["verify", "--json", text(&damaged)]);
    assert!(codes(&said).iter().any(|code| code == "R115"), "{said}");
    let target = dir.path().join("never");
    ends(1, &["migrate", text(&damaged), text(&target), "--to", "raft-wal"]);
    assert!(!target.exists());
}

#[test]
fn archives_of_a_directory_come_back_byte_for_byte() {
    let dir = tempfile::tempdir().expect("directory");
    let path = unpacked(&TWO, dir.path());
    let [archive, restored] = ["a.tar.gz", "restored"].map(|name| dir.path().join(name));
    ends(0, &["backup", text(&path), text(&archive)]);
    ends(0, &["restore", text(&archive), text(&restored)]);
    let names = |dir: &Path| {
        let files = bytes(dir).into_iter();
        files
            .map(|(path, bytes)| (path.file_name().expect("name").to_owned(), bytes))
            .collect::<Vec<_>>()
    };
    let found = if restored.join("hwal").is_dir() { restored.join("hwal") } else { restored };
    assert!(names(&found) == names(&path));
}
