//! `raftlog simulate` through the real binary: what it prints, how it ends, that one seed is one
//! answer.
#![allow(clippy::disallowed_methods)]

use serde_json::Value;

mod support;

use support::{raftlog, told};

/// Little of everything, so that it takes no time.
const LITTLE: &str = "simulate --steps 24 --images 4 --points 12";

fn run(arguments: &str) -> (i32, String, String) {
    told(&raftlog(arguments.split_whitespace()))
}

fn json(arguments: &str, wanted: i32) -> Value {
    let (code, stdout, stderr) = run(&format!("{arguments} --json --quiet"));
    assert_eq!(code, wanted, "{arguments}: {stderr}");
    serde_json::from_str(&stdout).expect("one object")
}

/// Without what depends on the machine.
fn timeless(mut value: Value) -> Value {
    for (part, field) in
        [("result", "elapsed_ms"), ("result", "images_per_s"), ("summary", "elapsed_ms")]
    {
        value[part][field] = Value::Null;
    }
    value
}

#[test]
fn every_mode_is_tried_and_keeps_its_promise() {
    let (code, stdout, stderr) = run(LITTLE);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let first = stdout.lines().next().expect("a line");
    assert!(first.starts_with("profile strict-posix   seed 7f3a   4 groups   24 steps"), "{first}");
    assert!(stdout.contains("assumes: sync tells the truth"), "{stdout}");
    let rows: Vec<&str> = stdout.lines().filter(|line| line.ends_with(" yes")).collect();
    assert_eq!(rows.len(), 12, "{stdout}");
    assert_eq!(stdout.lines().filter(|line| line.contains(" | ")).count(), 12, "the chart");
}

#[test]
fn level_1_disk_first_loses_nothing_and_level_minus_1_loses_something() {
    let value = json("simulate --steps 40 --images 16 --flush immediate", 0);
    let modes = value["result"]["modes"].as_array().expect("modes").clone();
    let mode = |durability: i64, strategy: &str| {
        let fits = |mode: &&Value| mode["durability"] == durability && mode["strategy"] == strategy;
        modes.iter().find(fits).expect("tried").clone()
    };
    let strict = mode(1, "disk-first");
    assert_eq!(strict["lost"]["max"], 0);
    assert_eq!(strict["promise"]["power"]["entries"], 0);
    assert_eq!(strict["recovered_ok"], strict["images_distinct"]);
    assert!(strict["nested"].as_u64() > Some(100), "{strict}");
    let weak = mode(-1, "disk-first");
    assert!(weak["lost"]["max"].as_u64() > Some(0), "{weak}");
    assert!(weak["promise"]["power"]["entries"].is_null());
    let rate = |mode: &Value| mode["entries_per_s"].as_u64().expect("a rate");
    assert!(rate(&weak) > rate(&strict), "syncs cost time: {weak} {strict}");
    assert_eq!(value["summary"]["promise_kept"], true);
}

#[test]
fn faults_of_the_device_are_masked_or_refused_and_never_silent() {
    let value = json(LITTLE, 0);
    let faults = value["result"]["faults"].as_array().expect("faults");
    assert!(faults.len() >= 8, "{faults:?}");
    for row in faults {
        let count = |key: &str| row[key].as_u64().expect("a count");
        assert!(count("tried") > 0, "{row}");
        let sum = count("masked") + count("refused") + count("ambiguous") + count("silent");
        assert_eq!((count("tried"), count("silent")), (sum, 0), "{row}");
    }
    let without = json(&format!("{LITTLE} --no-faults"), 0);
    assert_eq!(without["result"]["faults"], Value::Array(Vec::new()));
}

#[test]
fn one_seed_is_one_answer_and_another_seed_another() {
    let once = timeless(json(LITTLE, 0));
    assert_eq!(once, timeless(json(LITTLE, 0)));
    assert_ne!(once, timeless(json(&format!("{LITTLE} --seed 51"), 0)));
}

#[test]
fn a_case_is_tried_again_byte_for_byte() {
    let flags = "--durability 1 --strategy disk-first --flush immediate --steps 24";
    for case in ["7f3a:20", "7f3a:21:0", "51:9:0/0:0"] {
        let again = format!("simulate --replay {case} {flags}");
        let value = timeless(json(&again, 0));
        assert_eq!(value, timeless(json(&again, 0)));
        let replayed = &value["result"]["replayed"];
        assert_eq!(replayed["case"], case);
        assert!(replayed["recovered"].as_u64() >= replayed["promised"].as_u64(), "{replayed}");
        assert!(replayed["calls"].as_array().is_some_and(|calls| !calls.is_empty()));
        let (code, stdout, _) = run(&again);
        assert_eq!(code, 0);
        assert!(stdout.contains("verdict:") && stdout.contains("what the disk did"), "{stdout}");
    }
}

