//! The engine under faults and load that unit tests do not show: other processes, threads that
//! wait for each other, many groups, the smallest and the largest entries.

#![allow(clippy::disallowed_methods)]

#[path = "engine/gate.rs"]
mod gate;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raftlog::fastlog::format::{GroupNo, LogUid};
use raftlog::fastlog::policy::Strategy;
use raftlog::fastlog::{AppliedAndSynced, Batch, Error, FastLog, Fill, Memory, Options, Stepping};
use raftlog::model::{
    Durability, Entry, EntryExtra, EntryKind, GroupId, IndexRange, LogId, LogIndex, SharedBytes,
    Term,
};
use raftlog::vfs::os::{OsClock, OsFs};
use raftlog::vfs::sim::{FaultPlan, Profile, ReadNo, SimClock, SimFs};
use raftlog::vfs::{Clock, Vfs};

use gate::Gated;

fn options() -> Options {
    Options {
        segment_bytes: Some(16 << 10),
        fill: Fill::Ahead { step_bytes: 4096 },
        stepping: Stepping::Caller,
        uid: Some(LogUid(*b"a log in a test!")),
        ..Options::default()
    }
}

fn entry(index: u64, len: usize) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(1),
        kind: EntryKind::Command,
        kind_code: None,
        payload: Some(SharedBytes::from(vec![index as u8; len])),
        extra: EntryExtra::default(),
    }
}

fn appended(group: GroupNo, entries: &[Entry]) -> Batch {
    let mut batch = Batch::new();
    batch.append(group, entries).expect("fits");
    batch
}

fn open_on(vfs: Arc<dyn Vfs>, options: &Options) -> FastLog {
    let clock = Arc::new(SimClock::new());
    FastLog::open_or_create(vfs, clock, Path::new("/log"), options).expect("opens")
}

fn open_os(dir: &Path) -> Result<FastLog, Error> {
    FastLog::open_or_create(Arc::new(OsFs), Arc::new(OsClock), dir, &options())
}

/// Waits for what another thread does; a minute is for ever.
fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..60_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("waited for ever: {what}");
}

#[test]
fn writers_that_wait_share_one_write_and_one_sync_and_readers_wait_for_neither() {
    let gated = Gated::new(SimFs::new(Profile::StrictPosix));
    let log = open_on(Arc::new(gated.clone()), &options());
    let groups: Vec<GroupNo> =
        (0..17).map(|n| log.create_group(&GroupId::named(&n.to_string())).expect("made")).collect();
    let base = log.watermarks().accepted.0;
    log.write(appended(groups[0], &[entry(1, 10)])).expect("written");
    gated.close_gate();
    let before = gated.counts();
    std::thread::scope(|scope| {
        scope.spawn(|| log.write(appended(groups[0], &[entry(2, 10)])).expect("written"));
        until("the first sync", || gated.waiting() == 1);
        for group in &groups[1..] {
            scope.spawn(|| log.write(appended(*group, &[entry(1, 10)])).expect("written"));
        }
        until("sixteen more", || log.watermarks().accepted.0 == base + 18);
        let read = log.read(groups[0], LogIndex(1)).expect("reads");
        assert_eq!(read, Some(entry(1, 10)), "while a sync is under way");
        assert_eq!(log.read(groups[0], LogIndex(2)).expect("reads"), None, "not durable yet");
        gated.open_gate();
    });
    let after = gated.counts();
    let done = (after.writes - before.writes, after.syncs - before.syncs);
    assert_eq!(done, (2, 2), "one for the first, one for all others");
    assert_eq!(log.watermarks().durable, log.watermarks().accepted);
}

