//! permessage-deflate (RFC 7692): what two endpoints agree on ([`Offer`], [`Agreement`]), and one message deflated or
//! inflated ([`Compressor`], [`Decompressor`]).
//!
//! A message whose first frame has RSV1 is deflated; all its frames together are one stretch of DEFLATE (RFC 1951)
//! without the `00 00 FF FF` at its end. Without context takeover each message stands alone, so one compressor and one
//! decompressor serve any number of sessions.
//!
//! Not here: where RSV1 may stand (`websocket/walker.rs`), which messages are deflated, and who keeps a context
//! (`engine/compression.rs`).

mod codec;

pub use codec::{Compressor, Decompressor, Inflation};

use std::num::NonZeroU8;
use std::ops::RangeInclusive;

use super::http::Extension;
use crate::limits::{DEFLATE_LEVEL_DEFAULT, DEFLATE_LEVELS, DEFLATE_MIN_BYTES_DEFAULT, TAKEOVER_SESSIONS_DEFAULT};

/// The name under which it is offered and accepted (RFC 7692, section 7).
pub const NAME: &str = "permessage-deflate";

/// The window sizes that a compressor can have, as powers of two. RFC 7692 knows 8 too, which DEFLATE libraries do not
/// offer: an offer that insists on it is declined.
pub const WINDOW_BITS: RangeInclusive<u8> = 9..=15;

/// The window sizes that a peer may name (RFC 7692, section 7.1.2).
const NAMED_WINDOW_BITS: RangeInclusive<u8> = 8..=15;

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// How this end takes part. What is said of takeover and of windows is for the server's end; a client keeps no context and
/// takes any window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeflateConfig {
    /// Whether it does at all. Default `true`; where not, offers are declined or not made, and every message goes as it is.
    pub enabled: bool,
    /// How hard a compressor tries, 1 to 9, for messages up to [`crate::limits::DEFLATE_LARGE_BYTES`]; larger ones are
    /// deflated at level 1, so that none holds the loop for long. Default [`DEFLATE_LEVEL_DEFAULT`].
    pub level: u8,
    /// Messages below this size go as they are, in bytes. Default [`DEFLATE_MIN_BYTES_DEFAULT`].
    pub min_bytes: usize,
    /// Whether the server's compressor may keep its context from message to message, for peers that allow it. Default
    /// `false`.
    pub server_context_takeover: bool,
    /// Whether the peers' compressors may, so that a decompressor is kept for each. Default `false`.
    pub client_context_takeover: bool,
    /// The largest window of the server's compressor, in bits, within [`WINDOW_BITS`]. Default 15.
    pub server_max_window_bits: u8,
    /// Sessions at once that may keep a context of either kind. Further ones do without. Default
    /// [`TAKEOVER_SESSIONS_DEFAULT`].
    pub takeover_sessions: usize,
}

impl DeflateConfig {
    /// `Ok`, or one sentence that names the field, its value and what is allowed. `Server::bind` asks it.
    pub fn check(&self) -> Result<(), String> {
        for (name, value, allowed) in [
            ("level", self.level, DEFLATE_LEVELS),
            ("server_max_window_bits", self.server_max_window_bits, WINDOW_BITS),
        ] {
            if !allowed.contains(&value) {
                let (least, most) = allowed.into_inner();
                return Err(format!("DeflateConfig::{name} = {value}; allowed: {least} to {most}"));
            }
        }
        Ok(())
    }
}

impl Default for DeflateConfig {
    fn default() -> DeflateConfig {
        DeflateConfig {
            enabled: true,
            level: DEFLATE_LEVEL_DEFAULT,
            min_bytes: DEFLATE_MIN_BYTES_DEFAULT,
            server_context_takeover: false,
            client_context_takeover: false,
            server_max_window_bits: *WINDOW_BITS.end(),
            takeover_sessions: TAKEOVER_SESSIONS_DEFAULT,
        }
    }
}

