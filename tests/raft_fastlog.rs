//! raft-fastlog files through the real binary: every bundled file in both readings against what its
//! owning library read out of it, ghosts and torn tails with their consequences, and every way
//! from and to the other formats.
#![allow(clippy::disallowed_methods)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::raft_fastlog::{ALL, dumped, file, inspected, named};
use support::{bolt, raftlog, told};

/// Runs a command that must end with `code`; returns what it printed on both.
fn ends(code: i32, arguments: &[&str]) -> (String, String) {
    let (found, out, err) = told(&raftlog(arguments));
    assert_eq!(found, code, "{arguments:?}: {out}{err}");
    (out, err)
}

fn done(arguments: &[&str]) -> String {
    ends(0, arguments).0
}

fn json(code: i32, arguments: &[&str]) -> Value {
    serde_json::from_str(&ends(code, arguments).0).expect("JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Findings of a rule, with index and message.
fn found(answer: &Value, code: &str) -> Vec<(Option<u64>, String)> {
    let findings = answer["findings"].as_array().expect("findings").iter();
    let of_code = findings.filter(|finding| finding["code"] == code);
    let words = |finding: &Value| finding["message"].as_str().expect("message").to_owned();
    of_code.map(|finding| (finding["index"].as_u64(), words(finding))).collect()
}

#[test]
fn every_bundled_file_reads_as_its_own_loader_reads_it() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &ALL {
        let Some(dump) = bundled.dump else { continue };
        let path = file(bundled, dir.path());
        let before = std::fs::read(&path).expect("file");
        let seen = inspected(&path, &["--reading", "loader"]);
        assert!(!seen.entries.is_empty() && !seen.stable.is_empty(), "{}", bundled.file);
        assert_eq!(seen, dumped(dump), "{}", bundled.file);
        assert_eq!(inspected(&path, &[]), dumped(dump).without(bundled.ghosts), "{}", bundled.file);
        assert_eq!(std::fs::read(&path).expect("file"), before, "{} was changed", bundled.file);
    }
    let ghosts = file(named("ghosts.db"), dir.path());
    assert_eq!(inspected(&ghosts, &[]), dumped("ghosts.meant.dump.jsonl.gz"));
}

#[test]
fn the_smallest_files_are_read_in_both_ways() {
    let dir = tempfile::tempdir().expect("directory");
    let indexes = |name: &str, reading: &str| -> Vec<u64> {
        let content = inspected(&file(named(name), dir.path()), &["--reading", reading]);
        content.entries.iter().map(|entry| entry["index"].as_u64().expect("index")).collect()
    };
    assert_eq!(indexes("a.db", "meant"), [2]);
    assert_eq!(indexes("a.db", "loader"), [1, 2]);
    assert_eq!(indexes("b.db", "meant"), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(indexes("b.db", "loader"), [1, 2, 3, 4, 5, 6, 7, 10]);
    let state = inspected(&file(named("a.db"), dir.path()), &[]);
    assert_eq!(state.stable["CurrentTerm"], "0807060504030201", "as it lies in the file");
    let said = json(0, &["inspect", "--json", text(&dir.path().join("a.db"))]);
    let stable = &said["result"]["groups"][0]["stable"]["CurrentTerm"];
    assert_eq!(stable["u64"], 0x0102_0304_0506_0708u64, "as it is meant");
}

#[test]
fn verify_names_every_ghost_with_what_a_server_does_that_sees_it() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &ALL {
        let path = file(bundled, dir.path());
        // What lies in front of the log harms no server, and each compaction leaves it there.
        let first = inspected(&path, &[]).entries.first().and_then(|one| one["index"].as_u64());
        let in_front = |ghost: &u64| first.is_some_and(|first| *ghost < first);
        let code = match bundled.ghosts {
            [] => 0,
            ghosts if ghosts.iter().all(in_front) => 3,
            _ => 1,
        };
        let said = json(code, &["verify", "--json", text(&path)]);
        let ghosts = found(&said, "R104");
        let indexes: Vec<u64> = ghosts.iter().filter_map(|(index, _)| *index).collect();
        assert_eq!(indexes, bundled.ghosts, "{}", bundled.file);
        assert_eq!(said["result"]["stores"][0]["sound"], code == 0);
        for finding in said["findings"].as_array().expect("findings") {
            let index = finding["index"].as_u64();
            if finding["code"] == "R104" {
                let wanted = if in_front(&index.expect("an index")) { "warning" } else { "error" };
                assert_eq!(finding["severity"], wanted, "{}: {index:?}", bundled.file);
            }
        }
        // Nothing in the file has a checksum, nor is there a lock.
        assert_eq!(found(&said, "R128").len(), 2, "{}", bundled.file);
        // To inspect they are worth knowing and no damage.
        let said = json(0, &["inspect", "--json", text(&path)]);
        assert_eq!(found(&said, "R104").len(), bundled.ghosts.len(), "{}", bundled.file);
    }
    let words = |code: i32, name: &str| {
        let said = json(code, &["verify", "--json", text(&file(named(name), dir.path()))]);
        found(&said, "R104").pop().expect("a ghost").1
    };
    for part in ["last index 10", "8 to 9 missing", "log not found", "ends at 7"] {
        assert!(words(1, "b.db").contains(part), "{}", words(1, "b.db"));
    }
    assert!(words(3, "a.db").contains("harmless"), "{}", words(3, "a.db"));
    let (_, err) = ends(1, &["verify", text(&dir.path().join("b.db"))]);
    assert!(err.contains("--to raft-fastlog"), "{err}");
}

#[test]
fn a_ghost_right_behind_the_end_is_said_to_be_taken_for_the_last_entry() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("log");
    let mut bytes = entries(&[(1, 1), (2, 1), (3, 1)]);
    bytes.extend(delete(2, 3));
    bytes.extend(entries(&[(2, 2)]));
    std::fs::write(&path, &bytes).expect("write");
    let said = json(1, &["verify", "--json", text(&path)]);
    let ghosts = found(&said, "R104");
    assert_eq!(ghosts[0].0, Some(3));
    assert!(ghosts[0].1.contains("takes it for its last entry, of term 1"), "{}", ghosts[0].1);
    // Written again, it is none any more.
    bytes.extend(entries(&[(3, 2)]));
    std::fs::write(&path, &bytes).expect("write");
    let said = json(0, &["verify", "--json", text(&path)]);
    assert_eq!(found(&said, "R104"), []);
}

