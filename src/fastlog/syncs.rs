//! Syncs of segments and anchor: one at a time, and none after one that failed. A second sync may
//! say yes to pages that the first one lost, and it need not be told at all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::fastlog::Error;
use crate::fastlog::format::Sequence;
use crate::fastlog::segment::NamedFile;
use crate::model::IoError;

/// See the module.
pub(super) struct Syncs {
    turn: Mutex<()>,
    durable: AtomicU64,
    poison: OnceLock<Arc<IoError>>,
}

/// Files that make everything through a sequence durable.
pub(super) struct SyncJob {
    /// Oldest first.
    pub(super) files: Vec<Arc<NamedFile>>,
    pub(super) through: Sequence,
}

impl Syncs {
    /// Everything through `durable` is.
    pub(super) fn new(durable: Sequence) -> Syncs {
        let durable = AtomicU64::new(durable.0);
        Syncs { turn: Mutex::new(()), durable, poison: OnceLock::new() }
    }

    /// Highest sequence known to be durable.
    pub(super) fn durable(&self) -> Sequence {
        Sequence(self.durable.load(Ordering::Acquire))
    }

    /// # Errors
    /// `Poisoned` after a failure.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.poison.get() {
            Some(cause) => Err(self.error(cause)),
            None => Ok(()),
        }
    }

    /// Lets nothing be written or synced any more; the first cause is kept.
    pub(super) fn poisoned(&self, cause: impl Into<Arc<IoError>>) -> Error {
        let cause = self.poison.get_or_init(|| cause.into());
        self.error(cause)
    }

    fn error(&self, cause: &Arc<IoError>) -> Error {
        Error::Poisoned { durable: self.durable(), cause: Arc::clone(cause) }
    }

    /// Does the job, unless somebody did it meanwhile.
    ///
    /// # Errors
    /// `Poisoned`.
    pub(super) fn run(&self, job: &SyncJob) -> Result<(), Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        if self.durable() >= job.through {
            return Ok(());
        }
        for file in &job.files {
            file.sync().map_err(|error| self.poisoned(error))?;
        }
        self.raise(job.through);
        Ok(())
    }

    /// Takes note that everything through `durable` is.
    pub(super) fn raise(&self, durable: Sequence) {
        self.durable.fetch_max(durable.0, Ordering::Release);
    }

    /// Syncs one file, whatever is durable.
    ///
    /// # Errors
    /// `Poisoned`.
    pub(super) fn sync(&self, file: &NamedFile) -> Result<(), Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        file.sync().map_err(|error| self.poisoned(error))
    }
}
