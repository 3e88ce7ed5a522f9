use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::bytes::{crc32c_resumed, put_varint};
use crate::model::{Code, EntryKind, Fault, GroupId, IndexRange, LogIndex, LogState, Severity};
use crate::store::salvage::Salvage;
use crate::store::{
    HeadPiece, Level, LogSource, RecordScan, RecordStatus, Store, StoreError, unwatched,
};
use crate::vfs::Fs;
use crate::vfs::os::OsFs;

/// Segments as etcd writes them, in a directory of their own.
pub(super) struct Made {
    dir: tempfile::TempDir,
    crc: u32,
    pub(super) segments: Vec<(String, Vec<u8>)>,
}

fn message(fields: &[(u64, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, value) in fields {
        put_varint(&mut out, number << 3);
        put_varint(&mut out, *value);
    }
    out
}

fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

impl Made {
    /// A log whose first segment begins as a new one does.
    pub(super) fn new() -> Made {
        let mut made = Made::purged(0, 0);
        made.marker(0, 0);
        made
    }

    /// A log of which the segments before the one of this name are gone.
    fn purged(sequence: u64, index: u64) -> Made {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("member/wal")).unwrap();
        let mut made = Made { dir, crc: 0x1234 * u32::from(sequence > 0), segments: Vec::new() };
        made.cut(sequence, index);
        made
    }

    pub(super) fn cut(&mut self, sequence: u64, index: u64) {
        self.segments.push((format!("{sequence:016x}-{index:016x}.wal"), Vec::new()));
        self.seed(self.crc);
        self.metadata(17);
    }

    pub(super) fn seed(&mut self, crc: u32) {
        self.record(4, crc, None);
        self.crc = crc;
    }

    pub(super) fn metadata(&mut self, node: u64) {
        self.checked(1, &message(&[(1, node), (2, 34)]));
    }

    fn record(&mut self, kind: u64, crc: u32, data: Option<&[u8]>) {
        let mut record = message(&[(1, kind), (2, crc.into())]);
        if let Some(data) = data {
            put_bytes(&mut record, 3, data);
        }
        let padding = (8 - record.len() % 8) % 8;
        let top = if padding > 0 { (0x80 | padding as u64) << 56 } else { 0 };
        let out = &mut self.segments.last_mut().unwrap().1;
        out.extend_from_slice(&(record.len() as u64 | top).to_le_bytes());
        out.extend_from_slice(&record);
        out.resize(out.len() + padding, 0);
    }

    pub(super) fn checked(&mut self, kind: u64, data: &[u8]) {
        self.crc = crc32c_resumed(self.crc, data);
        self.record(kind, self.crc, Some(data));
    }

    pub(super) fn entry(&mut self, index: u64, term: u64, contents: &[u8]) {
        let mut data = message(&[(1, 0), (2, term), (3, index)]);
        put_bytes(&mut data, 4, contents);
        self.checked(2, &data);
    }

    pub(super) fn entries(&mut self, indexes: std::ops::RangeInclusive<u64>, term: u64) {
        indexes.for_each(|index| self.entry(index, term, b"contents"));
    }

    pub(super) fn state(&mut self, term: u64, commit: u64) {
        self.voted(term, 7, commit);
    }

    pub(super) fn voted(&mut self, term: u64, vote: u64, commit: u64) {
        self.checked(3, &message(&[(1, term), (2, vote), (3, commit)]));
    }

    pub(super) fn marker(&mut self, index: u64, term: u64) {
        self.checked(5, &message(&[(1, index), (2, term)]));
    }

    /// A `.snap` file as etcd writes it.
    fn snap(&self, index: u64, term: u64) -> PathBuf {
        let mut metadata = Vec::new();
        put_bytes(&mut metadata, 1, &message(&[(1, 17), (1, 18), (2, 19)]));
        metadata.extend(message(&[(2, index), (3, term)]));
        let mut data = Vec::new();
        put_bytes(&mut data, 1, b"{\"Root\":{}}");
        put_bytes(&mut data, 2, &metadata);
        let mut whole = message(&[(1, crc32c_resumed(0, &data).into())]);
        put_bytes(&mut whole, 2, &data);
        let dir = self.dir.path().join("member/snap");
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("{term:016x}-{index:016x}.snap"));
        fs::write(&path, whole).unwrap();
        path
    }

    fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.segments.last_mut().unwrap().1
    }

    pub(super) fn wal(&self) -> PathBuf {
        self.dir.path().join("member/wal")
    }

    fn open(&self) -> EtcdWalStore {
        let wal = self.wal();
        for (name, bytes) in &self.segments {
            fs::write(wal.join(name), bytes).unwrap();
        }
        EtcdWalStore::open(&os(), &wal, false, None, &mut unwatched).unwrap()
    }
}

