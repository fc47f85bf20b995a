//! Both ends of TLS against rustls' own types, over memory.
//!
//! Not here: TLS in a whole server (`tests/tls.rs`), and in a client's dial (`tests/dialing.rs`).

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, ClientConnection, Connection, HandshakeKind, RootCertStore};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

use super::stream::TlsFailure;
use super::*;
use crate::error::CloseReason;
use crate::limits::{TLS_CLIENT_SESSIONS, TLS_KEPT_BYTES};

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/certs/", $name, ".pem")).as_slice()
    };
}

/// One end of ours, and one of rustls' own.
struct Pair {
    ours: Tls,
    theirs: Connection,
    /// What arrives at our end at once, in bytes.
    cut: usize,
    heard: Vec<u8>,
    was_closed: bool,
    /// Our end says this after each piece that arrives once it may, as a busy connection would.
    chatter: &'static [u8],
}

impl Pair {
    /// Our client towards their server.
    fn client(tls: &ClientTls, name: &'static str, server: ServerConfig, cut: usize) -> Pair {
        let ours = Tls::client(tls, ServerName::try_from(name).unwrap()).unwrap();
        let theirs = Connection::Server(ServerConnection::new(Arc::new(server)).unwrap());
        Pair { ours, theirs, cut, heard: Vec::new(), was_closed: false, chatter: b"" }
    }

    /// Passes ciphertext to and fro until both are at rest.
    fn pump(&mut self) -> Result<(), TlsFailure> {
        loop {
            let unsent = std::mem::take(&mut self.ours.unsent);
            let mut rest = unsent.as_slice();
            while !rest.is_empty() {
                self.theirs.read_tls(&mut rest).unwrap();
                // What it has to complain about is seen by the test that asks again.
                let _ = self.theirs.process_new_packets();
            }
            let mut arriving = Vec::new();
            while self.theirs.wants_write() {
                self.theirs.write_tls(&mut arriving).unwrap();
            }
            if arriving.is_empty() && self.ours.unsent.is_empty() {
                return Ok(());
            }
            for piece in arriving.chunks(self.cut) {
                self.arrive(piece)?;
            }
        }
    }

    fn arrive(&mut self, piece: &[u8]) -> Result<(), TlsFailure> {
        let mut buffer = vec![0; TLS_KEPT_BYTES + piece.len()];
        let kept = self.ours.lay_out(&mut buffer);
        buffer[kept..kept + piece.len()].copy_from_slice(piece);
        let mut out = Output::default();
        let received = self.ours.receive(&mut buffer[..kept + piece.len()], &mut self.heard, &mut out);
        self.ours.unsent.extend_from_slice(out.filled());
        self.was_closed |= received?;
        if !self.chatter.is_empty() && !self.ours.is_handshaking() {
            self.say(self.chatter);
        }
        Ok(())
    }

    fn say(&mut self, plain: &[u8]) {
        let mut out = Output::default();
        self.ours.encrypt(plain, &mut out).unwrap();
        self.ours.unsent.extend_from_slice(out.filled());
    }

    /// What they have been told since the last call.
    fn told(&mut self) -> Vec<u8> {
        self.pump().unwrap();
        let mut plain = vec![0; 64 * 1024];
        let length = self.theirs.reader().read(&mut plain).unwrap_or(0);
        plain.truncate(length);
        plain
    }

    /// What we have heard since the last call, when they say this.
    fn hear(&mut self, plain: &[u8]) -> Vec<u8> {
        self.theirs.writer().write_all(plain).unwrap();
        self.pump().unwrap();
        std::mem::take(&mut self.heard)
    }

    fn check_talk(&mut self, name: &str) {
        assert!(!self.ours.is_handshaking() && !self.theirs.is_handshaking(), "{name}");
        for plain in [b"a".as_slice(), &[7; 20_000]] {
            self.say(plain);
            assert!(self.told() == plain, "{name}");
            assert!(self.hear(plain) == plain, "{name}");
        }
        self.theirs.send_close_notify();
        self.pump().unwrap();
        assert!(self.was_closed, "{name}");
        let mut out = Output::default();
        self.ours.close_notify(&mut out).unwrap();
        self.ours.unsent.extend_from_slice(out.filled());
        self.pump().unwrap();
        assert!(self.theirs.process_new_packets().unwrap().peer_has_closed(), "{name}");
    }
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
const CUTS: [usize; 5] = [1, 2, 7, 100, usize::MAX];

fn trusting() -> ClientTls {
    ClientTls::with_roots(pem!("ca")).unwrap()
}

/// A server of rustls' own with this certificate.
fn their_server(chain: &[u8], version: &'static SupportedProtocolVersion) -> ServerConfig {
    with_provider(chain, version, ring::default_provider())
}

fn with_provider(chain: &[u8], version: &'static SupportedProtocolVersion, provider: CryptoProvider) -> ServerConfig {
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[version]).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pem!("key")).unwrap();
    builder.with_no_client_auth().with_single_cert(chain, key).unwrap()
}

