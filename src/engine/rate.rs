//! How fast one session may go: [`Pace`] counts its messages and its pings and pongs.
//!
//! Two counts do it. A [`Span`] begins with what is counted first, and the next one with what is counted first after its
//! end; a [`Bucket`] fills with each thing taken, and drains evenly. Both are exact to the microsecond, for as long as the
//! clock runs. A monotonic clock that stands still only makes them stricter.
//!
//! Not here: what becomes of a message that is one too many (`engine/session/open.rs`).

use crate::limits::{CONTROL_FRAMES_BURST, Limits, REFUSALS_PER_WINDOW, RateAlgorithm};
use crate::time::micros;

const SECOND_US: u64 = 1_000_000;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is one of those that are allowed.
    Taken,
    /// It is one too many.
    Refused,
    /// It is one too many, and the last that is refused in this window: the session has to go.
    Exhausted,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Pace {
    /// What came in this window; with [`RateAlgorithm::Bucket`] what was refused in it.
    window: Span,
    control_frames: Bucket,
    /// With [`RateAlgorithm::Bucket`], from the first message on.
    messages: Option<Box<Bucket>>,
}

impl Pace {
    /// Counts a message that has come at `now_us`.
    pub fn take_message(&mut self, now_us: u64, limits: &Limits) -> Admission {
        let (most, window_us) = (limits.messages_per_window as u64, micros(limits.window));
        if most == 0 {
            return Admission::Taken;
        }
        let refusals = match limits.rate_algorithm {
            RateAlgorithm::Window => self.window.count(now_us, window_us).saturating_sub(most),
            RateAlgorithm::Bucket => {
                let rate = Rate { cost: window_us, drain: most, room: most.saturating_mul(window_us) };
                if self.messages.get_or_insert_default().take(now_us, &rate) {
                    0
                } else {
                    self.window.count(now_us, window_us)
                }
            }
        };
        match refusals {
            0 => Admission::Taken,
            few if few < u64::from(REFUSALS_PER_WINDOW) => Admission::Refused,
            _ => Admission::Exhausted,
        }
    }

    /// Counts a ping or a pong that has come at `now_us`. Says whether it is allowed.
    pub fn take_control_frame(&mut self, now_us: u64, limits: &Limits) -> bool {
        let drain = limits.control_frames_per_second as u64;
        let burst = drain.saturating_mul(CONTROL_FRAMES_BURST as u64);
        let rate = Rate { cost: SECOND_US, drain, room: burst.saturating_mul(SECOND_US) };
        drain == 0 || self.control_frames.take(now_us, &rate)
    }
}

/// A window that is counted in.
#[derive(Debug, Default)]
struct Span {
    start_us: u64,
    count: u64,
}

impl Span {
    /// Counts one more; returns how many there are in its span.
    fn count(&mut self, now_us: u64, span_us: u64) -> u64 {
        if self.count == 0 || now_us.saturating_sub(self.start_us) >= span_us {
            *self = Span { start_us: now_us, count: 0 };
        }
        self.count += 1;
        self.count
    }
}

/// What a bucket is asked with, in units of which `drain` are given back each microsecond: no division, nothing lost.
#[derive(Debug)]
struct Rate {
    cost: u64,
    drain: u64,
    room: u64,
}

/// A bucket, empty at first.
#[derive(Debug, Default)]
struct Bucket {
    level: u64,
    /// When that was the level.
    at_us: u64,
}

