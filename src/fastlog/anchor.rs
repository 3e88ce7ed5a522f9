//! The anchor file: two slots, of which the newer one holds.

use std::sync::Arc;

use crate::fastlog::Error;
use crate::fastlog::fault::{newer_error, sector_fault};
use crate::fastlog::format::{ANCHOR_FILE_BYTES, Anchor, PAGE_BYTES, SECTOR_BYTES, SectorError};
use crate::fastlog::planted::{Bug, planted};
use crate::fastlog::segment::{Files, NamedFile};
use crate::model::{Code, Fault, FaultKind, IoError};
use crate::vfs::OpenMode;

/// Both slots, as they were read.
pub(super) struct AnchorSlots {
    pub(super) file: NamedFile,
    slots: [Result<Anchor, SectorError>; 2],
}

impl AnchorSlots {
    /// Reads the anchor file; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is of another version of the format.
    pub(super) fn read(files: &Files, mode: OpenMode) -> Result<Option<AnchorSlots>, Error> {
        let path = files.anchor_path();
        let file = match files.open(&path, mode) {
            Ok(file) => file,
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Self::of(file).map(Some)
    }

    fn of(file: NamedFile) -> Result<AnchorSlots, Error> {
        let slots =
            [Anchor::decode(&file.sector(0)?, 0), Anchor::decode(&file.sector(PAGE_BYTES)?, 1)];
        for slot in &slots {
            if let Err(SectorError::Version(version)) = slot {
                return Err(newer_error(&file.path, "format version", u64::from(*version)));
            }
        }
        Ok(AnchorSlots { file, slots })
    }

    /// Reads the slots again, now that nobody else can write them.
    pub(super) fn again(self) -> Result<AnchorSlots, Error> {
        Self::of(self.file)
    }

    /// The slots that verify.
    pub(super) fn sound(&self) -> impl Iterator<Item = &Anchor> {
        self.slots.iter().flatten()
    }

    /// Both slots with their offsets, in bytes.
    pub(super) fn each(&self) -> impl Iterator<Item = (u64, &Result<Anchor, SectorError>)> {
        [0, PAGE_BYTES].into_iter().zip(&self.slots)
    }

    /// The slot that holds.
    pub(super) fn newest(&self) -> Option<&Anchor> {
        self.sound().max_by_key(|anchor| anchor.counter)
    }

    /// Whether one slot was never written: a creation writes only the other.
    pub(super) fn one_is_blank(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Err(SectorError::Blank)))
    }

    /// A fault for each slot that holds something that does not verify.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (offset, slot) in self.each() {
            if let Err(error) = slot
                && *error != SectorError::Blank
            {
                let place = self.file.place(offset, SECTOR_BYTES as u64);
                faults
                    .push(Fault::new(Code::R116, sector_fault("an anchor slot", error)).at(place));
            }
        }
        faults
    }

    /// The fault of an anchor that holds nothing.
    pub(super) fn lost(&self) -> Fault {
        let kind = match &self.slots {
            [Err(error), _] => sector_fault("the anchor", error),
            _ => FaultKind::Missing { what: "anchor", name: "a sound slot".to_owned() },
        };
        Fault::new(Code::R116, kind).at(self.file.place(0, ANCHOR_FILE_BYTES))
    }
}

/// The anchor file of a log that is written.
pub(super) struct AnchorFile {
    file: Arc<NamedFile>,
    current: Anchor,
    durable: bool,
}

impl AnchorFile {
    /// The file with what it says now, which may be in memory only: the process that wrote it may
    /// have ended before it was synced.
    pub(super) fn new(file: NamedFile, current: Anchor) -> AnchorFile {
        AnchorFile { file: Arc::new(file), current, durable: false }
    }

    /// Whether what the file says now is known to be durable.
    pub(super) fn is_durable(&self) -> bool {
        self.durable
    }

    pub(super) fn current(&self) -> &Anchor {
        &self.current
    }

    /// Writes the slot that does not hold, and syncs it; `change` sees what holds now.
    pub(super) fn update(&mut self, change: impl FnOnce(&mut Anchor)) -> Result<(), IoError> {
        self.write(change)?;
        self.file.sync()?;
        self.durable = true;
        Ok(())
    }

    /// As [`AnchorFile::update`] without the sync.
    pub(super) fn write(&mut self, change: impl FnOnce(&mut Anchor)) -> Result<(), IoError> {
        let mut next = self.current.clone();
        change(&mut next);
        let step = if planted(Bug::OneSlot) { 2 } else { 1 };
        next.counter = self.current.counter.saturating_add(step);
        self.durable = false;
        self.file.write(next.offset(), &next.encode())?;
        self.current = next;
        Ok(())
    }

    /// Size of the file, in bytes.
    pub(super) fn size(&self) -> Result<u64, IoError> {
        self.file.size()
    }
}
