//! The loop: one poller, the listeners, all connections, and the engine that knows what they mean.
//!
//! One turn: flush → wait → commands → accept → sockets → leftovers → bulk → dials → timers → flush. Every step has a
//! budget. A turn is interrupted whenever there are events for the host, and goes on with the next
//! [`Server::poll`]: so what one session brought is answered before the next is read, no user code runs
//! inside a turn, and all answers of a turn leave in one write per connection.
//!
//! Not here: how connections are read and written in a turn (`net/server/sockets.rs`), the bytes of one
//! (`net/connection.rs`), how one comes to stand that we make ourselves (`net/dialing.rs`), system calls (`net/io.rs`), rules
//! (`engine/`).

mod sockets;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

pub(super) use sockets::token;

use super::budget::Budget;
use super::config::ServerConfig;
use super::connection::{Buffers, Connection};
use super::dialing::{Dial, Dials};
use super::handle::{Command, Handle};
use super::io::{Io, Ready, SystemIo};
use super::listener::Listener;
#[cfg(feature = "tls")]
use super::tls::{Tls, TlsConfig};
use crate::auth::Authenticate;
use crate::engine::{ConnId, Engine, Event, Refused};
use crate::error::{CloseReason, Error};
use crate::limits::{
    ACCEPTS_PER_TURN, BULK_READS_PER_TURN, COMMANDS_PER_TURN, COMMANDS_WAITING, CONNECTIONS_RESERVED, CROWDED_TURNS,
    EXPIRIES_PER_TURN, HANDSHAKES_WAITING, READY_PER_TURN,
};
use crate::time::micros;
use crate::wire::http::Response;

/// Where a turn stands.
#[derive(Debug, Clone, Copy)]
enum Step {
    Flush,
    Wait,
    Commands { left: usize },
    Accept { listener: usize, left: usize },
    Sockets { next: usize },
    Leftovers { left: usize },
    Bulk { left: usize },
    Timers { left: usize },
}

/// A server: listeners, connections and an [`Engine`]. See the module. Without listeners it is a loop for clients.
pub struct Server<I: Io = SystemIo> {
    io: I,
    engine: Engine,
    connections: Vec<Option<Connection<I::Socket>>>,
    dials: Dials<I::Socket>,
    listeners: Vec<Listener>,
    #[cfg(feature = "tls")]
    tls: Option<TlsConfig>,
    ready: Vec<Ready>,
    /// Connections in the middle of a large payload that wait to be read on, each once: first come, first served.
    bulk: VecDeque<ConnId>,
    step: Step,
    /// What this turn may still do.
    budget: Budget,
    /// Connections that were not read in the last turn because its handshakes were spent.
    handshakes_waiting: usize,
    /// Turns in a row that have put off their timers.
    crowded_turns: usize,
    buffers: Buffers,
    commands: Receiver<Command>,
    /// The last turn's budget was spent on commands: there may be more, though nothing will wake the loop.
    has_commands: bool,
    handle: Handle,
    drain_spread: Duration,
    /// When a shutdown must be over, in microseconds.
    drain_us: Option<u64>,
}

impl Server {
    /// Opens the listeners, all of them or none. `authenticator` decides who may come in. [`Error::Config`] comes before
    /// anything is opened, [`Error::Bind`] names the address that cannot be had.
    pub fn bind(config: ServerConfig, authenticator: Box<dyn Authenticate>) -> Result<Server, Error> {
        let addrs: Vec<_> = config.addrs().map(|(addr, _)| addr).collect();
        config.check()?;
        let io = SystemIo::open(&addrs, config.send_buffer_bytes)?;
        Server::with_io(io, config, authenticator)
    }

    /// The addresses really bound: those of the TLS listeners, then those of the plain ones, each with
    /// whether it is TLS.
    pub fn local_addrs(&self) -> impl Iterator<Item = (SocketAddr, bool)> {
        let listeners = self.listeners.iter().enumerate();
        listeners.filter_map(|(i, listener)| Some((self.io.local_addr(i)?, listener.is_secure)))
    }
}

