//! Requests and their answers through the engine: every status, keep-alive and pipelining, bodies, the way of an
//! upgrade, and a peer that ends its half of the stream at any moment.
//!
//! Not here: who may come in (`authentication.rs`), each form that a bad head can take (`odd_requests.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use barewire::auth::{Methods, NoAuth};
use barewire::limits::{BODY_BYTES, CONNECTIONS_OVERFLOW};
use barewire::wire::http::Response;
use barewire::{ConnId, EngineConfig, Event, Limits};
use common::http::{Answer, answers, head, request};
use common::{GOOD, World, frames, methods, upgrade};

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);
/// A deadline fires at most one tick of the wheel late.
const TICK: Duration = Duration::from_millis(32);

/// A request, the status of its answer, and headers that the answer must have.
type Row = (String, u16, &'static [(&'static str, &'static str)]);

const PLAIN: &[(&str, &str)] = &[("Connection", "close"), ("Content-Type", "text/plain; charset=utf-8")];
const UPGRADE_REQUIRED: &[(&str, &str)] =
    &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Connection", "close, Upgrade")];

/// A good upgrade request with one part replaced.
fn bent(part: &str, by: &str) -> String {
    let good = upgrade(GOOD);
    assert!(good.contains(part), "{part}");
    good.replace(part, by)
}

/// Requests after which nothing is parsed any more.
fn refused() -> Vec<Row> {
    let get = |headers: &str| request("GET /health HTTP/1.1", headers);
    vec![
        ("\n".into(), 400, PLAIN),
        ("GET /health HTTP/1.1\r\n\r\n".into(), 400, PLAIN),
        (request("GET health HTTP/1.1", ""), 400, PLAIN),
        (request("GET /health  HTTP/1.1", ""), 400, PLAIN),
        (get("Transfer-Encoding: chunked\r\n"), 400, PLAIN),
        (get("Content-Length: 1\r\n"), 400, PLAIN),
        (bent("Upgrade: websocket", "Upgrade: h2c"), 400, PLAIN),
        (bent("Connection: Upgrade\r\n", ""), 400, PLAIN),
        (bent("HTTP/1.1", "HTTP/1.0"), 400, PLAIN),
        (bent("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400, PLAIN),
        (bent("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="), 400, PLAIN),
        (upgrade("Sec-WebSocket-Protocol: a b\r\n"), 400, PLAIN),
        (upgrade("Sec-WebSocket-Extensions: permessage-deflate; =1\r\n"), 400, PLAIN),
        (upgrade("Origin: https://localhost.evil.example\r\n"), 403, PLAIN),
        (upgrade("Authorization: Basic dXNlcjp3cm9uZw==\r\n"), 403, PLAIN),
        (bent("/ws", "/other"), 404, PLAIN),
        (bent("GET", "POST"), 405, &[("Allow", "GET"), ("Connection", "close")]),
        (request("POST /ws HTTP/1.1", ""), 405, &[("Allow", "GET"), ("Connection", "close")]),
        (request("POST /health HTTP/1.1", &format!("Content-Length: {}\r\n", BODY_BYTES + 1)), 413, PLAIN),
        (request(&format!("GET /{} HTTP/1.1", "a".repeat(8192)), ""), 414, PLAIN),
        (get("Expect: 200-ok\r\n"), 417, PLAIN),
        (request("GET /ws HTTP/1.1", ""), 426, UPGRADE_REQUIRED),
        (bent("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 12"), 426, UPGRADE_REQUIRED),
        (get(&format!("X: {}\r\n", "a".repeat(8192))), 431, PLAIN),
        (get(&"X: y\r\n".repeat(64)), 431, PLAIN),
        (request("GET /health HTTP/2.0", ""), 505, PLAIN),
    ]
}

/// Requests after which the connection goes on.
fn answered() -> Vec<Row> {
    vec![
        (HEALTH.into(), 200, &[("Content-Type", "application/json"), ("Content-Length", "15")]),
        (request("GET /health?a=%20 HTTP/1.1", &"X: y\r\n".repeat(63)), 200, &[]),
        (request("GET http://localhost/health HTTP/1.1", ""), 200, &[]),
        (request("GET /nowhere HTTP/1.1", ""), 404, &[]),
        (request("GET / HTTP/1.1", "Upgrade: websocket2\r\n"), 200, &[]),
        (request("OPTIONS * HTTP/1.1", ""), 404, &[]),
        (request("DELETE /health HTTP/1.1", ""), 405, &[("Allow", "GET, HEAD")]),
        (request("get /health HTTP/1.1", ""), 405, &[("Allow", "GET, HEAD")]),
    ]
}

fn check(answer: &Answer, (request, status, headers): &Row) {
    assert_eq!(answer.status, *status, "{request}");
    for (name, value) in *headers {
        assert_eq!(answer.header(name), Some(*value), "{name} of {request}: {answer:?}");
    }
    assert_eq!(answer.header("Date"), Some("Wed, 18 Nov 2026 11:06:40 GMT"));
}

/// The daemon and a connection to it.
fn daemon() -> (World, ConnId) {
    connected(World::daemon(EngineConfig::default()))
}

/// A bare engine, whose host is the test, and a connection to it.
fn bare() -> (World, ConnId) {
    connected(World::new(EngineConfig::default(), Box::new(NoAuth)))
}

fn connected(mut world: World) -> (World, ConnId) {
    let id = world.connect();
    (world, id)
}

/// The requests that the host was asked since the last call.
fn asked(world: &mut World) -> Vec<String> {
    let events = world.events.drain(..);
    let path = |event| match event {
        Event::Request { head, .. } => Some(head.path().to_owned()),
        _ => None,
    };
    events.filter_map(path).collect()
}

#[test]
fn a_request_that_is_in_order_is_answered_and_the_connection_goes_on() {
    for row in answered() {
        let (mut world, id) = daemon();
        check(&world.ask(id, &row.0), &row);
        assert_eq!(world.ask(id, HEALTH).status, 200, "behind {}", row.0);
        assert!(!world.peer(id).ended);
    }
}

#[test]
fn a_refused_request_ends_the_connection_and_nothing_behind_it_is_answered() {
    for row in refused() {
        let (mut world, id) = daemon();
        check(&world.ask(id, &format!("{}{HEALTH}", row.0)), &row);
        assert!(world.peer(id).ended, "{}", row.0);
        assert_eq!(world.ends(id), [format!("identity: None, reason: HttpRefused({}) }}", row.1)]);
        world.input(id, HEALTH.as_bytes());
        assert_eq!(world.text(id), "");
        world.advance(Limits::default().close_timeout - TICK);
        assert!(!world.is_gone(id), "the peer may still read the answer");
        world.advance(2 * TICK);
        assert!(world.is_gone(id));
        assert_eq!(world.engine.sessions(), 0);
    }
}

#[test]
fn a_good_upgrade_switches_protocols() {
    let (mut world, id) = daemon();
    world.input(id, upgrade(GOOD).as_bytes());
    let bytes = world.take(id);
    let answer = head(&String::from_utf8_lossy(&bytes)).0;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("Upgrade"), Some("websocket"));
    assert_eq!(answer.header("Connection"), Some("Upgrade"));
    assert_eq!(answer.header("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455, section 1.3");
    assert_eq!(answer.header("Sec-WebSocket-Extensions"), None, "an extension that nobody asked for");
    assert_eq!(answer.header("Content-Length"), None);
}

#[test]
fn no_cut_of_the_bytes_changes_the_answer() {
    let rows = answered().into_iter().chain(refused());
    for (request, ..) in rows.filter(|row| row.0.len() < 1000) {
        let told = |pieces: &[&[u8]]| {
            let (mut world, id) = daemon();
            for piece in pieces {
                world.input(id, piece);
            }
            (world.text(id), world.peer(id).ended)
        };
        let bytes = [request.as_bytes(), HEALTH.as_bytes()].concat();
        let whole = told(&[&bytes]);
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(told(&[first, second]), whole, "{request} cut at {at}");
        }
        assert_eq!(told(&bytes.chunks(1).collect::<Vec<_>>()), whole, "{request} byte by byte");
    }
}

#[test]
fn nothing_behind_the_head_of_an_upgrade_is_lost_wherever_it_is_cut() {
    let bytes = [
        upgrade(GOOD).into_bytes(),
        frames::frame(frames::PING, b"one"),
        frames::text(r#"{"type":"ping","id":1}"#),
        frames::frame(frames::PING, b"two"),
        frames::text(r#"{"type":"subscribe","channel":"c"}"#),
        frames::close(1000, "bye"),
    ]
    .concat();
    let pong = r#"{"type":"pong","timestamp":"2026-11-18T11:06:40.000Z","id":1}"#;
    let connected = r#"{"type":"connected","userId":"user","timestamp":"2026-11-18T11:06:40.000Z"}"#;
    for at in 0..=bytes.len() {
        let (mut world, id) = daemon();
        world.input(id, &bytes[..at]);
        world.input(id, &bytes[at..]);
        let said = world.transcript(id);
        // Pongs are the engine's own and need not wait for the host.
        let (pongs, texts): (Vec<_>, Vec<_>) = said.iter().partition(|line| line.starts_with("pong "));
        assert_eq!(pongs, ["pong one", "pong two"], "cut at {at}");
        assert_eq!(texts, [connected, pong, r#"{"type":"subscribed","channel":"c"}"#, "close 1000 bye"], "cut at {at}");
    }
}

#[test]
fn a_close_or_a_fault_right_behind_the_upgrade_comes_after_the_greeting() {
    let connected = r#"{"type":"connected","userId":"user","timestamp":"2026-11-18T11:06:40.000Z"}"#;
    for (frame, end) in [
        (frames::close(1000, "bye"), "close 1000 bye"),
        (frames::raw(0xc1, b"reserved bit"), "close 1002 Protocol error"),
        (frames::frame(frames::TEXT, b"\xff"), "close 1007 Invalid UTF-8"),
        (frames::header(0x81, 1 << 40), "close 1009 Message too big"),
    ] {
        let (mut world, id) = daemon();
        world.input(id, &[upgrade(GOOD).as_bytes(), &frame].concat());
        assert_eq!(world.transcript(id), [connected, end]);
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let (mut world, id) = daemon();
    let requests: String = answered().into_iter().map(|row| row.0).collect();
    world.input(id, requests.as_bytes());
    let statuses: Vec<u16> = world.answers(id).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, answered().iter().map(|row| row.1).collect::<Vec<_>>());

    world.input(id, [HEALTH, HEALTH, &upgrade(GOOD)].concat().as_bytes());
    let answer = world.text_until_upgrade(id);
    assert_eq!(answers(answer.as_bytes()).len(), 2, "and an upgrade may follow");
}

#[test]
fn one_request_is_outstanding_at_a_time() {
    let (mut world, id) = bare();
    let line = |n: usize| request(&format!("GET /{n} HTTP/1.1"), "");
    world.input(id, (0..20).map(line).collect::<String>().as_bytes());
    for n in 0..20 {
        assert_eq!(asked(&mut world), [format!("/{n}")]);
        assert_eq!(world.text(id), "", "nothing is answered before the host has");
        assert!(world.engine.respond(id, Response::text(200, n.to_string())));
        world.turn();
        assert_eq!(world.answers(id)[0].body, n.to_string());
    }
    assert!(asked(&mut world).is_empty());
}

#[test]
fn a_host_may_answer_later_but_only_once_and_only_whom_it_was_asked_by() {
    let (mut world, id) = bare();
    let [other, open] = [world.connect(), world.open_with("")];
    let answer = || Response::text(200, "late");
    for id in [id, other, open, ConnId::from_bits(u64::MAX)] {
        assert!(!world.engine.respond(id, answer()), "nobody asked");
    }
    world.input(id, HEALTH.as_bytes());
    assert!(!world.engine.respond(other, answer()));
    world.advance(Limits::default().head_timeout - TICK);
    assert_eq!(world.text(id), "");
    assert!(world.engine.respond(id, answer()));
    assert!(!world.engine.respond(id, answer()), "it has its answer");
    world.turn();
    assert_eq!(world.answers(id).len(), 1);
    assert_eq!(world.take(other), b"");
    world.advance(SECOND);
    assert!(!world.peer(id).ended, "the deadline of the answer is over with it");
}

#[test]
fn a_host_that_never_answers_makes_it_503_at_the_head_timeout() {
    let (mut world, id) = bare();
    world.advance(9 * SECOND);
    world.input(id, [HEALTH, HEALTH].concat().as_bytes());
    world.advance(Limits::default().head_timeout - Duration::from_millis(1));
    assert_eq!(world.text(id), "");
    world.advance(TICK + Duration::from_millis(1));
    let answers = world.answers(id);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!((answers[0].status, answers[0].header("Retry-After")), (503, Some("5")));
    assert!(world.peer(id).ended);
    assert!(!world.engine.respond(id, Response::text(200, "too late")));
    world.turn();
    assert_eq!(world.text(id), "");
}

#[test]
fn head_is_answered_as_get_is_but_without_a_body() {
    for path in ["/health", "/client.js", "/nowhere", "/ws"] {
        let tell = |method: &str| {
            let (mut world, id) = daemon();
            world.input(id, request(&format!("{method} {path} HTTP/1.1"), "").as_bytes());
            let text = world.text(id);
            let (answer, body) = head(&text);
            (answer, body.to_owned())
        };
        let (get, body) = tell("GET");
        assert_eq!(get.header("Content-Length"), Some(body.len().to_string().as_str()));
        assert_eq!(tell("HEAD"), (get, String::new()), "{path}");
    }
    let (mut world, id) = daemon();
    world.input(id, [&request("HEAD /health HTTP/1.1", ""), HEALTH].concat().as_bytes());
    let text = world.text(id);
    assert_eq!(answers(head(&text).1.as_bytes())[0].status, 200, "the next answer follows the head at once");
}

#[test]
fn a_refusal_of_any_head_request_has_no_body() {
    let heads = [
        ("HEAD /health HTTP/1.1\r\n\r\n".to_owned(), 400),
        (bent("GET", "HEAD"), 405),
        (request("HEAD /health HTTP/1.1", "Content-Length: 65537\r\n"), 400),
    ];
    for (request, status) in heads {
        let (mut world, id) = daemon();
        world.input(id, request.as_bytes());
        let text = world.text(id);
        let (answer, body) = head(&text);
        assert_eq!((answer.status, body), (status, ""), "{request}");
    }
}

#[test]
fn a_connection_is_kept_as_version_and_connection_say() {
    for (version, headers, says) in [
        ("1.1", "", None),
        ("1.1", "Connection: keep-alive\r\n", None),
        ("1.1", "Connection: close\r\n", Some("close")),
        ("1.1", "Connection: foo, CLOSE\r\n", Some("close")),
        ("1.0", "", Some("close")),
        ("1.0", "Connection: Keep-Alive\r\n", Some("keep-alive")),
        ("1.0", "Connection: keep-alive, close\r\n", Some("close")),
    ] {
        let (mut world, id) = daemon();
        let request = request(&format!("GET /health HTTP/{version}"), headers);
        world.input(id, [&request, HEALTH].concat().as_bytes());
        let answers = world.answers(id);
        assert_eq!(answers[0].header("Connection"), says, "{request}");
        let ends = says == Some("close");
        assert_eq!((answers.len(), world.peer(id).ended), (if ends { 1 } else { 2 }, ends), "{request}");
    }
    let (mut world, id) = daemon();
    assert_eq!(world.ask(id, "GET /health HTTP/1.0\r\n\r\n").status, 200, "HTTP/1.0 needs no Host");
}

#[test]
fn a_host_may_end_the_connection_with_its_answer() {
    let (mut world, id) = bare();
    world.input(id, [HEALTH, HEALTH].concat().as_bytes());
    assert!(world.engine.respond(id, Response::text(200, "bye").closing()));
    world.turn();
    assert_eq!(world.answers(id).len(), 1);
    assert!(world.peer(id).ended);
    assert_eq!(asked(&mut world).len(), 1);
}

#[test]
fn a_body_is_dropped_before_the_next_head() {
    let body = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = request("POST /health HTTP/1.1", &format!("Content-Length: {}\r\n", body.len()));
    let bytes = [&post, body, HEALTH].concat();
    for at in 0..=bytes.len() {
        let (mut world, id) = daemon();
        world.input(id, &bytes.as_bytes()[..at]);
        world.input(id, &bytes.as_bytes()[at..]);
        let statuses: Vec<u16> = world.answers(id).iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [405, 200], "cut at {at}");
    }
}

#[test]
fn the_largest_body_is_dropped_even_where_the_host_answers_late() {
    let (mut world, id) = bare();
    let post = request("POST /a HTTP/1.1", &format!("Content-Length: {BODY_BYTES}\r\n"));
    world.input(id, post.as_bytes());
    assert!(world.engine.respond(id, Response::text(200, "")));
    world.input(id, &vec![b'x'; BODY_BYTES]);
    world.input(id, request("GET /b HTTP/1.1", "").as_bytes());
    assert_eq!(asked(&mut world), ["/a", "/b"]);
}

#[test]
fn a_body_that_never_comes_ends_the_connection_without_a_second_answer() {
    let (mut world, id) = daemon();
    assert_eq!(world.ask(id, &request("POST /health HTTP/1.1", "Content-Length: 10\r\n")).status, 405);
    world.input(id, b"123456789");
    world.advance(Limits::default().head_timeout - Duration::from_millis(1));
    assert!(!world.peer(id).ended);
    world.advance(2 * TICK);
    assert!(world.peer(id).ended);
    assert_eq!(world.text(id), "", "the request has its answer: another would be taken for the next one's");
}

#[test]
fn silence_between_requests_ends_the_connection_without_a_word() {
    let (mut world, id) = daemon();
    for _ in 0..3 {
        assert_eq!(world.ask(id, HEALTH).status, 200);
        world.advance(Limits::default().keep_alive_timeout - Duration::from_millis(1));
        assert!(!world.peer(id).ended);
    }
    world.advance(2 * TICK);
    assert!(world.peer(id).ended);
    assert_eq!(world.text(id), "");
    assert_eq!(world.ends(id), ["identity: None, reason: HttpDone }"]);
}

#[test]
fn a_slow_head_is_told_408_but_only_if_any_of_it_came() {
    for first in [&b""[..], b"G", b"\r\n"] {
        for requests_before in [0, 1] {
            let (mut world, id) = daemon();
            for _ in 0..requests_before {
                assert_eq!(world.ask(id, HEALTH).status, 200);
                world.advance(30 * SECOND);
            }
            world.input(id, first);
            if requests_before == 1 && first.is_empty() {
                continue; // That is silence between requests.
            }
            world.advance(Limits::default().head_timeout - SECOND);
            world.input(id, if first.is_empty() { b"" } else { b"GET" });
            world.advance(SECOND - Duration::from_millis(1));
            assert!(!world.peer(id).ended && !world.is_gone(id));
            world.advance(2 * TICK);
            if first.is_empty() {
                assert!(world.is_gone(id), "there is nobody to tell");
                assert_eq!(world.text(id), "");
                assert_eq!(world.ends(id), ["identity: None, reason: HeadTimeout }"]);
            } else {
                assert_eq!(world.answers(id)[0].status, 408, "a drip does not extend the time");
                assert!(world.peer(id).ended);
            }
        }
    }
}

#[test]
fn connections_above_the_limit_are_told_503_and_further_ones_nothing() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let mut world = World::daemon(EngineConfig { limits, ..EngineConfig::default() });
    let served = [world.connect(), world.open()];
    let overflow: Vec<ConnId> = (0..CONNECTIONS_OVERFLOW).map(|_| world.connect()).collect();
    let peer = ([127, 0, 0, 1], 1).into();
    assert!(world.engine.handle_accept(peer, true).is_err(), "one more is closed unanswered");
    for (n, &id) in overflow.iter().enumerate() {
        let requests = [HEALTH, &upgrade(GOOD)];
        let answer = world.ask(id, &format!("{}{HEALTH}", requests[n % 2]));
        assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("5")));
        assert!(world.peer(id).ended);
        world.end(id);
        assert!(world.is_gone(id));
    }
    assert_eq!(world.ask(served[0], HEALTH).status, 200, "who was there before is served");
    world.end(served[0]);
    let next = world.connect();
    assert_eq!(world.ask(next, HEALTH).status, 200, "there is room again");
}

#[test]
fn the_preferred_subprotocol_among_those_offered_is_chosen() {
    for (spoken, offered, chosen) in [
        (&["json"][..], "", None),
        (&["json"], "json", Some("json")),
        (&["json"], "chat, json", Some("json")),
        (&["json"], "chat, mqtt", None),
        (&["json"], "JSON", None),
        (&["v2", "v1"], "v1, v2", Some("v2")),
        (&["v2", "v1"], "v1", Some("v1")),
        (&[], "json", None),
    ] {
        let subprotocols = spoken.iter().map(|name| (*name).to_owned()).collect();
        let mut world = World::daemon(EngineConfig { subprotocols, ..EngineConfig::default() });
        let id = world.connect();
        let offer = if offered.is_empty() { String::new() } else { format!("Sec-WebSocket-Protocol: {offered}\r\n") };
        world.input(id, upgrade(&format!("{offer}{GOOD}")).as_bytes());
        let bytes = world.take(id);
        let answer = head(&String::from_utf8_lossy(&bytes)).0;
        assert_eq!((answer.status, answer.header("Sec-WebSocket-Protocol")), (101, chosen), "{offered}");
    }
}

#[test]
fn of_two_faults_the_earlier_check_speaks() {
    let faults = [
        ("GET /ws", "GET /other", 404),
        ("GET /", "POST /", 405),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426),
        ("Sec-WebSocket-Key: dGhl", "Sec-WebSocket-Key: !!!!", 400),
        ("Origin: https://localhost", "Origin: https://evil.example", 403),
        (GOOD, "", 401),
    ];
    let good = upgrade(&format!("Origin: https://localhost\r\n{GOOD}"));
    for (n, (part, wrong, status)) in faults.iter().enumerate() {
        let once = good.replacen(part, wrong, 1);
        let later = faults[n..].iter().map(|(part, wrong, _)| once.replacen(part, wrong, 1));
        for request in later {
            let (mut world, id) =
                connected(World::guarded(EngineConfig::default(), Methods { message: false, ..methods() }));
            assert_eq!(world.ask(id, &request).status, *status, "{request}");
        }
    }
    let (mut world, id) = connected(World::guarded(EngineConfig::default(), Methods { message: false, ..methods() }));
    world.input(id, good.as_bytes());
    assert!(world.take(id).starts_with(b"HTTP/1.1 101 "), "without a fault it is good");
}

#[test]
fn an_empty_path_upgrades_everywhere_and_serves_requests_beside() {
    let mut world = World::daemon(EngineConfig { path: String::new(), ..EngineConfig::default() });
    for path in ["/", "/ws", "/any/path?x=1", "/health"] {
        let id = world.connect();
        world.input(id, upgrade(GOOD).replace("/ws", path).as_bytes());
        assert!(world.take(id).starts_with(b"HTTP/1.1 101 "), "{path}");
    }
    let id = world.connect();
    assert_eq!(world.ask(id, HEALTH).status, 200);
    assert_eq!(world.ask(id, &request("GET /ws HTTP/1.1", "")).status, 404, "no endpoint asks for an upgrade");
}

#[test]
fn a_peer_that_ends_its_half_gets_the_answers_to_what_it_asked() {
    let partial_body = request("POST /health HTTP/1.1", "Content-Length: 10\r\n") + "half";
    let half_a_head = format!("{HEALTH}GET /heal");
    let unfinished = frames::header(0x81, 10);
    let vanished = "identity: None, reason: PeerVanished }";
    let done = "identity: None, reason: HttpDone }";
    let open = "}), reason: PeerVanished }";
    for (bytes, statuses, end) in [
        (&b""[..], &[][..], vanished),
        (b"GET /heal", &[], vanished),
        (HEALTH.as_bytes(), &[200], done),
        (&[HEALTH, HEALTH, HEALTH].concat().into_bytes(), &[200, 200, 200], done),
        (half_a_head.as_bytes(), &[200], vanished),
        (partial_body.as_bytes(), &[405], vanished),
        (request("GET /ws HTTP/1.1", "").as_bytes(), &[426], "identity: None, reason: HttpRefused(426) }"),
        (upgrade(GOOD).as_bytes(), &[101], open),
        (&[upgrade(GOOD).as_bytes(), &unfinished].concat(), &[101], open),
    ] {
        let (mut world, id) = daemon();
        // The end comes before the server has looked at anything.
        world.engine.handle_input(id, bytes);
        world.engine.handle_end(id);
        world.turn();
        let text = String::from_utf8_lossy(&world.take(id)).into_owned();
        let got: Vec<u16> = match statuses {
            [101] => vec![head(&text).0.status],
            _ => answers(text.as_bytes()).iter().map(|answer| answer.status).collect(),
        };
        assert_eq!(got, statuses, "{text}");
        assert!(world.is_gone(id), "{text}");
        let ends = world.ends(id);
        assert!(ends.len() == 1 && ends[0].ends_with(end), "{ends:?}, not {end}");
        assert_eq!(world.engine.sessions(), 0);
    }
}

#[test]
fn a_peer_that_ended_its_half_still_gets_a_late_answer() {
    let (mut world, id) = bare();
    world.input(id, [HEALTH, HEALTH].concat().as_bytes());
    world.end(id);
    for _ in 0..2 {
        assert!(!world.is_gone(id));
        assert!(world.engine.respond(id, Response::text(200, "late")));
        world.turn();
        assert_eq!(world.answers(id).len(), 1);
    }
    assert!(world.is_gone(id));
    assert!(!world.engine.respond(id, Response::text(200, "nobody")));
}