fn os() -> Arc<dyn Fs> {
    Arc::new(OsFs)
}

fn state(store: &EtcdWalStore) -> LogState {
    store.state(&GroupId::Unnamed).unwrap()
}

/// Index and term of every entry; damage as `None`.
fn log(store: &EtcdWalStore) -> Vec<Option<(u64, u64)>> {
    let entries = store.entries(&GroupId::Unnamed, IndexRange::ALL).unwrap();
    let found: Vec<_> = entries
        .map(|entry| match entry {
            Ok(located) => Some((located.entry.index.0, located.entry.term.0)),
            Err(StoreError::Fault(_)) => None,
            Err(error) => panic!("{error}"),
        })
        .collect();
    let mut from_runs = Vec::new();
    for piece in store.head_runs(&GroupId::Unnamed, IndexRange::ALL).unwrap() {
        match piece {
            Ok(HeadPiece::Run(run)) => {
                let indexes = run.range.first().0..=run.range.last().0;
                from_runs.extend(indexes.map(|index| Some((index, run.term.0))));
            }
            Ok(HeadPiece::One(one)) => from_runs.push(Some((one.head.index.0, one.head.term.0))),
            Err(_) => from_runs.push(None),
        }
    }
    assert_eq!(found, from_runs, "heads and entries agree");
    found
}

fn expect(spans: &[(std::ops::RangeInclusive<u64>, u64)]) -> Vec<Option<(u64, u64)>> {
    let all = spans.iter().flat_map(|(span, term)| span.clone().map(|index| (index, *term)));
    all.map(Some).collect()
}

/// Codes and severities of what opening found, leftovers aside.
fn told(store: &EtcdWalStore) -> Vec<(Code, Severity)> {
    let tell = |fault: &Fault| (fault.code, fault.severity);
    store.opening_faults().iter().map(tell).collect()
}

const TORN: (Code, Severity) = (Code::R114, Severity::Warning);
const DAMAGE: (Code, Severity) = (Code::R115, Severity::Error);

