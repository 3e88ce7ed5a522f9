//! Measures one cell, in the process that was started for it.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bench::Error;
use crate::bench::cell::Cell;
use crate::bench::engines::{self, Ground, Log};
use crate::bench::histogram::{Histogram, Latency};
use crate::bench::logs::noise;
use crate::model::{Entry, EntryExtra, EntryKind, LogIndex, SharedBytes, Term};
use crate::vfs::{Clock, Fs};

/// The share of the time in which nothing is counted yet.
const WARM_UP: f64 = 0.1;

/// What one cell came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Entries that were handled.
    pub operations: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// How long the calls took.
    pub latency_us: Latency,
    /// Peak memory of the process, where the system tells.
    pub rss_bytes: Option<u64>,
    /// Why it could not be measured here.
    pub not_measured: Option<String>,
}

/// Measures a cell in an empty directory.
///
/// # Errors
/// When the engine or the system refused.
pub fn measure(
    fs: &Arc<dyn Fs>,
    clock: &Arc<dyn Clock>,
    dir: &Path,
    cell: &Cell,
) -> Result<Outcome, Error> {
    let ground = Ground { fs, clock, dir, cell };
    let log = match engines::open(&ground)? {
        Ok(log) => log,
        Err(reason) => {
            return Ok(Outcome { not_measured: Some(reason), ..Outcome::default() });
        }
    };
    appends(log.as_ref(), clock.as_ref(), cell)
}

/// What one writer did.
struct Tally {
    histogram: Histogram,
    operations: u64,
    time: Range<Duration>,
}

/// All writers begin to count together; the time ends when the system has what the last of them
/// appended.
fn appends(log: &dyn Log, clock: &dyn Clock, cell: &Cell) -> Result<Outcome, Error> {
    // The machine needs no threads to show what it can do with what they all bring.
    let (writers, batch) = match cell.engine.is_limit() {
        true => (1, cell.batch.saturating_mul(cell.writers)),
        false => (cell.writers, cell.batch),
    };
    let begin = Barrier::new(usize::try_from(writers).unwrap_or(1));
    let writer = |group: u32| Writer {
        log,
        clock,
        group,
        batch: Values::new(cell.value.0, batch),
        seconds: cell.seconds,
        bytes_max: cell.bytes_max() / u64::from(writers),
    };
    let tallies: Result<Vec<Tally>, Error> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|group| {
                let (writer, begin) = (writer(group), &begin);
                scope.spawn(move || writer.run(begin))
            })
            .collect();
        threads.into_iter().map(joined).collect()
    });
    let tallies = tallies?;
    log.drain()?;
    let ended = clock.monotonic();
    let began = tallies.iter().map(|tally| tally.time.start).min().unwrap_or(ended);
    let mut histogram = Histogram::default();
    tallies.iter().for_each(|tally| histogram.merge(&tally.histogram));
    Ok(Outcome {
        operations: tallies.iter().map(|tally| tally.operations).sum(),
        seconds: ended.saturating_sub(began).as_secs_f64(),
        latency_us: histogram.latency(),
        ..Outcome::default()
    })
}

fn joined(thread: std::thread::ScopedJoinHandle<'_, Result<Tally, Error>>) -> Result<Tally, Error> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Entries that are appended again and again, under new indexes.
pub(super) struct Values {
    entries: Vec<Entry>,
    next: u64,
}

impl Values {
    pub(super) fn new(value_bytes: usize, batch: u32) -> Values {
        let noise = noise();
        let room = noise.len().saturating_sub(value_bytes).max(1);
        let payload = |number: usize| {
            let start = number.wrapping_mul(7_919) % room;
            noise.slice(start..start.saturating_add(value_bytes)).unwrap_or_default()
        };
        let batch = usize::try_from(batch).unwrap_or(1);
        Values { entries: (0..batch).map(|number| entry(payload(number))).collect(), next: 1 }
    }

    /// The next batch.
    pub(super) fn take(&mut self) -> &[Entry] {
        for entry in &mut self.entries {
            entry.index = LogIndex(self.next);
            self.next += 1;
        }
        &self.entries
    }

    fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.payload_bytes().len() as u64).sum()
    }
}

fn entry(payload: SharedBytes) -> Entry {
    Entry {
        index: LogIndex(0),
        term: Term(1),
        kind: EntryKind::Command,
        kind_code: Some(0),
        payload: Some(payload),
        extra: EntryExtra::default(),
    }
}

struct Writer<'a> {
    log: &'a dyn Log,
    clock: &'a dyn Clock,
    group: u32,
    batch: Values,
    seconds: f64,
    bytes_max: u64,
}

impl Writer<'_> {
    fn run(mut self, begin: &Barrier) -> Result<Tally, Error> {
        let warm = self.write(WARM_UP, self.bytes_max / 10);
        // Also after an error: the others wait for all.
        begin.wait();
        warm?;
        self.write(1.0, self.bytes_max)
    }

    /// Appends for this share of the time, or until so much was appended.
    fn write(&mut self, share: f64, bytes_max: u64) -> Result<Tally, Error> {
        let mut tally = Tally {
            histogram: Histogram::default(),
            operations: 0,
            time: Duration::ZERO..Duration::ZERO,
        };
        let (entries, bytes) = (self.batch.len(), self.batch.bytes());
        let start = self.clock.monotonic();
        let end = start + Duration::from_secs_f64(self.seconds * share);
        let mut now = start;
        let mut written = 0;
        while now < end && written < bytes_max {
            self.log.append(self.group, self.batch.take())?;
            let then = self.clock.monotonic();
            tally.histogram.record(then.saturating_sub(now));
            now = then;
            tally.operations += entries;
            written += bytes;
        }
        tally.time = start..now;
        Ok(tally)
    }
}
