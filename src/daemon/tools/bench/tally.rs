//! What counts of a load whose every unit is told when it happens: [`Tally`], and from when on until when.
//!
//! Not here: when that is (`course.rs`), a load that counts by what was due (`rate.rs`).

use super::histogram::Histogram;

/// See the module.
#[derive(Debug)]
pub struct Tally {
    stage: Stage,
    units: u64,
    latency: Histogram,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    WarmingUp,
    Measuring,
    Stopped,
}

impl Tally {
    /// It warms up: nothing counts.
    pub fn new() -> Tally {
        Tally { stage: Stage::WarmingUp, units: 0, latency: Histogram::new() }
    }

    /// From now on it counts.
    pub fn measure(&mut self) {
        self.stage = Stage::Measuring;
    }

    /// From now on nothing counts.
    pub fn stop(&mut self) {
        self.stage = Stage::Stopped;
    }

    /// Whether it counts.
    pub fn is_measuring(&self) -> bool {
        self.stage == Stage::Measuring
    }

    /// Whether it has counted, and does no more.
    pub fn is_stopped(&self) -> bool {
        self.stage == Stage::Stopped
    }

    /// A unit that has taken so long, if it counts.
    pub fn count(&mut self, took_ns: u64) {
        if self.is_measuring() {
            self.units += 1;
            self.latency.record_nanos(took_ns);
        }
    }

    /// Units that counted, so far.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// How long each of them took.
    pub fn latency(&self) -> &Histogram {
        &self.latency
    }

    /// The same, in the end.
    pub fn into_latency(self) -> Histogram {
        self.latency
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_counts_from_when_it_is_measured_until_it_is_stopped() {
        let mut tally = Tally::new();
        tally.count(1);
        assert_eq!((tally.units(), tally.is_measuring(), tally.is_stopped()), (0, false, false));
        tally.measure();
        tally.count(1000);
        assert_eq!((tally.units(), tally.is_measuring(), tally.is_stopped()), (1, true, false));
        tally.stop();
        tally.count(1);
        assert_eq!((tally.units(), tally.is_measuring(), tally.is_stopped()), (1, false, true));
        assert_eq!((tally.latency().count(), tally.into_latency().max().as_nanos()), (1, 1000));
    }
}
