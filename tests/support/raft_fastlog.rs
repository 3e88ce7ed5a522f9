//! The raft-fastlog fixtures, unpacked, and what the library that owns them says is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A bundled file.
pub struct Bundled {
    /// The fixture that holds it.
    pub fixture: &'static str,
    /// Where it lies in there.
    pub file: &'static str,
    /// Entries that were deleted and that the loader brings back.
    pub ghosts: &'static [u64],
    /// The dump of what the loader sees.
    pub dump: Option<&'static str>,
}

const fn bundled(
    fixture: &'static str,
    file: &'static str,
    ghosts: &'static [u64],
    dump: Option<&'static str>,
) -> Bundled {
    Bundled { fixture, file, ghosts, dump }
}

/// Every file.
pub const ALL: [Bundled; 9] = [
    bundled("small.tar.gz", "a.db", &[1], None),
    bundled("small.tar.gz", "b.db", &[10], None),
    bundled("plain.db.gz", "plain.db", &[], Some("plain.meant.dump.jsonl.gz")),
    bundled("voter.db.gz", "voter.db", &[], Some("voter.meant.dump.jsonl.gz")),
    bundled("ghosts.db.gz", "ghosts.db", &[60, 300], Some("ghosts.loader.dump.jsonl.gz")),
    bundled(
        "long.tar.gz",
        "long-raft-fastlog/raft.fast",
        &[1795, 2005, 3435],
        Some("long.loader.dump.jsonl.gz"),
    ),
    bundled(
        "wide.tar.gz",
        "wide-raft-fastlog/raft.fast",
        &[1041, 1214, 2137],
        Some("wide.loader.dump.jsonl.gz"),
    ),
    bundled(
        "wide-shrunk.tar.gz",
        "wide-raft-fastlog-shrunk/raft.fast",
        &[],
        Some("wide-shrunk.loader.dump.jsonl.gz"),
    ),
    bundled(
        "dkron-fastlog-single.tar.gz",
        "dkron-fastlog-single/raft/raft.db",
        &[],
        Some("dkron-fastlog-single.dump.jsonl.gz"),
    ),
];

/// The bundled file whose path ends so.
pub fn named(name: &str) -> &'static Bundled {
    ALL.iter().find(|one| one.file.ends_with(name)).expect("a bundled file")
}

fn fixture(name: &str) -> PathBuf {
    super::fixtures().join("raft-fastlog").join(name)
}

/// A bundled file, unpacked into `dir`.
pub fn file(bundled: &Bundled, dir: &Path) -> PathBuf {
    let path = dir.join(bundled.file);
    if !path.is_file() {
        let bytes = super::bolt::inflated(&fixture(bundled.fixture));
        if bundled.fixture.ends_with(".tar.gz") {
            tar::Archive::new(&bytes[..]).unpack(dir).expect("unpack");
        } else {
            fs::write(&path, bytes).expect("write");
        }
    }
    assert!(path.is_file(), "{} is no fixture", path.display());
    path
}

/// What a log holds, in one form whoever says it: stable keys as the bytes in the file, entries
/// with index, term, kind and the digest of their data.
#[derive(Debug, Default, PartialEq)]
pub struct Content {
    pub stable: BTreeMap<String, String>,
    pub entries: Vec<Value>,
}

impl Content {
    /// The same without some entries.
    pub fn without(mut self, indexes: &[u64]) -> Content {
        let indexes: BTreeSet<u64> = indexes.iter().copied().collect();
        self.entries.retain(|entry| !indexes.contains(&entry["index"].as_u64().expect("index")));
        self
    }
}

/// What a dump of the owning library says.
pub fn dumped(name: &str) -> Content {
    let text = String::from_utf8(super::bolt::inflated(&fixture(name))).expect("UTF-8");
    let mut content = Content::default();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        match line["t"].as_str().or(line["kind"].as_str()) {
            Some("state") => content.stable = stable(&line),
            Some("stable") => {
                let text = |name: &str| line[name].as_str().expect("text").to_owned();
                content.stable.insert(text("key"), text("hex"));
            }
            Some("entry" | "log") => content.entries.push(dumped_entry(&line)),
            _ => {}
        }
    }
    content
}

fn dumped_entry(line: &Value) -> Value {
    let kinds = ["command", "noop", "add-peer", "remove-peer", "barrier", "configuration"];
    let kind = match (&line["type"], &line["kind"]) {
        (Value::Number(number), _) | (_, Value::Number(number)) => number.as_u64(),
        (_, Value::String(name)) => kinds.iter().position(|k| k == name).map(|n| n as u64),
        other => panic!("{other:?}"),
    };
    let digest = match (&line["data_sha256"], &line["data_hex"], &line["data"]) {
        (Value::String(digest), ..) => digest.clone(),
        (_, Value::String(hex), _) => {
            digest(&HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal digits"))
        }
        (.., Value::String(text)) => digest(&BASE64.decode(text.as_bytes()).expect("base64")),
        _ => digest(b""),
    };
    json!({
        "index": line["index"],
        "term": line["term"],
        "kind": kind.expect("a kind"),
        "data_sha256": digest,
    })
}

fn digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Stable keys in the forms of the dumps, numbers as the library stores them.
fn stable(line: &Value) -> BTreeMap<String, String> {
    let number = |value: u64| HEXLOWER.encode(&value.to_le_bytes());
    let mut stable = BTreeMap::new();
    for (key, value) in line["stable"].as_object().into_iter().flatten() {
        let text = value.as_str().expect("text");
        let hex = text.parse().map_or_else(|_| HEXLOWER.encode(text.as_bytes()), number);
        stable.insert(key.clone(), hex);
    }
    for (name, key) in [("current_term", "CurrentTerm"), ("last_vote_term", "LastVoteTerm")] {
        if let Some(value) = line[name].as_u64() {
            stable.insert(key.to_owned(), number(value));
        }
    }
    if let Some(hex) = line["last_vote_cand_hex"].as_str() {
        stable.insert("LastVoteCand".to_owned(), hex.to_owned());
    }
    for (key, value) in line["other"].as_object().into_iter().flatten() {
        stable.insert(key.clone(), value.as_str().expect("hex").to_owned());
    }
    stable
}

/// What `inspect` says that `path` holds, with more arguments.
pub fn inspected(path: &Path, more: &[&str]) -> Content {
    let path = path.to_str().expect("UTF-8");
    let run = |arguments: &[&str]| {
        let (code, out, err) = super::told(&super::raftlog([arguments, more].concat()));
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    };
    let lines = run(&["inspect", path, "--entries", "--payload", "digest", "--format", "jsonl"]);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let entries = lines.filter(|line| line["type"] == "entry").map(|line| {
        assert_eq!(line["extensions_bytes"], 0);
        json!({
            "index": line["index"],
            "term": line["term"],
            "kind": line["kind_code"],
            "data_sha256": line["sha256"],
        })
    });
    let entries = entries.collect();
    let state: Value =
        serde_json::from_str(&run(&["inspect", path, "--state", "--json"])).expect("JSON");
    let mut stable = BTreeMap::new();
    for (key, value) in state["result"]["groups"][0]["stable"].as_object().expect("stable keys") {
        stable.insert(key.clone(), value["hex"].as_str().expect("hex").to_owned());
    }
    Content { stable, entries }
}
