//! Integers and byte strings inside a frame's payload.

pub(super) use crate::bytes::put_varint;

/// A part of a verified payload that does not decode: written by a newer version, or by a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The field.
    pub what: &'static str,
    /// Offset of the field from the start of the payload, in bytes.
    pub at: usize,
    /// Whether a newer version could have written it.
    pub newer: bool,
}

/// Reads fields off the front of a payload; never behind its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Wire<'a> {
    /// Begins at byte `at` of `bytes`.
    pub(super) fn starting(bytes: &'a [u8], at: usize) -> Wire<'a> {
        Wire { bytes, at: at.min(bytes.len()) }
    }

    /// Offset of the next byte.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What was not read yet.
    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Bytes not read yet.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at, newer: false }
    }

    pub(super) fn newer(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at, newer: true }
    }

    #[inline(always)]
    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        let byte = self.bytes.get(self.at).copied().ok_or(self.malformed(what))?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        let at = *self;
        let bytes = self.take(4, what)?;
        let bytes: [u8; 4] = bytes.try_into().map_err(|_| at.malformed(what))?;
        Ok(u32::from_le_bytes(bytes))
    }

    #[inline(always)]
    pub(super) fn varint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        if let Some(word) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>())
            && let Some((value, len)) = short_varint(u64::from_le_bytes(*word))
        {
            self.at += len;
            return Ok(value);
        }
        self.long_varint(what)
    }

    /// A varint of any length, or near the end.
    #[cold]
    fn long_varint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let start = self.malformed(what);
        let mut value = 0u64;
        let mut shift = 0u32;
        loop {
            let byte = self.u8(what).map_err(|_| start)?;
            let bits = u64::from(byte & 0x7f);
            if shift > 63 || (shift == 63 && bits > 1) {
                return Err(start);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    #[inline(always)]
    pub(super) fn zigzag(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let folded = self.varint(what)?;
        Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }

    /// A length that is not beyond `limit` nor behind the end.
    #[inline(always)]
    pub(super) fn len(&mut self, limit: usize, what: &'static str) -> Result<usize, Malformed> {
        let start = *self;
        match usize::try_from(self.varint(what)?) {
            Ok(len) if len <= limit && len <= self.left() => Ok(len),
            _ => Err(start.malformed(what)),
        }
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(len).ok_or(self.malformed(what))?;
        let taken = self.bytes.get(self.at..end).ok_or(self.malformed(what))?;
        self.at = end;
        Ok(taken)
    }

    /// Steps over `len` bytes; `None` when fewer are left.
    #[inline]
    pub(super) fn skip(&mut self, len: usize) -> Option<()> {
        self.at = self.at.checked_add(len).filter(|end| *end <= self.bytes.len())?;
        Some(())
    }

    /// A byte string with its length before it.
    pub(super) fn string(
        &mut self,
        limit: usize,
        what: &'static str,
    ) -> Result<&'a [u8], Malformed> {
        let len = self.len(limit, what)?;
        self.take(len, what)
    }

    /// A byte string that must be UTF-8.
    pub(super) fn text(&mut self, limit: usize, what: &'static str) -> Result<&'a str, Malformed> {
        let start = *self;
        std::str::from_utf8(self.string(limit, what)?).map_err(|_| start.malformed(what))
    }
}

/// The varint at the beginning of eight bytes, read as one little-endian number, and its length;
/// `None` when it is longer.
#[inline(always)]
pub(super) fn short_varint(word: u64) -> Option<(u64, usize)> {
    let ends = !word & 0x8080_8080_8080_8080;
    if ends == 0 {
        return None;
    }
    // Bits up to the end of the first byte that does not go on.
    let kept = word & (ends ^ ends.wrapping_sub(1)) & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = (kept & 0x007f_007f_007f_007f) | ((kept & 0x7f00_7f00_7f00_7f00) >> 1);
    let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    let value = (fours & 0x0000_0000_0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4);
    let len = usize::try_from(ends.trailing_zeros() / 8 + 1).ok()?;
    Some((value, len))
}

pub(super) fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
}

pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, len_u64(bytes.len()));
    out.extend_from_slice(bytes);
}

/// A length in memory as the number that is stored.
pub(super) fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(bytes: &[u8]) -> Wire<'_> {
        Wire::starting(bytes, 0)
    }

    #[test]
    fn varints_come_back_at_every_size() {
        let mut values = vec![0, 1, 127, 128, 300, u64::MAX, u64::MAX - 1];
        values.extend((0..64).map(|bit| 1u64 << bit));
        for value in values {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut number = wire(&out);
            assert_eq!(number.varint("number"), Ok(value));
            assert_eq!(number.left(), 0);
            for behind in [0u8, 0x80, 0xff] {
                let longer = [out.as_slice(), &[behind; 9]].concat();
                let mut number = wire(&longer);
                assert_eq!(number.varint("number"), Ok(value));
                assert_eq!(number.at(), out.len());
            }
            for cut in 0..out.len() {
                assert!(wire(&out[..cut]).varint("number").is_err());
            }
        }
        assert!(wire(&[0xff; 11]).varint("number").is_err());
        assert!(wire(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 2]).varint("n").is_err());
    }

    #[test]
    fn signed_numbers_come_back() {
        for value in [0, 1, -1, i64::MIN, i64::MAX, -62_135_596_800] {
            let mut out = Vec::new();
            put_zigzag(&mut out, value);
            assert_eq!(wire(&out).zigzag("number"), Ok(value));
        }
    }

    #[test]
    fn a_length_behind_the_end_or_the_limit_is_refused() {
        assert!(wire(&[5, 1, 2, 3, 4]).string(10, "key").is_err());
        assert!(wire(&[3, 1, 2, 3]).string(2, "key").is_err());
        assert_eq!(wire(&[3, 1, 2, 3]).string(3, "key"), Ok([1u8, 2, 3].as_slice()));
        assert_eq!(wire(&[2, 0xff, 0xff]).text(9, "name").map_err(|e| e.at), Err(0));
    }
}
