//! What a peer is told: [`ServerMessage`], and its JSON.
//!
//! Not here: who is told what (`app/router.rs`), the frame around it (`wire/websocket.rs`).

use std::fmt::{self, Display, Write as _};

use serde_json::value::RawValue;

use super::escape::Quoted;
use crate::wire::date::iso8601;

/// What a message has around what it carries, as a rule. A longer name of a channel or a user makes the buffer grow.
const ENVELOPE_BYTES: usize = 256;

/// What the server says. Fields that are `None` are left out unless they say otherwise. A timestamp is in
/// milliseconds since the Unix epoch, and goes out as ISO 8601 in UTC with milliseconds.
#[derive(Debug, Clone, Copy)]
pub enum ServerMessage<'a> {
    /// The first message of a session: who it belongs to.
    Connected {
        /// The user id.
        user_id: &'a str,
        /// Now.
        timestamp: u64,
    },
    /// The answer to an `auth` that was right.
    AuthSuccess,
    /// The answer to a `ping`.
    Pong {
        /// The ping's payload.
        payload: Option<&'a RawValue>,
        /// The ping's id.
        id: Option<&'a RawValue>,
        /// Now.
        timestamp: u64,
    },
    /// The answer to a `subscribe`.
    Subscribed {
        /// The channel's name.
        channel: &'a str,
    },
    /// The answer to an `unsubscribe`.
    Unsubscribed {
        /// The channel's name.
        channel: &'a str,
    },
    /// What another peer, or the receiver itself, said.
    Chat {
        /// The channel it was said on; `None` where it was said to everyone.
        channel: Option<&'a str>,
        /// The sender's user id.
        user_id: &'a str,
        /// The sender's payload, as it was sent; `None` goes out as `null`.
        payload: Option<&'a RawValue>,
        /// When the server got it.
        timestamp: u64,
    },
    /// The answer to a `chat` with an id.
    Ack {
        /// The chat's id.
        id: &'a RawValue,
    },
    /// A message was refused.
    Error {
        /// Why, for a person.
        message: &'a str,
        /// Why, for a program: a word in snake case.
        code: Option<&'a str>,
        /// The id of the message that was refused.
        id: Option<&'a RawValue>,
    },
}

impl ServerMessage<'_> {
    /// The message as one JSON object, in a buffer that is hardly larger than it: it may wait for its receiver, and what
    /// waits is charged by its length.
    pub fn encode(&self) -> String {
        let carried = match *self {
            ServerMessage::Pong { payload, id, .. } => [payload, id],
            ServerMessage::Chat { payload, .. } => [payload, None],
            ServerMessage::Ack { id } => [Some(id), None],
            ServerMessage::Error { id, .. } => [id, None],
            ServerMessage::Connected { .. }
            | ServerMessage::AuthSuccess
            | ServerMessage::Subscribed { .. }
            | ServerMessage::Unsubscribed { .. } => [None, None],
        };
        let carried: usize = carried.into_iter().flatten().map(|raw| raw.get().len()).sum();
        let mut text = String::with_capacity(carried + ENVELOPE_BYTES);
        // Writing to a String cannot fail.
        let _ = write!(text, "{self}");
        text
    }
}

