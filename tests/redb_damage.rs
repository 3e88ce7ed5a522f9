//! redb files cut at many lengths and with bytes changed: never a panic, never a wrong entry that
//! is called sound, never a loss without a finding.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions as StdOpenOptions};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use raftlog::model::{Code, Entry, GroupId, IndexRange, StableMap};
use raftlog::store::open::open;
use raftlog::store::{Level, OpenOptions, StoreError};
use raftlog::vfs::Fs;
use raftlog::vfs::os::{OsClock, OsFs};
use xxhash_rust::xxh3::xxh3_128;

/// What is read out of a file.
#[derive(Default)]
struct Seen {
    entries: BTreeMap<(GroupId, u64), Entry>,
    stable: BTreeMap<GroupId, StableMap>,
    /// Whether anything at all was found to be wrong.
    findings: bool,
    /// Whether an older commit was taken, with a warning.
    fallback: bool,
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
    let mut seen = Seen::default();
    for level in [Level::Quick, Level::Full] {
        let checked = store.check(level, &mut |_| ControlFlow::Continue(())).expect("check");
        seen.findings = !checked.faults.is_empty();
        seen.fallback |= checked.faults.iter().any(|fault| fault.code == Code::R123);
    }
    store.scan(&mut |_| ControlFlow::Continue(())).expect("scan");
    store.space().expect("space");
    for group in store.groups().expect("groups") {
        seen.stable.insert(group.clone(), store.state(&group).expect("state").stable);
        for item in store.entries(&group, IndexRange::ALL).expect("entries") {
            match item {
                Ok(located) if located.faults.is_empty() => {
                    let key = (group.clone(), located.entry.index.0);
                    assert!(seen.entries.insert(key, located.entry).is_none(), "twice");
                }
                Ok(_) | Err(StoreError::Fault(_)) => seen.findings = true,
                Err(other) => panic!("{other}"),
            }
        }
    }
    Some(seen)
}

fn assert_honest(sound: &Seen, path: &Path, what: &str) {
    let Some(found) = read(path) else { return };
    for (key, entry) in &found.entries {
        assert_eq!(sound.entries.get(key), Some(entry), "{what}: a wrong entry called sound");
    }
    if found.findings {
        return;
    }
    assert_eq!(found.entries.len(), sound.entries.len(), "{what}: entries lost without a word");
    assert_eq!(found.stable, sound.stable, "{what}: stable keys lost without a word");
}

/// A fixed sequence of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % below
    }
}

const FILES: [(&str, &str); 6] = [
    ("redb-twins", "twin-golib-bolt2-novote"),
    ("redb-basic", "compacted"),
    ("redb-unclean", "live-copy"),
    ("redb-unclean", "unclean"),
    ("redb-unclean", "unclean-eventual-v2"),
    ("redb-groups", "groups"),
];

fn copy_of(dir: &Path, archive: &str, name: &str) -> (std::path::PathBuf, File, Vec<u8>) {
    let bytes = std::fs::read(support::redb(archive, name)).expect("fixture");
    let path = dir.join(format!("{name}.redb"));
    std::fs::write(&path, &bytes).expect("copy");
    let file = StdOpenOptions::new().write(true).open(&path).expect("open");
    (path, file, bytes)
}

#[test]
fn changed_bytes_never_make_a_wrong_entry_sound_or_a_loss_silent() {
    let dir = tempfile::tempdir().expect("directory");
    for (archive, name) in FILES {
        let (path, file, bytes) = copy_of(dir.path(), archive, name);
        let sound = read(&path).expect("sound");
        assert!(!sound.findings && !sound.fallback, "{name}");
        // Every bit of the header, then bytes anywhere, most of them in the pages in use.
        let header = (0..320u64).flat_map(|at| (0..8).map(move |bit| (at, 1u8 << bit)));
        let mut numbers = Numbers(bytes.len() as u64);
        let anywhere = (0..600).map(|round| {
            let end = if round % 4 == 0 { bytes.len() as u64 } else { 120_000 };
            let at = numbers.next(end.min(bytes.len() as u64));
            (at, 1 + numbers.next(255) as u8)
        });
        for (at, change) in header.chain(anywhere) {
            let before = bytes[at as usize];
            file.write_all_at(&[before ^ change], at).expect("change");
            assert_honest(&sound, &path, &format!("{name}: byte {at} ^ {change:#04x}"));
            file.write_all_at(&[before], at).expect("change back");
        }
    }
}

#[test]
fn files_cut_anywhere_are_refused_or_found_damaged() {
    let dir = tempfile::tempdir().expect("directory");
    for (archive, name) in FILES {
        let (path, file, bytes) = copy_of(dir.path(), archive, name);
        let sound = read(&path).expect("sound");
        let len = bytes.len() as u64;
        let header = 0..400;
        let pages = (0..=len / 4096).flat_map(|page| [page * 4096, page * 4096 + 1]);
        let mut numbers = Numbers(len);
        let anywhere = (0..60).map(|_| numbers.next(len)).collect::<Vec<u64>>();
        for cut in header.chain(pages).chain(anywhere).filter(|cut| *cut < len) {
            file.set_len(cut).expect("cut");
            assert_honest(&sound, &path, &format!("{name} cut to {cut}"));
            file.write_all_at(&bytes[cut as usize..], cut).expect("make whole");
        }
    }
}

