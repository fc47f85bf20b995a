//! Messages through a compressor and a decompressor, whole, broken and too large.
//!
//! Not here: offers and answers (`tests/negotiation.rs`), deflated messages among frames (`wire/websocket/tests.rs`), a
//! session's (`tests/deflate.rs`).

use super::*;
use crate::error::CloseReason;
use crate::limits::{
    DEFLATE_LARGE_BYTES, DEFLATE_PROBE_BYTES, INFLATE_INPUT_PER_STEP, INFLATE_INPUT_WEIGHT, READ_BYTES_PER_TURN_BULK,
};
use crate::wire::websocket::{Bytes, Kind, Message, deflated_bound};

mod negotiation;

/// Text that compresses, but not too well.
fn prose(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut text = Vec::new();
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text.extend_from_slice(format!("{{\"n\":{},\"word\":\"barewire\"}},", state >> 48).as_bytes());
    }
    text.truncate(bytes);
    text
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..bytes).map(step).collect()
}

/// Inflates in steps of so many bytes, into a buffer that has this room.
fn inflate_into(
    decompressor: &mut Decompressor,
    payload: &[u8],
    at_most: usize,
    (step, room): (usize, usize),
) -> Result<Vec<u8>, CloseReason> {
    let buffer = Vec::with_capacity(room);
    let mut inflation = Inflation::new(Kind::Binary, Bytes::copy_from_slice(payload), at_most, buffer);
    while !inflation.step(decompressor, step)? {
        assert!(inflation.weight() <= payload.len() + room.max(at_most + 1), "no more room than the limit asks for");
    }
    inflation.finish().0.map(|message| message.into_payload().to_vec())
}

fn inflate_in(
    decompressor: &mut Decompressor,
    payload: &[u8],
    at_most: usize,
    step: usize,
) -> Result<Vec<u8>, CloseReason> {
    inflate_into(decompressor, payload, at_most, (step, 0))
}

fn inflate(payload: &[u8], at_most: usize) -> Result<Vec<u8>, CloseReason> {
    let whole = inflate_in(&mut Decompressor::new(false), payload, at_most, usize::MAX / 2);
    for step_and_room in [(1, 0), (1, 3), (1000, 0), (1, 100), (1000, 5000)] {
        assert_eq!(inflate_into(&mut Decompressor::new(false), payload, at_most, step_and_room), whole);
    }
    whole
}

fn deflate(payload: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    Compressor::new(6, 15).compress_alone(payload, &mut out).then_some(out)
}

#[test]
fn what_is_deflated_inflates_at_every_level_and_window() {
    for bytes in [1, 100, 5_000, DEFLATE_LARGE_BYTES, DEFLATE_LARGE_BYTES + 1, DEFLATE_PROBE_BYTES + 1, 300_000] {
        let payload = prose(bytes);
        for level in 1..=9 {
            for window_bits in WINDOW_BITS {
                let mut out = b"before".to_vec();
                let mut compressor = Compressor::new(level, window_bits);
                for _ in 0..2 {
                    let is_smaller = compressor.compress_alone(&payload, &mut out);
                    assert_eq!(is_smaller, bytes > 1, "{bytes} bytes at level {level}, window {window_bits}");
                    assert!(out.starts_with(b"before"));
                    if is_smaller {
                        let inflated = inflate_in(&mut Decompressor::new(false), &out[6..], bytes, 10_000);
                        assert!(
                            inflated == Ok(payload.clone()),
                            "{bytes} bytes at level {level}, window {window_bits}"
                        );
                    }
                    out.truncate(6);
                }
            }
        }
    }
}

