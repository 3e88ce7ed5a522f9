//! Which processes have a file open for writing, asked from procfs.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::lock::process_name;
use crate::vfs::{Holder, Writers};

/// Bits of a descriptor's flags that say whether it may write.
const ACCESS_MODE: u32 = 0o3;

/// Another process that has the file at `path` open for writing.
///
/// # Errors
/// When the file itself cannot be looked at.
pub(super) fn of(path: &Path) -> io::Result<Writers> {
    let wanted = fs::metadata(path)?;
    let Ok(processes) = fs::read_dir("/proc") else { return Ok(Writers::Unknown) };
    let (mut hidden, mut looked_at) = (0, 0u64);
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        if pid == std::process::id() {
            continue;
        }
        match fs::read_dir(process.path().join("fd")) {
            Ok(descriptors) => {
                looked_at += 1;
                if descriptors.flatten().any(|one| writes(&process.path(), &one, &wanted)) {
                    return Ok(Writers::Seen(Holder { pid: Some(pid), name: process_name(pid) }));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => hidden += 1,
            // It ended meanwhile.
            Err(_) => {}
        }
    }
    Ok(match looked_at + hidden {
        0 => Writers::Unknown,
        _ => Writers::NoneSeen { hidden },
    })
}

/// Whether a descriptor of a process stands for the file and may write to it.
fn writes(process: &Path, descriptor: &fs::DirEntry, wanted: &fs::Metadata) -> bool {
    let Ok(found) = fs::metadata(descriptor.path()) else { return false };
    if (found.dev(), found.ino()) != (wanted.dev(), wanted.ino()) {
        return false;
    }
    let about = process.join("fdinfo").join(descriptor.file_name());
    // Where the system does not say how it is open, writing is assumed.
    fs::read_to_string(about).map_or(true, |text| may_write(&text))
}

/// Whether the text of `fdinfo`, with a line `flags: 0100002` in octal digits, is of a descriptor
/// that may write.
fn may_write(about: &str) -> bool {
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok());
    flags.is_none_or(|flags| flags & ACCESS_MODE != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_descriptors_that_may_write_count() {
        assert!(!may_write("pos:\t0\nflags:\t0100000\nmnt_id:\t29\n"));
        assert!(may_write("pos:\t0\nflags:\t0100001\n"));
        assert!(may_write("pos:\t0\nflags:\t02100002\nmnt_id:\t29\n"));
        assert!(may_write("nothing that we know"));
    }

    #[test]
    fn our_own_descriptors_are_not_another_process() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("log");
        let _own = fs::File::create(&path).expect("file");
        assert!(!matches!(of(&path), Ok(Writers::Seen(_))));
        assert!(of(&dir.path().join("none")).is_err());
    }
}
