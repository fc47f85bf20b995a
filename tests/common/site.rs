//! A server on a network of its own, whose events the daemon's router or the test answers.
//!
//! Not here: the network (`memory.rs`).

use std::net::SocketAddr;
use std::time::Duration;

use barewire::app::Router;
use barewire::auth::Authenticate;
use barewire::{Error, Event, Server, ServerConfig};

use super::{MemoryIo, Network};

/// The number of the TLS listener of a [`Site`], where it has TLS; else it is the plain one's.
pub const FIRST: usize = 0;
/// Turns in which any scenario must have come to rest.
const TURNS: usize = 20_000;

/// A server on a network of its own.
pub struct Site {
    pub network: Network,
    pub server: Server<MemoryIo>,
    /// Answers events; without it they are only kept.
    pub router: Option<Router>,
    /// Every event so far, in its debug form.
    pub history: Vec<String>,
    /// Messages, as they came, where there is no router.
    pub events: Vec<Event>,
}

impl Site {
    /// One TLS listener if there is a certificate, then one plain one; the daemon's router answers.
    pub fn new(mut config: ServerConfig, authenticator: Box<dyn Authenticate>) -> Site {
        config.plain_listen = vec![SocketAddr::from(([127, 0, 0, 1], 1))];
        config.listen = if config.tls.is_some() { config.plain_listen.clone() } else { Vec::new() };
        let network = Network::with_listeners(config.listen.len() + 1);
        let server = Server::with_io(MemoryIo(network.clone()), config, authenticator).unwrap();
        Site { network, server, router: Some(Router::default()), history: Vec::new(), events: Vec::new() }
    }

    /// Lets the server go on until neither it nor the network has anything left to do at this moment.
    pub fn rest(&mut self) {
        self.try_rest().unwrap();
    }

    /// The same, where the poller may be what breaks.
    pub fn try_rest(&mut self) -> Result<(), Error> {
        for _ in 0..TURNS {
            self.server.poll(Some(Duration::ZERO))?;
            while let Some(event) = self.server.poll_event() {
                self.history.push(format!("{event:?}"));
                match &self.router {
                    Some(router) => router.handle(self.server.engine(), event),
                    None => self.events.push(event),
                }
            }
            self.server.engine().check_invariants();
            if self.server.poll_timeout() != Some(Duration::ZERO) && self.network.state().is_quiet() {
                return Ok(());
            }
        }
        panic!("the server never comes to rest: it spins");
    }

    /// Moves the clock, stopping wherever the server wants to be called.
    pub fn advance(&mut self, by: Duration) {
        self.try_advance(by).unwrap();
    }

    /// The same, where the poller may be what breaks.
    pub fn try_advance(&mut self, by: Duration) -> Result<(), Error> {
        let mut left = by;
        while !left.is_zero() {
            let step = self.server.poll_timeout().map_or(left, |wait| wait.min(left)).max(Duration::from_micros(1));
            self.network.advance(step);
            left -= step.min(left);
            self.try_rest()?;
        }
        Ok(())
    }

    /// Takes what one peer was sent, once the server has come to rest.
    pub fn take(&mut self, peer: usize) -> Vec<u8> {
        self.rest();
        self.network.take(peer)
    }

    /// Whether any event so far holds all of these.
    pub fn has_seen(&self, parts: &[&str]) -> bool {
        self.history.iter().any(|event| parts.iter().all(|part| event.contains(part)))
    }
}
