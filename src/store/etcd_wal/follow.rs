//! Reading on behind the last record, while etcd goes on.
//!
//! Records form one chain of checksums, so each new one proves that it goes on from the last one
//! read, and the first record of a segment that it goes on from the segment before. What etcd
//! prepared and did not use yet has another name. A record counts once it is there whole: etcd
//! writes out of a buffer in pages, which end anywhere in a record. An entry of an index that was
//! there before replaces it and all behind it.
//!
//! The segment that is read stays open, so that etcd may remove it; no other file can have its
//! identity as long as it is. Another file under its name, or none and no segment behind, is
//! another log.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::crc32c_resumed;
use crate::model::{
    Code, Entry, EntryExtra, Fault, FaultKind, GroupId, LogIndex, Place, Severity, Term,
};
use crate::store::etcd_wal::format::{
    CHECKSUM, ENTRY, EntryParts, METADATA, Marker, SNAPSHOT, STATE, SegmentName,
};
use crate::store::etcd_wal::frames::{Frame, Frames, Step, Stop};
use crate::store::etcd_wal::segments::{Segment, segment_paths};
use crate::store::etcd_wal::tail::{self, Verdict};
use crate::store::follow::{Follow, FollowVisit, Looked};
use crate::store::window::Source;
use crate::store::{Located, StoreError, io_error};
use crate::vfs::{Fs, Metadata, OpenMode, VfsFile};

/// Looks after which what does not verify is no write that is under way.
const PATIENCE: u32 = 25;
/// Bytes in front of the next record by which a log is known again that went on another way.
const GUARD_BYTES: u64 = 32;

/// Where following begins.
pub struct Begin {
    /// The newest segment.
    pub name: SegmentName,
    /// Behind its last whole record.
    pub at: u64,
    /// The chain of checksums there; `None` where nothing is known of it.
    pub chain: Option<u32>,
    /// The last index, or what a snapshot covers; `None` where no index is known.
    pub last: Option<u64>,
    /// Everything up to this index lies in a snapshot.
    pub start: u64,
    /// Whether what lies behind was found to be damage, even where it begins with zeros.
    pub damaged: bool,
}

/// A place in a log of etcd that grows.
pub struct EtcdWalFollower {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    from: Begin,
    path: Arc<Path>,
    file: Option<Opened>,
    /// The bytes in front of the next record, as they were.
    guard: Vec<u8>,
    /// The newest snapshot that a marker told of.
    covered: u64,
    /// What stands where the next record should.
    unread: Option<Unread>,
    /// Looks in a row at which a segment followed that does not go on from here.
    astray: u32,
}

/// A segment that is open, and which file it is.
#[derive(Clone)]
struct Opened {
    file: Arc<dyn VfsFile>,
    identity: (u64, u64),
}

/// What the name of the segment that is open stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    /// That segment, with its size and time of change.
    Same(Version),
    /// Nothing any more.
    Gone,
    /// Another file.
    Other,
}

/// Size of a file, and when it was changed last.
type Version = (u64, i128);

/// Bytes that are no record, or none yet.
struct Unread {
    place: Place,
    /// Looks at which it was there.
    looks: u32,
    /// The file then.
    version: Version,
}

/// How reading a segment ended.
struct Read {
    any: bool,
    flow: ControlFlow<()>,
}

impl EtcdWalFollower {
    /// Reads on from `from`, in `segment` of the log in `dir`.
    pub fn behind(fs: &Arc<dyn Fs>, dir: &Path, segment: &Segment, from: Begin) -> EtcdWalFollower {
        EtcdWalFollower {
            fs: Arc::clone(fs),
            dir: dir.to_owned(),
            path: Arc::clone(&segment.source.path),
            file: None,
            // What the store read, which may have been replaced by now.
            guard: guard_of(&segment.source, from.at).unwrap_or_default(),
            from,
            covered: 0,
            unread: None,
            astray: 0,
        }
    }