/// A record of entries with one byte of data each.
fn entries(of: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = vec![b'['];
    bytes.extend((of.len() as u64).to_le_bytes());
    for (index, term) in of {
        bytes.extend(index.to_le_bytes());
        bytes.extend(term.to_le_bytes());
        bytes.push(0);
        bytes.extend(1u64.to_le_bytes());
        bytes.push(b'd');
    }
    bytes
}

fn delete(min: u64, max: u64) -> Vec<u8> {
    [&b"]"[..], &min.to_le_bytes(), &max.to_le_bytes()].concat()
}

fn migrated(path: &Path, to: &str, name: &str, more: &[&str]) -> PathBuf {
    let target = path.parent().expect("directory").join(name);
    let arguments = ["migrate", text(path), text(&target), "--to", to, "-q"];
    // Ghosts are no obstacle, and worth a warning.
    let (code, out, err) = told(&raftlog([&arguments[..], more].concat()));
    assert!([0, 3].contains(&code), "{arguments:?}: {code} {out}{err}");
    target
}

#[test]
fn a_migration_to_itself_leaves_nothing_that_the_two_readings_could_differ_in() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &ALL {
        let path = file(bundled, dir.path());
        let target = migrated(&path, "raft-fastlog", "normal", &[]);
        done(&["verify", "--strict", text(&target)]);
        done(&["diff", text(&path), text(&target)]);
        let meant = inspected(&target, &[]);
        assert_eq!(meant, inspected(&path, &[]), "{}", bundled.file);
        assert_eq!(meant, inspected(&target, &["--reading", "loader"]), "{}", bundled.file);
        let records = done(&["inspect", "--records", "--json", text(&target)]);
        assert!(!records.contains("delete"), "{}: {records}", bundled.file);
        let size = |path: &Path| std::fs::metadata(path).expect("file").len();
        assert!(size(&target) <= size(&path), "{}", bundled.file);
        // A second time there is nothing left to change.
        let again = migrated(&target, "raft-fastlog", "again", &[]);
        let [once, twice] = [&target, &again].map(|path| std::fs::read(path).expect("file"));
        assert!(once == twice, "{}", bundled.file);
        std::fs::remove_file(target).and_then(|()| std::fs::remove_file(again)).expect("remove");
    }
}