impl AsRawFd for Server {
    /// The poller's descriptor: readable when [`Server::poll`] has something to do. It may be watched by any
    /// other poller, edge-triggered ones included, if [`Server::poll_timeout`] is honoured too.
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl<I: Io> Server<I> {
    /// A server over another [`Io`], which has a listener for each address in `config`, those of TLS first. For
    /// tests.
    pub fn with_io(mut io: I, config: ServerConfig, authenticator: Box<dyn Authenticate>) -> Result<Server<I>, Error> {
        config.check()?;
        let now = io.now();
        let (sender, commands) = sync_channel(COMMANDS_WAITING);
        let handle = Handle { commands: sender, stop: Arc::default(), waker: io.waker() };
        Ok(Server {
            io,
            listeners: config.addrs().map(|(_, is_secure)| Listener::new(is_secure)).collect(),
            engine: Engine::new(config.engine, authenticator, now, config.seed),
            connections: Vec::with_capacity(CONNECTIONS_RESERVED),
            dials: Dials::default(),
            #[cfg(feature = "tls")]
            tls: config.tls,
            ready: Vec::with_capacity(READY_PER_TURN),
            bulk: VecDeque::new(),
            step: Step::Wait,
            budget: Budget::WHOLE,
            handshakes_waiting: 0,
            crowded_turns: 0,
            buffers: Buffers::new(),
            commands,
            has_commands: false,
            handle,
            drain_spread: config.drain_spread,
            drain_us: None,
        })
    }

    /// The sessions, for answering events. Only its calls for hosts are meant: those of the driver are made by
    /// this server.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Connects to another server, and opens a session there in the client role. The session is there at once, and what
    /// becomes of it is told by events: [`Event::Connected`], or why it did not come to that, by [`Event::Refused`] and
    /// [`Event::Closed`] or by this alone ([`CloseReason::NotConnected`], [`CloseReason::Tls`], …). Names, TCP, TLS and the
    /// upgrade together have [`Limits::head_timeout`](crate::Limits::head_timeout). [`Refused`] where there are more sessions
    /// than can be counted, where the system has no randomness, and when the server is stopping.
    pub fn connect(&mut self, dial: Dial) -> Result<ConnId, Refused> {
        if self.is_shutting_down() {
            return Err(Refused);
        }
        // Between two turns the engine's time is that of the last one: a host that has slept since would have it all spent.
        if matches!(self.step, Step::Wait) {
            let now = self.io.now();
            self.engine.handle_now(now);
        }
        self.dials.begin(&mut self.io, &mut self.engine, dial)
    }

    /// Whether the TLS handshake of a connection, in either role, was a short one that resumed the session of an earlier
    /// connection. `None` where there is no TLS, or no such connection, and before the handshake tells.
    pub fn is_resumed(&self, id: ConnId) -> Option<bool> {
        let connection = self.connections.get(id.index())?.as_ref();
        connection.filter(|connection| connection.id == id)?.is_resumed()
    }

    /// Reaches this server from other threads.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The next event. Call until `None` after every [`Server::poll`].
    pub fn poll_event(&mut self) -> Option<Event> {
        self.engine.poll_event()
    }

    /// Goes on with the turn until there are events for the host, or the turn is over. Sleeps at most once,
    /// at most `timeout` (`None`: as long as nothing is due), and not at all once a shutdown is over.
    ///
    /// An error is final: the poller is broken.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        let mut has_waited = false;
        loop {
            if self.engine.has_events() {
                return Ok(());
            }
            if self.engine.poll_flush_due() {
                self.flush();
                continue;
            }
            self.step = match self.step {
                Step::Flush => {
                    self.flush();
                    Step::Wait
                }
                Step::Wait if has_waited || self.is_finished() => return Ok(()),
                Step::Wait => {
                    has_waited = true;
                    self.wait(timeout)?;
                    Step::Commands { left: COMMANDS_PER_TURN }
                }
                Step::Commands { left } => {
                    self.has_commands = self.take_command();
                    match left {
                        2.. if self.has_commands => Step::Commands { left: left - 1 },
                        _ => Step::Accept { listener: 0, left: ACCEPTS_PER_TURN },
                    }
                }
                Step::Accept { listener, left } => self.accept_step(listener, left),
                Step::Sockets { next } => match self.ready.get(next).copied() {
                    Some(ready) => {
                        self.take_ready(ready);
                        Step::Sockets { next: next + 1 }
                    }
                    // Those that are marked from now on are for the next turn.
                    None => {
                        self.handshakes_waiting = 0;
                        Step::Leftovers { left: self.engine.ready() }
                    }
                },
                Step::Leftovers { left: 0 } => Step::Bulk { left: self.bulk.len().min(BULK_READS_PER_TURN) },
                Step::Leftovers { left } => {
                    if let Some(id) = self.engine.poll_ready() {
                        self.serve_leftover(id);
                    }
                    Step::Leftovers { left: left - 1 }
                }
                Step::Bulk { left: 0 } => match self.postpones_timers() {
                    true => Step::Flush,
                    false => {
                        self.dials.go_on(&mut self.io, &mut self.engine);
                        Step::Timers { left: EXPIRIES_PER_TURN }
                    }
                },
                Step::Bulk { left } => {
                    self.serve_bulk();
                    Step::Bulk { left: left - 1 }
                }
                Step::Timers { left } => match self.engine.poll_timeout_due() {
                    true if left > 1 => Step::Timers { left: left - 1 },
                    _ => Step::Flush,
                },
            };
        }
    }

