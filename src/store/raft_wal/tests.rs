use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{CODEC, FrameHead, Header, SegmentName};
use super::meta::{META, META_KEY, NOT_SEALED, STABLE, SegmentInfo, State};
use super::*;
use crate::bytes::crc32c_resumed;
use crate::model::{
    AppendInstant, AppendTime, Candidate, Code, Entry, EntryExtra, EntryKind, Fault, GroupId,
    HardState, IndexRange, LogIndex, LogState, Severity, SharedBytes, StableValue, Term, TimeForm,
    Vote, Zone,
};
use crate::store::bolt::{PAGE_BYTES_USUAL, Writer};
use crate::store::codec::encode_wal;
use crate::store::salvage::Salvage;
use crate::store::target::Target;
use crate::store::{
    HeadPiece, Level, LogSink, LogSource, Record, RecordScan, RecordStatus, Store, StoreError,
};
use crate::vfs::sim::{Profile as DiskProfile, SimFs};
use crate::vfs::{Fs, OpenMode};

const DIR: &str = "/wal";
/// No fault.
const NONE: [(Code, Severity); 0] = [];
/// Breaks the bytes of a segment.
type Change = Box<dyn Fn(&Raw, &mut Vec<u8>)>;
const SEALED: &str = "2026-11-21T04:13:30.403469705Z";

fn entry(index: u64, term: u64, payload: &[u8]) -> Entry {
    let instant = AppendInstant {
        unix_seconds: 1_790_000_000 + index.cast_signed(),
        nanoseconds: 7,
        form: TimeForm::Old,
        zone: Zone::Utc,
    };
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: EntryKind::Command,
        kind_code: Some(0),
        payload: (!payload.is_empty()).then(|| SharedBytes::from(payload)),
        extra: EntryExtra { appended_at: AppendTime::At(instant), ..EntryExtra::default() },
    }
}

/// Entries of different lengths, some of them empty, some with extensions.
fn entries(range: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    range
        .map(|index| {
            let len = usize::try_from(index * 37 % 300).expect("small");
            let mut entry = entry(index, 1 + index / 100, &vec![index.to_le_bytes()[0]; len]);
            if index % 5 == 0 {
                entry.extra.extensions = Some(SharedBytes::from(&b"extension"[..]));
            }
            entry
        })
        .collect()
}

fn state() -> LogState {
    let vote = Vote { term: Some(Term(3)), candidate: Some(Candidate::Bytes(b"n1"[..].into())) };
    let mut state = LogState {
        hard: HardState { term: Some(Term(99)), vote: Some(vote), commit: None },
        ..LogState::default()
    };
    state.stable.insert(b"app".to_vec(), StableValue::bytes(b"value"));
    state
}

fn written(entries: &[Entry], segment_bytes: Option<u64>) -> Arc<dyn Fs> {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(DiskProfile::StrictPosix));
    let target = Target::check(Arc::clone(&fs), Path::new(DIR), false).expect("free");
    let mut sink = Box::new(RaftWalSink::create(target, segment_bytes).expect("created"));
    sink.begin_group(&GroupId::Unnamed, &state()).expect("begun");
    entries.chunks(700).for_each(|batch| sink.append(batch).expect("appended"));
    sink.seal().expect("sealed").publish().expect("published");
    fs
}

fn opened(fs: &Arc<dyn Fs>) -> RaftWalStore {
    RaftWalStore::open(fs, Path::new(DIR), None).expect("opened")
}

fn read(store: &RaftWalStore, range: IndexRange) -> Vec<Result<Entry, Fault>> {
    let all = store.entries(&GroupId::Unnamed, range).expect("the group");
    let mut found = Vec::new();
    for located in all {
        found.push(match located {
            Ok(located) => Ok(located.entry),
            Err(StoreError::Fault(fault)) => Err(*fault),
            Err(error) => panic!("{error}"),
        });
    }
    found
}

