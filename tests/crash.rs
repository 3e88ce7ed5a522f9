//! Power cuts: small workloads on the simulated disk, cut off before every sync and after every
//! acknowledgement. What is recovered equals the state after some number of operations, and that
//! number covers all that was promised.

#[path = "crash/run.rs"]
mod run;
#[path = "crash/sink.rs"]
mod sink;
#[path = "crash/workload.rs"]
mod workload;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use raftlog::fastlog::{LogView, PastCache};
use raftlog::vfs::sim::{
    CallNo, Damage, Fault, FaultPlan, Image, Profile, Refusal, Seed, SimClock, SimFs, Torn, Tries,
};
use raftlog::vfs::{Fs, Vfs};

use run::{Mode, Point, Run, dir, judge, live_on, open, state_of};
use workload::{State, plan};

/// How much is tried.
struct Budget {
    seeds: std::ops::Range<u64>,
    steps: usize,
    tries: Tries,
}

fn tries(samples: u64, torn: Torn) -> Tries {
    Tries { samples, exhaustive_max: samples.max(64), torn, ..Tries::default() }
}

const FEW: u64 = 8;

/// Counts what was tried, so that a test cannot pass by trying nothing.
#[derive(Default)]
struct Tried {
    points: usize,
    images: usize,
    nested: usize,
    lives: usize,
}

struct Explorer<'h> {
    history: &'h [State],
    seen: HashSet<(usize, usize, u128)>,
    tried: Tried,
}

impl Explorer<'_> {
    /// Tries the images of one point; `case` names it.
    fn point(&mut self, case: &str, point: &Point, tries: Tries) {
        self.tried.points += 1;
        let killed = Point { promised: point.promised_kill, ..point.clone() };
        judge(&SimFs::on(point.disk.clone()), self.history, &killed)
            .unwrap_or_else(|why| panic!("{case}, killed before {}: {why}", point.before));
        for image in point.disk.images(tries).distinct() {
            if !self.seen.insert((point.promised, point.accepted, image.digest)) {
                continue;
            }
            self.tried.images += 1;
            let case = format!("{case}, before {}, image {}", point.before, image.no.0);
            self.image(&case, point, &image);
        }
    }

    fn image(&mut self, case: &str, point: &Point, image: &Image) {
        let fs = SimFs::on(image.disk.clone());
        let log = judge(&fs, self.history, point).unwrap_or_else(|why| panic!("{case}: {why}"));
        let recovered = state_of(&log);
        drop(log);
        if self.tried.images.is_multiple_of(8) {
            self.crash_the_recovery(case, point, image);
        }
        if self.tried.images.is_multiple_of(4) {
            self.life_after(case, &fs);
        } else if self.tried.images.is_multiple_of(7) {
            self.again(case, &fs, &recovered);
        } else if self.tried.images.is_multiple_of(3) {
            clean_means_clean(case, image);
        }
    }

    /// Recovering again gives the same and writes nothing.
    fn again(&mut self, case: &str, fs: &SimFs, recovered: &State) {
        let calls = fs.calls();
        let log = open(fs, &SimClock::new()).expect("opens again");
        assert_eq!(&state_of(&log), recovered, "{case}: S13 recovering again differs");
        assert_eq!(fs.calls(), calls, "{case}: S13 recovering again writes");
    }

    fn crash_the_recovery(&mut self, case: &str, point: &Point, image: &Image) {
        let fs = SimFs::on(image.disk.clone());
        let mut run = Run::new(fs.clone());
        let _opened = run.steps(&[]);
        for inner in run.points() {
            for image in inner.disk.images(tries(FEW, Torn::default())).distinct().take(4) {
                self.tried.nested += 1;
                let again = SimFs::on(image.disk.clone());
                let before = &inner.before;
                judge(&again, self.history, point).unwrap_or_else(|why| {
                    panic!("{case}, recovery cut before {before}: S13 {why}")
                });
            }
        }
    }

    /// One acknowledged entry in every group survives the next power cut.
    fn life_after(&mut self, case: &str, fs: &SimFs) {
        let log = open(fs, &SimClock::new()).expect("opens again");
        let lived = live_on(&log).unwrap_or_else(|error| {
            panic!("{case}: S14 cannot be written after recovery: {error}")
        });
        let point = Point {
            disk: fs.disk(),
            promised: 0,
            promised_kill: 0,
            accepted: 0,
            before: "the second power cut".to_owned(),
        };
        log.close().expect("closed");
        let log = open(fs, &SimClock::new()).expect("opens once more");
        assert!(log.recovery().clean, "{case}: S14 closed, and something is behind the end");
        drop(log);
        for image in point.disk.images(tries(FEW, Torn::default())).distinct() {
            self.tried.lives += 1;
            let again = SimFs::on(image.disk.clone());
            judge(&again, std::slice::from_ref(&lived), &point).unwrap_or_else(|why| {
                panic!("{case}, then one entry a group: S14 what was written after recovery: {why}")
            });
        }
    }
}

