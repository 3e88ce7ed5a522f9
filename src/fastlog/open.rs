//! Creating a store, and opening one for writing: recovery as far as it changes files.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::fastlog::anchor::{AnchorFile, AnchorSlots};
use crate::fastlog::format::{
    Anchor, FRAMES_OFFSET, LogUid, Masked, SegmentNo, Sequence, Settings,
};
use crate::fastlog::lock::lock_exclusive;
use crate::fastlog::planted::{Bug, planted};
use crate::fastlog::policy::Durability;
use crate::fastlog::recovery::{Case, TornTail, Verdict, judge};
use crate::fastlog::segment::{Files, NamedFile};
use crate::fastlog::tables::Tables;
use crate::fastlog::walk::{Head, Walk};
use crate::fastlog::writer::{Active, Writer, WriterOptions};
use crate::fastlog::{Error, Options};
use crate::model::{Code, Fault, FaultKind, IoError, Place};
use crate::vfs::{Clock, Held, OpenMode, Vfs, parent_of};

/// Bytes written again at once.
const REWRITE_BYTES: usize = 1 << 20;

/// What opening a store did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Whether the store was closed properly and nothing had to be decided.
    pub clean: bool,
    /// What was cut off the end, if anything.
    pub torn: Option<TornTail>,
    /// Segments that an interrupted purge had left, removed now.
    pub leftovers_removed: u64,
    /// Segments made ahead that held nothing yet, removed now.
    pub spares_removed: u64,
    /// Frames read.
    pub frames: u64,
    /// Bytes of those frames.
    pub frame_bytes: u64,
    /// Time spent on the lock, the anchor and the names of the segments.
    pub look: Duration,
    /// Time spent reading, verifying and replaying.
    pub replay: Duration,
    /// Time spent on what stands behind the last frame: whether it is the end, torn or damage.
    pub judge: Duration,
    /// Time spent cutting and syncing.
    pub repair: Duration,
    /// Time spent bringing entries into memory.
    pub load: Duration,
    /// Bytes of frames that were brought: those that hold entries which no snapshot covers.
    pub loaded_bytes: u64,
}

/// A store ready to be written.
pub(super) struct Opened {
    pub(super) writer: Writer,
    pub(super) tables: Tables,
    pub(super) settings: Settings,
    pub(super) report: RecoveryReport,
    pub(super) lock: Box<dyn Held>,
}

/// What every way to open needs.
pub(super) struct Ground<'a> {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) clock: &'a dyn Clock,
    pub(super) dir: &'a Path,
    pub(super) options: &'a Options,
    pub(super) bulk: bool,
}

