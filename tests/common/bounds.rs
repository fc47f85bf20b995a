//! What the limits by time and by address must allow, once more in their plainest form, for the model of the simulation.
//!
//! Not here: what is said and answered (`model.rs`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use barewire::Limits;
use barewire::limits::{REFUSALS_PER_WINDOW, RateAlgorithm};

const MINUTE_US: u64 = 60_000_000;

/// The messages of one session.
#[derive(Debug, Default)]
pub struct Pace {
    start_us: u64,
    count: u128,
    /// When a bucket is empty again, in microseconds times the messages of a window.
    empty_at: u128,
}

impl Pace {
    /// Whether a message that comes now is one too many, and whether it is one refusal too many.
    pub fn refuses(&mut self, now_us: u64, limits: &Limits) -> (bool, bool) {
        let (most, window_us) = (limits.messages_per_window as u128, limits.window.as_micros());
        if most == 0 {
            return (false, false);
        }
        let now = u128::from(now_us) * most;
        let is_bucket = limits.rate_algorithm == RateAlgorithm::Bucket;
        if is_bucket && self.empty_at.max(now) - now + window_us <= most * window_us {
            self.empty_at = self.empty_at.max(now) + window_us;
            return (false, false);
        }
        if self.count == 0 || u128::from(now_us - self.start_us) >= window_us {
            (self.start_us, self.count) = (now_us, 0);
        }
        self.count += 1;
        let refusals = if is_bucket { self.count } else { self.count.saturating_sub(most) };
        (refusals > 0, refusals >= u128::from(REFUSALS_PER_WINDOW))
    }
}

/// What is counted by address.
#[derive(Debug, Default)]
pub struct Addresses {
    connections: BTreeMap<String, usize>,
    /// When the minute began, and how many there were in it.
    failures: BTreeMap<String, (u64, usize)>,
}

impl Addresses {
    /// A connection comes; says whether its address has as many as it may.
    pub fn enter(&mut self, address: &str, limits: &Limits) -> bool {
        let present = self.connections.entry(address.into()).or_default();
        *present += 1;
        limits.connections_per_ip > 0 && *present > limits.connections_per_ip
    }

    pub fn leave(&mut self, address: &str) {
        *self.connections.get_mut(address).expect("it came") -= 1;
    }

    pub fn is_empty(&self) -> bool {
        self.connections.values().all(|count| *count == 0)
    }

    pub fn fail(&mut self, address: &str, now_us: u64) {
        let (start_us, count) = self.failures.entry(address.into()).or_insert((now_us, 0));
        if now_us - *start_us >= MINUTE_US {
            (*start_us, *count) = (now_us, 0);
        }
        *count += 1;
    }

    pub fn is_blocked(&self, address: &str, now_us: u64, limits: &Limits) -> bool {
        let most = limits.auth_failures_per_minute;
        let is_over = |start_us: u64, count: usize| now_us - start_us < MINUTE_US && count >= most;
        most > 0 && self.failures.get(address).is_some_and(|&(start_us, count)| is_over(start_us, count))
    }
}

/// What counts as one address.
pub fn address(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("{:x?}", &ip.segments()[..4]),
    }
}
