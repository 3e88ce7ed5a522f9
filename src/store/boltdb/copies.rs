//! Entries outside the newest commit: where they are needed, where they lie, which are proven.

use std::collections::BTreeMap;

use crate::model::{Code, GroupId, IndexRange, LogIndex, SharedBytes, Term};
use crate::store::bolt::{Bucket, Leaf, PageId, PageSet, Pages, Root, Visit, Walk};
use crate::store::boltdb::LOGS;
use crate::store::boltdb::entries::{entry_at, index_of};
use crate::store::salvage::Salvaged;
use crate::store::salvage::is_sound;
use crate::store::{Located, StoreError};

/// An entry that lies somewhere in the file: 32 bytes of memory for each that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) index: LogIndex,
    pub(super) term: Term,
    /// Where its value lies.
    pub(super) offset_bytes: u64,
    pub(super) len_bytes: u64,
    /// Whether its page is one that the newest commit uses.
    pub(super) in_use: bool,
}

/// The pages that the newest commit uses: all but those that its freelist names.
pub(super) struct InUse {
    pub(super) free: PageSet,
    /// First page that it never used.
    pub(super) end: PageId,
}

impl InUse {
    fn contains(&self, page: PageId) -> bool {
        page < self.end && !self.free.contains(page)
    }
}

/// Entries that follow one another in one term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    range: IndexRange,
    term: Term,
}

/// What the newest commit leads to, and where it is damaged.
#[derive(Debug, Default)]
pub(super) struct Ground {
    /// What can be read, ascending.
    runs: Vec<Run>,
    /// Where something was that cannot be read: from an index (0: unknown) to below another
    /// (`None`: unknown). Ascending.
    damaged: Vec<(LogIndex, Option<LogIndex>)>,
    /// No tree is left: nothing is known.
    unknown: bool,
}

/// Walks the log of one commit.
///
/// # Errors
/// Only when the file cannot be read.
pub(super) fn walk_log(
    pages: &Pages,
    logs: &Root,
    salvaged: &mut Salvaged,
) -> Result<Ground, StoreError> {
    let mut ground = Ground::default();
    let mut walk = Walk::new(pages, logs.clone());
    while let Some(visit) = walk.step() {
        match visit? {
            Visit::Branch(_) => {}
            Visit::Leaf(leaf) => ground.leaf(pages, &leaf, salvaged)?,
            Visit::Damaged(damaged) => {
                let index = |key: &Option<SharedBytes>| key.as_deref().and_then(index_of);
                let from = index(&damaged.from).unwrap_or_default();
                ground.damage(from, index(&damaged.below));
                salvaged.drop_piece(damaged.fault.in_group(&GroupId::Unnamed));
            }
        }
    }
    Ok(ground)
}

impl Ground {
    /// Nothing is known at all.
    pub(super) fn unknown() -> Ground {
        Ground { unknown: true, damaged: vec![(LogIndex(0), None)], ..Ground::default() }
    }

    /// Whether nothing is missing.
    pub(super) fn is_whole(&self) -> bool {
        self.damaged.is_empty()
    }

    fn leaf(
        &mut self,
        pages: &Pages,
        leaf: &Leaf,
        salvaged: &mut Salvaged,
    ) -> Result<(), StoreError> {
        for element in (0..leaf.elements()).filter_map(|n| leaf.element(n)) {
            let key = index_of(leaf.slice(&element.key));
            let fault = match entry_at(pages, leaf, &element, key) {
                Ok(located) if is_sound(&located) => {
                    self.push(located.entry.index, located.entry.term);
                    continue;
                }
                Ok(located) => located.faults.into_iter().find(|one| one.code == Code::R120),
                Err(StoreError::Fault(fault)) => Some(*fault),
                Err(error) => return Err(error),
            };
            if let Some(key) = key {
                self.damage(key, key.next());
            }
            fault.into_iter().for_each(|fault| salvaged.drop_piece(fault));
        }
        Ok(())
    }

    /// Takes note that from one index to below another something cannot be read; ascending.
    fn damage(&mut self, from: LogIndex, below: Option<LogIndex>) {
        if let Some((_, reached)) = self.damaged.last_mut()
            && reached.is_none_or(|reached| from <= reached)
        {
            *reached = reached.zip(below).map(|(a, b)| a.max(b));
        } else {
            self.damaged.push((from, below));
        }
    }

