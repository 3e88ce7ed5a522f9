//! Segments made ahead, new or from purged ones, so that beginning one costs no stall.
//!
//! A spare has the name of a segment to come and nothing in its first pages. Whoever finds one that
//! no log uses takes it for what it is: it holds nothing, and may be removed.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use crate::fastlog::Error;
use crate::fastlog::format::{FRAMES_OFFSET, SegmentNo};
use crate::fastlog::segment::{Files, NamedFile};
use crate::fastlog::syncs::Syncs;
use crate::fastlog::threads::{Condvar, Mutex, MutexGuard};
use crate::fastlog::writer::zeros;
use crate::model::IoError;
use crate::vfs::OpenMode;

/// Spares at the same time: one to take, and one that a purge left.
const SPARES_MAX: usize = 2;

/// A segment to come.
pub(super) struct Spare {
    pub(super) file: Arc<NamedFile>,
    /// Offset through which it was written.
    pub(super) filled: u64,
    /// Whether it held frames of an earlier life.
    pub(super) recycled: bool,
    /// Whether its name is known to be durable.
    pub(super) named: bool,
}

/// Spares that are there, and the one that is being made. Names of segments to come are given and
/// taken under its lock only.
pub(super) struct Shelf {
    files: Arc<Files>,
    /// Most bytes that are written and synced at once.
    piece_bytes: usize,
    state: Mutex<State>,
    work: Condvar,
    /// A piece was written.
    written: Condvar,
}

struct State {
    /// The number of the next segment.
    next: SegmentNo,
    /// From `next` on.
    ready: VecDeque<Spare>,
    /// Size through which the next one is to be written, when it is wanted.
    wanted: Option<u64>,
    making: Option<Making>,
    /// A piece of it is being written just now.
    writing: bool,
    stopping: bool,
}

/// A spare of which some was written.
#[derive(Clone)]
struct Making {
    number: SegmentNo,
    file: Arc<NamedFile>,
    filled: u64,
    size: u64,
}