#[test]
fn an_index_that_is_written_again_removes_itself_and_everything_above() {
    let mut made = Made::new();
    made.entries(1..=3000, 1);
    made.entries(2040..=2041, 2);
    made.state(2, 2041);
    let store = made.open();
    assert_eq!(log(&store), expect(&[(1..=2039, 1), (2040..=2041, 2)]));
    assert_eq!(told(&store), []);
    let checked = store.check(Level::Full, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    let superseded = checked.counts.iter().find(|(name, _)| *name == "superseded records");
    assert_eq!(superseded.unwrap().1, 3000 - 2039);
    let hard = state(&store).hard;
    assert_eq!((hard.term.unwrap().0, hard.commit.unwrap().0), (2, 2041));
    // Any range begins where it says.
    for (first, last) in [(1, 1), (1024, 1025), (2039, 2040), (2041, 9999), (5000, 6000)] {
        let range = IndexRange::new(LogIndex(first), LogIndex(last)).unwrap();
        let entries = store.entries(&GroupId::Unnamed, range).unwrap();
        let found: Vec<u64> = entries.map(|one| one.unwrap().entry.index.0).collect();
        let wanted: Vec<u64> = (first..=last.min(2041)).collect();
        assert_eq!(found, wanted);
    }
}

#[test]
fn a_log_begins_behind_the_newest_snapshot_that_counts() {
    let mut made = Made::new();
    made.entries(1..=30, 1);
    made.marker(10, 1);
    made.marker(20, 1);
    made.state(1, 25);
    made.marker(30, 1);
    let markers_alone = made.open();
    assert_eq!(log(&markers_alone).len(), 30, "no file, and nothing is missing without");
    assert_eq!(state(&markers_alone).compacted, None);
    made.snap(10, 1);
    let twenty = made.snap(20, 1);
    made.snap(30, 1);
    // An orphan of a crash: no marker names it.
    made.snap(24, 1);
    let store = made.open();
    assert_eq!(log(&store), expect(&[(21..=30, 1)]), "30 is above the commit index");
    let told_of = state(&store);
    assert_eq!(told_of.compacted.unwrap().index.0, 20);
    let snapshot = told_of.snapshot.unwrap();
    assert_eq!(snapshot.id.unwrap(), "0000000000000001-0000000000000014.snap");
    assert_eq!(&*snapshot.note, &[8, 17, 8, 18, 0x10, 19]);
    // One that does not verify counts for nothing.
    let mut bytes = fs::read(&twenty).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&twenty, bytes).unwrap();
    assert_eq!(log(&made.open()), expect(&[(11..=30, 1)]));
    let alone = EtcdWalStore::open(&os(), &made.wal(), true, None, &mut unwatched).unwrap();
    assert_eq!(log(&alone).len(), 30, "what lies beside is left out");
}

#[test]
fn a_snapshot_from_a_leader_explains_the_hole() {
    let mut made = Made::new();
    made.entries(1..=5, 1);
    made.marker(100, 2);
    made.state(2, 100);
    made.entries(101..=103, 2);
    let store = made.open();
    assert_eq!(log(&store), expect(&[(101..=103, 2)]), "the marker alone must do");
    assert_eq!(told(&store), [(Code::R121, Severity::Info)], "no directory of snapshots in view");
    made.snap(3, 1);
    assert_eq!(told(&made.open()), [(Code::R121, Severity::Warning)]);
    made.snap(100, 2);
    let store = made.open();
    assert_eq!((log(&store), told(&store)), (expect(&[(101..=103, 2)]), vec![]));
}

#[test]
fn a_hole_that_no_snapshot_explains_is_damage_also_where_the_log_begins_behind_it() {
    let made = |kind: u64, marker: bool| {
        let mut made = Made::new();
        made.entries(1..=4, 1);
        // No state before it, so that nothing speaks against this being one.
        // A changed type: the checksum covers the data alone.
        made.checked(kind, &message(&[(1, 0), (2, 1), (3, 5)]));
        made.entries(6..=30, 1);
        if marker {
            made.marker(5, 1);
        }
        made.marker(20, 1);
        made.state(1, 30);
        made
    };
    let later = expect(&[(21..=30, 1)]);
    let whole = made(2, false);
    assert_eq!((told(&whole.open()), log(&whole.open()).len()), (vec![], 30));
    let changed = made(3, false);
    let out_of_view = (Code::R121, Severity::Info);
    assert_eq!((told(&changed.open()), log(&changed.open())), (vec![out_of_view, DAMAGE], later));
    assert_eq!(changed.open().opening_faults()[1].index, Some(LogIndex(5)));
    changed.snap(20, 1);
    assert_eq!(told(&changed.open()), [DAMAGE], "nor is it sound with the snapshot in view");
    let installed = made(3, true);
    installed.snap(20, 1);
    assert_eq!(told(&installed.open()), [], "a snapshot through 5 came from a leader");
}

