//! etcd's `.snap` files, in `snap` beside the directory of the log.
//!
//! ```text
//! <term>-<index>.snap     each 16 hexadecimal digits
//! snappb.Snapshot         1 crc (CRC-32C of the data alone), 2 data
//! raftpb.Snapshot         1 data: the v2 store as JSON, 2 metadata
//! metadata                1 ConfState, 2 index, 3 term
//! ```
//!
//! The keys of version 3 are not inside, but in the BoltDB file `db` beside them. A checksum of
//! zero and empty data are no snapshot. The data are never in memory whole.

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{Field, crc32c_resumed, fields};
use crate::model::{Code, Fault, FaultKind, LogIndex, Place, Server, Suffrage, Term};
use crate::store::etcd_wal::format::{hex_pair, varint};
use crate::store::snapshots::state::Proven;
use crate::store::snapshots::{SNAPSHOTS_MAX, Snapshot};
use crate::store::window::{Source, Window};
use crate::store::{Level, StoreError, io_error};
use crate::vfs::{FileKind, Fs, OpenMode};

const SUFFIX: &str = ".snap";
/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;
/// Largest metadata that are read.
const METADATA_BYTES_MAX: u64 = 1 << 20;
/// Bytes in which a tag and a length end.
const TAG_BYTES_MAX: usize = 20;
/// How a v2 store begins.
const V2_STORE: &[u8] = b"{\"Root\":";

/// A file, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapFile {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// Last index that it covers, by its name.
    pub index: u64,
    /// Its term, by its name.
    pub term: u64,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Last index that it covers.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The members then, as a ConfState.
    pub members: Vec<u8>,
    /// Whether the data are a v2 store.
    pub is_v2_store: bool,
    /// The stored checksum.
    stored: u32,
    /// What it would be; `None` where it was not computed.
    computed: Option<u32>,
    /// Bytes that were read for it.
    read_bytes: u64,
    /// Whether the reader wanted to stop.
    stopped: bool,
}

impl Contents {
    /// What is wrong with them.
    pub fn fault(&self, file: &SnapFile) -> Option<FaultKind> {
        if self.computed.is_some_and(|computed| computed != self.stored) {
            return Some(FaultKind::Checksum {
                what: "a .snap file",
                expected: format!("crc32c {:08x}", self.stored),
                found: format!("crc32c {:08x}", self.computed.unwrap_or_default()),
            });
        }
        let inside = (self.index, self.term);
        (inside != (file.index, file.term)).then(|| FaultKind::Field {
            what: "index and term in a .snap file",
            expected: format!("{} of term {}, as its name says", file.index, file.term),
            found: format!("{} of term {}", self.index, self.term),
        })
    }
}

/// The files in `dir` in the order in which etcd tries them, newest first.
///
/// # Errors
/// When the directory cannot be listed.
pub fn list(fs: &dyn Fs, dir: &Path) -> Result<Vec<SnapFile>, StoreError> {
    let mut found = Vec::new();
    for path in fs.list(dir).map_err(io_error("list", dir))?.into_iter().rev() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let Some((term, index)) = name.strip_suffix(SUFFIX).and_then(hex_pair) else { continue };
        let metadata = fs.metadata(&path).map_err(io_error("look at", &path))?;
        if metadata.kind == FileKind::File && found.len() < SNAPSHOTS_MAX {
            let size_bytes = metadata.size_bytes;
            found.push(SnapFile { name, path, size_bytes, index, term });
        }
    }
    Ok(found)
}

/// What a file says of itself, without its checksum; the inner error says why it says nothing.
///
/// # Errors
/// When it cannot be read.
pub fn head(fs: &dyn Fs, file: &SnapFile) -> Result<Result<Contents, FaultKind>, StoreError> {
    read(fs, file, None)
}

