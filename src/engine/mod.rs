//! All sessions, without I/O: bytes, the time and commands go in; bytes, events and the next deadline come
//! out. No socket, no clock, no file.
//!
//! # The driver's contract
//!
//! `net/server.rs` is the driver for sockets; a test is another. Each turn:
//!
//! 1. [`Engine::handle_now`] with the time, read once. Where [`Engine::poll_ebb`] then says so, a driver may make its own
//!    tables small, as the engine has.
//! 2. [`Engine::handle_accept`] for a new connection, [`Engine::handle_connected`] for one of ours that stands;
//!    [`Engine::handle_input`], [`Engine::handle_end`] or
//!    [`Engine::handle_error`] for what its socket brought, as far as [`Engine::intake`] allows; then
//!    [`Engine::handle_held`]. [`Engine::handle_hang_up`] where the peer's end is seen and must not be read up to.
//! 3. After each of these, [`Engine::poll_event`] until `None`: the host answers by [`Engine::send`],
//!    [`Engine::publish`], [`Engine::respond`], …
//!    Then, if [`Engine::poll_flush_due`] says so, step 6 at once.
//! 4. [`Engine::poll_ready`], at most [`Engine::ready`] times, asked before: sessions with input left over, with a message
//!    that is still being inflated, or that may be read again; step 3 after each. One that must wait for the next turn
//!    is ready again at once: a loop until `None` need not end.
//! 5. [`Engine::poll_timeout_due`], a bounded number of times: deadlines; step 3 after each.
//! 6. [`Engine::poll_dirty`] until `None`: write [`Engine::output`], tell [`Engine::handle_written`] and
//!    [`Engine::handle_held`], obey [`Engine::fate`]; when the socket is closed, [`Engine::handle_released`].
//! 7. Sleep for [`Engine::poll_timeout`], which is zero while anything is left for 3 to 6.
//!
//! A session in the client role begins with [`Engine::connect`], at any time, and has no socket at first: it has nothing to
//! write and is not read, but it has a deadline and may end. [`Engine::handle_connected`] says that its socket stands, or
//! [`Engine::handle_error`], with [`CloseReason::NotConnected`], that none will. From there on it is as any other.
//!
//! [`Engine::mark_ready`] and [`Engine::mark_dirty`] put a session on the lists of 4 and 6 again, for what only
//! the driver can know: that its socket may hold more, or has room again.
//!
//! An id whose session has gone is accepted everywhere and does nothing.
//!
//! Not here: sockets, TLS and the clock (`net/`); what a message means (`app/`); when a client tries again (`client/`).

mod addresses;
mod broadcast;
mod compression;
mod config;
mod door;
mod ebb;
mod event;
mod hub;
mod ledger;
mod network;
mod newcomers;
mod outbound;
mod rate;
mod send_queue;
mod session;
mod shared;
mod timer;

pub use config::{EngineConfig, RefuseBy};
pub use event::{Event, Fate, Intake, Published, Refused, SubscribeError};
pub use hub::ConnId;
pub use network::Network;
pub use send_queue::SendQueue;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use slab::Slab;

use crate::auth::{Authenticate, Identity, Ticket, Verdict};
use crate::engine::ebb::{Tide, keep_room_for_messages};
use crate::engine::hub::{Directory, Hub, Memberships};
use crate::engine::session::{Heartbeat, Session};
use crate::engine::shared::Shared;
use crate::error::CloseReason;
use crate::limits::{CHANNEL_NAME_BYTES, CONNECTIONS_RESERVED};
use crate::time::Now;
use crate::wire::http::Response;
use crate::wire::websocket::Message;

