//! What is shown, and how: messages as lines of standard output, all else on standard error; or everything as JSON on standard
//! output. A peer's text goes into a pipe as it is, and onto a terminal with what could drive that escaped.
//!
//! Not here: what happens (`conversation.rs`), why the program fails at last (`daemon/mod.rs`).

use std::io::{self, ErrorKind, IsTerminal, Write};

use barewire::client::{ClientError, ClientEvent};
use barewire::limits::LOG_TEXT_CHARS;
use barewire::wire::http::may_be_token;
use barewire::wire::message::{escape_for_log, is_treacherous};
use barewire::{CloseReason, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::daemon::complain;

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Text messages as they came, each with a line feed.
    Raw,
    /// The same for a terminal.
    Escaped,
    /// Everything that happens, an object on a line.
    Json,
}

/// See the module.
pub struct Output {
    style: Style,
    is_quiet: bool,
    /// Lines that are not written yet.
    out: Vec<u8>,
    /// Why nothing more can be written.
    fault: Option<io::Error>,
}

impl Output {
    /// To standard output.
    pub fn new(json: bool, is_quiet: bool) -> Output {
        let style = match json {
            true => Style::Json,
            false if io::stdout().is_terminal() => Style::Escaped,
            false => Style::Raw,
        };
        Output { style, is_quiet, out: Vec::new(), fault: None }
    }

    /// Shows what has happened. `line` is what a person is told of it, if anything.
    pub fn show(&mut self, event: &ClientEvent, line: Option<String>) {
        match (self.style, event) {
            (Style::Json, event) => self.push(object(event).as_bytes()),
            (Style::Raw, ClientEvent::Message(Message::Text(text))) => self.push(text.as_bytes()),
            (Style::Escaped, ClientEvent::Message(Message::Text(text))) => self.push(escaped(text).as_bytes()),
            (Style::Raw | Style::Escaped, _) => line.into_iter().for_each(|line| self.tell(&line)),
        }
    }

    /// Tells a person something, unless that is not wanted.
    pub fn tell(&mut self, line: &str) {
        if !self.is_quiet && self.style != Style::Json {
            self.flush();
            complain(format_args!("barewire: {line}"));
        }
    }

    fn push(&mut self, line: &[u8]) {
        self.out.extend_from_slice(line);
        self.out.push(b'\n');
    }

    /// Writes what waits. It waits itself for a reader that is slow.
    pub fn flush(&mut self) {
        if self.fault.is_none() && !self.out.is_empty() {
            let mut stdout = io::stdout().lock();
            self.fault = stdout.write_all(&self.out).and_then(|()| stdout.flush()).err();
        }
        self.out.clear();
    }

    /// Whether nobody can be shown anything more; an error where that is not the reader's own wish.
    pub fn is_over(&self) -> Result<bool, &io::Error> {
        match &self.fault {
            None => Ok(false),
            Some(error) if error.kind() == ErrorKind::BrokenPipe => Ok(true),
            Some(error) => Err(error),
        }
    }
}

/// For a terminal: on one line, and nothing that it would take for an order.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_treacherous(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// An object on one line, fit for a terminal too.
fn object(event: &ClientEvent) -> String {
    let (name, fields) = match event {
        ClientEvent::Connecting { attempt } => ("connecting", vec![("attempt", json!(attempt))]),
        ClientEvent::Open { protocol: name } => ("open", vec![("protocol", json!(name.as_deref().map(protocol)))]),
        ClientEvent::Message(Message::Text(text)) => ("message", vec![("text", json!(text.as_str()))]),
        ClientEvent::Message(Message::Binary(bytes)) => ("message", vec![("base64", json!(STANDARD.encode(bytes)))]),
        ClientEvent::Error(error) => ("error", fields_of(error)),
        ClientEvent::Close { code, reason, retries, .. } => {
            ("close", vec![("code", json!(code)), ("reason", json!(reason)), ("retries", json!(retries))])
        }
        ClientEvent::Reconnecting { delay, attempt } => {
            ("reconnecting", vec![("delay_ms", json!(delay.as_millis())), ("attempt", json!(attempt))])
        }
        ClientEvent::MaxReconnect => ("maxreconnect", Vec::new()),
        other => ("other", vec![("debug", json!(format!("{other:?}")))]),
    };
    let mut line = format!("{{\"event\":\"{name}\"");
    for (name, value) in fields {
        line += &format!(",\"{name}\":");
        // JSON has them in its strings alone, and all of them fit in four digits.
        for c in value.to_string().chars() {
            if is_treacherous(c) { line += &format!("\\u{:04x}", u32::from(c)) } else { line.push(c) }
        }
    }
    line.push('}');
    line
}

