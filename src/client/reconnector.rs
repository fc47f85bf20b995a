//! One connection that comes back: pure policy over the events of an engine. It says when to dial, speaks first when the
//! WebSocket is open, and tells its host what happens.
//!
//! ```text
//!              due                     101                  our close
//!   Waiting ---------> Connecting ----------> Open ------------------------> Closing
//!      ^  ^                 |                  |                                |
//!      |  +- failed --------+                  | any other end                  | told
//!      +---------------------------------------+                                v
//!                            a terminal end, no attempt left, our close ---> Stopped
//! ```
//!
//! Not here: sockets (`net/`), the loop of a client that has its own (`client.rs`), how long it waits (`backoff.rs`).

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::config::{AuthenticateBy, ClientConfig, Credentials};
use super::event::{ClientError, ClientEvent, ReadyState, SendError};
use super::say;
use crate::engine::{ConnId, Engine, Event, Refused};
use crate::error::{CloseReason, Error};
use crate::limits::{BACKOFF_DELAY_MIN, BACKOFF_JITTER, RETRY_AFTER_MAX, SEND_QUEUE_ENTRY_BYTES};
use crate::net::Dial;
use crate::time::{Now, micros};
use crate::wire::http::ResponseHead;
use crate::wire::websocket::Message;

/// Stands for an end without a Close frame (RFC 6455, section 7.1.5).
const NO_CLOSE: u16 = 1006;

/// The code that a token which is no longer good is closed with, and the status that it is refused with.
const TOKEN_ENDED: (u16, u16) = (4401, 401);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Another attempt is due then, in microseconds.
    Waiting {
        until_us: u64,
    },
    Connecting {
        id: ConnId,
    },
    Open {
        id: ConnId,
        since_us: u64,
    },
    Closing {
        id: ConnId,
    },
    Stopped,
}

/// What is known of the attempt under way, and of what has come of it.
#[derive(Debug, Default)]
struct Attempt {
    /// The server has refused it with this status.
    refused: Option<u16>,
    /// The server has asked for that much patience.
    retry_after: Option<Duration>,
    /// The host knows why it has failed.
    is_told: bool,
}

/// See the module.
///
/// Its driver: [`Reconnector::poll_dial`] until `None`, each time [`crate::Server::connect`] and
/// [`Reconnector::handle_dialed`] (which is [`crate::client::dial`]); every event of the engine to
/// [`Reconnector::handle_event`]; [`Reconnector::poll_event`] until `None`; and to sleep no longer than
/// [`Reconnector::poll_timeout`].
#[derive(Debug)]
pub struct Reconnector {
    config: ClientConfig,
    state: State,
    /// Attempts to come back since the last success.
    attempts: u32,
    attempt: Attempt,
    waiting: VecDeque<Message>,
    waiting_bytes: usize,
    events: VecDeque<ClientEvent>,
    random: StdRng,
}

impl Reconnector {
    /// Its first attempt is due at once. `seed` decides the jitter: it must be another in every process.
    pub fn new(config: ClientConfig, seed: u64) -> Result<Reconnector, Error> {
        config.check()?;
        Ok(Reconnector {
            config,
            state: State::Waiting { until_us: 0 },
            attempts: 0,
            attempt: Attempt::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            events: VecDeque::new(),
            random: StdRng::seed_from_u64(seed),
        })
    }

    // --- the driver ---

    /// What is to be dialed now, if an attempt is due.
    pub fn poll_dial(&mut self, now: Now) -> Option<Dial> {
        while let State::Waiting { until_us } = self.state
            && until_us <= now.mono_us
        {
            self.attempt = Attempt::default();
            self.events.push_back(ClientEvent::Connecting { attempt: self.attempts });
            match self.dial() {
                Ok(dial) => return Some(dial),
                Err(fault) => self.end(now, CloseReason::NotConnected(fault)),
            }
        }
        None
    }

