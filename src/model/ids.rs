use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

/// Position of an entry in a Raft log. Hashicorp's logs begin at 1, openraft's at 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema,
)]
#[serde(transparent)]
pub struct LogIndex(pub u64);

/// A Raft term.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Term(pub u64);

impl LogIndex {
    /// The index after this one, or `None` at the end of the number range.
    pub fn next(self) -> Option<LogIndex> {
        self.0.checked_add(1).map(LogIndex)
    }

    /// The index before this one, or `None` at 0.
    pub fn previous(self) -> Option<LogIndex> {
        self.0.checked_sub(1).map(LogIndex)
    }
}

impl fmt::Display for LogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An entry's identity inside its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Position in the log.
    pub index: LogIndex,
    /// Term in which the entry was proposed.
    pub term: Term,
}

/// A run of indexes, both ends included, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct IndexRange {
    first: LogIndex,
    last: LogIndex,
}

impl IndexRange {
    /// Every index there is.
    pub const ALL: IndexRange = IndexRange { first: LogIndex(0), last: LogIndex(u64::MAX) };

    /// The range from `first` to `last`, or `None` when that would be empty.
    pub fn new(first: LogIndex, last: LogIndex) -> Option<IndexRange> {
        (first <= last).then_some(IndexRange { first, last })
    }

    /// First index inside.
    pub fn first(self) -> LogIndex {
        self.first
    }

    /// Last index inside.
    pub fn last(self) -> LogIndex {
        self.last
    }

    /// Whether `index` lies inside.
    pub fn contains(self, index: LogIndex) -> bool {
        self.first <= index && index <= self.last
    }

    /// The indexes that both ranges hold.
    pub fn intersection(self, other: IndexRange) -> Option<IndexRange> {
        IndexRange::new(self.first.max(other.first), self.last.min(other.last))
    }

    /// How many indexes lie inside; saturates for the range of all of them.
    pub fn count(self) -> u64 {
        (self.last.0 - self.first.0).saturating_add(1)
    }
}

impl fmt::Display for IndexRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.first, self.last)
    }
}

/// Which Raft log of a store: its name, or the only, unnamed one.
///
/// Ordered as every output lists groups: the unnamed one first, then by the bytes of the name.
/// An empty name is a name: `Named("")` is not `Unnamed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupId {
    /// The only log of a store that has no names, or the one beside named ones.
    #[default]
    Unnamed,
    /// A log with a name. Callers that use numbers use them as names.
    Named(Arc<str>),
}

impl GroupId {
    /// The group called `name`.
    pub fn named(name: &str) -> GroupId {
        GroupId::Named(Arc::from(name))
    }

    /// The name, or `None` for the unnamed group.
    pub fn name(&self) -> Option<&str> {
        match self {
            GroupId::Unnamed => None,
            GroupId::Named(name) => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_inclusive_and_never_empty() {
        assert!(IndexRange::new(LogIndex(4), LogIndex(3)).is_none());
        let range = IndexRange::new(LogIndex(3), LogIndex(9)).expect("not empty");
        assert_eq!(range.count(), 7);
        assert_eq!(range.to_string(), "[3, 9]");
        assert!(range.contains(LogIndex(3)) && range.contains(LogIndex(9)));
        assert!(!range.contains(LogIndex(10)));
        assert_eq!(IndexRange::ALL.count(), u64::MAX);
        assert_eq!(range.intersection(IndexRange::ALL), Some(range));
    }

    #[test]
    fn the_unnamed_group_comes_before_every_name() {
        let mut groups =
            [GroupId::named("b"), GroupId::named(""), GroupId::Unnamed, GroupId::named("a")];
        groups.sort();
        assert_eq!(
            groups,
            [GroupId::Unnamed, GroupId::named(""), GroupId::named("a"), GroupId::named("b")]
        );
    }
}