/// All sessions. See the module for the order of calls.
///
/// The driver's are those named `handle_*`, `mark_*` and `poll_*`, and [`Engine::connect`], [`Engine::ready`],
/// [`Engine::has_events`], [`Engine::output`], [`Engine::intake`], [`Engine::fate`] and [`Engine::drop_all`]. All others are
/// the host's, and where a server is the driver it makes no others.
pub struct Engine {
    sessions: Slab<Session>,
    tide: Tide,
    generation: u32,
    hub: Hub,
    shared: Shared,
}

impl Directory for Slab<Session> {
    fn memberships(&mut self, id: ConnId) -> Option<&mut Memberships> {
        self.get_mut(id.index()).map(|session| &mut session.memberships)
    }
}

impl Engine {
    /// An engine without sessions. Limits are taken as they are: [`Limits::check`](crate::Limits::check) tells whether they
    /// can be. `seed` decides all that is left to chance; the same seed, times and bytes
    /// make the same run.
    pub fn new(config: EngineConfig, authenticator: Box<dyn Authenticate>, now: Now, seed: u64) -> Engine {
        keep_room_for_messages();
        Engine {
            sessions: Slab::with_capacity(CONNECTIONS_RESERVED),
            tide: Tide::default(),
            generation: 0,
            hub: Hub::default(),
            shared: Shared::new(config, authenticator, now, seed),
        }
    }

    // --- in: the driver ---

    /// The time, once a turn. A monotonic time that goes backwards is taken for standing still. What a turn may spend for
    /// all sessions together is whole again: what could not be closed in the last one for lack of memory may be closed now,
    /// and large messages are inflated further.
    pub fn handle_now(&mut self, now: Now) {
        let mono_us = now.mono_us.max(self.shared.now.mono_us);
        self.shared.now = Now { mono_us, ..now };
        self.shared.ready.append(&mut self.shared.ready_last);
        self.shared.ledger.begin_turn();
        self.shared.compression.begin_turn();
        self.settle();
        self.ebb();
    }

    /// What the peer sent, in plain text. Whatever cannot be looked at now is kept; [`Engine::intake`] says
    /// how much to read.
    pub fn handle_input(&mut self, id: ConnId, input: &[u8]) {
        self.with(id, |session, shared| session.handle_input(shared, input));
    }

    /// The peer has ended its half of the stream. What came before is answered first.
    pub fn handle_end(&mut self, id: ConnId) {
        self.with(id, |session, shared| session.handle_end(shared));
    }

    /// The transport has failed, for this reason. After [`CloseReason::Tls`] the shell may still have an alert
    /// to write: obey [`Engine::fate`].
    pub fn handle_error(&mut self, id: ConnId, reason: CloseReason) {
        self.with(id, |session, shared| session.handle_error(shared, reason));
    }

    /// The shell wrote from [`Engine::output`]. `progress`: any byte; `pending`: something still waits, here
    /// or in the shell.
    pub fn handle_written(&mut self, id: ConnId, progress: bool, pending: bool) {
        self.with(id, |session, shared| session.handle_written(shared, progress, pending));
    }

    /// What the shell holds for a session in memory, in bytes: input that is not plain text yet, and output that is
    /// encrypted already. Told whenever it may have changed; cheap where it has not.
    pub fn handle_held(&mut self, id: ConnId, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if self.session(id).is_some_and(|session| session.held() != bytes) {
            self.with(id, |session, _| session.handle_held(bytes));
        }
    }

    /// The socket is closed: the session's slot is free.
    pub fn handle_released(&mut self, id: ConnId) {
        self.with(id, |session, shared| session.vanish(shared, CloseReason::PeerVanished));
        if let Some(session) = self.session(id) {
            let (peer, is_outbound) = (session.peer, session.is_outbound());
            if !is_outbound {
                self.shared.addresses.leave(peer.ip());
            }
            self.sessions.remove(id.index()).discharge(&mut self.shared);
            self.tide.fall(self.shared.now.mono_us);
        }
    }

    // --- out: the driver ---

