//! Taking everything that can still be proven out of a damaged store, into a new one beside it.
//!
//! Written against [`Salvage`], so that it names no format. The source is only read. What is
//! written is compared with what was proven before it gets its name, as every target is.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::event::{Meter, Observer, Phase, Stopped};
use crate::model::{
    Entry, EntryFields, Fault, Findings, GroupId, IndexRange, LogIndex, Place, StateFields,
};
use crate::store::open::{OpenOptions, SinkOptions, create_sink, open};
use crate::store::salvage::{Salvage, Salvaged, StateTaken};
use crate::store::target::{Sealed, Target};
use crate::store::{Format, Level, LogSink, RedbSchema, Snapshots, Store, StoreError};
use crate::vfs::{Clock, Fs};

/// Contents after which a batch is handed to the sink.
const BATCH_BYTES: usize = 1 << 20;
/// Entries after which a batch is handed to the sink.
const BATCH_ENTRIES: usize = 4_096;
/// Holes that are listed.
const HOLES_MAX: usize = 1_000;

/// What is repaired, and where it goes.
pub struct Job<'j> {
    /// The damaged store.
    pub salvage: &'j dyn Salvage,
    /// The snapshots beside it, where they are in view.
    pub snapshots: Option<&'j Snapshots>,
    /// Where the result goes; it was checked.
    pub target: Target,
    /// Everything but writing.
    pub dry_run: bool,
    /// Where the log lies in a redb file, as far as the operator told.
    pub redb: &'j RedbSchema,
    /// The file system and the clock, to open the result again.
    pub fs: &'j Arc<dyn Fs>,
    /// For locks.
    pub clock: &'j dyn Clock,
}

/// `result` of `repair`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Repair {
    /// The new store; null after a dry run.
    pub out: Option<String>,
    /// Its format, that of the source.
    pub format: String,
    /// Entries in it, or that would be.
    pub entries: u64,
    /// First index.
    pub first_index: Option<LogIndex>,
    /// Last index.
    pub last_index: Option<LogIndex>,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Indexes that damage took, the first 1,000 runs.
    pub holes: Vec<IndexRange>,
    /// Number of all runs.
    pub holes_total: u64,
    /// Whether entries in front of the first one may have been lost.
    pub open_begin: bool,
    /// Whether entries behind the last one may have been lost.
    pub open_end: bool,
    /// Whether everything that is missing lies in the newest snapshot beside the source.
    pub covered_by_snapshot: bool,
    /// Entries that are from the commit before the newest.
    pub from_commit_before: u64,
    /// Entries that are from pages to which nothing led any more.
    pub from_orphans: u64,
    /// Copies of missing entries that nothing proves, and that were left.
    pub unproven: u64,
    /// Where term, vote and other stable keys are from: `newest`, `commit-before` (in a log of
    /// records: from before the damage) or `lost`.
    pub state: String,
    /// The same of each group.
    pub groups: Vec<GroupRepair>,
    /// Damaged pieces that were left, the first 1,000.
    pub dropped: Vec<Dropped>,
    /// Number of all of them.
    pub dropped_total: u64,
    /// What the source holds that is no part of a Raft log, and the result does not: names and row
    /// counts.
    pub other_contents: BTreeMap<String, u64>,
}

/// What is left of one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct GroupRepair {
    /// Its name; null for the unnamed one.
    pub group: Option<String>,
    /// Entries of it, or that would be.
    pub entries: u64,
    /// First index.
    pub first_index: Option<LogIndex>,
    /// Last index.
    pub last_index: Option<LogIndex>,
    /// Indexes that damage took; of all groups together the first 1,000 runs.
    pub holes: Vec<IndexRange>,
    /// Number of all runs.
    pub holes_total: u64,
    /// Whether entries in front of the first one may have been lost.
    pub open_begin: bool,
    /// Whether entries behind the last one may have been lost.
    pub open_end: bool,
    /// Where term, vote and other stable keys are from, as for the whole.
    pub state: String,
}

impl GroupRepair {
    fn new(group: &GroupId, salvaged: &Salvaged, holes_max: usize) -> GroupRepair {
        GroupRepair {
            group: group.name().map(str::to_owned),
            holes: salvaged.missing.iter().take(holes_max).copied().collect(),
            holes_total: salvaged.missing.len() as u64,
            open_begin: salvaged.open_begin,
            open_end: salvaged.open_end.is_some(),
            state: state_word(salvaged.state).to_owned(),
            ..GroupRepair::default()
        }
    }

