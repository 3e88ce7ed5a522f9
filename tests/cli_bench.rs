//! `bench` through the real binary, on runs so short that their figures mean nothing: what is
//! measured, what is printed, what is refused, and that nothing is left.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

mod support;

use support::{raftlog, told};

const SHORT: &str = "--seconds 0.01 --rounds 1";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { dir: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Runs `bench` here; nothing may be left, however it ends.
    fn bench(&self, arguments: &str) -> (i32, String, String) {
        let words = arguments.split_whitespace().map(Into::into);
        let output = raftlog(
            ["bench".into(), "--dir".into(), self.path().into_os_string()].into_iter().chain(words),
        );
        assert_eq!(names(self.dir.path()), Vec::<String>::new(), "{arguments}: something is left");
        told(&output)
    }

    /// The rows of a run that went well, held against the schema.
    fn rows(&self, arguments: &str) -> Vec<Value> {
        let (code, stdout, stderr) = self.bench(&format!("{arguments} {SHORT} --json"));
        assert_eq!(code, 0, "{arguments}: {stderr}");
        let value: Value = serde_json::from_str(&stdout).expect("one object");
        assert_fits(&value);
        assert_eq!(value["error"], Value::Null);
        value["result"]["rows"].as_array().expect("rows").clone()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).expect("directory");
    names.map(|name| name.expect("name").file_name().to_string_lossy().into_owned()).collect()
}

fn assert_fits(value: &Value) {
    let (_, schema, _) = told(&raftlog(["schema", "bench"]));
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = schema
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
}

fn cells(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["cell"].as_str().expect("a cell")).collect()
}

#[test]
fn every_flag_chooses_and_every_engine_is_held_against_the_limit() {
    let place = Place::new();
    let rows = place.rows("--workload A --value-size 128,4KiB");
    let engines: Vec<&str> = rows.iter().map(|row| row["engine"].as_str().expect("it")).collect();
    assert_eq!(engines[..4], ["limit", "limit-direct", "fastlog", "redb"], "each in turn");
    for row in rows.iter().filter(|row| row["not_measured"].is_null()) {
        for spread in ["ops_per_s", "ratio_to_limit"] {
            let spread = &row[spread];
            let [min, median, max] =
                ["min", "median", "max"].map(|key| spread[key].as_f64().expect("a figure"));
            assert!(0.0 < min && min <= median && median <= max, "{row}");
        }
        assert!(row["latency_us"]["p50"].as_f64() <= row["latency_us"]["max"].as_f64(), "{row}");
        assert!(row["rss_bytes"].as_u64() > Some(1 << 16), "{row}");
        let is_fastlog = row["engine"] == "fastlog";
        assert_eq!(row["met"].is_boolean(), is_fastlog, "{row}");
        assert_eq!(row["strategy"].is_string() && row["flush"].is_object(), is_fastlog, "{row}");
    }

    let rows = place.rows(
        "--workload C,D --engine fastlog,limit --value-size 1KiB --durability -1,high \
         --strategy mem-first --flush immediate,batch:8,20",
    );
    let wanted = [
        "C append limit -1 - - 1024 64 1 0 0.01",
        "C append fastlog -1 mem-first immediate 1024 64 1 0 0.01",
        "C append fastlog -1 mem-first batch:8,20 1024 64 1 0 0.01",
        "C append limit 1 - - 1024 64 1 0 0.01",
        "C append fastlog 1 mem-first immediate 1024 64 1 0 0.01",
        "C append fastlog 1 mem-first batch:8,20 1024 64 1 0 0.01",
        "D append limit -1 - - 1024 1 1 0 0.01",
        "D append fastlog -1 mem-first immediate 1024 1 1 0 0.01",
        "D append fastlog -1 mem-first batch:8,20 1024 1 1 0 0.01",
    ];
    assert_eq!(cells(&rows)[..wanted.len()], wanted);
    assert_eq!(rows[2]["flush"]["threshold"], 8);
    assert_eq!(rows[2]["flush"]["interval_ms"], 20);
}

