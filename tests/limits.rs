//! Every limit, at it and one past it, in one table; the values are those of `barewire::limits`.
//!
//! Not here: deadlines (`timers.rs`), and what a full queue does to a session in detail (`delivery.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;

use barewire::auth::{Methods, NoAuth};
use barewire::engine::{Fate, Intake};
use barewire::limits::RateAlgorithm;
use barewire::{ConnId, EngineConfig, Event, Limits, Message, PreparedMessage, limits};
use base64::Engine as _;
use common::frames::{self, BINARY, CLOSE, CONTINUATION, PING, TEXT};
use common::{World, methods, unpaced, upgrade};

/// One bound on what a peer can do.
struct Bound {
    name: &'static str,
    limit: usize,
    /// Does as much of it as asked, and says in a word what came of it.
    attempt: fn(usize) -> String,
    at: &'static str,
    past: &'static str,
}

#[rustfmt::skip]
const TABLE: &[Bound] = &[
    Bound { name: "bytes of a message", limit: limits::MESSAGE_BYTES_DEFAULT, attempt: message, at: "bad_utf8", past: "1009" },
    Bound { name: "bytes of a fragmented message", limit: limits::MESSAGE_BYTES_DEFAULT, attempt: fragmented_message, at: "bad_utf8", past: "1009" },
    Bound { name: "bytes before authentication", limit: limits::MESSAGE_BYTES_UNAUTHENTICATED, attempt: first_message, at: "connected", past: "1009" },
    Bound { name: "fragments of a message", limit: limits::FRAGMENTS_DEFAULT, attempt: fragments, at: "bad_json", past: "1008" },
    Bound { name: "payload of a ping", limit: limits::CONTROL_PAYLOAD_BYTES, attempt: ping, at: "pong", past: "1002" },
    Bound { name: "reason of a close", limit: limits::CLOSE_REASON_BYTES, attempt: close_reason, at: "1000", past: "1002" },
    Bound { name: "bytes of a head", limit: limits::HEAD_BYTES_DEFAULT, attempt: head, at: "200", past: "431" },
    Bound { name: "bytes of a head, byte by byte", limit: limits::HEAD_BYTES_DEFAULT, attempt: dripping_head, at: "200", past: "431" },
    // Two bytes end the line; then the head does not fit any more, but the line does.
    Bound { name: "bytes of a request line", limit: limits::HEAD_BYTES_DEFAULT - 2, attempt: request_line, at: "431", past: "414" },
    Bound { name: "headers of a head", limit: limits::HEADERS_DEFAULT, attempt: headers, at: "200", past: "431" },
    Bound { name: "bytes of a body", limit: limits::BODY_BYTES, attempt: body, at: "405", past: "413" },
    Bound { name: "items of a list header", limit: limits::LIST_ITEMS, attempt: list_items, at: "101", past: "400" },
    Bound { name: "bytes of a user id", limit: limits::USER_ID_BYTES, attempt: user_name, at: "101", past: "403" },
    Bound { name: "channels of a session", limit: limits::CHANNELS_PER_SESSION_DEFAULT, attempt: channels, at: "subscribed", past: "too_many_channels" },
    Bound { name: "bytes of a channel's name", limit: limits::CHANNEL_NAME_BYTES, attempt: channel_name, at: "subscribed", past: "channel_too_long" },
    Bound { name: "depth of a payload", limit: limits::JSON_DEPTH, attempt: depth, at: "pong", past: "too_deep" },
    Bound { name: "connections", limit: CONNECTIONS, attempt: connections, at: "200", past: "503" },
    Bound { name: "connections told so", limit: CONNECTIONS + limits::CONNECTIONS_OVERFLOW, attempt: connections, at: "503", past: "turned away" },
    Bound { name: "connections of an address", limit: CONNECTIONS, attempt: connections_of_an_address, at: "200", past: "429" },
    Bound { name: "connections of an address told so", limit: CONNECTIONS + limits::CONNECTIONS_PER_IP_OVERFLOW, attempt: connections_of_an_address, at: "429", past: "turned away" },
    Bound { name: "connections before authentication", limit: limits::PRE_AUTH_CONNECTIONS_DEFAULT, attempt: newcomers, at: "the oldest stays", past: "the oldest is dropped" },
    Bound { name: "wrong credentials of an address", limit: limits::AUTH_FAILURES_PER_MINUTE_DEFAULT, attempt: wrong_credentials, at: "403", past: "429" },
    Bound { name: "messages of a window", limit: limits::MESSAGES_PER_WINDOW_DEFAULT, attempt: messages, at: "pong", past: "rate_limited" },
    Bound { name: "refusals of a window, but one", limit: limits::REFUSALS_PER_WINDOW as usize - 1, attempt: refusals, at: "rate_limited", past: "1008" },
    Bound { name: "pings at once", limit: limits::CONTROL_FRAMES_PER_SECOND_DEFAULT * limits::CONTROL_FRAMES_BURST, attempt: pings, at: "pong", past: "1008" },
    Bound { name: "bytes behind our Close", limit: limits::MESSAGE_BYTES_DEFAULT + limits::LINGER_BYTES, attempt: behind_our_close, at: "read", past: "dropped" },
    Bound { name: "what a broadcast may queue", limit: limits::SEND_QUEUE_BYTES_DEFAULT, attempt: broadcast, at: "queued", past: "1013" },
    Bound { name: "memory of all peers", limit: MEMORY, attempt: memory, at: "held", past: "1013" },
    Bound { name: "memory before upgrades are refused", limit: MEMORY - MEMORY / limits::MEMORY_NEAR_PART, attempt: memory_at_an_upgrade, at: "101", past: "503" },
    Bound { name: "memory before connections are refused", limit: MEMORY - MEMORY / limits::MEMORY_ACCEPT_PART, attempt: memory_at_an_accept, at: "200", past: "503" },
    Bound { name: "memory in which connections are told so", limit: MEMORY - MEMORY / limits::MEMORY_TURN_AWAY_PART, attempt: memory_at_an_accept, at: "503", past: "turned away" },
    Bound { name: "own replies before reading pauses", limit: limits::SEND_QUEUE_PAUSE_BYTES, attempt: own_replies, at: "read", past: "paused" },
    Bound { name: "frames of a turn", limit: limits::FRAMES_PER_TURN, attempt: frames_of_a_turn, at: "all", past: "all but 1" },
];