#[test]
fn our_client_talks_to_a_server_however_its_bytes_are_cut() {
    for version in VERSIONS {
        for cut in CUTS {
            for name in ["localhost", "127.0.0.1", "::1"] {
                let mut pair = Pair::client(&trusting(), name, their_server(pem!("server"), version), cut);
                pair.pump().unwrap();
                let protocol = pair.theirs.alpn_protocol().map(<[u8]>::to_vec);
                assert_eq!(protocol, None, "a server that knows of no protocols is fine");
                pair.check_talk(&format!("{version:?} in pieces of {cut} with {name}"));
            }
        }
    }
}

#[test]
fn our_server_talks_to_a_client_however_its_bytes_are_cut() {
    let config = TlsConfig::from_pem(pem!("server"), pem!("key")).unwrap();
    for version in VERSIONS {
        for cut in CUTS {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(pem!("ca")).unwrap()).unwrap();
            let client = ClientConfig::builder_with_provider(Arc::new(provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let theirs = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
            let (ours, theirs) = (Tls::server(&config).unwrap(), Connection::Client(theirs));
            let mut pair = Pair { ours, theirs, cut, heard: Vec::new(), was_closed: false, chatter: b"" };
            pair.pump().unwrap();
            pair.check_talk(&format!("{version:?} in pieces of {cut}"));
        }
    }
}

#[test]
fn our_client_speaks_first_and_asks_for_the_protocol_and_the_cheapest_suite() {
    let mut server = their_server(pem!("server"), &TLS13);
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut pair = Pair::client(&trusting(), "localhost", server, usize::MAX);
    assert_eq!(pair.ours.unsent.first(), Some(&22), "a handshake record");
    pair.pump().unwrap();
    assert_eq!(pair.theirs.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let Connection::Server(server) = &pair.theirs else { unreachable!() };
    assert_eq!(server.server_name(), Some("localhost"));
    let hello_order: Vec<_> = provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
    assert!(hello_order[0].as_str().unwrap().contains("AES_128_GCM"), "{hello_order:?}");
}

#[test]
fn a_hello_retry_request_is_obeyed() {
    for cut in CUTS {
        let mut provider = ring::default_provider();
        provider.kx_groups.retain(|group| group.name() == rustls::NamedGroup::secp384r1);
        let mut pair = Pair::client(&trusting(), "localhost", with_provider(pem!("server"), &TLS13, provider), cut);
        pair.pump().unwrap();
        assert_eq!(pair.theirs.handshake_kind(), Some(HandshakeKind::FullWithHelloRetryRequest));
        pair.check_talk(&format!("in pieces of {cut}"));
    }
}

#[test]
fn keys_are_updated_by_whoever_wants_it() {
    for cut in CUTS {
        let mut pair = Pair::client(&trusting(), "localhost", their_server(pem!("server"), &TLS13), cut);
        pair.pump().unwrap();
        for _ in 0..3 {
            pair.theirs.refresh_traffic_keys().unwrap();
            assert_eq!(pair.hear(b"under new keys"), b"under new keys");
            pair.say(b"under ours");
            assert_eq!(pair.told(), b"under ours");
        }
        pair.check_talk(&format!("in pieces of {cut}"));
    }
}

/// Tickets come behind the handshake, each in many records: between them our end sends, with a fragment in hand.
#[test]
fn our_client_sends_while_the_pieces_of_a_ticket_arrive() {
    for cut in CUTS {
        let mut server = their_server(pem!("server"), &TLS13);
        server.max_fragment_size = Some(32);
        server.send_tls13_tickets = 4;
        server.ticketer = ring::Ticketer::new().unwrap();
        let mut pair = Pair::client(&trusting(), "localhost", server, cut);
        pair.chatter = b".";
        pair.pump().unwrap();
        pair.chatter = b"";
        let told = pair.told();
        assert!(!told.is_empty() && told.iter().all(|byte| *byte == b'.'), "{told:?}");
        assert!(cut == usize::MAX || told.len() > 1, "{} pieces of {cut}", told.len());
        pair.check_talk(&format!("in pieces of {cut}"));
    }
}

#[test]
fn a_session_is_resumed_by_connections_with_the_same_trust_and_by_no_others() {
    for version in VERSIONS {
        let server = their_server(pem!("server"), version);
        let (tls, other) = (trusting(), trusting());
        let kind = |tls: &ClientTls, name| {
            let mut pair = Pair::client(tls, name, server.clone(), usize::MAX);
            pair.pump().unwrap();
            pair.check_talk("resumed or not");
            pair.theirs.handshake_kind().unwrap()
        };
        assert_eq!(kind(&tls, "localhost"), HandshakeKind::Full);
        assert_eq!(kind(&tls.clone(), "localhost"), HandshakeKind::Resumed);
        assert_eq!(kind(&other, "localhost"), HandshakeKind::Full, "another trust");
        assert_eq!(kind(&tls, "127.0.0.1"), HandshakeKind::Full, "another server");
    }
    const { assert!(TLS_CLIENT_SESSIONS > 1) }
}

#[test]
fn a_certificate_that_does_not_verify_is_told_in_words_and_to_the_server_by_an_alert() {
    use AlertDescription::{BadCertificate, CertificateExpired, CertificateUnknown, DecryptError, UnknownCA};
    let names = "the server's certificate is for other names than";
    let expired = "the server's certificate, or one that vouches for it, has expired";
    let early = "the server's certificate, or one that vouches for it, is not valid yet";
    let unknown = "the server's certificate is signed by nobody that is trusted here";
    let authority = "the server's certificate is an authority's own (CA:TRUE), and none for a server";
    let unproven = "the server's certificate is not signed by whom it says, or in a way that is not known here";
    let strangers = ClientTls::with_roots(include_bytes!("../../../certs/dev-cert.pem")).unwrap();
    let own = |pem| ClientTls::with_roots(pem).unwrap();
    for version in VERSIONS {
        for (tls, name, chain, sentence, alert) in [
            (trusting(), "localhost", pem!("other"), format!("{names} `localhost`"), BadCertificate),
            (trusting(), "127.0.0.2", pem!("server"), format!("{names} `127.0.0.2`"), BadCertificate),
            (trusting(), "localhost", pem!("expired"), expired.into(), CertificateExpired),
            (trusting(), "localhost", pem!("early"), early.into(), CertificateExpired),
            (strangers.clone(), "localhost", pem!("server"), unknown.into(), UnknownCA),
            (trusting(), "localhost", pem!("self"), unknown.into(), UnknownCA),
            (own(pem!("self-ca")), "localhost", pem!("self-ca"), authority.into(), CertificateUnknown),
            (own(pem!("namesake")), "localhost", pem!("self"), unproven.into(), DecryptError),
        ] {
            for cut in CUTS {
                let mut pair = Pair::client(&tls, name, their_server(chain, version), cut);
                let reason = CloseReason::from(pair.pump().unwrap_err());
                assert_eq!(reason, CloseReason::Tls(sentence.clone()), "{version:?} in pieces of {cut}");
                // Behind the failure nothing is read any more; but what the alert says arrives.
                let unsent = std::mem::take(&mut pair.ours.unsent);
                pair.theirs.read_tls(&mut unsent.as_slice()).unwrap();
                let told = pair.theirs.process_new_packets().unwrap_err();
                assert_eq!(told, rustls::Error::AlertReceived(alert), "{version:?} in pieces of {cut}: {sentence}");
            }
        }
    }
}

#[test]
fn a_server_that_signed_its_certificate_itself_is_trusted_where_just_that_is() {
    let tls = ClientTls::with_roots(pem!("self")).unwrap();
    let mut pair = Pair::client(&tls, "localhost", their_server(pem!("self"), &TLS13), usize::MAX);
    pair.pump().unwrap();
    pair.check_talk("its own");
}

/// Shows a certificate whose key it has not.
#[derive(Debug)]
struct Thief(Arc<CertifiedKey>);

impl ResolvesServerCert for Thief {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[test]
fn without_verification_any_certificate_will_do_but_not_another_key() {
    let tls = ClientTls::dangerous_without_verification().unwrap();
    for version in VERSIONS {
        for chain in [pem!("expired"), pem!("other"), pem!("self"), pem!("self-ca")] {
            let mut pair = Pair::client(&tls, "nobody.example", their_server(chain, version), 100);
            pair.pump().unwrap();
            pair.check_talk("whoever it is");
        }
        let key = ring::sign::any_ecdsa_type(&PrivateKeyDer::from_pem_slice(pem!("key")).unwrap()).unwrap();
        let stolen = vec![CertificateDer::from_pem_slice(include_bytes!("../../../certs/dev-cert.pem")).unwrap()];
        let mut server = their_server(pem!("server"), version);
        server.cert_resolver = Arc::new(Thief(Arc::new(CertifiedKey::new(stolen, key))));
        let mut pair = Pair::client(&tls, "localhost", server, usize::MAX);
        let reason = CloseReason::from(pair.pump().unwrap_err());
        let sentence = "the server's certificate is not signed by whom it says, or its key is another";
        assert_eq!(reason, CloseReason::Tls(sentence.into()));
    }
}

#[test]
fn a_server_flight_with_any_byte_changed_ends_in_a_failure_or_waits_for_more_and_never_in_a_panic() {
    const STEP: usize = 7;
    for version in VERSIONS {
        let (mut tried, mut failed) = (0, 0);
        for at in (0..).step_by(STEP) {
            let mut pair = Pair::client(&trusting(), "localhost", their_server(pem!("server"), version), usize::MAX);
            let hello = std::mem::take(&mut pair.ours.unsent);
            pair.theirs.read_tls(&mut hello.as_slice()).unwrap();
            pair.theirs.process_new_packets().unwrap();
            let mut flight = Vec::new();
            while pair.theirs.wants_write() {
                pair.theirs.write_tls(&mut flight).unwrap();
            }
            let Some(byte) = flight.get_mut(at) else { break };
            *byte ^= 1 << (at % 8);
            let arrived = pair.arrive(&flight);
            // Behind a failure nothing more is asked for; else what there is to say may be, with what is kept in hand.
            if arrived.is_ok() {
                let _ = pair.ours.close_notify(&mut Output::default());
            }
            (tried, failed) = (tried + 1, failed + usize::from(arrived.is_err()));
            assert!(arrived.is_err() || pair.ours.held() <= TLS_KEPT_BYTES + flight.len(), "{version:?} at {at}");
        }
        // The rest is what TLS does not look at, such as a version in a record's header, or a length that is too large now.
        assert!(tried > 50 && failed > tried * 4 / 5, "{version:?}: {failed} of {tried}");
    }
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_told_in_words_and_without_its_bytes() {
    let ca = std::str::from_utf8(pem!("ca")).unwrap();
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pem, reason) in [
        ("", "the file of authorities holds none; allowed: PEM with BEGIN CERTIFICATE"),
        (std::str::from_utf8(pem!("key")).unwrap(), "the file of authorities holds none; allowed"),
        (&ca[..ca.len() / 2], "the file of authorities is malformed: a BEGIN line without its END line"),
        (garbled, "the file of authorities holds a certificate that cannot be used: "),
    ] {
        let error = ClientTls::with_roots(pem.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(reason) && !error.contains('\n'), "{error}");
    }
    assert_eq!(format!("{:?}", trusting()), "ClientTls { .. }");
}

#[test]
fn a_pair_that_cannot_be_used_is_told_in_words_and_without_its_bytes() {
    let (chain, key) = (include_str!("../../../certs/dev-cert.pem"), include_str!("../../../certs/dev-key.pem"));
    let (other, public) =
        (include_str!("../../../tests/keys/p256-private.pem"), include_str!("../../../tests/keys/p256-public.pem"));
    let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let cut = &chain[..chain.len() / 2];
    let none = "the private key is none; allowed: PEM with BEGIN PRIVATE KEY";
    for (chain, key, reason) in [
        ("", key, "the certificate chain holds none; allowed: PEM with BEGIN CERTIFICATE"),
        (key, chain, "the certificate chain holds none; allowed: PEM with BEGIN CERTIFICATE"),
        (cut, key, "the certificate chain is malformed: a BEGIN line without its END line"),
        (chain, "", none),
        (chain, chain, none),
        (chain, public, none),
        (chain, &key[..60], "the private key is malformed: a BEGIN line without its END line"),
        (chain, &encrypted, "the private key is encrypted; allowed: PEM with BEGIN PRIVATE KEY"),
        (chain, old, "the private key is encrypted; allowed: PEM with BEGIN PRIVATE KEY"),
        (chain, other, "the private key does not fit the first certificate of the chain"),
    ] {
        let error = TlsConfig::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
}

#[test]
fn an_alert_that_stands_behind_other_output_is_sent_too() {
    // Which protocol to speak is judged when the ServerHello is on its way already.
    let (chain, key) = (include_bytes!("../../../certs/dev-cert.pem"), include_bytes!("../../../certs/dev-key.pem"));
    let mut server = Tls::server(&TlsConfig::from_pem(chain, key).unwrap()).ok().unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider())).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let (mut hello, mut out) = (Vec::new(), Output::default());
    client.write_tls(&mut hello).unwrap();

    assert!(server.receive(&mut hello, &mut Vec::new(), &mut out).is_err());
    client.read_tls(&mut out.filled()).unwrap();
    let told = client.process_new_packets().unwrap_err();
    assert_eq!(told, rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol));
}
