//! Trying the images of every point of a run: recover, judge; sometimes crash again.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use crate::fastlog::{FastLog, Options};
use crate::model::GroupId;
use crate::simulate::case::Case;
use crate::simulate::check::Check;
use crate::simulate::cluster::Clusters;
use crate::simulate::driver::{Point, Record, called};
use crate::simulate::engine;
use crate::simulate::oracle::{Action, Actions, History, Model, OpNumber, Wrong};
use crate::simulate::recover::{Recovered, out_of_reach, recover, recover_on};
use crate::simulate::tally::Tally;
use crate::simulate::workload::{in_its_place, next_entry};
use crate::vfs::sim::{Choice, Disk, ImageNo, Seed, SimFs, Tries};

/// One image in so many is crashed again while it is recovered.
const NESTED_EVERY: u64 = 8;
/// One in so many is written to, cut off and recovered once more.
const LIFE_EVERY: u64 = 4;
/// Images of each moment of a recovery, and of the end of a life after it.
const SECOND_IMAGES: u64 = 4;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Images of a point.
    pub tries: Tries,
    /// Points, spread evenly; `None` is all of them.
    pub points: Option<usize>,
    /// Distinct images, after which no other point is begun; `None` is no limit.
    pub images: Option<u64>,
    /// Checks after which, once all are broken, no other point is begun; empty is none.
    pub until: &'static [Check],
    /// Nodes of the clusters whose power is cut; `None` is no cluster.
    pub cluster: Option<u32>,
}

/// How far an exploration is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Images checked so far.
    pub images: u64,
    /// Points tried, of a thousand.
    pub share: u64,
}

/// One run with its moments, being tried.
pub struct Explorer<'a> {
    record: &'a Record,
    seed: Seed,
    options: Options,
    budget: Budget,
    /// What was tried, and how much of it was there.
    seen: HashMap<(OpNumber, OpNumber, u128), Option<OpNumber>>,
    lives: HashMap<OpNumber, Life>,
    buffer: Vec<u8>,
    tally: Tally,
}

/// What is done after a recovery, and what the log must hold then.
#[derive(Clone)]
pub struct Life {
    /// What is done.
    pub operations: Vec<Actions>,
    /// Stands for what the log holds then.
    pub digest: u128,
}

/// A moment of a second process.
pub struct Inner {
    /// The disk, pending changes included.
    pub disk: Disk,
    /// What was about to happen.
    pub before: String,
}

