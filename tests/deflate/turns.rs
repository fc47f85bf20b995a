//! Large deflated messages, which are inflated step by step: in order, in turn, and never at the cost of others.
//!
//! Not here: what is inflated at once (`deflate.rs`).

use barewire::engine::Intake;
use barewire::limits::{
    DEFLATE_BYTES_PER_TURN, DEFLATE_LARGE_BYTES, DEFLATE_LARGE_PART, FRAMES_PER_TURN, INFLATE_INPUT_PER_STEP,
    INFLATIONS_PER_TURN, READ_BYTES_PER_TURN, READ_BYTES_PER_TURN_BULK,
};
use barewire::{EngineConfig, Limits, PreparedMessage};

use super::common::deflate::{Client, OFFER, RSV1, deflate, message, prose};
use super::common::frames::{self, BINARY, PING, TEXT, frame, raw};
use super::common::pending::Pending;
use super::common::{GOOD, World, unpaced};
use super::{open, told, world};
use barewire::{ConnId, Event, Message};

const KIB: usize = 1024;

/// A message of so many bytes of nothing: a few hundred bytes on the wire.
fn bomb(bytes: usize) -> Vec<u8> {
    message(BINARY, &vec![0; bytes])
}

/// Hands it to the engine without a turn.
fn bring(world: &mut World, id: ConnId, bytes: &[u8]) {
    assert!(matches!(world.engine.intake(id), Intake::Read(limit) if limit >= bytes.len()));
    world.engine.handle_input(id, bytes);
    world.answer();
}

/// One turn as far as what is left over is concerned; returns how many messages the host was told.
fn leftovers(world: &mut World) -> usize {
    world.engine.handle_now(world.now);
    for _ in 0..world.engine.ready() {
        world.engine.poll_ready();
        world.answer();
    }
    world.engine.check_invariants();
    told(world).len()
}

#[test]
fn a_session_has_its_share_inflated_at_once_and_the_rest_turn_by_turn() {
    for (bytes, turns) in [
        (1, 0),
        (READ_BYTES_PER_TURN - 1, 0),
        (READ_BYTES_PER_TURN + KIB, 1),
        (READ_BYTES_PER_TURN + READ_BYTES_PER_TURN_BULK / 2, 1),
        (1024 * KIB, 3),
    ] {
        let mut world = world();
        let id = open(&mut world, OFFER);
        bring(&mut world, id, &bomb(bytes));
        let mut count = 0;
        while told(&mut world).is_empty() {
            assert_eq!(world.engine.intake(id), Intake::Pause, "nothing is read meanwhile");
            count += 1;
            world.engine.handle_now(world.now);
            world.engine.poll_ready();
            world.answer();
        }
        assert!(count <= turns + 1 && count >= turns, "{bytes} bytes in {count} turns");
    }
}

#[test]
fn small_ones_share_a_turn_until_its_share_is_spent() {
    let mut world = world();
    let id = open(&mut world, OFFER);
    let one = message(BINARY, &[0; 1000]);
    bring(&mut world, id, &one.repeat(40));
    assert_eq!(told(&mut world).len(), READ_BYTES_PER_TURN.div_ceil(1000), "as many as fill the share");
    assert_eq!(leftovers(&mut world), READ_BYTES_PER_TURN.div_ceil(1000));
    assert_eq!(leftovers(&mut world), 40 - 2 * READ_BYTES_PER_TURN.div_ceil(1000));
    // Frames count too, whatever they inflate to, and pings between them.
    let pair = [message(BINARY, b"x"), frame(PING, b"")].concat();
    bring(&mut world, id, &pair.repeat(100));
    assert_eq!(told(&mut world).len(), 32);
    assert_eq!(leftovers(&mut world), 32);
}

#[test]
fn large_ones_of_all_sessions_share_what_a_turn_may_spend() {
    let mut world = world();
    let senders: Vec<ConnId> = (0..3 * INFLATIONS_PER_TURN).map(|_| open(&mut world, OFFER)).collect();
    let bystander = open(&mut world, OFFER);
    for id in &senders {
        bring(&mut world, *id, &bomb(100 * KIB));
    }
    for _ in 0..3 {
        bring(&mut world, bystander, &message(TEXT, b"small"));
        let messages = told(&mut world);
        assert_eq!(messages, [Message::Text("small".into())], "who sends little is served at once");
        assert_eq!(leftovers(&mut world), INFLATIONS_PER_TURN);
    }
    assert_eq!(leftovers(&mut world), 0);
    assert_eq!(world.engine.ready(), 0);
}

