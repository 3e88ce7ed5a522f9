//! BoltDB files cut, flipped, and with pages that lie: never a panic, never a step without bound,
//! never a changed entry called sound, never a loss without a finding.
//!
//! Nothing but a meta has a checksum in this format. So a changed byte inside a value can go
//! unnoticed, and nowhere else.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions as StdOpenOptions};
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use raftlog::model::{Code, Entry, GroupId, IndexRange, StableMap};
use raftlog::store::open::open;
use raftlog::store::{Format, Level, OpenOptions, StoreError};
use raftlog::vfs::Fs;
use raftlog::vfs::os::{OsClock, OsFs};
use support::bolt::{Bundled, DUMPED, UNDUMPED, file};

/// What is read out of a file.
#[derive(Default)]
struct Seen {
    entries: BTreeMap<u64, (Entry, Range<u64>)>,
    stable: StableMap,
    /// Whether anything at all was found to be wrong.
    findings: bool,
    /// Whether an older commit was taken, with a warning.
    fallback: bool,
    /// Calls that the check, the scan and the readers made: a measure of their work.
    steps: u64,
}

/// Reads everything; `None` when the file is refused, with an error of the right kind.
fn read(path: &Path) -> Option<Seen> {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let alone = OpenOptions { alone: true, ..OpenOptions::default() };
    let opened = match open(&fs, &OsClock, path, &alone) {
        Ok(opened) => opened,
        Err(
            StoreError::Fault(_) | StoreError::NotFound { .. } | StoreError::Unsupported { .. },
        ) => return None,
        Err(other) => panic!("{other}"),
    };
    let store = opened.store.as_ref();
    if store.format() != Format::BoltDb {
        return None;
    }
    let mut seen = Seen::default();
    let mut steps = 0;
    let mut step = || {
        steps += 1;
        ControlFlow::Continue(())
    };
    let checked = store.check(Level::Full, &mut |_| step()).expect("check");
    seen.findings = !checked.faults.is_empty();
    seen.fallback = checked.faults.iter().any(|fault| fault.code == Code::R123);
    store.scan(&mut |_| step()).expect("scan");
    store.space().expect("space");
    store.other_contents();
    seen.stable = store.state(&GroupId::Unnamed).expect("state").stable;
    for item in store.entries(&GroupId::Unnamed, IndexRange::ALL).expect("entries") {
        let _going = step();
        match item {
            Ok(located) if located.faults.is_empty() => {
                let place = located.place.expect("place");
                let range = place.offset_bytes..place.offset_bytes + place.len_bytes;
                let index = located.entry.index.0;
                assert!(seen.entries.insert(index, (located.entry, range)).is_none(), "twice");
            }
            Ok(_) | Err(StoreError::Fault(_)) => seen.findings = true,
            Err(other) => panic!("{other}"),
        }
    }
    seen.steps = steps;
    Some(seen)
}

/// That what a changed file shows is either what it showed before, or comes with a finding, or
/// differs in the value only in which a byte was changed.
fn assert_honest(sound: &Seen, path: &Path, changed: &[Range<u64>], what: &str) {
    let size = std::fs::metadata(path).expect("file").len();
    let Some(found) = read(path) else { return };
    assert!(found.steps <= 64 + size / 8, "{what}: {} steps in {size} bytes", found.steps);
    for (index, (entry, place)) in &found.entries {
        let same = sound.entries.get(index).is_some_and(|(before, _)| before == entry);
        let inside = changed.iter().any(|part| place.start < part.end && part.start < place.end);
        assert!(same || inside, "{what}: entry {index} is wrong and called sound");
    }
    if found.findings {
        return;
    }
    assert_eq!(found.entries.len(), sound.entries.len(), "{what}: entries lost without a word");
    if found.stable != sound.stable {
        let keys = |stable: &StableMap| stable.keys().cloned().collect::<Vec<_>>();
        let lens = |stable: &StableMap| stable.values().map(|v| v.bytes.len()).collect::<Vec<_>>();
        let same = keys(&found.stable) == keys(&sound.stable)
            || lens(&found.stable) == lens(&sound.stable);
        assert!(!changed.is_empty() && same, "{what}: stable keys lost without a word");
    }
}

/// A fixed sequence of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % below
    }
}

const PAGE: u64 = 4096;

/// How much is tried of something: a sample, or with `RAFTLOG_DAMAGE=full` (`.ci/damage`) all.
fn amount(sample: u64, full: u64) -> u64 {
    if std::env::var_os("RAFTLOG_DAMAGE").is_some_and(|word| word == "full") {
        full
    } else {
        sample
    }
}

