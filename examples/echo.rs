//! Sends every message back as it came. The subject of the conformance suite and of the benches: no
//! authentication, messages and fragments up to what Autobahn sends, and whatever gets smaller is deflated.
//!
//! `cargo run --release --example echo -- --plain-listen 127.0.0.1:9001`
//!
//! `--no-deflate` declines permessage-deflate, `--takeover` keeps the contexts of both ends.

#![allow(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::net::SocketAddr;

use barewire::auth::NoAuth;
use barewire::wire::http::{Origins, Response};
use barewire::{EngineConfig, Event, Limits, Server, ServerConfig, TlsConfig};

const MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// 4 MiB in fragments of 64 bytes, and an empty last one.
const FRAGMENTS: usize = 65_537;

const USAGE: &str = "there are --listen ADDR, --plain-listen ADDR, --no-deflate and --takeover";

/// Runs until it is killed.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = ServerConfig {
        tls: Some(TlsConfig::from_pem(
            include_bytes!("../certs/dev-cert.pem"),
            include_bytes!("../certs/dev-key.pem"),
        )?),
        engine: EngineConfig {
            limits: Limits {
                message_bytes: MESSAGE_BYTES,
                send_queue_bytes: MESSAGE_BYTES,
                fragments: FRAGMENTS,
                // It is measured by how fast it is.
                messages_per_window: 0,
                control_frames_per_second: 0,
                ..Limits::default()
            },
            path: String::new(),
            origins: Origins::Any,
            ..EngineConfig::default()
        },
        ..ServerConfig::default()
    };
    config.engine.deflate.min_bytes = 0;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let listeners = match argument.as_str() {
            "--listen" => &mut config.listen,
            "--plain-listen" => &mut config.plain_listen,
            "--no-deflate" => {
                config.engine.deflate.enabled = false;
                continue;
            }
            "--takeover" => {
                config.engine.deflate.server_context_takeover = true;
                config.engine.deflate.client_context_takeover = true;
                continue;
            }
            other => return Err(format!("{other}: unknown; {USAGE}").into()),
        };
        let addr: SocketAddr = arguments.next().ok_or(format!("{argument} needs an address"))?.parse()?;
        listeners.push(addr);
    }
    if config.listen.is_empty() && config.plain_listen.is_empty() {
        return Err("no listener: give --listen ADDR or --plain-listen ADDR".into());
    }
    let mut server = Server::bind(config, Box::new(NoAuth))?;
    for (addr, is_secure) in server.local_addrs() {
        println!("{} server running on port {}", if is_secure { "HTTPS + WSS" } else { "HTTP + WS" }, addr.port());
    }
    server.run(|engine, event| match event {
        Event::Message { id, message } => drop(engine.send(id, message)),
        Event::Request { id, .. } => drop(engine.respond(id, Response::text(404, "Not Found"))),
        _ => {}
    })?;
    Ok(())
}
