//! Levels, strategies, flush policies and watermarks, through the public face.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};

use super::*;
use crate::fastlog::Watermarks;
use crate::fastlog::policy::BATCH_INTERVAL;
use crate::fastlog::policy::SYNC_INTERVAL;
use crate::model::{StableValue, Vote};

fn mode(level: Durability, strategy: Strategy, flush: Flush) -> Options {
    Options { level: Some(level), strategy: Some(strategy), flush: Some(flush), ..options() }
}

fn timed(options: &Options) -> (SimFs, SimClock, FastLog, GroupNo) {
    let (fs, clock) = (SimFs::new(Profile::StrictPosix), SimClock::new());
    let shared = Arc::new(clock.clone());
    let log = FastLog::create(Arc::new(fs.clone()), shared, Path::new("/log"), options);
    let log = log.expect("created");
    let group = log.create_group(&GroupId::Unnamed).expect("created");
    log.sync().expect("synced");
    (fs, clock, log, group)
}

/// Syncs of any kind since the trace was begun or taken.
fn syncs(fs: &SimFs) -> usize {
    let count = fs.take_trace().iter().filter(|call| call.operation.is_sync()).count();
    fs.start_trace();
    count
}

fn voted(group: GroupNo, term: u64, commit: u64) -> Batch {
    let vote = Some(Vote { term: Some(Term(term)), candidate: None });
    let hard = HardState { term: Some(Term(term)), vote, commit: Some(LogIndex(commit)) };
    let mut batch = Batch::new();
    batch.hard_state(group, &hard).expect("fits");
    batch
}

#[test]
fn level_minus_1_syncs_only_when_asked() {
    for strategy in Strategy::ALL {
        let (fs, clock, log, group) = timed(&mode(Durability::Low, strategy, Flush::Immediate));
        log.write(appended(group, &[entry(1, 1, 10)])).expect("written");
        log.step().expect("stepped");
        fs.start_trace();
        for index in 2..=20 {
            log.write(appended(group, &[entry(index, 1, 100)])).expect("written");
            log.write(voted(group, index, 1)).expect("written");
            clock.advance(SYNC_INTERVAL);
            log.step().expect("stepped");
        }
        assert_eq!(syncs(&fs), 0, "{strategy:?}");
        assert!(log.watermarks().durable < log.watermarks().written);
        let marks = log.sync().expect("synced");
        assert_eq!(marks.durable, marks.accepted);
        assert!(syncs(&fs) > 0);
    }
}

#[test]
fn a_segment_that_is_full_at_level_minus_1_is_synced_by_the_next_sync() {
    let (fs, _, log, group) = timed(&mode(Durability::Low, Strategy::DiskFirst, Flush::Immediate));
    for index in 1..=100 {
        log.write(appended(group, &[entry(index, 1, 1000)])).expect("written");
    }
    log.sync().expect("synced");
    drop(log);
    let disk = fs.disk().with_profile(Profile::Drop);
    let image = disk.images(Tries::default()).distinct().next().expect("one image");
    let log = sim_log(&SimFs::on(image.disk), &options()).expect("opens");
    assert_eq!(log.entries(group, IndexRange::ALL).filter(Result::is_ok).count(), 100);
}

#[test]
fn level_0_syncs_once_a_second_and_at_once_for_a_vote() {
    let (fs, clock, log, group) =
        timed(&mode(Durability::Mid, Strategy::DiskFirst, Flush::Immediate));
    clock.advance(SYNC_INTERVAL / 2);
    while log.step().expect("stepped").is_some_and(|due| due <= clock.monotonic()) {}
    fs.start_trace();
    log.write(appended(group, &[entry(1, 1, 10)])).expect("written");
    assert_eq!(syncs(&fs), 0);
    let due = log.step().expect("stepped").expect("a sync is due");
    assert_eq!(due, SYNC_INTERVAL);
    clock.advance(due - clock.monotonic());
    assert!(log.watermarks().durable < log.watermarks().written);
    log.step().expect("stepped");
    assert_eq!(log.watermarks().durable, log.watermarks().accepted);
    assert!(syncs(&fs) > 0);
    let ticket = log.submit(voted(group, 7, 1)).expect("accepted");
    assert_eq!(ticket.ack(), Ack::Durable);
    ticket.wait().expect("durable");
    assert_eq!(log.watermarks().durable, log.watermarks().accepted);
    let ticket = log.submit(voted(group, 7, 2)).expect("accepted");
    assert_eq!(ticket.ack(), Ack::Written, "the commit index alone");
    let mut batch = Batch::new();
    batch.set_stable(group, b"LastVoteTerm", &StableValue::bytes(b"7")).expect("fits");
    assert_eq!(log.submit(batch).expect("accepted").ack(), Ack::Durable);
}

