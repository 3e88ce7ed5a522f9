//! What a long job tells while it works, and how it is told to stop.

use std::ops::ControlFlow;

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Opening a store, which may mean replaying or walking it.
    Opening,
    /// Reading entries to show them.
    Reading,
    /// Checking entries and container.
    Verifying,
    /// Writing a target.
    Copying,
    /// Comparing two stores, or a target with its source.
    Comparing,
    /// Writing an archive.
    Packing,
    /// Reading an archive back.
    ReadingBack,
    /// Writing files out of an archive.
    Unpacking,
    /// Measuring.
    Measuring,
    /// Recovering and checking what a crash may leave; its entries are images.
    Simulating,
    /// Killing processes; its entries are those.
    Killing,
}

impl Phase {
    /// What its entries are called, one and many.
    pub fn units(self) -> (&'static str, &'static str) {
        match self {
            Phase::Simulating => ("image", "images"),
            Phase::Measuring => ("measurement", "measurements"),
            Phase::Killing => ("process", "processes"),
            _ => ("entry", "entries"),
        }
    }

    /// Whether its bytes are bytes. Those of a simulation are thousandths of its parts.
    pub fn counts_bytes(self) -> bool {
        self != Phase::Simulating
    }

    /// The word that a progress line begins with.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Opening => "opening",
            Phase::Reading => "reading",
            Phase::Verifying => "verifying",
            Phase::Copying => "copying",
            Phase::Comparing => "comparing",
            Phase::Packing => "packing",
            Phase::ReadingBack => "reading back",
            Phase::Unpacking => "unpacking",
            Phase::Measuring => "measuring",
            Phase::Simulating => "simulating",
            Phase::Killing => "killing",
        }
    }
}

/// One step of a job. Amounts are totals since the phase began, not differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A phase begins; totals where they are known.
    Started {
        /// Which phase.
        phase: Phase,
        /// Bytes to be handled.
        total_bytes: Option<u64>,
        /// Entries to be handled.
        total_entries: Option<u64>,
    },
    /// Work was done. Sent per batch, never per entry.
    Advanced {
        /// Which phase.
        phase: Phase,
        /// Bytes handled so far.
        bytes: u64,
        /// Entries handled so far.
        entries: u64,
    },
    /// A phase ended.
    Finished {
        /// Which phase.
        phase: Phase,
    },
    /// Something the operator should know while the job goes on; one line, no advice.
    Noted {
        /// The line.
        message: String,
    },
}

/// Who watches a job. `Break` means that the operator wants it to stop.
pub trait Observer {
    /// Takes note of `event`; `Break` makes the job undo what is half done and end as cancelled.
    fn on(&mut self, event: &Event) -> ControlFlow<()>;
}

/// An observer that watches nothing and never stops a job.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn on(&mut self, _event: &Event) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Counts the work of a phase and tells an observer about it now and then, never per entry.
#[derive(Debug)]
pub struct Meter {
    phase: Phase,
    bytes: u64,
    entries: u64,
    told_bytes: u64,
    told_entries: u64,
}

impl Meter {
    /// Entries after which an observer hears of them.
    const ENTRIES_STEP: u64 = 4_096;
    /// Bytes after which an observer hears of them.
    const BYTES_STEP: u64 = 1 << 20;

    /// Begins `phase` and says so; totals where they are known.
    ///
    /// # Errors
    /// [`Stopped`] when the observer wants the job to stop.
    pub fn start(
        phase: Phase,
        total_bytes: Option<u64>,
        total_entries: Option<EntryCount>,
        observer: &mut dyn Observer,
    ) -> Result<Meter, Stopped> {
        let total_entries = total_entries.map(|EntryCount(count)| count);
        heard(observer.on(&Event::Started { phase, total_bytes, total_entries }))?;
        Ok(Meter { phase, bytes: 0, entries: 0, told_bytes: 0, told_entries: 0 })
    }

    /// Does `work` as a phase of its own. `work` says now and then how many bytes it has handled,
    /// and is to end early on a break.
    ///
    /// # Errors
    /// [`Stopped`] when the observer wants the job to stop.
    pub fn over<T>(
        phase: Phase,
        total_bytes: u64,
        observer: &mut dyn Observer,
        work: impl FnOnce(&mut dyn FnMut(u64) -> ControlFlow<()>) -> T,
    ) -> Result<T, Stopped> {
        let mut meter = Meter::start(phase, Some(total_bytes), None, observer)?;
        let mut stopped = Ok(());
        let done = work(&mut |bytes| {
            stopped = meter.reached(bytes, observer);
            match stopped {
                Ok(()) => ControlFlow::Continue(()),
                Err(Stopped) => ControlFlow::Break(()),
            }
        });
        stopped?;
        meter.finish(observer)?;
        Ok(done)
    }

