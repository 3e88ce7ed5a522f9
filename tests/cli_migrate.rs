//! `migrate` on the real binary: what a plan promises, and the commands it hands on.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use raftlog::store::Format;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

mod support;

use support::made::{large_redb, store_with_groups};
use support::{raftlog, redb, told, wait_until};

fn json(arguments: &[&str]) -> Value {
    let output = raftlog(arguments);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_plan_never_needs_less_than_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let mut sources = vec![redb("redb-twins", "twin-dkron-single")];
    for (entries, payload_bytes) in [(1, 1), (30_000, 0), (10_000, 1_400), (200, 70_000)] {
        let source = path(&format!("{entries}-{payload_bytes}"));
        large_redb(&source, entries, payload_bytes);
        sources.push(source);
    }
    let many = path("many");
    let names: Vec<String> = (0..300).map(|number| format!("group-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    store_with_groups(&many, Format::FastLog, &names, b"x");
    sources.push(many);
    let shapes: [&[&str]; 4] = [
        &["--to", "redb"],
        &["--to", "redb", "--redb-format", "2"],
        &["--to", "boltdb"],
        &["--to", "fastlog"],
    ];
    for (number, source) in sources.iter().enumerate() {
        for (at, shape) in shapes.iter().enumerate() {
            if shape[1] == "boltdb" && source.ends_with("many") {
                continue;
            }
            let target = path(&format!("target-{number}-{at}"));
            let mut arguments = vec!["migrate", text(source), text(&target), "--json"];
            arguments.extend_from_slice(shape);
            let told = json(&arguments)["result"].clone();
            let needed = told["plan"]["space_needed_bytes"].as_u64().expect("a number");
            let written = told["copied"]["bytes"].as_u64().expect("a number");
            let what = format!("{source:?} {shape:?}: {needed} for {written}");
            assert!(needed >= written, "{what}");
            assert!(needed <= written.saturating_mul(12).max(4 << 20), "{what}");
        }
    }
}

#[test]
fn hints_of_a_refused_dry_run_are_dry_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("target");
    let source = redb("redb-logical", "holes");
    let arguments = ["migrate", text(&source), text(&target), "--to", "fastlog", "--dry-run"];
    let (code, _, stderr) = told(&raftlog(arguments));
    assert_ne!(code, 0, "{stderr}");
    let commands = stderr.lines().filter(|line| line.starts_with("hint: raftlog migrate"));
    for command in commands {
        assert!(command.contains(" --dry-run"), "{command}");
    }
    let held = dir.path().join("held");
    std::fs::copy(redb("redb-twins", "twin-dkron-single"), &held).expect("copied");
    let file = std::fs::File::open(&held).expect("open");
    file.lock().expect("locked");
    let arguments = ["migrate", text(&held), text(&target), "--to", "fastlog", "--dry-run"];
    let (code, stdout, stderr) = told(&raftlog(arguments));
    assert_eq!((code, stdout.as_str()), (11, ""), "{stderr}");
    assert!(stderr.contains("--to fastlog --dry-run --lock-timeout 30s\n"), "{stderr}");
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    let told = json(&arguments);
    assert_eq!(told["source"]["format"], "redb", "it was recognised although it is in use");
    assert_ne!(told["source"]["evidence"], serde_json::json!([]));
}

#[test]
fn the_commands_that_come_next_keep_the_group() {
    let dir = tempfile::tempdir().expect("a directory");
    let (source, target) = (dir.path().join("many"), dir.path().join("one"));
    store_with_groups(&source, Format::FastLog, &["the users", "others"], b"x");
    let group = ["--group", "the users"];
    let arguments = ["migrate", text(&source), text(&target), "--to", "redb"];
    let (code, _, stderr) = told(&raftlog(arguments.iter().chain(&group)));
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains(" --group='the users'\n"), "{stderr}");
    let (code, stdout, _) =
        told(&raftlog(["diff", text(&source), text(&target)].iter().chain(&group)));
    assert_eq!(code, 0, "{stdout}");
}

#[test]
fn a_store_of_another_format_than_told_is_not_found_and_named() {
    let source = redb("redb-twins", "twin-dkron-single");
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("target");
    for from in ["fastlog", "boltdb", "etcd-wal"] {
        let arguments =
            ["migrate", text(&source), text(&target), "--to", "fastlog", "--from", from];
        let (code, stdout, stderr) = told(&raftlog(arguments));
        assert_eq!((code, stdout.as_str()), (10, ""), "{stderr}");
        let says = format!("by its content this is redb, not {from} as told");
        assert!(stderr.contains(&says), "{stderr}");
        let hint = format!(
            "hint: raftlog migrate {} {} --to fastlog\n",
            source.display(),
            target.display()
        );
        assert!(stderr.contains(&hint), "{stderr}");
    }
}

