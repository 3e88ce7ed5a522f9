use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{GroupId, LogIndex};

/// `result` of `migrate`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Migration {
    /// What is written where, and what is lost.
    pub plan: Plan,
    /// What was written; null when nothing was.
    pub copied: Option<Copied>,
    /// What was compared; null when nothing was written.
    pub compared: Option<Compared>,
}

/// What a migration writes, and what it cannot carry over.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Plan {
    /// Format of the source.
    pub from: String,
    /// Format of the target.
    pub to: String,
    /// The target.
    pub target: String,
    /// What goes in, group by group.
    pub groups: Vec<GroupPlan>,
    /// What does not.
    pub losses: Vec<Loss>,
    /// Broken rules that the operator took by name.
    pub accepted: Vec<String>,
    /// What must be known about the target, one line each.
    pub notes: Vec<String>,
    /// As many bytes the target takes at most.
    pub space_needed_bytes: u64,
    /// Bytes free where it shall lie; null where unknown.
    pub space_free_bytes: Option<u64>,
}

/// A group of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GroupPlan {
    /// Its name, or null.
    pub group: GroupId,
    /// First index that is written.
    pub first_index: Option<LogIndex>,
    /// Last index that is written.
    pub last_index: Option<LogIndex>,
    /// Entries that are written.
    pub entries: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Keys of the state that are written.
    pub state_keys: u64,
}

/// Something the target cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Loss {
    /// Its name, for `--allow-loss`.
    pub name: LossName,
    /// How often it occurs.
    pub count: u64,
    /// Whether the operator accepted it, or it needs no acceptance.
    pub accepted: bool,
    /// What it means, one line.
    pub meaning: String,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Copied {
    /// Groups.
    pub groups: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of the target's files.
    pub bytes: u64,
    /// Files of the target.
    pub files: u64,
    /// Time it took.
    pub elapsed_ms: u64,
    /// Bytes of the target a second.
    pub bytes_per_s: u64,
}

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Compared {
    /// Entries, every field of each.
    pub entries: u64,
    /// Stable keys.
    pub state_keys: u64,
    /// Always true: a target that is not equal is never published.
    pub equal: bool,
}

macro_rules! losses {
    ($($name:ident $word:literal $meaning:literal)*) => {
        /// Something that formats differ in.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum LossName { $(#[doc = $meaning] $name,)* }

        impl LossName {
            /// Every name.
            pub const ALL: &'static [LossName] = &[$(LossName::$name,)*];

            /// The word for `--allow-loss`.
            pub fn as_str(self) -> &'static str {
                match self { $(LossName::$name => $word,)* }
            }

            /// What losing it means.
            pub fn meaning(self) -> &'static str {
                match self { $(LossName::$name => $meaning,)* }
            }
        }
    };
}

losses! {
    AppendedAt "appended-at" "when the leader took the entry; informational"
    Extensions "extensions" "what middleware adds to an entry, such as the numbers of chunks"
    UnknownFields "unknown-fields" "what the source's format holds beyond Raft"
    CommitIndex "commit-index" "how far the log is committed; the leader will tell it again"
    VoteCandidate "vote-candidate" "whom the node voted for; it might vote again in that term"
    StableKeys "stable-keys" "keys of the stable store that the target has no place for"
    SnapshotMarker "snapshot-marker" "where the log was compacted, and its newest snapshot"
    EntryKind "entry-kind" "entries of a kind that the target does not know"
    Term "term" "terms of entries; no Raft library can use the log without"
    Hole "hole" "entries below the highest hole in the log; the target holds no holes"
    Groups "groups" "the name of the group; the target holds one log without a name"
    SupersededRecords "superseded-records" "history behind the live log; informational"
    OtherTables "other-tables" "tables that are no part of a Raft log"
}

impl LossName {
    /// Whether it is only told: nobody's log depends on it.
    pub fn needs_no_acceptance(self) -> bool {
        self == LossName::SupersededRecords
    }
}

impl fmt::Display for LossName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no loss.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no loss; losses are {}", names())]
pub struct NoSuchLoss {
    /// What was given.
    pub text: String,
}

fn names() -> String {
    LossName::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

impl FromStr for LossName {
    type Err = NoSuchLoss;

    fn from_str(text: &str) -> Result<LossName, NoSuchLoss> {
        LossName::ALL
            .iter()
            .copied()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| NoSuchLoss { text: text.to_owned() })
    }
}
