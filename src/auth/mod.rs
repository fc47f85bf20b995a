//! Who is it, and what may they: the [`Authenticate`] seam, the [`Identity`] it yields, and, with the feature `auth`,
//! `Methods`, the daemon's own authenticator, which tries the enabled ways.
//!
//! The engine calls [`Authenticate::begin`] once for each upgrade request that passed every other check,
//! and once for each in-band `auth` message. It may answer at once, or later from anywhere by
//! `Engine::resolve` with the [`Ticket`] it was given; the session's input waits meanwhile.
//!
//! Not here: when a peer is asked and what it is told (`engine/session/`), the parsing of heads
//! (`wire/http/`).

#[cfg(feature = "auth")]
mod basic;
#[cfg(feature = "auth")]
mod hashing;
mod identity;
#[cfg(feature = "auth")]
mod key;
#[cfg(feature = "auth")]
mod methods;
#[cfg(feature = "auth")]
mod password;
#[cfg(feature = "auth")]
mod token;
#[cfg(feature = "auth")]
mod users;

#[cfg(feature = "auth")]
pub use hashing::Hashing;
pub use identity::{Identity, Patterns, Rights};
#[cfg(feature = "auth")]
pub use key::{TokenAlgorithm, TokenKey, token_secret};
#[cfg(feature = "auth")]
pub use methods::Methods;
#[cfg(feature = "auth")]
pub use password::{HashAlgorithm, PasswordHash};
#[cfg(feature = "auth")]
pub use token::{TokenError, Tokens};
#[cfg(feature = "auth")]
pub use users::Users;

use std::net::SocketAddr;

use crate::time::Now;
use crate::wire::http::{Refusal, RequestHead};

/// Names one pending question to an [`Authenticate`]. It is good for one answer; an answer to a session
/// that has gone, or has been asked something else since, changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(crate) session: u64,
    pub(crate) serial: u32,
}

/// Somebody who wants to come in, or to stay.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// What is shown.
    pub proof: Proof<'a>,
    /// The address of the socket's other end.
    pub peer: SocketAddr,
    /// Whether the transport is TLS.
    pub secure: bool,
    /// The time of this turn.
    pub now: Now,
}

/// What there is to judge.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Proof<'a> {
    /// An upgrade request. The handshake itself is in order (RFC 6455, section 4.2.1).
    Upgrade {
        /// The whole request head.
        head: &'a RequestHead,
        /// The `Origin` header, where there is one.
        origin: Option<&'a str>,
        /// The token among the offered subprotocols, where there is one ([`crate::wire::http::Upgrade::token`]).
        token: Option<&'a str>,
    },
    /// The token of an `auth` message.
    Message {
        /// The token as sent.
        token: &'a str,
    },
}

/// The answer to an [`Attempt`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is this one.
    Accept(Identity),
    /// Only for an upgrade: let it in unauthenticated; an `auth` message must follow within the auth timeout.
    /// To an `auth` message this is a refusal.
    AskInBand,
    /// There are no credentials, or they could not be judged. An upgrade is answered with this; an `auth` message
    /// with `Authentication failed` and 1008.
    Refuse(Refusal),
    /// The credentials are wrong. The same, and it counts against the peer's address:
    /// [`crate::Limits::auth_failures_per_minute`].
    Deny(Refusal),
}

/// Whether the answer is there yet.
#[derive(Debug)]
pub enum Decision {
    /// It is.
    Now(Verdict),
    /// It comes by `Engine::resolve` (or `Handle::resolve` from another thread) with the ticket.
    Later,
}

/// Decides who a peer is. Called inside a turn: it must neither block nor panic.
pub trait Authenticate {
    /// Judge `attempt`. After [`Decision::Later`] exactly one verdict for `ticket` is expected; until then
    /// nothing more of that session is read, and its deadline runs.
    fn begin(&mut self, attempt: &Attempt<'_>, ticket: Ticket) -> Decision;
}

/// Asks nobody: every session is `anonymous` and counts as authenticated (`auth.methods = none`).
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAuth;

impl Authenticate for NoAuth {
    fn begin(&mut self, _attempt: &Attempt<'_>, _ticket: Ticket) -> Decision {
        Decision::Now(Verdict::Accept(Identity::anonymous()))
    }
}

/// 503 with `Retry-After`: it could not be judged, and may be asked again.
#[cfg(feature = "auth")]
fn unavailable() -> Refusal {
    Refusal::new(503, "Service Unavailable").with_header("Retry-After", crate::limits::RETRY_AFTER_SECONDS.to_string())
}
