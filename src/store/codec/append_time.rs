//! The AppendedAt field of raft.Log: go-msgpack's old form (Go's binary time, 15 or 16 bytes) and
//! its new form (the msgpack timestamp payload, 4, 8 or 12 bytes), told apart by their length.
//!
//! | old: offset | size | content |
//! |---|---|---|
//! | 0 | u8 | version: 1, or 2 when the zone's offset has seconds |
//! | 1 | i64 BE | seconds since 0001-01-01T00:00:00Z |
//! | 9 | i32 BE | nanoseconds |
//! | 13 | i16 BE | zone offset in minutes east; -1 means marked as UTC |
//! | 15 | i8 | version 2 only: seconds of the offset beyond the minutes |
//!
//! | new: length | content |
//! |---|---|
//! | 4 | u32 BE Unix seconds |
//! | 8 | u64 BE: nanoseconds in the upper 30 bits, Unix seconds in the lower 34 |
//! | 12 | u32 BE nanoseconds, i64 BE Unix seconds |

use crate::model::{AppendInstant, FaultKind, TimeForm, Zone};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const MARKED_UTC: i16 = -1;

/// The bytes of an append time; both forms fit.
#[derive(Default)]
pub(super) struct TimeBytes {
    bytes: [u8; 16],
    len: usize,
}

impl TimeBytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(mut self, bytes: &[u8]) -> TimeBytes {
        if let Some(free) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            free.copy_from_slice(bytes);
            self.len += bytes.len();
        }
        self
    }
}

/// Reads an append time of either form.
///
/// # Errors
/// `Field` for a length or version that neither form has, or a moment beyond all calendars.
pub(super) fn decode(bytes: &[u8]) -> Result<AppendInstant, FaultKind> {
    let mut instant = match bytes {
        [1, rest @ ..] if rest.len() == 14 => old(rest, 0)?,
        [2, rest @ .., east] if rest.len() == 14 => old(rest, east.cast_signed().into())?,
        &[a, b, c, d] => new(u32::from_be_bytes([a, b, c, d]).into(), 0),
        _ if bytes.len() == 8 => {
            let word = u64::from_be_bytes(part(bytes, 0));
            new((word & 0x3_ffff_ffff).cast_signed(), (word >> 34).cast_signed())
        }
        _ if bytes.len() == 12 => {
            new(i64::from_be_bytes(part(bytes, 4)), u32::from_be_bytes(part(bytes, 0)).into())
        }
        _ => {
            return Err(odd(format!("{} bytes that begin with {:02x?}", bytes.len(), head(bytes))));
        }
    };
    let extra = instant.1.div_euclid(NANOS_PER_SECOND);
    let seconds = instant.0.unix_seconds.checked_add(extra);
    instant.0.unix_seconds = seconds.ok_or_else(|| odd("a moment out of range".to_owned()))?;
    // The remainder is below a thousand million and not negative.
    let nanoseconds = instant.1.rem_euclid(NANOS_PER_SECOND);
    instant.0.nanoseconds = u32::try_from(nanoseconds).unwrap_or_default();
    Ok(instant.0)
}

/// Reads the old form without seconds in its zone if [`encode`] gives the same bytes back.
pub(super) fn usual(bytes: &[u8; 15]) -> Option<AppendInstant> {
    let [1, rest @ ..] = bytes else { return None };
    let (instant, nanoseconds) = old(rest, 0).ok()?;
    let inside = (0..NANOS_PER_SECOND).contains(&nanoseconds);
    let nanoseconds = u32::try_from(nanoseconds).ok().filter(|_| inside)?;
    Some(AppendInstant { nanoseconds, ..instant })
}

fn head(bytes: &[u8]) -> &[u8] {
    bytes.get(..1).unwrap_or_default()
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().unwrap_or([0; N])
}

fn odd(found: String) -> FaultKind {
    FaultKind::Field {
        what: "AppendedAt",
        expected: "nil, 15 or 16 bytes (old form), or 4, 8 or 12 bytes (new form)".to_owned(),
        found,
    }
}

fn old(rest: &[u8], east_seconds: i32) -> Result<(AppendInstant, i64), FaultKind> {
    let seconds = i64::from_be_bytes(part(rest, 0));
    let nanoseconds = i32::from_be_bytes(part(rest, 8));
    let minutes = i16::from_be_bytes(part(rest, 12));
    let zone = if minutes == MARKED_UTC && east_seconds == 0 {
        Zone::Utc
    } else {
        Zone::East { seconds: i32::from(minutes) * 60 + east_seconds }
    };
    let unix_seconds = seconds
        .checked_add(AppendInstant::ZERO_UNIX_SECONDS)
        .ok_or_else(|| odd("a moment out of range".to_owned()))?;
    let instant = AppendInstant { unix_seconds, nanoseconds: 0, form: TimeForm::Old, zone };
    Ok((instant, nanoseconds.into()))
}

fn new(unix_seconds: i64, nanoseconds: i64) -> (AppendInstant, i64) {
    let instant =
        AppendInstant { unix_seconds, nanoseconds: 0, form: TimeForm::New, zone: Zone::Utc };
    (instant, nanoseconds)
}

/// The bytes of a time in its own form, as the Go libraries write it; `None` when that is nil (the
/// zero time of the new form).
///
/// # Errors
/// `Field` for a zone or moment that the old form cannot write.
pub(super) fn encode(instant: &AppendInstant) -> Result<Option<TimeBytes>, FaultKind> {
    match instant.form {
        TimeForm::Old => encode_old(instant).map(Some),
        TimeForm::New => Ok(encode_new(instant)),
    }
}

fn encode_old(instant: &AppendInstant) -> Result<TimeBytes, FaultKind> {
    let seconds = instant
        .unix_seconds
        .checked_sub(AppendInstant::ZERO_UNIX_SECONDS)
        .ok_or_else(|| odd("a moment out of range".to_owned()))?;
    let (minutes, extra) = match instant.zone {
        Zone::Utc => (MARKED_UTC, 0),
        Zone::East { seconds } => {
            let minutes = i16::try_from(seconds / 60).ok();
            let extra = i8::try_from(seconds % 60).unwrap_or_default();
            // Go refuses an offset of exactly minus one minute: it would read back as UTC.
            match minutes {
                Some(minutes) if minutes != MARKED_UTC || extra != 0 => (minutes, extra),
                _ => return Err(odd(format!("a zone {seconds} seconds east of UTC"))),
            }
        }
    };
    let bytes = TimeBytes::default()
        .push(&[if extra == 0 { 1 } else { 2 }])
        .push(&seconds.to_be_bytes())
        .push(&instant.nanoseconds.to_be_bytes())
        .push(&minutes.to_be_bytes());
    Ok(if extra == 0 { bytes } else { bytes.push(&extra.to_be_bytes()) })
}

fn encode_new(instant: &AppendInstant) -> Option<TimeBytes> {
    if instant.is_zero() {
        return None;
    }
    let bytes = TimeBytes::default();
    Some(match (u32::try_from(instant.unix_seconds), u64::try_from(instant.unix_seconds)) {
        (Ok(seconds), _) if instant.nanoseconds == 0 => bytes.push(&seconds.to_be_bytes()),
        (_, Ok(seconds)) if seconds < 1 << 34 => {
            bytes.push(&(u64::from(instant.nanoseconds) << 34 | seconds).to_be_bytes())
        }
        _ => {
            bytes.push(&instant.nanoseconds.to_be_bytes()).push(&instant.unix_seconds.to_be_bytes())
        }
    })
}
