//! Group commit under shuttle: threads change places at every lock and inside every sync, in
//! thousands of orders, each of which can be replayed. A hang is found as a deadlock.

#![cfg(shuttle)]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use raftlog::fastlog::format::{GroupNo, LogUid};
use raftlog::fastlog::policy::{Ack, Flush, Strategy};
use raftlog::fastlog::{Batch, FastLog, Fill, Options, Stepping};
use raftlog::model::{
    Durability, Entry, EntryExtra, EntryKind, GroupId, IndexRange, LogIndex, SharedBytes, Term,
};
use raftlog::vfs::sim::{Profile, SimClock, SimFs, Tries};
use raftlog::vfs::{Held, LockError, LockMode, OpenMode, Vfs, VfsFile};

const DIR: &str = "/log";
const WRITERS: u32 = 3;
const EACH: u64 = 3;
const ORDERS: usize = 1_000;
const SYNC_TAKES: Duration = Duration::from_micros(100);

/// A disk inside whose writes and syncs other threads run, on which a sync takes its time, and that
/// may fail at one of them.
#[derive(Clone)]
struct Slow {
    fs: SimFs,
    clock: SimClock,
    syncs: Arc<AtomicUsize>,
    fails_at: Option<usize>,
    failed: Arc<AtomicUsize>,
}

struct SlowFile {
    file: Box<dyn VfsFile>,
    disk: Slow,
}

impl Slow {
    fn new() -> Slow {
        let fs = SimFs::new(Profile::StrictPosix);
        let clock = SimClock::new();
        Slow { fs, clock, syncs: Arc::default(), fails_at: None, failed: Arc::default() }
    }

    fn pass(&self) -> io::Result<()> {
        shuttle::thread::yield_now();
        // So there is time in which a flush waits for those whom the last one released.
        self.clock.advance(SYNC_TAKES);
        let number = self.syncs.fetch_add(1, Ordering::SeqCst);
        if self.fails_at != Some(number) {
            return Ok(());
        }
        self.failed.fetch_add(1, Ordering::SeqCst);
        Err(io::Error::other("a sync that was to fail"))
    }

    /// The disk as a power cut leaves it that keeps nothing pending.
    fn after_a_power_cut(&self) -> SimFs {
        let tries = Tries { samples: 1, exhaustive_max: 1, ..Tries::default() };
        let image = self.fs.disk().images(tries).distinct().next().expect("one image");
        SimFs::on(image.disk)
    }
}

impl Vfs for Slow {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(SlowFile { file: self.fs.open(path, mode)?, disk: self.clone() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.fs.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.fs.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fs.remove(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.fs.remove_dir(dir)
    }

    fn lock(&self, path: &Path, mode: LockMode) -> Result<Box<dyn Held>, LockError> {
        self.fs.lock(path, mode)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.pass()?;
        self.fs.sync_dir(dir)
    }
}

impl VfsFile for SlowFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        shuttle::thread::yield_now();
        self.file.write_at(offset, bytes)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        self.file.allocate(size)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_size(size)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.pass()?;
        self.file.sync_data()
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.pass()?;
        self.file.sync()
    }
}

fn options(level: Durability, strategy: Strategy) -> Options {
    Options {
        level: Some(level),
        strategy: Some(strategy),
        flush: Some(Flush::Immediate),
        segment_bytes: Some(16 << 10),
        fill: Fill::Ahead { step_bytes: 4096 },
        queue_entries: 2,
        stepping: Stepping::Caller,
        uid: Some(LogUid(*b"a log in a test.")),
        ..Options::default()
    }
}

fn entry(index: u64) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(1),
        kind: EntryKind::Command,
        kind_code: None,
        payload: Some(SharedBytes::from(vec![index as u8; 2000])),
        extra: EntryExtra::default(),
    }
}

fn open(vfs: Arc<dyn Vfs>, clock: SimClock, options: &Options) -> FastLog {
    FastLog::open_or_create(vfs, Arc::new(clock), Path::new(DIR), options).expect("opens")
}

fn appended(group: u32, index: u64) -> Batch {
    let mut batch = Batch::new();
    batch.append(GroupNo(group), &[entry(index)]).expect("fits");
    batch
}

/// A log with a group for each writer.
fn log(disk: &Slow, options: &Options) -> FastLog {
    let log = open(Arc::new(disk.clone()), disk.clock.clone(), options);
    for group in 1..=WRITERS {
        log.create_group(&GroupId::named(&group.to_string())).expect("made");
    }
    log.sync().expect("synced");
    log
}

