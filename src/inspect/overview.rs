use std::collections::BTreeMap;

use crate::decode;
use crate::event::{EntryCount, Meter, Observer, Phase};
use crate::inspect::sizes::Sizes;
use crate::inspect::view::{kind_counts, stable_views};
use crate::inspect::{
    Error, GroupView, MembershipView, Outcome, Overview, Source, SpaceView, Stats, TermStats,
    chosen, damage, of_reading,
};
use crate::model::{
    Code, EntryHead, EntryKind, Fault, Findings, GroupId, HardStateView, HeadRun, IndexRange,
    LogIndex, LogState, SnapshotView, Term,
};
use crate::store::open::memberships;
use crate::store::{HeadPiece, HeadRuns, Snapshots, Store, StoreError};

/// Runs of missing indexes that are listed.
const HOLES_MAX: usize = 1_000;
/// Rows of the statistics by term.
const TERM_ROWS_MAX: usize = 10_000;
/// Membership entries that are tried, from the newest, until one decodes.
const MEMBERSHIPS_TRIED: usize = 16;

/// Looks at every group, or at one: bounds, counts, state, membership.
///
/// # Errors
/// When the store cannot be read any further; damage is a finding.
pub fn overview(
    source: Source<'_>,
    group: Option<&GroupId>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    look(source, group, false, observer)
}

/// As [`overview`], with statistics over terms and payload sizes.
///
/// # Errors
/// As [`overview`].
pub fn stats(
    source: Source<'_>,
    group: Option<&GroupId>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    look(source, group, true, observer)
}

fn look(
    source: Source<'_>,
    group: Option<&GroupId>,
    with_stats: bool,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    let store = source.store;
    let groups = chosen(store, group)?;
    let mut findings = Findings::default();
    findings.extend(store.opening_faults().iter().cloned());
    let mut states = Vec::new();
    for group in &groups {
        let state = match store.state(group) {
            Ok(state) => state,
            Err(error) => {
                add_unless_known(store, damage(error)?, &mut findings);
                LogState::default()
            }
        };
        states.push(state);
    }
    let total = states.iter().filter_map(|state| state.bounds).map(IndexRange::count).sum();
    let mut meter = Meter::start(Phase::Reading, None, Some(EntryCount(total)), observer)?;
    let mut survey =
        Survey { sizes: Sizes::new(), by_kind: [0; EntryKind::ALL.len()], by_term: Vec::new() };
    let mut views = Vec::new();
    for (group, state) in groups.iter().zip(&states) {
        let mut log = Log::new();
        for piece in pieces(store, group, with_stats)? {
            match piece {
                Ok(HeadPiece::Run(run)) => {
                    log.run(&run);
                    meter.entries(EntryCount(run.range.count()), run.payload_bytes, observer)?;
                }
                Ok(HeadPiece::One(located)) => {
                    log.entry(&located.head);
                    if with_stats {
                        survey.entry(group, &located.head);
                    }
                    meter.entry(located.head.payload_len_bytes, observer)?;
                    findings.extend(of_reading(located.faults));
                }
                Err(error) => {
                    let fault = damage(error)?;
                    log.unreadable(&fault);
                    add_unless_known(store, fault, &mut findings);
                }
            }
        }
        let membership = newest_membership(store, (group, state), &log.memberships)?;
        let mut view = log.view(group, state, membership);
        if let Some(snapshots) = source.snapshots.filter(|_| *group == GroupId::Unnamed) {
            with_snapshots(&mut view, snapshots);
        }
        views.push(view);
    }
    meter.finish(observer)?;
    let space = SpaceView::from(store.space()?);
    let overview = Overview {
        groups: views,
        space,
        other_contents: store.other_contents().into_iter().collect(),
        stats: with_stats.then(|| survey.stats(space)),
    };
    Ok(Outcome { overview, findings })
}

/// The heads of a group, one by one where each is counted.
fn pieces<'s>(
    store: &'s dyn Store,
    group: &GroupId,
    one_by_one: bool,
) -> Result<HeadRuns<'s>, StoreError> {
    if !one_by_one {
        return store.head_runs(group, IndexRange::ALL);
    }
    let heads = store.heads(group, IndexRange::ALL)?;
    Ok(Box::new(heads.map(|head| head.map(HeadPiece::One))))
}

/// Adds what stands beside the log.
fn with_snapshots(view: &mut GroupView, snapshots: &Snapshots) {
    view.snapshots = snapshots.in_view().then_some(snapshots.list().len() as u64);
    view.recovery = snapshots.recovery().map(|fault| fault.kind.to_string());
    let Some(newest) = snapshots.list().first() else { return };
    if view.snapshot.as_ref().is_none_or(|known| known.index < newest.index) {
        let size_bytes = Some(newest.size_bytes);
        view.snapshot = Some(SnapshotView { size_bytes, ..SnapshotView::from(&newest.note()) });
    }
    let known = view.membership.as_ref().map(|membership| membership.index);
    if !newest.servers.is_empty() && known < Some(newest.membership_index) {
        let (index, servers) = (newest.membership_index, newest.servers.clone());
        view.membership = Some(MembershipView { index, servers });
    }
}

/// What was already said on opening is not said again.
fn add_unless_known(store: &dyn Store, fault: Fault, findings: &mut Findings) {
    if !store.opening_faults().contains(&fault) {
        findings.add(fault);
    }
}

