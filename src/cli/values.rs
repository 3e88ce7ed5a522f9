//! Values of flags: words from a list, durations, levels.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::bench::Flush;
use crate::bench::cell::parse_flush;
use crate::model::{Durability, TimeForm};
use crate::store::{Level, RedbFormat};
use crate::vfs::sim::Torn;

/// Levels of `verify`.
pub const LEVELS: [Level; 2] = [Level::Quick, Level::Full];

/// File formats of redb targets.
pub const REDB_FORMATS: [RedbFormat; 2] = [RedbFormat::V2, RedbFormat::V3];

/// Forms of append times.
pub const TIME_FORMS: [TimeForm; 2] = [TimeForm::Old, TimeForm::New];

/// The word of a form of append times.
pub fn time_form_word(form: TimeForm) -> &'static str {
    match form {
        TimeForm::Old => "old",
        TimeForm::New => "new",
    }
}

/// How finely pages may be torn.
pub const TORN: [Torn; 3] = [Torn::No, Torn::Sectors, Torn::Bytes];

/// Durabilities as they are written.
const DURABILITIES: [(&str, Durability); 3] =
    [("-1", Durability::Low), ("0", Durability::Mid), ("1", Durability::High)];

/// The word of a level.
pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::Quick => "quick",
        Level::Full => "full",
    }
}

/// The word of a file format.
pub fn redb_format_word(format: RedbFormat) -> &'static str {
    match format {
        RedbFormat::V2 => "2",
        RedbFormat::V3 => "3",
    }
}

/// Takes a pattern of names of files, `{}` standing for the group.
pub fn file_pattern(text: &str) -> Result<String, String> {
    match text.split_once("{}") {
        Some(_) if !text.contains('/') => Ok(text.to_owned()),
        Some(_) => Err("names of files, not paths".to_owned()),
        None => Err("{} stands for the group, as in group-{}.redb".to_owned()),
    }
}

/// Takes one of `all`, by its word.
pub fn words<T>(all: &'static [T], word: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.iter().map(|value| word(*value))).try_map(move |text| {
        let found = all.iter().copied().find(|value| word(*value) == text);
        found.ok_or_else(|| format!("{text:?} is not in the list"))
    })
}

/// Flush policies, as many as were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flushes(pub Vec<Flush>);

/// Takes flush policies with commas between them; `batch:ENTRIES,MS` has one inside.
pub fn flushes(text: &str) -> Result<Flushes, String> {
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(',') {
        match parts.last_mut() {
            Some(last) if last.starts_with("batch:") && !last.contains(',') => {
                last.push(',');
                last.push_str(part);
            }
            _ => parts.push(part.to_owned()),
        }
    }
    parts.iter().map(|part| parse_flush(part)).collect::<Result<_, _>>().map(Flushes)
}

/// Takes a number of seconds.
pub fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || "write seconds from 0.01 to 3600, as in 0.25".to_owned();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse::<f64>().ok().filter(|s| plain && (0.01..=3600.0).contains(s)).ok_or_else(wrong)
}

/// Takes a durability: -1, 0, 1, or the synonym of one.
pub fn durability() -> impl TypedValueParser<Value = Durability> {
    let values =
        DURABILITIES.map(|(digits, level)| PossibleValue::new(digits).alias(level.as_str()));
    PossibleValuesParser::new(values).try_map(|text| {
        let found = DURABILITIES
            .into_iter()
            .find(|(digits, level)| level.as_str() == text || *digits == text)
            .map(|(_, level)| level);
        found.ok_or_else(|| format!("{text:?} is not -1, 0 or 1"))
    })
}

/// Takes a duration: a number and `ms`, `s`, `m` or `h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    match (digits.bytes().all(|byte| byte.is_ascii_digit()), digits.parse::<u64>(), factor) {
        (true, Ok(number), Some(factor)) => number
            .checked_mul(factor)
            .map(Duration::from_millis)
            .ok_or_else(|| "that is too long".to_owned()),
        (true, Ok(_), None) if unit.is_empty() => {
            Err("a unit is missing: 500ms, 5s, 2m".to_owned())
        }
        _ => Err("write a number and a unit: 500ms, 5s, 2m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_durability_is_written_as_its_number() {
        for (digits, level) in DURABILITIES {
            assert_eq!(digits, level.as_i8().to_string());
        }
    }

    #[test]
    fn flush_policies_stand_side_by_side_although_one_has_a_comma() {
        let custom = |entries, ms| Flush::Batch {
            threshold_entries: entries,
            interval: Duration::from_millis(ms),
        };
        let all = vec![Flush::Immediate, custom(8, 20), Flush::BATCH, custom(9, 1)];
        assert_eq!(flushes("immediate,batch:8,20,batch,batch:9,1"), Ok(Flushes(all)));
        for wrong in ["", "batch:8", "immediate,", "20", "batch,20", "batch:8,20,20"] {
            assert!(flushes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_are_a_plain_number_in_bounds() {
        assert_eq!(seconds("0.25"), Ok(0.25));
        assert_eq!(seconds("3600"), Ok(3600.0));
        for wrong in ["", "0", "0.001", "-1", "1e2", "inf", "NaN", "3601", "1s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_need_a_unit_and_fit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(duration("5"), Err("a unit is missing: 500ms, 5s, 2m".to_owned()));
        for wrong in ["", "s", "-5s", "+5s", "5 s", "5d", "1.5s", "5ss", "18446744073709551615h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
