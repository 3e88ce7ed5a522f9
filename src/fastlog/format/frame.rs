//! The frame: 32 bytes before each payload that say what it is, that it is whole, and what came
//! before it.

use crate::fastlog::format::{
    FILLER_PAYLOAD_MAX, FRAME_HEADER_BYTES, FRAME_PAYLOAD_MAX, Masked, Salt, Sequence,
};
use crate::fastlog::planted::{Bug, planted};

const LEN_AT: usize = 4;
const TYPE_AT: usize = 8;
const FLAGS_AT: usize = 9;
const PART_AT: usize = 10;
const PREVIOUS_AT: usize = 12;
const SEQUENCE_AT: usize = 16;
const SYNC_POINT_AT: usize = 24;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameType {
    /// The last, or only, frame of a batch.
    Batch,
    /// A frame of a batch that goes on in the next frame.
    Part,
    /// Nothing: its payload only fills space.
    Filler,
}

impl FrameType {
    /// Every type, ascending by number.
    pub const ALL: [FrameType; 3] = [FrameType::Batch, FrameType::Part, FrameType::Filler];

    /// The number in the file.
    pub fn number(self) -> u8 {
        match self {
            FrameType::Batch => 1,
            FrameType::Part => 2,
            FrameType::Filler => 3,
        }
    }

    fn from_number(number: u8) -> Option<FrameType> {
        FrameType::ALL.into_iter().find(|known| known.number() == number)
    }
}

/// The fields of a frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameType,
    /// Which frame of its batch it is, from 1; in the last frame the number of frames in the batch.
    pub part: u16,
    /// Its number.
    pub sequence: Sequence,
    /// Checksum of the frame before it, over all segments; 0 for the very first.
    pub previous: Masked,
    /// Highest sequence that was durable when the frame was written.
    pub sync_point: Sequence,
    /// Its own checksum.
    pub checksum: Masked,
    /// Length of its payload, in bytes.
    pub payload_len: usize,
}

impl Frame {
    /// Length of header and payload, in bytes.
    pub fn len_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload_len
    }
}

/// What stands where a frame may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A frame that verifies.
    Frame(Frame),
    /// A header that could be one, of a frame of this length; more bytes are needed to tell.
    NeedBytes(usize),
    /// No frame: the type or the sequence is 0.
    Nothing,
    /// No frame: the header cannot be one.
    Field {
        /// The impossible field.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// The checksum does not fit the bytes.
    Checksum {
        /// As stored.
        stored: Masked,
        /// Over the bytes.
        computed: Masked,
        /// Length that the header claims, header included.
        len: usize,
    },
    /// The file ends before the frame does.
    Short {
        /// Length that the frame would have, in bytes.
        len: usize,
        /// Bytes that are left.
        remaining: u64,
    },
    /// A frame that verifies, but that version 1 does not define.
    Newer {
        /// The field that is unknown.
        what: &'static str,
        /// Its value.
        value: u64,
        /// Length of the frame, in bytes.
        len: usize,
    },
}

impl Found {
    /// Looks at the frame that begins `bytes`, of which `remaining` more could be had (those in
    /// `bytes` included).
    pub fn at_start(bytes: &[u8], remaining: u64, salt: Salt) -> Found {
        let Some(header) = bytes.first_chunk::<FRAME_HEADER_BYTES>() else {
            return if remaining < 32 {
                Found::Nothing
            } else {
                Found::NeedBytes(FRAME_HEADER_BYTES)
            };
        };
        let kind = header[TYPE_AT];
        let sequence = u64_at(header, SEQUENCE_AT);
        if (kind == 0 || sequence == 0) && !planted(Bug::HeaderNotCovered) {
            return Found::Nothing;
        }
        let payload_len = u32_at(header, LEN_AT);
        let limit =
            if kind == FrameType::Filler.number() { FILLER_PAYLOAD_MAX } else { FRAME_PAYLOAD_MAX };
        let len = usize::try_from(payload_len).ok().filter(|len| *len <= limit);
        let Some(len) = len.map(|len| len + FRAME_HEADER_BYTES) else {
            return Found::Field { what: "frame length", value: u64::from(payload_len) };
        };
        if u64::try_from(len).is_ok_and(|len| len > remaining) {
            return Found::Short { len, remaining };
        }
        let sync_point = u64_at(header, SYNC_POINT_AT);
        if sync_point >= sequence && !planted(Bug::HeaderNotCovered) {
            return Found::Field { what: "sync point", value: sync_point };
        }
        let Some(covered) = bytes.get(covered_from()..len) else {
            return Found::NeedBytes(len);
        };
        let stored = Masked(u32_at(header, 0));
        let computed = salt.checksum(covered);
        if stored != computed {
            return Found::Checksum { stored, computed, len };
        }
        let Some(known) = FrameType::from_number(kind) else {
            return Found::Newer { what: "frame type", value: u64::from(kind), len };
        };
        if header[FLAGS_AT] != 0 {
            return Found::Newer { what: "frame flags", value: header[FLAGS_AT].into(), len };
        }
        Found::Frame(Frame {
            kind: known,
            part: u16::from_le_bytes([header[PART_AT], header[PART_AT + 1]]),
            sequence: Sequence(sequence),
            previous: Masked(u32_at(header, PREVIOUS_AT)),
            sync_point: Sequence(sync_point),
            checksum: stored,
            payload_len: len - FRAME_HEADER_BYTES,
        })
    }

