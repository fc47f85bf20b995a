//! An event as one line of the log, whatever is in it: what could forge, turn or clear a line is escaped, and a line
//! has an end. The library has escaped what a peer wrote already; this is the last defence, in every format.
//!
//! Not here: where a line goes (`writer.rs`), how a level and a time look there.

use std::fmt::{self, Write as _};

use log::Level;

use barewire::limits::LOG_LINE_BYTES;
use barewire::wire::message::is_treacherous;

/// The room that a line is made with. One thread makes it and another lets go of it: of blocks up to 1032 bytes glibc would
/// put a few by for the second one, and nothing below them could go back to the system when a crowd has gone (see the
/// library's `engine/ebb.rs`).
const ROOM: usize = 1040;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it happened, in milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
    pub level: Level,
    /// The target, and the message behind it.
    text: String,
    target_bytes: usize,
}

impl Line {
    /// `target` is the part of the program that it comes from.
    pub fn new(unix_ms: u64, level: Level, target: &str, message: fmt::Arguments<'_>) -> Line {
        let mut text = String::with_capacity(ROOM);
        OneLine::behind(&mut text).write(format_args!("{target}"));
        let target_bytes = text.len();
        OneLine::behind(&mut text).write(message);
        Line { unix_ms, level, text, target_bytes }
    }

    pub fn target(&self) -> &str {
        self.text.get(..self.target_bytes).unwrap_or_default()
    }

    /// At most [`LOG_LINE_BYTES`]; what was longer ends in `…`.
    pub fn message(&self) -> &str {
        self.text.get(self.target_bytes..).unwrap_or_default()
    }
}

/// Text that stays on its line and within its limit. A backslash is left alone: what is escaped already stays as it is.
struct OneLine<'a> {
    text: &'a mut String,
    start: usize,
    is_cut: bool,
}

impl<'a> OneLine<'a> {
    fn behind(text: &'a mut String) -> OneLine<'a> {
        OneLine { start: text.len(), text, is_cut: false }
    }

    fn write(mut self, arguments: fmt::Arguments<'_>) {
        // It takes everything; a value that cannot be formatted ends the text there.
        let _ = self.write_fmt(arguments);
    }
}

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.is_cut {
                break;
            }
            let before = self.text.len();
            if is_treacherous(c) {
                self.text.extend(c.escape_default());
            } else {
                self.text.push(c);
            }
            if self.text.len() - self.start > LOG_LINE_BYTES - '…'.len_utf8() {
                self.text.truncate(before);
                self.text.push('…');
                self.is_cut = true;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        Line::new(0, Level::Info, "t", format_args!("{text}")).message().to_owned()
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        for (text, line) in [
            ("a\nb\r\tc\0", "a\\nb\\r\\tc\\u{0}"),
            ("\u{1b}[31mred\u{7f}", "\\u{1b}[31mred\\u{7f}"),
            ("\u{85}\u{9b}\u{2028}\u{2029}\u{202e}", "\\u{85}\\u{9b}\\u{2028}\\u{2029}\\u{202e}"),
        ] {
            assert_eq!(message(text), line);
        }
        let line = Line::new(0, Level::Info, "a\nb", format_args!("c"));
        assert_eq!((line.target(), line.message()), ("a\\nb", "c"));
    }

    #[test]
    fn ordinary_text_and_what_is_escaped_already_stay_as_they_are() {
        for text in ["", r#"{"a":"b"} 'c' C:\dir"#, r"a\nb\u{1b}", "é 漢 🦀"] {
            assert_eq!(message(text), text);
        }
    }

    #[test]
    fn a_line_is_cut_at_its_limit_and_not_before() {
        let room = LOG_LINE_BYTES - '…'.len_utf8();
        let longest = "a".repeat(room);
        assert_eq!(message(&longest), longest);
        for more in ["a", "aa", "é", "\n", &"b".repeat(LOG_LINE_BYTES)] {
            assert_eq!(message(&format!("{longest}{more}")), format!("{longest}…"));
        }
        // No half of an escape, no half of a character.
        let short = "a".repeat(room - 1);
        for more in ["\n", "é", "\u{1b}"] {
            assert_eq!(message(&format!("{short}{more}")), format!("{short}…"));
        }
        assert!(message(&"\u{2028}".repeat(LOG_LINE_BYTES)).len() <= LOG_LINE_BYTES);
        // The target does not count.
        let line = Line::new(0, Level::Info, &longest, format_args!("{longest}a"));
        assert_eq!((line.target(), line.message()), (longest.as_str(), format!("{longest}…").as_str()));
    }
}
