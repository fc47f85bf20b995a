//! A client that comes back: when it tries again, with what, and when it stops. Pure policy over the engine's events.
//!
//! Not here: sessions (`engine/`), sockets and names (`net/`), the opening handshake (`wire/http/`).

mod backoff;

pub use backoff::{Backoff, Jitter};
