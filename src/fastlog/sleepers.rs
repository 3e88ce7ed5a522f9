//! Threads that sleep until operations got somewhere.
//!
//! They have a lock of their own, held for an instant: woken all at once, none of them finds it
//! taken by somebody who works on the queue, and goes to sleep a second time.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::fastlog::threads::{Condvar, Mutex, MutexGuard};

/// See the module.
#[derive(Default)]
pub(super) struct Sleepers {
    /// Counted by each before it lets go of what it looked at. Waking nobody costs a call too.
    count: AtomicUsize,
    /// How often all were woken.
    wakes: Mutex<u64>,
    woken: Condvar,
}

/// The moment at which a thread decided to sleep: it is woken by all that happens later.
pub(super) struct Bedtime(u64);

impl Sleepers {
    fn wakes(&self) -> MutexGuard<'_, u64> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called while what the thread waits for cannot change.
    pub(super) fn go_to_bed(&self) -> Bedtime {
        self.count.fetch_add(1, Ordering::SeqCst);
        Bedtime(*self.wakes())
    }

    /// Sleeps until woken, or for `timeout`; it may be shorter.
    pub(super) fn sleep(&self, bedtime: Bedtime, timeout: Option<Duration>) {
        let wakes = self.wakes();
        if *wakes == bedtime.0 {
            match timeout {
                Some(timeout) => drop(self.woken.wait_timeout(wakes, timeout)),
                None => drop(self.woken.wait(wakes)),
            }
        }
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes all, after something changed that they may wait for.
    pub(super) fn wake(&self) {
        if self.count() > 0 {
            let mut wakes = self.wakes();
            *wakes = wakes.wrapping_add(1);
            drop(wakes);
            self.woken.notify_all();
        }
    }

    /// How many there are, those included that are about to sleep.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}
