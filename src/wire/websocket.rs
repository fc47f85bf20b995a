//! RFC 6455 frames and messages. Bytes of a peer pass [`FrameWalker`] first, which sees where frames end and enforces what
//! their headers announce, and [`Context`] second, which is tungstenite's state machine over a memory pipe. The functions
//! at the end encode what the server sends.
//!
//! The walker costs a session 32 bytes and says whether the session is clean: at a frame boundary and in no fragmented
//! message. Only an unclean session needs a context of its own; all others borrow the one that the engine lends.
//!
//! tungstenite refuses the reserved bits. A deflated message (RFC 7692) is therefore shown to the context as a plain binary
//! one: the first byte of its first frame is changed on the way, the payload is inflated behind the context. So that no
//! more than one has to be told apart, a walk with a deflated message has no other message in it.
//!
//! Not here: inflating (`deflate.rs`); codes and reasons of Close frames (`websocket/close.rs`); what a session does about
//! a message or a violation (`engine/session/`).

mod close;
mod context;
mod walker;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
pub use tungstenite::{Bytes, Utf8Bytes};

pub use close::{encode_close, is_close_code};
pub use context::{Context, Input, Received};
pub use walker::{FrameWalker, MessageLimits, Walk, deflated_bound, frame_length};

use crate::limits::{CONTEXT_KEEP_BYTES, CONTROL_PAYLOAD_BYTES};

/// The longest header of a frame (RFC 6455, section 5.2).
pub const HEADER_BYTES: usize = 14;

/// A data message, whole. `Message::Text("hello".into())` is one; [`Bytes`] and [`Utf8Bytes`] share what they hold
/// when they are cloned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text.
    Text(Utf8Bytes),
    /// Anything.
    Binary(Bytes),
}

impl Message {
    /// The payload's length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The payload.
    pub fn into_payload(self) -> Bytes {
        match self {
            Message::Text(text) => text.into(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// The same, but it pins nothing beside itself: see [`settled`].
    pub fn settled(self) -> Message {
        match self {
            Message::Text(text) if text.len() <= CONTEXT_KEEP_BYTES => Message::Text(text.as_str().into()),
            Message::Text(text) => Message::Text(text),
            Message::Binary(bytes) => Message::Binary(settled(bytes)),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Message::Text(_) => Kind::Text,
            Message::Binary(_) => Kind::Binary,
        }
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }
}

/// What would outlive its turn, at its exact size, so that 10 KiB never pin a buffer of 64; what is larger fills its buffer.
pub fn settled(bytes: Bytes) -> Bytes {
    if bytes.len() > CONTEXT_KEEP_BYTES { bytes } else { Bytes::copy_from_slice(&bytes) }
}

/// The kind of a message, which is the opcode of its first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Anything.
    Binary,
}

/// One encoded message that any number of sessions can be sent. Made once, shared by all of them.
#[derive(Debug, Clone)]
pub struct PreparedMessage {
    kind: Kind,
    frame: Bytes,
    header: usize,
}

impl PreparedMessage {
    /// Encodes a text message.
    pub fn text(text: &str) -> PreparedMessage {
        PreparedMessage::encode(Kind::Text, text.as_bytes())
    }

    /// Encodes a binary message.
    pub fn binary(payload: &[u8]) -> PreparedMessage {
        PreparedMessage::encode(Kind::Binary, payload)
    }

    /// The whole frame.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The payload of the frame.
    pub fn payload(&self) -> &[u8] {
        self.frame.get(self.header..).unwrap_or_default()
    }

    fn encode(kind: Kind, payload: &[u8]) -> PreparedMessage {
        let mut frame = Vec::with_capacity(payload.len() + HEADER_BYTES);
        encode_message_header(kind, false, payload.len(), &mut frame);
        let header = frame.len();
        frame.extend_from_slice(payload);
        PreparedMessage { kind, frame: frame.into(), header }
    }
}

/// Appends the header of a server's frame that carries a whole message of so many bytes, as they are or deflated
/// (RFC 7692, section 6.1).
pub fn encode_message_header(kind: Kind, is_deflated: bool, bytes: usize, out: &mut Vec<u8>) {
    let opcode = OpCode::Data(match kind {
        Kind::Text => Data::Text,
        Kind::Binary => Data::Binary,
    });
    encode_header(FrameHeader { opcode, rsv1: is_deflated, ..FrameHeader::default() }, bytes, out);
}

/// Appends a ping with this payload, at most [`CONTROL_PAYLOAD_BYTES`] of it.
pub fn encode_ping(payload: &[u8], out: &mut Vec<u8>) {
    let payload = payload.get(..CONTROL_PAYLOAD_BYTES).unwrap_or(payload);
    encode_header(control(Control::Ping), payload.len(), out);
    out.extend_from_slice(payload);
}

fn control(opcode: Control) -> FrameHeader {
    FrameHeader { opcode: OpCode::Control(opcode), ..FrameHeader::default() }
}

/// A final frame, not masked: a server's.
fn encode_header(header: FrameHeader, payload: usize, out: &mut Vec<u8>) {
    let header = FrameHeader { is_final: true, mask: None, ..header };
    // Writing to memory cannot fail.
    let _ = header.format(payload as u64, out);
}

#[cfg(test)]
mod tests;
