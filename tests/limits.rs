//! Every limit, at it and one past it, in one table: with its default, and where it has a key with another value too.
//!
//! Not here: deadlines (`limits/deadlines.rs`), and what a full queue does to a session in detail (`delivery.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;
#[path = "limits/deadlines.rs"]
mod deadlines;

use std::collections::BTreeSet;

use barewire::auth::{Methods, NoAuth};
use barewire::engine::{Fate, Intake};
use barewire::limits::RateAlgorithm;
use barewire::{ConnId, EngineConfig, Event, Limits, Message, PreparedMessage, limits};
use base64::Engine as _;
use common::frames::{self, BINARY, CLOSE, CONTINUATION, PING, TEXT};
use common::{World, methods, upgrade};

/// One bound on what a peer can do.
struct Bound {
    name: &'static str,
    /// The key that sets it, and values that are tried; fixed ones have none.
    key: Option<(&'static str, Set, &'static [usize])>,
    /// The bound itself, which a key's value may stand for only in part.
    limit: fn(&Limits) -> usize,
    /// Does as much of it as asked, and says in a word what came of it.
    attempt: fn(&Limits, usize) -> String,
    at: &'static str,
    past: &'static str,
}

type Set = fn(&mut Limits, usize);

#[rustfmt::skip]
const TABLE: &[Bound] = &[
    Bound { name: "bytes of a message", key: MESSAGE_BYTES, limit: |l| l.message_bytes, attempt: message, at: "bad_utf8", past: "1009" },
    Bound { name: "bytes of a fragmented message", key: MESSAGE_BYTES, limit: |l| l.message_bytes, attempt: fragmented_message, at: "bad_utf8", past: "1009" },
    Bound { name: "bytes before authentication", key: None, limit: |_| limits::MESSAGE_BYTES_UNAUTHENTICATED, attempt: first_message, at: "connected", past: "1009" },
    Bound { name: "fragments of a message", key: Some(("limits.fragments", |l, n| l.fragments = n, &[limits::FRAGMENTS_DEFAULT, 5])), limit: |l| l.fragments, attempt: fragments, at: "bad_json", past: "1008" },
    Bound { name: "payload of a ping", key: None, limit: |_| limits::CONTROL_PAYLOAD_BYTES, attempt: ping, at: "pong", past: "1002" },
    Bound { name: "reason of a close", key: None, limit: |_| limits::CLOSE_REASON_BYTES, attempt: close_reason, at: "1000", past: "1002" },
    Bound { name: "bytes of a head", key: HEAD_BYTES, limit: |l| l.head_bytes, attempt: head, at: "200", past: "431" },
    Bound { name: "bytes of a head, byte by byte", key: HEAD_BYTES, limit: |l| l.head_bytes, attempt: dripping_head, at: "200", past: "431" },
    // Two bytes end the line; then the head does not fit any more, but the line does.
    Bound { name: "bytes of a request line", key: HEAD_BYTES, limit: |l| l.head_bytes - 2, attempt: request_line, at: "431", past: "414" },
    Bound { name: "headers of a head", key: Some(("limits.headers", |l, n| l.headers = n, &[limits::HEADERS_DEFAULT, 7])), limit: |l| l.headers, attempt: headers, at: "200", past: "431" },
    Bound { name: "bytes of a body", key: None, limit: |_| limits::BODY_BYTES, attempt: body, at: "405", past: "413" },
    Bound { name: "items of a list header", key: None, limit: |_| limits::LIST_ITEMS, attempt: list_items, at: "101", past: "400" },
    Bound { name: "bytes of a user id", key: None, limit: |_| limits::USER_ID_BYTES, attempt: user_name, at: "101", past: "403" },
    Bound { name: "bytes of a password", key: None, limit: |_| limits::PASSWORD_BYTES, attempt: password, at: "101", past: "403" },
    Bound { name: "channels of a session", key: Some(("limits.channels_per_session", |l, n| l.channels_per_session = n, &[limits::CHANNELS_PER_SESSION_DEFAULT, 3])), limit: |l| l.channels_per_session, attempt: channels, at: "subscribed", past: "too_many_channels" },
    Bound { name: "bytes of a channel's name", key: None, limit: |_| limits::CHANNEL_NAME_BYTES, attempt: channel_name, at: "subscribed", past: "channel_too_long" },
    Bound { name: "depth of a payload", key: None, limit: |_| limits::JSON_DEPTH, attempt: depth, at: "pong", past: "too_deep" },
    Bound { name: "connections", key: CONNECTIONS, limit: |l| l.connections, attempt: connections, at: "200", past: "503" },
    Bound { name: "connections told so", key: CONNECTIONS, limit: |l| l.connections + limits::CONNECTIONS_OVERFLOW, attempt: connections, at: "503", past: "turned away" },
    Bound { name: "connections of an address", key: CONNECTIONS_PER_IP, limit: |l| l.connections_per_ip, attempt: connections, at: "200", past: "429" },
    Bound { name: "connections of an address told so", key: CONNECTIONS_PER_IP, limit: |l| l.connections_per_ip + limits::CONNECTIONS_PER_IP_OVERFLOW, attempt: connections, at: "429", past: "turned away" },
    Bound { name: "connections before authentication", key: Some(("limits.pre_auth_connections", |l, n| l.pre_auth_connections = n, &[limits::PRE_AUTH_CONNECTIONS_DEFAULT, 3])), limit: |l| l.pre_auth_connections, attempt: newcomers, at: "the oldest stays", past: "the oldest is dropped" },
    Bound { name: "wrong credentials of an address", key: Some(("limits.auth_failures_per_minute", |l, n| l.auth_failures_per_minute = n, &[limits::AUTH_FAILURES_PER_MINUTE_DEFAULT, 2])), limit: |l| l.auth_failures_per_minute, attempt: wrong_credentials, at: "403", past: "429" },
    Bound { name: "messages of a window", key: MESSAGES_PER_WINDOW, limit: |l| l.messages_per_window, attempt: messages, at: "pong", past: "rate_limited" },
    Bound { name: "messages of a bucket", key: MESSAGES_PER_WINDOW, limit: |l| l.messages_per_window, attempt: messages_of_a_bucket, at: "pong", past: "rate_limited" },
    Bound { name: "refusals of a window, but one", key: MESSAGES_PER_WINDOW, limit: |_| limits::REFUSALS_PER_WINDOW as usize - 1, attempt: refusals, at: "rate_limited", past: "1008" },
    Bound { name: "pings at once", key: Some(("limits.control_frames_per_second", |l, n| l.control_frames_per_second = n, &[limits::CONTROL_FRAMES_PER_SECOND_DEFAULT, 1])), limit: |l| l.control_frames_per_second * limits::CONTROL_FRAMES_BURST, attempt: pings, at: "pong", past: "1008" },
    Bound { name: "bytes behind our Close", key: MESSAGE_BYTES, limit: |l| l.message_bytes + limits::LINGER_BYTES, attempt: behind_our_close, at: "read", past: "dropped" },
    Bound { name: "what a broadcast may queue", key: Some(("limits.send_queue_bytes", |l, n| l.send_queue_bytes = n, &[limits::SEND_QUEUE_BYTES_DEFAULT, 4000])), limit: |l| l.send_queue_bytes, attempt: broadcast, at: "queued", past: "1013" },
    Bound { name: "memory of all peers", key: MAX_MEMORY, limit: |l| l.max_memory, attempt: memory, at: "held", past: "1013" },
    Bound { name: "memory before upgrades are refused", key: MAX_MEMORY, limit: |l| l.max_memory - l.max_memory / limits::MEMORY_NEAR_PART, attempt: memory_at_an_upgrade, at: "101", past: "503" },
    Bound { name: "memory before connections are refused", key: MAX_MEMORY, limit: |l| l.max_memory - l.max_memory / limits::MEMORY_ACCEPT_PART, attempt: memory_at_an_accept, at: "200", past: "503" },
    Bound { name: "memory in which connections are told so", key: MAX_MEMORY, limit: |l| l.max_memory - l.max_memory / limits::MEMORY_TURN_AWAY_PART, attempt: memory_at_an_accept, at: "503", past: "turned away" },
    Bound { name: "own replies before reading pauses", key: None, limit: |_| limits::SEND_QUEUE_PAUSE_BYTES, attempt: own_replies, at: "read", past: "paused" },
    Bound { name: "frames of a turn", key: None, limit: |_| limits::FRAMES_PER_TURN, attempt: frames_of_a_turn, at: "all", past: "all but 1" },
];

