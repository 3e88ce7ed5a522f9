//! The vocabulary that every room shares: what a Raft log is, before any format.
//!
//! Values only. Nothing here opens a file, prints, or knows how a format lays its bytes out.

mod code;
mod durability;
mod entry;
mod fault;
mod ids;
mod shared;
mod state;

pub use code::{Code, Severity};
pub use durability::Durability;
pub use entry::{
    AppendInstant, AppendTime, Entry, EntryExtra, EntryHead, EntryKind, TimeForm, Zone,
};
pub use fault::{Fault, FaultKind, IoError, Place};
pub use ids::{GroupId, IndexRange, LogId, LogIndex, Term};
pub use shared::SharedBytes;
pub use state::{
    ByteOrder, Candidate, HardState, LogState, SnapshotNote, StableMap, StableValue, Vote,
};
