//! What stands behind the last whole record: a torn write, zeros, or damage with records behind it.
//!
//! The format has no checksum, so the file proves little. A write that was cut off leaves the
//! beginning of a record, or zeros where the system had not written yet. Anything else is damage:
//! a byte that begins no record, a length that nobody writes, or whole records behind the break.

use crate::bytes::u64_at;
use crate::model::{Code, Fault, FaultKind, GroupId};
use crate::store::StoreError;
use crate::store::raft_fastlog::format::{
    ENTRIES, ENTRIES_HEAD_BYTES, ENTRY_HEAD_BYTES, Head, SET,
};
use crate::store::raft_fastlog::records::Broken;
use crate::store::raft_fastlog::replay::{Replay, Stop};
use crate::store::window::{Source, Window};

/// Bytes that are searched at once for the beginning of a record.
const SEARCH_BYTES: usize = 64 << 10;
/// Bytes behind a beginning that must be at hand to judge it.
const LOOK_BYTES: usize = 64;
/// Numbers of kinds that hashicorp/raft writes are below this.
const KIND_CODES: u8 = 6;
/// Terms are far below this.
const TERM_END: u64 = 1 << 32;
/// Keys that every Raft node sets.
const KEYS: [&[u8]; 3] = [b"CurrentTerm", b"LastVoteTerm", b"LastVoteCand"];

/// What the loader of the format does with any of this.
const REFUSED: &str = "the format's own loader refuses such a file and the server does not start";

/// What is wrong behind the last whole record: R114 or R115, over everything up to the end.
///
/// # Errors
/// Only when the file cannot be read.
pub fn judge(source: &Source, replay: &Replay) -> Result<Option<Fault>, StoreError> {
    let Some(stop) = &replay.stop else { return Ok(None) };
    let (code, kind) = match stop.broken {
        Broken::TooMuch { what, value, limit } => {
            (Code::R115, FaultKind::Bounds { what, value, limit })
        }
        Broken::Zeros { at } => {
            let found = zeros(stop, source.size_bytes.saturating_sub(at));
            (Code::R114, FaultKind::Note { found })
        }
        Broken::NoRecord { byte } => {
            let behind = record_behind(source, replay, stop)?;
            let behind =
                behind.map_or(String::new(), |at| format!(", the next one begins at {at}"));
            let kind = FaultKind::Broken {
                message: format!(
                    "no record begins here{behind}; nothing behind is read; {REFUSED}"
                ),
                expected: "a byte of 28, 29, 5b or 5d".to_owned(),
                found: Some(format!("{byte:02x}")),
            };
            (Code::R115, kind)
        }
        Broken::Short { needed_bytes } => match record_behind(source, replay, stop)? {
            None => (Code::R114, FaultKind::Note { found: torn(stop, needed_bytes) }),
            Some(at) => {
                let message = format!(
                    "this record would reach beyond the file, but another begins at {at}: a \
                     length or a count was changed; nothing behind is read; {REFUSED}"
                );
                let expected = format!("at most {} bytes", at.saturating_sub(stop.record_at));
                (Code::R115, FaultKind::Broken { message, expected, found: None })
            }
        },
    };
    let len_bytes = source.size_bytes.saturating_sub(stop.record_at);
    let place = source.place(stop.record_at, len_bytes);
    Ok(Some(Fault::new(code, kind).at(place).in_group(&GroupId::Unnamed)))
}

fn zeros(stop: &Stop, zero_bytes: u64) -> String {
    let of_record = match stop.entries {
        Some((whole, count)) => {
            format!(" in a record of which {whole} of {count} entries are whole; it is left out")
        }
        None => String::new(),
    };
    format!(
        "the file ends in {zero_bytes} zero bytes{of_record}: {REFUSED}; whether the record before \
         them was written whole cannot be known"
    )
}

fn torn(stop: &Stop, needed_bytes: u64) -> String {
    let of_record = match stop.entries {
        Some((whole, count)) => {
            format!("the last record is torn: {whole} of its {count} entries are whole")
        }
        None => format!("the last record is torn: it would need {needed_bytes} bytes"),
    };
    format!("{of_record}; it is left out; {REFUSED}")
}

/// Where behind the break a record begins that is whole and goes on with this very log.
fn record_behind(source: &Source, replay: &Replay, stop: &Stop) -> Result<Option<u64>, StoreError> {
    // Indexes that may come: not before the log, and not more than there can be entries.
    let (first, last) = replay.meant.bounds().unwrap_or((1, 0));
    let most =
        last.saturating_add(source.size_bytes.div_euclid(ENTRY_HEAD_BYTES)).saturating_add(1);
    let mut window = Window::new(source);
    let mut at = stop.record_at.saturating_add(1);
    while at < source.size_bytes {
        let left = source.size_bytes.saturating_sub(at);
        let bytes = window.at(at, SEARCH_BYTES + LOOK_BYTES)?;
        let is_begun = |byte: &u8| [SET, ENTRIES].contains(byte);
        let mut searched = 0;
        while let Some(skip) = bytes
            .get(searched..SEARCH_BYTES.min(bytes.len()))
            .and_then(|b| b.iter().position(is_begun))
        {
            let begin = searched + skip;
            let (head, left) = (bytes.get(begin..).unwrap_or_default(), left - begin as u64);
            if begins_record(head, left, first.saturating_sub(1)..=most) {
                return Ok(Some(at.saturating_add(begin as u64)));
            }
            searched = begin + 1;
        }
        at = at.saturating_add(SEARCH_BYTES as u64);
    }
    Ok(None)
}

/// Whether these bytes begin a record as a server writes them, of `left` bytes in the file.
fn begins_record(bytes: &[u8], left: u64, indexes: std::ops::RangeInclusive<u64>) -> bool {
    match bytes.split_first() {
        Some((&ENTRIES, rest)) => {
            let Some(count) = u64_at(rest, 0).filter(|count| *count > 0) else { return false };
            let Some(head) = rest.get(8..).and_then(|rest| Head::read(rest, 0)) else {
                return false;
            };
            let whole = head.len_bytes().checked_add(ENTRIES_HEAD_BYTES);
            let fits = whole.is_some_and(|whole| whole <= left);
            let counted = count.saturating_mul(ENTRY_HEAD_BYTES) <= left;
            let usual = head.code < KIND_CODES && (1..TERM_END).contains(&head.term);
            fits && counted && usual && indexes.contains(&head.index)
        }
        Some((&SET, rest)) => KEYS.iter().any(|key| {
            let len = (key.len() as u64).to_le_bytes();
            let value = rest.strip_prefix(&len).and_then(|rest| rest.strip_prefix(*key));
            let value_bytes = value.and_then(|value| u64_at(value, 0));
            value_bytes.is_some_and(|len| len <= left)
        }),
        _ => false,
    }
}
