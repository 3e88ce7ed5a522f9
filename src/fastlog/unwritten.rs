//! Frames that readers see before they are written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::fastlog::format::FRAME_HEADER_BYTES;
use crate::fastlog::plan::Placed;
use crate::fastlog::segment::FramePlace;
use crate::model::SharedBytes;

/// Batches that were accepted and not written, by the place that they will have.
#[derive(Default)]
pub(super) struct Unwritten {
    batches: RwLock<BTreeMap<FramePlace, SharedBytes>>,
    count: AtomicUsize,
}

impl Unwritten {
    /// Keeps a batch; to be called before readers can learn its place.
    pub(super) fn insert(&self, batch: &Placed) {
        let mut batches = self.batches.write().unwrap_or_else(PoisonError::into_inner);
        batches.insert(batch.place, SharedBytes::from(Arc::clone(&batch.bytes)));
        self.count.store(batches.len(), Ordering::Release);
    }

    /// Forgets batches; to be called after they were written.
    pub(super) fn remove<'p>(&self, places: impl Iterator<Item = &'p FramePlace>) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut batches = self.batches.write().unwrap_or_else(PoisonError::into_inner);
        for place in places {
            batches.remove(place);
        }
        self.count.store(batches.len(), Ordering::Release);
    }

    /// The records of the frame at `place` and what its batch has behind them, or `None` when it
    /// is in the file.
    pub(super) fn records(&self, place: FramePlace) -> Option<SharedBytes> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let batches = self.batches.read().unwrap_or_else(PoisonError::into_inner);
        let (first, bytes) = batches.range(..=place).next_back()?;
        if first.segment != place.segment {
            return None;
        }
        let skip = usize::try_from(place.offset - first.offset).ok()?;
        bytes.slice(skip.checked_add(FRAME_HEADER_BYTES)?..bytes.len())
    }
}
