//! etcd's data directories through the real binary: every bundled one against what etcd-dump-logs
//! says of it, snapshots and key-value store beside the log, and what cannot be said.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::Value;
use support::etcd::{
    ALL, BASIC, INSTALLED, Line, OVERWRITE, PACKAGE, SNAP, TORN, contents, crc32c, dump, frames,
    segment, unpack, unpacked, varint_of, wal, write_sparse,
};
use support::{raftlog, told};

fn ends(code: i32, arguments: &[&str]) -> String {
    let (found, out, err) = told(&raftlog(arguments));
    assert_eq!(found, code, "{arguments:?}: {out}{err}");
    out
}

fn json(code: i32, arguments: &[&str]) -> Value {
    serde_json::from_str(&ends(code, arguments)).expect("JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The entries that `inspect` lists.
fn entries(path: &Path, code: i32, more: &[&str]) -> Vec<Value> {
    let arguments = ["inspect", "--entries", "--format", "jsonl", text(path)];
    let out = ends(code, &[&arguments[..], more].concat());
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["type"] == "entry").collect()
}

/// Codes and severities of findings.
fn codes(answer: &Value) -> Vec<(String, String)> {
    let word = |finding: &Value, name: &str| finding[name].as_str().expect("text").to_owned();
    let findings = answer["findings"].as_array().expect("findings").iter();
    findings.map(|one| (word(one, "code"), word(one, "severity"))).collect()
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first().expect("a varint");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        shift += 7;
        if first & 0x80 == 0 {
            return value;
        }
    }
}

/// Fields of a message: numbers as text, bytes as they are.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        match tag & 7 {
            0 => found.push((tag >> 3, varint(&mut bytes).to_string().into_bytes())),
            2 => {
                let len = varint(&mut bytes) as usize;
                let (field, rest) = bytes.split_at(len);
                found.push((tag >> 3, field.to_vec()));
                bytes = rest;
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}

/// A request as etcd-dump-logs prints it, for the requests that the archives are full of.
fn printed(payload: &[u8]) -> Option<String> {
    let said = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let all = fields(payload);
    let get = |number: u64| all.iter().find(|(found, _)| *found == number).map(|(_, value)| value);
    if let Some(put) = get(4).filter(|_| get(100).is_some()) {
        let header = fields(get(100)?);
        let put: BTreeMap<u64, Vec<u8>> = fields(put).into_iter().collect();
        let (id, key, value) = (said(&header[0].1), said(&put[&1]), said(&put[&2]));
        return Some(format!("header:<ID:{id} > put:<key:\"{key}\" value:\"{value}\" > "));
    }
    let (method, path, value) = (get(2)?, get(3)?, get(4)?);
    let value = said(value).replace('"', "\\\"");
    Some(format!("method={} path=\"{}\" val=\"{value}\"", said(method), said(path)))
}

/// What etcd-dump-logs prints of an entry must be what we show and decode.
fn agrees(line: &Line, entry: &Value, decoded: &Value, cut: bool) {
    assert_eq!(entry["index"], line.index);
    assert_eq!(entry["term"], line.term, "{}", line.index);
    let payload = entry["data_b64"].as_str().unwrap_or_default();
    let payload = data_encoding::BASE64.decode(payload.as_bytes()).expect("base64");
    let (kind, data) = (entry["kind"].as_str().expect("kind"), &decoded["data"]);
    match line.kind.as_str() {
        "conf" => {
            assert_eq!(kind, "conf-change");
            let wanted =
                format!("method=ConfChangeAddNode id={}", data["node"].as_str().expect("id"));
            assert_eq!(
                (line.data.as_str(), &data["change"]),
                (wanted.as_str(), &"add-node".into())
            );
        }
        _ if line.data.is_empty() => assert_eq!(kind, "noop"),
        _ => {
            assert_eq!((kind, &decoded["decoder"]), ("command", &"etcd".into()), "{}", line.data);
            match printed(&payload) {
                Some(wanted) if cut => assert!(wanted.starts_with(&line.data), "{}", line.index),
                Some(wanted) => assert_eq!(line.data.trim_end(), wanted.trim_end()),
                None => {
                    let name = data["request"].as_str().expect("a request");
                    assert!(line.data.contains(&format!("{name}:<")), "{name}: {}", line.data);
                }
            }
            for name in ["key", "path"] {
                let Some(text) = data[name].as_str() else { continue };
                assert!(line.data.contains(&format!("\"{text}\"")), "{text}: {}", line.data);
            }
        }
    }
}

