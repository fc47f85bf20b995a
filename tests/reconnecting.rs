//! The client's policy, against a whole daemon in memory and a clock that only the test moves: when it tries again, what it
//! says first, when it stops, and what it tells its host.
//!
//! Not here: what waits to be sent (`reconnecting/queue.rs`), the delays themselves (`src/client/backoff.rs`), the engine's
//! part (`outbound.rs`), sockets (`dialing.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;
#[path = "reconnecting/queue.rs"]
mod queue;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barewire::client::{
    AuthenticateBy, Backoff, ClientConfig, ClientError, ClientEvent, Credentials, Jitter, ReadyState, Reconnector,
    SendError, Source,
};
use barewire::limits::{CHANNEL_NAME_BYTES, RETRY_AFTER_MAX};
use barewire::{CloseReason, ConnId, EngineConfig, Message, PreparedMessage};
use common::{Peer, World};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// What becomes of a dial.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Network {
    /// It reaches the daemon.
    Up,
    /// Nobody listens.
    Refuses,
    /// Packets vanish, in either direction.
    Silent,
}

/// One client, the daemon, and what is between them.
struct Pair {
    here: World,
    there: World,
    client: Reconnector,
    network: Network,
    /// The ends of the connection that stands.
    line: Option<(ConnId, ConnId)>,
    /// What the client told, in short.
    told: Vec<String>,
    /// Headers of each dial.
    asked: Vec<Vec<(String, String)>>,
}

fn config() -> ClientConfig {
    let backoff = Backoff { jitter: Jitter::None, ..Backoff::default() };
    ClientConfig { backoff, ..ClientConfig::new("ws://localhost/ws") }
}

fn logged_in() -> ClientConfig {
    let credentials = Credentials::Basic { user: "user".into(), password: "pass".into() };
    ClientConfig { credentials, ..config() }
}

/// Another token at each asking, and how often that was.
fn fresh_tokens() -> (Credentials, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    let ask = move || Ok(format!("token-{}", counter.fetch_add(1, Ordering::Relaxed)));
    (Credentials::Token(Source::Fresh(Box::new(ask))), asked)
}

impl Pair {
    fn new(config: ClientConfig) -> Pair {
        Pair::with(config, World::daemon(EngineConfig::default()))
    }

    fn with(config: ClientConfig, there: World) -> Pair {
        let here = World::new(EngineConfig::default(), Box::new(barewire::auth::NoAuth));
        let client = Reconnector::new(config, 7).unwrap();
        let (told, asked) = (Vec::new(), Vec::new());
        let mut pair = Pair { here, there, client, network: Network::Up, line: None, told, asked };
        pair.turn();
        pair
    }

    /// Everything that can happen at this moment.
    fn turn(&mut self) {
        for _ in 0..1000 {
            let mut is_quiet = true;
            while let Some(dial) = self.client.poll_dial(self.here.now) {
                self.asked.push(dial.upgrade.headers.clone());
                let id = self.here.engine.connect(dial.upgrade, false, [9; 32]).unwrap();
                self.client.handle_dialed(self.here.now, Ok(id));
                self.connect(id);
                is_quiet = false;
            }
            self.here.turn();
            is_quiet &= !self.carry();
            for event in std::mem::take(&mut self.here.events) {
                let ours = self.client.handle_event(&mut self.here.engine, event);
                assert!(ours.is_none(), "nobody else is here: {ours:?}");
                is_quiet = false;
            }
            while let Some(event) = self.client.poll_event() {
                self.told.push(short(&event));
            }
            self.here.turn();
            if is_quiet {
                return;
            }
        }
        panic!("it never comes to rest: {:?}", self.told);
    }

    fn connect(&mut self, id: ConnId) {
        self.here.peers.insert(id, Peer { room: usize::MAX, ..Peer::default() });
        match self.network {
            Network::Up => {
                self.line = Some((id, self.there.connect()));
                self.here.engine.handle_connected(id, SocketAddr::from(([127, 0, 0, 1], 80)));
            }
            Network::Refuses => {
                let reason = CloseReason::NotConnected("connection refused by 127.0.0.1:80".into());
                self.here.engine.handle_error(id, reason);
            }
            Network::Silent => {}
        }
        self.here.turn();
    }

