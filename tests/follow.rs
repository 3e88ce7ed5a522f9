//! `inspect --follow`: entries of a store that grows appear as they become readable, whatever cuts
//! a write in two, and nothing is locked, written or read twice.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use raftlog::fastlog::{AppliedAndSynced, Batch, FastLog, Options};
use raftlog::model::{Entry, EntryExtra, EntryKind, GroupId, LogId, LogIndex, SharedBytes, Term};
use raftlog::vfs::os::{OsClock, OsFs};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::go::{done, interop};
use support::raft_wal::{TWO, copied, unpacked};
use support::{raftlog, told};

/// A run that follows a store.
struct Following {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn of(path: &Path, rest: &[&str]) -> Following {
        let mut child = Command::new(env!("CARGO_BIN_EXE_raftlog"))
            .args(["inspect", "--entries", "--follow", "--format", "jsonl"])
            .args(rest)
            .arg(path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        Following { child, lines }
    }

    /// Index and term of the next entry; `None` behind the last.
    fn next(&mut self) -> Option<(u64, u64)> {
        loop {
            let line = self.lines.next()?.expect("a line");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            assert_ne!(line["type"], "finding", "{line}");
            if line["type"] == "entry" {
                let number = |key: &str| line[key].as_u64().expect("a number");
                return Some((number("index"), number("term")));
            }
        }
    }

    /// The indexes of the entries up to and with `last`.
    fn through(&mut self, last: u64) -> Vec<u64> {
        let mut indexes = Vec::new();
        while indexes.last() != Some(&last) {
            indexes.push(self.next().expect("more entries").0);
        }
        indexes
    }

    /// The indexes up to the end, which must be a good one.
    fn rest(mut self) -> Vec<u64> {
        let indexes = std::iter::from_fn(|| self.next()).map(|(index, _)| index).collect();
        let (code, _, err) = told(&self.child.wait_with_output().expect("ended"));
        assert_eq!(code, 0, "{err}");
        indexes
    }

    /// Bytes that the process has read so far, and the time of a processor that it took.
    fn cost(&self) -> (u64, u64) {
        let proc = Path::new("/proc").join(self.child.id().to_string());
        let io = fs::read_to_string(proc.join("io")).expect("counted");
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("a line");
        let stat = fs::read_to_string(proc.join("stat")).expect("counted");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<u64>().expect("ticks");
        (read.parse().expect("a number"), ticks(12) + ticks(13))
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(60));
}

fn entry(index: u64, term: u64) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: EntryKind::Command,
        kind_code: None,
        payload: Some(SharedBytes::from(vec![7; 1_000])),
        extra: EntryExtra::default(),
    }
}

/// A log with segments as small as they can be.
fn fastlog(path: &Path) -> FastLog {
    let options = Options { segment_bytes: Some(16 << 10), ..Options::default() };
    FastLog::open_or_create(Arc::new(OsFs), Arc::new(OsClock), path, &options).expect("opens")
}

fn write(
    log: &FastLog,
    group: &GroupId,
    change: impl FnOnce(&mut Batch, raftlog::fastlog::format::GroupNo),
) {
    let number = log.group(group).unwrap_or_else(|| log.create_group(group).expect("made"));
    let mut batch = Batch::new();
    change(&mut batch, number);
    log.write(batch).expect("written");
}

fn append(log: &FastLog, group: &GroupId, (index, term): (u64, u64)) {
    write(log, group, |batch, number| batch.append(number, &[entry(index, term)]).expect("fits"));
}

#[test]
fn entries_of_a_growing_segment_appear_in_whole_batches() {
    let dir = tempfile::tempdir().expect("directory");
    let path = copied(&unpacked(&TWO, dir.path()), &dir.path().join("copy"), true);
    let tail = path.join("00000000000000000201-0000000000000001.wal");
    let bytes = fs::read(&tail).expect("read");
    fs::write(&tail, &bytes[..200]).expect("write");
    let mut following = Following::of(&path, &["--limit", "401"]);
    // What is there already comes at once, before anything is appended.
    let mut shown = following.through(200);
    let mut file = OpenOptions::new().append(true).open(&tail).expect("open");
    for piece in bytes[200..].chunks(bytes.len() / 7 + 3) {
        file.write_all(piece).expect("write");
        pause();
    }
    shown.extend(following.rest());
    assert_eq!(shown, (1..=401).collect::<Vec<u64>>());
}