    /// Goes on with one session that has input left over, or a message that is being inflated, and names it: it may be
    /// read again if [`Engine::intake`] says so. It may be ready again by then. Those that were not read for lack of memory
    /// come first, as soon as there is some: the others may be ready for ever.
    pub fn poll_ready(&mut self) -> Option<ConnId> {
        let Shared { ready, ledger, .. } = &mut self.shared;
        let starved = ledger.poll_starved();
        let id = starved.or_else(|| ready.pop_front())?;
        self.with(id, |session, shared| {
            match starved {
                Some(_) => session.feed(),
                None => session.unmark_ready(),
            }
            match shared.ledger.is_due() {
                true => session.mark_ready(shared),
                false => session.handle_ready(shared),
            }
        });
        Some(id)
    }

    /// How many sessions wait for [`Engine::poll_ready`].
    pub fn ready(&self) -> usize {
        self.shared.ready.len() + self.shared.ledger.resumable()
    }

    /// Asks to be named by [`Engine::poll_ready`] again: the socket may hold more.
    pub fn mark_ready(&mut self, id: ConnId) {
        self.with(id, |session, shared| session.mark_ready(shared));
    }

    /// Looks at one session whose time may have come; `false` when there is none.
    pub fn poll_timeout_due(&mut self) -> bool {
        let Some(index) = self.shared.wheel.poll(self.shared.now) else { return false };
        if let Some(id) = self.sessions.get(index as usize).map(|session| session.id) {
            self.with(id, |session, shared| session.handle_timeout(shared));
        }
        true
    }

    /// Names one session that has something to write, or whose socket is to be closed.
    pub fn poll_dirty(&mut self) -> Option<ConnId> {
        let Some(id) = self.shared.dirty.pop_front() else {
            self.shared.handle_flushed();
            return None;
        };
        if let Some(session) = self.session_mut(id) {
            session.unmark_dirty();
        }
        Some(id)
    }

    /// Asks to be named by [`Engine::poll_dirty`] again: the shell has something to write, or not written all.
    pub fn mark_dirty(&mut self, id: ConnId) {
        self.with(id, |session, shared| session.mark_dirty(shared));
    }

    /// What waits to be written to this session's socket.
    pub fn output(&mut self, id: ConnId) -> Option<&mut SendQueue> {
        self.session_mut(id)?.output()
    }

    /// What to do with the socket's input: asked before each read. Whoever is told to pause is named by
    /// [`Engine::poll_ready`] when that is over.
    pub fn intake(&mut self, id: ConnId) -> Intake {
        let intake = self.session_mut(id).map_or(Intake::Discard, Session::intake);
        self.ration(id, intake)
    }

    /// What to do with the socket. [`Fate::Drop`] for an id whose session has gone.
    pub fn fate(&self, id: ConnId) -> Fate {
        self.session(id).map_or(Fate::Drop, Session::fate)
    }

    /// Whether step 6 is due now, in the middle of a turn: a queue has grown large that may only wait for it.
    /// Answered once.
    pub fn poll_flush_due(&mut self) -> bool {
        std::mem::take(&mut self.shared.flush_due)
    }

