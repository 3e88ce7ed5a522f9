use std::path::Path;
use std::sync::Arc;

use crate::fastlog::{AppliedAndSynced, Batch, FastLog, Fill, LogView, Options, Stepping};
use crate::model::*;
use crate::vfs::os::{OsClock, OsFs};

fn options() -> Options {
    Options {
        segment_bytes: Some(16 << 10),
        fill: Fill::Ahead { step_bytes: 4096 },
        stepping: Stepping::Caller,
        ..Options::default()
    }
}

fn open(dir: &Path) -> FastLog {
    let clock = Arc::new(OsClock);
    FastLog::open_or_create(Arc::new(OsFs), clock, dir, &options()).expect("opens")
}

fn entry(index: u64, term: u64, len: usize) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: EntryKind::Command,
        kind_code: None,
        payload: Some(SharedBytes::from(vec![index as u8; len])),
        extra: EntryExtra::default(),
    }
}

#[test]
fn what_was_written_is_read_before_and_after_opening_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("log");
    let log = open(&dir);
    let group = log.create_group(&GroupId::named("a")).expect("created");
    for index in 1..=200u64 {
        let mut batch = Batch::new();
        batch.append(group, &[entry(index, 1 + index / 50, 300)]).expect("fits");
        log.write(batch).expect("written");
    }
    let mut batch = Batch::new();
    let through = LogId { index: LogIndex(120), term: Term(3) };
    batch.compact(group, through, AppliedAndSynced::through(LogIndex(130)));
    let hard = HardState { term: Some(Term(9)), vote: None, commit: Some(LogIndex(150)) };
    batch.hard_state(group, &hard).expect("fits");
    log.write(batch).expect("written");
    let purged = log.purge().expect("purged");
    assert!(purged.segments > 1);
    let check = |log: &FastLog| {
        let state = log.state(group).expect("known");
        assert_eq!(state.bounds, IndexRange::new(LogIndex(121), LogIndex(200)));
        assert_eq!(state.hard, hard);
        assert_eq!(state.compacted, Some(through));
        let all: Vec<Entry> =
            log.entries(group, IndexRange::ALL).map(|entry| entry.expect("reads").entry).collect();
        let expected: Vec<Entry> = (121..=200).map(|i| entry(i, 1 + i / 50, 300)).collect();
        assert_eq!(all, expected);
        assert_eq!(log.read(group, LogIndex(150)).expect("reads"), Some(entry(150, 4, 300)));
    };
    check(&log);
    drop(log);
    let log = open(&dir);
    check(&log);
    log.close().expect("closed");
    let log = open(&dir);
    assert!(log.recovery().clean);
    check(&log);
    assert!(LogView::open(Arc::new(OsFs), &dir).is_err());
    drop(log);
    let view = LogView::open(Arc::new(OsFs), &dir).expect("opens");
    assert_eq!(view.faults(), []);
    assert_eq!(view.heads(&GroupId::named("a"), IndexRange::ALL).count(), 80);
    assert_eq!(view.entries(&GroupId::named("a"), IndexRange::ALL).count(), 80);
}
