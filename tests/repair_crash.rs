//! S18 for `repair`: after a power cut at any call the final name is absent, or the result is
//! complete. And whatever call fails, nothing else is left, and the damaged source is as it was.
#![allow(clippy::disallowed_methods)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use raftlog::event::Unobserved;
use raftlog::repair::{self, Error, Job};
use raftlog::store::open::open_damaged;
use raftlog::store::target::Target;
use raftlog::store::{Damaged, OpenOptions, RedbSchema, StoreError, unwatched};
use raftlog::vfs::sim::{Disk, Profile, SimClock, SimFs};
use raftlog::vfs::{Fs, Vfs};
use support::cuts::{
    About, Picture, cut_everywhere, fail_everywhere, fail_to_read_everywhere, picture, write,
};

const SOURCE: &str = "/node/log";
const TARGET: &str = "/copies/log";
const ABOUT: About<'_> = About { source: "/node", name: TARGET, dir: "/copies" };

/// A damaged store: its files by their names, or the bytes of the only one.
struct Broken {
    what: &'static str,
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// The files of a directory, zeros at the ends of segments left out, the largest one broken.
fn segments(what: &'static str, dir: &Path, at_of: fn(usize) -> usize) -> Broken {
    let mut files = support::etcd::contents(dir);
    for (path, bytes) in &mut files {
        if path.extension().is_some_and(|suffix| suffix == "wal") {
            let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(written.next_multiple_of(8));
        }
        *path = PathBuf::from(path.file_name().expect("name"));
    }
    let is_segment =
        |(path, _): &&mut (PathBuf, Vec<u8>)| path.extension().is_some_and(|s| s == "wal");
    let largest = files.iter_mut().filter(is_segment).max_by_key(|(_, bytes)| bytes.len());
    let (_, bytes) = largest.expect("a segment");
    let at = at_of(bytes.len());
    bytes[at] ^= 0xff;
    Broken { what, files }
}

fn file(what: &'static str, path: &Path, break_it: fn(&mut Vec<u8>)) -> Broken {
    let mut bytes = std::fs::read(path).expect("read");
    break_it(&mut bytes);
    Broken { what, files: vec![(PathBuf::new(), bytes)] }
}

fn all(dir: &Path) -> Vec<Broken> {
    let damaged = support::redb("redb-damaged", "dmg-leaf-value");
    let wal = support::raft_wal::unpacked(&support::raft_wal::TWO, dir);
    let etcd = support::etcd::wal("etcd35-walpkg-3seg");
    vec![
        file("redb", &damaged, |_| {}),
        file("boltdb", &support::bolt::file(&support::bolt::UNDUMPED[1], dir), |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
        }),
        segments("raft-wal", &wal, |len| len / 2),
        segments("etcd-wal", &etcd, |len| len / 2),
    ]
}

impl Broken {
    /// A disk with the store on it, everything durable.
    fn disk(&self, profile: Profile) -> Disk {
        let fs = SimFs::new(profile);
        for dir in ["/node", "/copies"] {
            fs.create_dir(Path::new(dir)).unwrap();
        }
        let is_dir = self.files.iter().any(|(name, _)| !name.as_os_str().is_empty());
        if is_dir {
            fs.create_dir(Path::new(SOURCE)).unwrap();
        }
        for (name, bytes) in &self.files {
            let path = Path::new(SOURCE).join(name);
            write(&fs, path.to_str().unwrap().trim_end_matches('/'), bytes);
        }
        let dirs = if is_dir {
            &[SOURCE, "/node", "/copies", "/"][..]
        } else {
            &["/node", "/copies", "/"]
        };
        for dir in dirs {
            fs.sync_dir(Path::new(dir)).unwrap();
        }
        fs.disk()
    }
}

fn repaired(fs: &SimFs) -> Result<(), Error> {
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    let (clock, redb) = (SimClock::default(), RedbSchema::default());
    let source = Path::new(SOURCE);
    let Damaged { salvage, snapshots, .. } =
        open_damaged(&fs, &clock, source, &OpenOptions::default(), &mut unwatched)?;
    let target = Target::check(Arc::clone(&fs), Path::new(TARGET), false)?;
    let job = Job {
        salvage: salvage.as_ref(),
        snapshots: snapshots.as_ref(),
        target,
        dry_run: false,
        redb: &redb,
        fs: &fs,
        clock: &clock,
    };
    repair::run(job, source, &mut Unobserved).map(|_| ())
}

fn is_io(error: &Error) -> bool {
    matches!(error, Error::Store(StoreError::Io(_)))
}

#[test]
fn a_power_cut_leaves_a_whole_result_or_none() {
    let dir = tempfile::tempdir().expect("directory");
    for broken in all(dir.path()) {
        for profile in [Profile::StrictPosix, Profile::Ext4Ordered] {
            cut_everywhere(&broken.disk(profile), &repaired, ABOUT);
        }
    }
}

#[test]
fn whatever_call_of_a_repair_fails_no_result_is_left() {
    let dir = tempfile::tempdir().expect("directory");
    for broken in all(dir.path()) {
        let start = broken.disk(Profile::StrictPosix);
        let undisturbed = SimFs::on(start.clone());
        repaired(&undisturbed).unwrap_or_else(|error| panic!("{}: {error}", broken.what));
        let expected: Option<Picture> = picture(&undisturbed.disk(), TARGET);
        let whole = |disk: &Disk| picture(disk, TARGET) == expected;
        fail_everywhere(&start, &repaired, ABOUT, is_io, &whole);
        fail_to_read_everywhere(&start, &repaired, ABOUT, is_io, &whole);
    }
}
