//! Following the frames of a segment, batch by batch, and proving each batch.

use crate::bytes::crc32c_resumed;
use crate::model::{Code, Fault, FaultKind, GroupId, Place};
use crate::store::StoreError;
use crate::store::raft_wal::format::{FRAME_BYTES, FrameHead, HEADER_BYTES};
use crate::store::raft_wal::window::{KEPT_BYTES, SegmentFile, Window};

/// An entry's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryFrame {
    /// Which of the file's entries it is, from 0.
    pub ordinal: u64,
    /// Where its payload begins.
    pub payload_at: u64,
    /// Bytes of its payload.
    pub payload_bytes: u32,
    /// From where on bytes stay at hand while the batch is followed.
    pub keep: u64,
}

impl EntryFrame {
    /// Where it lies.
    pub fn place(&self, file: &SegmentFile) -> Place {
        let offset = self.payload_at.saturating_sub(FRAME_BYTES);
        file.place(offset, FRAME_BYTES.saturating_add(self.payload_bytes.into()))
    }
}

/// The payload of an index frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexFrame {
    /// Where it begins.
    pub at: u64,
    /// Its bytes.
    pub len_bytes: u32,
}

/// Frames up to and with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where the checksum begins to cover: behind the commit before, or at the beginning.
    pub start: u64,
    /// Where its commit lies.
    pub commit_at: u64,
    /// Number of entries in the file before it.
    pub first: u64,
    /// Number of its entries.
    pub entries: u64,
    /// The index that seals the segment, where it has one.
    pub index: Option<IndexFrame>,
    /// The checksum in the commit.
    pub stored: u32,
    /// The checksum over the bytes.
    pub found: u32,
}

impl Batch {
    /// Whether its bytes are what was committed.
    pub fn is_sound(&self) -> bool {
        self.stored == self.found
    }

    /// Where the next batch begins.
    pub fn end(&self) -> u64 {
        self.commit_at.saturating_add(FRAME_BYTES)
    }

    /// Where its first frame lies.
    pub fn frames_at(&self) -> u64 {
        self.start.max(HEADER_BYTES)
    }

    /// Where it lies.
    pub fn place(&self, file: &SegmentFile) -> Place {
        file.place(self.start, self.end().saturating_sub(self.start))
    }

    /// That its checksum does not fit (R115).
    pub fn fault(&self, file: &SegmentFile) -> Fault {
        let kind = FaultKind::Checksum {
            what: "a batch",
            expected: format!("{:08x}", self.stored),
            found: format!("{:08x}", self.found),
        };
        Fault::new(Code::R115, kind).at(self.place(file)).in_group(&GroupId::Unnamed)
    }
}

/// Why no further batch follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing was written here: zeros, or the file ends.
    Unwritten,
    /// The type of a frame that no frame has.
    Odd(u8),
    /// A frame that would end behind the file, in bytes.
    Beyond(u64),
}

/// Where following ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Behind the last commit.
    pub from: u64,
    /// Where the next frame would begin.
    pub at: u64,
    /// What is there.
    pub stop: Stop,
    /// Entries that follow the last commit, the one that is cut off counted.
    pub entries: u64,
    /// Whether an index follows the last commit.
    pub has_index: bool,
}

/// A batch, or the end of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Batch(Batch),
    End(End),
}

/// Follows the batches of a segment.
pub struct Frames {
    pub window: Window,
    /// Where the next batch begins.
    start: u64,
    /// Entries before it.
    ordinal: u64,
}

/// A checksum over bytes up to some offset.
#[derive(Clone, Copy)]
struct Sum {
    crc: u32,
    fed: u64,
}

impl Frames {
    /// Begins at the first batch of the file.
    pub fn new(window: Window) -> Frames {
        Frames { window, start: 0, ordinal: 0 }
    }

    /// Goes to a batch that begins at `start`, with so many entries before it.
    pub fn jump(&mut self, start: u64, ordinal: u64) {
        (self.start, self.ordinal) = (start, ordinal);
    }

    /// Follows the next batch to its commit and proves it. `visit` gets each entry's frame; its
    /// error ends the batch.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(
        &mut self,
        mut visit: impl FnMut(&mut Window, EntryFrame) -> Result<(), StoreError>,
    ) -> Result<Step, StoreError> {
        let (start, first) = (self.start, self.ordinal);
        let mut sum = Sum { crc: 0, fed: start };
        let mut at = start.max(HEADER_BYTES);
        let (mut ordinal, mut index) = (first, None);
        let ended = |at, ordinal: u64, stop, has_index| {
            let entries = ordinal.saturating_sub(first);
            Ok(Step::End(End { from: start, at, stop, entries, has_index }))
        };
        loop {
            if at.saturating_sub(sum.fed) >= KEPT_BYTES {
                self.feed(&mut sum, at)?;
            }
            let head = match self.head(sum.fed, at)? {
                Some(head) => head,
                None => return ended(at, ordinal, Stop::Unwritten, index.is_some()),
            };
            let end = at.saturating_add(head.frame_bytes());
            match head {
                FrameHead::Zeros => {
                    return ended(at, ordinal, Stop::Unwritten, index.is_some());
                }
                FrameHead::Odd(kind) => {
                    return ended(at, ordinal, Stop::Odd(kind), index.is_some());
                }
                FrameHead::Commit(stored) => {
                    self.feed(&mut sum, at)?;
                    let entries = ordinal.saturating_sub(first);
                    let found = sum.crc;
                    (self.start, self.ordinal) = (end, ordinal);
                    let commit_at = at;
                    return Ok(Step::Batch(Batch {
                        start,
                        commit_at,
                        first,
                        entries,
                        index,
                        stored,
                        found,
                    }));
                }
                _ if end > self.window.of.size_bytes => {
                    let is_entry = u64::from(matches!(head, FrameHead::Entry(_)));
                    let has_index = index.is_some() || is_entry == 0;
                    return ended(at, ordinal + is_entry, Stop::Beyond(end - at), has_index);
                }
                FrameHead::Entry(payload_bytes) => {
                    let payload_at = at.saturating_add(FRAME_BYTES);
                    let keep = sum.fed;
                    let frame = EntryFrame { ordinal, payload_at, payload_bytes, keep };
                    visit(&mut self.window, frame)?;
                    ordinal = ordinal.saturating_add(1);
                }
                FrameHead::Index(len_bytes) => {
                    index = Some(IndexFrame { at: at.saturating_add(FRAME_BYTES), len_bytes });
                }
            }
            at = end;
        }
    }

    /// The head at `at`, unless the file ends before it does.
    #[inline]
    pub fn head(&mut self, keep: u64, at: u64) -> Result<Option<FrameHead>, StoreError> {
        let bytes = self.window.at(keep, at, 8)?;
        Ok(bytes.first_chunk().map(FrameHead::read))
    }

    /// Takes the bytes up to `to` into the checksum.
    fn feed(&mut self, sum: &mut Sum, to: u64) -> Result<(), StoreError> {
        while sum.fed < to {
            let left = usize::try_from(to - sum.fed).unwrap_or(usize::MAX);
            let piece = self.window.at(sum.fed, sum.fed, left.min(1 << 20))?;
            let piece = piece.get(..left).unwrap_or(piece);
            if piece.is_empty() {
                return Ok(());
            }
            sum.crc = crc32c_resumed(sum.crc, piece);
            sum.fed = sum.fed.saturating_add(piece.len() as u64);
        }
        Ok(())
    }
}
