//! One group in both stores, entry by entry: a merge of two ascending streams.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::thread::Scope;

use sha2::{Digest, Sha256};

use crate::compare::fields::Comparison;
use crate::compare::{Error, FirstDifference, GroupDifference};
use crate::event::{Meter, Observer};
use crate::model::{
    AppendTime, Entry, Field, Findings, GroupId, IndexRange, LogIndex, LogState, StateDifference,
};
use crate::store::ahead::{Ahead, read_ahead};
use crate::store::{Store, StoreError};

/// One side's entries, the next one looked at.
pub(super) type Log<'scope> = Peekable<Ahead<'scope>>;

/// A store that is compared, and what was wrong with it.
pub(super) struct Side<'s> {
    pub(super) store: &'s dyn Store,
    pub(super) findings: Findings,
    /// Something could not be read, so nothing can be called identical.
    pub(super) unreadable: bool,
}

/// A group's state on one side; `None` where the store has no such group.
pub(super) struct OfGroup(pub(super) Option<LogState>);

impl OfGroup {
    pub(super) fn last(&self) -> Option<LogIndex> {
        Some(self.0.as_ref()?.bounds?.last())
    }

    /// How many indexes of `range` the bounds hold.
    pub(super) fn known(&self, range: IndexRange) -> u64 {
        let bounds = self.0.as_ref().and_then(|state| state.bounds);
        bounds.and_then(|bounds| bounds.intersection(range)).map_or(0, IndexRange::count)
    }
}

impl<'s> Side<'s> {
    pub(super) fn new(store: &'s dyn Store) -> Side<'s> {
        let mut findings = Findings::default();
        findings.extend(store.opening_faults().iter().cloned());
        Side { store, findings, unreadable: false }
    }

    pub(super) fn state(&mut self, group: &GroupId) -> Result<OfGroup, Error> {
        if !self.store.groups()?.contains(group) {
            return Ok(OfGroup(None));
        }
        match self.store.state(group) {
            Ok(state) => Ok(OfGroup(Some(state))),
            Err(error) => {
                self.damaged(error)?;
                Ok(OfGroup(Some(LogState::default())))
            }
        }
    }

    /// Damage is a finding, everything else ends the job.
    fn damaged(&mut self, error: StoreError) -> Result<(), Error> {
        let StoreError::Fault(fault) = error else { return Err(error.into()) };
        self.unreadable = true;
        if !self.store.opening_faults().contains(&fault) {
            self.findings.add(*fault);
        }
        Ok(())
    }

    /// The entries of `group`, read by a thread of their own.
    pub(super) fn log<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        group: &GroupId,
        state: &OfGroup,
        range: IndexRange,
    ) -> Result<Option<Log<'scope>>, Error>
    where
        's: 'scope,
    {
        if state.0.is_none() {
            return Ok(None);
        }
        match self.store.entries(group, range) {
            Ok(entries) => Ok(Some(read_ahead(scope, entries).peekable())),
            Err(error) => self.damaged(error).map(|()| None),
        }
    }

    /// Moves on to the next entry that can be read, and returns its index.
    pub(super) fn peek(&mut self, log: &mut Option<Log<'_>>) -> Result<Option<LogIndex>, Error> {
        let Some(log) = log else { return Ok(None) };
        loop {
            match log.peek() {
                None => return Ok(None),
                Some(Ok(located)) => return Ok(Some(located.entry.index)),
                Some(Err(_)) => {}
            }
            if let Some(Err(error)) = log.next() {
                self.damaged(error)?;
            }
        }
    }

    /// Takes the entry that was peeked at.
    pub(super) fn take(&mut self, log: &mut Option<Log<'_>>) -> Option<Entry> {
        let located = log.as_mut()?.next()?.ok()?;
        self.findings.extend(located.faults);
        Some(located.entry)
    }
}

/// Both stores, and the first difference met.
pub(super) struct Sides<'c, 's> {
    pub(super) a: &'c mut Side<'s>,
    pub(super) b: &'c mut Side<'s>,
    pub(super) comparison: &'c Comparison,
    pub(super) first: Option<FirstDifference>,
}

