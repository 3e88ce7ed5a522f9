//! Walking msgpack token by token, with offsets: what a value is, where its bytes lie, how to step
//! over one that nobody knows.

use std::ops::Range;

use rmp::Marker;

use crate::model::FaultKind;

/// One token. Of a map or an array only its header is consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// nil.
    Nil,
    /// A non-negative integer, whatever its code.
    Unsigned(u64),
    /// An integer below zero.
    Negative(i64),
    /// Text or bytes: where they lie.
    Bytes(Range<usize>),
    /// An extension: its type and where its bytes lie.
    Extension(i8, Range<usize>),
    /// An array of so many values.
    Array(u32),
    /// A map of so many pairs.
    Map(u32),
    /// A boolean, a floating-point number, or the code that msgpack never uses.
    Other(u8),
}

impl Token {
    /// The token in words, for a finding.
    pub(super) fn words(&self) -> String {
        match self {
            Token::Nil => "nil".to_owned(),
            Token::Unsigned(number) => format!("the number {number}"),
            Token::Negative(number) => format!("the number {number}"),
            Token::Bytes(range) => format!("{} bytes of text", range.len()),
            Token::Extension(kind, _) => format!("an extension of type {kind}"),
            Token::Array(len) => format!("an array of {len}"),
            Token::Map(len) => format!("a map of {len}"),
            Token::Other(code) => format!("msgpack code {code:#04x}"),
        }
    }
}

/// A cursor over one encoded value. Nothing is allocated by a length that it reads.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// How many bytes were consumed.
    pub(super) fn consumed(&self) -> usize {
        self.at
    }

    /// The bytes of a range that a token named.
    pub(super) fn bytes_of(&self, range: &Range<usize>) -> &'a [u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    fn take(&mut self, len: u64) -> Result<Range<usize>, FaultKind> {
        let left = self.bytes.len() - self.at;
        match usize::try_from(len) {
            Ok(len) if len <= left => {
                let start = self.at;
                self.at += len;
                Ok(start..self.at)
            }
            _ => Err(self.short(len)),
        }
    }

    #[cold]
    fn short(&self, len: u64) -> FaultKind {
        FaultKind::Short {
            what: "encoded entry",
            needed_bytes: len.saturating_add(self.at as u64),
            found_bytes: self.bytes.len() as u64,
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FaultKind> {
        match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) {
            Some(found) => {
                self.at += N;
                Ok(*found)
            }
            None => Err(self.short(N as u64)),
        }
    }

    fn number8(&mut self) -> Result<u8, FaultKind> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    fn number16(&mut self) -> Result<u16, FaultKind> {
        self.array::<2>().map(u16::from_be_bytes)
    }

    fn number32(&mut self) -> Result<u32, FaultKind> {
        self.array::<4>().map(u32::from_be_bytes)
    }

    fn number64(&mut self) -> Result<u64, FaultKind> {
        self.array::<8>().map(u64::from_be_bytes)
    }

    fn bytes_token(&mut self, len: u64) -> Result<Token, FaultKind> {
        self.take(len).map(Token::Bytes)
    }

    fn extension(&mut self, len: u64) -> Result<Token, FaultKind> {
        let [kind] = self.array::<1>()?.map(u8::cast_signed);
        Ok(Token::Extension(kind, self.take(len)?))
    }

    /// Consumes the next token.
    ///
    /// # Errors
    /// `Short` when the bytes end before it does.
    pub(super) fn token(&mut self) -> Result<Token, FaultKind> {
        let code = self.number8()?;
        match Marker::from_u8(code) {
            Marker::Null => Ok(Token::Nil),
            Marker::FixPos(number) => Ok(Token::Unsigned(number.into())),
            Marker::U8 => Ok(Token::Unsigned(self.number8()?.into())),
            Marker::U16 => Ok(Token::Unsigned(self.number16()?.into())),
            Marker::U32 => Ok(Token::Unsigned(self.number32()?.into())),
            Marker::U64 => Ok(Token::Unsigned(self.number64()?)),
            Marker::FixNeg(number) => Ok(signed(number.into())),
            Marker::I8 => Ok(signed(self.number8()?.cast_signed().into())),
            Marker::I16 => Ok(signed(self.number16()?.cast_signed().into())),
            Marker::I32 => Ok(signed(self.number32()?.cast_signed().into())),
            Marker::I64 => Ok(signed(self.number64()?.cast_signed())),
            Marker::FixStr(len) => self.bytes_token(len.into()),
            Marker::Str8 | Marker::Bin8 => self.number8().and_then(|n| self.bytes_token(n.into())),
            Marker::Str16 | Marker::Bin16 => {
                self.number16().and_then(|n| self.bytes_token(n.into()))
            }
            Marker::Str32 | Marker::Bin32 => {
                self.number32().and_then(|n| self.bytes_token(n.into()))
            }
            Marker::FixArray(len) => Ok(Token::Array(len.into())),
            Marker::Array16 => Ok(Token::Array(self.number16()?.into())),
            Marker::Array32 => Ok(Token::Array(self.number32()?)),
            Marker::FixMap(len) => Ok(Token::Map(len.into())),
            Marker::Map16 => Ok(Token::Map(self.number16()?.into())),
            Marker::Map32 => Ok(Token::Map(self.number32()?)),
            Marker::FixExt1 => self.extension(1),
            Marker::FixExt2 => self.extension(2),
            Marker::FixExt4 => self.extension(4),
            Marker::FixExt8 => self.extension(8),
            Marker::FixExt16 => self.extension(16),
            Marker::Ext8 => self.number8().and_then(|n| self.extension(n.into())),
            Marker::Ext16 => self.number16().and_then(|n| self.extension(n.into())),
            Marker::Ext32 => self.number32().and_then(|n| self.extension(n.into())),
            Marker::F32 => self.take(4).map(|_| Token::Other(code)),
            Marker::F64 => self.take(8).map(|_| Token::Other(code)),
            Marker::True | Marker::False => Ok(Token::Other(code)),
            Marker::Reserved => Err(FaultKind::Field {
                what: "msgpack code",
                expected: "a code that msgpack defines".to_owned(),
                found: format!("{code:#04x}"),
            }),
        }
    }

    /// Whether nil comes next; takes it then.
    pub(super) fn nil(&mut self) -> bool {
        let nil = self.bytes.get(self.at) == Some(&Marker::Null.to_u8());
        self.at += usize::from(nil);
        nil
    }

    /// Steps over one whole value, nested ones included, without recursion.
    ///
    /// # Errors
    /// As [`Reader::token`].
    pub(super) fn skip(&mut self) -> Result<Range<usize>, FaultKind> {
        let start = self.at;
        let mut pending = 1u64;
        while pending > 0 {
            pending -= 1;
            // Every announced value takes at least a byte, so the bytes end before this overflows.
            match self.token()? {
                Token::Array(len) => pending += u64::from(len),
                Token::Map(len) => pending += u64::from(len) * 2,
                _ => {}
            }
        }
        Ok(start..self.at)
    }
}