#[test]
fn what_a_crash_left_is_kept_as_real_files_on_which_verify_agrees() {
    let flags = "--durability -1 --strategy disk-first --flush immediate";
    let place = tempfile::tempdir().expect("a directory");
    let (mut torn, mut whole) = (0, 0);
    for image in 0..24 {
        let dir = place.path().join(image.to_string());
        let dir = dir.to_str().expect("UTF-8");
        let value = json(&format!("simulate --replay 7f3a:90:{image} {flags} --keep {dir}"), 0);
        let verdict = value["result"]["replayed"]["verdict"].as_str().expect("a verdict");
        let (inspected, codes) = verdict_of(dir);
        let is_torn = verdict.starts_with("torn tail cut");
        assert_eq!(value["result"]["replayed"]["first_bad"].is_object(), is_torn, "{verdict}");
        if is_torn {
            torn += 1;
            assert_eq!(inspected, 3, "{verdict}");
            let told = codes.contains("R114") || codes.contains("R117");
            assert!(told, "{verdict}: {codes:?}");
        } else {
            whole += 1;
            assert!(!codes.contains("R114"), "{verdict}: {codes:?}");
        }
        let corrupt = codes.contains("R115") || codes.contains("R116");
        assert!(!corrupt, "no crash is corruption: {verdict}: {codes:?}");
        let (code, _, _) = run(&format!("simulate --replay 7f3a:90:{image} {flags} --keep {dir}"));
        assert_eq!(code, 12, "an existing directory is left alone");
    }
    assert!(torn > 0 && torn + whole == 24, "{torn} torn, {whole} whole");
    // Damage to what was synced is no torn tail.
    let dir = place.path().join("0");
    let segment = dir.join("00000003.seg");
    let mut bytes = std::fs::read(&segment).expect("a segment that was full");
    bytes[8300] ^= 0x20;
    std::fs::write(&segment, bytes).expect("written");
    let (inspected, codes) = verdict_of(dir.to_str().expect("UTF-8"));
    assert!(inspected == 1 && codes.contains("R115"), "{inspected}: {codes:?}");
}

/// How `inspect` ends, and the codes that `verify` finds.
fn verdict_of(dir: &str) -> (i32, std::collections::BTreeSet<String>) {
    let (inspected, _, _) = run(&format!("inspect {dir}"));
    let (_, stdout, stderr) = run(&format!("verify {dir} --json"));
    let value: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stderr}"));
    let findings = value["findings"].as_array().expect("findings").clone();
    let code = |finding: Value| finding["code"].as_str().expect("a code").to_owned();
    (inspected, findings.into_iter().map(code).collect())
}

#[test]
fn a_report_is_a_page_of_its_own_that_replaces_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("crash.html");
    let little = format!("{LITTLE} --no-faults --report {}", path.display());
    let (code, _, stderr) = run(&little);
    assert_eq!(code, 0, "{stderr}");
    let page = std::fs::read_to_string(&path).expect("a page");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("level 1 lost") && page.contains("Every promise was kept."), "{page}");
    assert_eq!(page.matches("<rect").count(), 24, "two charts of twelve modes");
    assert!(page.contains("prefers-color-scheme:dark"));
    for foreign in ["http:", "https:", "<script", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign} leads elsewhere");
    }
    let (code, _, _) = run(&little);
    assert_eq!(code, 12, "the page is left alone");
    assert_eq!(std::fs::read_to_string(&path).expect("a page"), page);
    assert_eq!(std::fs::read_dir(place.path()).expect("listed").count(), 1, "nothing partial");
}

#[test]
fn a_case_that_is_none_is_a_matter_of_flags() {
    let mode = "--durability 1 --strategy disk-first --flush immediate";
    for wrong in [
        format!("simulate --replay nothing {mode}"),
        format!("simulate --replay 7f3a:99999:0 {mode}"),
        "simulate --replay 7f3a:1:0".to_owned(),
        "simulate --flush batch:8".to_owned(),
        "simulate --durability 2".to_owned(),
        "simulate --format jsonl".to_owned(),
    ] {
        let (code, stdout, stderr) = run(&wrong);
        assert_eq!((code, stdout.as_str()), (2, ""), "{wrong}: {stderr}");
    }
}

