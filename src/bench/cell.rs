//! The vocabulary of the workloads: what one cell of the bench measures, and its line of text, by
//! which the bench starts a fresh process for it and an operator can repeat it alone.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::bench::LogShape;
use crate::fastlog::policy::{BATCH_ENTRIES, BATCH_INTERVAL, Flush, Strategy};
use crate::model::Durability;

/// Largest value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Declares an enum whose variants are words: `ALL`, `as_str`, `FromStr`.
macro_rules! words {
    ($(#[$about:meta])* $name:ident, $what:literal {
        $($(#[$doc:meta])* $variant:ident => $word:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every one, in the order of the tables.
            pub const ALL: &[$name] = &[$($name::$variant,)+];

            /// The word on the command line and in every output.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<$name, String> {
                let found = $name::ALL.iter().copied().find(|known| known.as_str() == text);
                found.ok_or_else(|| format!("{text:?} is no {}", $what))
            }
        }
    };
}

words! {
    /// What is done to an engine.
    Workload, "workload" {
        /// One writer, one entry a call.
        A => "A",
        /// Sixteen writers, a group each.
        B => "B",
        /// Batches of 64.
        C => "C",
        /// What is not synced before it is acknowledged: levels -1 and 0.
        D => "D",
        /// Appends, truncations and compactions.
        E => "E",
        /// Reads.
        F => "F",
        /// Opening a log that is there.
        G => "G",
        /// A log and a state machine: in one engine, or an engine each.
        H => "H",
        /// The operations that raft-fastlog's own table has.
        I => "I",
        /// Appends to logs of growing size.
        S => "S",
    }
}

words! {
    /// Whom it is done to.
    Engine, "engine" {
        /// What the machine can do: the bare calls, no engine.
        Limit => "limit",
        /// The same past the page cache, in whole blocks, each write synced by the same call.
        LimitDirect => "limit-direct",
        /// FastLog.
        FastLog => "fastlog",
        /// redb, a transaction a call.
        Redb => "redb",
        /// raft-engine, TiKV's.
        RaftEngine => "raft-engine",
        /// fjall, a log-structured store.
        Fjall => "fjall",
        /// okaywal.
        OkayWal => "okaywal",
        /// raft-log, Databend's.
        RaftLog => "raft-log",
        /// redb, log and state machine in one database.
        RedbShared => "redb-shared",
        /// redb, a database each.
        RedbDedicated => "redb-dedicated",
    }
}

words! {
    /// What a call is.
    Operation, "operation" {
        /// Entries are appended.
        Append => "append",
        /// Mostly appends; every 16th call a truncation, every 1,024th a compaction with a purge.
        Mixed => "mixed",
        /// One entry, anywhere.
        RandomRead => "random-read",
        /// 64 entries in order.
        RangeRead => "range-read",
        /// Opening, with what is needed to find every entry in memory.
        OpenIndex => "open-index",
        /// Opening, and then every entry in memory.
        OpenEntries => "open-entries",
        /// A synced write to the log, then an unsynced one to the state machine, in turn.
        Interleaved => "interleaved",
        /// As many synced writes to the log, then as many unsynced ones to the state machine.
        Sequential => "sequential",
        /// A stable key is set to 16 bytes.
        Set => "set",
        /// It is read.
        Get => "get",
        /// A stable key is set to a number.
        SetUint64 => "set-uint64",
        /// It is read.
        GetUint64 => "get-uint64",
        /// The three oldest entries are dropped.
        DeleteRange => "delete-range",
        /// The first index is asked for.
        FirstIndex => "first-index",
        /// The last index is asked for.
        LastIndex => "last-index",
        /// One entry is read.
        GetLog => "get-log",
        /// One entry is appended.
        StoreLog => "store-log",
        /// Three entries are appended.
        StoreLogs => "store-logs",
        /// Appends to a log that has so many entries.
        AfterEntries => "after-entries",
        /// Appends to so many groups in turn.
        AfterGroups => "after-groups",
        /// Appends to a log of so many segments.
        AfterSegments => "after-segments",
    }
}

impl Workload {
    /// What it is, one line.
    pub fn title(self) -> &'static str {
        match self {
            Workload::A => "one writer, one entry per sync",
            Workload::B => "16 writers, a group each",
            Workload::C => "one writer, batches of 64, one sync each",
            Workload::D => "acknowledged before it is synced",
            Workload::E => "appends, truncations, compactions",
            Workload::F => "reads",
            Workload::G => "opening a log that is there",
            Workload::H => "a synced log and an unsynced state machine",
            Workload::I => "the operations of raft-fastlog's table",
            Workload::S => "appends to logs of growing size",
        }
    }
}

