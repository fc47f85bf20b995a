//! One item of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1): a name with parameters.
//!
//! Not here: which extensions there are, and what their parameters mean (`wire/deflate.rs`).

use super::grammar::{is_token, is_token_byte};
use crate::limits::LIST_ITEMS;

/// Why a list of extensions is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListFault {
    /// An item that is no extension.
    Malformed,
    /// More than [`LIST_ITEMS`] items, or parameters of all together.
    TooMany,
}

/// An extension that is offered, or accepted. Names and values are compared as they are, in their case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    name: String,
    parameters: Vec<(String, Option<String>)>,
}

impl Extension {
    /// `token *( ";" token [ "=" ( token | quoted-string ) ] )`, where what is quoted is a token once its backslashes are
    /// gone. Whitespace may stand between any two of these, as RFC 2616 had it. `None` for anything else.
    pub fn parse(text: &[u8]) -> Option<Extension> {
        let mut parts = text.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let name = token(parts.next()?)?;
        Some(Extension { name, parameters: parts.map(parameter).collect::<Option<_>>()? })
    }

    /// All items of a list that was cut at its commas. A comma inside a quoted parameter ends nothing in the grammar, yet
    /// cutting there is right: what is quoted must be a token, which has no comma and no semicolon, and either half of
    /// such a quotation is malformed.
    pub(super) fn parse_all<'a>(items: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Extension>, ListFault> {
        let mut extensions = Vec::new();
        let mut parameters = 0;
        for item in items {
            let extension = Extension::parse(item).ok_or(ListFault::Malformed)?;
            // Each is kept while the handshake is judged, and takes many times the bytes it came in.
            parameters += extension.parameters.len();
            if extensions.len() == LIST_ITEMS || parameters > LIST_ITEMS {
                return Err(ListFault::TooMany);
            }
            extensions.push(extension);
        }
        Ok(extensions)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its parameters in order; one without a value is a word alone. A name may come twice.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

fn parameter(text: &[u8]) -> Option<(String, Option<String>)> {
    let mut halves = text.splitn(2, |&byte| byte == b'=').map(<[u8]>::trim_ascii);
    let name = token(halves.next()?)?;
    match halves.next() {
        None => Some((name, None)),
        Some(value) => Some((name, Some(token(value).or_else(|| quoted_token(value))?))),
    }
}

fn token(text: &[u8]) -> Option<String> {
    if is_token(text) { String::from_utf8(text.to_vec()).ok() } else { None }
}

fn quoted_token(value: &[u8]) -> Option<String> {
    let content = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""))?;
    let mut bytes = content.iter();
    let mut meant = Vec::new();
    while let Some(&byte) = bytes.next() {
        let byte = if byte == b'\\' { *bytes.next()? } else { byte };
        if !is_token_byte(byte) {
            return None;
        }
        meant.push(byte);
    }
    token(&meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (&'static [u8], &'static str, &'static [(&'static str, Option<&'static str>)]);

    #[test]
    fn names_parameters_and_quoted_values_are_read() {
        let table: [Case; 5] = [
            (b"foo", "foo", &[]),
            (b"foo;a;b=1", "foo", &[("a", None), ("b", Some("1"))]),
            (b"foo ; a = 1\t; b=\"2\"", "foo", &[("a", Some("1")), ("b", Some("2"))]),
            (b"foo;a=\"1\\0\"", "foo", &[("a", Some("10"))]),
            (b"foo;a;a=1", "foo", &[("a", None), ("a", Some("1"))]),
        ];
        for (text, name, parameters) in table {
            let extension = Extension::parse(text).unwrap();
            assert_eq!(extension.name(), name);
            assert_eq!(extension.parameters().collect::<Vec<_>>(), parameters);
        }
    }

    #[test]
    fn what_is_no_extension_is_none() {
        for text in [
            &b""[..],
            b";",
            b"foo;",
            b"foo;;a",
            b"foo;=1",
            b"foo;a=",
            b"foo;a=\"\"",
            b"foo;a=\"",
            b"foo;a=\"1",
            b"foo;a=1\"",
            b"foo bar",
            b"foo;a b",
            b"foo;a=\"b c\"",
            b"foo;a=\"b\\\"",
            b"foo;a=b=c",
            b"f\xf6o",
            b"foo;a=\"\\\xf6\"",
        ] {
            assert_eq!(Extension::parse(text), None, "{:?}", String::from_utf8_lossy(text));
        }
    }
}