/// As [`head`], with its checksum computed. `progress` gets the bytes read so far; its `Break` ends
/// the reading.
///
/// # Errors
/// When it cannot be read.
pub fn prove(
    fs: &dyn Fs,
    file: &SnapFile,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Result<Contents, FaultKind>, StoreError> {
    read(fs, file, Some(progress))
}

fn read(
    fs: &dyn Fs,
    file: &SnapFile,
    progress: Option<&mut dyn FnMut(u64) -> ControlFlow<()>>,
) -> Result<Result<Contents, FaultKind>, StoreError> {
    let path = &file.path;
    let opened = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
    let size_bytes = opened.size().map_err(io_error("look at", path))?;
    let source = Source { file: Box::new(opened), path: Arc::from(path.as_path()), size_bytes };
    let mut reader = Reader { window: Window::new(&source) };
    let (mut stored, mut data) = (0, 0..0);
    let mut at = 0;
    while at < size_bytes {
        let Some(field) = reader.field(at, size_bytes)? else { return Ok(Err(no_message())) };
        match (field.number, field.value) {
            (1, Value::Number(crc)) => stored = u32::try_from(crc).unwrap_or_default(),
            (2, Value::Bytes(range)) => data = range,
            _ => {}
        }
        at = field.end;
    }
    if stored == 0 || data.is_empty() {
        let found = "no checksum or no data; etcd takes it for no snapshot".to_owned();
        return Ok(Err(FaultKind::Note { found: format!("{}: {found}", path.display()) }));
    }
    let mut contents = Contents { stored, ..Contents::default() };
    if !reader.snapshot(data.clone(), &mut contents)? {
        return Ok(Err(no_message()));
    }
    if let Some(progress) = progress {
        reader.checksum(data, &mut contents, progress)?;
    }
    Ok(Ok(contents))
}

fn no_message() -> FaultKind {
    FaultKind::Field {
        what: ".snap file",
        expected: "checksum, data and metadata".to_owned(),
        found: "no such message".to_owned(),
    }
}

/// A field of a message that lies in a file.
struct FieldAt {
    number: u64,
    value: Value,
    end: u64,
}

enum Value {
    Number(u64),
    Bytes(Range<u64>),
    Other,
}

struct Reader<'s> {
    window: Window<'s>,
}

impl Reader<'_> {
    /// The field at `at` of a message that ends at `end`; `None` where there is none.
    fn field(&mut self, at: u64, end: u64) -> Result<Option<FieldAt>, StoreError> {
        let left = end.saturating_sub(at);
        let need = TAG_BYTES_MAX.min(usize::try_from(left).unwrap_or(TAG_BYTES_MAX));
        let head = self.window.at(at, need)?.get(..need).unwrap_or_default();
        let Some((tag, rest)) = varint(head) else { return Ok(None) };
        let behind = |rest: &[u8]| at.saturating_add((need - rest.len()) as u64);
        let field = match tag & 7 {
            0 => varint(rest).map(|(number, rest)| (Value::Number(number), behind(rest))),
            1 => Some((Value::Other, behind(rest).saturating_add(8))),
            2 => varint(rest).map(|(len, rest)| {
                let start = behind(rest);
                let stop = start.saturating_add(len);
                (Value::Bytes(start..stop), stop)
            }),
            5 => Some((Value::Other, behind(rest).saturating_add(4))),
            _ => None,
        };
        let field = field.filter(|(_, behind)| *behind <= end && tag >> 3 > 0);
        Ok(field.map(|(value, end)| FieldAt { number: tag >> 3, value, end }))
    }

    /// Reads the metadata of the raftpb.Snapshot in `range`; false where it is none.
    fn snapshot(&mut self, range: Range<u64>, into: &mut Contents) -> Result<bool, StoreError> {
        let mut at = range.start;
        while at < range.end {
            let Some(field) = self.field(at, range.end)? else { return Ok(false) };
            at = field.end;
            match (field.number, field.value) {
                (1, Value::Bytes(data)) => {
                    let begin = self.window.at(data.start, V2_STORE.len())?;
                    into.is_v2_store = begin.starts_with(V2_STORE);
                }
                (2, Value::Bytes(metadata)) => {
                    let len = metadata.end - metadata.start;
                    let Some(len) = usize::try_from(len.min(METADATA_BYTES_MAX + 1)).ok() else {
                        return Ok(false);
                    };
                    let bytes = self.window.at(metadata.start, len)?;
                    let bytes = bytes.get(..len).unwrap_or_default().to_vec();
                    if len as u64 > METADATA_BYTES_MAX || !read_metadata(&bytes, into) {
                        return Ok(false);
                    }
                }
                _ => {}
            }
        }
        Ok(true)
    }

    fn checksum(
        &mut self,
        range: Range<u64>,
        into: &mut Contents,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let (mut at, mut crc) = (range.start, 0);
        while at < range.end {
            let len = range.end.saturating_sub(at).min(PIECE_BYTES as u64);
            let len = usize::try_from(len).unwrap_or(PIECE_BYTES);
            let bytes = self.window.at(at, len)?;
            crc = crc32c_resumed(crc, bytes.get(..len).unwrap_or_default());
            at = at.saturating_add(len as u64);
            into.read_bytes = at - range.start;
            if progress(into.read_bytes).is_break() {
                into.stopped = true;
                return Ok(());
            }
        }
        into.computed = Some(crc);
        Ok(())
    }
}

