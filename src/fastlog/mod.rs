//! FastLog: a log engine for many Raft groups in one write-ahead log.
//!
#![doc = include_str!("GUIDE.md")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::host_endian_bytes
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

mod anchor;
mod batch;
mod behind;
mod bulk;
mod core;
mod daemon;
mod error;
mod fault;
mod follow;
pub mod format;
mod gather;
pub mod limits;
mod load;
mod lock;
mod log;
mod marks;
mod memtable;
mod open;
mod options;
mod pace;
mod plan;
pub(crate) mod planted;
pub mod policy;
mod queue;
mod read;
mod records;
mod recovery;
mod resident;
mod scan;
mod segment;
mod sleepers;
mod spare;
mod steady;
mod syncs;
mod tables;
#[cfg(test)]
mod tests;
mod threads;
mod ticket;
mod unwritten;
mod view;
mod walk;
mod ways;
mod writer;

pub use batch::{AppliedAndSynced, Batch};
pub use bulk::{BulkReport, BulkWriter};
pub use error::{Error, Refusal};
pub use follow::{Followed, Follower, Visit};
pub use log::{FastLog, Purged};
pub use marks::{OpNo, Watermarks};
pub use open::RecoveryReport;
pub use options::{
    FILL_AHEAD_BYTES, Fill, Memory, Options, PastCache, QUEUE_BYTES, SEGMENT_BYTES, Stepping,
};
pub use read::PlacedEntry;
pub use records::{RecordView, Standing};
pub use recovery::TornTail;
pub use ticket::{Reaching, Ticket};
pub use view::{Counts, LogView};
