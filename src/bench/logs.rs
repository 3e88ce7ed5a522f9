//! The logs that the jobs are measured on, made by the sinks that raftlog ships.

use std::path::Path;
use std::sync::Arc;

use crate::bench::Error;
use crate::model::{
    AppendInstant, AppendTime, ByteOrder, Entry, EntryExtra, EntryKind, GroupId, HardState,
    LogIndex, LogState, SharedBytes, StableValue, Term, TimeForm, Zone,
};
use crate::store::open::{SinkOptions, create_sink};
use crate::store::target::Target;
use crate::store::{Format, Profile};
use crate::vfs::Fs;

/// Entries appended at a time.
const BATCH_ENTRIES: u64 = 2_048;
/// The random bytes that payloads are cut from; longer than the largest payload.
const NOISE_BYTES: usize = 1 << 21;

/// Size of a log: how many entries of which payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogShape {
    /// Entries.
    pub entries: u64,
    /// Payload of each.
    pub payload_bytes: usize,
}

impl LogShape {
    /// The two logs that a full run measures: 1 GiB in entries of 1 KiB, 1 million of 128 B.
    pub const FULL: [LogShape; 2] = [
        LogShape { entries: 1 << 20, payload_bytes: 1 << 10 },
        LogShape { entries: 1_000_000, payload_bytes: 128 },
    ];

    /// The shape in words.
    pub fn words(&self) -> String {
        format!("{} entries of {} B", self.entries, self.payload_bytes)
    }

    /// Writes a log of this shape, in the given format, at `path`.
    ///
    /// # Errors
    /// What the sink says.
    pub fn write(&self, fs: &Arc<dyn Fs>, format: Format, path: &Path) -> Result<(), Error> {
        let target = Target::check(Arc::clone(fs), path, false)?;
        let mut sink = create_sink(format, target, &SinkOptions::default())?;
        sink.begin_group(&GroupId::Unnamed, &self.state())?;
        let noise = noise();
        let mut next = 1u64;
        while next <= self.entries {
            let last = (next + BATCH_ENTRIES - 1).min(self.entries);
            let batch: Vec<Entry> =
                (next..=last).map(|index| self.entry(index, &noise, sink.profile())).collect();
            sink.append(&batch)?;
            next = last + 1;
        }
        sink.seal()?.publish()?;
        Ok(())
    }

    fn state(&self) -> LogState {
        let number = |value: u64| StableValue {
            bytes: SharedBytes::from(value.to_be_bytes().to_vec()),
            integer: Some(ByteOrder::Big),
        };
        let mut state = LogState {
            hard: HardState { term: Some(Term(3)), vote: None, commit: None },
            ..LogState::default()
        };
        state.stable.insert(b"CurrentTerm".to_vec(), number(3));
        state
    }

    fn entry(&self, index: u64, noise: &SharedBytes, _target: &Profile) -> Entry {
        let room = noise.len().saturating_sub(self.payload_bytes).max(1) as u64;
        let start = usize::try_from(index.wrapping_mul(7_919) % room).unwrap_or_default();
        Entry {
            index: LogIndex(index),
            term: Term(1 + index * 2 / self.entries.max(1)),
            kind: EntryKind::Command,
            kind_code: Some(0),
            payload: noise.slice(start..start + self.payload_bytes),
            extra: EntryExtra {
                appended_at: AppendTime::At(AppendInstant {
                    unix_seconds: 1_700_000_000 + i64::try_from(index / 1_000).unwrap_or_default(),
                    nanoseconds: u32::try_from(index % 1_000).unwrap_or_default() * 1_000_000,
                    form: TimeForm::Old,
                    zone: Zone::Utc,
                }),
                ..EntryExtra::default()
            },
        }
    }
}

/// Half random, half repeating bytes, the same in every run: neither incompressible nor empty.
fn noise() -> SharedBytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(NOISE_BYTES);
    while bytes.len() < NOISE_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
        bytes.extend_from_slice(b"raftlog ");
    }
    SharedBytes::from(bytes)
}
