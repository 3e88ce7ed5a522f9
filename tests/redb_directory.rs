//! A directory with a redb file for each group: as a source, as a target, and broken.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::redb_made::{Rows, file_format, made, made_in_format_2, openraft_json};

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Runs the real binary, which must end with one of these codes; gives what it printed and told.
fn ended(codes: &[i32], arguments: &[&str]) -> (String, String) {
    let (code, out, err) = support::told(&support::raftlog(arguments));
    assert!(codes.contains(&code), "{arguments:?}: {code}\n{out}{err}");
    (out, err)
}

fn result(codes: &[i32], arguments: &[&str]) -> Value {
    let (out, err) = ended(codes, &[arguments, &["--json"]].concat());
    let shown: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    shown["result"].clone()
}

/// Three groups as nodedb keeps them: copies of what it wrote, one of them without a byte yet.
fn nodedb(dir: &Path) -> PathBuf {
    let raft = dir.join("raft");
    std::fs::create_dir(&raft).expect("directory");
    let path = support::redb("redb-real", "real-nodedb-purged");
    for number in [1, 7, 12] {
        std::fs::copy(&path, raft.join(format!("group-{number}.redb"))).expect("copy");
    }
    raft
}

type Contents = BTreeMap<String, (Vec<(Vec<u8>, Vec<u8>)>, Vec<(String, Vec<u8>)>)>;

/// Every row of every file of a directory, as redb 2 itself reads them.
fn contents(dir: &Path) -> Contents {
    let mut all = Contents::new();
    for file in std::fs::read_dir(dir).expect("directory") {
        let path = file.expect("file").path();
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        let scratch = tempfile::tempdir().expect("directory");
        let copy = scratch.path().join("copy.redb");
        std::fs::copy(&path, &copy).expect("copy");
        let database = redb2::Database::open(&copy).expect("redb 2 opens it");
        let transaction = database.begin_read().expect("begin");
        let definition = redb2::TableDefinition::<&[u8], &[u8]>::new("raft.entries");
        let table = transaction.open_table(definition).expect("entries");
        let rows = redb2::ReadableTable::iter(&table).expect("rows").map(|row| {
            let (key, value) = row.expect("row");
            (key.value().to_vec(), value.value().to_vec())
        });
        let entries = rows.collect();
        let definition = redb2::TableDefinition::<&str, &[u8]>::new("raft.meta");
        let table = transaction.open_table(definition).expect("meta");
        let rows = redb2::ReadableTable::iter(&table).expect("rows").map(|row| {
            let (key, value) = row.expect("row");
            (key.value().to_owned(), value.value().to_vec())
        });
        all.insert(name, (entries, rows.collect()));
    }
    all
}

#[test]
fn a_directory_goes_to_fastlog_and_back_and_straight_with_every_file_and_byte() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let before = contents(&raft);
    assert_eq!(before["group-7.redb"].0.len(), 240);
    let fastlog = dir.path().join("raft.fastlog");
    ended(&[0], &["migrate", text(&raft), text(&fastlog), "--to", "fastlog"]);
    for (from, into) in [(&fastlog, "back"), (&raft, "straight")] {
        let into = dir.path().join(into);
        let copied = result(&[0], &["migrate", text(from), text(&into), "--to", "redb"]);
        assert_eq!(copied["copied"]["files"], 3, "{copied}");
        assert_eq!(contents(&into), before);
        assert_eq!(file_format(&into.join("group-12.redb")), 2);
        ended(&[0], &["verify", "--strict", text(&into)]);
        ended(&[0], &["diff", text(&raft), text(&into)]);
        assert!(!dir.path().join("back.partial").exists());
    }
}

#[test]
fn one_group_of_a_directory_is_a_directory_too_and_is_read_by_its_pattern() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let into = dir.path().join("one");
    let flags = ["migrate", text(&raft), text(&into), "--to", "redb", "--group", "7"];
    let (_, err) = ended(&[0], &flags);
    let names: Vec<_> = contents(&into).into_keys().collect();
    assert_eq!(names, ["group-7.redb"]);
    assert!(err.contains("--redb-file-pattern 'group-{}.redb'"), "{err}");
    let shown = result(&[0], &["inspect", text(&into), "--redb-file-pattern", "group-{}.redb"]);
    assert_eq!(shown["groups"][0]["group"], "7");
    assert_eq!(shown["groups"].as_array().expect("groups").len(), 1);
}

