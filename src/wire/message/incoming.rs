//! What a peer may say: [`parse`] turns the text of a message into a [`ClientMessage`] or says, by a
//! [`FormatError`], why it is none.
//!
//! The text is read once into a flat struct of raw values, which finds bad JSON and keys that appear twice;
//! then each field that the message's type asks for is looked at.
//!
//! Not here: what is wrong in words (`FormatError`), whether a channel may have its name (`check_channel`), both
//! in `message.rs`; whether the peer may say it (`app/router.rs`).

use std::borrow::Cow;
use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{FormatError, escape_for_log, value};
use crate::limits::LOG_TYPE_CHARS;

/// What a peer said. Text is borrowed from the message unless it held an escape.
///
/// A `payload` is any JSON value, `null` included, as the peer wrote it. An `id` is any JSON value but `null`,
/// which counts as no id.
#[derive(Clone)]
pub enum ClientMessage<'a> {
    /// Who it is: a token, or `Basic` and a credential. Not shown by `Debug`.
    Auth {
        /// The token as sent.
        token: Cow<'a, str>,
    },
    /// Asks for a `pong`, which echoes what is given.
    Ping {
        /// To be echoed.
        payload: Option<&'a RawValue>,
        /// To be echoed.
        id: Option<&'a RawValue>,
    },
    /// Asks to get what is said on a channel.
    Subscribe {
        /// The channel's name, not checked yet.
        channel: Cow<'a, str>,
        /// Names the request, should it be refused.
        id: Option<&'a RawValue>,
    },
    /// Asks not to get it any more.
    Unsubscribe {
        /// The channel's name, not checked yet.
        channel: Cow<'a, str>,
        /// Names the request, should it be refused.
        id: Option<&'a RawValue>,
    },
    /// Says something (`chat`, or `publish`, which is the same).
    Chat {
        /// To whom: this channel's subscribers (the name is not checked yet), or everyone.
        channel: Option<Cow<'a, str>>,
        /// What.
        payload: Option<&'a RawValue>,
        /// Asks for an `ack` with this id.
        id: Option<&'a RawValue>,
        /// Whether the sender gets it too, where it is among the receivers. True unless `"self":false` was sent.
        to_self: bool,
    },
}

/// Reads one message.
///
/// - Unknown keys, `timestamp` among them, are ignored whatever they hold. A known key that appears twice is an
///   error.
/// - `subscribe` and `unsubscribe` take their channel from the top level or from `payload.channel`; the top
///   level wins.
/// - A field of the wrong kind is an error, `"channel":null` too: it must not turn into a message to everyone.
///   `token` and `self` are looked at only where the type has a use for them.
/// - `payload` and `id` are nested at most [`crate::limits::JSON_DEPTH`] deep, and hold no half of a surrogate pair
///   and no number beyond the range of a double.
pub fn parse(text: &str) -> Result<ClientMessage<'_>, FormatError> {
    let Envelope { kind, channel, payload, id, token, to_self } = object(text)?;
    let kind = string("type", kind.ok_or(FormatError::MissingType)?)?;
    let channel = channel.map(|raw| string("channel", raw)).transpose()?;
    payload.map_or(Ok(()), |raw| value::check("payload", raw))?;
    let id = id.filter(|raw| raw.get() != "null");
    id.map_or(Ok(()), |raw| value::check("id", raw))?;
    match &*kind {
        "auth" => {
            let token = token.ok_or(FormatError::MissingField { field: "token" })?;
            Ok(ClientMessage::Auth { token: string("token", token)? })
        }
        "ping" => Ok(ClientMessage::Ping { payload, id }),
        "subscribe" => Ok(ClientMessage::Subscribe { channel: channel_of(channel, payload)?, id }),
        "unsubscribe" => Ok(ClientMessage::Unsubscribe { channel: channel_of(channel, payload)?, id }),
        "chat" | "publish" => {
            let to_self = to_self.map_or(Ok(true), |raw| boolean("self", raw))?;
            Ok(ClientMessage::Chat { channel, payload, id, to_self })
        }
        unknown => Err(FormatError::UnknownType { got: escape_for_log(unknown, LOG_TYPE_CHARS).to_string() }),
    }
}

