//! All connections of the load, in one loop and one thread: [`Crowd`] dials, greets, and tells by number what happens.
//!
//! A connection is open for the load when the server has taken the upgrade, has been told what is said on open, and has
//! answered two pings, the second sent when the first was answered: what it hears before that is a greeting and counts
//! nowhere. A host name is looked up once, for all.
//!
//! The clock is read after each poll, so right behind the one read(2) whose messages are then looked at; and what is sent
//! upon them is on the wire before the next is read.
//!
//! Not here: what is sent and measured (`course.rs` and the modes beside it).

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use barewire::auth::NoAuth;
use barewire::limits::{
    CONNECT_LAST_PINGS, COUNT_MAX, FILES_RESERVED, HEAD_BYTES_MAX, HEADERS_MAX, MAX_MEMORY_MAX, MESSAGE_BYTES_MAX,
    TIMEOUT_MAX,
};
use barewire::{ClientTls, CloseReason, ConnId, Dial, EngineConfig, Event, Limits, Message, Server, ServerConfig};

use super::asked::Plan;
use crate::daemon::failure::Failure;

/// For a server to let one in, from the first packet to its answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// For a server to answer the pings of its greeting, in nanoseconds.
const PONG_TIMEOUT_NS: u64 = 10_000_000_000;
/// The code with which one is closed that does not (RFC 6455, section 5.5.2: it must).
pub const NO_PONG: u16 = 1002;
/// For a server to answer a Close, and to end the stream.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The largest message that is taken, where none that is sent is larger.
const MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// What may wait for a server that does not read, for each connection, where a message in flight does not need more.
const QUEUE_BYTES: usize = 256 * 1024;
/// What a message in flight costs beside its bytes, generously.
pub const QUEUED_BYTES: usize = 256;

/// What has happened to a connection.
#[derive(Debug)]
pub enum Happening {
    /// It is open and has been greeted. `took_ns`: from the dial to the server's answer.
    Opened { number: usize, took_ns: u64, is_resumed: bool },
    /// A message has come, which is no greeting.
    Heard { number: usize, message: Message },
    /// It is over. `was_open`: it had been told as opened.
    Lost { number: usize, was_open: bool, reason: CloseReason },
}

/// Who does what before a connection is told as opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// It is open with the server's answer.
    None,
    /// See the module.
    Awaited,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Away,
    Dialed,
    Greeted { pings_left: u32 },
    Open,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    id: ConnId,
    phase: Phase,
    dialed_ns: u64,
    took_ns: u64,
    is_resumed: bool,
}

/// See the module.
pub struct Crowd {
    server: Server,
    dial: Dial,
    /// By number, where each is to resume its own TLS sessions.
    apart: Vec<ClientTls>,
    sources: Vec<IpAddr>,
    greeting: Greeting,
    on_open: Vec<Message>,
    epoch: Instant,
    now_ns: u64,
    /// By number.
    members: Vec<Member>,
    /// The number of whoever has, or had last, a slot of the engine's table.
    numbers: Vec<Option<usize>>,
    /// Those whose pong is awaited.
    greeted: Vec<usize>,
    told: VecDeque<Happening>,
    under_way: usize,
    open: usize,
    /// The server's address that has taken the first one is tried first by all.
    has_found_address: bool,
}

impl Crowd {
    /// Room for so many connections, in the manner of the plan; none is dialed. `depth`: messages in flight on each. An error
    /// is one line: there cannot be so many, or the server has no address.
    pub fn new(plan: &Plan, size: usize, depth: usize, greeting: Greeting) -> Result<Crowd, Failure> {
        check_room(size)?;
        let mut dial = plan.dial.clone();
        dial.addrs = lookup(&dial)?;
        let engine = EngineConfig { limits: limits(plan, depth), ..EngineConfig::default() };
        let mut config = ServerConfig { engine, seed: plan.seed, ..ServerConfig::default() };
        config.engine.deflate.enabled = plan.deflate;
        let away =
            Member { id: ConnId::from_bits(u64::MAX), phase: Phase::Away, dialed_ns: 0, took_ns: 0, is_resumed: false };
        Ok(Crowd {
            server: Server::bind(config, Box::new(NoAuth))?,
            dial,
            apart: Vec::new(),
            sources: plan.sources.clone(),
            greeting,
            on_open: plan.on_open.clone(),
            epoch: Instant::now(),
            now_ns: 0,
            members: vec![away; size],
            numbers: Vec::new(),
            greeted: Vec::new(),
            told: VecDeque::new(),
            under_way: 0,
            open: 0,
            has_found_address: false,
        })
    }

