//! `inspect --follow` where a log is replaced, comes back shorter, or is removed: what is there
//! then is shown from where it differs, and nothing is shown or told twice.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use raftlog::fastlog::{Batch, FastLog, Options};
use raftlog::model::{Entry, EntryExtra, EntryKind, GroupId, LogIndex, SharedBytes, Term};
use raftlog::vfs::os::{OsClock, OsFs};
use support::etcd_made::Made;
use support::following::Following;
use support::raftlog;
use support::told;

/// Index and term of the next entries.
fn next(following: &mut Following, count: usize) -> Vec<(u64, u64)> {
    (0..count).map(|_| following.next().expect("an entry")).collect()
}

fn all_of(indexes: std::ops::RangeInclusive<u64>, term: u64) -> Vec<(u64, u64)> {
    indexes.map(|index| (index, term)).collect()
}

/// Puts what `write` makes in a directory in the place of the one at `path`, as an operator does.
fn replaced(path: &Path, write: impl FnOnce(&Path)) {
    let (new, old) = (path.with_extension("new"), path.with_extension("old"));
    write(&new);
    fs::rename(path, &old).expect("moved away");
    fs::rename(&new, path).expect("moved there");
    fs::remove_dir_all(&old).expect("removed");
}

/// Gives the newest segment the space that etcd reserves.
fn reserved(wal: &Path, made: &Made) -> PathBuf {
    let path = wal.join(&made.segments.last().expect("a segment").0);
    let file = fs::OpenOptions::new().write(true).open(&path).expect("open");
    file.set_len(1 << 20).expect("reserved");
    path
}

#[test]
fn an_etcd_that_was_wiped_and_joined_again_is_shown_from_its_new_beginning() {
    let dir = tempfile::tempdir().expect("directory");
    let data = dir.path().join("data");
    let made = Made::plain(20, 1);
    reserved(&made.write(&data), &made);
    let mut following = Following::of(&data, &["--limit", "50"]);
    assert_eq!(next(&mut following, 20), all_of(1..=20, 1));
    // The new log has the same name for its first segment, and reaches further than the old one.
    let other = Made::plain(30, 3);
    let fresh = dir.path().join("fresh");
    reserved(&other.write(&fresh), &other);
    fs::rename(data.join("member"), data.join("member.old")).expect("put aside");
    fs::rename(fresh.join("member"), data.join("member")).expect("moved there");
    assert_eq!(next(&mut following, 30), all_of(1..=30, 3));
    assert_eq!(following.rest(), Vec::<u64>::new());
}

#[test]
fn a_log_that_was_replaced_while_nothing_was_there_for_long_is_waited_for() {
    let dir = tempfile::tempdir().expect("directory");
    let data = dir.path().join("data");
    let made = Made::plain(5, 1);
    made.write(&data);
    let mut following = Following::of(&data, &["--limit", "8"]);
    assert_eq!(next(&mut following, 5), all_of(1..=5, 1));
    // It looked at what is there a few times, and holds it open.
    std::thread::sleep(Duration::from_millis(500));
    fs::remove_dir_all(data.join("member")).expect("removed");
    let note = following.told();
    assert!(note.contains("is not there any more; waiting"), "{note}");
    std::thread::sleep(Duration::from_secs(6));
    Made::plain(3, 2).write(&data);
    assert_eq!(next(&mut following, 3), all_of(1..=3, 2));
    let output = following.child.wait_with_output().expect("ended");
    let (code, _, err) = told(&output);
    assert_eq!((code, err.as_str()), (0, ""), "the note comes once");
}

#[test]
fn what_was_written_anew_below_the_last_index_shown_is_shown_when_the_log_is_opened_again() {
    let dir = tempfile::tempdir().expect("directory");
    let data = dir.path().join("data");
    let mut made = Made::plain(12, 1);
    made.entries(13..=15, 2);
    reserved(&made.write(&data), &made);
    let mut following = Following::of(&data, &["--limit", "19"]);
    assert_eq!(next(&mut following, 12), all_of(1..=12, 1));
    assert_eq!(next(&mut following, 3), all_of(13..=15, 2));
    // A restored log: the same through 13, then other entries, and not more than before.
    let mut other = Made::plain(12, 1);
    other.entries(13..=13, 2);
    other.entries(14..=15, 4);
    replaced(&data, |new| drop(reserved(&other.write(new), &other)));
    assert_eq!(next(&mut following, 2), all_of(14..=15, 4));
    // One that is shorter says nothing until it differs.
    let mut shorter = Made::plain(10, 1);
    replaced(&data, |new| drop(reserved(&shorter.write(new), &shorter)));
    std::thread::sleep(Duration::from_secs(1));
    let before = shorter.segments[0].1.len();
    shorter.entries(11..=12, 5);
    let path = data.join("member/wal").join(&shorter.segments[0].0);
    let file = fs::OpenOptions::new().write(true).open(path).expect("open");
    let new = &shorter.segments[0].1[before..];
    std::os::unix::fs::FileExt::write_all_at(&file, new, before as u64).expect("written");
    assert_eq!(next(&mut following, 2), all_of(11..=12, 5));
    assert_eq!(following.rest(), Vec::<u64>::new());
}