/// Whether a message has a `token`, be it where nobody asks for one: then it is not to be shown.
pub fn holds_token(text: &str) -> bool {
    object::<Envelope<'_>>(text).is_ok_and(|envelope| envelope.token.is_some())
}

/// A token is a secret: it is left out.
impl fmt::Debug for ClientMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientMessage::Auth { token: _ } => f.debug_struct("Auth").finish_non_exhaustive(),
            ClientMessage::Ping { payload, id } => {
                f.debug_struct("Ping").field("payload", payload).field("id", id).finish()
            }
            ClientMessage::Subscribe { channel, id } => {
                f.debug_struct("Subscribe").field("channel", channel).field("id", id).finish()
            }
            ClientMessage::Unsubscribe { channel, id } => {
                f.debug_struct("Unsubscribe").field("channel", channel).field("id", id).finish()
            }
            ClientMessage::Chat { channel, payload, id, to_self } => {
                let mut chat = f.debug_struct("Chat");
                chat.field("channel", channel)
                    .field("payload", payload)
                    .field("id", id)
                    .field("to_self", to_self)
                    .finish()
            }
        }
    }
}

/// Every known key, each as the text the peer wrote: `None` only where the key is missing, unlike `null`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "given")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "given")]
    channel: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "given")]
    payload: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "given")]
    id: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "given")]
    token: Option<&'a RawValue>,
    #[serde(rename = "self", borrow, deserialize_with = "given")]
    to_self: Option<&'a RawValue>,
}

/// What counts of the payload of a `subscribe` or `unsubscribe`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Subscription<'a> {
    #[serde(borrow, deserialize_with = "given")]
    channel: Option<&'a RawValue>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a struct of raw values. A derived struct would take an array for its fields in order, hence the look
/// at the first character.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, FormatError> {
    let start = text.trim_start_matches([' ', '\t', '\n', '\r']);
    if !start.starts_with('{') {
        let IgnoredAny = serde_json::from_str(text).map_err(refused)?;
        return Err(FormatError::NotAnObject { got: value::kind(start) });
    }
    serde_json::from_str(text).map_err(refused)
}

/// What serde_json found. Its words for syntax are fixed; the one complaint that a struct of raw values can have
/// about data is a duplicate, and it names the key as the struct does.
fn refused(error: serde_json::Error) -> FormatError {
    let detail = error.to_string();
    match error.classify() {
        Category::Data => FormatError::DuplicateKey { detail },
        Category::Syntax | Category::Eof | Category::Io => FormatError::BadJson { detail },
    }
}

/// The channel at the top level, else the one in the payload.
fn channel_of<'a>(channel: Option<Cow<'a, str>>, payload: Option<&'a RawValue>) -> Result<Cow<'a, str>, FormatError> {
    let missing = FormatError::MissingField { field: "channel" };
    match (channel, payload) {
        (Some(channel), _) => Ok(channel),
        (None, Some(payload)) if payload.get().starts_with('{') => {
            let Subscription { channel } = object(payload.get())?;
            string("payload.channel", channel.ok_or(missing)?)
        }
        (None, _) => Err(missing),
    }
}

/// The text of a JSON string; borrowed unless there is an escape in it.
fn string<'a>(field: &'static str, raw: &'a RawValue) -> Result<Cow<'a, str>, FormatError> {
    let quoted = raw.get();
    match quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        Some(_) => serde_json::from_str(quoted).map(Cow::Owned).map_err(refused),
        None => Err(FormatError::BadField { field, wanted: "a string", got: value::kind(quoted) }),
    }
}