    /// The segment as it is now, and what its name stands for; `None` when what was read of it is
    /// not there any more. A segment that is removed stays readable while it is open.
    fn segment(&mut self) -> Result<Option<(Source, Named)>, StoreError> {
        let opened = match &self.file {
            Some(opened) => opened.clone(),
            None => match self.opened(&self.path)? {
                Some(opened) => self.file.insert(opened).clone(),
                None => return Ok(None),
            },
        };
        let named = self.named(opened.identity)?;
        let file = opened.file;
        let size_bytes = file.size().map_err(io_error("look at", &self.path))?;
        let source = Source { file: Box::new(file), path: Arc::clone(&self.path), size_bytes };
        let now = guard_of(&source, self.from.at)?;
        let is_as_it_was = match self.guard.is_empty() {
            true => size_bytes >= self.from.at,
            false => now == self.guard,
        };
        self.guard = now;
        Ok((is_as_it_was && named != Named::Other).then_some((source, named)))
    }

    /// Opens a segment; `None` where there is none any more, or another one this moment.
    fn opened(&self, path: &Path) -> Result<Option<Opened>, StoreError> {
        let identity = |found: std::io::Result<Metadata>| match found {
            Ok(found) => Ok(Some(found.identity)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("look at", path)(error)),
        };
        let before = identity(self.fs.metadata(path))?;
        let file = match self.fs.open(path, OpenMode::Read) {
            Ok(file) => Arc::from(file),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", path)(error)),
        };
        let after = identity(self.fs.metadata(path))?;
        Ok(after.filter(|_| before == after).map(|identity| Opened { file, identity }))
    }

