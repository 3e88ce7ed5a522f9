//! Data directories of real servers: whose they are, which node's, what its server opens, and what
//! each command does with them.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::bolt::unpack;
use support::{raftlog, redb, told};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn json(arguments: &[&str]) -> (i32, Value) {
    let (code, out, err) = told(&raftlog([arguments, &["--json"]].concat()));
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
}

fn codes(said: &Value) -> Vec<&str> {
    let findings = said["findings"].as_array().expect("findings");
    findings.iter().map(|finding| finding["code"].as_str().expect("a code")).collect()
}

/// A fixture, unpacked.
fn real(room: &Path, fixture: &str, dir: &str) -> PathBuf {
    unpack(fixture, room);
    room.join(dir)
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("directory");
    for file in fs::read_dir(from).expect("directory") {
        let path = file.expect("name").path();
        let target = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy_tree(&path, &target),
            false => drop(fs::copy(&path, &target).expect("a copy")),
        }
    }
}

#[test]
fn real_servers_directories_are_named_with_node_and_what_their_server_opens() {
    let room = tempfile::tempdir().expect("directory");
    for (fixture, dir, product, node, opened) in [
        ("dkron-single", "dkron-single", "dkron", Some("alpha"), "unless its option for FastLog"),
        ("dkron-3node", "dkron-3node/n2", "dkron", Some("n2"), "unless its option for FastLog"),
        (
            "dkron-fastlog-single",
            "dkron-fastlog-single",
            "dkron",
            Some("alpha"),
            "with its option for FastLog only",
        ),
        (
            "nomad-bolt",
            "nomad-bolt",
            "nomad",
            Some("6566f5d2-8180-3835-2996-a2199aef1e65"),
            "with raft_logstore wal it refuses",
        ),
        ("openbao-raft", "openbao-raft", "openbao", Some("vault-a"), "by OpenBao"),
        ("filesnapshots", "snap/snap10_log11", "hashicorp", None, "by servers on raft-boltdb"),
    ] {
        let dir = real(room.path(), fixture, dir);
        let (code, said) = json(&["inspect", text(&dir)]);
        assert_eq!(code, 0, "{said:#}");
        let layout = &said["source"]["layout"];
        assert_eq!(layout["product"], product, "{fixture}");
        assert_eq!(layout["node"].as_str(), node, "{fixture}");
        let words = layout["opened"].as_str().expect("words");
        assert!(words.contains(opened), "{fixture}: {words}");
        let (_, shown, _) = told(&raftlog(["inspect", text(&dir)]));
        assert!(shown.lines().any(|line| line == format!("opened     {words}")), "{shown}");
        let headline = shown.lines().next().expect("a line");
        let name = match product {
            "dkron" => "Dkron",
            "nomad" => "Nomad",
            "openbao" => "OpenBao",
            _ => "hashicorp/raft",
        };
        assert!(headline.starts_with(&format!("{name} data directory")), "{headline}");
        if let Some(node) = node {
            assert!(headline.contains(&format!("data directory, node {node}")), "{headline}");
        }
    }
}

/// What a command says that is given from inside of a directory.
fn inside(dir: &Path, arguments: &[&str]) -> (i32, Value) {
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_raftlog"))
        .args(arguments)
        .arg("--json")
        .current_dir(dir)
        .output();
    let (code, out, err) = told(&run.expect("raftlog runs"));
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
}

