//! S18: after a power cut at any call of a backup or a restore, the final name is absent, or the
//! archive or directory is complete and equal. And whatever call fails, nothing else is left.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use raftlog::backup::{
    self, BackupOptions, Compression, Destination, Error, RestoreOptions, Source, Verdict,
};
use raftlog::event::{Observer, Unobserved};
use raftlog::model::Findings;
use raftlog::store::{Level, OpenOptions, Opened};
use raftlog::vfs::sim::{Disk, Profile, SimClock, SimFs};
use raftlog::vfs::{Fs, Vfs};
use support::cuts::{
    About, content, cut_everywhere, fail_everywhere, fail_to_read_everywhere, moments, picture,
    write,
};

const DATA: &str = "/node";
const ARCHIVE: &str = "/backups/node.tar.gz";
const TARGET: &str = "/restored/node";

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[7]
    })
    .take(bytes)
    .collect()
}

/// A disk with a data directory on it, everything durable.
fn prepared(profile: Profile) -> Disk {
    let fs = SimFs::new(profile);
    for dir in [DATA, "/node/raft", "/node/raft/empty", "/backups", "/restored"] {
        fs.create_dir(Path::new(dir)).unwrap();
    }
    let store = support::redb("redb-twins", "twin-golib-bolt2-novote");
    write(&fs, "/node/raft/raft.db", &fs::read(store).unwrap());
    write(&fs, "/node/raft/peers.json", b"[]");
    write(&fs, "/node/noise", &noise(40_000));
    for dir in ["/node/raft/empty", "/node/raft", DATA, "/backups", "/restored", "/"] {
        fs.sync_dir(Path::new(dir)).unwrap();
    }
    fs.disk()
}

fn back_up(fs: &SimFs) -> Result<(), Error> {
    back_up_path(fs, DATA)
}

/// Of a file alone; its archive names no directory.
fn back_up_file(fs: &SimFs) -> Result<(), Error> {
    back_up_path(fs, "/node/raft/raft.db")
}

fn back_up_path(fs: &SimFs, path: &str) -> Result<(), Error> {
    let options = BackupOptions {
        open: OpenOptions::default(),
        compression: Compression::default(),
        created_unix_s: 1,
        replace_partial: false,
    };
    let mut judge = |_: &Opened, _: &mut dyn Observer| {
        ControlFlow::Continue(Verdict::of(Level::Full, &Findings::default()))
    };
    backup::backup(
        &shared(fs),
        &SimClock::default(),
        Path::new(path),
        Destination::File(ARCHIVE.into()),
        &options,
        &mut judge,
        &mut Unobserved,
    )
    .map(|_| ())
}

fn restore_file(fs: &SimFs) -> Result<(), Error> {
    restore(fs, Source::File(ARCHIVE.into()))
}

fn restore_stream(fs: &SimFs) -> Result<(), Error> {
    let bytes = content(fs, Path::new(ARCHIVE)).unwrap_or_default();
    restore(fs, Source::Stream(Box::new(std::io::Cursor::new(bytes))))
}

fn restore(fs: &SimFs, source: Source) -> Result<(), Error> {
    let options = RestoreOptions::default();
    backup::restore(&shared(fs), source, Path::new(TARGET), options, &mut Unobserved).map(|_| ())
}

fn shared(fs: &SimFs) -> Arc<dyn Fs> {
    Arc::new(fs.clone())
}

const BACKUP: About<'_> = About { source: DATA, name: ARCHIVE, dir: "/backups" };
const RESTORE: About<'_> = About { source: DATA, name: TARGET, dir: "/restored" };

fn is_io(error: &Error) -> bool {
    matches!(error, Error::Io(_) | Error::Store(raftlog::store::StoreError::Io(_)))
}

#[test]
fn a_power_cut_leaves_a_whole_archive_or_none() {
    for profile in [Profile::StrictPosix, Profile::Ext4Ordered] {
        cut_everywhere(&prepared(profile), &back_up, BACKUP);
    }
}

#[test]
fn a_power_cut_leaves_a_whole_directory_or_none() {
    for profile in [Profile::StrictPosix, Profile::Ext4Ordered] {
        let disk = moments(&prepared(profile), &back_up).pop().unwrap();
        let restored = cut_everywhere(&disk, &restore_file, RESTORE);
        assert!(Some(restored) == picture(&disk, DATA));
        cut_everywhere(&disk, &restore_stream, RESTORE);
        let file = moments(&prepared(profile), &back_up_file).pop().unwrap();
        cut_everywhere(&file, &restore_file, RESTORE);
    }
}

#[test]
fn whatever_call_of_a_backup_fails_no_archive_is_left() {
    let start = prepared(Profile::StrictPosix);
    let done = moments(&start, &back_up).pop().unwrap();
    let whole = |disk: &Disk| picture(disk, ARCHIVE) == picture(&done, ARCHIVE);
    fail_everywhere(&start, &back_up, BACKUP, is_io, &whole);
    fail_to_read_everywhere(&start, &back_up, BACKUP, is_io, &whole);
}

#[test]
fn whatever_call_of_a_restore_fails_no_target_is_left() {
    let disk = moments(&prepared(Profile::StrictPosix), &back_up).pop().unwrap();
    let whole = |found: &Disk| picture(found, TARGET) == picture(&disk, DATA);
    fail_everywhere(&disk, &restore_file, RESTORE, is_io, &whole);
    fail_everywhere(&disk, &restore_stream, RESTORE, is_io, &whole);
    fail_to_read_everywhere(&disk, &restore_file, RESTORE, is_io, &whole);
}
