//! S18: jobs whose power is cut, or whose calls fail, one after the other.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use raftlog::vfs::sim::{Disk, Fault, FaultPlan, ReadNo, Refusal, SimFs, Tries};
use raftlog::vfs::{FileKind, Fs, OpenMode, Vfs};

/// A job on a disk.
pub type Job<'j, E> = &'j dyn Fn(&SimFs) -> Result<(), E>;
/// What lies below a name: the bytes of files, `None` for directories.
pub type Picture = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Creates a file whose bytes are durable; its name is not.
pub fn write(fs: &SimFs, path: &str, bytes: &[u8]) {
    let file = fs.open(Path::new(path), OpenMode::CreateNew).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
}

/// What a job is about.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// What must never change.
    pub source: &'a str,
    /// What the job makes.
    pub name: &'a str,
    /// The directory that it lies in.
    pub dir: &'a str,
}

/// The bytes of a file; `None` where they cannot be read.
pub fn content(fs: &SimFs, path: &Path) -> Option<Vec<u8>> {
    let file = fs.open(path, OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.size().ok()?).unwrap()];
    file.read_at(0, &mut bytes).ok()?;
    Some(bytes)
}

/// Everything at `root` and below it; `None` where nothing is.
pub fn picture(disk: &Disk, root: &str) -> Option<Picture> {
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
pub fn moments<E: Display>(start: &Disk, job: Job<'_, E>) -> Vec<Disk> {
    let fs = SimFs::on(start.clone());
    let disks = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&disks);
    fs.watch(move |moment| seen.lock().unwrap().push(moment.disk.clone()));
    job(&fs).unwrap_or_else(|error| panic!("{error}"));
    fs.unwatch();
    let mut disks = std::mem::take(&mut *disks.lock().unwrap());
    disks.push(fs.disk());
    disks
}

/// Cuts the power before every call of `job`; under the name stands nothing, or what it made.
pub fn cut_everywhere<E: Display>(start: &Disk, job: Job<'_, E>, about: About<'_>) -> Picture {
    let name = about.name;
    let moments = moments(start, job);
    let expected = picture(moments.last().unwrap(), name).expect("the job's result");
    let source = picture(start, about.source);
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
                assert!(picture(&image.disk, about.source) == source, "the source changed");
            }
        }
    }
    assert!(absent > 10 && complete > 0, "{absent} without, {complete} with {name}");
    expected
}

/// Makes every mutating call of `job` fail in turn: it says an error of the system (`is_io`), and
/// nothing is left, or the name stands for something `whole`.
pub fn fail_everywhere<E: Display>(
    start: &Disk,
    job: Job<'_, E>,
    about: About<'_>,
    is_io: fn(&E) -> bool,
    whole: &dyn Fn(&Disk) -> bool,
) {
    let calls = SimFs::on(start.clone()).calls();
    let before = picture(start, about.dir).unwrap();
    let mut refused = 0;
    for refusal in [Refusal::Enospc, Refusal::Eio] {
        let mut call = calls;
        loop {
            let fs = SimFs::on(start.clone());
            fs.set_faults(FaultPlan::new().at(call, Fault::Fails(refusal)));
            let done = job(&fs);
            let disk = fs.disk();
            match done {
                Ok(()) => assert!(whole(&disk), "call {call:?}"),
                Err(error) => {
                    refused += 1;
                    assert!(is_io(&error), "call {call:?}: {error}");
                    // The last call syncs the directory: then the name is there, and whole.
                    let left = picture(&disk, about.dir).unwrap();
                    assert!(
                        left == before || whole(&disk),
                        "call {call:?} left {:?}",
                        left.keys().collect::<Vec<_>>()
                    );
                }
            }
            if fs.faults_hit() == 0 {
                break;
            }
            call.0 += 1;
        }
    }
    assert!(refused >= 10, "{refused}");
}

/// Makes every read of `job` fail in turn: an error of the system, never taken for damage.
pub fn fail_to_read_everywhere<E: Display>(
    start: &Disk,
    job: Job<'_, E>,
    about: About<'_>,
    is_io: fn(&E) -> bool,
    whole: &dyn Fn(&Disk) -> bool,
) {
    let before = picture(start, about.dir).unwrap();
    for read in 0.. {
        let fs = SimFs::on(start.clone());
        fs.set_faults(FaultPlan::new().at_read(ReadNo(read)));
        let done = job(&fs);
        if fs.faults_hit() == 0 {
            done.unwrap_or_else(|error| panic!("{error}"));
            assert!(read > 3, "{read} reads");
            return;
        }
        match done {
            Ok(()) => assert!(whole(&fs.disk()), "read {read}"),
            Err(error) => {
                assert!(is_io(&error), "read {read}: {error}");
                assert!(picture(&fs.disk(), about.dir).unwrap() == before, "read {read}");
            }
        }
    }
}
