//! What all sessions of an engine share, one at a time: the configuration, the lent WebSocket context, the pool of empty
//! send queues, what a turn may still spend, the events for the host, and the lists of sessions that need service.
//!
//! Not here: the sessions themselves (`engine/session/`), the calls of a host (`engine/mod.rs`).

use std::collections::VecDeque;

use crate::auth::{Authenticate, Identity};
use crate::engine::addresses::Addresses;
use crate::engine::compression::Compression;
use crate::engine::hub::ConnId;
use crate::engine::ledger::Ledger;
use crate::engine::newcomers::Newcomers;
use crate::engine::send_queue::SendQueue;
use crate::engine::timer::{TimerTable, TimerWheel};
use crate::engine::{EngineConfig, Event};
use crate::error::CloseReason;
use crate::limits::{FLUSH_BYTES, FRAMES_PER_TURN, READ_BYTES_PER_TURN, SEND_QUEUE_POOL, SEND_QUEUE_POOL_BYTES};
use crate::time::Now;
use crate::wire::websocket::{Context, Role, deflated_bound};

/// What one session may have in one turn, and has not had yet.
#[derive(Debug)]
pub(super) struct Share {
    /// Frames.
    pub frames: usize,
    /// What its messages may cost to inflate, in bytes of output.
    pub inflated: usize,
    /// How many events there were before.
    pub events_before: usize,
}

impl Share {
    /// Nothing is spent yet.
    pub fn whole(events_before: usize) -> Share {
        Share { frames: FRAMES_PER_TURN, inflated: READ_BYTES_PER_TURN, events_before }
    }
}

/// See the module.
pub(super) struct Shared {
    pub config: EngineConfig,
    pub authenticator: Box<dyn Authenticate>,
    pub now: Now,
    pub wheel: TimerWheel,
    /// What the peers make the process hold.
    pub ledger: Ledger,
    /// What the host has not taken yet.
    pub events: VecDeque<Event>,
    /// Sessions with something to write, or to be dropped. Each is in it once.
    pub dirty: VecDeque<ConnId>,
    /// Sessions with input left over, with a message being inflated, or that may be read again. Each is in it once.
    pub ready: VecDeque<ConnId>,
    /// The same, of those who had this turn's share of something that not all get one of: they come behind the others.
    pub ready_last: VecDeque<ConnId>,
    /// A queue has grown large that may only wait to be written, or all together have.
    pub flush_due: bool,
    /// What was sent to single sessions since all was last written.
    unflushed_bytes: usize,
    /// Sessions that have ended since the hub was last told.
    pub departed: Vec<ConnId>,
    /// Open sessions.
    pub open: usize,
    /// What the context had to say while a session was served.
    pub replies: Vec<u8>,
    pub compression: Compression,
    /// What the session that is served may still have in this turn.
    pub share: Share,
    pub addresses: Addresses,
    pub newcomers: Newcomers,
    /// Clean contexts, for the session being served: where we are the server, and where we are the client.
    lent: Option<Box<Context>>,
    lent_to_client: Option<Box<Context>>,
    #[expect(clippy::vec_box, reason = "sessions hold them boxed")]
    queues: Vec<Box<SendQueue>>,
    /// What those hold of memory.
    pool_bytes: usize,
    chance: u64,
}

impl Shared {
    pub fn new(config: EngineConfig, authenticator: Box<dyn Authenticate>, now: Now, seed: u64) -> Shared {
        let limits = &config.limits;
        Shared {
            ledger: Ledger::new(limits.max_memory),
            addresses: Addresses::new(
                &config.trusted_proxies,
                limits.connections_per_ip,
                limits.auth_failures_per_minute,
            ),
            compression: Compression::new(&config.deflate),
            share: Share::whole(0),
            newcomers: Newcomers::default(),
            config,
            authenticator,
            now,
            wheel: TimerWheel::new(now),
            events: VecDeque::new(),
            dirty: VecDeque::new(),
            ready: VecDeque::new(),
            ready_last: VecDeque::new(),
            flush_due: false,
            unflushed_bytes: 0,
            departed: Vec::new(),
            open: 0,
            replies: Vec::new(),
            lent: None,
            lent_to_client: None,
            queues: Vec::new(),
            pool_bytes: 0,
            chance: seed,
        }
    }

    /// Counts what was sent to one session: much of it is written before more is read, while it is warm in the caches, and so
    /// that its memory serves the next.
    pub fn count_sent(&mut self, bytes: usize) {
        self.unflushed_bytes = self.unflushed_bytes.saturating_add(bytes);
        self.flush_due |= self.unflushed_bytes >= FLUSH_BYTES;
    }

    /// All that waited has been offered to the sockets.
    pub fn handle_flushed(&mut self) {
        self.unflushed_bytes = 0;
    }

    /// The context for the session being served, in which this side has this role.
    pub fn lend_context(&mut self, role: Role) -> Box<Context> {
        let lent = match role {
            Role::Server => &mut self.lent,
            Role::Client => &mut self.lent_to_client,
        };
        lent.take().unwrap_or_else(|| self.new_context(role))
    }

