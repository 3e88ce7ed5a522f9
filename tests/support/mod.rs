//! What several test files need: unpacked fixtures, the expected dumps beside them, the binary.
#![allow(clippy::disallowed_methods, dead_code)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;

/// The archives of redb files, by their names in `fixtures/redb/`.
pub const REDB_ARCHIVES: [&str; 9] = [
    "redb-basic",
    "redb-damaged",
    "redb-empty",
    "redb-groups",
    "redb-logical",
    "redb-real",
    "redb-schema",
    "redb-twins",
    "redb-unclean",
];

pub mod bolt;
pub mod cuts;
pub mod etcd;
pub mod etcd_made;
pub mod following;
pub mod go;
pub mod made;
pub mod raft_fastlog;
pub mod raft_wal;
pub mod redb_made;

static UNPACKING: Mutex<()> = Mutex::new(());

/// Where the fixtures lie in the source tree.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The directory of an unpacked archive. It is shared between tests: never write into it.
pub fn unpacked(archive: &str) -> PathBuf {
    let _one_at_a_time = UNPACKING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("fixtures-{}", std::process::id()))
        .join(archive);
    if dir.is_dir() {
        return dir;
    }
    let staging = dir.with_extension("unpacking");
    fs::create_dir_all(&staging).expect("staging directory");
    let packed = fs::File::open(fixtures().join("redb").join(format!("{archive}.tar.gz")))
        .expect("fixture archive");
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    for member in tar.entries().expect("members") {
        let mut member = member.expect("member");
        let name = member.path().expect("name").into_owned();
        let name = name.file_name().expect("plain name").to_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("member's bytes");
        fs::write(staging.join(name), bytes).expect("unpack");
    }
    fs::rename(&staging, &dir).expect("finish unpacking");
    dir
}

/// A redb file of an archive, shared and read-only: `redb("redb-basic", "synth")`.
pub fn redb(archive: &str, name: &str) -> PathBuf {
    let path = unpacked(archive).join(format!("{name}.redb"));
    assert!(path.is_file(), "{} is no fixture", path.display());
    path
}

/// The names of all redb files in an archive, sorted.
pub fn redb_names(archive: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(unpacked(archive))
        .expect("unpacked archive")
        .map(|file| file.expect("file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "redb"))
        .map(|path| path.file_stem().expect("stem").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The lines of the expected dump beside a redb file, or `None` where its content is not dumped.
pub fn expected(archive: &str, name: &str) -> Option<Vec<serde_json::Value>> {
    let path = unpacked(archive).join(format!("{name}.expected.jsonl"));
    let text = fs::read_to_string(path).ok()?;
    Some(text.lines().map(|line| serde_json::from_str(line).expect("JSON line")).collect())
}

/// The real binary with `arguments`, run to its end without a terminal.
pub fn raftlog<I, S>(arguments: I) -> Output
where
    I: IntoIterator<Item = S>,
    S: AsRef<std::ffi::OsStr>,
{
    assert_cmd::Command::new(env!("CARGO_BIN_EXE_raftlog"))
        .args(arguments)
        .env_remove("RUST_BACKTRACE")
        .env("COLUMNS", "120")
        .output()
        .expect("the binary runs")
}

/// Waits until `condition` holds; fails when that takes a minute.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..60_000 {
        if condition() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("{what}: not within a minute");
}

/// Whether the process `pid` has `path` open.
pub fn has_open(pid: u32, path: &Path) -> bool {
    let path = fs::canonicalize(path).expect("a file");
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|found| found == path))
}

/// Exit code, stdout and stderr of a run as text.
pub fn told(output: &Output) -> (i32, String, String) {
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Waits for a child to end, and tells the most memory that it had resident, in KiB.
pub fn peak_kib(child: &mut std::process::Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = kib.unwrap_or(0).max(peak);
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    peak
}