#[test]
fn every_workload_is_measured_with_every_engine_it_compares() {
    let place = Place::new();
    let ours = "fastlog,limit,limit-direct,redb,redb-shared,redb-dedicated";
    for (workload, engines, flags) in [
        ("B", "fastlog limit limit-direct redb", "--value-size 128"),
        ("C", "fastlog limit limit-direct redb", "--value-size 128"),
        ("D", "fastlog limit redb", "--value-size 128"),
        ("E", "fastlog limit redb", ""),
        ("F", "fastlog limit redb", ""),
        ("G", "fastlog limit redb", "--log 500x1KiB"),
        ("H", "fastlog limit redb-dedicated redb-shared", "--value-size 4KiB"),
        ("I", "fastlog limit redb", ""),
    ] {
        let rows = place.rows(&format!("--workload {workload} --engine {ours} {flags}"));
        let mut found: Vec<&str> = rows.iter().filter_map(|row| row["engine"].as_str()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.join(" "), engines, "{workload}");
        for row in rows.iter().filter(|row| row["not_measured"].is_null()) {
            assert_eq!(row["workload"], workload);
            assert!(row["ops_per_s"]["median"].as_f64() > Some(0.0), "{row}");
        }
    }
}

#[cfg(feature = "bench-peers")]
#[test]
fn peers_are_measured_where_they_were_built_in() {
    let place = Place::new();
    for (workload, peers) in [
        ("A", "fjall okaywal raft-engine raft-log"),
        ("B", "fjall okaywal raft-engine raft-log"),
        ("D", "fjall raft-engine raft-log"),
        ("F", "fjall raft-engine raft-log"),
    ] {
        let engines = peers.replace(' ', ",");
        let rows =
            place.rows(&format!("--workload {workload} --engine {engines} --value-size 1KiB"));
        let mut found: Vec<&str> = rows.iter().filter_map(|row| row["engine"].as_str()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.join(" "), peers, "{workload}");
        assert!(rows.iter().all(|row| row["ops_per_s"]["median"].as_f64() > Some(0.0)));
    }
}

#[test]
fn a_log_that_is_opened_is_told_in_seconds_and_memory() {
    let place = Place::new();
    let rows = place.rows("--workload G --engine limit,fastlog --log 300x4KiB");
    let operations: Vec<&str> = rows.iter().filter_map(|row| row["operation"].as_str()).collect();
    assert_eq!(operations, ["open-index", "open-index", "open-entries"]);
    for row in &rows {
        assert_eq!(row["extent"], 300);
        let (seconds, rate) = (&row["seconds"]["median"], &row["ops_per_s"]["median"]);
        let entries = seconds.as_f64().expect("seconds") * rate.as_f64().expect("a rate");
        assert!((entries - 300.0).abs() < 0.5, "{row}");
        assert!(row["ratio_to_limit"]["median"].as_f64() > Some(0.0), "{row}");
    }
    let (_, text, _) = place.bench("--workload G --engine fastlog --log 300x4KiB --rounds 1");
    assert!(text.contains("open-index 1.2 MiB") && text.contains("memory"), "{text}");
}

#[test]
fn without_the_limit_there_is_no_ratio_and_no_verdict() {
    let rows = Place::new().rows("--workload A --engine fastlog --value-size 128");
    assert_eq!(rows.len(), 1);
    assert!(rows[0]["ops_per_s"]["median"].as_f64() > Some(0.0));
    assert_eq!((&rows[0]["ratio_to_limit"], &rows[0]["met"]), (&Value::Null, &Value::Null));
}

#[test]
fn the_table_says_what_was_measured_and_stderr_what_it_takes() {
    let place = Place::new();
    let arguments = format!("--workload A --engine limit,redb --value-size 64KiB {SHORT}");
    let (code, stdout, stderr) = place.bench(&arguments);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("A   one writer, one entry per sync: level 1"), "{stdout}");
    for engine in ["limit ", "redb "] {
        assert!(stdout.lines().any(|line| line.contains(engine)), "{stdout}");
    }
    assert!(stdout.lines().all(|line| line.chars().count() <= 100), "{stdout}");
    assert!(stderr.contains("note: 2 measurements, 1 round of 0.01 s each"), "{stderr}");
    assert!(stderr.contains("takes up to"), "{stderr}");
    assert_eq!(place.bench(&format!("{arguments} --quiet")).2, "");
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_is_made() {
    let place = Place::new();
    for (arguments, code, says) in [
        ("--workload X", 2, "possible values: A, "),
        ("--engine rocks", 2, "possible values: limit, "),
        #[cfg(not(feature = "bench-peers"))]
        ("--engine limit,fjall", 2, "--features bench-peers"),
        ("--value-size 0", 2, "1 byte to 1MiB"),
        ("--value-size many", 2, "no size"),
        ("--durability 2", 2, "possible values: -1, 0, 1"),
        ("--strategy both", 2, "possible values: disk-first, mem-first"),
        ("--flush batch:0,1", 2, "batch:ENTRIES,MS"),
        ("--seconds 0", 2, "0.01 to 3600"),
        ("--rounds 0", 2, "1..=100"),
        ("--jobs --workload A", 2, "cannot be used with"),
        ("--jobs --seconds 1", 2, "cannot be used with"),
        ("--log 10", 2, "ENTRIESxSIZE"),
        ("--format csv", 2, "--format json"),
        ("--workload D --engine limit-direct", 2, "none of these engines"),
        ("--cell nonsense", 2, "a cell has 11 fields"),
        ("--dir", 2, "a value is required"),
    ] {
        let (found, stdout, stderr) = place.bench(arguments);
        assert_eq!((found, stdout.as_str()), (code, ""), "{arguments}: {stderr}");
        assert!(stderr.contains(says), "{arguments}: {stderr}");
    }
    let missing = place.path().join("no/such");
    let (code, stdout, stderr) =
        told(&raftlog(["bench".as_ref(), "--dir".as_ref(), missing.as_os_str()]));
    assert_eq!((code, stdout.as_str()), (10, ""), "{stderr}");
    assert!(stderr.contains("no/such"), "{stderr}");
}

