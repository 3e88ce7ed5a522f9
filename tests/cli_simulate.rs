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
