//! Our own segments as a store.
//!
//! Opening reads and verifies everything once and keeps an index of about 24 bytes an entry;
//! heads come from it, entries are read again and verified again.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use crate::fastlog::format::ANCHOR_FILE;
use crate::fastlog::format::{
    ANCHOR_MAGIC, ENTRY_CONTENT_MAX, PAGE_BYTES, SEGMENT_MAGIC, SEGMENT_SUFFIX, Settings,
};
use crate::fastlog::policy::{Flush, Promise, QUEUE_ENTRIES};
use crate::fastlog::{
    BulkWriter, Error, Followed, Follower, LogView, Options, RecordView, Standing,
};
use crate::model::{
    Durability, Entry, EntryKind, Fault, GroupId, IndexRange, IoError, LogState, Place,
};
use crate::store::follow::{Follow, FollowVisit, Looked};
use crate::store::target::{Sealed, Target, remove_tree};
use crate::store::{
    Checked, Entries, Format, HASHICORP_MEMBERSHIPS, HeadPiece, HeadRuns, Heads, Holds, Level,
    Located, LocatedHead, LogSink, LogSource, Profile, Record, RecordChecksum, RecordScan,
    RecordStatus, Space, Store, StoreError, StoreFile, VoteForm, io_error,
};
use crate::vfs::{Fs, OpenMode, Vfs};

/// What a FastLog store can hold: everything that the model knows, but no holes.
pub static PROFILE: Profile = Profile {
    format: Format::FastLog,
    schema: "",
    holds: Holds {
        many_groups: true,
        holes: false,
        terms: true,
        appended_at: true,
        time_form_matters: false,
        extensions: true,
        notes: true,
        nil_payload: true,
        commit: true,
        vote: VoteForm::Both,
        stable_keys: true,
        snapshot_marker: true,
    },
    kinds: &EntryKind::ALL,
    index_min: 0,
    index_usual_min: 0,
    entry_bytes_max: ENTRY_CONTENT_MAX as u64,
    memberships: &HASHICORP_MEMBERSHIPS,
};

/// Segments that are looked at when the anchor is missing.
const SEGMENTS_LOOKED_AT: usize = 8;

/// Why the directory `dir` is a FastLog store, one line each; `None` when it is none.
///
/// # Errors
/// When it cannot be listed, or one of its files not be read.
pub fn recognise(fs: &dyn Fs, dir: &Path) -> Result<Option<Vec<String>>, StoreError> {
    let mut evidence = Vec::new();
    let anchor = dir.join(ANCHOR_FILE);
    for (slot, offset) in [(0, 0), (1, PAGE_BYTES)] {
        if begins_with(fs, &anchor, offset, &ANCHOR_MAGIC)? {
            evidence.push(format!("magic of a FastLog anchor in slot {slot} of {ANCHOR_FILE}"));
            break;
        }
    }
    let names = fs.list(dir).map_err(io_error("list", dir))?;
    let is_segment = |path: &&std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SEGMENT_SUFFIX))
    };
    for path in names.iter().filter(is_segment).take(SEGMENTS_LOOKED_AT) {
        if begins_with(fs, path, 0, &SEGMENT_MAGIC)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            evidence.push(format!("magic of a FastLog segment in {name}"));
            break;
        }
    }
    Ok((!evidence.is_empty()).then_some(evidence))
}

/// Whether a file that begins with `head` is one of a FastLog directory.
pub fn is_part(head: &[u8]) -> bool {
    head.starts_with(&ANCHOR_MAGIC) || head.starts_with(&SEGMENT_MAGIC)
}