#[test]
fn nothing_stands_under_the_name_of_a_directory_that_could_not_be_written() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let into = dir.path().join("into");
    // A dry run plans a directory, and a loss that is not accepted stops it.
    let plan = result(&[0], &["migrate", "--dry-run", text(&raft), text(&into), "--to", "redb"]);
    assert_eq!(plan["plan"]["groups"].as_array().expect("groups").len(), 3);
    let flags = ["migrate", text(&raft), text(&into), "--to", "redb", "--redb-schema", "mocra"];
    ended(&[10, 12], &flags);
    assert!(!into.exists() && !dir.path().join("into.partial").exists());
    // What is there already is never written over.
    std::fs::create_dir(&into).expect("directory");
    std::fs::write(into.join("x"), "x").expect("file");
    ended(&[12], &["migrate", text(&raft), text(&into), "--to", "redb"]);
    assert_eq!(std::fs::read_dir(&into).expect("directory").count(), 1);
}

#[test]
fn copies_and_other_files_of_the_directory_are_named_and_left_out() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let seven = raft.join("group-7.redb");
    for copy in ["group-7.redb.bak", "group-7.bak"] {
        std::fs::copy(&seven, raft.join(copy)).expect("copy");
    }
    std::fs::copy(support::redb("redb-schema", "not-raft"), raft.join("state.redb")).expect("copy");
    std::fs::write(raft.join("README"), "these are logs\n").expect("file");
    let shown = result(&[3], &["inspect", text(&raft)]);
    let groups = shown["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 3, "{shown}");
    let others = shown["other_contents"].as_object().expect("others");
    assert!(!others.is_empty() && others.keys().all(|name| name.starts_with("state.redb/")));
    let into = dir.path().join("into");
    let migrate = ["migrate", text(&raft), text(&into), "--to", "redb", "--verbose"];
    let repaired = dir.path().join("repaired");
    let allowed = [&migrate[..], &["--allow-loss", "other-tables"]].concat();
    for flags in [
        &["inspect", text(&raft)][..],
        &["verify", text(&raft)],
        &allowed,
        &["repair", text(&raft), "--out", text(&repaired)],
    ] {
        let (out, err) = ended(&[3], flags);
        for name in ["group-7.redb.bak", "group-7.bak", "state.redb"] {
            let told = out.matches(&format!("{name}: ")).count();
            assert_eq!(told, 1, "{name} in {flags:?}: {out}{err}");
        }
    }
    assert_eq!(contents(&into), contents(&repaired));
    std::fs::remove_dir_all(&into).expect("remove");
    let (_, err) = ended(&[12], &migrate);
    assert!(err.contains("3 files are no part of it"), "{err}");
    assert!(err.contains("other-tables"), "{err}");
}

#[test]
fn a_second_log_in_the_directory_is_a_second_reading() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let other = support::redb("redb-real", "real-mocra-purged");
    std::fs::copy(other, raft.join("other.redb")).expect("copy");
    let (_, err) = ended(&[12], &["inspect", text(&raft)]);
    assert!(err.contains("other.redb") && err.contains("--redb-file-pattern"), "{err}");
    let flags = ["inspect", text(&raft), "--redb-file-pattern", "group-{}.redb"];
    assert_eq!(result(&[3], &flags)["groups"].as_array().expect("groups").len(), 3);
    // Names without a number are groups where that is said.
    let named = dir.path().join("named");
    std::fs::create_dir(&named).expect("directory");
    for name in ["eu.redb", "us.redb"] {
        std::fs::copy(raft.join("group-1.redb"), named.join(name)).expect("copy");
    }
    let (_, err) = ended(&[12], &["inspect", text(&named)]);
    assert!(err.contains("--redb-file-pattern"), "{err}");
    let flags = ["inspect", text(&named), "--redb-file-pattern", "{}.redb"];
    let shown = result(&[0], &flags);
    assert_eq!(shown["groups"][0]["group"], "eu");
    assert_eq!(shown["groups"][1]["group"], "us");
}