impl<'a> Explorer<'a> {
    /// An explorer of a run that was made from `seed`.
    pub fn new(record: &'a Record, seed: Seed, options: Options, budget: Budget) -> Explorer<'a> {
        let clusters = budget.cluster.map(Clusters::of);
        let points_covered = record.points_covered;
        let mut tally = Tally { points_covered, clusters, ..Tally::default() };
        for wrong in &record.wrongs {
            tally.broken(wrong.clone(), None, None);
        }
        Explorer {
            record,
            seed,
            options,
            budget,
            seen: HashMap::new(),
            lives: HashMap::new(),
            buffer: Vec::new(),
            tally,
        }
    }

    /// Tries point after point. `watch` is told how far it is after each point, and may stop.
    pub fn run(mut self, watch: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Tally {
        let points = chosen_points(self.record.points.len(), self.budget.points);
        let count = points.len().max(1) as u64;
        for (done, number) in (1..).zip(points) {
            if let Some(point) = self.record.points.get(number) {
                self.point(number, point);
            }
            let Tally { images_distinct, nested, lives, .. } = self.tally;
            let until = self.budget.until;
            let caught = until.iter().all(|check| self.tally.violations.contains_key(check));
            let spent = self.budget.images.is_some_and(|most| images_distinct >= most)
                || (caught && !until.is_empty());
            let images = images_distinct + nested + lives;
            if watch(Progress { images, share: 1000 * done / count }).is_break() || spent {
                break;
            }
        }
        self.tally
    }

    /// The tries of point `number`.
    pub fn tries(tries: Tries, seed: Seed, number: usize) -> Tries {
        Tries { seed: seed.part(number as u64), ..tries }
    }

    fn point(&mut self, number: usize, point: &Point) {
        self.tally.points_enumerated += 1;
        self.killed(number, point);
        let tries = Explorer::tries(self.budget.tries, self.seed, number);
        let mut images = point.disk.images(tries);
        self.tally.points_exhaustive += u64::from(images.is_exhaustive());
        let mut choice = Choice::default();
        let mut here = Vec::new();
        for no in (0..images.len()).map(ImageNo) {
            images.choose(no, &mut choice);
            self.tally.images += 1;
            let standing = &point.power;
            let key = (standing.promised(), standing.accepted, images.digest(&choice));
            let kept = match self.seen.get(&key) {
                Some(kept) => *kept,
                None => {
                    let disk = images.build(&choice);
                    let case =
                        Case { seed: self.seed, point: number, image: Some(no), then: Vec::new() };
                    let kept = self.image(&case, point, disk);
                    self.seen.insert(key, kept);
                    kept
                }
            };
            here.extend(kept);
        }
        if let Some(clusters) = &mut self.tally.clusters {
            let seed = self.seed.part(u64::MAX / 2 - number as u64);
            clusters.cut(&self.record.history, &point.power, &here, seed);
        }
    }

    /// The process ends, the machine does not.
    fn killed(&mut self, number: usize, point: &Point) {
        let case = Case { seed: self.seed, point: number, image: None, then: Vec::new() };
        let judged = recover(point.disk.clone(), &self.options, &mut self.buffer)
            .map_err(|wrong| out_of_reach(wrong, &point.kill))
            .and_then(|recovered| recovered.judged(&self.record.history, &point.kill));
        if let Err(wrongs) = judged {
            self.broken(wrongs, &case, point);
        }
    }

    fn broken(&mut self, wrongs: Vec<Wrong>, case: &Case, point: &Point) {
        for wrong in wrongs {
            self.tally.broken(wrong, Some(case), Some(&point.before));
        }
    }

    /// Recovers an image and judges it; returns how many operations are there, if that is legal.
    fn image(&mut self, case: &Case, point: &Point, disk: Disk) -> Option<OpNumber> {
        self.tally.images_distinct += 1;
        let tried = self.tally.images_distinct;
        let nested = tried.is_multiple_of(NESTED_EVERY).then(|| disk.clone());
        let recovered = match recover(disk, &self.options, &mut self.buffer) {
            Ok(recovered) => recovered,
            Err(wrong) => {
                self.tally.refused += 1;
                self.broken(out_of_reach(wrong, &point.power), case, point);
                return None;
            }
        };
        if let Some(torn) = &recovered.log.recovery().torn {
            self.tally.torn_tails += 1;
            self.tally.ambiguous_tails += u64::from(torn.ambiguous);
        }
        let judged = match recovered.judged(&self.record.history, &point.power) {
            Ok(kept) => {
                let loss = self.record.history.loss(kept, &point.power);
                self.tally.lost(&self.record.history, &loss);
                if tried % LIFE_EVERY == LIFE_EVERY - 1 {
                    self.life_after(case, point, recovered, kept);
                } else if tried % NESTED_EVERY == 1 {
                    self.again(case, point, recovered);
                }
                Some(kept)
            }
            Err(wrongs) => {
                self.broken(wrongs, case, point);
                None
            }
        };
        if let Some(disk) = nested {
            self.crash_the_recovery(case, point, disk);
        }
        judged
    }

    /// Recovering again gives the same and writes nothing.
    fn again(&mut self, case: &Case, point: &Point, recovered: Recovered) {
        let Recovered { log, fs, digest } = recovered;
        drop(log);
        let calls = fs.calls();
        let wrong = match recover_on(fs.clone(), &self.options, &mut self.buffer) {
            Err(wrong) => Some(format!("recovering again: {}", wrong.message)),
            Ok(again) if again.digest != digest => Some("recovering again differs".to_owned()),
            Ok(_) => (fs.calls() != calls).then(|| "recovering again writes".to_owned()),
        };
        if let Some(message) = wrong {
            self.broken(vec![Wrong::new(Check::S13, message)], case, point);
        }
    }

    fn crash_the_recovery(&mut self, case: &Case, point: &Point, disk: Disk) {
        for (number, inner) in moments_of_recovery(disk, &self.options).iter().enumerate() {
            for (no, disk) in second_images(&inner.disk, self.seed, number) {
                self.tally.nested += 1;
                let judged = recover(disk, &self.options, &mut self.buffer)
                    .map_err(|wrong| out_of_reach(wrong, &point.power))
                    .and_then(|recovered| recovered.judged(&self.record.history, &point.power));
                let Err(wrongs) = judged else { continue };
                let case = Case { then: vec![(number, no)], ..case.clone() };
                let first = wrongs.first().map(|wrong| wrong.message.clone()).unwrap_or_default();
                let message = format!("crashed again before {}: {first}", inner.before);
                let mut all = vec![Wrong { message, ..Wrong::new(Check::S13, "") }];
                all.extend(wrongs);
                self.broken(all, &case, point);
            }
        }
    }

    /// One acknowledged entry in every group survives the next power cut.
    fn life_after(&mut self, case: &Case, point: &Point, recovered: Recovered, kept: OpNumber) {
        let history = &self.record.history;
        let every_other = self.tally.images_distinct % (2 * LIFE_EVERY) == LIFE_EVERY - 1;
        let in_place = every_other.then(|| Life::in_place(history, kept)).flatten();
        // Behind every moment of the recovery itself.
        let end = if in_place.is_some() { IN_PLACE_END } else { LIFE_END };
        let life = in_place.unwrap_or_else(|| {
            self.lives.entry(kept).or_insert_with(|| Life::after(history, kept)).clone()
        });
        let Recovered { log, fs, .. } = recovered;
        if let Err(error) = live(&log, &life.operations) {
            let message = format!("cannot be written after recovery: {error}");
            self.broken(vec![Wrong::new(Check::S14, message)], case, point);
            return;
        }
        let disk = fs.disk();
        drop(log);
        for (no, disk) in second_images(&disk, self.seed, end) {
            self.tally.lives += 1;
            let why = match recover(disk, &self.options, &mut self.buffer) {
                Ok(again) if again.digest == life.digest => continue,
                Ok(_) => Wrong::lost_life(),
                Err(wrong) => {
                    let message =
                        format!("recovered, written to, cut off again: {}", wrong.message);
                    Wrong::new(Check::S14, message)
                }
            };
            let case = Case { then: vec![(end, no)], ..case.clone() };
            self.broken(vec![why], &case, point);
        }
    }
}

/// The number of the moment after recovery and one entry a group.
pub const LIFE_END: usize = 9999;
/// The number of the moment after recovery and other entries in place of those that were lost.
pub const IN_PLACE_END: usize = 9998;

/// All of `len` numbers, or `most` of them, spread evenly, the last one included.
fn chosen_points(len: usize, most: Option<usize>) -> Vec<usize> {
    match most {
        Some(most) if most < len => (1..=most).map(|at| at * len / most.max(1) - 1).collect(),
        _ => (0..len).collect(),
    }
}

/// The moments before each sync of a recovery.
pub fn moments_of_recovery(disk: Disk, options: &Options) -> Vec<Inner> {
    let fs = SimFs::on(disk);
    let moments = Arc::new(Mutex::new(Vec::new()));
    let watched = Arc::clone(&moments);
    fs.watch(move |moment| {
        if moment.operation.is_sync() {
            let inner = Inner { disk: moment.disk.clone(), before: called(moment) };
            watched.lock().unwrap_or_else(PoisonError::into_inner).push(inner);
        }
    });
    // What it says is judged by who recovers the same image without watching.
    let _judged_elsewhere = recover_on(fs.clone(), options, &mut Vec::new());
    fs.unwatch();
    let mut moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *moments)
}

/// A few images of a moment of a second process, each content once.
fn second_images(disk: &Disk, seed: Seed, number: usize) -> Vec<(ImageNo, Disk)> {
    let tries = second_tries(seed, number);
    let images = disk.images(tries).distinct().take(SECOND_IMAGES as usize);
    images.map(|image| (image.no, image.disk)).collect()
}

/// The tries of moment `number` of a second process.
pub fn second_tries(seed: Seed, number: usize) -> Tries {
    let (samples, exhaustive_max) = (SECOND_IMAGES * 2, SECOND_IMAGES * 2);
    let seed = seed.part(u64::MAX - number as u64);
    Tries { samples, exhaustive_max, seed, ..Tries::default() }
}

impl Life {
    /// In place of the entries that were lost next others that are as long, so that what followed
    /// them in the files would follow again; `None` where it was not entries of one group.
    pub fn in_place(history: &History, kept: OpNumber) -> Option<Life> {
        let mut model = history.model_after(kept);
        let (actions, _) = history.op(kept.0)?;
        let [(id, Action::Append(entries))] = actions.as_slice() else { return None };
        let others = entries.iter().map(in_its_place).collect();
        let actions = vec![(id.clone(), Action::Append(others))];
        if !model.admits(&actions) {
            return None;
        }
        model.apply(&actions);
        Some(Life { operations: vec![actions], digest: Model::digest(&model) })
    }

    /// One entry in each group of the state after `kept` operations.
    pub fn after(history: &History, kept: OpNumber) -> Life {
        let mut model = history.model_after(kept);
        let mut operations: Vec<Actions> = Vec::new();
        if model.groups().len() == 0 {
            let actions = vec![(GroupId::named("life"), Action::Create)];
            model.apply(&actions);
            operations.push(actions);
        }
        let groups: Vec<GroupId> = model.groups().cloned().collect();
        for id in groups {
            let Some(held) = model.group(&id) else { continue };
            let actions = vec![(id, Action::Append(vec![next_entry(held)]))];
            model.apply(&actions);
            operations.push(actions);
        }
        Life { operations, digest: Model::digest(&model) }
    }
}

/// Does the operations, and makes everything durable.
pub fn live(log: &FastLog, operations: &[Actions]) -> Result<(), crate::fastlog::Error> {
    for actions in operations {
        match actions.as_slice() {
            [(id, Action::Create)] => drop(log.create_group(id)?),
            _ => log.write(engine::encoded(log, actions)?)?,
        }
    }
    log.sync().map(drop)
}
