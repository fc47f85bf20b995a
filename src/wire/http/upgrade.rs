//! Which requests become WebSocket sessions: the server's half of the opening handshake (RFC 6455, section 4.2), as a
//! pure function of the head. Nothing is negotiated here: offers of subprotocols (some are credentials) and of extensions
//! are handed on as they are.
//!
//! Not here: `Origin` (`origin.rs`), credentials (`auth/`), what extensions mean (`wire/deflate.rs`), the 101 itself
//! (`response.rs`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::extension::{Extension, ListFault};
use super::grammar::is_token;
use super::head::{RequestHead, Version};
use super::response::Refusal;
use crate::limits;

/// What a server appends to the key (RFC 6455, section 1.3).
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A key: 16 bytes, in base64 (RFC 6455, section 4.1).
pub(super) const KEY_BYTES: usize = 16;
const KEY_CHARACTERS: usize = KEY_BYTES.div_ceil(3) * 4;
/// What a key's characters might decode to if there were no padding.
const KEY_BUFFER_BYTES: usize = KEY_CHARACTERS / 4 * 3;
/// What marks an offered subprotocol as a token.
const TOKEN_PREFIX: &str = "bearer.";

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// An ordinary request, for the host's routes.
    Request,
    /// A handshake in order; origin and credentials are still to be judged.
    Upgrade(Upgrade),
    /// Neither. Answer it, close, and parse nothing behind it.
    Refuse(Refusal),
}

/// A WebSocket handshake in order. Its `Debug` does not show the offers: a token may be among them.
#[derive(Clone, PartialEq, Eq)]
pub struct Upgrade {
    accept: String,
    protocols: Vec<String>,
    extensions: Vec<Extension>,
}

impl Upgrade {
    /// The value of `Sec-WebSocket-Accept`.
    pub fn accept(&self) -> &str {
        &self.accept
    }

    /// The subprotocols offered, in the peer's order: distinct tokens, at most [`limits::LIST_ITEMS`].
    pub fn protocols(&self) -> &[String] {
        &self.protocols
    }

    /// The extensions offered, in the peer's order of preference: at most [`limits::LIST_ITEMS`], and as many parameters
    /// of all together.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// The token among the offers, since a browser has no other header to put it in: what stands behind `bearer.`, or
    /// the only offer, if it has the shape `x.y.z` of a JWT. An offer that is one of `supported` is none.
    pub fn token(&self, supported: &[String]) -> Option<&str> {
        let is_foreign = |offer: &&String| !supported.contains(offer);
        let marked = self.protocols.iter().filter(is_foreign).find_map(|offer| offer.strip_prefix(TOKEN_PREFIX));
        match (marked, self.protocols.as_slice()) {
            (Some(token), _) => Some(token),
            (None, [only]) if is_foreign(&only) && has_three_parts(only) => Some(only),
            (None, _) => None,
        }
    }

    /// The subprotocol to select (RFC 6455, section 4.2.2): the first of `supported` that is offered. A token that is
    /// the only offer is selected too, because a browser fails where none of its offers is.
    pub fn select(&self, supported: &[String]) -> Option<&str> {
        let offered = |name: &&String| self.protocols.contains(name);
        match (supported.iter().find(offered), self.protocols.as_slice()) {
            (Some(known), _) => self.protocols.iter().find(|offer| *offer == known).map(String::as_str),
            (None, [only]) if self.token(supported).is_some() => Some(only),
            (None, _) => None,
        }
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offers = format!("{} offers", self.protocols.len());
        f.debug_struct("Upgrade").field("protocols", &offers).finish_non_exhaustive()
    }
}

/// Decides what the request is, given the one path where WebSockets are served; an empty `endpoint` serves them on
/// every path.
///
/// An attempt is a request whose `Upgrade` lists `websocket`, in any case. It is checked in this order:
/// - 404 on another path than `endpoint`; there HTTP/1.0 attempts nothing (RFC 9110, section 7.8);
/// - 405 with `Allow: GET` for another method;
/// - 400 for HTTP/1.0, or a `Connection` that does not list `upgrade`;
/// - 426 with `Sec-WebSocket-Version: 13` unless there is exactly one such line and it is `13`: missing, malformed
///   and repeated ones too, because that answer tells the peer what would be right;
/// - 400 unless there is exactly one `Sec-WebSocket-Key`, the canonical base64 of 16 bytes;
/// - 400 for a `Sec-WebSocket-Protocol` or `Sec-WebSocket-Extensions` that breaks its grammar, lists nothing, lists a
///   subprotocol twice (RFC 6455, section 4.1), or has more than [`limits::LIST_ITEMS`] items or parameters.
///
/// A request of the endpoint that is no attempt is refused: other methods than GET and HEAD by 405, a foreign
/// `Upgrade` by 400, else by 426. Everywhere else, and everywhere if `endpoint` is empty, a foreign `Upgrade` is
/// ignored (RFC 9110, section 7.8) and the request is an ordinary one.
pub fn route(head: &RequestHead, endpoint: &str) -> Route {
    let at_endpoint = head.path() == endpoint;
    let upgrades_here = at_endpoint || endpoint.is_empty();
    let names_websocket = head.tokens("upgrade").any(|token| token.eq_ignore_ascii_case(b"websocket"));
    if names_websocket && (upgrades_here || head.version() == Version::Http11) {
        if !upgrades_here {
            return Route::Refuse(Refusal::new(404, "Not Found"));
        }
        return handshake(head).map_or_else(Route::Refuse, Route::Upgrade);
    }
    if !at_endpoint {
        return Route::Request;
    }
    Route::Refuse(match head.method() {
        "GET" | "HEAD" if head.header("upgrade").is_some() => {
            Refusal::malformed("the only protocol to upgrade to is websocket")
        }
        "GET" | "HEAD" => upgrade_required(),
        _ => method_not_allowed(),
    })
}

