//! A FastLog directory, broken in every small way: each file missing, cut at every length, each
//! byte flipped. Whatever still counts as sound is exactly what was written.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raftlog::event::Unobserved;
use raftlog::model::{Entry, GroupId, IndexRange, LogState};
use raftlog::store::Store;
use raftlog::store::open::{OpenOptions, open};
use raftlog::vfs::Fs;
use raftlog::vfs::os::{OsClock, OsFs};
use serde_json::Value;
use support::{raftlog, redb, told};

/// Everything that a store says of its logs.
type Content = Vec<(GroupId, LogState, Vec<Entry>)>;

struct Subject {
    dir: tempfile::TempDir,
    files: Vec<(String, Vec<u8>)>,
    content: Content,
}

impl Subject {
    /// A small store of real entries, made by the real binary.
    fn new() -> Subject {
        let dir = tempfile::tempdir().expect("temporary directory");
        let made = dir.path().join("made");
        let arguments = [
            Path::new("migrate"),
            &redb("redb-empty", "only-logs"),
            &made,
            Path::new("--to"),
            Path::new("fastlog"),
        ];
        let (code, out, err) = told(&raftlog(arguments));
        assert!(matches!(code, 0 | 3), "{out}\n{err}");
        let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&made)
            .expect("listing")
            .map(|file| {
                let file = file.expect("name");
                let name = file.file_name().to_string_lossy().into_owned();
                (name, fs::read(file.path()).expect("bytes"))
            })
            .collect();
        files.sort();
        assert!(files.len() >= 2, "an anchor and a segment");
        assert!(files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < 100_000, "small");
        let (sound, content) = judge(&made).expect("the store opens");
        assert!(sound, "the undamaged store is sound");
        assert_eq!(content.iter().map(|(_, _, entries)| entries.len()).sum::<usize>(), 20);
        Subject { dir, files, content }
    }

    /// The directory with one file replaced, or left out.
    fn with(&self, name: &str, bytes: Option<&[u8]>) -> PathBuf {
        let place = self.dir.path().join("damaged");
        let _not_there_the_first_time = fs::remove_dir_all(&place);
        self.write(&place, name, bytes);
        place
    }

    fn write(&self, place: &Path, name: &str, bytes: Option<&[u8]>) {
        fs::create_dir(place).expect("directory");
        for (file, original) in &self.files {
            let content = if file == name { bytes } else { Some(original.as_slice()) };
            if let Some(content) = content {
                fs::write(place.join(file), content).expect("write");
            }
        }
    }

    /// Has the real binary judge the store with the file `name` damaged at each of its bytes, and
    /// asserts that what it calls sound is what was written; returns how many it calls sound.
    fn assert_honest(&self, name: &str, len: usize, damage: &dyn Fn(usize) -> Vec<u8>) -> usize {
        let mut sound = 0;
        let all: Vec<usize> = (0..len).collect();
        for batch in all.chunks(400) {
            let dir = tempfile::tempdir().expect("temporary directory");
            let place = |at: &usize| dir.path().join(at.to_string());
            let places: Vec<PathBuf> = batch.iter().map(place).collect();
            for (place, at) in places.iter().zip(batch) {
                self.write(place, name, Some(&damage(*at)));
            }
            for (is_sound, (place, at)) in verdicts(&places).iter().zip(places.iter().zip(batch)) {
                let left = fs::read(place.join(name)).expect("the file");
                assert!(left == damage(*at), "{name} at {at}: the source is as it was");
                if *is_sound {
                    sound += 1;
                    let found = judge(place).unwrap_or_else(|why| panic!("{name} at {at}: {why}"));
                    assert!(found.1 == self.content, "{name} at {at}: sound, but not as written");
                }
            }
        }
        sound
    }
}

/// What the real binary says of many stores at once: which it calls sound.
fn verdicts(places: &[PathBuf]) -> Vec<bool> {
    let mut arguments: Vec<&Path> = ["verify", "--json", "--quiet"].map(Path::new).to_vec();
    arguments.extend(places.iter().map(PathBuf::as_path));
    let (code, out, err) = told(&raftlog(arguments));
    assert!(matches!(code, 0 | 1 | 3 | 10 | 15), "{code}: {err}");
    assert!(!err.contains("panicked"), "{err}");
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    let stores = answer["result"]["stores"].as_array().expect("stores");
    assert_eq!(stores.len(), places.len(), "every store is reported");
    stores
        .iter()
        .zip(places)
        .map(|(store, place)| {
            assert_eq!(store["path"].as_str(), place.to_str());
            store["sound"].as_bool().expect("a verdict")
        })
        .collect()
}

