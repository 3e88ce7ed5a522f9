//! The printed scripts, run as they stand by `sh -eu` on data directories of three real nodes:
//! there and back, twice, back after every step, and with every command failing once.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::bolt::unpack;
use support::{raftlog, redb, told};

const STEPS: [&str; 8] =
    ["freeze", "compare", "plan", "backup", "convert", "switch", "start", "health"];
const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// Three stopped nodes, commands that stand for a service manager, and commands that can fail.
struct Window {
    room: tempfile::TempDir,
    /// Where the logs lie in a data directory.
    raft: &'static str,
    /// The logs as they were.
    logs: Vec<Vec<u8>>,
}

/// Makes a window.
type Make = fn() -> Window;

/// Which command of a run fails: the how many-eth, and whether before or after it did its work.
#[derive(Clone, Copy, Default)]
struct Failing {
    at: usize,
    after: bool,
}

impl Window {
    fn new(logs: Vec<Vec<u8>>) -> Window {
        Window::of("raft", logs)
    }

    fn of(inside: &'static str, logs: Vec<Vec<u8>>) -> Window {
        // A blank in every path that the scripts see.
        let room = tempfile::Builder::new().prefix("a window").tempdir().expect("directory");
        for (node, log) in NODES.iter().zip(&logs) {
            let raft = room.path().join(node).join(inside);
            fs::create_dir_all(raft.join("snapshots")).expect("data directory");
            fs::write(raft.join("raft.db"), log).expect("log");
        }
        let shims = room.path().join("shims");
        fs::create_dir(&shims).expect("directory");
        let real = std::env::var("PATH").expect("PATH");
        let shim = |name: &str, text: &str| {
            let path = shims.join(name);
            fs::write(&path, text).expect("shim");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
        };
        shim("sleep", "#!/bin/sh\n");
        for name in ["raftlog", "mv", "ln", "mkdir", "sync"] {
            let run = match name {
                "raftlog" => format!("'{}' \"$@\"", env!("CARGO_BIN_EXE_raftlog")),
                "sync" => "true".to_owned(),
                other => format!("env PATH='{real}' {other} \"$@\""),
            };
            let text = format!(
                "#!/bin/sh\nread -r n < \"$COUNT\"\nn=$((n + 1))\necho \"$n\" > \"$COUNT\"\n\
                 if [ \"$n\" -eq \"$FAIL_AT\" ]; then\n    \
                 [ \"$FAIL_AFTER\" = false ] || {run}\n    exit 14\nfi\n{run}\n"
            );
            shim(name, &text);
        }
        Window { room, raft: inside, logs }
    }

    fn dkron() -> Window {
        let room = tempfile::tempdir().expect("directory");
        unpack("dkron-3node", room.path());
        let log = |node| room.path().join("dkron-3node").join(node).join("raft/raft.db");
        Window::new(NODES.map(|node| fs::read(log(node)).expect("log")).to_vec())
    }

    fn redb() -> Window {
        let log = |node| redb("redb-twins", &format!("twin-dkron-3node-{node}"));
        Window::new(NODES.map(|node| fs::read(log(node)).expect("log")).to_vec())
    }

    fn nomad() -> Window {
        let room = tempfile::tempdir().expect("directory");
        unpack("nomad-bolt", room.path());
        let log = fs::read(room.path().join("nomad-bolt/server/raft/raft.db")).expect("log");
        Window::of("server/raft", vec![log; 3])
    }

    /// Servers whose state is a database beside the log, and who read new append times only.
    fn vault() -> Window {
        let room = tempfile::tempdir().expect("directory");
        unpack("openbao-raft", room.path());
        let dir = room.path().join("openbao-raft");
        let window = Window::new(vec![fs::read(dir.join("raft/raft.db")).expect("log"); 3]);
        for node in NODES {
            fs::copy(dir.join("vault.db"), window.data(node).join("vault.db")).expect("state");
        }
        window
    }

    fn data(&self, node: &str) -> PathBuf {
        self.room.path().join(node)
    }

    fn log(&self, node: &str) -> PathBuf {
        self.data(node).join(self.raft).join("raft.db")
    }

