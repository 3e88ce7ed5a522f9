//! Which forms of append times are written, and who reads them: the form decides whether a server
//! starts.

use crate::model::{AppendInstant, AppendTime, TimeForm, Zone};
use crate::store::Product;
use crate::store::codec::time_in_form;

/// How many entries have an append time in which form, as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) old: u64,
    pub(super) new: u64,
    /// Times whose zone becomes UTC.
    pub(super) zones_lost: u64,
}

impl Times {
    /// Counts an entry's time as it is written, in the form that was asked for.
    pub(super) fn add(&mut self, time: AppendTime, asked: Option<TimeForm>) {
        let written = asked.map_or(time, |form| time_in_form(time, form));
        let zone = |time| match time {
            AppendTime::At(AppendInstant { zone, .. }) => zone,
            _ => Zone::Utc,
        };
        self.zones_lost += u64::from(zone(time) != zone(written));
        match written {
            AppendTime::At(AppendInstant { form: TimeForm::Old, .. }) => self.old += 1,
            AppendTime::At(AppendInstant { form: TimeForm::New, .. }) => self.new += 1,
            AppendTime::Absent | AppendTime::Nil => {}
        }
    }

    /// Both counts together.
    pub(super) fn and(self, other: Times) -> Times {
        Times {
            old: self.old + other.old,
            new: self.new + other.new,
            zones_lost: self.zones_lost + other.zones_lost,
        }
    }

    /// Who reads what is written, and what it loses, a line each; nothing where no entry has an
    /// append time.
    pub(super) fn notes(self) -> Vec<String> {
        let zones = (self.zones_lost > 0).then(|| {
            format!("append times whose zone becomes UTC: {}; the moments stay", self.zones_lost)
        });
        self.readers().into_iter().chain(zones).collect()
    }

    fn readers(self) -> Option<String> {
        const OLD: &str = "raft-boltdb 1 (Dkron), Consul, and whatever links go-msgpack 2 (Nomad)";
        const NEW: &str = "Vault, OpenBao, and whatever links go-msgpack 2 (Nomad); not \
                           raft-boltdb 1 (Dkron)";
        match (self.old, self.new) {
            (0, 0) => None,
            (old, 0) => Some(format!(
                "append times: {old} in the old form, read by {OLD}; not by Vault and OpenBao"
            )),
            (0, new) => Some(format!("append times: {new} in the new form, read by {NEW}")),
            (old, new) => Some(format!(
                "append times: a mixture, {old} in the old form and {new} in the new one; only \
                 what links go-msgpack 2 (Nomad) reads both; --time-form writes one"
            )),
        }
    }

    /// What `product` would not read, one line, and the form that it reads.
    pub(super) fn unread_by(self, product: Product) -> Option<(String, TimeForm)> {
        let (count, word, wanted) = if product.reads_times(TimeForm::Old) == Some(false) {
            (self.old, "old", TimeForm::New)
        } else if product.reads_times(TimeForm::New) == Some(false) {
            (self.new, "new", TimeForm::Old)
        } else {
            return None;
        };
        let name = product.as_str();
        let what = format!("{count} append times are in the {word} form, which {name} cannot read");
        (count > 0).then_some((what, wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_read_a_form_is_named_and_a_mixture_too() {
        let old = Times { old: 3, ..Times::default() };
        let both = old.and(Times { new: 2, ..Times::default() });
        assert_eq!(old.unread_by(Product::Dkron), None);
        assert!(old.unread_by(Product::OpenBao).is_some_and(|(words, wanted)| {
            words.contains("openbao") && wanted == TimeForm::New
        }));
        assert!(both.unread_by(Product::Dkron).is_some_and(|(words, _)| words.starts_with("2 ")));
        assert_eq!(both.unread_by(Product::Nomad), None);
        assert!(both.notes()[0].contains("a mixture, 3 in the old"));
        assert_eq!(Times::default().notes(), Vec::<String>::new());
    }

    #[test]
    fn times_are_counted_as_they_are_written_and_zones_that_go_are_told() {
        let instant = AppendInstant {
            unix_seconds: 1_700_000_000,
            nanoseconds: 1,
            form: TimeForm::Old,
            zone: Zone::East { seconds: 3_600 },
        };
        let written = |asked| {
            let mut times = Times::default();
            [AppendTime::Absent, AppendTime::Nil, AppendTime::At(instant)]
                .into_iter()
                .for_each(|time| times.add(time, asked));
            times
        };
        assert_eq!(written(None), Times { old: 1, new: 0, zones_lost: 0 });
        assert_eq!(written(Some(TimeForm::New)), Times { old: 0, new: 1, zones_lost: 1 });
        assert_eq!(written(Some(TimeForm::Old)), Times { old: 2, new: 0, zones_lost: 0 });
        assert!(written(Some(TimeForm::New)).notes()[1].contains("zone becomes UTC: 1;"));
    }
}
