//! What the engine knows of each session, from its accept to its end, and that nothing of it stays behind.
//!
//! Not here: when a heartbeat is due (`timers.rs`), each way of coming to an end (`closing.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use barewire::auth::{Identity, NoAuth};
use barewire::{CloseReason, ConnId, EngineConfig};
use common::frames::{self, PING, PONG, TEXT};
use common::{GOOD, World, upgrade};

const SECOND: Duration = Duration::from_secs(1);

/// Lets time pass until a heartbeat has come; returns its payload.
fn next_ping(world: &mut World, id: ConnId) -> Vec<u8> {
    loop {
        world.advance(Duration::from_millis(1));
        if let Some(ping) = world.frames(id).into_iter().find(|frame| frame.opcode == PING) {
            return ping.payload;
        }
    }
}

/// Has a heartbeat sent; returns its payload.
fn ping_now(world: &mut World, id: ConnId) -> Vec<u8> {
    assert!(world.engine.ping(id));
    world.turn();
    let frames = world.frames(id);
    assert!(frames.len() == 1 && frames[0].opcode == PING, "{frames:?}");
    frames[0].payload.clone()
}

#[test]
fn a_session_has_a_user_a_connect_time_signs_of_life_and_channels() {
    let mut world = World::daemon(EngineConfig::default());
    world.advance(SECOND);
    let connected_us = world.now.mono_us;
    let id = world.connect();
    world.advance(SECOND);
    let user = |world: &World| world.engine.identity(id).map(|identity| identity.user().to_owned());
    assert_eq!((user(&world), world.engine.peer(id)), (None, Some(([127, 0, 0, 1], 40_000).into())));
    assert!(!world.engine.is_alive(id), "plain HTTP has no heartbeat");
    world.input(id, upgrade("").as_bytes());
    assert_eq!((user(&world), world.engine.is_alive(id)), (None, true), "not yet authenticated");
    world.input(id, &frames::text(r#"{"type":"auth","token":"Basic dXNlcjpwYXNz"}"#));
    assert_eq!(user(&world).as_deref(), Some("user"));
    assert_eq!(world.engine.connected_at(id), Some(connected_us));
    assert_eq!((world.engine.pinged_at(id), world.engine.round_trip(id)), (None, None), "no heartbeat yet");
    assert_eq!(world.engine.channels_of(id).count(), 0);
    for channel in ["a", "b"] {
        world.engine.subscribe(id, channel).unwrap();
    }
    assert_eq!(world.engine.channels_of(id).collect::<Vec<_>>(), ["a", "b"]);
    world.take(id);

    for trip in [7, 1200] {
        let ping = next_ping(&mut world, id);
        let pinged_us = world.now.mono_us;
        assert!(!world.engine.is_alive(id), "not heard of since");
        world.advance(Duration::from_millis(trip));
        assert_eq!(world.engine.pinged_at(id), Some(pinged_us));
        world.input(id, &frames::frame(PONG, &ping));
        assert!(world.engine.is_alive(id));
        assert_eq!(world.engine.round_trip(id), Some(Duration::from_millis(trip)));
    }
    next_ping(&mut world, id);
    world.input(id, &frames::text("any frame"));
    assert!(world.engine.is_alive(id));
    assert_eq!(world.engine.round_trip(id), Some(Duration::from_millis(1200)), "that of the last that was answered");
    assert_eq!(world.engine.connected_at(id), Some(connected_us));
}

#[test]
fn a_heartbeat_of_hours_ago_has_its_time_and_an_answer_that_late_no_round_trip() {
    const HOURS: Duration = Duration::from_secs(2 * 3600);
    let mut config = EngineConfig::default();
    config.limits.heartbeat_interval = HOURS;
    let mut world = World::daemon(config);
    let id = world.open();
    world.advance(HOURS);
    let ping = world.frames(id).pop().expect("a heartbeat").payload;
    let pinged_us = world.engine.pinged_at(id).unwrap();
    world.now.mono_us = pinged_us + HOURS.as_micros() as u64 - 1;
    world.turn();
    world.input(id, &frames::frame(PONG, &ping));
    assert_eq!((world.engine.pinged_at(id), world.engine.round_trip(id)), (Some(pinged_us), None));
}

#[test]
fn a_host_may_ask_for_a_heartbeat_now_and_the_next_comes_an_interval_later() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    assert!(!world.engine.awaits_pong(id));
    let ping = ping_now(&mut world, id);
    assert!(world.engine.awaits_pong(id) && !world.engine.is_alive(id));
    assert!(!world.engine.ping(id), "never more than one to answer");
    world.input(id, &frames::text("a sign of life"));
    world.input(id, &frames::frame(PONG, b"the answer to another"));
    world.take(id);
    assert!(world.engine.awaits_pong(id) && !world.engine.ping(id));
    world.advance(SECOND * 3);
    world.input(id, &frames::frame(PONG, &ping));
    assert_eq!(world.engine.round_trip(id), Some(SECOND * 3));
    assert!(!world.engine.awaits_pong(id));

    let ping = ping_now(&mut world, id);
    world.advance(SECOND * 30 - Duration::from_millis(200));
    world.input(id, &frames::frame(PONG, &ping));
    assert!(world.frames(id).is_empty(), "no other before its time");
    world.advance(Duration::from_millis(400));
    assert_eq!(world.frames(id).iter().filter(|frame| frame.opcode == PING).count(), 1);
}

#[test]
fn who_does_not_answer_a_heartbeat_that_the_host_asked_for_is_cut_after_an_interval() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    ping_now(&mut world, id);
    world.advance(SECOND * 30 - Duration::from_millis(200));
    assert!(!world.engine.ping(id) && !world.is_gone(id), "to ask again gives no respite");
    world.advance(Duration::from_millis(400));
    assert!(world.is_gone(id) && !world.engine.ping(id) && !world.engine.awaits_pong(id));
}