    /// Runs a procedure's script with `steps`.
    fn run(&self, name: &str, steps: &[&str], failing: Failing, more: &[(&str, &str)]) -> Output {
        let nodes: Vec<String> =
            NODES.iter().map(|node| format!("{node}={}", self.data(node).display())).collect();
        let (code, script, err) =
            told(&raftlog(["runbook", name, "--render", "sh", "--nodes", &nodes.join(",")]));
        assert_eq!(code, 0, "{err}");
        let file = self.room.path().join(format!("{name}.sh"));
        fs::write(&file, script).expect("script");
        let count = self.room.path().join("count");
        fs::write(&count, "0\n").expect("count");
        let path = format!(
            "{}:{}",
            self.room.path().join("shims").display(),
            std::env::var("PATH").expect("PATH")
        );
        Command::new("sh")
            .arg("-eu")
            .arg(&file)
            .args(steps)
            .env("PATH", path)
            .env("COUNT", count)
            .env("FAIL_AT", failing.at.to_string())
            .env("FAIL_AFTER", failing.after.to_string())
            .env("BACKUPS", self.room.path().join("backups"))
            .env("STOP", "rm -f \"$DATA/up\"")
            .env("START", "touch \"$DATA/up\"")
            .env("HEALTH", "test -e \"$DATA/up\"")
            .env("PATIENCE", "1")
            .envs(more.iter().copied())
            .output()
            .expect("sh runs")
    }

    /// Runs it and expects it to end well.
    fn done(&self, name: &str, steps: &[&str]) -> (String, String) {
        let (code, out, err) = told(&self.run(name, steps, Failing::default(), &[]));
        assert_eq!(code, 0, "{name} {steps:?}\n{out}\n{err}");
        (out, err)
    }

    /// Commands that the last run ran.
    fn count(&self) -> usize {
        let text = fs::read_to_string(self.room.path().join("count")).expect("count");
        text.trim().parse().expect("a number")
    }