    /// Counts one entry of `bytes` bytes.
    ///
    /// # Errors
    /// [`Stopped`] when the observer wants the job to stop.
    pub fn entry(&mut self, bytes: u64, observer: &mut dyn Observer) -> Result<(), Stopped> {
        self.entries(EntryCount(1), bytes, observer)
    }

    /// Counts entries of `bytes` bytes together.
    ///
    /// # Errors
    /// [`Stopped`] when the observer wants the job to stop.
    pub fn entries(
        &mut self,
        entries: EntryCount,
        bytes: u64,
        observer: &mut dyn Observer,
    ) -> Result<(), Stopped> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.entries = self.entries.saturating_add(entries.0);
        let untold = (self.bytes - self.told_bytes, self.entries - self.told_entries);
        if untold.0 < Self::BYTES_STEP && untold.1 < Self::ENTRIES_STEP {
            return Ok(());
        }
        self.tell(observer)
    }

    /// Sets the bytes handled so far, in a phase that counts no entries.
    ///
    /// # Errors
    /// [`Stopped`] when the observer wants the job to stop.
    pub fn reached(&mut self, bytes: u64, observer: &mut dyn Observer) -> Result<(), Stopped> {
        self.bytes = bytes;
        if bytes.saturating_sub(self.told_bytes) < Self::BYTES_STEP {
            return Ok(());
        }
        self.tell(observer)
    }

    /// Tells the totals so far, however little is new: a job waited for more.
    ///
    /// # Errors
    /// [`Stopped`] when the observer wants the job to stop.
    pub fn waited(&mut self, observer: &mut dyn Observer) -> Result<(), Stopped> {
        self.tell(observer)
    }

    /// Tells the last totals and ends the phase.
    ///
    /// # Errors
    /// [`Stopped`] when the observer wants the job to stop.
    pub fn finish(mut self, observer: &mut dyn Observer) -> Result<(), Stopped> {
        self.tell(observer)?;
        heard(observer.on(&Event::Finished { phase: self.phase }))
    }

    fn tell(&mut self, observer: &mut dyn Observer) -> Result<(), Stopped> {
        (self.told_bytes, self.told_entries) = (self.bytes, self.entries);
        let (phase, bytes, entries) = (self.phase, self.bytes, self.entries);
        heard(observer.on(&Event::Advanced { phase, bytes, entries }))
    }
}

/// A number of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryCount(pub u64);

/// The observer wants the job to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

fn heard(flow: ControlFlow<()>) -> Result<(), Stopped> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Stopped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Listener {
        heard: Vec<Event>,
        patience: usize,
    }

    impl Observer for Listener {
        fn on(&mut self, event: &Event) -> ControlFlow<()> {
            self.heard.push(event.clone());
            match self.heard.len() > self.patience {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }

    #[test]
    fn a_meter_tells_per_batch_and_ends_with_the_totals() {
        let mut listener = Listener { heard: Vec::new(), patience: usize::MAX };
        let mut meter = Meter::start(Phase::Reading, None, Some(EntryCount(10_000)), &mut listener)
            .expect("go");
        for _ in 0..10_000 {
            meter.entry(1, &mut listener).expect("go");
        }
        meter.finish(&mut listener).expect("go");
        let entries: Vec<u64> = listener
            .heard
            .iter()
            .filter_map(|event| match event {
                Event::Advanced { entries, .. } => Some(*entries),
                _ => None,
            })
            .collect();
        assert_eq!(entries, [4_096, 8_192, 10_000]);
        assert_eq!(listener.heard.last(), Some(&Event::Finished { phase: Phase::Reading }));
    }

    #[test]
    fn large_entries_are_told_by_their_bytes_and_a_stop_is_passed_on() {
        let mut listener = Listener { heard: Vec::new(), patience: 2 };
        let mut meter = Meter::start(Phase::Copying, None, None, &mut listener).expect("go");
        assert_eq!(meter.entry(1 << 20, &mut listener), Ok(()));
        assert_eq!(meter.entry(1, &mut listener), Ok(()));
        assert_eq!(meter.entry(1 << 20, &mut listener), Err(Stopped));
        assert_eq!(listener.heard.len(), 3);
    }

    #[test]
    fn pages_are_not_told_one_by_one() {
        let mut listener = Listener { heard: Vec::new(), patience: usize::MAX };
        let mut meter = Meter::start(Phase::Verifying, None, None, &mut listener).expect("go");
        for page in 1..=512 {
            meter.reached(page * 4_096, &mut listener).expect("go");
        }
        meter.finish(&mut listener).expect("go");
        assert_eq!(listener.heard.len(), 1 + 2 + 2);
    }
}
