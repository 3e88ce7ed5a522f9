use super::*;
use crate::fastlog::format::{
    Chain, EntryView, FRAME_HEADER_BYTES, Found, LogUid, Masked, Payload, Salt, Sequence,
};
use crate::model::{AppendInstant, AppendTime, Entry, EntryExtra, EntryKind, TimeForm, Zone};

const GROUP_NO: GroupNo = GroupNo(300);

fn entry(index: u64, term: u64, payload: Option<&[u8]>) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: EntryKind::Command,
        kind_code: None,
        payload: payload.map(SharedBytes::from),
        extra: EntryExtra::default(),
    }
}

/// One entry of every shape that the model knows.
fn entries_of_all_shapes() -> Vec<Entry> {
    let at = |form, zone| {
        AppendTime::At(AppendInstant {
            unix_seconds: AppendInstant::ZERO_UNIX_SECONDS,
            nanoseconds: 999_999_999,
            form,
            zone,
        })
    };
    let times = [
        AppendTime::Absent,
        AppendTime::Nil,
        at(TimeForm::Old, Zone::Utc),
        at(TimeForm::New, Zone::East { seconds: -3600 }),
    ];
    let strings = [None, Some(SharedBytes::default()), Some(SharedBytes::from(vec![0, 1, 2]))];
    let mut entries = Vec::new();
    for kind in EntryKind::ALL {
        for appended_at in times {
            for payload in &strings {
                for extensions in &strings {
                    let index = LogIndex(entries.len() as u64);
                    entries.push(Entry {
                        index,
                        term: Term(u64::MAX - index.0 / 3),
                        kind,
                        kind_code: index.0.is_multiple_of(2).then_some(u32::MAX),
                        payload: payload.clone(),
                        extra: EntryExtra {
                            extensions: extensions.clone(),
                            appended_at,
                            note: SharedBytes::from(vec![
                                9;
                                usize::from(index.0.is_multiple_of(3))
                            ]),
                        },
                    });
                }
            }
        }
    }
    entries
}

/// The payloads of a batch's frames, after checking that each frame follows the one before.
fn payloads(mut batch: Payload) -> Vec<Vec<u8>> {
    let salt = Salt::new(LogUid([1; 16]), SegmentNo(1));
    let chain = Chain { next: Sequence(1), previous: Masked(0), sync_point: Sequence(0) };
    let end = batch.seal(chain, salt);
    let (mut rest, mut chain, mut found) = (batch.bytes(), chain, Vec::new());
    while !rest.is_empty() {
        let Found::Frame(frame) = Found::at_start(rest, rest.len() as u64, salt) else {
            panic!("frame {} does not verify", found.len() + 1)
        };
        assert_eq!((frame.sequence, frame.previous), (chain.next, chain.previous));
        chain = Chain { next: chain.next.next(), previous: frame.checksum, ..chain };
        found.push(rest[FRAME_HEADER_BYTES..frame.len_bytes()].to_vec());
        rest = &rest[frame.len_bytes()..];
    }
    assert_eq!(chain, end);
    found
}

fn decoded_entries(payload: &[u8]) -> Vec<Entry> {
    let shared = SharedBytes::from(payload);
    let mut records = Records::new(payload);
    let mut entries = Vec::new();
    while let Some(record) = records.next_record().expect("decodes") {
        let Op::Entries(found) = record.op else { panic!("{}", record.op.name()) };
        let mut walk = found.walk();
        let mut previous = None;
        while let Some(view) = walk.next_entry().expect("decodes") {
            let alone = EntryView::decode(payload, view.span.start, view.index, previous);
            assert_eq!(alone.as_ref(), Ok(&view));
            previous = Some(view.term);
            entries.push(view.to_entry(&shared).expect("inside"));
        }
    }
    entries
}

#[test]
fn entries_of_every_shape_come_back_bit_for_bit() {
    let entries = entries_of_all_shapes();
    let mut batch = Payload::default();
    batch.entries(GROUP_NO, &entries).expect("fits");
    let [payload] = &payloads(batch)[..] else { panic!("one frame") };
    assert_eq!(decoded_entries(payload), entries);
}

#[test]
fn a_large_batch_becomes_several_frames_and_loses_nothing() {
    let entries: Vec<Entry> =
        (0..40u64).map(|index| entry(index, 1, Some(&vec![7; 30_000]))).collect();
    let mut batch = Payload::default();
    batch.entries(GROUP_NO, &entries).expect("fits");
    let payloads = payloads(batch);
    assert!(payloads.len() > 3);
    let found: Vec<Entry> = payloads.iter().flat_map(|payload| decoded_entries(payload)).collect();
    assert_eq!(found, entries);
}

fn one_record(put: impl FnOnce(&mut Payload)) -> String {
    let mut batch = Payload::default();
    put(&mut batch);
    let payload = payloads(batch).concat();
    for cut in 1..payload.len() {
        let mut records = Records::new(&payload[..cut]);
        let all = std::iter::from_fn(|| records.next_record().transpose());
        assert!(all.into_iter().any(|record| record.is_err()), "cut at {cut}");
    }
    let mut records = Records::new(&payload);
    let record = records.next_record().expect("decodes").expect("is there");
    assert!(records.next_record().expect("ends").is_none());
    format!("{} {:?}", record.group.0, record.op)
}

