//! TLS as no honest peer speaks it: no TLS at all, records that were forged with the keys of a session,
//! floods, and handshakes with something spoiled in them.
//!
//! Not here: honest peers with odd habits (`../tls.rs`).

use std::io::Write;
use std::time::Duration;

use barewire::PreparedMessage;
use rustls::ContentType;

use super::common::chance::Chance;
use super::memory::{FIRST, Site};
use super::tls_client::{self, Forger, TLS12, TLS13, TlsPeer};
use super::{HEALTH, VERSIONS, open, ping, pongs, site};

/// The number of the plain listener beside the TLS one.
const PLAIN: usize = 1;
const KEY_UPDATE: u8 = 24;

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
    for (version, is_behind_a_key_update) in [(TLS12, false), (TLS13, false), (TLS13, true)] {
        let mut site = site();
        let mut peer = open(&mut site, tls_client::client_config(version));
        if is_behind_a_key_update {
            // Then the server has something to send before the alert.
            peer.tls.refresh_traffic_keys().unwrap();
        }
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
        let mut chance = Chance::new(seed);
        let mut site = site();
        let mut forger = Forger::take_over(open(&mut site, Forger::config(VERSIONS[chance.below(2)])));
        let mut bytes = Vec::new();
        for _ in 0..chance.below(6) + 1 {
            let typ = if chance.below(3) == 0 { types[chance.below(types.len())] } else { ContentType::Handshake };
            bytes.extend(forger.record(typ, payloads[chance.below(payloads.len())]));
        }
        while !bytes.is_empty() {
            let rest = bytes.split_off(chance.below(bytes.len()) + 1);
            site.network.send(forger.peer, &bytes);
            site.rest();
            if chance.below(2) == 0 {
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
        let mut chance = Chance::new(seed);
        let mut site = site();
        let mut peer = TlsPeer::new(&mut site, tls_client::client_config(VERSIONS[chance.below(2)]));
        for _ in 0..3 {
            let mut flight = peer.ciphertext();
            // One flight of the two or three is spoiled: a bit, a cut, a repetition.
            if !flight.is_empty() && chance.below(2) == 0 {
                let at = chance.below(flight.len());
                match chance.below(4) {
                    0 => flight.truncate(at),
                    1 => flight.extend_from_within(at..),
                    _ => flight[at] ^= 1 << chance.below(8),
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