/// A flush waits for those whom the last one released; whoever keeps the time may give up, end or
/// come late, and nobody is left behind.
#[test]
fn writers_that_come_and_go_leave_nobody_waiting() {
    let scratch = tempfile::tempdir().expect("scratch");
    let log = Arc::new(open_os(scratch.path()).expect("opens"));
    let writers = 12u64;
    let threads: Vec<_> = (1..=writers)
        .map(|number| {
            let log = Arc::clone(&log);
            let group = log.create_group(&GroupId::named(&number.to_string())).expect("created");
            std::thread::spawn(move || {
                for index in 1..=number * 10 {
                    let ticket = log.submit(appended(group, &[entry(index, 100)])).expect("taken");
                    // Every third one gives up at once, or in the middle of a flush.
                    let patience = Duration::from_micros(index % 7 * 40);
                    if index % 3 == 0
                        && ticket.wait_until(ticket.ack(), log.now() + patience).is_some()
                    {
                        continue;
                    }
                    if index % 5 != 0 {
                        ticket.wait().expect("written");
                    }
                    if number % 4 == 0 {
                        std::thread::sleep(Duration::from_micros(300));
                    }
                }
                group
            })
        })
        .collect();
    let groups: Vec<GroupNo> = threads.into_iter().map(|t| t.join().expect("ended")).collect();
    log.sync().expect("synced");
    for (number, group) in (1..).zip(groups) {
        let bounds = log.state(group).and_then(|state| state.bounds);
        assert_eq!(bounds, IndexRange::new(LogIndex(1), LogIndex(number * 10)), "writer {number}");
    }
}

#[test]
fn at_level_0_writers_go_on_while_the_timer_syncs() {
    let gated = Gated::new(SimFs::new(Profile::StrictPosix));
    let clock = SimClock::new();
    let options = Options { level: Some(Durability::Mid), ..options() };
    let shared = Arc::new(clock.clone());
    let log = FastLog::create(Arc::new(gated.clone()), shared, Path::new("/log"), &options);
    let log = log.expect("created");
    let group = log.create_group(&GroupId::Unnamed).expect("made");
    clock.advance(Duration::from_secs(1));
    gated.close_gate();
    std::thread::scope(|scope| {
        scope.spawn(|| log.step().expect("stepped"));
        until("the sync", || gated.waiting() == 1);
        for index in 1..=5 {
            log.write(appended(group, &[entry(index, 10)])).expect("written");
        }
        assert_eq!(log.watermarks().durable.0, 0);
        gated.open_gate();
    });
    let marks = log.watermarks();
    assert_eq!((marks.durable.0, marks.written.0), (1, 6), "what came before the sync began");
}

/// A full segment at level 0 costs its writers no sync: the timer's next one does it all.
#[test]
fn at_level_0_full_segments_stop_no_writer_while_the_timer_syncs() {
    for spares in [false, true] {
        let gated = Gated::new(SimFs::new(Profile::StrictPosix));
        let clock = SimClock::new();
        let options = Options { level: Some(Durability::Mid), spares, ..options() };
        let (vfs, shared) = (Arc::new(gated.clone()), Arc::new(clock.clone()));
        let log = FastLog::create(vfs, shared.clone(), Path::new("/log"), &options);
        let log = log.expect("created");
        let group = log.create_group(&GroupId::Unnamed).expect("made");
        clock.advance(Duration::from_secs(1));
        gated.close_gate();
        std::thread::scope(|scope| {
            scope.spawn(|| log.step().expect("stepped"));
            until("the sync", || gated.waiting() == 1);
            for index in 1..=100 {
                log.write(appended(group, &[entry(index, 1000)])).expect("written");
            }
            assert_eq!(gated.waiting(), 1, "nobody else syncs");
            assert_eq!(log.watermarks().durable.0, 0);
            gated.open_gate();
        });
        clock.advance(Duration::from_secs(1));
        log.step().expect("stepped");
        let marks = log.watermarks();
        assert_eq!(marks.durable, marks.written, "all segments at once");
        drop(log);
        let kept = gated.kept_by_a_power_cut();
        let log = FastLog::open(Arc::new(kept), shared, Path::new("/log"), &options);
        assert_eq!(log.expect("opens").entries(group, IndexRange::ALL).count(), 100);
    }
}

