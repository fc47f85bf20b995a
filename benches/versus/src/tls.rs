//! TLS as barewire does it: rustls on ring, 1.3 and 1.2, AES-128-GCM first, the development certificate, one stateless
//! ticket a connection, no session cache.
//!
//! Not here: who accepts (`listening.rs`).

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{CipherSuite, ServerConfig};

const CHAIN: &[u8] = include_bytes!("../../../certs/dev-cert.pem");
const KEY: &[u8] = include_bytes!("../../../certs/dev-key.pem");

/// What all connections share.
pub fn config() -> Arc<ServerConfig> {
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 0,
        _ => 1,
    });
    let chain = CertificateDer::pem_slice_iter(CHAIN).collect::<Result<_, _>>().expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .expect("a certificate and its key");
    config.ticketer = ring::Ticketer::new().expect("a ticket key");
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
