//! TLS as peers speak it, against the whole server on a network in memory: handshakes, records and ends.
//!
//! Not here: what no honest peer would send (`tls/mischief.rs`), system calls that fail (`faults.rs`),
//! TLS over real sockets (`server.rs`).

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "tls/mischief.rs"]
mod mischief;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::io::Write;
use std::time::Duration;

use barewire::limits::HANDSHAKE_READS_PER_TURN;
use barewire::{PreparedMessage, ServerConfig};
use common::frames;
use memory::{FIRST, Site};
use rustls::{ContentType, HandshakeKind, ProtocolVersion};
use tls_client::{End, Forger, TLS12, TLS13, TlsPeer};

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [TLS12, TLS13];
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn site() -> Site {
    let config = ServerConfig { tls: Some(tls_client::server_config()), ..ServerConfig::default() };
    Site::new(config, Box::new(common::methods()))
}

/// A client with an open session, whose greeting it has read.
fn open(site: &mut Site, config: rustls::ClientConfig) -> TlsPeer {
    let mut peer = TlsPeer::connect(site, config);
    peer.send(site, common::upgrade(common::GOOD).as_bytes());
    let greeting = peer.take();
    assert!(greeting.starts_with(b"HTTP/1.1 101 "), "{:?}", String::from_utf8_lossy(&greeting));
    assert!(frames::decode(&greeting)[0].text().contains("connected"));
    peer
}

