//! Where the frames of a segment end, and why: reserved space, a torn write, or damage.
//!
//! etcd takes a record for torn when it lies in the newest segment and a piece of it, cut at
//! multiples of 512 bytes, is all zeros; or when the file ends before it. Its repair then cuts the
//! segment there, whatever follows. So here a record that looks torn counts as damage when whole
//! records follow it: those were written later, and cutting would lose them.

use std::ops::ControlFlow;

use crate::bytes::{crc32c_resumed, u64_at};
use crate::model::{Code, Fault, FaultKind};
use crate::store::StoreError;
use crate::store::etcd_wal::format::{
    CHECKSUM, ENTRY, EntryParts, Length, METADATA, Malformed, Marker, Metadata, RECORD_BYTES_MAX,
    SECTOR_BYTES, SNAPSHOT, STATE, State, WORD_BYTES,
};
use crate::store::etcd_wal::frames::{Frame, Frames, Step, Stop};
use crate::store::window::{Source, Window};

/// Bytes that are looked at in one piece.
const LOOK_BYTES: usize = 64 << 10;
/// Bytes whose checksum is computed while looking for records behind a break, at most.
const PROVE_BYTES_MAX: u64 = 256 << 20;
/// Frames begin at multiples of this.
const ALIGNMENT: u64 = 8;
/// The same in memory.
const ALIGNMENT_LEN: usize = 8;

/// What it is that ends a segment or breaks its chain.
#[derive(Debug)]
pub enum Verdict {
    /// A write that did not end (R114), or what harms nobody.
    Torn(Fault),
    /// Damage (R115).
    Damaged(Fault),
}

/// Hears how far in a segment looking behind its records is; `Break` ends it.
pub type Reached<'r> = dyn FnMut(u64) -> ControlFlow<()> + 'r;

fn goes_on(at: u64, reached: &mut Reached<'_>) -> Result<(), StoreError> {
    match reached(at) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(StoreError::Stopped),
    }
}

/// What etcd does with it.
const ETCD_CUTS: &str = "etcd would cut the log here without a word";

/// Judges a record whose checksum does not fit: `found` is what it would be.
///
/// # Errors
/// Only when the file cannot be read.
pub fn mismatch(
    frames: &mut Frames<'_>,
    frame: &Frame,
    found: u32,
    last: bool,
) -> Result<Verdict, StoreError> {
    let source = frames.source();
    let place = source.place(frame.at, frame.length.frame_bytes());
    let looks_torn = last && has_zero_piece(source, frame)?;
    let followed = continues(source, frame)?;
    if looks_torn && !followed {
        let found = "the last record is torn: part of it was never written".to_owned();
        let fault = Fault::new(Code::R114, FaultKind::Note { found });
        let len_bytes = source.size_bytes.saturating_sub(frame.at);
        return Ok(Verdict::Torn(fault.at(source.place(frame.at, len_bytes))));
    }
    let (expected, found) = (format!("crc32c {:08x}", frame.crc), format!("crc32c {found:08x}"));
    let kind = match looks_torn {
        true => FaultKind::Broken {
            message: format!("checksum mismatch in a record that others follow; {ETCD_CUTS}"),
            expected,
            found: Some(found),
        },
        false => FaultKind::Checksum { what: "a record", expected, found },
    };
    Ok(Verdict::Damaged(Fault::new(Code::R115, kind).at(place)))
}

/// Whether one of the pieces of a frame's body is all zeros.
fn has_zero_piece(source: &Source, frame: &Frame) -> Result<bool, StoreError> {
    let (mut at, end) = (frame.at + WORD_BYTES, frame.end().min(source.size_bytes));
    let mut window = Window::new(source);
    while at < end {
        let next = (at / SECTOR_BYTES + 1).saturating_mul(SECTOR_BYTES).min(end);
        let len = usize::try_from(next - at).unwrap_or_default();
        let piece = window.at(at, len)?.get(..len).unwrap_or_default();
        if piece.iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        at = next;
    }
    Ok(false)
}

