//! `repair` on broken copies of real BoltDB files: every entry of the result is one that the
//! original held at that index, what is missing is named, and the source is only read.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raftlog::model::{Entry, GroupId, IndexRange};
use raftlog::store::OpenOptions;
use raftlog::store::open::open;
use raftlog::vfs::Fs;
use raftlog::vfs::os::{OsClock, OsFs};
use serde_json::Value;
use support::bolt::{Bundled, DUMPED, file};
use support::{raftlog, told};

const PAGE: usize = 4096;
const META_BYTES: usize = 64;
const LEAF: u8 = 2;
const BRANCH: u8 = 1;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The entries of a log that opens without damage.
fn entries(path: &Path) -> BTreeMap<u64, Entry> {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let opened = open(&fs, &OsClock, path, &OpenOptions::default()).expect("opens");
    let all = opened.store.entries(&GroupId::Unnamed, IndexRange::ALL).expect("entries");
    all.map(|located| {
        let entry = located.expect("sound").entry;
        (entry.index.0, entry)
    })
    .collect()
}

/// A broken copy, and what it held before.
struct Broken {
    path: PathBuf,
    out: PathBuf,
    sound: BTreeMap<u64, Entry>,
}

/// What came out.
struct Outcome {
    code: i32,
    result: Value,
    entries: BTreeMap<u64, Entry>,
}

impl Broken {
    fn of(bundled: &Bundled, dir: &Path, damage: impl FnOnce(&mut Vec<u8>)) -> Broken {
        let path = file(bundled, dir);
        let sound = entries(&path);
        let mut bytes = std::fs::read(&path).expect("fixture");
        damage(&mut bytes);
        let path = dir.join("broken.db");
        std::fs::write(&path, bytes).expect("a copy");
        Broken { path, out: dir.join("repaired.db"), sound }
    }

    fn repair(&self) -> Outcome {
        let before = std::fs::read(&self.path).expect("source");
        let arguments = ["repair", text(&self.path), "--out", text(&self.out), "--json"];
        let _absent = std::fs::remove_file(&self.out);
        let (code, out, err) = told(&raftlog(arguments));
        assert!(before == std::fs::read(&self.path).expect("source"), "the source was changed");
        let said: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"));
        let result = said["result"].clone();
        let entries = match self.out.is_file() {
            true => entries(&self.out),
            false => BTreeMap::new(),
        };
        Outcome { code, result, entries }
    }

    /// That all of the original is there, or named as missing, and nothing else.
    fn assert_honest(&self, outcome: &Outcome, what: &str) {
        let Outcome { code, result, entries } = outcome;
        for (index, entry) in entries {
            assert_eq!(self.sound.get(index), Some(entry), "{what}: entry {index}");
        }
        let holes = result["holes"].as_array().expect("holes");
        let bound = |hole: &Value, end: &str| hole[end].as_u64().expect("an index");
        let holes: Vec<RangeInclusive<u64>> =
            holes.iter().map(|hole| bound(hole, "first")..=bound(hole, "last")).collect();
        let first = entries.keys().next().copied().unwrap_or(u64::MAX);
        let last = entries.keys().next_back().copied().unwrap_or_default();
        for index in self.sound.keys().filter(|index| !entries.contains_key(index)) {
            let named = holes.iter().any(|hole| hole.contains(index))
                || (*index < first && result["open_begin"] == true)
                || (*index > last && result["open_end"] == true);
            assert!(named, "{what}: entry {index} is missing without a word");
        }
        let lost = entries.len() < self.sound.len();
        assert!(!lost || *code == 4, "{what}: exit {code} although entries are missing");
    }
}

/// Numbers of the pages of a type.
fn pages(bytes: &[u8], kind: u8) -> Vec<usize> {
    let count = bytes.len() / PAGE;
    let is = |page: &usize| {
        let at = page * PAGE;
        bytes[at..at + 8] == (*page as u64).to_le_bytes() && bytes[at + 8] == kind
    };
    (2..count).filter(is).collect()
}

#[test]
fn a_sound_file_comes_out_whole() {
    for bundled in &DUMPED {
        let dir = tempfile::tempdir().expect("directory");
        let sound = Broken::of(bundled, dir.path(), |_| {});
        let outcome = sound.repair();
        assert_eq!(outcome.code, 0, "{}", bundled.file);
        assert_eq!(outcome.entries, sound.sound, "{}", bundled.file);
        assert_eq!(outcome.result["state"], "newest");
        let (code, out, _) = told(&raftlog(["diff", text(&sound.path), text(&sound.out)]));
        assert_eq!(code, 0, "{out}");
    }
}

#[test]
fn whatever_page_is_broken_the_rest_comes_out_and_the_loss_is_named() {
    for number in [0, 1, 2, 7] {
        let bundled = &DUMPED[number];
        let dir = tempfile::tempdir().expect("directory");
        let original = std::fs::read(file(bundled, dir.path())).expect("fixture");
        let mut broken: Vec<usize> = pages(&original, LEAF);
        let step = broken.len().div_ceil(12);
        broken = broken.into_iter().step_by(step).chain(pages(&original, BRANCH)).collect();
        let mut from_elsewhere = 0;
        for page in broken {
            let one = Broken::of(bundled, dir.path(), |bytes| {
                bytes[page * PAGE..page * PAGE + PAGE].fill(0xa5);
            });
            let outcome = one.repair();
            let what = format!("{} without page {page}", bundled.file);
            assert!([0, 3, 4].contains(&outcome.code), "{what}: {}", outcome.code);
            one.assert_honest(&outcome, &what);
            let taken = |name: &str| outcome.result[name].as_u64().expect("a count");
            from_elsewhere += taken("from_commit_before") + taken("from_orphans");
        }
        // Small logs without a history have no other copy of anything.
        assert!(from_elsewhere > 0 || number == 2 || number == 7, "{}", bundled.file);
    }
}

