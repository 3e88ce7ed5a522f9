use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::*;
use crate::event::Unobserved;
use crate::model::{
    AppendInstant, AppendTime, ByteOrder, Candidate, Entry, FaultKind, HardState, IndexRange,
    LogIndex, LogState, SharedBytes, StableValue, Term, TimeForm, Vote, Zone,
};
use crate::store::memory::{MemoryStore, entry, located, place};
use crate::store::{Record, RecordChecksum, RecordStatus};

fn fault(code: Code, offset_bytes: u64) -> Fault {
    Fault::new(code, FaultKind::Note { found: "x".to_owned() }).at(place(offset_bytes))
}

fn alone(store: &MemoryStore) -> Source<'_> {
    Source { store, snapshots: None }
}

fn look(store: &MemoryStore) -> Outcome {
    overview(alone(store), None, &mut Unobserved).expect("readable")
}

/// Index of each entry and code of each finding, in the order of the stream.
fn listing(store: &MemoryStore, options: &EntryOptions) -> Vec<String> {
    let mut lines = Vec::new();
    let mut visit = |item: EntryItem<'_>| {
        lines.push(match item {
            EntryItem::Entry(line) => line.index.to_string(),
            EntryItem::Finding(fault) => fault.code.to_string(),
        });
        ControlFlow::Continue(())
    };
    entries(store, options, &mut visit, &mut Unobserved).expect("readable");
    lines
}

fn json(entry: Entry, payload: PayloadMode) -> serde_json::Value {
    let mut store = MemoryStore::default();
    store.groups.insert(GroupId::named("g"), (LogState::default(), vec![Ok(located(entry))]));
    let mut value = None;
    let mut visit = |item: EntryItem<'_>| {
        if let EntryItem::Entry(line) = item {
            value = Some(serde_json::to_value(line).expect("serialises"));
        }
        ControlFlow::Continue(())
    };
    let options = EntryOptions { payload, ..EntryOptions::default() };
    entries(&store, &options, &mut visit, &mut Unobserved).expect("readable");
    value.expect("an entry")
}

#[test]
fn an_overview_tells_bounds_terms_counts_and_holes() {
    let store = MemoryStore::of(&[(3, 1), (4, 2), (7, 2), (9, 5)]);
    let outcome = look(&store);
    let view = &outcome.overview.groups[0];
    assert_eq!((view.first_index, view.last_index), (Some(LogIndex(3)), Some(LogIndex(9))));
    assert_eq!((view.first_term, view.last_term), (Some(Term(1)), Some(Term(5))));
    assert_eq!((view.entries, view.payload_bytes), (4, 36));
    let range = |first, last| IndexRange::new(LogIndex(first), LogIndex(last)).expect("not empty");
    assert_eq!(view.holes, [range(5, 6), range(8, 8)]);
    assert_eq!(view.holes_total, 2);
    assert_eq!(view.by_kind, BTreeMap::from([("command".to_owned(), 4)]));
    assert_eq!(outcome.findings.total(), 0, "rules are not asked");
}

#[test]
fn an_empty_group_has_no_bounds_and_holes_are_listed_up_to_a_limit() {
    let empty = look(&MemoryStore::of(&[])).overview.groups.remove(0);
    assert_eq!((empty.first_index, empty.last_term, empty.entries), (None, None, 0));
    let pairs: Vec<(u64, u64)> = (0..1_500).map(|at| (at * 2 + 1, 1)).collect();
    let view = look(&MemoryStore::of(&pairs)).overview.groups.remove(0);
    assert_eq!((view.holes.len(), view.holes_total), (1_000, 1_499));
}

#[test]
fn damage_is_a_finding_and_an_entry_that_does_not_decode_no_hole() {
    let mut store = MemoryStore::of(&[(1, 1), (3, 1)]);
    store.opening.push(fault(Code::R119, 1));
    let log = &mut store.group(&GroupId::Unnamed).1;
    log.insert(1, Err(Box::new(fault(Code::R122, 2).at_index(LogIndex(2)))));
    log.insert(1, Err(Box::new(fault(Code::R119, 1))));
    let outcome = look(&store);
    assert_eq!(outcome.overview.groups[0].holes, []);
    assert_eq!(outcome.findings.count(Code::R119), 1, "said once");
    assert_eq!(outcome.findings.count(Code::R122), 1);
}

