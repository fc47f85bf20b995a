//! What the peers make the process hold, what it is charged, and what is done when it is too much.
//!
//! What the shell holds is in `memory/shell.rs`.
//!
//! Not here: the ceiling to the byte (`limits.rs`), each session's own bounds (`delivery.rs`, `limits.rs`).

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "memory/shell.rs"]
mod shell;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::time::Duration;

use barewire::auth::{Identity, NoAuth, Verdict};
use barewire::engine::Intake;
use barewire::limits::{
    CONNECTIONS_OVERFLOW, CONTEXT_BYTES, FRAMES_PER_TURN, INBOUND_SHARE_BYTES, MEMBERSHIP_BYTES, OVERLOADED_PER_TURN,
    READ_BYTES_PER_TURN, SEND_QUEUE_ENTRY_BYTES, TLS_SESSION_BYTES,
};
use barewire::{CloseReason, ConnId, EngineConfig, Limits, Message, PreparedMessage};
use common::frames::{self, BINARY, PING};
use common::pending::Pending;
use common::{World, upgrade};

const KIB: usize = 1024;
const SECOND: Duration = Duration::from_secs(1);

fn limits(max_memory: usize) -> Limits {
    Limits { max_memory, messages_per_window: 0, control_frames_per_second: 0, ..Limits::default() }
}

/// A bare engine that lets everybody in.
fn world_of(limits: Limits) -> World {
    World::new(EngineConfig { limits, ..EngineConfig::default() }, Box::new(NoAuth))
}

fn world(max_memory: usize) -> World {
    world_of(limits(max_memory))
}

fn open(world: &mut World) -> ConnId {
    let id = world.open_with("");
    world.events.clear();
    id
}

/// Sends the first `count` bytes of the payload of a message of `announced`.
fn send_part(world: &mut World, id: ConnId, count: usize, announced: usize) {
    world.input(id, &frames::header(0x80 | BINARY, announced as u64));
    world.input(id, &vec![0; count]);
}

/// Queues one answer of so many bytes for a peer that does not read.
fn owe(world: &mut World, id: ConnId, bytes: usize) {
    world.peer(id).room = 0;
    world.engine.send(id, Message::Binary(vec![0; bytes].into()));
    world.turn();
}

/// Everybody leaves: nothing may be left in the account.
fn leave(world: &mut World) {
    world.engine.drop_all();
    world.turn();
    assert_eq!((world.engine.sessions(), world.engine.memory()), (0, 0));
}

// --- what is charged ---

#[test]
fn an_idle_session_is_charged_its_fixed_cost_and_nothing_is_left_of_it() {
    let mut world = world(KIB * KIB);
    let id = world.connect();
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES);
    world.input(id, upgrade("").as_bytes());
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES);
    world.input(id, &frames::text("hello"));
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES);
    leave(&mut world);
}

#[test]
fn half_messages_are_charged_what_has_come_and_not_what_is_announced() {
    const PEERS: usize = 1000;
    let mut world = world(64 * KIB * KIB);
    for _ in 0..PEERS {
        let id = open(&mut world);
        send_part(&mut world, id, 1000, KIB * KIB);
    }
    assert_eq!(world.engine.memory(), PEERS * (TLS_SESSION_BYTES + CONTEXT_BYTES + 1000));
    leave(&mut world);
}

#[test]
fn fragments_are_charged_twice_what_has_come_of_them_and_released_with_their_end() {
    let mut world = world(KIB * KIB);
    let id = open(&mut world);
    for (so_far, first) in [BINARY, frames::CONTINUATION, frames::CONTINUATION].into_iter().enumerate() {
        world.input(id, &frames::raw(first, &[0; 500]));
        // They are collected in a buffer that grows by doubling.
        assert_eq!(world.engine.memory(), TLS_SESSION_BYTES + CONTEXT_BYTES + 2 * 500 * (so_far + 1));
    }
    world.input(id, &frames::frame(frames::CONTINUATION, &[0; 500]));
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES);
}

