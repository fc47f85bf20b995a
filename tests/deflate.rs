//! permessage-deflate (RFC 7692) through the engine: what is agreed on, deflated messages in any cutting, limits to the
//! byte, contexts that are kept, broadcasts.
//!
//! Not here: offers and DEFLATE by themselves (`src/wire/deflate/tests.rs`), large messages among others
//! (`deflate/turns.rs`), real clients (`interop/`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "deflate/turns.rs"]
mod turns;

use barewire::auth::NoAuth;
use barewire::limits::{DEFLATE_OWN_BYTES, MESSAGE_BYTES_UNAUTHENTICATED, SEND_QUEUE_ENTRY_BYTES, TAKEOVER_BYTES};
use barewire::wire::deflate::DeflateConfig;
use barewire::{ConnId, EngineConfig, Event, Limits, Message, PreparedMessage};
use common::chance::Chance;
use common::deflate::{Client, OFFER, RSV1, deflate, fragments, inflate, message, prose};
use common::frames::{self, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, raw};
use common::{GOOD, World, unpaced, upgrade};

const ALONE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// A bare engine that lets everybody in and answers nothing.
fn world_of(deflate: DeflateConfig, limits: Limits) -> World {
    World::new(EngineConfig { deflate, limits, ..EngineConfig::default() }, Box::new(NoAuth))
}

fn world() -> World {
    world_of(DeflateConfig::default(), unpaced().limits)
}

/// Contexts are kept both ways.
fn takeover() -> DeflateConfig {
    DeflateConfig { server_context_takeover: true, client_context_takeover: true, ..DeflateConfig::default() }
}

fn open(world: &mut World, headers: &str) -> ConnId {
    let id = world.open_with(headers);
    world.events.clear();
    id
}

/// The messages that the host was told since the last call.
fn told(world: &mut World) -> Vec<Message> {
    let message = |event| if let Event::Message { message, .. } = event { Some(message) } else { None };
    world.events.drain(..).filter_map(message).collect()
}

fn text(payload: &[u8]) -> Message {
    Message::Text(String::from_utf8(payload.to_vec()).unwrap().into())
}

#[test]
fn offers_are_answered_in_the_101() {
    let takeover = takeover();
    let off = DeflateConfig { enabled: false, ..DeflateConfig::default() };
    let narrow = DeflateConfig { server_max_window_bits: 10, ..DeflateConfig::default() };
    let default = DeflateConfig::default();
    for (config, offers, answer) in [
        (&default, &["permessage-deflate"][..], Some(ALONE)),
        (&default, &["permessage-deflate; client_max_window_bits"], Some(ALONE)),
        (&default, &["foo, permessage-deflate; x, permessage-deflate"], Some(ALONE)),
        (
            &default,
            &["foo; a=\"b\"", "permessage-deflate; server_max_window_bits=8", "permessage-deflate"],
            Some(ALONE),
        ),
        (&default, &["permessage-deflate; server_max_window_bits=16"], None),
        (&default, &["foo"], None),
        (&default, &[], None),
        (&off, &["permessage-deflate"], None),
        (&takeover, &["permessage-deflate"], Some("permessage-deflate")),
        (&takeover, &["permessage-deflate; client_no_context_takeover; server_no_context_takeover"], Some(ALONE)),
        (
            &narrow,
            &["permessage-deflate; server_max_window_bits=12"],
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10",
            ),
        ),
        (&narrow, &["permessage-deflate"], Some(ALONE)),
    ] {
        let mut world = world_of(config.clone(), Limits::default());
        let id = world.connect();
        let lines = offers.iter().map(|offer| format!("Sec-WebSocket-Extensions: {offer}\r\n")).collect::<String>();
        world.input(id, upgrade(&lines).as_bytes());
        let head = world.text(id);
        let line = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        assert_eq!(line, answer, "{offers:?}");
        // Without an agreement RSV1 means nothing, and nothing is sent with it.
        assert!(world.engine.send(id, text(&prose(5000))));
        world.turn();
        assert_eq!(world.frames(id)[0].first & RSV1 != 0, answer.is_some());
        world.input(id, &message(TEXT, b"hello"));
        let end = world.frames(id).pop();
        assert_eq!(end.map(|end| end.close().0), if answer.is_some() { None } else { Some(1002) }, "{offers:?}");
    }
}

