//! tungstenite's state machine over memory: it unmasks, collects fragments, checks UTF-8 and the order of frames, and writes
//! the pongs.
//!
//! Not here: sizes and counts (`walker.rs`), how a Close is judged (`close.rs`).

use std::io::{self, Read, Write};

use tungstenite::protocol::{WebSocketConfig, WebSocketContext};

use super::walker::Walk;
use super::{Bytes, Message, Role, Utf8Bytes, close};
use crate::error::CloseReason;
use crate::limits::{CONTEXT_BYTES, CONTEXT_KEEP_BYTES, CONTEXT_READ_BYTES, CONTEXT_WRITE_BYTES};

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
    role: Role,
    /// The largest message that it may have buffered.
    largest: usize,
}

impl Context {
    /// The context of one side, for messages up to `message_bytes`, deflated or not. A server takes masked frames alone,
    /// and a client none that is masked (RFC 6455, section 5.1).
    pub fn new(role: Role, message_bytes: usize) -> Context {
        let config = WebSocketConfig::default()
            .read_buffer_size(CONTEXT_READ_BYTES)
            .write_buffer_size(CONTEXT_WRITE_BYTES)
            .max_write_buffer_size(CONTEXT_WRITE_BYTES * 2)
            .max_message_size(Some(message_bytes))
            .max_frame_size(Some(message_bytes))
            .accept_unmasked_frames(false);
        Context { websocket: WebSocketContext::new(role, Some(config)), role, largest: 0 }
    }

    /// Whose side it takes.
    pub fn role(&self) -> Role {
        self.role
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