    fn count(&mut self, index: LogIndex) {
        self.entries += 1;
        self.first_index.get_or_insert(index);
        self.last_index = Some(index);
    }
}

fn state_word(state: StateTaken) -> &'static str {
    match state {
        StateTaken::Newest => "newest",
        StateTaken::CommitBefore => "commit-before",
        StateTaken::Lost => "lost",
    }
}

/// A damaged piece of the source.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Dropped {
    /// Where it lies.
    pub place: Option<Place>,
    /// What is wrong with it.
    pub reason: String,
}

/// How whole a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wholeness {
    /// Nothing is missing.
    Whole,
    /// Nothing is missing of what can be known; something of the source was not as it must be.
    Noted,
    /// Something is missing.
    Holes,
}

impl Repair {
    /// How whole the result is.
    pub fn wholeness(&self) -> Wholeness {
        let missing = self.holes_total > 0 || self.open_begin || self.open_end;
        if missing || self.state != "newest" {
            Wholeness::Holes
        } else if self.dropped_total > 0
            || self.from_commit_before + self.from_orphans > 0
            || !self.other_contents.is_empty()
        {
            Wholeness::Noted
        } else {
            Wholeness::Whole
        }
    }
}

/// Why repairing stopped. Nothing stands under the target's name then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing that could be proven is left.
    #[error("{}: not one entry or key can be proven", path.display())]
    Nothing {
        /// The source.
        path: PathBuf,
        /// Its format.
        format: Format,
        /// What is wrong with it.
        faults: Vec<Fault>,
    },
    /// What was written is not what was proven.
    #[error("the result differs from what was read: {difference}")]
    Mismatch {
        /// How.
        difference: String,
        /// Where it was kept for a look.
        set_aside: PathBuf,
    },
    /// The operator wanted it to stop.
    #[error("cancelled")]
    Cancelled,
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Error {
        Error::Cancelled
    }
}

/// Writes what can be proven into the target.
///
/// # Errors
/// See [`Error`].
pub fn run(job: Job<'_>, source: &Path, observer: &mut dyn Observer) -> Result<Repair, Error> {
    job.target.refuse_overlap(source)?;
    let covered = job.covered(observer)?;
    let mut repair = described(&job, covered);
    let written = job.copy(&mut repair, covered, observer)?;
    if repair.entries == 0 && repair.state == "lost" {
        let salvaged = job.salvage.groups().first().map(|group| job.salvage.salvaged(group));
        let faults = salvaged.map_or(Vec::new(), |salvaged| salvaged.dropped.clone());
        let (path, format) = (source.to_owned(), job.salvage.format());
        return Err(Error::Nothing { path, format, faults });
    }
    let Some(sealed) = written else { return Ok(repair) };
    match job.difference(&sealed, observer)? {
        Some(difference) => Err(Error::Mismatch { difference, set_aside: sealed.set_aside()? }),
        None => {
            let path = sealed.publish()?;
            repair.out = Some(path.to_string_lossy().into_owned());
            Ok(repair)
        }
    }
}

/// What is wrong with a result that cannot be read; where the system refuses to read it, nothing is
/// known of it.
fn wrong(error: StoreError) -> Result<String, Error> {
    match error {
        StoreError::Io(_) => Err(error.into()),
        other => Ok(other.to_string()),
    }
}

