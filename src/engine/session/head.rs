//! The way in: request heads, their answers, and the upgrade.
//!
//! Checks run in the order path, method, version, key, origin, authentication, and a refused upgrade closes the
//! connection with nothing behind it parsed.
//!
//! Not here: what a head must look like (`wire/http/`), what a route answers (`app/routes.rs`).

use super::open::Who;
use super::{Open, Phase, Session};
use crate::auth::{Attempt, Decision, Proof, Ticket, Verdict};
use crate::engine::compression::Deflate;
use crate::engine::ledger::Measure;
use crate::engine::shared::Shared;
use crate::engine::timer::Timer;
use crate::engine::{Event, RefuseBy};
use crate::error::CloseReason;
use crate::limits::{RETRY_AFTER_SECONDS, TAKEOVER_BYTES};
use crate::wire::http::{self, Delivery, HeadScanner, Refusal, RequestHead, Response, Route, Upgrade, Version};

/// How a connection is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Welcome {
    /// As one of those that there may be.
    Served,
    /// Above the limit of connections: whatever is asked is answered 503.
    ServerIsFull,
    /// Above the limit of its address: whatever is asked is answered 429.
    AddressIsFull,
}

/// A head is awaited, or arriving.
#[derive(Debug)]
pub struct Head {
    received: Vec<u8>,
    scanner: HeadScanner,
    /// It begins as HEAD does: even a refusal's body is not sent (RFC 9110, section 9.3.2).
    head_only: bool,
    welcome: Welcome,
    /// Requests answered before this one.
    answered: bool,
}

impl Head {
    /// The first head of a connection.
    pub fn first(welcome: Welcome) -> Head {
        Head { received: Vec::new(), scanner: HeadScanner::default(), head_only: false, welcome, answered: false }
    }

    /// What it holds, in bytes.
    pub fn weight(&self) -> usize {
        self.received.capacity()
    }

    /// Whether the peer owes nothing: it may end the stream here in good order.
    pub fn is_between_requests(&self) -> bool {
        self.answered && self.received.is_empty()
    }
}

/// A head is complete and its answer outstanding. One request at a time: what is pipelined waits.
#[derive(Debug)]
pub struct Await {
    version: Version,
    /// HEAD: the answer's body is not sent.
    head_only: bool,
    keep_alive: bool,
    /// What the host may keep of the request, or we of the upgrade, in bytes.
    weight: usize,
    /// Bytes of the request's body, which follow the head and are dropped.
    body: usize,
    /// Set while an upgrade is being judged.
    upgrade: Option<Upgrade>,
}

impl Await {
    fn new(head: &RequestHead, upgrade: Option<Upgrade>) -> Box<Await> {
        Box::new(Await {
            version: head.version(),
            head_only: head.method() == "HEAD",
            keep_alive: head.keep_alive(),
            weight: head.weight(),
            body: head.content_length(),
            upgrade,
        })
    }

    /// What is kept of the request, at most, in bytes.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Whether it is an upgrade that is being judged.
    pub fn is_upgrade(&self) -> bool {
        self.upgrade.is_some()
    }

    /// From now on: the connection is closed with the answer.
    pub fn close_behind(&mut self) {
        self.keep_alive = false;
    }
}

impl Session {
    /// Takes what belongs to the head; returns how much that is, and whether the rest can be looked at.
    pub(super) fn take_head(&mut self, shared: &mut Shared, input: &[u8]) -> (usize, bool) {
        let Phase::Head(head) = &mut self.phase else { return (0, false) };
        let before = head.received.len();
        if before == 0 && head.answered && !input.is_empty() {
            // The first byte of a further request: from here on its head is due.
            self.set_timer(shared, Timer::Head, shared.config.limits.head_timeout);
        }
        let Phase::Head(head) = &mut self.phase else { return (0, false) };
        let limits = &shared.config.limits;
        // A head that comes in one piece is parsed where it lies.
        let bytes = if before == 0 {
            input
        } else {
            head.received.extend_from_slice(input);
            &head.received
        };
        // Not one byte more is skipped than the scanner skips: else the answer would depend on how the bytes were cut.
        head.head_only = bytes.strip_prefix(b"\r\n").unwrap_or(bytes).starts_with(b"HEAD ");
        match head.scanner.scan(bytes, limits) {
            Ok(None) => {
                if before == 0 {
                    head.received.extend_from_slice(input);
                }
                (input.len(), false)
            }
            Ok(Some(length)) => {
                let received = std::mem::take(&mut head.received);
                let bytes = if before == 0 { input } else { &received };
                let welcome = head.welcome;
                let parsed = RequestHead::parse(bytes.get(..length).unwrap_or(bytes), limits);
                match (parsed, welcome) {
                    (Ok(request), Welcome::Served) => self.take_request(shared, request),
                    (Ok(_), Welcome::ServerIsFull) => self.refuse(shared, unavailable()),
                    (Ok(_), Welcome::AddressIsFull) => self.refuse(shared, too_many(RETRY_AFTER_SECONDS.into())),
                    (Err(refusal), _) => self.refuse(shared, refusal),
                }
                // Behind an upgrade the host speaks first: it is told of the session before its frames are looked at.
                (length - before, !matches!(self.phase, Phase::Open(_)))
            }
            Err(refusal) => {
                self.refuse(shared, refusal);
                (input.len(), false)
            }
        }
    }

