//! What we are as a client: whom we trust, and policy.
//!
//! Not here: what is wrong with a certificate, in words (`verification.rs`), one connection (`stream.rs`).

use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;

use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::verification::Unverified;
use super::{certificates, provider};
use crate::error::Error;
use crate::limits::TLS_CLIENT_SESSIONS;

/// A client's side of TLS: whom it trusts and policy, shared by all connections that are made with it. Cheap to clone.
///
/// TLS 1.3 and 1.2 with AEAD suites, AES-128-GCM first; sessions are resumed as long as they are remembered (in memory,
/// [`TLS_CLIENT_SESSIONS`] servers), no early data; ALPN `http/1.1`. The server is asked for by the name that is connected
/// to (none is sent for an address), and its certificate must be for that name or address.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// Whether the server's certificate is looked at at all.
    verifies: bool,
    /// How a connection is made. Nothing but this names the client's half of rustls, so that the linker leaves that half (180 KB
    /// of machine code) out of a program that never makes a `ClientTls`.
    begin: fn(Arc<ClientConfig>, ServerName<'static>) -> Result<UnbufferedClientConnection, rustls::Error>,
}

impl ClientTls {
    /// Trusts the authorities that the system trusts; where the variable `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, those in
    /// there instead. Reads files: make it once, not for each connection. It is an error if there are none at all; those that
    /// cannot be read or used are left out.
    #[cfg(feature = "native-roots")]
    pub fn system() -> Result<ClientTls, Error> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(found.certs);
        if taken == 0 {
            let cause = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            return Err(Error::Tls(format!(
                "the system trusts no authority that could be used{cause}; SSL_CERT_FILE may name a file of some"
            )));
        }
        ClientTls::new(roots)
    }

    /// Trusts these as [`ClientTls::with_roots`] does, beside those that the system trusts, be there any or not.
    #[cfg(feature = "native-roots")]
    pub fn system_and(pem: &[u8]) -> Result<ClientTls, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        add(&mut roots, pem)?;
        ClientTls::new(roots)
    }

    /// Trusts the authorities in this PEM file, and no others; or a server's own certificate, where it signed that itself.
    /// An error says in one sentence what is wrong with the file, and never what is in it.
    pub fn with_roots(pem: &[u8]) -> Result<ClientTls, Error> {
        let mut roots = RootCertStore::empty();
        add(&mut roots, pem)?;
        ClientTls::new(roots)
    }

    /// **Trusts whoever answers**: anyone on the way to the server can pose as it, read all that is sent and change it, and
    /// gets the credentials that were meant for the server. For tests and for looking at a machine of one's own; for a
    /// certificate that one made oneself there is [`ClientTls::with_roots`]. Each connection made with it is a warning in the
    /// log. That the server has the key of the certificate it shows is still checked.
    pub fn dangerous_without_verification() -> Result<ClientTls, Error> {
        let mut tls = ClientTls::new(RootCertStore::empty())?;
        let config = Arc::make_mut(&mut tls.config);
        config.dangerous().set_certificate_verifier(Arc::new(Unverified::new(provider())));
        tls.verifies = false;
        Ok(tls)
    }

    /// The same, but each handshake is a whole one: no session is remembered, and none is resumed. It costs both ends more; it
    /// shows what a newcomer costs, and gives no sign that two connections are of one client.
    #[must_use]
    pub fn without_resumption(mut self) -> ClientTls {
        Arc::make_mut(&mut self.config).resumption = Resumption::disabled();
        self
    }

    /// The same, with a memory of its own: it resumes no session that this one has made, nor this one any of its. It is for
    /// many connections to one server, each of which stands for a client of its own: one memory holds only a few sessions of a
    /// server.
    #[must_use]
    pub fn remembering_apart(&self) -> ClientTls {
        let mut apart = self.clone();
        Arc::make_mut(&mut apart.config).resumption = Resumption::in_memory_sessions(TLS_CLIENT_SESSIONS);
        apart
    }

    /// TLS over `stream`, a blocking one that is connected to the server of this name or address, for those who ask one question
    /// and have no loop. The handshake is part of the first read or write; what TLS has against it is an error of the kind
    /// `InvalidData`. An error here: `host` is no name.
    pub fn stream<S: Read + Write>(&self, host: &str, stream: S) -> Result<impl Read + Write + use<S>, Error> {
        let cannot = |error: &dyn fmt::Display| Error::Tls(format!("no TLS with `{host}`: {error}"));
        let name = ServerName::try_from(host.to_owned()).map_err(|error| cannot(&error))?;
        self.warn(&name);
        let connection = ClientConnection::new(self.config.clone(), name).map_err(|error| cannot(&error))?;
        Ok(StreamOwned::new(connection, stream))
    }

    fn new(roots: RootCertStore) -> Result<ClientTls, Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Tls(format!("TLS cannot be used: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(TLS_CLIENT_SESSIONS);
        config.enable_early_data = false;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(ClientTls { config: Arc::new(config), verifies: true, begin: UnbufferedClientConnection::new })
    }

    /// One connection of the loop's.
    pub(super) fn begin(&self, name: ServerName<'static>) -> Result<UnbufferedClientConnection, rustls::Error> {
        self.warn(&name);
        (self.begin)(self.config.clone(), name)
    }

    /// Of a connection that could be to anybody.
    fn warn(&self, name: &ServerName<'_>) {
        if !self.verifies {
            log::warn!("the certificate of {} is not verified: whoever answers is trusted", name.to_str());
        }
    }
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), Error> {
    for certificate in certificates(pem, "the file of authorities").map_err(Error::Tls)? {
        roots.add(certificate).map_err(|error| {
            Error::Tls(format!("the file of authorities holds a certificate that cannot be used: {error}"))
        })?;
    }
    Ok(())
}

/// Without content: whom one trusts is nobody's business.
impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}
