//! Reading entries on a thread of its own, a few batches ahead of whoever uses them.
//!
//! Order, errors and contents are those of the iterator that is read; only who waits for the disk
//! changes. What was read and not used yet is bounded: `WAITING` batches, the one being read and
//! the one in use, each of `BATCH_BYTES` or `BATCH_ENTRIES` and the entry that exceeds it.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::store::{Entries, Located, StoreError};

/// Contents after which a batch is handed over.
const BATCH_BYTES: usize = 1 << 20;
/// Entries after which a batch is handed over, however small they are.
const BATCH_ENTRIES: usize = 4_096;
/// Batches that were read and that nobody asked for yet.
const WAITING: usize = 2;

type Item = Result<Located, StoreError>;
type Batch = VecDeque<Item>;

/// Entries in the order of their store, read ahead. Dropped early, reading ends.
pub struct Ahead<'scope> {
    batch: Batch,
    source: Source<'scope>,
}

enum Source<'scope> {
    /// Another thread reads.
    Thread(Reader<'scope>),
    /// No thread could be had.
    Here(Entries<'scope>),
    /// Everything is in the batch.
    Ended,
}

struct Reader<'scope> {
    batches: Receiver<Batch>,
    /// Batches go back empty, so that their memory is used again.
    emptied: Sender<Batch>,
    thread: ScopedJoinHandle<'scope, ()>,
}

/// Reads `entries` ahead, inside `scope`. What fits into one batch is read at once and without a
/// thread.
pub fn read_ahead<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut entries: Entries<'scope>,
) -> Ahead<'scope> {
    let mut batch = Batch::new();
    let ended = fill(&mut entries, &mut batch);
    let source = if ended { Source::Ended } else { start(scope, entries) };
    Ahead { batch, source }
}

fn start<'scope>(scope: &'scope Scope<'scope, '_>, entries: Entries<'scope>) -> Source<'scope> {
    let (to_user, batches) = sync_channel(WAITING);
    let (emptied, to_reader) = channel();
    // Handed over only to a thread that runs: otherwise they are read here.
    let (hand_over, handed_over) = channel::<Entries<'scope>>();
    let started = Builder::new().name("reader".to_owned()).spawn_scoped(scope, move || {
        if let Ok(entries) = handed_over.recv() {
            read(entries, &to_user, &to_reader);
        }
    });
    match started {
        Ok(thread) => match hand_over.send(entries) {
            Ok(()) => Source::Thread(Reader { batches, emptied, thread }),
            Err(unsent) => Source::Here(unsent.0),
        },
        Err(_) => Source::Here(entries),
    }
}

/// Reads until the end, or until nobody takes batches any more.
fn read(mut entries: Entries<'_>, to_user: &SyncSender<Batch>, emptied: &Receiver<Batch>) {
    loop {
        let mut batch = emptied.try_recv().unwrap_or_default();
        let ended = fill(&mut entries, &mut batch);
        give_own_path(&mut batch);
        if to_user.send(batch).is_err() || ended {
            return;
        }
    }
}

/// Fills an empty batch; returns whether nothing comes behind it.
fn fill(entries: &mut Entries<'_>, batch: &mut Batch) -> bool {
    let mut bytes = 0usize;
    while bytes < BATCH_BYTES && batch.len() < BATCH_ENTRIES {
        let Some(item) = entries.next() else { return true };
        if let Ok(Located { entry, .. }) = &item {
            bytes = bytes.saturating_add(entry.payload_bytes().len());
            bytes = bytes.saturating_add(entry.extensions_bytes().len());
        }
        batch.push_back(item);
    }
    false
}

/// Gives the places of a batch a path that the reader does not use: two threads that count the
/// users of one path would wait for each other at every entry.
fn give_own_path(batch: &mut Batch) {
    let mut own: Option<(Arc<Path>, Arc<Path>)> = None;
    for place in batch.iter_mut().flatten().filter_map(|located| located.place.as_mut()) {
        match &own {
            Some((shared, copy)) if Arc::ptr_eq(shared, &place.file) => {
                place.file = Arc::clone(copy);
            }
            _ => {
                let copy: Arc<Path> = Arc::from(&*place.file);
                own = Some((std::mem::replace(&mut place.file, Arc::clone(&copy)), copy));
            }
        }
    }
}

impl Ahead<'_> {
    /// Takes the next batch from the reader; `false` at the end.
    fn next_batch(&mut self) -> bool {
        let Source::Thread(reader) = &self.source else { return false };
        let _reader_ended = reader.emptied.send(std::mem::take(&mut self.batch));
        if let Ok(batch) = reader.batches.recv() {
            self.batch = batch;
            return true;
        }
        if let Source::Thread(reader) = std::mem::replace(&mut self.source, Source::Ended)
            && let Err(panic) = reader.thread.join()
        {
            resume_unwind(panic);
        }
        false
    }
}

