//! RFC 6455 frames: [`FrameWalker`] sees where frames end and enforces what their headers announce;
//! [`Context`] is tungstenite's state machine over a memory pipe; the functions at the end encode.
//!
//! Bytes of a peer pass the walker first and the context second. The walker costs a session 32 bytes and
//! says whether the session is clean: at a frame boundary and in no fragmented message. Only an unclean
//! session needs a context of its own; all others borrow the one that the engine lends.
//!
//! tungstenite refuses the reserved bits. A deflated message (RFC 7692) is therefore shown to the context as a plain binary
//! one: the first byte of its first frame is changed on the way, the payload is inflated behind the context. So that no
//! more than one has to be told apart, a walk with a deflated message has no other message in it.
//!
//! Not here: inflating (`deflate.rs`); codes and reasons of Close frames (`websocket/close.rs`); what a session does about a message or a violation (`engine/session/`).

mod close;

use std::io::{self, Read, Write};

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
pub use tungstenite::{Bytes, Utf8Bytes};

pub use close::{encode_close, is_close_code};

use crate::error::CloseReason;
use crate::limits::{
    CONTEXT_BYTES, CONTEXT_KEEP_BYTES, CONTEXT_READ_BYTES, CONTEXT_WRITE_BYTES, CONTROL_PAYLOAD_BYTES,
    DEFLATE_OVERHEAD_MIN, DEFLATE_OVERHEAD_PART, FRAMES_PER_TURN, MESSAGE_BYTES_MAX,
};

/// The longest header of a frame (RFC 6455, section 5.2).
pub const HEADER_BYTES: usize = 14;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const CONTROL: u8 = 0x08;
const CONTINUATION: u8 = 0x00;
const TEXT: u8 = 0x01;
const BINARY: u8 = 0x02;
const CLOSE: u8 = 0x08;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

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

/// What a message may be, at most.
#[derive(Debug, Clone, Copy)]
pub struct MessageLimits {
    /// Bytes of payload over all fragments; more than [`MESSAGE_BYTES_MAX`] is never allowed.
    pub bytes: usize,
    /// Fragments.
    pub fragments: usize,
    /// Messages after which a walk stops.
    pub messages: usize,
    /// Frames after which a walk stops: [`FRAMES_PER_TURN`], less what other walks of this turn have had.
    pub frames: usize,
    /// Whether messages may be deflated. Their payload may then be larger by what deflating adds ([`deflated_bound`]); what
    /// they inflate to is not known here.
    pub deflate: bool,
}

/// The largest payload of a message that inflates to so many bytes, as far as it is taken.
pub fn deflated_bound(bytes: usize) -> usize {
    bytes + bytes / DEFLATE_OVERHEAD_PART + DEFLATE_OVERHEAD_MIN
}

/// What one walk has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// How much of the input may go to the context now. The rest waits for the next turn (or, with
    /// `violation`, is never looked at).
    pub end: usize,
    /// How many frames end within that.
    pub frames: usize,
    /// How many data messages end within that.
    pub messages: usize,
    /// Whether one of these frames left no message under way: what is under way at `end` has begun behind it.
    pub was_clean: bool,
    /// The header behind `end` breaks a limit.
    pub violation: Option<CloseReason>,
    /// It begins with a Close frame.
    pub is_close: bool,
    /// What the first byte must be for the context, where a deflated message begins with it.
    pub first: Option<u8>,
    /// The only message that ends within it is deflated, and of this kind.
    pub deflated: Option<Kind>,
    /// It stops because a deflated message begins or ends here: the rest may be walked in the same turn.
    pub may_go_on: bool,
}

/// Follows the frames of one peer through any cutting of its bytes.
///
/// It reads headers only, and checks only what must be known before a payload arrives: sizes and counts.
/// All else about a frame is the context's to judge.
#[derive(Debug, Default)]
pub struct FrameWalker {
    /// Payload still to come of the frame that is under way.
    remaining: u64,
    /// Payload announced so far by the fragments of the message that is under way; 0 when there is none.
    message_bytes: u32,
    /// The header that is under way, as far as it has come: with its last byte it is not any more.
    header: [u8; HEADER_BYTES - 1],
    header_bytes: u8,
    /// Whether the frame under way ends a data message.
    ends_message: bool,
    /// The message under way is deflated, and of this kind.
    deflated: Option<Kind>,
    /// Fragments so far of the message under way; 0 when there is none.
    fragments: u32,
}

