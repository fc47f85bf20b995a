//! TLS over the loop's shared buffers, by rustls' unbuffered API: records are decrypted where they were
//! read and encrypted where they are written from. A connection keeps only the tail of its input that no
//! call has used up.
//!
//! Pitfalls of that API which shape this file: the kept tail must be handed to every call, unchanged, also
//! when the call is only meant to send (a fragment of a handshake message is remembered by position); a key
//! update is put before the next record, so an output size is never exact; after an error the alert is
//! fetched by further calls.
//!
//! Not here: reading and writing (`net/connection.rs`); files of certificates (`daemon/`).

use std::fmt;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus};
use rustls::unbuffered::{InsufficientSizeError, WriteTraffic};
use rustls::{InconsistentKeys, ServerConfig, SupportedCipherSuite};

use crate::error::{CloseReason, Error};
use crate::limits::{TLS_KEPT_BYTES, TLS_PLAIN_BYTES, TLS_RECORD_OVERHEAD};

/// A server's side of TLS: certificate, key and policy, shared by all connections.
///
/// TLS 1.3 and 1.2 with AEAD suites, AES-128-GCM first; one stateless ticket a connection, no session
/// cache, no early data; ALPN `http/1.1`, else `http/1.0`.
#[derive(Clone)]
pub struct TlsConfig {
    config: Arc<ServerConfig>,
}

impl TlsConfig {
    /// From a certificate chain (leaf first) and its private key, both PEM; of the key's file the first key counts. An
    /// error says which of the two it is about, and never what is in it.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<TlsConfig, Error> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| Error::Tls(format!("the certificate chain is malformed: {}", of_pem(&error))))?;
        if chain.is_empty() {
            return Err(Error::Tls("the certificate chain holds none; allowed: PEM with BEGIN CERTIFICATE".into()));
        }
        let key = private_key(key).map_err(Error::Tls)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| Error::Tls(of_pair(&error)))?;
        config.ticketer = ring::Ticketer::new().map_err(|error| Error::Tls(format!("no ticket key: {error}")))?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        config.max_early_data_size = 0;
        config.ignore_client_order = true;
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
        Ok(TlsConfig { config: Arc::new(config) })
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").finish_non_exhaustive()
    }
}

/// The first private key of a PEM file.
fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let allowed = "allowed: PEM with BEGIN PRIVATE KEY (or EC PRIVATE KEY, or RSA PRIVATE KEY)";
    let is_encrypted = pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        _ if is_encrypted => format!("the private key is encrypted; {allowed}"),
        pem::Error::NoItemsFound => format!("the private key is none; {allowed}"),
        error => format!("the private key is malformed: {}", of_pem(&error)),
    })
}

/// In the first line of an encrypted key (RFC 7468, section 11), or in its second.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// What is wrong with a file, without its bytes.
fn of_pem(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a BEGIN line without its END line".into(),
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line that is cut short".into(),
        error => error.to_string(),
    }
}

/// What is wrong with certificate and key together.
fn of_pair(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the private key does not fit the first certificate of the chain".into()
        }
        error => format!("the certificate and the private key cannot be used: {error}"),
    }
}

/// ring, with the suites in the order of their cost where the processor knows AES.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite: &SupportedCipherSuite| {
        let name = suite.suite().as_str().unwrap_or_default();
        if name.contains("AES_128_GCM") {
            0
        } else if name.contains("AES_256_GCM") {
            1
        } else {
            2
        }
    });
    provider
}

/// The loop's output buffer: it grows to its largest use and is never cleared by writing zeroes.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    filled: usize,
}

impl Output {
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    pub fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Room behind what is filled, of `length` bytes.
    pub fn space(&mut self, length: usize) -> &mut [u8] {
        let end = self.filled + length;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// Says that this much of the room has been filled.
    pub fn fill(&mut self, length: usize) {
        self.filled = (self.filled + length).min(self.bytes.len());
    }

    pub fn append(&mut self, bytes: &[u8]) {
        self.space(bytes.len()).copy_from_slice(bytes);
        self.fill(bytes.len());
    }
}

/// One connection's TLS.
pub(super) struct Tls {
    connection: UnbufferedServerConnection,
    /// Input that no call has used up: a part of a record, or a fragment of a handshake message.
    kept: Vec<u8>,
    /// Ciphertext that is still to be written.
    pub unsent: Vec<u8>,
    /// The socket refused some of it: it is written before anything else is encrypted.
    pub is_behind: bool,
    /// Something was sent, so the peer may have said all it has to say.
    pub has_answered: bool,
    pub outgoing: Outgoing,
}

/// What may still be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outgoing {
    Open,
    /// We have said that we send no more (RFC 8446, section 6.1), behind all that is unsent.
    Closed,
    /// TLS has failed: what is unsent (the alert, if there is one) is all that will ever be written.
    Failed,
}

/// Why TLS cannot go on. The alert is in the output.
pub(super) struct TlsFailure(String);

impl TlsFailure {
    fn new(cause: impl fmt::Display) -> TlsFailure {
        TlsFailure(cause.to_string())
    }
}

impl From<TlsFailure> for CloseReason {
    fn from(TlsFailure(cause): TlsFailure) -> CloseReason {
        CloseReason::Tls(cause)
    }
}

