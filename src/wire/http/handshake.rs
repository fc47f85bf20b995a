//! The client's half of the opening handshake (RFC 6455, section 4.1): the request that asks for a WebSocket. What goes on
//! the wire is decided in [`UpgradeRequest::encode`] alone, so nothing can forge a header line.
//!
//! Not here: the answer (`response_head.rs`, `switch.rs`), what is offered of extensions
//! (`wire/deflate.rs`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::authority::Authority;
use super::grammar::is_token;
use super::head::is_target_text;
use super::upgrade::{KEY_BYTES, accept_key};
use crate::limits::{HEADERS_MAX, LIST_ITEMS, UPGRADE_REQUEST_BYTES};
use crate::wire::url::Url;

/// The headers that [`UpgradeRequest::encode`] alone writes, and those that say something of a body or of this connection.
/// So do all that begin with [`OWN_PREFIX`].
const OWN_HEADERS: [&str; 11] = [
    "Host",
    "Upgrade",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
    "Expect",
    "TE",
    "Trailer",
    "Keep-Alive",
    "Proxy-Connection",
    "HTTP2-Settings",
];
const OWN_PREFIX: &str = "Sec-WebSocket-";

/// A request for a WebSocket. Its `Debug` shows neither the query, nor offers, nor a header's value: a credential may be
/// among them.
#[derive(Clone, PartialEq, Eq)]
pub struct UpgradeRequest {
    /// For `Host`: a host, with its port where that is not the scheme's. An IPv6 address has its brackets.
    pub authority: String,
    /// Path and query.
    pub target: String,
    /// The subprotocols to offer, the preferred one first.
    pub protocols: Vec<String>,
    /// More headers, by name and value; `Authorization`, `Origin`, `Cookie` and the like.
    pub headers: Vec<(String, String)>,
}

impl UpgradeRequest {
    /// For what this URL names. It offers no subprotocol and has no further headers.
    pub fn to(url: &Url) -> UpgradeRequest {
        let (authority, target) = (url.authority(), url.target().to_owned());
        UpgradeRequest { authority, target, protocols: Vec::new(), headers: Vec::new() }
    }

    /// `Ok`, or one sentence that names the field and what is allowed, and nothing that may be secret.
    ///
    /// The authority is `host` or `host:port`; the target a path with or without a query, of the characters that RFC 3986
    /// has for it, whole percent-escapes and no fragment; a subprotocol a token, at most [`LIST_ITEMS`] of them and none
    /// twice; a header's name a token that comes once and is not one of the handshake's own, its value without control
    /// characters but HTAB, at most [`HEADERS_MAX`] of them; and all of these texts together at most
    /// [`UPGRADE_REQUEST_BYTES`].
    pub fn check(&self) -> Result<(), String> {
        if Authority::parse(&self.authority).is_none() {
            return Err(format!(
                "UpgradeRequest::authority = {:?}; allowed: host or host:port",
                shown_authority(&self.authority)
            ));
        }
        if !self.target.starts_with('/') || !is_target_text(self.target.as_bytes()) {
            return Err(format!(
                "UpgradeRequest::target = {:?}; allowed: a path, with or without a query, in ASCII and percent-escapes",
                shown_target(&self.target)
            ));
        }
        self.check_protocols()?;
        self.check_headers()?;
        let offers = self.protocols.iter().map(String::len);
        let lines = self.headers.iter().map(|(name, value)| name.len() + value.len());
        let bytes = self.authority.len() + self.target.len() + offers.chain(lines).sum::<usize>();
        if bytes > UPGRADE_REQUEST_BYTES {
            return Err(format!("an UpgradeRequest of {bytes} bytes of text; allowed: {UPGRADE_REQUEST_BYTES}"));
        }
        Ok(())
    }