    /// What came of it.
    pub fn handle_dialed(&mut self, now: Now, dialed: Result<ConnId, Refused>) {
        match dialed {
            Ok(id) => self.state = State::Connecting { id },
            Err(Refused) => self.end(now, CloseReason::NotConnected(Refused.to_string())),
        }
    }

    /// Takes an event of the engine, and gives back one that is not about this connection.
    pub fn handle_event(&mut self, engine: &mut Engine, event: Event) -> Option<Event> {
        if self.session() != Some(event.id()) {
            return Some(event);
        }
        match event {
            Event::Connected { id, protocol, .. } => self.open(engine, id, protocol),
            Event::Message { message, .. } => self.events.push_back(ClientEvent::Message(message)),
            Event::Refused { response, body, .. } => self.take_refusal(response, body),
            Event::Closed { reason, .. } => self.end(engine.now(), reason),
            other => return Some(other),
        }
        None
    }

    /// What happened, for the host.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Whether [`Reconnector::poll_event`] has one.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// How long the driver may sleep; `None`: as long as nothing comes.
    pub fn poll_timeout(&self, now: Now) -> Option<Duration> {
        match self.state {
            _ if self.has_events() => Some(Duration::ZERO),
            State::Waiting { until_us } => Some(Duration::from_micros(until_us.saturating_sub(now.mono_us))),
            State::Connecting { .. } | State::Open { .. } | State::Closing { .. } | State::Stopped => None,
        }
    }

    // --- the host ---

    /// Sends a message. While it is not open the message waits, if [`ClientConfig::queue_bytes`] has room for it.
    pub fn send(&mut self, engine: &mut Engine, message: Message) -> Result<(), SendError> {
        match self.state {
            // It may have ended in this turn, and the event not have come here yet.
            State::Open { id, .. } if !engine.is_open(id) => Err(SendError::NotOpen),
            State::Open { id, .. } => match engine.send(id, message) {
                true => Ok(()),
                false => Err(SendError::Full),
            },
            State::Waiting { .. } | State::Connecting { .. } => self.keep(message),
            State::Closing { .. } | State::Stopped => Err(SendError::NotOpen),
        }
    }

    /// Subscribes to a channel, now if it is open, and on every open from then on. Nothing is done about one that is
    /// subscribed to already.
    pub fn subscribe(&mut self, engine: &mut Engine, channel: &str) {
        if self.config.channels.iter().any(|name| name == channel) {
            return;
        }
        self.config.channels.push(channel.to_owned());
        self.say(engine, say::subscribe(channel));
    }

    /// Ends that.
    pub fn unsubscribe(&mut self, engine: &mut Engine, channel: &str) {
        let before = self.config.channels.len();
        self.config.channels.retain(|name| name != channel);
        if self.config.channels.len() < before {
            self.say(engine, say::unsubscribe(channel));
        }
    }

    /// Stops for good: an open WebSocket is closed with this code and reason (see [`Engine::close`]), an attempt under way
    /// is dropped, and no other follows, until [`Reconnector::restart`].
    pub fn close(&mut self, engine: &mut Engine, code: u16, reason: impl Into<std::borrow::Cow<'static, str>>) {
        self.forget_waiting();
        match self.state {
            State::Connecting { id } | State::Open { id, .. } => {
                self.state = State::Closing { id };
                engine.close(id, code, reason);
            }
            State::Waiting { .. } => self.state = State::Stopped,
            State::Closing { .. } | State::Stopped => {}
        }
    }

    /// Makes the next attempt now, and counts from 0 again: after it has stopped, or instead of waiting on. Does nothing
    /// while an attempt is under way, or it is open.
    pub fn restart(&mut self) {
        match self.state {
            State::Waiting { .. } | State::Stopped => {
                self.attempts = 0;
                self.state = State::Waiting { until_us: 0 };
            }
            State::Connecting { .. } | State::Open { .. } | State::Closing { .. } => {}
        }
    }

