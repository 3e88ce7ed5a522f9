//! Which entries of a group were shown, by their terms.

use std::collections::VecDeque;

use crate::inspect::{Error, damage};
use crate::model::{GroupId, IndexRange, LogIndex, Term};
use crate::store::{HeadPiece, Store};

/// Runs that are remembered, the newest: a log has one for each leadership.
const RUNS_MAX: usize = 4_096;

/// Entries that follow one another in one term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: LogIndex,
    last: LogIndex,
    term: Term,
}

/// The terms of what was shown, by runs of ascending indexes.
#[derive(Debug, Default)]
pub(super) struct Shown(VecDeque<Run>);

impl Shown {
    /// Takes note of an entry that is shown; those at and above its index were replaced.
    pub(super) fn add(&mut self, index: LogIndex, term: Term) {
        while self.0.back().is_some_and(|run| run.first >= index) {
            self.0.pop_back();
        }
        if let Some(run) = self.0.back_mut() {
            let before = index.previous().unwrap_or(index);
            run.last = run.last.min(before);
            if (run.last, run.term) == (before, term) {
                run.last = index;
                return;
            }
        }
        if self.0.len() >= RUNS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Run { first: index, last: index, term });
    }

    /// The first index of those shown at which a log has another term. In one log that is where a
    /// conflict began: up to there it is the same.
    ///
    /// # Errors
    /// When the heads of the log cannot be read; damage hides only what lies in it.
    pub(super) fn first_other(
        &self,
        store: &dyn Store,
        group: &GroupId,
        bounds: IndexRange,
    ) -> Result<Option<LogIndex>, Error> {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return Ok(None) };
        let shown = IndexRange::new(first.first, last.last);
        let Some(both) = shown.and_then(|shown| shown.intersection(bounds)) else {
            return Ok(None);
        };
        for piece in store.head_runs(group, both)? {
            let (range, term) = match piece {
                Ok(HeadPiece::Run(run)) => (run.range, run.term),
                Ok(HeadPiece::One(one)) => {
                    let index = one.head.index;
                    let Some(range) = IndexRange::new(index, index) else { continue };
                    (range, one.head.term)
                }
                Err(error) => {
                    damage(error)?;
                    continue;
                }
            };
            if let Some(index) = self.other_in(range, term) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// The first index in `range` that was shown with another term than `term`.
    fn other_in(&self, range: IndexRange, term: Term) -> Option<LogIndex> {
        let from = self.0.partition_point(|run| run.last < range.first());
        let reaching = self.0.range(from..).take_while(|run| run.first <= range.last());
        let mut others = reaching.filter(|run| run.term != term);
        others.next().map(|run| run.first.max(range.first()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(entries: &[(u64, u64)]) -> Shown {
        let mut shown = Shown::default();
        entries.iter().for_each(|(index, term)| shown.add(LogIndex(*index), Term(*term)));
        shown
    }

    fn runs(shown: &Shown) -> Vec<(u64, u64, u64)> {
        shown.0.iter().map(|run| (run.first.0, run.last.0, run.term.0)).collect()
    }

    fn range(first: u64, last: u64) -> IndexRange {
        IndexRange::new(LogIndex(first), LogIndex(last)).expect("a range")
    }

    #[test]
    fn entries_of_one_term_are_one_run_and_what_is_replaced_is_forgotten() {
        let plain = shown(&[(1, 1), (2, 1), (3, 1), (4, 2), (7, 2)]);
        assert_eq!(runs(&plain), [(1, 3, 1), (4, 4, 2), (7, 7, 2)]);
        let mut replaced = shown(&[(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)]);
        replaced.add(LogIndex(3), Term(3));
        assert_eq!(runs(&replaced), [(1, 2, 1), (3, 3, 3)]);
        replaced.add(LogIndex(1), Term(4));
        assert_eq!(runs(&replaced), [(1, 1, 4)]);
        let mut same = shown(&[(1, 1), (2, 1), (3, 1)]);
        same.add(LogIndex(2), Term(1));
        assert_eq!(runs(&same), [(1, 2, 1)]);
    }

    #[test]
    fn a_log_is_another_from_the_first_index_on_that_has_another_term() {
        let shown = shown(&[(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (9, 2)]);
        assert_eq!(shown.other_in(range(1, 3), Term(1)), None);
        assert_eq!(shown.other_in(range(1, 5), Term(1)), Some(LogIndex(4)));
        assert_eq!(shown.other_in(range(2, 5), Term(7)), Some(LogIndex(2)));
        // What was never shown is neither the same nor another.
        assert_eq!(shown.other_in(range(6, 8), Term(7)), None);
        assert_eq!(shown.other_in(range(6, 9), Term(7)), Some(LogIndex(9)));
    }

    #[test]
    fn only_the_newest_runs_are_remembered() {
        let entries: Vec<(u64, u64)> = (1..=RUNS_MAX as u64 + 5).map(|at| (at, at)).collect();
        let shown = shown(&entries);
        assert_eq!((shown.0.len(), runs(&shown)[0]), (RUNS_MAX, (6, 6, 6)));
    }
}
