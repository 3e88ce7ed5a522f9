//! What callers do in a run: a list of steps, made from a seed. Two kinds of groups share the log:
//! some to which anything is done that the engine allows, and some that act as a Raft node does.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::model::{
    AppendInstant, AppendTime, Candidate, Entry, EntryExtra, EntryKind, GroupId, HardState,
    LogIndex, SharedBytes, SnapshotNote, StableValue, Term, TimeForm, Vote, Zone,
};
use crate::simulate::oracle::{Action, Actions, Held, Model};
use crate::vfs::sim::{Dice, Seed};

/// One step of a run.
#[derive(Clone, Debug)]
pub enum Step {
    /// Operations that are submitted before any of them is waited for.
    Submit(Vec<Actions>),
    /// What a Raft library hands over in one go: snapshot marker, entries and HardState as one
    /// operation; then its caller waits until that is durable, and sends.
    Ready(Actions),
    /// Removes segments that nobody needs.
    Purge,
    /// Makes everything durable.
    Sync,
    /// Ends the process, or closes the log, and opens it again.
    Reopen {
        /// Whether the log is closed before.
        closing: bool,
    },
    /// Nothing is done for a while.
    Wait {
        /// How long.
        ms: u64,
    },
}

/// What a workload is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The groups.
    pub groups: Vec<GroupId>,
    /// Payload sizes to choose from, in bytes; never empty.
    pub payload_bytes: Vec<usize>,
    /// Steps.
    pub steps: usize,
    /// Size at which a segment is full.
    pub segment_bytes: u64,
    /// Term in which it begins.
    pub first_term: u64,
    /// Stable keys that are written; never empty.
    pub keys: Vec<Vec<u8>>,
    /// Steps that are left out, by their position, with all that is not possible without them.
    pub left_out: StepList,
    /// Longer payloads are cut to so many bytes.
    pub payload_max_bytes: Option<usize>,
}

/// Positions of steps, ascending: `3,7-9` on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepList(BTreeSet<usize>);

impl StepList {
    /// Whether no step is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a step is in it.
    pub fn contains(&self, step: usize) -> bool {
        self.0.contains(&step)
    }

    /// These and those.
    pub fn with(&self, steps: Range<usize>) -> StepList {
        StepList(self.0.iter().copied().chain(steps).collect())
    }
}