    /// Where it stands.
    pub fn ready_state(&self) -> ReadyState {
        match self.state {
            State::Waiting { .. } | State::Stopped => ReadyState::Closed,
            State::Connecting { .. } => ReadyState::Connecting,
            State::Open { .. } => ReadyState::Open,
            State::Closing { .. } => ReadyState::Closing,
        }
    }

    /// The number of the attempt that is under way or waited for; 0 for the first, and while it is open.
    pub fn attempt(&self) -> u32 {
        self.attempts
    }

    /// Whether no attempt will follow.
    pub fn has_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    /// Its session, while there is one.
    pub fn session(&self) -> Option<ConnId> {
        match self.state {
            State::Connecting { id } | State::Open { id, .. } | State::Closing { id } => Some(id),
            State::Waiting { .. } | State::Stopped => None,
        }
    }

    // --- the course of an attempt ---

    fn dial(&mut self) -> Result<Dial, String> {
        let url = self.config.url.next()?;
        let (url, mut upgrade) = self.config.upgrade_for(&url)?;
        if self.config.authenticate_by == AuthenticateBy::Upgrade
            && let Some(value) = self.authorization()?
        {
            upgrade.headers.push(("Authorization".to_owned(), value));
            upgrade.check()?;
        }
        Ok(Dial {
            host: url.host().to_owned(),
            port: url.port(),
            #[cfg(feature = "tls")]
            tls: self.config.tls.clone().filter(|_| url.is_secure()),
            upgrade,
        })
    }

    /// The credentials as an `Authorization` header has them.
    fn authorization(&mut self) -> Result<Option<String>, String> {
        match &mut self.config.credentials {
            Credentials::None => Ok(None),
            Credentials::Basic { user, password } => Ok(Some(basic(user, password))),
            Credentials::Token(token) => Ok(Some(format!("Bearer {}", token.next()?))),
        }
    }

    fn open(&mut self, engine: &mut Engine, id: ConnId, protocol: Option<String>) {
        let State::Connecting { .. } = self.state else { return };
        let token = match (&mut self.config.credentials, self.config.authenticate_by) {
            (Credentials::None, _) | (_, AuthenticateBy::Upgrade) => Ok(None),
            (Credentials::Basic { user, password }, AuthenticateBy::Message) => Ok(Some(basic(user, password))),
            (Credentials::Token(token), AuthenticateBy::Message) => token.next().map(Some),
        };
        let token = match token {
            Ok(token) => token,
            Err(fault) => {
                // Known to the engine only as closed by its host: this is why.
                self.tell_failure(ClientError::Failed(fault));
                return engine.close(id, 1000, "");
            }
        };
        self.state = State::Open { id, since_us: engine.now().mono_us };
        if self.config.min_uptime.is_zero() {
            self.attempts = 0;
        }
        self.events.push_back(ClientEvent::Open { protocol });
        let auth = token.map(|token| say::auth(&token));
        let subscriptions = self.config.channels.iter().map(|channel| say::subscribe(channel));
        let first: Vec<String> = auth.into_iter().chain(subscriptions).collect();
        // All of it, though it be more than the queue of a session takes from a host.
        for text in first {
            engine.send_surely(id, Message::Text(text.into()));
        }
        self.waiting_bytes = 0;
        for message in std::mem::take(&mut self.waiting) {
            engine.send_surely(id, message);
        }
    }

    fn take_refusal(&mut self, response: Box<ResponseHead>, body: Vec<u8>) {
        self.attempt.refused = Some(response.status());
        self.attempt.retry_after = retry_after(&response);
        self.tell_failure(ClientError::Refused { response, body });
    }

    fn tell_failure(&mut self, error: ClientError) {
        self.attempt.is_told = true;
        self.events.push_back(ClientEvent::Error(error));
    }

