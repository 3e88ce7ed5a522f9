//! `inspect --follow`: entries of a store that grows appear as they become readable, whatever cuts
//! a write in two, and nothing is locked, written or read twice.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use raftlog::fastlog::{AppliedAndSynced, Batch, FastLog, Options};
use raftlog::model::{Entry, EntryExtra, EntryKind, GroupId, LogId, LogIndex, SharedBytes, Term};
use raftlog::vfs::os::{OsClock, OsFs};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::etcd::{self, frames};
use support::following::Following;
use support::go::{done, interop, interop_etcd};
use support::raft_wal::{TWO, copied, unpacked};
use support::{raftlog, told};

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

/// A log of etcd's with so many entries, in space that was reserved; where they end.
fn etcd_log(dir: &Path, entries: u64) -> (fs::File, u64) {
    let fs: Arc<dyn raftlog::vfs::Fs> = Arc::new(OsFs);
    let shape = raftlog::bench::LogShape { entries, payload_bytes: 1_000 };
    shape.write_etcd(&fs, dir).expect("written");
    let name = dir.join("0000000000000000-0000000000000000.wal");
    let file = OpenOptions::new().write(true).open(name).expect("open");
    let end = file.metadata().expect("a file").len();
    file.set_len(64_000_000).expect("reserved");
    (file, end)
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
    let etcd = dir.path().join("etcd");
    etcd_log(&etcd, 10_000);
    // A record that never becomes whole is not read again and again.
    let torn = dir.path().join("torn");
    let (file, end) = etcd_log(&torn, 10_000);
    file.write_all_at(&(40u64 << 20).to_le_bytes(), end).expect("written");
    for store in [&path, &wal, &etcd, &torn] {
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

/// The segments of a log that etcd's package wrote, with their bytes up to the reserved space.
fn segments(archive: &str) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(etcd::wal(archive))
        .expect("list")
        .map(|file| file.expect("file").path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "wal"))
        .collect();
    found.sort();
    let name = |path: &PathBuf| path.file_name().expect("name").to_string_lossy().into_owned();
    let bytes = |path: &PathBuf| {
        let mut bytes = fs::read(path).expect("segment");
        bytes.truncate(frames(&bytes).last().expect("a frame").end);
        bytes
    };
    found.iter().map(|path| (name(path), bytes(path))).collect()
}

/// Index and term of the entries among the records in `bytes`, in the order of the file.
fn written(bytes: &[u8]) -> Vec<(u64, u64)> {
    let entries = frames(bytes).into_iter().filter(|frame| frame.kind == 2);
    let number = |bytes: &mut &[u8]| {
        let len = bytes.iter().position(|byte| byte & 0x80 == 0).expect("ends") + 1;
        let (number, rest) = bytes.split_at(len);
        *bytes = rest;
        number.iter().rev().fold(0, |all, byte| all << 7 | u64::from(byte & 0x7f))
    };
    let both = entries.map(|frame| {
        // Type, term and index, each behind its tag.
        let mut rest = &frame.data[3..];
        let term = number(&mut rest);
        rest = &rest[1..];
        (number(&mut rest), term)
    });
    both.collect()
}

/// A segment that is written into space that was reserved for it.
struct Growing {
    file: fs::File,
    at: usize,
}

impl Growing {
    const RESERVED: u64 = 1 << 20;

    fn begin(path: &Path, bytes: &[u8]) -> Growing {
        let file = fs::File::create_new(path).expect("created");
        file.set_len(Growing::RESERVED).expect("reserved");
        file.write_all_at(bytes, 0).expect("written");
        Growing { file, at: bytes.len() }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.file.write_all_at(bytes, self.at as u64).expect("written");
        self.at += bytes.len();
    }

    /// Cuts off what is reserved, as etcd does before it begins the next.
    fn end(self) {
        self.file.set_len(self.at as u64).expect("cut");
    }
}