/// Deflated and plain messages of both kinds, whole and in fragments with control frames between them.
fn mixed() -> (Vec<u8>, Vec<Message>) {
    let (long, empty) = (prose(3000), deflate(b""));
    let mut stream = Vec::new();
    stream.extend(frame(TEXT, b"plain"));
    stream.extend(message(TEXT, &long));
    stream.extend(message(BINARY, &[0xff; 700]));
    stream.extend(frame(PING, b"between"));
    for part in fragments(TEXT, &deflate(&long), 97) {
        stream.extend(part);
        stream.extend(frame(PING, b"inside"));
    }
    stream.extend(raw(0x80 | RSV1 | TEXT, &empty));
    stream.extend(raw(RSV1 | BINARY, &deflate(b"a and b")));
    stream.extend(raw(0x80 | CONTINUATION, b""));
    stream.extend(frame(BINARY, b"plain again"));
    let messages = vec![
        text(b"plain"),
        text(&long),
        Message::Binary(vec![0xff; 700].into()),
        text(&long),
        text(b""),
        Message::Binary(b"a and b".to_vec().into()),
        Message::Binary(b"plain again".to_vec().into()),
    ];
    (stream, messages)
}

#[test]
fn deflated_messages_are_told_inflated_however_they_are_cut() {
    let (stream, messages) = mixed();
    let pings = fragments(TEXT, &deflate(&prose(3000)), 97).len() + 1;
    let check = |pieces: &[&[u8]], how: &str| {
        let mut world = world();
        let id = open(&mut world, OFFER);
        for piece in pieces {
            world.input(id, piece);
        }
        assert_eq!(told(&mut world), messages, "{how}");
        let pongs = world.frames(id);
        assert!(pongs.len() == pings && pongs.iter().all(|frame| frame.opcode == PONG), "{how}: {pongs:?}");
    };
    check(&[&stream], "whole");
    check(&stream.chunks(1).collect::<Vec<_>>(), "byte by byte");
    for cut in 1..stream.len() {
        let (head, tail) = stream.split_at(cut);
        check(&[head, tail], &format!("cut at {cut}"));
    }
    for seed in 0..20 {
        check(&Chance::new(seed).cut(&stream, 300), &format!("cut with seed {seed}"));
    }
}

#[test]
fn what_is_sent_is_deflated_from_the_configured_size_on() {
    let mut world = world();
    let id = open(&mut world, OFFER);
    let min = DeflateConfig::default().min_bytes;
    for (bytes, is_deflated) in [(0, false), (1, false), (min - 1, false), (min, true), (20_000, true), (300_000, true)]
    {
        let payload = prose(bytes);
        for (message, opcode) in [(text(&payload), TEXT), (Message::Binary(payload.clone().into()), BINARY)] {
            assert!(world.engine.send(id, message));
            world.turn();
            let [sent] = &world.frames(id)[..] else { panic!("one frame") };
            assert_eq!(sent.first, if is_deflated { 0x80 | RSV1 | opcode } else { 0x80 | opcode }, "{bytes} bytes");
            assert_eq!(Client::new(false).read(sent, bytes), payload);
            assert!(!is_deflated || sent.payload.len() < bytes / 2);
        }
    }
}

#[test]
fn what_does_not_get_smaller_is_sent_as_it_is() {
    let mut world = world();
    let id = open(&mut world, OFFER);
    for bytes in [600, 9000, 200_000] {
        let noise: Vec<u8> = {
            let mut chance = Chance::new(1);
            (0..bytes).map(|_| chance.below(256) as u8).collect()
        };
        assert!(world.engine.send(id, Message::Binary(noise.clone().into())));
        world.turn();
        let [sent] = &world.frames(id)[..] else { panic!("one frame") };
        assert_eq!((sent.first, &sent.payload), (0x80 | BINARY, &noise));
    }
}

