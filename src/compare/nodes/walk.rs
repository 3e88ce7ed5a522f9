//! One group of all nodes, index by index: a merge of as many ascending streams as there are nodes.

use crate::compare::Error;
use crate::compare::group::{Log, OfGroup, Side};
use crate::compare::nodes::{Conflict, ConflictKind, ConflictSide, Node};
use crate::decode;
use crate::event::{Meter, Observer};
use crate::model::{
    Dialect, Entry, EntryFields, GroupId, IndexRange, LogId, LogIndex, Server, SnapshotNote,
    Suffrage, Term,
};
use crate::store::open::memberships;

/// Which fields of entries are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    entry: EntryFields,
    /// Whether every node records terms.
    pub(super) terms: bool,
}

/// What all nodes' formats hold of what Raft replicates. Append times are left out: a leader's
/// clock is no part of the agreement, and a converted node may have lost them.
pub(super) fn fields(nodes: &[Node<'_>]) -> Fields {
    let holds = |held: fn(&crate::store::Holds) -> bool| {
        nodes.iter().all(|node| held(&node.store.profile().holds))
    };
    let terms = holds(|holds| holds.terms);
    let entry = EntryFields {
        term: terms,
        extensions: holds(|holds| holds.extensions),
        appended_at: false,
        ..EntryFields::MEANING
    };
    Fields { entry, terms }
}

impl Fields {
    /// Fields that some node's format cannot hold.
    pub(super) fn not_comparable(&self) -> Vec<String> {
        [(self.entry.term, "term"), (self.entry.extensions, "extensions")]
            .into_iter()
            .filter(|(compared, _)| !compared)
            .map(|(_, name)| name.to_owned())
            .collect()
    }
}

/// What one node's log was found to be.
#[derive(Debug)]
pub(super) struct Lane {
    /// Everything up to here is in a snapshot, or was compacted.
    pub(super) covered: Option<LogIndex>,
    /// Newest snapshot, in the store or beside it.
    pub(super) snapshot: Option<SnapshotNote>,
    /// Size of that snapshot's state, where it stands beside the log.
    pub(super) snapshot_bytes: Option<u64>,
    first: Option<LogIndex>,
    pub(super) last: Option<LogId>,
    pub(super) agrees_through: Option<LogIndex>,
    agrees: bool,
    pub(super) differs: Option<LogId>,
}

impl Lane {
    fn new(node: &Node<'_>, state: &OfGroup, group: &GroupId) -> Lane {
        let state = state.0.as_ref();
        let beside = node.snapshots.filter(|_| *group == GroupId::Unnamed);
        let beside = beside.and_then(|snapshots| snapshots.list().first());
        let inside = state.and_then(|state| state.snapshot.clone());
        let newer =
            beside.filter(|one| inside.as_ref().is_none_or(|inside| inside.index < one.index));
        let snapshot = newer.map(|one| one.note()).or(inside);
        let compacted = state.and_then(|state| state.compacted).map(|id| id.index);
        let covered = snapshot.as_ref().map(|snapshot| snapshot.index).max(compacted);
        Lane {
            covered,
            snapshot,
            snapshot_bytes: newer.map(|one| one.size_bytes),
            first: state.and_then(|state| state.bounds).map(IndexRange::first),
            last: None,
            agrees_through: None,
            agrees: true,
            differs: None,
        }
    }

    /// Whether `index` is known to be what the cluster agreed on, without an entry to show.
    fn covers(&self, index: LogIndex) -> bool {
        self.covered >= Some(index) || self.first.is_some_and(|first| index < first)
    }
}

/// The newest membership met: index and term of its entry, and who is in it.
#[derive(Debug, Default)]
struct Members {
    of: Option<LogId>,
    servers: Vec<Server>,
}

impl Members {
    fn take(&mut self, of: LogId, servers: Vec<Server>) {
        let newer = |known: LogId| (known.index, known.term) < (of.index, of.term);
        if !servers.is_empty() && self.of.is_none_or(newer) {
            (self.of, self.servers) = (Some(of), servers);
        }
    }
}

/// The comparison of one group.
pub(super) struct Walk<'n> {
    nodes: &'n [Node<'n>],
    group: GroupId,
    fields: Fields,
    pub(super) lanes: Vec<Lane>,
    /// At position `k`: the last index up to which `k + 1` nodes hold the same, and whether that
    /// still goes on.
    held_by: Vec<(Option<LogIndex>, bool)>,
    /// At `[a][b]`: the logs of two nodes have parted.
    parted: Vec<Vec<bool>>,
    any_parted: bool,
    pub(super) diverged: Option<Conflict>,
    pub(super) impossible: Option<Conflict>,
    members: Members,
    /// In whose encoding memberships are.
    dialect: Dialect,
    previous: Option<LogIndex>,
    /// Which nodes hold the entry that most of them hold, in the row looked at.
    leads: Vec<bool>,
}