#[test]
fn entries_agree_with_etcd_dump_logs_one_by_one() {
    for (archive, name, exit) in [
        (BASIC, "basic", 0),
        (SNAP, "snap", 0),
        (OVERWRITE, "a1", 0),
        (INSTALLED, "a3", 0),
        (TORN, "kill", 3),
    ] {
        let dir = unpacked(archive);
        let (head, lines) = dump(name);
        let found = entries(&dir, exit, &["--payload", "base64"]);
        let decoded = entries(&dir, exit, &["--payload", "auto"]);
        assert_eq!((found.len(), decoded.len()), (lines.len(), lines.len()), "{archive}");
        for ((line, entry), decoded) in lines.iter().zip(&found).zip(&decoded) {
            agrees(line, entry, decoded, name == "kill");
        }
        let state = json(exit, &["inspect", "--state", "--json", text(&dir)]);
        let group = &state["result"]["groups"][0];
        let hex = |key: &str| group["stable"][key]["hex"].as_str().expect("hex").to_owned();
        let hard = &group["hard_state"];
        let vote =
            hard["vote"]["candidate"].as_str().map(|id| id.parse::<u64>().expect("a number"));
        let wanted = format!(
            "nodeID={} clusterID={} term={} commitIndex={} vote={:x}",
            hex("etcd.node_id"),
            hex("etcd.cluster_id"),
            hard["term"],
            hard["commit"],
            vote.unwrap_or_default()
        );
        assert!(head.contains(&wanted), "{wanted}: {head:?}");
        if let Some(snapshot) = group["snapshot"].as_object() {
            let members = group["membership"]["servers"].as_array().expect("servers").iter();
            let ids: Vec<&str> = members.map(|one| one["id"].as_str().expect("id")).collect();
            let (term, index) = (&snapshot["term"], &snapshot["index"]);
            let wanted = format!("term={term} index={index} nodes=[{}]", ids.join(" "));
            assert!(head.contains(&wanted), "{wanted}: {head:?}");
        } else {
            assert!(head.contains(&"empty".to_owned()), "{head:?}");
        }
    }
}

#[test]
fn every_archive_has_the_verdict_that_its_notes_give() {
    let info = |code: &str| (code.to_owned(), "info".to_owned());
    for archive in ALL {
        let dir = unpacked(archive);
        let before = contents(&dir);
        let torn = archive == TORN;
        let said = json(if torn { 3 } else { 0 }, &["verify", "--json", text(&dir)]);
        let mut found = codes(&said);
        found.retain(|one| *one != info("R126") && *one != info("R110") && *one != info("R117"));
        let wanted: Vec<(String, String)> = match torn {
            true => vec![("R114".to_owned(), "warning".to_owned())],
            false => Vec::new(),
        };
        assert_eq!(found, wanted, "{archive}");
        assert_eq!(said["result"]["stores"][0]["format"], "etcd-wal");
        assert!(contents(&dir) == before, "{archive} was changed");
    }
    let torn = json(3, &["verify", "--json", text(&wal(TORN))]);
    let place = &torn["findings"].as_array().expect("findings").iter();
    let place = place.clone().find(|one| one["code"] == "R114").expect("torn")["place"].clone();
    assert_eq!(place["offset_bytes"], 14_001_528);
    let counts = |archive: &str, name: &str| {
        let said = json(0, &["verify", "--json", text(&unpacked(archive))]);
        said["result"]["stores"][0]["containers"][name].as_u64().expect("a count")
    };
    assert_eq!(counts(BASIC, "records"), 59);
    assert_eq!((counts(SNAP, "records"), counts(SNAP, "snapshots")), (713, 3));
    assert_eq!(counts(OVERWRITE, "stored entries"), 5444);
    assert_eq!(counts(INSTALLED, "stored entries"), 39);
    assert_eq!(counts(PACKAGE, "segments"), 3);
}

#[test]
fn a_data_directory_a_member_and_its_log_are_one_store() {
    let dir = unpacked(SNAP);
    let member = dir.join("member");
    for path in [dir.as_path(), member.as_path(), wal(SNAP).as_path()] {
        let said = json(0, &["inspect", "--json", text(path)]);
        assert_eq!(said["source"]["format"], "etcd-wal");
        assert_eq!(said["source"]["layout"]["product"], "etcd", "{path:?}");
        let group = &said["result"]["groups"][0];
        let seen = (&group["first_index"], &group["last_index"], &group["snapshot"]["index"]);
        assert_eq!(seen, (&304.into(), &354.into(), &303.into()), "{path:?}");
    }
    let alone = json(0, &["verify", "--alone", "--json", text(&wal(SNAP))]);
    assert_eq!(alone["result"]["stores"][0]["entries"], 354, "without snapshots, from the start");
    let segment = wal(SNAP).join("0000000000000000-0000000000000000.wal");
    ends(10, &["inspect", text(&segment)]);
}

#[test]
fn what_the_package_alone_writes_is_read_with_every_difference() {
    let dir = unpacked(PACKAGE);
    let found = entries(&dir, 0, &["--payload", "auto"]);
    assert_eq!(found.len(), 199);
    let kinds: Vec<&str> =
        found[..4].iter().map(|one| one["kind"].as_str().expect("kind")).collect();
    assert_eq!(kinds, ["conf-change-v2", "noop", "noop", "command"]);
    let change = &found[0]["data"];
    assert_eq!(
        (&change["transition"], &change["changes"][1]["change"]),
        (&"joint-explicit".into(), &"add-learner".into())
    );
    let hex = entries(&dir, 0, &["--payload", "hex"]);
    assert_eq!(hex[1]["data_hex"], Value::Null, "nil");
    assert_eq!((&hex[2]["data_hex"], &hex[3]["data_hex"]), (&"".into(), &"68656c6c6f".into()));
}

