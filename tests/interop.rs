//! Files that raftlog wrote, opened by the Go libraries that own the format: bbolt's check,
//! raft-boltdb 1 and 2, raft-fastlog, and a node of hashicorp/raft that elects itself and goes on
//! appending.
//!
//! Needs Go and the modules of `tests/interop/go.sum`; without them each test says so and passes.
#![allow(clippy::disallowed_methods)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::bolt::{Bundled, DUMPED, dump, file};
use support::go::{copied, done, go, interop, lines_of, raftlog_done, text};
use support::{raft_fastlog, raftlog, told};

/// A bundled file written anew by raftlog, by way of fastlog.
fn rewritten(bundled: &Bundled, dir: &Path) -> (PathBuf, PathBuf) {
    let path = file(bundled, dir);
    let name = bundled.file.replace('/', "-");
    let between = dir.join(format!("{name}.fl"));
    let target = dir.join(format!("{name}.db"));
    raftlog_done(&["migrate", text(&path), text(&between), "--to", "fastlog"]);
    raftlog_done(&["migrate", text(&between), text(&target), "--to", "boltdb"]);
    (path, target)
}

/// The versions of raft-boltdb that read the append times of a file: the first one reads only the
/// old form.
fn readers(bundled: &Bundled) -> &'static [(&'static str, &'static str)] {
    let has_new_times = ["bolt1-churn", "nomad-bolt", "openbao-raft", "wide-boltdb2-vault"];
    match has_new_times.contains(&bundled.fixture) {
        true => &[("v2", "new"), ("v2", "old")],
        false => &[("v1", "old"), ("v2", "old")],
    }
}

#[test]
fn the_owning_libraries_read_what_raftlog_wrote_as_they_read_the_original() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &DUMPED {
        let (original, target) = rewritten(bundled, dir.path());
        done(program, &["check", text(&target)]);
        for (version, form) in readers(bundled) {
            // Opening changes a file, so each reader gets its own.
            let ours = copied(&target, &format!("{version}.ours"));
            let theirs = copied(&original, &format!("{version}.theirs"));
            let found = done(program, &["dump", version, form, text(&ours)]);
            let wanted = done(program, &["dump", version, form, text(&theirs)]);
            assert!(found == wanted, "{} through {version}", bundled.file);
            // Three lines of stable keys, then the entries.
            assert_eq!(found.lines().count(), 3 + dump(bundled).entries.len(), "{}", bundled.file);
            done(program, &["check", text(&ours)]);
        }
    }
}

#[test]
fn the_owning_libraries_go_on_writing_where_raftlog_ended() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &DUMPED {
        let (_, target) = rewritten(bundled, dir.path());
        let before = dump(bundled).entries.len();
        for version in ["v1", "v2"] {
            let grown = copied(&target, &format!("{version}.grown"));
            done(program, &["append", version, text(&grown), "150"]);
            done(program, &["check", text(&grown)]);
            let said = raftlog_done(&["verify", "--json", text(&grown)]);
            let said: Value = serde_json::from_str(&said).expect("JSON");
            let store = &said["result"]["stores"][0];
            assert_eq!(store["entries"], before + 150 - 1, "{} by {version}", bundled.file);
            assert_eq!(store["sound"], true, "{} by {version}", bundled.file);
        }
    }
}

#[test]
fn what_was_turned_into_the_old_form_is_read_by_the_library_that_knows_no_other() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let nomad = DUMPED.iter().find(|one| one.fixture == "nomad-bolt").expect("bundled");
    let path = file(nomad, dir.path());
    let target = dir.path().join("old.db");
    let arguments = ["migrate", text(&path), text(&target), "--to", "boltdb"];
    raftlog_done(&[&arguments[..], &["--time-form", "old"]].concat());
    let [ours, theirs] = [copied(&target, "ours"), copied(&path, "theirs")];
    let found = done(program, &["dump", "v1", "old", text(&ours)]);
    let wanted = done(program, &["dump", "v2", "new", text(&theirs)]);
    assert!(found == wanted, "entries differ");
    let (code, _, _) = told(&go(program, &["dump", "v1", "old", text(&theirs)]));
    assert_eq!(code, 1, "the original cannot be read by it");
}

