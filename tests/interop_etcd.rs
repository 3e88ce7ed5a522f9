//! etcd's own packages beside raftlog: both read every bundled log, and logs from seeds, record by
//! record and entry by entry; what `repair` wrote is opened and appended to; a log that is open is
//! locked.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::etcd::{ALL, BASIC, Frame, PACKAGE, TORN, contents, frames, unpack};
use support::go::{done, go, interop_etcd, text};
use support::{raftlog, told};

const SHAPES: [&str; 7] =
    ["segments", "overwrite", "snapshots", "installed", "purged", "torn", "mixed"];
const SEEDS: u64 = 6;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What raftlog prints; 3 is for a torn tail.
fn says(codes: &[i32], arguments: &[&str]) -> String {
    let (code, out, err) = told(&raftlog(arguments));
    assert!(codes.contains(&code), "{code} of {arguments:?}: {out}{err}");
    out
}

/// The entries as etcd's package gives them.
fn entries(dir: &Path) -> Vec<Value> {
    let words = ["inspect", "--entries", "--payload", "hex", "--format", "jsonl", text(dir)];
    let all = lines(&says(&[0, 3], &words)).into_iter().filter(|line| line["type"] == "entry");
    let entry = |line: Value| {
        json!({
            "index": line["index"], "term": line["term"], "type": line["kind_code"],
            "data": line["data_hex"],
        })
    };
    all.map(entry).collect()
}

/// Where the log begins, whose it is, and its state, as etcd's package gives them.
fn state(dir: &Path) -> Value {
    let said = says(&[0, 3], &["inspect", "--state", "--json", text(dir)]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let group = &said["result"]["groups"][0];
    let (hard, snapshot) = (&group["hard_state"], &group["snapshot"]);
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let vote = hard["vote"]["candidate"].as_str().map(|id| id.parse().expect("a number"));
    let ids = ["etcd.node_id", "etcd.cluster_id"].map(|key| {
        let hex = group["stable"][key]["hex"].as_str().expect("hex");
        u64::from_str_radix(hex, 16).expect("a number")
    });
    json!({
        "start": [number(&snapshot["index"]), number(&snapshot["term"])],
        "ids": ids,
        "state": [number(&hard["term"]), vote.unwrap_or(0u64), number(&hard["commit"])],
    })
}

/// The first line of the package's, with the two ids that are its metadata.
fn told_state(line: &Value) -> Value {
    let metadata = line["metadata"].as_str().expect("hex").as_bytes();
    let metadata = data_encoding::HEXLOWER.decode(metadata).expect("hex");
    let mut rest = metadata.as_slice();
    let ids = [8, 16].map(|tag| {
        assert_eq!(rest.first(), Some(&tag));
        let (mut id, mut shift) = (0u64, 0);
        loop {
            rest = &rest[1..];
            id |= u64::from(rest[0] & 0x7f) << shift;
            shift += 7;
            if rest[0] & 0x80 == 0 {
                rest = &rest[1..];
                return id;
            }
        }
    });
    json!({ "start": line["start"], "ids": ids, "state": line["state"] })
}

/// The whole records in the files as etcd's package gives them.
fn records(dir: &Path) -> Vec<Value> {
    let words = ["inspect", "--records", "--format", "jsonl", text(dir)];
    let all = lines(&says(&[0, 3], &words)).into_iter().filter(|line| line["type"] == "record");
    let record = |line: Value| {
        let kind = line["record_kind"].as_str().expect("a kind").to_owned();
        let number = match kind.split(',').next() {
            Some("metadata") => 1,
            Some("entry") => 2,
            Some("state") => 3,
            Some("checksum") => 4,
            Some("snapshot marker") => 5,
            _ => return None,
        };
        assert_ne!(line["checksum"], "bad");
        let file = Path::new(line["place"]["file"].as_str().expect("a file"));
        Some(json!({
            "file": file.file_name().expect("a name").to_string_lossy(),
            "at": line["place"]["offset_bytes"], "len": line["place"]["len_bytes"],
            "type": number, "index": line["first_index"],
        }))
    };
    all.filter_map(record).collect()
}

/// Both read the same, before and after, and no byte is changed.
fn agrees(program: &Path, dir: &Path, what: &str) {
    let before = contents(dir);
    let dump = done(program, &["dump", text(dir)]);
    let wanted = lines(&dump);
    let verdict = says(&[0, 3], &["verify", "--json", text(dir)]);
    assert_eq!(state(dir), told_state(&wanted[0]), "{what}: {verdict}");
    let found = entries(dir);
    assert_eq!(found.len(), wanted.len() - 1, "{what}");
    for (found, wanted) in found.iter().zip(&wanted[1..]) {
        assert_eq!(found, wanted, "{what}");
    }
    let wanted = lines(&done(program, &["records", text(dir)]));
    let found = records(dir);
    assert_eq!(found.len(), wanted.len(), "{what}: records");
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found, wanted, "{what}");
    }
    assert_eq!(done(program, &["dump", text(dir)]), dump, "{what}: after verify");
    assert!(contents(dir) == before, "{what}: no byte changed");
}