fn begins_with(fs: &dyn Fs, path: &Path, offset: u64, magic: &[u8; 8]) -> Result<bool, StoreError> {
    let file = match fs.open(path, OpenMode::Read) {
        Ok(file) => file,
        // Whatever bears the name is no regular file, or is not there.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let mut found = [0; 8];
    let read = file.read_at(offset, &mut found).map_err(io_error("read", path))?;
    Ok(read == found.len() && found == *magic)
}

/// A FastLog directory, opened for reading. No writer can open it meanwhile.
pub struct FastLogStore {
    view: LogView,
    files: Vec<StoreFile>,
}

impl FastLogStore {
    /// Reads and verifies the whole store.
    ///
    /// # Errors
    /// `Locked` when a writer uses it, `NotFound` when nothing there is ours, `Unsupported` when a
    /// newer version wrote it, `Io`. Damage is found in [`Store::opening_faults`].
    pub fn open(fs: &Arc<dyn Fs>, dir: &Path) -> Result<FastLogStore, StoreError> {
        let vfs: Arc<dyn Vfs> = Arc::<dyn Fs>::clone(fs);
        FastLogStore::of(fs, LogView::open(vfs, dir).map_err(|error| store_error(dir, error))?)
    }

    /// As [`FastLogStore::open`], beside a writer that may go on.
    ///
    /// # Errors
    /// As [`FastLogStore::open`], but for `Locked`.
    pub fn open_live(fs: &Arc<dyn Fs>, dir: &Path) -> Result<FastLogStore, StoreError> {
        let vfs: Arc<dyn Vfs> = Arc::<dyn Fs>::clone(fs);
        FastLogStore::of(fs, LogView::open_live(vfs, dir).map_err(|error| store_error(dir, error))?)
    }

    fn of(fs: &Arc<dyn Fs>, view: LogView) -> Result<FastLogStore, StoreError> {
        let mut files = Vec::new();
        for path in view.paths() {
            let size_bytes = fs.metadata(&path).map_err(io_error("look at", &path))?.size_bytes;
            files.push(StoreFile { path, size_bytes });
        }
        Ok(FastLogStore { view, files })
    }

    /// What the store says of itself, one line each.
    pub fn evidence(&self) -> Vec<String> {
        let Some(anchor) = self.view.anchor() else { return Vec::new() };
        let Settings { level, strategy, flush, .. } = anchor.settings;
        let version = format!(
            "format version 1, created by {}, opens at durability {level}, {}",
            anchor.created_by,
            if anchor.clean { "closed" } else { "not closed" }
        );
        let flushes = match flush {
            Flush::Immediate => "immediately".to_owned(),
            Flush::Batch { threshold_entries, interval } => {
                format!("{threshold_entries} entries or {} ms at a time", interval.as_millis())
            }
        };
        let promise = Promise::of(level, strategy, flush, QUEUE_ENTRIES);
        let strategy = strategy.as_str();
        vec![version, format!("{strategy}, flushes {flushes}: {promise}")]
    }

    fn known(&self, group: &GroupId) -> Result<LogState, StoreError> {
        self.view.state(group).ok_or_else(|| StoreError::NotFound {
            path: self.dir(),
            reason: "no such group".to_owned(),
            seen: self.view.groups().iter().map(|id| format!("{:?}", id.name())).collect(),
        })
    }

    fn dir(&self) -> PathBuf {
        let file = self.files.first().map(|file| file.path.as_path());
        file.and_then(Path::parent).unwrap_or(Path::new("")).to_owned()
    }
}

impl LogSource for FastLogStore {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(self.view.groups())
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        self.known(group)
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        self.known(group)?;
        let (dir, group) = (self.dir(), group.clone());
        Ok(Box::new(self.view.entries(&group, range).map(move |entry| match entry {
            Ok(placed) => {
                Ok(Located { entry: placed.entry, place: Some(placed.place), faults: Vec::new() })
            }
            Err(error) => Err(in_group(store_error(&dir, error), &group)),
        })))
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        self.known(group)?;
        let (dir, group) = (self.dir(), group.clone());
        Ok(Box::new(self.view.heads(&group, range).map(move |head| match head {
            Ok(head) => Ok(LocatedHead { head, faults: Vec::new() }),
            Err(error) => Err(in_group(store_error(&dir, error), &group)),
        })))
    }

    fn head_runs(&self, group: &GroupId, range: IndexRange) -> Result<HeadRuns<'_>, StoreError> {
        self.known(group)?;
        let (dir, group) = (self.dir(), group.clone());
        Ok(Box::new(self.view.head_runs(&group, range).map(move |run| match run {
            Ok(run) => Ok(HeadPiece::Run(run)),
            Err(error) => Err(in_group(store_error(&dir, error), &group)),
        })))
    }
}