impl FrameWalker {
    /// Whether the peer stands at a frame boundary and in no fragmented message.
    pub fn is_clean(&self) -> bool {
        self.remaining == 0 && self.header_bytes == 0 && self.fragments == 0
    }

    /// Payload that is still to come of the frame under way, in bytes.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// What a context keeps of the message under way, in bytes: the payload that has come, and twice that where it comes
    /// in fragments, for they are collected in a buffer that grows by doubling. A control frame between them is not
    /// counted.
    pub fn held(&self) -> usize {
        let announced = self.message_bytes as usize;
        let received = announced.saturating_sub(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        let in_fragments = self.fragments > 1 || self.fragments == 1 && self.remaining == 0;
        if in_fragments { 2 * received } else { received }
    }

    /// Walks on through `input`, as far as one turn may go: [`FRAMES_PER_TURN`] frames, or up to a Close
    /// frame that has others before it (so that what was asked before it can be answered before it). And no further than
    /// to where a deflated message begins or ends.
    pub fn walk(&mut self, input: &[u8], limits: MessageLimits) -> Walk {
        let mut walk = Walk::default();
        let is_turns_first = limits.frames == FRAMES_PER_TURN;
        loop {
            let rest = input.get(walk.end..).unwrap_or_default();
            if self.remaining > 0 {
                let taken = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(rest.len());
                self.remaining -= taken as u64;
                walk.end += taken;
                if self.remaining > 0 {
                    return walk;
                }
            } else {
                let is_first = is_turns_first && walk.frames == 0;
                let spent = walk.frames == limits.frames || walk.messages == limits.messages;
                let is_close = self.close_is_next(rest);
                if rest.is_empty() || spent || (!is_first && is_close) {
                    return walk;
                }
                walk.is_close |= is_close;
                if limits.deflate
                    && let Some((kind, first)) = self.deflated_is_next(rest)
                {
                    walk.may_go_on = walk.end > 0;
                    if walk.may_go_on {
                        return walk;
                    }
                    (self.deflated, walk.first) = (Some(kind), Some(first));
                }
                let Some((header, length)) = self.take_header(rest) else {
                    walk.end = input.len();
                    return walk;
                };
                if let Err(reason) = self.admit(&header, limits) {
                    // What comes before it is answered first: it is found again by the next walk.
                    walk.violation = is_first.then_some(reason);
                    return walk;
                }
                walk.end += length;
                if self.remaining > 0 {
                    continue;
                }
            }
            walk.frames += 1;
            if self.ends_message {
                self.ends_message = false;
                (self.message_bytes, self.fragments) = (0, 0);
                walk.messages += 1;
                walk.deflated = self.deflated.take();
                walk.may_go_on = walk.deflated.is_some();
            }
            walk.was_clean |= self.fragments == 0;
            if walk.may_go_on {
                return walk;
            }
        }
    }

    fn close_is_next(&self, rest: &[u8]) -> bool {
        self.header_bytes == 0 && rest.first().is_some_and(|first| first & OPCODE == CLOSE)
    }

    /// The kind of the deflated message that begins here, and its first byte as a plain one would have it: binary, since
    /// deflated text is no UTF-8 (RFC 7692, section 6). RSV1 elsewhere is the context's to refuse.
    fn deflated_is_next(&self, rest: &[u8]) -> Option<(Kind, u8)> {
        let first = *rest.first().filter(|first| self.header_bytes == 0 && **first & RSV1 != 0)?;
        let kind = match first & OPCODE {
            TEXT => Kind::Text,
            BINARY => Kind::Binary,
            _ => return None,
        };
        Some((kind, first & !(RSV1 | OPCODE) | BINARY))
    }

    /// Completes the header under way from `rest`; with it, how many bytes of `rest` belong to it.
    fn take_header(&mut self, rest: &[u8]) -> Option<(Header, usize)> {
        if self.header_bytes == 0
            && let Some(header) = Header::parse(rest)
        {
            return Some((header, header.bytes));
        }
        let mut bytes = [0; HEADER_BYTES];
        let mut have = usize::from(self.header_bytes);
        let taken = rest.len().min(HEADER_BYTES - have);
        for (to, from) in bytes.iter_mut().zip(self.header.iter().take(have).chain(rest)) {
            *to = *from;
        }
        if let Some(header) = bytes.get(..have + taken).and_then(Header::parse) {
            self.header_bytes = 0;
            return Some((header, header.bytes - have));
        }
        have += taken;
        self.header.copy_from_slice(bytes.first_chunk::<{ HEADER_BYTES - 1 }>()?);
        self.header_bytes = u8::try_from(have).ok()?;
        None
    }

    /// Enters the frame, or says which limit it breaks.
    fn admit(&mut self, header: &Header, limits: MessageLimits) -> Result<(), CloseReason> {
        if header.opcode & CONTROL != 0 {
            if header.payload > CONTROL_PAYLOAD_BYTES as u64 {
                return Err(CloseReason::Protocol("control frame too big".into()));
            }
            self.ends_message = false;
        } else {
            let (bytes, fragments) =
                if header.opcode == CONTINUATION { (self.message_bytes, self.fragments) } else { (0, 0) };
            let payload = u32::try_from(header.payload).unwrap_or(u32::MAX);
            let (bytes, fragments) = (bytes.saturating_add(payload), fragments.saturating_add(1));
            let most = limits.bytes.min(MESSAGE_BYTES_MAX);
            let most = if self.deflated.is_some() { deflated_bound(most) } else { most };
            if bytes as usize > most {
                return Err(CloseReason::MessageTooBig);
            }
            if fragments as usize > limits.fragments {
                return Err(CloseReason::TooManyFragments);
            }
            (self.message_bytes, self.fragments) = (bytes, fragments);
            self.ends_message = header.fin;
        }
        self.remaining = header.payload;
        Ok(())
    }
}

/// What a frame's first bytes say.
#[derive(Debug, Clone, Copy)]
struct Header {
    fin: bool,
    opcode: u8,
    payload: u64,
    bytes: usize,
}

impl Header {
    /// The header at the start of `bytes`, if all of it is there (RFC 6455, section 5.2).
    fn parse(bytes: &[u8]) -> Option<Header> {
        let &[first, second, ref rest @ ..] = bytes else { return None };
        let (payload, extended) = match second & LENGTH {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            short => (u64::from(short), 0),
        };
        let bytes_needed = 2 + extended + if second & MASKED == 0 { 0 } else { 4 };
        if bytes.len() < bytes_needed {
            return None;
        }
        Some(Header { fin: first & FIN != 0, opcode: first & OPCODE, payload, bytes: bytes_needed })
    }
}

/// The length of the frame at the start of `bytes`, header and payload, whether or not all of it is there;
/// `None` when not even the header is.
pub fn frame_length(bytes: &[u8]) -> Option<usize> {
    let header = Header::parse(bytes)?;
    Some(header.bytes.saturating_add(usize::try_from(header.payload).ok()?))
}

/// What a [`Context`] made of its input.
#[derive(Debug, PartialEq)]
pub enum Received {
    /// A whole message.
    Message(Message),
    /// A ping; its pong is in the replies.
    Ping,
    /// A pong, with its payload.
    Pong(Bytes),
    /// The peer's Close, after which nothing counts. Nothing was replied: the session must, unless this is the reply.
    Close {
        /// The code, where there is one: one that a Close frame may carry.
        code: Option<u16>,
        /// The reason, which may be empty.
        reason: Utf8Bytes,
    },
    /// The peer broke the protocol. Nothing was replied (tungstenite sends nothing): the session must.
    Violation(CloseReason),
    /// All input is consumed.
    Pending,
}

/// tungstenite's state machine for one role, over memory.
#[derive(Debug)]
pub struct Context {
    websocket: WebSocketContext,
    /// The largest message that it may have buffered.
    largest: usize,
}

impl Context {
    /// A server's context for messages up to `message_bytes`, deflated or not.
    pub fn server(message_bytes: usize) -> Context {
        let config = WebSocketConfig::default()
            .read_buffer_size(CONTEXT_READ_BYTES)
            .write_buffer_size(CONTEXT_WRITE_BYTES)
            .max_write_buffer_size(CONTEXT_WRITE_BYTES * 2)
            .max_message_size(Some(message_bytes))
            .max_frame_size(Some(message_bytes))
            .accept_unmasked_frames(false);
        Context { websocket: WebSocketContext::new(Role::Server, Some(config)), largest: 0 }
    }

