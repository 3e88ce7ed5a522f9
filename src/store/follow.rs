//! Reading on where an opened store ended, while a live process goes on writing it.
//!
//! Nothing is locked. What is handed over was written whole when it was read; whether it was synced
//! by then nobody can know, and a writer may replace it later.

use std::ops::ControlFlow;

use crate::model::{Fault, GroupId};
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
}
