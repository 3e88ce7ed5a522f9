//! An opened log of etcd as a source of entries.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{
    ByteOrder, Candidate, Code, Fault, FaultKind, GroupId, HardState, IndexRange, LogId, LogIndex,
    LogState, SharedBytes, StableMap, StableValue, Term, Vote,
};
use crate::store::etcd_wal::db::{self, Database};
use crate::store::etcd_wal::entries::{EntryWalk, HeadWalk, Log, RunWalk};
use crate::store::etcd_wal::follow::{Begin, EtcdWalFollower};
use crate::store::etcd_wal::format::State;
use crate::store::etcd_wal::replay::{Replay, replay, replay_from};
use crate::store::etcd_wal::scan::Scan;
use crate::store::etcd_wal::segments::{
    Segment, Spot, index_faults, leftovers, name_faults, open_segments,
};
use crate::store::etcd_wal::start::{self, Start};
use crate::store::etcd_wal::{CLUSTER_ID_KEY, NODE_ID_KEY, PROFILE};
use crate::store::follow::Follow;
use crate::store::{
    Checked, Entries, Format, HeadRuns, Heads, Level, LocatedHead, LogSource, OpeningWatch,
    Profile, Record, RecordScan, SUPERSEDED_RECORDS, Space, Store, StoreError, StoreFile, io_error,
};
use crate::vfs::{Fs, Held};

/// Times that a log is opened anew that changed while it was opened.
const OPENINGS: u32 = 3;

/// What beside the segments is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// Nothing.
    Nothing,
    /// Snapshots, which are never changed once they count.
    Snapshots,
    /// Snapshots, the key-value store and what was left over.
    All,
}

/// A log of etcd, opened read-only.
pub struct EtcdWalStore {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    segments: Vec<Segment>,
    replay: Replay,
    start: Start,
    database: Option<Database>,
    /// What is wrong; pieces name those that came from following the records by position.
    faults: Vec<Fault>,
    files: Vec<StoreFile>,
    /// Keeps writers out while this store is read.
    _lock: Option<Box<dyn Held>>,
}

impl EtcdWalStore {
    /// Opens the log in `dir` and follows all of its records. With `alone` what lies beside it is
    /// left out: snapshots and the key-value store.
    ///
    /// # Errors
    /// `NotFound` without a segment, `Stopped` by `watch`; otherwise only when the files cannot be
    /// read. Damage is found in [`Store::opening_faults`].
    pub fn open(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        alone: bool,
        lock: Option<Box<dyn Held>>,
        watch: &mut OpeningWatch<'_>,
    ) -> Result<EtcdWalStore, StoreError> {
        let beside = if alone { Beside::Nothing } else { Beside::All };
        EtcdWalStore::over(fs, dir, (open_segments(fs, dir)?, beside), lock, watch)
    }

    /// As [`EtcdWalStore::open`], beside an etcd that goes on. What is being written is no damage
    /// yet, and a segment may be removed that was there a moment ago.
    ///
    /// # Errors
    /// As [`EtcdWalStore::open`].
    pub fn open_live(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        alone: bool,
        watch: &mut OpeningWatch<'_>,
    ) -> Result<EtcdWalStore, StoreError> {
        let beside = if alone { Beside::Nothing } else { Beside::Snapshots };
        let mut left = OPENINGS;
        loop {
            let opened = open_segments(fs, dir)
                .and_then(|segments| EtcdWalStore::over(fs, dir, (segments, beside), None, watch));
            left -= 1;
            let changed = match &opened {
                Ok(store) => store.is_damaged_in_the_newest(),
                Err(StoreError::Io(error)) => error.source.kind() == ErrorKind::NotFound,
                Err(_) => false,
            };
            if left == 0 || !changed {
                return opened;
            }
        }
    }

    /// Whether the newest segment has damage: a read beside a write may see the later of two pages
    /// only.
    fn is_damaged_in_the_newest(&self) -> bool {
        let newest = self.end().segment;
        let damage = self.faults.iter().filter(|fault| fault.code == Code::R115);
        damage.filter_map(|fault| self.spot_of(fault)).any(|spot| spot.segment == newest)
    }

