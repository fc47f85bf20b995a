//! Deadlines, by the fake clock: heartbeats, slow messages, stalled writes, late heads, idle connections; and
//! that time which brings nothing costs nothing.
//!
//! Not here: the wheel itself (`src/engine/timer.rs`), how a session ends (`closing.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use barewire::auth::NoAuth;
use barewire::engine::Intake;
use barewire::limits::{SEND_QUEUE_PAUSE_BYTES, TICK_MILLIS, WHEEL_SLOTS};
use barewire::{ConnId, Engine, EngineConfig, Limits, Message, Now};
use common::frames::{self, BINARY, CONTINUATION, PING, PONG, TEXT};
use common::{World, upgrade};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
/// How late a deadline may be.
const TICK: Duration = Duration::from_millis(TICK_MILLIS);

fn limits() -> Limits {
    Limits::default()
}

fn with(change: impl FnOnce(&mut Limits)) -> EngineConfig {
    let mut config = EngineConfig::default();
    change(&mut config.limits);
    config
}

/// Answers every ping that has come, as any peer must; returns how many there were.
fn answer_pings(world: &mut World, id: ConnId) -> usize {
    let pings: Vec<_> = world.frames(id).into_iter().filter(|frame| frame.opcode == PING).collect();
    for ping in &pings {
        world.input(id, &frames::frame(PONG, &ping.payload));
    }
    pings.len()
}

/// Lets a session live for a while, answering its pings once a second; returns how many there were.
fn live(world: &mut World, id: ConnId, seconds: u64) -> usize {
    (0..seconds)
        .map(|_| {
            world.advance(SECOND);
            answer_pings(world, id)
        })
        .sum()
}

/// Advances until the session is gone, at most `most`; returns how long it took.
fn time_to_go(world: &mut World, id: ConnId, most: Duration) -> Duration {
    let start = world.now.mono_us;
    while !world.is_gone(id) && world.now.mono_us - start < most.as_micros() as u64 {
        world.advance(MILLI * 10);
    }
    assert!(world.is_gone(id), "still there after {most:?}");
    Duration::from_micros(world.now.mono_us - start)
}

// --- heartbeats ---

#[test]
fn a_peer_that_answers_its_pings_lives_for_a_day() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    let pings = live(&mut world, id, 24 * 3600);
    // Each comes an interval after the last, and at most a tick late.
    let interval = limits().heartbeat_interval.as_secs() as usize;
    assert!((2870..=24 * 3600 / interval + 1).contains(&pings), "{pings} pings");
    assert_eq!(world.engine.open_sessions(), 1);
}

#[test]
fn a_dead_peer_is_gone_30_to_60_seconds_after_it_fell_silent_without_a_close() {
    let interval = limits().heartbeat_interval;
    for silent_after in [0, 1, 14, 15, 16, 29, 30, 31, 44, 59, 1000] {
        let mut world = World::daemon(EngineConfig::default());
        let id = world.open();
        live(&mut world, id, silent_after);
        world.input(id, &frames::frame(PONG, b"the last that is heard"));
        world.take(id);
        let took = time_to_go(&mut world, id, interval * 3);
        assert!(interval <= took && took <= interval * 2 + TICK * 2 + MILLI * 10, "gone after {took:?}");
        assert_eq!(world.ending(id), Some("HeartbeatLost"));
        assert!(world.frames(id).iter().all(|frame| frame.opcode == PING), "it is cut without a Close");
        world.assert_at_rest();
    }
}

#[test]
fn a_thousand_dead_peers_are_each_gone_within_the_bounds() {
    let interval = limits().heartbeat_interval;
    let mut world = World::daemon(EngineConfig::default());
    let ids: Vec<ConnId> = (0..1000).map(|_| world.open()).collect();
    world.advance(interval - MILLI);
    assert!(ids.iter().all(|&id| !world.is_gone(id)));
    world.advance(interval + TICK * 2 + MILLI);
    assert!(ids.iter().all(|&id| world.is_gone(id)));
    world.assert_at_rest();
}

