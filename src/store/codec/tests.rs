use data_encoding::HEXLOWER_PERMISSIVE;
use proptest::prelude::*;

use super::raft_log::decode_any;
use super::{DecodedLog, decode, decode_in, encode, usual};
use crate::model::{
    AppendInstant, AppendTime, Entry, EntryExtra, EntryKind, FaultKind, LogIndex, SharedBytes,
    Term, TimeForm, Zone,
};

fn hex(text: &str) -> SharedBytes {
    let compact: String = text.split_whitespace().collect();
    SharedBytes::from(HEXLOWER_PERMISSIVE.decode(compact.as_bytes()).expect("hex"))
}

fn decoded(text: &str, key: u64) -> DecodedLog {
    decode(&hex(text), LogIndex(key)).expect("decodes")
}

fn back(entry: &Entry) -> SharedBytes {
    let mut out = Vec::new();
    encode(entry, &mut out).expect("encodes");
    SharedBytes::from(out)
}

fn entry(index: u64, term: u64, payload: Option<&[u8]>, appended_at: AppendTime) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: EntryKind::Command,
        kind_code: Some(0),
        payload: payload.map(SharedBytes::from),
        extra: EntryExtra { appended_at, ..EntryExtra::default() },
    }
}

fn at(unix_seconds: i64, nanoseconds: u32, form: TimeForm, zone: Zone) -> AppendTime {
    AppendTime::At(AppendInstant { unix_seconds, nanoseconds, form, zone })
}

const MOMENT: i64 = 1_704_164_645; // 2024-01-02T03:04:05Z

/// A value, its key, and the entry it means.
type Example = (String, u64, Entry);

fn worked_examples() -> Vec<Example> {
    let mut examples = timed_examples();
    examples.extend(other_examples());
    examples
}

/// Index 300, term 2, data "hello", with each form of the append time.
fn timed_examples() -> Vec<Example> {
    let (seconds, nanoseconds) = (MOMENT, 678_901_234);
    let (before_1970, east) = (-315_619_200, |seconds| Zone::East { seconds });
    let (old, new, utc) = (TimeForm::Old, TimeForm::New, Zone::Utc);
    [
        ("af010000000edd257425287735f2ffff", at(seconds, nanoseconds, old, utc)),
        ("a8a1dcd7c865937d25", at(seconds, nanoseconds, new, utc)),
        ("a465937d25", at(seconds, 0, new, utc)),
        ("af010000000edd257425287735f2014a", at(seconds, nanoseconds, old, east(19_800))),
        ("b0020000000edd257425287735f2003c11", at(seconds, nanoseconds, old, east(3_617))),
        ("af010000000e64c1ff8000000007ffff", at(before_1970, 7, old, utc)),
        ("ac00000007ffffffffed300880", at(before_1970, 7, new, utc)),
    ]
    .into_iter()
    .map(|(time, appended_at)| {
        let value = format!(
            "86aa417070656e6465644174 {time} a444617461a568656c6c6f aa457874656e73696f6e73c0
             a5496e646578cd012c a45465726d02 a45479706500"
        );
        (value, 300, entry(300, 2, Some(b"hello"), appended_at))
    })
    .collect()
}