/// Writers in groups of their own, and beside them two who step the timers, one who syncs and one
/// who reads. Returns how many entries of each group were acknowledged.
fn together(log: &Arc<FastLog>, mark: Ack) -> Vec<u64> {
    let writers: Vec<_> = (1..=WRITERS)
        .map(|group| {
            let log = Arc::clone(log);
            shuttle::thread::spawn(move || {
                let mut done = 0;
                for index in 1..=EACH {
                    let ticket = log.submit(appended(group, index));
                    match ticket.and_then(|ticket| ticket.wait_for(mark)) {
                        Ok(()) => done = index,
                        Err(_) => break,
                    }
                }
                done
            })
        })
        .collect();
    let timers = [(); 2].map(|()| {
        let stepped = Arc::clone(log);
        shuttle::thread::spawn(move || {
            for _ in 0..4 {
                let _told_to_those_who_wait = stepped.step();
            }
        })
    });
    let synced = Arc::clone(log);
    let syncer = shuttle::thread::spawn(move || {
        let before = synced.watermarks().accepted;
        if let Ok(marks) = synced.sync() {
            assert!(marks.durable >= before, "a sync that returned");
        }
    });
    let read = Arc::clone(log);
    let reader = shuttle::thread::spawn(move || {
        for group in 1..=WRITERS {
            let found = read.entries(GroupNo(group), IndexRange::ALL);
            found.for_each(|placed| {
                let found = placed.expect("reads").entry;
                assert_eq!(found, entry(found.index.0));
            });
            let marks = read.watermarks();
            assert!(marks.durable <= marks.written && marks.written <= marks.accepted);
        }
    });
    let done = writers.into_iter().map(|writer| writer.join().expect("ended")).collect();
    timers.into_iter().for_each(|timer| timer.join().expect("ended"));
    syncer.join().expect("ended");
    reader.join().expect("ended");
    done
}

fn check_after_a_power_cut(disk: &Slow, options: &Options, done: &[u64]) {
    let log = open(Arc::new(disk.after_a_power_cut()), SimClock::new(), options);
    for (group, done) in (1..).zip(done) {
        let bounds = log.state(GroupNo(group)).expect("known").bounds;
        let last = bounds.map_or(0, |bounds| bounds.last().0);
        assert!(last >= *done, "group {group}: {done} acknowledged as durable, {last} are there");
    }
}

fn modes() -> impl Iterator<Item = Options> {
    let levels = Durability::ALL.into_iter();
    levels.flat_map(|level| Strategy::ALL.map(|strategy| options(level, strategy)))
}

#[test]
fn what_is_acknowledged_as_durable_is_there_in_every_order_of_threads() {
    for options in modes() {
        let run = move || {
            let disk = Slow::new();
            let log = Arc::new(log(&disk, &options));
            let done = together(&log, Ack::Durable);
            assert_eq!(done, [EACH; WRITERS as usize], "nothing fails");
            check_after_a_power_cut(&disk, &options, &done);
            Arc::into_inner(log).expect("nobody else").close().expect("closed");
        };
        shuttle::check_random(run, ORDERS);
    }
}

#[test]
fn a_sync_that_fails_stops_all_who_wait_and_costs_nothing_promised() {
    let failed = Arc::new(AtomicUsize::new(0));
    for (options, later) in modes().flat_map(|options| [1, 3, 6].map(|later| (options, later))) {
        let failed = Arc::clone(&failed);
        let run = move || {
            let sound = Slow::new();
            log(&sound, &options).close().expect("closed");
            let fails_at = Some(sound.syncs.load(Ordering::SeqCst) + later);
            let disk = Slow { fails_at, failed: Arc::clone(&failed), ..sound };
            let log = Arc::new(open(Arc::new(disk.clone()), disk.clock.clone(), &options));
            let done = together(&log, Ack::Durable);
            check_after_a_power_cut(&disk, &options, &done);
        };
        shuttle::check_pct(run, ORDERS / 5, 3);
    }
    assert!(failed.load(Ordering::SeqCst) > ORDERS, "syncs failed");
}

/// Whoever waits with a deadline comes back, and whoever is told by a callback is told once.
#[test]
fn everybody_who_waits_is_told_in_every_order_of_threads() {
    for options in modes() {
        let run = move || {
            let disk = Slow::new();
            let log = Arc::new(log(&disk, &options));
            let told = Arc::new(AtomicUsize::new(0));
            let writers: Vec<_> = (1..=WRITERS)
                .map(|group| {
                    let (log, told) = (Arc::clone(&log), Arc::clone(&told));
                    shuttle::thread::spawn(move || {
                        let ticket = log.submit(appended(group, 1)).expect("accepted");
                        ticket.when(Ack::Durable, move |result| {
                            result.expect("durable");
                            told.fetch_add(1, Ordering::SeqCst);
                        });
                        let deadline = log.now() + Duration::from_secs(5);
                        let known = ticket.wait_until(Ack::Durable, deadline);
                        known.expect("in time").expect("durable");
                    })
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().expect("ended"));
            Arc::into_inner(log).expect("nobody else").close().expect("closed");
            assert_eq!(told.load(Ordering::SeqCst), WRITERS as usize);
        };
        shuttle::check_random(run, ORDERS / 3);
    }
}