impl fmt::Display for StepList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = self.0.iter().copied().peekable();
        let mut comma = "";
        while let Some(first) = steps.next() {
            let mut last = first;
            while let Some(next) = steps.next_if_eq(&(last + 1)) {
                last = next;
            }
            match last == first {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

impl FromStr for StepList {
    type Err = String;

    fn from_str(text: &str) -> Result<StepList, String> {
        let part = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
            (first <= last).then_some(usize::from(first)..usize::from(last) + 1)
        };
        let parts: Option<Vec<Range<usize>>> = text.split(',').map(part).collect();
        let parts = parts.ok_or_else(|| "write numbers of steps: 3,7-9".to_owned())?;
        Ok(StepList(parts.into_iter().flatten().collect()))
    }
}

impl Shape {
    /// What is tried when no store gives the shape: four groups, payloads of up to 9 KiB.
    pub fn usual(steps: usize) -> Shape {
        Shape {
            groups: vec![
                GroupId::Unnamed,
                GroupId::named("any"),
                GroupId::named("node-1"),
                GroupId::named("node-2"),
            ],
            payload_bytes: vec![0, 10, 100, 700, 3000, 9 << 10],
            steps,
            segment_bytes: 16 << 10,
            first_term: 1,
            keys: vec![b"k0".to_vec(), b"k1".to_vec(), b"k2".to_vec()],
            left_out: StepList::default(),
            payload_max_bytes: None,
        }
    }

    /// Whether a group acts as a Raft node: the later half of them do.
    fn is_node(&self, group: &GroupId) -> bool {
        let at = self.groups.iter().position(|id| id == group).unwrap_or_default();
        at >= self.groups.len().div_ceil(2)
    }
}

/// Step after step without end; the same for the same seed and shape.
pub fn endless(seed: Seed, shape: &Shape) -> impl Iterator<Item = Step> + use<> {
    let (term, shape) = (shape.first_term, shape.clone());
    let first: Vec<GroupId> = shape.groups.iter().take(2).cloned().collect();
    let mut first = first.into_iter();
    let mut planner = Planner { dice: Dice::new(seed), model: Model::default(), term, shape };
    std::iter::from_fn(move || match first.next() {
        Some(group) => Some(planner.create(&group)),
        None => Some(planner.step()),
    })
}

/// The steps of a run; the same for the same seed and shape.
pub fn plan(seed: Seed, shape: &Shape) -> Vec<Step> {
    let count = shape.steps.max(shape.groups.len().min(2));
    let steps = endless(seed, shape).take(count).collect();
    reduced(Model::default(), steps, &shape.left_out, shape.payload_max_bytes)
}

/// Those of `steps` that are not left out and still possible after `base`, with payloads cut to a
/// length.
pub fn reduced(
    base: Model,
    mut steps: Vec<Step>,
    left_out: &StepList,
    payload_max_bytes: Option<usize>,
) -> Vec<Step> {
    if let Some(most) = payload_max_bytes {
        steps.iter_mut().for_each(|step| shorten(step, most));
    }
    if left_out.is_empty() {
        return steps;
    }
    let kept = steps.into_iter().enumerate().filter(|(at, _)| !left_out.contains(*at));
    possible(base, kept.map(|(_, step)| step))
}

/// Cuts payloads to `most` bytes.
fn shorten(step: &mut Step, most: usize) {
    let batches = match step {
        Step::Submit(batches) => batches.as_mut_slice(),
        Step::Ready(actions) => std::slice::from_mut(actions),
        _ => return,
    };
    for (_, action) in batches.iter_mut().flatten() {
        let Action::Append(entries) = action else { continue };
        for entry in entries {
            if let Some(short) = entry.payload.as_deref().and_then(|payload| payload.get(..most)) {
                entry.payload = Some(SharedBytes::from(short));
            }
        }
    }
}

/// Those of `steps` that are possible one after the other, starting from what `model` holds.
pub fn possible(mut model: Model, steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut fits = |actions: &Actions| {
        let fits = !actions.is_empty() && model.admits(actions);
        if fits {
            model.apply(actions);
        }
        fits
    };
    steps
        .into_iter()
        .filter_map(|step| match step {
            Step::Submit(mut batches) => {
                batches.retain(&mut fits);
                (!batches.is_empty()).then_some(Step::Submit(batches))
            }
            Step::Ready(actions) => fits(&actions).then_some(Step::Ready(actions)),
            other => Some(other),
        })
        .collect()
}

/// An entry that goes on where a group ends, for life after recovery.
pub fn next_entry(held: &Held) -> Entry {
    let last = held.entries.last().map_or(Term(1), |entry| entry.term);
    let term = held.state.hard.term.unwrap_or_default().max(last);
    entry(held.next(), term, vec![0xee; 40])
}

/// An entry as long as another one, with other contents.
pub fn in_its_place(lost: &Entry) -> Entry {
    let payload = lost.payload.as_deref().map(|payload| {
        let other: Vec<u8> = payload.iter().map(|byte| !byte).collect();
        SharedBytes::from(other)
    });
    Entry { payload, ..lost.clone() }
}

fn entry(index: LogIndex, term: Term, payload: Vec<u8>) -> Entry {
    Entry {
        index,
        term,
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
    shape: Shape,
}

impl Planner {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.dice.below(bound as u64)).unwrap_or_default()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let at = self.below(all.len());
        all.get(at).copied()
    }

    fn create(&mut self, group: &GroupId) -> Step {
        let actions = vec![(group.clone(), Action::Create)];
        self.model.apply(&actions);
        Step::Submit(vec![actions])
    }

    fn step(&mut self) -> Step {
        let missing = self.shape.groups.iter().find(|id| self.model.group(id).is_none()).cloned();
        match (self.dice.below(40), missing) {
            (0 | 5, Some(group)) => self.create(&group),
            (0 | 1, _) => Step::Sync,
            (2..=4, _) => Step::Purge,
            (5, _) => Step::Reopen { closing: true },
            (6, _) => Step::Reopen { closing: false },
            (7..=9, _) => {
                let ms = self.one_of(&[3, 12, 120, 900]).unwrap_or(3);
                Step::Wait { ms }
            }
            (10..=14, _) => {
                let count = 2 + self.below(3);
                Step::Submit((0..count).map(|_| self.operation()).collect())
            }
            (15..=21, _) => match self.node() {
                Some(node) => Step::Ready(self.ready(&node)),
                None => Step::Submit(vec![self.operation()]),
            },
            _ => Step::Submit(vec![self.operation()]),
        }
    }

    /// One operation, which is sometimes about several groups.
    fn operation(&mut self) -> Actions {
        let count = if self.dice.below(4) == 0 { 2 + self.below(3) } else { 1 };
        let mut actions = Actions::new();
        for _ in 0..count {
            let known = self.model.groups().len();
            let at = self.below(known);
            let Some(id) = self.model.groups().nth(at).cloned() else { break };
            let action =
                if self.shape.is_node(&id) { self.proposal(&id) } else { self.action(&id) };
            let done = vec![(id, action)];
            self.model.apply(&done);
            actions.extend(done);
        }
        actions
    }

    fn node(&mut self) -> Option<GroupId> {
        let is_node = |id: &&GroupId| self.shape.is_node(id);
        let nodes: Vec<GroupId> = self.model.groups().filter(is_node).cloned().collect();
        let at = self.below(nodes.len());
        nodes.get(at).cloned()
    }

    fn held(&self, id: &GroupId) -> Held {
        self.model.group(id).cloned().unwrap_or_default()
    }

    /// What a leader does between two Readys: entries, or a compaction of what is committed.
    fn proposal(&mut self, id: &GroupId) -> Action {
        let held = self.held(id);
        let term = held.state.hard.term.unwrap_or(Term(self.shape.first_term));
        let commit = held.state.hard.commit.unwrap_or_default();
        match (self.dice.below(4), held.id_at(commit)) {
            (0, Some(committed)) => Action::Compact(committed),
            _ => Action::Append(self.entries(held.next(), term)),
        }
    }

    /// Snapshot marker, entries and HardState, in the order of a Ready.
    fn ready(&mut self, id: &GroupId) -> Actions {
        let held = self.held(id);
        let mut hard = held.state.hard.clone();
        let mut next = held.next();
        let last_term = held.entries.last().map(|entry| entry.term);
        let term = hard.term.max(last_term).unwrap_or(Term(self.shape.first_term));
        let elected = self.dice.below(3) == 0;
        let term = if elected { Term(term.0 + 1) } else { term };
        let mut actions = Actions::new();
        let mut put = |action: Action| actions.push((id.clone(), action));
        if self.dice.below(8) == 0 {
            let index = LogIndex(next.0 + self.dice.below(3));
            put(Action::Marker(self.snapshot(index, term)));
            next = LogIndex(index.0 + 1);
            hard.commit = Some(index);
        } else if elected && self.dice.below(2) == 0 {
            // A new leader overwrites what was never committed.
            let commit = hard.commit.unwrap_or_default().0;
            let first = held.entries.first().map_or(next.0, |entry| entry.index.0);
            let lowest = first.max(commit + 1).min(next.0);
            next = LogIndex(lowest + self.dice.below(next.0 - lowest + 1));
        }
        if self.dice.below(5) != 0 {
            let entries = self.entries(next, term);
            next = LogIndex(next.0 + entries.len() as u64);
            put(Action::Append(entries));
        }
        let commit = hard.commit.unwrap_or_default().0;
        let last = next.0 - 1;
        hard.commit = Some(LogIndex(commit + self.dice.below(last.saturating_sub(commit) + 1)));
        hard.term = Some(term);
        if elected {
            let candidate = Candidate::Bytes(SharedBytes::from(&b"10.0.0.7:8300"[..]));
            hard.vote = Some(Vote { term: Some(term), candidate: Some(candidate) });
        }
        put(Action::Hard(hard));
        self.model.apply(&actions);
        actions
    }

    /// Anything that can be done to a group.
    fn action(&mut self, id: &GroupId) -> Action {
        let held = self.held(id);
        let next = held.next();
        let first = held.entries.first().map(|entry| entry.index.0);
        let inside = first.map(|first| LogIndex(first + self.dice.below(next.0 - first)));
        let at = inside.and_then(|index| held.id_at(index));
        self.term += self.dice.below(2);
        let term = Term(self.term);
        match (self.dice.below(20), at) {
            (0 | 1, Some(at)) => Action::Truncate(at.index),
            (2 | 3, Some(at)) => Action::Append(self.entries(at.index, term)),
            (4..=7, Some(at)) => Action::Compact(at),
            (8, _) => {
                let index = LogIndex(next.0 + self.dice.below(3));
                Action::Marker(self.snapshot(index, term))
            }
            (9, Some(at)) => Action::Marker(self.snapshot(at.index, at.term)),
            (10, _) => Action::Note(self.snapshot(next, term)),
            (11 | 12, _) => self.hard(next),
            (13, _) => {
                let number = self.dice.next_u64().to_be_bytes();
                Action::Put(self.key(), StableValue::bytes(&number))
            }
            (14, _) => Action::Delete(self.key()),
            _ => Action::Append(self.entries(next, term)),
        }
    }

    fn key(&mut self) -> Vec<u8> {
        let at = self.below(self.shape.keys.len());
        self.shape.keys.get(at).cloned().unwrap_or_default()
    }

    fn entries(&mut self, first: LogIndex, term: Term) -> Vec<Entry> {
        let count = if self.dice.below(3) == 0 { 1 + self.dice.below(5) } else { 1 };
        let sizes = self.shape.payload_bytes.clone();
        // Several at once are small, so that one operation does not fill a segment.
        let some = if count > 1 { sizes.len().saturating_sub(2).max(1) } else { sizes.len() };
        (first.0..first.0 + count)
            .map(|index| {
                let len = self.below(some);
                let len = sizes.get(len).copied().unwrap_or_default();
                let zeros = self.dice.below(5) == 0;
                let mut payload = vec![0; len];
                if !zeros {
                    for chunk in payload.chunks_mut(8) {
                        let bytes = self.dice.next_u64().to_le_bytes();
                        chunk.iter_mut().zip(bytes).for_each(|(into, from)| *into = from);
                    }
                }
                self.decorated(entry(LogIndex(index), term, payload))
            })
            .collect()
    }

    /// Now and then, everything else that an entry can carry.
    fn decorated(&mut self, mut entry: Entry) -> Entry {
        match self.dice.below(8) {
            0 => {
                entry.kind = EntryKind::Configuration;
                entry.kind_code = Some(5);
            }
            1 => {
                entry.kind = EntryKind::Noop;
                entry.kind_code = Some(1);
                entry.payload = None;
            }
            2 => {
                let nanoseconds = u32::try_from(self.dice.below(1_000_000_000)).unwrap_or_default();
                entry.extra.extensions = Some(SharedBytes::from(&b"chunk 1 of 1"[..]));
                entry.extra.appended_at = AppendTime::At(AppendInstant {
                    unix_seconds: 1_700_000_000,
                    nanoseconds,
                    form: TimeForm::New,
                    zone: Zone::Utc,
                });
            }
            _ => {}
        }
        entry
    }

    fn snapshot(&mut self, index: LogIndex, term: Term) -> SnapshotNote {
        let id = (self.dice.below(2) == 0).then(|| format!("{term}-{index}"));
        SnapshotNote { index, term, id, note: SharedBytes::default() }
    }

    fn hard(&mut self, next: LogIndex) -> Action {
        self.term += 1;
        let term = Some(Term(self.term));
        let vote = Vote { term, candidate: None };
        Action::Hard(HardState {
            term,
            vote: (self.dice.below(2) == 0).then_some(vote),
            commit: Some(LogIndex(self.dice.below(next.0))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_plan_and_every_step_of_it_is_possible() {
        for seed in 0..50 {
            let shape = Shape::usual(80);
            let steps = plan(Seed(seed), &shape);
            assert_eq!(format!("{steps:?}"), format!("{:?}", plan(Seed(seed), &shape)));
            let count = format!("{steps:?}").len();
            assert_eq!(
                format!("{:?}", possible(Model::default(), steps)).len(),
                count,
                "seed {seed}"
            );
        }
    }

    #[test]
    fn lists_of_steps_are_read_as_they_are_printed() {
        for text in ["3", "3,7-9", "0-2,4,6-7"] {
            assert_eq!(text.parse::<StepList>().expect("a list").to_string(), text);
        }
        assert_eq!("1,2,3".parse::<StepList>().expect("a list").to_string(), "1-3");
        for wrong in ["", "x", "3-", "9-7", "1,,2", "99999"] {
            assert!(wrong.parse::<StepList>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_shortened_plan_does_the_same_with_less() {
        let whole = Shape::usual(60);
        let short = Shape { payload_max_bytes: Some(10), ..Shape::usual(60) };
        let payloads = |shape: &Shape| {
            let mut sizes = Vec::new();
            for step in plan(Seed(7), shape) {
                let batches = match step {
                    Step::Submit(batches) => batches,
                    Step::Ready(actions) => vec![actions],
                    _ => continue,
                };
                for (_, action) in batches.into_iter().flatten() {
                    let Action::Append(entries) = action else { continue };
                    sizes.extend(entries.iter().map(|entry| entry.payload_bytes().len()));
                }
            }
            sizes
        };
        let (long, short) = (payloads(&whole), payloads(&short));
        assert_eq!(short, long.iter().map(|size| (*size).min(10)).collect::<Vec<_>>());
        let without = Shape { left_out: StepList::default().with(5..30), ..Shape::usual(60) };
        assert!(plan(Seed(7), &without).len() <= 35);
    }

    #[test]
    fn nodes_obey_what_raft_demands_of_a_log() {
        let (mut readys, mut markers) = (0, 0);
        for seed in 0..40 {
            let shape = Shape::usual(120);
            let mut model = Model::default();
            for step in plan(Seed(seed), &shape) {
                let batches = match step {
                    Step::Submit(batches) => batches,
                    Step::Ready(actions) => {
                        readys += 1;
                        let marked = |(_, action): &_| matches!(action, Action::Marker(_));
                        markers += usize::from(actions.iter().any(marked));
                        vec![actions]
                    }
                    _ => continue,
                };
                for actions in batches {
                    model.apply(&actions);
                    for id in shape.groups.iter().filter(|id| shape.is_node(id)) {
                        let Some(held) = model.group(id) else { continue };
                        let hard = &held.state.hard;
                        let commit = hard.commit.unwrap_or_default();
                        assert!(commit < held.next(), "{id:?} {held:?}");
                        let last = held.entries.last().map(|entry| entry.term);
                        assert!(hard.term.is_none() || hard.term >= last, "{id:?} {held:?}");
                    }
                }
            }
        }
        assert!(readys > 100 && markers > 10, "{readys} {markers}");
    }

    #[test]
    fn without_some_of_its_steps_a_plan_keeps_what_is_still_possible() {
        let shape = Shape::usual(60);
        let steps = plan(Seed(3), &shape);
        let odd = steps.iter().enumerate().filter(|(at, _)| *at == 0 || at % 2 == 1);
        let kept = possible(Model::default(), odd.map(|(_, step)| step.clone()));
        assert!(kept.len() > 5 && kept.len() < steps.len());
    }
}
