//! What is said: a [`Template`], from which each message is made. In it stand
//!
//! - `{number}`: the number of the message, in all, from 0;
//! - `{connection}`: the number of the connection that says it, from 0;
//! - `{time}`: milliseconds since 1970;
//! - `{random}`: 16 hexadecimal digits.
//!
//! All else is said as it is written, other braces too, so that JSON needs no care; and `{{number}` is `{number}`, not replaced.
//! A template without placeholders is made once.
//!
//! Not here: where it comes from (`asked.rs`), when one is made (`said.rs`).

use std::io::Write;

use barewire::Message;
use barewire::limits::MESSAGE_BYTES_MAX;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// See the module.
#[derive(Debug)]
pub struct Template {
    content: Made,
    is_binary: bool,
    /// For what is random in it.
    random: StdRng,
}

#[derive(Debug, Clone)]
enum Made {
    /// Without placeholders.
    Once(Message),
    /// Anew for each occasion.
    Each(Vec<Part>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Number,
    Connection,
    Time,
    Random,
}

/// What a message is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occasion {
    /// Which message this is, in all, from 0.
    pub number: u64,
    /// Which connection says it, from 0.
    pub connection: usize,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// What a message is padded with: the same bytes each time, of 64 kinds, so that deflating takes a quarter away at most.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Template {
    /// Printable text of so many bytes, the same in each run.
    pub fn of_size(bytes: usize, is_binary: bool, seed: u64) -> Template {
        let mut letters = StdRng::seed_from_u64(0);
        let pick = |_| ALPHABET.get((letters.next_u32() % 64) as usize).copied().unwrap_or(b'x');
        let text: Vec<u8> = (0..bytes).map(pick).collect();
        Template { content: Made::Once(message(text, is_binary)), is_binary, random: StdRng::seed_from_u64(seed) }
    }

    /// What is written there. An error says what is wrong with it.
    pub fn parse(text: &[u8], is_binary: bool, seed: u64) -> Result<Template, String> {
        if text.len() > MESSAGE_BYTES_MAX {
            return Err(format!("{} bytes; allowed: up to {MESSAGE_BYTES_MAX}", text.len()));
        }
        if !is_binary && std::str::from_utf8(text).is_err() {
            return Err("not UTF-8; allowed: text, or --binary".to_owned());
        }
        let mut parts = parts(text);
        let content = match parts.as_mut_slice() {
            [] => Made::Once(message(Vec::new(), is_binary)),
            [Part::Literal(whole)] => Made::Once(message(std::mem::take(whole), is_binary)),
            _ => Made::Each(parts),
        };
        Ok(Template { content, is_binary, random: StdRng::seed_from_u64(seed) })
    }

    /// The same, with other chance.
    pub fn again(&self, seed: u64) -> Template {
        Template { content: self.content.clone(), is_binary: self.is_binary, random: StdRng::seed_from_u64(seed) }
    }

    /// The same for every occasion, if it is: made once, and cheap to clone.
    pub fn constant(&self) -> Option<Message> {
        match &self.content {
            Made::Once(message) => Some(message.clone()),
            Made::Each(_) => None,
        }
    }

    /// The message for this occasion.
    pub fn fill(&mut self, occasion: Occasion) -> Message {
        match &self.content {
            Made::Once(message) => message.clone(),
            Made::Each(parts) => message(filled(parts, occasion, &mut self.random), self.is_binary),
        }
    }

    /// Bytes of a message; where they differ, of the first that would be made now.
    pub fn bytes(&self) -> usize {
        match &self.content {
            Made::Once(Message::Text(text)) => text.as_str().len(),
            Made::Once(Message::Binary(bytes)) => bytes.len(),
            Made::Each(parts) => {
                // A time of today has 13 digits.
                let first = Occasion { number: 0, connection: 0, unix_ms: 1_000_000_000_000 };
                filled(parts, first, &mut StdRng::seed_from_u64(0)).len()
            }
        }
    }
}

/// What a placeholder is written as.
const PLACEHOLDERS: [(&[u8], Part); 4] = [
    (b"{number}", Part::Number),
    (b"{connection}", Part::Connection),
    (b"{time}", Part::Time),
    (b"{random}", Part::Random),
];

