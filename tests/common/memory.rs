//! A network in memory, for the whole server: an `Io` whose sockets are byte vectors, whose clock only the
//! test moves, and of whose calls any one can be made to fail. Readiness comes in edges, each told once, as
//! epoll does it: whoever loses one hangs.
//!
//! Not here: a server on it (`site.rs`), the engine without a server (`mod.rs` beside this file), real sockets
//! (`server.rs`).

#![allow(dead_code, reason = "each test file uses its own part")]

mod site;

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use barewire::Now;
use barewire::limits::READY_PER_TURN;
use barewire::net::io::{Io, Ready, Socket};

pub use site::{FIRST, Site};

/// The calls of the traits in `net/io.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Wait,
    Accept,
    Register,
    Read,
    Write,
    ShutDownWrite,
    Connect,
    PollConnected,
    Resolve,
    Entropy,
}

impl Call {
    const KINDS: usize = Call::Entropy as usize + 1;
}

/// One call that fails: the `nth` of its kind, counted from 0.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub call: Call,
    pub nth: usize,
    pub error: fn() -> io::Error,
}

/// What an address does when the server connects to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Accepts,
    Refuses,
    /// Nothing comes back.
    Silent,
}

/// Where a connection stands that the server makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Connecting(SocketAddr),
    Stands(SocketAddr),
    Refused,
    /// The server has been told.
    Failed,
}

/// A ticket, and what came of it.
type Resolved = (u64, io::Result<Vec<SocketAddr>>);

/// Both ends of one connection.
#[derive(Debug, Default)]
struct Wire {
    /// Of one that the server makes.
    standing: Option<Standing>,
    token: Option<usize>,
    /// On the way to the server.
    in_flight: VecDeque<u8>,
    /// In the server's receive buffer.
    arrived: VecDeque<u8>,
    /// The peer ends its half behind what is in flight; and the server can see it.
    peer_ends: bool,
    peer_ended: bool,
    was_reset: bool,
    /// What the server wrote and the test has not taken.
    written: Vec<u8>,
    /// Bytes that the server can write now; and after the next wait.
    room: usize,
    refill: usize,
    /// Bytes that arrive with each wait.
    pace: usize,
    /// A write found no room for all of it: there will be an edge when there is some.
    is_full: bool,
    readable_edge: bool,
    writable_edge: bool,
    server_ended: bool,
    dropped: bool,
    /// The server dropped the socket with something unread in it: a kernel would answer with a reset.
    dropped_unread: bool,
}

#[derive(Debug, Default)]
struct State {
    now_us: u64,
    backlog: Vec<VecDeque<usize>>,
    backlog_edges: Vec<bool>,
    is_listening: bool,
    wires: Vec<Wire>,
    /// Addresses that do anything else than to refuse.
    answers: BTreeMap<SocketAddr, Answer>,
    /// Names that are known, with their addresses; without, the answer never comes.
    names: BTreeMap<String, Option<Vec<SocketAddr>>>,
    /// Answers on their way, and those that have come.
    asked: VecDeque<Resolved>,
    resolved: VecDeque<Resolved>,
    /// Whom the server has connected to, and the wire that came of it.
    dialed: Vec<(SocketAddr, usize)>,
    /// From where.
    sources: Vec<Option<IpAddr>>,
    /// How many there were of each kind.
    calls: [usize; Call::KINDS],
    /// How long the last wait would have lasted.
    slept: Duration,
    fault: Option<Fault>,
    struck: bool,
    /// The connection that the fault hit, if it was one.
    victim: Option<usize>,
}

impl State {
    /// Counts a call, and fails it if it is the one. `WouldBlock` is a promise that an edge will come.
    fn enter(&mut self, call: Call, wire: Option<usize>) -> io::Result<()> {
        let nth = self.calls[call as usize];
        self.calls[call as usize] += 1;
        let Some(fault) = self.fault.filter(|fault| fault.call == call && fault.nth == nth) else { return Ok(()) };
        let error = (fault.error)();
        self.struck = true;
        self.victim = wire;
        if error.kind() == io::ErrorKind::WouldBlock {
            match wire {
                Some(wire) if call == Call::Read => self.wires[wire].readable_edge = true,
                Some(wire) => self.wires[wire].writable_edge = true,
                None => self.backlog_edges.fill(true),
            }
        }
        Err(error)
    }