    /// As [`EtcdWalStore::open`], over segments of the log in `dir` that may be shorter than their
    /// files.
    pub(super) fn over(
        handle: &Arc<dyn Fs>,
        dir: &Path,
        (segments, beside): (Vec<Segment>, Beside),
        lock: Option<Box<dyn Held>>,
        watch: &mut OpeningWatch<'_>,
    ) -> Result<EtcdWalStore, StoreError> {
        let fs = handle.as_ref();
        let mut replay = replay(&segments, watch)?;
        let snap = start::snap_dir(fs, dir).filter(|_| beside != Beside::Nothing);
        let start = start::choose(fs, snap.as_deref(), &replay)?;
        let mut faults = std::mem::take(&mut replay.faults);
        let misnamed = name_faults(&segments);
        // What is not read tells of no name.
        if misnamed.is_empty() && !faults.iter().any(is_damage) {
            faults.extend(index_faults(&segments, &replay.ends));
        }
        faults.extend(misnamed);
        faults.extend(start::contradictions(&segments, &replay)?);
        faults.extend(start.faults.iter().cloned());
        faults.extend(start::lost(&segments, &replay, Some(start.index())));
        faults.extend(unlisted(replay.counts.more_faults));
        let begin = start.index();
        let first = segments.iter().rposition(|segment| segment.name.index <= begin);
        if replay.pieces.depends_on(begin) {
            let first = first.unwrap_or_default();
            replay.pieces = replay_from(&segments, &replay.ends, first, begin)?;
        }
        replay.pieces.settle(&segments, begin)?;
        if first.is_none() && begin > 0 {
            faults.push(no_first_segment(begin));
        }
        let mut database = None;
        let everything = beside == Beside::All;
        let key_values = snap.filter(|_| everything).map(|snap| db::open(fs, &snap));
        match key_values.transpose()?.flatten() {
            Some(Ok(opened)) => {
                faults.extend(opened.faults.iter().cloned());
                database = Some(opened);
            }
            Some(Err(fault)) => faults.push(*fault),
            None => {}
        }
        if everything {
            faults.extend(leftovers(fs, dir)?);
        }
        let files = segments.iter().map(|segment| StoreFile {
            path: segment.source.path.to_path_buf(),
            size_bytes: segment.source.size_bytes,
        });
        let (files, dir) = (files.collect(), dir.to_owned());
        let faults = faults.into_iter().map(|fault| fault.in_group(&GroupId::Unnamed)).collect();
        let fs = Arc::clone(handle);
        let mut store =
            EtcdWalStore { fs, dir, segments, replay, start, database, faults, files, _lock: lock };
        let last = store.last().0;
        let ahead = store.database.as_ref().and_then(|db| db.ahead(store.commit(), last));
        let behind = store.database_behind()?;
        let contradicting = ahead.into_iter().chain(behind);
        store.faults.extend(contradicting.map(|fault| fault.in_group(&GroupId::Unnamed)));
        Ok(store)
    }

