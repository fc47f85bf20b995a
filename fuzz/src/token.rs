//! Tokens: whatever is signed by nobody, or changed since, is refused.
//!
//! The first byte of the input chooses the algorithm, and what the rest is: a whole token; or a header and claims, with a
//! NUL between them, which are signed here with the keys of the tests. The second byte says where such a token is changed.
//!
//! Not here: where a token stands in a request (`head.rs`, `frames.rs`).

use std::sync::LazyLock;

use barewire::Now;
use barewire::auth::{Identity, TokenAlgorithm, TokenError, TokenKey, Tokens};
use barewire::limits::{TOKEN_BYTES, USER_ID_BYTES};
use barewire::wire::message::check_channel;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, signature};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use super::message::Members;
use super::peer::jwt;

const NOW: Now = Now { mono_us: 0, unix_ms: jwt::NOW * 1000 };
const LEEWAY_MS: f64 = 30_000.0;
const AUDIENCE: &str = "here";
const ISSUER: &str = "there";

const WHOLE: u8 = 4;
const WITH_ORIGIN: u8 = 8;

/// See the module.
pub fn run(input: &[u8]) {
    let [choice, place, rest @ ..] = input else { return };
    let algorithm = TokenAlgorithm::ALL[usize::from(choice & 3)];
    let judges = &JUDGES[usize::from(choice & WITH_ORIGIN != 0)];
    if choice & WHOLE != 0 {
        let token = String::from_utf8_lossy(rest);
        for algorithm in TokenAlgorithm::ALL {
            drop(judges.check(algorithm, &token));
        }
        return;
    }
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(header) = std::str::from_utf8(header) else { return };
    let token = sign(algorithm, header, claims);
    let verdict = judges.check(algorithm, &token);
    let said = || format!("{header} {}: {verdict:?}", String::from_utf8_lossy(claims));
    match expected(algorithm, header, claims, choice & WITH_ORIGIN != 0) {
        Expected::Good => assert!(verdict.is_ok() || token.len() > TOKEN_BYTES, "{}", said()),
        Expected::Bad => assert!(verdict.is_err(), "{}", said()),
        Expected::Open => {}
    }
    for other in TokenAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
        assert!(judges.check(other, &token).is_err(), "taken by {other}, and signed by {algorithm}");
    }
    if verdict.is_ok() {
        change(judges, algorithm, &token, usize::from(*place));
    }
}

/// Those that ask for no audience and no issuer, and those that do.
static JUDGES: LazyLock<[Judges; 2]> = LazyLock::new(|| [false, true].map(Judges::new));

/// A verifier for each algorithm.
struct Judges {
    verifiers: [Tokens; 4],
}

impl Judges {
    fn new(with_origin: bool) -> Judges {
        let verifiers = TokenAlgorithm::ALL.map(|algorithm| {
            let key = match algorithm {
                TokenAlgorithm::Hs256 => TokenKey::secret(jwt::SECRET),
                TokenAlgorithm::Rs256 | TokenAlgorithm::Es256 | TokenAlgorithm::EdDsa => {
                    TokenKey::public(algorithm, jwt::public_key(algorithm))
                }
            };
            let tokens = Tokens::new(key.expect("a key of the tests"));
            if with_origin { tokens.with_audience(AUDIENCE).with_issuer(ISSUER) } else { tokens }
        });
        Judges { verifiers }
    }

    /// The verdict, which is good only for what has three parts, the right algorithm and the right signature.
    fn check(&self, algorithm: TokenAlgorithm, token: &str) -> Result<Identity, TokenError> {
        let place = TokenAlgorithm::ALL.iter().position(|other| *other == algorithm).expect("one of all");
        let verdict = self.verifiers[place].verify(token, NOW);
        if let Ok(identity) = &verdict {
            assert!(token.len() <= TOKEN_BYTES);
            assert!(is_signed(algorithm, token), "taken by {algorithm}, and not signed: {token}");
            let user = identity.user();
            assert!(!user.is_empty() && user.len() <= USER_ID_BYTES && !user.contains(char::is_control), "{user:?}");
            assert!(identity.rights().channels.iter().all(|channel| check_channel(channel).is_ok()));
            assert!(identity.expires_unix_ms().is_some_and(|expires| expires > NOW.unix_ms));
        }
        verdict
    }
}

