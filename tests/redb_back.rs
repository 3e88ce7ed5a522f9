//! The way back into redb: the file format, the tables and the files in which a log was read.
#![allow(clippy::disallowed_methods)]

mod support;

use std::path::{Path, PathBuf};

use support::redb_made::{file_format, made, made_in_format_2, openraft_json};

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Runs the real binary, which must do it; gives what it printed and told.
fn done(arguments: &[&str]) -> (String, String) {
    let (code, out, err) = support::told(&support::raftlog(arguments));
    // 3: something in the source is worth a look.
    assert!(code == 0 || code == 3, "{arguments:?}: {code}\n{out}{err}");
    (out, err)
}

fn migrated(from: &Path, into: PathBuf, to: &str, flags: &[&str]) -> PathBuf {
    done(&[&["migrate", text(from), text(&into), "--to", to, "--quiet"], flags].concat());
    done(&["diff", text(from), text(&into)]);
    into
}

#[test]
fn a_log_comes_back_in_the_file_format_that_it_was_read_in() {
    let dir = tempfile::tempdir().expect("directory");
    let in_dir = |name: &str| dir.path().join(name);
    let (any_2, any_3) = (in_dir("any-2.redb"), in_dir("any-3.redb"));
    made_in_format_2(&any_2, &[("my_log", openraft_json(40))], &[]);
    made(&any_3, &[("my_log", openraft_json(40))], &[]);
    for (path, format) in [
        (any_2, 2),
        (any_3, 3),
        (support::redb("redb-basic", "v2-synth"), 2),
        (support::redb("redb-basic", "synth"), 3),
        (support::redb("redb-real", "real-mocra-purged"), 2),
        (support::redb("redb-real", "real-tatara-full"), 3),
    ] {
        let name = path.file_stem().expect("name").to_string_lossy().into_owned();
        assert_eq!(file_format(&path), format, "{name}");
        let fastlog = migrated(&path, in_dir(&format!("{name}.fastlog")), "fastlog", &[]);
        let back = migrated(&fastlog, in_dir(&format!("{name}.back")), "redb", &[]);
        let straight = migrated(&path, in_dir(&format!("{name}.straight")), "redb", &[]);
        assert_eq!((file_format(&back), file_format(&straight)), (format, format), "{name}");
        // Said otherwise, it is otherwise, and that is remembered too.
        let (other, number) = if format == 2 { ("3", 3) } else { ("2", 2) };
        let flags = ["--redb-format", other];
        let turned = migrated(&fastlog, in_dir(&format!("{name}.turned")), "redb", &flags);
        assert_eq!(file_format(&turned), number, "{name}");
        let again = migrated(&turned, in_dir(&format!("{name}.again")), "fastlog", &[]);
        let again = migrated(&again, in_dir(&format!("{name}.once-more")), "redb", &[]);
        assert_eq!(file_format(&again), number, "{name}");
    }
}

#[test]
fn the_file_format_is_no_loss_where_no_redb_file_is_written() {
    let dir = tempfile::tempdir().expect("directory");
    let path = support::redb("redb-twins", "twin-v2");
    for name in ["v2-synth", "format-v2"] {
        let path = support::redb("redb-basic", name);
        let bolt = migrated(&path, dir.path().join(format!("{name}.db")), "boltdb", &[]);
        let back = dir.path().join(format!("{name}.redb"));
        migrated(&bolt, back.clone(), "redb", &["--redb-format", "2"]);
        assert_eq!(file_format(&back), 2);
    }
    migrated(&path, dir.path().join("twin.db"), "boltdb", &[]);
}

#[test]
fn what_was_told_of_a_file_is_told_again_by_every_next_line() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("two.redb");
    made(&path, &[("my log", openraft_json(9)), ("hers", openraft_json(8))], &[]);
    let flags = ["--redb-logs-table", "my log", "--redb-codec", "openraft-json"];
    let told = " --redb-logs-table 'my log' --redb-codec openraft-json";
    let (_, err) = done(&[&["inspect", text(&path)], &flags[..]].concat());
    assert!(err.contains(&format!("raftlog verify {}{told}", path.display())), "{err}");
    let into = dir.path().join("into.redb");
    let others = ["--allow-loss", "other-tables"];
    let migrate = ["migrate", text(&path), text(&into), "--to", "redb"];
    let (_, err) = done(&[&migrate[..], &others, &flags].concat());
    for next in ["verify", "diff"] {
        let line = err.lines().find(|line| line.contains(&format!("raftlog {next}")));
        assert!(line.is_some_and(|line| line.ends_with(told)), "{next}: {err}");
    }
    // The lines run as they stand.
    done(&[&["diff", text(&path), text(&into)], &flags[..]].concat());
    // A damaged copy leads to `repair` with the same words.
    let mut bytes = std::fs::read(&path).expect("file");
    let at = bytes.windows(9).position(|part| part == b"{\"set\":5}").expect("an entry");
    bytes[at + 7] ^= 1;
    let broken = dir.path().join("broken.redb");
    std::fs::write(&broken, bytes).expect("file");
    let (code, out, err) =
        support::told(&support::raftlog([&["verify", text(&broken)], &flags[..]].concat()));
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("raftlog repair") && err.contains(told), "{err}");
}

