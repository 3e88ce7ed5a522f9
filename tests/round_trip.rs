//! Every fixture with an expected dump, through the real binary: `inspect` shows it field by field,
//! `migrate --to fastlog` keeps it, and FastLog back `--to redb` gives it again.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::{Value, json};
use support::{REDB_ARCHIVES, expected, raftlog, redb, redb_names, told};

/// Files whose content no dense target can take, or that `migrate` must refuse: it says why.
const REFUSED: [(&str, &[&str], i32); 7] = [
    ("holes", &[], 12),
    ("bad-entry", &[], 1),
    ("key-differs", &[], 1),
    ("term-down", &[], 1),
    ("term-future", &[], 1),
    ("conf-short", &[], 1),
    ("conf-little", &[], 1),
];

/// What `--accept` makes possible all the same.
const ACCEPTED: [(&str, &str); 2] = [("term-down", "R102"), ("term-future", "R106")];

/// In scope: the default schema, readable, with a dump.
fn in_scope() -> Vec<(&'static str, String)> {
    REDB_ARCHIVES
        .iter()
        .filter(|archive| !matches!(**archive, "redb-real" | "redb-schema" | "redb-damaged"))
        .flat_map(|archive| redb_names(archive).into_iter().map(move |name| (*archive, name)))
        .filter(|(archive, name)| name != "format-v1" && expected(archive, name).is_some())
        .collect()
}

/// An append time as the dump has it (raw bytes) to what JSON output shows.
fn instant(raw: &str) -> Value {
    let bytes = HEXLOWER_PERMISSIVE.decode(raw.as_bytes()).expect("hex");
    let be = |range: std::ops::Range<usize>| {
        bytes[range].iter().fold(0u128, |number, byte| (number << 8) | u128::from(*byte))
    };
    let (seconds, nanoseconds) = match bytes.len() {
        15 | 16 => (be(1..9) as i128 - 62_135_596_800, be(9..13)),
        4 => (be(0..4) as i128, 0),
        8 => ((be(0..8) & ((1 << 34) - 1)) as i128, be(0..8) >> 34),
        12 => (i128::from(be(4..12) as u64 as i64), be(0..4)),
        other => panic!("a time of {other} bytes"),
    };
    if seconds == -62_135_596_800 && nanoseconds == 0 {
        return Value::Null;
    }
    let time = jiff::Timestamp::new(
        i64::try_from(seconds).expect("seconds"),
        i32::try_from(nanoseconds).expect("nanoseconds"),
    );
    json!(format!("{:.9}", time.expect("a time")))
}

/// The dump as `inspect --entries --payload base64` must show it, group by group in output order.
fn wanted_entries(dump: &[Value]) -> Vec<Value> {
    let mut lines: Vec<&Value> = dump.iter().filter(|line| line.get("index").is_some()).collect();
    lines.sort_by_key(|line| {
        (line.get("group").and_then(Value::as_str).map(str::to_owned), line["key"].as_u64())
    });
    lines
        .into_iter()
        .map(|line| {
            let appended_at = line["appended_at_hex"].as_str().map_or(Value::Null, instant);
            json!({
                "group": line.get("group").cloned().unwrap_or_default(),
                // Where both differ (R120), the key is the position that a server asks for.
                "index": line["key"],
                "term": line["term"],
                "kind_code": line["type"],
                "data_b64": line["data_b64"],
                "extensions_b64": line["extensions_b64"],
                "size_bytes": size_of(&line["data_b64"]),
                "extensions_bytes": size_of(&line["extensions_b64"]),
                "appended_at": appended_at,
            })
        })
        .collect()
}

fn size_of(base64: &Value) -> usize {
    base64.as_str().map_or(0, |text| BASE64.decode(text.as_bytes()).expect("base64").len())
}

/// The same fields of what the binary shows.
fn shown_entries(path: &Path) -> Vec<Value> {
    let arguments = ["inspect", "--entries", "--format", "jsonl", "--payload", "base64"];
    let output = raftlog(arguments.iter().map(Path::new).chain([path]));
    let (code, out, err) = told(&output);
    assert!(matches!(code, 0 | 1 | 3), "{code}: {err}");
    out.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|line| line["type"] == "entry")
        .map(|line| {
            json!({
                "group": line["group"],
                "index": line["index"],
                "term": line["term"],
                "kind_code": line["kind_code"],
                "data_b64": line["data_b64"],
                "extensions_b64": line["extensions_b64"],
                "size_bytes": line["size_bytes"],
                "extensions_bytes": line["extensions_bytes"],
                "appended_at": line["appended_at"],
            })
        })
        .collect()
}

type Stable = BTreeMap<(Option<String>, String), String>;

fn wanted_stable(dump: &[Value]) -> Stable {
    dump.iter()
        .filter_map(|line| {
            let group = line.get("group").and_then(Value::as_str).map(str::to_owned);
            let key = line.get("stable")?.as_str()?.to_owned();
            Some(((group, key), line["hex"].as_str()?.to_owned()))
        })
        .collect()
}

