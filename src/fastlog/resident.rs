//! Entries in memory: whole frames that verified, or that this process wrote, found by where they
//! lie. Bounded by a budget; what was not read since it came or was looked at goes first.
//!
//! Nothing here waits for a disk. A reader that misses reads its frame from the file, alone, and
//! leaves word; what lies behind it is brought by somebody else, so that no other read waits.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use crate::fastlog::format::{FRAME_HEADER_BYTES, SegmentNo};
use crate::fastlog::options::Memory;
use crate::fastlog::plan::Placed;
use crate::fastlog::segment::{Files, FramePlace};
use crate::model::SharedBytes;

/// Bytes of written batches that are joined to one block, as a block costs memory of its own.
const JOIN_BYTES: usize = 64 << 10;
/// Batches that are joined at most.
const JOIN_MAX: usize = 1024;
/// Reads ahead that may wait; more are forgotten.
const WISHES_MAX: usize = 64;

/// Whole frames, back to back in one segment.
pub(super) struct Block {
    pub(super) place: FramePlace,
    pub(super) bytes: SharedBytes,
    pub(super) path: Arc<Path>,
    /// Whether it was read since it was last looked at to be given up.
    read: AtomicBool,
}

impl Block {
    pub(super) fn new(place: FramePlace, bytes: SharedBytes, path: Arc<Path>) -> Block {
        Block { place, bytes, path, read: AtomicBool::new(false) }
    }

    /// The records of the frame at `place` and what the block has behind them.
    fn records(&self, place: FramePlace) -> Option<SharedBytes> {
        let skip = usize::try_from(place.offset.checked_sub(self.place.offset)?).ok()?;
        let inside = place.segment == self.place.segment && skip < self.bytes.len();
        let start = skip.checked_add(FRAME_HEADER_BYTES).filter(|_| inside)?;
        self.bytes.slice(start..self.bytes.len())
    }

    /// Memory that it holds, in bytes.
    fn held_bytes(&self) -> u64 {
        u64::try_from(self.bytes.held_bytes()).unwrap_or(u64::MAX)
    }
}

/// A frame in memory.
pub(super) struct Kept {
    pub(super) records: SharedBytes,
    pub(super) path: Arc<Path>,
}

/// See the module.
pub(super) struct Resident {
    memory: Memory,
    files: Arc<Files>,
    blocks: RwLock<Blocks>,
    wishes: Mutex<Wishes>,
    wished: Condvar,
}

struct Blocks {
    by_place: BTreeMap<FramePlace, Arc<Block>>,
    /// The next to be looked at when there is too much.
    order: VecDeque<FramePlace>,
    held_bytes: u64,
    /// Batches written last, behind each other in one segment, not joined yet.
    young: Vec<(FramePlace, Arc<Vec<u8>>)>,
    young_bytes: usize,
    young_path: Arc<Path>,
    /// Behind the last frame that was written.
    end: FramePlace,
}

/// What readers missed, to be brought with what lies behind it.
#[derive(Default)]
struct Wishes {
    places: VecDeque<FramePlace>,
    stopping: bool,
}

impl Resident {
    /// Nothing yet; the log ends at `end`.
    pub(super) fn new(memory: Memory, files: Arc<Files>, end: FramePlace) -> Resident {
        let blocks = Blocks {
            by_place: BTreeMap::new(),
            order: VecDeque::new(),
            held_bytes: 0,
            young: Vec::new(),
            young_bytes: 0,
            young_path: Arc::from(files.segment_path(end.segment).as_path()),
            end,
        };
        let (wishes, wished) = (Mutex::default(), Condvar::new());
        Resident { memory, files, blocks: RwLock::new(blocks), wishes, wished }
    }

    fn budget_bytes(&self) -> u64 {
        match self.memory {
            Memory::Index => 0,
            Memory::Eager { budget_bytes } | Memory::Lazy { budget_bytes, .. } => budget_bytes,
        }
    }

    fn keeps(&self) -> bool {
        self.memory != Memory::Index
    }

    /// Memory that is held now, in bytes.
    pub(super) fn held_bytes(&self) -> u64 {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        blocks.held_bytes.saturating_add(u64::try_from(blocks.young_bytes).unwrap_or(u64::MAX))
    }

    /// The frame at `place`, when it is in memory.
    pub(super) fn find(&self, place: FramePlace) -> Option<Kept> {
        if !self.keeps() {
            return None;
        }
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        blocks.find(place)
    }

