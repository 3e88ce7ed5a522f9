//! The thread that steps a log's timers.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::fastlog::Error;
use crate::fastlog::core::Core;
use crate::model::IoError;

/// How long the thread sleeps at most.
const DOZE: Duration = Duration::from_millis(100);

/// A running thread; ends when dropped.
pub(super) struct Daemon {
    core: Arc<Core>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Io` when the system has none left.
    pub(super) fn start(core: &Arc<Core>) -> Result<Daemon, Error> {
        let stepped = Arc::clone(core);
        let body = move || {
            while stepped.step().is_ok() && stepped.doze(DOZE) {}
        };
        let started = std::thread::Builder::new().name("fastlog".to_owned()).spawn(body);
        let thread = started.map_err(|error| IoError::new("start", "a thread", error))?;
        Ok(Daemon { core: Arc::clone(core), thread: Some(thread) })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.core.stop();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