    /// Names beside the log of a node.
    fn beside(&self, node: &str) -> Vec<String> {
        let list = fs::read_dir(self.data(node).join(self.raft)).expect("directory");
        let name = |file: std::io::Result<fs::DirEntry>| file.expect("name").file_name();
        let mut names: Vec<String> =
            list.map(|file| name(file).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Format and last index of each node's log, which must be sound with what lies beside it.
    fn logs(&self) -> Vec<(String, u64)> {
        let look = |node: &&str| {
            let data = self.data(node);
            let data = data.to_str().expect("UTF-8");
            let (code, out, err) = told(&raftlog(["verify", data]));
            assert!(matches!(code, 0 | 3), "{out}{err}");
            let (_, out, _) = told(&raftlog(["inspect", "--json", data]));
            let said: Value = serde_json::from_str(&out).expect("JSON");
            let format = said["source"]["format"].as_str().expect("a format").to_owned();
            (format, said["result"]["groups"][0]["last_index"].as_u64().expect("an index"))
        };
        NODES.iter().map(look).collect()
    }

    fn are(&self, format: &str, last: u64) {
        assert_eq!(self.logs(), vec![(format.to_owned(), last); 3]);
    }

    /// Every log is what it was, byte for byte, nothing lies beside it, and every server runs.
    fn is_as_before(&self, what: &str) {
        for (node, log) in NODES.iter().zip(&self.logs) {
            assert!(fs::read(self.log(node)).expect("log") == *log, "{what}: {node}");
            assert_eq!(self.beside(node), ["raft.db", "snapshots"], "{what}: {node}");
            assert!(self.data(node).join("up").exists(), "{what}: {node} runs");
        }
    }

    /// What a leader of a later term makes of the tail of a log of raft-fastlog: it is deleted, and
    /// another entry written. The loader brings the last deleted one back.
    fn replace_tails_of_fastlogs(&self, first: u64, last: u64) {
        for node in NODES {
            let mut file = fs::File::options().append(true).open(self.log(node)).expect("log");
            let mut bytes = vec![b']'];
            bytes.extend(first.to_le_bytes());
            bytes.extend(last.to_le_bytes());
            file.write_all(&bytes).expect("written");
        }
        self.append_to_fastlogs(first);
    }

    /// What a new leader writes to a log of raft-fastlog: its term, then a no-op.
    fn append_to_fastlogs(&self, index: u64) {
        for node in NODES {
            let mut file = fs::File::options().append(true).open(self.log(node)).expect("log");
            let key = b"CurrentTerm";
            let mut bytes = vec![b'('];
            bytes.extend((key.len() as u64).to_le_bytes());
            bytes.extend(key);
            for number in [8u64, 5] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.push(b'[');
            for number in [1u64, index, 5] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.push(1);
            bytes.extend(0u64.to_le_bytes());
            file.write_all(&bytes).expect("written");
        }
    }

    fn compared(&self) -> (i32, String, String) {
        let paths = NODES.map(|node| self.data(node));
        told(&raftlog([Path::new("compare"), &paths[0], &paths[1], &paths[2]]))
    }

    /// Everything in the data directories.
    fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut tree = BTreeMap::new();
        for node in NODES {
            let mut left = vec![self.data(node)];
            while let Some(dir) = left.pop() {
                for file in fs::read_dir(&dir).expect("directory") {
                    let path = file.expect("name").path();
                    match path.is_dir() {
                        true => left.push(path),
                        false => {
                            let bytes = fs::read(&path).expect("file");
                            tree.insert(path, bytes);
                        }
                    }
                }
            }
        }
        tree
    }
}

#[test]
fn scripts_are_plain_sh_and_the_text_holds_the_same_code() {
    let has_shellcheck = Command::new("shellcheck").arg("--version").output().is_ok();
    if !has_shellcheck {
        eprintln!("skipped: shellcheck, as it is not here");
    }
    let room = tempfile::tempdir().expect("directory");
    let wal = ["consul", "nomad", "vault"]
        .map(|server| [format!("{server}-wal"), format!("{server}-boltdb")]);
    let names = ["dkron-fastlog", "dkron-boltdb", "redb-to-fastlog"].map(str::to_owned);
    for name in names.iter().chain(wal.iter().flatten()).map(String::as_str) {
        for nodes in [&[][..], &["--nodes", "a,b,c"], &["--nodes", "a=/mnt/it's a,b-2=/mnt/b"]] {
            let arguments = [&["runbook", name][..], nodes].concat();
            let (code, script, err) = told(&raftlog(&arguments));
            assert_eq!((code, err.as_str()), (0, ""));
            let file = room.path().join("script.sh");
            fs::write(&file, &script).expect("script");
            let parsed = Command::new("sh").arg("-n").arg(&file).output().expect("sh runs");
            assert!(parsed.status.success(), "{}", told(&parsed).2);
            if has_shellcheck {
                let checked = Command::new("shellcheck").args(["-s", "sh"]).arg(&file).output();
                let checked = told(&checked.expect("shellcheck runs"));
                assert_eq!(checked.0, 0, "{}", checked.1);
            }
            let (code, text, _) = told(&raftlog([&arguments[..], &["--render", "md"]].concat()));
            assert_eq!(code, 0);
            assert!(text.starts_with("# "), "{text}");
            let blocks = text.split("```sh\n").skip(1);
            let code: Vec<&str> =
                blocks.map(|block| block.split("```\n").next().expect("closed")).collect();
            assert_eq!(code.join("\n"), script);
        }
    }
}

#[test]
fn a_node_whose_directory_is_not_known_is_asked_for() {
    let (_, script, _) = told(&raftlog(["runbook", "dkron-fastlog", "--nodes", "a,b"]));
    let room = tempfile::tempdir().expect("directory");
    let file = room.path().join("script.sh");
    fs::write(&file, script).expect("script");
    let run = Command::new("sh").arg("-eu").arg(&file).env("DATA_1", "/nowhere").output();
    let (code, out, err) = told(&run.expect("sh runs"));
    assert!(code != 0 && out.is_empty(), "{code} {out}{err}");
    assert!(err.contains("DATA_2") && err.contains("is the data directory of b"), "{err}");
}

#[test]
fn three_real_nodes_are_switched_and_a_second_run_changes_nothing() {
    let window = Window::dkron();
    let (_, err) = window.done("dkron-fastlog", &[]);
    assert!(err.ends_with(&format!("done: {}\n", STEPS.join(" "))), "{err}");
    window.are("raft-fastlog", 474);
    assert_eq!(window.compared().0, 0);
    for (node, log) in NODES.iter().zip(&window.logs) {
        assert_eq!(window.beside(node), ["raft.db", "raft.db.boltdb", "snapshots"]);
        let old = window.data(node).join("raft/raft.db.boltdb");
        assert!(fs::read(&old).expect("old log") == *log, "{node}");
        let (code, out, _) = told(&raftlog([Path::new("diff"), &old, &window.log(node)]));
        assert_eq!(code, 0, "{out}");
    }
    let archives = fs::read_dir(window.room.path().join("backups")).expect("backups");
    for archive in archives {
        let (code, out, err) =
            told(&raftlog([Path::new("verify"), &archive.expect("archive").path()]));
        assert_eq!(code, 0, "{out}{err}");
    }
    let before = window.tree();
    let (_, err) = window.done("dkron-fastlog", &[]);
    assert!(err.contains("n3: switched already"), "{err}");
    assert!(window.tree() == before, "a second run changes nothing");
    window.done("dkron-fastlog", &["clean"]);
    assert_eq!(window.beside("n2"), ["raft.db", "snapshots"]);
    window.are("raft-fastlog", 474);
}

#[test]
fn there_and_the_way_back_lose_nothing_but_append_times() {
    let window = Window::dkron();
    window.done("dkron-fastlog", &[]);
    window.append_to_fastlogs(475);
    window.done("dkron-boltdb", &[]);
    window.are("boltdb", 475);
    assert_eq!(window.compared().0, 0);
    let old = window.room.path().join("old.db");
    fs::write(&old, &window.logs[0]).expect("old log");
    let new = window.log("n1");
    let [old, new] = [&old, &new].map(|path| path.to_str().expect("UTF-8"));
    let arguments = ["diff", old, new, "--index", "..474", "--ignore", "appended-at,state"];
    let (code, out, _) = told(&raftlog(arguments));
    assert_eq!(code, 0, "{out}");
    // And back from the way back, with what was written in between.
    window.done("dkron-boltdb", &["rollback"]);
    window.are("raft-fastlog", 475);
}

#[test]
fn a_rollback_after_every_step_gives_the_old_logs_back() {
    let window = Window::dkron();
    for steps in 1..=STEPS.len() {
        window.done("dkron-fastlog", &STEPS[..steps]);
        window.done("dkron-fastlog", &["rollback"]);
        window.is_as_before(STEPS[steps - 1]);
    }
    // Twice is as good as once.
    window.done("dkron-fastlog", &["rollback"]);
    window.is_as_before("rollback");
}

#[test]
fn a_rollback_keeps_what_was_written_to_the_new_logs() {
    let window = Window::dkron();
    window.done("dkron-fastlog", &[]);
    window.append_to_fastlogs(475);
    let (_, err) = window.done("dkron-fastlog", &["rollback"]);
    assert!(err.contains("n1: the new log was written to; it is converted back"), "{err}");
    window.are("boltdb", 475);
    assert_eq!(window.beside("n1"), ["raft.db", "snapshots"]);
    assert_eq!(window.compared().0, 0);
}

#[test]
fn ghosts_that_would_stop_a_server_are_left_out_on_the_way_back() {
    let window = Window::dkron();
    window.done("dkron-fastlog", &[]);
    window.replace_tails_of_fastlogs(470, 474);
    for node in NODES {
        let data = window.data(node);
        let (code, out, err) = told(&raftlog([Path::new("verify"), &data]));
        assert_eq!(code, 1, "{out}{err}");
    }
    let (_, err) = window.done("dkron-boltdb", &[]);
    assert!(err.contains("note: n2: a copy of ") && err.contains("(R104)"), "{err}");
    window.are("boltdb", 470);
    assert_eq!(window.compared().0, 0);
    // The old logs come back as they were.
    let ghosts = NODES.map(|node| window.data(node).join("raft/raft.db.fastlog"));
    let ghosts = ghosts.map(|old| fs::read(old).expect("old log"));
    window.done("dkron-boltdb", &["rollback"]);
    for (node, old) in NODES.iter().zip(&ghosts) {
        assert!(fs::read(window.log(node)).expect("log") == *old, "{node}");
    }
    // An archive that is not what was written is no backup, whatever is wrong with the log in it.
    let window = Window::dkron();
    window.done("dkron-fastlog", &[]);
    window.replace_tails_of_fastlogs(470, 474);
    let real = window.room.path().join("shims/raftlog");
    let shim = fs::read_to_string(&real).expect("shim");
    let spoil = "ended=$?\nfor last; do :; done\n\
                 [ \"$1\" != backup ] || printf x | dd of=\"$last\" bs=1 seek=600 conv=notrunc\n\
                 exit $ended\n";
    fs::write(&real, format!("{shim}{spoil}")).expect("shim");
    let run = window.run("dkron-boltdb", &[], Failing::default(), &[]);
    let (code, _, err) = told(&run);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("FAILED in step backup (exit 1): n1: proving the backup"), "{err}");
}

