//! An opened directory of raft-wal as a source of entries.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;

use crate::model::{
    Code, Fault, FaultKind, GroupId, IndexRange, KnownFaults, LogIndex, LogState, Place,
};
use crate::store::bolt::survey as survey_pages;
use crate::store::codec::hard_state;
use crate::store::follow::Follow;
use crate::store::parallel::{Pace, each, threads_for};
use crate::store::raft_wal::entries::{EntryWalk, PieceWalk};
use crate::store::raft_wal::follow::{RaftWalFollower, transaction};
use crate::store::raft_wal::format::{CODEC, SegmentName};
use crate::store::raft_wal::meta::{MetaDb, SegmentInfo, State, read_meta};
use crate::store::raft_wal::segment::Segment;
use crate::store::raft_wal::survey::{Survey, survey};
use crate::store::raft_wal::window::SegmentFile;
use crate::store::raft_wal::{META_FILE, PROFILE, scan};
use crate::store::{
    Checked, Entries, Format, HeadPiece, HeadRuns, Heads, Level, Located, LogSource, Profile,
    Record, RecordScan, SUPERSEDED_RECORDS, Space, Store, StoreError, StoreFile, io_error,
};
use crate::vfs::{FileKind, Fs, Held};

/// Times that a list is read anew which changed while it was read.
const LISTS_READ: u32 = 5;

/// A directory of raft-wal, opened read-only; nobody else writes it meanwhile.
pub struct RaftWalStore {
    fs: Arc<dyn Fs>,
    pub(super) meta: MetaDb,
    pub(super) segments: Vec<Segment>,
    /// What is wrong with the list of segments, and with the tail.
    faults: Vec<Fault>,
    files: Vec<StoreFile>,
    /// Which file the list of segments is; `None` where it was replaced while it was read. It stays
    /// open, so that no other can have its identity.
    pub(super) identity: Option<(u64, u64)>,
    /// Size from which on the newest segment is sealed.
    segment_bytes: Option<u64>,
    /// Keeps writers out while this store is read.
    _lock: Option<Box<dyn Held>>,
}

impl RaftWalStore {
    /// Opens the directory `dir`, whose `wal-meta.db` the caller has locked where that is possible.
    ///
    /// # Errors
    /// `Fault` (R119) when the list of segments cannot be read, `Unsupported` for entries in a
    /// codec of an application, `Io` when the system refused. Damage to segments is found in
    /// [`Store::opening_faults`] and [`Store::check`].
    pub fn open(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        lock: Option<Box<dyn Held>>,
    ) -> Result<RaftWalStore, StoreError> {
        let path = dir.join(META_FILE);
        let identity = || fs.metadata(&path).ok().map(|found| found.identity);
        let before = identity();
        let meta = read_meta(fs.as_ref(), &path)?;
        let identity = before.filter(|_| before == identity());
        let mut faults = meta.faults.clone();
        let list_at = meta.list_at.clone();
        let infos = meta.state.segments.as_deref().unwrap_or_default();
        if let Some(info) = infos.iter().find(|info| info.codec != CODEC) {
            return Err(other_codec(dir, info));
        }
        faults.extend(list_faults(&meta.state, list_at));
        let mut infos = infos.to_vec();
        infos.sort_by_key(|info| info.base_index);
        let segment_bytes = infos.last().map(|info| u64::from(info.size_limit));
        let mut files = vec![store_file(fs.as_ref(), &dir.join(META_FILE))?];
        let mut segments: Vec<Segment> = Vec::with_capacity(infos.len());
        for (at, info) in infos.iter().enumerate() {
            let segment = segment(fs, dir, info, segments.last(), infos.get(at + 1))?;
            if let Some(file) = &segment.file {
                files
                    .push(StoreFile { path: file.path.to_path_buf(), size_bytes: file.size_bytes });
            }
            segments.push(segment);
        }
        faults.extend(strays(fs.as_ref(), dir, &segments)?);
        let fs = Arc::clone(fs);
        let store = RaftWalStore {
            fs,
            meta,
            identity,
            segments,
            faults,
            files,
            segment_bytes,
            _lock: lock,
        };
        store.with_tail()
    }

