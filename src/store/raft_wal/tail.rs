//! What the library's recovery keeps of the last segment, what it cuts, and whether it cuts more
//! than a torn write.
//!
//! The library follows frames up to zeros, the end of the file or something that is no frame. It
//! drops entries behind the last commit, and then trusts that commit unseen. Where none follow it
//! checks the checksum of the last commit, and falls back to the one before where that is wrong.
//! All that lies behind is overwritten. When a whole batch lies there, it was no torn write.

use crate::model::{Code, Fault, FaultKind, GroupId, LogIndex};
use crate::store::StoreError;
use crate::store::codec::wal_begin;
use crate::store::raft_wal::format::{FRAME_BYTES, FrameHead};
use crate::store::raft_wal::frames::{Batch, End, Frames, Step, Stop};
use crate::store::raft_wal::segment::Segment;

/// Bytes that are searched at once.
const SEARCH_BYTES: usize = 64 << 10;
/// Bytes of an entry that surely hold its index.
const BEGIN_BYTES: usize = 48;

/// Whether the library keeps the last batch, when following ended so.
pub fn keeps(batch: &Batch, end: &End) -> bool {
    end.entries > 0 || batch.is_sound()
}

/// What lies behind what is kept.
pub struct Judged {
    pub faults: Vec<Fault>,
    /// Bytes up to the last one that is not zero.
    pub torn_bytes: u64,
}

/// Looks at what the library would cut: the batch that it falls back over, and what lies behind
/// the end. `from` is where that begins, `next` the first index that is not kept.
///
/// # Errors
/// When the file cannot be read.
pub fn judge(
    frames: &mut Frames,
    segment: &Segment,
    (cut, end): (Option<Batch>, End),
    (from, next): (u64, u64),
) -> Result<Judged, StoreError> {
    let mut rest = Rest { frames, next, written: from, later: None, budget: 0 };
    rest.budget = segment.file.as_ref().map_or(0, |file| file.size_bytes).saturating_mul(4);
    rest.search(from)?;
    let (written, later) = (rest.written, rest.later);
    let torn_bytes = written.saturating_sub(from);
    if torn_bytes == 0 {
        return Ok(Judged { faults: Vec::new(), torn_bytes });
    }
    let entries = cut.map_or(end.entries, |batch| batch.entries);
    let of_entries = match entries {
        0 => String::new(),
        1 => format!(", entry {next} in them"),
        _ => format!(", entries {next} to {} in them", next.saturating_add(entries - 1)),
    };
    let why = match (cut, end.stop) {
        (Some(_), _) => "the checksum of the last batch is wrong".to_owned(),
        (None, Stop::Odd(kind)) => format!("no frame begins at {} (type {kind})", end.at),
        (None, Stop::Beyond(bytes)) => {
            format!("a frame of {bytes} bytes at {} does not end in the file", end.at)
        }
        (None, Stop::Unwritten) => "the last batch has no commit".to_owned(),
    };
    let (code, kind) = match later {
        None => {
            let found = format!(
                "{why}: a write that was cut off; the library cuts {torn_bytes} bytes{of_entries}"
            );
            (Code::R114, FaultKind::Note { found })
        }
        Some((at, index)) => {
            let message = format!(
                "{why}, but a whole batch from entry {index} on follows at {at}: this was no torn \
                 write; the library cuts all of it without a word"
            );
            let expected = format!("entry {next} and those behind it");
            (Code::R115, FaultKind::Broken { message, expected, found: None })
        }
    };
    let fault = Fault::new(code, kind).at(segment.place(from, torn_bytes));
    let fault = fault.in_group(&GroupId::Unnamed).at_index(LogIndex(next));
    Ok(Judged { faults: vec![fault], torn_bytes })
}

/// What lies behind the log.
struct Rest<'f> {
    frames: &'f mut Frames,
    next: u64,
    /// Behind the last byte that is not zero.
    written: u64,
    /// Where a whole batch lies that goes on with this log, and its first index.
    later: Option<(u64, u64)>,
    /// Bytes that may be followed in search of one.
    budget: u64,
}

impl Rest<'_> {
    fn search(&mut self, from: u64) -> Result<(), StoreError> {
        let size = self.frames.window.of.size_bytes;
        let mut at = from;
        while at < size {
            let bytes = self.frames.window.at(at, at, SEARCH_BYTES)?;
            let bytes = bytes.get(..SEARCH_BYTES).unwrap_or(bytes);
            if bytes.is_empty() {
                return Ok(());
            }
            let len = bytes.len() as u64;
            let mut commits = Vec::new();
            if bytes.iter().any(|byte| *byte != 0) {
                let behind = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                self.written = at.saturating_add(behind as u64);
                let heads = bytes.chunks_exact(8).zip((at..).step_by(8));
                let commit = |(head, at): (&[u8], u64)| {
                    let head = FrameHead::read(head.first_chunk()?);
                    matches!(head, FrameHead::Commit(_)).then_some(at)
                };
                commits.extend(heads.filter_map(commit));
            }
            for commit in commits {
                self.follow(commit.saturating_add(FRAME_BYTES))?;
            }
            at = at.saturating_add(len);
        }
        Ok(())
    }

    /// Follows what would be a batch from `start` on.
    fn follow(&mut self, start: u64) -> Result<(), StoreError> {
        if self.later.is_some() || self.budget == 0 {
            return Ok(());
        }
        self.frames.jump(start, 0);
        let mut first = None;
        let step = self.frames.next(|window, frame| {
            if first.is_none() {
                let bytes = window.at(frame.keep, frame.payload_at, BEGIN_BYTES)?;
                first = Some(wal_begin(bytes).ok().map(|begin| begin.index.0));
            }
            Ok(())
        })?;
        let (Step::Batch(Batch { commit_at: end, .. }) | Step::End(End { at: end, .. })) = step;
        self.budget = self.budget.saturating_sub(end.saturating_sub(start).max(FRAME_BYTES));
        let most = self.next.saturating_add(self.frames.window.of.size_bytes / FRAME_BYTES);
        if let (Step::Batch(batch), Some(Some(index))) = (step, first)
            && batch.is_sound()
            && (self.next..=most).contains(&index)
        {
            self.later = Some((start, index));
        }
        Ok(())
    }
}
