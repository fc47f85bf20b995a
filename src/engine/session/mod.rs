//! The life of one peer.
//!
//! ```text
//!            +--- answered, keep-alive ---+
//!            v                            |
//!   accept  Head --- request --------> Await --- body to drop ---> Body ---> Head
//!            |                          |   |
//!            |         refused, the last|   | upgrade accepted: 101
//!            | refused,          answer |   v
//!            | 408                      |  Open ---- our Close ----> Closing
//!            |                          |   |                          |
//!            |                          |   | the peer's Close,        | the peer's Close
//!            |                          |   | a violation, a cut       |
//!            +--------------------------+---+--------------------------+---> Ending ---> Gone
//! ```
//!
//! Where this side is the client:
//!
//! ```text
//!   connect  HeadOut --- 101 ---> Open        as above
//!               +--- refused, or an answer that is none ---> Ending
//!               +--- not connected, no answer in time, closed by the host ---> Gone
//! ```
//!
//! Ending: nothing more is parsed; what is queued is written, then our end of the stream is closed, and the
//! peer's is awaited for a while. Gone: the socket is to be dropped now; a lost heartbeat, a reset, a write that
//! stalls and a close that takes too long lead there from anywhere. `Event::Closed` is told once, on the way
//! out of Head, Await, Body, HeadOut or Open: what follows is only the winding down of the transport.
//!
//! In this folder: `head.rs` (HTTP and the way in), `head_out.rs` (the way to a server), `open.rs` (frames), `inflating.rs`
//! (deflated messages), `heartbeat.rs` (is it alive), `in_band.rs` (authentication by message), `ending.rs` (the ways out),
//! `closing.rs` (what still comes behind our Close), `leftover.rs` (what is looked at later), `pauses.rs` (when it is not
//! read), `weight.rs` (what it makes the process hold).
//! Not here: who is subscribed to what (`engine/hub.rs`), sockets and TLS (`net/`).

mod closing;
mod ending;
mod head;
mod head_out;
mod heartbeat;
mod in_band;
mod inflating;
mod leftover;
mod open;
mod pauses;
mod weight;

use std::net::SocketAddr;
use std::time::Duration;

use crate::auth::Identity;
use crate::engine::compression::Deflate;
use crate::engine::hub::{ConnId, Memberships};
use crate::engine::outbound::NOWHERE;
use crate::engine::send_queue::SendQueue;
use crate::engine::shared::{Share, Shared};
use crate::engine::timer::{Tick, Timer, TimerTable};
use crate::engine::{Fate, Intake};
use crate::error::CloseReason;
use crate::limits::{
    READ_BYTES_PER_TURN, READ_BYTES_PER_TURN_BULK, SEND_QUEUE_PAUSE_BYTES, SEND_QUEUE_RESUME_BYTES, SESSION_BYTES,
};
use crate::wire::websocket::Role;

pub(super) use closing::Closing;
pub(super) use head::{Await, Head, Welcome};
pub(super) use head_out::HeadOut;
pub(super) use heartbeat::Heartbeat;
use leftover::Leftover;
pub(super) use open::Open;
use pauses::{Pause, Pauses};
pub(super) use weight::fixed_weight;

/// See the module.
#[derive(Debug)]
pub(super) enum Phase {
    Head(Head),
    /// The rest of a request's body is read and dropped.
    Body {
        remaining: usize,
    },
    Await(Box<Await>),
    /// We are the client: our upgrade is to be written, or its answer awaited.
    HeadOut(Box<HeadOut>),
    Open(Open),
    /// Our Close is sent or queued; what the peer still sends is checked and dropped.
    Closing(Closing),
    Ending,
    Gone,
}

/// How a session came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// A client came.
    Accepted,
    /// A client came, and was let in for lack of memory only to be told 503.
    TurnedAway,
    /// We went to a server, as its client.
    Connected,
}

