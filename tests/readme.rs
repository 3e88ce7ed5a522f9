//! The README's promises to a newcomer: its scripts run as they stand, its tables are true.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use raftlog::fastlog::policy::{Ack, Flush, Loss, Promise, QUEUE_ENTRIES, Strategy};
use raftlog::model::Durability;
use support::told;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md")
}

/// The fenced blocks of one language, in order.
fn blocks(language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in readme().lines() {
        match open.as_mut() {
            Some(block) if line == "```" => {
                found.push(std::mem::take(block));
                open = None;
            }
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line == format!("```{language}") => open = Some(String::new()),
            None => {}
        }
    }
    found
}

fn run_script(script: &str, data: &Path, backups: &Path) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_raftlog"));
    let path = format!(
        "{}:{}",
        binary.parent().expect("a directory").display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let file = backups.join("script.sh");
    fs::write(&file, script).expect("script");
    Command::new("sh")
        .arg("-eu")
        .arg(&file)
        .env("PATH", path)
        .env("DATA", data)
        .env("LOG", data.join("raft").join("raft.db"))
        .env("BACKUPS", backups)
        .output()
        .expect("sh runs")
}

#[test]
fn the_maintenance_procedure_and_the_way_back_run_as_they_stand() {
    let [forth, back] = &blocks("sh")[..] else { panic!("two scripts") };
    let place = tempfile::tempdir().expect("temporary directory");
    let (data, backups) = (place.path().join("data"), place.path().join("backups"));
    fs::create_dir_all(data.join("raft/snapshots")).expect("data directory");
    fs::create_dir_all(&backups).expect("backups");
    let original = fs::read(support::fixtures().join("dkron/raft.redb")).expect("fixture");
    fs::write(data.join("raft/raft.db"), &original).expect("log");

    let (code, out, err) = told(&run_script(forth, &data, &backups));
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.contains("converted through index 613"), "{out}");
    assert_eq!(fs::read(backups.join("node.redb")).expect("old log"), original);
    assert!(!data.join("raft/raft.db").exists());

    let (code, out, err) = told(&run_script(back, &data, &backups));
    assert_eq!(code, 0, "{out}\n{err}");
    let old = backups.join("node.redb");
    let new = data.join("raft/raft.db");
    let (code, out, err) = told(&support::raftlog([Path::new("diff"), &old, &new]));
    assert_eq!(code, 0, "{out}\n{err}");
}

#[test]
fn the_first_command_runs_on_the_bundled_fixture() {
    let commands: Vec<String> = blocks("console")
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(commands.len(), 2, "exactly two lines");
    assert!(commands.iter().all(|line| line.starts_with("$ ")), "{commands:?}");
    assert_eq!(commands[1], "$ cargo test --locked");

    // Not through cargo, which this test may run under: the binary stands for `cargo run ... --`.
    let place = tempfile::tempdir().expect("temporary directory");
    let binary = env!("CARGO_BIN_EXE_raftlog");
    let command = commands[0]
        .trim_start_matches("$ ")
        .replace("cargo run --release --locked --quiet --", binary)
        .replace("target/demo", &place.path().join("demo").to_string_lossy());
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("sh runs");
    let (code, out, err) = told(&output);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.contains("613 entries"), "{out}");
    assert!(out.contains("every field compared: equal"), "{out}");
    assert!(out.contains("identical"), "{out}");
}

fn acknowledged(ack: Ack) -> &'static str {
    match ack {
        Ack::Accepted => "accepted",
        Ack::Written => "written",
        Ack::Durable => "durable",
    }
}

/// What a failure may take, in the words of the README.
fn loss(loss: Loss) -> String {
    match loss {
        Loss::Nothing => "nothing".to_owned(),
        Loss::SinceSyncPoint => "all after the last sync point".to_owned(),
        Loss::Recent { entries, age } => {
            let entries = entries.map(|entries| format!("{entries} entries"));
            let age = age.map(|age| {
                let mut parts = Vec::new();
                if !age.fixed.is_zero() {
                    parts.push(format!("{} ms", age.fixed.as_millis()));
                }
                if age.flushes > 0 {
                    parts.push(format!("{}F", age.flushes));
                }
                if age.sync_window {
                    parts.push("W".to_owned());
                }
                format!("what is younger than {}", parts.join(" + "))
            });
            [entries, age].into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
    }
}

#[test]
fn the_table_of_promises_is_what_the_engine_computes() {
    let mut wanted = Vec::new();
    for level in [Durability::High, Durability::Mid, Durability::Low] {
        for strategy in Strategy::ALL {
            for flush in [Flush::Immediate, Flush::BATCH] {
                let promise = Promise::of(level, strategy, flush, QUEUE_ENTRIES);
                wanted.push(format!(
                    "| {} | {} | {} | {} | {} | {} |",
                    level.as_i8(),
                    strategy.as_str(),
                    if flush == Flush::Immediate { "immediate" } else { "batch" },
                    acknowledged(promise.ack),
                    loss(promise.process_kill),
                    loss(promise.power_cut),
                ));
            }
        }
    }
    let readme = readme();
    let shown: Vec<&str> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| level | strategy |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(shown, wanted, "\n{}\n", wanted.join("\n"));
}
