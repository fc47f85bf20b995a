//! What is said, message by message: [`Said`] makes one only where it differs from the last, and knows it again in what others
//! are sent.
//!
//! Not here: what may stand in a template (`template.rs`), who says it (the modes).

use barewire::Message;
use serde_json::{Value, json};

use super::crowd::Crowd;
use super::template::{Occasion, Template};

/// See the module.
#[derive(Debug)]
pub struct Said {
    template: Template,
    /// As payload of `chat` messages to a channel.
    envelope: Option<Envelope>,
    /// What is the same each time: a clone of it copies nothing.
    constant: Option<Message>,
    /// Messages so far.
    number: u64,
    /// Where it was found last: a server puts it at the same place each time, as a rule.
    found_at: usize,
}

/// What a server may put before a message that it sends on, in bytes. What stands further back is not found.
const BEFORE_MAX: usize = 4096;

impl Said {
    /// By this template.
    pub fn new(template: Template) -> Said {
        let constant = template.constant();
        Said { template, envelope: None, constant, number: 0, found_at: 0 }
    }

    /// The same, as payload of `chat` messages to this channel of a barewire server.
    pub fn to_channel(template: Template, channel: &str) -> Said {
        let envelope = Envelope::to(channel);
        let constant = template.constant().map(|message| envelope.chat(&message));
        Said { template, envelope: Some(envelope), constant, number: 0, found_at: 0 }
    }

    /// Bytes of a message, or of the first where they differ.
    pub fn bytes(&self) -> usize {
        self.constant.as_ref().map_or_else(|| self.template.bytes(), Message::len)
    }

    /// The next message, which this connection says.
    pub fn next(&mut self, crowd: &mut Crowd, connection: usize) -> Message {
        match &self.constant {
            Some(message) => message.clone(),
            None => {
                let occasion = Occasion { number: self.number, connection, unix_ms: crowd.unix_ms() };
                self.number += 1;
                let message = self.template.fill(occasion);
                match &self.envelope {
                    Some(envelope) => envelope.chat(&message),
                    None => message,
                }
            }
        }
    }

    /// Whether this is what a server sends on of that which was said: it, or the payload that it has published, with at most
    /// 4096 bytes before it and anything behind. What says nothing is found in nothing else.
    pub fn is_in(&mut self, heard: &Message, said: &Message) -> bool {
        let (heard, said) = (heard.payload(), said.payload());
        let core = self.envelope.as_ref().map_or(said, |envelope| envelope.payload(said));
        if core.is_empty() {
            return heard.is_empty();
        }
        if heard.get(self.found_at..).is_some_and(|rest| rest.starts_with(core)) {
            return true;
        }
        let mut places = heard.windows(core.len()).take(BEFORE_MAX + 1);
        match places.position(|place| place.first() == core.first() && place == core) {
            Some(at) => {
                self.found_at = at;
                true
            }
            None => false,
        }
    }
}

/// A `chat` message to a channel, but for its payload.
#[derive(Debug)]
struct Envelope {
    before: String,
}

impl Envelope {
    const BEHIND: &str = "}";

    fn to(channel: &str) -> Envelope {
        Envelope { before: format!(r#"{{"type":"chat","channel":{},"payload":"#, Value::from(channel)) }
    }

    /// What publishes this.
    fn chat(&self, message: &Message) -> Message {
        let payload = Value::from(String::from_utf8_lossy(message.payload()));
        Message::Text(format!("{}{payload}{}", self.before, Envelope::BEHIND).into())
    }

    /// What it publishes.
    fn payload<'a>(&self, chat: &'a [u8]) -> &'a [u8] {
        let end = chat.len().saturating_sub(Envelope::BEHIND.len());
        chat.get(self.before.len()..end).unwrap_or_default()
    }
}

/// What subscribes to a channel of a barewire server.
pub fn subscribe(channel: &str) -> Message {
    Message::Text(json!({ "type": "subscribe", "channel": channel }).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_the_payload_of_a_chat_message() {
        let said = Said::to_channel(Template::parse(b"a \"word\"", false, 0).unwrap(), "news");
        let Some(Message::Text(text)) = said.constant else { panic!("not the same each time") };
        let value: Value = serde_json::from_str(text.as_str()).unwrap();
        assert_eq!(value, json!({ "type": "chat", "channel": "news", "payload": "a \"word\"" }));
    }

    #[test]
    fn what_was_said_is_known_again_whole_with_up_to_4096_bytes_before_it() {
        let text = |text: &str| Message::Text(text.into());
        let mut said = Said::new(Template::parse(b"{number}", false, 0).unwrap());
        let (most, more) = ("-".repeat(4096), "-".repeat(4097));
        for (heard, word, is_it) in [
            ("word", "word", true),
            ("ann: word", "word", true),
            ("bob: word, twice: word", "word", true),
            ("other", "word", false),
            ("wor", "word", false),
            ("", "word", false),
            ("", "", true),
            ("word", "", false),
            (&format!("{most}word"), "word", true),
            (&format!("{more}word"), "word", false),
            ("word", "word", true),
        ] {
            assert_eq!(said.is_in(&text(heard), &text(word)), is_it, "{word:?} in {} bytes", heard.len());
        }
        assert!(
            said.is_in(&Message::Binary(b"word".to_vec().into()), &text("word")),
            "the kind is the server's choice"
        );
    }

    #[test]
    fn what_was_published_is_known_again_by_its_payload() {
        let mut said = Said::to_channel(Template::parse(b"a \"word\"", false, 0).unwrap(), "news");
        let published = said.constant.clone().unwrap();
        for (heard, is_it) in [
            (r#"{"type":"chat","channel":"news","userId":"ann","payload":"a \"word\"","timestamp":"2026"}"#, true),
            (r#"{"type":"chat","channel":"news","userId":"ann","payload":"a word","timestamp":"2026"}"#, false),
            (r#"{"type":"ack","channel":"news"}"#, false),
        ] {
            assert_eq!(said.is_in(&Message::Text(heard.into()), &published), is_it, "{heard}");
        }
    }
}
