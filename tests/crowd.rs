//! A crowd that comes and goes: the tables are made small behind it, and whoever stays, or comes next, notices nothing.
//!
//! Not here: what the process then gives back to the system, which only the system knows (`benches/connections.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "common/memory.rs"]
mod memory;

use std::collections::BTreeSet;
use std::time::Duration;

use barewire::auth::NoAuth;
use barewire::limits::{BULK_READS_PER_TURN, CROWD, EBB_DELAY, READ_BYTES_PER_TURN, READ_BYTES_PER_TURN_BULK};
use barewire::{ConnId, EngineConfig, PreparedMessage, ServerConfig};
use common::frames::{self, BINARY, PING, PONG};
use common::{World, upgrade};
use memory::{FIRST, Site};

fn world() -> World {
    World::daemon(EngineConfig::default())
}

#[test]
fn tables_are_made_small_when_a_quarter_of_a_crowd_is_left_and_again_until_nobody_is() {
    for (come, is_crowd) in [(CROWD - 1, false), (CROWD, true)] {
        let mut world = world();
        let mut here: Vec<ConnId> = (0..come).map(|_| world.connect()).collect();
        assert!(!world.engine.poll_ebb());
        let mut ebbs = Vec::new();
        while let Some(id) = here.pop() {
            world.end(id);
            if world.engine.poll_ebb() {
                ebbs.push(here.len());
            }
            assert!(!world.engine.poll_ebb(), "it is told once");
        }
        assert_eq!(ebbs, if is_crowd { vec![CROWD / 4, CROWD / 16, CROWD / 64, CROWD / 256, 0] } else { vec![] });
        // The few that come next are no crowd.
        for _ in 0..3 {
            let id = world.connect();
            world.end(id);
            assert!(!world.engine.poll_ebb());
        }
    }
}

#[test]
fn tables_are_made_small_once_more_when_the_last_of_a_crowd_have_left_behind_it() {
    let mut world = world();
    let crowd: Vec<ConnId> = (0..CROWD).map(|_| world.connect()).collect();
    let (stay, leave) = crowd.split_at(4);
    leave.iter().for_each(|&id| world.end(id));
    assert!(world.engine.poll_ebb());
    // Some left behind the last time; these are waited for as long as others follow.
    for &id in &stay[2..] {
        world.advance(EBB_DELAY - Duration::from_millis(1));
        assert!(!world.engine.poll_ebb());
        world.end(id);
    }
    world.advance(EBB_DELAY - Duration::from_millis(1));
    assert!(!world.engine.poll_ebb());
    assert_eq!(world.engine.poll_timeout(), Some(Duration::from_millis(1)), "the driver wakes for it");
    world.advance(Duration::from_millis(1));
    assert!(world.engine.poll_ebb());
    // And that is all, though the next one comes and goes.
    let id = world.connect();
    world.end(id);
    world.advance(2 * EBB_DELAY);
    assert!(!world.engine.poll_ebb());
}

#[test]
fn the_last_time_of_a_crowd_forgets_nothing_of_the_next_one() {
    let mut world = world();
    let mut here: Vec<ConnId> = (0..CROWD).map(|_| world.connect()).collect();
    let leave_to = |world: &mut World, here: &mut Vec<ConnId>, left: usize| {
        here.drain(left..).for_each(|id| world.end(id));
        world.engine.poll_ebb()
    };
    assert!(leave_to(&mut world, &mut here, 4));
    here.extend((0..2 * CROWD).map(|_| world.connect()));
    let most = here.len();
    assert!(!leave_to(&mut world, &mut here, most / 2));
    world.advance(EBB_DELAY);
    assert!(world.engine.poll_ebb(), "the last time of the first");
    assert!(!leave_to(&mut world, &mut here, most / 4 + 1));
    assert!(leave_to(&mut world, &mut here, most / 4));
}

