//! What the commands keep in memory: little of a large log, and nothing for a length that a damaged
//! file only claims.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use raftlog::bench::LogShape;
use raftlog::store::Format;
use raftlog::vfs::Fs;
use raftlog::vfs::os::OsFs;
use support::etcd::{BASIC, SNAP, frames, segment, unpack, wal, write_sparse};
use support::raft_wal::{TWO, copied, unpacked};

/// Memory that a job may have resident: 128 MiB is what is promised of one on a log of 1 GiB.
const RESIDENT_MAX_KIB: u64 = 100 << 10;
/// Address space that it may ask for, used or not: the program, its threads, and little more.
const SPACE_MAX_KIB: u64 = 700 << 10;
const SEGMENT: &str = "0000000000000000-0000000000000000.wal";

/// Resident memory below which it was the shell that was seen, and not yet the program.
const SHELL_MAX_KIB: u64 = 2_000;

/// Exit code of a run without a terminal, and the most memory that it had resident, in KiB. A run
/// that ended before it was looked at is done again, without the `target` that it made.
fn measured(arguments: &[&str], target: &Path) -> (i32, u64) {
    let again = |_| {
        let _not_made = fs::remove_dir_all(target);
        measured_once(arguments)
    };
    let seen = (0..200).map(again).find(|(_, peak)| *peak > SHELL_MAX_KIB);
    seen.unwrap_or_else(|| panic!("{arguments:?} was never seen to run"))
}

fn measured_once(arguments: &[&str]) -> (i32, u64) {
    let limited = format!("ulimit -v {SPACE_MAX_KIB} && exec \"$0\" \"$@\"");
    let mut child = Command::new("sh")
        .args(["-c", &limited, env!("CARGO_BIN_EXE_raftlog")])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh");
    let peak = support::peak_kib(&mut child);
    (child.wait().expect("ended").code().unwrap_or(-1), peak)
}

/// Runs every command that reads all of a store; each ends by itself within the bound.
fn stays_small(store: &Path, what: &str, codes: &[i32]) {
    let dir = tempfile::tempdir().expect("directory");
    let [target, repaired] = ["target", "repaired"].map(|name| dir.path().join(name));
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (store, to, repaired) = (&text(store), &text(&target), &text(&repaired));
    for arguments in [
        vec!["verify", store],
        vec!["inspect", "--entries", "--payload", "digest", "--format", "jsonl", store],
        vec!["inspect", "--records", "--format", "jsonl", store],
        vec!["migrate", store, to, "--to", "fastlog"],
        vec!["repair", store, "--out", repaired, "--dry-run"],
    ] {
        let (code, peak) = measured(&arguments, &target);
        assert!(codes.contains(&code), "{what}: {arguments:?}: {code}");
        assert!(peak < RESIDENT_MAX_KIB, "{what}: {arguments:?}: {peak} KiB");
    }
}

/// What may be said of a damaged store.
const ANSWERS: [i32; 4] = [0, 1, 3, 4];

#[test]
fn a_log_many_times_the_bound_is_read_within_it() {
    let dir = tempfile::tempdir().expect("directory");
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let shape = LogShape { entries: 200_000, payload_bytes: 1_024 };
    for format in [Format::EtcdWal, Format::RaftWal] {
        let path = dir.path().join("log");
        match format {
            Format::EtcdWal => shape.write_etcd(&fs, &path).expect("written"),
            format => shape.write(&fs, format, &path).expect("written"),
        }
        let sizes = fs::read_dir(&path)
            .expect("list")
            .map(|file| file.expect("file").metadata().expect("metadata").len());
        let bytes: u64 = sizes.sum();
        assert!(bytes > 2 * (RESIDENT_MAX_KIB << 10), "{bytes}");
        stays_small(&path, format.as_str(), &[0]);
        fs::remove_dir_all(&path).expect("removed");
    }
}

/// A copy of a small log of etcd.
fn etcd_copy(dir: &Path) -> (PathBuf, Vec<u8>) {
    let mut bytes = fs::read(wal(BASIC).join(SEGMENT)).expect("segment");
    bytes.truncate(frames(&bytes).last().expect("a frame").end);
    let path = dir.join("etcd");
    fs::create_dir(&path).expect("directory");
    (path, bytes)
}

