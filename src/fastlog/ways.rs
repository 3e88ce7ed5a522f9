//! Which way to the disk is quicker here: through the system's cache and a sync, or past the cache
//! with each write. Nobody can tell beforehand, so both are tried while the log is used.

use std::time::Duration;

use crate::fastlog::options::PastCache;

/// Flushes of each way before there is a choice.
const TRIES: usize = 16;
/// Flushes after which both ways are tried again.
const AGAIN_AFTER: u32 = 4096;

/// How a flush that is to be durable reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A write into the system's cache, then a sync.
    Cached,
    /// A write past the cache, durable when it returns.
    Past,
}

/// What happens to a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WayEvent {
    /// It begins, and could go either way.
    Begins,
    /// It was brought to the disk this way.
    Ended(Way),
    /// The file system refuses to be written past its cache.
    Refused,
}

/// Decides the way of each flush.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways {
    wish: PastCache,
    begun: Duration,
    cached: Tried,
    past: Tried,
    /// Flushes since there is a choice.
    chosen_for: u32,
}

/// Flushes that went one way.
#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    count: usize,
    took: [Duration; TRIES],
}

impl Tried {
    /// What is usual; a disk that was busy with something else for a moment does not count.
    fn median(&self) -> Duration {
        let mut took = self.took;
        took.sort_unstable();
        took.get(TRIES / 2).copied().unwrap_or_default()
    }
}

impl Ways {
    pub(super) fn new(wish: PastCache) -> Ways {
        let (cached, past) = (Tried::default(), Tried::default());
        Ways { wish, begun: Duration::ZERO, cached, past, chosen_for: 0 }
    }

    /// Takes note of `event` at `now` and says which way a flush goes.
    pub(super) fn step(&mut self, now: Duration, event: WayEvent) -> Way {
        match event {
            WayEvent::Begins => self.begun = now,
            WayEvent::Ended(way) => self.ended(way, now.saturating_sub(self.begun)),
            WayEvent::Refused => self.wish = PastCache::Never,
        }
        match self.wish {
            PastCache::Never => Way::Cached,
            PastCache::Always => Way::Past,
            // One after the other: what was written past the cache is not in it, so that a write
            // into the cache behind it has to read first.
            PastCache::Measured if self.cached.count < TRIES => Way::Cached,
            PastCache::Measured if self.past.count < TRIES => Way::Past,
            PastCache::Measured if self.past.median() < self.cached.median() => Way::Past,
            PastCache::Measured => Way::Cached,
        }
    }

    /// Whether it is of interest how long flushes take.
    pub(super) fn is_measuring(&self) -> bool {
        self.wish == PastCache::Measured
    }

    fn ended(&mut self, way: Way, took: Duration) {
        let enough = self.past.count >= TRIES && self.cached.count >= TRIES;
        if enough {
            self.chosen_for += 1;
            if self.chosen_for >= AGAIN_AFTER {
                *self = Ways { begun: self.begun, ..Ways::new(self.wish) };
            }
            return;
        }
        let tried = if way == Way::Past { &mut self.past } else { &mut self.cached };
        if let Some(room) = tried.took.get_mut(tried.count) {
            *room = took;
            tried.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs flushes that take so long each way; returns how many went past the cache.
    fn flushes(ways: &mut Ways, count: u32, cached_us: u64, past_us: u64) -> u32 {
        let (mut now, mut past) = (Duration::from_secs(9), 0);
        for _ in 0..count {
            let way = ways.step(now, WayEvent::Begins);
            past += u32::from(way == Way::Past);
            now += Duration::from_micros(if way == Way::Past { past_us } else { cached_us });
            ways.step(now, WayEvent::Ended(way));
        }
        past
    }

    #[test]
    fn the_quicker_way_is_found_by_trying_both_and_looked_for_again() {
        let mut ways = Ways::new(PastCache::Measured);
        assert_eq!(flushes(&mut ways, 16, 200, 100), 0, "one way");
        assert_eq!(flushes(&mut ways, 16, 200, 100), 16, "then the other");
        assert_eq!(flushes(&mut ways, 1000, 200, 100), 1000);
        // The disk has changed.
        let past = flushes(&mut ways, AGAIN_AFTER, 100, 200);
        assert!((3096..3200).contains(&past), "{past}");
        assert_eq!(flushes(&mut ways, 1000, 100, 200), 0);
    }

    #[test]
    fn what_is_refused_is_not_tried_again_and_what_is_not_wished_never() {
        let mut ways = Ways::new(PastCache::Always);
        assert_eq!(flushes(&mut ways, 10, 1, 1000), 10);
        assert_eq!(ways.step(Duration::ZERO, WayEvent::Refused), Way::Cached);
        assert_eq!(flushes(&mut ways, 10_000, 1000, 1), 0);
        assert_eq!(flushes(&mut Ways::new(PastCache::Never), 10_000, 1000, 1), 0);
    }
}