#[test]
fn state_is_shown_decoded_and_raw() {
    let mut store = MemoryStore::of(&[(1, 1)]);
    let state = store.unnamed_state();
    let big = StableValue {
        bytes: SharedBytes::from(7u64.to_be_bytes().as_slice()),
        integer: Some(ByteOrder::Big),
    };
    state.stable.insert(b"CurrentTerm".to_vec(), big);
    state.stable.insert(b"LastVoteCand".to_vec(), StableValue::bytes(b"n1:80"));
    state.stable.insert(vec![0xff], StableValue::bytes(b"\n"));
    let candidate = Some(Candidate::Bytes(SharedBytes::from(b"n1".as_slice())));
    state.hard =
        HardState { term: Some(Term(7)), vote: Some(Vote { term: None, candidate }), commit: None };
    let value = serde_json::to_value(look(&store).overview).expect("serialises");
    let group = &value["groups"][0];
    assert_eq!(group["group"], serde_json::Value::Null);
    assert_eq!(
        group["stable"],
        serde_json::json!({
            "CurrentTerm": { "hex": "0000000000000007", "u64": 7, "text": null },
            "LastVoteCand": { "hex": "6e313a3830", "u64": null, "text": "n1:80" },
            "hex:ff": { "hex": "0a", "u64": null, "text": null },
        })
    );
    assert_eq!(
        group["hard_state"],
        serde_json::json!({
            "term": 7,
            "vote": { "term": null, "candidate": "n1", "candidate_hex": "6e31" },
            "commit": null,
        })
    );
    assert!(value.get("stats").is_none());
}

#[test]
fn the_newest_membership_that_decodes_is_shown() {
    let mut store = MemoryStore::of(&[(1, 1), (2, 1), (3, 1), (4, 1)]);
    for (at, payload) in [(0, b"\x91\xa1a".as_slice()), (1, b"\x91\xa1b"), (2, b"broken")] {
        let entry = store.unnamed_entry(at);
        entry.kind = EntryKind::AddPeer;
        entry.payload = Some(SharedBytes::from(payload));
    }
    let membership = look(&store).overview.groups.remove(0).membership.expect("one decodes");
    assert_eq!(membership.index, LogIndex(2));
    assert_eq!(membership.servers[0].address, "b");
}

#[test]
fn statistics_count_kinds_terms_and_sizes() {
    let store = MemoryStore::of(&[(1, 1), (2, 1), (3, 4)]);
    let outcome = stats(alone(&store), None, &mut Unobserved).expect("readable");
    let stats = outcome.overview.stats.expect("asked for");
    assert_eq!(stats.by_kind, BTreeMap::from([("command".to_owned(), 3)]));
    let terms: Vec<(Term, u64, LogIndex, LogIndex)> = stats
        .by_term
        .iter()
        .map(|row| (row.term, row.entries, row.first_index, row.last_index))
        .collect();
    assert_eq!(
        terms,
        [(Term(1), 2, LogIndex(1), LogIndex(2)), (Term(4), 1, LogIndex(3), LogIndex(3))]
    );
    assert_eq!((stats.size_bytes.min, stats.size_bytes.max, stats.size_bytes.total), (9, 9, 27));
    assert_eq!((stats.file_bytes, stats.free_bytes), (4_096, None));
}

#[test]
fn entries_are_selected_by_index_term_kind_and_limit() {
    let mut store = MemoryStore::of(&[(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)]);
    store.unnamed_entry(2).kind = EntryKind::Noop;
    let all = EntryOptions::default();
    let range = |text: &str| text.parse::<Selection>().expect("a range");
    assert_eq!(listing(&store, &all), ["1", "2", "3", "4", "5"]);
    let by_index = EntryOptions { index: range("2..3"), ..all.clone() };
    assert_eq!(listing(&store, &by_index), ["2", "3"]);
    let last = EntryOptions { index: range("~2"), ..all.clone() };
    assert_eq!(listing(&store, &last), ["4", "5"]);
    let by_term = EntryOptions { term: range("2.."), ..all.clone() };
    assert_eq!(listing(&store, &by_term), ["3", "4", "5"]);
    let last_terms = EntryOptions { term: range("~2"), ..all.clone() };
    assert_eq!(listing(&store, &last_terms), ["3", "4", "5"]);
    let by_kind = EntryOptions { kinds: vec![EntryKind::Noop], ..all.clone() };
    assert_eq!(listing(&store, &by_kind), ["3"]);
    let limited = EntryOptions { limit: Some(2), ..all.clone() };
    assert_eq!(listing(&store, &limited), ["1", "2"]);
    let none = EntryOptions { limit: Some(0), ..all };
    assert_eq!(listing(&store, &none), [""; 0]);
}