#[test]
fn each_limit_admits_what_is_at_it_and_refuses_one_more() {
    for bound in TABLE {
        let Bound { name, limit, attempt, at, past } = bound;
        assert_eq!(attempt(limit - 1), *at, "{name}: {}", limit - 1);
        assert_eq!(attempt(*limit), *at, "{name}: {limit}");
        assert_eq!(attempt(limit + 1), *past, "{name}: {}", limit + 1);
    }
}

#[test]
fn the_defaults_are_the_constants() {
    // A new field does not compile here until it has a line in the table above, or in `timers.rs`.
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

/// What an open session is told about this.
fn told(bytes: &[u8]) -> String {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    world.input(id, bytes);
    word(&mut world, id)
}

/// The status of the answer to these bytes.
fn status(bytes: &[u8]) -> String {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    world.input(id, bytes);
    status_of(&world.take(id))
}

fn status_of(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer.strip_prefix(b"HTTP/1.1 ").expect("an answer")[..3]).into_owned()
}

// --- frames ---

fn message(bytes: usize) -> String {
    told(&frames::frame(BINARY, &vec![0xff; bytes]))
}

fn fragmented_message(bytes: usize) -> String {
    let payload = vec![0xff; bytes];
    let (first, rest) = payload.split_at(bytes / 3);
    let (second, third) = rest.split_at(bytes / 3);
    told(
        &[
            frames::raw(BINARY, first),
            frames::raw(CONTINUATION, second),
            frames::frame(PING, b"between"),
            frames::frame(CONTINUATION, third),
        ]
        .concat(),
    )
}

