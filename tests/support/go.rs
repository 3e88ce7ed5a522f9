//! The Go programs of `tests/interop/` and `tests/interop-etcd/`, which open files with the
//! libraries that own their format.
//!
//! They need Go and the modules of their `go.sum`; without them a test says so and passes. etcd's
//! is a module of its own, so that the versions that its packages ask for bind nobody else.
#![allow(clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use super::{raftlog, told};

/// The Go program, built once; `None` where that is not possible.
pub fn interop() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    once(&BUILT, "interop")
}

/// The Go program with etcd's own packages.
pub fn interop_etcd() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    once(&BUILT, "interop-etcd")
}

fn once(built: &'static OnceLock<Option<PathBuf>>, name: &str) -> Option<&'static Path> {
    let built = built.get_or_init(|| build(name));
    if built.is_none() {
        eprintln!("skipped: no Go, or its modules are not there");
    }
    built.as_deref()
}

fn build(name: &str) -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let built = Command::new("go")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-o"])
        .args([program.as_path(), Path::new(".")])
        .current_dir(source)
        // A test reaches for no network: the modules are there, or it is skipped.
        .env("GOPROXY", "off")
        .env("GOFLAGS", "")
        .output();
    match built {
        Ok(output) if output.status.success() => Some(program),
        _ => None,
    }
}

/// Runs the Go program.
pub fn go(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().expect("the program runs")
}

/// What the Go program prints; it must succeed.
pub fn done(program: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = told(&go(program, arguments));
    assert_eq!(code, 0, "{arguments:?}: {err}");
    out
}

/// The lines that the library of `version` dumps of a file, of which it gets a copy.
pub fn lines_of(program: &Path, version: &str, form: &str, path: &Path) -> Vec<Value> {
    let out = done(program, &["dump", version, form, text(&copied(path, "read"))]);
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What raftlog prints; it must succeed.
pub fn raftlog_done(arguments: &[&str]) -> String {
    let (code, out, err) = told(&raftlog(arguments));
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A copy beside a file, for a program that changes what it opens.
pub fn copied(path: &Path, name: &str) -> PathBuf {
    let copy = path.with_extension(name);
    std::fs::copy(path, &copy).expect("copy");
    copy
}
