use crate::bytes::varint::{Decoded, decode};

/// The value of a field of a protobuf message, as far as the bytes alone tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'b> {
    /// A varint.
    Number(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Four bytes.
    Fixed32(u32),
    /// Text, bytes, a message inside, or packed numbers.
    Bytes(&'b [u8]),
}

/// That bytes are no protobuf message: a field that does not end, or of a kind that is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMessage;

/// The fields of a message one behind the other: number and value. Ends after the first error.
/// Groups, which no known program writes, are errors.
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

/// See [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    fn varint(&mut self) -> Option<u64> {
        let Decoded::Value { value, len_bytes } = decode(self.rest) else { return None };
        self.rest = self.rest.get(len_bytes..)?;
        Some(value)
    }

    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Field<'b>)> {
        let tag = self.varint()?;
        let number = tag >> 3;
        let value = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(len)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        (number > 0).then_some((number, value))
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<(u64, Field<'b>), NoMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(NoMessage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_kind_are_read_in_order() {
        let message = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 1, 0, 0, 0]
            .into_iter()
            .chain([0x21, 2, 0, 0, 0, 0, 0, 0, 0])
            .collect::<Vec<u8>>();
        let found: Result<Vec<_>, _> = fields(&message).collect();
        let wanted = vec![
            (1, Field::Number(150)),
            (2, Field::Bytes(b"hi")),
            (3, Field::Fixed32(1)),
            (4, Field::Fixed64(2)),
        ];
        assert_eq!(found, Ok(wanted));
        assert_eq!(fields(&[]).next(), None);
    }

    #[test]
    fn what_does_not_end_with_its_bytes_is_no_message() {
        for bad in [
            &[0x08][..],
            &[0x08, 0x80],
            &[0x12, 3, 1, 2],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x1d, 0, 0, 0],
            &[0x21, 0],
            &[0x0b],
            &[0x00, 0x01],
            &[0x80; 11],
        ] {
            let found: Result<Vec<_>, _> = fields(bad).collect();
            assert_eq!(found, Err(NoMessage), "{bad:x?}");
        }
    }
}