#[test]
fn records_show_what_was_overwritten() {
    let out = ends(0, &["inspect", "--records", "--format", "jsonl", text(&unpacked(OVERWRITE))]);
    let records: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |status: &str| {
        let with = |one: &&Value| {
            let kind = one["record_kind"].as_str().unwrap_or_default();
            one["status"] == status && kind.starts_with("entry")
        };
        records.iter().filter(with).count()
    };
    // Through 5353 everything lies in the snapshot.
    assert_eq!((of("live"), of("dead"), of("superseded")), (86, 5358, 0));
    let bad = records.iter().filter(|one| one["checksum"] == "bad").count();
    assert_eq!(bad, 0);
    let dir = tempfile::tempdir().expect("directory");
    unpack(OVERWRITE, dir.path());
    fs::remove_dir_all(dir.path().join(OVERWRITE).join("member/snap")).expect("removed");
    let out = ends(0, &["inspect", "--records", "--format", "csv", text(dir.path())]);
    assert!(out.matches(",superseded").count() > 5, "19 to 23 of term 2, and old states");
}

#[test]
fn a_log_of_etcd_goes_to_fastlog_whole_and_to_redb_with_losses_named() {
    let dir = tempfile::tempdir().expect("directory");
    for archive in [BASIC, SNAP, OVERWRITE, INSTALLED, PACKAGE] {
        let source = unpacked(archive);
        let target = dir.path().join(format!("{archive}.fl"));
        let said = json(0, &["migrate", "--json", text(&source), text(&target), "--to", "fastlog"]);
        let losses = said["result"]["plan"]["losses"].as_array().expect("losses").clone();
        let other = |loss: &Value| loss["name"] != "superseded-records";
        assert!(!losses.iter().any(other), "{losses:?}");
        ends(0, &["verify", "--strict", text(&target)]);
        let [a, b] = [&source, &target].map(|path| entries(path, 0, &["--payload", "hex"]));
        let plain = |mut entry: Value| {
            entry.as_object_mut().expect("entry").remove("place");
            entry
        };
        let [a, b] = [a, b].map(|all| all.into_iter().map(plain).collect::<Vec<_>>());
        assert_eq!(a, b, "{archive}");
        let count = a.len();
        let [a, b] = [&source, &target].map(|path| {
            let said = json(0, &["inspect", "--state", "--json", text(path)]);
            let group = &said["result"]["groups"][0];
            (group["hard_state"].clone(), group["stable"].clone(), group["snapshot"].clone())
        });
        assert_eq!(a, b, "{archive}");
        ends(0, &["diff", text(&source), text(&target)]);
        let redb = dir.path().join(format!("{archive}.redb"));
        let to = ["migrate", text(&source), text(&redb), "--to", "redb"];
        ends(12, &to);
        let all = "commit-index,vote-candidate,snapshot-marker,entry-kind";
        ends(0, &[&to[..], &["--allow-loss", all]].concat());
        let written = entries(&redb, 0, &[]);
        assert_eq!(written.len(), count, "{archive}");
        let mut foreign = written.iter().filter(|one| one["kind"] == "unknown");
        // Their numbers would mean something else to hashicorp/raft.
        assert!(foreign.all(|one| one["kind_code"].as_u64() > Some(0x7f)), "{archive}");
    }
}

#[test]
fn many_members_become_groups_of_one_log() {
    let dir = tempfile::tempdir().expect("directory");
    let target = dir.path().join("groups.fl");
    let bolt = support::bolt::file(&support::bolt::DUMPED[0], dir.path());
    let mut members: Vec<(&str, std::path::PathBuf)> =
        [BASIC, SNAP, OVERWRITE, INSTALLED, PACKAGE].map(|name| (name, unpacked(name))).to_vec();
    members.push(("bolt", bolt));
    let named = members.iter().map(|(name, path)| format!("{name}={}", path.display()));
    let named: Vec<String> = named.collect();
    let mut arguments = vec!["migrate", "--json", "--to", "fastlog", "--group-of"];
    arguments.extend(named.iter().map(String::as_str));
    arguments.push(text(&target));
    let said = json(0, &arguments);
    assert_eq!(said["source"], Value::Null);
    assert_eq!(said["sources"].as_array().expect("sources").len(), members.len());
    assert_eq!(said["result"]["plan"]["from"], "boltdb, etcd-wal");
    assert_eq!(said["result"]["plan"]["groups"].as_array().expect("groups").len(), members.len());
    assert_eq!(said["result"]["compared"]["equal"], true);
    let plain = |entry: &Value| {
        ["index", "term", "kind", "kind_code", "data_hex"].map(|name| entry[name].clone())
    };
    for (name, path) in &members {
        let wanted = entries(path, 0, &["--payload", "hex"]);
        let found = entries(&target, 0, &["--payload", "hex", "--group", name]);
        assert_eq!(found.len(), wanted.len(), "{name}");
        assert!(found.iter().map(plain).eq(wanted.iter().map(plain)), "{name}");
        let state = |path: &Path, more: &[&str]| {
            let arguments = ["inspect", "--state", "--json", text(path)];
            let said = json(0, &[&arguments[..], more].concat());
            said["result"]["groups"][0]["hard_state"].clone()
        };
        assert_eq!(state(&target, &["--group", name]), state(path, &[]), "{name}");
    }
    ends(0, &["verify", text(&target)]);
}

