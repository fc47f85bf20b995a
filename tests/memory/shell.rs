//! Memory that the server holds around its sessions: pieces of handshakes and records, ciphertext; and peers that leave
//! while they are not read.
//!
//! Not here: what the engine holds, and the order of what is done (`../memory.rs`).

use std::io::Write;

use barewire::auth::{Authenticate, NoAuth};
use barewire::limits::TLS_SESSION_BYTES;
use barewire::{EngineConfig, PreparedMessage, ServerConfig};

use super::common::frames::{self, BINARY};
use super::common::upgrade;
use super::memory::{FIRST, Site};
use super::tls_client::{self, TLS13, TlsPeer};
use super::{KIB, limits};

/// The number of the plain listener beside the TLS one.
const PLAIN: usize = 1;

fn site(max_memory: usize) -> Site {
    let engine = EngineConfig { limits: limits(max_memory), ..EngineConfig::default() };
    let config = ServerConfig { tls: Some(tls_client::server_config()), engine, ..ServerConfig::default() };
    let authenticator: Box<dyn Authenticate> = Box::new(NoAuth);
    Site { router: None, ..Site::new(config, authenticator) }
}

#[test]
fn pieces_of_a_handshake_and_of_a_record_are_charged() {
    let mut site = site(KIB * KIB);
    let stuck = site.network.connect(FIRST);
    // A ClientHello of 60 KB of which 40 KB come.
    for _ in 0..10 {
        site.network.send(stuck, &[&[22, 3, 1, 0x10, 0][..], &[1, 0, 0xea, 0x60], &[0; 4092]].concat());
        site.rest();
    }
    let held = site.server.engine().memory() - TLS_SESSION_BYTES;
    assert!((4 * KIB..100 * KIB).contains(&held), "{held}");
    site.network.reset(stuck);
    site.rest();
    assert_eq!(site.server.engine().memory(), 0);

    let mut peer = TlsPeer::connect(&mut site, tls_client::client_config(TLS13));
    peer.send(&mut site, upgrade("").as_bytes());
    assert_eq!(site.server.engine().memory(), TLS_SESSION_BYTES);
    peer.tls.writer().write_all(&frames::frame(BINARY, &[0; 8000])).unwrap();
    let record = peer.ciphertext();
    site.network.send(peer.peer, &record[..7000]);
    site.rest();
    assert_eq!(site.server.engine().memory(), TLS_SESSION_BYTES + 7000);
    site.network.send(peer.peer, &record[7000..]);
    site.rest();
    assert_eq!(site.server.engine().memory(), TLS_SESSION_BYTES);
}

#[test]
fn ciphertext_that_a_slow_peer_does_not_take_is_charged() {
    let mut site = site(4 * KIB * KIB);
    let mut peer = TlsPeer::connect(&mut site, tls_client::client_config(TLS13));
    peer.send(&mut site, upgrade("").as_bytes());
    site.network.stop_reading_after(peer.peer, 1000);
    site.server.engine().publish_to_all(&PreparedMessage::binary(&[0; 300 * KIB]), None);
    site.rest();
    let held = site.server.engine().memory() - TLS_SESSION_BYTES;
    // The frame itself waits whole, and what is encrypted of it beside it.
    assert!((400 * KIB..440 * KIB).contains(&held), "{held}");
    site.network.reset(peer.peer);
    site.rest();
    assert_eq!(site.server.engine().memory(), 0);
}

#[test]
fn who_hangs_up_while_it_waits_for_memory_is_not_waited_for() {
    for has_reset in [false, true] {
        let mut site = site(1024 * KIB);
        let peers: Vec<_> = (0..50).map(|_| site.network.connect(PLAIN)).collect();
        for &peer in &peers {
            site.network.send(peer, upgrade("").as_bytes());
        }
        site.rest();
        for &peer in &peers {
            site.network.send(peer, &frames::header(0x80 | BINARY, 1 << 20));
            site.network.send(peer, &[0; 40 * KIB]);
        }
        site.rest();
        let held = site.server.engine().memory();
        assert!((896 * KIB..1024 * KIB).contains(&held), "they wait for each other: {held}");
        for &peer in &peers {
            match has_reset {
                true => site.network.reset(peer),
                false => site.network.end(peer),
            }
        }
        site.rest();
        assert_eq!((site.server.engine().sessions(), site.server.engine().memory()), (0, 0));
        assert!(peers.iter().all(|peer| site.network.is_dropped(*peer)));
    }
}

#[test]
fn slow_tls_peers_are_closed_before_they_hold_too_much() {
    const CEILING: usize = KIB * KIB;
    let mut site = site(CEILING);
    let mut peers: Vec<_> = (0..12)
        .map(|_| {
            let mut peer = TlsPeer::connect(&mut site, tls_client::client_config(TLS13));
            peer.send(&mut site, upgrade("").as_bytes());
            peer
        })
        .collect();
    let mut honest = peers.pop().unwrap();
    for peer in &peers {
        site.network.stop_reading_after(peer.peer, 0);
    }
    for _ in 0..20 {
        site.server.engine().publish_to_all(&PreparedMessage::binary(&[0; 60 * KIB]), None);
        site.rest();
        let held = site.server.engine().memory();
        assert!(held <= CEILING, "{held}");
    }
    assert!(site.has_seen(&["Closed", "Overloaded"]));
    honest.take();
    honest.pump(&mut site);
    assert_eq!(honest.end, None, "who reads is not closed");
    let got: usize = honest.take().len();
    assert!(got > 20 * 60 * KIB, "and gets all: {got}");
}
