//! Ctrl-C and SIGTERM while the real binary writes: its own exit code, and nothing left behind.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

mod support;

/// Long enough that a job on it can be stopped half way, also on a fast machine.
const ENTRIES: u64 = 250_000;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .expect("directory")
        .map(|file| file.expect("file").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn start(arguments: &[&Path]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_raftlog"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("sent");
}

/// A line of what procfs says of a process.
fn status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("a line");
    line.trim().to_owned()
}

fn is_asleep(pid: u32) -> bool {
    status(pid, "State:").starts_with('S')
}

fn is_pending(pid: u32, signal: Signal) -> bool {
    let bit = 1u64 << (signal.as_raw() - 1);
    let pending = |key| u64::from_str_radix(&status(pid, key), 16).expect("a mask") & bit != 0;
    pending("ShdPnd:") || pending("SigPnd:")
}

/// Whether who runs the tests had SIGHUP ignored, as nohup does; the program then ignores it too.
fn ignores_hangups() -> bool {
    let ignored = u64::from_str_radix(&status(std::process::id(), "SigIgn:"), 16).expect("a mask");
    let ignores = ignored & (1 << (Signal::HUP.as_raw() - 1)) != 0;
    if ignores {
        writeln!(std::io::stdout(), "skipped: SIGHUP is ignored here").expect("said");
    }
    ignores
}

/// Starts a job that writes `target`, sends `signal` when its partial target is there, and returns
/// how the program ended. One that was done before the signal came is started again.
fn stopped(arguments: &[&Path], target: &Path, signal: Signal) -> Output {
    let partial = target.with_added_extension("partial");
    for _ in 0..10 {
        let mut child = start(arguments);
        let runs = |child: &mut Child| child.try_wait().expect("state").is_none();
        while !partial.exists() && runs(&mut child) {
            std::thread::sleep(Duration::from_micros(200));
        }
        if runs(&mut child) {
            send(&child, signal);
        }
        let output = child.wait_with_output().expect("ends");
        if !output.status.success() {
            return output;
        }
        if target.is_dir() {
            fs::remove_dir_all(target).expect("removed");
        } else {
            fs::remove_file(target).expect("removed");
        }
    }
    panic!("{} was always there before the signal", target.display());
}

fn ends_clean(output: &Output, code: i32, dir: &Path) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr} {:?}", output.status.signal());
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(stderr.contains("error: stopped; nothing was changed"), "{stderr}");
    assert_eq!(names(dir), ["log.redb"]);
}

#[test]
fn signals_stop_every_long_job_and_leave_nothing() {
    let dir = tempfile::tempdir().expect("directory");
    let source = dir.path().join("log.redb");
    support::made::large_redb(&source, ENTRIES, 512);
    let before = fs::metadata(&source).expect("source").modified().expect("time");
    let hangup = if ignores_hangups() { Signal::TERM } else { Signal::HUP };
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (hangup, 143)] {
        let target = dir.path().join("log.fastlog");
        let migrate = ["migrate", "--to", "fastlog"].map(Path::new);
        let arguments = [migrate[0], &source, &target, migrate[1], migrate[2]];
        ends_clean(&stopped(&arguments, &target, signal), code, dir.path());

        let target = dir.path().join("log.tar.gz");
        let arguments = [Path::new("backup"), &source, &target];
        ends_clean(&stopped(&arguments, &target, signal), code, dir.path());
    }
    for arguments in [&[Path::new("verify"), &source][..], &[Path::new("diff"), &source, &source]] {
        let child = start(arguments);
        support::wait_until("it reads", || support::has_open(child.id(), &source));
        send(&child, Signal::INT);
        ends_clean(&child.wait_with_output().expect("ends"), 130, dir.path());
    }
    let elsewhere = tempfile::tempdir().expect("directory");
    let archive = elsewhere.path().join("a.tar.gz");
    let packed = start(&[Path::new("backup"), &source, &archive, Path::new("--compression=0")]);
    assert!(packed.wait_with_output().expect("ends").status.success());
    for (signal, code) in [(Signal::INT, 130), (hangup, 143)] {
        let target = dir.path().join("r");
        let arguments = [Path::new("restore"), &archive, &target];
        ends_clean(&stopped(&arguments, &target, signal), code, dir.path());
    }
    assert_eq!(fs::metadata(&source).expect("source").modified().expect("time"), before);
}

#[test]
fn a_second_signal_ends_a_program_that_does_not_notice_the_first() {
    // Its reader never reads, so that it hangs in a write.
    let store: PathBuf = support::redb("redb-basic", "synth");
    let mut child = start(
        &["inspect", "--entries", "--payload"]
            .map(Path::new)
            .into_iter()
            .chain([Path::new("hex"), store.as_path()])
            .collect::<Vec<_>>(),
    );
    let pipe = child.stdout.as_ref().expect("its stdout");
    let mut filled = 0;
    support::wait_until("its pipe is full", || {
        // A writer that still gets on adds something between two looks.
        let before =
            std::mem::replace(&mut filled, rustix::io::ioctl_fionread(pipe).expect("size"));
        filled > 0 && filled == before && is_asleep(child.id())
    });
    assert!(child.try_wait().expect("state").is_none(), "it waits for its reader");
    send(&child, Signal::INT);
    support::wait_until("the first signal was taken", || !is_pending(child.id(), Signal::INT));
    assert!(child.try_wait().expect("state").is_none(), "the first only asks");
    // Another one at once is the same wish; one that comes half a second later is not.
    support::wait_until("a later one ends it", || {
        send(&child, Signal::INT);
        child.try_wait().expect("state").is_some()
    });
    let status = child.wait().expect("ended");
    assert_eq!(status.code(), Some(130));
}