#[test]
fn what_cannot_become_groups_of_one_log_is_refused() {
    let dir = tempfile::tempdir().expect("directory");
    let target = dir.path().join("groups.fl");
    let named = [BASIC, SNAP].map(|name| format!("{name}={}", unpacked(name).display()));
    let words = ["migrate", "--to", "fastlog", "--group-of"];
    let both: Vec<&str> = named.iter().map(String::as_str).chain([text(&target)]).collect();
    ends(0, &[&words[..], &both].concat());
    // What cannot be meant is a mistake on the command line, and writes nothing.
    let other = dir.path().join("other");
    for (code, list) in [
        (2, vec![named[0].as_str()]),
        (2, vec!["=x", text(&other)]),
        (2, vec!["no-path", text(&other)]),
        (2, vec![named[0].as_str(), named[0].as_str(), text(&other)]),
        (10, vec!["a=/nowhere/at/all", text(&other)]),
    ] {
        let start = ["migrate", "--to", "fastlog", "--group-of"];
        ends(code, &[&start[..], &list].concat());
        assert!(!other.exists(), "{list:?}");
    }
    let (from, to) = (unpacked(BASIC), text(&other));
    for words in [
        vec!["migrate", "--group-of", named[0].as_str(), to],
        vec!["migrate", text(&from), to, "--to", "fastlog", "--group-of", named[0].as_str()],
        vec!["migrate", "--to", "fastlog", "--group", "a", "--group-of", named[0].as_str(), to],
        vec!["migrate", "--to", "fastlog", "--from", "redb", "--group-of", named[0].as_str(), to],
        vec!["migrate", text(&from), "--to", "fastlog"],
    ] {
        ends(2, &words);
    }
    // Neither a store with groups of its own nor a target inside a member.
    let nested = format!("a={}", target.display());
    ends(12, &[&words[..], &[nested.as_str(), to]].concat());
    let inside = dir.path().join("copy");
    unpack(PACKAGE, &inside);
    let (member, inner) = (format!("a={}", inside.display()), inside.join(PACKAGE).join("wal/in"));
    ends(12, &[&words[..], &[member.as_str(), text(&inner)]].concat());
    assert!(!other.exists() && !inner.exists());
    let dry = [&words[..], &[named[0].as_str(), to, "--dry-run"]].concat();
    assert!(ends(0, &dry).contains("etcd-wal -> fastlog"));
    assert!(!other.exists());
    // A target with one log takes no two.
    let two = [named[0].as_str(), named[1].as_str(), text(&other)];
    ends(12, &[&["migrate", "--to", "boltdb", "--group-of"][..], &two].concat());
}

#[test]
fn repair_copies_the_sound_beginning_and_says_what_it_cut() {
    let dir = tempfile::tempdir().expect("directory");
    let out = |name: &str| dir.path().join(name);
    let repaired = |code: i32, from: &Path, name: &str| {
        let target = out(name);
        json(code, &["repair", "--json", text(from), "--out", text(&target)])
    };
    // A torn write: what etcd itself would cut, in a copy.
    let said = repaired(3, &unpacked(TORN), "torn");
    let result = &said["result"];
    assert_eq!((&result["entries"], &result["open_end"]), (&14.into(), &false.into()));
    assert!(result["dropped"][0]["reason"].as_str().expect("why").contains("torn"), "{result}");
    let name = "0000000000000000-0000000000000000.wal";
    let copy = fs::read(out("torn").join(name)).expect("copied");
    let source = fs::read(wal(TORN).join(name)).expect("segment");
    assert_eq!(copy.len(), 14_001_528);
    assert!(copy == source[..copy.len()]);
    ends(0, &["verify", "--strict", text(&out("torn"))]);
    // Damage in the middle: what is before it, and exit 4.
    unpack(PACKAGE, dir.path());
    let log = dir.path().join(PACKAGE).join("wal");
    let second = log.join("0000000000000001-000000000000005d.wal");
    let mut bytes = fs::read(&second).expect("segment");
    let entries = frames(&bytes).into_iter().filter(|frame| frame.kind == 2);
    let broken = entries.map(|frame| frame.at).nth(20).expect("an entry");
    bytes[broken + 60] ^= 1;
    fs::write(&second, &bytes).expect("written");
    let before = contents(&log);
    let dry = json(4, &["repair", "--dry-run", "--json", text(&log), "--out", text(&out("no"))]);
    assert!(!out("no").exists());
    let said = repaired(4, &log, "middle");
    assert_eq!(dry["result"]["entries"], said["result"]["entries"]);
    assert_eq!(said["result"]["open_end"], true);
    let last = said["result"]["last_index"].as_u64().expect("an index");
    assert!((93..181).contains(&last), "{last}");
    let files = contents(&out("middle"));
    assert_eq!(files.len(), 2, "nothing behind the damage");
    assert_eq!(files[1].1, bytes[..broken]);
    ends(0, &["verify", text(&out("middle"))]);
    assert!(contents(&log) == before, "the source is only read");
    // A target that does not fit is not there at all.
    let program = Path::new(env!("CARGO_BIN_EXE_raftlog"));
    let limited = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""])
        .args([program, Path::new("repair"), &unpacked(TORN), Path::new("--out"), &out("full")])
        .output()
        .expect("sh");
    let (code, _, err) = told(&limited);
    assert_eq!(code, 14, "{err}");
    assert!(!contents(dir.path()).iter().any(|(path, _)| text(path).contains("full")));
    // Nothing to repair: a copy.
    let said = repaired(0, &unpacked(BASIC), "whole");
    assert_eq!(
        (&said["result"]["entries"], &said["result"]["dropped_total"]),
        (&28.into(), &0.into())
    );
    ends(0, &["diff", text(&unpacked(BASIC)), text(&out("whole"))]);
}

