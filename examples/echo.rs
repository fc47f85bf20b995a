//! Sends every message back as it came. The subject of the conformance suite and of the benches: no
//! authentication, messages and fragments up to what Autobahn sends, and whatever gets smaller is deflated.
//!
//! `cargo run --release --example echo -- --plain-listen 127.0.0.1:9001`
//!
//! `--no-deflate` declines permessage-deflate, `--takeover` keeps the contexts of both ends, `--message-bytes N` takes
//! smaller messages only. `--broadcast` sends every message to everybody else instead.

#![allow(clippy::print_stdout, reason = "an example talks to its terminal")]

use barewire::auth::NoAuth;
use barewire::wire::http::{Origins, Response};
use barewire::{EngineConfig, Event, Limits, Message, PreparedMessage, Server, ServerConfig, TlsConfig};

const MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// 4 MiB in fragments of 64 bytes, and an empty last one.
const FRAGMENTS: usize = 65_537;

/// Where everybody hears everybody, with `--broadcast`.
const CHANNEL: &str = "all";

const USAGE: &str =
    "there are --listen ADDR, --plain-listen ADDR, --message-bytes N, --no-deflate, --takeover and --broadcast";

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
    let mut is_broadcast = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--listen" => config.listen.push(value()?.parse()?),
            "--plain-listen" => config.plain_listen.push(value()?.parse()?),
            "--message-bytes" => config.engine.limits.message_bytes = value()?.parse()?,
            "--broadcast" => is_broadcast = true,
            "--no-deflate" => config.engine.deflate.enabled = false,
            "--takeover" => {
                config.engine.deflate.server_context_takeover = true;
                config.engine.deflate.client_context_takeover = true;
            }
            other => return Err(format!("{other}: unknown; {USAGE}").into()),
        }
    }
    if config.listen.is_empty() && config.plain_listen.is_empty() {
        return Err("no listener: give --listen ADDR or --plain-listen ADDR".into());
    }
    let mut server = Server::bind(config, Box::new(NoAuth))?;
    for (addr, is_secure) in server.local_addrs() {
        println!("{} server running on port {}", if is_secure { "HTTPS + WSS" } else { "HTTP + WS" }, addr.port());
    }
    server.run(|engine, event| match event {
        Event::Open { id } if is_broadcast => drop(engine.subscribe(id, CHANNEL)),
        Event::Message { id, message } if is_broadcast => {
            let prepared = match &message {
                Message::Text(text) => PreparedMessage::text(text),
                Message::Binary(bytes) => PreparedMessage::binary(bytes),
            };
            engine.publish(CHANNEL, &prepared, Some(id));
        }
        Event::Message { id, message } => drop(engine.send(id, message)),
        Event::Request { id, .. } => drop(engine.respond(id, Response::text(404, "Not Found"))),
        _ => {}
    })?;
    Ok(())
}