#[test]
fn any_complete_frame_is_a_sign_of_life() {
    let fragment = [frames::raw(TEXT, b"{"), frames::raw(CONTINUATION, b"")].concat();
    let kinds = [
        frames::text("{}"),
        frames::frame(BINARY, b"\xff"),
        frames::frame(PING, b"mine"),
        frames::frame(PONG, b"unasked"),
        frames::raw(CONTINUATION, b""),
    ];
    for frame in &kinds {
        let config = with(|limits| limits.message_timeout = Duration::from_secs(3600));
        let mut world = World::daemon(config);
        let id = world.open();
        if frame[0] == CONTINUATION {
            world.input(id, &fragment);
        }
        for _ in 0..20 {
            world.advance(limits().heartbeat_interval - SECOND);
            world.input(id, frame);
        }
        assert_eq!(world.engine.open_sessions(), 1, "{frame:x?}");
    }
}

#[test]
fn bytes_that_complete_no_frame_are_no_sign_of_life() {
    let config = with(|limits| limits.message_timeout = Duration::from_secs(3600));
    let mut world = World::daemon(config);
    let id = world.open();
    world.input(id, &frames::header(0x82, 1000));
    for _ in 0..58 {
        world.advance(SECOND);
        if world.engine.fate(id) == barewire::engine::Fate::Keep {
            world.input(id, b"x");
        }
    }
    world.advance(SECOND * 3);
    assert_eq!(world.ending(id), Some("HeartbeatLost"));
}

#[test]
fn the_heartbeats_of_many_sessions_are_spread_over_the_interval() {
    let interval = limits().heartbeat_interval;
    let mut world = World::daemon(EngineConfig::default());
    let ids: Vec<ConnId> = (0..1000).map(|_| world.open()).collect();
    for round in 0..3 {
        for tenth in 0..10 {
            world.advance(interval / 10);
            let pinged: usize = ids.iter().map(|&id| answer_pings(&mut world, id)).sum();
            assert!((50..=150).contains(&pinged), "{pinged} pings in tenth {tenth} of round {round}");
        }
    }
}

#[test]
fn the_round_trip_of_a_ping_is_measured() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    assert_eq!(world.engine.round_trip(id), None);
    let mut trips = Vec::new();
    while trips.len() < 3 {
        world.advance(MILLI);
        for ping in world.frames(id) {
            let trip = MILLI * (20 + 7 * trips.len() as u32);
            world.advance(trip);
            // The pong of another ping tells nothing, nor does a second one.
            world.input(id, &frames::frame(PONG, b"other"));
            assert_eq!(world.engine.round_trip(id), trips.last().copied());
            world.input(id, &frames::frame(PONG, &ping.payload));
            world.advance(SECOND);
            world.input(id, &frames::frame(PONG, &ping.payload));
            assert!(world.engine.round_trip(id).is_some_and(|seen| seen >= trip && seen <= trip + MILLI));
            trips.push(world.engine.round_trip(id).unwrap());
        }
    }
}

#[test]
fn a_leap_of_the_clock_cuts_nobody_whose_answer_has_come() {
    let mut world = World::daemon(EngineConfig::default());
    let ids: Vec<ConnId> = (0..100).map(|_| world.open()).collect();
    for leap in [61, 3600, 86_400] {
        world.now.mono_us += leap * 1_000_000;
        world.engine.handle_now(world.now);
        for &id in &ids {
            world.engine.handle_input(id, &frames::frame(PONG, b"still here"));
        }
        world.turn();
        assert_eq!(world.engine.open_sessions(), ids.len(), "after a leap of {leap} s");
    }
}

#[test]
fn a_peer_that_takes_a_large_answer_slowly_is_alive() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    world.peer(id).room = 0;
    let answer = vec![b'x'; SEND_QUEUE_PAUSE_BYTES * 3];
    world.engine.send(id, Message::Binary(answer.clone().into()));
    world.turn();
    assert_eq!(world.engine.intake(id), Intake::Pause, "what it says now is not read");
    // Three minutes, of which it is not read for most.
    for _ in 0..200 {
        world.advance(SECOND);
        world.make_room(id, 1024);
    }
    assert_eq!(world.ending(id), None);
    assert_ne!(world.engine.intake(id), Intake::Pause);
    let frames = world.frames(id);
    assert_eq!(frames[0].payload, answer);
    assert!(frames.len() > 2 && frames[1..].iter().all(|frame| frame.opcode == PING));
    // From here on silence counts again.
    world.input(id, &frames::frame(PONG, b""));
    let took = time_to_go(&mut world, id, limits().heartbeat_interval * 3);
    assert!(took >= limits().heartbeat_interval, "{took:?}");
    assert_eq!(world.ending(id), Some("HeartbeatLost"));
}

