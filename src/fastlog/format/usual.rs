//! The head of a usual entry, read from one word: an index walks millions of them, and decoding
//! field after field would wait for each length before it could look at the next.

use crate::fastlog::format::ENTRY_CONTENT_MAX;
use crate::fastlog::format::entry::{
    FORM_NEW, HAS_KIND_CODE, HAS_PAYLOAD, NANOSECONDS_MAX, SAME_TERM, TIME_AT, ZONE_EAST, kind_of,
};
use crate::fastlog::format::wire::short_varint;
use crate::model::EntryKind;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsualHead {
    pub(super) kind: EntryKind,
    pub(super) kind_code: Option<u32>,
    /// Bytes before the payload.
    pub(super) len: usize,
    /// Bytes of the payload, which need not be there.
    pub(super) payload_len: usize,
}

/// Most bytes of a head, and so what must be there to look at it.
const WINDOW: usize = 3 + 16;
/// The highest bit of each byte.
const GOES_ON: u128 = 0x8080_8080_8080_8080_8080_8080_8080_8080;
/// Longest varint that cannot be above 64 bits, in bits.
const VARINT_BITS: u32 = 9 * 8;
/// Longest zone that cannot be above 32 bits, in bits.
const ZONE_BITS: u32 = 4 * 8;

/// Reads the head at the beginning of `bytes` if it is of a usual entry: with a payload, a time and
/// the term of the entry before, at most a short kind number, and nothing else. `None` for all
/// others and whatever seems wrong, of which nothing is said.
#[inline(always)]
pub(super) fn usual_head(bytes: &[u8]) -> Option<UsualHead> {
    const PLAIN: u8 = HAS_PAYLOAD | SAME_TERM | TIME_AT;
    const CODED: u8 = PLAIN | HAS_KIND_CODE;
    let window: &[u8; WINDOW] = bytes.first_chunk()?;
    let [flags, kind, code, ..] = *window;
    let (kind_code, rest, at) = match flags {
        CODED if code < 0x80 => (Some(u32::from(code)), window.last_chunk::<16>()?, 3),
        PLAIN => (None, window.get(2..)?.first_chunk::<16>()?, 2),
        _ => return None,
    };
    let numbers = u128::from_le_bytes(*rest);
    let ends = !numbers & GOES_ON;
    let seconds_end = ends.trailing_zeros();
    let ends = ends & ends.wrapping_sub(1);
    let nanoseconds_end = ends.trailing_zeros();
    let ends = ends & ends.wrapping_sub(1);
    let form_end = ends.trailing_zeros();
    let mut ends = ends & ends.wrapping_sub(1);
    let mut before = form_end;
    if seconds_end >= VARINT_BITS || form_end != nanoseconds_end + 8 || ends == 0 {
        return None;
    }
    let [form, ..] = (numbers >> (nanoseconds_end + 1)).to_le_bytes();
    if form & ZONE_EAST != 0 {
        before = ends.trailing_zeros();
        ends &= ends.wrapping_sub(1);
        if before - form_end > ZONE_BITS || ends == 0 {
            return None;
        }
    }
    let (nanoseconds, nanoseconds_len) = short_varint(word_at(numbers, seconds_end + 1))?;
    let nanoseconds_bits = 8 * u32::try_from(nanoseconds_len).ok()?;
    let (payload_len, payload_len_len) = short_varint(word_at(numbers, before + 1))?;
    let end = ends.trailing_zeros();
    let is_sound = form & !(FORM_NEW | ZONE_EAST) == 0
        && nanoseconds <= NANOSECONDS_MAX
        && nanoseconds_end - seconds_end == nanoseconds_bits
        && end - before == 8 * u32::try_from(payload_len_len).ok()?;
    let payload_len = usize::try_from(payload_len).ok()?;
    if !is_sound || payload_len > ENTRY_CONTENT_MAX {
        return None;
    }
    let len = at + usize::try_from(end / 8 + 1).ok()?;
    Some(UsualHead { kind: kind_of(kind)?, kind_code, len, payload_len })
}