/// Whether the record behind `frame` continues the checksum that stands in it.
fn continues(source: &Source, frame: &Frame) -> Result<bool, StoreError> {
    let mut frames = Frames::new(source, frame.end());
    let Step::Frame(next) = frames.step()? else { return Ok(false) };
    if next.kind == CHECKSUM {
        return Ok(next.crc == frame.crc);
    }
    Ok(crc32c_resumed(frame.crc, frames.bytes(&next.data)?) == next.crc)
}

/// Judges why the frames of a segment end at `at`, where its chain of checksums stands at
/// `running`; nothing is wrong with `None`. `reached` hears now and then how far that is: what was
/// reserved is read to its end.
///
/// # Errors
/// When the file cannot be read, `Stopped` by `reached`.
pub fn judge(
    source: &Source,
    (at, stop): (u64, Stop),
    running: Option<u32>,
    last: bool,
    reached: &mut Reached<'_>,
) -> Result<Option<Verdict>, StoreError> {
    let place = source.place(at, source.size_bytes.saturating_sub(at));
    let damaged = |message: String, expected: &str| {
        let kind = FaultKind::Broken { message, expected: expected.to_owned(), found: None };
        Ok(Some(Verdict::Damaged(Fault::new(Code::R115, kind).at(place.clone()))))
    };
    let dirty = match stop {
        Stop::End => return Ok(None),
        Stop::Zero => other_than_zero(source, at, reached)?,
        _ => None,
    };
    if !last {
        let message = match (stop, dirty) {
            (Stop::Zero, None) => "a segment that others follow ends in zeros".to_owned(),
            _ => format!("a segment that others follow {}", words(stop)),
        };
        return damaged(message, "records up to its end");
    }
    if stop == Stop::Zero && dirty.is_none() {
        return Ok(None);
    }
    if let Some(behind) = record_behind(source, at, running, reached)? {
        let what = match stop {
            Stop::Zero => "a length of zero ends the log".to_owned(),
            other => format!("the newest segment {}", words(other)),
        };
        let message = format!("{what}, but whole records follow from {behind} on; {ETCD_CUTS}");
        return damaged(message, "a record");
    }
    let verdict = |code, kind| Fault::new(code, kind).at(place.clone());
    Ok(Some(match alone(source, at, stop, dirty)? {
        Ok(found) => Verdict::Torn(verdict(Code::R114, FaultKind::Note { found })),
        Err(kind) => Verdict::Damaged(verdict(Code::R115, kind)),
    }))
}

/// What a break at the end of the newest segment is that nothing follows: how it is torn, or the
/// damage.
fn alone(
    source: &Source,
    at: u64,
    stop: Stop,
    dirty: Option<u64>,
) -> Result<Result<String, FaultKind>, StoreError> {
    Ok(match stop {
        Stop::Zero | Stop::End => Ok(format!(
            "bytes other than zero from {} on in the space behind the last record; they are no \
             records, and etcd erases them",
            dirty.unwrap_or(at)
        )),
        Stop::Beyond { needed_bytes } => {
            Ok(format!("the last record is torn: it would need {needed_bytes} bytes"))
        }
        Stop::TooLarge { record_bytes } => Err(FaultKind::Bounds {
            what: "length of a record",
            value: record_bytes,
            limit: RECORD_BYTES_MAX,
        }),
        Stop::NoRecord { length, why } => {
            let end = at.saturating_add(length.frame_bytes());
            let frame = Frame { at, length, kind: 0, crc: 0, data: at..end };
            match why == Malformed::Early || has_zero_piece(source, &frame)? {
                true => Ok("the last record is torn: it is no whole message".to_owned()),
                false => Err(FaultKind::Field {
                    what: "record",
                    expected: "type, checksum and data".to_owned(),
                    found: "no such message".to_owned(),
                }),
            }
        }
    })
}

fn words(stop: Stop) -> String {
    match stop {
        Stop::End => "ends".to_owned(),
        Stop::Zero => "has a length of zero".to_owned(),
        Stop::Beyond { needed_bytes } => {
            format!("ends inside a record, which would need {needed_bytes} bytes")
        }
        Stop::TooLarge { record_bytes } => format!("has a record of {record_bytes} bytes"),
        Stop::NoRecord { .. } => "has bytes that are no record".to_owned(),
    }
}