/// Indexes that are read, and codes of what is not.
fn outline(store: &RaftWalStore) -> (Vec<u64>, Vec<Code>) {
    let (mut indexes, mut codes) = (Vec::new(), Vec::new());
    for item in read(store, IndexRange::ALL) {
        match item {
            Ok(entry) => indexes.push(entry.index.0),
            Err(fault) => codes.push(fault.code),
        }
    }
    (indexes, codes)
}

fn checked(store: &RaftWalStore) -> crate::store::Checked {
    store.check(Level::Full, &mut |_| ControlFlow::Continue(())).expect("checked")
}

fn faults(store: &RaftWalStore) -> Vec<(Code, Severity)> {
    let mut found: Vec<_> =
        checked(store).faults.iter().map(|fault| (fault.code, fault.severity)).collect();
    found.sort();
    found
}

fn codes(store: &RaftWalStore) -> Vec<Code> {
    faults(store).into_iter().map(|(code, _)| code).collect()
}

fn records(store: &RaftWalStore) -> Vec<Record> {
    let mut records = Vec::new();
    store
        .scan(&mut |record| {
            records.push(record);
            ControlFlow::Continue(())
        })
        .expect("scanned");
    records
}

fn range(first: u64, last: u64) -> IndexRange {
    IndexRange::new(LogIndex(first), LogIndex(last)).expect("a range")
}

/// The file of a segment, made by hand: batches of so many entries each, from `base` on.
struct Raw {
    name: SegmentName,
    bytes: Vec<u8>,
    /// Where each batch begins.
    starts: Vec<usize>,
    offsets: Vec<u32>,
    index_start: u64,
}

impl Raw {
    fn new(base: u64, id: u64, batches: &[u64], sealed: bool) -> Raw {
        let name = SegmentName { base, id };
        let (starts, offsets) = (Vec::new(), Vec::new());
        let mut raw = Raw { name, bytes: Vec::new(), starts, offsets, index_start: 0 };
        let mut next = base;
        for (number, count) in batches.iter().enumerate() {
            let start = raw.bytes.len();
            raw.starts.push(start);
            if number == 0 {
                Header { name, codec: CODEC }.write(&mut raw.bytes);
            }
            for entry in entries(next..=next + count - 1) {
                raw.offsets.push(u32::try_from(raw.bytes.len()).expect("small"));
                let mut payload = Vec::new();
                encode_wal(&entry, &mut payload).expect("encodes");
                let len = u32::try_from(payload.len()).expect("small");
                raw.bytes.extend_from_slice(&FrameHead::Entry(len).bytes());
                raw.bytes.extend_from_slice(&payload);
                raw.bytes.resize(raw.bytes.len().next_multiple_of(8), 0);
            }
            if sealed && number + 1 == batches.len() {
                raw.index();
            }
            raw.commit(start);
            next += count;
        }
        raw.starts.push(raw.bytes.len());
        raw
    }