    /// Time passes for the network: bytes arrive, buffers drain.
    fn deliver(&mut self) {
        self.resolved.append(&mut self.asked);
        for wire in &mut self.wires {
            if let Some(Standing::Connecting(addr)) = wire.standing {
                wire.standing = Some(match self.answers.get(&addr).unwrap_or(&Answer::Refuses) {
                    Answer::Silent => continue,
                    Answer::Accepts => Standing::Stands(addr),
                    Answer::Refuses => Standing::Refused,
                });
                (wire.writable_edge, wire.readable_edge) = (true, wire.standing == Some(Standing::Refused));
            }
            let count = wire.pace.min(wire.in_flight.len());
            let mut bytes = vec![0; count];
            wire.in_flight.read_exact(&mut bytes).unwrap();
            wire.arrived.extend(&bytes);
            wire.readable_edge |= count > 0;
            if wire.peer_ends && wire.in_flight.is_empty() && !wire.peer_ended {
                wire.peer_ended = true;
                wire.readable_edge = true;
            }
            wire.room = wire.room.max(wire.refill);
            if wire.is_full && wire.room > 0 {
                wire.is_full = false;
                wire.writable_edge = true;
            }
        }
    }

    fn lay_wire(&mut self, standing: Option<Standing>) -> usize {
        let (room, refill, pace) = (usize::MAX, usize::MAX, usize::MAX);
        self.wires.push(Wire { standing, room, refill, pace, ..Wire::default() });
        self.wires.len() - 1
    }

    fn is_silent(&self, addr: SocketAddr) -> bool {
        self.answers.get(&addr) == Some(&Answer::Silent)
    }

    fn is_quiet(&self) -> bool {
        !self.backlog_edges.contains(&true)
            && self.asked.is_empty()
            && self.resolved.is_empty()
            && self.wires.iter().all(|wire| {
                let (gone, unseen) = (wire.dropped || wire.token.is_none(), wire.peer_ends && !wire.peer_ended);
                let refills = wire.is_full && wire.refill > 0;
                let answers = matches!(wire.standing, Some(Standing::Connecting(addr)) if !self.is_silent(addr));
                let refills = refills || answers;
                gone || !(wire.readable_edge || wire.writable_edge || !wire.in_flight.is_empty() || unseen || refills)
            })
    }
}

/// The network, as the test sees it.
#[derive(Debug, Clone)]
pub struct Network(Rc<RefCell<State>>);