fn other_examples() -> Vec<Example> {
    let zero = at(AppendInstant::ZERO_UNIX_SECONDS, 0, TimeForm::Old, Zone::Utc);
    let mut bootstrap = entry(1, 1, None, zero);
    bootstrap.kind = EntryKind::Configuration;
    bootstrap.kind_code = Some(5);
    bootstrap.payload = Some(hex(
        "81a7536572766572739183a741646472657373ae3132372e302e302e313a38333030a24944a26e31a8
         537566667261676500",
    ));
    [
        (
            "86 aa 417070656e6465644174 af 01 0000000000000000 00000000 ffff
             a4 44617461 c0 aa 457874656e73696f6e73 c0 a5 496e646578 01 a4 5465726d 01
             a4 54797065 00",
            1,
            entry(1, 1, None, zero),
        ),
        (
            "86aa417070656e6465644174c0a444617461a0aa457874656e73696f6e73c0a5496e646578ce00011170
             a45465726dcc80a45479706500",
            70_000,
            entry(70_000, 128, Some(&[]), AppendTime::Nil),
        ),
        (
            "85 a444617461c0 aa457874656e73696f6e73c0 a5496e646578cf0000000100000000
             a45465726dcdffff a45479706500",
            1 << 32,
            entry(1 << 32, 65_535, None, AppendTime::Absent),
        ),
        (
            "86aa417070656e6465644174af01000000000000000000000000ffffa444617461da0032
             81a7536572766572739183a741646472657373ae3132372e302e302e313a38333030a24944a26e31
             a8537566667261676500aa457874656e73696f6e73c0a5496e64657801a45465726d01a45479706505",
            1,
            bootstrap,
        ),
    ]
    .map(|(value, key, meant)| (value.to_owned(), key, meant))
    .into()
}

#[test]
fn every_worked_example_is_read_as_it_means_and_written_back_byte_for_byte() {
    for (text, key, meant) in worked_examples() {
        let found = decoded(&text, key);
        assert_eq!(found.entry, meant, "{text}");
        assert_eq!(found.index_inside, LogIndex(key));
        assert_eq!(found.trailing_bytes, 0);
        assert!(found.entry.extra.note.is_empty(), "{text} needs no note");
        assert_eq!(back(&meant), hex(&text));
    }
}

#[test]
fn data_of_32_bytes_and_of_64_kib_get_the_old_long_headers() {
    for (len, header) in
        [(31usize, "bf"), (32, "da0020"), (65_535, "daffff"), (65_536, "db00010000")]
    {
        let written = back(&entry(1, 1, Some(&vec![7; len]), AppendTime::Nil));
        let data = hex(&format!("a444617461{header}07"));
        assert!(written.windows(data.len()).any(|window| window == &*data), "{len}");
        assert_eq!(back(&decode(&written, LogIndex(1)).expect("own writing").entry), written);
    }
}

#[test]
fn extensions_and_the_old_field_counts_come_back() {
    let with_extensions = "86aa417070656e6465644174c0a444617461c0aa457874656e73696f6e73a20801
         a5496e64657801a45465726d01a45479706500";
    let found = decoded(with_extensions, 1);
    assert_eq!(found.entry.extra.extensions.as_deref(), Some(&[8, 1][..]));
    assert_eq!(back(&found.entry), hex(with_extensions));

    let four = "84 a444617461c0 a5496e64657801 a45465726d01 a45479706501";
    let found = decoded(four, 1);
    assert_eq!(found.entry.kind, EntryKind::Noop);
    assert_eq!(found.entry.extra.appended_at, AppendTime::Absent);
    assert_eq!(back(&found.entry), hex(four));
}

#[test]
fn unknown_fields_odd_times_another_index_and_trailing_bytes_are_kept() {
    // Nanoseconds above a second, an unknown field "Later" between "Index" and "Term", index 7.
    let text = "87aa417070656e6465644174af010000000edd2574253b9aca01ffffa444617461c0
         aa457874656e73696f6e73c0a5496e64657807a54c61746572 9301c081a161c3
         a45465726d01a45479706500 aabbcc";
    let found = decoded(text, 9);
    assert_eq!(found.index_inside, LogIndex(7));
    assert_eq!(found.entry.index, LogIndex(9));
    assert_eq!(found.trailing_bytes, 3);
    let AppendTime::At(instant) = found.entry.extra.appended_at else { panic!("a time") };
    assert_eq!((instant.unix_seconds, instant.nanoseconds), (MOMENT + 1, 1));
    assert_eq!(back(&found.entry), hex(text));
}

