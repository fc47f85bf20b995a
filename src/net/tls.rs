//! TLS over the loop's shared buffers, for both ends: what we are as a server and as a client, and one connection's
//! records.
//!
//! Not here: reading and writing (`net/connection.rs`); files of certificates (`daemon/`).

mod client;
mod server;
mod stream;
mod verification;

pub use client::ClientTls;
pub use server::TlsConfig;
pub(super) use stream::{Outgoing, Output, Tls};

use rustls::SupportedCipherSuite;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

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

/// Every certificate of a PEM file, at least one. `of` is what the file is, for the sentence that says what is wrong.
fn certificates(pem: &[u8], of: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{of} is malformed: {}", of_pem(&error)))?;
    if certificates.is_empty() {
        return Err(format!("{of} holds none; allowed: PEM with BEGIN CERTIFICATE"));
    }
    Ok(certificates)
}

/// What is wrong with a file, without its bytes.
fn of_pem(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a BEGIN line without its END line".into(),
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line that is cut short".into(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