fn ping(id: usize) -> Vec<u8> {
    frames::text(&format!(r#"{{"type":"ping","id":{id}}}"#))
}

/// The ids of the pongs in `plain`.
fn pongs(plain: &[u8]) -> Vec<usize> {
    let id = |text: String| text.split(r#""id":"#).nth(1)?.split([',', '}']).next()?.parse().ok();
    let texts = frames::decode(plain).into_iter().filter(|frame| frame.opcode == frames::TEXT);
    texts.map(|frame| id(frame.text()).expect("a pong with an id")).collect()
}

// --- the handshake ---

#[test]
fn both_versions_are_spoken_and_http_1_1_is_selected() {
    for (version, expected) in [(TLS12, ProtocolVersion::TLSv1_2), (TLS13, ProtocolVersion::TLSv1_3)] {
        let mut site = site();
        let mut peer = open(&mut site, tls_client::client_config(version));
        assert_eq!(peer.tls.protocol_version(), Some(expected));
        assert_eq!(peer.tls.alpn_protocol(), Some(&b"http/1.1"[..]));
        peer.send(&mut site, &ping(7));
        assert_eq!(pongs(&peer.take()), [7]);
    }
}

#[test]
fn no_other_protocol_is_ever_selected() {
    let http = &b"http/1.1"[..];
    for (offer, selected) in [(&["h2"][..], None), (&[], None), (&["h2", "http/1.1"], Some(http))] {
        let mut site = site();
        let mut config = tls_client::client_config(TLS13);
        config.alpn_protocols = offer.iter().map(|name| name.as_bytes().to_vec()).collect();
        let peer = TlsPeer::connect(&mut site, config);
        assert_eq!(peer.tls.alpn_protocol(), selected, "of {offer:?}");
    }
}

#[test]
fn a_handshake_may_come_in_pieces_of_any_size() {
    for version in VERSIONS {
        for pace in [1, 2, 5, 6, 100, 1000] {
            let mut site = site();
            let mut peer = TlsPeer::new(&mut site, tls_client::client_config(version));
            site.network.cut_into(peer.peer, pace);
            peer.pump(&mut site);
            assert!(!peer.tls.is_handshaking(), "{version:?}, {pace} bytes at a time: {:?}", peer.error);
            peer.send(&mut site, common::upgrade(common::GOOD).as_bytes());
            peer.send(&mut site, &ping(pace));
            assert_eq!(frames::decode(&peer.take()).len(), 2);
        }
    }
}

#[test]
fn a_crowd_that_goes_on_shaking_hands_keeps_nobody_waiting() {
    let mut site = site();
    // As many as are read in one turn, each with something new in every turn, and seen first.
    let crowd: Vec<_> = (0..HANDSHAKE_READS_PER_TURN).map(|_| site.network.connect(FIRST)).collect();
    let mut peer = TlsPeer::new(&mut site, tls_client::client_config(TLS13));
    site.rest();
    for &dribbler in &crowd {
        site.network.send(dribbler, &[22, 3, 1, 64, 0]);
    }
    let hello = peer.ciphertext();
    site.network.send(peer.peer, &hello);
    for _ in 0..3 {
        site.server.poll(Some(Duration::ZERO)).unwrap();
        for &dribbler in &crowd {
            site.network.send(dribbler, &[1]);
        }
    }
    assert!(!site.network.take(peer.peer).is_empty(), "the crowd is always before it");
}

#[test]
fn a_request_may_follow_the_handshake_in_the_same_segment() {
    let mut site = site();
    let mut peer = TlsPeer::new(&mut site, tls_client::client_config(TLS13));
    // It leaves as soon as the client is done, together with its Finished.
    peer.tls.writer().write_all(common::upgrade(common::GOOD).as_bytes()).unwrap();
    peer.tls.writer().write_all(&ping(1)).unwrap();
    peer.pump(&mut site);
    assert_eq!(frames::decode(&peer.take()).len(), 2, "the greeting and a pong");
}

#[test]
fn a_second_connection_resumes_and_no_early_data_is_taken() {
    for version in VERSIONS {
        let mut site = site();
        let mut config = tls_client::client_config(version);
        config.enable_early_data = true;
        let mut first = open(&mut site, config.clone());
        assert_eq!(first.tls.handshake_kind(), Some(HandshakeKind::Full));
        first.send(&mut site, &frames::close(1000, ""));
        let mut second = TlsPeer::new(&mut site, config);
        assert!(second.tls.early_data().is_none(), "the ticket allows none");
        second.pump(&mut site);
        assert_eq!(second.tls.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        second.send(&mut site, common::upgrade(common::GOOD).as_bytes());
        assert_eq!(frames::decode(&second.take()).len(), 1);
    }
}

#[test]
fn a_ticket_of_another_server_costs_a_full_handshake_and_nothing_else() {
    for version in VERSIONS {
        let config = tls_client::client_config(version);
        for _ in 0..2 {
            // Each has its own ticket key, as after a restart.
            let mut site = site();
            let peer = open(&mut site, config.clone());
            assert_eq!(peer.tls.handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
        }
    }
}

#[test]
fn the_time_for_handshake_and_head_is_one_and_bytes_do_not_prolong_it() {
    let second = Duration::from_secs(1);
    for version in VERSIONS {
        // Silent from the first, dribbling through the handshake, and silent behind it.
        for scene in ["silent", "dribbling", "silent behind the handshake"] {
            let mut site = site();
            let mut peer = TlsPeer::new(&mut site, tls_client::client_config(version));
            if scene == "silent behind the handshake" {
                peer.pump(&mut site);
                assert!(!peer.tls.is_handshaking());
            }
            let hello = peer.ciphertext();
            site.rest();
            for sent in 0..9 {
                if scene == "dribbling" {
                    site.network.send(peer.peer, &hello[sent..=sent]);
                }
                site.advance(second);
            }
            assert!(!site.network.is_dropped(peer.peer), "{scene}: after 9 of 10 s");
            site.advance(second + Duration::from_millis(100));
            assert!(site.network.is_dropped(peer.peer), "{scene}: after 10 s");
            assert_eq!(site.server.engine().sessions(), 0);
        }
    }
}

// --- records ---

#[test]
fn records_may_be_cut_anywhere_and_come_several_at_once() {
    for version in VERSIONS {
        let mut site = site();
        let mut peer = open(&mut site, tls_client::client_config(version));
        let mut cut = 0;
        loop {
            let mut records = Vec::new();
            for id in 0..3 {
                peer.tls.writer().write_all(&ping(id)).unwrap();
                records.extend(peer.ciphertext());
            }
            if cut > records.len() {
                break;
            }
            site.network.send(peer.peer, &records[..cut]);
            site.rest();
            site.network.send(peer.peer, &records[cut..]);
            peer.pump(&mut site);
            assert_eq!(pongs(&peer.take()), [0, 1, 2], "{version:?}, cut at {cut}");
            cut += 1;
            // A session may say a hundred things a minute once there is a limit on that.
            site.advance(Duration::from_secs(2));
        }
        assert!(cut > 100);
    }
}

#[test]
fn a_record_may_be_as_long_as_records_can_be() {
    const RECORD: usize = 16 * 1024;
    for version in VERSIONS {
        let mut site = site();
        let mut peer = open(&mut site, tls_client::client_config(version));
        // One record short of the longest, the longest, and one byte into a second; then several at once.
        for length in [RECORD - 1, RECORD, RECORD + 1, 3 * RECORD, 20 * RECORD] {
            let empty = frames::text(r#"{"type":"ping","id":1,"payload":""}"#).len();
            let header = if length < 65_536 { 2 } else { 8 };
            let payload = "x".repeat(length - empty - header);
            let frame = frames::text(&format!(r#"{{"type":"ping","id":1,"payload":"{payload}"}}"#));
            assert_eq!(frame.len(), length);
            for chunk in frame.chunks(RECORD) {
                peer.tls.writer().write_all(chunk).unwrap();
                peer.pump(&mut site);
            }
            let answer = frames::decode(&peer.take());
            assert_eq!(answer.len(), 1, "{version:?}, {length} bytes");
            assert!(answer[0].text().contains(&payload), "{version:?}, {length} bytes");
        }
    }
}

#[test]
fn a_key_update_that_asks_for_ours_gets_it_before_our_next_data() {
    let mut site = site();
    let mut peer = open(&mut site, tls_client::client_config(TLS13));
    peer.tls.writer().write_all(&ping(1)).unwrap();
    let usual = answer_length(&mut site, &mut peer);
    for round in 0..5 {
        peer.tls.refresh_traffic_keys().unwrap();
        peer.tls.writer().write_all(&ping(1)).unwrap();
        let length = answer_length(&mut site, &mut peer);
        assert_eq!(length, usual + 5 + 5 + 1 + 16, "round {round}: a record with a KeyUpdate stands before");
        peer.tls.writer().write_all(&ping(1)).unwrap();
        assert_eq!(answer_length(&mut site, &mut peer), usual, "round {round}: once");
    }
    assert_eq!(pongs(&peer.take()), [1; 11]);
    // Nothing to say but that the server ends: the update comes before that too.
    peer.tls.refresh_traffic_keys().unwrap();
    peer.send(&mut site, &[]);
    peer.tls.send_close_notify();
    peer.pump(&mut site);
    assert_eq!((peer.end, peer.error), (Some(End::Clean), None));
}

/// Sends what the client has, and returns how long the server's answer is on the wire.
fn answer_length(site: &mut Site, peer: &mut TlsPeer) -> usize {
    let out = peer.ciphertext();
    site.network.send(peer.peer, &out);
    let answer = site.take(peer.peer);
    peer.read(&answer);
    answer.len()
}

#[test]
fn a_broadcast_to_a_client_that_reads_slowly_comes_whole_and_in_order() {
    for (version, pace) in [(TLS12, 1000), (TLS13, 1), (TLS13, 997), (TLS13, 40_000)] {
        let mut site = site();
        let mut peer = open(&mut site, tls_client::client_config(version));
        site.network.cut_into(peer.peer, pace);
        let size = if pace == 1 { 200 } else { 20_000 };
        for number in 0..30 {
            let text = format!("{number} {}", "y".repeat(size));
            site.server.engine().publish_to_all(&PreparedMessage::text(&text), None);
            // Sometimes the server gets to write in between.
            if number % 7 == 0 {
                site.server.poll(Some(Duration::ZERO)).unwrap();
            }
        }
        peer.pump(&mut site);
        let received = frames::decode(&peer.take());
        let numbers: Vec<usize> =
            received.iter().map(|frame| frame.text().split(' ').next().unwrap().parse().unwrap()).collect();
        assert_eq!(numbers, (0..30).collect::<Vec<_>>(), "{version:?}, {pace} bytes at a time");
        assert!(received.iter().all(|frame| frame.payload.len() > size));
    }
}

// --- ends ---

#[test]
fn after_a_close_both_sides_end_their_stream_cleanly() {
    for version in VERSIONS {
        let mut site = site();
        let mut peer = open(&mut site, tls_client::client_config(version));
        peer.send(&mut site, &frames::close(1000, "bye"));
        assert_eq!(frames::decode(&peer.take())[0].close(), (1000, "bye".into()));
        assert_eq!((peer.end, &peer.error), (Some(End::Clean), &None), "{version:?}");
        peer.tls.send_close_notify();
        peer.pump(&mut site);
        site.network.end(peer.peer);
        site.rest();
        assert!(site.network.is_dropped(peer.peer) && !site.network.is_reset_by_server(peer.peer));
        assert_eq!(site.server.engine().sessions(), 0);
    }
}

#[test]
fn a_close_notify_without_a_close_frame_is_answered_by_one() {
    for version in VERSIONS {
        let mut site = site();
        let mut peer = open(&mut site, tls_client::client_config(version));
        peer.tls.writer().write_all(&ping(3)).unwrap();
        peer.tls.send_close_notify();
        peer.pump(&mut site);
        assert_eq!(pongs(&peer.take()), [3], "what came before it is answered");
        assert_eq!((peer.end, &peer.error), (Some(End::Clean), &None), "{version:?}");
        assert!(site.has_seen(&["Closed", "PeerVanished"]), "{:?}", site.history);
        site.advance(Duration::from_secs(6));
        assert_eq!(site.server.engine().sessions(), 0);
    }
}

#[test]
fn what_follows_a_close_notify_is_nobodys() {
    for version in VERSIONS {
        let mut site = site();
        let mut forger = Forger::take_over(open(&mut site, Forger::config(version)));
        let mut bytes = forger.record(ContentType::Alert, &[1, 0]);
        bytes.extend(forger.record(ContentType::ApplicationData, &ping(1)));
        bytes.extend(b"and then some");
        site.network.send(forger.peer, &bytes);
        let answer = site.take(forger.peer);
        assert_eq!(forger.open(&answer), [(ContentType::Alert, vec![1, 0])], "{version:?}");
        assert!(!site.has_seen(&["Message"]));
        site.network.end(forger.peer);
        site.rest();
        assert_eq!(site.server.engine().sessions(), 0);
        assert!(!site.network.is_reset_by_server(forger.peer));
    }
}

#[test]
fn a_stream_that_is_cut_off_is_no_clean_close() {
    for version in VERSIONS {
        let mut site = site();
        let peer = open(&mut site, tls_client::client_config(version));
        site.network.end(peer.peer);
        site.rest();
        assert!(site.has_seen(&["Closed", "identity: Some", "PeerVanished"]), "{:?}", site.history);
        assert!(site.network.is_dropped(peer.peer));
        assert_eq!(site.server.engine().sessions(), 0);
    }
}

#[test]
fn a_stream_may_be_cut_off_after_any_byte_of_the_handshake() {
    for version in VERSIONS {
        let hello = TlsPeer::new(&mut site(), tls_client::client_config(version)).ciphertext();
        let mut site = site();
        for sent in (0..hello.len()).step_by(9) {
            let peer = site.network.connect(FIRST);
            site.network.send(peer, &hello[..sent]);
            site.network.end(peer);
            site.rest();
            assert!(site.network.is_dropped(peer), "{version:?}: after {sent} bytes");
            assert_eq!(site.server.engine().sessions(), 0);
        }
    }
}

#[test]
fn the_end_behind_a_backlog_is_still_clean() {
    for version in VERSIONS {
        let mut site = site();
        let mut peer = TlsPeer::connect(&mut site, tls_client::client_config(version));
        site.network.stop_reading_after(peer.peer, 10);
        // The answer is encrypted, but only ten bytes of it are on the wire when the client ends its half.
        peer.send(&mut site, HEALTH);
        peer.tls.send_close_notify();
        peer.pump(&mut site);
        site.network.cut_into(peer.peer, usize::MAX);
        peer.pump(&mut site);
        assert!(String::from_utf8_lossy(&peer.take()).ends_with(r#"{"status":"ok"}"#));
        assert_eq!((peer.end, &peer.error), (Some(End::Clean), &None), "{version:?}");
    }
}

#[test]
fn a_shutdown_ends_every_stream_cleanly_whatever_it_is_in_the_middle_of() {
    let mut site = site();
    let mut silent = TlsPeer::new(&mut site, tls_client::client_config(TLS13));
    let mut idle = TlsPeer::connect(&mut site, tls_client::client_config(TLS13));
    idle.tls.refresh_traffic_keys().unwrap();
    let mut half = TlsPeer::connect(&mut site, tls_client::client_config(TLS12));
    half.send(&mut site, b"GET /hea");
    let mut chatting = open(&mut site, tls_client::client_config(TLS13));
    for peer in [&mut idle, &mut half, &mut chatting] {
        peer.pump(&mut site);
    }
    site.server.shut_down();
    silent.pump(&mut site);
    assert!(site.network.is_dropped(silent.peer), "nothing is said to one who has not shaken hands");
    for peer in [&mut idle, &mut half] {
        peer.pump(&mut site);
        assert_eq!((peer.end, &peer.error), (Some(End::Clean), &None));
    }
    chatting.pump(&mut site);
    assert_eq!(frames::decode(&chatting.take())[0].close().0, 1001);
    chatting.send(&mut site, &frames::close(1001, ""));
    assert_eq!((chatting.end, &chatting.error), (Some(End::Clean), &None));
    for peer in [&idle, &half, &chatting] {
        site.network.end(peer.peer);
    }
    site.rest();
    assert!(site.server.is_finished());
}