impl Engine {
    /// Whether it is someone else's, which only a program with the feature `bench-peers` has.
    pub fn is_peer(self) -> bool {
        matches!(self, Engine::RaftEngine | Engine::Fjall | Engine::OkayWal | Engine::RaftLog)
    }

    /// Whether this program has it.
    pub fn is_built_in(self) -> bool {
        !self.is_peer() || cfg!(feature = "bench-peers")
    }

    /// Whether it is the machine itself.
    pub fn is_limit(self) -> bool {
        matches!(self, Engine::Limit | Engine::LimitDirect)
    }
}

/// A mode of FastLog beside its level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// Which comes first.
    pub strategy: Strategy,
    /// When what was accepted is written.
    pub flush: Flush,
}

impl Mode {
    /// Every mode, the usual one first.
    pub const ALL: [Mode; 4] = [
        Mode { strategy: Strategy::DiskFirst, flush: Flush::Immediate },
        Mode { strategy: Strategy::DiskFirst, flush: Flush::BATCH },
        Mode { strategy: Strategy::MemFirst, flush: Flush::Immediate },
        Mode { strategy: Strategy::MemFirst, flush: Flush::BATCH },
    ];
}

/// The words of a flush policy: `immediate`, `batch`, `batch:THRESHOLD,INTERVAL_MS`.
pub fn flush_words(flush: Flush) -> String {
    match flush {
        Flush::Immediate => "immediate".to_owned(),
        Flush::BATCH => "batch".to_owned(),
        Flush::Batch { threshold_entries, interval } => {
            format!("batch:{threshold_entries},{}", interval.as_millis())
        }
    }
}

/// Reads [`flush_words`].
///
/// # Errors
/// What is wrong, one line.
pub fn parse_flush(text: &str) -> Result<Flush, String> {
    let wrong = || {
        let (entries, ms) = (BATCH_ENTRIES, BATCH_INTERVAL.as_millis());
        format!("{text:?} is not immediate, batch or batch:ENTRIES,MS, as in batch:{entries},{ms}")
    };
    match text.split_once(':') {
        None if text == "immediate" => Ok(Flush::Immediate),
        None if text == "batch" => Ok(Flush::BATCH),
        Some(("batch", numbers)) => {
            let (threshold, interval) = numbers.split_once(',').ok_or_else(wrong)?;
            let threshold_entries = threshold.parse().map_err(|_| wrong())?;
            let interval = Duration::from_millis(interval.parse().map_err(|_| wrong())?);
            if threshold_entries == 0 {
                return Err(wrong());
            }
            Ok(Flush::Batch { threshold_entries, interval })
        }
        _ => Err(wrong()),
    }
}

/// Size of the values of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueBytes(pub usize);

impl FromStr for ValueBytes {
    type Err = String;

    /// Reads bytes, `KiB` or `MiB`: `128`, `4KiB`, `1MiB`.
    fn from_str(text: &str) -> Result<ValueBytes, String> {
        let units = [("KiB", 1usize << 10), ("MiB", 1 << 20), ("B", 1), ("", 1)];
        let bytes = units.iter().find_map(|(unit, factor)| {
            let digits = text.strip_suffix(unit)?;
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<usize>().ok().filter(|_| plain)?.checked_mul(*factor)
        });
        match bytes {
            Some(bytes) if (1..=VALUE_BYTES_MAX).contains(&bytes) => Ok(ValueBytes(bytes)),
            Some(_) => Err(format!("{text:?}: a value has 1 byte to 1MiB")),
            None => Err(format!("{text:?} is no size in bytes, KiB or MiB, as in 128 or 4KiB")),
        }
    }
}

