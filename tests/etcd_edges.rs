//! Logs of etcd at the edges of what its package takes, made record by record: what `verify` says
//! of them, what is never printed, what other formats cannot hold, and how an opening is stopped.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::etcd::{BASIC, INSTALLED};
use support::etcd_made::{Made, bytes, numbers, snap};
use support::{raftlog, told};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// What `verify` answers, and the codes of what it finds, information left out.
fn verified(data: &Path) -> (i32, Vec<String>, String) {
    let (code, out, err) = told(&raftlog(["verify", "--json", text(data)]));
    let said: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let findings = said["findings"].as_array().expect("findings").iter();
    let grave = findings.filter(|one| one["severity"] != "info");
    let codes = grave.map(|one| one["code"].as_str().expect("a code").to_owned());
    (code, codes.collect(), out)
}

#[test]
fn what_etcd_refuses_to_open_is_not_called_sound() {
    let room = tempfile::tempdir().expect("directory");
    let check = |name: &str, made: &Made, code: i32, codes: &[&str]| {
        let data = room.path().join(name);
        made.write(&data);
        let (found, all, out) = verified(&data);
        assert_eq!(
            (found, all.iter().map(String::as_str).collect::<Vec<_>>()),
            (code, codes.into())
        );
        out
    };
    let two = |metadata: &[u8], index: u64| {
        let mut made = Made::plain(20, 1);
        let usual = std::mem::replace(&mut made.metadata, metadata.to_vec());
        made.cut_named(index);
        made.metadata = usual;
        made.entries(21..=24, 1);
        made.state(1, 7, 24);
        made
    };
    let usual = numbers(&[(1, 0x1111), (2, 0x2222)]);
    check("sound", &two(&usual, 21), 0, &[]);
    let out = check("conflict", &two(b"\xff\xff\xff", 21), 1, &["R115"]);
    assert!(out.contains("3 bytes"), "{out}");
    let out = check("early", &two(&usual, 3), 3, &["R121"]);
    assert!(out.contains("0000000000000001-0000000000000015.wal"), "{out}");
    check("late", &two(&usual, 255), 3, &["R121"]);
    let mut empty = Made::plain(20, 1);
    empty.segments.push(("0000000000000001-0000000000000015.wal".to_owned(), Vec::new()));
    check("empty", &empty, 3, &["R114"]);
    let mut twice = Made::plain(20, 1);
    twice.state(1, 8, 20);
    let out = check("twice", &twice, 1, &["R106"]);
    assert!(out.contains("two votes in term 1"), "{out}");
    let mut withdrawn = Made::plain(20, 1);
    withdrawn.state(1, 0, 20);
    let out = check("withdrawn", &withdrawn, 1, &["R106"]);
    assert!(out.contains("the vote in term 1 is taken back"), "{out}");
    let mut falls = Made::plain(20, 1);
    falls.state(1, 7, 5);
    let out = check("falls", &falls, 1, &["R106"]);
    assert!(out.contains("it only grows"), "{out}");
}

#[test]
fn entries_between_the_snapshot_and_the_log_are_missed() {
    let room = tempfile::tempdir().expect("directory");
    let data = room.path().join("data");
    let mut made = Made::new();
    made.entries(1..=50, 1);
    made.state(1, 7, 50);
    made.marker(45, 1);
    made.cut_named(51);
    made.entries(61..=70, 1);
    made.state(1, 7, 70);
    made.segments.remove(0);
    made.segments[0].0 = "0000000000000001-000000000000003d.wal".to_owned();
    made.marker(45, 1);
    made.write(&data);
    snap(&data, 45, 1);
    let (code, codes, out) = verified(&data);
    assert_eq!(code, 1, "{out}");
    assert!(codes.contains(&"R107".to_owned()), "{codes:?}");
}

