//! Directories of raft-wal cut, flipped and shuffled: never a panic, never a wrong entry, never a
//! loss in silence, and torn told from corrupt. A sample of it here, the whole by `.ci/damage`.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raftlog::model::{Code, Entry, GroupId, IndexRange, Severity};
use raftlog::store::raft_wal::RaftWalStore;
use raftlog::store::{Level, LogSource, RecordScan, Store, StoreError};
use raftlog::vfs::Fs;
use raftlog::vfs::os::OsFs;
use support::raft_wal::{Bundled, DUMPED, TWO, copied, unpacked};

/// What a directory shows.
struct Seen {
    entries: BTreeMap<u64, Entry>,
    /// Rules that are broken, information left out.
    found: Vec<(Code, Severity)>,
    /// Where commits lie, by file.
    commits: Vec<(PathBuf, u64)>,
}

impl Seen {
    fn has_error(&self) -> bool {
        self.found.iter().any(|(_, severity)| *severity == Severity::Error)
    }
}

fn read(dir: &Path) -> Result<Seen, StoreError> {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let store = RaftWalStore::open(&fs, dir, None)?;
    let checked = store.check(Level::Full, &mut |_| ControlFlow::Continue(()))?;
    let mut found: Vec<(Code, Severity)> = checked
        .faults
        .iter()
        .filter(|fault| fault.severity > Severity::Info)
        .map(|fault| (fault.code, fault.severity))
        .collect();
    let mut entries = BTreeMap::new();
    for item in store.entries(&GroupId::Unnamed, IndexRange::ALL)? {
        match item {
            Ok(located) => {
                let index = located.entry.index.0;
                let last = entries.last_key_value().map(|(index, _)| *index);
                assert!(last.is_none_or(|last| last < index), "{index} stands after {last:?}");
                // Behind a damaged batch positions may be wrong: then it is said of each entry.
                found.extend(located.faults.iter().map(|fault| (fault.code, fault.severity)));
                if located.faults.is_empty() {
                    entries.insert(index, located.entry);
                }
            }
            Err(StoreError::Fault(fault)) => found.push((fault.code, fault.severity)),
            Err(error) => return Err(error),
        }
    }
    let mut commits = Vec::new();
    store.scan(&mut |record| {
        if record.kind == "commit" {
            commits.push((record.place.file.to_path_buf(), record.place.offset_bytes));
        }
        ControlFlow::Continue(())
    })?;
    store.space()?;
    Ok(Seen { entries, found, commits })
}

/// A fixed sequence of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        usize::try_from(self.0 >> 33).expect("fits") % below
    }
}

/// How many cases are tried: a sample, or all of `.ci/damage`.
fn cases(sample: usize, all: usize) -> usize {
    match std::env::var("RAFTLOG_DAMAGE").as_deref() {
        Ok("full") => all,
        _ => sample,
    }
}

/// A copy to break.
struct Copy {
    _dir: tempfile::TempDir,
    path: PathBuf,
    sound: Seen,
    /// The segments, ascending, and their bytes.
    segments: Vec<(PathBuf, Vec<u8>)>,
    name: &'static str,
}

impl Copy {
    fn of(bundled: &Bundled) -> Copy {
        let dir = tempfile::tempdir().expect("directory");
        let whole = unpacked(bundled, dir.path());
        let path = copied(&whole, &dir.path().join("copy"), true);
        let sound = read(&path).expect("sound");
        assert!(!sound.has_error(), "{}: {:?}", bundled.fixture, sound.found);
        let mut segments: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&path)
            .expect("list")
            .map(|file| file.expect("file").path())
            .filter(|path| path.extension().is_some_and(|suffix| suffix == "wal"))
            .map(|path| (path.clone(), fs::read(&path).expect("read")))
            .collect();
        segments.sort();
        Copy { _dir: dir, path, sound, segments, name: bundled.fixture }
    }

    fn all() -> impl Iterator<Item = Copy> {
        DUMPED.iter().chain([&TWO]).map(Copy::of)
    }

    /// Writes `bytes` in the place of a segment, looks, and puts the old bytes back.
    fn with(&self, segment: usize, bytes: &[u8], what: &str) -> Seen {
        let (path, old) = &self.segments[segment];
        fs::write(path, bytes).expect("write");
        let seen = self.look(what);
        fs::write(path, old).expect("write");
        seen
    }

    /// Reads the directory; what it gives is what was in it.
    fn look(&self, what: &str) -> Seen {
        let seen =
            read(&self.path).unwrap_or_else(|error| panic!("{}, {what}: {error}", self.name));
        for (index, entry) in &seen.entries {
            let wanted = self.sound.entries.get(index);
            assert_eq!(Some(entry), wanted, "{}, {what}: entry {index}", self.name);
        }
        let lost = seen.entries.len() < self.sound.entries.len();
        let told = seen.found.len() > self.sound.found.len();
        assert!(!lost || told || what.ends_with("behind a batch"), "{}, {what}: silent", self.name);
        seen
    }

    /// Where the batches of a segment end.
    fn ends(&self, segment: usize) -> Vec<u64> {
        let path = &self.segments[segment].0;
        let commits = self.sound.commits.iter().filter(|(file, _)| file == path);
        commits.map(|(_, offset)| offset + 8).collect()
    }

    fn is_tail(&self, segment: usize) -> bool {
        segment + 1 == self.segments.len()
    }
}

