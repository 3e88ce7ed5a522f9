/// Most bytes that a varint of 64 bits takes.
pub const VARINT_LEN_MAX: usize = 10;

/// Whether a varint may take more bytes than its value needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlong {
    /// It may: protobuf's readers accept padding.
    Accept,
    /// It may not: every value has one form.
    Refuse,
}

pub(super) enum Decoded {
    Value { value: u64, len_bytes: usize },
    Unfinished,
    TooLong,
}

#[inline]
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(VARINT_LEN_MAX).enumerate() {
        let group = u64::from(byte & 0x7f);
        // The tenth byte holds bit 63 and nothing else.
        if at + 1 == VARINT_LEN_MAX && group > 1 {
            return Decoded::TooLong;
        }
        value |= group << (7 * at);
        if byte & 0x80 == 0 {
            return Decoded::Value { value, len_bytes: at + 1 };
        }
    }
    if bytes.len() < VARINT_LEN_MAX { Decoded::Unfinished } else { Decoded::TooLong }
}

/// Appends `value` in its shortest form.
pub fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while let [low, ..] = value.to_le_bytes()
        && value >= 0x80
    {
        bytes.push(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    bytes.push(low);
}

/// Bytes that [`put_varint`] takes for `value`, 1 to 10.
#[inline]
pub fn varint_len_bytes(value: u64) -> usize {
    let bits = (u64::BITS - (value | 1).leading_zeros()) as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_at_the_borders_have_known_bytes() {
        let known: [(u64, &[u8]); 6] = [
            (0, &[0]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (300, &[0xac, 0x02]),
            (u64::from(u32::MAX), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ];
        for (value, bytes) in known {
            let mut put = Vec::new();
            put_varint(&mut put, value);
            assert_eq!(put, bytes);
            assert_eq!(varint_len_bytes(value), bytes.len());
            let Decoded::Value { value: read, len_bytes } = decode(bytes) else {
                panic!("{value} does not decode")
            };
            assert_eq!((read, len_bytes), (value, bytes.len()));
        }
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        let mut above = [0xff; 10];
        above[9] = 0x02;
        assert!(matches!(decode(&above), Decoded::TooLong));
        above[9] = 0x81;
        assert!(matches!(decode(&above), Decoded::TooLong));
    }
}
