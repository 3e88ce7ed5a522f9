//! What an acknowledgement means: level, strategy and flush policy become one [`Promise`].
//!
//! This is the only place that states it. Engine, documentation, `inspect` and `simulate` quote it.

use std::fmt;
use std::time::Duration;

pub use crate::model::Durability;

/// Longest time between two syncs of a log at level 0, from the beginning of one to the beginning
/// of the next; also the smallest, unless one sync takes longer.
pub const SYNC_INTERVAL: Duration = Duration::from_millis(1000);
/// Queue limit in entries, when nothing else is said.
pub const QUEUE_ENTRIES: u32 = 1024;
/// Threshold of [`Flush::Batch`], when nothing else is said.
pub const BATCH_ENTRIES: u32 = 1000;
/// Interval of [`Flush::Batch`], when nothing else is said.
pub const BATCH_INTERVAL: Duration = Duration::from_millis(100);

/// Which comes first, disk or memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// An operation is written before it is acknowledged or seen by readers.
    #[default]
    DiskFirst,
    /// An operation is acknowledged and seen as soon as it is accepted; writing follows.
    MemFirst,
}

impl Strategy {
    /// Both.
    pub const ALL: [Strategy; 2] = [Strategy::DiskFirst, Strategy::MemFirst];

    /// The word on the command line and in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::DiskFirst => "disk-first",
            Strategy::MemFirst => "mem-first",
        }
    }
}

/// When what was accepted is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flush {
    /// As soon as possible.
    #[default]
    Immediate,
    /// When enough has come together, or enough time has passed.
    Batch {
        /// Entries that start a flush.
        threshold_entries: u32,
        /// Age of the oldest waiting entry that starts one.
        interval: Duration,
    },
}

impl Flush {
    /// [`Flush::Batch`] with the default threshold and interval.
    pub const BATCH: Flush =
        Flush::Batch { threshold_entries: BATCH_ENTRIES, interval: BATCH_INTERVAL };
}

/// What an acknowledgement waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ack {
    /// Its place in the order is fixed.
    Accepted,
    /// The operating system has it.
    Written,
    /// It was synced.
    Durable,
}

/// An age at which an acknowledged entry is safe, in parts that only the disk knows.
///
/// With F the time of one flush (writing, and syncing where the level syncs), S the time of one
/// sync and W = max([`SYNC_INTERVAL`], S) + S, it is `fixed` + `flushes` F + W where `sync_window`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    /// The part that does not depend on the disk.
    pub fixed: Duration,
    /// How many flushes.
    pub flushes: u32,
    /// Whether the window between two syncs counts.
    pub sync_window: bool,
}

impl Age {
    /// The age, given how long one flush and one sync take.
    pub fn bound(&self, flush: Duration, sync: Duration) -> Duration {
        let window = if self.sync_window { SYNC_INTERVAL.max(sync) + sync } else { Duration::ZERO };
        self.fixed + flush * self.flushes + window
    }
}

/// What of the acknowledged a failure may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    Nothing,
    /// What is younger than `age`, and never more than `entries`.
    Recent {
        /// Most entries; `None` is no bound.
        entries: Option<u32>,
        /// Age from which nothing is lost; `None` is no bound.
        age: Option<Age>,
    },
    /// Everything after the last sync point.
    SinceSyncPoint,
}

/// Everything that one combination promises. In each of them a `sync` that returned, a durable
/// watermark that was reported and a clean close promise all that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// What an acknowledgement waits for.
    pub ack: Ack,
    /// What readers see: nothing that is less than this.
    pub visible: Ack,
    /// What a change of term or vote waits for, or of a stable key, which may hold one.
    pub vote_ack: Ack,
    /// How far a flush brings what it takes.
    pub flush_to: Ack,
    /// Time between the beginnings of two syncs that nobody asked for, while there is something
    /// to sync; `None` is never.
    pub sync_interval: Option<Duration>,
    /// Entries that may be accepted and not flushed; one more waits.
    pub unflushed_entries: u32,
    /// What the end of the process may take.
    pub process_kill: Loss,
    /// What a power cut may take.
    pub power_cut: Loss,
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fixed = (!self.fixed.is_zero()).then(|| format!("{} ms", self.fixed.as_millis()));
        let flushes = (self.flushes > 0).then(|| format!("{} flushes", self.flushes));
        let window = self.sync_window.then(|| {
            format!(
                "{} ms or one sync, whichever is longer, and one sync",
                SYNC_INTERVAL.as_millis()
            )
        });
        let parts: Vec<String> = [fixed, flushes, window].into_iter().flatten().collect();
        f.write_str(&parts.join(" and "))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Nothing => f.write_str("nothing"),
            Loss::SinceSyncPoint => f.write_str("all after the last sync point"),
            Loss::Recent { entries, age } => {
                let entries = entries.map(|entries| format!("at most {entries} entries"));
                let age = age.map(|age| format!("nothing older than {age}"));
                let parts: Vec<String> = [entries, age].into_iter().flatten().collect();
                f.write_str(&parts.join(", "))
            }
        }
    }
}

