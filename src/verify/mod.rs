//! Proving that a store is sound: container, entries, Raft rules.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::decode::{self, Carries};
use crate::event::{EntryCount, Meter, Observer, Phase, Stopped};
use crate::model::{
    Code, EntryKind, Fault, Findings, GroupId, HeadRun, IndexRange, KnownFaults, LogIndex,
    LogState, Memberships, Place,
};
use crate::rules::{Checker, Surroundings};
use crate::store::open::{memberships, terms_may_fall};
use crate::store::snapshots::Checked as CheckedSnapshots;
use crate::store::{
    Checked, Description, HeadPiece, Level, LocatedHead, Opened, Snapshots, Store, StoreError,
};

mod times;

/// What is verified.
#[derive(Clone, Debug)]
pub struct Options {
    /// How thoroughly the container is checked.
    pub level: Level,
    /// Only this group.
    pub group: Option<GroupId>,
}

impl Default for Options {
    fn default() -> Self {
        Options { level: Level::Full, group: None }
    }
}

/// What verifying one store found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The verdict, an element of `result.stores`.
    pub verdict: Verdict,
    /// Everything found.
    pub findings: Findings,
}

/// An element of `result.stores`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verdict {
    /// The store as the operator named it.
    pub path: String,
    /// Its format.
    pub format: String,
    /// `quick` or `full`.
    pub level: String,
    /// Neither an error nor a warning.
    pub sound: bool,
    /// Groups verified.
    pub groups: u64,
    /// Entries that decoded.
    pub entries: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Bytes of the container that were verified.
    pub checked_bytes: u64,
    /// Bytes of a torn tail.
    pub torn_bytes: u64,
    /// What the container consists of, in the format's own words.
    pub containers: BTreeMap<String, u64>,
}

/// Why verifying stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has no such group.
    #[error("there is no {}", group_words(group))]
    NoSuchGroup {
        /// What was asked for.
        group: GroupId,
        /// What there is.
        present: Vec<GroupId>,
    },
    /// The operator wanted it to stop.
    #[error("cancelled")]
    Cancelled,
}

fn group_words(group: &GroupId) -> String {
    group.name().map_or("unnamed group".to_owned(), |name| format!("group {name:?}"))
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Error {
        Error::Cancelled
    }
}

/// What is verified.
#[derive(Clone, Copy)]
pub struct Source<'s> {
    /// The store.
    pub store: &'s dyn Store,
    /// What recognising it said about its surroundings; its faults (leftovers) become findings.
    pub description: &'s Description,
    /// The snapshots beside it, where they are in view.
    pub snapshots: Option<&'s Snapshots>,
}

impl<'s> From<&'s Opened> for Source<'s> {
    fn from(opened: &'s Opened) -> Source<'s> {
        Source {
            store: opened.store.as_ref(),
            description: &opened.description,
            snapshots: opened.snapshots.as_ref(),
        }
    }
}

/// Verifies one opened store: its container and the snapshots beside it, then that every entry
/// decodes, then the Raft rules.
///
/// # Errors
/// When the store cannot be read any further; damage is a finding, not an error.
pub fn verify(
    source: Source<'_>,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    let Source { store, description, snapshots } = source;
    let mut findings = Findings::default();
    findings.extend(description.faults.iter().cloned());
    let groups = chosen(store, options.group.as_ref(), &mut findings)?;
    let checked = container(store, options.level, observer)?;
    let known = KnownFaults::of(&checked.faults);
    findings.extend(checked.faults);
    let memberships = Memberships::default();
    let mut job = Job { store, known, findings, seen: None, memberships, entries: 0, bytes: 0 };
    if let Some(snapshots) = snapshots {
        job.seen = Some(job.snapshots(snapshots, options.level, observer)?);
    }
    let states: Vec<LogState> =
        groups.iter().map(|group| job.state(group)).collect::<Result<_, _>>()?;
    let total = states.iter().filter_map(|state| state.bounds).map(IndexRange::count).sum();
    let mut meter = Meter::start(Phase::Reading, None, Some(EntryCount(total)), observer)?;
    for (group, state) in groups.iter().zip(&states) {
        job.group(group, state, &mut meter, observer)?;
    }
    meter.finish(observer)?;
    let unread = times::unread(store, description, EntryCount(total), observer)?;
    job.findings.extend(unread);
    let counts = checked.counts.iter().map(|(name, count)| ((*name).to_owned(), *count));
    let mut containers: BTreeMap<String, u64> = counts.collect();
    let mut checked_bytes = checked.checked_bytes;
    if let Some(seen) = &job.seen {
        if seen.in_view {
            containers.insert("snapshots".to_owned(), seen.count);
        }
        checked_bytes = checked_bytes.saturating_add(seen.checked_bytes);
    }
    let verdict = Verdict {
        path: description.store.to_string_lossy().into_owned(),
        format: store.format().as_str().to_owned(),
        level: match options.level {
            Level::Quick => "quick".to_owned(),
            Level::Full => "full".to_owned(),
        },
        sound: job.findings.is_sound(),
        groups: groups.len() as u64,
        entries: job.entries,
        payload_bytes: job.bytes,
        checked_bytes,
        torn_bytes: checked.torn_bytes,
        containers,
    };
    Ok(Outcome { verdict, findings: job.findings })
}

