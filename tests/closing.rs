//! Every way a session ends: the peer's Close, ours, both, neither; shutdown; a stream that just ends. And that the host is told each end exactly once, as the last it hears of that session.
//!
//! Not here: broken frames (`malformed.rs`), ends by time (`timers.rs`), by a full queue (`delivery.rs`), of plain HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

#[path = "closing/codes.rs"]
mod codes;
mod common;
#[path = "closing/course.rs"]
mod course;

use std::time::Duration;

use barewire::auth::{Attempt, Authenticate, Decision, NoAuth, Proof, Ticket};
use barewire::engine::Fate;
use barewire::limits::{CLOSE_TIMEOUT_DEFAULT, SHUTDOWN_LINGER, TICK_MILLIS};
use barewire::{CloseReason, ConnId, EngineConfig, Event, Limits, Message};
use common::ending::{FRAGMENTS, MESSAGE_BYTES, small};
use common::frames::{self, BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};
use common::{World, malformed};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn close_timeout() -> Duration {
    Limits::default().close_timeout
}

// --- the peer closes ---

#[test]
fn a_close_of_the_peer_is_echoed_and_the_host_sees_its_code_and_reason() {
    let full = "x".repeat(123);
    let cases: [(&[u8], &str); 8] = [
        (b"", r#"PeerClosed { code: None, reason: "" }"#),
        (b"\x03\xe8", r#"PeerClosed { code: Some(1000), reason: "" }"#),
        (b"\x03\xe9gone \xf0\x9f\xa6\x80", r#"PeerClosed { code: Some(1001), reason: "gone 🦀" }"#),
        (b"\x03\xf4", r#"PeerClosed { code: Some(1012), reason: "" }"#),
        (b"\x03\xf5", r#"PeerClosed { code: Some(1013), reason: "" }"#),
        (b"\x0b\xb8\"\n", r#"PeerClosed { code: Some(3000), reason: "\"\n" }"#),
        (b"\x13\x87last", r#"PeerClosed { code: Some(4999), reason: "last" }"#),
        (&[b"\x03\xe8", full.as_bytes()].concat(), &format!(r#"PeerClosed {{ code: Some(1000), reason: "{full}" }}"#)),
    ];
    for (payload, reason) in cases {
        for most in [1, usize::MAX] {
            let mut world = World::daemon(small());
            let id = world.open();
            for piece in frames::frame(CLOSE, payload).chunks(most) {
                world.input(id, piece);
            }
            assert_eq!(world.frames(id), [Frame { first: 0x88, opcode: CLOSE, payload: payload.to_vec() }]);
            assert_eq!(world.ending(id), Some(reason));
            world.see_through(id);
        }
    }
}

#[test]
fn what_the_peer_asked_before_its_close_is_answered_before_ours() {
    let asked =
        [frames::text(r#"{"type":"ping","id":1}"#), frames::frame(PING, b"?"), frames::close(1000, "")].concat();
    for cut in 0..=asked.len() {
        let mut world = World::daemon(small());
        let id = world.open();
        world.input(id, &asked[..cut]);
        world.input(id, &asked[cut..]);
        let frames = world.frames(id);
        let kinds: Vec<u8> = frames.iter().map(|frame| frame.opcode).collect();
        assert!(kinds == [TEXT, PONG, CLOSE] || kinds == [PONG, TEXT, CLOSE], "cut at {cut}: {kinds:?}");
        world.see_through(id);
    }
}

#[test]
fn nothing_behind_a_close_of_the_peer_is_looked_at() {
    let ping = frames::text(r#"{"type":"ping"}"#);
    let stream = [&frames::close(1000, "")[..], &ping, b"\xff\xff\xff", &frames::close(1002, "")].concat();
    for cut in 0..=stream.len() {
        let mut world = World::daemon(small());
        let id = world.open();
        world.input(id, &stream[..cut]);
        world.input(id, &stream[cut..]);
        assert_eq!(world.frames(id), [Frame { first: 0x88, opcode: CLOSE, payload: vec![3, 232] }], "cut at {cut}");
        assert_eq!(world.story(id), ["Accepted", "Open", "Closed"]);
        world.see_through(id);
    }
}

#[test]
fn a_close_inside_a_fragmented_message_is_a_close() {
    let mut world = World::daemon(small());
    let id = world.open();
    world.input(id, &[frames::raw(TEXT, b"{"), frames::close(1001, "")].concat());
    assert_eq!(world.close_code(id), Some((1001, String::new())));
    world.see_through(id);
}

// --- the host closes ---

#[test]
fn a_close_of_the_host_goes_out_and_the_peers_reply_ends_the_session() {
    for reply in [frames::close(4000, "why"), frames::frame(CLOSE, b""), frames::close(1000, "mine")] {
        for most in [1, usize::MAX] {
            let mut world = World::daemon(small());
            let id = world.open();
            world.engine.close(id, 4000, "why");
            world.turn();
            assert_eq!(world.close_code(id), Some((4000, "why".into())));
            assert_eq!(world.ending(id), Some(r#"Host { code: 4000, reason: "why" }"#));
            assert_eq!(world.engine.fate(id), Fate::Keep, "the peer's Close is awaited");
            assert_eq!(world.engine.open_sessions(), 0);
            for piece in reply.chunks(most) {
                assert!(!world.peer(id).ended);
                world.input(id, piece);
            }
            assert_eq!(world.take(id), b"");
            world.see_through(id);
        }
    }
}

#[test]
fn what_the_peer_sends_behind_our_close_is_dropped_but_for_its_close() {
    let late = [
        frames::text(r#"{"type":"ping"}"#),
        frames::frame(PING, b"?"),
        frames::raw(TEXT, b"{"),
        frames::frame(PONG, b""),
        frames::frame(CONTINUATION, b"}"),
    ]
    .concat()
    .repeat(40);
    for most in [1, 7, usize::MAX] {
        let mut world = World::daemon(small());
        let id = world.open();
        world.engine.close(id, 1000, "");
        world.turn();
        assert_eq!(world.close_code(id), Some((1000, String::new())));
        for piece in late.chunks(most) {
            world.input(id, piece);
        }
        assert_eq!(world.take(id), b"");
        assert_eq!(world.story(id), ["Accepted", "Open", "Closed"]);
        assert!(!world.peer(id).ended);
        world.input(id, &frames::close(1000, ""));
        world.see_through(id);
    }
}

#[test]
fn our_close_may_fall_into_any_place_of_the_peers_stream() {
    let stream = [
        frames::text(r#"{"type":"ping"}"#),
        frames::raw(TEXT, b"{"),
        frames::frame(PING, b"?"),
        frames::frame(CONTINUATION, b"}"),
        frames::close(1000, ""),
    ]
    .concat();
    for cut in 0..stream.len() - frames::close(1000, "").len() {
        let mut world = World::daemon(small());
        let id = world.open();
        world.input(id, &stream[..cut]);
        world.engine.close(id, 1000, "");
        world.turn();
        world.take(id);
        world.input(id, &stream[cut..]);
        assert_eq!(world.take(id), b"", "cut at {cut}");
        world.see_through(id);
    }
}

#[test]
fn broken_frames_behind_our_close_end_the_wait() {
    for case in malformed::table(MESSAGE_BYTES, FRAGMENTS) {
        let mut world = World::daemon(small());
        let id = world.open();
        world.engine.close(id, 1000, "");
        world.turn();
        world.take(id);
        world.input(id, &case.bytes);
        assert_eq!(world.take(id), b"", "{}: there is one Close only", case.name);
        world.see_through(id);
    }
}

#[test]
fn when_both_close_at_once_each_has_its_close_and_the_session_is_over() {
    let mut world = World::daemon(small());
    let id = world.open();
    world.engine.close(id, 4000, "mine");
    world.engine.handle_input(id, &frames::close(4001, "yours"));
    world.turn();
    assert_eq!(world.close_code(id), Some((4000, "mine".into())));
    assert_eq!(world.story(id), ["Accepted", "Open", "Closed"]);
    world.see_through(id);
}

#[test]
fn a_peer_that_never_replies_is_gone_after_the_close_timeout() {
    let mut world = World::daemon(small());
    let id = world.open();
    world.engine.close(id, 1000, "");
    world.turn();
    world.advance(close_timeout() - Duration::from_millis(1));
    // It talks, but does not close.
    world.input(id, &frames::text("{}"));
    assert!(!world.is_gone(id));
    world.advance(Duration::from_millis(40));
    assert!(world.is_gone(id));
    world.assert_at_rest();
    world.check_stories();
}

#[test]
fn a_peer_that_never_ends_its_half_is_gone_after_the_close_timeout() {
    for bytes in [frames::close(1000, ""), frames::frame(TEXT, b"\xff")] {
        let mut world = World::daemon(small());
        let id = world.open();
        world.input(id, &bytes);
        assert!(world.peer(id).ended);
        world.advance(close_timeout() - Duration::from_millis(1));
        assert!(!world.is_gone(id));
        world.advance(Duration::from_millis(40));
        assert!(world.is_gone(id));
        world.check_stories();
    }
}

#[test]
fn a_second_close_changes_nothing() {
    let mut world = World::daemon(small());
    let id = world.open();
    for code in [4000, 4001] {
        world.engine.close(id, code, "");
    }
    world.engine.close_for(id, CloseReason::ServerShutdown);
    world.turn();
    assert_eq!(world.close_code(id), Some((4000, String::new())));
    assert_eq!(world.story(id), ["Accepted", "Open", "Closed"]);
}

#[test]
fn a_close_in_answer_to_the_message_before_a_violation_is_the_one_close() {
    let mut world = World::new(small(), Box::new(NoAuth));
    let id = world.connect();
    world.input(id, common::upgrade("").as_bytes());
    world.take(id);
    world.engine.handle_input(id, &[frames::text("bye"), frames::frame(TEXT, b"\xff")].concat());
    assert!(matches!(world.engine.poll_event(), Some(Event::Message { .. })));
    world.engine.close(id, 4000, "host");
    world.turn();
    assert_eq!(world.close_code(id), Some((4000, "host".into())));
    world.end(id);
    assert!(world.is_gone(id));
}

// --- the stream ends ---

#[test]
fn a_stream_that_ends_without_a_close_is_a_peer_that_vanished() {
    let stream = [frames::raw(TEXT, b"{"), frames::frame(CONTINUATION, b"}")].concat();
    for cut in 0..=stream.len() {
        let mut world = World::daemon(small());
        let id = world.open();
        world.input(id, &stream[..cut]);
        world.take(id);
        world.end(id);
        assert_eq!(world.ending(id), Some("PeerVanished"));
        assert_eq!(world.take(id), b"", "there is nobody to close with");
        assert!(world.is_gone(id));
        world.check_stories();
    }
}

#[test]
fn what_the_peer_asked_before_the_end_of_its_stream_is_answered() {
    let ping = frames::text(r#"{"type":"ping"}"#);
    for count in [1, 63, 64, 65, 128, 200] {
        let mut world = World::daemon(small());
        let id = world.open();
        // Both are seen at once, as when a short read brings the last bytes and the end.
        world.engine.handle_input(id, &ping.repeat(count));
        world.engine.handle_end(id);
        world.turn();
        assert_eq!(world.messages(id).len(), count);
        assert_eq!(world.ending(id), Some("PeerVanished"));
        assert!(world.is_gone(id));
        world.check_stories();
    }
}

#[test]
fn an_end_of_the_stream_while_our_close_waits_for_its_reply_is_the_end() {
    let mut world = World::daemon(small());
    let id = world.open();
    world.engine.close(id, 1000, "");
    world.turn();
    world.end(id);
    assert!(world.is_gone(id));
    assert_eq!(world.ending(id), Some(r#"Host { code: 1000, reason: "" }"#));
    world.check_stories();
}

#[test]
fn a_failed_transport_ends_a_session_in_any_state_with_one_event() {
    type Prepare = fn(&mut World, ConnId);
    let states: [Prepare; 6] = [
        |_, _| {},
        |world, id| world.input(id, b"GET / HT"),
        |world, id| world.input(id, common::upgrade("").as_bytes()),
        |world, id| world.input(id, common::upgrade(common::GOOD).as_bytes()),
        |world, id| {
            world.input(id, common::upgrade(common::GOOD).as_bytes());
            world.engine.close(id, 1000, "");
        },
        |world, id| {
            world.input(id, common::upgrade(common::GOOD).as_bytes());
            world.input(id, &frames::close(1000, ""));
        },
    ];
    for prepare in states {
        for released in [false, true] {
            let mut world = World::daemon(small());
            let id = world.connect();
            prepare(&mut world, id);
            if released {
                world.engine.handle_released(id);
            } else {
                world.engine.handle_error(id, CloseReason::Transport(std::io::ErrorKind::ConnectionReset));
            }
            world.turn();
            assert_eq!(world.story(id).iter().filter(|kind| **kind == "Closed").count(), 1);
            assert_eq!((world.engine.sessions(), world.engine.open_sessions()), (0, 0));
            world.check_stories();
        }
    }
}

// --- the server stops ---

#[test]
fn a_shutdown_closes_open_sessions_with_1001_and_ends_idle_connections() {
    let mut world = World::daemon(small());
    let open = [world.open(), world.open()];
    let unknown = world.connect();
    world.input(unknown, common::upgrade("").as_bytes());
    world.take(unknown);
    let idle = world.connect();
    let between = world.connect();
    world.input(between, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(world.text(between).starts_with("HTTP/1.1 200 "));
    world.engine.shut_down(Duration::ZERO);
    world.turn();
    for id in [open[0], open[1], unknown] {
        assert_eq!(world.close_code(id), Some((1001, "Server shutting down".into())));
        assert_eq!(world.ending(id), Some("ServerShutdown"));
        world.input(id, &frames::close(1001, ""));
    }
    for id in [idle, between] {
        assert_eq!(world.take(id), b"");
    }
    for id in [open[0], open[1], unknown, idle, between] {
        assert!(world.peer(id).ended);
        world.end(id);
        assert!(world.is_gone(id));
    }
    world.assert_at_rest();
    world.check_stories();
}

#[test]
fn a_request_under_way_is_answered_in_a_shutdown_and_its_connection_closed() {
    let mut world = World::new(small(), Box::new(NoAuth));
    let id = world.connect();
    world.input(id, b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    world.engine.shut_down(Duration::ZERO);
    world.turn();
    assert!(!world.peer(id).ended);
    assert!(world.engine.respond(id, barewire::wire::http::Response::text(200, "at last")));
    world.turn();
    let answer = world.text(id);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Connection: close"), "{answer}");
    assert!(world.peer(id).ended);
}

/// An authenticator that is asked and never answers by itself.
struct Never;

impl Authenticate for Never {
    fn begin(&mut self, attempt: &Attempt<'_>, _ticket: Ticket) -> Decision {
        match attempt.proof {
            Proof::Message { .. } => Decision::Later,
            _ => Decision::Now(barewire::auth::Verdict::AskInBand),
        }
    }
}

/// An authenticator that leaves everybody waiting at the door.
struct Door;

impl Authenticate for Door {
    fn begin(&mut self, _attempt: &Attempt<'_>, _ticket: Ticket) -> Decision {
        Decision::Later
    }
}

#[test]
fn an_upgrade_that_is_being_judged_is_refused_in_a_shutdown() {
    let mut world = World::new(small(), Box::new(Door));
    let id = world.connect();
    world.input(id, common::upgrade("").as_bytes());
    assert_eq!(world.take(id), b"");
    world.engine.shut_down(Duration::ZERO);
    world.turn();
    let answer = world.text(id);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Connection: close"), "{answer}");
    assert!(world.peer(id).ended);
}

#[test]
fn a_session_can_be_closed_while_its_token_is_verified_with_more_behind_it() {
    let auth = frames::text(r#"{"type":"auth","token":"t"}"#);
    let behind = [frames::text("{}"), frames::frame(PING, b"")].concat();
    for ends in [false, true] {
        for behind in [&behind[..], &[]] {
            let mut world = World::new(small(), Box::new(Never));
            let id = world.connect();
            world.input(id, common::upgrade("").as_bytes());
            world.take(id);
            world.engine.handle_input(id, &[&auth, behind].concat());
            if ends {
                world.engine.handle_end(id);
            }
            world.turn();
            world.advance(Limits::default().auth_timeout + Duration::from_millis(40));
            assert_eq!(world.close_code(id), Some((1008, "Authentication timeout".into())));
            if ends {
                assert!(world.is_gone(id), "both have ended, nothing is waited for");
            }
            world.advance(close_timeout() + Duration::from_millis(40));
            assert!(world.is_gone(id));
            assert_eq!(world.engine.sessions(), 0);
        }
    }
}

#[test]
fn when_all_are_dropped_nothing_is_left_and_each_end_is_told_once() {
    let mut world = World::daemon(small());
    let open = world.open();
    let half = world.connect();
    world.input(half, b"GET /hea");
    let closing = world.open();
    world.engine.close(closing, 1000, "");
    let ending = world.open();
    world.input(ending, &frames::close(1000, ""));
    let stuck = world.open();
    world.peer(stuck).room = 0;
    world.engine.send(stuck, Message::Binary(vec![0; 1000].into()));
    world.engine.subscribe(open, "news").unwrap();
    world.engine.shut_down(Duration::ZERO);
    world.turn();
    assert!(world.engine.sessions() > 0);
    world.engine.drop_all();
    world.turn();
    assert_eq!((world.engine.sessions(), world.engine.open_sessions(), world.engine.channels()), (0, 0, 0));
    world.assert_at_rest();
    for id in [open, half, closing, ending, stuck] {
        assert!(world.is_gone(id));
        assert_eq!(world.story(id).iter().filter(|kind| **kind == "Closed").count(), 1);
    }
    world.check_stories();
}

#[test]
fn a_close_drops_what_comes_later_from_the_host() {
    let mut world = World::daemon(small());
    let id = world.open();
    world.engine.subscribe(id, "news").unwrap();
    world.engine.close(id, 1000, "");
    assert!(!world.engine.send(id, Message::Text("late".into())));
    let late = barewire::PreparedMessage::text("late");
    assert_eq!(world.engine.publish("news", &late, None).matched, 0);
    assert_eq!(world.engine.publish_to_all(&late, None).matched, 0);
    assert!(!world.engine.unsubscribe(id, "news"));
    world.turn();
    assert_eq!(world.frames(id).len(), 1);
    world.advance(seconds(1));
    world.input(id, &frames::frame(BINARY, b""));
    world.input(id, &frames::close(1000, ""));
    world.see_through(id);
}

#[test]
fn a_shutdown_does_not_wait_long_for_who_owes_no_close_handshake() {
    let mut world = World::daemon(EngineConfig::default());
    let idle = world.connect();
    let silent = world.open();
    world.engine.shut_down(Duration::ZERO);
    world.turn();
    assert!(world.peer(idle).ended, "our half ends at once");
    world.advance(SHUTDOWN_LINGER + Duration::from_millis(TICK_MILLIS));
    assert!(world.is_gone(idle));
    assert!(!world.is_gone(silent), "a close handshake has its whole time");
    world.advance(CLOSE_TIMEOUT_DEFAULT);
    assert!(world.is_gone(silent));
}