#[test]
fn a_node_whose_log_has_the_hole_of_an_installed_snapshot_is_switched() {
    // Entries before and behind the snapshot through 23, as raft-fastlog writes them.
    let mut log = Vec::new();
    for (key, value) in [("CurrentTerm", 2u64), ("LastVoteTerm", 2)] {
        log.push(b'(');
        log.extend((key.len() as u64).to_le_bytes());
        log.extend(key.as_bytes());
        log.extend(8u64.to_le_bytes());
        log.extend(value.to_le_bytes());
    }
    for index in (1..=20u64).chain(24..=30) {
        log.push(b'[');
        for number in [1, index, 2] {
            log.extend(number.to_le_bytes());
        }
        log.push(1);
        log.extend(0u64.to_le_bytes());
    }
    let window = Window::new(vec![log; 3]);
    for node in NODES {
        let snapshot = window.data(node).join("raft/snapshots/2-23-1");
        fs::create_dir(&snapshot).expect("snapshot");
        fs::write(snapshot.join("state.bin"), "").expect("state");
        let meta = r#"{"Version":1,"ID":"2-23-1","Index":23,"Term":2,"Peers":"","Configuration":
            {"Servers":[{"Suffrage":0,"ID":"n1","Address":"a:1"}]},"ConfigurationIndex":1,
            "Size":0,"CRC":"AAAAAAAAAAA="}"#;
        fs::write(snapshot.join("meta.json"), meta).expect("description");
    }
    window.done("dkron-boltdb", &[]);
    window.are("boltdb", 30);
    window.done("dkron-fastlog", &[]);
    window.are("raft-fastlog", 30);
    window.done("dkron-fastlog", &["rollback"]);
    window.are("boltdb", 30);
}