fn first_message(bytes: usize) -> String {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    let auth = r#"{"type":"auth","token":"Basic dXNlcjpwYXNz"}"#;
    world.input(id, &frames::text(&format!("{auth}{}", " ".repeat(bytes - auth.len()))));
    word(&mut world, id)
}

fn fragments(count: usize) -> String {
    let mut bytes = frames::raw(TEXT, b"{");
    for _ in 2..count {
        bytes.extend(frames::raw(CONTINUATION, b""));
    }
    bytes.extend(frames::frame(CONTINUATION, b"\""));
    told(&bytes)
}

fn ping(bytes: usize) -> String {
    told(&frames::frame(PING, &vec![b'p'; bytes]))
}

fn close_reason(bytes: usize) -> String {
    told(&frames::close(1000, &"r".repeat(bytes)))
}

fn frames_of_a_turn(count: usize) -> String {
    let mut world = World::new(unpaced(), Box::new(NoAuth));
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

fn head(bytes: usize) -> String {
    status(&request(bytes))
}

fn dripping_head(bytes: usize) -> String {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    for byte in request(bytes).chunks(1) {
        world.input(id, byte);
    }
    word(&mut world, id)
}

fn request_line(bytes: usize) -> String {
    let around = "GET / HTTP/1.1".len();
    status(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(bytes - around)).as_bytes())
}

fn headers(count: usize) -> String {
    status(format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(count - 1)).as_bytes())
}

fn body(bytes: usize) -> String {
    status(format!("POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n").as_bytes())
}

fn list_items(count: usize) -> String {
    let offers: Vec<String> = (0..count).map(|i| format!("protocol{i}")).collect();
    status(upgrade(&format!("{}Sec-WebSocket-Protocol: {}\r\n", common::GOOD, offers.join(", "))).as_bytes())
}

fn user_name(bytes: usize) -> String {
    let name = "n".repeat(bytes);
    let methods = Methods { users: common::users(&[&format!("{name}:pass")]), ..methods() };
    let mut world = World::new(EngineConfig::default(), Box::new(methods));
    let id = world.connect();
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{name}:pass"));
    world.input(id, upgrade(&format!("Authorization: Basic {credentials}\r\n")).as_bytes());
    status_of(&world.take(id))
}

// --- messages ---