#[test]
fn the_last_ones_are_counted_in_each_group() {
    let mut store = MemoryStore::of(&[(1, 1), (2, 1)]);
    let far = (500..510).map(|index| Ok(located(entry(index, 1)))).collect();
    store.groups.insert(GroupId::named("far"), (LogState::default(), far));
    store.groups.insert(GroupId::named("none"), (LogState::default(), Vec::new()));
    let last = EntryOptions { index: Selection::Last(1), ..EntryOptions::default() };
    assert_eq!(listing(&store, &last), ["2", "509"]);
}

#[test]
fn findings_come_at_their_place_in_the_stream() {
    let mut store = MemoryStore::of(&[(1, 1), (2, 1), (4, 1)]);
    store.opening.push(fault(Code::R114, 9));
    let log = &mut store.group(&GroupId::Unnamed).1;
    log[1].as_mut().expect("readable").faults = vec![fault(Code::R124, 5), fault(Code::R127, 5)];
    log.insert(2, Err(Box::new(fault(Code::R122, 7))));
    let lines = listing(&store, &EntryOptions::default());
    assert_eq!(lines, ["R114", "1", "R124", "2", "R122", "4"]);
}

#[test]
fn a_visitor_that_has_enough_ends_the_stream_well() {
    let store = MemoryStore::of(&[(1, 1), (2, 1), (3, 1)]);
    let mut seen = 0;
    let mut visit = |_: EntryItem<'_>| {
        seen += 1;
        if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = EntryOptions::default();
    entries(&store, &options, &mut visit, &mut Unobserved).expect("no error");
    assert_eq!(seen, 2);
}

#[test]
fn an_entry_line_has_the_keys_of_the_contract() {
    let mut full = entry(4711, 7);
    full.payload = Some(SharedBytes::from(b"\x00\xff".as_slice()));
    full.extra.extensions = Some(SharedBytes::from(b"\x08".as_slice()));
    full.extra.appended_at = AppendTime::At(AppendInstant {
        unix_seconds: 1_704_164_645,
        nanoseconds: 678_901_234,
        form: TimeForm::Old,
        zone: Zone::East { seconds: 19_800 },
    });
    assert_eq!(
        json(full.clone(), PayloadMode::None),
        serde_json::json!({
            "type": "entry", "group": "g", "index": 4711, "term": 7, "kind": "command",
            "kind_code": 0, "size_bytes": 2, "appended_at": "2024-01-02T03:04:05.678901234Z",
            "extensions_bytes": 1,
            "place": { "file": "memory", "offset_bytes": 471_100, "len_bytes": 10 },
        })
    );
    let hex = json(full.clone(), PayloadMode::Hex);
    assert_eq!((&hex["data_hex"], &hex["extensions_hex"]), (&"00ff".into(), &"08".into()));
    let base64 = json(full.clone(), PayloadMode::Base64);
    assert_eq!((&base64["data_b64"], &base64["extensions_b64"]), (&"AP8=".into(), &"CA==".into()));
    let utf8 = json(full.clone(), PayloadMode::Utf8);
    assert_eq!((&utf8["data_b64"], utf8.get("data")), (&"AP8=".into(), None));
    let digest = json(full, PayloadMode::Digest);
    assert_eq!(
        digest["sha256"],
        "06eb7d6a69ee19e5fbdf749018d3d2abfa04bcbd1365db312eb86dc7169389b8"
    );
}