    /// As [`RaftWalStore::open`], beside a process that goes on writing: the list of segments is
    /// one that stood in the file while it was read.
    ///
    /// # Errors
    /// As [`RaftWalStore::open`].
    pub fn open_live(fs: &Arc<dyn Fs>, dir: &Path) -> Result<RaftWalStore, StoreError> {
        let path = dir.join(META_FILE);
        let mut left = LISTS_READ;
        loop {
            let before = transaction(fs.as_ref(), &path)?;
            let opened = RaftWalStore::open(fs, dir, None);
            left -= 1;
            if left == 0 || transaction(fs.as_ref(), &path)? == before {
                return opened;
            }
        }
    }

    /// Decides what of the last segment counts.
    fn with_tail(mut self) -> Result<RaftWalStore, StoreError> {
        if let Some(tail) = self.segments.iter().find(|segment| segment.is_tail()) {
            let survey = surveyed(tail, &mut |_| ControlFlow::Continue(()))?;
            let faults = survey.map_or(Vec::new(), |survey| survey.faults.clone());
            self.faults.extend(faults);
        }
        Ok(self)
    }

    /// Which segments there are, one line.
    pub fn evidence(&self) -> Vec<String> {
        let sealed = self.segments.iter().filter(|segment| !segment.is_tail()).count();
        let tail = self.segments.iter().find(|segment| segment.is_tail());
        let tail = match tail {
            Some(tail) => format!("{} is written", tail.name.file()),
            None => "none is written".to_owned(),
        };
        vec![format!("{sealed} sealed segments, {tail}")]
    }

    pub(super) fn only_group(&self, group: &GroupId) -> Result<(), StoreError> {
        match group {
            GroupId::Unnamed => Ok(()),
            GroupId::Named(name) => Err(StoreError::NotFound {
                path: self.meta.pages.path().to_path_buf(),
                reason: format!("no group {}", name.escape_debug()),
                seen: vec!["the unnamed group".to_owned()],
            }),
        }
    }

    fn bounds(&self) -> Option<IndexRange> {
        let mut live = self.segments.iter().filter_map(Segment::live);
        let first = live.next()?;
        let last = live.next_back().unwrap_or(first.clone());
        IndexRange::new(LogIndex(*first.start()), LogIndex(*last.end()))
    }

    /// Follows every segment that was not followed yet; `None` when `progress` broke it off.
    fn follow_all(
        &self,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<Vec<&Survey>>, StoreError> {
        let mut reached = 0;
        if self.follow_side_by_side(&mut reached, progress).is_break() {
            return Ok(None);
        }
        let progress = &mut |bytes| progress(reached.max(bytes));
        let (mut surveys, mut before) = (Vec::with_capacity(self.segments.len()), 0u64);
        for segment in &self.segments {
            let followed = surveyed(segment, &mut |bytes| progress(before.saturating_add(bytes)))?;
            let Some(survey) = followed else { return Ok(None) };
            surveys.push(survey);
            before = before.saturating_add(segment.file.as_ref().map_or(0, |file| file.size_bytes));
            if progress(before).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(surveys))
    }

    /// Follows segments on several threads, where that is worth it, `reached` so many bytes. One
    /// that could not be read is left out: it is met again, and said to be so.
    fn follow_side_by_side(
        &self,
        reached: &mut u64,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let is_waiting = |segment: &&Segment| segment.survey.get().is_none();
        let waiting: Vec<&Segment> = self.segments.iter().filter(is_waiting).collect();
        let size = |segment: &&Segment| segment.file.as_ref().map_or(0, |file| file.size_bytes);
        let bytes = waiting.iter().map(size).fold(0, u64::saturating_add);
        let threads = threads_for(bytes, waiting.len());
        if threads < 2 {
            return ControlFlow::Continue(());
        }
        let mut flow = ControlFlow::Continue(());
        let follow = |segment: &&Segment, pace: &mut Pace<'_>| {
            let _met_again = surveyed(segment, &mut |bytes| pace.reached(bytes));
        };
        each(threads, &waiting, follow, &mut |bytes| {
            *reached = bytes;
            flow = progress(bytes);
            flow
        });
        flow
    }
}

/// What following a segment shows; it is followed once.
pub(super) fn surveyed<'s>(
    segment: &'s Segment,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Option<&'s Survey>, StoreError> {
    if let Some(survey) = segment.survey.get() {
        return Ok(Some(survey));
    }
    Ok(survey(segment, progress)?.map(|survey| segment.survey.get_or_init(|| survey)))
}

fn other_codec(dir: &Path, info: &SegmentInfo) -> StoreError {
    StoreError::Unsupported {
        path: dir.to_owned(),
        what: format!("the entries of segment {} are in codec {}", info.id, info.codec),
        way_out: "only codec 1 is known; the program that chose another one reads it".to_owned(),
    }
}

