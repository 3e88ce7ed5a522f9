use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::fastlog::Error;
use crate::fastlog::core::Core;

/// Number of an operation in accepted order, from 1 in each opening; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpNo(pub u64);

/// How far operations got: durable <= written <= accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// The last one whose place in the order is fixed.
    pub accepted: OpNo,
    /// The last one that the operating system has.
    pub written: OpNo,
    /// The last one that was synced.
    pub durable: OpNo,
}

/// How an operation ended; empty until then.
pub(super) type Outcome = Arc<OnceLock<Result<(), Error>>>;

/// A batch that was accepted.
pub struct Ticket {
    pub(super) core: Arc<Core>,
    pub(super) op: OpNo,
    pub(super) outcome: Outcome,
}

impl Ticket {
    /// The operation's number.
    pub fn op(&self) -> OpNo {
        self.op
    }

    /// How it ended, or `None` while it has not.
    pub fn outcome(&self) -> Option<Result<(), Error>> {
        self.outcome.get().cloned()
    }

    /// Waits for the acknowledgement. Whoever waits first does the work for all who wait.
    ///
    /// # Errors
    /// As [`FastLog::write`](crate::fastlog::FastLog::write).
    pub fn wait(&self) -> Result<(), Error> {
        self.core.wait(&self.outcome, None).unwrap_or(Err(Error::Closed))
    }

    /// As [`Ticket::wait`], but `None` when the log's clock reaches `deadline` first.
    ///
    /// # Errors
    /// As [`Ticket::wait`].
    pub fn wait_until(&self, deadline: Duration) -> Option<Result<(), Error>> {
        self.core.wait(&self.outcome, Some(deadline))
    }
}