fn parts(text: &[u8]) -> Vec<Part> {
    let placeholder = |at: &[u8]| PLACEHOLDERS.into_iter().find(|(written, _)| at.starts_with(written));
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        if let Some((written, part)) = placeholder(rest) {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = rest.get(written.len()..).unwrap_or_default();
        } else if let (b'{', Some((written, _))) = (first, placeholder(behind)) {
            literal.extend_from_slice(written);
            rest = behind.get(written.len()..).unwrap_or_default();
        } else {
            literal.push(*first);
            rest = behind;
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

fn filled(parts: &[Part], occasion: Occasion, random: &mut StdRng) -> Vec<u8> {
    let mut out =
        Vec::with_capacity(parts.iter().map(|part| if let Part::Literal(text) = part { text.len() } else { 20 }).sum());
    for part in parts {
        // Writing to a vector cannot fail.
        let _ = match part {
            Part::Literal(text) => out.write_all(text),
            Part::Number => write!(out, "{}", occasion.number),
            Part::Connection => write!(out, "{}", occasion.connection),
            Part::Time => write!(out, "{}", occasion.unix_ms),
            Part::Random => write!(out, "{:016x}", random.next_u64()),
        };
    }
    out
}

/// Of text that is UTF-8, or of anything if it is binary.
fn message(bytes: Vec<u8>, is_binary: bool) -> Message {
    match is_binary {
        true => Message::Binary(bytes.into()),
        false => Message::Text(String::from_utf8(bytes).unwrap_or_default().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCCASION: Occasion = Occasion { number: 7, connection: 49, unix_ms: 1_700_000_000_123 };

    fn filled_text(template: &str) -> String {
        match Template::parse(template.as_bytes(), false, 1).unwrap().fill(OCCASION) {
            Message::Text(text) => text.as_str().to_owned(),
            Message::Binary(_) => panic!("{template}: binary"),
        }
    }

    #[test]
    fn placeholders_are_replaced_and_all_else_stays() {
        for (written, said) in [
            ("", ""),
            ("plain", "plain"),
            (r#"{"type":"ping"}"#, r#"{"type":"ping"}"#),
            (r#"{"a":{"b":{}}}"#, r#"{"a":{"b":{}}}"#),
            (r#"{"n":{number},"c":{connection},"t":{time}}"#, r#"{"n":7,"c":49,"t":1700000000123}"#),
            ("{number}{number}", "77"),
            ("{ number} {NUMBER} {numbers} {number {}", "{ number} {NUMBER} {numbers} {number {}"),
            ("{{number} and {number}, {{time}", "{number} and 7, {time}"),
            ("{{{number}", "{{number}"),
            ("é{number}🦀", "é7🦀"),
            ("{", "{"),
            ("{{", "{{"),
        ] {
            assert_eq!(filled_text(written), said, "{written}");
        }
    }

    #[test]
    fn what_is_random_differs_in_each_message_and_is_the_same_with_the_same_seed() {
        let said = |seed| {
            let mut template = Template::parse(b"{random}{random}", false, seed).unwrap();
            [template.fill(OCCASION), template.fill(OCCASION)]
        };
        let [first, second] = said(1);
        assert_ne!(first, second);
        assert_eq!(said(1), [first.clone(), second]);
        assert_ne!(said(2)[0], first);
        let Message::Text(text) = first else { panic!("binary") };
        assert_eq!(text.as_str().len(), 32);
        assert!(text.as_str().chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{text:?}");
    }

    #[test]
    fn a_template_without_placeholders_is_made_once_and_one_with_is_not() {
        let constant = |text: &[u8]| Template::parse(text, false, 0).unwrap().constant();
        assert_eq!(constant(b"{{number}"), Some(Message::Text("{number}".into())));
        assert_eq!(constant(b""), Some(Message::Text("".into())));
        assert_eq!(constant(b"a{number}"), None);
    }

    #[test]
    fn a_size_is_printable_text_of_so_many_bytes() {
        for bytes in [0, 1, 20, 65_536] {
            let template = Template::of_size(bytes, false, 0);
            assert_eq!(template.bytes(), bytes);
            let Some(Message::Text(text)) = template.constant() else { panic!("{bytes}") };
            assert_eq!(text.as_str().len(), bytes);
            assert!(text.as_str().chars().all(|c| c.is_ascii_graphic()));
            assert_eq!(Template::of_size(bytes, false, 9).constant(), template.constant());
        }
        assert!(matches!(Template::of_size(3, true, 0).constant(), Some(Message::Binary(bytes)) if bytes.len() == 3));
    }

    #[test]
    fn its_bytes_are_those_of_a_message() {
        for (written, bytes) in [("a{number}", 2), ("{time}", 13), ("{random}", 16), ("{connection}é", 3)] {
            assert_eq!(Template::parse(written.as_bytes(), false, 0).unwrap().bytes(), bytes, "{written}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_said_in_binary_alone() {
        let wrong = Template::parse(b"\xff{number}", false, 0).unwrap_err();
        assert_eq!(wrong, "not UTF-8; allowed: text, or --binary");
        let mut template = Template::parse(b"\xff{number}", true, 0).unwrap();
        assert_eq!(template.fill(OCCASION), Message::Binary(b"\xff7".to_vec().into()));
    }
}
