use std::fmt;
use std::str::FromStr;

use crate::vfs::sim::{ImageNo, Seed};

/// One crash that can be tried again: a run by its seed, the moment of the cut, and which of the
/// legal images it left; then, for crashes during recovery and after it, the same again.
///
/// With the flags that shaped the run it stands for the same bytes on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Of the run.
    pub seed: Seed,
    /// Number of the moment, from 0.
    pub point: usize,
    /// Which image; `None` is all that was issued, as when only the process ends.
    pub image: Option<ImageNo>,
    /// Moments of the second process, and their images.
    pub then: Vec<(usize, ImageNo)>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{}", self.seed.0, self.point)?;
        if let Some(image) = self.image {
            write!(f, ":{}", image.0)?;
        }
        for (point, image) in &self.then {
            write!(f, "/{point}:{}", image.0)?;
        }
        Ok(())
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        parsed(text).ok_or_else(|| {
            "write SEED:POINT[:IMAGE][/POINT:IMAGE], as a report printed it: 7f3a:118:37".to_owned()
        })
    }
}

fn parsed(text: &str) -> Option<Case> {
    let mut parts = text.split('/');
    let mut first = parts.next()?.split(':');
    let seed = Seed(u64::from_str_radix(first.next()?, 16).ok()?);
    let point = first.next()?.parse().ok()?;
    let image = match first.next() {
        Some(number) => Some(ImageNo(number.parse().ok()?)),
        None => None,
    };
    let then = parts
        .map(|part| {
            let (point, image) = part.split_once(':')?;
            Some((point.parse().ok()?, ImageNo(image.parse().ok()?)))
        })
        .collect::<Option<Vec<_>>>()?;
    let is_whole =
        first.next().is_none() && then.len() <= 1 && (then.is_empty() || image.is_some());
    is_whole.then_some(Case { seed, point, image, then })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_as_they_are_printed() {
        for text in ["7f3a:118", "7f3a:118:37", "0:0:0/3:511", "ffffffffffffffff:1:2/3:4"] {
            assert_eq!(text.parse::<Case>().expect("a case").to_string(), text);
        }
        for wrong in
            ["", "7f3a", "x:1", "1:", "1:2:", "1:2:3:4", "1:2/3:4", "1:2:3/4", "1:2:3/4:5/6:7"]
        {
            assert!(wrong.parse::<Case>().is_err(), "{wrong}");
        }
    }
}