fn boolean(field: &'static str, raw: &RawValue) -> Result<bool, FormatError> {
    match raw.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(FormatError::BadField { field, wanted: "a boolean", got: value::kind(other) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::JSON_DEPTH;

    fn text(raw: Option<&RawValue>) -> Option<&str> {
        raw.map(RawValue::get)
    }

    fn code(message: &str) -> &'static str {
        match parse(message) {
            Ok(message) => panic!("{message:?}"),
            Err(error) => error.code(),
        }
    }

    #[test]
    fn auth_carries_its_token_and_does_not_show_it() {
        let message = parse(r#"{"type":"auth","token":"a.b.c"}"#).unwrap();
        assert!(!format!("{message:?}").contains("a.b.c"));
        let ClientMessage::Auth { token: Cow::Borrowed("a.b.c") } = message else { panic!("{message:?}") };
        let ClientMessage::Auth { token } = parse(r#"{"type":"auth","token":"Basic\u0020eA=="}"#).unwrap() else {
            panic!()
        };
        assert_eq!(token, "Basic eA==");
    }

    #[test]
    fn ping_carries_payload_and_id_as_they_were_written() {
        for (message, payload, id) in [
            (r#"{"type":"ping"}"#, None, None),
            (r#"{"type":"ping","payload":null,"id":null}"#, Some("null"), None),
            (
                r#"{"type":"ping","payload":{ "b":1 , "a" : [1.0,1e5] } ,"id":[ 7 ] }"#,
                Some(r#"{ "b":1 , "a" : [1.0,1e5] }"#),
                Some("[ 7 ]"),
            ),
            (r#"{"id":0,"payload":"\u0041\/","type":"ping"}"#, Some(r#""\u0041\/""#), Some("0")),
            (r#"{"type":"ping","id":123456789012345678901234567890}"#, None, Some("123456789012345678901234567890")),
            (r#"{"type":"ping","payload":{"a":1,"a":2},"id":""}"#, Some(r#"{"a":1,"a":2}"#), Some(r#""""#)),
        ] {
            match parse(message).unwrap() {
                ClientMessage::Ping { payload: p, id: i } => assert_eq!((text(p), text(i)), (payload, id), "{message}"),
                other => panic!("{message} {other:?}"),
            }
        }
    }

    #[test]
    fn subscribe_and_unsubscribe_take_a_channel_from_either_place() {
        for (rest, wanted) in [
            (r#""channel":"news""#, "news"),
            (r#""payload":{"channel":"news"}"#, "news"),
            (r#""payload":{"x":[1],"channel":"news"}"#, "news"),
            (r#""channel":"top","payload":{"channel":"below"}"#, "top"),
            (r#""channel":"top","payload":{"channel":5}"#, "top"),
            (r#""channel":"top","payload":[1]"#, "top"),
            (r#""channel":"""#, ""),
            (r#""channel":"a\u0000""#, "a\0"),
            (r#""channel":"\ud83e\udd80\n\"""#, "🦀\n\""),
            (r#""channel":"é""#, "é"),
        ] {
            match parse(&format!(r#"{{"type":"subscribe",{rest},"id":1}}"#)).unwrap() {
                ClientMessage::Subscribe { channel, id } => assert_eq!((&*channel, text(id)), (wanted, Some("1"))),
                other => panic!("{rest} {other:?}"),
            }
            match parse(&format!(r#"{{"type":"unsubscribe",{rest}}}"#)).unwrap() {
                ClientMessage::Unsubscribe { channel, id } => assert_eq!((&*channel, text(id)), (wanted, None)),
                other => panic!("{rest} {other:?}"),
            }
        }
    }

    #[test]
    fn chat_and_publish_are_the_same() {
        for (rest, channel, payload, id, to_self) in [
            ("", None, None, None, true),
            (r#","payload":{"channel":"no"}"#, None, Some(r#"{"channel":"no"}"#), None, true),
            (r#","channel":"a","payload":[ 1,2 ],"id":"x""#, Some("a"), Some("[ 1,2 ]"), Some(r#""x""#), true),
            (r#","self":false,"payload":null"#, None, Some("null"), None, false),
            (r#","self":true,"id":null"#, None, None, None, true),
        ] {
            for kind in ["chat", "publish", r"ch\u0061t"] {
                let message = format!(r#"{{"type":"{kind}"{rest}}}"#);
                match parse(&message).unwrap() {
                    ClientMessage::Chat { channel: c, payload: p, id: i, to_self: s } => {
                        assert_eq!((c.as_deref(), text(p), text(i), s), (channel, payload, id, to_self), "{message}");
                    }
                    other => panic!("{message} {other:?}"),
                }
            }
        }
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        let ClientMessage::Chat { channel, .. } = parse(r#"{"type":"chat","channel":"é"}"#).unwrap() else { panic!() };
        assert!(matches!(channel, Some(Cow::Borrowed("é"))));
        let ClientMessage::Chat { channel, .. } = parse(r#"{"type":"chat","channel":"\u00e9"}"#).unwrap() else {
            panic!()
        };
        assert!(matches!(channel, Some(Cow::Owned(name)) if name == "é"));
    }

    #[test]
    fn what_is_not_known_or_not_used_is_ignored() {
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        for message in [
            r#"{"type":"ping","timestamp":"2026-01-02T03:04:05.678Z"}"#,
            r#"{"type":"ping","timestamp":5,"timestamp":null}"#,
            r#"{"type":"ping","Type":1,"TYPE":2,"":3,"":4}"#,
            r#"{"type":"ping","token":5,"self":5}"#,
            " \t\r\n{ \"type\" : \"ping\" } \n",
            &format!(r#"{{"type":"ping","x":{deep}}}"#),
        ] {
            assert!(matches!(parse(message), Ok(ClientMessage::Ping { payload: None, id: None })), "{message}");
        }
    }

    fn assert_code(wanted: &str, messages: &[&str]) {
        for message in messages {
            assert_eq!(code(message), wanted, "{message}");
        }
    }

    #[test]
    fn what_is_not_json_is_bad_json() {
        assert_code("bad_json", &["", " ", "{", "nul", "[1", "[] []", "'x'", "{type:1}", "\u{a0}{}"]);
        assert_code("bad_json", &[r#"{"type":"ping",}"#, r#"{"type":"ping"} x"#, r#"{"type":"ping"}{}"#]);
        assert_code("bad_json", &["\u{feff}{\"type\":\"ping\"}", "{\"type\":\"ping\"}\0", "{\"type\":\"pi\nng\"}"]);
        assert_code("bad_json", &[r#"{"type":"ping","id":NaN}"#, r#"{"type":"ping","id":-Infinity}"#]);
        assert_code("bad_json", &[r#"{"type":"ping","x":01}"#, r#"{"type":"ping","x":"\x"}"#]);
    }

    #[test]
    fn what_parsers_disagree_about_is_bad_json() {
        assert_code("bad_json", &[r#"{"type":"ping","payload":1e999}"#, r#"{"type":"ping","id":[-1e999]}"#]);
        assert_code("bad_json", &[r#"{"type":"\ud800"}"#, r#"{"type":"auth","token":"\ud800"}"#]);
        assert_code("bad_json", &[r#"{"type":"chat","channel":"\udc00"}"#, r#"{"type":"chat","payload":"\ud800"}"#]);
        assert_code("bad_json", &[r#"{"type":"subscribe","payload":{"channel":"\ud800"}}"#]);
    }

    #[test]
    fn what_is_not_an_object_is_no_message() {
        assert_code("not_an_object", &["[]", r#"["ping"]"#, r#""{}""#, " 5", "null", "true", r#"[{"type":"ping"}]"#]);
    }

    #[test]
    fn a_known_key_comes_once() {
        assert_code("duplicate_key", &[r#"{"type":"ping","type":"ping"}"#, r#"{"type":"ping","ty\u0070e":"chat"}"#]);
        for key in ["channel", "payload", "id", "token", "self"] {
            for (first, second) in [("1", "1"), ("null", "1"), ("1", "null"), ("null", "null")] {
                assert_code("duplicate_key", &[&format!(r#"{{"type":"chat","{key}":{first},"{key}":{second}}}"#)]);
            }
        }
        assert_code("duplicate_key", &[r#"{"type":"subscribe","payload":{"channel":"a","channel":"b"}}"#]);
        let error = parse(r#"{"type":"a","type":"b"}"#).unwrap_err();
        assert!(error.to_string().starts_with("duplicate field `type`"), "{error}");
    }

    #[test]
    fn a_type_is_one_of_the_protocol() {
        assert_code("missing_type", &["{}", r#"{"channel":"a"}"#, r#"{"Type":"ping"}"#]);
        assert_code("bad_field", &[r#"{"type":null}"#, r#"{"type":5}"#, r#"{"type":["ping"]}"#, r#"{"type":{}}"#]);
        for name in ["", "PING", "ping ", r"ping\u0000", "pong", "connected", "error"] {
            assert_code("unknown_type", &[&format!(r#"{{"type":"{name}"}}"#)]);
        }
    }

    #[test]
    fn a_field_that_is_needed_is_there_and_of_its_kind() {
        assert_code("missing_field", &[r#"{"type":"auth"}"#, r#"{"type":"subscribe"}"#, r#"{"type":"unsubscribe"}"#]);
        for payload in ["null", "{}", r#"["a"]"#, r#""channel""#, r#"{"Channel":"a"}"#] {
            assert_code("missing_field", &[&format!(r#"{{"type":"subscribe","payload":{payload}}}"#)]);
        }
        for value in ["null", "5", "true", "[]", r#"["a"]"#, "{}"] {
            for kind in ["ping", "subscribe", "unsubscribe", "chat", "publish"] {
                assert_code("bad_field", &[&format!(r#"{{"type":"{kind}","channel":{value}}}"#)]);
            }
            assert_code("bad_field", &[&format!(r#"{{"type":"unsubscribe","payload":{{"channel":{value}}}}}"#)]);
            assert_code("bad_field", &[&format!(r#"{{"type":"auth","token":{value}}}"#)]);
        }
        for value in ["null", "0", r#""false""#, "[]", "{}"] {
            assert_code("bad_field", &[&format!(r#"{{"type":"chat","self":{value}}}"#)]);
        }
    }

    #[test]
    fn payload_and_id_are_bounded_in_depth_whatever_the_type() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for kind in ["ping", "subscribe", "unsubscribe", "chat", "publish"] {
            for field in ["payload", "id"] {
                let message = |depth| format!(r#"{{"type":"{kind}","channel":"a","{field}":{}}}"#, nested(depth));
                assert!(parse(&message(JSON_DEPTH)).is_ok());
                assert_eq!(parse(&message(JSON_DEPTH + 1)).unwrap_err(), FormatError::TooDeep { field });
                assert_eq!(code(&message(200_000)), "too_deep");
            }
        }
        assert_eq!(code(&"[".repeat(1_000_000)), "bad_json");
        assert_eq!(code(&nested(500_000)), "not_an_object");
        assert_eq!(code(&r#"{"payload":"#.repeat(100_000)), "bad_json");
    }

    #[test]
    fn every_beginning_of_a_message_is_refused_without_harm() {
        let message = r#"{"type":"chat","channel":"\ud83e\udd80é","payload":{"a":[1e5,"\\\""]},"id":7,"self":false}"#;
        assert!(parse(message).is_ok());
        for (end, _) in message.char_indices() {
            assert_eq!(code(&message[..end]), "bad_json", "{}", &message[..end]);
        }
    }

    #[test]
    fn an_error_shows_what_the_peer_sent_only_shortened_and_escaped() {
        let hostile = "\\n[error] forged\\u001b[31m\\u0085\\u202e";
        for message in [
            format!(r#"{{"type":"{hostile}"}}"#),
            format!(r#"{{"type":"{hostile}{}"}}"#, "x".repeat(1000)),
            format!(r#"{{"{hostile}":1,"type":"ping","channel":["{hostile}"]}}"#),
            format!(r#""{hostile}""#),
            format!(r#"{{"type":"ping" {hostile}"#),
            format!(r#"{{"type":"ping","channel":"a","channel":"{hostile}"}}"#),
            "{\"type\":\"\n\u{1b}\"}".to_owned(),
        ] {
            let line = parse(&message).unwrap_err().to_string();
            assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}') && line.len() < 200, "{line:?}");
        }
        let shown = |name: String| parse(&format!(r#"{{"type":"{name}"}}"#)).unwrap_err().to_string();
        assert_eq!(shown("x".repeat(64)), format!("unknown type \"{}\"", "x".repeat(64)));
        assert_eq!(shown("x".repeat(65)), format!("unknown type \"{}…\"", "x".repeat(64)));
        let error = parse(r#"{"type":"chat","channel":[]}"#).unwrap_err();
        assert_eq!(error.to_string(), "`channel` is an array, it must be a string");
    }
}