/// Verifies a store in this process: whether it is sound, and all it holds.
fn judge(path: &Path) -> Result<(bool, Content), String> {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let clock = OsClock;
    let opened = open(&fs, &clock, path, &OpenOptions::default()).map_err(|e| e.to_string())?;
    let outcome = raftlog::verify::verify(
        (&opened).into(),
        &raftlog::verify::Options::default(),
        &mut Unobserved,
    )
    .map_err(|error| error.to_string())?;
    Ok((outcome.verdict.sound, content(opened.store.as_ref())))
}

fn content(store: &dyn Store) -> Content {
    let groups = store.groups().unwrap_or_default();
    groups
        .into_iter()
        .map(|group| {
            let state = store.state(&group).unwrap_or_default();
            let entries = store
                .entries(&group, IndexRange::ALL)
                .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.entry)).collect())
                .unwrap_or_default();
            (group, state, entries)
        })
        .collect()
}

#[test]
fn no_flipped_byte_is_silent() {
    let subject = Subject::new();
    for (name, original) in &subject.files {
        let flipped = |at: usize| {
            let mut damaged = original.clone();
            damaged[at] ^= 0x55;
            damaged
        };
        let harmless = subject.assert_honest(name, original.len(), &flipped);
        // Padding that nothing reads may be damaged without harm, data may not.
        println!("{harmless} of {} flipped bytes of {name} change nothing", original.len());
        assert!(harmless < original.len());
    }
}

#[test]
fn every_cut_is_found_or_harmless() {
    let subject = Subject::new();
    for (name, original) in &subject.files {
        let cut = |at: usize| original[..at].to_vec();
        let harmless = subject.assert_honest(name, original.len(), &cut);
        println!("{harmless} of {} cuts of {name} change nothing", original.len());
    }
}

#[test]
fn a_missing_file_is_named_and_nothing_is_written() {
    let subject = Subject::new();
    for (name, _) in &subject.files {
        let place = subject.with(name, None);
        for command in ["inspect", "verify"] {
            let (code, out, err) = told(&raftlog([Path::new(command), &place]));
            assert!(matches!(code, 1 | 10), "{command} without {name}: {code}\n{out}\n{err}");
            assert!(!err.contains("panicked"), "{err}");
            assert!(out.contains(name) || err.contains(name), "{name} is named: {out}\n{err}");
        }
        let target = subject.dir.path().join("target.redb");
        let arguments =
            [Path::new("migrate"), &place, &target, Path::new("--to"), Path::new("redb")];
        let (code, out, err) = told(&raftlog(arguments));
        assert!(matches!(code, 1 | 10), "migrate without {name}: {code}\n{out}\n{err}");
        assert!(!target.exists());
        let left = fs::read_dir(&place).expect("listing").count();
        assert_eq!(left, subject.files.len() - 1, "the source is as it was");
    }
}

#[test]
fn the_binary_says_torn_or_corrupt_with_a_place() {
    let subject = Subject::new();
    let (segment, original) =
        subject.files.iter().find(|(name, _)| name.ends_with(".seg")).expect("a segment");
    // In the middle of the frames, before the sync point of a store at rest: corruption.
    let mut damaged = original.clone();
    let at = 8_192 + (original.len() - 8_192) / 2;
    damaged[at] ^= 1;
    let place = subject.with(segment, Some(&damaged));
    let before = fs::read(place.join(segment)).expect("segment");
    let (code, out, err) = told(&raftlog([Path::new("verify"), &place]));
    assert_eq!(code, 1, "{out}\n{err}");
    assert!(out.contains("R115"), "{out}");
    let target = subject.dir.path().join("target.redb");
    let arguments = [Path::new("migrate"), &place, &target, Path::new("--to"), Path::new("redb")];
    assert_eq!(told(&raftlog(arguments)).0, 1);
    assert!(!target.exists());
    assert_eq!(fs::read(place.join(segment)).expect("segment"), before);
}
