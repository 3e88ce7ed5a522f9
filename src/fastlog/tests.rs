mod ghosts;
mod memory;
mod modes;
mod spares;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::fastlog::format::{FRAME_HEADER_BYTES, FRAMES_OFFSET, GroupNo, LogUid, Salt, SegmentNo};
use crate::fastlog::policy::{Ack, Durability, Flush, Strategy};
use crate::fastlog::{
    AppliedAndSynced, Batch, Error, FastLog, Fill, LogView, OpNo, Options, Refusal, Standing,
    Stepping, Ticket,
};
use crate::model::{
    Code, Entry, EntryExtra, EntryKind, GroupId, HardState, IndexRange, LogId, LogIndex,
    SharedBytes, Term,
};
use crate::vfs::os::{OsClock, OsFs};
use crate::vfs::sim::{
    CallNo, Damage, Fault, FaultPlan, Profile, Refusal as DiskRefusal, SimClock, SimFs, Tries,
};
use crate::vfs::{Clock, OpenMode, Vfs, read_exact_at};

fn options() -> Options {
    Options {
        segment_bytes: Some(16 << 10),
        fill: Fill::Ahead { step_bytes: 4096 },
        stepping: Stepping::Caller,
        uid: Some(LogUid(*b"a log in a test!")),
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

fn sim_log(fs: &SimFs, options: &Options) -> Result<FastLog, Error> {
    let clock = Arc::new(SimClock::new());
    FastLog::open_or_create(Arc::new(fs.clone()), clock, Path::new("/log"), options)
}

fn fresh(options: &Options) -> (SimFs, FastLog, GroupNo) {
    let fs = SimFs::new(Profile::StrictPosix);
    let log = sim_log(&fs, options).expect("created");
    let group = log.create_group(&GroupId::Unnamed).expect("created");
    (fs, log, group)
}

fn appended(group: GroupNo, entries: &[Entry]) -> Batch {
    let mut batch = Batch::new();
    batch.append(group, entries).expect("fits");
    batch
}

fn refused(outcome: Result<(), Error>) -> Refusal {
    match outcome {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_would_break_a_log_is_refused_and_changes_nothing() {
    let (_fs, log, group) = fresh(&options());
    log.write(appended(group, &[entry(5, 1, 1), entry(6, 1, 1), entry(7, 1, 1)])).expect("written");
    let write = |batch: Batch| refused(log.write(batch));
    let (lowest, next) = (LogIndex(5), LogIndex(8));
    let out_of_place = |found| Refusal::OutOfPlace { found: LogIndex(found), lowest, next };
    assert_eq!(write(appended(group, &[entry(9, 1, 1)])), out_of_place(9));
    assert_eq!(write(appended(group, &[entry(4, 1, 1)])), out_of_place(4));
    let unknown = GroupNo(99);
    assert_eq!(
        write(appended(unknown, &[entry(1, 1, 1)])),
        Refusal::UnknownGroup { group: unknown }
    );
    let hole = Batch::new().append(group, &[entry(8, 1, 1), entry(10, 1, 1)]);
    let (before, found) = (LogIndex(8), LogIndex(10));
    assert_eq!(hole, Err(Refusal::NotConsecutive { before, found }));
    let compact = |index, term, applied| {
        let mut batch = Batch::new();
        let through = LogId { index: LogIndex(index), term: Term(term) };
        batch.compact(group, through, AppliedAndSynced::through(LogIndex(applied)));
        batch
    };
    let (through, applied) = (LogIndex(6), LogIndex(5));
    assert_eq!(write(compact(6, 1, 5)), Refusal::NotApplied { through, applied });
    let expected = LogId { index: LogIndex(6), term: Term(2) };
    assert_eq!(write(compact(6, 2, 6)), Refusal::OtherTerm { expected, found: Term(1) });
    let (index, last) = (LogIndex(8), LogIndex(7));
    assert_eq!(write(compact(8, 1, 9)), Refusal::BeyondEnd { index, last });
    log.write(compact(6, 1, 6)).expect("compacted");
    let mut below = Batch::new();
    below.truncate(group, LogIndex(6));
    let (index, compacted) = (LogIndex(6), LogIndex(6));
    assert_eq!(write(below), Refusal::Compacted { index, compacted });
    let state = log.state(group).expect("known");
    assert_eq!(state.bounds, IndexRange::new(LogIndex(7), LogIndex(7)));
    let again = log.create_group(&GroupId::Unnamed);
    assert_eq!(refused(again.map(|_| ())), Refusal::GroupExists { group });
}

#[test]
fn an_entry_larger_than_a_segment_works_and_one_above_the_limit_is_refused() {
    let (fs, log, group) = fresh(&options());
    let large = entry(1, 1, 100_000);
    log.write(appended(group, std::slice::from_ref(&large))).expect("written");
    log.write(appended(group, &[entry(2, 1, 10)])).expect("written");
    drop(log);
    let log = sim_log(&fs, &options()).expect("opens");
    assert_eq!(log.read(group, LogIndex(1)).expect("reads"), Some(large));
    assert_eq!(log.read(group, LogIndex(2)).expect("reads"), Some(entry(2, 1, 10)));
    let beyond = Entry { payload: Some(SharedBytes::from(vec![0; 1 << 29])), ..entry(3, 1, 0) };
    assert!(matches!(Batch::new().append(group, &[beyond]), Err(Refusal::TooLarge { .. })));
}

#[test]
fn readers_see_an_operation_only_when_it_is_durable() {
    let (_fs, log, group) = fresh(&options());
    let ticket = log.submit(appended(group, &[entry(1, 1, 5)])).expect("accepted");
    let marks = log.watermarks();
    assert_eq!((marks.accepted, marks.durable), (OpNo(2), OpNo(1)));
    assert_eq!(log.read(group, LogIndex(1)).expect("reads"), None);
    assert!(ticket.outcome().is_none());
    ticket.wait().expect("durable");
    assert_eq!(log.read(group, LogIndex(1)).expect("reads"), Some(entry(1, 1, 5)));
    assert_eq!(log.watermarks().durable, OpNo(2));
}

#[test]
fn what_waits_together_is_synced_together() {
    let (fs, log, group) = fresh(&options());
    let before = fs.calls().0;
    let tickets: Vec<Ticket> = (1..=20)
        .map(|index| log.submit(appended(group, &[entry(index, 1, 10)])).expect("accepted"))
        .collect();
    for ticket in &tickets {
        ticket.wait().expect("durable");
    }
    assert_eq!(fs.calls().0 - before, 2, "one write and one sync");
}

#[test]
fn a_batch_flush_waits_for_more_or_for_its_interval() {
    let interval = Duration::from_millis(40);
    let flush = Flush::Batch { threshold_entries: 3, interval };
    let clock = SimClock::new();
    let fs = SimFs::new(Profile::StrictPosix);
    let options = Options { flush: Some(flush), ..options() };
    let log =
        FastLog::create(Arc::new(fs.clone()), Arc::new(clock.clone()), Path::new("/log"), &options);
    let log = log.expect("created");
    let group = log.create_group(&GroupId::Unnamed).expect("created");
    let started = clock.monotonic();
    log.write(appended(group, &[entry(1, 1, 1)])).expect("written");
    assert_eq!(clock.monotonic() - started, interval);
    let started = clock.monotonic();
    let submit = |index| log.submit(appended(group, &[entry(index, 1, 1)])).expect("accepted");
    let tickets = [submit(2), submit(3), submit(4)];
    tickets.iter().for_each(|ticket| ticket.wait().expect("durable"));
    assert_eq!(clock.monotonic(), started);
    let ticket = submit(5);
    assert!(ticket.wait_until(Ack::Durable, clock.monotonic()).is_none());
}

#[test]
fn a_failed_sync_poisons_the_log_and_opening_it_again_heals_it() {
    let (fs, log, group) = fresh(&options());
    log.write(appended(group, &[entry(1, 1, 10)])).expect("written");
    let sync = CallNo(fs.calls().0 + 1);
    fs.set_faults(FaultPlan::new().at(sync, Fault::SyncFails { read_old: false }));
    let failed = log.write(appended(group, &[entry(2, 1, 10)]));
    assert!(matches!(failed, Err(Error::Poisoned { .. })), "{failed:?}");
    let after = log.write(appended(group, &[entry(2, 1, 10)]));
    assert!(matches!(after, Err(Error::Poisoned { .. })));
    assert!(matches!(log.sync(), Err(Error::Poisoned { .. })));
    assert_eq!(log.read(group, LogIndex(1)).expect("reads"), Some(entry(1, 1, 10)));
    assert_eq!(log.read(group, LogIndex(2)).expect("reads"), None);
    drop(log);
    let log = sim_log(&fs, &options()).expect("opens");
    log.write(appended(group, &[entry(2, 7, 10)])).expect("written");
}

#[test]
fn a_write_that_fails_is_taken_back_and_the_log_goes_on() {
    let (fs, log, group) = fresh(&options());
    log.write(appended(group, &[entry(1, 1, 10)])).expect("written");
    let full = Fault::WriteFails { refusal: DiskRefusal::Enospc, written_bytes: 700 };
    fs.set_faults(FaultPlan::new().at(fs.calls(), full));
    let failed = log.write(appended(group, &[entry(2, 1, 3000)]));
    assert!(matches!(failed, Err(Error::Io(_))), "{failed:?}");
    assert_eq!(log.read(group, LogIndex(2)).expect("reads"), None);
    log.write(appended(group, &[entry(2, 2, 10)])).expect("written");
    log.close().expect("closed");
    let log = sim_log(&fs, &options()).expect("opens");
    assert!(log.recovery().clean);
    assert_eq!(log.read(group, LogIndex(2)).expect("reads"), Some(entry(2, 2, 10)));
}

#[test]
fn too_much_in_the_queue_is_flushed_before_more_is_accepted() {
    let (_fs, log, group) = fresh(&Options { queue_entries: 4, ..options() });
    for index in 1..=30 {
        let _not_waited_for = log.submit(appended(group, &[entry(index, 1, 1)])).expect("accepted");
        let marks = log.watermarks();
        assert!(marks.accepted.0 - marks.durable.0 <= 4, "{marks:?}");
    }
}

#[test]
fn a_reader_of_a_range_that_is_truncated_is_told_so() {
    let (_fs, log, group) = fresh(&options());
    for index in 1..=600 {
        log.write(appended(group, &[entry(index, 1, 10)])).expect("written");
    }
    let mut reader = log.entries(group, IndexRange::ALL);
    assert_eq!(reader.next().expect("one").expect("reads").entry, entry(1, 1, 10));
    let mut batch = Batch::new();
    batch.truncate(group, LogIndex(300));
    log.write(batch).expect("written");
    let rest: Vec<_> = reader.collect();
    assert_eq!(rest.len(), 299, "what is left, and the end");
    assert!(matches!(rest.last(), Some(Err(Error::Gone { index: LogIndex(300) }))));
}

#[test]
fn threads_that_write_at_the_same_time_lose_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("log");
    let log = open(&dir);
    let groups: Vec<GroupNo> = (0..4)
        .map(|n| log.create_group(&GroupId::named(&n.to_string())).expect("created"))
        .collect();
    std::thread::scope(|scope| {
        for group in &groups {
            scope.spawn(|| {
                for index in 1..=50 {
                    log.write(appended(*group, &[entry(index, 1, 100)])).expect("written");
                }
            });
        }
    });
    drop(log);
    let log = open(&dir);
    for group in groups {
        let all = log.entries(group, IndexRange::ALL);
        assert_eq!(all.map(|entry| entry.expect("reads").entry.index.0).sum::<u64>(), 1275);
    }
}

#[test]
fn another_version_and_an_unknown_record_are_not_called_damage() {
    let (fs, log, group) = fresh(&options());
    log.write(appended(group, &[entry(1, 1, 10)])).expect("written");
    log.close().expect("closed");
    let change = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let fs = SimFs::on(fs.disk());
        let path = Path::new("/log").join(name);
        let file = fs.open(&path, OpenMode::ReadWrite).expect("there");
        let mut bytes = vec![0; file.size().expect("known") as usize];
        read_exact_at(file.as_ref(), 0, &mut bytes).expect("read");
        change(&mut bytes);
        file.write_at(0, &bytes).expect("written");
        let view = LogView::open(Arc::new(fs.clone()), Path::new("/log"));
        assert!(matches!(view, Err(Error::Unsupported { .. })), "{name}");
        assert!(matches!(sim_log(&fs, &options()), Err(Error::Unsupported { .. })), "{name}");
    };
    let uid = LogUid(*b"a log in a test!");
    let reseal = |bytes: &mut [u8], number| {
        let checksum = Salt::new(uid, SegmentNo(number)).checksum(&bytes[..508]);
        bytes[508..512].copy_from_slice(&checksum.0.to_le_bytes());
    };
    change("anchor.fastlog", &|bytes| {
        for slot in [0, 4096] {
            bytes[slot + 8] = 2;
            reseal(&mut bytes[slot..slot + 512], 0);
        }
    });
    change("00000001.seg", &|bytes| {
        bytes[8] = 9;
        reseal(&mut bytes[..512], 1);
    });
    change("00000001.seg", &|bytes| {
        let record = FRAMES_OFFSET as usize + FRAME_HEADER_BYTES;
        bytes[record] = 77;
        let len = u32::from_le_bytes(bytes[8196..8200].try_into().expect("four")) as usize;
        let salt = Salt::new(uid, SegmentNo(1));
        let checksum = salt.checksum(&bytes[8196..record + len]);
        bytes[8192..8196].copy_from_slice(&checksum.0.to_le_bytes());
    });
}

#[test]
fn a_view_goes_on_behind_damage_and_says_what_is_missing() {
    let (fs, log, group) = fresh(&options());
    for index in 1..=120 {
        log.write(appended(group, &[entry(index, 1, 500)])).expect("written");
    }
    log.close().expect("closed");
    let path = Path::new("/log/00000003.seg");
    let damage = Damage::FlippedBit { offset_bytes: 9000, bit: 3 };
    let damaged = SimFs::on(fs.disk().damaged(path, &damage).expect("a file"));
    assert!(matches!(sim_log(&damaged, &options()), Err(Error::Fault(_))));
    let view = LogView::open(Arc::new(damaged), Path::new("/log")).expect("opens");
    let [fault] = view.faults() else { panic!("{:?}", view.faults()) };
    assert_eq!(fault.code, Code::R115);
    assert_eq!(fault.place.as_ref().map(|place| place.file.as_ref()), Some(path));
    let heads: Vec<_> = view.heads(&GroupId::Unnamed, IndexRange::ALL).collect();
    assert_eq!(heads.iter().filter(|head| head.is_err()).count(), 1);
    assert_eq!(heads.iter().filter(|head| head.is_ok()).count(), 119);
    let mut damaged_records = 0;
    let counted = view.records(&mut |record| {
        damaged_records += usize::from(record.standing == Standing::Damaged);
        std::ops::ControlFlow::Continue(())
    });
    counted.expect("read");
    assert_eq!(damaged_records, 1);
}

/// Name of the file and range of bytes of every entry's frame, in a log with an entry a frame.
fn frames_of(view: &LogView) -> Vec<(String, std::ops::Range<u64>)> {
    let mut frames: Vec<(String, std::ops::Range<u64>)> = Vec::new();
    for head in view.heads(&GroupId::Unnamed, IndexRange::ALL) {
        let place = head.expect("sound").place.expect("a place");
        let name = place.file.file_name().expect("a name").to_string_lossy().into_owned();
        let before = frames.last().filter(|(before, _)| *before == name);
        let start = before.map_or(FRAMES_OFFSET, |(_, range)| range.end);
        frames.push((name, start..place.offset_bytes + place.len_bytes));
    }
    frames
}

#[test]
fn each_of_several_damages_in_different_segments_is_one_fault() {
    let (fs, log, group) = fresh(&options());
    for index in 1..=240 {
        log.write(appended(group, &[entry(index, 1, 500)])).expect("written");
    }
    log.close().expect("closed");
    let dir = Path::new("/log");
    let sound = LogView::open(Arc::new(fs.clone()), dir).expect("opens");
    let flip = |at| (Damage::FlippedBit { offset_bytes: at, bit: 3 }, at..at + 1);
    let damages = [
        ("00000002.seg", flip(9000), Code::R115),
        ("00000002.seg", flip(12_000), Code::R115),
        ("00000004.seg", flip(FRAMES_OFFSET + 20), Code::R115),
        ("00000006.seg", flip(40), Code::R116),
        ("00000008.seg", (Damage::Missing, 0..u64::MAX), Code::R116),
        ("00000010.seg", (Damage::ZeroedPage { page: 3 }, 12_288..16_384), Code::R115),
        ("00000011.seg", (Damage::ZeroedSector { sector: 20 }, 10_240..10_752), Code::R115),
    ];
    let mut disk = fs.disk();
    for (name, (damage, _), _) in &damages {
        disk = disk.damaged(&dir.join(name), damage).expect("a file");
    }
    let view = LogView::open(Arc::new(SimFs::on(disk)), dir).expect("opens");
    let found: Vec<(String, Code)> = view
        .faults()
        .iter()
        .map(|fault| {
            let place = fault.place.as_ref().expect("a place");
            (place.file.file_name().expect("a name").to_string_lossy().into_owned(), fault.code)
        })
        .collect();
    let expected = damages.each_ref().map(|(name, _, code)| (name.to_string(), *code));
    assert_eq!(found, expected, "{:?}", view.faults());
    let hit = |(name, frame): &(String, std::ops::Range<u64>)| {
        damages.iter().any(|(damaged, (_, bytes), _)| {
            damaged == name && frame.start < bytes.end && bytes.start < frame.end
        })
    };
    let left: Vec<u64> =
        (1..).zip(frames_of(&sound)).filter(|(_, f)| !hit(f)).map(|f| f.0).collect();
    let heads = view.heads(&GroupId::Unnamed, IndexRange::ALL);
    let read: Vec<u64> = heads.filter_map(|head| Some(head.ok()?.index.0)).collect();
    assert_eq!(read, left);
}

#[test]
fn records_say_what_became_of_them() {
    let (fs, log, group) = fresh(&options());
    log.write(appended(group, &[entry(1, 1, 5), entry(2, 1, 5)])).expect("written");
    log.write(appended(group, &[entry(3, 1, 5)])).expect("written");
    log.write(appended(group, &[entry(3, 2, 5), entry(4, 2, 5)])).expect("written");
    let mut batch = Batch::new();
    let through = LogId { index: LogIndex(2), term: Term(1) };
    batch.compact(group, through, AppliedAndSynced::through(LogIndex(2)));
    for term in [2, 3] {
        let hard = HardState { term: Some(Term(term)), ..HardState::default() };
        batch.hard_state(group, &hard).expect("fits");
    }
    log.write(batch).expect("written");
    drop(log);
    let tail = fs.open(Path::new("/log/00000001.seg"), OpenMode::ReadWrite).expect("there");
    tail.write_at(12_000, b"rest of a write").expect("written");
    let view = LogView::open(Arc::new(fs), Path::new("/log")).expect("opens");
    let mut found = Vec::new();
    let scanned = view.records(&mut |record| {
        if record.kind != "anchor slot" {
            found.push((record.kind, record.standing));
        }
        std::ops::ControlFlow::Continue(())
    });
    scanned.expect("read");
    assert_eq!(
        found,
        [
            ("segment header", Standing::Live),
            ("group", Standing::Live),
            ("entries", Standing::Dead),
            ("entries", Standing::Superseded),
            ("entries", Standing::Live),
            ("compaction", Standing::Live),
            ("hard state", Standing::Superseded),
            ("hard state", Standing::Live),
            ("frame", Standing::Torn),
        ]
    );
    let torn = view.torn().expect("torn");
    assert_eq!((torn.frames_behind, torn.segments_behind), (0, 0));
    assert_eq!(view.faults().iter().map(|fault| fault.code).collect::<Vec<_>>(), [Code::R114]);
}
