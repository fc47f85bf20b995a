//! A client with a loop of its own, and how one is driven in a server's.
//!
//! Not here: what it does and when (`reconnector.rs`), the loop (`net/server.rs`, here without listeners).

use std::borrow::Cow;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use super::config::ClientConfig;
use super::event::{ClientEvent, ReadyState, SendError};
use super::reconnector::Reconnector;
use super::say;
use crate::auth::NoAuth;
use crate::engine::{EngineConfig, SubscribeError};
use crate::error::Error;
use crate::net::io::{Io, SystemIo};
use crate::net::{Handle, Server, ServerConfig};
use crate::wire::websocket::Message;

/// Makes the attempt that is due, if one is. In a server's loop: before each [`Server::poll`]. Once that server is shutting
/// down it makes none, and the reconnector stops.
pub fn dial<I: Io>(reconnector: &mut Reconnector, server: &mut Server<I>) {
    if server.is_shutting_down() {
        return reconnector.close(server.engine(), 1001, "");
    }
    while let Some(dial) = reconnector.poll_dial(server.engine().now()) {
        let dialed = server.connect(dial);
        reconnector.handle_dialed(server.engine().now(), dialed);
    }
}

/// A reconnecting client with a loop of its own.
///
/// ```no_run
/// use std::time::Duration;
/// use barewire::client::{Client, ClientConfig, ClientEvent};
/// use barewire::{EngineConfig, Message};
///
/// # fn main() -> Result<(), barewire::Error> {
/// let mut client = Client::connect(ClientConfig::new("ws://127.0.0.1:8080/ws"), EngineConfig::default())?;
/// loop {
///     client.poll(Some(Duration::from_secs(1)))?;
///     while let Some(event) = client.poll_event() {
///         match event {
///             ClientEvent::Open { .. } => drop(client.send(Message::Text("hello".into()))),
///             ClientEvent::Message(message) => println!("{message:?}"),
///             _ => {}
///         }
///     }
/// }
/// # }
/// ```
pub struct Client<I: Io = SystemIo> {
    server: Server<I>,
    reconnector: Reconnector,
}

impl Client {
    /// Begins the first attempt; [`Client::poll`] goes on with it. [`Error::Config`] where the configuration cannot be.
    /// Of `engine` the limits, heartbeats and `permessage-deflate` are meant; [`crate::Limits::head_timeout`] is the time
    /// that an attempt has.
    pub fn connect(config: ClientConfig, engine: EngineConfig) -> Result<Client, Error> {
        Client::with_io(SystemIo::open(&[], 0)?, config, engine)
    }
}

impl AsRawFd for Client {
    /// As [`Server`]'s: readable when [`Client::poll`] has something to do, if [`Client::poll_timeout`] is honoured too.
    fn as_raw_fd(&self) -> RawFd {
        self.server.as_raw_fd()
    }
}

impl<I: Io> Client<I> {
    /// A client over another [`Io`]. For tests.
    pub fn with_io(mut io: I, config: ClientConfig, engine: EngineConfig) -> Result<Client<I>, Error> {
        let [a, b, c, d, e, f, g, h, ..] = io.entropy().map_err(Error::Poll)?;
        let seed = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
        let server = Server::with_io(io, ServerConfig { engine, seed, ..ServerConfig::default() }, Box::new(NoAuth))?;
        let reconnector = Reconnector::new(config, seed)?;
        Ok(Client { server, reconnector })
    }

