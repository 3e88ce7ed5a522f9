use std::fs;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::store::etcd_wal::format::SegmentName;
use crate::store::etcd_wal::segments::open_segments;
use crate::store::etcd_wal::tests::Made;
use crate::store::unwatched;
use crate::vfs::Fs;
use crate::vfs::os::OsFs;

/// Something that is written next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Entries(u64),
    /// Goes back by so many indexes, in the next term.
    Rewrite(u64),
    /// Leaves out so many indexes.
    Skip(u64),
    State,
    /// A state whose term is lower than the one before.
    OldState,
    Marker,
    /// Somebody else's metadata.
    Stranger,
    /// Metadata that are no message of etcd's, or nothing at all.
    Odd(bool),
    /// A vote for somebody else.
    Vote(u64),
    /// A checksum in the chain that does not fit what comes before.
    Reseed,
    Cut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1u64..40).prop_map(Step::Entries),
        6 => Just(Step::Cut),
        3 => Just(Step::State),
        2 => Just(Step::Marker),
        1 => (1u64..30).prop_map(Step::Rewrite),
        1 => (1u64..5).prop_map(Step::Skip),
        1 => Just(Step::OldState),
        1 => Just(Step::Stranger),
        1 => any::<bool>().prop_map(Step::Odd),
        1 => (7u64..9).prop_map(Step::Vote),
        1 => Just(Step::Reseed),
    ]
}

fn written(steps: &[Step]) -> Made {
    let (mut made, mut next, mut term, mut sequence) = (Made::new(), 1u64, 1u64, 0u64);
    for step in steps {
        match *step {
            Step::Entries(count) => {
                made.entries(next..=next + count - 1, term);
                next += count;
            }
            Step::Rewrite(count) => {
                next = next.saturating_sub(count).max(1);
                term += 1;
            }
            Step::Skip(count) => next += count,
            Step::State => made.state(term, next - 1),
            Step::OldState => made.state(term.saturating_sub(1), 0),
            Step::Marker => made.marker(next - 1, term),
            Step::Stranger => made.metadata(99),
            Step::Odd(empty) => made.checked(1, if empty { b"" } else { b"hello" }),
            Step::Vote(vote) => made.voted(term, vote, next - 1),
            Step::Reseed => made.seed(0xabcd),
            Step::Cut => {
                sequence += 1;
                made.cut(sequence, next);
            }
        }
    }
    made
}