/// The groups to verify. A store whose list of groups is damaged is still checked as a container.
fn chosen(
    store: &dyn Store,
    group: Option<&GroupId>,
    findings: &mut Findings,
) -> Result<Vec<GroupId>, Error> {
    let present = match store.groups() {
        Ok(present) => present,
        Err(error) => {
            findings.add(damage(error)?);
            return Ok(Vec::new());
        }
    };
    match group {
        None => Ok(present),
        Some(group) if present.contains(group) => Ok(vec![group.clone()]),
        Some(group) => Err(Error::NoSuchGroup { group: group.clone(), present }),
    }
}

fn container(
    store: &dyn Store,
    level: Level,
    observer: &mut dyn Observer,
) -> Result<Checked, Error> {
    let total = store.files().iter().map(|file| file.size_bytes).sum();
    let checked =
        Meter::over(Phase::Verifying, total, observer, |progress| store.check(level, progress))?;
    match checked {
        Ok(checked) => Ok(checked),
        Err(error) => Ok(Checked { faults: vec![damage(error)?], ..Checked::default() }),
    }
}

/// Damage is a finding, everything else ends the job.
fn damage(error: StoreError) -> Result<Fault, Error> {
    match error {
        StoreError::Fault(fault) => Ok(*fault),
        other => Err(Error::Store(other)),
    }
}

/// Where the entry at `index` lies. What cannot be read was said when it was read first.
fn place_of(store: &dyn Store, group: &GroupId, index: LogIndex) -> Option<Place> {
    let heads = store.heads(group, IndexRange::new(index, index)?).ok()?;
    heads.flatten().find(|located| located.head.index == index)?.head.place
}

struct Job<'s> {
    store: &'s dyn Store,
    /// What the check of the container said.
    known: KnownFaults,
    findings: Findings,
    /// The snapshots beside the log, where they are in view.
    seen: Option<CheckedSnapshots>,
    /// How those of the group at hand are encoded.
    memberships: Memberships,
    entries: u64,
    bytes: u64,
}

