//! One message to many sessions: encoded once, deflated once for each window size, queued for each, and nobody waits for
//! the slow.
//!
//! Not here: who is subscribed (`hub.rs`), how much a session may have waiting (`session/`).

use std::sync::Arc;

use crate::engine::compression::{Deflate, WINDOWS, window};
use crate::engine::hub::ConnId;
use crate::engine::ledger::SharedFrame;
use crate::engine::session::Session;
use crate::engine::shared::Shared;
use crate::engine::{Engine, Published};
use crate::error::CloseReason;
use crate::limits::SEND_QUEUE_ENTRY_BYTES;
use crate::wire::websocket::PreparedMessage;

impl Engine {
    /// Queues one encoded message for every subscriber of `channel`. Never waits: a session whose queue has
    /// no room for it is cut with 1013 and loses it, all others get it.
    pub fn publish(&mut self, channel: &str, message: &PreparedMessage, except: Option<ConnId>) -> Published {
        let mut broadcast = Broadcast::new(message);
        for &id in self.hub.subscribers(channel) {
            if Some(id) != except
                && let Some(session) = self.sessions.get_mut(id.index())
            {
                broadcast.deliver(session, &mut self.shared);
            }
        }
        self.finish(broadcast)
    }

    /// The same for every open session.
    pub fn publish_to_all(&mut self, message: &PreparedMessage, except: Option<ConnId>) -> Published {
        let mut broadcast = Broadcast::new(message);
        for (_, session) in &mut self.sessions {
            if Some(session.id) != except {
                broadcast.deliver(session, &mut self.shared);
            }
        }
        self.finish(broadcast)
    }

    /// Cuts those that a broadcast found slow.
    fn finish(&mut self, broadcast: Broadcast<'_>) -> Published {
        let Broadcast { matched, slow, plain, deflated, .. } = broadcast;
        // From here on only the queues hold it.
        drop((plain, deflated));
        let dropped = slow.len();
        for id in slow {
            self.with(id, |session, shared| session.cut(shared, CloseReason::SlowConsumer));
        }
        self.settle();
        Published { matched, queued: matched - dropped, dropped }
    }
}

/// One message on its way to many sessions.
struct Broadcast<'a> {
    message: &'a PreparedMessage,
    /// The frame that the queues share, once one has taken it.
    plain: Option<Arc<SharedFrame>>,
    /// The same for sessions that take it deflated, by window size: it is deflated for the first of each.
    deflated: [Option<Arc<SharedFrame>>; WINDOWS],
    matched: usize,
    /// Sessions without room for it.
    slow: Vec<ConnId>,
}

impl Broadcast<'_> {
    fn new(message: &PreparedMessage) -> Broadcast<'_> {
        Broadcast { message, plain: None, deflated: [const { None }; WINDOWS], matched: 0, slow: Vec::new() }
    }

    /// Queues it for one session, if that is open and has room.
    fn deliver(&mut self, session: &mut Session, shared: &mut Shared) {
        if session.identity().is_none() {
            return;
        }
        self.matched += 1;
        let deflate = session.deflate();
        // A session with a compressor of its own gets from that what is not too large.
        let shares = deflate.filter(|deflate| !deflate.has_own(self.message.payload().len()));
        let frame = self.frame(shares, shared);
        if !session.has_room(shared, frame.bytes().len() + SEND_QUEUE_ENTRY_BYTES) {
            self.slow.push(session.id);
            return;
        }
        let is_own = deflate.is_some() && shares.is_none();
        if !is_own || !session.push_deflated(shared, self.message.kind(), self.message.payload()) {
            session.queue(shared).push_shared(frame);
        }
        if let Some(deflate) = shares {
            shared.compression.skip(deflate);
        }
        session.account(shared);
    }

    /// The frame for sessions with such an agreement, or none.
    fn frame(&mut self, deflate: Option<Deflate>, shared: &mut Shared) -> Arc<SharedFrame> {
        let plain = |plain: &mut Option<Arc<SharedFrame>>, shared: &Shared| {
            plain.get_or_insert_with(|| shared.ledger.share(self.message.frame())).clone()
        };
        let Some(bits) = deflate.and_then(Deflate::window_bits) else { return plain(&mut self.plain, shared) };
        let Some(slot) = self.deflated.get_mut(window(bits)) else { return plain(&mut self.plain, shared) };
        if let Some(frame) = slot {
            return frame.clone();
        }
        let frame = match shared.compression.deflate_for_all(bits, self.message) {
            Some(frame) => shared.ledger.share(&frame),
            None => plain(&mut self.plain, shared),
        };
        slot.insert(frame).clone()
    }
}
