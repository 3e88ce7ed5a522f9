//! Waiting for an operation. Whoever comes first works for all who wait.

use std::time::Duration;

use crate::fastlog::core::{Core, at, locked};
use crate::fastlog::gather::GatherEvent;
use crate::fastlog::marks::OpNo;
use crate::fastlog::pace::Due;
use crate::fastlog::policy::Ack;
use crate::fastlog::queue::{Outcome, Queue};
use crate::fastlog::threads::MutexGuard;
use crate::fastlog::{Error, Stepping};

impl Core {
    /// Waits until `op` is at `mark`, or has failed. Whoever comes first flushes, and syncs where
    /// that is what is waited for, for all.
    pub(in crate::fastlog) fn wait(
        &self,
        op: OpNo,
        mark: Ack,
        outcome: &Outcome,
        deadline: Option<Duration>,
    ) -> Option<Result<(), Error>> {
        loop {
            // What is known of it is that a flush of it ended.
            if let Some(known) = outcome.get().filter(|_| mark <= self.promise.flush_to) {
                return Some(known.clone());
            }
            let mut queue = locked(&self.queue);
            if let Some(known) = queue.reached(op, mark, outcome) {
                return Some(known);
            }
            if queue.closed {
                return Some(Err(Error::Closed));
            }
            // Nothing gets any further then.
            if let Err(poisoned) = self.syncs.check() {
                return Some(Err(poisoned));
            }
            let now = self.now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return None;
            }
            if queue.marks().written >= op {
                drop(queue);
                if let Err(error) = self.sync_written() {
                    return Some(Err(error));
                }
                continue;
            }
            let mut due = queue.flush_due(now);
            let gathers = due == Due::Now && !queue.flushing && {
                let waiting = queue.len();
                due = queue.gather.step(now, GatherEvent::Waiting(waiting));
                matches!(due, Due::At(_))
            };
            let until = match due {
                Due::Now if !queue.flushing => {
                    queue.flushing = true;
                    drop(queue);
                    let _told_by_the_outcome = self.flush(1);
                    continue;
                }
                Due::At(due) => Some(deadline.map_or(due, |deadline| deadline.min(due))),
                Due::Now | Due::Never => deadline,
            };
            self.pause(queue, now, until);
            if gathers {
                self.stop_gathering(until == deadline);
            }
        }
    }

    /// Lets another keep the time until which a flush waits for company; wakes them for that when
    /// this thread has no time to see to it itself.
    fn stop_gathering(&self, leaves: bool) {
        let now = self.now();
        locked(&self.queue).gather.step(now, GatherEvent::Left);
        if leaves {
            self.sleepers.wake();
        }
    }

    /// Lets others work until something changes or `until` is reached.
    fn pause(&self, mut queue: MutexGuard<'_, Queue>, now: Duration, until: Option<Duration>) {
        let timeout = until.map(|until| until.saturating_sub(now));
        match (self.stepping, timeout) {
            // Somebody else is at it, and says so when it is done.
            (Stepping::Caller, Some(timeout)) if !queue.flushing => {
                let due = at(self.due(&mut queue), now).unwrap_or(Duration::MAX);
                drop(queue);
                self.time.sleep(timeout.min(due.saturating_sub(now)));
                let _told_to_those_concerned = self.step();
            }
            (_, timeout) => self.sleep(queue, timeout),
        }
    }

    /// Waits until operations got somewhere, or for `timeout`.
    pub(super) fn sleep(&self, queue: MutexGuard<'_, Queue>, timeout: Option<Duration>) {
        let bedtime = self.sleepers.go_to_bed();
        drop(queue);
        self.sleepers.sleep(bedtime, timeout);
    }
}
