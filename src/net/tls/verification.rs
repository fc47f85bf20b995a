//! What is wrong with a server's certificate, in words for who operates the client; and the verifier that sees nothing
//! wrong with any.
//!
//! Not here: who is trusted (`client.rs`).

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// One sentence. What the certificate says of itself is not repeated: it is of somebody nobody knows.
pub fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::NotValidForNameContext { expected, .. } => {
            format!("the server's certificate is for other names than `{}`", expected.to_str())
        }
        CertificateError::NotValidForName => "the server's certificate is for other names".into(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate, or one that vouches for it, has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate, or one that vouches for it, is not valid yet".into()
        }
        CertificateError::UnknownIssuer => "the server's certificate is signed by nobody that is trusted here".into(),
        CertificateError::BadSignature => {
            "the server's certificate is not signed by whom it says, or its key is another".into()
        }
        // Such as a self-signed one of the name of an authority that is trusted: Debian's own of `localhost`.
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the server's certificate is not signed by whom it says, or in a way that is not known here".into()
        }
        CertificateError::BadEncoding => "the server's certificate is malformed".into(),
        CertificateError::Revoked => "the server's certificate has been revoked".into(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not meant for servers".into()
        }
        // Such as one that may sign others and names its server at once, as `openssl req -x509` makes them.
        error if format!("{error:?}").contains("CaUsedAsEndEntity") => {
            "the server's certificate is an authority's own (CA:TRUE), and none for a server".into()
        }
        error => format!("the server's certificate cannot be used: {error}"),
    }
}

/// Takes every certificate, but only from who has its key.
#[derive(Debug)]
pub struct Unverified {
    algorithms: WebPkiSupportedAlgorithms,
}

impl Unverified {
    pub fn new(provider: CryptoProvider) -> Unverified {
        Unverified { algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
