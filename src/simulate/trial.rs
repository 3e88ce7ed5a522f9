//! Trying an image with the shipped engine: recover, judge; sometimes crash again, or live on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::fastlog::{FastLog, Options};
use crate::model::GroupId;
use crate::simulate::case::Case;
use crate::simulate::check::Check;
use crate::simulate::driver::{Point, called};
use crate::simulate::engine;
use crate::simulate::explore::Trial;
use crate::simulate::oracle::{Action, Actions, History, Model, OpNumber, Wrong};
use crate::simulate::recover::{Recovered, out_of_reach, recover, recover_on};
use crate::simulate::tally::Tally;
use crate::simulate::workload::{in_its_place, next_entry};
use crate::vfs::sim::{Disk, ImageNo, Seed, SimFs, Tries};

/// One image in so many is crashed again while it is recovered.
const NESTED_EVERY: u64 = 8;
/// One in so many is written to, cut off and recovered once more.
const LIFE_EVERY: u64 = 4;
/// Images of each moment of a recovery, and of the end of a life after it.
const SECOND_IMAGES: u64 = 4;

/// Recovers images with the shipped engine.
pub struct FastlogTrial<'a> {
    history: &'a History,
    seed: Seed,
    options: Options,
    lives: HashMap<OpNumber, Life>,
    buffer: Vec<u8>,
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

impl<'a> FastlogTrial<'a> {
    /// Of a run with this history, made from `seed`, whose log is opened with `options`.
    pub fn new(history: &'a History, seed: Seed, options: Options) -> FastlogTrial<'a> {
        FastlogTrial { history, seed, options, lives: HashMap::new(), buffer: Vec::new() }
    }

    /// Recovering again gives the same and writes nothing.
    fn again(&mut self, tally: &mut Tally, case: &Case, point: &Point, recovered: Recovered) {
        let Recovered { log, fs, digest } = recovered;
        drop(log);
        let calls = fs.calls();
        let wrong = match recover_on(fs.clone(), &self.options, &mut self.buffer) {
            Err(wrong) => Some(format!("recovering again: {}", wrong.message)),
            Ok(again) if again.digest != digest => Some("recovering again differs".to_owned()),
            Ok(_) => (fs.calls() != calls).then(|| "recovering again writes".to_owned()),
        };
        if let Some(message) = wrong {
            tally.all_broken(vec![Wrong::new(Check::S13, message)], case, point);
        }
    }

    fn crash_the_recovery(&mut self, tally: &mut Tally, case: &Case, point: &Point, disk: Disk) {
        for (number, inner) in moments_of_recovery(disk, &self.options).iter().enumerate() {
            for (no, disk) in second_images(&inner.disk, self.seed, number) {
                tally.nested += 1;
                let judged = recover(disk, &self.options, &mut self.buffer)
                    .map_err(|wrong| out_of_reach(wrong, &point.power))
                    .and_then(|recovered| recovered.judged(self.history, &point.power));
                let Err(wrongs) = judged else { continue };
                let case = Case { then: vec![(number, no)], ..case.clone() };
                let first = wrongs.first().map(|wrong| wrong.message.clone()).unwrap_or_default();
                let message = format!("crashed again before {}: {first}", inner.before);
                let mut all = vec![Wrong { message, ..Wrong::new(Check::S13, "") }];
                all.extend(wrongs);
                tally.all_broken(all, &case, point);
            }
        }
    }

    /// One acknowledged entry in every group survives the next power cut.
    fn life_after(
        &mut self,
        tally: &mut Tally,
        (case, point): (&Case, &Point),
        recovered: Recovered,
        kept: OpNumber,
    ) {
        let history = self.history;
        let every_other = tally.images_distinct % (2 * LIFE_EVERY) == LIFE_EVERY - 1;
        let in_place = every_other.then(|| Life::in_place(history, kept)).flatten();
        // Behind every moment of the recovery itself.
        let end = if in_place.is_some() { IN_PLACE_END } else { LIFE_END };
        let life = in_place.unwrap_or_else(|| {
            self.lives.entry(kept).or_insert_with(|| Life::after(history, kept)).clone()
        });
        let Recovered { log, fs, .. } = recovered;
        if let Err(error) = live(&log, &life.operations) {
            let message = format!("cannot be written after recovery: {error}");
            tally.all_broken(vec![Wrong::new(Check::S14, message)], case, point);
            return;
        }
        let disk = fs.disk();
        drop(log);
        for (no, disk) in second_images(&disk, self.seed, end) {
            tally.lives += 1;
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
            tally.all_broken(vec![why], &case, point);
        }
    }
}

impl Trial for FastlogTrial<'_> {
    fn image(
        &mut self,
        tally: &mut Tally,
        case: &Case,
        point: &Point,
        disk: Disk,
    ) -> Option<OpNumber> {
        let tried = tally.images_distinct;
        let nested = tried.is_multiple_of(NESTED_EVERY).then(|| disk.clone());
        let recovered = match recover(disk, &self.options, &mut self.buffer) {
            Ok(recovered) => recovered,
            Err(wrong) => {
                tally.refused += 1;
                tally.all_broken(out_of_reach(wrong, &point.power), case, point);
                return None;
            }
        };
        if let Some(torn) = &recovered.log.recovery().torn {
            tally.torn_tails += 1;
            tally.ambiguous_tails += u64::from(torn.ambiguous);
        }
        let judged = match recovered.judged(self.history, &point.power) {
            Ok(kept) => {
                let loss = self.history.loss(kept, &point.power);
                tally.lost(self.history, &loss);
                if tried % LIFE_EVERY == LIFE_EVERY - 1 {
                    self.life_after(tally, (case, point), recovered, kept);
                } else if tried % NESTED_EVERY == 1 {
                    self.again(tally, case, point, recovered);
                }
                Some(kept)
            }
            Err(wrongs) => {
                tally.all_broken(wrongs, case, point);
                None
            }
        };
        if let Some(disk) = nested {
            self.crash_the_recovery(tally, case, point, disk);
        }
        judged
    }

    fn killed(&mut self, tally: &mut Tally, case: &Case, point: &Point) {
        let judged = recover(point.disk.clone(), &self.options, &mut self.buffer)
            .map_err(|wrong| out_of_reach(wrong, &point.kill))
            .and_then(|recovered| recovered.judged(self.history, &point.kill));
        if let Err(wrongs) = judged {
            tally.all_broken(wrongs, case, point);
        }
    }
}

/// The number of the moment after recovery and one entry a group.
pub const LIFE_END: usize = 9999;
/// The number of the moment after recovery and other entries in place of those that were lost.
pub const IN_PLACE_END: usize = 9998;

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