/// Lets the commands of a run fail, every `stride`-th; each time a second run must end well, and a
/// rollback give everything back.
fn fails_and_recovers(make: Make, name: &str, format: &str, after: bool, stride: usize) {
    let mut at = 1;
    let mut failed = 0;
    let last = make().logs()[0].1;
    loop {
        let failing = Failing { at, after };
        let (again, back) = (make(), make());
        let (code, out, err) = told(&again.run(name, &[], failing, &[]));
        if again.count() < at {
            assert_eq!(code, 0, "nothing failed: {err}");
            break;
        }
        assert_eq!(code, 14, "command {at}\n{out}\n{err}");
        assert!(err.contains("FAILED in step ") && err.contains("rollback"), "{at}: {err}");
        again.done(name, &[]);
        again.are(format, last);
        back.run(name, &[], failing, &[]);
        back.done(name, &["rollback"]);
        back.is_as_before(&format!("command {at}"));
        failed += 1;
        at += stride;
    }
    assert!(failed > 5, "{failed} commands failed");
}

#[test]
fn every_command_may_fail_before_its_work() {
    fails_and_recovers(Window::dkron, "dkron-fastlog", "raft-fastlog", false, 5);
}

#[test]
fn every_command_may_fail_after_its_work() {
    fails_and_recovers(Window::dkron, "dkron-fastlog", "raft-fastlog", true, 7);
}