    fn index(&mut self) {
        let len = u32::try_from(self.offsets.len() * 4).expect("small");
        self.bytes.extend_from_slice(&FrameHead::Index(len).bytes());
        self.index_start = self.bytes.len() as u64;
        for offset in &self.offsets {
            self.bytes.extend_from_slice(&offset.to_le_bytes());
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    fn commit(&mut self, start: usize) {
        let crc = crc32c_resumed(0, &self.bytes[start..]);
        self.bytes.extend_from_slice(&FrameHead::Commit(crc).bytes());
    }

    fn info(&self) -> SegmentInfo {
        let last = self.name.base + self.offsets.len() as u64 - 1;
        let sealed = self.index_start != 0;
        SegmentInfo {
            id: self.name.id,
            base_index: self.name.base,
            min_index: self.name.base,
            max_index: if sealed { last } else { 0 },
            codec: CODEC,
            index_start: self.index_start,
            create_time: SEALED.to_owned(),
            seal_time: if sealed { SEALED } else { NOT_SEALED }.to_owned(),
            size_limit: 1 << 20,
        }
    }
}

fn path(name: SegmentName) -> PathBuf {
    Path::new(DIR).join(name.file())
}

fn put(fs: &dyn Fs, path: &Path, bytes: &[u8]) {
    let file = fs.open(path, OpenMode::CreateNew).expect("created");
    file.write_at(0, bytes).expect("written");
}

/// A directory of these segments; those without bytes have no file.
fn directory(segments: &[(SegmentInfo, Option<&[u8]>)]) -> Arc<dyn Fs> {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(DiskProfile::StrictPosix));
    fs.create_dir(Path::new(DIR)).expect("created");
    for (info, bytes) in segments {
        let name = SegmentName { base: info.base_index, id: info.id };
        if let Some(bytes) = bytes {
            put(fs.as_ref(), &path(name), bytes);
        }
    }
    let infos: Vec<SegmentInfo> = segments.iter().map(|(info, _)| info.clone()).collect();
    let next_segment_id = infos.iter().map(|info| info.id + 1).max().unwrap_or_default();
    let list = State { next_segment_id, segments: Some(infos) };
    let list = serde_json::to_vec(&list).expect("JSON");
    let meta = fs.open(&Path::new(DIR).join(META_FILE), OpenMode::CreateNew).expect("created");
    let mut writer = Writer::new(meta, PAGE_BYTES_USUAL);
    let stable = writer.end_bucket().expect("written");
    let put = writer.put(META_KEY, |out| {
        out.extend_from_slice(&list);
        Ok::<(), std::io::Error>(())
    });
    put.expect("written");
    let list = writer.end_bucket().expect("written");
    writer.finish(vec![(STABLE, stable), (META, list)]).expect("written");
    fs
}

/// A sealed segment of entries 1 to 30, and a tail of three batches from 31 to 60.
fn two() -> (Raw, Raw) {
    (Raw::new(1, 0, &[10, 1, 19], true), Raw::new(31, 1, &[10, 15, 5], false))
}

fn both<'a>(sealed: &'a Raw, tail: &'a Raw) -> [(SegmentInfo, Option<&'a [u8]>); 2] {
    [(sealed.info(), Some(&sealed.bytes)), (tail.info(), Some(&tail.bytes))]
}

/// The directory of [`two`] after `change` to the tail's bytes.
fn with_tail(change: impl FnOnce(&Raw, &mut Vec<u8>)) -> RaftWalStore {
    let (sealed, mut tail) = two();
    let mut bytes = tail.bytes.clone();
    change(&tail, &mut bytes);
    tail.bytes = bytes;
    opened(&directory(&both(&sealed, &tail)))
}

