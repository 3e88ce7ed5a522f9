//! Bringing frames into memory: everything that is needed when a log is opened, or what lies behind
//! a frame that was missed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::fastlog::format::{FRAME_HEADER_BYTES, Found, LogUid, Salt, SegmentNo};
use crate::fastlog::memtable::Tail;
use crate::fastlog::resident::{Block, Resident};
use crate::fastlog::segment::{Files, FramePlace};
use crate::fastlog::tables::Tables;
use crate::model::SharedBytes;

/// Bytes of a segment that are brought as one block.
const BLOCK_BYTES: u64 = 256 << 10;
/// Most threads that bring.
const THREADS_MAX: usize = 8;

/// Frames of one segment that hold what is needed: where the first and the last of them begin.
#[derive(Clone, Copy)]
struct Needed {
    first: u64,
    last: u64,
}

/// Brings the frames that hold entries which no snapshot covers, newest first as far as there is
/// room for them; returns how many bytes that was. Frames that hold nothing else are not read.
pub(super) fn load_all(
    files: &Files,
    uid: LogUid,
    tables: &Tables,
    resident: &Resident,
    budget_bytes: u64,
) -> u64 {
    let needed = Mutex::new(needed(tables).into_iter().rev());
    let loaded = Mutex::new(0u64);
    let work = || {
        loop {
            let next = needed.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(((segment, _), needed)) = next else { return };
            let place = FramePlace { segment, offset: needed.first };
            // What cannot be read now is met again by whoever needs it.
            let Some(block) = block(files, uid, place, needed.last - needed.first + 1) else {
                continue;
            };
            let bytes = u64::try_from(block.bytes.held_bytes()).unwrap_or(u64::MAX);
            let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
            if loaded.saturating_add(bytes) > budget_bytes {
                return;
            }
            *loaded += bytes;
            drop(loaded);
            resident.keep(block);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    thread::scope(|scope| {
        for _ in 1..threads {
            // With fewer threads it takes longer.
            let _fewer = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    loaded.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The frames that hold entries inside the bounds of their groups, by segment and piece of it.
fn needed(tables: &Tables) -> BTreeMap<(SegmentNo, u64), Needed> {
    let mut needed = BTreeMap::<(SegmentNo, u64), Needed>::new();
    for (number, group) in &tables.groups {
        let Some(bounds) = group.bounds else { continue };
        let (mut near, mut before) = (Tail::default(), None);
        let mut next = Some(bounds.first());
        while let Some(index) = next.filter(|index| *index <= bounds.last()) {
            next = index.next();
            let position = tables.memtable.get_near(&mut near, *number, index);
            let frame = position.map(|found| (found.segment, found.frame_offset));
            let Some((segment, offset)) = frame.filter(|_| frame != before) else { continue };
            before = frame;
            let piece = needed.entry((segment, offset / BLOCK_BYTES));
            let piece = piece.or_insert(Needed { first: offset, last: offset });
            piece.first = piece.first.min(offset);
            piece.last = piece.last.max(offset);
        }
    }
    needed
}

/// Brings what a reader missed, if anything; returns whether there may be more to do.
pub(super) fn load_missed(files: &Files, uid: LogUid, resident: &Resident) -> bool {
    let Some((place, most_bytes)) = resident.next_wish() else { return false };
    if let Some(block) = block(files, uid, place, most_bytes) {
        resident.keep(block);
    }
    true
}

/// The frames that begin in the `span` bytes from `place` on, as far as they verify; `None` where
/// not even the first one does, or the file cannot be read.
fn block(files: &Files, uid: LogUid, place: FramePlace, span: u64) -> Option<Block> {
    let file = files.reading(place.segment).ok()?;
    let left = file.size().ok()?.checked_sub(place.offset)?;
    let salt = Salt::new(uid, place.segment);
    let span = usize::try_from(span.min(left)).ok()?;
    let mut bytes = vec![0; span.max(FRAME_HEADER_BYTES)];
    let mut filled = file.read(place.offset, &mut bytes).ok()?;
    let mut end = 0;
    while end < span {
        let ahead = bytes.get(end..filled)?;
        let remaining = left.checked_sub(u64::try_from(end).ok()?)?;
        match Found::at_start(ahead, remaining, salt) {
            Found::Frame(frame) => end += frame.len_bytes(),
            Found::NeedBytes(need) if u64::try_from(need).is_ok_and(|need| need <= remaining) => {
                bytes.resize(end + need, 0);
                let offset = place.offset + u64::try_from(filled).ok()?;
                let read = file.read(offset, bytes.get_mut(filled..)?).ok()?;
                if read == 0 {
                    break;
                }
                filled += read;
            }
            _ => break,
        }
    }
    bytes.truncate(end);
    bytes.shrink_to_fit();
    let path = Arc::clone(&file.path);
    (end > 0).then(|| Block::new(place, SharedBytes::from(bytes), path))
}
