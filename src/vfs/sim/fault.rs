use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::{CallNo, Disk};
use super::file::FileNode;
use super::page::{PAGE_BYTES, PageNo, SECTOR_BYTES, page_of, zero_page};

const EIO: i32 = 5;

/// What the system says when it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The device failed.
    Eio,
    /// The disk is full.
    Enospc,
}

impl Refusal {
    /// The error that callers get.
    pub fn error(self) -> io::Error {
        match self {
            Refusal::Eio => io::Error::from_raw_os_error(EIO),
            Refusal::Enospc => io::ErrorKind::StorageFull.into(),
        }
    }
}

/// What goes wrong in one mutating call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A sync of a file fails with EIO. Its pages turn clean and never reach the disk, unless they
    /// are written again; a later sync returns Ok. Sizes stay pending. Other calls pass.
    SyncFails {
        /// Whether a later read gives what is on the disk rather than what was written.
        read_old: bool,
    },
    /// A write fails after its first bytes. Other calls pass.
    WriteFails {
        /// What the system says.
        refusal: Refusal,
        /// How many bytes were written before.
        written_bytes: u64,
    },
    /// The call fails, whatever it is: a sync of a file as [`Fault::SyncFails`], all else without
    /// any effect.
    Fails(Refusal),
}

/// Number of a read, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadNo(pub u64);

/// Which calls fail, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    calls: BTreeMap<CallNo, Fault>,
    reads: BTreeSet<ReadNo>,
}

impl FaultPlan {
    /// A plan in which nothing fails.
    pub fn new() -> FaultPlan {
        FaultPlan::default()
    }

    /// The same, and mutating call `call` fails.
    pub fn at(mut self, call: CallNo, fault: Fault) -> FaultPlan {
        self.calls.insert(call, fault);
        self
    }

    /// The same, and read `read` fails with EIO.
    pub fn at_read(mut self, read: ReadNo) -> FaultPlan {
        self.reads.insert(read);
        self
    }

    pub(super) fn of_call(&self, call: CallNo) -> Option<Fault> {
        self.calls.get(&call).copied()
    }

    pub(super) fn of_read(&self, read: ReadNo) -> bool {
        self.reads.contains(&read)
    }
}

/// What a device does to data at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A bit changes.
    FlippedBit {
        /// Byte of the file.
        offset_bytes: u64,
        /// Bit of the byte, 0 to 7.
        bit: u8,
    },
    /// A sector of 512 bytes reads as zeros.
    ZeroedSector {
        /// Sector of the file, from 0.
        sector: u64,
    },
    /// A page of 4096 bytes reads as zeros.
    ZeroedPage {
        /// Page of the file, from 0.
        page: u64,
    },
    /// A page holds something else: another place's content, or what it held long ago.
    ForeignPage {
        /// Page of the file, from 0.
        page: u64,
        /// What it holds, 4096 bytes at most; zeros behind.
        bytes: Vec<u8>,
    },
    /// The file ends earlier.
    Shortened {
        /// Its size now.
        size_bytes: u64,
    },
    /// The file is not there.
    Missing,
}

impl Disk {
    /// This disk with `damage` to the file at `path`; what was pending for the file is durable.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn damaged(&self, path: &Path, damage: &Damage) -> io::Result<Disk> {
        let mut disk = self.clone();
        let ino = disk.find(path)?;
        let file = disk.file(ino)?;
        let mut content = (*file.current).clone();
        match damage {
            Damage::FlippedBit { offset_bytes, bit } => {
                let no = PageNo::holding(*offset_bytes);
                let mut bytes = *content.pages.get_or_zero(no).bytes();
                if let Some(byte) = bytes.get_mut(no.bytes_before(*offset_bytes)) {
                    *byte ^= 1 << (bit & 7);
                }
                content.pages.put(no, page_of(bytes));
            }
            Damage::ZeroedSector { sector } => {
                let start = sector.saturating_mul(SECTOR_BYTES as u64);
                let no = PageNo::holding(start);
                let skip = no.bytes_before(start);
                let mut bytes = *content.pages.get_or_zero(no).bytes();
                if let Some(sector) = bytes.get_mut(skip..skip + SECTOR_BYTES) {
                    sector.fill(0);
                }
                content.pages.put(no, page_of(bytes));
            }
            Damage::ZeroedPage { page } => content.pages.put(PageNo(*page), zero_page()),
            Damage::ForeignPage { page, bytes } => {
                let mut whole = [0; PAGE_BYTES];
                for (into, from) in whole.iter_mut().zip(bytes) {
                    *into = *from;
                }
                content.pages.put(PageNo(*page), page_of(whole));
            }
            Damage::Shortened { size_bytes } => {
                content.size_bytes = content.size_bytes.min(*size_bytes);
            }
            Damage::Missing => {
                disk.remove(path)?;
                disk.make_names_durable()?;
                return Ok(disk);
            }
        }
        // Bytes behind the end stay zeros, whatever the damage says.
        content.pages.cut(content.size_bytes);
        let at_rest = FileNode::at_rest(Arc::new(content), file.attributes);
        disk.replace_file(ino, at_rest)?;
        Ok(disk)
    }
}
