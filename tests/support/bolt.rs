//! The BoltDB fixtures, unpacked, and what the owning libraries say is in them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A bundled file of raft-boltdb: the fixture that holds it, where it lies in there, and the name
/// of its store in the dump, where the dump is of more than one.
pub struct Bundled {
    pub fixture: &'static str,
    pub file: &'static str,
    pub dumped_as: Option<&'static str>,
}

const fn alone(fixture: &'static str, file: &'static str) -> Bundled {
    Bundled { fixture, file, dumped_as: None }
}

const fn of_server(fixture: &'static str, file: &'static str) -> Bundled {
    Bundled { fixture, file, dumped_as: Some(file) }
}

/// Every file with a dump.
pub const DUMPED: [Bundled; 13] = [
    alone("bolt1-churn", "bolt1-churn.db"),
    alone("bolt2-churn", "bolt2-churn.db"),
    alone("bolt2-novote", "bolt2-novote.db"),
    alone("bolt2-voter", "bolt2-voter.db"),
    alone("bolt2-emptied", "bolt2-emptied.db"),
    alone("wide-boltdb1", "wide-boltdb1/raft.db"),
    alone("wide-boltdb2-vault", "wide-boltdb2-vault/raft.db"),
    of_server("dkron-single", "dkron-single/raft/raft.db"),
    of_server("dkron-3node", "dkron-3node/n1/raft/raft.db"),
    of_server("dkron-3node", "dkron-3node/n2/raft/raft.db"),
    of_server("dkron-3node", "dkron-3node/n3/raft/raft.db"),
    of_server("nomad-bolt", "nomad-bolt/server/raft/raft.db"),
    of_server("openbao-raft", "openbao-raft/raft/raft.db"),
];

/// The others that hold a store of raft-boltdb.
pub const UNDUMPED: [Bundled; 5] = [
    alone("small", "v1.db"),
    alone("small", "v2.db"),
    alone("small", "fresh.db"),
    alone("filesnapshots", "snap/snap10_log11/raft.db"),
    alone("filesnapshots", "snap/badcrc_newest_older_ok/raft.db"),
];

fn fixture(name: &str) -> PathBuf {
    super::fixtures().join("boltdb").join(name)
}

/// The contents of a gzip file.
pub fn inflated(path: &Path) -> Vec<u8> {
    let packed = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut bytes).expect("gzip");
    bytes
}

/// Unpacks a fixture into `dir`.
pub fn unpack(name: &str, dir: &Path) {
    let packed = |dir: &str| super::fixtures().join(dir).join(format!("{name}.tar.gz"));
    let dirs = ["boltdb", "snapshots", "raft-fastlog", "raft-wal"].map(packed);
    if let Some(tar) = dirs.into_iter().find(|tar| tar.is_file()) {
        tar::Archive::new(&inflated(&tar)[..]).unpack(dir).expect("unpack");
    } else {
        let bytes = inflated(&fixture(&format!("{name}.db.gz")));
        fs::write(dir.join(format!("{name}.db")), bytes).expect("write");
    }
}

/// A bundled file, unpacked into `dir`.
pub fn file(bundled: &Bundled, dir: &Path) -> PathBuf {
    let path = dir.join(bundled.file);
    if !path.is_file() {
        unpack(bundled.fixture, dir);
    }
    assert!(path.is_file(), "{} is no fixture", path.display());
    path
}

/// What the owning library says is in a file.
#[derive(Default)]
pub struct Dump {
    /// Values of stable keys, as hexadecimal digits.
    pub stable: std::collections::BTreeMap<String, String>,
    /// Its entries, by index.
    pub entries: Vec<Value>,
}

/// The dump of a bundled file.
pub fn dump(bundled: &Bundled) -> Dump {
    let bytes = inflated(&fixture(&format!("{}.dump.jsonl.gz", bundled.fixture)));
    let text = String::from_utf8(bytes).expect("UTF-8");
    let mut dump = Dump::default();
    let mut ours = bundled.dumped_as.is_none();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let kind = line["kind"].as_str().or(line["t"].as_str()).unwrap_or_default().to_owned();
        match kind.as_str() {
            "file" => ours = line["path"].as_str() == bundled.dumped_as,
            _ if !ours => {}
            "state" => dump.stable = stable_of(&line),
            "stable" => {
                let text = |name: &str| line[name].as_str().expect("text").to_owned();
                dump.stable.insert(text("key"), text("hex"));
            }
            _ if kind == "log" || line["t"] == "entry" => dump.entries.push(line),
            _ => {}
        }
    }
    dump
}

/// Stable keys in the two forms of the libraries' dumps.
fn stable_of(line: &Value) -> std::collections::BTreeMap<String, String> {
    let mut stable = std::collections::BTreeMap::new();
    let number = |value: u64| format!("{value:016x}");
    if let Some(keys) = line["stable"].as_object() {
        for (key, value) in keys {
            let text = value.as_str().expect("text");
            let hex = match text.parse() {
                Ok(value) => number(value),
                Err(_) => data_encoding::HEXLOWER.encode(text.as_bytes()),
            };
            stable.insert(key.clone(), hex);
        }
        return stable;
    }
    for (name, key) in [("current_term", "CurrentTerm"), ("last_vote_term", "LastVoteTerm")] {
        stable.insert(key.to_owned(), number(line[name].as_u64().expect("a term")));
    }
    let candidate = line["last_vote_cand_hex"].as_str().expect("hex").to_owned();
    stable.insert("LastVoteCand".to_owned(), candidate);
    for (key, value) in line["other"].as_object().into_iter().flatten() {
        stable.insert(key.clone(), value.as_str().expect("hex").to_owned());
    }
    stable
}