#[test]
fn an_etcd_is_followed_through_half_records_into_the_segments_that_it_begins() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("wal");
    fs::create_dir(&path).expect("directory");
    let segments = segments(etcd::PACKAGE);
    assert_eq!(segments.len(), 3);
    let (name, first) = &segments[0];
    let begun = frames(first)[40].end;
    let mut growing = Growing::begin(&path.join(name), &first[..begun]);
    let mut following = Following::of(&path, &["--limit", "199"]);
    let start = written(&first[..begun]).len() as u64;
    let mut shown = following.through(start);
    let (mut from, mut before) = (begun, None);
    for (at, (name, bytes)) in segments.iter().enumerate() {
        if at > 0 {
            // Prepared under another name: zeros, then whole records, renamed when they are there.
            let prepared = path.join(format!("{}.tmp", at % 2));
            from = frames(bytes)[2].end;
            growing = Growing::begin(&prepared, &[]);
            pause();
            growing.write(&bytes[..from]);
            fs::rename(&prepared, path.join(name)).expect("begun");
        }
        // etcd has its segments locked, and writes in pieces that end anywhere.
        let held = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        rustix::fs::fcntl_lock(&growing.file, held).expect("nobody else holds it");
        for piece in bytes[from..].chunks((bytes.len() - from) / 4 + 3) {
            let half = piece.len() / 2 + 1;
            growing.write(&piece[..half]);
            pause();
            growing.write(&piece[half..]);
        }
        let last = written(bytes).last().expect("an entry").0;
        if last < 199 {
            shown.extend(following.through(last));
            growing.end();
            growing = Growing { file: fs::File::open(path.join(name)).expect("open"), at: 0 };
        }
        // Those before are removed once a snapshot covers them.
        if let Some(before) = before.replace(path.join(name)) {
            fs::remove_file(before).expect("removed");
        }
    }
    shown.extend(following.rest());
    assert_eq!(shown, (1..=199).collect::<Vec<u64>>());
}

#[test]
fn what_an_etcd_writes_in_the_place_of_a_conflict_and_behind_a_snapshot_is_shown() {
    let dir = tempfile::tempdir().expect("directory");
    for (archive, gap) in [(etcd::OVERWRITE, None), (etcd::INSTALLED, Some(34))] {
        let path = dir.path().join(archive);
        fs::create_dir(&path).expect("directory");
        let [(name, bytes)] = &segments(archive)[..] else { panic!("one segment") };
        let all = written(bytes);
        // Up to what comes in the place of other entries, or behind a snapshot from a leader.
        let turn = all.windows(2).position(|pair| pair[1].0 != pair[0].0 + 1).expect("a turn") + 1;
        let entry = frames(bytes).into_iter().filter(|frame| frame.kind == 2).nth(turn);
        let at = entry.expect("an entry").at;
        let marker = frames(bytes).into_iter().rfind(|frame| frame.kind == 5 && frame.at < at);
        let at = if gap.is_some() { marker.expect("a marker").at } else { at };
        let file = path.join(name);
        fs::write(&file, &bytes[..at]).expect("written");
        OpenOptions::new().write(true).open(&file).expect("open").set_len(64 << 20).expect("grown");
        let mut following = Following::of(&path, &[]);
        for wanted in &all[..turn] {
            assert_eq!(following.next().as_ref(), Some(wanted), "{archive}");
        }
        let file = OpenOptions::new().write(true).open(&file).expect("open");
        let middle = at + (bytes.len() - at) / 2;
        file.write_all_at(&bytes[at..middle], at as u64).expect("written");
        pause();
        file.write_all_at(&bytes[middle..], middle as u64).expect("written");
        if let Some(first) = gap {
            assert_eq!(following.finding(), ("R101".to_owned(), first), "{archive}");
        }
        for wanted in &all[turn..] {
            assert_eq!(following.next().as_ref(), Some(wanted), "{archive}");
        }
        assert_eq!(following.killed(), "", "{archive}");
    }
}

#[test]
fn an_etcd_that_is_far_ahead_is_followed_on_from_where_its_log_begins() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("wal");
    fs::create_dir(&path).expect("directory");
    let segments = segments(etcd::PACKAGE);
    fs::write(path.join(&segments[0].0), &segments[0].1).expect("written");
    let mut following = Following::of(&path, &[]);
    following.through(92);
    following.signal(Signal::STOP);
    fs::write(path.join(&segments[2].0), &segments[2].1).expect("written");
    fs::remove_file(path.join(&segments[0].0)).expect("removed");
    following.signal(Signal::CONT);
    // Entries 93 to 180 were removed before they were read.
    assert_eq!(following.finding(), ("R101".to_owned(), 93));
    assert_eq!(following.through(199), (181..=199).collect::<Vec<u64>>());
    following.killed();
}

