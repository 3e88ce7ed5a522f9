//! Where a node that opens the log would begin: behind the newest snapshot that counts.
//!
//! A marker counts when it is not above the commit index. Releases up to 3.7 also want its `.snap`
//! file, whole and of the same index and term; newer ones keep none. Without any they begin with
//! index 1.

use std::path::{Path, PathBuf};

use crate::model::{
    Code, Fault, FaultKind, LogId, LogIndex, Severity, SharedBytes, SnapshotNote, Term,
};
use crate::store::StoreError;
use crate::store::etcd_wal::entries::{HeadWalk, Log};
use crate::store::etcd_wal::index::Hole;
use crate::store::etcd_wal::replay::{Marked, Replay};
use crate::store::etcd_wal::segments::Segment;
use crate::store::snapshots::etcd::{self, Contents, SnapFile};
use crate::vfs::{FileKind, Fs, parent_of};

/// Markers whose term is compared with that of their entry, the newest.
const MARKERS_COMPARED: usize = 64;
/// Holes below the start that are told one by one.
const HOLES_TOLD: usize = 64;
/// Snapshots of which one is looked for behind which a damaged log can begin; etcd keeps five.
const PROVEN_MAX: usize = 8;
/// Name of the directory with snapshots, beside that of the log.
const SNAP_DIR: &str = "snap";

/// Where a log begins.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The snapshot that everything up to its index is in; `None` for the beginning of time.
    pub snapshot: Option<SnapshotNote>,
    /// Why, one line.
    pub evidence: String,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

impl Start {
    /// Index of the snapshot, or 0.
    pub fn index(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.index.0)
    }

    /// Index and term of the snapshot.
    pub fn id(&self) -> Option<LogId> {
        self.snapshot.as_ref().map(|note| LogId { index: note.index, term: note.term })
    }
}

/// The directory with snapshots of the log in `dir`, where there is one.
pub fn snap_dir(fs: &dyn Fs, dir: &Path) -> Option<PathBuf> {
    let snap = parent_of(dir).join(SNAP_DIR);
    let beside = dir.file_name().is_some_and(|name| name == "wal");
    let is_dir = fs.metadata(&snap).is_ok_and(|found| found.kind == FileKind::Dir);
    (beside && is_dir).then_some(snap)
}

/// The markers that are not above the commit index, ascending.
pub fn valid_markers(replay: &Replay) -> impl DoubleEndedIterator<Item = &Marked> {
    let commit = replay.state.map_or(0, |state| state.commit);
    replay.markers.iter().filter(move |marked| marked.index > 0 && marked.index <= commit)
}

/// Chooses where the log begins.
///
/// # Errors
/// When a `.snap` file cannot be read; damage to one only makes it count for nothing.
pub fn choose(fs: &dyn Fs, snap: Option<&Path>, replay: &Replay) -> Result<Start, StoreError> {
    if let Some(snap) = snap {
        for file in etcd::list(fs, snap)? {
            if let Some((marked, contents)) = counted(fs, &file, replay)? {
                let members = match contents.members.is_empty() {
                    true => marked.members.clone(),
                    false => SharedBytes::from(contents.members),
                };
                let store = if contents.is_v2_store { ", with a v2 store inside" } else { "" };
                return Ok(Start {
                    snapshot: Some(note(marked, Some(file.name.clone()), members)),
                    evidence: format!(
                        "begins behind {}, the newest snapshot that a marker names{store}",
                        file.name
                    ),
                    faults: Vec::new(),
                });
            }
        }
    }
    if replay.pieces.is_whole() {
        let evidence = "begins with index 1: no snapshot counts".to_owned();
        return Ok(Start { evidence, ..Start::default() });
    }
    let Some(marked) = valid_markers(replay).next_back() else {
        let evidence = "what came before its first entry is not in view".to_owned();
        return Ok(Start { evidence, ..Start::default() });
    };
    let index = marked.index;
    let found = format!(
        "the log begins behind the marker of a snapshot through {index} whose .snap file is not \
         {}: releases of etcd up to 3.7 want it",
        if snap.is_some() { "there" } else { "in view" }
    );
    let mut fault = Fault::new(Code::R121, FaultKind::Note { found }).at_index(LogIndex(index));
    if snap.is_none() {
        fault = fault.as_severity(Severity::Info);
    }
    Ok(Start {
        snapshot: Some(note(marked, None, marked.members.clone())),
        evidence: format!("begins behind the marker of a snapshot through {index}"),
        faults: vec![fault],
    })
}

/// What a `.snap` file holds, and the marker that names it, where it counts.
fn counted<'r>(
    fs: &dyn Fs,
    file: &SnapFile,
    replay: &'r Replay,
) -> Result<Option<(&'r Marked, Contents)>, StoreError> {
    let of = (file.index, file.term);
    let Some(marked) = valid_markers(replay).find(|marked| (marked.index, marked.term) == of)
    else {
        return Ok(None);
    };
    let proven = etcd::prove(fs, file, &mut |_| std::ops::ControlFlow::Continue(()))?;
    let contents = proven.ok().filter(|contents| contents.fault(file).is_none());
    Ok(contents.map(|contents| (marked, contents)))
}

