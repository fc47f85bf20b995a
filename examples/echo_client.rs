//! Connects to a server, sends every message back as it came until the server ends it, and tells what happened, one
//! line of JSON each. The client half's subject of the conformance suite and of `tests/interop/`.
//!
//! `cargo run --release --example echo_client -- ws://127.0.0.1:9001`
//!
//! `--times N` does so N times, one after another. For `wss`, `--ca FILE` names the authorities that are trusted.
//! `--protocol NAME` offers a subprotocol, and may be repeated; `--no-deflate` offers no permessage-deflate;
//! `--message-bytes N` takes smaller messages only; `--heartbeat MS` and `--timeout MS` are those of the limits.

#![allow(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::error::Error;
use std::time::Duration;

use barewire::client::{Client, ClientConfig, ClientError, ClientEvent};
use barewire::{ClientTls, EngineConfig, Limits};
use serde_json::{Value, json};

const MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// 4 MiB in fragments of 64 bytes, and an empty last one.
const FRAGMENTS: usize = 65_537;

const USAGE: &str = "there are URL, --times N, --ca FILE, --protocol NAME, --no-deflate, --message-bytes N, \
                     --heartbeat MS and --timeout MS";

/// What is to be done, and how often.
struct Task {
    url: String,
    times: u32,
    protocols: Vec<String>,
    tls: Option<ClientTls>,
    engine: EngineConfig,
}

/// Goes on to the next connection when the last one is over, whatever became of it.
pub fn main() -> Result<(), Box<dyn Error>> {
    let task = read(std::env::args().skip(1))?;
    for _ in 0..task.times {
        echo(&task)?;
    }
    Ok(())
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Task, Box<dyn Error>> {
    let limits = Limits {
        message_bytes: MESSAGE_BYTES,
        send_queue_bytes: MESSAGE_BYTES,
        fragments: FRAGMENTS,
        // It takes what the server has.
        control_frames_per_second: 0,
        ..Limits::default()
    };
    let mut engine = EngineConfig { limits, ..EngineConfig::default() };
    engine.deflate.min_bytes = 0;
    let mut task = Task { url: String::new(), times: 1, protocols: Vec::new(), tls: None, engine };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--times" => task.times = value()?.parse()?,
            "--ca" => task.tls = Some(ClientTls::with_roots(&std::fs::read(value()?)?)?),
            "--protocol" => task.protocols.push(value()?),
            "--no-deflate" => task.engine.deflate.enabled = false,
            "--message-bytes" => task.engine.limits.message_bytes = value()?.parse()?,
            "--heartbeat" => task.engine.limits.heartbeat_interval = Duration::from_millis(value()?.parse()?),
            "--timeout" => task.engine.limits.head_timeout = Duration::from_millis(value()?.parse()?),
            url if !url.starts_with('-') && task.url.is_empty() => task.url = url.to_owned(),
            other => return Err(format!("{other}: unknown; {USAGE}").into()),
        }
    }
    if task.url.is_empty() {
        return Err(format!("no URL; {USAGE}").into());
    }
    Ok(task)
}

/// One connection, which does not come back.
fn echo(task: &Task) -> Result<(), barewire::Error> {
    let config = ClientConfig {
        protocols: task.protocols.clone(),
        tls: task.tls.clone(),
        max_attempts: Some(0),
        ..ClientConfig::new(task.url.as_str())
    };
    let mut client = Client::connect(config, task.engine.clone())?;
    while !client.is_finished() {
        client.poll(None)?;
        while let Some(event) = client.poll_event() {
            match event {
                // The answer to one that has ended already is nobody's.
                ClientEvent::Message(message) => drop(client.send(message)),
                ClientEvent::Open { protocol } => tell(&json!({ "event": "open", "protocol": protocol })),
                ClientEvent::Error(error) => tell(&failure(&error)),
                ClientEvent::Close { code, reason, cause, .. } => {
                    let (kind, why) = (cause.name(), cause.to_string());
                    tell(&json!({ "event": "close", "code": code, "reason": reason, "kind": kind, "why": why }));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn tell(line: &Value) {
    println!("{line}");
}

fn failure(error: &ClientError) -> Value {
    match error {
        ClientError::Refused { response, body } => {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let headers: Vec<_> = response.headers().map(|(name, value)| (name, text(value))).collect();
            let (status, reason) = (response.status(), response.reason());
            json!({ "event": "refused", "status": status, "reason": reason, "headers": headers, "body": text(body) })
        }
        other => json!({ "event": "failed", "why": other.to_string() }),
    }
}
