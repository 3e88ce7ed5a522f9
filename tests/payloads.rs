//! Commands of real servers under `--payload auto`: every one is decoded, and what their owners
//! say of them is there.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use support::bolt::unpack;
use support::{raftlog, told};

/// The entries of a data directory as JSON.
fn entries(dir: &Path) -> Vec<Value> {
    let path = dir.to_str().expect("UTF-8");
    let (code, out, err) =
        told(&raftlog(["inspect", path, "--entries", "--payload", "auto", "--json"]));
    assert_eq!(code, 0, "{err}");
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["type"] == "entry").collect()
}

#[test]
fn a_payload_of_any_size_is_shown_as_text() {
    let path = support::redb("redb-basic", "synth");
    let path = path.to_str().expect("UTF-8");
    for mode in ["base64", "hex", "utf8", "auto"] {
        let (code, out, err) = told(&raftlog(["inspect", path, "--entries", "--payload", mode]));
        assert_eq!(code, 0, "{mode}: {err}");
        assert!(out.lines().count() > 400, "{mode}");
        assert!(out.lines().any(|line| line.len() > 70_000), "{mode}");
        let last = out.lines().rfind(|line| line.trim_start().starts_with("400 "));
        assert!(last.is_some_and(|line| line.len() < 10_000), "{mode}: {last:?}");
    }
}

/// How often each name of a command occurs; every command must have one.
fn counts(entries: &[Value], decoder: &str, name: fn(&Value) -> &Value) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry["kind"] == "command") {
        assert_eq!(entry["decoder"], decoder, "{entry}");
        let name = name(&entry["data"]).as_str().unwrap_or_else(|| panic!("{entry}"));
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

fn wanted(counts: &[(&str, u32)]) -> BTreeMap<String, u32> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn every_command_of_a_real_dkron_is_decoded() {
    let room = tempfile::tempdir().expect("directory");
    unpack("dkron-single", room.path());
    let entries = entries(&room.path().join("dkron-single"));
    let found = counts(&entries, "dkron", |data| &data["command"]);
    let expected = [
        ("SetJob", 227),
        ("DeleteJob", 3),
        ("SetExecution", 189),
        ("DeleteExecutions", 1),
        ("ExecutionDone", 189),
    ];
    assert_eq!(found, wanted(&expected));
    let data = |find: fn(&Value) -> bool| {
        entries.iter().map(|entry| &entry["data"]).find(|data| find(data)).expect("one")
    };
    let first = data(|data| data["command"] == "SetJob");
    assert_eq!(first["job"]["name"], "tick-01");
    assert_eq!(first["job"]["schedule"], "@every 5s");
    assert_eq!(first["job"]["executor_config"]["command"], "true");
    let deleted = data(|data| data["command"] == "DeleteJob");
    assert_eq!(deleted["job_name"], "doomed-1");
    assert_eq!(data(|data| data["command"] == "DeleteExecutions")["job_name"], "shell-pipe");
    assert!(!entries.iter().any(|entry| entry["data"].to_string().contains("unknown_fields")));
    // The configuration says who the members are.
    assert_eq!(entries[0]["data"]["servers"][0]["id"], "alpha");
}

#[test]
fn every_command_of_a_real_nomad_and_openbao_is_named() {
    let room = tempfile::tempdir().expect("directory");
    unpack("nomad-bolt", room.path());
    let nomad = entries(&room.path().join("nomad-bolt"));
    let expected = [
        ("JobRegister", 11),
        ("JobDeregister", 2),
        ("EvalUpdate", 27),
        ("ApplyPlanResults", 12),
        ("Autopilot", 1),
        ("SchedulerConfig", 2),
        ("ClusterMetadata", 1),
        ("VarApplyState", 14),
        ("NodePoolUpsert", 1),
        ("WrappedRootKeysUpsert", 1),
        ("NamespaceUpsert", 1),
    ];
    assert_eq!(counts(&nomad, "nomad", |data| &data["message"]), wanted(&expected));
    unpack("openbao-raft", room.path());
    let openbao = entries(&room.path().join("openbao-raft"));
    let commands = openbao.iter().filter(|entry| entry["kind"] == "command");
    let mut operations = 0;
    for entry in commands {
        assert_eq!(entry["decoder"], "openbao", "{entry}");
        operations += entry["data"]["operations"].as_array().expect("operations").len();
    }
    assert_eq!(
        operations, 88,
        "60 put, 10 verify-read, 8 delete, 4 verify-list, 3 and 3 of transactions"
    );
}

#[test]
fn commands_of_an_unknown_program_stay_opaque() {
    let room = tempfile::tempdir().expect("directory");
    unpack("dkron-single", room.path());
    let copy = room.path().join("copy.db");
    std::fs::copy(room.path().join("dkron-single/raft/raft.db"), &copy).expect("copy");
    for entry in entries(&copy).iter().filter(|entry| entry["kind"] == "command") {
        assert!(entry["data_b64"].is_string() && entry["decoder"].is_null(), "{entry}");
    }
}
