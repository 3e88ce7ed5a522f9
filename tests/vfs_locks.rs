//! Locks of other processes: seen, and their holder named.
//!
//! Each test starts this program again; the child takes a lock, says so, and waits for its
//! input to close.
#![allow(clippy::disallowed_methods)]

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use raftlog::vfs::os::OsFs;
use raftlog::vfs::{Fs, Holder, LockError, LockMode, LockState, Vfs};
use rustix::fs::{FlockOperation, fcntl_lock};

const KIND: &str = "RAFTLOG_TEST_LOCK_KIND";
const FILE: &str = "RAFTLOG_TEST_LOCK_FILE";

/// What the child does: not a test of its own.
#[test]
fn a_child_holds_a_lock_while_it_is_told_to() {
    let (Ok(kind), Ok(path)) = (std::env::var(KIND), std::env::var(FILE)) else { return };
    let file = OpenOptions::new().read(true).write(true).open(&path).expect("opened");
    match kind.as_str() {
        "flock" => file.lock().expect("locked"),
        "shared" => file.lock_shared().expect("locked"),
        "range" => fcntl_lock(&file, FlockOperation::LockExclusive).expect("locked"),
        "redb" => {
            let database = redb::Database::open(&path).expect("opened");
            wait();
            drop(database);
            return;
        }
        other => panic!("{other}"),
    }
    wait();
}

fn wait() {
    writeln!(std::io::stdout(), "\nholding").expect("said");
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).expect("read");
}

/// A child that holds a lock, and what it has yet to say.
struct Holding(Child, BufReader<ChildStdout>);

impl Holding {
    fn start(kind: &str, path: &Path) -> Holding {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "a_child_holds_a_lock_while_it_is_told_to", "--nocapture"])
            .env(KIND, kind)
            .env(FILE, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let held = output.by_ref().lines().map_while(Result::ok).any(|line| line == "holding");
        assert!(held, "the child holds the lock");
        Holding(child, output)
    }

    fn stop(mut self) {
        drop(self.0.stdin.take());
        self.1.read_to_end(&mut Vec::new()).expect("read");
        self.0.wait().expect("ended");
    }

    fn named(&self) -> Holder {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.0.id())).expect("procfs");
        Holder { pid: Some(self.0.id()), name: Some(name.trim_end().to_owned()) }
    }
}

#[test]
fn every_kind_of_exclusive_lock_is_probed_and_its_holder_named() {
    let dir = tempfile::tempdir().expect("a directory");
    for kind in ["flock", "range", "redb"] {
        let path = dir.path().join(kind);
        if kind == "redb" {
            drop(redb::Database::create(&path).expect("created"));
        } else {
            fs::write(&path, b"content").expect("written");
        }
        let before = fs::read(&path).expect("there");
        let holding = Holding::start(kind, &path);
        let expected = LockState::Held(holding.named());
        assert_eq!(OsFs.probe_lock(&path).expect("probed"), expected, "{kind}");
        if kind != "range" {
            match OsFs.lock(&path, LockMode::Shared) {
                Err(LockError::Held(holder)) => assert_eq!(holder, holding.named(), "{kind}"),
                _ => panic!("{kind} is locked"),
            }
        }
        holding.stop();
        assert_eq!(OsFs.probe_lock(&path).expect("probed"), LockState::Free, "{kind}");
        if kind != "redb" {
            assert_eq!(fs::read(&path).expect("there"), before);
        }
    }
}

#[test]
fn a_reader_does_not_exclude_readers_but_is_named_to_a_writer() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("f");
    fs::write(&path, b"content").expect("written");
    let holding = Holding::start("shared", &path);
    assert_eq!(OsFs.probe_lock(&path).expect("probed"), LockState::Free);
    assert!(OsFs.lock(&path, LockMode::Shared).is_ok());
    match OsFs.lock(&path, LockMode::Exclusive) {
        Err(LockError::Held(holder)) => assert_eq!(holder, holding.named()),
        _ => panic!("a reader holds it"),
    }
    holding.stop();
}
