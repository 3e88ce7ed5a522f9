//! The FastLog file format as figures and golden bytes. A difference here is a change of the
//! format: stores that exist could not be read any more.

use std::time::Duration;

use raftlog::fastlog::format::{
    ANCHOR_FILE, ANCHOR_FILE_BYTES, Anchor, BATCH_BYTES_MAX, Chain, ENTRY_CONTENT_MAX,
    FORMAT_VERSION, FRAME_HEADER_BYTES, FRAME_PAYLOAD_MAX, FRAMES_OFFSET, Frame, FrameType,
    GroupNo, LogUid, Masked, PAGE_BYTES, Payload, SECTOR_BYTES, SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN, SYNC_PAGE_OFFSET, Salt, SegmentHeader, SegmentNo, Sequence, Settings,
    SyncSlot, TEXT_MAX, seal_frame,
};
use raftlog::fastlog::policy::{Durability, Flush, Strategy};
use raftlog::model::{
    AppendInstant, AppendTime, ByteOrder, Candidate, Entry, EntryExtra, EntryKind, GroupId,
    HardState, IndexRange, LogId, LogIndex, SharedBytes, SnapshotNote, StableValue, Term, TimeForm,
    Vote, Zone,
};

const UID: LogUid = LogUid(*b"uid-of-a-fastlog");
const GROUP: GroupNo = GroupNo(1);

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The bytes of a sector without the zeros between its fields and its checksum.
fn sector(bytes: &[u8; SECTOR_BYTES]) -> String {
    let (fields, checksum) = bytes.split_at(SECTOR_BYTES - 4);
    let end = fields.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    format!("{} ({} zeros) {}", hex(&fields[..end]), fields.len() - end, hex(checksum))
}

/// A batch as it lies at the start of segment 3, with its frame header.
fn batch(put: impl FnOnce(&mut Payload)) -> String {
    let mut payload = Payload::default();
    put(&mut payload);
    let chain = Chain { next: Sequence(7), previous: Masked(0x0102_0304), sync_point: Sequence(5) };
    payload.seal(chain, Salt::new(UID, SegmentNo(3)));
    let (header, records) = payload.bytes().split_at(FRAME_HEADER_BYTES);
    format!("{}\n  {}", hex(header), hex(records))
}

fn frame(kind: FrameType) -> String {
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    bytes.extend_from_slice(b"xyz");
    let frame = Frame {
        kind,
        part: 2,
        sequence: Sequence(7),
        previous: Masked(0x0102_0304),
        sync_point: Sequence(5),
        checksum: Masked(0),
        payload_len: 0,
    };
    seal_frame(&mut bytes, &frame, Salt::new(UID, SegmentNo(3)));
    hex(&bytes)
}

fn entries() -> Vec<Entry> {
    let plain = Entry {
        index: LogIndex(5),
        term: Term(2),
        kind: EntryKind::Command,
        kind_code: None,
        payload: Some(SharedBytes::from(b"set x".as_slice())),
        extra: EntryExtra::default(),
    };
    let full = Entry {
        index: LogIndex(6),
        kind: EntryKind::Configuration,
        kind_code: Some(5),
        extra: EntryExtra {
            extensions: Some(SharedBytes::from(vec![0xee])),
            appended_at: AppendTime::At(AppendInstant {
                unix_seconds: 1_764_000_000,
                nanoseconds: 1,
                form: TimeForm::New,
                zone: Zone::East { seconds: 3600 },
            }),
            note: SharedBytes::from(vec![0xdd]),
        },
        ..plain.clone()
    };
    let nil = Entry {
        index: LogIndex(7),
        term: Term(3),
        kind: EntryKind::Noop,
        payload: None,
        extra: EntryExtra { appended_at: AppendTime::Nil, ..EntryExtra::default() },
        ..plain.clone()
    };
    vec![plain, full, nil]
}

