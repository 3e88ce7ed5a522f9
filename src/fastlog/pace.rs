//! When to flush, when to sync and when to write a sync point down: state machines stepped by time
//! and events. Threads only step them, so that the simulator fixes every interleaving.

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

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Now.
    Now,
    /// At this moment, unless something happens before.
    At(Duration),
    /// Not before something happens.
    Never,
}

/// Decides when what waits is flushed.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlushPace {
    flush: Flush,
    entries: u32,
    oldest: Option<Duration>,
    urgent: bool,
    /// What the flushes before were like, where the load is followed.
    lately: Option<Lately>,
}

/// Flushes before, the last ones counting most.
#[derive(Clone, Copy, Debug, Default)]
struct Lately {
    /// Sixteenths of the number of entries that came together.
    sixteenths: Option<u64>,
    /// Time that a flush took.
    took: Option<Duration>,
    /// When the one that is under way began.
    begun: Option<Duration>,
}

impl Lately {
    fn taken(&mut self, now: Duration, entries: u32) {
        let new = u64::from(entries) * 16;
        self.sixteenths = Some(self.sixteenths.map_or(new, |was| (was * 3 + new) / 4));
        self.begun = Some(now);
    }

    fn flushed(&mut self, now: Duration) {
        if let Some(begun) = self.begun.take() {
            let new = now.saturating_sub(begun);
            self.took = Some(self.took.map_or(new, |was| (was * 3 + new) / 4));
        }
    }

    /// How many entries came together.
    fn entries(&self) -> u32 {
        u32::try_from((self.sixteenths.unwrap_or(0) + 8) / 16).unwrap_or(u32::MAX)
    }
}

/// What happened to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueEvent {
    /// A batch with this many entries was accepted.
    Accepted {
        /// How many.
        entries: u32,
        /// Whether its acknowledgement waits for more than a flush brings.
        urgent: bool,
    },
    /// Everything that waited was taken.
    Taken,
    /// What was taken is flushed, or could not be.
    Flushed,
    /// Time passed, or somebody waits.
    Tick,
}

impl FlushPace {
    /// Nothing waits. `follow` is whether threshold and interval are bounds only.
    pub(super) fn new(flush: Flush, follow: bool) -> FlushPace {
        let lately = follow.then(Lately::default);
        FlushPace { flush, entries: 0, oldest: None, urgent: false, lately }
    }

    /// How many entries start a flush, and the age of the oldest that does.
    fn enough(&self, threshold_entries: u32, interval: Duration) -> (u32, Duration) {
        match &self.lately {
            Some(lately) => {
                let half = lately.took.unwrap_or_default() / 2;
                (threshold_entries.min(lately.entries()), interval.min(half))
            }
            None => (threshold_entries, interval),
        }
    }

    /// Takes note of `event` at `now` and says when to flush.
    pub(super) fn step(&mut self, now: Duration, event: QueueEvent) -> Due {
        match event {
            QueueEvent::Accepted { entries, urgent } => {
                self.entries = self.entries.saturating_add(entries);
                self.oldest.get_or_insert(now);
                self.urgent |= urgent;
            }
            QueueEvent::Taken => {
                let mut lately = self.lately;
                if let Some(lately) = lately.as_mut().filter(|_| self.oldest.is_some()) {
                    lately.taken(now, self.entries);
                }
                *self = FlushPace { lately, ..FlushPace::new(self.flush, false) };
            }
            QueueEvent::Flushed => {
                if let Some(lately) = &mut self.lately {
                    lately.flushed(now);
                }
            }
            QueueEvent::Tick => {}
        }
        let Some(oldest) = self.oldest else { return Due::Never };
        let Flush::Batch { threshold_entries, interval } = self.flush else { return Due::Now };
        let (threshold_entries, interval) = self.enough(threshold_entries, interval);
        let due = oldest.saturating_add(interval);
        if self.urgent || self.entries >= threshold_entries || now >= due {
            Due::Now
        } else {
            Due::At(due)
        }
    }
}

/// Decides when what was written is synced although nobody asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct SyncPace {
    interval: Option<Duration>,
    begun: Duration,
}

/// What happened to what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WrittenEvent {
    /// A sync begins.
    Syncing,
    /// Time passed.
    Tick {
        /// Whether something written is not durable.
        unsynced: bool,
    },
}

impl SyncPace {
    /// Syncs begin `interval` after each other, the first one that long after `now`.
    pub(super) fn new(interval: Option<Duration>, now: Duration) -> SyncPace {
        SyncPace { interval, begun: now }
    }