/// An offer of permessage-deflate that a server can accept (RFC 7692, section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    /// The largest window that the client wants to keep for what it receives.
    server_max_window_bits: Option<u8>,
}

impl Offer {
    /// The first of the client's offers that can be accepted; it lists them in order of preference (RFC 7692, section 5.1).
    pub fn first(extensions: &[Extension]) -> Option<Offer> {
        extensions.iter().find_map(Offer::read)
    }

    /// `None` for another extension, and for an offer that is to be declined (RFC 7692, section 7.1): one with a parameter
    /// that is unknown, comes twice or has a value that it may not have; or that wants a window which no compressor here
    /// has.
    fn read(extension: &Extension) -> Option<Offer> {
        if extension.name() != NAME {
            return None;
        }
        let mut offer = Offer::default();
        let mut names: Vec<&str> = Vec::new();
        for (name, value) in extension.parameters() {
            if names.contains(&name) {
                return None;
            }
            names.push(name);
            match (name, value) {
                (SERVER_NO_CONTEXT_TAKEOVER, None) => offer.server_no_context_takeover = true,
                (CLIENT_NO_CONTEXT_TAKEOVER, None) => offer.client_no_context_takeover = true,
                (SERVER_MAX_WINDOW_BITS, Some(value)) => {
                    let bits = named_window_bits(value).filter(|bits| WINDOW_BITS.contains(bits))?;
                    offer.server_max_window_bits = Some(bits);
                }
                // It says how large the client's window would be anyhow. A decompressor here takes the largest.
                (CLIENT_MAX_WINDOW_BITS, None) => {}
                (CLIENT_MAX_WINDOW_BITS, Some(value)) => drop(named_window_bits(value)?),
                _ => return None,
            }
        }
        Some(offer)
    }

    /// What a server of this configuration agrees to. `may_take_over`: whether one more session may keep a context.
    pub fn accept(self, config: &DeflateConfig, may_take_over: bool) -> Agreement {
        let most = config.server_max_window_bits;
        Agreement {
            window: NonZeroU8::new(self.server_max_window_bits.map_or(most, |bits| bits.min(most))),
            names_window_bits: self.server_max_window_bits.is_some(),
            own_takes_over: may_take_over && config.server_context_takeover && !self.server_no_context_takeover,
            peer_takes_over: may_take_over && config.client_context_takeover && !self.client_no_context_takeover,
        }
    }
}

fn wrong_value(name: &str) -> String {
    format!("the server has given {name:?} of {NAME} a value that it may not have")
}

/// A number of 8 to 15 without a leading zero (RFC 7692, section 7.1.2).
fn named_window_bits(value: &str) -> Option<u8> {
    let bits = value.parse().ok().filter(|bits| NAMED_WINDOW_BITS.contains(bits))?;
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    is_plain.then_some(bits)
}

/// What a client offers (RFC 7692, section 7.1): that neither end keeps a context, and that the server may name the window
/// of what it is sent. `None` where `config` is not enabled.
pub fn client_offer(config: &DeflateConfig) -> Option<String> {
    let parameters = [SERVER_NO_CONTEXT_TAKEOVER, CLIENT_NO_CONTEXT_TAKEOVER, CLIENT_MAX_WINDOW_BITS];
    config.enabled.then(|| [&[NAME], &parameters[..]].concat().join("; "))
}

/// What the two ends of a session have agreed on, as one of them sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// See [`Agreement::window_bits`]. Sessions keep this: a zero that is not needed makes it one byte.
    window: Option<NonZeroU8>,
    /// Whether the client is told the window: only where it has asked for one.
    names_window_bits: bool,
    /// Our own compressor keeps its context from message to message.
    pub own_takes_over: bool,
    /// The peer's does.
    pub peer_takes_over: bool,
}