    fn take_request(&mut self, shared: &mut Shared, head: RequestHead) {
        match http::route(&head, &shared.config.path) {
            Route::Refuse(refusal) => self.refuse(shared, refusal),
            Route::Request => {
                self.set_timer(shared, Timer::Head, shared.config.limits.head_timeout);
                self.phase = Phase::Await(Await::new(&head, None));
                shared.events.push_back(Event::Request { id: self.id, head: Box::new(head) });
            }
            Route::Upgrade(upgrade) => self.judge_upgrade(shared, &head, upgrade),
        }
    }

    fn judge_upgrade(&mut self, shared: &mut Shared, head: &RequestHead, upgrade: Upgrade) {
        let origin = match shared.config.origins.check(head, self.secure) {
            Ok(origin) => origin,
            Err(refusal) => return self.refuse(shared, refusal),
        };
        if let Some(left) = shared.addresses.blocked_for(self.peer.ip(), shared.now.mono_us) {
            let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            return self.refuse(shared, too_many(whole));
        }
        if shared.ledger.is_near() {
            shared.ledger.note(Measure::Refused, shared.now);
            return self.refuse(shared, unavailable());
        }
        self.timers.stop(Timer::Head);
        self.set_timer(shared, Timer::Authentication, shared.config.limits.auth_timeout);
        let token = upgrade.token(&shared.config.subprotocols).map(str::to_owned);
        self.phase = Phase::Await(Await::new(head, Some(upgrade)));
        let proof = Proof::Upgrade { head, origin, token: token.as_deref() };
        let attempt = self.attempt(shared, proof);
        let ticket = self.next_ticket(shared);
        match shared.authenticator.begin(&attempt, ticket) {
            Decision::Now(verdict) => {
                shared.addresses.heed(ticket.ip, &verdict, shared.now.mono_us);
                self.enter(shared, verdict);
            }
            Decision::Later => {}
        }
    }

