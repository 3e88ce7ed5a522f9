//! Reading on where an opened store ended, while a live process goes on writing it.
//!
//! Nothing is locked. What is handed over was written whole when it was read; whether it was synced
//! by then nobody can know, and a writer may replace it later.

use std::ops::ControlFlow;

use crate::model::{Code, Fault, FaultKind, GroupId, LogIndex, Place, Severity};
use crate::store::{Located, StoreError};

/// What a look showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing was written since the last look.
    Nothing,
    /// Something was handed over.
    New,
    /// What was read last is not there any more: only opening the store anew tells what is.
    Lost,
    /// The visitor broke off.
    Ended,
}

/// Gets entries as they become readable, and what is wrong where some should be.
pub type FollowVisit<'v> = dyn FnMut(&GroupId, Result<Located, Box<Fault>>) -> ControlFlow<()> + 'v;

/// A place in a store that grows: everything before it was handed over.
pub trait Follow {
    /// Hands over what became readable since the last look, in the order in which it was written.
    /// An entry whose index is not above the one before it replaces what was there. A look at a
    /// store to which nothing was written reads a few kilobytes, whatever its size.
    ///
    /// # Errors
    /// When the files cannot be read. While a writer replaces files that happens and passes.
    fn look(&mut self, visit: &mut FollowVisit<'_>) -> Result<Looked, StoreError>;

    /// Where behind everything that was handed over something lies that could not be read at the
    /// last look: a write that is under way, or one that was torn. `None` where nothing does.
    fn unread(&self) -> Option<Place>;
}

/// That a log goes on behind entries that were not read: deleted by then, or never there (R101).
pub fn skipped(group: &GroupId, first: LogIndex, last: LogIndex) -> Fault {
    let which = if first == last { format!("entry {first}") } else { format!("{first} to {last}") };
    let found = format!("{which} left the front of the log before being read, or never was there");
    let fault = Fault::new(Code::R101, FaultKind::Note { found }).in_group(group);
    fault.at_index(first).as_severity(Severity::Info)
}
