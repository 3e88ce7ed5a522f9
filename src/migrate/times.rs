//! Which forms of append times are written, and who reads them: the form decides whether a server
//! starts.

use crate::model::{AppendTime, Entry, TimeForm};
use crate::store::Product;

/// How many entries have an append time in which form, as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) old: u64,
    pub(super) new: u64,
}

impl Times {
    /// Counts an entry as it is written.
    pub(super) fn add(&mut self, entry: &Entry, asked: Option<TimeForm>) {
        let AppendTime::At(instant) = &entry.extra.appended_at else { return };
        match asked.unwrap_or(instant.form) {
            TimeForm::Old => self.old += 1,
            TimeForm::New => self.new += 1,
        }
    }

    /// Both counts together.
    pub(super) fn and(self, other: Times) -> Times {
        Times { old: self.old + other.old, new: self.new + other.new }
    }

    /// Who reads what is written, one line; nothing where no entry has an append time.
    pub(super) fn note(self) -> Option<String> {
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
        let old = Times { old: 3, new: 0 };
        let both = old.and(Times { old: 0, new: 2 });
        assert_eq!(old.unread_by(Product::Dkron), None);
        assert!(old.unread_by(Product::OpenBao).is_some_and(|(words, wanted)| {
            words.contains("openbao") && wanted == TimeForm::New
        }));
        assert!(both.unread_by(Product::Dkron).is_some_and(|(words, _)| words.starts_with("2 ")));
        assert_eq!(both.unread_by(Product::Nomad), None);
        assert!(both.note().is_some_and(|words| words.contains("a mixture, 3 in the old")));
        assert_eq!(Times::default().note(), None);
    }
}