#[test]
fn every_bundled_log_is_read_as_etcds_own_packages_read_it() {
    let Some(program) = interop_etcd() else { return };
    for archive in ALL {
        // The packages rename what they take for broken, so they get a copy.
        let dir = tempfile::tempdir().expect("directory");
        unpack(archive, dir.path());
        agrees(program, &dir.path().join(archive), archive);
    }
}

fn seeded(program: &Path, shape: &str, seed: u64, around: &Path) -> PathBuf {
    let dir = around.join(format!("{shape}-{seed}"));
    done(program, &["seed", shape, &seed.to_string(), text(&dir)]);
    dir
}

#[test]
fn logs_from_seeds_are_read_as_etcds_own_packages_read_them() {
    let Some(program) = interop_etcd() else { return };
    let around = tempfile::tempdir().expect("directory");
    for shape in SHAPES {
        for seed in 1..=SEEDS {
            let dir = seeded(program, shape, seed, around.path());
            let torn = ["torn", "mixed"].contains(&shape);
            let (code, out, err) = told(&raftlog(["verify", "--json", text(&dir)]));
            assert_eq!(code, if torn { 3 } else { 0 }, "{shape} {seed}: {out}{err}");
            agrees(program, &dir, &format!("{shape} {seed}"));
        }
    }
}

/// Appends to a repaired log with the packages, which find nothing to repair; raftlog reads it.
fn goes_on(program: &Path, dir: &Path, kept: &[Value], what: &str) {
    let told = lines(&done(program, &["append", text(dir)]));
    assert_eq!(told.last().expect("an end")["repaired"], false, "{what}");
    assert_eq!(&told[1..told.len() - 1], kept, "{what}: etcd reads what was kept");
    says(&[0], &["verify", text(dir)]);
    let found = entries(dir);
    assert_eq!((found.len(), &found[..kept.len()]), (kept.len() + 1, kept), "{what}: appended");
}

#[test]
fn etcd_opens_what_repair_wrote_and_appends_to_it() {
    let Some(program) = interop_etcd() else { return };
    let around = tempfile::tempdir().expect("directory");
    let mut torn = vec![around.path().join(TORN)];
    unpack(TORN, around.path());
    torn.extend((1..=SEEDS).map(|seed| seeded(program, "torn", seed, around.path())));
    for (number, dir) in torn.iter().enumerate() {
        let out = around.path().join(format!("torn.{number}"));
        says(&[3], &["repair", text(dir), "--out", text(&out)]);
        let kept = entries(dir);
        assert_eq!(entries(&out), kept, "{dir:?}");
        goes_on(program, &out, &kept, &dir.display().to_string());
        // The packages' own repair of the source comes to the same.
        let told = lines(&done(program, &["append", text(dir)]));
        assert_eq!(told.last().expect("an end")["repaired"], true, "{dir:?}");
        assert_eq!(&told[1..told.len() - 1], kept, "{dir:?}");
    }
    // Damage in the middle of a segment, first, middle and newest; and a segment that is gone.
    for seed in 1..=SEEDS {
        let dir = seeded(program, "segments", seed, around.path());
        let wal = dir.join("member/wal");
        let all = entries(&dir);
        let segments = contents(&wal);
        let at = (seed as usize) % segments.len();
        let (name, bytes) = &segments[at];
        if seed % 3 == 0 && at > 0 {
            fs::remove_file(name).expect("removed");
        } else {
            // A short one, which has no sector of zeros to be taken for torn by.
            let short = |frame: &Frame| frame.kind == 2 && frame.data.len() < 300;
            let short: Vec<Frame> = frames(bytes).into_iter().filter(short).collect();
            let mut bytes = bytes.clone();
            bytes[short[short.len() / 2].data_at + 3] ^= 0x40;
            fs::write(name, bytes).expect("written");
        }
        assert_ne!(told(&go(program, &["append", text(&dir)])).0, 0, "etcd refuses it");
        let out = around.path().join(format!("middle.{seed}"));
        says(&[4], &["repair", text(&dir), "--out", text(&out)]);
        let kept = entries(&out);
        assert!(kept.len() < all.len() && !kept.is_empty(), "{seed}: {}", kept.len());
        assert_eq!(kept, all[..kept.len()], "{seed}");
        goes_on(program, &out, &kept, &format!("segments {seed}"));
    }
}

