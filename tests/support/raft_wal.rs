//! The raft-wal fixtures, unpacked, and what the library that owns them says is in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A bundled directory.
pub struct Bundled {
    /// The fixture that holds it.
    pub fixture: &'static str,
    /// Where it lies in there.
    pub dir: &'static str,
}

const fn bundled(fixture: &'static str, dir: &'static str) -> Bundled {
    Bundled { fixture, dir }
}

/// Every directory with a dump.
pub const DUMPED: [Bundled; 4] = [
    bundled("wal-plain", "wal-plain"),
    bundled("wal-prefix", "wal-prefix"),
    bundled("wal-unreadable", "wal-unreadable"),
    bundled("nomad-wal", "nomad-wal/server/raft/wal"),
];

/// A sealed segment and a tail of the library, without the preallocated zeros.
pub const TWO: Bundled = bundled("two-segments", "hwal");

/// A bundled directory by the name of its fixture.
pub fn named(fixture: &str) -> &'static Bundled {
    DUMPED.iter().find(|bundled| bundled.fixture == fixture).expect("bundled")
}

fn fixture(name: &str) -> PathBuf {
    super::fixtures().join("raft-wal").join(name)
}

/// A bundled directory, unpacked into `dir`.
pub fn unpacked(bundled: &Bundled, dir: &Path) -> PathBuf {
    let path = dir.join(bundled.dir);
    if !path.is_dir() {
        let bytes = super::bolt::inflated(&fixture(&format!("{}.tar.gz", bundled.fixture)));
        tar::Archive::new(&bytes[..]).unpack(dir).expect("unpack");
    }
    assert!(path.is_dir(), "{} is no fixture", path.display());
    path
}

/// A copy of a directory of files, without zeros at the ends of segments where `short`.
pub fn copied(from: &Path, to: &Path, short: bool) -> PathBuf {
    fs::create_dir(to).expect("create");
    for file in fs::read_dir(from).expect("list") {
        let path = file.expect("file").path();
        let mut bytes = fs::read(&path).expect("read");
        if short && path.extension().is_some_and(|suffix| suffix == "wal") {
            let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(written.next_multiple_of(8));
        }
        fs::write(to.join(path.file_name().expect("name")), bytes).expect("write");
    }
    to.to_owned()
}

/// What a log holds, in one form whoever says it: stable keys as the bytes that mean the same in
/// raft-wal, entries with everything they have.
#[derive(Debug, Default, PartialEq)]
pub struct Content {
    pub stable: BTreeMap<String, String>,
    pub entries: Vec<Value>,
}

/// What the dump of a bundled directory says.
pub fn dumped(bundled: &Bundled) -> Content {
    let bytes = super::bolt::inflated(&fixture(&format!("{}.dump.jsonl.gz", bundled.fixture)));
    let text = String::from_utf8(bytes).expect("UTF-8");
    let mut content = Content::default();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let text = |name: &str| line[name].as_str().expect("text").to_owned();
        match line["t"].as_str().or(line["kind"].as_str()) {
            Some("state") => content.stable = stable(&line),
            Some("stable") => drop(content.stable.insert(text("key"), text("hex"))),
            Some("entry" | "log") => content.entries.push(dumped_entry(&line)),
            _ => {}
        }
    }
    content
}

fn stable(line: &Value) -> BTreeMap<String, String> {
    let keys = line["stable"].as_object().expect("stable keys").iter();
    let hex = |text: &str| {
        let number: Result<u64, _> = text.parse();
        number.map_or_else(
            |_| HEXLOWER.encode(text.as_bytes()),
            |number| HEXLOWER.encode(&number.to_le_bytes()),
        )
    };
    keys.map(|(key, value)| (key.clone(), hex(value.as_str().expect("text")))).collect()
}

fn dumped_entry(line: &Value) -> Value {
    let bytes = |hex: &str, base64: &str| match (&line[hex], &line[base64]) {
        (Value::String(hex), _) => HEXLOWER.decode(hex.as_bytes()).expect("hex"),
        (_, Value::String(text)) => BASE64.decode(text.as_bytes()).expect("base64"),
        _ => Vec::new(),
    };
    let kind = if line["kind"].is_u64() { &line["kind"] } else { &line["type"] };
    let time = line["appended_at"].as_str().filter(|time| !time.starts_with("0001-"));
    json!({
        "index": line["index"],
        "term": line["term"],
        "kind": kind,
        "data_sha256": HEXLOWER.encode(&Sha256::digest(bytes("data_hex", "data"))),
        "extensions": HEXLOWER.encode(&bytes("ext_hex", "extensions")),
        "appended_at_ns": time.map(nanoseconds),
    })
}

fn nanoseconds(time: &str) -> String {
    let time: jiff::Timestamp = time.parse().unwrap_or_else(|error| panic!("{time}: {error}"));
    time.as_nanosecond().to_string()
}

/// What `inspect` says that `path` holds.
pub fn inspected(path: &Path) -> Content {
    let path = path.to_str().expect("UTF-8");
    let run = |arguments: &[&str]| {
        let (code, out, err) = super::told(&super::raftlog(arguments));
        // What a library refuses is a warning.
        assert!([0, 3].contains(&code), "{arguments:?}: {out}{err}");
        out
    };
    let lines = run(&["inspect", path, "--entries", "--payload", "hex", "--format", "jsonl"]);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let hex = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let entries = lines.filter(|line| line["type"] == "entry").map(|line| {
        let data = HEXLOWER.decode(hex(&line, "data_hex").as_bytes()).expect("hex");
        json!({
            "index": line["index"],
            "term": line["term"],
            "kind": line["kind_code"],
            "data_sha256": HEXLOWER.encode(&Sha256::digest(data)),
            "extensions": hex(&line, "extensions_hex"),
            "appended_at_ns": line["appended_at"].as_str().map(nanoseconds),
        })
    });
    let entries = entries.collect();
    let state: Value =
        serde_json::from_str(&run(&["inspect", path, "--state", "--json"])).expect("JSON");
    let mut stable = BTreeMap::new();
    for (key, value) in state["result"]["groups"][0]["stable"].as_object().expect("stable keys") {
        let hex = match (value["u64"].as_u64(), &value["hex"]) {
            (Some(number), _) => HEXLOWER.encode(&number.to_le_bytes()),
            (None, hex) => hex.as_str().expect("hex").to_owned(),
        };
        stable.insert(key.clone(), hex);
    }
    Content { stable, entries }
}