fn followed(made: &Made, threads: usize) -> String {
    let wal = made.wal();
    for (name, bytes) in &made.segments {
        fs::write(wal.join(name), bytes).expect("written");
    }
    let os: Arc<dyn Fs> = Arc::new(OsFs);
    let segments = open_segments(&os, &wal).expect("opened");
    format!("{:#?}", replay_on(threads, &segments, &mut unwatched).expect("followed"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn segments_that_are_followed_side_by_side_tell_what_they_tell_in_order(
        steps in proptest::collection::vec(step(), 1..24),
        // Which byte of which segment is changed, if any.
        flip in proptest::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
    ) {
        let mut made = written(&steps);
        if let Some((segment, byte)) = flip {
            let bytes = &mut segment.get_mut(&mut made.segments).1;
            *byte.get_mut(bytes) ^= 0x10;
        }
        prop_assert_eq!(followed(&made, 1), followed(&made, 3));
    }
}

#[test]
fn a_log_in_good_order_needs_nothing_in_order() {
    let cuts = [Step::Entries(30), Step::State, Step::Cut].repeat(4);
    let made = written(&cuts);
    followed(&made, 1);
    let os: Arc<dyn Fs> = Arc::new(OsFs);
    let segments = open_segments(&os, &made.wal()).expect("opened");
    let mut following = Following::default();
    for plain in plain_ones(3, &segments, &mut |_| Continue(())) {
        assert!(following.joined(plain.expect("plain")));
    }
    assert_eq!(following.replay.counts.entries, 120);
}

/// What was read of a file, the longest piece.
#[derive(Default)]
struct Longest(std::sync::atomic::AtomicUsize);

struct Watched {
    bytes: Vec<u8>,
    longest: Arc<Longest>,
}

impl crate::store::window::ReadAt for Watched {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.longest.0.fetch_max(buf.len(), std::sync::atomic::Ordering::Relaxed);
        let from = &self.bytes[usize::try_from(offset).unwrap()..];
        let len = from.len().min(buf.len());
        buf[..len].copy_from_slice(&from[..len]);
        Ok(len)
    }
}

#[test]
fn a_very_large_record_is_left_to_the_one_thread_that_reads_in_order() {
    let mut made = Made::new();
    for at in 1..=3 {
        made.entries(at * 2 - 1..=at * 2 - 1, 1);
        made.entry(at * 2, 1, &vec![7; 5 << 20]);
        made.state(1, at * 2);
        if at < 3 {
            made.cut(at, at * 2 + 1);
        }
    }
    let longest = Arc::new(Longest::default());
    let segments = made.segments.iter().enumerate().map(|(at, (name, bytes))| {
        let file = Watched { bytes: bytes.clone(), longest: Arc::clone(&longest) };
        let source = crate::store::window::Source {
            file: Box::new(file),
            path: Arc::from(std::path::Path::new(name)),
            size_bytes: bytes.len() as u64,
        };
        let name = SegmentName { sequence: at as u64, index: at as u64 * 2 + 1 };
        Segment { source, name }
    });
    let segments: Vec<Segment> = segments.collect();
    let alone = plain_ones(3, &segments, &mut |_| Continue(()));
    assert!(alone.iter().all(Option::is_none));
    let longest = || longest.0.load(std::sync::atomic::Ordering::Relaxed);
    assert!(longest() <= 512 << 10, "{}", longest());
    let replay = replay_on(3, &segments, &mut unwatched).expect("followed");
    assert_eq!((replay.counts.entries, replay.faults.len()), (6, 0));
    assert!(longest() > 5 << 20);
}

#[test]
fn whoever_watches_hears_of_every_mebibyte_and_may_stop_it_on_any_number_of_threads() {
    let mut made = Made::new();
    for at in 0..4 {
        (1..=40).for_each(|index| made.entry(at * 40 + index, 1, &vec![7; 100 << 10]));
        made.state(1, at * 40 + 40);
        if at < 3 {
            made.cut(at + 1, at * 40 + 41);
        }
    }
    for (name, bytes) in &made.segments {
        fs::write(made.wal().join(name), bytes).expect("written");
    }
    let os: Arc<dyn Fs> = Arc::new(OsFs);
    let segments = open_segments(&os, &made.wal()).expect("opened");
    let total: u64 = made.segments.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    for threads in [1, 3] {
        let mut heard = Vec::new();
        replay_on(threads, &segments, &mut |step| {
            assert_eq!(step.total_bytes, total);
            heard.push(step.done_bytes);
            Continue(())
        })
        .expect("followed");
        assert!(heard.len() >= 10 && heard.is_sorted(), "{threads}: {heard:?}");
        assert!(heard.last().is_some_and(|last| *last > total / 2 && *last <= total));
        let mut left = 3;
        let stopped = replay_on(threads, &segments, &mut |_| {
            left -= 1;
            if left > 0 { Continue(()) } else { Break(()) }
        });
        assert!(matches!(stopped, Err(StoreError::Stopped)), "{threads}");
        // Threads that read at the same time end at their next word.
        assert!(left <= 0 && (threads > 1 || left == 0), "{threads}: {left}");
    }
}

#[test]
fn space_that_was_reserved_is_looked_through_no_longer_than_somebody_waits() {
    let mut made = Made::new();
    made.entries(1..=3, 1);
    made.state(1, 3);
    let (name, bytes) = &made.segments[0];
    let path = made.wal().join(name);
    fs::write(&path, bytes).expect("written");
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
    file.set_len(64 << 20).expect("a hole");
    let os: Arc<dyn Fs> = Arc::new(OsFs);
    let segments = open_segments(&os, &made.wal()).expect("opened");
    let mut heard = 0;
    replay_on(1, &segments, &mut |_| {
        heard += 1;
        Continue(())
    })
    .expect("followed");
    assert!(heard >= 60, "{heard}");
    let stopped = replay_on(1, &segments, &mut |_| Break(()));
    assert!(matches!(stopped, Err(StoreError::Stopped)));
}
