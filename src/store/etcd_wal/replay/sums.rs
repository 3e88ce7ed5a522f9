//! What following records adds up to, and when two states contradict one another.

use crate::model::FaultKind;
use crate::store::etcd_wal::format::State;

/// Records by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub records: u64,
    /// Entries, those that were replaced included.
    pub entries: u64,
    /// States.
    pub states: u64,
    /// Markers of snapshots.
    pub markers: u64,
    /// Bytes of all whole frames.
    pub frame_bytes: u64,
    /// Faults that are not told one by one.
    pub more_faults: u64,
}

impl Counts {
    pub(super) fn add(&mut self, more: Counts) {
        self.records += more.records;
        self.entries += more.entries;
        self.states += more.states;
        self.markers += more.markers;
        self.frame_bytes += more.frame_bytes;
        self.more_faults += more.more_faults;
    }
}

/// How far a log is, by which etcd names the segment that it begins next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Index of the entry that was written last.
    pub entry: Option<u64>,
    /// The same, or that of a snapshot that is newer.
    pub any: Option<u64>,
}

impl Reached {
    /// An entry was written.
    pub(super) fn entry(&mut self, index: u64) {
        *self = Reached { entry: Some(index), any: Some(index) };
    }

    /// The marker of a snapshot was written.
    pub(super) fn marker(&mut self, index: u64) {
        self.any = self.any.max(Some(index));
    }

    /// Both, one behind the other.
    pub(super) fn then(self, next: Reached) -> Reached {
        match next.entry {
            Some(_) => next,
            None => Reached { entry: self.entry, any: self.any.max(next.any) },
        }
    }
}

/// What a state takes back that the one before it said: a node votes once in a term and does not
/// take that back, and its commit index only grows.
pub(super) fn turned(before: &State, now: &State) -> Option<FaultKind> {
    let votes_twice = before.term == now.term && before.vote != 0;
    if votes_twice && before.vote != now.vote {
        return Some(FaultKind::Broken {
            message: match now.vote {
                0 => format!("the vote in term {} is taken back: a node votes once", now.term),
                _ => format!("two votes in term {}: a node votes once in a term", now.term),
            },
            expected: format!("the vote for {:016x}", before.vote),
            found: Some(match now.vote {
                0 => "no vote".to_owned(),
                vote => format!("the vote for {vote:016x}"),
            }),
        });
    }
    (now.commit < before.commit).then(|| FaultKind::Broken {
        message: "the commit index of a state is below that of one before it: it only grows"
            .to_owned(),
        expected: format!("{} or more", before.commit),
        found: Some(now.commit.to_string()),
    })
}
