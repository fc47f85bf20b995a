//! HTTP/1.1 as far as a messaging server needs it (RFC 9110, RFC 9112): request heads in, responses out, and the
//! opening handshake of RFC 6455. Strict on purpose: what two parsers could read differently is refused.
//!
//! ```text
//! received bytes ── HeadScanner ── RequestHead::parse ── route ─┬─ Request ── the host's routes ── Response
//!                                                               ├─ Upgrade ── Origins, auth ── switching_protocols
//!                                                               └─ Refuse ─── Response
//! ```
//!
//! Each step may end in a [`Refusal`]: it is answered, the connection closes, and nothing behind it is parsed.
//!
//! Not here: frames (`wire/websocket.rs`), who may come in (`auth/`), deadlines and the order of the steps
//! (`engine/session/`).

mod authority;
mod extension;
mod fields;
mod grammar;
mod head;
mod origin;
mod response;
mod scanner;
mod upgrade;

pub use extension::Extension;
pub use grammar::is_token;
pub use head::{RequestHead, Version, is_path};
pub use origin::{Origin, Origins};
pub use response::{Delivery, Refusal, Response, switching_protocols};
pub use scanner::HeadScanner;
pub use upgrade::{Route, Upgrade, route};

#[cfg(test)]
mod tests;
