//! The other side of TLS: a client's configuration that trusts the development certificate, and a client on
//! a network in memory.
//!
//! Not here: the network (`memory.rs` beside this file), blocking clients on real sockets (`server.rs`).

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use barewire::TlsConfig;
use rustls::crypto::cipher::{InboundOpaqueMessage, MessageDecrypter, MessageEncrypter};
use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CipherSuite, ClientConfig, ClientConnection, ConnectionTrafficSecrets, ContentType, ProtocolVersion};
use rustls::{RootCertStore, SupportedCipherSuite, SupportedProtocolVersion};

use crate::memory::{FIRST, Site};

const CERT: &[u8] = include_bytes!("../../certs/dev-cert.pem");
const KEY: &[u8] = include_bytes!("../../certs/dev-key.pem");

pub const TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;
pub const TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;

/// The server's side, with the development pair.
pub fn server_config() -> TlsConfig {
    TlsConfig::from_pem(CERT, KEY).unwrap()
}

/// A moment at which the development certificate is valid, whatever the machine's clock says.
#[derive(Debug)]
struct Fixed;

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)))
    }
}

/// A client that offers this version and the ALPN protocol `http/1.1`.
pub fn client_config(version: &'static SupportedProtocolVersion) -> ClientConfig {
    with_provider(ring::default_provider(), version)
}

fn with_provider(provider: CryptoProvider, version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERT).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_details(Arc::new(provider), Arc::new(Fixed))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

pub fn client(config: ClientConfig) -> ClientConnection {
    ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
}

/// How the server's half of a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a close_notify.
    Clean,
    /// Without one.
    Truncated,
}

/// A client on the network of a [`Site`].
pub struct TlsPeer {
    pub peer: usize,
    pub tls: ClientConnection,
    /// Plain text from the server that the test has not taken.
    pub received: Vec<u8>,
    pub end: Option<End>,
    /// What this client's own TLS had to complain about.
    pub error: Option<rustls::Error>,
}

impl TlsPeer {
    /// Connects, and shakes hands as far as it goes.
    pub fn connect(site: &mut Site, config: ClientConfig) -> TlsPeer {
        let mut peer = TlsPeer::new(site, config);
        peer.pump(site);
        peer
    }

    /// Connects, and has sent nothing yet.
    pub fn new(site: &mut Site, config: ClientConfig) -> TlsPeer {
        let peer = site.network.connect(FIRST);
        TlsPeer { peer, tls: client(config), received: Vec::new(), end: None, error: None }
    }

    /// Sends plain text, and takes what comes of it.
    pub fn send(&mut self, site: &mut Site, plain: &[u8]) {
        self.tls.writer().write_all(plain).unwrap();
        self.pump(site);
    }

    /// What has been received since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// What this client has to send, as ciphertext.
    pub fn ciphertext(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Passes ciphertext to and fro until both sides are at rest.
    pub fn pump(&mut self, site: &mut Site) {
        loop {
            let out = self.ciphertext();
            site.network.send(self.peer, &out);
            site.rest();
            let bytes = site.network.take(self.peer);
            self.read(&bytes);
            if bytes.is_empty() && !self.tls.wants_write() {
                break;
            }
        }
        if site.network.server_ended(self.peer) && self.end.is_none() {
            self.end = Some(self.end_of_stream());
        }
    }

    /// Takes ciphertext from the server.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.error.is_none() {
            self.tls.read_tls(&mut bytes).unwrap();
            if let Err(error) = self.tls.process_new_packets() {
                self.error = Some(error);
            }
            let mut plain = [0; 16 * 1024];
            while let Ok(count @ 1..) = self.tls.reader().read(&mut plain) {
                self.received.extend_from_slice(&plain[..count]);
            }
        }
    }

    fn end_of_stream(&mut self) -> End {
        assert_eq!(self.tls.read_tls(&mut &[][..]).unwrap(), 0);
        let _ = self.tls.process_new_packets();
        match self.tls.reader().read(&mut [0]) {
            Ok(0) => End::Clean,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => End::Truncated,
            other => panic!("neither an end nor an error: {other:?}"),
        }
    }
}

/// A record layer of its own, with the keys of a session that an honest client has opened: it can send what
/// no honest client would.
pub struct Forger {
    pub peer: usize,
    encrypter: Box<dyn MessageEncrypter>,
    decrypter: Box<dyn MessageDecrypter>,
    sent: u64,
    received: u64,
}

impl Forger {
    /// A client's configuration whose sessions can be taken over.
    pub fn config(version: &'static SupportedProtocolVersion) -> ClientConfig {
        let mut provider = ring::default_provider();
        // The one AEAD whose keys TLS 1.2 and 1.3 use alike.
        provider.cipher_suites.retain(|suite| SUITES.contains(&suite.suite()));
        let mut config = with_provider(provider, version);
        config.enable_secret_extraction = true;
        config
    }

    pub fn take_over(peer: TlsPeer) -> Forger {
        let suite = peer.tls.negotiated_cipher_suite().unwrap();
        let secrets = peer.tls.dangerous_extract_secrets().unwrap();
        let (sent, ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets.tx else { panic!("not ChaCha") };
        let (received, ConnectionTrafficSecrets::Chacha20Poly1305 { key: rx_key, iv: rx_iv }) = secrets.rx else {
            panic!("not ChaCha")
        };
        let (encrypter, decrypter) = match suite {
            SupportedCipherSuite::Tls12(suite) => {
                (suite.aead_alg.encrypter(key, iv.as_ref(), &[]), suite.aead_alg.decrypter(rx_key, rx_iv.as_ref()))
            }
            SupportedCipherSuite::Tls13(suite) => {
                (suite.aead_alg.encrypter(key, iv), suite.aead_alg.decrypter(rx_key, rx_iv))
            }
        };
        Forger { peer: peer.peer, encrypter, decrypter, sent, received }
    }

    /// One encrypted record.
    pub fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let (version, payload) = (ProtocolVersion::TLSv1_2, OutboundChunks::Single(payload));
        let record = self.encrypter.encrypt(OutboundPlainMessage { typ, version, payload }, self.sent).unwrap();
        self.sent += 1;
        record.encode()
    }

    /// The server's records in `bytes`, decrypted.
    pub fn open(&mut self, mut bytes: &[u8]) -> Vec<(ContentType, Vec<u8>)> {
        let mut records = Vec::new();
        while let [typ, _, _, high, low, rest @ ..] = bytes {
            let (body, behind) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            let mut body = body.to_vec();
            let record = InboundOpaqueMessage::new(ContentType::from(*typ), ProtocolVersion::TLSv1_2, &mut body);
            let plain = self.decrypter.decrypt(record, self.received).expect("a record that the keys fit");
            records.push((plain.typ, plain.payload.to_vec()));
            self.received += 1;
            bytes = behind;
        }
        records
    }
}

const SUITES: [CipherSuite; 2] =
    [CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256];
