//! The ways out of a session: in good order, by a fault of the peer's, cut short, or gone at once; and the one word to the
//! host that it is over.
//!
//! Not here: what leads there (the rest of the folder), why a session ended (`error.rs`).

use std::time::Duration;

use super::{Closing, Leftover, Pause, Pauses, Phase, Session, head};
use crate::engine::shared::Shared;
use crate::engine::timer::Timer;
use crate::error::CloseReason;
use crate::limits::SHUTDOWN_LINGER;
use crate::time::micros;
use crate::wire::websocket::encode_close;

impl Session {
    /// Closes in good order: our Close frame, then the peer's is awaited. Where there is no WebSocket yet, to a server, the
    /// connection is dropped.
    pub fn close(&mut self, shared: &mut Shared, reason: CloseReason) {
        if matches!(self.phase, Phase::HeadOut(_)) {
            return self.vanish(shared, reason);
        }
        let Phase::Open(open) = &mut self.phase else { return };
        let (walker, mut context) = open.take_framing();
        let may_be_deflated = open.deflate.is_some();
        if let Some(context) = &mut context {
            context.begin_closing();
        }
        self.push_close(shared, &reason);
        self.tell_closed(shared, reason);
        self.timers.stop_all();
        self.set_timer(shared, Timer::Close, shared.config.limits.close_timeout);
        self.paused.end(Pause::Host);
        self.phase = Phase::Closing(Closing::new(walker, context, may_be_deflated));
        // What waited for a verdict, or the end of the stream behind it, waits no more.
        self.mark_ready(shared);
    }

    /// The server is stopping: an open session is closed with 1001, or with 1012 at a random moment within `spread`
    /// where that is not zero; a request under way is still answered, an upgrade under way is refused, an idle
    /// connection is closed.
    pub fn shut_down(&mut self, shared: &mut Shared, spread: Duration) {
        let is_outbound = self.is_outbound();
        match &mut self.phase {
            // A server that we are a client of has no crowd to fear.
            Phase::Open(_) if spread.is_zero() || is_outbound => self.close(shared, CloseReason::ServerShutdown),
            Phase::Open(_) => {
                let moment = Duration::from_micros(shared.chance(micros(spread)));
                self.set_timer(shared, Timer::Drain, moment);
            }
            Phase::Await(waiting) if waiting.is_upgrade() => self.refuse(shared, head::unavailable()),
            Phase::Await(waiting) => waiting.close_behind(),
            Phase::Head(_) | Phase::Body { .. } => {
                self.end(shared, CloseReason::ServerShutdown);
                let linger = SHUTDOWN_LINGER.min(shared.config.limits.close_timeout);
                self.set_timer(shared, Timer::Close, linger);
            }
            Phase::HeadOut(_) => self.vanish(shared, CloseReason::ServerShutdown),
            Phase::Closing(..) | Phase::Ending | Phase::Gone => {}
        }
    }

    /// Fails the connection (RFC 6455, section 7.1.7), or answers the peer's Close by ours (section 5.5.1): a Close frame,
    /// and nothing more is parsed.
    pub fn fail(&mut self, shared: &mut Shared, reason: CloseReason) {
        self.push_close(shared, &reason);
        self.end(shared, reason);
    }

    fn push_close(&mut self, shared: &mut Shared, reason: &CloseReason) {
        if let Some((code, text)) = reason.close_frame() {
            let mask = self.next_mask();
            self.queue(shared).push_frame(|out| encode_close(code, text, mask, out));
        }
    }

    /// Cuts a session that holds too much, for a reason that has a code: what is partly on the wire is completed,
    /// then comes the Close.
    pub fn cut(&mut self, shared: &mut Shared, reason: CloseReason) {
        if let Some(queue) = &mut self.queue {
            queue.cut();
        }
        self.fail(shared, reason);
    }

    /// Over, but what is queued is still written: a WebSocket's end within the close timeout, an HTTP answer
    /// as long as there is progress, and the close timeout after that.
    pub(super) fn end(&mut self, shared: &mut Shared, reason: CloseReason) {
        let is_websocket = matches!(self.phase, Phase::Open(_));
        self.tell_closed(shared, reason);
        self.timers.stop_all();
        if is_websocket || self.queue.is_none() {
            self.set_timer(shared, Timer::Close, shared.config.limits.close_timeout);
        }
        self.wind_down(shared);
    }

    /// Nothing more is parsed; what is queued is still written. The deadline is set already.
    pub(super) fn wind_down(&mut self, shared: &mut Shared) {
        self.phase = Phase::Ending;
        self.leftover = Leftover::default();
        self.paused = Pauses::default();
        self.mark_dirty(shared);
    }

    /// Over at once: the socket is dropped with whatever waits.
    pub fn vanish(&mut self, shared: &mut Shared, reason: CloseReason) {
        self.tell_closed(shared, reason);
        self.drop_socket(shared);
    }

    pub(super) fn drop_socket(&mut self, shared: &mut Shared) {
        self.timers.stop_all();
        self.phase = Phase::Gone;
        self.leftover = Leftover::default();
        self.paused = Pauses::default();
        self.queue = None;
        self.held = 0;
        self.mark_dirty(shared);
    }

    /// Tells the host, once: sessions that have left Open or the HTTP phases have told it already.
    fn tell_closed(&mut self, shared: &mut Shared, reason: CloseReason) {
        if self.is_newcomer() {
            shared.newcomers.leave();
        }
        match &mut self.phase {
            Phase::Open(open) => {
                shared.compression.release(open.deflate.take());
                let identity = open.take_identity();
                shared.closed(self.id, identity, reason);
            }
            Phase::Head(_) | Phase::Body { .. } | Phase::Await(_) | Phase::HeadOut(_) => {
                shared.closed(self.id, None, reason);
            }
            Phase::Closing(..) | Phase::Ending | Phase::Gone => {}
        }
    }
}