#[test]
fn every_hard_state_comes_back() {
    let candidates =
        [None, Some(Candidate::Id(u64::MAX)), Some(Candidate::Bytes(SharedBytes::from(vec![1])))];
    let mut votes = vec![None];
    for candidate in candidates {
        for term in [None, Some(Term(7))] {
            votes.push(Some(Vote { term, candidate: candidate.clone() }));
        }
    }
    for vote in votes {
        for term in [None, Some(Term(0))] {
            for commit in [None, Some(LogIndex(u64::MAX))] {
                let hard = HardState { term, vote: vote.clone(), commit };
                let found = one_record(|batch| batch.hard_state(GROUP_NO, &hard).expect("fits"));
                assert_eq!(found, format!("300 {:?}", Op::HardState(hard)));
            }
        }
    }
}

#[test]
fn every_other_record_comes_back() {
    let id = LogId { index: LogIndex(0), term: Term(u64::MAX) };
    let snapshot = |name: Option<&str>| SnapshotNote {
        index: id.index,
        term: id.term,
        id: name.map(str::to_owned),
        note: SharedBytes::from(vec![5, 6]),
    };
    let fields = |name| SnapshotFields { last: id, id: name, note: &[5, 6] };
    let value = |integer| StableValue { bytes: SharedBytes::from(vec![0; 8]), integer };
    let range = IndexRange::new(LogIndex(0), LogIndex(u64::MAX)).expect("not empty");
    assert_eq!(
        one_record(|batch| batch.truncation(GROUP_NO, LogIndex(9))),
        format!("300 {:?}", Op::Truncation(LogIndex(9)))
    );
    assert_eq!(
        one_record(|batch| batch.compaction(GROUP_NO, id)),
        format!("300 {:?}", Op::Compaction(id))
    );
    for name in [None, Some(""), Some("2-10-7")] {
        let marker = snapshot(name);
        assert_eq!(
            one_record(|batch| batch.snapshot_marker(GROUP_NO, &marker).expect("fits")),
            format!("300 {:?}", Op::SnapshotMarker(fields(name)))
        );
        assert_eq!(
            one_record(|batch| batch.snapshot_note(GROUP_NO, &marker).expect("fits")),
            format!("300 {:?}", Op::SnapshotNote(fields(name)))
        );
    }
    for integer in [None, Some(ByteOrder::Big), Some(ByteOrder::Little)] {
        let value = value(integer);
        assert_eq!(
            one_record(|batch| batch.stable_put(GROUP_NO, b"k", &value).expect("fits")),
            format!("300 {:?}", Op::StablePut { key: b"k", value })
        );
    }
    assert_eq!(
        one_record(|batch| batch.stable_delete(GROUP_NO, b"").expect("fits")),
        format!("300 {:?}", Op::StableDelete { key: b"" })
    );
    for id in [GroupId::Unnamed, GroupId::named(""), GroupId::named("jobs")] {
        for schema in [None, Some("raft-boltdb")] {
            assert_eq!(
                one_record(|batch| batch.group(GROUP_NO, &id, schema, b"n").expect("fits")),
                format!("300 {:?}", Op::Group { id: id.clone(), schema, note: b"n" })
            );
        }
    }
    assert_eq!(
        one_record(|batch| batch.group_removal(GROUP_NO)),
        format!("300 {:?}", Op::GroupRemoval)
    );
    assert_eq!(
        one_record(|batch| batch.base(SegmentNo(4), 2)),
        format!("0 {:?}", Op::Base { oldest_needed: SegmentNo(4), groups: 2 })
    );
    for bounds in [None, Some(range)] {
        assert_eq!(
            one_record(|batch| batch.bounds(GROUP_NO, bounds)),
            format!("300 {:?}", Op::Bounds(bounds))
        );
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_written() {
    let mut batch = Payload::default();
    let key = vec![0; crate::fastlog::format::TEXT_MAX + 1];
    assert!(batch.stable_put(GROUP_NO, &key, &StableValue::bytes(b"")).is_err());
    assert!(batch.group(GROUP_NO, &GroupId::named(&"n".repeat(70_000)), None, b"").is_err());
    assert!(batch.is_empty());
}

#[test]
fn unknown_records_are_newer_and_impossible_counts_are_not() {
    let unknown = [200, 1, 0, 0, 0, 7];
    assert!(Records::new(&unknown).next_record().expect_err("unknown").newer);
    let huge_count = [1, 6, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0x7f, 0];
    assert!(!Records::new(&huge_count).next_record().expect_err("impossible").newer);
    let length_behind_the_end = [2, 0xff, 0xff, 0xff, 0xff, 1, 1];
    assert!(!Records::new(&length_behind_the_end).next_record().expect_err("short").newer);
}