#[test]
fn the_schema_of_the_source_and_that_of_the_target_are_told_apart() {
    let dir = tempfile::tempdir().expect("directory");
    let path = support::redb("redb-schema", "schema-names");
    let into = dir.path().join("into.redb");
    let source = ["--redb-logs-table", "raft_logs", "--redb-codec", "raft-log"];
    let target = ["--to-redb-schema", "raft-boltdb", "--allow-loss", "unknown-fields"];
    let command = ["migrate", text(&path), text(&into), "--to", "redb"];
    let (_, err) = done(&[&command[..], &source, &target].concat());
    assert!(!err.contains("--redb-logs-table"), "{err}");
    let (out, _) = done(&["inspect", "--json", text(&into)]);
    assert!(out.contains("table logs: u64"), "{out}");
    // Where the source is none of redb, its flag is the target's.
    let fastlog = migrated(&path, dir.path().join("x.fastlog"), "fastlog", &[]);
    let other = dir.path().join("other.redb");
    let command = ["migrate", text(&fastlog), text(&other), "--to", "redb"];
    let flags = ["--redb-schema", "raft-boltdb", "--allow-loss", "unknown-fields"];
    done(&[&command[..], &flags].concat());
    let (out, _) = done(&["inspect", "--json", text(&other)]);
    assert!(out.contains("table logs: u64"), "{out}");
    // And only a redb target has a schema.
    let command = ["migrate", text(&path), "x", "--to", "fastlog", "--to-redb-schema", "mocra"];
    assert_eq!(support::told(&support::raftlog(command)).0, 2);
}

#[test]
fn a_log_that_proof_does_not_find_comes_back_without_being_told_again() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("raw.redb");
    let rows = (1..9).map(|index| (index, format!("opaque {index}").into_bytes())).collect();
    made(&path, &[("things", rows)], &[]);
    let flags = ["--redb-logs-table", "things", "--redb-codec", "raw"];
    let there = dir.path().join("x.fastlog");
    let command = ["migrate", text(&path), text(&there), "--to", "fastlog"];
    done(&[&command[..], &["--allow-loss", "term"], &flags].concat());
    let back = dir.path().join("back.redb");
    done(&["migrate", text(&there), text(&back), "--to", "redb", "--allow-loss", "term"]);
    done(&[&["diff", text(&path), text(&back)], &flags[..]].concat());
}

#[test]
fn a_log_in_fastlog_is_judged_as_in_the_schema_that_it_was_read_in() {
    let dir = tempfile::tempdir().expect("directory");
    for (archive, name) in [
        ("redb-schema", "json-object"),
        ("redb-schema", "json-str"),
        ("redb-schema", "protobuf-etcd"),
        ("redb-real", "real-zlayer-full"),
    ] {
        let path = support::redb(archive, name);
        let fastlog = migrated(&path, dir.path().join(format!("{name}.fl")), "fastlog", &[]);
        for judged in [&path, &fastlog] {
            let command = ["verify", "--strict", text(judged)];
            let (code, out, err) = support::told(&support::raftlog(command));
            assert_eq!(code, 0, "{name}: {out}{err}");
        }
    }
}

/// Names of the tables of a file in format 3, as redb reads them.
fn tables(path: &Path) -> Vec<String> {
    use redb::{ReadableDatabase, TableHandle};
    let database = redb::Database::open(path).expect("redb opens it");
    let transaction = database.begin_read().expect("begin");
    let tables = transaction.list_tables().expect("tables");
    tables.map(|table| table.name().to_owned()).collect()
}

#[test]
fn no_table_comes_back_that_was_not_there() {
    let dir = tempfile::tempdir().expect("directory");
    let in_dir = |name: &str| dir.path().join(name);
    let tikv = support::redb("redb-schema", "protobuf-tikv");
    let partly = in_dir("partly.redb");
    let voted = || vec![("CurrentTerm", 7u64.to_be_bytes().to_vec())];
    made(
        &partly,
        &[("logs/empty", Vec::new())],
        &[("conf/voted", voted()), ("conf/both", voted())],
    );
    let database = redb::Database::open(&partly).expect("open");
    let transaction = database.begin_write().expect("begin");
    let both = redb::TableDefinition::<u64, &[u8]>::new("logs/both");
    transaction.open_table(both).expect("table");
    transaction.commit().expect("commit");
    drop(database);
    for (name, path) in [("tikv", tikv), ("partly", partly)] {
        let wanted = tables(&path);
        let fastlog = migrated(&path, in_dir(&format!("{name}.fastlog")), "fastlog", &[]);
        let back = migrated(&fastlog, in_dir(&format!("{name}.back")), "redb", &[]);
        let straight = migrated(&path, in_dir(&format!("{name}.straight")), "redb", &[]);
        assert_eq!((tables(&back), tables(&straight)), (wanted.clone(), wanted), "{name}");
    }
}