#[test]
fn a_report_is_a_page_of_its_own_and_never_replaces_another() {
    let place = Place::new();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let page = elsewhere.path().join("bench.html");
    let arguments = format!("--workload A --value-size 128 {SHORT} --report {}", page.display());
    let (code, stdout, stderr) = place.bench(&arguments);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("of the limit"), "the table is printed all the same: {stdout}");
    let html = fs::read_to_string(&page).expect("a page");
    for wrong in ["http", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!html.contains(wrong), "{wrong}");
    }
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"), "{html}");
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("<svg"), "{html}");
    assert!(html.contains("--workload A --value-size 128"), "how to make it again: {html}");
    assert_eq!(names(elsewhere.path()), ["bench.html"]);

    let (code, stdout, stderr) = place.bench(&arguments);
    assert_eq!((code, stdout.as_str()), (12, ""), "{stderr}");
    assert!(stderr.contains("exists and is not empty"), "{stderr}");
    assert_eq!(fs::read_to_string(&page).expect("a page"), html);
    let (code, _, stderr) = place.bench("--workload A --report no/such/dir/x.html");
    assert_eq!(code, 10, "{stderr}");
}

#[test]
fn one_cell_measures_in_the_directory_it_is_given() {
    let place = Place::new();
    let cell = "A append fastlog 1 disk-first immediate 128 1 1 0 0.01";
    let output = raftlog(["bench", "--cell", cell, "--dir", &place.path().to_string_lossy()]);
    let (code, stdout, stderr) = told(&output);
    assert_eq!(code, 0, "{stderr}");
    let outcome: Value = serde_json::from_str(&stdout).expect("one object");
    assert!(outcome["operations"].as_u64() > Some(0), "{outcome}");
    let store = place.path().join("log.fastlog");
    let (code, stdout, stderr) =
        told(&raftlog(["verify".as_ref(), store.as_os_str(), "--strict".as_ref()]));
    assert_eq!(code, 0, "what is measured is a log like any other: {stdout}{stderr}");
}

/// The promise of the engine, seen from outside: the memory of a whole process that holds them.
#[test]
fn a_million_empty_entries_fit_in_64_mib() {
    let place = Place::new();
    let cell = "S after-entries fastlog -1 disk-first immediate 0 1 1 1000000 0.01";
    let output = raftlog(["bench", "--cell", cell, "--dir", &place.path().to_string_lossy()]);
    let (code, stdout, stderr) = told(&output);
    assert_eq!(code, 0, "{stderr}");
    let outcome: Value = serde_json::from_str(&stdout).expect("one object");
    assert!(outcome["rss_bytes"].as_u64().expect("measured") < 64 << 20, "{outcome}");
    let store = place.path().join("log.fastlog");
    let (code, stdout, stderr) =
        told(&raftlog(["inspect".as_ref(), store.as_os_str(), "--json".as_ref()]));
    assert_eq!(code, 0, "{stderr}");
    let found: Value = serde_json::from_str(&stdout).expect("one object");
    let entries = found["result"]["groups"][0]["entries"].as_u64();
    assert!(entries >= Some(1_000_000), "{found}");
}

