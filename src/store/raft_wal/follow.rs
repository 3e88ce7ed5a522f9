//! Reading on behind the last batch of a directory, while its library goes on.
//!
//! The list of segments says what was sealed, begun, and deleted at either end; its transaction
//! tells whether it changed. A new segment that begins at or before the next index replaces what
//! was behind: the library never writes the place of an entry twice. A batch counts once its
//! checksum fits.
//!
//! The file with the list stays open, so that no other can have its identity: another file under
//! its name, or a list from before the known one, is another log.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::model::{Fault, GroupId, LogIndex, Place};
use crate::store::bolt::read_metas;
use crate::store::follow::{Follow, FollowVisit, Looked, skipped};
use crate::store::raft_wal::META_FILE;
use crate::store::raft_wal::entries::Reading;
use crate::store::raft_wal::format::{CODEC, SegmentName};
use crate::store::raft_wal::meta::{SegmentInfo, read_meta};
use crate::store::raft_wal::segment::Segment;
use crate::store::raft_wal::source::RaftWalStore;
use crate::store::raft_wal::window::SegmentFile;
use crate::store::{StoreError, io_error};
use crate::vfs::{Fs, OpenMode, VfsFile};

/// Looks after which a batch whose checksum does not fit is no write that is under way.
const PATIENCE: u32 = 25;
/// Times that a list is read anew which changed while it was read.
const TRIES: u32 = 5;

/// A place in a directory that grows.
pub struct RaftWalFollower {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    /// The file with the list that the store read, and its identity; `None` where it is not there
    /// any more.
    meta: Option<(Box<dyn VfsFile>, (u64, u64))>,
    /// Transaction of the list that is known.
    transaction: u64,
    /// The segments, ascending by their first index.
    infos: Vec<SegmentInfo>,
    /// The segment that is read, where its next batch begins, and how many entries lie before.
    segment: SegmentName,
    batch: (u64, u64),
    /// The next index.
    next: u64,
    /// Looks at which the next batch was there and not sound.
    unsound: u32,
    /// Behind the last sound batch of the tail, where something was written.
    unread: Option<Place>,
}

/// How reading a segment ended.
enum Read {
    /// At its end for now.
    Waiting { new: bool },
    /// It is sealed, and all of it was read.
    Through,
    /// The visitor broke off.
    Ended,
}

impl RaftWalFollower {
    /// Reads on from the end of what `store` shows.
    pub fn behind(store: &RaftWalStore, fs: &Arc<dyn Fs>) -> Option<RaftWalFollower> {
        let last = store.segments.last()?;
        let behind = last.survey.get().map_or((0, 0), |survey| (survey.end, survey.entries));
        let dir = last.path.parent()?.to_owned();
        let path = dir.join(META_FILE);
        let opened = fs.open(&path, OpenMode::Read).ok();
        let identity = fs.metadata(&path).ok().map(|found| found.identity);
        let meta = opened.zip(identity.filter(|_| identity == store.identity));
        let mut infos = store.meta.state.segments.clone().unwrap_or_default();
        infos.sort_by_key(|info| info.base_index);
        Some(RaftWalFollower {
            fs: Arc::clone(fs),
            dir,
            meta,
            transaction: store.meta.metas.used.transaction,
            infos,
            segment: last.name,
            batch: behind,
            next: last.max.map_or(last.index(behind.1), |max| max.saturating_add(1)).max(last.min),
            unsound: 0,
            unread: None,
        })
    }

    /// Whether the file with the list is the one that was read.
    fn is_same(&self, path: &Path) -> Result<bool, StoreError> {
        match self.fs.metadata(path) {
            Ok(found) => Ok(self.meta.as_ref().is_some_and(|(_, known)| *known == found.identity)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_error("look at", path)(error)),
        }
    }

    /// Takes over the list of segments, if it changed; returns whether it is that of the same log.
    fn list(&mut self) -> Result<bool, StoreError> {
        let path = self.dir.join(META_FILE);
        if !self.is_same(&path)? {
            return Ok(false);
        }
        for _ in 0..TRIES {
            let before = transaction(self.fs.as_ref(), &path)?;
            if before <= self.transaction {
                return Ok(before == self.transaction);
            }
            let read = read_meta(self.fs.as_ref(), &path);
            // Pages may be written again once two transactions have come since.
            if transaction(self.fs.as_ref(), &path)? != before {
                continue;
            }
            let mut infos = read?.state.segments.unwrap_or_default();
            infos.sort_by_key(|info| info.base_index);
            let newest = self.infos.iter().map(|info| info.id).max();
            let begun = infos.iter().filter(|info| Some(info.id) > newest);
            // What stands in front of the first new one stays; the library took away the rest.
            if let Some(first) = begun.map(|info| info.base_index).min() {
                self.next = self.next.min(first);
            }
            (self.infos, self.transaction) = (infos, before);
            return Ok(true);
        }
        Ok(true)
    }

