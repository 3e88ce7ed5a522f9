//! `backup`, `verify` and `restore` as the operator runs them: a script that trusts exit codes.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{raftlog, told};

const RAFTLOG: &str = env!("CARGO_BIN_EXE_raftlog");

/// A temporary directory with a data directory `node` in it, around a redb log.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("node/raft/empty")).unwrap();
    let store = support::redb("redb-twins", "twin-golib-bolt2-novote");
    fs::copy(store, dir.path().join("node/raft/raft.db")).unwrap();
    fs::write(dir.path().join("node/raft/peers.json"), b"[]").unwrap();
    dir
}

fn run(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(RAFTLOG)
        .args(arguments)
        .current_dir(dir)
        .env("COLUMNS", "120")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    told(&output)
}

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn same_tree(a: &Path, b: &Path) {
    let differing = Command::new("diff").arg("-r").arg(a).arg(b).output().unwrap();
    assert!(differing.status.success(), "{differing:?}");
}

#[test]
fn a_script_backs_up_proves_and_restores() {
    let dir = place();
    let script = "set -eu
        \"$0\" backup node node.tar.gz
        \"$0\" verify node.tar.gz
        \"$0\" verify --strict --level quick node.tar.gz
        \"$0\" restore node.tar.gz again --dry-run
        test ! -e again
        \"$0\" restore node.tar.gz again
        diff -r node again
        \"$0\" backup node - | \"$0\" restore - by-stream
        diff -r node by-stream";
    let output =
        Command::new("bash").args(["-c", script, RAFTLOG]).current_dir(&dir).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(names_in(dir.path()), ["again", "by-stream", "node", "node.tar.gz"]);
}

#[test]
fn the_json_of_a_backup_is_what_sha256sum_and_stat_say() {
    let dir = place();
    let (code, out, err) = run(dir.path(), &["backup", "node", "a.tar.gz", "--json"]);
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let result = &json["result"];
    assert_eq!(result["archive"], "a.tar.gz");
    assert_eq!(result["files"], 2);
    let archive = dir.path().join("a.tar.gz");
    assert_eq!(result["archive_bytes"], fs::metadata(&archive).unwrap().len());
    let sum = Command::new("sha256sum").arg(&archive).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(result["sha256"].as_str(), sum.split(' ').next());
    assert_eq!(result["groups"][0]["last_index"], 949);

    let (code, out, err) = run(dir.path(), &["restore", "a.tar.gz", "r", "--json"]);
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let store_bytes = fs::metadata(dir.path().join("node/raft/raft.db")).unwrap().len();
    assert_eq!(
        json["result"],
        serde_json::json!({ "target": "r", "files": 2, "bytes": store_bytes + 2 })
    );
}

#[test]
fn one_moment_and_one_source_give_one_archive() {
    let dir = place();
    let sums: Vec<Vec<u8>> = ["a", "b"]
        .iter()
        .map(|name| {
            let done = Command::new(RAFTLOG)
                .args(["backup", "node", name])
                .current_dir(&dir)
                .env("SOURCE_DATE_EPOCH", "1700000000")
                .output()
                .unwrap();
            assert!(done.status.success(), "{done:?}");
            fs::read(dir.path().join(name)).unwrap()
        })
        .collect();
    assert!(sums[0] == sums[1]);
}

#[test]
fn whatever_is_wrong_has_its_exit_code_and_leaves_nothing() {
    let dir = place();
    assert_eq!(run(dir.path(), &["backup", "node", "good"]).0, 0);
    let good = fs::read(dir.path().join("good")).unwrap();
    fs::write(dir.path().join("cut"), &good[..good.len() / 2]).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 0x10;
    fs::write(dir.path().join("flipped"), &flipped).unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    let before = names_in(dir.path());
    for (arguments, expected, text) in [
        (&["backup", "nowhere", "x"][..], 10, "nowhere"),
        (&["backup", "empty", "x"], 10, "empty"),
        (&["backup", "node", "good"], 12, "exists"),
        (&["backup", "node", "node/x"], 12, "inside its source"),
        (&["backup", "node", "no/such/x"], 10, "no/such"),
        (&["backup", "good", "x"], 12, "backup already"),
        (&["backup", "node", "x", "--compression", "10"], 2, "10"),
        (&["restore", "good", "node"], 12, "not empty"),
        (&["restore", "nowhere", "x"], 10, "nowhere"),
        (&["restore", "cut", "x"], 1, "cut off at byte"),
        (&["restore", "flipped", "x"], 1, "R115"),
        (&["restore", "node/raft/raft.db", "x"], 1, "R115"),
    ] {
        let (code, out, err) = run(dir.path(), arguments);
        assert_eq!(code, expected, "{arguments:?}: {out}{err}");
        assert!(err.contains(text) && out.is_empty(), "{arguments:?}: {out}{err}");
        assert_eq!(names_in(dir.path()), before, "{arguments:?}");
    }
    for (name, text) in [("cut", "R114"), ("flipped", "R115")] {
        let (code, out, err) = run(dir.path(), &["verify", name]);
        assert_eq!(code, 1, "{err}");
        assert!(out.contains(text), "{out}");
    }
}

