//! How a test sees a session through to its end, and a world to its rest.
//!
//! Not here: what the host was told meanwhile (`history.rs`).

use std::time::Duration;

use barewire::engine::Fate;
use barewire::limits::{TICK_MILLIS, WHEEL_SLOTS};
use barewire::{ConnId, EngineConfig, Limits};

use super::frames::{self, Frame};
use super::{World, unpaced};

/// The limits of [`small`].
pub const MESSAGE_BYTES: usize = 600;
pub const FRAGMENTS: usize = 8;

/// A configuration in which a message is soon too big, and nobody too fast.
pub fn small() -> EngineConfig {
    let limits = Limits { message_bytes: MESSAGE_BYTES, fragments: FRAGMENTS, ..unpaced().limits };
    EngineConfig { limits, ..EngineConfig::default() }
}

impl World {
    /// What the peer has got since the last call, as frames.
    pub fn frames(&mut self, id: ConnId) -> Vec<Frame> {
        frames::decode(&self.take(id))
    }

    /// The last session of this world is over: the peer sees our end, ends its half, and the socket is dropped.
    pub fn see_through(&mut self, id: ConnId) {
        assert_eq!(self.engine.fate(id), Fate::CloseWhenWritten);
        assert!(self.peer(id).ended, "our half of the stream is ended");
        assert!(!self.is_gone(id), "the peer's end is awaited");
        self.end(id);
        assert!(self.is_gone(id));
        assert_eq!(self.engine.sessions(), 0);
        self.check_stories();
    }

    /// Panics unless no session is left, and nothing that would wake the driver once stale entries have left
    /// the timer wheel.
    pub fn assert_at_rest(&mut self) {
        assert_eq!((self.engine.sessions(), self.engine.open_sessions(), self.engine.channels()), (0, 0, 0));
        self.advance(Duration::from_millis(TICK_MILLIS * (WHEEL_SLOTS as u64 + 1)));
        assert_eq!(self.engine.poll_timeout(), None);
        self.check_stories();
    }
}
