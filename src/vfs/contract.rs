//! What every file system behind [`Fs`] does alike: one suite, run against all of them, and random
//! calls whose answers are compared.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::full::FullDisk;
use super::os::OsFs;
use super::overlay::Overlay;
use super::sim::{Profile, SimFs, Tries};
use super::*;

/// Every implementation, with a directory to work in.
fn each(check: fn(&dyn Fs, &Path)) {
    let real = tempfile::tempdir().expect("a directory");
    let below = tempfile::tempdir().expect("a directory");
    let sim = SimFs::new(Profile::StrictPosix);
    check(&OsFs, real.path());
    check(&sim, Path::new("/"));
    check(&Overlay::new(Arc::new(OsFs)), below.path());
    assert_eq!(OsFs.list(below.path()).expect("listed"), Vec::<PathBuf>::new(), "untouched");
    check(&Overlay::new(Arc::new(SimFs::new(Profile::Kill))), Path::new("/"));
    check(&FullDisk::over(Arc::new(SimFs::new(Profile::Kill)), u64::MAX), Path::new("/"));
}

fn kind<T>(answer: io::Result<T>) -> Result<(), ErrorKind> {
    answer.map(|_| ()).map_err(|error| error.kind())
}

fn put(fs: &dyn Fs, path: &Path, bytes: &[u8]) {
    let file = fs.open(path, OpenMode::CreateNew).expect("created");
    file.write_at(0, bytes).expect("written");
}

fn get(fs: &dyn Fs, path: &Path) -> Vec<u8> {
    let file = fs.open(path, OpenMode::Read).expect("opened");
    let mut bytes = vec![0; usize::try_from(file.size().expect("size")).expect("small")];
    assert_eq!(file.read_at(0, &mut bytes).expect("read"), bytes.len());
    bytes
}

#[test]
fn what_is_created_only_its_owner_can_read() {
    each(|fs, root| {
        put(fs, &root.join("f"), b"secret");
        fs.create_dir(&root.join("d")).expect("created");
        let mode = |name: &str| fs.metadata(&root.join(name)).expect("there").mode;
        assert_eq!((mode("f"), mode("d")), (PRIVATE_FILE_MODE, PRIVATE_DIR_MODE));
    });
}

#[test]
fn files_are_created_once_and_opened_only_if_they_exist() {
    each(|fs, root| {
        let path = root.join("f");
        assert_eq!(kind(fs.open(&path, OpenMode::Read)), Err(ErrorKind::NotFound));
        assert_eq!(kind(fs.open(&path, OpenMode::ReadWrite)), Err(ErrorKind::NotFound));
        put(fs, &path, b"content");
        assert_eq!(kind(fs.open(&path, OpenMode::CreateNew)), Err(ErrorKind::AlreadyExists));
        assert_eq!(get(fs, &path), b"content", "not truncated");
        let lost = root.join("no/f");
        assert_eq!(kind(fs.open(&lost, OpenMode::CreateNew)), Err(ErrorKind::NotFound));
        let below_a_file = path.join("g");
        for mode in [OpenMode::Read, OpenMode::ReadWrite, OpenMode::CreateNew] {
            assert_eq!(kind(fs.open(&below_a_file, mode)), Err(ErrorKind::NotADirectory));
        }
        fs.create_dir(&root.join("d")).expect("created");
        for mode in [OpenMode::Read, OpenMode::ReadWrite] {
            assert_eq!(kind(fs.open(&root.join("d"), mode)), Err(ErrorKind::IsADirectory));
        }
        let taken = fs.open(&root.join("d"), OpenMode::CreateNew);
        assert_eq!(kind(taken), Err(ErrorKind::AlreadyExists));
    });
}

#[test]
fn reads_are_short_at_the_end_only() {
    each(|fs, root| {
        let path = root.join("f");
        put(fs, &path, &[7; 10_000]);
        let file = fs.open(&path, OpenMode::Read).expect("opened");
        let mut bytes = [0; 4000];
        for (offset, expected) in [(0, 4000), (6000, 4000), (6001, 3999), (9999, 1), (10_000, 0)] {
            assert_eq!(file.read_at(offset, &mut bytes).expect("read"), expected, "at {offset}");
        }
        assert_eq!(file.read_at(1 << 40, &mut bytes).expect("read"), 0);
        assert_eq!(file.read_at(0, &mut []).expect("read"), 0);
        read_exact_at(&*file, 6000, &mut bytes).expect("there");
        let beyond = read_exact_at(&*file, 6001, &mut bytes);
        assert_eq!(kind(beyond), Err(ErrorKind::UnexpectedEof));
    });
}

