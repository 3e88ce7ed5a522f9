//! Comparing stores of any formats, group by group and entry by entry: two that shall hold the same
//! log ([`diff`]), or the nodes of a cluster that shall agree as far as Raft demands ([`nodes`]).

mod fields;
mod group;
pub mod nodes;

use schemars::JsonSchema;
use serde::Serialize;

use crate::compare::fields::Comparison;
use crate::compare::group::{Side, Sides};
use crate::event::{EntryCount, Meter, Observer, Phase, Stopped};
use crate::model::{Findings, GroupId, IndexRange, LogIndex, Selection};
use crate::store::{Store, StoreError};

/// What is compared.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only this group.
    pub group: Option<GroupId>,
    /// Only these indexes; `~N` counts back from the higher last index of the two.
    pub index: Selection,
    /// Fields to leave out: `term`, `kind`, `payload`, `extensions`, `appended-at`, `snapshot`,
    /// `presence`, `state:<key>`, or `state` for all of the state.
    pub ignore: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options { group: None, index: Selection::ALL, ignore: Vec::new() }
    }
}

/// What a comparison found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// `result` of `diff`.
    pub difference: Difference,
    /// Damage met in the first store.
    pub findings_a: Findings,
    /// Damage met in the second store.
    pub findings_b: Findings,
}

/// `result` of `diff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// No compared field differs, and nothing was damaged.
    pub identical: bool,
    /// The first field that differs.
    pub first_difference: Option<FirstDifference>,
    /// One per group of either store.
    pub groups: Vec<GroupDifference>,
    /// Fields that one side's format cannot hold.
    pub not_comparable: Vec<String>,
    /// Fields that the operator left out.
    pub ignored: Vec<String>,
}

/// Where two stores first differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FirstDifference {
    /// In which group.
    pub group: GroupId,
    /// At which index; null for the state.
    pub index: Option<LogIndex>,
    /// In which field.
    pub field: String,
    /// What the first store has; null for nothing. Payloads as size and digest.
    pub a: Option<String>,
    /// What the second store has; null for nothing. Payloads as size and digest.
    pub b: Option<String>,
}

/// Counts of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GroupDifference {
    /// Which group.
    pub group: GroupId,
    /// Indexes that both have.
    pub common: u64,
    /// Indexes that only the first has.
    pub only_a: u64,
    /// Indexes that only the second has.
    pub only_b: u64,
    /// Indexes that both have and whose entries differ.
    pub differing: u64,
    /// Whether the compared parts of the state are equal.
    pub state_equal: bool,
}

/// Why a comparison stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No store has such a group.
    #[error("none of the stores has {}", group_words(group))]
    NoSuchGroup {
        /// What was asked for.
        group: GroupId,
        /// What there is.
        present: Vec<GroupId>,
    },
    /// A field to ignore that does not exist.
    #[error("{name:?} is no field of a comparison")]
    NoSuchField {
        /// What was given.
        name: String,
    },
    /// The operator wanted it to stop.
    #[error("cancelled")]
    Cancelled,
}

fn group_words(group: &GroupId) -> String {
    group.name().map_or("an unnamed group".to_owned(), |name| format!("a group {name:?}"))
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Error {
        Error::Cancelled
    }
}

/// Compares two opened stores.
///
/// # Errors
/// When a store cannot be read any further, or the options name what does not exist.
pub fn diff(
    a: &dyn Store,
    b: &dyn Store,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    let comparison = Comparison::new(a.profile(), b.profile(), &options.ignore)?;
    let (mut side_a, mut side_b) = (Side::new(a), Side::new(b));
    let groups = chosen(&side_a, &side_b, options.group.as_ref())?;
    let states: Vec<_> = groups
        .iter()
        .map(|group| Ok((side_a.state(group)?, side_b.state(group)?)))
        .collect::<Result<_, Error>>()?;
    let ranges: Vec<Option<IndexRange>> = states
        .iter()
        .map(|(of_a, of_b)| range(options.index, [of_a.last(), of_b.last()]))
        .collect();
    let known = |group: usize| {
        let range = ranges.get(group).copied().flatten()?;
        let (of_a, of_b) = states.get(group)?;
        Some(of_a.known(range).max(of_b.known(range)))
    };
    let total = (0..groups.len()).filter_map(known).sum();
    let mut meter = Meter::start(Phase::Comparing, None, Some(EntryCount(total)), observer)?;
    let mut sides = Sides { a: &mut side_a, b: &mut side_b, comparison: &comparison, first: None };
    let mut counted = Vec::new();
    for ((group, states), range) in groups.iter().zip(&states).zip(&ranges) {
        counted.push(sides.group(group, states, *range, &mut meter, observer)?);
    }
    meter.finish(observer)?;
    let first_difference = sides.first.take();
    let whole = !side_a.unreadable && !side_b.unreadable;
    let same = counted.iter().all(|group| {
        let present = comparison.ignores_presence() || (group.only_a == 0 && group.only_b == 0);
        present && group.differing == 0 && group.state_equal
    });
    let difference = Difference {
        identical: whole && same && first_difference.is_none(),
        first_difference,
        groups: counted,
        not_comparable: comparison.not_comparable(),
        ignored: options.ignore.clone(),
    };
    Ok(Outcome { difference, findings_a: side_a.findings, findings_b: side_b.findings })
}

/// The groups of either store, or the one asked for.
fn chosen(a: &Side<'_>, b: &Side<'_>, group: Option<&GroupId>) -> Result<Vec<GroupId>, Error> {
    let mut present = a.store.groups()?;
    present.extend(b.store.groups()?);
    present.sort();
    present.dedup();
    match group {
        None => Ok(present),
        Some(group) if present.contains(group) => Ok(vec![group.clone()]),
        Some(group) => Err(Error::NoSuchGroup { group: group.clone(), present }),
    }
}

fn range(selection: Selection, last: [Option<LogIndex>; 2]) -> Option<IndexRange> {
    let highest = last.into_iter().flatten().max().map(|LogIndex(index)| index);
    let (first, last) = selection.resolve(highest)?;
    IndexRange::new(LogIndex(first), LogIndex(last))
}

#[cfg(test)]
mod tests;