impl Iterator for Ahead<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.batch.pop_front() {
                return Some(item);
            }
            if let Source::Here(entries) = &mut self.source {
                return entries.next();
            }
            if !self.next_batch() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::model::{Code, Fault, FaultKind, IoError, Place};
    use crate::store::memory::{entry, located};

    const MANY: u64 = 3 * BATCH_ENTRIES as u64;

    fn fault(index: u64) -> StoreError {
        Fault::new(Code::R122, FaultKind::Note { found: index.to_string() }).into()
    }

    fn lost() -> StoreError {
        IoError::new("read", "disk", std::io::ErrorKind::TimedOut.into()).into()
    }

    /// What a user sees, one word each.
    fn words(items: impl Iterator<Item = Item>) -> Vec<String> {
        items
            .map(|item| match item {
                Ok(located) => located.entry.index.to_string(),
                Err(error) => error.to_string(),
            })
            .collect()
    }

    /// Every tenth entry is damaged.
    fn holed(last: u64) -> impl Iterator<Item = Item> + Send {
        (1..=last).map(|index| match index % 10 {
            0 => Err(fault(index)),
            _ => Ok(located(entry(index, 1))),
        })
    }

    #[test]
    fn entries_and_damage_come_in_their_order_from_any_number_of_batches() {
        let batch = BATCH_ENTRIES as u64;
        for last in [0, 1, batch - 1, batch, batch + 1, 2 * batch, 7 * batch + 5] {
            let found = std::thread::scope(|scope| words(read_ahead(scope, Box::new(holed(last)))));
            assert_eq!(found, words(holed(last)), "{last} entries");
        }
    }

    #[test]
    fn without_a_thread_the_same_is_read_here() {
        let source = Source::Here(Box::new(holed(MANY)));
        let found = words(Ahead { batch: Batch::new(), source });
        assert_eq!(found, words(holed(MANY)));
    }

    #[test]
    fn an_error_of_the_disk_comes_behind_all_that_was_read_before_it() {
        let broken = || holed(MANY).chain(std::iter::once_with(|| Err(lost())));
        let found = std::thread::scope(|scope| words(read_ahead(scope, Box::new(broken()))));
        assert_eq!(found, words(broken()));
    }

    #[test]
    fn reading_ends_soon_after_its_user_lost_interest() {
        let read = AtomicUsize::new(0);
        let endless = (1u64..).map(|index| {
            read.fetch_add(1, Ordering::Relaxed);
            Ok(located(entry(index, 1)))
        });
        std::thread::scope(|scope| {
            let mut ahead = read_ahead(scope, Box::new(endless));
            assert_eq!(words(ahead.by_ref().take(5_000)).len(), 5_000);
        });
        let most = 5_000 + (WAITING + 3) * BATCH_ENTRIES;
        assert!(read.load(Ordering::Relaxed) <= most, "bounded by what may wait");
    }

    #[test]
    fn large_entries_are_handed_over_one_by_one() {
        let read = AtomicUsize::new(0);
        let large = (1u64..=100).map(|index| {
            read.fetch_add(1, Ordering::Relaxed);
            let mut large = entry(index, 1);
            large.payload = Some(vec![0; BATCH_BYTES].into());
            Ok(located(large))
        });
        std::thread::scope(|scope| {
            let mut ahead = read_ahead(scope, Box::new(large));
            assert!(ahead.next().is_some_and(|item| item.is_ok()));
        });
        assert!(read.load(Ordering::Relaxed) <= WAITING + 3);
    }

    #[test]
    #[should_panic(expected = "the reader is broken")]
    fn a_panic_of_the_reader_is_one_of_its_user_and_no_early_end() {
        let broken = holed(MANY).chain(std::iter::once_with(|| panic!("the reader is broken")));
        std::thread::scope(|scope| read_ahead(scope, Box::new(broken)).count());
    }

    #[test]
    fn places_keep_their_file_and_share_it_inside_a_batch_only() {
        let shared: Arc<Path> = Arc::from(Path::new("log"));
        let placed = (1..=MANY).map(|index| {
            let place = Place { file: Arc::clone(&shared), offset_bytes: index, len_bytes: 1 };
            Ok(Located { place: Some(place), ..located(entry(index, 1)) })
        });
        let places: Vec<Place> = std::thread::scope(|scope| {
            let items = read_ahead(scope, Box::new(placed));
            items.map(|item| item.expect("sound").place.expect("placed")).collect()
        });
        assert!(places.iter().zip(1..).all(|(place, index)| place.offset_bytes == index));
        assert!(places.iter().all(|place| *place.file == *Path::new("log")));
        let read_by_the_thread = places.iter().skip(BATCH_ENTRIES);
        assert!(read_by_the_thread.clone().all(|place| !Arc::ptr_eq(&place.file, &shared)));
    }
}
