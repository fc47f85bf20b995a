//! The JSON envelope: what is a message, and what is said about it.
//!
//! The input is the text of a message; what is not UTF-8 in it is replaced.
//!
//! Not here: what a message does (`frames.rs`, by the router).

use std::fmt;

use barewire::limits::{CHANNEL_NAME_BYTES, JSON_DEPTH, LOG_TYPE_CHARS};
use barewire::wire::message::{
    ChannelError, ClientMessage, FormatError, ServerMessage, check_channel, escape_for_log, holds_token,
    is_treacherous, parse,
};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::de::Deserializer;
use serde_json::value::RawValue;

/// What a server's message adds to what it carries.
const ENVELOPE_BYTES: usize = 512;
const NOW: u64 = 1_795_000_000_000;
/// An escape takes the place of one character.
const ESCAPE_CHARS: usize = 8;
/// Why serde_json takes a text for no value that is JSON all the same (RFC 8259, sections 6, 8.2 and 9).
const NOT_FOR_VALUES: [&str; 4] =
    ["recursion limit exceeded", "number out of range", "surrogate", "unexpected end of hex escape"];

/// See the module.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let parsed = parse(&text);
    let expected = Members::read(&text).map(|members| members.verdict());
    match (&parsed, &expected) {
        (Ok(message), Ok(verdict)) => {
            assert_eq!(*verdict, None, "taken: {text:?}");
            check_message(message);
        }
        (Err(error), Ok(verdict)) => assert_eq!(Some(error.code()), *verdict, "{text:?}: {error}"),
        (Ok(message), Err(reason)) => {
            let is_json = NOT_FOR_VALUES.iter().any(|known| reason.contains(known));
            assert!(is_json, "taken, and no JSON: {text:?}: {reason}");
            check_message(message);
        }
        (Err(_), Err(_)) => {}
    }
    if let Err(error) = &parsed {
        check_error(error);
    }
    check_log_line(&text);
    check_name(&text);
    if let Ok(members) = Members::read(&text)
        && members.duplicate().is_none()
        && members.is_object
    {
        assert_eq!(holds_token(&text), members.member("token").is_some());
    }
}

/// The members of an object, as serde_json reads them, duplicates and all.
#[derive(Default)]
pub struct Members {
    is_object: bool,
    members: Vec<(String, Box<RawValue>)>,
}

const KNOWN: [&str; 6] = ["type", "channel", "payload", "id", "token", "self"];

impl Members {
    /// An error is that the text is no JSON, or not what a value can be.
    pub fn read(text: &str) -> Result<Members, String> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(String, Box<RawValue>)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !value.is_object() {
            return Ok(Members::default());
        }
        let members = Deserializer::from_str(text).deserialize_map(Pairs);
        Ok(Members { is_object: true, members: members.map_err(|error| error.to_string())? })
    }

    /// The first of this name, as it is written.
    fn text(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(own, _)| own == name).map(|(_, raw)| raw.get())
    }

    /// The first of this name.
    pub fn member(&self, name: &str) -> Option<Value> {
        self.text(name).map(|text| serde_json::from_str(text).expect("a value within a value"))
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    fn duplicate(&self) -> Option<&str> {
        let times = |name: &str| self.names().filter(|own| *own == name).count();
        KNOWN.into_iter().find(|name| times(name) > 1)
    }

    /// The code of the error that the protocol's table asks for; `None` for a message.
    fn verdict(&self) -> Option<&'static str> {
        if !self.is_object {
            return Some("not_an_object");
        }
        if self.duplicate().is_some() {
            return Some("duplicate_key");
        }
        let Some(kind) = &self.member("type") else { return Some("missing_type") };
        let Some(kind) = kind.as_str() else { return Some("bad_field") };
        if self.member("channel").is_some_and(|channel| !channel.is_string()) {
            return Some("bad_field");
        }
        let carried = [self.member("payload"), self.member("id")];
        if carried.into_iter().flatten().any(|value| depth(&value) > JSON_DEPTH) {
            return Some("too_deep");
        }
        match kind {
            "auth" => match self.member("token") {
                None => Some("missing_field"),
                Some(token) => (!token.is_string()).then_some("bad_field"),
            },
            "ping" => None,
            "subscribe" | "unsubscribe" if self.member("channel").is_some() => None,
            "subscribe" | "unsubscribe" => {
                let payload = Members::read(self.text("payload").unwrap_or("null")).expect("a value within a value");
                let channel = payload.member("channel");
                if payload.names().filter(|name| *name == "channel").count() > 1 {
                    return Some("duplicate_key");
                }
                channel.map_or(Some("missing_field"), |channel| (!channel.is_string()).then_some("bad_field"))
            }
            "chat" | "publish" => match self.member("self") {
                None | Some(Value::Bool(_)) => None,
                Some(_) => Some("bad_field"),
            },
            _ => Some("unknown_type"),
        }
    }
}