#[test]
fn holes_growth_and_allocation_read_as_zeros() {
    each(|fs, root| {
        let file = fs.open(&root.join("f"), OpenMode::CreateNew).expect("created");
        file.write_at(5000, b"x").expect("written");
        file.set_size(6000).expect("grown");
        file.set_size(5001).expect("cut");
        file.set_size(9000).expect("grown");
        file.set_size(100).expect("cut");
        file.allocate(9000).expect("allocated");
        file.allocate(50).expect("nothing to do");
        file.allocate(0).expect("nothing to do");
        assert_eq!(file.size().expect("size"), 9000);
        assert!(get(fs, &root.join("f")).iter().all(|byte| *byte == 0));
        file.write_synced_at(8998, b"abcd").expect("written");
        file.sync_data().expect("synced");
        file.sync().expect("synced");
        assert_eq!(file.size().expect("size"), 9002);
        assert_eq!(&get(fs, &root.join("f"))[8997..], b"\0abcd");
    });
}

#[test]
fn a_handle_outlives_the_name_and_sees_what_others_write() {
    each(|fs, root| {
        let path = root.join("f");
        put(fs, &path, b"one");
        let reader = fs.open(&path, OpenMode::Read).expect("opened");
        let writer = fs.open(&path, OpenMode::ReadWrite).expect("opened");
        writer.write_at(0, b"two").expect("written");
        let mut bytes = [0; 3];
        assert_eq!(reader.read_at(0, &mut bytes).expect("read"), 3);
        assert_eq!(&bytes, b"two");
        fs.remove(&path).expect("removed");
        put(fs, &path, b"new");
        assert_eq!(reader.read_at(0, &mut bytes).expect("read"), 3);
        assert_eq!(&bytes, b"two");
        assert_eq!(get(fs, &path), b"new");
    });
}

#[test]
fn a_handle_for_reading_does_not_write() {
    each(|fs, root| {
        put(fs, &root.join("f"), b"content");
        let file = fs.open(&root.join("f"), OpenMode::Read).expect("opened");
        assert!(file.write_at(0, b"x").is_err());
        assert!(file.set_size(1).is_err());
        assert!(file.allocate(100).is_err());
        assert!(file.write_synced_at(0, b"x").is_err());
        assert_eq!(get(fs, &root.join("f")), b"content");
    });
}

#[test]
fn names_are_listed_sorted_and_walked_parents_first() {
    each(|fs, root| {
        for dir in ["b", "b/c", "a.d"] {
            fs.create_dir(&root.join(dir)).expect("created");
        }
        for file in ["b/c/x", "b.txt", "b/a", "z", "Z"] {
            put(fs, &root.join(file), b"12");
        }
        let names = |dir: &Path| {
            let listed = fs.list(dir).expect("listed");
            let name = |path: &PathBuf| path.strip_prefix(dir).expect("below").to_owned();
            listed.iter().map(name).map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(root), ["Z", "a.d", "b", "b.txt", "z"]);
        assert_eq!(names(&root.join("b")), ["a", "c"]);
        let walked = fs.walk(root, 8).expect("walked");
        let paths: Vec<String> = walked
            .iter()
            .map(|(path, _)| path.strip_prefix(root).expect("below").display().to_string())
            .collect();
        assert_eq!(paths, ["Z", "a.d", "b", "b/a", "b/c", "b/c/x", "b.txt", "z"]);
        assert_eq!(walked[2].1.kind, FileKind::Dir);
        assert_eq!((walked[3].1.kind, walked[3].1.size_bytes), (FileKind::File, 2));
        assert!(fs.walk(root, 7).is_err());
        assert_eq!(kind(fs.list(&root.join("z"))), Err(ErrorKind::NotADirectory));
        assert_eq!(kind(fs.walk(&root.join("z"), 9)), Err(ErrorKind::NotADirectory));
        assert_eq!(kind(fs.list(&root.join("no"))), Err(ErrorKind::NotFound));
    });
}

