//! What a 101 must say for a session to begin: the last step of the client's opening handshake (RFC 6455, section 4.1).
//!
//! Not here: the request (`handshake.rs`), other answers (`response_head.rs`), what an extension's parameters mean
//! (`wire/deflate.rs`).

use super::extension::{Extension, ListFault};
use super::fields::Fields;
use super::handshake::UpgradeKey;
use super::head::Version;
use super::response_head::ResponseHead;
use crate::limits::LIST_ITEMS;

/// What a server has chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// The subprotocol, one of those offered. It may be a token that was offered as one.
    pub protocol: Option<String>,
    /// The extensions, in order; at most [`LIST_ITEMS`], and as many parameters of all together. Whether each was offered
    /// is for [`crate::wire::deflate::Agreement::of_response`] to say; who offered none takes none.
    pub extensions: Vec<Extension>,
}

/// Judges the answer to an upgrade request with this key and these offers of subprotocols. An error is a sentence that
/// repeats nothing of what the peer sent, and the end of the connection; there is one for each of these:
/// - another status than 101, or one in HTTP/1.0;
/// - an `Upgrade` that does not list `websocket`, a `Connection` that does not list `upgrade` (in any case);
/// - no `Sec-WebSocket-Accept`, more than one, or another value than is due for the key;
/// - a `Sec-WebSocket-Protocol` that was not offered, byte for byte, or more than one line of it. None is good, whatever
///   was offered (section 4.2.2 lets the server choose none);
/// - a `Sec-WebSocket-Extensions` that breaks its grammar, lists nothing or more than [`LIST_ITEMS`] items or parameters,
///   or more than one line of it (section 11.3.2).
pub fn check_switch(head: &ResponseHead, key: &UpgradeKey, protocols: &[String]) -> Result<Switched, String> {
    let fields = head.fields();
    if head.status() != 101 {
        return Err(format!("the answer to the upgrade is {}, not 101", head.status()));
    }
    if head.version() != Version::Http11 {
        return Err("the answer to the upgrade is of HTTP/1.0, which has no upgrades".into());
    }
    if !fields.lists("upgrade", "websocket") {
        return Err("the answer to the upgrade does not have the word websocket in Upgrade".into());
    }
    if !fields.lists("connection", "upgrade") {
        return Err("the answer to the upgrade does not have the word upgrade in Connection".into());
    }
    match at_most_one(fields, "Sec-WebSocket-Accept")? {
        None => return Err("the answer to the upgrade has no Sec-WebSocket-Accept".into()),
        Some(accept) if accept != key.accept().as_bytes() => {
            return Err("the answer to the upgrade has a Sec-WebSocket-Accept that is not due for our key".into());
        }
        Some(_) => {}
    }
    let protocol = match at_most_one(fields, "Sec-WebSocket-Protocol")? {
        None => None,
        Some(chosen) => match protocols.iter().find(|offer| offer.as_bytes() == chosen) {
            None => return Err("the answer to the upgrade chooses a subprotocol that was not offered".into()),
            Some(offer) => Some(offer.clone()),
        },
    };
    Ok(Switched { protocol, extensions: extensions(fields)? })
}

fn extensions(fields: &Fields) -> Result<Vec<Extension>, String> {
    const NAME: &str = "Sec-WebSocket-Extensions";
    if at_most_one(fields, NAME)?.is_none() {
        return Ok(Vec::new());
    }
    match Extension::parse_all(fields.tokens(NAME)) {
        Err(ListFault::Malformed) => Err(format!("the answer to the upgrade has a malformed {NAME}")),
        Err(ListFault::TooMany) => Err(format!("the answer to the upgrade has more than {LIST_ITEMS} items in {NAME}")),
        Ok(none) if none.is_empty() => Err(format!("the answer to the upgrade has a {NAME} without any")),
        Ok(extensions) => Ok(extensions),
    }
}

/// The value of the line named `name`, which must not come twice.
fn at_most_one<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a [u8]>, String> {
    let mut values = fields.values(name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(format!("the answer to the upgrade has more than one {name}")),
        (value, None) => Ok(value),
    }
}

#[cfg(test)]
mod tests;
