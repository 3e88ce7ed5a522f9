//! Every record of a file in file order, whole or not.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};

use crate::model::{GroupId, IndexRange, LogIndex};
use crate::store::raft_fastlog::index::{Growing, Piece, Pieces};
use crate::store::raft_fastlog::records::{Item, Records, Step};
use crate::store::raft_fastlog::replay::Replay;
use crate::store::window::{Source, Window};
use crate::store::{Record, RecordChecksum, RecordStatus, StoreError};

/// Bytes of a key that are shown.
const KEY_BYTES_SHOWN: usize = 64;

/// Calls `visit` for each record until it breaks. `live` are the entries that count in the reading
/// asked for; `torn` says what the part is that does not count.
///
/// # Errors
/// Only when the file cannot be read.
pub fn scan(
    source: &Source,
    replay: &Replay,
    live: &Pieces,
    torn: RecordStatus,
    visit: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut scan = Scan {
        source,
        records: Records::new(Window::new(source), replay.end),
        growing: Growing::default(),
        keys: replay.stable.values().map(|kept| kept.record_at).collect(),
        live: Finder { pieces: live, found: None },
        ghosts: Finder { pieces: &replay.ghosts, found: None },
    };
    while let Some(record) = scan.record()? {
        if visit(record).is_break() {
            return Ok(());
        }
    }
    if replay.end < source.size_bytes {
        let kind = match torn {
            RecordStatus::Torn => "torn tail",
            _ => "no record",
        };
        let mut record = plain(source, replay.end..source.size_bytes, kind.to_owned());
        record.status = torn;
        // The last one: whether anybody wants more does not matter.
        let _ended = visit(record);
    }
    Ok(())
}

/// Finds the pieces of indexes that mostly follow one another.
struct Finder<'p> {
    pieces: &'p Pieces,
    found: Option<(u64, Piece)>,
}

impl Finder<'_> {
    fn base_of(&mut self, index: u64) -> Option<u64> {
        let has = |(first, piece): &(u64, Piece)| *first <= index && index <= piece.last(*first);
        if !self.found.as_ref().is_some_and(has) {
            self.found = self.pieces.get(index);
        }
        self.found.map(|(_, piece)| piece.base)
    }
}

struct Scan<'s> {
    source: &'s Source,
    records: Records<'s>,
    growing: Growing,
    /// Where the records begin whose keys count.
    keys: BTreeSet<u64>,
    live: Finder<'s>,
    ghosts: Finder<'s>,
}

impl Scan<'_> {
    /// The next whole record.
    fn record(&mut self) -> Result<Option<Record>, StoreError> {
        let Step::Item(item) = self.records.step()? else { return Ok(None) };
        let begin = self.records.record_at();
        let whole = |scan: &Self, kind| plain(scan.source, begin..scan.records.at(), kind);
        Ok(match item {
            Item::Entry(_) => None,
            Item::Entries { count } => Some(self.entries(begin, count)?),
            Item::DeleteRange { min, max } => {
                let _ended = self.growing.end();
                let mut record = whole(self, "delete range".to_owned());
                record.range = IndexRange::new(LogIndex(min), LogIndex(max));
                Some(record)
            }
            Item::DeleteKey { key } => {
                let name = self.name(&key)?;
                Some(whole(self, format!("delete key {name}")))
            }
            Item::Set { key, .. } => {
                let name = self.name(&key)?;
                let mut record = whole(self, format!("set {name}"));
                if !self.keys.contains(&begin) {
                    record.status = RecordStatus::Superseded;
                }
                Some(record)
            }
        })
    }

    fn name(&mut self, key: &Range<u64>) -> Result<String, StoreError> {
        let len = usize::try_from(key.end.saturating_sub(key.start)).unwrap_or(usize::MAX);
        let shown = len.min(KEY_BYTES_SHOWN);
        let bytes = self.records.window.at(key.start, shown)?;
        let name = bytes.get(..shown).unwrap_or_default().escape_ascii().to_string();
        Ok(if shown < len { format!("{name}…") } else { name })
    }

    /// A record of entries, which are all there.
    fn entries(&mut self, begin: u64, count: u64) -> Result<Record, StoreError> {
        let mut bounds: Option<(u64, u64)> = None;
        let (mut is_live, mut is_replaced, mut is_ghost) = (count == 0, false, false);
        for _ in 0..count {
            let Step::Item(Item::Entry(head)) = self.records.step()? else { break };
            let _ended = self.growing.entry(&head, self.records.left() + 1);
            let (base, index) = (self.growing.base(), head.index);
            let live = self.live.base_of(index);
            is_live |= live == base;
            is_replaced |= live.is_some() && live != base;
            is_ghost |= self.ghosts.base_of(index) == base;
            bounds = Some(
                bounds.map_or((index, index), |(low, high)| (low.min(index), high.max(index))),
            );
        }
        let kind = if is_ghost { "entries, with a ghost" } else { "entries" };
        let mut record = plain(self.source, begin..self.records.at(), kind.to_owned());
        record.range =
            bounds.and_then(|(low, high)| IndexRange::new(LogIndex(low), LogIndex(high)));
        record.entries = count;
        record.status = match (is_live, is_replaced) {
            (true, _) => RecordStatus::Live,
            (false, true) => RecordStatus::Superseded,
            (false, false) => RecordStatus::Dead,
        };
        Ok(record)
    }
}

/// A record that counts, without anything to say of its inside.
fn plain(source: &Source, bytes: Range<u64>, kind: String) -> Record {
    Record {
        place: source.place(bytes.start, bytes.end.saturating_sub(bytes.start)),
        kind,
        group: Some(GroupId::Unnamed),
        range: None,
        entries: 0,
        checksum: RecordChecksum::None,
        status: RecordStatus::Live,
    }
}