    fn push(&mut self, index: LogIndex, term: Term) {
        if let Some(run) = self.runs.last_mut()
            && run.term == term
            && run.range.last().next() == Some(index)
            && let Some(range) = IndexRange::new(run.range.first(), index)
        {
            run.range = range;
        } else if let Some(range) = IndexRange::new(index, index) {
            self.runs.push(Run { range, term });
        }
    }

    /// Whether an entry at `index` may be missing.
    fn misses(&self, index: LogIndex) -> bool {
        let at = self.damaged.partition_point(|(from, _)| *from <= index);
        let last = at.checked_sub(1).and_then(|at| self.damaged.get(at));
        last.is_some_and(|(_, below)| below.is_none_or(|below| index < below)) && !self.holds(index)
    }

    fn holds(&self, index: LogIndex) -> bool {
        let at = self.runs.partition_point(|run| run.range.last() < index);
        self.runs.get(at).is_some_and(|run| run.range.contains(index))
    }

    /// Whether terms around `index` allow an entry of `term` there.
    fn allows(&self, index: LogIndex, term: Term) -> bool {
        let at = self.runs.partition_point(|run| run.range.last() < index);
        let before = at.checked_sub(1).and_then(|at| self.runs.get(at));
        let behind = self.runs.get(at);
        before.is_none_or(|run| run.term <= term) && behind.is_none_or(|run| term <= run.term)
    }

    /// Takes the copies in pages that the newest commit uses: they are its own, and only a branch
    /// that led to them is gone.
    ///
    /// Where every other page in use can be read, nothing else is missing.
    pub(super) fn take_in_use(&mut self, found: &Found) -> Vec<Copy> {
        let mut taken: BTreeMap<LogIndex, Copy> = BTreeMap::new();
        for copy in found.copies.iter().filter(|copy| copy.in_use && self.misses(copy.index)) {
            if self.allows(copy.index, copy.term) {
                taken.entry(copy.index).or_insert(*copy);
            }
        }
        // A page in whose range leaves were found was a branch, and held no entry itself.
        let was_branch = |(from, below): &(LogIndex, Option<LogIndex>)| {
            let first = taken.range(*from..).next().map(|(index, _)| *index);
            first.is_some_and(|first| below.is_none_or(|below| first < below))
        };
        if found.unreadable == self.damaged.len() as u64 && self.damaged.iter().all(was_branch) {
            self.damaged.clear();
        }
        let taken: Vec<Copy> = taken.into_values().collect();
        self.hold(&taken);
        taken
    }

    /// Takes what another commit holds of the missing; returns it, and counts it as held. Where
    /// its log begins, this one cannot begin earlier: what lies in front was compacted.
    pub(super) fn fill_from_commit(
        &mut self,
        pages: &Pages,
        logs: &Root,
    ) -> Result<Vec<Copy>, StoreError> {
        let mut taken = Vec::new();
        let mut begin = None;
        let mut walk = Walk::new(pages, logs.clone());
        while let Some(visit) = walk.step() {
            let leaf = match visit? {
                Visit::Branch(_) => continue,
                Visit::Leaf(leaf) => leaf,
                Visit::Damaged(_) => {
                    begin.get_or_insert(LogIndex(0));
                    continue;
                }
            };
            if let Some(key) = leaf.element(0).and_then(|first| index_of(leaf.slice(&first.key))) {
                begin.get_or_insert(key);
            }
            for copy in copies_in(pages, &leaf, false)? {
                if self.misses(copy.index) && self.allows(copy.index, copy.term) {
                    taken.push(copy);
                }
            }
        }
        self.begin_at(begin.unwrap_or_default());
        // What was truncated and written again has a higher term; terms never go down.
        let mut highest = Term(0);
        taken.retain(|copy| {
            let fits = copy.term >= highest;
            highest = highest.max(copy.term);
            fits
        });
        self.hold(&taken);
        self.unknown &= taken.is_empty();
        Ok(taken)
    }

    /// Takes note that nothing below `begin` is missing.
    fn begin_at(&mut self, begin: LogIndex) {
        self.damaged.retain(|(_, below)| below.is_none_or(|below| begin < below));
        if let Some((from, _)) = self.damaged.first_mut() {
            *from = begin.max(*from);
        }
    }