#[test]
fn a_message_is_limited_by_what_it_inflates_to_to_the_byte() {
    let limits = Limits { message_bytes: 5000, ..unpaced().limits };
    for (payload, is_taken) in
        [(vec![b' '; 5000], true), (vec![b' '; 5001], false), (prose(5000), true), (prose(5001), false)]
    {
        let deflated = deflate(&payload);
        for stream in [raw(0x80 | RSV1 | TEXT, &deflated), fragments(TEXT, &deflated, 7).concat()] {
            for pieces in [vec![&stream[..]], stream.chunks(1).collect()] {
                let mut world = world_of(DeflateConfig::default(), limits.clone());
                let id = open(&mut world, OFFER);
                pieces.iter().for_each(|piece| world.input(id, piece));
                assert_eq!(told(&mut world), if is_taken { vec![text(&payload)] } else { vec![] });
                let code = world.close_code(id).map(|(code, _)| code);
                assert_eq!(code, (!is_taken).then_some(1009), "{} bytes", payload.len());
            }
        }
    }
    // What a compressor adds to noise does not count.
    let noise: Vec<u8> = {
        let mut chance = Chance::new(1);
        (0..5000).map(|_| chance.below(256) as u8).collect()
    };
    let mut world = world_of(DeflateConfig::default(), limits);
    let id = open(&mut world, OFFER);
    assert!(deflate(&noise).len() > 5000);
    world.input(id, &message(BINARY, &noise));
    assert_eq!(told(&mut world), [Message::Binary(noise.into())]);
}