fn fields_of(error: &ClientError) -> Vec<(&'static str, Value)> {
    match error {
        ClientError::Refused { response, body } => vec![
            ("message", json!(sentence(error))),
            ("status", json!(response.status())),
            ("body", json!(String::from_utf8_lossy(body))),
        ],
        other => vec![("message", json!(sentence(other)))],
    }
}

/// The subprotocol, as it may be shown: a server may select the token that was offered as one.
pub fn protocol(name: &str) -> &str {
    if may_be_token(name) { "…" } else { name }
}

/// Why an attempt has failed, in one line.
pub fn sentence(error: &ClientError) -> String {
    match error {
        ClientError::Refused { response, body } => {
            let body = String::from_utf8_lossy(body);
            let (reason, body) = (response.reason(), body.trim());
            let mut line = format!("refused with {}", response.status());
            if !reason.is_empty() {
                line += &format!(" {}", escape_for_log(reason, LOG_TEXT_CHARS));
            }
            if !body.is_empty() && body != reason {
                line += &format!(": {}", escape_for_log(body, LOG_TEXT_CHARS));
            }
            line
        }
        other => other.to_string(),
    }
}

/// How it ended that was open, in one line.
pub fn end(code: u16, cause: &CloseReason) -> String {
    match cause {
        CloseReason::PeerClosed { code: None, .. } => "closed without a code".to_owned(),
        CloseReason::PeerClosed { code: Some(code), reason } if reason.is_empty() => format!("closed with {code}"),
        CloseReason::PeerClosed { code: Some(code), reason } => {
            format!("closed with {code} {}", escape_for_log(reason, LOG_TEXT_CHARS))
        }
        other => format!("closed with {code}: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_on_a_terminal_is_one_line_that_drives_nothing() {
        for (text, shown) in [
            ("", ""),
            (r#"{"a":"\"}"#, r#"{"a":"\"}"#),
            ("é 🦀", "é 🦀"),
            ("a\nb\tc\r", r"a\nb\tc\r"),
            ("\u{1b}[2J\u{9b}1m\u{7f}\0\u{7}", r"\u{1b}[2J\u{9b}1m\u{7f}\u{0}\u{7}"),
            ("\u{202e}\u{2028}", r"\u{202e}\u{2028}"),
        ] {
            assert_eq!(escaped(text), shown, "{text:?}");
        }
    }

    #[test]
    fn an_object_is_json_of_one_line_that_drives_no_terminal() {
        let every: String = ('\0'..='\u{2069}').chain(['🦀', '"', '\\']).collect();
        let line = object(&ClientEvent::Message(Message::Text(every.as_str().into())));
        assert!(!line.contains(is_treacherous));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["event"], &value["text"]), (&json!("message"), &json!(every)));
    }

    #[test]
    fn an_end_says_whose_it_was() {
        let theirs = |code, reason: &str| CloseReason::PeerClosed { code, reason: reason.into() };
        assert_eq!(end(1005, &theirs(None, "")), "closed without a code");
        assert_eq!(end(1000, &theirs(Some(1000), "")), "closed with 1000");
        assert_eq!(end(4000, &theirs(Some(4000), "a\nb")), r"closed with 4000 a\nb");
        assert_eq!(end(1009, &CloseReason::MessageTooBig), "closed with 1009: a message above the limit");
    }
}
