//! The world that the tests of the engine live in: an engine, the daemon's router, a clock that only a test
//! moves, and peers whose sockets are byte vectors.
//!
//! Not here: real sockets (`server.rs` beside this file).

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

pub mod bounds;
pub mod chance;
pub mod deflate;
pub mod ending;
pub mod frames;
pub mod history;
pub mod http;
pub mod jwt;
pub mod malformed;
pub mod model;
pub mod pending;
pub mod random_peer;
pub mod simulator;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use barewire::app::Router;
use barewire::auth::{Authenticate, Methods, Ticket, Users, Verdict};
use barewire::engine::{Fate, Intake};
use barewire::wire::http::UpgradeRequest;
use barewire::{ConnId, Engine, EngineConfig, Event, Limits, Now};

/// The other end of one connection.
#[derive(Debug, Default)]
pub struct Peer {
    /// What the server wrote and the test has not taken yet.
    pub received: Vec<u8>,
    /// Bytes the peer's side of the socket still takes; what is above waits in the server.
    pub room: usize,
    /// The server has closed its half.
    pub ended: bool,
    /// The server has dropped the socket.
    pub dropped: bool,
}

/// See the module.
pub struct World {
    pub engine: Engine,
    pub now: Now,
    pub peers: BTreeMap<ConnId, Peer>,
    /// Every event so far, as the router saw it, in its debug form.
    pub history: Vec<String>,
    /// Answers events; `None` leaves them to the test in `events`.
    pub router: Option<Router>,
    pub events: Vec<Event>,
}

/// An `Authorization` header for `user:pass`.
pub const GOOD: &str = "Authorization: Basic dXNlcjpwYXNz\r\n";

/// The daemon's authenticator with passwords in both places, for `user:pass` and `anna:secret`; no tokens.
pub fn methods() -> Methods {
    Methods {
        basic: true,
        bearer: false,
        message: true,
        users: users(&["user:pass", "anna:secret"]),
        hashing: None,
        tokens: None,
        realm: "barewire".into(),
        wrong_password_status: 403,
    }
}

/// Plain pairs.
pub fn users(pairs: &[&str]) -> Users {
    let mut users = Users::new([1; 32]);
    for (name, password) in pairs.iter().filter_map(|pair| pair.split_once(':')) {
        users.add(name, password);
    }
    users
}

/// A configuration in which nobody is too fast, for tests of what many messages do.
pub fn unpaced() -> EngineConfig {
    let limits = Limits { messages_per_window: 0, control_frames_per_second: 0, ..Limits::default() };
    EngineConfig { limits, ..EngineConfig::default() }
}

impl World {
    /// The daemon as it comes: its router, and its authenticator for `user:pass`.
    pub fn daemon(config: EngineConfig) -> World {
        World::guarded(config, methods())
    }

    /// The daemon with another authenticator.
    pub fn guarded(config: EngineConfig, authenticator: impl Authenticate + 'static) -> World {
        let router = Some(Router::with_page(&config.path));
        World { router, ..World::new(config, Box::new(authenticator)) }
    }

    /// A bare engine; the test answers the events.
    pub fn new(config: EngineConfig, authenticator: Box<dyn Authenticate>) -> World {
        let now = Now { mono_us: 1_000_000, unix_ms: 1_795_000_000_000 };
        World {
            engine: Engine::new(config, authenticator, now, 42),
            now,
            peers: BTreeMap::new(),
            history: Vec::new(),
            router: None,
            events: Vec::new(),
        }
    }

    /// A new connection, over TLS as far as the engine knows.
    pub fn connect(&mut self) -> ConnId {
        self.connect_from("127.0.0.1")
    }

    /// The same from this address.
    pub fn connect_from(&mut self, ip: &str) -> ConnId {
        let peer = SocketAddr::new(ip.parse().expect("an address"), 40_000);
        let id = self.engine.handle_accept(peer, true).expect("the engine takes a connection");
        self.peers.insert(id, Peer { room: usize::MAX, ..Peer::default() });
        self.turn();
        id
    }

