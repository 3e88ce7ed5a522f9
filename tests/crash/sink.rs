//! A copy that is cut off: the final name is absent, or the store is complete and equal.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raftlog::fastlog::{BulkWriter, Options};
use raftlog::model::{
    Durability, Entry, EntryExtra, EntryKind, GroupId, HardState, IndexRange, LogIndex, LogState,
    SharedBytes, Term,
};
use raftlog::store::fastlog::{FastLogSink, FastLogStore};
use raftlog::store::target::Target;
use raftlog::store::{LogSink, LogSource, Store};
use raftlog::vfs::Fs;
use raftlog::vfs::sim::{Disk, Profile, SimFs, Tries};

fn entries() -> Vec<Entry> {
    let entry = |index: u64| Entry {
        index: LogIndex(index),
        term: Term(1),
        kind: EntryKind::Command,
        kind_code: None,
        payload: Some(SharedBytes::from(vec![index as u8; 3000])),
        extra: EntryExtra::default(),
    };
    (1..=12).map(entry).collect()
}

fn state() -> LogState {
    let hard = HardState { term: Some(Term(1)), vote: None, commit: Some(LogIndex(3)) };
    LogState { hard, ..LogState::default() }
}

fn target_path() -> &'static Path {
    Path::new("/copy")
}

fn copy(fs: &SimFs) {
    let target = Target::check(Arc::new(fs.clone()), target_path(), false).expect("free");
    let mut sink = Box::new(FastLogSink::create(target, Some(Durability::High)).expect("made"));
    for group in [GroupId::Unnamed, GroupId::named("g")] {
        sink.begin_group(&group, &state()).expect("begun");
        sink.append(&entries()).expect("appended");
    }
    sink.seal().expect("sealed").publish().expect("published");
}

/// Whether the copy is there, and then it must be whole.
fn is_whole(case: &str, disk: Disk) -> bool {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::on(disk));
    if fs.metadata(target_path()).is_err() {
        return false;
    }
    let store = FastLogStore::open(&fs, target_path())
        .unwrap_or_else(|error| panic!("{case}: S18 the copy does not open: {error}"));
    assert_eq!(store.opening_faults(), [], "{case}: S18");
    let groups = store.groups().expect("read");
    assert_eq!(groups, [GroupId::Unnamed, GroupId::named("g")], "{case}: S18");
    for group in groups {
        let found = store.state(&group).expect("known");
        let bounds = IndexRange::new(LogIndex(1), LogIndex(12));
        assert_eq!(found, LogState { bounds, ..state() }, "{case}: S18");
        let all = store.entries(&group, IndexRange::ALL).expect("known");
        let all: Vec<Entry> = all.map(|entry| entry.expect("sound").entry).collect();
        assert_eq!(all, entries(), "{case}: S18");
    }
    true
}

#[test]
fn a_copy_that_is_cut_off_is_absent_or_whole() {
    let fs = SimFs::new(Profile::StrictPosix);
    let points: Arc<Mutex<Vec<Disk>>> = Arc::default();
    let seen = Arc::clone(&points);
    fs.watch(move |moment| {
        if moment.operation.is_sync() {
            seen.lock().expect("not poisoned").push(moment.disk.clone());
        }
    });
    copy(&fs);
    let (mut absent, mut whole) = (0, 0);
    for (number, point) in points.lock().expect("not poisoned").iter().enumerate() {
        for image in point.images(Tries { samples: 256, ..Tries::default() }).distinct() {
            let case = format!("point {number}, image {}", image.no.0);
            if is_whole(&case, image.disk) { whole += 1 } else { absent += 1 }
        }
    }
    assert!(absent > 100 && whole > 0, "{absent} absent, {whole} whole");
    for image in fs.disk().images(Tries::default()).distinct() {
        assert!(is_whole("published", image.disk), "S18 published, and gone after a power cut");
    }
}

/// A copy of several segments, of which only the last one is still open at the end.
#[test]
fn a_sealed_copy_of_many_segments_survives_whole() {
    let fs = SimFs::new(Profile::StrictPosix);
    let options = Options { segment_bytes: Some(16 << 10), ..Options::default() };
    let made = BulkWriter::create(Arc::new(fs.clone()), target_path(), &options, Duration::ZERO);
    let mut writer = made.expect("made");
    for group in [GroupId::Unnamed, GroupId::named("g")] {
        writer.begin_group(&group, &state()).expect("begun");
        for entry in entries() {
            writer.append(&[entry]).expect("appended");
        }
    }
    let report = writer.seal().expect("sealed");
    assert!(report.files > 5, "{report:?}");
    for image in fs.disk().images(Tries::default()).distinct() {
        assert!(is_whole("sealed", image.disk), "S18 sealed, and gone after a power cut");
    }
}
