//! Keys of tokens: [`TokenKey`], each for one algorithm, and the signatures behind `jsonwebtoken`, by ring.
//!
//! Not here: what a token says (`token.rs`), signing (`daemon/gen_token.rs`), the reading of files (`daemon/`).

use std::fmt;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::signature::{self as jws, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey};
use ring::{hmac, signature};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{SubjectPublicKeyInfoDer, alg_id};

use crate::limits::{RSA_BITS_MAX, RSA_BITS_MIN, TOKEN_SECRET_BYTES_MIN};

/// How tokens are signed (RFC 7518, section 3.1; RFC 8037). The server knows it beforehand: a token has no say in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256, by a secret that whoever signs has too.
    #[default]
    Hs256,
    /// RSA (PKCS #1, version 1.5) with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// What the signatures of tokens are verified with. Its `Debug` shows the algorithm alone.
#[derive(Clone)]
pub struct TokenKey {
    algorithm: TokenAlgorithm,
    key: DecodingKey,
}

impl TokenAlgorithm {
    /// Every algorithm.
    pub const ALL: [TokenAlgorithm; 4] =
        [TokenAlgorithm::Hs256, TokenAlgorithm::Rs256, TokenAlgorithm::Es256, TokenAlgorithm::EdDsa];

    /// Its name in a token's header: `HS256`, `RS256`, `ES256` or `EdDSA`.
    pub fn name(self) -> &'static str {
        match self {
            TokenAlgorithm::Hs256 => "HS256",
            TokenAlgorithm::Rs256 => "RS256",
            TokenAlgorithm::Es256 => "ES256",
            TokenAlgorithm::EdDsa => "EdDSA",
        }
    }

    pub(super) fn as_jwt(self) -> Algorithm {
        match self {
            TokenAlgorithm::Hs256 => Algorithm::HS256,
            TokenAlgorithm::Rs256 => Algorithm::RS256,
            TokenAlgorithm::Es256 => Algorithm::ES256,
            TokenAlgorithm::EdDsa => Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for TokenAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenKey").field(&self.algorithm).finish()
    }
}

/// The secret in what a secret file holds: its bytes as they are, one trailing newline left out. An error is a reason
/// that does not show it: it has less than [`TOKEN_SECRET_BYTES_MIN`] bytes, or it is a PEM file, most of which are public.
pub fn token_secret(file: &[u8]) -> Result<&[u8], String> {
    let secret = file.strip_suffix(b"\n").unwrap_or(file);
    if secret.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Err("a PEM file is no secret; allowed: random bytes".into());
    }
    if secret.len() < TOKEN_SECRET_BYTES_MIN {
        let bytes = secret.len();
        return Err(format!("a secret of {bytes} bytes; allowed: {TOKEN_SECRET_BYTES_MIN} bytes or more"));
    }
    Ok(secret)
}

impl TokenKey {
    /// A secret for [`TokenAlgorithm::Hs256`], from what its file holds; see [`token_secret`].
    pub fn secret(file: &[u8]) -> Result<TokenKey, String> {
        Ok(TokenKey::new(TokenAlgorithm::Hs256, DecodingKey::from_secret(token_secret(file)?)))
    }