/// One peer.
#[derive(Debug)]
pub(super) struct Session {
    pub id: ConnId,
    pub peer: SocketAddr,
    pub secure: bool,
    /// When it began, in microseconds of the monotonic clock.
    pub connected_us: u64,
    pub phase: Phase,
    /// What was read and could not be looked at yet.
    leftover: Leftover,
    queue: Option<Box<SendQueue>>,
    pub memberships: Memberships,
    timers: TimerTable,
    /// Ticket of the last question to the authenticator.
    serial: u32,
    /// What it is charged in the ledger.
    charged: u32,
    /// What the shell holds for it, in bytes.
    held: u32,
    /// The queue was not empty when it was last written.
    behind: bool,
    /// Not read, for these reasons.
    paused: Pauses,
    /// The peer has ended its half of the stream.
    input_ended: bool,
    in_dirty: bool,
    in_ready: bool,
    /// Not read, because the peers hold too much and this one more than its share.
    is_starved: bool,
    pub beginning: Beginning,
}

const _: () = assert!(size_of::<Session>() <= SESSION_BYTES);

impl Session {
    /// A client has come.
    pub fn new(shared: &mut Shared, id: ConnId, peer: SocketAddr, secure: bool, welcome: Welcome) -> Session {
        let mut session = Session::with(shared, id, secure, Phase::Head(Head::first(welcome)));
        session.peer = peer;
        session
    }

    /// We go to a server.
    pub fn to_server(shared: &mut Shared, id: ConnId, secure: bool, asked: HeadOut) -> Session {
        let mut session = Session::with(shared, id, secure, Phase::HeadOut(Box::new(asked)));
        session.beginning = Beginning::Connected;
        session
    }

    fn with(shared: &mut Shared, id: ConnId, secure: bool, phase: Phase) -> Session {
        let mut session = Session {
            id,
            peer: NOWHERE,
            secure,
            connected_us: shared.now.mono_us,
            phase,
            leftover: Leftover::default(),
            queue: None,
            memberships: Memberships::default(),
            timers: TimerTable::default(),
            serial: 0,
            charged: 0,
            held: 0,
            behind: false,
            paused: Pauses::default(),
            input_ended: false,
            in_dirty: false,
            in_ready: false,
            is_starved: false,
            beginning: Beginning::Accepted,
        };
        session.set_timer(shared, Timer::Head, shared.config.limits.head_timeout);
        session
    }

    // --- input ---

    /// Takes what the peer sent; what cannot be looked at now is kept.
    pub fn handle_input(&mut self, shared: &mut Shared, input: &[u8]) {
        if self.is_doomed() {
            return;
        }
        if !self.leftover.is_empty() || !self.takes_input() {
            return self.leftover.append(input);
        }
        let consumed = self.take(shared, input);
        if let Some(rest) = input.get(consumed..)
            && !rest.is_empty()
        {
            self.leftover.append(rest);
            self.mark_ready(shared);
        }
    }

    /// Goes on with the message that is being inflated, else with what was left over, and then with the end of the stream if
    /// it has been seen.
    pub fn handle_ready(&mut self, shared: &mut Shared) {
        if self.fail_if_doomed(shared) || !self.is_served() || self.inflate_further(shared) {
            return;
        }
        if !self.leftover.is_empty() {
            let leftover = self.leftover.take();
            let consumed = self.take(shared, &leftover);
            if consumed < leftover.len() {
                self.leftover.keep(leftover, consumed);
                self.mark_ready(shared);
            } else if self.input_ended {
                // The host answers what it has just been told before the end counts.
                self.mark_ready(shared);
            }
            return;
        }
        if self.input_ended {
            self.end_of_input(shared);
        }
    }

    /// The peer has ended its half of the stream: acted upon when all before it has been answered.
    pub fn handle_end(&mut self, shared: &mut Shared) {
        self.input_ended = true;
        self.mark_ready(shared);
    }

    /// The transport failed. Where it was TLS, an alert is still to be written, and read by the peer.
    pub fn handle_error(&mut self, shared: &mut Shared, reason: CloseReason) {
        if matches!(reason, CloseReason::Tls(_)) {
            self.queue = None;
            self.end(shared, reason);
        } else {
            self.vanish(shared, reason);
        }
    }

    fn is_doomed(&self) -> bool {
        matches!(&self.phase, Phase::Open(open) if open.is_doomed())
    }