#[test]
fn a_large_message_that_is_over_is_charged_as_long_as_its_buffer_is_kept() {
    let mut world = world(4 * KIB * KIB);
    let id = open(&mut world);
    let large = frames::frame(BINARY, &[0; 200 * KIB]);
    let (most, last) = large.split_at(large.len() - 10);
    world.input(id, most);
    // The end of the large message, and in the same piece the first byte of the next header.
    world.input(id, &[last, &[0x82]].concat());
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES + CONTEXT_BYTES + 200 * KIB);
    leave(&mut world);
}

#[test]
fn a_broadcast_is_charged_once_however_many_wait_for_it() {
    const PEERS: usize = 1000;
    let mut world = world(64 * KIB * KIB);
    let ids: Vec<ConnId> = (0..PEERS).map(|_| open(&mut world)).collect();
    for id in &ids {
        world.peer(*id).room = 0;
    }
    let idle = world.engine.memory();
    let message = PreparedMessage::binary(&[0; 10 * KIB]);
    for round in 1..=3 {
        assert_eq!(world.engine.publish_to_all(&message, None).queued, PEERS);
        world.turn();
        let each = message.frame().len() + PEERS * SEND_QUEUE_ENTRY_BYTES;
        assert_eq!(world.engine.memory(), idle + round * each);
    }
    for (gone, id) in ids.iter().enumerate() {
        assert!(world.engine.memory() > idle + 3 * message.frame().len(), "{gone} have read, the others not");
        world.make_room(*id, usize::MAX);
    }
    assert_eq!(world.engine.memory(), idle, "released with the last that has read it");
    drop(message);
    leave(&mut world);
}

#[test]
fn a_head_that_drips_is_charged() {
    let mut world = world(KIB * KIB);
    let id = world.connect();
    world.input(id, b"GET /health HTTP/1.1\r\n");
    for _ in 0..7 {
        world.input(id, format!("X: {}\r\n", "x".repeat(995)).as_bytes());
    }
    let charged = world.engine.memory() - TLS_SESSION_BYTES;
    assert!((7000..14_100).contains(&charged), "{charged}");
    world.advance(10 * SECOND + SECOND);
    world.end(id);
    assert_eq!(world.engine.memory(), 0);
}

#[test]
fn memberships_and_what_waits_to_be_looked_at_are_charged() {
    let mut world = world(KIB * KIB);
    let id = open(&mut world);
    for name in ["a", "b", "c"] {
        world.engine.subscribe(id, name).unwrap();
    }
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES + 3 * MEMBERSHIP_BYTES);
    world.engine.unsubscribe(id, "b");
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES + 2 * MEMBERSHIP_BYTES);
    // More frames than a turn may serve, in one piece.
    let flood = frames::text("x").repeat(2000);
    world.engine.handle_input(id, &flood);
    let left = world.engine.memory() - TLS_SESSION_BYTES - 2 * MEMBERSHIP_BYTES;
    assert!(left > flood.len() / 2, "{left}");
    world.turn();
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES + 2 * MEMBERSHIP_BYTES);
    leave(&mut world);
}

#[test]
fn what_waits_for_the_verdict_on_a_renewal_is_charged_until_it_comes() {
    let pending = Pending::default();
    let config = EngineConfig { limits: limits(KIB * KIB), ..EngineConfig::default() };
    let mut world = World::guarded(config, pending.clone());
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    let waiting = world.engine.memory() - TLS_SESSION_BYTES;
    assert!(waiting > 100, "the head of an upgrade that is judged: {waiting}");
    pending.resolve(&mut world, Verdict::Accept(Identity::new("anna")));
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES);
    let renewal = frames::text(r#"{"type":"auth","token":"new"}"#);
    let message = format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(1000));
    world.input(id, &[renewal, frames::text(&message)].concat());
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES + message.len() + SEND_QUEUE_ENTRY_BYTES);
    pending.accept(&mut world, "anna");
    assert_eq!(world.engine.memory(), TLS_SESSION_BYTES);
}

// --- near the ceiling ---

/// A world of this ceiling in which one peer does not read what fills it up to `held`, and that peer.
fn filled(max_memory: usize, held: usize) -> (World, ConnId) {
    let mut world = world(max_memory);
    let id = open(&mut world);
    fill(&mut world, id, held);
    (world, id)
}