impl Bucket {
    /// Takes one more, if it has room.
    fn take(&mut self, now_us: u64, rate: &Rate) -> bool {
        let drained = now_us.saturating_sub(self.at_us).saturating_mul(rate.drain);
        self.level = self.level.saturating_sub(drained);
        self.at_us = self.at_us.max(now_us);
        let has_room = self.level.saturating_add(rate.cost) <= rate.room;
        if has_room {
            self.level += rate.cost;
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::{COUNT_MAX, TIMEOUT_MAX, TIMEOUT_MIN};

    const DAY_US: u64 = 24 * 3600 * SECOND_US;
    /// Just started, after 50 days, and after 100 years.
    const STARTS: [u64; 4] = [0, 1, 50 * DAY_US + 7, 36_500 * DAY_US + 123_457];

    fn limits(rate_algorithm: RateAlgorithm, messages_per_window: usize, window: Duration) -> Limits {
        Limits { rate_algorithm, messages_per_window, window, ..Limits::default() }
    }

    /// How many messages are taken at this moment, until one is not.
    fn taken(pace: &mut Pace, now_us: u64, limits: &Limits) -> usize {
        (0..).take_while(|_| pace.take_message(now_us, limits) == Admission::Taken).count()
    }

    #[test]
    fn a_window_ends_to_the_microsecond_and_the_next_begins_with_the_first_message_after_it() {
        let limits = limits(RateAlgorithm::Window, 3, Duration::from_secs(60));
        let window_us = 60 * SECOND_US;
        for start in STARTS {
            let mut pace = Pace::default();
            assert_eq!(pace.take_message(start, &limits), Admission::Taken);
            assert_eq!(taken(&mut pace, start + window_us - 1, &limits), 2);
            // It began late: its own 60 s count from there.
            let late = start + window_us + 12_345;
            assert_eq!(taken(&mut pace, late, &limits), 3, "from {start}");
            assert_eq!(taken(&mut pace, late + window_us - 1, &limits), 0);
            assert_eq!(taken(&mut pace, late + window_us, &limits), 3);
            // Fifty days of silence.
            assert_eq!(taken(&mut pace, late + 50 * DAY_US, &limits), 3);
        }
    }

    #[test]
    fn a_bucket_gives_back_one_message_after_its_share_of_the_window_and_not_a_microsecond_sooner() {
        for (most, window_us) in [(100, 60 * SECOND_US), (7, 10_000), (3, DAY_US), (20_000, DAY_US), (1, 10_000)] {
            let limits = limits(RateAlgorithm::Bucket, most, Duration::from_micros(window_us));
            for start in STARTS {
                let mut pace = Pace::default();
                assert_eq!(taken(&mut pace, start, &limits), most);
                let share = window_us.div_ceil(most as u64);
                assert_eq!(taken(&mut pace, start + share - 1, &limits), 0, "{most} in {window_us}");
                assert_eq!(taken(&mut pace, start + share, &limits), 1, "{most} in {window_us}");
                assert_eq!(taken(&mut pace, start + window_us, &limits), most - 1, "nothing is lost by asking");
                assert_eq!(taken(&mut pace, start + window_us + 50 * DAY_US, &limits), most, "no more than it holds");
            }
        }
    }

    #[test]
    fn the_hundredth_refusal_of_a_window_is_the_last() {
        for algorithm in [RateAlgorithm::Window, RateAlgorithm::Bucket] {
            let limits = limits(algorithm, 2, Duration::from_secs(60));
            let mut pace = Pace::default();
            assert_eq!([0, 0].map(|at| pace.take_message(at, &limits)), [Admission::Taken; 2]);
            for refusal in 1..REFUSALS_PER_WINDOW {
                assert_eq!(pace.take_message(5, &limits), Admission::Refused, "{refusal}");
            }
            assert_eq!(pace.take_message(5, &limits), Admission::Exhausted);
        }
    }

    #[test]
    fn the_refusals_of_a_bucket_are_counted_afresh_after_a_window() {
        let limits = limits(RateAlgorithm::Bucket, 1, Duration::from_millis(10));
        let mut pace = Pace::default();
        for window in 0..50 {
            let start = window * 10_000;
            assert_eq!(pace.take_message(start, &limits), Admission::Taken);
            for _ in 1..REFUSALS_PER_WINDOW {
                assert_eq!(pace.take_message(start + 9_999, &limits), Admission::Refused, "window {window}");
            }
        }
    }

    #[test]
    fn zero_is_no_limit() {
        for algorithm in [RateAlgorithm::Window, RateAlgorithm::Bucket] {
            let limits = Limits { control_frames_per_second: 0, ..limits(algorithm, 0, TIMEOUT_MIN) };
            let mut pace = Pace::default();
            assert!((0..100_000).all(|_| pace.take_message(0, &limits) == Admission::Taken));
            assert!((0..100_000).all(|_| pace.take_control_frame(0, &limits)));
        }
    }

    #[test]
    fn control_frames_come_in_a_burst_and_then_so_many_a_second() {
        for (rate, share) in [(10, 100_000), (1, SECOND_US), (3, 333_334), (1000, 1000)] {
            let limits = Limits { control_frames_per_second: rate, ..Limits::default() };
            for start in STARTS {
                let mut pace = Pace::default();
                let mut taken = |at| (0..).take_while(|_| pace.take_control_frame(at, &limits)).count();
                assert_eq!(taken(start), rate * CONTROL_FRAMES_BURST);
                assert_eq!(taken(start + share - 1), 0, "{rate} a second");
                assert_eq!(taken(start + share), 1);
                assert_eq!(taken(start + SECOND_US), rate - 1);
                assert_eq!(taken(start + 51 * DAY_US), rate * CONTROL_FRAMES_BURST);
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        for algorithm in [RateAlgorithm::Window, RateAlgorithm::Bucket] {
            let limits = limits(algorithm, 4, TIMEOUT_MAX);
            let mut pace = Pace::default();
            assert_eq!(taken(&mut pace, DAY_US * 2, &limits), 4);
            assert_eq!(taken(&mut pace, 0, &limits), 0);
            assert_eq!(taken(&mut pace, DAY_US * 2, &limits), 0);
            assert_eq!(taken(&mut pace, u64::MAX, &limits), 4, "the end of time does not overflow");
        }
    }

    #[test]
    fn the_largest_bucket_holds_all_it_promises() {
        let limits = limits(RateAlgorithm::Bucket, COUNT_MAX, TIMEOUT_MAX);
        assert_eq!(taken(&mut Pace::default(), u64::MAX, &limits), COUNT_MAX);
    }
}
