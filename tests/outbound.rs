//! The client role of the engine: the upgrade is asked for and the answer judged, what is sent is masked, what is heard is
//! held to the same rules, and a server is nobody's guest.
//!
//! Not here: what an answer's head must look like (`src/wire/http/`), when it is tried again (`reconnecting.rs`), sockets
//! (`dialing.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use barewire::auth::NoAuth;
use barewire::limits::{REFUSAL_BODY_BYTES, SEND_QUEUE_PAUSE_BYTES};
use barewire::wire::http::UpgradeRequest;
use barewire::{CloseReason, ConnId, EngineConfig, Event, Limits, Message, PreparedMessage, SubscribeError};
use common::frames::{self, CLOSE, Frame, PING, PONG, TEXT};
use common::{World, carry, switch};

const SECOND: Duration = Duration::from_secs(1);

fn request() -> UpgradeRequest {
    UpgradeRequest {
        authority: "example.test".into(),
        target: "/ws?a=b".into(),
        protocols: vec!["json".into()],
        headers: vec![("Origin".into(), "https://example.test".into())],
    }
}

fn world(config: EngineConfig) -> World {
    World::new(config, Box::new(NoAuth))
}

/// An open session in the client role, whose host has been told.
fn open(world: &mut World) -> ConnId {
    let id = world.go(request());
    let answer = switch(&world.text(id));
    world.input(id, answer.as_bytes());
    assert!(matches!(world.events.pop(), Some(Event::Connected { .. })), "{:?}", world.history);
    id
}

/// What a client has sent since the last call.
fn sent(world: &mut World, id: ConnId) -> Vec<Frame> {
    frames::decode_client(&world.take(id)).into_iter().map(|(frame, _)| frame).collect()
}

fn end(world: &mut World) -> CloseReason {
    match world.events.pop() {
        Some(Event::Closed { identity: None, reason, .. }) => reason,
        other => panic!("no end but {other:?}"),
    }
}

fn payload(event: Option<Event>) -> Message {
    match event {
        Some(Event::Message { message, .. }) => message,
        other => panic!("no message but {other:?}"),
    }
}

#[test]
fn a_client_and_a_server_of_this_engine_understand_each_other() {
    for enabled in [true, false] {
        let mut config = common::unpaced();
        config.deflate.enabled = enabled;
        config.deflate.min_bytes = 100;
        let (mut here, mut there) = (world(config.clone()), world(config));
        let (id, guest) = (here.go(request()), there.connect());
        while carry((&mut here, id), (&mut there, guest)) {}
        let Some(Event::Connected { protocol, response, .. }) = here.events.pop() else { panic!("{:?}", here.history) };
        assert_eq!((protocol.as_deref(), response.status()), (Some("json"), 101));
        assert_eq!(response.header("sec-websocket-extensions").is_some(), enabled);
        for bytes in [0, 1, 99, 100, 125, 126, 8191, 8192, 65_535, 65_536, 1 << 20] {
            for message in [Message::Text("é".repeat(bytes / 2).into()), Message::Binary(vec![0xff; bytes].into())] {
                assert!(here.engine.send(id, message.clone()));
                here.turn();
                while carry((&mut here, id), (&mut there, guest)) {}
                assert_eq!(payload(there.events.pop()), message);
                assert!(there.engine.send(guest, message.clone()));
                there.turn();
                while carry((&mut here, id), (&mut there, guest)) {}
                assert_eq!(payload(here.events.pop()), message);
            }
        }
    }
}

#[test]
fn every_frame_of_a_client_has_a_mask_of_its_own() {
    let mut world = world(EngineConfig::default());
    let id = open(&mut world);
    for n in 0..50 {
        world.engine.send(id, Message::Text(n.to_string().into()));
    }
    world.engine.send(id, Message::Binary(vec![0; 70_000].into()));
    world.engine.close(id, 3000, "enough");
    world.turn();
    let frames = frames::decode_client(&world.take(id));
    let masks: BTreeSet<_> = frames.iter().map(|(_, mask)| mask).collect();
    assert_eq!((frames.len(), masks.len()), (52, 52));
    assert_eq!(frames[51].0.close(), (3000, "enough".into()));
}

#[test]
fn an_answer_may_be_cut_anywhere_and_frames_may_stand_behind_it() {
    let reference = world(EngineConfig::default()).go(request());
    let whole = {
        let mut world = world(EngineConfig::default());
        let id = world.go(request());
        assert_eq!(id, reference, "the same seed asks the same");
        let hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
        [hint.as_bytes(), switch(&world.text(id)).as_bytes(), &frames::server(TEXT, b"first")].concat()
    };
    for cut in 1..whole.len() {
        let mut world = world(EngineConfig::default());
        let id = world.go(request());
        world.input(id, &whole[..cut]);
        world.input(id, &whole[cut..]);
        assert_eq!(payload(world.events.pop()), Message::Text("first".into()), "{cut}");
        assert!(matches!(world.events.pop(), Some(Event::Connected { .. })), "{cut}");
    }
}

