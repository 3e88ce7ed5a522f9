//! redb files of real projects and in other schemas: found by proof, read as their dumps say, with
//! their votes, commit indexes, purged prefixes and memberships.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use raftlog::model::{
    Candidate, Code, Entry, EntryKind, GroupId, IndexRange, LogIndex, LogState, Term,
};
use raftlog::store::codec::ValueCodec;
use raftlog::store::open::{open, terms_may_fall};
use raftlog::store::redb::schemas;
use raftlog::store::{Level, OpenOptions, Opened, RedbSchema, StoreError};
use raftlog::vfs::Fs;
use raftlog::vfs::os::{OsClock, OsFs};
use serde_json::Value;
use support::redb_made::Rows;

fn opened_as(path: &Path, redb: RedbSchema) -> Result<Opened, StoreError> {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    open(&fs, &OsClock, path, &OpenOptions { redb, ..OpenOptions::default() })
}

fn opened(path: &Path) -> Opened {
    opened_as(path, RedbSchema::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn entries(opened: &Opened, group: &GroupId) -> Vec<Entry> {
    let entries = opened.store.entries(group, IndexRange::ALL).expect("entries");
    let sound = entries.map(|located| {
        let located = located.expect("sound");
        assert!(located.faults.is_empty(), "{:?}", located.faults);
        located.entry
    });
    sound.collect()
}

fn state(opened: &Opened, group: &GroupId) -> LogState {
    opened.store.state(group).expect("state")
}

fn schema_of(opened: &Opened) -> &'static schemas::Schema {
    schemas::named(opened.store.profile().schema).expect("a schema")
}

/// The bytes of an entry as they lie in the file.
fn value_of(opened: &Opened, entry: &Entry) -> Vec<u8> {
    let mut value = Vec::new();
    schema_of(opened).codec.encode(entry, &mut value).expect("an entry that was read");
    value
}

fn kind_word(line: &Value) -> Option<&'static str> {
    match line["kind"].as_str()? {
        "normal" => Some("command"),
        "blank" => Some("noop"),
        "membership" => Some("configuration"),
        other => panic!("kind {other}"),
    }
}

/// Compares the entries of a group with the lines of its dump.
fn assert_entries(opened: &Opened, group: &GroupId, lines: &[&Value], name: &str) {
    let found = entries(opened, group);
    assert_eq!(found.len(), lines.len(), "{name}");
    for (entry, line) in found.iter().zip(lines) {
        let number = |field: &str| line[field].as_u64();
        assert_eq!(Some(entry.index.0), number("key"), "{name}");
        assert_eq!(Some(entry.index.0), number("index"), "{name}");
        assert_eq!(Some(entry.term.0), number("term"), "{name} at {}", entry.index);
        let value = value_of(opened, entry);
        if let Some(hex) = line["value_hex"].as_str() {
            assert_eq!(HEXLOWER.encode(&value), hex, "{name} at {}", entry.index);
        }
        if let Some(text) = line["value"].as_str() {
            assert_eq!(value, text.as_bytes(), "{name} at {}", entry.index);
        }
        if let Some(data) = line.get("data_b64") {
            let data = data.as_str().map(|text| BASE64.decode(text.as_bytes()).expect("base64"));
            assert_eq!(entry.payload_bytes(), data.unwrap_or_default(), "{name}");
        }
        if let Some(kind) = line.get("type") {
            assert_eq!(entry.kind_code.map(u64::from), kind.as_u64(), "{name}");
        }
        let says_kind = !matches!(name, "json-str" | "real-sorock-unclean");
        if let Some(kind) = kind_word_of(line).filter(|_| says_kind) {
            assert_eq!(entry.kind.as_str(), kind, "{name} at {}", entry.index);
        }
    }
}

fn kind_word_of(line: &Value) -> Option<&'static str> {
    line["kind"].as_str().and_then(|_| kind_word(line))
}