    /// A session in the client role whose transport stands: its request is in what the peer has received.
    pub fn go(&mut self, upgrade: UpgradeRequest) -> ConnId {
        let id = self.engine.connect(upgrade, true, [7; 32]).expect("there is room for a session");
        self.peers.insert(id, Peer { room: usize::MAX, ..Peer::default() });
        self.engine.handle_connected(id, SocketAddr::from(([127, 0, 0, 1], 443)));
        self.turn();
        id
    }

    /// An open WebSocket session of `user`, whose greeting has been read.
    pub fn open(&mut self) -> ConnId {
        self.open_with(GOOD)
    }

    /// The same with these header lines in the upgrade request.
    pub fn open_with(&mut self, headers: &str) -> ConnId {
        let id = self.connect();
        self.input(id, upgrade(headers).as_bytes());
        let answer = String::from_utf8_lossy(&self.take(id)).into_owned();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        id
    }

    /// Sends bytes as the peer, cut where the server's read budget cuts them, and lets the server go on until
    /// it has nothing left to do.
    pub fn input(&mut self, id: ConnId, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.engine.intake(id) {
                Intake::Read(limit) => {
                    let (now, later) = bytes.split_at(limit.min(bytes.len()));
                    self.engine.handle_input(id, now);
                    bytes = later;
                }
                Intake::Discard => bytes = &[],
                Intake::Pause => panic!("{id} is not read now, and {} bytes are left", bytes.len()),
            }
            self.turn();
        }
    }

    /// The peer ends its half of the stream.
    pub fn end(&mut self, id: ConnId) {
        self.engine.handle_end(id);
        self.turn();
    }

    /// The verdict on a question that was left open.
    pub fn resolve(&mut self, ticket: Ticket, verdict: Verdict) {
        self.engine.resolve(ticket, verdict);
        self.turn();
    }

    /// Moves both clocks, stopping wherever the engine wants to be called.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now.mono_us + by.as_micros() as u64;
        loop {
            let wait = self.engine.poll_timeout().map_or(u64::MAX, |wait| wait.as_micros() as u64);
            let step = wait.min(end - self.now.mono_us);
            self.now.unix_ms += (self.now.mono_us + step) / 1000 - self.now.mono_us / 1000;
            self.now.mono_us += step;
            self.engine.handle_now(self.now);
            self.turn();
            if self.now.mono_us == end {
                return;
            }
        }
    }

    /// Does what a driver does in a turn, until nothing is left to be done at this moment.
    pub fn turn(&mut self) {
        self.answer();
        for _ in 0..100_000 {
            self.engine.handle_now(self.now);
            for _ in 0..self.engine.ready() {
                self.engine.poll_ready();
                self.answer();
            }
            while self.engine.poll_timeout_due() {
                self.answer();
            }
            self.flush();
            self.answer();
            self.engine.check_invariants();
            if self.engine.poll_timeout() != Some(Duration::ZERO) {
                return;
            }
        }
        panic!("the engine never comes to rest");
    }

    /// What the server wrote to this peer since the last call.
    pub fn take(&mut self, id: ConnId) -> Vec<u8> {
        std::mem::take(&mut self.peer(id).received)
    }

    /// The same as text.
    pub fn text(&mut self, id: ConnId) -> String {
        String::from_utf8(self.take(id)).expect("text")
    }

    /// The JSON messages among it.
    pub fn messages(&mut self, id: ConnId) -> Vec<String> {
        let bytes = self.take(id);
        frames::decode(&bytes)
            .into_iter()
            .filter(|frame| frame.opcode == frames::TEXT)
            .map(|frame| frame.text())
            .collect()
    }

    /// All frames among it, one line each: a text as it is, anything else behind its name.
    pub fn transcript(&mut self, id: ConnId) -> Vec<String> {
        let bytes = self.take(id);
        frames::decode(&bytes).iter().map(frames::Frame::line).collect()
    }

    /// The HTTP answers before the 101 among it, as text.
    pub fn text_until_upgrade(&mut self, id: ConnId) -> String {
        let text = String::from_utf8_lossy(&self.take(id)).into_owned();
        let (before, _) = text.split_once("HTTP/1.1 101 ").expect("an upgrade");
        before.to_owned()
    }

    /// The HTTP answers among it.
    pub fn answers(&mut self, id: ConnId) -> Vec<http::Answer> {
        http::answers(&self.take(id))
    }

    /// The one answer to a request.
    pub fn ask(&mut self, id: ConnId, request: &str) -> http::Answer {
        self.input(id, request.as_bytes());
        let mut answers = self.answers(id);
        assert_eq!(answers.len(), 1, "{request:?}: {answers:?}");
        answers.remove(0)
    }

    /// What the host was told about the end of this session.
    pub fn ends(&self, id: ConnId) -> Vec<&str> {
        let start = format!("Closed {{ id: {id:?}, ");
        self.history.iter().filter_map(|event| event.strip_prefix(&start)).collect()
    }

    /// The code and reason of the Close frame among it.
    pub fn close_code(&mut self, id: ConnId) -> Option<(u16, String)> {
        let bytes = self.take(id);
        frames::decode(&bytes).into_iter().find(|frame| frame.opcode == frames::CLOSE).map(|frame| frame.close())
    }

    pub fn peer(&mut self, id: ConnId) -> &mut Peer {
        self.peers.get_mut(&id).expect("a peer of this world")
    }

    /// Whether the server is through with this peer.
    pub fn is_gone(&mut self, id: ConnId) -> bool {
        self.peer(id).dropped
    }

    /// Lets the host answer what has happened, and writes in the middle of a turn where that is asked for.
    pub fn answer(&mut self) {
        loop {
            while let Some(event) = self.engine.poll_event() {
                self.history.push(format!("{event:?}"));
                match &self.router {
                    Some(router) => router.handle(&mut self.engine, event),
                    None => self.events.push(event),
                }
            }
            if !self.engine.poll_flush_due() {
                return;
            }
            self.flush();
        }
    }

    /// Writes what the peers' sockets have room for.
    pub fn flush(&mut self) {
        while let Some(id) = self.engine.poll_dirty() {
            let fate = self.engine.fate(id);
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if fate == Fate::Drop {
                peer.dropped = true;
                self.engine.handle_released(id);
                continue;
            }
            let mut progress = false;
            let mut pending = false;
            if let Some(queue) = self.engine.output(id) {
                while !queue.is_empty() && peer.room > 0 {
                    let count = queue.front().len().min(peer.room);
                    peer.received.extend_from_slice(&queue.front()[..count]);
                    peer.room -= count;
                    queue.advance(count);
                    progress = true;
                }
                pending = !queue.is_empty();
            }
            peer.ended |= fate == Fate::CloseWhenWritten && !pending;
            self.engine.handle_written(id, progress, pending);
        }
    }

    /// The peer reads on: its socket has room for this much more.
    pub fn make_room(&mut self, id: ConnId, room: usize) {
        self.peer(id).room = room;
        self.engine.mark_dirty(id);
        self.turn();
    }
}

/// A good upgrade request with further header lines.
pub fn upgrade(headers: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// The answer of a server that takes the upgrade which a client asks for.
pub fn switch(request: &str) -> String {
    let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Carries what each of two worlds has said to the other; `false` where neither has said anything.
pub fn carry(one: (&mut World, ConnId), other: (&mut World, ConnId)) -> bool {
    let (up, down) = (one.0.take(one.1), other.0.take(other.1));
    other.0.input(other.1, &up);
    one.0.input(one.1, &down);
    !up.is_empty() || !down.is_empty()
}
