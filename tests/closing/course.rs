//! The course of a close handshake: what comes before a Close, between both, behind them, instead of them, and how long it
//! may take.
//!
//! Not here: codes and reasons (`codes.rs`), the socket's side of it (`tests/lingering.rs`).

use std::io::ErrorKind;
use std::time::Duration;

use barewire::auth::NoAuth;
use barewire::engine::{Fate, Intake, SubscribeError};
use barewire::limits::{SEND_QUEUE_PAUSE_BYTES, TICK_MILLIS};
use barewire::{CloseReason, ConnId, Message, PreparedMessage};

use super::close_timeout;
use crate::common::deflate::{self, OFFER};
use crate::common::ending::small;
use crate::common::frames::{self, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT};
use crate::common::pending::Pending;
use crate::common::{self, GOOD, World, unpaced};

const PING_MESSAGE: &str = r#"{"type":"ping"}"#;

/// A way to bring an open session to its last phase.
type Way = fn(&mut World, ConnId);

const WAYS: [(&str, Way); 4] = [
    ("the host closes", |world, id| {
        world.engine.close(id, 4000, "enough");
        world.turn();
    }),
    ("both close", |world, id| {
        world.engine.close(id, 4000, "enough");
        world.engine.handle_input(id, &frames::close(4001, "enough"));
        world.turn();
    }),
    ("the peer closes", |world, id| world.input(id, &frames::close(4001, "enough"))),
    ("the peer breaks the protocol", |world, id| world.input(id, &frames::frame(TEXT, b"\xff"))),
];

fn opcodes(world: &mut World, id: ConnId) -> Vec<u8> {
    world.frames(id).iter().map(|frame| frame.opcode).collect()
}

// --- before ---

#[test]
fn a_close_keeps_its_place_behind_a_backlog_however_slowly_that_is_read() {
    for (name, way) in WAYS {
        for room in [1, 7, 1000] {
            let mut world = World::daemon(small());
            let id = world.open();
            world.peer(id).room = 0;
            for number in 0..10_u8 {
                assert!(world.engine.send(id, Message::Binary(vec![number; 100].into())));
            }
            world.turn();
            way(&mut world, id);
            assert_eq!(world.take(id), b"", "{name}");
            let mut received = Vec::new();
            while world.engine.output(id).is_some() {
                assert!(!world.peer(id).ended, "{name}: the end is behind all of it");
                world.make_room(id, room);
                received.extend(world.take(id));
            }
            let frames = frames::decode(&received);
            let (close, messages) = frames.split_last().unwrap();
            assert!(messages.iter().map(|frame| frame.payload[0]).eq(0..10), "{name}");
            assert_eq!(close.opcode, CLOSE, "{name}");
            if world.engine.fate(id) == Fate::Keep {
                world.input(id, &frames::close(4000, ""));
            }
            world.see_through(id);
        }
    }
}

#[test]
fn a_close_of_the_host_waits_in_a_session_that_is_not_read_for_its_own_backlog() {
    let mut world = World::daemon(unpaced());
    let id = world.open();
    world.peer(id).room = 0;
    // More than may wait for it: the peer is not read until it reads.
    world.engine.send(id, Message::Binary(vec![7; SEND_QUEUE_PAUSE_BYTES + 1].into()));
    world.engine.close(id, 4000, "enough");
    world.turn();
    assert_eq!(world.engine.intake(id), Intake::Pause, "its own Close lies in the socket");
    world.make_room(id, usize::MAX);
    assert_eq!(opcodes(&mut world, id), [BINARY, CLOSE]);
    world.input(id, &frames::close(4000, ""));
    world.see_through(id);
}

