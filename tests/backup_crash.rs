//! S18: after a power cut at any call of a backup or a restore, the final name is absent, or the
//! archive or directory is complete and equal. And whatever call fails, nothing else is left.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use raftlog::backup::{
    self, BackupOptions, Compression, Destination, Error, RestoreOptions, Source, Verdict,
};
use raftlog::event::{Observer, Unobserved};
use raftlog::model::Findings;
use raftlog::store::{Level, OpenOptions, Opened};
use raftlog::vfs::sim::{Disk, Fault, FaultPlan, Profile, ReadNo, Refusal, SimClock, SimFs, Tries};
use raftlog::vfs::{FileKind, Fs, OpenMode, Vfs};

const DATA: &str = "/node";
const ARCHIVE: &str = "/backups/node.tar.gz";
const TARGET: &str = "/restored/node";

fn write(fs: &SimFs, path: &str, bytes: &[u8]) {
    let file = fs.open(Path::new(path), OpenMode::CreateNew).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
}

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
        Path::new(DATA),
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

/// The bytes of a file; `None` where they cannot be read.
fn content(fs: &SimFs, path: &Path) -> Option<Vec<u8>> {
    let file = fs.open(path, OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.size().ok()?).unwrap()];
    file.read_at(0, &mut bytes).ok()?;
    Some(bytes)
}

type Picture = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Everything at `root` and below it; `None` where nothing is.
fn picture(disk: &Disk, root: &str) -> Option<Picture> {
    let fs = SimFs::on(disk.clone());
    let root = Path::new(root);
    let found = fs.symlink_metadata(root).ok()?;
    if found.kind == FileKind::File {
        return Some(BTreeMap::from([(PathBuf::new(), content(&fs, root))]));
    }
    let below = fs.walk(root, 1000).unwrap();
    Some(
        below
            .into_iter()
            .map(|(path, found)| {
                let bytes = (found.kind == FileKind::File).then(|| content(&fs, &path).unwrap());
                (path.strip_prefix(root).unwrap().to_owned(), bytes)
            })
            .collect(),
    )
}

/// The disk before every mutating call of `job`, and the one after the last.
fn moments(start: &Disk, job: fn(&SimFs) -> Result<(), Error>) -> Vec<Disk> {
    let fs = SimFs::on(start.clone());
    let disks = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&disks);
    fs.watch(move |moment| seen.lock().unwrap().push(moment.disk.clone()));
    job(&fs).unwrap();
    fs.unwatch();
    let mut disks = std::mem::take(&mut *disks.lock().unwrap());
    disks.push(fs.disk());
    disks
}

/// Cuts the power before every call of `job`; under `name` stands nothing, or `expected`.
fn cut_everywhere(start: &Disk, job: fn(&SimFs) -> Result<(), Error>, name: &str) -> Picture {
    let moments = moments(start, job);
    let expected = picture(moments.last().unwrap(), name).expect("the job's result");
    let source = picture(start, DATA);
    let (mut absent, mut complete) = (0, 0);
    for (number, disk) in moments.iter().enumerate() {
        let is_last = number + 1 == moments.len();
        let mut pictures = HashSet::new();
        for image in disk.images(Tries { samples: 128, ..Tries::default() }).distinct() {
            match picture(&image.disk, name) {
                None => {
                    assert!(!is_last, "{name} is gone after the job was done");
                    absent += 1;
                }
                Some(found) => {
                    assert!(found == expected, "{name} is not whole before call {number}");
                    complete += 1;
                }
            }
            if pictures.insert(image.digest) {
                assert!(picture(&image.disk, DATA) == source, "the source changed");
            }
        }
    }
    assert!(absent > 10 && complete > 0, "{absent} without, {complete} with {name}");
    expected
}

/// Makes every mutating call of `job` fail in turn.
fn fail_everywhere(start: &Disk, job: fn(&SimFs) -> Result<(), Error>, name: &str, dir: &str) {
    let calls = SimFs::on(start.clone()).calls();
    let expected = {
        let fs = SimFs::on(start.clone());
        job(&fs).unwrap();
        picture(&fs.disk(), name).unwrap()
    };
    let before = picture(start, dir).unwrap();
    let mut refused = 0;
    for refusal in [Refusal::Enospc, Refusal::Eio] {
        let mut call = calls;
        loop {
            let fs = SimFs::on(start.clone());
            fs.set_faults(FaultPlan::new().at(call, Fault::Fails(refusal)));
            let done = job(&fs);
            if fs.faults_hit() == 0 {
                done.unwrap();
                break;
            }
            let disk = fs.disk();
            match done {
                Ok(()) => assert!(picture(&disk, name) == Some(expected.clone()), "{call:?}"),
                Err(error) => {
                    refused += 1;
                    let io = matches!(
                        error,
                        Error::Io(_) | Error::Store(raftlog::store::StoreError::Io(_))
                    );
                    assert!(io, "call {call:?}: {error}");
                    // The last call syncs the directory: then the name is there, and whole.
                    let left = picture(&disk, dir).unwrap();
                    let named = picture(&disk, name);
                    assert!(
                        left == before || named == Some(expected.clone()),
                        "call {call:?} left {:?}",
                        left.keys().collect::<Vec<_>>()
                    );
                }
            }
            call.0 += 1;
        }
    }
    assert!(refused >= 10, "{refused}");
}

/// Makes every read of `job` fail in turn: an error of the system, never taken for damage.
fn fail_to_read_everywhere(start: &Disk, job: fn(&SimFs) -> Result<(), Error>, dir: &str) {
    let before = picture(start, dir).unwrap();
    for read in 0.. {
        let fs = SimFs::on(start.clone());
        fs.set_faults(FaultPlan::new().at_read(ReadNo(read)));
        let done = job(&fs);
        if fs.faults_hit() == 0 {
            done.unwrap();
            assert!(read > 3, "{read} reads");
            return;
        }
        if let Err(error) = done {
            let io =
                matches!(error, Error::Io(_) | Error::Store(raftlog::store::StoreError::Io(_)));
            assert!(io, "read {read}: {error}");
            assert!(picture(&fs.disk(), dir).unwrap() == before, "read {read}");
        }
    }
}

#[test]
fn a_power_cut_leaves_a_whole_archive_or_none() {
    for profile in [Profile::StrictPosix, Profile::Ext4Ordered] {
        cut_everywhere(&prepared(profile), back_up, ARCHIVE);
    }
}

#[test]
fn a_power_cut_leaves_a_whole_directory_or_none() {
    for profile in [Profile::StrictPosix, Profile::Ext4Ordered] {
        let disk = moments(&prepared(profile), back_up).pop().unwrap();
        let restored = cut_everywhere(&disk, restore_file, TARGET);
        assert!(Some(restored) == picture(&disk, DATA));
        cut_everywhere(&disk, restore_stream, TARGET);
    }
}

#[test]
fn whatever_call_of_a_backup_fails_no_archive_is_left() {
    let start = prepared(Profile::StrictPosix);
    fail_everywhere(&start, back_up, ARCHIVE, "/backups");
    fail_to_read_everywhere(&start, back_up, "/backups");
}

#[test]
fn whatever_call_of_a_restore_fails_no_target_is_left() {
    let disk = moments(&prepared(Profile::StrictPosix), back_up).pop().unwrap();
    fail_everywhere(&disk, restore_file, TARGET, "/restored");
    fail_everywhere(&disk, restore_stream, TARGET, "/restored");
    fail_to_read_everywhere(&disk, restore_file, "/restored");
}
