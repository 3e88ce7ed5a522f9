//! What the records of a file mean, one after the other: which entries count, which its own loader
//! brings back, and the stable keys.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::{Code, Fault, FaultKind, GroupId, SharedBytes};
use crate::store::StoreError;
use crate::store::raft_fastlog::format::{DELETE_RANGE_BYTES, ENTRIES_HEAD_BYTES, NUMBER_BYTES};
use crate::store::raft_fastlog::index::{Growing, Piece, Pieces};
use crate::store::raft_fastlog::records::{Broken, Item, Records, Step};
use crate::store::window::{Source, Window};

/// Stable keys that are kept.
const KEYS_MAX: usize = 1 << 16;
/// Bytes of all stable keys and values that are kept.
const KEPT_BYTES_MAX: u64 = 64 << 20;

/// A stable value and where it lies.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where its record begins.
    pub record_at: u64,
    /// Where the value begins.
    pub value_at: u64,
    /// The value.
    pub value: SharedBytes,
}

/// How much of what was followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records.
    pub records: u64,
    /// Entries in them.
    pub entries: u64,
    /// Records that set or delete a key.
    pub keys: u64,
    /// Records that delete a range.
    pub deletions: u64,
    /// Bytes of markers, counts and lengths: all that can be checked.
    pub framing_bytes: u64,
}

/// Where the records cannot be followed any further, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Where the record begins that is not whole.
    pub record_at: u64,
    /// Why.
    pub broken: Broken,
    /// Of a record of entries: how many are whole, and how many it announces.
    pub entries: Option<(u64, u64)>,
}

/// What the whole records of a file mean.
#[derive(Debug, Default)]
pub struct Replay {
    /// The log as the process meant it that wrote the file.
    pub meant: Pieces,
    /// What the library's loader has beside it.
    pub ghosts: Pieces,
    /// The stable keys.
    pub stable: BTreeMap<Vec<u8>, Kept>,
    /// Of the whole records.
    pub counts: Counts,
    /// Where the whole records end.
    pub end: u64,
    /// What stands behind them, unless the file ends there.
    pub stop: Option<Stop>,
    /// What is wrong with the state.
    pub faults: Vec<Fault>,
    kept_bytes: u64,
    growing: Growing,
}

/// Follows all records of a file.
///
/// # Errors
/// Only when the file cannot be read.
pub fn replay(source: &Source) -> Result<Replay, StoreError> {
    let mut found = Replay::default();
    let stop = found.follow(source, source.size_bytes)?;
    let taken_back = stop.and_then(|stop| stop.entries).is_some_and(|(whole, _)| whole > 0);
    if let Some(stop) = stop.filter(|_| taken_back) {
        // Entries of a record that is not whole do not count.
        found = Replay::default();
        found.follow(source, stop.record_at)?;
    }
    found.end = stop.map_or(source.size_bytes, |stop| stop.record_at);
    found.stop = stop;
    Ok(found)
}

impl Replay {
    fn follow(&mut self, source: &Source, end: u64) -> Result<Option<Stop>, StoreError> {
        let mut records = Records::new(Window::new(source), end);
        let mut announced = None;
        let stop = loop {
            match records.step()? {
                Step::Item(Item::Entry(head)) => {
                    self.counts.entries += 1;
                    self.counts.framing_bytes += NUMBER_BYTES;
                    let piece = self.growing.entry(&head, records.left() + 1);
                    self.put(piece);
                }
                Step::Item(item) => {
                    self.counts.records += 1;
                    announced = None;
                    if let Item::Entries { count } = item {
                        announced = Some(count);
                    }
                    self.record(source, &mut records, item)?;
                }
                Step::End => break None,
                Step::Broken(broken) => {
                    let in_entries = announced.filter(|_| records.record_at() < records.at());
                    let entries = in_entries.map(|count| (count - records.left(), count));
                    break Some(Stop { record_at: records.record_at(), broken, entries });
                }
            }
        };
        let piece = self.growing.end();
        self.put(piece);
        Ok(stop)
    }

    fn put(&mut self, piece: Option<(u64, Piece)>) {
        if let Some((first, piece)) = piece {
            self.ghosts.remove(first..=piece.last(first), |_, _| {});
            self.meant.put(first, piece);
        }
    }

