use schemars::JsonSchema;
use serde::Serialize;

/// A server of a membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Server {
    /// Its id. Old peer lists have none; there it is the address.
    pub id: String,
    /// Its network address.
    pub address: String,
    /// Whether it votes.
    pub suffrage: Suffrage,
}

/// Whether a server votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Suffrage {
    /// It votes.
    Voter,
    /// It only receives entries.
    Nonvoter,
    /// It receives entries until it may vote (deprecated).
    Staging,
}

impl Suffrage {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Suffrage::Voter => "voter",
            Suffrage::Nonvoter => "nonvoter",
            Suffrage::Staging => "staging",
        }
    }

    /// What hashicorp/raft's number for it means.
    pub fn of_code(code: u64) -> Option<Suffrage> {
        match code {
            0 => Some(Suffrage::Voter),
            1 => Some(Suffrage::Nonvoter),
            2 => Some(Suffrage::Staging),
            _ => None,
        }
    }
}
