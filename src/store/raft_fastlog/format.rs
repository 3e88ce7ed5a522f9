//! The bytes of a raft-fastlog file. Nothing but a sequence of records up to its end: no header, no
//! magic, no version, no checksum, no alignment. Every integer is a u64, little-endian.
//!
//! | first byte | record | behind it |
//! |---|---|---|
//! | `(` 0x28 | set a key | length of the key, key, length of the value, value |
//! | `)` 0x29 | delete a key | length of the key, key; read by the loader, never written |
//! | `[` 0x5b | entries | their number, then each |
//! | `]` 0x5d | delete a range | first index, last index |
//!
//! | entry: offset | size | field |
//! |---|---|---|
//! | 0 | u64 | index |
//! | 8 | u64 | term |
//! | 16 | u8 | type, the number of raft.Log |
//! | 17 | u64 | length of the data |
//! | 25 | | data |
//!
//! Who writes it: tidwall/raft-fastlog, `store.go`, version 0.1.0, the same since its beginning.
//! Entries replace those of their index, in any order. Its live server deletes a range with its
//! last index, its loader without: an entry that was deleted last comes back with the next start
//! (a ghost). Its loader takes no torn tail: a file that ends inside a record, or in zeros, does
//! not open. A rewrite (`<name>.shrink`, begun above 64 MiB, later when the file has doubled)
//! writes the keys, then every entry in a record of its own, in no order, then what was appended
//! meanwhile.
//!
//! Where we differ: a torn or zero tail is left out and named, ghosts are left out and named unless
//! the loader's reading is asked for, and lengths are compared with what remains before anything
//! is done with them.

use crate::bytes::u64_at;
use crate::model::{Entry, FaultKind};
use crate::store::codec::kind_code;

/// Sets a key.
pub const SET: u8 = b'(';
/// Deletes a key.
pub const DELETE_KEY: u8 = b')';
/// Stores entries.
pub const ENTRIES: u8 = b'[';
/// Deletes a range of entries.
pub const DELETE_RANGE: u8 = b']';

/// Bytes of a length, a count, an index.
pub const NUMBER_BYTES: u64 = 8;
/// Bytes of an entry before its data.
pub const ENTRY_HEAD_BYTES: u64 = 25;
/// Bytes of a record of entries before the first of them.
pub const ENTRIES_HEAD_BYTES: u64 = 9;
/// Bytes of a record that deletes a range.
pub const DELETE_RANGE_BYTES: u64 = 17;
/// Largest data of an entry that is read or written.
pub const DATA_BYTES_MAX: u64 = (1 << 31) - 2;

const INDEX_AT: usize = 0;
const TERM_AT: usize = 8;
const KIND_AT: usize = 16;
const DATA_LEN_AT: usize = 17;

/// What stands before the data of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Where the entry begins.
    pub offset_bytes: u64,
    /// Its index.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The number of its kind.
    pub code: u8,
    /// Length of its data.
    pub data_bytes: u64,
}

impl Head {
    /// Reads the head of the entry at `offset_bytes`; `None` when `bytes` end before.
    pub fn read(bytes: &[u8], offset_bytes: u64) -> Option<Head> {
        Some(Head {
            offset_bytes,
            index: u64_at(bytes, INDEX_AT)?,
            term: u64_at(bytes, TERM_AT)?,
            code: *bytes.get(KIND_AT)?,
            data_bytes: u64_at(bytes, DATA_LEN_AT)?,
        })
    }

    /// Bytes of the whole entry.
    pub fn len_bytes(&self) -> u64 {
        ENTRY_HEAD_BYTES.saturating_add(self.data_bytes)
    }

    /// Whether every field is zero, which no library writes.
    pub fn is_zero(&self) -> bool {
        self.index == 0 && self.term == 0 && self.code == 0 && self.data_bytes == 0
    }
}

/// Appends a record that sets `key`.
pub fn put_set(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.push(SET);
    for part in [key, value] {
        put_number(out, part.len() as u64);
        out.extend_from_slice(part);
    }
}

/// Appends what stands before so many entries.
pub fn put_entries_head(out: &mut Vec<u8>, count: u64) {
    out.push(ENTRIES);
    put_number(out, count);
}

/// Appends what stands before the data of `entry`.
///
/// # Errors
/// When its kind has no number.
pub fn put_entry_head(out: &mut Vec<u8>, entry: &Entry) -> Result<(), FaultKind> {
    let code = kind_code(entry)?;
    put_number(out, entry.index.0);
    put_number(out, entry.term.0);
    out.push(code);
    put_number(out, entry.payload_bytes().len() as u64);
    Ok(())
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}