/// Three parts of base64url, a header that names the algorithm, and its signature, by ring alone.
fn is_signed(algorithm: TokenAlgorithm, token: &str) -> bool {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { return false };
    let decoded = [header, claims, signature].map(|part| URL_SAFE_NO_PAD.decode(part));
    let [Ok(header), Ok(_), Ok(signature)] = decoded else { return false };
    let named = serde_json::from_slice::<Value>(&header).is_ok_and(|header| header["alg"] == algorithm.name());
    let message = &token.as_bytes()[..token.len() - parts[2].len() - 1];
    let by_public_key = |with: &'static dyn signature::VerificationAlgorithm| {
        let info = SubjectPublicKeyInfoDer::from_pem_slice(jwt::public_key(algorithm)).expect("a public key");
        // The key is the last thing in it; how long it is depends on the algorithm.
        let length = match algorithm {
            TokenAlgorithm::Hs256 => 0,
            TokenAlgorithm::Rs256 => info.len() - RSA_PREFIX_BYTES,
            TokenAlgorithm::Es256 => 65,
            TokenAlgorithm::EdDsa => 32,
        };
        let key = &info[info.len() - length..];
        signature::UnparsedPublicKey::new(with, key).verify(message, &signature).is_ok()
    };
    named
        && match algorithm {
            TokenAlgorithm::Hs256 => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, jwt::SECRET), message, &signature).is_ok()
            }
            TokenAlgorithm::Rs256 => by_public_key(&signature::RSA_PKCS1_2048_8192_SHA256),
            TokenAlgorithm::Es256 => by_public_key(&signature::ECDSA_P256_SHA256_FIXED),
            TokenAlgorithm::EdDsa => by_public_key(&signature::ED25519),
        }
}

/// What stands before the key of 2048 bits in its SubjectPublicKeyInfo (RFC 5280, section 4.1).
const RSA_PREFIX_BYTES: usize = 24;

/// What claims and header ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Good,
    Bad,
    /// It hangs on a field that does not count, or on what one parser takes for JSON and another does not.
    Open,
}

/// The rules of `auth/token.rs` for a signed token, once more.
fn expected(algorithm: TokenAlgorithm, header: &str, claims: &[u8], with_origin: bool) -> Expected {
    let Ok(header) = Members::read(header) else { return Expected::Open };
    let Ok(Ok(claims)) = std::str::from_utf8(claims).map(Members::read) else { return Expected::Open };
    let named = header.member("alg").is_some_and(|name| name == algorithm.name());
    if !named || header.member("crit").is_some() || !has_good_claims(&claims, with_origin) {
        return Expected::Bad;
    }
    let is_plain = header.names().all(|name| name == "alg") && header.names().count() == 1;
    if is_plain { Expected::Good } else { Expected::Open }
}

fn has_good_claims(claims: &Members, with_origin: bool) -> bool {
    const KNOWN: [&str; 8] = ["sub", "exp", "nbf", "aud", "iss", "channels", "publish", "subscribe"];
    let is_once = |name: &&str| claims.names().filter(|own| own == name).count() <= 1;
    let is_user = |sub: &str| !sub.is_empty() && sub.len() <= USER_ID_BYTES && !sub.contains(char::is_control);
    // More than a clock can count is no time; the largest whole number is.
    let is_time = |value: &Value, seconds: f64| value.is_u64() || (0.0..u64::MAX as f64).contains(&seconds);
    let time = |name| claims.member(name).map(|value| value.as_f64().filter(|seconds| is_time(&value, *seconds)));
    let now = NOW.unix_ms as f64;
    let is_name = |name: &Value| name.as_str().is_some_and(|name| check_channel(name).is_ok());
    let is_list =
        |name| claims.member(name).is_none_or(|list| list.as_array().is_some_and(|list| list.iter().all(is_name)));
    let audience = match (claims.member("aud"), with_origin) {
        (None, is_asked) => !is_asked,
        (Some(Value::String(one)), true) => one == AUDIENCE,
        (Some(Value::Array(several)), true) => {
            several.iter().all(Value::is_string) && several.iter().any(|one| one == AUDIENCE)
        }
        (Some(_), _) => false,
    };
    let issuer = claims.member("iss");
    KNOWN.iter().all(is_once)
        && claims.member("sub").is_some_and(|sub| sub.as_str().is_some_and(is_user))
        && time("exp").flatten().is_some_and(|exp| exp * 1000.0 + LEEWAY_MS > now)
        && time("nbf").is_none_or(|nbf| nbf.is_some_and(|nbf| nbf * 1000.0 - LEEWAY_MS <= now))
        && audience
        && issuer.map_or(!with_origin, |issuer| issuer.as_str().is_some_and(|issuer| !with_origin || issuer == ISSUER))
        && ["channels", "publish", "subscribe"].into_iter().all(is_list)
}

/// A token with one character more, less, or another, is none.
fn change(judges: &Judges, algorithm: TokenAlgorithm, token: &str, place: usize) {
    let at = place * token.len() / (usize::from(u8::MAX) + 1);
    let (before, behind) = token.split_at(at);
    let (own, behind) = behind.split_at(1);
    for instead in ["", "A", "B", "_", ".", "=", " ", &own.repeat(2), &format!("{own}."), &format!("{own}\n")] {
        if instead != own {
            let changed = format!("{before}{instead}{behind}");
            let verdict = judges.check(algorithm, &changed);
            assert!(verdict.is_err(), "{token} changed to {changed} is taken");
        }
    }
}

fn sign(algorithm: TokenAlgorithm, header: &str, claims: &[u8]) -> String {
    jwt::signed(algorithm, jwt::signing_key(algorithm), header, claims)
}
