//! A running node moves from redb to FastLog: both are written, compared, and change places.

#[path = "dual/redb_log.rs"]
mod redb_log;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use raftlog::dual::{Action, Change, DualLog, Error, Failure, Finding, Logs, NodeLog, Side};
use raftlog::fastlog::{AppliedAndSynced, FastLog, Options};
use raftlog::model::{
    Candidate, Entry, EntryExtra, EntryKind, Field, GroupId, HardState, IndexRange, LogId,
    LogIndex, LogState, SharedBytes, Term, Vote,
};
use raftlog::vfs::os::{OsClock, OsFs};

use redb_log::RedbLog;

fn fastlog(dir: &Path) -> FastLog {
    let options = Options { segment_bytes: Some(64 << 10), ..Options::default() };
    FastLog::open_or_create(Arc::new(OsFs), Arc::new(OsClock), dir, &options).expect("opens")
}

fn entry(index: u64, term: u64) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: EntryKind::Command,
        kind_code: None,
        payload: Some(SharedBytes::from(vec![index as u8; 100])),
        extra: EntryExtra::default(),
    }
}

fn entries(indexes: std::ops::RangeInclusive<u64>, term: u64) -> Action {
    Action::Append(indexes.map(|index| entry(index, term)).collect())
}

fn hard(term: u64, commit: u64) -> Action {
    let term = Some(Term(term));
    let vote = Some(Vote { term, candidate: Some(Candidate::Id(2)) });
    Action::Hard(HardState { term, vote, commit: Some(LogIndex(commit)) })
}

fn compact(index: u64, term: u64) -> Action {
    let through = LogId { index: LogIndex(index), term: Term(term) };
    Action::Compact(through, AppliedAndSynced::through(LogIndex(index)))
}

fn change(group: &GroupId, action: Action) -> Change {
    Change { group: group.clone(), action }
}

fn group(number: u64) -> GroupId {
    GroupId::named(&format!("group {number}"))
}

/// An old log with three groups that have lived: entries, conflicts, a compaction.
fn old(path: &Path) -> RedbLog {
    let log = RedbLog::create(path);
    for number in 0..3 {
        let group = group(number);
        let put = |action| log.write(&[change(&group, action)]).expect("written");
        put(Action::Create);
        put(entries(1..=3000, 1));
        put(entries(2900..=2950, 2));
        put(compact(100 * (number + 1), 1));
        put(hard(2, 2000));
    }
    log
}

fn all(log: &dyn NodeLog, group: &GroupId) -> (LogState, Vec<Entry>) {
    let state = log.state(group).expect("read").expect("there");
    (state, log.entries(group, IndexRange::ALL).expect("read"))
}

#[test]
fn a_running_node_moves_from_redb_to_fastlog_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (old_path, new_path) = (dir.path().join("raft.redb"), dir.path().join("log"));
    let dual = DualLog::new(Box::new(old(&old_path)), Box::new(fastlog(&new_path)));
    assert!(matches!(dual.switch_over(), Err(Error::Behind { .. })), "nothing was copied yet");
    let stop = AtomicBool::new(false);
    let last = Mutex::new([2950u64; 3]);
    std::thread::scope(|scope| {
        for number in 0..3u64 {
            let (dual, stop, last) = (&dual, &stop, &last);
            scope.spawn(move || {
                let group = group(number);
                let mut index = 2950;
                while !stop.load(Ordering::Relaxed) {
                    let appended = change(&group, entries(index + 1..=index + 3, 3));
                    let state = change(&group, hard(3, index));
                    dual.write(&[appended, state]).expect("written");
                    index += 3;
                    let range = IndexRange::new(LogIndex(index - 5), LogIndex(index));
                    let read = dual.entries(&group, range.expect("one")).expect("read");
                    assert_eq!(read.len(), 6);
                    let state = dual.state(&group).expect("read").expect("there");
                    assert_eq!(state.hard.commit, Some(LogIndex(index - 3)));
                }
                last.lock().expect("not poisoned")[number as usize] = index;
            });
        }
        assert_eq!(dual.catch_up().expect("copied"), 3);
        assert_eq!(dual.catch_up().expect("nothing to do"), 0);
        dual.switch_over().expect("equal");
        let before = dual.state(&group(0)).expect("read").and_then(|state| state.bounds);
        while dual.state(&group(0)).expect("read").and_then(|state| state.bounds) == before {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(dual.findings(), (vec![], 0));
    assert_eq!(dual.compare().expect("read"), 0, "the old log follows the new one");
    let Logs { first, second } = dual.into_logs();
    for number in 0..3u64 {
        let group = group(number);
        let (state, found) = all(first.as_ref(), &group);
        assert_eq!(found, all(second.as_ref(), &group).1);
        let last = last.lock().expect("not poisoned")[number as usize];
        assert_eq!(state.bounds.map(IndexRange::last), Some(LogIndex(last)));
        let terms = |entry: &Entry| match entry.index.0 {
            ..2900 => entry.term == Term(1),
            2900..=2950 => entry.term == Term(2),
            _ => entry.term == Term(3),
        };
        assert!(found.iter().all(terms));
    }
    drop((first, second));
    let reopened = fastlog(&new_path);
    assert_eq!(all(&reopened, &group(0)).0.hard.term, Some(Term(3)), "the new log is on the disk");
}

#[test]
fn what_differs_is_found_named_and_keeps_the_logs_where_they_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let shared = Arc::new(fastlog(&dir.path().join("log")));
    let first = Box::new(old(&dir.path().join("raft.redb")));
    let dual = DualLog::new(first, Box::new(Shared(Arc::clone(&shared))));
    dual.catch_up().expect("copied");
    let spoiled = [change(&group(1), entries(2950..=2950, 9)), change(&group(2), hard(5, 1))];
    NodeLog::write(shared.as_ref(), &spoiled).expect("behind the back");
    let range = IndexRange::new(LogIndex(2940), LogIndex(2950)).expect("one");
    let read = dual.entries(&group(1), range).expect("read");
    assert_eq!(read.last().map(|entry| entry.term), Some(Term(2)), "the first log answers");
    let (index, term) = (Some(LogIndex(2950)), Field::Term);
    let of_entry = Finding::Differs { group: group(1), index, field: term };
    assert_eq!(dual.findings(), (vec![of_entry], 1));
    dual.state(&group(2)).expect("read");
    let of_state = dual.findings().0.pop();
    let field = Field::State("term".to_owned());
    assert_eq!(of_state, Some(Finding::Differs { group: group(2), index: None, field }));
    assert!(matches!(dual.switch_over(), Err(Error::Unequal { differences: 2 })));
    let read = dual.entries(&group(1), range).expect("read");
    assert_eq!(read.last().map(|entry| entry.term), Some(Term(2)), "nothing was switched");
    NodeLog::write(shared.as_ref(), &[change(&group(6), Action::Create)]).expect("behind the back");
    assert_eq!(dual.compare().expect("read"), 3, "and a group too many");
}

#[test]
fn a_group_that_the_second_log_has_otherwise_is_copied_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let new = fastlog(&dir.path().join("log"));
    let other = [change(&group(0), Action::Create), change(&group(0), entries(1..=9, 7))];
    NodeLog::write(&new, &other).expect("written");
    let dual = DualLog::new(Box::new(old(&dir.path().join("raft.redb"))), Box::new(new));
    assert_eq!(dual.catch_up().expect("copied"), 3);
    assert_eq!(dual.compare().expect("read"), 0);
    let Logs { first, second } = dual.into_logs();
    let again = DualLog::new(first, second);
    assert_eq!(again.catch_up().expect("compared"), 0, "after a restart what is equal stays");
    again.switch_over().expect("equal");
}