/// The JSON of the message.
impl Display for ServerMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ServerMessage::Connected { user_id, timestamp } => {
                let (user_id, timestamp) = (Quoted(user_id), iso8601(timestamp));
                write!(f, r#"{{"type":"connected","userId":{user_id},"timestamp":"{timestamp}"}}"#)
            }
            ServerMessage::AuthSuccess => f.write_str(r#"{"type":"auth_success"}"#),
            ServerMessage::Pong { payload, id, timestamp } => {
                let (timestamp, payload, id) = (iso8601(timestamp), Field("payload", payload), Field("id", id));
                write!(f, r#"{{"type":"pong","timestamp":"{timestamp}"{payload}{id}}}"#)
            }
            ServerMessage::Subscribed { channel } => {
                write!(f, r#"{{"type":"subscribed","channel":{}}}"#, Quoted(channel))
            }
            ServerMessage::Unsubscribed { channel } => {
                write!(f, r#"{{"type":"unsubscribed","channel":{}}}"#, Quoted(channel))
            }
            ServerMessage::Chat { channel, user_id, payload, timestamp } => {
                let (channel, user_id) = (Field("channel", channel.map(Quoted)), Quoted(user_id));
                let (payload, timestamp) = (payload.map_or("null", RawValue::get), iso8601(timestamp));
                write!(
                    f,
                    r#"{{"type":"chat"{channel},"userId":{user_id},"payload":{payload},"timestamp":"{timestamp}"}}"#
                )
            }
            ServerMessage::Ack { id } => write!(f, r#"{{"type":"ack","id":{id}}}"#),
            ServerMessage::Error { message, code, id } => {
                let (message, code, id) = (Quoted(message), Field("code", code.map(Quoted)), Field("id", id));
                write!(f, r#"{{"type":"error","message":{message}{code}{id}}}"#)
            }
        }
    }
}

/// An optional field of an object, with the comma before it.
struct Field<T>(&'static str, Option<T>);

impl<T: Display> Display for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field(name, Some(value)) => write!(f, r#","{name}":{value}"#),
            Field(_, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carries_much_takes_hardly_more_room_than_it_is_long() {
        let text = format!("\"{}\"", "x".repeat(100_000));
        let raw: &RawValue = serde_json::from_str(&text).unwrap();
        for message in [
            ServerMessage::Pong { payload: Some(raw), id: Some(raw), timestamp: 0 },
            ServerMessage::Chat { channel: Some("news"), user_id: "anna", payload: Some(raw), timestamp: 0 },
            ServerMessage::Ack { id: raw },
            ServerMessage::Error { message: "no", code: None, id: Some(raw) },
        ] {
            let encoded = message.encode();
            assert!(
                encoded.capacity() - encoded.len() <= ENVELOPE_BYTES,
                "{} for {}",
                encoded.capacity(),
                encoded.len()
            );
        }
    }

    /// 2026-01-02T03:04:05.678Z
    const NOW: u64 = 1_767_323_045_678;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_message_has_the_fields_of_the_protocol_in_their_order() {
        let (payload, id) = (raw(r#"{"b" : 1, "a":[ 1e5 ]}"#), raw("12345678901234567890123"));
        let table = [
            (
                ServerMessage::Connected { user_id: "ann", timestamp: NOW },
                r#"{"type":"connected","userId":"ann","timestamp":"2026-01-02T03:04:05.678Z"}"#,
            ),
            (ServerMessage::AuthSuccess, r#"{"type":"auth_success"}"#),
            (
                ServerMessage::Pong { payload: None, id: None, timestamp: NOW },
                r#"{"type":"pong","timestamp":"2026-01-02T03:04:05.678Z"}"#,
            ),
            (
                ServerMessage::Pong { payload: Some(payload), id: Some(id), timestamp: NOW },
                r#"{"type":"pong","timestamp":"2026-01-02T03:04:05.678Z","payload":{"b" : 1, "a":[ 1e5 ]},"id":12345678901234567890123}"#,
            ),
            (ServerMessage::Subscribed { channel: "news" }, r#"{"type":"subscribed","channel":"news"}"#),
            (ServerMessage::Unsubscribed { channel: "news" }, r#"{"type":"unsubscribed","channel":"news"}"#),
            (
                ServerMessage::Chat { channel: Some("news"), user_id: "ann", payload: Some(payload), timestamp: NOW },
                r#"{"type":"chat","channel":"news","userId":"ann","payload":{"b" : 1, "a":[ 1e5 ]},"timestamp":"2026-01-02T03:04:05.678Z"}"#,
            ),
            (
                ServerMessage::Chat { channel: None, user_id: "ann", payload: None, timestamp: NOW },
                r#"{"type":"chat","userId":"ann","payload":null,"timestamp":"2026-01-02T03:04:05.678Z"}"#,
            ),
            (ServerMessage::Ack { id }, r#"{"type":"ack","id":12345678901234567890123}"#),
            (
                ServerMessage::Error { message: "Rate limit exceeded", code: None, id: None },
                r#"{"type":"error","message":"Rate limit exceeded"}"#,
            ),
            (
                ServerMessage::Error { message: "Invalid format", code: Some("bad_json"), id: Some(id) },
                r#"{"type":"error","message":"Invalid format","code":"bad_json","id":12345678901234567890123}"#,
            ),
        ];
        for (message, json) in table {
            assert_eq!(message.encode(), json);
        }
    }

    #[test]
    fn any_text_comes_back_from_a_parser_as_it_went_in() {
        for text in [
            "",
            "\"",
            "\\",
            "\\\"",
            "\0\u{1f}\n\r\t",
            "\u{7f}\u{85}\u{9f}",
            "\u{2028}\u{2029}",
            "🦀é",
            "</script>",
            "\",\"x\":\"",
        ] {
            let messages = [
                (ServerMessage::Connected { user_id: text, timestamp: 0 }, "userId"),
                (ServerMessage::Subscribed { channel: text }, "channel"),
                (ServerMessage::Unsubscribed { channel: text }, "channel"),
                (ServerMessage::Chat { channel: Some(text), user_id: "", payload: None, timestamp: 0 }, "channel"),
                (ServerMessage::Chat { channel: None, user_id: text, payload: None, timestamp: 0 }, "userId"),
                (ServerMessage::Error { message: text, code: None, id: None }, "message"),
                (ServerMessage::Error { message: "", code: Some(text), id: None }, "code"),
            ];
            for (message, field) in messages {
                let json: serde_json::Value = serde_json::from_str(&message.encode()).unwrap();
                assert_eq!(json[field], text, "{message:?}");
            }
        }
    }
}
