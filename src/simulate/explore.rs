//! Trying the images of every point of a run, each content once for one promise.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::simulate::case::Case;
use crate::simulate::check::Check;
use crate::simulate::cluster::Clusters;
use crate::simulate::driver::{Point, Record};
use crate::simulate::oracle::OpNumber;
use crate::simulate::tally::Tally;
use crate::vfs::sim::{Choice, Disk, ImageNo, Seed, Tries};

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

/// Who opens an image, as a server would, and judges what comes out.
pub trait Trial {
    /// Tries what a power cut left at `point`; returns how many operations are there, if that is
    /// legal.
    fn image(
        &mut self,
        tally: &mut Tally,
        case: &Case,
        point: &Point,
        disk: Disk,
    ) -> Option<OpNumber>;

    /// Tries what is there when the process ends at `point` and the machine does not.
    fn killed(&mut self, tally: &mut Tally, case: &Case, point: &Point);
}

/// One run with its moments, being tried.
pub struct Explorer<'a, T> {
    record: &'a Record,
    seed: Seed,
    budget: Budget,
    /// What was tried, and how much of it was there.
    seen: HashMap<(OpNumber, OpNumber, u128), Option<OpNumber>>,
    tally: Tally,
    trial: T,
}

/// The tries of point `number`.
pub fn tries(tries: Tries, seed: Seed, number: usize) -> Tries {
    Tries { seed: seed.part(number as u64), ..tries }
}

impl<'a, T: Trial> Explorer<'a, T> {
    /// An explorer of a run that was made from `seed`.
    pub fn new(record: &'a Record, seed: Seed, budget: Budget, trial: T) -> Explorer<'a, T> {
        let clusters = budget.cluster.map(Clusters::of);
        let points_covered = record.points_covered;
        let mut tally = Tally { points_covered, clusters, ..Tally::default() };
        for wrong in &record.wrongs {
            tally.broken(wrong.clone(), None, None);
        }
        Explorer { record, seed, budget, seen: HashMap::new(), tally, trial }
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

    fn point(&mut self, number: usize, point: &Point) {
        self.tally.points_enumerated += 1;
        let killed = Case { seed: self.seed, point: number, image: None, then: Vec::new() };
        self.trial.killed(&mut self.tally, &killed, point);
        let tries = tries(self.budget.tries, self.seed, number);
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
                    self.tally.images_distinct += 1;
                    let kept = self.trial.image(&mut self.tally, &case, point, disk);
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
}

/// All of `len` numbers, or `most` of them, spread evenly, the last one included.
fn chosen_points(len: usize, most: Option<usize>) -> Vec<usize> {
    match most {
        Some(most) if most < len => (1..=most).map(|at| at * len / most.max(1) - 1).collect(),
        _ => (0..len).collect(),
    }
}