/// An anchor that says that the log was closed says so of this log, not of an earlier one.
fn clean_means_clean(case: &str, image: &Image) {
    let Ok(view) = LogView::open(Arc::new(SimFs::on(image.disk.clone())), dir()) else { return };
    if let Some(anchor) = view.anchor().filter(|anchor| anchor.clean) {
        assert_eq!(view.last(), anchor.sync_point, "{case}: not closed, but the anchor says so");
    }
}

/// One run in three writes past the cache, and one in three tries both ways.
fn past_cache(seed: u64) -> PastCache {
    match seed % 3 {
        0 => PastCache::Never,
        1 => PastCache::Always,
        _ => PastCache::Measured,
    }
}

fn explore(profile: Profile, budget: &Budget) -> Tried {
    explore_mode(Mode::STRICT, None, profile, budget)
}

/// `times` are those of a write and of a sync.
fn explore_mode(
    mode: Mode,
    times: Option<(Duration, Duration)>,
    profile: Profile,
    budget: &Budget,
) -> Tried {
    let mut total = Tried::default();
    for seed in budget.seeds.clone() {
        let mut run = Run::on_disk(SimFs::new(profile), mode, times);
        run.past_cache = past_cache(seed);
        run.steps(&plan(Seed(seed), budget.steps)).expect("nothing fails");
        if seed.is_multiple_of(2) {
            run.close();
        }
        let history = run.history.clone();
        let mut explorer =
            Explorer { history: &history, seen: HashSet::new(), tried: Tried::default() };
        for (number, point) in run.points().iter().enumerate() {
            let tries = Tries { seed: Seed(seed).part(number as u64), ..budget.tries };
            explorer.point(&format!("{mode:?} {seed:x}:{number}"), point, tries);
        }
        total.points += explorer.tried.points;
        total.images += explorer.tried.images;
        total.nested += explorer.tried.nested;
        total.lives += explorer.tried.lives;
    }
    total
}

#[test]
fn after_a_power_cut_a_prefix_is_there_that_covers_all_that_was_promised() {
    let budget = Budget { seeds: 0..80, steps: 50, tries: tries(128, Torn::default()) };
    let tried = explore(Profile::StrictPosix, &budget);
    assert!(tried.points > 5_000 && tried.images > 20_000, "{} images", tried.images);
    assert!(tried.nested > 1_000 && tried.lives > 1_000);
}

#[test]
fn every_combination_keeps_its_promise() {
    for (number, mode) in Mode::all().into_iter().enumerate() {
        let first = 1000 + 10 * number as u64;
        let budget = Budget { seeds: first..first + 6, steps: 50, tries: tries(32, Torn::Sectors) };
        let tried = explore_mode(mode, None, Profile::StrictPosix, &budget);
        assert!(tried.images > 500 && tried.lives > 50, "{mode:?}: {} images", tried.images);
    }
}

/// Writes and syncs that take time widen the windows, by no more than the promise says.
#[test]
fn on_a_slow_disk_windows_are_as_wide_as_promised_and_no_wider() {
    let times = Some((Duration::from_millis(3), Duration::from_millis(40)));
    for (number, mode) in Mode::all().into_iter().enumerate() {
        let first = 2000 + 10 * number as u64;
        let budget =
            Budget { seeds: first..first + 4, steps: 50, tries: tries(16, Torn::default()) };
        let tried = explore_mode(mode, times, Profile::StrictPosix, &budget);
        assert!(tried.images > 200, "{mode:?}: {} images", tried.images);
    }
}

