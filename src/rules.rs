//! What Raft demands of a log, as a checker that is fed one entry head at a time.
//!
//! Pure: no file, no format, constant memory. What a format adds (limits, the lowest index that its
//! library writes) and what lies around the log comes in as [`Surroundings`].

use crate::model::{
    Code, EntryHead, EntryKind, Fault, FaultKind, Findings, GroupId, HardState, HeadRun, LogId,
    LogIndex, LogState, Place, Severity, Term,
};

/// What the rules must know beside a group's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Lowest index that the format's own library writes.
    pub index_usual_min: LogIndex,
    /// Largest payload that a server takes.
    pub payload_bytes_max: u64,
    /// Whether the store of snapshots could be looked at.
    pub snapshots_in_view: bool,
    /// Whether the newest snapshot in view says who the members of the cluster are.
    pub membership_in_snapshot: bool,
    /// How far the entries were applied, where that is recorded.
    pub applied: Option<LogIndex>,
    /// The first entry of a write that did not end: the state may not know of it yet.
    pub unfinished_from: Option<LogIndex>,
    /// Whether the program that owns the log really writes lower terms behind higher ones.
    pub terms_may_fall: bool,
}

impl Surroundings {
    /// Stable key under which programs record how far they applied the log.
    const APPLIED_KEY: &'static [u8] = b"applied_index";

    /// What `state` says about them, and no snapshot store in view.
    pub fn of(state: &LogState, usual_min: LogIndex, payload_bytes_max: u64) -> Surroundings {
        let applied = state.stable.get(Self::APPLIED_KEY).and_then(|value| value.as_u64());
        Surroundings {
            index_usual_min: usual_min,
            payload_bytes_max,
            snapshots_in_view: false,
            membership_in_snapshot: false,
            applied: applied.map(LogIndex),
            unfinished_from: None,
            terms_may_fall: false,
        }
    }
}

/// Says where the entry of an index lies, if that can be found out.
type PlaceOf<'a> = dyn Fn(LogIndex) -> Option<Place> + 'a;

/// Checks one group. Feed every entry in the order of the log, then finish.
#[derive(Debug)]
pub struct Checker<'s> {
    group: GroupId,
    state: &'s LogState,
    around: Surroundings,
    previous: Option<LogId>,
    /// Where the entry fed last lies.
    place: Option<Place>,
    unreadable: bool,
    memberships: u64,
}

