use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::model::{
    Candidate, Code, Entry, EntryExtra, EntryKind, GroupId, HardState, IndexRange, LogIndex,
    LogState, SharedBytes, StableValue, Term, Vote,
};
use crate::store::target::Target;
use crate::store::{Level, LogSink, LogSource, RecordScan, RecordStatus, Store};
use crate::vfs::sim::{Disk, Profile as DiskProfile, SimFs, Tries};
use crate::vfs::{Fs, OpenMode, Vfs, Writers};

const LOG: &str = "/log";

fn entry(index: u64, term: u64, payload: &[u8]) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: EntryKind::Command,
        kind_code: Some(0),
        payload: Some(SharedBytes::from(payload)),
        extra: EntryExtra::default(),
    }
}

fn state() -> LogState {
    let vote = Vote { term: Some(Term(3)), candidate: Some(Candidate::Bytes(b"n1"[..].into())) };
    let mut state = LogState {
        hard: HardState { term: Some(Term(4)), vote: Some(vote), commit: None },
        ..LogState::default()
    };
    state.stable.insert(b"app".to_vec(), StableValue::bytes(b"value"));
    state
}

fn written(fs: &Arc<SimFs>, entries: &[Entry]) {
    let target = Target::check(Arc::<SimFs>::clone(fs), Path::new(LOG), false).expect("free");
    let mut sink = Box::new(RaftFastlogSink::create(target).expect("created"));
    sink.begin_group(&GroupId::Unnamed, &state()).expect("begun");
    for batch in entries.chunks(700) {
        sink.append(batch).expect("appended");
    }
    sink.seal().expect("sealed").publish().expect("published");
}

fn opened(fs: &dyn Fs, reading: Reading) -> RaftFastlogStore {
    RaftFastlogStore::open(fs, Path::new(LOG), reading, &Writers::Unknown).expect("opened")
}

fn entries_of(store: &RaftFastlogStore, range: IndexRange) -> Vec<Entry> {
    let all = store.entries(&GroupId::Unnamed, range).expect("the group");
    all.map(|located| located.expect("sound").entry).collect()
}

fn file_of(bytes: &[u8]) -> SimFs {
    let fs = SimFs::new(DiskProfile::StrictPosix);
    let file = fs.open(Path::new(LOG), OpenMode::CreateNew).expect("created");
    file.write_at(0, bytes).expect("written");
    fs
}