#[test]
fn a_close_behind_a_message_that_is_still_being_inflated_waits_for_its_answer() {
    for bytes in [10, 10_000, 1_000_000] {
        for most in [1, 100, usize::MAX] {
            let mut world = World::daemon(unpaced());
            let id = world.open_with(&format!("{GOOD}{OFFER}"));
            let ping = format!(r#"{{"type":"ping","payload":"{}"}}"#, "x".repeat(bytes));
            let stream = [deflate::message(TEXT, ping.as_bytes()), frames::close(1001, "bye")].concat();
            for piece in stream.chunks(most) {
                world.input(id, piece);
            }
            assert_eq!(opcodes(&mut world, id), [TEXT, CLOSE], "{bytes} bytes in pieces of {most}");
            assert_eq!(world.ending(id), Some(r#"PeerClosed { code: Some(1001), reason: "bye" }"#));
            world.see_through(id);
        }
    }
}

#[test]
fn a_close_inside_a_fragmented_message_is_a_close_wherever_it_is_cut() {
    let deflated = deflate::fragments(TEXT, &deflate::deflate(PING_MESSAGE.as_bytes()), 5);
    for (first, headers) in
        [(frames::raw(TEXT, b"{"), GOOD.to_owned()), (deflated[0].clone(), format!("{GOOD}{OFFER}"))]
    {
        for ping in [vec![], frames::frame(PING, b"?")] {
            // What would end the message is behind the Close, and nobody's.
            let last = frames::frame(CONTINUATION, b"}");
            let stream = [&first[..], &ping, &frames::close(4001, "enough"), &last].concat();
            for most in 1..=stream.len() {
                let mut world = World::daemon(small());
                let id = world.open_with(&headers);
                for piece in stream.chunks(most) {
                    world.input(id, piece);
                }
                let expected = if ping.is_empty() { vec![CLOSE] } else { vec![PONG, CLOSE] };
                assert_eq!(opcodes(&mut world, id), expected);
                assert_eq!(world.ending(id), Some(r#"PeerClosed { code: Some(4001), reason: "enough" }"#));
                assert_eq!(world.story(id), ["Accepted", "Open", "Closed"]);
                world.see_through(id);
            }
        }
    }
}

#[test]
fn a_close_before_authentication_is_a_close_and_behind_a_token_it_waits_for_the_verdict() {
    let auth = frames::text(r#"{"type":"auth","token":"t"}"#);
    for most in [1, usize::MAX] {
        let pending = Pending::default();
        let mut world = World::guarded(small(), pending.clone());
        let id = world.connect();
        world.input(id, common::upgrade("").as_bytes());
        pending.resolve(&mut world, barewire::auth::Verdict::AskInBand);
        world.take(id);
        for piece in frames::close(999, "who am I").chunks(most) {
            world.input(id, piece);
        }
        assert_eq!(world.close_code(id), Some((1002, "Protocol error".into())));
        assert_eq!(world.story(id), ["Accepted", "Closed"]);
        world.see_through(id);

        let id = world.connect();
        world.input(id, common::upgrade("").as_bytes());
        pending.resolve(&mut world, barewire::auth::Verdict::AskInBand);
        world.take(id);
        for piece in [&auth[..], &frames::close(1001, "in haste")].concat().chunks(most) {
            world.engine.handle_input(id, piece);
        }
        world.turn();
        assert_eq!(world.take(id), b"", "nothing behind the token is looked at");
        pending.accept(&mut world, "anna");
        let lines = world.transcript(id);
        assert_eq!(
            (lines.len(), lines[0].as_str(), lines[2].as_str()),
            (3, r#"{"type":"auth_success"}"#, "close 1001 in haste")
        );
        assert_eq!(world.story(id), ["Accepted", "Open", "Closed"]);
        world.see_through(id);
    }
}

// --- both ---

#[test]
fn our_close_may_fall_into_any_place_of_the_peers() {
    for theirs in [frames::close(4001, "yours"), frames::close(1006, ""), frames::frame(CLOSE, b"")] {
        for cut in 0..=theirs.len() {
            for room in [0, usize::MAX] {
                let mut world = World::daemon(small());
                let id = world.open();
                world.peer(id).room = room;
                world.input(id, &theirs[..cut]);
                world.engine.close(id, 4000, "ours");
                world.turn();
                world.input(id, &theirs[cut..]);
                world.make_room(id, usize::MAX);
                // Whose Close is whole first decides; there is one of ours in any case, and one end.
                let closes = world.frames(id);
                assert_eq!(closes.len(), 1);
                let is_ours = closes[0].close() == (4000, "ours".into());
                assert_eq!(is_ours, cut < theirs.len(), "cut at {cut}");
                assert_eq!(world.ending(id).unwrap().starts_with("Host"), is_ours);
                world.see_through(id);
            }
        }
    }
}

// --- behind ---

#[test]
fn nothing_is_sent_behind_a_close_whoever_was_first() {
    for (name, way) in WAYS {
        let mut world = World::daemon(small());
        let id = world.open();
        world.engine.subscribe(id, "news").unwrap();
        way(&mut world, id);
        let late = PreparedMessage::text("late");
        assert!(!world.engine.send(id, Message::Text("late".into())), "{name}");
        assert_eq!(world.engine.publish("news", &late, None).matched, 0, "{name}");
        assert_eq!(world.engine.publish_to_all(&late, None).matched, 0, "{name}");
        assert_eq!(world.engine.subscribe(id, "more news"), Err(SubscribeError::NotOpen), "{name}");
        world.engine.close(id, 4002, "again");
        world.engine.shut_down(Duration::ZERO);
        world.input(id, &[frames::frame(PING, b"?"), frames::text(PING_MESSAGE)].concat());
        world.advance(close_timeout() - Duration::from_millis(2 * TICK_MILLIS));
        assert_eq!(opcodes(&mut world, id), [CLOSE], "{name}");
        assert_eq!(world.story(id), ["Accepted", "Open", "Closed"], "{name}");
    }
}

// --- how long ---

#[test]
fn a_byte_a_second_behind_our_close_gains_no_time() {
    // In turn: whole frames, the payload of a large one, and nothing that anybody would understand.
    let pings = frames::frame(PING, b"?").repeat(10);
    let large = [frames::header(0x80 | BINARY, 500), vec![0; 500]].concat();
    for (name, way) in WAYS {
        for stream in [&pings, &large, &frames::header(0x80 | CLOSE, 125), &vec![0xff; 20]] {
            let mut world = World::daemon(small());
            let id = world.open();
            way(&mut world, id);
            let begun = world.now.mono_us;
            let mut bytes = stream.iter();
            while !world.is_gone(id) {
                assert!(
                    Duration::from_micros(world.now.mono_us - begun)
                        < close_timeout() + Duration::from_millis(TICK_MILLIS),
                    "{name}"
                );
                world.advance(Duration::from_millis(900));
                if !world.is_gone(id) {
                    world.input(id, &[*bytes.next().unwrap()]);
                }
            }
            assert!(Duration::from_micros(world.now.mono_us - begun) >= close_timeout(), "{name}: it had its time");
            assert_eq!(world.ends(id).len(), 1);
            world.assert_at_rest();
        }
    }
}

// --- instead ---

#[test]
fn the_end_of_the_stream_right_behind_a_close_is_a_close() {
    for (theirs, ours) in [(frames::close(4001, "bye"), 4001), (frames::close(999, ""), 1002)] {
        let stream = [&frames::text(PING_MESSAGE)[..], &theirs].concat();
        for asked in [&stream, &theirs] {
            let mut world = World::daemon(small());
            let id = world.open();
            world.engine.handle_input(id, asked);
            world.engine.handle_end(id);
            world.turn();
            assert_eq!(world.frames(id).last().unwrap().close().0, ours);
            assert_ne!(world.ending(id), Some("PeerVanished"));
            assert!(world.is_gone(id), "both have ended");
            world.check_stories();
        }
    }
}

#[test]
fn half_a_close_and_the_end_of_the_stream_is_a_peer_that_vanished() {
    let close = frames::close(1000, "bye");
    for cut in 0..close.len() {
        let mut world = World::daemon(small());
        let id = world.open();
        world.input(id, &close[..cut]);
        world.end(id);
        assert_eq!((world.take(id), world.ending(id)), (vec![], Some("PeerVanished")), "cut at {cut}");
        assert!(world.is_gone(id));
        world.assert_at_rest();
    }
}

#[test]
fn a_reset_at_any_point_of_a_close_handshake_is_the_end_at_once_and_is_told_once() {
    let points: [(&str, Way); 6] = [
        ("half of their Close", |world, id| world.input(id, &frames::close(1000, "bye")[..5])),
        ("their Close behind a message that is not answered yet", |world, id| {
            world.engine.handle_input(id, &frames::text("hello"));
            world.engine.handle_input(id, &frames::close(1000, "bye"));
        }),
        ("a violation behind a message that is not answered yet", |world, id| {
            world.engine.handle_input(id, &[frames::text("hello"), frames::frame(TEXT, b"\xff")].concat());
        }),
        ("our Close, not written yet", |world, id| {
            world.peer(id).room = 0;
            world.engine.close(id, 4000, "");
            world.turn();
        }),
        ("our Close, and half of theirs", |world, id| {
            world.engine.close(id, 4000, "");
            world.turn();
            world.input(id, &frames::close(4000, "")[..7]);
        }),
        ("both", |world, id| {
            world.engine.close(id, 4000, "");
            world.turn();
            world.input(id, &frames::close(4000, ""));
        }),
    ];
    for (name, point) in points {
        for is_released in [false, true] {
            let mut world = World::new(small(), Box::new(NoAuth));
            let id = world.open_with("");
            point(&mut world, id);
            if is_released {
                world.engine.handle_released(id);
            } else {
                world.engine.handle_error(id, CloseReason::Transport(ErrorKind::ConnectionReset));
                assert_eq!(world.engine.fate(id), Fate::Drop, "{name}");
            }
            world.turn();
            assert_eq!(world.ends(id).len(), 1, "{name}: {:?}", world.history);
            world.assert_at_rest();
        }
    }
}
