//! What a message costs, counted: system calls, and allocations after warm-up, through the whole server. Whoever makes one
//! of these figures larger has to say so here.
//!
//! The calls are those of the traits in `net/io.rs`, on a network in memory that tells of readiness as epoll does. What the
//! network and the peers allocate does not count.
//!
//! Not here: how long anything takes (`benches/engine.rs`, `benches/versus.rs`).

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "costs/record.rs"]
mod record;
#[path = "costs/rustls_alone.rs"]
mod rustls_alone;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use allocation_counter::measure;
use barewire::auth::NoAuth;
use barewire::limits::{HEARTBEAT_INTERVAL_DEFAULT, SEND_QUEUE_POOL};
use barewire::{ConnId, Engine, Event, Message, PreparedMessage, Server, ServerConfig};
use common::{deflate, frames};
use memory::Network;
use record::{Record, RecordedIo};
use rustls::SupportedProtocolVersion;
use tls_client::{TLS12, TLS13, TlsPeer};

const CHANNEL: &str = "news";
/// The listeners of a [`Place`].
const SECURE: usize = 0;
const PLAIN: usize = 1;
/// Rounds that let every buffer grow to its use.
const WARM_UP: usize = 32;
const ROUNDS: usize = 20;

/// What the host does with a message.
type Host = fn(&mut Engine, ConnId, Message);

fn echo(engine: &mut Engine, id: ConnId, message: Message) {
    assert!(engine.send(id, message));
}

/// To all others.
fn publish(engine: &mut Engine, id: ConnId, message: Message) {
    engine.publish(CHANNEL, &PreparedMessage::binary(message.payload()), Some(id));
}

/// A server with a listener of each kind. Who opens a session there is subscribed to [`CHANNEL`].
struct Place {
    network: Network,
    server: Server<RecordedIo>,
    record: Record,
    host: Host,
}

impl Place {
    fn new(host: Host) -> Place {
        let addr = vec![SocketAddr::from(([127, 0, 0, 1], 1))];
        let config = ServerConfig {
            tls: Some(tls_client::server_config()),
            listen: addr.clone(),
            plain_listen: addr,
            engine: common::unpaced(),
            ..ServerConfig::default()
        };
        let network = Network::with_listeners(2);
        let (io, record) = RecordedIo::new(&network);
        let server = Server::with_io(io, config, Box::new(NoAuth)).unwrap();
        Place { network, server, record, host }
    }

    /// Turns until the server sleeps, as its own `run` does.
    fn rest(&mut self) {
        loop {
            self.server.poll(None).unwrap();
            while let Some(event) = self.server.poll_event() {
                match event {
                    Event::Open { id } => drop(self.server.engine().subscribe(id, CHANNEL)),
                    Event::Message { id, message } => (self.host)(self.server.engine(), id, message),
                    _ => {}
                }
            }
            if self.record.sleeps() && self.server.poll_timeout() != Some(Duration::ZERO) {
                return;
            }
        }
    }

    /// What the server calls from here to its next sleep.
    fn calls(&mut self) -> Vec<String> {
        self.record.take();
        self.rest();
        self.record.take()
    }