/// The store can be opened. A child that another thread starts at this moment has all descriptors
/// until it runs its own program.
fn is_free(dir: &Path) {
    until("the store is free", || open_os(dir).is_ok());
}

/// A clock that can be set.
struct Set(Mutex<Duration>);

impl Set {
    fn to(&self, ms: u64) {
        *self.0.lock().expect("not poisoned") = Duration::from_millis(ms);
    }
}

impl Clock for Set {
    fn monotonic(&self) -> Duration {
        *self.0.lock().expect("not poisoned")
    }

    fn wall(&self) -> Duration {
        self.monotonic()
    }

    fn sleep(&self, duration: Duration) {
        *self.0.lock().expect("not poisoned") += duration;
    }
}

#[test]
fn a_clock_that_jumps_back_delays_no_sync() {
    let clock = Arc::new(Set(Mutex::default()));
    clock.to(1_000_000);
    let options = Options { level: Some(Durability::Mid), ..options() };
    let fs = Arc::new(SimFs::new(Profile::StrictPosix));
    let shared = Arc::clone(&clock) as Arc<dyn Clock>;
    let log = FastLog::create(fs, shared, Path::new("/log"), &options).expect("created");
    log.create_group(&GroupId::Unnamed).expect("made");
    clock.to(1_000_500);
    log.step().expect("stepped");
    assert_eq!(log.watermarks().durable.0, 0);
    clock.to(7);
    log.step().expect("stepped");
    clock.to(507);
    log.step().expect("stepped");
    assert_eq!(log.watermarks().durable, log.watermarks().accepted);
}

/// Time that passes by looking at it.
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn wall(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _duration: Duration) {}
}

#[test]
fn opening_says_how_long_each_phase_took_and_what_was_brought_into_memory() {
    let fs = SimFs::new(Profile::StrictPosix);
    let log = open_on(Arc::new(fs.clone()), &options());
    let group = log.create_group(&GroupId::Unnamed).expect("made");
    log.write(appended(group, &[entry(1, 1000)])).expect("written");
    drop(log);
    let clock = Arc::new(Ticking(AtomicU64::new(0)));
    let options = Options { memory: Memory::EAGER, ..options() };
    let log = FastLog::open(Arc::new(fs), clock.clone(), Path::new("/log"), &options);
    let log = log.expect("opens");
    let report = log.recovery();
    let phases = [report.look, report.replay, report.judge, report.repair, report.load];
    assert!(phases.iter().all(|phase| *phase > Duration::ZERO), "{phases:?}");
    assert!(phases.iter().sum::<Duration>() < clock.monotonic(), "one after the other");
    assert!(report.loaded_bytes > 1000);
}

#[test]
fn a_second_opener_is_refused_with_the_holders_pid() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("log");
    let log = open_os(&dir).expect("created");
    let Err(Error::Locked { holder, .. }) = open_os(&dir) else { panic!("opened twice") };
    assert_eq!(holder.pid, Some(std::process::id()));
    drop(log);
    is_free(&dir);
}

