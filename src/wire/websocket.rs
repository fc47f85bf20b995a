//! RFC 6455 frames and messages. Bytes of a peer pass [`FrameWalker`] first, which sees where frames end and enforces what
//! their headers announce, and [`Context`] second, which is tungstenite's state machine over a memory pipe. What is at the
//! end encodes what is sent.
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
mod mask;
mod walker;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
pub use tungstenite::{Bytes, Utf8Bytes};

pub use close::{encode_close, is_close_code};
pub use context::{Context, Input, Received};
pub use mask::{Mask, Masks, apply_mask};
pub use tungstenite::protocol::Role;
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

/// One encoded message, a server's frame, that any number of sessions can be sent. Made once, shared by all of them.
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
        MessageHeader { kind, is_deflated: false, bytes: payload.len(), mask: None }.encode(&mut frame);
        let header = frame.len();
        frame.extend_from_slice(payload);
        PreparedMessage { kind, frame: frame.into(), header }
    }
}

/// The header of a frame that carries a whole message.
#[derive(Debug, Clone, Copy)]
pub struct MessageHeader {
    /// Its kind.
    pub kind: Kind,
    /// Whether the payload is deflated (RFC 7692, section 6.1).
    pub is_deflated: bool,
    /// The payload's length in bytes.
    pub bytes: usize,
    /// The key with which the payload is masked: a client's frame has one, a server's has none.
    pub mask: Option<Mask>,
}

impl MessageHeader {
    /// Appends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let opcode = OpCode::Data(match self.kind {
            Kind::Text => Data::Text,
            Kind::Binary => Data::Binary,
        });
        let header = FrameHeader { rsv1: self.is_deflated, ..frame(opcode, self.mask) };
        encode_header(&header, self.bytes, out);
    }
}

/// Appends a ping with this payload, at most [`CONTROL_PAYLOAD_BYTES`] of it.
pub fn encode_ping(payload: &[u8], mask: Option<Mask>, out: &mut Vec<u8>) {
    let payload = payload.get(..CONTROL_PAYLOAD_BYTES).unwrap_or(payload);
    encode_control(Control::Ping, &[payload], mask, out);
}

/// Appends a control frame, whose payload is in pieces.
fn encode_control(opcode: Control, pieces: &[&[u8]], mask: Option<Mask>, out: &mut Vec<u8>) {
    let bytes = pieces.iter().map(|piece| piece.len()).sum();
    encode_header(&frame(OpCode::Control(opcode), mask), bytes, out);
    let start = out.len();
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    if let (Some(mask), Some(payload)) = (mask, out.get_mut(start..)) {
        apply_mask(payload, mask);
    }
}

/// The header of a final frame.
fn frame(opcode: OpCode, mask: Option<Mask>) -> FrameHeader {
    FrameHeader { is_final: true, opcode, mask, ..FrameHeader::default() }
}

fn encode_header(header: &FrameHeader, payload: usize, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = header.format(payload as u64, out);
}

#[cfg(test)]
mod tests;
