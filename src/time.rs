//! A moment as everything here knows it: [`Now`] is read by the driver once a turn and handed down; nothing below
//! reads a clock, so that tokens, timestamps and deadlines can be replayed.
//!
//! Not here: deadlines (`engine/timer.rs`), the clocks themselves (`net/io.rs`), dates as text (`wire/date.rs`).

use std::time::Duration;

/// A moment: the monotonic clock for all deadlines, the wall clock for timestamps and token expiry.
///
/// A monotonic time that goes backwards is treated as standing still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Microseconds since an arbitrary moment, the same for the life of the engine.
    pub mono_us: u64,
    /// Milliseconds since 1970-01-01 UTC, as the system believes it to be.
    pub unix_ms: u64,
}

/// A time span as [`Now::mono_us`] counts it; one too long for that lasts for ever.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
