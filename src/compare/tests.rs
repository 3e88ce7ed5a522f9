use std::sync::LazyLock;

use super::*;
use crate::event::Unobserved;
use crate::model::{
    AppendInstant, AppendTime, ByteOrder, Code, Fault, FaultKind, LogState, SharedBytes,
    SnapshotNote, StableValue, Term, TimeForm, Zone,
};
use crate::store::memory::{EVERYTHING, MemoryStore, entry, located};
use crate::store::{Holds, Profile};

/// Holds neither times nor extensions nor snapshots.
static LITTLE: LazyLock<Profile> = LazyLock::new(|| Profile {
    holds: Holds {
        appended_at: false,
        time_form_matters: false,
        extensions: false,
        snapshot_marker: false,
        commit: false,
        ..EVERYTHING.holds
    },
    ..EVERYTHING
});

fn compared(a: &MemoryStore, b: &MemoryStore) -> Difference {
    with_options(a, b, &Options::default())
}

fn with_options(a: &MemoryStore, b: &MemoryStore, options: &Options) -> Difference {
    diff(a, b, options, &mut Unobserved).expect("readable").difference
}

fn sound() -> MemoryStore {
    MemoryStore::of(&[(1, 1), (2, 1), (3, 2)])
}

fn first(difference: &Difference) -> (Option<u64>, &str) {
    let first = difference.first_difference.as_ref().expect("differs");
    (first.index.map(|index| index.0), &first.field)
}

#[test]
fn equal_stores_are_identical_and_counted() {
    let difference = compared(&sound(), &sound());
    assert!(difference.identical);
    assert_eq!(difference.first_difference, None);
    assert_eq!(difference.not_comparable, [""; 0]);
    let expected = GroupDifference {
        group: GroupId::Unnamed,
        common: 3,
        only_a: 0,
        only_b: 0,
        differing: 0,
        state_equal: true,
    };
    assert_eq!(difference.groups, [expected]);
}

#[test]
fn every_field_of_an_entry_makes_a_difference_unless_it_is_ignored() {
    let moment =
        AppendInstant { unix_seconds: 7, nanoseconds: 8, form: TimeForm::Old, zone: Zone::Utc };
    type Change = Box<dyn Fn(&mut crate::model::Entry)>;
    let changes: Vec<(&str, Change)> = vec![
        ("term", Box::new(|entry| entry.term = Term(9))),
        ("kind", Box::new(|entry| entry.kind = crate::model::EntryKind::Noop)),
        ("payload", Box::new(|entry| entry.payload = Some(vec![1].into()))),
        ("extensions", Box::new(|entry| entry.extra.extensions = Some(vec![1].into()))),
        ("appended-at", Box::new(move |entry| entry.extra.appended_at = AppendTime::At(moment))),
    ];
    for (field, change) in changes {
        let mut other = sound();
        change(other.unnamed_entry(1));
        let difference = compared(&sound(), &other);
        assert_eq!(first(&difference), (Some(2), field));
        assert_eq!((difference.identical, difference.groups[0].differing), (false, 1));
        let options = Options { ignore: vec![field.to_owned()], ..Options::default() };
        assert!(with_options(&sound(), &other, &options).identical, "{field} is ignored");
    }
}

#[test]
fn payloads_are_shown_as_size_and_digest_only() {
    let mut other = sound();
    other.unnamed_entry(0).payload = Some(SharedBytes::from(b"secret".as_slice()));
    let found = compared(&sound(), &other).first_difference.expect("differs");
    let b = found.b.expect("there");
    assert!(b.starts_with("6 bytes, sha256 2bb80d537b1da3e3"), "{b}");
    assert!(!b.contains("secret"));
}

#[test]
fn the_form_of_a_value_is_no_difference_in_meaning() {
    let (mut a, mut b) = (sound(), sound());
    let moment =
        |form, zone| AppendTime::At(AppendInstant { unix_seconds: 5, nanoseconds: 6, form, zone });
    a.unnamed_entry(0).extra.appended_at = moment(TimeForm::Old, Zone::East { seconds: 3_600 });
    b.unnamed_entry(0).extra.appended_at = moment(TimeForm::New, Zone::Utc);
    a.unnamed_entry(1).payload = None;
    b.unnamed_entry(1).payload = Some(SharedBytes::default());
    a.unnamed_entry(2).extra.appended_at = AppendTime::Nil;
    let key = b"CurrentTerm".to_vec();
    let value = |bytes: [u8; 8], order| StableValue {
        bytes: SharedBytes::from(bytes.as_slice()),
        integer: Some(order),
    };
    a.unnamed_state().stable.insert(key.clone(), value(7u64.to_be_bytes(), ByteOrder::Big));
    b.unnamed_state().stable.insert(key, value(7u64.to_le_bytes(), ByteOrder::Little));
    assert!(compared(&a, &b).identical);
}

