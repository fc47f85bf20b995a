//! `barewire gen-token`: makes a token that the server with the same configuration takes.
//!
//! Not here: what the server asks of a token (the library's `auth`).

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use barewire::Now;
use barewire::auth::{TokenAlgorithm, token_secret};
use barewire::limits::{TOKEN_BYTES, USER_ID_BYTES};
use barewire::wire::message::check_channel;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use ring::{error::KeyRejected, error::Unspecified, hmac};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};

use super::config::Settings;
use super::failure::Failure;
use super::prepare::read;
use super::{answer, credentials};

/// How long a token may be good, at least: `exp` has whole seconds.
pub const TOKEN_LIFE_MIN: Duration = Duration::from_secs(1);
/// And at most: nothing takes a token back.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenToken {
    /// `sub`: the user id.
    pub subject: String,
    /// From now to `exp`, in whole seconds; [`TOKEN_LIFE_MIN`] to [`TOKEN_LIFE_MAX`].
    pub expires: Duration,
    /// `channels`.
    pub channels: Vec<String>,
    /// `publish`; empty: the claim is left out.
    pub publish: Vec<String>,
    /// `subscribe`; empty: the claim is left out.
    pub subscribe: Vec<String>,
    /// PEM file of the private key.
    pub key: Option<PathBuf>,
}

/// Prints a token alone on a line.
pub fn gen_token(settings: &Settings, asked: &GenToken) -> Result<(), Failure> {
    check(asked)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let algorithm = settings.jwt_algorithm;
    let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
    let claims = Value::Object(claims(settings, asked, now.as_secs())).to_string();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(sign(settings, asked, signed.as_bytes())?));
    if token.len() > TOKEN_BYTES {
        return Err(Failure::usage(format!("a token of {} bytes; allowed: up to {TOKEN_BYTES}", token.len())));
    }
    // Whoever has the server's key as well finds out here, not when the token is refused.
    if let (Some((name, path)), Some(tokens)) = (settings.token_key_file(), credentials::tokens(settings)?) {
        let unix_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        tokens.verify(&token, Now { mono_us: 0, unix_ms }).map_err(|reason| {
            Failure::usage(format!("the token would not be good with {name} = {}: {reason}", path.display()))
        })?;
    }
    answer(token)
}

/// What the server would refuse, told before anything is signed.
fn check(asked: &GenToken) -> Result<(), Failure> {
    let sub = asked.subject.as_str();
    if sub.is_empty() || sub.len() > USER_ID_BYTES || sub.contains(char::is_control) {
        let allowed = format!("allowed: 1 to {USER_ID_BYTES} bytes without control characters");
        return Err(Failure::usage(format!("SUB = {sub:?} is no user id; {allowed}")));
    }
    let lists = [("--channel", &asked.channels), ("--publish", &asked.publish), ("--subscribe", &asked.subscribe)];
    for (flag, list) in lists {
        for name in list {
            check_channel(name).map_err(|reason| Failure::usage(format!("{flag} = {name:?}: {reason}")))?;
        }
    }
    Ok(())
}

fn claims(settings: &Settings, asked: &GenToken, now: u64) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| drop(claims.insert(name.into(), value));
    put("sub", asked.subject.as_str().into());
    put("iat", now.into());
    put("exp", now.saturating_add(asked.expires.as_secs()).into());
    for (name, text) in [("aud", &settings.jwt_audience), ("iss", &settings.jwt_issuer)] {
        if let Some(text) = text {
            put(name, text.as_str().into());
        }
    }
    let lists = [("channels", &asked.channels), ("publish", &asked.publish), ("subscribe", &asked.subscribe)];
    for (name, list) in lists {
        if !list.is_empty() {
            put(name, list.clone().into());
        }
    }
    claims
}

fn sign(settings: &Settings, asked: &GenToken, message: &[u8]) -> Result<Vec<u8>, Failure> {
    match (settings.jwt_algorithm, &asked.key, &settings.jwt_secret_file) {
        (TokenAlgorithm::Hs256, None, Some(path)) => {
            let file = read("auth.jwt_secret_file", path)?;
            let secret = token_secret(&file)
                .map_err(|reason| Failure::usage(format!("auth.jwt_secret_file = {}: {reason}", path.display())))?;
            Ok(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec())
        }
        (TokenAlgorithm::Hs256, Some(path), _) => Err(Failure::usage(format!(
            "--key = {}: HS256 signs with auth.jwt_secret_file; allowed: RS256, ES256 or EdDSA as auth.jwt_algorithm",
            path.display()
        ))),
        (TokenAlgorithm::Hs256, None, None) => {
            Err(Failure::usage("gen-token signs HS256 with auth.jwt_secret_file, and there is none"))
        }
        (algorithm, None, _) => {
            Err(Failure::usage(format!("gen-token signs {algorithm} with --key, and there is none")))
        }
        (algorithm, Some(path), _) => {
            let wrong = |reason: &str| {
                let allowed = allowed_key(algorithm);
                Failure::usage(format!("--key = {}: {reason}; allowed with {algorithm}: {allowed}", path.display()))
            };
            let key = PrivateKeyDer::from_pem_slice(&read("--key", path)?)
                .map_err(|_| wrong("no private key, or an encrypted one"))?;
            sign_with(algorithm, key.secret_der(), message).map_err(|reason| wrong(&reason))
        }
    }
}

/// What [`sign_with`] takes.
fn allowed_key(algorithm: TokenAlgorithm) -> &'static str {
    match algorithm {
        TokenAlgorithm::Hs256 => "none",
        TokenAlgorithm::Rs256 => "an RSA key of 2048 to 4096 bits, PEM with BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY",
        TokenAlgorithm::Es256 => {
            "a P-256 key, PEM with BEGIN PRIVATE KEY (openssl pkcs8 -topk8 -nodes makes it of BEGIN EC PRIVATE KEY)"
        }
        TokenAlgorithm::EdDsa => "an Ed25519 key, PEM with BEGIN PRIVATE KEY",
    }
}

/// Signs with a private key (PKCS #8; for RSA, PKCS #1 too).
fn sign_with(algorithm: TokenAlgorithm, key: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
    let random = SystemRandom::new();
    let rejected = |error: KeyRejected| format!("a key that does not fit ({error})");
    let failed = |_: Unspecified| "the key cannot sign".to_owned();
    match algorithm {
        TokenAlgorithm::Rs256 => {
            let key = RsaKeyPair::from_pkcs8(key).or_else(|_| RsaKeyPair::from_der(key)).map_err(rejected)?;
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
            Ok(signature)
        }
        TokenAlgorithm::Es256 => {
            let kind = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let key = EcdsaKeyPair::from_pkcs8(kind, key, &random).map_err(rejected)?;
            Ok(key.sign(&random, message).map_err(failed)?.as_ref().to_vec())
        }
        TokenAlgorithm::EdDsa => {
            let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map_err(rejected)?;
            Ok(key.sign(message).as_ref().to_vec())
        }
        TokenAlgorithm::Hs256 => Err("it takes a secret".into()),
    }
}
