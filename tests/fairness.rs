//! What one peer can cost another, counted: attackers whose input never runs dry, and a victim that says one thing in
//! the middle of it. Between the victim's word and its answer so much of the attackers' is served as the budgets of
//! `barewire::limits` allow, and not one unit more.
//!
//! Not here: time. `benches/fairness.rs` measures what these counts cost on a machine.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::io::Write;
use std::time::Duration;

use barewire::app::Router;
use barewire::limits::{
    ACCEPTS_PER_TURN, BULK_READS_PER_TURN, FRAMES_PER_TURN, HANDSHAKE_READS_PER_TURN, HANDSHAKES_PER_TURN,
    HANDSHAKES_WAITING, INFLATIONS_PER_TURN, READ_BYTES_PER_TURN, READ_BYTES_PER_TURN_BULK, READ_ROOM_BYTES,
};
use barewire::{EngineConfig, Event, Limits, ServerConfig};
use common::deflate::{self, OFFER};
use common::frames::{self, BINARY, CONTINUATION, PING, TEXT};
use memory::{Call, FIRST, Site};
use tls_client::{TLS13, TlsPeer};

/// The turn that is under way when the victim speaks, and the one that brings what it said.
const TURNS: usize = 2;
/// A peer is served when its socket is ready, and again among those that had something left over.
const SERVICES: usize = 2;
/// What one service may read: a budget, and inside a large payload a large one behind it.
const READ_BYTES: usize = READ_BYTES_PER_TURN + READ_BYTES_PER_TURN_BULK + 2 * READ_ROOM_BYTES;
/// How often the victim speaks in an attack of small things, and of large ones.
const WORDS: usize = 15;
const WORDS_IN_BULK: usize = 4;
/// Enough of an attacker's input that it lasts until the victim has its answer.
const ENOUGH: usize = TURNS * SERVICES * READ_BYTES + (1 << 20);
/// The numbers of the listeners.
const PLAIN: usize = 1;

/// Attackers of one kind against one victim.
struct Siege {
    site: Site,
    victim: usize,
    attackers: Vec<usize>,
    /// What an attacker repeats.
    input: Vec<u8>,
    /// All that the attackers have sent so far.
    sent: usize,
    /// What the victim says, and how often, each time in another moment of the attack.
    word: Vec<u8>,
    words: usize,
    /// Messages and requests that the host was told of so far.
    messages: usize,
    requests: usize,
}

impl Siege {
    /// So many attackers with an open session, who say this again and again.
    fn lay(attackers: usize, input: Vec<u8>) -> Siege {
        Siege::new(attackers, input, common::upgrade(common::GOOD).as_bytes())
    }

