//! Writing to one segment: frames, and zeros ahead of them.

use crate::fastlog::writer::{Active, WriterOptions};
use crate::model::IoError;

/// Zeros written at once.
const ZEROS_BYTES: usize = 1 << 20;

impl Active {
    /// Writes frames that end at `end`, and zeros behind them when the file is to be filled
    /// ahead.
    pub(super) fn fill_and_write(
        &mut self,
        bytes: &[u8],
        end: u64,
        options: &WriterOptions,
    ) -> Result<(), IoError> {
        self.file.write(self.end, bytes)?;
        self.filled = self.filled.max(end);
        if self.filled == end { self.fill(end, options) } else { Ok(()) }
    }

    /// Writes zeros from where the file was written through to one step behind `from`.
    pub(super) fn fill(&mut self, from: u64, options: &WriterOptions) -> Result<(), IoError> {
        let target = from.saturating_add(options.fill_step).min(options.segment_bytes).max(from);
        let zeros = zeros();
        while self.filled < target {
            let left = usize::try_from(target - self.filled).unwrap_or(usize::MAX);
            let piece = zeros.get(..left.min(zeros.len())).unwrap_or_default();
            self.file.write(self.filled, piece)?;
            self.filled += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    /// Makes everything from `from` to `to` zero again, without a sync.
    pub(in crate::fastlog) fn erase(&mut self, from: u64, to: u64) -> Result<(), IoError> {
        let to = to.min(self.file.size()?);
        let zeros = zeros();
        let mut at = from;
        while at < to {
            let left = usize::try_from(to - at).unwrap_or(usize::MAX);
            let piece = zeros.get(..left.min(zeros.len())).unwrap_or_default();
            self.file.write(at, piece)?;
            at += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }
}

/// Zeros to write.
pub(in crate::fastlog) fn zeros() -> &'static [u8] {
    static ZEROS: [u8; ZEROS_BYTES] = [0; ZEROS_BYTES];
    &ZEROS
}
