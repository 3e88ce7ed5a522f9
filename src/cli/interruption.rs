//! Ctrl-C, SIGTERM and SIGHUP: the first asks the job to stop, one that comes half a second later
//! or more ends the process. Not sooner: `timeout` and service managers signal the process and then
//! its group, which is one wish to stop.
//!
//! A terminal that goes away (SIGHUP) stops a job as SIGTERM does, so that nothing unfinished is
//! left; but not under `nohup`, which is how an operator says that the job shall go on.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;

use crate::report::Exit;
use crate::vfs::Clock;
use crate::vfs::os::{OsClock, ignores_signal};

/// Signals that come this soon after the first one are the same wish.
const SAME_WISH: Duration = Duration::from_millis(500);

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
        let (came, comes) = UnixStream::pair()?;
        for (signal, exit, value) in [
            (SIGINT, Exit::Interrupted, INT),
            (SIGTERM, Exit::Terminated, TERM),
            (SIGHUP, Exit::Terminated, TERM),
        ] {
            if signal == SIGHUP && ignores_signal(signal) == Some(true) {
                continue;
            }
            flag::register_conditional_shutdown(
                signal,
                i32::from(exit.code()),
                Arc::clone(&again),
            )?;
            pipe::register(signal, comes.try_clone()?)?;
            flag::register_usize(signal, Arc::clone(&interruption.signal), value)?;
        }
        let arm = move || {
            arm(came, &again);
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(arm)?;
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

/// Waits for the first signal, and lets those end the process that come after a while.
fn arm(mut came: UnixStream, again: &AtomicBool) {
    if came.read(&mut [0]).is_ok_and(|read| read > 0) {
        OsClock.sleep(SAME_WISH);
        again.store(true, Ordering::SeqCst);
    }
}