/// The first process is this test again, which finds the store's path in its environment.
#[test]
fn another_process_is_refused_with_the_pid_of_the_first() {
    const HELD: &str = "RAFTLOG_TEST_HELD";
    if let Some(dir) = std::env::var_os(HELD) {
        let _log = open_os(Path::new(&dir)).expect("nobody else has it");
        writeln!(std::io::stdout(), "held").expect("said");
        std::io::stdin().read_line(&mut String::new()).expect("read");
        // It ends without closing the log or dropping it.
        std::process::exit(0);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("log");
    let mut first = Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", "another_process_is_refused_with_the_pid_of_the_first", "--nocapture"])
        .env(HELD, &dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let said = BufReader::new(first.stdout.take().expect("piped"));
    assert!(said.lines().any(|line| line.expect("text").contains("held")));
    let Err(Error::Locked { holder, .. }) = open_os(&dir) else { panic!("opened twice") };
    assert_eq!(holder.pid, Some(first.id()));
    drop(first.stdin.take());
    first.wait().expect("ended");
    is_free(&dir);
}

/// Ends a child however the test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }
}

/// The process that opened the store is gone; a child of it has its descriptors, the lock's too.
#[test]
fn a_child_that_inherited_the_lock_holds_the_store_and_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("log");
    open_os(&dir).expect("created").close().expect("closed");
    let anchor = std::fs::File::open(dir.join("anchor.fastlog")).expect("there");
    anchor.lock().expect("locked");
    let child = Command::new("sleep").arg("600").stdin(Stdio::from(anchor)).spawn();
    let child = Ended(child.expect("started"));
    let Err(Error::Locked { holder, .. }) = open_os(&dir) else { panic!("opened") };
    // The table of locks names who took it, which is us; the descriptor is the child's alone.
    assert!(holder.pid == Some(child.0.id()) || holder.pid == Some(std::process::id()));
    drop(child);
    is_free(&dir);
}

#[test]
fn children_started_while_the_log_is_open_do_not_hold_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("log");
    let log = open_os(&dir).expect("created");
    let _child = Ended(Command::new("sleep").arg("600").spawn().expect("started"));
    drop(log);
    is_free(&dir);
}

#[test]
fn a_directory_that_vanishes_is_noticed_at_the_next_segment() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("log");
    let log = open_os(&dir).expect("created");
    let group = log.create_group(&GroupId::Unnamed).expect("made");
    std::fs::remove_dir_all(&dir).expect("removed");
    let written = (1..100).map(|index| log.write(appended(group, &[entry(index, 1000)])));
    let failed = written.filter_map(Result::err).next();
    let Some(Error::Io(error)) = failed else { panic!("{failed:?}") };
    assert_eq!((error.action, error.source.kind()), ("create", std::io::ErrorKind::NotFound));
}

/// An error is not the end of the log: nothing is cut, and what is there stays there.
#[test]
fn a_read_that_fails_while_a_log_is_opened_costs_nothing() {
    for closing in [true, false] {
        let fs = SimFs::new(Profile::StrictPosix);
        let log = open_on(Arc::new(fs.clone()), &options());
        let group = log.create_group(&GroupId::Unnamed).expect("made");
        for index in 1..=40 {
            log.write(appended(group, &[entry(index, 1000)])).expect("written");
        }
        if closing {
            log.close().expect("closed");
        } else {
            drop(log);
        }
        let mut refused = 0;
        for read in (0..60).map(ReadNo) {
            let copy = SimFs::on(fs.disk());
            let before = copy.calls();
            copy.set_faults(FaultPlan::new().at_read(read));
            let clock = Arc::new(SimClock::new());
            match FastLog::open(Arc::new(copy.clone()), clock, Path::new("/log"), &options()) {
                // It was not needed, or read again.
                Ok(log) => drop(log),
                Err(Error::Io(error)) => {
                    assert_eq!(error.source.raw_os_error(), Some(5), "{error}");
                    assert!(!closing || copy.calls() == before, "{read:?}: something was written");
                    refused += 1;
                }
                Err(error) => panic!("{read:?}: {error}"),
            }
            copy.set_faults(FaultPlan::new());
            let log = open_on(Arc::new(copy), &options());
            assert_eq!(log.recovery().torn, None, "{read:?}");
            let all = log.entries(group, IndexRange::ALL).map(|e| e.expect("reads").entry);
            assert!(all.eq((1..=40).map(|index| entry(index, 1000))), "{read:?}");
        }
        assert!(refused > 10, "{refused}");
    }
}