#[test]
fn a_node_elects_itself_on_what_raftlog_wrote_and_raftlog_reads_it_again() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let voter = DUMPED.iter().find(|one| one.fixture == "bolt2-voter").expect("bundled");
    let (_, target) = rewritten(voter, dir.path());
    for version in ["v1", "v2"] {
        let node = copied(&target, &format!("{version}.node"));
        let said = done(program, &["elect", version, text(&node)]);
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert!(said["term"].as_u64() > Some(3), "{said}");
        done(program, &["check", text(&node)]);
        raftlog_done(&["verify", "--strict", text(&node)]);
        let state = raftlog_done(&["inspect", "--json", text(&node)]);
        let state: Value = serde_json::from_str(&state).expect("JSON");
        let group = &state["result"]["groups"][0];
        assert_eq!(group["last_index"], said["last"], "{version}");
        assert_eq!(group["hard_state"]["term"], said["term"], "{version}");
    }
}

/// A bundled raft-fastlog file written anew by raftlog, by way of fastlog.
fn fast_rewritten(bundled: &raft_fastlog::Bundled, dir: &Path) -> PathBuf {
    let path = raft_fastlog::file(bundled, dir);
    let name = bundled.file.replace('/', "-");
    let between = dir.join(format!("{name}.fl"));
    let target = dir.join(format!("{name}.fast"));
    for (from, to, format) in [(&path, &between, "fastlog"), (&between, &target, "raft-fastlog")] {
        let (code, _, err) = told(&raftlog(["migrate", text(from), text(to), "--to", format]));
        // Ghosts of the source are a warning.
        assert!([0, 3].contains(&code), "{err}");
    }
    target
}

#[test]
fn the_library_of_raft_fastlog_reads_what_raftlog_wrote_as_it_was_meant() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &raft_fastlog::ALL {
        let target = fast_rewritten(bundled, dir.path());
        let found = lines_of(program, "fast", "old", &target);
        // What the library sees in the original, without what had been deleted.
        let original = raft_fastlog::file(bundled, dir.path());
        let mut wanted = lines_of(program, "fast", "old", &original);
        wanted.retain(|line| {
            let index = line["index"].as_u64();
            index.is_none_or(|index| !bundled.ghosts.contains(&index))
        });
        assert_eq!(found, wanted, "{}", bundled.file);
        assert!(found.len() > 3, "{}", bundled.file);
    }
}

#[test]
fn boltdb_and_raft_fastlog_hold_the_same_log_to_both_libraries() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &DUMPED {
        let bolt = file(bundled, dir.path());
        let fast = dir.path().join(format!("{}.fast", bundled.file.replace('/', "-")));
        let losses = "appended-at,extensions,unknown-fields";
        let arguments = ["migrate", text(&bolt), text(&fast), "--to", "raft-fastlog"];
        raftlog_done(&[&arguments[..], &["--allow-loss", losses]].concat());
        // An index, its term, kind and data; numbers under stable keys have another byte order.
        let same = |line: &Value| {
            let turned = |hex: &str| {
                let mut bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex");
                bytes.reverse();
                data_encoding::HEXLOWER.encode(&bytes)
            };
            match line["stable"].as_str() {
                Some("LastVoteCand") | None => {
                    [&line["index"], &line["term"], &line["kind"], &line["data_hex"], &line["hex"]]
                        .map(Value::to_string)
                        .join(" ")
                }
                Some(key) => format!("{key} {}", turned(line["hex"].as_str().expect("hex"))),
            }
        };
        let form = readers(bundled)[0].1;
        let theirs = copied(&bolt, "theirs");
        let wanted = done(program, &["dump", "v2", form, text(&theirs)]);
        let wanted: Vec<String> =
            wanted.lines().map(|line| same(&serde_json::from_str(line).expect("JSON"))).collect();
        let plain = |line: &Value| match line["stable"].as_str() {
            Some("LastVoteCand") | None => same(line),
            Some(key) => format!("{key} {}", line["hex"].as_str().expect("hex")),
        };
        let found: Vec<String> =
            lines_of(program, "fast", "old", &fast).iter().map(plain).collect();
        assert!(found == wanted, "{}", bundled.file);
    }
}