    /// What is wrong with a key-value store that ends before the snapshot from which a node starts.
    /// One that was received and not put in place is that, once etcd did so.
    fn database_behind(&self) -> Result<Option<Fault>, StoreError> {
        let file = self.start.snapshot.as_ref().filter(|snapshot| snapshot.id.is_some());
        let snap = start::snap_dir(self.fs.as_ref(), &self.dir);
        let (Some(snapshot), Some(snap), Some(database)) = (file, snap, &self.database) else {
            return Ok(None);
        };
        let received = snap.join(format!("{:016x}.snap.db", snapshot.index.0));
        match self.fs.metadata(&received) {
            Ok(_) => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(database.behind(snapshot.index.0))
            }
            Err(error) => Err(io_error("look at", &received)(error)),
        }
    }

    /// The snapshots behind which the log can begin, newest first: those whose `.snap` file is
    /// there and whole, and that a marker names.
    ///
    /// # Errors
    /// When a `.snap` file cannot be read.
    pub(super) fn proven_starts(&self) -> Result<Vec<LogIndex>, StoreError> {
        let fs = self.fs.as_ref();
        match start::snap_dir(fs, &self.dir) {
            Some(snap) => start::proven(fs, &snap, &self.replay),
            None => Ok(Vec::new()),
        }
    }

    /// Whether nothing in the segments is wrong, and a node finds all entries behind `start`.
    pub(super) fn is_whole_behind(&self, start: LogIndex) -> bool {
        let next = self.bounds().is_none_or(|bounds| Some(bounds.first()) == start.next());
        let commit = LogIndex(self.commit());
        self.start.index() == start.0
            && next
            && start <= commit
            && commit <= self.last()
            && !self.faults.iter().any(is_damage)
            && self.holes().is_empty()
    }

    /// Where the first damage lies in the segments.
    pub(super) fn first_damage(&self) -> Option<Spot> {
        let holes = self.holes();
        let damage = self.faults.iter().chain(&holes).filter(|fault| is_damage(fault));
        // Those that are not told one by one lie behind those that are.
        damage.filter_map(|fault| self.spot_of(fault)).min()
    }

    /// Where the log begins, and how far the key-value store is, one line each.
    pub fn evidence(&self) -> Vec<String> {
        let mut lines = vec![self.start.evidence.clone()];
        let applied = self.database.as_ref().and_then(|database| database.applied);
        lines.extend(applied.map(|applied| {
            format!("{} beside it is BoltDB, and applied the log through {applied}", db::NAME)
        }));
        lines
    }

    /// The segments.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// First and last index.
    pub(super) fn bounds(&self) -> Option<IndexRange> {
        self.replay.pieces.bounds()
    }

    /// Where the records of the newest segment end.
    pub(super) fn end(&self) -> Spot {
        let end = self.replay.ends.last().map_or(0, |end| end.at);
        Spot { segment: self.segments.len().saturating_sub(1), offset_bytes: end }
    }

    /// Where a fault lies, in one of the segments.
    pub(super) fn spot_of(&self, fault: &Fault) -> Option<Spot> {
        let place = fault.place.as_ref()?;
        let of_file = |segment: &Segment| segment.source.path == place.file;
        let segment = self.segments.iter().position(of_file)?;
        Some(Spot { segment, offset_bytes: place.offset_bytes })
    }

    /// The first of the last entries whose term no state names (R114). etcd writes entries before
    /// the state that belongs to them, so that is a write of which only the beginning is there;
    /// nobody was told of it. Such entries lie behind the last state of the newest segment.
    pub(super) fn unfinished(&self) -> Result<Option<Fault>, StoreError> {
        let term = self.replay.state.map_or(0, |state| state.term);
        let last = self.last();
        let beyond = |head: &Result<LocatedHead, StoreError>| {
            head.as_ref().is_ok_and(|head| head.head.term.0 > term)
        };
        let range = IndexRange::new(last, last).unwrap_or(IndexRange::ALL);
        if !self.heads(&GroupId::Unnamed, range)?.any(|head| beyond(&head)) {
            return Ok(None);
        }
        let mut heads = self.heads(&GroupId::Unnamed, IndexRange::ALL)?;
        let Some(first) = heads.find(beyond).transpose()? else { return Ok(None) };
        let first = first.head;
        let found = match first.index == last {
            true => format!("the last write did not end: no state names the term of entry {last}"),
            false => format!(
                "the last write did not end: no state names the term of entries {} to {last}",
                first.index
            ),
        };
        let fault = Fault::new(Code::R114, FaultKind::Note { found }).at_index(first.index);
        let Some(place) = first.place else { return Ok(None) };
        let fault = fault.at(place).in_group(&GroupId::Unnamed);
        let is_behind = |spot: Spot| {
            let newest = spot.segment == self.end().segment;
            newest && (self.replay.state.is_none() || spot > self.replay.state_at)
        };
        Ok(self.spot_of(&fault).is_some_and(is_behind).then_some(fault))
    }

    /// Holes in the log that no snapshot explains.
    pub(super) fn holes(&self) -> Vec<Fault> {
        start::lost(&self.segments, &self.replay, None)
    }

    /// The current term, where a state tells it.
    pub(super) fn hard_term(&self) -> Option<Term> {
        self.hard_state().term
    }

    fn commit(&self) -> u64 {
        self.replay.state.map_or(0, |state| state.commit)
    }

    fn last(&self) -> LogIndex {
        LogIndex(self.replay.pieces.last().unwrap_or(self.start.index()))
    }

    fn log(&self, group: &GroupId, range: IndexRange) -> Result<Log<'_>, StoreError> {
        match group {
            GroupId::Unnamed => Ok(Log {
                segments: &self.segments,
                pieces: self.replay.pieces.within(range),
                faults: &self.faults,
            }),
            GroupId::Named(name) => Err(StoreError::NotFound {
                path: self.dir.clone(),
                reason: format!("no group {}", name.escape_debug()),
                seen: vec!["the unnamed group".to_owned()],
            }),
        }
    }

    fn hard_state(&self) -> HardState {
        let Some(State { term, vote, commit }) = self.replay.state else {
            return HardState::default();
        };
        let given = Vote { term: Some(Term(term)), candidate: Some(Candidate::Id(vote)) };
        let vote = (vote != 0).then_some(given);
        HardState { term: Some(Term(term)), vote, commit: Some(LogIndex(commit)) }
    }

    fn torn_bytes(&self) -> u64 {
        let ends = self.segments.iter().zip(&self.replay.ends);
        let torn = ends.filter(|(_, end)| end.torn);
        torn.map(|(segment, end)| segment.source.size_bytes.saturating_sub(end.at)).sum()
    }
}

/// Whether a fault says that records are not what was written, or missing.
pub(super) fn is_damage(fault: &Fault) -> bool {
    matches!(fault.code, Code::R115 | Code::R116)
}

fn unlisted(count: u64) -> Option<Fault> {
    let found = format!("{count} more damaged records");
    (count > 0).then(|| Fault::new(Code::R115, FaultKind::Note { found }))
}