#[test]
fn mem_first_is_visible_when_accepted_and_written_by_the_next_step() {
    for level in Durability::ALL {
        let (fs, _, log, group) = timed(&mode(level, Strategy::MemFirst, Flush::Immediate));
        while log.step().expect("stepped") == Some(Duration::ZERO) {}
        let calls = fs.calls();
        let before = log.watermarks();
        let ticket = log.submit(appended(group, &[entry(1, 1, 300), entry(2, 1, 0)]));
        let ticket = ticket.expect("accepted");
        assert_eq!((ticket.ack(), ticket.outcome().is_some()), (Ack::Accepted, true));
        ticket.wait().expect("acknowledged");
        assert_eq!(fs.calls(), calls, "nothing written");
        assert_eq!(log.read(group, LogIndex(1)).expect("reads"), Some(entry(1, 1, 300)));
        let all: Vec<Entry> =
            log.entries(group, IndexRange::ALL).map(|e| e.expect("reads").entry).collect();
        assert_eq!(all, [entry(1, 1, 300), entry(2, 1, 0)]);
        log.step().expect("stepped");
        let marks = log.watermarks();
        assert_eq!((marks.accepted, marks.written), (ticket.op(), ticket.op()), "{level:?}");
        assert_eq!(marks.durable == ticket.op(), level == Durability::High);
        assert!(marks.durable >= before.durable);
        assert_eq!(log.read(group, LogIndex(2)).expect("reads"), Some(entry(2, 1, 0)));
        ticket.wait_for(Ack::Durable).expect("durable");
        assert_eq!(log.watermarks().durable, ticket.op());
    }
}

/// A reader reads far ahead; what it read too early it reads again.
#[test]
fn a_reader_that_began_before_a_flush_reads_on_behind_it() {
    let (_, _, log, group) = timed(&mode(Durability::High, Strategy::MemFirst, Flush::Immediate));
    for index in 1..=20 {
        log.write(appended(group, &[entry(index, 1, 50)])).expect("accepted");
    }
    log.step().expect("stepped");
    for index in 21..=40 {
        log.write(appended(group, &[entry(index, 1, 50)])).expect("accepted");
    }
    let mut reader = log.entries(group, IndexRange::ALL);
    assert_eq!(reader.next().expect("one").expect("reads").entry, entry(1, 1, 50));
    log.step().expect("stepped");
    let rest: Vec<Entry> = reader.map(|entry| entry.expect("reads").entry).collect();
    assert_eq!(rest, (2..=40).map(|index| entry(index, 1, 50)).collect::<Vec<_>>());
}

#[test]
fn mem_first_accepts_no_more_than_its_limit_and_waits_for_what_is_larger() {
    let options = Options {
        queue_entries: 4,
        ..mode(Durability::High, Strategy::MemFirst, Flush::Immediate)
    };
    let (_, _, log, group) = timed(&options);
    for index in 1..=30 {
        log.write(appended(group, &[entry(index, 1, 1)])).expect("accepted");
        let marks = log.watermarks();
        assert!(marks.accepted.0 - marks.durable.0 <= 4, "{marks:?}");
    }
    let many: Vec<Entry> = (31..=40).map(|index| entry(index, 1, 1)).collect();
    let ticket = log.submit(appended(group, &many)).expect("accepted");
    assert_eq!(ticket.ack(), Ack::Durable);
    ticket.wait().expect("durable");
    assert_eq!(log.watermarks().durable, ticket.op());
}

#[test]
fn bytes_that_wait_are_limited_too() {
    let options =
        Options { queue_bytes: 10_000, ..mode(Durability::Low, Strategy::MemFirst, Flush::BATCH) };
    let (_, _, log, group) = timed(&options);
    for index in 1..=50 {
        log.write(appended(group, &[entry(index, 1, 3000)])).expect("accepted");
        let marks = log.watermarks();
        assert!(marks.accepted.0 - marks.written.0 <= 3, "{marks:?}");
    }
}

