//! Snapshots beside a log, through the real binary: what they explain, what they contradict, and
//! that they stay where they are.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::bolt::unpack;
use support::made::bolt_log;
use support::{raftlog, told};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn json(arguments: &[&str]) -> (i32, Value) {
    let (code, out, err) = told(&raftlog([arguments, &["--json"]].concat()));
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
}

/// Code and severity of each finding.
fn findings(said: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    let list = said["findings"].as_array().expect("findings");
    list.iter().map(|one| (word(&one["code"]), word(&one["severity"]))).collect()
}

fn pairs(found: &[(&str, &str)]) -> Vec<(String, String)> {
    found.iter().map(|(code, severity)| ((*code).to_owned(), (*severity).to_owned())).collect()
}

/// A data directory of some program around hashicorp/raft: a log with these entries (index, term),
/// and a snapshot.
fn data_dir(dir: &Path, entries: &[(u64, u64)], snapshot: Option<(u64, u64)>) -> PathBuf {
    let raft = dir.join("raft");
    fs::create_dir_all(raft.join("snapshots")).expect("directories");
    bolt_log(&raft.join("raft.db"), entries);
    if let Some((term, index)) = snapshot {
        let id = format!("{term}-{index}-1795250426362");
        let snapshot = raft.join("snapshots").join(&id);
        fs::create_dir(&snapshot).expect("directory");
        fs::write(snapshot.join("state.bin"), "123456789").expect("state");
        let servers = r#"[{"Suffrage":0,"ID":"n1","Address":"127.0.0.1:8300"}]"#;
        let meta = format!(
            r#"{{"Version":1,"ID":"{id}","Index":{index},"Term":{term},"Peers":"",
            "Configuration":{{"Servers":{servers}}},"ConfigurationIndex":1,
            "Size":9,"CRC":"mV3Ju98ZOfo="}}"#
        );
        fs::write(snapshot.join("meta.json"), meta).expect("description");
    }
    dir.to_owned()
}

fn range(indexes: std::ops::RangeInclusive<u64>, term: u64) -> Vec<(u64, u64)> {
    indexes.map(|index| (index, term)).collect()
}

#[test]
fn a_hole_that_a_user_restore_left_is_explained_by_the_snapshot_above_it() {
    let room = tempfile::tempdir().expect("directory");
    let entries = [range(1..=12, 2), range(78..=84, 2)].concat();
    let dir = data_dir(&room.path().join("data"), &entries, Some((2, 77)));
    let (code, said) = json(&["verify", text(&dir)]);
    assert_eq!((code, findings(&said)), (0, pairs(&[("R101", "info")])));
    let store = &said["result"]["stores"][0];
    assert_eq!((&store["sound"], &store["containers"]["snapshots"]), (&true.into(), &1.into()));
    // Alone, nothing explains it; given as a file, its siblings do.
    let file = dir.join("raft/raft.db");
    let (code, said) = json(&["verify", text(&file), "--alone"]);
    assert_eq!((code, findings(&said)), (1, pairs(&[("R101", "error"), ("R110", "info")])));
    let (code, _) = json(&["verify", text(&file)]);
    assert_eq!(code, 0);
    // A dense target takes what is above the hole, as the snapshot covers the rest.
    let target = room.path().join("dense");
    let arguments = ["migrate", text(&dir), text(&target), "--to", "fastlog"];
    let (code, _) = json(&arguments);
    assert_eq!(code, 12, "the entries below the hole are a loss");
    let (code, said) = json(&[&arguments[..], &["--allow-loss", "hole"]].concat());
    assert_eq!(code, 0, "{said}");
    let notes = said["result"]["plan"]["notes"].to_string();
    assert!(notes.contains("1 snapshot stays"), "{notes}");
    let (_, said) = json(&["inspect", text(&target)]);
    assert_eq!(said["result"]["groups"][0]["first_index"], 78);
    // Without the snapshot there is no way to a dense target.
    fs::remove_dir_all(dir.join("raft/snapshots/2-77-1795250426362")).expect("removed");
    let other = room.path().join("other");
    let (code, said) =
        json(&["migrate", text(&dir), text(&other), "--to", "fastlog", "--allow-loss", "hole"]);
    assert_eq!(code, 12);
    let message = said["error"]["message"].as_str().expect("words");
    assert!(message.contains("indexes 13 to 77 are missing"), "{message}");
}

