//! Which fields are compared: all that both formats hold, but those the operator leaves out.

use crate::compare::Error;
use crate::model::{EntryFields, Field, StateDifference, StateFields};
use crate::store::{Profile, VoteForm};

/// What is compared.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) entry: EntryFields,
    pub(super) state: StateFields,
    ignored: Vec<String>,
    all_stable_keys: bool,
    not_comparable: Vec<&'static str>,
}

impl Comparison {
    /// What both profiles hold, without the `ignored` fields.
    pub(super) fn new(a: &Profile, b: &Profile, ignored: &[String]) -> Result<Comparison, Error> {
        let mut comparison = Comparison {
            entry: EntryFields::MEANING,
            state: StateFields::MEANING,
            ignored: Vec::new(),
            all_stable_keys: a.holds.stable_keys && b.holds.stable_keys,
            not_comparable: Vec::new(),
        };
        for name in ignored {
            comparison.ignore(name)?;
        }
        let (a, b) = (&a.holds, &b.holds);
        let mut drop_unless = |both: bool, name: &'static str, field: &mut bool| {
            if !both {
                *field = false;
                comparison.not_comparable.push(name);
            }
        };
        let (entry, state) = (&mut comparison.entry, &mut comparison.state);
        drop_unless(a.terms && b.terms, "term", &mut entry.term);
        drop_unless(a.extensions && b.extensions, "extensions", &mut entry.extensions);
        drop_unless(a.appended_at && b.appended_at, "appended-at", &mut entry.appended_at);
        drop_unless(a.commit && b.commit, "state:commit", &mut state.commit);
        drop_unless(votes_compare(a.vote, b.vote), "state:vote", &mut state.candidate);
        drop_unless(a.snapshot_marker && b.snapshot_marker, "snapshot", &mut state.snapshot);
        Ok(comparison)
    }

    fn ignore(&mut self, name: &str) -> Result<(), Error> {
        match name {
            "term" => self.entry.term = false,
            "kind" => self.entry.kind = false,
            "payload" => self.entry.payload = false,
            "extensions" => self.entry.extensions = false,
            "appended-at" => self.entry.appended_at = false,
            "snapshot" => self.state.snapshot = false,
            "presence" | "state" => self.ignored.push(name.to_owned()),
            _ if name.strip_prefix("state:").is_some_and(|key| !key.is_empty()) => {
                self.ignored.push(name.to_owned());
            }
            _ => return Err(Error::NoSuchField { name: name.to_owned() }),
        }
        Ok(())
    }

    /// Whether it is no difference that only one side has an entry.
    pub(super) fn ignores_presence(&self) -> bool {
        self.ignored.iter().any(|name| name == "presence")
    }

    /// Whether a difference of the state counts.
    pub(super) fn counts(&self, difference: &StateDifference) -> bool {
        let Field::State(_) = &difference.field else { return true };
        let name = difference.field.to_string();
        let held = self.all_stable_keys || (difference.a.is_some() && difference.b.is_some());
        held && !self.ignored.iter().any(|ignored| *ignored == name || ignored == "state")
    }

    /// Fields that one side's format cannot hold.
    pub(super) fn not_comparable(&self) -> Vec<String> {
        self.not_comparable.iter().map(|name| (*name).to_owned()).collect()
    }
}

/// Whether what one format says about the candidate can be found again in the other.
fn votes_compare(a: VoteForm, b: VoteForm) -> bool {
    a == b || a == VoteForm::Both || b == VoteForm::Both
}
