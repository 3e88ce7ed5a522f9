//! Making a failing case small: fewer steps, shorter payloads, as long as the same check fails.

use std::ops::ControlFlow;

use crate::simulate::case::Case;
use crate::simulate::check::Check;
use crate::simulate::driver::Before;
use crate::simulate::explore::Budget;
use crate::simulate::run::{Job, Options, Recording, explored, recorded};
use crate::simulate::workload::Shape;

/// Workloads tried at most.
const TRIES: u32 = 120;
/// Distinct images of each of them.
const IMAGES: u64 = 3000;
/// Payload sizes tried, in bytes.
const PAYLOADS_BYTES: [usize; 4] = [0, 10, 100, 700];

/// A smaller workload that breaks the same check.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The workload.
    pub shape: Shape,
    /// Its steps that are left.
    pub steps: usize,
    /// The case in it.
    pub case: Case,
    /// What was about to happen.
    pub before: Option<Before>,
}

/// The smallest workload found in which `check` is broken as in that of `options`; `None` where
/// none is smaller.
pub fn shrunk(options: &Options, job: Job, check: Check) -> Option<Shrunk> {
    let all = options.plan().len();
    let mut search = Search { options, job, check, left: TRIES };
    let mut best: Option<Shrunk> = None;
    let mut piece = all.div_ceil(2);
    while piece > 0 {
        // From the end: what comes after the crash is of no use at all.
        for first in (0..all).step_by(piece).collect::<Vec<_>>().into_iter().rev() {
            let shape = best.as_ref().map_or(&options.shape, |best| &best.shape);
            let left_out = shape.left_out.with(first..(first + piece).min(all));
            if left_out != shape.left_out
                && let Some(smaller) = search.broken_in(Shape { left_out, ..shape.clone() })
            {
                best = Some(smaller);
            }
        }
        piece /= 2;
    }
    for most in PAYLOADS_BYTES {
        let shape = best.as_ref().map_or(&options.shape, |best| &best.shape);
        let shape = Shape { payload_max_bytes: Some(most), ..shape.clone() };
        if let Some(smaller) = search.broken_in(shape) {
            return Some(smaller);
        }
    }
    best
}

struct Search<'a> {
    options: &'a Options,
    job: Job,
    check: Check,
    left: u32,
}

impl Search<'_> {
    /// The case that breaks the check in a workload of this shape.
    fn broken_in(&mut self, shape: Shape) -> Option<Shrunk> {
        self.left = self.left.checked_sub(1)?;
        let options = Options { shape, ..self.options.clone() };
        let steps = options.plan();
        let Recording { record, .. } = recorded(&options, self.job, &steps, false);
        let until = Check::ALL.iter().position(|check| *check == self.check);
        let budget = Budget {
            tries: options.tries(),
            points: options.points,
            images: Some(IMAGES),
            until: until.and_then(|at| Check::ALL.get(at..=at)).unwrap_or_default(),
            cluster: None,
        };
        let go_on = &mut |_| ControlFlow::Continue(());
        let mut tally = explored(&options, self.job, &record, budget, go_on);
        let violation = tally.violations.remove(&self.check)?;
        let (case, before) = (violation.case?, violation.before);
        Some(Shrunk { shape: options.shape, steps: steps.len(), case, before })
    }
}