#[test]
fn the_library_of_raft_fastlog_goes_on_writing_where_raftlog_ended() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    for bundled in &raft_fastlog::ALL {
        let target = fast_rewritten(bundled, dir.path());
        let before = lines_of(program, "fast", "old", &target).len() as u64 - 3;
        let grown = copied(&target, "grown");
        done(program, &["append", "fast", text(&grown), "150"]);
        let said = raftlog(["verify", "--json", text(&grown)]);
        let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
        assert_eq!(said["result"]["stores"][0]["entries"], before + 149, "{}", bundled.file);
        // It deleted the first entry, which its loader brings back.
        let codes = said["findings"].as_array().expect("findings").iter();
        let ghosts = codes.filter(|finding| finding["code"] == "R104").count();
        assert_eq!(ghosts, 1, "{}", bundled.file);
        assert_eq!(lines_of(program, "fast", "old", &grown).len() as u64 - 3, before + 150);
        // After its own rewrite nothing of that is left to see, and raftlog reads the same.
        done(program, &["shrink", text(&grown)]);
        let said = raftlog(["inspect", "--json", text(&grown)]);
        let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
        assert_eq!(said["result"]["groups"][0]["entries"], before + 150, "{}", bundled.file);
    }
}

#[test]
fn a_node_elects_itself_on_a_raft_fastlog_file_of_raftlog_and_not_on_a_ghost() {
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let target = fast_rewritten(raft_fastlog::named("voter.db"), dir.path());
    let node = copied(&target, "node");
    let said = done(program, &["elect", "fast", text(&node)]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    raftlog_done(&["verify", "--strict", text(&node)]);
    let state = raftlog_done(&["inspect", "--json", text(&node)]);
    let state: Value = serde_json::from_str(&state).expect("JSON");
    let group = &state["result"]["groups"][0];
    assert_eq!(group["last_index"], said["last"]);
    assert_eq!(group["hard_state"]["term"], said["term"]);
    // With a ghost behind the end the node panics, as verify says; written anew it starts.
    let ghost = copied(&target, "ghost");
    done(program, &["ghost", text(&ghost)]);
    let verdict = raftlog(["verify", text(&ghost)]);
    assert_eq!(verdict.status.code(), Some(1));
    let (code, _, err) = told(&go(program, &["elect", "fast", text(&copied(&ghost, "panics"))]));
    assert!(code != 0 && err.contains("log not found"), "{code} {err}");
    let normal = dir.path().join("normal");
    let migrated = raftlog(["migrate", text(&ghost), text(&normal), "--to", "raft-fastlog"]);
    assert_eq!(migrated.status.code(), Some(3));
    done(program, &["elect", "fast", text(&normal)]);
}

/// A fixed sequence of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % below
    }
}

/// One way to break a page: where from its beginning, and what is written there.
fn damage(round: u64, numbers: &mut Numbers, page: &[u8]) -> (usize, Vec<u8>) {
    let at = match round % 3 {
        0 => numbers.next(16),
        1 => 16 + numbers.next(64),
        _ => numbers.next(page.len() as u64),
    };
    let at = at as usize;
    match round % 20 {
        19 => (0, vec![0; page.len()]),
        18 => (10, vec![0xff, 0xff]),
        _ => (at, vec![page[at] ^ (1 << numbers.next(8))]),
    }
}

#[test]
fn what_bbolt_finds_wrong_with_a_broken_file_raftlog_finds_too() {
    const PAGE: usize = 4096;
    const ROUNDS: u64 = 60;
    let Some(program) = interop() else { return };
    let dir = tempfile::tempdir().expect("directory");
    for number in [1, 2, 7] {
        let bytes = std::fs::read(file(&DUMPED[number], dir.path())).expect("fixture");
        let mut numbers = Numbers(number as u64);
        let (mut theirs, mut ours) = (0, 0);
        for round in 0..ROUNDS {
            let page = numbers.next((bytes.len() / PAGE) as u64) as usize;
            let start = page * PAGE;
            let (at, written) = damage(round, &mut numbers, &bytes[start..start + PAGE]);
            let mut broken = bytes.clone();
            broken[start + at..start + at + written.len()].copy_from_slice(&written);
            let path = dir.path().join("broken.db");
            std::fs::write(&path, broken).expect("a copy");
            // It also crashes on some, and counts to four billion where a page says so.
            let mut check = Command::new("timeout");
            let check = check.arg("2").arg(program).args(["check", text(&path)]).output();
            let bad = !check.expect("runs").status.success();
            let (code, out, err) = told(&raftlog(["verify", "--alone", text(&path)]));
            assert!([0, 1, 3, 10].contains(&code), "page {page} + {at}: {code} {out}{err}");
            theirs += u32::from(bad);
            ours += u32::from(code != 0);
            assert!(
                !bad || code != 0,
                "{}: page {page}, {} bytes at {at}: only bbolt finds it",
                DUMPED[number].file,
                written.len()
            );
        }
        assert!(theirs > 0 && ours >= theirs, "{theirs} of {ROUNDS} found by bbolt, {ours} by us");
    }
}
