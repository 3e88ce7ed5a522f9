//! The shape of a real store, for a workload that is like it.

use std::collections::BTreeMap;

use crate::model::{GroupId, IndexRange};
use crate::simulate::workload::Shape;
use crate::store::{LogSource, StoreError};

/// Groups taken over at most: more would only share the same few operations.
const GROUPS_MAX: usize = 8;
/// Entries looked at in each group at most, the newest ones.
const ENTRIES_MAX: u64 = 100_000;
/// Payload sizes that stand for all.
const SIZES: usize = 16;
/// Larger payloads are taken for this large.
const PAYLOAD_MAX_BYTES: u64 = 64 << 10;
/// Smallest and largest segment.
const SEGMENT_BYTES: [u64; 2] = [16 << 10, 1 << 20];
/// Stable keys taken over at most.
const KEYS_MAX: usize = 4;

/// The shape of what `store` holds: its groups, the sizes of its payloads, its last term, the
/// names of its stable keys. Reads no payload.
///
/// # Errors
/// When the store cannot be read.
pub fn shape_of(store: &dyn LogSource, steps: usize) -> Result<Shape, StoreError> {
    let usual = Shape::usual(steps);
    let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut last_term = 1;
    let groups: Vec<GroupId> = store.groups()?.into_iter().take(GROUPS_MAX).collect();
    for id in &groups {
        let state = store.state(id)?;
        let hard = state.hard.term.unwrap_or_default().0;
        last_term = last_term.max(hard);
        keys.extend(state.stable.keys().take(KEYS_MAX).cloned());
        let Some(bounds) = state.bounds else { continue };
        let first = bounds.last().0.saturating_sub(ENTRIES_MAX - 1).max(bounds.first().0);
        let newest = IndexRange::new(crate::model::LogIndex(first), bounds.last());
        for piece in store.heads(id, newest.unwrap_or(bounds))? {
            let head = piece?.head;
            last_term = last_term.max(head.term.0);
            let size = head.payload_len_bytes.min(PAYLOAD_MAX_BYTES);
            *sizes.entry(size).or_default() += 1;
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys.truncate(KEYS_MAX);
    let payload_bytes = spread(&sizes);
    let largest = payload_bytes.iter().copied().max().unwrap_or_default() as u64;
    let [least, most] = SEGMENT_BYTES;
    Ok(Shape {
        groups: if groups.is_empty() { usual.groups.clone() } else { groups },
        payload_bytes: if payload_bytes.is_empty() {
            usual.payload_bytes.clone()
        } else {
            payload_bytes
        },
        segment_bytes: (largest * 4).next_power_of_two().clamp(least, most),
        first_term: last_term,
        keys: if keys.is_empty() { usual.keys.clone() } else { keys },
        ..usual
    })
}

/// Sizes that are met as often as those of the store, ascending.
fn spread(sizes: &BTreeMap<u64, u64>) -> Vec<usize> {
    let total: u64 = sizes.values().sum();
    let mut spread = Vec::new();
    for part in 0..SIZES as u64 {
        let wanted = (total * (2 * part + 1)).div_ceil(2 * SIZES as u64);
        let mut below = 0;
        let found = sizes.iter().find(|(_, count)| {
            below += **count;
            below >= wanted
        });
        spread.extend(found.and_then(|(size, _)| usize::try_from(*size).ok()));
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_spread_as_they_are_met() {
        assert_eq!(spread(&BTreeMap::new()), Vec::<usize>::new());
        assert_eq!(spread(&BTreeMap::from([(7, 3)])), vec![7; SIZES]);
        let mixed = spread(&BTreeMap::from([(10, 90), (5000, 10)]));
        let small = mixed.iter().filter(|size| **size == 10).count();
        assert!((13..=15).contains(&small) && mixed.is_sorted(), "{mixed:?}");
    }
}
