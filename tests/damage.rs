//! Bad input of every kind, given to the real binary: a clear error with the right exit code, the
//! source byte-identical, and no partial target left.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{raftlog, redb, told};
use tempfile::TempDir;

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { dir: tempfile::tempdir().expect("temporary directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("write");
        path
    }

    /// A private copy of a fixture.
    fn copy(&self, archive: &str, name: &str) -> PathBuf {
        self.file(&format!("{name}.redb"), &fs::read(redb(archive, name)).expect("fixture"))
    }

    /// Every file below, with its bytes.
    fn snapshot(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        collect(self.dir.path(), &mut found);
        found
    }
}

fn collect(dir: &Path, found: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for file in fs::read_dir(dir).expect("directory") {
        let path = file.expect("name").path();
        if path.is_dir() {
            found.insert(path.clone(), None);
            collect(&path, found);
        } else {
            found.insert(path.clone(), fs::read(&path).ok());
        }
    }
}

/// Runs `inspect`, `verify` and `migrate --to fastlog` on `source`; asserts their exit codes, that
/// stdout is empty where it must be, that each message contains `says`, and that nothing changed.
fn judge(bench: &Bench, source: &Path, codes: [i32; 3], says: &str) {
    let before = bench.snapshot();
    let target = bench.path("target.fastlog");
    let runs: [Vec<&Path>; 3] = [
        vec![Path::new("inspect"), source],
        vec![Path::new("verify"), source],
        vec![Path::new("migrate"), source, &target, Path::new("--to"), Path::new("fastlog")],
    ];
    for (arguments, expected) in runs.iter().zip(codes) {
        let (code, out, err) = told(&raftlog(arguments));
        let shown = format!("{arguments:?}: exit {code}, not {expected}\n{out}\n{err}");
        assert_eq!(code, expected, "{shown}");
        assert!(!err.contains("panicked"), "{shown}");
        if matches!(code, 10..=15) {
            assert!(out.is_empty(), "{shown}");
            assert!(err.lines().any(|line| line.starts_with("error: ")), "{shown}");
        }
        if code != 0 {
            assert!(out.contains(says) || err.contains(says), "no `{says}` in\n{shown}");
        }
        if target.exists() {
            assert!(matches!(code, 0 | 3), "{shown}");
            fs::remove_dir_all(&target).expect("remove target");
        }
        assert_eq!(bench.snapshot(), before, "something changed or was left: {shown}");
    }
}

#[test]
fn what_is_no_store_is_not_found() {
    let bench = Bench::new();
    fs::create_dir(bench.path("dir")).expect("directory");
    fs::write(bench.path("dir/notes.txt"), "nothing here").expect("file");
    let cases = [
        (bench.path("missing.redb"), "missing.redb"),
        (bench.path("dir"), "notes.txt"),
        (bench.file("empty", b""), "empty"),
        (bench.file("zeros", &[0; 8192]), "zeros"),
        (bench.file("text", b"to whom it may concern\n"), "text"),
        (bench.file("short", b"redb"), "short"),
        (bench.copy("redb-schema", "not-raft"), "table users"),
        (bench.copy("redb-empty", "no-tables"), "table"),
    ];
    for (path, says) in cases {
        judge(&bench, &path, [10, 10, 10], says);
    }
}

#[test]
fn a_damaged_magic_number_is_damage_where_the_commit_slots_still_prove_the_format() {
    let bench = Bench::new();
    let path = bench.copy("redb-damaged", "dmg-magic");
    judge(&bench, &path, [1, 1, 1], "magic number");
}

#[test]
fn versions_that_are_not_read_are_unsupported_and_not_called_corrupt() {
    let bench = Bench::new();
    let format_1 = bench.copy("redb-basic", "format-v1");
    judge(&bench, &format_1, [15, 15, 15], "format 1");
    let (_, _, err) = told(&raftlog([Path::new("inspect"), &format_1]));
    assert!(!err.contains("corrupt"), "{err}");
    assert!(err.contains("hint: "), "the way to upgrade is named: {err}");
}

#[test]
fn logical_damage_is_named_by_its_rule() {
    let cases = [
        ("bad-entry", [1, 1, 1], "R122"),
        ("key-differs", [1, 1, 1], "R120"),
        ("term-down", [0, 1, 1], "R102"),
        ("term-future", [0, 1, 1], "R106"),
        ("conf-short", [1, 1, 1], "R125"),
        ("conf-little", [1, 1, 1], "R125"),
        ("index-zero", [0, 1, 3], "R127"),
        ("tail-bytes", [3, 3, 3], "R124"),
        ("holes", [0, 1, 12], "hole"),
    ];
    for (name, codes, says) in cases {
        let bench = Bench::new();
        let path = bench.copy("redb-logical", name);
        judge(&bench, &path, codes, says);
    }
}

