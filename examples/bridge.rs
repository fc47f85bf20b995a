//! A bridge: a server that is a client of another one, in one loop. What is said on a channel upstream is said to the
//! subscribers of that channel here; when upstream is gone they stay, and hear again as soon as it is back.
//!
//! In three terminals, with a fourth that says something:
//!
//! ```text
//! barewire --plain-listen 127.0.0.1:8080
//! cargo run --example bridge
//! barewire connect ws://127.0.0.1:9001/ws --subscribe news --no-input
//! barewire connect ws://127.0.0.1:8080/ws --basic user:pass --publish news
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its terminal")]

use barewire::app::Router;
use barewire::auth::NoAuth;
use barewire::client::{ClientConfig, ClientEvent, Credentials, Reconnector, dial};
use barewire::{Error, Event, Message, PreparedMessage, Server, ServerConfig};
use serde::Deserialize;

/// A server, and a connection to another one in its loop.
pub struct Bridge {
    /// Its own clients. They speak the protocol of the daemon.
    pub server: Server,
    /// The server that it listens to.
    pub upstream: Reconnector,
}

/// What it wants to know of what upstream says.
#[derive(Deserialize)]
struct Heard<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    channel: Option<std::borrow::Cow<'a, str>>,
}

impl Bridge {
    /// Opens the listeners. The first attempt to reach upstream comes with the first turn. `config.seed` is that of the
    /// delays too: it must be another in every process.
    pub fn open(config: ServerConfig, upstream: ClientConfig) -> Result<Bridge, Error> {
        let upstream = Reconnector::new(upstream, config.seed)?;
        Ok(Bridge { server: Server::bind(config, Box::new(NoAuth))?, upstream })
    }

    /// One turn of the loop: sleeps until something happens, on any socket or by the clock.
    pub fn turn(&mut self) -> Result<(), Error> {
        dial(&mut self.upstream, &mut self.server);
        let wait = self.upstream.poll_timeout(self.server.engine().now());
        self.server.poll(wait)?;
        while let Some(event) = self.server.poll_event() {
            // What is not of the connection upstream comes back, and is of a client.
            if let Some(event) = self.upstream.handle_event(self.server.engine(), event) {
                self.answer(event);
            }
        }
        while let Some(event) = self.upstream.poll_event() {
            self.relay(event);
        }
        Ok(())
    }

    /// The daemon's rules are good enough for the clients here.
    fn answer(&mut self, event: Event) {
        Router::default().handle(self.server.engine(), event);
    }

    fn relay(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Message(Message::Text(text)) => {
                if let Ok(Heard { kind: "chat", channel: Some(channel) }) = serde_json::from_str(&text) {
                    // Encoded once, whatever the number of subscribers, and none of them can hold up the bridge.
                    self.server.engine().publish(&channel, &PreparedMessage::text(&text), None);
                }
            }
            ClientEvent::Open { .. } => println!("upstream is there"),
            ClientEvent::Error(error) => println!("upstream: {error}"),
            ClientEvent::Close { code, reason, .. } => println!("upstream is gone: {code} {reason:?}"),
            ClientEvent::Reconnecting { delay, attempt } => println!("attempt {attempt} in {delay:.1?}"),
            _ => {}
        }
    }
}

fn main() -> Result<(), Error> {
    let seed = getrandom::u64().map_err(|error| Error::Config(format!("no random numbers: {error}")))?;
    let config = ServerConfig { plain_listen: vec![([127, 0, 0, 1], 9001).into()], seed, ..ServerConfig::default() };
    let upstream = ClientConfig {
        credentials: Credentials::Basic { user: "user".into(), password: "pass".into() },
        channels: vec!["news".into()],
        ..ClientConfig::new("ws://127.0.0.1:8080/ws")
    };
    let mut bridge = Bridge::open(config, upstream)?;
    println!("WebSocket on 127.0.0.1:9001");
    while !bridge.server.is_finished() {
        bridge.turn()?;
    }
    Ok(())
}
