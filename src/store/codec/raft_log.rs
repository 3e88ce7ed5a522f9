//! Reading raft.Log as raft-boltdb stores it: a msgpack map by field name.
//!
//! As tolerant as the real decoders: any order of keys, unknown and missing fields, long headers,
//! str8 and bin, any code for an integer, arrays in declaration order, bytes behind the object.

use std::ops::Range;

use crate::model::{
    AppendTime, Entry, EntryExtra, EntryHead, EntryKind, FaultKind, LogIndex, SharedBytes, Term,
};
use crate::store::codec::append_time;
use crate::store::codec::msgpack::{Reader, Token};
use crate::store::codec::note::{Fields, Note};
use crate::store::codec::usual;

/// A decoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedLog {
    /// The entry under its key's index; payload and extensions share the value's buffer.
    pub entry: Entry,
    /// The index that the value itself names.
    pub index_inside: LogIndex,
    /// Bytes behind the object.
    pub trailing_bytes: u64,
}

impl DecodedLog {
    /// The same without contents.
    pub fn head(&self) -> DecodedHead {
        let DecodedLog { entry, index_inside, trailing_bytes } = self;
        let (index_inside, trailing_bytes) = (*index_inside, *trailing_bytes);
        DecodedHead { head: entry.head(None), index_inside, trailing_bytes }
    }
}

/// What was decoded of a value, without contents and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedHead {
    /// The entry's head under its key's index.
    pub head: EntryHead,
    /// The index that the value itself names.
    pub index_inside: LogIndex,
    /// Bytes behind the object.
    pub trailing_bytes: u64,
}

/// Kinds of entries in a log of hashicorp/raft; a number that it does not know is kept, too.
pub const HASHICORP_KINDS: [EntryKind; 7] = [
    EntryKind::Command,
    EntryKind::Noop,
    EntryKind::Barrier,
    EntryKind::Configuration,
    EntryKind::AddPeer,
    EntryKind::RemovePeer,
    EntryKind::Unknown,
];

/// The kind of entry that hashicorp/raft means by a number.
pub(super) const KINDS: [EntryKind; 6] = [
    EntryKind::Command,
    EntryKind::Noop,
    EntryKind::AddPeer,
    EntryKind::RemovePeer,
    EntryKind::Barrier,
    EntryKind::Configuration,
];

/// The kind that stands behind a number of raft.Log's Type.
pub fn kind_of(code: u8) -> EntryKind {
    KINDS.get(usize::from(code)).copied().unwrap_or(EntryKind::Unknown)
}

const TIMESTAMP_EXTENSION: i8 = -1;

/// Fields in the order of their declaration, for values that are arrays.
const DECLARED: [Fields; 6] = [
    Fields::INDEX,
    Fields::TERM,
    Fields::TYPE,
    Fields::DATA,
    Fields::EXTENSIONS,
    Fields::APPENDED_AT,
];

/// What was read so far; ranges are bytes of the value.
#[derive(Default)]
struct Parts<'a> {
    index: u64,
    term: u64,
    kind: u8,
    data: Option<Range<usize>>,
    extensions: Option<Range<usize>>,
    time: AppendTime,
    time_bytes: Option<&'a [u8]>,
    unknown: Vec<&'a [u8]>,
}

/// Decodes the value stored under `key`.
///
/// # Errors
/// What is wrong where, when this is no raft.Log: it ends too early, is neither map nor array, has
/// a field of a wrong type, a negative number, or a type above 255.
pub fn decode(value: &SharedBytes, key: LogIndex) -> Result<DecodedLog, FaultKind> {
    decode_in(value, 0..value.len(), key)
}

/// As [`decode`], for the value that is the bytes `value` of a page or read buffer; payload and
/// extensions share that.
///
/// # Errors
/// As [`decode`]; a range outside is a value without bytes.
pub fn decode_in(
    buffer: &SharedBytes,
    value: Range<usize>,
    key: LogIndex,
) -> Result<DecodedLog, FaultKind> {
    let bytes = buffer.get(value.clone()).unwrap_or_default();
    let Some(found) = usual::read(bytes, key) else {
        return decode_any(&buffer.slice(value).unwrap_or_default(), key);
    };
    let start = value.start;
    let slice = |range: Option<Range<usize>>| {
        range.and_then(|range| buffer.slice(start + range.start..start + range.end))
    };
    let extensions = slice(found.extensions);
    let note = SharedBytes::default();
    let entry = Entry {
        index: key,
        term: found.term,
        kind: kind_of(found.kind),
        kind_code: Some(found.kind.into()),
        payload: slice(found.data),
        extra: EntryExtra { extensions, appended_at: found.time, note },
    };
    Ok(DecodedLog { entry, index_inside: key, trailing_bytes: 0 })
}

/// Decodes a value however it is written.
pub(super) fn decode_any(value: &SharedBytes, key: LogIndex) -> Result<DecodedLog, FaultKind> {
    let mut reader = Reader::new(value);
    let mut parts = Parts::default();
    let fields = match reader.token()? {
        Token::Map(pairs) => parts.read_map(&mut reader, pairs)?,
        Token::Array(values) => parts.read_array(&mut reader, values)?,
        other => {
            return Err(FaultKind::Field {
                what: "encoded entry",
                expected: "a msgpack map or array".to_owned(),
                found: other.words(),
            });
        }
    };
    let trailing = value.get(reader.consumed()..).unwrap_or_default();
    let note = parts.note(fields, key, trailing)?;
    let slice = |range: Option<Range<usize>>| range.and_then(|range| value.slice(range));
    let entry = Entry {
        index: key,
        term: Term(parts.term),
        kind: kind_of(parts.kind),
        kind_code: Some(parts.kind.into()),
        payload: slice(parts.data),
        extra: EntryExtra { extensions: slice(parts.extensions), appended_at: parts.time, note },
    };
    Ok(DecodedLog {
        entry,
        index_inside: LogIndex(parts.index),
        trailing_bytes: trailing.len() as u64,
    })
}

