//! What an engine tells: [`Event`]s to its host, [`Intake`] and [`Fate`] to its driver, and the answers to
//! calls that can be refused.
//!
//! Not here: the calls themselves (`engine/mod.rs`), why a session ended (`error.rs`).

use std::fmt;
use std::net::SocketAddr;

use crate::auth::Identity;
use crate::engine::hub::ConnId;
use crate::error::CloseReason;
use crate::wire::http::{RequestHead, ResponseHead};
use crate::wire::websocket::Message;

/// What happened, for the host. Events of one session come in order, and [`Event::Closed`] is its last.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection was accepted.
    Accepted {
        /// Its session.
        id: ConnId,
        /// The address of its other end.
        peer: SocketAddr,
    },
    /// An HTTP request that is no WebSocket upgrade. The host answers by [`crate::Engine::respond`], now or later;
    /// with no answer within the head timeout the peer is told 503.
    Request {
        /// Its session.
        id: ConnId,
        /// The request.
        head: Box<RequestHead>,
    },
    /// A session in the client role is open: the server has taken the upgrade.
    Connected {
        /// The session.
        id: ConnId,
        /// The subprotocol that the server has selected.
        protocol: Option<String>,
        /// Its answer.
        response: Box<ResponseHead>,
    },
    /// The server has answered the upgrade of a session in the client role by another status than 101.
    /// [`Event::Closed`] follows.
    Refused {
        /// The session.
        id: ConnId,
        /// Its answer: status and headers.
        response: Box<ResponseHead>,
        /// The answer's body as far as it came, at most [`crate::limits::REFUSAL_BODY_BYTES`].
        body: Vec<u8>,
    },
    /// A WebSocket session is open and its peer is known: [`crate::Engine::identity`]. It has no channels yet.
    Open {
        /// The session.
        id: ConnId,
    },
    /// A message of an open session. An `auth` message of a client is the host's to hand to [`crate::Engine::renew`].
    Message {
        /// The session.
        id: ConnId,
        /// The message.
        message: Message,
    },
    /// A message of an open session was dropped: there were more than [`crate::Limits::messages_per_window`]. The peer is
    /// told nothing but by the host; with the last of [`crate::limits::REFUSALS_PER_WINDOW`] it is closed with 1008.
    RateLimited {
        /// The session.
        id: ConnId,
    },
    /// The identity of an open session was renewed, as [`crate::Engine::renew`] asked: [`crate::Engine::identity`] is the
    /// new one, and what its rights no longer cover is for the host to end. Messages that waited for the verdict follow.
    Renewed {
        /// The session.
        id: ConnId,
    },
    /// The session is over. Never dropped, and told once for each [`Event::Accepted`] and each [`crate::Engine::connect`].
    Closed {
        /// The session.
        id: ConnId,
        /// Who it was, where that was known: then and only then [`Event::Open`] was told.
        identity: Option<Identity>,
        /// Why.
        reason: CloseReason,
    },
}

impl Event {
    /// The session it is about.
    pub fn id(&self) -> ConnId {
        match self {
            Event::Accepted { id, .. }
            | Event::Request { id, .. }
            | Event::Connected { id, .. }
            | Event::Refused { id, .. }
            | Event::Open { id }
            | Event::Message { id, .. }
            | Event::RateLimited { id }
            | Event::Renewed { id }
            | Event::Closed { id, .. } => *id,
        }
    }
}

/// What the shell should do with a socket's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// Read about this many bytes, [`crate::limits::READ_ROOM_BYTES`] more at most, then see again.
    Read(usize),
    /// Do not read: the session is told by [`crate::Engine::poll_ready`] when it may be read again.
    Pause,
    /// Read and drop it (so that closing the socket does not reset what was written last).
    Discard,
}

/// What the shell should do with a socket once its output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Keep,
    /// Write what is queued, then close our end of the stream, and the socket when the peer has closed its.
    CloseWhenWritten,
    /// Close the socket now.
    Drop,
}

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// Sessions that should receive it.
    pub matched: usize,
    /// Sessions that have it in their queue.
    pub queued: usize,
    /// Sessions that were cut because their queue was full.
    pub dropped: usize,
}

/// Why a session was not subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeError {
    /// The session is not open.
    NotOpen,
    /// The name is empty or longer than [`crate::limits::CHANNEL_NAME_BYTES`].
    BadName,
    /// It is in [`crate::Limits::channels_per_session`] channels already.
    TooMany,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SubscribeError::NotOpen => "the session is not open",
            SubscribeError::BadName => "the channel's name is empty or too long",
            SubscribeError::TooMany => "the session is in as many channels as it may be",
        })
    }
}

impl std::error::Error for SubscribeError {}

/// There is no session: a connection was turned away, or could not even be begun. The log of the driver says why, where that
/// is the operator's to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no further connection is taken or begun now")
    }
}

impl std::error::Error for Refused {}
