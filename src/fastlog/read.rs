//! Reading entries: the index says where they lie, their frame proves that they are whole.

use std::path::Path;
use std::sync::Arc;

use crate::fastlog::Error;
use crate::fastlog::fault::fault_of_found;
use crate::fastlog::format::{
    EntryView, FRAME_HEADER_BYTES, Found, GroupNo, LogUid, Masked, Salt, SegmentNo, Sequence,
};
use crate::fastlog::memtable::{Memtable, Position, Tail};
use crate::fastlog::resident::{Kept, Resident};
use crate::fastlog::segment::{Files, FramePlace};
use crate::fastlog::unwritten::Unwritten;
use crate::model::{
    Code, Entry, EntryHead, Fault, FaultKind, HeadRun, IndexRange, IoError, LogIndex, Place,
    SharedBytes,
};

/// Bytes read at once when a range is streamed.
const WINDOW_BYTES: usize = 512 << 10;

/// Bytes of a segment, shared with the entries that were decoded from them.
struct Window {
    segment: SegmentNo,
    start: u64,
    bytes: SharedBytes,
    path: Arc<Path>,
}

/// A frame inside the window that verified.
#[derive(Clone)]
struct Verified {
    segment: SegmentNo,
    offset: u64,
    payload: SharedBytes,
    path: Arc<Path>,
}

/// Where entries are read from.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) files: Arc<Files>,
    pub(super) memtable: Arc<Memtable>,
    pub(super) uid: LogUid,
    /// Whether somebody may remove entries meanwhile, so that a missing one is no damage.
    pub(super) live: bool,
    /// What a live log has accepted and not written.
    pub(super) unwritten: Arc<Unwritten>,
    /// What a live log keeps in memory, where it does.
    pub(super) resident: Option<Arc<Resident>>,
}

impl Source {
    /// One entry, when it is in memory and decodes.
    pub(super) fn kept(&self, group: GroupNo, index: LogIndex) -> Option<Entry> {
        let resident = self.resident.as_ref()?;
        let position = self.memtable.get(group, index)?;
        let records = resident.find(position.frame())?.records;
        let at = usize::try_from(position.at).ok()?;
        let term = Some(position.shape.term);
        EntryView::decode(&records, at, index, term).ok()?.to_entry(&records)
    }
}

/// Reads entries of one group in index order.
pub(super) struct RangeReader {
    source: Source,
    group: GroupNo,
    next: Option<LogIndex>,
    last: LogIndex,
    window_bytes: usize,
    window: Option<Window>,
    frame: Option<Verified>,
    near: Tail,
}

/// An entry with the place of its encoded form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedEntry {
    /// The entry; its byte strings share a read buffer.
    pub entry: Entry,
    /// Where it lies.
    pub place: Place,
}

impl RangeReader {
    /// Streams `range`, which must lie inside the group's bounds.
    pub(super) fn new(source: Source, group: GroupNo, range: IndexRange) -> RangeReader {
        let (next, last) = (Some(range.first()), range.last());
        let window_bytes = WINDOW_BYTES;
        let near = Tail::default();
        RangeReader { source, group, next, last, window_bytes, window: None, frame: None, near }
    }

    /// The same, reading no more than single frames ask for.
    pub(super) fn reading_little(mut self) -> RangeReader {
        self.window_bytes = 0;
        self
    }

    /// Steps to the next index that has a position. An error stands for indexes that have none.
    fn next_position(&mut self) -> Option<Result<(LogIndex, Position), Error>> {
        let wanted = self.next.filter(|next| *next <= self.last)?;
        let position = self.source.memtable.get_near(&mut self.near, self.group, wanted);
        if let Some(position) = position {
            self.next = wanted.next();
            return Some(Ok((wanted, position)));
        }
        if self.source.live {
            self.next = None;
            return Some(Err(Error::Gone { index: wanted }));
        }
        let found = self.source.memtable.next_at(self.group, wanted);
        let found = found.filter(|found| *found <= self.last);
        self.next = found;
        let missing_last = found.and_then(LogIndex::previous).unwrap_or(self.last);
        IndexRange::new(wanted, missing_last).map(|missing| Err(missing_fault(missing).into()))
    }