/// As `timeout` does it: the process is signalled, and then its group.
#[test]
fn two_signals_at_once_are_one_wish_to_stop() {
    let place = Place::new();
    let child = Command::new(env!("CARGO_BIN_EXE_raftlog"))
        .args(["bench", "--workload", "A", "--engine", "fastlog", "--value-size", "128"])
        .args(["--seconds", "3", "--rounds", "1", "--json", "--dir"])
        .arg(place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let scratch = place.path().join(format!("raftlog-bench.{}", child.id()));
    while !names_or_none(&scratch.join("cell")).iter().any(|name| name.ends_with("fastlog")) {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::TERM).expect("sent");
    std::thread::sleep(std::time::Duration::from_millis(2));
    kill_process(pid, Signal::TERM).expect("sent");
    let (code, _, stderr) = told(&child.wait_with_output().expect("ends"));
    assert_eq!(code, 143, "{stderr}");
    assert_eq!(names(place.dir.path()), Vec::<String>::new(), "something is left");
}

#[test]
fn ctrl_c_prints_what_was_done_and_leaves_nothing() {
    let place = Place::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_raftlog"))
        .args(["bench", "--workload", "A", "--engine", "limit,fastlog", "--value-size", "128"])
        .args(["--seconds", "3", "--rounds", "1", "--json", "--dir"])
        .arg(place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    // The second cell has begun when there is a FastLog store.
    let scratch = place.path().join(format!("raftlog-bench.{}", child.id()));
    let runs = |child: &mut std::process::Child| child.try_wait().expect("state").is_none();
    while runs(&mut child) && !names_or_none(&scratch.join("cell")).iter().any(|n| n != "limit") {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("sent");
    let (code, stdout, stderr) = told(&child.wait_with_output().expect("ends"));
    assert_eq!(code, 130, "{stderr}");
    assert!(stderr.contains("error: stopped"), "{stderr}");
    let value: Value = serde_json::from_str(&stdout).expect("one object");
    assert_fits(&value);
    assert_eq!(value["error"]["kind"], "interrupted");
    let rows = value["result"]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1, "{value:#}");
    assert_eq!(rows[0]["engine"], "limit");
    assert_eq!(names(place.dir.path()), Vec::<String>::new());
}

/// The names in a directory that another process makes and removes at the same time.
fn names_or_none(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    names.map(|name| name.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn jobs_run_on_every_format_and_stand_beside_the_go_libraries() {
    let place = Place::new();
    let go = support::go::interop();
    let mut arguments = "--jobs --log 300x128 --rounds 1 --json".to_owned();
    if let Some(go) = go {
        arguments.push_str(&format!(" --go {}", go.display()));
    }
    let (code, stdout, stderr) = place.bench(&arguments);
    assert_eq!(code, 0, "{stderr}");
    let value: Value = serde_json::from_str(&stdout).expect("one object");
    assert_fits(&value);
    let jobs = value["result"]["jobs"].as_array().expect("jobs");
    let names: Vec<&str> = jobs.iter().map(|job| job["job"].as_str().expect("a name")).collect();
    for format in ["redb", "fastlog", "boltdb", "raft-wal", "etcd-wal"] {
        assert!(names.contains(&format!("verify {format}").as_str()), "{names:?}");
        assert!(names.contains(&format!("inspect --entries {format}").as_str()), "{names:?}");
    }
    let with_a_pace: Vec<&str> = jobs
        .iter()
        .filter(|job| job["pace"]["entries_per_s"]["min"].as_f64() > Some(0.0))
        .filter_map(|job| job["job"].as_str())
        .collect();
    assert_eq!(
        with_a_pace,
        ["verify redb (msgpack)", "verify redb (postcard)", "verify redb (JSON)"]
    );
    let peers: Vec<(&str, &str)> = jobs
        .iter()
        .filter_map(|job| Some((job["job"].as_str()?, job["peer"]["job"].as_str()?)))
        .collect();
    let wanted = [
        ("verify boltdb", "Go: read boltdb"),
        ("migrate boltdb to fastlog", "Go: boltdb to raft-fastlog"),
        ("migrate boltdb to raft-fastlog", "Go: boltdb to raft-fastlog"),
        ("migrate boltdb to raft-wal", "Go: boltdb to raft-wal"),
    ];
    match go {
        Some(_) => assert_eq!(peers, wanted),
        None => assert_eq!(peers, []),
    }
    for row in jobs {
        assert!(row["times_limit"]["median"].as_f64() > Some(0.0), "{row}");
    }
}
