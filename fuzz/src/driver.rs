//! One connection to an engine, from its first byte to its end: the driver's contract of `engine/mod.rs` in its plainest
//! form, with a clock that stands still unless told otherwise.
//!
//! Not here: what should have come of it (`model.rs`, `head.rs`, `frames.rs`).

use std::net::SocketAddr;
use std::time::Duration;

use barewire::app::Router;
use barewire::auth::{Authenticate, NoAuth};
use barewire::engine::{Fate, Intake};
use barewire::wire::http::UpgradeRequest;
use barewire::{ConnId, Engine, EngineConfig, Event, Message, Now};

/// More than any input of a fuzzer takes; an engine that goes on beyond it never comes to rest.
const TURNS: usize = 100_000;
/// When it begins.
pub const START: Now = Now { mono_us: 1_000_000, unix_ms: 1_795_000_000_000 };

/// Bytes that are sent one by one: more would take longer, and find hardly more.
const SINGLE_BYTES: usize = 256;

/// Cuts behind each byte; of a long input behind each of [`SINGLE_BYTES`], which begin where `place` says.
pub fn cut_into_bytes(bytes: &[u8], place: u8) -> Vec<&[u8]> {
    let room = bytes.len().saturating_sub(SINGLE_BYTES);
    let (before, rest) = bytes.split_at(room * usize::from(place) / usize::from(u8::MAX));
    let (single, behind) = rest.split_at(rest.len().min(SINGLE_BYTES));
    [before].into_iter().chain(single.chunks(1)).chain([behind]).filter(|piece| !piece.is_empty()).collect()
}

/// Who answers the engine's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// The daemon.
    Router,
    /// One that sends each message back, and does nothing else.
    Echo,
}

/// How the peer and its network behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// What is written to it is read at once, and no time passes.
    Prompt,
    /// It reads so many bytes for each of its pieces, and so much time passes with each.
    Slow(usize, Duration),
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the server wrote.
    pub received: Vec<u8>,
    /// What the host was told, messages apart: one word each, and why it ended.
    pub story: Vec<String>,
    /// The messages it was told.
    pub messages: Vec<Message>,
}

/// The address of the other end.
fn peer() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 40_000))
}

/// See the module.
pub struct Connection {
    engine: Engine,
    id: ConnId,
    host: Host,
    now: Now,
    /// Bytes that the peer's side still takes.
    room: usize,
    /// How much there was to see when the engine's invariants were checked last: that costs more than most turns.
    checked: usize,
    outcome: Outcome,
}

impl Connection {
    /// A connection to a new engine.
    pub fn new(mut config: EngineConfig, authenticator: Box<dyn Authenticate>, host: Host) -> Connection {
        // Room for more would cost more than all the rest.
        config.limits.connections = 1;
        let mut engine = Engine::new(config, authenticator, START, 42);
        let id = engine.handle_accept(peer(), true).expect("there is room for one");
        Connection::begin(engine, id, host)
    }

    /// A connection in the client role, which asks for this upgrade: [`Connection::take_received`] has the request.
    pub fn dial(config: EngineConfig, upgrade: UpgradeRequest, host: Host) -> Connection {
        let mut engine = Engine::new(config, Box::new(NoAuth), START, 42);
        let id = engine.connect(upgrade, true, [7; 32]).expect("there is room for one");
        engine.handle_connected(id, peer());
        Connection::begin(engine, id, host)
    }

    fn begin(engine: Engine, id: ConnId, host: Host) -> Connection {
        let outcome = Outcome { received: Vec::new(), story: Vec::new(), messages: Vec::new() };
        let mut connection = Connection { engine, id, host, now: START, room: usize::MAX, checked: 0, outcome };
        connection.turn();
        connection
    }

