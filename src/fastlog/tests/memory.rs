//! Entries that are kept in memory, and the limits of that.

use super::*;
use crate::fastlog::{Memory, limits};
use crate::vfs::sim::ReadNo;

const SMALL: u64 = limits::MEMORY_BYTES.least;
const EAGER: Memory = Memory::Eager { budget_bytes: SMALL };
const LAZY: Memory =
    Memory::Lazy { budget_bytes: SMALL, prefetch_bytes: limits::PREFETCH_BYTES.least };

fn keeping(memory: Memory) -> Options {
    Options { memory, ..options() }
}

/// Lets every read of the disk fail, so that what is read comes from memory.
fn fail_reads(fs: &SimFs) {
    let all = (0..100_000).map(ReadNo);
    fs.set_faults(all.fold(FaultPlan::new(), FaultPlan::at_read));
}

fn write(log: &FastLog, group: GroupNo, indexes: std::ops::RangeInclusive<u64>, len: usize) {
    for index in indexes {
        log.write(appended(group, &[entry(index, 1, len)])).expect("written");
    }
}

fn compacted(group: GroupNo, through: u64) -> Batch {
    let mut batch = Batch::new();
    let id = LogId { index: LogIndex(through), term: Term(1) };
    batch.compact(group, id, AppliedAndSynced::through(LogIndex(through)));
    batch
}

fn holds(log: &FastLog, group: GroupNo, indexes: std::ops::RangeInclusive<u64>, len: usize) {
    let all: Vec<Entry> =
        log.entries(group, IndexRange::ALL).map(|found| found.expect("reads").entry).collect();
    assert!(all.iter().eq(&indexes.clone().map(|index| entry(index, 1, len)).collect::<Vec<_>>()));
    for index in indexes {
        let one = log.read(group, LogIndex(index)).expect("reads");
        assert_eq!(one, Some(entry(index, 1, len)));
    }
}

#[test]
fn eager_memory_holds_from_the_beginning_what_no_snapshot_covers_and_nothing_else() {
    let (fs, log, group) = fresh(&options());
    write(&log, group, 1..=200, 1000);
    log.write(compacted(group, 100)).expect("compacted");
    drop(log);
    let log = sim_log(&fs, &keeping(EAGER)).expect("opens");
    let loaded = log.recovery().loaded_bytes;
    let frames = 100 * (1000 + 64);
    assert!((100 * 1000..frames).contains(&loaded), "{loaded}");
    assert_eq!(log.kept_bytes(), loaded);
    fail_reads(&fs);
    holds(&log, group, 101..=200, 1000);
    assert_eq!(log.read(group, LogIndex(100)).expect("not visible"), None);
    fs.set_faults(FaultPlan::new());
    drop(log);
    let log = sim_log(&fs, &options()).expect("opens");
    assert_eq!((log.recovery().loaded_bytes, log.kept_bytes()), (0, 0));
    fail_reads(&fs);
    assert!(log.read(group, LogIndex(150)).is_err(), "without memory it is read");
}

#[test]
fn what_is_written_is_kept_and_a_truncation_and_a_purge_are_seen() {
    for memory in [EAGER, LAZY] {
        for strategy in Strategy::ALL {
            let options = Options { strategy: Some(strategy), ..keeping(memory) };
            let (fs, log, group) = fresh(&options);
            write(&log, group, 1..=100, 1000);
            log.sync().expect("synced");
            fail_reads(&fs);
            holds(&log, group, 1..=100, 1000);
            let replaced = Entry { term: Term(2), ..entry(90, 1, 10) };
            log.write(appended(group, std::slice::from_ref(&replaced))).expect("written");
            assert_eq!(log.read(group, LogIndex(90)).expect("reads"), Some(replaced));
            assert_eq!(log.read(group, LogIndex(91)).expect("none"), None);
            fs.set_faults(FaultPlan::new());
            log.write(compacted(group, 80)).expect("compacted");
            let before = log.kept_bytes();
            assert!(log.purge().expect("purged").segments > 1);
            assert!(log.kept_bytes() < before / 2, "{} of {before}", log.kept_bytes());
            assert_eq!(log.read(group, LogIndex(85)).expect("reads"), Some(entry(85, 1, 1000)));
        }
    }
}