#[test]
fn an_etcd_that_goes_on_before_where_it_was_read_is_read_anew() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("wal");
    fs::create_dir(&path).expect("directory");
    let [(name, bytes)] = &segments(etcd::BASIC)[..] else { panic!("one segment") };
    let entries: Vec<_> = frames(bytes).into_iter().filter(|frame| frame.kind == 2).collect();
    // Records that a power cut took are not there any more when etcd goes on.
    let (kept, cut) = (entries[9].at, entries[14].at);
    let mut growing = Growing::begin(&path.join(name), &bytes[..cut]);
    let mut following = Following::of(&path, &[]);
    assert_eq!(following.through(14).len(), 14);
    growing.file.write_all_at(&vec![0; cut - kept], kept as u64).expect("cut");
    growing.at = kept;
    pause();
    growing.write(&bytes[kept..]);
    let rest = following.through(28);
    assert!(rest.ends_with(&(15..=28).collect::<Vec<u64>>()), "{rest:?}");
    following.killed();
}

#[test]
fn etcds_own_package_is_followed_while_it_appends_and_begins_segments() {
    let Some(program) = interop_etcd() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("member").join("wal");
    let text = dir.path().to_str().expect("UTF-8");
    done(program, &["seed", "segments", "3", text]);
    let (code, out, err) = told(&raftlog(["inspect", "--json", path.to_str().expect("UTF-8")]));
    assert_eq!(code, 0, "{err}");
    let said: Value = serde_json::from_str(&out).expect("JSON");
    let last = said["result"]["groups"][0]["last_index"].as_u64().expect("an index");
    let before = fs::read_dir(&path).expect("list").count();
    let mut following = Following::of(&path, &["--limit", &(last + 300).to_string()]);
    let mut shown = following.through(last);
    let mut writer = Command::new(program).args(["grow", text, "300"]).spawn().expect("runs");
    shown.extend(following.rest());
    assert!(writer.wait().expect("ended").success());
    assert_eq!(shown, (1..=last + 300).collect::<Vec<u64>>());
    let segments = fs::read_dir(&path).expect("list").count() - before;
    assert!(segments > 3, "{segments} segments");
}

#[test]
fn what_stays_unreadable_behind_the_last_entry_is_told_once() {
    let dir = tempfile::tempdir().expect("directory");
    // Each of the three ends inside what was written last.
    let wal = copied(&unpacked(&TWO, dir.path()), &dir.path().join("raft-wal"), true);
    let tail = wal.join("00000000000000000201-0000000000000001.wal");
    let whole = fs::read(&tail).expect("read");
    fs::write(&tail, &whole[..whole.len() - 20]).expect("written");
    let etcd = dir.path().join("etcd");
    fs::create_dir(&etcd).expect("directory");
    let [(name, bytes)] = &segments(etcd::BASIC)[..] else { panic!("one segment") };
    let torn = frames(bytes).into_iter().rfind(|frame| frame.kind == 2).expect("an entry");
    let growing = Growing::begin(&etcd.join(name), &bytes[..torn.at + 5]);
    let fast = dir.path().join("fastlog");
    let log = fastlog(&fast);
    (1..=3).for_each(|index| append(&log, &GroupId::Unnamed, (index, 1)));
    drop(log);
    let segment = &fast.join("00000001.seg");
    let mut frame = fs::read(segment).expect("read");
    let end = frame.iter().rposition(|byte| *byte != 0).expect("bytes");
    frame[end - 500..].fill(0);
    fs::write(segment, frame).expect("written");

    // Nobody reads what is shown of this one meanwhile, so that it must fit into a pipe.
    let few = ["--index", "390.."];
    let quiet = Following::of(&wal, &[&few[..], &["--quiet"]].concat());
    let following = [(&wal, &few[..]), (&etcd, &[]), (&fast, &[])];
    let mut following = following.map(|(path, rest)| Following::of(path, rest));
    let said = following.each_mut().map(Following::told);
    // As long again as it took until it was said, and a little: it is not said a second time.
    std::thread::sleep(Duration::from_secs(6));
    let places = [&tail, &etcd.join(name), segment];
    // What is written whole after all is shown.
    growing.file.write_all_at(&bytes[torn.at + 5..], torn.at as u64 + 5).expect("written");
    let mut following = following.into_iter();
    let (wal, mut etcd, fast) =
        (following.next().unwrap(), following.next().unwrap(), following.next().unwrap());
    etcd.through(28);
    for ((following, said), place) in [wal, etcd, fast].into_iter().zip(said).zip(places) {
        let err = said + &following.killed();
        let place = place.to_str().expect("UTF-8");
        assert_eq!(err.matches("cannot be read yet").count(), 1, "{place}: {err}");
        assert!(err.contains(place) && err.lines().count() == 1, "{place}: {err}");
    }
    assert_eq!(quiet.killed(), "");
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
