use crate::fastlog::format::{LogUid, Settings};
use crate::fastlog::limits::{
    ENTRY_BYTES, GROUPS, MEMORY_BYTES, OPEN_FILES, PREFETCH_BYTES, QUEUE_BYTES_LIMIT,
    QUEUE_ENTRIES_LIMIT, SEGMENT_BYTES_LIMIT,
};
use crate::fastlog::policy::{Durability, Flush, QUEUE_ENTRIES, Strategy};

/// Size at which a segment is full, when nothing else is said.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Bytes that may wait to be flushed, when nothing else is said.
pub const QUEUE_BYTES: u64 = 64 << 20;
/// How far ahead of the frames a segment is filled, when nothing else is said.
pub const FILL_AHEAD_BYTES: u64 = 4 << 20;

/// Whether segments are filled with written zeros before frames come: syncing into written blocks
/// is about twice as fast as appending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Always this many bytes ahead, never beyond the size of a segment. Segments made ahead are
    /// filled as a whole, in pieces of as many bytes, at most a MiB.
    Ahead {
        /// How many.
        step_bytes: u64,
    },
    /// Not at all; files are as long as their frames.
    Never,
}

/// What of the entries is kept in memory. Where each of them lies always is: about 24 bytes an
/// entry, or 5 where small neighbours were written together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// Nothing more; every read goes to the file, which the system keeps in its own memory.
    #[default]
    Index,
    /// Everything that no snapshot covers: loaded when the log is opened, newest first, and kept
    /// as it is written. Beyond the budget what was not read for longest is given up.
    Eager {
        /// Most bytes that are kept, as [`MEMORY_BYTES`] bounds it.
        budget_bytes: u64,
    },
    /// What is written, and what is missed when it is read, with what lies behind it: the reader
    /// reads its own entry alone, and a thread brings the rest, so that no read waits for another.
    Lazy {
        /// Most bytes that are kept, as [`MEMORY_BYTES`] bounds it.
        budget_bytes: u64,
        /// Bytes that are brought after a miss, as [`PREFETCH_BYTES`] bounds it.
        prefetch_bytes: u64,
    },
}

impl Memory {
    /// [`Memory::Eager`] with the default budget.
    pub const EAGER: Memory = Memory::Eager { budget_bytes: MEMORY_BYTES.default };
    /// [`Memory::Lazy`] with the default budget and prefetch.
    pub const LAZY: Memory =
        Memory::Lazy { budget_bytes: MEMORY_BYTES.default, prefetch_bytes: PREFETCH_BYTES.default };
}

/// Whether what is to be durable is written past the system's cache, which some disks do quicker.
/// Where the file system refuses it is written through the cache, silently. What was written past
/// the cache is read from the disk, unless [`Options::memory`] keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PastCache {
    /// Never.
    #[default]
    Never,
    /// Where it is quicker: both ways are tried while the log is used, now and then again.
    Measured,
    /// Wherever it is possible.
    Always,
}

/// Who steps the timers of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stepping {
    /// A thread of its own.
    #[default]
    Thread,
    /// The caller, by [`FastLog::step`](crate::fastlog::FastLog::step).
    Caller,
}

