//! What a server is told once, and whether it can be.
//!
//! Not here: what a session is bound to (`limits.rs`), configuration files and flags (`daemon/config/`).

use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "tls")]
use super::tls::TlsConfig;
use crate::engine::EngineConfig;
use crate::error::Error;
use crate::limits::{LISTENERS_MAX, SEND_BUFFER_BYTES_DEFAULT};

/// What a server is told once.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Addresses of TLS listeners. Needs [`ServerConfig::tls`]. Port 0 takes a free one. Default none.
    #[cfg(feature = "tls")]
    pub listen: Vec<SocketAddr>,
    /// Addresses of plain listeners, likewise. Default none: a server without listeners serves nobody.
    pub plain_listen: Vec<SocketAddr>,
    /// Certificate and key of the TLS listeners. Default none.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsConfig>,
    /// `SO_SNDBUF` of accepted sockets, in bytes; 0 leaves the system's. Default [`SEND_BUFFER_BYTES_DEFAULT`].
    pub send_buffer_bytes: usize,
    /// The span over which [`Server::shut_down`](crate::Server::shut_down) spreads the ends of open sessions. Default 0:
    /// all at once.
    pub drain_spread: Duration,
    /// Decides what is left to chance, such as the phase of heartbeats. Default 0: the same at every start.
    pub seed: u64,
    /// The engine's part.
    pub engine: EngineConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            #[cfg(feature = "tls")]
            listen: Vec::new(),
            plain_listen: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
            send_buffer_bytes: SEND_BUFFER_BYTES_DEFAULT,
            drain_spread: Duration::ZERO,
            seed: 0,
            engine: EngineConfig::default(),
        }
    }
}

impl ServerConfig {
    /// The addresses of all listeners, those of TLS first, each with whether it is TLS.
    pub(super) fn addrs(&self) -> impl Iterator<Item = (SocketAddr, bool)> {
        #[cfg(feature = "tls")]
        let secure = self.listen.as_slice();
        #[cfg(not(feature = "tls"))]
        let secure: &[SocketAddr] = &[];
        let plain = self.plain_listen.iter().map(|&addr| (addr, false));
        secure.iter().map(|&addr| (addr, true)).chain(plain)
    }

    /// Whether all of it can be; [`Server::bind`](crate::Server::bind) asks it before it opens anything.
    pub fn check(&self) -> Result<(), Error> {
        self.engine.limits.check().map_err(Error::Config)?;
        self.engine.deflate.check().map_err(Error::Config)?;
        let listeners = self.addrs().count();
        if listeners > LISTENERS_MAX {
            return Err(Error::Config(format!("{listeners} listeners; at most {LISTENERS_MAX}")));
        }
        #[cfg(feature = "tls")]
        if self.tls.is_none() && !self.listen.is_empty() {
            return Err(Error::Config("a TLS listener needs a certificate".into()));
        }
        Ok(())
    }
}