impl Network {
    /// With a backlog for each of so many listeners.
    pub fn with_listeners(listeners: usize) -> Network {
        Network(Rc::new(RefCell::new(State {
            now_us: 1_000_000,
            backlog: vec![VecDeque::new(); listeners],
            backlog_edges: vec![false; listeners],
            is_listening: true,
            ..State::default()
        })))
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// A peer connects; the server has yet to accept it.
    pub fn connect(&self, listener: usize) -> usize {
        let mut state = self.state();
        let peer = state.lay_wire(None);
        state.backlog[listener].push_back(peer);
        state.backlog_edges[listener] = true;
        peer
    }

    /// What an address does from now on; without it, it refuses.
    pub fn answer(&self, addr: SocketAddr, answer: Answer) {
        self.state().answers.insert(addr, answer);
    }

    /// A name has these addresses; `None`: who asks for it never hears. A name that is not told is known to nobody.
    pub fn name(&self, name: &str, addrs: Option<&[SocketAddr]>) {
        self.state().names.insert(name.into(), addrs.map(<[SocketAddr]>::to_vec));
    }

    /// Whom the server has connected to so far, and the number of each connection.
    pub fn dialed(&self) -> Vec<(SocketAddr, usize)> {
        self.state().dialed.clone()
    }

    /// From where the server has connected, where it was told.
    pub fn sources(&self) -> Vec<Option<IpAddr>> {
        self.state().sources.clone()
    }

    pub fn send(&self, peer: usize, bytes: &[u8]) {
        self.state().wires[peer].in_flight.extend(bytes);
    }

    /// The peer ends its half, behind all it has sent.
    pub fn end(&self, peer: usize) {
        self.state().wires[peer].peer_ends = true;
    }

    /// The peer resets the connection: whatever the server has not read is lost.
    pub fn reset(&self, peer: usize) {
        let mut state = self.state();
        let wire = &mut state.wires[peer];
        (wire.was_reset, wire.readable_edge, wire.writable_edge) = (true, true, true);
        wire.in_flight.clear();
        wire.arrived.clear();
    }

    /// At most this many bytes arrive at the server, or leave it, at once.
    pub fn cut_into(&self, peer: usize, bytes: usize) {
        let mut state = self.state();
        let wire = &mut state.wires[peer];
        (wire.pace, wire.room, wire.refill) = (bytes, bytes, bytes);
    }

    /// The peer reads only this much more.
    pub fn stop_reading_after(&self, peer: usize, bytes: usize) {
        let mut state = self.state();
        let wire = &mut state.wires[peer];
        (wire.room, wire.refill) = (bytes, 0);
    }

    /// What the server wrote since the last call.
    pub fn take(&self, peer: usize) -> Vec<u8> {
        std::mem::take(&mut self.state().wires[peer].written)
    }

    /// What the peer has sent and the server has not read.
    pub fn unread(&self, peer: usize) -> usize {
        let wire = &self.state().wires[peer];
        wire.in_flight.len() + wire.arrived.len()
    }

    /// How much the server wrote since the last [`Network::take`].
    pub fn written(&self, peer: usize) -> usize {
        self.state().wires[peer].written.len()
    }

    /// At most this many bytes arrive at the server at once.
    pub fn arrive_in(&self, peer: usize, bytes: usize) {
        self.state().wires[peer].pace = bytes;
    }

    /// The server has ended its half.
    pub fn server_ended(&self, peer: usize) -> bool {
        self.state().wires[peer].server_ended
    }

    /// The server has dropped the socket (or never accepted it, and has closed the listener).
    pub fn is_dropped(&self, peer: usize) -> bool {
        self.state().wires[peer].dropped
    }

    /// The server has dropped the socket before it had read all: the peer may lose what it was sent last.
    pub fn is_reset_by_server(&self, peer: usize) -> bool {
        self.state().wires[peer].dropped_unread
    }

    pub fn advance(&self, by: Duration) {
        self.state().now_us += by.as_micros() as u64;
    }

    pub fn fail(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    /// Whether the fault has come about; and the connection it hit.
    pub fn fault(&self) -> (bool, Option<usize>) {
        let state = self.state();
        (state.struck, state.victim)
    }

    /// Calls of all kinds so far.
    pub fn calls(&self, call: Call) -> usize {
        self.state().calls[call as usize]
    }

    /// How long the last wait would have lasted; nothing where something was ready.
    pub fn slept(&self) -> Duration {
        self.state().slept
    }
}

/// The network, as the server sees it.
pub struct MemoryIo(pub Network);

/// One socket of the server.
pub struct MemorySocket {
    network: Network,
    wire: usize,
}

impl Io for MemoryIo {
    type Socket = MemorySocket;

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut state = self.0.state();
        state.enter(Call::Wait, None)?;
        state.deliver();
        for (i, edge) in state.backlog_edges.iter_mut().enumerate() {
            if std::mem::take(edge) {
                ready.push(Ready { token: Self::LISTENERS + i, readable: true, writable: false, read_closed: false });
            }
        }
        for wire in state.wires.iter_mut().filter(|wire| !wire.dropped) {
            let Some(token) = wire.token else { continue };
            if ready.len() >= READY_PER_TURN {
                break;
            }
            let (readable, writable) = (wire.readable_edge, wire.writable_edge);
            (wire.readable_edge, wire.writable_edge) = (false, false);
            if readable || writable {
                ready.push(Ready { token, readable, writable, read_closed: wire.peer_ended || wire.was_reset });
            }
        }
        state.slept = if ready.is_empty() { timeout.unwrap_or(Duration::MAX) } else { Duration::ZERO };
        Ok(())
    }

    fn accept(&mut self, listener: usize) -> io::Result<(MemorySocket, SocketAddr)> {
        let mut state = self.0.state();
        state.enter(Call::Accept, None)?;
        let wire = state.backlog[listener].pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let addr = SocketAddr::from(([127, 0, 0, 1], 40_000 + wire as u16));
        Ok((MemorySocket { network: self.0.clone(), wire }, addr))
    }

    fn register(&mut self, socket: &mut MemorySocket, token: usize) -> io::Result<()> {
        let mut state = self.0.state();
        state.enter(Call::Register, Some(socket.wire))?;
        let wire = &mut state.wires[socket.wire];
        wire.token = Some(token);
        wire.writable_edge = true;
        wire.readable_edge |= !wire.arrived.is_empty() || wire.peer_ended;
        Ok(())
    }

    fn close_listeners(&mut self) {
        let mut state = self.0.state();
        state.is_listening = false;
        state.backlog_edges.fill(false);
        for wire in std::mem::take(&mut state.backlog).into_iter().flatten() {
            state.wires[wire].dropped = true;
        }
    }

    fn connect(&mut self, addr: SocketAddr, source: Option<IpAddr>) -> io::Result<MemorySocket> {
        let mut state = self.0.state();
        state.enter(Call::Connect, None)?;
        state.sources.push(source);
        let wire = state.lay_wire(Some(Standing::Connecting(addr)));
        state.dialed.push((addr, wire));
        Ok(MemorySocket { network: self.0.clone(), wire })
    }

    fn resolve(&mut self, ticket: u64, host: &str, port: u16) -> io::Result<()> {
        let mut state = self.0.state();
        state.enter(Call::Resolve, None)?;
        if let Ok(ip) = host.parse::<IpAddr>() {
            state.resolved.push_back((ticket, Ok(vec![SocketAddr::new(ip, port)])));
            return Ok(());
        }
        let answer = match state.names.get(host) {
            Some(Some(addrs)) => Ok(addrs.clone()),
            Some(None) => return Ok(()),
            None => Err(io::Error::other("nobody knows it")),
        };
        state.asked.push_back((ticket, answer));
        Ok(())
    }

    fn cancel_resolve(&mut self, ticket: u64) {
        self.0.state().asked.retain(|(asked, _)| *asked != ticket);
    }

    fn poll_resolved(&mut self) -> Option<Resolved> {
        self.0.state().resolved.pop_front()
    }

    fn entropy(&mut self) -> io::Result<[u8; 32]> {
        let mut state = self.0.state();
        state.enter(Call::Entropy, None)?;
        Ok([state.calls[Call::Entropy as usize] as u8; 32])
    }

    fn now(&mut self) -> Now {
        let mono_us = self.0.state().now_us;
        Now { mono_us, unix_ms: 1_795_000_000_000 + mono_us / 1000 }
    }
}

impl Socket for MemorySocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.network.state();
        state.enter(Call::Read, Some(self.wire))?;
        let wire = &mut state.wires[self.wire];
        if wire.was_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if wire.arrived.is_empty() && !wire.peer_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(wire.arrived.len());
        wire.arrived.read_exact(&mut buffer[..count])?;
        Ok(count)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.network.state();
        state.enter(Call::Write, Some(self.wire))?;
        let wire = &mut state.wires[self.wire];
        assert!(!wire.server_ended, "a write behind the end of the stream");
        assert!(matches!(wire.standing, None | Some(Standing::Stands(_))), "a write before the connection stands");
        if wire.was_reset {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        assert!(!bytes.is_empty(), "a write of nothing");
        let count = bytes.len().min(wire.room);
        wire.is_full = count < bytes.len();
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wire.room -= count;
        wire.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn shut_down_write(&mut self) -> io::Result<()> {
        let mut state = self.network.state();
        state.enter(Call::ShutDownWrite, Some(self.wire))?;
        let wire = &mut state.wires[self.wire];
        wire.server_ended = true;
        if wire.was_reset { Err(io::ErrorKind::NotConnected.into()) } else { Ok(()) }
    }

    fn poll_connected(&mut self) -> io::Result<Option<SocketAddr>> {
        let mut state = self.network.state();
        state.enter(Call::PollConnected, Some(self.wire))?;
        let wire = &mut state.wires[self.wire];
        match wire.standing.expect("a connection that the server makes") {
            Standing::Stands(addr) => Ok(Some(addr)),
            Standing::Connecting(_) | Standing::Failed => Ok(None),
            Standing::Refused => {
                wire.standing = Some(Standing::Failed);
                Err(io::ErrorKind::ConnectionRefused.into())
            }
        }
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        let mut state = self.network.state();
        let wire = &mut state.wires[self.wire];
        wire.dropped = true;
        wire.dropped_unread = !wire.arrived.is_empty();
    }
}
