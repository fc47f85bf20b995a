//! What can go wrong, by whose fault: [`Error`] is ours or the operator's (a server or a client could not start, or
//! its loop broke); [`CloseReason`] says why one peer is gone, and decides the close code that the peer
//! sees, the level of the log line, and the counter.
//!
//! Not here: HTTP refusals, which are answers and not ends (`wire/http/`); configuration errors, which
//! belong to the program (`daemon/config/`).

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Stands for a Close frame without a code, and is never in one (RFC 6455, section 7.1.5).
pub(crate) const NO_CODE: u16 = 1005;

/// Why a server or a client could not be made, or why its loop cannot go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A listener could not be opened at this address.
    Bind {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The operating system's poller could not be set up, or failed while waiting; or there is no randomness for a client.
    Poll(io::Error),
    /// The certificate chain, the private key or the authorities cannot be used. Holds one sentence that says which and why.
    Tls(String),
    /// The configuration asks for something impossible. Holds one sentence that names the value.
    Config(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Bind { addr, source } => write!(f, "cannot listen on {addr}: {source}"),
            Error::Poll(source) => write!(f, "cannot wait for sockets: {source}"),
            Error::Tls(sentence) | Error::Config(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Bind { source, .. } | Error::Poll(source) => Some(source),
            Error::Tls(_) | Error::Config(_) => None,
        }
    }
}

/// Who brought a session to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// The peer closed in good order, or vanished.
    Peer,
    /// The peer broke a rule or a limit.
    PeerFault,
    /// This side: the engine, its operator or the host.
    Server,
}

/// Why a session ended. Each session ends with exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer sent a Close frame; its code and reason, where it gave any (RFC 6455, section 7.1.5 and 7.1.6).
    PeerClosed {
        /// The status code of the Close frame. One that no frame may carry is [`CloseReason::Protocol`] instead.
        code: Option<u16>,
        /// The reason of the Close frame, at most 123 bytes, not escaped.
        reason: String,
    },
    /// The stream ended without a Close frame (the peer would report 1006).
    PeerVanished,
    /// The connection was reset or another error of the transport ended it.
    Transport(io::ErrorKind),
    /// TLS failed: the peer broke it, or its certificate does not verify. What the TLS library said, or what is wrong with the
    /// certificate.
    Tls(String),
    /// The server could not be reached; one sentence that says where that failed. For a client.
    NotConnected(String),
    /// The server's answer to the upgrade is none that can be taken; one sentence that says why. For a client.
    Handshake(String),
    /// The conversation was plain HTTP and is over.
    HttpDone,
    /// A request was refused with this status, and the connection closed. For a client: its upgrade was.
    HttpRefused(u16),
    /// No request, or no TLS handshake, within the head timeout; or nothing after the last answer. For a client: no
    /// connection, or no answer to its upgrade.
    HeadTimeout,
    /// The peer broke RFC 6455: 1002.
    Protocol(Cow<'static, str>),
    /// Text that is not UTF-8: 1007.
    InvalidUtf8,
    /// A message above the limit: 1009.
    MessageTooBig,
    /// More fragments than allowed for one message: 1008.
    TooManyFragments,
    /// A message that took too long from its first byte to its last: 1008.
    MessageTimeout,
    /// Too many messages, and too many refusals: 1008.
    RateLimited,
    /// Too many pings and pongs: 1008.
    TooManyControlFrames,
    /// It held the most when the peers together held too much: 1013.
    Overloaded,
    /// It had not said who it is when too many others had not either, and it was the oldest of them: dropped.
    Crowded,
    /// The upgrade was refused, and the peer told so by a Close frame with this code and reason.
    UpgradeRefused {
        /// The status code sent: 4401 for a status of 401, 4403 for 403.
        code: u16,
        /// The reason sent.
        reason: Cow<'static, str>,
    },
    /// Something other than `auth` before authentication: 1008.
    AuthenticationRequired,
    /// A wrong token in `auth`: 1008.
    AuthenticationFailed,
    /// No successful `auth` in time: 1008.
    AuthenticationTimeout,
    /// The identity's time is over: 4401.
    TokenExpired,
    /// Silent for a whole heartbeat interval: cut without a close handshake.
    HeartbeatLost,
    /// The send queue was full when a message was due: 1013.
    SlowConsumer,
    /// The send queue made no progress for too long: cut.
    WriteStalled,
    /// The server is stopping: 1001.
    ServerShutdown,
    /// The server is stopping, and its sessions leave one after another: 1012. The peer may come back at once.
    ServerRestart,
    /// The host closed the session with this code and reason.
    Host {
        /// The status code that the host gave. One that no frame may carry is sent as 1000, and 1005 as an empty frame.
        code: u16,
        /// The reason that it gave. What is above 123 bytes is not sent.
        reason: Cow<'static, str>,
    },
    /// The host's handler panicked while it served this session: 1011.
    HandlerPanicked,
}

