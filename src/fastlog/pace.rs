//! When to flush and when to write a sync point down: state machines stepped by time and events.
//! Threads only step them, so that the simulator fixes every interleaving.

use std::time::Duration;

use crate::fastlog::format::Sequence;
use crate::fastlog::policy::Flush;

/// Age from which a sync point rides along on a sync that happens anyway.
const RIDE_AFTER: Duration = Duration::from_millis(10);
/// Time without a sync after which the sync point is written and synced on its own.
const IDLE_AFTER: Duration = Duration::from_millis(100);

/// Decides when the sync page of the active segment is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SyncPagePace {
    recorded: Sequence,
    recorded_at: Duration,
    durable: Sequence,
    synced_at: Duration,
}

/// What happened, or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyncEvent {
    /// A sync of the active segment is about to begin.
    Syncing,
    /// A sync returned; everything through here is durable.
    Synced(Sequence),
    /// A sync point was written (and will be synced).
    Recorded(Sequence),
    /// Time passed.
    Tick,
}

/// What to do about the sync page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageAction {
    /// Nothing before something happens.
    Rest,
    /// Nothing before this moment.
    WaitUntil(Duration),
    /// Write it, without a sync of its own.
    Write(Sequence),
    /// Write it and sync it.
    WriteAndSync(Sequence),
}

impl SyncPagePace {
    /// Takes note of `event` at `now` and says what to do.
    pub(super) fn step(&mut self, now: Duration, event: SyncEvent) -> PageAction {
        match event {
            SyncEvent::Synced(durable) => {
                self.durable = durable;
                self.synced_at = now;
                self.idle(now)
            }
            SyncEvent::Recorded(point) => {
                self.recorded = point;
                self.recorded_at = now;
                PageAction::Rest
            }
            SyncEvent::Syncing => {
                let old = now.saturating_sub(self.recorded_at) >= RIDE_AFTER;
                if old && self.durable > self.recorded {
                    PageAction::Write(self.durable)
                } else {
                    PageAction::Rest
                }
            }
            SyncEvent::Tick => self.idle(now),
        }
    }

    fn idle(&self, now: Duration) -> PageAction {
        if self.durable <= self.recorded {
            return PageAction::Rest;
        }
        let due = self.synced_at + IDLE_AFTER;
        if now >= due { PageAction::WriteAndSync(self.durable) } else { PageAction::WaitUntil(due) }
    }
}

/// Decides when what waits is flushed for a caller who waits for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlushPace {
    flush: Flush,
    entries: u32,
    oldest: Option<Duration>,
}

/// What happened to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueEvent {
    /// A batch with this many entries was accepted.
    Accepted {
        /// How many.
        entries: u32,
    },
    /// Everything that waited was taken.
    Taken,
    /// Somebody waits for it.
    Asked,
}

/// What to do about the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlushAction {
    /// Flush what waits.
    Now,
    /// Nothing before this moment, unless more is accepted.
    WaitUntil(Duration),
}

impl FlushPace {
    pub(super) fn new(flush: Flush) -> FlushPace {
        FlushPace { flush, entries: 0, oldest: None }
    }

    /// Takes note of `event` at `now` and says what to do.
    pub(super) fn step(&mut self, now: Duration, event: QueueEvent) -> FlushAction {
        match event {
            QueueEvent::Accepted { entries } => {
                self.entries = self.entries.saturating_add(entries);
                self.oldest.get_or_insert(now);
            }
            QueueEvent::Taken => {
                self.entries = 0;
                self.oldest = None;
            }
            QueueEvent::Asked => {}
        }
        match (self.flush, self.oldest) {
            (Flush::Batch { threshold_entries, interval }, Some(oldest))
                if self.entries < threshold_entries && now < oldest + interval =>
            {
                FlushAction::WaitUntil(oldest + interval)
            }
            _ => FlushAction::Now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_sync_point_rides_only_when_the_last_one_is_old_and_lower() {
        let mut pace = SyncPagePace::default();
        assert_eq!(pace.step(ms(50), SyncEvent::Syncing), PageAction::Rest);
        pace.step(ms(50), SyncEvent::Synced(Sequence(1)));
        assert_eq!(pace.step(ms(51), SyncEvent::Syncing), PageAction::Write(Sequence(1)));
        pace.step(ms(51), SyncEvent::Recorded(Sequence(1)));
        pace.step(ms(52), SyncEvent::Synced(Sequence(2)));
        assert_eq!(pace.step(ms(60), SyncEvent::Syncing), PageAction::Rest);
        assert_eq!(pace.step(ms(61), SyncEvent::Syncing), PageAction::Write(Sequence(2)));
    }

    #[test]
    fn an_idle_log_writes_its_sync_point_once() {
        let mut pace = SyncPagePace::default();
        let after = pace.step(ms(10), SyncEvent::Synced(Sequence(3)));
        assert_eq!(after, PageAction::WaitUntil(ms(110)));
        assert_eq!(pace.step(ms(109), SyncEvent::Tick), PageAction::WaitUntil(ms(110)));
        assert_eq!(pace.step(ms(110), SyncEvent::Tick), PageAction::WriteAndSync(Sequence(3)));
        pace.step(ms(110), SyncEvent::Recorded(Sequence(3)));
        assert_eq!(pace.step(ms(500), SyncEvent::Tick), PageAction::Rest);
    }

    #[test]
    fn immediate_flushes_whenever_somebody_asks() {
        let mut pace = FlushPace::new(Flush::Immediate);
        pace.step(ms(1), QueueEvent::Accepted { entries: 1 });
        assert_eq!(pace.step(ms(1), QueueEvent::Asked), FlushAction::Now);
    }

    #[test]
    fn batch_flushes_at_the_threshold_or_when_the_oldest_is_old() {
        let flush = Flush::Batch { threshold_entries: 3, interval: ms(20) };
        let mut pace = FlushPace::new(flush);
        pace.step(ms(5), QueueEvent::Accepted { entries: 1 });
        pace.step(ms(9), QueueEvent::Accepted { entries: 1 });
        assert_eq!(pace.step(ms(24), QueueEvent::Asked), FlushAction::WaitUntil(ms(25)));
        assert_eq!(pace.step(ms(25), QueueEvent::Asked), FlushAction::Now);
        assert_eq!(pace.step(ms(10), QueueEvent::Accepted { entries: 1 }), FlushAction::Now);
        pace.step(ms(26), QueueEvent::Taken);
        pace.step(ms(30), QueueEvent::Accepted { entries: 1 });
        assert_eq!(pace.step(ms(31), QueueEvent::Asked), FlushAction::WaitUntil(ms(50)));
    }
}
