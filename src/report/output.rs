//! The one writer to stdout: buffered, flushed when a stream pauses, quiet when the reader left.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A stream is written out when this much has come together.
const BUFFER_BYTES: usize = 64 * 1024;

/// How often the flusher looks whether a stream has paused: what came is written out after one to
/// two of these.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why nothing more can be written.
#[derive(Debug)]
pub enum Stopped {
    /// Whoever read it has left, as `head` does. No reason to complain.
    Closed,
    /// The system refused.
    Failed(io::Error),
}

/// Stdout, or in tests whatever stands for it.
pub struct Output {
    shared: Arc<Shared>,
    flusher: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    buffer: Vec<u8>,
    sink: Box<dyn Write + Send>,
    stopped: Option<Stopped>,
    arrived: u64,
    is_over: bool,
}

impl Output {
    /// The real stdout.
    pub fn stdout() -> Output {
        Output::to(Box::new(io::stdout()))
    }

    /// A writer that stands for stdout.
    pub fn to(sink: Box<dyn Write + Send>) -> Output {
        let state = State {
            buffer: Vec::with_capacity(BUFFER_BYTES + 4096),
            sink,
            stopped: None,
            arrived: 0,
            is_over: false,
        };
        Output {
            shared: Arc::new(Shared { state: Mutex::new(state), ended: Condvar::new() }),
            flusher: None,
        }
    }

    /// From now on what was written appears within 100 ms even if nothing follows it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn flush_when_idle(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("flusher".to_owned());
        self.flusher = Some(thread.spawn(move || shared.flush_until_over())?);
        Ok(())
    }

    /// Lets `fill` append to the buffer, and writes it out when it is full. `Break` when nothing
    /// more can be written.
    pub fn fill(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> ControlFlow<()> {
        self.shared.fill(fill)
    }

    /// Another way to append to it, for a writer that wants one of its own.
    pub fn pipe(&self) -> Pipe {
        Pipe { shared: Arc::clone(&self.shared) }
    }

    /// Appends `text`; as [`Output::fill`].
    pub fn write(&mut self, text: &str) -> ControlFlow<()> {
        self.fill(|buffer| buffer.extend_from_slice(text.as_bytes()))
    }

    /// Writes out what is buffered; as [`Output::fill`].
    pub fn flush(&mut self) -> ControlFlow<()> {
        let mut state = self.shared.lock();
        state.write_out();
        state.flow()
    }

    /// Writes out the rest.
    ///
    /// # Errors
    /// When anything since the beginning could not be written.
    pub fn finish(mut self) -> Result<(), Stopped> {
        let mut state = self.shared.lock();
        state.write_out();
        let stopped = state.stopped.take();
        drop(state);
        self.end_flusher();
        stopped.map_or(Ok(()), Err)
    }

    fn end_flusher(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.ended.notify_all();
        if let Some(flusher) = self.flusher.take() {
            // It has nothing to return; a panic in it was reported by the panic hook.
            let _ended = flusher.join();
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.end_flusher();
    }
}

/// Appends to an [`Output`].
pub struct Pipe {
    shared: Arc<Shared>,
}

impl Pipe {
    /// As [`Output::fill`].
    pub fn append(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        self.shared.fill(|buffer| buffer.extend_from_slice(bytes))
    }
}

impl Shared {
    fn fill(&self, fill: impl FnOnce(&mut Vec<u8>)) -> ControlFlow<()> {
        let mut state = self.lock();
        if state.stopped.is_some() {
            return ControlFlow::Break(());
        }
        fill(&mut state.buffer);
        state.arrived += 1;
        if state.buffer.len() >= BUFFER_BYTES {
            state.write_out();
        }
        state.flow()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush_until_over(&self) {
        let mut seen = 0;
        let mut state = self.lock();
        while !state.is_over {
            state = match self.ended.wait_timeout(state, LOOK_EVERY) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            if state.arrived == seen && !state.buffer.is_empty() {
                state.write_out();
            }
            seen = state.arrived;
        }
    }
}

impl State {
    fn write_out(&mut self) {
        if self.stopped.is_none() {
            let written = self.sink.write_all(&self.buffer).and_then(|()| self.sink.flush());
            self.stopped = match written {
                Ok(()) => None,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Some(Stopped::Closed),
                Err(error) => Some(Stopped::Failed(error)),
            };
        }
        self.buffer.clear();
    }

    fn flow(&self) -> ControlFlow<()> {
        match self.stopped {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(()),
        }
    }
}

/// Writes to stderr; if that fails there is nobody left to tell.
pub fn tell(text: &str) {
    let mut stderr = io::stderr().lock();
    let _nobody_left = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    struct Ends(Option<io::ErrorKind>, Sender<Vec<u8>>);

    impl Write for Ends {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0 {
                Some(kind) => Err(kind.into()),
                None => {
                    self.1.send(bytes.to_vec()).expect("a receiver");
                    Ok(bytes.len())
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_written_appears_although_nothing_follows() {
        let (sender, receiver) = channel();
        let mut output = Output::to(Box::new(Ends(None, sender)));
        output.flush_when_idle().expect("a thread");
        assert!(output.write("first\n").is_continue());
        let came = receiver.recv_timeout(Duration::from_secs(20)).expect("flushed when idle");
        assert_eq!(came, b"first\n");
        assert!(output.finish().is_ok());
    }

    #[test]
    fn a_full_buffer_is_written_out_at_once() {
        let (sender, receiver) = channel();
        let mut output = Output::to(Box::new(Ends(None, sender)));
        assert!(output.write(&"x".repeat(BUFFER_BYTES)).is_continue());
        assert_eq!(receiver.try_recv().expect("written").len(), BUFFER_BYTES);
    }

    #[test]
    fn a_reader_that_left_is_told_from_a_full_disk() {
        let end = |kind| {
            let mut output = Output::to(Box::new(Ends(Some(kind), channel().0)));
            assert!(output.write("x").is_continue());
            assert!(output.flush().is_break());
            assert!(output.write("y").is_break());
            output.finish()
        };
        assert!(matches!(end(io::ErrorKind::BrokenPipe), Err(Stopped::Closed)));
        assert!(matches!(end(io::ErrorKind::StorageFull), Err(Stopped::Failed(_))));
    }
}
