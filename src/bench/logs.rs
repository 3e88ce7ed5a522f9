//! The logs that the jobs are measured on, made by the sinks that raftlog ships.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::bench::Error;
use crate::model::{
    AppendInstant, AppendTime, ByteOrder, Entry, EntryExtra, EntryKind, GroupId, HardState, LogId,
    LogIndex, LogState, SharedBytes, StableValue, Term, TimeForm, Zone,
};
use crate::store::codec::{Encoding, ValueCodec};
use crate::store::etcd_wal::{Metadata, SegmentWriter};
use crate::store::open::{SinkOptions, create_sink};
use crate::store::redb::schemas;
use crate::store::target::Target;
use crate::store::{Format, LogSink};
use crate::vfs::Fs;

/// Entries appended at a time.
const BATCH_ENTRIES: u64 = 2_048;
/// Largest payload of a log that is made.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;
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
        let noise = noise();
        let made = |index| Some(self.entry(index, &noise));
        self.write_with(create(fs, format, path, &SinkOptions::default())?, &self.state(), made)
    }

    /// Writes a log of this shape into a redb file at `path` in the named schema, as its project
    /// would have.
    ///
    /// # Errors
    /// What the sink says; when there is no such schema, or none whose entries can be made.
    pub fn write_in(&self, fs: &Arc<dyn Fs>, schema: &str, path: &Path) -> Result<(), Error> {
        let unmade = || Error::Engine {
            engine: "redb",
            message: format!("no entries are made in the schema {schema:?}"),
        };
        let known = schemas::named(schema).ok_or_else(unmade)?;
        let options = SinkOptions {
            redb_schema: Some(schema.to_owned()),
            redb_format: Some(known.redb_format),
            ..SinkOptions::default()
        };
        let mut state = LogState { schema: Some(schema.to_owned()), ..LogState::default() };
        if matches!(known.codec, ValueCodec::Openraft(Encoding::Postcard, _)) {
            // In so few bytes a log is known by its vote: term 3, node 1, committed.
            let vote = StableValue::bytes(&[3, 1, 1]);
            state.stable.insert(b"vote".to_vec(), vote);
        }
        let letters = letters();
        let made = |index| {
            let entry = self.entry(index, &letters);
            let text = str::from_utf8(entry.payload_bytes()).ok()?;
            let id = LogId { term: entry.term, index: entry.index };
            let (note, payload) = known.codec.command(id, text)?;
            let extra = EntryExtra { note, ..EntryExtra::default() };
            Some(Entry { kind_code: None, payload: Some(payload), extra, ..entry })
        };
        made(1).ok_or_else(unmade)?;
        self.write_with(create(fs, Format::Redb, path, &options)?, &state, made)
    }

    fn write_with(
        &self,
        mut sink: Box<dyn LogSink>,
        state: &LogState,
        made: impl Fn(u64) -> Option<Entry>,
    ) -> Result<(), Error> {
        sink.begin_group(&GroupId::Unnamed, state)?;
        let mut next = 1u64;
        while next <= self.entries {
            let last = (next + BATCH_ENTRIES - 1).min(self.entries);
            let batch: Vec<Entry> = (next..=last).filter_map(&made).collect();
            sink.append(&batch)?;
            next = last + 1;
        }
        sink.seal()?.publish()?;
        Ok(())
    }

    /// Writes a log of this shape as etcd would, in segments below `dir`: raftlog has no sink for
    /// it.
    ///
    /// # Errors
    /// When the system refused.
    pub fn write_etcd(&self, fs: &Arc<dyn Fs>, dir: &Path) -> Result<(), Error> {
        let mut writer = SegmentWriter::create(fs, dir, Metadata { node: 17, cluster: 34 })?;
        let noise = noise();
        for index in 1..=self.entries {
            let entry = self.entry(index, &noise);
            writer.entry(&entry)?;
            if index % BATCH_ENTRIES == 0 || index == self.entries {
                writer.state(entry.term, entry.index)?;
            }
        }
        Ok(writer.finish()?)
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

    fn entry(&self, index: u64, noise: &SharedBytes) -> Entry {
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

impl FromStr for LogShape {
    type Err = String;

    /// Reads `ENTRIESxSIZE`: `1000000x128`, `4096x64KiB`.
    fn from_str(text: &str) -> Result<LogShape, String> {
        let wrong = || {
            format!("{text:?} is not ENTRIESxSIZE in bytes or KiB, as in 1000000x128 or 4096x64KiB")
        };
        let (entries, size) = text.split_once('x').ok_or_else(wrong)?;
        let (digits, unit) = match size.strip_suffix("KiB") {
            Some(digits) => (digits, 1 << 10),
            None => (size, 1),
        };
        let entries: u64 = entries.parse().map_err(|_| wrong())?;
        let payload_bytes = digits.parse::<usize>().map_err(|_| wrong())?.saturating_mul(unit);
        if entries == 0 || payload_bytes > PAYLOAD_BYTES_MAX {
            return Err(format!("{text:?}: at least one entry, of at most 1024KiB"));
        }
        Ok(LogShape { entries, payload_bytes })
    }
}

fn create(
    fs: &Arc<dyn Fs>,
    format: Format,
    path: &Path,
    options: &SinkOptions,
) -> Result<Box<dyn LogSink>, Error> {
    let target = Target::check(Arc::clone(fs), path, false)?;
    Ok(create_sink(format, target, options)?)
}

/// The same as letters, for encodings that take text.
fn letters() -> SharedBytes {
    let letter = |byte: &u8| b'a' + byte % 26;
    SharedBytes::from(noise().iter().map(letter).collect::<Vec<u8>>())
}

/// Half random, half repeating bytes, the same in every run: neither incompressible nor empty.
pub(super) fn noise() -> SharedBytes {
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

#[cfg(test)]
mod tests {
    use super::LogShape;

    #[test]
    fn a_shape_is_a_number_of_entries_and_their_size() {
        let shape = "4096x64KiB".parse::<LogShape>();
        assert_eq!(shape, Ok(LogShape { entries: 4_096, payload_bytes: 65_536 }));
        assert_eq!("3x0".parse::<LogShape>(), Ok(LogShape { entries: 3, payload_bytes: 0 }));
        for wrong in ["", "12", "0x1", "1x2MiB", "1x9999KiB", "-1x1", "1x1x1"] {
            assert!(wrong.parse::<LogShape>().is_err(), "{wrong}");
        }
    }
}
