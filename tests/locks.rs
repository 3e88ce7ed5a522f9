//! A store that a live process holds is not touched: exit 11, and the holder is named.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{has_open, raftlog, redb, told, wait_until};

/// Runs every command that reads a store on `path` and asserts that each is told who holds it.
fn assert_locked(path: &Path, target: &Path) {
    let before = fs::read(path).expect("readable");
    let runs: [Vec<&Path>; 6] = [
        vec![Path::new("inspect"), path],
        vec![Path::new("inspect"), Path::new("--entries"), path],
        vec![Path::new("verify"), path],
        vec![Path::new("migrate"), path, target, Path::new("--to"), Path::new("fastlog")],
        vec![Path::new("backup"), path, target],
        vec![Path::new("diff"), path, path],
    ];
    let pid = std::process::id().to_string();
    for arguments in runs {
        let (code, out, err) = told(&raftlog(&arguments));
        assert_eq!(code, 11, "{arguments:?}\n{out}\n{err}");
        assert!(out.is_empty(), "{arguments:?}: {out}");
        assert!(err.contains("in use") && err.contains(&pid), "{arguments:?}: {err}");
        assert!(!target.exists(), "{arguments:?} left something");
    }
    assert_eq!(fs::read(path).expect("readable"), before);
}

fn copy(archive: &str, name: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("raft.db");
    fs::copy(redb(archive, name), &path).expect("copy");
    let target = dir.path().join("target");
    (dir, path, target)
}

#[test]
fn a_file_that_redb_4_has_open_is_locked() {
    let (_dir, path, target) = copy("redb-basic", "compacted");
    let database = redb::Database::open(&path).expect("redb opens it");
    assert_locked(&path, &target);
    drop(database);
    let (code, _, err) = told(&raftlog([Path::new("verify"), &path]));
    assert_eq!(code, 0, "free again: {err}");
}

#[test]
fn a_file_that_redb_2_has_open_is_locked() {
    let (_dir, path, target) = copy("redb-basic", "format-v2");
    let _database = redb2::Database::open(&path).expect("redb opens it");
    assert_locked(&path, &target);
}

#[test]
fn waiting_for_a_lock_ends_when_it_is_given_up() {
    let (_dir, path, _target) = copy("redb-basic", "compacted");
    let database = redb::Database::open(&path).expect("redb opens it");
    let mut waiting = std::process::Command::new(env!("CARGO_BIN_EXE_raftlog"))
        .args(["verify", "--lock-timeout", "60s"])
        .arg(&path)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    wait_until("it tries the lock", || has_open(waiting.id(), &path));
    assert!(waiting.try_wait().expect("state").is_none(), "it waits");
    drop(database);
    let (code, out, err) = told(&waiting.wait_with_output().expect("it ends"));
    assert_eq!(code, 0, "{out}\n{err}");
}

#[test]
fn two_readers_do_not_lock_each_other_out() {
    let (_dir, path, _target) = copy("redb-basic", "compacted");
    let (code, out, err) = told(&raftlog([Path::new("diff"), &path, &path]));
    assert_eq!(code, 0, "{out}\n{err}");
}