    /// Goes on until there is an event, or a turn of the loop is over; not at all while there are events to take. Sleeps at
    /// most once, at most `timeout` (`None`: as long as nothing is due), and not at all when it becomes finished. An error is
    /// final: the poller is broken.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        if self.reconnector.has_events() {
            // Nobody has taken them: what a server says must not pile up here.
            return Ok(());
        }
        dial(&mut self.reconnector, &mut self.server);
        if self.reconnector.has_stopped() && !self.is_finished() {
            // What is left of the connection may go with a write of this turn, and then nothing would wake it.
            self.turn(Some(Duration::ZERO))?;
            if self.is_finished() {
                return Ok(());
            }
        }
        let own = self.reconnector.poll_timeout(self.server.engine().now());
        self.turn(timeout.into_iter().chain(own).min())
    }

    fn turn(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.server.poll(timeout)?;
        while let Some(event) = self.server.poll_event() {
            // Of a session that it has left behind there is nothing to tell.
            drop(self.reconnector.handle_event(self.server.engine(), event));
        }
        Ok(())
    }

    /// The next event. Call until `None` after every [`Client::poll`].
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.reconnector.poll_event()
    }

    /// How long a host may sleep before it calls [`Client::poll`] again, though the descriptor is not readable.
    pub fn poll_timeout(&mut self) -> Option<Duration> {
        let own = self.reconnector.poll_timeout(self.server.engine().now());
        self.server.poll_timeout().into_iter().chain(own).min()
    }

    /// Sends a message: see [`Reconnector::send`].
    pub fn send(&mut self, message: Message) -> Result<(), SendError> {
        self.reconnector.send(self.server.engine(), message)
    }

    /// Says something to the subscribers of a channel of a barewire server, or to everybody there.
    pub fn publish(&mut self, channel: Option<&str>, payload: &serde_json::Value) -> Result<(), SendError> {
        self.send(Message::Text(say::publish(channel, payload).into()))
    }

    /// Subscribes to a channel of a barewire server: see [`Reconnector::subscribe`].
    pub fn subscribe(&mut self, channel: &str) -> Result<(), SubscribeError> {
        self.reconnector.subscribe(self.server.engine(), channel)
    }

    /// Ends that.
    pub fn unsubscribe(&mut self, channel: &str) {
        self.reconnector.unsubscribe(self.server.engine(), channel);
    }

    /// Stops for good: see [`Reconnector::close`]. What is queued is still sent, if polling goes on until
    /// [`Client::is_finished`].
    pub fn close(&mut self, code: u16, reason: impl Into<Cow<'static, str>>) {
        self.reconnector.close(self.server.engine(), code, reason);
    }

    /// Makes the next attempt now: see [`Reconnector::restart`].
    pub fn restart(&mut self) {
        self.reconnector.restart();
    }

    /// Whether no attempt will follow, and nothing is left of the last connection.
    pub fn is_finished(&mut self) -> bool {
        self.reconnector.has_stopped() && !self.reconnector.has_events() && self.server.engine().sessions() == 0
    }

    /// Where it stands.
    pub fn ready_state(&self) -> ReadyState {
        self.reconnector.ready_state()
    }

    /// The number of the attempt that is under way or waited for.
    pub fn attempt(&self) -> u32 {
        self.reconnector.attempt()
    }

    /// The round trip of the last heartbeat that was answered.
    pub fn round_trip(&mut self) -> Option<Duration> {
        let id = self.reconnector.session()?;
        self.server.engine().round_trip(id)
    }

    /// Sends a heartbeat now: see [`crate::Engine::ping`].
    pub fn ping(&mut self) -> bool {
        let session = self.reconnector.session();
        session.is_some_and(|id| self.server.engine().ping(id))
    }

    /// Whether the last heartbeat of an open WebSocket is not answered yet.
    pub fn awaits_pong(&mut self) -> bool {
        let session = self.reconnector.session();
        session.is_some_and(|id| self.server.engine().awaits_pong(id))
    }

    /// Wakes [`Client::poll`] from other threads.
    pub fn waker(&self) -> Waker {
        Waker(self.server.handle())
    }
}

/// Wakes a [`Client`] from any thread. Cheap to clone; never blocks.
#[derive(Debug, Clone)]
pub struct Waker(Handle);

impl Waker {
    /// Ends the sleep of [`Client::poll`]: it returns.
    pub fn wake(&self) {
        self.0.wake();
    }
}
