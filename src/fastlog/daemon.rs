//! The threads of a log: one steps its timers, one makes segments ahead, one brings what readers
//! missed.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::fastlog::core::Core;
use crate::fastlog::{Error, Memory, Options};
use crate::model::IoError;

/// How long the thread sleeps at most.
const DOZE: Duration = Duration::from_millis(100);

/// Running threads; they end when dropped.
pub(super) struct Daemon {
    core: Arc<Core>,
    threads: Vec<JoinHandle<()>>,
}

impl Daemon {
    /// Starts the threads that the options call for.
    ///
    /// # Errors
    /// `Io` when the system has none left.
    pub(super) fn start(core: &Arc<Core>, options: &Options) -> Result<Daemon, Error> {
        let mut daemon = Daemon { core: Arc::clone(core), threads: Vec::new() };
        let stepped = Arc::clone(core);
        daemon.spawn("fastlog", move || while stepped.step().is_ok() && stepped.doze(DOZE) {})?;
        if let Memory::Lazy { .. } = options.memory {
            let loader = Arc::clone(core);
            let load = move || {
                while loader.await_missed() {
                    loader.load_missed();
                }
            };
            daemon.spawn("fastlog-load", load)?;
        }
        if options.spares {
            let maker = Arc::clone(core);
            let make = move || while maker.await_spare() && maker.make_spare().is_ok() {};
            daemon.spawn("fastlog-spare", make)?;
        }
        Ok(daemon)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        let thread = started.map_err(|error| IoError::new("start", "a thread", error))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.core.stop();
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}
