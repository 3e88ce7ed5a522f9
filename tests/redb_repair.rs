//! Broken copies of redb files: what comes out was in them, and what is missing is named.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use raftlog::model::{Entry, GroupId, IndexRange};
use raftlog::store::OpenOptions;
use raftlog::store::open::open;
use raftlog::vfs::Fs;
use raftlog::vfs::os::{OsClock, OsFs};
use serde_json::Value;

fn entries(path: &Path) -> BTreeMap<(GroupId, u64), Entry> {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let opened = open(&fs, &OsClock, path, &OpenOptions::default()).expect("opens");
    let mut all = BTreeMap::new();
    for group in opened.store.groups().expect("groups") {
        for located in opened.store.entries(&group, IndexRange::ALL).expect("entries") {
            let Ok(located) = located else { continue };
            all.insert((group.clone(), located.entry.index.0), located.entry);
        }
    }
    all
}

/// Repairs a file and gives the exit code, the result, and the repaired entries.
fn repaired(
    source: &Path,
    dir: &Path,
    name: &str,
) -> (i32, Value, BTreeMap<(GroupId, u64), Entry>) {
    let before = std::fs::read(source).expect("source");
    let out = dir.join(format!("{name}.repaired.redb"));
    let (from, into) = (source.to_str().expect("path"), out.to_str().expect("path"));
    let (code, stdout, stderr) =
        support::told(&support::raftlog(["repair", from, "--out", into, "--json"]));
    assert_eq!(std::fs::read(source).expect("source"), before, "{name} was changed");
    let value: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    let found = if out.exists() { entries(&out) } else { BTreeMap::new() };
    (code, value["result"].clone(), found)
}

#[test]
fn a_sound_file_of_each_schema_comes_out_whole() {
    let dir = tempfile::tempdir().expect("directory");
    for (archive, name) in [
        ("redb-basic", "synth"),
        ("redb-basic", "v2-synth"),
        ("redb-groups", "groups"),
        ("redb-real", "real-mocra-purged"),
        ("redb-real", "real-nodedb-purged"),
        ("redb-real", "real-sorock-unclean"),
        ("redb-real", "real-tatara-full"),
        ("redb-schema", "json-str"),
        ("redb-schema", "protobuf-tikv"),
    ] {
        let path = support::redb(archive, name);
        let (code, result, found) = repaired(&path, dir.path(), name);
        assert_eq!(code, 0, "{name}: {result}");
        assert_eq!(found, entries(&path), "{name}");
    }
}

#[test]
fn of_a_damaged_file_nothing_wrong_comes_out_and_what_is_missing_is_told() {
    let dir = tempfile::tempdir().expect("directory");
    let sound = entries(&support::redb("redb-basic", "synth"));
    for (name, at_least) in [
        ("dmg-leaf-value", 399),
        ("dmg-leaf-count", 399),
        ("dmg-zero-leaf", 394),
        ("dmg-branch-child", 300),
        ("dmg-branch-sum", 300),
        ("dmg-cut-page", 397),
        ("dmg-noise", 290),
        ("dmg-zero-conf", 400),
    ] {
        let path = support::redb("redb-damaged", name);
        let (code, result, found) = repaired(&path, dir.path(), name);
        assert!(found.len() >= at_least, "{name}: {} {result}", found.len());
        for (key, entry) in &found {
            assert_eq!(sound.get(key), Some(entry), "{name}: a wrong entry");
        }
        let whole = found.len() == sound.len() && result["state"] == "newest";
        assert_eq!(code, if whole { 3 } else { 4 }, "{name}: {result}");
        let missing: u64 = result["holes"].as_array().expect("holes").iter().map(length).sum();
        let open = result["open_end"] == true || result["open_begin"] == true;
        let lost = (sound.len() - found.len()) as u64;
        assert!(missing == lost || open && missing <= lost, "{name}: {lost} lost, {result}");
    }
}

fn length(hole: &Value) -> u64 {
    hole["last"].as_u64().expect("last") - hole["first"].as_u64().expect("first") + 1
}

#[test]
fn a_hole_in_a_projects_file_is_compared_with_its_snapshot_marker() {
    let dir = tempfile::tempdir().expect("directory");
    let path = support::redb("redb-real", "real-nodedb-purged");
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let opened = open(&fs, &OsClock, &path, &OpenOptions::default()).expect("opens");
    let mut all = opened.store.entries(&GroupId::Unnamed, IndexRange::ALL).expect("entries");
    let place = all.nth(100).expect("entry").expect("sound").place.expect("place");
    let mut bytes = std::fs::read(&path).expect("file");
    bytes[usize::try_from(place.offset_bytes).expect("small")] ^= 1;
    let broken = dir.path().join("broken.redb");
    std::fs::write(&broken, bytes).expect("broken");
    let sound = entries(&path);
    let (code, result, found) = repaired(&broken, dir.path(), "broken");
    for (key, entry) in &found {
        assert_eq!(sound.get(key), Some(entry), "a wrong entry");
    }
    let whole = found.len() == sound.len();
    assert_eq!(code, if whole { 3 } else { 4 }, "{result}");
    // The snapshot ends at 60, the hole lies behind it.
    assert_eq!(result["covered_by_snapshot"], Value::Bool(whole), "{result}");
}

