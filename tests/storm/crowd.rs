//! A crowd of reconnecting clients on one engine, the daemon's engine at the other end, and what is between them: a port
//! that somebody listens at or nobody, the kernel's queue before it, and wires. One clock, that only a test moves.
//!
//! The daemon has the budgets of `net/server.rs`: in a turn so many are accepted, and so many TLS handshakes are gone on
//! with; while too many wait for theirs, nobody is accepted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use barewire::app::Router;
use barewire::client::{ClientConfig, ClientError, ClientEvent, Credentials, ReadyState, Reconnector};
use barewire::engine::{Fate, Intake};
use barewire::limits::{ACCEPTS_PER_TURN, HANDSHAKES_PER_TURN, HANDSHAKES_WAITING, LISTEN_BACKLOG};
use barewire::{CloseReason, ConnId, Engine, EngineConfig, Event, Limits, Message, Now, PreparedMessage};

use crate::common::chance::Chance;
use crate::common::{GOOD, frames, methods, unpaced, upgrade};

pub const CHANNEL: &str = "news";
/// What a turn of the daemon takes: [`HANDSHAKES_PER_TURN`] handshakes, and what comes of them.
const TURN_US: u64 = 2_000;
/// After this a client's kernel says once more what the full queue of the daemon's has dropped.
const SYN_AGAIN_US: u64 = 1_000_000;
/// Arrivals are counted by so much.
pub const BUCKET: Duration = Duration::from_millis(100);

/// What the daemon does with its events.
pub type Host = fn(&mut Engine, Event);

/// One of the crowd.
pub struct Member {
    pub reconnector: Reconnector,
    /// The number and the delay of each attempt that it was going to make.
    pub waits: Vec<(u32, Duration)>,
    pub opened: usize,
    /// Broadcasts that it has heard.
    pub heard: Vec<String>,
    /// The codes of its ends.
    pub codes: Vec<u16>,
}

/// One direction of a wire.
#[derive(Default)]
struct Pipe {
    bytes: Vec<u8>,
    /// Nothing follows.
    ends: bool,
    is_over: bool,
}

impl Pipe {
    /// Something is left that the other end did not take.
    fn is_behind(&self) -> bool {
        !self.bytes.is_empty()
    }
}

/// By its session here. Nothing passes before the TLS handshake has had its turn.
#[derive(Default)]
struct Wire {
    there: Option<ConnId>,
    is_secure: bool,
    up: Pipe,
    down: Pipe,
}

/// See the module.
pub struct Crowd {
    pub now: Now,
    pub here: Engine,
    pub there: Option<Engine>,
    is_listening: bool,
    host: Host,
    pub members: Vec<Member>,
    owners: BTreeMap<ConnId, usize>,
    wires: BTreeMap<ConnId, Wire>,
    /// Of sessions there, those here.
    others: BTreeMap<ConnId, ConnId>,
    due: BinaryHeap<Reverse<(u64, usize)>>,
    /// In the kernel's queue.
    knocking: VecDeque<ConnId>,
    unheard: VecDeque<(u64, ConnId)>,
    handshaking: VecDeque<ConnId>,
    busy: VecDeque<ConnId>,
    /// The same in the next turn.
    behind: Vec<ConnId>,
    chance: Chance,
    /// When somebody has come to a daemon that listens, in microseconds.
    pub arrivals: Vec<u64>,
    /// Attempts that nobody was there for.
    pub missed: usize,
    /// The most the daemon has held, and the most who had not said who they are.
    pub peak: (usize, usize),
    /// Answers other than 101, by status.
    pub refusals: BTreeMap<u16, usize>,
    /// Dropped by the daemon as the oldest of too many who had not said who they are.
    pub crowded: usize,
}

/// As a member comes: it has the daemon's user and one channel.
pub fn config() -> ClientConfig {
    let credentials = Credentials::Basic { user: "user".into(), password: "pass".into() };
    ClientConfig { credentials, channels: vec![CHANNEL.into()], ..ClientConfig::new("ws://127.0.0.1/ws") }
}

