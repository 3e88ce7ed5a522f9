use std::sync::Arc;

use super::*;
use crate::fastlog::FastLog;
use crate::model::{
    AppendInstant, AppendTime, ByteOrder, Candidate, EntryExtra, HardState, LogId, LogIndex,
    SharedBytes, SnapshotNote, StableValue, Term, TimeForm, Vote, Zone,
};
use crate::vfs::os::{OsClock, OsFs};

fn entry(index: u64) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(1 + index / 1000),
        kind: EntryKind::ALL[index as usize % EntryKind::ALL.len()],
        kind_code: index.is_multiple_of(2).then_some(index as u32),
        payload: (!index.is_multiple_of(5))
            .then(|| SharedBytes::from(vec![index as u8; index as usize % 999])),
        extra: EntryExtra {
            extensions: index
                .is_multiple_of(7)
                .then(|| SharedBytes::from(vec![1; index as usize % 3])),
            appended_at: AppendTime::At(AppendInstant {
                unix_seconds: index.cast_signed(),
                nanoseconds: 5,
                form: TimeForm::New,
                zone: Zone::East { seconds: 60 },
            }),
            note: SharedBytes::from(vec![3; index as usize % 2]),
        },
    }
}

fn state() -> LogState {
    LogState {
        hard: HardState {
            term: Some(Term(77)),
            vote: Some(Vote { term: Some(Term(76)), candidate: Some(Candidate::Id(3)) }),
            commit: Some(LogIndex(5)),
        },
        stable: [(
            b"CurrentTerm".to_vec(),
            StableValue {
                bytes: SharedBytes::from(vec![0, 0, 0, 0, 0, 0, 0, 77]),
                integer: Some(ByteOrder::Big),
            },
        )]
        .into(),
        compacted: Some(LogId { index: LogIndex(9), term: Term(1) }),
        snapshot: Some(SnapshotNote {
            index: LogIndex(40),
            term: Term(1),
            id: Some("1-40".to_owned()),
            note: SharedBytes::from(vec![1]),
        }),
        bounds: None,
        schema: Some("raft-boltdb".to_owned()),
        note: SharedBytes::from(vec![8]),
    }
}

fn target(dir: &Path) -> Target {
    Target::check(Arc::new(OsFs), &dir.join("log.fastlog"), false).expect("free")
}

fn written(dir: &Path) -> PathBuf {
    let mut sink = Box::new(FastLogSink::create(target(dir), Some(Durability::Mid)).expect("made"));
    sink.begin_group(&GroupId::Unnamed, &state()).expect("begun");
    let entries: Vec<Entry> = (10..=3000).map(entry).collect();
    for batch in entries.chunks(700) {
        sink.append(batch).expect("appended");
    }
    sink.begin_group(&GroupId::named("empty"), &LogState::default()).expect("begun");
    sink.seal().expect("sealed").publish().expect("published")
}

#[test]
fn everything_that_goes_in_comes_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = written(dir.path());
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let store = FastLogStore::open(&fs, &path).expect("opens");
    assert_eq!(store.opening_faults(), []);
    assert_eq!(store.groups().expect("read"), [GroupId::Unnamed, GroupId::named("empty")]);
    let bounds = IndexRange::new(LogIndex(10), LogIndex(3000));
    assert_eq!(store.state(&GroupId::Unnamed).expect("known"), LogState { bounds, ..state() });
    assert_eq!(store.state(&GroupId::named("empty")).expect("known"), LogState::default());
    let found: Vec<Entry> = store
        .entries(&GroupId::Unnamed, IndexRange::ALL)
        .expect("known")
        .map(|entry| entry.expect("sound").entry)
        .collect();
    assert_eq!(found, (10..=3000).map(entry).collect::<Vec<_>>());
    let heads = store.heads(&GroupId::Unnamed, IndexRange::ALL).expect("known");
    for (head, entry) in heads.map(|head| head.expect("sound").head).zip(&found) {
        assert_eq!((head.index, head.term, head.kind), (entry.index, entry.term, entry.kind));
        assert_eq!(head.kind_code, entry.kind_code);
        assert_eq!(head.payload_len_bytes, entry.payload_bytes().len() as u64);
        assert_eq!(head.extensions_len_bytes, entry.extensions_bytes().len() as u64);
    }
    let anchor = store.view.anchor().expect("sound");
    assert!(anchor.clean);
    assert_eq!(anchor.settings.level, Durability::Mid);
}

#[test]
fn every_record_of_a_fresh_store_is_live() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = written(dir.path());
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let store = FastLogStore::open(&fs, &path).expect("opens");
    let (mut entries, mut kinds) = (0, Vec::new());
    let scanned = store.scan(&mut |record| {
        let old_anchor = record.kind == "anchor slot";
        assert!(record.status == RecordStatus::Live || old_anchor, "{record:?}");
        assert_eq!(record.checksum, RecordChecksum::Ok);
        entries += record.entries;
        kinds.push(record.kind);
        ControlFlow::Continue(())
    });
    scanned.expect("scanned");
    assert_eq!(entries, 2991);
    for kind in ["segment header", "sync slot", "group", "hard state", "compaction", "stable key"] {
        assert!(kinds.iter().any(|found| found == kind), "{kind}");
    }
}

#[test]
fn what_a_dense_log_cannot_hold_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut sink = FastLogSink::create(target(dir.path()), None).expect("made");
    sink.begin_group(&GroupId::Unnamed, &LogState::default()).expect("begun");
    sink.append(&[entry(5)]).expect("the first index is free");
    let hole = sink.append(&[entry(7)]);
    assert!(matches!(hole, Err(StoreError::Refused { .. })));
    assert!(matches!(
        sink.begin_group(&GroupId::Unnamed, &LogState::default()),
        Err(StoreError::Refused { .. })
    ));
    drop(sink);
    assert_eq!(OsFs.list(dir.path()).expect("listed"), Vec::<PathBuf>::new());
}

#[test]
fn a_store_in_use_names_its_holder_and_a_store_read_keeps_writers_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let options = Options::default();
    let open = || {
        let clock = Arc::new(OsClock);
        FastLog::open_or_create(Arc::new(OsFs), clock, &path, &options)
    };
    let log = open().expect("created");
    match FastLogStore::open(&fs, &path) {
        Err(StoreError::Locked { holder, .. }) => {
            assert_eq!(holder.pid, Some(std::process::id()));
        }
        other => panic!("{:?}", other.err()),
    }
    assert!(matches!(open(), Err(Error::Locked { .. })));
    drop(log);
    let store = FastLogStore::open(&fs, &path).expect("free");
    assert!(matches!(open(), Err(Error::Locked { .. })));
    drop(store);
    open().expect("free").close().expect("closed");
}
