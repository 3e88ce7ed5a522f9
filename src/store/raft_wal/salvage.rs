//! What can still be proven of a damaged directory: the entries from the first one on up to where
//! the first is missing or damaged. What a torn write left at the end is cut, as the library cuts
//! it.
//!
//! Batches behind damage have sound checksums of their own, but a log with a hole is none that a
//! node of Raft could use, and the format holds no holes.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::model::{Code, Fault, GroupId, IndexRange, KnownFaults, LogIndex, LogState};
use crate::store::raft_wal::source::RaftWalStore;
use crate::store::salvage::{Salvage, Salvaged, StateTaken};
use crate::store::{Entries, Format, HeadPiece, Level, LogSource, Store, StoreError, StoreFile};
use crate::vfs::{Fs, Held};

/// What says that something is damaged, or was cut.
const PIECES: [Code; 6] = [Code::R114, Code::R115, Code::R116, Code::R119, Code::R120, Code::R122];

/// A directory of raft-wal, opened for what can be proven.
pub struct RaftWalSalvage {
    store: RaftWalStore,
    state: LogState,
    salvaged: Salvaged,
    /// The entries that are proven.
    proven: Option<IndexRange>,
}

impl RaftWalSalvage {
    /// Opens the directory `dir`, whose `wal-meta.db` the caller has locked where that is possible,
    /// and follows all of it.
    ///
    /// # Errors
    /// `Fault` (R119) when not even the list of segments can be read, `Io` when the system refused.
    pub fn open(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        lock: Option<Box<dyn Held>>,
    ) -> Result<RaftWalSalvage, StoreError> {
        let store = RaftWalStore::open(fs, dir, lock)?;
        let state = store.state(&GroupId::Unnamed)?;
        let checked = store.check(Level::Full, &mut |_| ControlFlow::Continue(()))?;
        let known = KnownFaults::of(&checked.faults);
        let mut salvaged = Salvaged::default();
        if !store.meta.stable_is_whole {
            salvaged.state = StateTaken::Lost;
        } else if checked.faults.iter().any(|fault| fault.code == Code::R123) {
            salvaged.state = StateTaken::CommitBefore;
        }
        let reaches_further = is_open(&store, &checked.faults);
        let pieces = checked.faults.into_iter().filter(|fault| PIECES.contains(&fault.code));
        pieces.for_each(|fault| salvaged.drop_piece(fault));
        let (proven, stopped) = sound_prefix(&store, state.bounds)?;
        if let Some(fault) = stopped.filter(|fault| !known.has(fault)) {
            salvaged.drop_piece(fault);
        }
        let last = proven.map(IndexRange::last);
        if let Some(bounds) = state.bounds {
            let first = last.map_or(Some(bounds.first()), LogIndex::next);
            let missing = first.and_then(|first| IndexRange::new(first, bounds.last()));
            salvaged.missing.extend(missing);
        }
        if salvaged.missing.is_empty() && reaches_further {
            salvaged.open_end = Some(last);
        }
        Ok(RaftWalSalvage { store, state, salvaged, proven })
    }
}

/// Whether there may have been entries behind the last one: the file that would hold them is gone,
/// or whole batches follow what the library takes for the end.
fn is_open(store: &RaftWalStore, faults: &[Fault]) -> bool {
    let Some(tail) = store.segments.iter().find(|segment| segment.is_tail()) else { return false };
    let end = tail.survey.get().map_or(0, |survey| survey.end);
    let behind = |fault: &Fault| {
        let place = fault.place.as_ref().filter(|place| place.file == tail.path);
        fault.code == Code::R115 && place.is_some_and(|place| place.offset_bytes >= end)
    };
    tail.file.is_none() || faults.iter().any(behind)
}

/// The entries up to the first that is missing or damaged, and what is wrong there.
fn sound_prefix(
    store: &RaftWalStore,
    bounds: Option<IndexRange>,
) -> Result<(Option<IndexRange>, Option<Fault>), StoreError> {
    let Some(bounds) = bounds else { return Ok((None, None)) };
    let mut next = bounds.first();
    let mut stopped = None;
    for piece in store.head_runs(&GroupId::Unnamed, IndexRange::ALL)? {
        let (range, fault) = match piece {
            Ok(HeadPiece::Run(run)) => (run.range, None),
            Ok(HeadPiece::One(mut located)) => {
                let index = located.head.index;
                let Some(range) = IndexRange::new(index, index) else { break };
                (range, located.faults.pop())
            }
            Err(StoreError::Fault(fault)) => {
                stopped = Some(*fault);
                break;
            }
            Err(error) => return Err(error),
        };
        if range.first() != next || fault.is_some() {
            stopped = fault;
            break;
        }
        next = range.last().next().unwrap_or(range.last());
    }
    let last = next.previous().filter(|last| *last >= bounds.first());
    Ok((last.and_then(|last| IndexRange::new(bounds.first(), last)), stopped))
}

impl Salvage for RaftWalSalvage {
    fn format(&self) -> Format {
        Format::RaftWal
    }

    fn files(&self) -> &[StoreFile] {
        self.store.files()
    }

    fn segment_bytes(&self) -> Option<u64> {
        self.store.segment_bytes()
    }

    fn groups(&self) -> Vec<GroupId> {
        vec![GroupId::Unnamed]
    }

    fn state(&self, _group: &GroupId) -> LogState {
        LogState { bounds: self.proven, ..self.state.clone() }
    }

    fn salvaged(&self, _group: &GroupId) -> &Salvaged {
        &self.salvaged
    }

    fn entries(&self, group: &GroupId) -> Result<Entries<'_>, StoreError> {
        match self.proven {
            Some(range) => self.store.entries(group, range),
            None => Ok(Box::new(std::iter::empty())),
        }
    }
}
