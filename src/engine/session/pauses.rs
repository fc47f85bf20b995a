//! Why a session is not read, though its socket may have something: too many replies wait for its peer, or the host does not
//! want to hear more now.
//!
//! Not here: what waits meanwhile (`mod.rs` beside this file), reading less for lack of memory (`engine/ledger.rs`).

use super::{Phase, Session};
use crate::engine::shared::Shared;

/// One reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Pause {
    /// Too many replies wait in its queue.
    Replies = 1,
    /// The host has said so.
    Host = 2,
}

/// Any of them, and whether the shell waits for the end of them, in a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pauses(u8);

/// The shell wanted to read.
const TOLD: u8 = 4;

impl Pauses {
    /// Whether it is not read.
    pub fn any(self) -> bool {
        self.0 & !TOLD != 0
    }

    /// The shell has something to read, and is told that it may not.
    pub fn tell(&mut self) {
        if self.any() {
            self.0 |= TOLD;
        }
    }

    /// Whether the shell was told, which is forgotten.
    pub fn take_told(&mut self) -> bool {
        let told = self.0 & TOLD != 0;
        self.0 &= !TOLD;
        told
    }

    pub fn begin(&mut self, pause: Pause) {
        self.0 |= pause as u8;
    }

    /// Says whether it was one.
    pub fn end(&mut self, pause: Pause) -> bool {
        let before = *self;
        self.0 &= !(pause as u8);
        *self != before
    }

    pub fn holds(self, pause: Pause) -> bool {
        self.0 & pause as u8 != 0
    }
}

impl Session {
    /// Hears no more of the peer, whose silence says nothing from now on, not even that since the last heartbeat. `false`
    /// where no WebSocket is open.
    pub fn pause(&mut self) -> bool {
        let Phase::Open(open) = &mut self.phase else { return false };
        open.excuse_silence();
        self.paused.begin(Pause::Host);
        true
    }

    /// Goes on with what the peer has said meanwhile. `false` where it was not paused.
    pub fn resume(&mut self, shared: &mut Shared) -> bool {
        let was_paused = self.paused.end(Pause::Host);
        if was_paused {
            self.mark_ready(shared);
        }
        was_paused
    }
}