/// The first byte from `at` on that is not zero.
fn other_than_zero(
    source: &Source,
    mut at: u64,
    reached: &mut Reached<'_>,
) -> Result<Option<u64>, StoreError> {
    let mut window = Window::new(source);
    while at < source.size_bytes {
        goes_on(at, reached)?;
        let bytes = window.at(at, LOOK_BYTES)?;
        if let Some(skip) = first_other_than_zero(bytes) {
            return Ok(Some(at.saturating_add(skip as u64)));
        }
        at = at.saturating_add(bytes.len().max(1) as u64);
    }
    Ok(None)
}

fn first_other_than_zero(bytes: &[u8]) -> Option<usize> {
    const STEP: usize = 64;
    // Whole steps at once: reserved space is large.
    let step = bytes.chunks(STEP).position(|step| step.iter().fold(0, |all, byte| all | byte) != 0);
    let begin = step? * STEP;
    let inside = bytes.get(begin..)?.iter().position(|byte| *byte != 0)?;
    Some(begin + inside)
}

/// Where behind a break whole records follow: two that continue one another, or one that continues
/// the chain as it stood at the break.
fn record_behind(
    source: &Source,
    broken: u64,
    running: Option<u32>,
    reached: &mut Reached<'_>,
) -> Result<Option<u64>, StoreError> {
    let mut window = Window::new(source);
    let mut proved = 0;
    let mut at = (broken / ALIGNMENT + 1).saturating_mul(ALIGNMENT);
    while at < source.size_bytes {
        goes_on(at, reached)?;
        let bytes = window.at(at, LOOK_BYTES)?;
        let usable = bytes.len() - bytes.len() % ALIGNMENT_LEN;
        if usable == 0 {
            break;
        }
        let mut candidates = Vec::new();
        for (step, word) in bytes.chunks_exact(ALIGNMENT_LEN).enumerate() {
            let Some(word) = u64_at(word, 0).filter(|word| *word != 0) else { continue };
            let begin = at.saturating_add(step as u64 * ALIGNMENT);
            let length = Length::of(word);
            let fits = length.frame_bytes() <= source.size_bytes.saturating_sub(begin);
            if fits && length.is_usual(word) {
                candidates.push(begin);
            }
        }
        at = at.saturating_add(usable as u64);
        for begin in candidates {
            if proved > PROVE_BYTES_MAX {
                return Ok(None);
            }
            if proves(source, begin, running, &mut proved)? {
                return Ok(Some(begin));
            }
        }
    }
    Ok(None)
}

/// Whether a record begins at `begin` that cannot be there by chance.
fn proves(
    source: &Source,
    begin: u64,
    running: Option<u32>,
    proved: &mut u64,
) -> Result<bool, StoreError> {
    // Most candidates are seen to be none by their first bytes.
    let mut window = Window::new(source);
    let head = window.at(begin, 16)?;
    if !matches!(head.get(8..12), Some([0x08, 1..=5, 0x10 | 0x1a, _])) {
        return Ok(false);
    }
    let mut frames = Frames::new(source, begin);
    let Step::Frame(first) = frames.step()? else { return Ok(false) };
    *proved += first.length.frame_bytes();
    let data = frames.bytes(&first.data)?;
    if !is_sensible(first.kind, data) {
        return Ok(false);
    }
    if first.kind != CHECKSUM
        && running.is_some_and(|running| crc32c_resumed(running, data) == first.crc)
    {
        return Ok(true);
    }
    let Step::Frame(second) = frames.step()? else { return Ok(false) };
    *proved += second.length.frame_bytes();
    let data = frames.bytes(&second.data)?;
    Ok(crc32c_resumed(first.crc, data) == second.crc && is_sensible(second.kind, data))
}

fn is_sensible(kind: u64, data: &[u8]) -> bool {
    match kind {
        ENTRY => EntryParts::read(data).is_ok_and(|entry| entry.index > 0),
        METADATA => Metadata::read(data).is_ok(),
        STATE => State::read(data).is_ok(),
        SNAPSHOT => Marker::read(data).is_ok(),
        CHECKSUM => data.is_empty(),
        _ => false,
    }
}