impl Sides<'_, '_> {
    /// Compares `group`; without a range only its state.
    pub(super) fn group(
        &mut self,
        group: &GroupId,
        (of_a, of_b): &(OfGroup, OfGroup),
        range: Option<IndexRange>,
        meter: &mut Meter,
        observer: &mut dyn Observer,
    ) -> Result<GroupDifference, Error> {
        let mut counts = GroupDifference {
            group: group.clone(),
            common: 0,
            only_a: 0,
            only_b: 0,
            differing: 0,
            state_equal: self.states_equal(group, of_a, of_b),
        };
        let Some(range) = range else { return Ok(counts) };
        std::thread::scope(|scope| {
            let log_a = self.a.log(scope, group, of_a, range)?;
            let log_b = self.b.log(scope, group, of_b, range)?;
            self.merge(&mut counts, (log_a, log_b), meter, observer)
        })?;
        Ok(counts)
    }

    fn merge(
        &mut self,
        counts: &mut GroupDifference,
        (mut log_a, mut log_b): (Option<Log<'_>>, Option<Log<'_>>),
        meter: &mut Meter,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        loop {
            let (next_a, next_b) = (self.a.peek(&mut log_a)?, self.b.peek(&mut log_b)?);
            let order = match (next_a, next_b) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.cmp(&b),
            };
            let a = order.is_le().then(|| self.a.take(&mut log_a)).flatten();
            let b = order.is_ge().then(|| self.b.take(&mut log_b)).flatten();
            let bytes = a.as_ref().or(b.as_ref()).map_or(0, |entry| entry.payload_bytes().len());
            self.pair(counts, a.as_ref(), b.as_ref());
            meter.entry(bytes as u64, observer)?;
        }
    }

    fn pair(&mut self, counts: &mut GroupDifference, a: Option<&Entry>, b: Option<&Entry>) {
        let (field, index) = match (a, b) {
            (Some(a), Some(b)) => {
                counts.common += 1;
                let Some(field) = a.difference(b, &self.comparison.entry) else { return };
                counts.differing += 1;
                (field, a.index)
            }
            (Some(only), None) => {
                counts.only_a += 1;
                (Field::Presence, only.index)
            }
            (None, Some(only)) => {
                counts.only_b += 1;
                (Field::Presence, only.index)
            }
            (None, None) => return,
        };
        if self.first.is_some() || (field == Field::Presence && self.comparison.ignores_presence())
        {
            return;
        }
        self.first = Some(FirstDifference {
            group: counts.group.clone(),
            index: Some(index),
            a: a.and_then(|entry| shown(entry, &field)),
            b: b.and_then(|entry| shown(entry, &field)),
            field: field.to_string(),
        });
    }

    fn states_equal(&mut self, group: &GroupId, of_a: &OfGroup, of_b: &OfGroup) -> bool {
        let difference = match (&of_a.0, &of_b.0) {
            (Some(a), Some(b)) => {
                let all = a.differences(b, &self.comparison.state);
                all.into_iter().find(|difference| self.comparison.counts(difference))
            }
            (a, b) if self.comparison.ignores_presence() || (a.is_none() && b.is_none()) => None,
            (a, b) => Some(StateDifference {
                field: Field::Presence,
                a: a.is_some().then(|| "the group".to_owned()),
                b: b.is_some().then(|| "the group".to_owned()),
            }),
        };
        let Some(difference) = difference else { return true };
        self.first.get_or_insert_with(|| FirstDifference {
            group: group.clone(),
            index: None,
            field: difference.field.to_string(),
            a: difference.a,
            b: difference.b,
        });
        false
    }
}

/// The value of a field as it is shown: contents as size and digest only.
fn shown(entry: &Entry, field: &Field) -> Option<String> {
    let digest = |bytes: &[u8]| {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
        format!("{} bytes, sha256 {digest}", bytes.len())
    };
    match field {
        Field::Term => Some(entry.term.to_string()),
        Field::Kind => Some(match entry.kind_code {
            Some(code) => format!("{} ({code})", entry.kind.as_str()),
            None => entry.kind.as_str().to_owned(),
        }),
        Field::Payload => entry.payload.as_deref().map(digest),
        Field::Extensions => entry.extra.extensions.as_deref().map(digest),
        Field::AppendedAt => match &entry.extra.appended_at {
            AppendTime::At(at) => {
                Some(format!("{}.{:09} s since 1970", at.unix_seconds, at.nanoseconds))
            }
            AppendTime::Absent | AppendTime::Nil => None,
        },
        Field::Note => Some(digest(&entry.extra.note)),
        Field::Presence => Some(format!("term {}, {}", entry.term, digest(entry.payload_bytes()))),
        Field::State(_) | Field::Snapshot => None,
    }
}