#[test]
fn without_the_newest_meta_the_commit_before_comes_out_whole_with_a_note() {
    for bundled in &DUMPED[..2] {
        let dir = tempfile::tempdir().expect("directory");
        let transaction = |bytes: &[u8], page: usize| {
            let at = page * PAGE + 16 + 48;
            u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
        };
        let one = Broken::of(bundled, dir.path(), |bytes| {
            let newest = usize::from(transaction(bytes, 1) > transaction(bytes, 0));
            bytes[newest * PAGE + 30] ^= 1;
        });
        let before = entries(&one.path);
        let outcome = one.repair();
        assert_eq!(outcome.code, 3, "{}", outcome.result);
        assert_eq!(outcome.entries, before);
    }
}

#[test]
fn without_any_meta_the_leaves_alone_give_back_every_entry() {
    for bundled in &DUMPED[..4] {
        let dir = tempfile::tempdir().expect("directory");
        let one = Broken::of(bundled, dir.path(), |bytes| {
            // The magic numbers stay, or it would not be a BoltDB file.
            for page in [0, PAGE] {
                bytes[page + 20..page + 16 + META_BYTES].fill(0xff);
            }
        });
        let outcome = one.repair();
        assert_eq!(outcome.code, 4, "{}", outcome.result);
        assert_eq!(outcome.result["state"], "lost");
        for (index, entry) in &one.sound {
            assert_eq!(outcome.entries.get(index), Some(entry), "{}: {index}", bundled.file);
        }
    }
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let dir = tempfile::tempdir().expect("directory");
    let one = Broken::of(&DUMPED[7], dir.path(), |bytes| {
        let leaves = pages(bytes, LEAF);
        let page = leaves[leaves.len() / 2];
        bytes[page * PAGE + 8] = 0x77;
    });
    let arguments = ["repair", text(&one.path), "--out", text(&one.out), "--dry-run", "--json"];
    let (code, out, _) = told(&raftlog(arguments));
    let said: Value = serde_json::from_str(&out).expect("JSON");
    assert!(!one.out.exists());
    let outcome = one.repair();
    assert_eq!(code, outcome.code);
    let mut real = outcome.result;
    real["out"] = Value::Null;
    assert_eq!(said["result"], real);
}

#[test]
fn what_cannot_be_repaired_is_refused_in_words() {
    let dir = tempfile::tempdir().expect("directory");
    let path = file(&DUMPED[0], dir.path());
    let out = dir.path().join("out.db");
    // A target that is there, and the source itself.
    std::fs::write(&out, "something").expect("a file");
    for target in [&out, &path] {
        let (code, _, err) = told(&raftlog(["repair", text(&path), "--out", text(target)]));
        assert_eq!(code, 12, "{err}");
    }
    // Another format.
    let other = dir.path().join("x.fastlog");
    told(&raftlog(["migrate", text(&path), text(&other), "--to", "fastlog"]));
    let (code, _, err) = told(&raftlog(["repair", text(&other), "--out", "never"]));
    assert_eq!(code, 15, "{err}");
    assert!(err.contains("fastlog is not repaired"), "{err}");
    // Nothing but zeros behind the metas.
    let hollow = Broken::of(&DUMPED[1], dir.path(), |bytes| bytes[2 * PAGE..].fill(0));
    let arguments = ["repair", text(&hollow.path), "--out", text(&hollow.out)];
    let (code, out, err) = told(&raftlog(arguments));
    assert_eq!((code, hollow.out.exists()), (1, false), "{out}{err}");
    assert!(err.contains("not one entry or key can be proven"), "{err}");
}

#[test]
fn what_finds_the_damage_names_the_command_that_takes_out_the_rest() {
    let dir = tempfile::tempdir().expect("directory");
    let path = file(&DUMPED[3], dir.path());
    let mut bytes = std::fs::read(&path).expect("fixture");
    let leaf = (2..bytes.len() / PAGE).find(|page| bytes[page * PAGE + 8] == LEAF).expect("a leaf");
    bytes[leaf * PAGE..][..PAGE].fill(0);
    std::fs::write(&path, bytes).expect("broken");
    let out = dir.path().join("bolt2-voter.db.repaired");
    let command = format!("raftlog repair {} --out {}", text(&path), text(&out));
    let target = dir.path().join("target");
    for arguments in
        [&["verify", text(&path)][..], &["migrate", text(&path), text(&target), "--to", "fastlog"]]
    {
        let (code, _, err) = told(&raftlog(arguments));
        assert_eq!(code, 1, "{err}");
        assert!(err.lines().any(|line| line.ends_with(&command)), "{err}");
    }
    // What is torn in raft-fastlog is left out by writing it anew.
    let torn = dir.path().join("torn");
    let log = support::raft_fastlog::named("voter.db");
    let whole = std::fs::read(support::raft_fastlog::file(log, dir.path())).expect("fixture");
    std::fs::write(&torn, &whole[..whole.len() - 3]).expect("torn");
    let (code, _, err) = told(&raftlog(["verify", text(&torn)]));
    assert_eq!(code, 3, "{err}");
    let anew = format!("raftlog migrate {0} {0}.new --to raft-fastlog", text(&torn));
    assert!(err.contains(&anew), "{err}");
    let (code, _, err) = told(&raftlog(["repair", text(&torn), "--out", text(&out)]));
    assert_eq!(code, 15, "{err}");
    assert!(err.contains("--to raft-fastlog"), "{err}");
}