    fn new(attackers: usize, input: Vec<u8>, greeting: &[u8]) -> Siege {
        let limits = Limits {
            fragments: barewire::limits::COUNT_MAX,
            messages_per_window: 0,
            control_frames_per_second: 0,
            connections: barewire::limits::COUNT_MAX,
            pre_auth_connections: barewire::limits::COUNT_MAX,
            ..Limits::default()
        };
        let engine = EngineConfig { limits, ..EngineConfig::default() };
        let config = ServerConfig { tls: Some(tls_client::server_config()), engine, ..ServerConfig::default() };
        let mut site = Site::new(config, Box::new(common::methods()));
        // The victim is last in every list.
        let attackers: Vec<_> = (0..attackers).map(|_| site.network.connect(PLAIN)).collect();
        let victim = site.network.connect(PLAIN);
        for &attacker in &attackers {
            site.network.send(attacker, greeting);
            site.network.arrive_in(attacker, READ_BYTES);
        }
        site.network.send(victim, common::upgrade(common::GOOD).as_bytes());
        site.rest();
        site.network.take(victim);
        let word = frames::text(r#"{"type":"ping"}"#);
        Siege { site, victim, attackers, input, sent: 0, word, words: WORDS, messages: 0, requests: 0 }
    }

    /// Tops up what the attackers have to say.
    fn feed(&mut self) {
        for &attacker in &self.attackers {
            self.site.network.take(attacker);
            while self.site.network.unread(attacker) < ENOUGH {
                self.site.network.send(attacker, &self.input);
                self.sent += self.input.len();
            }
        }
    }

    /// The server goes on once, and the host answers.
    fn step(&mut self) {
        let server = &mut self.site.server;
        server.poll(Some(Duration::ZERO)).unwrap();
        while let Some(event) = server.poll_event() {
            self.messages += usize::from(matches!(event, Event::Message { .. }));
            self.requests += usize::from(matches!(event, Event::Request { .. }));
            Router::default().handle(server.engine(), event);
        }
    }

    /// Bytes of the attackers that were read so far.
    fn bytes(&self) -> usize {
        self.sent - self.attackers.iter().map(|attacker| self.site.network.unread(*attacker)).sum::<usize>()
    }

    /// The most units that were served between a word of the victim and its answer. `feed` keeps the attack going.
    fn worst(&mut self, feed: impl Fn(&mut Siege), units: impl Fn(&Siege) -> usize) -> usize {
        let mut worst = 0;
        for word in 0..self.words {
            feed(self);
            for _ in 0..word {
                self.step();
            }
            feed(self);
            let before = units(self);
            self.site.network.send(self.victim, &self.word);
            for _ in 0.. {
                self.step();
                if self.site.network.written(self.victim) > 0 {
                    break;
                }
            }
            worst = worst.max(units(self) - before);
            assert_eq!(frames::decode(&self.site.network.take(self.victim)).len(), 1);
            assert!(self.attackers.iter().all(|attacker| !self.site.network.server_ended(*attacker)), "it goes on");
        }
        worst
    }

    /// Bytes that the attackers were answered.
    fn answered(&self) -> usize {
        self.attackers.iter().map(|attacker| self.site.network.written(*attacker)).sum()
    }
}

/// An attack counts only if it was one: something of it was served in between.
fn assert_within(name: &str, served: usize, bound: usize) {
    assert!(served > 0 && served <= bound, "{name}: {served} served, {bound} allowed");
}

#[test]
fn small_frames_cost_a_victim_no_more_than_the_frames_of_two_turns() {
    let subscribe = frames::text(r#"{"type":"subscribe","channel":"a"}"#);
    let unsubscribe = frames::text(r#"{"type":"unsubscribe","channel":"a"}"#);
    let pong = 2;
    type Units = fn(&Siege) -> usize;
    let floods: [(&str, Vec<u8>, Units, usize); 3] = [
        ("pings", frames::frame(PING, b"").repeat(1000), Siege::answered, pong),
        ("messages of one byte", frames::text("x").repeat(1000), |siege| siege.messages, 1),
        ("subscriptions", [subscribe, unsubscribe].concat().repeat(100), |siege| siege.messages, 1),
    ];
    for (name, input, units, unit) in floods {
        for attackers in [1, 10] {
            let mut siege = Siege::lay(attackers, input.clone());
            let served = siege.worst(Siege::feed, units) / unit;
            assert_within(name, served, attackers * TURNS * SERVICES * FRAMES_PER_TURN);
        }
    }
}

#[test]
fn frames_that_are_no_messages_cost_a_victim_no_more_than_two_reads() {
    // As many as a turn reads, none of which ends a message: nobody is told of anything, and nothing is answered.
    let fragments = [frames::raw(TEXT, b""), frames::raw(CONTINUATION, b"").repeat(5000)].concat();
    for attackers in [1, 10] {
        let mut siege = Siege::lay(attackers, [&*fragments, &frames::frame(CONTINUATION, b"")].concat());
        let served = siege.worst(Siege::feed, Siege::bytes);
        assert_within("empty fragments", served, attackers * TURNS * (READ_BYTES_PER_TURN + READ_ROOM_BYTES));
    }
}

#[test]
fn large_messages_cost_a_victim_no_more_than_the_bytes_of_two_turns() {
    let header = r#"{"type":"chat","channel":"nobody","payload":["#;
    let most = barewire::limits::MESSAGE_BYTES_DEFAULT;
    let json = format!("{header}0{}]}}", ",0".repeat((most - header.len() - 3) / 2));
    for (name, input) in
        [("JSON", frames::text(&json)), ("one large payload", frames::frame(BINARY, &vec![0xff; most]))]
    {
        for attackers in [1, 10] {
            let mut siege = Siege { words: WORDS_IN_BULK, ..Siege::lay(attackers, input.clone()) };
            let served = siege.worst(Siege::feed, Siege::bytes);
            // Each begins one; few are read on with.
            let begun = attackers * SERVICES * (READ_BYTES_PER_TURN + READ_ROOM_BYTES);
            let read_on = BULK_READS_PER_TURN * (READ_BYTES_PER_TURN_BULK + READ_ROOM_BYTES);
            assert_within(name, served, TURNS * (begun + read_on));
            let messages = siege.worst(Siege::feed, |siege| siege.messages);
            assert_within(name, messages, TURNS * BULK_READS_PER_TURN.min(attackers * SERVICES));
        }
    }
}

#[test]
fn large_messages_cost_a_victim_with_a_large_one_of_its_own_no_more_than_its_place_in_line() {
    let attack = frames::frame(BINARY, &vec![0xff; barewire::limits::MESSAGE_BYTES_DEFAULT]);
    let word = frames::text(&format!(r#"{{"type":"ping","payload":"{}"}}"#, " ".repeat(8 * READ_BYTES_PER_TURN)));
    for attackers in [1, 10, 30] {
        let lay = Siege::lay(attackers, attack.clone());
        let mut siege = Siege { word: word.clone(), words: WORDS_IN_BULK, ..lay };
        let served = siege.worst(Siege::feed, Siege::bytes);
        // Before each of them has had its turn, the victim has; each turn all may go on a little.
        let turns = attackers.div_ceil(BULK_READS_PER_TURN) + TURNS;
        let a_little = attackers * SERVICES * (READ_BYTES_PER_TURN + READ_ROOM_BYTES);
        let read_on = BULK_READS_PER_TURN * (READ_BYTES_PER_TURN_BULK + READ_ROOM_BYTES);
        assert_within("with its own", served, turns * (a_little + read_on));
    }
}

#[test]
fn deflated_messages_cost_a_victim_no_more_than_what_two_turns_inflate() {
    let greeting = common::upgrade(&format!("{}{OFFER}", common::GOOD));
    // A few hundred bytes on the wire each.
    let small = READ_BYTES_PER_TURN / 8;
    let large = READ_BYTES_PER_TURN + READ_BYTES_PER_TURN_BULK;
    for (name, bytes, repeat) in [("small", small, 1000), ("large", large, 100)] {
        for attackers in [1, 10] {
            let input = deflate::message(TEXT, &vec![b' '; bytes]).repeat(repeat);
            let mut siege = Siege::new(attackers, input, greeting.as_bytes());
            let served = siege.worst(Siege::feed, |siege| siege.messages);
            let each = if bytes == small { attackers * SERVICES * 8 } else { INFLATIONS_PER_TURN.min(attackers) };
            // The poll that writes the answer goes on to the first message of the next turn.
            assert_within(name, served, TURNS * each + 1);
        }
    }
}

#[test]
fn deflated_messages_cost_a_victim_with_one_of_its_own_no_more_than_its_place_in_line() {
    let greeting = common::upgrade(&format!("{}{OFFER}", common::GOOD));
    let attack = deflate::message(TEXT, &vec![b' '; READ_BYTES_PER_TURN + READ_BYTES_PER_TURN_BULK]).repeat(100);
    let ping = format!(r#"{{"type":"ping","payload":"{}"}}"#, " ".repeat(8 * READ_BYTES_PER_TURN));
    for attackers in [1, 10] {
        let siege = Siege::new(attackers, attack.clone(), greeting.as_bytes());
        let mut siege = Siege { word: deflate::message(TEXT, ping.as_bytes()), ..siege };
        // The victim deflates too.
        siege.site.network.reset(siege.victim);
        siege.victim = siege.site.network.connect(PLAIN);
        siege.site.network.send(siege.victim, greeting.as_bytes());
        siege.site.rest();
        siege.site.network.take(siege.victim);
        let served = siege.worst(Siege::feed, |siege| siege.messages);
        let turns = attackers.div_ceil(INFLATIONS_PER_TURN) + TURNS;
        assert_within("with its own", served, turns * INFLATIONS_PER_TURN + 1);
    }
}

#[test]
fn pipelined_requests_cost_a_victim_no_more_than_one_at_a_service() {
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for attackers in [1, 10] {
        let mut siege = Siege::new(attackers, request.repeat(100), request);
        let served = siege.worst(Siege::feed, |siege| siege.requests);
        assert_within("requests", served, attackers * TURNS * SERVICES);
    }
}

// --- at the door ---

/// A crowd that connects to this listener and says this, as long as somebody speaks.
fn crowd(siege: &mut Siege, listener: usize, says: &[u8]) {
    for _ in 0..TURNS * ACCEPTS_PER_TURN {
        let peer = siege.site.network.connect(listener);
        siege.site.network.send(peer, says);
    }
}

#[test]
fn connects_cost_a_victim_no_more_than_the_accepts_of_two_turns() {
    for attackers in [1, 10] {
        let mut siege = Siege::lay(0, Vec::new());
        let connects = |siege: &mut Siege| (0..attackers).for_each(|_| crowd(siege, PLAIN, b""));
        let served = siege.worst(connects, |siege| siege.site.network.calls(Call::Accept));
        assert_within("connects", served, TURNS * ACCEPTS_PER_TURN);
    }
}

/// What a client says first.
fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    tls_client::client(tls_client::client_config(TLS13)).write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn handshakes_cost_a_victim_no_more_than_those_of_two_turns() {
    let hello = hello();
    for attackers in [1, 10] {
        let mut siege = Siege::lay(0, Vec::new());
        let connects = |siege: &mut Siege| (0..attackers).for_each(|_| crowd(siege, FIRST, &hello));
        // The victim is read too, once. Where nobody is let in the host is not asked before the next turn is over.
        let served = siege.worst(connects, |siege| siege.site.network.calls(Call::Read));
        assert_within("handshakes", served - 1, (TURNS + 1) * HANDSHAKES_PER_TURN);
    }
}

#[test]
fn pieces_of_hellos_cost_a_victim_no_more_than_the_reads_of_two_turns() {
    for attackers in [1, 10] {
        let mut siege = Siege::lay(0, Vec::new());
        let connects = |siege: &mut Siege| (0..attackers).for_each(|_| crowd(siege, FIRST, &[22, 3, 1, 64, 0, 1]));
        let served = siege.worst(connects, |siege| siege.site.network.calls(Call::Read));
        assert_within("pieces", served - 1, TURNS * HANDSHAKE_READS_PER_TURN);
    }
}

/// How a flooder behaves that has said hello.
type Manner = fn(&memory::Network, usize);

#[test]
fn a_flood_of_hellos_drops_nobody_who_came_in_the_middle_of_it() {
    let stays: Manner = |_, _| {};
    let manners: [(&str, Manner); 3] = [
        ("stays", stays),
        ("resets", |network, peer| network.reset(peer)),
        ("ends", |network, peer| network.end(peer)),
    ];
    let limits = Limits { pre_auth_connections: 8 * HANDSHAKES_WAITING, ..Limits::default() };
    for (name, manner) in manners {
        let engine = EngineConfig { limits: limits.clone(), ..EngineConfig::default() };
        let config = ServerConfig { tls: Some(tls_client::server_config()), engine, ..ServerConfig::default() };
        let mut site = Site::new(config, Box::new(common::methods()));
        let hello = hello();
        let flood = |site: &mut Site| {
            for _ in 0..ACCEPTS_PER_TURN {
                let peer = site.network.connect(FIRST);
                site.network.send(peer, &hello);
                manner(&site.network, peer);
            }
            site.server.poll(Some(Duration::ZERO)).unwrap();
            while let Some(event) = site.server.poll_event() {
                Router::default().handle(site.server.engine(), event);
            }
        };
        (0..10).for_each(|_| flood(&mut site));
        let mut honest = TlsPeer::new(&mut site, tls_client::client_config(TLS13));
        let ahead = honest.peer - site.network.calls(Call::Accept).min(honest.peer);
        honest.tls.writer().write_all(common::upgrade(common::GOOD).as_bytes()).unwrap();
        let mut polls = 0;
        while honest.received.is_empty() {
            let ciphertext = honest.ciphertext();
            site.network.send(honest.peer, &ciphertext);
            flood(&mut site);
            let bytes = site.network.take(honest.peer);
            honest.read(&bytes);
            assert!(!site.network.is_dropped(honest.peer), "{name}: dropped, {ahead} were before it");
            polls += 1;
            assert!(polls < 10 * ahead, "{name}: {ahead} were before it, and it still waits");
        }
        assert!(honest.received.starts_with(b"HTTP/1.1 101 "), "{name}");
    }
}