    /// Whether what it has sent may be gone on with: neither its replies nor a verdict are waited for, nor the host.
    fn is_served(&self) -> bool {
        !self.paused.any()
            && match &self.phase {
                Phase::Head(_) | Phase::Body { .. } | Phase::HeadOut(_) => true,
                Phase::Closing(..) | Phase::Ending | Phase::Gone => true,
                Phase::Await(_) => false,
                Phase::Open(open) => !open.is_verifying(),
            }
    }

    /// The same, beside the message that is being inflated: all else waits for that.
    fn takes_input(&self) -> bool {
        self.is_served() && !matches!(&self.phase, Phase::Open(open) if open.is_inflating())
    }

    /// What the shell should do with the socket's input.
    pub fn intake(&mut self) -> Intake {
        if matches!(self.phase, Phase::Ending | Phase::Gone) {
            return Intake::Discard;
        }
        if self.input_ended || self.is_doomed() || !self.leftover.is_empty() || !self.takes_input() {
            self.paused.tell();
            return Intake::Pause;
        }
        let remaining = match &self.phase {
            Phase::Open(open) => open.remaining(),
            Phase::Closing(closing) => closing.remaining(),
            Phase::Head(_) | Phase::Body { .. } | Phase::Await(_) | Phase::HeadOut(_) => 0,
            Phase::Ending | Phase::Gone => 0,
        };
        Intake::Read(if remaining > READ_BYTES_PER_TURN as u64 {
            READ_BYTES_PER_TURN_BULK
        } else {
            READ_BYTES_PER_TURN
        })
    }