/// The eight bytes of `numbers` from a bit on, zeros behind its end.
#[inline(always)]
fn word_at(numbers: u128, bit: u32) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = (numbers >> bit).to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastlog::format::entry::{EntryWalk, put_entry};
    use crate::fastlog::format::wire::Wire;
    use crate::model::{
        AppendInstant, AppendTime, Entry, EntryExtra, LogIndex, SharedBytes, Term, TimeForm, Zone,
    };

    fn entry(number: u64) -> Entry {
        let pick =
            |of: u64, salt: u64| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ salt) >> 40) % of;
        let zone = match pick(3, 1) % 3 {
            0 => Zone::Utc,
            1 => Zone::East { seconds: 7_200 },
            _ => Zone::East { seconds: i32::MIN },
        };
        let nanoseconds = [0, 127, 128, 268_435_455, 268_435_456, 999_999_999];
        let seconds = [0, -1, 1_700_000_000, i64::MAX, i64::MIN, -62_135_596_800];
        let codes = [None, Some(0), Some(5), Some(127), Some(128)];
        let instant = AppendInstant {
            unix_seconds: seconds[pick(6, 2) as usize % 6],
            nanoseconds: nanoseconds[pick(6, 3) as usize % 6],
            form: if pick(2, 4).is_multiple_of(2) { TimeForm::Old } else { TimeForm::New },
            zone,
        };
        let payload = vec![7u8; [0, 1, 127, 128, 5_000][pick(5, 5) as usize % 5]];
        Entry {
            index: LogIndex(number),
            term: Term(3),
            kind: EntryKind::ALL[pick(9, 6) as usize % 9],
            kind_code: codes[pick(5, 7) as usize % 5],
            payload: Some(SharedBytes::from(payload.as_slice())),
            extra: EntryExtra { appended_at: AppendTime::At(instant), ..EntryExtra::default() },
        }
    }

    /// The head that decoding field by field finds, or `None` where it finds a fault.
    fn slowly(bytes: &[u8]) -> Option<(EntryKind, Option<u32>, usize, usize)> {
        let mut walk = EntryWalk::behind(Wire::starting(bytes, 0), LogIndex(1), Term(3));
        let view = walk.next_entry().ok()??;
        let payload = view.payload?;
        Some((view.kind, view.kind_code, payload.start, payload.len()))
    }

    #[test]
    fn a_usual_head_says_what_its_fields_say_however_its_bytes_are_changed() {
        let (mut usual, mut others) = (0, 0);
        for number in 0..4_000 {
            let mut bytes = Vec::new();
            put_entry(&mut bytes, &entry(number), Some(Term(3)));
            let seen = bytes.len().min(40);
            for (at, flip) in (0..seen).flat_map(|at| [0u8, 1, 0x40, 0x80, 0xff].map(|f| (at, f))) {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let Some(head) = usual_head(&changed) else {
                    others += 1;
                    continue;
                };
                usual += 1;
                if head.len + head.payload_len <= changed.len() {
                    let quick = (head.kind, head.kind_code, head.len, head.payload_len);
                    assert_eq!(Some(quick), slowly(&changed), "{number} {at} {flip} {changed:x?}");
                } else {
                    assert_eq!(slowly(&changed), None);
                }
            }
        }
        assert!(usual > 100_000 && others > 100_000, "{usual} {others}");
    }

    #[test]
    fn the_heads_that_a_log_of_hashicorps_library_has_are_usual() {
        let mut entry = entry(0);
        entry.kind_code = Some(0);
        entry.payload = Some(SharedBytes::from([1u8; 200].as_slice()));
        for (seconds, zone) in [(0, Zone::Utc), (-62_135_596_800, Zone::East { seconds: 3_600 })] {
            for nanoseconds in [1, 999_999_999] {
                let form = TimeForm::New;
                let instant = AppendInstant { unix_seconds: seconds, nanoseconds, form, zone };
                entry.extra.appended_at = AppendTime::At(instant);
                let mut bytes = Vec::new();
                put_entry(&mut bytes, &entry, Some(Term(3)));
                let head = usual_head(&bytes).expect("usual");
                assert_eq!((head.len + head.payload_len, head.payload_len), (bytes.len(), 200));
            }
        }
    }
}