#[test]
fn torn_sectors_and_bytes_are_cut_and_never_called_corrupt() {
    for torn in [Torn::Sectors, Torn::Bytes] {
        let budget = Budget { seeds: 100..112, steps: 40, tries: tries(128, torn) };
        let tried = explore(Profile::StrictPosix, &budget);
        assert!(tried.images > 2_000, "{} images", tried.images);
    }
}

#[test]
fn file_systems_that_order_more_change_nothing() {
    for profile in [Profile::Ext4Ordered, Profile::Xfs, Profile::NoReorder, Profile::Drop] {
        let budget = Budget { seeds: 200..204, steps: 30, tries: tries(64, Torn::default()) };
        let tried = explore(profile, &budget);
        assert!(tried.images > 50, "{profile:?}: {} images", tried.images);
    }
}

/// Tries what a power cut leaves after a killed process was followed by another one: while that
/// recovers, when it has recovered, and when it has written one entry a group.
fn cut_after_kill(case: &str, history: &[State], point: &Point, tries: Tries) -> usize {
    let mut images = 0;
    let fs = SimFs::on(point.disk.clone());
    let mut next = Run::new(fs.clone());
    next.steps(&[]).unwrap_or_else(|error| panic!("{case}: {error}"));
    next.kill();
    for inner in next.points() {
        for image in inner.disk.images(tries).distinct() {
            images += 1;
            judge(&SimFs::on(image.disk), history, point).unwrap_or_else(|why| {
                panic!("{case}, then a power cut in recovery before {}: {why}", inner.before)
            });
        }
    }
    fs.unwatch();
    let log = judge(&fs, history, point).unwrap_or_else(|why| panic!("{case}: {why}"));
    let lived = live_on(&log).unwrap_or_else(|error| panic!("{case}: {error}"));
    drop(log);
    let end = Point { promised: 0, accepted: 0, ..point.clone() };
    for image in fs.disk().images(tries).distinct() {
        images += 1;
        clean_means_clean(case, &image);
        judge(&SimFs::on(image.disk), std::slice::from_ref(&lived), &end)
            .unwrap_or_else(|why| panic!("{case}, then a power cut: {why}"));
    }
    images
}

/// The process ends, the machine does not: what was written is still in memory. The next process
/// builds on it, and then the power goes.
#[test]
fn what_a_killed_process_left_in_memory_is_made_durable_before_it_is_built_upon() {
    let mut images = 0;
    for seed in 300..316u64 {
        let mut run = Run::new(SimFs::new(Profile::StrictPosix));
        run.steps(&plan(Seed(seed), 24)).expect("nothing fails");
        let history = run.history.clone();
        for (number, point) in run.points().iter().enumerate() {
            let case = format!("{seed:x}:{number}, killed before {}", point.before);
            let tries = Tries { seed: Seed(seed), ..tries(12, Torn::default()) };
            images += cut_after_kill(&case, &history, point, tries);
        }
    }
    assert!(images > 1_000, "{images}");
}

fn faults() -> [Fault; 6] {
    let write = |refusal, written_bytes| Fault::WriteFails { refusal, written_bytes };
    [
        Fault::SyncFails { read_old: false },
        Fault::SyncFails { read_old: true },
        write(Refusal::Eio, 100),
        write(Refusal::Enospc, 5000),
        Fault::Fails(Refusal::Eio),
        Fault::Fails(Refusal::Enospc),
    ]
}

/// One call fails; the run ends there. Whether the process goes on from memory or the power goes,
/// nothing acknowledged is lost, and what follows survives.
#[test]
fn a_call_that_fails_costs_nothing_that_was_promised() {
    let strict = (400..403).map(|seed| (Mode::STRICT, seed));
    let others = Mode::all().into_iter().zip(410..);
    for (mode, seed) in strict.chain(others) {
        let failed = fail_every_call(mode, seed);
        assert!(failed > 100, "{mode:?}: {failed}");
    }
}

