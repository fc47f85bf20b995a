//! Frames that break the protocol, in every way of the table and however they are delivered; and odd ones that
//! do not.
//!
//! Not here: the table itself (`common/malformed.rs`), good closes (`closing.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;

use common::chance::Chance;
use common::ending::{FRAGMENTS, MESSAGE_BYTES, small};
use common::frames::{self, CLOSE, CONTINUATION, Frame, TEXT};
use common::{World, malformed};

/// Sends it in pieces; returns the code that came back, how many messages came before, and the kind of ending.
fn outcome(pieces: &[&[u8]]) -> (u16, usize, String) {
    let mut world = World::daemon(small());
    let id = world.open();
    for piece in pieces {
        world.input(id, piece);
    }
    let frames = world.frames(id);
    let (last, before) = frames.split_last().expect("a Close");
    assert_eq!(last.opcode, CLOSE);
    let answers = before.iter().filter(|frame| frame.opcode == TEXT).count();
    let ending = world.ending(id).expect("an end").split([' ', '(']).next().unwrap().to_owned();
    assert_eq!(world.story(id).iter().filter(|kind| **kind == "Closed").count(), 1);
    world.see_through(id);
    (last.close().0, answers, ending)
}

#[test]
fn every_malformed_frame_earns_its_code_however_it_is_delivered() {
    let table = malformed::table(MESSAGE_BYTES, FRAGMENTS);
    assert!(table.len() >= 34);
    for case in &table {
        let whole = outcome(&[&case.bytes]);
        assert_eq!(whole.0, case.code, "{}", case.name);
        let bytewise: Vec<&[u8]> = case.bytes.chunks(1).collect();
        assert_eq!(outcome(&bytewise), whole, "{}, byte by byte", case.name);
        for seed in 0..4 {
            let pieces = Chance::new(seed).cut(&case.bytes, 1 + case.bytes.len() / 2);
            assert_eq!(outcome(&pieces), whole, "{}, cut with seed {seed}", case.name);
        }
    }
}

#[test]
fn messages_before_a_malformed_frame_are_answered_first() {
    let ping = frames::text(r#"{"type":"ping"}"#);
    for case in malformed::table(MESSAGE_BYTES, FRAGMENTS) {
        let alone = outcome(&[&case.bytes]);
        for count in [1, 3, 64, 70] {
            let stream = [ping.repeat(count), case.bytes.clone()].concat();
            let wanted = (case.code, count + alone.1, alone.2.clone());
            assert_eq!(outcome(&[&stream]), wanted, "{} behind {count} messages", case.name);
            let mut chance = Chance::new(count as u64);
            assert_eq!(outcome(&chance.cut(&stream, 40)), wanted, "{} behind {count} messages, cut", case.name);
        }
    }
}

#[test]
fn nothing_behind_a_malformed_frame_is_looked_at() {
    let mut world = World::daemon(small());
    let id = world.open();
    let ping = frames::text(r#"{"type":"ping"}"#);
    world.input(id, &[frames::frame(TEXT, b"\xff"), ping.clone(), frames::close(1000, "")].concat());
    world.input(id, &ping);
    assert_eq!(world.frames(id).iter().map(Frame::close).collect::<Vec<_>>(), [(1007, "Invalid UTF-8".into())]);
    world.see_through(id);
}

#[test]
fn text_is_valid_wherever_its_characters_are_cut() {
    let text = r#"{"type":"ping","payload":"é€🦀é€🦀"}"#;
    for first in 0..=text.len() {
        for second in [first, usize::midpoint(first, text.len()), text.len()] {
            let bytes = text.as_bytes();
            let fragments = [
                frames::raw(TEXT, &bytes[..first]),
                frames::raw(CONTINUATION, &bytes[first..second]),
                frames::frame(CONTINUATION, &bytes[second..]),
            ];
            let mut world = World::daemon(small());
            let id = world.open();
            world.input(id, &fragments.concat());
            let messages = world.messages(id);
            assert!(messages.len() == 1 && messages[0].contains("é€🦀é€🦀"), "{first} {second} {messages:?}");
        }
    }
}

#[test]
fn lengths_may_be_longer_than_they_need_be() {
    let payload = br#"{"type":"ping"}"#;
    let length = payload.len() as u8;
    for header in [vec![0x81, 0xfe, 0, length], vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, length]] {
        let mut world = World::daemon(small());
        let id = world.open();
        // A mask of zeroes is a mask.
        world.input(id, &[&header[..], &[0; 4], payload].concat());
        assert_eq!(world.messages(id).len(), 1);
    }
}