#[test]
fn entries_of_a_new_term_whose_state_was_lost_are_a_torn_write_and_no_broken_rule() {
    let dir = tempfile::tempdir().expect("directory");
    let log = dir.path().join("log");
    fs::create_dir(&log).expect("directory");
    let name = "0000000000000000-0000000000000000.wal";
    let verdict = |bytes: &[u8]| {
        write_sparse(&log.join(name), bytes);
        let (code, out, err) = told(&raftlog(["verify", "--json", text(&log)]));
        let said = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}"));
        let mut found = codes(&said);
        found.retain(|(_, severity)| severity != "info");
        found.dedup();
        (code, found)
    };
    let torn = |code| (code, vec![("R114".to_owned(), "warning".to_owned())]);
    let mut cut = 0;
    for archive in [BASIC, SNAP, TORN] {
        let whole = fs::read(wal(archive).join(name)).expect("segment");
        let all = frames(&whole);
        let mut term = 0;
        // Each state of a higher term than before goes, and what follows it.
        for frame in all.iter().filter(|frame| frame.kind == 3) {
            let found = fields(&frame.data).remove(0).1;
            let found: u64 = String::from_utf8(found).expect("text").parse().expect("a term");
            if std::mem::replace(&mut term, found) == found {
                continue;
            }
            cut += 1;
            for more in [0, 5] {
                let mut bytes = whole[..frame.at + more].to_vec();
                bytes.resize(frame.at + (64 << 10), 0);
                assert_eq!(verdict(&bytes), torn(3), "{archive} at {}, {more} more", frame.at);
            }
        }
    }
    assert_eq!(cut, 6);
    // The same entries elsewhere than behind the last state are no torn write.
    let entry = |index: u8, term: u8| [8, 0, 0x10, term, 0x18, index];
    let state = |term: u8, commit: u8| [8, term, 0x10, 0, 0x18, commit];
    let start: [(u8, &[u8]); 4] =
        [(4, b""), (1, &[8, 1, 0x10, 2]), (5, &[8, 0, 0x10, 0]), (2, &entry(1, 2))];
    let said = |rest: &[(u8, &[u8])]| verdict(&segment(&mut 0, &[&start[..], rest].concat()));
    let broken = (1, vec![("R106".to_owned(), "error".to_owned())]);
    assert_eq!(said(&[(3, &state(1, 1))]), broken);
    assert_eq!(said(&[(3, &state(1, 1)), (2, &entry(2, 2))]), broken);
    assert_eq!(said(&[(3, &state(2, 1)), (2, &entry(2, 3))]), torn(3));
    // Nor are those of a segment that others follow: etcd began it behind their state.
    let mut crc = 0;
    let (begun, next) = (state(2, 1), entry(2, 3));
    let records: [(u8, &[u8]); 2] = [(3, &begun), (2, &next)];
    let first = segment(&mut crc, &[&start[..], &records].concat());
    let second: [(u8, &[u8]); 3] = [(4, b""), (1, &[8, 1, 0x10, 2]), (3, &state(2, 1))];
    let next = log.join("0000000000000001-0000000000000003.wal");
    fs::write(next, segment(&mut crc, &second)).expect("written");
    assert_eq!(verdict(&first), broken);
}

