use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Sub-buckets of each power of two: a value is known to 6 %.
const STEPS_BITS: u32 = 4;
const STEPS: u64 = 1 << STEPS_BITS;

/// How long calls took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50: f64,
    /// All but one in a hundred took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Counts durations in buckets that grow with them; memory does not grow with their number.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    longest: Duration,
}

impl Histogram {
    /// Counts one.
    pub(super) fn record(&mut self, duration: Duration) {
        let bucket = bucket_of(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.longest = self.longest.max(duration);
    }

    /// Adds what another one counted.
    pub(super) fn merge(&mut self, other: &Histogram) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, more)| *mine += more);
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    /// What an operator wants to know of it; zeros when nothing was counted.
    pub(super) fn latency(&self) -> Latency {
        let max = self.longest.as_secs_f64() * 1e6;
        Latency { p50: self.quantile(0.5).min(max), p99: self.quantile(0.99).min(max), max }
    }

    fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return middle_of(bucket as u64) / 1e3;
            }
        }
        0.0
    }
}

fn bucket_of(nanoseconds: u64) -> usize {
    if nanoseconds < STEPS {
        return usize::try_from(nanoseconds).unwrap_or_default();
    }
    let exponent = nanoseconds.ilog2();
    let step = (nanoseconds >> (exponent - STEPS_BITS)) & (STEPS - 1);
    let bucket = u64::from(exponent - STEPS_BITS + 1) * STEPS + step;
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The middle of a bucket, in nanoseconds.
fn middle_of(bucket: u64) -> f64 {
    if bucket < STEPS {
        return bucket as f64;
    }
    let width = ((bucket / STEPS - 1) as f64).exp2();
    ((STEPS + bucket % STEPS) as f64 + 0.5) * width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_its_middle_stands_for() {
        for nanoseconds in [0, 1, 15, 16, 17, 100, 1_000, 123_456, 1_000_000_007, u64::MAX / 3] {
            let middle = middle_of(bucket_of(nanoseconds) as u64);
            let off = (middle - nanoseconds as f64).abs();
            assert!(off <= nanoseconds as f64 * 0.04 + 0.5, "{nanoseconds}: {middle}");
        }
    }

    #[test]
    fn quantiles_are_of_everything_that_was_counted() {
        let mut low = Histogram::default();
        let mut high = Histogram::default();
        (0..980).for_each(|_| low.record(Duration::from_micros(10)));
        (0..20).for_each(|_| high.record(Duration::from_micros(500)));
        low.merge(&high);
        let latency = low.latency();
        assert!((latency.p50 - 10.0).abs() < 0.5, "{latency:?}");
        assert!((latency.p99 - 500.0).abs() < 20.0, "{latency:?}");
        assert!((latency.max - 500.0).abs() < 1e-9, "{latency:?}");
        assert_eq!(Histogram::default().latency(), Latency::default());
    }
}
