use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::LazyLock;

use super::*;
use crate::event::{Event, Unobserved};
use crate::model::{EntryKind, FaultKind, Severity, SharedBytes};
use crate::store::memory::{EVERYTHING, MemoryStore, entry, located, place};
use crate::store::{Format, Profile};

fn description() -> Description {
    Description {
        path: PathBuf::from("dir"),
        store: PathBuf::from("dir/store"),
        format: Format::FastLog,
        evidence: Vec::new(),
        layout: None,
        data_dir: None,
        files: Vec::new(),
        faults: Vec::new(),
    }
}

fn fault(code: Code, offset_bytes: u64) -> Fault {
    Fault::new(code, FaultKind::Note { found: "x".to_owned() }).at(place(offset_bytes))
}

fn with_membership(mut store: MemoryStore) -> MemoryStore {
    let entry = store.unnamed_entry(0);
    entry.kind = EntryKind::Configuration;
    entry.kind_code = Some(5);
    entry.payload = Some(SharedBytes::from(b"\x81\xa7Servers\x90".as_slice()));
    store
}

fn source<'s>(store: &'s MemoryStore, description: &'s Description) -> Source<'s> {
    Source { store, description, snapshots: None }
}

fn judge(store: &MemoryStore) -> Outcome {
    verify(source(store, &description()), &Options::default(), &mut Unobserved).expect("readable")
}

fn codes(outcome: &Outcome) -> Vec<(Code, Severity)> {
    outcome.findings.kept().map(|fault| (fault.code, fault.severity)).collect()
}

#[test]
fn a_sound_store_is_sound_and_counted() {
    let mut store = with_membership(MemoryStore::of(&[(1, 1), (2, 1), (3, 2)]));
    store.checked.checked_bytes = 4_096;
    store.checked.counts = vec![("pages", 3)];
    let outcome = judge(&store);
    assert_eq!(codes(&outcome), []);
    let verdict = outcome.verdict;
    assert!(verdict.sound);
    assert_eq!((verdict.path.as_str(), verdict.level.as_str()), ("dir/store", "full"));
    assert_eq!((verdict.groups, verdict.entries, verdict.checked_bytes), (1, 3, 4_096));
    assert_eq!(verdict.payload_bytes, 10 + 9 + 9);
    assert_eq!(verdict.containers, BTreeMap::from([("pages".to_owned(), 3)]));
}

#[test]
fn infos_leave_it_sound_warnings_and_errors_do_not() {
    let late = with_membership(MemoryStore::of(&[(7, 1), (8, 1)]));
    let outcome = judge(&late);
    assert_eq!(codes(&outcome), [(Code::R126, Severity::Info)]);
    assert!(outcome.verdict.sound);
    let mut torn = with_membership(MemoryStore::of(&[(1, 1)]));
    torn.checked.faults.push(fault(Code::R114, 9));
    torn.checked.torn_bytes = 17;
    let outcome = judge(&torn);
    assert_eq!(codes(&outcome), [(Code::R114, Severity::Warning)]);
    assert!(!outcome.verdict.sound);
    assert_eq!(outcome.verdict.torn_bytes, 17);
}

#[test]
fn damage_said_by_the_container_is_not_said_again_by_its_entries() {
    let mut store = with_membership(MemoryStore::of(&[(1, 1), (2, 1)]));
    store.checked.faults.push(fault(Code::R119, 50));
    let log = &mut store.group(&GroupId::Unnamed).1;
    log.insert(1, Err(Box::new(fault(Code::R119, 50))));
    log.insert(1, Err(Box::new(fault(Code::R122, 70))));
    let outcome = judge(&store);
    assert_eq!(codes(&outcome), [(Code::R119, Severity::Error), (Code::R122, Severity::Error)]);
}

#[test]
fn damage_that_the_container_could_not_number_gets_the_index_that_reading_found() {
    let mut store = with_membership(MemoryStore::of(&[(1, 1), (2, 1)]));
    store.checked.faults.push(fault(Code::R119, 50));
    let lost = fault(Code::R119, 50).at_index(LogIndex(3)).in_group(&GroupId::Unnamed);
    store.group(&GroupId::Unnamed).1.push(Err(Box::new(lost.clone())));
    let outcome = judge(&store);
    assert_eq!(outcome.findings.kept().collect::<Vec<_>>(), [&lost]);
}

#[test]
fn what_does_not_decode_is_no_hole() {
    let mut store = with_membership(MemoryStore::of(&[(1, 1), (2, 1), (4, 1)]));
    let lost = fault(Code::R122, 70).at_index(LogIndex(3));
    store.group(&GroupId::Unnamed).1.insert(2, Err(Box::new(lost)));
    assert_eq!(codes(&judge(&store)), [(Code::R122, Severity::Error)]);
}

