//! What procfs says of processes and of the machine, nothing where there is no procfs; and what the
//! system says of an output.
#![allow(clippy::disallowed_methods, reason = "this room is where the system is reached")]

use std::fs;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The most memory that a running process has had resident, in bytes.
pub fn peak_memory_bytes(pid: u32) -> Option<u64> {
    kib_line(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// The machine's memory, in bytes.
pub fn memory_bytes() -> Option<u64> {
    kib_line("/proc/meminfo", "MemTotal:")
}

/// What the first processor calls itself.
pub fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Whether this process was started with `signal` ignored, as `nohup` does; `None` where that
/// cannot be known.
pub fn ignores_signal(signal: i32) -> Option<bool> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("SigIgn:"))?;
    let ignored = u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok()?;
    let bit = u32::try_from(signal).ok()?.checked_sub(1)?;
    Some(ignored.checked_shr(bit)? & 1 == 1)
}

/// Whether `output` is a pipe or a socket whose reader has left; asked without writing to it.
pub fn reader_has_left(output: impl AsFd) -> bool {
    let mut asked = [PollFd::new(&output, PollFlags::empty())];
    let left = PollFlags::ERR | PollFlags::HUP;
    let told = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    told.is_ok() && asked.iter().any(|one| one.revents().intersects(left))
}

/// A line of procfs that gives an amount in KiB, in bytes.
fn kib_line(path: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_leaves_is_noticed_without_a_write() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        assert!(!reader_has_left(&writer));
        drop(reader);
        assert!(reader_has_left(&writer));
        assert!(!reader_has_left(fs::File::open("/proc/self/status").expect("a file")));
    }

    #[test]
    fn procfs_tells_of_this_process_and_this_machine() {
        let peak = peak_memory_bytes(std::process::id()).expect("a process that runs");
        let memory = memory_bytes().expect("a machine");
        assert!(peak > 0 && peak < memory, "{peak} of {memory}");
        assert_eq!(kib_line("/proc/meminfo", "NoSuchLine:"), None);
    }
}
