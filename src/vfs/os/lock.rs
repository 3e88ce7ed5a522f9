use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use super::file::{open_for_reading, open_for_writing};
use crate::vfs::{Held, Holder, LockError, LockMode, LockState};

/// A flock; closing the descriptor releases it.
struct OsLock(#[allow(dead_code)] File);

impl Held for OsLock {}

pub(super) fn lock(path: &Path, mode: LockMode) -> Result<Box<dyn Held>, LockError> {
    let file = open_for_reading(path).map_err(LockError::Io)?;
    let answer = match mode {
        LockMode::Shared => file.try_lock_shared(),
        LockMode::Exclusive => file.try_lock(),
    };
    match answer {
        Ok(()) => Ok(Box::new(OsLock(file))),
        Err(TryLockError::WouldBlock) => Err(LockError::Held(holder(&file, mode))),
        Err(TryLockError::Error(error))
            if mode == LockMode::Exclusive
                && error.raw_os_error() == Some(Errno::BADF.raw_os_error()) =>
        {
            // Network file systems lock exclusively only what is open for writing.
            lock_writable(path)
        }
        Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
    }
}

fn lock_writable(path: &Path) -> Result<Box<dyn Held>, LockError> {
    let file = open_for_writing(path).map_err(LockError::Io)?;
    match file.try_lock() {
        Ok(()) => Ok(Box::new(OsLock(file))),
        Err(TryLockError::WouldBlock) => Err(LockError::Held(holder(&file, LockMode::Exclusive))),
        Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
    }
}

/// Whether anybody holds a lock that excludes a reader.
///
/// Two kinds are asked for, each by taking a shared lock on a read-only descriptor of our own and
/// giving it back at once: `flock`, and a range lock over the whole file. The latter is a lock of
/// our process, which the system compares with the locks of other processes and with those of
/// descriptors (OFD locks), ours included. A file system without one of the two kinds
/// holds no such lock.
pub(super) fn probe(path: &Path) -> io::Result<LockState> {
    let file = open_for_reading(path)?;
    match file.try_lock_shared() {
        Ok(()) => file.unlock()?,
        Err(TryLockError::WouldBlock) => {
            return Ok(LockState::Held(holder(&file, LockMode::Shared)));
        }
        Err(TryLockError::Error(error)) if lacks_locks(&error) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    match fcntl_lock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => fcntl_lock(&file, FlockOperation::NonBlockingUnlock)?,
        Err(Errno::AGAIN | Errno::ACCESS) => {
            return Ok(LockState::Held(holder(&file, LockMode::Shared)));
        }
        Err(errno) => {
            let error = io::Error::from(errno);
            if !lacks_locks(&error) {
                return Err(error);
            }
        }
    }
    Ok(LockState::Free)
}

fn lacks_locks(error: &io::Error) -> bool {
    let lacking = [Errno::OPNOTSUPP, Errno::NOSYS, Errno::NOLCK, Errno::INVAL];
    lacking.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Who holds a lock that keeps us from taking one of `mode`; empty where procfs does not tell.
fn holder(file: &File, mode: LockMode) -> Holder {
    let Ok(found) = file.metadata() else { return Holder::default() };
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    let device = found.dev();
    let wanted = format!(
        "{:02x}:{:02x}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device),
        found.ino()
    );
    let named = pids_in_lock_table(&table, &wanted, mode)
        .find_map(|pid| process_name(pid).map(|name| (pid, name)));
    if let Some((pid, name)) = named {
        return Holder { pid: Some(pid), name: Some(name) };
    }
    // Locks of descriptors have no process; and on some file systems the table shows another
    // device than the file does.
    match process_with_descriptor(&found) {
        Some(pid) => Holder { pid: Some(pid), name: process_name(pid) },
        None => Holder::default(),
    }
}

/// Process ids in the text of `/proc/locks` that hold a lock on `wanted` against `mode`.
///
/// A line is `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`; waiters have `->` after the number.
fn pids_in_lock_table<'t>(
    table: &'t str,
    wanted: &'t str,
    mode: LockMode,
) -> impl Iterator<Item = u32> + 't {
    table.lines().filter_map(move |line| {
        let mut fields = line.split_whitespace().skip(1);
        let kind = fields.next()?;
        let (_advisory, access) = (fields.next()?, fields.next()?);
        let (pid, file) = (fields.next()?, fields.next()?);
        let excludes = access == "WRITE" || mode == LockMode::Exclusive;
        let is_lock = matches!(kind, "FLOCK" | "POSIX" | "OFDLCK");
        if is_lock && excludes && file == wanted { pid.parse().ok() } else { None }
    })
}

/// The name of a process, while it lives.
pub(super) fn process_name(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// Another process that has the file open, if possible through a descriptor that carries a lock.
fn process_with_descriptor(wanted: &fs::Metadata) -> Option<u32> {
    let mut has_it_open = None;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        if pid == std::process::id() {
            continue;
        }
        // Processes of other users keep their descriptors to themselves.
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            let Ok(found) = fs::metadata(descriptor.path()) else { continue };
            if (found.dev(), found.ino()) != (wanted.dev(), wanted.ino()) {
                continue;
            }
            let about = process.path().join("fdinfo").join(descriptor.file_name());
            if fs::read_to_string(about).is_ok_and(|text| text.contains("lock:")) {
                return Some(pid);
            }
            has_it_open = has_it_open.or(Some(pid));
        }
    }
    has_it_open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_table_names_who_excludes_us_and_nobody_else() {
        let table = "\
1: FLOCK  ADVISORY  WRITE 100 08:01:77 0 EOF
1: -> FLOCK  ADVISORY  WRITE 101 08:01:77 0 EOF
2: FLOCK  ADVISORY  READ  102 08:01:77 0 EOF
3: OFDLCK ADVISORY  WRITE -1 08:01:77 0 EOF
4: POSIX  ADVISORY  WRITE 103 08:02:77 0 EOF
5: LEASE  ACTIVE    READ  104 08:01:77 0 EOF
6: POSIX  ADVISORY  WRITE 105 08:01:77 128 128
garbage
";
        let pids = |mode| pids_in_lock_table(table, "08:01:77", mode).collect::<Vec<_>>();
        assert_eq!(pids(LockMode::Shared), [100, 105]);
        assert_eq!(pids(LockMode::Exclusive), [100, 102, 105]);
    }
}