impl Job<'_> {
    fn add(&mut self, fault: Fault) {
        match self.known.has(&fault) {
            true => self.findings.complete(&fault),
            false => self.findings.add(fault),
        }
    }

    /// Proves the snapshots and takes note of what is wrong with them.
    fn snapshots(
        &mut self,
        snapshots: &Snapshots,
        level: Level,
        observer: &mut dyn Observer,
    ) -> Result<CheckedSnapshots, Error> {
        let total = snapshots.list().iter().map(|snapshot| snapshot.size_bytes).sum();
        let checked = Meter::over(Phase::Verifying, total, observer, |progress| {
            snapshots.check(level, progress)
        })?;
        let checked = checked?;
        self.findings.extend(checked.faults.iter().cloned());
        Ok(checked)
    }

    fn state(&mut self, group: &GroupId) -> Result<LogState, Error> {
        let mut state = match self.store.state(group) {
            Ok(state) => state,
            Err(error) => {
                let fault = damage(error)?;
                self.add(fault);
                LogState::default()
            }
        };
        if let Some(seen) = self.seen.as_ref().filter(|_| *group == GroupId::Unnamed) {
            seen.complete(&mut state);
        }
        Ok(state)
    }

    /// What lies around the log of a group.
    fn around(&self, group: &GroupId, state: &LogState) -> Surroundings {
        let profile = self.store.profile();
        let usual_min = LogIndex(profile.index_usual_min);
        let mut around = Surroundings::of(state, usual_min, profile.entry_bytes_max);
        around.terms_may_fall = terms_may_fall(state);
        around.unfinished_from = self.store.unfinished_from(group);
        if let Some(seen) = self.seen.as_ref().filter(|_| *group == GroupId::Unnamed) {
            around.snapshots_in_view = seen.in_view;
            around.membership_in_snapshot = seen.has_membership();
        }
        around
    }

    fn group(
        &mut self,
        group: &GroupId,
        state: &LogState,
        meter: &mut Meter,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let mut checker = Checker::new(group, state, self.around(group, state));
        self.memberships = memberships(state, self.store.profile());
        let pieces = match self.store.head_runs(group, IndexRange::ALL) {
            Ok(pieces) => pieces,
            Err(error) => {
                let fault = damage(error)?;
                self.add(fault);
                return Ok(());
            }
        };
        for piece in pieces {
            match piece {
                Ok(HeadPiece::Run(run)) => {
                    self.run(&run, &mut checker, group)?;
                    let count = EntryCount(run.range.count());
                    meter.entries(count, run.payload_bytes, observer)?;
                }
                Ok(HeadPiece::One(located)) => {
                    let bytes = located.head.payload_len_bytes;
                    self.head(located, &mut checker, group)?;
                    meter.entry(bytes, observer)?;
                }
                Err(error) => self.unreadable(error, &mut checker)?,
            }
        }
        let store = self.store;
        checker.finish_with(&mut self.findings, &|index| place_of(store, group, index));
        Ok(())
    }

    /// Takes entries that are alike at once, or one by one where something is to be said of one.
    /// Where that is the first, as at the beginning of a log, the others are still taken at once.
    fn run(
        &mut self,
        run: &HeadRun,
        checker: &mut Checker<'_>,
        group: &GroupId,
    ) -> Result<(), Error> {
        let asked = self.asks_membership(run.kind, run.kind_code, checker).is_some();
        if !asked && self.at_once(run, checker) {
            return Ok(());
        }
        let mut is_first = true;
        for head in self.store.heads(group, run.range)? {
            let rest = match head {
                Ok(located) => {
                    let payload_bytes = located.head.payload_len_bytes;
                    self.head(located, checker, group)?;
                    run.behind_first(payload_bytes).filter(|_| is_first && !asked)
                }
                Err(error) => {
                    self.unreadable(error, checker)?;
                    None
                }
            };
            is_first = false;
            if rest.is_some_and(|rest| self.at_once(&rest, checker)) {
                break;
            }
        }
        Ok(())
    }

    /// Takes a run if no rule can find anything about any of its entries.
    fn at_once(&mut self, run: &HeadRun, checker: &mut Checker<'_>) -> bool {
        let taken = checker.run(run);
        if taken {
            self.entries += run.range.count();
            self.bytes = self.bytes.saturating_add(run.payload_bytes);
        }
        taken
    }

    fn head(
        &mut self,
        located: LocatedHead,
        checker: &mut Checker<'_>,
        group: &GroupId,
    ) -> Result<(), Error> {
        let head = located.head;
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(head.payload_len_bytes);
        checker.entry(&head, &mut self.findings);
        if let Some(must) = self.asks_membership(head.kind, head.kind_code, checker) {
            let decodes = self.membership_decodes(group, head.index)?;
            if decodes || must {
                checker.membership(&head, decodes, &mut self.findings);
            }
        }
        // The rules above speak of unusual indexes themselves.
        let faults = located.faults.into_iter();
        faults.filter(|fault| fault.code != Code::R127).for_each(|fault| self.add(fault));
        Ok(())
    }

    fn unreadable(&mut self, error: StoreError, checker: &mut Checker<'_>) -> Result<(), Error> {
        checker.unreadable();
        let fault = damage(error)?;
        self.add(fault);
        Ok(())
    }

    /// Whether the payload of an entry is asked for a membership, and then whether it must be one.
    /// Where it need not, the first that decodes says enough.
    fn asks_membership(
        &self,
        kind: EntryKind,
        kind_code: Option<u32>,
        checker: &Checker<'_>,
    ) -> Option<bool> {
        match decode::carries(kind, kind_code, self.memberships.must) {
            Carries::Known => Some(true),
            Carries::Any => (!checker.has_membership()).then_some(false),
            Carries::None => None,
        }
    }

    /// Whether the entry at `index` carries a membership that decodes. Heads have no payload, and
    /// memberships are few: each is read alone.
    fn membership_decodes(&self, group: &GroupId, index: LogIndex) -> Result<bool, Error> {
        let Some(range) = IndexRange::new(index, index) else { return Ok(false) };
        for located in self.store.entries(group, range)? {
            match located {
                Ok(located) if located.entry.index == index => {
                    let entry = located.entry;
                    let dialect = self.memberships.dialect;
                    let payload = entry.payload_bytes();
                    return Ok(decode::tells_membership(dialect, entry.kind, payload));
                }
                Ok(_) => {}
                Err(error) => drop(damage(error)?),
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
