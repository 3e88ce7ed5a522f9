//! Segments made ahead, and purged ones that serve again.

use super::*;
use crate::fastlog::format::SegmentHeader;
use crate::vfs::sim::Operation;

const DIR: &str = "/log";

fn names(fs: &SimFs) -> Vec<String> {
    let listed = fs.list(Path::new(DIR)).expect("listed");
    listed.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

fn segment(number: u64) -> std::path::PathBuf {
    Path::new(DIR).join(SegmentNo(number).file_name())
}

fn header(fs: &SimFs, number: u64) -> SegmentHeader {
    let file = fs.open(&segment(number), OpenMode::Read).expect("there");
    let mut sector = [0; 512];
    read_exact_at(file.as_ref(), 0, &mut sector).expect("read");
    SegmentHeader::decode(&sector).expect("a header")
}

fn view(fs: &SimFs) -> LogView {
    LogView::open(Arc::new(fs.clone()), Path::new(DIR)).expect("opens")
}

fn is_begun(fs: &SimFs, number: u64) -> bool {
    fs.open(&segment(number), OpenMode::Read).is_ok_and(|file| {
        let mut sector = [0; 512];
        read_exact_at(file.as_ref(), 0, &mut sector).is_ok()
            && SegmentHeader::decode(&sector).is_ok()
    })
}

/// Appends entries of 1000 bytes until the log stands in segment `number`; returns the next index.
fn fill_to(fs: &SimFs, log: &FastLog, group: GroupNo, mut index: u64, number: u64) -> u64 {
    while !is_begun(fs, number) {
        log.write(appended(group, &[entry(index, 1, 1000)])).expect("written");
        index += 1;
    }
    index
}

/// Lets the log make segment `number` ahead, all of its pieces.
fn make_spare(fs: &SimFs, log: &FastLog, number: u64) {
    let whole = || {
        let size = fs.open(&segment(number), OpenMode::Read).and_then(|file| file.size());
        size.is_ok_and(|size| size == 16 << 10)
    };
    for _ in 0..8 {
        if whole() {
            return;
        }
        log.step().expect("stepped");
    }
    assert!(whole(), "segment {number} is not made");
}

fn compacted(group: GroupNo, through: u64) -> Batch {
    let mut batch = Batch::new();
    let id = LogId { index: LogIndex(through), term: Term(1) };
    batch.compact(group, id, AppliedAndSynced::through(LogIndex(through)));
    batch
}

fn all(log: &FastLog, group: GroupNo) -> Vec<Entry> {
    log.entries(group, IndexRange::ALL).map(|entry| entry.expect("reads").entry).collect()
}

#[test]
fn the_next_segment_is_made_ahead_and_taken_without_a_sync_of_the_directory() {
    let (fs, log, group) = fresh(&options());
    log.write(appended(group, &[entry(1, 1, 1000)])).expect("written");
    assert_eq!(names(&fs), ["00000001.seg", "anchor.fastlog"]);
    log.step().expect("stepped");
    assert_eq!(names(&fs), ["00000001.seg", "00000002.seg", "anchor.fastlog"]);
    let spare = fs.open(&segment(2), OpenMode::Read).expect("there");
    assert_eq!(spare.size().expect("known"), 4096, "a piece of it");
    make_spare(&fs, &log, 2);
    fs.start_trace();
    fill_to(&fs, &log, group, 2, 2);
    let calls = fs.take_trace();
    let on_names = calls.iter().filter(|call| {
        matches!(call.operation, Operation::Open(OpenMode::CreateNew) | Operation::SyncDir)
    });
    assert_eq!(on_names.count(), 0, "{calls:?}");
    assert!(!header(&fs, 2).recycled);
}

/// Segments that take several pieces to make.
fn large() -> Options {
    Options { segment_bytes: Some(4 << 20), ..options() }
}

/// As [`fill_to`], with entries of 100 KiB.
fn fill_large(fs: &SimFs, log: &FastLog, group: GroupNo, mut index: u64, number: u64) -> u64 {
    while !is_begun(fs, number) {
        log.write(appended(group, &[entry(index, 1, 100 << 10)])).expect("written");
        index += 1;
    }
    index
}

#[test]
fn a_segment_that_is_being_made_is_taken_as_far_as_it_is() {
    for level in [Durability::High, Durability::Mid] {
        let (fs, log, group) = fresh(&Options { level: Some(level), ..large() });
        let mut next = 1;
        while names(&fs).len() == 2 {
            log.write(appended(group, &[entry(next, 1, 100 << 10)])).expect("written");
            next += 1;
            log.step().expect("stepped");
        }
        let made = fs.open(&segment(2), OpenMode::Read).expect("there").size().expect("known");
        assert!(made > 0 && made < 4 << 20, "{made}: a piece of it");
        fs.start_trace();
        let next = fill_large(&fs, &log, group, next, 2);
        let calls = fs.take_trace();
        let creates = Operation::Open(OpenMode::CreateNew);
        assert!(calls.iter().all(|call| call.operation != creates), "{level:?}: {calls:?}");
        log.sync().expect("synced");
        log.step().expect("stepped");
        drop(log);
        let log = sim_log(&fs, &options()).expect("opens");
        assert_eq!((log.recovery().torn.as_ref(), all(&log, group).len() as u64), (None, next - 1));
    }
}

#[test]
fn a_purged_segment_takes_the_place_of_one_that_is_being_made() {
    let (fs, log, group) = fresh(&large());
    let mut next = fill_large(&fs, &log, group, 1, 2);
    while names(&fs).len() == 3 {
        log.write(appended(group, &[entry(next, 1, 100 << 10)])).expect("written");
        next += 1;
        log.step().expect("stepped");
    }
    log.write(compacted(group, next - 1)).expect("compacted");
    log.purge().expect("purged");
    assert_eq!(names(&fs), ["00000002.seg", "00000003.seg", "anchor.fastlog"]);
    let first = next;
    let next = fill_large(&fs, &log, group, next, 3);
    assert!(header(&fs, 3).recycled);
    drop(log);
    let log = sim_log(&fs, &options()).expect("opens");
    let expected: Vec<Entry> = (first..next).map(|i| entry(i, 1, 100 << 10)).collect();
    assert_eq!(all(&log, group), expected);
}

#[test]
fn a_spare_is_no_fault_and_no_torn_tail_and_the_next_start_removes_it() {
    let (fs, log, group) = fresh(&options());
    log.write(appended(group, &[entry(1, 1, 1000)])).expect("written");
    log.step().expect("stepped");
    drop(log);
    assert_eq!(names(&fs).len(), 3);
    let seen = view(&fs);
    assert_eq!((seen.faults(), seen.torn()), (&[][..], None));
    assert_eq!((seen.counts().segments, seen.counts().spares), (1, 1));
    assert!(seen.paths().contains(&segment(2)), "it is a file of the store");
    let mut records = 0;
    let count = |record: crate::fastlog::RecordView| {
        records += 1;
        assert!(record.verifies, "{record:?}");
        std::ops::ControlFlow::Continue(())
    };
    seen.records(&mut { count }).expect("read");
    assert!(records > 3);
    drop(seen);
    let log = sim_log(&fs, &options()).expect("opens");
    assert_eq!((log.recovery().spares_removed, &log.recovery().torn), (1, &None));
    assert_eq!(names(&fs), ["00000001.seg", "anchor.fastlog"]);
    assert_eq!(all(&log, group), [entry(1, 1, 1000)]);
}

#[test]
fn a_closed_store_holds_no_spare() {
    let (fs, log, group) = fresh(&options());
    log.write(appended(group, &[entry(1, 1, 1000)])).expect("written");
    log.step().expect("stepped");
    assert_eq!(names(&fs).len(), 3);
    log.close().expect("closed");
    assert_eq!(names(&fs), ["00000001.seg", "anchor.fastlog"]);
    let log = sim_log(&fs, &options()).expect("opens");
    assert!(log.recovery().clean);
}

#[test]
fn without_spares_no_segment_is_made_ahead() {
    let (fs, log, group) = fresh(&Options { spares: false, ..options() });
    for index in 1..=5 {
        log.write(appended(group, &[entry(index, 1, 1000)])).expect("written");
        log.step().expect("stepped");
    }
    assert_eq!(names(&fs), ["00000001.seg", "anchor.fastlog"]);
}

/// The log wraps into files that are full of frames of its own earlier life.
#[test]
fn purged_segments_serve_again_and_their_old_frames_are_no_part_of_the_log() {
    for level in [Durability::High, Durability::Mid] {
        let options = Options { level: Some(level), ..options() };
        let (fs, mut log, group) = fresh(&options);
        let (mut next, mut served) = (1, 0);
        for number in 2..20 {
            next = fill_to(&fs, &log, group, next, number);
            served += usize::from(header(&fs, number).recycled);
            log.step().expect("stepped");
            log.write(compacted(group, next - 1)).expect("compacted");
            log.purge().expect("purged");
            if number % 3 == 0 {
                drop(log);
                let seen = view(&fs);
                assert_eq!((seen.faults(), seen.torn()), (&[][..], None), "{level:?} {number}");
                seen.records(&mut |record| {
                    assert!(record.verifies, "{record:?}");
                    std::ops::ControlFlow::Continue(())
                })
                .expect("read");
                drop(seen);
                log = sim_log(&fs, &options).expect("opens");
                assert_eq!(all(&log, group), []);
            }
        }
        assert!(served > 3, "{level:?}: {served}");
        let begun = next;
        for index in begun..begun + 3 {
            log.write(appended(group, &[entry(index, 1, 1000)])).expect("written");
        }
        let expected: Vec<Entry> = (begun..begun + 3).map(|i| entry(i, 1, 1000)).collect();
        assert_eq!(all(&log, group), expected);
    }
}

#[test]
fn a_torn_frame_over_an_earlier_life_is_cut() {
    let (fs, log, group) = fresh(&options());
    let next = fill_to(&fs, &log, group, 1, 2);
    make_spare(&fs, &log, 3);
    log.write(compacted(group, next - 1)).expect("compacted");
    log.purge().expect("purged");
    let next = fill_to(&fs, &log, group, next, 4);
    assert!(header(&fs, 4).recycled, "segment 1 serves again");
    for index in next..next + 2 {
        log.write(appended(group, &[entry(index, 1, 100)])).expect("written");
    }
    drop(log);
    let path = segment(4);
    let last = frames_of(&view(&fs)).pop().expect("frames").1;
    let damage = Damage::FlippedBit { offset_bytes: last.end - 3, bit: 1 };
    let damaged = SimFs::on(fs.disk().damaged(&path, &damage).expect("a file"));
    let codes: Vec<Code> = view(&damaged).faults().iter().map(|fault| fault.code).collect();
    assert_eq!(codes, [Code::R114], "the last frame was not proven to be durable");
    let log = sim_log(&damaged, &options()).expect("opens");
    assert!(log.recovery().torn.is_some());
    let left = all(&log, group);
    assert_eq!(left.last().map(|entry| entry.index), Some(LogIndex(next)));
    log.write(appended(group, &[entry(next + 1, 2, 100)])).expect("written");
    drop(log);
    let log = sim_log(&damaged, &options()).expect("opens");
    assert_eq!(all(&log, group).last(), Some(&entry(next + 1, 2, 100)));
}

#[test]
fn a_spare_that_cannot_be_made_costs_nothing() {
    let refusals = [DiskRefusal::Enospc, DiskRefusal::Eio];
    for (refusal, call) in refusals.into_iter().flat_map(|r| (0..3).map(move |c| (r, c))) {
        let (fs, log, group) = fresh(&options());
        log.write(appended(group, &[entry(1, 1, 1000)])).expect("written");
        let at = CallNo(fs.calls().0 + call);
        fs.set_faults(FaultPlan::new().at(at, Fault::Fails(refusal)));
        log.step().expect("stepped");
        fs.set_faults(FaultPlan::new());
        let next = fill_to(&fs, &log, group, 2, 3);
        drop(log);
        let log = sim_log(&fs, &options()).expect("opens");
        assert_eq!(all(&log, group).len() as u64, next - 1, "{refusal:?} at call {call}");
    }
}

#[test]
fn a_reader_of_a_segment_that_serves_again_is_told_that_its_entries_are_gone() {
    let (fs, log, group) = fresh(&options());
    let next = fill_to(&fs, &log, group, 1, 2);
    let mut reader = log.entries(group, IndexRange::ALL);
    assert_eq!(reader.next().expect("one").expect("reads").entry, entry(1, 1, 1000));
    log.step().expect("stepped");
    log.write(compacted(group, next - 1)).expect("compacted");
    log.purge().expect("purged");
    fill_to(&fs, &log, group, next, 5);
    for found in reader {
        match found {
            Ok(found) => assert_eq!(found.entry, entry(found.entry.index.0, 1, 1000)),
            Err(error) => assert!(matches!(error, Error::Gone { .. }), "{error}"),
        }
    }
}