impl Crowd {
    /// So many, each with a seed of its own, and no daemon yet.
    pub fn new(count: usize, config: impl Fn() -> ClientConfig) -> Crowd {
        let now = Now { mono_us: 1_000_000, unix_ms: 1_795_000_000_000 };
        let member = |seed| Member {
            reconnector: Reconnector::new(config(), seed).unwrap(),
            waits: Vec::new(),
            opened: 0,
            heard: Vec::new(),
            codes: Vec::new(),
        };
        let here = EngineConfig { limits: Limits { connections: 2 * count, ..unpaced().limits }, ..unpaced() };
        Crowd {
            now,
            here: Engine::new(here, Box::new(barewire::auth::NoAuth), now, 1),
            there: None,
            is_listening: false,
            host: |engine, event| Router::default().handle(engine, event),
            members: (0..count as u64).map(member).collect(),
            owners: BTreeMap::new(),
            wires: BTreeMap::new(),
            others: BTreeMap::new(),
            due: (0..count).map(|member| Reverse((0, member))).collect(),
            knocking: VecDeque::new(),
            unheard: VecDeque::new(),
            handshaking: VecDeque::new(),
            busy: VecDeque::new(),
            behind: Vec::new(),
            chance: Chance::new(5),
            arrivals: Vec::new(),
            missed: 0,
            peak: (0, 0),
            refusals: BTreeMap::new(),
            crowded: 0,
        }
    }

    // --- the daemon ---

    /// A daemon begins to listen.
    pub fn start(&mut self, config: EngineConfig) {
        self.start_with(config, |engine, event| Router::default().handle(engine, event));
    }

    /// The same with another host.
    pub fn start_with(&mut self, config: EngineConfig, host: Host) {
        self.there = Some(Engine::new(config, Box::new(methods()), self.now, 42));
        (self.is_listening, self.host) = (true, host);
        self.arrivals.clear();
        self.peak = (0, 0);
    }

    /// The daemon is killed: its kernel ends all connections, and no Close is said.
    pub fn kill(&mut self) {
        self.there = None;
        self.stop_listening();
        self.others.clear();
        self.handshaking.clear();
        for (id, wire) in &mut self.wires {
            wire.down.ends = true;
            wire.is_secure = true;
            self.busy.push_back(*id);
        }
        self.settle();
    }

    /// The daemon is told to stop: it says why, and is gone when all have gone.
    pub fn stop(&mut self, spread: Duration) {
        self.stop_listening();
        self.daemon().shut_down(spread);
        let left = self.run(spread + Duration::from_secs(6), |crowd| crowd.daemon().sessions() == 0);
        assert!(left.is_some(), "the daemon ends within its window");
        self.kill();
    }

    fn stop_listening(&mut self) {
        self.is_listening = false;
        for id in std::mem::take(&mut self.knocking) {
            self.here.handle_error(id, CloseReason::Transport(std::io::ErrorKind::ConnectionReset));
        }
    }

    /// Somebody else comes in, and says so much of a message that never ends.
    pub fn invite_heavy_guest(&mut self, bytes: usize) {
        let there = self.daemon();
        let id = there.handle_accept(SocketAddr::from(([127, 0, 0, 1], 50_000)), true).expect("there is room");
        let message = [frames::header(0x80 | frames::BINARY, 1 << 20), vec![0; bytes]].concat();
        let bytes = [upgrade(GOOD).into_bytes(), message].concat();
        self.settle();
        let mut pipe = Pipe { bytes, ..Pipe::default() };
        for _ in 0..100 {
            offer(self.daemon(), id, &mut pipe);
            self.settle();
        }
        assert!(pipe.bytes.is_empty(), "it could not say that much");
    }

    pub fn daemon(&mut self) -> &mut Engine {
        self.there.as_mut().expect("a daemon is there")
    }