// --- messages that do not end ---

#[test]
fn a_message_that_does_not_end_is_closed_with_1008_after_its_timeout() {
    let begun = [
        ("half a header", vec![0x81]),
        ("a header", frames::header(0x81, 10)),
        ("half a payload", frames::text("half of it")[..10].to_vec()),
        ("half a ping", frames::frame(PING, b"ping")[..8].to_vec()),
        ("a fragment", frames::raw(TEXT, b"{")),
        (
            "a fragment and half another",
            [&frames::raw(TEXT, b"{")[..], &frames::raw(CONTINUATION, b"xx")[..7]].concat(),
        ),
        ("half a message behind a whole one", [&frames::text("{}")[..], &frames::text("{}")[..7]].concat()),
    ];
    for (name, bytes) in begun {
        let mut world = World::daemon(EngineConfig::default());
        let id = world.open();
        live(&mut world, id, 5);
        world.input(id, &bytes);
        world.take(id);
        world.advance(limits().message_timeout - MILLI);
        assert_eq!(world.ending(id), None, "{name}");
        world.advance(TICK + MILLI);
        assert_eq!(world.close_code(id), Some((1008, "Message timeout".into())), "{name}");
        assert_eq!(world.ending(id), Some("MessageTimeout"), "{name}");
    }
}

#[test]
fn neither_dripping_bytes_nor_fragments_nor_pings_between_them_extend_a_messages_time() {
    let drips: [(&str, Vec<u8>, Vec<u8>); 3] = [
        ("bytes", frames::header(0x82, 1000), vec![b'x']),
        ("fragments", frames::raw(TEXT, b""), frames::raw(CONTINUATION, b"")),
        ("pings", frames::raw(TEXT, b""), frames::frame(PING, b"")),
    ];
    for (name, first, next) in drips {
        let mut world = World::daemon(EngineConfig::default());
        let id = world.open();
        world.input(id, &first);
        for _ in 0..29 {
            world.advance(SECOND);
            world.input(id, &next);
        }
        assert_eq!(world.ending(id), None, "{name}");
        world.advance(SECOND + TICK);
        assert_eq!(world.ending(id), Some("MessageTimeout"), "{name}");
    }
}

#[test]
fn a_stream_of_frames_whose_pieces_never_end_at_a_frame_is_never_late() {
    let fragmented = [frames::raw(TEXT, b"{"), frames::frame(CONTINUATION, b"}")].concat();
    for unit in [frames::text("{}"), frames::frame(BINARY, b"{}"), fragmented, frames::frame(PING, b"1234")] {
        let mut world = World::daemon(EngineConfig::default());
        let id = world.open();
        // Always half a unit behind the last whole one.
        let half = unit.len() / 2;
        world.input(id, &unit[..half]);
        for _ in 0..200 {
            world.advance(SECOND);
            world.input(id, &[&unit[half..], &unit[..half]].concat());
            world.take(id);
        }
        assert_eq!(world.ending(id), None, "{unit:x?}");
    }
}

#[test]
fn a_message_that_waits_because_we_do_not_read_is_not_late() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    let ping = frames::text(r#"{"type":"ping"}"#);
    world.input(id, &ping[..10]);
    world.peer(id).room = 0;
    world.engine.send(id, Message::Binary(vec![0; SEND_QUEUE_PAUSE_BYTES * 3].into()));
    world.turn();
    while world.engine.intake(id) == Intake::Pause {
        world.advance(SECOND);
        world.make_room(id, 1024);
    }
    assert!(world.now.mono_us > 60_000_000, "that took more than a message may");
    world.input(id, &ping[10..]);
    world.make_room(id, usize::MAX);
    let last = world.frames(id).pop().unwrap();
    assert!(last.opcode == TEXT && last.text().contains("pong"), "{last:?}");
}

// --- peers that do not read ---

