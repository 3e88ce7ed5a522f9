use crate::backup::Error;
use crate::event::{Event, Observer, Phase};

/// Tells the observer how far one phase of a job is, and hears whether to stop.
pub(super) struct Progress<'o> {
    observer: &'o mut dyn Observer,
    phase: Phase,
    bytes: u64,
    begun: bool,
}

impl<'o> Progress<'o> {
    /// The progress of `phase`, which has not begun yet.
    pub fn new(observer: &'o mut dyn Observer, phase: Phase) -> Progress<'o> {
        Progress { observer, phase, bytes: 0, begun: false }
    }

    /// The phase begins; `total_bytes` are ahead, where that is known.
    pub fn begin(&mut self, total_bytes: Option<u64>) -> Result<(), Error> {
        self.begun = true;
        self.tell(&Event::Started { phase: self.phase, total_bytes, total_entries: None })
    }

    /// `bytes` more were handled.
    pub fn advance(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes += bytes as u64;
        self.tell(&Event::Advanced { phase: self.phase, bytes: self.bytes, entries: 0 })
    }

    /// The phase ends, if it has begun.
    pub fn finish(mut self) -> Result<(), Error> {
        if !self.begun {
            return Ok(());
        }
        self.tell(&Event::Finished { phase: self.phase })
    }

    fn tell(&mut self, event: &Event) -> Result<(), Error> {
        if self.observer.on(event).is_break() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