    /// The session has gone, or there never was one.
    fn end(&mut self, now: Now, cause: CloseReason) {
        let was_open = matches!(self.state, State::Open { .. });
        if let State::Open { since_us, .. } = self.state
            && now.mono_us.saturating_sub(since_us) >= micros(self.config.min_uptime)
        {
            self.attempts = 0;
        }
        let is_ours = matches!(self.state, State::Closing { .. });
        if !was_open && !is_ours && !self.attempt.is_told {
            self.tell_failure(ClientError::Failed(sentence(&cause)));
        }
        let (code, reason) = match cause.close_frame() {
            Some((code, reason)) if was_open || is_ours => (code, reason.to_owned()),
            Some(_) | None => (NO_CLOSE, String::new()),
        };
        let is_theirs = matches!(cause, CloseReason::PeerClosed { .. });
        let stops = is_ours || self.is_terminal(if is_theirs { code } else { NO_CLOSE });
        let gives_up = !stops && self.config.max_attempts.is_some_and(|most| self.attempts >= most);
        self.events.push_back(ClientEvent::Close { code, reason, cause, retries: !stops && !gives_up });
        if stops || gives_up {
            self.state = State::Stopped;
            self.forget_waiting();
            if gives_up {
                self.events.push_back(ClientEvent::MaxReconnect);
            }
        } else {
            self.wait(now);
        }
    }

    /// Whether nothing would come of another attempt, after the server's Close with this code, or its refusal.
    fn is_terminal(&self, code: u16) -> bool {
        let refused = self.attempt.refused;
        let (token_code, token_status) = TOKEN_ENDED;
        let may_be_good_next = matches!(&self.config.credentials, Credentials::Token(token) if token.is_fresh());
        let is_excused = may_be_good_next && (code == token_code || refused == Some(token_status));
        let is_listed = self.config.terminal_codes.contains(&code)
            || refused.is_some_and(|status| self.config.terminal_statuses.contains(&status));
        is_listed && !is_excused
    }

    fn wait(&mut self, now: Now) {
        let random = self.random.random_range(0.0..1.0);
        let mut delay = self.config.backoff.delay(self.attempts, random);
        if let Some(asked) = self.attempt.retry_after {
            // Those who were all told the same must not all come at once.
            delay = delay.max(asked.mul_f64(1.0 + BACKOFF_JITTER * random));
        }
        // Nor must one that fails at once come again at the same moment: the loop would never leave it.
        let delay = delay.max(BACKOFF_DELAY_MIN);
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::Waiting { until_us: now.mono_us.saturating_add(micros(delay)) };
        log::info!("Reconnecting in {}ms (attempt {})", delay.as_millis(), self.attempts);
        self.events.push_back(ClientEvent::Reconnecting { delay, attempt: self.attempts });
    }

    // --- what waits ---

    fn say(&mut self, engine: &mut Engine, text: String) {
        if let State::Open { id, .. } = self.state {
            engine.send_surely(id, Message::Text(text.into()));
        }
    }

    fn keep(&mut self, message: Message) -> Result<(), SendError> {
        if self.config.queue_bytes == 0 {
            return Err(SendError::NotOpen);
        }
        let cost = message.len() + SEND_QUEUE_ENTRY_BYTES;
        if self.waiting_bytes + cost > self.config.queue_bytes {
            return Err(SendError::Full);
        }
        self.waiting_bytes += cost;
        self.waiting.push_back(message.settled());
        Ok(())
    }

    fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
    }
}

/// The credentials of RFC 7617, section 2, in UTF-8.
fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Why an attempt has failed, as far as the reason says it.
fn sentence(cause: &CloseReason) -> String {
    match cause {
        CloseReason::NotConnected(sentence) | CloseReason::Handshake(sentence) | CloseReason::Tls(sentence) => {
            sentence.clone()
        }
        CloseReason::HeadTimeout => "no answer in time".to_owned(),
        other => other.to_string(),
    }
}

/// The patience that a refusal asks for, in whole seconds (RFC 9110, section 10.2.3), at most [`RETRY_AFTER_MAX`].
fn retry_after(response: &ResponseHead) -> Option<Duration> {
    let seconds = std::str::from_utf8(response.header("retry-after")?).ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