#[test]
fn a_group_has_watermarks_of_its_own() {
    let (_, _, log, first) = timed(&mode(Durability::Low, Strategy::MemFirst, Flush::BATCH));
    let second = log.create_group(&GroupId::named("b")).expect("created");
    log.sync().expect("synced");
    let base = log.watermarks().accepted.0;
    for index in 1..=6 {
        let group = if index % 3 == 0 { second } else { first };
        let index = log.state(group).expect("known").bounds.map_or(1, |b| b.last().0 + 1);
        log.write(appended(group, &[entry(index, 1, 1)])).expect("accepted");
        if log.watermarks().accepted.0 == base + 4 {
            log.sync().expect("synced");
        }
    }
    let marks = |accepted, durable| Watermarks {
        accepted: OpNo(base + accepted),
        written: OpNo(base + durable),
        durable: OpNo(base + durable),
    };
    assert_eq!(log.group_watermarks(first), marks(5, 4));
    assert_eq!(log.group_watermarks(second), marks(6, 3));
    assert_eq!(log.group_watermarks(GroupNo(77)), Watermarks::default());
}

struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_watermark_can_be_waited_for_without_a_ticket() {
    let (_, clock, log, group) = timed(&mode(Durability::Mid, Strategy::DiskFirst, Flush::BATCH));
    drop(log.submit(appended(group, &[entry(1, 1, 10)])).expect("accepted"));
    let op = log.group_watermarks(group).accepted;
    let told = Arc::new(AtomicUsize::new(0));
    let (heard, later) = (Arc::clone(&told), OpNo(op.0 + 1));
    log.when(later, Ack::Durable, move |result| {
        result.expect("it went well");
        heard.fetch_add(1, Ordering::SeqCst);
    });
    let soon = log.now() + Duration::from_millis(20);
    assert!(log.wait_until(op, Ack::Written, soon).is_none(), "a batch waits 100 ms");
    let waited = log.wait_until(op, Ack::Durable, log.now() + Duration::from_secs(5));
    waited.expect("in time").expect("durable");
    assert!(log.group_watermarks(group).durable >= op);
    assert_eq!(told.load(Ordering::SeqCst), 0);
    drop(log.submit(appended(group, &[entry(2, 1, 10)])).expect("accepted"));
    for _ in 0..20 {
        clock.advance(Duration::from_millis(100));
        log.step().expect("stepped");
    }
    assert_eq!(told.load(Ordering::SeqCst), 1);
    let never = log.now() + Duration::from_secs(1);
    assert!(log.wait_until(OpNo(99), Ack::Accepted, never).is_none(), "nobody submits it");
}

#[test]
fn who_waits_for_a_watermark_is_told_when_the_log_is_poisoned() {
    let (fs, _, log, group) = timed(&mode(Durability::High, Strategy::DiskFirst, Flush::Immediate));
    let at = CallNo(fs.calls().0 + 1);
    fs.set_faults(FaultPlan::new().at(at, Fault::Fails(DiskRefusal::Eio)));
    let failed = log.write(appended(group, &[entry(1, 1, 10)]));
    assert!(matches!(failed, Err(Error::Poisoned { .. })), "{failed:?}");
    let waited = log.wait_until(OpNo(99), Ack::Durable, log.now() + Duration::from_secs(1));
    assert!(matches!(waited, Some(Err(Error::Poisoned { .. }))), "{waited:?}");
}

