//! raft.Log as raft-wal's codec 1 writes it: varints, then contents with their lengths, then the
//! append time in Go's binary form without a length.
//!
//! | field | form |
//! |---|---|
//! | Index, Term, Type | varint each |
//! | Data, Extensions | varint length, so many bytes; nil and empty are the same |
//! | AppendedAt | 15 or 16 bytes, up to the end |

use std::ops::Range;

use crate::bytes::{Cursor, Overlong, put_varint};
use crate::model::{
    AppendInstant, AppendTime, Entry, EntryExtra, FaultKind, LogIndex, SharedBytes, Term, TimeForm,
};
use crate::store::codec::append_time::{self, TimeBytes};
use crate::store::codec::kind_of;
use crate::store::codec::raft_log_write::kind_code;
use crate::store::codec::time_form::time_in_form;

/// Bytes of a time without, and with, seconds in its zone.
const TIME_BYTES: [usize; 2] = [15, 16];
/// Most bytes that codec 1 adds to the contents of an entry: five varints and a time.
pub const WAL_OVERHEAD_BYTES: u64 = 10 + 10 + 2 + 5 + 5 + 16;

/// Index, term, type and length of the data, which begin an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalBegin {
    /// The index that the entry itself names.
    pub index: LogIndex,
    /// The term.
    pub term: Term,
    /// The number of its kind.
    pub code: u8,
    /// Length of the data.
    pub data_bytes: u64,
    /// Where in the entry the data begins.
    pub data_at: usize,
}

/// Reads how an entry begins; `bytes` need not hold more than that.
///
/// # Errors
/// What is wrong, when this begins no entry of codec 1.
pub fn wal_begin(bytes: &[u8]) -> Result<WalBegin, FaultKind> {
    let mut cursor = Cursor::new(bytes, 0);
    let index = cursor.varint("Index", Overlong::Accept)?;
    let term = cursor.varint("Term", Overlong::Accept)?;
    let code = cursor.varint("Type", Overlong::Accept)?;
    let data_bytes = cursor.varint("length of Data", Overlong::Accept)?;
    let too_large = FaultKind::Bounds { what: "Type", value: code, limit: u8::MAX.into() };
    Ok(WalBegin {
        index: LogIndex(index),
        term: Term(term),
        code: u8::try_from(code).map_err(|_| too_large)?,
        data_bytes,
        data_at: cursor.position(),
    })
}

/// Reads the length of the extensions, which follows the data, and how many bytes it takes.
///
/// # Errors
/// What is wrong with it.
pub fn wal_extensions(bytes: &[u8]) -> Result<(u64, usize), FaultKind> {
    let mut cursor = Cursor::new(bytes, 0);
    let len = cursor.varint("length of Extensions", Overlong::Accept)?;
    Ok((len, cursor.position()))
}

/// Reads the append time that ends an entry.
///
/// # Errors
/// What is wrong with it.
pub fn wal_time(bytes: &[u8]) -> Result<AppendInstant, FaultKind> {
    if !TIME_BYTES.contains(&bytes.len()) {
        let expected = "15 or 16 bytes up to the end of the entry".to_owned();
        let found = format!("{} bytes", bytes.len());
        return Err(FaultKind::Field { what: "AppendedAt", expected, found });
    }
    append_time::decode(bytes)
}

/// An entry without its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalHead {
    /// How it begins.
    pub begin: WalBegin,
    /// Length of the extensions.
    pub extensions_bytes: u64,
}

/// Reads a whole entry without its contents.
///
/// # Errors
/// As [`decode_wal`].
pub fn wal_head(bytes: &[u8]) -> Result<WalHead, FaultKind> {
    let begin = wal_begin(bytes)?;
    let mut cursor = Cursor::new(bytes, 0);
    cursor.skip("head", begin.data_at)?;
    cursor.take_counted("Data", begin.data_bytes, usize::MAX)?;
    let (extensions_bytes, len_bytes) = wal_extensions(cursor.rest())?;
    cursor.skip("length of Extensions", len_bytes)?;
    cursor.take_counted("Extensions", extensions_bytes, usize::MAX)?;
    wal_time(cursor.rest())?;
    Ok(WalHead { begin, extensions_bytes })
}