    /// What the authenticator is asked about this peer.
    pub(super) fn attempt<'a>(&self, shared: &Shared, proof: Proof<'a>) -> Attempt<'a> {
        Attempt { proof, peer: self.peer, secure: self.secure, now: shared.now }
    }

    /// The ticket for the next question to the authenticator; all earlier ones are stale from now on.
    pub(super) fn next_ticket(&mut self, shared: &Shared) -> Ticket {
        self.serial = self.serial.wrapping_add(1);
        let ip = self.peer.ip();
        Ticket { session: self.id.to_bits(), serial: self.serial, ip, counted: shared.addresses.name(ip) }
    }

    /// A verdict has come, from the authenticator or later from anywhere. A stale one changes nothing.
    pub fn resolve(&mut self, shared: &mut Shared, ticket: Ticket, verdict: Verdict) {
        if ticket.serial != self.serial {
            return;
        }
        match &self.phase {
            Phase::Await(waiting) if waiting.upgrade.is_some() => self.enter(shared, verdict),
            Phase::Open(open) if open.is_verifying() => self.resolve_in_band(shared, verdict),
            Phase::Head(_) | Phase::Body { .. } | Phase::Await(_) | Phase::HeadOut(_) | Phase::Open(_) => return,
            Phase::Closing(..) | Phase::Ending | Phase::Gone => return,
        }
        self.mark_ready(shared);
    }

    /// The upgrade is judged: in, or refused.
    fn enter(&mut self, shared: &mut Shared, verdict: Verdict) {
        let Phase::Await(waiting) = &mut self.phase else { return };
        let Some(upgrade) = waiting.upgrade.take() else { return };
        let identity = match verdict {
            Verdict::Accept(identity) => Some(identity),
            Verdict::AskInBand => None,
            Verdict::Refuse(refusal) | Verdict::Deny(refusal) => return self.turn_away(shared, &upgrade, refusal),
        };
        self.switch_protocols(shared, &upgrade);
        self.start_heartbeat(shared);
        if let Some(identity) = identity {
            self.open(shared, identity);
        }
    }

    /// The upgrade is refused, in the way that the configuration asks for.
    fn turn_away(&mut self, shared: &mut Shared, upgrade: &Upgrade, refusal: Refusal) {
        let code = match (shared.config.refuse_by, refusal.status()) {
            (RefuseBy::Close, 401) => 4401,
            (RefuseBy::Close, 403) => 4403,
            (RefuseBy::Close | RefuseBy::Http, _) => return self.refuse(shared, refusal),
        };
        self.switch_protocols(shared, upgrade);
        self.close(shared, CloseReason::UpgradeRefused { code, reason: refusal.into_reason() });
    }

    fn switch_protocols(&mut self, shared: &mut Shared, upgrade: &Upgrade) {
        let protocol = upgrade.select(&shared.config.subprotocols);
        let has_memory = shared.ledger.may_keep(TAKEOVER_BYTES);
        let deflate = shared.compression.agree(upgrade.extensions(), has_memory);
        let extension = deflate.map(Deflate::response);
        let (protocol, extension) = (protocol.map(str::to_owned), extension.as_deref());
        let queue = self.queue(shared);
        queue.push_http(|out| http::switching_protocols(upgrade, protocol.as_deref(), extension, out));
        self.phase = Phase::Open(Open::new(Who::Unknown, deflate));
    }

    /// Answers the outstanding request. Says whether there was one.
    pub fn respond(&mut self, shared: &mut Shared, response: Response) -> bool {
        let Phase::Await(waiting) = &self.phase else { return false };
        if waiting.upgrade.is_some() {
            return false;
        }
        let keep_alive = waiting.keep_alive && !response.closes();
        let delivery = Delivery {
            version: waiting.version,
            head_only: waiting.head_only,
            keep_alive,
            unix_ms: shared.now.unix_ms,
        };
        let body = waiting.body;
        self.queue(shared).push_http(|out| response.encode(&delivery, out));
        if keep_alive {
            self.phase = Phase::Body { remaining: body };
            if body == 0 {
                self.next_head(shared);
            } else {
                self.set_timer(shared, Timer::Head, shared.config.limits.head_timeout);
            }
            self.check_pause();
            self.mark_ready(shared);
        } else {
            let status = response.status();
            self.end(shared, if status < 400 { CloseReason::HttpDone } else { CloseReason::HttpRefused(status) });
        }
        true
    }

    pub(super) fn next_head(&mut self, shared: &mut Shared) {
        self.phase = Phase::Head(Head { answered: true, ..Head::first(Welcome::Served) });
        self.set_timer(shared, Timer::Head, shared.config.limits.keep_alive_timeout);
    }

    /// Answers with a refusal, and closes: nothing behind it is parsed.
    pub(super) fn refuse(&mut self, shared: &mut Shared, refusal: Refusal) {
        let (version, head_only) = match &self.phase {
            Phase::Await(waiting) => (waiting.version, waiting.head_only),
            Phase::Head(head) => (Version::Http11, head.head_only),
            Phase::Body { .. } | Phase::HeadOut(_) | Phase::Open(_) => return,
            Phase::Closing(..) | Phase::Ending | Phase::Gone => return,
        };
        let status = refusal.status();
        let delivery = Delivery { version, head_only, keep_alive: false, unix_ms: shared.now.unix_ms };
        self.queue(shared).push_http(|out| Response::from(refusal).encode(&delivery, out));
        self.end(shared, CloseReason::HttpRefused(status));
    }

    /// Neither a head nor an answer to one in time.
    pub(super) fn head_is_due(&mut self, shared: &mut Shared) {
        match &self.phase {
            Phase::Head(head) if head.is_between_requests() => self.end(shared, CloseReason::HttpDone),
            // Nothing came at all (not even a TLS handshake): there is nobody to tell.
            Phase::Head(head) if head.received.is_empty() => self.vanish(shared, CloseReason::HeadTimeout),
            Phase::Head(_) => self.refuse(shared, Refusal::new(408, "Request Timeout")),
            // The request has its answer: another would be taken for the next one's.
            Phase::Body { .. } => self.end(shared, CloseReason::HeadTimeout),
            Phase::Await(_) => self.refuse(shared, unavailable()),
            Phase::HeadOut(_) => self.answer_is_due(shared),
            Phase::Open(_) | Phase::Closing(..) | Phase::Ending | Phase::Gone => {}
        }
    }
}

/// 429 with `Retry-After`: too many connections of one address, or wrong credentials from it.
fn too_many(seconds: u64) -> Refusal {
    Refusal::new(429, "Too Many Requests").with_header("Retry-After", seconds.to_string())
}

/// 503 with `Retry-After`: too many connections, too little memory, or a host that gives no answer.
pub(super) fn unavailable() -> Refusal {
    Refusal::new(503, "Service Unavailable").with_header("Retry-After", RETRY_AFTER_SECONDS.to_string())
}
