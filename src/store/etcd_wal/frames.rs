//! Following the frames of one segment.

use std::ops::Range;

use crate::bytes::u64_at;
use crate::store::StoreError;
use crate::store::etcd_wal::format::{Length, Malformed, RECORD_BYTES_MAX, Record, WORD_BYTES};
use crate::store::window::{Source, Window};

/// [`WORD_BYTES`] in memory.
const WORD_LEN: usize = 8;

/// A frame whose record could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins.
    pub at: u64,
    /// Its length word.
    pub length: Length,
    /// Type of its record.
    pub kind: u64,
    /// Stored checksum.
    pub crc: u32,
    /// Where the data of its record lie in the file.
    pub data: Range<u64>,
}

impl Frame {
    /// Where the next frame begins.
    pub fn end(&self) -> u64 {
        self.at.saturating_add(self.length.frame_bytes())
    }
}

/// Why frames cannot be followed any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The file ends behind the last frame.
    End,
    /// A length word of zero.
    Zero,
    /// The file ends inside a length word, or inside the frame.
    Beyond {
        /// Bytes that the frame would need.
        needed_bytes: u64,
    },
    /// The record is larger than any that is read.
    TooLarge {
        /// Its length, by the word.
        record_bytes: u64,
    },
    /// The record is no such message.
    NoRecord {
        /// What the word says.
        length: Length,
        /// Why.
        why: Malformed,
    },
}

/// A frame, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A frame.
    Frame(Frame),
    /// None, and none behind.
    Stop(Stop),
}

/// Follows the frames of a segment.
pub struct Frames<'s> {
    window: Window<'s>,
    at: u64,
    /// Bytes of the largest record that is read.
    record_bytes_max: u64,
}

impl<'s> Frames<'s> {
    /// Begins with the frame at `at`.
    pub fn new(source: &'s Source, at: u64) -> Frames<'s> {
        Frames { window: Window::new(source), at, record_bytes_max: RECORD_BYTES_MAX }
    }

    /// The same, ending before the first record of more bytes than these, which is not read.
    pub fn up_to(mut self, record_bytes_max: u64) -> Frames<'s> {
        self.record_bytes_max = record_bytes_max.min(RECORD_BYTES_MAX);
        self
    }

    /// Where the next frame begins.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The file.
    pub fn source(&self) -> &'s Source {
        self.window.source()
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// Only when the file cannot be read.
    #[inline]
    pub fn step(&mut self) -> Result<Step, StoreError> {
        let left = self.source().size_bytes.saturating_sub(self.at);
        if left == 0 {
            return Ok(Step::Stop(Stop::End));
        }
        let stop = |stop| Ok(Step::Stop(stop));
        let bytes = self.window.at(self.at, WORD_LEN)?;
        let Some(word) = u64_at(bytes, 0) else {
            return stop(Stop::Beyond { needed_bytes: WORD_BYTES });
        };
        if word == 0 {
            return stop(Stop::Zero);
        }
        let length = Length::of(word);
        if length.frame_bytes() > left {
            return stop(Stop::Beyond { needed_bytes: length.frame_bytes() });
        }
        if length.record_bytes > self.record_bytes_max {
            return stop(Stop::TooLarge { record_bytes: length.record_bytes });
        }
        let needed = usize::try_from(WORD_BYTES + length.record_bytes).unwrap_or(usize::MAX);
        let bytes = match bytes.len() >= needed {
            true => bytes,
            false => self.window.at(self.at, needed)?,
        };
        let record = bytes.get(WORD_LEN..needed).unwrap_or_default();
        match Record::read(record) {
            Ok(Record { kind, crc, data }) => {
                let base = self.at + WORD_BYTES;
                let data = base + data.start as u64..base + data.end as u64;
                let frame = Frame { at: self.at, length, kind, crc, data };
                self.at = frame.end();
                Ok(Step::Frame(frame))
            }
            Err(why) => stop(Stop::NoRecord { length, why }),
        }
    }

    /// Bytes of the file that belong to the frame read last, without reading them again.
    ///
    /// # Errors
    /// Only when the file cannot be read.
    #[inline]
    pub fn bytes(&mut self, range: &Range<u64>) -> Result<&[u8], StoreError> {
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let bytes = self.window.at(range.start, len)?;
        Ok(bytes.get(..len).unwrap_or_default())
    }

    /// The window through which the file is read.
    pub fn window(&mut self) -> &mut Window<'s> {
        &mut self.window
    }
}
