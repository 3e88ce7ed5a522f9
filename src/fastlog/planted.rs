//! Every way we know to lose data, as switches for the tests of this crate: `simulate` must notice
//! each of them. Elsewhere [`planted`] is the constant `false`, so that no other build holds them.
//!
//! The numbers are those of the rows of the crash model, section 9. A bug that a second defence
//! would hide is planted together with the switch that takes the defence away.

/// A bug that is planted on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// 1: names of segments are not synced.
    NameNotSynced,
    /// 2: an operation is acknowledged, and the watermark raised, without the sync.
    AckBeforeSync,
    /// 3: a change of term or vote is acknowledged like any other.
    VoteNotSynced,
    /// 4: group commit also acknowledges who queued after the sync began.
    CommitsLatecomers,
    /// 5: the error of a sync is ignored.
    SyncErrorIgnored,
    /// 6: a sync that failed is tried again, and its second answer believed.
    SyncTriedAgain,
    /// 7: the error of the sync of a new segment's header is dropped.
    HeaderErrorDropped,
    /// 8: a write that failed in the middle is taken as whole.
    ShortWriteTaken,
    /// 9: readers see what could not be written.
    FailedWriteSeen,
    /// 10: a read error during recovery is taken for the end of the log.
    ReadErrorIsEnd,
    /// 11: checksums cover the payload alone, and neither type nor sequence 0 is refused.
    HeaderNotCovered,
    /// 12: checksums are stored as they are computed.
    NotMasked,
    /// 13: a frame need not name the checksum of the one before it.
    NoChain,
    /// 13: a frame need not have the next sequence.
    NoSequence,
    /// 13: checksums do not depend on log and segment.
    NoSalt,
    /// 14: the header of a segment is written after the first acknowledgement from it.
    HeaderLate,
    /// 15: the anchor names a segment whose header is not synced.
    HeaderNotSynced,
    /// 16: a full segment is not synced before the next one, nor remembered.
    RotationForgets,
    /// 17: recovery skips a bad frame and goes on.
    SkipsBadFrames,
    /// 18: every damage is cut as torn.
    DamageIsTorn,
    /// 19: a sync point is written before the sync that it speaks of returned.
    SyncPointEarly,
    /// 20: segments go before the base that replaces them is durable.
    PurgeBeforeBase,
    /// 21: before a purge only the active segment is synced.
    PurgeSyncsActive,
    /// 22: segments go in any order, and nothing says which are needed.
    PurgeAnyOrder,
    /// 23: the anchor is created, and not synced before its name is.
    AnchorNotSynced,
    /// 23: the directory of the log is created, and its name not synced.
    DirNotSynced,
    /// 24: a batch over groups is written as one batch a group.
    BatchSplit,
    /// 25: a conflicting append leaves the higher entries at replay.
    HigherEntriesStay,
    /// 25: a truncation is replayed one short.
    TruncationShort,
    /// 26: a compaction is not replayed.
    CompactionLost,
    /// 26: a snapshot marker leaves the entries before it at replay.
    MarkerKeepsEntries,
    /// 26: the commit index is not raised by a snapshot marker at replay.
    MarkerCommitStale,
    /// 27: both slots of the anchor share one counter, so that the one that holds is overwritten.
    OneSlot,
    /// 28: a torn tail is not cut.
    TailNotCut,
    /// 29: memory first, without backpressure.
    NoBackpressure,
}

#[cfg(test)]
pub(crate) use switches::{Replay, keep_back, kept_back, plant, planted, planted_in_replay};

/// What no build but that of the tests holds.
#[cfg(not(test))]
mod absent {
    use super::Bug;
    use crate::fastlog::format::SECTOR_BYTES;

    /// Whether `bug` is planted: never outside the tests of this crate.
    pub(crate) const fn planted(_bug: Bug) -> bool {
        false
    }

    /// As [`planted`], while a log is replayed.
    pub(crate) const fn planted_in_replay(_bug: Bug) -> bool {
        false
    }

    /// Does nothing.
    pub(crate) const fn keep_back(_header: [u8; SECTOR_BYTES]) {}

    /// Nothing.
    pub(crate) const fn kept_back() -> Option<[u8; SECTOR_BYTES]> {
        None
    }
}

#[cfg(not(test))]
pub(crate) use absent::{keep_back, kept_back, planted, planted_in_replay};

#[cfg(test)]
mod switches {
    use std::cell::{Cell, RefCell};

    use super::Bug;
    use crate::fastlog::format::SECTOR_BYTES;

    thread_local! {
        static PLANTED: Cell<u64> = const { Cell::new(0) };
        static REPLAYING: Cell<bool> = const { Cell::new(false) };
        static KEPT_BACK: RefCell<Option<[u8; SECTOR_BYTES]>> = const { RefCell::new(None) };
    }

    /// Plants bugs in this thread, in place of those that were.
    pub(crate) fn plant(bugs: &[Bug]) {
        PLANTED.set(bugs.iter().fold(0, |set, bug| set | 1 << *bug as u64));
        KEPT_BACK.take();
    }

    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get() & 1 << bug as u64 != 0
    }

    pub(crate) fn planted_in_replay(bug: Bug) -> bool {
        REPLAYING.get() && planted(bug)
    }

    /// Keeps a header that [`Bug::HeaderLate`] writes later.
    pub(crate) fn keep_back(header: [u8; SECTOR_BYTES]) {
        KEPT_BACK.replace(Some(header));
    }

    /// The header that waits.
    pub(crate) fn kept_back() -> Option<[u8; SECTOR_BYTES]> {
        KEPT_BACK.take()
    }

    /// Until it is dropped, this thread replays a log.
    pub(crate) struct Replay;

    impl Replay {
        pub(crate) fn begins() -> Replay {
            REPLAYING.set(true);
            Replay
        }
    }

    impl Drop for Replay {
        fn drop(&mut self) {
            REPLAYING.set(false);
        }
    }
}