fn all(range: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn what_is_written_comes_back_from_many_segments_entry_by_entry() {
    let wanted = entries(900..=4_500);
    let fs = written(&wanted, Some(64 << 10));
    let store = opened(&fs);
    assert!(store.segments.len() > 5, "{} segments", store.segments.len());
    assert_eq!(store.segment_bytes(), Some(64 << 10));
    let found: Vec<Entry> =
        read(&store, IndexRange::ALL).into_iter().map(|entry| entry.expect("sound")).collect();
    assert_eq!(found, wanted);
    assert_eq!(faults(&store), NONE);
    let state = store.state(&GroupId::Unnamed).expect("state");
    assert_eq!(state.bounds, Some(range(900, 4_500)));
    assert_eq!(state.hard, super::tests::state().hard);
    assert_eq!(&*state.stable[&b"app"[..]].bytes, b"value");
    assert_eq!(&*state.stable[&b"CurrentTerm"[..]].bytes, 99u64.to_le_bytes());
    // With marks and without them the same is found in the middle.
    for store in [&store, &opened(&fs)] {
        for (first, last) in [(900, 900), (901, 905), (1_500, 2_700), (4_499, 9_000)] {
            let found = read(store, range(first, last));
            let found: Vec<Entry> = found.into_iter().map(|entry| entry.expect("sound")).collect();
            let within = |entry: &&Entry| (first..=last).contains(&entry.index.0);
            assert_eq!(found, wanted.iter().filter(within).cloned().collect::<Vec<_>>());
        }
    }
}

#[test]
fn runs_of_heads_tell_what_the_heads_tell() {
    let fs = written(&entries(1..=2_000), Some(64 << 10));
    let store = opened(&fs);
    let (mut entries, mut bytes, mut runs) = (0, 0, 0);
    for piece in store.head_runs(&GroupId::Unnamed, IndexRange::ALL).expect("runs") {
        let HeadPiece::Run(run) = piece.expect("sound") else { panic!("a run") };
        (entries, bytes, runs) = (entries + run.range.count(), bytes + run.payload_bytes, runs + 1);
    }
    let heads = store.heads(&GroupId::Unnamed, IndexRange::ALL).expect("heads");
    let heads: Vec<u64> = heads.map(|head| head.expect("sound").head.payload_len_bytes).collect();
    assert_eq!((entries, bytes), (heads.len() as u64, heads.iter().sum()));
    assert!((21..60).contains(&runs), "{runs} runs of 21 terms");
}

#[test]
fn an_empty_log_has_a_tail_that_the_library_replaces() {
    let fs = written(&[], None);
    let store = opened(&fs);
    assert_eq!(store.state(&GroupId::Unnamed).expect("state").bounds, None);
    assert_eq!(outline(&store), (vec![], vec![]));
    assert_eq!(faults(&store), NONE);
    assert_eq!(store.segment_bytes(), Some(64 << 20));
    let tail = SegmentName { base: 1, id: 0 };
    assert_eq!(fs.metadata(&path(tail)).expect("the tail").size_bytes, 0);
}

#[test]
fn holes_index_zero_and_entries_beyond_64_mib_are_not_written() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(DiskProfile::StrictPosix));
    let refused = |entries: &[Entry]| {
        let target = Target::check(Arc::clone(&fs), Path::new(DIR), false).expect("free");
        let mut sink = RaftWalSink::create(target, None).expect("created");
        sink.begin_group(&GroupId::Unnamed, &state()).expect("begun");
        let error = sink.append(entries).expect_err("refused").to_string();
        drop(sink);
        assert!(fs.symlink_metadata(Path::new("/wal.partial")).is_err(), "left behind");
        error
    };
    assert!(refused(&[entry(1, 1, b""), entry(3, 1, b"")]).contains("index 3"));
    assert!(refused(&[entry(0, 1, b"")]).contains("index 0"));
    let limit = usize::try_from(format::PAYLOAD_BYTES_MAX).expect("fits");
    assert!(refused(&[entry(1, 1, &vec![0; limit])]).contains("beyond 67108864"));
}

#[test]
fn a_tail_is_read_as_far_as_the_librarys_recovery_keeps_it() {
    let whole = with_tail(|_, _| {});
    assert_eq!(outline(&whole), (all(1..=60), vec![]));
    assert_eq!(faults(&whole), NONE);
    // Preallocated zeros are no tear.
    assert_eq!(faults(&with_tail(|_, bytes| bytes.resize(1 << 20, 0))), NONE);
    let torn = [(Code::R114, Severity::Warning)];
    let cases: [(&str, Change, u64); 6] = [
        ("last batch flipped", Box::new(|raw, bytes| bytes[raw.starts[2] + 20] ^= 1), 55),
        ("last commit cut off", Box::new(|_, bytes| bytes.truncate(bytes.len() - 8)), 55),
        ("cut inside an entry", Box::new(|_, bytes| bytes.truncate(bytes.len() - 60)), 55),
        ("cut behind one byte", Box::new(|raw, bytes| bytes.truncate(raw.starts[2] + 1)), 55),
        ("cut in the second", Box::new(|raw, bytes| bytes.truncate(raw.starts[1] + 100)), 40),
        (
            "zeros in the last",
            Box::new(|raw, bytes| bytes[raw.starts[2] + 8..raw.starts[2] + 400].fill(0)),
            55,
        ),
    ];
    for (name, change, last) in cases {
        let store = with_tail(change);
        assert_eq!(outline(&store), (all(1..=last), vec![]), "{name}");
        assert_eq!(faults(&store), torn, "{name}");
        assert!(checked(&store).torn_bytes > 0, "{name}");
        assert!(records(&store).iter().any(|one| one.status == RecordStatus::Torn), "{name}");
    }
    let nothing = with_tail(|_, bytes| bytes.truncate(20));
    assert_eq!(outline(&nothing), (all(1..=30), vec![]));
}