/// etcd looks for the segment in which the entries behind its snapshot begin by their names.
fn no_first_segment(start: u64) -> Fault {
    let found = format!(
        "the name of no segment is at or below {start}, where the log begins; etcd finds none to \
         begin with"
    );
    Fault::new(Code::R121, FaultKind::Note { found })
}

impl LogSource for EtcdWalStore {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(vec![GroupId::Unnamed])
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        self.log(group, IndexRange::ALL)?;
        let mut stable = StableMap::new();
        let metadata = self.replay.metadata.unwrap_or_default();
        for (key, id) in [(NODE_ID_KEY, metadata.node), (CLUSTER_ID_KEY, metadata.cluster)] {
            if self.replay.metadata.is_some() {
                let bytes = SharedBytes::from(&id.to_be_bytes()[..]);
                let value = StableValue { bytes, integer: Some(ByteOrder::Big) };
                stable.insert(key.to_vec(), value);
            }
        }
        Ok(LogState {
            hard: self.hard_state(),
            stable,
            compacted: self.start.id(),
            snapshot: self.start.snapshot.clone(),
            bounds: self.replay.pieces.bounds(),
            schema: Some(PROFILE.schema.to_owned()),
            note: SharedBytes::default(),
        })
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        Ok(Box::new(EntryWalk(HeadWalk::new(self.log(group, range)?, range))))
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        Ok(Box::new(HeadWalk::new(self.log(group, range)?, range)))
    }

    fn head_runs(&self, group: &GroupId, range: IndexRange) -> Result<HeadRuns<'_>, StoreError> {
        Ok(Box::new(RunWalk::new(self.log(group, range)?, range)))
    }
}

impl RecordScan for EtcdWalStore {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        let markers: Vec<_> = start::valid_markers(&self.replay).cloned().collect();
        let scan = Scan {
            segments: &self.segments,
            ends: &self.replay.ends,
            pieces: &self.replay.pieces,
            start: self.start.index(),
            state: self.replay.state,
            markers: &markers,
        };
        scan.run(visit)
    }
}

impl Store for EtcdWalStore {
    fn format(&self) -> Format {
        Format::EtcdWal
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn opening_faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Every record was followed on opening with its checksum, so both levels report what was found
    /// then; the full one proves the key-value store beside the log as well.
    fn check(
        &self,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let counts = self.replay.counts;
        let mut faults = self.faults.clone();
        faults.extend(self.unfinished()?);
        let mut checked_bytes = counts.frame_bytes;
        if let (Level::Full, Some(database)) = (level, &self.database) {
            let before = checked_bytes;
            let mut reached = |bytes: u64| progress(before.saturating_add(bytes));
            let read = database.check(&mut faults, &mut reached)?;
            checked_bytes = checked_bytes.saturating_add(read.unwrap_or_default());
        }
        let _asked_to_stop_at_the_end = progress(checked_bytes);
        let live = self.replay.pieces.entries();
        Ok(Checked {
            faults,
            checked_bytes,
            torn_bytes: self.torn_bytes(),
            counts: vec![
                ("segments", self.segments.len() as u64),
                ("records", counts.records),
                ("stored entries", counts.entries),
                ("states", counts.states),
                ("snapshot markers", counts.markers),
                (SUPERSEDED_RECORDS, counts.entries.saturating_sub(live)),
            ],
        })
    }

    fn space(&self) -> Result<Space, StoreError> {
        let file_bytes = self.files.iter().map(|file| file.size_bytes).sum();
        let ends = self.segments.iter().zip(&self.replay.ends);
        let behind = ends.map(|(segment, end)| segment.source.size_bytes.saturating_sub(end.at));
        let live_bytes = self.replay.pieces.frame_bytes();
        Ok(Space { file_bytes, live_bytes, free_bytes: Some(behind.sum()) })
    }

    fn starts_from(&self, snapshot: LogId) -> bool {
        let mut markers = start::valid_markers(&self.replay);
        markers.any(|one| (one.index, one.term) == (snapshot.index.0, snapshot.term.0))
    }

    fn unfinished_from(&self, _group: &GroupId) -> Option<LogIndex> {
        self.unfinished().ok().flatten().and_then(|fault| fault.index)
    }

    fn follow(&self) -> Option<Box<dyn Follow>> {
        let (segment, end) = (self.segments.last()?, self.replay.ends.last()?);
        let start = self.start.index();
        let covered = (start > 0).then_some(start);
        let from = Begin {
            name: segment.name,
            at: end.at,
            chain: end.chain,
            last: self.replay.pieces.last().or(covered),
            start,
            damaged: end.damaged,
        };
        Some(Box::new(EtcdWalFollower::behind(&self.fs, &self.dir, segment, from)))
    }
}
