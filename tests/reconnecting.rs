//! The client's policy, against a whole daemon in memory and a clock that only the test moves: when it tries again, what it
//! says first, when it stops, and what it tells its host.
//!
//! Not here: the delays themselves (`src/client/backoff.rs`), the engine's part (`outbound.rs`), sockets (`dialing.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;
#[path = "reconnecting/pair.rs"]
mod pair;
#[path = "reconnecting/queue.rs"]
mod queue;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barewire::client::{
    AuthenticateBy, Backoff, ClientConfig, ClientEvent, Credentials, Jitter, ReadyState, Reconnector, SendError, Source,
};
use barewire::limits::{BACKOFF_JITTER, CHANNEL_NAME_BYTES, RETRY_AFTER_MAX, SEND_QUEUE_ENTRY_BYTES};
use barewire::wire::http::ResponseHead;
use barewire::{CloseReason, EngineConfig, Event, Limits, Message, RefuseBy, SubscribeError};
use common::World;
use pair::{Network, Pair};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

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

/// A daemon with `auth.refuse = close` takes the upgrade, and closes with 4401.
#[test]
fn to_be_let_in_only_to_be_told_that_the_token_has_ended_is_no_success() {
    let refuse_by = RefuseBy::Close;
    let daemon = World::daemon(EngineConfig { refuse_by, ..EngineConfig::default() });
    let (credentials, _) = fresh_tokens();
    let authenticate_by = AuthenticateBy::Upgrade;
    let mut pair = Pair::with(ClientConfig { credentials, authenticate_by, ..config() }, daemon);
    pair.advance(7 * SECOND);
    let told = pair.told();
    assert!(told[2].starts_with("close 4401"), "{told:?}");
    let delays: Vec<&String> = told.iter().filter(|event| event.starts_with("in ")).collect();
    assert_eq!(delays, ["in 1000 ms 1", "in 2000 ms 2", "in 4000 ms 3", "in 8000 ms 4"]);
}

#[test]
fn a_restart_in_the_middle_of_a_close_follows_it() {
    let mut pair = Pair::new(logged_in());
    pair.told();
    pair.client.close(&mut pair.here.engine, 3000, "again");
    pair.client.restart();
    pair.turn();
    assert_eq!(pair.told()[..3], ["close 3000 again", "connecting 0", "open"]);
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
    let limits = Limits { max_memory: 16 << 20, connections: 0, ..Limits::default() };
    let mut pair = Pair::with(logged_in(), World::daemon(EngineConfig { limits, ..EngineConfig::default() }));
    let told = pair.told();
    assert!(told[1].starts_with("refused 503"), "{told:?}");
    let delay: u64 = told[3].split(' ').nth(1).unwrap().parse().unwrap();
    // Five seconds, and up to 30 % of that on top, though jitter is off: all were told the same.
    assert!((5000..6500).contains(&delay), "{told:?}");
}