#[test]
fn a_group_without_a_byte_or_a_row_is_a_group_without_entries() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    std::fs::write(raft.join("group-2.redb"), "").expect("file");
    let made = redb2::Database::create(raft.join("group-3.redb")).expect("a database");
    drop(made);
    let shown = result(&[0], &["inspect", text(&raft)]);
    let groups = shown["groups"].as_array().expect("groups");
    let entries = |name: &str| {
        let found = groups.iter().find(|group| group["group"] == name);
        found.unwrap_or_else(|| panic!("{name}: {shown}"))["entries"].clone()
    };
    assert_eq!((entries("2"), entries("3"), entries("7")), (0.into(), 0.into(), 240.into()));
    let (out, err) = ended(&[0], &["verify", text(&raft)]);
    assert!(out.contains("group-2.redb") || out.contains("empty file"), "{out}{err}");
    let fastlog = dir.path().join("raft.fastlog");
    ended(&[0], &["migrate", text(&raft), text(&fastlog), "--to", "fastlog"]);
    let back = dir.path().join("back");
    ended(&[0], &["migrate", text(&fastlog), text(&back), "--to", "redb"]);
    let back = contents(&back);
    assert_eq!(back.len(), 5);
    assert!(back["group-2.redb"].0.is_empty() && back["group-3.redb"].1.is_empty());
    assert_eq!(back["group-12.redb"].0.len(), 240);
}

#[test]
fn files_of_two_formats_and_of_tables_of_any_name_come_back_as_they_were() {
    let dir = tempfile::tempdir().expect("directory");
    let shards = dir.path().join("shards");
    std::fs::create_dir(&shards).expect("directory");
    let log = |last| -> [(&str, Rows); 1] { [("my_log", openraft_json(last))] };
    made(&shards.join("shard_1.db"), &log(30), &[]);
    made_in_format_2(&shards.join("shard_2.db"), &log(20), &[]);
    let fastlog = dir.path().join("x.fastlog");
    ended(&[0], &["migrate", text(&shards), text(&fastlog), "--to", "fastlog"]);
    let back = dir.path().join("back");
    ended(&[0], &["migrate", text(&fastlog), text(&back), "--to", "redb"]);
    assert_eq!(file_format(&back.join("shard_1.db")), 3);
    assert_eq!(file_format(&back.join("shard_2.db")), 2);
    ended(&[0], &["diff", text(&shards), text(&back)]);
    let all_3 = dir.path().join("all-3");
    let flags = ["migrate", text(&fastlog), text(&all_3), "--to", "redb", "--redb-format", "3"];
    ended(&[0], &flags);
    assert_eq!(file_format(&all_3.join("shard_2.db")), 3);
}

/// Changes bytes of a file.
fn broken(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("file");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("broken");
}

#[test]
fn a_directory_is_repaired_file_by_file_and_what_is_lost_is_said() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let sound = contents(&raft);
    let into = dir.path().join("whole");
    let whole = result(&[0], &["repair", text(&raft), "--out", text(&into)]);
    assert_eq!(whole["entries"], 720);
    assert_eq!(contents(&into), sound);
    // A page of one file, and the header of another.
    broken(&raft.join("group-7.redb"), |bytes| {
        let at = (0..bytes.len() / 4096).rev().find(|page| bytes[page * 4096] == 1);
        bytes[at.expect("a leaf") * 4096 + 100] ^= 1;
    });
    broken(&raft.join("group-12.redb"), |bytes| bytes[..4096].fill(0));
    let (out, err) = ended(&[1], &["verify", text(&raft)]);
    assert!((out.clone() + &err).contains("raftlog repair"), "{out}{err}");
    let into = dir.path().join("repaired");
    let found = result(&[4], &["repair", text(&raft), "--out", text(&into)]);
    assert_eq!(found["state"], "lost", "{found}");
    let told = found["dropped"].to_string();
    assert!(told.contains("group-12.redb"), "{told}");
    let repaired = contents(&into);
    assert_eq!(repaired.len(), 3);
    assert_eq!(repaired["group-1.redb"], sound["group-1.redb"]);
    assert!(repaired["group-12.redb"].0.is_empty());
    let text = ended(&[4], &["repair", text(&raft), "--out", text(&dir.path().join("again"))]).0;
    assert!(text.contains("group 12: term and vote are lost"), "{text}");
    assert!(text.contains("missing    group 12: perhaps entries behind the last"), "{text}");
    let by_group = |name: &str| {
        let groups = found["groups"].as_array().expect("groups");
        groups.iter().find(|one| one["group"] == name).expect("the group").clone()
    };
    assert_eq!(
        (&by_group("1")["entries"], &by_group("1")["state"]),
        (&240.into(), &"newest".into())
    );
    assert_eq!(by_group("12")["state"], "lost");
    let seven = &repaired["group-7.redb"].0;
    assert!(seven.iter().all(|row| sound["group-7.redb"].0.contains(row)));
    assert_eq!(found["entries"], (240 + seven.len()) as u64);
}