    /// The next event for the host.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.events.pop_front()
    }

    /// Whether [`Engine::poll_event`] has one.
    pub fn has_events(&self) -> bool {
        !self.shared.events.is_empty()
    }

    /// How long the driver may sleep: zero while there are events, sessions to go on with, or output;
    /// `None` when only a socket can bring anything.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let Shared { events, dirty, ledger, .. } = &self.shared;
        let is_short = ledger.is_due() || ledger.resumable() > 0;
        if !events.is_empty() || self.shared.is_any_ready() || !dirty.is_empty() || is_short {
            return Some(Duration::ZERO);
        }
        self.shared.wheel.poll_timeout(self.shared.now).into_iter().chain(self.until_ebb()).min()
    }

    // --- the host ---

    /// Queues a message for one session. `false` when it is not open, or its queue was over its limit: then
    /// it is cut with 1013. One in the client role is not: it goes on, and the message may be sent later.
    pub fn send(&mut self, id: ConnId, message: Message) -> bool {
        self.with(id, |session, shared| session.is_known() && session.send(shared, message)).unwrap_or(false)
    }

    /// Subscribes an open session to a channel; `Ok(false)` when it was subscribed already.
    pub fn subscribe(&mut self, id: ConnId, channel: &str) -> Result<bool, SubscribeError> {
        if channel.is_empty() || channel.len() > CHANNEL_NAME_BYTES {
            return Err(SubscribeError::BadName);
        }
        let most = self.shared.config.limits.channels_per_session;
        let Some(session) = self.sessions.get_mut(id.index()).filter(|session| session.id == id) else {
            return Err(SubscribeError::NotOpen);
        };
        if session.identity().is_none() {
            return Err(SubscribeError::NotOpen);
        }
        if self.hub.is_subscribed(&session.memberships, channel) {
            return Ok(false);
        }
        if session.memberships.count() >= most {
            return Err(SubscribeError::TooMany);
        }
        self.hub.subscribe(id, &mut session.memberships, channel);
        session.account(&mut self.shared);
        self.settle();
        self.check();
        Ok(true)
    }

    /// Ends a subscription; `false` when there was none.
    pub fn unsubscribe(&mut self, id: ConnId, channel: &str) -> bool {
        if self.session(id).is_none() {
            return false;
        }
        let was_subscribed = self.hub.unsubscribe(id, channel, &mut self.sessions);
        self.account(id);
        self.check();
        was_subscribed
    }

    /// Closes an open session in good order with this code (RFC 6455, section 7.4) and reason: any of 1000 to 1003, 1007 to
    /// 1014 and 3000 to 4999. For 1005 the Close frame is empty, and any other code is sent as 1000. Of a reason above 123
    /// bytes the rest is cut off at a character. One in the client role that is not open yet is dropped.
    pub fn close(&mut self, id: ConnId, code: u16, reason: impl Into<Cow<'static, str>>) {
        self.close_for(id, CloseReason::Host { code, reason: reason.into() });
    }

    /// Closes an open session in good order, for a reason that has a close code.
    pub fn close_for(&mut self, id: ConnId, reason: CloseReason) {
        self.with(id, |session, shared| session.close(shared, reason));
    }

    /// Stops reading an open session, until [`Engine::resume`]: what its peer sends waits, in the end at the peer, so that a
    /// host which cannot take more need not buffer it. `false` where it is not open. Again, it does nothing.
    ///
    /// Events that are there already still come. Sending goes on, and so do heartbeats, but no silence is held against the
    /// peer, whose pongs are not read either; a message under way gets its
    /// [`Limits::message_timeout`](crate::Limits::message_timeout) again. Nor is a Close or the end of the stream seen as long
    /// as it lasts: that a peer has gone is found by the next write, a heartbeat's at the latest. What ends the session ends
    /// this with it, and [`Engine::close`] finds the peer's Close behind what waits.
    pub fn pause(&mut self, id: ConnId) -> bool {
        self.with(id, |session, _| session.pause()).unwrap_or(false)
    }

    /// Reads an open session again, beginning with what waits. `false` where it is not open, or was not paused.
    pub fn resume(&mut self, id: ConnId) -> bool {
        self.with(id, Session::resume).unwrap_or(false)
    }

    /// Sends a heartbeat to an open session now, and the next an interval later. `false` where it is not open, or the last
    /// one is not answered yet ([`Engine::awaits_pong`]): so there is never more than one to answer.
    ///
    /// The pong of a peer may overtake its answers to messages right before the ping. A second ping, sent when the first is
    /// answered, finds a peer that answers in order done with them.
    pub fn ping(&mut self, id: ConnId) -> bool {
        self.with(id, Session::ping).unwrap_or(false)
    }

    /// Answers the outstanding [`Event::Request`] of a session. `false` when there is none.
    pub fn respond(&mut self, id: ConnId, response: Response) -> bool {
        self.with(id, |session, shared| session.respond(shared, response)).unwrap_or(false)
    }

    /// The verdict on an attempt for which [`Authenticate::begin`] said [`crate::auth::Decision::Later`].
    /// Where the ticket is stale it changes no session; wrong credentials count against the peer's address all the same,
    /// so one that hangs up in time gains nothing by it.
    pub fn resolve(&mut self, ticket: Ticket, verdict: Verdict) {
        self.shared.addresses.heed(ticket.ip, &verdict, self.shared.now.mono_us);
        self.with(ConnId::from_bits(ticket.session), |session, shared| session.resolve(shared, ticket, verdict));
    }

    /// Has a further token of an open session judged by the authenticator: it renews the identity
    /// ([`Event::Renewed`]; the peer is sent `auth_success`). A wrong one, another user's, or one on which there is no
    /// verdict within [`Limits::auth_timeout`](crate::Limits::auth_timeout), closes with 1008.
    pub fn renew(&mut self, id: ConnId, token: &str) {
        self.with(id, |session, shared| {
            if session.identity().is_some() {
                session.judge_token(shared, token);
            }
        });
    }

    /// Ends every session: requests under way get their answer, idle connections are closed, open sessions are closed
    /// with 1001. Where `spread` is not zero those of clients are closed with 1012 instead, each at a random moment within
    /// it (and at most [`crate::limits::TICK_MILLIS`] after it), so that they do not all come back at once; until then a
    /// session goes on as before. O(sessions). Whoever accepts goes on accepting: where there is a server, its own
    /// `shut_down` is meant.
    pub fn shut_down(&mut self, spread: Duration) {
        for (_, session) in &mut self.sessions {
            session.shut_down(&mut self.shared, spread);
            session.account(&mut self.shared);
        }
        self.settle();
    }

    /// Drops every session that is left: the time for a close handshake is over.
    pub fn drop_all(&mut self) {
        for (_, session) in &mut self.sessions {
            session.vanish(&mut self.shared, CloseReason::ServerShutdown);
            session.account(&mut self.shared);
        }
        self.settle();
    }

    // --- what a host may ask ---

    /// Sessions in all, those that are winding down included.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Open sessions whose peer is known; those in the client role are not among them.
    pub fn open_sessions(&self) -> usize {
        self.shared.open
    }

    /// Channels that have a subscriber.
    pub fn channels(&self) -> usize {
        self.hub.channels()
    }

    /// Whether a session is open, so that messages can be sent: its peer is known, or a server.
    pub fn is_open(&self, id: ConnId) -> bool {
        self.session(id).is_some_and(Session::is_known)
    }

    /// Who an open session belongs to.
    pub fn identity(&self, id: ConnId) -> Option<&Identity> {
        self.session(id)?.identity()
    }

    /// The address of the other end; all zeros where it is not connected yet.
    pub fn peer(&self, id: ConnId) -> Option<SocketAddr> {
        Some(self.session(id)?.peer)
    }

    /// The channels of a session.
    pub fn channels_of(&self, id: ConnId) -> impl Iterator<Item = &str> {
        self.session(id).into_iter().flat_map(|session| self.hub.names(&session.memberships))
    }

    /// Whether the peer of an open session has been heard of since its last heartbeat. If not, the next one ends it.
    pub fn is_alive(&self, id: ConnId) -> bool {
        self.session(id).and_then(Session::heart).is_some_and(Heartbeat::is_alive)
    }

    /// When the last heartbeat of an open session was sent, in microseconds of the driver's monotonic clock.
    pub fn pinged_at(&self, id: ConnId) -> Option<u64> {
        self.session(id)?.heart()?.pinged_at()
    }

    /// Whether the last heartbeat of an open session is not answered yet.
    pub fn awaits_pong(&self, id: ConnId) -> bool {
        self.session(id).and_then(Session::heart).is_some_and(Heartbeat::awaits_pong)
    }

    /// The round trip of the last heartbeat that was answered.
    pub fn round_trip(&self, id: ConnId) -> Option<Duration> {
        self.session(id)?.heart()?.round_trip()
    }

    /// When the session began, in microseconds of the driver's monotonic clock: its connection was accepted, or
    /// [`Engine::connect`] called.
    pub fn connected_at(&self, id: ConnId) -> Option<u64> {
        Some(self.session(id)?.connected_us)
    }

    /// The time of this turn.
    pub fn now(&self) -> Now {
        self.shared.now
    }

    /// The configuration.
    pub fn config(&self) -> &EngineConfig {
        &self.shared.config
    }

    // --- within ---

    fn session(&self, id: ConnId) -> Option<&Session> {
        self.sessions.get(id.index()).filter(|session| session.id == id)
    }

    fn session_mut(&mut self, id: ConnId) -> Option<&mut Session> {
        self.sessions.get_mut(id.index()).filter(|session| session.id == id)
    }

    /// Lets a session act on itself and on what all share.
    fn with<T>(&mut self, id: ConnId, act: impl FnOnce(&mut Session, &mut Shared) -> T) -> Option<T> {
        let session = self.sessions.get_mut(id.index()).filter(|session| session.id == id)?;
        let result = act(session, &mut self.shared);
        session.account(&mut self.shared);
        #[cfg(debug_assertions)]
        session.check_invariants();
        self.settle();
        Some(result)
    }

    /// Takes sessions that have ended out of their channels; and ends those that hold the most while the peers hold
    /// too much.
    #[inline]
    fn settle(&mut self) {
        if !self.shared.departed.is_empty() || self.shared.ledger.is_over() {
            self.settle_all();
        }
    }

    #[cold]
    fn settle_all(&mut self) {
        loop {
            while let Some(id) = self.shared.departed.pop() {
                self.hub.unsubscribe_all(id, &mut self.sessions);
                self.account(id);
            }
            if !self.close_heaviest() {
                return;
            }
        }
    }

    /// Enters in the ledger what a session weighs now.
    fn account(&mut self, id: ConnId) {
        if let Some(session) = self.sessions.get_mut(id.index()).filter(|session| session.id == id) {
            session.account(&mut self.shared);
        }
    }

    /// What must hold between two calls; debug builds check it at every change of a channel, as long as there
    /// are few sessions.
    fn check(&self) {
        #[cfg(debug_assertions)]
        const FEW: usize = 64;
        #[cfg(debug_assertions)]
        if self.sessions.len() < FEW {
            self.check_invariants();
        }
    }

    /// Panics unless sessions, channels and counters agree. For tests; O(sessions).
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        self.hub.check_invariants(self.sessions.iter().map(|(_, session)| (session.id, &session.memberships)));
        let open = self.sessions.iter().filter(|(_, session)| session.identity().is_some()).count();
        assert_eq!(open, self.shared.open, "the count of open sessions");
        let newcomers = self.sessions.iter().filter(|(_, session)| session.is_newcomer());
        self.shared.newcomers.check_invariants(&newcomers.map(|(_, session)| session.id).collect());
        let accepted = self.sessions.iter().filter(|(_, session)| !session.is_outbound());
        self.shared.addresses.check_invariants(accepted.map(|(_, session)| session.peer.ip()));
        for (_, session) in &self.sessions {
            session.check_invariants();
        }
        let keeping = self.sessions.iter().filter_map(|(_, session)| session.deflate());
        let keeping = keeping.filter(|deflate| deflate.weight() > 0).count();
        assert_eq!(keeping, self.shared.compression.takeovers(), "each context that is kept has its session");
        self.check_ledger();
    }
}
