use crate::model::EntryKind;

/// In whose encoding the memberships of a log are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Nobody says.
    #[default]
    Any,
    /// hashicorp/raft's.
    Hashicorp,
    /// openraft's, in JSON.
    OpenraftJson,
    /// openraft's, in msgpack.
    OpenraftMsgpack,
    /// openraft's, in postcard.
    OpenraftPostcard(NodeIds),
    /// openraft's, in bincode 1.
    OpenraftBincode(NodeIds),
    /// sorock's.
    Sorock,
}

/// What the ids of nodes are, where an encoding does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeIds {
    /// Numbers.
    Numbers,
    /// Text.
    Names,
}

/// How memberships are encoded in the entries of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memberships {
    /// Kinds of entries that must hold one that decodes, or a change of one.
    pub must: &'static [EntryKind],
    /// In whose encoding.
    pub dialect: Dialect,
}
