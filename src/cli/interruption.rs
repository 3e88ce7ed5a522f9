//! Ctrl-C and SIGTERM: the first asks the job to stop, the second ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::report::Exit;

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
        for (signal, exit, value) in
            [(SIGINT, Exit::Interrupted, INT), (SIGTERM, Exit::Terminated, TERM)]
        {
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
