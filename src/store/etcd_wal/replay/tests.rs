use std::fs;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::store::etcd_wal::segments::open_segments;
use crate::store::etcd_wal::tests::Made;
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
    format!("{:#?}", replay_on(threads, &segments).expect("followed"))
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
    for plain in plain_ones(3, &segments) {
        assert!(following.joined(plain.expect("plain")));
    }
    assert_eq!(following.replay.counts.entries, 120);
}