#[test]
fn a_refused_upgrade_tells_status_headers_and_body_however_that_is_framed() {
    let limit = "x".repeat(REFUSAL_BODY_BYTES);
    let past = "x".repeat(REFUSAL_BODY_BYTES + 1);
    let length = |body: &str| format!("Content-Length: {}\r\n\r\n{body}", body.len());
    for (rest, ends, body) in [
        (length("no"), false, "no"),
        (length(""), false, ""),
        (length("cut off")[..25].to_owned(), true, "cut "),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nfor\r\n4\r\nbid!\r\n0\r\n\r\n".to_owned(), false, "forbid!"),
        ("\r\nuntil the end".to_owned(), true, "until the end"),
        (length(&limit), false, &limit),
        (length(&past), false, &limit),
        (format!("\r\n{past}"), false, &limit),
    ] {
        let mut world = world(EngineConfig::default());
        let id = world.go(request());
        world.input(id, format!("HTTP/1.1 403 Forbidden\r\nX-Why: because\r\n{rest}").as_bytes());
        if ends {
            world.end(id);
        }
        assert_eq!(end(&mut world), CloseReason::HttpRefused(403));
        let Some(Event::Refused { response, body: told, .. }) = world.events.pop() else {
            panic!("{:?}", world.history)
        };
        assert_eq!((response.status(), response.reason()), (403, "Forbidden"));
        assert_eq!(response.header("x-why"), Some(&b"because"[..]));
        assert!(told == body.as_bytes(), "{rest:.80}: {} bytes", told.len());
    }
}

#[test]
fn an_answer_that_is_none_ends_it_with_a_sentence() {
    for (answer, sentence) in [
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "no Sec-WebSocket-Accept",
        ),
        ("220 mail.example.test ESMTP\r\n", "begin"),
        ("HTTP/1.1 200 OK\nX: y\n\n", "line feed"),
    ] {
        let mut world = world(EngineConfig::default());
        let id = world.go(request());
        // What stands behind it is nothing to anybody.
        world.input(id, &[answer.as_bytes(), &frames::server(TEXT, b"too early")].concat());
        let CloseReason::Handshake(told) = end(&mut world) else { panic!("{:?}", world.history) };
        assert!(told.contains(sentence), "{told}");
    }
    let mut config = EngineConfig::default();
    config.deflate.enabled = false;
    let mut world = world(config);
    let id = world.go(request());
    let answer =
        switch(&world.text(id)).replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    world.input(id, answer.as_bytes());
    assert!(matches!(end(&mut world), CloseReason::Handshake(told) if told.contains("not offered")));
}

#[test]
fn a_server_that_does_not_answer_has_as_long_as_a_client_has_for_its_head() {
    for (begun, reason) in [
        (&b""[..], CloseReason::HeadTimeout),
        (b"HTTP/1.1 101 Swi", CloseReason::HeadTimeout),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno", CloseReason::HttpRefused(403)),
    ] {
        let mut world = world(EngineConfig::default());
        let id = world.go(request());
        world.input(id, begun);
        world.advance(10 * SECOND - Duration::from_millis(200));
        assert!(world.events.is_empty() && !world.is_gone(id));
        world.advance(Duration::from_millis(400));
        assert_eq!(end(&mut world), reason);
        world.advance(6 * SECOND);
        assert!(world.is_gone(id));
    }
    // Nor has one to which nothing connects.
    let mut world = world(EngineConfig::default());
    let id = world.engine.connect(request(), true, [1; 32]).unwrap();
    world.peers.insert(id, common::Peer::default());
    world.advance(11 * SECOND);
    assert_eq!(end(&mut world), CloseReason::HeadTimeout);
    assert!(world.is_gone(id) && world.engine.sessions() == 0);
}

#[test]
fn a_server_that_falls_silent_is_found_by_heartbeats() {
    let mut world = world(EngineConfig::default());
    let id = open(&mut world);
    world.advance(30 * SECOND);
    assert_eq!(sent(&mut world, id).iter().filter(|frame| frame.opcode == PING).count(), 1);
    world.input(id, &frames::server(PONG, b"late"));
    world.advance(30 * SECOND);
    assert!(world.events.is_empty());
    world.advance(31 * SECOND);
    assert_eq!(end(&mut world), CloseReason::HeartbeatLost);
}