const FOUND: [(&str, &str, &str); 16] = [
    ("redb-real", "real-mocra-purged", "mocra"),
    ("redb-real", "real-nodedb-purged", "nodedb"),
    ("redb-real", "real-rivven-purged", "rivven"),
    ("redb-real", "real-tatara-full", "tatara"),
    ("redb-real", "real-tatara-purged", "tatara"),
    ("redb-real", "real-zlayer-full", "zlayer"),
    ("redb-schema", "json-object", "json-object"),
    ("redb-schema", "json-openraft", "openraft-json"),
    ("redb-schema", "json-openraft-std", "openraft-json-term"),
    ("redb-schema", "json-str", "json-object"),
    ("redb-schema", "protobuf-etcd", "raftpb"),
    ("redb-schema", "protobuf-tikv", "arrow"),
    ("redb-schema", "schema-arr8", "raft-log"),
    ("redb-schema", "schema-bytes", "raft-log"),
    ("redb-schema", "schema-names", "raft-log"),
    ("redb-schema", "schema-vec", "raft-log"),
];

#[test]
fn every_file_of_another_schema_is_found_by_proof_and_equals_its_dump() {
    for (archive, name, schema) in FOUND {
        let opened = opened(&support::redb(archive, name));
        assert_eq!(opened.store.profile().schema, schema, "{name}");
        let lines = support::expected(archive, name).expect("a dump");
        let live: Vec<&Value> = lines.iter().filter(|line| line.get("index").is_some()).collect();
        assert_eq!(opened.store.groups().expect("groups"), [GroupId::Unnamed], "{name}");
        assert_entries(&opened, &GroupId::Unnamed, &live, name);
        let checked = opened.store.check(Level::Full, &mut |_| ControlFlow::Continue(()));
        assert_eq!(checked.expect("check").faults, [], "{name}");
        assert!(opened.store.other_contents().is_empty(), "{name}");
        let stable = &state(&opened, &GroupId::Unnamed).stable;
        for line in lines.iter().filter(|line| line.get("value_hex").is_some()) {
            if let (None, Some(key)) = (line.get("index"), line["key"].as_str()) {
                let value = &stable[key.as_bytes()];
                assert_eq!(Some(&*HEXLOWER.encode(&value.bytes)), line["value_hex"].as_str());
            }
        }
    }
}

#[test]
fn shards_are_groups_and_the_server_that_lets_terms_fall_is_known_for_it() {
    let opened = opened(&support::redb("redb-real", "real-sorock-unclean"));
    assert_eq!(opened.store.profile().schema, "sorock");
    assert!(terms_may_fall(&state(&opened, &GroupId::named("0"))));
    let groups = opened.store.groups().expect("groups");
    let names: Vec<&str> = groups.iter().filter_map(GroupId::name).collect();
    assert_eq!(names, ["0", "1", "2", "3", "4"]);
    let lines = support::expected("redb-real", "real-sorock-unclean").expect("a dump");
    let mut by_table: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.get("index").is_some()) {
        by_table.entry(line["table"].as_str().expect("table")).or_default().push(line);
    }
    for group in &groups {
        let table = format!("log-{}", group.name().expect("named"));
        assert_entries(&opened, group, &by_table[table.as_str()], "real-sorock-unclean");
        let hard = state(&opened, group).hard;
        assert_eq!(hard.term, Some(Term(1)));
        let vote = hard.vote.expect("a vote");
        let Some(Candidate::Bytes(address)) = vote.candidate else { panic!("an address") };
        assert_eq!(&*address, b"http://127.0.0.1:50997/");
    }
}

/// Term, voted for, commit index, purged through, term of that.
type States = (Option<u64>, Option<u64>, Option<u64>, Option<(u64, u64)>);