    /// Looks at `input` as far as one turn may go; returns how much was consumed.
    fn take(&mut self, shared: &mut Shared, input: &[u8]) -> usize {
        let mut consumed = 0;
        shared.share = Share::whole(shared.events.len());
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            let (taken, goes_on) = match &mut self.phase {
                Phase::Head(_) => self.take_head(shared, rest),
                Phase::Body { remaining } => {
                    let taken = rest.len().min(*remaining);
                    *remaining -= taken;
                    let done = *remaining == 0;
                    if done {
                        self.next_head(shared);
                    }
                    (taken, done)
                }
                Phase::Await(_) => (0, false),
                Phase::HeadOut(_) => self.take_answer(shared, rest),
                Phase::Open(_) => self.take_frames(shared, rest),
                Phase::Closing(..) => self.take_closing(shared, rest),
                Phase::Ending | Phase::Gone => (rest.len(), false),
            };
            consumed += taken;
            if !goes_on || consumed == input.len() {
                return consumed;
            }
        }
    }

    fn end_of_input(&mut self, shared: &mut Shared) {
        match &self.phase {
            Phase::Head(head) => {
                let reason = if head.is_between_requests() { CloseReason::HttpDone } else { CloseReason::PeerVanished };
                self.end(shared, reason);
            }
            Phase::Body { .. } | Phase::Open(_) => self.end(shared, CloseReason::PeerVanished),
            Phase::HeadOut(_) => self.end_of_answer(shared),
            Phase::Closing(..) => self.wind_down(shared),
            // The answer is still to come; the end is seen again after it.
            Phase::Await(_) => {}
            // What is still to be written goes first; then `handle_written` sees the end.
            Phase::Ending => {
                if !self.in_dirty && !self.behind {
                    self.drop_socket(shared);
                }
            }
            Phase::Gone => {}
        }
    }

    // --- output ---

    /// The queue, for writing to it. Marks the session dirty.
    pub fn queue(&mut self, shared: &mut Shared) -> &mut SendQueue {
        self.mark_dirty(shared);
        self.queue.get_or_insert_with(|| shared.lend_queue())
    }

    /// The queue, for the shell to write from.
    pub fn output(&mut self) -> Option<&mut SendQueue> {
        self.queue.as_deref_mut()
    }

    /// Whether the queue takes `bytes` more. An empty one takes a message of any size. Only a peer
    /// that has been offered what waits, and has not taken it, can be too slow: the others have room for what
    /// one turn brings, and ask for a flush in good time.
    pub fn has_room(&self, shared: &mut Shared, bytes: usize) -> bool {
        let cost = self.queue.as_ref().map_or(0, |queue| queue.cost());
        let limits = &shared.config.limits;
        let room = limits.send_queue_bytes.saturating_add(if self.behind { 0 } else { limits.message_bytes });
        shared.flush_due |= !self.behind && cost + bytes > limits.send_queue_bytes / 2;
        cost == 0 || cost + bytes <= room
    }

    /// Replies wait: beyond a mark the session is not read until half of them are gone.
    pub fn check_pause(&mut self) {
        // What is sent to a server are no replies: where neither end read while it waited to be read, both would for ever.
        if !self.is_outbound() && self.queue.as_ref().is_some_and(|queue| queue.own_cost() > SEND_QUEUE_PAUSE_BYTES) {
            self.paused.begin(Pause::Replies);
        }
    }

    /// The shell has written what it could. `progress`: anything at all; `pending`: something still waits, in
    /// the queue or behind it in the shell.
    pub fn handle_written(&mut self, shared: &mut Shared, progress: bool, pending: bool) {
        if let Phase::Open(open) = &mut self.phase
            && progress
            && self.behind
        {
            open.took_backlog();
        }
        self.behind = pending;
        if pending {
            if let Some(queue) = &mut self.queue {
                queue.settle();
            }
            if progress || !self.timers.is_set(Timer::WriteStall) {
                self.set_timer(shared, Timer::WriteStall, shared.config.limits.write_stall_timeout);
            }
        } else {
            self.timers.stop(Timer::WriteStall);
            if let Some(queue) = self.queue.take_if(|queue| queue.is_empty()) {
                shared.return_queue(queue);
            }
            if matches!(self.phase, Phase::Ending) {
                if self.input_ended {
                    self.drop_socket(shared);
                } else if !self.timers.is_set(Timer::Close) {
                    self.set_timer(shared, Timer::Close, shared.config.limits.close_timeout);
                }
            }
        }
        let has_few = |queue: &SendQueue| queue.own_cost() <= SEND_QUEUE_RESUME_BYTES;
        if self.paused.holds(Pause::Replies) && self.queue.as_deref().is_none_or(has_few) {
            self.paused.end(Pause::Replies);
            if self.has_waited() {
                self.mark_ready(shared);
            }
        }
    }

    /// Whether there is something that the pause which is over has kept waiting.
    fn has_waited(&mut self) -> bool {
        let is_idle = matches!(&self.phase, Phase::Open(open) if open.pending.is_none());
        self.paused.take_told() || self.input_ended || !self.leftover.is_empty() || !is_idle
    }

    pub fn fate(&self) -> Fate {
        match self.phase {
            Phase::Ending => Fate::CloseWhenWritten,
            Phase::Gone => Fate::Drop,
            Phase::Head(_) | Phase::Body { .. } | Phase::Await(_) | Phase::HeadOut(_) => Fate::Keep,
            Phase::Open(_) | Phase::Closing(..) => Fate::Keep,
        }
    }

    // --- time ---

    /// Fires every deadline that is due, and puts the next one on the wheel.
    pub fn handle_timeout(&mut self, shared: &mut Shared) {
        if !shared.wheel.is_current(&mut self.timers) {
            return;
        }
        // Each at most once: one that is set again, even for now, is for the next time.
        for _ in Timer::ALL {
            let Some(timer) = self.timers.poll_due(Tick::reached(shared.now)) else { break };
            match timer {
                Timer::Head => self.head_is_due(shared),
                Timer::Authentication => self.authentication_is_due(shared),
                // What is not read cannot end: it gets its time again.
                Timer::Message if !self.takes_input() => {
                    self.set_timer(shared, Timer::Message, shared.config.limits.message_timeout);
                }
                // For lack of memory nobody waits longer than that, half a message in hand.
                Timer::Message if self.is_starved => self.fail(shared, CloseReason::Overloaded),
                Timer::Message => self.fail(shared, CloseReason::MessageTimeout),
                Timer::Heartbeat => self.heartbeat(shared),
                Timer::Close => self.vanish(shared, CloseReason::PeerVanished),
                Timer::WriteStall => self.vanish(shared, CloseReason::WriteStalled),
                Timer::Expiry => self.expiry_is_due(shared),
                Timer::Drain => self.close(shared, CloseReason::ServerRestart),
            }
        }
        shared.arm(self.id, &mut self.timers);
    }

    fn set_timer(&mut self, shared: &mut Shared, timer: Timer, after: Duration) {
        self.timers.set(timer, Tick::after(shared.now, after));
        shared.arm(self.id, &mut self.timers);
    }

    // --- lists ---

    pub fn mark_dirty(&mut self, shared: &mut Shared) {
        if !self.in_dirty {
            self.in_dirty = true;
            shared.dirty.push_back(self.id);
        }
    }

    pub fn mark_ready(&mut self, shared: &mut Shared) {
        if !self.in_ready {
            self.in_ready = true;
            shared.ready.push_back(self.id);
        }
    }

    /// The same for the next turn, behind those that are ready in this one.
    pub fn mark_ready_last(&mut self, shared: &mut Shared) {
        if !self.in_ready {
            self.in_ready = true;
            shared.ready_last.push_back(self.id);
        }
    }

    pub fn unmark_dirty(&mut self) {
        self.in_dirty = false;
    }

    pub fn unmark_ready(&mut self) {
        self.in_ready = false;
    }

    // --- what others may see ---

    /// What an open session has agreed on about deflating.
    pub fn deflate(&self) -> Option<Deflate> {
        let Phase::Open(open) = &self.phase else { return None };
        open.deflate
    }

    pub fn identity(&self) -> Option<&Identity> {
        let Phase::Open(open) = &self.phase else { return None };
        open.identity()
    }

    /// Whether we are the client, and the peer a server.
    pub fn is_outbound(&self) -> bool {
        self.beginning == Beginning::Connected
    }

    /// The role of this side.
    pub fn role(&self) -> Role {
        if self.is_outbound() { Role::Client } else { Role::Server }
    }

    /// Whether it is open, and the peer has not to say who it is.
    pub fn is_known(&self) -> bool {
        matches!(&self.phase, Phase::Open(open) if open.is_known())
    }

    /// Whether it has not yet said who it is, and has not ended: the host was told neither Open nor Closed.
    pub fn is_newcomer(&self) -> bool {
        match &self.phase {
            Phase::Head(_) | Phase::Body { .. } | Phase::Await(_) => true,
            Phase::Open(open) => !open.is_known(),
            Phase::HeadOut(_) | Phase::Closing(..) | Phase::Ending | Phase::Gone => false,
        }
    }

    /// What is known of the heartbeats of an open session.
    pub fn heart(&self) -> Option<&Heartbeat> {
        let Phase::Open(open) = &self.phase else { return None };
        Some(open.heart())
    }

    /// What must hold between two calls of the engine.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        let is_inflating = matches!(&self.phase, Phase::Open(open) if open.is_inflating());
        assert!(!is_inflating || !self.is_served() || self.in_ready, "{}: nothing would go on inflating", self.id);
        if self.takes_input() && (!self.leftover.is_empty() || self.input_ended && self.queue.is_none()) {
            let is_written_first = matches!(self.phase, Phase::Ending) && (self.in_dirty || self.behind);
            let done = matches!(self.phase, Phase::Gone) || is_written_first;
            assert!(done || self.in_ready, "{}: nothing would look at what is left over", self.id);
        }
        if let Some(queue) = &self.queue {
            assert!(self.in_dirty || self.behind || queue.is_empty(), "{}: nothing would write the queue", self.id);
        }
        match &self.phase {
            Phase::Gone => assert!(self.queue.is_none() && self.leftover.is_empty()),
            Phase::Ending => assert!(self.leftover.is_empty()),
            Phase::Head(_) | Phase::Body { .. } | Phase::Await(_) | Phase::HeadOut(_) => {}
            Phase::Open(_) | Phase::Closing(..) => {}
        }
    }
}