#[test]
fn a_message_above_the_size_of_a_large_one_is_deflated_at_level_one() {
    let deflated = |level, bytes| {
        let mut out = Vec::new();
        assert!(Compressor::new(level, 15).compress_alone(&prose(bytes), &mut out));
        out
    };
    for level in [6, 9] {
        assert_ne!(deflated(level, DEFLATE_LARGE_BYTES), deflated(1, DEFLATE_LARGE_BYTES), "level {level}");
        assert_eq!(deflated(level, DEFLATE_LARGE_BYTES + 1), deflated(1, DEFLATE_LARGE_BYTES + 1), "level {level}");
    }
    // Nor does a compressor stay there.
    let mut compressor = Compressor::new(9, 15);
    for bytes in [DEFLATE_LARGE_BYTES + 1, DEFLATE_LARGE_BYTES] {
        let mut out = Vec::new();
        assert!(compressor.compress_alone(&prose(bytes), &mut out));
        assert!(out == deflated(9, bytes), "{bytes} bytes");
    }
}

#[test]
fn what_does_not_get_smaller_is_left_as_it_is() {
    for bytes in [1, 20, 1000, DEFLATE_PROBE_BYTES, 4 * DEFLATE_PROBE_BYTES] {
        assert_eq!(deflate(&noise(bytes)), None, "{bytes} bytes of noise");
    }
    assert!(
        deflate(&[&noise(DEFLATE_PROBE_BYTES)[..], &[b' '; 4 * DEFLATE_PROBE_BYTES]].concat()).is_none(),
        "by the probe"
    );
}

/// One compressor for many messages, as the loop has it: what became of one must not show in the next.
#[test]
fn messages_of_every_kind_one_after_another_inflate_or_are_left() {
    let noise = noise(400_000);
    let prose = prose(400_000);
    for (level, window_bits) in [(1, 15), (6, 9), (6, 15), (9, 12)] {
        let mut compressor = Compressor::new(level, window_bits);
        let mut decompressor = Decompressor::new(false);
        for round in 0..400_usize {
            let bytes = [1, 17, 600, 3000, 9000, 17_000, 70_000, 200_000][round * 7 % 8] + round * 13 % 500;
            let start = round * 397 % 1000;
            let (quiet, loud) = (&prose[start..start + bytes], &noise[start..start + bytes]);
            let payload = match round % 5 {
                0 => loud.to_vec(),
                1 => [&quiet[..bytes / 2], &loud[bytes / 2..]].concat(),
                2 => [&loud[..bytes / 2], &quiet[bytes / 2..]].concat(),
                3 => vec![b'x'; bytes],
                _ => quiet.to_vec(),
            };
            let mut out = Vec::new();
            if compressor.compress_alone(&payload, &mut out) {
                assert!(out.len() < payload.len());
                let inflated = inflate_in(&mut decompressor, &out, bytes, 1 << 20);
                assert!(inflated == Ok(payload), "level {level}, window {window_bits}, round {round}");
            }
        }
    }
}

/// The same noise twice, a window apart: only a larger window finds it again.
#[test]
fn no_reference_goes_further_back_than_the_window() {
    for window_bits in WINDOW_BITS {
        let far = 1 << window_bits;
        let payload = [&noise(200)[..], &prose(far), &noise(200)].concat();
        let mut out = Vec::new();
        assert!(Compressor::new(9, window_bits).compress_alone(&payload, &mut out));
        let mut wide = Vec::new();
        assert!(Compressor::new(9, 15).compress_alone(&payload, &mut wide));
        let (narrow, wide) = (out.len(), wide.len());
        assert!(window_bits == 15 || narrow > wide + 150, "{window_bits}: {narrow} against {wide} bytes");
    }
}

#[test]
fn the_limit_holds_to_the_byte() {
    for bytes in [1, 2, 1000, 4096, 100_000] {
        for payload in [prose(bytes), vec![0; bytes]] {
            let Some(deflated) = deflate(&payload).or_else(|| (bytes < 3).then(|| stored(&payload, false))) else {
                panic!()
            };
            assert_eq!(inflate(&deflated, bytes).as_deref(), Ok(&payload[..]));
            assert_eq!(inflate(&deflated, bytes + 1).as_deref(), Ok(&payload[..]));
            assert_eq!(inflate(&deflated, bytes - 1), Err(CloseReason::MessageTooBig));
        }
    }
}