fn signed(number: i64) -> Token {
    match u64::try_from(number) {
        Ok(number) => Token::Unsigned(number),
        Err(_) => Token::Negative(number),
    }
}

/// Appends text or bytes as go-msgpack writes them without `WriteExt`: no str8, no bin.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    match u16::try_from(bytes.len()) {
        Ok(len @ 0..32) => out.push(0xa0 | len.to_be_bytes()[1]),
        Ok(len) => {
            out.push(Marker::Str16.to_u8());
            out.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            out.push(Marker::Str32.to_u8());
            // A value beyond 4 GiB does not fit into any container that holds this codec.
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

/// Appends an unsigned integer in its smallest code.
pub(super) fn write_unsigned(out: &mut Vec<u8>, number: u64) {
    if let Ok(small) = u8::try_from(number) {
        if small >= 0x80 {
            out.push(Marker::U8.to_u8());
        }
        out.push(small);
    } else if let Ok(number) = u16::try_from(number) {
        out.push(Marker::U16.to_u8());
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        out.push(Marker::U32.to_u8());
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(Marker::U64.to_u8());
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Appends the header of a map of `pairs`.
pub(super) fn write_map(out: &mut Vec<u8>, pairs: usize) {
    match u16::try_from(pairs) {
        Ok(pairs @ 0..16) => out.push(0x80 | pairs.to_be_bytes()[1]),
        Ok(pairs) => {
            out.push(Marker::Map16.to_u8());
            out.extend_from_slice(&pairs.to_be_bytes());
        }
        Err(_) => {
            out.push(Marker::Map32.to_u8());
            let pairs = u32::try_from(pairs).unwrap_or(u32::MAX);
            out.extend_from_slice(&pairs.to_be_bytes());
        }
    }
}

/// Appends nil.
pub(super) fn write_nil(out: &mut Vec<u8>) {
    out.push(Marker::Null.to_u8());
}
