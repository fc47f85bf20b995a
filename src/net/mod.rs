//! The only door: sockets, TLS, the poller and the clock. It has no opinion; whatever a peer may do or must
//! be told is the engine's to say.
//!
//! Not here: sessions (`engine/`), what the daemon does with them (`app/`, which this half never uses).

mod connection;
mod handle;
pub mod io;
mod listener;
mod server;
#[cfg(feature = "tls")]
mod tls;

use std::time::Duration;

pub use handle::{Handle, HandleError};
pub use server::{Server, ServerConfig};
#[cfg(feature = "tls")]
pub use tls::TlsConfig;

/// A time span as the engine's clock counts it; one too long for that lasts for ever.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
