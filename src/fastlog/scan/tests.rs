use std::path::Path;

use super::*;
use crate::fastlog::anchor::AnchorSlots;
use crate::fastlog::memtable::Position;
use crate::fastlog::walk::{Walk, Walked};
use crate::fastlog::{AppliedAndSynced, Batch, FastLog, Options, Stepping};
use crate::model::{
    Entry, EntryExtra, EntryKind, FaultKind, GroupId, HardState, LogId, LogIndex, LogState,
    SharedBytes, Term,
};
use crate::vfs::OpenMode;
use crate::vfs::sim::{Damage, Disk, Profile, SimClock, SimFs};

const DIR: &str = "/log";

fn entry(index: u64, term: u64, len: usize) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: if index.is_multiple_of(50) { EntryKind::Noop } else { EntryKind::Command },
        kind_code: index.is_multiple_of(3).then_some(7),
        payload: Some(SharedBytes::from(vec![index as u8; len])),
        extra: EntryExtra::default(),
    }
}

/// Three groups in segments of 64 KiB, with everything that a log can hold: single entries, long
/// batches of many frames, conflicts, truncations, compactions, bases, removed groups.
fn busy_log() -> Disk {
    let fs = SimFs::new(Profile::StrictPosix);
    let clock = Arc::new(SimClock::new());
    let options =
        Options { segment_bytes: Some(64 << 10), stepping: Stepping::Caller, ..Options::default() };
    let log = FastLog::create(Arc::new(fs.clone()), clock, Path::new(DIR), &options).expect("made");
    let groups = ["a", "b", "c"].map(|name| log.create_group(&GroupId::named(name)).expect("new"));
    let [a, b, c] = groups;
    let write = |fill: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::new();
        fill(&mut batch);
        log.write(batch).expect("written");
    };
    for round in 0..40u64 {
        let first = round * 20 + 1;
        let many: Vec<Entry> =
            (first..first + 20).map(|index| entry(index, 1 + round, 90)).collect();
        write(&|batch| batch.append(a, &many).expect("fits"));
        for index in first..first + 5 {
            write(&|batch| batch.append(b, &[entry(index, 2 + round, 700)]).expect("fits"));
        }
        // The next round overwrites the last of these, or appends behind what is left.
        write(&|batch| batch.truncate(b, LogIndex(first + 4)));
        let rest: Vec<Entry> = (first + 4..first + 20).map(|i| entry(i, 3 + round, 40)).collect();
        write(&|batch| {
            batch.append(b, &rest).expect("fits");
            let hard = HardState { term: Some(Term(3 + round)), ..HardState::default() };
            batch.hard_state(b, &hard).expect("fits");
        });
        if round == 10 {
            let large: Vec<Entry> = (1..=3).map(|index| entry(index, 1, 200 << 10)).collect();
            write(&|batch| batch.append(c, &large).expect("fits"));
        }
        if round == 20 {
            let through = LogId { index: LogIndex(300), term: Term(15) };
            write(&|batch| batch.compact(a, through, AppliedAndSynced::through(LogIndex(300))));
            let through = LogId { index: LogIndex(300), term: Term(17) };
            write(&|batch| batch.compact(b, through, AppliedAndSynced::through(LogIndex(300))));
            let through = LogId { index: LogIndex(3), term: Term(1) };
            write(&|batch| batch.compact(c, through, AppliedAndSynced::through(LogIndex(3))));
            assert!(log.purge().expect("purged").segments > 2);
        }
    }
    log.close().expect("closed");
    fs.disk()
}

/// All that a walk arrives at.
#[derive(Debug, PartialEq)]
struct Arrived {
    stop: Option<(Option<FramePlace>, FaultKind, bool)>,
    head: Head,
    proven: Sequence,
    frames: (u64, u64),
    walked: Vec<(SegmentNo, u64, u64)>,
    marks: Vec<(Sequence, FramePlace)>,
    groups: Vec<(GroupId, LogState, Vec<Option<Position>>)>,
}

