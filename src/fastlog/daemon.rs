//! The thread that steps a log's timers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::fastlog::core::Core;

/// How long the thread sleeps when nothing is due.
const DOZE: Duration = Duration::from_secs(1);

/// A running thread; stops when dropped.
pub(super) struct Daemon {
    core: Arc<Core>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    pub(super) fn start(core: Arc<Core>) -> Daemon {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, stepped) = (Arc::clone(&stop), Arc::clone(&core));
        let thread = std::thread::Builder::new()
            .name("fastlog".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    let due = stepped.step().ok().flatten();
                    let now = stepped.now();
                    stepped.doze(due.map_or(DOZE, |due| due.saturating_sub(now)));
                }
            })
            .ok();
        Daemon { core, stop, thread }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.core.wake();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
