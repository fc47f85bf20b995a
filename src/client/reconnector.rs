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

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::config::{ClientConfig, is_channel};
use super::credentials::{Credentials, Login};
use super::event::{ClientError, ClientEvent, ReadyState, SendError};
use super::say;
use crate::engine::{ConnId, Engine, Event, Refused, SubscribeError};
use crate::error::{CloseReason, Error, NO_CODE};
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
        next: Next,
    },
    Stopped,
}

/// What follows an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Nothing,
    /// Nothing, though another attempt was wanted: there were as many as there may be.
    NothingMore,
    /// An attempt after a delay.
    Attempt,
    /// An attempt at once, as if it were the first.
    Restart,
}

/// What the host has been told of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Told {
    #[default]
    Begun,
    Failed,
    Open,
}

/// What is known of the attempt under way, and of the connection that came of it.
#[derive(Default)]
struct Course {
    told: Told,
    /// The message by which the credentials are told, for the open.
    auth: Option<String>,
    /// The server has refused it with this status.
    refused: Option<u16>,
    /// The server has asked for that much patience.
    retry_after: Option<Duration>,
    /// The attempts before it, until the server has said anything: they count on if it only says that the token has ended.
    before: u32,
}

/// See the module.
///
/// Its driver, in each turn and in this order: [`Reconnector::poll_dial`] until `None`, each time [`crate::Server::connect`]
/// and [`Reconnector::handle_dialed`] (which is [`crate::client::dial`]); sleeping no longer than
/// [`Reconnector::poll_timeout`]; every event of the engine to [`Reconnector::handle_event`], before anybody else has it;
/// [`Reconnector::poll_event`] until `None`. What is not taken there is kept without a bound.
///
/// The session is its own: a host that ends it by [`Engine::close`] has it come back, as after any loss.
/// When the [`crate::Server`] in whose loop it is shuts down, it stops too: an open WebSocket is closed with 1001.
pub struct Reconnector {
    config: ClientConfig,
    state: State,
    /// Attempts to come back since the last success.
    attempts: u32,
    course: Course,
    /// Messages for the next open, and what they cost.
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
            course: Course::default(),
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
            self.course = Course::default();
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