fn fill(world: &mut World, id: ConnId, held: usize) {
    let header = 10;
    owe(world, id, held - world.engine.memory() - header - SEND_QUEUE_ENTRY_BYTES);
    assert_eq!(world.engine.memory(), held);
}

#[test]
fn near_the_ceiling_upgrades_are_refused_before_anybody_is_asked_and_requests_are_still_answered() {
    const CEILING: usize = 800 * KIB;
    let near = CEILING - CEILING / 8;
    for (held, status) in [(near, "101"), (near + 1, "503")] {
        let (mut world, _) = filled(CEILING, held - TLS_SESSION_BYTES);
        let asks = world.connect();
        world.input(asks, upgrade("").as_bytes());
        let answer = world.take(asks);
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{held}");
        assert_eq!(String::from_utf8_lossy(&answer).contains("\r\nRetry-After: "), status == "503");
    }
    let pending = Pending::default();
    let config = EngineConfig { limits: limits(16 * KIB), ..EngineConfig::default() };
    let mut world = World::guarded(config, pending.clone());
    let asks: Vec<_> = (0..3).map(|_| world.connect()).collect();
    world.input(asks[1], b"GET /health HTTP/1.1\r\nHost: localhost\r\n");
    world.input(asks[1], format!("X: {}\r\n", "x".repeat(2200)).as_bytes());
    world.input(asks[0], upgrade("").as_bytes());
    assert!(world.take(asks[0]).starts_with(b"HTTP/1.1 503 ") && pending.is_empty());
    assert_eq!(world.ask(asks[1], "\r\n").status, 200);
}

#[test]
fn near_the_ceiling_who_has_sent_more_than_its_share_waits_and_is_woken_when_there_is_room() {
    let (mut world, full) = filled(800 * KIB, 600 * KIB);
    let (heavy, light) = (open(&mut world), open(&mut world));
    send_part(&mut world, heavy, INBOUND_SHARE_BYTES, 40_000);
    send_part(&mut world, light, 1000, 40_000);
    assert!(matches!(world.engine.intake(heavy), Intake::Read(_)), "there is room yet");
    owe(&mut world, light, 100 * KIB);
    world.make_room(light, usize::MAX);
    owe(&mut world, full, 100 * KIB);
    assert_eq!(world.engine.intake(heavy), Intake::Pause);
    assert_eq!(world.engine.intake(heavy), Intake::Pause, "asked again, it is noted once");
    assert!(matches!(world.engine.intake(light), Intake::Read(_)));
    assert_ne!(world.engine.poll_timeout(), Some(Duration::ZERO), "nothing is to be done for it now");
    // What it had in its socket comes, and it is named to be read.
    world.peer(full).room = usize::MAX;
    world.engine.mark_dirty(full);
    world.flush();
    assert_eq!(world.engine.poll_timeout(), Some(Duration::ZERO));
    let named: Vec<_> = (0..world.engine.ready()).map(|_| world.engine.poll_ready().unwrap()).collect();
    assert!(named.contains(&heavy), "{named:?}");
    assert!(matches!(world.engine.intake(heavy), Intake::Read(_)));
    world.input(heavy, &vec![0; 40_000 - INBOUND_SHARE_BYTES]);
    assert!(world.ends(heavy).is_empty() && world.events.len() == 1, "its message is whole");
    leave(&mut world);
}

#[test]
fn who_waits_for_memory_is_woken_beside_those_who_have_more_and_more_to_say() {
    const MANY: usize = 10;
    let (mut world, full) = filled(2000 * KIB, 1000 * KIB);
    let (heavy, talker): (Vec<_>, _) = ((0..MANY).map(|_| open(&mut world)).collect(), open(&mut world));
    heavy.iter().for_each(|&id| send_part(&mut world, id, INBOUND_SHARE_BYTES, 40_000));
    owe(&mut world, full, 700 * KIB);
    assert!(heavy.iter().all(|&id| world.engine.intake(id) == Intake::Pause));
    world.engine.handle_input(talker, &frames::frame(PING, b"").repeat(10 * FRAMES_PER_TURN));
    world.peer(full).room = usize::MAX;
    world.engine.mark_dirty(full);
    world.flush();
    // One turn.
    let named: Vec<_> = (0..world.engine.ready()).map(|_| world.engine.poll_ready().unwrap()).collect();
    assert_eq!(named, [heavy, vec![talker]].concat());
    assert!(world.engine.ready() > 0, "the talker is not done");
}

