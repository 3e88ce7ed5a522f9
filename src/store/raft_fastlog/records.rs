//! Following the records of a file one behind the other. Contents are stepped over, not read.

use std::ops::Range;

use crate::bytes::u64_at;
use crate::store::StoreError;
use crate::store::raft_fastlog::format::{
    DATA_BYTES_MAX, DELETE_KEY, DELETE_RANGE, DELETE_RANGE_BYTES, ENTRIES, ENTRIES_HEAD_BYTES,
    ENTRY_HEAD_BYTES, Head, NUMBER_BYTES, SET,
};
use crate::store::window::Window;

/// Entries of one record. A write that was cut off announces more than there is, but not more than
/// a server ever hands over at once.
const ENTRIES_MAX: u64 = 1 << 32;

/// One thing that a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A record that sets a key; where key and value lie.
    Set { key: Range<u64>, value: Range<u64> },
    /// A record that deletes a key; where the key lies.
    DeleteKey { key: Range<u64> },
    /// What stands before so many entries.
    Entries { count: u64 },
    /// An entry of the record begun last.
    Entry(Head),
    /// A record that deletes a range.
    DeleteRange { min: u64, max: u64 },
}

/// Why the records cannot be followed any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The file ends inside the record.
    Short { needed_bytes: u64 },
    /// A number is beyond what any file can hold.
    TooMuch { what: &'static str, value: u64, limit: u64 },
    /// Nothing but zeros follows.
    Zeros { at: u64 },
    /// No record begins like this.
    NoRecord { byte: u8 },
}

/// What the next step led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Item(Item),
    /// The file ends where a record does.
    End,
    Broken(Broken),
}

/// A walk from record to record.
pub struct Records<'s> {
    pub window: Window<'s>,
    /// Where the walk ends: the end of the file, or of the part that counts.
    end: u64,
    at: u64,
    /// Where the record begins that the walk is in, or stands before.
    record_at: u64,
    /// Entries of that record that are still to come.
    left: u64,
    /// A byte that is not zero lies here, and only zeros from the place of the last look to it.
    not_zero_at: Option<u64>,
}

