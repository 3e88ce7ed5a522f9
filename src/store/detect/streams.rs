//! Recognising logs that are streams of records: raft-fastlog, segments of raft-wal and of etcd.
//! Only a look at the first records: reading them is another room.

use std::path::Path;

use crate::store::{StoreError, io_error};
use crate::vfs::VfsFile;

/// Records that are followed before a file is believed.
const RECORDS_MAX: u64 = 256;
/// Items of one record that are followed.
const ITEMS_MAX: u64 = 64;
const RAFT_WAL_BEGINNING: [u8; 8] = [0x0d, 0x6b, 0xeb, 0x58, 0, 0, 0, 0];

/// How many whole records of tidwall/raft-fastlog the file begins with; `None` when it is no such
/// file.
///
/// Records: `(` key length u64, key, value length u64, value; `)` key length, key; `[` count u64,
/// then for each entry index, term u64, type u8, length u64, data; `]` two u64. Little-endian.
///
/// # Errors
/// Only when the file cannot be read.
pub(super) fn raft_fastlog_records(
    file: &dyn VfsFile,
    path: &Path,
    size: u64,
) -> Result<Option<u64>, StoreError> {
    let mut stream = Stream { file, path, size, at: 0 };
    let mut records = 0;
    while stream.at < size && records < RECORDS_MAX {
        match stream.record()? {
            Step::Whole => records += 1,
            // The last record may be torn; the first one must be whole.
            Step::Torn if records > 0 => break,
            Step::Followed => {
                records += 1;
                break;
            }
            Step::Torn | Step::Odd => return Ok(None),
        }
    }
    Ok((records > 0).then_some(records))
}

enum Step {
    /// The record is whole.
    Whole,
    /// The record is long; its first items are whole.
    Followed,
    /// The file ends inside it.
    Torn,
    /// This is no record.
    Odd,
}

struct Stream<'f> {
    file: &'f dyn VfsFile,
    path: &'f Path,
    size: u64,
    at: u64,
}

impl Stream<'_> {
    fn take<const N: usize>(&mut self) -> Result<Option<[u8; N]>, StoreError> {
        let mut bytes = [0; N];
        let read = self.file.read_at(self.at, &mut bytes).map_err(io_error("read", self.path))?;
        if read < N {
            return Ok(None);
        }
        self.at += N as u64;
        Ok(Some(bytes))
    }

    /// Steps over a length and so many bytes; `false` when the file ends before.
    fn sized(&mut self) -> Result<bool, StoreError> {
        let Some(len) = self.take::<8>()? else { return Ok(false) };
        let end = self.at.checked_add(u64::from_le_bytes(len)).filter(|end| *end <= self.size);
        self.at = end.unwrap_or(self.at);
        Ok(end.is_some())
    }

    fn record(&mut self) -> Result<Step, StoreError> {
        let whole = match self.take::<1>()? {
            Some([b'(']) => self.sized()? && self.sized()?,
            Some([b')']) => self.sized()?,
            Some([b']']) => self.take::<16>()?.is_some(),
            Some([b'[']) => return self.entries(),
            Some(_) => return Ok(Step::Odd),
            None => false,
        };
        Ok(if whole { Step::Whole } else { Step::Torn })
    }

    fn entries(&mut self) -> Result<Step, StoreError> {
        let Some(count) = self.take::<8>()? else { return Ok(Step::Torn) };
        let count = u64::from_le_bytes(count);
        for item in 0..count {
            if item == ITEMS_MAX {
                return Ok(Step::Followed);
            }
            if self.take::<17>()?.is_none() || !self.sized()? {
                return Ok(Step::Torn);
            }
        }
        Ok(Step::Whole)
    }
}

/// Whether these are the first bytes of a segment of hashicorp/raft-wal.
pub(super) fn is_raft_wal_segment(head: &[u8]) -> bool {
    head.starts_with(&RAFT_WAL_BEGINNING)
}

/// Whether these are the first bytes of a segment of etcd's WAL: a frame (length word u64, of which
/// the upper byte speaks of padding) with a checksum record (type 4) in protobuf.
pub(super) fn is_etcd_segment(head: &[u8]) -> bool {
    let Some((word, rest)) = head.split_first_chunk::<8>() else { return false };
    let word = u64::from_le_bytes(*word);
    let Ok(len) = usize::try_from(word & 0x00ff_ffff_ffff_ffff) else { return false };
    let padding = word >> 56;
    let plausible = padding == 0 || (0x81..=0x87).contains(&padding);
    // Type 4, then at most a checksum of 32 bits.
    let record = rest.get(..len).filter(|_| (2..=8).contains(&len));
    plausible && record.is_some_and(|record| matches!(record, [0x08, 4] | [0x08, 4, 0x10, ..]))
}
