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
        }
    }
}

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
        let last = self.previous.or(self.state.snapshot_id()).or(self.state.compacted);
        self.commit(last, findings);
        self.terms(last, findings);
        if let Some(last) = self.previous {
            self.current_term_exists(last, findings);
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
        findings.add(self.fault(Code::R102, found, values, Some(head)));
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

    fn terms(&self, last: Option<LogId>, findings: &mut Findings) {
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
        } else if let Some(last) = last.filter(|last| current < last.term) {
            let found = format!(
                "current term {current} is below term {} of index {}",
                last.term, last.index
            );
            let values = (format!("at least {}", last.term), Some(current.to_string()));
            let fault = self.fault(Code::R106, found, values, None);
            findings.add(self.at_the_end(fault, last));
        }
        let voted = hard.vote.as_ref().and_then(|vote| vote.term);
        if let Some(voted) = voted.filter(|voted| *voted > current) {
            let found = format!("voted in term {voted}, above the current term {current}");
            let values = (format!("at most {current}"), Some(voted.to_string()));
            findings.add(self.fault(Code::R106, found, values, None).at_term(voted));
        }
    }

    fn current_term_exists(&self, last: LogId, findings: &mut Findings) {
        if self.state.hard.term.is_some() {
            return;
        }
        let found = format!(
            "no current term is recorded, but the log ends in term {}: the server would take part \
             in elections of earlier terms",
            last.term
        );
        let values = (format!("at least {}", last.term), None);
        let fault = self.at_the_end(self.fault(Code::R113, found, values, None), last);
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
    fn at_the_end(&self, fault: Fault, last: LogId) -> Fault {
        let fault = fault.at_index(last.index).at_term(last.term);
        match &self.place {
            Some(place) => fault.at(place.clone()),
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
mod tests {
    use super::*;
    use crate::model::{HardState, IndexRange, SharedBytes, SnapshotNote, Vote};

    const AROUND: Surroundings = Surroundings {
        index_usual_min: LogIndex(1),
        payload_bytes_max: 1_000,
        snapshots_in_view: false,
        membership_in_snapshot: false,
        applied: None,
    };

    fn head(index: u64, term: u64) -> EntryHead {
        EntryHead {
            index: LogIndex(index),
            term: Term(term),
            kind: EntryKind::Command,
            kind_code: Some(0),
            payload_len_bytes: 10,
            extensions_len_bytes: 0,
            place: None,
        }
    }

    fn state(term: u64) -> LogState {
        let hard = HardState { term: Some(Term(term)), ..HardState::default() };
        LogState { hard, ..LogState::default() }
    }

    fn snapshot(index: u64, term: u64) -> Option<SnapshotNote> {
        Some(SnapshotNote {
            index: LogIndex(index),
            term: Term(term),
            id: None,
            note: SharedBytes::default(),
        })
    }

    /// Runs a log, with a membership at its first entry, and gives code and severity of what was
    /// found.
    fn judge(state: &LogState, log: &[EntryHead], around: Surroundings) -> Vec<(Code, Severity)> {
        let mut findings = Findings::default();
        let mut checker = Checker::new(&GroupId::Unnamed, state, around);
        for (number, head) in log.iter().enumerate() {
            checker.entry(head, &mut findings);
            if number == 0 {
                checker.membership(head, true, &mut findings);
            }
        }
        checker.finish(&mut findings);
        findings.kept().map(|fault| (fault.code, fault.severity)).collect()
    }

    fn log(pairs: &[(u64, u64)]) -> Vec<EntryHead> {
        pairs.iter().map(|(index, term)| head(*index, *term)).collect()
    }

    #[test]
    fn sound_logs_give_no_finding() {
        let whole = log(&[(1, 1), (2, 1), (3, 4), (4, 4)]);
        let mut of_node = state(4);
        of_node.hard.commit = Some(LogIndex(4));
        of_node.hard.vote = Some(Vote { term: Some(Term(4)), candidate: None });
        assert_eq!(judge(&of_node, &whole, AROUND), []);
        let around = Surroundings { applied: Some(LogIndex(4)), ..AROUND };
        assert_eq!(judge(&of_node, &whole, around), []);

        let mut behind_snapshot = state(9);
        behind_snapshot.snapshot = snapshot(6, 2);
        behind_snapshot.compacted = Some(LogId { index: LogIndex(4), term: Term(2) });
        let trailing = log(&[(5, 2), (6, 2), (7, 3)]);
        assert_eq!(judge(&behind_snapshot, &trailing, AROUND), []);

        let mut emptied = state(9);
        emptied.hard.commit = Some(LogIndex(6));
        emptied.snapshot = snapshot(6, 2);
        assert_eq!(judge(&emptied, &[], AROUND), []);
        assert_eq!(judge(&LogState::default(), &[], AROUND), []);

        let openraft = Surroundings { index_usual_min: LogIndex(0), ..AROUND };
        assert_eq!(judge(&state(1), &log(&[(0, 0), (1, 1)]), openraft), []);
    }

    #[test]
    fn a_run_is_taken_whole_only_where_no_rule_speaks() {
        let plain = HeadRun {
            range: IndexRange::new(LogIndex(2), LogIndex(9)).unwrap(),
            term: Term(3),
            kind: EntryKind::Command,
            kind_code: None,
            payload_bytes: 80,
            payload_bytes_max: 10,
            encoded_bytes: 100,
        };
        let log_of = |state: &LogState, run: &HeadRun, first: &[EntryHead]| {
            let mut findings = Findings::default();
            let mut checker = Checker::new(&GroupId::Unnamed, state, AROUND);
            first.iter().for_each(|head| checker.entry(head, &mut findings));
            let taken = checker.run(run);
            taken.then_some(checker.previous)
        };
        let last = Some(LogId { index: LogIndex(9), term: Term(3) });
        let (state, before) = (state(3), [head(1, 3)]);
        assert_eq!(log_of(&state, &plain, &before), Some(last));
        assert_eq!(log_of(&state, &plain, &[]), None, "the first entry has rules of its own");
        assert_eq!(log_of(&state, &plain, &[head(1, 4)]), None, "the term goes down");
        let hole = HeadRun { range: IndexRange::new(LogIndex(3), LogIndex(9)).unwrap(), ..plain };
        assert_eq!(log_of(&state, &hole, &before), None);
        let unknown = HeadRun { kind: EntryKind::Unknown, ..plain };
        assert_eq!(log_of(&state, &unknown, &before), None);
        let large = HeadRun { payload_bytes_max: 1_001, ..plain };
        assert_eq!(log_of(&state, &large, &before), None);
        let covered = LogState { snapshot: snapshot(9, 3), ..state };
        assert_eq!(log_of(&covered, &plain, &before), None);
    }

    #[test]
    fn r101_reports_a_hole_and_softens_it_where_a_snapshot_covers_it() {
        let holed = log(&[(1, 1), (2, 1), (6, 1)]);
        assert_eq!(judge(&state(1), &holed, AROUND), [(Code::R101, Severity::Error)]);
        let mut covered = state(1);
        covered.snapshot = snapshot(5, 1);
        assert_eq!(judge(&covered, &holed, AROUND), [(Code::R101, Severity::Info)]);
        covered.snapshot = snapshot(4, 1);
        assert_eq!(judge(&covered, &holed, AROUND), [(Code::R101, Severity::Error)]);

        let mut compacted = state(1);
        compacted.compacted = Some(LogId { index: LogIndex(3), term: Term(1) });
        compacted.snapshot = snapshot(9, 1);
        let late = log(&[(6, 1), (7, 1)]);
        assert_eq!(judge(&compacted, &late, AROUND), [(Code::R101, Severity::Info)]);
    }

    #[test]
    fn what_could_not_be_read_is_no_hole() {
        let of_node = state(1);
        let mut findings = Findings::default();
        let mut checker = Checker::new(&GroupId::Unnamed, &of_node, AROUND);
        checker.unreadable();
        for index in [2, 3, 6, 7] {
            if index == 6 {
                checker.unreadable();
            }
            checker.entry(&head(index, 1), &mut findings);
        }
        checker.entry(&head(9, 1), &mut findings);
        checker.finish(&mut findings);
        assert_eq!(findings.count(Code::R101), 1, "only the hole at 8");
        assert_eq!(findings.count(Code::R126), 0);
    }

    #[test]
    fn r102_reports_each_step_down_and_one_below_the_compacted_term() {
        let down = log(&[(1, 3), (2, 1), (3, 2), (4, 1)]);
        let found = judge(&state(3), &down, AROUND);
        assert_eq!(found, [(Code::R102, Severity::Error), (Code::R102, Severity::Error)]);
        let mut compacted = state(9);
        compacted.compacted = Some(LogId { index: LogIndex(4), term: Term(5) });
        compacted.snapshot = snapshot(4, 5);
        let after = log(&[(5, 4)]);
        assert_eq!(judge(&compacted, &after, AROUND), [(Code::R102, Severity::Error)]);
    }

    #[test]
    fn r103_reports_an_index_that_comes_again() {
        let twice = log(&[(1, 1), (2, 1), (2, 1), (3, 1)]);
        assert_eq!(judge(&state(1), &twice, AROUND), [(Code::R103, Severity::Error)]);
        let back = log(&[(1, 1), (2, 1), (1, 1), (2, 1), (3, 1)]);
        assert_eq!(judge(&state(1), &back, AROUND), [(Code::R103, Severity::Error)]);
    }

    #[test]
    fn r105_reports_a_commit_index_that_nothing_reaches() {
        let mut of_node = state(1);
        of_node.hard.commit = Some(LogIndex(3));
        let short = log(&[(1, 1), (2, 1)]);
        assert_eq!(judge(&of_node, &short, AROUND), [(Code::R105, Severity::Error)]);
        assert_eq!(judge(&of_node, &[], AROUND), [(Code::R105, Severity::Error)]);
        of_node.snapshot = snapshot(3, 1);
        assert_eq!(judge(&of_node, &short, AROUND), []);
    }

    #[test]
    fn r106_reports_a_current_term_behind_the_log_or_the_vote() {
        let whole = log(&[(1, 1), (2, 5)]);
        assert_eq!(judge(&state(4), &whole, AROUND), [(Code::R106, Severity::Error)]);
        let mut voted = state(5);
        voted.hard.vote = Some(Vote { term: Some(Term(9)), candidate: None });
        assert_eq!(judge(&voted, &whole, AROUND), [(Code::R106, Severity::Error)]);
    }

    #[test]
    fn r107_reports_what_is_in_neither_snapshot_nor_log() {
        let mut of_node = state(1);
        of_node.snapshot = snapshot(3, 1);
        let late = log(&[(5, 1), (6, 1)]);
        assert_eq!(judge(&of_node, &late, AROUND), [(Code::R107, Severity::Error)]);
        of_node.snapshot = snapshot(4, 1);
        assert_eq!(judge(&of_node, &late, AROUND), []);
    }

    #[test]
    fn r107_reports_a_log_that_begins_late_where_the_snapshots_in_view_are_none() {
        let around = Surroundings { snapshots_in_view: true, ..AROUND };
        let late = log(&[(5, 1), (6, 1)]);
        assert_eq!(judge(&state(1), &late, around), [(Code::R107, Severity::Error)]);
        assert_eq!(judge(&state(1), &log(&[(1, 1), (2, 1)]), around), []);
    }

    #[test]
    fn terms_do_not_go_down_from_the_snapshot_to_the_log_or_the_hard_state() {
        let mut of_node = state(5);
        of_node.snapshot = snapshot(4, 3);
        let regress = [(Code::R102, Severity::Error)];
        assert_eq!(judge(&of_node, &log(&[(5, 2), (6, 2)]), AROUND), regress, "once");
        let holed = log(&[(1, 1), (2, 1), (5, 2)]);
        let both = [(Code::R101, Severity::Info), (Code::R102, Severity::Error)];
        assert_eq!(judge(&of_node, &holed, AROUND), both);
        assert_eq!(judge(&of_node, &log(&[(5, 3)]), AROUND), []);
        of_node.hard.term = Some(Term(2));
        let low = [(Code::R106, Severity::Error)];
        assert_eq!(judge(&of_node, &log(&[(1, 1), (2, 1)]), AROUND), low);
    }

    #[test]
    fn r108_reports_a_snapshot_of_another_history() {
        let mut of_node = state(2);
        of_node.snapshot = snapshot(2, 2);
        let whole = log(&[(1, 1), (2, 1), (3, 1)]);
        assert_eq!(judge(&of_node, &whole, AROUND), [(Code::R108, Severity::Error)]);
    }

    #[test]
    fn r110_reports_a_membership_that_is_missing_or_does_not_decode() {
        let of_node = state(1);
        let one = head(1, 1);
        let judge = |decoded: Option<bool>, snapshots_in_view| {
            let mut findings = Findings::default();
            let around = Surroundings { snapshots_in_view, ..AROUND };
            let mut checker = Checker::new(&GroupId::Unnamed, &of_node, around);
            checker.entry(&one, &mut findings);
            if let Some(decoded) = decoded {
                checker.membership(&one, decoded, &mut findings);
            }
            checker.finish(&mut findings);
            let found: Vec<Severity> = findings.kept().map(|fault| fault.severity).collect();
            assert_eq!(findings.count(Code::R110), findings.total());
            found
        };
        assert_eq!(judge(Some(true), true), []);
        assert_eq!(judge(None, false), [Severity::Info]);
        assert_eq!(judge(None, true), [Severity::Warning]);
        assert_eq!(judge(Some(false), false), [Severity::Warning, Severity::Info]);

        let seen = Surroundings { snapshots_in_view: true, ..AROUND };
        let told = Surroundings { membership_in_snapshot: true, ..seen };
        let mut findings = Findings::default();
        let mut checker = Checker::new(&GroupId::Unnamed, &of_node, told);
        checker.entry(&one, &mut findings);
        checker.finish(&mut findings);
        assert_eq!(findings.total(), 0);
    }

    #[test]
    fn r111_reports_an_entry_above_the_limit_only() {
        let mut large = log(&[(1, 1), (2, 1)]);
        large[0].payload_len_bytes = 1_000;
        large[1].payload_len_bytes = 1_001;
        assert_eq!(judge(&state(1), &large, AROUND), [(Code::R111, Severity::Warning)]);
    }

    #[test]
    fn r112_reports_an_unknown_type() {
        let mut strange = log(&[(1, 1)]);
        strange[0].kind = EntryKind::Unknown;
        strange[0].kind_code = Some(77);
        assert_eq!(judge(&state(1), &strange, AROUND), [(Code::R112, Severity::Warning)]);
    }

    #[test]
    fn r113_reports_a_missing_current_term_unless_the_node_never_voted() {
        let none = LogState::default();
        assert_eq!(judge(&none, &log(&[(1, 1)]), AROUND), [(Code::R113, Severity::Info)]);
        let mut voted = LogState::default();
        voted.hard.vote = Some(Vote { term: Some(Term(1)), candidate: None });
        assert_eq!(judge(&voted, &log(&[(1, 1)]), AROUND), [(Code::R113, Severity::Error)]);
        assert_eq!(judge(&voted, &log(&[(1, 0)]), AROUND), [(Code::R113, Severity::Info)]);
    }

    #[test]
    fn r118_reports_what_was_applied_before_it_was_committed() {
        let mut of_node = state(1);
        of_node.hard.commit = Some(LogIndex(1));
        let around = Surroundings { applied: Some(LogIndex(2)), ..AROUND };
        let whole = log(&[(1, 1), (2, 1)]);
        assert_eq!(judge(&of_node, &whole, around), [(Code::R118, Severity::Error)]);
    }

    #[test]
    fn r126_reports_a_log_that_begins_late_without_a_snapshot() {
        let late = log(&[(1025, 2), (1026, 2)]);
        assert_eq!(judge(&state(2), &late, AROUND), [(Code::R126, Severity::Info)]);
        let from_zero = Surroundings { index_usual_min: LogIndex(0), ..AROUND };
        assert_eq!(judge(&state(2), &log(&[(1, 2)]), from_zero), [], "most logs begin at 1");
        let mut behind = state(2);
        behind.snapshot = snapshot(1024, 2);
        assert_eq!(judge(&behind, &late, AROUND), []);
    }

    #[test]
    fn r127_reports_an_index_that_the_library_never_writes() {
        let zero = log(&[(0, 1), (1, 1)]);
        assert_eq!(judge(&state(1), &zero, AROUND), [(Code::R127, Severity::Error)]);
    }

    #[test]
    fn a_finding_names_group_index_term_and_place() {
        let group = GroupId::named("7");
        let of_group = state(9);
        let mut findings = Findings::default();
        let mut checker = Checker::new(&group, &of_group, AROUND);
        checker.entry(&head(1, 9), &mut findings);
        let place = crate::model::Place {
            file: std::sync::Arc::from(std::path::Path::new("x")),
            offset_bytes: 8,
            len_bytes: 3,
        };
        checker.entry(&EntryHead { place: Some(place.clone()), ..head(2, 8) }, &mut findings);
        let fault = findings.into_sorted().remove(0);
        assert_eq!((fault.code, fault.group), (Code::R102, Some(group)));
        assert_eq!((fault.index, fault.term), (Some(LogIndex(2)), Some(Term(8))));
        assert_eq!(fault.place, Some(place));
        assert_eq!(fault.kind.to_string(), "term goes down from 9 at 1 to 8 at 2");
    }

    #[test]
    fn expected_and_found_are_values_and_never_the_message_again() {
        let mut broken = state(1);
        broken.hard.commit = Some(LogIndex(99));
        broken.hard.vote = Some(Vote { term: Some(Term(9)), candidate: None });
        let mut log = log(&[(0, 3), (41, 2), (43, 2), (43, 2)]);
        log[3].kind = EntryKind::Unknown;
        log[3].place = Some(crate::model::Place {
            file: std::sync::Arc::from(std::path::Path::new("x")),
            offset_bytes: 8,
            len_bytes: 3,
        });
        let mut findings = Findings::default();
        let mut checker = Checker::new(&GroupId::Unnamed, &broken, AROUND);
        log.iter().for_each(|head| checker.entry(head, &mut findings));
        checker.finish(&mut findings);
        let mut seen = Vec::new();
        for fault in findings.kept() {
            let (message, found) = (fault.kind.to_string(), fault.kind.found());
            assert_ne!(found.as_ref(), Some(&message), "{}", fault.code);
            seen.push((fault.code, fault.kind.expected().expect("a rule"), found));
            if fault.code == Code::R106 && message.contains("index 43") {
                assert_eq!((fault.index, fault.term), (Some(LogIndex(43)), Some(Term(2))));
                assert_eq!(fault.place, log[3].place);
            }
        }
        let one = |expected: &str, found: &str| (expected.to_owned(), Some(found.to_owned()));
        let of = |code| {
            let found = seen.iter().filter(|(other, ..)| *other == code);
            found.map(|(_, expected, found)| (expected.clone(), found.clone())).collect::<Vec<_>>()
        };
        assert_eq!(of(Code::R101), [one("index 1", "index 41"), one("index 42", "index 43")]);
        assert_eq!(of(Code::R102), [one("term 3 or above", "term 2")]);
        assert_eq!(of(Code::R103), [one("an index above 43", "43")]);
        assert_eq!(of(Code::R105), [one("at most 43", "99")]);
        assert_eq!(of(Code::R106), [one("at least 2", "1"), one("at most 1", "9")]);
        assert_eq!(of(Code::R127), [one("at least 1", "0")]);
    }
}