/// Decodes the entry that is the bytes `value` of a read buffer; payload and extensions share that.
/// Returns it under the index that it names.
///
/// # Errors
/// What is wrong where, when this is no entry of codec 1.
pub fn decode_wal(buffer: &SharedBytes, value: Range<usize>) -> Result<Entry, FaultKind> {
    let bytes = buffer.get(value.clone()).unwrap_or_default();
    let begin = wal_begin(bytes)?;
    let mut cursor = Cursor::new(bytes, 0);
    cursor.skip("head", begin.data_at)?;
    let mut part = |what, len: u64| -> Result<Option<Range<usize>>, FaultKind> {
        let start = cursor.position();
        let taken = cursor.take_counted(what, len, usize::MAX)?.len();
        let start = value.start.saturating_add(start);
        Ok((taken > 0).then_some(start..start.saturating_add(taken)))
    };
    let data = part("Data", begin.data_bytes)?;
    let (len, len_bytes) = wal_extensions(cursor.rest())?;
    cursor.skip("length of Extensions", len_bytes)?;
    let start = value.start.saturating_add(cursor.position());
    let taken = cursor.take_counted("Extensions", len, usize::MAX)?.len();
    let extensions = (taken > 0).then_some(start..start.saturating_add(taken));
    let time = wal_time(cursor.rest())?;
    let slice = |range: Option<Range<usize>>| range.and_then(|range| buffer.slice(range));
    Ok(Entry {
        index: begin.index,
        term: begin.term,
        kind: kind_of(begin.code),
        kind_code: Some(begin.code.into()),
        payload: slice(data),
        extra: EntryExtra {
            extensions: slice(extensions),
            appended_at: AppendTime::At(time),
            note: SharedBytes::default(),
        },
    })
}

/// Appends `entry` as codec 1 writes it. Without an append time it gets Go's zero time, which
/// means the same.
///
/// # Errors
/// When it has no form in this codec: its kind has no number, or the zone of its time no form.
/// `out` is then as long as before.
pub fn encode_wal(entry: &Entry, out: &mut Vec<u8>) -> Result<(), FaultKind> {
    let code = kind_code(entry)?;
    let time = time_bytes(entry.extra.appended_at)?;
    put_varint(out, entry.index.0);
    put_varint(out, entry.term.0);
    put_varint(out, code.into());
    for contents in [entry.payload_bytes(), entry.extensions_bytes()] {
        put_varint(out, contents.len() as u64);
        out.extend_from_slice(contents);
    }
    out.extend_from_slice(time.as_slice());
    Ok(())
}

fn time_bytes(time: AppendTime) -> Result<TimeBytes, FaultKind> {
    let zero = AppendTime::Nil;
    let time = match time {
        AppendTime::Absent => zero,
        known => known,
    };
    match time_in_form(time, TimeForm::Old) {
        AppendTime::At(instant) => Ok(append_time::encode(&instant)?.unwrap_or_default()),
        AppendTime::Nil | AppendTime::Absent => Ok(TimeBytes::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EntryKind, Zone};

    fn bytes(hex: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex")
    }

    /// An entry that raft-wal wrote: index 3, term 1, three bytes of data.
    const WRITTEN: &str = "0301000303030300010000000edd257425287735f2ffff";

    fn decoded(hex: &str) -> Result<Entry, FaultKind> {
        let bytes = SharedBytes::from(bytes(hex));
        decode_wal(&bytes, 0..bytes.len())
    }

    #[test]
    fn an_entry_of_the_library_is_read_and_written_byte_for_byte() {
        let entry = decoded(WRITTEN).expect("an entry");
        assert_eq!((entry.index, entry.term), (LogIndex(3), Term(1)));
        assert_eq!((entry.kind, entry.payload_bytes()), (EntryKind::Command, &[3, 3, 3][..]));
        assert_eq!(entry.extra.extensions, None);
        let mut out = Vec::new();
        encode_wal(&entry, &mut out).expect("encodes");
        assert_eq!(data_encoding::HEXLOWER.encode(&out), WRITTEN);
    }

    #[test]
    fn extensions_zones_and_missing_times_come_back_as_what_they_mean() {
        let mut entry = decoded(WRITTEN).expect("an entry");
        entry.extra.extensions = Some(SharedBytes::from(&b"more"[..]));
        let AppendTime::At(mut instant) = entry.extra.appended_at else { panic!("a time") };
        instant.zone = Zone::East { seconds: 3_617 };
        entry.extra.appended_at = AppendTime::At(instant);
        let mut out = Vec::new();
        encode_wal(&entry, &mut out).expect("encodes");
        let out = SharedBytes::from(out);
        assert_eq!(decode_wal(&out, 0..out.len()), Ok(entry.clone()));
        for time in [AppendTime::Absent, AppendTime::Nil] {
            entry.extra.appended_at = time;
            let mut out = Vec::new();
            encode_wal(&entry, &mut out).expect("encodes");
            let out = SharedBytes::from(out);
            let back = decode_wal(&out, 0..out.len()).expect("an entry");
            assert_eq!(back.extra.appended_at.instant(), None, "{time:?}");
        }
    }

    #[test]
    fn whatever_is_cut_or_too_long_is_refused() {
        let whole = bytes(WRITTEN);
        for cut in 0..whole.len() {
            let part = SharedBytes::from(&whole[..cut]);
            assert!(decode_wal(&part, 0..cut).is_err(), "{cut} bytes");
        }
        assert!(decoded(&format!("{WRITTEN}0000")).is_err(), "two bytes too many");
        let huge = decoded("0301008080808080808080800100").expect_err("a length");
        assert!(matches!(huge, FaultKind::Short { .. } | FaultKind::Bounds { .. }), "{huge:?}");
        assert!(matches!(
            decoded(&WRITTEN.replacen("030100", "0301ac02", 1)),
            Err(FaultKind::Bounds { value: 300, limit: 255, .. })
        ));
    }
}
