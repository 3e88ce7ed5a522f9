use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use super::*;
use crate::vfs::FileKind;

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn refusal(path: &Path, mode: OpenMode) -> io::Error {
    match OsFs.open(path, mode) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

#[test]
fn only_regular_files_are_opened_and_a_pipe_does_not_hang() {
    let dir = scratch();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    for (path, word) in
        [(&*pipe, "a pipe"), (&socket, "a socket"), (Path::new("/dev/null"), "a device")]
    {
        for mode in [OpenMode::Read, OpenMode::ReadWrite] {
            let error = refusal(path, mode);
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(word), "{error}");
        }
    }
    assert_eq!(refusal(dir.path(), OpenMode::Read).kind(), ErrorKind::IsADirectory);
    assert!(matches!(OsFs.lock(&pipe, LockMode::Shared), Err(LockError::Io(_))));
    assert_eq!(OsFs.probe_lock(&pipe).expect_err("a pipe").kind(), ErrorKind::InvalidInput);
}

#[test]
fn writing_through_works_with_and_without_other_unsynced_writes() {
    let dir = scratch();
    let path = dir.path().join("f");
    let file = OsFs.open(&path, OpenMode::CreateNew).expect("created");
    file.write_synced_at(0, b"first").expect("written");
    file.write_at(5, b" second").expect("written");
    file.write_synced_at(12, b" third").expect("written");
    file.write_synced_at(18, b"").expect("written");
    assert_eq!(fs::read(&path).expect("there"), b"first second third");
    assert!(file.write_synced_at(u64::MAX, b"x").is_err(), "no such offset");
    assert_eq!(file.size().expect("size"), 18);
}

#[test]
fn a_file_opened_for_reading_cannot_be_written() {
    let dir = scratch();
    let path = dir.path().join("f");
    fs::write(&path, b"content").expect("written");
    let file = OsFs.open(&path, OpenMode::Read).expect("opened");
    assert!(file.write_at(0, b"x").is_err());
    assert!(file.write_synced_at(0, b"x").is_err());
    assert!(file.set_size(0).is_err());
    assert!(file.allocate(100).is_err());
    assert_eq!(fs::read(&path).expect("there"), b"content");
}

#[test]
fn locks_exclude_and_name_their_holder() {
    let dir = scratch();
    let path = dir.path().join("f");
    fs::write(&path, b"").expect("written");
    let me = std::process::id();

    let first = OsFs.lock(&path, LockMode::Shared).expect("free");
    let second = OsFs.lock(&path, LockMode::Shared).expect("readers share");
    assert_eq!(OsFs.probe_lock(&path).expect("probed"), LockState::Free);
    match OsFs.lock(&path, LockMode::Exclusive) {
        Err(LockError::Held(holder)) => assert_eq!(holder.pid, Some(me)),
        _ => panic!("readers hold it"),
    }
    drop((first, second));

    let writer = OsFs.lock(&path, LockMode::Exclusive).expect("free");
    match OsFs.probe_lock(&path).expect("probed") {
        LockState::Held(holder) => {
            assert_eq!(holder.pid, Some(me));
            let name = fs::read_to_string("/proc/self/comm").expect("procfs");
            assert_eq!(holder.name.as_deref(), Some(name.trim_end()));
        }
        LockState::Free => panic!("a writer holds it"),
    }
    assert!(matches!(OsFs.lock(&path, LockMode::Shared), Err(LockError::Held(_))));
    drop(writer);
    assert_eq!(OsFs.probe_lock(&path).expect("probed"), LockState::Free);
    drop(OsFs.lock(&path, LockMode::Exclusive).expect("released by the probe"));
}

#[test]
fn a_walk_neither_follows_links_nor_passes_its_limit() {
    let dir = scratch();
    let outside = scratch();
    fs::write(outside.path().join("secret"), b"").expect("written");
    fs::create_dir(dir.path().join("a")).expect("created");
    fs::write(dir.path().join("a/z"), b"12").expect("written");
    fs::write(dir.path().join("a.txt"), b"").expect("written");
    symlink(outside.path(), dir.path().join("link")).expect("linked");

    let found = OsFs.walk(dir.path(), 4).expect("walked");
    let names: Vec<_> = found
        .iter()
        .map(|(path, about)| {
            let name = path.strip_prefix(dir.path()).expect("inside");
            (name.to_str().expect("text"), about.kind)
        })
        .collect();
    assert_eq!(
        names,
        [
            ("a", FileKind::Dir),
            ("a/z", FileKind::File),
            ("a.txt", FileKind::File),
            ("link", FileKind::Link)
        ]
    );
    assert_eq!(found[1].1.size_bytes, 2);
    assert!(OsFs.walk(dir.path(), 3).expect_err("a fourth").to_string().contains("more than 3"));
    let error = OsFs.walk(&dir.path().join("a.txt"), 9).expect_err("a file");
    assert_eq!(error.kind(), ErrorKind::NotADirectory);
}

#[test]
fn attributes_are_set_and_read_back() {
    let dir = scratch();
    let path = dir.path().join("f");
    fs::write(&path, b"abc").expect("written");
    for modified_unix_ns in [1_700_000_000_123_456_789, -1_500_000_000] {
        OsFs.set_attributes(&path, 0o640, modified_unix_ns).expect("set");
        let found = OsFs.metadata(&path).expect("there");
        assert_eq!((found.mode, found.modified_unix_ns), (0o640, modified_unix_ns));
    }
    assert!(OsFs.set_attributes(&path, 0o600, i128::MAX).is_err());
    let found = OsFs.symlink_metadata(&path).expect("there");
    let native = fs::metadata(&path).expect("there");
    assert_eq!(found.identity, (native.dev(), native.ino()));
    assert!(OsFs.free_bytes(dir.path()).expect("known").is_some());
}

/// Pages are written as a whole then; what stands beside the new bytes must stay, whoever wrote it.
#[test]
fn what_is_written_past_the_cache_is_read_like_everything_else_and_changes_nothing_beside_it() {
    const SIZE: usize = 64 << 10;
    let dir = scratch();
    let path = dir.path().join("file");
    let file = OsFs.open(&path, OpenMode::CreateNew).expect("created");
    let mut expected: Vec<u8> = (0..SIZE).map(|at| at as u8 | 1).collect();
    file.write_at(0, &expected).expect("written");
    let mut dice = 88_172_645_463_325_252u64;
    let mut below = |limit: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice as usize % limit
    };
    let mut at = 0;
    for round in 0..300 {
        // Mostly behind what was written last, as a log is.
        at = if below(4) == 0 || at + 9000 > SIZE { below(SIZE - 9000) } else { at };
        let bytes = vec![round as u8; 1 + below(if round % 8 == 0 { 9000 } else { 300 })];
        let past = match below(3) {
            0 => Err(ErrorKind::Unsupported.into()),
            _ => file.write_past_cache(at as u64, &bytes),
        };
        match past {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                file.write_at(at as u64, &bytes).expect("written");
            }
            other => other.expect("written"),
        }
        expected[at..at + bytes.len()].copy_from_slice(&bytes);
        at += bytes.len();
    }
    let beyond = file.write_past_cache(SIZE as u64 - 10, &[0; 20]).expect_err("beyond the end");
    assert_eq!(beyond.kind(), ErrorKind::Unsupported);
    assert!(fs::read(&path).expect("read") == expected);
    assert_eq!(file.size().expect("known"), SIZE as u64);
}