/// Everything but the entries.
fn described(job: &Job<'_>, covered: Option<LogIndex>) -> Repair {
    let mut repair = Repair {
        out: None,
        format: job.salvage.format().as_str().to_owned(),
        entries: 0,
        first_index: None,
        last_index: None,
        payload_bytes: 0,
        holes: Vec::new(),
        holes_total: 0,
        open_begin: false,
        open_end: false,
        covered_by_snapshot: true,
        from_commit_before: 0,
        from_orphans: 0,
        unproven: 0,
        state: state_word(StateTaken::Newest).to_owned(),
        groups: Vec::new(),
        dropped: Vec::new(),
        dropped_total: 0,
        other_contents: job.salvage.other_contents().into_iter().collect(),
    };
    for group in job.salvage.groups() {
        let salvaged = job.salvage.salvaged(&group);
        repair.holes_total += salvaged.missing.len() as u64;
        let left = HOLES_MAX.saturating_sub(repair.holes.len());
        let own = GroupRepair::new(&group, salvaged, left);
        repair.holes.extend_from_slice(&own.holes);
        repair.groups.push(own);
        repair.open_begin |= salvaged.open_begin;
        repair.open_end |= salvaged.open_end.is_some();
        let last = salvaged.missing.last().map(|hole| hole.last());
        // A store that knows its snapshot says itself what that covers.
        let marked = job.salvage.state(&group).snapshot_id().map(|id| id.index);
        let covered = covered.max(marked);
        let reaches = last.is_none_or(|last| covered.is_some_and(|covered| last <= covered));
        repair.covered_by_snapshot &= reaches && salvaged.open_end.is_none();
        repair.from_commit_before += salvaged.from_commit_before;
        repair.from_orphans += salvaged.from_orphans;
        repair.unproven += salvaged.unproven;
        // Of several groups the one that lost most decides.
        match salvaged.state {
            StateTaken::CommitBefore if repair.state == "lost" => {}
            StateTaken::Newest => {}
            taken => repair.state = state_word(taken).to_owned(),
        }
        repair.dropped_total += salvaged.dropped_total;
        repair.dropped.extend(
            salvaged
                .dropped
                .iter()
                .map(|fault| Dropped { place: fault.place.clone(), reason: fault.to_string() }),
        );
    }
    repair
}