    /// Keeps batches that were written, in order.
    pub(super) fn wrote<'p>(&self, batches: impl Iterator<Item = &'p Placed>) {
        if !self.keeps() {
            return;
        }
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        for batch in batches {
            let (place, len) = (batch.place, batch.bytes.len());
            if place != blocks.end {
                blocks.join(self.budget_bytes());
            }
            if place.segment != blocks.end.segment {
                blocks.young_path = Arc::from(self.files.segment_path(place.segment).as_path());
            }
            blocks.young.push((place, Arc::clone(&batch.bytes)));
            blocks.young_bytes += len;
            blocks.end = FramePlace { offset: batch.end(), ..place };
            if blocks.young_bytes >= JOIN_BYTES || blocks.young.len() >= JOIN_MAX {
                blocks.join(self.budget_bytes());
            }
        }
    }

    /// Keeps a block that was read.
    pub(super) fn keep(&self, block: Block) {
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        blocks.keep(block, self.budget_bytes());
    }

    /// Bytes from `place` on that may be brought: everything behind was not written for good, or is
    /// there already.
    pub(super) fn absent_bytes(&self, place: FramePlace) -> u64 {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        if place >= blocks.end || blocks.find(place).is_some() {
            return 0;
        }
        let next = blocks.by_place.range(place..).next().map(|(next, _)| *next);
        let young = blocks.young.first().map(|(first, _)| *first);
        let bound = [next, young, Some(blocks.end)].into_iter().flatten().min();
        match bound {
            Some(bound) if bound.segment == place.segment => bound.offset - place.offset,
            _ => u64::MAX,
        }
    }

    /// Gives up what lies in segments before `oldest`.
    pub(super) fn purged(&self, oldest: SegmentNo) {
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        let kept = blocks.by_place.split_off(&FramePlace { segment: oldest, offset: 0 });
        let gone = std::mem::replace(&mut blocks.by_place, kept);
        let freed = gone.values().map(|block| block.held_bytes()).sum();
        blocks.held_bytes = blocks.held_bytes.saturating_sub(freed);
        blocks.order.retain(|place| place.segment >= oldest);
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves word that the frame at `place` was missed.
    pub(super) fn missed(&self, place: FramePlace) {
        if !matches!(self.memory, Memory::Lazy { .. }) {
            return;
        }
        let mut wishes = self.wishes();
        if wishes.places.len() < WISHES_MAX && !wishes.places.contains(&place) {
            wishes.places.push_back(place);
            self.wished.notify_one();
        }
    }

    /// What to bring next, and how much.
    pub(super) fn next_wish(&self) -> Option<(FramePlace, u64)> {
        let Memory::Lazy { prefetch_bytes, .. } = self.memory else { return None };
        loop {
            let place = self.wishes().places.pop_front()?;
            let absent = self.absent_bytes(place);
            if absent > 0 {
                return Some((place, absent.min(prefetch_bytes)));
            }
        }
    }

    /// Sleeps until something is to be brought. Returns whether to go on.
    pub(super) fn await_wish(&self) -> bool {
        let mut wishes = self.wishes();
        while wishes.places.is_empty() && !wishes.stopping {
            wishes = self.wished.wait(wishes).unwrap_or_else(PoisonError::into_inner);
        }
        !wishes.stopping
    }

    /// Lets the thread end.
    pub(super) fn stop(&self) {
        self.wishes().stopping = true;
        self.wished.notify_all();
    }
}

impl Blocks {
    fn find(&self, place: FramePlace) -> Option<Kept> {
        if self.young.first().is_some_and(|(first, _)| *first <= place) {
            let behind = self.young.partition_point(|(start, _)| *start <= place);
            let (start, bytes) = self.young.get(behind.checked_sub(1)?)?;
            let path = Arc::clone(&self.young_path);
            let block = Block::new(*start, SharedBytes::from(Arc::clone(bytes)), path);
            return Some(Kept { records: block.records(place)?, path: block.path });
        }
        let (_, block) = self.by_place.range(..=place).next_back()?;
        let records = block.records(place)?;
        block.read.store(true, Ordering::Relaxed);
        Some(Kept { records, path: Arc::clone(&block.path) })
    }

    /// Makes one block of the batches that were written last.
    fn join(&mut self, budget_bytes: u64) {
        let Some((place, _)) = self.young.first() else { return };
        let place = *place;
        let bytes = match self.young.as_slice() {
            [(_, alone)] => SharedBytes::from(Arc::clone(alone)),
            several => {
                let mut joined = Vec::with_capacity(self.young_bytes);
                several.iter().for_each(|(_, bytes)| joined.extend_from_slice(bytes));
                SharedBytes::from(joined)
            }
        };
        let path = Arc::clone(&self.young_path);
        self.young.clear();
        self.young_bytes = 0;
        self.keep(Block::new(place, bytes, path), budget_bytes);
    }

    fn keep(&mut self, block: Block, budget_bytes: u64) {
        let held = block.held_bytes();
        if held > budget_bytes {
            return;
        }
        self.make_room(budget_bytes - held);
        let place = block.place;
        self.held_bytes += held;
        match self.by_place.insert(place, Arc::new(block)) {
            Some(before) => self.held_bytes -= before.held_bytes(),
            None => self.order.push_back(place),
        }
    }

    /// Gives up blocks until no more than `most_bytes` are held. One that was read since it was
    /// last looked at has another turn.
    fn make_room(&mut self, most_bytes: u64) {
        while self.held_bytes > most_bytes {
            let Some(place) = self.order.pop_front() else { return };
            let Some(block) = self.by_place.get(&place) else { continue };
            if block.read.swap(false, Ordering::Relaxed) {
                self.order.push_back(place);
                continue;
            }
            self.held_bytes = self.held_bytes.saturating_sub(block.held_bytes());
            self.by_place.remove(&place);
        }
    }
}
