//! Tokens: a JWT (RFC 7519) in, an [`Identity`] out, or the reason why not.
//!
//! A token has the configured algorithm, a good signature, no `crit` header (none is understood; RFC 7515, section
//! 4.1.11), `sub` and `exp`; `nbf`, `aud`, `iss` hold where they are there, and `aud` and `iss` are needed where they are
//! configured. A claim that is read here is of its type and stands there once. What else the token holds does not
//! count: no key in it, and no name of one, is looked at.
//!
//! A token without `exp` would be good for as long as its key is, and nothing could take it back: it is refused.
//!
//! Not here: signatures and keys (`key.rs`), where a token comes from (`methods.rs`), what rights do (`app/router.rs`).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode};
use serde::de::{Error, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Identity, Patterns, Rights, TokenKey};
use crate::limits::{TOKEN_BYTES, TOKEN_LEEWAY_DEFAULT, TOKEN_LEEWAY_MAX, USER_ID_BYTES};
use crate::time::Now;
use crate::wire::message::check_channel;

/// Verifies tokens.
#[derive(Debug, Clone)]
pub struct Tokens {
    key: TokenKey,
    audience: Option<String>,
    issuer: Option<String>,
    leeway_ms: u64,
    validation: Validation,
}

/// Why a token is no good. `Display` is for the operator: the peer is told nothing but that it is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// More than [`TOKEN_BYTES`].
    TooLong,
    /// Not three parts of base64url, or its header cannot be read.
    Malformed,
    /// Another algorithm than the configured one.
    Algorithm,
    /// It was not signed with this key, or changed since.
    Signature,
    /// A `crit` header.
    Critical,
    /// A claim is missing, of another type, or there twice.
    Claims,
    /// Past `exp` and the leeway.
    Expired,
    /// Before `nbf`, the leeway allowed for.
    NotYetValid,
    /// Its `aud` is not the configured one, or there is one and none is configured (RFC 7519, section 4.1.3).
    Audience,
    /// Its `iss` is not the configured one.
    Issuer,
    /// Its `sub` cannot be a user id.
    Subject,
    /// One of its `channels` is no name of a channel, or one of `publish` and `subscribe` no pattern.
    Rights,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenError::TooLong => "it is too long",
            TokenError::Malformed => "it is malformed",
            TokenError::Algorithm => "it has another algorithm",
            TokenError::Signature => "its signature is wrong",
            TokenError::Critical => "it has a crit header",
            TokenError::Claims => "a claim is missing, repeated, or of another type",
            TokenError::Expired => "it has expired",
            TokenError::NotYetValid => "it is not valid yet",
            TokenError::Audience => "it is for another audience",
            TokenError::Issuer => "it is from another issuer",
            TokenError::Subject => "its sub is no user id",
            TokenError::Rights => "its channels or rights are malformed",
        })
    }
}

impl std::error::Error for TokenError {}

/// The claims that count.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: NumericDate,
    #[serde(default, deserialize_with = "given")]
    nbf: Option<NumericDate>,
    #[serde(default, deserialize_with = "given")]
    aud: Option<Audience>,
    #[serde(default, deserialize_with = "given")]
    iss: Option<String>,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default, deserialize_with = "given")]
    publish: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    subscribe: Option<Vec<String>>,
}

/// The part of a header that `jsonwebtoken` does not judge.
#[derive(Deserialize)]
struct Protected {
    #[serde(default, deserialize_with = "given")]
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Milliseconds since 1970; in a token, seconds, perhaps with a fraction (RFC 7519, section 2).
struct NumericDate(u64);

impl Tokens {
    /// Tokens signed with this key, for any audience that they do not name, from any issuer, with a leeway of
    /// [`TOKEN_LEEWAY_DEFAULT`].
    pub fn new(key: TokenKey) -> Tokens {
        let mut validation = Validation::new(key.algorithm().as_jwt());
        // Times are judged here, by the time of the attempt; that crate reads a clock of its own.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let tokens = Tokens { key, audience: None, issuer: None, leeway_ms: 0, validation };
        tokens.with_leeway(TOKEN_LEEWAY_DEFAULT)
    }

