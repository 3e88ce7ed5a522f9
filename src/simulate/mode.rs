use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::model::Durability;

/// Which comes first, disk or memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// An operation is written before it is acknowledged.
    #[default]
    DiskFirst,
    /// An operation is acknowledged as soon as it is accepted.
    MemFirst,
}

impl Order {
    /// Both.
    pub const ALL: [Order; 2] = [Order::DiskFirst, Order::MemFirst];

    /// The word on the command line and in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Order::DiskFirst => "disk-first",
            Order::MemFirst => "mem-first",
        }
    }
}

/// When what was accepted is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flushing {
    /// At once.
    #[default]
    Immediate,
    /// When enough has come together, or enough time has passed.
    Batch {
        /// Entries that start a flush, 1 at least.
        threshold_entries: u32,
        /// Age of the oldest waiting entry that starts one.
        interval: Duration,
    },
}

impl Flushing {
    /// A batch that small workloads fill.
    pub const SMALL_BATCH: Flushing =
        Flushing::Batch { threshold_entries: 8, interval: Duration::from_millis(20) };
}

impl fmt::Display for Flushing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flushing::Immediate => f.write_str("immediate"),
            Flushing::Batch { threshold_entries, interval } => {
                write!(f, "batch:{threshold_entries},{}", interval.as_millis())
            }
        }
    }
}

impl FromStr for Flushing {
    type Err = String;

    fn from_str(text: &str) -> Result<Flushing, String> {
        if text == "immediate" {
            return Ok(Flushing::Immediate);
        }
        let numbers = text.strip_prefix("batch:").and_then(|numbers| numbers.split_once(','));
        let parsed = numbers.and_then(|(threshold, interval)| {
            Some((threshold.parse().ok().filter(|entries| *entries > 0)?, interval.parse().ok()?))
        });
        match parsed {
            Some((threshold_entries, interval_ms)) if interval_ms <= 3_600_000 => {
                let interval = Duration::from_millis(interval_ms);
                Ok(Flushing::Batch { threshold_entries, interval })
            }
            _ => Err("write immediate, or batch:THRESHOLD,INTERVAL_MS as in batch:8,20".to_owned()),
        }
    }
}

/// A combination of durability level, order and flush policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mode {
    /// Level.
    pub durability: Durability,
    /// Order.
    pub order: Order,
    /// Flush policy.
    pub flushing: Flushing,
}

impl Mode {
    /// Every combination of the given ones, the strongest level first.
    pub fn grid(levels: &[Durability], orders: &[Order], flushings: &[Flushing]) -> Vec<Mode> {
        let mut levels = levels.to_vec();
        levels.sort_unstable_by(|a, b| b.cmp(a));
        levels.dedup();
        let mut grid = Vec::new();
        for durability in levels {
            for order in Order::ALL.into_iter().filter(|order| orders.contains(order)) {
                let modes = flushings.iter().map(|flushing| Mode {
                    durability,
                    order,
                    flushing: *flushing,
                });
                for mode in modes {
                    if !grid.contains(&mode) {
                        grid.push(mode);
                    }
                }
            }
        }
        grid
    }

    /// The twelve that are tried when nothing else is said.
    pub fn all() -> Vec<Mode> {
        let flushings = [Flushing::Immediate, Flushing::SMALL_BATCH];
        Mode::grid(&Durability::ALL, &Order::ALL, &flushings)
    }

    /// The flags that choose this mode alone.
    pub fn flags(&self) -> String {
        let Mode { durability, order, flushing } = self;
        format!("--durability {durability} --strategy {} --flush {flushing}", order.as_str())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mode { durability, order, flushing } = self;
        write!(f, "level {durability}, {}, {flushing}", order.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flush_policies_are_read_as_they_are_printed() {
        for flushing in [Flushing::Immediate, Flushing::SMALL_BATCH] {
            assert_eq!(flushing.to_string().parse(), Ok(flushing));
        }
        for wrong in ["", "batch", "batch:", "batch:8", "batch:0,20", "batch:8,x", "batch:8,-1"] {
            assert!(wrong.parse::<Flushing>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn there_are_twelve_modes_and_the_strongest_comes_first() {
        let all = Mode::all();
        assert_eq!(all.len(), 12);
        assert_eq!(all[0].flags(), "--durability 1 --strategy disk-first --flush immediate");
        assert_eq!(all[11].to_string(), "level -1, mem-first, batch:8,20");
        let twice = Mode::grid(
            &[Durability::Low, Durability::Low],
            &Order::ALL,
            &[Flushing::Immediate, Flushing::Immediate],
        );
        assert_eq!(twice.len(), 2);
    }
}