/// Arrays and objects around the innermost value.
fn depth(value: &Value) -> usize {
    let deepest = |values: &mut dyn Iterator<Item = &Value>| 1 + values.map(depth).max().unwrap_or(0);
    match value {
        Value::Array(items) => deepest(&mut items.iter()),
        Value::Object(members) => deepest(&mut members.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Written anew it says the same; and what is told of it is JSON that says so.
fn check_message(message: &ClientMessage<'_>) {
    let text = rewrite(message);
    let again = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(rewrite(&again), text);
    assert_eq!(format!("{again:?}"), format!("{message:?}"));
    let (channel, payload, id) = match message {
        ClientMessage::Auth { token } => {
            assert!(!format!("{message:?}").contains(&**token) || token.len() < 8, "a token is shown");
            (Some(&**token), None, None)
        }
        ClientMessage::Ping { payload, id } => (None, *payload, *id),
        ClientMessage::Subscribe { channel, id } | ClientMessage::Unsubscribe { channel, id } => {
            (Some(&**channel), None, *id)
        }
        ClientMessage::Chat { channel, payload, id, .. } => (channel.as_deref(), *payload, *id),
    };
    for raw in [payload, id].into_iter().flatten() {
        let value: Value = serde_json::from_str(raw.get()).expect("what is carried on is a value for everybody");
        assert!(depth(&value) <= JSON_DEPTH);
    }
    check_answers(channel.unwrap_or_default(), payload, id);
}

/// The message as a client would write it.
fn rewrite(message: &ClientMessage<'_>) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let field =
        |name: &str, value: Option<String>| value.map_or(String::new(), |value| format!(r#","{name}":{value}"#));
    let raw = |raw: &Option<&RawValue>| raw.map(|raw| raw.get().to_owned());
    let (kind, fields) = match message {
        ClientMessage::Auth { token } => ("auth", vec![field("token", Some(quoted(token)))]),
        ClientMessage::Ping { payload, id } => ("ping", vec![field("payload", raw(payload)), field("id", raw(id))]),
        ClientMessage::Subscribe { channel, id } => {
            ("subscribe", vec![field("channel", Some(quoted(channel))), field("id", raw(id))])
        }
        ClientMessage::Unsubscribe { channel, id } => {
            ("unsubscribe", vec![field("channel", Some(quoted(channel))), field("id", raw(id))])
        }
        ClientMessage::Chat { channel, payload, id, to_self } => (
            "chat",
            vec![
                field("channel", channel.as_deref().map(quoted)),
                field("payload", raw(payload)),
                field("id", raw(id)),
                field("self", Some(to_self.to_string())),
            ],
        ),
    };
    format!(r#"{{"type":"{kind}"{}}}"#, fields.concat())
}

/// Every answer that may carry these is JSON, carries them unchanged, and holds no control character of its own.
fn check_answers(name: &str, payload: Option<&RawValue>, id: Option<&RawValue>) {
    let carried = payload.map_or(0, |raw| raw.get().len()) + id.map_or(0, |raw| raw.get().len());
    let mut answers = vec![
        ServerMessage::Connected { user_id: name, timestamp: NOW },
        ServerMessage::Pong { payload, id, timestamp: NOW },
        ServerMessage::Subscribed { channel: name },
        ServerMessage::Unsubscribed { channel: name },
        ServerMessage::Chat { channel: Some(name), user_id: name, payload, timestamp: NOW },
        ServerMessage::Chat { channel: None, user_id: name, payload, timestamp: NOW },
        ServerMessage::Error { message: name, code: Some(name), id },
    ];
    answers.extend(id.map(|id| ServerMessage::Ack { id }));
    for answer in answers {
        let text = answer.encode();
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        for key in ["userId", "channel", "message", "code"] {
            assert!(value.get(key).is_none_or(|told| told == name), "{key} in {text}");
        }
        for (key, raw) in [("payload", payload), ("id", id)] {
            let (told, raw) = (value.get(key), raw.map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap()));
            assert!(told.is_none() || raw.is_none() && told == Some(&Value::Null) || told == raw.as_ref(), "{text}");
        }
        // Every byte of a name may become an escape of six.
        assert!(text.len() <= carried + 3 * ESCAPE_CHARS * name.len() + ENVELOPE_BYTES, "{}", text.len());
        if carried == 0 {
            assert!(!text.contains(is_treacherous), "{text:?}");
        }
    }
}

/// One line, short, whatever the peer wrote.
fn check_error(error: &FormatError) {
    let line = error.to_string();
    assert!(!line.contains(is_treacherous), "{line:?}");
    assert!(line.chars().count() <= LOG_TYPE_CHARS * ESCAPE_CHARS + ENVELOPE_BYTES, "{line}");
}

fn check_log_line(text: &str) {
    for limit in [0, 3, 200] {
        let line = escape_for_log(text, limit).to_string();
        assert!(!line.contains(is_treacherous), "{line:?}");
        assert!(line.chars().count() <= limit * ESCAPE_CHARS + 1, "{line:?}");
    }
}

fn check_name(name: &str) {
    let expected = if name.is_empty() {
        Err(ChannelError::Empty)
    } else if name.len() > CHANNEL_NAME_BYTES {
        Err(ChannelError::TooLong { bytes: name.len() })
    } else {
        name.chars().find(|c| c.is_control()).map_or(Ok(()), |c| Err(ChannelError::Control(c)))
    };
    assert_eq!(check_channel(name), expected);
}