fn channels(count: usize) -> String {
    let mut world = World::daemon(unpaced());
    let id = world.open();
    for i in 0..count {
        world.input(id, &frames::text(&format!(r#"{{"type":"subscribe","channel":"c{i}"}}"#)));
    }
    assert!(world.engine.channels_of(id).count() <= limits::CHANNELS_PER_SESSION_DEFAULT);
    word(&mut world, id)
}

fn channel_name(bytes: usize) -> String {
    told(&frames::text(&format!(r#"{{"type":"subscribe","channel":"{}"}}"#, "c".repeat(bytes))))
}

fn depth(levels: usize) -> String {
    let (open, close) = ("[".repeat(levels), "]".repeat(levels));
    told(&frames::text(&format!(r#"{{"type":"ping","payload":{open}{close}}}"#)))
}

// --- connections ---

const CONNECTIONS: usize = 3;

/// What the last of so many is told.
fn connections(count: usize) -> String {
    let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
    let mut world = World::daemon(EngineConfig { limits, ..EngineConfig::default() });
    for _ in 1..count {
        world.connect();
    }
    if world.engine.sessions() == CONNECTIONS + limits::CONNECTIONS_OVERFLOW {
        assert!(world.engine.handle_accept(([127, 0, 0, 1], 40_000).into(), true).is_err());
        return "turned away".into();
    }
    let id = world.connect();
    world.input(id, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    word(&mut world, id)
}

/// What the last of so many connections of one address is told.
fn connections_of_an_address(count: usize) -> String {
    let limits = Limits { connections_per_ip: CONNECTIONS, ..Limits::default() };
    let mut world = World::daemon(EngineConfig { limits, ..EngineConfig::default() });
    for _ in 1..count {
        world.connect();
    }
    if world.engine.sessions() == CONNECTIONS + limits::CONNECTIONS_PER_IP_OVERFLOW {
        assert!(world.engine.handle_accept(([127, 0, 0, 1], 40_000).into(), true).is_err());
        return "turned away".into();
    }
    let id = world.connect();
    world.input(id, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    word(&mut world, id)
}

/// What becomes of the first of so many that say nothing.
fn newcomers(count: usize) -> String {
    let mut world = World::daemon(EngineConfig::default());
    let mut connect = || world.engine.handle_accept(([127, 0, 0, 1], 40_000).into(), true).unwrap();
    let ids: Vec<ConnId> = (0..count).map(|_| connect()).collect();
    assert!(ids[1..].iter().all(|id| world.engine.fate(*id) == Fate::Keep));
    if world.engine.fate(ids[0]) == Fate::Keep { "the oldest stays".into() } else { "the oldest is dropped".into() }
}

/// What the last of so many upgrades with a wrong password is told.
fn wrong_credentials(count: usize) -> String {
    let mut world = World::daemon(EngineConfig::default());
    let mut last = String::new();
    for _ in 0..count {
        let id = world.connect();
        world.input(id, upgrade("Authorization: Basic dXNlcjp3cm9uZw==\r\n").as_bytes());
        last = word(&mut world, id);
    }
    last
}

// --- pace ---

fn messages(count: usize) -> String {
    told(&frames::text(r#"{"type":"ping"}"#).repeat(count))
}

fn refusals(count: usize) -> String {
    messages(limits::MESSAGES_PER_WINDOW_DEFAULT + count)
}

fn pings(count: usize) -> String {
    told(&frames::frame(PING, b"").repeat(count))
}

fn behind_our_close(bytes: usize) -> String {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    world.engine.close(id, 1000, "");
    world.turn();
    let frame = frames::frame(BINARY, &[0; 65_000]);
    world.input(id, &frame.repeat(bytes / frame.len() + 1)[..bytes]);
    if world.is_gone(id) { "dropped".into() } else { "read".into() }
}

// --- queues ---

/// A session that takes nothing, with so much in its queue by two broadcasts.
fn broadcast(cost: usize) -> String {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    world.peer(id).room = 0;
    let header = 10;
    let first = PreparedMessage::binary(&vec![0; 100_000]);
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
fn own_replies(cost: usize) -> String {
    let mut world = World::daemon(EngineConfig::default());
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

const MEMORY: usize = 1 << 20;

/// A world with a low ceiling, and a session whose peer does not read what makes the sum of all that is held `bytes`.
fn holding(bytes: usize) -> (World, ConnId) {
    let limits = Limits { max_memory: MEMORY, ..Limits::default() };
    let mut world = World::daemon(EngineConfig { limits, ..EngineConfig::default() });
    let id = world.open();
    world.peer(id).room = 0;
    let header = 10;
    let payload = bytes - world.engine.memory() - header - limits::SEND_QUEUE_ENTRY_BYTES;
    world.engine.send(id, Message::Binary(vec![0; payload].into()));
    world.turn();
    (world, id)
}

fn memory(bytes: usize) -> String {
    let (mut world, id) = holding(bytes);
    if world.ending(id).is_none() {
        assert_eq!(world.engine.memory(), bytes);
        return "held".into();
    }
    world.make_room(id, usize::MAX);
    word(&mut world, id)
}

/// What an upgrade is told while so much is held, itself included.
fn memory_at_an_upgrade(bytes: usize) -> String {
    let (mut world, _) = holding(bytes - limits::TLS_SESSION_BYTES);
    let id = world.connect();
    world.input(id, upgrade(common::GOOD).as_bytes());
    status_of(&world.take(id))
}

/// What a new connection is told while so much is held, itself included.
fn memory_at_an_accept(bytes: usize) -> String {
    let (mut world, _) = holding(bytes - limits::TLS_SESSION_BYTES);
    if world.engine.handle_accept(([127, 0, 0, 1], 40_000).into(), true).is_err() {
        return "turned away".into();
    }
    let (mut world, _) = holding(bytes - limits::TLS_SESSION_BYTES);
    let id = world.connect();
    world.input(id, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    word(&mut world, id)
}