#[test]
fn every_bundled_file_goes_to_every_format_and_back_without_a_difference() {
    let dir = tempfile::tempdir().expect("directory");
    for (number, bundled) in ALL.iter().enumerate() {
        let path = file(bundled, dir.path());
        let straight = migrated(&path, "raft-fastlog", &format!("{number}.straight"), &[]);
        for hop in ["boltdb", "redb", "fastlog"] {
            let between = migrated(&path, hop, &format!("{number}.{hop}"), &[]);
            done(&["diff", text(&path), text(&between)]);
            let back = migrated(&between, "raft-fastlog", &format!("{number}.{hop}.back"), &[]);
            let [one, two] = [&straight, &back].map(|path| std::fs::read(path).expect("file"));
            assert!(one == two, "{} over {hop}", bundled.file);
        }
    }
}

#[test]
fn each_side_gets_its_integers_in_its_own_byte_order() {
    let dir = tempfile::tempdir().expect("directory");
    let fast = file(named("voter.db"), dir.path());
    let bolt = migrated(&fast, "boltdb", "bolt", &[]);
    assert_eq!(inspected(&fast, &[]).stable["CurrentTerm"], "0300000000000000");
    assert_eq!(inspected(&bolt, &[]).stable["CurrentTerm"], "0000000000000003");
    let back = migrated(&bolt, "raft-fastlog", "back", &[]);
    assert_eq!(inspected(&back, &[]).stable, inspected(&fast, &[]).stable);
}

#[test]
fn what_the_format_cannot_hold_is_named_and_not_lost_unasked() {
    let dir = tempfile::tempdir().expect("directory");
    let wide = bolt::DUMPED.iter().find(|one| one.fixture == "wide-boltdb1").expect("bundled");
    let source = bolt::file(wide, dir.path());
    let target = dir.path().join("fast");
    let arguments = ["migrate", text(&source), text(&target), "--to", "raft-fastlog"];
    let plan = json(12, &[&arguments[..], &["--dry-run", "--json"]].concat());
    let losses = plan["result"]["plan"]["losses"].as_array().expect("losses");
    let names: Vec<&str> = losses.iter().map(|loss| loss["name"].as_str().expect("name")).collect();
    assert_eq!(names, ["appended-at", "extensions"]);
    assert_eq!(losses[1]["count"], 37);
    for more in [&[][..], &["--allow-loss", "appended-at"]] {
        let (_, err) = ends(12, &[&arguments[..], more].concat());
        assert!(err.contains("extensions"), "{err}");
        assert!(!target.exists(), "written although refused");
    }
    done(&[&arguments[..], &["--allow-loss", "appended-at,extensions"]].concat());
    done(&["verify", "--strict", text(&target)]);
    done(&["diff", text(&source), text(&target)]);
    // The same log through the library that owns the format.
    let theirs = file(named("wide-raft-fastlog-shrunk/raft.fast"), dir.path());
    assert_eq!(inspected(&target, &[]), inspected(&theirs, &[]));
}

#[test]
fn the_loaders_reading_can_be_moved_but_its_rules_hold() {
    let dir = tempfile::tempdir().expect("directory");
    let path = file(named("ghosts.db"), dir.path());
    let meant = migrated(&path, "boltdb", "meant", &[]);
    let loader = migrated(&path, "boltdb", "loader", &["--reading", "loader"]);
    assert_eq!(inspected(&loader, &[]).entries.len(), inspected(&meant, &[]).entries.len() + 2);
    ends(1, &["diff", text(&path), text(&loader)]);
    done(&["diff", text(&path), text(&loader), "--reading", "loader"]);
    // A term that goes down stops it, as in any log.
    let wide = file(named("wide-raft-fastlog/raft.fast"), dir.path());
    let target = dir.path().join("wide");
    let arguments =
        ["migrate", text(&wide), text(&target), "--to", "boltdb", "--reading", "loader"];
    let (out, _) = ends(1, &arguments);
    assert!(out.contains("R102"), "{out}");
}