#[test]
fn no_heartbeat_is_sent_where_there_is_no_websocket() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    assert!(!world.engine.ping(id));
    let id = world.open();
    world.engine.close(id, 1000, "");
    world.turn();
    world.take(id);
    assert!(!world.engine.ping(id));
    world.turn();
    assert!(world.take(id).is_empty());
}

/// What a client rests on that wants to have all its answers before it closes.
#[test]
fn a_pong_may_overtake_answers_to_what_came_with_its_ping_and_the_next_may_not() {
    let mut world = World::daemon(common::unpaced());
    let id = world.open();
    let kinds = |world: &mut World| world.frames(id).iter().map(|frame| frame.opcode).collect::<Vec<_>>();
    let messages = frames::text(r#"{"type":"ping"}"#).repeat(10);
    let with_it = [messages, frames::frame(PING, b"1")].concat();
    for cut in [with_it.len(), 1, 40, with_it.len() - 1] {
        let (first, second) = with_it.split_at(cut);
        world.input(id, first);
        world.input(id, second);
        world.input(id, &frames::frame(PING, b"2"));
        let told = kinds(&mut world);
        assert_eq!(told.iter().filter(|kind| **kind == TEXT).count(), 10);
        assert_eq!(told.last(), Some(&PONG), "{told:?}");
    }
}

#[test]
fn where_nobody_is_asked_everyone_is_anonymous_and_counts_as_authenticated() {
    let mut world = World::guarded(EngineConfig::default(), NoAuth);
    let [id, other] = [world.open_with(""), world.open_with("")];
    assert_eq!(world.engine.identity(id).map(Identity::user), Some("anonymous"));
    assert_eq!(world.engine.open_sessions(), 2);
    world.input(other, &frames::text(r#"{"type":"subscribe","channel":"c"}"#));
    world.take(other);
    for to in ["", r#""channel":"c","#] {
        world.input(id, &frames::text(&format!(r#"{{"type":"chat",{to}"payload":1,"self":false}}"#)));
        let heard = world.messages(other);
        assert!(heard.len() == 1 && heard[0].contains(r#""userId":"anonymous""#), "{heard:?}");
    }
}

#[test]
fn a_session_is_in_the_table_from_accept_to_close_and_leaves_it_whatever_ends_it() {
    type End = fn(&mut World, ConnId);
    let ends: [(&str, End); 6] = [
        ("the peer closes", |world, id| {
            world.input(id, &frames::close(1000, ""));
            world.end(id);
        }),
        ("the peer vanishes", World::end),
        ("the transport fails", |world, id| {
            world.engine.handle_error(id, CloseReason::Transport(std::io::ErrorKind::ConnectionReset));
            world.turn();
        }),
        ("it breaks the protocol", |world, id| {
            world.input(id, &frames::raw(0x83, b""));
            world.end(id);
        }),
        ("the host closes", |world, id| {
            world.engine.close(id, 1000, "");
            world.turn();
            world.input(id, &frames::close(1000, ""));
            world.end(id);
        }),
        ("it is not heard of", |world, _| world.advance(SECOND * 61)),
    ];
    for (name, end) in ends {
        let mut world = World::daemon(EngineConfig::default());
        let id = world.connect();
        assert_eq!((world.engine.sessions(), world.engine.open_sessions()), (1, 0), "{name}");
        world.input(id, upgrade(GOOD).as_bytes());
        world.engine.subscribe(id, "c").unwrap();
        world.take(id);
        assert_eq!((world.engine.sessions(), world.engine.open_sessions(), world.engine.channels()), (1, 1, 1));
        end(&mut world, id);
        assert!(world.is_gone(id), "{name}");
        assert_eq!((world.engine.peer(id), world.engine.identity(id)), (None, None), "{name}");
        assert_eq!((world.engine.connected_at(id), world.engine.pinged_at(id)), (None, None), "{name}");
        assert!(!world.engine.is_alive(id) && world.engine.channels_of(id).next().is_none(), "{name}");
        world.assert_at_rest();
    }
}