#[test]
fn a_log_that_etcd_has_open_is_locked() {
    let Some(program) = interop_etcd() else { return };
    let dir = tempfile::tempdir().expect("directory");
    for archive in [BASIC, PACKAGE] {
        unpack(archive, dir.path());
        let log = dir.path().join(archive);
        let mut holder = Command::new(program)
            .args(["hold", text(&log)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut line = String::new();
        let output = holder.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("read");
        assert_eq!(line.trim(), "\"holding\"");
        let target = dir.path().join("target");
        for words in [
            vec!["verify", text(&log)],
            vec!["inspect", text(&log)],
            vec!["migrate", text(&log), text(&target), "--to", "fastlog"],
            vec!["repair", text(&log), "--out", text(&target)],
            vec!["backup", text(&log), text(&target)],
        ] {
            let (code, out, err) = told(&raftlog(&words));
            assert_eq!((code, out.as_str()), (11, ""), "{words:?}: {err}");
            let pid = holder.id().to_string();
            assert!(err.contains("in use") && err.contains(&pid), "{words:?}: {err}");
        }
        drop(holder.stdin.take());
        assert!(holder.wait().expect("ended").success());
        assert!(!target.exists());
        says(&[0], &["verify", text(&log)]);
    }
}

#[test]
fn etcd_starts_from_its_snapshot_on_what_repair_left_of_a_log_whose_beginning_is_damaged() {
    let Some(program) = interop_etcd() else { return };
    let mut begun = 0;
    for seed in 0..8 {
        let dir = tempfile::tempdir().expect("directory");
        let data = dir.path().join("data");
        done(program, &["seed", "snapshots", &seed.to_string(), text(&data)]);
        let wanted = done(program, &["dump", text(&data)]);
        let wal = data.join("member").join("wal");
        let mut segments: Vec<PathBuf> = contents(&wal).into_iter().map(|(path, _)| path).collect();
        segments.retain(|path| path.extension().is_some_and(|suffix| suffix == "wal"));
        let mut bytes = fs::read(&segments[0]).expect("read");
        let first = frames(&bytes).into_iter().find(|frame| frame.kind == 2).expect("an entry");
        bytes[first.data_at + 1] ^= 4;
        fs::write(&segments[0], bytes).expect("written");
        let target = dir.path().join("repaired");
        let repair = ["repair", "--json", text(&data), "--out", text(&target)];
        let (code, out, err) = told(&raftlog(repair));
        if code == 1 {
            // All that a node would read lies in the segment that is damaged.
            continue;
        }
        let said: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((code, &said["result"]["covered_by_snapshot"]), (4, &true.into()), "{err}");
        begun += 1;
        fs::remove_dir_all(&wal).expect("removed");
        fs::rename(&target, &wal).expect("renamed");
        says(&[0], &["verify", text(&data)]);
        // What a server would have of it is what it had, and it goes on.
        assert_eq!(done(program, &["dump", text(&data)]), wanted, "seed {seed}");
        done(program, &["append", text(&data)]);
        says(&[0], &["verify", text(&data)]);
    }
    assert!(begun > 2, "{begun} of 8");
}
