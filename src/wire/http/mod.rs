//! HTTP/1.1 as far as a messaging server and its client need it (RFC 9110, RFC 9112): request heads in, responses out, the
//! other way round for the client, and the opening handshake of RFC 6455. Strict on purpose: what two parsers could read
//! differently is refused.
//!
//! ```text
//! received bytes ── HeadScanner ── RequestHead::parse ── route ─┬─ Request ── the host's routes ── Response
//!                                                               ├─ Upgrade ── Origins, auth ── switching_protocols
//!                                                               └─ Refuse ─── Response
//!
//! UpgradeRequest ── sent bytes ··· received bytes ── ResponseScanner ── ResponseHead::parse ─┬─ 101 ── check_switch
//!                                                                                            └─ BodyReader
//! ```
//!
//! Each step of a server may end in a [`Refusal`]: it is answered, the connection closes, and nothing behind it is parsed.
//! Each step of a client may end in a sentence: the connection closes.
//!
//! Not here: frames (`wire/websocket.rs`), who may come in (`auth/`), deadlines and the order of the steps
//! (`engine/session/`), the URLs of a client (`wire/url.rs`).

mod authority;
mod body;
mod extension;
mod fields;
mod grammar;
mod handshake;
mod head;
mod origin;
mod response;
mod response_head;
mod scanner;
mod switch;
mod upgrade;

pub(super) use authority::Authority;
pub use body::{BodyFraming, BodyReader};
pub use extension::Extension;
pub use grammar::is_token;
pub use handshake::{UpgradeKey, UpgradeRequest};
pub(super) use head::is_target_text;
pub use head::{RequestHead, Version, is_path};
pub use origin::{Origin, Origins};
pub use response::{Delivery, Refusal, Response, switching_protocols};
pub use response_head::ResponseHead;
pub use scanner::{HeadScanner, ResponseScanner};
pub use switch::{Switched, check_switch};
pub use upgrade::{Route, Upgrade, may_be_token, route};

#[cfg(test)]
mod tests;