fn store_file(fs: &dyn Fs, path: &Path) -> Result<StoreFile, StoreError> {
    let found = fs.metadata(path).map_err(io_error("look at", path))?;
    Ok(StoreFile { path: path.to_owned(), size_bytes: found.size_bytes })
}

/// The segment of a line of the list, with the ones around it. Indexes that the one before it has
/// are not its own.
fn segment(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    info: &SegmentInfo,
    before: Option<&Segment>,
    behind: Option<&SegmentInfo>,
) -> Result<Segment, StoreError> {
    let name = SegmentName { base: info.base_index, id: info.id };
    let path: Arc<Path> = Arc::from(dir.join(name.file()));
    let file = match fs.metadata(&path) {
        Ok(found) if found.kind == FileKind::File => {
            let (fs, path) = (Arc::clone(fs), Arc::clone(&path));
            Some(SegmentFile { fs, path, size_bytes: found.size_bytes })
        }
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(io_error("look at", &path)(error)),
    };
    let after = before.and_then(|before| before.max).map_or(0, |max| max.saturating_add(1));
    Ok(Segment {
        name,
        min: info.min_index.max(after),
        // One that is not the last is read up to the next, whatever the list says of it.
        max: match (info.is_sealed(), behind) {
            (true, _) => Some(info.max_index),
            (false, Some(behind)) => Some(behind.base_index.saturating_sub(1)),
            (false, None) => None,
        },
        index_start: info.index_start,
        file,
        path,
        survey: OnceLock::new(),
    })
}

/// What is wrong with the list of segments.
fn list_faults(state: &State, place: Option<Place>) -> Vec<Fault> {
    let infos = state.segments.as_deref().unwrap_or_default();
    let mut faults = Vec::new();
    let mut add = |code, found: String| {
        let fault = Fault::new(code, FaultKind::Note { found }).in_group(&GroupId::Unnamed);
        faults.push(match &place {
            Some(place) => fault.at(place.clone()),
            None => fault,
        });
    };
    for (one, other) in infos.iter().zip(infos.iter().skip(1)) {
        let (one_is, other_is) = (name_of(one), name_of(other));
        if !one.is_sealed() {
            let words = format!("{one_is} is not sealed, and {other_is} follows it");
            add(Code::R116, format!("{words}: its library refuses to open this"));
        } else if one.max_index.checked_add(1) != Some(other.base_index.max(other.min_index)) {
            let ends = format!("{one_is} ends at {}", one.max_index);
            add(Code::R116, format!("{ends}, and {other_is} does not go on there"));
        }
    }
    for info in infos.iter().filter(|info| info.is_sealed() && info.max_index < info.min_index) {
        let (min, max) = (info.min_index, info.max_index);
        add(Code::R116, format!("{} has entries {min} to {max}", name_of(info)));
    }
    for info in infos.iter().filter(|info| info.is_sealed() && info.index_start == 0) {
        let (first, last) = (info.min_index.max(info.base_index), info.max_index);
        let found = format!(
            "{} is sealed without an index (raft-wal up to 0.4.0, after entries were deleted at \
             the end): its library refuses to read entries {first} to {last}, raftlog reads them",
            name_of(info)
        );
        add(Code::R121, found);
    }
    if infos.last().is_some_and(SegmentInfo::is_sealed) {
        let found = "every segment is sealed: its library begins a new one at index 1, which takes \
                     the place of the one that begins there";
        add(Code::R121, found.to_owned());
    }
    if let Some(info) = infos.iter().find(|info| info.id >= state.next_segment_id) {
        let next = state.next_segment_id;
        let found =
            format!("the next segment would get number {next}, which {} has", name_of(info));
        add(Code::R121, format!("{found} or is above: its library may remove the wrong file"));
    }
    faults
}

fn name_of(info: &SegmentInfo) -> String {
    SegmentName { base: info.base_index, id: info.id }.file()
}

