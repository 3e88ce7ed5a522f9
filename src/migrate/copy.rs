//! Copying in batches; payloads are shared with the buffers they were read into, never copied.

use crate::event::{Meter, Observer, Phase};
use crate::migrate::Error;
use crate::migrate::preflight::Preflight;
use crate::model::{Entry, GroupId};
use crate::store::ahead::{Ahead, read_ahead};
use crate::store::{LogSink, Store, StoreError};

/// Contents after which a batch is handed to the sink.
const BATCH_BYTES: usize = 1 << 20;
/// Entries after which a batch is handed to the sink.
const BATCH_ENTRIES: usize = 4_096;

/// A copy under way.
pub(super) struct Copying<'s> {
    pub(super) source: &'s dyn Store,
    pub(super) sink: Box<dyn LogSink>,
    /// The entries were not read before: count and judge them now.
    pub(super) survey: bool,
}

impl Copying<'_> {
    /// Copies every group; the source is read ahead of what is judged and written.
    pub(super) fn groups(
        &mut self,
        preflight: &mut Preflight<'_>,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let mut meter = preflight.meter(Phase::Copying, observer)?;
        for at in 0..preflight.groups.len() {
            std::thread::scope(|scope| {
                let Some((survey, state)) = preflight.groups.get(at) else { return Ok(()) };
                let group = survey.group.clone();
                self.sink.begin_group(&survey.written_as, &survey.written_state(state))?;
                let entries = self.source.entries(&group, survey.range())?;
                let entries = read_ahead(scope, entries);
                self.entries(entries, (at, &group), preflight, &mut meter, observer)
            })?;
            if self.survey {
                preflight.finish_group(at);
            }
        }
        meter.finish(observer)?;
        Ok(())
    }

    /// Copies the entries of the group at a position of the preflight's.
    fn entries(
        &mut self,
        entries: Ahead<'_>,
        (at, group): (usize, &GroupId),
        preflight: &mut Preflight<'_>,
        meter: &mut Meter,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let Some(fit) = preflight.groups.get(at).map(|(survey, _)| survey.fit) else {
            return Ok(());
        };
        let mut batch = Vec::new();
        let mut bytes = 0;
        for located in entries {
            let mut located = match located {
                Ok(located) => located,
                Err(error) if self.survey => {
                    preflight.unreadable(at, error)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if self.survey {
                preflight.see(at, &mut located)?;
            }
            let size = located.entry.payload_bytes().len();
            bytes += size + located.entry.extensions_bytes().len();
            fit.entry(&mut located.entry);
            batch.push(located.entry);
            if bytes >= BATCH_BYTES || batch.len() >= BATCH_ENTRIES {
                self.write(&mut batch, group, preflight)?;
                bytes = 0;
            }
            meter.entry(size as u64, observer)?;
        }
        self.write(&mut batch, group, preflight)
    }

    /// Hands a batch to the sink, unless it is known by now that it will not be published. Reading
    /// goes on even then: all findings are worth knowing.
    fn write(
        &mut self,
        batch: &mut Vec<Entry>,
        group: &GroupId,
        preflight: &Preflight<'_>,
    ) -> Result<(), Error> {
        let doomed = self.survey && (preflight.is_stopped() || preflight.would_lose());
        if !batch.is_empty() && !doomed {
            self.sink.append(batch).map_err(|error| in_group(error, group))?;
        }
        batch.clear();
        Ok(())
    }
}

/// A fault that the sink raised knows its entry, not the group.
fn in_group(error: StoreError, group: &GroupId) -> StoreError {
    match error {
        StoreError::Fault(fault) if fault.group.is_none() => {
            StoreError::Fault(Box::new(fault.in_group(group)))
        }
        other => other,
    }
}
