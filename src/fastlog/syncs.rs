//! Syncs of segments and anchor: one at a time, and none after one that failed. A second sync may
//! say yes to pages that the first one lost, and it need not be told at all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};

use crate::fastlog::Error;
use crate::fastlog::anchor::AnchorFile;
use crate::fastlog::format::{SegmentNo, Sequence};
use crate::fastlog::planted::{Bug, planted};
use crate::fastlog::segment::{Files, NamedFile};
use crate::fastlog::threads::{Mutex, MutexGuard};
use crate::model::IoError;

/// See the module.
pub(super) struct Syncs {
    turn: Mutex<()>,
    durable: AtomicU64,
    poison: OnceLock<Arc<IoError>>,
    files: Arc<Files>,
    anchor: Mutex<AnchorFile>,
}

/// What makes everything through a sequence durable.
pub(super) struct SyncJob {
    /// Oldest first.
    pub(super) files: Vec<Arc<NamedFile>>,
    /// Whether one of them has a name that may be in memory only.
    pub(super) names: bool,
    /// The last of them. The anchor is to say that it is in use, once its header is durable.
    pub(super) newest: SegmentNo,
    pub(super) through: Sequence,
}

impl Syncs {
    /// Everything through `durable` is.
    pub(super) fn new(files: Arc<Files>, anchor: AnchorFile, durable: Sequence) -> Syncs {
        let (turn, anchor, poison) = (Mutex::new(()), Mutex::new(anchor), OnceLock::new());
        Syncs { turn, durable: AtomicU64::new(durable.0), poison, files, anchor }
    }

    /// The anchor file; nothing else is locked while it is.
    pub(super) fn anchor(&self) -> MutexGuard<'_, AnchorFile> {
        self.anchor.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.bring(job).map_err(|error| self.poisoned(error))?;
        self.raise(job.through);
        Ok(())
    }

    fn bring(&self, job: &SyncJob) -> Result<(), IoError> {
        job.files.iter().try_for_each(|file| synced(file))?;
        if job.names {
            self.files.sync_dir()?;
        }
        let mut anchor = self.anchor();
        if anchor.current().newest >= job.newest {
            return Ok(());
        }
        // No promise rests on this when the power goes: a segment counts by its header. But damage
        // to that header would be taken for a crash while it was made.
        anchor.update(|anchor| {
            anchor.newest = job.newest;
            anchor.sync_point = anchor.sync_point.max(job.through);
        })
    }

    /// Writes past the cache what is then durable, through `through`; returns whether that could be
    /// done. What failed may be there or not, so it ends as a sync that failed.
    ///
    /// # Errors
    /// `Poisoned`.
    pub(super) fn write_past_cache(
        &self,
        file: &NamedFile,
        offset: u64,
        bytes: &[u8],
        through: Sequence,
    ) -> Result<bool, Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        match file.file.write_past_cache(offset, bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => Ok(false),
            Err(error) => Err(self.poisoned(file.error_at("write", offset)(error))),
            Ok(()) => {
                self.raise(through);
                Ok(true)
            }
        }
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
        synced(file).map_err(|error| self.poisoned(error))
    }
}

fn synced(file: &NamedFile) -> Result<(), IoError> {
    match file.sync() {
        Err(_) if planted(Bug::SyncErrorIgnored) => Ok(()),
        Err(_) if planted(Bug::SyncTriedAgain) => file.sync(),
        synced => synced,
    }
}
