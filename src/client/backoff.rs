//! How long to wait before the next attempt: [`Backoff`], a pure function of the attempt and of one random number.
//!
//! Not here: who counts the attempts and when the count begins anew (`reconnector.rs`); where the random number comes from
//! (the driver's seed).

use std::time::Duration;

use crate::limits::{
    BACKOFF_DELAY_MIN, BACKOFF_FACTOR_DEFAULT, BACKOFF_INITIAL_DEFAULT, BACKOFF_JITTER, BACKOFF_MAX_DEFAULT,
    TIMEOUT_MAX,
};

const MILLIS_PER_SECOND: f64 = 1000.0;
const NANOS_PER_MILLI: f64 = 1e6;

/// How delays of many clients are kept from falling together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Jitter {
    /// They are not.
    None,
    /// Up to [`BACKOFF_JITTER`] of the delay on top of it, so also past [`Backoff::max_delay`].
    #[default]
    Proportional,
    /// Anything from nothing to the delay, evenly. It spreads a crowd the most, and may try again at once.
    Full,
}

/// Delays that grow with each attempt, up to a cap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Before the first attempt. Default [`BACKOFF_INITIAL_DEFAULT`], at least [`BACKOFF_DELAY_MIN`].
    pub initial_delay: Duration,
    /// What a delay grows to; jitter comes on top. Default [`BACKOFF_MAX_DEFAULT`], from `initial_delay` to
    /// [`TIMEOUT_MAX`].
    pub max_delay: Duration,
    /// What each delay is multiplied by for the next. Default [`BACKOFF_FACTOR_DEFAULT`], at least 1.
    pub factor: f64,
    /// Default [`Jitter::Proportional`].
    pub jitter: Jitter,
}

impl Backoff {
    /// The wait before an attempt, counted from 0: `initial_delay * factor^attempt`, at most `max_delay`, then the jitter
    /// that `chance`, a random number from 0 to below 1, makes of it, in whole milliseconds, the rest cut off.
    ///
    /// Never longer than `max_delay` and its jitter, however large the attempt; what [`Backoff::check`] does not pass may
    /// give any other delay, and no panic.
    pub fn delay(&self, attempt: u32, chance: f64) -> Duration {
        // By multiplications: `powf` alone would bring in the mathematical library of C, 300 KB of memory at the start.
        let grown = millis(self.initial_delay) * self.factor.powi(i32::try_from(attempt).unwrap_or(i32::MAX));
        let delay = grown.min(millis(self.max_delay));
        let delay = match self.jitter {
            Jitter::None => delay,
            Jitter::Proportional => delay + delay * BACKOFF_JITTER * chance,
            Jitter::Full => delay * chance,
        };
        Duration::try_from_secs_f64(delay.floor() / MILLIS_PER_SECOND).unwrap_or(self.max_delay)
    }

    /// `Ok`, or one sentence that names the field, its value and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let Backoff { initial_delay, max_delay, factor, .. } = *self;
        if !(BACKOFF_DELAY_MIN..=TIMEOUT_MAX).contains(&initial_delay) {
            let allowed = format!("{BACKOFF_DELAY_MIN:?} to {TIMEOUT_MAX:?}");
            return Err(format!("Backoff::initial_delay = {initial_delay:?}; allowed: {allowed}"));
        }
        if !(initial_delay..=TIMEOUT_MAX).contains(&max_delay) {
            let allowed = format!("initial_delay ({initial_delay:?}) to {TIMEOUT_MAX:?}");
            return Err(format!("Backoff::max_delay = {max_delay:?}; allowed: {allowed}"));
        }
        if !(factor.is_finite() && factor >= 1.0) {
            return Err(format!("Backoff::factor = {factor}; allowed: 1 or more"));
        }
        Ok(())
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            initial_delay: BACKOFF_INITIAL_DEFAULT,
            max_delay: BACKOFF_MAX_DEFAULT,
            factor: BACKOFF_FACTOR_DEFAULT,
            jitter: Jitter::default(),
        }
    }
}