#[test]
fn what_stands_behind_a_large_one_waits_for_it() {
    let mut world = world();
    let id = open(&mut world, OFFER);
    let large = prose(200 * KIB);
    let stream =
        [message(TEXT, &large), frame(TEXT, b"behind"), frame(PING, b""), bomb(50 * KIB), frames::close(1000, "")];
    let stream = stream.concat();
    let expected = [super::text(&large), super::text(b"behind"), Message::Binary(vec![0; 50 * KIB].into())];
    for pieces in [vec![&stream[..]], stream.chunks(1000).collect()] {
        let mut world = super::world();
        let id = open(&mut world, OFFER);
        pieces.iter().for_each(|piece| world.input(id, piece));
        let kinds: Vec<&str> = world
            .events
            .iter()
            .map(|event| if matches!(event, Event::Closed { .. }) { "closed" } else { "" })
            .collect();
        assert_eq!(kinds, ["", "", "", "closed"]);
        assert_eq!(told(&mut world), expected);
    }
    // The end of the stream too.
    world.input(id, &message(TEXT, &large));
    world.end(id);
    assert_eq!(told(&mut world), [super::text(&large)]);
}

#[test]
fn a_large_one_that_cannot_be_inflated_ends_only_its_sender() {
    for (bytes, code) in [
        (raw(0x80 | RSV1 | TEXT, &deflate(&[&vec![b' '; 100 * KIB][..], b"\xff"].concat())), 1007),
        (bomb(1024 * KIB + 1), 1009),
        (raw(0x80 | RSV1 | BINARY, &[&deflate(&vec![0; 100 * KIB])[..], b"\x07"].concat()), 1002),
    ] {
        let mut world = world();
        let (id, other) = (open(&mut world, OFFER), open(&mut world, OFFER));
        world.input(id, &bytes);
        assert_eq!(world.close_code(id).map(|(code, _)| code), Some(code));
        assert!(told(&mut world).is_empty());
        world.input(other, &bomb(100 * KIB));
        assert_eq!(told(&mut world).len(), 1);
    }
}

#[test]
fn a_session_that_goes_while_it_is_inflated_leaves_nothing_behind() {
    type Way = fn(&mut World, ConnId);
    let ways: [Way; 4] = [
        |world, id| world.engine.close(id, 1000, ""),
        |world, id| world.engine.handle_error(id, barewire::CloseReason::PeerVanished),
        |world, _| world.engine.drop_all(),
        |world, _| world.engine.shut_down(std::time::Duration::ZERO),
    ];
    for go in ways {
        let mut world = world();
        let id = open(&mut world, OFFER);
        let before = world.engine.memory();
        bring(&mut world, id, &bomb(1024 * KIB));
        assert!(world.engine.memory() - before > 48 * KIB, "what inflating takes is in the account");
        go(&mut world, id);
        world.turn();
        assert!(world.engine.memory() <= before + KIB, "and out of it at once");
        world.end(id);
        assert!(told(&mut world).is_empty());
        world.assert_at_rest();
        assert_eq!(world.engine.memory(), 0);
    }
}

#[test]
fn what_is_inflated_behind_an_auth_waits_for_the_verdict() {
    let pending = Pending::default();
    let mut world = World::new(unpaced(), Box::new(pending.clone()));
    let id = world.connect();
    world.input(id, super::upgrade(&format!("{GOOD}{OFFER}")).as_bytes());
    pending.accept(&mut world, "user");
    world.events.clear();
    let stream = [frame(TEXT, b"renew"), bomb(100 * KIB)].concat();
    world.engine.handle_input(id, &stream);
    while let Some(event) = world.engine.poll_event() {
        if matches!(&event, Event::Message { .. }) {
            world.engine.renew(id, "token");
        }
    }
    for _ in 0..10 {
        world.turn();
    }
    assert!(told(&mut world).is_empty(), "not before the verdict");
    pending.accept(&mut world, "user");
    assert_eq!(told(&mut world).len(), 1);
}

#[test]
fn blocks_that_say_nothing_cost_their_sender_turns() {
    let mut world = world();
    let id = open(&mut world, OFFER);
    // Four empty blocks of fixed codes in five bytes.
    let empty = b"\x02\x08\x20\x80\x00".repeat(12 * INFLATE_INPUT_PER_STEP / 5);
    let stream = raw(0x80 | RSV1 | BINARY, &[&empty[..], b"\x00"].concat());
    for piece in stream.chunks(READ_BYTES_PER_TURN) {
        world.engine.handle_input(id, piece);
        world.answer();
    }
    let mut turns = 0;
    while told(&mut world).is_empty() {
        world.engine.handle_now(world.now);
        world.engine.poll_ready();
        world.answer();
        turns += 1;
        assert!(turns < 100);
    }
    assert!((11..=13).contains(&turns), "{turns} turns");
}

#[test]
fn behind_our_close_deflated_messages_are_dropped_and_the_peers_close_is_found() {
    let mut world = world();
    let id = open(&mut world, OFFER);
    world.engine.close(id, 1000, "bye");
    world.turn();
    let stream = [bomb(100 * KIB), frame(TEXT, b"plain"), message(TEXT, b"x"), frames::close(1000, "")].concat();
    for byte in stream.chunks(1) {
        world.input(id, byte);
    }
    assert!(told(&mut world).is_empty());
    world.see_through(id);
}

/// How many of the frames that it was sent are deflated, and how many there are.
fn deflated(world: &mut World, id: ConnId) -> (usize, usize) {
    let frames = frames::decode(&world.take(id));
    (frames.iter().filter(|frame| frame.first & RSV1 != 0).count(), frames.len())
}

