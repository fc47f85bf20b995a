//! The simulation: an engine with the daemon's router, a clock, and peers whose bytes, sockets and ends are left to
//! chance, all from one seed. After each step everything the peers got is compared with the model.
//!
//! Not here: what they say (`random_peer.rs`), what they must get (`model.rs`), which seeds are run
//! (`tests/simulation.rs`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use barewire::app::Router;
use barewire::engine::{Fate, Intake};
use barewire::limits::{
    CONTROL_FRAMES_BURST, EXPIRIES_PER_TURN, MEMORY_NEAR_PART, RateAlgorithm, TICK_MILLIS, WHEEL_SLOTS,
};
use barewire::wire::deflate::DeflateConfig;
use barewire::{CloseReason, Engine, EngineConfig, Limits, Now};

use super::chance::Chance;
use super::frames::{self, CLOSE};
use super::methods;
use super::model::Model;
use super::random_peer::RandomPeer;

const PEERS: usize = 9;
/// Where they come from: two of these are one.
const ADDRESSES: [&str; 5] = ["127.0.0.1", "127.0.0.2", "2001:db8::1", "2001:db8::2:0:0:1", "2001:db8:0:1::1"];

/// See the file.
pub struct Simulator {
    engine: Engine,
    now: Now,
    chance: Chance,
    peers: Vec<RandomPeer>,
    model: Model,
    accepted: usize,
    hash: u64,
}

impl Simulator {
    pub fn new(seed: u64) -> Simulator {
        let mut chance = Chance::new(seed);
        let limits = Limits {
            message_bytes: *chance.pick(&[3000, 3000, 40_000]),
            fragments: 6,
            connections: PEERS - 1,
            channels_per_session: 3,
            max_memory: *chance.pick(&[1 << 29, 1 << 29, 42_000, 50_000, 65_000]),
            send_queue_bytes: *chance.pick(&[2000, 3000, 20_000, 500_000]),
            messages_per_window: *chance.pick(&[0, 0, 5, 30]),
            window: Duration::from_micros(*chance.pick(&[1_000_001, 3_000_000])),
            rate_algorithm: *chance.pick(&[RateAlgorithm::Window, RateAlgorithm::Bucket]),
            control_frames_per_second: *chance.pick(&[0, 0, 1, 10]),
            connections_per_ip: *chance.pick(&[0, 0, 2]),
            auth_failures_per_minute: *chance.pick(&[0, 1, 2]),
            pre_auth_connections: *chance.pick(&[3, 100, 100]),
            ..Limits::default()
        };
        let deflate = DeflateConfig {
            enabled: chance.once_in(2),
            level: *chance.pick(&[1, 6, 9]),
            min_bytes: *chance.pick(&[0, 60, 512]),
            server_context_takeover: chance.once_in(2),
            client_context_takeover: chance.once_in(2),
            server_max_window_bits: *chance.pick(&[9, 15]),
            takeover_sessions: *chance.pick(&[1, 64]),
        };
        let now = Now { mono_us: chance.next() % 1_000_000_000, unix_ms: 1_795_000_000_000 };
        Simulator {
            engine: Engine::new(
                EngineConfig { limits: limits.clone(), deflate, ..EngineConfig::default() },
                Box::new(methods()),
                now,
                seed,
            ),
            now,
            chance,
            peers: Vec::new(),
            model: Model { limits, ..Model::default() },
            accepted: 0,
            hash: 0,
        }
    }

    /// Runs so many random steps, then heals and ends everything. Returns a hash of all that was written, and how
    /// often the run came by what.
    pub fn run(mut self, steps: usize) -> (u64, BTreeMap<&'static str, usize>) {
        for _ in 0..steps {
            self.step();
            if self.chance.once_in(4) {
                self.turn();
            } else {
                self.come_to_rest();
                self.check_ends();
            }
            self.check();
        }
        self.heal();
        self.finish();
        (self.hash, self.model.marks)
    }

    // --- steps ---

