//! What is said, message by message: [`Said`] makes one only where it differs from the last.
//!
//! Not here: what may stand in a template (`template.rs`), who says it (the modes).

use barewire::Message;
use serde_json::json;

use super::crowd::Crowd;
use super::template::{Occasion, Template};

/// See the module.
#[derive(Debug)]
pub struct Said {
    template: Template,
    /// As `chat` messages to this channel.
    channel: Option<String>,
    /// What is the same each time: a clone of it copies nothing.
    constant: Option<Message>,
    /// Messages so far.
    number: u64,
}

impl Said {
    /// By this template.
    pub fn new(template: Template) -> Said {
        let constant = template.constant();
        Said { template, channel: None, constant, number: 0 }
    }

    /// The same, as payload of `chat` messages to this channel of a barewire server.
    pub fn to_channel(template: Template, channel: &str) -> Said {
        let constant = template.constant().map(|message| chat(channel, &message));
        Said { template, channel: Some(channel.to_owned()), constant, number: 0 }
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
                match &self.channel {
                    Some(channel) => chat(channel, &message),
                    None => message,
                }
            }
        }
    }
}

/// What publishes this.
fn chat(channel: &str, message: &Message) -> Message {
    let payload = String::from_utf8_lossy(message.payload());
    Message::Text(json!({ "type": "chat", "channel": channel, "payload": payload }).to_string().into())
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
        let value: serde_json::Value = serde_json::from_str(text.as_str()).unwrap();
        assert_eq!(value, json!({ "type": "chat", "channel": "news", "payload": "a \"word\"" }));
    }
}
