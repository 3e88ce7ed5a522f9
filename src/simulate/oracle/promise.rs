//! The promise table of the crash model, section 6: eight rows, as they stand there.

use std::time::Duration;

use crate::model::Durability;
use crate::simulate::mode::{Flushing, Mode, Order};

/// `I` of the table: time between the beginnings of two syncs at level 0.
pub const SYNC_INTERVAL: Duration = Duration::from_millis(1000);

/// What an acknowledgement waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waits {
    /// A place in the order.
    Accepted,
    /// The operating system.
    Written,
    /// A sync.
    Durable,
}

impl Waits {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Waits::Accepted => "accepted",
            Waits::Written => "written",
            Waits::Durable => "durable",
        }
    }
}

/// An age: `fixed` + `flushes` `F`, and `W` where `window`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    /// `m`, or nothing.
    pub fixed: Duration,
    /// How often `F` counts.
    pub flushes: u32,
    /// Whether `W` counts.
    pub window: bool,
}

impl Age {
    /// The age when a flush takes `flush` and a sync takes `sync`: `W = max(I, S) + S`.
    pub fn bound(&self, flush: Duration, sync: Duration) -> Duration {
        let window = if self.window { SYNC_INTERVAL.max(sync) + sync } else { Duration::ZERO };
        self.fixed + flush * self.flushes + window
    }
}

/// What of the acknowledged may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayLose {
    /// Nothing.
    Nothing,
    /// At most so many entries, none of them older; `None` is no bound.
    Recent {
        /// Entries.
        entries: Option<u32>,
        /// Age.
        age: Option<Age>,
    },
    /// All after the last sync point.
    SinceSyncPoint,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Acknowledged when.
    pub ack: Waits,
    /// A change of term or vote is acknowledged when.
    pub vote: Waits,
    /// A process kill loses at most.
    pub kill: MayLose,
    /// A power cut loses at most.
    pub power: MayLose,
}

/// The row of `mode`, where `queue_entries` is `Q`.
pub fn row(mode: &Mode, queue_entries: u32) -> Row {
    use Durability::{High, Low, Mid};
    use Flushing::{Batch, Immediate};
    use MayLose::{Nothing, SinceSyncPoint};
    use Order::{DiskFirst, MemFirst};
    let two_flushes = |fixed| Age { fixed, flushes: 2, window: false };
    let younger =
        |age: Age| MayLose::Recent { entries: None, age: Some(Age { window: true, ..age }) };
    let few = |entries, age| MayLose::Recent { entries: Some(entries), age };
    let durable_votes = |ack, kill, power| Row { ack, vote: Waits::Durable, kill, power };
    match (mode.durability, mode.order, mode.flushing) {
        (High, DiskFirst, _) => durable_votes(Waits::Durable, Nothing, Nothing),
        (High, MemFirst, Immediate) => {
            let both = few(queue_entries, Some(two_flushes(Duration::ZERO)));
            durable_votes(Waits::Accepted, both, both)
        }
        (High, MemFirst, Batch { threshold_entries, interval }) => {
            let both = few(threshold_entries.saturating_mul(2), Some(two_flushes(interval)));
            durable_votes(Waits::Accepted, both, both)
        }
        (Mid, DiskFirst, _) => durable_votes(Waits::Written, Nothing, younger(Age::default())),
        (Mid, MemFirst, Immediate) => {
            let age = two_flushes(Duration::ZERO);
            durable_votes(Waits::Accepted, few(queue_entries, Some(age)), younger(age))
        }
        (Mid, MemFirst, Batch { threshold_entries, interval }) => {
            let age = two_flushes(interval);
            let kill = few(threshold_entries.saturating_mul(2), Some(age));
            durable_votes(Waits::Accepted, kill, younger(age))
        }
        (Low, DiskFirst, _) => {
            Row { ack: Waits::Written, vote: Waits::Written, kill: Nothing, power: SinceSyncPoint }
        }
        (Low, MemFirst, flushing) => {
            let entries = match flushing {
                Immediate => queue_entries,
                Batch { threshold_entries, .. } => threshold_entries.saturating_mul(2),
            };
            let kill = few(entries, None);
            Row { ack: Waits::Accepted, vote: Waits::Accepted, kill, power: SinceSyncPoint }
        }
    }
}

/// What tidwall/raft-fastlog says of its levels: a sync on every change, one about once a second,
/// none but on closing. Its votes wait for no more than its entries.
pub fn raft_fastlog_row(level: Durability) -> Row {
    let written =
        |power| Row { ack: Waits::Written, vote: Waits::Written, kill: MayLose::Nothing, power };
    match level {
        Durability::High => Row {
            ack: Waits::Durable,
            vote: Waits::Durable,
            kill: MayLose::Nothing,
            power: MayLose::Nothing,
        },
        Durability::Mid => {
            let age = Age { window: true, ..Age::default() };
            written(MayLose::Recent { entries: None, age: Some(age) })
        }
        Durability::Low => written(MayLose::SinceSyncPoint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastlog::policy::{Ack, Flush, Loss, Promise, Strategy};

    fn waits(ack: Ack) -> Waits {
        match ack {
            Ack::Accepted => Waits::Accepted,
            Ack::Written => Waits::Written,
            Ack::Durable => Waits::Durable,
        }
    }

    fn may_lose(loss: Loss) -> MayLose {
        match loss {
            Loss::Nothing => MayLose::Nothing,
            Loss::SinceSyncPoint => MayLose::SinceSyncPoint,
            Loss::Recent { entries, age } => MayLose::Recent {
                entries,
                age: age.map(|age| Age {
                    fixed: age.fixed,
                    flushes: age.flushes,
                    window: age.sync_window,
                }),
            },
        }
    }

    /// Two hands wrote the table down: this one from the text, `fastlog::policy` for the engine.
    #[test]
    fn the_engine_promises_what_the_table_says() {
        assert_eq!(SYNC_INTERVAL, crate::fastlog::policy::SYNC_INTERVAL);
        let batch = |threshold_entries, ms| Flushing::Batch {
            threshold_entries,
            interval: Duration::from_millis(ms),
        };
        let flushings = [Flushing::Immediate, batch(1, 0), batch(8, 20), batch(1000, 100)];
        let modes = Mode::grid(&Durability::ALL, &Order::ALL, &flushings);
        assert_eq!(modes.len(), 24);
        for mode in modes {
            for queue in [1, 4, 1024] {
                let strategy = match mode.order {
                    Order::DiskFirst => Strategy::DiskFirst,
                    Order::MemFirst => Strategy::MemFirst,
                };
                let flush = match mode.flushing {
                    Flushing::Immediate => Flush::Immediate,
                    Flushing::Batch { threshold_entries, interval } => {
                        Flush::Batch { threshold_entries, interval }
                    }
                };
                let promise = Promise::of(mode.durability, strategy, flush, queue);
                let engine = Row {
                    ack: waits(promise.ack),
                    vote: waits(promise.vote_ack),
                    kill: may_lose(promise.process_kill),
                    power: may_lose(promise.power_cut),
                };
                assert_eq!(engine, row(&mode, queue), "{mode}, queue {queue}");
            }
        }
    }

    #[test]
    fn an_age_adds_its_parts_up() {
        let ms = Duration::from_millis;
        let age = Age { fixed: ms(20), flushes: 2, window: true };
        assert_eq!(age.bound(ms(3), ms(2)), ms(20 + 6 + 1002));
        assert_eq!(age.bound(ms(3), ms(1500)), ms(20 + 6 + 3000));
        assert_eq!(Age::default().bound(ms(3), ms(2)), ms(0));
    }
}
