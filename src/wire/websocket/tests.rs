//! The walker against a reference that sees whole frames, the context at its edges, and what is encoded.
//!
//! Not here: what a session does about any of it (`tests/closing.rs`, `tests/limits.rs`).

use std::io::Read;

use super::walker::{CLOSE, CONTINUATION, CONTROL, MASKED};
use super::*;
use crate::error::CloseReason;
use crate::limits::{CONTEXT_KEEP_BYTES, FRAMES_PER_TURN};

/// A frame as a generator made it, so that a reference needs no parser.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    fin: bool,
    opcode: u8,
    payload: Vec<u8>,
    mask: Option<[u8; 4]>,
    /// Bytes of extended length; at least what the payload needs.
    extended: usize,
}

impl Sample {
    pub(super) fn new(fin: bool, opcode: u8, payload: &[u8]) -> Sample {
        let extended = match payload.len() {
            0..126 => 0,
            126..65_536 => 2,
            _ => 8,
        };
        Sample { fin, opcode, payload: payload.to_vec(), mask: Some([0x12, 0x34, 0x56, 0x78]), extended }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = header(u8::from(self.fin) << 7 | self.opcode, self.payload.len() as u64, self.extended);
        let Some(mask) = self.mask else {
            bytes[1] &= !MASKED;
            return [bytes, self.payload.clone()].concat();
        };
        bytes.extend_from_slice(&mask);
        bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }
}