#[test]
fn the_start_up_cases_of_hashicorp_raft_are_judged_as_its_library_acts() {
    for (entries, snapshot, expected) in [
        (range(1..=9, 1), None, vec![("R110", "warning")]),
        (range(5..=9, 1), None, vec![("R107", "error"), ("R110", "warning")]),
        (range(11..=15, 2), Some((2, 10)), vec![]),
        (range(5..=15, 2), Some((2, 10)), vec![]),
        (range(12..=15, 2), Some((2, 10)), vec![("R107", "error")]),
        (range(5..=8, 2), Some((2, 10)), vec![]),
        ([range(3..=5, 2), range(11..=15, 2)].concat(), Some((2, 10)), vec![("R101", "info")]),
        ([range(5..=11, 2), range(13..=15, 2)].concat(), Some((2, 10)), vec![("R101", "error")]),
        (range(5..=15, 2), Some((1, 10)), vec![("R108", "error")]),
        (range(11..=15, 2), Some((3, 10)), vec![("R102", "error"), ("R106", "error")]),
    ] {
        let room = tempfile::tempdir().expect("directory");
        let dir = data_dir(&room.path().join("data"), &entries, snapshot);
        let (_, said) = json(&["verify", text(&dir)]);
        let mut found = findings(&said);
        found.sort();
        assert_eq!(found, pairs(&expected), "{snapshot:?} {said}");
    }
}

#[test]
fn the_directories_that_hashicorp_raft_left_are_judged_with_their_snapshots() {
    let room = tempfile::tempdir().expect("directory");
    unpack("filesnapshots", room.path());
    let (code, said) = json(&["verify", text(&room.path().join("snap/snap10_log11"))]);
    assert_eq!((code, findings(&said)), (0, vec![]), "{said}");
    assert_eq!(said["source"]["layout"]["product"], "hashicorp");
    let bad = room.path().join("snap/badcrc_newest_older_ok");
    let (code, said) = json(&["verify", text(&bad)]);
    assert_eq!(code, 1);
    let found = &said["findings"][0];
    assert_eq!((&found["code"], &found["severity"]), (&"R109".into(), &"error".into()));
    let place = found["place"]["file"].as_str().expect("a place");
    assert!(place.ends_with("snapshots/2-10-1795234626863/state.bin"), "{place}");
    assert_eq!(findings(&said).len(), 1, "the older snapshot serves: {said}");
    // What a server would not start from as it is stops a migration until it is accepted by name.
    let target = room.path().join("target");
    let arguments = ["migrate", text(&bad), text(&target), "--to", "fastlog"];
    let (code, said) = json(&arguments);
    assert_eq!((code, findings(&said)), (1, pairs(&[("R109", "error")])));
    let (code, said) = json(&[&arguments[..], &["--accept", "R109"]].concat());
    assert_eq!(code, 0, "{said}");
}

#[test]
fn real_servers_data_directories_show_their_newest_snapshot() {
    let room = tempfile::tempdir().expect("directory");
    for (fixture, snapshot) in [
        ("nomad-bolt", Some((76, 2, "2-76-1795250426362", 185_917))),
        ("openbao-raft", Some((64, 3, "vault.db", 16_801_792))),
        ("dkron-single", None),
    ] {
        unpack(fixture, room.path());
        let dir = room.path().join(fixture);
        let (code, said) = json(&["inspect", text(&dir)]);
        assert_eq!(code, 0, "{said}");
        let group = &said["result"]["groups"][0];
        match snapshot {
            Some((index, term, id, size)) => {
                assert_eq!(
                    (&group["snapshots"], &group["snapshot"]["index"]),
                    (&1.into(), &index.into())
                );
                let newest = &group["snapshot"];
                assert_eq!((&newest["term"], &newest["id"]), (&term.into(), &id.into()));
                assert_eq!(newest["size_bytes"], size);
            }
            None => {
                assert_eq!((&group["snapshots"], &group["snapshot"]), (&0.into(), &Value::Null));
                let (_, out, _) = told(&raftlog(["inspect", text(&dir)]));
                assert!(out.contains("none: the log is the only copy of the state"), "{out}");
            }
        }
        let (code, said) = json(&["verify", "--strict", text(&dir)]);
        assert_eq!((code, findings(&said)), (0, vec![]), "{fixture}: {said}");
    }
    // The state of a server that is damaged is not taken for none.
    let state = room.path().join("nomad-bolt/server/raft/snapshots/2-76-1795250426362/state.bin");
    let mut bytes = fs::read(&state).expect("state");
    bytes[100_000] ^= 0x40;
    fs::write(&state, bytes).expect("state");
    let (code, said) = json(&["verify", text(&room.path().join("nomad-bolt"))]);
    assert_eq!((code, findings(&said)), (1, pairs(&[("R109", "error")])));
}

#[test]
fn a_backup_takes_the_snapshots_and_their_verdict_along() {
    let room = tempfile::tempdir().expect("directory");
    unpack("filesnapshots", room.path());
    let bad = room.path().join("snap/badcrc_newest_older_ok");
    let archive = room.path().join("bad.tar.gz");
    let (_, said) = json(&["backup", text(&bad), text(&archive)]);
    assert!(archive.is_file(), "{said}");
    let (code, said) = json(&["verify", text(&archive)]);
    assert_eq!((code, findings(&said)), (1, pairs(&[("R109", "error")])));
    let restored = room.path().join("restored");
    let (code, said) = json(&["restore", text(&archive), text(&restored)]);
    assert_eq!(code, 0, "{said}");
    let older = "snapshots/2-5-1795234626827/state.bin";
    assert_eq!(
        fs::read(bad.join(older)).expect("state"),
        fs::read(restored.join(older)).expect("state")
    );
}
