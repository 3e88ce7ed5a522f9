//! What is wrong with a file, in the words of the model.

use std::path::Path;

use crate::fastlog::Error;
use crate::fastlog::format::{
    FORMAT_VERSION, FRAME_HEADER_BYTES, Found, Masked, SectorError, Sequence,
};
use crate::fastlog::tables::ApplyError;
use crate::model::{Code, Fault, FaultKind, Place};

fn hex(checksum: Masked) -> String {
    format!("{:08x}", checksum.0)
}

/// What was found instead of a sound sector.
pub(super) fn sector_fault(what: &'static str, error: &SectorError) -> FaultKind {
    let field = |expected: &str, found: String| FaultKind::Field {
        what,
        expected: expected.to_owned(),
        found,
    };
    match error {
        SectorError::Blank => field("written", "all zeros".to_owned()),
        SectorError::Magic(magic) => {
            field("its magic number", format!("\"{}\"", magic.escape_ascii()))
        }
        SectorError::Checksum { stored, computed } => {
            FaultKind::Checksum { what, expected: hex(*stored), found: hex(*computed) }
        }
        SectorError::Version(version) => {
            field(&format!("version {FORMAT_VERSION}"), format!("version {version}"))
        }
        SectorError::Field { what, value } => FaultKind::Field {
            what,
            expected: "a value that is written".to_owned(),
            found: value.to_string(),
        },
    }
}

/// What was found instead of the next frame.
pub(super) fn fault_of_found(found: &Found, next: Sequence, previous: Masked) -> FaultKind {
    match found {
        Found::Nothing | Found::NeedBytes(_) => FaultKind::Field {
            what: "frame",
            expected: format!("frame {}", next.0),
            found: "none".to_owned(),
        },
        Found::Short { len, remaining } => FaultKind::Short {
            what: "a frame",
            needed_bytes: u64::try_from(*len).unwrap_or(u64::MAX),
            found_bytes: *remaining,
        },
        Found::Field { what, value } => FaultKind::Field {
            what,
            expected: "a value that is possible".to_owned(),
            found: value.to_string(),
        },
        Found::Checksum { stored, computed, .. } => {
            FaultKind::Checksum { what: "a frame", expected: hex(*stored), found: hex(*computed) }
        }
        Found::Frame(frame) if frame.sequence != next => FaultKind::Field {
            what: "sequence",
            expected: next.0.to_string(),
            found: frame.sequence.0.to_string(),
        },
        Found::Frame(frame) if frame.previous != previous => FaultKind::Checksum {
            what: "the frame before",
            expected: hex(frame.previous),
            found: hex(previous),
        },
        Found::Frame(frame) => FaultKind::Field {
            what: "number of the frame in its batch",
            expected: "the next one".to_owned(),
            found: frame.part.to_string(),
        },
        Found::Newer { what, value, .. } => FaultKind::Field {
            what,
            expected: "one that version 1 defines".to_owned(),
            found: value.to_string(),
        },
    }
}

/// A fault for records that verified and could not be applied, or, for what only a newer version
/// writes, the place and the field.
pub(super) fn fault_of_apply(
    place: Place,
    error: ApplyError,
) -> Result<Fault, (Place, &'static str)> {
    let inside = |at: usize| Place {
        offset_bytes: place.offset_bytes + (FRAME_HEADER_BYTES + at) as u64,
        len_bytes: place.len_bytes.saturating_sub((FRAME_HEADER_BYTES + at) as u64),
        ..place.clone()
    };
    Ok(match error {
        ApplyError::Malformed(malformed) if malformed.newer => {
            return Err((inside(malformed.at), malformed.what));
        }
        ApplyError::Malformed(malformed) => {
            let kind = FaultKind::Field {
                what: malformed.what,
                expected: "a value that decodes".to_owned(),
                found: "one that does not".to_owned(),
            };
            Fault::new(Code::R122, kind).at(inside(malformed.at))
        }
        ApplyError::UnknownGroup { group, at } => {
            let kind = FaultKind::Field {
                what: "group number",
                expected: "a group that was named".to_owned(),
                found: group.0.to_string(),
            };
            Fault::new(Code::R115, kind).at(inside(at))
        }
        ApplyError::Hole { group, expected, found, at } => {
            let kind = FaultKind::Rule {
                expected: format!("entry {expected} of group number {}", group.0),
                found: format!("entry {found}"),
            };
            Fault::new(Code::R115, kind).at(inside(at)).at_index(found)
        }
        ApplyError::Base { group, bounds, present, at } => {
            let kind = FaultKind::Rule {
                expected: format!("entries {bounds} of group number {}", group.0),
                found: format!("{present} of them"),
            };
            Fault::new(Code::R115, kind).at(inside(at)).at_index(bounds.first())
        }
    })
}

/// The error for something that verifies and that this version does not know.
pub(super) fn newer_error(path: &Path, what: &str, value: u64) -> Error {
    Error::Unsupported {
        path: path.to_owned(),
        what: format!("{what} {value} is not known to format version {FORMAT_VERSION}"),
    }
}