    /// Whether a frame with a sequence in `from..=to` could begin `bytes`, by its header alone.
    pub fn plausible(bytes: &[u8], from: Sequence, to: Sequence) -> bool {
        let Some(header) = bytes.first_chunk::<FRAME_HEADER_BYTES>() else { return false };
        let sequence = u64_at(header, SEQUENCE_AT);
        header[TYPE_AT] != 0
            && (from.0..=to.0).contains(&sequence)
            && u64_at(header, SYNC_POINT_AT) < sequence
    }
}

/// Completes the frame that fills `bytes`, room for its header included, and returns its checksum.
/// `frame.checksum` and `frame.payload_len` are not used.
///
/// The payload must not be longer than [`FRAME_PAYLOAD_MAX`].
pub fn seal_frame(bytes: &mut [u8], frame: &Frame, salt: Salt) -> Masked {
    let len = u32::try_from(bytes.len().saturating_sub(FRAME_HEADER_BYTES)).unwrap_or(u32::MAX);
    put(bytes, LEN_AT, &len.to_le_bytes());
    put(bytes, TYPE_AT, &[frame.kind.number(), 0]);
    put(bytes, PART_AT, &frame.part.to_le_bytes());
    put(bytes, PREVIOUS_AT, &frame.previous.0.to_le_bytes());
    put(bytes, SEQUENCE_AT, &frame.sequence.0.to_le_bytes());
    put(bytes, SYNC_POINT_AT, &frame.sync_point.0.to_le_bytes());
    let checksum = salt.checksum(bytes.get(covered_from()..).unwrap_or_default());
    put(bytes, 0, &checksum.0.to_le_bytes());
    checksum
}

/// Where in a frame that begins what its checksum covers: just behind the checksum.
fn covered_from() -> usize {
    if planted(Bug::HeaderNotCovered) { FRAME_HEADER_BYTES } else { LEN_AT }
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(room) = bytes.get_mut(at..at + field.len()) {
        room.copy_from_slice(field);
    }
}

fn u32_at(header: &[u8; FRAME_HEADER_BYTES], at: usize) -> u32 {
    let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    u32::from_le_bytes(bytes.unwrap_or_default())
}

fn u64_at(header: &[u8; FRAME_HEADER_BYTES], at: usize) -> u64 {
    let bytes = header.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    u64::from_le_bytes(bytes.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastlog::format::{LogUid, SegmentNo};

    fn salt() -> Salt {
        Salt::new(LogUid([3; 16]), SegmentNo(1))
    }

    fn frame() -> Frame {
        Frame {
            kind: FrameType::Batch,
            part: 1,
            sequence: Sequence(5),
            previous: Masked(7),
            sync_point: Sequence(4),
            checksum: Masked(0),
            payload_len: 0,
        }
    }

    fn sealed(payload: &[u8]) -> (Vec<u8>, Masked) {
        let mut bytes = vec![0; FRAME_HEADER_BYTES];
        bytes.extend_from_slice(payload);
        let checksum = seal_frame(&mut bytes, &frame(), salt());
        (bytes, checksum)
    }

    fn found(bytes: &[u8]) -> Found {
        Found::at_start(bytes, bytes.len() as u64, salt())
    }

    #[test]
    fn a_frame_comes_back_and_says_how_many_bytes_it_needs() {
        let (bytes, checksum) = sealed(b"payload");
        let expected = Frame { checksum, payload_len: 7, ..frame() };
        assert_eq!(found(&bytes), Found::Frame(expected));
        assert_eq!(expected.len_bytes(), bytes.len());
        let all = bytes.len() as u64;
        assert_eq!(Found::at_start(&bytes[..10], all, salt()), Found::NeedBytes(32));
        assert_eq!(Found::at_start(&bytes[..33], all, salt()), Found::NeedBytes(39));
        assert!(Found::plausible(&bytes, Sequence(5), Sequence(5)));
        assert!(!Found::plausible(&bytes, Sequence(6), Sequence(9)));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let (bytes, _) = sealed(b"payload");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(!matches!(found(&damaged), Found::Frame(_)), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn zeros_are_nothing_and_a_length_beyond_the_file_is_impossible() {
        assert_eq!(found(&[0; 64]), Found::Nothing);
        let (mut bytes, _) = sealed(b"payload");
        assert_eq!(found(&bytes[..38]), Found::Short { len: 39, remaining: 38 });
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(found(&bytes), Found::Field { what: "frame length", .. }));
    }

    #[test]
    fn an_unknown_type_that_verifies_is_newer_and_not_damage() {
        let (mut bytes, _) = sealed(b"payload");
        bytes[TYPE_AT] = 9;
        let checksum = salt().checksum(&bytes[4..]);
        bytes[..4].copy_from_slice(&checksum.0.to_le_bytes());
        assert_eq!(found(&bytes), Found::Newer { what: "frame type", value: 9, len: 39 });
    }
}
