//! Random operations, and a model that says what the log must hold after each of them. It shares
//! nothing with the engine but the vocabulary.

use std::collections::BTreeMap;

use raftlog::model::{
    Entry, EntryExtra, EntryKind, GroupId, HardState, IndexRange, LogId, LogIndex, LogState,
    SharedBytes, SnapshotNote, StableValue, Term, Vote,
};
use raftlog::vfs::sim::{Dice, Seed};

/// Everything that a caller can see.
pub type State = BTreeMap<GroupId, (LogState, Vec<Entry>)>;

/// One thing done to one group.
#[derive(Clone, Debug)]
pub enum Action {
    Append(Vec<Entry>),
    Truncate(LogIndex),
    Compact(LogId),
    Marker(SnapshotNote),
    Note(SnapshotNote),
    Hard(HardState),
    Put(Vec<u8>, StableValue),
    Delete(Vec<u8>),
}

/// Actions on groups that take effect together.
pub type Batch = Vec<(GroupId, Action)>;

/// One step of a run.
#[derive(Clone, Debug)]
pub enum Step {
    Create(GroupId),
    /// Batches that are submitted before any of them is waited for.
    Batches(Vec<Batch>),
    Purge,
    Sync,
    Reopen {
        closing: bool,
    },
    Wait {
        ms: u64,
    },
}

/// What the log must hold.
#[derive(Clone, Debug, Default)]
pub struct Model {
    groups: BTreeMap<GroupId, Group>,
}

#[derive(Clone, Debug, Default)]
struct Group {
    state: LogState,
    entries: BTreeMap<u64, Entry>,
}

impl Model {
    pub fn create(&mut self, id: &GroupId) {
        self.groups.insert(id.clone(), Group::default());
    }

    pub fn apply(&mut self, batch: &Batch) {
        for (id, action) in batch {
            self.groups.get_mut(id).expect("a known group").apply(action);
        }
    }

    pub fn state(&self) -> State {
        let seen = |group: &Group| {
            let ends = group.entries.keys().next().zip(group.entries.keys().next_back());
            let bounds = ends.and_then(|(a, b)| IndexRange::new(LogIndex(*a), LogIndex(*b)));
            let state = LogState { bounds, ..group.state.clone() };
            (state, group.entries.values().cloned().collect())
        };
        self.groups.iter().map(|(id, group)| (id.clone(), seen(group))).collect()
    }
}

impl Group {
    fn next(&self) -> u64 {
        let compacted = self.state.compacted.map_or(1, |id| id.index.0 + 1);
        self.entries.keys().next_back().map_or(compacted, |last| last + 1)
    }

    fn apply(&mut self, action: &Action) {
        match action {
            Action::Append(entries) => {
                self.entries.split_off(&entries[0].index.0);
                self.entries.extend(entries.iter().map(|entry| (entry.index.0, entry.clone())));
            }
            Action::Truncate(first) => drop(self.entries.split_off(&first.0)),
            Action::Compact(through) => self.compact(*through),
            Action::Marker(snapshot) => {
                self.compact(LogId { index: snapshot.index, term: snapshot.term });
                self.state.snapshot = Some(snapshot.clone());
                if let Some(commit) = &mut self.state.hard.commit {
                    *commit = (*commit).max(snapshot.index);
                }
            }
            Action::Note(snapshot) => self.state.snapshot = Some(snapshot.clone()),
            Action::Hard(hard) => self.state.hard = hard.clone(),
            Action::Put(key, value) => drop(self.state.stable.insert(key.clone(), value.clone())),
            Action::Delete(key) => drop(self.state.stable.remove(key)),
        }
    }

    fn compact(&mut self, through: LogId) {
        self.entries = self.entries.split_off(&(through.index.0 + 1));
        self.state.compacted = Some(through);
    }
}

/// The steps of a run; the same for the same seed.
pub fn plan(seed: Seed, steps: usize) -> Vec<Step> {
    let mut planner = Planner { dice: Dice::new(seed), model: Model::default(), term: 1 };
    let mut plan = vec![planner.create(), planner.create()];
    while plan.len() < steps {
        let step = planner.step();
        plan.push(step);
    }
    plan
}

/// An entry for life after recovery.
pub fn extra_entry(state: &LogState) -> Entry {
    let compacted = state.compacted.map_or(1, |id| id.index.0 + 1);
    let next = state.bounds.map_or(compacted, |bounds| bounds.last().0 + 1);
    entry(next, 1_000, vec![0xee; 40])
}