#[test]
fn a_ping_is_answered_and_a_close_is_answered_and_both_are_masked() {
    let mut world = world(EngineConfig::default());
    let id = open(&mut world);
    world.input(id, &frames::server(PING, b"there?"));
    let frames = sent(&mut world, id);
    assert_eq!((frames[0].opcode, frames[0].payload.as_slice()), (PONG, &b"there?"[..]));
    world.input(id, &frames::server(CLOSE, b"\x03\xf4soon"));
    assert_eq!(sent(&mut world, id)[0].close(), (1012, "soon".into()));
    assert_eq!(end(&mut world), CloseReason::PeerClosed { code: Some(1012), reason: "soon".into() });
}

#[test]
fn a_server_is_held_to_the_protocol_and_to_the_limits() {
    let limits = Limits { message_bytes: 1000, ..Limits::default() };
    for (frame, code) in [
        (frames::frame(TEXT, b"masked"), 1002),
        (frames::server(3, b""), 1002),
        (frames::server(TEXT, b"\xff"), 1007),
        (frames::server(TEXT, &[b'x'; 1001]), 1009),
    ] {
        let mut world = world(EngineConfig { limits: limits.clone(), ..EngineConfig::default() });
        let id = open(&mut world);
        world.input(id, &frames::server(TEXT, &[b'x'; 1000]));
        assert_eq!(payload(world.events.pop()).len(), 1000);
        world.input(id, &frame);
        assert_eq!(sent(&mut world, id)[0].close().0, code);
    }
}

#[test]
fn a_server_may_say_more_than_a_guest_may() {
    let mut world = world(EngineConfig::default());
    let id = open(&mut world);
    for _ in 0..1000 {
        world.input(id, &frames::server(TEXT, b"news"));
    }
    assert_eq!(world.events.len(), 1000);
    assert!(sent(&mut world, id).is_empty());
}

#[test]
fn a_server_is_no_guest() {
    let limits = Limits { connections: 2, connections_per_ip: 1, pre_auth_connections: 1, ..Limits::default() };
    let mut world = world(EngineConfig { limits, ..EngineConfig::default() });
    let id = open(&mut world);
    let waiting = world.go(request());
    world.take(waiting);
    assert_eq!(world.engine.open_sessions(), 0);
    assert_eq!(world.engine.subscribe(id, "news"), Err(SubscribeError::NotOpen));
    let published = world.engine.publish_to_all(&PreparedMessage::text("to guests"), None);
    assert_eq!(published.matched, 0);
    world.engine.renew(id, "token");
    world.turn();
    assert!(world.take(id).is_empty() && world.engine.is_outbound(id) && world.engine.identity(id).is_none());
    world.engine.close(id, 1000, "");
    world.engine.close(waiting, 1000, "");
    world.turn();
    world.end(id);
    assert_eq!((world.engine.sessions(), world.is_gone(id), world.is_gone(waiting)), (0, true, true));
}

#[test]
fn a_full_queue_refuses_a_message_and_the_session_goes_on_and_is_read() {
    let mut world = world(EngineConfig::default());
    let id = open(&mut world);
    world.peer(id).room = 0;
    let message = Message::Binary(vec![1; SEND_QUEUE_PAUSE_BYTES].into());
    let taken = (0..1000).take_while(|_| world.engine.send(id, message.clone())).count();
    world.turn();
    assert!((16..=40).contains(&taken), "{taken}");
    world.turn();
    assert!(!world.engine.send(id, message.clone()), "offered what waits and took nothing: there is no room");
    world.input(id, &frames::server(TEXT, b"read on"));
    assert_eq!(payload(world.events.pop()), Message::Text("read on".into()));
    world.make_room(id, usize::MAX);
    assert_eq!(sent(&mut world, id).len(), taken);
    assert!(world.engine.send(id, message));
}

#[test]
fn what_a_server_says_is_no_command_to_the_daemon() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.go(request());
    let answer = switch(&world.text(id));
    world.input(id, answer.as_bytes());
    for said in [r#"{"type":"ping"}"#, r#"{"type":"error","message":"Invalid format"}"#, "no JSON"] {
        world.input(id, &frames::server(TEXT, said.as_bytes()));
        assert!(sent(&mut world, id).is_empty(), "{said} is answered");
    }
}

#[test]
fn a_shutdown_says_goodbye_to_servers_too() {
    let mut world = world(EngineConfig::default());
    let (id, waiting) = (open(&mut world), world.go(request()));
    world.engine.shut_down(20 * SECOND);
    world.turn();
    assert_eq!(sent(&mut world, id)[0].close().0, 1001);
    assert!(world.is_gone(waiting));
    world.input(id, &frames::server(CLOSE, b"\x03\xe9"));
    world.end(id);
    assert_eq!(world.engine.sessions(), 0);
}