/// A log of three segments with entries 1 to 10, and the marker of a snapshot through 6 in the
/// second; its `.snap` file beside it.
fn with_a_snapshot(root: &Path) -> (std::path::PathBuf, Vec<Vec<u8>>) {
    let (wal, snap) = (root.join("member/wal"), root.join("member/snap"));
    fs::create_dir_all(&wal).expect("directory");
    fs::create_dir_all(&snap).expect("directory");
    let entry = |index: u8| [8, 0, 0x10, 1, 0x18, index, 0x22, 3, b'a', b'b', b'c'];
    let entries: Vec<[u8; 11]> = (0..=10).map(entry).collect();
    let state = |commit: u8| [8, 1, 0x10, 7, 0x18, commit];
    let states = [state(4), state(8), state(10)];
    let head: [(u8, &[u8]); 2] = [(4, b""), (1, &[8, 1, 0x10, 2])];
    let one = |index: usize| (2u8, &entries[index][..]);
    let members = [0x08, 7];
    let marker = [8, 6, 0x10, 1, 0x1a, 2, members[0], members[1]];
    let mut crc = 0;
    let contents: [Vec<(u8, &[u8])>; 3] = [
        vec![(5, &[8, 0, 0x10, 0]), one(1), one(2), one(3), one(4), (3, &states[0])],
        vec![(3, &states[0]), one(5), one(6), one(7), (5, &marker), one(8), (3, &states[1])],
        vec![(3, &states[1]), one(9), one(10), (3, &states[2])],
    ];
    let mut segments = Vec::new();
    for (at, (records, index)) in contents.iter().zip([0, 5, 9]).enumerate() {
        let bytes = segment(&mut crc, &[&head[..], &records[..]].concat());
        fs::write(wal.join(format!("{at:016x}-{index:016x}.wal")), &bytes).expect("written");
        segments.push(bytes);
    }
    let metadata = [0x0a, 2, members[0], members[1], 0x10, 6, 0x18, 1];
    let data = [&[0x0a, 2, b'{', b'}', 0x12, metadata.len() as u8][..], &metadata].concat();
    let mut file = vec![8];
    file.extend(varint_of(crc32c(0, &data)));
    file.extend([0x12, data.len() as u8]);
    file.extend(&data);
    fs::write(snap.join("0000000000000001-0000000000000006.snap"), file).expect("written");
    (wal, segments)
}

#[test]
fn repair_begins_behind_a_snapshot_that_holds_what_is_damaged() {
    let dir = tempfile::tempdir().expect("directory");
    let root = dir.path().join("data");
    let (wal, segments) = with_a_snapshot(&root);
    ends(0, &["verify", text(&root)]);
    let names: Vec<_> = contents(&wal).into_iter().map(|(path, _)| path).collect();
    let broken = |at: usize, kind: u8, nth: usize| {
        let mut bytes = segments[at].clone();
        let frame = frames(&bytes).into_iter().filter(|frame| frame.kind == kind).nth(nth);
        bytes[frame.expect("a frame").data_at] ^= 0x40;
        fs::write(&names[at], bytes).expect("written");
    };
    let repaired = |code: i32, name: &str| {
        let target = dir.path().join(name);
        let said = json(code, &["repair", "--json", text(&root), "--out", text(&target)]);
        (said["result"].clone(), contents(&target))
    };
    // The first entry: the snapshot covers it, the rest is there byte for byte.
    broken(0, 2, 0);
    let (result, files) = repaired(4, "first");
    let bounds = (&result["first_index"], &result["last_index"]);
    assert_eq!(bounds, (&7.into(), &10.into()), "{result}");
    assert_eq!(
        (&result["state"], &result["covered_by_snapshot"], &result["open_begin"]),
        (&"newest".into(), &true.into(), &true.into())
    );
    let copied: Vec<&[u8]> = files.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    assert_eq!(copied, [&segments[1][..], &segments[2][..]]);
    // In the place of the log it is sound with the snapshot beside it.
    fs::rename(&wal, dir.path().join("before")).expect("renamed");
    fs::rename(dir.path().join("first"), &wal).expect("renamed");
    ends(0, &["verify", text(&root)]);
    let found = entries(&root, 0, &[]);
    assert_eq!((found.len(), &found[0]["index"]), (4, &7.into()));
    fs::rename(&wal, dir.path().join("first")).expect("renamed");
    fs::rename(dir.path().join("before"), &wal).expect("renamed");
    fs::write(&names[0], &segments[0]).expect("written");
    // Damage in what a node would read: the sound beginning, and why the snapshot serves nothing.
    broken(1, 2, 2);
    let (result, files) = repaired(4, "behind");
    assert_eq!((&result["last_index"], files.len()), (&6.into(), 2), "{result}");
    let dropped = result["dropped"].as_array().expect("dropped").iter();
    let reasons: Vec<&str> = dropped.filter_map(|one| one["reason"].as_str()).collect();
    assert!(reasons.iter().any(|why| why.contains("through 6 serves nothing")), "{reasons:?}");
    fs::write(&names[1], &segments[1]).expect("written");
    // Without its `.snap` file a marker is no way to begin.
    broken(0, 2, 1);
    let snap = root.join("member/snap/0000000000000001-0000000000000006.snap");
    let whole = fs::read(&snap).expect("read");
    fs::write(&snap, &whole[..whole.len() - 1]).expect("written");
    let (result, files) = repaired(4, "unproven");
    assert_eq!((&result["last_index"], files.len()), (&1.into(), 1), "{result}");
    fs::write(&snap, &whole).expect("written");
    let (result, _) = repaired(4, "proven");
    assert_eq!(result["first_index"], 7, "{result}");
}

