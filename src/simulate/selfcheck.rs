//! Proof that the simulator would notice: each bug of `fastlog::planted` is caught by the check
//! that the crash model, section 9, names for it, within a budget of images that the sound engine
//! passes under four profiles.

use std::ops::ControlFlow;

use crate::fastlog::planted::{Bug, plant};
use crate::model::Durability::{self, High, Low, Mid};
use crate::model::{GroupId, LogId, LogIndex, SharedBytes, Term};
use crate::simulate::check::Check;
use crate::simulate::explore::Budget;
use crate::simulate::faults::{damage_at_rest, failing_calls, failing_reads, foreign_blocks};
use crate::simulate::mode::{Flushing, Mode, Order};
use crate::simulate::oracle::{Action, Held};
use crate::simulate::replay::replay;
use crate::simulate::run::{Job, Options, Recording, explored, recorded};
use crate::simulate::shrink::shrunk;
use crate::simulate::tally::Tally;
use crate::simulate::workload::{Shape, Step, next_entry, plan};
use crate::vfs::sim::{Profile, Seed, Torn};

/// Distinct images within which a bug must be caught, and which the sound engine must pass.
const BUDGET_IMAGES: u64 = 200_000;
/// Seeds after which a bug counts as missed, long before the budget is spent.
const SEEDS: u64 = 60;
/// The same for faults and damage, of which one seed tries many.
const FAULT_SEEDS: u64 = 4;

/// How a bug is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Crash images.
    Crash,
    /// Crash images of a workload in which segments serve again.
    Recycling,
    /// Calls that fail.
    Fault,
    /// Reads that fail while a log is recovered.
    Read,
    /// Damage at rest.
    Damage,
}

const fn mode(durability: Durability, order: Order) -> Mode {
    Mode { durability, order, flushing: Flushing::Immediate }
}

const STRICT: Mode = mode(High, Order::DiskFirst);
const MID: Mode = mode(Mid, Order::DiskFirst);
const LOW: Mode = mode(Low, Order::DiskFirst);
const MEMORY: Mode = mode(High, Order::MemFirst);

/// A bug, with the defences taken away that would hide it, and the checks that must all break.
struct Planted {
    row: u8,
    bugs: &'static [Bug],
    mode: Mode,
    by: By,
    checks: &'static [Check],
}

const fn planted(
    row: u8,
    bugs: &'static [Bug],
    mode: Mode,
    by: By,
    checks: &'static [Check],
) -> Planted {
    Planted { row, bugs, mode, by, checks }
}

use By::{Crash, Damage, Fault, Read, Recycling};
use Check::{S01, S02, S03, S04, S06, S07, S08, S09, S10, S12, S14, S15, S16, S17};

/// The rows of section 9, in its order.
const PLANTED: &[Planted] = &[
    planted(1, &[Bug::NameNotSynced], STRICT, Crash, &[S02]),
    planted(2, &[Bug::AckBeforeSync], STRICT, Crash, &[S02, S15]),
    planted(3, &[Bug::VoteNotSynced], MID, Crash, &[S08]),
    planted(4, &[Bug::CommitsLatecomers], STRICT, Crash, &[S02]),
    planted(5, &[Bug::SyncErrorIgnored], STRICT, Fault, &[S02]),
    planted(6, &[Bug::SyncTriedAgain], STRICT, Fault, &[S02]),
    planted(7, &[Bug::HeaderErrorDropped], STRICT, Fault, &[S02]),
    planted(8, &[Bug::ShortWriteTaken], STRICT, Fault, &[S02]),
    planted(9, &[Bug::FailedWriteSeen], STRICT, Fault, &[S16]),
    planted(10, &[Bug::ReadErrorIsEnd, Bug::DamageIsTorn], STRICT, Read, &[S12]),
    planted(
        11,
        &[Bug::HeaderNotCovered, Bug::NoSalt, Bug::NotMasked, Bug::NoChain, Bug::NoSequence],
        STRICT,
        Crash,
        &[S01],
    ),
    planted(12, &[Bug::NotMasked], STRICT, Damage, &[S12]),
    // The model says S06. Here frames of an earlier life stand before the sync point that a later
    // one proved, so that they do not come back as ghosts: a legal crash is refused.
    planted(13, &[Bug::NoChain, Bug::NoSequence, Bug::NoSalt], STRICT, Recycling, &[S17]),
    planted(14, &[Bug::HeaderLate], STRICT, Crash, &[S14]),
    planted(15, &[Bug::HeaderNotSynced], STRICT, Crash, &[S17]),
    planted(16, &[Bug::RotationForgets], MID, Crash, &[S02]),
    planted(17, &[Bug::SkipsBadFrames], LOW, Crash, &[S03]),
    planted(18, &[Bug::DamageIsTorn], STRICT, Damage, &[S12]),
    planted(19, &[Bug::SyncPointEarly], MID, Crash, &[S17]),
    planted(20, &[Bug::PurgeBeforeBase], MID, Crash, &[S02]),
    planted(21, &[Bug::PurgeSyncsActive], LOW, Crash, &[S02]),
    planted(22, &[Bug::PurgeAnyOrder], STRICT, Crash, &[S17]),
    planted(23, &[Bug::AnchorNotSynced], STRICT, Crash, &[S01]),
    planted(23, &[Bug::DirNotSynced], STRICT, Crash, &[S02]),
    planted(24, &[Bug::BatchSplit], LOW, Crash, &[S09]),
    planted(25, &[Bug::HigherEntriesStay], STRICT, Crash, &[S06]),
    planted(25, &[Bug::TruncationShort], STRICT, Crash, &[S06]),
    planted(26, &[Bug::CompactionLost], STRICT, Crash, &[S07]),
    planted(26, &[Bug::MarkerKeepsEntries], STRICT, Crash, &[S10]),
    planted(26, &[Bug::MarkerCommitStale], STRICT, Crash, &[S08]),
    planted(27, &[Bug::OneSlot], STRICT, Fault, &[S17]),
    planted(28, &[Bug::TailNotCut, Bug::NoChain], LOW, Crash, &[S14]),
    planted(29, &[Bug::NoBackpressure], MEMORY, Crash, &[S04]),
];