/// The indexes of the snapshots whose `.snap` file counts, newest first, of which a few are enough.
///
/// # Errors
/// When a `.snap` file cannot be read.
pub fn proven(fs: &dyn Fs, snap: &Path, replay: &Replay) -> Result<Vec<LogIndex>, StoreError> {
    let mut found = Vec::new();
    for file in etcd::list(fs, snap)? {
        if found.len() < PROVEN_MAX && counted(fs, &file, replay)?.is_some() {
            found.push(LogIndex(file.index));
        }
    }
    Ok(found)
}

fn note(marked: &Marked, id: Option<String>, note: SharedBytes) -> SnapshotNote {
    SnapshotNote { index: LogIndex(marked.index), term: Term(marked.term), id, note }
}

/// Markers that contradict an entry or each other (R108).
///
/// # Errors
/// When the files cannot be read.
pub fn contradictions(segments: &[Segment], replay: &Replay) -> Result<Vec<Fault>, StoreError> {
    let mut faults = Vec::new();
    let mut before: Option<&Marked> = None;
    for marked in valid_markers(replay).rev().take(MARKERS_COMPARED) {
        let other = before.filter(|other| other.index == marked.index && other.term != marked.term);
        let entry = term_of(segments, replay, marked.index)?.filter(|term| *term != marked.term);
        before = Some(marked);
        let contradicting = match (other, entry) {
            (_, Some(term)) => format!("the entry has term {term}"),
            (Some(other), None) => format!("another marker says term {}", other.term),
            (None, None) => continue,
        };
        let kind = FaultKind::Broken {
            message: format!(
                "the marker of the snapshot through {} has term {}, but {contradicting}",
                marked.index, marked.term
            ),
            expected: format!("term {}", marked.term),
            found: entry.map(|term| format!("term {term}")),
        };
        let mut fault = Fault::new(Code::R108, kind).at_index(LogIndex(marked.index));
        if let Some(segment) = segments.get(marked.spot.segment) {
            fault = fault.at(segment.source.place(marked.spot.offset_bytes, 0));
        }
        faults.push(fault.at_term(Term(marked.term)));
    }
    Ok(faults)
}

/// Holes that begin below `start`, or anywhere, and that no snapshot from a leader left (R115); and
/// the one in front of the first entry, which no rule of Raft tells. Below the start the log behind
/// them is whole, so nobody who opens it would see them; but a record there is not what was
/// written: of a record only the data are under its checksum, not the type.
pub fn lost(segments: &[Segment], replay: &Replay, start: Option<u64>) -> Vec<Fault> {
    let markers = &replay.markers;
    let is_all = replay.counts.markers == markers.len() as u64;
    // Of very many markers the oldest are not kept.
    let known_from = markers.first().filter(|_| !is_all).map_or(0, |marked| marked.index);
    let is_marked = |index: u64| markers.binary_search_by_key(&index, |one| one.index).is_ok();
    // A segment's name says with which entry it begins, at the latest.
    let first = segments.first().map_or(1, |segment| segment.name.index.max(1));
    let below = |hole: &Hole| start.is_none_or(|start| hole.before < start);
    let holes = replay.pieces.hole_in_front(first).into_iter();
    let holes = holes.chain(replay.pieces.holes().filter(below)).filter(|hole| {
        let covered = hole.behind.saturating_sub(1);
        covered >= known_from && !is_marked(covered)
    });
    let fault = |hole: Hole| {
        let (first, last) = (hole.before.saturating_add(1), hole.behind.saturating_sub(1));
        let kind = FaultKind::Broken {
            message: format!(
                "entries {first} to {last} are missing, and no marker says that a snapshot covers \
                 them"
            ),
            expected: format!("an entry {first}, or the marker of a snapshot through {last}"),
            found: Some(format!("entry {}", hole.behind)),
        };
        let fault = Fault::new(Code::R115, kind).at_index(LogIndex(first));
        match segments.get(hole.spot.segment) {
            Some(segment) => fault.at(segment.source.place(hole.spot.offset_bytes, 0)),
            None => fault,
        }
    };
    holes.take(HOLES_TOLD).map(fault).collect()
}

fn term_of(segments: &[Segment], replay: &Replay, index: u64) -> Result<Option<u64>, StoreError> {
    let Some(piece) = replay.pieces.get(index) else { return Ok(None) };
    if piece.alike {
        return Ok(piece.run().map(|run| run.term.0));
    }
    let range = crate::model::IndexRange::new(LogIndex(index), LogIndex(index));
    let Some(range) = range else { return Ok(None) };
    let pieces = std::slice::from_ref(piece);
    let walk = HeadWalk::new(Log { segments, pieces, faults: &[] }, range);
    for head in walk {
        match head {
            Ok(head) => return Ok(Some(head.head.term.0)),
            Err(StoreError::Fault(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