#[test]
fn who_waits_for_memory_with_half_a_message_is_closed_when_the_message_is_due_and_not_taken_for_dead() {
    let mut world = world_of(Limits { message_timeout: 100 * SECOND, ..limits(800 * KIB) });
    let full = open(&mut world);
    fill(&mut world, full, 600 * KIB);
    let (heavy, light) = (open(&mut world), open(&mut world));
    send_part(&mut world, heavy, INBOUND_SHARE_BYTES, 40_000);
    owe(&mut world, full, 100 * KIB);
    assert_eq!(world.engine.intake(heavy), Intake::Pause);
    // The full one reads a little now and then: it is alive, and stays.
    for second in 0..101 {
        assert!(second > 99 || world.ending(heavy).is_none(), "{second}: {:?}", world.ending(heavy));
        world.make_room(full, 10);
        world.input(light, &frames::frame(frames::PONG, b""));
        world.advance(SECOND);
    }
    assert_eq!(world.ending(heavy), Some("Overloaded"));
    assert_eq!(world.close_code(heavy), Some((1013, "Server overloaded".into())));
    assert!(world.ends(full).is_empty() && world.ends(light).is_empty());
    leave(&mut world);
}

#[test]
fn those_who_waited_for_memory_and_went_leave_nothing() {
    let (mut world, _) = filled(800 * KIB, 600 * KIB);
    let last = open(&mut world);
    let waiting: Vec<_> = (0..5).map(|_| open(&mut world)).collect();
    for id in &waiting {
        send_part(&mut world, *id, INBOUND_SHARE_BYTES, 40_000);
    }
    owe(&mut world, last, 80 * KIB);
    for id in &waiting {
        assert_eq!(world.engine.intake(*id), Intake::Pause);
        world.engine.handle_error(*id, CloseReason::PeerVanished);
        world.turn();
    }
    assert_eq!(world.engine.ready(), 0);
    leave(&mut world);
    world.advance(40 * SECOND);
    assert_eq!(world.engine.poll_timeout(), None);
}

// --- at the ceiling ---

#[test]
fn past_the_ceiling_the_heaviest_is_closed_first_and_then_the_next() {
    let mut world = world(800 * KIB);
    let ids: Vec<_> = (0..4).map(|_| open(&mut world)).collect();
    for (id, size) in ids.iter().zip([100, 300, 200, 0]) {
        owe(&mut world, *id, size * KIB);
    }
    let idle = open(&mut world);
    fill(&mut world, ids[3], 800 * KIB);
    assert!(world.history.iter().all(|event| !event.contains("Overloaded")));
    // One byte more, from the lightest.
    owe(&mut world, idle, 1);
    assert_eq!(world.ending(ids[1]), Some("Overloaded"));
    let still: Vec<_> = [ids[0], ids[2], ids[3], idle].into_iter().filter(|id| world.ending(*id).is_none()).collect();
    assert_eq!(still, [ids[0], ids[2], ids[3], idle]);
    world.make_room(ids[1], usize::MAX);
    assert_eq!(world.close_code(ids[1]), Some((1013, "Server overloaded".into())), "its queue is cut, the Close comes");
    owe(&mut world, idle, 350 * KIB);
    assert_eq!(world.ending(idle), Some("Overloaded"), "now it is the heaviest itself");
    assert!(world.ending(ids[0]).is_none());
    leave(&mut world);
}

#[test]
fn a_session_that_is_ending_already_is_dropped_at_once_when_it_is_the_heaviest() {
    for is_closing in [true, false] {
        let mut world = world(800 * KIB);
        let (ending, other) = (open(&mut world), open(&mut world));
        world.peer(ending).room = 0;
        world.engine.publish_to_all(&PreparedMessage::binary(&[0; 500 * KIB]), Some(other));
        world.turn();
        match is_closing {
            true => world.engine.close(ending, 1000, "bye"),
            false => world.input(ending, &frames::frame(3, b"reserved")),
        }
        world.turn();
        assert!(!world.is_gone(ending), "it has 500 KiB to read before the Close");
        owe(&mut world, other, 300 * KIB);
        assert!(world.is_gone(ending) && world.ending(other).is_none());
        assert!(world.ends(ending).len() == 1, "it is told once");
        leave(&mut world);
    }
}