#[test]
fn an_empty_log_is_written_so_that_it_is_recognised() {
    let dir = tempfile::tempdir().expect("directory");
    bolt::unpack("small", dir.path());
    let target = dir.path().join("empty");
    done(&["migrate", text(&dir.path().join("fresh.db")), text(&target), "--to", "raft-fastlog"]);
    let said = json(0, &["inspect", "--json", text(&target)]);
    assert_eq!(said["source"]["format"], "raft-fastlog");
    assert_eq!(said["result"]["groups"][0]["entries"], 0);
    done(&["verify", "--strict", text(&target)]);
    // The library itself leaves an empty file, which says of no format what it is.
    std::fs::write(dir.path().join("none"), b"").expect("write");
    ends(10, &["inspect", text(&dir.path().join("none"))]);
}

#[test]
fn a_torn_tail_is_left_out_and_named_with_what_the_loader_does() {
    let dir = tempfile::tempdir().expect("directory");
    let whole = std::fs::read(file(named("ghosts.db"), dir.path())).expect("file");
    let path = dir.path().join("torn");
    // Inside the last record, the second last, and one of several entries.
    for cut in [24_830, 24_790, 24_100, 23_000] {
        std::fs::write(&path, &whole[..cut]).expect("write");
        let said = json(if cut > 24_715 { 1 } else { 3 }, &["verify", "--json", text(&path)]);
        let torn = found(&said, "R114");
        assert_eq!(torn.len(), 1, "cut at {cut}: {said}");
        assert!(torn[0].1.contains("loader refuses"), "{}", torn[0].1);
        let store = &said["result"]["stores"][0];
        assert!(store["torn_bytes"].as_u64().expect("bytes") > 0);
        let records = ends(3, &["inspect", "--records", text(&path)]).0;
        assert!(records.contains("torn tail"), "{records}");
        // The normalised file opens again.
        let target = migrated(&path, "raft-fastlog", "whole", &["--accept", "R113"]);
        done(&["verify", "--alone", text(&target)]);
        std::fs::remove_file(target).expect("remove");
    }
    let zeros = [&whole[..], &[0; 5000]].concat();
    std::fs::write(&path, zeros).expect("write");
    let said = json(1, &["verify", "--json", text(&path)]);
    assert!(found(&said, "R114")[0].1.contains("5000 zero bytes"), "{said}");
    assert_eq!(said["result"]["stores"][0]["torn_bytes"], 5000);
    assert_eq!(inspected_entries(&path, 3), 230);
}

fn inspected_entries(path: &Path, code: i32) -> u64 {
    let said = json(code, &["inspect", "--json", text(path)]);
    said["result"]["groups"][0]["entries"].as_u64().expect("entries")
}

#[test]
fn zeros_inside_a_record_of_entries_are_a_torn_tail_and_no_entries() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("log");
    let mut bytes = entries(&[(1, 1), (2, 1)]);
    let mut torn = entries(&[(3, 1), (4, 1), (5, 1)]);
    let whole = torn.len();
    torn.truncate(9 + 26);
    torn.resize(whole + 4096, 0);
    bytes.extend(torn);
    std::fs::write(&path, &bytes).expect("write");
    let said = json(3, &["inspect", "--json", text(&path)]);
    assert_eq!(said["result"]["groups"][0]["last_index"], 2);
    let torn = found(&said, "R114");
    assert!(torn[0].1.contains("1 of 3 entries are whole"), "{torn:?}");
}