/// Exact for whole milliseconds, which seconds in floating point are not: 1.001 times a thousand is less than 1001.
fn millis(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / NANOS_PER_MILLI
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest random number there is.
    const JUST_BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;

    fn with(jitter: Jitter) -> Backoff {
        Backoff { jitter, ..Backoff::default() }
    }

    fn delays(backoff: Backoff, chance: f64) -> Vec<u128> {
        (0..8).map(|attempt| backoff.delay(attempt, chance).as_millis()).collect()
    }

    /// Attempts are shown from 1 and counted from 0: the fifth waits 16 s, the sixth is the first at the cap.
    #[test]
    fn the_delays_are_those_of_the_table() {
        let table = [
            (Jitter::None, 0.0, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]),
            (Jitter::None, JUST_BELOW_ONE, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]),
            (Jitter::Proportional, 0.0, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]),
            (Jitter::Proportional, 0.5, [1150, 2300, 4600, 9200, 18_400, 34_500, 34_500, 34_500]),
            (Jitter::Proportional, 0.999, [1299, 2599, 5198, 10_397, 20_795, 38_991, 38_991, 38_991]),
            (Jitter::Full, 0.0, [0; 8]),
            (Jitter::Full, 0.5, [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]),
            (Jitter::Full, 0.999, [999, 1998, 3996, 7992, 15_984, 29_970, 29_970, 29_970]),
        ];
        for (jitter, chance, expected) in table {
            assert_eq!(delays(with(jitter), chance), expected, "{jitter:?} at {chance}");
        }
    }

    #[test]
    fn jitter_comes_on_top_of_the_cap_and_never_reaches_its_end() {
        for attempt in [0, 4, 5, 1000, u32::MAX] {
            let least = with(Jitter::None).delay(attempt, JUST_BELOW_ONE);
            let most = with(Jitter::Proportional).delay(attempt, JUST_BELOW_ONE);
            assert!(least < most && most <= least.mul_f64(1.0 + BACKOFF_JITTER), "{most:?}");
            assert!(with(Jitter::Full).delay(attempt, JUST_BELOW_ONE) <= least);
        }
        assert!(with(Jitter::Proportional).delay(5, JUST_BELOW_ONE) <= Duration::from_secs(39));
    }

    #[test]
    fn what_is_below_a_millisecond_is_cut_off() {
        let of = |initial_delay| Backoff { initial_delay, jitter: Jitter::None, ..Backoff::default() };
        for (micros, millis) in [(999, 0), (1000, 1), (1001, 1), (1999, 1), (2000, 2), (1_234_567, 1234)] {
            assert_eq!(of(Duration::from_micros(micros)).delay(0, 0.0), Duration::from_millis(millis), "{micros} us");
        }
        for millis in (1..100_000).chain([86_399_999, 86_400_000]).map(Duration::from_millis) {
            let even = Backoff { max_delay: TIMEOUT_MAX, ..of(millis) };
            assert_eq!(even.delay(0, 0.0), millis);
        }
        let thirds = Backoff { factor: 4.0 / 3.0, jitter: Jitter::None, ..Backoff::default() };
        assert_eq!(delays(thirds, 0.0), [1000, 1333, 1777, 2370, 3160, 4213, 5618, 7491]);
    }

    #[test]
    fn a_factor_of_one_waits_the_same_each_time() {
        let even = Backoff { factor: 1.0, jitter: Jitter::None, ..Backoff::default() };
        for attempt in [0, 1, 100, u32::MAX] {
            assert_eq!(even.delay(attempt, 0.5), BACKOFF_INITIAL_DEFAULT);
        }
    }

    #[test]
    fn no_attempt_and_no_factor_is_too_large() {
        for factor in [1.0001, 2.0, 1e9, f64::MAX] {
            for attempt in [1_000_000, u32::MAX - 1, u32::MAX] {
                let backoff = Backoff { factor, jitter: Jitter::None, ..Backoff::default() };
                assert_eq!(backoff.delay(attempt, 0.0), BACKOFF_MAX_DEFAULT, "{factor} at {attempt}");
            }
        }
        // Nor does what no check passes panic.
        for factor in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -2.0, 0.0] {
            for (chance, max_delay) in [(0.5, Duration::MAX), (f64::NAN, Duration::ZERO), (-1e300, Duration::MAX)] {
                for jitter in [Jitter::None, Jitter::Proportional, Jitter::Full] {
                    let backoff = Backoff { initial_delay: Duration::MAX, max_delay, factor, jitter };
                    (0..4).for_each(|attempt| assert!(backoff.delay(attempt, chance) <= Duration::MAX));
                }
            }
        }
    }

    #[test]
    fn each_field_has_a_range_and_an_error_that_names_it() {
        let millis = Duration::from_millis;
        let of = |initial_delay, max_delay| Backoff { initial_delay, max_delay, ..Backoff::default() };
        let just = Duration::from_nanos(1);
        for (backoff, expected) in [
            (Backoff::default(), None),
            (of(millis(1), millis(1)), None),
            (of(TIMEOUT_MAX, TIMEOUT_MAX), None),
            (of(millis(1) - just, millis(2)), Some("Backoff::initial_delay = 999.999µs; allowed: 1ms to 86400s")),
            (of(Duration::ZERO, millis(2)), Some("Backoff::initial_delay = 0ns; ")),
            (of(TIMEOUT_MAX + just, TIMEOUT_MAX + just), Some("Backoff::initial_delay = ")),
            (
                of(millis(2), millis(2) - just),
                Some("Backoff::max_delay = 1.999999ms; allowed: initial_delay (2ms) to 86400s"),
            ),
            (of(millis(2), TIMEOUT_MAX + just), Some("Backoff::max_delay = ")),
            (Backoff { factor: 1.0, ..Backoff::default() }, None),
            (Backoff { factor: f64::MAX, ..Backoff::default() }, None),
            (Backoff { factor: 0.999, ..Backoff::default() }, Some("Backoff::factor = 0.999; allowed: 1 or more")),
            (Backoff { factor: f64::NAN, ..Backoff::default() }, Some("Backoff::factor = NaN; ")),
            (Backoff { factor: f64::INFINITY, ..Backoff::default() }, Some("Backoff::factor = inf; ")),
        ] {
            match (backoff.check(), expected) {
                (Ok(()), None) => {}
                (Err(line), Some(expected)) => assert!(line.starts_with(expected), "{line}"),
                (checked, expected) => panic!("{checked:?} in place of {expected:?}"),
            }
        }
    }
}
