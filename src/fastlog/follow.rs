//! Reading on behind the last frame of a view, while a writer goes on.
//!
//! Frames form a chain, so each new one proves that it goes on from the last one read. A batch
//! counts once its last frame is there. A look at a log to which nothing was written reads the
//! bytes at one place, the header of the segment, and that of the next one where there is one.
//!
//! Frames in a chain are never written again, so other bytes in front of the next one are another
//! log, or one that a recovery cut off before.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::fastlog::Error;
use crate::fastlog::fault::{fault_of_apply, newer_error};
use crate::fastlog::format::{
    EntriesRecord, FRAME_HEADER_BYTES, FRAMES_OFFSET, Found, Frame, FrameType, GroupNo, LogUid,
    Malformed, Op, Records, Salt, SegmentNo,
};
use crate::fastlog::read::PlacedEntry;
use crate::fastlog::segment::{Files, FramePlace, NamedFile, SegmentReader};
use crate::fastlog::tables::ApplyError;
use crate::fastlog::view::LogView;
use crate::fastlog::walk::Head;
use crate::model::{GroupId, IoError, Place, SharedBytes};
use crate::vfs::OpenMode;

/// Looks after which a log that goes on, but not from here, was written anew by a recovery.
const ASTRAY_MAX: u32 = 25;
/// Bytes in front of the next frame by which a log is known again.
const GUARD_BYTES: usize = FRAME_HEADER_BYTES;

/// What a look showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Nothing was written since.
    Nothing,
    /// Batches were read.
    New,
    /// What was read last is gone: purged, or cut off by a recovery.
    Lost,
    /// The visitor broke off.
    Ended,
}

/// Gets the entries of new batches, in the order in which they were written.
pub type Visit<'v> = dyn FnMut(&GroupId, PlacedEntry) -> ControlFlow<()> + 'v;

/// A place in a log that grows.
pub struct Follower {
    files: Arc<Files>,
    uid: LogUid,
    at: FramePlace,
    head: Head,
    names: BTreeMap<GroupNo, GroupId>,
    buffer: Vec<u8>,
    /// Looks in a row at which the log went on, but not from here.
    astray: u32,
    /// Where a batch was begun that did not end yet.
    begun: Option<Place>,
    /// The bytes in front of the next frame, as they were; `None` where nothing is known of them.
    guard: Option<[u8; GUARD_BYTES]>,
}

/// What a segment gave.
struct Segment {
    batches: u64,
    flow: ControlFlow<()>,
}

/// What lies behind a segment.
#[derive(PartialEq, Eq)]
enum Behind {
    /// Nothing that counts.
    Nothing,
    /// The next segment.
    Next,
    /// A segment that does not go on from here.
    Other,
}

impl LogView {
    /// Reads on from the end of what this view shows; `None` where it shows no segment.
    pub fn follower(&self) -> Option<Follower> {
        let (segment, offset) = self.ends.last_key_value()?;
        let names = self.tables.groups.iter().map(|(number, group)| (*number, group.id.clone()));
        // What was read, which may have been replaced by now.
        let read = self.files.reading(*segment).ok();
        let guard = read.and_then(|file| guard_of(&file, *offset).ok());
        Some(Follower {
            files: Arc::clone(&self.files),
            uid: self.uid,
            at: FramePlace { segment: *segment, offset: *offset },
            head: self.head,
            names: names.collect(),
            buffer: Vec::new(),
            astray: 0,
            begun: None,
            guard,
        })
    }
}

impl Follower {
    /// Hands over the entries of the batches that were finished since the last look.
    ///
    /// # Errors
    /// `Io` when a file cannot be read, `Unsupported` when a newer version writes, `Fault` for
    /// records that verify and do not decode.
    pub fn look(&mut self, visit: &mut Visit<'_>) -> Result<Followed, Error> {
        let mut batches = 0u64;
        loop {
            let Some(file) = self.segment(self.at.segment)? else { return Ok(Followed::Lost) };
            if !self.is_same(&file)? {
                return Ok(Followed::Lost);
            }
            let read = self.read(file, visit)?;
            batches = batches.saturating_add(read.batches);
            if read.flow.is_break() {
                return Ok(Followed::Ended);
            }
            let behind = self.next_segment()?;
            if behind == Behind::Next {
                continue;
            }
            // Between two reads a writer may have gone on; for long, it has gone another way.
            let is_astray = batches == 0 && behind == Behind::Other;
            self.astray = if is_astray { self.astray.saturating_add(1) } else { 0 };
            return Ok(match (self.astray >= ASTRAY_MAX, batches) {
                (true, _) => Followed::Lost,
                (false, 0) => Followed::Nothing,
                (false, _) => Followed::New,
            });
        }
    }

    /// Where at the last look a batch was begun that had not ended.
    pub fn begun(&self) -> Option<&Place> {
        self.begun.as_ref()
    }