    /// Each connection resumes its own TLS sessions, as clients apart from each other do.
    pub fn resume_apart(&mut self) {
        if let Some(tls) = &self.dial.tls {
            self.apart = self.members.iter().map(|_| tls.remembering_apart()).collect();
        }
    }

    /// What connections say on open, beside what the plan says: of those that are dialed from now on.
    pub fn say_on_open(&mut self, message: Message) {
        self.on_open.push(message);
    }

    /// When the last poll was over, in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// The same moment, for the line that is watched.
    pub fn instant(&self) -> Instant {
        self.epoch + Duration::from_nanos(self.now_ns)
    }

    /// Reads the clock anew.
    pub fn read_clock(&mut self) -> u64 {
        self.now_ns = nanos(self.epoch.elapsed());
        self.now_ns
    }

    /// Connections that are open, and greeted.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Those that are on their way to that.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Those that are there in any way, be it winding down.
    pub fn present(&mut self) -> usize {
        self.server.engine().sessions()
    }

    /// Whether this one is open.
    pub fn is_open(&self, number: usize) -> bool {
        self.members.get(number).is_some_and(|member| member.phase == Phase::Open)
    }

    /// Milliseconds since 1970, of this turn.
    pub fn unix_ms(&mut self) -> u64 {
        self.server.engine().now().unix_ms
    }

    /// Sets out; does nothing for one that is not away.
    pub fn dial(&mut self, number: usize) -> Result<(), Failure> {
        let Some(member) = self.members.get_mut(number).filter(|member| member.phase == Phase::Away) else {
            return Ok(());
        };
        let source = number.checked_rem(self.sources.len()).and_then(|turn| self.sources.get(turn)).copied();
        let mut dial = Dial { source, ..self.dial.clone() };
        if let Some(tls) = self.apart.get(number) {
            dial.tls = Some(tls.clone());
        }
        let id = self.server.connect(dial);
        member.id = id.map_err(|refused| Failure::runtime(format!("cannot connect: {refused}")))?;
        member.phase = Phase::Dialed;
        member.dialed_ns = nanos(self.epoch.elapsed());
        let index = member.id.index();
        if self.numbers.len() <= index {
            self.numbers.resize(index + 1, None);
        }
        if let Some(slot) = self.numbers.get_mut(index) {
            *slot = Some(number);
        }
        self.under_way += 1;
        Ok(())
    }

    /// Sleeps at most so long, and takes what has come of one connection, or of the turn. Then [`Crowd::next`] until `None`.
    pub fn poll(&mut self, wait: Duration) -> Result<(), Failure> {
        self.server.poll(Some(wait))?;
        self.read_clock();
        Ok(())
    }

