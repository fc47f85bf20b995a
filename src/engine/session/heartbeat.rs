//! Whether a peer is alive, and how far away: what a session remembers of its heartbeats.
//!
//! Not here: when one is due, and what becomes of the silent (`open.rs`).

use std::time::Duration;

use crate::time::Now;

/// See the module.
#[derive(Debug)]
pub struct Heartbeat {
    /// Heard of since the last ping.
    is_alive: bool,
    /// The last ping is not answered yet.
    is_pinged: bool,
    /// Number of the last ping, its payload. It may come round: only the last one is awaited.
    ping: u16,
    /// When that was sent, in microseconds of the monotonic clock; [`u64::MAX`] where none was.
    pinged_us: u64,
    /// [`u32::MAX`] where none is known.
    round_trip_us: u32,
}

impl Heartbeat {
    /// A peer that has just come in.
    pub fn new() -> Heartbeat {
        Heartbeat { is_alive: true, is_pinged: false, ping: 0, pinged_us: u64::MAX, round_trip_us: u32::MAX }
    }

    /// Whether the peer has been heard of since the last ping, or was not listened to.
    pub fn is_alive(&self) -> bool {
        self.is_alive
    }

    /// The peer gave a sign of life.
    pub fn hear(&mut self) {
        self.is_alive = true;
    }

    /// A ping is sent: its payload. Silence of a peer that is not read says nothing (it has other deadlines).
    pub fn ping(&mut self, now: Now, is_read: bool) -> [u8; 2] {
        self.is_alive = !is_read;
        self.is_pinged = true;
        self.ping = self.ping.wrapping_add(1);
        self.pinged_us = now.mono_us;
        self.ping.to_be_bytes()
    }

    /// A pong has come. Only the first answer to the last ping measures anything.
    pub fn take_pong(&mut self, now: Now, payload: &[u8]) {
        if self.is_pinged && payload == self.ping.to_be_bytes() {
            self.is_pinged = false;
            self.round_trip_us = u32::try_from(now.mono_us.saturating_sub(self.pinged_us)).unwrap_or(u32::MAX);
        }
    }

    /// Whether the last ping is not answered yet. A sign of life of another kind is no answer.
    pub fn awaits_pong(&self) -> bool {
        self.is_pinged
    }

    /// When the last ping was sent, in microseconds of the monotonic clock.
    pub fn pinged_at(&self) -> Option<u64> {
        (self.pinged_us != u64::MAX).then_some(self.pinged_us)
    }

    /// The round trip of the last ping that was answered; `None` also where that took more than 71 minutes.
    pub fn round_trip(&self) -> Option<Duration> {
        (self.round_trip_us != u32::MAX).then(|| Duration::from_micros(self.round_trip_us.into()))
    }
}