#[test]
fn votes_commit_indexes_and_purged_prefixes_are_what_the_projects_wrote() {
    let wanted: [(&str, &str, States); 8] = [
        ("redb-real", "real-mocra-purged", (Some(6), Some(3), Some(198), Some((50, 1)))),
        ("redb-real", "real-rivven-purged", (Some(6), Some(3), Some(198), Some((50, 1)))),
        ("redb-real", "real-tatara-full", (Some(6), Some(3), None, None)),
        ("redb-real", "real-tatara-purged", (Some(6), Some(3), None, Some((50, 1)))),
        ("redb-real", "real-zlayer-full", (Some(6), Some(3), Some(198), None)),
        ("redb-real", "real-nodedb-purged", (Some(6), None, None, None)),
        ("redb-schema", "protobuf-etcd", (Some(7), Some(3), Some(80), None)),
        ("redb-schema", "protobuf-tikv", (Some(7), Some(3), Some(80), None)),
    ];
    for (archive, name, wanted) in wanted {
        let state = state(&opened(&support::redb(archive, name)), &GroupId::Unnamed);
        let vote = state.hard.vote.and_then(|vote| vote.candidate).map(|one| match one {
            Candidate::Id(id) => id,
            Candidate::Bytes(_) => panic!("a number"),
        });
        let commit = state.hard.commit.map(|index| index.0);
        let purged = state.compacted.map(|id| (id.index.0, id.term.0));
        let term = state.hard.term.map(|term| term.0);
        assert_eq!((term, vote, commit, purged), wanted, "{name}");
    }
    let hard = state(&opened(&support::redb("redb-schema", "json-object")), &GroupId::Unnamed).hard;
    let vote = hard.vote.expect("a vote");
    assert_eq!((hard.term, vote.term), (Some(Term(8)), Some(Term(8))));
    let Some(Candidate::Bytes(address)) = vote.candidate else { panic!("an address") };
    assert_eq!(&*address, b"10.0.0.2:8190");
    let path = support::redb("redb-real", "real-nodedb-purged");
    let snapshot = state(&opened(&path), &GroupId::Unnamed).snapshot.expect("a snapshot");
    assert_eq!((snapshot.index, snapshot.term), (LogIndex(60), Term(1)));
}

#[test]
fn the_newest_membership_is_shown_with_addresses() {
    for name in ["real-tatara-full", "real-zlayer-full"] {
        let path = support::redb("redb-real", name);
        let (code, out, err) =
            support::told(&support::raftlog(["inspect", "--json", path.to_str().expect("path")]));
        assert_eq!(code, 0, "{err}");
        let shown: Value = serde_json::from_str(&out).expect("JSON");
        let membership = &shown["result"]["groups"][0]["membership"];
        assert_eq!(membership["index"], 3, "{name}");
        let servers = membership["servers"].as_array().expect("servers");
        let addresses: Vec<&str> = servers.iter().filter_map(|s| s["address"].as_str()).collect();
        assert_eq!(addresses, ["127.0.0.1:21001", "127.0.0.1:21002", "127.0.0.1:21003"], "{name}");
    }
}

#[test]
fn index_zero_is_no_finding_where_openraft_wrote_it_and_verify_agrees_with_the_notes() {
    for (archive, name, exit) in [
        ("redb-real", "real-tatara-full", 0),
        ("redb-real", "real-zlayer-full", 0),
        ("redb-real", "real-mocra-purged", 0),
        ("redb-real", "real-nodedb-purged", 0),
        ("redb-schema", "json-openraft", 0),
        // Its configurations hold what its own program wrote, in no encoding of hashicorp/raft.
        ("redb-schema", "json-object", 0),
        ("redb-schema", "protobuf-etcd", 0),
        // Terms really go down: worth a warning.
        ("redb-real", "real-sorock-unclean", 3),
    ] {
        let path = support::redb(archive, name);
        let told = support::told(&support::raftlog(["verify", path.to_str().expect("path")]));
        assert_eq!(told.0, exit, "{name}: {}{}", told.1, told.2);
    }
}

