use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, RenameFlags, Timespec, Timestamps, UTIME_OMIT, renameat_with};
use rustix::io::Errno;
use walkdir::WalkDir;

use crate::vfs::{FileKind, Metadata, too_many_names};

const NS_PER_SECOND: i128 = 1_000_000_000;

pub(super) fn metadata(found: &fs::Metadata) -> Metadata {
    let kind = found.file_type();
    let kind = if kind.is_file() {
        FileKind::File
    } else if kind.is_dir() {
        FileKind::Dir
    } else if kind.is_symlink() {
        FileKind::Link
    } else {
        FileKind::Other
    };
    Metadata {
        kind,
        size_bytes: if kind == FileKind::File { found.len() } else { 0 },
        mode: found.mode() & 0o7777,
        modified_unix_ns: i128::from(found.mtime()) * NS_PER_SECOND
            + i128::from(found.mtime_nsec()),
        identity: (found.dev(), found.ino()),
    }
}

pub(super) fn walk(dir: &Path, limit: usize) -> io::Result<Vec<(PathBuf, Metadata)>> {
    if !fs::metadata(dir)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let mut names = Vec::new();
    // Sorted at the end and not by the walker, which would first take in a whole directory,
    // however large. By components, so that parents come before children.
    for name in WalkDir::new(dir).min_depth(1).follow_links(false).same_file_system(true) {
        let name = name.map_err(io::Error::from)?;
        if names.len() == limit {
            return Err(too_many_names(dir, limit));
        }
        let found = name.metadata().map_err(io::Error::from)?;
        names.push((name.into_path(), metadata(&found)));
    }
    names.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(names)
}

pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        answer => return Ok(answer?),
    }
    rename_new_in_two_steps(from, to)
}

/// For file systems that cannot refuse to replace: a second name for a file fails if it exists;
/// for a directory all that is left is to look first.
fn rename_new_in_two_steps(from: &Path, to: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(from)?.is_dir() {
        match fs::hard_link(from, to) {
            Ok(()) => return fs::remove_file(from),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
    }
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
        Err(error) => Err(error),
    }
}

pub(super) fn set_attributes(path: &Path, mode: u32, modified_unix_ns: i128) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))?;
    let out_of_range = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let last_modification = Timespec {
        tv_sec: modified_unix_ns.div_euclid(NS_PER_SECOND).try_into().map_err(out_of_range)?,
        tv_nsec: modified_unix_ns.rem_euclid(NS_PER_SECOND).try_into().map_err(out_of_range)?,
    };
    let times =
        Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::empty())?)
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    // A working directory is the empty path to `Path::parent`, and "." to the system.
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    if !fs::metadata(dir)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    match File::open(dir)?.sync_all() {
        // Some network file systems have nothing to sync in a directory and say so this way.
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renaming_in_two_steps_replaces_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        fs::write(path("a"), b"a").expect("written");
        fs::write(path("b"), b"b").expect("written");
        fs::create_dir(path("d")).expect("created");
        fs::create_dir(path("e")).expect("created");
        for (from, to) in [("a", "b"), ("a", "d"), ("d", "e"), ("d", "a")] {
            let error = rename_new_in_two_steps(&path(from), &path(to)).expect_err("exists");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{from} to {to}");
        }
        rename_new_in_two_steps(&path("a"), &path("c")).expect("renamed");
        rename_new_in_two_steps(&path("d"), &path("f")).expect("renamed");
        assert_eq!(fs::read(path("c")).expect("there"), b"a");
        assert!(!path("a").exists() && path("f").is_dir() && !path("d").exists());
    }
}