#[test]
fn a_library_that_appends_seals_and_begins_segments_is_followed() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("wal");
    let text = path.to_str().expect("UTF-8");
    done(program, &["seed", "wal", "old", "mixed", "9", text]);
    let mut following = Following::of(&path, &["--limit", "440"]);
    let mut shown = following.through(200);
    // Each run also deletes the first entry, which was shown by then.
    done(program, &["append", "wal", text, "150"]);
    done(program, &["append", "wal", text, "90"]);
    shown.extend(following.rest());
    assert_eq!(shown, (1..=440).collect::<Vec<u64>>());
    let segments = fs::read_dir(&path).expect("list").count() - 1;
    assert!(segments > 3, "{segments} segments");
}

#[test]
fn what_a_library_writes_in_the_place_of_a_conflict_is_shown_again_with_its_term() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("wal");
    let text = path.to_str().expect("UTF-8");
    done(program, &["seed", "wal", "old", "mixed", "9", text]);
    let mut following = Following::of(&path, &["--limit", "204"]);
    following.through(200);
    // Only what is looked at between two conflicts can be shown of the first.
    for replaced in [[198, 199], [197, 198]] {
        done(program, &["cut", text, "3"]);
        for index in replaced {
            assert_eq!(following.next(), Some((index, 1 << 20)));
        }
    }
    assert_eq!(following.next(), None);
}

#[test]
fn a_fastlog_is_followed_from_segment_to_segment_while_its_writer_holds_it() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("log");
    let log = fastlog(&path);
    let (one, other) = (GroupId::Unnamed, GroupId::named("later"));
    (1..=5).for_each(|index| append(&log, &one, (index, 1)));
    let mut following = Following::of(&path, &["--limit", "152"]);
    assert_eq!(following.through(5), [1, 2, 3, 4, 5]);
    for index in 6..=120 {
        append(&log, &one, (index, 1));
        if index % 20 == 0 {
            pause();
        }
    }
    assert_eq!(following.through(120), (6..=120).collect::<Vec<u64>>());
    // A conflict, a snapshot with a purge, and a group that was not there before.
    write(&log, &one, |batch, number| batch.truncate(number, LogIndex(111)));
    append(&log, &one, (111, 2));
    assert_eq!(following.next(), Some((111, 2)));
    write(&log, &one, |batch, number| {
        let through = LogId { index: LogIndex(100), term: Term(1) };
        batch.compact(number, through, AppliedAndSynced::through(LogIndex(100)));
    });
    log.purge().expect("purged");
    (112..=140).for_each(|index| append(&log, &one, (index, 2)));
    assert_eq!(following.through(140), (112..=140).collect::<Vec<u64>>());
    append(&log, &other, (1, 7));
    append(&log, &one, (141, 2));
    assert_eq!(following.rest(), [1, 141]);
    // Its lock did not keep the reader out, nor the reader the writer.
    append(&log, &one, (142, 2));
}

#[test]
fn a_range_from_the_end_goes_on_behind_it_and_one_with_an_end_stays_inside() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("log");
    let log = fastlog(&path);
    (1..=30).for_each(|index| append(&log, &GroupId::Unnamed, (index, 1)));
    let mut last = Following::of(&path, &["--index", "~3", "--limit", "5"]);
    let inside = Following::of(&path, &["--index", "29..32", "--limit", "4"]);
    assert_eq!(last.through(30), [28, 29, 30]);
    (31..=40).for_each(|index| append(&log, &GroupId::Unnamed, (index, 1)));
    assert_eq!(last.rest(), [31, 32]);
    assert_eq!(inside.rest(), [29, 30, 31, 32]);
}

