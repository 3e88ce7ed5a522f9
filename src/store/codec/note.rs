//! What a raft.Log value holds beyond the model, as the note of its entry.
//!
//! Empty for what current programs write. Else: the four bytes `rLg1`, then items, each a tag (u8),
//! a length (u32, little-endian) and so many bytes. A note with another beginning was made by
//! another format and says nothing here.
//!
//! | tag | item |
//! |---|---|
//! | 1 | fields present, one byte, [`Fields`]; without: six, or five if there is no append time |
//! | 2 | the index inside the value, u64 little-endian, where it is not the key's |
//! | 3 | AppendedAt as it was, where our own writing of the time would differ |
//! | 4 | an unknown field: its key and value in msgpack; once per field |
//! | 5 | bytes behind the object |

use crate::model::FaultKind;

const BEGINNING: &[u8] = b"rLg1";

const FIELDS: u8 = 1;
const INDEX: u8 = 2;
const TIME: u8 = 3;
const UNKNOWN: u8 = 4;
const TRAILING: u8 = 5;

/// Which fields of raft.Log a value has, one bit each, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields(pub(super) u8);

impl Fields {
    pub(super) const APPENDED_AT: Fields = Fields(1);
    pub(super) const DATA: Fields = Fields(1 << 1);
    pub(super) const EXTENSIONS: Fields = Fields(1 << 2);
    pub(super) const INDEX: Fields = Fields(1 << 3);
    pub(super) const TERM: Fields = Fields(1 << 4);
    pub(super) const TYPE: Fields = Fields(1 << 5);
    pub(super) const NONE: Fields = Fields(0);
    /// What hashicorp/raft 1.3 and newer write.
    pub(super) const SIX: Fields = Fields(0b11_1111);
    /// What hashicorp/raft 1.1.1 to 1.2 write.
    pub(super) const FIVE: Fields = Fields(0b11_1110);

    pub(super) fn has(self, field: Fields) -> bool {
        self.0 & field.0 != 0
    }

    pub(super) fn with(self, field: Fields) -> Fields {
        Fields(self.0 | field.0)
    }

    pub(super) fn count(self) -> usize {
        usize::try_from((self.0 & Fields::SIX.0).count_ones()).unwrap_or_default()
    }
}

/// The parts of a note.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note<'a> {
    pub(super) fields: Option<Fields>,
    pub(super) index: Option<u64>,
    pub(super) time: Option<&'a [u8]>,
    pub(super) unknown: Vec<&'a [u8]>,
    pub(super) trailing: &'a [u8],
}

impl<'a> Note<'a> {
    /// Reads a note; another format's or an empty one is the empty note.
    ///
    /// # Errors
    /// When a note of ours is cut or holds what no version of ours writes.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Note<'a>, FaultKind> {
        let mut note = Note::default();
        let Some(mut rest) = bytes.strip_prefix(BEGINNING) else { return Ok(note) };
        while let Some((&tag, after)) = rest.split_first() {
            let (len, after) = after.split_first_chunk::<4>().ok_or_else(|| cut(bytes))?;
            let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
            let (item, after) = after.split_at_checked(len).ok_or_else(|| cut(bytes))?;
            rest = after;
            match (tag, item) {
                (FIELDS, &[fields]) => note.fields = Some(Fields(fields)),
                (INDEX, item) => {
                    let index = item.try_into().map_err(|_| odd(tag, item))?;
                    note.index = Some(u64::from_le_bytes(index));
                }
                (TIME, item) => note.time = Some(item),
                (UNKNOWN, item) => note.unknown.push(item),
                (TRAILING, item) => note.trailing = item,
                _ => return Err(odd(tag, item)),
            }
        }
        Ok(note)
    }

    /// The note's bytes; empty when there is nothing to say.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(Fields(fields)) = self.fields {
            write_item(&mut out, FIELDS, &[fields]);
        }
        if let Some(index) = self.index {
            write_item(&mut out, INDEX, &index.to_le_bytes());
        }
        if let Some(time) = self.time {
            write_item(&mut out, TIME, time);
        }
        for field in &self.unknown {
            write_item(&mut out, UNKNOWN, field);
        }
        if !self.trailing.is_empty() {
            write_item(&mut out, TRAILING, self.trailing);
        }
        out
    }
}

fn write_item(out: &mut Vec<u8>, tag: u8, item: &[u8]) {
    if out.is_empty() {
        out.extend_from_slice(BEGINNING);
    }
    out.push(tag);
    let len = u32::try_from(item.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(item);
}

fn cut(note: &[u8]) -> FaultKind {
    FaultKind::Short {
        what: "note of an entry",
        needed_bytes: note.len() as u64 + 1,
        found_bytes: note.len() as u64,
    }
}

fn odd(tag: u8, item: &[u8]) -> FaultKind {
    FaultKind::Field {
        what: "item in the note of an entry",
        expected: "tag 1 to 5".to_owned(),
        found: format!("tag {tag} with {} bytes", item.len()),
    }
}