    fn step(&mut self) {
        let (live, what) = (self.peers.len(), self.chance.below(100));
        if live == 0 || (what < 12 && live < PEERS) {
            return self.connect();
        }
        let at = self.chance.below(live);
        match what {
            0..50 => self.peers[at].speak(&mut self.chance),
            50..65 => self.deliver(at),
            65..80 => self.hurry(at),
            80..88 => {
                let room = *self.chance.pick(&[0, 1, 2, 100, 1000, 20_000, usize::MAX, usize::MAX]);
                self.peers[at].room = room;
                self.engine.mark_dirty(self.peers[at].id);
            }
            88..94 => {
                let millis = *self.chance.pick(&[1, 31, 100, 100, 1000, 1000, 3000, 3000, 9000, 31_000]);
                self.pass(Duration::from_millis(millis));
            }
            94 => self.end(at),
            95 => self.reset(at),
            96 => {
                let code = *self.chance.pick(&[1000, 1011, 4000, 1005]);
                self.engine.close(self.peers[at].id, code, "because");
            }
            97 if self.chance.once_in(3) => self.jump(),
            _ => self.hurry(at),
        }
    }

    fn connect(&mut self) {
        let ip = self.chance.pick(&ADDRESSES).parse().expect("an address");
        let Ok(id) = self.engine.handle_accept(SocketAddr::new(ip, 40_000), true) else { return };
        self.accepted += 1;
        let is_eager = !self.chance.once_in(3);
        self.peers.push(RandomPeer::new(id, self.accepted, is_eager, &mut self.chance));
        if is_eager {
            self.hurry(self.peers.len() - 1);
        }
    }

    /// The server gets a piece of what a peer has said.
    fn deliver(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        if peer.has_ended || peer.outbox.is_empty() {
            return;
        }
        match self.engine.intake(peer.id) {
            Intake::Pause => {}
            Intake::Discard => peer.outbox.clear(),
            Intake::Read(limit) => {
                let most = *self.chance.pick(&[1, 3, 10, 200, 20_000, usize::MAX]);
                let piece = most.min(limit).min(peer.outbox.len());
                let bytes: Vec<u8> = peer.outbox.drain(..piece).collect();
                self.engine.handle_input(peer.id, &bytes);
            }
        }
    }

    /// The server gets all that a peer has said, as fast as it takes it.
    fn hurry(&mut self, at: usize) {
        while !self.peers[at].outbox.is_empty() && !self.peers[at].has_ended {
            if self.engine.intake(self.peers[at].id) == Intake::Pause {
                let is_short = self.is_near_the_ceiling();
                return self.model.mark(if is_short { "not read near the ceiling" } else { "not read" });
            }
            self.deliver(at);
            self.turn();
        }
    }

    /// The peer ends its half, sometimes together with its last words, whatever was to come.
    fn end(&mut self, at: usize) {
        if self.chance.once_in(2) {
            self.deliver(at);
        }
        let peer = &mut self.peers[at];
        peer.outbox.clear();
        if !peer.has_ended {
            peer.has_ended = true;
            self.engine.handle_end(peer.id);
        }
    }

    fn reset(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        peer.has_ended = true;
        self.engine.handle_error(peer.id, CloseReason::Transport(std::io::ErrorKind::ConnectionReset));
    }

    /// Time passes, and the driver is awake whenever the engine asks for it.
    fn pass(&mut self, by: Duration) {
        let end = self.now.mono_us + by.as_micros() as u64;
        while self.now.mono_us < end {
            let wait = self.engine.poll_timeout().map_or(u64::MAX, |wait| wait.as_micros() as u64);
            self.tick(wait.min(end - self.now.mono_us));
            self.come_to_rest();
        }
    }

    /// The process slept, and wakes up much later.
    fn jump(&mut self) {
        let seconds = self.chance.below(100) as u64;
        self.tick(seconds * 1_000_000);
    }

    fn tick(&mut self, micros: u64) {
        self.now.mono_us += micros;
        self.now.unix_ms += micros / 1000;
        self.engine.handle_now(self.now);
    }

