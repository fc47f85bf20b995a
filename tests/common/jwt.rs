//! Tokens as an issuer makes them, good and bad, by ring alone.
//!
//! Not here: what the server makes of them (`../authentication/tokens.rs`).

use barewire::auth::{TokenAlgorithm, TokenKey, Tokens};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

/// Of HS256, as long as it must be.
pub const SECRET: &[u8] = b"canary-secret-of-32-bytes-for-hs";
pub const RSA_PUBLIC: &[u8] = include_bytes!("../keys/rsa-public.pem");
pub const P256_PUBLIC: &[u8] = include_bytes!("../keys/p256-public.pem");
pub const ED25519_PUBLIC: &[u8] = include_bytes!("../keys/ed25519-public.pem");
const RSA_PRIVATE: &[u8] = include_bytes!("../keys/rsa-private.pem");
const P256_PRIVATE: &[u8] = include_bytes!("../keys/p256-private.pem");
const ED25519_PRIVATE: &[u8] = include_bytes!("../keys/ed25519-private.pem");

/// The moment at which a world begins, in seconds.
pub const NOW: u64 = 1_795_000_000;

/// What verifies [`token`].
pub fn tokens() -> Tokens {
    Tokens::new(TokenKey::secret(SECRET).expect("a secret"))
}

/// The public key of an algorithm that has one.
pub fn public_key(algorithm: TokenAlgorithm) -> &'static [u8] {
    match algorithm {
        TokenAlgorithm::Hs256 => panic!("HS256 has a secret"),
        TokenAlgorithm::Rs256 => RSA_PUBLIC,
        TokenAlgorithm::Es256 => P256_PUBLIC,
        TokenAlgorithm::EdDsa => ED25519_PUBLIC,
    }
}

/// A token with these claims, good for a minute if they say nothing of it: `"sub":"bob"` and the like.
pub fn token(claims: &str) -> String {
    let exp = if claims.contains("\"exp\"") { String::new() } else { format!(r#","exp":{}"#, NOW + 60) };
    raw(r#"{"alg":"HS256","typ":"JWT"}"#, &format!("{{{claims}{exp}}}"))
}

/// HS256 over this header and these claims, as they are.
pub fn raw(header: &str, claims: &str) -> String {
    signed(TokenAlgorithm::Hs256, SECRET, header, claims.as_bytes())
}

/// A token of `bob` with the header and the signature of this algorithm, by the private key of the tests.
pub fn by(algorithm: TokenAlgorithm) -> String {
    let header = format!(r#"{{"alg":"{algorithm}"}}"#);
    let claims = format!(r#"{{"sub":"bob","exp":{}}}"#, NOW + 60);
    signed(algorithm, signing_key(algorithm), &header, claims.as_bytes())
}

/// The secret, or the private key as PEM.
pub fn signing_key(algorithm: TokenAlgorithm) -> &'static [u8] {
    match algorithm {
        TokenAlgorithm::Hs256 => SECRET,
        TokenAlgorithm::Rs256 => RSA_PRIVATE,
        TokenAlgorithm::Es256 => P256_PRIVATE,
        TokenAlgorithm::EdDsa => ED25519_PRIVATE,
    }
}

/// Signs with a secret, or with a private key as PEM, whatever the header says.
pub fn signed(algorithm: TokenAlgorithm, key: &[u8], header: &str, claims: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let (bytes, random) = (message.as_bytes(), SystemRandom::new());
    let private = || PrivateKeyDer::from_pem_slice(key).expect("a private key");
    let signature = match algorithm {
        TokenAlgorithm::Hs256 => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref().to_vec(),
        TokenAlgorithm::Rs256 => {
            let pair = RsaKeyPair::from_pkcs8(private().secret_der()).expect("an RSA key");
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).expect("a signature");
            signature
        }
        TokenAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private().secret_der(), &random);
            pair.expect("a P-256 key").sign(&random, bytes).expect("a signature").as_ref().to_vec()
        }
        TokenAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(private().secret_der()).expect("an Ed25519 key");
            pair.sign(bytes).as_ref().to_vec()
        }
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