#[test]
fn verify_finds_the_memberships_that_inspect_shows() {
    for (archive, name) in [
        ("redb-real", "real-tatara-full"),
        ("redb-real", "real-zlayer-full"),
        ("redb-schema", "json-openraft"),
    ] {
        let path = support::redb(archive, name);
        let path = path.to_str().expect("path");
        let (_, out, err) = support::told(&support::raftlog(["inspect", "--json", path]));
        let shown: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
        assert!(shown["result"]["groups"][0]["membership"].is_object(), "{name}");
        let fastlog = tempfile::tempdir().expect("directory");
        let copy = migrated(Path::new(path), fastlog.path(), "copy", "fastlog");
        for path in [path, copy.to_str().expect("path")] {
            let (code, out, err) = support::told(&support::raftlog(["verify", path]));
            assert_eq!(code, 0, "{path}: {out}{err}");
            assert!(!out.contains("R110"), "{path}: {out}");
        }
        let dry = ["migrate", "--dry-run", path, "to.fastlog", "--to", "fastlog"];
        let (code, out, err) = support::told(&support::raftlog(dry));
        assert_eq!(code, 0, "{name}: {out}{err}");
        assert!(!(out + &err).contains("R110"), "{name}");
    }
}

/// Makes a file with these tables, and a vote beside them for term 3.
fn made(path: &Path, tables: &[(&str, &Rows)]) {
    let tables: Vec<(&str, Rows)> = tables.iter().map(|(n, rows)| (*n, rows.to_vec())).collect();
    support::redb_made::made(path, &tables, &[("state", vec![("vote", vec![3, 1, 1])])]);
}

fn blanks(last: u64) -> Rows {
    (1..=last).map(|index| (index, vec![3, 1, u8::try_from(index).expect("small"), 0])).collect()
}

#[test]
fn an_encoding_that_describes_nothing_needs_a_vote_beside_it_and_a_name_proves_nothing() {
    let dir = tempfile::tempdir().expect("directory");
    for (rows, found) in [(1, true), (3, true), (8, true), (3, false), (8, false)] {
        let path = dir.path().join(format!("{rows}-{found}.redb"));
        match found {
            true => made(&path, &[("whatever", &blanks(rows))]),
            false => support::redb_made::made(&path, &[("whatever", blanks(rows))], &[]),
        }
        match opened_as(&path, RedbSchema::default()) {
            Ok(opened) => {
                assert!(found);
                assert_eq!(opened.store.profile().schema, "openraft-postcard");
            }
            Err(StoreError::NotFound { .. }) => assert!(!found, "{rows} rows"),
            Err(other) => panic!("{other}"),
        }
        // Told, it is taken.
        let codec = schemas::named("openraft-postcard").map(|schema| schema.codec);
        let logs_table = Some("whatever".to_owned());
        let told = RedbSchema { codec, logs_table, ..RedbSchema::default() };
        let opened = opened_as(&path, told).expect("as told");
        assert_eq!(entries(&opened, &GroupId::Unnamed).len() as u64, rows);
    }
    let path = dir.path().join("named.redb");
    let noise = (1..40u64).map(|key| (key, key.to_string().into_bytes())).collect::<Vec<_>>();
    made(&path, &[("raft_logs", &noise), ("logs", &noise)]);
    let refused = opened_as(&path, RedbSchema::default());
    assert!(matches!(refused, Err(StoreError::NotFound { .. })));
}

#[test]
fn two_logs_in_one_file_are_refused_until_one_is_named() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("two.redb");
    made(&path, &[("first", &blanks(9)), ("second", &blanks(7))]);
    let shown = path.to_str().expect("path");
    let (code, out, err) = support::told(&support::raftlog(["inspect", shown]));
    assert_eq!((code, out.as_str()), (12, ""), "{err}");
    for part in ["table first", "table second", "openraft-postcard", "--redb-logs-table"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let flags = ["--redb-logs-table", "second", "--redb-codec", "openraft-postcard"];
    let named = [&["inspect", "--json", shown], &flags[..]].concat();
    let (code, out, err) = support::told(&support::raftlog(named));
    assert_eq!(code, 0, "{err}");
    let shown: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(shown["result"]["groups"][0]["entries"], 7);
    assert_eq!(shown["result"]["other_contents"]["first"], 9);
}