impl Shelf {
    /// An empty one; `next` is the number of the next segment. Spares are written in pieces of at
    /// most `piece_bytes`, and no more than are synced quickly; 0 leaves it at those.
    pub(super) fn new(files: Arc<Files>, next: SegmentNo, piece_bytes: u64) -> Shelf {
        let piece_bytes = usize::try_from(piece_bytes).unwrap_or(usize::MAX);
        let usual = zeros().len();
        let piece_bytes = if piece_bytes == 0 { usual } else { piece_bytes.min(usual) };
        let (ready, making) = (VecDeque::new(), None);
        let state = State { next, ready, wanted: None, making, writing: false, stopping: false };
        let (state, work, written) = (Mutex::new(state), Condvar::new(), Condvar::new());
        Shelf { files, piece_bytes, state, work, written }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a spare with zeros written through `size`.
    pub(super) fn want(&self, size: u64) {
        let mut state = self.state();
        if state.ready.is_empty() && state.making.is_none() {
            state.wanted = Some(size);
            self.work.notify_all();
        }
    }

    /// Sleeps until a spare is wanted. Returns whether to go on.
    pub(super) fn await_work(&self) -> bool {
        let mut state = self.state();
        while !state.stopping && state.wanted.is_none() && state.making.is_none() {
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.stopping
    }

    /// Lets the thread end.
    pub(super) fn stop(&self) {
        self.state().stopping = true;
        self.work.notify_all();
    }

    /// Makes a piece of the spare that is wanted, if one is. Returns whether there is more to do.
    /// One that cannot be made is given up: the segment is then made when it is needed.
    ///
    /// # Errors
    /// `Poisoned` when the directory could not be synced.
    pub(super) fn advance(&self, syncs: &Syncs) -> Result<bool, Error> {
        syncs.check()?;
        let Some(mut making) = self.begin_making() else { return Ok(false) };
        let written = making.write(self.piece_bytes);
        let complete = written.is_ok() && making.filled >= making.size;
        let named = if complete { self.files.sync_dir() } else { Ok(()) };
        let mut state = self.state();
        state.writing = false;
        self.written.notify_all();
        // A segment of a purge took the name meanwhile.
        let ours = state.making.take_if(|known| known.number == making.number).is_some();
        // Names that others wait for may be lost with this one.
        named.map_err(|error| syncs.poisoned(error))?;
        if !ours {
            return Ok(false);
        }
        match written {
            Ok(()) if state.stopping => {
                state.making = Some(making);
                return Ok(false);
            }
            Err(_) => self.remove(making.number),
            Ok(()) if complete => {
                let Making { file, filled, .. } = making;
                state.ready.push_back(Spare { file, filled, recycled: false, named: true });
            }
            Ok(()) => state.making = Some(making),
        }
        Ok(state.making.is_some())
    }

    /// The spare that is being made, begun now if it was not.
    fn begin_making(&self) -> Option<Making> {
        let mut state = self.state();
        // One at a time: who writes a piece is the only one who writes to the file.
        if state.stopping || state.writing {
            return None;
        }
        if let Some(size) = state.wanted.take()
            && state.ready.is_empty()
            && state.making.is_none()
        {
            let number = state.next;
            let file = Arc::new(self.create(number).ok()?);
            state.making = Some(Making { number, file, filled: 0, size });
        }
        state.writing = state.making.is_some();
        state.making.clone()
    }

    fn create(&self, number: SegmentNo) -> Result<NamedFile, IoError> {
        self.files.open(&self.files.segment_path(number), OpenMode::CreateNew)
    }

    /// What stays is blank, and no part of the log.
    fn remove(&self, number: SegmentNo) {
        let _stays_and_is_ignored = self.files.remove(number);
    }

    /// The file of the next segment, whose number is `number`: a spare, the one that is being made
    /// as far as it is, or one made now.
    pub(super) fn take(&self, number: SegmentNo) -> Result<Spare, IoError> {
        let mut state = self.state();
        // Once the piece is written nobody else writes to the file.
        while state.writing && state.making.as_ref().is_some_and(|m| m.number == number) {
            state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (state.next, state.wanted) = (number.next(), None);
        let begun = state.making.take_if(|making| making.number <= number);
        if let Some(spare) = state.ready.pop_front() {
            return Ok(spare);
        }
        if let Some(Making { file, filled, .. }) = begun {
            return Ok(Spare { file, filled, recycled: false, named: false });
        }
        let file = match self.create(number) {
            Err(error) if error.source.kind() == std::io::ErrorKind::AlreadyExists => {
                self.files.remove(number)?;
                self.create(number)?
            }
            other => other?,
        };
        Ok(Spare { file: Arc::new(file), filled: 0, recycled: false, named: false })
    }

    /// Takes back a segment that could not be begun, with all that was made ahead of it.
    pub(super) fn take_back(&self, number: SegmentNo) {
        self.clear();
        self.remove(number);
        self.state().next = number;
    }

    /// Makes a spare of the segment `purged`, which nobody needs and whose size is fine: its first
    /// pages are emptied before it gets its new name. The directory is the caller's to sync, and
    /// then to tell. `None` when no spare is wanted, or none could be made; the segment is there
    /// under its old name then, or gone.
    pub(super) fn recycle(&self, purged: SegmentNo) -> Option<SegmentNo> {
        let mut state = self.state();
        if state.ready.len() >= SPARES_MAX {
            return None;
        }
        let behind = u64::try_from(state.ready.len()).unwrap_or(u64::MAX);
        let number = SegmentNo(state.next.0.checked_add(behind)?);
        let file = self.files.open(&self.files.segment_path(purged), OpenMode::ReadWrite).ok()?;
        let filled = file.size().ok()?;
        let head = usize::try_from(FRAMES_OFFSET).unwrap_or(usize::MAX);
        file.write(0, zeros().get(..head)?).ok()?;
        // No promise rests on this: with its old head the file would be cut off by recovery. With
        // zeros whoever looks before that sees a spare.
        file.sync().ok()?;
        drop(file);
        // This one is ready, and takes the place of one that is not.
        if let Some(making) = state.making.take() {
            self.remove(making.number);
        }
        if self.files.rename(purged, number).is_err() {
            self.remove(number);
            return None;
        }
        let path = self.files.segment_path(number);
        let Ok(file) = self.files.open(&path, OpenMode::ReadWrite) else {
            self.remove(number);
            return None;
        };
        state.wanted = None;
        state.ready.push_back(Spare { file: Arc::new(file), filled, recycled: true, named: false });
        Some(number)
    }

    /// Takes note that the names of all spares are durable.
    pub(super) fn named(&self) {
        self.state().ready.iter_mut().for_each(|spare| spare.named = true);
    }

    /// Removes all spares; returns whether there were any.
    pub(super) fn clear(&self) -> bool {
        let mut state = self.state();
        state.wanted = None;
        let ready = u64::try_from(state.ready.len()).unwrap_or(u64::MAX);
        let first = state.next.0;
        let numbers = (first..first.saturating_add(ready)).map(SegmentNo);
        let begun = state.making.take().map(|making| making.number);
        state.ready.clear();
        let numbers: Vec<SegmentNo> = numbers.chain(begun).collect();
        numbers.iter().rev().for_each(|number| self.remove(*number));
        !numbers.is_empty()
    }
}

impl Making {
    /// Writes and syncs a piece, so that no sync is long.
    fn write(&mut self, piece_bytes: usize) -> Result<(), IoError> {
        let left = usize::try_from(self.size - self.filled).unwrap_or(usize::MAX);
        let piece = zeros().get(..left.min(piece_bytes)).unwrap_or_default();
        self.file.write(self.filled, piece)?;
        self.file.sync()?;
        self.filled += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}