#[test]
fn entries_that_only_one_side_has_are_counted_apart() {
    let a = MemoryStore::of(&[(1, 1), (2, 1), (5, 2)]);
    let b = MemoryStore::of(&[(2, 1), (3, 1), (5, 2), (6, 2)]);
    let difference = compared(&a, &b);
    let group = &difference.groups[0];
    assert_eq!((group.common, group.only_a, group.only_b, group.differing), (2, 1, 2, 0));
    assert_eq!(first(&difference), (Some(1), "presence"));
    assert_eq!(difference.first_difference.as_ref().expect("differs").b, None);
    let options = Options { ignore: vec!["presence".to_owned()], ..Options::default() };
    assert!(with_options(&a, &b, &options).identical);
}

#[test]
fn a_group_that_only_one_side_has_is_a_difference_even_without_entries() {
    let mut b = sound();
    b.groups.insert(GroupId::named("7"), (LogState::default(), Vec::new()));
    let difference = compared(&sound(), &b);
    assert_eq!(first(&difference), (None, "presence"));
    assert!(!difference.identical && !difference.groups[1].state_equal);
    let options = Options { group: Some(GroupId::Unnamed), ..Options::default() };
    assert!(with_options(&sound(), &b, &options).identical);
}

#[test]
fn state_is_compared_by_key_and_can_be_ignored() {
    let mut b = sound();
    b.unnamed_state().stable.insert(b"LastVoteCand".to_vec(), StableValue::bytes(b"n1"));
    let difference = compared(&sound(), &b);
    assert_eq!(first(&difference), (None, "state:LastVoteCand"));
    assert!(!difference.identical && !difference.groups[0].state_equal);
    for ignored in ["state:LastVoteCand", "state"] {
        let options = Options { ignore: vec![ignored.to_owned()], ..Options::default() };
        assert!(with_options(&sound(), &b, &options).identical, "{ignored}");
    }
    let options = Options { ignore: vec!["state:other".to_owned()], ..Options::default() };
    assert!(!with_options(&sound(), &b, &options).identical);
}

#[test]
fn what_one_format_cannot_hold_is_left_out_and_listed() {
    let mut b = sound();
    b.profile = &LITTLE;
    let mut a = sound();
    a.unnamed_entry(0).extra.extensions = Some(vec![1].into());
    let state = a.unnamed_state();
    state.hard.commit = Some(LogIndex(2));
    state.snapshot = Some(SnapshotNote {
        index: LogIndex(1),
        term: Term(1),
        id: None,
        note: SharedBytes::default(),
    });
    let difference = compared(&a, &b);
    assert!(difference.identical);
    let listed = ["extensions", "appended-at", "state:commit", "snapshot"];
    assert_eq!(difference.not_comparable, listed);
}

#[test]
fn a_damaged_entry_is_a_finding_of_its_side_and_nothing_is_identical() {
    let mut b = sound();
    let fault = Fault::new(Code::R122, FaultKind::Note { found: "x".to_owned() });
    b.group(&GroupId::Unnamed).1[1] = Err(Box::new(fault));
    let outcome = diff(&sound(), &b, &Options::default(), &mut Unobserved).expect("readable");
    assert_eq!((outcome.findings_a.total(), outcome.findings_b.total()), (0, 1));
    assert_eq!((outcome.difference.identical, outcome.difference.groups[0].only_a), (false, 1));
    let options = Options { ignore: vec!["presence".to_owned()], ..Options::default() };
    assert!(!with_options(&sound(), &b, &options).identical);
}

#[test]
fn only_the_indexes_asked_for_are_compared() {
    let a = MemoryStore::of(&[(1, 1), (2, 1), (3, 1)]);
    let mut b = MemoryStore::of(&[(1, 1), (2, 1), (3, 1)]);
    b.unnamed_entry(0).term = Term(0);
    let options = Options { index: Selection::Last(2), ..Options::default() };
    let difference = with_options(&a, &b, &options);
    assert!(difference.identical);
    assert_eq!(difference.groups[0].common, 2);
}

#[test]
fn what_does_not_exist_is_refused() {
    let (a, b) = (sound(), sound());
    let run = |options: &Options| diff(&a, &b, options, &mut Unobserved).expect_err("refused");
    let options = Options { ignore: vec!["state:".to_owned()], ..Options::default() };
    assert!(matches!(run(&options), Error::NoSuchField { .. }));
    let options = Options { group: Some(GroupId::named("x")), ..Options::default() };
    assert_eq!(run(&options).to_string(), "none of the stores has a group \"x\"");
}

#[test]
fn many_entries_are_compared_in_one_pass() {
    let mut a = MemoryStore::of(&[]);
    a.group(&GroupId::Unnamed).1 = (1..=5_000).map(|index| Ok(located(entry(index, 1)))).collect();
    let difference = compared(&a, &a.clone());
    assert_eq!((difference.identical, difference.groups[0].common), (true, 5_000));
}
