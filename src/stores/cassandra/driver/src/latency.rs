//! How long requests took: counts in buckets that are at most an eighth wide of what they hold.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const STEPS: usize = 8; // between two powers of two
const BUCKETS: usize = STEPS * 62;

pub struct Latencies([AtomicU64; BUCKETS]);

impl Default for Latencies {
    fn default() -> Self {
        Latencies([const { AtomicU64::new(0) }; BUCKETS])
    }
}

fn bucket(us: u64) -> usize {
    if us < STEPS as u64 {
        return us as usize;
    }
    let doublings = us.ilog2() as usize - STEPS.ilog2() as usize;
    (doublings + 1) * STEPS + ((us >> doublings) as usize - STEPS)
}

/// The smallest value of a bucket.
fn floor(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    ((bucket % STEPS + STEPS) as u64) << (bucket / STEPS - 1)
}

impl Latencies {
    pub fn record(&self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0[bucket(us)].fetch_add(1, Relaxed);
    }

    /// In microseconds; 0 when there is nothing.
    pub fn quantiles<const N: usize>(&self, quantiles: [f64; N]) -> [u64; N] {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        quantiles.map(|quantile| {
            let rank = ((total as f64 * quantile).ceil() as u64).max(1);
            let mut sum = 0;
            let found = counts.iter().position(|count| {
                sum += count;
                sum >= rank
            });
            found.map_or(0, floor)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_narrow() {
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        for index in 1..BUCKETS {
            let least = floor(index);
            assert_eq!(bucket(least), index);
            assert_eq!(bucket(least - 1), index - 1);
            let (begin, width) = (floor(index - 1), least - floor(index - 1));
            assert!(width == 1 || width * STEPS as u64 <= begin, "{begin} {width}");
        }
    }

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let latencies = Latencies::default();
        assert_eq!(latencies.quantiles([0.5, 0.99]), [0, 0]);
        (1..=100).for_each(|ms| latencies.record(Duration::from_micros(ms * 1000)));
        let [p50, p99, p100] = latencies.quantiles([0.5, 0.99, 1.0]);
        assert!((44_000..=50_000).contains(&p50), "{p50}");
        assert!((87_000..=99_000).contains(&p99), "{p99}");
        assert!((88_000..=100_000).contains(&p100), "{p100}");
    }
}
