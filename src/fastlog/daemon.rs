//! The thread that steps a log's timers.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::fastlog::core::Core;

/// How often the thread looks whether something is due.
const DOZE: Duration = Duration::from_millis(100);

/// A running thread; stops when dropped.
pub(super) struct Daemon {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Starts the thread. Without one, which the system may refuse, sync points are written down
    /// only when something is written: nothing promised depends on it.
    pub(super) fn start(core: Arc<Core>) -> Daemon {
        let (stop, stopped) = channel::<()>();
        let body = move || {
            while stopped.recv_timeout(DOZE) == Err(RecvTimeoutError::Timeout) {
                if core.step().is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("fastlog".to_owned()).spawn(body).ok();
        Daemon { stop: Some(stop), thread }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
