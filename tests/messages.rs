//! The table of messages of the wire protocol, row by row, through the engine and the daemon's router.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

mod common;

use barewire::EngineConfig;
use common::{World, frames};

#[test]
fn a_session_is_greeted_with_its_user_and_the_time() {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    world.input(id, common::upgrade(common::GOOD).as_bytes());
    assert_eq!(world.messages(id), [r#"{"type":"connected","userId":"user","timestamp":"2026-11-18T11:06:40.000Z"}"#]);
}

#[test]
fn a_subscriber_gets_what_is_published_and_others_do_not() {
    let mut world = World::daemon(EngineConfig::default());
    let [anna, berta, carla] = [world.open(), world.open(), world.open()];
    for id in [anna, berta] {
        world.input(id, &frames::text(r#"{"type":"subscribe","channel":"news"}"#));
        assert_eq!(world.messages(id), [r#"{"type":"subscribed","channel":"news"}"#]);
    }
    world.input(carla, &frames::text(r#"{"type":"chat","channel":"news","payload":{"b": 1,  "a":2},"id":7}"#));
    let chat = r#"{"type":"chat","channel":"news","userId":"user","payload":{"b": 1,  "a":2},"timestamp":"2026-11-18T11:06:40.000Z"}"#;
    assert_eq!(world.messages(anna), [chat]);
    assert_eq!(world.messages(berta), [chat]);
    assert_eq!(world.messages(carla), [r#"{"type":"ack","id":7}"#]);
}
