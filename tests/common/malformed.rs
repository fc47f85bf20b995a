//! What a peer may do wrong with frames (RFC 6455, sections 5, 7.4 and 8.1), and the code it is told.
//!
//! Not here: right frames (`frames.rs`), wrong HTTP.

use super::frames::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close, frame, header, raw, text};

/// One way to break the protocol.
pub struct Malformed {
    pub name: String,
    pub bytes: Vec<u8>,
    /// The code of the Close frame it earns.
    pub code: u16,
}

/// Every way, for a session whose messages may have `message_bytes` and `fragments`.
pub fn table(message_bytes: usize, fragments: usize) -> Vec<Malformed> {
    let mut table = Vec::new();
    let mut add = |code: u16, name: &str, bytes: Vec<u8>| {
        table.push(Malformed { name: name.to_owned(), bytes, code });
    };
    headers(&mut add);
    sequences(&mut add);
    closes(&mut add);
    not_utf8(&mut add);
    too_much(&mut add, message_bytes, fragments);
    table
}

/// A frame with the mask bit off and no mask.
fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    [&[first, payload.len() as u8], payload].concat()
}

fn headers(add: &mut impl FnMut(u16, &str, Vec<u8>)) {
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        add(1002, &format!("unmasked opcode {opcode}"), unmasked(0x80 | opcode, b"\x03\xe8"));
    }
    add(1002, "unmasked and empty", unmasked(0x80 | TEXT, b""));
    for bit in [0x40, 0x20, 0x10, 0x70] {
        for opcode in [TEXT, PING, PONG, CLOSE] {
            add(1002, &format!("reserved bits {bit:x} at opcode {opcode}"), raw(0x80 | bit | opcode, b"\x03\xe8"));
        }
        add(1002, &format!("reserved bits {bit:x} in a fragment"), [raw(TEXT, b"a"), raw(0x80 | bit, b"b")].concat());
    }
    for opcode in (3..8).chain(11..16) {
        add(1002, &format!("reserved opcode {opcode}"), frame(opcode, b"x"));
        add(1002, &format!("reserved opcode {opcode}, empty, not final"), raw(opcode, b""));
    }
    for opcode in [CLOSE, PING, PONG] {
        add(1002, &format!("fragmented control frame {opcode}"), raw(opcode, b""));
        add(1002, &format!("control frame {opcode} of 126 bytes"), frame(opcode, &[b'x'; 126]));
        add(1002, &format!("control frame {opcode} of 65536 bytes, its header"), header(0x80 | opcode, 65_536));
        let inside = [raw(TEXT, b"a"), frame(opcode, &[b'x'; 126])].concat();
        add(1002, &format!("control frame {opcode} of 126 bytes inside a message"), inside);
    }
}

fn sequences(add: &mut impl FnMut(u16, &str, Vec<u8>)) {
    add(1002, "a lone continuation", frame(CONTINUATION, b"x"));
    add(1002, "a lone empty continuation, not final", raw(CONTINUATION, b""));
    add(1002, "a continuation behind a whole message", [text("{}"), frame(CONTINUATION, b"x")].concat());
    let whole = [raw(TEXT, b"{"), frame(CONTINUATION, b"}")].concat();
    add(1002, "a continuation behind a fragmented message", [whole, frame(CONTINUATION, b"")].concat());
    for (outer, within) in [(TEXT, TEXT), (TEXT, BINARY), (BINARY, TEXT), (BINARY, BINARY)] {
        let bytes = [raw(outer, b"a"), frame(within, b"b")].concat();
        add(1002, &format!("a message of kind {within} inside one of kind {outer}"), bytes);
    }
    let bytes = [raw(TEXT, b""), frame(PING, b""), raw(TEXT, b"")].concat();
    add(1002, "a first fragment behind a first fragment and a ping", bytes);
}

fn closes(add: &mut impl FnMut(u16, &str, Vec<u8>)) {
    add(1002, "a close with half a code", frame(CLOSE, b"\x03"));
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        add(1002, &format!("a close with the code {code}"), close(code, "no"));
    }
    for reason in [&b"\xff"[..], b"ok\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        add(1007, &format!("a close reason of {reason:x?}"), frame(CLOSE, &[b"\x03\xe8", reason].concat()));
    }
}

fn not_utf8(add: &mut impl FnMut(u16, &str, Vec<u8>)) {
    let wrong: [(&str, &[u8]); 9] = [
        ("a continuation byte alone", b"\x80"),
        ("a byte that never is", b"ok\xff"),
        ("an overlong slash", b"\xc0\xaf"),
        ("an overlong euro", b"\xf0\x82\x82\xac"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("a code point above U+10FFFF", b"\xf4\x90\x80\x80"),
        ("half a character at the end", b"\xe2\x82"),
        ("half a character inside", b"\xe2\x82x"),
        ("NUL in two bytes", b"\xc0\x80"),
    ];
    for (name, bytes) in wrong {
        add(1007, name, frame(TEXT, bytes));
        for cut in 0..=bytes.len() {
            let fragments = [raw(TEXT, &bytes[..cut]), frame(CONTINUATION, &bytes[cut..])].concat();
            add(1007, &format!("{name}, in fragments cut at {cut}"), fragments);
        }
    }
}

fn too_much(add: &mut impl FnMut(u16, &str, Vec<u8>), message_bytes: usize, fragments: usize) {
    for (name, length) in [("one byte", message_bytes as u64 + 1), ("half of all", 1 << 63), ("all", u64::MAX)] {
        for opcode in [TEXT, BINARY] {
            add(
                1009,
                &format!("a header of kind {opcode} that announces {name} too much"),
                header(0x80 | opcode, length),
            );
        }
    }
    add(1009, "one frame too big", frame(BINARY, &vec![b'x'; message_bytes + 1]));
    let half = message_bytes / 2;
    let sum = [raw(TEXT, &vec![b'x'; half]), frame(CONTINUATION, &vec![b'x'; message_bytes - half + 1])].concat();
    add(1009, "fragments too big together", sum);
    let ping = frame(PING, b"");
    let sum = [raw(BINARY, &vec![b'x'; message_bytes]), ping, header(CONTINUATION, 1)].concat();
    add(1009, "a further byte behind a ping behind a full fragment", sum);
    let many = [raw(TEXT, b""), raw(CONTINUATION, b"").repeat(fragments)].concat();
    add(1008, "a fragment too many, all empty", many);
}