#[test]
fn a_miss_reads_its_own_entry_and_the_next_step_brings_what_lies_behind_it() {
    let (fs, log, group) = fresh(&options());
    write(&log, group, 1..=12, 1000);
    drop(log);
    let log = sim_log(&fs, &keeping(LAZY)).expect("opens");
    assert_eq!(log.kept_bytes(), 0, "nothing is brought that nobody wants");
    assert_eq!(log.read(group, LogIndex(2)).expect("reads"), Some(entry(2, 1, 1000)));
    assert_eq!(log.kept_bytes(), 0, "the reader brings nothing itself");
    log.step().expect("stepped");
    let kept = log.kept_bytes();
    assert!((4000..=6000).contains(&kept), "as much as was asked for: {kept}");
    fail_reads(&fs);
    for index in 2..=4 {
        let found = log.read(group, LogIndex(index)).expect("in memory");
        assert_eq!(found, Some(entry(index, 1, 1000)));
    }
    assert!(log.read(group, LogIndex(1)).is_err(), "what lies before it was not brought");
    assert!(log.read(group, LogIndex(12)).is_err(), "nor what lies far behind it");
    fs.set_faults(FaultPlan::new());
    holds(&log, group, 1..=12, 1000);
}

#[test]
fn memory_keeps_to_its_budget_and_gives_up_what_was_not_read() {
    for memory in [EAGER, LAZY] {
        let options = Options { segment_bytes: Some(256 << 10), ..keeping(memory) };
        let (fs, log, group) = fresh(&options);
        write(&log, group, 1..=10, 10_000);
        for index in 11..=400 {
            write(&log, group, index..=index, 10_000);
            assert_eq!(log.read(group, LogIndex(3)).expect("reads"), Some(entry(3, 1, 10_000)));
            let most = SMALL + (64 << 10) + 20_000;
            assert!(log.kept_bytes() <= most, "{}", log.kept_bytes());
        }
        fail_reads(&fs);
        assert!(log.read(group, LogIndex(3)).is_ok(), "it was read all the time");
        assert!(log.read(group, LogIndex(100)).is_err(), "it was given up");
        fs.set_faults(FaultPlan::new());
        holds(&log, group, 1..=400, 10_000);
        while log.step().expect("stepped").is_some_and(|due| due <= log.now()) {}
        assert!(log.kept_bytes() <= SMALL + (64 << 10) + 20_000);
        drop(log);
        let log = sim_log(&fs, &options).expect("opens");
        assert!(log.recovery().loaded_bytes <= SMALL);
        assert!(log.kept_bytes() <= SMALL);
        holds(&log, group, 1..=400, 10_000);
    }
}

/// A batch that failed has left its place to the next one, which memory must not mix up.
#[test]
fn what_could_not_be_written_is_not_kept() {
    for memory in [EAGER, LAZY] {
        let (fs, log, group) = fresh(&keeping(memory));
        write(&log, group, 1..=3, 100);
        let full = Fault::WriteFails { refusal: DiskRefusal::Enospc, written_bytes: 700 };
        fs.set_faults(FaultPlan::new().at(fs.calls(), full));
        log.write(appended(group, &[entry(4, 1, 100)])).expect_err("no space");
        let other = Entry { term: Term(7), ..entry(4, 1, 100) };
        log.write(appended(group, std::slice::from_ref(&other))).expect("written");
        assert_eq!(log.read(group, LogIndex(4)).expect("reads"), Some(other));
    }
}

#[test]
fn what_is_above_a_limit_of_the_options_is_refused_and_the_log_goes_on() {
    let limited = Options { entry_bytes_max: 1024, groups_max: 2, ..options() };
    let (fs, log, group) = fresh(&limited);
    let refusal = refused(log.write(appended(group, &[entry(1, 1, 1025)])));
    assert!(matches!(refusal, Refusal::TooLarge { size } if size.limit == 1024), "{refusal}");
    let mut large = entry(1, 1, 1);
    large.extra.extensions = Some(SharedBytes::from(vec![0; 1025]));
    let refusal = refused(log.write(appended(group, &[large])));
    assert!(matches!(refusal, Refusal::TooLarge { size } if size.len == 1025), "{refusal}");
    log.write(appended(group, &[entry(1, 1, 1024)])).expect("as large as may be");
    let second = log.create_group(&GroupId::named("2")).expect("as many as may be");
    let third = |log: &FastLog| refused(log.create_group(&GroupId::named("3")).map(|_| ()));
    assert_eq!(third(&log), Refusal::TooManyGroups { limit: 2 });
    let mut batch = Batch::new();
    batch.remove_group(second);
    log.write(batch).expect("removed");
    log.create_group(&GroupId::named("3")).expect("there is room again");
    drop(log);
    let fewer = Options { groups_max: 1, ..limited };
    let log = sim_log(&fs, &fewer).expect("opens with more than may be created");
    assert_eq!(log.groups().len(), 2);
    let refusal = refused(log.create_group(&GroupId::named("4")).map(|_| ()));
    assert_eq!(refusal, Refusal::TooManyGroups { limit: 1 });
}