#[test]
fn every_command_takes_being_told_where_the_log_lies() {
    let dir = tempfile::tempdir().expect("directory");
    let path = |name: &str| dir.path().join(name).to_str().expect("path").to_owned();
    let (one, other) = (path("two.redb"), path("twin.redb"));
    for file in [&one, &other] {
        made(Path::new(file), &[("first", &blanks(9)), ("second", &blanks(7))]);
    }
    let (archive, repaired) = (path("a.tar.gz"), path("repaired.redb"));
    let told = ["--redb-logs-table", "second", "--redb-codec", "openraft-postcard"];
    for command in [
        &["verify", &one][..],
        &["diff", &one, &other],
        &["compare", &one, &other],
        &["backup", &one, &archive],
        &["repair", &one, "--out", &repaired],
        &["simulate", &one, "--durability", "1", "--points", "3"],
    ] {
        let (code, _, err) = support::told(&support::raftlog(command));
        // Archives also keep what nobody can read; their verdict says so.
        assert!(code == 12 || command[0] == "backup", "{command:?}: {code} {err}");
        if command[0] == "backup" {
            std::fs::remove_file(&archive).expect("the archive without a verdict");
        }
        let told = [command, &told[..]].concat();
        let (code, out, err) = support::told(&support::raftlog(told));
        assert!(code == 0 || code == 3, "{command:?}: {code} {out}{err}");
    }
}

#[test]
fn tables_of_a_pattern_are_groups_and_raw_values_have_no_term() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("groups.redb");
    made(&path, &[("log.a", &blanks(9)), ("log.b", &blanks(7))]);
    let group_pattern = Some("log.{}".to_owned());
    let codec = Some(ValueCodec::Raw);
    let told = RedbSchema { group_pattern, codec, ..RedbSchema::default() };
    let opened = opened_as(&path, told).expect("as told");
    let groups = opened.store.groups().expect("groups");
    assert_eq!(groups, [GroupId::named("a"), GroupId::named("b")]);
    let found = entries(&opened, &GroupId::named("b"));
    assert_eq!((found.len(), found[0].term, found[0].kind), (7, Term(0), EntryKind::Command));
    assert_eq!(found[2].payload_bytes(), [3, 1, 3, 0]);
    assert!(!opened.store.profile().holds.terms);
}

#[test]
fn pairs_of_group_and_index_as_keys_are_groups_of_one_table() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("pairs.redb");
    let database = redb::Database::create(&path).expect("create");
    let transaction = database.begin_write().expect("begin");
    {
        let definition = redb::TableDefinition::<(u64, u64), &[u8]>::new("entries");
        let mut table = transaction.open_table(definition).expect("table");
        for group in [2u64, 300, 1 << 40] {
            for index in 5..400u64 {
                let leader = format!("{{\"term\":{group},\"node_id\":1}}");
                let id = format!("{{\"leader_id\":{leader},\"index\":{index}}}");
                let text = format!("{{\"log_id\":{id},\"payload\":\"Blank\"}}");
                table.insert((group, index), text.as_bytes()).expect("row");
            }
        }
    }
    transaction.commit().expect("commit");
    drop(database);
    let opened = opened(&path);
    let groups = opened.store.groups().expect("groups");
    let names: Vec<&str> = groups.iter().filter_map(GroupId::name).collect();
    assert_eq!(names, ["1099511627776", "2", "300"]);
    for group in &groups {
        let found = entries(&opened, group);
        assert_eq!(found.len(), 395);
        assert_eq!(found[0].term.0.to_string(), group.name().expect("named"));
        let bounds = state(&opened, group).bounds.expect("bounds");
        assert_eq!((bounds.first(), bounds.last()), (LogIndex(5), LogIndex(399)));
        let range = IndexRange::new(LogIndex(100), LogIndex(102)).expect("range");
        let some = opened.store.entries(group, range).expect("entries");
        assert_eq!(some.filter_map(Result::ok).count(), 3);
    }
    let checked = opened.store.check(Level::Full, &mut |_| ControlFlow::Continue(()));
    assert!(checked.expect("check").faults.iter().all(|fault| fault.code != Code::R119));
}