#[test]
fn renaming_replaces_files_and_keeps_directories() {
    each(|fs, root| {
        let path = |name: &str| root.join(name);
        put(fs, &path("a"), b"a");
        put(fs, &path("b"), b"b");
        fs.create_dir(&path("d")).expect("created");
        fs.create_dir(&path("e")).expect("created");
        put(fs, &path("d/x"), b"x");
        fs.rename(&path("a"), &path("b")).expect("renamed");
        assert_eq!(get(fs, &path("b")), b"a");
        assert_eq!(kind(fs.open(&path("a"), OpenMode::Read)), Err(ErrorKind::NotFound));
        assert_eq!(kind(fs.rename(&path("a"), &path("b"))), Err(ErrorKind::NotFound));
        assert_eq!(kind(fs.rename(&path("b"), &path("d"))), Err(ErrorKind::IsADirectory));
        assert_eq!(kind(fs.rename(&path("d"), &path("b"))), Err(ErrorKind::NotADirectory));
        assert_eq!(kind(fs.rename(&path("e"), &path("d"))), Err(ErrorKind::DirectoryNotEmpty));
        let elsewhere = fs.rename(&path("b"), &path("d/b"));
        assert_eq!(kind(elsewhere), Err(ErrorKind::InvalidInput), "leaves its directory");
        fs.rename(&path("d"), &path("e")).expect("renamed over an empty directory");
        assert_eq!(get(fs, &path("e/x")), b"x");
        assert_eq!(kind(fs.list(&path("d"))), Err(ErrorKind::NotFound));
        fs.rename(&path("b"), &path("b")).expect("nothing to do");
        assert_eq!(kind(fs.rename_new(&path("b"), &path("e"))), Err(ErrorKind::AlreadyExists));
        assert_eq!(kind(fs.rename_new(&path("e"), &path("b"))), Err(ErrorKind::AlreadyExists));
        fs.rename_new(&path("b"), &path("c")).expect("renamed");
        assert_eq!(get(fs, &path("c")), b"a");
        assert_eq!(fs.list(root).expect("listed"), [path("c"), path("e")]);
    });
}

#[test]
fn removing_needs_a_file_or_an_empty_directory() {
    each(|fs, root| {
        let (dir, file) = (root.join("d"), root.join("d/f"));
        fs.create_dir(&dir).expect("created");
        assert_eq!(kind(fs.create_dir(&dir)), Err(ErrorKind::AlreadyExists));
        assert_eq!(kind(fs.create_dir(&root.join("no/d"))), Err(ErrorKind::NotFound));
        put(fs, &file, b"");
        assert_eq!(kind(fs.remove_dir(&dir)), Err(ErrorKind::DirectoryNotEmpty));
        assert_eq!(kind(fs.remove(&dir)), Err(ErrorKind::IsADirectory));
        assert_eq!(kind(fs.remove_dir(&file)), Err(ErrorKind::NotADirectory));
        assert_eq!(kind(fs.sync_dir(&file)), Err(ErrorKind::NotADirectory));
        fs.sync_dir(&dir).expect("synced");
        fs.remove(&file).expect("removed");
        assert_eq!(kind(fs.remove(&file)), Err(ErrorKind::NotFound));
        fs.remove_dir(&dir).expect("removed");
        assert_eq!(kind(fs.remove_dir(&dir)), Err(ErrorKind::NotFound));
        assert_eq!(kind(fs.sync_dir(&dir)), Err(ErrorKind::NotFound));
    });
}

