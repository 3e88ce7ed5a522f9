//! Everything that is printed as JSON fits the schema that `raftlog schema` prints.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use jsonschema::Validator;
use serde_json::Value;

mod support;

use support::{raftlog, redb, told};

fn schema(command: &str) -> Validator {
    let (code, stdout, stderr) = told(&raftlog(["schema", command]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{command}");
    let schema: Value = serde_json::from_str(&stdout).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn assert_fits(schema: &Validator, value: &Value) {
    let errors: Vec<String> = schema
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
}

/// Runs `arguments` with `--json` and returns the one object, after holding it against its schema.
fn envelope(schema: &Validator, arguments: &str, wanted: i32) -> Value {
    let (code, stdout, stderr) =
        told(&raftlog(arguments.split_whitespace().chain(["--json", "--quiet"])));
    assert_eq!(code, wanted, "{arguments}: {stderr}");
    let value: Value = serde_json::from_str(&stdout).expect("one object");
    assert_fits(schema, &value);
    assert_eq!(value["exit_code"], code);
    let command = arguments.split_whitespace().next().expect("a command");
    assert_eq!(value["command"], command);
    assert_eq!(value["schema"], format!("raftlog.{command}/1"));
    let summary = &value["summary"];
    let sum = ["errors", "warnings", "infos"].iter().filter_map(|key| summary[key].as_u64());
    assert_eq!(summary["findings_total"].as_u64(), Some(sum.sum()));
    value
}

fn path(archive: &str, name: &str) -> String {
    redb(archive, name).to_str().expect("UTF-8").to_owned()
}

#[test]
fn overviews_and_streams_of_inspect_fit() {
    let schema = schema("inspect");
    for (archive, name, code) in [
        ("redb-twins", "twin-dkron-single", 0),
        ("redb-groups", "groups-and-default", 0),
        ("redb-empty", "empty", 0),
        ("redb-unclean", "torn-commit", 3),
        ("redb-damaged", "dmg-leaf-value", 1),
        ("redb-logical", "conf-short", 1),
    ] {
        let store = path(archive, name);
        for selector in ["", "--state", "--stats"] {
            let value = envelope(&schema, &format!("inspect {store} {selector}"), code);
            let has_stats = value["result"].get("stats").is_some();
            assert_eq!(has_stats, selector == "--stats", "{name} {selector}");
        }
        for selector in [
            "--entries",
            "--entries --payload digest",
            "--entries --payload hex",
            "--entries --payload base64",
            "--entries --payload utf8",
            "--entries --payload auto",
            "--records",
        ] {
            let arguments = format!("inspect {store} {selector} --json");
            let (_, stdout, stderr) = told(&raftlog(arguments.split_whitespace()));
            let lines: Vec<Value> = stdout
                .lines()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .inspect(|line| assert_fits(&schema, line))
                .collect();
            let kinds: Vec<&str> =
                lines.iter().map(|line| line["type"].as_str().expect("type")).collect();
            assert_eq!(kinds.first(), Some(&"source"), "{arguments}: {stderr}");
            assert_eq!(kinds.iter().rposition(|kind| *kind == "summary"), Some(kinds.len() - 1));
            assert_eq!(kinds.iter().filter(|kind| **kind == "summary").count(), 1);
            let items = kinds.iter().filter(|kind| matches!(**kind, "entry" | "record")).count();
            assert_eq!(lines[lines.len() - 1]["items"], items, "{arguments}");
        }
    }
}

#[test]
fn verdicts_fit_and_name_every_code_once_sorted_by_place() {
    let schema = schema("verify");
    envelope(&schema, &format!("verify {}", path("redb-twins", "twin-v1")), 0);
    envelope(&schema, &format!("verify {}", path("redb-unclean", "torn-commit")), 3);
    envelope(&schema, &format!("verify --strict {}", path("redb-unclean", "torn-commit")), 1);
    envelope(&schema, &format!("verify {}", path("redb-basic", "format-v1")), 15);
    envelope(&schema, "verify /nowhere/a /nowhere/b", 10);
    let both =
        format!("verify {} {}", path("redb-twins", "twin-v1"), path("redb-logical", "bad-entry"));
    envelope(&schema, &both, 1);
    let value = envelope(&schema, &format!("verify {}", path("redb-logical", "bad-entry")), 1);
    let offsets: Vec<u64> = value["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|finding| finding["place"]["offset_bytes"].as_u64())
        .collect();
    assert!(offsets.len() > 1 && offsets.is_sorted(), "{offsets:?}");
}

#[test]
fn simulations_and_their_cases_fit() {
    let schema = schema("simulate");
    let little = "simulate --steps 24 --images 4 --points 8";
    envelope(&schema, little, 0);
    envelope(&schema, "simulate --steps 24 --images 16 --durability -1 --strict", 1);
    let mode = "--durability 0 --strategy mem-first --flush batch:8,20";
    envelope(&schema, &format!("simulate --replay 7f3a:12:0 {mode}"), 0);
}

#[test]
fn migrations_backups_restores_and_comparisons_fit() {
    let dir = tempfile::tempdir().expect("directory");
    let at = |name: &str| -> PathBuf { dir.path().join(name) };
    let source = path("redb-twins", "twin-dkron-single");
    let migrate = schema("migrate");
    let log = at("log.fastlog");
    let log = log.display();
    let plan = envelope(&migrate, &format!("migrate {source} {log} --to fastlog --dry-run"), 0);
    assert!(plan["result"]["copied"].is_null() && plan["result"]["compared"].is_null());
    let done = envelope(&migrate, &format!("migrate {source} {log} --to fastlog"), 0);
    assert_eq!(done["result"]["compared"]["equal"], true);
    assert_eq!(done["result"]["compared"]["entries"], 613);
    envelope(&migrate, &format!("migrate {source} {log} --to fastlog"), 12);
    let down = path("redb-logical", "term-down");
    let other = at("other");
    let other = other.display();
    let broken = envelope(&migrate, &format!("migrate {down} {other} --to fastlog"), 1);
    assert_eq!(broken["error"]["kind"], "damaged");
    assert!(broken["error"]["hint"].as_str().is_some_and(|hint| hint.ends_with("--accept R102")));
    assert!(broken["result"]["copied"].is_null());
    let codes: BTreeSet<&str> = broken["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|finding| finding["code"].as_str())
        .collect();
    assert!(codes.contains("R102"), "{codes:?}");

    let archive = at("log.tar.gz");
    let archive = archive.display();
    let backup = schema("backup");
    let done = envelope(&backup, &format!("backup {log} {archive}"), 0);
    assert_eq!(done["result"]["groups"][0]["last_index"], 613);
    envelope(&backup, &format!("backup {log} {archive}"), 12);
    envelope(&schema("verify"), &format!("verify {archive}"), 0);
    let restore = schema("restore");
    let target = at("restored");
    let target = target.display();
    envelope(&restore, &format!("restore {archive} {target} --dry-run"), 0);
    envelope(&restore, &format!("restore {archive} {target}"), 0);
    envelope(&restore, &format!("restore {archive} {target}"), 12);

    let diff = schema("diff");
    let same = envelope(&diff, &format!("diff {source} {target}"), 0);
    assert_eq!(same["result"]["identical"], true);
    let node = path("redb-twins", "twin-dkron-3node-n1");
    let differ = envelope(&diff, &format!("diff {source} {node}"), 1);
    assert!(differ["result"]["first_difference"].is_object());
    assert!(differ["source"].is_null() && differ["error"].is_null());
    envelope(&diff, &format!("diff {source} /nowhere"), 10);
}

#[test]
fn formats_fit_and_say_what_this_build_really_does() {
    let (code, stdout, _) = told(&raftlog(["formats", "--json"]));
    assert_eq!(code, 0);
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_fits(&schema("formats"), &value);
    let formats = value["result"]["formats"].as_array().expect("formats");
    let dir = tempfile::tempdir().expect("directory");
    let source = path("redb-twins", "twin-v1");
    for format in formats {
        let id = format["id"].as_str().expect("an id");
        let target = dir.path().join(id);
        let target = target.to_str().expect("UTF-8");
        let words = ["migrate", &source, target, "--to", id, "--allow-loss", "appended-at"];
        let made = told(&raftlog(words));
        assert_eq!(format["write"], made.0 == 0, "{id}: {}", made.2);
        if made.0 == 0 {
            let read = told(&raftlog(["inspect", target]));
            assert_eq!(format["read"], read.0 == 0, "{id}: {}", read.2);
        }
    }
    let readable: Vec<&str> = formats
        .iter()
        .filter(|format| format["read"] == true)
        .filter_map(|format| format["id"].as_str())
        .collect();
    assert!(readable.contains(&"redb") && readable.contains(&"fastlog"), "{readable:?}");
}
