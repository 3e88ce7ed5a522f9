use proptest::prelude::*;

use super::*;
use crate::model::{AppendInstant, AppendTime, ByteOrder, TimeForm, Zone};

fn bytes() -> impl Strategy<Value = SharedBytes> {
    proptest::collection::vec(any::<u8>(), 0..4).prop_map(SharedBytes::from)
}

fn time() -> impl Strategy<Value = AppendTime> {
    prop_oneof![
        Just(AppendTime::Absent),
        Just(AppendTime::Nil),
        (any::<i32>(), 0..1_000_000_000u32).prop_map(|(seconds, nanoseconds)| {
            AppendTime::At(AppendInstant {
                unix_seconds: seconds.into(),
                nanoseconds,
                form: TimeForm::New,
                zone: Zone::Utc,
            })
        }),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let parts = (
        1..4u64,
        0..2u64,
        0..EntryKind::ALL.len(),
        proptest::option::of(bytes()),
        proptest::option::of(bytes()),
        time(),
        bytes(),
    );
    proptest::collection::vec(parts, 0..12).prop_map(|all| {
        let (mut index, mut term) = (0, 1);
        let next = |(step, rise, kind, payload, extensions, appended_at, note)| {
            let _: (u64, u64) = (step, rise);
            // Holes are rare, as they are in life.
            index += if step == 3 { 2 } else { 1 };
            term += rise;
            let mut made = entry(index, term);
            let kind: usize = kind;
            (made.kind, made.payload) = (EntryKind::ALL[kind], payload);
            made.extra = crate::model::EntryExtra { extensions, appended_at, note };
            made
        };
        all.into_iter().map(next).collect()
    })
}

fn state() -> impl Strategy<Value = LogState> {
    let candidate =
        prop_oneof![any::<u64>().prop_map(Candidate::Id), bytes().prop_map(Candidate::Bytes),];
    let snapshot = proptest::option::of((0..20u64, bytes()));
    let parts = (
        proptest::option::of(candidate),
        any::<bool>(),
        snapshot,
        proptest::collection::btree_map("[a-c]{1,2}", bytes(), 0..3),
        bytes(),
    );
    parts.prop_map(|(candidate, commit, snapshot, stable, note)| {
        let mut state = LogState { note, ..LogState::default() };
        state.hard.term = Some(Term(20));
        state.hard.vote = candidate.map(|one| Vote { term: Some(Term(20)), candidate: Some(one) });
        state.hard.commit = commit.then_some(LogIndex(0));
        state.snapshot = snapshot.map(|(index, note)| SnapshotNote {
            index: LogIndex(index),
            term: Term(1),
            id: None,
            note,
        });
        for (key, bytes) in stable {
            let value = StableValue { bytes, integer: Some(ByteOrder::Little) };
            state.stable.insert(key.into_bytes(), value);
        }
        state
    })
}

fn profile() -> impl Strategy<Value = &'static Profile> {
    let vote = prop_oneof![Just(VoteForm::Both), Just(VoteForm::Number), Just(VoteForm::Bytes)];
    (proptest::array::uniform9(any::<bool>()), vote, any::<bool>()).prop_map(
        |(holds, vote, all_kinds)| {
            let [groups, holes, time, extensions, notes, nil, commit, keys, marker] = holds;
            let kinds: &'static [EntryKind] = match all_kinds {
                true => &EntryKind::ALL,
                false => &[EntryKind::Command, EntryKind::Unknown],
            };
            let profile = Profile {
                schema: "another",
                holds: Holds {
                    many_groups: groups,
                    holes,
                    terms: true,
                    appended_at: time,
                    time_form_matters: false,
                    extensions,
                    notes,
                    nil_payload: nil,
                    commit,
                    vote,
                    stable_keys: keys,
                    snapshot_marker: marker,
                },
                kinds,
                ..EVERYTHING
            };
            &*Box::leak(Box::new(profile))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200, failure_persistence: None, ..Default::default()
    })]

    /// Plan, copy and comparison agree on what fits, whatever is moved where: what loses
    /// nothing is equal in every field, what loses something is never written unasked.
    #[test]
    fn plan_copy_and_comparison_agree(
        log in entries(),
        of_group in state(),
        target in profile(),
    ) {
        let mut bench = bench(target);
        bench.options.accept = ACCEPTABLE.to_vec();
        let mut source = MemoryStore::of(&[]);
        let pieces = log.into_iter().map(|entry| Ok(located(entry))).collect();
        source.groups.insert(GroupId::Unnamed, (of_group, pieces));
        let asked = match bench.run(&source) {
            Ok(outcome) => {
                prop_assert_eq!(outcome.migration.plan.losses, vec![]);
                let (state, log) = &source.groups[&GroupId::Unnamed];
                let written = bench.written();
                let (written_state, written_log) = &written.groups[&GroupId::Unnamed];
                let mut fields = crate::model::EntryFields::EXACT;
                fields.nil_payload = target.holds.nil_payload;
                fields.appended_at = target.holds.appended_at;
                for (read, wrote) in log.iter().zip(written_log) {
                    let (Ok(read), Ok(wrote)) = (read, wrote) else { panic!("damage") };
                    if target.holds.notes {
                        prop_assert_eq!(read.entry.difference(&wrote.entry, &fields), None);
                    }
                }
                prop_assert_eq!(log.len(), written_log.len());
                prop_assert_eq!(&state.stable, &written_state.stable);
                prop_assert_eq!(&state.hard, &written_state.hard);
                prop_assert_eq!(&state.snapshot, &written_state.snapshot);
                return Ok(());
            }
            Err(Error::Refused { outcome, .. } | Error::Unfit { outcome, .. }) => {
                prop_assert!(bench.left().is_empty());
                losses(&outcome)
            }
            Err(other) => panic!("neither written nor refused: {other:?}"),
        };
        bench.options.allow_loss = asked.iter().map(|(name, _, _)| *name).collect();
        match bench.run(&source) {
            Ok(outcome) => {
                prop_assert!(!asked.is_empty());
                prop_assert!(outcome.migration.compared.is_some());
            }
            Err(Error::Unfit { what, .. }) => {
                prop_assert!(what.contains("no snapshot covers that"), "{}", what);
            }
            Err(other) => panic!("neither written nor refused: {other:?}"),
        }
    }
}