    /// A public key for one of the other algorithms, from a PEM file (`BEGIN PUBLIC KEY`). An error is a reason: there is
    /// no such key in it, or it is one of another kind than `algorithm` needs, or an RSA key of less than [`RSA_BITS_MIN`]
    /// or more than [`RSA_BITS_MAX`] bits.
    pub fn public(algorithm: TokenAlgorithm, pem: &[u8]) -> Result<TokenKey, String> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
            .map_err(|_| "no public key; allowed: a PEM file with BEGIN PUBLIC KEY".to_owned())?;
        let (kind, key) = subject_public_key(&der).ok_or("a malformed public key")?;
        let known = [alg_id::RSA_ENCRYPTION, alg_id::ECDSA_P256, alg_id::ED25519];
        let names = ["an RSA key", "a P-256 key", "an Ed25519 key"];
        let found = known.iter().zip(names).find(|(id, _)| id.as_ref() == kind).map_or("another key", |(_, name)| name);
        let (needed, key) = match algorithm {
            TokenAlgorithm::Hs256 => return Err("a public key; HS256 needs a secret".into()),
            TokenAlgorithm::Rs256 => ("an RSA key", DecodingKey::from_rsa_der(key)),
            TokenAlgorithm::Es256 => ("a P-256 key", DecodingKey::from_ec_der(key)),
            TokenAlgorithm::EdDsa => ("an Ed25519 key", DecodingKey::from_ed_der(key)),
        };
        if found != needed {
            return Err(format!("{found}; {algorithm} needs {needed}"));
        }
        let key = TokenKey::new(algorithm, key);
        key.check()?;
        Ok(key)
    }

    /// The algorithm it is for.
    pub fn algorithm(&self) -> TokenAlgorithm {
        self.algorithm
    }

    pub(super) fn as_jwt(&self) -> &DecodingKey {
        &self.key
    }

    /// From here on `jsonwebtoken` verifies by ring, unless the host has given it another provider before.
    fn new(algorithm: TokenAlgorithm, key: DecodingKey) -> TokenKey {
        // The error is the provider that is there already.
        let _ = PROVIDER.install_default();
        TokenKey { algorithm, key }
    }

    /// Whether the key itself can be one of its kind.
    fn check(&self) -> Result<(), String> {
        let bytes = self.key.try_get_as_bytes().unwrap_or_default();
        let is_well_formed = match self.algorithm {
            TokenAlgorithm::Hs256 => true,
            TokenAlgorithm::Rs256 => match rsa_bits(bytes) {
                Some(bits) if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) => {
                    return Err(format!("an RSA key of {bits} bits; allowed: {RSA_BITS_MIN} to {RSA_BITS_MAX}"));
                }
                Some(_) => true,
                None => false,
            },
            TokenAlgorithm::Es256 => bytes.len() == P256_POINT_BYTES && bytes.first() == Some(&UNCOMPRESSED_POINT),
            TokenAlgorithm::EdDsa => bytes.len() == ED25519_KEY_BYTES,
        };
        if is_well_formed { Ok(()) } else { Err("a malformed public key".into()) }
    }
}

/// An uncompressed point (SEC 1, section 2.3.3): its mark, and two coordinates of 32 bytes.
const UNCOMPRESSED_POINT: u8 = 4;
const P256_POINT_BYTES: usize = 1 + 2 * 32;
const ED25519_KEY_BYTES: usize = 32;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;

/// The algorithm and the key of a SubjectPublicKeyInfo (RFC 5280, section 4.1).
fn subject_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, _) = element(SEQUENCE, der)?;
    let (kind, rest) = element(SEQUENCE, info)?;
    let (bits, _) = element(BIT_STRING, rest)?;
    // The first byte counts the unused bits.
    Some((kind, bits.strip_prefix(&[0])?))
}

/// The size of the modulus of an RSAPublicKey (RFC 8017, appendix A.1.1).
fn rsa_bits(der: &[u8]) -> Option<usize> {
    let (key, _) = element(SEQUENCE, der)?;
    let (modulus, _) = element(INTEGER, key)?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let unused = usize::try_from(modulus.first()?.leading_zeros()).ok()?;
    (modulus.len() * 8).checked_sub(unused)
}

/// The content of the DER element that `input` begins with, if it has this tag, and what is behind it.
fn element(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = input.strip_prefix(&[tag])?;
    let (length, rest) = match rest {
        [length @ 0..=0x7f, rest @ ..] => (usize::from(*length), rest),
        [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// What `jsonwebtoken` verifies with. It signs nothing.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(RingVerifier::new(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

struct RingVerifier {
    algorithm: Algorithm,
    key: Vec<u8>,
}

impl RingVerifier {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> JwtResult<RingVerifier> {
        if algorithm.family() != key.family() {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Ok(RingVerifier { algorithm, key: key.try_get_as_bytes()?.to_vec() })
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), jws::Error> {
        let by_public_key = |algorithm: &'static dyn signature::VerificationAlgorithm| {
            signature::UnparsedPublicKey::new(algorithm, &self.key).verify(message, signature)
        };
        let verified = match self.algorithm {
            Algorithm::HS256 => hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), message, signature),
            Algorithm::RS256 => by_public_key(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::ES256 => by_public_key(&signature::ECDSA_P256_SHA256_FIXED),
            Algorithm::EdDSA => by_public_key(&signature::ED25519),
            _ => Err(ring::error::Unspecified),
        };
        verified.map_err(|_| jws::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