    /// What the name of the segment stands for now.
    fn named(&self, identity: (u64, u64)) -> Result<Named, StoreError> {
        match self.fs.metadata(&self.path) {
            Ok(found) if found.identity == identity => {
                Ok(Named::Same((found.size_bytes, found.modified_unix_ns)))
            }
            Ok(_) => Ok(Named::Other),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Named::Gone),
            Err(error) => Err(io_error("look at", &self.path)(error)),
        }
    }

    /// Hands over the entries of the records from here on.
    fn read(
        &mut self,
        (source, version): (&Source, Version),
        visit: &mut FollowVisit<'_>,
    ) -> Result<Read, StoreError> {
        let mut read = Read { any: false, flow: ControlFlow::Continue(()) };
        if self.is_known(version) {
            return Ok(read);
        }
        let mut frames = Frames::new(source, self.from.at);
        while read.flow.is_continue() {
            let frame = match frames.step()? {
                Step::Frame(frame) => frame,
                Step::Stop(Stop::End | Stop::Zero) if !self.from.damaged => {
                    self.unread = None;
                    break;
                }
                Step::Stop(_) => {
                    self.stays_unread(source, version);
                    break;
                }
            };
            let data = frames.bytes(&frame.data)?;
            match self.mismatch(&frame, data) {
                None => read.flow = self.take(&mut frames, &frame, visit)?,
                Some(found) if self.stays_unread(source, version) >= PATIENCE => {
                    match tail::mismatch(&mut frames, &frame, found, true)? {
                        Verdict::Torn(_) => break,
                        Verdict::Damaged(fault) => {
                            read.flow = visit_fault(fault, visit);
                            // That says what is missing, too.
                            self.from.last = None;
                        }
                    }
                }
                Some(_) => break,
            }
            self.from.chain = Some(frame.crc);
            (self.from.at, self.from.damaged) = (frame.end(), false);
            (self.unread, read.any) = (None, true);
        }
        if read.any {
            self.guard = guard_of(source, self.from.at)?;
        }
        Ok(read)
    }

    /// Whether a file that did not change since holds the same bytes that are no record. Once they
    /// are read all the same: a clock may have been too coarse to show the last change.
    fn is_known(&mut self, version: Version) -> bool {
        let Some(unread) = &mut self.unread else { return false };
        let known = unread.version == version && unread.looks != PATIENCE - 1;
        if known {
            unread.looks = unread.looks.saturating_add(1);
        }
        known
    }

    /// Takes note of bytes that are no record; returns how many looks they have been there.
    fn stays_unread(&mut self, source: &Source, version: Version) -> u32 {
        let place = source.place(self.from.at, source.size_bytes.saturating_sub(self.from.at));
        let before = self.unread.take().filter(|before| {
            (&before.place.file, before.place.offset_bytes) == (&place.file, place.offset_bytes)
        });
        let looks = before.map_or(1, |before| before.looks.saturating_add(1));
        self.unread = Some(Unread { place, looks, version });
        looks
    }

    /// What the checksum of a record would be, where it does not go on from the last one.
    fn mismatch(&self, frame: &Frame, data: &[u8]) -> Option<u32> {
        let running = self.from.chain?;
        let (found, fits) = match frame.kind {
            // etcd takes any value while its own is still 0.
            CHECKSUM => (running, running == 0 || running == frame.crc),
            _ => {
                let found = crc32c_resumed(running, data);
                (found, found == frame.crc)
            }
        };
        (!fits).then_some(found)
    }

    /// Hands over what a record says whose checksum fits.
    fn take(
        &mut self,
        frames: &mut Frames<'_>,
        frame: &Frame,
        visit: &mut FollowVisit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let place = frames.source().place(frame.at, frame.length.frame_bytes());
        let data = frames.bytes(&frame.data)?;
        let parts = match frame.kind {
            ENTRY => EntryParts::read(data).ok(),
            SNAPSHOT => {
                let marker = Marker::read(data).unwrap_or_default();
                self.covered = self.covered.max(marker.index);
                return Ok(ControlFlow::Continue(()));
            }
            METADATA | STATE | CHECKSUM => return Ok(ControlFlow::Continue(())),
            _ => None,
        };
        let Some(parts) = parts else {
            let kind = FaultKind::Field {
                what: "record",
                expected: "an entry, or another of a type from 1 to 5".to_owned(),
                found: format!("other bytes, of type {}", frame.kind),
            };
            return Ok(visit_fault(Fault::new(Code::R115, kind).at(place), visit));
        };
        if parts.index <= self.from.start {
            return Ok(ControlFlow::Continue(()));
        }
        let passed = self.from.last.and_then(|last| last.checked_add(1));
        let hole = passed.filter(|first| *first < parts.index);
        self.from.last = Some(parts.index);
        if let Some(first) = hole {
            let fault = self.hole(first, parts.index - 1).at(place.clone());
            if visit_fault(fault, visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let located = located(frames, frame, parts, place)?;
        Ok(visit(&GroupId::Unnamed, Ok(located)))
    }

    /// That entries are missing: a snapshot that a leader sent covers them, or they are lost.
    fn hole(&self, first: u64, last: u64) -> Fault {
        if self.covered >= last {
            let found = format!(
                "entries {first} to {last} are not in the log: a snapshot through {} covers them",
                self.covered
            );
            let fault = Fault::new(Code::R101, FaultKind::Note { found });
            return fault.at_index(LogIndex(first)).as_severity(Severity::Info);
        }
        let kind = FaultKind::Broken {
            message: format!(
                "entries {first} to {last} are missing, and no marker says that a snapshot covers \
                 them"
            ),
            expected: format!("an entry {first}, or the marker of a snapshot through {last}"),
            found: Some(format!("entry {}", last.saturating_add(1))),
        };
        Fault::new(Code::R115, kind).at_index(LogIndex(first))
    }

    /// Goes to the next segment, where its first record goes on from here.
    fn next_segment(&mut self) -> Result<Behind, StoreError> {
        let paths = segment_paths(self.fs.as_ref(), &self.dir)?;
        let next = paths.into_iter().find(|(name, _)| name.sequence > self.from.name.sequence);
        let Some((name, path)) = next else { return Ok(Behind::Nothing) };
        let Some(opened) = self.opened(&path)? else { return Ok(Behind::Other) };
        let file = Arc::clone(&opened.file);
        let size_bytes = file.size().map_err(io_error("look at", &path))?;
        let path: Arc<Path> = Arc::from(path);
        let source = Source { file: Box::new(file), path: Arc::clone(&path), size_bytes };
        let goes_on = match Frames::new(&source, 0).step()? {
            Step::Frame(frame) => frame.kind == CHECKSUM && self.mismatch(&frame, &[]).is_none(),
            Step::Stop(_) => false,
        };
        if !goes_on {
            return Ok(Behind::Other);
        }
        (self.path, self.file, self.unread) = (path, Some(opened), None);
        (self.from.name, self.from.at, self.from.damaged) = (name, 0, false);
        self.guard.clear();
        Ok(Behind::Next)
    }
}

/// What lies behind a segment.
#[derive(PartialEq, Eq)]
enum Behind {
    /// Nothing yet.
    Nothing,
    /// The next segment.
    Next,
    /// One that does not go on from here.
    Other,
}

/// The bytes in front of `at`.
fn guard_of(source: &Source, at: u64) -> Result<Vec<u8>, StoreError> {
    let len = at.min(GUARD_BYTES);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    let read = source.file.read_at(at - len, &mut bytes);
    let read = read.map_err(io_error("read", &source.path))?;
    bytes.truncate(read);
    Ok(bytes)
}

fn visit_fault(fault: Fault, visit: &mut FollowVisit<'_>) -> ControlFlow<()> {
    visit(&GroupId::Unnamed, Err(Box::new(fault.in_group(&GroupId::Unnamed))))
}

fn located(
    frames: &mut Frames<'_>,
    frame: &Frame,
    parts: EntryParts,
    place: Place,
) -> Result<Located, StoreError> {
    let kind = parts.kind();
    let payload = match parts.payload {
        Some(range) => {
            let at = frame.data.start.saturating_add(range.start as u64);
            Some(frames.window().shared(at, range.len())?)
        }
        None => None,
    };
    let entry = Entry {
        index: LogIndex(parts.index),
        term: Term(parts.term),
        kind,
        kind_code: Some(u32::try_from(parts.code).unwrap_or(u32::MAX)),
        payload,
        extra: EntryExtra::default(),
    };
    Ok(Located { entry, place: Some(place), faults: Vec::new() })
}

impl Follow for EtcdWalFollower {
    fn look(&mut self, visit: &mut FollowVisit<'_>) -> Result<Looked, StoreError> {
        let mut any = false;
        loop {
            let Some((source, named)) = self.segment()? else { return Ok(Looked::Lost) };
            let version = match named {
                Named::Same(version) => version,
                Named::Gone | Named::Other => (source.size_bytes, 0),
            };
            let read = self.read((&source, version), visit)?;
            any |= read.any;
            if read.flow.is_break() {
                return Ok(Looked::Ended);
            }
            let behind = self.next_segment()?;
            if behind == Behind::Next {
                continue;
            }
            // etcd removes a segment only when it has begun another.
            if named == Named::Gone && behind == Behind::Nothing {
                return Ok(Looked::Lost);
            }
            // Between two reads etcd may have written, and begun a segment; for long, the log goes
            // on elsewhere.
            let is_astray = !read.any && behind == Behind::Other;
            self.astray = if is_astray { self.astray.saturating_add(1) } else { 0 };
            return Ok(match (self.astray >= PATIENCE, any) {
                (true, _) => Looked::Lost,
                (false, true) => Looked::New,
                (false, false) => Looked::Nothing,
            });
        }
    }

    fn unread(&self) -> Option<Place> {
        self.unread.as_ref().map(|unread| unread.place.clone())
    }
}