#[test]
fn what_a_snapshot_covers_is_judged_group_by_group() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let first = |path: &Path| {
        let (out, _) = ended(&[0], &["inspect", "--entries", "--format", "jsonl", text(path)]);
        let line: Value =
            serde_json::from_str(out.lines().nth(1).expect("an entry")).expect("JSON");
        let at = line["place"]["offset_bytes"].as_u64().expect("a place");
        (line["index"].as_u64().expect("an index"), usize::try_from(at).expect("small"))
    };
    let (index, at) = first(&raft.join("group-7.redb"));
    broken(&raft.join("group-7.redb"), |bytes| bytes[at + 2] ^= 0xff);
    let out = |name: &str| dir.path().join(name);
    for (source, name) in [(raft.join("group-7.redb"), "alone"), (raft.clone(), "all")] {
        let said = result(&[4], &["repair", text(&source), "--out", text(&out(name))]);
        assert_eq!(said["open_begin"], true, "{said}");
        assert_eq!(said["covered_by_snapshot"], false, "{said}");
        let lowest = said["first_index"].as_u64().expect("an index");
        assert_eq!(lowest == index, name == "all", "{said}");
        let groups = said["groups"].as_array().expect("groups").iter();
        let open = groups.filter(|one| one["open_begin"] == true).map(|one| one["group"].clone());
        let wanted = if name == "all" { Value::from("7") } else { Value::Null };
        assert_eq!(open.collect::<Vec<_>>(), [wanted], "{said}");
    }
}

/// The hint of an error.
fn hint(err: &str) -> String {
    let line = err.lines().find_map(|line| line.trim_start().strip_prefix("hint:"));
    line.unwrap_or_else(|| panic!("{err}")).trim().to_owned()
}

#[test]
fn numbered_copies_of_a_projects_one_file_are_no_groups() {
    let dir = tempfile::tempdir().expect("directory");
    let node = dir.path().join("node");
    std::fs::create_dir(&node).expect("directory");
    for name in ["raft.1.redb", "raft.2.redb", "raft-backup.redb"] {
        let mocra = support::redb("redb-real", "real-mocra-purged");
        std::fs::copy(mocra, node.join(name)).expect("copy");
        let files = std::fs::read_dir(&node).expect("directory").count();
        let (out, err) = ended(&[if files == 1 { 0 } else { 12 }], &["inspect", text(&node)]);
        assert!(files == 1 || out.is_empty() && err.contains(name), "{out}{err}");
        assert!(files == 1 || hint(&err) == "give the path of the one you mean", "{err}");
    }
    // Who says that they are groups is believed, and told so on.
    let into = dir.path().join("into");
    let told = ["--redb-file-pattern", "raft.{}.redb"];
    let migrate = ["migrate", text(&node), text(&into), "--to", "redb", "--quiet"];
    ended(&[0, 3], &[&migrate[..], &told].concat());
    ended(&[0], &[&["verify", text(&into)][..], &told].concat());
}

