use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::vfs::Clock;

static START: OnceLock<Instant> = OnceLock::new();

/// The clocks of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OsClock;

impl Clock for OsClock {
    fn monotonic(&self) -> Duration {
        START.get_or_init(Instant::now).elapsed()
    }

    fn wall(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}