#[test]
fn damage_that_the_library_does_not_see_is_corruption() {
    // A batch in the middle: the library reads it, here it is left out.
    let store = with_tail(|raw, bytes| bytes[raw.starts[1] + 20] ^= 1);
    let left = [all(1..=40), all(56..=60)].concat();
    assert_eq!(outline(&store), (left, vec![Code::R115]));
    assert_eq!(faults(&store), [(Code::R115, Severity::Error)]);
    // The last commit is trusted when an entry follows it.
    let store = with_tail(|raw, bytes| {
        bytes.truncate(raw.starts[2] + 100);
        bytes[raw.starts[1] + 20] ^= 1;
    });
    assert_eq!(outline(&store), (all(1..=40), vec![Code::R115]));
    assert_eq!(codes(&store), [Code::R114, Code::R115]);
    // What ends the library's recovery early is no tear when whole batches follow.
    for change in [0u8, 9] {
        let store = with_tail(|raw, bytes| bytes[raw.starts[1]..][..8].fill(change));
        assert_eq!(outline(&store).0, all(1..=40));
        assert_eq!(codes(&store), [Code::R115], "{change}");
    }
}

#[test]
fn a_seal_that_the_list_does_not_know_keeps_the_library_from_appending() {
    let (sealed, _) = two();
    let tail = Raw::new(31, 1, &[10, 15], true);
    let info = SegmentInfo {
        max_index: 0,
        index_start: 0,
        seal_time: NOT_SEALED.to_owned(),
        ..tail.info()
    };
    let whole =
        directory(&[(sealed.info(), Some(&sealed.bytes)), (info.clone(), Some(&tail.bytes))]);
    let store = opened(&whole);
    assert_eq!(outline(&store), (all(1..=55), vec![]));
    assert_eq!(faults(&store), [(Code::R121, Severity::Warning)]);
    let mut torn = tail.bytes.clone();
    torn[tail.starts[1] + 20] ^= 1;
    let store = opened(&directory(&[(sealed.info(), Some(&sealed.bytes)), (info, Some(&torn))]));
    assert_eq!(outline(&store), (all(1..=40), vec![]));
    assert_eq!(codes(&store), [Code::R114, Code::R121]);
}

#[test]
fn deleted_entries_are_in_the_files_and_not_in_the_log() {
    let sealed = Raw::new(1, 0, &[10, 1, 19], true);
    let tail = Raw::new(26, 1, &[10], false);
    let info = SegmentInfo { min_index: 8, max_index: 25, ..sealed.info() };
    let segments = [(info, Some(&sealed.bytes[..])), (tail.info(), Some(&tail.bytes[..]))];
    let store = opened(&directory(&segments));
    assert_eq!(outline(&store), (all(8..=35), vec![]));
    assert_eq!(faults(&store), NONE);
    let dead = records(&store).iter().filter(|one| one.status == RecordStatus::Dead).count();
    assert_eq!(dead, 7 + 5);
    let counts = checked(&store).counts;
    let superseded = counts.iter().find(|(name, _)| *name == "superseded records");
    assert_eq!(superseded.map(|(_, count)| *count), Some(12));
}