fn read_metadata(bytes: &[u8], into: &mut Contents) -> bool {
    for field in fields(bytes) {
        match field {
            Ok((1, Field::Bytes(members))) => into.members = members.to_vec(),
            Ok((2, Field::Number(index))) => into.index = index,
            Ok((3, Field::Number(term))) => into.term = term,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    true
}

/// The members that a ConfState names, voters first; those that vote until a change is through are
/// voters too.
pub fn members(conf_state: &[u8]) -> Vec<Server> {
    let mut lists: [Vec<u64>; 3] = Default::default();
    let [voters, learners, outgoing] = &mut lists;
    for field in fields(conf_state).map_while(Result::ok) {
        match field {
            (1, value) => take_numbers(value, voters),
            (2, value) => take_numbers(value, learners),
            (3, value) => take_numbers(value, outgoing),
            _ => {}
        }
    }
    outgoing.retain(|id| !voters.contains(id));
    let server = |suffrage| {
        move |id: &u64| Server { id: format!("{id:x}"), address: String::new(), suffrage }
    };
    let all = voters.iter().chain(outgoing.iter()).map(server(Suffrage::Voter));
    all.chain(learners.iter().map(server(Suffrage::Nonvoter))).collect()
}

/// Numbers of a repeated field, one by one or packed.
fn take_numbers(value: Field<'_>, into: &mut Vec<u64>) {
    match value {
        Field::Number(number) => into.push(number),
        Field::Bytes(mut packed) => {
            while let Some((number, rest)) = varint(packed) {
                into.push(number);
                packed = rest;
            }
        }
        _ => {}
    }
}

/// The snapshots in `dir`, and what is wrong with those that are none.
///
/// # Errors
/// When the system refuses to list or read.
pub(super) fn snapshots(
    fs: &dyn Fs,
    dir: &Path,
) -> Result<(Vec<Snapshot>, Vec<Fault>), StoreError> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for file in list(fs, dir)? {
        match head(fs, &file)? {
            Ok(contents) => found.push(Snapshot {
                id: file.name.clone(),
                index: LogIndex(file.index),
                term: Term(file.term),
                servers: members(&contents.members),
                membership_index: LogIndex(file.index),
                size_bytes: file.size_bytes,
                proof: Some(super::Proof::Snap(file)),
            }),
            Err(kind) => faults.push(fault(&file, kind)),
        }
    }
    Ok((found, faults))
}

fn fault(file: &SnapFile, kind: FaultKind) -> Fault {
    let place = Arc::from(file.path.as_path());
    Fault::new(Code::R109, kind).at(Place {
        file: place,
        offset_bytes: 0,
        len_bytes: file.size_bytes,
    })
}

impl SnapFile {
    /// Proves the file; at the quick level only what its name says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn check(
        &self,
        fs: &dyn Fs,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Proven, StoreError> {
        let read = match level {
            Level::Quick => head(fs, self)?,
            Level::Full => prove(fs, self, progress)?,
        };
        Ok(match read {
            Ok(contents) => Proven {
                read_bytes: contents.read_bytes,
                fault: contents.fault(self).map(|kind| fault(self, kind)),
                stopped: contents.stopped,
            },
            Err(kind) => Proven { fault: Some(fault(self, kind)), ..Proven::default() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_packed_and_one_by_one() {
        let ids = |bytes: &[u8]| {
            let members = members(bytes).into_iter();
            members.map(|one| (one.id, one.suffrage)).collect::<Vec<_>>()
        };
        let wanted = vec![
            ("1".to_owned(), Suffrage::Voter),
            ("3".to_owned(), Suffrage::Voter),
            ("12c".to_owned(), Suffrage::Voter),
            ("2".to_owned(), Suffrage::Nonvoter),
        ];
        let alone = [8, 1, 8, 3, 0x10, 2, 0x18, 0xac, 2, 0x18, 1, 0x20, 7, 0x28, 1];
        assert_eq!(ids(&alone), wanted);
        let packed = [0x0a, 2, 1, 3, 0x12, 1, 2, 0x1a, 2, 0xac, 2];
        assert_eq!(ids(&packed), wanted);
    }
}
