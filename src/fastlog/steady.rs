//! The time of a log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::vfs::Clock;

/// Follows a clock forwards. Should the clock go back all the same, this time goes on from where
/// it was, so that no timer waits for the clock to come there again.
pub(super) struct Steady {
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

struct Seen {
    reading: Duration,
    now: Duration,
}

impl Steady {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Steady {
        let reading = clock.monotonic();
        Steady { clock, seen: Mutex::new(Seen { reading, now: reading }) }
    }

    /// The time; the clock's, as long as that never went back.
    pub(super) fn now(&self) -> Duration {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = self.clock.monotonic();
        let passed = reading.saturating_sub(seen.reading);
        seen.now = seen.now.saturating_add(passed);
        seen.reading = reading;
        seen.now
    }

    pub(super) fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Jumping(Mutex<Duration>);

    impl Jumping {
        fn set(&self, ms: u64) {
            *self.0.lock().unwrap() = Duration::from_millis(ms);
        }
    }

    impl Clock for Jumping {
        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn wall(&self) -> Duration {
            Duration::ZERO
        }

        fn sleep(&self, _duration: Duration) {}
    }

    #[test]
    fn a_clock_that_goes_back_stops_no_time() {
        let clock = Arc::new(Jumping(Mutex::default()));
        clock.set(5000);
        let time = Steady::new(Arc::clone(&clock) as Arc<dyn Clock>);
        clock.set(5010);
        assert_eq!(time.now(), Duration::from_millis(5010));
        clock.set(3);
        assert_eq!(time.now(), Duration::from_millis(5010));
        clock.set(10);
        assert_eq!(time.now(), Duration::from_millis(5017));
    }
}