/// A second handle on a log.
struct Shared(Arc<FastLog>);

impl NodeLog for Shared {
    fn groups(&self) -> Result<Vec<GroupId>, Failure> {
        NodeLog::groups(self.0.as_ref())
    }

    fn state(&self, group: &GroupId) -> Result<Option<LogState>, Failure> {
        NodeLog::state(self.0.as_ref(), group)
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Vec<Entry>, Failure> {
        NodeLog::entries(self.0.as_ref(), group, range)
    }

    fn write(&self, changes: &[Change]) -> Result<(), Failure> {
        NodeLog::write(self.0.as_ref(), changes)
    }
}

/// A log that fails from some moment on.
struct Failing(FastLog, Arc<AtomicBool>);

impl Failing {
    fn check(&self) -> Result<(), Failure> {
        if self.1.load(Ordering::Relaxed) { Err("out of order".into()) } else { Ok(()) }
    }
}

impl NodeLog for Failing {
    fn groups(&self) -> Result<Vec<GroupId>, Failure> {
        self.check()?;
        NodeLog::groups(&self.0)
    }

    fn state(&self, group: &GroupId) -> Result<Option<LogState>, Failure> {
        self.check()?;
        NodeLog::state(&self.0, group)
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Vec<Entry>, Failure> {
        self.check()?;
        NodeLog::entries(&self.0, group, range)
    }

    fn write(&self, changes: &[Change]) -> Result<(), Failure> {
        self.check()?;
        NodeLog::write(&self.0, changes)
    }
}

#[test]
fn a_second_log_that_fails_stops_no_node_and_a_first_one_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let broken = Arc::new(AtomicBool::new(false));
    let failing = || Failing(fastlog(&dir.path().join("log")), Arc::clone(&broken));
    let old_path = dir.path().join("raft.redb");
    let dual = DualLog::new(Box::new(old(&old_path)), Box::new(failing()));
    dual.catch_up().expect("copied");
    broken.store(true, Ordering::Relaxed);
    let more = [change(&group(0), entries(2951..=2960, 3))];
    dual.write(&more).expect("the first log works");
    let (found, count) = dual.findings();
    assert!(matches!(&found[..], [Finding::SecondFailed { action: "write", .. }]), "{found:?}");
    broken.store(false, Ordering::Relaxed);
    dual.state(&group(0)).expect("read");
    assert_eq!(dual.findings().1, count, "it is not asked any more");
    assert!(matches!(dual.switch_over(), Err(Error::SecondLost)));
    let Logs { first, second } = dual.into_logs();
    // Begun again, the second one is brought up to date, and then is the first.
    let dual = DualLog::new(first, second);
    assert_eq!(dual.catch_up().expect("copied"), 1, "only what differs");
    dual.switch_over().expect("equal");
    broken.store(true, Ordering::Relaxed);
    let refused = dual.write(&more);
    assert!(matches!(refused, Err(Error::Log { side: Side::First, .. })), "{refused:?}");
}