#[test]
fn segments_that_are_missing_swapped_or_left_over_are_named() {
    let (sealed, tail) = two();
    let missing = opened(&directory(&[(sealed.info(), None), (tail.info(), Some(&tail.bytes))]));
    assert_eq!(outline(&missing), (all(31..=60), vec![Code::R116]));
    assert_eq!(faults(&missing), [(Code::R116, Severity::Error)]);
    let tailless = opened(&directory(&[(sealed.info(), Some(&sealed.bytes)), (tail.info(), None)]));
    assert_eq!(outline(&tailless), (all(1..=30), vec![]));
    assert_eq!(faults(&tailless), [(Code::R116, Severity::Warning)]);
    let swapped =
        directory(&[(sealed.info(), Some(&tail.bytes)), (tail.info(), Some(&sealed.bytes))]);
    let swapped = opened(&swapped);
    assert_eq!(outline(&swapped), (vec![], vec![Code::R116]));
    assert_eq!(codes(&swapped), [Code::R116, Code::R116]);
    let later = Raw::new(35, 1, &[10], false);
    let hole = opened(&directory(&both(&sealed, &later)));
    assert_eq!(codes(&hole), [Code::R116]);
    assert_eq!(outline(&hole).0, [all(1..=30), all(35..=44)].concat());
    let fs = directory(&both(&sealed, &tail));
    put(fs.as_ref(), &path(SegmentName { base: 1, id: 9 }), &sealed.bytes);
    put(fs.as_ref(), &Path::new(DIR).join("copy.wal"), &sealed.bytes);
    let strays = opened(&fs);
    assert_eq!(codes(&strays), [Code::R117, Code::R121]);
    assert_eq!(outline(&strays), (all(1..=60), vec![]));
}

#[test]
fn a_seal_without_its_index_or_with_a_wrong_one_is_whole_and_refused() {
    let (sealed, tail) = two();
    for index_start in [0, sealed.index_start + 8, 1 << 40] {
        let info = SegmentInfo { index_start, ..sealed.info() };
        let segments = [(info, Some(&sealed.bytes[..])), (tail.info(), Some(&tail.bytes[..]))];
        let store = opened(&directory(&segments));
        assert_eq!(outline(&store), (all(1..=60), vec![]), "{index_start}");
        assert_eq!(faults(&store), [(Code::R121, Severity::Warning)], "{index_start}");
    }
    // An index with a sound checksum and one wrong offset.
    let mut odd = Raw::new(1, 0, &[10, 20], false);
    odd.offsets[17] += 8;
    let start = odd.starts[1];
    odd.bytes.truncate(odd.bytes.len() - 8);
    odd.index();
    odd.commit(start);
    let store = opened(&directory(&both(&odd, &tail)));
    assert_eq!(outline(&store), (all(1..=60), vec![]));
    assert_eq!(codes(&store), [Code::R121]);
    let short = SegmentInfo { max_index: 33, ..sealed.info() };
    let tail = Raw::new(34, 1, &[2], false);
    let segments = [(short, Some(&sealed.bytes[..])), (tail.info(), Some(&tail.bytes[..]))];
    let store = opened(&directory(&segments));
    assert_eq!(outline(&store), ([all(1..=30), all(34..=35)].concat(), vec![Code::R115]));
    assert_eq!(codes(&store), [Code::R115]);
}

#[test]
fn no_cut_and_no_flip_panics_or_invents_an_entry() {
    let (sealed, tail) = two();
    let wanted = entries(1..=60);
    let mut seed = 7u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("fits") % below
    };
    for case in 0..600 {
        let (mut first, mut second) = (sealed.bytes.clone(), tail.bytes.clone());
        let bytes = if case % 2 == 0 { &mut first } else { &mut second };
        let at = random(bytes.len());
        match case % 3 {
            0 => bytes.truncate(at),
            _ => bytes[at] ^= 1 << random(8),
        }
        let segments = [(sealed.info(), Some(&first[..])), (tail.info(), Some(&second[..]))];
        let fs = directory(&segments);
        let store = opened(&fs);
        let codes = codes(&store);
        let found = read(&store, IndexRange::ALL);
        for entry in found.iter().flatten() {
            let wanted = &wanted[usize::try_from(entry.index.0 - 1).expect("an index")];
            assert_eq!(entry, wanted, "case {case} at {at}: {codes:?}");
        }
        let lost = found.iter().flatten().count() < 60;
        // A tail that ends with a batch ends well.
        let ends_well = case % 2 == 1 && tail.starts.contains(&second.len());
        assert!(
            !lost || !codes.is_empty() || ends_well,
            "case {case} at {at}: nothing said of a loss"
        );
        assert!(records(&store).len() < 200, "case {case}");
    }
}