/// A copy to break: its path, itself opened for writing, its bytes, what it shows while sound.
struct Copy {
    path: std::path::PathBuf,
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
        let sound = read(&path).expect("sound");
        assert!(!sound.findings && !sound.fallback, "{}", bundled.file);
        Copy { path, file, bytes, sound, name: bundled.file }
    }

    /// Changes bytes, looks, and changes them back.
    fn with(&self, at: u64, bytes: &[u8], what: &str) {
        self.file.write_all_at(bytes, at).expect("break");
        let end = at as usize + bytes.len();
        let changed = at..end as u64;
        let (changed, what) = (std::slice::from_ref(&changed), format!("{}: {what}", self.name));
        assert_honest(&self.sound, &self.path, changed, &what);
        self.file.write_all_at(&self.bytes[at as usize..end], at).expect("mend");
    }

    /// Lets two pages change places, looks, and changes them back.
    fn exchanged(&self, at: u64, other: u64) {
        let page = |at: u64| &self.bytes[at as usize..(at + PAGE) as usize];
        self.file.write_all_at(page(other), at).expect("break");
        self.file.write_all_at(page(at), other).expect("break");
        let what = format!("{}: pages at {at} and {other} changed places", self.name);
        let changed = [at, other].map(|page| page..page + PAGE);
        assert_honest(&self.sound, &self.path, &changed, &what);
        self.file.write_all_at(page(at), at).expect("mend");
        self.file.write_all_at(page(other), other).expect("mend");
    }

    /// Pages that are in use, by the record scan.
    fn used_end(&self) -> u64 {
        let ends = self.sound.entries.values().map(|(_, place)| place.end);
        (ends.max().unwrap_or(PAGE) + 4 * PAGE).min(self.bytes.len() as u64)
    }
}

fn small() -> impl Iterator<Item = &'static Bundled> {
    // The last ones are large; the others show everything that they show.
    let large = |one: &Bundled| one.fixture.starts_with("wide") || one.fixture == "openbao-raft";
    DUMPED.iter().chain(&UNDUMPED).filter(move |one| amount(0, 1) == 1 || !large(one))
}

#[test]
fn a_flipped_bit_changes_no_entry_unseen_but_the_one_it_lies_in() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in small() {
        let copy = Copy::of(bundled, dir.path());
        let mut numbers = Numbers(copy.bytes.len() as u64);
        // Every bit of both metas of one file, then bits anywhere in use, headers above all.
        let in_metas = if copy.bytes.len() < 100_000 { 80 } else { 0 };
        let metas = (0..in_metas).chain(PAGE..PAGE + in_metas);
        let metas = metas.flat_map(|at| (0..8).map(move |bit| (at, bit)));
        let pages = copy.used_end() / PAGE;
        let anywhere: Vec<(u64, u64)> = (0..amount(150, 10_000))
            .map(|round| {
                let page = 2 + numbers.next(pages - 2);
                let inside = if round % 2 == 0 { numbers.next(64) } else { numbers.next(PAGE) };
                (page * PAGE + inside, numbers.next(8))
            })
            .collect();
        for (at, bit) in metas.chain(anywhere) {
            let flipped = copy.bytes[at as usize] ^ (1 << bit);
            copy.with(at, &[flipped], &format!("bit {bit} at {at}"));
        }
    }
}

#[test]
fn a_file_cut_anywhere_loses_nothing_in_silence() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in small() {
        let copy = Copy::of(bundled, dir.path());
        let size = copy.bytes.len() as u64;
        let borders = (0..size / PAGE).map(|page| page * PAGE);
        let mut numbers = Numbers(size);
        let seeded: Vec<u64> = (0..amount(60, 1_000)).map(|_| numbers.next(size)).collect();
        // From the longest to the shortest, so that one file can be made shorter and shorter.
        let lengths: BTreeSet<u64> = borders
            .filter(|at| *at <= copy.used_end().max(amount(0, size)))
            .chain(seeded)
            .collect();
        let cut = dir.path().join("cut");
        std::fs::write(&cut, &copy.bytes).expect("copy");
        let shorter = StdOpenOptions::new().write(true).open(&cut).expect("open");
        for len in lengths.into_iter().rev() {
            shorter.set_len(len).expect("cut");
            assert_honest(&copy.sound, &cut, &[], &format!("{} cut at {len}", copy.name));
        }
    }
}