fn handshake(head: &RequestHead) -> Result<Upgrade, Refusal> {
    if head.method() != "GET" {
        return Err(method_not_allowed());
    }
    if head.version() != Version::Http11 {
        return Err(Refusal::malformed("an upgrade needs HTTP/1.1"));
    }
    if !head.tokens("connection").any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
        return Err(Refusal::malformed("an upgrade needs the word upgrade in Connection"));
    }
    if only(head, "sec-websocket-version") != Some(b"13") {
        return Err(upgrade_required());
    }
    let Some(key) = only(head, "sec-websocket-key").filter(|key| is_key(key)) else {
        return Err(Refusal::malformed("an upgrade needs one Sec-WebSocket-Key of 16 bytes in base64"));
    };
    let protocols = protocols(head)?;
    let extensions = extensions(head)?;
    Ok(Upgrade { accept: accept_key(key), protocols, extensions })
}

fn upgrade_required() -> Refusal {
    Refusal::new(426, "Upgrade Required").with_header("Upgrade", "websocket").with_header("Sec-WebSocket-Version", "13")
}

fn method_not_allowed() -> Refusal {
    Refusal::new(405, "Method Not Allowed").with_header("Allow", "GET")
}

/// The value of the one line named `name`; `None` if there is none, or more than one.
fn only<'a>(head: &'a RequestHead, name: &str) -> Option<&'a [u8]> {
    let mut values = head.values(name);
    let value = values.next();
    if values.next().is_some() { None } else { value }
}

/// Whether a subprotocol may be a token, as [`Upgrade::token`] has it: whoever shows one to somebody leaves it out.
pub fn may_be_token(protocol: &str) -> bool {
    protocol.starts_with(TOKEN_PREFIX) || has_three_parts(protocol)
}

/// Header, claims and signature, none of them empty (RFC 7515, section 7.1).
fn has_three_parts(offer: &str) -> bool {
    offer.split('.').count() == 3 && offer.split('.').all(|part| !part.is_empty())
}

fn is_key(key: &[u8]) -> bool {
    let mut bytes = [0; KEY_BUFFER_BYTES];
    key.len() == KEY_CHARACTERS && STANDARD.decode_slice(key, &mut bytes) == Ok(KEY_BYTES)
}

/// The `Sec-WebSocket-Accept` that is due for a key (RFC 6455, section 4.2.2).
pub(super) fn accept_key(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(ACCEPT_GUID).finalize())
}

fn protocols(head: &RequestHead) -> Result<Vec<String>, Refusal> {
    const NAME: &str = "sec-websocket-protocol";
    let mut protocols: Vec<String> = Vec::new();
    for offer in head.tokens(NAME) {
        let offer = std::str::from_utf8(offer).unwrap_or_default();
        if !is_token(offer.as_bytes()) {
            return Err(Refusal::malformed("a subprotocol that is no token"));
        }
        if protocols.len() == limits::LIST_ITEMS {
            return Err(Refusal::too_many_items(NAME));
        }
        if protocols.iter().any(|known| known == offer) {
            return Err(Refusal::malformed("the same subprotocol twice"));
        }
        protocols.push(offer.to_owned());
    }
    if protocols.is_empty() && head.header(NAME).is_some() {
        return Err(Refusal::malformed("a Sec-WebSocket-Protocol without any"));
    }
    Ok(protocols)
}

fn extensions(head: &RequestHead) -> Result<Vec<Extension>, Refusal> {
    const NAME: &str = "sec-websocket-extensions";
    let extensions = Extension::parse_all(head.tokens(NAME)).map_err(|fault| match fault {
        ListFault::Malformed => Refusal::malformed("a malformed Sec-WebSocket-Extensions"),
        ListFault::TooMany => Refusal::too_many_items(NAME),
    })?;
    if extensions.is_empty() && head.header(NAME).is_some() {
        return Err(Refusal::malformed("a Sec-WebSocket-Extensions without any"));
    }
    Ok(extensions)
}