#[test]
fn waiting_reads_next_to_nothing_of_a_log_and_takes_next_to_no_time() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("log");
    let options = Options { segment_bytes: Some(4 << 20), ..Options::default() };
    let log = FastLog::open_or_create(Arc::new(OsFs), Arc::new(OsClock), &path, &options);
    let log = log.expect("opens");
    let number = log.create_group(&GroupId::Unnamed).expect("made");
    for first in (1..=10_000).step_by(500) {
        let entries: Vec<Entry> = (first..first + 500).map(|index| entry(index, 1)).collect();
        let mut batch = Batch::new();
        batch.append(number, &entries).expect("fits");
        log.write(batch).expect("written");
    }
    let wal = dir.path().join("wal");
    let words = ["migrate", path.to_str().expect("UTF-8"), wal.to_str().expect("UTF-8")];
    log.close().expect("closed");
    assert_eq!(told(&raftlog([&words[..], &["--to", "raft-wal"]].concat())).0, 0);
    for store in [&path, &wal] {
        let mut following = Following::of(store, &[]);
        following.through(10_000);
        std::thread::sleep(Duration::from_millis(500));
        let (before, ticks) = following.cost();
        std::thread::sleep(Duration::from_secs(3));
        let (after, ticks_after) = following.cost();
        // At five looks a second; the log has 10 MB.
        assert!(after - before < 1 << 20, "{} bytes were read", after - before);
        assert!(ticks_after - ticks < 50, "{} ticks of a processor", ticks_after - ticks);
        following.child.kill().expect("killed");
        following.child.wait().expect("ended");
    }
}

#[test]
fn it_ends_when_it_is_told_to_and_when_nobody_listens_any_more() {
    let dir = tempfile::tempdir().expect("directory");
    let path = copied(&unpacked(&TWO, dir.path()), &dir.path().join("copy"), true);
    for (signal, exit) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut following = Following::of(&path, &[]);
        following.through(401);
        let id = i32::try_from(following.child.id()).expect("a pid");
        kill_process(Pid::from_raw(id).expect("a pid"), signal).expect("sent");
        let last = following.lines.by_ref().map(|line| line.expect("a line")).last();
        let last: Value = serde_json::from_str(&last.expect("a line")).expect("JSON");
        assert_eq!((&last["type"], &last["exit_code"]), (&"summary".into(), &exit.into()));
        let (code, _, _) = told(&following.child.wait_with_output().expect("ended"));
        assert_eq!(code, exit);
    }
    // Nothing new comes, so that no write could tell.
    let mut following = Following::of(&path, &[]);
    following.through(401);
    drop(following.lines);
    let start = Instant::now();
    let (code, _, err) = told(&following.child.wait_with_output().expect("ended"));
    assert_eq!((code, err.as_str()), (0, ""), "{err}");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn what_is_followed_is_neither_locked_nor_changed() {
    let dir = tempfile::tempdir().expect("directory");
    let path = copied(&unpacked(&TWO, dir.path()), &dir.path().join("copy"), true);
    let list = |path: &Path| {
        let files = fs::read_dir(path).expect("list").map(|file| file.expect("file").path());
        let mut files: Vec<_> =
            files.map(|file| (file.clone(), fs::read(file).expect("read"))).collect();
        files.sort();
        files
    };
    let before = list(&path);
    let meta = fs::File::open(path.join("wal-meta.db")).expect("opens");
    // A server holds this; no other command would read beside it.
    meta.lock().expect("free");
    let (code, _, _) = told(&raftlog(["inspect", path.to_str().expect("UTF-8")]));
    assert_eq!(code, 11);
    let following = Following::of(&path, &["--limit", "401"]);
    assert_eq!(following.rest().len(), 401);
    let mut following = Following::of(&path, &[]);
    following.through(401);
    meta.unlock().expect("held");
    meta.try_lock().expect("nobody else holds it");
    following.child.kill().expect("killed");
    following.child.wait().expect("ended");
    assert!(before == list(&path), "changed");
}

#[test]
fn a_page_file_is_not_followed() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("raft.db");
    support::made::bolt_log(&path, &[(1, 1)]);
    let text = path.to_str().expect("UTF-8");
    let (code, out, err) = told(&raftlog(["inspect", "--entries", "--follow", text]));
    assert_eq!((code, out.as_str()), (15, ""), "{err}");
    assert!(err.contains("not followed"), "{err}");
    let (code, _, _) = told(&raftlog(["inspect", "--follow", text]));
    assert_eq!(code, 2, "entries are followed, nothing else");
}