#[test]
fn a_queue_that_makes_no_progress_ends_the_session_after_the_stall_timeout() {
    for taken in [0, 1] {
        let mut world = World::daemon(EngineConfig::default());
        let id = world.open();
        world.peer(id).room = taken;
        world.engine.send(id, Message::Text("nobody reads this".into()));
        world.turn();
        // It talks all the time.
        for _ in 0..29 {
            world.advance(SECOND);
            world.input(id, &frames::frame(PONG, b""));
        }
        world.advance(SECOND - MILLI);
        assert_eq!(world.ending(id), None);
        world.advance(TICK + MILLI);
        assert_eq!(world.ending(id), Some("WriteStalled"));
        assert!(world.is_gone(id));
        assert_eq!(world.take(id).len(), taken, "no Close can be sent");
        world.assert_at_rest();
    }
}

#[test]
fn what_is_queued_later_does_not_extend_a_stall() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    world.peer(id).room = 0;
    world.engine.send(id, Message::Text("first".into()));
    world.turn();
    for _ in 0..29 {
        world.advance(SECOND);
        world.input(id, &frames::frame(PING, b""));
        world.engine.send(id, Message::Text("more".into()));
        world.turn();
    }
    world.advance(SECOND + TICK);
    assert_eq!(world.ending(id), Some("WriteStalled"));
}

#[test]
fn a_byte_in_time_is_progress() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    world.peer(id).room = 0;
    world.engine.send(id, Message::Text("slowly".into()));
    world.turn();
    let mut received = Vec::new();
    while received.len() < 8 {
        world.advance(limits().write_stall_timeout - SECOND);
        assert_eq!(world.ending(id), None, "after {} bytes", received.len());
        world.make_room(id, 1);
        received.extend(world.take(id));
    }
    assert_eq!(frames::decode(&received)[0].text(), "slowly");
}

#[test]
fn a_stalled_answer_of_plain_http_ends_the_connection_too() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    world.peer(id).room = 5;
    world.input(id, b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for _ in 0..3 {
        world.advance(limits().write_stall_timeout - SECOND);
        assert!(!world.is_gone(id));
        world.make_room(id, 1);
    }
    world.advance(limits().write_stall_timeout + TICK);
    assert!(world.is_gone(id));
    world.assert_at_rest();
}

#[test]
fn a_close_that_nobody_takes_ends_with_the_close_timeout() {
    let reasons: [fn(&mut World, ConnId); 3] = [
        |world, id| world.engine.close(id, 1000, ""),
        |world, id| world.input(id, &frames::close(1000, "")),
        |world, id| world.input(id, &frames::frame(TEXT, b"\xff")),
    ];
    for end in reasons {
        let mut world = World::daemon(EngineConfig::default());
        let id = world.open();
        world.peer(id).room = 0;
        end(&mut world, id);
        world.turn();
        world.advance(limits().close_timeout - MILLI);
        assert!(!world.is_gone(id));
        world.advance(TICK + MILLI);
        assert!(world.is_gone(id));
        world.assert_at_rest();
    }
}

#[test]
fn the_close_timeout_covers_the_peers_close_and_its_end_of_the_stream() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    world.engine.close(id, 1000, "");
    world.turn();
    world.advance(limits().close_timeout - MILLI);
    world.input(id, &frames::close(1000, ""));
    assert!(world.peer(id).ended && !world.is_gone(id));
    world.advance(TICK + MILLI);
    assert!(world.is_gone(id));
}

#[test]
fn after_the_last_answer_of_plain_http_the_peer_has_the_close_timeout_to_end() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    world.peer(id).room = 5;
    world.input(id, b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    world.advance(limits().close_timeout * 2);
    world.make_room(id, usize::MAX);
    assert!(world.peer(id).ended);
    world.advance(limits().close_timeout - MILLI);
    assert!(!world.is_gone(id));
    world.advance(TICK + MILLI);
    assert!(world.is_gone(id));
}

// --- heads ---

#[test]
fn a_connection_that_says_nothing_is_dropped_without_a_word_after_the_head_timeout() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    world.advance(limits().head_timeout - MILLI);
    assert!(!world.is_gone(id));
    world.advance(TICK + MILLI);
    assert!(world.is_gone(id));
    assert_eq!((world.take(id), world.ending(id)), (vec![], Some("HeadTimeout")));
    world.assert_at_rest();
}

