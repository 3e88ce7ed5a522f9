//! Logs that are long enough to be read by a thread of its own, and what goes wrong meanwhile.

use super::*;

const MANY: u64 = 30_000;

fn long() -> MemoryStore {
    let mut store = MemoryStore::of(&[(1, 1)]);
    let entries = (1..=MANY).map(|index| Ok(located(entry(index, 1))));
    store.group(&GroupId::Unnamed).1 = entries.collect();
    store
}

#[test]
fn a_long_log_arrives_in_its_order_and_is_counted_whole() {
    let bench = bench(&EVERYTHING);
    let outcome = bench.run(&long()).expect("migrated");
    let Migration { copied, compared, .. } = outcome.migration;
    assert_eq!(copied.expect("written").entries, MANY);
    assert_eq!(compared.expect("compared").entries, MANY);
    let mut written = bench.written();
    let pieces = &written.group(&GroupId::Unnamed).1;
    let indexes = pieces.iter().flatten().map(|piece| piece.entry.index.0);
    assert!(indexes.eq(1..=MANY));
}

#[test]
fn a_source_that_fails_in_the_middle_leaves_nothing_behind() {
    let bench = bench(&EVERYTHING);
    let mut store = long();
    store.fails_at = Some(LogIndex(MANY / 2));
    match bench.run(&store) {
        Err(Error::Store(StoreError::Io(error))) => assert_eq!(error.action, "read"),
        other => panic!("not stopped: {other:?}"),
    }
    assert_eq!(bench.left(), [""; 0]);
}

#[test]
fn damage_far_into_a_log_is_found_behind_everything_before_it() {
    let bench = bench(&EVERYTHING);
    let mut store = long();
    let fault = Fault::new(Code::R122, FaultKind::Note { found: "x".to_owned() }).at(place(3));
    for at in [10_000, 20_000] {
        store.group(&GroupId::Unnamed).1[at] = Err(Box::new(fault.clone()));
    }
    match bench.run(&store) {
        Err(Error::Findings { outcome }) => {
            assert_eq!(outcome.findings.count(Code::R122), 2);
            assert_eq!(outcome.migration.plan.groups[0].entries, MANY - 2, "all of it was read");
        }
        other => panic!("not stopped: {other:?}"),
    }
    assert_eq!(bench.left(), [""; 0]);
}

#[test]
fn a_target_that_fails_while_the_source_is_far_ahead_ends_the_reading() {
    let mut bench = bench(&EVERYTHING);
    for batches in [0, 1, 3] {
        bench.ends.full_after = Some(batches);
        match bench.run(&long()) {
            Err(Error::Store(StoreError::Io(error))) => {
                assert_eq!(error.source.kind(), std::io::ErrorKind::StorageFull);
            }
            other => panic!("not stopped: {other:?}"),
        }
        assert_eq!(bench.left(), [""; 0], "after {batches} batches");
        bench.ends.batches.lock().expect("whole").clear();
    }
}

#[test]
fn a_wish_to_stop_in_the_middle_is_heard_in_time() {
    struct After(Phase, u64);
    impl Observer for After {
        fn on(&mut self, event: &Event) -> ControlFlow<()> {
            match event {
                Event::Advanced { phase, entries, .. } if *phase == self.0 => {
                    assert!(*entries <= self.1, "told again after it stopped");
                    if *entries == self.1 {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    let bench = bench(&EVERYTHING);
    for phase in [Phase::Copying, Phase::Comparing] {
        let result = bench.observed(&long(), &mut After(phase, 8_192));
        assert!(matches!(result, Err(Error::Cancelled)), "{phase:?}: {result:?}");
        assert_eq!(bench.left(), [""; 0], "{phase:?}");
    }
}

#[test]
fn a_difference_in_the_middle_is_found_while_the_source_is_ahead() {
    let mut bench = bench(&EVERYTHING);
    bench.ends.spoil = Box::new(|store| store.unnamed_entry(14_999).term = Term(9));
    match bench.run(&long()) {
        Err(Error::Mismatch { difference, .. }) => assert_eq!(difference, "term of entry 15000"),
        other => panic!("not noticed: {other:?}"),
    }
    assert_eq!(bench.left(), ["target.failed"]);
}