    /// What has happened.
    pub fn next(&mut self) -> Option<Happening> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Some(told);
            }
            let Some(event) = self.server.poll_event() else {
                // All messages that came before a pong have been seen.
                self.greet();
                return self.told.pop_front();
            };
            let index = event.id().index();
            let Some(number) = self.numbers.get(index).copied().flatten() else { continue };
            match event {
                Event::Message { message, .. } if self.is_open(number) => {
                    return Some(Happening::Heard { number, message });
                }
                Event::Connected { id, .. } => self.take_connected(id, number),
                Event::Closed { reason, .. } => return self.take_closed(number, reason),
                // A greeting, or a refusal: its end follows, and says the status.
                _ => {}
            }
        }
    }

    fn take_connected(&mut self, id: ConnId, number: usize) {
        if !std::mem::replace(&mut self.has_found_address, true)
            && let Some(peer) = self.server.engine().peer(id)
        {
            self.dial.addrs.retain(|addr| *addr != peer);
            self.dial.addrs.insert(0, peer);
        }
        let is_resumed = self.server.is_resumed(id) == Some(true);
        let Some(member) = self.members.get_mut(number) else { return };
        member.took_ns = self.now_ns.saturating_sub(member.dialed_ns);
        member.is_resumed = is_resumed;
        match self.greeting {
            Greeting::None => self.tell_opened(number),
            Greeting::Awaited => {
                member.phase = Phase::Greeted { pings_left: CONNECT_LAST_PINGS - 1 };
                for message in &self.on_open {
                    self.server.engine().send(id, message.clone());
                }
                self.server.engine().ping(id);
                self.greeted.push(number);
            }
        }
    }

    /// Looks whose pong has come.
    fn greet(&mut self) {
        let mut next = 0;
        while let Some(&number) = self.greeted.get(next) {
            let Some(member) = self.members.get_mut(number) else { break };
            let Phase::Greeted { pings_left } = member.phase else {
                self.greeted.swap_remove(next);
                continue;
            };
            let engine = self.server.engine();
            if engine.awaits_pong(member.id) || !engine.is_open(member.id) {
                let since_ns = member.dialed_ns + member.took_ns;
                if self.now_ns.saturating_sub(since_ns) > PONG_TIMEOUT_NS {
                    engine.close(member.id, NO_PONG, "no pong");
                }
                next += 1;
            } else if pings_left > 0 {
                engine.ping(member.id);
                member.phase = Phase::Greeted { pings_left: pings_left - 1 };
                next += 1;
            } else {
                self.greeted.swap_remove(next);
                self.tell_opened(number);
            }
        }
    }

    fn tell_opened(&mut self, number: usize) {
        let Some(member) = self.members.get_mut(number) else { return };
        member.phase = Phase::Open;
        let Member { took_ns, is_resumed, .. } = *member;
        self.under_way -= 1;
        self.open += 1;
        self.told.push_back(Happening::Opened { number, took_ns, is_resumed });
    }

    fn take_closed(&mut self, number: usize, reason: CloseReason) -> Option<Happening> {
        let member = self.members.get_mut(number)?;
        let was_open = match std::mem::replace(&mut member.phase, Phase::Away) {
            Phase::Open => {
                self.open -= 1;
                true
            }
            Phase::Dialed | Phase::Greeted { .. } => {
                self.under_way -= 1;
                false
            }
            Phase::Away => false,
        };
        Some(Happening::Lost { number, was_open, reason })
    }

    /// Queues a message. `false` where the connection is not open, or its server does not read what waits already.
    pub fn send(&mut self, number: usize, message: Message) -> bool {
        self.members.get(number).is_some_and(|member| self.server.engine().send(member.id, message))
    }

    /// Has what was sent on the wire now, and not when all others have been read too: so nobody waits for this loop's turn.
    pub fn flush(&mut self) {
        self.server.flush();
    }

    /// Reads this one no more.
    pub fn stall(&mut self, number: usize) {
        if let Some(member) = self.members.get(number) {
            self.server.engine().pause(member.id);
        }
    }

    /// Closes one in good order. [`Happening::Lost`] is told at once, the rest goes on in the background.
    pub fn close(&mut self, number: usize) {
        if let Some(member) = self.members.get(number) {
            self.server.engine().close(member.id, 1000, "");
        }
    }

    /// Closes all in good order.
    pub fn close_all(&mut self) {
        for member in &self.members {
            if member.phase != Phase::Away {
                self.server.engine().close(member.id, 1000, "");
            }
        }
    }

    /// Drops all sockets at once, without a word.
    pub fn cut_all(&mut self) {
        self.server.engine().drop_all();
    }
}

/// As [`Crowd::now_ns`] counts.
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Each connection is an open file.
fn check_room(size: usize) -> Result<(), Failure> {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    let room = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(FILES_RESERVED);
    if size > room {
        return Err(Failure::usage(format!(
            "{size} connections need as many open files; allowed: up to {room}, or more by `ulimit -n` (now {files})"
        )));
    }
    Ok(())
}

/// The addresses of the server.
fn lookup(dial: &Dial) -> Result<Vec<SocketAddr>, Failure> {
    let host = &dial.host;
    match (host.as_str(), dial.port).to_socket_addrs() {
        Ok(addrs) if addrs.len() > 0 => Ok(addrs.collect()),
        Ok(_) => Err(Failure::runtime(format!("no address for `{host}`"))),
        Err(error) => Err(Failure::runtime(format!("no address for `{host}`: {error}"))),
    }
}

/// The load is not what the limits are to keep away: they are as wide as can be.
fn limits(plan: &Plan, depth: usize) -> Limits {
    // A message with placeholders may be longer than its first.
    let longest = 2 * plan.template.bytes();
    let on_open: usize = plan.on_open.iter().map(|message| message.len() + QUEUED_BYTES).sum();
    let in_flight = longest.saturating_add(QUEUED_BYTES).saturating_mul(depth);
    Limits {
        message_bytes: longest.clamp(MESSAGE_BYTES, MESSAGE_BYTES_MAX),
        send_queue_bytes: in_flight.saturating_add(on_open).clamp(QUEUE_BYTES, MESSAGE_BYTES_MAX),
        connections: COUNT_MAX,
        control_frames_per_second: 0,
        max_memory: MAX_MEMORY_MAX,
        head_bytes: HEAD_BYTES_MAX,
        headers: HEADERS_MAX,
        head_timeout: OPEN_TIMEOUT,
        close_timeout: CLOSE_TIMEOUT,
        write_stall_timeout: TIMEOUT_MAX,
        heartbeat_interval: TIMEOUT_MAX,
        message_timeout: TIMEOUT_MAX,
        fragments: COUNT_MAX,
        ..Limits::default()
    }
}