#[test]
fn what_a_session_pins_of_broadcasts_counts_when_the_heaviest_is_sought() {
    let mut world = world(800 * KIB);
    let (a, b, sender) = (open(&mut world), open(&mut world), open(&mut world));
    for id in [a, b] {
        world.peer(id).room = 0;
    }
    world.engine.publish_to_all(&PreparedMessage::binary(&[0; 500 * KIB]), Some(sender));
    world.turn();
    owe(&mut world, sender, 350 * KIB);
    // Both must go before it is freed; the sender, who holds less, stays.
    assert_eq!((world.ending(a), world.ending(b)), (Some("Overloaded"), Some("Overloaded")));
    assert_eq!(world.ending(sender), None);
    assert!(world.engine.memory() < 800 * KIB);
    leave(&mut world);
}

#[test]
fn a_turn_closes_no_more_than_it_may_and_the_next_follows_at_once() {
    const PEERS: usize = OVERLOADED_PER_TURN + 5;
    let mut world = world(900 * KIB);
    let ids: Vec<_> = (0..PEERS).map(|_| open(&mut world)).collect();
    let light = open(&mut world);
    send_part(&mut world, light, 100, 200);
    // All pin the same two frames: nothing is freed before the last of them has gone.
    for size in [600, 300] {
        for id in &ids {
            world.peer(*id).room = 0;
        }
        let message = PreparedMessage::binary(&vec![0; size * KIB]);
        assert_eq!(world.engine.publish_to_all(&message, Some(light)).queued, PEERS);
        world.answer();
        world.flush();
    }
    let closed = |world: &World| ids.iter().filter(|id| world.ending(**id) == Some("Overloaded")).count();
    assert_eq!(closed(&world), OVERLOADED_PER_TURN);
    while world.engine.poll_ready().is_some() {}
    world.answer();
    world.flush();
    assert_eq!(world.engine.poll_timeout(), Some(Duration::ZERO), "the next turn is due");
    assert_eq!(world.engine.intake(light), Intake::Pause, "meanwhile nobody adds to what it has sent");
    assert_eq!(world.engine.poll_ready(), Some(light), "but it is asked for again");
    world.engine.handle_now(world.now);
    world.answer();
    assert_eq!(closed(&world), PEERS);
    assert!(matches!(world.engine.intake(light), Intake::Read(_)) && world.ending(light).is_none());
    leave(&mut world);
}

#[test]
fn what_many_begin_in_one_turn_passes_the_ceiling_by_no_more_than_one_read() {
    const CEILING: usize = 4 * KIB * KIB;
    const PART: usize = READ_BYTES_PER_TURN - KIB;
    let mut world = world(CEILING);
    let ids: Vec<_> = (0..2 * CEILING / PART).map(|_| open(&mut world)).collect();
    let part = [frames::header(0x80 | BINARY, 2 * PART as u64), vec![0; PART]].concat();
    let mut unread: Vec<ConnId> = ids;
    for turn in 0.. {
        assert!(turn < 100, "everybody is read or closed in the end");
        world.engine.handle_now(world.now);
        unread.retain(|id| {
            let may_read = matches!(world.engine.intake(*id), Intake::Read(_));
            if may_read {
                world.engine.handle_input(*id, &part);
            }
            assert!(world.engine.memory() <= CEILING + READ_BYTES_PER_TURN + 2 * KIB, "{}", world.engine.memory());
            !may_read
        });
        if unread.is_empty() {
            break;
        }
        assert_eq!(world.engine.poll_timeout(), Some(Duration::ZERO), "the next turn is due");
    }
    world.answer();
    leave(&mut world);
}