/// Migrates through the real binary and gives the target.
fn migrated(from: &Path, dir: &Path, name: &str, to: &str) -> std::path::PathBuf {
    let target = dir.join(name);
    let (from, into) = (from.to_str().expect("path"), target.to_str().expect("path"));
    let (code, out, err) =
        support::told(&support::raftlog(["migrate", from, into, "--to", to, "--quiet"]));
    // 3: something in the source is worth a look.
    assert!(code == 0 || code == 3, "{from} to {to}: {code}\n{out}{err}");
    target
}

/// Every row of every log table of a file, and the state beside it, by group.
fn everything(opened: &Opened) -> BTreeMap<GroupId, (LogState, Rows)> {
    let groups = opened.store.groups().expect("groups").into_iter();
    let all = groups.map(|group| {
        let values = entries(opened, &group);
        let rows = values.iter().map(|entry| (entry.index.0, value_of(opened, entry))).collect();
        (group.clone(), (state(opened, &group), rows))
    });
    all.collect()
}

#[test]
fn every_file_comes_back_from_fastlog_in_its_own_schema_with_identical_values() {
    let dir = tempfile::tempdir().expect("directory");
    let all = FOUND.into_iter().chain([("redb-real", "real-sorock-unclean", "sorock")]);
    for (archive, name, schema) in all {
        let path = support::redb(archive, name);
        let fastlog = migrated(&path, dir.path(), &format!("{name}.fastlog"), "fastlog");
        let back = migrated(&fastlog, dir.path(), &format!("{name}.redb"), "redb");
        let straight = migrated(&path, dir.path(), &format!("{name}.straight.redb"), "redb");
        let source = opened(&path);
        for copy in [back, straight] {
            let copy = opened(&copy);
            assert_eq!(copy.store.profile().schema, schema, "{name}");
            assert_eq!(everything(&source), everything(&copy), "{name}");
            let checked = copy.store.check(Level::Full, &mut |_| ControlFlow::Continue(()));
            assert_eq!(checked.expect("check").faults, [], "{name}");
        }
    }
}

#[test]
fn the_package_of_the_project_finds_its_own_tables_in_what_was_written_back() {
    let dir = tempfile::tempdir().expect("directory");
    let path = support::redb("redb-real", "real-mocra-purged");
    let fastlog = migrated(&path, dir.path(), "mocra.fastlog", "fastlog");
    let back = migrated(&fastlog, dir.path(), "mocra.redb", "redb");
    // The crate links redb 2, and so the target is file format 2 unless something else is said.
    let rows = |path: &Path| -> Rows {
        let copy = dir.path().join("opened.redb");
        std::fs::copy(path, &copy).expect("copy");
        let database = redb2::Database::open(&copy).expect("redb 2 opens it");
        let transaction = database.begin_read().expect("begin");
        let definition = redb2::TableDefinition::<u64, &[u8]>::new("raft_logs");
        let table = transaction.open_table(definition).expect("table");
        let rows = redb2::ReadableTable::iter(&table).expect("rows");
        rows.map(|row| row.expect("row")).map(|(k, v)| (k.value(), v.value().to_vec())).collect()
    };
    let meta = |path: &Path| -> Vec<(String, Vec<u8>)> {
        let copy = dir.path().join("opened.redb");
        std::fs::copy(path, &copy).expect("copy");
        let database = redb2::Database::open(&copy).expect("redb 2 opens it");
        let transaction = database.begin_read().expect("begin");
        let definition = redb2::TableDefinition::<&str, &[u8]>::new("raft_meta");
        let table = transaction.open_table(definition).expect("table");
        let rows = redb2::ReadableTable::iter(&table).expect("rows");
        let owned = |(k, v): (redb2::AccessGuard<&str>, redb2::AccessGuard<&[u8]>)| {
            (k.value().to_owned(), v.value().to_vec())
        };
        rows.map(|row| owned(row.expect("row"))).collect()
    };
    assert_eq!(rows(&path).len(), 150);
    assert_eq!(rows(&path), rows(&back));
    assert_eq!(meta(&path), meta(&back));
}

