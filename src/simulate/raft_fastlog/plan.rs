//! What hashicorp/raft does with such a log: entries, conflicts, compactions that leave a tail,
//! terms and votes. Each call of the library is an operation of its own.

use crate::model::{Entry, GroupId, LogIndex, StableValue, Term};
use crate::simulate::oracle::{Action, Actions, Held, Model};
use crate::simulate::workload::{Shape, Step, next_entry};
use crate::vfs::sim::{Dice, Seed};

const CURRENT_TERM: &[u8] = b"CurrentTerm";
const VOTE_TERM: &[u8] = b"LastVoteTerm";
const VOTE_FOR: &[u8] = b"LastVoteCand";

/// The steps of a run; the same for the same seed and shape.
pub fn plan(seed: Seed, shape: &Shape) -> Vec<Step> {
    let mut planner =
        Planner { dice: Dice::new(seed), model: nothing(), term: shape.first_term, shape };
    let mut steps = Vec::new();
    while steps.len() < shape.steps {
        steps.push(planner.step());
    }
    steps
}

/// A new log: it has the one group of the format from the beginning.
pub fn nothing() -> Model {
    let mut model = Model::default();
    model.apply(&vec![(GroupId::Unnamed, Action::Create)]);
    model
}

struct Planner<'s> {
    dice: Dice,
    model: Model,
    term: u64,
    shape: &'s Shape,
}

impl Planner<'_> {
    fn step(&mut self) -> Step {
        let held = self.held();
        let first = held.entries.first().map_or(0, |entry| entry.index.0);
        let (next, count) = (held.next().0, held.entries.len() as u64);
        match self.dice.below(20) {
            0 => Step::Wait { ms: 3 },
            1 => Step::Wait { ms: 120 },
            2 => Step::Wait { ms: 900 },
            3 | 4 => self.election(),
            5 if count > 1 => {
                // A new leader's entries take the place of what was never committed.
                let from = LogIndex(next - 1 - self.dice.below((count - 1).min(4)));
                let mut held = held;
                held.entries.retain(|entry| entry.index < from);
                let entries = self.entries(&held, from);
                self.submit(vec![Action::Truncate(from), Action::Append(entries)])
            }
            6 if count > 4 => {
                let through = LogIndex(first + self.dice.below(count - 2));
                self.submit(vec![Action::Forget(through)])
            }
            _ => {
                let entries = self.entries(&held, LogIndex(next));
                self.submit(vec![Action::Append(entries)])
            }
        }
    }

    fn held(&self) -> Held {
        self.model.group(&GroupId::Unnamed).cloned().unwrap_or_default()
    }

    /// Operations one behind the other.
    fn submit(&mut self, actions: Vec<Action>) -> Step {
        let operation = |action| -> Actions { vec![(GroupId::Unnamed, action)] };
        let operations: Vec<Actions> = actions.into_iter().map(operation).collect();
        operations.iter().for_each(|operation| self.model.apply(operation));
        Step::Submit(operations)
    }

    /// A term, and sometimes a vote in it: three keys, one after the other.
    fn election(&mut self) -> Step {
        self.term += 1;
        let put = |key: &[u8], value: &[u8]| Action::Put(key.to_vec(), StableValue::bytes(value));
        let term = self.term.to_le_bytes();
        let mut keys = vec![put(CURRENT_TERM, &term)];
        if self.dice.below(2) == 0 {
            let node = format!("10.0.0.{}:8300", 1 + self.dice.below(3));
            keys.extend([put(VOTE_TERM, &term), put(VOTE_FOR, node.as_bytes())]);
        }
        self.submit(keys)
    }

    fn entries(&mut self, held: &Held, first: LogIndex) -> Vec<Entry> {
        let count = if self.dice.below(3) == 0 { 2 + self.dice.below(4) } else { 1 };
        let sizes = &self.shape.payload_bytes;
        // Several at once are small, so that one operation does not fill the file.
        let some = if count > 1 { sizes.len().saturating_sub(2).max(1) } else { sizes.len() };
        let usual = next_entry(held);
        (first.0..first.0 + count)
            .map(|index| {
                let at = usize::try_from(self.dice.below(some as u64)).unwrap_or_default();
                let len = sizes.get(at).copied().unwrap_or_default();
                let mut payload = Vec::with_capacity(len + 8);
                while payload.len() < len {
                    payload.extend_from_slice(&self.dice.next_u64().to_le_bytes());
                }
                payload.truncate(len);
                let payload = Some(payload.as_slice().into());
                let term = Term(self.term).max(usual.term);
                Entry { index: LogIndex(index), term, payload, ..usual.clone() }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::workload::possible;

    #[test]
    fn one_seed_is_one_plan_and_every_step_of_it_is_possible() {
        for seed in 0..50 {
            let shape = Shape { groups: vec![GroupId::Unnamed], ..Shape::usual(80) };
            let steps = plan(Seed(seed), &shape);
            assert_eq!(steps.len(), 80);
            let text = format!("{steps:?}");
            assert!(text == format!("{:?}", plan(Seed(seed), &shape)), "seed {seed}");
            assert!(text == format!("{:?}", possible(nothing(), steps)), "seed {seed}");
        }
    }
}