#[test]
fn damage_with_records_behind_it_is_no_torn_tail_and_stops_a_migration() {
    let dir = tempfile::tempdir().expect("directory");
    let whole = std::fs::read(file(named("plain.db"), dir.path())).expect("file");
    let path = dir.path().join("log");
    // A count, the length of the first entry, and a byte that begins a record.
    for (at, byte) in [(770, 0xff), (9 + 17 + 2, 0x7f), (769, b'x')] {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        std::fs::write(&path, &bytes).expect("write");
        let said = json(1, &["verify", "--json", text(&path)]);
        assert_eq!(found(&said, "R115").len(), 1, "byte {at}: {said}");
        assert_eq!(found(&said, "R114"), [], "byte {at}");
        let target = dir.path().join("target");
        ends(1, &["migrate", text(&path), text(&target), "--to", "raft-fastlog"]);
        assert!(!target.exists(), "byte {at}: written out of damage");
    }
}

#[test]
fn a_file_that_a_process_may_write_to_is_refused_with_the_process() {
    let dir = tempfile::tempdir().expect("directory");
    let path = file(named("plain.db"), dir.path());
    let reader = std::fs::File::open(&path).expect("open");
    done(&["inspect", text(&path)]);
    let server = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("open");
    for command in ["inspect", "verify"] {
        let (_, err) = ends(11, &[command, text(&path)]);
        assert!(err.contains(&std::process::id().to_string()), "{err}");
    }
    let target = dir.path().join("target");
    ends(11, &["migrate", text(&path), text(&target), "--to", "boltdb"]);
    assert!(!target.exists());
    drop(server);
    let said = json(0, &["verify", "--json", text(&path)]);
    assert!(found(&said, "R128").iter().any(|(_, words)| words.contains("no lock")), "{said}");
    drop(reader);
}

#[test]
fn a_rewrite_that_was_interrupted_is_a_leftover() {
    let dir = tempfile::tempdir().expect("directory");
    let path = file(named("dkron-fastlog-single/raft/raft.db"), dir.path());
    let left = path.with_file_name("raft.db.shrink");
    std::fs::write(&left, b"(").expect("write");
    for path in [dir.path().join("dkron-fastlog-single"), path] {
        let said = json(3, &["verify", "--json", text(&path)]);
        let leftovers = found(&said, "R117");
        assert_eq!(leftovers.len(), 1, "{said}");
        assert!(leftovers[0].1.contains("raft.db.shrink"), "{leftovers:?}");
        assert!(leftovers[0].1.contains("rewrite"), "{leftovers:?}");
        done(&["verify", "--alone", text(&path)]);
    }
}

#[test]
fn a_data_directory_with_such_a_log_is_recognised_and_backed_up() {
    let dir = tempfile::tempdir().expect("directory");
    let path = file(named("dkron-fastlog-single/raft/raft.db"), dir.path());
    let root = dir.path().join("dkron-fastlog-single");
    let said = json(0, &["inspect", "--json", text(&root)]);
    assert_eq!(said["source"]["format"], "raft-fastlog");
    let archive = dir.path().join("archive.tar.gz");
    let restored = dir.path().join("restored");
    done(&["backup", text(&root), text(&archive)]);
    done(&["verify", "--strict", text(&archive)]);
    done(&["restore", text(&archive), text(&restored)]);
    let copy = restored.join("raft/raft.db");
    let [one, two] = [&path, &copy].map(|path| std::fs::read(path).expect("file"));
    assert!(one == two);
}

#[test]
fn every_record_is_listed_as_it_lies_in_the_file() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &ALL {
        let path = file(bundled, dir.path());
        let lines = done(&["inspect", "--records", "--format", "jsonl", text(&path)]);
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut at = 0;
        let mut ghosts = 0;
        for line in lines.filter(|line| line["type"] == "record") {
            assert_eq!(line["place"]["offset_bytes"], at, "{}", bundled.file);
            assert_eq!(line["checksum"], "none");
            at += line["place"]["len_bytes"].as_u64().expect("length");
            ghosts += usize::from(line["record_kind"] == "entries, with a ghost");
        }
        assert_eq!(at, std::fs::metadata(&path).expect("file").len(), "{}", bundled.file);
        assert_eq!(ghosts, bundled.ghosts.len(), "{}", bundled.file);
    }
}