type Key = Option<(&'static str, Set, &'static [usize])>;
const MESSAGE_BYTES: Key =
    Some(("limits.message_bytes", |l, n| l.message_bytes = n, &[limits::MESSAGE_BYTES_DEFAULT, 5000]));
const HEAD_BYTES: Key = Some(("limits.head_bytes", |l, n| l.head_bytes = n, &[limits::HEAD_BYTES_DEFAULT, 999]));
// The default is past what a test should open.
const CONNECTIONS: Key = Some(("limits.connections", |l, n| l.connections = n, &[3, 10]));
const CONNECTIONS_PER_IP: Key = Some(("limits.connections_per_ip", |l, n| l.connections_per_ip = n, &[3, 10]));
const MESSAGES_PER_WINDOW: Key =
    Some(("limits.messages_per_window", |l, n| l.messages_per_window = n, &[limits::MESSAGES_PER_WINDOW_DEFAULT, 2]));
const MAX_MEMORY: Key = Some(("limits.max_memory", |l, n| l.max_memory = n, &[limits::MAX_MEMORY_MIN, 3_000_000]));

#[test]
fn each_limit_admits_what_is_at_it_and_refuses_one_more() {
    for bound in TABLE {
        let Bound { name, key, limit, attempt, at, past } = bound;
        let configured = match key {
            None => vec![Limits::default()],
            Some((_, set, values)) => values.iter().map(|value| with(*set, *value)).collect(),
        };
        for limits in &configured {
            let limit = limit(limits);
            assert_eq!(attempt(limits, limit - 1), *at, "{name}: {} of {limit}", limit - 1);
            assert_eq!(attempt(limits, limit), *at, "{name}: {limit}");
            assert_eq!(attempt(limits, limit + 1), *past, "{name}: {} of {limit}", limit + 1);
        }
    }
}