    /// Says something to the channel; returns how many it was meant for.
    pub fn broadcast(&mut self, payload: &str) -> usize {
        let message = PreparedMessage::text(&format!(r#"{{"type":"chat","payload":"{payload}"}}"#));
        let published = self.daemon().publish(CHANNEL, &message, None);
        assert_eq!(published.dropped, 0);
        self.settle();
        published.matched
    }

    // --- the crowd ---

    pub fn open(&self) -> usize {
        let is_open = |member: &&Member| member.reconnector.ready_state() == ReadyState::Open;
        self.members.iter().filter(is_open).count()
    }

    /// Those whom the daemon knows.
    pub fn present(&self) -> usize {
        self.there.as_ref().map_or(0, Engine::open_sessions)
    }

    /// So many of those who are open leave for good; returns who.
    pub fn dismiss(&mut self, count: usize) -> Vec<usize> {
        let numbers = 0..self.members.len();
        let open = numbers.filter(|number| self.members[*number].reconnector.ready_state() == ReadyState::Open);
        let leaving: Vec<_> = open.take(count).collect();
        for number in &leaving {
            self.members[*number].reconnector.close(&mut self.here, 1000, "");
        }
        self.settle();
        leaving
    }

    /// Nobody has given up, and nobody is forgotten: each is open, or on its way, or its time will come.
    pub fn assert_nobody_is_lost(&self) {
        for (number, member) in self.members.iter().enumerate() {
            assert!(!member.reconnector.has_stopped(), "{number} has stopped");
            let waits = member.reconnector.session().is_none();
            let is_awaited = self.due.iter().any(|Reverse((_, due))| *due == number);
            assert!(!waits || is_awaited, "{number} waits for nothing");
        }
    }

    /// How many have arrived in each [`BUCKET`] since the moment, in turn.
    pub fn histogram(&self, since_us: u64) -> Vec<usize> {
        let mut buckets = Vec::new();
        for at in &self.arrivals {
            let bucket = (at - since_us) as usize / BUCKET.as_micros() as usize;
            buckets.resize(buckets.len().max(bucket + 1), 0);
            buckets[bucket] += 1;
        }
        buckets
    }

    // --- time ---

    /// Goes on until that is so, at most for this long; returns how long it took.
    pub fn run(&mut self, at_most: Duration, is_done: impl Fn(&mut Crowd) -> bool) -> Option<Duration> {
        let start_us = self.now.mono_us;
        let end_us = start_us + at_most.as_micros() as u64;
        loop {
            self.turn();
            if is_done(self) {
                return Some(Duration::from_micros(self.now.mono_us - start_us));
            }
            if self.now.mono_us >= end_us {
                return None;
            }
            let next_us = self.next_us().clamp(self.now.mono_us + TURN_US, end_us.max(self.now.mono_us + TURN_US));
            self.now.unix_ms += next_us / 1000 - self.now.mono_us / 1000;
            self.now.mono_us = next_us;
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.run(time, |_| false);
    }

    fn next_us(&self) -> u64 {
        let now_us = self.now.mono_us;
        if !(self.knocking.is_empty() && self.handshaking.is_empty() && self.behind.is_empty()) {
            return now_us;
        }
        let engines = [Some(&self.here), self.there.as_ref()];
        let timers = engines.into_iter().flatten().filter_map(Engine::poll_timeout);
        let timers = timers.map(|wait| now_us + wait.as_micros() as u64);
        let due = self.due.peek().map(|Reverse((due_us, _))| *due_us);
        timers.chain(due).chain(self.unheard.front().map(|(due_us, _)| *due_us)).min().unwrap_or(u64::MAX)
    }

    fn turn(&mut self) {
        self.here.handle_now(self.now);
        if let Some(there) = &mut self.there {
            there.handle_now(self.now);
        }
        while let Some(Reverse((due_us, number))) = self.due.peek().copied()
            && due_us <= self.now.mono_us
        {
            self.due.pop();
            self.dial(number);
        }
        while let Some((due_us, id)) = self.unheard.front().copied()
            && due_us <= self.now.mono_us
        {
            self.unheard.pop_front();
            self.knock(id);
        }
        self.accept();
        self.busy.extend(self.behind.drain(..));
        self.settle();
        if let Some(there) = &self.there {
            let limits = &there.config().limits;
            let strangers = there.sessions() - there.open_sessions();
            assert!(there.memory() <= limits.max_memory, "{} bytes are held", there.memory());
            self.peak = (self.peak.0.max(there.memory()), self.peak.1.max(strangers));
        }
    }

    fn dial(&mut self, number: usize) {
        while let Some(dial) = self.members[number].reconnector.poll_dial(self.now) {
            let entropy = std::array::from_fn(|_| self.chance.next() as u8);
            let dialed = self.here.connect(dial.upgrade, true, entropy);
            self.members[number].reconnector.handle_dialed(self.now, dialed);
            let id = dialed.expect("there is room for a session");
            self.owners.insert(id, number);
            self.wires.insert(id, Wire::default());
            match self.is_listening {
                true => self.arrivals.push(self.now.mono_us),
                false => self.missed += 1,
            }
            self.knock(id);
        }
        self.heed(number);
    }

    /// One comes to the port.
    fn knock(&mut self, id: ConnId) {
        if !self.is_listening {
            self.here.handle_error(id, CloseReason::NotConnected("connection refused".into()));
        } else if self.knocking.len() >= LISTEN_BACKLOG as usize {
            self.unheard.push_back((self.now.mono_us + SYN_AGAIN_US, id));
        } else {
            self.knocking.push_back(id);
            self.here.handle_connected(id, SocketAddr::from(([127, 0, 0, 1], 443)));
        }
    }

    /// What the daemon does at the door in one turn.
    fn accept(&mut self) {
        let Some(there) = &mut self.there else { return };
        for _ in 0..ACCEPTS_PER_TURN {
            if self.handshaking.len() >= HANDSHAKES_WAITING {
                break;
            }
            let Some(id) = self.knocking.pop_front() else { break };
            let Some(wire) = self.wires.get_mut(&id) else { continue };
            match there.handle_accept(SocketAddr::from(([127, 0, 0, 1], 40_000)), true) {
                Ok(other) => {
                    wire.there = Some(other);
                    self.others.insert(other, id);
                    self.handshaking.push_back(id);
                }
                // Its socket is dropped.
                Err(_) => {
                    (wire.down.ends, wire.is_secure) = (true, true);
                    self.busy.push_back(id);
                }
            }
        }
        for _ in 0..HANDSHAKES_PER_TURN {
            let Some(id) = self.handshaking.pop_front() else { break };
            if let Some(wire) = self.wires.get_mut(&id) {
                wire.is_secure = true;
                self.busy.push_back(id);
            }
        }
    }

    // --- what the two say ---

    /// Lets both go on until neither has anything left to do at this moment.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            self.answer();
            drive(&mut self.here);
            if let Some(there) = &mut self.there {
                drive(there);
            }
            self.answer();
            self.flush();
            if self.busy.is_empty() {
                return;
            }
            self.carry();
        }
        panic!("they never come to rest");
    }

    fn answer(&mut self) {
        while let Some(event) = self.there.as_mut().and_then(Engine::poll_event) {
            self.crowded += usize::from(matches!(&event, Event::Closed { reason: CloseReason::Crowded, .. }));
            (self.host)(self.there.as_mut().expect("it has had an event"), event);
        }
        while let Some(event) = self.here.poll_event() {
            let number = self.owners[&event.id()];
            let other = self.members[number].reconnector.handle_event(&mut self.here, event);
            assert!(other.is_none(), "nobody's: {other:?}");
            self.heed(number);
        }
    }

    /// Takes what a member has to tell, and remembers when it wants to be called.
    fn heed(&mut self, number: usize) {
        let member = &mut self.members[number];
        while let Some(event) = member.reconnector.poll_event() {
            match event {
                ClientEvent::Open { .. } => member.opened += 1,
                ClientEvent::Message(Message::Text(text)) if text.contains(r#""type":"chat""#) => {
                    member.heard.push(text.to_string());
                }
                ClientEvent::Error(ClientError::Refused { response, .. }) => {
                    *self.refusals.entry(response.status()).or_default() += 1;
                }
                ClientEvent::Close { code, .. } => member.codes.push(code),
                ClientEvent::Reconnecting { delay, attempt } => member.waits.push((attempt, delay)),
                _ => {}
            }
        }
        if let Some(wait) = member.reconnector.poll_timeout(self.now) {
            self.due.push(Reverse((self.now.mono_us + wait.as_micros() as u64, number)));
        }
    }

    fn flush(&mut self) {
        while let Some(id) = self.here.poll_dirty() {
            let gone = match self.wires.get_mut(&id) {
                Some(wire) => drain(&mut self.here, id, &mut wire.up),
                None => drain(&mut self.here, id, &mut Pipe::default()),
            };
            if gone {
                self.owners.remove(&id);
                // Whom it has never come to cannot miss it.
                self.wires.remove(&id).and_then(|wire| wire.there).inspect(|other| self.hang_up(*other));
            }
            self.busy.push_back(id);
        }
        let Some(there) = &mut self.there else { return };
        while let Some(other) = there.poll_dirty() {
            let id = self.others.get(&other).copied();
            let mut nowhere = Wire::default();
            let wire = id.and_then(|id| self.wires.get_mut(&id)).unwrap_or(&mut nowhere);
            if drain(there, other, &mut wire.down) {
                self.others.remove(&other);
                wire.there = None;
                wire.is_secure = true;
            }
            self.busy.extend(id);
        }
    }

    /// A client's kernel has closed the socket.
    fn hang_up(&mut self, other: ConnId) {
        self.others.remove(&other);
        if let Some(there) = &mut self.there {
            there.handle_end(other);
        }
    }

    fn carry(&mut self) {
        for id in std::mem::take(&mut self.busy) {
            let Some(wire) = self.wires.get_mut(&id).filter(|wire| wire.is_secure) else { continue };
            match (wire.there, &mut self.there) {
                (Some(other), Some(there)) => offer(there, other, &mut wire.up),
                // Nobody is there any more who could read it.
                _ => wire.up.bytes.clear(),
            }
            offer(&mut self.here, id, &mut wire.down);
            if wire.up.is_behind() || wire.down.is_behind() {
                self.behind.push(id);
            }
        }
    }
}

/// What a driver does in a turn beside sockets.
fn drive(engine: &mut Engine) {
    for _ in 0..engine.ready() {
        engine.poll_ready();
    }
    while !engine.has_events() && engine.poll_timeout_due() {}
}

/// Puts on the wire what a session has to say; says whether its socket is closed.
fn drain(engine: &mut Engine, id: ConnId, pipe: &mut Pipe) -> bool {
    let fate = engine.fate(id);
    pipe.ends |= fate != Fate::Keep;
    if fate == Fate::Drop {
        engine.handle_released(id);
        return true;
    }
    let before = pipe.bytes.len();
    if let Some(queue) = engine.output(id) {
        while !queue.is_empty() {
            let count = queue.front().len();
            pipe.bytes.extend_from_slice(queue.front());
            queue.advance(count);
        }
    }
    engine.handle_written(id, pipe.bytes.len() > before, false);
    false
}

/// Gives a session what has come over the wire, as far as it takes it.
fn offer(engine: &mut Engine, id: ConnId, pipe: &mut Pipe) {
    while !pipe.bytes.is_empty() {
        match engine.intake(id) {
            Intake::Read(limit) => {
                let bytes: Vec<u8> = pipe.bytes.drain(..limit.min(pipe.bytes.len())).collect();
                engine.handle_input(id, &bytes);
            }
            Intake::Discard => pipe.bytes.clear(),
            // It is behind with what it has got.
            Intake::Pause => return,
        }
    }
    if pipe.ends && !pipe.is_over {
        pipe.is_over = true;
        engine.handle_end(id);
    }
}
