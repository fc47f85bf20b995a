//! Frames by hand, right and wrong ones: what a test says to the server must not come from the code under test.

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's final, masked frame.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(0x80 | opcode, payload)
}

/// A client's masked frame with this first byte.
pub fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The header alone of a masked frame that announces this length.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes
}

pub fn text(payload: &str) -> Vec<u8> {
    frame(TEXT, payload.as_bytes())
}

pub fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// A server's final frame, which has no mask.
pub fn server(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(0x80 | opcode, payload.len() as u64);
    bytes[1] &= 0x7f;
    bytes.truncate(bytes.len() - MASK.len());
    bytes.extend_from_slice(payload);
    bytes
}

/// All frames of a client in `bytes`, with their masks. Panics on half a frame and one that is not masked.
pub fn decode_client(mut bytes: &[u8]) -> Vec<(Frame, [u8; 4])> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(bytes[1] & 0x80, 0x80, "a client masks everything");
        let (length, skip) = match bytes[1] & 0x7f {
            126 => (u16::from_be_bytes([bytes[2], bytes[3]]) as usize, 4),
            127 => (u64::from_be_bytes(bytes[2..10].try_into().unwrap()) as usize, 10),
            short => (short as usize, 2),
        };
        let mask: [u8; 4] = bytes[skip..skip + 4].try_into().unwrap();
        let masked = &bytes[skip + 4..skip + 4 + length];
        let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        frames.push((Frame { first: bytes[0], opcode: bytes[0] & 0x0f, payload }, mask));
        bytes = &bytes[skip + 4 + length..];
    }
    frames
}

/// A frame that the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn text(&self) -> String {
        String::from_utf8(self.payload.clone()).expect("text is UTF-8")
    }

    /// For a transcript: a text as it is, anything else behind its name.
    pub fn line(&self) -> String {
        match self.opcode {
            TEXT => self.text(),
            CLOSE => {
                let (code, reason) = self.close();
                format!("close {code} {reason}")
            }
            opcode => {
                let name = match opcode {
                    BINARY => "binary",
                    PING => "ping",
                    PONG => "pong",
                    _ => "unknown",
                };
                format!("{name} {}", String::from_utf8_lossy(&self.payload))
            }
        }
    }

    pub fn close(&self) -> (u16, String) {
        let Some((code, reason)) = self.payload.split_first_chunk() else { return (1005, String::new()) };
        (u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).expect("a reason is UTF-8"))
    }
}

/// All frames in `bytes`, which may begin with the head of an HTTP answer. Panics on half a frame, a masked
/// one, or anything behind a Close.
pub fn decode(bytes: &[u8]) -> Vec<Frame> {
    let (frames, rest) = decode_partial(bytes);
    assert!(rest.is_empty(), "half a frame: {rest:x?}");
    frames
}

/// The same, and the half frame at the end.
pub fn decode_partial(mut bytes: &[u8]) -> (Vec<Frame>, &[u8]) {
    if bytes.starts_with(b"HTTP/1.1 101") {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        bytes = &bytes[end + 4..];
    }
    let mut frames: Vec<Frame> = Vec::new();
    while bytes.len() >= 2 {
        assert!(frames.last().is_none_or(|last| last.opcode != CLOSE), "something behind a Close: {bytes:x?}");
        assert_eq!(bytes[1] & 0x80, 0, "a server masks nothing");
        let (length, skip) = match bytes[1] {
            126 if bytes.len() >= 4 => (u16::from_be_bytes([bytes[2], bytes[3]]) as usize, 4),
            127 if bytes.len() >= 10 => (u64::from_be_bytes(bytes[2..10].try_into().unwrap()) as usize, 10),
            126 | 127 => break,
            short => (short as usize, 2),
        };
        if bytes.len() < skip + length {
            break;
        }
        let payload = bytes[skip..skip + length].to_vec();
        frames.push(Frame { first: bytes[0], opcode: bytes[0] & 0x0f, payload });
        bytes = &bytes[skip + length..];
    }
    (frames, bytes)
}
