//! Turning append times from one of go-msgpack's forms into the other.

use crate::model::{AppendInstant, AppendTime, Entry, SharedBytes, TimeForm, Zone};
use crate::store::codec::note::Note;

/// An append time in `form`: the same moment, in UTC, as only the old form keeps zones. No time,
/// and one in this form already, stay as they are.
pub fn time_in_form(time: AppendTime, form: TimeForm) -> AppendTime {
    let zero = AppendInstant {
        unix_seconds: AppendInstant::ZERO_UNIX_SECONDS,
        nanoseconds: 0,
        form,
        zone: Zone::Utc,
    };
    match (time, form) {
        // nil is the zero time of the new form.
        (AppendTime::Nil, TimeForm::Old) => AppendTime::At(zero),
        (AppendTime::At(instant), form) if instant.form != form => {
            match (instant.is_zero(), form) {
                (true, TimeForm::New) => AppendTime::Nil,
                _ => AppendTime::At(AppendInstant { form, zone: Zone::Utc, ..instant }),
            }
        }
        (time, _) => time,
    }
}

/// Puts the append time of `entry` into `form`, as [`time_in_form`] has it.
pub fn in_time_form(entry: &mut Entry, form: TimeForm) {
    let time = time_in_form(entry.extra.appended_at, form);
    if time == entry.extra.appended_at {
        return;
    }
    entry.extra.appended_at = time;
    // What the note says about the bytes of the old time speaks of them no more.
    if let Ok(mut note) = Note::read(&entry.extra.note)
        && note.time.take().is_some()
    {
        let rest = note.write();
        entry.extra.note =
            if rest.is_empty() { SharedBytes::default() } else { SharedBytes::from(rest) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LogIndex;
    use crate::store::codec::{decode, encode};

    fn bytes(hex: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex")
    }

    /// One entry, as both forms of go-msgpack write it.
    const OLD: &str = "86aa417070656e6465644174af010000000edd257425287735f2ffff\
                       a444617461a568656c6c6faa457874656e73696f6e73c0a5496e646578cd012c\
                       a45465726d02a45479706500";
    const NEW: &str = "86aa417070656e6465644174a8a1dcd7c865937d25a444617461a568656c6c6f\
                       aa457874656e73696f6e73c0a5496e646578cd012ca45465726d02a45479706500";

    fn written(value: &str, form: TimeForm) -> String {
        let value = SharedBytes::from(bytes(value));
        let mut entry = decode(&value, LogIndex(300)).expect("an entry").entry;
        in_time_form(&mut entry, form);
        let mut out = Vec::new();
        encode(&entry, &mut out).expect("encodes");
        data_encoding::HEXLOWER.encode(&out)
    }

    #[test]
    fn either_form_becomes_the_other_as_its_library_writes_it() {
        assert_eq!(written(NEW, TimeForm::Old), OLD);
        assert_eq!(written(OLD, TimeForm::New), NEW);
        assert_eq!(written(OLD, TimeForm::Old), OLD);
        assert_eq!(written(NEW, TimeForm::New), NEW);
    }

    #[test]
    fn the_zero_time_is_nil_in_the_new_form_and_zeros_in_the_old_one() {
        let zero = "af01000000000000000000000000ffff";
        let old = OLD.replacen("af010000000edd257425287735f2ffff", zero, 1);
        let new = NEW.replacen("a8a1dcd7c865937d25", "c0", 1);
        assert_eq!(written(&old, TimeForm::New), new);
        assert_eq!(written(&new, TimeForm::Old), old);
    }

    #[test]
    fn a_zone_is_lost_with_the_old_form_and_the_moment_is_not() {
        let india = OLD.replacen("287735f2ffff", "287735f2014a", 1);
        assert_eq!(written(&india, TimeForm::Old), india);
        assert_eq!(written(&india, TimeForm::New), NEW);
    }
}
