//! Which of the rows of section 7 is broken, once the law is: slow, and only asked then.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::model::{Entry, GroupId, LogIndex, Term};
use crate::simulate::check::Check;
use crate::simulate::oracle::history::{History, OpNumber, Standing};
use crate::simulate::oracle::state::{Action, Held, State};

/// Something that must hold and does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wrong {
    /// What.
    pub check: Check,
    /// In which group, where it is one.
    pub group: Option<GroupId>,
    /// At which index.
    pub index: Option<LogIndex>,
    /// Of which term.
    pub term: Option<Term>,
    /// One line.
    pub message: String,
}

impl Wrong {
    /// Something about no group in particular.
    pub fn new(check: Check, message: impl Into<String>) -> Wrong {
        Wrong { check, group: None, index: None, term: None, message: message.into() }
    }

    /// What was written after a recovery is not there after the next one.
    pub fn lost_life() -> Wrong {
        let message = "recovered, written to, cut off again: what was synced is not there";
        Wrong::new(Check::S14, message)
    }

    /// The same, about a group.
    pub fn of(mut self, group: &GroupId) -> Wrong {
        self.group = Some(group.clone());
        self
    }

    /// The same, at an index.
    pub fn at(mut self, index: LogIndex, term: Option<Term>) -> Wrong {
        self.index = Some(index);
        self.term = term;
        self
    }
}

/// What is wrong with `found`, which is no state that the law allows at `standing`. Never empty.
pub fn diagnose(history: &History, standing: &Standing, found: &State) -> Vec<Wrong> {
    let states = history.states(OpNumber(0), standing.accepted);
    let mut wrongs = Vec::new();
    if let Some((kept, _)) = states.iter().rev().find(|(_, state)| state == found) {
        shortage(history, standing, *kept, &mut wrongs);
        return wrongs;
    }
    let mut groups: BTreeSet<&GroupId> = found.keys().collect();
    groups.extend(states.iter().flat_map(|(_, state)| state.keys()));
    let mut fits: BTreeMap<&GroupId, Vec<OpNumber>> = BTreeMap::new();
    for group in groups {
        let here = found.get(group);
        let equal: Vec<OpNumber> = states
            .iter()
            .filter(|(_, state)| state.get(group) == here)
            .map(|(number, _)| *number)
            .collect();
        match equal.last() {
            Some(last) if *last >= standing.promised() => {}
            Some(last) => shortage(history, standing, *last, &mut wrongs),
            None => {
                let past: Vec<(OpNumber, Option<&Held>)> =
                    states.iter().map(|(number, state)| (*number, state.get(group))).collect();
                let group = Group { id: group, history, standing, past };
                group.wrongs(here, &mut wrongs);
            }
        }
        fits.insert(group, equal);
    }
    if wrongs.is_empty() {
        wrongs.push(torn_apart(history, &fits));
    }
    wrongs.sort();
    wrongs.dedup();
    wrongs
}

/// Only `kept` operations are there: which promise does that break?
fn shortage(history: &History, standing: &Standing, kept: OpNumber, wrongs: &mut Vec<Wrong>) {
    let missing = history.loss(kept, standing);
    let first = missing.ops.clone().find_map(|at| {
        let (actions, _) = history.op(at)?;
        actions.iter().find_map(|(group, action)| match action {
            Action::Append(entries) => entries.first().map(|entry| (group.clone(), entry.id())),
            _ => None,
        })
    });
    let mut add = |check: Check, promised: OpNumber, why: &str| {
        if kept >= promised {
            return;
        }
        let message = format!("{why}: {} of {} operations are there", kept.0, promised.0);
        let mut wrong = Wrong::new(check, message);
        if let Some((group, id)) = &first {
            wrong = wrong.of(group).at(id.index, Some(id.term));
        }
        wrongs.push(wrong);
    };
    add(Check::S02, standing.by_ack, "an acknowledged operation is gone");
    add(Check::S02, standing.by_sync, "an operation is gone that a sync or a close covers");
    add(Check::S04, standing.by_bound, "more is lost than the bounds of the mode allow");
    add(Check::S08, standing.by_vote, "an acknowledged change of term or vote is gone");
    add(Check::S15, standing.by_watermark, "the durable watermark named a lost operation");
    add(Check::S16, standing.by_sight, "a reader saw an operation that is gone");
    if wrongs.is_empty() {
        let message = format!("{} operations are there, more than there were", kept.0);
        wrongs.push(Wrong::new(Check::S05, message));
    }
}

