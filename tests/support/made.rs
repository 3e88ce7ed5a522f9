//! Stores that tests make with raftlog's own sinks.

use std::path::Path;
use std::sync::Arc;

use raftlog::bench::LogShape;
use raftlog::model::{
    Entry, EntryExtra, EntryKind, GroupId, HardState, LogIndex, LogState, SharedBytes, Term,
};
use raftlog::store::Format;
use raftlog::store::open::{SinkOptions, create_sink};
use raftlog::store::target::Target;
use raftlog::vfs::Fs;
use raftlog::vfs::os::OsFs;

/// A redb log of many entries, for tests that need one that takes time.
pub fn large_redb(path: &Path, entries: u64, payload_bytes: usize) {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    LogShape { entries, payload_bytes }.write(&fs, Format::Redb, path).expect("a large log");
}

/// A file of raft-boltdb with entries of these indexes and terms, and the term of the last one as
/// its current one.
pub fn bolt_log(path: &Path, entries: &[(u64, u64)]) {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let target = Target::check(fs, path, false).expect("a target");
    let mut sink = create_sink(Format::BoltDb, target, &SinkOptions::default()).expect("a sink");
    let term = entries.last().map(|(_, term)| Term(*term));
    let hard = HardState { term, ..HardState::default() };
    sink.begin_group(&GroupId::Unnamed, &LogState { hard, ..LogState::default() }).expect("begun");
    for (index, term) in entries {
        let entry = Entry {
            index: LogIndex(*index),
            term: Term(*term),
            kind: EntryKind::Command,
            kind_code: Some(0),
            payload: Some(SharedBytes::from(index.to_string().into_bytes())),
            extra: EntryExtra::default(),
        };
        sink.append(&[entry]).expect("an entry");
    }
    sink.seal().expect("sealed").publish().expect("published");
}

/// A store of `format` with a few entries in each group of `names`, one of them with `payload`.
pub fn store_with_groups(path: &Path, format: Format, names: &[&str], payload: &[u8]) {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let target = Target::check(fs, path, false).expect("a target");
    let mut sink = create_sink(format, target, &SinkOptions::default()).expect("a sink");
    let mut groups: Vec<GroupId> = names.iter().map(|name| GroupId::named(name)).collect();
    groups.sort();
    for group in &groups {
        let state = LogState {
            hard: HardState { term: Some(Term(1)), ..HardState::default() },
            ..LogState::default()
        };
        sink.begin_group(group, &state).expect("a group");
        let entry = |index| Entry {
            index: LogIndex(index),
            term: Term(1),
            kind: EntryKind::Command,
            kind_code: Some(0),
            payload: Some(SharedBytes::from(payload)),
            extra: EntryExtra::default(),
        };
        sink.append(&[entry(1), entry(2)]).expect("entries");
    }
    sink.seal().expect("sealed").publish().expect("published");
}
