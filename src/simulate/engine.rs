//! The engine under test: the shipped one. Only its disk and its clock are simulated.

use std::path::Path;
use std::sync::Arc;

use crate::fastlog::format::LogUid;
use crate::fastlog::policy::{Flush, Strategy};
use crate::fastlog::{AppliedAndSynced, Batch, Error, FastLog, Fill, Options, Stepping};
use crate::model::{IndexRange, LogIndex};
use crate::simulate::mode::{Flushing, Mode, Order};
use crate::simulate::oracle::{Action, Actions, GroupTag, Held, State, entry_mark, state_mark};
use crate::vfs::sim::{SimClock, SimFs};

/// Entries that may wait to be flushed: few, so that small workloads reach the bound.
pub const QUEUE_ENTRIES: u32 = 8;

/// Where the log lies on the simulated disk.
pub fn dir() -> &'static Path {
    Path::new("/log")
}

/// How a log is opened.
pub fn options(mode: &Mode, segment_bytes: u64) -> Options {
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
    Options {
        level: Some(mode.durability),
        strategy: Some(strategy),
        flush: Some(flush),
        segment_bytes: Some(segment_bytes),
        fill: Fill::Ahead { step_bytes: 4096 },
        stepping: Stepping::Caller,
        uid: Some(LogUid(*b"simulated crash.")),
        queue_entries: QUEUE_ENTRIES,
        ..Options::default()
    }
}

/// Opens the log, recovering it, or creates it.
pub fn open(fs: &SimFs, clock: &SimClock, options: &Options) -> Result<FastLog, Error> {
    let clock = Arc::new(clock.clone());
    FastLog::open_or_create(Arc::new(fs.clone()), clock, dir(), options)
}

/// One operation, as the engine takes it.
pub fn encoded(log: &FastLog, actions: &Actions) -> Result<Batch, Error> {
    let mut batch = Batch::new();
    for (id, action) in actions {
        // A group that is not there yet is created by an operation of its own.
        let Some(group) = log.group(id) else { continue };
        let applied = AppliedAndSynced::through(LogIndex(u64::MAX));
        match action {
            Action::Append(entries) => batch.append(group, entries)?,
            Action::Truncate(first) => batch.truncate(group, *first),
            Action::Compact(through) => batch.compact(group, *through, applied),
            Action::Marker(snapshot) => batch.snapshot_marker(group, snapshot, applied)?,
            Action::Note(snapshot) => batch.snapshot_note(group, snapshot)?,
            Action::Hard(hard) => batch.hard_state(group, hard)?,
            Action::Put(key, value) => batch.set_stable(group, key, value)?,
            Action::Delete(key) => batch.remove_stable(group, key)?,
            // Groups are created before; the other is of logs that keep no note of what is gone.
            Action::Create | Action::Forget(_) => {}
        }
    }
    Ok(batch)
}

/// Everything that a caller can see of a log.
///
/// # Errors
/// When an entry cannot be read.
pub fn state_of(log: &FastLog) -> Result<State, Error> {
    let mut state = State::new();
    for (id, number) in log.groups() {
        let entries = log.entries(number, IndexRange::ALL);
        let entries = entries.map(|entry| entry.map(|entry| entry.entry));
        let held = Held {
            state: log.state(number).unwrap_or_default(),
            entries: entries.collect::<Result<_, _>>()?,
        };
        state.insert(id, held);
    }
    Ok(state)
}

/// Stands for everything that a caller can see of a log; `buffer` is used again and again.
///
/// # Errors
/// When an entry cannot be read.
pub fn digest_of(log: &FastLog, buffer: &mut Vec<u8>) -> Result<u128, Error> {
    let mut digest = 0u128;
    for (id, number) in log.groups() {
        let tag = GroupTag::of(&id);
        let state = log.state(number).unwrap_or_default();
        digest = digest.wrapping_add(state_mark(tag, &state, buffer));
        for entry in log.entries(number, IndexRange::ALL) {
            digest = digest.wrapping_add(entry_mark(tag, &entry?.entry, buffer));
        }
    }
    Ok(digest)
}