#[test]
fn hazards_are_told_and_fail_only_where_that_is_asked_for() {
    let low = "simulate --durability -1 --steps 40 --images 16";
    let value = json(low, 0);
    let hazards = value["summary"]["hazards"].as_u64().expect("a count");
    assert!(hazards > 0, "{}", value["summary"]);
    let finding = &value["findings"][0];
    assert_eq!((&finding["code"], &finding["severity"]), (&"S08".into(), &"warning".into()));
    json(&format!("{low} --strict"), 1);
}

#[test]
fn profiles_are_told_apart_and_every_check_is_explained() {
    let value = json(&format!("{LITTLE} --durability 1 --profile kill,drop,xfs"), 0);
    let modes = value["result"]["modes"].as_array().expect("modes");
    let profiles: Vec<&str> =
        modes.iter().map(|mode| mode["profile"].as_str().expect("a name")).collect();
    assert_eq!(profiles.len(), 12);
    assert!(["kill", "drop", "xfs"].iter().all(|name| profiles.contains(name)), "{profiles:?}");
    for number in 1..=18 {
        let (code, stdout, _) = run(&format!("explain S{number:02}"));
        assert_eq!(code, 0);
        assert!(stdout.contains("(simulate)") && stdout.contains("remedy"), "{stdout}");
    }
}

#[test]
fn a_real_store_shapes_the_workload_and_is_only_read() {
    let store = support::redb("redb-twins", "twin-golib-bolt2-novote");
    let path = store.to_str().expect("UTF-8");
    let before = std::fs::read(&store).expect("a fixture");
    let value = json(&format!("{LITTLE} {path} --no-faults"), 0);
    assert_eq!(value["source"]["format"], "redb");
    let workload = &value["result"]["workload"];
    assert_eq!(workload["groups"], 1, "{workload}");
    let usual = json(&format!("{LITTLE} --no-faults"), 0);
    assert_ne!(workload["bytes"], usual["result"]["workload"]["bytes"]);
    assert_eq!(std::fs::read(&store).expect("a fixture"), before);
    let mode = "--durability 1 --strategy disk-first --flush immediate";
    let value = json(&format!("simulate {path} --replay 7f3a:12:0 {mode}"), 0);
    assert_eq!(value["result"]["replayed"]["case"], "7f3a:12:0");
    let (code, stdout, _) = run("simulate /no/such/store");
    assert_eq!((code, stdout.as_str()), (10, ""));
}

#[test]
fn a_cluster_loses_what_no_majority_holds() {
    let value = json("simulate --steps 40 --images 16 --flush immediate --no-faults --cluster", 0);
    let modes = value["result"]["modes"].as_array().expect("modes");
    let sum = |durability: i64, strategy: &str, key: &str| -> u64 {
        let of = modes.iter().filter(|mode| mode["durability"] == durability);
        let of = of.filter(|mode| mode["strategy"] == strategy);
        of.map(|mode| mode["cluster"][key].as_u64().expect("a count")).sum()
    };
    assert!(modes.iter().all(|mode| mode["cluster"]["nodes"] == 3));
    assert!(sum(1, "disk-first", "cuts") > 1000);
    assert_eq!(sum(1, "disk-first", "cuts_with_loss"), 0);
    assert_eq!(sum(1, "disk-first", "double_votes"), 0);
    assert!(sum(-1, "disk-first", "cuts_with_loss") > 0);
    assert!(sum(-1, "disk-first", "double_votes") > 0);
    let (code, stdout, _) = run(&format!("{LITTLE} --no-faults --cluster=5"));
    assert_eq!(code, 0);
    assert!(stdout.contains("5 nodes with the same log, one power cut"), "{stdout}");
    assert!(stdout.contains("for Dkron's --raft-duration: when all nodes lose power"), "{stdout}");
}

#[test]
fn killed_processes_lose_nothing_that_was_promised_for_a_kill() {
    let place = tempfile::tempdir().expect("a directory");
    let dir = place.path().join("log");
    let dir = dir.to_str().expect("UTF-8");
    let value = json(&format!("simulate --process 14 --dir {dir}"), 0);
    let process = &value["result"]["process"];
    assert_eq!((&process["rounds"], &process["violations"]), (&14.into(), &0.into()));
    assert!(process["acknowledged"].as_u64() > Some(20), "{process}");
    assert!(process["recovered"].as_u64() > Some(20), "{process}");
    let (code, stdout, _) = run(&format!("simulate --process 2 --dir {dir}"));
    assert_eq!((code, stdout.as_str()), (12, ""), "what is there stays");
    let (code, stdout, _) = run(&format!("simulate --process 2 --dir {dir}/new"));
    assert_eq!(code, 0);
    assert!(stdout.contains("this cannot show a power cut"), "{stdout}");
}

