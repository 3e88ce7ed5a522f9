use std::path::Path;
use std::sync::Arc;

use crate::bytes::{BytesError, Overlong, varint};
use crate::model::Place;

/// Reads untrusted bytes front to back, never beyond their end, and knows where in the file they
/// came from.
///
/// Every read names what it wants; a read that fails moves nothing. Cloning is cheap: it is a
/// bookmark.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    base_offset_bytes: u64,
}

macro_rules! integers {
    ($($le:ident $be:ident $int:ty),*) => {$(
        #[doc = concat!("Reads a `", stringify!($int), "`, least significant byte first.")]
        ///
        /// # Errors
        /// [`BytesError::Short`] when the bytes end before.
        #[inline]
        pub fn $le(&mut self, what: &'static str) -> Result<$int, BytesError> {
            self.array(what).map(<$int>::from_le_bytes)
        }

        #[doc = concat!("Reads a `", stringify!($int), "`, most significant byte first.")]
        ///
        /// # Errors
        /// [`BytesError::Short`] when the bytes end before.
        #[inline]
        pub fn $be(&mut self, what: &'static str) -> Result<$int, BytesError> {
            self.array(what).map(<$int>::from_be_bytes)
        }
    )*};
}

impl<'a> Cursor<'a> {
    /// A cursor at the first of `bytes`, which lies at `base_offset_bytes` of its file.
    pub fn new(bytes: &'a [u8], base_offset_bytes: u64) -> Cursor<'a> {
        Cursor { bytes, position: 0, base_offset_bytes }
    }

    /// Bytes read so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Where in the file the next byte lies.
    #[inline]
    pub fn offset_bytes(&self) -> u64 {
        self.base_offset_bytes.saturating_add(self.position as u64)
    }

    /// Bytes that are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest().len()
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Everything that is left; the cursor stays where it is.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// What was read since the cursor stood at `start`; empty when `start` lies ahead.
    #[inline]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.position).unwrap_or_default()
    }

    /// The place in `file` of the next `len_bytes` bytes, whether they exist or not.
    pub fn place_ahead(&self, file: &Arc<Path>, len_bytes: u64) -> Place {
        Place { file: Arc::clone(file), offset_bytes: self.offset_bytes(), len_bytes }
    }

    /// The place in `file` of what was read since the cursor stood at `start`.
    pub fn place_since(&self, file: &Arc<Path>, start: usize) -> Place {
        Place {
            file: Arc::clone(file),
            offset_bytes: self.base_offset_bytes.saturating_add(start as u64),
            len_bytes: self.since(start).len() as u64,
        }
    }

    /// Reads `len_bytes` bytes.
    ///
    /// # Errors
    /// [`BytesError::Short`] when fewer are left.
    #[inline]
    pub fn take(&mut self, what: &'static str, len_bytes: usize) -> Result<&'a [u8], BytesError> {
        match self.rest().split_at_checked(len_bytes) {
            Some((taken, _)) => {
                self.position += len_bytes;
                Ok(taken)
            }
            None => Err(self.short(what, len_bytes as u64)),
        }
    }

    /// Reads as many bytes as a length field says, which may be at most `limit_bytes`.
    ///
    /// # Errors
    /// [`BytesError::Bounds`] above the limit, [`BytesError::Short`] when fewer are left.
    #[inline]
    pub fn take_counted(
        &mut self,
        what: &'static str,
        len_bytes: u64,
        limit_bytes: usize,
    ) -> Result<&'a [u8], BytesError> {
        let len_bytes = self.checked_len(what, len_bytes, limit_bytes)?;
        self.take(what, len_bytes)
    }

    /// The number `value` as a length, when it is within `limit` and not above what is left.
    ///
    /// For counts of things that take at least one byte each: what passes may be allocated.
    ///
    /// # Errors
    /// [`BytesError::Bounds`] above the limit, [`BytesError::Short`] above what is left.
    #[inline]
    pub fn checked_len(
        &self,
        what: &'static str,
        value: u64,
        limit: usize,
    ) -> Result<usize, BytesError> {
        let too_large = BytesError::Bounds {
            what,
            offset_bytes: self.offset_bytes(),
            value,
            limit: limit as u64,
        };
        let len = usize::try_from(value).map_err(|_| too_large)?;
        if len > limit {
            Err(too_large)
        } else if len > self.remaining() {
            Err(self.short(what, value))
        } else {
            Ok(len)
        }
    }