#[test]
fn sessions_that_only_are_there_are_never_closed_and_newcomers_are_turned_away() {
    const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // In thirty-seconds of the ceiling: 30 are for all, 1 is for those who are told 503.
    for (thirty_second, told) in [(5, 5), (CONNECTIONS_OVERFLOW + 10, CONNECTIONS_OVERFLOW)] {
        let most = 30 * thirty_second;
        let mut world = world(32 * thirty_second * TLS_SESSION_BYTES);
        for _ in 1..most {
            world.engine.handle_accept(([127, 0, 0, 1], 1).into(), true).unwrap();
        }
        let first = world.connect();
        let late: Vec<_> = (0..told).map(|_| world.connect()).collect();
        assert!(world.engine.handle_accept(([127, 0, 0, 1], 1).into(), true).is_err(), "further ones are dropped");
        for id in late {
            world.input(id, HEALTH);
            assert!(world.take(id).starts_with(b"HTTP/1.1 503 "));
            world.end(id);
            assert!(world.is_gone(id));
        }
        assert_eq!(world.engine.memory(), most * TLS_SESSION_BYTES);
        assert!(world.history.iter().all(|event| !event.contains("Overloaded")));
        let next = world.connect();
        world.input(next, HEALTH);
        assert!(world.take(next).starts_with(b"HTTP/1.1 503 "), "others are told again");
        world.end(next);
        world.engine.handle_error(first, CloseReason::PeerVanished);
        world.turn();
        let next = world.connect();
        world.input(next, b"GET /health HTTP/1.1\r\nHost");
        assert_eq!((world.take(next), world.ending(next)), (vec![], None), "one of those who were in has gone");
    }
}

#[test]
fn who_holds_nothing_is_let_alone_however_little_is_left() {
    let mut world = world(KIB * KIB);
    let ids: Vec<_> = (0..200).map(|_| open(&mut world)).collect();
    owe(&mut world, ids[7], 300 * KIB);
    assert_eq!(world.ending(ids[7]), Some("Overloaded"));
    assert_eq!(world.history.iter().filter(|event| event.contains("Overloaded")).count(), 1);
    leave(&mut world);
}

#[test]
fn honest_sessions_outlive_every_attack_on_memory_and_all_is_as_before_afterwards() {
    const CEILING: usize = 2 * KIB * KIB;
    type Attack = fn(&mut World, ConnId);
    let attacks: [(&str, Attack); 4] = [
        ("half messages", |world, id| {
            let bytes = frames::header(0x80 | BINARY, 1 << 20);
            if matches!(world.engine.intake(id), Intake::Read(_)) {
                world.engine.handle_input(id, &bytes);
            }
            while matches!(world.engine.intake(id), Intake::Read(_)) {
                world.engine.handle_input(id, &[0; 16 * KIB]);
            }
            world.turn();
        }),
        ("answers not read", |world, id| {
            world.peer(id).room = 0;
            world.engine.send(id, Message::Binary(vec![0; 100 * KIB].into()));
            world.turn();
        }),
        ("many channels", |world, id| {
            for i in 0..128 {
                let _ = world.engine.subscribe(id, &format!("{id}{i}"));
            }
            world.turn();
        }),
        ("broadcasts not read", |world, id| {
            world.peer(id).room = 0;
            world.engine.subscribe(id, &id.to_string()).unwrap();
            world.engine.publish(&id.to_string(), &PreparedMessage::binary(&[0; 100 * KIB]), None);
            world.turn();
        }),
    ];
    for (name, attack) in attacks {
        let mut world = world(CEILING);
        let honest: Vec<_> = (0..20).map(|_| open(&mut world)).collect();
        let attackers: Vec<_> = (0..100).map(|_| open(&mut world)).collect();
        for id in &attackers {
            attack(&mut world, *id);
            let held = world.engine.memory();
            assert!(held <= CEILING, "{name}: {held}");
            world.input(honest[3], &frames::text("hello"));
        }
        let ended = attackers.iter().filter(|id| world.ending(**id).is_some()).count();
        assert!(ended > 0, "{name}: the ceiling was never reached");
        for id in &honest {
            assert_eq!(world.ending(*id), None, "{name}");
            world.input(*id, &frames::text("hello"));
        }
        for id in attackers {
            world.engine.handle_error(id, CloseReason::PeerVanished);
        }
        world.turn();
        assert_eq!(world.engine.memory(), honest.len() * TLS_SESSION_BYTES, "{name}");
        open(&mut world);
        leave(&mut world);
    }
}
