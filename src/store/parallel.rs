//! Reading parts of a log side by side, where threads make that worth it.
//!
//! Which thread reads what decides nothing: every part gives its own result, and a part that no
//! thread did is left to whoever asked.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, available_parallelism, scope};

/// Threads at most.
const THREADS_MAX: usize = 4;
/// Bytes from which on a thread is worth it.
const WORTH_BYTES: u64 = 8 << 20;
/// Bytes that a thread reads between two words about how far it is.
pub const STEP_BYTES: u64 = 1 << 20;

/// How many threads are worth it for so many bytes in so many parts; 1 means none.
pub fn threads_for(bytes: u64, parts: usize) -> usize {
    if bytes < WORTH_BYTES || parts < 2 {
        return 1;
    }
    available_parallelism().map_or(1, usize::from).min(parts).min(THREADS_MAX)
}

/// Tells how far a part is.
pub struct Pace<'p> {
    stop: &'p AtomicBool,
    tell: Sender<u64>,
    /// Bytes of the part that were told of.
    told: u64,
}

impl Pace<'_> {
    /// So many bytes of the part are done; breaks when nobody wants the rest.
    #[inline]
    pub fn reached(&mut self, bytes: u64) -> ControlFlow<()> {
        if bytes.saturating_sub(self.told) < STEP_BYTES {
            return ControlFlow::Continue(());
        }
        self.tell_of(bytes)
    }

    fn tell_of(&mut self, bytes: u64) -> ControlFlow<()> {
        // Nobody listens any more only when everything is stopped.
        let _not_wanted = self.tell.send(bytes.saturating_sub(self.told));
        self.told = bytes;
        match self.stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Does `work` for each of `parts` on so many threads. `progress` gets the bytes done of all of
/// them together; once it breaks no part is begun any more. Parts that were not done are `None`.
pub fn each<T: Sync, R: Send>(
    threads: usize,
    parts: &[T],
    work: impl Fn(&T, &mut Pace<'_>) -> R + Sync,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Vec<Option<R>> {
    let results: Vec<Mutex<Option<R>>> = parts.iter().map(|_| Mutex::new(None)).collect();
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (tell, told) = channel();
    scope(|scope| {
        for _ in 0..threads {
            let tell = tell.clone();
            let (parts, results, stop, next, work) = (&parts, &results, &stop, &next, &work);
            let run = move || {
                let mut pace = Pace { stop, tell, told: 0 };
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(part), Some(result)) = (parts.get(at), results.get(at)) else {
                        break;
                    };
                    pace.told = 0;
                    let done = work(part, &mut pace);
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
                }
            };
            // With fewer threads it takes longer, and without any nothing is done.
            let _fewer = Builder::new().name("part".to_owned()).spawn_scoped(scope, run);
        }
        drop(tell);
        let mut sum = 0u64;
        for bytes in told {
            sum = sum.saturating_add(bytes);
            if progress(sum).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    results
        .into_iter()
        .map(|one| one.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn every_part_gives_its_own_result_whichever_thread_did_it() {
        let parts: Vec<u64> = (0..100).collect();
        for threads in [1, 2, 7] {
            let done =
                each(threads, &parts, |part, _| part * 2, &mut |_| ControlFlow::Continue(()));
            assert!(done.iter().zip(&parts).all(|(done, part)| *done == Some(part * 2)));
            assert_eq!(done.len(), parts.len());
        }
    }

    #[test]
    fn what_is_told_is_the_sum_of_all_parts() {
        let mut reached = Vec::new();
        let work = |bytes: &u64, pace: &mut Pace<'_>| {
            (0..=*bytes).step_by(MIB as usize).all(|done| pace.reached(done).is_continue())
        };
        let done = each(2, &[4 * MIB, 2 * MIB, 3 * MIB], work, &mut |bytes| {
            reached.push(bytes);
            ControlFlow::Continue(())
        });
        assert_eq!(done, [Some(true), Some(true), Some(true)]);
        assert_eq!(reached.last(), Some(&(9 * MIB)));
        assert!(reached.is_sorted());
    }

    #[test]
    fn once_it_breaks_no_part_is_begun_and_those_begun_are_told() {
        let work = |_: &u64, pace: &mut Pace<'_>| {
            // A part ends only when it is told to.
            let mut bytes = 0;
            while pace.reached(bytes).is_continue() {
                bytes += MIB;
            }
        };
        let done = each(2, &[0; 8], work, &mut |_| ControlFlow::Break(()));
        assert!(done.iter().filter(|done| done.is_some()).count() <= 2);
    }

    #[test]
    fn little_and_a_single_part_are_read_without_threads() {
        assert_eq!(threads_for(WORTH_BYTES - 1, 10), 1);
        assert_eq!(threads_for(u64::MAX, 1), 1);
        assert!(threads_for(u64::MAX, 100) <= THREADS_MAX);
    }
}
