//! What reaches a peer that reads slowly, in pieces, or not at all: the right bytes in their order, or a cut that
//! ends in a valid Close; and what it costs everybody else: nothing.
//!
//! Not here: the queue alone (`src/engine/send_queue.rs`), its deadlines (`timers.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;

use barewire::auth::NoAuth;
use barewire::engine::{Fate, Intake};
use barewire::limits::{
    FLUSH_BYTES, FRAMES_PER_TURN, READ_BYTES_PER_TURN, SEND_QUEUE_BYTES_DEFAULT, SEND_QUEUE_COPY_BYTES,
    SEND_QUEUE_ENTRY_BYTES, SEND_QUEUE_PAUSE_BYTES, SEND_QUEUE_RESUME_BYTES,
};
use barewire::{ConnId, EngineConfig, Event, Limits, Message, PreparedMessage, Published};
use common::chance::Chance;
use common::frames::{self, BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};
use common::{World, unpaced, upgrade};

/// The daemon, with queues of this size.
fn daemon(send_queue_bytes: usize) -> World {
    let limits = Limits { send_queue_bytes, ..Limits::default() };
    World::daemon(EngineConfig { limits, ..EngineConfig::default() })
}

fn binary(length: usize, byte: u8) -> PreparedMessage {
    PreparedMessage::binary(&vec![byte; length])
}