    /// Takes an event of the engine. One that is not about its session is given back.
    pub fn handle_event(&mut self, engine: &mut Engine, event: Event) -> Option<Event> {
        if self.session() != Some(event.id()) {
            return Some(event);
        }
        match event {
            Event::Connected { id, protocol, .. } => self.open(engine, id, protocol),
            Event::Message { message, .. } => {
                self.course.before = 0;
                self.events.push_back(ClientEvent::Message(message));
            }
            Event::Refused { response, body, .. } => self.take_refusal(response, body),
            Event::Closed { reason, .. } => self.end(engine.now(), reason),
            // Those of a client that came, which a server is not.
            Event::Accepted { .. }
            | Event::Request { .. }
            | Event::Open { .. }
            | Event::RateLimited { .. }
            | Event::Renewed { .. } => {}
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

    /// Sends a message. While an attempt is under way or waited for the message waits, if [`ClientConfig::queue_bytes`] has
    /// room for it. On an open session it is [`SendError::Full`] when the engine's queue has no room.
    pub fn send(&mut self, engine: &mut Engine, message: Message) -> Result<(), SendError> {
        match self.state {
            // It may have ended in this turn, and the event not have come here yet.
            State::Open { id, .. } if !engine.is_open(id) => Err(SendError::NotOpen),
            State::Open { id, .. } => match engine.send(id, message) {
                true => Ok(()),
                false => Err(SendError::Full),
            },
            State::Waiting { .. } | State::Connecting { .. } => self.keep(engine, message),
            State::Closing { .. } | State::Stopped => Err(SendError::NotOpen),
        }
    }

    /// Subscribes to a channel, now if it is open, and on every open from then on. Nothing is done about one that is
    /// subscribed to already. [`SubscribeError::BadName`] is the only error: what the server says comes as a message.
    pub fn subscribe(&mut self, engine: &mut Engine, channel: &str) -> Result<(), SubscribeError> {
        if !is_channel(channel) {
            return Err(SubscribeError::BadName);
        }
        if !self.config.channels.iter().any(|name| name == channel) {
            self.config.channels.push(channel.to_owned());
            self.say(engine, say::subscribe(channel));
        }
        Ok(())
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
    pub fn close(&mut self, engine: &mut Engine, code: u16, reason: impl Into<Cow<'static, str>>) {
        self.forget_waiting();
        match self.state {
            State::Connecting { id } | State::Open { id, .. } => {
                self.state = State::Closing { id, next: Next::Nothing };
                engine.close(id, code, reason);
            }
            State::Waiting { .. } => self.state = State::Stopped,
            State::Closing { .. } | State::Stopped => {}
        }
    }

    /// Makes the next attempt now, and counts from 0 again: after it has stopped, instead of waiting on, or once the end
    /// that [`Reconnector::close`] brings about is told. Does nothing while an attempt is under way, or it is open.
    pub fn restart(&mut self) {
        match self.state {
            State::Waiting { .. } | State::Stopped => self.begin_anew(),
            State::Closing { id, .. } => self.state = State::Closing { id, next: Next::Restart },
            State::Connecting { .. } | State::Open { .. } => {}
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

    /// The number of the attempt that is under way or waited for; 0 for the first, and again after a success
    /// ([`ClientConfig::min_uptime`]).
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
            State::Connecting { id } | State::Open { id, .. } | State::Closing { id, .. } => Some(id),
            State::Waiting { .. } | State::Stopped => None,
        }
    }

    // --- the course of an attempt ---

    fn dial(&mut self) -> Result<Dial, String> {
        let url = self.config.url.next()?;
        let (url, mut upgrade) = self.config.upgrade_for(&url)?;
        match self.config.credentials.tell(self.config.authenticate_by)? {
            None => {}
            Some(Login::Header { name, value }) => {
                upgrade.headers.push((name, value));
                upgrade.check()?;
            }
            Some(Login::Message(text)) => self.course.auth = Some(text),
        }
        Ok(Dial {
            #[cfg(feature = "tls")]
            tls: self.config.tls.clone().filter(|_| url.is_secure()),
            upgrade,
            ..Dial::plain(&url)
        })
    }

    fn open(&mut self, engine: &mut Engine, id: ConnId, protocol: Option<String>) {
        let State::Connecting { .. } = self.state else { return };
        self.state = State::Open { id, since_us: engine.now().mono_us };
        self.course.before = self.attempts;
        if self.config.min_uptime.is_zero() {
            self.attempts = 0;
        }
        self.course.told = Told::Open;
        self.events.push_back(ClientEvent::Open { protocol });
        let auth = self.course.auth.take();
        let subscriptions = self.config.channels.iter().map(|channel| say::subscribe(channel));
        let texts = auth.into_iter().chain(subscriptions).map(|text| Message::Text(text.into()));
        for message in texts.chain(std::mem::take(&mut self.waiting)) {
            engine.send(id, message);
        }
        self.waiting_bytes = 0;
    }

    fn take_refusal(&mut self, response: Box<ResponseHead>, body: Vec<u8>) {
        self.course.refused = Some(response.status());
        self.course.retry_after = retry_after(&response);
        self.tell_failure(ClientError::Refused { response, body });
    }

    fn tell_failure(&mut self, error: ClientError) {
        self.course.told = Told::Failed;
        self.events.push_back(ClientEvent::Error(error));
    }

    /// The session has gone, or there never was one.
    fn end(&mut self, now: Now, cause: CloseReason) {
        if let State::Open { since_us, .. } = self.state
            && now.mono_us.saturating_sub(since_us) >= micros(self.config.min_uptime)
        {
            self.attempts = 0;
        }
        if self.course.told == Told::Begun && !matches!(self.state, State::Closing { .. }) {
            self.tell_failure(ClientError::Failed(sentence(&cause)));
        }
        let (code, reason) = match cause.close_frame() {
            Some((code, reason)) if self.course.told == Told::Open => (code, reason.to_owned()),
            Some(_) | None => (NO_CLOSE, String::new()),
        };
        let next = self.next_after(&cause);
        let retries = matches!(next, Next::Attempt | Next::Restart);
        self.events.push_back(ClientEvent::Close { code, reason, cause, retries });
        match next {
            Next::Attempt => self.wait(now),
            Next::Restart => self.begin_anew(),
            Next::Nothing => self.stop(),
            Next::NothingMore => {
                self.stop();
                self.events.push_back(ClientEvent::MaxReconnect);
            }
        }
    }

    fn next_after(&mut self, cause: &CloseReason) -> Next {
        let refused = self.course.refused;
        let code = match (self.state, cause) {
            (State::Closing { next, .. }, _) => return next,
            // The server's loop that it is in has ended: nothing will be dialed there any more.
            (_, CloseReason::ServerShutdown) => return Next::Nothing,
            (_, CloseReason::PeerClosed { code, .. }) => code.unwrap_or(NO_CODE),
            _ => NO_CLOSE,
        };
        let (token_code, token_status) = TOKEN_ENDED;
        let is_listed = self.config.terminal_codes.contains(&code)
            || refused.is_some_and(|status| self.config.terminal_statuses.contains(&status));
        if (code == token_code || refused == Some(token_status)) && self.has_fresh_tokens() {
            // The next one may be good. But to be let in only to be told so is no success.
            self.attempts = self.attempts.max(self.course.before);
        } else if is_listed {
            return Next::Nothing;
        }
        let may_try_again = self.config.max_attempts.is_none_or(|most| self.attempts < most);
        if may_try_again { Next::Attempt } else { Next::NothingMore }
    }

    fn has_fresh_tokens(&self) -> bool {
        matches!(&self.config.credentials, Credentials::Token(token) if token.is_fresh())
    }

    fn stop(&mut self) {
        self.state = State::Stopped;
        self.forget_waiting();
    }

    fn begin_anew(&mut self) {
        self.attempts = 0;
        self.state = State::Waiting { until_us: 0 };
    }

    fn wait(&mut self, now: Now) {
        let random = self.random.random_range(0.0..1.0);
        let mut delay = self.config.backoff.delay(self.attempts, random);
        if let Some(asked) = self.course.retry_after {
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

    fn keep(&mut self, engine: &Engine, message: Message) -> Result<(), SendError> {
        if self.config.queue_bytes == 0 {
            return Err(SendError::NotOpen);
        }
        // All of it goes to the engine's queue at once, so no more is taken than has room there.
        let most = self.config.queue_bytes.min(engine.config().limits.send_queue_bytes);
        let cost = message.len() + SEND_QUEUE_ENTRY_BYTES;
        if self.waiting_bytes + cost > most {
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

/// Where it stands. What it has been told may be secret.
impl fmt::Debug for Reconnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reconnector { config, state, attempts, .. } = self;
        let mut shown = f.debug_struct("Reconnector");
        shown.field("config", config).field("state", state).field("attempts", attempts).finish_non_exhaustive()
    }
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