#[test]
fn a_bomb_is_stopped_at_the_limit_and_holds_no_more() {
    let bomb = deflate(&vec![0; 50 << 20]).unwrap();
    assert!(bomb.len() < 1 << 20);
    assert_eq!(inflate(&bomb, 1 << 20), Err(CloseReason::MessageTooBig));
}

/// Blocks that inflate to nothing: as many as a message may bring are read in steps that each take a bounded part.
#[test]
fn each_step_takes_a_bounded_part_of_the_input() {
    // Four blocks of fixed codes in five bytes, each of its end alone.
    let payload = b"\x02\x08\x20\x80\x00".repeat(16_000);
    let mut decompressor = Decompressor::new(false);
    let mut inflation = Inflation::new(Kind::Binary, Bytes::from(payload), 1000, Vec::new());
    let mut steps = 1;
    while inflation.step(&mut decompressor, READ_BYTES_PER_TURN_BULK) == Ok(false) {
        assert!(inflation.cost() <= steps * INFLATE_INPUT_PER_STEP * INFLATE_INPUT_WEIGHT);
        steps += 1;
    }
    assert_eq!(steps, 80_000_usize.div_ceil(INFLATE_INPUT_PER_STEP));
    // Where less of the output is left than that weighs, less is read.
    let mut inflation = Inflation::new(Kind::Binary, Bytes::from(vec![0; 100]), 1000, Vec::new());
    assert_eq!(inflation.step(&mut decompressor, INFLATE_INPUT_WEIGHT + 1), Ok(false));
    assert_eq!(inflation.cost(), 2 * INFLATE_INPUT_WEIGHT);
}

#[test]
fn a_small_message_that_is_gone_on_with_later_does_not_pin_the_buffer_it_came_in() {
    let buffer = Bytes::from(vec![b'x'; 60_000]);
    let mut inflation = Inflation::new(Kind::Binary, buffer.slice(..100), 1000, Vec::new());
    assert!(!buffer.is_unique());
    inflation.settle();
    assert!(buffer.is_unique());
    assert_eq!(inflation.weight(), 100);
}

fn stored(payload: &[u8], is_last: bool) -> Vec<u8> {
    let length = payload.len() as u16;
    let header = [&[u8::from(is_last)][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
    [&header[..], payload, if is_last { b"" } else { b"\x00" }].concat()
}

/// RFC 7692, section 7.2.3: its examples, byte by byte.
#[test]
fn the_examples_of_the_standard_inflate() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for (name, payload) in [
        ("one block", &hello[..]),
        ("no compression", &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]),
        ("a last block", &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]),
        ("two blocks", &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]),
        ("a last block and nothing behind it", &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        ("two streams", &[&[0xf3, 0x48, 0x05, 0x00][..], &stored(b"llo", true)].concat()),
    ] {
        assert_eq!(inflate(payload, 5).as_deref(), Ok(&b"Hello"[..]), "{name}");
    }
    // Section 7.2.3.2: the second message refers to the first.
    let mut decompressor = Decompressor::new(true);
    for payload in [&hello[..], &[0xf2, 0x00, 0x11, 0x00, 0x00]] {
        assert_eq!(inflate_in(&mut decompressor, payload, 5, 1).as_deref(), Ok(&b"Hello"[..]));
    }
    // Section 7.2.3.6: an empty one.
    for payload in [&b"\x00"[..], b"\x02\x00", b""] {
        assert_eq!(inflate(payload, 1).as_deref(), Ok(&b""[..]), "{payload:?}");
    }
}

