//! BoltDB files of raft-boltdb through the real binary: every bundled file against what its owning
//! library read out of it, field by field, and through the other formats.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::bolt::{DUMPED, Dump, dump, file, unpack};
use support::{raftlog, told};

/// Runs a command that must succeed; returns what it printed.
fn done(arguments: &[&str]) -> String {
    let (code, out, err) = told(&raftlog(arguments));
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// An entry of a dump in one form, whatever the library left out: kind as number, contents in
/// hexadecimal digits or digest, null and empty the same where the library cannot tell them apart.
fn dumped(line: &Value) -> Value {
    let kinds = ["command", "noop", "add-peer", "remove-peer", "barrier", "configuration"];
    let kind = match (&line["type"], &line["kind"]) {
        (Value::Number(number), _) | (_, Value::Number(number)) => number.as_u64(),
        (_, Value::String(name)) => kinds.iter().position(|k| k == name).map(|n| n as u64),
        other => panic!("{other:?}"),
    };
    let hex = |hex: &str, base64: &str| match (&line[hex], &line[base64]) {
        (Value::String(hex), _) => HEXLOWER.decode(hex.as_bytes()).expect("hex"),
        (_, Value::String(text)) => BASE64.decode(text.as_bytes()).expect("base64"),
        _ => Vec::new(),
    };
    let digest = match &line["data_sha256"] {
        Value::String(digest) => digest.clone(),
        _ => HEXLOWER.encode(&Sha256::digest(hex("data_hex", "data"))),
    };
    let time = line["appended_at"].as_str().filter(|time| !time.starts_with("0001-"));
    json!({
        "index": line["index"],
        "term": line["term"],
        "kind": kind.expect("a kind"),
        "data_sha256": digest,
        "extensions": HEXLOWER.encode(&hex("ext_hex", "extensions")),
        "appended_at_ns": time.map(nanoseconds),
    })
}

fn nanoseconds(time: &str) -> String {
    // The library prints seconds in a zone's offset, which no standard knows.
    let (time, odd_seconds) = match time.strip_suffix("+01:00:17") {
        Some(rest) => (format!("{rest}+01:00"), 17),
        None => (time.to_owned(), 0),
    };
    let time: jiff::Timestamp = time.parse().unwrap_or_else(|error| panic!("{time}: {error}"));
    (time.as_nanosecond() - odd_seconds * 1_000_000_000).to_string()
}

/// An entry as `inspect --entries --payload hex` prints it, in the same form.
fn inspected(line: &Value) -> Value {
    let hex = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let data = HEXLOWER.decode(hex("data_hex").as_bytes()).expect("hex");
    json!({
        "index": line["index"],
        "term": line["term"],
        "kind": line["kind_code"],
        "data_sha256": HEXLOWER.encode(&Sha256::digest(data)),
        "extensions": hex("extensions_hex"),
        "appended_at_ns": line["appended_at"].as_str().map(nanoseconds),
    })
}

/// Everything that `inspect` says about the log at `path`.
fn inspect(path: &Path) -> Dump {
    let arguments = ["inspect", text(path), "--entries", "--payload", "hex", "--format", "jsonl"];
    let lines: Vec<Value> =
        done(&arguments).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let entries = lines.into_iter().filter(|line| line["type"] == "entry").collect();
    let state: Value =
        serde_json::from_str(&done(&["inspect", text(path), "--state", "--json"])).expect("JSON");
    let mut stable = BTreeMap::new();
    for (key, value) in state["result"]["groups"][0]["stable"].as_object().expect("stable keys") {
        stable.insert(key.clone(), value["hex"].as_str().expect("hex").to_owned());
    }
    Dump { stable, entries }
}

fn assert_equals_dump(path: &Path, wanted: &Dump, name: &str) {
    let found = inspect(path);
    assert_eq!(found.stable, wanted.stable, "{name}");
    assert_eq!(found.entries.len(), wanted.entries.len(), "{name}: number of entries");
    for (found, wanted) in found.entries.iter().zip(&wanted.entries) {
        assert_eq!(inspected(found), dumped(wanted), "{name}");
    }
}

#[test]
fn every_bundled_file_reads_as_its_own_library_reads_it() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &DUMPED {
        let path = file(bundled, dir.path());
        let before = std::fs::read(&path).expect("file");
        let wanted = dump(bundled);
        assert!(!wanted.stable.is_empty(), "{}: no dump", bundled.file);
        assert_equals_dump(&path, &wanted, bundled.file);
        done(&["verify", "--strict", text(&path)]);
        assert_eq!(std::fs::read(&path).expect("file"), before, "{} was changed", bundled.file);
    }
}

#[test]
fn every_bundled_file_goes_to_fastlog_and_redb_without_a_loss() {
    let dir = tempfile::tempdir().expect("directory");
    for (number, bundled) in DUMPED.iter().enumerate() {
        let path = file(bundled, dir.path());
        let wanted = dump(bundled);
        for to in ["fastlog", "redb"] {
            let target = dir.path().join(format!("{number}.{to}"));
            done(&["migrate", text(&path), text(&target), "--to", to]);
            done(&["diff", text(&path), text(&target)]);
            assert_equals_dump(&target, &wanted, bundled.file);
        }
    }
}

