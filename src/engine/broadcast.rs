//! One message to many sessions: encoded once, queued for each, and nobody waits for the slow.
//!
//! Not here: who is subscribed (`hub.rs`), how much a session may have waiting (`session/`).

use std::sync::Arc;

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
        let Broadcast { matched, slow, frame, .. } = broadcast;
        // From here on only the queues hold it.
        drop(frame);
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
    frame: Option<Arc<SharedFrame>>,
    matched: usize,
    /// Sessions without room for it.
    slow: Vec<ConnId>,
}

impl Broadcast<'_> {
    fn new(message: &PreparedMessage) -> Broadcast<'_> {
        Broadcast { message, frame: None, matched: 0, slow: Vec::new() }
    }

    /// Queues it for one session, if that is open and has room.
    fn deliver(&mut self, session: &mut Session, shared: &mut Shared) {
        if session.identity().is_none() {
            return;
        }
        self.matched += 1;
        let frame = self.message.frame();
        if session.has_room(shared, frame.len() + SEND_QUEUE_ENTRY_BYTES) {
            let frame = self.frame.get_or_insert_with(|| shared.ledger.share(frame)).clone();
            session.queue(shared).push_shared(frame);
            session.account(shared);
        } else {
            self.slow.push(session.id);
        }
    }
}
