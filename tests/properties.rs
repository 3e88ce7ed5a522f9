//! The engine against a model of a few lines: whatever is done, the log shows what the model
//! holds, before and after it is opened again, on the simulated disk and on a real one.

#[path = "crash/run.rs"]
mod run;
#[path = "crash/workload.rs"]
mod workload;

use std::sync::Arc;

use proptest::prelude::*;
use raftlog::fastlog::{FastLog, LogView, Memory};
use raftlog::model::{GroupId, IndexRange, LogIndex};
use raftlog::vfs::os::{OsClock, OsFs};
use raftlog::vfs::sim::{Profile, Seed, SimFs};

use run::{Run, dir, options, state_of};
use workload::{State, plan};

/// A run that keeps entries in memory in one of the ways.
fn run_of(seed: u64) -> Run {
    let mut run = Run::new(SimFs::new(Profile::Kill));
    run.memory = [Memory::Index, Memory::EAGER, Memory::LAZY][(seed % 3) as usize];
    run
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_log_shows_what_the_model_holds_after_every_step(seed: u64, steps in 2usize..80) {
        let mut run = run_of(seed);
        for step in plan(Seed(seed), steps) {
            run.steps(std::slice::from_ref(&step)).expect("nothing fails");
            prop_assert_eq!(&run.visible(), run.history.last().expect("a state"));
        }
        run.close();
        let view = LogView::open(Arc::new(run.fs.clone()), dir()).expect("opens");
        prop_assert_eq!(view.faults(), &[]);
        prop_assert_eq!(&state_of_view(&view), run.history.last().expect("a state"));
    }

    #[test]
    fn single_reads_and_ranges_agree(seed: u64, from in 0u64..40, len in 0u64..20) {
        let mut run = run_of(seed);
        run.steps(&plan(Seed(seed), 40)).expect("nothing fails");
        let log = run.opened();
        let range = IndexRange::new(LogIndex(from), LogIndex(from + len)).expect("not empty");
        for (id, number) in log.groups() {
            let (_, entries) = &run.history.last().expect("a state")[&id];
            let inside: Vec<_> =
                entries.iter().filter(|entry| range.contains(entry.index)).cloned().collect();
            let read: Vec<_> =
                log.entries(number, range).map(|entry| entry.expect("reads").entry).collect();
            prop_assert_eq!(&read, &inside);
            for index in from..=from + len {
                let one = log.read(number, LogIndex(index)).expect("reads");
                let expected = inside.iter().find(|entry| entry.index.0 == index).cloned();
                prop_assert_eq!(one, expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_real_disk_holds_the_same_bytes_as_the_simulated_one(seed: u64) {
        let steps = plan(Seed(seed), 30);
        let mut run = run_of(seed);
        run.steps(&steps).expect("nothing fails");
        run.close();
        let state = run.history.last().expect("a state");
        let real = tempfile::tempdir().expect("a directory");
        let copy = real.path().join("log");
        run.copy_to(&copy);
        let log = FastLog::open(Arc::new(OsFs), Arc::new(OsClock), &copy, &options());
        let log = log.expect("opens");
        prop_assert!(log.recovery().clean);
        prop_assert_eq!(&state_of(&log), state);
        let groups = log.groups();
        run::live_on(&log).expect("is written");
        drop(log);
        let log = FastLog::open(Arc::new(OsFs), Arc::new(OsClock), &copy, &options());
        let log = log.expect("opens again");
        for (id, number) in groups {
            let before = state[&id].0.bounds.map_or(0, IndexRange::count);
            let after = log.state(number).expect("known").bounds.map_or(0, IndexRange::count);
            prop_assert_eq!(after, before + 1);
        }
    }
}

fn state_of_view(view: &LogView) -> State {
    let seen = |id: GroupId| {
        let state = view.state(&id).expect("a known group");
        let entries = view.entries(&id, IndexRange::ALL);
        let entries = entries.map(|entry| entry.expect("reads").entry).collect();
        (id, (state, entries))
    };
    view.groups().into_iter().map(seen).collect()
}
