//! msgpack as JSON values, for payloads that describe themselves.

use rmp::Marker;
use serde_json::{Map, Value};

/// Containers inside each other; deeper ones belong to no known program.
const DEPTH_MAX: usize = 16;

/// The value that is all of `bytes`; bytes and extensions are none, keys are text or numbers.
pub(super) fn value(bytes: &[u8]) -> Option<Value> {
    let mut input = Input { rest: bytes };
    let value = input.value(0)?;
    input.rest.is_empty().then_some(value)
}

struct Input<'b> {
    rest: &'b [u8],
}

impl<'b> Input<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// A big-endian number of `width` bytes, at most 8.
    fn number(&mut self, width: usize) -> Option<u64> {
        Some(self.take(width)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn count(&mut self, width: usize) -> Option<usize> {
        usize::try_from(self.number(width)?).ok()
    }

    fn text(&mut self, len: usize) -> Option<Value> {
        let text = std::str::from_utf8(self.take(len)?).ok()?;
        Some(Value::from(text))
    }

    /// Every step consumes at least a byte or fails, so that a large count ends with the input.
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        let marker = Marker::from_u8(*self.take(1)?.first()?);
        match marker {
            Marker::Null => Some(Value::Null),
            Marker::True => Some(Value::from(true)),
            Marker::False => Some(Value::from(false)),
            Marker::FixPos(number) => Some(Value::from(number)),
            Marker::U8 => self.number(1).map(Value::from),
            Marker::U16 => self.number(2).map(Value::from),
            Marker::U32 => self.number(4).map(Value::from),
            Marker::U64 => self.number(8).map(Value::from),
            Marker::FixStr(len) => self.text(len.into()),
            Marker::Str8 => self.count(1).and_then(|len| self.text(len)),
            Marker::Str16 => self.count(2).and_then(|len| self.text(len)),
            Marker::Str32 => self.count(4).and_then(|len| self.text(len)),
            Marker::FixArray(count) => self.array(count.into(), depth),
            Marker::Array16 => self.count(2).and_then(|count| self.array(count, depth)),
            Marker::Array32 => self.count(4).and_then(|count| self.array(count, depth)),
            Marker::FixMap(count) => self.map(count.into(), depth),
            Marker::Map16 => self.count(2).and_then(|count| self.map(count, depth)),
            Marker::Map32 => self.count(4).and_then(|count| self.map(count, depth)),
            _ => None,
        }
    }

    fn array(&mut self, count: usize, depth: usize) -> Option<Value> {
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.value(depth + 1)?);
        }
        Some(Value::Array(values))
    }

    fn map(&mut self, count: usize, depth: usize) -> Option<Value> {
        let mut fields = Map::new();
        for _ in 0..count {
            let key = match self.value(depth + 1)? {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            fields.insert(key, self.value(depth + 1)?);
        }
        Some(Value::Object(fields))
    }
}