#[test]
fn truncated_redb_files_are_refused_or_found_damaged() {
    let whole = fs::read(redb("redb-twins", "twin-golib-bolt2-novote")).expect("fixture");
    for length in [1, 9, 63, 320, 4095, 4096, 8192, whole.len() / 2, whole.len() - 1] {
        let bench = Bench::new();
        let path = bench.file("cut.redb", &whole[..length]);
        let before = bench.snapshot();
        for command in ["inspect", "verify"] {
            let (code, out, err) = told(&raftlog([Path::new(command), &path]));
            assert!(matches!(code, 1 | 10 | 15), "{command} of {length}: {code}\n{out}\n{err}");
            assert!(!err.contains("panicked"), "{err}");
        }
        let target = bench.path("t");
        let (code, out, err) = told(&raftlog([
            Path::new("migrate"),
            &path,
            &target,
            Path::new("--to"),
            Path::new("fastlog"),
        ]));
        assert!(matches!(code, 1 | 10 | 15), "migrate of {length}: {code}\n{out}\n{err}");
        assert_eq!(bench.snapshot(), before);
    }
}

#[test]
fn no_flipped_bit_of_a_value_goes_unnoticed() {
    let bench = Bench::new();
    let path = bench.copy("redb-basic", "synth");
    let mut bytes = fs::read(&path).expect("copy");
    let at = 135_168 + 3_000;
    bytes[at] ^= 0x10;
    fs::write(&path, &bytes).expect("flip");
    judge(&bench, &path, [1, 1, 1], "R119");
    let (_, out, _) = told(&raftlog([Path::new("verify"), &path]));
    assert!(out.contains("135,168") || out.contains("135168"), "the page is named: {out}");
}

fn as_nobody(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", program]);
    command
}

#[test]
fn a_file_that_may_not_be_read_is_an_io_error() {
    let bench = Bench::new();
    let path = bench.copy("redb-basic", "compacted");
    fs::set_permissions(bench.dir.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("mode");
    // A private copy of the binary, so that another user can reach it.
    let binary = bench.path("raftlog");
    fs::copy(env!("CARGO_BIN_EXE_raftlog"), &binary).expect("copy");
    let is_root = fs::read(&path).is_ok();
    let mut command =
        if is_root { as_nobody(&binary.to_string_lossy()) } else { Command::new(&binary) };
    match command.arg("inspect").arg(&path).output() {
        Ok(output) => {
            let (code, out, err) = told(&output);
            assert_eq!(code, 14, "{out}\n{err}");
            assert!(out.is_empty() && err.contains("compacted.redb"), "{err}");
            assert!(err.to_lowercase().contains("permission denied"), "{err}");
        }
        Err(error) => println!("skipped: no setpriv to give up root with ({error})"),
    }
}

#[test]
fn a_full_disk_leaves_nothing_and_exits_14() {
    for to in ["fastlog", "redb"] {
        let bench = Bench::new();
        let source = bench.copy("redb-basic", "synth");
        let target = bench.path("target");
        let before = bench.snapshot();
        // A limit on file sizes fails like a full disk does, in the middle of a write.
        let script = format!(
            "trap '' XFSZ; ulimit -f 64; exec {} migrate {} {} --to {to}",
            env!("CARGO_BIN_EXE_raftlog"),
            source.display(),
            target.display()
        );
        let output = Command::new("sh").args(["-c", &script]).output().expect("sh");
        let (code, out, err) = told(&output);
        assert_eq!(code, 14, "{out}\n{err}");
        assert!(err.starts_with("error: "), "{err}");
        assert_eq!(bench.snapshot(), before, "{err}");
    }
}

#[test]
fn targets_that_would_overwrite_or_overlap_are_refused() {
    let bench = Bench::new();
    let source = bench.copy("redb-basic", "compacted");
    let full = bench.path("full");
    fs::create_dir(&full).expect("directory");
    fs::write(full.join("precious"), "data").expect("file");
    let taken = bench.file("taken.redb", b"precious");
    let cases = [
        (full.as_path(), "fastlog", 12),
        (taken.as_path(), "redb", 12),
        (taken.as_path(), "fastlog", 12),
        (&bench.path("no/such/dir/target"), "fastlog", 10),
        (source.as_path(), "redb", 12),
        (bench.dir.path(), "fastlog", 12),
    ];
    let before = bench.snapshot();
    for (target, to, expected) in cases {
        let arguments = [Path::new("migrate"), &source, target, Path::new("--to"), Path::new(to)];
        let (code, out, err) = told(&raftlog(arguments));
        assert_eq!(code, expected, "{target:?}\n{out}\n{err}");
        assert!(err.starts_with("error: "), "{err}");
        assert_eq!(bench.snapshot(), before, "{target:?}");
    }
}

#[test]
fn a_target_inside_its_own_source_is_refused() {
    let bench = Bench::new();
    let redb = bench.copy("redb-basic", "compacted");
    let source = bench.path("source.fastlog");
    let made = raftlog([Path::new("migrate"), &redb, &source, "--to".as_ref(), "fastlog".as_ref()]);
    assert_eq!(told(&made).0, 0, "{:?}", told(&made));
    let before = bench.snapshot();
    let inside = source.join("inside.redb");
    let output =
        raftlog([Path::new("migrate"), &source, &inside, "--to".as_ref(), "redb".as_ref()]);
    assert_eq!(told(&output).0, 12, "{:?}", told(&output));
    let archive = source.join("backup.tar.gz");
    let output = raftlog([Path::new("backup"), &source, &archive]);
    assert_eq!(told(&output).0, 12, "{:?}", told(&output));
    assert_eq!(bench.snapshot(), before);
}
