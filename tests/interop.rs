//! Files that raftlog wrote, opened by the Go libraries that own the format: bbolt's check,
//! raft-boltdb 1 and 2, and a node of hashicorp/raft that elects itself and goes on appending.
//!
//! Needs Go and the modules of `tests/interop/go.sum`; without them each test says so and passes.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use support::bolt::{Bundled, DUMPED, dump, file};
use support::{raftlog, told};

/// The Go program, built once; `None` where that is not possible.
fn interop() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
        let built = Command::new("go")
            .args(["build", "-mod=readonly", "-buildvcs=false", "-o"])
            .args([program.as_path(), Path::new(".")])
            .current_dir(source)
            // A test reaches for no network: the modules are there, or it is skipped.
            .env("GOPROXY", "off")
            .env("GOFLAGS", "")
            .output();
        match built {
            Ok(output) if output.status.success() => Some(program),
            _ => None,
        }
    });
    if built.is_none() {
        eprintln!("skipped: no Go, or its modules are not there");
    }
    built.as_deref()
}

fn go(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().expect("the program runs")
}

fn done(program: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = told(&go(program, arguments));
    assert_eq!(code, 0, "{arguments:?}: {err}");
    out
}

fn raftlog_done(arguments: &[&str]) -> String {
    let (code, out, err) = told(&raftlog(arguments));
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A bundled file written anew by raftlog, by way of fastlog.
fn rewritten(bundled: &Bundled, dir: &Path) -> (PathBuf, PathBuf) {
    let path = file(bundled, dir);
    let name = bundled.file.replace('/', "-");
    let between = dir.join(format!("{name}.fl"));
    let target = dir.join(format!("{name}.db"));
    raftlog_done(&["migrate", text(&path), text(&between), "--to", "fastlog"]);
    raftlog_done(&["migrate", text(&between), text(&target), "--to", "boltdb"]);
    (path, target)
}

fn copied(path: &Path, name: &str) -> PathBuf {
    let copy = path.with_extension(name);
    std::fs::copy(path, &copy).expect("copy");
    copy
}

/// The versions of raft-boltdb that read the append times of a file: the first one reads only the
/// old form.
fn readers(bundled: &Bundled) -> &'static [(&'static str, &'static str)] {
    let has_new_times = ["bolt1-churn", "nomad-bolt", "openbao-raft", "wide-boltdb2-vault"];
    match has_new_times.contains(&bundled.fixture) {
        true => &[("v2", "new"), ("v2", "old")],
        false => &[("v1", "old"), ("v2", "old")],
    }
}

#[test]
fn the_owning_libraries_read_what_raftlog_wrote_as_they_read_the_original() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &DUMPED {
        let (original, target) = rewritten(bundled, dir.path());
        done(program, &["check", text(&target)]);
        for (version, form) in readers(bundled) {
            // Opening changes a file, so each reader gets its own.
            let ours = copied(&target, &format!("{version}.ours"));
            let theirs = copied(&original, &format!("{version}.theirs"));
            let found = done(program, &["dump", version, form, text(&ours)]);
            let wanted = done(program, &["dump", version, form, text(&theirs)]);
            assert!(found == wanted, "{} through {version}", bundled.file);
            // Three lines of stable keys, then the entries.
            assert_eq!(found.lines().count(), 3 + dump(bundled).entries.len(), "{}", bundled.file);
            done(program, &["check", text(&ours)]);
        }
    }
}

#[test]
fn the_owning_libraries_go_on_writing_where_raftlog_ended() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &DUMPED {
        let (_, target) = rewritten(bundled, dir.path());
        let before = dump(bundled).entries.len();
        for version in ["v1", "v2"] {
            let grown = copied(&target, &format!("{version}.grown"));
            done(program, &["append", version, text(&grown), "150"]);
            done(program, &["check", text(&grown)]);
            let said = raftlog_done(&["verify", "--json", text(&grown)]);
            let said: Value = serde_json::from_str(&said).expect("JSON");
            let store = &said["result"]["stores"][0];
            assert_eq!(store["entries"], before + 150 - 1, "{} by {version}", bundled.file);
            assert_eq!(store["sound"], true, "{} by {version}", bundled.file);
        }
    }
}

#[test]
fn what_was_turned_into_the_old_form_is_read_by_the_library_that_knows_no_other() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let nomad = DUMPED.iter().find(|one| one.fixture == "nomad-bolt").expect("bundled");
    let path = file(nomad, dir.path());
    let target = dir.path().join("old.db");
    let arguments = ["migrate", text(&path), text(&target), "--to", "boltdb"];
    raftlog_done(&[&arguments[..], &["--time-form", "old"]].concat());
    let [ours, theirs] = [copied(&target, "ours"), copied(&path, "theirs")];
    let found = done(program, &["dump", "v1", "old", text(&ours)]);
    let wanted = done(program, &["dump", "v2", "new", text(&theirs)]);
    assert!(found == wanted, "entries differ");
    let (code, _, _) = told(&go(program, &["dump", "v1", "old", text(&theirs)]));
    assert_eq!(code, 1, "the original cannot be read by it");
}

#[test]
fn a_node_elects_itself_on_what_raftlog_wrote_and_raftlog_reads_it_again() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let voter = DUMPED.iter().find(|one| one.fixture == "bolt2-voter").expect("bundled");
    let (_, target) = rewritten(voter, dir.path());
    for version in ["v1", "v2"] {
        let node = copied(&target, &format!("{version}.node"));
        let said = done(program, &["elect", version, text(&node)]);
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert!(said["term"].as_u64() > Some(3), "{said}");
        done(program, &["check", text(&node)]);
        raftlog_done(&["verify", "--strict", text(&node)]);
        let state = raftlog_done(&["inspect", "--json", text(&node)]);
        let state: Value = serde_json::from_str(&state).expect("JSON");
        let group = &state["result"]["groups"][0];
        assert_eq!(group["last_index"], said["last"], "{version}");
        assert_eq!(group["hard_state"]["term"], said["term"], "{version}");
    }
}