/// A header up to the mask, which it says will follow.
fn header(first: u8, length: u64, extended: usize) -> Vec<u8> {
    match extended {
        0 => vec![first, MASKED | length as u8],
        2 => [&[first, MASKED | 126][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[first, MASKED | 127][..], &length.to_be_bytes()].concat(),
    }
}

pub(super) fn text(payload: &str) -> Vec<u8> {
    Sample::new(true, 1, payload.as_bytes()).encode()
}

fn close(payload: &[u8]) -> Vec<u8> {
    Sample::new(true, 8, payload).encode()
}

pub(super) fn limits(bytes: usize, fragments: usize) -> MessageLimits {
    MessageLimits { bytes, fragments, messages: usize::MAX, frames: FRAMES_PER_TURN, deflate: false }
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// Mostly right, now and then a frame that breaks a limit, or one that only the context minds.
    fn frame(&mut self) -> Sample {
        let opcode = [0, 0, 0, 1, 1, 2, 8, 9, 10][self.below(9)];
        let length = [0, 0, 1, 2, 7, 50, 124, 125, 126, 127, 300][self.below(if opcode < 8 { 11 } else { 8 })];
        let length = if self.below(100) == 0 { length + 126 } else { length };
        let sample = Sample::new(self.below(3) > 0, opcode, &vec![b'x'; length]);
        let wider = [sample.extended, 2, 8][if length < 126 { self.below(3) } else { 0 }];
        Sample { extended: wider, mask: sample.mask.filter(|_| self.below(8) > 0), ..sample }
    }
}

/// What whole frames add up to: where the stream is clean, how many messages end, and the first verdict.
struct Reference {
    clean_at: Vec<usize>,
    messages: usize,
    violation: Option<CloseReason>,
}

fn reference(frames: &[Sample], limits: MessageLimits) -> Reference {
    let mut seen = Reference { clean_at: vec![0], messages: 0, violation: None };
    let (mut end, mut bytes, mut fragments) = (0, 0, 0);
    for frame in frames {
        if frame.opcode & CONTROL != 0 {
            if frame.payload.len() > 125 {
                seen.violation = Some(CloseReason::Protocol("control frame too big".into()));
                return seen;
            }
        } else {
            if frame.opcode != CONTINUATION {
                (bytes, fragments) = (0, 0);
            }
            (bytes, fragments) = (bytes + frame.payload.len(), fragments + 1);
            if bytes > limits.bytes || fragments > limits.fragments {
                let too_big = bytes > limits.bytes;
                seen.violation = Some(if too_big { CloseReason::MessageTooBig } else { CloseReason::TooManyFragments });
                return seen;
            }
            if frame.fin {
                seen.messages += 1;
                (bytes, fragments) = (0, 0);
            }
        }
        end += frame.encode().len();
        if fragments == 0 {
            seen.clean_at.push(end);
        }
    }
    seen
}

/// Walks through pieces as a session does, and compares with the reference at every stop.
fn walk_and_compare(stream: &[u8], pieces: impl Iterator<Item = usize>, limits: MessageLimits, wanted: &Reference) {
    let mut walker = FrameWalker::default();
    let (mut at, mut messages) = (0, 0);
    for piece in pieces {
        let end = (at + piece).min(stream.len());
        while at < end {
            let walk = walker.walk(&stream[at..end], limits);
            at += walk.end;
            messages += walk.messages;
            if walk.violation.is_some() {
                assert_eq!(walk.violation, wanted.violation);
                assert_eq!(messages, wanted.messages);
                return;
            }
            assert_eq!(walker.is_clean(), wanted.clean_at.contains(&at), "at byte {at}");
        }
    }
    assert_eq!(at, stream.len());
    assert_eq!((messages, None), (wanted.messages, wanted.violation.clone()));
}

#[test]
fn any_cutting_of_a_stream_gives_the_verdict_of_its_whole_frames() {
    for seed in 0..150 {
        let mut chance = Chance(seed);
        let limits = limits([150, 400, 100_000][chance.below(3)], [2, 5, 1000][chance.below(3)]);
        let frames: Vec<Sample> = (0..1 + chance.below(90)).map(|_| chance.frame()).collect();
        let stream: Vec<u8> = frames.iter().flat_map(Sample::encode).collect();
        let wanted = reference(&frames, limits);
        walk_and_compare(&stream, std::iter::once(stream.len()), limits, &wanted);
        walk_and_compare(&stream, std::iter::repeat_n(1, stream.len()), limits, &wanted);
        for most in [3, 40, 1000] {
            let mut cuts = Chance(seed + most as u64);
            walk_and_compare(
                &stream,
                std::iter::repeat_with(|| 1 + cuts.below(most)).take(stream.len()),
                limits,
                &wanted,
            );
        }
    }
}

#[test]
fn a_stream_cut_in_two_anywhere_is_clean_only_between_messages() {
    let frames = [(false, 1), (true, 9), (false, 0), (true, 0), (true, 2), (true, 10), (true, 1)];
    let frames: Vec<Sample> = frames.iter().map(|&(fin, opcode)| Sample::new(fin, opcode, b"payload")).collect();
    let stream: Vec<u8> = frames.iter().flat_map(Sample::encode).collect();
    let wanted = reference(&frames, limits(100, 10));
    assert_eq!(wanted.clean_at, [0, 52, 65, 78, 91]);
    for cut in 0..=stream.len() {
        let mut walker = FrameWalker::default();
        assert_eq!(walker.walk(&stream[..cut], limits(100, 10)).end, cut);
        assert_eq!(walker.is_clean(), wanted.clean_at.contains(&cut), "cut at {cut}");
        walk_and_compare(&stream, [cut, stream.len() - cut].into_iter(), limits(100, 10), &wanted);
    }
}

#[test]
fn a_message_may_have_exactly_the_bytes_of_the_limit_however_they_are_split() {
    for limit in [0, 1, 125, 126, 1000, 65_535, 65_536] {
        for fragments in [1, 2, 3] {
            for (excess, verdict) in [(0, None), (1, Some(CloseReason::MessageTooBig))] {
                let mut walker = FrameWalker::default();
                let mut left = limit + excess;
                let mut violation = None;
                for i in 1..=fragments {
                    let share = if i == fragments { left } else { left / 2 };
                    left -= share;
                    let frame = Sample::new(i == fragments, if i == 1 { 2 } else { 0 }, &vec![0; share]).encode();
                    violation = violation.or(walker.walk(&frame, limits(limit, 10)).violation);
                }
                assert_eq!(violation, verdict, "{fragments} frames with {excess} bytes above {limit}");
            }
        }
    }
}

#[test]
fn a_frame_above_the_limit_is_refused_on_its_header() {
    for (length, limit) in [(1001, 1000), (1 << 31, 1 << 30), (1 << 63, usize::MAX >> 1), (u64::MAX, usize::MAX >> 1)] {
        let mut bytes = header(0x82, length, 8);
        let mut walker = FrameWalker::default();
        assert_eq!(walker.walk(&bytes, limits(limit, 1)).violation, None, "the mask is still to come");
        bytes.extend_from_slice(&[0; 4]);
        for cut in 0..bytes.len() {
            let mut walker = FrameWalker::default();
            assert_eq!(walker.walk(&bytes[..cut], limits(limit, 1)), Walk { end: cut, ..Walk::default() });
            assert_eq!(walker.walk(&bytes[cut..], limits(limit, 1)).violation, Some(CloseReason::MessageTooBig));
        }
    }
    // The sum of announced lengths cannot wrap around either.
    let mut walker = FrameWalker::default();
    let first = Sample::new(false, 2, &[0; 10]).encode();
    assert_eq!(walker.walk(&first, limits(100, 9)).violation, None);
    let second = [header(0, u64::MAX - 5, 8), vec![0; 4]].concat();
    assert_eq!(walker.walk(&second, limits(100, 9)).violation, Some(CloseReason::MessageTooBig));
}

#[test]
fn a_message_may_have_exactly_the_fragments_of_the_limit_and_empty_ones_count() {
    for limit in [1, 2, 1024] {
        let fragments: Vec<u8> =
            (1..=limit).flat_map(|i| Sample::new(i == limit, if i == 1 { 1 } else { 0 }, b"").encode()).collect();
        walk_and_compare(
            &fragments,
            std::iter::once(fragments.len()),
            limits(0, limit),
            &Reference { clean_at: vec![0, fragments.len()], messages: 1, violation: None },
        );
        let one_more: Vec<u8> =
            (0..=limit).flat_map(|i| Sample::new(false, if i == 0 { 1 } else { 0 }, b"").encode()).collect();
        walk_and_compare(
            &one_more,
            std::iter::repeat_n(5, one_more.len()),
            limits(0, limit),
            &Reference { clean_at: vec![0], messages: 0, violation: Some(CloseReason::TooManyFragments) },
        );
    }
}

#[test]
fn a_control_frame_may_have_125_bytes_of_payload() {
    for opcode in [8, 9, 10] {
        let frame = |length| Sample::new(true, opcode, &vec![b'x'; length]).encode();
        let mut walker = FrameWalker::default();
        assert_eq!(
            walker.walk(&frame(125), limits(0, 0)),
            Walk { end: 131, frames: 1, was_clean: true, is_close: opcode == CLOSE, ..Walk::default() }
        );
        let violation = walker.walk(&frame(126), limits(0, 0)).violation;
        assert!(matches!(violation, Some(CloseReason::Protocol(_))), "{violation:?}");
    }
}

#[test]
fn a_walk_stops_before_a_close_that_has_frames_before_it() {
    for before in [text("hello"), Sample::new(true, 9, b"").encode(), Sample::new(false, 1, b"a").encode()] {
        let stream = [before.clone(), close(b"")].concat();
        for cut in 1..=stream.len() {
            let mut walker = FrameWalker::default();
            let first = walker.walk(&stream[..cut], limits(100, 10));
            assert_eq!(first.end, cut.min(before.len()), "cut at {cut}");
            let second = walker.walk(&stream[first.end..], limits(100, 10));
            let wanted = if cut < before.len() { before.len() } else { stream.len() };
            assert_eq!(first.end + second.end, wanted, "cut at {cut}");
        }
    }
    let mut walker = FrameWalker::default();
    assert_eq!(walker.walk(&[close(b""), text("x")].concat(), limits(100, 10)).end, close(b"").len() + text("x").len());
}

#[test]
fn a_walk_stops_after_the_frames_of_a_turn_whatever_they_are() {
    let kinds = [Sample::new(true, 9, b""), Sample::new(true, 1, b"ab"), Sample::new(false, 0, b"")];
    for kind in kinds {
        let frame = kind.encode();
        let stream = frame.repeat(FRAMES_PER_TURN * 2 + 1);
        let mut walker = FrameWalker::default();
        let mut at = 0;
        for frames in [FRAMES_PER_TURN, FRAMES_PER_TURN, 1] {
            let walk = walker.walk(&stream[at..], limits(1000, 1000));
            assert_eq!(walk.end, frames * frame.len());
            at += walk.end;
        }
    }
}

#[test]
fn a_walk_stops_after_the_messages_it_was_allowed() {
    let message = [Sample::new(false, 1, b"a").encode(), Sample::new(true, 0, b"b").encode()].concat();
    let ping = Sample::new(true, 9, b"").encode();
    let stream = [ping.clone(), message.clone(), ping.clone(), message.clone()].concat();
    let one = MessageLimits { messages: 1, ..limits(100, 10) };
    let mut walker = FrameWalker::default();
    for end in [ping.len() + message.len(), ping.len() + message.len()] {
        assert_eq!(walker.walk(&stream, one), Walk { end, frames: 3, messages: 1, was_clean: true, ..Walk::default() });
        assert!(walker.is_clean());
    }
}

#[test]
fn what_stands_before_a_violation_is_walked_first() {
    let good = text("good");
    let stream = [good.clone(), good.clone(), text("too long")].concat();
    for cut in 0..stream.len() {
        let mut walker = FrameWalker::default();
        let (mut end, mut messages) = (0, 0);
        let violation = loop {
            let piece = if end < cut { &stream[end..cut] } else { &stream[end..] };
            let walk = walker.walk(piece, limits(5, 1));
            end += walk.end;
            messages += walk.messages;
            if walk.violation.is_some() {
                break walk.violation;
            }
        };
        assert_eq!((messages, violation), (2, Some(CloseReason::MessageTooBig)), "cut at {cut}");
        assert!((good.len() * 2..good.len() * 2 + 6).contains(&end));
    }
}

/// The server's frame at the start of `bytes`, as its first byte and payload; and what is behind it.
pub(super) fn decode(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let length = frame_length(bytes).expect("a header");
    let (frame, rest) = bytes.split_at(length);
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    (frame[0], &frame[header..], rest)
}

#[test]
fn a_ping_has_at_most_125_bytes() {
    for (given, sent) in [(0, 0), (4, 4), (125, 125), (126, 125), (1000, 125)] {
        let mut out = Vec::new();
        encode_ping(&vec![b'p'; given], None, &mut out);
        assert_eq!(decode(&out), (0x89, &vec![b'p'; sent][..], &[][..]));
    }
}

#[test]
fn a_prepared_message_has_the_shortest_header_for_its_length() {
    let headers: [(usize, &[u8]); 5] = [
        (0, &[0]),
        (125, &[125]),
        (126, &[126, 0, 126]),
        (65_535, &[126, 255, 255]),
        (65_536, &[127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ];
    for (length, header) in headers {
        let payload = vec![b'p'; length];
        let wanted = |first| [&[first][..], header, &payload].concat();
        let text = std::str::from_utf8(&payload).unwrap();
        assert_eq!(PreparedMessage::binary(&payload).frame(), &wanted(0x82));
        assert_eq!(PreparedMessage::text(text).frame(), &wanted(0x81));
        assert_eq!(frame_length(PreparedMessage::binary(&payload).frame()), Some(header.len() + 1 + length));
        let mut out = Vec::new();
        MessageHeader { kind: Kind::Text, is_deflated: false, bytes: text.len(), mask: None }.encode(&mut out);
        assert_eq!(out, wanted(0x81)[..=header.len()]);
    }
}

/// All that a context makes of `input`, and what it replies.
fn receive(context: &mut Context, input: &[u8]) -> (Vec<Received>, Vec<u8>) {
    let (mut all, mut replies) = (Vec::new(), Vec::new());
    let mut input = Input::new(input, &Walk { end: input.len(), ..Walk::default() });
    loop {
        match context.receive(&mut input, &mut replies) {
            Received::Pending => return (all, replies),
            received => {
                let is_last = matches!(received, Received::Close { .. } | Received::Violation(_));
                all.push(received);
                if is_last {
                    return (all, replies);
                }
            }
        }
    }
}

#[test]
fn every_ping_is_answered_by_its_own_pong_in_order() {
    let pings: Vec<u8> = (0..FRAMES_PER_TURN as u8).flat_map(|i| Sample::new(true, 9, &[i; 125]).encode()).collect();
    let (received, replies) = receive(&mut Context::new(Role::Server, 1000), &pings);
    assert_eq!(received.len(), FRAMES_PER_TURN);
    assert!(received.iter().all(|received| *received == Received::Ping));
    let mut rest = replies.as_slice();
    for i in 0..FRAMES_PER_TURN as u8 {
        let (first, payload, behind) = decode(rest);
        assert_eq!((first, payload), (0x8a, &[i; 125][..]));
        rest = behind;
    }
    assert_eq!(rest, b"");
}

#[test]
fn a_context_that_carried_a_large_message_is_not_lent_on() {
    for (length, small) in [(CONTEXT_KEEP_BYTES, true), (CONTEXT_KEEP_BYTES + 1, false)] {
        let mut context = Context::new(Role::Server, 1 << 20);
        let (received, _) = receive(&mut context, &Sample::new(true, 2, &vec![7; length]).encode());
        assert_eq!(received, [Received::Message(Message::Binary(vec![7; length].into()))]);
        receive(&mut context, &text("small again"));
        assert_eq!(context.is_small(), small);
    }
}

// --- deflated messages ---

/// Walks as a turn does: again and again while it may go on. Returns each walk's end and what is deflated in it, and what
/// the context was shown.
fn walk_deflated(stream: &[u8], cuts: &[usize]) -> (Vec<(usize, Option<Kind>)>, Vec<u8>) {
    let limits = MessageLimits { deflate: true, ..limits(1000, 10) };
    let mut walker = FrameWalker::default();
    let (mut walks, mut shown) = (Vec::new(), Vec::new());
    let mut at = 0;
    for &end in cuts.iter().chain([&stream.len()]) {
        while at < end {
            let walk = walker.walk(&stream[at..end], limits);
            assert_eq!(walk.violation, None);
            let mut input = Input::new(&stream[at..end], &walk);
            input.read_to_end(&mut shown).unwrap();
            at += walk.end;
            assert!(at == end || walk.may_go_on);
            if walk.messages > 0 {
                walks.push((at, walk.deflated));
            }
        }
    }
    assert!(walker.is_clean());
    (walks, shown)
}

#[test]
fn a_deflated_message_is_alone_in_its_walk_and_shown_as_plain_binary() {
    let deflated = |fin, opcode, payload: &[u8]| {
        let mut bytes = Sample::new(fin, opcode, payload).encode();
        bytes[0] |= 0x40;
        bytes
    };
    let plain = |opcode, payload: &[u8]| Sample::new(true, opcode, payload).encode();
    let parts = [
        plain(1, b"a"),
        plain(1, b"b"),
        deflated(true, 1, b"text"),
        deflated(true, 2, &[b'x'; 300]),
        plain(9, b"ping"),
        deflated(false, 1, b"begin"),
        plain(9, b""),
        plain(0, b"end"),
        plain(2, b"c"),
        plain(1, b"d"),
    ];
    let ends: Vec<usize> = (1..=parts.len()).map(|count| parts[..count].concat().len()).collect();
    let stream = parts.concat();
    let mut wanted_shown = stream.clone();
    for begin in [ends[1], ends[2], ends[4]] {
        wanted_shown[begin] = wanted_shown[begin] & 0x80 | 2;
    }
    let wanted = vec![
        (ends[1], None),
        (ends[2], Some(Kind::Text)),
        (ends[3], Some(Kind::Binary)),
        (ends[7], Some(Kind::Text)),
        (ends[9], None),
    ];
    assert_eq!(walk_deflated(&stream, &[]), (wanted, wanted_shown.clone()));
    for cut in 1..stream.len() {
        let (walks, shown) = walk_deflated(&stream, &[cut]);
        assert_eq!(shown, wanted_shown, "cut at {cut}");
        let deflated: Vec<_> = walks.into_iter().filter(|(_, kind)| kind.is_some()).collect();
        let kinds = [(ends[2], Some(Kind::Text)), (ends[3], Some(Kind::Binary)), (ends[7], Some(Kind::Text))];
        assert_eq!(deflated, kinds, "cut at {cut}");
    }
    let (_, shown) = walk_deflated(&stream, &(1..stream.len()).collect::<Vec<_>>());
    assert_eq!(shown, wanted_shown, "byte by byte");
}

#[test]
fn the_first_reserved_bit_is_left_to_the_context_where_it_means_nothing() {
    for (deflate, first) in [(false, 0xc1), (true, 0xc0), (true, 0xc8), (true, 0xc9), (true, 0xca), (true, 0xc3)] {
        let mut walker = FrameWalker::default();
        let frame = [first, 0x81, 0, 0, 0, 0, b'x'];
        let walk = walker.walk(&frame, MessageLimits { deflate, ..limits(1000, 10) });
        assert_eq!((walk.first, walk.deflated), (None, None), "{first:x}");
        let mut input = Input::new(&frame, &walk);
        let received = Context::new(Role::Server, 1000).receive(&mut input, &mut Vec::new());
        assert!(matches!(received, Received::Violation(CloseReason::Protocol(_))), "{first:x}: {received:?}");
    }
}

#[test]
fn a_deflated_message_may_be_larger_by_what_deflating_adds_and_no_more() {
    for (first, payload, is_allowed) in [
        (0xc2, deflated_bound(1000), true),
        (0xc2, deflated_bound(1000) + 1, false),
        (0x82, 1000, true),
        (0x82, 1001, false),
    ] {
        let header = [&[first, 0xfe][..], &(payload as u16).to_be_bytes(), &[0; 4]].concat();
        let walk = FrameWalker::default().walk(&header, MessageLimits { deflate: true, ..limits(1000, 10) });
        let wanted = (!is_allowed).then_some(CloseReason::MessageTooBig);
        assert_eq!(walk.violation, wanted, "{payload} bytes behind {first:x}");
    }
}

#[test]
fn a_settled_message_pins_no_buffer_that_is_larger() {
    for bytes in [0, 1, CONTEXT_KEEP_BYTES, CONTEXT_KEEP_BYTES + 1] {
        let buffer = Bytes::from(vec![b'x'; CONTEXT_KEEP_BYTES + 2]);
        let text = Utf8Bytes::try_from(buffer.slice(..bytes)).unwrap();
        for message in [Message::Text(text), Message::Binary(buffer.slice(..bytes))] {
            let settled = message.clone().settled();
            assert_eq!(settled, message);
            drop(message);
            assert_eq!(settled.payload().as_ptr() == buffer.as_ptr(), bytes > CONTEXT_KEEP_BYTES, "{bytes} bytes");
        }
    }
}
