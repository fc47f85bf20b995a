//! TLS as peers speak it, well and badly, against the whole server on a network in memory.
//!
//! Not here: system calls that fail (`faults.rs`), TLS over real sockets (`server.rs`).

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

use barewire::{EngineConfig, Limits, PreparedMessage, ServerConfig};
use common::frames;
use memory::{FIRST, Site};
use rustls::{ContentType, HandshakeKind, ProtocolVersion};
use tls_client::{End, Forger, TLS12, TLS13, TlsPeer};

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [TLS12, TLS13];
/// The number of the plain listener beside the TLS one.
const PLAIN: usize = 1;
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const KEY_UPDATE: u8 = 24;

fn site() -> Site {
    site_with(Limits::default())
}

fn site_with(limits: Limits) -> Site {
    let config = ServerConfig {
        tls: Some(tls_client::server_config()),
        engine: EngineConfig { limits, ..EngineConfig::default() },
        ..ServerConfig::default()
    };
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

/// Numbers from a seed (xorshift), for cutting and for mischief.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
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
        assert!(site.has_seen(&["Closed", "opened: true", "PeerVanished"]), "{:?}", site.history);
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

// --- mischief ---

#[test]
fn what_is_no_tls_gets_an_alert_and_a_close_however_long_it_is() {
    let garbage: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect();
    let sslv2 = [0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10];
    let oversize = [&[22, 3, 1, 0xff, 0xff][..], &[1; 70_000]].concat();
    let cases: [(&str, &[u8]); 6] = [
        ("HTTP", HEALTH),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("garbage", &garbage),
        ("SSLv2", &sslv2),
        ("an oversize record", &oversize),
        ("an empty record", &[23, 3, 3, 0, 0]),
    ];
    for (name, bytes) in cases {
        let mut site = site();
        let peer = site.network.connect(FIRST);
        site.network.send(peer, bytes);
        let answer = site.take(peer);
        assert_eq!(answer.first(), Some(&21), "{name}: an alert, not {answer:?}");
        assert_eq!(answer.get(5), Some(&2), "{name}: a fatal one");
        assert!(site.network.server_ended(peer), "{name}");
        site.network.end(peer);
        site.rest();
        assert!(site.network.is_dropped(peer) && !site.network.is_reset_by_server(peer), "{name}: reset");
        assert!(site.has_seen(&["Closed", "Tls("]), "{name}: {:?}", site.history);
        assert_eq!(site.server.engine().sessions(), 0);
    }
}

#[test]
fn a_record_that_does_not_decrypt_gets_an_alert_that_the_client_understands() {
    for version in VERSIONS {
        let mut site = site();
        let mut peer = open(&mut site, tls_client::client_config(version));
        peer.tls.writer().write_all(&ping(1)).unwrap();
        let mut record = peer.ciphertext();
        *record.last_mut().unwrap() ^= 1;
        site.network.send(peer.peer, &record);
        peer.pump(&mut site);
        let alert = rustls::AlertDescription::BadRecordMac;
        assert_eq!(peer.error, Some(rustls::Error::AlertReceived(alert)), "{version:?}");
        site.network.end(peer.peer);
        site.rest();
        assert_eq!(site.server.engine().sessions(), 0);
    }
}

#[test]
fn tls_on_the_plain_port_is_a_bad_request() {
    let mut site = site();
    let hello = TlsPeer::new(&mut site, tls_client::client_config(TLS13)).ciphertext();
    let peer = site.network.connect(PLAIN);
    site.network.send(peer, &hello);
    let answer = site.take(peer);
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{:?}", String::from_utf8_lossy(&answer));
    assert!(site.network.server_ended(peer));
}

/// The remote kill of rustls' unbuffered API: a fragment of a handshake message is remembered by its position
/// in the input, so every later call must be given that input, also one that only means to send.
#[test]
fn a_fragment_of_a_handshake_message_kills_nothing_when_the_server_speaks_next() {
    type Speak = fn(&mut Site);
    let occasions: [(&str, Speak); 3] = [
        ("a heartbeat", |site| site.advance(Duration::from_secs(31))),
        ("a broadcast", |site| {
            site.server.engine().publish_to_all(&PreparedMessage::text("news"), None);
        }),
        ("a shutdown", |site| site.server.shut_down()),
    ];
    for (name, speak) in occasions {
        for fragment in [&[KEY_UPDATE][..], &[KEY_UPDATE, 0, 0], &[KEY_UPDATE, 0, 0, 1]] {
            let mut site = site();
            let mut forger = Forger::take_over(open(&mut site, Forger::config(TLS13)));
            let record = forger.record(ContentType::Handshake, fragment);
            site.network.send(forger.peer, &record);
            assert_eq!(site.take(forger.peer), b"", "nothing to say to half a message");
            speak(&mut site);
            let answer = site.take(forger.peer);
            let records = forger.open(&answer);
            assert_eq!(records.first().map(|record| record.0), Some(ContentType::ApplicationData), "{name}");
            // Another one's message goes on meanwhile, and what follows the fragment completes it.
            let rest = &[KEY_UPDATE, 0, 0, 1, 0][fragment.len()..];
            let record = forger.record(ContentType::Handshake, rest);
            site.network.send(forger.peer, &record);
            site.rest();
            assert!(!site.network.is_dropped(forger.peer), "{name}: a whole KeyUpdate is no offence");
        }
    }
}

#[test]
fn a_handshake_message_in_countless_pieces_is_refused_and_not_collected() {
    let mut site = site();
    let peer = site.network.connect(FIRST);
    // A ClientHello of 64 KiB, a byte a record: six times its size on the wire.
    let mut sent = 0;
    for byte in [1, 0, 0xff, 0xff].into_iter().chain([0; 0xffff]) {
        site.network.send(peer, &[22, 3, 1, 0, 1, byte]);
        sent += 6;
        if sent % 6000 == 0 {
            site.rest();
            if site.network.server_ended(peer) || site.network.is_dropped(peer) {
                break;
            }
        }
    }
    assert!(site.has_seen(&["Closed", "Tls("]), "{:?}", site.history);
    assert!((60_000..120_000).contains(&sent), "refused after {sent} bytes");
}

#[test]
fn floods_that_mean_nothing_end_the_connection_and_not_the_server() {
    let floods: [(&str, &rustls::SupportedProtocolVersion, ContentType, &[u8]); 6] = [
        ("key updates", TLS13, ContentType::Handshake, &[KEY_UPDATE, 0, 0, 1, 1]),
        ("empty records", TLS13, ContentType::ApplicationData, &[]),
        ("empty records", TLS12, ContentType::ApplicationData, &[]),
        ("warnings", TLS12, ContentType::Alert, &[1, 90]),
        ("user_canceled", TLS13, ContentType::Alert, &[1, 90]),
        ("renegotiation", TLS12, ContentType::Handshake, &[1, 0, 0, 0]),
    ];
    for (name, version, typ, payload) in floods {
        let mut site = site();
        let mut other = open(&mut site, tls_client::client_config(TLS13));
        let mut forger = Forger::take_over(open(&mut site, Forger::config(version)));
        for _ in 0..200 {
            let record = forger.record(typ, payload);
            site.network.send(forger.peer, &record);
        }
        site.rest();
        assert!(site.has_seen(&["Closed", "Tls("]), "{name} in {version:?}: {:?}", site.history);
        other.send(&mut site, &ping(1));
        assert_eq!(pongs(&other.take()), [1], "{name} in {version:?}");
    }
}

#[test]
fn no_sequence_of_forged_records_harms_the_server() {
    let types = [ContentType::ChangeCipherSpec, ContentType::Alert, ContentType::Handshake];
    let types =
        [&types[..], &[ContentType::ApplicationData, ContentType::Heartbeat, ContentType::Unknown(99)]].concat();
    let payloads: [&[u8]; 12] = [
        &[],
        &[1],
        &[2, 0],
        &[1, 0],
        &[1, 90],
        &[KEY_UPDATE],
        &[KEY_UPDATE, 0, 0, 1, 0],
        &[KEY_UPDATE, 0, 0, 1, 1, KEY_UPDATE, 0, 0, 1],
        &[20, 0xff, 0xff, 0xff],
        &[4, 0, 0, 0],
        &[0x81, 0x80, 0, 0, 0, 0],
        &[0; 300],
    ];
    for seed in 1..=150 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let mut site = site();
        let mut forger = Forger::take_over(open(&mut site, Forger::config(VERSIONS[dice.roll(2)])));
        let mut bytes = Vec::new();
        for _ in 0..dice.roll(6) + 1 {
            let typ = if dice.roll(3) == 0 { types[dice.roll(types.len())] } else { ContentType::Handshake };
            bytes.extend(forger.record(typ, payloads[dice.roll(payloads.len())]));
        }
        while !bytes.is_empty() {
            let rest = bytes.split_off(dice.roll(bytes.len()) + 1);
            site.network.send(forger.peer, &bytes);
            site.rest();
            if dice.roll(2) == 0 {
                site.server.engine().publish_to_all(&PreparedMessage::text("news"), None);
                site.rest();
            }
            bytes = rest;
        }
        site.server.shut_down();
        site.advance(Duration::from_secs(11));
        assert!(site.server.is_finished(), "seed {seed}");
    }
}

#[test]
fn no_spoiled_handshake_harms_the_server() {
    for seed in 1..=200 {
        let mut dice = Dice(seed * 0x2545_f491);
        let mut site = site();
        let mut peer = TlsPeer::new(&mut site, tls_client::client_config(VERSIONS[dice.roll(2)]));
        for _ in 0..3 {
            let mut flight = peer.ciphertext();
            // One flight of the two or three is spoiled: a bit, a cut, a repetition.
            if !flight.is_empty() && dice.roll(2) == 0 {
                let at = dice.roll(flight.len());
                match dice.roll(4) {
                    0 => flight.truncate(at),
                    1 => flight.extend_from_within(at..),
                    _ => flight[at] ^= 1 << dice.roll(8),
                }
            }
            site.network.send(peer.peer, &flight);
            let answer = site.take(peer.peer);
            peer.read(&answer);
        }
        site.network.end(peer.peer);
        site.advance(Duration::from_secs(20));
        assert_eq!(site.server.engine().sessions(), 0, "seed {seed}");
    }
}