/// One thing to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What is done.
    pub workload: Workload,
    /// What a call is.
    pub operation: Operation,
    /// Whom to.
    pub engine: Engine,
    /// How much an acknowledgement promises.
    pub durability: Durability,
    /// FastLog's mode; none for others.
    pub mode: Option<Mode>,
    /// Size of a value.
    pub value: ValueBytes,
    /// Entries a call.
    pub batch: u32,
    /// Threads that write, each into a group of its own.
    pub writers: u32,
    /// How much is there before: entries, groups or segments, as the operation says.
    pub extent: u64,
    /// How long to measure.
    pub seconds: f64,
}

impl Cell {
    /// The cell that says what the machine can do of this; `None` where nothing stands for it.
    pub fn limit(&self) -> Option<Cell> {
        if !self.has_limit() {
            return None;
        }
        let operation = match self.operation {
            Operation::OpenEntries => Operation::OpenIndex,
            operation => operation,
        };
        Some(Cell { engine: Engine::Limit, operation, mode: None, ..self.clone() })
    }

    fn has_limit(&self) -> bool {
        match self.workload {
            Workload::A | Workload::B | Workload::C | Workload::D => true,
            Workload::E | Workload::F | Workload::G | Workload::H => true,
            Workload::I => {
                use Operation::{DeleteRange, Set, SetUint64, StoreLog, StoreLogs};
                matches!(self.operation, Set | SetUint64 | DeleteRange | StoreLog | StoreLogs)
            }
            Workload::S => false,
        }
    }

    /// The cell of the smallest extent, where cells differ in nothing else.
    pub fn smallest(&self) -> Option<Cell> {
        (self.workload == Workload::S).then(|| Cell { extent: 1, ..self.clone() })
    }

    /// The log that is there before, where the cell opens one.
    pub fn opened(&self) -> Option<LogShape> {
        let payload_bytes = self.value.0;
        (self.workload == Workload::G).then_some(LogShape { entries: self.extent, payload_bytes })
    }

    /// Bytes of values that the cell writes at most; it ends when it did.
    pub fn bytes_max(&self) -> u64 {
        const SECOND_BYTES: f64 = (2u64 << 30) as f64;
        let bytes = (self.seconds * SECOND_BYTES) as u64;
        bytes.clamp(16 << 20, 1 << 30)
    }

    /// Room that the cell takes at most while it runs, in bytes.
    pub fn room_bytes(&self) -> u64 {
        let before = match self.operation {
            // Three engines at most have such a log, and each keeps it until the end.
            Operation::OpenIndex | Operation::OpenEntries => {
                return 3 * self.extent.saturating_mul(self.value.0 as u64 + 256);
            }
            Operation::AfterSegments => self.extent * SEGMENT_BYTES,
            Operation::AfterGroups => self.extent * 256,
            _ => self.extent.saturating_mul(self.value.0 as u64 + 128),
        };
        let values = self.bytes_max().saturating_add(before);
        match self.engine {
            Engine::Limit | Engine::LimitDirect => values.saturating_mul(2) + (64 << 20),
            Engine::FastLog => values.saturating_mul(4) + (256 << 20),
            _ => values.saturating_mul(4) + (64 << 20),
        }
    }
}

/// Segments of the cells that have many.
pub(super) const SEGMENT_BYTES: u64 = 256 << 10;