impl Job<'_> {
    /// Index through which the newest snapshot that verifies reaches.
    fn covered(&self, observer: &mut dyn Observer) -> Result<Option<LogIndex>, Error> {
        let Some(snapshots) = self.snapshots else { return Ok(None) };
        let total = snapshots.list().iter().map(|snapshot| snapshot.size_bytes).sum();
        let checked = Meter::over(Phase::Verifying, total, observer, |progress| {
            snapshots.check(Level::Full, progress)
        })?;
        Ok(checked?.newest.map(|newest| newest.index))
    }

    /// Reads everything once; writes it unless this is a dry run.
    fn copy(
        &self,
        repair: &mut Repair,
        covered: Option<LogIndex>,
        observer: &mut dyn Observer,
    ) -> Result<Option<Sealed>, Error> {
        let origin = self.salvage.redb();
        let options = SinkOptions {
            page_bytes: self.salvage.page_bytes(),
            segment_bytes: self.salvage.segment_bytes(),
            redb_schema: origin.as_ref().map(|origin| origin.schema.clone()),
            redb_format: origin.as_ref().and_then(|origin| origin.format),
            redb_files: origin.and_then(|origin| origin.files),
            ..SinkOptions::default()
        };
        let mut sink = match self.dry_run || self.salvage.is_copied() {
            true => None,
            false => Some(create_sink(self.salvage.format(), self.target.clone(), &options)?),
        };
        let mut meter = Meter::start(Phase::Copying, None, None, observer)?;
        for (at, group) in self.salvage.groups().into_iter().enumerate() {
            if let Some(sink) = &mut sink {
                sink.begin_group(&group, &self.salvage.state(&group))?;
            }
            let (mut batch, mut first) = (Batch::default(), None);
            for located in self.salvage.entries(&group)? {
                let entry = located?.entry;
                first.get_or_insert(entry.index);
                let bytes = entry.payload_bytes().len() as u64;
                repair.entries += 1;
                repair.payload_bytes = repair.payload_bytes.saturating_add(bytes);
                repair.first_index =
                    Some(repair.first_index.map_or(entry.index, |first| first.min(entry.index)));
                repair.last_index = repair.last_index.max(Some(entry.index));
                if let Some(own) = repair.groups.get_mut(at) {
                    own.count(entry.index);
                }
                meter.entry(bytes, observer)?;
                if let Some(sink) = &mut sink {
                    batch.add(entry, sink.as_mut())?;
                }
            }
            if let Some(sink) = &mut sink {
                batch.hand_over(sink.as_mut())?;
            }
            repair.covered_by_snapshot &= self.begins_covered(&group, first, covered);
        }
        meter.finish(observer)?;
        let nothing = repair.entries == 0 && repair.state == "lost";
        match sink.filter(|_| !nothing) {
            Some(sink) => Ok(Some(sink.seal()?)),
            None if nothing || self.dry_run => Ok(None),
            None => Ok(self.salvage.copy(&self.target)?),
        }
    }

    /// Whether a snapshot holds what may be missing in front of the `first` entry of a group.
    fn begins_covered(
        &self,
        group: &GroupId,
        first: Option<LogIndex>,
        covered: Option<LogIndex>,
    ) -> bool {
        // A store that knows its snapshot says itself what that covers.
        let marked = self.salvage.state(group).snapshot_id().map(|id| id.index);
        let reaches = match first.and_then(LogIndex::previous) {
            Some(before) => covered.max(marked) >= Some(before),
            None => marked.is_some(),
        };
        reaches || !self.salvage.salvaged(group).open_begin
    }

    /// How what was written differs from what was read, if it does.
    fn difference(
        &self,
        sealed: &Sealed,
        observer: &mut dyn Observer,
    ) -> Result<Option<String>, Error> {
        let files = self.salvage.redb().and_then(|origin| origin.files);
        let file_pattern = files.map(|files| files.pattern());
        let redb = RedbSchema { file_pattern, ..self.redb.clone() };
        let alone = OpenOptions { alone: true, redb, ..OpenOptions::default() };
        let written = match open(self.fs, self.clock, &sealed.partial(), &alone) {
            Ok(opened) => opened.store,
            Err(error) => return Ok(Some(format!("it does not open: {}", wrong(error)?))),
        };
        let mut meter = Meter::start(Phase::Comparing, None, None, observer)?;
        for group in self.salvage.groups() {
            let differs =
                self.group_difference(&group, written.as_ref(), &mut |bytes| match meter
                    .entry(bytes, observer)
                {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(Stopped) => ControlFlow::Break(()),
                })?;
            if differs.is_some() {
                return Ok(differs);
            }
        }
        meter.finish(observer)?;
        Ok(None)
    }

    fn group_difference(
        &self,
        group: &GroupId,
        written: &dyn Store,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<String>, Error> {
        let unreadable = |error: StoreError| Ok(Some(wrong(error)?));
        let state = match written.state(group) {
            Ok(state) => state,
            Err(error) => return unreadable(error),
        };
        let fields = StateFields { snapshot: false, ..StateFields::MEANING };
        if let Some(found) = self.salvage.state(group).differences(&state, &fields).first() {
            return Ok(Some(format!("{} of the state", found.field)));
        }
        let mut entries = match written.entries(group, IndexRange::ALL) {
            Ok(entries) => entries,
            Err(error) => return unreadable(error),
        };
        for located in self.salvage.entries(group)? {
            let wanted = located?.entry;
            let found = match entries.next() {
                None => return Ok(Some(format!("entry {} is missing", wanted.index))),
                Some(Err(error)) => return unreadable(error),
                Some(Ok(located)) => located.entry,
            };
            if found.index != wanted.index {
                return Ok(Some(format!("entry {} stands for {}", found.index, wanted.index)));
            }
            if let Some(field) = wanted.difference(&found, &EntryFields::EXACT) {
                return Ok(Some(format!("{field} of entry {}", wanted.index)));
            }
            if progress(wanted.payload_bytes().len() as u64).is_break() {
                return Err(Error::Cancelled);
            }
        }
        Ok(entries.next().map(|_| "there is an entry too much".to_owned()))
    }
}

/// Entries on their way to the sink.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, entry: Entry, sink: &mut dyn LogSink) -> Result<(), StoreError> {
        self.bytes += entry.payload_bytes().len() + entry.extensions_bytes().len();
        self.entries.push(entry);
        if self.bytes >= BATCH_BYTES || self.entries.len() >= BATCH_ENTRIES {
            self.hand_over(sink)?;
        }
        Ok(())
    }

    fn hand_over(&mut self, sink: &mut dyn LogSink) -> Result<(), StoreError> {
        if !self.entries.is_empty() {
            sink.append(&self.entries)?;
        }
        self.entries.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// What was left of the source, as findings.
pub fn findings(salvage: &dyn Salvage) -> Findings {
    let mut findings = Findings::default();
    for group in salvage.groups() {
        findings.extend(salvage.salvaged(&group).dropped.iter().cloned());
    }
    findings.extend(salvage.left_out().iter().cloned());
    findings
}
