//! Close codes: all 65 536 of them in either direction, and each that the server sends of its own accord, by what earns it.
//!
//! Not here: the course of a close handshake (`closing.rs`), how a Close is encoded and judged (`src/wire/websocket/close.rs`).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use barewire::auth::{Attempt, Authenticate, Decision, Identity, NoAuth, Ticket, Verdict};
use barewire::engine::Fate;
use barewire::{CloseReason, ConnId, Engine, EngineConfig, Event, Limits, Message, Now};

use crate::common::ending::{FRAGMENTS, MESSAGE_BYTES, small};
use crate::common::frames::{self, BINARY, CLOSE, Frame, PING, TEXT};
use crate::common::{self, World, unpaced};

const README: &str = include_str!("../../README.md");
const SECOND: Duration = Duration::from_secs(1);

/// What a Close frame may carry, by the rows of RFC 6455, section 7.4, and of IANA's registry.
fn may_be_sent(code: u16) -> bool {
    let reserved = [1004, 1005, 1006, 1015];
    (1000..=1015).contains(&code) && !reserved.contains(&code) || (3000..=4999).contains(&code)
}

/// What the server has written at the end of a turn.
fn written(engine: &mut Engine, id: ConnId) -> Vec<u8> {
    while engine.poll_ready().is_some() {}
    while engine.poll_dirty().is_some() {}
    let mut bytes = Vec::new();
    while let Some(queue) = engine.output(id).filter(|queue| !queue.is_empty()) {
        bytes.extend_from_slice(queue.front());
        let count = queue.front().len();
        queue.advance(count);
    }
    engine.handle_written(id, true, false);
    bytes
}

/// Opens a session for each code, has it closed, and checks what is written and what the host is told. A driver of its
/// own: a [`World`] would take a minute.
fn for_each_code(close: impl Fn(&mut Engine, ConnId, u16), expected: impl Fn(u16) -> (Vec<u8>, CloseReason)) {
    let now = Now { mono_us: 1_000_000, unix_ms: 1_795_000_000_000 };
    let mut engine = Engine::new(small(), Box::new(NoAuth), now, 42);
    let (peer, upgrade) = (SocketAddr::from(([127, 0, 0, 1], 40_000)), common::upgrade(""));
    for code in 0..=u16::MAX {
        let id = engine.handle_accept(peer, true).unwrap();
        engine.handle_input(id, upgrade.as_bytes());
        assert!(written(&mut engine, id).starts_with(b"HTTP/1.1 101 "));
        while engine.poll_event().is_some() {}
        close(&mut engine, id, code);
        let (payload, end) = expected(code);
        let closes = frames::decode(&written(&mut engine, id));
        assert_eq!(closes, [Frame { first: 0x80 | CLOSE, opcode: CLOSE, payload }], "{code}");
        let told: Vec<Event> = std::iter::from_fn(|| engine.poll_event()).collect();
        assert!(matches!(&told[..], [Event::Closed { reason, .. }] if *reason == end), "{code}: {told:?}");
        // The reply, where one is due, may have any code: the session is over in any case.
        engine.handle_input(id, &frames::close(code, ""));
        assert_eq!((written(&mut engine, id), engine.fate(id)), (vec![], Fate::CloseWhenWritten), "{code}");
        engine.handle_released(id);
        assert!(engine.sessions() == 0 && !engine.has_events());
    }
}

fn payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

#[test]
fn each_code_of_the_peer_is_echoed_or_answered_with_1002_and_the_host_sees_which_it_was() {
    for_each_code(
        |engine, id, code| engine.handle_input(id, &frames::close(code, "bye")),
        |code| match may_be_sent(code) {
            true => (payload(code, "bye"), CloseReason::PeerClosed { code: Some(code), reason: "bye".into() }),
            false => {
                let named = format!("a Close with the code {code}");
                (payload(1002, "Protocol error"), CloseReason::Protocol(named.into()))
            }
        },
    );
}

#[test]
fn each_code_of_the_host_is_sent_or_becomes_one_that_may_be() {
    for_each_code(
        |engine, id, code| engine.close(id, code, "ä".repeat(100)),
        |code| {
            let sent = match code {
                1005 => vec![],
                code if may_be_sent(code) => payload(code, &"ä".repeat(61)),
                _ => payload(1000, &"ä".repeat(61)),
            };
            (sent, CloseReason::Host { code, reason: "ä".repeat(100).into() })
        },
    );
}

// --- of its own accord ---

/// Knows everybody, up to this moment.
struct Until(u64);

impl Authenticate for Until {
    fn begin(&mut self, _: &Attempt<'_>, _: Ticket) -> Decision {
        Decision::Now(Verdict::Accept(Identity::new("anna").expiring(self.0)))
    }
}

fn daemon(limits: Limits) -> (World, ConnId) {
    let mut world = World::daemon(EngineConfig { limits, ..EngineConfig::default() });
    let id = world.open();
    (world, id)
}

/// The daemon's limits of `small`, and these bytes.
fn sent(bytes: &[u8]) -> (World, ConnId) {
    let (mut world, id) = daemon(small().limits);
    world.input(id, bytes);
    (world, id)
}

/// A session of the daemon that has not said who it is.
fn unknown(bytes: &[u8]) -> (World, ConnId) {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    world.input(id, common::upgrade("").as_bytes());
    world.take(id);
    world.input(id, bytes);
    (world, id)
}