#[test]
fn a_log_of_one_segment_whose_first_entry_is_damaged_is_refused_with_a_way_out() {
    let dir = tempfile::tempdir().expect("directory");
    unpack(SNAP, dir.path());
    let root = dir.path().join(SNAP);
    let segment = root.join("member/wal/0000000000000000-0000000000000000.wal");
    let mut bytes = fs::read(&segment).expect("segment");
    let first = frames(&bytes).into_iter().find(|frame| frame.kind == 2).expect("an entry");
    bytes[first.data_at + 20] ^= 1;
    write_sparse(&segment, &bytes);
    let target = dir.path().join("target");
    let output = raftlog(["repair", text(&root), "--out", text(&target)]);
    let (code, out, err) = told(&output);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("snapshot through 303 serves nothing here"), "{err}");
    assert!(err.contains("etcdctl snapshot restore"), "{err}");
    assert!(!target.exists());
}

#[test]
fn etcd_wal_is_no_target_yet() {
    let dir = tempfile::tempdir().expect("directory");
    let target = dir.path().join("wal");
    ends(15, &["migrate", text(&unpacked(BASIC)), text(&target), "--to", "etcd-wal"]);
    assert!(!target.exists());
}

#[test]
fn snapshots_and_the_key_value_store_are_judged_with_the_log() {
    let dir = tempfile::tempdir().expect("directory");
    unpack(SNAP, dir.path());
    let root = dir.path().join(SNAP);
    let snap = root.join("member/snap");
    let newest = snap.join("0000000000000002-000000000000012f.snap");
    let whole = fs::read(&newest).expect("snapshot");
    let mut bytes = whole.clone();
    bytes[100] ^= 1;
    fs::write(&newest, &bytes).expect("written");
    let said = json(1, &["verify", "--json", text(&root)]);
    assert!(codes(&said).iter().any(|(code, _)| code == "R109"), "{said}");
    let said = json(0, &["inspect", "--json", text(&root)]);
    assert_eq!(said["result"]["groups"][0]["first_index"], 203, "the one before counts");
    fs::write(&newest, &whole).expect("written");
    // A key-value store that applied what the log does not have.
    let segment = root.join("member/wal/0000000000000000-0000000000000000.wal");
    let log = fs::read(&segment).expect("segment");
    let cut = frames(&log).into_iter().filter(|frame| frame.kind == 2).nth(349).expect("a frame");
    let mut shorter = log[..cut.at].to_vec();
    shorter.resize(log.len(), 0);
    write_sparse(&segment, &shorter);
    let said = json(1, &["verify", "--json", text(&root)]);
    let ahead = said["findings"].as_array().expect("findings").iter();
    let ahead = ahead.clone().find(|one| one["code"] == "R118").expect("ahead");
    assert_eq!((&ahead["severity"], &ahead["found"]), (&"error".into(), &"354".into()));
    // Its pages are proven.
    write_sparse(&segment, &log);
    let db = snap.join("db");
    let mut bytes = fs::read(&db).expect("db");
    // The types of all pages behind the metas.
    (2..bytes.len() / 4096).for_each(|page| bytes[page * 4096 + 8] ^= 0xff);
    fs::write(&db, bytes).expect("written");
    let said = json(1, &["verify", "--json", text(&root)]);
    assert!(codes(&said).iter().any(|(code, _)| code == "R119"), "{said}");
}

#[test]
fn backup_compare_and_simulate_take_a_log_of_etcd_as_any_other() {
    let dir = tempfile::tempdir().expect("directory");
    let archive = dir.path().join("member.tar.gz");
    ends(0, &["backup", text(&unpacked(SNAP)), text(&archive)]);
    ends(0, &["verify", "--strict", text(&archive)]);
    let restored = dir.path().join("restored");
    ends(0, &["restore", text(&archive), text(&restored)]);
    ends(0, &["diff", text(&unpacked(SNAP)), text(&restored)]);
    let said =
        json(0, &["compare", "--json", text(&unpacked(OVERWRITE)), text(&unpacked(INSTALLED))]);
    assert_eq!(said["result"]["nodes"].as_array().expect("nodes").len(), 2);
    assert_eq!(said["result"]["conflict"], Value::Null);
    let little = ["--steps", "24", "--images", "4", "--points", "12"];
    ends(0, &[&["simulate", text(&unpacked(BASIC))][..], &little].concat());
}