    fn record(
        &mut self,
        source: &Source,
        records: &mut Records<'_>,
        item: Item,
    ) -> Result<(), StoreError> {
        match item {
            Item::Entry(_) => {}
            Item::Entries { .. } => self.counts.framing_bytes += ENTRIES_HEAD_BYTES,
            Item::DeleteRange { min, max } => {
                self.counts.deletions += 1;
                self.counts.framing_bytes += DELETE_RANGE_BYTES;
                let piece = self.growing.end();
                self.put(piece);
                self.delete(min, max);
            }
            Item::DeleteKey { key } => {
                self.counts.keys += 1;
                self.counts.framing_bytes += 1 + NUMBER_BYTES;
                let len = usize::try_from(key.end - key.start).unwrap_or(usize::MAX);
                if len as u64 <= KEPT_BYTES_MAX {
                    let bytes = records.window.at(key.start, len)?;
                    let bytes = bytes.get(..len).unwrap_or_default();
                    if let Some(old) = self.stable.remove(bytes) {
                        self.kept_bytes -= (len + old.value.len()) as u64;
                    }
                }
            }
            Item::Set { key, value } => {
                self.counts.keys += 1;
                self.counts.framing_bytes += 1 + 2 * NUMBER_BYTES;
                self.set(source, records, &key, &value)?;
            }
        }
        Ok(())
    }

    /// The live process deletes `max` too, the loader does not.
    fn delete(&mut self, min: u64, max: u64) {
        if min > max {
            return;
        }
        if let Some(before) = max.checked_sub(1).filter(|before| *before >= min) {
            self.ghosts.remove(min..=before, |_, _| {});
        }
        let ghosts = &mut self.ghosts;
        self.meant.remove(min..=max, |first, piece| {
            let last = piece.last(first);
            if last == max {
                let skip = piece.skip.saturating_add(piece.count.saturating_sub(1));
                ghosts.put(max, Piece { skip, count: 1, ..piece });
            }
        });
    }

    fn set(
        &mut self,
        source: &Source,
        records: &mut Records<'_>,
        key: &Range<u64>,
        value: &Range<u64>,
    ) -> Result<(), StoreError> {
        let len = |range: &Range<u64>| range.end.saturating_sub(range.start);
        let bytes = len(key).saturating_add(len(value));
        if bytes > KEPT_BYTES_MAX {
            self.too_much(source, records.record_at(), value.end);
            return Ok(());
        }
        let bytes_of = |range: &Range<u64>| usize::try_from(len(range)).unwrap_or(usize::MAX);
        let (key_bytes, value_bytes) = (bytes_of(key), bytes_of(value));
        let found = records.window.at(key.start, key_bytes)?;
        let name = found.get(..key_bytes).unwrap_or_default().to_vec();
        let record_at = records.record_at();
        let found = records.window.at(value.start, value_bytes)?;
        let kept = Kept {
            record_at,
            value_at: value.start,
            value: SharedBytes::from(found.get(..value_bytes).unwrap_or_default()),
        };
        if let Some(old) = self.stable.remove(&name) {
            self.kept_bytes -= (name.len() + old.value.len()) as u64;
        }
        if self.stable.len() >= KEYS_MAX || self.kept_bytes.saturating_add(bytes) > KEPT_BYTES_MAX {
            self.too_much(source, record_at, value.end);
            return Ok(());
        }
        self.kept_bytes += bytes;
        self.stable.insert(name, kept);
        Ok(())
    }

    /// Says once that not every stable key is kept.
    fn too_much(&mut self, source: &Source, record_at: u64, end: u64) {
        if !self.faults.is_empty() {
            return;
        }
        let kind = FaultKind::Field {
            what: "stable keys",
            expected: format!("at most {KEYS_MAX} keys of {KEPT_BYTES_MAX} bytes together"),
            found: "more; not all of them are kept".to_owned(),
        };
        let place = source.place(record_at, end.saturating_sub(record_at));
        self.faults.push(Fault::new(Code::R125, kind).at(place).in_group(&GroupId::Unnamed));
    }
}
