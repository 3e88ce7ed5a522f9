//! Looking at a store without writing: the same replay as recovery, but damage is collected and
//! nothing is cut.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fastlog::Error;
use crate::fastlog::anchor::AnchorSlots;
use crate::fastlog::format::{Anchor, GroupNo, LogUid, SegmentNo, Sequence};
use crate::fastlog::lock::lock_shared;
use crate::fastlog::read::{PlacedEntry, RangeReader, Source};
use crate::fastlog::recovery::{Case, TornTail, Verdict, judge, judge_damage};
use crate::fastlog::segment::Files;
use crate::fastlog::tables::Tables;
use crate::fastlog::walk::{Head, Walk};
use crate::model::{
    Code, EntryHead, Fault, FaultKind, GroupId, HeadRun, IndexRange, LogState, Place, Severity,
};
use crate::vfs::{Held, OpenMode, Vfs};

/// Faults after which nothing more is looked for: the store is beyond reading.
const FAULTS_MAX: usize = 10_000;

/// A store that is only read. While it lives, no writer can open the store.
pub struct LogView {
    pub(super) files: Arc<Files>,
    pub(super) tables: Tables,
    pub(super) uid: LogUid,
    pub(super) segments: Vec<SegmentNo>,
    /// Segments made ahead; they hold nothing.
    spares: Vec<SegmentNo>,
    /// Oldest segment that is needed.
    pub(super) oldest: SegmentNo,
    /// Where the frames that count end, by segment.
    pub(super) ends: BTreeMap<SegmentNo, u64>,
    pub(super) slots: Option<AnchorSlots>,
    /// What the next frame must be.
    pub(super) head: Head,
    faults: Vec<Fault>,
    torn: Option<TornTail>,
    counts: Counts,
    _lock: Option<Box<dyn Held>>,
}

/// Sizes and numbers of what was verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Segments that count.
    pub segments: u64,
    /// Segments made ahead, by a writer that did not close the store; they hold nothing.
    pub spares: u64,
    /// Frames that verified.
    pub frames: u64,
    /// Bytes of those frames.
    pub frame_bytes: u64,
    /// Size of all files that belong to the store, in bytes.
    pub file_bytes: u64,
}