#[test]
fn a_log_named_from_inside_its_data_directory_is_judged_with_all_of_it() {
    let room = tempfile::tempdir().expect("directory");
    let dkron = real(room.path(), "dkron-3node", "dkron-3node/n3");
    let bao = real(room.path(), "openbao-raft", "openbao-raft");
    let nomad = real(room.path(), "nomad-bolt", "nomad-bolt");
    for (dir, product) in [(&dkron, "dkron"), (&bao, "openbao"), (&nomad, "nomad")] {
        let inner = if product == "nomad" { dir.join("server") } else { dir.clone() };
        let raft = inner.join("raft");
        for (from, path) in
            [(&raft, "raft.db"), (&raft, "./raft.db"), (&raft, "."), (&inner, "raft/raft.db")]
        {
            let (code, said) = inside(from, &["inspect", path]);
            let what = format!("{product} {path}: {said:#}");
            let layout = &said["source"]["layout"];
            assert_eq!((code, layout["product"].as_str()), (0, Some(product)), "{what}");
            assert!(layout["node"].is_string(), "{what}");
            let snapshot = said["result"]["groups"][0]["snapshot"].is_object();
            assert_eq!(snapshot, product != "dkron", "{what}");
        }
    }
    // A second backend beside it is seen, and a form that its server does not read refused.
    fs::copy(dkron.join("raft/raft.db"), dkron.join("raft/raft.db.old")).expect("a copy");
    let (code, said) = inside(&dkron.join("raft"), &["verify", "raft.db"]);
    assert_eq!((code, codes(&said)), (3, vec!["R117"]), "{said:#}");
    let (code, said) = inside(
        &bao.join("raft"),
        &["migrate", "raft.db", "../old.db", "--to", "boltdb", "--time-form", "old"],
    );
    assert_eq!(code, 0, "{said:#}");
    fs::rename(bao.join("old.db"), bao.join("raft/raft.db")).expect("renamed");
    let migrate = ["migrate", "raft.db", "../new.db", "--to", "boltdb"];
    let (code, said) = inside(&bao.join("raft"), &migrate);
    assert_eq!((code, said["error"]["kind"].as_str()), (12, Some("refused")), "{said:#}");
}

#[test]
fn append_times_that_the_server_of_a_directory_cannot_read_are_found() {
    let room = tempfile::tempdir().expect("directory");
    for (fixture, form, times, first) in
        [("dkron-single", "new", 612, 2), ("openbao-raft", "old", 64, 1)]
    {
        let dir = real(room.path(), fixture, fixture);
        let (log, other) = (dir.join("raft/raft.db"), room.path().join(form));
        assert_eq!(json(&["verify", text(&dir)]).0, 0, "{fixture}");
        let arguments =
            ["migrate", text(&dir), text(&other), "--to", "boltdb", "--time-form", form];
        assert_eq!(json(&arguments).0, 0, "{fixture}");
        fs::rename(&other, &log).expect("renamed");
        let (code, said) = json(&["verify", text(&dir)]);
        assert_eq!((code, codes(&said)), (3, vec!["R121"]), "{said:#}");
        let finding = &said["findings"][0];
        let words = finding["message"].as_str().expect("words");
        assert!(words.starts_with(&format!("{times} append times are in the {form} form")));
        assert_eq!((&finding["index"], &finding["severity"]), (&first.into(), &"warning".into()));
        assert!(finding["place"].is_object(), "{finding:#}");
        assert_eq!(json(&["verify", "--strict", text(&dir)]).0, 1, "{fixture}");
        // Alone, nothing says whose log it is.
        assert_eq!(json(&["verify", "--alone", text(&log)]).0, 0, "{fixture}");
    }
}

#[test]
fn a_server_on_raft_wal_is_recognised_with_its_directory_and_backed_up() {
    let room = tempfile::tempdir().expect("directory");
    let dir = real(room.path(), "nomad-wal", "nomad-wal");
    let (code, said) = json(&["inspect", text(&dir)]);
    assert_eq!(code, 0, "{said:#}");
    assert_eq!(said["result"]["groups"][0]["last_index"], 76);
    let layout = &said["source"]["layout"];
    assert_eq!(layout["product"], "nomad");
    assert_eq!(layout["node"], "838d735a-1948-1dd0-d6ad-77d0f822698e");
    assert!(layout["opened"].as_str().is_some_and(|words| words.contains("raft_logstore wal")));
    let archive = room.path().join("nomad.tar.gz");
    let (code, said) = json(&["backup", text(&dir), text(&archive)]);
    assert_eq!(code, 0, "{said:#}");
    let restored = room.path().join("restored");
    let (code, _) = json(&["restore", text(&archive), text(&restored)]);
    assert_eq!(code, 0);
    let segment = "server/raft/wal/00000000000000000001-0000000000000000.wal";
    for file in [segment, "server/raft/peers.info", "server/serf/snapshot"] {
        let same =
            fs::read(dir.join(file)).expect("file") == fs::read(restored.join(file)).unwrap();
        assert!(same, "{file}");
    }
}