#[test]
fn a_log_of_another_program_is_not_written_into_a_projects_tables() {
    let dir = tempfile::tempdir().expect("directory");
    let path = support::redb("redb-basic", "format-v2");
    let (from, into) = (path.to_str().expect("path"), dir.path().join("x.redb"));
    let fastlog = migrated(Path::new(from), dir.path(), "x.fastlog", "fastlog");
    let arguments = [
        "migrate".as_ref(),
        fastlog.as_os_str(),
        into.as_os_str(),
        "--to".as_ref(),
        "redb".as_ref(),
        "--redb-schema".as_ref(),
        "mocra".as_ref(),
        "--allow-loss".as_ref(),
        "appended-at".as_ref(),
    ];
    let (code, out, err) = support::told(&support::raftlog(arguments));
    assert_eq!(code, 12, "{out}{err}");
    assert!(err.contains("only takes logs that were read in it"), "{err}");
    assert!(!into.exists());
}

#[test]
fn other_tables_are_counted_and_a_loss_by_name() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("with-others.redb");
    let others = (1..5u64).map(|key| (key * 7, b"unrelated".to_vec())).collect::<Vec<_>>();
    made(&path, &[("log_entries_of_mine", &blanks(9)), ("users", &others)]);
    let target = dir.path().join("x.fastlog");
    let arguments = ["migrate", "--to", "fastlog", path.to_str().expect("path")];
    let into = target.to_str().expect("path");
    let (code, _, err) = support::told(&support::raftlog(arguments.into_iter().chain([into])));
    assert_eq!(code, 12, "{err}");
    assert!(err.contains("other-tables"), "{err}");
    let accepted = ["--allow-loss", "other-tables", into];
    let (code, out, err) = support::told(&support::raftlog(arguments.into_iter().chain(accepted)));
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn a_file_a_group_in_one_directory_are_groups_of_one_store() {
    let dir = tempfile::tempdir().expect("directory");
    let path = support::redb("redb-real", "real-nodedb-purged");
    for number in [1, 7, 12] {
        let copy = dir.path().join(format!("group-{number}.redb"));
        std::fs::copy(&path, copy).expect("copy");
    }
    let one = opened(&path);
    let all = opened(dir.path());
    assert_eq!(all.store.profile().schema, "nodedb");
    assert_eq!(all.store.files().len(), 3);
    let groups = all.store.groups().expect("groups");
    let names: Vec<&str> = groups.iter().filter_map(GroupId::name).collect();
    assert_eq!(names, ["1", "12", "7"]);
    for group in &groups {
        assert_eq!(entries(&all, group), entries(&one, &GroupId::Unnamed));
        // That it is a file of several is all that is noted of it.
        let of_all = LogState { note: Default::default(), ..state(&all, group) };
        assert_eq!(of_all, state(&one, &GroupId::Unnamed));
    }
    let check = |opened: &Opened| {
        let checked = opened.store.check(Level::Full, &mut |_| ControlFlow::Continue(()));
        checked.expect("check").checked_bytes
    };
    assert_eq!(check(&all), 3 * check(&one));
    // Any of them can still be named alone, and a damaged one is told apart.
    let damaged = dir.path().join("group-7.redb");
    let mut bytes = std::fs::read(&damaged).expect("copy");
    let first = one.store.entries(&GroupId::Unnamed, IndexRange::ALL).expect("entries").next();
    let place = first.expect("an entry").expect("sound").place.expect("a place");
    bytes[usize::try_from(place.offset_bytes).expect("small")] ^= 1;
    std::fs::write(&damaged, bytes).expect("damage");
    let all = opened(dir.path());
    let checked = all.store.check(Level::Full, &mut |_| ControlFlow::Continue(()));
    let faults = checked.expect("check").faults;
    assert!(!faults.is_empty());
    assert!(faults.iter().all(|fault| fault.group == Some(GroupId::named("7"))), "{faults:?}");
}