#[test]
fn a_repair_takes_the_sound_prefix_and_says_what_is_missing() {
    let (sealed, tail) = two();
    let salvage = |sealed_bytes: &[u8], tail_bytes: Option<&[u8]>| {
        let segments = [(sealed.info(), Some(sealed_bytes)), (tail.info(), tail_bytes)];
        let fs = directory(&segments);
        let salvage = RaftWalSalvage::open(&fs, Path::new(DIR), None).expect("opened");
        let entries = salvage.entries(&GroupId::Unnamed).expect("the group");
        let indexes: Vec<u64> =
            entries.map(|located| located.expect("sound").entry.index.0).collect();
        let salvaged = salvage.salvaged(&GroupId::Unnamed);
        (indexes, salvaged.missing.clone(), salvaged.dropped_total, salvaged.open_end)
    };
    let whole = salvage(&sealed.bytes, Some(&tail.bytes));
    assert_eq!(whole, (all(1..=60), vec![], 0, None));
    let torn = salvage(&sealed.bytes, Some(&tail.bytes[..tail.bytes.len() - 8]));
    assert_eq!(torn, (all(1..=55), vec![], 1, None));
    let mut flipped = sealed.bytes.clone();
    flipped[sealed.starts[1] + 20] ^= 1;
    let damaged = salvage(&flipped, Some(&tail.bytes));
    assert_eq!(damaged, (all(1..=10), vec![range(11, 60)], 1, None));
    // A batch of the tail that no commit vouches for any more, with whole ones behind it.
    let mut holed = tail.bytes.clone();
    holed[tail.starts[1]..][..8].fill(0);
    let holed = salvage(&sealed.bytes, Some(&holed));
    assert_eq!(holed, (all(1..=40), vec![], 1, Some(Some(LogIndex(40)))));
    let mut inside = tail.bytes.clone();
    inside[tail.starts[1] + 20] ^= 1;
    let inside = salvage(&sealed.bytes, Some(&inside));
    assert_eq!(inside, (all(1..=40), vec![range(41, 60)], 1, None));
    let gone = salvage(&sealed.bytes, None);
    assert_eq!(gone, (all(1..=30), vec![], 1, Some(Some(LogIndex(30)))));
    let (none, missing, ..) = salvage(&flipped[..40], Some(&tail.bytes));
    assert_eq!((none, missing), (vec![], vec![range(1, 60)]));
}

#[test]
fn damage_to_what_was_deleted_costs_a_repair_nothing() {
    let (_, tail) = two();
    let mut bytes = tail.bytes.clone();
    bytes[tail.starts[0] + 60] ^= 1;
    // Entries 31 to 40 were deleted in front of the others.
    let deleted = SegmentInfo { min_index: 41, ..tail.info() };
    let fs = directory(&[(deleted, Some(&bytes))]);
    let salvage = RaftWalSalvage::open(&fs, Path::new(DIR), None).expect("opened");
    let salvaged = salvage.salvaged(&GroupId::Unnamed);
    assert_eq!((&salvaged.missing[..], salvaged.open_end), (&[][..], None));
    assert_eq!(salvaged.dropped_total, 1);
    assert_eq!(salvage.state(&GroupId::Unnamed).bounds, Some(range(41, 60)));
}

#[test]
fn a_list_that_leaves_a_segment_open_in_the_middle_is_named_and_read_up_to_the_next() {
    let (sealed, tail) = two();
    let open = SegmentInfo {
        max_index: 0,
        index_start: 0,
        seal_time: NOT_SEALED.to_owned(),
        ..sealed.info()
    };
    let store =
        opened(&directory(&[(open, Some(&sealed.bytes)), (tail.info(), Some(&tail.bytes))]));
    assert_eq!(outline(&store), (all(1..=60), vec![]));
    assert_eq!(faults(&store), [(Code::R116, Severity::Error)]);
}