/// A peer that has read nothing of 2 000 bytes.
fn behind(limits: Limits) -> (World, ConnId) {
    let (mut world, id) = daemon(limits);
    world.peer(id).room = 0;
    world.engine.send(id, Message::Binary(vec![0; 2000].into()));
    world.turn();
    (world, id)
}

/// Brings a session to the point where its Close is queued.
type Scene = fn() -> (World, ConnId);

/// The code, the reason, and what earns them: one for each row of the README, and more.
const SCENES: &[(u16, &str, Scene)] = &[
    (1001, "Server shutting down", || {
        let (mut world, id) = daemon(Limits::default());
        world.engine.shut_down(Duration::ZERO);
        (world, id)
    }),
    (1002, "Protocol error", || sent(&frames::raw(TEXT | 0xf0, b"{}"))),
    (1002, "Protocol error", || sent(&frames::close(1005, ""))),
    (1007, "Invalid UTF-8", || sent(&frames::frame(TEXT, b"\xff"))),
    (1007, "Invalid UTF-8", || sent(&frames::frame(CLOSE, b"\x03\xe8\xff"))),
    (1008, "Too many fragments", || sent(&[frames::raw(TEXT, b""), frames::raw(0, b"").repeat(FRAGMENTS)].concat())),
    (1008, "Message timeout", || {
        let (mut world, id) = sent(&frames::raw(TEXT, b"{"));
        world.advance(Limits::default().message_timeout - SECOND);
        world.input(id, &frames::frame(PING, b""));
        world.take(id);
        world.advance(2 * SECOND);
        (world, id)
    }),
    (1008, "Rate limit exceeded", || {
        let (mut world, id) = daemon(Limits { messages_per_window: 1, ..Limits::default() });
        for _ in 0..101 {
            world.input(id, &frames::text(r#"{"type":"ping"}"#));
        }
        (world, id)
    }),
    (1008, "Too many control frames", || {
        let (mut world, id) = daemon(Limits { control_frames_per_second: 1, ..Limits::default() });
        world.input(id, &frames::frame(PING, b"").repeat(6));
        (world, id)
    }),
    (1008, "Authentication required", || unknown(&frames::text(r#"{"type":"ping"}"#))),
    (1008, "Authentication failed", || unknown(&frames::text(r#"{"type":"auth","token":"wrong"}"#))),
    (1008, "Authentication timeout", || {
        let (mut world, id) = unknown(b"");
        world.advance(Limits::default().auth_timeout + SECOND);
        (world, id)
    }),
    (1009, "Message too big", || sent(&frames::header(0x80 | BINARY, MESSAGE_BYTES as u64 + 1))),
    (1009, "Message too big", || unknown(&frames::header(0x80 | TEXT, 16 * 1024 + 1))),
    (1011, "Internal error", || {
        let (mut world, id) = daemon(Limits::default());
        world.engine.close_for(id, CloseReason::HandlerPanicked);
        (world, id)
    }),
    (1012, "Server restarting", || {
        let (mut world, id) = daemon(Limits::default());
        world.engine.shut_down(SECOND);
        world.advance(2 * SECOND);
        (world, id)
    }),
    (1013, "slow consumer", || {
        let (mut world, id) = behind(Limits { send_queue_bytes: 1024, ..unpaced().limits });
        assert!(!world.engine.send(id, Message::Text("one more".into())));
        (world, id)
    }),
    (1013, "Server overloaded", || behind(Limits { max_memory: 5000, ..unpaced().limits })),
    (4401, "Token expired", || {
        let soon = World::daemon(small()).now.unix_ms + 1000;
        let mut world = World::guarded(small(), Until(soon));
        let id = world.open();
        world.advance(2 * SECOND);
        (world, id)
    }),
];

#[test]
fn what_earns_a_close_is_told_its_code_and_reason_as_the_last_frame_before_the_end() {
    for (code, reason, scene) in SCENES {
        for end_first in [false, true] {
            let (mut world, id) = scene();
            if world.peer(id).room == 0 {
                world.turn();
                assert!(!world.peer(id).ended, "{reason}: what waits goes before the end");
            }
            world.make_room(id, usize::MAX);
            // `decode` panics where anything stands behind a Close.
            let last = world.frames(id).pop().unwrap_or_else(|| panic!("{reason}: nothing was sent"));
            assert_eq!((last.first, last.close()), (0x88, (*code, (*reason).to_owned())));
            if end_first {
                world.end(id);
            } else {
                world.input(id, &frames::close(*code, reason));
                assert!(world.peer(id).ended && !world.is_gone(id), "{reason}: its own end is awaited");
                world.end(id);
            }
            assert!(world.is_gone(id), "{reason}");
            assert_eq!(world.take(id), b"", "{reason}: there is one Close only");
            assert_eq!(world.ends(id).len(), 1, "{reason}: {:?}", world.history);
            world.check_stories();
        }
    }
}

#[test]
fn each_row_of_the_readme_is_earned_by_something() {
    let table = README.split_once("\n### Close codes\n").unwrap().1.split_once("\n## ").unwrap().0;
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let told: BTreeSet<(u16, &str)> =
        rows.filter_map(|(code, rest)| Some((code.parse().ok()?, rest.split_once(" | ")?.0))).collect();
    let earned: BTreeSet<(u16, &str)> = SCENES.iter().map(|(code, reason, _)| (*code, *reason)).collect();
    assert_eq!(told, earned);
}