#[test]
fn pages_that_lie_about_themselves_are_named_and_lead_nowhere() {
    let dir = tempfile::tempdir().expect("directory");
    for bundled in small() {
        let copy = Copy::of(bundled, dir.path());
        let pages = copy.used_end() / PAGE;
        let mut numbers = Numbers(pages);
        // All pages of the small files, and enough of the others.
        let some = (0..12).map(|_| 2 + numbers.next(pages - 2));
        let first = 2..pages.min(amount(10, pages));
        let chosen: BTreeSet<u64> = first.chain(some).collect();
        for page in chosen {
            let at = page * PAGE;
            let byte_at = |at: u64| copy.bytes[at as usize];
            let zeros = vec![0; PAGE as usize];
            copy.with(at, &zeros, &format!("page {page} zeroed"));
            let other = (2 + (page + pages / 2) % (pages - 2)) * PAGE;
            let swapped = copy.bytes[other as usize..(other + PAGE) as usize].to_vec();
            copy.with(at, &swapped, &format!("page {page} is a copy of another"));
            copy.exchanged(at, other);
            for (what, offset, len) in [("count", 10, 2), ("overflow", 12, 4), ("type", 8, 2)] {
                let most = vec![0xff; len];
                copy.with(at + offset, &most, &format!("{what} of page {page} at its most"));
            }
            // Every child of a branch points to the branch itself, or every size is at its most.
            let count = u64::from(u16::from_le_bytes([byte_at(at + 10), byte_at(at + 11)]));
            let is_branch = byte_at(at + 8) == 1;
            for element in [0, 1, count / 2, count.saturating_sub(1)].map(|n| at + 16 + 16 * n) {
                if element + 16 > at + PAGE {
                    break;
                }
                if is_branch {
                    let own = page.to_le_bytes();
                    copy.with(element + 8, &own, &format!("page {page} points to itself"));
                }
                for field in [0, 4, 8, 12] {
                    let most = [0xff, 0xff, 0xff, 0xff];
                    let what = format!("field {field} of an element of page {page} at its most");
                    copy.with(element + field, &most, &what);
                }
            }
        }
    }
}

/// A meta with a checksum that fits.
fn meta(page_bytes: u32, root: u64, freelist: u64, end: u64, transaction: u64) -> Vec<u8> {
    let mut meta = Vec::new();
    meta.extend(0xed0c_daedu32.to_le_bytes());
    meta.extend(2u32.to_le_bytes());
    meta.extend(page_bytes.to_le_bytes());
    meta.extend(0u32.to_le_bytes());
    for number in [root, 0, freelist, end, transaction] {
        meta.extend(number.to_le_bytes());
    }
    let sum = meta.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    meta.extend(sum.to_le_bytes());
    meta
}

#[test]
fn metas_that_verify_and_lie_are_survived() {
    let dir = tempfile::tempdir().expect("directory");
    let copy = Copy::of(&DUMPED[2], dir.path());
    let most = u64::MAX;
    let lies = [
        meta(0, 2, most, 16, 99),
        meta(1, 2, most, 16, 99),
        meta(u32::MAX, 2, most, 16, 99),
        meta(1 << 30, 2, most, 16, 99),
        meta(4096, most, most, 16, 99),
        meta(4096, 2, most - 1, 16, 99),
        meta(4096, 2, most, most, 99),
        meta(4096, 0, 0, 0, 99),
        meta(4096, 1, 1, 16, 99),
        meta(4097, 2, 3, 16, 99),
        meta(1024, 8, most, 1 << 40, 99),
    ];
    for (number, lie) in lies.iter().enumerate() {
        // The lie is newer than the truth, in one meta and then in both.
        copy.with(16, lie, &format!("lie {number} in page 0"));
        copy.with(PAGE + 16, lie, &format!("lie {number} in page 1"));
        copy.file.write_all_at(lie, 16).expect("break");
        copy.with(PAGE + 16, lie, &format!("lie {number} in both"));
        copy.file.write_all_at(&copy.bytes[16..80], 16).expect("mend");
    }
}

#[test]
fn the_commit_before_is_read_when_the_newest_meta_is_gone_at_every_page_size() {
    let dir = tempfile::tempdir().expect("directory");
    // Before the newest commit of a new file there were no buckets.
    for bundled in small().filter(|one| one.file != "fresh.db") {
        let copy = Copy::of(bundled, dir.path());
        for slot in [0, PAGE] {
            copy.file.write_all_at(&[0; 80], slot).expect("break");
            let found = read(&copy.path).expect("the other meta");
            assert!(found.findings && found.fallback, "{}: said nothing", copy.name);
            copy.file.write_all_at(&copy.bytes[slot as usize..][..80], slot).expect("mend");
        }
    }
}
