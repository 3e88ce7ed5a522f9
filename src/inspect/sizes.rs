//! Percentiles of sizes in constant memory: buckets whose width is a 64th of their power of two.

use crate::inspect::{SizeBucket, SizeStats};

const SUB_BITS: u32 = 6;
const BUCKETS: usize = ((64 - SUB_BITS + 1) as usize) << SUB_BITS;

/// Counts sizes.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    counts: Vec<u64>,
    count: u64,
    min: u64,
    max: u64,
    total: u64,
}

impl Sizes {
    /// No sizes yet.
    pub(super) fn new() -> Sizes {
        Sizes { counts: vec![0; BUCKETS], count: 0, min: u64::MAX, max: 0, total: 0 }
    }

    /// Takes note of a size in bytes.
    pub(super) fn add(&mut self, size: u64) {
        if let Some(count) = self.counts.get_mut(bucket(size)) {
            *count += 1;
        }
        self.count += 1;
        self.min = self.min.min(size);
        self.max = self.max.max(size);
        self.total = self.total.saturating_add(size);
    }

    /// The statistics; all zero without sizes.
    pub(super) fn stats(&self) -> SizeStats {
        if self.count == 0 {
            return SizeStats::default();
        }
        SizeStats {
            min: self.min,
            p50: self.percentile(50),
            p90: self.percentile(90),
            p99: self.percentile(99),
            max: self.max,
            total: self.total,
        }
    }

    /// Counts by powers of two, from the first to the last that occurs.
    pub(super) fn histogram(&self) -> Vec<SizeBucket> {
        let mut rows: Vec<SizeBucket> = Vec::new();
        for (number, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let up_to_bytes = upper(number).checked_next_power_of_two().unwrap_or(u64::MAX);
            while let Some(last) = rows.last()
                && last.up_to_bytes < up_to_bytes / 2
            {
                let next = (last.up_to_bytes * 2).max(1);
                rows.push(SizeBucket { up_to_bytes: next, entries: 0 });
            }
            match rows.last_mut() {
                Some(last) if last.up_to_bytes == up_to_bytes => last.entries += count,
                _ => rows.push(SizeBucket { up_to_bytes, entries: *count }),
            }
        }
        rows
    }

    /// The smallest bucket end that at least `percent` of the sizes do not exceed.
    fn percentile(&self, percent: u64) -> u64 {
        let wanted = u128::from(self.count) * u128::from(percent);
        let mut seen = 0u128;
        for (number, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen * 100 >= wanted {
                return upper(number).clamp(self.min, self.max);
            }
        }
        self.max
    }
}

fn bucket(size: u64) -> usize {
    let row = (u64::BITS - size.leading_zeros()).saturating_sub(SUB_BITS + 1);
    let within = size >> row;
    // A row holds the 64 numbers from SUB to 2 * SUB - 1 at its scale; the lowest two rows share
    // the scale 1, so that small sizes are exact.
    usize::try_from((u64::from(row) << SUB_BITS) + within).unwrap_or(BUCKETS - 1)
}

/// Largest size of a bucket.
fn upper(number: usize) -> u64 {
    let number = number as u64;
    let row = (number >> SUB_BITS).saturating_sub(1);
    let within = u128::from(number - (row << SUB_BITS));
    u64::try_from(((within + 1) << row) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUB: u64 = 1 << SUB_BITS;

    #[test]
    fn no_sizes_are_all_zero_and_one_size_is_everything() {
        let mut sizes = Sizes::new();
        assert_eq!(sizes.stats(), SizeStats::default());
        assert_eq!(sizes.histogram(), []);
        sizes.add(12_345);
        let one = SizeStats {
            min: 12_345,
            p50: 12_345,
            p90: 12_345,
            p99: 12_345,
            max: 12_345,
            total: 12_345,
        };
        assert_eq!(sizes.stats(), one);
    }

    #[test]
    fn the_histogram_has_a_row_for_every_power_between() {
        let mut sizes = Sizes::new();
        for size in [0, 1, 2, 3, 4, 100, 100] {
            sizes.add(size);
        }
        let rows: Vec<(u64, u64)> =
            sizes.histogram().iter().map(|row| (row.up_to_bytes, row.entries)).collect();
        assert_eq!(rows, [(1, 2), (2, 1), (4, 2), (8, 0), (16, 0), (32, 0), (64, 0), (128, 2)]);
    }

    #[test]
    fn every_size_lies_in_a_bucket_that_ends_close_above_it() {
        for size in (0..2_000).chain((0..64).map(|bit| 1u64 << bit)).chain([u64::MAX]) {
            let end = upper(bucket(size));
            assert!(end >= size && end - size <= size / SUB, "{size} in a bucket up to {end}");
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    proptest! {
        #[test]
        fn percentiles_are_close_above_the_exact_ones(
            mut all in proptest::collection::vec(0u64..1 << 40, 1..300),
        ) {
            let mut sizes = Sizes::new();
            all.iter().for_each(|size| sizes.add(*size));
            all.sort_unstable();
            let exact = |percent: usize| all[(all.len() * percent).div_ceil(100).max(1) - 1];
            let stats = sizes.stats();
            for (found, exact) in [(stats.p50, exact(50)), (stats.p99, exact(99))] {
                prop_assert!(found >= exact && found - exact <= exact / SUB, "{found} {exact}");
            }
            prop_assert_eq!((stats.min, stats.max), (all[0], all[all.len() - 1]));
        }
    }
}
