//! Writing a whole store at once, for copies: the same writer and format as a live log, but
//! nothing is acknowledged and nothing synced before the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::fastlog::format::{FRAME_PAYLOAD_TARGET, GroupNo, PAGE_BYTES, Payload, SegmentNo};
use crate::fastlog::open::{Ground, Opened};
use crate::fastlog::plan::Plan;
use crate::fastlog::segment::FramePlace;
use crate::fastlog::ways::Way;
use crate::fastlog::writer::Writer;
use crate::fastlog::{Error, Fill, Options, Refusal, Stepping};
use crate::model::{Entry, GroupId, HardState, LogIndex, LogState};
use crate::vfs::{Clock, Held, Vfs};

/// Bytes of a segment after which the system is asked to begin writing them out, so that little is
/// left to do when everything is synced.
const WRITE_OUT_BYTES: u64 = 4 << 20;

/// A store that is being written; it is whole once [`BulkWriter::seal`] returned.
pub struct BulkWriter {
    writer: Writer,
    plan: Plan,
    payload: Payload,
    /// Through where the system was asked to write out the active segment.
    writing_out: FramePlace,
    group: GroupNo,
    last: Option<LogIndex>,
    _lock: Box<dyn Held>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkReport {
    /// Files.
    pub files: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

/// A clock that stands still: a copy needs the time of day once.
struct Still(Duration);

impl Clock for Still {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> Duration {
        self.0
    }

    fn sleep(&self, _duration: Duration) {}
}

impl BulkWriter {
    /// Begins a store in `dir`, which must not exist or be empty. `options` become what the store
    /// records as its defaults; `created` is the time since 1970.
    ///
    /// # Errors
    /// `NotEmpty`, `Io`.
    pub fn create(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        options: &Options,
        created: Duration,
    ) -> Result<BulkWriter, Error> {
        let options =
            Options { fill: Fill::Never, spares: false, stepping: Stepping::Caller, ..*options };
        let clock = Still(created);
        let ground = Ground { vfs, clock: &clock, dir, options: &options, bulk: true };
        let Opened { writer, lock, .. } = ground.create()?;
        let payload = Payload::default();
        let plan = writer.plan();
        let writing_out = FramePlace { segment: SegmentNo(0), offset: 0 };
        let (group, last) = (GroupNo(0), None);
        Ok(BulkWriter { writer, plan, payload, writing_out, group, last, _lock: lock })
    }

    /// Begins the next group with its state.
    ///
    /// # Errors
    /// `Refused` for what the format cannot hold, `Io`.
    pub fn begin_group(&mut self, id: &GroupId, state: &LogState) -> Result<(), Error> {
        self.group = GroupNo(self.group.0.saturating_add(1));
        self.last = state.compacted.map(|compacted| compacted.index);
        let (group, payload) = (self.group, &mut self.payload);
        payload.group(group, id, state.schema.as_deref(), &state.note)?;
        if let Some(compacted) = state.compacted {
            payload.compaction(group, compacted);
        }
        if let Some(snapshot) = &state.snapshot {
            payload.snapshot_note(group, snapshot)?;
        }
        if state.hard != HardState::default() {
            payload.hard_state(group, &state.hard)?;
        }
        for (key, value) in &state.stable {
            payload.stable_put(group, key, value)?;
        }
        self.flush()
    }

    /// Appends entries to the group begun last; each follows the one before.
    ///
    /// # Errors
    /// `Refused` for a hole or an entry that is too large, `Io`.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), Error> {
        let mut rest = entries;
        while !rest.is_empty() {
            let mut bytes = 0usize;
            let mut count = 0usize;
            for entry in rest {
                bytes = bytes.saturating_add(content_bytes(entry));
                if count > 0 && bytes > FRAME_PAYLOAD_TARGET {
                    break;
                }
                self.follow(entry.index)?;
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            self.payload.entries(self.group, now)?;
            self.flush()?;
            rest = later;
        }
        Ok(())
    }

    fn follow(&mut self, found: LogIndex) -> Result<(), Refusal> {
        if let Some(before) = self.last
            && before.next() != Some(found)
        {
            return Err(Refusal::NotConsecutive { before, found });
        }
        self.last = Some(found);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if !self.payload.is_empty() {
            let payload = std::mem::take(&mut self.payload);
            let placed = self.plan.place(payload, self.writer.durable())?;
            self.writer.write(Duration::ZERO, &[&placed], Way::Cached, &mut 0)?;
            self.payload = placed.recycled();
            self.write_out();
        }
        Ok(())
    }

    /// Asks the system to begin writing out what is complete, whole pages of it.
    fn write_out(&mut self) {
        let Some(active) = &self.writer.active else { return };
        if self.writing_out.segment != active.number {
            self.writing_out = FramePlace { segment: active.number, offset: 0 };
        }
        let complete = active.end - active.end % PAGE_BYTES;
        let waiting = complete.saturating_sub(self.writing_out.offset);
        if waiting >= WRITE_OUT_BYTES {
            active.file.file.write_out(self.writing_out.offset, waiting);
            self.writing_out.offset = complete;
        }
    }

    /// Syncs everything, the directory included, and marks the store as closed.
    ///
    /// # Errors
    /// `Io`, `Poisoned`.
    pub fn seal(mut self) -> Result<BulkReport, Error> {
        self.flush()?;
        self.writer.seal(Duration::ZERO, true)?;
        let mut report = BulkReport { files: 1, bytes: self.writer.syncs.anchor().size()? };
        for number in self.writer.files.segments()? {
            report.files += 1;
            report.bytes += self.writer.files.reading(number)?.size()?;
        }
        Ok(report)
    }
}

fn content_bytes(entry: &Entry) -> usize {
    entry
        .payload_bytes()
        .len()
        .saturating_add(entry.extensions_bytes().len())
        .saturating_add(entry.extra.note.len())
}