#[test]
fn what_is_no_deflate_is_a_protocol_error() {
    let whole = deflate(&prose(300)).unwrap();
    let cases = [
        ("a reserved block type", vec![0x07]),
        ("lengths that do not match", vec![0x00, 0x05, 0x00, 0x05, 0x00, b'a']),
        ("a reference to nothing", vec![0xf2, 0x00, 0x11, 0x00, 0x00]),
        ("noise behind a last block", [&stored(b"a", true)[..], b"\xff\xff"].concat()),
        ("a cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("a cut in a stored block", stored(b"Hello", false)[..7].to_vec()),
    ];
    for (name, payload) in cases {
        assert!(matches!(inflate(&payload, 1 << 20), Err(CloseReason::Protocol(_))), "{name}");
    }
    // Of a stored block that lacks as many bytes as are put behind a message, these are no content.
    for whole in [whole, stored(&prose(30), true)] {
        for end in 1..whole.len() {
            let cut = inflate(&whole[..end], 1 << 20);
            assert!(matches!(cut, Err(CloseReason::Protocol(_))), "cut to {end} of {} bytes: {cut:?}", whole.len());
        }
    }
    // Nor do they make it too big.
    let cut = inflate(&stored(&prose(30), true)[..20], 15);
    assert!(matches!(cut, Err(CloseReason::Protocol(_))), "{cut:?}");
}

#[test]
fn with_takeover_a_cut_is_told_where_what_is_put_behind_would_be_content() {
    let whole = stored(&prose(30), false);
    for end in 5..34 {
        let cut = inflate_in(&mut Decompressor::new(true), &whole[..end], 1 << 20, 1);
        assert!(matches!(cut, Err(CloseReason::Protocol(_))), "cut to {end} of {} bytes: {cut:?}", whole.len());
    }
}

#[test]
fn a_decompressor_is_as_new_after_each_message_and_each_fault() {
    let mut decompressor = Decompressor::new(false);
    let good = deflate(&prose(2000)).unwrap();
    for bad in [&good[..good.len() / 2], b"\x07", b"\xf2\x00\x11\x00\x00", &good[..1]] {
        assert!(inflate_in(&mut decompressor, bad, 1 << 20, 100).is_err());
        assert_eq!(inflate_in(&mut decompressor, &good, 2000, 100), Ok(prose(2000)));
    }
    assert_eq!(inflate_in(&mut decompressor, &good, 1999, 100), Err(CloseReason::MessageTooBig));
    assert_eq!(inflate_in(&mut decompressor, &good, 2000, 100), Ok(prose(2000)));
}

#[test]
fn with_takeover_the_second_message_is_much_smaller_until_all_is_forgotten() {
    let payload = prose(1000);
    let mut compressor = Compressor::new(6, 15);
    let mut decompressor = Decompressor::new(true);
    let mut lengths = Vec::new();
    for round in 0..6 {
        if round == 3 {
            compressor.forget();
        }
        let mut out = Vec::new();
        assert!(compressor.compress_behind(&payload, &mut out));
        assert_eq!(inflate_in(&mut decompressor, &out, 1000, 64).as_deref(), Ok(&payload[..]));
        lengths.push(out.len());
    }
    assert_eq!(lengths[..3], lengths[3..]);
    assert!(lengths[1] * 10 < lengths[0], "{lengths:?}");
    let mut out = Vec::new();
    assert!(compressor.compress_behind(&noise(30_000), &mut out), "also where it gets larger");
    assert!(out.len() > 30_000 && out.len() <= deflated_bound(30_000));
    assert_eq!(inflate_in(&mut decompressor, &out, 30_000, 64), Ok(noise(30_000)));
}

#[test]
fn text_is_checked_once_it_is_inflated() {
    let inflate = |payload: &[u8]| {
        let mut inflation = Inflation::new(Kind::Text, Bytes::copy_from_slice(payload), 1000, Vec::new());
        while !inflation.step(&mut Decompressor::new(false), 1000).unwrap() {}
        inflation.finish().0
    };
    assert_eq!(inflate(&stored("gr\u{fc}n".as_bytes(), false)), Ok(Message::Text("gr\u{fc}n".into())));
    assert_eq!(inflate(&stored(b"gr\xfcn", false)), Err(CloseReason::InvalidUtf8));
    assert_eq!(inflate(&stored(b"cut \xc3", false)), Err(CloseReason::InvalidUtf8));
}
