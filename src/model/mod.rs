//! The vocabulary that every room shares: what a Raft log is, before any format.
//!
//! Values only. Nothing here opens a file, prints, or knows how a format lays its bytes out.

mod code;
mod dialect;
mod difference;
mod durability;
mod entry;
mod fault;
mod findings;
mod ids;
mod membership;
mod selection;
mod serial;
mod shared;
mod state;
mod view;

pub use code::{Code, Severity};
pub use dialect::{Dialect, Memberships, NodeIds};
pub use difference::{EntryFields, Field, StateDifference, StateFields};
pub use durability::Durability;
pub use entry::{
    AppendInstant, AppendTime, Entry, EntryExtra, EntryHead, EntryKind, HeadRun, TimeForm, Zone,
};
pub use fault::{Fault, FaultKind, IoError, Place};
pub use findings::{Findings, KnownFaults};
pub use ids::{GroupId, IndexRange, LogId, LogIndex, Term};
pub use membership::{Server, Suffrage};
pub use selection::{Selection, SelectionError};
pub use shared::SharedBytes;
pub use state::{
    ByteOrder, Candidate, HardState, LogState, SnapshotNote, StableMap, StableValue, Vote,
};
pub use view::{HardStateView, SnapshotView, VoteView};
