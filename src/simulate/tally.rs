//! What was counted while images were tried.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::GroupId;
use crate::simulate::case::Case;
use crate::simulate::check::Check;
use crate::simulate::cluster::Clusters;
use crate::simulate::driver::{Before, Point};
use crate::simulate::oracle::{Action, History, Loss, Wrong};
use crate::simulate::shrink::Shrunk;

/// How often each amount was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted(BTreeMap<u64, u64>);

impl Counted {
    /// One more of `amount`.
    pub fn add(&mut self, amount: u64) {
        *self.0.entry(amount).or_default() += 1;
    }

    /// The smallest amount that so many in a thousand do not exceed; 0 when nothing was counted.
    pub fn quantile(&self, in_thousand: u64) -> u64 {
        let total: u64 = self.0.values().sum();
        let wanted = total.saturating_mul(in_thousand).div_ceil(1000).max(1);
        let mut below = 0;
        for (amount, count) in &self.0 {
            below += count;
            if below >= wanted {
                return *amount;
            }
        }
        0
    }

    /// The smallest amount.
    pub fn min(&self) -> u64 {
        self.0.keys().next().copied().unwrap_or_default()
    }

    /// The largest amount.
    pub fn max(&self) -> u64 {
        self.0.keys().next_back().copied().unwrap_or_default()
    }
}

/// A broken check, with the first case that showed it.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What is wrong there.
    pub wrong: Wrong,
    /// In how many images the check is broken.
    pub count: u64,
    /// The first of them.
    pub case: Option<Case>,
    /// What was about to happen.
    pub before: Option<Before>,
    /// The smallest workload found that still breaks the check, with its case.
    pub shrunk: Option<Shrunk>,
}

/// Everything that was counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Moments that the points stand for.
    pub points_covered: u64,
    /// Points that were tried.
    pub points_enumerated: u64,
    /// Those of which all images were tried.
    pub points_exhaustive: u64,
    /// Images drawn.
    pub images: u64,
    /// Those that were recovered: each content once for one promise.
    pub images_distinct: u64,
    /// Images of crashes during recovery.
    pub nested: u64,
    /// Images of crashes after recovery and one entry a group.
    pub lives: u64,
    /// Images that opened and obeyed the law.
    pub recovered_ok: u64,
    /// Those of which a tail was cut.
    pub torn_tails: u64,
    /// Images that did not open.
    pub refused: u64,
    /// Images in which a loader brings entries back that were deleted.
    pub resurrected: u64,
    /// Tails that could also be damage to what was acknowledged in the last moments.
    pub ambiguous_tails: u64,
    /// Acknowledged entries lost, by image.
    pub lost: Counted,
    /// Age of the oldest lost operation in milliseconds, by image.
    pub window_ms: Counted,
    /// Groups that lost an entry.
    pub groups_hit: BTreeSet<GroupId>,
    /// Images that lost an acknowledged change of vote.
    pub lost_votes: u64,
    /// Images that lost an acknowledged change of term.
    pub lost_terms: u64,
    /// What became of clusters, where they were asked for.
    pub clusters: Option<Clusters>,
    /// What is broken.
    pub violations: BTreeMap<Check, Violation>,
}

impl Tally {
    /// An image obeyed the law, and lost this.
    pub fn lost(&mut self, history: &History, loss: &Loss) {
        self.recovered_ok += 1;
        self.lost.add(loss.entries);
        self.window_ms.add(milliseconds(loss.window));
        self.lost_votes += u64::from(loss.votes > 0);
        self.lost_terms += u64::from(loss.terms > 0);
        if loss.entries == 0 {
            return;
        }
        for at in loss.ops.clone() {
            let Some((actions, Some(_))) = history.op(at) else { continue };
            for (id, action) in actions {
                if matches!(action, Action::Append(_)) && !self.groups_hit.contains(id) {
                    self.groups_hit.insert(id.clone());
                }
            }
        }
    }

    /// Several things are wrong with what was left at `point`.
    pub fn all_broken(&mut self, wrongs: Vec<Wrong>, case: &Case, point: &Point) {
        for wrong in wrongs {
            self.broken(wrong, Some(case), Some(&point.before));
        }
    }

    /// Takes over what is broken in `other`, and none of its counts.
    pub fn merge_violations(&mut self, other: Tally) {
        for (check, violation) in other.violations {
            let count = violation.count;
            self.violations
                .entry(check)
                .and_modify(|known| known.count += count)
                .or_insert(violation);
        }
    }

    /// Something is wrong with an image, or with the run itself.
    pub fn broken(&mut self, wrong: Wrong, case: Option<&Case>, before: Option<&Before>) {
        let known = self.violations.entry(wrong.check).or_insert_with(|| Violation {
            wrong,
            count: 0,
            case: case.cloned(),
            before: before.cloned(),
            shrunk: None,
        });
        known.count += 1;
    }
}

/// Whole milliseconds, rounded up: a loss of a moment is not none.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_amounts_that_were_met() {
        let mut counted = Counted::default();
        assert_eq!((counted.quantile(500), counted.max()), (0, 0));
        for amount in [0, 0, 0, 3, 3, 7, 7, 7, 7, 7] {
            counted.add(amount);
        }
        assert_eq!((counted.min(), counted.quantile(300), counted.quantile(310)), (0, 0, 3));
        assert_eq!((counted.quantile(500), counted.quantile(990), counted.max()), (3, 7, 7));
    }
}
