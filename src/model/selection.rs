use std::fmt;
use std::str::FromStr;

/// Which numbers an operator asks for: `100..200` (both ends included), `..200`, `100..`, `42`, or
/// `~50`, the last 50. Used for indexes and terms alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// From the first to the second, where they are given; both included.
    Between(Option<u64>, Option<u64>),
    /// The last numbers, counted back from the highest there is.
    Last(u64),
}

/// Why a text is no [`Selection`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no range: {reason}; write 100..200, ..200, 100.., 42 or ~50 (the last 50)")]
pub struct SelectionError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Selection {
    /// Everything.
    pub const ALL: Selection = Selection::Between(None, None);

    /// First and last number selected when `highest` is the highest there is, or `None` when that
    /// is nothing.
    pub fn resolve(self, highest: Option<u64>) -> Option<(u64, u64)> {
        match self {
            Selection::Between(first, last) => {
                let (first, last) = (first.unwrap_or(0), last.unwrap_or(u64::MAX));
                (first <= last).then_some((first, last))
            }
            Selection::Last(count) => {
                let highest = highest?;
                let before = count.checked_sub(1)?;
                Some((highest.saturating_sub(before), highest))
            }
        }
    }

    /// Whether the answer depends on the highest number there is.
    pub fn needs_highest(self) -> bool {
        matches!(self, Selection::Last(_))
    }
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Selection, SelectionError> {
        let fail = |reason| SelectionError { text: text.to_owned(), reason };
        let number = |digits: &str| match digits.parse::<u64>() {
            Ok(number) if !digits.starts_with('+') => Ok(number),
            _ if digits.starts_with('-') => Err(fail("numbers are not negative")),
            _ if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() => {
                Err(fail("a number has at most 64 bits"))
            }
            _ => Err(fail("an end is no number")),
        };
        if let Some(count) = text.strip_prefix('~') {
            return match number(count)? {
                0 => Err(fail("the last 0 are none")),
                count => Ok(Selection::Last(count)),
            };
        }
        let Some((first, last)) = text.split_once("..") else {
            let only = number(text)?;
            return Ok(Selection::Between(Some(only), Some(only)));
        };
        let end = |digits: &str| match digits {
            "" => Ok(None),
            digits => number(digits).map(Some),
        };
        let (first, last) = (end(first)?, end(last)?);
        match (first, last) {
            (None, None) => Err(fail("both ends are missing")),
            (Some(first), Some(last)) if first > last => Err(fail("it ends before it begins")),
            ends => Ok(Selection::Between(ends.0, ends.1)),
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selection::Between(None, None) => f.write_str("all"),
            Selection::Between(first, last) => {
                let end = |number: &Option<u64>| number.map_or(String::new(), |n| n.to_string());
                write!(f, "{}..{}", end(first), end(last))
            }
            Selection::Last(count) => write!(f, "~{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_range_is_read() {
        let between = |first, last| Ok(Selection::Between(first, last));
        assert_eq!("100..200".parse(), between(Some(100), Some(200)));
        assert_eq!("..200".parse(), between(None, Some(200)));
        assert_eq!("100..".parse(), between(Some(100), None));
        assert_eq!("0..0".parse(), between(Some(0), Some(0)));
        assert_eq!("42".parse(), between(Some(42), Some(42)));
        assert_eq!("~50".parse(), Ok(Selection::Last(50)));
        assert_eq!("..18446744073709551615".parse(), between(None, Some(u64::MAX)));
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_reason() {
        let reason = |text: &str| text.parse::<Selection>().expect_err(text).reason;
        assert_eq!(reason(""), "an end is no number");
        assert_eq!(reason(".."), "both ends are missing");
        assert_eq!(reason("9..3"), "it ends before it begins");
        assert_eq!(reason("~0"), "the last 0 are none");
        assert_eq!(reason("~"), "an end is no number");
        assert_eq!(reason("1..x"), "an end is no number");
        assert_eq!(reason("+1"), "an end is no number");
        assert_eq!(reason("-1"), "numbers are not negative");
        assert_eq!(reason("1..18446744073709551616"), "a number has at most 64 bits");
        let message = "a..b".parse::<Selection>().expect_err("no range").to_string();
        assert!(message.contains("\"a..b\"") && message.contains("~50"), "{message}");
    }

    #[test]
    fn the_last_ones_are_counted_back_from_the_highest() {
        assert_eq!(Selection::Last(5).resolve(Some(613)), Some((609, 613)));
        assert_eq!(Selection::Last(5).resolve(Some(3)), Some((0, 3)));
        assert_eq!(Selection::Last(5).resolve(None), None);
        assert_eq!(Selection::Between(Some(4), None).resolve(None), Some((4, u64::MAX)));
    }
}