#[test]
fn locks_exclude_until_they_are_dropped() {
    each(|fs, root| {
        let path = root.join("LOCK");
        assert!(matches!(fs.lock(&path, LockMode::Shared), Err(LockError::Io(_))));
        put(fs, &path, b"");
        let first = fs.lock(&path, LockMode::Shared).expect("free");
        let second = fs.lock(&path, LockMode::Shared).expect("readers share");
        assert_eq!(fs.probe_lock(&path).expect("probed"), LockState::Free);
        assert!(matches!(fs.lock(&path, LockMode::Exclusive), Err(LockError::Held(_))));
        drop(first);
        assert!(matches!(fs.lock(&path, LockMode::Exclusive), Err(LockError::Held(_))));
        drop(second);
        let writer = fs.lock(&path, LockMode::Exclusive).expect("free");
        assert!(matches!(fs.lock(&path, LockMode::Shared), Err(LockError::Held(_))));
        assert!(matches!(fs.probe_lock(&path).expect("probed"), LockState::Held(_)));
        drop(writer);
        assert_eq!(fs.probe_lock(&path).expect("probed"), LockState::Free);
        assert!(fs.lock(&path, LockMode::Exclusive).is_ok());
    });
}

#[test]
fn metadata_says_what_stands_there() {
    each(|fs, root| {
        put(fs, &root.join("f"), b"12345");
        fs.create_dir(&root.join("d")).expect("created");
        fs.set_attributes(&root.join("f"), 0o640, -1_000_000_007).expect("set");
        let about = fs.metadata(&root.join("f")).expect("there");
        assert_eq!((about.kind, about.size_bytes), (FileKind::File, 5));
        assert_eq!((about.mode, about.modified_unix_ns), (0o640, -1_000_000_007));
        assert_eq!(fs.symlink_metadata(&root.join("f")).expect("there"), about);
        let dir = fs.metadata(&root.join("d")).expect("there");
        assert_eq!((dir.kind, dir.size_bytes), (FileKind::Dir, 0));
        assert_ne!(dir.identity, about.identity);
        let whole = fs.canonicalize(&root.join("d/../f")).expect("there");
        assert_eq!(fs.metadata(&whole).expect("there").identity, about.identity);
        assert!(whole.is_absolute());
        assert_eq!(kind(fs.metadata(&root.join("no"))), Err(ErrorKind::NotFound));
        assert_eq!(kind(fs.canonicalize(&root.join("no"))), Err(ErrorKind::NotFound));
    });
}

/// A call on one of few names, so that calls meet.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create(usize),
    Write(usize, u64, Vec<u8>),
    Resize(usize, u64),
    Allocate(usize, u64),
    Read(usize, u64, usize),
    Sync(usize),
    Rename(usize, usize),
    RenameNew(usize, usize),
    Remove(usize),
    CreateDir(usize),
    RemoveDir(usize),
    List(usize),
    SyncDir(usize),
}

const NAMES: [&str; 7] = ["a", "b", "d", "d/a", "d/b", "e", "e/a"];

pub(super) fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    let offset = 0u64..14_000;
    prop_oneof![
        3 => name.clone().prop_map(Step::Create),
        4 => (name.clone(), offset.clone(), 1usize..9000, any::<u8>())
            .prop_map(|(name, at, len, byte)| Step::Write(name, at, vec![byte; len])),
        1 => (name.clone(), offset.clone()).prop_map(|(name, size)| Step::Resize(name, size)),
        1 => (name.clone(), offset.clone()).prop_map(|(name, size)| Step::Allocate(name, size)),
        2 => (name.clone(), offset, 0usize..9000)
            .prop_map(|(name, at, len)| Step::Read(name, at, len)),
        1 => name.clone().prop_map(Step::Sync),
        2 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::RenameNew(from, to)),
        1 => name.clone().prop_map(Step::Remove),
        2 => name.clone().prop_map(Step::CreateDir),
        1 => name.clone().prop_map(Step::RemoveDir),
        1 => name.clone().prop_map(Step::List),
        1 => name.prop_map(Step::SyncDir),
    ]
}

