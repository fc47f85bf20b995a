//! A peer's half of permessage-deflate, by flate2 alone and not by the code under test.
//!
//! Not here: frames (`frames.rs`).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::frames::{CONTINUATION, Frame, raw};

/// The header line that offers it.
pub const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
/// RSV1 (RFC 7692, section 6).
pub const RSV1: u8 = 0x40;

const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Both contexts of a client that takes over, or of one that starts anew each time.
#[derive(Debug)]
pub struct Client {
    compress: Compress,
    decompress: Decompress,
    takes_over: bool,
    server_takes_over: bool,
}

impl Client {
    pub fn new(takes_over: bool) -> Client {
        Client {
            compress: Compress::new(Compression::new(6), false),
            decompress: Decompress::new(false),
            takes_over,
            server_takes_over: takes_over,
        }
    }

    /// One that has got this answer to its upgrade request, if permessage-deflate is in it.
    pub fn agreed(head: &str) -> Option<Client> {
        let line = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: permessage-deflate"))?;
        let takes_over = !line.contains("client_no_context_takeover");
        let server_takes_over = !line.contains("server_no_context_takeover");
        Some(Client { server_takes_over, ..Client::new(takes_over) })
    }

    /// The payload of a deflated message.
    pub fn deflate(&mut self, payload: &[u8]) -> Vec<u8> {
        if !self.takes_over {
            self.compress.reset();
        }
        let mut out = Vec::with_capacity(payload.len() * 2 + 100);
        self.compress.compress_vec(payload, &mut out, FlushCompress::Sync).expect("deflates");
        assert!(out.ends_with(&TAIL), "an empty stored block at the end");
        out.truncate(out.len() - TAIL.len());
        out
    }

    /// What a deflated message says, where that is at most so many bytes.
    pub fn inflate(&mut self, payload: &[u8], at_most: usize) -> Vec<u8> {
        if !self.server_takes_over {
            self.decompress.reset(false);
        }
        let mut out = Vec::with_capacity(at_most + 1);
        for part in [payload, &TAIL] {
            self.decompress.decompress_vec(part, &mut out, FlushDecompress::Sync).expect("inflates");
        }
        assert!(out.len() <= at_most, "not more than that");
        out
    }

    /// The payload of a frame of the server, deflated or not.
    pub fn read(&mut self, frame: &Frame, at_most: usize) -> Vec<u8> {
        if frame.first & RSV1 == 0 { frame.payload.clone() } else { self.inflate(&frame.payload, at_most) }
    }
}

/// A payload that is deflated and stands alone.
pub fn deflate(payload: &[u8]) -> Vec<u8> {
    Client::new(false).deflate(payload)
}

/// What one that stands alone says.
pub fn inflate(payload: &[u8], at_most: usize) -> Vec<u8> {
    Client::new(false).inflate(payload, at_most)
}

/// A client's deflated message of this kind in one frame.
pub fn message(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(0x80 | RSV1 | opcode, &deflate(payload))
}

/// The same payload in frames of so many bytes.
pub fn fragments(opcode: u8, deflated: &[u8], bytes: usize) -> Vec<Vec<u8>> {
    let count = deflated.len().div_ceil(bytes).max(1);
    let parts: Vec<&[u8]> = if deflated.is_empty() { vec![&[]] } else { deflated.chunks(bytes).collect() };
    let first = |index: usize| {
        let opcode = if index == 0 { RSV1 | opcode } else { CONTINUATION };
        if index + 1 == count { 0x80 | opcode } else { opcode }
    };
    parts.iter().enumerate().map(|(index, part)| raw(first(index), part)).collect()
}

/// Text that a compressor makes about a third of, at any length.
pub fn prose(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut text = Vec::new();
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text.extend_from_slice(format!("{{\"n\":{},\"word\":\"barewire\"}},", state >> 40).as_bytes());
    }
    text.truncate(bytes);
    text
}