#[test]
fn a_log_that_begins_later_than_its_first_segment_says_is_damaged() {
    let made = |name: (u64, u64), first: u64| {
        let mut made = Made::purged(name.0, name.1);
        made.state(1, 20);
        made.entries(first..=20, 1);
        told(&made.open())
    };
    assert_eq!((made((0, 0), 1), made((0, 0), 2)), (vec![], vec![DAMAGE]));
    assert_eq!(
        (made((3, 9), 9), made((3, 9), 7), made((3, 9), 10)),
        (vec![], vec![], vec![DAMAGE])
    );
    let mut converted = Made::new();
    converted.marker(9, 1);
    converted.state(1, 20);
    converted.entries(10..=20, 1);
    converted.snap(9, 1);
    assert_eq!(told(&converted.open()), [], "the marker says what is before it");
}

#[test]
fn an_entry_that_reads_as_a_state_is_told_by_its_term() {
    let mut made = Made::new();
    made.entries(1..=9, 1);
    made.state(2, 9);
    // Written again in term 2: with another type the entry of term 1 would stay.
    made.checked(3, &message(&[(1, 0), (2, 2), (3, 9)]));
    made.entries(10..=12, 2);
    made.state(2, 12);
    let store = made.open();
    assert_eq!(told(&store), [DAMAGE]);
    assert_eq!(state(&store).hard.term.unwrap().0, 2);
}

