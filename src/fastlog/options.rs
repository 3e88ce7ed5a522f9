use crate::fastlog::format::{LogUid, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, Settings};
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
    /// Always this many bytes ahead, never beyond the size of a segment; segments made ahead are
    /// filled as a whole.
    Ahead {
        /// How many.
        step_bytes: u64,
    },
    /// Not at all; files are as long as their frames.
    Never,
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
/// new one.
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
            stepping: Stepping::Thread,
            uid: None,
        }
    }
}

impl Options {
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
            segment_bytes: segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
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
