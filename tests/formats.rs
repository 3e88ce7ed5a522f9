//! Every redb fixture through the source, and back through the sink, against its expected dump.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use raftlog::model::{AppendTime, Code, Entry, Fault, GroupId, IndexRange, LogIndex, Severity};
use raftlog::store::codec::encode;
use raftlog::store::open::{create_sink, open};
use raftlog::store::target::Target;
use raftlog::store::{
    Format, Level, OpenOptions, Opened, RecordChecksum, RecordStatus, RedbFormat, SinkOptions,
    Store, StoreError,
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

#[test]
fn every_value_that_decodes_is_written_back_byte_for_byte() {
    let mut count = 0;
    for archive in IN_SCOPE {
        for name in support::redb_names(archive) {
            let Ok(source) = opened(&support::redb(archive, &name)) else { continue };
            let store = source.store.as_ref();
            let values = values(store);
            for group in store.groups().expect("groups") {
                for located in store.entries(&group, IndexRange::ALL).expect("entries") {
                    let Ok(located) = located else { continue };
                    let value = &values[&(group.clone(), located.entry.index.0)];
                    assert_eq!(&shape_of(&located.entry).1, value, "{name}");
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 6_562);
}

/// Copies a store into a new redb file, as a migration would, and returns the file.
fn copied(store: &dyn Store, dir: &Path, redb_format: RedbFormat) -> PathBuf {
    let path = dir.join("copy.redb");
    let target = Target::check(fs(), &path, false).expect("target");
    let options = SinkOptions { redb_format: Some(redb_format), ..SinkOptions::default() };
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

/// What opening, checking and reading a file shows: the codes of all faults with their severity,
/// and how many entries are sound.
fn verdict(path: &Path) -> (Vec<(Code, Severity)>, usize) {
    let opened = match opened(path) {
        Ok(opened) => opened,
        Err(StoreError::Fault(fault)) => return (vec![(fault.code, fault.severity)], 0),
        Err(other) => panic!("{}: {other}", path.display()),
    };
    let store = opened.store.as_ref();
    let checked = store.check(Level::Full, &mut |_| ControlFlow::Continue(())).expect("check");
    assert!(store.opening_faults().iter().all(|fault| checked.faults.contains(fault)));
    let mut faults: Vec<Fault> = checked.faults;
    let mut sound = 0;
    for group in store.groups().expect("groups") {
        for item in store.entries(&group, IndexRange::ALL).expect("entries") {
            match item {
                Ok(located) if located.faults.is_empty() => sound += 1,
                Ok(located) => faults.extend(located.faults),
                Err(StoreError::Fault(fault)) => {
                    assert_eq!(fault.group.as_ref(), Some(&group));
                    faults.push(*fault);
                }
                Err(other) => panic!("{}: {other}", path.display()),
            }
        }
    }
    assert!(faults.iter().all(|fault| fault.place.is_some()), "each finding has its place");
    let mut codes: Vec<(Code, Severity)> = faults.iter().map(|f| (f.code, f.severity)).collect();
    codes.sort_unstable();
    codes.dedup();
    (codes, sound)
}

#[test]
fn every_damaged_file_gets_the_verdict_that_its_note_implies() {
    let damage = (Code::R119, Severity::Error);
    let fallback = (Code::R123, Severity::Warning);
    // Entries that stay readable; the clean file has 400.
    for (name, codes, sound) in [
        ("dmg-branch-child", vec![damage], 0),
        ("dmg-branch-cycle", vec![damage], 0),
        ("dmg-branch-order", vec![damage], 0),
        ("dmg-branch-sum", vec![damage], 0),
        ("dmg-cut-half", vec![damage], 366),
        ("dmg-cut-header", vec![damage], 0),
        ("dmg-cut-page", vec![damage], 397),
        ("dmg-god-primary", vec![damage], 400),
        ("dmg-god-recovery", vec![], 400),
        ("dmg-leaf-count", vec![damage], 399),
        ("dmg-leaf-end", vec![damage], 399),
        ("dmg-leaf-type", vec![damage], 399),
        ("dmg-leaf-value", vec![damage], 399),
        ("dmg-longer", vec![damage], 400),
        ("dmg-magic", vec![damage], 400),
        ("dmg-noise", vec![damage], 291),
        ("dmg-pagesize", vec![damage], 400),
        ("dmg-slot", vec![damage], 400),
        ("dmg-slots", vec![damage], 0),
        ("dmg-table-class", vec![damage], 0),
        ("dmg-table-type", vec![damage], 0),
        ("dmg-unclean-leaf", vec![fallback], 56),
        ("dmg-unclean-system", vec![fallback], 56),
        ("dmg-v2-cycle", vec![damage], 0),
        ("dmg-v2-leaf-value", vec![damage], 399),
        ("dmg-v2-zero-leaf", vec![damage], 399),
        ("dmg-version", vec![damage], 400),
        ("dmg-zero-conf", vec![damage], 400),
        ("dmg-zero-leaf", vec![damage], 394),
        ("dmg-zero-tables", vec![damage], 0),
    ] {
        assert_eq!(verdict(&support::redb("redb-damaged", name)), (codes, sound), "{name}");
    }
    assert_eq!(support::redb_names("redb-damaged").len(), 30, "all of them");
}

#[test]
fn faults_of_the_content_are_told_from_damage_of_the_container() {
    let error = |code| (code, Severity::Error);
    for (name, codes) in [
        ("bad-entry", vec![error(Code::R122)]),
        ("conf-little", vec![error(Code::R125)]),
        ("conf-short", vec![error(Code::R125)]),
        ("holes", vec![]),
        ("index-zero", vec![error(Code::R127)]),
        ("key-differs", vec![error(Code::R120)]),
        ("tail-bytes", vec![(Code::R124, Severity::Warning)]),
        ("term-down", vec![]),
        ("term-future", vec![]),
    ] {
        assert_eq!(verdict(&support::redb("redb-logical", name)).0, codes, "{name}");
    }
    for name in ["unclean", "unclean-none", "unclean-open", "unclean-eventual-v2", "live-copy"] {
        assert_eq!(verdict(&support::redb("redb-unclean", name)).0, vec![], "{name}");
    }
    let torn = verdict(&support::redb("redb-unclean", "torn-commit"));
    assert_eq!(torn, (vec![(Code::R123, Severity::Warning)], 56));
}

#[test]
fn a_silent_fallback_names_both_transactions_and_what_the_newer_one_still_holds() {
    let opened = opened(&support::redb("redb-damaged", "dmg-unclean-system")).expect("opens");
    let [fault] = opened.store.opening_faults() else { panic!("one fault") };
    let words = fault.to_string();
    for part in ["transaction 18 does not verify", "transaction 16 was used", "60 readable"] {
        assert!(words.contains(part), "{words}");
    }
}

#[test]
fn a_version_that_is_not_read_is_unsupported_with_the_way_to_upgrade() {
    let Err(StoreError::Unsupported { what, way_out, .. }) =
        opened(&support::redb("redb-basic", "format-v1"))
    else {
        panic!("unsupported")
    };
    assert!(what.contains("file format 1") && way_out.contains("redb 1"), "{what}; {way_out}");
    // A file of redb 0.22: another version in both slots, whose checksums do not fit.
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("old.redb");
    let mut bytes = std::fs::read(support::redb("redb-basic", "compacted")).expect("fixture");
    for version_at in [64, 192] {
        bytes[version_at] = 121;
    }
    std::fs::write(&path, bytes).expect("old file");
    let Err(StoreError::Unsupported { what, way_out, .. }) = opened(&path) else {
        panic!("unsupported")
    };
    assert!(what.contains("121") && way_out.contains("before redb 1.0"), "{what}; {way_out}");
}

#[test]
fn a_redb_file_without_a_raft_log_is_not_found_with_its_tables() {
    for name in ["not-raft", "schema-multimap"] {
        match opened(&support::redb("redb-schema", name)) {
            Err(StoreError::NotFound { seen, .. }) => {
                let has = |word| seen.iter().any(|line: &String| line.contains(word));
                assert!(has("rows") && has("tried of every table"), "{name}: {seen:?}");
                assert!(has("--redb-logs-table") && has("--redb-codec"), "{name}: {seen:?}");
            }
            Err(other) => panic!("{name}: {other}"),
            Ok(_) => panic!("{name} is no Raft log"),
        }
    }
    for (name, words) in [("zero-length", "an empty file"), ("no-tables", "without any table")] {
        let Err(StoreError::NotFound { reason, .. }) = opened(&support::redb("redb-empty", name))
        else {
            panic!("{name}: not found")
        };
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn the_dump_of_records_covers_every_entry_and_shows_what_is_damaged() {
    for (archive, name, entries, damaged) in [
        ("redb-basic", "synth", 400, vec![]),
        ("redb-damaged", "dmg-leaf-value", 399, vec![Some((151, 151))]),
        // Behind the last key that a branch names, the end is not known.
        ("redb-damaged", "dmg-zero-leaf", 394, vec![None]),
        ("redb-damaged", "dmg-cut-page", 397, vec![Some((109, 111))]),
        ("redb-damaged", "dmg-zero-conf", 400, vec![None]),
    ] {
        let opened = opened(&support::redb(archive, name)).expect("opens");
        let mut live = 0;
        let mut bad = Vec::new();
        let scanned = opened.store.scan(&mut |record| {
            match record.status {
                RecordStatus::Damaged => {
                    assert_eq!(record.checksum, RecordChecksum::Bad);
                    bad.push(record.range.map(|range| (range.first().0, range.last().0)));
                }
                _ if record.kind == "leaf logs" => live += record.entries,
                _ => {}
            }
            ControlFlow::Continue(())
        });
        scanned.expect("scan");
        assert_eq!((live, bad), (entries, damaged), "{name}");
    }
}

#[test]
fn a_quick_check_finds_what_lies_above_the_leaves() {
    for (name, found) in [("dmg-branch-sum", true), ("dmg-cut-half", true), ("dmg-slot", true)] {
        let opened = opened(&support::redb("redb-damaged", name)).expect("opens");
        let checked = opened.store.check(Level::Quick, &mut |_| ControlFlow::Continue(()));
        assert_eq!(!checked.expect("check").faults.is_empty(), found, "{name}");
    }
    let opened = opened(&support::redb("redb-twins", "twin-golib-bolt2-churn")).expect("opens");
    let store = opened.store.as_ref();
    let check = |level| store.check(level, &mut |_| ControlFlow::Continue(())).expect("check");
    let (quick, full) = (check(Level::Quick), check(Level::Full));
    assert!(quick.checked_bytes * 2 < full.checked_bytes, "most leaves are not read");
    assert_eq!(quick.counts[0], full.counts[0], "but counted");
}

#[test]
fn a_range_of_entries_is_what_the_whole_log_has_there() {
    let opened = opened(&support::redb("redb-twins", "twin-golib-bolt2-churn")).expect("opens");
    let read = |range| -> Vec<Entry> {
        let entries = opened.store.entries(&GroupId::Unnamed, range).expect("entries");
        entries.map(|located| located.expect("sound").entry).collect()
    };
    let all = read(IndexRange::ALL);
    for (first, last) in [(301, 301), (1, 310), (777, 1203), (1597, 9999), (1598, 9999), (0, 3)] {
        let range = IndexRange::new(LogIndex(first), LogIndex(last)).expect("range");
        let wanted: Vec<Entry> =
            all.iter().filter(|entry| range.contains(entry.index)).cloned().collect();
        assert_eq!(read(range), wanted, "{range}");
        let heads = opened.store.heads(&GroupId::Unnamed, range).expect("heads");
        let heads: Vec<u64> = heads.map(|head| head.expect("sound").head.index.0).collect();
        assert_eq!(heads, wanted.iter().map(|entry| entry.index.0).collect::<Vec<u64>>());
    }
}