const FIELDS: usize = 11;

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (strategy, flush) = match self.mode {
            Some(mode) => (mode.strategy.as_str(), flush_words(mode.flush)),
            None => ("-", "-".to_owned()),
        };
        write!(
            f,
            "{} {} {} {} {strategy} {flush} {} {} {} {} {}",
            self.workload.as_str(),
            self.operation.as_str(),
            self.engine.as_str(),
            self.durability,
            self.value.0,
            self.batch,
            self.writers,
            self.extent,
            self.seconds,
        )
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Cell, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let Ok(fields) = <[&str; FIELDS]>::try_from(fields) else {
            return Err(format!("a cell has {FIELDS} fields"));
        };
        let [workload, operation, engine, durability, strategy, flush, rest @ ..] = fields;
        let [value, batch, writers, extent, seconds] = rest;
        let number = |text: &str| text.parse::<u32>().map_err(|_| format!("{text:?}: no number"));
        let level = durability.parse().ok().and_then(Durability::from_i8);
        let mode = match (strategy, flush) {
            ("-", "-") => None,
            _ => Some(Mode { strategy: parse_strategy(strategy)?, flush: parse_flush(flush)? }),
        };
        if value.parse::<usize>().is_ok_and(|bytes| bytes > VALUE_BYTES_MAX) {
            return Err(format!("{value:?}: a value has at most 1MiB"));
        }
        let seconds = seconds.parse::<f64>().ok().filter(|s| s.is_finite() && *s > 0.0);
        Ok(Cell {
            workload: workload.parse()?,
            operation: operation.parse()?,
            engine: engine.parse()?,
            durability: level.ok_or_else(|| format!("{durability:?} is not -1, 0 or 1"))?,
            mode,
            value: ValueBytes(value.parse().map_err(|_| format!("{value:?}: no number"))?),
            batch: number(batch)?.max(1),
            writers: number(writers)?.max(1),
            extent: extent.parse().map_err(|_| format!("{extent:?}: no number"))?,
            seconds: seconds.ok_or("the seconds are no number above 0")?,
        })
    }
}

/// Reads a strategy by its word.
///
/// # Errors
/// When there is no such strategy.
pub fn parse_strategy(text: &str) -> Result<Strategy, String> {
    let found = Strategy::ALL.into_iter().find(|strategy| strategy.as_str() == text);
    found.ok_or_else(|| format!("{text:?} is not disk-first or mem-first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_reads_back_from_its_line() {
        for mode in Mode::ALL.map(Some).into_iter().chain([None]) {
            let cell = Cell {
                workload: Workload::C,
                operation: Operation::Append,
                engine: Engine::Redb,
                durability: Durability::Low,
                mode,
                value: ValueBytes(1_024),
                batch: 64,
                writers: 16,
                extent: 7,
                seconds: 0.25,
            };
            assert_eq!(cell.to_string().parse::<Cell>(), Ok(cell));
        }
        for wrong in [
            "",
            "A append fastlog 1 disk-first immediate 128 1 1 0",
            "A append fastlog 2 disk-first immediate 128 1 1 0 0.1",
            "A append nothing 1 - - 128 1 1 0 0.1",
            "A append limit 1 - - 1048577 1 1 0 0.1",
            "A append limit 1 - - 128 1 1 0 NaN",
            "A append limit 1 - immediate 128 1 1 0 0.1",
        ] {
            assert!(wrong.parse::<Cell>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn flush_policies_read_back_from_their_words() {
        let custom = Flush::Batch { threshold_entries: 8, interval: Duration::from_millis(20) };
        for flush in [Flush::Immediate, Flush::BATCH, custom] {
            assert_eq!(parse_flush(&flush_words(flush)), Ok(flush));
        }
        for wrong in ["", "batch:", "batch:8", "batch:0,1", "batch:8,x", "immediate:1,1"] {
            assert!(parse_flush(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_have_a_size_up_to_a_mebibyte() {
        let sizes = ["128", "128B", "1KiB", "1MiB"].map(|text| text.parse::<ValueBytes>());
        assert_eq!(sizes, [128, 128, 1 << 10, 1 << 20].map(|bytes| Ok(ValueBytes(bytes))));
        for wrong in ["", "0", "KiB", "-1", "+1", "1.5KiB", "2MiB", "1GiB", "9999999999999999MiB"] {
            assert!(wrong.parse::<ValueBytes>().is_err(), "{wrong}");
        }
    }
}