/// Cuts and flips of each file: all of them when asked for, else a part.
fn of_each() -> (u64, u64) {
    match std::env::var_os("RAFTLOG_DAMAGE") {
        Some(_) => (1_000, 10_000),
        None => (40, 120),
    }
}

#[test]
fn files_of_other_schemas_are_read_honestly_whatever_is_cut_or_flipped() {
    let dir = tempfile::tempdir().expect("directory");
    let (cuts, flips) = of_each();
    let (mut files, mut read_whole) = (0, 0);
    for archive in ["redb-schema", "redb-real"] {
        for name in support::redb_names(archive) {
            let (path, file, bytes) = copy_of(dir.path(), archive, &name);
            let sound = read(&path);
            assert_eq!(sound.is_none(), matches!(&*name, "not-raft" | "schema-multimap"), "{name}");
            // What is no log stays none: nothing that is cut or flipped makes one of it.
            let sound = sound.unwrap_or_default();
            assert!(!sound.findings && !sound.fallback, "{name}");
            let len = bytes.len() as u64;
            let mut numbers = Numbers(len + files);
            for round in 0..flips {
                // Most of a file is room that was never used.
                let end = if round % 4 == 0 { len } else { len.min(300_000) };
                let (at, change) = (numbers.next(end), 1u8 << numbers.next(8));
                let before = bytes[at as usize];
                file.write_all_at(&[before ^ change], at).expect("flip");
                assert_honest(&sound, &path, &format!("{name}: byte {at} ^ {change:#04x}"));
                read_whole += u64::from(read(&path).is_some());
                file.write_all_at(&[before], at).expect("flip back");
            }
            for _ in 0..cuts {
                let cut = numbers.next(len);
                file.set_len(cut).expect("cut");
                assert_honest(&sound, &path, &format!("{name} cut to {cut}"));
                file.write_all_at(&bytes[cut as usize..], cut).expect("make whole");
            }
            files += 1;
        }
    }
    assert_eq!(files, 20);
    assert!(read_whole > 15 * flips, "most flips leave something to read: {read_whole}");
}

#[test]
fn changed_pages_with_fitting_checksums_do_not_lead_astray() {
    // Pages whose checksum was made to fit: only their structure can tell.
    let dir = tempfile::tempdir().expect("directory");
    let (path, file, bytes) = copy_of(dir.path(), "redb-basic", "compacted");
    let sound = read(&path).expect("sound");
    let mut numbers = Numbers(7);
    let sums = sums_of_pages(&bytes);
    let pages: Vec<usize> = sums.keys().copied().collect();
    assert!(pages.len() > 15, "the pages in use are found");
    for round in 0..400 {
        let mut forged = bytes.clone();
        let page = pages[numbers.next(pages.len() as u64) as usize];
        // Type, count, ends, child numbers and checksums lie near the beginning.
        let at = page + numbers.next(if round % 2 == 0 { 64 } else { 400 }) as usize;
        forged[at] = numbers.next(256) as u8;
        refit(&mut forged, &sums, page);
        file.write_all_at(&forged, 0).expect("forge");
        // Whatever is shown came out of the file; here only that it ends without a panic counts.
        let found = read(&path);
        assert!(found.is_none_or(|found| found.entries.len() <= sound.entries.len() + 100));
    }
    file.write_all_at(&bytes, 0).expect("make whole");
    assert_honest(&sound, &path, "made whole");
}

/// For each page in use: how many of its bytes its checksum covers, and where that stands.
fn sums_of_pages(bytes: &[u8]) -> BTreeMap<usize, (usize, usize)> {
    let places: HashMap<&[u8], usize> =
        bytes.windows(16).enumerate().map(|(at, window)| (window, at)).collect();
    let mut sums = BTreeMap::new();
    for page in (4096..bytes.len()).step_by(4096) {
        for end in 8..4096 {
            let sum = xxh3_128(&bytes[page..page + end]).to_le_bytes();
            if let Some(at) = places.get(&sum[..]) {
                sums.insert(page, (end, *at));
                break;
            }
        }
    }
    sums
}

/// Puts the new checksum of a changed page where the old one stands, and so on upward.
fn refit(forged: &mut [u8], sums: &BTreeMap<usize, (usize, usize)>, page: usize) {
    let Some((end, at)) = sums.get(&page) else { return };
    let sum = xxh3_128(&forged[page..page + end]);
    forged[*at..at + 16].copy_from_slice(&sum.to_le_bytes());
    if *at >= 4096 {
        return refit(forged, sums, at / 4096 * 4096);
    }
    for slot in [64, 192] {
        let sum = xxh3_128(&forged[slot..slot + 112]);
        forged[slot + 112..slot + 128].copy_from_slice(&sum.to_le_bytes());
    }
}