/// A copy of a bundled file with a page of zeros.
fn with_zeros(dir: &Path, archive: &str, name: &str, page_at: usize) -> std::path::PathBuf {
    let mut bytes = std::fs::read(support::redb(archive, name)).expect("fixture");
    bytes[page_at..page_at + 4096].fill(0);
    let path = dir.join(format!("{name}.redb"));
    std::fs::write(&path, bytes).expect("copy");
    path
}

#[test]
fn of_a_page_that_groups_share_each_misses_its_own_part() {
    let dir = tempfile::tempdir().expect("directory");
    let sound = entries(&support::redb("redb-schema", "schema-tuple"));
    let path = with_zeros(dir.path(), "redb-schema", "schema-tuple", 24_576);
    let (code, result, found) = repaired(&path, dir.path(), "shared");
    assert_eq!(code, 4, "{result}");
    assert!(found.len() < sound.len());
    assert!(found.iter().all(|(key, entry)| sound.get(key) == Some(entry)));
    // Every entry that is not there lies in a hole of its group, or where that is said to be open.
    let groups = result["groups"].as_array().expect("groups");
    for (group, index) in sound.keys().filter(|key| !found.contains_key(key)) {
        let result = groups.iter().find(|one| one["group"].as_str() == group.name());
        let result = result.expect("the group is told");
        let holes = result["holes"].as_array().expect("holes");
        let inside = |hole: &Value| {
            hole["first"].as_u64() <= Some(*index) && Some(*index) <= hole["last"].as_u64()
        };
        let own = || found.keys().filter(|(of, _)| of == group).map(|(_, index)| *index);
        let behind = result["open_end"] == true && own().max() < Some(*index);
        let in_front = result["open_begin"] == true && Some(*index) < own().min();
        assert!(holes.iter().any(inside) || behind || in_front, "{group:?} {index} {result}");
    }
}

#[test]
fn tables_that_are_no_part_of_the_log_are_named_as_left_out() {
    let dir = tempfile::tempdir().expect("directory");
    let path = support::redb("redb-schema", "schema-tuple");
    let (code, result, found) = repaired(&path, dir.path(), "others");
    assert_eq!((code, &result["other_contents"]), (3, &serde_json::json!({ "state": 3 })));
    assert_eq!(found, entries(&path));
}

#[test]
fn what_was_purged_does_not_come_back() {
    let dir = tempfile::tempdir().expect("directory");
    let sound = entries(&support::redb("redb-real", "real-tatara-purged"));
    let path = with_zeros(dir.path(), "redb-real", "real-tatara-purged", 28_672);
    let (code, result, found) = repaired(&path, dir.path(), "purged");
    assert_eq!((code, &result["open_begin"]), (4, &Value::Bool(false)), "{result}");
    assert!(found.len() < sound.len());
    assert!(found.iter().all(|(key, entry)| sound.get(key) == Some(entry)), "{result}");
    let missing: u64 = result["holes"].as_array().expect("holes").iter().map(length).sum();
    assert_eq!(found.len() as u64 + missing, sound.len() as u64);
}

#[test]
fn bytes_of_which_nothing_is_known_are_not_taken_from_anywhere() {
    let dir = tempfile::tempdir().expect("directory");
    let path = with_zeros(dir.path(), "redb-real", "real-tatara-full", 69_632);
    let out = dir.path().join("raw.redb");
    let (from, into) = (path.to_str().expect("path"), out.to_str().expect("path"));
    let flags = ["--redb-logs-table", "raft_log", "--redb-codec", "raw", "--json"];
    let command = [&["repair", from, "--out", into][..], &flags].concat();
    let (code, stdout, stderr) = support::told(&support::raftlog(command));
    let value: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    assert_eq!((code, &value["result"]["from_orphans"]), (4, &serde_json::json!(0)));
    assert!(value["result"]["last_index"].as_u64() <= Some(200), "{value}");
}

#[test]
fn a_log_of_which_not_even_the_first_page_is_left_is_damaged_and_not_somebody_elses() {
    let dir = tempfile::tempdir().expect("directory");
    let path = with_zeros(dir.path(), "redb-schema", "json-openraft", 20_480);
    let out = dir.path().join("x.redb");
    let (from, into) = (path.to_str().expect("path"), out.to_str().expect("path"));
    let (code, _, stderr) = support::told(&support::raftlog(["repair", from, "--out", into]));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("20,480"), "{stderr}");
}
