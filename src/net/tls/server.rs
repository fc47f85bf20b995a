//! What we are as a server: certificate, key and policy.
//!
//! Not here: the policy as a client (`client.rs`), one connection (`stream.rs`).

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::server::NoServerSessionStorage;
use rustls::{InconsistentKeys, ServerConfig};

use super::{certificates, of_pem, provider};
use crate::error::Error;

/// A server's side of TLS: certificate, key and policy, shared by all connections.
///
/// TLS 1.3 and 1.2 with AEAD suites, AES-128-GCM first; one stateless ticket a connection, no session
/// cache, no early data; ALPN `http/1.1`, else `http/1.0`.
#[derive(Clone)]
pub struct TlsConfig {
    pub(super) config: Arc<ServerConfig>,
}

impl TlsConfig {
    /// From a certificate chain (leaf first) and its private key, both PEM; of the key's file the first key counts. An
    /// error says which of the two it is about, and never what is in it.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<TlsConfig, Error> {
        let chain = certificates(chain, "the certificate chain").map_err(Error::Tls)?;
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

/// What is wrong with certificate and key together.
fn of_pair(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the private key does not fit the first certificate of the chain".into()
        }
        error => format!("the certificate and the private key cannot be used: {error}"),
    }
}