#[test]
fn layouts_of_consul_and_vault_are_told_apart_from_nomads() {
    let room = tempfile::tempdir().expect("directory");
    let log = real(room.path(), "nomad-bolt", "nomad-bolt").join("server/raft/raft.db");
    let consul = room.path().join("consul");
    fs::create_dir_all(consul.join("raft/snapshots")).expect("directories");
    fs::create_dir_all(consul.join("serf")).expect("directories");
    fs::copy(&log, consul.join("raft/raft.db")).expect("log");
    fs::write(consul.join("raft/peers.info"), "text").expect("file");
    fs::write(consul.join("serf/local.snapshot"), "text").expect("file");
    fs::write(consul.join("node-id"), "1c6e2a3e-0000-4000-8000-000000000001\n").expect("file");
    let (code, said) = json(&["inspect", text(&consul)]);
    assert_eq!(code, 0);
    let layout = &said["source"]["layout"];
    assert_eq!(layout["product"], "consul");
    assert_eq!(layout["node"], "1c6e2a3e-0000-4000-8000-000000000001");
    assert_eq!(layout["opened"], "by Consul, whatever raft_logstore says");
    // Vault's state with a log in which nothing is OpenBao's alone.
    let bao = real(room.path(), "openbao-raft", "openbao-raft");
    let vault = room.path().join("vault");
    fs::create_dir_all(vault.join("raft")).expect("directories");
    fs::copy(bao.join("vault.db"), vault.join("vault.db")).expect("state");
    fs::copy(&log, vault.join("raft/raft.db")).expect("log");
    let (_, said) = json(&["inspect", text(&vault)]);
    assert_eq!(said["source"]["layout"]["product"], "vault");
    assert_eq!(said["source"]["layout"]["opened"], "by Vault, whatever raft_wal says");
}

#[test]
fn a_membership_that_waits_for_the_next_start_is_shown() {
    let room = tempfile::tempdir().expect("directory");
    let dir = real(room.path(), "dkron-single", "dkron-single");
    let (_, said) = json(&["inspect", text(&dir)]);
    assert_eq!(said["result"]["groups"][0]["recovery"], Value::Null);
    let peers = r#"[{"id":"alpha","address":"127.0.0.1:16868"}]"#;
    fs::write(dir.join("raft/peers.json"), peers).expect("file");
    let (code, out, _) = told(&raftlog(["inspect", text(&dir)]));
    assert_eq!(code, 0, "rules are for verify");
    let line = out.lines().find(|line| line.starts_with("recovery")).expect("a line");
    assert!(line.contains("takes its membership from peers.json (1 servers, 1 of them"), "{line}");
    // Nomad looks for peers.info first; it is there.
    let dir = real(room.path(), "nomad-bolt", "nomad-bolt");
    let peers = r#"[{"id":"a","address":"127.0.0.1:14647"}]"#;
    fs::write(dir.join("server/raft/peers.json"), peers).expect("file");
    let recovery = || json(&["inspect", text(&dir)]).1["result"]["groups"][0]["recovery"].clone();
    assert!(recovery().as_str().is_some_and(|words| words.contains("from peers.json")));
    fs::remove_file(dir.join("server/raft/peers.info")).expect("removed");
    assert!(recovery().as_str().is_some_and(|words| words.contains("deletes peers.json unused")));
}

#[test]
fn two_backends_are_refused_and_each_servers_choice_is_named() {
    let room = tempfile::tempdir().expect("directory");
    let dir = real(room.path(), "nomad-bolt", "nomad-bolt");
    let other = real(room.path(), "nomad-wal", "nomad-wal");
    copy_tree(&other.join("server/raft/wal"), &dir.join("server/raft/wal"));
    let dir = text(&dir);
    let target = room.path().join("target");
    for command in [
        &["inspect", dir][..],
        &["verify", dir],
        &["compare", dir],
        &["backup", dir, text(&target)],
        &["migrate", dir, text(&target), "--to", "fastlog"],
    ] {
        let (code, out, err) = told(&raftlog(command));
        assert_eq!((code, out.as_str()), (12, ""), "{command:?} {err}");
        assert!(err.contains("two backends in one data directory"), "{err}");
        assert!(err.contains("raft.db (boltdb): Consul, Vault and Dkron open this one"), "{err}");
        assert!(err.contains("wal (raft-wal): only opened when raft.db is gone"), "{err}");
        assert!(!target.exists());
    }
    // The one that is named is taken, and the other one mentioned.
    let log = format!("{dir}/server/raft/raft.db");
    let (code, said) = json(&["verify", &log]);
    assert_eq!((code, codes(&said)), (3, vec!["R117"]), "{said:#}");
}

