//! The files of a log: which are segments, in what order, and what else lies beside them.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{Code, Fault, FaultKind, Place, Severity};
use crate::store::etcd_wal::format::{SEGMENT_SUFFIX, SegmentName};
use crate::store::etcd_wal::replay::{Reached, SegmentEnd};
use crate::store::window::{ReadAt, Source};
use crate::store::{StoreError, io_error};
use crate::vfs::{FileKind, Fs, OpenMode, VfsFile};

/// Files that are open at once, at most: a log may have more segments than a process may open.
const OPEN_MAX: usize = 64;

/// A segment, opened.
pub struct Segment {
    /// The file.
    pub source: Source,
    /// What its name says.
    pub name: SegmentName,
}

/// Where something lies in a log: which of its segments, and at which byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Position of the segment among the others.
    pub segment: usize,
    /// Byte in it.
    pub offset_bytes: u64,
}

/// The paths of the segments in `dir`, in their order.
///
/// # Errors
/// When the directory cannot be listed.
pub fn segment_paths(fs: &dyn Fs, dir: &Path) -> Result<Vec<(SegmentName, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for path in fs.list(dir).map_err(io_error("list", dir))? {
        let name = path.file_name().map(|name| name.to_string_lossy());
        if let Some(name) = name.and_then(|name| SegmentName::read(&name)) {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The files that were opened last.
struct OpenFiles {
    fs: Arc<dyn Fs>,
    files: Mutex<VecDeque<(usize, Arc<dyn VfsFile>)>>,
}

impl OpenFiles {
    /// The file at `path`, the one of the segment at a position; opened unless it still is.
    fn get(&self, segment: usize, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = files.iter().find(|(at, _)| *at == segment) {
            return Ok(Arc::clone(file));
        }
        if files.len() >= OPEN_MAX {
            files.pop_front();
        }
        let file: Arc<dyn VfsFile> = Arc::from(self.fs.open(path, OpenMode::Read)?);
        files.push_back((segment, Arc::clone(&file)));
        Ok(file)
    }
}

/// A segment's file, opened when it is read.
struct SegmentFile {
    open: Arc<OpenFiles>,
    segment: usize,
    path: Arc<Path>,
}

impl ReadAt for SegmentFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.open.get(self.segment, &self.path)?.read_at(offset, buf)
    }
}

/// Opens every segment in `dir`.
///
/// # Errors
/// `NotFound` without any; when one cannot be opened.
pub fn open_segments(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Vec<Segment>, StoreError> {
    let open = Arc::new(OpenFiles { fs: Arc::clone(fs), files: Mutex::default() });
    let mut segments = Vec::new();
    for (segment, (name, path)) in segment_paths(fs.as_ref(), dir)?.into_iter().enumerate() {
        let path: Arc<Path> = Arc::from(path);
        let file = open.get(segment, &path).map_err(io_error("open", &path))?;
        let size_bytes = file.size().map_err(io_error("look at", &path))?;
        let open = Arc::clone(&open);
        let file = Box::new(SegmentFile { open, segment, path: Arc::clone(&path) });
        segments.push(Segment { source: Source { file, path, size_bytes }, name });
    }
    if segments.is_empty() {
        return Err(StoreError::NotFound {
            path: dir.to_owned(),
            reason: "no segment of etcd's WAL in this directory".to_owned(),
            seen: Vec::new(),
        });
    }
    Ok(segments)
}

/// What is wrong with the names of the segments (R116): a number left out, or given twice.
pub fn name_faults(segments: &[Segment]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (before, after) in segments.iter().zip(segments.iter().skip(1)) {
        let expected = before.name.sequence.checked_add(1);
        if expected == Some(after.name.sequence) {
            continue;
        }
        let number = |sequence: Option<u64>| {
            sequence.map_or("none".to_owned(), |sequence| format!("segment {sequence:016x}"))
        };
        let message = match after.name.sequence == before.name.sequence {
            true => "two segments have one number".to_owned(),
            false => {
                format!("the segments between {:016x} and it are missing", { before.name.sequence })
            }
        };
        let kind = FaultKind::Broken {
            message,
            expected: number(expected),
            found: Some(number(Some(after.name.sequence))),
        };
        faults.push(Fault::new(Code::R116, kind).at(after.source.place(0, 0)));
    }
    faults
}

/// Segments whose names say another first index than the records before them (R121): by the names
/// etcd looks for where to begin, and what to remove.
pub fn index_faults(segments: &[Segment], ends: &[SegmentEnd]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (end, segment) in ends.iter().zip(segments.iter().skip(1)) {
        let Reached { entry: Some(entry), any: Some(any) } = end.reached else { continue };
        let said = segment.name.index;
        // Behind a restart etcd knows of the entries only.
        let expected = [any, entry].map(|index| index.saturating_add(1));
        if end.damaged || expected.contains(&said) {
            continue;
        }
        let first = expected[0];
        let harm = match said < first {
            true => {
                "behind a snapshot of that index or later etcd begins to read in it, and \
                     refuses the log because entries are missing"
            }
            false => {
                "etcd keeps segments before it that it could remove, and finds it too late \
                      where those are gone"
            }
        };
        let kind = FaultKind::Broken {
            message: format!(
                "the name of the segment says that {said} comes first in it, the records before \
                 it that {first} does: {harm}"
            ),
            expected: format!("{:016x}-{first:016x}{SEGMENT_SUFFIX}", segment.name.sequence),
            found: None,
        };
        faults.push(Fault::new(Code::R121, kind).at(segment.source.place(0, 0)));
    }
    faults
}

/// What lies beside the segments and is none (R117).
///
/// # Errors
/// When the directory cannot be listed or a file not be looked at.
pub fn leftovers(fs: &dyn Fs, dir: &Path) -> Result<Vec<Fault>, StoreError> {
    let mut faults = Vec::new();
    for path in fs.list(dir).map_err(io_error("list", dir))? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let (words, severity) = if name.ends_with(".wal.broken") {
            ("the copy that etcd's repair made before it cut the segment", Severity::Warning)
        } else if name.ends_with(".tmp") {
            ("a segment that etcd prepared and did not use yet", Severity::Info)
        } else if name.ends_with(SEGMENT_SUFFIX) && SegmentName::read(&name).is_none() {
            ("no name of a segment; etcd passes over it", Severity::Warning)
        } else {
            continue;
        };
        let metadata = fs.symlink_metadata(&path).map_err(io_error("look at", &path))?;
        if metadata.kind == FileKind::Dir {
            continue;
        }
        let kind = FaultKind::Note { found: format!("{}: {words}", path.display()) };
        let file = Arc::from(path);
        let place = Place { file, offset_bytes: 0, len_bytes: metadata.size_bytes };
        faults.push(Fault::new(Code::R117, kind).at(place).as_severity(severity));
    }
    Ok(faults)
}