#[test]
fn sizes_offsets_and_limits_are_those_of_version_1() {
    assert_eq!(FORMAT_VERSION, 1);
    assert_eq!((SECTOR_BYTES, PAGE_BYTES), (512, 4096));
    assert_eq!((ANCHOR_FILE, ANCHOR_FILE_BYTES), ("anchor.fastlog", 8192));
    assert_eq!((SYNC_PAGE_OFFSET, FRAMES_OFFSET, FRAME_HEADER_BYTES), (4096, 8192, 32));
    assert_eq!((FRAME_PAYLOAD_MAX, ENTRY_CONTENT_MAX, TEXT_MAX), (1 << 30, (1 << 29) - 1, 1 << 16));
    assert_eq!((SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX, BATCH_BYTES_MAX), (16384, 1 << 30, 1 << 30));
    assert_eq!(SegmentNo(42).file_name(), "00000042.seg");
    assert_eq!(FrameType::ALL.map(FrameType::number), [1, 2, 3]);
    let slot = |counter| {
        let slot = SyncSlot { uid: UID, number: SegmentNo(1), counter, sync_point: Sequence(0) };
        slot.offset()
    };
    assert_eq!((slot(1), slot(2), slot(3)), (4608, 4096, 4608));
}

#[test]
fn the_anchor_lies_as_documented() {
    let anchor = Anchor {
        uid: UID,
        counter: 0x0a0b,
        oldest: SegmentNo(2),
        newest: SegmentNo(3),
        sync_point: Sequence(0x0c0d),
        clean: true,
        settings: Settings {
            level: Durability::Low,
            strategy: Strategy::MemFirst,
            flush: Flush::Batch { threshold_entries: 1000, interval: Duration::from_millis(100) },
            segment_bytes: 64 << 20,
        },
        created_unix_ms: 1_764_000_000_000,
        created_by: "raftlog 0.1.0".to_owned(),
    };
    assert_eq!(anchor.offset(), 4096);
    assert_eq!(sector(&anchor.encode()), ANCHOR);
}

#[test]
fn segment_header_and_sync_slot_lie_as_documented() {
    let header = SegmentHeader {
        uid: UID,
        number: SegmentNo(3),
        first: Sequence(7),
        sync_point: Sequence(6),
        previous: Masked(0x0102_0304),
        recycled: true,
    };
    assert_eq!(sector(&header.encode()), HEADER);
    let slot =
        SyncSlot { uid: UID, number: SegmentNo(3), counter: 9, sync_point: Sequence(0x0506) };
    assert_eq!(sector(&slot.encode()), SLOT);
}

#[test]
fn frames_of_each_type_lie_as_documented() {
    assert_eq!(
        frame(FrameType::Batch),
        "675420380300000001000200040302010700000000000000050000000000000078797a"
    );
    assert_eq!(
        frame(FrameType::Part),
        "7ff99c700300000002000200040302010700000000000000050000000000000078797a"
    );
    assert_eq!(
        frame(FrameType::Filler),
        "97be1b9b0300000003000200040302010700000000000000050000000000000078797a"
    );
}