impl Agreement {
    /// What a client that has offered [`client_offer`] may use, given the extensions of the answer; `None` where the server
    /// has declined. A client that has offered nothing may use nothing: there any extension is a fault of the server.
    ///
    /// An error is a sentence, and the end of the connection (RFC 7692, section 7.1): for another extension, and this one
    /// twice; a parameter that is unknown, comes twice or has a value that it may not have; and an answer without
    /// `server_no_context_takeover`, which was asked for. `client_no_context_takeover` may be left out: a client needs no
    /// leave to forget. `server_max_window_bits` may come unasked (section 7.1.2.1): windows of any size can be read.
    pub fn of_response(extensions: &[Extension]) -> Result<Option<Agreement>, String> {
        if let Some(other) = extensions.iter().find(|extension| extension.name() != NAME) {
            return Err(format!("the server has chosen the extension {:?}, which was not offered", other.name()));
        }
        match extensions {
            [] => Ok(None),
            [only] => Agreement::read(only).map(Some),
            [_, _, ..] => Err(format!("the server has chosen {NAME} twice")),
        }
    }

    fn read(extension: &Extension) -> Result<Agreement, String> {
        let mut window = NonZeroU8::new(*WINDOW_BITS.end());
        let mut names: Vec<&str> = Vec::new();
        for (name, value) in extension.parameters() {
            if names.contains(&name) {
                return Err(format!("the server has given {name:?} of {NAME} twice"));
            }
            names.push(name);
            match (name, value) {
                (SERVER_NO_CONTEXT_TAKEOVER | CLIENT_NO_CONTEXT_TAKEOVER, None) => {}
                (CLIENT_MAX_WINDOW_BITS, Some(value)) => {
                    let bits = named_window_bits(value).ok_or_else(|| wrong_value(name))?;
                    window = NonZeroU8::new(bits).filter(|bits| WINDOW_BITS.contains(&bits.get()));
                }
                (SERVER_MAX_WINDOW_BITS, Some(value)) => {
                    named_window_bits(value).ok_or_else(|| wrong_value(name))?;
                }
                (
                    SERVER_NO_CONTEXT_TAKEOVER
                    | CLIENT_NO_CONTEXT_TAKEOVER
                    | SERVER_MAX_WINDOW_BITS
                    | CLIENT_MAX_WINDOW_BITS,
                    _,
                ) => {
                    return Err(wrong_value(name));
                }
                _ => return Err(format!("the server has given {name:?} of {NAME}, which was not offered")),
            }
        }
        if !names.contains(&SERVER_NO_CONTEXT_TAKEOVER) {
            return Err(format!("the server has accepted {NAME} without {SERVER_NO_CONTEXT_TAKEOVER}"));
        }
        Ok(Agreement { window, names_window_bits: false, own_takes_over: false, peer_takes_over: false })
    }

    /// The window of our own compressor, within [`WINDOW_BITS`]; `None` where the peer wants one that no compressor here
    /// has, so that our messages go as they are, which they always may (RFC 7692, section 6).
    pub fn window_bits(self) -> Option<u8> {
        self.window.map(NonZeroU8::get)
    }

    /// Whether a context is kept for the session.
    pub fn takes_over(self) -> bool {
        self.own_takes_over || self.peer_takes_over
    }

    /// The value of a server's `Sec-WebSocket-Extensions` (RFC 7692, section 7.1).
    pub fn response(self) -> String {
        let mut response = NAME.to_owned();
        for (is_so, parameter) in
            [(!self.own_takes_over, SERVER_NO_CONTEXT_TAKEOVER), (!self.peer_takes_over, CLIENT_NO_CONTEXT_TAKEOVER)]
        {
            if is_so {
                response.push_str("; ");
                response.push_str(parameter);
            }
        }
        if let Some(bits) = self.window_bits().filter(|_| self.names_window_bits) {
            response.push_str(&format!("; {SERVER_MAX_WINDOW_BITS}={bits}"));
        }
        response
    }
}

#[cfg(test)]
mod tests;
