//! `repair` on broken copies of directories of raft-wal: what a torn write left is cut in the copy,
//! damage in the middle ends what is taken, every entry of the result was in the original, and
//! raft-wal's own library opens the result and goes on in it.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::go::{done, interop, text};
use support::raft_wal::{Bundled, Content, TWO, copied, inspected, named, unpacked};
use support::{raftlog, told};

/// A copy of a bundled directory, to break.
struct Broken {
    _dir: tempfile::TempDir,
    path: PathBuf,
    out: PathBuf,
    sound: Content,
}

/// What `repair` said, and what it made.
struct Outcome {
    code: i32,
    said: Value,
    made: Option<Content>,
}

impl Broken {
    fn of(bundled: &Bundled) -> Broken {
        let dir = tempfile::tempdir().expect("directory");
        let whole = unpacked(bundled, dir.path());
        let path = copied(&whole, &dir.path().join("broken"), true);
        let sound = inspected(&path);
        Broken { path, out: dir.path().join("repaired"), sound, _dir: dir }
    }

    /// The segments, ascending.
    fn segments(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.path).expect("list").map(|file| file.expect("file").path());
        let is_segment = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "wal");
        let mut segments: Vec<PathBuf> = files.filter(is_segment).collect();
        segments.sort();
        segments
    }

    fn change(&self, segment: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let path = &self.segments()[segment];
        let mut bytes = fs::read(path).expect("segment");
        change(&mut bytes);
        fs::write(path, bytes).expect("broken");
    }

    fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = fs::read_dir(&self.path).expect("list").map(|file| file.expect("file").path());
        let mut files: Vec<_> =
            paths.map(|path| (path.clone(), fs::read(path).expect("read"))).collect();
        files.sort();
        files
    }

    fn repair(&self) -> Outcome {
        let before = self.bytes();
        let words = ["repair", text(&self.path), "--out", text(&self.out), "--json"];
        let (code, out, err) = told(&raftlog(words));
        assert!(before == self.bytes(), "the source was changed");
        let said: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"));
        assert_eq!(said["exit_code"], code);
        let made = self.out.is_dir().then(|| {
            // The term of one fixture was set by hand, so the rules are not looked at.
            let (code, out, err) = told(&raftlog(["verify", "--json", text(&self.out)]));
            let verdict: Value = serde_json::from_str(&out).expect("JSON");
            let codes = verdict["findings"].as_array().expect("findings").iter();
            let codes: Vec<&str> = codes
                .filter(|finding| finding["severity"] != "info")
                .map(|finding| finding["code"].as_str().expect("a code"))
                .collect();
            assert!(codes.is_empty() && code == 0 || codes == ["R106"], "{out}{err}");
            inspected(&self.out)
        });
        Outcome { code, said, made }
    }

    /// That `outcome` is the first `entries` of the original, with all of its stable keys.
    fn assert_first(&self, outcome: &Outcome, entries: usize) {
        let made = outcome.made.as_ref().expect("a result");
        assert_eq!(made.entries, self.sound.entries[..entries]);
        assert_eq!(made.stable, self.sound.stable);
        assert_eq!(outcome.said["result"]["entries"], entries as u64);
    }
}

#[test]
fn a_sound_directory_comes_out_whole_and_its_library_goes_on_in_it() {
    for name in ["wal-plain", "wal-prefix", "wal-unreadable", "nomad-wal"] {
        let sound = Broken::of(named(name));
        let outcome = sound.repair();
        assert_eq!(outcome.code, 0, "{name}: {}", outcome.said);
        sound.assert_first(&outcome, sound.sound.entries.len());
        let (code, out, _) = told(&raftlog(["diff", text(&sound.path), text(&sound.out)]));
        assert_eq!(code, 0, "{name}: {out}");
        let Some(program) = interop() else { continue };
        done(program, &["append", "wal", text(&sound.out), "20"]);
        let last = |content: &Content| content.entries.last().expect("one")["index"].as_u64();
        assert!(last(&inspected(&sound.out)) > last(&sound.sound), "{name}");
    }
}