    /// Takes note of `event` at `now` and says when to sync.
    pub(super) fn step(&mut self, now: Duration, event: WrittenEvent) -> Due {
        match (event, self.interval) {
            (WrittenEvent::Syncing, _) => {
                self.begun = now;
                Due::Never
            }
            (WrittenEvent::Tick { unsynced: true }, Some(interval)) => {
                let due = self.begun.saturating_add(interval);
                if now >= due { Due::Now } else { Due::At(due) }
            }
            (WrittenEvent::Tick { .. }, _) => Due::Never,
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

    fn accepted(entries: u32) -> QueueEvent {
        QueueEvent::Accepted { entries, urgent: false }
    }

    #[test]
    fn immediate_flushes_whatever_waits() {
        let mut pace = FlushPace::new(Flush::Immediate, false);
        assert_eq!(pace.step(ms(0), QueueEvent::Tick), Due::Never);
        assert_eq!(pace.step(ms(1), accepted(1)), Due::Now);
        assert_eq!(pace.step(ms(1), QueueEvent::Taken), Due::Never);
    }

    #[test]
    fn batch_flushes_at_the_threshold_or_when_the_oldest_is_old() {
        let flush = Flush::Batch { threshold_entries: 3, interval: ms(20) };
        let mut pace = FlushPace::new(flush, false);
        pace.step(ms(5), accepted(1));
        pace.step(ms(9), accepted(1));
        assert_eq!(pace.step(ms(24), QueueEvent::Tick), Due::At(ms(25)));
        assert_eq!(pace.step(ms(25), QueueEvent::Tick), Due::Now);
        assert_eq!(pace.step(ms(10), accepted(1)), Due::Now);
        assert_eq!(pace.step(ms(26), QueueEvent::Taken), Due::Never);
        assert_eq!(pace.step(ms(30), accepted(1)), Due::At(ms(50)));
        let urgent = QueueEvent::Accepted { entries: 0, urgent: true };
        assert_eq!(pace.step(ms(31), urgent), Due::Now);
        pace.step(ms(32), QueueEvent::Taken);
        assert_eq!(pace.step(ms(33), accepted(1)), Due::At(ms(53)));
    }

    /// `writers` that wait for each flush, all of which take 8 ms, and then write again at once.
    /// Returns how long the last of them waited before its flush began.
    fn closed_loop(pace: &mut FlushPace, now: &mut Duration, writers: u32) -> Duration {
        let mut waited = Duration::ZERO;
        for _ in 0..20 {
            let accepted_at = *now;
            for _ in 0..writers {
                pace.step(*now, accepted(1));
            }
            while let Due::At(due) = pace.step(*now, QueueEvent::Tick) {
                *now = due;
            }
            waited = *now - accepted_at;
            pace.step(*now, QueueEvent::Taken);
            *now += ms(8);
            pace.step(*now, QueueEvent::Flushed);
        }
        waited
    }

    #[test]
    fn a_pace_that_follows_the_load_waits_for_those_who_came_lately_and_for_nobody_else() {
        let flush = Flush::Batch { threshold_entries: 1000, interval: ms(100) };
        let (mut following, mut now) = (FlushPace::new(flush, true), ms(0));
        assert_eq!(closed_loop(&mut following, &mut now, 1), ms(0), "one alone waits for nobody");
        assert_eq!(closed_loop(&mut following, &mut now, 16), ms(0), "all are there");
        // Half of those who came lately: the others may come within half a flush.
        for _ in 0..8 {
            following.step(now, accepted(1));
        }
        assert_eq!(following.step(now, QueueEvent::Tick), Due::At(now + ms(4)));
        for _ in 0..8 {
            following.step(now + ms(1), accepted(1));
        }
        assert_eq!(following.step(now + ms(1), QueueEvent::Tick), Due::Now);
        following.step(now, QueueEvent::Taken);
        assert_eq!(closed_loop(&mut following, &mut now, 1), ms(0), "it learns that few are left");
        let (mut patient, mut now) = (FlushPace::new(flush, false), ms(0));
        assert_eq!(closed_loop(&mut patient, &mut now, 16), ms(100), "what it spares");
    }

    #[test]
    fn a_pace_that_follows_the_load_passes_neither_threshold_nor_interval() {
        let flush = Flush::Batch { threshold_entries: 10, interval: ms(3) };
        let (mut pace, mut now) = (FlushPace::new(flush, true), ms(0));
        closed_loop(&mut pace, &mut now, 500);
        pace.step(now, accepted(9));
        assert_eq!(pace.step(now, QueueEvent::Tick), Due::At(now + ms(3)), "a flush takes 8");
        assert_eq!(pace.step(now, accepted(1)), Due::Now);
    }

    #[test]
    fn syncs_begin_an_interval_after_each_other_or_at_once_when_late() {
        let mut pace = SyncPace::new(Some(ms(1000)), ms(40));
        let unsynced = WrittenEvent::Tick { unsynced: true };
        assert_eq!(pace.step(ms(50), WrittenEvent::Tick { unsynced: false }), Due::Never);
        assert_eq!(pace.step(ms(60), unsynced), Due::At(ms(1040)));
        assert_eq!(pace.step(ms(1040), unsynced), Due::Now);
        pace.step(ms(1040), WrittenEvent::Syncing);
        assert_eq!(pace.step(ms(1041), unsynced), Due::At(ms(2040)));
        assert_eq!(pace.step(ms(9000), unsynced), Due::Now);
        assert_eq!(SyncPace::new(None, ms(0)).step(ms(9000), unsynced), Due::Never);
    }
}