/// In one sentence, as `inspect` prints it.
impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Promise { ack, process_kill, power_cut, .. } = self;
        let ack = match ack {
            Ack::Accepted => "accepted",
            Ack::Written => "written",
            Ack::Durable => "durable",
        };
        write!(f, "acknowledges what is {ack}; the end of the process loses {process_kill}; ")?;
        write!(f, "a power cut loses {power_cut}")
    }
}

impl Promise {
    /// The promise of a combination. `queue_entries` is the queue limit of
    /// [`Flush::Immediate`].
    pub fn of(level: Durability, strategy: Strategy, flush: Flush, queue_entries: u32) -> Promise {
        let ack = match (level, strategy) {
            (_, Strategy::MemFirst) => Ack::Accepted,
            (Durability::High, Strategy::DiskFirst) => Ack::Durable,
            (Durability::Mid | Durability::Low, Strategy::DiskFirst) => Ack::Written,
        };
        let unflushed_entries = match flush {
            Flush::Immediate => queue_entries.max(1),
            Flush::Batch { threshold_entries, .. } => threshold_entries.max(1).saturating_mul(2),
        };
        let process_kill = match strategy {
            Strategy::DiskFirst => Loss::Nothing,
            Strategy::MemFirst => unflushed(level, flush, unflushed_entries),
        };
        let power_cut = match (level, strategy) {
            (Durability::Low, _) => Loss::SinceSyncPoint,
            (Durability::High, _) => process_kill,
            (Durability::Mid, Strategy::DiskFirst) => younger_than(Age::default()),
            (Durability::Mid, Strategy::MemFirst) => younger_than(flush_age(flush)),
        };
        let vote_ack = if level == Durability::Low { ack } else { Ack::Durable };
        let flush_to = if level == Durability::High { Ack::Durable } else { Ack::Written };
        let sync_interval = (level == Durability::Mid).then_some(SYNC_INTERVAL);
        Promise {
            ack,
            visible: ack,
            vote_ack,
            flush_to,
            sync_interval,
            unflushed_entries,
            process_kill,
            power_cut,
        }
    }

    /// What the acknowledgement of one operation with `entries` entries waits for; `votes` when it
    /// changes a term, a vote or a stable key. More entries than may be unflushed are acknowledged
    /// only when they are not.
    pub fn ack_of(&self, entries: u32, votes: bool) -> Ack {
        let ack = if votes { self.vote_ack } else { self.ack };
        if entries > self.unflushed_entries { ack.max(self.flush_to) } else { ack }
    }
}

fn flush_age(flush: Flush) -> Age {
    let fixed = match flush {
        Flush::Immediate => Duration::ZERO,
        Flush::Batch { interval, .. } => interval,
    };
    Age { fixed, flushes: 2, sync_window: false }
}

fn unflushed(level: Durability, flush: Flush, entries: u32) -> Loss {
    let age = (level != Durability::Low).then(|| flush_age(flush));
    Loss::Recent { entries: Some(entries), age }
}