#[test]
fn a_torn_tail_is_cut_in_the_copy_and_named() {
    let torn = Broken::of(&TWO);
    // Entry 401 is the only one of the tail, in a batch of its own.
    torn.change(1, |bytes| bytes.truncate(bytes.len() - 8));
    let outcome = torn.repair();
    assert_eq!(outcome.code, 3, "{}", outcome.said);
    torn.assert_first(&outcome, 400);
    let result = &outcome.said["result"];
    assert_eq!((&result["holes_total"], &result["open_end"]), (&0.into(), &false.into()));
    let cut = &result["dropped"][0];
    assert!(cut["reason"].as_str().is_some_and(|reason| reason.contains("entry 401")), "{result}");
    assert!(cut["place"]["file"].as_str().is_some_and(|file| file.ends_with(".wal")), "{result}");
    let Some(program) = interop() else { return };
    done(program, &["append", "wal", text(&torn.out), "5"]);
    let made = inspected(&torn.out);
    // It deletes the first one at the end.
    assert_eq!(made.entries.len(), 400 + 5 - 1);
    assert_eq!(made.entries[399]["index"], 401);
}

#[test]
fn damage_in_the_middle_leaves_the_sound_prefix_and_names_the_rest() {
    let broken = Broken::of(&TWO);
    broken.change(0, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let (code, _, err) = told(&raftlog(["verify", text(&broken.path)]));
    assert_eq!(code, 1, "{err}");
    let command = format!("raftlog repair {0} --out {0}.repaired", text(&broken.path));
    assert!(err.lines().any(|line| line.ends_with(&command)), "{err}");
    let dry = ["repair", text(&broken.path), "--out", text(&broken.out), "--dry-run", "--json"];
    let (dry_code, dry, _) = told(&raftlog(dry));
    assert!(!broken.out.exists());
    let outcome = broken.repair();
    assert_eq!((outcome.code, dry_code), (4, 4), "{}", outcome.said);
    let result = &outcome.said["result"];
    let first = result["holes"][0]["first"].as_u64().expect("a hole");
    assert_eq!(result["holes"][0]["last"], 401);
    assert!((2..=400).contains(&first), "{result}");
    broken.assert_first(&outcome, usize::try_from(first - 1).expect("small"));
    let dry: Value = serde_json::from_str(&dry).expect("JSON");
    assert_eq!(dry["result"]["holes"], result["holes"]);
    assert_eq!(dry["result"]["out"], Value::Null);
    let Some(program) = interop() else { return };
    done(program, &["append", "wal", text(&broken.out), "5"]);
}

#[test]
fn a_segment_that_is_gone_leaves_what_lies_before_it() {
    let broken = Broken::of(&TWO);
    let segments = broken.segments();
    fs::remove_file(&segments[1]).expect("removed");
    let outcome = broken.repair();
    // The library would begin an empty one there without a word.
    assert_eq!(outcome.code, 4, "{}", outcome.said);
    assert_eq!(outcome.said["result"]["open_end"], true);
    broken.assert_first(&outcome, 200);
    let broken = Broken::of(&TWO);
    fs::remove_file(&broken.segments()[0]).expect("removed");
    let outcome = broken.repair();
    assert_eq!(outcome.code, 4, "{}", outcome.said);
    assert_eq!(outcome.said["result"]["holes"][0]["first"], 1);
    broken.assert_first(&outcome, 0);
}

#[test]
fn without_a_list_of_segments_nothing_is_made_up() {
    let broken = Broken::of(&TWO);
    let meta = broken.path.join("wal-meta.db");
    let mut bytes = fs::read(&meta).expect("metadata");
    // The metas stay, the pages behind them do not.
    bytes[2 * 4096..].fill(0);
    fs::write(&meta, bytes).expect("broken");
    let outcome = broken.repair();
    assert_eq!(outcome.code, 1, "{}", outcome.said);
    assert!(outcome.made.is_none());
}