#[test]
fn callbacks_and_futures_are_told_without_a_runtime() {
    let (fs, _, log, group) = timed(&mode(Durability::Mid, Strategy::MemFirst, Flush::Immediate));
    let ticket = log.submit(appended(group, &[entry(1, 1, 1)])).expect("accepted");
    let wakes = Arc::new(Counting(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    let mut durable = pin!(ticket.reaching(Ack::Durable));
    let (told, heard) = channel();
    let tell = told.clone();
    ticket.when(Ack::Written, move |result| tell.send(("written", result.is_ok())).expect("sent"));
    ticket.when(Ack::Accepted, move |_| told.send(("accepted", true)).expect("sent"));
    assert_eq!(heard.try_recv(), Ok(("accepted", true)));
    assert!(durable.as_mut().poll(&mut context).is_pending());
    log.step().expect("stepped");
    assert_eq!(heard.try_recv(), Ok(("written", true)));
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1, "a wish for durability is heard at once");
    assert!(matches!(durable.as_mut().poll(&mut context), Poll::Ready(Ok(()))));
    let ticket = log.submit(appended(group, &[entry(2, 1, 1)])).expect("accepted");
    let mut never = pin!(ticket.reaching(Ack::Durable));
    let fault = Fault::SyncFails { read_old: false };
    fs.set_faults(FaultPlan::new().at(CallNo(fs.calls().0 + 1), fault));
    assert!(matches!(log.step(), Err(Error::Poisoned { .. })));
    let polled = never.as_mut().poll(&mut context);
    assert!(matches!(polled, Poll::Ready(Err(Error::Poisoned { .. }))), "{polled:?}");
}

/// The thread flushes, syncs and calls back; nobody else does anything.
#[test]
fn the_thread_does_what_is_due() {
    for level in Durability::ALL {
        let dir = tempfile::tempdir().expect("a directory");
        let options = Options {
            stepping: Stepping::Thread,
            ..mode(level, Strategy::MemFirst, Flush::Immediate)
        };
        let clock = Arc::new(OsClock);
        let log = FastLog::create(Arc::new(OsFs), clock, &dir.path().join("log"), &options);
        let log = log.expect("created");
        let group = log.create_group(&GroupId::Unnamed).expect("created");
        let (told, heard) = channel();
        for index in 1..=200 {
            let ticket = log.submit(appended(group, &[entry(index, 1, 50)])).expect("accepted");
            let told = told.clone();
            ticket.when(Ack::Durable, move |result| told.send(result.is_ok()).expect("sent"));
        }
        let minute = Duration::from_secs(60);
        for _ in 1..=200 {
            assert_eq!(heard.recv_timeout(minute), Ok(true), "{level:?}");
        }
    }
}

#[test]
fn a_mem_first_write_that_fails_poisons_and_stays_readable() {
    let (fs, _, log, group) = timed(&mode(Durability::High, Strategy::MemFirst, Flush::Immediate));
    log.write(appended(group, &[entry(1, 1, 10)])).expect("accepted");
    log.sync().expect("synced");
    log.write(appended(group, &[entry(2, 1, 10)])).expect("accepted");
    let full = Fault::WriteFails { refusal: DiskRefusal::Enospc, written_bytes: 9 };
    fs.set_faults(FaultPlan::new().at(fs.calls(), full));
    assert!(matches!(log.step(), Err(Error::Poisoned { .. })));
    assert!(matches!(log.submit(voted(group, 2, 1)), Err(Error::Poisoned { .. })));
    assert_eq!(log.read(group, LogIndex(2)).expect("reads"), Some(entry(2, 1, 10)));
    assert!(matches!(log.close(), Err(Error::Poisoned { .. })));
    let log = sim_log(&fs, &options()).expect("opens");
    assert_eq!(log.read(group, LogIndex(1)).expect("reads"), Some(entry(1, 1, 10)));
}

#[test]
fn dropping_a_log_writes_what_it_accepted_and_gives_the_store_free() {
    let (fs, _, log, group) = timed(&mode(Durability::Low, Strategy::MemFirst, Flush::BATCH));
    let ticket = log.submit(appended(group, &[entry(1, 1, 10)])).expect("accepted");
    drop(log);
    let log = sim_log(&fs, &options()).expect("opens");
    assert_eq!(log.read(group, LogIndex(1)).expect("reads"), Some(entry(1, 1, 10)));
    assert!(matches!(ticket.wait_for(Ack::Durable), Err(Error::Closed)));
}

#[test]
fn a_batch_flush_that_follows_the_load_lets_one_writer_wait_for_nobody() {
    for (follow_load, waited) in [(true, Duration::ZERO), (false, BATCH_INTERVAL * 3)] {
        let batch = mode(Durability::High, Strategy::DiskFirst, Flush::BATCH);
        let (_fs, clock, log, group) = timed(&Options { follow_load, ..batch });
        let begun = clock.monotonic();
        for index in 1..=3 {
            log.write(appended(group, &[entry(index, 1, 10)])).expect("written");
        }
        assert_eq!(clock.monotonic() - begun, waited);
    }
}
