//! Text of a peer on its way out: [`escape_for_log`] for one line of a log, [`Quoted`] for a JSON string.
//!
//! Not here: JSON text that goes out as it came in (`outgoing.rs`).

use std::fmt::{self, Display, Write};

/// The first `limit` characters of `text`, then `…` if there are more, as one line that cannot forge another:
/// control characters (C0, DEL, C1), line and paragraph separators, direction marks and the backslash are
/// written as Rust escapes. It takes at most 8 characters for each one of `text`, and reads no further than
/// `limit`.
pub fn escape_for_log(text: &str, limit: usize) -> impl Display {
    Escaped { text, limit }
}

struct Escaped<'a> {
    text: &'a str,
    limit: usize,
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.text.chars();
        for c in chars.by_ref().take(self.limit) {
            if c == '\\' || is_treacherous(c) { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        if chars.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Whether a terminal or a viewer may take `c` for an order: begin a line, move, or turn the direction of what
/// follows (the Bidi_Control property of Unicode).
pub fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A JSON string with its quotes (RFC 8259, section 7). DEL, C1 and what else a terminal may take for an order
/// is escaped beside what must be.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                // All of them are below U+10000, so four digits are enough.
                c if is_treacherous(c) => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_is_shortened_at_a_character_and_says_so() {
        for (text, limit, line) in [
            ("", 0, ""),
            ("a", 0, "…"),
            ("abc", 2, "ab…"),
            ("abc", 3, "abc"),
            ("abc", 4, "abc"),
            ("é🦀ü", 1, "é…"),
            ("é🦀ü", 2, "é🦀…"),
            ("é🦀ü", 3, "é🦀ü"),
            ("\n\n\n", 2, r"\n\n…"),
            ("abc", usize::MAX, "abc"),
        ] {
            assert_eq!(escape_for_log(text, limit).to_string(), line, "{text:?} {limit}");
        }
    }

    #[test]
    fn a_log_line_keeps_plain_text_and_escapes_what_could_forge_another() {
        for (text, line) in [
            (r#"{"type":"chat","payload":'é 🦀'}"#, r#"{"type":"chat","payload":'é 🦀'}"#),
            ("x\r\n[error] forged\t\0", r"x\r\n[error] forged\t\u{0}"),
            ("\u{1b}[31m\u{7f}\u{9b}1m\u{85}", r"\u{1b}[31m\u{7f}\u{9b}1m\u{85}"),
            ("a\u{2028}b\u{2029}", r"a\u{2028}b\u{2029}"),
            ("\u{202e}cod\u{2066}", r"\u{202e}cod\u{2066}"),
            (r"\n", r"\\n"),
        ] {
            assert_eq!(escape_for_log(text, 80).to_string(), line, "{text:?}");
        }
    }

    #[test]
    fn whatever_the_text_a_log_line_is_one_line_within_its_bound() {
        for c in (0..=0x3000).filter_map(char::from_u32) {
            let line = escape_for_log(c.encode_utf8(&mut [0; 4]), 1).to_string();
            assert!(!line.contains(is_treacherous) && line.chars().count() <= 8, "{c:?} {line:?}");
        }
    }

    #[test]
    fn every_character_survives_a_json_string() {
        let all: String = (0..=0x1_f9ff).filter_map(char::from_u32).collect();
        let quoted = Quoted(&all).to_string();
        assert!(!quoted.contains(is_treacherous));
        assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), all);
        assert_eq!(Quoted("a\"\\\n\u{7f}\u{2028}🦀").to_string(), r#""a\"\\\u000a\u007f\u2028🦀""#);
    }
}