#[test]
fn a_log_that_becomes_a_directory_recovers_too() {
    fails_and_recovers(Window::redb, "redb-to-fastlog", "fastlog", false, 9);
    fails_and_recovers(Window::redb, "redb-to-fastlog", "fastlog", true, 11);
}

#[test]
fn a_rollback_may_fail_and_be_given_again() {
    for at in [1, 6, 8, 9, 11, 13, 16, 20] {
        let window = Window::dkron();
        window.done("dkron-fastlog", &["freeze", "convert", "switch"]);
        let failing = Failing { at, after: at % 2 == 0 };
        let (code, _, err) = told(&window.run("dkron-fastlog", &["rollback"], failing, &[]));
        assert_eq!(code, 14, "{at}: {err}");
        window.done("dkron-fastlog", &["rollback"]);
        window.is_as_before(&format!("command {at} of the rollback"));
    }
}

#[test]
fn logs_in_redb_are_switched_and_given_back() {
    let window = Window::redb();
    window.done("redb-to-fastlog", &[]);
    window.are("fastlog", 474);
    let before = window.tree();
    window.done("redb-to-fastlog", &[]);
    assert!(window.tree() == before, "a second run changes nothing");
    window.done("redb-to-fastlog", &["rollback"]);
    window.is_as_before("rollback");
}

#[test]
fn services_that_do_not_stop_start_or_get_well_end_the_script_and_are_named() {
    for (variable, command, step) in [
        ("STOP", "test \"$NODE\" != n2", "freeze"),
        ("START", "test \"$NODE\" != n2", "start"),
        ("HEALTH", "test \"$NODE\" != n2", "health"),
    ] {
        let window = Window::dkron();
        let run = window.run("dkron-fastlog", &[], Failing::default(), &[(variable, command)]);
        let (code, _, err) = told(&run);
        assert_eq!(code, 1, "{variable}: {err}");
        assert!(err.contains(&format!("FAILED in step {step} (exit 1): n2 ")), "{err}");
        window.done("dkron-fastlog", &["rollback"]);
        window.is_as_before(variable);
    }
}

#[test]
fn on_failure_it_rolls_back_by_itself_where_it_is_told_to() {
    let window = Window::dkron();
    let more = [("START", "test \"$NODE\" != n3"), ("START_OLD", "touch \"$DATA/up\"")];
    let more = [&more[..], &[("ON_FAILURE", "rollback")]].concat();
    let (code, _, err) = told(&window.run("dkron-fastlog", &[], Failing::default(), &more));
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("rolling back, as ON_FAILURE says"), "{err}");
    window.is_as_before("the failed start");
}

#[test]
fn nodes_that_do_not_agree_are_not_converted() {
    let window = Window::dkron();
    let log = window.log("n2");
    let mut bytes = fs::read(&log).expect("log");
    let job = b"tick-02";
    let at = bytes.windows(job.len()).position(|window| window == job).expect("a job's name");
    bytes[at + 6] = b'3';
    fs::write(&log, &bytes).expect("log");
    let (code, out, err) = told(&window.run("dkron-fastlog", &[], Failing::default(), &[]));
    assert_eq!(code, 1, "{err}");
    assert!(out.contains("Do not start both"), "{out}");
    assert!(err.contains("FAILED in step compare (exit 1): the nodes do not agree"), "{err}");
    assert_eq!(window.beside("n1"), ["raft.db", "snapshots"]);
}

#[test]
fn without_a_command_for_it_a_node_is_well_while_its_server_holds_the_log() {
    let window = Window::dkron();
    let no_health = [("HEALTH", "")];
    let run =
        |steps: &[&str]| told(&window.run("dkron-fastlog", steps, Failing::default(), &no_health));
    let (code, _, err) = run(&["health"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("n1 is not well after 1 s"), "{err}");
    let held = NODES.map(|node| {
        let options = fs::File::options().read(true).write(true).open(window.log(node));
        let file = options.expect("log");
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("locked");
        file
    });
    let (code, _, err) = run(&["health"]);
    assert_eq!(code, 0, "{err}");
    // And such a node is not frozen.
    let (code, _, err) = run(&["freeze"]);
    assert_eq!(code, 11, "{err}");
    drop(held);
    // raft-fastlog has no lock: there a server shows by the descriptor that it keeps open.
    window.done("dkron-fastlog", &["convert", "switch"]);
    let (code, _, err) = run(&["health"]);
    assert_eq!(code, 1, "{err}");
    let servers = NODES.map(|node| {
        let log = fs::File::options().read(true).write(true).open(window.log(node)).expect("log");
        Command::new("sleep").arg("600").stdin(log).spawn().expect("a server")
    });
    let (code, _, err) = run(&["health"]);
    let (frozen, _, refused) = run(&["freeze"]);
    for mut server in servers {
        server.kill().expect("killed");
        server.wait().expect("ended");
    }
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("n3: well"), "{err}");
    assert_eq!(frozen, 11, "{refused}");
    assert!(refused.contains("in use by sleep"), "{refused}");
}