    /// Goes to the segment that holds the next index, or will; says which indexes were deleted
    /// before they were read. `None` without any segment.
    fn stand(&mut self) -> Option<(Option<(u64, u64)>, SegmentInfo)> {
        let holds = |info: &&SegmentInfo| !info.is_sealed() || info.max_index >= self.next;
        let info = self.infos.iter().find(holds)?.clone();
        let first = info.base_index.max(info.min_index);
        let passed = (first > self.next).then(|| (self.next, first.saturating_sub(1)));
        self.next = self.next.max(first);
        let name = SegmentName { base: info.base_index, id: info.id };
        if self.segment != name {
            (self.segment, self.batch, self.unsound) = (name, (0, 0), 0);
        }
        Some((passed, info))
    }

    /// Hands over the sound batches of the segment from here on.
    fn read(
        &mut self,
        info: &SegmentInfo,
        visit: &mut FollowVisit<'_>,
    ) -> Result<Read, StoreError> {
        let path: Arc<Path> = Arc::from(self.dir.join(self.segment.file()));
        let file = match self.fs.metadata(&path) {
            Ok(found) => SegmentFile {
                fs: Arc::clone(&self.fs),
                path: Arc::clone(&path),
                size_bytes: found.size_bytes,
            },
            // It is created behind its line in the list, and removed behind that, too.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Read::Waiting { new: false });
            }
            Err(error) => return Err(io_error("look at", &path)(error)),
        };
        let segment = Segment {
            name: self.segment,
            min: info.min_index,
            max: info.is_sealed().then_some(info.max_index),
            index_start: info.index_start,
            file: Some(file.clone()),
            path,
            survey: OnceLock::new(),
        };
        let last = segment.max.unwrap_or(u64::MAX);
        let mut reading = Reading::from(&segment, &file, (self.next, last), self.batch)?;
        let mut new = false;
        loop {
            let before = reading.behind_batch();
            let found = reading.next()?;
            // The last batch was read to its end.
            if let Some(behind) = before.filter(|before| reading.behind_batch() != Some(*before)) {
                self.batch = behind;
            }
            match found {
                Some(Ok(located)) => {
                    self.next = located.entry.index.0.saturating_add(1);
                    (new, self.unsound) = (true, 0);
                    if visit(&GroupId::Unnamed, Ok(located)).is_break() {
                        return Ok(Read::Ended);
                    }
                }
                Some(Err(fault)) => match self.unreadable(&segment, &reading, fault, visit) {
                    Some(read) => return Ok(read),
                    None => new = true,
                },
                None if segment.is_tail() || self.next <= last => {
                    self.unread = reading.unread(self.batch.0)?;
                    return Ok(Read::Waiting { new });
                }
                None => return Ok(Read::Through),
            }
        }
    }

    /// What stands where a batch should: a write that is under way for a while, then damage, which
    /// is told and passed over. Returns how reading ends, if it does.
    fn unreadable(
        &mut self,
        segment: &Segment,
        reading: &Reading<'_>,
        fault: Fault,
        visit: &mut FollowVisit<'_>,
    ) -> Option<Read> {
        self.unsound = self.unsound.saturating_add(1);
        // In the last segment the library writes such a batch again after its next start, from
        // the same place on: there it is waited for until the segment is sealed.
        if segment.is_tail() || self.unsound < PATIENCE {
            self.unread = fault.place;
            return Some(Read::Waiting { new: false });
        }
        self.unsound = 0;
        let behind = match (reading.behind_batch(), segment.max) {
            (Some(behind), _) => segment.index(behind.1),
            (None, Some(max)) => max.saturating_add(1),
            (None, None) => self.next,
        };
        self.next = self.next.max(behind);
        match visit(&GroupId::Unnamed, Err(Box::new(fault))) {
            ControlFlow::Continue(()) => None,
            ControlFlow::Break(()) => Some(Read::Ended),
        }
    }
}

impl Follow for RaftWalFollower {
    fn look(&mut self, visit: &mut FollowVisit<'_>) -> Result<Looked, StoreError> {
        let mut any = false;
        self.unread = None;
        if !self.list()? || self.infos.iter().any(|info| info.codec != CODEC) {
            return Ok(Looked::Lost);
        }
        while let Some((passed, info)) = self.stand() {
            if let Some((first, last)) = passed {
                any = true;
                let fault = skipped(&GroupId::Unnamed, LogIndex(first), LogIndex(last));
                if visit(&GroupId::Unnamed, Err(Box::new(fault))).is_break() {
                    return Ok(Looked::Ended);
                }
            }
            match self.read(&info, visit)? {
                Read::Ended => return Ok(Looked::Ended),
                Read::Through => any = true,
                Read::Waiting { new } => {
                    any |= new;
                    break;
                }
            }
        }
        Ok(if any { Looked::New } else { Looked::Nothing })
    }

    fn unread(&self) -> Option<Place> {
        self.unread.clone()
    }
}

/// The transaction of the list at `path`.
pub fn transaction(fs: &dyn Fs, path: &Path) -> Result<u64, StoreError> {
    let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
    let size_bytes = file.size().map_err(io_error("look at", path))?;
    Ok(read_metas(file.as_ref(), &Arc::from(path), size_bytes)?.used.transaction)
}