#[test]
fn the_patience_that_a_server_asks_for_has_a_limit() {
    for (asked, least) in [("299", 299), ("300", 300), ("301", 300), ("4294967296", 300), ("soon", 2)] {
        let mut pair = Pair::new(config());
        pair.kill();
        pair.network = Network::Silent;
        pair.advance(SECOND);
        let id = pair.client.session().unwrap();
        let head = format!("HTTP/1.1 503 Service Unavailable\r\nRetry-After: {asked}\r\n\r\n");
        let response = Box::new(ResponseHead::parse(head.as_bytes(), &Limits::default()).unwrap());
        let refused = Event::Refused { id, response, body: Vec::new() };
        assert!(pair.client.handle_event(&mut pair.here.engine, refused).is_none());
        pair.here.engine.handle_error(id, CloseReason::HttpRefused(503));
        pair.turn();
        let delay: u64 = pair.told().last().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let (delay, least) = (Duration::from_millis(delay), least * SECOND);
        assert!(least <= delay && delay <= least.mul_f64(1.0 + BACKOFF_JITTER), "{asked}: {delay:?}");
    }
    assert_eq!(RETRY_AFTER_MAX, 300 * SECOND, "as the README says");
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
    assert_eq!(pair3.told(), ["close 1006  for good"], "there was nothing to close");
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
    pair.client.subscribe(&mut pair.here.engine, "more").unwrap();
    pair.client.subscribe(&mut pair.here.engine, "more").unwrap();
    pair.client.subscribe(&mut pair.here.engine, "less").unwrap();
    pair.client.unsubscribe(&mut pair.here.engine, "less");
    pair.client.unsubscribe(&mut pair.here.engine, "never");
    pair.turn();
    let answers = [r#"{"type":"subscribed","channel":"more"}"#, r#"{"type":"subscribed","channel":"less"}"#];
    assert_eq!(pair.told(), [answers[0], answers[1], r#"{"type":"unsubscribed","channel":"less"}"#]);
    pair.kill();
    pair.client.subscribe(&mut pair.here.engine, "later").unwrap();
    let long = "c".repeat(CHANNEL_NAME_BYTES + 1);
    assert_eq!(pair.client.subscribe(&mut pair.here.engine, ""), Err(SubscribeError::BadName));
    assert_eq!(pair.client.subscribe(&mut pair.here.engine, &long), Err(SubscribeError::BadName));
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
fn what_is_sent_while_it_is_not_open_fails_or_waits_up_to_the_limit() {
    let mut pair = Pair::new(logged_in());
    pair.kill();
    assert_eq!(pair.send("x"), Err(SendError::NotOpen));

    let queue_bytes = 2 * (SEND_QUEUE_ENTRY_BYTES + r#"{"type":"ping","id":1}"#.len());
    let mut pair = Pair::new(ClientConfig { queue_bytes, ..logged_in() });
    pair.kill();
    assert_eq!(pair.send(r#"{"type":"ping","id":1}"#), Ok(()));
    assert_eq!(pair.send(r#"{"type":"ping","id":22}"#), Err(SendError::Full), "one byte past it");
    assert_eq!(pair.send(r#"{"type":"ping","id":2}"#), Ok(()), "at the limit");
    assert_eq!(pair.send(""), Err(SendError::Full));
    pair.network = Network::Up;
    pair.told();
    pair.advance(SECOND);
    let told = pair.told();
    assert_eq!(told.iter().filter(|text| text.contains("pong")).count(), 2, "{told:?}");
    pair.kill();
    assert_eq!(pair.send(r#"{"type":"ping","id":3}"#), Ok(()), "there is room again");
    pair.close();
    pair.client.restart();
    pair.network = Network::Up;
    pair.told();
    pair.turn();
    assert!(!pair.told().iter().any(|text| text.contains("pong")), "a close forgets what waited");
}

#[test]
fn what_waits_for_an_open_is_never_more_than_the_engine_takes_then_and_all_of_it_is_sent() {
    const KIB: usize = 1024;
    let message = " ".repeat(64 * KIB - SEND_QUEUE_ENTRY_BYTES);
    let most = Limits::default().send_queue_bytes / (64 * KIB);
    let mut pair = Pair::new(ClientConfig { queue_bytes: 8 * KIB * KIB, ..logged_in() });
    pair.kill();
    assert_eq!((0..=most).filter(|_| pair.send(&message).is_ok()).count(), most);
    assert_eq!(pair.send(""), Err(SendError::Full));
    pair.network = Network::Up;
    pair.told();
    pair.advance(SECOND);
    let answers = pair.told().iter().filter(|text| text.contains("bad_json")).count();
    assert_eq!(answers, most, "each is answered");
}

#[test]
fn a_connection_that_has_just_ended_is_not_open_though_nobody_was_told_yet() {
    let mut pair = Pair::new(logged_in());
    let (id, _) = pair.line.unwrap();
    pair.here.engine.handle_error(id, CloseReason::PeerVanished);
    let sent = pair.client.send(&mut pair.here.engine, Message::Text("x".into()));
    assert_eq!((sent, pair.client.ready_state()), (Err(SendError::NotOpen), ReadyState::Open));
}

#[test]
fn a_queue_that_is_full_refuses_and_the_connection_stays() {
    let mut pair = Pair::new(logged_in());
    let (id, _) = pair.line.unwrap();
    pair.here.peer(id).room = 0;
    let message = Message::Binary(vec![0; 1 << 20].into());
    let sent: Vec<_> = (0..4).map(|_| pair.client.send(&mut pair.here.engine, message.clone())).collect();
    assert_eq!((sent[0], sent[3]), (Ok(()), Err(SendError::Full)));
    assert!(pair.here.engine.is_open(id));
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
