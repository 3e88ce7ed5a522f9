//! raft-fastlog files cut, flipped and lying: never a panic, never a step or a byte of memory that
//! the file does not account for, never a wrong entry called sound, never a loss in silence but
//! where the format itself keeps silent.
//!
//! Nothing has a checksum in this format. So a changed byte goes unnoticed in an entry's own bytes
//! and in the indexes that a deletion names, and nowhere else.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions as StdOpenOptions};
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use raftlog::event::Unobserved;
use raftlog::model::{Code, Entry, GroupId, IndexRange, Severity, StableMap};
use raftlog::store::raft_fastlog::RaftFastlogStore;
use raftlog::store::{
    Description, Format, LogSource, Reading, RecordScan, RecordStatus, Store, StoreError,
};
use raftlog::verify::{self, verify};
use raftlog::vfs::Writers;
use raftlog::vfs::os::OsFs;
use support::raft_fastlog::{ALL, Bundled, file, named};

/// What a file shows.
struct Seen {
    entries: BTreeMap<u64, (Entry, Range<u64>)>,
    stable: StableMap,
    /// Rules that `verify` found broken, information left out.
    found: Vec<Code>,
    /// Records, with their kind and place.
    records: Vec<(String, Range<u64>)>,
}

fn description(path: &Path) -> Description {
    Description {
        path: path.to_owned(),
        store: path.to_owned(),
        format: Format::RaftFastlog,
        evidence: Vec::new(),
        layout: None,
        data_dir: None,
        files: Vec::new(),
        faults: Vec::new(),
    }
}

fn read(path: &Path, reading: Reading) -> Option<Seen> {
    let store = match RaftFastlogStore::open(&OsFs, path, reading, &Writers::Unknown) {
        Ok(store) => store,
        Err(StoreError::NotFound { .. }) => return None,
        Err(other) => panic!("{other}"),
    };
    let size = std::fs::metadata(path).expect("file").len();
    let options = verify::Options::default();
    let description = description(path);
    let source = verify::Source { store: &store, description: &description, snapshots: None };
    let judged = verify(source, &options, &mut Unobserved).expect("verified");
    let grave = judged.findings.kept().filter(|fault| fault.severity > Severity::Info);
    let found = grave.map(|fault| fault.code).collect();
    let mut records = Vec::new();
    let scanned = store.scan(&mut |record| {
        let range = record.place.offset_bytes..record.place.offset_bytes + record.place.len_bytes;
        if record.status == RecordStatus::Live || record.entries > 0 {
            assert!(range.end <= size);
        }
        records.push((record.kind, range));
        ControlFlow::Continue(())
    });
    scanned.expect("scan");
    store.space().expect("space");
    let stable = store.state(&GroupId::Unnamed).expect("state").stable;
    let mut entries = BTreeMap::new();
    for item in store.entries(&GroupId::Unnamed, IndexRange::ALL).expect("entries") {
        let located = item.expect("an entry");
        let place = located.place.expect("place");
        let range = place.offset_bytes..place.offset_bytes + place.len_bytes;
        let index = located.entry.index.0;
        let last = entries.last_key_value().map(|(index, _)| *index);
        assert!(last.is_none_or(|last| last < index), "{index} stands after {last:?}");
        entries.insert(index, (located.entry, range));
    }
    assert!(entries.len() as u64 <= size / 25, "more entries than bytes");
    Some(Seen { entries, stable, found, records })
}

/// A fixed sequence of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % below
    }
}

/// A copy to break: its path, itself opened for writing, its bytes, what it shows while sound.
struct Copy {
    path: PathBuf,
    file: File,
    bytes: Vec<u8>,
    sound: Seen,
    name: &'static str,
}

impl Copy {
    fn of(bundled: &Bundled, dir: &Path) -> Copy {
        let path = file(bundled, dir);
        let bytes = std::fs::read(&path).expect("fixture");
        let file = StdOpenOptions::new().write(true).open(&path).expect("open");
        let sound = read(&path, Reading::Meant).expect("sound");
        let only_ghosts = sound.found.iter().all(|code| *code == Code::R104);
        assert!(only_ghosts, "{}: {:?}", bundled.file, sound.found);
        Copy { path, file, bytes, sound, name: bundled.file }
    }

    /// Changes bytes, looks in both readings, and changes them back.
    fn with(&self, at: u64, bytes: &[u8], what: &str) {
        self.file.write_all_at(bytes, at).expect("break");
        let end = at as usize + bytes.len();
        let what = format!("{}: {what}", self.name);
        read(&self.path, Reading::Loader);
        self.assert_honest(&(at..end as u64), &what);
        self.file.write_all_at(&self.bytes[at as usize..end], at).expect("mend");
    }

