//! The JSON envelope: [`ClientMessage`] is what a peer may say, [`ServerMessage`] is what it is told, and
//! [`check_channel`] says what a channel may be called. [`FormatError`] and [`ChannelError`] are the two ways in
//! which a peer's text can be wrong here.
//!
//! A `payload` and an `id` are never rebuilt: they are kept as the JSON text the peer sent, byte for byte,
//! and go out as that text. So they are judged as text too (`value.rs`).
//!
//! Not here: what a message does (`app/router.rs`), frames and UTF-8 (`wire/websocket.rs`).

mod escape;
mod incoming;
mod outgoing;
mod value;

use std::fmt;

pub use escape::{escape_for_log, is_treacherous};
pub use incoming::{ClientMessage, holds_token, parse};
pub use outgoing::ServerMessage;

use crate::limits::{CHANNEL_NAME_BYTES, JSON_DEPTH};

/// Whether a channel may have this name: 1 to [`CHANNEL_NAME_BYTES`] bytes of UTF-8, no control character
/// (C0, DEL, C1). Any other text is a name, and names are compared byte by byte.
pub fn check_channel(name: &str) -> Result<(), ChannelError> {
    if name.is_empty() {
        return Err(ChannelError::Empty);
    }
    if name.len() > CHANNEL_NAME_BYTES {
        return Err(ChannelError::TooLong { bytes: name.len() });
    }
    match name.chars().find(|c| c.is_control()) {
        Some(control) => Err(ChannelError::Control(control)),
        None => Ok(()),
    }
}

/// Why a channel cannot have the name a peer gave. The peer is told by an `error` with [`ChannelError::code`];
/// its session stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelError {
    /// No character at all.
    Empty,
    /// Longer than [`CHANNEL_NAME_BYTES`].
    TooLong {
        /// The length of the name, in bytes.
        bytes: usize,
    },
    /// The first control character in the name.
    Control(char),
}

impl ChannelError {
    /// The `code` of the `error` that answers it.
    pub fn code(&self) -> &'static str {
        match self {
            ChannelError::Empty => "channel_empty",
            ChannelError::TooLong { .. } => "channel_too_long",
            ChannelError::Control(_) => "channel_control_character",
        }
    }
}

/// One line, fit for a log and for the `message` of an `error`.
impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChannelError::Empty => f.write_str("a channel name must not be empty"),
            ChannelError::TooLong { bytes } => {
                write!(f, "a channel name of {bytes} bytes, at most {CHANNEL_NAME_BYTES} are allowed")
            }
            ChannelError::Control(control) => write!(f, "the control character {control:?} in a channel name"),
        }
    }
}

impl std::error::Error for ChannelError {}

/// Why a text is no message. The peer is told `Invalid format` with [`FormatError::code`]; its session stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatError {
    /// No JSON (RFC 8259), or a string or a number in it that parsers disagree about.
    BadJson {
        /// What is wrong and where. Holds nothing that the peer sent.
        detail: String,
    },
    /// JSON, but no object.
    NotAnObject {
        /// What it is, with its article.
        got: &'static str,
    },
    /// A known key appears twice.
    DuplicateKey {
        /// Which key and where. Holds nothing else that the peer sent.
        detail: String,
    },
    /// No `type`.
    MissingType,
    /// A `type` that is none of the protocol's.
    UnknownType {
        /// The first [`LOG_TYPE_CHARS`](crate::limits::LOG_TYPE_CHARS) characters of it, escaped by [`escape_for_log`].
        got: String,
    },
    /// No field of this name, at a type that needs it.
    MissingField {
        /// The field's name.
        field: &'static str,
    },
    /// A field that holds another kind of value than it may.
    BadField {
        /// The field's name.
        field: &'static str,
        /// The kind it must be of, with its article.
        wanted: &'static str,
        /// The kind it is of, with its article.
        got: &'static str,
    },
    /// Arrays and objects nested more than [`JSON_DEPTH`] deep.
    TooDeep {
        /// The name of the field that holds them.
        field: &'static str,
    },
}

impl FormatError {
    /// The `code` of the `error` that answers it.
    pub fn code(&self) -> &'static str {
        match self {
            FormatError::BadJson { .. } => "bad_json",
            FormatError::NotAnObject { .. } => "not_an_object",
            FormatError::DuplicateKey { .. } => "duplicate_key",
            FormatError::MissingType => "missing_type",
            FormatError::UnknownType { .. } => "unknown_type",
            FormatError::MissingField { .. } => "missing_field",
            FormatError::BadField { .. } => "bad_field",
            FormatError::TooDeep { .. } => "too_deep",
        }
    }
}

/// One line for a log: what the peer wrote is in it only shortened and escaped.
impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::BadJson { detail } | FormatError::DuplicateKey { detail } => f.write_str(detail),
            FormatError::NotAnObject { got } => write!(f, "{got} where an object must be"),
            FormatError::MissingType => f.write_str("no `type`"),
            FormatError::UnknownType { got } => write!(f, "unknown type \"{got}\""),
            FormatError::MissingField { field } => write!(f, "no `{field}`"),
            FormatError::BadField { field, wanted, got } => write!(f, "`{field}` is {got}, it must be {wanted}"),
            FormatError::TooDeep { field } => write!(f, "`{field}` is nested deeper than {JSON_DEPTH}"),
        }
    }
}

impl std::error::Error for FormatError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_name_has_1_to_255_bytes_and_no_control_character() {
        let full = "x".repeat(CHANNEL_NAME_BYTES);
        let wide = "é".repeat(CHANNEL_NAME_BYTES / 2);
        for name in
            ["a", " ", "a b", "\"\\", "\u{a0}", "~", "\u{2028}", "🦀", "null", &full, &wide, &format!("{wide}x")]
        {
            assert_eq!(check_channel(name), Ok(()), "{name:?}");
        }
        let long = ChannelError::TooLong { bytes: CHANNEL_NAME_BYTES + 1 };
        let refused = [
            ("", ChannelError::Empty, "channel_empty"),
            (&format!("{full}x"), long, "channel_too_long"),
            (&format!("{wide}é"), long, "channel_too_long"),
            ("a\0", ChannelError::Control('\0'), "channel_control_character"),
            ("\u{1f}", ChannelError::Control('\u{1f}'), "channel_control_character"),
            ("a\u{7f}b\n", ChannelError::Control('\u{7f}'), "channel_control_character"),
            ("\u{80}", ChannelError::Control('\u{80}'), "channel_control_character"),
            ("\u{9f}", ChannelError::Control('\u{9f}'), "channel_control_character"),
        ];
        for (name, error, code) in refused {
            assert_eq!(check_channel(name), Err(error), "{name:?}");
            assert_eq!(error.code(), code);
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
}