#[test]
fn a_segment_that_a_live_etcd_has_locked_is_not_touched() {
    let dir = tempfile::tempdir().expect("directory");
    unpack(PACKAGE, dir.path());
    let wal = dir.path().join(PACKAGE).join("wal");
    let segment = wal.join("0000000000000001-000000000000005d.wal");
    let held = fs::OpenOptions::new().read(true).write(true).open(segment).expect("opened");
    // The lock of a process; `tests/interop_etcd.rs` has etcd itself hold its own, of a descriptor.
    fcntl_lock(&held, FlockOperation::LockExclusive).expect("locked");
    let target = dir.path().join("target");
    for arguments in [
        vec!["inspect", text(&wal)],
        vec!["verify", text(&wal)],
        vec!["migrate", text(&wal), text(&target), "--to", "fastlog"],
        vec!["backup", text(&wal), text(&target)],
        vec!["diff", text(&wal), text(&unpacked(PACKAGE))],
    ] {
        let (code, out, err) = told(&raftlog(&arguments));
        assert_eq!((code, out.as_str()), (11, ""), "{arguments:?}: {err}");
        let pid = std::process::id().to_string();
        assert!(err.contains("in use") && err.contains(&pid), "{arguments:?}: {err}");
        assert!(!target.exists(), "{arguments:?}");
    }
    drop(held);
    ends(0, &["verify", text(&wal)]);
}

#[test]
fn a_log_of_more_segments_than_may_be_open_at_once_is_read() {
    let dir = tempfile::tempdir().expect("directory");
    let wal = dir.path().join("wal");
    fs::create_dir(&wal).expect("directory");
    let mut crc = 0;
    for sequence in 0..300u16 {
        let number = varint_of(u32::from(sequence) + 1);
        let entry = [&[8, 0, 0x10, 1, 0x18][..], &number].concat();
        let state = [&[8, 1, 0x10, 0, 0x18][..], &number].concat();
        let records: [(u8, &[u8]); 4] = [(4, b""), (1, &[8, 1, 0x10, 2]), (2, &entry), (3, &state)];
        let index = if sequence == 0 { 0 } else { sequence + 1 };
        let name = format!("{sequence:016x}-{index:016x}.wal");
        fs::write(wal.join(name), segment(&mut crc, &records)).expect("written");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_raftlog"));
    let limited = |arguments: &[&str]| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -n 100 && exec \"$0\" \"$@\"", text(program)]);
        command.args(arguments).output().expect("sh")
    };
    let said = limited(&["verify", "--json", text(&wal)]);
    let (code, out, err) = told(&said);
    assert_eq!(code, 0, "{out}{err}");
    let said: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(said["result"]["stores"][0]["entries"], 300, "{said}");
    let (code, out, err) = told(&limited(&["inspect", "--entries", "--format", "csv", text(&wal)]));
    assert_eq!((code, out.lines().count()), (0, 301), "{out}{err}");
    let target = dir.path().join("target");
    let (code, out, err) =
        told(&limited(&["migrate", text(&wal), text(&target), "--to", "fastlog"]));
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn a_password_is_printed_only_as_the_bytes_that_were_asked_for() {
    let dir = tempfile::tempdir().expect("directory");
    let password = "correct-horse";
    let named = [&[0x0au8, 4][..], b"root", &[0x12, 13], password.as_bytes()].concat();
    // authenticate, auth_user_add and auth_user_change_password of etcdserverpb.
    for (number, name) in [(1012u32, "authenticate"), (1100, "add"), (1103, "change_password")] {
        let tag = varint_of(number << 3 | 2);
        let request = [&tag[..], &[named.len() as u8], &named[..]].concat();
        let head = [8, 0, 0x10, 1, 0x18, 1, 0x22, request.len() as u8];
        let entry = [&head[..], &request[..]].concat();
        let wal = dir.path().join(name);
        fs::create_dir(&wal).expect("directory");
        let records: [(u8, &[u8]); 3] = [(4, b""), (1, &[8, 1, 0x10, 2]), (2, &entry)];
        fs::write(wal.join("0000000000000000-0000000000000000.wal"), segment(&mut 0, &records))
            .expect("written");
        let secrets = [
            password.to_owned(),
            data_encoding::BASE64.encode(&request),
            data_encoding::HEXLOWER.encode(&request),
        ];
        let shows = |mode: &str, format: &str| {
            let arguments =
                ["inspect", "--entries", "--payload", mode, "--format", format, text(&wal)];
            let out = ends(0, &arguments);
            (secrets.iter().any(|secret| out.contains(secret)), out)
        };
        for format in ["text", "jsonl", "csv"] {
            for mode in ["none", "digest", "utf8", "auto"] {
                let (found, out) = shows(mode, format);
                assert!(!found, "{name}, {mode} as {format}: {out}");
            }
        }
        assert!(shows("auto", "jsonl").1.contains("\"redacted\":true"), "{name}");
        for mode in ["hex", "base64"] {
            assert!(shows(mode, "jsonl").0, "{name}: {mode} is the bytes themselves");
        }
        for more in ["--records", "--stats", "--state"] {
            let out = ends(0, &["inspect", more, text(&wal)]);
            assert!(!secrets.iter().any(|secret| out.contains(secret)), "{name}, {more}: {out}");
        }
    }
}
