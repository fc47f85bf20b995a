//! An event as one line of the log, whatever is in it: what could forge, turn or clear a line is escaped, and a line
//! has an end. The library has escaped what a peer wrote already; this is the last defence, in every format.
//!
//! Not here: where a line goes (`writer.rs`), how a level and a time look there.

use std::fmt::{self, Write as _};

use log::{Level, Record};

use barewire::limits::LOG_LINE_BYTES;
use barewire::wire::message::is_treacherous;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it happened, in milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
    pub level: Level,
    /// The part of the program that it comes from.
    pub target: String,
    /// At most [`LOG_LINE_BYTES`]; what was longer ends in `…`.
    pub message: String,
}

impl Line {
    /// The line of an event that happens now.
    pub fn new(unix_ms: u64, record: &Record<'_>) -> Line {
        let target = OneLine::of(format_args!("{}", record.target()));
        Line { unix_ms, level: record.level(), target, message: OneLine::of(*record.args()) }
    }
}

/// Text that stays on its line and within its limit. A backslash is left alone: what is escaped already stays as it is.
#[derive(Default)]
struct OneLine {
    text: String,
    is_cut: bool,
}

impl OneLine {
    fn of(arguments: fmt::Arguments<'_>) -> String {
        let mut line = OneLine::default();
        // It takes everything; a value that cannot be formatted ends the text there.
        let _ = line.write_fmt(arguments);
        line.text
    }
}

impl fmt::Write for OneLine {
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
            if self.text.len() > LOG_LINE_BYTES - '…'.len_utf8() {
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
        let arguments = format_args!("{text}");
        Line::new(0, &Record::builder().level(Level::Info).target("t").args(arguments).build()).message
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
        let target = Record::builder().target("a\nb").args(format_args!("")).build();
        assert_eq!(Line::new(0, &target).target, "a\\nb");
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
    }
}