/// Files that the list does not name.
fn strays(fs: &dyn Fs, dir: &Path, segments: &[Segment]) -> Result<Vec<Fault>, StoreError> {
    let mut faults = Vec::new();
    for path in fs.list(dir).map_err(io_error("list", dir))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (code, words) = match SegmentName::parse(&name) {
            Some(found) if segments.iter().any(|one| one.name == found) => continue,
            Some(_) => {
                (Code::R117, "a segment that the list does not name; its library removes it")
            }
            None if SegmentName::claims(&name) => {
                (Code::R121, "a name that its library takes for a damaged segment's: it refuses")
            }
            None if name == format!("{META_FILE}.tmp") => {
                (Code::R117, "left by an interrupted first start")
            }
            None => continue,
        };
        let size_bytes = fs.symlink_metadata(&path).map_or(0, |found| found.size_bytes);
        let file = Arc::from(path.as_path());
        let place = Place { file, offset_bytes: 0, len_bytes: size_bytes };
        let kind = FaultKind::Note { found: format!("{name}: {words}") };
        faults.push(Fault::new(code, kind).at(place));
    }
    Ok(faults)
}

impl LogSource for RaftWalStore {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(vec![GroupId::Unnamed])
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        self.only_group(group)?;
        Ok(LogState {
            hard: hard_state(&self.meta.stable),
            stable: self.meta.stable.clone(),
            bounds: self.bounds(),
            schema: Some(PROFILE.schema.to_owned()),
            ..LogState::default()
        })
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        self.only_group(group)?;
        Ok(Box::new(EntryWalk::new(&self.segments, range)))
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        self.only_group(group)?;
        let walk = EntryWalk::new(&self.segments, range);
        Ok(Box::new(walk.map(|located| located.map(Located::into_head))))
    }

    fn head_runs(&self, group: &GroupId, range: IndexRange) -> Result<HeadRuns<'_>, StoreError> {
        self.only_group(group)?;
        let whole = self.bounds().is_none_or(|bounds| bounds.intersection(range) == Some(bounds));
        if whole {
            let surveys = self.follow_all(&mut |_| ControlFlow::Continue(()))?;
            if surveys.is_some_and(|all| all.iter().all(|survey| survey.pieces.is_some())) {
                return Ok(Box::new(PieceWalk::new(&self.segments)));
            }
        }
        Ok(Box::new(self.heads(group, range)?.map(|head| head.map(HeadPiece::One))))
    }
}

impl RecordScan for RaftWalStore {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        scan::scan(self, visit)
    }
}

impl Store for RaftWalStore {
    fn format(&self) -> Format {
        Format::RaftWal
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn opening_faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Nothing of a segment is known before its frames were followed, so both levels are the same.
    fn check(
        &self,
        _level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let mut checked = Checked { faults: self.faults.clone(), ..Checked::default() };
        let Some(surveys) = self.follow_all(progress)? else { return Ok(checked) };
        let pages = survey_pages(&self.meta.pages, &self.meta.metas.used, &mut |_| {
            ControlFlow::Continue(())
        })?;
        let known = KnownFaults::of(&self.faults);
        let of_segments = surveys.iter().flat_map(|survey| &survey.faults).cloned();
        let of_pages = pages.iter().flat_map(|pages| &pages.faults).cloned();
        let new = of_segments.chain(of_pages).filter(|fault| !known.has(fault));
        checked.faults.extend(new);
        let sum = |of: fn(&Survey) -> u64| {
            surveys.iter().map(|survey| of(survey)).fold(0, u64::saturating_add)
        };
        let entries = sum(|survey| survey.entries);
        let pages_bytes = pages.map_or(0, |pages| pages.used_bytes);
        checked.checked_bytes = sum(|survey| survey.checked_bytes).saturating_add(pages_bytes);
        checked.torn_bytes = sum(|survey| survey.torn_bytes);
        checked.counts = vec![
            ("segments", self.segments.len() as u64),
            ("commits", sum(|survey| survey.batches)),
            ("stored entries", entries),
            (SUPERSEDED_RECORDS, entries.saturating_sub(sum(|survey| survey.stored_live))),
        ];
        Ok(checked)
    }

    fn space(&self) -> Result<Space, StoreError> {
        let surveys = self.follow_all(&mut |_| ControlFlow::Continue(()))?.unwrap_or_default();
        let live_bytes = surveys.iter().map(|survey| survey.live_bytes).sum();
        let file_bytes = self.files.iter().map(|file| file.size_bytes).sum();
        Ok(Space { file_bytes, live_bytes, free_bytes: None })
    }

    fn segment_bytes(&self) -> Option<u64> {
        self.segment_bytes
    }

    fn follow(&self) -> Option<Box<dyn Follow>> {
        let follower = RaftWalFollower::behind(self, &self.fs)?;
        Some(Box::new(follower))
    }
}