#[test]
fn what_etcd_leaves_beside_its_log_is_no_part_of_it() {
    let room = tempfile::tempdir().expect("directory");
    let data = room.path().join("data");
    let made = Made::plain(20, 1);
    let wal = made.write(&data);
    assert_eq!(verified(&data).0, 0);
    // A log that was being created, and one whose creation failed: segments in directories of
    // their own, which are told and not read.
    for name in ["wal.tmp", "wal.broken.20260102.030405.000000"] {
        let dir = data.join("member").join(name);
        fs::create_dir(&dir).expect("directory");
        for (name, bytes) in &Made::plain(3, 9).segments {
            fs::write(dir.join(name), bytes).expect("written");
        }
    }
    let leftovers = |count: usize| (3, vec!["R117".to_owned(); count]);
    let (code, codes, out) = verified(&data);
    assert_eq!((code, codes), leftovers(2), "{out}");
    let said: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(said["result"]["stores"][0]["entries"], 20);
    // Inside the directory: the copy of a repair is told, a segment that was prepared is not grave.
    fs::write(wal.join("0000000000000000-0000000000000000.wal.broken"), b"x").expect("written");
    fs::write(wal.join("1.tmp"), [0; 64]).expect("written");
    fs::create_dir(wal.join("wal.tmp")).expect("directory");
    let (code, codes, out) = verified(&data);
    assert_eq!((code, codes), leftovers(3), "{out}");
}

#[test]
fn a_password_of_either_store_is_printed_in_no_mode_but_as_bytes() {
    const SECRET: &str = "hunter2SECRET";
    let room = tempfile::tempdir().expect("directory");
    let data = room.path().join("data");
    let mut made = Made::new();
    let v2 = [
        bytes(2, b"PUT"),
        bytes(3, b"/2/security/users/root"),
        bytes(4, format!("{{\"user\":\"root\",\"password\":\"{SECRET}\"}}").as_bytes()),
    ];
    let user = [bytes(1, b"root"), bytes(2, SECRET.as_bytes())].concat();
    let requests = [v2.concat(), bytes(2, &v2.concat()), bytes(1100, &user), bytes(1012, &user)];
    for (at, request) in requests.iter().enumerate() {
        made.entry(at as u64 + 1, 1, request);
    }
    made.state(1, 7, 4);
    made.write(&data);
    for mode in ["none", "digest", "utf8", "auto"] {
        for shape in ["text", "jsonl", "csv"] {
            let words = ["inspect", "--entries", "--payload", mode, "--format", shape];
            let (code, out, err) = told(&raftlog([&words[..], &[text(&data)]].concat()));
            assert_eq!(code, 0, "{err}");
            assert!(!(out + &err).contains("SECRET"), "{mode} {shape}");
        }
    }
    let words = ["inspect", "--entries", "--payload", "auto", "--format", "jsonl", text(&data)];
    let (_, out, _) = told(&raftlog(words));
    assert_eq!(out.matches("\"redacted\":true").count(), 4, "{out}");
    let words = ["inspect", "--entries", "--payload", "hex", "--format", "jsonl", text(&data)];
    let (_, out, _) = told(&raftlog(words));
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(out.matches(&hex).count(), 4);
}

#[test]
fn a_password_stays_hidden_in_what_the_log_was_converted_to() {
    const SECRET: &str = "hunter2SECRET";
    let room = tempfile::tempdir().expect("directory");
    let data = room.path().join("data");
    let mut made = Made::new();
    let user = format!("{{\"user\":\"root\",\"password\":\"{SECRET}\"}}");
    let v2 = [bytes(2, b"PUT"), bytes(3, b"/2/security/users/root"), bytes(4, user.as_bytes())];
    made.entry(1, 1, &v2.concat());
    made.entry(2, 1, &bytes(1100, &[bytes(1, b"root"), bytes(2, SECRET.as_bytes())].concat()));
    made.state(1, 7, 2);
    made.write(&data);
    for format in ["fastlog", "redb", "boltdb", "raft-wal"] {
        let to = room.path().join(format);
        let words = ["migrate", text(&data), text(&to), "--to", format, "--allow-loss"];
        let (code, _, err) =
            told(&raftlog([&words[..], &["commit-index,vote-candidate"]].concat()));
        assert!(code == 0 || code == 3, "{format}: {err}");
        for mode in ["utf8", "auto"] {
            let words = ["inspect", "--entries", "--payload", mode, "--format", "jsonl"];
            let (code, out, err) = told(&raftlog([&words[..], &[text(&to)]].concat()));
            assert_eq!(code, 0, "{format}: {err}");
            assert_eq!(out.matches("\"redacted\":true").count(), 2, "{format} {mode}: {out}");
            assert!(!out.contains("SECRET"), "{format} {mode}: {out}");
            // Nor in the bytes of it that base64 shows.
            assert!(!out.contains("data_b64"), "{format} {mode}: {out}");
        }
    }
}

