//! What a client says of its own accord, as JSON.
//!
//! Not here: what it hears (`wire/message/` reads a client's messages, and writes a server's).

use serde_json::json;

/// Says who one is.
pub(super) fn auth(token: &str) -> String {
    json!({ "type": "auth", "token": token }).to_string()
}

/// Asks for a channel.
pub(super) fn subscribe(channel: &str) -> String {
    json!({ "type": "subscribe", "channel": channel }).to_string()
}

/// Leaves a channel.
pub(super) fn unsubscribe(channel: &str) -> String {
    json!({ "type": "unsubscribe", "channel": channel }).to_string()
}

/// Says something to a channel's subscribers, or to everybody.
pub(super) fn publish(channel: Option<&str>, payload: &serde_json::Value) -> String {
    match channel {
        Some(channel) => json!({ "type": "chat", "channel": channel, "payload": payload }).to_string(),
        None => json!({ "type": "chat", "payload": payload }).to_string(),
    }
}