#[test]
fn what_is_deflated_in_one_turn_is_bounded_for_all_together_and_the_rest_goes_as_it_is() {
    for (bytes, cost) in [
        (DEFLATE_LARGE_BYTES / 2, DEFLATE_LARGE_BYTES / 2),
        (DEFLATE_LARGE_BYTES, DEFLATE_LARGE_BYTES),
        (DEFLATE_LARGE_BYTES + DEFLATE_LARGE_PART, DEFLATE_LARGE_BYTES / DEFLATE_LARGE_PART + 1),
    ] {
        let most = DEFLATE_BYTES_PER_TURN.div_ceil(cost);
        let mut world = world();
        let ids = [open(&mut world, OFFER), open(&mut world, OFFER)];
        for _ in 0..2 {
            world.engine.handle_now(world.now);
            for i in 0..most + 2 {
                assert!(world.engine.send(ids[i % 2], super::text(&prose(bytes))));
            }
            world.turn();
            let sent = ids.map(|id| deflated(&mut world, id));
            assert_eq!(sent[0].0 + sent[1].0, most, "{bytes} bytes each");
            assert_eq!(sent[0].1 + sent[1].1, most + 2);
        }
    }
}

#[test]
fn a_large_broadcast_is_deflated_for_one_window_in_a_turn() {
    let mut world = world();
    let offer =
        |bits: usize| format!("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits={bits}\r\n");
    let ids: Vec<ConnId> = (9..=15).map(|bits| open(&mut world, &offer(bits))).collect();
    let payload = prose(1000 * KIB);
    world.engine.handle_now(world.now);
    world.engine.publish_to_all(&PreparedMessage::binary(&payload), None);
    world.turn();
    for (i, id) in ids.into_iter().enumerate() {
        let bytes = world.take(id);
        let [frame] = &frames::decode(&bytes)[..] else { panic!("one frame") };
        assert_eq!(frame.first & RSV1 != 0, i == 0, "it alone has used up the turn");
        assert_eq!(Client::new(false).read(frame, payload.len()), payload);
    }
}

#[test]
fn small_messages_that_cost_much_to_read_count_by_their_input() {
    let mut world = world();
    let id = open(&mut world, OFFER);
    // Blocks that say nothing.
    let costly = [&b"\x02\x08\x20\x80\x00".repeat(INFLATE_INPUT_PER_STEP / 8 / 5)[..], b"\x00"].concat();
    let stream = raw(0x80 | RSV1 | BINARY, &costly).repeat(20);
    bring(&mut world, id, &stream);
    let mut counts = vec![told(&mut world).len()];
    while counts.iter().sum::<usize>() < 20 {
        counts.push(leftovers(&mut world));
        assert!(counts.len() < 10, "{counts:?}");
    }
    assert!(counts.iter().all(|count| *count < 9), "no more than a step takes in: {counts:?}");
}

#[test]
fn messages_that_many_begin_at_once_wait_while_the_ceiling_of_memory_is_passed() {
    const CEILING: usize = 1024 * KIB;
    let limits = Limits { max_memory: CEILING, messages_per_window: 0, ..Limits::default() };
    let mut world = World::new(EngineConfig { limits, ..unpaced() }, Box::new(barewire::auth::NoAuth));
    let ids: Vec<ConnId> = (0..200).map(|_| open(&mut world, OFFER)).collect();
    // So many small ones that the large one behind them is left over.
    let stream = [frame(TEXT, b"x").repeat(FRAMES_PER_TURN), bomb(200 * KIB)].concat();
    for id in &ids {
        bring(&mut world, *id, &stream);
    }
    for _ in 0..1000 {
        world.engine.handle_now(world.now);
        for _ in 0..world.engine.ready() {
            world.engine.poll_ready();
            world.answer();
            let held = world.engine.memory();
            assert!(held <= CEILING + INFLATIONS_PER_TURN * READ_BYTES_PER_TURN_BULK, "{held}");
        }
        world.flush();
    }
    assert_eq!(world.engine.ready(), 0, "all have been served or closed");
}

#[test]
fn a_pause_in_the_middle_of_a_large_one_holds_it_up_and_nobody_else() {
    let mut world = world();
    let (id, other) = (open(&mut world, OFFER), open(&mut world, OFFER));
    bring(&mut world, id, &[bomb(1024 * KIB), message(TEXT, b"behind it")].concat());
    assert!(told(&mut world).is_empty());
    assert!(world.engine.pause(id));
    // That this comes to rest says that nothing spins.
    world.turn();
    world.input(other, &message(TEXT, b"of another"));
    world.input(other, &bomb(1024 * KIB));
    assert_eq!(told(&mut world).iter().map(Message::len).collect::<Vec<_>>(), [10, 1024 * KIB]);
    assert!(world.engine.resume(id));
    world.turn();
    assert_eq!(told(&mut world).iter().map(Message::len).collect::<Vec<_>>(), [1024 * KIB, 9]);
}