/// etcd 3.5 opens the key-value store that it received with the snapshot, or does not start.
#[test]
fn a_key_value_store_from_before_the_snapshot_is_not_called_sound() {
    let room = tempfile::tempdir().expect("directory");
    support::etcd::unpack(INSTALLED, room.path());
    let data = room.path().join(INSTALLED);
    assert_eq!(verified(&data).0, 0);
    let older = support::etcd::unpacked(BASIC).join("member/snap/db");
    let snap = data.join("member/snap");
    fs::copy(older, snap.join("db")).expect("copied");
    let (code, codes, out) = verified(&data);
    assert_eq!((code, codes), (1, vec!["R118".to_owned()]), "{out}");
    assert!(out.contains("etcd does not start with such a store"), "{out}");
    // The one that came with it and was not put in place yet is.
    let newest = fs::read_dir(&snap).expect("listed").flatten();
    let names = newest.map(|found| found.file_name().to_string_lossy().into_owned());
    let newest = names.filter(|name| name.ends_with(".snap")).max().expect("a snapshot");
    let index = newest.trim_end_matches(".snap").rsplit('-').next().expect("an index").to_owned();
    fs::write(snap.join(format!("{index}.snap.db")), b"as received").expect("written");
    let (_, codes, out) = verified(&data);
    assert!(!codes.contains(&"R118".to_owned()), "{out}");
}

#[test]
fn an_entry_that_raft_wal_would_not_read_is_refused_by_name_before_anything_is_written() {
    let room = tempfile::tempdir().expect("directory");
    let data = room.path().join("data");
    let mut made = Made::plain(2, 1);
    made.entry(3, 1, &vec![7; (64 << 20) + 1]);
    made.entries(4..=4, 1);
    made.state(1, 7, 4);
    made.write(&data);
    let target = room.path().join("wal");
    for dry in [&["--dry-run"][..], &[]] {
        let words = ["migrate", text(&data), text(&target), "--to", "raft-wal"];
        let more = ["--allow-loss", "commit-index,vote-candidate,extensions"];
        let (code, _, err) = told(&raftlog([&words[..], &more, dry].concat()));
        assert_eq!(code, 12, "{err}");
        assert!(err.contains("entry 3 has 67108865 bytes"), "{err}");
        let left: Vec<_> = fs::read_dir(room.path()).expect("list").collect();
        assert_eq!(left.len(), 1, "nothing is left but the source");
    }
}

#[test]
fn opening_a_large_log_stops_at_once_when_it_is_told_to() {
    let room = tempfile::tempdir().expect("directory");
    let data = room.path().join("data");
    let mut made = Made::new();
    let payload = vec![7; 900 << 10];
    for at in 0..4u64 {
        (1..=64).for_each(|index| made.entry(at * 64 + index, 1, &payload));
        made.state(1, 7, at * 64 + 64);
        if at < 3 {
            made.cut_named(at * 64 + 65);
        }
    }
    made.write(&data);
    drop(made);
    for (command, signal, exit) in
        [("verify", Signal::INT, 130), ("inspect", Signal::TERM, 143), ("repair", Signal::INT, 130)]
    {
        // However fast the machine is, one of these is met before it is through.
        let stopped = (0..12).any(|wait| {
            let mut child = Command::new(env!("CARGO_BIN_EXE_raftlog"));
            child.args([command, text(&data)]);
            if command == "repair" {
                child.args(["--out", text(&room.path().join("out"))]);
            }
            let mut child =
                child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("runs");
            std::thread::sleep(Duration::from_millis(15 + wait * 10));
            let id = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
            let told_to = Instant::now();
            let sent = kill_process(id, signal).is_ok();
            let status = child.wait().expect("ended");
            let mut err = String::new();
            child.stderr.take().expect("stderr").read_to_string(&mut err).expect("text");
            let stopped = sent && status.code() == Some(exit);
            if stopped {
                assert!(told_to.elapsed() < Duration::from_secs(1), "{:?}", told_to.elapsed());
                assert!(err.contains("stopped; nothing was changed"), "{err}");
            }
            fs::remove_dir_all(room.path().join("out")).ok();
            stopped
        });
        assert!(stopped, "{command} was never stopped");
    }
}