    /// A context for the largest message that a peer may send, deflated or not.
    pub fn new_context(&self, role: Role) -> Box<Context> {
        let message_bytes = self.config.limits.message_bytes;
        let most = if self.config.deflate.enabled { deflated_bound(message_bytes) } else { message_bytes };
        Box::new(Context::new(role, most))
    }

    /// Takes a context back from a session that is clean.
    pub fn return_context(&mut self, context: Box<Context>) {
        if !context.is_small() {
            return;
        }
        match context.role() {
            Role::Server => self.lent = Some(context),
            Role::Client => self.lent_to_client = Some(context),
        }
    }

    /// An empty queue for a session that has something to say.
    pub fn lend_queue(&mut self) -> Box<SendQueue> {
        let Some(queue) = self.queues.pop() else { return Box::default() };
        self.pool_bytes -= queue.kept();
        queue
    }

    /// Takes an emptied queue back.
    pub fn return_queue(&mut self, queue: Box<SendQueue>) {
        debug_assert!(queue.is_empty(), "a queue is returned empty");
        let bytes = self.pool_bytes + queue.kept();
        if self.queues.len() < SEND_QUEUE_POOL && bytes <= SEND_QUEUE_POOL_BYTES {
            self.pool_bytes = bytes;
            self.queues.push(queue);
        }
    }

    /// Whether a session waits for the driver.
    pub fn is_any_ready(&self) -> bool {
        !self.ready.is_empty() || !self.ready_last.is_empty()
    }

    /// Whether nothing waits for anybody.
    pub fn is_at_rest(&self) -> bool {
        self.events.is_empty() && self.dirty.is_empty() && !self.is_any_ready() && self.departed.is_empty()
    }

    /// Lets go of what is kept for the next, and of the room in lists. Nothing waits.
    pub fn shrink(&mut self) {
        (self.queues, self.pool_bytes) = (Vec::new(), 0);
        (self.lent, self.lent_to_client) = (None, None);
        (self.events, self.dirty, self.ready) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        (self.ready_last, self.departed, self.replies) = (VecDeque::new(), Vec::new(), Vec::new());
        self.newcomers.shrink();
        self.ledger.shrink();
    }

    /// Puts a session's earliest deadline on the wheel.
    pub fn arm(&mut self, id: ConnId, timers: &mut TimerTable) {
        // A slab of sessions never grows past u32: their ids hold the index in 32 bits.
        self.wheel.arm(u32::try_from(id.index()).unwrap_or(u32::MAX), timers);
    }

    /// Takes back the messages of a session that the host has not seen yet, and the refusals of messages between them.
    pub fn take_back_messages(&mut self, session: ConnId) -> Vec<Event> {
        let is_taken = |event: &Event| match event {
            Event::Message { id, .. } | Event::RateLimited { id } => *id == session,
            Event::Accepted { .. }
            | Event::Request { .. }
            | Event::Connected { .. }
            | Event::Refused { .. }
            | Event::Open { .. }
            | Event::Renewed { .. }
            | Event::Closed { .. } => false,
        };
        let (taken, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.events).into_iter().partition(is_taken);
        self.events = left.into();
        taken
    }

    /// Tells the host that a session is over.
    pub fn closed(&mut self, id: ConnId, identity: Option<Identity>, reason: CloseReason) {
        self.open -= usize::from(identity.is_some());
        self.departed.push(id);
        self.events.push_back(Event::Closed { id, identity, reason });
    }

    /// A number below `bound`, from the seed (splitmix64): for spreading, not for secrets.
    pub fn chance(&mut self, bound: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::NoAuth;
    use crate::limits::SEND_QUEUE_KEEP_BYTES;

    /// One that has sent so many bytes of its own.
    fn emptied(bytes: usize) -> Box<SendQueue> {
        let mut queue = Box::<SendQueue>::default();
        queue.push_http(|out| {
            out.reserve_exact(bytes);
            out.resize(bytes, 0);
        });
        queue.advance(bytes);
        queue
    }

    #[test]
    fn queues_are_kept_up_to_so_many_and_so_much_memory_of_all_together() {
        for (bytes, by_count) in [(1, true), (SEND_QUEUE_KEEP_BYTES, false)] {
            let now = Now { mono_us: 0, unix_ms: 0 };
            let mut shared = Shared::new(EngineConfig::default(), Box::new(NoAuth), now, 0);
            for _ in 0..=SEND_QUEUE_POOL {
                shared.return_queue(emptied(bytes));
            }
            let each = emptied(bytes).kept();
            let kept = if by_count { SEND_QUEUE_POOL } else { SEND_QUEUE_POOL_BYTES / each };
            assert!(each >= bytes && kept <= SEND_QUEUE_POOL);
            assert_eq!((shared.queues.len(), shared.pool_bytes), (kept, kept * each), "{bytes} bytes each");
            (0..=kept).for_each(|_| drop(shared.lend_queue()));
            assert_eq!((shared.queues.len(), shared.pool_bytes), (0, 0));
        }
    }
}