impl<'s> Checker<'s> {
    /// A checker for `group` with its `state`, before its first entry.
    pub fn new(group: &GroupId, state: &'s LogState, around: Surroundings) -> Checker<'s> {
        Checker {
            group: group.clone(),
            state,
            around,
            previous: None,
            place: None,
            unreadable: false,
            memberships: 0,
        }
    }

    /// Takes the next entry.
    pub fn entry(&mut self, head: &EntryHead, findings: &mut Findings) {
        match self.previous {
            None if self.unreadable => {}
            None => self.first(head, findings),
            Some(previous) => self.successor(previous, head, findings),
        }
        self.continues_snapshot(head, findings);
        self.alone(head, findings);
        self.unreadable = false;
        self.previous = Some(LogId { index: head.index, term: head.term });
        self.place.clone_from(&head.place);
    }

    /// Takes consecutive entries of one term and kind in one step, where no rule can find anything
    /// about any of them; otherwise returns false, and they must be fed one by one.
    pub fn run(&mut self, run: &HeadRun) -> bool {
        let (first, last) = (run.range.first(), run.range.last());
        let Some(previous) = self.previous else { return false };
        let follows = previous.index.next() == Some(first) && previous.term <= run.term;
        let snapshot = self.state.snapshot.as_ref();
        let contradicted = snapshot.is_some_and(|snapshot| run.range.contains(snapshot.index));
        let usual = run.kind != EntryKind::Unknown
            && run.payload_bytes_max <= self.around.payload_bytes_max
            && first >= self.around.index_usual_min;
        if !follows || contradicted || !usual {
            return false;
        }
        self.unreadable = false;
        self.previous = Some(LogId { index: last, term: run.term });
        // A run tells of no single place.
        self.place = None;
        true
    }

    /// Takes note that something here could not be read. What is missing up to the next entry is
    /// damage, which has its own finding, and no hole.
    pub fn unreadable(&mut self) {
        self.unreadable = true;
    }

    /// Whether an entry was fed of which [`Checker::membership`] heard that it decoded.
    pub fn has_membership(&self) -> bool {
        self.memberships > 0
    }

    /// Takes note that the entry `head` should carry a membership, and whether it decoded.
    pub fn membership(&mut self, head: &EntryHead, decoded: bool, findings: &mut Findings) {
        if decoded {
            self.memberships += 1;
            return;
        }
        let found = format!("the membership in entry {} does not decode", head.index);
        let expected = format!("a {} that decodes", head.kind.as_str());
        findings.add(self.fault(Code::R110, found, (expected, None), Some(head)));
    }

    /// Ends the log: what only the whole of it and the state can tell.
    pub fn finish(self, findings: &mut Findings) {
        self.finish_with(findings, &|_| None);
    }

    /// The same, where the last entries came in a run, which has no single place: `place_of` is
    /// asked where the last one lies, if there is something to say of it.
    pub fn finish_with(self, findings: &mut Findings, place_of: &PlaceOf<'_>) {
        let last = self.previous.or(self.state.snapshot_id()).or(self.state.compacted);
        self.commit(last, findings);
        self.terms(last, findings, place_of);
        if let Some(last) = self.previous {
            self.current_term_exists(last, findings, place_of);
            self.membership_exists(findings);
        }
        let known = (self.around.applied, self.state.hard.commit);
        if let (Some(applied), Some(commit)) = known
            && applied > commit
        {
            let found = format!("applied through {applied}, committed through {commit}");
            let values = (format!("at most {commit}"), Some(applied.to_string()));
            findings.add(self.fault(Code::R118, found, values, None));
        }
    }

    fn first(&self, head: &EntryHead, findings: &mut Findings) {
        let before = head.index.previous();
        if let Some(compacted) = self.state.compacted {
            if compacted.index.next().is_some_and(|next| next < head.index) {
                self.hole(compacted.index, head, findings);
            }
            if compacted.index < head.index && head.term < compacted.term {
                self.regress(compacted, head, findings);
            }
        }
        match &self.state.snapshot {
            Some(snapshot) if before.is_some_and(|before| snapshot.index < before) => {
                let found = format!(
                    "the log begins at {}, its snapshot ends at {}: what is between is nowhere",
                    head.index, snapshot.index
                );
                let expected =
                    format!("a snapshot through {} or later", before.unwrap_or_default());
                let through = format!("a snapshot through {}", snapshot.index);
                findings.add(self.fault(Code::R107, found, (expected, Some(through)), Some(head)));
            }
            None if head.index > self.around.index_usual_min.max(LogIndex(1)) => {
                let (code, found) = match self.around.snapshots_in_view {
                    true => (
                        Code::R107,
                        format!(
                            "the log begins at {}, and there is no snapshot of what came before",
                            head.index
                        ),
                    ),
                    false => (
                        Code::R126,
                        format!("the log begins at {} and no snapshot is in view", head.index),
                    ),
                };
                let expected =
                    format!("a snapshot through {} or later", before.unwrap_or_default());
                findings.add(self.fault(code, found, (expected, None), Some(head)));
            }
            _ => {}
        }
    }

    /// The first entry behind the snapshot continues it.
    fn continues_snapshot(&self, head: &EntryHead, findings: &mut Findings) {
        let Some(snapshot) = self.state.snapshot_id() else { return };
        let before = self.previous.or(self.state.compacted);
        let is_first_behind = before.is_none_or(|before| before.index < snapshot.index)
            && snapshot.index < head.index;
        // Where it also goes down from the entry before, that is said already.
        let goes_down =
            head.term < snapshot.term && before.is_none_or(|before| before.term <= head.term);
        if is_first_behind && goes_down {
            self.regress(snapshot, head, findings);
        }
    }

    fn successor(&self, previous: LogId, head: &EntryHead, findings: &mut Findings) {
        if head.index <= previous.index {
            let found = match head.index == previous.index {
                true => format!("index {} is there twice", head.index),
                false => format!("index {} stands after {}", head.index, previous.index),
            };
            let values =
                (format!("an index above {}", previous.index), Some(head.index.to_string()));
            findings.add(self.fault(Code::R103, found, values, Some(head)));
        } else if previous.index.next() != Some(head.index) && !self.unreadable {
            self.hole(previous.index, head, findings);
        }
        if head.term < previous.term {
            self.regress(previous, head, findings);
        }
    }

    fn alone(&self, head: &EntryHead, findings: &mut Findings) {
        if let Some(snapshot) = &self.state.snapshot
            && snapshot.index == head.index
            && snapshot.term != head.term
        {
            let found = format!(
                "entry {} has term {}, the snapshot through it term {}",
                head.index, head.term, snapshot.term
            );
            let values = (format!("term {}", snapshot.term), Some(format!("term {}", head.term)));
            findings.add(self.fault(Code::R108, found, values, Some(head)));
        }
        if head.payload_len_bytes > self.around.payload_bytes_max {
            let kind = FaultKind::Bounds {
                what: "payload",
                value: head.payload_len_bytes,
                limit: self.around.payload_bytes_max,
            };
            findings.add(self.placed(Fault::new(Code::R111, kind), head));
        }
        if head.kind == EntryKind::Unknown {
            let found = match head.kind_code {
                Some(code) => format!("entry {} has the unknown type {code}", head.index),
                None => format!("entry {} has an unknown type", head.index),
            };
            let expected = "a type that the library defines".to_owned();
            let code = head.kind_code.map(|code| format!("type {code}"));
            findings.add(self.fault(Code::R112, found, (expected, code), Some(head)));
        }
        if head.index < self.around.index_usual_min {
            let found = format!("index {} is below what this format's library writes", head.index);
            let expected = format!("at least {}", self.around.index_usual_min);
            let values = (expected, Some(head.index.to_string()));
            findings.add(self.fault(Code::R127, found, values, Some(head)));
        }
    }

    /// Everything between `before` and `head` is missing.
    fn hole(&self, before: LogIndex, head: &EntryHead, findings: &mut Findings) {
        let (Some(first), Some(last)) = (before.next(), head.index.previous()) else { return };
        let missing = match first == last {
            true => format!("index {first} is missing"),
            false => format!("indexes {first} to {last} are missing"),
        };
        let covered = self.state.snapshot.as_ref().filter(|snapshot| snapshot.index >= last);
        let found = match (covered, &self.state.snapshot) {
            (Some(snapshot), _) => {
                format!("{missing}, which the snapshot through {} explains", snapshot.index)
            }
            (None, Some(snapshot)) => {
                format!("{missing}, and the snapshot ends at {}", snapshot.index)
            }
            (None, None) => missing,
        };
        let values = (format!("index {first}"), Some(format!("index {}", head.index)));
        let fault = self.fault(Code::R101, found, values, Some(head));
        findings.add(match covered {
            Some(_) => fault.as_severity(Severity::Info),
            None => fault,
        });
    }

    fn regress(&self, before: LogId, head: &EntryHead, findings: &mut Findings) {
        let found = format!(
            "term goes down from {} at {} to {} at {}",
            before.term, before.index, head.term, head.index
        );
        let values =
            (format!("term {} or above", before.term), Some(format!("term {}", head.term)));
        let fault = self.fault(Code::R102, found, values, Some(head));
        findings.add(match self.around.terms_may_fall {
            true => fault.as_severity(Severity::Warning),
            false => fault,
        });
    }

    fn commit(&self, last: Option<LogId>, findings: &mut Findings) {
        let Some(commit) = self.state.hard.commit else { return };
        let covered = self.state.snapshot_id().map(|id| id.index);
        let last = last.map(|id| id.index).max(covered).unwrap_or_default();
        if commit > last {
            let found = format!("committed through {commit}, but the log ends at {last}");
            let values = (format!("at most {last}"), Some(commit.to_string()));
            findings.add(self.fault(Code::R105, found, values, None));
        }
    }

    fn terms(&self, last: Option<LogId>, findings: &mut Findings, place_of: &PlaceOf<'_>) {
        let hard = &self.state.hard;
        let Some(current) = hard.term else { return };
        let snapshot = self.state.snapshot_id();
        let above = |id: &LogId| last.is_none_or(|last| last.term < id.term) && current < id.term;
        if let Some(snapshot) = snapshot.filter(above) {
            let found = format!(
                "current term {current} is below term {} of the snapshot through {}",
                snapshot.term, snapshot.index
            );
            let values = (format!("at least {}", snapshot.term), Some(current.to_string()));
            findings.add(self.fault(Code::R106, found, values, None).at_term(snapshot.term));
        } else if let Some(last) = last.filter(|last| current < last.term)
            && !self.is_unfinished(last.index)
        {
            let found = format!(
                "current term {current} is below term {} of index {}",
                last.term, last.index
            );
            let values = (format!("at least {}", last.term), Some(current.to_string()));
            let fault = self.fault(Code::R106, found, values, None);
            findings.add(self.at_the_end(fault, last, place_of));
        }
        let voted = hard.vote.as_ref().and_then(|vote| vote.term);
        if let Some(voted) = voted.filter(|voted| *voted > current) {
            let found = format!("voted in term {voted}, above the current term {current}");
            let values = (format!("at most {current}"), Some(voted.to_string()));
            findings.add(self.fault(Code::R106, found, values, None).at_term(voted));
        }
    }

    /// Whether the entry at `index`, the last one, belongs to a write that did not end.
    fn is_unfinished(&self, index: LogIndex) -> bool {
        let is_last = self.previous.is_some_and(|last| last.index == index);
        is_last && self.around.unfinished_from.is_some_and(|from| from <= index)
    }

    fn current_term_exists(&self, last: LogId, findings: &mut Findings, place_of: &PlaceOf<'_>) {
        if self.state.hard.term.is_some() || self.is_unfinished(last.index) {
            return;
        }
        let found = format!(
            "no current term is recorded, but the log ends in term {}: the server would take part \
             in elections of earlier terms",
            last.term
        );
        let values = (format!("at least {}", last.term), None);
        let fault = self.fault(Code::R113, found, values, None);
        let fault = self.at_the_end(fault, last, place_of);
        // A group of which nothing at all is recorded never voted: its server starts anew. One
        // that recorded a vote, but no term, has lost something.
        let never_voted = self.state.hard == HardState::default() && self.state.stable.is_empty();
        findings.add(match never_voted || last.term == Term(0) {
            true => fault.as_severity(Severity::Info),
            false => fault,
        });
    }

    fn membership_exists(&self, findings: &mut Findings) {
        if self.memberships > 0 || self.around.membership_in_snapshot {
            return;
        }
        let found = match self.around.snapshots_in_view {
            true => "neither log nor snapshot holds a membership".to_owned(),
            false => "no entry holds a membership; a snapshot may, but none is in view".to_owned(),
        };
        let fault = self.fault(Code::R110, found, ("a membership".to_owned(), None), None);
        findings.add(match self.around.snapshots_in_view {
            true => fault,
            false => fault.as_severity(Severity::Info),
        });
    }

    /// The fault of a rule that is broken as `message` says; what it demands and what there is.
    fn fault(
        &self,
        code: Code,
        message: String,
        (expected, found): (String, Option<String>),
        head: Option<&EntryHead>,
    ) -> Fault {
        let fault = Fault::new(code, FaultKind::Broken { message, expected, found });
        match head {
            Some(head) => self.placed(fault, head),
            None => fault.in_group(&self.group),
        }
    }

    /// The same about `last`, which is the last entry unless the log is empty.
    fn at_the_end(&self, fault: Fault, last: LogId, place_of: &PlaceOf<'_>) -> Fault {
        let fault = fault.at_index(last.index).at_term(last.term);
        let is_entry = self.previous == Some(last);
        let place = self.place.clone().or_else(|| is_entry.then(|| place_of(last.index)).flatten());
        match place {
            Some(place) => fault.at(place),
            None => fault,
        }
    }

    fn placed(&self, fault: Fault, head: &EntryHead) -> Fault {
        let fault = fault.in_group(&self.group).at_index(head.index).at_term(head.term);
        match &head.place {
            Some(place) => fault.at(place.clone()),
            None => fault,
        }
    }
}

#[cfg(test)]
mod tests;