/// Frames that are all of one length, each entry written twice, and segments that serve again: what
/// an earlier life left begins just where the log ends.
fn recycling() -> Vec<Step> {
    let id = GroupId::named("again");
    let submit = |action| Step::Submit(vec![vec![(id.clone(), action)]]);
    let mut steps = vec![submit(Action::Create)];
    for index in 1..=63 {
        for term in [2 * index - 1, 2 * index] {
            let mut entry = next_entry(&Held::default());
            (entry.index, entry.term) = (LogIndex(index), Term(term));
            entry.payload = Some(SharedBytes::from(vec![0x5a; 700]));
            steps.push(submit(Action::Append(vec![entry])));
        }
        if index % 7 == 0 {
            let through = LogId { index: LogIndex(index - 1), term: Term(2 * index - 2) };
            steps.extend([submit(Action::Compact(through)), Step::Purge, Step::Wait { ms: 3 }]);
        }
    }
    steps
}

fn options(seed: u64, profile: Profile) -> Options {
    Options {
        profiles: vec![profile],
        seed: Seed(seed),
        shape: Shape::usual(60),
        torn: Torn::Sectors,
        images: 32,
        ..Options::default()
    }
}

/// What one seed shows, until all of `until` are broken.
fn one_seed(
    mode: Mode,
    by: By,
    seed: u64,
    profile: Profile,
    images: u64,
    until: &'static [Check],
) -> Tally {
    let options = options(seed, profile);
    let mut go_on = || ControlFlow::Continue(());
    match by {
        By::Fault => return failing_calls(&options, mode, 1, &mut go_on).tally,
        By::Read => return failing_reads(&options, mode, &mut go_on).tally,
        By::Damage => {
            let damaged = damage_at_rest(&options, mode, 61, &mut go_on);
            return damaged.with(foreign_blocks(&options, mode)).tally;
        }
        By::Crash | By::Recycling => {}
    }
    let steps = match by {
        By::Recycling => recycling(),
        _ => plan(options.seed, &options.shape),
    };
    let job = Job { mode, profile };
    let Recording { record, .. } = recorded(&options, job, &steps, false);
    let (tries, images) = (options.tries(), Some(images));
    let budget = Budget { tries, points: None, images, until, cluster: Some(3) };
    explored(&options, job, &record, budget, &mut |_| ControlFlow::Continue(()))
}

/// Images until all checks were broken; what else was broken where they were not.
fn caught(planted: &Planted) -> Result<u64, Vec<Check>> {
    let is_crash = matches!(planted.by, By::Crash | By::Recycling);
    let (mut images, mut broken) = (0, Vec::new());
    for seed in 0..if is_crash { SEEDS } else { FAULT_SEEDS } {
        plant(planted.bugs);
        let left = BUDGET_IMAGES.saturating_sub(images);
        let (profile, checks) = (Profile::StrictPosix, planted.checks);
        let tally = one_seed(planted.mode, planted.by, seed, profile, left, checks);
        plant(&[]);
        images += tally.images_distinct;
        for violation in tally.violations.values() {
            // Wherever it needed a crash, it can be tried again alone.
            let without_crash = violation.before.is_none() || !is_crash;
            assert!(without_crash || violation.case.is_some(), "{:?}", violation.wrong);
        }
        broken.extend(tally.violations.into_keys());
        if planted.checks.iter().all(|check| broken.contains(check)) {
            return Ok(images);
        }
        if images >= BUDGET_IMAGES {
            break;
        }
    }
    broken.sort_unstable();
    broken.dedup();
    Err(broken)
}

