//! The only door: sockets, TLS, names, the poller and the clock. It has no opinion; whatever a peer may do or must
//! be told is the engine's to say.
//!
//! Not here: sessions (`engine/`), what the daemon does with them (`app/`, which this half never uses).

mod budget;
mod config;
mod connection;
mod dialing;
mod handle;
pub mod io;
mod listener;
mod resolver;
mod server;
#[cfg(feature = "tls")]
mod tls;

pub use config::ServerConfig;
pub use dialing::Dial;
pub use handle::{Handle, HandleError};
pub use server::Server;
#[cfg(feature = "tls")]
pub use tls::{ClientTls, TlsConfig};
