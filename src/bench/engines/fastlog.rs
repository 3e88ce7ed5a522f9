//! FastLog, through its public interface.

use std::sync::Arc;

use crate::bench::Error;
use crate::bench::cell::Engine;
use crate::bench::engines::Ground;
use crate::fastlog::format::GroupNo;
use crate::fastlog::policy::{Ack, Strategy};
use crate::fastlog::{Batch, FastLog, Options};
use crate::model::{Entry, GroupId};

/// An open log with its groups.
pub(super) struct Log {
    log: FastLog,
    groups: Vec<GroupNo>,
    drains: bool,
}

fn failed(error: impl std::fmt::Display) -> Error {
    super::failed(Engine::FastLog)(&error)
}

impl Log {
    /// Creates a log in the mode of the cell, with a group a writer.
    pub(super) fn open(ground: &Ground<'_>) -> Result<Log, Error> {
        let mode = ground.cell.mode.unwrap_or_default();
        let options = Options {
            level: Some(ground.cell.durability),
            strategy: Some(mode.strategy),
            flush: Some(mode.flush),
            ..Options::default()
        };
        let vfs = Arc::clone(ground.fs);
        let log = FastLog::create(vfs, Arc::clone(ground.clock), ground.dir, &options);
        let log = log.map_err(failed)?;
        let groups: Result<Vec<GroupNo>, _> = (0..ground.cell.writers)
            .map(|number| log.create_group(&GroupId::named(&format!("group-{number}"))))
            .collect();
        let drains = mode.strategy == Strategy::MemFirst;
        Ok(Log { groups: groups.map_err(failed)?, log, drains })
    }

    fn group(&self, group: u32) -> GroupNo {
        let at = usize::try_from(group).unwrap_or(usize::MAX);
        self.groups.get(at).copied().unwrap_or_default()
    }
}

impl super::Log for Log {
    fn append(&self, group: u32, entries: &[Entry]) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.append(self.group(group), entries).map_err(failed)?;
        self.log.write(batch).map_err(failed)
    }

    fn drain(&self) -> Result<(), Error> {
        if !self.drains {
            return Ok(());
        }
        // An empty batch is accepted behind everything else.
        let ticket = self.log.submit(Batch::new()).map_err(failed)?;
        ticket.wait_for(self.log.promise().flush_to.max(Ack::Written)).map_err(failed)
    }
}
