//! Every redb fixture through the source, and back through the sink, against its expected dump.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use raftlog::model::{AppendTime, Code, Entry, Fault, GroupId, IndexRange};
use raftlog::store::codec::encode;
use raftlog::store::open::{create_sink, open};
use raftlog::store::target::Target;
use raftlog::store::{
    Format, Level, OpenOptions, Opened, RedbFormat, SinkOptions, Store, StoreError,
};
use raftlog::vfs::Fs;
use raftlog::vfs::os::{OsClock, OsFs};
use serde_json::{Value, json};

fn fs() -> Arc<dyn Fs> {
    Arc::new(OsFs)
}

fn opened(path: &Path) -> Result<Opened, StoreError> {
    open(&fs(), &OsClock, path, &OpenOptions::default())
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

/// Copies a store into a new redb file, as a migration would, and returns the file.
fn copied(store: &dyn Store, dir: &Path, redb_format: RedbFormat) -> PathBuf {
    let path = dir.join("copy.redb");
    let target = Target::check(fs(), &path, false).expect("target");
    let options = SinkOptions { redb_format, ..SinkOptions::default() };
    let mut sink = create_sink(Format::Redb, target, &options).expect("sink");
    for group in store.groups().expect("groups") {
        sink.begin_group(&group, &store.state(&group).expect("state")).expect("begin");
        let entries = store.entries(&group, IndexRange::ALL).expect("entries");
        // What does not decode cannot be copied; migrations refuse such a source.
        let entries: Vec<Entry> = entries.filter_map(|e| e.ok().map(|e| e.entry)).collect();
        for batch in entries.chunks(7) {
            sink.append(batch).expect("append");
        }
    }
    let sealed = sink.seal().expect("seal");
    assert_eq!(sealed.bytes, std::fs::metadata(sealed.partial()).expect("partial").len());
    sealed.publish().expect("publish")
}

/// Bytes of every entry's value, as they lie in the file.
fn values(store: &dyn Store) -> BTreeMap<(GroupId, u64), Vec<u8>> {
    let mut values = BTreeMap::new();
    for group in store.groups().expect("groups") {
        for located in store.entries(&group, IndexRange::ALL).expect("entries") {
            let Ok(located) = located else { continue };
            let place = located.place.expect("place");
            let file = std::fs::File::open(&*place.file).expect("file");
            let mut value = vec![0; place.len_bytes as usize];
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut value, place.offset_bytes)
                .expect("value");
            values.insert((group.clone(), located.entry.index.0), value);
        }
    }
    values
}

#[test]
fn a_copy_in_either_file_format_has_the_same_values_byte_for_byte() {
    for archive in IN_SCOPE {
        for name in support::redb_names(archive) {
            let Ok(source) = opened(&support::redb(archive, &name)) else { continue };
            for format in [RedbFormat::V2, RedbFormat::V3] {
                let dir = tempfile::tempdir().expect("directory");
                let path = copied(source.store.as_ref(), dir.path(), format);
                let copy = opened(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(values(copy.store.as_ref()), values(source.store.as_ref()), "{name}");
                assert_eq!(copy.store.groups().expect("a"), source.store.groups().expect("b"));
                for group in source.store.groups().expect("groups") {
                    let state = copy.store.state(&group).expect("state");
                    let wanted = source.store.state(&group).expect("state");
                    assert_eq!(state.stable, wanted.stable, "{name}");
                    assert_eq!(state.hard, wanted.hard, "{name}");
                }
                let mut going = |_| ControlFlow::Continue(());
                let checked = copy.store.check(Level::Full, &mut going).expect("check");
                let errors: Vec<&Fault> =
                    checked.faults.iter().filter(|fault| fault.code != Code::R125).collect();
                assert!(errors.is_empty(), "{name}: {errors:?}");
                assert_library_agrees(&path, copy.store.as_ref(), format, &name);
            }
        }
    }
}

/// The rows that the redb package itself reads are those that the walker read.
fn assert_library_agrees(path: &Path, store: &dyn Store, format: RedbFormat, name: &str) {
    let ours = values(store);
    for group in store.groups().expect("groups") {
        let (logs, conf) = match group.name() {
            Some(name) => (format!("logs/{name}"), format!("conf/{name}")),
            None => ("logs".to_owned(), "conf".to_owned()),
        };
        let (rows, keys) = match format {
            RedbFormat::V3 => rows_by_redb(path, &logs, &conf),
            RedbFormat::V2 => rows_by_redb2(path, &logs, &conf),
        };
        let ours: BTreeMap<u64, Vec<u8>> = ours
            .iter()
            .filter(|((of, _), _)| *of == group)
            .map(|((_, index), value)| (*index, value.clone()))
            .collect();
        assert_eq!(rows, ours, "{name}");
        let stable: BTreeMap<Vec<u8>, Vec<u8>> = store
            .state(&group)
            .expect("state")
            .stable
            .iter()
            .map(|(key, value)| (key.clone(), value.bytes.to_vec()))
            .collect();
        assert_eq!(keys, stable, "{name}");
    }
}

type Rows = (BTreeMap<u64, Vec<u8>>, BTreeMap<Vec<u8>, Vec<u8>>);

/// Reads a copy of the file, because the packages write when they open.
macro_rules! rows_by {
    ($function:ident, $package:ident, $($reading:ident),+) => {
        fn $function(path: &Path, logs: &str, conf: &str) -> Rows {
            use $package::{$($reading),+};
            let dir = tempfile::tempdir().expect("directory");
            let copy = dir.path().join("copy.redb");
            std::fs::copy(path, &copy).expect("copy");
            let mut database = $package::Database::open(&copy).expect("the package opens it");
            assert!(database.check_integrity().expect("check"), "sound to the package");
            let reading = database.begin_read().expect("read");
            let mut rows = BTreeMap::new();
            let definition = $package::TableDefinition::<u64, &[u8]>::new(logs);
            if let Ok(table) = reading.open_table(definition) {
                for row in table.iter().expect("rows") {
                    let (key, value) = row.expect("row");
                    rows.insert(key.value(), value.value().to_vec());
                }
            }
            let mut keys = BTreeMap::new();
            let definition = $package::TableDefinition::<&str, &[u8]>::new(conf);
            if let Ok(table) = reading.open_table(definition) {
                for row in table.iter().expect("rows") {
                    let (key, value) = row.expect("row");
                    keys.insert(key.value().as_bytes().to_vec(), value.value().to_vec());
                }
            }
            (rows, keys)
        }
    };
}

rows_by!(rows_by_redb, redb, ReadableDatabase, ReadableTable);
rows_by!(rows_by_redb2, redb2, ReadableTable);

#[test]
fn the_packages_read_of_every_sound_fixture_what_the_walker_read() {
    let mut files = 0;
    for archive in IN_SCOPE {
        for name in support::redb_names(archive) {
            let path = support::redb(archive, &name);
            let Ok(source) = opened(&path) else { continue };
            let store = source.store.as_ref();
            let mut going = |_| ControlFlow::Continue(());
            let checked = store.check(Level::Full, &mut going).expect("check");
            if checked.faults.iter().any(|fault| fault.code == Code::R119) || name == "bad-entry" {
                continue;
            }
            let version = &source.description.evidence[1];
            let format = match version.as_str() {
                "redb file format 2" => RedbFormat::V2,
                _ => RedbFormat::V3,
            };
            assert_library_agrees(&path, store, format, &name);
            files += 1;
        }
    }
    assert_eq!(files, 36);
}
