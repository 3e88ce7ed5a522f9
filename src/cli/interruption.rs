//! Ctrl-C, SIGTERM and SIGHUP: the first asks the job to stop, the second ends the process.
//!
//! A terminal that goes away (SIGHUP) stops a job as SIGTERM does, so that nothing unfinished is
//! left; but not under `nohup`, which is how an operator says that the job shall go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::report::Exit;
use crate::vfs::os::ignores_signal;

const NONE: usize = 0;
const INT: usize = 1;
const TERM: usize = 2;

/// Whether a signal came, and which.
#[derive(Clone, Debug, Default)]
pub struct Interruption {
    signal: Arc<AtomicUsize>,
}

impl Interruption {
    /// Takes note of signals from now on.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn install() -> io::Result<Interruption> {
        let interruption = Interruption::default();
        let again = Arc::new(AtomicBool::new(false));
        for (signal, exit, value) in [
            (SIGINT, Exit::Interrupted, INT),
            (SIGTERM, Exit::Terminated, TERM),
            (SIGHUP, Exit::Terminated, TERM),
        ] {
            if signal == SIGHUP && ignores_signal(signal) == Some(true) {
                continue;
            }
            // In this order: the first signal finds the flag down, the second finds it up.
            flag::register_conditional_shutdown(
                signal,
                i32::from(exit.code()),
                Arc::clone(&again),
            )?;
            flag::register(signal, Arc::clone(&again))?;
            flag::register_usize(signal, Arc::clone(&interruption.signal), value)?;
        }
        Ok(interruption)
    }

    /// How the program ends when it was told to stop, or `None` when it was not.
    pub fn exit(&self) -> Option<Exit> {
        match self.signal.load(Ordering::Relaxed) {
            NONE => None,
            TERM => Some(Exit::Terminated),
            _ => Some(Exit::Interrupted),
        }
    }
}