    /// How long a host may sleep before it calls [`Server::poll`] again, though the descriptor is not
    /// readable; `None`: as long as it likes, and for ever once a shutdown is over.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if matches!(self.step, Step::Wait) && self.is_finished() && !self.engine.has_events() {
            return None;
        }
        let now = self.engine.now().mono_us;
        let is_busy = !matches!(self.step, Step::Wait)
            || self.has_commands
            || !self.bulk.is_empty()
            || self.ready.len() >= READY_PER_TURN
            || self.listeners.iter().any(Listener::may_accept);
        if is_busy {
            return Some(Duration::ZERO);
        }
        let retries = self.listeners.iter().filter_map(Listener::retry_us);
        let own = retries
            .chain(self.drain_us)
            .chain(self.dials.due_us())
            .min()
            .map(|due| Duration::from_micros(due.saturating_sub(now)));
        self.engine.poll_timeout().into_iter().chain(own).min()
    }

    /// Stops accepting and ends every session: open ones with 1001, or with 1012 one after another within
    /// [`ServerConfig::drain_spread`]. [`Server::is_finished`] when all have gone, at the latest after that span and
    /// [`crate::limits::Limits::close_timeout`]. Does nothing the second time.
    pub fn shut_down(&mut self) {
        if self.is_shutting_down() {
            return;
        }
        self.io.close_listeners();
        self.listeners.clear();
        let window = self.drain_spread.saturating_add(self.engine.config().limits.close_timeout);
        self.drain_us = Some(self.io.now().mono_us.saturating_add(micros(window)));
        self.engine.shut_down(self.drain_spread);
    }

    /// Whether a shutdown has begun.
    pub fn is_shutting_down(&self) -> bool {
        self.drain_us.is_some()
    }

    /// Whether a shutdown is over.
    pub fn is_finished(&self) -> bool {
        self.is_shutting_down() && self.engine.sessions() == 0
    }

    /// Runs until a shutdown is over, and gives every event to `handler`. A panic of the handler closes the
    /// session of that event with 1011 (or answers its request with 500), and the server goes on.
    pub fn run(&mut self, mut handler: impl FnMut(&mut Engine, Event)) -> Result<(), Error> {
        while !self.is_finished() {
            self.poll(None)?;
            while let Some(event) = self.engine.poll_event() {
                let id = event.id();
                if catch_unwind(AssertUnwindSafe(|| handler(&mut self.engine, event))).is_err() {
                    log::error!("WebSocket Server Error: the handler of session {id} panicked");
                    self.engine.respond(id, Response::text(500, "Internal Server Error").closing());
                    self.engine.close_for(id, CloseReason::HandlerPanicked);
                }
            }
        }
        Ok(())
    }

    // --- steps of a turn ---

    /// Whether there may be more to read than one wait could tell: it is read first, or peers would be taken
    /// for dead whose sign of life waits, as after a stop of the process. But not for ever.
    fn postpones_timers(&mut self) -> bool {
        let is_crowded = self.ready.len() >= READY_PER_TURN && self.crowded_turns < CROWDED_TURNS;
        self.crowded_turns = if is_crowded { self.crowded_turns + 1 } else { 0 };
        is_crowded
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        let timeout = timeout.into_iter().chain(self.poll_timeout()).min();
        self.ready.clear();
        self.budget = Budget::WHOLE;
        match self.io.wait(timeout, &mut self.ready) {
            Ok(()) => {}
            // A signal: nothing is ready, and the turn goes on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Poll(error)),
        }
        let now = self.io.now();
        self.engine.handle_now(now);
        if self.engine.poll_ebb() {
            self.shrink();
        }
        if self.handle.stop.load(Ordering::Acquire) {
            self.shut_down();
        }
        let now = self.engine.now().mono_us;
        for ready in &self.ready {
            if let Some(listener) = ready.token.checked_sub(I::LISTENERS).and_then(|i| self.listeners.get_mut(i)) {
                listener.mark_ready();
            }
        }
        for listener in &mut self.listeners {
            listener.handle_now(now);
        }
        if self.drain_us.is_some_and(|due| due <= now) {
            self.engine.drop_all();
        }
        Ok(())
    }

    fn take_command(&mut self) -> bool {
        let Ok(command) = self.commands.try_recv() else { return false };
        match command {
            Command::Send { id, message } => {
                self.engine.send(id, message);
            }
            Command::Publish { channel: Some(channel), message } => {
                self.engine.publish(&channel, &message, None);
            }
            Command::Publish { channel: None, message } => {
                self.engine.publish_to_all(&message, None);
            }
            Command::Close { id, code, reason } => self.engine.close(id, code, reason),
            Command::Respond { id, response } => {
                self.engine.respond(id, response);
            }
            Command::Resolve { ticket, verdict } => self.engine.resolve(ticket, verdict),
        }
        true
    }

    /// Accepts one connection, or goes on to the next listener or step.
    fn accept_step(&mut self, index: usize, left: usize) -> Step {
        let Some(listener) = self.listeners.get_mut(index).filter(|_| left > 0) else {
            return Step::Sockets { next: 0 };
        };
        // Who is let in faster than handshakes go on is dropped as the oldest of a crowd before its turn comes.
        let is_held_up = listener.is_secure && self.handshakes_waiting >= HANDSHAKES_WAITING;
        if !listener.may_accept() || is_held_up {
            return Step::Accept { listener: index + 1, left };
        }
        match self.io.accept(index) {
            Ok((socket, peer)) => self.admit(socket, peer, index),
            Err(error) => listener.handle_error(&error, self.engine.now().mono_us),
        }
        Step::Accept { listener: index, left: left - 1 }
    }

    fn admit(&mut self, mut socket: I::Socket, peer: SocketAddr, listener: usize) {
        let is_secure = self.listeners.get(listener).is_some_and(|listener| listener.is_secure);
        let Ok(id) = self.engine.handle_accept(peer, is_secure) else {
            log::debug!("a connection from {peer} is dropped: too many are open");
            return;
        };
        if let Some(dropped) = self.engine.poll_crowded() {
            let limit = self.engine.config().limits.pre_auth_connections;
            log::warn!("above {limit} connections that have not said who they are, the oldest were dropped: {dropped}");
        }
        let registered = self.io.register(&mut socket, token(id));
        let connection = match self.secure(id, socket, is_secure) {
            Ok(connection) if registered.is_ok() => connection,
            Ok(_) | Err(_) => {
                log::error!("WebSocket Server Error: cannot serve a connection from {peer}");
                return self.engine.handle_released(id);
            }
        };
        self.install(connection);
    }

    #[cfg(feature = "tls")]
    fn secure(&self, id: ConnId, socket: I::Socket, is_secure: bool) -> Result<Connection<I::Socket>, CloseReason> {
        match &self.tls {
            Some(config) if is_secure => match Tls::server(config) {
                Ok(tls) => Ok(Connection::tls(id, socket, tls)),
                Err(failure) => Err(failure.into()),
            },
            Some(_) | None => Ok(Connection::plain(id, socket)),
        }
    }

    #[cfg(not(feature = "tls"))]
    fn secure(&self, id: ConnId, socket: I::Socket, _: bool) -> Result<Connection<I::Socket>, CloseReason> {
        Ok(Connection::plain(id, socket))
    }
}