    /// The next entry; an error stands for one that cannot be read, and reading may go on.
    pub(super) fn next_entry(&mut self) -> Option<Result<PlacedEntry, Error>> {
        let (index, position) = match self.next_position()? {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        Some(self.read(index, &position))
    }

    /// The next entry without contents, from the index alone.
    pub(super) fn next_head(&mut self) -> Option<Result<EntryHead, Error>> {
        let (index, position) = match self.next_position()? {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        let path = match &self.frame {
            Some(frame) if frame.segment == position.segment => Arc::clone(&frame.path),
            _ => {
                let path: Arc<Path> =
                    Arc::from(self.source.files.segment_path(position.segment).as_path());
                self.frame = Some(Verified {
                    segment: position.segment,
                    offset: u64::MAX,
                    payload: SharedBytes::default(),
                    path: Arc::clone(&path),
                });
                path
            }
        };
        Some(Ok(EntryHead {
            index,
            term: position.shape.term,
            kind: position.shape.kind,
            kind_code: position.shape.kind_code,
            payload_len_bytes: u64::from(position.payload_len),
            extensions_len_bytes: u64::from(position.extensions_len),
            place: Some(place_of(path, &position)),
        }))
    }

    /// The next entries that are alike, at least one, without contents.
    pub(super) fn next_run(&mut self) -> Option<Result<HeadRun, Error>> {
        let (first, _) = match self.next_position()? {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        let run = self.near.run(IndexRange::new(first, self.last)?)?;
        self.next = run.range.last().next();
        Some(Ok(run))
    }

    fn read(&mut self, index: LogIndex, position: &Position) -> Result<PlacedEntry, Error> {
        let frame = self.frame_of(index, position)?;
        let place = place_of(Arc::clone(&frame.path), position);
        let at = usize::try_from(position.at).unwrap_or(usize::MAX);
        let decoded = EntryView::decode(&frame.payload, at, index, Some(position.shape.term));
        let entry = decoded.ok().and_then(|view| view.to_entry(&frame.payload));
        match entry {
            Some(entry) => Ok(PlacedEntry { entry, place }),
            None => {
                let kind = FaultKind::Field {
                    what: "entry",
                    expected: "one that decodes".to_owned(),
                    found: "one that does not".to_owned(),
                };
                Err(Fault::new(Code::R122, kind).at(place).at_index(index).into())
            }
        }
    }

    /// The verified frame that holds `position`.
    fn frame_of(&mut self, index: LogIndex, position: &Position) -> Result<Verified, Error> {
        if let Some(frame) = &self.frame
            && frame.segment == position.segment
            && frame.offset == position.frame_offset
        {
            return Ok(frame.clone());
        }
        if let Some(unwritten) = self.unwritten(position) {
            return Ok(unwritten);
        }
        if let Some(kept) = self.kept(position) {
            return Ok(kept);
        }
        let salt = Salt::new(self.source.uid, position.segment);
        let entry_end = u64::from(position.at) + u64::from(position.len);
        let least = FRAME_HEADER_BYTES + usize::try_from(entry_end).unwrap_or(usize::MAX);
        let mut need = least;
        let mut again = self.source.live;
        loop {
            let brought = self.bring(position.segment, position.frame_offset, need);
            brought.map_err(|error| self.gone(index, error))?;
            let Some(window) = &self.window else { return Err(Error::Gone { index }) };
            let skip = position.frame_offset.saturating_sub(window.start);
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            let bytes = window.bytes.get(skip..).unwrap_or_default();
            match Found::at_start(bytes, u64::MAX, salt) {
                Found::NeedBytes(len) if len > need => need = len,
                Found::Frame(frame) => {
                    let start = skip + FRAME_HEADER_BYTES;
                    let payload = window.bytes.slice(start..skip + frame.len_bytes());
                    let verified = Verified {
                        segment: position.segment,
                        offset: position.frame_offset,
                        payload: payload.unwrap_or_default(),
                        path: Arc::clone(&window.path),
                    };
                    self.frame = Some(verified.clone());
                    return Ok(verified);
                }
                // The file may have another life meanwhile.
                _ if self.source.live && self.source.files.is_purged(position.segment) => {
                    return Err(Error::Gone { index });
                }
                // The window may have been read before the frame was written.
                _ if again => {
                    self.window = None;
                    need = least;
                    again = false;
                }
                other => {
                    let kind = fault_of_found(&other, Sequence(0), Masked(0));
                    let place = place_of(Arc::clone(&window.path), position);
                    return Err(Fault::new(Code::R115, kind).at(place).at_index(index).into());
                }
            }
        }
    }

    /// The frame that holds `position`, when it is not in the file yet.
    fn unwritten(&mut self, position: &Position) -> Option<Verified> {
        let FramePlace { segment, offset } = position.frame();
        let payload = self.source.unwritten.records(position.frame())?;
        // The window may have been read before what is behind this was written.
        self.window = None;
        let path = Arc::from(self.source.files.segment_path(segment).as_path());
        let frame = Verified { segment, offset, payload, path };
        self.frame = Some(frame.clone());
        Some(frame)
    }

    /// The frame that holds `position`, when it is in memory; otherwise it is missed.
    fn kept(&mut self, position: &Position) -> Option<Verified> {
        let resident = self.source.resident.as_ref()?;
        let FramePlace { segment, offset } = position.frame();
        let Some(Kept { records: payload, path }) = resident.find(position.frame()) else {
            resident.missed(position.frame());
            return None;
        };
        let frame = Verified { segment, offset, payload, path };
        self.frame = Some(frame.clone());
        Some(frame)
    }

    /// A segment that a live log removed meanwhile is no failure of the disk.
    fn gone(&self, index: LogIndex, error: IoError) -> Error {
        match error.source.kind() {
            std::io::ErrorKind::NotFound if self.source.live => Error::Gone { index },
            _ => error.into(),
        }
    }

    /// Makes the window hold `need` bytes from `offset` on, as far as the file goes.
    fn bring(&mut self, segment: SegmentNo, offset: u64, need: usize) -> Result<(), IoError> {
        if let Some(window) = &self.window
            && window.segment == segment
            && let Some(skip) = offset.checked_sub(window.start)
            && usize::try_from(skip)
                .is_ok_and(|skip| skip.saturating_add(need) <= window.bytes.len())
        {
            return Ok(());
        }
        let file = self.source.files.reading(segment)?;
        let left = usize::try_from(file.size()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; need.max(self.window_bytes).min(left)];
        let read = file.read(offset, &mut bytes)?;
        bytes.truncate(read);
        let path = Arc::clone(&file.path);
        self.window =
            Some(Window { segment, start: offset, bytes: SharedBytes::from(bytes), path });
        Ok(())
    }
}

fn place_of(file: Arc<Path>, position: &Position) -> Place {
    let header = u64::try_from(FRAME_HEADER_BYTES).unwrap_or(0);
    Place {
        file,
        offset_bytes: position.frame_offset + header + u64::from(position.at),
        len_bytes: u64::from(position.len),
    }
}

fn missing_fault(missing: IndexRange) -> Fault {
    let kind = FaultKind::Missing { what: "entries", name: missing.to_string() };
    Fault::new(Code::R115, kind).at_index(missing.first())
}