impl CloseReason {
    /// The code and the reason of the Close frame that the peer is sent, after its own Close the echo of that: 1005 for an
    /// empty frame. `None` where it is sent none.
    pub fn close_frame(&self) -> Option<(u16, &str)> {
        Some(match self {
            CloseReason::Protocol(_) => (1002, "Protocol error"),
            CloseReason::InvalidUtf8 => (1007, "Invalid UTF-8"),
            CloseReason::MessageTooBig => (1009, "Message too big"),
            CloseReason::TooManyFragments => (1008, "Too many fragments"),
            CloseReason::MessageTimeout => (1008, "Message timeout"),
            CloseReason::RateLimited => (1008, "Rate limit exceeded"),
            CloseReason::TooManyControlFrames => (1008, "Too many control frames"),
            CloseReason::Overloaded => (1013, "Server overloaded"),
            CloseReason::AuthenticationRequired => (1008, "Authentication required"),
            CloseReason::AuthenticationFailed => (1008, "Authentication failed"),
            CloseReason::AuthenticationTimeout => (1008, "Authentication timeout"),
            CloseReason::TokenExpired => (4401, "Token expired"),
            CloseReason::SlowConsumer => (1013, "slow consumer"),
            CloseReason::ServerShutdown => (1001, "Server shutting down"),
            CloseReason::ServerRestart => (1012, "Server restarting"),
            CloseReason::Host { code, reason } | CloseReason::UpgradeRefused { code, reason } => (*code, reason),
            CloseReason::HandlerPanicked => (1011, "Internal error"),
            CloseReason::PeerClosed { code, reason } => (code.unwrap_or(NO_CODE), reason),
            CloseReason::PeerVanished
            | CloseReason::Transport(_)
            | CloseReason::Tls(_)
            | CloseReason::NotConnected(_)
            | CloseReason::Handshake(_)
            | CloseReason::HttpDone
            | CloseReason::HttpRefused(_)
            | CloseReason::HeadTimeout
            | CloseReason::Crowded
            | CloseReason::HeartbeatLost
            | CloseReason::WriteStalled => return None,
        })
    }

    /// Who brought it about.
    pub fn initiator(&self) -> Initiator {
        match self {
            CloseReason::PeerClosed { .. }
            | CloseReason::PeerVanished
            | CloseReason::Transport(_)
            | CloseReason::NotConnected(_)
            | CloseReason::HttpDone => Initiator::Peer,
            CloseReason::Tls(_)
            | CloseReason::Handshake(_)
            | CloseReason::HttpRefused(_)
            | CloseReason::HeadTimeout
            | CloseReason::Protocol(_)
            | CloseReason::InvalidUtf8
            | CloseReason::MessageTooBig
            | CloseReason::TooManyFragments
            | CloseReason::MessageTimeout
            | CloseReason::RateLimited
            | CloseReason::TooManyControlFrames
            | CloseReason::Overloaded
            | CloseReason::Crowded
            | CloseReason::UpgradeRefused { .. }
            | CloseReason::AuthenticationRequired
            | CloseReason::AuthenticationFailed
            | CloseReason::AuthenticationTimeout
            | CloseReason::TokenExpired
            | CloseReason::HeartbeatLost
            | CloseReason::SlowConsumer
            | CloseReason::WriteStalled => Initiator::PeerFault,
            CloseReason::ServerShutdown
            | CloseReason::ServerRestart
            | CloseReason::Host { .. }
            | CloseReason::HandlerPanicked => Initiator::Server,
        }
    }