    /// Passes over `len_bytes` bytes.
    ///
    /// # Errors
    /// [`BytesError::Short`] when fewer are left.
    #[inline]
    pub fn skip(&mut self, what: &'static str, len_bytes: usize) -> Result<(), BytesError> {
        self.take(what, len_bytes).map(|_| ())
    }

    /// Cuts the next `len_bytes` bytes off as a cursor of their own, which cannot read beyond them.
    ///
    /// # Errors
    /// [`BytesError::Short`] when fewer are left.
    pub fn sub(&mut self, what: &'static str, len_bytes: usize) -> Result<Cursor<'a>, BytesError> {
        let base_offset_bytes = self.offset_bytes();
        let bytes = self.take(what, len_bytes)?;
        Ok(Cursor::new(bytes, base_offset_bytes))
    }

    /// Reads `N` bytes by value.
    ///
    /// # Errors
    /// [`BytesError::Short`] when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BytesError> {
        match self.rest().first_chunk::<N>() {
            Some(array) => {
                self.position += N;
                Ok(*array)
            }
            None => Err(self.short(what, N as u64)),
        }
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`BytesError::Short`] at the end.
    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, BytesError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    integers!(
        u16_le u16_be u16, u32_le u32_be u32, u64_le u64_be u64, u128_le u128_be u128,
        i32_le i32_be i32, i64_le i64_be i64
    );

    /// Reads a varint: seven bits a byte, least significant group first.
    ///
    /// # Errors
    /// [`BytesError::Short`] when the bytes end inside it, [`BytesError::VarintTooLong`] above 64
    /// bits, [`BytesError::VarintOverlong`] where `overlong` refuses padding.
    #[inline]
    pub fn varint(&mut self, what: &'static str, overlong: Overlong) -> Result<u64, BytesError> {
        let offset_bytes = self.offset_bytes();
        match varint::decode(self.rest()) {
            varint::Decoded::Value { value, len_bytes } => {
                if overlong == Overlong::Refuse && len_bytes > varint::varint_len_bytes(value) {
                    let found_bytes = len_bytes as u64;
                    return Err(BytesError::VarintOverlong { what, offset_bytes, found_bytes });
                }
                self.position += len_bytes;
                Ok(value)
            }
            varint::Decoded::Unfinished => Err(self.short(what, self.remaining() as u64 + 1)),
            varint::Decoded::TooLong => Err(BytesError::VarintTooLong { what, offset_bytes }),
        }
    }