#[test]
fn nil_is_null_and_text_and_decoded_payloads_are_data() {
    let mut nil = entry(1, 1);
    nil.payload = None;
    let shown = json(nil.clone(), PayloadMode::Base64);
    assert!(shown["data_b64"].is_null() && shown.get("data_b64").is_some());
    assert!(json(nil, PayloadMode::Utf8)["data_b64"].is_null());
    assert_eq!(json(entry(1, 1), PayloadMode::Utf8)["data"], "payload 1");
    let mut peers = entry(1, 1);
    peers.kind = EntryKind::AddPeer;
    peers.payload = Some(SharedBytes::from(b"\x91\xa1a".as_slice()));
    let shown = json(peers, PayloadMode::Auto);
    assert_eq!(shown["decoder"], "hashicorp-peers");
    assert_eq!(
        shown["data"],
        serde_json::json!({ "servers": [{ "id": "a", "address": "a", "suffrage": "voter" }] })
    );
    assert!(json(entry(1, 1), PayloadMode::Auto).get("data_b64").is_some());
}

#[test]
fn times_that_rfc_3339_cannot_write_are_left_out() {
    let at = |unix_seconds| AppendInstant {
        unix_seconds,
        nanoseconds: 7,
        form: TimeForm::New,
        zone: Zone::Utc,
    };
    let shown = |seconds| UtcTime::of(&at(seconds)).map(|time| time.to_string());
    assert_eq!(shown(-315_619_200), Some("1960-01-01T00:00:00.000000007Z".to_owned()));
    assert_eq!(shown(-62_167_219_200), Some("0000-01-01T00:00:00.000000007Z".to_owned()));
    assert_eq!(shown(-62_167_219_201), None);
    assert_eq!(shown(253_402_207_200), Some("9999-12-30T22:00:00.000000007Z".to_owned()));
    assert_eq!((shown(i64::MAX), shown(i64::MIN)), (None, None));
}

#[test]
fn records_are_shown_as_they_lie_and_damaged_ones_counted() {
    let mut store = MemoryStore::of(&[(1, 1)]);
    let record = |offset, group: Option<GroupId>, status| Record {
        place: place(offset),
        kind: "entries".to_owned(),
        group,
        range: IndexRange::new(LogIndex(1), LogIndex(4)),
        entries: 4,
        checksum: RecordChecksum::Bad,
        status,
    };
    store.records = vec![
        record(0, Some(GroupId::Unnamed), RecordStatus::Live),
        record(10, None, RecordStatus::Dead),
        record(20, Some(GroupId::Unnamed), RecordStatus::Damaged),
        record(30, Some(GroupId::Unnamed), RecordStatus::Torn),
    ];
    let list = |options: &RecordOptions| {
        let mut lines = Vec::new();
        let mut visit = |item: RecordItem<'_>| {
            if let RecordItem::Record(line) = item {
                lines.push(serde_json::to_value(line).expect("serialises"));
            }
            ControlFlow::Continue(())
        };
        let streamed = records(&store, options, &mut visit, &mut Unobserved).expect("readable");
        (lines, streamed)
    };
    let (lines, streamed) = list(&RecordOptions::default());
    assert_eq!((streamed.items, streamed.damaged, streamed.torn), (4, 1, 1));
    assert_eq!(streamed.worst(), Some(Severity::Error));
    assert_eq!(
        lines[2],
        serde_json::json!({
            "type": "record", "record_kind": "entries", "group": null, "first_index": 1,
            "last_index": 4, "entries": 4, "checksum": "bad", "status": "damaged",
            "place": { "file": "memory", "offset_bytes": 20, "len_bytes": 10 },
        })
    );
    let of_group = RecordOptions { group: Some(GroupId::Unnamed), limit: Some(2) };
    let (lines, streamed) = list(&of_group);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["place"]["offset_bytes"], 20);
    assert_eq!(streamed.torn, 0);
}

#[test]
fn an_absent_group_is_refused_by_every_view() {
    let store = MemoryStore::of(&[(1, 1)]);
    let group = Some(GroupId::named("x"));
    let absent = |error: Error| matches!(error, Error::NoSuchGroup { .. });
    assert!(absent(overview(alone(&store), group.as_ref(), &mut Unobserved).expect_err("absent")));
    let options = EntryOptions { group: group.clone(), ..EntryOptions::default() };
    let mut visit = |_: EntryItem<'_>| ControlFlow::Continue(());
    assert!(absent(entries(&store, &options, &mut visit, &mut Unobserved).expect_err("absent")));
    let options = RecordOptions { group, limit: None };
    let mut visit = |_: RecordItem<'_>| ControlFlow::Continue(());
    assert!(absent(records(&store, &options, &mut visit, &mut Unobserved).expect_err("absent")));
}
