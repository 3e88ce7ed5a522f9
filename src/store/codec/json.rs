//! Walking JSON text with offsets, without building values: where a member's value lies, and that
//! all of it is JSON. Nothing is allocated and nothing recurses.

use std::ops::Range;

use crate::model::FaultKind;
use crate::store::codec::framed::odd;

/// Containers inside each other; deeper text belongs to no known program.
const DEPTH_MAX: u32 = 128;

/// A cursor over JSON text.
#[derive(Clone, Debug)]
pub(super) struct Json<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    Number,
    Word,
}

impl<'a> Json<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Json<'a> {
        Json { bytes, at: 0 }
    }

    pub(super) fn consumed(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over white space.
    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn wrong(&self, expected: &str) -> FaultKind {
        let found = match self.peek() {
            Some(byte) => format!("{:?} at byte {}", char::from(byte), self.at),
            None => format!("the end after {} bytes", self.at),
        };
        odd("JSON text", expected, found)
    }

    /// Takes `byte` behind white space.
    pub(super) fn byte(&mut self, byte: u8) -> Result<(), FaultKind> {
        self.space();
        if self.peek() != Some(byte) {
            return Err(self.wrong(&format!("{:?}", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    /// Takes `byte` where it is next.
    pub(super) fn has(&mut self, byte: u8) -> bool {
        self.space();
        let has = self.peek() == Some(byte);
        self.at += usize::from(has);
        has
    }

    /// What comes next.
    pub(super) fn kind(&mut self) -> Result<Kind, FaultKind> {
        self.space();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f' | b'n') => Ok(Kind::Word),
            _ => Err(self.wrong("a value")),
        }
    }

    /// Takes text and gives what stands between its quotes, escapes as they are.
    pub(super) fn text(&mut self) -> Result<&'a [u8], FaultKind> {
        self.byte(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) | None => return Err(self.wrong("text that ends")),
                Some(_) => self.at += 1,
            }
        }
        let text = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        if !text.is_ascii() && std::str::from_utf8(text).is_err() {
            return Err(odd("JSON text", "UTF-8", "bytes that are none"));
        }
        Ok(text)
    }

    fn escape(&mut self) -> Result<(), FaultKind> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.wrong("four hexadecimal digits"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.wrong("an escape")),
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), FaultKind> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.wrong("a digit"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), FaultKind> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    /// Takes a number that is a u64, never through a floating-point number.
    pub(super) fn unsigned(&mut self) -> Result<u64, FaultKind> {
        self.space();
        let start = self.at;
        self.number()?;
        let text = self.bytes.get(start..self.at).unwrap_or_default();
        let text = std::str::from_utf8(text).unwrap_or_default();
        text.parse().map_err(|_| odd("JSON number", "an integer from 0 to 2^64-1", shown(text)))
    }

    fn word(&mut self) -> Result<(), FaultKind> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let found = [&b"true"[..], b"false", b"null"].into_iter().find(|w| rest.starts_with(w));
        self.at += found.ok_or_else(|| self.wrong("true, false or null"))?.len();
        Ok(())
    }

    /// Whether null comes next; takes it then.
    pub(super) fn null(&mut self) -> bool {
        self.space();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let null = rest.starts_with(b"null");
        self.at += if null { 4 } else { 0 };
        null
    }

    fn simple(&mut self, kind: Kind) -> Result<(), FaultKind> {
        match kind {
            Kind::Text => self.text().map(|_| ()),
            Kind::Number => self.number(),
            _ => self.word(),
        }
    }

    /// Steps over one whole value and says where it lies.
    pub(super) fn skip(&mut self) -> Result<Range<usize>, FaultKind> {
        self.space();
        let start = self.at;
        // One bit for each open container: 1 for an object.
        let (mut open, mut depth) = (0u128, 0u32);
        loop {
            let kind = self.kind()?;
            let mut closed = true;
            match kind {
                Kind::Object | Kind::Array => {
                    if depth >= DEPTH_MAX {
                        return Err(odd("JSON text", "128 levels at most", "more"));
                    }
                    self.at += 1;
                    depth += 1;
                    open = open << 1 | u128::from(kind == Kind::Object);
                    let end = if kind == Kind::Object { b'}' } else { b']' };
                    closed = self.has(end);
                    if closed {
                        depth -= 1;
                        open >>= 1;
                    } else if kind == Kind::Object {
                        self.name()?;
                    }
                }
                simple => self.simple(simple)?,
            }
            while closed {
                if depth == 0 {
                    return Ok(start..self.at);
                }
                let object = open & 1 == 1;
                if self.has(b',') {
                    if object {
                        self.name()?;
                    }
                    closed = false;
                } else {
                    self.byte(if object { b'}' } else { b']' })?;
                    depth -= 1;
                    open >>= 1;
                }
            }
        }
    }

    fn name(&mut self) -> Result<(), FaultKind> {
        self.space();
        self.text()?;
        self.byte(b':')
    }

    /// Goes to the next member of an object: its name, with the cursor on its value. `first` says
    /// whether none was read yet.
    pub(super) fn member(&mut self, first: bool) -> Result<Option<&'a [u8]>, FaultKind> {
        if first {
            self.byte(b'{')?;
            if self.has(b'}') {
                return Ok(None);
            }
        } else if !self.has(b',') {
            self.byte(b'}')?;
            return Ok(None);
        }
        self.space();
        let name = self.text()?;
        self.byte(b':')?;
        Ok(Some(name))
    }
}

/// The beginning of a number: JSON sets no limit to its digits, a finding is one line.
fn shown(number: &str) -> String {
    const SHOWN_MAX: usize = 40;
    match number.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", number.get(..end).unwrap_or_default()),
        None => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_what_serde_json_takes_and_refuses_the_rest() {
        let texts = [
            "{}",
            "[]",
            "[[],{}]",
            "{\"a\":[1,2,{\"b\":null}],\"c\":\"\\u00e9\\n\"}",
            "-0.5e+3",
            "true",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "01",
            "1.",
            "\"\\x\"",
            "\"\t\"",
            "[1 2]",
            "nul",
            "",
            "{\"a\":1]",
            " [ 1 , 2 ] ",
            "1e",
            "\"\u{1}\"",
            "{1:2}",
            "-",
            "[}",
            "]",
        ];
        for text in texts {
            let mut json = Json::new(text.as_bytes());
            let ours = json.skip().is_ok() && {
                json.space();
                json.consumed() == text.len()
            };
            let theirs = serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(ours, theirs, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded_without_recursion() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Json::new(deep(128).as_bytes()).skip().is_ok());
        assert!(Json::new(deep(129).as_bytes()).skip().is_err());
        assert!(Json::new("[".repeat(1 << 20).as_bytes()).skip().is_err());
    }

    #[test]
    fn numbers_stay_whole() {
        assert_eq!(Json::new(b"18446744073709551615").unsigned(), Ok(u64::MAX));
        for wrong in ["18446744073709551616", "-1", "1.0", "1e3"] {
            assert!(Json::new(wrong.as_bytes()).unsigned().is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_a_number_without_end_a_finding_shows_the_beginning() {
        let found = |number: &str| match Json::new(number.as_bytes()).unsigned() {
            Err(FaultKind::Field { found, .. }) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(found(&"7".repeat(100_000)), "7".repeat(40) + "…");
        assert_eq!(found(&"7".repeat(40)), "7".repeat(40));
        assert_eq!(found("-1"), "-1");
    }
}