    /// The same, but `aud` must be there, and be or hold this.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Tokens {
        self.audience = Some(audience.into());
        self
    }

    /// The same, but `iss` must be there, and be this.
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Tokens {
        self.issuer = Some(issuer.into());
        self
    }

    /// The same with another leeway, at most [`TOKEN_LEEWAY_MAX`].
    pub fn with_leeway(mut self, leeway: Duration) -> Tokens {
        self.leeway_ms = u64::try_from(leeway.min(TOKEN_LEEWAY_MAX).as_millis()).unwrap_or_default();
        self
    }

    /// Whose token it is, at this moment of the wall clock. The identity is good as long as the token is: until `exp` and
    /// the leeway, so that nobody comes in and is sent away at once.
    pub fn verify(&self, token: &str, now: Now) -> Result<Identity, TokenError> {
        if token.len() > TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let claims: Claims = match decode(token, self.key.as_jwt(), &self.validation) {
            Ok(data) => data.claims,
            Err(error) => return Err(reason(error.kind(), token)),
        };
        let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
        let header: Option<Protected> = header.and_then(|header| serde_json::from_slice(&header).ok());
        if header.ok_or(TokenError::Malformed)?.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let expires = claims.exp.0.saturating_add(self.leeway_ms);
        if now.unix_ms >= expires {
            return Err(TokenError::Expired);
        }
        if claims.nbf.as_ref().is_some_and(|nbf| nbf.0 > now.unix_ms.saturating_add(self.leeway_ms)) {
            return Err(TokenError::NotYetValid);
        }
        self.check_origin(&claims)?;
        let sub = claims.sub.as_str();
        if sub.is_empty() || sub.len() > USER_ID_BYTES || sub.contains(char::is_control) {
            return Err(TokenError::Subject);
        }
        let identity = Identity::new(sub).expiring(expires);
        Ok(identity.with_rights(rights(claims)?))
    }

    fn check_origin(&self, claims: &Claims) -> Result<(), TokenError> {
        let is_for_us = match (&self.audience, &claims.aud) {
            (None, None) => true,
            (Some(ours), Some(Audience::One(one))) => one == ours,
            (Some(ours), Some(Audience::Several(several))) => several.contains(ours),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_for_us {
            return Err(TokenError::Audience);
        }
        match &self.issuer {
            Some(ours) if claims.iss.as_ref() != Some(ours) => Err(TokenError::Issuer),
            Some(_) | None => Ok(()),
        }
    }
}

fn rights(claims: Claims) -> Result<Rights, TokenError> {
    let given = [Some(&claims.channels), claims.publish.as_ref(), claims.subscribe.as_ref()];
    // A pattern is a name with stars in it.
    if given.into_iter().flatten().flatten().any(|name| check_channel(name).is_err()) {
        return Err(TokenError::Rights);
    }
    let patterns = |list: Option<Vec<String>>| list.map(Patterns::only).unwrap_or_default();
    Ok(Rights { channels: claims.channels, publish: patterns(claims.publish), subscribe: patterns(claims.subscribe) })
}

/// A token whose signature is good fails, if at all, for its claims.
fn reason(kind: &ErrorKind, token: &str) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::Json(_) if jsonwebtoken::decode_header(token).is_ok() => TokenError::Claims,
        _ => TokenError::Malformed,
    }
}

/// A field that may be left out, but is no `null`.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NumericDate, D::Error> {
        struct Seconds;
        impl Visitor<'_> for Seconds {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970")
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<NumericDate, E> {
                Ok(NumericDate(seconds.saturating_mul(1000)))
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<NumericDate, E> {
                let time = Duration::try_from_secs_f64(seconds).map_err(E::custom)?;
                Ok(NumericDate(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
            }
        }
        deserializer.deserialize_any(Seconds)
    }
}