/// How a log is created or opened. `None` means: as the store records it, or the default in a
/// new one. Numbers outside their limits ([`crate::fastlog::limits`]) are brought inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Durability level; 1 (high) in a new store.
    pub level: Option<Durability>,
    /// Strategy; disk first in a new store.
    pub strategy: Option<Strategy>,
    /// Flush policy; immediate in a new store.
    pub flush: Option<Flush>,
    /// Size at which a segment is full, 16 KiB to 1 GiB; 64 MiB in a new store.
    pub segment_bytes: Option<u64>,
    /// Filling ahead of the frames, at level 1.
    pub fill: Fill,
    /// Entries that may be accepted and not flushed under [`Flush::Immediate`], 1 at least;
    /// accepting one more blocks. Under [`Flush::Batch`] it is twice the threshold.
    pub queue_entries: u32,
    /// Bytes of accepted batches that may not be flushed; they are in memory until they are.
    pub queue_bytes: u64,
    /// Whether the next segment is made ahead, or kept from a purge, so that beginning it costs no
    /// stall. Takes the room of one segment more, two after a purge, while the log is open.
    pub spares: bool,
    /// Whether flushes that sync go past the system's cache, into segments that are filled ahead.
    pub past_cache: PastCache,
    /// What of the entries is kept in memory.
    pub memory: Memory,
    /// Whether [`Flush::Batch`] follows the load: threshold and interval are then what it never
    /// passes. It flushes as soon as as much waits as came together lately, or half as long as a
    /// flush takes has passed, so that a single writer waits for nobody.
    pub follow_load: bool,
    /// Largest payload or extensions of an entry that is accepted, in bytes.
    pub entry_bytes_max: u64,
    /// Groups that may be created; a store that has more is opened all the same.
    pub groups_max: u64,
    /// Files that stay open, roughly: half for reading, half full segments that wait for a sync.
    pub open_files: u64,
    /// Who steps the timers.
    pub stepping: Stepping,
    /// The uid of a new store; `None` makes a random one.
    pub uid: Option<LogUid>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            level: None,
            strategy: None,
            flush: None,
            segment_bytes: None,
            fill: Fill::Ahead { step_bytes: FILL_AHEAD_BYTES },
            queue_entries: QUEUE_ENTRIES,
            queue_bytes: QUEUE_BYTES,
            spares: true,
            past_cache: PastCache::Never,
            memory: Memory::Index,
            follow_load: false,
            entry_bytes_max: ENTRY_BYTES.default,
            groups_max: GROUPS.default,
            open_files: OPEN_FILES.default,
            stepping: Stepping::Thread,
            uid: None,
        }
    }
}

impl Options {
    /// These options, each number within its limits.
    pub(super) fn limited(&self) -> Options {
        let memory = match self.memory {
            Memory::Index => Memory::Index,
            Memory::Eager { budget_bytes } => {
                Memory::Eager { budget_bytes: MEMORY_BYTES.within(budget_bytes) }
            }
            Memory::Lazy { budget_bytes, prefetch_bytes } => Memory::Lazy {
                budget_bytes: MEMORY_BYTES.within(budget_bytes),
                prefetch_bytes: PREFETCH_BYTES.within(prefetch_bytes),
            },
        };
        let entries = QUEUE_ENTRIES_LIMIT.within(u64::from(self.queue_entries));
        Options {
            memory,
            queue_entries: u32::try_from(entries).unwrap_or(u32::MAX),
            queue_bytes: QUEUE_BYTES_LIMIT.within(self.queue_bytes),
            entry_bytes_max: ENTRY_BYTES.within(self.entry_bytes_max),
            groups_max: GROUPS.within(self.groups_max),
            open_files: OPEN_FILES.within(self.open_files),
            ..*self
        }
    }

    /// These options over what a store records, with the segment size brought into its limits.
    pub(super) fn over(&self, recorded: Option<Settings>) -> Settings {
        let recorded = recorded.unwrap_or(Settings {
            level: Durability::High,
            strategy: Strategy::DiskFirst,
            flush: Flush::Immediate,
            segment_bytes: SEGMENT_BYTES,
        });
        let segment_bytes = self.segment_bytes.unwrap_or(recorded.segment_bytes);
        Settings {
            level: self.level.unwrap_or(recorded.level),
            strategy: self.strategy.unwrap_or(recorded.strategy),
            flush: self.flush.unwrap_or(recorded.flush),
            segment_bytes: SEGMENT_BYTES_LIMIT.within(segment_bytes),
        }
    }

    /// Bytes that are filled ahead.
    pub(super) fn fill_step(&self) -> u64 {
        match self.fill {
            Fill::Ahead { step_bytes } => step_bytes,
            Fill::Never => 0,
        }
    }
}