impl<'n> Walk<'n> {
    pub(super) fn new(
        nodes: &'n [Node<'n>],
        group: &GroupId,
        states: &[OfGroup],
        fields: Fields,
    ) -> Walk<'n> {
        let lanes: Vec<Lane> =
            nodes.iter().zip(states).map(|(node, state)| Lane::new(node, state, group)).collect();
        let of_schema = |(node, of): (&Node<'_>, &OfGroup)| {
            let state = of.0.as_ref().filter(|state| state.schema.is_some())?;
            Some(memberships(state, node.store.profile()).dialect)
        };
        let dialect = nodes.iter().zip(states).find_map(of_schema).unwrap_or_default();
        let mut members = Members::default();
        let unnamed = *group == GroupId::Unnamed;
        for snapshots in nodes.iter().filter_map(|node| node.snapshots).filter(|_| unnamed) {
            if let Some(newest) = snapshots.list().first() {
                let of = LogId { index: newest.membership_index, term: newest.term };
                members.take(of, newest.servers.clone());
            }
        }
        Walk {
            nodes,
            group: group.clone(),
            fields,
            held_by: vec![(None, true); lanes.len()],
            parted: vec![vec![false; lanes.len()]; lanes.len()],
            lanes,
            any_parted: false,
            diverged: None,
            impossible: None,
            members,
            dialect,
            previous: None,
            leads: vec![false; nodes.len()],
        }
    }

    /// The last index up to which so many nodes hold the same.
    pub(super) fn held_by(&self, nodes: usize) -> Option<LogIndex> {
        self.held_by.get(nodes.checked_sub(1)?).and_then(|(through, _)| *through)
    }

    /// Voters of the newest membership.
    pub(super) fn voters(&self) -> Option<usize> {
        let voter = |server: &&Server| server.suffrage == Suffrage::Voter;
        self.members.of.map(|_| self.members.servers.iter().filter(voter).count())
    }

    /// Whether every node records terms.
    pub(super) fn has_terms(&self) -> bool {
        self.fields.terms
    }

    /// Reads all logs side by side.
    pub(super) fn run(
        &mut self,
        sides: &mut [Side<'_>],
        states: &[OfGroup],
        meter: &mut Meter,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let mut marks: Vec<LogIndex> = self.lanes.iter().filter_map(|lane| lane.covered).collect();
        marks.sort();
        marks.dedup();
        std::thread::scope(|scope| {
            let mut logs = Vec::new();
            for (side, state) in sides.iter_mut().zip(states) {
                logs.push(side.log(scope, &self.group, state, IndexRange::ALL)?);
            }
            let mut row: Vec<Option<Entry>> = vec![None; self.nodes.len()];
            while let Some(index) = take_row(sides, &mut logs, &mut row)? {
                // Before the lowest index of all there is nothing to pass over.
                if let Some(before) = index.previous() {
                    self.pass_over(&marks, Some(before));
                }
                self.entries(index, &row);
                let bytes = row.iter().flatten().next();
                let bytes = bytes.map_or(0, |entry| entry.payload_bytes().len());
                meter.entry(bytes as u64, observer)?;
            }
            self.pass_over(&marks, None);
            Ok(())
        })
    }

    /// Indexes behind the last one and up to `through` that no node has an entry of: only
    /// snapshots can hold them. Without an end, up to the newest snapshot.
    fn pass_over(&mut self, marks: &[LogIndex], through: Option<LogIndex>) {
        let Some(previous) = self.previous else {
            // Below every log. Where there is no log at all, snapshots are all there is.
            if through.is_none() {
                marks.iter().for_each(|mark| self.nothing(*mark));
            }
            return;
        };
        for mark in marks.iter().filter(|mark| **mark > previous) {
            if through.is_none_or(|through| *mark < through) {
                self.nothing(*mark);
            }
        }
        if let Some(through) = through.filter(|through| *through > previous) {
            self.nothing(through);
        }
    }

    /// An index of which no node has an entry.
    fn nothing(&mut self, index: LogIndex) {
        let covering = self.lanes.iter().filter(|lane| lane.covers(index)).count();
        for lane in self.lanes.iter_mut().filter(|lane| lane.agrees) {
            lane.agrees = lane.covers(index);
            if lane.agrees {
                lane.agrees_through = Some(index);
            }
        }
        self.held(index, covering);
    }

    fn held(&mut self, index: LogIndex, nodes: usize) {
        for (at, (through, goes_on)) in self.held_by.iter_mut().enumerate() {
            *goes_on &= at < nodes;
            if *goes_on {
                *through = Some(index);
            }
        }
        self.previous = Some(index);
    }

    /// An index of which some node has an entry.
    fn entries(&mut self, index: LogIndex, row: &[Option<Entry>]) {
        let leading = self.leading(index, row);
        let mut holding = 0;
        for ((lane, entry), leads) in self.lanes.iter_mut().zip(row).zip(&self.leads) {
            let agrees = match entry {
                Some(entry) => {
                    lane.last = Some(entry.id());
                    *leads
                }
                None => lane.covers(index),
            };
            holding += usize::from(agrees);
            if agrees && lane.agrees {
                lane.agrees_through = Some(index);
            } else if let (false, Some(entry)) = (agrees, entry) {
                lane.differs.get_or_insert(entry.id());
            }
            lane.agrees &= agrees;
        }
        if let Some(leading) = leading {
            let membership =
                decode::membership(self.dialect, leading.kind, leading.payload_bytes());
            if let Some(membership) = membership {
                self.members.take(leading.id(), membership.servers);
            }
        }
        let all_lead = row.iter().zip(&self.leads).all(|(entry, leads)| entry.is_none() || *leads);
        if !all_lead || self.any_parted {
            self.pairs(index, row);
        }
        self.held(index, holding);
    }

    /// The entry that most nodes hold; of equally many the one with the higher term. Where a
    /// snapshot says which term was committed, only an entry of that term. Which nodes hold it is
    /// noted in `leads`.
    fn leading<'r>(&mut self, index: LogIndex, row: &'r [Option<Entry>]) -> Option<&'r Entry> {
        let committed = self.committed_term(index);
        let may = |entry: &&Entry| committed.is_none_or(|term| entry.term == term);
        let fields = self.fields;
        let like =
            |one: &Entry| row.iter().flatten().filter(|other| same(one, other, &fields)).count();
        let mut best = row.iter().flatten().find(may);
        if let Some(first) = best
            && !row.iter().flatten().all(|entry| same(first, entry, &fields))
        {
            let mut most = like(first);
            for entry in row.iter().flatten().filter(may) {
                let (count, held) = (like(entry), best.map(|best| best.term));
                if (most, held) < (count, Some(entry.term)) {
                    (best, most) = (Some(entry), count);
                }
            }
            self.note_leads(row, best);
        } else {
            let whether = best.is_some();
            self.leads.iter_mut().for_each(|leads| *leads = whether);
        }
        best
    }

    fn note_leads(&mut self, row: &[Option<Entry>], leading: Option<&Entry>) {
        for (leads, entry) in self.leads.iter_mut().zip(row) {
            let entry = entry.as_ref().zip(leading);
            *leads = entry.is_some_and(|(entry, leading)| same(entry, leading, &self.fields));
        }
    }

    /// The term of the committed entry at `index`, where a snapshot ends there.
    fn committed_term(&self, index: LogIndex) -> Option<Term> {
        let ends_here = |lane: &Lane| {
            lane.snapshot.as_ref().filter(|snapshot| snapshot.index == index).map(|one| one.term)
        };
        self.lanes.iter().find_map(ends_here).filter(|_| self.fields.terms)
    }

    /// Compares the entries of every two nodes; of a node that has none, but a snapshot that ends
    /// here, the term.
    fn pairs(&mut self, index: LogIndex, row: &[Option<Entry>]) {
        for (a, of_a) in row.iter().enumerate() {
            let Some(of_a) = of_a else { continue };
            for (b, of_b) in row.iter().enumerate().skip(a + 1) {
                let Some(of_b) = of_b else { continue };
                let is_same = same(of_a, of_b, &self.fields);
                let parted = self.parted.get_mut(a).and_then(|of_a| of_a.get_mut(b));
                let Some(parted) = parted else { continue };
                let one_term = self.fields.terms && of_a.term == of_b.term;
                // One leader makes all entries of a term, each behind what it has in its log.
                let kind = match (one_term, is_same, *parted) {
                    (true, false, _) | (true, true, true) => ConflictKind::Impossible,
                    (false, false, _) => ConflictKind::Diverged,
                    (_, true, _) => continue,
                };
                *parted = true;
                self.conflict(index, kind, [(a, of_a.term), (b, of_b.term)]);
            }
        }
        let Some(committed) = self.committed_term(index) else { return };
        let holds = |lane: &Lane| lane.snapshot.as_ref().is_some_and(|one| one.index == index);
        let Some(holder) = self.lanes.iter().position(holds) else { return };
        let other = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.term);
        let other = row.iter().map(other).enumerate().find_map(|(node, term)| {
            term.filter(|term| *term != committed && node != holder).map(|term| (node, term))
        });
        if let Some(other) = other {
            self.conflict(index, ConflictKind::Diverged, [(holder, committed), other]);
        }
    }

    /// Notes the first conflict of its kind: nodes, by position, and the terms of their entries.
    fn conflict(&mut self, index: LogIndex, kind: ConflictKind, between: [(usize, Term); 2]) {
        self.any_parted = true;
        let side = |(node, term): (usize, Term)| ConflictSide {
            path: self.nodes.get(node).map_or("", |node| node.path).to_owned(),
            term,
        };
        let [a, b] = between.map(side);
        let found = match kind {
            ConflictKind::Impossible => &mut self.impossible,
            ConflictKind::Diverged => &mut self.diverged,
        };
        let group = &self.group;
        found.get_or_insert_with(|| Conflict { group: group.clone(), index, kind, a, b });
    }
}

fn same(a: &Entry, b: &Entry, fields: &Fields) -> bool {
    std::ptr::eq(a, b) || a.difference(b, &fields.entry).is_none()
}

/// Takes the entries of the lowest index that any log still has.
fn take_row(
    sides: &mut [Side<'_>],
    logs: &mut [Option<Log<'_>>],
    row: &mut [Option<Entry>],
) -> Result<Option<LogIndex>, Error> {
    let mut lowest: Option<LogIndex> = None;
    for (side, log) in sides.iter_mut().zip(logs.iter_mut()) {
        if let Some(index) = side.peek(log)? {
            lowest = Some(lowest.map_or(index, |known| known.min(index)));
        }
    }
    for ((side, log), entry) in sides.iter_mut().zip(logs).zip(row) {
        let is_next = lowest.is_some() && side.peek(log)? == lowest;
        *entry = if is_next { side.take(log) } else { None };
    }
    Ok(lowest)
}