fn arrived(walk: &mut Walk<'_>) -> Arrived {
    let stop = walk.run().ok().map(|stop| (stop.place, stop.reason, stop.unfinished));
    let tables = &walk.tables;
    let groups = tables.names.iter().map(|(id, number)| {
        let state = tables.group(*number).expect("known").state();
        let all = state.bounds.map_or(0..0, |bounds| bounds.first().0..bounds.last().0 + 1);
        let at = all.map(|index| tables.memtable.get(*number, LogIndex(index))).collect();
        (id.clone(), state, at)
    });
    let ends = |(number, walked): (&SegmentNo, &Walked)| (*number, walked.end, walked.sync_counter);
    Arrived {
        stop,
        head: walk.head,
        proven: walk.proven,
        frames: (walk.frames, walk.frame_bytes),
        walked: walk.walked.iter().map(ends).collect(),
        marks: walk.marks.clone(),
        groups: groups.collect(),
    }
}

/// Walks a disk alone and with two threads ahead; returns what both arrive at, and how many parts
/// the threads hand over.
fn both_ways(disk: Disk) -> (Arrived, Arrived, usize) {
    let files = Files::new(Arc::new(SimFs::on(disk)), Path::new(DIR));
    let slots = AnchorSlots::read(&files, OpenMode::Read).expect("read").expect("there");
    let anchor = slots.newest().expect("sound");
    let segments = files.segments().expect("listed");
    let walk = || {
        let mut walk = Walk::new(&files, anchor.uid, anchor.oldest, &segments);
        walk.take_anchor(&slots);
        walk
    };
    let alone = arrived(&mut walk());
    let needed: Vec<SegmentNo> = walk().ahead.clone();
    let together = ahead_on(2, &files, anchor.uid, &needed, |ahead| {
        let mut walk = walk();
        walk.read_ahead = ahead;
        let together = arrived(&mut walk);
        walk.read_ahead = Ahead::default();
        together
    });
    let parts = ahead_on(1, &files, anchor.uid, &needed, |ahead| {
        let parts = |number: &SegmentNo| std::iter::from_fn(|| ahead.next_part(*number)).count();
        needed.iter().map(parts).sum()
    });
    (alone, together, parts)
}

#[test]
fn a_walk_arrives_at_the_same_with_threads_ahead() {
    let (alone, together, parts) = both_ways(busy_log());
    assert_eq!(alone, together);
    assert!(alone.stop.is_some());
    assert!(parts >= alone.walked.len(), "{parts} parts of {} segments", alone.walked.len());
    let entries: usize = alone.groups.iter().map(|(_, _, positions)| positions.len()).sum();
    assert_eq!(entries, 1000);
    assert!(alone.groups.iter().all(|(_, _, positions)| positions.iter().all(Option::is_some)));
}

#[test]
fn a_walk_over_damage_stops_at_the_same_place_with_threads_ahead() {
    let disk = busy_log();
    let files = Files::new(Arc::new(SimFs::on(disk.clone())), Path::new(DIR));
    let segments = files.segments().expect("listed");
    for number in segments {
        let path = Path::new(DIR).join(number.file_name());
        let size = files.reading(number).expect("opened").size().expect("known");
        let places = (0..30).map(|step| FRAMES_OFFSET + step * (size - FRAMES_OFFSET) / 30);
        let flips = places.map(|offset_bytes| Damage::FlippedBit { offset_bytes, bit: 1 });
        let cut = Damage::Shortened { size_bytes: FRAMES_OFFSET + (size - FRAMES_OFFSET) / 3 };
        let header = Damage::FlippedBit { offset_bytes: 44, bit: 0 };
        for damage in flips.chain([cut, header, Damage::Missing]) {
            let damaged = disk.damaged(&path, &damage).expect("a file");
            let (alone, together, _) = both_ways(damaged);
            assert_eq!(alone, together, "{} {damage:?}", path.display());
        }
    }
}