/// Each group is as it was at some time, but not at the same time.
fn torn_apart(history: &History, fits: &BTreeMap<&GroupId, Vec<OpNumber>>) -> Wrong {
    let early = fits.iter().filter_map(|(group, fits)| Some((*fits.last()?, *group))).min();
    let late = fits.iter().filter_map(|(group, fits)| Some((*fits.first()?, *group))).max();
    let (Some((early, behind)), Some((late, ahead))) = (early, late) else {
        return Wrong::new(Check::S02, "no group is as it ever was");
    };
    let shared = (early.0..late.0).any(|at| {
        history.op(at).is_some_and(|(actions, _)| {
            let touches = |group: &GroupId| actions.iter().any(|(id, _)| id == group);
            touches(behind) && touches(ahead)
        })
    });
    let (check, what) = if shared {
        (Check::S09, "half of a batch is there")
    } else {
        (Check::S03, "a later operation is there without an earlier one")
    };
    Wrong::new(check, format!("{what}: one group after {} operations, another {}", early.0, late.0))
        .of(behind)
}

struct Group<'a> {
    id: &'a GroupId,
    history: &'a History,
    standing: &'a Standing,
    /// What it was after each number of operations.
    past: Vec<(OpNumber, Option<&'a Held>)>,
}

impl Group<'_> {
    fn wrong(&self, check: Check, message: impl Into<String>) -> Wrong {
        Wrong::new(check, message).of(self.id)
    }

    /// What is wrong with a group that is as it never was.
    fn wrongs(&self, found: Option<&Held>, wrongs: &mut Vec<Wrong>) {
        let Some(found) = found else {
            wrongs.push(self.wrong(Check::S02, "the whole group is gone"));
            return;
        };
        let before = wrongs.len();
        self.holes(found, wrongs);
        self.ghosts(found, wrongs);
        self.state(found, wrongs);
        if wrongs.len() == before {
            let message = "entries are gone that nothing removed";
            wrongs.push(self.wrong(Check::S02, message));
        }
    }

    fn holes(&self, found: &Held, wrongs: &mut Vec<Wrong>) {
        for pair in found.entries.windows(2) {
            if let [before, after] = pair
                && before.index.next() != Some(after.index)
            {
                let message = format!("entry {} follows {}", after.index, before.index);
                wrongs.push(self.wrong(Check::S03, message).at(after.index, Some(after.term)));
            }
        }
        let (Some(compacted), Some(first)) = (found.state.compacted, found.entries.first()) else {
            return;
        };
        if first.index <= compacted.index {
            let message = format!("entry {} is below the start, {}", first.index, compacted.index);
            wrongs.push(self.wrong(Check::S10, message).at(first.index, Some(first.term)));
        } else if compacted.index.next() != Some(first.index) {
            let message = format!("the log starts after {}, with {}", compacted.index, first.index);
            wrongs.push(self.wrong(Check::S03, message).at(first.index, Some(first.term)));
        }
    }

    /// When this very entry was in the log; `None` where it never was.
    fn lifetime(&self, entry: &Entry) -> Option<RangeInclusive<usize>> {
        let holds = |held: &Held| {
            let at = held.entries.binary_search_by_key(&entry.index, |entry| entry.index);
            at.is_ok_and(|at| held.entries.get(at) == Some(entry))
        };
        let mut alive = self.past.iter().filter(|(_, held)| held.is_some_and(holds));
        let first = alive.next()?.0;
        let last = alive.next_back().map_or(first, |(number, _)| *number);
        Some(first.0..=last.0)
    }

    fn ghosts(&self, found: &Held, wrongs: &mut Vec<Wrong>) {
        let mut newest = 0;
        let mut lives = Vec::new();
        for entry in &found.entries {
            match self.lifetime(entry) {
                None => {
                    let message = format!("entry {} is not what was written", entry.index);
                    let wrong = self.wrong(Check::S05, message);
                    wrongs.push(wrong.at(entry.index, Some(entry.term)));
                }
                Some(life) => {
                    newest = newest.max(*life.start());
                    lives.push((entry, life));
                }
            }
        }
        newest = newest.max(self.state_since(found));
        let ghost = lives.iter().find(|(_, life)| *life.end() < newest);
        let Some((entry, life)) = ghost else { return };
        let (check, by) = match self.remover(*life.end(), entry) {
            Some(Action::Compact(_) | Action::Forget(_)) => (Check::S07, "a compaction"),
            Some(Action::Marker(_)) => (Check::S10, "a snapshot marker"),
            _ => (Check::S06, "a truncation or a conflict"),
        };
        let message = format!("entry {} is back, which {by} removed", entry.index);
        wrongs.push(self.wrong(check, message).at(entry.index, Some(entry.term)));
    }

    /// The first operation since which the state beside the entries is what was found.
    fn state_since(&self, found: &Held) -> usize {
        let is_same = |held: &Held| {
            let bounds = found.state.bounds;
            crate::model::LogState { bounds, ..held.state.clone() } == found.state
        };
        let since = self.past.iter().find(|(_, held)| held.is_some_and(is_same));
        since.map_or(0, |(number, _)| number.0)
    }

    /// What removed an entry that was last there after `last` operations.
    fn remover(&self, last: usize, entry: &Entry) -> Option<&Action> {
        let (actions, _) = self.history.op(last)?;
        let removes = |action: &Action| match action {
            Action::Append(entries) => {
                entries.first().is_some_and(|first| first.index <= entry.index)
            }
            Action::Truncate(first) => *first <= entry.index,
            Action::Compact(through) => through.index >= entry.index,
            Action::Forget(through) => *through >= entry.index,
            Action::Marker(snapshot) => snapshot.index >= entry.index,
            _ => false,
        };
        let here = actions.iter().filter(|(id, _)| id == self.id);
        here.map(|(_, action)| action).find(|action| removes(action))
    }

    fn state(&self, found: &Held, wrongs: &mut Vec<Wrong>) {
        let promised = self.standing.promised();
        let least = self.past.iter().find(|(number, _)| *number == promised);
        let Some((_, Some(least))) = least else { return };
        let (hard, wanted) = (&found.state.hard, &least.state.hard);
        let mut low = |what: &str, is_low: bool| {
            if is_low {
                let message = format!("the {what} is lower than what was promised");
                wrongs.push(self.wrong(Check::S08, message));
            }
        };
        low("term", hard.term < wanted.term);
        low("vote's term", vote_term(hard) < vote_term(wanted));
        low("commit index", hard.commit < wanted.commit && hard.term <= wanted.term);
        let ever =
            |fits: &dyn Fn(&Held) -> bool| self.past.iter().any(|(_, held)| held.is_some_and(fits));
        if !ever(&|held| held.state.hard == *hard && held.state.stable == found.state.stable) {
            let message = "HardState and stable keys are as they never were together";
            wrongs.push(self.wrong(Check::S08, message));
        }
        if let Some(compacted) = least.state.compacted
            && found.state.compacted.is_none_or(|there| there.index < compacted.index)
        {
            let message = format!("the log starts below {}, which was compacted", compacted.index);
            wrongs.push(self.wrong(Check::S07, message));
        }
        if let (Some(snapshot), Some(commit)) = (&found.state.snapshot, hard.commit)
            && found.state.compacted.is_some_and(|id| id.index == snapshot.index)
            && commit < snapshot.index
        {
            let message = format!("commit index {commit} is below the marker {}", snapshot.index);
            wrongs.push(self.wrong(Check::S10, message));
        }
    }
}

fn vote_term(hard: &crate::model::HardState) -> Option<Term> {
    hard.vote.as_ref().and_then(|vote| vote.term)
}
