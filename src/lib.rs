//! barewire: a lean HTTPS + WebSocket messaging server, and a client that comes back, as a library around one mio loop.
//!
//! # The house
//!
//! ```text
//!   daemon (the binary) ---> app ---------+        what a message means
//!      |    |                             |
//!      |    +-----> client ---------------+        comes back when it is cut
//!      |              |                   v
//!      +-----------> net ------------> engine      all sessions, no I/O
//!                io.rs: every             |
//!                system call              v
//!                                        auth      who is it
//!                                         |
//!                                         v
//!                                        wire      bytes <-> values
//!                                         |
//!                                         v
//!                                  limits, error, time
//! ```
//!
//! Arrows point at what is used; nothing points up. `app` and `net` never meet but in the binary, or in a
//! host. [`Engine`] is pure: bytes, the time and commands go in; bytes, [`Event`]s and the next deadline
//! come out. [`Server`] has the sockets, TLS and the poller, and no opinion. Both know either end of a connection: a
//! session is that of a client that came, or in the client role at a server that was gone to ([`Server::connect`]).
//!
//! # The way of a byte
//!
//! ```text
//!   socket --read(2)--> shared buffer --TLS, in place--> Engine::handle_input
//!                                                             |
//!              Head: one request --> Event::Request           |
//!           HeadOut: one answer --> Event::Connected          v
//!              Open: FrameWalker --> Context --> Inflation --> Event::Message
//!                                                             |
//!        the host (or app::Router, client::Reconnector) <-----+
//!                                   |
//!             Engine::send, publish, respond, ... : encoded once, deflated once a window, shared by its receivers;
//!                                   |               to a server each frame is masked by itself
//!                                   v
//!   socket <--one write(2) a turn-- TLS <-- shared buffer <-- SendQueue
//!      ^
//!      +-- accept(2), or Server::connect: name --> addresses --> the first one at which it stands
//! ```
//!
//! # Embedding
//!
//! ```no_run
//! use barewire::{Engine, Event, Server, ServerConfig, auth::NoAuth};
//!
//! # fn main() -> Result<(), barewire::Error> {
//! let config = ServerConfig { plain_listen: vec![([127, 0, 0, 1], 8080).into()], ..ServerConfig::default() };
//! let mut server = Server::bind(config, Box::new(NoAuth))?;
//! server.run(|engine: &mut Engine, event| match event {
//!     Event::Open { id } => drop(engine.subscribe(id, "lobby")),
//!     Event::Message { id, message } => drop(engine.send(id, message)),
//!     _ => {}
//! })
//! # }
//! ```
//!
//! Inside a host's own loop: watch [`Server`]'s descriptor (`AsRawFd`), honour [`Server::poll_timeout`], and
//! call [`Server::poll`] with a timeout of zero and [`Server::poll_event`] until both have nothing left; see
//! `examples/embed.rs`.
//!
//! # The client half
//!
//! [`Client`] is a connection to another server that comes back, with a loop of its own. In a server's loop there is its
//! policy alone, a [`client::Reconnector`]: this is one turn of `examples/bridge.rs`.
//!
//! ```no_run
//! use barewire::client::{ClientEvent, Reconnector, dial};
//! use barewire::{Error, Message, PreparedMessage, Server, app::Router};
//!
//! # fn turn(mut server: &mut Server, mut upstream: &mut Reconnector) -> Result<(), Error> {
//! dial(&mut upstream, &mut server);
//! let wait = upstream.poll_timeout(server.engine().now());
//! server.poll(wait)?;
//! while let Some(event) = server.poll_event() {
//!     // What is not of the connection upstream comes back, and is of a client.
//!     if let Some(event) = upstream.handle_event(server.engine(), event) {
//!         Router::default().handle(server.engine(), event);
//!     }
//! }
//! while let Some(event) = upstream.poll_event() {
//!     if let ClientEvent::Message(Message::Text(text)) = event {
//!         server.engine().publish("news", &PreparedMessage::text(&text), None);
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Unix only.
//!
//! Not here: any logic. What is in a room, and what is not, its own head says.

#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "tests make small numbers"))]

#[cfg(not(unix))]
compile_error!("barewire runs on unix only");

pub mod app;
pub mod auth;
pub mod client;
pub mod engine;
mod error;
pub mod limits;
pub mod net;
mod time;
pub mod wire;

pub use client::Client;
pub use engine::{ConnId, Engine, EngineConfig, Event, Published, RefuseBy, Refused, SubscribeError};
pub use error::{CloseReason, Error, Initiator};
pub use limits::Limits;
#[cfg(feature = "tls")]
pub use net::{ClientTls, TlsConfig};
pub use net::{Dial, Handle, HandleError, Server, ServerConfig};
pub use time::Now;
pub use wire::websocket::{Message, PreparedMessage};
