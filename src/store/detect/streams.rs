//! Recognising logs that are streams of records: raft-fastlog, segments of raft-wal and of etcd.
//! Only a look at the first records: reading them is another room.

use std::path::Path;

use crate::bytes::u64_at;
use crate::store::{StoreError, io_error};
use crate::vfs::VfsFile;

/// Records that are followed before a file is believed.
const RECORDS_MAX: u64 = 256;
/// Items of one record that are followed.
const ITEMS_MAX: u64 = 64;
const RAFT_WAL_BEGINNING: [u8; 8] = [0x0d, 0x6b, 0xeb, 0x58, 0, 0, 0, 0];

/// Lengths of keys that a Raft node sets stay below this.
const KEY_BYTES_MAX: u64 = 1 << 10;
/// Numbers of kinds that hashicorp/raft writes are below this.
const KIND_CODES: u8 = 6;

/// Indexes, terms and counts that a server writes stay below this.
const NUMBERS_END: u64 = 1 << 40;

/// Why a file is one of tidwall/raft-fastlog, one line; `None` when it is no such file.
///
/// Its beginning must hold what a server writes and chance does not: an entry, a key with its
/// value, or a record of no entries. What comes then may be torn or damaged.
///
/// Records: `(` key length u64, key, value length u64, value; `)` key length, key; `[` count u64,
/// then for each entry index, term u64, type u8, length u64, data; `]` two u64. Little-endian.
///
/// # Errors
/// Only when the file cannot be read.
pub(super) fn raft_fastlog(
    file: &dyn VfsFile,
    path: &Path,
    size: u64,
) -> Result<Option<String>, StoreError> {
    let mut stream = Stream { file, path, size, at: 0, proof: false };
    let mut records = 0;
    let mut step = Step::Whole;
    while stream.at < size && records < RECORDS_MAX {
        step = stream.record()?;
        if step != Step::Whole {
            break;
        }
        records += 1;
    }
    let whole = match records {
        0 => "a record",
        1 => "1 whole record",
        _ => "whole records",
    };
    Ok(match step {
        _ if !stream.proof => None,
        Step::Whole if stream.at >= size => {
            Some(format!("{whole} of raft-fastlog from the first byte to the last"))
        }
        Step::Whole | Step::Followed => {
            Some(format!("begins with {} whole records of raft-fastlog", records.max(1)))
        }
        Step::Torn => Some(format!("begins with {whole} of raft-fastlog, and ends inside one")),
        Step::Odd => Some(format!("begins with {whole} of raft-fastlog, then something else")),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
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
    /// Whether something was met that a server writes and that is not met by chance.
    proof: bool,
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

    /// Steps over a length and so many bytes, and returns the length; `None` when the file ends
    /// before.
    fn sized(&mut self) -> Result<Option<u64>, StoreError> {
        let Some(len) = self.take::<8>()? else { return Ok(None) };
        let len = u64::from_le_bytes(len);
        let end = self.at.checked_add(len).filter(|end| *end <= self.size);
        self.at = end.unwrap_or(self.at);
        Ok(end.map(|_| len))
    }

    fn record(&mut self) -> Result<Step, StoreError> {
        let whole = match self.take::<1>()? {
            Some([b'(']) => match self.sized()? {
                Some(key_bytes) => {
                    let whole = self.sized()?.is_some();
                    self.proof |= whole && (1..=KEY_BYTES_MAX).contains(&key_bytes);
                    whole
                }
                None => false,
            },
            Some([b')']) => self.sized()?.is_some(),
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
        self.proof |= count == 0;
        for item in 0..count {
            if item == ITEMS_MAX {
                return Ok(Step::Followed);
            }
            let Some(head) = self.take::<17>()? else { return Ok(Step::Torn) };
            let number = |at| u64_at(&head, at).unwrap_or_default();
            let usual = (1..NUMBERS_END).contains(&number(0)) && number(8) < NUMBERS_END;
            let [.., code] = head;
            self.proof |= count < NUMBERS_END && usual && code < KIND_CODES;
            let Some(_) = self.sized()? else { return Ok(Step::Torn) };
        }
        Ok(Step::Whole)
    }
}

/// Whether these are the first bytes of a segment of hashicorp/raft-wal.
pub(super) fn is_raft_wal_segment(head: &[u8]) -> bool {
    head.starts_with(&RAFT_WAL_BEGINNING)
}
