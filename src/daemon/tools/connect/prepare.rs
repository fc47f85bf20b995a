//! From what was asked for to what a client is told: how the server is reached, channels, limits.
//!
//! Not here: credentials, trust and the request (`daemon/tools/reach.rs`), the flags' own grammar
//! (`daemon/cli/tools/connect.rs`), what the configuration means (the library's `client`).

use std::ffi::OsString;

use barewire::EngineConfig;
use barewire::client::ClientConfig;
use barewire::limits::Limits;
use barewire::wire::http::UpgradeRequest;
use barewire::wire::message::check_channel;

use super::Connect;
use crate::daemon::failure::Failure;
use crate::daemon::tools::reach::{self, Notice, Reached};

/// All that a client needs.
#[derive(Debug)]
pub struct Prepared {
    pub client: ClientConfig,
    pub engine: EngineConfig,
    /// Where it goes, fit to be shown.
    pub place: String,
    /// What the person must know before.
    pub notices: Vec<Notice>,
}

/// Checks and reads. `variable` is the environment. An error names flag or variable, and shows nothing secret.
pub fn prepare(asked: &Connect, variable: impl Fn(&str) -> Option<OsString>) -> Result<Prepared, Failure> {
    let channels = asked.subscribe.iter().map(|name| ("--subscribe", name));
    for (flag, name) in channels.chain(asked.publish.iter().map(|name| ("--publish", name))) {
        check_channel(name).map_err(|reason| Failure::usage(format!("{flag} = {name:?}: {reason}")))?;
    }
    let Reached { url, credentials, upgrade, tls, notices } = reach::reach(&asked.reach, variable)?;
    let UpgradeRequest { protocols, headers, .. } = upgrade;
    let client = ClientConfig {
        protocols,
        headers,
        credentials,
        authenticate_by: asked.reach.authenticate_by,
        allow_plain: asked.reach.allow_plain,
        channels: asked.subscribe.clone(),
        max_attempts: asked.max_attempts,
        tls,
        ..ClientConfig::new(asked.reach.url.expose())
    };
    client.check()?;
    let limits =
        Limits { message_bytes: asked.message_bytes, heartbeat_interval: asked.heartbeat, ..Limits::default() };
    let engine = EngineConfig { limits, ..EngineConfig::default() };
    Ok(Prepared { client, engine, place: url.to_string(), notices })
}