/// Looks for some of the planted bugs, and tells how long each one took: `--nocapture` shows it.
#[allow(clippy::print_stdout)]
fn look_for(which: impl Fn(&Planted) -> bool) {
    let mut missed = Vec::new();
    for planted in PLANTED.iter().filter(|planted| which(planted)) {
        let Planted { row, bugs, checks, .. } = planted;
        match caught(planted) {
            Ok(images) => println!("{row:>2} {bugs:?}: {checks:?} after {images} images"),
            Err(broken) => missed.push(format!("{row} {bugs:?}: not {checks:?} but {broken:?}")),
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

/// A case that fails becomes small, and is still the same failure when it is tried again alone.
#[test]
fn a_failing_case_is_made_small_and_can_be_tried_again() {
    plant(&[Bug::AckBeforeSync]);
    let options = Options { modes: vec![STRICT], ..options(0, Profile::StrictPosix) };
    let job = Job { mode: STRICT, profile: Profile::StrictPosix };
    let small = shrunk(&options, job, S02).expect("something smaller");
    let whole = plan(options.seed, &options.shape).len();
    assert!(small.steps < 8 && small.steps < whole, "{} of {whole} steps", small.steps);
    let again = Options { shape: small.shape.clone(), ..options.clone() };
    let found = replay(&again, &small.case).expect("the case is there");
    assert!(found.findings.iter().any(|finding| finding.code == S02), "{:?}", found.findings);
    plant(&[]);
    let found = replay(&again, &small.case);
    assert!(found.is_ok_and(|found| found.findings.is_empty()), "the sound engine passes it");
}

#[test]
fn every_row_of_the_crash_model_is_planted() {
    let mut rows: Vec<u8> = PLANTED.iter().map(|planted| planted.row).collect();
    assert!(rows.is_sorted());
    rows.dedup();
    assert_eq!(rows, (1..=29).collect::<Vec<u8>>());
}

#[test]
fn bugs_that_lose_data_at_a_crash_are_caught_by_the_checks_named_for_them() {
    look_for(|planted| planted.by == By::Crash && planted.row <= 12);
}

#[test]
fn bugs_of_purge_replay_and_recovery_are_caught_by_the_checks_named_for_them() {
    look_for(|planted| matches!(planted.by, By::Crash | By::Recycling) && planted.row > 12);
}

#[test]
fn bugs_that_need_a_fault_are_caught_by_the_checks_named_for_them() {
    look_for(|planted| !matches!(planted.by, By::Crash | By::Recycling));
}

/// As many images as a bug may take, over all modes.
fn sound_under(profile: Profile) {
    let (mut images, mut seed) = (0, 100);
    while images < BUDGET_IMAGES && seed < 1000 {
        for mode in Mode::all() {
            let left = BUDGET_IMAGES.saturating_sub(images).max(1);
            let tally = one_seed(mode, By::Crash, seed, profile, left, &[]);
            assert!(tally.violations.is_empty(), "{mode}, {seed:x}: {:?}", tally.violations);
            images += tally.images_distinct + tally.nested + tally.lives;
            seed += 1;
        }
    }
    assert!(images >= BUDGET_IMAGES, "{images} images");
}

#[test]
fn the_sound_engine_passes_on_a_disk_that_obeys_posix_alone() {
    sound_under(Profile::StrictPosix);
}

#[test]
fn the_sound_engine_passes_on_ext4() {
    sound_under(Profile::Ext4Ordered);
}

#[test]
fn the_sound_engine_passes_on_xfs() {
    sound_under(Profile::Xfs);
}

#[test]
fn the_sound_engine_passes_on_a_disk_that_keeps_the_order() {
    sound_under(Profile::NoReorder);
}

#[test]
fn the_sound_engine_passes_with_faults_and_damage() {
    for (mode, seed) in [(STRICT, 0), (MID, 1), (MEMORY, 2), (LOW, 3)] {
        for by in [By::Fault, By::Read, By::Damage] {
            let tally = one_seed(mode, by, seed, Profile::StrictPosix, u64::MAX, &[]);
            assert!(tally.violations.is_empty(), "{mode}, {by:?}: {:?}", tally.violations);
        }
    }
}
