//! What must hold between the settings, whatever source each came from: a pair is whole, something listens, and
//! nothing that the whole world knows or can overhear guards an address that the world can reach, and no peer breaks a
//! limit by doing what it is asked.
//!
//! Not here: whether one value fits its own key (`keys.rs`).

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::{ConfigError, Method, Settings};
use barewire::app::Router;
use barewire::auth::TokenAlgorithm;

/// The first contradiction, if any: one line that names the keys and values.
pub fn check(settings: &Settings) -> Result<(), ConfigError> {
    pair_is_whole(settings)?;
    something_listens(settings)?;
    listeners_differ(settings)?;
    page_can_be_seen(settings)?;
    token_key_fits(settings)?;
    certificate_is_not_public(settings)?;
    user_is_not_public(settings)?;
    credentials_are_not_overheard(settings)?;
    pongs_are_not_too_many(settings)
}

fn pair_is_whole(settings: &Settings) -> Result<(), ConfigError> {
    let sentence = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), None) => format!("tls.cert = {cert:?} without tls.key; allowed: both or neither"),
        (None, Some(key)) => format!("tls.key = {key:?} without tls.cert; allowed: both or neither"),
        (Some(_), Some(_)) | (None, None) => return Ok(()),
    };
    Err(ConfigError::new(sentence))
}

fn something_listens(settings: &Settings) -> Result<(), ConfigError> {
    if settings.listen.is_empty() && settings.plain_listen.is_empty() {
        let sentence = "server.listen and server.plain_listen are both empty; at least one must name an address";
        return Err(ConfigError::new(sentence));
    }
    Ok(())
}

/// Port 0 is another one each time.
fn listeners_differ(settings: &Settings) -> Result<(), ConfigError> {
    let secure = settings.listen.iter().map(|address| ("server.listen", address));
    let plain = settings.plain_listen.iter().map(|address| ("server.plain_listen", address));
    let mut seen = BTreeSet::new();
    match secure.chain(plain).find(|(_, address)| address.port() != 0 && !seen.insert(**address)) {
        Some((key, address)) => Err(ConfigError::new(format!(
            "{key} = {address}: there is a listener at this address already; allowed: another address or port"
        ))),
        None => Ok(()),
    }
}

/// A plain request of the endpoint is told to upgrade, so no file can be there.
fn page_can_be_seen(settings: &Settings) -> Result<(), ConfigError> {
    let path = &settings.path;
    if settings.page && Router::serves_file(path) {
        return Err(ConfigError::new(format!(
            "server.path = {path:?}: a file of the console is there; allowed: another path, nothing (every path \
             upgrades), or server.page = false"
        )));
    }
    Ok(())
}

/// One key at most, of the kind that the algorithm needs; and one at all, where nothing but tokens is taken.
fn token_key_fits(settings: &Settings) -> Result<(), ConfigError> {
    let algorithm = settings.jwt_algorithm;
    let is_secret = algorithm == TokenAlgorithm::Hs256;
    let sentence = match (&settings.jwt_secret_file, &settings.jwt_public_key_file) {
        (Some(secret), Some(key)) => {
            format!("auth.jwt_secret_file = {secret:?} and auth.jwt_public_key_file = {key:?}; allowed: one of them")
        }
        (Some(secret), None) if !is_secret => format!(
            "auth.jwt_secret_file = {secret:?} with auth.jwt_algorithm = {algorithm}; allowed: \
             auth.jwt_public_key_file, or HS256"
        ),
        (None, Some(key)) if is_secret => format!(
            "auth.jwt_public_key_file = {key:?} with auth.jwt_algorithm = {algorithm}; allowed: auth.jwt_secret_file, or \
             RS256, ES256 or EdDSA"
        ),
        (None, None) if settings.methods == [Method::Bearer] => {
            "auth.methods = bearer without a key; set auth.jwt_secret_file or auth.jwt_public_key_file".into()
        }
        (Some(_), None) | (None, Some(_) | None) => return Ok(()),
    };
    Err(ConfigError::new(sentence))
}

fn certificate_is_not_public(settings: &Settings) -> Result<(), ConfigError> {
    if settings.uses_development_certificate() {
        let reason = "the development certificate is only for loopback addresses; set tls.cert and tls.key";
        only_loopback("server.listen", &settings.listen, reason)?;
    }
    Ok(())
}

fn user_is_not_public(settings: &Settings) -> Result<(), ConfigError> {
    if settings.uses_default_user() {
        let reason =
            "the default user is only for loopback addresses; set another by --user name:password or a users file";
        only_loopback("server.listen", &settings.listen, reason)?;
        only_loopback("server.plain_listen", &settings.plain_listen, reason)?;
    }
    Ok(())
}

fn credentials_are_not_overheard(settings: &Settings) -> Result<(), ConfigError> {
    if !settings.methods.is_empty() && !settings.allow_plain {
        let reason = "credentials would cross the network in the clear; auth.allow_plain = true accepts that";
        only_loopback("server.plain_listen", &settings.plain_listen, reason)?;
    }
    Ok(())
}

fn pongs_are_not_too_many(settings: &Settings) -> Result<(), ConfigError> {
    let limits = &settings.limits;
    match limits.least_heartbeat_interval() {
        Some(least) if limits.heartbeat_interval < least => Err(ConfigError::new(format!(
            "heartbeat.interval = {:?} with limits.control_frames_per_second = {}: the answers to its pings would be too \
             many; allowed: at least {least:?}",
            limits.heartbeat_interval, limits.control_frames_per_second
        ))),
        Some(_) | None => Ok(()),
    }
}

fn only_loopback(key: &str, addresses: &[SocketAddr], reason: &str) -> Result<(), ConfigError> {
    // An IPv4 address in IPv6 clothes (::ffff:127.0.0.1) is judged as what it is.
    match addresses.iter().find(|address| !address.ip().to_canonical().is_loopback()) {
        Some(address) => Err(ConfigError::new(format!("{key} = {address}: {reason}"))),
        None => Ok(()),
    }
}