impl Ground<'_> {
    fn writer_options(&self, settings: &Settings) -> WriterOptions {
        let fill_step =
            if settings.level == Durability::High { self.options.fill_step() } else { 0 };
        WriterOptions {
            segment_bytes: settings.segment_bytes,
            fill_step,
            spares: self.options.spares,
            unsynced_max: self.open_files_half(),
            past_cache: self.options.past_cache,
            later: settings.level == Durability::Mid && !self.bulk,
            on_request: settings.level == Durability::Low,
            bulk: self.bulk,
        }
    }

    /// Files that may stay open for one of two purposes.
    fn open_files_half(&self) -> usize {
        usize::try_from(self.options.open_files / 2).unwrap_or(usize::MAX)
    }

    fn files(&self) -> Arc<Files> {
        let files = Files::new(Arc::clone(&self.vfs), self.dir);
        Arc::new(files.keeping_open(self.open_files_half()))
    }

    /// Creates a store in a directory that does not exist or is empty.
    pub(super) fn create(self) -> Result<Opened, Error> {
        match self.vfs.list(self.dir) {
            Ok(names) if names.is_empty() => {}
            Ok(_) => return Err(Error::NotEmpty { path: self.dir.to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let created = self.vfs.create_dir(self.dir);
                created.map_err(|error| IoError::new("create", self.dir, error))?;
            }
            Err(error) => return Err(IoError::new("list", self.dir, error).into()),
        }
        // An empty directory may be what an interrupted creation left: its name need not be
        // durable.
        let parent = parent_of(self.dir);
        let synced = if planted(Bug::DirNotSynced) { Ok(()) } else { self.vfs.sync_dir(parent) };
        synced.map_err(|error| IoError::new("sync", parent, error))?;
        let files = self.files();
        let file = files.open(&files.anchor_path(), OpenMode::CreateNew)?;
        let lock = lock_exclusive(&files)?;
        self.begin(files, file, lock)
    }

    /// Writes the first anchor and the first segment.
    fn begin(
        &self,
        files: Arc<Files>,
        file: NamedFile,
        lock: Box<dyn Held>,
    ) -> Result<Opened, Error> {
        let settings = self.options.over(None);
        let uid = self.options.uid.unwrap_or_else(|| random_uid(self.clock));
        let wall = self.clock.wall().as_millis();
        let first = Anchor {
            uid,
            counter: 1,
            oldest: SegmentNo(1),
            newest: SegmentNo(0),
            sync_point: Sequence(0),
            clean: false,
            settings,
            created_unix_ms: u64::try_from(wall).unwrap_or(u64::MAX),
            created_by: concat!("raftlog ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        file.write(first.offset(), &first.encode())?;
        if !planted(Bug::AnchorNotSynced) {
            file.sync()?;
        }
        files.sync_dir()?;
        let head = Head { next: Sequence(1), previous: Masked(0) };
        let anchor = AnchorFile::new(file, first);
        let mut writer = Writer::new(files, anchor, head, self.writer_options(&settings));
        writer.rotate(self.clock.monotonic())?;
        let tables = Tables::beginning();
        let report = RecoveryReport { clean: true, ..RecoveryReport::default() };
        Ok(Opened { writer, tables, settings, report, lock })
    }

    /// Opens a store, recovering it if it was not closed.
    pub(super) fn open(self) -> Result<Opened, Error> {
        let started = self.clock.monotonic();
        let files = self.files();
        let Some(slots) = AnchorSlots::read(&files, OpenMode::ReadWrite)? else {
            return Err(self.no_anchor(&files)?);
        };
        let lock = lock_exclusive(&files)?;
        let slots = slots.again()?;
        let mut segments = files.segments()?;
        let Some(anchor) = slots.newest().cloned() else {
            return self.begin_anew(files, slots, lock, &segments);
        };
        let spares = files.take_spares(&mut segments, anchor.newest)?;
        let settings = self.options.over(Some(anchor.settings));
        let looked = self.clock.monotonic();
        let mut walk = Walk::new(&files, anchor.uid, anchor.oldest, &segments);
        walk.take_anchor(&slots);
        #[cfg(test)]
        let _replaying = crate::fastlog::planted::Replay::begins();
        let stop = walk.run_on_all_processors()?;
        let replayed = self.clock.monotonic();
        let verdict = judge(&mut walk, stop, anchor.newest)?;
        let place = |number: SegmentNo, offset_bytes: u64, len_bytes: u64| Place {
            file: Arc::from(files.segment_path(number).as_path()),
            offset_bytes,
            len_bytes,
        };
        if !verdict.case.is_end() && !planted(Bug::DamageIsTorn) {
            return Err(verdict.fault(place).into());
        }
        if !walk.tables.is_whole() && !walk.walked.is_empty() {
            let kind = FaultKind::Missing { what: "base record", name: "base".to_owned() };
            return Err(Fault::new(Code::R115, kind).into());
        }
        let judged = self.clock.monotonic();
        let mut report = RecoveryReport {
            clean: anchor.clean && verdict.case == Case::End && walk.ends_at(anchor.sync_point),
            torn: verdict.torn_tail(&walk, &place),
            frames: walk.frames,
            frame_bytes: walk.frame_bytes,
            look: looked.saturating_sub(started),
            replay: replayed.saturating_sub(looked),
            judge: judged.saturating_sub(replayed),
            ..RecoveryReport::default()
        };
        let repair =
            Repair { files: Arc::clone(&files), segments, spares, anchor: slots.file, was: anchor };
        let options = self.writer_options(&settings);
        let (mut writer, tables) = repair.run(walk, &verdict, options, &mut report)?;
        if writer.active.is_none() {
            // A creation that was interrupted: what it wrote may be in memory only.
            writer.syncs.anchor().update(|_| {})?;
            writer.files.sync_dir()?;
            writer.rotate(self.clock.monotonic())?;
        }
        report.repair = self.clock.monotonic().saturating_sub(judged);
        Ok(Opened { writer, tables, settings, report, lock })
    }

    /// Opens the store, or creates it where there is none.
    pub(super) fn open_or_create(self) -> Result<Opened, Error> {
        let empty = match self.vfs.list(self.dir) {
            Ok(names) => names.is_empty(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(IoError::new("list", self.dir, error).into()),
        };
        if empty { self.create() } else { self.open() }
    }

    fn no_anchor(&self, files: &Files) -> Result<Error, Error> {
        let listed = match self.vfs.list(self.dir) {
            Ok(_) => files.segments()?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let reason = "no such directory";
                return Ok(Error::NotFound { path: self.dir.to_owned(), reason });
            }
            Err(error) => return Err(IoError::new("list", self.dir, error).into()),
        };
        if listed.is_empty() {
            let reason = "no anchor and no segment of a FastLog store";
            return Ok(Error::NotFound { path: self.dir.to_owned(), reason });
        }
        let name = files.anchor_path().display().to_string();
        Ok(Fault::new(Code::R116, FaultKind::Missing { what: "anchor file", name }).into())
    }

    /// The anchor holds nothing. A creation that was cut off leaves it so, without a segment.
    fn begin_anew(
        self,
        files: Arc<Files>,
        slots: AnchorSlots,
        lock: Box<dyn Held>,
        segments: &[SegmentNo],
    ) -> Result<Opened, Error> {
        if !segments.is_empty() || !slots.one_is_blank() {
            return Err(slots.lost().into());
        }
        self.begin(files, slots.file, lock)
    }
}

/// Brings the files into the state that the verdict stands for.
struct Repair {
    files: Arc<Files>,
    segments: Vec<SegmentNo>,
    spares: Vec<SegmentNo>,
    anchor: NamedFile,
    was: Anchor,
}

impl Repair {
    fn run(
        self,
        walk: Walk<'_>,
        verdict: &Verdict,
        options: WriterOptions,
        report: &mut RecoveryReport,
    ) -> Result<(Writer, Tables), Error> {
        let mut anchor = AnchorFile::new(self.anchor, self.was.clone());
        let is_old = |number: &&SegmentNo| **number < self.was.oldest;
        if self.segments.iter().any(|number| is_old(&number)) {
            // What says that they are not needed may be in memory only.
            anchor.update(|_| {})?;
        }
        report.leftovers_removed = remove_old(&self.files, &self.segments, self.was.oldest)?;
        let mut active = open_active(&self.files, &walk)?;
        if let Some(active) = &mut active
            && verdict.behind.bytes > 0
            && verdict.case != Case::End
            && !planted(Bug::TailNotCut)
        {
            active.erase(active.end, active.end + verdict.behind.bytes)?;
            active.file.sync()?;
        }
        let last = active.as_ref().map(|active| active.number);
        let newest = last.unwrap_or(SegmentNo(self.was.oldest.0.saturating_sub(1)));
        let written = Sequence(walk.head.next.0.saturating_sub(1));
        if let Some(active) = &active {
            secure_unproven(&self.files, &walk, active, self.was.newest)?;
        }
        if newest != self.was.newest {
            self.files.sync_dir()?;
            anchor.update(|anchor| {
                anchor.newest = newest;
                anchor.clean = false;
            })?;
        }
        let mut useless = walk.ahead.clone();
        useless.extend(&self.spares);
        useless.sort_unstable();
        for number in useless.iter().rev() {
            self.files.remove(*number)?;
        }
        if !useless.is_empty() {
            self.files.sync_dir()?;
        }
        report.spares_removed = u64::try_from(self.spares.len()).unwrap_or(u64::MAX);
        let mut writer = Writer::new(Arc::clone(&self.files), anchor, walk.head, options);
        writer.goes_on(active, walk.proven);
        if written > verdict.proven_before {
            writer.prove(Duration::ZERO)?;
        }
        Ok((writer, walk.tables))
    }
}

/// Removes what an interrupted purge left, oldest first.
fn remove_old(files: &Files, segments: &[SegmentNo], oldest: SegmentNo) -> Result<u64, IoError> {
    let mut removed = 0;
    for number in segments.iter().filter(|number| **number < oldest) {
        files.remove(*number)?;
        removed += 1;
    }
    if removed > 0 {
        // No promise rests on this: what comes back is old by its number, and is removed again.
        files.sync_dir()?;
    }
    Ok(removed)
}

/// Opens the last segment that counts, to go on in it.
fn open_active(files: &Files, walk: &Walk<'_>) -> Result<Option<Active>, IoError> {
    let Some((number, walked)) = walk.walked.iter().next_back() else { return Ok(None) };
    let file = files.open(&files.segment_path(*number), OpenMode::ReadWrite)?;
    Ok(Some(Active {
        number: *number,
        file: Arc::new(file),
        end: walked.end,
        filled: walked.size.max(walked.end),
        sync_counter: walked.sync_counter,
    }))
}

/// Makes every frame above the largest sync point durable; from now on they count. They may be in
/// memory only, after the end of a process or after a failed sync; and after that a sync alone
/// would not bring them to the disk, as the system takes the pages for clean. So they are written
/// again, with the header of a segment that the anchor does not name yet.
fn secure_unproven(
    files: &Files,
    walk: &Walk<'_>,
    active: &Active,
    named: SegmentNo,
) -> Result<(), IoError> {
    let proven = walk.marks.iter().rev().find(|(first, _)| first.0 <= walk.proven.0 + 1);
    let begin = proven.or(walk.marks.first()).map(|(_, place)| *place);
    let written = Sequence(walk.head.next.0.saturating_sub(1));
    for (number, walked) in &walk.walked {
        let from = match begin {
            Some(place) if written > walk.proven && place.segment < *number => FRAMES_OFFSET,
            Some(place) if written > walk.proven && place.segment == *number => place.offset,
            _ => walked.end,
        };
        if from >= walked.end && *number <= named {
            continue;
        }
        let older;
        let file = if *number == active.number {
            &active.file
        } else {
            older = files.open(&files.segment_path(*number), OpenMode::ReadWrite)?;
            &older
        };
        rewrite(file, from, walked.end)?;
        if *number > named {
            file.write(0, &walked.header.encode())?;
        }
        file.sync()?;
    }
    Ok(())
}

/// Writes the bytes from `from` to `to` as they are.
fn rewrite(file: &NamedFile, from: u64, to: u64) -> Result<(), IoError> {
    let all = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
    let mut buffer = vec![0; all.min(REWRITE_BYTES)];
    let mut at = from;
    while at < to {
        let left = usize::try_from(to - at).unwrap_or(usize::MAX).min(REWRITE_BYTES);
        let room = buffer.get_mut(..left).unwrap_or_default();
        let read = file.read(at, room)?;
        if read == 0 {
            let eof = std::io::ErrorKind::UnexpectedEof.into();
            return Err(file.error_at("read", at)(eof));
        }
        file.write(at, buffer.get(..read).unwrap_or_default())?;
        at += u64::try_from(read).unwrap_or(u64::MAX);
    }
    Ok(())
}

/// A uid from what the standard library takes from the system for its hash tables, and the time.
fn random_uid(clock: &dyn Clock) -> LogUid {
    let mut uid = [0; 16];
    for half in uid.chunks_mut(8) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u128(clock.wall().as_nanos());
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    LogUid(uid)
}