#[test]
fn a_write_whose_state_is_missing_is_left_out_of_what_is_salvaged() {
    let mut made = Made::new();
    made.entries(1..=8, 1);
    made.state(1, 6);
    let whole = made.bytes().len();
    // From another leader, over what was not committed; the state of term 2 was not written.
    made.entries(7..=9, 2);
    let store = made.open();
    assert_eq!((told(&store), log(&store).len()), (vec![], 9));
    let salvage = EtcdWalSalvage::open(&os(), &made.wal(), None, &mut unwatched).unwrap();
    let dropped = &salvage.salvaged(&GroupId::Unnamed).dropped;
    assert_eq!((dropped.len(), dropped[0].code), (1, Code::R114));
    assert_eq!(dropped[0].place.as_ref().unwrap().offset_bytes, whole as u64);
    assert_eq!(salvage.salvaged(&GroupId::Unnamed).open_end, None);
    let entries = salvage.entries(&GroupId::Unnamed).unwrap();
    let found: Vec<_> = entries.map(|one| one.unwrap().entry.index.0).collect();
    assert_eq!(found, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_log_in_very_many_pieces_is_read_as_far_as_memory_goes() {
    let mut made = Made::new();
    let pieces = 1u64 << 18;
    // Each is written twice, the second time after the one that follows it.
    (1..=pieces + 100).for_each(|index| {
        made.entry(index, 1, b"");
        made.entry(index + 1, 1, b"");
    });
    made.state(1, 5);
    let store = made.open();
    assert_eq!(told(&store), [DAMAGE]);
    assert!(store.opening_faults()[0].to_string().contains("nothing from here on"));
    let last = state(&store).bounds.unwrap().last().0;
    assert!((pieces - 2..=pieces + 2).contains(&last), "{last}");
}

#[test]
fn holes_end_pieces_and_very_many_do_not() {
    let mut made = Made::new();
    (0..5000u64).for_each(|at| made.entry(1 + at * 2, 1, b""));
    made.state(1, 1);
    let store = made.open();
    let wanted: Vec<_> = (0..5000).map(|at| Some((1 + at * 2, 1))).collect();
    assert_eq!(log(&store), wanted);
    assert_eq!(told(&store), [], "the rules tell of holes above the start");
}

#[test]
fn what_is_written_below_the_start_removes_nothing_above_it() {
    let mut made = Made::new();
    made.entries(1..=10, 1);
    made.marker(8, 1);
    made.state(1, 8);
    // Behind the snapshot's back: a reader that begins there passes over it.
    made.entry(5, 1, b"");
    assert_eq!(log(&made.open()), expect(&[(1..=5, 1)]));
    made.snap(8, 1);
    assert_eq!(log(&made.open()), expect(&[(9..=10, 1)]));
}

#[test]
fn segments_follow_one_another_by_number_and_checksum() {
    let made = || {
        let mut made = Made::new();
        made.entries(1..=3, 1);
        made.cut(1, 4);
        made.entries(4..=6, 1);
        made.cut(2, 7);
        made.entries(7..=9, 1);
        made.state(1, 9);
        made
    };
    assert_eq!((told(&made().open()), log(&made().open()).len()), (vec![], 9));
    let mut gap = made();
    gap.segments.remove(1);
    let broken = (Code::R116, Severity::Error);
    assert_eq!(told(&gap.open()), [broken, broken], "the chain and the names both say it");
    let mut swapped = made();
    let (name, other) = (swapped.segments[1].0.clone(), swapped.segments[2].0.clone());
    (swapped.segments[1].0, swapped.segments[2].0) = (other, name);
    assert!(told(&swapped.open()).contains(&broken));
    let mut twice = made();
    let copy = twice.segments[2].1.clone();
    twice.segments.push((format!("{:016x}-{:016x}.wal", 3, 7), copy));
    assert!(told(&twice.open()).contains(&broken));
    let mut cut = made();
    cut.segments[1].1.truncate(90);
    assert_eq!(told(&cut.open())[0], DAMAGE, "an early end of any but the newest");
    let mut zero = made();
    zero.segments[1].1.extend([0; 64]);
    assert_eq!(told(&zero.open())[0], DAMAGE, "a sealed segment has no reserved space");
}

#[test]
fn a_segment_whose_name_says_another_index_than_the_records_before_it_is_told() {
    let made = |index: u64| {
        let mut made = Made::new();
        made.entries(1..=6, 1);
        made.state(1, 6);
        made.cut(1, index);
        made.entries(7..=9, 1);
        made.state(1, 9);
        made
    };
    let misnamed = (Code::R121, Severity::Warning);
    assert_eq!(told(&made(7).open()), []);
    // Behind a snapshot through 3 etcd would begin in it.
    let low = made(2).open();
    assert_eq!(told(&low), [misnamed]);
    let said = low.opening_faults()[0].kind.to_string();
    assert!(said.contains("says that 2 comes first") && said.contains("that 7 does"), "{said}");
    assert_eq!(told(&made(255).open()), [misnamed]);
    // What was written again in front of the cut, and a snapshot from a leader, move the index.
    let mut again = Made::new();
    again.entries(1..=6, 1);
    again.entries(4..=4, 2);
    again.state(2, 4);
    again.cut(1, 5);
    again.entries(5..=5, 2);
    assert_eq!(told(&again.open()), []);
    for name in [91, 7] {
        let mut sent = Made::new();
        sent.entries(1..=6, 1);
        sent.marker(90, 1);
        sent.state(1, 90);
        // etcd that was started anew in between knows of the entries only.
        sent.cut(1, name);
        sent.entries(91..=92, 1);
        sent.snap(90, 1);
        assert_eq!(told(&sent.open()), [], "{name}");
    }
}

#[test]
fn metadata_that_are_not_the_same_bytes_in_all_segments_are_damage() {
    let made = |first: &[u8], second: &[u8]| {
        let mut made = Made::new();
        let first_bytes = made.segments.remove(0);
        drop(first_bytes);
        made.crc = 0;
        for (sequence, data) in [first, second].into_iter().enumerate() {
            let (sequence, next) = (sequence as u64, sequence as u64 * 3 + 1);
            let name = format!("{sequence:016x}-{:016x}.wal", sequence * next);
            made.segments.push((name, Vec::new()));
            made.seed(made.crc);
            made.checked(1, data);
            made.entries(next..=next + 2, 1);
        }
        made.state(1, 6);
        told(&made.open())
    };
    let etcds = message(&[(1, 17), (2, 34)]);
    assert_eq!(made(&etcds, &etcds), []);
    assert_eq!(made(b"hello", b"hello"), [], "others keep what they like there");
    assert_eq!(made(b"", b"hello"), [], "etcd takes nothing for not said yet");
    assert_eq!(made(&etcds, b"hello"), [DAMAGE]);
    assert_eq!(made(b"hello", &etcds), [DAMAGE]);
    assert_eq!(made(&etcds, b""), [DAMAGE]);
    assert_eq!(made(&etcds, &message(&[(2, 34), (1, 17)])), [DAMAGE], "etcd compares bytes");
}

#[test]
fn two_votes_in_a_term_and_a_commit_index_that_falls_are_told() {
    let made = |states: &[(u64, u64, u64)]| {
        let mut made = Made::new();
        made.entries(1..=9, 3);
        states.iter().for_each(|(term, vote, commit)| made.voted(*term, *vote, *commit));
        let store = made.open();
        let state = state(&store).hard;
        (told(&store), state.commit.map(|commit| commit.0))
    };
    let turned = (Code::R106, Severity::Error);
    assert_eq!(made(&[(3, 0, 4), (3, 7, 4), (3, 7, 9)]), (vec![], Some(9)));
    assert_eq!(made(&[(3, 7, 4), (4, 8, 9)]), (vec![], Some(9)));
    assert_eq!(made(&[(3, 7, 4), (3, 8, 9)]), (vec![turned], Some(9)));
    // The newest state counts, as for etcd.
    assert_eq!(made(&[(3, 7, 9), (3, 7, 4)]), (vec![turned], Some(4)));
}

#[test]
fn a_newest_segment_without_a_record_is_told_as_torn() {
    for bytes in [0, 64 << 10] {
        let mut made = Made::new();
        made.entries(1..=3, 1);
        made.state(1, 3);
        made.segments.push((format!("{:016x}-{:016x}.wal", 1, 4), vec![0; bytes]));
        let store = made.open();
        assert_eq!((told(&store), log(&store).len()), (vec![TORN], 3));
        let salvage = EtcdWalSalvage::open(&os(), &made.wal(), None, &mut unwatched).unwrap();
        assert_eq!(salvage.salvaged(&GroupId::Unnamed).open_end, None);
        assert_eq!(salvage.entries(&GroupId::Unnamed).unwrap().count(), 3);
    }
}

/// Five segments of 20 entries; snapshots through 25, whose marker is in the second, and through
/// 45, whose marker is in the third.
fn five() -> Made {
    let mut made = Made::new();
    for at in 0..5u64 {
        made.entries(at * 20 + 1..=at * 20 + 20, 1);
        made.state(1, at * 20 + 20);
        if let Some(index) = [None, Some(25), Some(45)].get(at as usize).copied().flatten() {
            made.marker(index, 1);
            made.snap(index, 1);
        }
        if at < 4 {
            made.cut(at + 1, at * 20 + 21);
        }
    }
    made
}

#[test]
fn a_salvage_begins_behind_a_snapshot_and_ends_at_the_next_damage() {
    let salvaged = |flips: &[(usize, usize)]| {
        let mut made = five();
        for (segment, entry) in flips {
            // Each frame of an entry is as long as the others of its segment.
            let bytes = &mut made.segments[*segment].1;
            let at = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"contents"));
            let at = at.collect::<Vec<_>>()[*entry];
            bytes[at] ^= 0x20;
        }
        drop(made.open());
        let salvage = EtcdWalSalvage::open(&os(), &made.wal(), None, &mut unwatched).unwrap();
        let told = salvage.salvaged(&GroupId::Unnamed).clone();
        let entries = salvage.entries(&GroupId::Unnamed).unwrap();
        let indexes: Vec<u64> = entries.map(|one| one.unwrap().entry.index.0).collect();
        let words = told.dropped.iter().map(|fault| fault.kind.to_string()).collect::<String>();
        let bounds = (indexes.first().copied(), indexes.last().copied());
        (bounds, told.open_begin, told.open_end.map(|at| at.map(|at| at.0)), words)
    };
    let (bounds, begin, end, words) = salvaged(&[(0, 3)]);
    assert_eq!((bounds, begin, end), ((Some(46), Some(100)), true, None), "{words}");
    // Entry 91 is damaged as well: the log goes on to the one before.
    let (bounds, begin, end, words) = salvaged(&[(0, 3), (4, 10)]);
    assert_eq!((bounds, begin, end), ((Some(46), Some(90)), true, Some(Some(90))), "{words}");
    assert!(words.contains("snapshot through 45 holds all"), "{words}");
    assert!(!words.contains("serves nothing"), "{words}");
    // The newest snapshot's segment is damaged before its marker: the one before serves.
    let (bounds, begin, end, words) = salvaged(&[(0, 3), (2, 10)]);
    assert_eq!((bounds, begin, end), ((Some(26), Some(50)), true, Some(Some(50))), "{words}");
    assert!(words.contains("snapshot through 25 holds all"), "{words}");
    assert!(words.contains("a segment behind the damage"), "{words}");
    // Nothing serves: the sound beginning.
    let (bounds, begin, end, words) = salvaged(&[(1, 0), (2, 0)]);
    assert_eq!((bounds, begin, end), ((Some(1), Some(20)), false, Some(Some(20))), "{words}");
    assert!(words.contains("snapshot through 45 serves nothing"), "{words}");
}