fn entry(index: u64, term: u64, payload: Vec<u8>) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: EntryKind::Command,
        kind_code: None,
        payload: Some(SharedBytes::from(payload)),
        extra: EntryExtra::default(),
    }
}

struct Planner {
    dice: Dice,
    model: Model,
    term: u64,
}

impl Planner {
    fn create(&mut self) -> Step {
        let id = match self.model.groups.len() {
            0 => GroupId::Unnamed,
            number => GroupId::named(&format!("g{number}")),
        };
        self.model.create(&id);
        Step::Create(id)
    }

    fn step(&mut self) -> Step {
        match self.dice.below(40) {
            0 if self.model.groups.len() < 4 => self.create(),
            0 | 1 => Step::Sync,
            2..=4 => Step::Purge,
            5 => Step::Reopen { closing: true },
            6 => Step::Reopen { closing: false },
            7..=9 => Step::Wait { ms: [3, 12, 120, 900][self.below(4)] },
            10..=14 => {
                let batches = (0..2 + self.below(3)).map(|_| self.batch()).collect();
                Step::Batches(batches)
            }
            _ => Step::Batches(vec![self.batch()]),
        }
    }

    fn below(&mut self, bound: u64) -> usize {
        usize::try_from(self.dice.below(bound)).expect("small")
    }

    fn batch(&mut self) -> Batch {
        let actions = if self.dice.below(4) == 0 { 2 + self.below(3) } else { 1 };
        let mut batch = Batch::new();
        for _ in 0..actions {
            let number = self.below(self.model.groups.len() as u64);
            let id = self.model.groups.keys().nth(number).expect("a group").clone();
            let action = self.action(&id);
            let done = vec![(id, action)];
            self.model.apply(&done);
            batch.extend(done);
        }
        batch
    }

    fn action(&mut self, id: &GroupId) -> Action {
        let group = self.model.groups[id].clone();
        let next = group.next();
        let first = group.entries.keys().next().copied();
        let inside = first.map(|first| first + self.dice.below(next - first));
        match (self.dice.below(20), inside) {
            (0 | 1, Some(index)) => Action::Truncate(LogIndex(index)),
            (2 | 3, Some(index)) => self.append(index),
            (4..=7, Some(index)) => Action::Compact(id_of(&group, index)),
            (8, _) => {
                let index = next + self.dice.below(3);
                Action::Marker(self.snapshot(index))
            }
            (9, Some(index)) => {
                let at = id_of(&group, index);
                Action::Marker(SnapshotNote { term: at.term, ..self.snapshot(index) })
            }
            (10, _) => Action::Note(self.snapshot(next)),
            (11 | 12, _) => self.hard(next),
            (13, _) => Action::Put(
                vec![b'k', b'0' + self.dice.below(3) as u8],
                StableValue::bytes(&self.dice.next_u64().to_be_bytes()),
            ),
            (14, _) => Action::Delete(vec![b'k', b'0' + self.dice.below(3) as u8]),
            _ => self.append(next),
        }
    }

    fn append(&mut self, first: u64) -> Action {
        self.term += self.dice.below(2);
        let count = if self.dice.below(3) == 0 { 1 + self.dice.below(5) } else { 1 };
        let lens = [0, 10, 100, 700, 3000, 9 << 10];
        let entries = (first..first + count).map(|index| {
            let len = lens[self.below(if count > 1 { 4 } else { 6 })];
            let zeros = self.dice.below(5) == 0;
            let fill = |_| if zeros { 0 } else { self.dice.next_u64() as u8 };
            entry(index, self.term, (0..len).map(fill).collect())
        });
        Action::Append(entries.collect())
    }

    fn snapshot(&mut self, index: u64) -> SnapshotNote {
        SnapshotNote {
            index: LogIndex(index),
            term: Term(self.term),
            id: (self.dice.below(2) == 0).then(|| format!("{}-{index}", self.term)),
            note: SharedBytes::default(),
        }
    }

    fn hard(&mut self, next: u64) -> Action {
        self.term += 1;
        let vote = Vote { term: Some(Term(self.term)), candidate: None };
        Action::Hard(HardState {
            term: Some(Term(self.term)),
            vote: (self.dice.below(2) == 0).then_some(vote),
            commit: Some(LogIndex(self.dice.below(next))),
        })
    }
}

fn id_of(group: &Group, index: u64) -> LogId {
    LogId { index: LogIndex(index), term: group.entries[&index].term }
}
