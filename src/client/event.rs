//! What a client tells its host: [`ClientEvent`], [`ReadyState`], and why something was not sent.
//!
//! Not here: when each is told (`reconnector.rs`).

use std::fmt;
use std::time::Duration;

use crate::error::CloseReason;
use crate::wire::http::ResponseHead;
use crate::wire::websocket::Message;

/// What happened. Those of one attempt come in the order in which they stand here.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// An attempt begins: the first has the number 0, attempts to come back count from 1.
    Connecting {
        /// Its number.
        attempt: u32,
    },
    /// The WebSocket is open. Credentials and subscriptions are on their way already.
    Open {
        /// The subprotocol that the server has selected.
        protocol: Option<String>,
    },
    /// A message of the server.
    Message(Message),
    /// The attempt has failed. [`ClientEvent::Close`] follows.
    Error(ClientError),
    /// The WebSocket is over, or never came to be. When we close, it is told as soon as our Close frame is queued.
    Close {
        /// The code of the Close frame: the server's, or ours where we closed or failed it. 1005 where it had none, and 1006
        /// where there was no Close frame (RFC 6455, section 7.1.5).
        code: u16,
        /// The reason beside it, which may be empty.
        reason: String,
        /// Why, in full.
        cause: CloseReason,
        /// Whether another attempt follows.
        retries: bool,
    },
    /// Another attempt will be made.
    Reconnecting {
        /// In this time.
        delay: Duration,
        /// Its number.
        attempt: u32,
    },
    /// There were as many attempts as there may be: no other follows. Told once.
    MaxReconnect,
}

/// Why an attempt has failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The server has refused the upgrade.
    Refused {
        /// Status, reason and headers.
        response: Box<ResponseHead>,
        /// The body as far as it came, at most [`crate::limits::REFUSAL_BODY_BYTES`].
        body: Vec<u8>,
    },
    /// It came to nothing before that: one sentence.
    Failed(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Refused { response, .. } => {
                write!(f, "the server refused the upgrade with {} {:?}", response.status(), response.reason())
            }
            ClientError::Failed(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for ClientError {}

/// Where a client stands, in the words of the WebSocket API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyState {
    /// An attempt is under way.
    Connecting,
    /// Messages can be sent.
    Open,
    /// Closed by [`crate::Client::close`], and the event not told yet.
    Closing,
    /// Neither; perhaps another attempt is waited for.
    Closed,
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// There is no open WebSocket, and no room in the queue for that case.
    NotOpen,
    /// More waits to be sent than may. It may be sent later.
    Full,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::NotOpen => "WebSocket is not open",
            SendError::Full => "too much waits to be sent",
        })
    }
}

impl std::error::Error for SendError {}
