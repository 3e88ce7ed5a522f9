//! S18: after a power cut at any call of a migration, the final name is absent, or the target is
//! complete and equal to its source. And whatever call fails, nothing else is left.
#![allow(clippy::disallowed_methods)]

mod support;

use std::path::Path;
use std::sync::Arc;

use raftlog::event::Unobserved;
use raftlog::migrate::Doors;
use raftlog::migrate::{self, Error, Options, Source};
use raftlog::model::{Entry, GroupId, IndexRange, LogState};
use raftlog::store::redb::Names;
use raftlog::store::target::Target;
use raftlog::store::{Format, OpenOptions, RedbFormat, RedbSchema, StoreError};
use raftlog::vfs::sim::{Disk, Profile, SimClock, SimFs};
use raftlog::vfs::{Fs, Vfs};
use support::cuts::{
    About, cut_everywhere, fail_everywhere, fail_to_read_everywhere, picture, write,
};

const SOURCE: &str = "/node/raft.redb";
const DIRECTORY: &str = "/node/raft";
const TARGET: &str = "/copies/raft";
const ABOUT: About<'_> = About { source: "/node", name: TARGET, dir: "/copies" };

/// A disk with a redb log on it, everything durable.
fn prepared(profile: Profile) -> Disk {
    let fs = SimFs::new(profile);
    for dir in ["/node", "/copies"] {
        fs.create_dir(Path::new(dir)).unwrap();
    }
    let store = support::redb("redb-twins", "twin-golib-bolt2-novote");
    write(&fs, SOURCE, &std::fs::read(store).unwrap());
    for dir in ["/node", "/copies", "/"] {
        fs.sync_dir(Path::new(dir)).unwrap();
    }
    fs.disk()
}

/// The same with a directory of redb files, each a group.
fn prepared_directory(profile: Profile) -> Disk {
    let fs = SimFs::new(profile);
    for dir in ["/node", "/node/raft", "/copies"] {
        fs.create_dir(Path::new(dir)).unwrap();
    }
    let store = std::fs::read(support::redb("redb-twins", "twin-golib-bolt2-novote")).unwrap();
    for name in ["group-1.redb", "group-2.redb"] {
        write(&fs, &format!("{DIRECTORY}/{name}"), &store);
    }
    for dir in ["/node/raft", "/node", "/copies", "/"] {
        fs.sync_dir(Path::new(dir)).unwrap();
    }
    fs.disk()
}

fn migrate_directory(fs: &SimFs) -> Result<(), Error> {
    let mut options = Options::to(Format::Redb);
    options.sink.redb_files = Some(Names::of_pattern("group-{}.redb"));
    migrate_with(fs, DIRECTORY, &options)
}

fn migrate_to(fs: &SimFs, to: Format, redb_format: RedbFormat) -> Result<(), Error> {
    let mut options = Options::to(to);
    options.sink.redb_format = Some(redb_format);
    migrate_with(fs, SOURCE, &options)
}

fn migrate_with(fs: &SimFs, source: &str, options: &Options) -> Result<(), Error> {
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    let clock = SimClock::default();
    let path = Path::new(source);
    let opened = raftlog::store::open::open(&fs, &clock, path, &as_groups())?;
    let target = Target::check(Arc::clone(&fs), Path::new(TARGET), false)?;
    let source = Source { store: opened.store.as_ref(), path, snapshots: None };
    let doors = Doors { fs: &fs, clock: &clock };
    migrate::run(source, target, options, &doors, &clock, &mut Unobserved).map(|_| ())
}

/// Files of a directory are groups, as in a schema of one file they are only when that is told.
fn as_groups() -> OpenOptions {
    let file_pattern = Some("group-{}.redb".to_owned());
    let redb = RedbSchema { file_pattern, ..RedbSchema::default() };
    OpenOptions { redb, ..OpenOptions::default() }
}

fn is_io(error: &Error) -> bool {
    matches!(error, Error::Store(StoreError::Io(_)))
}

type Content = Vec<(GroupId, LogState, Vec<Entry>)>;

/// What raftlog reads of a store, as far as every format can hold it; `None` when nothing is there.
fn read(disk: &Disk, path: &str) -> Option<Content> {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::on(disk.clone()));
    fs.metadata(Path::new(path)).ok()?;
    let clock = SimClock::default();
    let opened = raftlog::store::open::open(&fs, &clock, Path::new(path), &as_groups()).ok()?;
    let store = opened.store;
    assert_eq!(store.opening_faults(), []);
    let groups = store.groups().unwrap();
    let content = groups.into_iter().map(|group| {
        let state = store.state(&group).unwrap();
        let state = LogState { schema: None, note: Default::default(), ..state };
        let entries = store.entries(&group, IndexRange::ALL).unwrap();
        let entries = entries.map(|entry| entry.unwrap().entry).collect();
        (group, state, entries)
    });
    Some(content.collect())
}

const TARGETS: [(Format, RedbFormat); 5] = [
    (Format::FastLog, RedbFormat::V3),
    (Format::Redb, RedbFormat::V3),
    (Format::Redb, RedbFormat::V2),
    (Format::BoltDb, RedbFormat::V3),
    (Format::RaftWal, RedbFormat::V3),
];

#[test]
fn a_power_cut_leaves_a_whole_target_or_none() {
    for (to, redb_format) in TARGETS {
        for profile in [Profile::StrictPosix, Profile::Ext4Ordered] {
            let start = prepared(profile);
            cut_everywhere(&start, &|fs| migrate_to(fs, to, redb_format), ABOUT);
        }
    }
}

#[test]
fn whatever_call_of_a_migration_fails_no_target_is_left() {
    let start = prepared(Profile::StrictPosix);
    let source = read(&start, SOURCE).unwrap();
    for (to, redb_format) in TARGETS {
        let job = |fs: &SimFs| migrate_to(fs, to, redb_format);
        let undisturbed = SimFs::on(start.clone());
        job(&undisturbed).unwrap();
        let expected = picture(&undisturbed.disk(), TARGET);
        // FastLog names a log anew each time; raft-wal turns the integers of stable keys around.
        let whole = |disk: &Disk| match to {
            Format::RaftWal => picture(disk, TARGET) == expected,
            _ => read(disk, TARGET).is_some_and(|found| found == source),
        };
        fail_everywhere(&start, &job, ABOUT, is_io, &whole);
        fail_to_read_everywhere(&start, &job, ABOUT, is_io, &whole);
    }
}

#[test]
fn a_directory_of_files_is_whole_or_not_there_after_a_power_cut_or_a_failure() {
    let start = prepared_directory(Profile::StrictPosix);
    cut_everywhere(&start, &migrate_directory, ABOUT);
    let source = read(&start, DIRECTORY).unwrap();
    assert_eq!(source.len(), 2);
    let whole = |disk: &Disk| read(disk, TARGET).is_some_and(|found| found == source);
    fail_everywhere(&start, &migrate_directory, ABOUT, is_io, &whole);
}