    #[cold]
    fn short(&self, what: &'static str, needed_bytes: u64) -> BytesError {
        BytesError::Short {
            what,
            offset_bytes: self.offset_bytes(),
            needed_bytes,
            found_bytes: self.remaining() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bytes::put_varint;

    #[test]
    fn integers_come_in_both_orders() {
        let bytes: Vec<u8> = (1..=16).collect();
        let read = |f: &dyn Fn(&mut Cursor<'_>) -> u128| f(&mut Cursor::new(&bytes, 0));
        assert_eq!(read(&|c| c.u8("a").unwrap().into()), 0x01);
        assert_eq!(read(&|c| c.u16_le("a").unwrap().into()), 0x0201);
        assert_eq!(read(&|c| c.u16_be("a").unwrap().into()), 0x0102);
        assert_eq!(read(&|c| c.u32_le("a").unwrap().into()), 0x0403_0201);
        assert_eq!(read(&|c| c.u32_be("a").unwrap().into()), 0x0102_0304);
        assert_eq!(read(&|c| c.u64_le("a").unwrap().into()), 0x0807_0605_0403_0201);
        assert_eq!(read(&|c| c.u64_be("a").unwrap().into()), 0x0102_0304_0506_0708);
        assert_eq!(read(&|c| c.u128_be("a").unwrap()), 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        assert_eq!(read(&|c| c.u128_le("a").unwrap()), 0x100f_0e0d_0c0b_0a09_0807_0605_0403_0201);
        assert_eq!(Cursor::new(&[0xff; 4], 0).i32_le("a").unwrap(), -1);
        assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xfe], 0).i32_be("a").unwrap(), -2);
        assert_eq!(Cursor::new(&[0xfe, 255, 255, 255, 255, 255, 255, 255], 0).i64_le("a"), Ok(-2));
    }

    #[test]
    fn a_failed_read_moves_nothing_and_says_what_was_missing() {
        let mut cursor = Cursor::new(&[1, 2, 3], 100);
        assert_eq!(cursor.u8("kind"), Ok(1));
        let error = cursor.u32_le("length").unwrap_err();
        assert_eq!(
            error,
            BytesError::Short {
                what: "length",
                offset_bytes: 101,
                needed_bytes: 4,
                found_bytes: 2
            }
        );
        assert_eq!(cursor.position(), 1);
        assert_eq!(cursor.take("rest", 2), Ok(&[2, 3][..]));
        assert!(cursor.is_empty());
        assert!(cursor.skip("more", 1).is_err());
        assert!(cursor.take("more", usize::MAX).is_err());
        assert_eq!(cursor.take("nothing", 0), Ok(&[][..]));
    }

    #[test]
    fn a_length_passes_only_within_its_limit_and_what_is_left() {
        let cursor = Cursor::new(&[0; 10], 0);
        assert_eq!(cursor.checked_len("n", 10, 10), Ok(10));
        assert!(matches!(
            cursor.checked_len("n", 11, 10),
            Err(BytesError::Bounds { value: 11, limit: 10, .. })
        ));
        assert!(matches!(
            cursor.checked_len("n", 11, 20),
            Err(BytesError::Short { needed_bytes: 11, found_bytes: 10, .. })
        ));
        assert!(matches!(
            cursor.checked_len("n", u64::MAX, usize::MAX),
            Err(BytesError::Short { .. })
        ));
        assert_eq!(cursor.clone().take_counted("n", 3, 4), Ok(&[0, 0, 0][..]));
    }

    #[test]
    fn places_are_those_of_the_file() {
        let file: Arc<Path> = Arc::from(Path::new("raft.db"));
        let mut cursor = Cursor::new(&[7; 32], 4096);
        cursor.skip("head", 8).unwrap();
        let start = cursor.position();
        cursor.skip("body", 4).unwrap();
        assert_eq!(cursor.place_since(&file, start).to_string(), "raft.db @ 4104 + 4");
        assert_eq!(cursor.place_ahead(&file, 6).to_string(), "raft.db @ 4108 + 6");
        assert_eq!(cursor.since(start).len(), 4);
        let mut sub = cursor.sub("part", 5).unwrap();
        assert_eq!(sub.offset_bytes(), 4108);
        assert!(sub.u64_be("beyond").is_err());
        assert_eq!(cursor.offset_bytes(), 4113);
    }

    #[test]
    fn padded_varints_pass_only_where_they_are_accepted() {
        let padded = [0x81, 0x80, 0x00];
        assert_eq!(Cursor::new(&padded, 0).varint("n", Overlong::Accept), Ok(1));
        let mut cursor = Cursor::new(&padded, 7);
        assert_eq!(
            cursor.varint("n", Overlong::Refuse),
            Err(BytesError::VarintOverlong { what: "n", offset_bytes: 7, found_bytes: 3 })
        );
        assert_eq!(cursor.position(), 0);
        assert!(matches!(
            Cursor::new(&[0xff, 0xff], 0).varint("n", Overlong::Accept),
            Err(BytesError::Short { needed_bytes: 3, found_bytes: 2, .. })
        ));
        let too_long = [0xff; 11];
        assert!(matches!(
            Cursor::new(&too_long, 0).varint("n", Overlong::Accept),
            Err(BytesError::VarintTooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn varints_read_back_what_was_put(values in prop::collection::vec(any::<u64>(), 0..20)) {
            let mut bytes = Vec::new();
            for value in &values {
                put_varint(&mut bytes, *value);
            }
            let mut cursor = Cursor::new(&bytes, 0);
            for value in &values {
                prop_assert_eq!(cursor.varint("value", Overlong::Refuse), Ok(*value));
            }
            prop_assert!(cursor.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic_or_pass_the_end(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            steps in prop::collection::vec((0u8..7, any::<u64>()), 0..30),
        ) {
            let mut cursor = Cursor::new(&bytes, u64::MAX - 20);
            for (step, number) in steps {
                let before = cursor.position();
                let worked = match step {
                    0 => cursor.u16_le("x").is_ok(),
                    1 => cursor.u64_be("x").is_ok(),
                    2 => cursor.u128_le("x").is_ok(),
                    3 => cursor.varint("x", Overlong::Accept).is_ok(),
                    4 => cursor.varint("x", Overlong::Refuse).is_ok(),
                    5 => cursor.take_counted("x", number, 16).is_ok(),
                    _ => cursor.take("x", usize::try_from(number % 80).unwrap()).is_ok(),
                };
                prop_assert!(worked || cursor.position() == before);
                prop_assert!(cursor.position() <= bytes.len());
                prop_assert_eq!(cursor.position() + cursor.remaining(), bytes.len());
            }
        }
    }
}