impl<'s> Records<'s> {
    /// A walk from the beginning to `end`.
    pub fn new(window: Window<'s>, end: u64) -> Records<'s> {
        Records { window, end, at: 0, record_at: 0, left: 0, not_zero_at: None }
    }

    /// Goes on at an entry behind which `left - 1` others of its record follow.
    pub fn jump(&mut self, offset: u64, left: u64) {
        (self.at, self.record_at, self.left) = (offset, offset, left);
    }

    /// Where the walk stands.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Where the record begins that the walk is in.
    pub fn record_at(&self) -> u64 {
        self.record_at
    }

    /// Entries of the record that are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// Only when the file cannot be read.
    pub fn step(&mut self) -> Result<Step, StoreError> {
        if self.left > 0 {
            return self.entry();
        }
        self.record_at = self.at;
        if self.at >= self.end {
            return Ok(Step::End);
        }
        let head = self.window.at(self.at, 1)?;
        let Some(marker) = head.first().copied() else { return Ok(Step::End) };
        match marker {
            ENTRIES => self.entries(),
            SET | DELETE_KEY => self.key(marker),
            DELETE_RANGE => self.delete_range(),
            0 if self.only_zeros_follow()? => Ok(Step::Broken(Broken::Zeros { at: self.at })),
            byte => Ok(Step::Broken(Broken::NoRecord { byte })),
        }
    }

    fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    fn short(&self, needed_bytes: u64) -> Result<Step, StoreError> {
        Ok(Step::Broken(Broken::Short { needed_bytes }))
    }

    fn number_at(&mut self, offset: u64) -> Result<Option<u64>, StoreError> {
        if self.end.saturating_sub(offset) < NUMBER_BYTES {
            return Ok(None);
        }
        let need = usize::try_from(NUMBER_BYTES).unwrap_or_default();
        Ok(u64_at(self.window.at(offset, need)?, 0))
    }

    fn entry(&mut self) -> Result<Step, StoreError> {
        if self.remaining() < ENTRY_HEAD_BYTES {
            return self.short(ENTRY_HEAD_BYTES);
        }
        let need = usize::try_from(ENTRY_HEAD_BYTES).unwrap_or_default();
        let bytes = self.window.at(self.at, need)?;
        let Some(head) = Head::read(bytes, self.at) else { return self.short(ENTRY_HEAD_BYTES) };
        if head.is_zero() && self.only_zeros_follow()? {
            return Ok(Step::Broken(Broken::Zeros { at: self.at }));
        }
        if head.data_bytes > DATA_BYTES_MAX {
            let (value, limit) = (head.data_bytes, DATA_BYTES_MAX);
            return Ok(Step::Broken(Broken::TooMuch { what: "length of an entry", value, limit }));
        }
        if head.len_bytes() > self.remaining() {
            return self.short(head.len_bytes());
        }
        self.at += head.len_bytes();
        self.left -= 1;
        Ok(Step::Item(Item::Entry(head)))
    }

    fn entries(&mut self) -> Result<Step, StoreError> {
        let Some(count) = self.number_at(self.at.saturating_add(1))? else {
            return self.short(ENTRIES_HEAD_BYTES);
        };
        if count > ENTRIES_MAX {
            let limit = ENTRIES_MAX;
            return Ok(Step::Broken(Broken::TooMuch {
                what: "number of entries",
                value: count,
                limit,
            }));
        }
        self.at += ENTRIES_HEAD_BYTES;
        self.left = count;
        Ok(Step::Item(Item::Entries { count }))
    }

    fn key(&mut self, marker: u8) -> Result<Step, StoreError> {
        let key = match self.part(self.at.saturating_add(1))? {
            Ok(key) => key,
            Err(broken) => return Ok(Step::Broken(broken)),
        };
        if marker == DELETE_KEY {
            self.at = key.end;
            return Ok(Step::Item(Item::DeleteKey { key }));
        }
        match self.part(key.end)? {
            Err(broken) => Ok(Step::Broken(broken)),
            Ok(value) => {
                self.at = value.end;
                Ok(Step::Item(Item::Set { key, value }))
            }
        }
    }

    /// The bytes behind the length at `offset`.
    fn part(&mut self, offset: u64) -> Result<Result<Range<u64>, Broken>, StoreError> {
        let before = offset.saturating_sub(self.at);
        let Some(len) = self.number_at(offset)? else {
            return Ok(Err(Broken::Short { needed_bytes: before + NUMBER_BYTES }));
        };
        if len > DATA_BYTES_MAX {
            let limit = DATA_BYTES_MAX;
            return Ok(Err(Broken::TooMuch {
                what: "length of a key or value",
                value: len,
                limit,
            }));
        }
        let start = offset + NUMBER_BYTES;
        if len > self.end.saturating_sub(start) {
            return Ok(Err(Broken::Short { needed_bytes: before + NUMBER_BYTES + len }));
        }
        Ok(Ok(start..start + len))
    }

    fn delete_range(&mut self) -> Result<Step, StoreError> {
        let first = self.number_at(self.at.saturating_add(1))?;
        let last = self.number_at(self.at.saturating_add(1 + NUMBER_BYTES))?;
        let (Some(min), Some(max)) = (first, last) else { return self.short(DELETE_RANGE_BYTES) };
        self.at += DELETE_RANGE_BYTES;
        Ok(Step::Item(Item::DeleteRange { min, max }))
    }

    /// Whether from here to the end nothing but zeros lies. Each byte is looked at once, however
    /// often it is asked.
    fn only_zeros_follow(&mut self) -> Result<bool, StoreError> {
        let mut offset = self.at;
        if self.not_zero_at.is_some_and(|at| at >= offset) {
            return Ok(false);
        }
        while offset < self.end {
            let bytes = self.window.at(offset, 1)?;
            if let Some(skip) = bytes.iter().position(|byte| *byte != 0) {
                let at = offset.saturating_add(skip as u64);
                self.not_zero_at = (at < self.end).then_some(at);
                return Ok(at >= self.end);
            }
            offset = offset.saturating_add((bytes.len() as u64).max(1));
        }
        Ok(true)
    }
}