#[test]
fn records_of_each_type_lie_as_documented() {
    let id = LogId { index: LogIndex(300), term: Term(2) };
    let snapshot = SnapshotNote {
        index: id.index,
        term: id.term,
        id: Some("2-300".to_owned()),
        note: SharedBytes::from(vec![0xcc]),
    };
    let hard = HardState {
        term: Some(Term(2)),
        vote: Some(Vote {
            term: Some(Term(1)),
            candidate: Some(Candidate::Bytes(SharedBytes::from(b"n1".as_slice()))),
        }),
        commit: Some(LogIndex(300)),
    };
    let number = HardState {
        term: None,
        vote: Some(Vote { term: None, candidate: Some(Candidate::Id(300)) }),
        commit: None,
    };
    let value = StableValue {
        bytes: SharedBytes::from(7u64.to_be_bytes().as_slice()),
        integer: Some(ByteOrder::Big),
    };
    let jobs = GroupId::named("jobs");
    let bounds = IndexRange::new(LogIndex(301), LogIndex(400));
    let lines = [
        ("entries", batch(|b| b.entries(GROUP, &entries()).expect("fits"))),
        ("truncation", batch(|b| b.truncation(GROUP, LogIndex(300)))),
        ("compaction", batch(|b| b.compaction(GROUP, id))),
        ("snapshot marker", batch(|b| b.snapshot_marker(GROUP, &snapshot).expect("fits"))),
        ("snapshot note", batch(|b| b.snapshot_note(GROUP, &snapshot).expect("fits"))),
        ("hard state", batch(|b| b.hard_state(GROUP, &hard).expect("fits"))),
        ("hard state", batch(|b| b.hard_state(GROUP, &number).expect("fits"))),
        ("stable key", batch(|b| b.stable_put(GROUP, b"CurrentTerm", &value).expect("fits"))),
        ("stable key removal", batch(|b| b.stable_delete(GROUP, b"k").expect("fits"))),
        ("group", batch(|b| b.group(GROUP, &jobs, Some("s"), &[0xbb]).expect("fits"))),
        ("group removal", batch(|b| b.group_removal(GROUP))),
        ("base", batch(|b| b.base(SegmentNo(2), 1))),
        ("bounds", batch(|b| b.bounds(GROUP, bounds))),
    ];
    let found: Vec<String> = lines.iter().map(|(name, hex)| format!("{name}: {hex}")).collect();
    assert_eq!(found.join("\n"), RECORDS.trim());
}

const RECORDS: &str = "
entries: 2d92265e2a000000010001000403020107000000000000000500000000000000
  01250000000103050101020573657420786f04058084a4920d0103a0380501017365742078eedd100203
truncation: f8e8a4a008000000010001000403020107000000000000000500000000000000
  020300000001ac02
compaction: ed6282ac09000000010001000403020107000000000000000500000000000000
  030400000001ac0202
snapshot marker: 1fffdecd12000000010001000403020107000000000000000500000000000000
  040d00000001ac02020105322d33303001cc
snapshot note: bab522e912000000010001000403020107000000000000000500000000000000
  050d00000001ac02020105322d33303001cc
hard state: 1b443a1d0e000000010001000403020107000000000000000500000000000000
  0609000000012f02ac0201026e31
hard state: 810581a109000000010001000403020107000000000000000500000000000000
  06040000000114ac02
stable key: c46b6fdc1c000000010001000403020107000000000000000500000000000000
  071700000001010b43757272656e745465726d080000000000000007
stable key removal: 066d839308000000010001000403020107000000000000000500000000000000
  080300000001016b
group: e8a4254a10000000010001000403020107000000000000000500000000000000
  090b0000000103046a6f6273017301bb
group removal: d21c338106000000010001000403020107000000000000000500000000000000
  0a0100000001
base: f97a254008000000010001000403020107000000000000000500000000000000
  0b03000000000201
bounds: 597a09000b000000010001000403020107000000000000000500000000000000
  0c060000000101ad029003
";

const ANCHOR: &str = "\
464c4f47414e434801000000010000007569642d6f662d612d666173746c6f670b0a0000000000000200000000000000\
03000000000000000d0c0000000000000000000400000000ff010100e8030000640000000000000000e897b69a010000\
726166746c6f6720302e312e30 (399 zeros) 0ce3a98e";

const HEADER: &str = "\
464c4f475345474d01000000010000007569642d6f662d612d666173746c6f6703000000000000000700000000000000\
060000000000000004030201 (448 zeros) cf8cb3e9";

const SLOT: &str = "\
464c4f4753594e4301000000000000007569642d6f662d612d666173746c6f6703000000000000000900000000000000\
0605 (458 zeros) b6d2021a";