    /// A segment under its own name; a purged one has another, or none.
    fn segment(&self, number: SegmentNo) -> Result<Option<Arc<NamedFile>>, IoError> {
        match self.files.open(&self.files.segment_path(number), OpenMode::Read) {
            Ok(file) => Ok(Some(Arc::new(file))),
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a segment is the one that was read, and its frames still end where they did.
    fn is_same(&mut self, file: &NamedFile) -> Result<bool, IoError> {
        if file.header()?.is_ok_and(|header| header.uid != self.uid) {
            return Ok(false);
        }
        let now = guard_of(file, self.at.offset)?;
        let known = *self.guard.get_or_insert(now);
        Ok(now == known)
    }

    /// Goes to the segment behind this one, where its header goes on from here.
    fn next_segment(&mut self) -> Result<Behind, Error> {
        let number = self.at.segment.next();
        let Some(file) = self.segment(number)? else { return Ok(Behind::Nothing) };
        // One that is being made verifies later.
        let Ok(header) = file.header()? else { return Ok(Behind::Nothing) };
        if header.uid != self.uid || header.number != number {
            return Ok(Behind::Nothing);
        }
        if header.first != self.head.next || header.previous != self.head.previous {
            return Ok(Behind::Other);
        }
        self.at = FramePlace { segment: number, offset: FRAMES_OFFSET };
        self.guard = None;
        Ok(Behind::Next)
    }

    /// Reads whole batches from here on.
    fn read(&mut self, file: Arc<NamedFile>, visit: &mut Visit<'_>) -> Result<Segment, Error> {
        let flow = ControlFlow::Continue(());
        let mut segment = Segment { batches: 0, flow };
        // Most looks end here: nothing was written, or what an earlier life of the file left.
        self.begun = None;
        let mut start = [0; FRAME_HEADER_BYTES];
        file.read(self.at.offset, &mut start)?;
        if !Found::plausible(&start, self.head.next, self.head.next) {
            return Ok(segment);
        }
        let (number, salt) = (self.at.segment, Salt::new(self.uid, self.at.segment));
        let buffer = std::mem::take(&mut self.buffer);
        let mut reader = SegmentReader::new(Arc::clone(&file), number, salt, buffer)?;
        reader.seek(self.at.offset);
        let (mut head, mut parts) = (self.head, 0u16);
        while segment.flow.is_continue() {
            let frame = match reader.found()? {
                Found::Frame(frame) if is_next(&frame, head, parts) => frame,
                Found::Newer { what, value, .. } => {
                    return Err(newer_error(&file.path, what, value));
                }
                _ => break,
            };
            head = Head { next: frame.sequence.next(), previous: frame.checksum };
            reader.step(&frame);
            parts = match frame.kind {
                FrameType::Part => frame.part,
                FrameType::Batch | FrameType::Filler => 0,
            };
            if frame.kind == FrameType::Batch {
                segment.batches += 1;
                segment.flow = self.batch(&mut reader, visit)?;
            }
            if parts == 0 {
                (self.head, self.at) = (head, reader.place());
            }
        }
        self.buffer = reader.into_buffer();
        self.guard = Some(guard_of(&file, self.at.offset)?);
        file.read(self.at.offset, &mut start)?;
        if Found::plausible(&start, self.head.next, self.head.next) {
            self.begun = Some(file.place(self.at.offset, FRAME_HEADER_BYTES as u64));
        }
        Ok(segment)
    }

    /// Reads the frames of a batch again, now that its end is known.
    fn batch(
        &mut self,
        reader: &mut SegmentReader,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let behind = reader.place();
        reader.seek(self.at.offset);
        while reader.place() < behind {
            let at = reader.place();
            // It verified a moment ago: somebody removes what is being read.
            let Found::Frame(frame) = reader.found()? else { break };
            let payload = SharedBytes::from(reader.payload(&frame));
            if self.records(reader.file(), at, &payload, visit)?.is_break() {
                reader.seek(behind.offset);
                return Ok(ControlFlow::Break(()));
            }
            reader.step(&frame);
        }
        reader.seek(behind.offset);
        Ok(ControlFlow::Continue(()))
    }

    fn records(
        &mut self,
        file: &NamedFile,
        at: FramePlace,
        payload: &SharedBytes,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let place = || file.place(at.offset, (FRAME_HEADER_BYTES + payload.len()) as u64);
        let malformed = |malformed| match fault_of_apply(place(), ApplyError::from(malformed)) {
            Ok(fault) => Error::from(fault),
            Err((place, what)) => newer_error(&place.file, what, 0),
        };
        let mut records = Records::new(payload);
        while let Some(record) = records.next_record().map_err(malformed)? {
            match record.op {
                Op::Group { id, .. } => drop(self.names.insert(record.group, id)),
                Op::GroupRemoval => drop(self.names.remove(&record.group)),
                Op::Entries(entries) => {
                    let Some(group) = self.names.get(&record.group) else { continue };
                    let shown =
                        entries_of(&entries, (file, at), payload, &mut |entry| visit(group, entry));
                    if shown.map_err(malformed)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                _ => {}
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The bytes in front of `offset`; zeros where there are none.
fn guard_of(file: &NamedFile, offset: u64) -> Result<[u8; GUARD_BYTES], IoError> {
    let mut guard = [0; GUARD_BYTES];
    file.read(offset.saturating_sub(GUARD_BYTES as u64), &mut guard)?;
    Ok(guard)
}

/// Hands over the entries of a record.
fn entries_of(
    entries: &EntriesRecord<'_>,
    (file, at): (&NamedFile, FramePlace),
    payload: &SharedBytes,
    visit: &mut dyn FnMut(PlacedEntry) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Malformed> {
    let mut walk = entries.walk();
    while let Some(view) = walk.next_entry()? {
        let offset = at.offset + (FRAME_HEADER_BYTES + view.span.start) as u64;
        let place = file.place(offset, view.span.len() as u64);
        let Some(entry) = view.to_entry(payload) else { continue };
        if visit(PlacedEntry { entry, place }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Whether a frame goes on from `head`, behind so many frames of its batch.
fn is_next(frame: &Frame, head: Head, parts: u16) -> bool {
    let part_fits = match frame.kind {
        FrameType::Filler => parts == 0,
        FrameType::Batch | FrameType::Part => parts.checked_add(1) == Some(frame.part),
    };
    part_fits && head.fits(frame)
}
