//! What is said: a [`Template`], from which each message is made. One without placeholders is made once.
//!
//! Not here: where it comes from (`asked.rs`), who says it (`load.rs`).

use std::borrow::Cow;

use barewire::Message;

/// See the module.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    is_binary: bool,
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

impl Template {
    /// Printable text of so many bytes.
    pub fn of_size(bytes: usize, is_binary: bool, _seed: u64) -> Template {
        Template { bytes: vec![b'x'; bytes], is_binary }
    }

    /// What is written there. An error says what is wrong with it.
    pub fn parse(text: &[u8], is_binary: bool, _seed: u64) -> Result<Template, Cow<'static, str>> {
        if !is_binary && std::str::from_utf8(text).is_err() {
            return Err("not UTF-8; allowed: text, or --binary".into());
        }
        Ok(Template { bytes: text.to_owned(), is_binary })
    }

    /// The same for every occasion, if it is: to be made once, and shared.
    pub fn constant(&self) -> Option<Message> {
        Some(self.message())
    }

    /// The message for this occasion.
    pub fn fill(&mut self, _occasion: Occasion) -> Message {
        self.message()
    }

    /// Bytes of a message; where they differ, of the first.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn message(&self) -> Message {
        match self.is_binary {
            true => Message::Binary(self.bytes.clone().into()),
            false => Message::Text(String::from_utf8_lossy(&self.bytes).into_owned().into()),
        }
    }
}