#[test]
fn a_converted_log_beside_the_old_one_is_a_leftover_to_every_command() {
    let room = tempfile::tempdir().expect("directory");
    let dir = room.path().join("data");
    fs::create_dir_all(dir.join("raft/snapshots")).expect("directories");
    let log = dir.join("raft/raft.db");
    fs::copy(redb("redb-twins", "twin-dkron-3node-n1"), &log).expect("log");
    let new = dir.join("raft/raft.db.fastlog");
    let (code, _) = json(&["migrate", text(&dir), text(&new), "--to", "fastlog"]);
    assert_eq!(code, 0, "a directory is a source, and its log's neighbour a target");
    for source in [&dir, &log] {
        let (code, said) = json(&["verify", text(source)]);
        assert_eq!((code, codes(&said)), (3, vec!["R117"]), "{said:#}");
        assert_eq!(said["source"]["format"], "redb");
    }
    let (code, said) = json(&["inspect", text(&dir)]);
    assert_eq!((code, &said["source"]["format"]), (0, &"redb".into()), "{said:#}");
    assert_eq!(said["source"]["layout"]["opened"], Value::Null);
    let (code, _) = json(&["verify", "--strict", "--alone", text(&dir)]);
    assert_eq!(code, 0);
    let archive = room.path().join("data.tar.gz");
    let (code, said) = json(&["backup", text(&dir), text(&archive)]);
    assert_eq!(code, 0, "{said:#}");
    assert!(said["result"]["files"].as_u64() > Some(2), "both logs are packed: {said:#}");
    let (code, said) = json(&["verify", text(&archive)]);
    assert_eq!((code, codes(&said)), (3, vec!["R117"]));
    // Put in its place, the new one is the log and the old one the leftover.
    let old = dir.join("raft/raft.db.redb");
    fs::rename(&log, &old).expect("renamed");
    fs::rename(&new, &log).expect("renamed");
    let (code, said) = json(&["verify", text(&dir)]);
    assert_eq!((code, codes(&said)), (3, vec!["R117"]), "{said:#}");
    assert_eq!(said["source"]["format"], "fastlog");
    let (code, said) = json(&["compare", text(&dir), text(&old)]);
    assert_eq!((code, &said["result"]["majority_through"]), (0, &474.into()));
}

#[test]
fn the_log_of_a_data_directory_is_converted_and_its_snapshots_stay() {
    let room = tempfile::tempdir().expect("directory");
    let dir = real(room.path(), "nomad-bolt", "nomad-bolt");
    let snapshot = dir.join("server/raft/snapshots/2-76-1795250426362");
    let before = fs::metadata(snapshot.join("state.bin")).expect("state").modified().expect("time");
    let new = dir.join("server/raft/raft.db.fastlog");
    let (code, said) = json(&[
        "migrate",
        text(&dir),
        text(&new),
        "--to",
        "raft-fastlog",
        "--allow-loss",
        "appended-at",
    ]);
    assert_eq!(code, 0, "{said:#}");
    let notes = said["result"]["plan"]["notes"].to_string();
    assert!(notes.contains("1 snapshot stays"), "{notes}");
    let after = fs::metadata(snapshot.join("state.bin")).expect("state").modified().expect("time");
    assert_eq!(before, after);
    // The new log is judged with the snapshots beside it.
    let (code, said) = json(&["verify", text(&new)]);
    assert_eq!(code, 0, "{said:#}");
    assert_eq!(said["result"]["stores"][0]["containers"]["snapshots"], 1);
    let (code, said) = json(&["verify", text(&dir)]);
    assert_eq!((code, codes(&said)), (3, vec!["R117"]), "{said:#}");
}