impl Tls {
    pub fn new(config: &TlsConfig) -> Result<Tls, TlsFailure> {
        match UnbufferedServerConnection::new(config.config.clone()) {
            Ok(connection) => Ok(Tls {
                connection,
                kept: Vec::new(),
                unsent: Vec::new(),
                is_behind: false,
                has_answered: false,
                outgoing: Outgoing::Open,
            }),
            Err(error) => Err(TlsFailure::new(error)),
        }
    }

    /// Moves the kept tail to the front of `buffer`; what is read must follow it.
    pub fn lay_out(&self, buffer: &mut [u8]) -> usize {
        match buffer.get_mut(..self.kept.len()) {
            Some(front) => {
                front.copy_from_slice(&self.kept);
                self.kept.len()
            }
            None => 0,
        }
    }

    /// What is kept of the input, and of the output, in bytes.
    pub fn held(&self) -> usize {
        self.kept.capacity() + self.unsent.capacity()
    }

    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Takes the kept tail and what was read behind it. Plain text is appended to `plain`, and what must be
    /// sent to `out`. Says whether the peer has closed in good order.
    pub fn receive(&mut self, input: &mut [u8], plain: &mut Vec<u8>, out: &mut Output) -> Result<bool, TlsFailure> {
        let mut used = 0;
        let mut closed = false;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = self.connection.process_tls_records(rest);
            let goes_on = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(TlsFailure::new)?;
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    true
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    encode(data, out)?;
                    true
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    self.has_answered = true;
                    true
                }
                Ok(ConnectionState::PeerClosed) => {
                    closed = true;
                    true
                }
                // Early data is not offered, and a state that rustls may add is nothing to wait for.
                Ok(_) => false,
                Err(error) => {
                    used += discard;
                    self.encode_alert(input.get_mut(used..).unwrap_or_default(), out);
                    return Err(TlsFailure::new(error));
                }
            };
            used += discard;
            if !goes_on {
                break;
            }
        }
        // What follows a close_notify is nobody's.
        let rest = if closed { &[][..] } else { input.get(used..).unwrap_or_default() };
        if rest.len() > TLS_KEPT_BYTES {
            return Err(TlsFailure::new("a handshake message in too many pieces"));
        }
        self.kept = rest.to_vec();
        Ok(closed)
    }

    /// Encrypts `plain` behind what is in `out`.
    pub fn encrypt(&mut self, plain: &[u8], out: &mut Output) -> Result<(), TlsFailure> {
        self.with_write_traffic(out, |traffic, out| {
            let mut space = plain.len() + (plain.len() / TLS_PLAIN_BYTES + 1) * TLS_RECORD_OVERHEAD;
            loop {
                match traffic.encrypt(plain, out.space(space)) {
                    Ok(length) => {
                        out.fill(length);
                        return Ok(());
                    }
                    Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                        space = required_size;
                    }
                    Err(error @ EncryptError::EncryptExhausted) => return Err(TlsFailure::new(error)),
                }
            }
        })
    }

    /// Says that we send no more.
    pub fn close_notify(&mut self, out: &mut Output) -> Result<(), TlsFailure> {
        self.with_write_traffic(out, |traffic, out| match traffic.queue_close_notify(out.space(TLS_RECORD_OVERHEAD)) {
            Ok(length) => {
                out.fill(length);
                Ok(())
            }
            Err(error) => Err(TlsFailure::new(error)),
        })
    }

    /// Brings the connection to the state in which it can send.
    fn with_write_traffic(
        &mut self,
        out: &mut Output,
        write: impl Fn(&mut WriteTraffic<'_, rustls::server::ServerConnectionData>, &mut Output) -> Result<(), TlsFailure>,
    ) -> Result<(), TlsFailure> {
        loop {
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(&mut self.kept);
            let result = match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => Some(write(&mut traffic, out)),
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, out).err().map(Err),
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::PeerClosed) => None,
                Ok(_) => Some(Err(TlsFailure::new("not in a state to send"))),
                Err(error) => Some(Err(TlsFailure::new(error))),
            };
            self.kept.drain(..discard.min(self.kept.len()));
            if let Some(result) = result {
                return result;
            }
        }
    }

    /// After an error further calls yield what was to be sent before it, and last the alert that tells the peer.
    /// Not one call more: it would take up the input where it failed.
    fn encode_alert(&mut self, rest: &mut [u8], out: &mut Output) {
        while self.connection.wants_write() {
            let Ok(ConnectionState::EncodeTlsData(data)) = self.connection.process_tls_records(rest).state else {
                return;
            };
            if encode(data, out).is_err() {
                return;
            }
        }
    }
}

fn encode<Data>(mut data: EncodeTlsData<'_, Data>, out: &mut Output) -> Result<(), TlsFailure> {
    let mut space = TLS_PLAIN_BYTES;
    loop {
        match data.encode(out.space(space)) {
            Ok(length) => {
                out.fill(length);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => space = required_size,
            Err(error @ EncodeError::AlreadyEncoded) => return Err(TlsFailure::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    #[test]
    fn a_pair_that_cannot_be_used_is_told_in_words_and_without_its_bytes() {
        let (chain, key) = (include_str!("../../certs/dev-cert.pem"), include_str!("../../certs/dev-key.pem"));
        let (other, public) =
            (include_str!("../../tests/keys/p256-private.pem"), include_str!("../../tests/keys/p256-public.pem"));
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
        let (chain, key) = (include_bytes!("../../certs/dev-cert.pem"), include_bytes!("../../certs/dev-key.pem"));
        let mut server = Tls::new(&TlsConfig::from_pem(chain, key).unwrap()).ok().unwrap();
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
}
