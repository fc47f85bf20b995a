//! What a session makes the process hold: its weight, without a look at the pieces.
//!
//! Not here: the sum over all, and what is done about it (`engine/ledger.rs`).

#[cfg(any(test, debug_assertions))]
use std::sync::Arc;

use super::{Beginning, Phase, Session};
#[cfg(any(test, debug_assertions))]
use crate::engine::ledger::SharedFrame;
use crate::engine::shared::Shared;
use crate::error::CloseReason;
use crate::limits::{MEMBERSHIP_BYTES, PLAIN_SESSION_BYTES, TLS_SESSION_BYTES};
use crate::wire::websocket::{Context, FrameWalker};

/// What a session weighs that holds nothing.
pub(in crate::engine) fn fixed_weight(secure: bool) -> usize {
    if secure { TLS_SESSION_BYTES } else { PLAIN_SESSION_BYTES }
}

/// What frames under way weigh: a context, and what has come of a message.
pub(super) fn weight_of_frames(walker: &FrameWalker, context: Option<&Context>) -> usize {
    context.map_or(0, |context| context.weight() + walker.held())
}

impl Session {
    /// Enters in the account what the session holds now; what it weighs by itself was entered when it came.
    pub fn account(&mut self, shared: &mut Shared) {
        let load = u32::try_from(self.load()).unwrap_or(u32::MAX);
        if load != self.charged {
            shared.ledger.enter(self.charged, load);
            self.charged = load;
        }
    }

    /// All that goes when the session goes, in bytes; broadcasts are not counted, for others may hold them too.
    #[cfg(any(test, debug_assertions))]
    pub fn weight(&self) -> usize {
        fixed_weight(self.secure) + self.load()
    }

    /// What it holds beside being there.
    fn load(&self) -> usize {
        self.inbound()
            + self.memberships.count() * MEMBERSHIP_BYTES
            + self.queue.as_ref().map_or(0, |queue| queue.weight())
            + self.held as usize
    }

    /// What it has sent that is not done with: leftovers, a head, a part of a message, one that is being inflated, messages
    /// that wait for a verdict; and the contexts of DEFLATE that are kept for it.
    pub fn inbound(&self) -> usize {
        let under_way = match &self.phase {
            Phase::Head(head) => head.weight(),
            Phase::Await(waiting) => waiting.weight(),
            Phase::HeadOut(asked) => asked.weight(),
            Phase::Open(open) => open.weight(),
            Phase::Closing(closing) => closing.weight(),
            Phase::Body { .. } | Phase::Ending | Phase::Gone => 0,
        };
        self.leftover.weight() + under_way
    }

    /// What its end may free: its load and the broadcasts that it keeps, perhaps not alone. 0 for one that only is there.
    pub fn burden(&self) -> usize {
        self.load() + self.queue.as_ref().map_or(0, |queue| queue.pinned())
    }

    /// What the shell holds for this session: input that is not plain text yet, and ciphertext that is not sent.
    pub fn handle_held(&mut self, bytes: u32) {
        // The shell drops the connection of one that has gone, with all it holds, before the turn ends.
        if !matches!(self.phase, Phase::Gone) {
            self.held = bytes;
        }
    }

    /// What the shell holds for it, as last told.
    pub fn held(&self) -> u32 {
        self.held
    }

    /// It has gone: nothing is held for it any more.
    pub fn discharge(self, shared: &mut Shared) {
        shared.ledger.enter(self.charged, 0);
        shared.ledger.leave(fixed_weight(self.secure));
        if self.beginning == Beginning::TurnedAway {
            shared.ledger.forget_turned_away();
        }
    }

    /// It is not read until there is memory again. Says whether it was so far.
    pub fn starve(&mut self) -> bool {
        !std::mem::replace(&mut self.is_starved, true)
    }

    /// It may be read again.
    pub fn feed(&mut self) {
        self.is_starved = false;
    }

    /// Whether it is not read for lack of memory.
    pub fn is_starved(&self) -> bool {
        self.is_starved
    }

    /// It holds the most, and the peers too much: an open session is cut with 1013, any other is dropped at once.
    pub fn overload(&mut self, shared: &mut Shared) {
        match &self.phase {
            Phase::Open(_) => self.cut(shared, CloseReason::Overloaded),
            Phase::Head(_) | Phase::Body { .. } | Phase::Await(_) | Phase::HeadOut(_) => {
                self.vanish(shared, CloseReason::Overloaded);
            }
            Phase::Closing(..) | Phase::Ending => self.vanish(shared, CloseReason::Overloaded),
            Phase::Gone => {}
        }
    }

    /// The broadcasts in its queue.
    #[cfg(any(test, debug_assertions))]
    pub fn frames(&self) -> impl Iterator<Item = &Arc<SharedFrame>> {
        self.queue.iter().flat_map(|queue| queue.frames())
    }
}