    /// The name under which ends of this kind are counted.
    pub fn name(&self) -> &'static str {
        match self {
            CloseReason::PeerClosed { .. } => "peer_closed",
            CloseReason::PeerVanished => "peer_vanished",
            CloseReason::Transport(_) => "transport",
            CloseReason::Tls(_) => "tls",
            CloseReason::NotConnected(_) => "not_connected",
            CloseReason::Handshake(_) => "handshake",
            CloseReason::HttpDone => "http_done",
            CloseReason::HttpRefused(_) => "http_refused",
            CloseReason::HeadTimeout => "head_timeout",
            CloseReason::Protocol(_) => "protocol",
            CloseReason::InvalidUtf8 => "invalid_utf8",
            CloseReason::MessageTooBig => "message_too_big",
            CloseReason::TooManyFragments => "too_many_fragments",
            CloseReason::MessageTimeout => "message_timeout",
            CloseReason::RateLimited => "rate_limited",
            CloseReason::TooManyControlFrames => "too_many_control_frames",
            CloseReason::Overloaded => "overloaded",
            CloseReason::Crowded => "crowded",
            CloseReason::UpgradeRefused { .. } => "upgrade_refused",
            CloseReason::AuthenticationRequired => "authentication_required",
            CloseReason::AuthenticationFailed => "authentication_failed",
            CloseReason::AuthenticationTimeout => "authentication_timeout",
            CloseReason::TokenExpired => "token_expired",
            CloseReason::HeartbeatLost => "heartbeat_lost",
            CloseReason::SlowConsumer => "slow_consumer",
            CloseReason::WriteStalled => "write_stalled",
            CloseReason::ServerShutdown => "server_shutdown",
            CloseReason::ServerRestart => "server_restart",
            CloseReason::Host { .. } => "host",
            CloseReason::HandlerPanicked => "handler_panicked",
        }
    }
}

/// One sentence for a log. What a peer or a library wrote is escaped (`{:?}`), so it cannot forge a line.
impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::PeerClosed { code: Some(code), reason } => write!(f, "the peer closed with {code} {reason:?}"),
            CloseReason::PeerClosed { code: None, .. } => f.write_str("the peer closed without a code"),
            CloseReason::PeerVanished => f.write_str("the stream ended without a Close frame"),
            CloseReason::Transport(kind) => write!(f, "the connection failed: {kind}"),
            CloseReason::Tls(detail) => write!(f, "TLS failed: {detail:?}"),
            CloseReason::NotConnected(detail) => write!(f, "not connected: {detail:?}"),
            CloseReason::Handshake(detail) => write!(f, "the answer to the upgrade is not taken: {detail:?}"),
            CloseReason::HttpDone => f.write_str("the last request was answered"),
            CloseReason::HttpRefused(status) => write!(f, "a request was refused with {status}"),
            CloseReason::HeadTimeout => f.write_str("no head of a request or an answer in time"),
            CloseReason::Protocol(detail) => write!(f, "protocol error: {detail:?}"),
            CloseReason::InvalidUtf8 => f.write_str("text that is not UTF-8"),
            CloseReason::MessageTooBig => f.write_str("a message above the limit"),
            CloseReason::TooManyFragments => f.write_str("more fragments than allowed for one message"),
            CloseReason::MessageTimeout => f.write_str("a message took too long"),
            CloseReason::RateLimited => f.write_str("more messages than allowed"),
            CloseReason::TooManyControlFrames => f.write_str("more pings and pongs than allowed"),
            CloseReason::Overloaded => f.write_str("the peers hold more memory than allowed, and this one the most"),
            CloseReason::Crowded => f.write_str("too many connections that have not said who they are"),
            CloseReason::UpgradeRefused { code, reason } => write!(f, "the upgrade was refused with {code} {reason:?}"),
            CloseReason::AuthenticationRequired => f.write_str("a message before authentication"),
            CloseReason::AuthenticationFailed => f.write_str("authentication failed"),
            CloseReason::AuthenticationTimeout => f.write_str("no authentication in time"),
            CloseReason::TokenExpired => f.write_str("the identity expired"),
            CloseReason::HeartbeatLost => f.write_str("silent for a whole heartbeat interval"),
            CloseReason::SlowConsumer => f.write_str("the send queue is full"),
            CloseReason::WriteStalled => f.write_str("the send queue made no progress"),
            CloseReason::ServerShutdown => f.write_str("the server is stopping"),
            CloseReason::ServerRestart => f.write_str("the server is restarting"),
            CloseReason::Host { code, reason } => write!(f, "closed by the host with {code} {reason:?}"),
            CloseReason::HandlerPanicked => f.write_str("the handler panicked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_a_peer_wrote_cannot_forge_a_log_line() {
        let reason = CloseReason::PeerClosed { code: Some(1000), reason: "bye\n[error] forged\u{1b}[31m".into() };
        let line = reason.to_string();
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }

    #[test]
    fn a_start_error_names_the_address_and_the_cause() {
        let error = Error::Bind {
            addr: SocketAddr::from(([127, 0, 0, 1], 8443)),
            source: io::Error::from(io::ErrorKind::AddrInUse),
        };
        assert_eq!(error.to_string(), "cannot listen on 127.0.0.1:8443: address in use");
    }
}
