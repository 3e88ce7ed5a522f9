use crate::model::LogState;
use crate::store::{Format, RedbFormat, SinkOptions};

/// Bytes of a page of a redb file, and of a BoltDB file when nothing else is said.
const PAGE_BYTES: u64 = 4 << 10;
/// Key, end offset, field names, index, term, type and time of an entry in a redb file, at most.
const ROW_BYTES: u64 = 128;
/// Size up to which a redb file doubles; beyond it grows by as much.
const REGION_BYTES: u64 = 4 << 30;
/// Header, index, term, kind, times and checksum of an entry in a FastLog segment, at most.
const RECORD_BYTES: u64 = 96;

/// How much room a target takes, never less than it really does: what its format adds to the
/// contents, and what its file grows by at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    format: Format,
    redb_format: RedbFormat,
    page_bytes: u64,
    /// Each group has a file of its own.
    files: bool,
}

impl Room {
    /// Of a target of `format` that is made as `options` say.
    pub(crate) fn of(format: Format, options: &SinkOptions) -> Room {
        let page_bytes = match format {
            Format::BoltDb => options.page_bytes.unwrap_or(PAGE_BYTES).max(PAGE_BYTES),
            _ => PAGE_BYTES,
        };
        let files = format == Format::Redb && options.redb_files.is_some();
        // Where each file has a format of its own, all are taken for those that need more.
        let redb_format = match (options.redb_format, files) {
            (None, true) => RedbFormat::V2,
            (told, _) => told.unwrap_or_default(),
        };
        Room { format, redb_format, page_bytes, files }
    }

    /// Bytes that an entry with so many bytes of payload and extensions takes.
    pub fn entry_bytes(&self, contents_bytes: u64) -> u64 {
        match self.format {
            Format::Redb | Format::BoltDb => {
                self.row_bytes(contents_bytes.saturating_add(ROW_BYTES))
            }
            _ => contents_bytes.saturating_add(RECORD_BYTES),
        }
    }

    /// Bytes that a group takes beside its entries.
    pub fn group_bytes(&self, state: &LogState) -> u64 {
        let keys = state.stable.iter().map(|(key, value)| key.len() + value.bytes.len());
        let notes = state.snapshot.as_ref().map_or(0, |snapshot| snapshot.note.len());
        let state_bytes = (keys.sum::<usize>() + notes + state.note.len()) as u64;
        match self.format {
            // Two tables with a page each, and their rows in the table of tables.
            Format::Redb | Format::BoltDb => {
                let own = if self.files { self.empty_bytes() } else { 0 };
                state_bytes.saturating_mul(4).saturating_add(4 * self.page_bytes + own)
            }
            // A frame of records.
            _ => state_bytes.saturating_mul(2).saturating_add(4 * RECORD_BYTES),
        }
    }

    /// Bytes of the target's files, when groups and entries take `content_bytes`.
    pub fn file_bytes(&self, content_bytes: u64) -> u64 {
        let content_bytes = content_bytes.saturating_add(content_bytes / 10);
        match self.format {
            // A file doubles when it is full.
            Format::Redb => {
                let full = content_bytes.saturating_add(self.empty_bytes());
                full.saturating_add(full.min(2 * REGION_BYTES))
            }
            _ => content_bytes.saturating_add(64 << 10).saturating_add(8 * self.page_bytes),
        }
    }

    /// What an empty redb file counts before it doubles: it begins with a MiB, in format 2 with
    /// 3.5.
    fn empty_bytes(&self) -> u64 {
        match self.redb_format {
            RedbFormat::V2 => 2 << 20,
            RedbFormat::V3 => 1 << 20,
        }
    }

    /// Bytes of the target's files, whatever the sizes of `entries` entries with `contents_bytes`
    /// in all are.
    pub fn at_most_bytes(&self, entries: u64, contents_bytes: u64) -> u64 {
        let rows = entries.saturating_mul(ROW_BYTES).saturating_add(contents_bytes);
        match self.format {
            // A row that just does not fit into half a page wastes as much as it takes, and in
            // format 2 leaves are split in the middle.
            Format::Redb => self.file_bytes(rows.saturating_mul(4)),
            Format::BoltDb => self.file_bytes(rows.saturating_mul(3)),
            _ => self.file_bytes(rows),
        }
    }

    /// A row with its share of the page that it lies on. Rows of more than half a page have pages
    /// of their own, in redb as many as a power of two.
    fn row_bytes(&self, row_bytes: u64) -> u64 {
        let a_page = match self.page_bytes.saturating_sub(64).checked_div(row_bytes) {
            Some(rows) if rows >= 2 => rows,
            _ => {
                return match self.format {
                    Format::Redb => {
                        let pages = row_bytes.max(PAGE_BYTES).checked_next_power_of_two();
                        pages.unwrap_or(u64::MAX)
                    }
                    _ => row_bytes.checked_next_multiple_of(self.page_bytes).unwrap_or(u64::MAX),
                };
            }
        };
        let share = self.page_bytes.div_ceil(a_page);
        match self.redb_format {
            _ if self.format != Format::Redb => share,
            // Keys are inserted one by one, which leaves split pages half empty.
            RedbFormat::V2 => share.saturating_mul(2),
            RedbFormat::V3 => share,
        }
    }
}