#[test]
fn the_pattern_of_a_hint_leads_on() {
    let dir = tempfile::tempdir().expect("directory");
    let nodedb = || support::redb("redb-real", "real-nodedb-purged");
    let mocra = || support::redb("redb-real", "real-mocra-purged");
    let cases = [
        ("names", vec![("eu.redb", nodedb()), ("us.redb", nodedb())], Some("{}.redb")),
        (
            "family",
            vec![("g-1.redb", nodedb()), ("g-2.redb", nodedb()), ("x.redb", mocra())],
            Some("g-{}.redb"),
        ),
        ("schemas", vec![("eu.redb", nodedb()), ("us.redb", mocra())], None),
        ("places", vec![("a/x.redb", nodedb()), ("b/x.redb", nodedb())], None),
    ];
    for (name, files, pattern) in cases {
        let data = dir.path().join(name);
        for (file, source) in files {
            let path = data.join(file);
            std::fs::create_dir_all(path.parent().expect("directory")).expect("directory");
            std::fs::copy(source, path).expect("copy");
        }
        let (_, err) = ended(&[12], &["inspect", text(&data)]);
        match pattern {
            Some(pattern) => {
                assert!(hint(&err).ends_with(&format!("--redb-file-pattern '{pattern}'")), "{err}");
                let (out, _) =
                    ended(&[0, 3], &["inspect", text(&data), "--redb-file-pattern", pattern]);
                assert!(out.contains("2"), "{out}");
            }
            None => assert_eq!(hint(&err), "give the path of the one you mean", "{err}"),
        }
    }
}

#[test]
fn a_groups_file_that_is_a_link_is_followed_and_one_that_leads_nowhere_is_named() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let elsewhere = dir.path().join("elsewhere.redb");
    std::fs::rename(raft.join("group-7.redb"), &elsewhere).expect("rename");
    std::os::unix::fs::symlink(&elsewhere, raft.join("group-7.redb")).expect("link");
    // A second name of a file that is there is no second group.
    std::os::unix::fs::symlink("group-1.redb", raft.join("current.redb")).expect("link");
    let groups = |codes: &[i32]| {
        let shown = result(codes, &["inspect", text(&raft)]);
        let groups = shown["groups"].as_array().expect("groups").iter();
        groups.map(|one| one["group"].as_str().expect("name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(groups(&[0]), ["1", "12", "7"]);
    std::fs::remove_file(&elsewhere).expect("remove");
    assert_eq!(groups(&[3]), ["1", "12"]);
    for command in ["inspect", "verify"] {
        let (out, err) = ended(&[3], &[command, text(&raft)]);
        assert!(out.contains("R117") && out.contains("leads nowhere"), "{out}{err}");
    }
}

#[test]
fn a_file_of_a_format_that_is_not_read_is_no_empty_group_for_repair() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let old = support::redb("redb-basic", "format-v1");
    let out = dir.path().join("out");
    ended(&[15], &["repair", text(&old), "--out", text(&out)]);
    std::fs::copy(old, raft.join("group-7.redb")).expect("copy");
    ended(&[15], &["inspect", text(&raft)]);
    ended(&[15], &["repair", text(&raft), "--out", text(&out)]);
    assert!(!out.exists());
}

#[test]
fn a_plan_refuses_what_a_run_refuses() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let mocra = support::redb("redb-real", "real-mocra-purged");
    let into = dir.path().join("into.redb");
    for (source, schema) in [(&mocra, "zlayer"), (&mocra, "sorock"), (&raft, "sorock")] {
        let flags = ["migrate", text(source), text(&into), "--to", "redb"];
        let flags = [&flags[..], &["--to-redb-schema", schema]].concat();
        let (out, planned) = ended(&[12], &[&flags[..], &["--dry-run"]].concat());
        let (_, refused) = ended(&[12], &flags);
        assert_eq!((out.as_str(), planned), ("", refused), "{schema}");
    }
    assert!(!into.exists());
}

#[test]
fn another_programs_file_is_no_group_that_lost_everything() {
    let dir = tempfile::tempdir().expect("directory");
    let raft = nodedb(dir.path());
    let other = support::redb("redb-schema", "not-raft");
    std::fs::copy(other, raft.join("group-7.redb")).expect("copy");
    ended(&[10], &["inspect", text(&raft)]);
    let out = dir.path().join("out");
    ended(&[10], &["repair", text(&raft), "--out", text(&out)]);
    assert!(!out.exists());
}
