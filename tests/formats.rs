//! Every redb fixture through the source, and back through the sink, against its expected dump.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use raftlog::model::{AppendTime, Code, Entry, Fault, GroupId, IndexRange};
use raftlog::store::codec::encode;
use raftlog::store::open::open;
use raftlog::store::{OpenOptions, Opened, Store, StoreError};
use raftlog::vfs::Fs;
use raftlog::vfs::os::{OsClock, OsFs};
use serde_json::{Value, json};

fn fs() -> Arc<dyn Fs> {
    Arc::new(OsFs)
}

fn opened(path: &Path) -> Result<Opened, StoreError> {
    open(&fs(), &OsClock::default(), path, &OpenOptions::default())
}

fn group_of(line: &Value) -> GroupId {
    line.get("group").and_then(Value::as_str).map_or(GroupId::Unnamed, GroupId::named)
}

/// The raw AppendedAt bytes of an encoded entry, as the dumps have them.
fn appended_at_hex(entry: &Entry) -> Value {
    if !matches!(entry.extra.appended_at, AppendTime::At(_)) {
        return Value::Null;
    }
    let mut bytes = Vec::new();
    encode(entry, &mut bytes).expect("an entry that was read can be written");
    let name = b"AppendedAt";
    let at = bytes.windows(name.len()).position(|w| w == name).expect("the field") + name.len();
    let len = usize::from(bytes[at] & 0x1f);
    json!(HEXLOWER.encode(&bytes[at + 1..at + 1 + len]))
}

/// Fields in the map of an encoded entry and bytes behind it.
fn shape_of(entry: &Entry) -> (u8, Vec<u8>) {
    let mut bytes = Vec::new();
    encode(entry, &mut bytes).expect("an entry that was read can be written");
    (bytes[0] & 0x0f, bytes)
}

/// An entry in the form of the expected dumps.
fn dumped(entry: &Entry, group: &GroupId, faults: &[Fault], keys: &Value) -> Value {
    let inside = faults.iter().find(|fault| fault.code == Code::R120);
    let index = match inside.and_then(|fault| fault.kind.found()) {
        Some(found) => found.parse::<u64>().expect("an index"),
        None => entry.index.0,
    };
    let base64 = |bytes: Option<&[u8]>| bytes.map_or(Value::Null, |b| json!(BASE64.encode(b)));
    let mut line = json!({
        "key": entry.index.0,
        "index": index,
        "term": entry.term.0,
        "type": entry.kind_code,
        "data_b64": base64(entry.payload.as_deref()),
        "extensions_b64": base64(entry.extra.extensions.as_deref()),
        "fields": shape_of(entry).0,
        "appended_at_hex": appended_at_hex(entry),
    });
    let trailing = faults.iter().find(|fault| fault.code == Code::R124);
    if let Some(found) = trailing.and_then(|fault| fault.kind.found()) {
        let count: u64 = found.split(' ').next().and_then(|n| n.parse().ok()).expect("a count");
        line["trailing_bytes"] = json!(count);
    }
    if keys.get("group").is_some() {
        line["group"] = json!(group.name());
    }
    line
}

fn assert_equals_dump(store: &dyn Store, lines: &[Value], name: &str) {
    let mut stable: BTreeMap<(GroupId, String), String> = BTreeMap::new();
    let mut wanted: BTreeMap<(GroupId, u64), &Value> = BTreeMap::new();
    for line in lines {
        if let Some(key) = line.get("stable").and_then(Value::as_str) {
            let hex = line["hex"].as_str().expect("hex").to_owned();
            stable.insert((group_of(line), key.to_owned()), hex);
        } else {
            wanted.insert((group_of(line), line["key"].as_u64().expect("key")), line);
        }
    }
    let mut found_stable = BTreeMap::new();
    let mut found = 0;
    for group in store.groups().expect("groups") {
        let state = store.state(&group).expect("state");
        for (key, value) in &state.stable {
            let key = String::from_utf8_lossy(key).into_owned();
            found_stable.insert((group.clone(), key), HEXLOWER.encode(&value.bytes));
        }
        let keys = wanted.range((group.clone(), 0)..).take_while(|((g, _), _)| *g == group);
        let (first, last) = (keys.clone().next(), keys.last());
        assert_eq!(state.bounds.map(|b| b.first().0), first.map(|((_, key), _)| *key), "{name}");
        assert_eq!(state.bounds.map(|b| b.last().0), last.map(|((_, key), _)| *key), "{name}");
        for entry in store.entries(&group, IndexRange::ALL).expect("entries") {
            found += 1;
            match entry {
                Ok(located) => {
                    let index = located.entry.index.0;
                    let line = wanted[&(group.clone(), index)];
                    let ours = dumped(&located.entry, &group, &located.faults, line);
                    assert_eq!(&ours, line, "{name} at {index}");
                }
                Err(StoreError::Fault(fault)) => {
                    assert_eq!(fault.code, Code::R122, "{name}: {fault}");
                    let index = fault.index.expect("index").0;
                    let line = wanted[&(group.clone(), index)];
                    assert_eq!(line["undecodable"], json!(true), "{name} at {index}");
                    let place = fault.place.expect("place");
                    let file = std::fs::read(&*place.file).expect("fixture");
                    let start = place.offset_bytes as usize;
                    let value = &file[start..start + place.len_bytes as usize];
                    assert_eq!(line["value_hex"], json!(HEXLOWER.encode(value)), "{name}");
                }
                Err(other) => panic!("{name}: {other}"),
            }
        }
    }
    // Not every dump lists the stable keys.
    if !stable.is_empty() {
        assert_eq!(found_stable, stable, "{name}");
    }
    assert_eq!(found, wanted.len(), "{name}: number of entries");
}

const IN_SCOPE: [&str; 6] =
    ["redb-basic", "redb-empty", "redb-groups", "redb-logical", "redb-twins", "redb-unclean"];

#[test]
fn every_file_with_a_dump_equals_it_field_by_field() {
    let mut files = 0;
    for archive in IN_SCOPE {
        for name in support::redb_names(archive) {
            let Some(lines) = support::expected(archive, &name) else { continue };
            if name == "format-v1" {
                continue;
            }
            let path = support::redb(archive, &name);
            let before = std::fs::read(&path).expect("fixture");
            let opened = opened(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_equals_dump(opened.store.as_ref(), &lines, &name);
            assert_eq!(std::fs::read(&path).expect("fixture"), before, "{name} was changed");
            files += 1;
        }
    }
    assert_eq!(files, 35);
}
