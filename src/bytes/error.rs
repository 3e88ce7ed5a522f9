use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::model::{FaultKind, Place};

/// Why bytes could not be read as what they should be. Offsets are those of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BytesError {
    /// The bytes end before the value does.
    Short {
        /// What was wanted.
        what: &'static str,
        /// Where it begins.
        offset_bytes: u64,
        /// Bytes it needs.
        needed_bytes: u64,
        /// Bytes that are left.
        found_bytes: u64,
    },
    /// A number is larger than its limit.
    Bounds {
        /// What the number is.
        what: &'static str,
        /// Where the reader stood when it judged the number: just behind it.
        offset_bytes: u64,
        /// The number.
        value: u64,
        /// The largest allowed.
        limit: u64,
    },
    /// A varint has no end within ten bytes, or is worth more than 64 bits.
    VarintTooLong {
        /// What was wanted.
        what: &'static str,
        /// Where it begins.
        offset_bytes: u64,
    },
    /// A varint takes more bytes than its value needs.
    VarintOverlong {
        /// What was wanted.
        what: &'static str,
        /// Where it begins.
        offset_bytes: u64,
        /// Bytes it takes.
        found_bytes: u64,
    },
}

impl BytesError {
    /// First byte concerned, as an offset in the file.
    pub fn offset_bytes(&self) -> u64 {
        match self {
            BytesError::Short { offset_bytes, .. }
            | BytesError::Bounds { offset_bytes, .. }
            | BytesError::VarintTooLong { offset_bytes, .. }
            | BytesError::VarintOverlong { offset_bytes, .. } => *offset_bytes,
        }
    }

    /// Where in `file` the fault lies; as long as what is there of the value.
    pub fn place(&self, file: &Arc<Path>) -> Place {
        let len_bytes = match self {
            BytesError::Short { found_bytes, .. }
            | BytesError::VarintOverlong { found_bytes, .. } => *found_bytes,
            BytesError::Bounds { .. } => 0,
            BytesError::VarintTooLong { .. } => crate::bytes::VARINT_LEN_MAX as u64,
        };
        Place { file: Arc::clone(file), offset_bytes: self.offset_bytes(), len_bytes }
    }
}

impl From<BytesError> for FaultKind {
    fn from(error: BytesError) -> FaultKind {
        match error {
            BytesError::Short { what, needed_bytes, found_bytes, .. } => {
                FaultKind::Short { what, needed_bytes, found_bytes }
            }
            BytesError::Bounds { what, value, limit, .. } => {
                FaultKind::Bounds { what, value, limit }
            }
            BytesError::VarintTooLong { what, .. } => FaultKind::Field {
                what,
                expected: "a varint of at most 64 bits".to_owned(),
                found: "a longer one".to_owned(),
            },
            BytesError::VarintOverlong { what, found_bytes, .. } => FaultKind::Field {
                what,
                expected: "a varint in its shortest form".to_owned(),
                found: format!("one padded to {found_bytes} bytes"),
            },
        }
    }
}

impl fmt::Display for BytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", FaultKind::from(*self), self.offset_bytes())
    }
}

impl std::error::Error for BytesError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_becomes_a_fault_kind_and_a_place() {
        let file: Arc<Path> = Arc::from(Path::new("seg"));
        let short = BytesError::Short {
            what: "header",
            offset_bytes: 4096,
            needed_bytes: 64,
            found_bytes: 10,
        };
        assert_eq!(
            FaultKind::from(short),
            FaultKind::Short { what: "header", needed_bytes: 64, found_bytes: 10 }
        );
        assert_eq!(short.place(&file).to_string(), "seg @ 4096 + 10");
        let bounds = BytesError::Bounds { what: "length", offset_bytes: 8, value: 900, limit: 512 };
        assert_eq!(
            FaultKind::from(bounds),
            FaultKind::Bounds { what: "length", value: 900, limit: 512 }
        );
        let overlong =
            BytesError::VarintOverlong { what: "index", offset_bytes: 3, found_bytes: 2 };
        assert_eq!(overlong.place(&file).len_bytes, 2);
        assert!(overlong.to_string().contains("index"));
        assert!(overlong.to_string().contains("byte 3"));
    }
}