    fn hold(&mut self, taken: &[Copy]) {
        let old = std::mem::take(&mut self.runs);
        let mut fresh = taken.iter().map(|copy| (copy.index, copy.term)).peekable();
        for run in old {
            while let Some((index, term)) = fresh.next_if(|(index, _)| *index < run.range.first()) {
                self.push(index, term);
            }
            self.join(run);
        }
        for (index, term) in fresh {
            self.push(index, term);
        }
    }

    fn join(&mut self, run: Run) {
        if let Some(last) = self.runs.last_mut()
            && last.term == run.term
            && last.range.last().next() == Some(run.range.first())
            && let Some(range) = IndexRange::new(last.range.first(), run.range.last())
        {
            last.range = range;
        } else {
            self.runs.push(run);
        }
    }

    /// Chooses what is proven among copies from pages to which nothing leads.
    pub(super) fn choose(&mut self, copies: Vec<Copy>, salvaged: &mut Salvaged) -> Vec<Copy> {
        // Without a single entry to prove others by, leaves alone have to do, as without a tree.
        self.unknown |= self.runs.is_empty();
        let mut newest: BTreeMap<LogIndex, Copy> = BTreeMap::new();
        for copy in copies.into_iter().filter(|copy| self.misses(copy.index)) {
            let known = newest.entry(copy.index).or_insert(copy);
            if known.term < copy.term {
                *known = copy;
            }
        }
        let mut chosen = Vec::new();
        if self.unknown {
            let mut highest = Term(0);
            for copy in newest.into_values() {
                if copy.term >= highest {
                    highest = copy.term;
                    chosen.push(copy);
                } else {
                    salvaged.unproven += 1;
                }
            }
        } else {
            let mut last_of: BTreeMap<Term, LogIndex> = BTreeMap::new();
            for run in &self.runs {
                last_of.insert(run.term, run.range.last());
            }
            for copy in newest.into_values() {
                let proven = last_of.get(&copy.term).is_some_and(|last| copy.index <= *last);
                if proven && self.allows(copy.index, copy.term) {
                    chosen.push(copy);
                } else {
                    salvaged.unproven += 1;
                }
            }
        }
        self.hold(&chosen);
        chosen
    }

    /// Says what is missing in the end.
    pub(super) fn tell(&self, salvaged: &mut Salvaged) {
        let first = self.runs.first().map(|run| run.range.first());
        let last = self.runs.last().map(|run| run.range.last());
        let mut before: Option<LogIndex> = None;
        for run in &self.runs {
            let hole = before.and_then(LogIndex::next).zip(run.range.first().previous());
            let hole = hole.and_then(|(first, last)| IndexRange::new(first, last));
            // A hole that was there before any damage is the log's own.
            salvaged.missing.extend(hole.filter(|hole| self.touches(hole)));
            before = Some(run.range.last());
        }
        for (from, below) in &self.damaged {
            // A single entry, or a page, of which nothing is left in front of or behind all others.
            let behind = below.is_none_or(|below| last.is_none_or(|last| last < below));
            let inside = below.and_then(LogIndex::previous);
            if behind && inside.is_none_or(|inside| !self.holds(inside)) {
                salvaged.open_end = Some(last);
            }
            let in_front = first.is_none_or(|first| *from < first);
            if in_front && !self.holds((*from).max(LogIndex(1))) {
                salvaged.open_begin = true;
            }
        }
    }

    fn touches(&self, hole: &IndexRange) -> bool {
        let at = self.damaged.partition_point(|(from, _)| *from <= hole.last());
        let last = at.checked_sub(1).and_then(|at| self.damaged.get(at));
        last.is_some_and(|(_, below)| below.is_none_or(|below| hole.first() < below))
    }
}