    /// A plain session that is open, with these header lines in its request.
    fn open(&mut self, headers: &str) -> usize {
        let peer = self.network.connect(PLAIN);
        self.network.send(peer, common::upgrade(headers).as_bytes());
        self.rest();
        let answer = String::from_utf8(self.network.take(peer)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        peer
    }

    /// The same over TLS.
    fn open_secure(&mut self, version: &'static SupportedProtocolVersion) -> TlsPeer {
        let tls = tls_client::client(tls_client::client_config(version));
        let peer = self.network.connect(SECURE);
        let mut peer = TlsPeer { peer, tls, received: Vec::new(), end: None, error: None };
        self.shake_hands(&mut peer);
        self.say(&mut peer, common::upgrade("").as_bytes());
        self.rest();
        self.hear(&mut peer);
        assert!(peer.take().starts_with(b"HTTP/1.1 101 "));
        peer
    }

    fn shake_hands(&mut self, peer: &mut TlsPeer) {
        while peer.tls.is_handshaking() || peer.tls.wants_write() {
            let out = peer.ciphertext();
            self.network.send(peer.peer, &out);
            self.rest();
            self.hear(peer);
        }
    }

    /// Sends plain text, in as few records as it takes.
    fn say(&mut self, peer: &mut TlsPeer, plain: &[u8]) {
        peer.tls.writer().write_all(plain).unwrap();
        let out = peer.ciphertext();
        self.network.send(peer.peer, &out);
    }

    fn hear(&mut self, peer: &mut TlsPeer) {
        peer.read(&self.network.take(peer.peer));
    }

    /// The allocations of one round, on average, from one sleep to the next; what is sent in each is up to `send`.
    fn allocations(&mut self, mut send: impl FnMut(&mut Place)) -> f64 {
        let mut count = 0;
        for round in 0..WARM_UP + ROUNDS {
            send(self);
            let info = measure(|| self.rest());
            count += if round < WARM_UP { 0 } else { info.count_total };
        }
        count as f64 / ROUNDS as f64
    }
}

fn message(bytes: usize) -> Vec<u8> {
    frames::frame(frames::BINARY, &vec![7; bytes])
}

/// One wait in which so many sessions are ready, and what comes of it.
fn woken(ready: usize, calls: &[&str]) -> Vec<String> {
    let wait = format!("wait: {ready} ready");
    [wait.as_str()].iter().chain(calls).map(|call| (*call).to_owned()).collect()
}

// --- system calls ---

#[test]
fn a_message_in_flight_costs_a_wait_a_read_and_a_write() {
    for bytes in [0, 20, 125, 1000, 16 << 10] {
        let mut place = Place::new(echo);
        let peer = place.open("");
        place.network.send(peer, &message(bytes));
        assert_eq!(place.calls(), woken(1, &["read 0", "write 0"]), "{bytes} bytes");
        for version in [TLS12, TLS13] {
            let mut place = Place::new(echo);
            let mut peer = place.open_secure(version);
            place.say(&mut peer, &message(bytes));
            assert_eq!(place.calls(), woken(1, &["read 0", "write 0"]), "{bytes} bytes over {version:?}");
        }
    }
}

/// It is read on once its length is known. What waits to be written is more than a session may have waiting while it is
/// read; but it is written in the same turn, and nothing has come meanwhile that would have to be looked at.
#[test]
fn a_large_message_is_read_twice_and_written_at_once() {
    let mut place = Place::new(echo);
    let peer = place.open("");
    place.network.send(peer, &message(64 << 10));
    assert_eq!(place.calls(), woken(1, &["read 0", "read 0", "write 0"]));
}

#[test]
fn messages_that_come_together_share_a_read_and_their_answers_a_write() {
    for bytes in [20, 125, 1000] {
        let mut place = Place::new(echo);
        let peer = place.open("");
        place.network.send(peer, &message(bytes).repeat(16));
        assert_eq!(place.calls(), woken(1, &["read 0", "write 0"]), "{bytes} bytes");
        for version in [TLS12, TLS13] {
            let mut place = Place::new(echo);
            let mut peer = place.open_secure(version);
            for _ in 0..16 {
                place.say(&mut peer, &message(bytes));
            }
            assert_eq!(place.calls(), woken(1, &["read 0", "write 0"]), "{bytes} bytes, 16 records of {version:?}");
        }
    }
}

#[test]
fn sessions_that_are_ready_together_share_a_wait() {
    let mut place = Place::new(echo);
    let peers = [(); 3].map(|()| place.open(""));
    for peer in peers {
        place.network.send(peer, &message(20));
    }
    let calls = ["read 0", "read 1", "read 2", "write 0", "write 1", "write 2"];
    assert_eq!(place.calls(), woken(3, &calls));
}

#[test]
fn a_broadcast_costs_a_write_for_each_receiver() {
    const RECEIVERS: usize = 1000;
    let mut place = Place::new(publish);
    let peers: Vec<_> = (0..=RECEIVERS).map(|_| place.open("")).collect();
    // Four at once are still one write each.
    for at_once in [1, 4] {
        place.network.send(peers[0], &message(128).repeat(at_once));
        let writes: Vec<_> = (1..=RECEIVERS).map(|number| format!("write {number}")).collect();
        let writes: Vec<_> = ["read 0"].into_iter().chain(writes.iter().map(String::as_str)).collect();
        assert_eq!(place.calls(), woken(1, &writes), "{at_once} at once");
    }
}

#[test]
fn a_heartbeat_costs_a_write_and_a_read() {
    let mut place = Place::new(echo);
    let peer = place.open("");
    place.rest();
    place.network.advance(HEARTBEAT_INTERVAL_DEFAULT + Duration::from_secs(1));
    assert_eq!(place.calls(), ["write 0"]);
    place.network.send(peer, &frames::frame(frames::PONG, b""));
    assert_eq!(place.calls(), woken(1, &["read 0"]));
}

/// The one call that fails says that nobody else is waiting at the door: one for a whole crowd.
#[test]
fn a_session_costs_these_calls_from_its_arrival_to_its_end() {
    let mut place = Place::new(echo);
    let peer = place.network.connect(PLAIN);
    place.network.send(peer, common::upgrade("").as_bytes());
    let arrival = woken(1, &["accept", "register 0", "accept fails: WouldBlock"]);
    assert_eq!(place.calls(), [arrival, woken(1, &["read 0", "write 0"])].concat());
    place.network.send(peer, &frames::close(1000, ""));
    assert_eq!(place.calls(), woken(1, &["read 0", "write 0", "shutdown 0"]));
    place.network.end(peer);
    assert_eq!(place.calls(), woken(1, &["read 0", "close 0"]));
}

#[test]
fn over_tls_it_costs_a_read_and_a_write_more_for_each_flight_of_the_handshake() {
    for (version, flights) in [(TLS12, 2), (TLS13, 2)] {
        let mut place = Place::new(echo);
        place.record.take();
        let mut peer = place.open_secure(version);
        let arrival = woken(1, &["accept", "register 0", "accept fails: WouldBlock"]);
        let flight = woken(1, &["read 0", "write 0"]);
        // The flights of the handshake, and the request.
        assert_eq!(place.record.take(), [arrival, vec![flight; flights + 1].concat()].concat(), "{version:?}");
        place.say(&mut peer, &frames::close(1000, ""));
        assert_eq!(place.calls(), woken(1, &["read 0", "write 0", "shutdown 0"]), "{version:?}");
        peer.tls.send_close_notify();
        let out = peer.ciphertext();
        place.network.send(peer.peer, &out);
        place.network.end(peer.peer);
        let calls = place.calls();
        assert_eq!(
            (calls.first(), calls.last()),
            (Some(&"wait: 1 ready".into()), Some(&"close 0".into())),
            "{calls:?}"
        );
    }
}

// --- allocations ---

#[test]
fn a_message_allocates_nothing() {
    for bytes in [0, 20, 125, 1000, 16 << 10, 64 << 10] {
        let mut place = Place::new(echo);
        let (peer, message) = (place.open(""), message(bytes));
        let allocations = place.allocations(|place| {
            place.network.take(peer);
            place.network.send(peer, &message);
        });
        assert_eq!(allocations, 0.0, "{bytes} bytes");
    }
}

/// Messages wait for the host until all that came with them is looked at. As long as they are within the KiB of the lent
/// context, that is where they lie.
#[test]
fn messages_that_come_together_allocate_nothing_while_they_are_small_and_two_each_at_most() {
    for (bytes, at_most) in [(20, 0.0), (50, 0.0), (1000, 32.0)] {
        let mut place = Place::new(echo);
        let (peer, messages) = (place.open(""), message(bytes).repeat(16));
        let allocations = place.allocations(|place| {
            place.network.take(peer);
            place.network.send(peer, &messages);
        });
        assert!(allocations <= at_most, "16 messages of {bytes} bytes: {allocations}");
    }
}

/// rustls copies the plain text of a record out of its decryption, and the ciphertext of another into the output.
#[test]
fn over_tls_a_record_that_comes_allocates_once_and_one_that_goes_too_as_rustls_does_alone() {
    for version in [TLS12, TLS13] {
        for (bytes, at_once) in [(20, 1), (1000, 1), (16_000, 1), (20, 16)] {
            let mut place = Place::new(echo);
            let (mut peer, message) = (place.open_secure(version), message(bytes));
            let allocations = place.allocations(|place| {
                place.hear(&mut peer);
                for _ in 0..at_once {
                    place.say(&mut peer, &message);
                }
            });
            let name = format!("{at_once} records of {bytes} bytes over {version:?}");
            // All answers are one record.
            assert_eq!(allocations, f64::from(at_once + 1), "{name}");
            let alone = rustls_alone::allocations(version, &message);
            assert_eq!(alone, 2, "{name}");
        }
    }
}

/// The message that it is inflated to.
#[test]
fn a_deflated_message_allocates_once() {
    let mut place = Place::new(echo);
    let peer = place.open("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let message = deflate::message(frames::TEXT, &deflate::prose(1024));
    let allocations = place.allocations(|place| {
        assert!(place.network.take(peer).len() < 1024);
        place.network.send(peer, &message);
    });
    assert_eq!(allocations, 1.0);
}

/// The frame, what counts its references, and its entry in the ledger; and a queue for each receiver for whom the engine
/// keeps none.
#[test]
fn a_broadcast_allocates_three_times_up_to_the_queues_that_are_kept() {
    for (receivers, at_most) in [(1, 3.0), (100, 3.0), (SEND_QUEUE_POOL, 3.0), (SEND_QUEUE_POOL + 1, 5.0)] {
        let mut place = Place::new(publish);
        let peers: Vec<_> = (0..=receivers).map(|_| place.open("")).collect();
        let message = message(128);
        let allocations = place.allocations(|place| {
            for &peer in &peers {
                place.network.take(peer);
            }
            place.network.send(peers[0], &message);
        });
        assert!(allocations <= at_most, "{receivers} receivers: {allocations}");
    }
}
