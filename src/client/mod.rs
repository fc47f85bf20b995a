//! The client half: a connection to a WebSocket server that comes back when it is lost, on the same engine and the same
//! loop as the server.
//!
//! [`Client`] has a loop of its own. [`Reconnector`] is the policy alone, for the loop of a [`crate::Server`]: see
//! `examples/bridge.rs`.
//!
//! Not here: the session (`engine/session/`), sockets, TLS and names (`net/`).

mod backoff;
#[expect(clippy::module_inception, reason = "it is the client of this room")]
mod client;
mod config;
mod credentials;
mod event;
mod reconnector;
mod say;

pub use backoff::{Backoff, Jitter};
pub use client::{Client, Waker, dial};
pub use config::{ClientConfig, Source};
pub use credentials::{AuthenticateBy, Credentials, Login};
pub use event::{ClientError, ClientEvent, ReadyState, SendError};
pub use reconnector::Reconnector;