#[test]
fn every_bundled_file_comes_back_from_fastlog_as_a_compact_file_of_equal_entries() {
    let dir = tempfile::tempdir().expect("directory");
    for (number, bundled) in DUMPED.iter().enumerate() {
        let path = file(bundled, dir.path());
        let wanted = dump(bundled);
        let between = dir.path().join(format!("{number}.fl"));
        done(&["migrate", text(&path), text(&between), "--to", "fastlog"]);
        for (from, name) in [(&between, "back"), (&path, "straight")] {
            let target = dir.path().join(format!("{number}.{name}.db"));
            done(&["migrate", text(from), text(&target), "--to", "boltdb"]);
            assert_equals_dump(&target, &wanted, bundled.file);
            done(&["verify", "--strict", text(&target)]);
            let said = done(&["diff", text(&path), text(&target)]);
            assert!(said.contains("identical"), "{said}");
            let sizes = [&path, &target].map(|path| std::fs::metadata(path).expect("file").len());
            assert!(sizes[1] <= sizes[0], "{}: {} became {}", bundled.file, sizes[0], sizes[1]);
        }
        // What the values are made of is the same, so both ways give the same bytes.
        let [back, straight] = ["back", "straight"].map(|name| {
            std::fs::read(dir.path().join(format!("{number}.{name}.db"))).expect("file")
        });
        assert!(back == straight, "{}: two files of one log differ", bundled.file);
    }
}

/// The first byte behind the name of each value's append time: `af` and `b0` begin the old form.
fn time_codes(path: &Path) -> Vec<u8> {
    let name = b"AppendedAt";
    let code = |value: &Vec<u8>| {
        let at = value.windows(name.len()).position(|found| found == name)?;
        value.get(at + name.len()).copied()
    };
    values(path).iter().filter_map(code).collect()
}

#[test]
fn the_form_of_append_times_is_kept_named_and_changed_only_when_asked_for() {
    let dir = tempfile::tempdir().expect("directory");
    let [dkron, nomad] = [7, 11].map(|at| file(&DUMPED[at], dir.path()));
    let cases = [(&dkron, "old", "new", 0xaf), (&nomad, "new", "old", 0xaf)];
    for (number, (path, own, other, old_code)) in cases.into_iter().enumerate() {
        let kept = dir.path().join(format!("{number}.kept"));
        let said = done(&["migrate", text(path), text(&kept), "--to", "boltdb"]);
        assert!(said.contains(&format!("in the {own} form")), "{said}");
        assert_eq!(time_codes(&kept), time_codes(path));
        let turned = dir.path().join(format!("{number}.turned"));
        let to = ["--to", "boltdb", "--time-form", other];
        let said = done(&[&["migrate", text(path), text(&turned)], &to[..]].concat());
        assert!(said.contains(&format!("in the {other} form")), "{said}");
        let codes = time_codes(&turned);
        assert!(codes.iter().all(|code| (*code == old_code) == (other == "old")), "{codes:x?}");
        // The moments are the same.
        let said = done(&["diff", text(path), text(&turned)]);
        assert!(said.contains("identical"), "{said}");
    }
}

#[test]
fn a_form_that_the_owner_of_the_directory_cannot_read_is_refused_unless_asked_for() {
    let dir = tempfile::tempdir().expect("directory");
    let dkron = file(&DUMPED[7], dir.path());
    unpack("openbao-raft", dir.path());
    // Somebody put a log with old append times where OpenBao would hang on them in silence.
    let inside = dir.path().join("openbao-raft/raft/raft.db");
    std::fs::copy(&dkron, &inside).expect("copy");
    let target = dir.path().join("target.db");
    // The state beside it is of another log, which is a matter of its own.
    let accepted = ["--accept", "R106,R108"];
    let arguments =
        [&["migrate", text(&inside), text(&target), "--to", "boltdb"], &accepted[..]].concat();
    let (code, _, err) = told(&raftlog(arguments.clone()));
    assert_eq!(code, 12, "{err}");
    assert!(err.contains("old form") && err.contains("--time-form new"), "{err}");
    assert!(!target.exists());
    done(&[&arguments[..], &["--time-form", "old"]].concat());
    let (code, _, err) =
        told(&raftlog(["migrate", text(&dkron), "x", "--to", "redb", "--time-form", "old"]));
    assert_eq!(code, 2, "{err}");
}

/// The values of the `logs` bucket, by the places that `inspect` names.
fn values(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).expect("file");
    let of = |line: &Value| {
        let at = line["place"]["offset_bytes"].as_u64().expect("offset") as usize;
        bytes[at..at + line["place"]["len_bytes"].as_u64().expect("length") as usize].to_vec()
    };
    inspect(path).entries.iter().map(of).collect()
}

