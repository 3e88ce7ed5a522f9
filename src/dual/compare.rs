//! What two logs say of the same thing.

use crate::dual::roles::{Roles, chunks, of};
use crate::dual::{Error, Failure, Side};
use crate::model::{
    Entry, EntryFields, Field, GroupId, IndexRange, LogIndex, LogState, StateFields,
};

/// Is told of each difference: group, index unless it is the state, field.
pub(super) type Differs<'d> = &'d mut dyn FnMut(&GroupId, Option<LogIndex>, Field);

impl Roles {
    /// The first part of a state in which the second log differs from `first`.
    pub(super) fn state_differs(
        &self,
        group: &GroupId,
        first: &Option<LogState>,
    ) -> Result<Option<Field>, Failure> {
        if !self.follows(group) {
            return Ok(None);
        }
        Ok(state_difference(first.as_ref(), self.second.state(group)?.as_ref()))
    }

    /// The indexes in `range` at which the second log differs from `first`, with the field.
    pub(super) fn entries_differ(
        &self,
        group: &GroupId,
        range: IndexRange,
        first: &[Entry],
    ) -> Result<Vec<(LogIndex, Field)>, Failure> {
        if !self.follows(group) {
            return Ok(Vec::new());
        }
        Ok(entry_differences(first, &self.second.entries(group, range)?))
    }

    /// Compares everything.
    pub(super) fn compare(&self, differs: Differs<'_>) -> Result<(), Error> {
        if self.lost {
            return Err(Error::SecondLost);
        }
        let groups = of(Side::First, self.first.groups())?;
        for group in &groups {
            if !self.follows(group) {
                return Err(Error::Behind { group: group.clone() });
            }
            self.compare_group(group, differs)?;
        }
        for group in of(Side::Second, self.second.groups())? {
            if !groups.contains(&group) {
                differs(&group, None, Field::Presence);
            }
        }
        Ok(())
    }

    /// Compares one group, whether it follows or not.
    pub(super) fn compare_group(&self, group: &GroupId, differs: Differs<'_>) -> Result<(), Error> {
        let a = of(Side::First, self.first.state(group))?;
        let b = of(Side::Second, self.second.state(group))?;
        if let Some(field) = state_difference(a.as_ref(), b.as_ref()) {
            differs(group, None, field);
        }
        let bounds = |state: Option<LogState>| state.and_then(|state| state.bounds);
        let all = match (bounds(a), bounds(b)) {
            (Some(a), Some(b)) => IndexRange::new(a.first().min(b.first()), a.last().max(b.last())),
            (a, b) => a.or(b),
        };
        for chunk in all.into_iter().flat_map(chunks) {
            let a = of(Side::First, self.first.entries(group, chunk))?;
            let b = of(Side::Second, self.second.entries(group, chunk))?;
            for (index, field) in entry_differences(&a, &b) {
                differs(group, Some(index), field);
            }
        }
        Ok(())
    }
}

fn state_difference(a: Option<&LogState>, b: Option<&LogState>) -> Option<Field> {
    match (a, b) {
        (None, None) => None,
        (Some(a), Some(b)) => match a.differences(b, &StateFields::MEANING).into_iter().next() {
            Some(difference) => Some(difference.field),
            None if a.bounds != b.bounds => Some(Field::State("bounds".to_owned())),
            None => None,
        },
        _ => Some(Field::Presence),
    }
}

/// Both ascend by index.
fn entry_differences(a: &[Entry], b: &[Entry]) -> Vec<(LogIndex, Field)> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut found = Vec::new();
    loop {
        let index = match (a.peek(), b.peek()) {
            (None, None) => return found,
            (Some(a), Some(b)) => a.index.min(b.index),
            (Some(one), None) | (None, Some(one)) => one.index,
        };
        let at = |entry: &&Entry| entry.index == index;
        let field = match (a.next_if(at), b.next_if(at)) {
            (Some(a), Some(b)) => a.difference(b, &EntryFields::MEANING),
            _ => Some(Field::Presence),
        };
        found.extend(field.map(|field| (index, field)));
    }
}