    /// That what the changed file shows is what it showed before, or comes with a finding, or is
    /// one of the bytes that the format does not guard.
    fn assert_honest(&self, changed: &Range<u64>, what: &str) {
        let found = read(&self.path, Reading::Meant).expect("not empty");
        if found.found.iter().any(|code| *code != Code::R104) {
            return;
        }
        let overlaps = |place: &Range<u64>| place.start < changed.end && changed.start < place.end;
        let deletes =
            |(kind, place): &(String, Range<u64>)| kind == "delete range" && overlaps(place);
        if self.sound.records.iter().chain(&found.records).any(deletes) {
            return;
        }
        for (index, (entry, place)) in &found.entries {
            let same = self.sound.entries.get(index).is_some_and(|(before, _)| before == entry);
            assert!(same || overlaps(place), "{what}: entry {index} is wrong and called sound");
        }
        // An entry whose index was changed is missing where it was.
        let moved = found.entries.values().filter(|(_, place)| overlaps(place)).count();
        let lost = self.sound.entries.keys().filter(|index| !found.entries.contains_key(index));
        assert!(lost.count() <= moved + 1, "{what}: entries lost without a word");
        let in_key = self
            .sound
            .records
            .iter()
            .any(|(kind, place)| kind.starts_with("set") && overlaps(place));
        assert!(found.stable == self.sound.stable || in_key, "{what}: stable keys lost in silence");
    }
}

/// How much is tried of something: a sample, or with `RAFTLOG_DAMAGE=full` (`.ci/damage`) all.
fn amount(sample: u64, full: u64) -> u64 {
    if std::env::var_os("RAFTLOG_DAMAGE").is_some_and(|word| word == "full") {
        full
    } else {
        sample
    }
}

/// The files whose every part is small, as the large ones show nothing else; of all of the damage,
/// every file.
fn tried() -> impl Iterator<Item = &'static Bundled> {
    let large = |one: &Bundled| ["wide", "long"].iter().any(|name| one.fixture.starts_with(name));
    ALL.iter().filter(move |one| amount(0, 1) == 1 || !large(one))
}

#[test]
fn a_flipped_bit_changes_no_entry_unseen_but_the_one_it_lies_in() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in tried() {
        let copy = Copy::of(bundled, dir.path());
        let mut numbers = Numbers(copy.bytes.len() as u64);
        // All bits of a small file, else bits anywhere, most of them where records begin.
        let all = copy.bytes.len() as u64 * 8;
        let most = amount(1_700, 10_000);
        for round in 0..all.min(most) {
            let (at, bit) = match (all <= most, round % 2) {
                (true, _) => (round / 8, round % 8),
                (false, 0) => (numbers.next(all / 8), numbers.next(8)),
                (false, _) => {
                    let record = numbers.next(copy.sound.records.len() as u64) as usize;
                    let place = &copy.sound.records[record].1;
                    let inside = numbers.next((place.end - place.start).min(34));
                    (place.start + inside, numbers.next(8))
                }
            };
            let flipped = copy.bytes[at as usize] ^ (1 << bit);
            copy.with(at, &[flipped], &format!("bit {bit} at {at}"));
        }
    }
}

#[test]
fn numbers_at_their_most_are_survived() {
    let dir = tempfile::tempdir().expect("directory");
    let numbers = [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, 1 << 40, 1 << 31, 0];
    for bundled in tried() {
        let copy = Copy::of(bundled, dir.path());
        let size = copy.bytes.len() as u64;
        let borders = copy.sound.records.iter().map(|(_, place)| place.start);
        let tried = usize::try_from(amount(30, 300)).expect("few");
        for at in borders.step_by(copy.sound.records.len() / tried + 1) {
            // Count or length behind the marker; index, term and length of the first entry.
            for field in [1, 9, 17, 26] {
                for number in numbers.iter().filter(|_| at + field + 8 <= size) {
                    let what = format!("{number:x} in field {field} of the record at {at}");
                    copy.with(at + field, &number.to_le_bytes(), &what);
                }
            }
        }
    }
}

#[test]
fn a_file_cut_inside_a_record_is_torn_and_one_cut_between_records_is_an_earlier_file() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in tried() {
        let copy = Copy::of(bundled, dir.path());
        let borders: Vec<u64> =
            copy.sound.records.iter().map(|(_, place)| place.end).chain([0]).collect();
        let mut numbers = Numbers(7);
        let size = copy.bytes.len() as u64;
        let seeded = (0..amount(170, 1_000)).map(|_| numbers.next(size));
        let around = borders.iter().flat_map(|at| [at.saturating_sub(1), *at, at + 1]);
        // From the longest to the shortest, so that one file can be made shorter and shorter.
        let lengths: BTreeSet<u64> = seeded.chain(around).filter(|len| *len < size).collect();
        let cut = dir.path().join("cut");
        std::fs::write(&cut, &copy.bytes).expect("copy");
        let shorter = StdOpenOptions::new().write(true).open(&cut).expect("open");
        let borders: BTreeSet<u64> = borders.into_iter().collect();
        for len in lengths.into_iter().rev() {
            shorter.set_len(len).expect("cut");
            read(&cut, Reading::Loader);
            let Some(found) = read(&cut, Reading::Meant) else {
                assert_eq!(len, 0);
                continue;
            };
            let torn = found.found.contains(&Code::R114);
            assert_eq!(torn, !borders.contains(&len), "{} cut at {len}", bundled.file);
            assert!(!found.found.contains(&Code::R115), "{} cut at {len}", bundled.file);
        }
    }
}

