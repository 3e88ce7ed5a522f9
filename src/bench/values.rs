use crate::bench::cell::ValueBytes;
use crate::bench::logs::noise;
use crate::model::{Entry, EntryExtra, EntryKind, LogIndex, SharedBytes, Term};

/// Entries that are appended again and again, under new indexes.
pub(super) struct Values {
    entries: Vec<Entry>,
    next: u64,
}

impl Values {
    /// `batch` entries at a time, from index 1 on.
    pub(super) fn new(value: ValueBytes, batch: u32) -> Values {
        let (noise, value_bytes) = (noise(), value.0);
        let room = noise.len().saturating_sub(value_bytes).max(1);
        let payload = |number: usize| {
            let start = number.wrapping_mul(7_919) % room;
            noise.slice(start..start.saturating_add(value_bytes)).unwrap_or_default()
        };
        let batch = usize::try_from(batch).unwrap_or(1);
        Values { entries: (0..batch).map(|number| entry(payload(number))).collect(), next: 1 }
    }

    /// The next batch.
    pub(super) fn take(&mut self) -> &[Entry] {
        for entry in &mut self.entries {
            entry.index = LogIndex(self.next);
            self.next += 1;
        }
        &self.entries
    }

    /// The next index.
    pub(super) fn next(&self) -> LogIndex {
        LogIndex(self.next)
    }

    /// Goes on at another index.
    pub(super) fn go_to(&mut self, next: LogIndex) {
        self.next = next.0;
    }

    /// Entries of a batch.
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Bytes of a batch's values.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.payload_bytes().len() as u64).sum()
    }
}

fn entry(payload: SharedBytes) -> Entry {
    Entry {
        index: LogIndex(0),
        term: Term(1),
        kind: EntryKind::Command,
        kind_code: Some(0),
        payload: Some(payload),
        extra: EntryExtra::default(),
    }
}