#[test]
fn a_copy_holds_the_values_byte_for_byte() {
    let dir = tempfile::tempdir().expect("directory");
    unpack("small", dir.path());
    let small = ["v1.db", "v2.db", "fresh.db"].map(|name| dir.path().join(name));
    let files = DUMPED.iter().map(|bundled| file(bundled, dir.path())).chain(small);
    for (number, path) in files.enumerate() {
        for hop in ["redb", "fastlog"] {
            let between = dir.path().join(format!("{number}.{hop}"));
            done(&["migrate", text(&path), text(&between), "--to", hop]);
            let target = dir.path().join(format!("{number}.{hop}.db"));
            done(&["migrate", text(&between), text(&target), "--to", "boltdb"]);
            assert!(values(&path) == values(&target), "{} over {hop}", path.display());
        }
    }
}

/// A freelist that counts more pages than a page's own count can say has its count in front of the
/// numbers: the same list in that form is the same list, and a count that lies is named.
#[test]
fn a_freelist_whose_count_stands_before_its_numbers_is_read() {
    let dir = tempfile::tempdir().expect("directory");
    let path = file(&DUMPED[1], dir.path());
    let look = |code: i32| {
        let (ended, out, err) = told(&raftlog(["verify", text(&path), "--alone", "--json"]));
        assert_eq!(ended, code, "{out}{err}");
        serde_json::from_str::<Value>(&out).expect("JSON")
    };
    let free = |said: &Value| said["result"]["stores"][0]["containers"]["free pages"].as_u64();
    let sound = look(0);
    let listed = free(&sound).expect("free pages");
    let mut bytes = std::fs::read(&path).expect("fixture");
    let evidence = sound["source"]["evidence"].to_string();
    let (_, page) = evidence.split_once("freelist at page ").expect("a freelist");
    let digits: String = page.chars().take_while(char::is_ascii_digit).collect();
    let at = 4096 * digits.parse::<usize>().expect("a page");
    let count = usize::from(u16::from_le_bytes([bytes[at + 10], bytes[at + 11]]));
    assert_eq!(count as u64, listed);
    bytes.copy_within(at + 16..at + 16 + 8 * count, at + 24);
    bytes[at + 10..at + 12].fill(0xff);
    for (said, code) in [(listed, 0), (listed + 1, 1), (u64::MAX, 1), (0xffff, 1)] {
        bytes[at + 16..at + 24].copy_from_slice(&said.to_le_bytes());
        std::fs::write(&path, &bytes).expect("file");
        let verdict = look(code);
        assert_eq!(verdict["result"]["stores"][0]["entries"], 1297, "{said}");
        if code == 0 {
            assert_eq!(free(&verdict), Some(listed));
        } else {
            assert!(verdict["findings"].to_string().contains("freelist"), "{said}: {verdict:#}");
        }
    }
}

#[test]
fn the_smallest_files_are_read() {
    let dir = tempfile::tempdir().expect("directory");
    unpack("small", dir.path());
    for name in ["v1.db", "v2.db"] {
        let found = inspect(&dir.path().join(name));
        let data: Vec<&str> =
            found.entries.iter().map(|line| line["data_hex"].as_str().expect("hex")).collect();
        assert_eq!(data, ["01", "0202", "030303"], "{name}");
        assert_eq!(found.stable["CurrentTerm"], "0102030405060708", "{name}");
        assert_eq!(found.stable["LastVoteTerm"], "0000000000000007", "{name}");
        let third = found.entries[2]["appended_at"].as_str();
        assert_eq!(third, Some("2024-01-02T03:04:05.678901234Z"), "{name}");
    }
    let fresh = inspect(&dir.path().join("fresh.db"));
    assert!(fresh.entries.is_empty() && fresh.stable.is_empty());
    let (code, _, err) = told(&raftlog(["inspect", text(&dir.path().join("empty.db"))]));
    assert_eq!(code, 10, "{err}");
    assert!(err.contains("no buckets"), "{err}");
}

#[test]
fn a_file_that_its_server_holds_open_is_refused_with_the_holder() {
    let dir = tempfile::tempdir().expect("directory");
    let path = file(&DUMPED[0], dir.path());
    let server = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("open");
    server.try_lock().expect("a free file");
    let (code, out, err) = told(&raftlog(["inspect", text(&path)]));
    assert_eq!((code, out.as_str()), (11, ""), "{err}");
    assert!(err.contains(&std::process::id().to_string()), "{err}");
    server.unlock().expect("unlock");
    done(&["inspect", text(&path)]);
}

#[test]
fn a_data_directory_is_named_after_the_program_that_made_it() {
    let dir = tempfile::tempdir().expect("directory");
    let products = [
        ("dkron-single", "dkron-single", "dkron"),
        ("nomad-bolt", "nomad-bolt", "nomad"),
        ("openbao-raft", "openbao-raft", "openbao"),
    ];
    for (fixture, root, product) in products {
        unpack(fixture, dir.path());
        let said = done(&["inspect", text(&dir.path().join(root)), "--json"]);
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(said["source"]["layout"]["product"], product);
        assert_eq!(said["source"]["format"], "boltdb");
    }
}