#[test]
fn a_group_that_is_not_there_leaves_stdout_empty() {
    let source = redb("redb-twins", "twin-dkron-single");
    for items in ["--entries", "--records"] {
        for form in ["text", "csv"] {
            let arguments = ["inspect", text(&source), items, "--group", "nope", "--format", form];
            let (code, stdout, stderr) = told(&raftlog(arguments));
            assert_eq!((code, stdout.as_str()), (10, ""), "{items} {form}: {stderr}");
        }
        let arguments = ["inspect", text(&source), items, "--group", "nope", "--json"];
        let (code, stdout, _) = told(&raftlog(arguments));
        let lines: Vec<Value> =
            stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((code, lines.len()), (10, 2), "{stdout}");
        assert_eq!(lines[0]["format"], "redb");
        assert_eq!(lines[1]["error"]["kind"], "no-such-group");
    }
}

#[test]
fn what_is_not_there_is_looked_for_where_it_should_be() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = dir.path().join("missing");
    let (code, _, stderr) = told(&raftlog(["inspect", text(&missing)]));
    assert_eq!(code, 10);
    assert!(stderr.contains(&format!("hint: ls -la {}\n", dir.path().display())), "{stderr}");
}

/// Changes a byte of what raftlog has written already, while it stands still.
#[test]
fn a_target_that_does_not_read_back_as_written_is_set_aside() {
    const FRAMES: u64 = 64 << 10;
    let dir = tempfile::tempdir().expect("a directory");
    let (source, target) = (dir.path().join("raft.redb"), dir.path().join("raft.fl"));
    large_redb(&source, 60_000, 1024);
    let before = fs::read(&source).expect("the source");
    let mut migrating = Command::new(env!("CARGO_BIN_EXE_raftlog"));
    migrating.args(["migrate", text(&source), text(&target), "--to", "fastlog"]);
    let child = migrating.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let segment = dir.path().join("raft.fl.partial/00000001.seg");
    let byte_at = |offset| {
        let mut byte = [0];
        File::open(&segment).ok()?.read_exact_at(&mut byte, offset).ok()?;
        Some(byte[0])
    };
    wait_until("frames are written", || byte_at(FRAMES).is_some_and(|byte| byte != 0));
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::STOP).expect("stopped");
    let partial = OpenOptions::new().write(true).open(&segment).expect("not published yet");
    partial.write_all_at(&[!byte_at(FRAMES).expect("there")], FRAMES).expect("changed");
    kill_process(pid, Signal::CONT).expect("goes on");
    let (code, stdout, stderr) = told(&child.wait_with_output().expect("ends"));
    assert_eq!((code, stdout.as_str()), (13, ""), "{stderr}");
    let aside = dir.path().join("raft.fl.failed");
    assert!(stderr.contains("differs from its source"), "{stderr}");
    assert!(stderr.contains(text(&aside)), "{stderr}");
    assert!(aside.is_dir() && !target.exists() && !segment.exists());
    assert!(fs::read(&source).expect("the source") == before, "the source is as it was");
    let (code, _, stderr) = told(&raftlog(["verify", text(&aside)]));
    assert_eq!(code, 1, "the damage can be looked at: {stderr}");
}

#[test]
fn where_one_group_fits_the_groups_are_listed() {
    let dir = tempfile::tempdir().expect("a directory");
    let (source, target) = (dir.path().join("many"), dir.path().join("one.db"));
    store_with_groups(&source, Format::FastLog, &["left", "right"], b"x");
    let arguments = ["migrate", text(&source), text(&target), "--to", "boltdb"];
    let (code, _, stderr) = told(&raftlog(arguments));
    assert_eq!(code, 12, "{stderr}");
    for words in ["left", "right", "--to boltdb --group NAME"] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    assert!(!target.exists());
}

/// A target gets its name by a rename, which a mount point does not take: that is said before
/// anything is copied.
#[test]
fn a_mount_point_is_refused_before_anything_is_copied() {
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("mounted");
    fs::create_dir(&target).expect("created");
    let script = "mount -t tmpfs -o size=1m tmpfs \"$1\" || exit 99; shift; exec \"$@\"";
    for more in [&[][..], &["--dry-run"]] {
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", text(&target)])
            .args([env!("CARGO_BIN_EXE_raftlog"), "migrate"])
            .arg(redb("redb-twins", "twin-dkron-single"))
            .args([text(&target), "--to", "fastlog"])
            .args(more)
            .output();
        let output = match output {
            Ok(output) if !matches!(output.status.code(), Some(1 | 99)) => output,
            _ => return println!("skipped: nothing can be mounted here"),
        };
        let (code, _, stderr) = told(&output);
        assert_eq!(code, 12, "{stderr}");
        assert!(stderr.contains("is a mount point"), "{stderr}");
        assert!(stderr.contains("hint: name a directory inside it"), "{stderr}");
    }
}