#[test]
fn a_record_of_etcd_that_claims_to_be_large_takes_no_memory() {
    let dir = tempfile::tempdir().expect("directory");
    let (path, bytes) = etcd_copy(dir.path());
    let all = frames(&bytes);
    let file = path.join(SEGMENT);
    // Beyond the file, inside it, and with every bit: at the end and in the middle.
    for word in [(1u64 << 30) - 4_096, 1 << 40, (1 << 56) - 1, u64::MAX] {
        for frame in [&all[8], &all[all.len() - 1]] {
            let mut broken = bytes.clone();
            broken[frame.at..frame.at + 8].copy_from_slice(&word.to_le_bytes());
            fs::write(&file, &broken).expect("written");
            let sparse = OpenOptions::new().write(true).open(&file).expect("open");
            sparse.set_len(1 << 30).expect("a hole");
            stays_small(&path, &format!("a record of {word:x} bytes at {}", frame.at), &ANSWERS);
        }
    }
    // Under a checksum that fits: contents of an entry, members of a snapshot.
    let metadata = [8, 1, 0x10, 2];
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0x3f];
    let entry = [&[8, 0, 0x10, 1, 0x18, 1, 0x22][..], &huge].concat();
    let marker = [&[8, 1, 0x10, 1, 0x1a][..], &huge].concat();
    for (kind, data) in [(2, &entry), (5, &marker), (3, &entry)] {
        let records: [(u8, &[u8]); 3] = [(4, b""), (1, &metadata), (kind, data)];
        fs::write(&file, segment(&mut 0, &records)).expect("written");
        stays_small(&path, &format!("type {kind} with a length"), &ANSWERS);
    }
}

#[test]
fn what_lies_beside_an_etcd_and_claims_to_be_large_takes_no_memory() {
    let dir = tempfile::tempdir().expect("directory");
    unpack(SNAP, dir.path());
    let root = dir.path().join(SNAP);
    let snap = root.join("member/snap");
    let file = snap.join("0000000000000002-000000000000012f.snap");
    let whole = fs::read(&file).expect("read");
    // The length of its contents, behind the checksum.
    let mut broken = whole.clone();
    let at = 2 + broken[1..].iter().position(|byte| byte & 0x80 == 0).expect("ends");
    assert_eq!(broken[at], 0x12);
    broken.splice(at + 1..at + 3, [0xff, 0xff, 0xff, 0xff, 0xff, 0x3f]);
    fs::write(&file, &broken).expect("written");
    OpenOptions::new().write(true).open(&file).expect("open").set_len(1 << 30).expect("a hole");
    stays_small(&root, "a .snap file", &ANSWERS);
    fs::write(&file, &whole).expect("written");
    let db = snap.join("db");
    let mut pages = fs::read(&db).expect("read");
    // How many pages each page goes on for, of all behind the two first.
    for page in 2..pages.len() / 4_096 {
        pages[page * 4_096 + 12..page * 4_096 + 16].fill(0xff);
    }
    write_sparse(&db, &pages);
    stays_small(&root, "pages of the key-value store", &ANSWERS);
}

#[test]
fn a_frame_of_raft_wal_that_claims_to_be_large_takes_no_memory() {
    let dir = tempfile::tempdir().expect("directory");
    let path = copied(&unpacked(&TWO, dir.path()), &dir.path().join("copy"), true);
    let sealed = path.join("00000000000000000001-0000000000000000.wal");
    let tail = path.join("00000000000000000201-0000000000000001.wal");
    let whole = fs::read(&tail).expect("read");
    for kind in [1, 2] {
        // Behind the last commit an entry, or an index, of 1 GiB and its commit, which fits.
        let len = (1u32 << 30) - 8;
        let mut head = [kind, 0, 0, 0, 0, 0, 0, 0];
        head[4..].copy_from_slice(&len.to_le_bytes());
        let mut crc = crc32c::crc32c(&head);
        let zeros = vec![0; 1 << 20];
        let mut left = len as usize;
        while left > 0 {
            let piece = left.min(zeros.len());
            crc = crc32c::crc32c_append(crc, &zeros[..piece]);
            left -= piece;
        }
        let file = OpenOptions::new().write(true).open(&tail).expect("open");
        let end = whole.len() as u64;
        file.write_all_at(&head, end).expect("written");
        let [a, b, c, d] = crc.to_le_bytes();
        file.write_all_at(&[3, 0, 0, 0, a, b, c, d], end + 8 + u64::from(len)).expect("written");
        stays_small(&path, &format!("a frame of type {kind}"), &ANSWERS);
        fs::write(&tail, &whole).expect("written");
    }
    // Lengths that end behind the file.
    let bytes = fs::read(&sealed).expect("read");
    let mut at = 32;
    for _ in 0..3 {
        let mut broken = bytes.clone();
        broken[at + 4..at + 8].fill(0xff);
        fs::write(&sealed, &broken).expect("written");
        stays_small(&path, &format!("a length at {at}"), &ANSWERS);
        let len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().expect("4 bytes"));
        at += 8 + len.next_multiple_of(8) as usize;
    }
    fs::write(&sealed, &bytes).expect("written");
    let meta = path.join("wal-meta.db");
    let mut pages = fs::read(&meta).expect("read");
    for page in 2..pages.len() / 4_096 {
        pages[page * 4_096 + 12..page * 4_096 + 16].fill(0xff);
    }
    fs::write(&meta, pages).expect("written");
    stays_small(&path, "pages of the metadata", &ANSWERS);
}
