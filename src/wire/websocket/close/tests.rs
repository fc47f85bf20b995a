//! Every code in either direction, reasons at their edges, and what a context makes of a Close wherever it comes.
//!
//! Not here: what a session does about one (`tests/closing.rs`).

use super::*;
use crate::limits::{CONTROL_PAYLOAD_BYTES, FRAMES_PER_TURN};
use crate::wire::websocket::tests::{Sample, decode, limits, text};
use crate::wire::websocket::{Context, FrameWalker, Input, Message, Role};

/// A whole Close of a peer.
fn frame(payload: &[u8]) -> Vec<u8> {
    Sample::new(true, 8, payload).encode()
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(&[&code.to_be_bytes(), reason].concat())
}

/// The table of RFC 6455, section 7.4, and of IANA's registry, row by row.
fn may_be_sent(code: u16) -> bool {
    match code {
        0..1000 => false,         // not used
        1000..=1003 => true,      // normal, going away, protocol error, unsupported data
        1004..=1006 => false,     // reserved; no code; no Close
        1007..=1009 => true,      // invalid data, policy, too big
        1010 | 1011 => true,      // extension wanted, internal error
        1012..=1014 => true,      // service restart, try again later, bad gateway
        1015 => false,            // TLS failed
        1016..3000 => false,      // not assigned
        3000..5000 => true,       // libraries, applications
        5000..=u16::MAX => false, // not used
    }
}

/// All that a context makes of a stream that comes in such pieces, a walk at a time; and what it replies.
fn receive(context: &mut Context, stream: &[u8], piece: usize) -> (Vec<Received>, Vec<u8>) {
    let (mut all, mut replies) = (Vec::new(), Vec::new());
    let mut walker = FrameWalker::default();
    for piece in stream.chunks(piece) {
        let mut at = 0;
        while at < piece.len() {
            let rest = &piece[at..];
            let walk = walker.walk(rest, limits(1000, 10));
            at += walk.end;
            let mut input = Input::new(rest, &walk);
            loop {
                match context.receive(&mut input, &mut replies) {
                    Received::Pending => break,
                    last @ (Received::Close { .. } | Received::Violation(_)) => {
                        all.push(last);
                        return (all, replies);
                    }
                    received => all.push(received),
                }
            }
        }
    }
    (all, replies)
}

#[test]
fn a_close_frame_carries_only_codes_that_may_be_sent() {
    for code in 0..=u16::MAX {
        let mut out = Vec::new();
        encode_close(code, "why", None, &mut out);
        let payload = match code {
            1005 => vec![],
            code if may_be_sent(code) => [&code.to_be_bytes(), &b"why"[..]].concat(),
            _ => b"\x03\xe8why".to_vec(),
        };
        assert_eq!(decode(&out), (0x88, &payload[..], &[][..]), "{code}");
    }
}

#[test]
fn a_close_of_the_peer_is_seen_as_it_came_and_a_code_that_may_not_be_is_named() {
    for code in 0..=u16::MAX {
        let wanted = match may_be_sent(code) {
            true => Received::Close { code: Some(code), reason: "bye".into() },
            false => Received::Violation(CloseReason::Protocol(format!("a Close with the code {code}").into())),
        };
        // The second is the reply to ours.
        for is_closing in [false, true] {
            let mut context = Context::new(Role::Server, 1000);
            if is_closing {
                context.begin_closing();
            }
            let (received, replies) = receive(&mut context, &close(code, b"bye"), usize::MAX);
            assert_eq!((&received[..], &replies[..]), (std::slice::from_ref(&wanted), &[][..]), "{code}");
        }
    }
}

#[test]
fn a_close_reason_is_cut_at_a_character() {
    for (reason, bytes) in [
        (String::new(), 0),
        ("x".repeat(122), 122),
        ("x".repeat(123), 123),
        ("x".repeat(124), 123),
        ("é".repeat(62), 122),
        (format!("x{}", "é".repeat(62)), 123),
        ("🦀".repeat(31), 120),
        (format!("xxx{}", "🦀".repeat(31)), 123),
        (format!("xx{}", "🦀".repeat(1000)), 122),
    ] {
        let mut out = Vec::new();
        encode_close(1000, &reason, None, &mut out);
        let (_, payload, rest) = decode(&out);
        assert_eq!((&payload[2..], rest), (&reason.as_bytes()[..bytes], &[][..]));
        assert!(std::str::from_utf8(&payload[2..]).is_ok());
        assert!(payload.len() <= CONTROL_PAYLOAD_BYTES);
    }
}