#[test]
fn faults_of_a_readable_entry_are_reported_once() {
    let mut store = with_membership(MemoryStore::of(&[(1, 1), (2, 1)]));
    let last = store.group(&GroupId::Unnamed).1[1].as_mut().expect("readable");
    last.faults = vec![fault(Code::R124, 70)];
    assert_eq!(codes(&judge(&store)), [(Code::R124, Severity::Warning)]);
    let mut zero = with_membership(MemoryStore::of(&[(0, 1), (1, 1)]));
    let first = zero.group(&GroupId::Unnamed).1[0].as_mut().expect("readable");
    first.faults = vec![fault(Code::R127, 70)];
    assert_eq!(codes(&judge(&zero)), [(Code::R127, Severity::Error)]);
}

#[test]
fn a_membership_that_does_not_decode_is_a_warning() {
    let mut store = with_membership(MemoryStore::of(&[(1, 1), (2, 1)]));
    let bad = store.unnamed_entry(1);
    bad.kind = EntryKind::AddPeer;
    bad.kind_code = Some(2);
    assert_eq!(codes(&judge(&store)), [(Code::R110, Severity::Warning)]);
    let foreign = store.unnamed_entry(1);
    (foreign.kind, foreign.kind_code) = (EntryKind::Configuration, None);
    assert_eq!(codes(&judge(&store)), [], "another library's configuration is not judged");
}

/// As [`MemoryStore`]'s own, but nobody says who encodes memberships.
static FOREIGN: LazyLock<Profile> = LazyLock::new(|| Profile { memberships: &[], ..EVERYTHING });

#[test]
fn a_membership_of_another_library_counts_where_it_decodes_and_need_not() {
    let json = br#"{"configs":[[1]],"nodes":{"1":{"addr":"h1:1"}}}"#;
    for profile in [&EVERYTHING, &*FOREIGN] {
        let mut store = MemoryStore::of(&[(1, 1), (2, 1), (3, 1)]);
        store.profile = profile;
        store.unnamed_entry(0).kind = EntryKind::Configuration;
        let outcome = judge(&store);
        assert_eq!(codes(&outcome), [(Code::R110, Severity::Info)], "none decodes");
        assert!(outcome.verdict.sound);
        let second = store.unnamed_entry(1);
        second.kind = EntryKind::Configuration;
        second.payload = Some(SharedBytes::from(json.as_slice()));
        assert_eq!(codes(&judge(&store)), []);
    }
}

#[test]
fn numbers_of_kinds_that_others_use_too_demand_no_membership_of_hashicorp() {
    let mut store = MemoryStore::of(&[(1, 1), (2, 1)]);
    for (at, kind, code) in [(0, EntryKind::Configuration, 5), (1, EntryKind::AddPeer, 2)] {
        let entry = store.unnamed_entry(at);
        (entry.kind, entry.kind_code) = (kind, Some(code));
    }
    let warning = (Code::R110, Severity::Warning);
    let info = (Code::R110, Severity::Info);
    assert_eq!(codes(&judge(&store)), [warning, warning, info]);
    store.profile = &*FOREIGN;
    assert_eq!(codes(&judge(&store)), [info]);
}

#[test]
fn only_the_group_asked_for_is_judged_and_an_absent_one_is_refused() {
    let mut store = with_membership(MemoryStore::of(&[(1, 1)]));
    let holed = vec![Ok(located(entry(1, 1))), Ok(located(entry(3, 1)))];
    store.groups.insert(GroupId::named("b"), (LogState::default(), holed));
    let only = |group: GroupId| {
        let options = Options { group: Some(group), ..Options::default() };
        verify(source(&store, &description()), &options, &mut Unobserved)
    };
    assert_eq!(codes(&only(GroupId::Unnamed).expect("there")), []);
    let found = only(GroupId::named("b")).expect("there");
    assert_eq!(found.findings.count(Code::R101), 1);
    assert_eq!(found.findings.count(Code::R113), 1);
    assert_eq!(found.verdict.entries, 2);
    let absent = only(GroupId::named("c")).expect_err("absent");
    let Error::NoSuchGroup { present, .. } = &absent else { panic!("{absent}") };
    assert_eq!(present, &[GroupId::Unnamed, GroupId::named("b")]);
    assert_eq!(absent.to_string(), "there is no group \"c\"");
}

#[test]
fn leftovers_beside_the_store_are_findings() {
    let store = with_membership(MemoryStore::of(&[(1, 1)]));
    let mut described = description();
    described.faults.push(fault(Code::R117, 0));
    let outcome =
        verify(source(&store, &described), &Options::default(), &mut Unobserved).expect("readable");
    assert_eq!(codes(&outcome), [(Code::R117, Severity::Warning)]);
    assert!(!outcome.verdict.sound);
}

#[test]
fn a_wish_to_stop_stops_each_phase() {
    struct Patience(usize);
    impl Observer for Patience {
        fn on(&mut self, _: &Event) -> ControlFlow<()> {
            match self.0.checked_sub(1) {
                Some(left) => {
                    self.0 = left;
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(()),
            }
        }
    }
    let store = with_membership(MemoryStore::of(&[(1, 1), (2, 1)]));
    let run = |patience| {
        verify(source(&store, &description()), &Options::default(), &mut Patience(patience))
    };
    let events = 3 + 3;
    for patience in 0..events {
        assert!(matches!(run(patience), Err(Error::Cancelled)), "after {patience} events");
    }
    assert!(run(events).is_ok());
}
