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

use std::net::{IpAddr, SocketAddr};

use crate::time::Now;
use crate::wire::http::{Refusal, RequestHead};

/// Names one pending question to an [`Authenticate`]. It is good for one answer; an answer to a session
/// that has gone, or has been asked something else since, changes nothing but the count of wrong credentials of its
/// address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(crate) session: u64,
    pub(crate) serial: u32,
    /// Of the peer that is asked about.
    pub(crate) ip: IpAddr,
    /// The same as it is counted, an IPv6 one without its second half; `None` for a trusted proxy.
    pub(crate) counted: Option<IpAddr>,
}

/// Somebody who wants to come in, or to stay. What is borrowed lives as long as the call: for an answer that comes later,
/// copy what it needs.
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

/// What there is to judge. Refuse a kind that you do not know.
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
    /// The token of an `auth` message: the first of a session that was let in by [`Verdict::AskInBand`], or one that
    /// [`crate::Engine::renew`] was given.
    Message {
        /// The token as sent.
        token: &'a str,
    },
}

/// The answer to an [`Attempt`]. What it means to the peer is said by the engine: the answer to the upgrade; for an `auth`
/// message `{"type":"auth_success"}`, or `{"type":"error","message":"Authentication failed"}` and 1008.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is this one. In a renewal it must be the same user, else it counts as a refusal.
    Accept(Identity),
    /// Only for an upgrade: let it in unauthenticated; an `auth` message must follow within
    /// [`crate::Limits::auth_timeout`]. To an `auth` message this is a refusal.
    AskInBand,
    /// There are no credentials, or they could not be judged. An upgrade is answered with this (or, for a status of 401
    /// or 403, as [`crate::EngineConfig::refuse_by`] says); of an `auth` message the refusal's text is not told.
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
///
/// What takes time goes to a thread, which answers by a [`crate::Handle`]. A server has its handle only when it is bound,
/// with the authenticator in it; so the two meet in a channel:
///
/// ```no_run
/// use std::sync::mpsc::{SyncSender, sync_channel};
/// use std::thread;
///
/// use barewire::auth::{Attempt, Authenticate, Decision, Identity, Proof, Ticket, Verdict};
/// use barewire::wire::http::Refusal;
/// use barewire::{Server, ServerConfig};
///
/// struct Asks(SyncSender<(String, Ticket)>);
///
/// impl Authenticate for Asks {
///     fn begin(&mut self, attempt: &Attempt<'_>, ticket: Ticket) -> Decision {
///         let token = match attempt.proof {
///             Proof::Upgrade { token: Some(token), .. } | Proof::Message { token } => token,
///             Proof::Upgrade { .. } => return Decision::Now(Verdict::AskInBand),
///             _ => return Decision::Now(Verdict::Refuse(Refusal::new(401, "Unauthorized"))),
///         };
///         // A bounded channel: who finds no room is told so.
///         match self.0.try_send((token.to_owned(), ticket)) {
///             Ok(()) => Decision::Later,
///             Err(_) => Decision::Now(Verdict::Refuse(Refusal::new(503, "Service Unavailable"))),
///         }
///     }
/// }
///
/// # fn look_up(token: &str) -> Option<String> { None }
/// # fn main() -> Result<(), barewire::Error> {
/// let (asks, asked) = sync_channel(64);
/// let mut server = Server::bind(ServerConfig::default(), Box::new(Asks(asks)))?;
/// let handle = server.handle();
/// thread::spawn(move || {
///     for (token, ticket) in asked {
///         let verdict = match look_up(&token) {
///             Some(user) => Verdict::Accept(Identity::new(user)),
///             None => Verdict::Deny(Refusal::new(401, "Invalid token")),
///         };
///         // Where it is full (`HandleError::Full`), try again.
///         let _ = handle.resolve(ticket, verdict);
///     }
/// });
/// server.run(|_, _| {})
/// # }
/// ```
pub trait Authenticate {
    /// Judge `attempt`. After [`Decision::Later`] exactly one verdict for `ticket` is expected; until then nothing more of
    /// that session is read. Without one within [`crate::Limits::auth_timeout`] of the upgrade request (in a renewal: of
    /// the `auth` message) the upgrade is answered 503, or the session closed with 1008 `Authentication timeout`.
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