#[test]
fn a_damaged_record_is_told_once_however_often_the_log_is_opened() {
    let dir = tempfile::tempdir().expect("directory");
    let data = dir.path().join("data");
    let mut made = Made::plain(5, 1);
    let path = reserved(&made.write(&data), &made);
    let mut following = Following::of(&data, &["--limit", "10"]);
    assert_eq!(next(&mut following, 5), all_of(1..=5, 1));
    let at = made.segments[0].1.len();
    made.entry(6, 1, &[b'Q'; 40]);
    made.entries(7..=8, 1);
    let bytes = &mut made.segments[0].1;
    bytes[at + 40] ^= 1;
    let file = fs::OpenOptions::new().write(true).open(&path).expect("open");
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[at..], at as u64).expect("written");
    let mut findings = 0;
    let mut entries = Vec::new();
    while entries.last() != Some(&8) {
        let line = following.lines.next().expect("more").expect("a line");
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        findings += u32::from(line["type"] == "finding");
        entries.extend(line["index"].as_u64().filter(|_| line["type"] == "entry"));
    }
    assert_eq!((findings, &entries[..]), (1, &[7, 8][..]));
    // The same log under the same names, opened anew, and one entry more.
    made.entries(9..=9, 1);
    replaced(&data, |new| drop(reserved(&made.write(new), &made)));
    let line = following.lines.next().expect("more").expect("a line");
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&line["type"], &line["index"]), (&"entry".into(), &9.into()), "{line}");
    following.killed();
}

/// A raft-wal of entries of one term.
fn raft_wal(dir: &Path, path: &Path, (last, term): (u64, u64)) {
    let from = dir.join(format!("from-{last}-{term}"));
    drop(fastlog(&from, &all_of(1..=last, term)));
    let words = ["migrate", "--to", "raft-wal", "--quiet"];
    let paths = [from.to_str().expect("UTF-8"), path.to_str().expect("UTF-8")];
    let (code, _, err) = told(&raftlog([&words[..], &paths[..]].concat()));
    assert_eq!(code, 0, "{err}");
}

fn fastlog(path: &Path, entries: &[(u64, u64)]) -> FastLog {
    let options = Options::default();
    let log = FastLog::open_or_create(Arc::new(OsFs), Arc::new(OsClock), path, &options);
    let log = log.expect("opens");
    let number = log.create_group(&GroupId::Unnamed).expect("made");
    let entries: Vec<Entry> = entries
        .iter()
        .map(|(index, term)| Entry {
            index: LogIndex(*index),
            term: Term(*term),
            kind: EntryKind::Command,
            kind_code: None,
            payload: Some(SharedBytes::from(vec![7; 100])),
            extra: EntryExtra::default(),
        })
        .collect();
    let mut batch = Batch::new();
    batch.append(number, &entries).expect("fits");
    log.write(batch).expect("written");
    log
}

#[test]
fn a_raft_wal_and_a_fastlog_that_were_replaced_are_shown_from_their_new_beginning() {
    let dir = tempfile::tempdir().expect("directory");
    let wal = dir.path().join("raft-wal");
    raft_wal(dir.path(), &wal, (20, 1));
    let fast = dir.path().join("fastlog");
    drop(fastlog(&fast, &all_of(1..=20, 1)));
    let mut both = [&wal, &fast].map(|path| Following::of(path, &["--limit", "28"]));
    for following in &mut both {
        assert_eq!(next(following, 20), all_of(1..=20, 1));
    }
    // Shorter than what was read.
    replaced(&wal, |new| raft_wal(dir.path(), new, (8, 2)));
    replaced(&fast, |new| drop(fastlog(new, &all_of(1..=8, 2))));
    for mut following in both {
        assert_eq!(next(&mut following, 8), all_of(1..=8, 2));
        assert_eq!(following.rest(), Vec::<u64>::new());
    }
}

#[test]
fn a_segment_that_etcd_removed_is_read_to_its_end_and_no_other_log() {
    let dir = tempfile::tempdir().expect("directory");
    let data = dir.path().join("data");
    let mut made = Made::plain(5, 1);
    let wal = made.write(&data);
    let mut following = Following::of(&data, &["--limit", "12"]);
    assert_eq!(next(&mut following, 5), all_of(1..=5, 1));
    made.cut_named(6);
    made.entries(6..=10, 1);
    made.write(&data);
    assert_eq!(next(&mut following, 5), all_of(6..=10, 1));
    fs::remove_file(wal.join(&made.segments[0].0)).expect("removed");
    let start = Instant::now();
    made.entries(11..=12, 1);
    made.segments.remove(0);
    made.write(&data);
    assert_eq!(following.rest(), [11, 12]);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_is_followed_is_decoded_as_without() {
    let dir = tempfile::tempdir().expect("directory");
    // Memberships in encodings that only the schema of the log tells.
    for (archive, name) in [
        ("redb-real", "real-tatara-full"),
        ("redb-real", "real-zlayer-full"),
        ("redb-schema", "json-openraft"),
    ] {
        let fast = dir.path().join(name);
        let from = support::redb(archive, name);
        let paths = [from.to_str().expect("UTF-8"), fast.to_str().expect("UTF-8")];
        let words = ["migrate", "--to", "fastlog", "--quiet", "--allow-loss", "other-tables"];
        let (code, _, err) = told(&raftlog([&words[..], &paths[..]].concat()));
        assert!(matches!(code, 0 | 3), "{err}");
        for mode in ["auto", "utf8"] {
            let words = ["inspect", "--entries", "--json", "--payload", mode, paths[1]];
            let (code, out, err) = told(&raftlog(words));
            assert_eq!(code, 0, "{err}");
            let wanted: Vec<&str> =
                out.lines().filter(|line| line.contains("\"type\":\"entry\"")).collect();
            let count = wanted.len().to_string();
            let following = Following::of(&fast, &["--payload", mode, "--limit", &count]);
            let lines = following.lines.map(|line| line.expect("a line"));
            let lines = lines.filter(|line| line.contains("\"type\":\"entry\""));
            assert_eq!(lines.collect::<Vec<_>>(), wanted, "{name} {mode}");
            assert!(mode == "utf8" || out.contains("openraft"), "{name}: {out}");
        }
    }
}
