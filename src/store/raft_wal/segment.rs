//! One segment: what the metadata says of it, and its file.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::model::{Code, Fault, FaultKind, GroupId, LogIndex, Place, Severity};
use crate::store::StoreError;
use crate::store::raft_wal::format::{CODEC, HEADER_BYTES, Header, SegmentName};
use crate::store::raft_wal::survey::Survey;
use crate::store::raft_wal::window::{SegmentFile, Window};

/// First and last index of a piece of the log.
pub type Live = std::ops::RangeInclusive<u64>;

/// A segment that the metadata names.
pub struct Segment {
    pub name: SegmentName,
    /// First index that was not deleted.
    pub min: u64,
    /// Last index that was not deleted; `None` while the segment is written.
    pub max: Option<u64>,
    /// Where the metadata says that the offsets of its entries begin; 0 for nowhere.
    pub index_start: u64,
    /// Its file; `None` where there is none.
    pub file: Option<SegmentFile>,
    /// Where the file is or should be.
    pub path: Arc<Path>,
    /// What following it showed, once it was followed whole.
    pub survey: OnceLock<Survey>,
}

/// How far the header of a segment can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belief {
    /// It is this segment's.
    Own,
    /// Nothing was written here yet.
    Unwritten,
    /// It is damaged; what follows proves itself.
    Damaged(Box<Fault>),
    /// It is another segment's.
    Other(Box<Fault>),
}

impl Segment {
    /// Whether it is the one that is written.
    pub fn is_tail(&self) -> bool {
        self.max.is_none()
    }

    /// The indexes that count; of the tail as far as its recovery says.
    pub fn live(&self) -> Option<Live> {
        let first = self.min.max(self.name.base);
        let last = match self.max {
            Some(max) => max,
            None => self.survey.get()?.last(self.name.base)?,
        };
        (first <= last).then_some(first..=last)
    }

    /// The index of the n-th entry in the file.
    pub fn index(&self, ordinal: u64) -> u64 {
        self.name.base.saturating_add(ordinal)
    }

    /// That the file is missing (R116). A tail may never have got one.
    pub fn missing(&self) -> Fault {
        let name = self.name.file();
        let kind = match self.max {
            Some(_) => FaultKind::Missing { what: "segment", name },
            None => FaultKind::Note {
                found: format!(
                    "the last segment {name} is missing: a crash before it was created, or it \
                     was removed; its library goes on with an empty one from {}",
                    self.name.base
                ),
            },
        };
        let fault = Fault::new(Code::R116, kind).in_group(&GroupId::Unnamed);
        let fault = fault.at(self.place(0, 0)).at_index(LogIndex(self.min.max(self.name.base)));
        match self.max {
            Some(_) => fault,
            None => fault.as_severity(Severity::Warning),
        }
    }

    /// A place in the file, or where it should be.
    pub fn place(&self, offset_bytes: u64, len_bytes: u64) -> Place {
        Place { file: Arc::clone(&self.path), offset_bytes, len_bytes }
    }

    /// Reads the header.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn header(&self, window: &mut Window) -> Result<Belief, StoreError> {
        let bytes = window.at(0, 0, 32)?;
        let bytes = bytes.get(..32).unwrap_or(bytes);
        let place = self.place(0, HEADER_BYTES);
        let fault = |code, expected: String, found: String| {
            let kind = FaultKind::Field { what: "header of a segment", expected, found };
            Box::new(Fault::new(code, kind).at(place.clone()).in_group(&GroupId::Unnamed))
        };
        let Some(header) = Header::read(bytes) else {
            if bytes.iter().all(|byte| *byte == 0) {
                return Ok(Belief::Unwritten);
            }
            let begin = bytes.get(..8).unwrap_or(bytes);
            let expected = "0d6beb5800000000".to_owned();
            let found = data_encoding::HEXLOWER.encode(begin);
            return Ok(Belief::Damaged(fault(Code::R115, expected, found)));
        };
        if header.name != self.name {
            let expected = self.name.file();
            return Ok(Belief::Other(fault(Code::R116, expected, header.name.file())));
        }
        if header.codec != CODEC {
            let found = format!("codec {}", header.codec);
            return Ok(Belief::Damaged(fault(Code::R115, format!("codec {CODEC}"), found)));
        }
        Ok(Belief::Own)
    }
}