/// Does one step and says what came of it: bytes read, names listed, or the kind of error.
pub(super) fn act(fs: &dyn Fs, root: &Path, step: &Step) -> Result<Vec<u8>, ErrorKind> {
    let path = |name: &usize| root.join(NAMES[*name]);
    let write = |name: &usize| fs.open(&path(name), OpenMode::ReadWrite);
    let done = |answer: io::Result<()>| answer.map(|()| Vec::new());
    match step {
        Step::Create(name) => done(fs.open(&path(name), OpenMode::CreateNew).map(drop)),
        Step::Write(name, at, bytes) => write(name).and_then(|f| done(f.write_at(*at, bytes))),
        Step::Resize(name, size) => write(name).and_then(|file| done(file.set_size(*size))),
        Step::Allocate(name, size) => write(name).and_then(|file| done(file.allocate(*size))),
        Step::Read(name, at, len) => {
            let mut bytes = vec![0; *len];
            let file = fs.open(&path(name), OpenMode::Read);
            file.and_then(|file| file.read_at(*at, &mut bytes)).map(|read| {
                bytes.truncate(read);
                bytes
            })
        }
        Step::Sync(name) => write(name).and_then(|file| done(file.sync_data())),
        Step::Rename(from, to) => done(fs.rename(&path(from), &path(to))),
        Step::RenameNew(from, to) => done(fs.rename_new(&path(from), &path(to))),
        Step::Remove(name) => done(fs.remove(&path(name))),
        Step::CreateDir(name) => done(fs.create_dir(&path(name))),
        Step::RemoveDir(name) => done(fs.remove_dir(&path(name))),
        Step::List(name) => fs.list(&path(name)).map(|paths| {
            let names = paths.iter().filter_map(|path| path.file_name());
            names.flat_map(|name| name.as_encoded_bytes().to_vec()).collect()
        }),
        Step::SyncDir(name) => done(fs.sync_dir(&path(name))),
    }
    .map_err(|error| error.kind())
}

/// Every path with its content, directories without one.
pub(super) fn contents(fs: &dyn Fs, root: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let walked = fs.walk(root, 1000).expect("walked");
    walked
        .into_iter()
        .map(|(path, about)| {
            let bytes = (about.kind == FileKind::File).then(|| get(fs, &path));
            (path.strip_prefix(root).expect("below").to_owned(), bytes)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn random_calls_have_equal_answers_everywhere(steps in prop::collection::vec(step(), 1..40)) {
        let real = tempfile::tempdir().expect("a directory");
        let below = tempfile::tempdir().expect("a directory");
        let sim = SimFs::new(Profile::Kill);
        let overlay = Overlay::new(Arc::new(OsFs));
        for step in &steps {
            let expected = act(&OsFs, real.path(), step);
            prop_assert_eq!(&act(&sim, Path::new("/"), step), &expected, "sim: {:?}", step);
            let over = act(&overlay, below.path(), step);
            prop_assert_eq!(&over, &expected, "overlay: {:?}", step);
        }
        let expected = contents(&OsFs, real.path());
        prop_assert_eq!(&contents(&overlay, below.path()), &expected);
        prop_assert!(OsFs.list(below.path()).expect("listed").is_empty());
        // A kill leaves all that was issued, and nothing else.
        let images: Vec<_> = sim.disk().images(Tries::default()).distinct().collect();
        prop_assert_eq!(images.len(), 1);
        for image in images {
            prop_assert_eq!(&contents(&SimFs::on(image.disk), Path::new("/")), &expected);
        }
    }

    #[test]
    fn an_overlay_over_a_full_directory_answers_as_that_directory_would(
        before in prop::collection::vec(step(), 1..25),
        after in prop::collection::vec(step(), 1..25),
    ) {
        let real = tempfile::tempdir().expect("a directory");
        let below = SimFs::new(Profile::Kill);
        for step in &before {
            let expected = act(&OsFs, real.path(), step);
            prop_assert_eq!(&act(&below, Path::new("/"), step), &expected);
        }
        let untouched = contents(&below, Path::new("/"));
        let calls = below.calls();
        let overlay = Overlay::new(Arc::new(below.clone()));
        for step in &after {
            let expected = act(&OsFs, real.path(), step);
            let over = act(&overlay, Path::new("/"), step);
            prop_assert_eq!(&over, &expected, "overlay: {:?}", step);
        }
        prop_assert_eq!(contents(&overlay, Path::new("/")), contents(&OsFs, real.path()));
        prop_assert_eq!(contents(&below, Path::new("/")), untouched);
        prop_assert_eq!(below.calls(), calls, "nothing was even tried below");
    }
}
