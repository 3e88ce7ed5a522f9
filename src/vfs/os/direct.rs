//! Writing past the system's cache: what a call wrote is on the disk when it returns. The system
//! wants whole pages, at addresses and offsets of whole pages; what a page holds beside the new
//! bytes is written again as it is.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

/// What the system wants everything to be a multiple of.
const PAGE: usize = 4096;

/// A second way into an open file.
pub(super) struct Direct {
    file: File,
    room: Mutex<Room>,
}

/// Memory that writes are put together in.
struct Room {
    memory: Vec<u8>,
    /// The last page that was written, by its offset, and what it holds.
    last: Option<(u64, Box<[u8]>)>,
    /// How long the file is known to be at least. Asking each time would be dear: whoever asks
    /// makes the system write down the exact time of the next write.
    len: u64,
}

impl Direct {
    /// Opens the file once more; fails where the file system does not do it.
    pub(super) fn open(cached: &File) -> io::Result<Direct> {
        let flags = OFlags::DIRECT | OFlags::DSYNC | OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(flags.bits().cast_signed());
        let room = Mutex::new(Room { memory: Vec::new(), last: None, len: 0 });
        // Not by its name, which may be that of another file by now.
        let file = options.open(format!("/proc/self/fd/{}", cached.as_raw_fd()))?;
        Ok(Direct { file, room })
    }

    /// Forgets what the last page holds, as somebody wrote to the file in another way.
    pub(super) fn forget(&self) {
        self.room.lock().unwrap_or_else(PoisonError::into_inner).last = None;
    }

    /// Forgets how long the file is, as somebody made it shorter.
    pub(super) fn forget_len(&self) {
        self.room.lock().unwrap_or_else(PoisonError::into_inner).len = 0;
    }

    /// Writes `bytes`; `Unsupported`, with nothing done, where the pages reach behind the end of
    /// the file. What they hold beside the new bytes is read from `cached`, which is the same file.
    pub(super) fn write(&self, cached: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let page = PAGE as u64;
        let first = offset - offset % page;
        let end = offset.checked_add(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        let behind = end.next_multiple_of(page);
        if behind > room.len {
            room.len = cached.metadata()?.len();
        }
        if behind > room.len {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let len = usize::try_from(behind - first).map_err(io::Error::other)?;
        let skip = usize::try_from(offset - first).map_err(io::Error::other)?;
        let last = room.last.take();
        let Room { memory, last: kept, .. } = &mut *room;
        let pages = aligned(memory, len)?;
        // The first page, where it does not begin with new bytes, and the last one.
        let ends = [(skip > 0).then_some(first), (end < behind).then_some(behind - page)];
        for at in ends.into_iter().flatten() {
            let from = usize::try_from(at - first).map_err(io::Error::other)?;
            let room = pages.get_mut(from..from + PAGE).unwrap_or_default();
            match &last {
                Some((known, held)) if *known == at => room.copy_from_slice(held),
                _ => cached.read_exact_at(room, at)?,
            }
        }
        pages.get_mut(skip..skip + bytes.len()).unwrap_or_default().copy_from_slice(bytes);
        self.file.write_all_at(pages, first)?;
        let held = pages.get(len - PAGE..).unwrap_or_default();
        *kept = Some((behind - page, Box::from(held)));
        Ok(())
    }
}

/// `len` bytes of `memory` that begin at the address of a page.
fn aligned(memory: &mut Vec<u8>, len: usize) -> io::Result<&mut [u8]> {
    if memory.len() < len + PAGE {
        memory.resize(len + PAGE, 0);
    }
    let skip = memory.as_ptr().align_offset(PAGE);
    memory.get_mut(skip..skip.saturating_add(len)).ok_or(io::ErrorKind::OutOfMemory.into())
}