impl LogView {
    /// Reads and verifies everything in the directory. Memory grows with the number of entries
    /// (about 24 bytes each) and groups, not with their size.
    ///
    /// # Errors
    /// `NotFound` when no file there is ours, `Locked` when a writer uses the store, `Unsupported`
    /// when a newer version wrote it, `Io` when it cannot be read. Damage is no error.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<LogView, Error> {
        let files = Arc::new(Files::new(vfs, dir));
        let slots = AnchorSlots::read(&files, OpenMode::Read)?;
        let lock = match &slots {
            Some(_) => lock_shared(&files)?,
            None => None,
        };
        LogView::read(files, slots, lock)
    }

    /// As [`LogView::open`], beside a writer that may go on: what it writes meanwhile is seen or
    /// not, and its unfinished end may look like a torn tail.
    ///
    /// # Errors
    /// As [`LogView::open`], but for `Locked`.
    pub fn open_live(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<LogView, Error> {
        let files = Arc::new(Files::new(vfs, dir));
        let slots = AnchorSlots::read(&files, OpenMode::Read)?;
        LogView::read(files, slots, None)
    }

    fn read(
        files: Arc<Files>,
        slots: Option<AnchorSlots>,
        lock: Option<Box<dyn Held>>,
    ) -> Result<LogView, Error> {
        let mut segments = files.segments()?;
        let mut opening = Opening { faults: Vec::new(), torn: None };
        let (uid, oldest, newest) = opening.ground(&files, slots.as_ref(), &segments)?;
        let spares = files.take_spares(&mut segments, newest)?;
        let mut walk = Walk::new(&files, uid, oldest, &segments);
        if let Some(slots) = &slots {
            walk.take_anchor(slots);
        }
        walk.with_threads(|walk| opening.walk(&files, walk, newest))?;
        opening.leftovers(&files, &segments, oldest, &walk);
        let mut file_bytes = slots.as_ref().map_or(Ok(0), |slots| slots.file.size())?;
        for number in segments.iter().chain(&spares) {
            file_bytes += files.reading(*number)?.size()?;
        }
        let counts = Counts {
            segments: u64::try_from(walk.walked.len()).unwrap_or(u64::MAX),
            spares: u64::try_from(spares.len()).unwrap_or(u64::MAX),
            frames: walk.frames,
            frame_bytes: walk.frame_bytes,
            file_bytes,
        };
        opening.faults.append(&mut walk.slot_faults);
        let ends = walk.walked.iter().map(|(number, walked)| (*number, walked.end)).collect();
        let head = walk.head;
        let tables = walk.tables;
        let Opening { faults, torn } = opening;
        Ok(LogView {
            files,
            tables,
            uid,
            segments,
            spares,
            oldest,
            ends,
            slots,
            head,
            faults,
            torn,
            counts,
            _lock: lock,
        })
    }

    /// What the anchor says; `None` when it is lost.
    pub fn anchor(&self) -> Option<&Anchor> {
        self.slots.as_ref()?.newest()
    }

    /// What is wrong, in the order met. A torn tail is R114.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The torn tail, if there is one.
    pub fn torn(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// What was verified.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Sequence of the last frame that counts; 0 without any.
    pub fn last(&self) -> Sequence {
        Sequence(self.head.next.0.saturating_sub(1))
    }

    /// Every file of the store.
    pub fn paths(&self) -> Vec<PathBuf> {
        let anchor = self.slots.as_ref().map(|_| self.files.anchor_path());
        let mut segments = self.segments.clone();
        segments.extend(&self.spares);
        segments.sort_unstable();
        let segments = segments.iter().map(|number| self.files.segment_path(*number));
        anchor.into_iter().chain(segments).collect()
    }

    /// Whether something is damaged, beyond a tail that was never proven to be synced.
    pub(super) fn is_damaged(&self) -> bool {
        let is_damage = |fault: &Fault| matches!(fault.code, Code::R115 | Code::R116);
        self.faults.iter().any(|f| is_damage(f) && f.severity == Severity::Error)
    }

    /// The groups, ascending.
    pub fn groups(&self) -> Vec<GroupId> {
        self.tables.names.keys().cloned().collect()
    }

    /// Everything of a group beside its entries; `None` when there is no such group.
    pub fn state(&self, group: &GroupId) -> Option<LogState> {
        let number = self.tables.names.get(group)?;
        Some(self.tables.group(*number)?.state())
    }

    /// Streams the entries of a group inside `range`, in index order. An error that is a fault
    /// stands for one piece that cannot be read; reading goes on behind it.
    pub fn entries(
        &self,
        group: &GroupId,
        range: IndexRange,
    ) -> impl Iterator<Item = Result<PlacedEntry, Error>> + use<> {
        let mut reader = self.range_reader(group, range);
        std::iter::from_fn(move || reader.as_mut()?.next_entry())
    }

    /// As [`LogView::entries`] without contents, from the index alone.
    pub fn heads(
        &self,
        group: &GroupId,
        range: IndexRange,
    ) -> impl Iterator<Item = Result<EntryHead, Error>> + use<> {
        let mut reader = self.range_reader(group, range);
        std::iter::from_fn(move || reader.as_mut()?.next_head())
    }

    /// As [`LogView::heads`], with neighbours that differ only in their lengths taken together.
    pub fn head_runs(
        &self,
        group: &GroupId,
        range: IndexRange,
    ) -> impl Iterator<Item = Result<HeadRun, Error>> + use<> {
        let mut reader = self.range_reader(group, range);
        std::iter::from_fn(move || reader.as_mut()?.next_run())
    }

    fn range_reader(&self, group: &GroupId, range: IndexRange) -> Option<RangeReader> {
        let number = *self.tables.names.get(group)?;
        let bounds = self.tables.group(number)?.bounds?;
        let source = Source {
            files: Arc::clone(&self.files),
            memtable: Arc::clone(&self.tables.memtable),
            uid: self.uid,
            live: false,
            unwritten: Arc::default(),
            resident: None,
        };
        let reader = RangeReader::new(source, number, bounds.intersection(range)?);
        Some(if range.count() == 1 { reader.reading_little() } else { reader })
    }

    /// The name of a group number, for records.
    pub(super) fn group_name(&self, number: GroupNo) -> Option<GroupId> {
        self.tables.group(number).map(|group| group.id.clone())
    }
}

/// What opening collects.
struct Opening {
    faults: Vec<Fault>,
    torn: Option<TornTail>,
}

impl Opening {
    /// Log uid, oldest and newest segment: from the anchor, or guessed from the headers.
    fn ground(
        &mut self,
        files: &Files,
        slots: Option<&AnchorSlots>,
        segments: &[SegmentNo],
    ) -> Result<(LogUid, SegmentNo, SegmentNo), Error> {
        if let Some(slots) = slots
            && let Some(anchor) = slots.newest()
        {
            let soften = |fault: Fault| fault.as_severity(Severity::Warning);
            self.faults.extend(slots.faults().into_iter().map(soften));
            return Ok((anchor.uid, anchor.oldest, anchor.newest));
        }
        let mut uid = None;
        for number in segments {
            if let Ok(header) = files.reading(*number)?.header()? {
                uid = Some(header.uid);
                break;
            }
        }
        let (Some(uid), Some(first), Some(last)) = (uid, segments.first(), segments.last()) else {
            let reason = "no anchor and no segment of a FastLog store";
            return Err(Error::NotFound { path: files.dir().to_owned(), reason });
        };
        let fault = match slots {
            Some(slots) => slots.lost(),
            None => {
                let path = files.anchor_path();
                let name = path.display().to_string();
                let place = Place { file: Arc::from(path), offset_bytes: 0, len_bytes: 0 };
                Fault::new(Code::R116, FaultKind::Missing { what: "anchor file", name }).at(place)
            }
        };
        self.faults.push(fault);
        Ok((uid, *first, *last))
    }

    /// Walks to the end, and behind damage on as far as frames verify.
    fn walk(&mut self, files: &Files, walk: &mut Walk<'_>, newest: SegmentNo) -> Result<(), Error> {
        let place = |number: SegmentNo, offset_bytes: u64, len_bytes: u64| Place {
            file: Arc::from(files.segment_path(number).as_path()),
            offset_bytes,
            len_bytes,
        };
        let (mut damaged, mut looked_behind) = (false, false);
        while self.faults.len() < FAULTS_MAX {
            let stop = match walk.run() {
                Ok(stop) => stop,
                Err(Error::Fault(fault)) => {
                    self.faults.push(*fault);
                    damaged = true;
                    let stop = walk.stop_here();
                    match walk.onward(&stop)? {
                        Some((at, frame)) => walk.stand_at(at, &frame)?,
                        None => break,
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            let known = looked_behind
                && stop.place.is_some()
                && (walk.head.next <= walk.proven || walk.lost_header(&stop, newest)?.is_some());
            let stop = if known {
                stop
            } else {
                let verdict = judge(walk, stop, newest)?;
                if verdict.case.is_end() {
                    self.end(&verdict, walk, &place);
                    break;
                }
                looked_behind = true;
                verdict.stop
            };
            let onward = walk.onward(&stop)?;
            let verdict = judge_damage(walk, stop, newest, onward.as_ref())?;
            self.faults.push(verdict.fault(place));
            damaged = true;
            match onward {
                Some((at, frame)) => walk.stand_at(at, &frame)?,
                None => break,
            }
        }
        if !walk.tables.is_whole() && !damaged && !walk.walked.is_empty() {
            let kind = FaultKind::Missing { what: "base record", name: "base".to_owned() };
            self.faults.push(Fault::new(Code::R115, kind));
        }
        Ok(())
    }

    fn end(
        &mut self,
        verdict: &Verdict,
        walk: &Walk<'_>,
        place: &impl Fn(SegmentNo, u64, u64) -> Place,
    ) {
        let Some(tail) = verdict.torn_tail(walk, place) else { return };
        let at = match (verdict.case, walk.ahead.first()) {
            (Case::Torn, _) | (_, None) => tail.place.clone(),
            (_, Some(made)) => place(*made, 0, 0),
        };
        let found = match verdict.case {
            Case::Torn => format!(
                "{} after frame {}, never proven to be synced; {} frames behind it verify",
                verdict.stop.reason, tail.last.0, tail.frames_behind
            ),
            _ if tail.segments_behind == 1 => "a segment that was being made".to_owned(),
            _ => format!("{} segments that were being made", tail.segments_behind),
        };
        let code = if verdict.case == Case::Torn { Code::R114 } else { Code::R117 };
        self.faults.push(Fault::new(code, FaultKind::Note { found }).at(at));
        self.torn = Some(tail);
    }

    /// Segments that no longer count.
    fn leftovers(
        &mut self,
        files: &Files,
        segments: &[SegmentNo],
        oldest: SegmentNo,
        walk: &Walk<'_>,
    ) {
        let old = segments.iter().filter(|number| **number < oldest);
        for number in old.filter(|number| !walk.walked.contains_key(number)) {
            let file = Arc::from(files.segment_path(*number).as_path());
            let found = "a segment that is not needed any more; the next start removes it";
            let kind = FaultKind::Note { found: found.to_owned() };
            let place = Place { file, offset_bytes: 0, len_bytes: 0 };
            self.faults.push(Fault::new(Code::R117, kind).at(place));
        }
    }
}

impl Verdict {
    /// What a writer would cut here, if anything.
    pub(super) fn torn_tail(
        &self,
        walk: &Walk<'_>,
        place: &impl Fn(SegmentNo, u64, u64) -> Place,
    ) -> Option<TornTail> {
        if self.case == Case::End {
            return None;
        }
        let at = match self.stop.place {
            Some(at) => place(at.segment, at.offset, self.behind.bytes),
            None => place(*walk.ahead.first()?, 0, 0),
        };
        Some(TornTail {
            place: at,
            last: Sequence(self.expected.0.saturating_sub(1)),
            frames_behind: self.behind.frames,
            segments_behind: u64::try_from(walk.ahead.len()).unwrap_or(u64::MAX),
            ambiguous: self.case == Case::Torn,
        })
    }
}