#[test]
fn a_reason_of_the_peer_has_up_to_123_bytes_and_ends_with_a_whole_character() {
    let reasons = ["x".repeat(123), "é".repeat(61), format!("xxx{}", "🦀".repeat(30))];
    for reason in &reasons {
        for piece in [1, 7, usize::MAX] {
            let received = receive(&mut Context::new(Role::Server, 1000), &close(1001, reason.as_bytes()), piece).0;
            assert_eq!(received, [Received::Close { code: Some(1001), reason: reason.as_str().into() }]);
        }
    }
    // 123 bytes whose last character is not all there; and the same with one that could go on further.
    for (last, missing) in [("é", 1), ("€", 1), ("€", 2), ("🦀", 1), ("🦀", 2), ("🦀", 3)] {
        let cut = &last.as_bytes()[..last.len() - missing];
        for length in [cut.len(), 123] {
            let reason = [vec![b'x'; length - cut.len()], cut.to_vec()].concat();
            for piece in [1, usize::MAX] {
                let (received, replies) = receive(&mut Context::new(Role::Server, 1000), &close(1000, &reason), piece);
                assert_eq!((received, replies), (vec![Received::Violation(CloseReason::InvalidUtf8)], vec![]));
            }
        }
    }
}

#[test]
fn a_close_may_be_empty_and_may_not_have_half_a_code() {
    let (received, replies) = receive(&mut Context::new(Role::Server, 1000), &frame(b""), usize::MAX);
    let empty = Received::Close { code: None, reason: Utf8Bytes::default() };
    assert_eq!((received, replies), (vec![empty], vec![]));
    let (received, replies) = receive(&mut Context::new(Role::Server, 1000), &frame(b"\x03"), usize::MAX);
    assert!(matches!(received[..], [Received::Violation(CloseReason::Protocol(_))]), "{received:?}");
    assert_eq!(replies, b"");
}

#[test]
fn what_comes_before_a_close_is_taken_as_ever_and_the_close_as_it_came() {
    // 1014 and 999 are those that tungstenite would rewrite; the fragment is never ended.
    for code in [1000, 1014, 999] {
        let ping = Sample::new(true, 9, b"?").encode();
        let stream =
            [&ping[..], &text("hello"), &Sample::new(false, 1, b"{").encode(), &ping, &close(code, b"")].concat();
        for piece in (1..40).chain([usize::MAX]) {
            let (received, replies) = receive(&mut Context::new(Role::Server, 1000), &stream, piece);
            let [before @ .., last] = &received[..] else { panic!("nothing is received") };
            assert_eq!(before, [Received::Ping, Received::Message(Message::Text("hello".into())), Received::Ping]);
            match may_be_sent(code) {
                true => assert_eq!(*last, Received::Close { code: Some(code), reason: Utf8Bytes::default() }),
                false => assert!(matches!(last, Received::Violation(_)), "{last:?}"),
            }
            assert_eq!(replies, b"\x8a\x01?\x8a\x01?", "{code} in pieces of {piece}");
        }
    }
}

#[test]
fn the_pongs_of_a_whole_turn_stand_before_a_close() {
    let stream = [Sample::new(true, 9, b"?").encode().repeat(FRAMES_PER_TURN), close(1000, b"")].concat();
    let (received, replies) = receive(&mut Context::new(Role::Server, 1000), &stream, usize::MAX);
    assert_eq!((received.len(), replies), (FRAMES_PER_TURN + 1, b"\x8a\x01?".repeat(FRAMES_PER_TURN)));
}

#[test]
fn once_closing_has_begun_no_ping_is_answered_and_the_peers_close_is_the_reply() {
    let mut context = Context::new(Role::Server, 1000);
    context.begin_closing();
    let stream = [Sample::new(true, 9, b"?").encode(), text("late"), close(1000, b"")].concat();
    let (received, replies) = receive(&mut context, &stream, usize::MAX);
    let late = Received::Message(Message::Text("late".into()));
    let reply = Received::Close { code: Some(1000), reason: Utf8Bytes::default() };
    assert_eq!((received, replies), (vec![Received::Ping, late, reply], vec![]));
}

#[test]
fn closing_begun_inside_a_fragmented_message_leaves_the_fragments_valid() {
    let mut context = Context::new(Role::Server, 1000);
    assert_eq!(receive(&mut context, &Sample::new(false, 1, b"one ").encode(), 1), (vec![], vec![]));
    context.begin_closing();
    let rest = [Sample::new(true, 0, b"two").encode(), frame(b"")].concat();
    let (received, _) = receive(&mut context, &rest, usize::MAX);
    let whole = Received::Message(Message::Text("one two".into()));
    assert_eq!(received, [whole, Received::Close { code: None, reason: Utf8Bytes::default() }]);
}
