//! How far opening a store is that must be read whole to be opened.

use std::ops::ControlFlow;

/// How far opening is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpeningStep {
    /// Bytes that were read.
    pub done_bytes: u64,
    /// Bytes that are to be read.
    pub total_bytes: u64,
}

/// Hears now and then how far opening is; `Break` ends it with
/// [`StoreError::Stopped`](crate::store::StoreError::Stopped).
pub type OpeningWatch<'w> = dyn FnMut(OpeningStep) -> ControlFlow<()> + 'w;

/// Watches nothing and never stops.
pub fn unwatched(_: OpeningStep) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
