//! Every deadline that has a key: a moment before it nothing has happened yet, and a tick of the wheel after it it has.
//! Each with its default, and with another value.
//!
//! Not here: from when on each runs, and what extends it or does not (`../timers.rs`).

use std::time::Duration;

use barewire::engine::Fate;
use barewire::limits::{self, TICK_MILLIS};
use barewire::{ConnId, EngineConfig, Limits, Message};

use super::common::frames::{self, PING};
use super::common::{World, upgrade};

const MILLI: Duration = Duration::from_millis(1);
/// How late a deadline may be.
const TICK: Duration = Duration::from_millis(TICK_MILLIS);
/// A value that is no default.
const OTHER: Duration = Duration::from_millis(700);
/// Longer than any other of these.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// One bound on how long a peer may take.
pub struct Deadline {
    pub key: &'static str,
    field: fn(&mut Limits) -> &mut Duration,
    default: Duration,
    /// Begins what may take so long.
    begin: fn(&mut World) -> ConnId,
    /// Says in a word what has come of it.
    outcome: fn(&mut World, ConnId) -> String,
    before: &'static str,
    after: &'static str,
}

#[rustfmt::skip]
pub const TABLE: &[Deadline] = &[
    Deadline { key: "limits.head_timeout", field: |l| &mut l.head_timeout, default: limits::HEAD_TIMEOUT_DEFAULT, begin: head, outcome: said, before: "", after: "408" },
    Deadline { key: "limits.keep_alive_timeout", field: |l| &mut l.keep_alive_timeout, default: limits::KEEP_ALIVE_TIMEOUT_DEFAULT, begin: request, outcome: fate, before: "Keep", after: "CloseWhenWritten" },
    Deadline { key: "auth.timeout", field: |l| &mut l.auth_timeout, default: limits::AUTH_TIMEOUT_DEFAULT, begin: unknown, outcome: said, before: "", after: "1008" },
    Deadline { key: "limits.close_timeout", field: |l| &mut l.close_timeout, default: limits::CLOSE_TIMEOUT_DEFAULT, begin: our_close, outcome: fate, before: "Keep", after: "Drop" },
    Deadline { key: "limits.write_stall_timeout", field: |l| &mut l.write_stall_timeout, default: limits::WRITE_STALL_TIMEOUT_DEFAULT, begin: stall, outcome: fate, before: "Keep", after: "Drop" },
    Deadline { key: "heartbeat.interval", field: |l| &mut l.heartbeat_interval, default: limits::HEARTBEAT_INTERVAL_DEFAULT, begin: silence, outcome: fate, before: "Keep", after: "Drop" },
    Deadline { key: "limits.message_timeout", field: |l| &mut l.message_timeout, default: limits::MESSAGE_TIMEOUT_DEFAULT, begin: half_a_message, outcome: said, before: "", after: "1008" },
    Deadline { key: "limits.window", field: |l| &mut l.window, default: limits::WINDOW_DEFAULT, begin: full_window, outcome: one_more, before: "rate_limited", after: "pong" },
];

#[test]
fn each_deadline_is_kept_to_the_tick_and_nothing_happens_before() {
    for deadline in TABLE {
        let Deadline { key, field, default, begin, outcome, before, after } = deadline;
        assert_eq!(*field(&mut Limits::default()), *default, "{key}");
        for span in [*default, OTHER] {
            let mut limits = Limits { heartbeat_interval: NEVER, ..Limits::default() };
            *field(&mut limits) = span;
            for (wait, expected) in [(span - MILLI, before), (span + TICK, after)] {
                let mut world = World::daemon(EngineConfig { limits: limits.clone(), ..EngineConfig::default() });
                let id = begin(&mut world);
                world.advance(wait);
                assert_eq!(outcome(&mut world, id), *expected, "{key} = {span:?} after {wait:?}");
            }
        }
    }
}

fn said(world: &mut World, id: ConnId) -> String {
    if world.peer(id).received.is_empty() { String::new() } else { super::word(world, id) }
}

fn fate(world: &mut World, id: ConnId) -> String {
    let fate = if world.is_gone(id) { Fate::Drop } else { world.engine.fate(id) };
    format!("{fate:?}")
}

// --- what takes too long ---

fn head(world: &mut World) -> ConnId {
    let id = world.connect();
    world.input(id, b"GET /health HTTP/1.1\r\n");
    id
}

fn request(world: &mut World) -> ConnId {
    let id = world.connect();
    world.input(id, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    id
}

fn unknown(world: &mut World) -> ConnId {
    world.open_with("")
}

fn our_close(world: &mut World) -> ConnId {
    let id = world.open();
    world.engine.close(id, 1000, "");
    world.turn();
    id
}

fn stall(world: &mut World) -> ConnId {
    let id = world.open();
    world.peer(id).room = 0;
    world.engine.send(id, Message::Text("nobody reads this".into()));
    world.turn();
    id
}

/// A session that has just been pinged, and will not be heard of any more.
fn silence(world: &mut World) -> ConnId {
    let id = world.open();
    while !world.frames(id).iter().any(|frame| frame.opcode == PING) {
        world.advance(MILLI);
    }
    id
}

fn half_a_message(world: &mut World) -> ConnId {
    let id = world.open();
    world.input(id, &frames::text("{}")[..7]);
    id
}

fn full_window(world: &mut World) -> ConnId {
    let id = world.connect();
    world.input(id, upgrade(super::common::GOOD).as_bytes());
    world.input(id, &ping().repeat(limits::MESSAGES_PER_WINDOW_DEFAULT));
    world.take(id);
    id
}

fn one_more(world: &mut World, id: ConnId) -> String {
    world.input(id, &ping());
    super::word(world, id)
}

fn ping() -> Vec<u8> {
    frames::text(r#"{"type":"ping"}"#)
}