fn with(set: Set, value: usize) -> Limits {
    let mut limits = Limits::default();
    set(&mut limits, value);
    limits
}

/// The keys of the section `limits.`, as the README lists them; the program compares that list with its own.
fn keys() -> BTreeSet<&'static str> {
    let rows = include_str!("../README.md").lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.filter(|name| name.starts_with("limits.")).collect()
}

#[test]
fn every_key_of_the_section_limits_has_a_row() {
    let bounds = TABLE.iter().filter_map(|bound| Some(bound.key?.0));
    let shown: BTreeSet<&str> = bounds.chain(deadlines::TABLE.iter().map(|deadline| deadline.key)).collect();
    // How messages are counted is no limit; both ways have a row.
    let missing: Vec<&str> = keys().into_iter().filter(|key| !shown.contains(key)).collect();
    assert_eq!(missing, ["limits.rate_algorithm"]);
    let unknown: Vec<&&str> = shown.iter().filter(|key| key.starts_with("limits.") && !keys().contains(*key)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_defaults_are_the_constants() {
    // A new field does not compile here until it has a row in the table above, or in `limits/deadlines.rs`.
    let Limits {
        message_bytes,
        send_queue_bytes,
        connections,
        connections_per_ip,
        pre_auth_connections,
        auth_failures_per_minute,
        messages_per_window,
        window,
        rate_algorithm,
        control_frames_per_second,
        max_memory,
        head_bytes,
        headers,
        head_timeout,
        keep_alive_timeout,
        auth_timeout,
        close_timeout,
        write_stall_timeout,
        heartbeat_interval,
        fragments,
        message_timeout,
        channels_per_session,
    } = Limits::default();
    assert_eq!(
        [message_bytes, send_queue_bytes, connections, head_bytes, headers, fragments, channels_per_session],
        [1_048_576, 1_048_576, 10_000, 8192, 64, 1024, 128]
    );
    assert_eq!(
        [head_timeout, keep_alive_timeout, auth_timeout, close_timeout, write_stall_timeout].map(|time| time.as_secs()),
        [10, 60, 10, 5, 30]
    );
    assert_eq!([heartbeat_interval, message_timeout, window].map(|time| time.as_secs()), [30, 30, 60]);
    assert_eq!([connections_per_ip, pre_auth_connections, auth_failures_per_minute], [0, 2000, 30]);
    assert_eq!((messages_per_window, rate_algorithm), (100, RateAlgorithm::Window));
    assert_eq!((control_frames_per_second, max_memory), (10, 512 << 20));
}

/// What the server said last, in a word: an HTTP status, a close code, an error's code, or a message's type.
fn word(world: &mut World, id: ConnId) -> String {
    let bytes = world.take(id);
    if bytes.starts_with(b"HTTP/1.1 ") && !bytes.starts_with(b"HTTP/1.1 101 ") {
        return status_of(&bytes);
    }
    let frames = frames::decode(&bytes);
    let last = frames.last().expect("a frame");
    match last.opcode {
        CLOSE => last.close().0.to_string(),
        TEXT => {
            let text = last.text();
            let field = |name: &str| Some(text.split_once(&format!(r#""{name}":""#))?.1.split_once('"')?.0.to_owned());
            field("code").or_else(|| field("type")).expect("a message of the protocol")
        }
        frames::PONG => "pong".into(),
        other => panic!("opcode {other}"),
    }
}

/// The daemon with these limits.
fn daemon(limits: &Limits) -> World {
    World::daemon(EngineConfig { limits: limits.clone(), ..EngineConfig::default() })
}

/// The same, in which nobody is too fast.
fn unhurried(limits: &Limits) -> EngineConfig {
    let limits = Limits { messages_per_window: 0, control_frames_per_second: 0, ..limits.clone() };
    EngineConfig { limits, ..EngineConfig::default() }
}

/// What an open session is told about this.
fn told(limits: &Limits, bytes: &[u8]) -> String {
    let mut world = daemon(limits);
    let id = world.open();
    world.input(id, bytes);
    word(&mut world, id)
}

/// The status of the answer to these bytes.
fn status(limits: &Limits, bytes: &[u8]) -> String {
    let mut world = daemon(limits);
    let id = world.connect();
    world.input(id, bytes);
    status_of(&world.take(id))
}

fn status_of(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer.strip_prefix(b"HTTP/1.1 ").expect("an answer")[..3]).into_owned()
}

// --- frames ---

fn message(limits: &Limits, bytes: usize) -> String {
    told(limits, &frames::frame(BINARY, &vec![0xff; bytes]))
}

fn fragmented_message(limits: &Limits, bytes: usize) -> String {
    let payload = vec![0xff; bytes];
    let (first, rest) = payload.split_at(bytes / 3);
    let (second, third) = rest.split_at(bytes / 3);
    told(
        limits,
        &[
            frames::raw(BINARY, first),
            frames::raw(CONTINUATION, second),
            frames::frame(PING, b"between"),
            frames::frame(CONTINUATION, third),
        ]
        .concat(),
    )
}

fn first_message(limits: &Limits, bytes: usize) -> String {
    let mut world = daemon(limits);
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    let auth = r#"{"type":"auth","token":"Basic dXNlcjpwYXNz"}"#;
    world.input(id, &frames::text(&format!("{auth}{}", " ".repeat(bytes - auth.len()))));
    word(&mut world, id)
}

fn fragments(limits: &Limits, count: usize) -> String {
    let mut bytes = frames::raw(TEXT, b"{");
    for _ in 2..count {
        bytes.extend(frames::raw(CONTINUATION, b""));
    }
    bytes.extend(frames::frame(CONTINUATION, b"\""));
    told(limits, &bytes)
}

fn ping(limits: &Limits, bytes: usize) -> String {
    told(limits, &frames::frame(PING, &vec![b'p'; bytes]))
}

fn close_reason(limits: &Limits, bytes: usize) -> String {
    told(limits, &frames::close(1000, &"r".repeat(bytes)))
}

fn frames_of_a_turn(limits: &Limits, count: usize) -> String {
    let mut world = World::new(unhurried(limits), Box::new(NoAuth));
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    world.engine.handle_input(id, &frames::text("x").repeat(count));
    let served =
        std::iter::from_fn(|| world.engine.poll_event()).filter(|event| matches!(event, Event::Message { .. })).count();
    match count - served {
        0 => "all".into(),
        left => format!("all but {left}"),
    }
}

// --- heads ---

fn request(bytes: usize) -> Vec<u8> {
    let head = "GET /health HTTP/1.1\r\nHost: localhost\r\nX: \r\n\r\n";
    head.replace("X: ", &format!("X: {}", "x".repeat(bytes - head.len()))).into_bytes()
}

fn head(limits: &Limits, bytes: usize) -> String {
    status(limits, &request(bytes))
}

fn dripping_head(limits: &Limits, bytes: usize) -> String {
    let mut world = daemon(limits);
    let id = world.connect();
    for byte in request(bytes).chunks(1) {
        world.input(id, byte);
    }
    word(&mut world, id)
}

fn request_line(limits: &Limits, bytes: usize) -> String {
    let around = "GET / HTTP/1.1".len();
    status(limits, format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(bytes - around)).as_bytes())
}

fn headers(limits: &Limits, count: usize) -> String {
    status(
        limits,
        format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(count - 1)).as_bytes(),
    )
}

fn body(limits: &Limits, bytes: usize) -> String {
    status(limits, format!("POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n").as_bytes())
}

fn list_items(limits: &Limits, count: usize) -> String {
    let offers: Vec<String> = (0..count).map(|i| format!("protocol{i}")).collect();
    status(limits, upgrade(&format!("{}Sec-WebSocket-Protocol: {}\r\n", common::GOOD, offers.join(", "))).as_bytes())
}

fn user_name(limits: &Limits, bytes: usize) -> String {
    login(limits, &format!("{}:pass", "n".repeat(bytes)))
}

fn password(limits: &Limits, bytes: usize) -> String {
    login(limits, &format!("user:{}", "p".repeat(bytes)))
}

/// The status for a user who has these very credentials.
fn login(limits: &Limits, credentials: &str) -> String {
    let methods = Methods { users: common::users(&[credentials]), ..methods() };
    let mut world = World::new(EngineConfig { limits: limits.clone(), ..EngineConfig::default() }, Box::new(methods));
    let id = world.connect();
    let credentials = base64::engine::general_purpose::STANDARD.encode(credentials);
    world.input(id, upgrade(&format!("Authorization: Basic {credentials}\r\n")).as_bytes());
    status_of(&world.take(id))
}

// --- messages ---

fn channels(limits: &Limits, count: usize) -> String {
    let mut world = World::daemon(unhurried(limits));
    let id = world.open();
    for i in 0..count {
        world.input(id, &frames::text(&format!(r#"{{"type":"subscribe","channel":"c{i}"}}"#)));
    }
    assert!(world.engine.channels_of(id).count() <= limits.channels_per_session);
    word(&mut world, id)
}

fn channel_name(limits: &Limits, bytes: usize) -> String {
    told(limits, &frames::text(&format!(r#"{{"type":"subscribe","channel":"{}"}}"#, "c".repeat(bytes))))
}

fn depth(limits: &Limits, levels: usize) -> String {
    let (open, close) = ("[".repeat(levels), "]".repeat(levels));
    told(limits, &frames::text(&format!(r#"{{"type":"ping","payload":{open}{close}}}"#)))
}

// --- connections ---

/// What the last of so many of one address is told.
fn connections(limits: &Limits, count: usize) -> String {
    let mut world = daemon(limits);
    let peer = ([127, 0, 0, 1], 40_000).into();
    for _ in 1..count {
        world.engine.handle_accept(peer, true).expect("one that is told something");
    }
    if world.engine.handle_accept(peer, true).is_err() {
        return "turned away".into();
    }
    drop(world);
    let mut world = daemon(limits);
    for _ in 1..count {
        world.connect();
    }
    let id = world.connect();
    world.input(id, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    word(&mut world, id)
}

/// What becomes of the first of so many that say nothing.
fn newcomers(limits: &Limits, count: usize) -> String {
    let mut world = daemon(limits);
    let mut connect = || world.engine.handle_accept(([127, 0, 0, 1], 40_000).into(), true).unwrap();
    let ids: Vec<ConnId> = (0..count).map(|_| connect()).collect();
    assert!(ids[1..].iter().all(|id| world.engine.fate(*id) == Fate::Keep));
    if world.engine.fate(ids[0]) == Fate::Keep { "the oldest stays".into() } else { "the oldest is dropped".into() }
}

/// What the last of so many upgrades with a wrong password is told.
fn wrong_credentials(limits: &Limits, count: usize) -> String {
    let mut world = daemon(limits);
    let mut last = String::new();
    for _ in 0..count {
        let id = world.connect();
        world.input(id, upgrade("Authorization: Basic dXNlcjp3cm9uZw==\r\n").as_bytes());
        last = word(&mut world, id);
    }
    last
}

// --- pace ---

fn messages(limits: &Limits, count: usize) -> String {
    told(limits, &frames::text(r#"{"type":"ping"}"#).repeat(count))
}

fn messages_of_a_bucket(limits: &Limits, count: usize) -> String {
    messages(&Limits { rate_algorithm: RateAlgorithm::Bucket, ..limits.clone() }, count)
}

fn refusals(limits: &Limits, count: usize) -> String {
    messages(limits, limits.messages_per_window + count)
}

fn pings(limits: &Limits, count: usize) -> String {
    told(limits, &frames::frame(PING, b"").repeat(count))
}

fn behind_our_close(limits: &Limits, bytes: usize) -> String {
    let mut world = daemon(limits);
    let id = world.open();
    world.engine.close(id, 1000, "");
    world.turn();
    let frame = frames::frame(BINARY, &[0; 1000]);
    world.input(id, &frame.repeat(bytes / frame.len() + 1)[..bytes]);
    if world.is_gone(id) { "dropped".into() } else { "read".into() }
}

// --- queues ---

/// A session that takes nothing, with so much in its queue by two broadcasts.
fn broadcast(limits: &Limits, cost: usize) -> String {
    let mut world = daemon(limits);
    let id = world.open();
    world.peer(id).room = 0;
    let header = if cost > 1 << 16 { 10 } else { 4 };
    let first = PreparedMessage::binary(&[0; 1000]);
    let second =
        PreparedMessage::binary(&vec![0; cost - first.frame().len() - header - 2 * limits::SEND_QUEUE_ENTRY_BYTES]);
    world.engine.publish_to_all(&first, None);
    world.turn();
    let published = world.engine.publish_to_all(&second, None);
    world.turn();
    if published.queued == 1 {
        assert_eq!(world.engine.output(id).unwrap().cost(), cost);
        return "queued".into();
    }
    world.make_room(id, usize::MAX);
    word(&mut world, id)
}

/// Whether a session with so much of its own in its queue is read.
fn own_replies(limits: &Limits, cost: usize) -> String {
    let mut world = daemon(limits);
    let id = world.open();
    world.peer(id).room = 0;
    let header = 4;
    let payload = vec![0; cost - header - limits::SEND_QUEUE_ENTRY_BYTES];
    world.engine.send(id, Message::Binary(payload.into()));
    world.turn();
    assert_eq!(world.engine.output(id).unwrap().own_cost(), cost);
    if world.engine.intake(id) == Intake::Pause { "paused".into() } else { "read".into() }
}

// --- memory ---

/// A world, and a session whose peer does not read what makes the sum of all that is held `bytes`.
fn holding(limits: &Limits, bytes: usize) -> (World, ConnId) {
    let mut world = daemon(limits);
    let id = world.open();
    world.peer(id).room = 0;
    let header = 10;
    let payload = bytes - world.engine.memory() - header - limits::SEND_QUEUE_ENTRY_BYTES;
    world.engine.send(id, Message::Binary(vec![0; payload].into()));
    world.turn();
    (world, id)
}

fn memory(limits: &Limits, bytes: usize) -> String {
    let (mut world, id) = holding(limits, bytes);
    if world.ending(id).is_none() {
        assert_eq!(world.engine.memory(), bytes);
        return "held".into();
    }
    world.make_room(id, usize::MAX);
    word(&mut world, id)
}

/// What an upgrade is told while so much is held, itself included.
fn memory_at_an_upgrade(limits: &Limits, bytes: usize) -> String {
    let (mut world, _) = holding(limits, bytes - limits::TLS_SESSION_BYTES);
    let id = world.connect();
    world.input(id, upgrade(common::GOOD).as_bytes());
    status_of(&world.take(id))
}

/// What a new connection is told while so much is held, itself included.
fn memory_at_an_accept(limits: &Limits, bytes: usize) -> String {
    let (mut world, _) = holding(limits, bytes - limits::TLS_SESSION_BYTES);
    if world.engine.handle_accept(([127, 0, 0, 1], 40_000).into(), true).is_err() {
        return "turned away".into();
    }
    let (mut world, _) = holding(limits, bytes - limits::TLS_SESSION_BYTES);
    let id = world.connect();
    world.input(id, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    word(&mut world, id)
}