    /// Offers are named by their place: one may be a token.
    fn check_protocols(&self) -> Result<(), String> {
        let protocols = self.protocols.iter();
        if protocols.len() > LIST_ITEMS {
            return Err(format!("{} UpgradeRequest::protocols; allowed: {LIST_ITEMS}", protocols.len()));
        }
        for (place, offer) in protocols.enumerate() {
            if !is_token(offer.as_bytes()) {
                return Err(format!(
                    "UpgradeRequest::protocols[{place}] is no token; allowed: letters, digits, !#$%&'*+-.^_`|~"
                ));
            }
            if self.protocols.iter().take(place).any(|earlier| earlier == offer) {
                return Err(format!("UpgradeRequest::protocols[{place}] comes twice; allowed: each once"));
            }
        }
        Ok(())
    }

    /// A name that is none is not shown: it may be a whole line.
    fn check_headers(&self) -> Result<(), String> {
        let lines = self.headers.len();
        if lines > HEADERS_MAX {
            return Err(format!("{lines} UpgradeRequest::headers; allowed: {HEADERS_MAX}"));
        }
        for (place, (name, value)) in self.headers.iter().enumerate() {
            if !is_token(name.as_bytes()) {
                return Err(format!("the name of UpgradeRequest::headers[{place}] is no token"));
            }
            if is_own(name) {
                return Err(format!("UpgradeRequest::headers has {name}, which the handshake writes itself"));
            }
            if self.headers.iter().take(place).any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
                return Err(format!("UpgradeRequest::headers has {name} twice; allowed: each once"));
            }
            if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
                return Err(format!("the value of {name} in UpgradeRequest::headers has a control character"));
            }
        }
        Ok(())
    }

    /// Appends the request. `extensions` is the value of `Sec-WebSocket-Extensions`. Nothing is appended for what
    /// [`UpgradeRequest::check`] does not pass, nor for extensions with other characters than ASCII's visible ones and
    /// spaces.
    pub fn encode(&self, key: &UpgradeKey, extensions: Option<&str>, out: &mut Vec<u8>) {
        let is_sound = |value: &str| value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if self.check().is_err() || !extensions.is_none_or(is_sound) {
            return;
        }
        let mut line = |parts: [&str; 3]| {
            parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
            out.extend_from_slice(b"\r\n");
        };
        line(["GET ", &self.target, " HTTP/1.1"]);
        line(["Host", ": ", &self.authority]);
        line(["Upgrade", ": ", "websocket"]);
        line(["Connection", ": ", "Upgrade"]);
        line(["Sec-WebSocket-Version", ": ", "13"]);
        line(["Sec-WebSocket-Key", ": ", &key.text()]);
        if !self.protocols.is_empty() {
            line(["Sec-WebSocket-Protocol", ": ", &self.protocols.join(", ")]);
        }
        if let Some(extensions) = extensions {
            line(["Sec-WebSocket-Extensions", ": ", extensions]);
        }
        for (name, value) in &self.headers {
            line([name, ": ", value]);
        }
        line(["", "", ""]);
    }
}

impl fmt::Debug for UpgradeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name.as_str()).filter(|name| is_token(name.as_bytes()));
        f.debug_struct("UpgradeRequest")
            .field("authority", &shown_authority(&self.authority))
            .field("target", &shown_target(&self.target))
            .field("headers", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

fn is_own(name: &str) -> bool {
    let begins = name.get(..OWN_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX));
    begins || OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// An authority without user information, which it must not have.
fn shown_authority(authority: &str) -> &str {
    authority.rsplit('@').next().unwrap_or_default()
}

/// A target without its query, which may hold a token.
fn shown_target(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

/// The key of one handshake: 16 bytes that nobody can have known (RFC 6455, section 4.1), a new one for each.
#[derive(Clone, PartialEq, Eq)]
pub struct UpgradeKey([u8; KEY_BYTES]);

impl UpgradeKey {
    /// Of 16 random bytes.
    pub fn new(nonce: [u8; KEY_BYTES]) -> UpgradeKey {
        UpgradeKey(nonce)
    }

    /// The value of `Sec-WebSocket-Key`.
    pub fn text(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The value of `Sec-WebSocket-Accept` that is due for it.
    pub fn accept(&self) -> String {
        accept_key(self.text().as_bytes())
    }
}

impl fmt::Debug for UpgradeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpgradeKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