/// Servers that keep raft-wal in another place than `raft.db`.
const ON_RAFT_WAL: [(Make, &str); 3] =
    [(Window::dkron, "consul"), (Window::nomad, "nomad"), (Window::vault, "vault")];

#[test]
fn a_log_that_gets_another_name_is_switched_and_given_back() {
    for (make, server) in ON_RAFT_WAL {
        let name = format!("{server}-wal");
        let window = make();
        let last = window.logs()[0].1;
        let state = || NODES.map(|node| fs::read(window.data(node).join("vault.db")).ok());
        let before = state();
        assert_eq!(before[0].is_some(), server == "vault");
        window.done(&name, &[]);
        window.are("raft-wal", last);
        assert_eq!(window.compared().0, 0, "{server}");
        for (node, log) in NODES.iter().zip(&window.logs) {
            assert_eq!(window.beside(node), ["raft.db.boltdb", "snapshots", "wal"], "{server}");
            let old = window.data(node).join(window.raft).join("raft.db.boltdb");
            assert!(fs::read(&old).expect("old log") == *log, "{server}: {node}");
        }
        let tree = window.tree();
        window.done(&name, &[]);
        assert!(window.tree() == tree, "{server}: a second run changes nothing");
        window.done(&name, &["rollback"]);
        window.is_as_before("rollback");
        for steps in 1..=STEPS.len() {
            window.done(&name, &STEPS[..steps]);
            window.done(&name, &["rollback"]);
            window.is_as_before(&format!("{server}: {}", STEPS[steps - 1]));
        }
        assert!(state() == before, "{server}: its state is not touched");
    }
}

#[test]
fn a_log_that_gets_another_name_recovers_from_failures_too() {
    for (make, server) in ON_RAFT_WAL {
        let stride = if server == "consul" { 7 } else { 8 };
        let name = format!("{server}-wal");
        fails_and_recovers(make, &name, "raft-wal", false, stride);
        fails_and_recovers(make, &name, "raft-wal", true, stride);
    }
}

#[test]
fn servers_on_raft_wal_come_back_with_append_times_that_they_read() {
    let servers: [(Make, &str, &str); 3] = [
        (Window::dkron, "consul", "raft"),
        (Window::nomad, "nomad", "server/raft"),
        (Window::vault, "vault", "raft"),
    ];
    for (make, server, raft) in servers {
        let window = make();
        let before = window.logs();
        let [forth, back] = [format!("{server}-wal"), format!("{server}-boltdb")];
        window.done(&forth, &[]);
        window.are("raft-wal", before[0].1);
        window.done(&forth, &["clean"]);
        assert_eq!(window.beside("n1"), ["snapshots", "wal"], "{server}");
        window.done(&back, &[]);
        assert_eq!(window.logs(), before, "{server}");
        assert_eq!(window.beside("n1"), ["raft.db", "snapshots", "wal.raft-wal"], "{server}");
        let old = window.room.path().join("old.db");
        fs::write(&old, &window.logs[0]).expect("old log");
        let (code, out, _) = told(&raftlog([Path::new("diff"), &old, &window.log("n1")]));
        assert_eq!(code, 0, "{server}: {out}");
        // And back from the way back.
        window.done(&back, &["rollback"]);
        window.are("raft-wal", before[0].1);
        assert!(window.data("n1").join(raft).join("wal").is_dir());
    }
}