fn shown_stable(path: &Path) -> Stable {
    let arguments = ["inspect", "--state", "--json"];
    let (code, out, err) = told(&raftlog(arguments.iter().map(Path::new).chain([path])));
    assert!(matches!(code, 0 | 1 | 3), "{code}: {err}");
    let envelope: Value = serde_json::from_str(&out).expect("JSON");
    let groups = envelope["result"]["groups"].as_array().expect("groups").clone();
    groups
        .iter()
        .flat_map(|group| {
            let name = group["group"].as_str().map(str::to_owned);
            let stable = group["stable"].as_object().expect("stable").clone();
            stable.into_iter().map(move |(key, value)| {
                ((name.clone(), key), value["hex"].as_str().expect("hex").to_owned())
            })
        })
        .collect()
}

fn assert_equals_dump(what: &str, path: &Path, dump: &[Value]) {
    let (wanted, shown) = (wanted_entries(dump), shown_entries(path));
    for (wanted, shown) in wanted.iter().zip(&shown) {
        assert_eq!(shown, wanted, "{what}");
    }
    assert_eq!(shown.len(), wanted.len(), "{what}");
    // Some dumps list entries only.
    if dump.iter().any(|line| line.get("stable").is_some()) {
        assert_eq!(shown_stable(path), wanted_stable(dump), "{what}");
    }
}

fn migrate(source: &Path, target: &Path, to: &str, more: &[&str]) -> (i32, String, String) {
    let arguments: [&Path; 5] =
        [Path::new("migrate"), source, target, Path::new("--to"), Path::new(to)];
    told(&raftlog(arguments.into_iter().chain(more.iter().map(Path::new))))
}

#[test]
fn inspect_shows_every_dumped_file_field_by_field() {
    let files = in_scope();
    assert!(files.len() >= 30, "the fixtures were found: {}", files.len());
    for (archive, name) in files {
        let dump = expected(archive, &name).expect("dump");
        assert_equals_dump(&name, &redb(archive, &name), &dump);
    }
}

#[test]
fn every_dumped_file_survives_fastlog_and_the_way_back() {
    let place = tempfile::tempdir().expect("temporary directory");
    for (archive, name) in in_scope() {
        if REFUSED.iter().any(|(refused, ..)| *refused == name) {
            continue;
        }
        let source = redb(archive, &name);
        let before = fs::read(&source).expect("source");
        let dump = expected(archive, &name).expect("dump");
        let fastlog = place.path().join(format!("{name}.fastlog"));
        let (code, out, err) = migrate(&source, &fastlog, "fastlog", &[]);
        assert!(matches!(code, 0 | 3), "{name}: {code}\n{out}\n{err}");
        assert_equals_dump(&format!("{name} in fastlog"), &fastlog, &dump);

        for format in ["2", "3"] {
            let back = place.path().join(format!("{name}-{format}.redb"));
            let (code, out, err) = migrate(&fastlog, &back, "redb", &["--redb-format", format]);
            assert!(matches!(code, 0 | 3), "{name}: {code}\n{out}\n{err}");
            assert_equals_dump(&format!("{name} back in redb"), &back, &dump);
            let (code, out, _) = told(&raftlog([Path::new("diff"), &source, &back]));
            assert_eq!(code, 0, "{name}: {out}");
        }
        assert_eq!(fs::read(&source).expect("source"), before, "{name}: the source changed");
    }
}

#[test]
fn what_cannot_be_converted_is_refused_and_leaves_nothing() {
    let place = tempfile::tempdir().expect("temporary directory");
    for (name, more, expected_code) in REFUSED {
        let target = place.path().join(name);
        let (code, out, err) = migrate(&redb("redb-logical", name), &target, "fastlog", more);
        assert_eq!(code, expected_code, "{name}\n{out}\n{err}");
    }
    let holes = redb("redb-logical", "holes");
    let (code, _, err) =
        migrate(&holes, &place.path().join("holes"), "fastlog", &["--allow-loss", "hole"]);
    assert_eq!(code, 12, "no snapshot covers the hole: {err}");
    assert_eq!(fs::read_dir(place.path()).expect("listing").count(), 0, "nothing is left");
}

#[test]
fn a_rule_that_is_broken_can_be_accepted_by_name() {
    let place = tempfile::tempdir().expect("temporary directory");
    for (name, code) in ACCEPTED {
        let target: PathBuf = place.path().join(name);
        let source = redb("redb-logical", name);
        let (exit, out, err) = migrate(&source, &target, "fastlog", &["--accept", code]);
        assert!(matches!(exit, 0 | 3), "{name}\n{out}\n{err}");
        assert_equals_dump(name, &target, &expected("redb-logical", name).expect("dump"));
    }
}

#[test]
fn a_redb_target_keeps_holes_and_every_field() {
    let place = tempfile::tempdir().expect("temporary directory");
    for (archive, name) in [("redb-logical", "holes"), ("redb-basic", "synth")] {
        let target = place.path().join(format!("{name}.redb"));
        let (code, out, err) = migrate(&redb(archive, name), &target, "redb", &[]);
        assert!(matches!(code, 0 | 3), "{name}\n{out}\n{err}");
        assert_equals_dump(name, &target, &expected(archive, name).expect("dump"));
    }
}
