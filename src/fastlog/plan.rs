//! Where the frames of every batch will lie. It is fixed when the batch is accepted: so readers
//! can find entries that are not written yet, and whoever writes only copies bytes.

use std::sync::Arc;

use crate::fastlog::format::{
    BATCH_BYTES_MAX, Chain, FRAME_HEADER_BYTES, FRAMES_OFFSET, LogUid, Payload, Salt, Sequence,
    TooLarge,
};
use crate::fastlog::segment::FramePlace;
use crate::fastlog::walk::Head;

/// A batch with its place, its frames complete.
pub(super) struct Placed {
    /// Where its first frame lies.
    pub(super) place: FramePlace,
    /// The frames.
    pub(super) bytes: Arc<Vec<u8>>,
    /// Where each of them begins, as offsets into `bytes`.
    starts: Vec<usize>,
    /// Where the log stands before it, and after it.
    pub(super) before: Head,
    pub(super) after: Head,
}

impl Placed {
    /// Offset behind its last frame, in bytes.
    pub(super) fn end(&self) -> u64 {
        self.place.offset.saturating_add(len_u64(self.bytes.len()))
    }

    /// Its memory, to be used again, when nobody else reads it.
    pub(super) fn recycled(self) -> Payload {
        let bytes = Arc::try_unwrap(self.bytes).unwrap_or_default();
        Payload::in_memory_of(bytes, self.starts)
    }

    /// Each frame's place and records.
    pub(super) fn frames(&self) -> impl ExactSizeIterator<Item = (FramePlace, &[u8])> + '_ {
        self.starts.iter().enumerate().map(|(number, start)| {
            let end = self.starts.get(number + 1).copied().unwrap_or(self.bytes.len());
            let records = self.bytes.get(start + FRAME_HEADER_BYTES..end).unwrap_or_default();
            let offset = self.place.offset.saturating_add(len_u64(*start));
            (FramePlace { offset, ..self.place }, records)
        })
    }
}

/// The end of everything accepted.
pub(super) struct Plan {
    uid: LogUid,
    segment_bytes: u64,
    next: FramePlace,
    salt: Salt,
    head: Head,
}

impl Plan {
    /// A plan that goes on at `next`, where the log stands at `head`.
    pub(super) fn new(uid: LogUid, segment_bytes: u64, next: FramePlace, head: Head) -> Plan {
        Plan { uid, segment_bytes, next, salt: Salt::new(uid, next.segment), head }
    }

    /// Gives a batch the next place. A segment takes one more as long as it is not full; a batch
    /// larger than a segment has one alone.
    ///
    /// # Errors
    /// When the format cannot hold it; nothing changed then.
    pub(super) fn place(
        &mut self,
        mut payload: Payload,
        sync_point: Sequence,
    ) -> Result<Placed, TooLarge> {
        let need = len_u64(payload.bytes().len());
        if need > BATCH_BYTES_MAX {
            let limit = usize::try_from(BATCH_BYTES_MAX).unwrap_or(usize::MAX);
            return Err(TooLarge { what: "batch", len: payload.bytes().len(), limit });
        }
        let end = self.next.offset.saturating_add(need);
        if self.next.offset > FRAMES_OFFSET && end > self.segment_bytes {
            self.next = FramePlace { segment: self.next.segment.next(), offset: FRAMES_OFFSET };
            self.salt = Salt::new(self.uid, self.next.segment);
        }
        let (place, before) = (self.next, self.head);
        let chain = Chain { next: before.next, previous: before.previous, sync_point };
        let chain = payload.seal(chain, self.salt);
        self.head = Head { next: chain.next, previous: chain.previous };
        self.next.offset = self.next.offset.saturating_add(need);
        let (bytes, starts) = payload.into_parts();
        Ok(Placed { place, bytes: Arc::new(bytes), starts, before, after: self.head })
    }
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastlog::format::{GroupNo, Masked, SEGMENT_BYTES_MIN, SegmentNo};
    use crate::model::LogIndex;

    #[test]
    fn a_batch_that_does_not_fit_begins_the_next_segment_and_the_chain_goes_on() {
        let next = FramePlace { segment: SegmentNo(4), offset: SEGMENT_BYTES_MIN - 100 };
        let head = Head { next: Sequence(9), previous: Masked(77) };
        let mut plan = Plan::new(LogUid([3; 16]), SEGMENT_BYTES_MIN, next, head);
        let mut placed = || {
            let mut payload = Payload::default();
            payload.truncation(GroupNo(1), LogIndex(5));
            plan.place(payload, Sequence(2)).expect("fits")
        };
        let (first, second, third) = (placed(), placed(), placed());
        assert_eq!((first.place, first.before), (next, head));
        assert_eq!((second.place.segment, second.before), (SegmentNo(4), first.after));
        assert_eq!(second.place.offset, first.end());
        assert_eq!(third.place, FramePlace { segment: SegmentNo(5), offset: FRAMES_OFFSET });
        assert_eq!(third.before, second.after);
        assert_eq!(third.after.next, Sequence(12));
    }
}
