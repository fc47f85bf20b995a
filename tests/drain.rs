//! A server that stops little by little: its sessions leave one after another over a span, so that their clients do
//! not all come back at once.
//!
//! Not here: a shutdown all at once (`closing.rs`), the signal (`daemon.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;
#[cfg(feature = "tls")]
#[path = "common/memory.rs"]
mod memory;

use std::time::Duration;

use barewire::EngineConfig;
use barewire::limits::TICK_MILLIS;
use common::{World, frames};

const SPREAD: Duration = Duration::from_secs(100);
/// How late a deadline may be.
const TICK: Duration = Duration::from_millis(TICK_MILLIS);
const RESTART: (u16, &str) = (1012, "Server restarting");

#[test]
fn a_thousand_sessions_leave_spread_evenly_over_the_span_and_none_stays_behind_it() {
    const SESSIONS: usize = 1000;
    const PARTS: u32 = 10;
    let mut world = World::daemon(EngineConfig::default());
    let ids: Vec<_> = (0..SESSIONS).map(|_| world.open()).collect();
    world.engine.shut_down(SPREAD);
    world.turn();
    let mut before = world.engine.open_sessions();
    assert!(before >= SESSIONS - 1, "nobody is hurried: {before}");
    for part in 0..PARTS {
        // Who waits for its turn is alive.
        for &id in &ids {
            if world.engine.identity(id).is_some() {
                world.engine.handle_input(id, &frames::frame(frames::PONG, b""));
            }
        }
        world.advance(SPREAD / PARTS);
        let left = world.engine.open_sessions();
        // A tenth of a thousand is 100, give or take five times its deviation of 9.5.
        assert!((52..=148).contains(&(before - left)), "{} left in part {part}", before - left);
        before = left;
    }
    world.advance(TICK);
    assert_eq!(world.engine.open_sessions(), 0);
    for id in ids {
        assert_eq!(world.close_code(id), Some((RESTART.0, RESTART.1.into())));
        assert_eq!(world.ending(id), Some("ServerRestart"));
    }
    world.advance(EngineConfig::default().limits.close_timeout + TICK * 2);
    world.assert_at_rest();
}

#[test]
fn sessions_that_have_not_left_yet_go_on_as_before() {
    let mut world = World::daemon(EngineConfig::default());
    let ids: Vec<_> = (0..10).map(|_| world.open()).collect();
    for &id in &ids {
        world.input(id, &frames::text(r#"{"type":"subscribe","channel":"news"}"#));
        world.take(id);
    }
    let unknown = world.connect();
    world.input(unknown, common::upgrade("").as_bytes());
    world.take(unknown);
    world.engine.shut_down(SPREAD);
    world.turn();
    world.input(unknown, &frames::text(r#"{"type":"auth","token":"Basic dXNlcjpwYXNz"}"#));
    assert!(world.messages(unknown)[0].contains("auth_success"), "who has only just come in may still say who it is");
    while world.engine.open_sessions() > 5 {
        world.advance(TICK);
    }
    let staying: Vec<_> = ids.into_iter().filter(|&id| world.engine.identity(id).is_some()).collect();
    for &id in &staying {
        world.take(id);
    }
    world.input(staying[0], &frames::text(r#"{"type":"chat","channel":"news","payload":"still here"}"#));
    for &id in &staying {
        assert!(world.messages(id).concat().contains("still here"));
    }
    world.advance(SPREAD);
    assert_eq!(world.engine.open_sessions(), 0);
    world.check_stories();
}

#[test]
fn what_is_no_open_session_ends_at_once_however_long_the_span() {
    let mut world = World::daemon(EngineConfig::default());
    let idle = world.connect();
    let half = world.connect();
    world.input(half, b"GET /hea");
    let leaving = world.open();
    world.engine.close(leaving, 1000, "bye");
    world.engine.shut_down(SPREAD);
    world.turn();
    assert!(world.peer(idle).ended && world.peer(half).ended);
    assert_eq!(world.close_code(leaving), Some((1000, "bye".into())), "and nobody is closed twice");
    world.advance(EngineConfig::default().limits.close_timeout + TICK * 2);
    world.assert_at_rest();
}

#[test]
fn a_second_shutdown_without_a_span_ends_a_first_with_one() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.open();
    world.engine.shut_down(SPREAD);
    world.engine.shut_down(Duration::ZERO);
    world.turn();
    assert_eq!(world.close_code(id), Some((1001, "Server shutting down".into())));
    world.advance(SPREAD);
    assert_eq!(world.ends(id).len(), 1);
}

#[cfg(feature = "tls")]
#[test]
fn a_server_takes_nobody_in_meanwhile_and_is_finished_a_close_timeout_after_the_span() {
    let config = barewire::ServerConfig { drain_spread: SPREAD, ..barewire::ServerConfig::default() };
    let close_timeout = config.engine.limits.close_timeout;
    let mut site = memory::Site::new(config, Box::new(common::methods()));
    let peers: Vec<usize> = (0..50).map(|_| site.network.connect(memory::FIRST)).collect();
    for &peer in &peers {
        site.network.send(peer, common::upgrade(common::GOOD).as_bytes());
    }
    site.rest();
    // One in the queue of the listener, which the server has not seen yet.
    let late = site.network.connect(memory::FIRST);
    site.server.shut_down();
    site.server.shut_down();
    site.rest();
    assert!(site.network.is_dropped(late) && site.server.engine().open_sessions() >= 49);
    // Not one of them answers its Close; all answer their pings.
    let mut is_over = Duration::ZERO;
    while !site.server.is_finished() {
        for &peer in &peers {
            site.network.send(peer, &frames::frame(frames::PONG, b""));
        }
        site.advance(TICK * 100);
        is_over += TICK * 100;
        assert!(is_over <= SPREAD || site.server.engine().open_sessions() == 0, "after {is_over:?}");
    }
    assert!((SPREAD / 2..=SPREAD + close_timeout + TICK * 100).contains(&is_over), "{is_over:?}");
    for peer in peers {
        let received = site.network.take(peer);
        let behind = received.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let frames = frames::decode(&received[behind..]);
        let code = frames.iter().find(|frame| frame.opcode == frames::CLOSE).unwrap().close().0;
        assert_eq!(code, RESTART.0);
    }
}