/// The newest of some entries whose membership decodes.
fn newest_membership(
    store: &dyn Store,
    (group, state): (&GroupId, &LogState),
    candidates: &[LogIndex],
) -> Result<Option<MembershipView>, Error> {
    let dialect = memberships(state, store.profile()).dialect;
    for index in candidates.iter().rev() {
        let Some(range) = IndexRange::new(*index, *index) else { continue };
        for located in store.entries(group, range)? {
            let entry = match located {
                Ok(located) => located.entry,
                Err(StoreError::Fault(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let membership = decode::membership(dialect, entry.kind, entry.payload_bytes());
            if let Some(membership) = membership.filter(|_| entry.index == *index) {
                let servers = membership.servers;
                return Ok(Some(MembershipView { index: *index, servers }));
            }
        }
    }
    Ok(None)
}

/// What one pass over a group's heads tells.
struct Log {
    first: Option<(LogIndex, Term)>,
    last: Option<(LogIndex, Term)>,
    reached: Option<LogIndex>,
    entries: u64,
    payload_bytes: u64,
    holes: Vec<IndexRange>,
    holes_total: u64,
    by_kind: [u64; EntryKind::ALL.len()],
    memberships: Vec<LogIndex>,
}

impl Log {
    fn new() -> Log {
        Log {
            first: None,
            last: None,
            reached: None,
            entries: 0,
            payload_bytes: 0,
            holes: Vec::new(),
            holes_total: 0,
            by_kind: [0; EntryKind::ALL.len()],
            memberships: Vec::new(),
        }
    }

    fn entry(&mut self, head: &EntryHead) {
        let Some(range) = IndexRange::new(head.index, head.index) else { return };
        self.run(&HeadRun {
            range,
            term: head.term,
            kind: head.kind,
            kind_code: head.kind_code,
            payload_bytes: head.payload_len_bytes,
            payload_bytes_max: head.payload_len_bytes,
            encoded_bytes: 0,
        });
    }

    fn run(&mut self, run: &HeadRun) {
        let (first, last) = (run.range.first(), run.range.last());
        let hole = match (self.reached.and_then(LogIndex::next), first.previous()) {
            (Some(after), Some(before)) => IndexRange::new(after, before),
            _ => None,
        };
        if let Some(hole) = hole {
            self.holes_total += 1;
            if self.holes.len() < HOLES_MAX {
                self.holes.push(hole);
            }
        }
        self.first.get_or_insert((first, run.term));
        self.last = Some((last, run.term));
        self.reached = self.reached.max(Some(last));
        self.entries += run.range.count();
        self.payload_bytes = self.payload_bytes.saturating_add(run.payload_bytes);
        count(&mut self.by_kind, run.kind, run.range.count());
        if carries_membership(run.kind) {
            let newest: Vec<u64> = (first.0..=last.0).rev().take(MEMBERSHIPS_TRIED).collect();
            self.memberships.extend(newest.into_iter().rev().map(LogIndex));
            let excess = self.memberships.len().saturating_sub(MEMBERSHIPS_TRIED);
            self.memberships.drain(..excess);
        }
    }

    /// An entry that is there but does not decode leaves no hole; damage to what holds entries may
    /// have taken any number of them.
    fn unreadable(&mut self, fault: &Fault) {
        let next = self.reached.and_then(LogIndex::next);
        if fault.code == Code::R122 && fault.index.is_some() && fault.index == next {
            self.reached = fault.index;
        }
    }

    fn view(
        self,
        group: &GroupId,
        state: &LogState,
        membership: Option<MembershipView>,
    ) -> GroupView {
        GroupView {
            group: group.clone(),
            first_index: self.first.map(|(index, _)| index),
            last_index: self.last.map(|(index, _)| index),
            first_term: self.first.map(|(_, term)| term),
            last_term: self.last.map(|(_, term)| term),
            entries: self.entries,
            payload_bytes: self.payload_bytes,
            holes: self.holes,
            holes_total: self.holes_total,
            by_kind: kind_counts(&self.by_kind),
            hard_state: HardStateView::from(&state.hard),
            stable: stable_views(&state.stable),
            compacted: state.compacted.map(Into::into),
            snapshot: state.snapshot.as_ref().map(Into::into),
            snapshots: None,
            membership,
            recovery: None,
        }
    }
}

fn carries_membership(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Configuration | EntryKind::AddPeer | EntryKind::RemovePeer)
}

fn count(by_kind: &mut [u64; EntryKind::ALL.len()], kind: EntryKind, entries: u64) {
    let position = EntryKind::ALL.iter().position(|other| *other == kind);
    if let Some(count) = position.and_then(|position| by_kind.get_mut(position)) {
        *count += entries;
    }
}

/// Statistics over all groups.
struct Survey {
    sizes: Sizes,
    by_kind: [u64; EntryKind::ALL.len()],
    by_term: Vec<TermStats>,
}

impl Survey {
    fn entry(&mut self, group: &GroupId, head: &EntryHead) {
        self.sizes.add(head.payload_len_bytes);
        count(&mut self.by_kind, head.kind, 1);
        if let Some(row) = self.by_term.last_mut()
            && row.term == head.term
            && row.group == *group
        {
            row.entries += 1;
            row.last_index = head.index;
        } else if self.by_term.len() < TERM_ROWS_MAX {
            self.by_term.push(TermStats {
                group: group.clone(),
                term: head.term,
                entries: 1,
                first_index: head.index,
                last_index: head.index,
            });
        }
    }

    fn stats(self, space: SpaceView) -> Stats {
        let by_kind: BTreeMap<String, u64> = kind_counts(&self.by_kind);
        Stats {
            by_kind,
            by_term: self.by_term,
            size_bytes: self.sizes.stats(),
            file_bytes: space.file_bytes,
            live_bytes: space.live_bytes,
            free_bytes: space.free_bytes,
            size_histogram: self.sizes.histogram(),
        }
    }
}