#[test]
fn a_read_that_fails_on_a_running_log_is_told_and_forgotten() {
    let fs = SimFs::new(Profile::StrictPosix);
    let log = open_on(Arc::new(fs.clone()), &options());
    let group = log.create_group(&GroupId::Unnamed).expect("made");
    log.write(appended(group, &[entry(1, 1000)])).expect("written");
    let all = (0..1000).map(ReadNo);
    fs.set_faults(all.fold(FaultPlan::new(), FaultPlan::at_read));
    let Err(Error::Io(error)) = log.read(group, LogIndex(1)) else { panic!("read") };
    assert_eq!((error.action, error.source.raw_os_error()), ("read", Some(5)));
    log.write(appended(group, &[entry(2, 1000)])).expect("writing goes on");
    fs.set_faults(FaultPlan::new());
    assert_eq!(log.read(group, LogIndex(1)).expect("reads"), Some(entry(1, 1000)));
    assert_eq!(log.read(group, LogIndex(2)).expect("reads"), Some(entry(2, 1000)));
}

#[test]
fn a_reader_of_an_old_range_is_told_when_it_is_purged_or_truncated() {
    for strategy in Strategy::ALL {
        let fs = SimFs::new(Profile::StrictPosix);
        let log = open_on(Arc::new(fs), &Options { strategy: Some(strategy), ..options() });
        let group = log.create_group(&GroupId::Unnamed).expect("made");
        for index in 1..=200 {
            log.write(appended(group, &[entry(index, 1000)])).expect("written");
        }
        let mut reader = log.entries(group, IndexRange::ALL);
        let first = reader.next().expect("one").expect("reads");
        let mut batch = Batch::new();
        let through = LogId { index: LogIndex(150), term: Term(1) };
        batch.compact(group, through, AppliedAndSynced::through(LogIndex(150)));
        batch.truncate(group, LogIndex(190));
        log.write(batch).expect("written");
        assert!(log.purge().expect("purged").segments > 5);
        log.write(appended(group, &[Entry { term: Term(2), ..entry(190, 1000) }]))
            .expect("written");
        let replaced = Entry { term: Term(2), ..entry(190, 1000) };
        let mut gone = 0;
        for found in reader {
            match found {
                Ok(found) if found.entry == replaced => {}
                Ok(found) => assert_eq!(found.entry, entry(found.entry.index.0, 1000)),
                Err(Error::Gone { .. }) => gone += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(gone > 0);
        assert_eq!(first.entry, entry(1, 1000), "what was read stays");
    }
}

/// One read waits for its disk, and so does the thread that brings what lies behind it; whoever
/// reads what is in memory waits for neither, and writing goes on.
#[test]
fn a_miss_holds_up_no_read_behind_it_and_no_write() {
    let gated = Gated::new(SimFs::new(Profile::StrictPosix));
    let log = open_on(Arc::new(gated.clone()), &options());
    let group = log.create_group(&GroupId::Unnamed).expect("made");
    for index in 1..=100 {
        log.write(appended(group, &[entry(index, 1000)])).expect("written");
    }
    drop(log);
    let (memory, stepping) = (Memory::LAZY, Stepping::Thread);
    let log = open_on(Arc::new(gated.clone()), &Options { memory, stepping, ..options() });
    log.read(group, LogIndex(90)).expect("reads");
    until("the entries behind it", || log.kept_bytes() > 2000);
    gated.close_gate_for_reads();
    std::thread::scope(|scope| {
        let missed = scope.spawn(|| log.read(group, LogIndex(1)).expect("reads"));
        until("the miss and the thread", || gated.reads_waiting() == 2);
        for index in 90..=91 {
            let found = log.read(group, LogIndex(index)).expect("in memory");
            assert_eq!(found, Some(entry(index, 1000)));
        }
        log.write(appended(group, &[entry(101, 1000)])).expect("written");
        assert_eq!(log.read(group, LogIndex(101)).expect("reads"), Some(entry(101, 1000)));
        assert!(!missed.is_finished());
        gated.open_gate();
        assert_eq!(missed.join().expect("ended"), Some(entry(1, 1000)));
    });
}

#[test]
fn no_more_files_stay_open_than_the_options_allow() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().canonicalize().expect("a path").join("log");
    let open_files = |log: &FastLog, group: GroupNo| {
        assert_eq!(log.entries(group, IndexRange::ALL).count(), 1000);
        let names = std::fs::read_dir("/proc/self/fd").expect("listed");
        let links = names.filter_map(|name| std::fs::read_link(name.ok()?.path()).ok());
        links.filter(|link| link.starts_with(&dir)).count()
    };
    let opened = |open_files: u64, level: Durability| {
        let options = Options { open_files, level: Some(level), ..options() };
        FastLog::open_or_create(Arc::new(OsFs), Arc::new(OsClock), &dir, &options).expect("opens")
    };
    // Level -1 keeps full segments open until they are synced.
    let log = opened(8, Durability::Low);
    let group = log.create_group(&GroupId::Unnamed).expect("made");
    for index in 1..=1000 {
        log.write(appended(group, &[entry(index, 1000)])).expect("written");
    }
    // Four of each kind, the active segment, the anchor, its lock and a segment made ahead.
    let few = open_files(&log, group);
    assert!(few <= 12, "{few} open files");
    drop(log);
    let log = opened(128, Durability::High);
    let many = open_files(&log, group);
    assert!(many > 50, "{many}: the segments are enough to show it");
}

#[test]
fn a_hundred_thousand_groups_are_written_purged_and_recovered() {
    const GROUPS: u32 = 100_000;
    let fs = SimFs::new(Profile::StrictPosix);
    let options = Options { segment_bytes: Some(1 << 20), ..options() };
    let log = open_on(Arc::new(fs.clone()), &options);
    let numbers: Vec<GroupNo> = (1..=GROUPS).map(GroupNo).collect();
    for some in numbers.chunks(1000) {
        let mut batch = Batch::new();
        for group in some {
            let id = GroupId::named(&format!("group {}", group.0));
            batch.name_group(*group, &id, None, &[]).expect("fits");
            batch.append(*group, &[entry(1, 20), entry(2, 20)]).expect("fits");
        }
        log.write(batch).expect("written");
    }
    for some in numbers.chunks(1000) {
        let mut batch = Batch::new();
        for group in some {
            let through = LogId { index: LogIndex(1), term: Term(1) };
            batch.compact(*group, through, AppliedAndSynced::through(LogIndex(1)));
            batch.append(*group, &[entry(2, 20), entry(3, 20)]).expect("fits");
        }
        log.write(batch).expect("written");
    }
    assert!(log.purge().expect("purged").segments > 0);
    drop(log);
    let log = open_on(Arc::new(fs), &options);
    assert_eq!(log.groups().len(), GROUPS as usize);
    for group in numbers.iter().step_by(997) {
        let bounds = log.state(*group).expect("known").bounds;
        assert_eq!(bounds, IndexRange::new(LogIndex(2), LogIndex(3)));
        assert_eq!(log.read(*group, LogIndex(3)).expect("reads"), Some(entry(3, 20)));
    }
}

#[test]
fn entries_of_no_bytes_and_of_the_largest_size_come_back() {
    const LARGEST: usize = (1 << 29) - 1;
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("log");
    let log = open_os(&dir).expect("created");
    let group = log.create_group(&GroupId::Unnamed).expect("made");
    log.write(appended(group, &[entry(1, 0)])).expect("written");
    log.write(appended(group, &[entry(2, LARGEST)])).expect("written");
    log.write(appended(group, &[entry(3, 0)])).expect("written");
    log.close().expect("closed");
    let log = open_os(&dir).expect("opens");
    for (index, len) in [(1, 0), (2, LARGEST), (3, 0)] {
        let found = log.read(group, LogIndex(index)).expect("reads").expect("there");
        let bytes = found.payload.expect("not nil");
        assert_eq!(bytes.len(), len);
        assert!(bytes.iter().all(|byte| u64::from(*byte) == index));
    }
}