    /// Carries bytes both ways, and the ends of streams; says whether there were any.
    fn carry(&mut self) -> bool {
        let Some((id, guest)) = self.line.filter(|_| self.network == Network::Up) else { return false };
        let (up, down) = (self.here.take(id), self.there.take(guest));
        if !up.is_empty() || !down.is_empty() {
            self.there.input(guest, &up);
            self.here.input(id, &down);
            return true;
        }
        let (is_over, has_left) = (self.there.peer(guest).ended, self.here.peer(id).ended || self.here.is_gone(id));
        if is_over || has_left {
            self.line = None;
            self.here.end(id);
            self.there.end(guest);
        }
        is_over || has_left
    }

    fn advance(&mut self, by: Duration) {
        let mut left = by;
        while !left.is_zero() {
            let due = self.client.poll_timeout(self.here.now).unwrap_or(left).max(MILLI);
            let step = due.min(left).min(100 * MILLI);
            self.here.advance(step);
            self.there.advance(step);
            left -= step;
            self.turn();
        }
    }

    /// The daemon is killed: its end of the stream is closed without a word.
    fn kill(&mut self) {
        self.network = Network::Refuses;
        if let Some((id, guest)) = self.line.take() {
            self.here.end(id);
            self.there.end(guest);
        }
        self.turn();
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn send(&mut self, text: &str) -> Result<(), SendError> {
        let sent = self.client.send(&mut self.here.engine, Message::Text(text.into()));
        self.turn();
        sent
    }

    fn close(&mut self) {
        self.client.close(&mut self.here.engine, 1000, "");
        self.turn();
    }

    /// The daemon closes this session.
    fn daemon_closes(&mut self, code: u16, reason: &'static str) {
        let (_, guest) = self.line.unwrap();
        self.there.engine.close(guest, code, reason);
        self.there.turn();
        self.turn();
    }

    fn publish(&mut self, channel: &str, text: &str) {
        self.there.engine.publish(channel, &PreparedMessage::text(text), None);
        self.there.turn();
        self.turn();
    }
}

fn short(event: &ClientEvent) -> String {
    match event {
        ClientEvent::Connecting { attempt } => format!("connecting {attempt}"),
        ClientEvent::Open { .. } => "open".into(),
        ClientEvent::Message(message) => {
            let text = String::from_utf8_lossy(message.payload()).into_owned();
            let is_stamped = text.find(r#","timestamp""#);
            is_stamped.map_or(text.clone(), |at| text[..at].to_owned() + "}")
        }
        ClientEvent::Error(ClientError::Refused { response, body }) => {
            format!("refused {} {}", response.status(), String::from_utf8_lossy(body))
        }
        ClientEvent::Error(error) => format!("error: {error}"),
        ClientEvent::Close { code, reason, retries, .. } => {
            format!("close {code} {reason}{}", if *retries { "" } else { " for good" })
        }
        ClientEvent::Reconnecting { delay, attempt } => format!("in {} ms {attempt}", delay.as_millis()),
        ClientEvent::MaxReconnect => "maxreconnect".into(),
        other => format!("{other:?}"),
    }
}

const WELCOME: &str = r#"{"type":"connected","userId":"user"}"#;

#[test]
fn the_first_attempt_is_made_at_once_and_further_ones_after_the_delays_of_the_study() {
    let mut pair = Pair::new(logged_in());
    assert_eq!(pair.told(), ["connecting 0", "open", r#"{"type":"auth_success"}"#, WELCOME]);
    pair.kill();
    assert_eq!(pair.told(), ["close 1006 ", "in 1000 ms 1"]);
    for (attempt, delay, next) in
        [(1, 1000, 2000), (2, 2000, 4000), (3, 4000, 8000), (4, 8000, 16_000), (5, 16_000, 30_000), (6, 30_000, 30_000)]
    {
        pair.advance(delay * MILLI - MILLI);
        assert_eq!((pair.told(), pair.client.attempt()), (vec![], attempt));
        pair.advance(MILLI);
        let refused = "error: connection refused by 127.0.0.1:80";
        let again = format!("in {next} ms {}", attempt + 1);
        assert_eq!(pair.told(), [&format!("connecting {attempt}"), refused, "close 1006 ", &again]);
    }
    pair.network = Network::Up;
    pair.advance(30 * SECOND);
    assert_eq!(pair.told()[..2], ["connecting 7", "open"]);
    assert_eq!(pair.client.attempt(), 0);
    pair.kill();
    assert_eq!(pair.told().last().unwrap(), "in 1000 ms 1", "open counts as a success");
}

#[test]
fn an_open_that_does_not_last_is_no_success_where_a_minimum_is_asked_for() {
    for (min_uptime, uptime, delay) in
        [(0, 0, 1000), (10_000, 0, 4000), (10_000, 9999, 4000), (10_000, 10_000, 1000), (10_000, 60_000, 1000)]
    {
        let mut pair = Pair::new(ClientConfig { min_uptime: min_uptime * MILLI, ..logged_in() });
        pair.kill();
        pair.advance(1500 * MILLI);
        pair.network = Network::Up;
        pair.advance(1500 * MILLI);
        assert_eq!(pair.client.ready_state(), ReadyState::Open);
        pair.advance(uptime * MILLI);
        pair.kill();
        assert_eq!(pair.told().last().unwrap().split(' ').nth(1), Some(delay.to_string().as_str()), "{uptime}");
    }
}

#[test]
fn its_state_tells_the_truth() {
    let mut pair = Pair::new(logged_in());
    assert_eq!(pair.client.ready_state(), ReadyState::Open);
    pair.kill();
    assert_eq!(pair.client.ready_state(), ReadyState::Closed);
    pair.network = Network::Silent;
    pair.advance(SECOND);
    assert_eq!((pair.client.ready_state(), pair.client.attempt()), (ReadyState::Connecting, 1));
    pair.advance(11 * SECOND);
    assert_eq!(pair.client.ready_state(), ReadyState::Closed);
    assert_eq!(pair.told()[6..], ["connecting 1", "error: no answer in time", "close 1006 ", "in 2000 ms 2"]);
    pair.network = Network::Up;
    pair.advance(2 * SECOND);
    assert_eq!(pair.client.ready_state(), ReadyState::Open);
    pair.client.close(&mut pair.here.engine, 1000, "");
    assert_eq!(pair.client.ready_state(), ReadyState::Closing);
    pair.turn();
    assert_eq!(pair.client.ready_state(), ReadyState::Closed);
    assert!(pair.client.has_stopped());
}

#[test]
fn after_as_many_attempts_as_there_may_be_it_gives_up_once_and_may_be_started_again() {
    let mut pair = Pair::new(ClientConfig { max_attempts: Some(2), ..logged_in() });
    pair.told();
    pair.kill();
    pair.advance(60 * SECOND);
    let told = pair.told();
    assert_eq!(told[told.len() - 2..], ["close 1006  for good", "maxreconnect"]);
    assert_eq!(told.iter().filter(|event| event.starts_with("connecting")).count(), 2);
    assert_eq!(told.iter().filter(|event| *event == "maxreconnect").count(), 1);
    assert_eq!(pair.send("too late"), Err(SendError::NotOpen));
    assert_eq!(SendError::NotOpen.to_string(), "WebSocket is not open");
    pair.advance(600 * SECOND);
    assert_eq!((pair.told(), pair.client.poll_timeout(pair.here.now)), (vec![], None));
    pair.network = Network::Up;
    pair.client.restart();
    pair.turn();
    assert_eq!(pair.told()[..2], ["connecting 0", "open"]);

    let mut pair = Pair::new(ClientConfig { max_attempts: Some(0), ..logged_in() });
    pair.kill();
    assert_eq!(pair.told().last().unwrap(), "maxreconnect");
}

#[test]
fn a_wrong_password_stops_it_and_so_does_every_code_on_the_list_and_no_other() {
    let credentials = Credentials::Basic { user: "user".into(), password: "wrong".into() };
    let mut pair = Pair::new(ClientConfig { credentials, ..config() });
    let failed = r#"{"type":"error","message":"Authentication failed"}"#;
    assert_eq!(pair.told(), ["connecting 0", "open", failed, "close 1008 Authentication failed for good"]);
    assert!(pair.client.has_stopped());

    for (code, stops) in
        [(1000, false), (1001, false), (1008, true), (1012, false), (4400, false), (4401, true), (4403, true)]
    {
        let mut pair = Pair::new(logged_in());
        pair.daemon_closes(code, "why");
        assert_eq!(pair.client.has_stopped(), stops, "{code}");
    }
    let mut pair = Pair::new(ClientConfig { terminal_codes: vec![4000], ..logged_in() });
    pair.daemon_closes(1008, "");
    pair.advance(SECOND);
    pair.daemon_closes(4000, "");
    assert!(pair.client.has_stopped());
}

#[test]
fn a_token_that_has_ended_is_asked_for_anew_where_that_is_possible() {
    let open_to_all = || World::new(EngineConfig::default(), Box::new(barewire::auth::NoAuth));
    let (credentials, asked) = fresh_tokens();
    let mut pair = Pair::with(ClientConfig { credentials, ..config() }, open_to_all());
    pair.daemon_closes(4401, "Token expired");
    assert_eq!(pair.told()[2..], ["close 4401 Token expired", "in 1000 ms 1"]);
    pair.advance(SECOND);
    assert_eq!((pair.client.ready_state(), asked.load(Ordering::Relaxed)), (ReadyState::Open, 2));
    let heard: Vec<&String> = pair.there.history.iter().filter(|event| event.contains("token-")).collect();
    assert!(heard[0].contains("token-0") && heard[1].contains("token-1"), "{heard:?}");

    let credentials = Credentials::Token("fixed".into());
    let mut pair = Pair::with(ClientConfig { credentials, ..config() }, open_to_all());
    pair.daemon_closes(4401, "Token expired");
    assert!(pair.client.has_stopped(), "the same token will not be good again");
}

#[test]
fn a_refused_upgrade_is_told_whole_and_401_and_403_are_not_tried_again() {
    let wrong = |by| {
        let credentials = Credentials::Basic { user: "user".into(), password: "wrong".into() };
        ClientConfig { credentials, authenticate_by: by, ..config() }
    };
    let mut pair = Pair::new(wrong(AuthenticateBy::Upgrade));
    assert_eq!(pair.told(), ["connecting 0", "refused 403 Forbidden", "close 1006  for good"]);
    assert_eq!(pair.asked[0], [("Authorization".to_owned(), "Basic dXNlcjp3cm9uZw==".to_owned())]);

    let mut pair = Pair::new(ClientConfig { url: "ws://localhost/elsewhere".into(), ..logged_in() });
    assert_eq!(pair.told(), ["connecting 0", "refused 404 Not Found", "close 1006 ", "in 1000 ms 1"]);
    let mut pair =
        Pair::new(ClientConfig { terminal_statuses: vec![404], url: "ws://localhost/elsewhere".into(), ..config() });
    assert!(pair.client.has_stopped() && !pair.told().is_empty());

    let (credentials, asked) = fresh_tokens();
    let authenticate_by = AuthenticateBy::Upgrade;
    let mut pair = Pair::new(ClientConfig { credentials, authenticate_by, ..config() });
    pair.advance(3 * SECOND);
    assert_eq!(asked.load(Ordering::Relaxed), 3, "401 three times: {:?}", pair.told());
}

#[test]
fn the_patience_that_a_server_asks_for_is_had() {
    let limits = barewire::Limits { max_memory: 16 << 20, connections: 0, ..Default::default() };
    let mut pair = Pair::with(logged_in(), World::daemon(EngineConfig { limits, ..EngineConfig::default() }));
    let told = pair.told();
    assert!(told[1].starts_with("refused 503"), "{told:?}");
    let delay: u64 = told[3].split(' ').nth(1).unwrap().parse().unwrap();
    // Five seconds, and up to 30 % of that on top, though jitter is off: all were told the same.
    assert!((5000..6500).contains(&delay), "{told:?}");
    assert_eq!(RETRY_AFTER_MAX, 300 * SECOND);
}

#[test]
fn its_own_close_stops_everything_in_every_state() {
    // Open.
    let mut pair = Pair::new(logged_in());
    pair.told();
    pair.close();
    assert_eq!(pair.told(), ["close 1000  for good"]);
    assert_eq!((pair.here.engine.sessions(), pair.there.engine.sessions()), (0, 0));
    // Waiting.
    let mut pair2 = Pair::new(logged_in());
    pair2.kill();
    pair2.told();
    pair2.close();
    assert_eq!(pair2.told(), Vec::<String>::new(), "the end was told when it came");
    // Connecting.
    let mut pair3 = Pair::new(logged_in());
    pair3.kill();
    pair3.network = Network::Silent;
    pair3.advance(SECOND);
    pair3.told();
    pair3.close();
    assert_eq!(pair3.told(), ["close 1000  for good"]);
    for mut pair in [pair, pair2, pair3] {
        pair.network = Network::Up;
        let dials = pair.asked.len();
        pair.advance(600 * SECOND);
        assert_eq!((pair.told(), pair.asked.len(), pair.here.engine.sessions()), (vec![], dials, 0));
        assert_eq!((pair.client.poll_timeout(pair.here.now), pair.client.has_stopped()), (None, true));
        assert_eq!(pair.send("x"), Err(SendError::NotOpen));
    }
}

#[test]
fn channels_are_subscribed_to_on_every_open_behind_the_credentials() {
    let mut pair = Pair::new(ClientConfig { channels: vec!["news".into()], ..logged_in() });
    assert_eq!(pair.told()[3..], [WELCOME, r#"{"type":"subscribed","channel":"news"}"#]);
    pair.client.subscribe(&mut pair.here.engine, "more");
    pair.client.subscribe(&mut pair.here.engine, "more");
    pair.client.subscribe(&mut pair.here.engine, "less");
    pair.client.unsubscribe(&mut pair.here.engine, "less");
    pair.client.unsubscribe(&mut pair.here.engine, "never");
    pair.turn();
    let answers = [r#"{"type":"subscribed","channel":"more"}"#, r#"{"type":"subscribed","channel":"less"}"#];
    assert_eq!(pair.told(), [answers[0], answers[1], r#"{"type":"unsubscribed","channel":"less"}"#]);
    pair.kill();
    pair.client.subscribe(&mut pair.here.engine, "later");
    pair.network = Network::Up;
    pair.advance(SECOND);
    let (_, guest) = pair.line.unwrap();
    let mut channels: Vec<&str> = pair.there.engine.channels_of(guest).collect();
    channels.sort_unstable();
    assert_eq!(channels, ["later", "more", "news"]);
    pair.told();
    pair.publish("more", "once");
    assert_eq!(pair.told(), ["once"]);
}

#[test]
fn a_silent_server_is_left_and_dialed_again() {
    let mut pair = Pair::new(logged_in());
    pair.told();
    pair.network = Network::Silent;
    pair.advance(29 * SECOND);
    assert_eq!(pair.told(), Vec::<String>::new());
    pair.advance(32 * SECOND);
    assert_eq!(pair.told()[..2], ["close 1006 ", "in 1000 ms 1"]);
}

#[test]
fn an_attempt_without_a_url_or_a_token_has_failed_and_another_follows() {
    let urls = Arc::new(Mutex::new(vec![
        Ok("ws://localhost/ws".to_owned()),
        Ok("gopher://localhost/".to_owned()),
        Err("the directory is away".to_owned()),
    ]));
    let ask = move || urls.lock().unwrap().pop().unwrap();
    let mut pair = Pair::new(ClientConfig { url: Source::Fresh(Box::new(ask)), ..logged_in() });
    assert_eq!(pair.told()[..3], ["connecting 0", "error: the directory is away", "close 1006 "]);
    pair.advance(SECOND);
    assert!(pair.told()[1].contains("gopher"), "no URL of a WebSocket");
    pair.advance(2 * SECOND);
    assert_eq!(pair.told()[1], "open");

    for by in [AuthenticateBy::Message, AuthenticateBy::Upgrade] {
        let credentials = Credentials::Token(Source::Fresh(Box::new(|| Err("no token today".into()))));
        let mut pair = Pair::new(ClientConfig { credentials, authenticate_by: by, ..config() });
        assert_eq!(pair.told(), ["connecting 0", "error: no token today", "close 1006 ", "in 1000 ms 1"], "{by:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_dialed() {
    let long = "c".repeat(CHANNEL_NAME_BYTES + 1);
    let credentials = |user: &str| Credentials::Basic { user: user.into(), password: "s3cret".into() };
    for (config, sentence) in [
        (ClientConfig { url: "http//localhost".into(), ..config() }, "http//localhost"),
        (ClientConfig { url: "wss://localhost/".into(), ..config() }, "trusted"),
        (ClientConfig { protocols: vec!["a b".into()], ..config() }, "protocols"),
        (ClientConfig { headers: vec![("X".into(), "a\r\nb".into())], ..config() }, "headers"),
        (ClientConfig { channels: vec![String::new()], ..config() }, "channel"),
        (ClientConfig { channels: vec![long], ..config() }, "channel"),
        (ClientConfig { credentials: credentials("a:b"), ..config() }, "colon"),
        (
            ClientConfig { credentials: credentials("a"), url: "ws://example.test/".into(), ..config() },
            "allowed: wss://",
        ),
        (ClientConfig { backoff: Backoff { factor: 0.5, ..Backoff::default() }, ..config() }, "factor"),
    ] {
        let error = Reconnector::new(config, 0).unwrap_err().to_string();
        assert!(error.contains(sentence) && !error.contains("s3cret"), "{error}");
    }
    let longest = vec!["c".repeat(CHANNEL_NAME_BYTES)];
    assert!(Reconnector::new(ClientConfig { channels: longest, ..config() }, 0).is_ok());
    for url in ["ws://127.1.2.3/", "ws://[::1]:8080/", "ws://LOCALHOST/"] {
        assert!(Reconnector::new(ClientConfig { url: url.into(), ..logged_in() }, 0).is_ok(), "{url}");
    }
    let open = ClientConfig { allow_plain: true, url: "ws://example.test/".into(), ..logged_in() };
    assert!(Reconnector::new(open, 0).is_ok());
}

#[test]
fn nothing_secret_is_in_what_debug_shows() {
    let credentials = Credentials::Basic { user: "anna".into(), password: "s3cret".into() };
    let url = "wss://localhost/?key=s3cret".into();
    let shown = format!("{:?}", ClientConfig { credentials, url, ..config() });
    let token = ClientConfig { credentials: Credentials::Token("s3cret".into()), ..config() };
    let shown = shown + &format!("{:?}", Reconnector::new(token, 0).unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn two_clients_do_not_come_back_at_the_same_moment() {
    let delays = |seed, jitter| {
        let backoff = Backoff { jitter, ..Backoff::default() };
        let mut client = Reconnector::new(ClientConfig { backoff, ..config() }, seed).unwrap();
        let mut now = barewire::Now { mono_us: 0, unix_ms: 0 };
        let mut delays = Vec::new();
        while delays.len() < 8 {
            client.poll_dial(now).unwrap();
            client.handle_dialed(now, Err(barewire::engine::Refused));
            while let Some(event) = client.poll_event() {
                if let ClientEvent::Reconnecting { delay, .. } = event {
                    delays.push(delay.as_millis());
                    now.mono_us += delay.as_micros() as u64;
                }
            }
        }
        delays
    };
    for jitter in [Jitter::Proportional, Jitter::Full] {
        assert_eq!(delays(1, jitter), delays(1, jitter));
        assert!(delays(1, jitter).iter().zip(delays(2, jitter)).all(|(one, other)| *one != other), "{jitter:?}");
    }
    assert_eq!(delays(1, Jitter::None), delays(2, Jitter::None));
}