#[test]
fn a_head_that_drips_is_answered_408_at_the_head_timeout_counted_from_accept() {
    let head = upgrade(common::GOOD);
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    for byte in head.as_bytes().chunks(1).take(19) {
        world.advance(limits().head_timeout / 20);
        world.input(id, byte);
    }
    world.advance(limits().head_timeout / 20 - MILLI);
    assert_eq!(world.take(id), b"");
    world.advance(TICK + MILLI);
    let answer = world.text(id);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("Connection: close"), "{answer}");
    assert!(world.peer(id).ended);
    assert_eq!(world.ending(id), Some("HttpRefused(408)"));
}

#[test]
fn an_idle_connection_is_closed_without_a_word_after_the_keep_alive_timeout() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    for _ in 0..3 {
        world.input(id, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(world.text(id).starts_with("HTTP/1.1 200 "));
        world.advance(limits().keep_alive_timeout - MILLI);
        assert!(!world.peer(id).ended);
    }
    world.advance(TICK + MILLI);
    assert!(world.peer(id).ended);
    assert_eq!((world.take(id), world.ending(id)), (vec![], Some("HttpDone")));
}

#[test]
fn the_first_byte_of_a_further_request_starts_its_head_timeout() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    world.input(id, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    world.take(id);
    world.advance(limits().keep_alive_timeout - SECOND);
    world.input(id, b"G");
    world.advance(limits().head_timeout - MILLI);
    world.input(id, b"E");
    assert_eq!(world.take(id), b"");
    world.advance(TICK + MILLI);
    assert!(world.text(id).starts_with("HTTP/1.1 408 "));
}

// --- time that brings nothing ---

/// An engine with as many connections as asked, and its time.
fn crowd(count: usize, mut config: EngineConfig) -> (Engine, Now, Vec<ConnId>) {
    (config.limits.connections, config.limits.pre_auth_connections) = (count, count);
    let now = Now { mono_us: 1_000_000, unix_ms: 1_795_000_000_000 };
    let mut engine = Engine::new(config, Box::new(NoAuth), now, 7);
    let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
    let ids = (0..count).map(|_| engine.handle_accept(peer, true).unwrap()).collect();
    while engine.poll_event().is_some() {}
    (engine, now, ids)
}

#[test]
fn while_nothing_is_due_a_hundred_thousand_sessions_cost_no_timer_work() {
    let (mut engine, mut now, ids) = crowd(100_000, EngineConfig::default());
    let due = now.mono_us + limits().head_timeout.as_micros() as u64;
    while now.mono_us < due {
        engine.handle_now(now);
        assert!(!engine.poll_timeout_due(), "{} µs before the deadline", due - now.mono_us);
        assert!(engine.poll_timeout().unwrap() >= Duration::from_micros(due - now.mono_us));
        now.mono_us += 1000;
    }
    now.mono_us = due + TICK.as_micros() as u64;
    engine.handle_now(now);
    let mut looks = 0;
    while engine.poll_timeout_due() {
        looks += 1;
    }
    assert_eq!(looks, ids.len());
}

#[test]
fn a_deadline_far_away_costs_one_look_a_revolution_of_the_wheel() {
    let count = 10_000;
    let config = with(|limits| limits.heartbeat_interval = Duration::from_secs(24 * 3600));
    let (mut engine, mut now, ids) = crowd(count, config);
    for id in ids {
        engine.handle_input(id, upgrade("").as_bytes());
        while engine.poll_event().is_some() {}
    }
    while let Some(id) = engine.poll_dirty() {
        let queue = engine.output(id).unwrap();
        queue.advance(queue.len());
        engine.handle_written(id, true, false);
    }
    let revolution = TICK_MILLIS * WHEEL_SLOTS as u64;
    let mut looks = 0;
    for _ in 0..5 * revolution / 100 {
        now.mono_us += 100_000;
        engine.handle_now(now);
        while engine.poll_timeout_due() {
            looks += 1;
        }
    }
    // One more each: the entry of the head timeout, which was left behind by the upgrade.
    assert!(looks <= count * 6 + count / 100, "{looks} looks at {count} sessions in five revolutions");
}
