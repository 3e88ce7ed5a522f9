//! The engines under one interface, each used as its own documentation says.

mod fastlog;
mod limit;
mod redb;

use std::path::Path;
use std::sync::Arc;

use crate::bench::Error;
use crate::bench::cell::{Cell, Engine};
use crate::model::Entry;
use crate::vfs::{Clock, Fs};

/// A log that is measured. Groups are numbered from 0.
pub(super) trait Log: Send + Sync {
    /// Appends to a group, acknowledged as the cell's durability says.
    fn append(&self, group: u32, entries: &[Entry]) -> Result<(), Error>;

    /// Waits until the operating system has everything that was acknowledged. The clock runs until
    /// then: memory that still fills is no throughput.
    fn drain(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// What an engine is opened with.
pub(super) struct Ground<'a> {
    pub(super) fs: &'a Arc<dyn Fs>,
    pub(super) clock: &'a Arc<dyn Clock>,
    /// An empty directory.
    pub(super) dir: &'a Path,
    pub(super) cell: &'a Cell,
}

/// Opens the engine of a cell in an empty directory; `None` with the reason where this machine or
/// this file system does not have it.
pub(super) fn open(ground: &Ground<'_>) -> Result<Result<Box<dyn Log>, String>, Error> {
    Ok(Ok(match ground.cell.engine {
        Engine::Limit => Box::new(limit::Buffered::open(ground)?),
        Engine::LimitDirect => match limit::Direct::open(ground)? {
            Ok(log) => Box::new(log),
            Err(reason) => return Ok(Err(reason)),
        },
        Engine::FastLog => Box::new(fastlog::Log::open(ground)?),
        Engine::Redb => Box::new(redb::Log::open(ground)?),
    }))
}

/// What an engine said when it failed.
pub(super) fn failed(engine: Engine) -> impl FnOnce(&dyn std::fmt::Display) -> Error {
    move |error| Error::Engine { engine: engine.as_str(), message: error.to_string() }
}