#[test]
fn whoever_stays_is_served_as_before_and_no_id_comes_twice() {
    let mut world = world();
    let mut ids = BTreeSet::new();
    // At the front of the tables, in their midst, and at their end.
    let mut stay = Vec::new();
    for wave in 0..3 {
        let crowd: Vec<ConnId> = (0..CROWD).map(|_| world.open()).collect();
        for &id in &crowd {
            assert!(ids.insert(id), "{id} has been there before");
            assert_eq!(world.engine.subscribe(id, "news"), Ok(true));
        }
        let stays = crowd[wave * (CROWD - 1) / 2];
        crowd.iter().filter(|id| **id != stays).for_each(|&id| world.end(id));
        assert!(world.engine.poll_ebb());
        stay.push(stays);
        assert_eq!(world.engine.sessions(), stay.len());
        assert!(crowd.iter().all(|&id| world.engine.is_open(id) == (id == stays)));
        let published = world.engine.publish("news", &PreparedMessage::text("hear, hear"), None);
        assert_eq!(published.queued, stay.len());
        world.turn();
        for &id in &stay {
            assert!(world.messages(id).contains(&"hear, hear".to_owned()));
            world.input(id, &frames::text(r#"{"type":"ping"}"#));
            assert!(world.messages(id)[0].contains("pong"));
        }
    }
}

#[test]
fn deadlines_of_those_who_stay_are_kept() {
    let config = EngineConfig::default();
    let (interval, head_timeout) = (config.limits.heartbeat_interval, config.limits.head_timeout);
    let mut world = World::daemon(config);
    let silent = world.connect();
    let crowd: Vec<ConnId> = (0..CROWD).map(|_| world.open()).collect();
    let last = *crowd.last().unwrap();
    crowd.iter().filter(|id| **id != last).for_each(|&id| world.end(id));
    assert!(world.engine.poll_ebb());
    world.advance(head_timeout - Duration::from_millis(100));
    assert!(!world.is_gone(silent));
    world.advance(Duration::from_millis(200));
    assert!(world.is_gone(silent));
    let mut pings = 0;
    for _ in 0..4 * interval.as_secs() {
        world.advance(Duration::from_secs(1));
        let bytes = world.take(last);
        for ping in frames::decode(&bytes).into_iter().filter(|frame| frame.opcode == PING) {
            world.input(last, &frames::frame(PONG, &ping.payload));
            pings += 1;
        }
    }
    assert!((3..=4).contains(&pings), "{pings} heartbeats in four intervals");
}

#[test]
fn a_server_serves_crowd_after_crowd_beside_one_that_stays() {
    let mut site = Site::new(ServerConfig::default(), Box::new(NoAuth));
    let enter = |site: &mut Site| {
        let peer = site.network.connect(FIRST);
        site.network.send(peer, upgrade("").as_bytes());
        site.rest();
        assert!(site.network.take(peer).starts_with(b"HTTP/1.1 101 "));
        peer
    };
    let old = enter(&mut site);
    for _ in 0..3 {
        let crowd: Vec<usize> = (0..CROWD).map(|_| enter(&mut site)).collect();
        crowd.iter().for_each(|&peer| site.network.reset(peer));
        site.rest();
        assert!(crowd.iter().all(|&peer| site.network.is_dropped(peer)));
        assert_eq!(site.server.engine().sessions(), 1);
        site.network.send(old, &frames::text(r#"{"type":"ping"}"#));
        site.rest();
        let answer = site.network.take(old);
        assert!(frames::decode(&answer)[0].text().contains("pong"));
    }
}

#[test]
fn a_server_that_is_finished_asks_for_nothing_whatever_was_there_before() {
    let greeting = upgrade("");
    // Half a large message: each waits in line to be read on.
    let half =
        [frames::header(0x80 | BINARY, 1 << 20), vec![0; READ_BYTES_PER_TURN + READ_BYTES_PER_TURN_BULK]].concat();
    for (peers, says) in [(CROWD, &[][..]), (10 * BULK_READS_PER_TURN, &half)] {
        let mut site = Site::new(ServerConfig::default(), Box::new(NoAuth));
        for _ in 0..peers {
            let peer = site.network.connect(FIRST);
            site.network.send(peer, greeting.as_bytes());
            site.rest();
            site.network.send(peer, says);
        }
        site.server.poll(Some(Duration::ZERO)).unwrap();
        site.server.shut_down();
        site.server.engine().drop_all();
        for _ in 0..100 {
            site.server.poll(Some(Duration::ZERO)).unwrap();
            while site.server.poll_event().is_some() {}
        }
        assert!(site.server.is_finished());
        assert_eq!(site.server.poll_timeout(), None, "{peers} peers");
    }
}
