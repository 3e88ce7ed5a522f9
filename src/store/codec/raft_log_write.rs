//! Writing raft.Log byte for byte as raft-boltdb does: a map with sorted keys, old-spec msgpack.

use crate::model::{AppendTime, Entry, EntryKind, FaultKind};
use crate::store::codec::append_time;
use crate::store::codec::msgpack::{
    Reader, Token, write_bytes, write_map, write_nil, write_unsigned,
};
use crate::store::codec::note::{Fields, Note};
use crate::store::codec::raft_log::KINDS;

/// The fields in the order in which they are written.
const WRITTEN: [(Fields, &[u8]); 6] = [
    (Fields::APPENDED_AT, b"AppendedAt"),
    (Fields::DATA, b"Data"),
    (Fields::EXTENSIONS, b"Extensions"),
    (Fields::INDEX, b"Index"),
    (Fields::TERM, b"Term"),
    (Fields::TYPE, b"Type"),
];

/// Appends the value that holds `entry`; with the note that reading it left, byte for byte what was
/// read. Without one: five fields when the entry has no append time, else six.
///
/// # Errors
/// When the entry cannot be written in this codec: its kind has no number, its time's zone no form,
/// or its note is damaged. `out` is then as long as before.
pub fn encode(entry: &Entry, out: &mut Vec<u8>) -> Result<(), FaultKind> {
    let start = out.len();
    let written = write(entry, out);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn write(entry: &Entry, out: &mut Vec<u8>) -> Result<(), FaultKind> {
    let note = Note::read(&entry.extra.note)?;
    let usual = match entry.extra.appended_at {
        AppendTime::Absent => Fields::FIVE,
        _ => Fields::SIX,
    };
    let fields = note.fields.unwrap_or(usual);
    let mut unknown = Vec::with_capacity(note.unknown.len());
    for pair in &note.unknown {
        unknown.push((name_of(pair)?, *pair));
    }
    let mut unknown = unknown.into_iter().peekable();
    write_map(out, fields.count() + note.unknown.len());
    for (field, name) in WRITTEN {
        // Go writes the keys sorted; an unknown field goes where its name belongs.
        while let Some((_, pair)) = unknown.next_if(|(other, _)| *other < name) {
            out.extend_from_slice(pair);
        }
        if fields.has(field) {
            write_bytes(out, name);
            write_field(entry, &note, field, out)?;
        }
    }
    for (_, pair) in unknown {
        out.extend_from_slice(pair);
    }
    out.extend_from_slice(note.trailing);
    Ok(())
}

fn name_of(pair: &[u8]) -> Result<&[u8], FaultKind> {
    let mut reader = Reader::new(pair);
    match reader.token()? {
        Token::Bytes(range) => Ok(reader.bytes_of(&range)),
        other => Err(FaultKind::Field {
            what: "unknown field in the note of an entry",
            expected: "a name".to_owned(),
            found: other.words(),
        }),
    }
}

fn write_field(
    entry: &Entry,
    note: &Note<'_>,
    field: Fields,
    out: &mut Vec<u8>,
) -> Result<(), FaultKind> {
    let optional = |bytes: Option<&[u8]>, out: &mut Vec<u8>| match bytes {
        Some(bytes) => write_bytes(out, bytes),
        None => write_nil(out),
    };
    match field {
        Fields::DATA => optional(entry.payload.as_deref(), out),
        Fields::EXTENSIONS => optional(entry.extra.extensions.as_deref(), out),
        Fields::INDEX => write_unsigned(out, note.index.unwrap_or(entry.index.0)),
        Fields::TERM => write_unsigned(out, entry.term.0),
        Fields::TYPE => write_unsigned(out, kind_code(entry)?.into()),
        _ => write_time(entry, note, out)?,
    }
    Ok(())
}

fn write_time(entry: &Entry, note: &Note<'_>, out: &mut Vec<u8>) -> Result<(), FaultKind> {
    let AppendTime::At(instant) = &entry.extra.appended_at else {
        write_nil(out);
        return Ok(());
    };
    if let Some(bytes) = note.time {
        write_bytes(out, bytes);
        return Ok(());
    }
    match append_time::encode(instant)? {
        Some(bytes) => write_bytes(out, bytes.as_slice()),
        None => write_nil(out),
    }
    Ok(())
}

/// The number of the entry's kind: what hashicorp/raft calls it, or, for a kind it does not know,
/// the number that came with the entry.
///
/// # Errors
/// For a kind without a number.
pub fn kind_code(entry: &Entry) -> Result<u8, FaultKind> {
    if let Some(code) = KINDS.iter().position(|kind| *kind == entry.kind) {
        return Ok(u8::try_from(code).unwrap_or(u8::MAX));
    }
    let code = match entry.kind {
        EntryKind::Unknown => entry.kind_code,
        _ => None,
    };
    code.and_then(|code| u8::try_from(code).ok()).ok_or_else(|| FaultKind::Field {
        what: "kind of an entry",
        expected: "one that raft.Log has a number for".to_owned(),
        found: entry.kind.as_str().to_owned(),
    })
}
