#![allow(clippy::disallowed_methods)]

mod any_source_to_any_target;
mod memory_ends;
mod plans;
mod reading_ahead;

use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use super::*;
use crate::event::{Event, Phase, Unobserved};
use crate::model::{
    Candidate, Entry, EntryKind, Fault, FaultKind, HardState, LogId, LogIndex, LogState,
    SharedBytes, SnapshotNote, StableValue, Term, Vote,
};
use crate::store::memory::{EVERYTHING, MemoryStore, entry, located, place};
use crate::store::{Holds, VoteForm};
use crate::vfs::os::{OsClock, OsFs};
use crate::vfs::{Fs, OpenMode};
use memory_ends::{Bench, LITTLE, bench};

fn sound() -> MemoryStore {
    MemoryStore::of(&[(1, 1), (2, 1), (3, 2)])
}

fn losses(outcome: &Outcome) -> Vec<(LossName, u64, bool)> {
    let losses = &outcome.migration.plan.losses;
    losses.iter().map(|loss| (loss.name, loss.count, loss.accepted)).collect()
}

fn refused(result: Result<Outcome, Error>) -> (String, Outcome) {
    match result {
        Err(Error::Refused { what, outcome } | Error::Unfit { what, outcome }) => (what, *outcome),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_sound_log_is_copied_compared_and_published() {
    let bench = bench(&EVERYTHING);
    let outcome = bench.run(&sound()).expect("migrated");
    assert_eq!(bench.left(), ["target"]);
    let Migration { plan, copied, compared } = outcome.migration;
    assert_eq!((plan.from.as_str(), plan.to.as_str()), ("fastlog", "fastlog"));
    assert_eq!(plan.losses, []);
    assert_eq!(plan.notes, ["a note"]);
    let group = GroupPlan {
        group: GroupId::Unnamed,
        first_index: Some(LogIndex(1)),
        last_index: Some(LogIndex(3)),
        entries: 3,
        payload_bytes: 27,
        state_keys: 0,
    };
    assert_eq!(plan.groups, [group]);
    let copied = copied.expect("written");
    assert_eq!((copied.groups, copied.entries, copied.bytes, copied.files), (1, 3, 7, 1));
    assert_eq!(compared, Some(Compared { entries: 3, state_keys: 0, equal: true }));
}

#[test]
fn a_dry_run_plans_and_writes_nothing() {
    let mut bench = bench(&EVERYTHING);
    bench.options.dry_run = true;
    let outcome = bench.run(&sound()).expect("planned");
    assert_eq!(bench.left(), [""; 0]);
    assert_eq!(outcome.migration.plan.groups[0].entries, 3);
    assert!(outcome.migration.copied.is_none() && outcome.migration.compared.is_none());
}

/// A log with something of everything that a little target cannot hold.
fn rich() -> MemoryStore {
    let mut store = MemoryStore::of(&[(5, 1), (6, 1), (9, 2), (10, 2)]);
    store.other = vec![("users".to_owned(), 12)];
    store.checked.counts = vec![(crate::store::SUPERSEDED_RECORDS, 4)];
    let state = store.unnamed_state();
    state.snapshot = Some(SnapshotNote {
        index: LogIndex(8),
        term: Term(1),
        id: None,
        note: SharedBytes::default(),
    });
    state.compacted = Some(LogId { index: LogIndex(4), term: Term(1) });
    state.hard = HardState {
        term: Some(Term(2)),
        vote: Some(Vote { term: Some(Term(2)), candidate: Some(Candidate::Id(7)) }),
        commit: Some(LogIndex(9)),
    };
    state.stable.insert(b"CurrentTerm".to_vec(), StableValue::bytes(b"2"));
    state.stable.insert(b"other".to_vec(), StableValue::bytes(b"x"));
    let moment = crate::model::AppendInstant {
        unix_seconds: 5,
        nanoseconds: 0,
        form: crate::model::TimeForm::Old,
        zone: crate::model::Zone::Utc,
    };
    let last = store.unnamed_entry(3);
    last.kind = EntryKind::Noop;
    last.extra.extensions = Some(SharedBytes::from(b"e".as_slice()));
    last.extra.appended_at = crate::model::AppendTime::At(moment);
    last.extra.note = SharedBytes::from(b"n".as_slice());
    store
}

#[test]
fn every_loss_that_occurs_is_counted_and_stops_until_it_is_accepted() {
    use LossName as L;
    let mut bench = bench(&LITTLE);
    let (what, outcome) = refused(bench.run(&rich()));
    assert_eq!(what, "10 losses are not accepted yet");
    let expected = [
        (L::AppendedAt, 1),
        (L::Extensions, 1),
        (L::UnknownFields, 1),
        (L::CommitIndex, 1),
        (L::VoteCandidate, 1),
        (L::StableKeys, 1),
        (L::SnapshotMarker, 1),
        (L::EntryKind, 1),
        (L::Hole, 2),
        (L::SupersededRecords, 4),
        (L::OtherTables, 1),
    ];
    let found: Vec<(LossName, u64)> =
        losses(&outcome).into_iter().map(|(name, count, _)| (name, count)).collect();
    assert_eq!(found, expected);
    assert_eq!(bench.left(), [""; 0], "nothing was written");
    let accepted: Vec<bool> =
        losses(&outcome).into_iter().map(|(_, _, accepted)| accepted).collect();
    assert_eq!(accepted.iter().filter(|accepted| **accepted).count(), 1, "history is only told");

    bench.options.allow_loss = LossName::ALL.to_vec();
    let outcome = bench.run(&rich()).expect("every loss is accepted");
    assert_eq!(outcome.migration.plan.groups[0].first_index, Some(LogIndex(9)));
    assert_eq!(outcome.migration.compared.expect("compared").entries, 2);
    let mut written = bench.written();
    let (state, log) = written.group(&GroupId::Unnamed);
    assert_eq!((log.len(), &state.snapshot, state.compacted), (2, &None, None));
    assert_eq!(state.hard.vote, Some(Vote { term: Some(Term(2)), candidate: None }));
    assert_eq!(state.stable.keys().collect::<Vec<_>>(), [b"CurrentTerm"]);
    let last = written.unnamed_entry(1);
    assert_eq!((last.kind, &last.extra), (EntryKind::Unknown, &Default::default()));
}

#[test]
fn a_target_that_holds_everything_loses_nothing_of_it() {
    let mut bench = bench(&EVERYTHING);
    bench.options.allow_loss = vec![LossName::OtherTables];
    let outcome = bench.run(&rich()).expect("migrated");
    let expected = [(LossName::SupersededRecords, 4, true), (LossName::OtherTables, 1, true)];
    assert_eq!(losses(&outcome), expected);
    assert_eq!(bench.written().groups.len(), 1);
}

#[test]
fn a_hole_that_no_snapshot_covers_is_refused_even_when_it_is_accepted() {
    let mut bench = bench(&LITTLE);
    bench.options.allow_loss = LossName::ALL.to_vec();
    let mut store = rich();
    store.unnamed_state().snapshot.as_mut().expect("there").index = LogIndex(7);
    let (what, _) = refused(bench.run(&store));
    assert_eq!(
        what,
        "indexes 7 to 8 are missing, no snapshot covers that, and the target holds no holes"
    );
}

#[test]
fn what_a_target_cannot_take_at_all_is_refused() {
    let mut bench = bench(&LITTLE);
    let (what, _) = refused(bench.run(&MemoryStore::of(&[(0, 1), (1, 1)])));
    assert_eq!(what, "the target holds indexes from 1, the source has 0");
    let mut large = sound();
    large.unnamed_entry(1).payload = Some(vec![0; 1_001].into());
    let (what, _) = refused(bench.run(&large));
    assert_eq!(what, "entry 2 has 1001 bytes, the target takes 1000 at most");
    let mut two = sound();
    two.groups.insert(GroupId::named("b"), (LogState::default(), Vec::new()));
    let (what, _) = refused(bench.run(&two));
    assert_eq!(what, "fastlog holds one group, the source has 2; choose one");
    bench.options.group = Some(GroupId::named("b"));
    let (what, outcome) = refused(bench.run(&two));
    assert_eq!(what, "1 loss is not accepted yet");
    assert_eq!(losses(&outcome), [(LossName::Groups, 1, false)]);
    bench.options.allow_loss = vec![LossName::Groups];
    bench.run(&two).expect("its name is given up");
    assert_eq!(bench.written().groups.keys().collect::<Vec<_>>(), [&GroupId::Unnamed]);
}

/// Holds everything, as long as it is small.
static SMALL: LazyLock<Profile> =
    LazyLock::new(|| Profile { entry_bytes_max: 1_000, ..EVERYTHING });

#[test]
fn an_entry_that_is_too_large_is_refused_by_name_before_a_target_is_begun() {
    let bench = bench(&SMALL);
    let mut large = sound();
    large.unnamed_entry(2).payload = Some(vec![0; 1_001].into());
    let (what, _) = refused(bench.run(&large));
    assert_eq!(what, "entry 3 has 1001 bytes, the target takes 1000 at most");
    let begun = |bench: &Bench| !bench.written().groups.is_empty();
    assert!(!begun(&bench) && bench.left().is_empty(), "something was written");
    let mut most = sound();
    most.unnamed_entry(2).payload = Some(vec![0; 1_000].into());
    bench.run(&most).expect("fits");
    assert!(begun(&bench));
}

#[test]
fn damage_stops_and_cannot_be_accepted() {
    let mut bench = bench(&EVERYTHING);
    bench.options.accept = Code::ALL.to_vec();
    bench.options.allow_loss = LossName::ALL.to_vec();
    let damaged = |code, at: Option<usize>| {
        let mut store = sound();
        let fault = Fault::new(code, FaultKind::Note { found: "x".to_owned() }).at(place(3));
        match at {
            None => store.checked.faults.push(fault),
            Some(at) => store.group(&GroupId::Unnamed).1[at] = Err(Box::new(fault)),
        }
        store
    };
    for (code, at) in [(Code::R119, None), (Code::R115, None), (Code::R122, Some(1))] {
        match bench.run(&damaged(code, at)) {
            Err(Error::Findings { outcome }) => assert_eq!(outcome.findings.count(code), 1),
            other => panic!("{code} does not stop: {other:?}"),
        }
        assert_eq!(bench.left(), [""; 0], "after {code}");
    }
    let outcome = bench.run(&damaged(Code::R114, None)).expect("a torn tail stops nothing");
    assert_eq!(outcome.findings.count(Code::R114), 1);
}

#[test]
fn a_broken_rule_stops_until_it_is_accepted_by_name() {
    let mut bench = bench(&EVERYTHING);
    let down = MemoryStore::of(&[(1, 3), (2, 1), (3, 3)]);
    match bench.run(&down) {
        Err(error @ Error::Findings { .. }) => {
            assert_eq!(error.to_string(), "the source is damaged or breaks a rule: 1 error");
        }
        other => panic!("not stopped: {other:?}"),
    }
    assert_eq!(bench.left(), [""; 0]);
    bench.options.accept = vec![Code::R106];
    assert!(matches!(bench.run(&down), Err(Error::Findings { .. })), "another rule");
    bench.options.accept = vec![Code::R102];
    let outcome = bench.run(&down).expect("accepted");
    assert_eq!(outcome.migration.plan.accepted, ["R102"]);
    assert_eq!(bench.left(), ["target"]);
}

#[test]
fn a_target_that_differs_is_set_aside_and_never_published() {
    type Spoil = Box<dyn Fn(&mut MemoryStore)>;
    let spoils: Vec<(&str, Spoil)> = vec![
        ("payload of entry 2", Box::new(|s| s.unnamed_entry(1).payload = None)),
        ("term of entry 2", Box::new(|s| s.unnamed_entry(1).term = Term(9))),
        ("kind of entry 2", Box::new(|s| s.unnamed_entry(1).kind_code = Some(9))),
        ("note of entry 1", Box::new(|s| s.unnamed_entry(0).extra.note = vec![1].into())),
        ("entry 3 is missing", Box::new(|s| drop(s.group(&GroupId::Unnamed).1.pop()))),
        (
            "entry 4 is too much",
            Box::new(|s| {
                s.group(&GroupId::Unnamed).1.push(Ok(located(entry(4, 2))));
            }),
        ),
        ("entry 2 stands for 1", Box::new(|s| drop(s.group(&GroupId::Unnamed).1.remove(0)))),
        ("state:term: nothing, not 2", Box::new(|s| s.unnamed_state().hard.term = None)),
        (
            "state:schema: x, not nothing",
            Box::new(|s| {
                s.unnamed_state().schema = Some("x".to_owned());
            }),
        ),
        (
            "2 groups, not 1",
            Box::new(|s| {
                s.groups.insert(GroupId::named("x"), Default::default());
            }),
        ),
    ];
    for (difference, spoil) in spoils {
        let mut bench = bench(&EVERYTHING);
        bench.ends.spoil = spoil;
        match bench.run(&sound()) {
            Err(Error::Mismatch { difference: found, set_aside }) => {
                assert_eq!(found, difference);
                assert_eq!(set_aside, bench.path("target.failed"));
            }
            other => panic!("{difference}: {other:?}"),
        }
        assert_eq!(bench.left(), ["target.failed"]);
    }
}

#[test]
fn many_entries_go_in_bounded_batches() {
    let bench = bench(&EVERYTHING);
    let mut store = MemoryStore::of(&[(1, 1)]);
    let large = |index| {
        let mut entry = entry(index, 1);
        entry.payload = Some(vec![0; 256 << 10].into());
        Ok(located(entry))
    };
    store.group(&GroupId::Unnamed).1 = (1..=10).map(large).collect();
    bench.run(&store).expect("migrated");
    assert_eq!(*bench.ends.batches.lock().expect("whole"), [4, 4, 2]);
    let mut small = MemoryStore::of(&[(1, 1)]);
    small.group(&GroupId::Unnamed).1 =
        (1..=20_000).map(|index| Ok(located(entry(index, 1)))).collect();
    fs::remove_file(bench.path("target")).expect("the first target");
    bench.ends.batches.lock().expect("whole").clear();
    bench.run(&small).expect("migrated");
    assert_eq!(*bench.ends.batches.lock().expect("whole"), [4_096, 4_096, 4_096, 4_096, 3_616]);
}

#[test]
fn a_wish_to_stop_leaves_nothing_behind_in_any_phase() {
    struct Until(Phase);
    impl Observer for Until {
        fn on(&mut self, event: &Event) -> ControlFlow<()> {
            match event {
                Event::Advanced { phase, .. } if *phase == self.0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    let bench = bench(&EVERYTHING);
    for phase in [Phase::Verifying, Phase::Copying, Phase::Comparing] {
        let result = bench.observed(&sound(), &mut Until(phase));
        assert!(matches!(result, Err(Error::Cancelled)), "{phase:?}");
        assert_eq!(bench.left(), [""; 0], "{phase:?}");
    }
}

#[test]
fn a_source_that_changes_meanwhile_is_noticed() {
    struct Meddler(RefCell<Option<PathBuf>>);
    impl Observer for Meddler {
        fn on(&mut self, event: &Event) -> ControlFlow<()> {
            if matches!(event, Event::Started { phase: Phase::Comparing, .. })
                && let Some(path) = self.0.borrow_mut().take()
            {
                fs::write(path, b"longer than before").expect("meddled");
            }
            ControlFlow::Continue(())
        }
    }
    let bench = bench(&EVERYTHING);
    let mut store = sound();
    store.files[0].path = bench.path("source");
    let mut meddler = Meddler(RefCell::new(Some(bench.path("source"))));
    match bench.observed(&store, &mut meddler) {
        Err(Error::SourceChanged { path }) => assert_eq!(path, bench.path("source")),
        other => panic!("not noticed: {other:?}"),
    }
    assert_eq!(bench.left(), [""; 0]);
}

#[test]
fn a_target_over_its_source_is_refused_and_an_absent_group_too() {
    let mut bench = bench(&EVERYTHING);
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    fs::create_dir(bench.path("store")).expect("directory");
    let store = sound();
    let refuse = |target: &Path, source: &Path| {
        let target = Target::check(Arc::clone(&fs), target, true).expect("free");
        let source = Source { store: &store, path: source, snapshots: None };
        match run(source, target, &bench.options, &bench.ends, &OsClock, &mut Unobserved) {
            Err(Error::Store(StoreError::Refused { what, .. })) => what,
            other => panic!("not refused: {other:?}"),
        }
    };
    let inside = refuse(&bench.path("store/target"), &bench.path("store"));
    assert_eq!(inside, "the target lies inside its source");
    std::fs::write(bench.path("t.partial"), b"a store with an odd name").expect("source");
    let over = refuse(&bench.path("t"), &bench.path("t.partial"));
    assert_eq!(over, "the source lies where the target is written first");
    bench.options.group = Some(GroupId::named("x"));
    assert!(matches!(bench.run(&sound()), Err(Error::NoSuchGroup { .. })));
}

#[test]
fn losses_are_named_and_read_by_the_words_of_the_contract() {
    for name in LossName::ALL {
        assert_eq!(name.as_str().parse(), Ok(*name));
        let json = serde_json::to_value(name).expect("serialises");
        assert_eq!(json, name.as_str());
    }
    let unknown = "times".parse::<LossName>().expect_err("no loss").to_string();
    assert!(unknown.starts_with("\"times\" is no loss; losses are appended-at, "), "{unknown}");
}

/// Holds everything but holes.
static DENSE: LazyLock<Profile> =
    LazyLock::new(|| Profile { holds: Holds { holes: false, ..EVERYTHING.holds }, ..EVERYTHING });

#[test]
fn a_hole_met_while_copying_is_named_before_a_dense_target_exists() {
    let mut bench = bench(&DENSE);
    bench.run(&sound()).expect("a log without holes loses nothing");
    fs::remove_file(bench.path("target")).expect("the first target");
    let mut holed = MemoryStore::of(&[(5, 1), (6, 1), (9, 2)]);
    let (what, outcome) = refused(bench.run(&holed));
    assert_eq!(
        what,
        "indexes 7 to 8 are missing, no snapshot covers that, and the target holds no holes"
    );
    assert_eq!(bench.left(), [""; 0]);
    assert_eq!(outcome.findings.count(Code::R101), 1, "said once");

    let state = holed.unnamed_state();
    state.compacted = Some(LogId { index: LogIndex(4), term: Term(1) });
    state.snapshot = Some(SnapshotNote {
        index: LogIndex(8),
        term: Term(1),
        id: None,
        note: SharedBytes::default(),
    });
    let (_, outcome) = refused(bench.run(&holed));
    assert_eq!(losses(&outcome), [(LossName::Hole, 2, false)]);
    assert_eq!(outcome.migration.plan.groups[0].first_index, Some(LogIndex(9)));
    bench.options.allow_loss = vec![LossName::Hole];
    let outcome = bench.run(&holed).expect("accepted");
    assert_eq!(outcome.migration.compared.expect("compared").entries, 1);
    let through = bench.written().unnamed_state().compacted;
    assert_eq!(through, Some(LogId { index: LogIndex(8), term: Term(1) }));
}