fn fail_every_call(mode: Mode, seed: u64) -> usize {
    let mut failed = 0;
    let steps = plan(Seed(seed), 16);
    let mut sound = Run::in_mode(SimFs::new(Profile::StrictPosix), mode);
    sound.past_cache = past_cache(seed);
    sound.steps(&steps).expect("nothing fails");
    for call in 0..sound.fs.calls().0 {
        for (kind, fault) in faults().into_iter().enumerate() {
            let fs = SimFs::new(Profile::StrictPosix);
            let plan = FaultPlan::new().at(CallNo(call), fault);
            // Every other time, the call by which the engine takes back what it did fails too.
            let again = (call + kind as u64).is_multiple_of(2);
            let next = Fault::Fails(Refusal::Eio);
            fs.set_faults(if again { plan.at(CallNo(call + 1), next) } else { plan });
            let mut run = Run::in_mode(fs.clone(), mode);
            run.past_cache = past_cache(seed);
            if run.steps(&steps).is_ok() {
                continue;
            }
            failed += 1;
            run.kill();
            fs.set_faults(FaultPlan::new());
            let case = format!("{mode:?} {seed:x}: call {call} fails ({kind}, {again})");
            after_failure(&case, &run);
        }
    }
    failed
}

fn after_failure(case: &str, run: &Run) {
    let point = Point { before: "the failure".to_owned(), ..run.here() };
    let end = |promised| Point { promised, accepted: promised, ..point.clone() };
    for image in point.disk.images(tries(FEW, Torn::default())).distinct() {
        let fs = SimFs::on(image.disk);
        judge(&fs, &run.history, &point)
            .unwrap_or_else(|why| panic!("{case}, then a power cut: {why}"));
    }
    let log = judge(&run.fs, &run.history, &point)
        .unwrap_or_else(|why| panic!("{case}, opened again: {why}"));
    let lived = live_on(&log).unwrap_or_else(|error| panic!("{case}, opened again: {error}"));
    drop(log);
    for image in run.fs.disk().images(tries(FEW, Torn::default())).distinct() {
        let fs = SimFs::on(image.disk);
        judge(&fs, std::slice::from_ref(&lived), &end(0))
            .unwrap_or_else(|why| panic!("{case}, opened again, then a power cut: {why}"));
    }
}

/// What lies on the disk of a log that rests, closed or idle: a power cut that keeps nothing
/// pending.
fn at_rest(seed: u64, closing: bool) -> (SimFs, State) {
    let mut run = Run::new(SimFs::new(Profile::Drop));
    run.steps(&plan(Seed(seed), 40)).expect("nothing fails");
    if closing {
        run.close();
    } else {
        run.steps(&[workload::Step::Wait { ms: 500 }]).expect("nothing fails");
        run.kill();
    }
    let mut images = run.fs.disk().images(tries(1, Torn::default())).distinct();
    let image = images.next().expect("one image");
    let state = run.history.last().expect("a state").clone();
    (SimFs::on(image.disk), state)
}

/// Every damage to a file of this size that is tried.
fn damages(size: u64, stride: u64) -> Vec<Damage> {
    let mut damages: Vec<Damage> = (0..size)
        .step_by(usize::try_from(stride).expect("small"))
        .map(|byte| Damage::FlippedBit { offset_bytes: byte, bit: (byte % 8) as u8 })
        .collect();
    damages.extend((0..size / 512).map(|sector| Damage::ZeroedSector { sector }));
    damages.extend((0..size / 4096).map(|page| Damage::ZeroedPage { page }));
    damages.extend((0..size).step_by(509).map(|size| Damage::Shortened { size_bytes: size }));
    damages.push(Damage::Missing);
    damages
}

#[test]
fn damage_to_a_log_at_rest_is_masked_or_found_and_never_silent() {
    let (mut masked, mut found) = (0, 0);
    for (seed, closing) in [(500, true), (501, false), (502, true), (503, false)] {
        let (sound, state) = at_rest(seed, closing);
        for path in sound.list(dir()).expect("listed") {
            let size = sound.metadata(&path).expect("there").size_bytes;
            for damage in damages(size, 11) {
                let disk = sound.disk().damaged(&path, &damage).expect("a file");
                let case = format!("{seed}: {} {damage:?}", path.display());
                let view = LogView::open(Arc::new(SimFs::on(disk.clone())), dir());
                let seen = view.map(|view| view.faults().to_vec());
                match open(&SimFs::on(disk), &SimClock::new()) {
                    Ok(log) => {
                        assert_eq!(state_of(&log), state, "{case}: silent");
                        masked += 1;
                    }
                    Err(_) => {
                        assert!(seen.is_ok_and(|faults| !faults.is_empty()), "{case}: not shown");
                        found += 1;
                    }
                }
            }
        }
    }
    assert!(found > 1_000 && masked > 100, "{found} found, {masked} masked");
}