#[test]
fn what_is_taken_for_granted_is_told_and_steps_can_be_left_out() {
    let value = json(&format!("{LITTLE} --no-faults --no-psow"), 0);
    assert_eq!(value["result"]["assumptions"].as_array().map(Vec::len), Some(1));
    let whole = json(&format!("{LITTLE} --no-faults"), 0);
    assert_eq!(whole["result"]["assumptions"].as_array().map(Vec::len), Some(2));
    let less = json(&format!("{LITTLE} --no-faults --without 5-20 --payload-max 10"), 0);
    let of = |value: &Value, key: &str| value["result"]["workload"][key].as_u64();
    assert!(of(&less, "ops") < of(&whole, "ops"), "{less}");
    assert!(of(&less, "bytes") < of(&whole, "bytes"), "{less}");
}

/// The findings' codes of a level, errors and hazards apart.
fn codes_of(value: &Value, level: &str, severity: &str) -> Vec<String> {
    let findings = value["findings"].as_array().expect("findings").iter();
    let mode = format!("--durability {level} ");
    findings
        .filter(|finding| finding["severity"] == severity)
        .filter(|finding| finding["mode"].as_str().is_some_and(|text| text.starts_with(&mode)))
        .map(|finding| finding["code"].as_str().expect("a code").to_owned())
        .collect()
}

#[test]
fn raft_fastlog_is_tried_under_the_same_cuts_by_the_rules_of_its_own_loader() {
    let value = json("simulate --engine raft-fastlog --profile ext4-ordered", 1);
    let result = &value["result"];
    assert_eq!(
        (&result["engine"], &value["summary"]["promise_kept"]),
        (&"raft-fastlog".into(), &false.into())
    );
    let modes = result["modes"].as_array().expect("modes");
    let levels: Vec<i64> = modes.iter().filter_map(|mode| mode["durability"].as_i64()).collect();
    assert_eq!(levels, [1, 0, -1], "it writes in one way");
    assert_eq!(
        (result["workload"]["groups"].as_u64(), &result["faults"]),
        (Some(1), &Value::Array(Vec::new()))
    );
    let count = |at: usize, key: &str| modes[at][key].as_u64().expect("a count");
    let lost = |at: usize| modes[at]["lost"]["max"].as_u64().expect("a count");
    // A sync on every change loses nothing that loads; none loses most.
    assert_eq!(lost(0), 0);
    assert!(0 < lost(1) && lost(1) < lost(2), "{modes:#?}");
    for (at, mode) in modes.iter().enumerate() {
        for key in ["refused", "resurrected", "recovered_ok"] {
            assert!(count(at, key) > 0, "{key}: {mode:#}");
        }
    }
    assert_eq!((count(0, "lost_votes"), &modes[1]["promise"]["vote"]), (0, &"written".into()));
    assert!(count(1, "lost_votes") > 0 && count(2, "lost_votes") > 0);
    // Torn tails that do not load, deleted entries that come back, a rewrite without a sync.
    for wanted in ["S01", "S02", "S06", "S07", "S08"] {
        assert!(codes_of(&value, "1", "error").iter().any(|code| code == wanted), "{wanted}");
    }
    assert_eq!(codes_of(&value, "1", "warning"), Vec::<String>::new());
    assert_eq!(codes_of(&value, "0", "warning"), ["S08"], "a vote may go");
}

#[test]
fn only_the_loader_of_raft_fastlog_is_wrong_where_nothing_is_lost() {
    let value = json("simulate --engine raft-fastlog --profile kill", 1);
    for level in ["1", "0", "-1"] {
        assert_eq!(codes_of(&value, level, "error"), ["S06", "S07"], "at {level}");
    }
    for mode in value["result"]["modes"].as_array().expect("modes") {
        assert_eq!((mode["refused"].as_u64(), mode["lost"]["max"].as_u64()), (Some(0), Some(0)));
        assert_eq!(mode["recovered_ok"], mode["images_distinct"]);
    }
}