    /// Tells the state machine that closing has begun: it answers no ping any more, and takes a Close of the peer for the
    /// reply to ours. Such a one it hands on as it came; in the place of any other it would reply by itself, and put 1002
    /// where it does not know the code.
    pub fn begin_closing(&mut self) {
        let mut nowhere = Vec::new();
        // Over memory this cannot fail; and if it had been closed before, nothing is left to tell.
        let _ = self.websocket.close(&mut Pipe { input: &mut Input::default(), replies: &mut nowhere }, None);
    }

    /// Takes what the next step makes of `input`, which shrinks by what was consumed. What must be sent at
    /// once (pongs) is appended to `replies` as encoded frames.
    pub fn receive(&mut self, input: &mut Input<'_>, replies: &mut Vec<u8>) -> Received {
        use tungstenite::Error as E;
        use tungstenite::Message as M;
        if std::mem::take(&mut input.is_close) {
            self.begin_closing();
        }
        match self.websocket.read(&mut Pipe { input, replies }) {
            Ok(M::Text(text)) => self.message(Message::Text(text)),
            Ok(M::Binary(bytes)) => self.message(Message::Binary(bytes)),
            Ok(M::Ping(_)) => Received::Ping,
            Ok(M::Pong(payload)) => Received::Pong(payload),
            Ok(M::Close(frame)) => close::judge(frame),
            // tungstenite makes no other messages when it reads.
            Ok(M::Frame(_)) => Received::Pending,
            Err(E::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Received::Pending,
            Err(E::Utf8(_)) => Received::Violation(CloseReason::InvalidUtf8),
            Err(E::Capacity(_)) => Received::Violation(CloseReason::MessageTooBig),
            Err(E::Protocol(error)) => Received::Violation(CloseReason::Protocol(error.to_string().into())),
            Err(error) => Received::Violation(CloseReason::Protocol(error.to_string().into())),
        }
    }

    /// What it keeps beside the message under way: itself, and the buffer that its largest message has grown.
    pub fn weight(&self) -> usize {
        CONTEXT_BYTES + self.largest
    }

    /// Whether it may be lent on: it holds no buffer that a large message has grown.
    pub fn is_small(&self) -> bool {
        self.largest <= CONTEXT_KEEP_BYTES
    }

    fn message(&mut self, message: Message) -> Received {
        self.largest = self.largest.max(message.len());
        Received::Message(message)
    }
}

/// What a context has still to read of one walk.
#[derive(Debug, Default)]
pub struct Input<'a> {
    /// Stands for the first byte of the rest.
    first: Option<u8>,
    /// A Close frame begins here.
    is_close: bool,
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// What `walk` lets the context see of `bytes`, from where the walk began.
    pub fn new(bytes: &'a [u8], walk: &Walk) -> Input<'a> {
        Input { first: walk.first, is_close: walk.is_close, rest: bytes.get(..walk.end).unwrap_or_default() }
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.rest.read(buffer)?;
        if count > 0
            && let (Some(first), Some(slot)) = (self.first.take(), buffer.first_mut())
        {
            *slot = first;
        }
        Ok(count)
    }
}

/// The memory that a context reads from and writes to.
struct Pipe<'a, 'i> {
    input: &'a mut Input<'i>,
    replies: &'a mut Vec<u8>,
}

impl Read for Pipe<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(buffer)
    }
}

impl Write for Pipe<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.replies.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