impl<'a> Parts<'a> {
    fn read_map(&mut self, reader: &mut Reader<'a>, pairs: u32) -> Result<Fields, FaultKind> {
        let mut fields = Fields::NONE;
        for _ in 0..pairs {
            let start = reader.consumed();
            let key = match reader.token()? {
                Token::Bytes(range) => range,
                other => return Err(odd("field name", "text", &other)),
            };
            match field_named(reader.bytes_of(&key)) {
                Some(field) => {
                    self.read_field(reader, field)?;
                    fields = fields.with(field);
                }
                None => {
                    let end = reader.skip()?.end;
                    self.unknown.push(reader.bytes_of(&(start..end)));
                }
            }
        }
        Ok(fields)
    }

    fn read_array(&mut self, reader: &mut Reader<'a>, values: u32) -> Result<Fields, FaultKind> {
        let mut declared = DECLARED.iter();
        for _ in 0..values {
            match declared.next() {
                Some(field) => self.read_field(reader, *field)?,
                None => reader.skip().map(|_| ())?,
            }
        }
        // Our own writing is the map of all six.
        Ok(if self.time == AppendTime::Absent { Fields::FIVE } else { Fields::SIX })
    }

    fn read_field(&mut self, reader: &mut Reader<'a>, field: Fields) -> Result<(), FaultKind> {
        match field {
            Fields::INDEX => self.index = unsigned(reader, "Index")?,
            Fields::TERM => self.term = unsigned(reader, "Term")?,
            Fields::TYPE => {
                let code = unsigned(reader, "Type")?;
                self.kind = u8::try_from(code).map_err(|_| FaultKind::Bounds {
                    what: "Type",
                    value: code,
                    limit: 255,
                })?;
            }
            Fields::DATA => self.data = bytes(reader, "Data")?,
            Fields::EXTENSIONS => self.extensions = bytes(reader, "Extensions")?,
            _ => self.read_time(reader)?,
        }
        Ok(())
    }

    fn read_time(&mut self, reader: &mut Reader<'a>) -> Result<(), FaultKind> {
        let range = match reader.token()? {
            Token::Nil => {
                self.time = AppendTime::Nil;
                self.time_bytes = None;
                return Ok(());
            }
            Token::Bytes(range) | Token::Extension(TIMESTAMP_EXTENSION, range) => range,
            other => return Err(odd("AppendedAt", "nil or a time", &other)),
        };
        let bytes = reader.bytes_of(&range);
        self.time = AppendTime::At(append_time::decode(bytes)?);
        self.time_bytes = Some(bytes);
        Ok(())
    }

    /// Whatever our own writing of the entry would not bring back.
    fn note(
        &self,
        fields: Fields,
        key: LogIndex,
        trailing: &'a [u8],
    ) -> Result<SharedBytes, FaultKind> {
        let usual = match self.time {
            AppendTime::Absent => Fields::FIVE,
            _ => Fields::SIX,
        };
        let note = Note {
            fields: (fields != usual).then_some(fields),
            index: (self.index != key.0).then_some(self.index),
            time: self.odd_time(),
            unknown: self.unknown.clone(),
            trailing,
        };
        if note == Note::default() {
            return Ok(SharedBytes::default());
        }
        Ok(SharedBytes::from(note.write()))
    }

    fn odd_time(&self) -> Option<&'a [u8]> {
        let (AppendTime::At(instant), Some(bytes)) = (&self.time, self.time_bytes) else {
            return None;
        };
        match append_time::encode(instant) {
            Ok(Some(ours)) if ours.as_slice() == bytes => None,
            _ => Some(bytes),
        }
    }
}

fn field_named(name: &[u8]) -> Option<Fields> {
    match name {
        b"AppendedAt" => Some(Fields::APPENDED_AT),
        b"Data" => Some(Fields::DATA),
        b"Extensions" => Some(Fields::EXTENSIONS),
        b"Index" => Some(Fields::INDEX),
        b"Term" => Some(Fields::TERM),
        b"Type" => Some(Fields::TYPE),
        _ => None,
    }
}

fn unsigned(reader: &mut Reader<'_>, what: &'static str) -> Result<u64, FaultKind> {
    match reader.token()? {
        Token::Unsigned(number) => Ok(number),
        // A nil where Go wants a number leaves the zero value.
        Token::Nil => Ok(0),
        other => Err(odd(what, "a number that is not negative", &other)),
    }
}

fn bytes(reader: &mut Reader<'_>, what: &'static str) -> Result<Option<Range<usize>>, FaultKind> {
    match reader.token()? {
        Token::Bytes(range) => Ok(Some(range)),
        Token::Nil => Ok(None),
        other => Err(odd(what, "bytes or nil", &other)),
    }
}

fn odd(what: &'static str, expected: &str, found: &Token) -> FaultKind {
    FaultKind::Field { what, expected: expected.to_owned(), found: found.words() }
}