#[test]
fn a_segment_that_was_cut_is_torn_at_its_end_and_corrupt_before() {
    for copy in Copy::all() {
        for segment in 0..copy.segments.len() {
            let bytes = &copy.segments[segment].1;
            if bytes.is_empty() {
                continue;
            }
            let ends = copy.ends(segment);
            let mut numbers = Numbers(segment as u64 + 1);
            let random = cases(40, 1_000);
            let last = cases(60, 600).min(bytes.len());
            let lengths = (0..random).map(|_| numbers.next(bytes.len()));
            let lengths = lengths.chain(bytes.len() - last..bytes.len());
            for len in lengths.collect::<Vec<_>>() {
                let at_end = len == 0 || ends.contains(&(len as u64));
                let suffix = if at_end && copy.is_tail(segment) { " behind a batch" } else { "" };
                let what = format!("segment {segment} cut at {len}{suffix}");
                let seen = copy.with(segment, &bytes[..len], &what);
                if copy.is_tail(segment) {
                    assert!(!seen.has_error(), "{}, {what}: {:?}", copy.name, seen.found);
                }
            }
        }
    }
}

#[test]
fn a_changed_bit_is_found_or_harmless() {
    for copy in Copy::all() {
        for segment in 0..copy.segments.len() {
            let bytes = copy.segments[segment].1.clone();
            if bytes.is_empty() {
                continue;
            }
            let ends = copy.ends(segment);
            // What lies in front of this is followed by two whole batches.
            let proven = ends.len().checked_sub(3).map_or(0, |at| ends[at]);
            let mut numbers = Numbers(segment as u64 + 77);
            for _ in 0..cases(300, 10_000) {
                let (at, bit) = (numbers.next(bytes.len()), numbers.next(8));
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let what = format!("segment {segment}, bit {bit} of byte {at}");
                let seen = copy.with(segment, &changed, &what);
                let lost = seen.entries.len() < copy.sound.entries.len();
                if lost && (at as u64) < proven {
                    assert!(seen.has_error(), "{}, {what}: {:?}", copy.name, seen.found);
                }
            }
        }
    }
}

#[test]
fn segments_that_are_gone_swapped_doubled_or_renamed_are_named() {
    for copy in Copy::all() {
        for segment in 0..copy.segments.len() {
            let (path, bytes) = &copy.segments[segment];
            fs::remove_file(path).expect("remove");
            let what = format!("segment {segment} removed");
            let gone = copy.look(&what);
            assert!(gone.found.iter().any(|(code, _)| *code == Code::R116), "{}", copy.name);
            assert_eq!(gone.has_error(), !copy.is_tail(segment), "{}, {what}", copy.name);
            let other = path.with_file_name("00000000000000000001-00000000000000ff.wal");
            fs::write(&other, bytes).expect("write");
            let renamed = copy.look(&format!("segment {segment} renamed"));
            assert!(renamed.found.iter().any(|(code, _)| *code == Code::R117), "{}", copy.name);
            fs::write(path, bytes).expect("write");
            let doubled = copy.look(&format!("segment {segment} doubled"));
            assert_eq!(doubled.entries.len(), copy.sound.entries.len(), "{}", copy.name);
            assert!(doubled.found.iter().any(|(code, _)| *code == Code::R117), "{}", copy.name);
            fs::remove_file(&other).expect("remove");
        }
        for pair in copy.segments.windows(2) {
            let [(first, a), (second, b)] = pair else { unreachable!() };
            if a.is_empty() || b.is_empty() {
                continue;
            }
            fs::write(first, b).expect("write");
            fs::write(second, a).expect("write");
            let swapped = copy.look("segments swapped");
            assert!(swapped.has_error(), "{}", copy.name);
            let alone = copy.segments.len() > 2 || swapped.entries.is_empty();
            assert!(alone, "{}", copy.name);
            fs::write(first, a).expect("write");
            fs::write(second, b).expect("write");
        }
    }
}

#[test]
fn metadata_that_was_cut_or_flipped_gives_no_wrong_entry() {
    for copy in Copy::all() {
        let meta = copy.path.join("wal-meta.db");
        let bytes = fs::read(&meta).expect("read");
        let mut numbers = Numbers(5);
        for case in 0..cases(300, 10_000) {
            let mut changed = bytes.clone();
            let at = numbers.next(bytes.len());
            match case % 10 {
                0 => changed.truncate(at),
                _ => changed[at] ^= 1 << numbers.next(8),
            }
            fs::write(&meta, &changed).expect("write");
            // Nothing of the list has a checksum, so a changed number may hide entries; none
            // comes out that was not in the frames.
            if let Ok(seen) = read(&copy.path) {
                for (index, entry) in &seen.entries {
                    let wanted = copy.sound.entries.get(index);
                    let same = wanted.is_none_or(|wanted| wanted == entry);
                    assert!(same, "{}: entry {index} after byte {at}", copy.name);
                }
            }
        }
        fs::write(&meta, &bytes).expect("write");
    }
}
