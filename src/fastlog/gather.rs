//! Whether a flush waits for company: threads that the one before released mostly come back at
//! once with their next batch, and one sync for all of them costs no more than one for the first.

use std::time::Duration;

use crate::fastlog::pace::Due;

/// Decides whether a thread that could flush waits for others first. It waits for those who were
/// there when the last flush ended, and from its end at most as long as that took: so who is alone
/// waits for nobody, and who comes later waits for nobody either.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gather {
    /// Threads that waited when the last flush ended, the one that flushed included.
    expected: usize,
    until: Duration,
    /// One of those who wait for company keeps the time; the others need no timer.
    kept: bool,
}

/// What happened to the flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GatherEvent {
    /// One that was begun at this moment ended, and so many threads waited then.
    Flushed {
        /// When it was begun.
        begun: Duration,
        /// Those who waited for it or for the next one, and the one that flushed.
        waiting: usize,
    },
    /// So many operations wait for the next one, and a thread could flush.
    Waiting(usize),
    /// The one that kept the time does so no more.
    Left,
}

impl Gather {
    /// Takes note of `event` at `now` and says when to flush: who is told a moment keeps the time.
    pub(super) fn step(&mut self, now: Duration, event: GatherEvent) -> Due {
        match event {
            GatherEvent::Flushed { begun, waiting } => {
                self.expected = waiting;
                // Who kept it is woken by this, and may be late: somebody else keeps the next one.
                self.kept = false;
                self.until = now.saturating_add(now.saturating_sub(begun));
                Due::Never
            }
            GatherEvent::Waiting(waiting) if waiting < self.expected && now < self.until => {
                if std::mem::replace(&mut self.kept, true) {
                    Due::Never
                } else {
                    Due::At(self.until)
                }
            }
            GatherEvent::Waiting(_) => Due::Now,
            GatherEvent::Left => {
                self.kept = false;
                Due::Never
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    /// A flush from 1,000 to 1,200 us at whose end so many threads waited.
    fn after_a_flush(waiting: usize) -> Gather {
        let mut gather = Gather::default();
        gather.step(us(1200), GatherEvent::Flushed { begun: us(1000), waiting });
        gather
    }

    #[test]
    fn who_is_alone_waits_for_nobody() {
        let mut gather = Gather::default();
        assert_eq!(gather.step(us(0), GatherEvent::Waiting(1)), Due::Now, "the first of all");
        assert_eq!(after_a_flush(1).step(us(1201), GatherEvent::Waiting(1)), Due::Now);
    }

    #[test]
    fn a_flush_waits_until_all_are_back_who_were_there() {
        let mut gather = after_a_flush(16);
        assert_eq!(gather.step(us(1210), GatherEvent::Waiting(15)), Due::At(us(1400)));
        assert_eq!(gather.step(us(1220), GatherEvent::Waiting(16)), Due::Now);
        assert_eq!(gather.step(us(1220), GatherEvent::Waiting(20)), Due::Now);
    }

    #[test]
    fn one_of_them_keeps_the_time() {
        let mut gather = after_a_flush(16);
        assert_eq!(gather.step(us(1210), GatherEvent::Waiting(1)), Due::At(us(1400)));
        assert_eq!(gather.step(us(1211), GatherEvent::Waiting(2)), Due::Never);
        gather.step(us(1220), GatherEvent::Flushed { begun: us(1215), waiting: 3 });
        assert_eq!(gather.step(us(1221), GatherEvent::Waiting(1)), Due::At(us(1225)), "the next");
        gather = after_a_flush(16);
        gather.step(us(1210), GatherEvent::Waiting(1));
        gather.step(us(1212), GatherEvent::Left);
        assert_eq!(gather.step(us(1213), GatherEvent::Waiting(3)), Due::At(us(1400)));
    }

    #[test]
    fn a_flush_waits_as_long_as_the_last_one_took_and_then_for_those_who_are_left() {
        let mut gather = after_a_flush(16);
        assert_eq!(gather.step(us(1400), GatherEvent::Waiting(9)), Due::Now);
        gather.step(us(1600), GatherEvent::Flushed { begun: us(1400), waiting: 9 });
        assert_eq!(gather.step(us(1601), GatherEvent::Waiting(9)), Due::Now, "it has learned");
        assert_eq!(after_a_flush(16).step(us(9000), GatherEvent::Waiting(1)), Due::Now, "late");
    }
}