#[test]
fn zeros_and_records_in_each_others_place_are_survived() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in tried() {
        let copy = Copy::of(bundled, dir.path());
        let size = copy.bytes.len() as u64;
        let mut numbers = Numbers(11);
        for _ in 0..amount(60, 500) {
            let at = numbers.next(size);
            let len = (1 + numbers.next(4096)).min(size - at);
            let zeros = vec![0; len as usize];
            read_changed(&copy, at, &zeros);
            // And to the end, as a file system leaves it.
            read_changed(&copy, at, &vec![0; (size - at) as usize]);
            // Two records change places: what is read is in the order of the file.
            let mut two = [0, 1].map(|_| {
                let record = numbers.next(copy.sound.records.len() as u64) as usize;
                copy.sound.records[record].1.clone()
            });
            two.sort_by_key(|place| place.start);
            let [low, high] = two.map(|place| place.start as usize..place.end as usize);
            if low.end <= high.start {
                let between = &copy.bytes[low.end..high.start];
                let parts = [&copy.bytes[high.clone()], between, &copy.bytes[low.clone()]];
                read_changed(&copy, low.start as u64, &parts.concat());
            }
        }
    }
}

/// Many bytes at once: whatever it shows, showing it must end well.
fn read_changed(copy: &Copy, at: u64, bytes: &[u8]) {
    copy.file.write_all_at(bytes, at).expect("break");
    read(&copy.path, Reading::Meant);
    read(&copy.path, Reading::Loader);
    let end = at as usize + bytes.len();
    copy.file.write_all_at(&copy.bytes[at as usize..end], at).expect("mend");
}

#[test]
fn large_files_are_as_honest_as_small_ones() {
    let dir = tempfile::tempdir().expect("directory");
    for name in ["long-raft-fastlog/raft.fast", "wide-raft-fastlog-shrunk/raft.fast"] {
        let copy = Copy::of(named(name), dir.path());
        let mut numbers = Numbers(3);
        for _ in 0..100 {
            let record = numbers.next(copy.sound.records.len() as u64) as usize;
            let at = copy.sound.records[record].1.start + numbers.next(17);
            let flipped = copy.bytes[at as usize] ^ (1 << numbers.next(8));
            copy.with(at, &[flipped], &format!("byte {at}"));
        }
    }
}

/// A file that a length makes a hole of a GiB, and deletions that split pieces as often as they
/// can: neither takes more memory or steps than its own size explains.
#[test]
fn a_file_made_to_hurt_is_read_in_the_time_that_its_size_explains() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("log");
    let number = |bytes: &mut Vec<u8>, value: u64| bytes.extend(value.to_le_bytes());
    let mut bytes = Vec::new();
    let entries = 20_000u64;
    bytes.push(b'[');
    number(&mut bytes, entries);
    for index in 1..=entries {
        number(&mut bytes, index);
        number(&mut bytes, 1);
        bytes.push(0);
        number(&mut bytes, 0);
    }
    // Every second entry is deleted, then everything again and again.
    for index in (1..entries).step_by(2) {
        bytes.push(b']');
        number(&mut bytes, index);
        number(&mut bytes, index);
    }
    for _ in 0..10_000 {
        bytes.push(b']');
        number(&mut bytes, 0);
        number(&mut bytes, u64::MAX);
        bytes.push(b']');
        number(&mut bytes, u64::MAX);
        number(&mut bytes, 0);
    }
    std::fs::write(&path, &bytes).expect("write");
    let found = read(&path, Reading::Meant).expect("read");
    assert!(found.entries.is_empty());
    bytes.truncate(9 + 25 * entries as usize + 17 * (entries / 2) as usize);
    std::fs::write(&path, &bytes).expect("write");
    let found = read(&path, Reading::Meant).expect("read");
    assert_eq!(found.entries.len() as u64, entries / 2);
    // What the deletions left is there again in the loader's reading, all of it.
    let found = read(&path, Reading::Loader).expect("read");
    assert_eq!(found.entries.len() as u64, entries);
}