    /// What was written so far, which the outcome is then without.
    pub fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outcome.received)
    }

    /// Sends each of these, and lets the server come to rest behind it.
    pub fn send<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>, pace: Pace) {
        if let Pace::Slow(..) = pace {
            self.room = 0;
        }
        for piece in pieces {
            self.send_piece(piece);
            if let Pace::Slow(bytes, time) = pace {
                self.make_room(bytes);
                self.advance(time);
            }
        }
    }

    fn send_piece(&mut self, mut piece: &[u8]) {
        for _ in 0..TURNS {
            match self.engine.intake(self.id) {
                _ if piece.is_empty() => return,
                Intake::Discard => return,
                Intake::Read(limit) => {
                    let (now, later) = piece.split_at(limit.min(piece.len()));
                    self.engine.handle_input(self.id, now);
                    piece = later;
                    self.turn();
                }
                Intake::Pause => {
                    assert!(self.room == 0, "nobody has anything to wait for, and it is not read: {piece:x?}");
                    self.make_room(1000);
                }
            }
        }
        panic!("it is never read to the end");
    }

    /// The peer reads all, ends its half of the stream, and the server must be through with it at once. What it kept for
    /// the peer is let go.
    pub fn finish(mut self) -> Outcome {
        self.make_room(usize::MAX);
        self.engine.handle_end(self.id);
        self.turn();
        self.engine.check_invariants();
        assert_eq!(self.engine.sessions(), 0, "a peer that has ended is kept: {:?}", self.outcome.story);
        assert_eq!(self.engine.open_sessions(), 0, "open sessions");
        assert_eq!(self.engine.channels(), 0, "channels");
        assert_eq!(self.engine.memory(), 0, "bytes that are held for nobody");
        let closed = self.outcome.story.iter().filter(|word| word.starts_with("Closed ")).count();
        assert_eq!(closed, 1, "{:?}", self.outcome.story);
        assert!(self.outcome.story.last().is_some_and(|word| word.starts_with("Closed ")), "{:?}", self.outcome.story);
        self.outcome
    }

    fn make_room(&mut self, room: usize) {
        self.room = self.room.saturating_add(room);
        self.engine.mark_dirty(self.id);
        self.turn();
    }

    /// Moves both clocks, stopping wherever the engine wants to be called.
    fn advance(&mut self, by: Duration) {
        let end = self.now.mono_us + by.as_micros() as u64;
        while self.now.mono_us < end {
            let wait = self.engine.poll_timeout().map_or(u64::MAX, |wait| wait.as_micros() as u64);
            self.now.mono_us += wait.clamp(1, end - self.now.mono_us);
            self.now.unix_ms = START.unix_ms + (self.now.mono_us - START.mono_us) / 1000;
            self.turn();
        }
    }

    /// Turns until nothing is left to be done at this moment.
    fn turn(&mut self) {
        self.answer();
        for _ in 0..TURNS {
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
            if self.engine.poll_timeout() != Some(Duration::ZERO) {
                return self.check();
            }
        }
        panic!("the engine never comes to rest");
    }

    fn check(&mut self) {
        let Outcome { received, story, messages } = &self.outcome;
        let seen = received.len() + story.len() + messages.len();
        if seen != self.checked {
            self.checked = seen;
            self.engine.check_invariants();
        }
    }

    fn answer(&mut self) {
        loop {
            while let Some(event) = self.engine.poll_event() {
                self.note(&event);
                match (self.host, event) {
                    (Host::Router, event) => Router::default().handle(&mut self.engine, event),
                    (Host::Echo, Event::Message { id, message }) => drop(self.engine.send(id, message)),
                    (Host::Echo, _) => {}
                }
            }
            if !self.engine.poll_flush_due() {
                return;
            }
            self.flush();
        }
    }

    fn note(&mut self, event: &Event) {
        let word = match event {
            Event::Message { message, .. } => return self.outcome.messages.push(message.clone()),
            Event::Accepted { .. } => "Accepted".into(),
            Event::Request { head, .. } => format!("Request {} {}", head.method(), head.target()),
            Event::Open { .. } => "Open".into(),
            Event::Connected { .. } => "Connected".into(),
            Event::RateLimited { .. } => "RateLimited".into(),
            Event::Renewed { .. } => "Renewed".into(),
            Event::Closed { reason, .. } => format!("Closed {reason:?}"),
            _ => panic!("an event that nobody knows here: {event:?}"),
        };
        self.outcome.story.push(word);
    }

    fn flush(&mut self) {
        while let Some(id) = self.engine.poll_dirty() {
            let fate = self.engine.fate(id);
            if fate == Fate::Drop {
                self.engine.handle_released(id);
                continue;
            }
            let (mut progress, mut pending) = (false, false);
            if let Some(queue) = self.engine.output(id) {
                while !queue.is_empty() && self.room > 0 {
                    let count = queue.front().len().min(self.room);
                    self.outcome.received.extend_from_slice(&queue.front()[..count]);
                    self.room = self.room.saturating_sub(if self.room == usize::MAX { 0 } else { count });
                    queue.advance(count);
                    progress = true;
                }
                pending = !queue.is_empty();
            }
            self.engine.handle_written(id, progress, pending);
        }
    }
}
