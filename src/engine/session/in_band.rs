//! Who an open session belongs to: the first message must be `auth`, a later one renews, and an identity may
//! expire.
//!
//! Not here: credentials at the upgrade (`head.rs`), their verification (`auth/`).

use std::time::Duration;

use super::open::{Renewal, Who};
use super::{Phase, Session};
use crate::auth::{Decision, Identity, Proof, Verdict};
use crate::engine::Event;
use crate::engine::shared::Shared;
use crate::engine::timer::Timer;
use crate::error::CloseReason;
use crate::wire::message::{ClientMessage, ServerMessage, parse};
use crate::wire::websocket::Message;

impl Session {
    /// The first message must be `auth`, and nothing of it reaches a handler.
    pub(super) fn take_first_message(&mut self, shared: &mut Shared, message: Message) {
        let payload = message.into_payload();
        let token = std::str::from_utf8(&payload).ok().and_then(|text| match parse(text) {
            Ok(ClientMessage::Auth { token }) => Some(token),
            Ok(_) | Err(_) => None,
        });
        match token {
            Some(token) => self.judge_token(shared, &token),
            None => self.close(shared, CloseReason::AuthenticationRequired),
        }
    }

    /// Asks the authenticator about a token: the first, or one that renews.
    pub fn judge_token(&mut self, shared: &mut Shared, token: &str) {
        let Phase::Open(open) = &mut self.phase else { return };
        let is_known = open.identity().is_some();
        if !is_known && shared.addresses.blocked_for(self.peer.ip(), shared.now.mono_us).is_some() {
            return self.deny(shared);
        }
        open.who = match std::mem::replace(&mut open.who, Who::Unknown) {
            // What was read in one piece with the `auth` waits for its verdict too.
            Who::Known(identity) => Who::Renewing(Box::new(Renewal::new(identity, shared.take_back_messages(self.id)))),
            Who::Renewing(renewal) => Who::Renewing(renewal),
            Who::Unknown | Who::Verifying => Who::Verifying,
            // Nobody authenticates to us whom we went to.
            Who::Server(masks) => {
                open.who = Who::Server(masks);
                return;
            }
        };
        if !self.timers.is_set(Timer::Authentication) {
            self.set_timer(shared, Timer::Authentication, shared.config.limits.auth_timeout);
        }
        let ticket = self.next_ticket(shared);
        let attempt = self.attempt(shared, Proof::Message { token });
        match shared.authenticator.begin(&attempt, ticket) {
            Decision::Now(verdict) => {
                shared.addresses.heed(ticket.ip, &verdict, shared.now.mono_us);
                self.resolve_in_band(shared, verdict);
            }
            Decision::Later => {}
        }
    }

    /// A token is judged.
    pub(super) fn resolve_in_band(&mut self, shared: &mut Shared, verdict: Verdict) {
        let accepted = match verdict {
            Verdict::Accept(identity) => Some(identity),
            Verdict::AskInBand | Verdict::Refuse(_) | Verdict::Deny(_) => None,
        };
        let Phase::Open(open) = &mut self.phase else { return };
        match (accepted, std::mem::replace(&mut open.who, Who::Unknown)) {
            (Some(new), Who::Unknown | Who::Verifying) => {
                self.open(shared, new);
                self.say(shared, &ServerMessage::AuthSuccess);
            }
            (Some(new), Who::Renewing(renewal)) if new.user() == renewal.identity.user() => {
                self.know(shared, new);
                shared.events.push_back(Event::Renewed { id: self.id });
                shared.events.extend(renewal.held);
                self.say(shared, &ServerMessage::AuthSuccess);
            }
            // A wrong token; or, in a renewal, another one's.
            (_, who) => {
                open.who = who;
                self.deny(shared);
            }
        }
    }

    fn deny(&mut self, shared: &mut Shared) {
        self.say(shared, &ServerMessage::Error { message: "Authentication failed", code: None, id: None });
        self.close(shared, CloseReason::AuthenticationFailed);
    }

    /// From here on it is an open session that the host knows.
    pub(super) fn open(&mut self, shared: &mut Shared, identity: Identity) {
        shared.open += 1;
        shared.newcomers.leave();
        shared.events.push_back(Event::Open { id: self.id });
        self.know(shared, identity);
    }

    fn know(&mut self, shared: &mut Shared, identity: Identity) {
        self.timers.stop(Timer::Authentication);
        self.timers.stop(Timer::Expiry);
        if let Some(expires) = identity.expires_unix_ms() {
            self.set_expiry(shared, expires);
        }
        if let Phase::Open(open) = &mut self.phase {
            open.who = Who::Known(identity);
        }
    }

    fn say(&mut self, shared: &mut Shared, message: &ServerMessage<'_>) {
        self.send(shared, Message::Text(message.encode().into()));
    }

    pub(super) fn authentication_is_due(&mut self, shared: &mut Shared) {
        match &self.phase {
            Phase::Await(_) => self.refuse(shared, super::head::unavailable()),
            Phase::Open(_) => self.close(shared, CloseReason::AuthenticationTimeout),
            Phase::Head(_) | Phase::Body { .. } | Phase::HeadOut(_) => {}
            Phase::Closing(..) | Phase::Ending | Phase::Gone => {}
        }
    }

    pub(super) fn expiry_is_due(&mut self, shared: &mut Shared) {
        if self.has_expired(shared) {
            self.close(shared, CloseReason::TokenExpired);
        } else if let Some(expires) = self.identity().and_then(Identity::expires_unix_ms) {
            // The wall clock was set back: the token is good for longer.
            self.set_expiry(shared, expires);
        }
    }

    /// Whether the identity's time is over, by the wall clock of this turn.
    pub(super) fn has_expired(&self, shared: &Shared) -> bool {
        let expires = self.identity().and_then(Identity::expires_unix_ms);
        expires.is_some_and(|expires| expires <= shared.now.unix_ms)
    }

    fn set_expiry(&mut self, shared: &mut Shared, unix_ms: u64) {
        let left = unix_ms.saturating_sub(shared.now.unix_ms);
        self.set_timer(shared, Timer::Expiry, Duration::from_millis(left));
    }
}
