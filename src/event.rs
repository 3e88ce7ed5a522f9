//! What a long job tells while it works, and how it is told to stop.

use std::ops::ControlFlow;

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Opening a store, which may mean replaying or walking it.
    Opening,
    /// Reading entries to show them.
    Reading,
    /// Checking entries and container.
    Verifying,
    /// Writing a target.
    Copying,
    /// Comparing two stores, or a target with its source.
    Comparing,
    /// Writing an archive.
    Packing,
    /// Reading an archive back.
    ReadingBack,
    /// Writing files out of an archive.
    Unpacking,
    /// Measuring.
    Measuring,
}

impl Phase {
    /// The word that a progress line begins with.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Opening => "opening",
            Phase::Reading => "reading",
            Phase::Verifying => "verifying",
            Phase::Copying => "copying",
            Phase::Comparing => "comparing",
            Phase::Packing => "packing",
            Phase::ReadingBack => "reading back",
            Phase::Unpacking => "unpacking",
            Phase::Measuring => "measuring",
        }
    }
}

/// One step of a job. Amounts are totals since the phase began, not differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A phase begins; totals where they are known.
    Started {
        /// Which phase.
        phase: Phase,
        /// Bytes to be handled.
        total_bytes: Option<u64>,
        /// Entries to be handled.
        total_entries: Option<u64>,
    },
    /// Work was done. Sent per batch, never per entry.
    Advanced {
        /// Which phase.
        phase: Phase,
        /// Bytes handled so far.
        bytes: u64,
        /// Entries handled so far.
        entries: u64,
    },
    /// A phase ended.
    Finished {
        /// Which phase.
        phase: Phase,
    },
    /// Something the operator should know while the job goes on; one line, no advice.
    Noted {
        /// The line.
        message: String,
    },
}

/// Who watches a job. `Break` means that the operator wants it to stop.
pub trait Observer {
    /// Takes note of `event`; `Break` makes the job undo what is half done and end as cancelled.
    fn on(&mut self, event: &Event) -> ControlFlow<()>;
}

/// An observer that watches nothing and never stops a job.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn on(&mut self, _event: &Event) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