#[test]
fn what_the_real_decoders_accept_is_accepted() {
    let meant = entry(5, 3, Some(b"ab"), at(MOMENT, 0, TimeForm::New, Zone::Utc));
    for text in [
        // Another order, a long map header, str8 and bin, signed codes, a real time extension.
        "de0006 a45479706500 d9045465726dd003 a5496e646578d30000000000000005
         aa417070656e6465644174d6ff65937d25 aa457874656e73696f6e73c0 a444617461c4026162",
        "df00000006 a45479706500 a45465726dcf0000000000000003 a5496e646578ce00000005
         aa417070656e6465644174d90465937d25 aa457874656e73696f6e73c0 a444617461d9026162",
        // An array in the order of declaration.
        "96 05 03 00 a26162 c0 a465937d25",
    ] {
        assert_eq!(decoded(text, 5).entry, meant, "{text}");
    }
    let short = decoded("92 05 03", 5);
    assert_eq!((short.entry.term, short.entry.payload), (Term(3), None));
}

#[test]
fn what_the_real_decoders_refuse_is_a_fault() {
    for (text, what) in [
        ("", "encoded entry"),
        ("c0", "encoded entry"),
        ("a5496e6465", "encoded entry"),
        ("82 a45465726d01", "encoded entry"),
        ("81 01 02", "field name"),
        ("81 a45465726dff", "Term"),
        ("81 a54974656d73c1", "msgpack code"),
        ("81 a454797065cd0100", "Type"),
        ("81 aa417070656e6465644174a3010203", "AppendedAt"),
        ("81 a444617461db7fffffff00", "encoded entry"),
        ("dfffffffff a45465726d01", "encoded entry"),
        ("81 a158 ddffffffff", "encoded entry"),
    ] {
        let fault = decode(&hex(text), LogIndex(1)).expect_err(text);
        let named = match fault {
            FaultKind::Short { what, .. }
            | FaultKind::Field { what, .. }
            | FaultKind::Bounds { what, .. } => what,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(named, what, "{text}");
    }
}

#[test]
fn a_zone_that_go_cannot_write_and_a_kind_without_a_number_are_refused() {
    let mut out = vec![1, 2];
    let minus_one = at(MOMENT, 0, TimeForm::Old, Zone::East { seconds: -60 });
    assert!(encode(&entry(1, 1, None, minus_one), &mut out).is_err());
    let mut change = entry(1, 1, None, AppendTime::Nil);
    change.kind = EntryKind::ConfChange;
    change.kind_code = Some(1);
    assert!(encode(&change, &mut out).is_err());
    assert_eq!(out, [1, 2], "nothing half written is left");
}

#[test]
fn an_unknown_type_keeps_its_number_and_another_formats_note_says_nothing() {
    let mut odd = entry(3, 1, None, AppendTime::Nil);
    odd.kind = EntryKind::Unknown;
    odd.kind_code = Some(200);
    let written = back(&odd);
    assert_eq!(decode(&written, LogIndex(3)).expect("decodes").entry, odd);
    odd.extra.note = SharedBytes::from(&b"etcd says so"[..]);
    assert_eq!(back(&odd), written);
    odd.extra.note = SharedBytes::from(&b"rLg1\x05\xff\0\0\0abc"[..]);
    assert!(encode(&odd, &mut Vec::new()).is_err(), "a cut note of ours is damage");
}

fn any_time() -> impl Strategy<Value = AppendTime> {
    let zone = prop_oneof![
        Just(Zone::Utc),
        (-50_000i32..50_000)
            .prop_filter("Go cannot write it", |seconds| *seconds != -60)
            .prop_map(|seconds| Zone::East { seconds }),
    ];
    let seconds = -62_135_596_799i64..253_402_300_800;
    prop_oneof![
        Just(AppendTime::Absent),
        Just(AppendTime::Nil),
        (seconds.clone(), 0u32..1_000_000_000, zone).prop_map(|(seconds, nanoseconds, zone)| at(
            seconds,
            nanoseconds,
            TimeForm::Old,
            zone
        )),
        (seconds, prop_oneof![Just(0), 0u32..1_000_000_000]).prop_map(|(seconds, nanoseconds)| at(
            seconds,
            nanoseconds,
            TimeForm::New,
            Zone::Utc
        )),
    ]
}

#[test]
fn what_raft_boltdb_writes_takes_the_short_way_and_says_the_same() {
    let east = Zone::East { seconds: 3_600 };
    let times = [
        AppendTime::Absent,
        AppendTime::Nil,
        at(MOMENT, 5, TimeForm::Old, Zone::Utc),
        at(MOMENT, 5, TimeForm::Old, east),
    ];
    for (time, number) in times.into_iter().flat_map(|time| {
        [0, 127, 128, 255, 256, 65_535, 65_536, u64::from(u32::MAX), u64::MAX].map(|n| (time, n))
    }) {
        for len in [0, 31, 32, 65_535, 65_536] {
            let mut meant = entry(number, number, Some(&vec![7; len]), time);
            meant.extra.extensions = (len == 31).then(|| SharedBytes::from(b"e".as_slice()));
            let value = back(&meant);
            assert!(usual::read(&value, LogIndex(number)).is_some(), "{number}, {len}, {time:?}");
            assert_eq!(decode_any(&value, LogIndex(number)), decode(&value, LogIndex(number)));
            let other = LogIndex(number ^ 1);
            assert!(usual::read(&value, other).is_none(), "another index needs a note");
            assert_eq!(decode_any(&value, other), decode(&value, other));
        }
    }
}

#[test]
fn a_value_is_decoded_where_it_lies_in_its_page() {
    let meant = entry(9, 2, Some(b"payload"), at(MOMENT, 5, TimeForm::Old, Zone::Utc));
    let value = back(&meant);
    let page = SharedBytes::from([&[1, 2, 3], &*value, &[4]].concat());
    let within = 3..3 + value.len();
    assert_eq!(decode_in(&page, within.clone(), LogIndex(9)).map(|f| f.entry), Ok(meant));
    let odd = decode_in(&page, within.start..within.end + 1, LogIndex(9)).expect("decodes");
    assert_eq!((odd.trailing_bytes, odd.entry.payload_bytes()), (1, b"payload".as_slice()));
    assert!(decode_in(&page, 3..page.len() + 1, LogIndex(9)).is_err(), "outside of the page");
}

proptest! {
    #[test]
    fn any_entry_survives_writing_and_reading(
        index in any::<u64>(), term in any::<u64>(), code in any::<u8>(),
        data in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        extensions in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        appended_at in any_time(),
    ) {
        let mut meant = entry(index, term, data.as_deref(), appended_at);
        meant.kind = super::raft_log::KINDS
            .get(usize::from(code)).copied().unwrap_or(EntryKind::Unknown);
        meant.kind_code = Some(code.into());
        meant.extra.extensions = extensions.map(SharedBytes::from);
        let value = back(&meant);
        let found = decode(&value, LogIndex(index)).expect("own writing");
        prop_assert_eq!(&found.entry, &meant);
        prop_assert_eq!(back(&found.entry), value.clone());
        prop_assert_eq!(decode_any(&value, LogIndex(index)), Ok(found));
    }

    #[test]
    fn damaged_values_never_panic_and_what_still_decodes_stays_itself(
        which in 0usize..11, at in any::<prop::sample::Index>(), bits in 1u8..=255,
        cut in any::<bool>(),
    ) {
        let (text, key, _) = worked_examples().swap_remove(which);
        let mut bytes = hex(&text).to_vec();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= bits }
        let value = SharedBytes::from(bytes);
        prop_assert_eq!(decode(&value, LogIndex(key)), decode_any(&value, LogIndex(key)));
        if let Ok(found) = decode(&value, LogIndex(key)) {
            let mut written = Vec::new();
            if encode(&found.entry, &mut written).is_ok() {
                let again = decode(&SharedBytes::from(written), LogIndex(key));
                prop_assert_eq!(again.expect("own writing").entry, found.entry);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _either = decode(&SharedBytes::from(bytes), LogIndex(1));
    }
}