fn record(entries: &[(u64, u64, usize)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::put_entries_head(&mut bytes, entries.len() as u64);
    for (index, term, size) in entries {
        let entry = entry(*index, *term, &vec![b'x'; *size]);
        format::put_entry_head(&mut bytes, &entry).expect("a kind");
        bytes.extend_from_slice(entry.payload_bytes());
    }
    bytes
}

fn deletion(min: u64, max: u64) -> Vec<u8> {
    [&[format::DELETE_RANGE][..], &min.to_le_bytes(), &max.to_le_bytes()].concat()
}

fn indexes(store: &RaftFastlogStore) -> Vec<u64> {
    entries_of(store, IndexRange::ALL).iter().map(|entry| entry.index.0).collect()
}

#[test]
fn what_is_written_is_read_again_whatever_its_size() {
    let fs = Arc::new(SimFs::new(DiskProfile::StrictPosix));
    let sizes = [0, 1, 25, 4095, 4096, 300 << 10, 2 << 20, 7];
    let mut all: Vec<Entry> = (10..3_000).map(|n| entry(n, n / 100 + 1, &[n as u8; 3])).collect();
    all.extend(sizes.iter().zip(5_000..).map(|(size, n)| entry(n, 90, &vec![n as u8; *size])));
    written(&fs, &all);
    let store = opened(fs.as_ref(), Reading::Meant);
    assert_eq!(store.opening_faults(), []);
    assert!(entries_of(&store, IndexRange::ALL) == all);
    let found = store.state(&GroupId::Unnamed).expect("state");
    assert_eq!(found.hard, state().hard);
    assert_eq!(found.stable[&b"CurrentTerm"[..]].bytes.as_ref(), 4u64.to_le_bytes());
    assert_eq!(found.stable[&b"app"[..]].bytes.as_ref(), b"value");
    for (low, high) in [(0, 9), (10, 10), (1_023, 1_034), (2_999, 5_003), (5_006, u64::MAX)] {
        let range = IndexRange::new(LogIndex(low), LogIndex(high)).expect("a range");
        let wanted: Vec<Entry> =
            all.iter().filter(|one| range.contains(one.index)).cloned().collect();
        assert!(entries_of(&store, range) == wanted, "{low} to {high}");
    }
    let both = opened(fs.as_ref(), Reading::Loader);
    assert!(entries_of(&both, IndexRange::ALL) == all);
}

#[test]
fn a_sink_refuses_what_the_format_cannot_hold() {
    let fs = Arc::new(SimFs::new(DiskProfile::StrictPosix));
    let target = Target::check(Arc::<SimFs>::clone(&fs), Path::new(LOG), false).expect("free");
    let mut sink = RaftFastlogSink::create(target).expect("created");
    assert!(sink.append(&[entry(1, 1, b"")]).is_err(), "before any group");
    assert!(sink.begin_group(&GroupId::named("g"), &state()).is_err(), "a name");
    sink.begin_group(&GroupId::Unnamed, &state()).expect("begun");
    assert!(sink.begin_group(&GroupId::Unnamed, &state()).is_err(), "a second group");
    assert!(sink.append(&[entry(0, 1, b"")]).is_err(), "index 0");
    sink.append(&[entry(2, 1, b"")]).expect("appended");
    assert!(sink.append(&[entry(2, 1, b"")]).is_err(), "twice");
    let mut odd = entry(3, 1, b"");
    (odd.kind, odd.kind_code) = (EntryKind::Unknown, Some(256));
    assert!(sink.append(&[odd]).is_err(), "a kind of nine bits");
    drop(sink);
    assert_eq!(fs.list(Path::new("/")).expect("list"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_two_readings_differ_in_the_last_deleted_entry_only() {
    let five: Vec<_> = (1..=5).map(|index| (index, 1, 1)).collect();
    type Case<'a> = (&'a [(u64, u64)], &'a [u64], &'a [u64]);
    let cases: [Case<'_>; 7] = [
        (&[(2, 4)], &[1, 5], &[1, 4, 5]),
        (&[(3, 3)], &[1, 2, 4, 5], &[1, 2, 3, 4, 5]),
        (&[(4, 2)], &[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5]),
        (&[(2, 4), (1, 5)], &[], &[5]),
        (&[(2, 3), (3, 5)], &[1], &[1, 5]),
        (&[(0, u64::MAX)], &[], &[]),
        (&[(6, 9)], &[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5]),
    ];
    for (deletions, meant, loader) in cases {
        let mut bytes = record(&five);
        deletions.iter().for_each(|(min, max)| bytes.extend(deletion(*min, *max)));
        let fs = file_of(&bytes);
        assert_eq!(indexes(&opened(&fs, Reading::Meant)), meant, "{deletions:?}");
        assert_eq!(indexes(&opened(&fs, Reading::Loader)), loader, "{deletions:?}");
    }
}

#[test]
fn an_entry_written_later_takes_the_place_of_all_before_it() {
    let mut bytes = record(&[(1, 1, 1), (2, 1, 2), (3, 1, 3)]);
    bytes.extend(record(&[(2, 2, 9)]));
    bytes.extend(record(&[(3, 2, 8), (4, 2, 0)]));
    let fs = file_of(&bytes);
    let store = opened(&fs, Reading::Meant);
    let found: Vec<(u64, u64, usize)> = entries_of(&store, IndexRange::ALL)
        .iter()
        .map(|entry| (entry.index.0, entry.term.0, entry.payload_bytes().len()))
        .collect();
    assert_eq!(found, [(1, 1, 1), (2, 2, 9), (3, 2, 8), (4, 2, 0)]);
    let mut statuses = Vec::new();
    let scanned = store.scan(&mut |record| {
        statuses.push(record.status);
        ControlFlow::Continue(())
    });
    scanned.expect("scanned");
    assert_eq!(statuses, [RecordStatus::Live; 3]);
}

#[test]
fn a_key_that_is_deleted_or_set_again_counts_once() {
    let mut bytes = Vec::new();
    for value in [1u64, 2] {
        format::put_set(&mut bytes, b"CurrentTerm", &value.to_le_bytes());
    }
    format::put_set(&mut bytes, b"gone", b"soon");
    bytes.push(format::DELETE_KEY);
    bytes.extend(4u64.to_le_bytes());
    bytes.extend(b"gone");
    format::put_set(&mut bytes, b"LastVoteTerm", b"short");
    let fs = file_of(&bytes);
    let store = opened(&fs, Reading::Meant);
    let found = store.state(&GroupId::Unnamed).expect("state");
    assert_eq!(found.hard.term, Some(Term(2)));
    assert_eq!(found.stable.len(), 2);
    let codes: Vec<Code> = store.opening_faults().iter().map(|fault| fault.code).collect();
    assert_eq!(codes, [Code::R125], "a term of five bytes");
    let mut statuses = Vec::new();
    let scanned = store.scan(&mut |record| {
        statuses.push((record.kind, record.status));
        ControlFlow::Continue(())
    });
    scanned.expect("scanned");
    assert_eq!(statuses[0], ("set CurrentTerm".to_owned(), RecordStatus::Superseded));
    assert_eq!(statuses[1], ("set CurrentTerm".to_owned(), RecordStatus::Live));
    assert_eq!(statuses[3].0, "delete key gone");
}

#[test]
fn a_rewritten_file_is_read_in_the_order_of_its_indexes() {
    let mut bytes = Vec::new();
    let order = (0..5_000u64).map(|n| 1 + n * 2_741 % 5_000);
    order.for_each(|index| bytes.extend(record(&[(index, 1, (index % 50) as usize)])));
    let fs = file_of(&bytes);
    let store = opened(&fs, Reading::Meant);
    let found = entries_of(&store, IndexRange::ALL);
    assert!(found.iter().zip(1..).all(|(entry, index)| entry.index == LogIndex(index)));
    assert!(found.iter().all(|entry| entry.payload_bytes().len() as u64 == entry.index.0 % 50));
    assert_eq!(found.len(), 5_000);
    let checked = store.check(Level::Full, &mut |_| ControlFlow::Continue(())).expect("checked");
    assert!(checked.faults.iter().all(|fault| fault.code == Code::R128), "{:?}", checked.faults);
}

/// S18: a copy that is cut off at any call is absent, or it is complete and equal.
#[test]
fn a_copy_that_is_cut_off_is_absent_or_whole() {
    let fs = Arc::new(SimFs::new(DiskProfile::StrictPosix));
    let points: Arc<Mutex<Vec<Disk>>> = Arc::default();
    let seen = Arc::clone(&points);
    fs.watch(move |moment| seen.lock().expect("not poisoned").push(moment.disk.clone()));
    let all: Vec<Entry> = (1..=40).map(|n| entry(n, 1, &[n as u8; 1_000])).collect();
    written(&fs, &all);
    let is_whole = |disk: Disk, case: &str| {
        let fs = SimFs::on(disk);
        if fs.metadata(Path::new(LOG)).is_err() {
            return false;
        }
        let store = opened(&fs, Reading::Meant);
        assert_eq!(store.opening_faults(), [], "{case}");
        assert!(entries_of(&store, IndexRange::ALL) == all, "{case}");
        true
    };
    let (mut absent, mut whole) = (0, 0);
    for (number, point) in points.lock().expect("not poisoned").iter().enumerate() {
        for image in point.images(Tries { samples: 64, ..Tries::default() }).distinct() {
            let case = format!("point {number}, image {}", image.no.0);
            if is_whole(image.disk, &case) { whole += 1 } else { absent += 1 }
        }
    }
    assert!(absent > 5 && whole > 0, "{absent} absent, {whole} whole");
    for image in fs.disk().images(Tries::default()).distinct() {
        assert!(is_whole(image.disk, "published"), "published, and gone after a power cut");
    }
}