fn younger_than(age: Age) -> Loss {
    Loss::Recent { entries: None, age: Some(Age { sync_window: true, ..age }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn promise(level: Durability, strategy: Strategy, flush: Flush) -> Promise {
        Promise::of(level, strategy, flush, QUEUE_ENTRIES)
    }

    fn bound(loss: Loss) -> (Option<u32>, Option<Duration>) {
        match loss {
            Loss::Recent { entries, age } => (entries, age.map(|age| age.bound(3 * MS, 2 * MS))),
            other => panic!("{other:?} has no bound"),
        }
    }

    #[test]
    fn level_1_disk_first_loses_nothing_under_either_flush() {
        for flush in [Flush::Immediate, Flush::BATCH] {
            let promise = promise(Durability::High, Strategy::DiskFirst, flush);
            assert_eq!(promise.ack, Ack::Durable);
            assert_eq!(promise.visible, Ack::Durable);
            assert_eq!(promise.process_kill, Loss::Nothing);
            assert_eq!(promise.power_cut, Loss::Nothing);
        }
    }

    #[test]
    fn level_1_mem_first_loses_the_queue_in_both_failures() {
        let immediate = promise(Durability::High, Strategy::MemFirst, Flush::Immediate);
        assert_eq!(bound(immediate.process_kill), (Some(1024), Some(6 * MS)));
        assert_eq!(immediate.power_cut, immediate.process_kill);
        let batch = promise(Durability::High, Strategy::MemFirst, Flush::BATCH);
        assert_eq!(bound(batch.process_kill), (Some(2000), Some(106 * MS)));
        assert_eq!(batch.power_cut, batch.process_kill);
        assert_eq!(batch.ack, Ack::Accepted);
        assert_eq!(batch.vote_ack, Ack::Durable);
    }

    #[test]
    fn level_0_loses_a_window_of_time_in_a_power_cut() {
        let disk = promise(Durability::Mid, Strategy::DiskFirst, Flush::BATCH);
        assert_eq!((disk.ack, disk.vote_ack), (Ack::Written, Ack::Durable));
        assert_eq!(disk.process_kill, Loss::Nothing);
        assert_eq!(bound(disk.power_cut), (None, Some(1002 * MS)));
        let immediate = promise(Durability::Mid, Strategy::MemFirst, Flush::Immediate);
        assert_eq!(bound(immediate.process_kill), (Some(1024), Some(6 * MS)));
        assert_eq!(bound(immediate.power_cut), (None, Some(1008 * MS)));
        let batch = promise(Durability::Mid, Strategy::MemFirst, Flush::BATCH);
        assert_eq!(bound(batch.power_cut), (None, Some(1108 * MS)));
    }

    #[test]
    fn level_minus_1_promises_sync_points_only() {
        let disk = promise(Durability::Low, Strategy::DiskFirst, Flush::Immediate);
        assert_eq!((disk.ack, disk.vote_ack), (Ack::Written, Ack::Written));
        assert_eq!(disk.process_kill, Loss::Nothing);
        assert_eq!(disk.power_cut, Loss::SinceSyncPoint);
        let memory = promise(Durability::Low, Strategy::MemFirst, Flush::BATCH);
        assert_eq!(memory.process_kill, Loss::Recent { entries: Some(2000), age: None });
        assert_eq!(memory.power_cut, Loss::SinceSyncPoint);
    }

    #[test]
    fn votes_wait_for_the_sync_and_large_batches_for_the_flush() {
        let memory = promise(Durability::Mid, Strategy::MemFirst, Flush::Immediate);
        assert_eq!(memory.ack_of(1024, false), Ack::Accepted);
        assert_eq!(memory.ack_of(1025, false), Ack::Written);
        assert_eq!(memory.ack_of(0, true), Ack::Durable);
        let low = promise(Durability::Low, Strategy::MemFirst, Flush::BATCH);
        assert_eq!((low.ack_of(2000, true), low.ack_of(2001, true)), (Ack::Accepted, Ack::Written));
        assert_eq!(low.sync_interval, None);
        assert_eq!(memory.sync_interval, Some(SYNC_INTERVAL));
        let high = promise(Durability::High, Strategy::MemFirst, Flush::Immediate);
        assert_eq!((high.ack_of(5000, false), high.flush_to), (Ack::Durable, Ack::Durable));
    }

    #[test]
    fn a_promise_is_a_sentence() {
        let safe = promise(Durability::High, Strategy::DiskFirst, Flush::Immediate).to_string();
        assert_eq!(
            safe,
            "acknowledges what is durable; the end of the process loses nothing; a power cut loses \
             nothing"
        );
        let memory = promise(Durability::Mid, Strategy::MemFirst, Flush::BATCH).to_string();
        assert_eq!(
            memory,
            "acknowledges what is accepted; the end of the process loses at most 2000 entries, \
             nothing older than 100 ms and 2 flushes; a power cut loses nothing older than 100 ms \
             and 2 flushes and 1000 ms or one sync, whichever is longer, and one sync"
        );
        let low = promise(Durability::Low, Strategy::DiskFirst, Flush::Immediate).to_string();
        assert!(low.ends_with("a power cut loses all after the last sync point"), "{low}");
    }

    #[test]
    fn a_slow_sync_widens_its_own_window() {
        let age = Age { sync_window: true, ..Age::default() };
        assert_eq!(age.bound(MS, 3000 * MS), 6000 * MS);
    }
}
