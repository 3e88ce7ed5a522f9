use super::*;
use crate::model::{HardState, IndexRange, SharedBytes, SnapshotNote, Vote};

const AROUND: Surroundings = Surroundings {
    index_usual_min: LogIndex(1),
    payload_bytes_max: 1_000,
    snapshots_in_view: false,
    membership_in_snapshot: false,
    applied: None,
    unfinished_from: None,
    terms_may_fall: false,
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
    // Of a write that did not end the state need not know.
    let unfinished = |from| Surroundings { unfinished_from: Some(LogIndex(from)), ..AROUND };
    assert_eq!(judge(&state(4), &whole, unfinished(2)), []);
    assert_eq!(judge(&state(4), &whole, unfinished(3)), [(Code::R106, Severity::Error)]);
    assert_eq!(judge(&voted, &whole, unfinished(2)), [(Code::R106, Severity::Error)]);
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

#[test]
fn a_falling_term_is_a_warning_where_its_program_really_writes_them() {
    let state = LogState::default();
    let around = Surroundings { terms_may_fall: true, ..AROUND };
    for (around, severity) in [(AROUND, Severity::Error), (around, Severity::Warning)] {
        let mut findings = Findings::default();
        let mut checker = Checker::new(&GroupId::Unnamed, &state, around);
        checker.entry(&head(1, 2), &mut findings);
        checker.entry(&head(2, 1), &mut findings);
        let found: Vec<Severity> = findings
            .kept()
            .filter(|fault| fault.code == Code::R102)
            .map(|fault| fault.severity)
            .collect();
        assert_eq!(found, [severity]);
    }
}
