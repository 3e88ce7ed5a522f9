//! How far operations got, for the log and for each group.

use crate::fastlog::policy::Ack;

/// Number of an operation in accepted order, from 1 in each opening; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpNo(pub u64);

/// How far operations got: durable <= written <= accepted. An operation that failed does not count:
/// the ones behind it pass it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// The last one whose place in the order is fixed.
    pub accepted: OpNo,
    /// The last one that the operating system has.
    pub written: OpNo,
    /// The last one that was synced.
    pub durable: OpNo,
}

impl Watermarks {
    /// The watermark that `ack` waits for.
    pub fn at(&self, ack: Ack) -> OpNo {
        match ack {
            Ack::Accepted => self.accepted,
            Ack::Written => self.written,
            Ack::Durable => self.durable,
        }
    }
}

/// The operations of one group, as few of them as it takes to know the group's watermarks.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail(Vec<OpNo>);

impl Trail {
    /// Adds the newest operation. Watermarks move only to one of `borders` or to an operation
    /// still to come, so of those between two borders the last one is enough.
    pub(super) fn push(&mut self, op: OpNo, borders: &[OpNo]) {
        let between = |at: OpNo, next: OpNo| borders.iter().any(|b| *b >= at && *b < next);
        match self.0.last_mut() {
            Some(last) if !between(*last, op) => {
                *last = op;
                return;
            }
            _ => self.0.push(op),
        }
        if self.0.len() > borders.len() + 1 {
            let ops = std::mem::take(&mut self.0);
            let behind = ops.iter().skip(1).copied().map(Some).chain([None]);
            let kept = ops.iter().copied().zip(behind);
            let kept = kept.filter(|(at, next)| next.is_none_or(|next| between(*at, next)));
            self.0 = kept.map(|(at, _)| at).collect();
        }
    }

    /// The last operation of the group.
    pub(super) fn last(&self) -> OpNo {
        self.0.last().copied().unwrap_or_default()
    }

    /// The last operation of the group through `border`.
    pub(super) fn through(&self, border: OpNo) -> OpNo {
        self.0.iter().rev().find(|op| **op <= border).copied().unwrap_or_default()
    }

    /// Forgets the operations behind `written`, which failed.
    pub(super) fn forget_after(&mut self, written: OpNo) {
        self.0.retain(|op| *op <= written);
    }

    /// The group's watermarks, given the log's.
    pub(super) fn watermarks(&self, log: &Watermarks) -> Watermarks {
        Watermarks {
            accepted: self.last(),
            written: self.through(log.written),
            durable: self.through(log.durable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_remembers_what_watermarks_can_still_come_to() {
        let mut trail = Trail::default();
        let mut log = Watermarks::default();
        for op in 1..=100 {
            trail.push(OpNo(op), &[log.durable, log.written]);
            log.accepted = OpNo(op);
            match op {
                10 => log.written = OpNo(10),
                20 => log = Watermarks { written: OpNo(20), durable: OpNo(10), ..log },
                _ => {}
            }
        }
        assert!(trail.0.len() <= 3, "{trail:?}");
        let (accepted, written, durable) = (OpNo(100), OpNo(20), OpNo(10));
        assert_eq!(trail.watermarks(&log), Watermarks { accepted, written, durable });
        trail.forget_after(OpNo(20));
        assert_eq!(trail.last(), OpNo(20));
        assert_eq!(Trail::default().watermarks(&log), Watermarks::default());
    }
}
