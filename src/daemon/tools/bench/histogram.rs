//! How long things took: [`Histogram`], of high dynamic range. A value is counted in a bucket that is at most a 1024th of it
//! wide, from a nanosecond up to an hour, so that the rarest is told as exactly as the commonest, in memory that does not grow.
//!
//! The layout is that of HdrHistogram with three significant digits: below 2048 each value has its bucket; above, each octave
//! has 1024.
//!
//! Not here: how it is shown (`report.rs`), what takes so long (the modes).

use std::ops::Range;
use std::time::Duration;

/// Buckets in an octave.
const OCTAVE: u64 = 1024;
const OCTAVE_BITS: u32 = OCTAVE.trailing_zeros();

/// The longest that is told apart, in nanoseconds; what is longer counts as this.
const LONGEST: u64 = 3600 * 1_000_000_000;

/// See the module.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// As many as the longest value so far has needed.
    counts: Vec<u64>,
    count: u64,
    /// In nanoseconds.
    sum: u128,
    max: u64,
}

impl Histogram {
    /// Nothing is counted yet.
    pub fn new() -> Histogram {
        Histogram { counts: Vec::new(), count: 0, sum: 0, max: 0 }
    }

    /// Counts one. More than an hour counts as an hour.
    pub fn record(&mut self, took: Duration) {
        self.record_nanos(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The same, in nanoseconds.
    pub fn record_nanos(&mut self, nanos: u64) {
        let nanos = nanos.min(LONGEST);
        self.add(bucket_of(nanos), 1);
        self.sum += u128::from(nanos);
        self.max = self.max.max(nanos);
    }

    /// What each of these took, in nanoseconds, where none took longer than the one before it, and those that are in one
    /// bucket fall evenly: only their mean depends on that. It costs little, however many they are.
    pub fn record_falling(&mut self, all: Range<u64>, took: impl Fn(u64) -> u64) {
        let took = |index| took(index).min(LONGEST);
        let mut next = all.start;
        while next < all.end {
            let (first, longest) = (next, took(next));
            let bucket = bucket_of(longest);
            let least = bucket.checked_sub(1).map_or(0, |shorter| upper_end(shorter) + 1);
            let mut end = all.end;
            next += 1;
            while next < end {
                let middle = next + (end - next) / 2;
                if took(middle) >= least { next = middle + 1 } else { end = middle }
            }
            let count = next - first;
            self.add(bucket, count);
            self.sum += u128::from(count) * (u128::from(longest) + u128::from(took(next - 1))) / 2;
            self.max = self.max.max(longest);
        }
    }

    fn add(&mut self, bucket: usize, more: u64) {
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += more;
        }
        self.count += more;
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest, exactly; 0 for none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// Their mean, exactly; 0 for none.
    pub fn mean(&self) -> Duration {
        let mean = self.sum.checked_div(u128::from(self.count)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// What so many thousandths of a percent of them did not exceed: 50 000 for the median, 99 900 for p99.9. It is the upper
    /// end of a bucket, and never above [`Histogram::max`]; 0 for none.
    pub fn percentile(&self, millipercent: u32) -> Duration {
        let rank = (u128::from(self.count) * u128::from(millipercent)).div_ceil(100_000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank {
                return Duration::from_nanos(upper_end(bucket).min(self.max));
            }
        }
        self.max()
    }

    /// How many took at least `from` and less than `to`, to the width of a bucket.
    pub fn count_within(&self, from: Duration, to: Duration) -> u64 {
        let index = |at: Duration| bucket_of(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX).min(LONGEST));
        let (from, to) = (index(from), index(to));
        self.counts.iter().take(to).skip(from).sum()
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

fn bucket_of(nanos: u64) -> usize {
    let shift = nanos.checked_ilog2().unwrap_or(0).saturating_sub(OCTAVE_BITS);
    usize::try_from(u64::from(shift) * OCTAVE + (nanos >> shift)).unwrap_or(usize::MAX)
}

/// The longest that is counted in it.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / OCTAVE).saturating_sub(1);
    ((bucket - shift * OCTAVE + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(duration: Duration) -> u64 {
        u64::try_from(duration.as_nanos()).unwrap()
    }

    #[test]
    fn many_that_fall_are_counted_as_each_of_them_would_be() {
        for (start_ns, step_ns) in [(50_000, 1), (7_000_000, 1_000), (LONGEST + 9_000_000, 3_000_000_000), (4_000, 0)] {
            let took = |index: u64| start_ns - index.min(1000) * step_ns;
            let (mut together, mut each) = (Histogram::new(), Histogram::new());
            together.record_falling(3..1000, took);
            together.record_falling(5..5, took);
            (3..1000).for_each(|index| each.record_nanos(took(index)));
            assert_eq!((&together.counts, together.count, together.max), (&each.counts, each.count, each.max));
            let off = nanos(together.mean()).abs_diff(nanos(each.mean()));
            assert!(off <= nanos(each.mean()) / 1000 + 1, "{off} ns at {start_ns}");
        }
    }

    #[test]
    fn a_day_of_the_highest_rate_is_counted_at_once() {
        let mut histogram = Histogram::new();
        let all = 86_400 * 100_000_000;
        histogram.record_falling(0..all, |index| (all - index) * 10);
        assert_eq!(histogram.count(), all);
    }

    #[test]
    fn each_value_is_in_a_bucket_of_its_own_size() {
        let mut edges: Vec<u64> = (0..5000).collect();
        for octave in 11..=41 {
            edges.extend([(1 << octave) - 1, 1 << octave, (1 << octave) + 1, 3 << (octave - 1)]);
        }
        edges.push(LONGEST);
        edges.sort_unstable();
        let mut before = 0;
        for nanos in edges {
            let bucket = bucket_of(nanos);
            assert!(bucket >= before, "{nanos}");
            before = bucket;
            let end = upper_end(bucket);
            assert!(end >= nanos && end - nanos <= nanos / OCTAVE, "{nanos} ends at {end}");
            assert_eq!((bucket_of(end), bucket_of(end + 1)), (bucket, bucket + 1), "{nanos}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let mut values: Vec<u64> = (0..10_000_u64).map(|n| (n * 7919) % 10_007 * (n % 13 + 1) * 1000).collect();
        let mut histogram = Histogram::new();
        values.iter().for_each(|nanos| histogram.record_nanos(*nanos));
        values.sort_unstable();
        for millipercent in [0, 1, 10_000, 50_000, 90_000, 99_000, 99_900, 99_990, 100_000] {
            let rank = (values.len() * millipercent as usize).div_ceil(100_000).max(1);
            let (exact, told) = (values[rank - 1], nanos(histogram.percentile(millipercent)));
            assert!(told >= exact && told - exact <= exact / OCTAVE, "{millipercent}: {told} for {exact}");
        }
        assert_eq!(histogram.count(), 10_000);
        assert_eq!(nanos(histogram.max()), *values.last().unwrap());
        assert_eq!(nanos(histogram.mean()), values.iter().sum::<u64>() / 10_000);
    }

    #[test]
    fn nothing_counted_is_all_zero() {
        let none = Histogram::new();
        assert_eq!((none.count(), none.max(), none.mean()), (0, Duration::ZERO, Duration::ZERO));
        assert_eq!(none.percentile(99_900), Duration::ZERO);
        assert_eq!(none.count_within(Duration::ZERO, Duration::MAX), 0);
    }

    #[test]
    fn an_hour_is_the_longest() {
        let mut histogram = Histogram::new();
        histogram.record(Duration::from_secs(3600));
        histogram.record(Duration::MAX);
        assert_eq!(histogram.max(), Duration::from_secs(3600));
        assert_eq!(histogram.percentile(1), Duration::from_secs(3600));
    }

    #[test]
    fn a_span_has_its_beginning_and_not_its_end() {
        let mut histogram = Histogram::new();
        [0, 999, 1000, 1999, 2000].into_iter().for_each(|nanos| histogram.record_nanos(nanos));
        let within = |from, to| histogram.count_within(Duration::from_nanos(from), Duration::from_nanos(to));
        assert_eq!((within(0, 1000), within(1000, 2000), within(2000, 3000)), (2, 2, 1));
    }
}