/// Sound entries that a leaf holds, without what is odd about others.
fn copies_in(pages: &Pages, leaf: &Leaf, in_use: bool) -> Result<Vec<Copy>, StoreError> {
    let mut copies = Vec::new();
    for element in (0..leaf.elements()).filter_map(|n| leaf.element(n)) {
        let Some(index) = index_of(leaf.slice(&element.key)) else { continue };
        match entry_at(pages, leaf, &element, Some(index)) {
            Ok(Located { entry, place: Some(place), faults }) if faults.is_empty() => {
                let (offset_bytes, len_bytes) = (place.offset_bytes, place.len_bytes);
                copies.push(Copy { index, term: entry.term, offset_bytes, len_bytes, in_use });
            }
            Ok(_) | Err(StoreError::Fault(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(copies)
}

/// Entries that `ground` misses, wherever they lie.
#[derive(Default)]
pub(super) struct Found {
    pub(super) copies: Vec<Copy>,
    /// Pages that the newest commit uses and that cannot be read.
    unreadable: u64,
}

/// Looks at every page of the file for leaves with entries that `ground` misses. `in_use` are the
/// pages of the newest commit, where they are known.
///
/// # Errors
/// Only when the file cannot be read.
pub(super) fn find_copies(
    pages: &Pages,
    ground: &Ground,
    in_use: Option<&InUse>,
) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let mut page = pages.first();
    while page < pages.end() {
        let in_use = in_use.is_some_and(|in_use| in_use.contains(page));
        let (leaf, own_pages) = match pages.alone(page) {
            Ok(alone) => alone,
            Err(StoreError::Fault(_)) => {
                found.unreadable += u64::from(in_use);
                (None, 1)
            }
            Err(error) => return Err(error),
        };
        if let Some(leaf) = leaf {
            for leaf in inline_log(&leaf).iter().chain([&leaf]) {
                let copies = copies_in(pages, leaf, in_use)?;
                found.copies.extend(copies.into_iter().filter(|copy| ground.misses(copy.index)));
            }
        }
        // What a value says inside the pages of a leaf in use is no page.
        page = PageId(page.0.saturating_add(if in_use { own_pages } else { 1 }));
    }
    Ok(found)
}

/// The small log that lies inline in a leaf of the root bucket.
fn inline_log(leaf: &Leaf) -> Option<Leaf> {
    let mut elements = (0..leaf.elements()).filter_map(|n| leaf.element(n));
    let element = elements.find(|one| one.is_bucket && leaf.slice(&one.key) == LOGS)?;
    match Bucket::read(leaf, &element).ok()?.root {
        Root::Inline(bytes, offset_bytes) => Leaf::inline(bytes, offset_bytes).ok(),
        Root::Page(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(runs: &[(u64, u64, u64)], damaged: &[(u64, Option<u64>)]) -> Ground {
        let mut ground = Ground::default();
        for (first, last, term) in runs {
            (*first..=*last).for_each(|index| ground.push(LogIndex(index), Term(*term)));
        }
        for (from, below) in damaged {
            ground.damage(LogIndex(*from), below.map(LogIndex));
        }
        ground
    }

    fn copy(index: u64, term: u64) -> Copy {
        let (index, term) = (LogIndex(index), Term(term));
        Copy { index, term, offset_bytes: 0, len_bytes: 1, in_use: false }
    }

    fn chosen(ground: &mut Ground, copies: &[(u64, u64)]) -> (Vec<(u64, u64)>, u64) {
        let mut salvaged = Salvaged::default();
        let copies = copies.iter().map(|(index, term)| copy(*index, *term)).collect();
        let chosen = ground.choose(copies, &mut salvaged);
        (chosen.iter().map(|one| (one.index.0, one.term.0)).collect(), salvaged.unproven)
    }

    fn told(ground: &Ground) -> (Vec<(u64, u64)>, bool, Option<Option<u64>>) {
        let mut salvaged = Salvaged::default();
        ground.tell(&mut salvaged);
        let holes = salvaged.missing.iter().map(|hole| (hole.first().0, hole.last().0));
        let end = salvaged.open_end.map(|last| last.map(|last| last.0));
        (holes.collect(), salvaged.open_begin, end)
    }

    #[test]
    fn a_copy_is_proven_by_a_later_entry_of_its_term_and_by_nothing_else() {
        // 1 to 4 of term 2, 5 to 9 unreadable, 10 to 12 of term 4.
        let runs = [(1, 4, 2), (10, 12, 4)];
        let damaged = [(5, Some(10))];
        // The leader of term 4 wrote entry 8 and entry 10; nothing says so of terms 2 and 3.
        let copies = [(5, 2), (6, 3), (7, 4), (8, 4), (8, 2), (9, 5)];
        let mut one = ground(&runs, &damaged);
        assert_eq!(chosen(&mut one, &copies), (vec![(7, 4), (8, 4)], 3));
        assert_eq!(told(&one), (vec![(5, 6), (9, 9)], false, None));
        // A replaced copy is older than the one that replaced it, and has a lower term.
        let mut two = ground(&[(1, 4, 2), (10, 12, 2)], &damaged);
        assert_eq!(chosen(&mut two, &[(5, 1), (5, 2), (6, 1)]), (vec![(5, 2)], 1));
    }

    #[test]
    fn what_lies_in_a_page_in_use_needs_no_other_proof() {
        let copies = [(3, 1, true), (3, 2, false), (4, 2, true), (2, 1, false)];
        let copies = copies.map(|(index, term, in_use)| Copy { in_use, ..copy(index, term) });
        let taken = |ground: &mut Ground, unreadable| {
            let taken = ground.take_in_use(&Found { copies: copies.to_vec(), unreadable });
            taken.iter().map(|one| (one.index.0, one.term.0)).collect::<Vec<_>>()
        };
        // The branch and a page of which nobody knows what it held.
        let mut beheaded = ground(&[], &[(0, None)]);
        assert_eq!(taken(&mut beheaded, 2), [(3, 1), (4, 2)]);
        assert_eq!(told(&beheaded), (vec![], true, Some(Some(4))));
        assert_eq!(chosen(&mut beheaded, &[(2, 1), (5, 2)]), (vec![(2, 1)], 1));
        // Only the branch: nothing else was lost, and what was compacted stays away.
        let mut whole = ground(&[], &[(0, None)]);
        assert_eq!(taken(&mut whole, 1), [(3, 1), (4, 2)]);
        assert_eq!(told(&whole), (vec![], false, None));
        assert_eq!(chosen(&mut whole, &[(2, 1), (5, 2)]), (vec![], 0));
        // A leaf that is gone beside the branch.
        let mut both = ground(&[(9, 9, 2)], &[(0, Some(5)), (6, Some(9))]);
        assert_eq!(taken(&mut both, 2), [(3, 1), (4, 2)]);
        assert_eq!(told(&both), (vec![(5, 8)], true, None));
    }

    #[test]
    fn what_was_compacted_before_the_damage_is_not_looked_for() {
        let mut compacted = ground(&[(12, 20, 3)], &[(0, Some(12)), (15, Some(16))]);
        compacted.begin_at(LogIndex(10));
        let missed = [9, 10, 11, 15].map(|index| compacted.misses(LogIndex(index)));
        assert_eq!(missed, [false, true, true, false]);
        compacted.begin_at(LogIndex(12));
        assert_eq!(told(&compacted), (vec![], false, None));
    }

    #[test]
    fn nothing_behind_the_last_entry_is_proven_and_the_end_stays_open() {
        let mut cut = ground(&[(1, 9, 3)], &[(10, None)]);
        assert_eq!(chosen(&mut cut, &[(10, 3), (11, 4)]), (vec![], 2));
        assert_eq!(told(&cut), (vec![], false, Some(Some(9))));
        let mut front = ground(&[(7, 9, 3)], &[(0, Some(7))]);
        assert_eq!(chosen(&mut front, &[(6, 3)]), (vec![(6, 3)], 0));
        assert_eq!(told(&front), (vec![], true, None));
    }

    #[test]
    fn without_a_tree_the_highest_terms_count_and_what_they_replaced_does_not() {
        let mut lost = Ground::unknown();
        // 5 and 6 were written in term 2, replaced in term 4; 7 of term 2 was removed with them.
        let copies = [(4, 2), (5, 2), (6, 2), (7, 2), (5, 4), (6, 4)];
        assert_eq!(chosen(&mut lost, &copies), (vec![(4, 2), (5, 4), (6, 4)], 1));
        assert_eq!(told(&lost), (vec![], true, Some(Some(6))));
    }

    #[test]
    fn holes_that_no_damage_made_are_none_of_ours() {
        let holed = ground(&[(1, 4, 2), (9, 12, 2)], &[(11, Some(12))]);
        assert_eq!(told(&holed), (vec![], false, None));
        let both = ground(&[(1, 4, 2), (9, 10, 2), (12, 12, 2)], &[(11, Some(12))]);
        assert_eq!(told(&both), (vec![(11, 11)], false, None));
    }

    #[test]
    fn damaged_ranges_that_touch_become_one() {
        let mut ground = Ground::default();
        for (from, below) in [(3, Some(4)), (4, Some(5)), (9, Some(12)), (10, None)] {
            ground.damage(LogIndex(from), below.map(LogIndex));
        }
        let index = LogIndex;
        assert_eq!(ground.damaged, [(index(3), Some(index(5))), (index(9), None)]);
        assert!(ground.misses(index(4)) && !ground.misses(index(5)) && ground.misses(index(999)));
    }
}