fn ping(id: usize) -> Vec<u8> {
    frames::text(&format!(r#"{{"type":"ping","id":{id}}}"#))
}

/// The ids of the pongs among these frames.
fn pong_ids(frames: &[Frame]) -> Vec<usize> {
    let texts = frames.iter().filter(|frame| frame.opcode == TEXT).map(Frame::text);
    texts.map(|text| text.rsplit_once(":").unwrap().1.trim_end_matches('}').parse().unwrap()).collect()
}

// --- slow consumers ---

#[test]
fn a_slow_consumer_is_cut_with_1013_and_all_others_get_everything() {
    let mut world = World::daemon(unpaced());
    let ids: Vec<ConnId> = (0..5).map(|_| world.open()).collect();
    let slow = ids[2];
    for &id in &ids {
        world.engine.subscribe(id, "news").unwrap();
    }
    world.peer(slow).room = 0;
    let fits = SEND_QUEUE_BYTES_DEFAULT / (binary(10_000, 0).frame().len() + SEND_QUEUE_ENTRY_BYTES);
    for i in 0..fits + 10 {
        let published = world.engine.publish("news", &binary(10_000, i as u8), None);
        let matched = if i <= fits { 5 } else { 4 };
        let dropped = usize::from(i == fits);
        assert_eq!(published, Published { matched, queued: matched - dropped, dropped }, "message {i}");
        world.turn();
    }
    assert_eq!(world.ending(slow), Some("SlowConsumer"));
    assert_eq!(world.engine.open_sessions(), 4);
    for &id in ids.iter().filter(|id| **id != slow) {
        let received = world.frames(id);
        assert!((0..fits + 10).map(|i| i as u8).eq(received.iter().map(|frame| frame.payload[0])));
    }
    world.make_room(slow, usize::MAX);
    assert_eq!(world.frames(slow).last().unwrap().close(), (1013, "slow consumer".into()));
    assert!(world.peer(slow).ended);
    world.end(slow);
    assert!(world.is_gone(slow));
    world.check_stories();
}

#[test]
fn many_slow_consumers_are_cut_by_one_message() {
    let mut world = daemon(10_000);
    let ids: Vec<ConnId> = (0..60).map(|_| world.open()).collect();
    for (i, &id) in ids.iter().enumerate() {
        world.engine.subscribe(id, "news").unwrap();
        world.engine.subscribe(id, &format!("own {i}")).unwrap();
        if i % 2 == 0 {
            world.peer(id).room = 0;
        }
    }
    assert_eq!(world.engine.publish("news", &binary(9000, 1), None).queued, 60);
    world.turn();
    let published = world.engine.publish("news", &binary(9000, 2), Some(ids[1]));
    assert_eq!(published, Published { matched: 59, queued: 29, dropped: 30 });
    world.turn();
    assert_eq!((world.engine.open_sessions(), world.engine.channels()), (30, 31));
    for (i, &id) in ids.iter().enumerate() {
        world.make_room(id, usize::MAX);
        let seen: Vec<u8> = world.frames(id).iter().map(|frame| frame.payload[0]).collect();
        let wanted: &[u8] = match i {
            1 => &[1],
            // Nothing was on the wire: the whole backlog went, and the Close came.
            _ if i % 2 == 0 => &[(1013 >> 8) as u8],
            _ => &[1, 2],
        };
        assert_eq!(seen, wanted, "session {i}");
    }
}

#[test]
fn an_empty_queue_takes_one_message_of_any_size_and_no_second_one() {
    let mut world = daemon(1024);
    let id = world.open();
    world.peer(id).room = 0;
    let large = binary(100_000, 7);
    assert_eq!(world.engine.publish_to_all(&large, None).queued, 1);
    world.turn();
    assert_eq!(world.ending(id), None);
    world.peer(id).room = 1;
    world.engine.mark_dirty(id);
    world.turn();
    assert_eq!(world.engine.publish_to_all(&binary(0, 0), None).dropped, 1);
    world.make_room(id, usize::MAX);
    let received = world.frames(id);
    assert_eq!((received[0].payload.len(), received[1].close().0, received.len()), (100_000, 1013, 2));
}

#[test]
fn the_hosts_own_messages_cut_a_session_once_its_queue_is_over_its_limit() {
    let mut world = daemon(1024);
    let id = world.open();
    world.peer(id).room = 0;
    assert!(world.engine.send(id, Message::Binary(vec![1; 1024 - 4 - SEND_QUEUE_ENTRY_BYTES].into())));
    assert_eq!(world.engine.output(id).unwrap().cost(), 1024);
    world.turn();
    assert!(world.engine.send(id, Message::Text("at the limit".into())), "the queue was not over its limit");
    assert!(!world.engine.send(id, Message::Text("past it".into())));
    world.turn();
    assert_eq!(world.ending(id), Some("SlowConsumer"));
    world.make_room(id, usize::MAX);
    assert_eq!(world.close_code(id), Some((1013, "slow consumer".into())));
}

// --- cuts ---

/// A session with one of everything in its queue, none of it written; returns the frames that wait.
fn one_of_everything(world: &mut World, id: ConnId) -> Vec<Vec<u8>> {
    world.engine.send(id, Message::Text("first".into()));
    world.engine.send(id, Message::Binary(vec![1; 200].into()));
    world.engine.publish_to_all(&PreparedMessage::text("shared"), None);
    world.engine.publish_to_all(&binary(300, 2), None);
    world.engine.send(id, Message::Text("in between".into()));
    world.engine.send(id, Message::Binary(vec![3; SEND_QUEUE_COPY_BYTES].into()));
    world.engine.send(id, Message::Binary(vec![4; SEND_QUEUE_COPY_BYTES].into()));
    world.engine.send(id, Message::Text("behind".into()));
    let mut waiting = Vec::new();
    let queue = world.engine.output(id).unwrap();
    let mut slices = [std::io::IoSlice::new(&[]); 32];
    let count = queue.slices(&mut slices);
    for slice in &slices[..count] {
        waiting.extend_from_slice(slice);
    }
    frames::decode(&waiting).into_iter().map(|frame| frame.payload).collect()
}

#[test]
fn a_queue_cut_at_any_byte_leaves_whole_frames_and_a_close_on_the_wire() {
    let cost = 4 * SEND_QUEUE_COPY_BYTES;
    let mut world = daemon(cost);
    let id = world.open();
    let payloads = one_of_everything(&mut world, id);
    let total = world.engine.output(id).unwrap().len();
    world.turn();
    // Every byte where anything begins or ends, and some inside the large payloads.
    let mut end = 0;
    let boundaries: Vec<usize> = payloads
        .iter()
        .map(|payload| {
            end += payload.len() + if payload.len() < 126 { 2 } else { 4 };
            end
        })
        .collect();
    assert_eq!(boundaries.last(), Some(&total));
    let near = |at: usize| boundaries.iter().chain(&[0]).any(|&boundary| at.abs_diff(boundary) < 12);
    for written in (0..=total).filter(|&at| at < 700 || near(at) || at % 1009 == 0) {
        world.engine.close(id, 1000, "");
        let id = world.open();
        world.peer(id).room = written;
        one_of_everything(&mut world, id);
        world.turn();
        assert_eq!(world.peer(id).received.len(), written);
        assert_eq!(world.engine.publish_to_all(&binary(cost, 9), Some(id)).queued, 0);
        let published = world.engine.publish_to_all(&binary(cost, 9), None);
        // A queue that is empty takes the message, and one that is not is cut.
        assert_eq!(published.queued, usize::from(written == total));
        world.make_room(id, usize::MAX);
        let received = world.frames(id);
        let whole = boundaries.iter().filter(|&&boundary| boundary < written).count();
        let whole = whole + usize::from(written > 0);
        let (last, before) = received.split_last().unwrap();
        if written < total {
            assert_eq!(last.close(), (1013, "slow consumer".into()), "cut at {written}");
        }
        assert!(before.iter().map(|frame| &frame.payload).eq(&payloads[..whole]), "cut at {written}");
    }
}

#[test]
fn a_cut_leaves_the_answer_to_the_upgrade_whole() {
    let mut length = None;
    for written in 0.. {
        let mut world = daemon(1024);
        let id = world.connect();
        world.peer(id).room = written;
        world.input(id, upgrade(common::GOOD).as_bytes());
        let head = *length.get_or_insert_with(|| {
            let queue = world.engine.output(id).unwrap();
            queue.front().windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4
        });
        world.engine.publish_to_all(&binary(2000, 9), None);
        world.make_room(id, usize::MAX);
        let bytes = world.take(id);
        assert!(bytes.starts_with(b"HTTP/1.1 101 "));
        let received = frames::decode(&bytes);
        let close = received.last().unwrap();
        assert_eq!(close.opcode, CLOSE, "cut at {written}");
        assert_eq!(received.len(), if written > head { 2 } else { 1 }, "cut at {written}");
        if written > head + 20 {
            return;
        }
    }
}

// --- own replies ---

#[test]
fn reading_pauses_above_64_kib_of_own_replies_and_goes_on_at_half() {
    let mut world = World::daemon(unpaced());
    let id = world.open();
    world.peer(id).room = 0;
    let mut sent = 0;
    while world.engine.intake(id) != Intake::Pause {
        world.input(id, &ping(sent));
        sent += 1;
    }
    let own = world.engine.output(id).unwrap().own_cost();
    assert!(own > SEND_QUEUE_PAUSE_BYTES && own < SEND_QUEUE_PAUSE_BYTES + 300, "{own}");
    while world.engine.intake(id) == Intake::Pause {
        assert!(world.engine.output(id).unwrap().own_cost() > SEND_QUEUE_RESUME_BYTES);
        world.make_room(id, 1);
    }
    assert_eq!(world.engine.output(id).unwrap().own_cost(), SEND_QUEUE_RESUME_BYTES);
    world.peer(id).room = usize::MAX;
    world.input(id, &ping(sent));
    let received = world.frames(id);
    assert_eq!(pong_ids(&received), (0..=sent).collect::<Vec<_>>());
}

#[test]
fn behind_one_large_answer_reading_goes_on_when_half_the_mark_is_left_of_it() {
    let mut world = World::daemon(unpaced());
    let id = world.open();
    world.peer(id).room = 0;
    world.engine.send(id, Message::Binary(vec![1; 300_000].into()));
    world.turn();
    world.make_room(id, 300_000 - SEND_QUEUE_RESUME_BYTES);
    assert_eq!(world.engine.intake(id), Intake::Pause);
    // The header before it has left, and one entry is still charged.
    world.make_room(id, 10 + SEND_QUEUE_ENTRY_BYTES - 1);
    assert_eq!(world.engine.intake(id), Intake::Pause);
    world.make_room(id, 1);
    assert_eq!(world.engine.intake(id), Intake::Read(READ_BYTES_PER_TURN));
}

#[test]
fn only_who_was_told_to_wait_is_named_when_the_wait_is_over() {
    let mut world = World::daemon(unpaced());
    let id = world.open();
    let large = || Message::Binary(vec![1; SEND_QUEUE_PAUSE_BYTES].into());
    world.peer(id).room = 0;
    world.engine.send(id, large());
    world.turn();
    world.make_room(id, usize::MAX);
    assert_eq!(world.engine.ready(), 0, "nothing has come meanwhile");
    world.peer(id).room = 0;
    world.engine.send(id, large());
    world.turn();
    assert_eq!(world.engine.intake(id), Intake::Pause);
    world.peer(id).room = usize::MAX;
    world.engine.mark_dirty(id);
    world.flush();
    assert_eq!(world.engine.ready(), 1, "something has come, and waits");
    assert_eq!(world.engine.poll_ready(), Some(id));
    assert_eq!(world.engine.intake(id), Intake::Read(READ_BYTES_PER_TURN));
}

#[test]
fn much_that_is_sent_is_written_before_the_end_of_the_turn_however_many_it_is_for() {
    let mut world = World::daemon(unpaced());
    let half = || Message::Binary(vec![1; FLUSH_BYTES / 2].into());
    let ids = [(); 2].map(|()| world.open());
    // Each turn counts anew.
    for _ in 0..3 {
        world.engine.send(ids[0], half());
        assert!(!world.engine.poll_flush_due());
        world.flush();
    }
    for less in [1, 0] {
        world.engine.send(ids[0], half());
        world.engine.send(ids[1], Message::Binary(vec![1; FLUSH_BYTES / 2 - less].into()));
        assert_eq!(world.engine.poll_flush_due(), less == 0);
        world.flush();
    }
    assert!(!world.engine.poll_flush_due(), "it is answered once");
}

#[test]
fn however_a_peer_reads_its_replies_come_all_and_in_order() {
    for seed in 0..20 {
        let mut chance = Chance::new(seed);
        let mut world = World::daemon(unpaced());
        let id = world.open();
        world.peer(id).room = 0;
        let count = 2000;
        let stream: Vec<u8> = (0..count).flat_map(ping).collect();
        let mut rest = stream.as_slice();
        let mut pauses = 0;
        while !rest.is_empty() {
            match world.engine.intake(id) {
                Intake::Read(limit) => {
                    let piece = (1 + chance.below(20_000)).min(limit).min(rest.len());
                    world.engine.handle_input(id, &rest[..piece]);
                    rest = &rest[piece..];
                    world.turn();
                }
                Intake::Pause => {
                    pauses += 1;
                    let room = chance.below(30_000);
                    world.make_room(id, room);
                }
                Intake::Discard => panic!("the session ended"),
            }
        }
        world.make_room(id, usize::MAX);
        assert_eq!(pong_ids(&world.frames(id)), (0..count).collect::<Vec<_>>(), "seed {seed}");
        assert!(pauses > 2, "seed {seed}");
    }
}

#[test]
fn a_backlog_of_broadcasts_alone_does_not_pause_reading() {
    let mut world = World::daemon(unpaced());
    let id = world.open();
    world.peer(id).room = 0;
    for i in 0..8 {
        assert_eq!(world.engine.publish_to_all(&binary(100_000, i), None).queued, 1);
        world.turn();
    }
    assert!(world.engine.output(id).unwrap().cost() > SEND_QUEUE_PAUSE_BYTES * 10);
    assert_eq!(world.engine.intake(id), Intake::Read(READ_BYTES_PER_TURN));
    for i in 0..100 {
        world.input(id, &ping(i));
    }
    world.make_room(id, usize::MAX);
    let received = world.frames(id);
    assert_eq!(received[..8].iter().map(|frame| frame.payload[0]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(pong_ids(&received[8..]), (0..100).collect::<Vec<_>>());
}

#[test]
fn each_ping_is_answered_but_behind_a_backlog_only_the_newest() {
    let pings = |from: u8, to: u8| (from..to).flat_map(|i| frames::frame(PING, &[i])).collect::<Vec<u8>>();
    let mut world = World::daemon(unpaced());
    let id = world.open();
    world.input(id, &pings(0, 100));
    assert_eq!(world.frames(id).iter().map(|frame| frame.payload[0]).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    world.peer(id).room = 3;
    world.engine.send(id, Message::Text("a backlog".into()));
    world.turn();
    for _ in 0..1000 {
        world.input(id, &pings(0, 50));
    }
    world.input(id, &ping(5));
    world.input(id, &pings(50, 60));
    assert!(world.engine.output(id).unwrap().cost() < 1000);
    world.make_room(id, usize::MAX);
    let received = world.frames(id);
    let kinds: Vec<u8> = received.iter().map(|frame| frame.opcode).collect();
    assert_eq!(kinds, [TEXT, PONG, TEXT, PONG]);
    assert_eq!((received[1].payload[0], received[3].payload[0]), (49, 59));
}

// --- short writes ---

/// What a host and a peer have to say to each other, step by step.
const STEPS: &[fn(&mut World, ConnId)] = &[
    |world, id| world.input(id, upgrade(common::GOOD).as_bytes()),
    |world, id| world.input(id, &frames::text(r#"{"type":"subscribe","channel":"news"}"#)),
    |world, id| world.input(id, &[ping(1), ping(2), frames::frame(PING, b"once"), ping(3)].concat()),
    |world, _| assert_eq!(world.engine.publish("news", &PreparedMessage::text("a broadcast"), None).queued, 1),
    |world, id| assert!(world.engine.send(id, Message::Binary(vec![1; SEND_QUEUE_COPY_BYTES].into()))),
    |world, _| assert_eq!(world.engine.publish("news", &binary(70_000, 2), None).queued, 1),
    |world, id| assert!(world.engine.send(id, Message::Text("small".into()))),
    |world, id| world.input(id, &[frames::raw(TEXT, br#"{"type":"#), frames::frame(CONTINUATION, b"1}")].concat()),
    |world, id| world.input(id, &frames::text(r#"{"type":"unsubscribe","channel":"news"}"#)),
    |world, id| world.engine.close(id, 1000, "bye"),
    |world, id| world.input(id, &frames::close(1000, "")),
];

/// All that the peer sees when the write of step `short` takes `room` bytes, and the socket opens again `after`
/// steps later.
fn run(short: usize, room: usize, after: usize) -> Vec<u8> {
    let mut world = World::daemon(unpaced());
    let id = world.connect();
    for (i, step) in STEPS.iter().enumerate() {
        if i == short {
            world.peer(id).room = room;
        }
        if i == short + after {
            world.make_room(id, usize::MAX);
        }
        step(&mut world, id);
        world.turn();
    }
    world.make_room(id, usize::MAX);
    assert!(world.peer(id).ended);
    world.end(id);
    assert!(world.is_gone(id));
    world.check_stories();
    world.take(id)
}

#[test]
fn a_write_that_takes_little_or_nothing_loses_doubles_and_reorders_nothing() {
    let undisturbed = run(usize::MAX - 9, 0, 0);
    assert_eq!(frames::decode(&undisturbed).last().unwrap().close(), (1000, "bye".into()));
    for short in 0..STEPS.len() {
        for room in [0, 1, 2, 3, 17, 129, 8195, 70_000] {
            for after in 1..4 {
                let seen = run(short, room, after);
                assert!(seen == undisturbed, "write {short} took {room} bytes and the next came {after} steps later");
            }
        }
    }
}

#[test]
fn a_socket_that_takes_a_byte_at_a_time_gets_the_same_stream() {
    let mut world = World::daemon(unpaced());
    let id = world.open();
    let payloads = one_of_everything(&mut world, id);
    world.peer(id).room = 0;
    let mut received = Vec::new();
    while world.engine.output(id).is_some_and(|queue| !queue.is_empty()) {
        world.make_room(id, 1);
        received.extend(world.take(id));
    }
    assert!(frames::decode(&received).into_iter().map(|frame| frame.payload).eq(payloads));
}

// --- ids of sessions that have gone ---

/// Every call that names a session. None of them may touch another one, or bring anything about.
fn call_everything(world: &mut World, stale: ConnId) {
    let engine = &mut world.engine;
    engine.handle_input(stale, &frames::text("{}"));
    engine.handle_input(stale, &frames::close(1000, ""));
    engine.handle_end(stale);
    engine.handle_error(stale, barewire::CloseReason::PeerVanished);
    engine.handle_written(stale, true, true);
    engine.handle_written(stale, false, false);
    engine.mark_ready(stale);
    engine.mark_dirty(stale);
    assert!(engine.output(stale).is_none());
    assert_eq!((engine.intake(stale), engine.fate(stale)), (Intake::Discard, Fate::Drop));
    assert!(!engine.send(stale, Message::Text("?".into())));
    assert_eq!(engine.subscribe(stale, "news"), Err(barewire::SubscribeError::NotOpen));
    assert!(!engine.unsubscribe(stale, "news"));
    engine.close(stale, 1000, "");
    engine.close_for(stale, barewire::CloseReason::HandlerPanicked);
    assert!(!engine.respond(stale, barewire::wire::http::Response::text(200, "?")));
    engine.renew(stale, "Basic dXNlcjpwYXNz");
    assert!(engine.identity(stale).is_none() && engine.peer(stale).is_none() && engine.connected_at(stale).is_none());
    assert!(engine.round_trip(stale).is_none());
    assert_eq!(engine.channels_of(stale).count(), 0);
    engine.handle_released(stale);
    assert!(engine.poll_event().is_none() && engine.poll_ready().is_none() && engine.poll_dirty().is_none());
}

#[test]
fn the_id_of_a_session_that_has_gone_does_nothing_even_when_its_slot_has_a_new_tenant() {
    let mut world = World::daemon(unpaced());
    let stale = world.open();
    world.engine.subscribe(stale, "news").unwrap();
    world.engine.handle_error(stale, barewire::CloseReason::PeerVanished);
    world.turn();
    assert!(world.is_gone(stale));
    call_everything(&mut world, stale);
    let tenant = world.open();
    assert_eq!(tenant.index(), stale.index(), "the slot is used again");
    assert_ne!(tenant, stale);
    world.engine.subscribe(tenant, "news").unwrap();
    call_everything(&mut world, stale);
    assert_eq!(world.engine.publish("news", &PreparedMessage::text("hello"), Some(stale)).queued, 1);
    world.input(tenant, &ping(1));
    assert_eq!(world.frames(tenant).len(), 2);
    assert_eq!(world.story(tenant), ["Accepted", "Open", "Message"]);
    assert_eq!((world.engine.sessions(), world.engine.open_sessions(), world.engine.channels()), (1, 1, 1));
    world.check_stories();
}

#[test]
fn notes_of_a_session_that_has_gone_do_not_touch_the_new_tenant_of_its_slot() {
    let mut world = World::daemon(unpaced());
    let stale = world.open();
    // It stands on the lists of those to be served, and goes before it is.
    world.engine.handle_input(stale, &ping(1).repeat(FRAMES_PER_TURN + 1));
    world.engine.handle_end(stale);
    world.engine.handle_released(stale);
    let tenant = world.engine.handle_accept(([127, 0, 0, 1], 40_001).into(), true).unwrap();
    assert_eq!(tenant.index(), stale.index());
    world.peers.insert(tenant, common::Peer { room: usize::MAX, ..common::Peer::default() });
    world.turn();
    assert_eq!(world.story(stale).last(), Some(&"Closed"));
    assert_eq!(world.engine.fate(tenant), Fate::Keep);
    world.input(tenant, upgrade(common::GOOD).as_bytes());
    assert!(world.take(tenant).starts_with(b"HTTP/1.1 101 "));
}

// --- fairness ---

#[test]
fn a_flood_is_served_a_turns_frames_at_a_time_and_others_in_between() {
    let floods = [frames::text("x"), frames::frame(BINARY, b""), frames::frame(PING, b"")];
    for unit in floods {
        let mut world = World::new(unpaced(), Box::new(NoAuth));
        let [attacker, victim] = [(); 2].map(|()| {
            let id = world.connect();
            world.input(id, upgrade("").as_bytes());
            world.take(id);
            id
        });
        world.peer(attacker).room = 0;
        let flood = unit.repeat(READ_BYTES_PER_TURN / unit.len());
        let mut served = 0;
        for round in 1..5 {
            if round == 1 {
                world.engine.handle_input(attacker, &flood);
            } else {
                assert_eq!(world.engine.poll_ready(), Some(attacker));
            }
            assert_eq!(world.engine.ready(), 1, "it is on the list, and once");
            assert_eq!(world.engine.intake(attacker), Intake::Pause, "it is not read while it has a rest");
            world.engine.handle_input(victim, &frames::text("please"));
            let events: Vec<ConnId> = std::iter::from_fn(|| world.engine.poll_event())
                .filter(|event| matches!(event, Event::Message { .. }))
                .map(|event| event.id())
                .collect();
            assert_eq!(events.iter().filter(|id| **id == victim).count(), 1);
            served += events.len() - 1;
            if unit[0] & 0x0f == PING {
                let queue = world.engine.output(attacker).unwrap();
                served = queue.len() / 2;
            }
            assert_eq!(served, round * FRAMES_PER_TURN, "round {round} of {unit:x?}");
        }
    }
}

#[test]
fn empty_fragments_are_counted_as_frames_of_a_turn() {
    let mut world = World::new(unpaced(), Box::new(NoAuth));
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    let flood = [frames::raw(TEXT, b""), frames::raw(CONTINUATION, b"").repeat(2000)].concat();
    world.engine.handle_input(id, &flood);
    let mut rounds = 1;
    while world.engine.poll_event().is_none() {
        assert_eq!(world.engine.poll_ready(), Some(id));
        rounds += 1;
    }
    // The fragment past the limit is the first of its round.
    assert_eq!(rounds, Limits::default().fragments / FRAMES_PER_TURN + 1);
}