impl RecordScan for FastLogStore {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        let scanned = self.view.records(&mut |record| visit(record_of(record)));
        scanned.map_err(|error| store_error(&self.dir(), error))
    }
}

impl Store for FastLogStore {
    fn format(&self) -> Format {
        Format::FastLog
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn opening_faults(&self) -> &[Fault] {
        self.view.faults()
    }

    /// Everything was verified on opening, and nobody can have written since; so both levels
    /// report what was found then.
    fn check(
        &self,
        _level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let counts = self.view.counts();
        let _asked_to_stop_at_the_end = progress(counts.frame_bytes);
        Ok(Checked {
            faults: self.view.faults().to_vec(),
            checked_bytes: counts.frame_bytes,
            torn_bytes: self.view.torn().map_or(0, |torn| torn.place.len_bytes),
            counts: [
                ("segments", counts.segments),
                ("spare segments", counts.spares),
                ("frames", counts.frames),
            ]
            .into_iter()
            .filter(|(what, count)| *count > 0 || *what != "spare segments")
            .collect(),
        })
    }

    fn follow(&self) -> Option<Box<dyn Follow>> {
        let follower = self.view.follower()?;
        Some(Box::new(FastLogFollow { follower, dir: self.dir() }))
    }

    fn space(&self) -> Result<Space, StoreError> {
        let mut live_bytes = 0;
        for group in self.view.groups() {
            let runs = self.view.head_runs(&group, IndexRange::ALL).filter_map(Result::ok);
            live_bytes += runs.map(|run| run.encoded_bytes).sum::<u64>();
        }
        let file_bytes = self.view.counts().file_bytes;
        Ok(Space { file_bytes, live_bytes, free_bytes: None })
    }
}

/// A place in a FastLog that grows.
struct FastLogFollow {
    follower: Follower,
    dir: PathBuf,
}

impl Follow for FastLogFollow {
    fn look(&mut self, visit: &mut FollowVisit<'_>) -> Result<Looked, StoreError> {
        let looked = self.follower.look(&mut |group, placed| {
            let (entry, place) = (placed.entry, Some(placed.place));
            visit(group, Ok(Located { entry, place, faults: Vec::new() }))
        });
        Ok(match looked.map_err(|error| store_error(&self.dir, error))? {
            Followed::Nothing => Looked::Nothing,
            Followed::New => Looked::New,
            Followed::Lost => Looked::Lost,
            Followed::Ended => Looked::Ended,
        })
    }

    fn unread(&self) -> Option<Place> {
        self.follower.begun().cloned()
    }
}

fn record_of(record: RecordView) -> Record {
    let status = match record.standing {
        Standing::Live => RecordStatus::Live,
        Standing::Superseded => RecordStatus::Superseded,
        Standing::Dead => RecordStatus::Dead,
        Standing::Torn => RecordStatus::Torn,
        Standing::Damaged => RecordStatus::Damaged,
    };
    let checksum = if record.verifies { RecordChecksum::Ok } else { RecordChecksum::Bad };
    Record {
        place: record.place,
        kind: record.kind.to_owned(),
        group: record.group,
        range: record.range,
        entries: record.entries,
        checksum,
        status,
    }
}

fn in_group(error: StoreError, group: &GroupId) -> StoreError {
    match error {
        StoreError::Fault(fault) if fault.group.is_none() => fault.in_group(group).into(),
        other => other,
    }
}

/// An error of the engine in this room's terms.
fn store_error(dir: &Path, error: Error) -> StoreError {
    match error {
        Error::Io(error) | Error::Poisoned { cause: error, .. } => StoreError::Io(copied(&error)),
        Error::Fault(fault) => StoreError::Fault(fault),
        Error::Locked { path, holder } => StoreError::Locked { path, holder },
        Error::NotFound { path, reason } => {
            StoreError::NotFound { path, reason: reason.to_owned(), seen: Vec::new() }
        }
        Error::Unsupported { path, what } => StoreError::Unsupported {
            path,
            what,
            way_out: "use the version of raftlog that wrote it, or a newer one".to_owned(),
        },
        other @ (Error::NotEmpty { .. }
        | Error::Refused(_)
        | Error::Gone { .. }
        | Error::Closed) => StoreError::Refused {
            path: dir.to_owned(),
            what: other.to_string(),
            way_out: "a FastLog store holds dense logs within the limits of its format".to_owned(),
        },
    }
}

/// The same error again: what the system said is not to be had twice as it was.
fn copied(error: &IoError) -> IoError {
    let source = match error.source.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.source.kind(), error.source.to_string()),
    };
    IoError {
        action: error.action,
        path: error.path.clone(),
        offset_bytes: error.offset_bytes,
        source,
    }
}

