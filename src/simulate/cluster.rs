//! Several nodes with the same log, hit by one power cut at the same moment: what a majority had,
//! and no majority has any more.

use schemars::JsonSchema;
use serde::Serialize;

use crate::simulate::oracle::{History, OpNumber, Standing};
use crate::simulate::tally::Counted;
use crate::vfs::sim::{Dice, Seed};

/// Clusters drawn of one moment.
const DRAWS: u64 = 32;

/// What one power cut does to a cluster of nodes that all held the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClusterResult {
    /// Nodes.
    pub nodes: u32,
    /// Power cuts tried, each of all nodes at the same moment.
    pub cuts: u64,
    /// Cuts after which no majority had every committed entry.
    pub cuts_with_loss: u64,
    /// Committed entries that no majority had after a cut: half of the cuts lose no more.
    pub committed_lost_p50: u64,
    /// 99 of 100 cuts lose no more.
    pub committed_lost_p99: u64,
    /// Most.
    pub committed_lost_max: u64,
    /// Cuts after which a node could vote a second time in a term in which it had voted.
    pub double_votes: u64,
}

/// Clusters, being counted.
#[derive(Clone, Debug, Default)]
pub struct Clusters {
    nodes: u32,
    lost: Counted,
    cuts: u64,
    cuts_with_loss: u64,
    double_votes: u64,
}

impl Clusters {
    /// Clusters of so many nodes.
    pub fn of(nodes: u32) -> Clusters {
        Clusters { nodes, ..Clusters::default() }
    }

    /// Cuts the power of clusters at one moment: each node is left with what one of the images of
    /// this moment holds, `kept` operations.
    pub fn cut(&mut self, history: &History, standing: &Standing, kept: &[OpNumber], seed: Seed) {
        if kept.is_empty() {
            return;
        }
        let mut dice = Dice::new(seed);
        let majority = self.nodes as usize / 2 + 1;
        for _ in 0..DRAWS {
            let draw = |dice: &mut Dice| {
                let at = usize::try_from(dice.below(kept.len() as u64)).unwrap_or_default();
                kept.get(at).copied().unwrap_or_default()
            };
            let mut nodes: Vec<OpNumber> = (0..self.nodes).map(|_| draw(&mut dice)).collect();
            nodes.sort_unstable_by(|a, b| b.cmp(a));
            // So much the best majority holds. Before, every node had acknowledged the same.
            let held = nodes.get(majority - 1).copied().unwrap_or_default();
            let lost = history.loss(held, standing).entries;
            let forgets = |node: &OpNumber| history.loss(*node, standing).votes > 0;
            self.cuts += 1;
            self.cuts_with_loss += u64::from(lost > 0);
            self.double_votes += u64::from(nodes.iter().any(forgets));
            self.lost.add(lost);
        }
    }

    /// The counts.
    pub fn result(&self) -> ClusterResult {
        ClusterResult {
            nodes: self.nodes,
            cuts: self.cuts,
            cuts_with_loss: self.cuts_with_loss,
            committed_lost_p50: self.lost.quantile(500),
            committed_lost_p99: self.lost.quantile(990),
            committed_lost_max: self.lost.max(),
            double_votes: self.double_votes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Durability, GroupId};
    use crate::simulate::mode::Mode;
    use crate::simulate::oracle::{Action, Held, row};
    use crate::simulate::workload::next_entry;

    /// A history of a group and three entries, all acknowledged.
    fn three_entries() -> (History, Standing) {
        let mode = Mode { durability: Durability::Low, ..Mode::default() };
        let mut history = History::new(row(&mode, 8));
        let id = GroupId::named("g");
        let mut accept = |action| {
            let op = history.accept(vec![(id.clone(), action)]);
            history.acknowledge(op, Duration::from_millis(1));
        };
        accept(Action::Create);
        let mut held = Held::default();
        for _ in 0..3 {
            let entry = next_entry(&held);
            held.entries.push(entry.clone());
            accept(Action::Append(vec![entry]));
        }
        let standing = history.standing(Duration::from_millis(5)).0;
        (history, standing)
    }

    #[test]
    fn what_two_of_three_nodes_hold_is_not_lost() {
        let (history, standing) = three_entries();
        let mut clusters = Clusters::of(3);
        clusters.cut(&history, &standing, &[OpNumber(4)], Seed(1));
        assert_eq!(clusters.result().cuts_with_loss, 0);
        let mut clusters = Clusters::of(3);
        clusters.cut(&history, &standing, &[OpNumber(2)], Seed(1));
        let result = clusters.result();
        assert_eq!((result.cuts_with_loss, result.committed_lost_max), (DRAWS, 2));
        let mut clusters = Clusters::of(3);
        clusters.cut(&history, &standing, &[OpNumber(4), OpNumber(2)], Seed(1));
        let result = clusters.result();
        assert!((1..DRAWS).contains(&result.cuts_with_loss), "{result:?}");
    }
}