#[test]
fn cases_of_raft_fastlog_are_tried_again_and_kept_as_files_that_verify_judges_alike() {
    let value = json("simulate --engine raft-fastlog --profile ext4-ordered --durability 0", 1);
    let place = tempfile::tempdir().expect("a directory");
    let (mut torn, mut ghosts) = (0, 0);
    let findings = value["findings"].as_array().expect("findings");
    for (number, finding) in findings.iter().enumerate() {
        let Some(command) = finding["command"].as_str() else { continue };
        let again = command.strip_prefix("raftlog ").expect("a command of ours");
        let dir = place.path().join(number.to_string());
        let dir = dir.to_str().expect("UTF-8");
        let first = timeless(json(&format!("{again} --keep {dir}"), 1));
        assert_eq!(first, timeless(json(again, 1)), "{again}");
        let found = first["findings"].as_array().expect("findings");
        let code = finding["code"].as_str().expect("a code");
        assert!(found.iter().any(|found| found["code"] == code), "{again}: {found:?}");
        let kept = format!("{dir}/raft.fastlog");
        let Ok(metadata) = std::fs::metadata(&kept) else { continue };
        if metadata.len() == 0 {
            continue;
        }
        let (exit, said, _) = run(&format!("verify --json {kept}"));
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let says = |code: &str| {
            said["findings"].as_array().is_some_and(|all| all.iter().any(|one| one["code"] == code))
        };
        match code {
            "S01" => {
                assert!(says("R114") || says("R115"), "{said:#}");
                assert!(exit == 3 || exit == 1, "{exit}");
                torn += 1;
            }
            "S06" | "S07" => {
                assert!(says("R104"), "{said:#}");
                ghosts += 1;
            }
            _ => {}
        }
    }
    assert!(torn > 0 && ghosts == 2, "{torn} {ghosts}");
}

#[test]
fn what_raft_fastlog_cannot_do_is_refused_as_usage() {
    for flags in ["--strategy mem-first", "--flush batch:8,20", "--process 2 --dir nowhere"] {
        let (code, stdout, stderr) = run(&format!("simulate --engine raft-fastlog {flags}"));
        assert_eq!((code, stdout.as_str()), (2, ""), "{flags}: {stderr}");
        assert!(stderr.contains("--engine raft-fastlog has no --"), "{stderr}");
        assert!(stderr.contains("hint: raftlog simulate --engine raft-fastlog"), "{stderr}");
    }
}

#[test]
fn the_disk_that_is_there_can_be_measured_and_its_times_told_again() {
    let place = tempfile::tempdir().expect("a directory");
    let dir = place.path().to_str().expect("UTF-8");
    let value = json(&format!("{LITTLE} --no-faults --disk measured --dir {dir}"), 0);
    let disk = &value["result"]["disk"];
    assert_eq!(disk["model"], "measured");
    let (write, sync) = (disk["write_us"].as_u64(), disk["sync_us"].as_u64());
    assert!(write > Some(0) && sync >= Some(1), "{disk}");
    assert_eq!(std::fs::read_dir(dir).expect("listed").count(), 0, "something is left");
    let told = format!("{},{}", write.expect("a time"), sync.expect("a time"));
    let again = json(&format!("{LITTLE} --no-faults --disk {told}"), 0);
    assert_eq!(timeless(again), timeless(value));
    let (code, stdout, stderr) = run(&format!("{LITTLE} --disk measured --dir {dir}/nowhere"));
    assert_eq!((code, stdout.as_str()), (10, ""), "{stderr}");
    let (code, _, stderr) = run(&format!("{LITTLE} --disk floppy"));
    assert!(code == 2 && stderr.contains("nvme, ssd, hdd, measured"), "{stderr}");
}

/// In small groups a log is again as it was before: what a reader sees then is no later operation.
#[test]
fn a_reader_who_sees_what_was_there_before_has_seen_no_more() {
    let store = support::redb("redb-real", "real-nodedb-purged");
    let store = store.to_str().expect("UTF-8");
    let mode = "--durability 1 --strategy disk-first --flush immediate --points 4 --images 4";
    let value = json(&format!("simulate {store} {mode}"), 0);
    assert_eq!(value["findings"], Value::Array(Vec::new()));
    let sync = |row: &&Value| row["fault"].as_str().is_some_and(|name| name.starts_with("sync"));
    let faults = value["result"]["faults"].as_array().expect("faults");
    assert!(faults.iter().filter(sync).all(|row| row["tried"].as_u64() > Some(5)), "{faults:?}");
}