#[test]
fn before_authentication_less_is_inflated() {
    for (bytes, code) in [(MESSAGE_BYTES_UNAUTHENTICATED, 1008), (MESSAGE_BYTES_UNAUTHENTICATED + 1, 1009)] {
        let mut world = World::daemon(unpaced());
        let id = world.open_with(OFFER);
        world.input(id, &message(TEXT, &vec![b' '; bytes]));
        assert_eq!(world.close_code(id).map(|(code, _)| code), Some(code), "{bytes} bytes");
    }
    let mut world = World::daemon(unpaced());
    let id = world.open_with(OFFER);
    world.input(id, &message(TEXT, br#"{"type":"auth","token":"Basic dXNlcjpwYXNz"}"#));
    assert_eq!(world.messages(id)[0], r#"{"type":"auth_success"}"#);
}

#[test]
fn each_fault_of_a_deflated_message_has_its_code() {
    let good = deflate(&prose(500));
    let started = raw(RSV1 | TEXT, &good[..10]);
    let cases = [
        ("no DEFLATE", 1002, raw(0xc1, b"\x07")),
        ("a cut", 1002, raw(0xc1, &good[..good.len() / 2])),
        (
            "a reference to the message before",
            1002,
            [message(TEXT, b"Hello"), raw(0xc1, b"\xf2\x00\x11\x00\x00")].concat(),
        ),
        ("text that is no UTF-8", 1007, message(TEXT, b"gr\xfcn")),
        ("text cut inside a character", 1007, message(TEXT, b"gr\xc3")),
        ("RSV1 on a continuation", 1002, [started.clone(), raw(0xc0, &good[10..])].concat()),
        ("RSV1 on a plain message's continuation", 1002, [raw(TEXT, b"a"), raw(0xc0, b"b")].concat()),
        ("RSV1 on a ping", 1002, raw(0xc9, b"")),
        ("RSV1 on a pong", 1002, raw(0xca, b"")),
        ("RSV1 on a Close", 1002, raw(0xc8, b"\x03\xe8")),
        ("RSV2 beside it", 1002, raw(0xe1, &good)),
        ("RSV3 beside it", 1002, raw(0xd1, &good)),
        ("an unknown opcode with it", 1002, raw(0xc3, &good)),
        ("another message inside", 1002, [started.clone(), message(TEXT, b"x")].concat()),
        ("a plain message inside", 1002, [started, frame(TEXT, b"x")].concat()),
        ("a mask missing", 1002, [&[0xc1, good.len() as u8][..], &good].concat()),
    ];
    for (name, code, bytes) in cases {
        let outcome = |pieces: &[&[u8]]| {
            let mut world = World::daemon(unpaced());
            let id = world.open_with(&format!("{GOOD}{OFFER}"));
            pieces.iter().for_each(|piece| world.input(id, piece));
            let close = world.frames(id).pop().unwrap();
            assert_eq!(close.opcode, CLOSE, "{name}");
            world.see_through(id);
            close.close().0
        };
        assert_eq!(outcome(&[&bytes]), code, "{name}");
        assert_eq!(outcome(&bytes.chunks(1).collect::<Vec<_>>()), code, "{name}, byte by byte");
        for cut in 1..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(outcome(&[head, tail]), code, "{name}, cut at {cut}");
        }
    }
}

// --- contexts that are kept ---

#[test]
fn contexts_are_kept_both_ways_where_agreed() {
    let mut world = world_of(takeover(), unpaced().limits);
    let id = open(&mut world, OFFER);
    let mut client = Client::new(true);
    let mut lengths = Vec::new();
    for round in 0..4 {
        let payload = [&prose(900)[..], format!("{round}").as_bytes()].concat();
        let stream = raw(0x80 | RSV1 | TEXT, &client.deflate(&payload));
        assert!(round == 0 || stream.len() < 60, "the client refers to its last message");
        stream.chunks(3).for_each(|piece| world.input(id, piece));
        let messages = told(&mut world);
        assert_eq!(messages, [text(&payload)]);
        // A plain one between them changes no context (RFC 7692, section 7.2.3.2).
        assert!(world.engine.send(id, text(b"plain")) && world.engine.send(id, messages[0].clone()));
        world.turn();
        let frames = world.frames(id);
        assert_eq!(client.read(&frames[0], 5), b"plain");
        assert_eq!(client.read(&frames[1], 1000), payload);
        lengths.push(frames[1].payload.len());
    }
    assert!(lengths[1..].iter().all(|length| length * 5 < lengths[0]), "{lengths:?}");
}

/// Large ones are deflated apart, so that the session's own compressor has not seen them.
#[test]
fn what_is_large_between_kept_contexts_can_be_read_and_what_is_behind_it() {
    let sizes =
        [900, DEFLATE_OWN_BYTES, DEFLATE_OWN_BYTES + 1, 900, 100_000, 900, 900, 700, DEFLATE_OWN_BYTES + 1, 900];
    let ways: [fn(usize) -> bool; 4] = [|_| true, |_| false, |round| round % 2 == 0, |round| round % 3 == 0];
    for is_broadcast in ways {
        let mut world = world_of(takeover(), unpaced().limits);
        let id = open(&mut world, OFFER);
        let mut client = Client::new(true);
        for (round, bytes) in sizes.into_iter().enumerate() {
            let payload = prose(bytes);
            if is_broadcast(round) {
                let prepared = PreparedMessage::text(std::str::from_utf8(&payload).unwrap());
                assert_eq!(world.engine.publish_to_all(&prepared, None).queued, 1);
            } else {
                assert!(world.engine.send(id, text(&payload)));
            }
            world.turn();
            let [sent] = &world.frames(id)[..] else { panic!("one frame") };
            assert!(sent.first & RSV1 != 0);
            assert_eq!(client.read(sent, bytes), payload, "round {round}");
        }
    }
}

#[test]
fn no_more_sessions_than_configured_keep_a_context() {
    let mut world = world_of(DeflateConfig { takeover_sessions: 2, ..takeover() }, unpaced().limits);
    let answer = |world: &mut World| {
        let id = world.connect();
        world.input(id, upgrade(OFFER).as_bytes());
        (id, world.text(id).contains("; server_no_context_takeover; client_no_context_takeover"))
    };
    let (first, is_alone) = answer(&mut world);
    assert!(!is_alone);
    assert!(!answer(&mut world).1);
    assert!(answer(&mut world).1 && answer(&mut world).1, "the third and the fourth do without");
    world.input(first, &frames::close(1000, ""));
    assert!(!answer(&mut world).1, "one that has left makes room");
    assert!(answer(&mut world).1);
}

/// Contexts stay while a session is idle: they must not be what others are told 503 for.
#[test]
fn contexts_are_kept_until_half_of_the_memory_is_held_and_no_more() {
    let limits = Limits { max_memory: 4 << 20, ..unpaced().limits };
    let mut world = world_of(takeover(), limits);
    let mut kept = 0;
    for _ in 0..100 {
        let before = world.engine.memory();
        let id = world.connect();
        world.input(id, upgrade(OFFER).as_bytes());
        let answer = world.text(id);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        let takes_over = !answer.contains("no_context_takeover");
        let accepted = world.engine.memory() - before;
        // What the connection itself weighs is held when it is looked at.
        let connection = if takes_over { accepted - TAKEOVER_BYTES } else { accepted };
        assert_eq!(takes_over, before + connection + TAKEOVER_BYTES <= 2 << 20, "{before} were held");
        kept += usize::from(takes_over);
    }
    assert_eq!(kept, 4);
}

#[test]
fn contexts_are_in_the_account_as_long_as_they_may_be_used() {
    for (config, bytes) in [
        (DeflateConfig::default(), 0),
        (DeflateConfig { client_context_takeover: false, ..takeover() }, (252 << 10) + (4 << 15)),
        (
            DeflateConfig { server_max_window_bits: 9, client_context_takeover: false, ..takeover() },
            (252 << 10) + (4 << 9),
        ),
        (DeflateConfig { server_context_takeover: false, ..takeover() }, 48 << 10),
        (takeover(), (252 << 10) + (4 << 15) + (48 << 10)),
    ] {
        let mut world = world_of(config, unpaced().limits);
        let plain = open(&mut world, "");
        let before = world.engine.memory();
        let id = open(&mut world, OFFER);
        assert_eq!(world.engine.memory() - before, before + bytes);
        world.input(id, &message(TEXT, &prose(1000)));
        assert_eq!(world.engine.memory() - before, before + bytes);
        world.engine.close(id, 1000, "");
        assert_eq!(world.engine.memory(), before * 2 + world.engine.output(id).map_or(0, |queue| queue.cost()));
        world.end(id);
        world.end(plain);
        assert_eq!(world.engine.memory(), 0);
    }
}

// --- broadcasts ---

#[test]
fn a_broadcast_is_deflated_once_for_each_window_and_shared() {
    let mut world = world();
    let windows = ["", "; server_max_window_bits=9", "; server_max_window_bits=12", "; server_max_window_bits=15"];
    let offer = |window| format!("Sec-WebSocket-Extensions: permessage-deflate{window}\r\n");
    let receivers: Vec<ConnId> = (0..12).map(|i| open(&mut world, &offer(windows[i % 4]))).collect();
    let plain: Vec<ConnId> = (0..3).map(|_| open(&mut world, "")).collect();
    let payload = prose(30_000);
    let before = world.engine.memory();
    let all: Vec<ConnId> = receivers.iter().chain(&plain).copied().collect();
    all.iter().for_each(|id| world.peer(*id).room = 0);
    let published = world.engine.publish_to_all(&PreparedMessage::text(std::str::from_utf8(&payload).unwrap()), None);
    assert_eq!((published.matched, published.queued), (15, 15));
    world.turn();
    let held = world.engine.memory() - before;
    all.iter().for_each(|id| world.make_room(*id, usize::MAX));
    let sent: Vec<Vec<u8>> = all.iter().map(|id| world.take(*id)).collect();
    for (i, bytes) in sent.iter().enumerate() {
        let [frame] = &frames::decode(bytes)[..] else { panic!("one frame") };
        assert_eq!(frame.first & RSV1 != 0, i < 12);
        assert_eq!(Client::new(false).read(frame, 30_000), payload);
    }
    // The widest window is that of two offers.
    assert_eq!(sent[0], sent[3]);
    let distinct: std::collections::BTreeSet<&Vec<u8>> = sent.iter().collect();
    assert_eq!(distinct.len(), 4, "windows of 9, 12 and 15 bits, and plain");
    let frames: usize = distinct.iter().map(|bytes| bytes.len()).sum();
    assert_eq!(held, frames + all.len() * SEND_QUEUE_ENTRY_BYTES, "each frame is in memory once");
}

#[test]
fn a_broadcast_that_gains_nothing_is_one_frame_for_all() {
    let mut world = world();
    let ids = [open(&mut world, OFFER), open(&mut world, "")];
    for payload in [prose(100), {
        let mut chance = Chance::new(1);
        (0..9000).map(|_| chance.below(256) as u8).collect()
    }] {
        world.engine.publish_to_all(&PreparedMessage::binary(&payload), None);
        world.turn();
        for id in ids {
            assert_eq!(world.frames(id)[0].payload, payload);
        }
    }
}

#[test]
fn the_daemon_deflates_what_it_passes_on() {
    let mut world = World::daemon(unpaced());
    let (anna, other) = (world.open_with(&format!("{GOOD}{OFFER}")), world.open());
    let chat = format!(r#"{{"type":"chat","payload":"{}"}}"#, "barewire ".repeat(200));
    world.input(anna, &message(TEXT, chat.as_bytes()));
    let [frame] = &world.frames(anna)[..] else { panic!("one frame") };
    assert!(frame.first == 0xc1 && frame.payload.len() < 200);
    assert_eq!(inflate(&frame.payload, 3000), world.frames(other)[0].payload);
}