    // --- the driver ---

    /// One turn, as the contract of the engine has it.
    fn turn(&mut self) {
        self.engine.handle_now(self.now);
        self.answer();
        for _ in 0..self.engine.ready() {
            self.engine.poll_ready();
            self.answer();
        }
        for _ in 0..EXPIRIES_PER_TURN {
            if !self.engine.poll_timeout_due() {
                break;
            }
            self.answer();
        }
        self.flush();
        self.answer();
        self.engine.check_invariants();
    }

    fn come_to_rest(&mut self) {
        for _ in 0..10_000 {
            self.turn();
            if self.engine.poll_timeout() != Some(Duration::ZERO) {
                return;
            }
        }
        panic!("the engine never comes to rest");
    }

    fn answer(&mut self) {
        loop {
            while let Some(event) = self.engine.poll_event() {
                self.model.now_us = self.now.mono_us;
                let has_gone = self.engine.identity(event.id()).is_none();
                self.model.observe(&event, has_gone);
                Router::default().handle(&mut self.engine, event);
            }
            if !self.engine.poll_flush_due() {
                return;
            }
            self.flush();
        }
    }

    fn flush(&mut self) {
        while let Some(id) = self.engine.poll_dirty() {
            let fate = self.engine.fate(id);
            let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) else { continue };
            if fate == Fate::Drop {
                if !std::mem::replace(&mut peer.is_gone, true) {
                    self.model.release(id);
                }
                self.engine.handle_released(id);
                continue;
            }
            let (mut progress, mut pending) = (false, false);
            if let Some(queue) = self.engine.output(id) {
                while !queue.is_empty() && peer.room > 0 {
                    let count = queue.front().len().min(peer.room);
                    let bytes = &queue.front()[..count];
                    self.hash = mix(self.hash, id.to_bits(), bytes);
                    peer.inbox.extend_from_slice(bytes);
                    peer.room -= if peer.room == usize::MAX { 0 } else { count };
                    queue.advance(count);
                    progress = true;
                }
                pending = !queue.is_empty();
                self.model.mark(if pending { "written in part" } else { "written" });
            }
            peer.server_ended |= fate == Fate::CloseWhenWritten && !pending;
            self.engine.handle_written(id, progress, pending);
        }
    }

    // --- what must hold ---

    fn is_near_the_ceiling(&self) -> bool {
        let ceiling = self.engine.config().limits.max_memory;
        self.engine.memory() > ceiling - ceiling / MEMORY_NEAR_PART
    }

    fn check(&mut self) {
        for peer in &mut self.peers {
            peer.absorb(&self.model);
        }
        assert!(!self.engine.has_events());
        assert_eq!(self.engine.open_sessions(), self.model.open_sessions(), "open sessions");
        assert_eq!(self.engine.channels(), self.model.channels(), "channels");
        assert!(self.engine.memory() <= self.engine.config().limits.max_memory, "{} bytes held", self.engine.memory());
        for peer in &self.peers {
            let session = &self.model.sessions[&peer.id];
            let burst = self.model.limits.control_frames_per_second * CONTROL_FRAMES_BURST;
            let is_cut = session.ended == Some("too_many_control_frames");
            assert!(!is_cut || peer.control_frames > burst, "{} did not say that many pings", peer.number);
            if peer.is_gone {
                assert!(session.is_closed, "{} is gone and the host does not know", peer.number);
            }
            let mut channels: Vec<&str> = self.engine.channels_of(peer.id).collect();
            channels.sort_unstable();
            assert!(session.channels.iter().eq(channels), "the channels of {}", peer.number);
            assert!(peer.is_welcome() || !session.is_open, "{} came in as {:?}", peer.number, peer.kind);
        }
        for peer in self.peers.iter().filter(|peer| peer.is_gone) {
            *self.model.marks.entry("deflated messages said").or_default() += peer.deflated;
            *self.model.marks.entry("deflated messages heard").or_default() += peer.inflated;
        }
        self.peers.retain(|peer| !peer.is_gone);
    }

    /// A WebSocket whose session is over is gone within the close timeout, whatever its peer does.
    fn check_ends(&mut self) {
        let timeout = self.engine.config().limits.close_timeout + Duration::from_millis(2 * TICK_MILLIS);
        for peer in self.peers.iter_mut().filter(|peer| peer.is_websocket && !peer.is_gone) {
            if self.model.sessions[&peer.id].is_closed {
                let since = self.now.mono_us - *peer.over_us.get_or_insert(self.now.mono_us);
                assert!(u128::from(since) < timeout.as_micros(), "{} is not gone after {since} µs", peer.number);
            }
        }
    }

    /// All sockets open, all that was said is delivered: then everybody has everything.
    fn heal(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "no progress after the faults have stopped");
            for at in 0..self.peers.len() {
                self.peers[at].room = usize::MAX;
                self.engine.mark_dirty(self.peers[at].id);
                self.deliver(at);
                self.answer();
            }
            self.come_to_rest();
            self.check();
            if self.peers.iter().all(|peer| peer.outbox.is_empty()) {
                break;
            }
            if self.is_near_the_ceiling() {
                // Half messages may wait for each other, until the first of them is due.
                self.pass(Duration::from_secs(1));
            }
        }
        let open = self.model.open_sessions();
        *self.model.marks.entry("open to the end").or_default() += open;
        for peer in &self.peers {
            let session = &self.model.sessions[&peer.id];
            assert_eq!(peer.answers, session.requests, "the answers to {}", peer.number);
            if session.is_open {
                self.check_control_frames(peer);
                assert_eq!(peer.heard, session.due.len(), "{} misses {:?}", peer.number, &session.due[peer.heard..]);
                assert!(peer.inbox.is_empty(), "{} has half a frame", peer.number);
            }
        }
    }

    /// One whose every word has been read, and who is still there, was not too fast.
    fn check_control_frames(&self, peer: &RandomPeer) {
        let rate = self.model.limits.control_frames_per_second;
        let since_us = self.now.mono_us - self.engine.connected_at(peer.id).expect("an open session");
        let allowed = rate * CONTROL_FRAMES_BURST + rate * since_us.div_ceil(1_000_000) as usize;
        assert!(rate == 0 || peer.control_frames <= allowed, "{} said {} pings", peer.number, peer.control_frames);
    }

    /// All leave, in one way or another, and nothing is left.
    fn finish(&mut self) {
        match self.chance.below(3) {
            0 => self.engine.shut_down(Duration::from_secs(60 * self.chance.below(2) as u64)),
            1 => self.engine.drop_all(),
            _ => {
                for peer in &mut self.peers {
                    peer.outbox.extend(frames::frame(CLOSE, b""));
                }
            }
        }
        for _ in 0..200 {
            if self.engine.sessions() == 0 {
                break;
            }
            for at in 0..self.peers.len() {
                self.deliver(at);
                self.answer();
                if self.peers[at].server_ended {
                    self.end(at);
                    self.answer();
                }
            }
            self.pass(Duration::from_secs(1));
            self.check();
        }
        assert_eq!(self.engine.sessions(), 0, "{:?}", self.peers);
        assert_eq!((self.engine.open_sessions(), self.engine.channels(), self.engine.memory()), (0, 0, 0));
        self.engine.check_invariants();
        assert!(self.model.addresses.is_empty());
        self.pass(Duration::from_millis(TICK_MILLIS * (WHEEL_SLOTS as u64 + 1)));
        assert_eq!(self.engine.poll_timeout(), None);
        assert_eq!(self.model.sessions.len(), self.accepted);
        assert!(self.model.sessions.values().all(|session| session.is_closed), "each is told to be closed, once");
    }
}

fn mix(hash: u64, id: u64, bytes: &[u8]) -> u64 {
    let mut hash = (hash ^ id).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    hash
}