#[test]
fn a_log_whose_front_was_removed_begins_with_any_checksum() {
    let mut made = Made::purged(3, 40);
    made.state(2, 45);
    made.entries(40..=50, 2);
    made.marker(42, 2);
    made.snap(42, 2);
    let store = made.open();
    assert_eq!((log(&store), told(&store)), (expect(&[(43..=50, 2)]), vec![]));
    let mut made = Made::purged(3, 43);
    made.state(2, 45);
    made.entries(43..=50, 2);
    made.marker(42, 2);
    made.snap(42, 2);
    let store = made.open();
    assert_eq!(log(&store).len(), 8);
    assert_eq!(told(&store), [(Code::R121, Severity::Warning)], "etcd finds no segment for 42");
}

#[test]
fn a_torn_write_is_told_from_damage_by_sectors_of_zeros() {
    let made = || {
        let mut made = Made::new();
        made.entries(1..=3, 1);
        made.state(1, 3);
        let at = made.bytes().len();
        made.entry(4, 1, &[7; 4000]);
        (made, at)
    };
    let (mut torn, at) = made();
    torn.bytes()[2048..].fill(0);
    let store = torn.open();
    assert_eq!((told(&store), log(&store).len()), (vec![TORN], 3));
    let (mut records, mut last) = (Vec::new(), None);
    store
        .scan(&mut |record| {
            records.push(record.status);
            last = Some(record.place.offset_bytes);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((records.pop(), last), (Some(RecordStatus::Torn), Some(at as u64)));
    // The same, but a record follows that goes on from it: etcd would cut both.
    let (mut followed, _) = made();
    followed.bytes()[2048..2560].fill(0);
    followed.state(1, 4);
    let store = followed.open();
    assert_eq!(told(&store), [DAMAGE]);
    assert!(store.opening_faults()[0].kind.to_string().contains("etcd would cut"));
    // A flipped bit leaves no sector of zeros.
    let (mut flipped, _) = made();
    flipped.bytes()[3000] ^= 1;
    assert_eq!(told(&flipped.open()), [DAMAGE]);
    for cut in [1, 8, 100, 3999] {
        let (mut short, _) = made();
        let len = short.bytes().len() - cut;
        short.bytes().truncate(len);
        assert_eq!(told(&short.open()), [TORN], "cut by {cut}");
    }
}

#[test]
fn a_length_of_zero_with_records_behind_it_is_damage_and_with_other_bytes_is_not() {
    let mut made = Made::new();
    made.entries(1..=3, 1);
    let at = made.bytes().len();
    made.entries(4..=8, 1);
    let whole = made.bytes().clone();
    made.bytes()[at..at + 8].fill(0);
    let store = made.open();
    assert_eq!((told(&store), log(&store).len()), (vec![DAMAGE], 3));
    *made.bytes() = whole[..at].to_vec();
    made.bytes().resize(at + 4096, 0);
    assert_eq!(told(&made.open()), [], "reserved space");
    made.bytes()[at + 1000..at + 1064].fill(0xa5);
    assert_eq!(told(&made.open()), [TORN]);
    // A length that reaches beyond the file, with records behind it.
    *made.bytes() = whole.clone();
    made.bytes()[at + 3] = 0x7f;
    assert_eq!(told(&made.open()), [DAMAGE]);
}

#[test]
fn a_damaged_entry_is_named_where_it_would_be_and_the_others_are_read() {
    let mut made = Made::new();
    made.entries(1..=3, 1);
    let at = made.bytes().len();
    made.entries(4..=8, 1);
    made.state(1, 8);
    made.bytes()[at + 30] ^= 0x40;
    let store = made.open();
    assert_eq!(told(&store), [DAMAGE], "later records are judged by themselves");
    let mut wanted = expect(&[(1..=3, 1), (5..=8, 1)]);
    wanted.insert(3, None);
    assert_eq!(log(&store), wanted);
    assert_eq!(store.opening_faults()[0].place.as_ref().unwrap().offset_bytes, at as u64);
}

#[test]
fn what_a_record_may_not_be_is_damage_although_its_checksum_fits() {
    let made = |kind: u64, data: &[u8]| {
        let mut made = Made::new();
        made.entries(1..=2, 1);
        made.checked(kind, data);
        made.entries(3..=4, 1);
        told(&made.open())
    };
    assert_eq!(made(7, b"anything"), [DAMAGE]);
    assert_eq!(made(2, &[0x1b]), [DAMAGE]);
    assert_eq!(made(3, &[0x1a, 9]), [DAMAGE]);
    assert_eq!(made(1, &message(&[(1, 18), (2, 34)])), [DAMAGE], "another member's");
    assert_eq!(made(1, &message(&[(1, 17), (2, 34)])), []);
}

#[test]
fn a_marker_that_contradicts_its_entry_is_named() {
    let mut made = Made::new();
    made.entries(1..=9, 3);
    made.marker(5, 2);
    made.state(3, 9);
    assert_eq!(told(&made.open()), [(Code::R108, Severity::Error)]);
}

#[test]
fn node_and_cluster_become_stable_keys() {
    let mut made = Made::new();
    made.entries(1..=1, 1);
    let state = state(&made.open());
    let keys = [NODE_ID_KEY, CLUSTER_ID_KEY].map(|key| state.stable[key].as_u64().unwrap());
    assert_eq!(keys, [17, 34]);
    assert_eq!(state.hard, Default::default(), "no state was written");
}

#[test]
fn what_is_written_to_measure_on_reads_as_etcds() {
    let dir = tempfile::tempdir().unwrap();
    let wal = dir.path().join("wal");
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let metadata = Metadata { node: 17, cluster: 34 };
    let mut writer = SegmentWriter::create(&fs, &wal, metadata).unwrap();
    let payload = crate::model::SharedBytes::from(vec![7; 1 << 20]);
    let entry = |index: u64| crate::model::Entry {
        index: LogIndex(index),
        term: crate::model::Term(2),
        kind: EntryKind::Command,
        kind_code: Some(0),
        payload: Some(payload.clone()),
        extra: Default::default(),
    };
    (1..=70).for_each(|index| writer.entry(&entry(index)).unwrap());
    writer.state(crate::model::Term(2), LogIndex(70)).unwrap();
    writer.finish().unwrap();
    let store = EtcdWalStore::open(&os(), &wal, false, None, &mut unwatched).unwrap();
    assert_eq!((told(&store), log(&store)), (vec![], expect(&[(1..=70, 2)])));
    let names: Vec<_> =
        segment_paths(&OsFs, &wal).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 2);
    assert_eq!((names[1].sequence, names[1].index), (1, 63), "the first behind 64,000,000 bytes");
}

#[test]
fn a_directory_without_segments_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("0.tmp"), [0; 16]).unwrap();
    let opened = EtcdWalStore::open(&os(), dir.path(), true, None, &mut unwatched);
    assert!(matches!(opened, Err(StoreError::NotFound { .. })));
    assert_eq!(segment_paths(&OsFs, dir.path()).unwrap(), []);
}
