//! What an engine is told once: [`EngineConfig`].
//!
//! Not here: the limits (`limits.rs`), sockets and certificates (`net/server.rs`).

use crate::engine::network::Network;
use crate::limits::Limits;
use crate::wire::deflate::DeflateConfig;
use crate::wire::http::Origins;

/// What an engine is told once.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The bounds. Default: [`Limits::default`].
    pub limits: Limits,
    /// The path of the WebSocket endpoint, compared byte by byte with that of the request, without its query. Empty:
    /// every path upgrades. Default `/ws`.
    pub path: String,
    /// Subprotocols that may be selected, the preferred one first; none is selected where none of them is offered.
    /// Default `json`.
    pub subprotocols: Vec<String>,
    /// Which origins may upgrade. Default [`Origins::Same`].
    pub origins: Origins,
    /// How a peer is told that its credentials do not let it in. Default [`RefuseBy::Http`].
    pub refuse_by: RefuseBy,
    /// How messages are deflated. Default [`DeflateConfig::default`].
    pub deflate: DeflateConfig,
    /// Addresses that no limit by address counts, since many peers stand behind each. Default none.
    pub trusted_proxies: Vec<Network>,
}

/// How an upgrade is refused for its credentials. All other refusals are HTTP answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefuseBy {
    /// By the status of the answer, 401 or 403.
    #[default]
    Http,
    /// The upgrade is completed, and the session closed with 4401 or 4403 and the reason: a page in a browser can see
    /// these, and not a status.
    Close,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            limits: Limits::default(),
            path: "/ws".into(),
            subprotocols: vec!["json".into()],
            origins: Origins::Same,
            refuse_by: RefuseBy::Http,
            deflate: DeflateConfig::default(),
            trusted_proxies: Vec::new(),
        }
    }
}