#[test]
fn a_store_in_use_is_not_backed_up_and_its_holder_is_named() {
    let dir = place();
    let mut holder = Command::new("flock")
        .arg(dir.path().join("node/raft/raft.db"))
        .args(["-c", "echo held; cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut line).unwrap();
    let (code, out, err) = run(dir.path(), &["backup", "node", "x"]);
    assert_eq!(code, 11, "{err}");
    assert!(out.is_empty() && err.contains("in use") && err.contains("pid"), "{err}");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert_eq!(names_in(dir.path()), ["node"]);
}

#[test]
fn a_backup_whose_reader_went_away_is_no_success() {
    let dir = place();
    // More than a pipe holds.
    fs::write(dir.path().join("node/noise"), noise(1 << 20)).unwrap();
    let script = "\"$0\" backup node - 2>err | head -c 10 >/dev/null; exit ${PIPESTATUS[0]}";
    let output =
        Command::new("bash").args(["-c", script, RAFTLOG]).current_dir(&dir).output().unwrap();
    assert_eq!(output.status.code(), Some(14), "{output:?}");
    let told = fs::read_to_string(dir.path().join("err")).unwrap();
    assert!(told.contains("went away before its end: there is no backup"), "{told}");
    assert!(!told.contains("dmesg"), "{told}");
}

#[test]
fn a_verdict_whose_reader_went_away_is_silent_and_stays_a_verdict() {
    let dir = place();
    let damaged = support::redb("redb-damaged", "dmg-leaf-value");
    for (store, expected) in [(damaged, 1), (dir.path().join("node"), 0)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut verify = Command::new(RAFTLOG);
        let output = verify.arg("verify").arg(store).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn an_archive_whose_store_was_never_judged_is_not_called_sound() {
    let dir = tempfile::tempdir().unwrap();
    // The oldest file format of redb is recognised and not read.
    fs::copy(support::redb("redb-basic", "format-v1"), dir.path().join("old.redb")).unwrap();
    let (code, out, err) = run(dir.path(), &["backup", "old.redb", "q.tgz"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("could not be judged"), "{out}");
    for (arguments, expected) in
        [(&["verify", "q.tgz"][..], 3), (&["verify", "--strict", "q.tgz"], 1)]
    {
        let (code, out, err) = run(dir.path(), arguments);
        assert_eq!(code, expected, "{out}{err}");
        let first = out.lines().next().unwrap();
        assert!(first.contains("archive   not judged: every digest fits"), "{out}");
        assert!(out.contains("warning R121") && !first.contains("sound"), "{out}");
        assert!(err.contains("next: raftlog restore q.tgz restored && raftlog verify"), "{err}");
    }
    let (_, out, _) = run(dir.path(), &["verify", "q.tgz", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["result"]["stores"][0]["sound"], false);
    assert_eq!(json["findings"][0]["code"], "R121");
}

#[test]
fn a_group_cannot_be_picked_from_an_archive() {
    let dir = place();
    assert_eq!(run(dir.path(), &["backup", "node", "a.tgz"]).0, 0);
    for group in [&["--group", "nope"][..], &["--unnamed"]] {
        let (code, out, err) = run(dir.path(), &[&["verify", "a.tgz"], group].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains("an archive is verified as a whole"), "{err}");
        assert!(err.contains("hint: raftlog verify a.tgz\n"), "{err}");
    }
}

#[test]
fn a_recorded_finding_keeps_its_place_below_what_was_backed_up() {
    let dir = place();
    let damaged = support::redb("redb-damaged", "dmg-leaf-value");
    fs::copy(&damaged, dir.path().join("node/raft/raft.db")).unwrap();
    fs::copy(&damaged, dir.path().join("alone.redb")).unwrap();
    for (source, name) in [("node", "raft/raft.db"), ("alone.redb", "alone.redb")] {
        let place = |path: &str| {
            let (code, out, err) = run(dir.path(), &["verify", path, "--json"]);
            assert_eq!(code, 1, "{err}");
            let json: serde_json::Value = serde_json::from_str(&out).unwrap();
            let error = json["findings"].as_array().unwrap().iter();
            error.clone().find(|found| found["severity"] == "error").unwrap()["place"].clone()
        };
        let archive = format!("{source}.tgz");
        assert_eq!(run(dir.path(), &["backup", source, &archive]).0, 0);
        let (live, recorded) = (place(source), place(&archive));
        assert_eq!(recorded["file"], name, "{recorded}");
        for field in ["offset_bytes", "len_bytes"] {
            assert!(live[field].is_u64() && live[field] == recorded[field], "{live} {recorded}");
        }
    }
}

#[test]
fn a_dry_run_ends_as_the_real_run_would_and_writes_nothing() {
    let dir = place();
    assert_eq!(run(dir.path(), &["backup", "node", "a.tgz"]).0, 0);
    fs::write(dir.path().join("x.partial"), "left by an interrupted run").unwrap();
    std::os::unix::fs::symlink("/nowhere", dir.path().join("node/link")).unwrap();
    let before = names_in(dir.path());
    for (arguments, expected) in [
        (&["restore", "a.tgz", "r"][..], 0),
        (&["restore", "a.tgz", "x"], 12),
        (&["restore", "a.tgz", "x", "--yes"], 0),
        (&["restore", "a.tgz", "node"], 12),
        (&["backup", "node", "b.tgz"], 3),
        (&["backup", "node", "x"], 12),
        (&["backup", "node", "x", "--yes"], 3),
        (&["backup", "node", "a.tgz"], 12),
        (&["backup", "node", "node/x"], 12),
        (&["backup", "node", "no/such/x"], 10),
        (&["backup", "a.tgz", "y"], 12),
    ] {
        let (dry, out, err) = run(dir.path(), &[arguments, &["--dry-run"]].concat());
        assert_eq!(dry, expected, "{arguments:?}: {out}{err}");
        assert_eq!(out.starts_with("plan  "), [0, 3].contains(&dry), "{arguments:?}: {out}");
        assert_eq!(names_in(dir.path()), before, "{arguments:?}");
    }
    for (arguments, expected) in [
        (&["restore", "a.tgz", "x"][..], 12),
        (&["backup", "node", "x"], 12),
        (&["backup", "node", "b.tgz"], 3),
        (&["restore", "a.tgz", "r"], 0),
    ] {
        assert_eq!(run(dir.path(), arguments).0, expected, "{arguments:?}");
    }
}

#[test]
fn the_plan_of_a_backup_names_every_file_and_what_is_left_out() {
    let dir = place();
    std::os::unix::fs::symlink("/nowhere", dir.path().join("node/link")).unwrap();
    let (code, out, err) = run(dir.path(), &["backup", "node", "b.tgz", "--dry-run"]);
    assert_eq!(code, 3, "{err}");
    for text in ["would pack 2 files", "data/raft/raft.db", "data/raft/peers.json", "R117"] {
        assert!(out.contains(text), "{text}: {out}");
    }
    assert!(err.contains("next: raftlog backup node b.tgz\n"), "{err}");
    let (code, out, _) = run(dir.path(), &["backup", "node", "b.tgz", "--dry-run", "--json"]);
    assert_eq!(code, 3);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let store_bytes = fs::metadata(dir.path().join("node/raft/raft.db")).unwrap().len();
    assert_eq!(json["result"]["files"], 2);
    assert_eq!(json["result"]["bytes"], store_bytes + 2);
    assert_eq!(json["result"]["archive_bytes"], serde_json::Value::Null);
    assert_eq!(json["result"]["groups"][0]["last_index"], 949);
    assert_eq!(names_in(dir.path()), ["node"]);
}

#[test]
fn a_directory_that_may_not_be_written_stops_a_dry_run_too() {
    let dir = place();
    assert_eq!(run(dir.path(), &["backup", "node", "a.tgz"]).0, 0);
    let readable = Command::new("chmod").args(["-R", "a+rX", "."]).current_dir(&dir).status();
    assert!(readable.unwrap().success());
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    // A private copy of the binary, so that another user can reach it.
    let binary = dir.path().join("raftlog");
    fs::copy(RAFTLOG, &binary).unwrap();
    let is_root = fs::write(closed.join("probe"), "").is_ok();
    for arguments in [
        &["restore", "a.tgz", "closed/r"][..],
        &["restore", "a.tgz", "closed/r", "--dry-run"],
        &["backup", "node", "closed/b.tgz"],
        &["backup", "node", "closed/b.tgz", "--dry-run"],
    ] {
        let mut command = Command::new(if is_root { Path::new("setpriv") } else { &binary });
        if is_root {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
        }
        let output = command.args(arguments).current_dir(&dir).stdin(Stdio::null()).output();
        let (code, out, err) = told(&output.unwrap());
        assert_eq!((code, out.as_str()), (14, ""), "{arguments:?}: {err}");
        assert!(err.to_lowercase().contains("permission denied"), "{err}");
    }
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[7]
    })
    .take(bytes)
    .collect()
}

#[test]
fn an_unsound_store_is_backed_up_and_the_archive_remembers() {
    for (name, said, verified) in [
        ("dmg-leaf-value", "NOT SOUND when it was backed up: 1 error\n", 1),
        ("dmg-slots", "could not be judged", 1),
        ("dmg-unclean-leaf", "harmless findings when it was backed up: 1 warning\n", 3),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store.redb");
        fs::copy(support::redb("redb-damaged", name), &store).unwrap();
        let (code, out, err) = run(dir.path(), &["backup", "store.redb", "a.tar.gz"]);
        assert_eq!(code, 0, "{name}: {err}");
        assert!(out.contains(said), "{name}: {out}");
        let (code, out, err) = run(dir.path(), &["verify", "a.tar.gz"]);
        assert_eq!(code, verified, "{name}: {out}{err}");
        assert_eq!(run(dir.path(), &["restore", "a.tar.gz", "r"]).0, 0);
        let back = fs::read(dir.path().join("r/store.redb")).unwrap();
        assert!(back == fs::read(&store).unwrap(), "{name}");
    }
}

#[test]
fn a_fastlog_directory_comes_back_as_it_was() {
    let dir = place();
    let store = support::redb("redb-basic", "synth");
    let source = store.to_string_lossy().into_owned();
    let migrated = run(dir.path(), &["migrate", &source, "log", "--to", "fastlog", "--yes"]);
    assert_eq!(migrated.0, 0, "{}", migrated.2);
    assert_eq!(run(dir.path(), &["backup", "log", "log.tar.gz"]).0, 0);
    assert_eq!(run(dir.path(), &["verify", "--strict", "log.tar.gz"]).0, 0);
    assert_eq!(run(dir.path(), &["restore", "log.tar.gz", "again"]).0, 0);
    same_tree(&dir.path().join("log"), &dir.path().join("again"));
    let compared =
        raftlog(["diff".as_ref(), store.as_os_str(), dir.path().join("again").as_os_str()]);
    assert_eq!(told(&compared).0, 0, "{compared:?}");
}

#[test]
fn an_interrupted_backup_leaves_no_archive() {
    let dir = place();
    fs::write(dir.path().join("node/noise"), noise(64 << 20)).unwrap();
    for (signal, expected) in [("INT", 130), ("TERM", 143)] {
        let mut running = Command::new(RAFTLOG)
            .args(["backup", "node", "x", "--compression", "9"])
            .current_dir(&dir)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let partial = dir.path().join("x.partial");
        while !partial.exists() && running.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let pid = running.id().to_string();
        Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        let output = running.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{output:?}");
        assert_eq!(names_in(dir.path()), ["node"], "{signal}");
    }
}
