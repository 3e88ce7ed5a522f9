//! The limits of a log: what they are without a word, what they may be, and why there is one.

use crate::fastlog::format::{ENTRY_CONTENT_MAX, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::fastlog::options::{QUEUE_BYTES, SEGMENT_BYTES};
use crate::fastlog::policy::QUEUE_ENTRIES;

/// One limit. Its value is an option ([`crate::fastlog::Options`]); one that is too small or too
/// large is brought to the nearest that is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The option that sets it.
    pub option: &'static str,
    /// Its value when nothing is said.
    pub default: u64,
    /// The smallest value.
    pub least: u64,
    /// The largest value.
    pub most: u64,
    /// What it protects, one line.
    pub reason: &'static str,
}

impl Limit {
    /// `value`, or the nearest one that is possible.
    pub fn within(&self, value: u64) -> u64 {
        value.clamp(self.least, self.most)
    }
}

/// Bytes at which a segment is full.
pub const SEGMENT_BYTES_LIMIT: Limit = Limit {
    option: "segment_bytes",
    default: SEGMENT_BYTES,
    least: SEGMENT_BYTES_MIN,
    most: SEGMENT_BYTES_MAX,
    reason: "what a purge gives back at once, and what one lost segment takes with it",
};

/// Bytes of the largest entry.
pub const ENTRY_BYTES: Limit = Limit {
    option: "entry_bytes_max",
    default: ENTRY_CONTENT_MAX as u64,
    least: 1 << 10,
    most: ENTRY_CONTENT_MAX as u64,
    reason: "an entry is in memory as a whole when it is written, read and sent",
};

/// Groups of a log.
pub const GROUPS: Limit = Limit {
    option: "groups_max",
    default: 1 << 20,
    least: 1,
    most: u32::MAX as u64,
    reason: "the state of every group is in memory, and is written anew by every purge",
};

/// Files that stay open.
pub const OPEN_FILES: Limit = Limit {
    option: "open_files",
    default: 128,
    least: 8,
    most: 1 << 16,
    reason: "a process may have only so many, and the state machine needs some too",
};

/// Entries that are accepted and not flushed.
pub const QUEUE_ENTRIES_LIMIT: Limit = Limit {
    option: "queue_entries",
    default: QUEUE_ENTRIES as u64,
    least: 1,
    most: u32::MAX as u64,
    reason: "with memory first it bounds what the end of the process takes",
};

/// Bytes that are accepted and not flushed.
pub const QUEUE_BYTES_LIMIT: Limit = Limit {
    option: "queue_bytes",
    default: QUEUE_BYTES,
    least: 4 << 10,
    most: u64::MAX,
    reason: "what waits for the disk is in memory; a slow disk must not fill it",
};

/// Bytes of entries that are kept in memory.
pub const MEMORY_BYTES: Limit = Limit {
    option: "memory, budget_bytes",
    default: 256 << 20,
    least: 1 << 20,
    most: u64::MAX,
    reason: "a log is larger than memory sooner or later",
};

/// Bytes that are brought after a miss.
pub const PREFETCH_BYTES: Limit = Limit {
    option: "memory, prefetch_bytes",
    default: 256 << 10,
    least: 4 << 10,
    most: 16 << 20,
    reason: "reads that follow a miss mostly want what lies behind it, but not without end",
};

/// All of them.
pub const ALL: [Limit; 8] = [
    SEGMENT_BYTES_LIMIT,
    ENTRY_BYTES,
    GROUPS,
    OPEN_FILES,
    QUEUE_ENTRIES_LIMIT,
    QUEUE_BYTES_LIMIT,
    MEMORY_BYTES,
    PREFETCH_BYTES,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastlog::options::{Memory, Options};

    #[test]
    fn the_guide_names_every_limit() {
        let guide = include_str!("GUIDE.md");
        for limit in ALL {
            let Limit { option, default, least, most, reason } = limit;
            let most = if most == u64::MAX { "-".to_owned() } else { most.to_string() };
            let row = format!("| `{option}` | {default} | {least} | {most} | {reason} |");
            assert!(guide.contains(&row), "{row}");
        }
    }

    #[test]
    fn what_is_outside_a_limit_is_brought_inside_and_the_default_is_inside() {
        let with = |value: u64| Options {
            segment_bytes: Some(value),
            queue_entries: u32::try_from(value).unwrap_or(u32::MAX),
            queue_bytes: value,
            entry_bytes_max: value,
            groups_max: value,
            open_files: value,
            memory: Memory::Lazy { budget_bytes: value, prefetch_bytes: value },
            ..Options::default()
        };
        let numbers = |options: &Options| {
            let limited = options.limited();
            let Memory::Lazy { budget_bytes, prefetch_bytes } = limited.memory else {
                panic!("{limited:?}")
            };
            [
                limited.over(None).segment_bytes,
                limited.entry_bytes_max,
                limited.groups_max,
                limited.open_files,
                u64::from(limited.queue_entries),
                limited.queue_bytes,
                budget_bytes,
                prefetch_bytes,
            ]
        };
        assert_eq!(numbers(&with(0)), ALL.map(|limit| limit.least));
        assert_eq!(numbers(&with(u64::MAX)), ALL.map(|limit| limit.most));
        let default = Options { memory: Memory::LAZY, ..Options::default() };
        assert_eq!(numbers(&default), ALL.map(|limit| limit.default));
    }
}