/// A FastLog directory that is being written under its partial name.
pub struct FastLogSink {
    target: Target,
    partial: PathBuf,
    writer: Option<BulkWriter>,
    group: Option<GroupId>,
    sealed: bool,
}

impl FastLogSink {
    /// Begins a store that records `durability` as the level it opens with (1 when nothing is
    /// said). The copy itself is synced in any case.
    ///
    /// # Errors
    /// When the system refused.
    pub fn create(
        target: Target,
        durability: Option<Durability>,
    ) -> Result<FastLogSink, StoreError> {
        let partial = target.begin()?;
        let mut sink = FastLogSink { target, partial, writer: None, group: None, sealed: false };
        sink.begin(durability)?;
        Ok(sink)
    }

    fn begin(&mut self, durability: Option<Durability>) -> Result<(), StoreError> {
        let fs = self.target.fs();
        fs.create_dir(&self.partial).map_err(io_error("create", &self.partial))?;
        let made = fs.metadata(&self.partial).map_err(io_error("look at", &self.partial))?;
        let ms = u64::try_from(made.modified_unix_ns / 1_000_000).unwrap_or_default();
        let options = Options { level: durability, ..Options::default() };
        let vfs: Arc<dyn Vfs> = Arc::<dyn Fs>::clone(fs);
        let writer = BulkWriter::create(vfs, &self.partial, &options, Duration::from_millis(ms));
        self.writer = Some(writer.map_err(|error| self.error(error))?);
        Ok(())
    }

    fn error(&self, error: Error) -> StoreError {
        store_error(self.target.path(), error)
    }

    fn refused(&self, what: &str) -> StoreError {
        StoreError::Refused {
            path: self.target.path().to_owned(),
            what: what.to_owned(),
            way_out: "give groups ascending, each before its entries".to_owned(),
        }
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut BulkWriter) -> Result<(), Error>,
    ) -> Result<(), StoreError> {
        let written = self.writer.as_mut().map_or(Err(Error::Closed), write);
        written.map_err(|error| self.error(error))
    }
}

impl LogSink for FastLogSink {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn begin_group(&mut self, group: &GroupId, state: &LogState) -> Result<(), StoreError> {
        if self.group.as_ref().is_some_and(|before| before >= group) {
            return Err(self.refused("groups do not ascend"));
        }
        self.group = Some(group.clone());
        self.write(|writer| writer.begin_group(group, state))
    }

    fn append(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        if self.group.is_none() {
            return Err(self.refused("entries before any group"));
        }
        self.write(|writer| writer.append(batch))
    }

    fn seal(mut self: Box<Self>) -> Result<Sealed, StoreError> {
        let Some(writer) = self.writer.take() else {
            return Err(self.refused("already sealed"));
        };
        let report = writer.seal().map_err(|error| self.error(error))?;
        self.sealed = true;
        Ok(self.target.clone().sealed(report.files, report.bytes))
    }
}

impl Drop for FastLogSink {
    fn drop(&mut self) {
        drop(self.writer.take());
        if !self.sealed {
            // Nothing more can be done about a directory that cannot be removed.
            let _removed = remove_tree(self.target.fs().as_ref(), &self.partial);
        }
    }
}

#[cfg(test)]
mod tests;
