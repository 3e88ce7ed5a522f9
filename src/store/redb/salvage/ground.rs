//! What the newest commit of a redb file leads to, where it is damaged, and what may fill that.

use std::collections::BTreeMap;

use crate::model::{IndexRange, LogIndex, Term};
use crate::store::salvage::Salvaged;

/// An entry that lies somewhere in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Its index.
    pub index: LogIndex,
    /// Its term.
    pub term: Term,
    /// Where its value lies.
    pub offset_bytes: u64,
    /// As many bytes.
    pub len_bytes: u64,
}

/// What can be read of a log, and where something is missing.
#[derive(Debug, Default)]
pub struct Ground {
    /// Runs of indexes of one term, ascending.
    runs: Vec<(IndexRange, Term)>,
    /// Where something cannot be read: from an index to below another (`None`: unknown). Ascending.
    damaged: Vec<(LogIndex, Option<LogIndex>)>,
}

impl Ground {
    /// Nothing is known at all.
    pub fn unknown() -> Ground {
        Ground { runs: Vec::new(), damaged: vec![(LogIndex(0), None)] }
    }

    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty()
    }

    /// Takes note of an entry that can be read; ascending.
    pub fn push(&mut self, index: LogIndex, term: Term) {
        if let Some((range, known)) = self.runs.last_mut()
            && *known == term
            && range.last().next() == Some(index)
            && let Some(longer) = IndexRange::new(range.first(), index)
        {
            *range = longer;
        } else if let Some(range) = IndexRange::new(index, index) {
            self.runs.push((range, term));
        }
    }

    /// Takes note that from one index to below another something cannot be read; ascending.
    pub fn damage(&mut self, from: LogIndex, below: Option<LogIndex>) {
        if let Some((_, reached)) = self.damaged.last_mut()
            && reached.is_none_or(|reached| from <= reached)
        {
            *reached = reached.zip(below).map(|(a, b)| a.max(b));
        } else {
            self.damaged.push((from, below));
        }
    }

    /// The log begins here, and nothing in front of it is missing.
    pub fn begin_at(&mut self, begin: LogIndex) {
        self.damaged.retain(|(_, below)| below.is_none_or(|below| begin < below));
        if let Some((from, _)) = self.damaged.first_mut() {
            *from = begin.max(*from);
        }
    }

    fn holds(&self, index: LogIndex) -> bool {
        let at = self.runs.partition_point(|(range, _)| range.last() < index);
        self.runs.get(at).is_some_and(|(range, _)| range.contains(index))
    }

    fn misses(&self, index: LogIndex) -> bool {
        let at = self.damaged.partition_point(|(from, _)| *from <= index);
        let last = at.checked_sub(1).and_then(|at| self.damaged.get(at));
        last.is_some_and(|(_, below)| below.is_none_or(|below| index < below)) && !self.holds(index)
    }

    /// Whether the terms around `index` allow an entry of `term` there.
    fn allows(&self, index: LogIndex, term: Term) -> bool {
        let at = self.runs.partition_point(|(range, _)| range.last() < index);
        let before = at.checked_sub(1).and_then(|at| self.runs.get(at));
        let behind = self.runs.get(at);
        before.is_none_or(|(_, known)| *known <= term)
            && behind.is_none_or(|(_, known)| term <= *known)
    }

    /// Takes what the commit before holds of the missing: at worst it is what this node had a
    /// moment before. Where its log begins, this one cannot begin earlier.
    pub fn fill_from_commit(&mut self, copies: Vec<Copy>, begin: Option<LogIndex>) -> Vec<Copy> {
        let mut highest = Term(0);
        let mut taken = Vec::new();
        for copy in copies {
            let fits = self.misses(copy.index) && self.allows(copy.index, copy.term);
            // What was truncated and written again has a higher term; terms never go down.
            if fits && copy.term >= highest {
                highest = copy.term;
                taken.push(copy);
            }
        }
        if let Some(begin) = begin {
            self.begin_at(begin);
        }
        self.hold(&taken);
        taken
    }

    /// Takes what is proven among entries of pages that some branch once led to: an entry of the
    /// same term at this index or above is in the log. For the leader of that term wrote both and
    /// never removed what it wrote, and a log that took the later one has all before it.
    pub fn choose(&mut self, copies: Vec<Copy>, salvaged: &mut Salvaged) -> Vec<Copy> {
        let mut newest: BTreeMap<LogIndex, Copy> = BTreeMap::new();
        for copy in copies.into_iter().filter(|copy| self.misses(copy.index)) {
            let known = newest.entry(copy.index).or_insert(copy);
            if known.term < copy.term {
                *known = copy;
            }
        }
        // Without a single entry to prove others by, they alone have to do: of each index the one
        // with the highest term, and none that an earlier index shows to be replaced.
        let alone = self.runs.is_empty();
        let mut highest = Term(0);
        let last_of: BTreeMap<Term, LogIndex> =
            self.runs.iter().map(|(range, term)| (*term, range.last())).collect();
        let mut chosen = Vec::new();
        for copy in newest.into_values() {
            let later = last_of.get(&copy.term).is_some_and(|last| copy.index <= *last);
            let fits = later && self.allows(copy.index, copy.term);
            if fits || alone && copy.term >= highest {
                highest = copy.term;
                chosen.push(copy);
            } else {
                salvaged.unproven += 1;
            }
        }
        self.hold(&chosen);
        chosen
    }

    fn hold(&mut self, taken: &[Copy]) {
        let mut all: Vec<(IndexRange, Term)> = std::mem::take(&mut self.runs);
        let single = |copy: &Copy| Some((IndexRange::new(copy.index, copy.index)?, copy.term));
        all.extend(taken.iter().filter_map(single));
        all.sort_by_key(|(range, _)| range.first());
        for (range, term) in all {
            match self.runs.last_mut() {
                Some((known, of)) if *of == term && known.last().next() == Some(range.first()) => {
                    if let Some(longer) = IndexRange::new(known.first(), range.last()) {
                        *known = longer;
                    }
                }
                _ => self.runs.push((range, term)),
            }
        }
    }

    /// Says what is missing in the end.
    pub fn tell(&self, salvaged: &mut Salvaged) {
        let (first, last) = (self.runs.first(), self.runs.last());
        let (first, last) = (first.map(|(r, _)| r.first()), last.map(|(r, _)| r.last()));
        for pair in self.runs.windows(2) {
            let [(a, _), (b, _)] = pair else { continue };
            let hole = a.last().next().zip(b.first().previous());
            let hole = hole.and_then(|(first, last)| IndexRange::new(first, last));
            salvaged.missing.extend(hole.filter(|hole| self.touches(*hole)));
        }
        for (from, below) in &self.damaged {
            let behind = below.is_none_or(|below| last.is_none_or(|last| last < below));
            let inside = below.and_then(LogIndex::previous);
            if behind && inside.is_none_or(|inside| !self.holds(inside)) {
                salvaged.open_end = Some(last);
            }
            if first.is_none_or(|first| *from < first) && !self.holds(*from) {
                salvaged.open_begin = true;
            }
        }
    }

    fn touches(&self, hole: IndexRange) -> bool {
        let overlaps = |(from, below): &(LogIndex, Option<LogIndex>)| {
            *from <= hole.last() && below.is_none_or(|below| hole.first() < below)
        };
        self.damaged.iter().any(overlaps)
    }
}
