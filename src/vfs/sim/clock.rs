use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::vfs::Clock;

/// A clock that stands still until somebody sleeps or moves it on. Clones show the same time.
#[derive(Clone, Debug)]
pub struct SimClock {
    elapsed: Arc<Mutex<Duration>>,
    wall_start: Duration,
}

impl SimClock {
    /// A clock that begins at 2023-11-14T22:13:20Z.
    pub fn new() -> SimClock {
        SimClock::starting_at(Duration::from_secs(1_700_000_000))
    }

    /// A clock that begins at `wall_start` since 1970-01-01T00:00:00Z.
    pub fn starting_at(wall_start: Duration) -> SimClock {
        SimClock { elapsed: Arc::default(), wall_start }
    }

    /// Moves time on.
    pub fn advance(&self, duration: Duration) {
        let mut elapsed = self.elapsed.lock().unwrap_or_else(PoisonError::into_inner);
        *elapsed = elapsed.saturating_add(duration);
    }
}

impl Default for SimClock {
    fn default() -> SimClock {
        SimClock::new()
    }
}

impl Clock for SimClock {
    fn monotonic(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wall(&self) -> Duration {
        self.wall_start.saturating_add(self.monotonic())
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_only_when_it_is_moved() {
        let clock = SimClock::new();
        let twin = clock.clone();
        assert_eq!(clock.monotonic(), Duration::ZERO);
        clock.sleep(Duration::from_millis(30));
        clock.advance(Duration::from_millis(12));
        assert_eq!(twin.monotonic(), Duration::from_millis(42));
        assert_eq!(twin.wall(), Duration::from_millis(1_700_000_000_042));
    }
}
